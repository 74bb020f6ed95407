/* The SQL of each replicated table, made once a connection from the list of tables.
 *
 * County table: id, scope, the columns, for each column group N its version, stamp and origin
 * (gN_v gN_h gN_o), the tombstone _del with del_v del_h del_o, and _v, the latest version of the
 * row. Append-only tables have _v alone.
 *
 * A push goes through in_<tid>, where a predicate refuses a row before the table would
 * (store_stage.c). Bits of acc, lose and unseen are groups; bit 7 is the tombstone. Parameters:
 * struct merge_args. Engines: see db.h. */
#include "sync/county/store_sql.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/rules.h"

static const struct table_column scope_column = {"scope", COLUMN_TEXT, 0, true};

const struct table_column *sql_column_at(const struct table *table, size_t index)
{
    return index == 0
               ? &scope_column
               : (table->columns[index - 1].name != NULL ? &table->columns[index - 1] : NULL);
}

const char *column_sql_type(const struct table_column *column)
{
    return column->type == COLUMN_INT ? "INTEGER" : "TEXT";
}

struct sql_group sql_group_at(const struct table *table, int index)
{
    if (index == table_group_count(table))
        return (struct sql_group){-1, BIT_DEL, "del", "h7"};
    struct sql_group group = {index, 1 << index, "g0", "h0"};
    group.name[1] = group.stamp[1] = (char)('0' + index);
    return group;
}

char *sql_take(struct buf *sql)
{
    assert(!sql->failed && sql->bytes != NULL);
    char *text = strdup(buf_text(sql));
    if (text == NULL)
        abort();
    buf_clear(sql);
    return text;
}

static void make_create(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    buf_printf(b,
               "CREATE TABLE IF NOT EXISTS ${|touyan.}\"%s\"(${|county TEXT NOT NULL,}"
               "id TEXT ${PRIMARY KEY |}NOT NULL",
               t->name);
    EACH_COLUMN(c, t)
    buf_printf(b, ",\"%s\" %s%s", c->name, column_sql_type(c), c->required ? " NOT NULL" : "");
    for (int g = 0; !is_up(t) && g < table_group_count(t); g++)
        buf_printf(b,
                   ",g%d_v INTEGER NOT NULL DEFAULT 0,g%d_h INTEGER NOT NULL DEFAULT 0"
                   ",g%d_o INTEGER NOT NULL DEFAULT 0",
                   g, g, g);
    if (!is_up(t))
        buf_add_text(b, ",_del INTEGER NOT NULL DEFAULT 0,del_v INTEGER NOT NULL DEFAULT 0"
                        ",del_h INTEGER NOT NULL DEFAULT 0,del_o INTEGER NOT NULL DEFAULT 0");
    /* the id first: with the county first, PostgreSQL reads all rows of the county for each row of
     * a push as long as it does not know how many there are */
    buf_add_text(b, ",_v INTEGER NOT NULL${|,PRIMARY KEY(id,county)})${ STRICT,WITHOUT ROWID|}");
    out->create = sql_take(b);
    buf_printf(b,
               "CREATE INDEX IF NOT EXISTS \"%s_scope\" ON ${|touyan.}\"%s\"(${|county,}scope,id)",
               t->name, t->name);
    out->index = sql_take(b);
}

/* --- the merge of a table with groups --- */

void sql_add_differ(struct buf *b, const struct table *t, const struct sql_group *group,
                    uint32_t without)
{
    buf_printf(b, "((m.gm&%d)<>0 AND (%s", group->bit,
               (without & WITHOUT_NOOPBUMP) != 0 ? "TRUE" : "FALSE");
    if (group->index < 0)
        buf_add_text(b, " OR coalesce(m._del,0)<>t._del");
    EACH_COLUMN(c, t)
    if (c->group == group->index)
        buf_printf(b, " OR m.\"%s\" IS DISTINCT FROM t.\"%s\"", c->name, c->name);
    buf_add_text(b, "))");
}

/* As the log of conflicts numbers it. */
int sql_group_number(const struct sql_group *group)
{
    return group->index < 0 ? 7 : group->index;
}

void sql_add_regained(struct buf *b, const struct table *t, const struct sql_group *group)
{
    buf_printf(b, "FROM regained r WHERE r.tid=%d AND r.pk=m.id AND r.grp=%d", t->tid,
               sql_group_number(group));
}

/* Not later than what the pusher knew, or its own? Then nothing is concurrent. */
static void add_seen(struct buf *b, const char *group)
{
    buf_printf(b, "(t.%s_v<=m.base OR t.%s_o=?3)", group, group);
}

void sql_add_apart(struct buf *b, const char *low, const char *high)
{
    buf_printf(b,
               "EXISTS(SELECT 1 FROM (SELECT start_v,first_v FROM epoch UNION ALL SELECT "
               "start_v,first_v FROM lost_epoch) AS e WHERE e.start_v<%s AND %s<=e.first_v AND "
               "e.first_v<%s)",
               low, low, high);
}

void sql_add_lacked(struct buf *b, const struct table *t, const struct sql_group *group)
{
    buf_printf(b, " AND r.lacks<>0 AND r.v=t.%s_v", group->name);
    EACH_COLUMN(c, t)
    if (c->group == group->index)
        buf_printf(b, " AND ((r.lacks&%lld)<>0 OR m.\"%s\" IS NOT DISTINCT FROM t.\"%s\")",
                   (long long)WRONG_COLUMN(c_at), c->name, c->name);
}

/* The same, and what a pusher knew in a life that was lost and was given back since; also its own
 * value itself, without what a giver of an older schema did not know. */
static void add_causal(struct buf *b, const struct table *t, const struct sql_group *group)
{
    buf_add_text(b, "(");
    add_seen(b, group->name);
    buf_add_text(b, " OR (m.lost<>0 AND EXISTS(SELECT 1 ");
    sql_add_regained(b, t, group);
    buf_printf(b, " AND r.v=t.%s_v AND m.base<=r.upto AND (m.base>=r.lv AND NOT ", group->name);
    sql_add_apart(b, "r.lv", "m.base");
    buf_add_text(b, " OR m.base>=r.bv AND r.bv<>0 AND NOT ");
    sql_add_apart(b, "r.bv", "m.base");
    buf_add_text(b, "))) OR EXISTS(SELECT 1 ");
    sql_add_regained(b, t, group);
    sql_add_lacked(b, t, group);
    buf_add_text(b, "))");
}

/* The stamp of a group in in_<tid>; a row that is given back has versions there. */
#define STAMP LEAST "(m.%s%s,?5)"

static const char *unit_of(bool give)
{
    return give ? "/1000" : "";
}

void sql_add_later_stamp(struct buf *b, const struct sql_group *group, bool give)
{
    buf_printf(b, "((" STAMP ",?3)>(t.%s_h,t.%s_o))", group->stamp, unit_of(give), group->name,
               group->name);
}

static void add_wins(struct buf *b, const struct table *t, const struct sql_group *group,
                     uint32_t without)
{
    buf_add_text(b, "(");
    if ((without & WITHOUT_HLCONLY) != 0)
        buf_add_text(b, "?6<>0");
    else
        add_causal(b, t, group);
    buf_add_text(b, " OR ");
    sql_add_later_stamp(b, group, false);
    buf_add_text(b, ")");
}

/* Somebody says later what is there already: it has the later stamp then. */
static void add_same(struct buf *b, const struct table *t, const struct sql_group *group,
                     uint32_t without)
{
    buf_printf(b, "+iif((m.gm&%d)<>0 AND NOT ", group->bit);
    sql_add_differ(b, t, group, without);
    buf_printf(b, " AND " LEAST "(m.%s,?5)>t.%s_h,%d,0)", group->stamp, group->name, group->bit);
}

static void add_judgement(struct buf *acc, struct buf *lose, struct buf *unseen,
                          const struct table *t, const struct sql_group *group, uint32_t without)
{
    struct buf *both[] = {acc, lose};
    for (int i = 0; i < 2; i++) {
        buf_add_text(both[i], "+iif((");
        sql_add_differ(both[i], t, group, without);
        buf_add_text(both[i], i == 0 ? " AND " : " AND NOT ");
        add_wins(both[i], t, group, without);
        buf_printf(both[i], "),%d,0)", group->bit);
    }
    if ((without & WITHOUT_ADOPT) != 0)
        return;
    buf_add_text(unseen, "+iif((NOT ");
    sql_add_differ(unseen, t, group, without);
    buf_add_text(unseen, " AND NOT ");
    add_seen(unseen, group->name);
    buf_printf(unseen, "),%d,0)", group->bit);
}

/* Who stands on a version of a lost life may have values of that life in any group. */
static char *make_judge(const struct table *t, uint32_t without, struct buf *b)
{
    struct buf acc, lose, unseen, same;
    int groups = ((1 << table_group_count(t)) - 1) | BIT_DEL;
    buf_init(&acc, DB_SQL_BYTES);
    buf_init(&lose, DB_SQL_BYTES);
    buf_init(&unseen, DB_SQL_BYTES);
    buf_init(&same, DB_SQL_BYTES);
    for (int g = 0; g <= table_group_count(t); g++) {
        struct sql_group group = sql_group_at(t, g);
        add_judgement(&acc, &lose, &unseen, t, &group, without);
        add_same(&same, t, &group, without);
    }
    buf_printf(b,
               "UPDATE in_%d AS m SET acc=0%s,lose=0%s,unseen=iif(m.lost<>0,%d,"
               "(coalesce(m.unfed,0)&%d)%s),same=0%s FROM \"%s\" AS t WHERE t.id=m.id AND "
               "m._new=0 AND %s",
               t->tid, buf_text(&acc), buf_text(&lose), (without & WITHOUT_ADOPT) != 0 ? 0 : groups,
               groups, buf_text(&unseen), buf_text(&same), t->name, COND);
    assert(!acc.failed && !lose.failed && !unseen.failed && !same.failed);
    buf_free(&acc);
    buf_free(&lose);
    buf_free(&unseen);
    buf_free(&same);
    return sql_take(b);
}

void sql_add_values(struct buf *b, const struct table *t, int group, char side)
{
    buf_add_text(b, JSON_OBJECT "('_'");
    buf_add_text(b, ",NULL");
    if (group < 0)
        buf_printf(b, ",'_del',%c._del", side);
    EACH_COLUMN(c, t)
    if (c->group == group)
        buf_printf(b, ",'%s',%c.\"%s\"", c->name, side, c->name);
    buf_add_text(b, ")");
}

/* Both sides of a concurrent edit, whichever wins. */
char *sql_make_conflict(const struct table *t, const struct sql_group *group, bool give,
                        struct buf *b)
{
    int bit = group->bit;
    const char *name = group->name;
    buf_printf(
        b,
        "INSERT INTO conflict(v,at,tid,pk,grp,win_o,win_h,lose_o,lose_h,lose_val,win_val,why)"
        " SELECT ?4+m.k,?7,%d,m.id,%d,iif((m.acc&%d)<>0,?3,t.%s_o),iif((m.acc&%d)<>0," STAMP
        ",t.%s_h),iif((m.acc&%d)<>0,t.%s_o,?3),iif((m.acc&%d)<>0,t.%s_h," STAMP
        "),iif((m.acc&%d)<>0,",
        t->tid, sql_group_number(group), bit, name, bit, group->stamp, unit_of(give), name, bit,
        name, bit, name, group->stamp, unit_of(give), bit);
    sql_add_values(b, t, group->index, 't');
    buf_add_text(b, ",");
    sql_add_values(b, t, group->index, 'm');
    buf_printf(b, "),iif((m.acc&%d)<>0,", bit);
    sql_add_values(b, t, group->index, 'm');
    buf_add_text(b, ",");
    sql_add_values(b, t, group->index, 't');
    buf_printf(b,
               "),'%s' FROM in_%d m JOIN \"%s\" t ON t.id=m.id WHERE m._new=0 AND"
               " ((m.acc|m.lose)&%d)<>0 AND NOT ",
               give ? "given back" : "concurrent", t->tid, t->name, bit);
    if (give)
        sql_add_untouched(b, t, group);
    else
        add_causal(b, t, group);
    buf_printf(b, " AND %s", COND);
    return sql_take(b);
}

/* A stamp is later than that of what it stands on, however dead the clock of its author: what it
 * replaced, pushed once more by a copy of some station, must not win over it. */
static char *make_update(const struct table *t, bool give, struct buf *b)
{
    buf_printf(b, "UPDATE \"%s\" AS t SET _v=iif((m.acc|m.lose|m.unseen)<>0,?4+m.k,t._v)", t->name);
    EACH_COLUMN(c, t)
    buf_printf(b, ",\"%s\"=iif((m.acc&%d)<>0,m.\"%s\",t.\"%s\")", c->name, 1 << c->group, c->name,
               c->name);
    for (int g = 0; g <= table_group_count(t); g++) {
        struct sql_group group = sql_group_at(t, g);
        const char *n = group.name;
        buf_printf(b,
                   ",%s_v=iif((m.acc&%d)<>0,?4+m.k,t.%s_v),%s_h=iif(((m.acc|m.same)&%d)<>0,"
                   "${max|greatest}(" STAMP ",t.%s_h+1),t.%s_h)"
                   ",%s_o=iif((m.acc&%d)<>0,?3,t.%s_o)",
                   n, group.bit, n, n, group.bit, group.stamp, unit_of(give), n, n, n, group.bit,
                   n);
    }
    buf_printf(b,
               ",_del=iif((m.acc&%d)<>0,coalesce(m._del,0),t._del)"
               " FROM in_%d AS m WHERE m.id=t.id AND m._new=0 AND"
               " (m.acc|m.lose|m.unseen|m.same)<>0 AND %s",
               BIT_DEL, t->tid, COND);
    return sql_take(b);
}

/* A group of a given row that the giver cannot vouch for (its own change of it is still to come)
 * has a stamp that loses to any. */
static char *make_insert(const struct table *t, bool give, struct buf *b)
{
    buf_printf(b, "INSERT INTO \"%s\"(id,_v", t->name);
    EACH_COLUMN(c, t)
    buf_printf(b, ",\"%s\"", c->name);
    for (int g = 0; !is_up(t) && g < table_group_count(t); g++)
        buf_printf(b, ",g%d_v,g%d_h,g%d_o", g, g, g);
    if (!is_up(t))
        buf_add_text(b, ",_del,del_v,del_h,del_o");
    buf_add_text(b, ") SELECT m.id,?4+m.k");
    EACH_COLUMN(d, t)
    buf_printf(b, ",m.\"%s\"", d->name);
    for (int g = 0; !is_up(t) && g < table_group_count(t); g++) {
        const char *stamp = sql_group_at(t, g).stamp;
        if (give)
            buf_printf(b, ",?4+m.k,iif((m.gm&%d)<>0," STAMP ",0),?3", 1 << g, stamp, unit_of(true));
        else
            buf_printf(b, ",?4+m.k," STAMP ",?3", stamp, unit_of(false));
    }
    if (!is_up(t)) {
        struct sql_group deletion = sql_group_at(t, table_group_count(t));
        buf_printf(b, ",iif((m.gm&%d)<>0 AND coalesce(m._del,0)<>0", BIT_DEL);
        if (give) {
            buf_add_text(b, " OR EXISTS(SELECT 1 ");
            sql_add_regained(b, t, &deletion);
            buf_add_text(b, " AND r.hv>m.h7)");
        }
        buf_printf(b, ",1,0),?4+m.k," STAMP ",?3", deletion.stamp, unit_of(give));
    }
    buf_printf(b, " FROM in_%d AS m WHERE m._new=1 AND %s", t->tid, COND);
    return sql_take(b);
}

/* A row that changed its scope leaves an exit in the feed of the old one. */
static char *make_feed_exit(const struct table *t, struct buf *b)
{
    buf_printf(b,
               "INSERT INTO feed(scope,v,tid,pk,op,o) SELECT f.scope,?4+m.k,%d,m.id,'X',NULL"
               " FROM in_%d m JOIN \"%s\" t ON t.id=m.id"
               " JOIN feed f ON f.tid=%d AND f.pk=m.id AND f.scope<>t.scope AND f.op<>'X'"
               " WHERE (m.acc&1)<>0 AND %s"
               " ON CONFLICT(${|county,}tid,pk,scope) DO UPDATE SET "
               "v=excluded.v,op=excluded.op,o=excluded.o",
               t->tid, t->tid, t->name, t->tid, COND);
    return sql_take(b);
}

#define FEED_END                                                                                   \
    " ON CONFLICT(${|county,}tid,pk,scope) DO UPDATE SET v=excluded.v,op=excluded.op,o=excluded.o"

static char *make_feed(const struct table *t, struct buf *b)
{
    buf_printf(b,
               "INSERT INTO feed(scope,v,tid,pk,op,o) SELECT t.scope,?4+m.k,%d,m.id"
               ",iif(t._del<>0,'D','U'),iif((m.lose|m.unseen)<>0,NULL,?3) FROM in_%d m JOIN"
               " \"%s\" t ON t.id=m.id WHERE (m.acc|m.lose|m.unseen|m._new)<>0 AND %s" FEED_END,
               t->tid, t->tid, t->name, COND);
    return sql_take(b);
}

/* Of a row that is new all is known without looking for it. An event is never deleted and never
 * moves, so the feed knows nothing of one that is new: PostgreSQL is spared the care for a
 * conflict.
 */
static char *make_feed_fresh(const struct table *t, struct buf *b)
{
    buf_printf(b, "INSERT INTO feed(scope,v,tid,pk,op,o) SELECT m.scope,?4+m.k,%d,m.id,", t->tid);
    if (is_up(t))
        buf_add_text(b, "'U'");
    else
        buf_printf(b, "iif((m.gm&%d)<>0 AND coalesce(m._del,0)<>0,'D','U')", BIT_DEL);
    buf_printf(b, ",?3 FROM in_%d m WHERE m._new=1 AND %s%s", t->tid, COND,
               is_up(t) ? "" : FEED_END);
    return sql_take(b);
}

/* Which rows are there, and whose they are. */
static void make_admission(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    /* OFFSET: so PostgreSQL makes no join of it but looks each up by key, however few it takes
     * them for */
    buf_printf(
        b,
        "UPDATE in_%d AS m SET _new=0 WHERE EXISTS(SELECT 1 FROM \"%s\" t WHERE t.id=m.id${| "
        "OFFSET 0}) AND %s",
        t->tid, t->name, COND);
    out->known = sql_take(b);
    buf_printf(b,
               "UPDATE in_%d AS m SET why='scope' WHERE ?6=0 AND m._new=0 AND EXISTS(SELECT 1 FROM "
               "\"%s\" t WHERE t.id=m.id AND t.scope<>?8) AND %s",
               t->tid, t->name, COND);
    out->old[0] = sql_take(b);
    if (!is_up(t)) {
        int all = (1 << table_group_count(t)) - 1;
        buf_printf(b,
                   "UPDATE in_%d AS m SET _new=0,why=CASE WHEN m.gm=%d THEN NULL WHEN m.base>0"
                   " AND ?6=0 THEN 'gone' ELSE 'incomplete new row' END WHERE m._new=1 AND"
                   " ((m.base>0 AND ?6=0 AND ((m.gm&%d)=0 OR m._del<>0)) OR (m.gm&%d)<>%d) AND %s",
                   t->tid, BIT_DEL, BIT_DEL, all, all, COND);
        out->steps[0] = sql_take(b);
    }
}

/* An event that is known already but tells something else: the county keeps the first one. */
static char *make_differs(const struct table *t, struct buf *b)
{
    buf_printf(b,
               "INSERT INTO conflict(v,at,tid,pk,grp,lose_o,lose_val,win_val,why)"
               " SELECT ?4+m.k,?7,%d,m.id,0,?3,",
               t->tid);
    sql_add_values(b, t, 0, 'm');
    buf_add_text(b, ",");
    sql_add_values(b, t, 0, 't');
    buf_printf(
        b, ",'event told twice' FROM in_%d m JOIN \"%s\" t ON t.id=m.id WHERE m._new=0 AND (FALSE",
        t->tid, t->name);
    EACH_COLUMN(c, t)
    buf_printf(b, " OR m.\"%s\" IS DISTINCT FROM t.\"%s\"", c->name, c->name);
    buf_printf(b, ") AND %s", COND);
    return sql_take(b);
}

#define EPOCH_OF_BASE                                                                              \
    "(SELECT e.first_v FROM epoch e WHERE e.start_v<m.base ORDER BY e.start_v DESC LIMIT 1)"

/* No version of this life lies between the start of an epoch and its first one: what was made on
 * such a version was made in a life of this database that was lost. */
static char *make_lost(const struct table *t, struct buf *b)
{
    buf_printf(b,
               "UPDATE in_%d AS m SET lost=1 WHERE m._new=0 AND m.base>0 AND "
               "m.base<=coalesce(" EPOCH_OF_BASE ",0) AND %s",
               t->tid, COND);
    return sql_take(b);
}

#define FIRST_V "(SELECT first_v FROM epoch ORDER BY n DESC LIMIT 1)"

/* The first change of a group in this epoch, or on top of a value that was given back, keeps what
 * it replaced: a station that comes back from a lost life later has the same value still, at a
 * version of its row that says nothing of when the group was changed. So does a change made before
 * this epoch, by its stamp: what it stands on may have been taken in a lost life, too (that answer
 * did not arrive, and it was pushed once more), and comes back with the stamp of then. */
static char *make_replaced(const struct table *t, const struct sql_group *group, struct buf *b)
{
    buf_printf(b, "INSERT INTO replaced(tid,pk,grp,v,val,at) SELECT %d,m.id,%d,?4+m.k,", t->tid,
               sql_group_number(group));
    sql_add_values(b, t, group->index, 't');
    buf_printf(b,
               ",?7 FROM in_%d m JOIN \"%s\" t ON t.id=m.id WHERE m._new=0 AND (m.acc&%d)<>0 AND "
               "(t.%s_v<=" FIRST_V " OR m.%s<=" FIRST_V "/1000 OR EXISTS(SELECT 1 ",
               t->tid, t->name, group->bit, group->name, group->stamp);
    sql_add_regained(b, t, group);
    buf_printf(b, " AND r.v=t.%s_v)) AND %s", group->name, COND);
    return sql_take(b);
}

/* Whatever became of such a change: what it was made on is known by it. */
static char *make_remember(const struct table *t, const struct sql_group *group, struct buf *b)
{
    buf_printf(b,
               "INSERT INTO regained(tid,pk,grp,hv,lv,v,upto,at) SELECT "
               "%d,m.id,%d,m.base,m.base,0," EPOCH_OF_BASE
               ",?7 FROM in_%d m WHERE m.lost<>0 AND (m.gm&%d)<>0 AND %s ON CONFLICT("
               "${|county,}tid,pk,grp) DO UPDATE SET hv=excluded.hv,at=excluded.at WHERE "
               "excluded.hv>regained.hv",
               t->tid, sql_group_number(group), t->tid, group->bit, COND);
    return sql_take(b);
}

static void make_merge(struct table_sql *out, int n, uint32_t without, struct buf *b)
{
    const struct table *t = out->table;
    out->old[n++] = make_lost(t, b);
    out->old[n++] = make_judge(t, without, b);
    for (int g = 0; g <= table_group_count(t); g++) {
        struct sql_group group = sql_group_at(t, g);
        out->old[n++] = sql_make_conflict(t, &group, false, b);
        out->old[n++] = make_replaced(t, &group, b);
        out->old[n++] = make_remember(t, &group, b);
    }
    out->old[n++] = make_update(t, false, b);
    out->old[n++] = make_feed_exit(t, b);
    out->old[n++] = make_feed(t, b);
    assert(n <= DB_STEPS_MAX);
}

void sql_make_give_writes(const struct table *t, char **steps, int n, struct buf *b)
{
    if (!is_up(t))
        steps[n++] = make_update(t, true, b);
    steps[n++] = make_insert(t, true, b);
    if (!is_up(t))
        steps[n++] = make_feed_exit(t, b);
    steps[n++] = is_up(t) ? make_feed_fresh(t, b) : make_feed(t, b);
    assert(n <= DB_STEPS_MAX);
}

static void make_steps(struct table_sql *out, uint32_t without, struct buf *b)
{
    const struct table *t = out->table;
    make_admission(out, b);
    if (is_up(t))
        out->old[1] = make_differs(t, b);
    else
        make_merge(out, 1, without, b);
    out->fresh[0] = make_insert(t, false, b);
    out->fresh[1] = make_feed_fresh(t, b);
}

/* Of a value that was given back: the version of the life that was lost. Should this life be lost
 * as well, it is told from what stands on it in that one. */
static void add_since_group(struct buf *b, const struct table *t, const struct sql_group *group,
                            const char *of)
{
    buf_printf(b,
               "CASE WHEN EXISTS(SELECT 1 FROM regained) THEN coalesce((SELECT " LEAST
               "(r.lv,%s%s_v) FROM regained r WHERE r.tid=%d AND r.pk=%sid AND r.grp=%d AND "
               "r.v=%s%s_v),%s%s_v) ELSE %s%s_v END",
               of, group->name, t->tid, of, sql_group_number(group), of, group->name, of,
               group->name, of, group->name);
}

/* Since which versions the groups, and last the deletion, are as they are; NULL: all are of _v. */
static void add_since(struct buf *b, const struct table *t, const char *of)
{
    struct buf versions;
    buf_init(&versions, DB_SQL_BYTES);
    buf_add_text(b, ",'_g',CASE WHEN TRUE");
    for (int g = 0; g <= table_group_count(t); g++) {
        struct sql_group group = sql_group_at(t, g);
        buf_add_text(b, " AND ");
        add_since_group(b, t, &group, of);
        buf_printf(b, "=%s_v", of);
        buf_add_text(&versions, g > 0 ? "||','||" : "");
        add_since_group(&versions, t, &group, of);
    }
    buf_printf(b, " THEN NULL ELSE %s END", buf_text(&versions));
    buf_free(&versions);
}

/* The row without its phone; the name of the column that has it, or NULL. */
static const char *add_json(struct buf *b, const struct table *t, const char *of)
{
    const char *phone = NULL;
    buf_printf(b, JSON_OBJECT "('_v',%s_v,'_op','U','id',%sid", of, of);
    if (t->direction == TABLE_BOTH)
        add_since(b, t, of);
    EACH_COLUMN(c, t)
    if (c->type == COLUMN_PHONE)
        phone = c->name;
    else
        buf_printf(b, ",'%s',%s\"%s\"", c->name, of, c->name);
    buf_add_text(b, ")");
    return phone;
}

/* The row, and its phone (sealed) beside it. */
static void add_row(struct buf *b, const struct table *t)
{
    const char *phone = add_json(b, t, "");
    if (phone != NULL)
        buf_printf(b, ",\"%s\"", phone);
    else
        buf_add_text(b, ",NULL");
}

char *table_sql_page(const struct db *db)
{
    struct buf b, phones;
    buf_init(&b, 2 * DB_SQL_BYTES);
    buf_init(&phones, DB_SQL_BYTES);
    buf_add_text(&b, "SELECT f.v,f.tid,CASE WHEN f.op<>'U' THEN " JSON_OBJECT
                     "('_v',f.v,'_op',f.op,'id',f.pk) ELSE CASE f.tid");
    for (int i = 0; i < db->table_count; i++) {
        const struct table *t = db->tables[i].table;
        buf_printf(&b, " WHEN %d THEN (SELECT ", t->tid);
        const char *phone = add_json(&b, t, "t.");
        buf_printf(&b, " FROM \"%s\" t WHERE t.id=f.pk)", t->name);
        if (phone != NULL)
            buf_printf(&phones,
                       " WHEN f.op='U' AND f.tid=%d THEN (SELECT t.\"%s\" FROM \"%s\" t"
                       " WHERE t.id=f.pk)",
                       t->tid, phone, t->name);
    }
    buf_printf(&b,
               " END END,CASE WHEN FALSE THEN NULL%s END FROM feed f WHERE f.scope=?1 AND f.v>?2"
               " AND f.v<=?3 AND (f.o IS NULL OR f.o<>?4) ORDER BY f.v LIMIT ?5",
               buf_text(&phones));
    buf_free(&phones);
    char *page = sql_take(&b);
    buf_free(&b);
    return page;
}

static void make_repair(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    const char *alive = is_up(t) ? "" : " AND _del=0";
    buf_add_text(b, "SELECT id,");
    add_row(b, t);
    buf_printf(b, " FROM \"%s\" WHERE scope=?1 AND id>?2%s ORDER BY id LIMIT %d", t->name, alive,
               LIMIT_PAGE_ROWS + 1);
    out->boot = sql_take(b);
    buf_printf(b, "SELECT id,_v FROM \"%s\" WHERE scope=?1%s", t->name, alive);
    out->digest = sql_take(b);
    buf_printf(b, "SELECT EXISTS(SELECT 1 FROM \"%s\" WHERE id=?1 AND scope=?2%s)", t->name, alive);
    out->there = sql_take(b);
    buf_printf(b,
               "SELECT EXISTS(SELECT 1 FROM quarantine q JOIN \"%s\" t ON t.id="
               "${json_extract(q.row,'$.id')|json_try(q.row)->>'id'} WHERE q.n=?1 AND "
               "${json_valid(q.row)|TRUE})",
               t->name);
    out->there_any = sql_take(b);
    if (is_up(t))
        return;
    buf_printf(b,
               "DELETE FROM \"%s\" WHERE _del<>0 AND id IN(SELECT pk FROM forgotten WHERE "
               "tid=%d AND op='D')",
               t->name, t->tid);
    out->forget = sql_take(b);
}

static void make_answers(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    buf_printf(
        b,
        "INSERT INTO verdict(k,lseq,kind,why) SELECT k,lseq,CASE WHEN why IS NOT NULL"
        " THEN 'bad' WHEN lose<>0 THEN 'lost' ELSE 'keep' END,CASE WHEN why IS NOT NULL"
        " THEN why WHEN lose<>0 AND (gm & ~lose)<>0 THEN CAST(gm & ~lose AS TEXT) END FROM in_%d"
        " WHERE why IS NOT NULL OR lose<>0 OR unseen<>0",
        t->tid);
    out->verdict = sql_take(b);
    buf_printf(b,
               "INSERT INTO quarantine(o,lseq,tid,row,why,at) SELECT ?3,m.lseq,%d,"
               "substr(" WITHOUT_PHONE(
                   "r.row") ",1,%d),m.why,?7 FROM in_%d m JOIN raw r ON r.k=m.k "
                            "WHERE m.why IS NOT NULL AND (?6=0 OR (?10>0 AND m.why<>'version' AND "
                            "NOT EXISTS("
                            "SELECT 1 FROM quarantine q WHERE q.tid=%d AND q.o=?3 AND q.row="
                            "substr(" WITHOUT_PHONE("r.row") ",1,%d))))",
               t->tid, LIMIT_ROW_BYTES, t->tid, t->tid, LIMIT_ROW_BYTES);
    out->quarantine = sql_take(b);
    buf_add_text(b, "SELECT ");
    add_row(b, t);
    buf_printf(b, " FROM \"%s\" WHERE id=?1", t->name);
    out->pull = sql_take(b);
}

static void add_said_differently(struct buf *b, const struct table *t, int group)
{
    EACH_COLUMN(c, t)
    if (c->group == group)
        buf_printf(
            b, " OR m.\"%s\" IS DISTINCT FROM ${json_extract(i.row,'$.%s')|(i.row::json->>'%s')%s}",
            c->name, c->name, c->name, c->type == COLUMN_INT ? "::bigint" : "");
}

/* The last import's word is kept, so that importing the same again never takes back what a station
 * changed meanwhile: only groups in which the file itself changed are pushed. A row that a station
 * deleted, so long ago that it is forgotten, does not come back by that either; when the file says
 * something else of it, it is a new one. */
static void make_import(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    buf_printf(b, "UPDATE in_%d AS m SET gm=0", t->tid);
    for (int g = 0; g < table_group_count(t); g++) {
        buf_add_text(b, "+iif((FALSE");
        add_said_differently(b, t, g);
        buf_printf(b, "),%d,0)", 1 << g);
    }
    buf_printf(b,
               "+(i.gone*%d) FROM imported AS i WHERE i.tid=%d AND i.pk=m.id AND m.why IS NULL AND"
               " (EXISTS(SELECT 1 FROM \"%s\" t WHERE t.id=m.id) OR NOT (i.gone<>0",
               BIT_DEL, t->tid, t->name);
    for (int g = 0; g < table_group_count(t); g++)
        add_said_differently(b, t, g);
    buf_add_text(b, "))");
    out->same = sql_take(b);
    buf_printf(b, "INSERT INTO imported(tid,pk,row,gone) SELECT %d,m.id," JSON_OBJECT "('id',m.id",
               t->tid);
    EACH_COLUMN(d, t)
    buf_printf(b, ",'%s',m.\"%s\"", d->name, d->name);
    buf_printf(b,
               "),0 FROM in_%d m WHERE m.why IS NULL"
               " ON CONFLICT(${|county,}tid,pk) DO UPDATE SET row=excluded.row,gone=0",
               t->tid);
    out->remember = sql_take(b);
    buf_printf(b, "UPDATE in_%d SET why='same' WHERE why IS NULL AND gm=0", t->tid);
    out->skip = sql_take(b);
    buf_printf(
        b,
        "SELECT count(*) FILTER (WHERE why IS NULL AND _new<>0),count(*) FILTER (WHERE why IS "
        "NULL AND acc<>0),count(*) FILTER (WHERE why='same' OR (why IS NULL AND _new=0 AND "
        "acc=0)) FROM in_%d",
        t->tid);
    out->tally = sql_take(b);
}

/* What a column names, by its name; there are no foreign keys between replicated tables. */
static const char *referred_table(const char *column)
{
    static const char *const REFERENCES[][2] = {
        {"parent_id", "org"},    {"station_id", "org"}, {"org_id", "org"},
        {"school_id", "school"}, {"post_id", "post"},   {"person_id", "person"},
        {"senior_id", "person"}, {"shift_id", "shift"}, {"device_id", "device"},
    };
    for (size_t i = 0; i < sizeof REFERENCES / sizeof *REFERENCES; i++)
        if (strcmp(REFERENCES[i][0], column) == 0)
            return REFERENCES[i][1];
    return NULL;
}

static void make_views(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    EACH_COLUMN(c, t)
    {
        const char *to = referred_table(c->name);
        if (to != NULL)
            buf_printf(b,
                       "%sSELECT s.file,s.line,'%s '||t.\"%s\"||': there is no such %s' FROM "
                       "seen s JOIN \"%s\" t ON t.id=s.pk WHERE s.tid=%d AND NOT EXISTS("
                       "SELECT 1 FROM \"%s\" r WHERE r.id=t.\"%s\" AND r._del=0) AND "
                       "t.\"%s\" IS NOT NULL",
                       b->size > 0 ? " UNION ALL " : "", c->name, c->name, to, t->name, t->tid, to,
                       c->name, c->name);
    }
    out->dangling = b->size > 0 ? sql_take(b) : NULL;
    const char *alive = is_up(t) ? "TRUE" : "_del=0";
    buf_printf(b,
               "SELECT ${json_group_object(scope,n)|coalesce(json_object_agg(scope,n),'{}')} FROM "
               "(SELECT scope,count(*) AS n FROM \"%s\""
               " WHERE %s GROUP BY scope) AS o",
               t->name, alive);
    out->count = sql_take(b);
    buf_add_text(b, "SELECT " JSON_LIST "(" JSON_OBJECT "('id',id,'_v',_v");
    EACH_COLUMN(d, t)
    if (d->type != COLUMN_PHONE)
        buf_printf(b, ",'%s',\"%s\"", d->name, d->name);
    buf_printf(b, "))" JSON_LIST_END " FROM (SELECT * FROM \"%s\" WHERE %s ORDER BY id) AS o",
               t->name, alive);
    out->list = sql_take(b);
}

void table_sql_init(struct table_sql *sql, const struct table *table, enum db_engine engine,
                    uint32_t without)
{
    struct buf b;
    buf_init(&b, DB_SQL_BYTES);
    *sql = (struct table_sql){.table = table};
    make_create(sql, &b);
    sql_make_stage(sql, engine, &b);
    make_steps(sql, without, &b);
    sql_make_give(sql, &b);
    make_repair(sql, &b);
    make_answers(sql, &b);
    make_import(sql, &b);
    make_views(sql, &b);
    buf_free(&b);
}

void table_sql_fini(struct table_sql *sql)
{
    char *all[] = {sql->create,  sql->index,     sql->create_in,  sql->stage,  sql->check,
                   sql->members, sql->verdict,   sql->quarantine, sql->clear,  sql->pull,
                   sql->same,    sql->remember,  sql->skip,       sql->tally,  sql->dangling,
                   sql->count,   sql->list,      sql->boot,       sql->digest, sql->there,
                   sql->forget,  sql->there_any, sql->taken,      sql->fill,   sql->known,
                   sql->phones,  sql->hide,      sql->number};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    for (int i = 0; i < DB_STEPS_MAX; i++) {
        free(sql->steps[i]);
        free(sql->old[i]);
        free(sql->fresh[i]);
        free(sql->give[i]);
    }
    *sql = (struct table_sql){0};
}
