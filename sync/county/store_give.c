/* The SQL that takes rows of a lost life back (store_epoch.c): in_<tid> holds them, base is the
 * version that they had in that life, gm the groups that are given back, and what are stamps in a
 * push are the versions since which each group was as it is. */
#include <stdio.h>

#include "sync/county/store_sql.h"

/* The version since which a group was so: never later than the row's. */
#define SINCE LEAST "(m.%s,m.base)"

/* What the county has was there when this version was given, or before. */
void sql_add_untouched(struct buf *b, const struct table *t, const struct sql_group *group)
{
    char since[48];
    snprintf(since, sizeof since, SINCE, group->stamp);
    char version[16];
    snprintf(version, sizeof version, "t.%s_v", group->name);
    buf_printf(b, "(%s<=?9 AND NOT ", version);
    sql_add_apart(b, since, version);
    buf_add_text(b, " OR EXISTS(SELECT 1 ");
    sql_add_regained(b, t, group);
    buf_printf(b, " AND r.v=t.%s_v AND r.hv<=%s AND NOT ", group->name, since);
    sql_add_apart(b, "r.hv", since);
    buf_add_text(b, "))");
}

/* Whose rows these are, and which are to be added. A part of a row is not. */
static int make_admission(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    buf_printf(b,
               "UPDATE in_%d AS m SET why=iif(m.base<=?9 OR m.base>%lld,'version','scope')"
               " WHERE (m.base<=?9 OR m.base>%lld OR coalesce(m.scope,'') NOT IN(SELECT scope FROM"
               " visible) OR EXISTS(SELECT 1 FROM \"%s\" t WHERE t.id=m.id AND t.scope"
               " NOT IN(SELECT scope FROM visible))) AND %s",
               t->tid, (long long)LIMIT_VERSION, (long long)LIMIT_VERSION, t->name, COND);
    out->give[0] = sql_take(b);
    buf_printf(b, "UPDATE in_%d AS m SET _new=0 WHERE coalesce(m.part,0)<>0 AND m._new=1 AND %s",
               t->tid, COND);
    out->give[1] = sql_take(b);
    return 2;
}

static void add_news(struct buf *b, const struct table *t, const struct sql_group *group)
{
    char since[48];
    snprintf(since, sizeof since, SINCE, group->stamp);
    buf_printf(b,
               "(m.gm&%d)<>0 AND (%s>?9 OR EXISTS(SELECT 1 FROM epoch e WHERE e.start_v<%s AND "
               "%s<=e.first_v)) AND NOT EXISTS(SELECT 1 ",
               group->bit, since, since, since);
    sql_add_regained(b, t, group);
    buf_printf(b, " AND r.hv>=%s AND NOT ", since);
    sql_add_apart(b, since, "r.hv");
    buf_add_text(b, ")");
}

/* The value was here in this life, and was replaced by who knew it. */
static void add_known(struct buf *b, const struct table *t, const struct sql_group *group)
{
    buf_printf(b,
               "EXISTS(SELECT 1 FROM replaced p WHERE p.tid=%d AND p.pk=m.id AND p.grp=%d AND "
               "p.v>" LEAST "(?9,m.%s) AND p.val=${|(}",
               t->tid, sql_group_number(group), group->stamp);
    sql_add_values(b, t, group->index, 'm');
    buf_add_text(b, "${|)::text})");
}

/* The same version, first given back by a station whose older schema lacked some of its columns. */
static void add_fills(struct buf *b, const struct table *t, const struct sql_group *group)
{
    sql_add_differ(b, t, group, 0);
    buf_add_text(b, " AND EXISTS(SELECT 1 ");
    sql_add_regained(b, t, group);
    sql_add_lacked(b, t, group);
    buf_printf(b, " AND r.hv=" SINCE ")", group->stamp);
}

enum judgement { ACC, LOSE, UNSEEN, LOST, JUDGEMENTS };

static void add_judgement(struct buf *b, const struct table *t, const struct sql_group *group,
                          enum judgement i)
{
    buf_add_text(b, "+iif(");
    if (i == ACC && group->index >= 0) {
        add_fills(b, t, group);
        buf_add_text(b, " OR ");
    }
    add_news(b, t, group);
    buf_add_text(b, i == UNSEEN ? " AND NOT " : " AND ");
    sql_add_differ(b, t, group, 0);
    if (i != UNSEEN) {
        buf_add_text(b, i == ACC ? " AND (" : " AND NOT ");
        sql_add_untouched(b, t, group);
        buf_add_text(b, i == ACC ? " OR (NOT " : i == LOSE ? " AND NOT " : " AND ");
        add_known(b, t, group);
    }
    if (i == ACC || i == LOSE) {
        buf_add_text(b, i == ACC ? " AND " : " AND NOT ");
        sql_add_later_stamp(b, group, true);
    }
    buf_printf(b, i == ACC ? ")),%d,0)" : ",%d,0)", group->bit);
}

/* A group given back at a version that is not newer than what the county's own value includes is
 * known. Else it is taken when nobody has changed the group since the backup; when somebody has,
 * who cannot have seen it, it is a conflict (acc or lose). Bits of unseen: the value is here, but
 * its version is news; of lost: so it is, and the value has been replaced here. Rows of all
 * stations are only added. */
static char *make_judge(const struct table *t, struct buf *b)
{
    static const char *const NAMES[JUDGEMENTS] = {"acc", "lose", "unseen", "lost"};
    buf_printf(b, "UPDATE in_%d AS m SET ", t->tid);
    for (int i = ACC; i < JUDGEMENTS; i++) {
        buf_printf(b, "%s%s=0", i > ACC ? "," : "", NAMES[i]);
        for (int g = 0; g <= table_group_count(t); g++) {
            struct sql_group group = sql_group_at(t, g);
            add_judgement(b, t, &group, (enum judgement)i);
        }
    }
    buf_printf(b,
               " FROM \"%s\" AS t WHERE t.id=m.id AND m._new=0 AND t.scope<>'*' AND "
               "m.scope<>'*' AND %s",
               t->name, COND);
    return sql_take(b);
}

static int64_t columns_of(const struct table *t, const struct sql_group *group)
{
    int64_t bits = 0;
    EACH_COLUMN(c, t)
    if (c->group == group->index)
        bits |= WRONG_COLUMN(c_at);
    return bits;
}

/* Also a deletion of a row that was not given back yet. Of a value that is taken all is forgotten
 * that was known of a later one of another life. */
static char *make_remember(const struct table *t, const struct sql_group *group, struct buf *b)
{
    int bit = group->bit;
    buf_printf(
        b,
        "INSERT INTO regained(tid,pk,grp,bv,hv,lv,v,upto,at,lacks) SELECT %d,m.id,%d,m.base," SINCE
        "," SINCE
        ",CASE WHEN m._new<>0 OR (m.acc&%d)<>0 THEN ?4+m.k WHEN (m.unseen&%d)<>0 THEN t.%s_v ELSE "
        "0 END,?10,?7,iif(m._new<>0 OR (m.acc&%d)<>0,m.absent&%lld,0) FROM in_%d m LEFT JOIN "
        "\"%s\" t ON t.id=m.id WHERE (m.gm&%d)<>0 AND "
        "(m._new<>0 OR ((m.acc|m.lose|m.unseen|m.lost)&%d)<>0 OR (%s AND m._del<>0 AND t.id "
        "IS NULL)) AND %s ON CONFLICT(${|county,}tid,pk,grp) DO UPDATE SET bv=iif("
        "excluded.v<>0 AND excluded.v=regained.v,${max|greatest}(excluded.bv,regained.bv),"
        "excluded.bv),"
        "hv=excluded.hv,"
        "lv=iif(excluded.hv=regained.hv OR (excluded.v<>0 AND excluded.v=regained.v),regained.lv,"
        "excluded.lv),lacks=iif(excluded.v=regained.v,regained.lacks,excluded.lacks),"
        "v=excluded.v,upto=excluded.upto,at=excluded.at WHERE excluded.hv>=regained.hv OR "
        "(excluded.v>=?4 AND %s)",
        t->tid, sql_group_number(group), group->stamp, group->stamp, bit, bit, group->name, bit,
        (long long)columns_of(t, group), t->tid, t->name, bit, bit,
        bit == BIT_DEL ? "TRUE" : "FALSE", COND, bit == BIT_DEL ? "FALSE" : "TRUE");
    return sql_take(b);
}

/* The value that lost to another one, and is logged, is known when it is given back once more. */
static char *make_outvoted(const struct table *t, const struct sql_group *group, struct buf *b)
{
    buf_printf(
        b, "INSERT INTO replaced(tid,pk,grp,v,val,at) SELECT %d,m.id,%d,?4+m.k,iif((m.acc&%d)<>0,",
        t->tid, sql_group_number(group), group->bit);
    sql_add_values(b, t, group->index, 't');
    buf_add_text(b, ",");
    sql_add_values(b, t, group->index, 'm');
    buf_printf(b,
               "),?7 FROM in_%d m JOIN \"%s\" t ON t.id=m.id WHERE m._new=0 AND "
               "((m.acc|m.lose)&%d)<>0 AND NOT ",
               t->tid, t->name, group->bit);
    sql_add_untouched(b, t, group);
    buf_printf(b, " AND %s", COND);
    return sql_take(b);
}

/* The value was there at an earlier version already, or in a row of a later life: who has changed
 * that one knows it. */
static char *make_since(const struct table *t, const struct sql_group *group, struct buf *b)
{
    buf_printf(b,
               "UPDATE regained AS r SET lv=" LEAST "(r.lv," SINCE
               "),bv=${max|greatest}(r.bv,m.base)"
               " FROM in_%d AS m JOIN \"%s\" AS t ON t.id=m.id "
               "WHERE r.tid=%d AND r.pk=m.id AND r.grp=%d AND r.v=t.%s_v AND (" SINCE "<r.lv OR "
               "m.base>r.bv) AND m._new=0 AND (m.gm&%d)<>0 AND NOT ",
               group->stamp, t->tid, t->name, t->tid, sql_group_number(group), group->name,
               group->stamp, group->bit);
    sql_add_differ(b, t, group, 0);
    buf_printf(b, " AND %s", COND);
    return sql_take(b);
}

static char *make_audit(const struct table *t, struct buf *b)
{
    buf_printf(b,
               "INSERT INTO giveback(tid,pk,v,from_v,at,scope,old,new) SELECT %d,m.id,?4+m.k,m.base"
               ",?7,?8,(SELECT " JSON_OBJECT "('_v',t._v",
               t->tid);
    EACH_COLUMN(c, t)
    buf_printf(b, ",'%s',t.\"%s\"", c->name, c->name);
    buf_printf(b, ") FROM \"%s\" t WHERE t.id=m.id)," JSON_OBJECT "('id',m.id", t->name);
    EACH_COLUMN(d, t)
    buf_printf(b, ",'%s',m.\"%s\"", d->name, d->name);
    buf_printf(b, ") FROM in_%d m WHERE (m._new<>0 OR m.acc<>0) AND %s", t->tid, COND);
    return sql_take(b);
}

void sql_make_give(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    int n = make_admission(out, b);
    if (!is_up(t))
        out->give[n++] = make_judge(t, b);
    for (int g = 0; !is_up(t) && g <= table_group_count(t); g++) {
        struct sql_group group = sql_group_at(t, g);
        out->give[n++] = sql_make_conflict(t, &group, true, b);
        out->give[n++] = make_outvoted(t, &group, b);
        out->give[n++] = make_since(t, &group, b);
        out->give[n++] = make_remember(t, &group, b);
    }
    out->give[n++] = make_audit(t, b);
    sql_make_give_writes(t, out->give, n, b);
    buf_printf(b, "SELECT count(*) FILTER (WHERE why IS NULL AND (_new<>0 OR acc<>0)) FROM in_%d",
               t->tid);
    out->taken = sql_take(b);
}
