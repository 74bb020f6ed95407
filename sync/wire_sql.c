/* See wire_sql.h. */
#include "sync/wire_sql.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/buf.h"
#include "gateway/base/limits.h"
#include "sync/protocol.h"
#include "sync/replica/bulk.h"

enum { SQL_BYTES_MAX = 16384, TABLES_MAX = 64 };

static const char *finish(struct buf *sql)
{
    assert(!sql->failed);
    return sql->bytes; /* kept for ever */
}

__attribute__((format(printf, 1, 2))) static const char *print_sql(const char *format, ...)
{
    char *sql = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&sql, format, args) < 0)
        abort();
    va_end(args);
    return sql;
}

/* Column list of json_object: "'name', t.name, …". */
static void add_object(struct buf *sql, const struct table *table)
{
    buf_add_text(sql, "'scope', t.scope");
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(sql, c->type == COLUMN_PHONE ? ", '%s', unseal(t.%s)" : ", '%s', t.%s", c->name,
                   c->name);
}

/* The row as the mark was made for it: what changed since is another mark's. (What the row lacked
 * then is NULL, and left out like any other of it: lacks.h.) */
static void add_claimed(struct buf *sql, const struct table *table)
{
    int at = 0;
    buf_add_text(sql, "'scope', iif(m.was IS NULL, t.scope, m.was ->> 0)");
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(sql, ", '%s', iif(m.was IS NULL, t.%s, m.was ->> %d)", c->name, c->name, ++at);
}

/* The groups of the row's marks that lost and whose row has not come yet. */
static void add_unfed(struct buf *sql, const struct table *table)
{
    buf_printf(sql, "(SELECT max(l.gm & %d)", PROTOCOL_GROUP_DELETED);
    for (int group = 0; group < table_group_count(table); group++)
        buf_printf(sql, " | max(l.gm & %d)", 1 << group);
    buf_printf(sql,
               " FROM sync_out l WHERE NOT ?2 AND l.tid = %d AND " NOT_BULK(
                   "l.") " AND l.pk = m.pk AND "
                         "l.st <> 2 AND l.st <> 4 AND l.st = 3)",
               table->tid);
}

/* "hN": the stamp of group N when it was changed before the mark's last edit, or when it was
 * changed once more by a clock that was behind: what stands on a change is later than it. */
static void add_stamp(struct buf *sql, int number, int bit)
{
    buf_printf(sql,
               " UNION ALL SELECT 'h%d', (SELECT iif(lg & %d, iif(max(e.value->>0) < h, NULL, "
               "max(e.value->>0) + 1), max(e.value->>0) + (count(*) > 1)) FROM json_each(hs) e "
               "WHERE e.key & %d) WHERE gm & %d",
               number, bit, bit, bit);
}

static void add_stamps(struct buf *sql, const struct table *table)
{
    for (int group = 0; group < table_group_count(table); group++)
        add_stamp(sql, group, 1 << group);
    add_stamp(sql, 7, PROTOCOL_GROUP_DELETED);
}

/* What few rows have is added when they have it. */
static void begin_push(struct buf *sql, const struct table *table)
{
    buf_add_text(sql, "SELECT lseq, pk, h, iif(unfed IS NULL AND hs IS NULL, row, json_patch(row, "
                      "(SELECT json_group_object(k, v) FROM (SELECT 'unfed' AS k, unfed AS v");
    add_stamps(sql, table);
    buf_add_text(sql, ") WHERE v IS NOT NULL))) FROM (");
}

#define GONE "iif(m.was IS NULL, t.id IS NULL, m.was = '[]')"

#define MARK "'lseq', m.lseq, 'base', m.base, 'gm', m.gm, 'h', m.h, 'id', m.pk"

static void end_push(struct buf *sql, const struct table *table)
{
    buf_printf(sql,
               " FROM sync_out m LEFT JOIN %s t ON t.id = m.pk WHERE m.st <> 2 AND m.st <> 4 AND "
               "m.st = %d AND m.lseq > ?3 AND m.lseq <= ?4 AND m.tid = %d",
               table->name, TABLE_IS_BULK(table) ? 0 : 1, table->tid);
}

/* It was never there before, and never changes. */
static const char *make_push_event(const struct table *table)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_text(&sql, "SELECT m.lseq, m.pk, m.h, iif(t.id IS NULL, NULL, json_object('lseq', "
                       "m.lseq, 'id', m.pk, ");
    add_object(&sql, table);
    buf_add_text(&sql, "))");
    end_push(&sql, table);
    buf_add_text(&sql, " ORDER BY m.lseq");
    return finish(&sql);
}

static const char *make_push(const struct table *table)
{
    struct buf sql;
    if (table->direction != TABLE_BOTH)
        return make_push_event(table);
    buf_init(&sql, SQL_BYTES_MAX);
    begin_push(&sql, table);
    buf_add_text(
        &sql, "SELECT m.lseq, m.pk, m.h, m.gm, m.lg, m.hs, CASE WHEN " GONE " AND m.gm & 128 THEN "
              "json_object('lseq', m.lseq, 'base', m.base, 'gm', 128, 'h', m.h, 'id', m.pk, "
              "'scope', ?1, '_del', 1) WHEN " GONE " THEN NULL WHEN m.gm & 128 THEN "
              "json_object(" MARK ", '_del', 0, ");
    add_claimed(&sql, table);
    buf_add_text(&sql, ") ELSE json_object(" MARK ", ");
    add_claimed(&sql, table);
    buf_add_text(&sql, ") END AS row, ");
    add_unfed(&sql, table);
    buf_add_text(&sql, " AS unfed");
    end_push(&sql, table);
    buf_add_text(&sql, ") ORDER BY lseq");
    return finish(&sql);
}

const char wire_sql_bare[] =
    "SELECT json_object(" MARK ", 'scope', ?2) FROM sync_out m WHERE m.lseq = ?1";

/* Since which version group number `at` of row t is as it is; the deletion comes last. */
static void add_since(struct buf *sql, const char *of, int at)
{
    buf_printf(sql, "(('[' || %s_g || ']') ->> %d)", of, at);
}

/* The county took groups ?3 of a row at version ?2; the others are as old as before. */
static void add_since_own(struct buf *sql, const struct table *table)
{
    int count = table_group_count(table);
    int all = (1 << count) - 1;
    buf_printf(sql, ", _g = iif((?3 & %d) = %d, NULL, ", all, all);
    for (int group = 0; group <= count; group++) {
        int bit = group < count ? 1 << group : PROTOCOL_GROUP_DELETED;
        buf_printf(sql, "%siif(?3 & %d, ?2, coalesce(", group > 0 ? " || ',' || " : "", bit);
        add_since(sql, "", group);
        buf_add_text(sql, ", nullif(_v, 0), ?2))");
    }
    buf_add_text(sql, ")");
}

static const char *make_adopt(const struct table *table)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_printf(&sql, "UPDATE %s SET _v = max(_v, ?2)", table->name);
    if (table->direction == TABLE_BOTH)
        add_since_own(&sql, table);
    buf_add_text(&sql, " WHERE id = ?1");
    return finish(&sql);
}

static const char *type_of(const struct table_column *column)
{
    return column->type == COLUMN_INT ? "integer" : "text";
}

/* The members of a row as json_rows() gives them: c0 _op, c1 _v, c2 id, c3 scope, c4 … */
enum { FIRST_COLUMN = 4 };

static void add_rows(struct buf *sql, const struct table *table)
{
    buf_add_text(sql, " FROM json_rows(?1, '_op,_v,id,scope");
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(sql, ",%s", c->name);
    buf_add_text(sql, table->direction == TABLE_BOTH ? ",_g') " : "') ");
}

static int number_of(const struct table *table, const struct table_column *column)
{
    return FIRST_COLUMN + (int)(column - table->columns);
}

/* True for a plain good row; NULL counts as false. */
static void add_good(struct buf *sql, const struct table *table)
{
    buf_printf(sql,
               "c0 = 'U' AND typeof(c1) = 'integer' AND c1 > 0 AND typeof(c2) = 'text' AND "
               "length(CAST(c2 AS BLOB)) BETWEEN 1 AND %d AND typeof(c3) = 'text' AND "
               "length(CAST(c3 AS BLOB)) BETWEEN 1 AND %d",
               PROTOCOL_PK_BYTES, LIMIT_STATION_BYTES);
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(sql,
                   c->required ? " AND typeof(c%d) = '%s'" : " AND typeof(c%d) IN ('%s', 'null')",
                   number_of(table, c), type_of(c));
}

/* WHEN … THEN why: what is wrong with a row that is not good. */
static void add_reasons(struct buf *sql, const struct table *table)
{
    buf_printf(sql,
               " WHEN typeof(c2) <> 'text' OR length(CAST(c2 AS BLOB)) NOT BETWEEN 1 AND %d THEN "
               "'id' WHEN typeof(c1) <> 'integer' OR c1 < 1 THEN '_v' "
               "WHEN coalesce(c0 NOT IN ('U', 'X', 'D'), 1) THEN '_op' "
               "WHEN c0 <> 'U' THEN NULL "
               "WHEN typeof(c3) <> 'text' OR length(CAST(c3 AS BLOB)) NOT BETWEEN 1 AND %d "
               "THEN 'scope'",
               PROTOCOL_PK_BYTES, LIMIT_STATION_BYTES);
    for (const struct table_column *c = table->columns; c->name != NULL; c++) {
        int n = number_of(table, c);
        if (c->required)
            buf_printf(sql, " WHEN c%d IS NULL THEN 'required %s'", n, c->name);
        buf_printf(sql, " WHEN typeof(c%d) NOT IN ('%s', 'null') THEN 'type %s'", n, type_of(c),
                   c->name);
    }
}

static void add_marked(struct buf *sql, const struct table *table)
{
    if (table->direction == TABLE_DOWN || TABLE_IS_BULK(table))
        buf_add_text(sql, "0");
    else
        buf_printf(sql,
                   "EXISTS (SELECT 1 FROM sync_out WHERE tid = %d AND pk = c2 AND " NOT_BULK(
                       "") " AND "
                           "st <> 2 AND st <> 4)",
                   table->tid);
}

static const char *make_check(const struct table *table)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_text(&sql, "SELECT k, CASE");
    add_reasons(&sql, table);
    buf_add_text(&sql, " END, c0, c2, c1, ");
    add_marked(&sql, table);
    add_rows(&sql, table);
    buf_add_text(&sql, "WHERE NOT coalesce(");
    add_good(&sql, table);
    buf_add_text(&sql, ", 0) OR ");
    add_marked(&sql, table);
    return finish(&sql);
}

/* As the county tells it; anything but numbers counts as not told. */
static void add_since_told(struct buf *sql, const struct table *table)
{
    int at = FIRST_COLUMN;
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        at++;
    buf_printf(sql,
               ", iif(typeof(c%d) = 'text' AND length(c%d) <= 160 AND c%d NOT GLOB '*[^0-9,]*' "
               "AND json_valid('[' || c%d || ']'), c%d, NULL)",
               at, at, at, at, at);
}

static void add_stored_values(struct buf *sql, const struct table *table)
{
    buf_printf(sql, "INSERT INTO %s(id, scope", table->name);
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(sql, ", %s", c->name);
    buf_add_text(sql, table->direction == TABLE_BOTH ? ", _v, _g) SELECT c2, c3"
                                                     : ", _v) SELECT c2, c3");
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(sql, c->type == COLUMN_PHONE ? ", seal_phone(c%d)" : ", c%d",
                   number_of(table, c));
    buf_add_text(sql, ", c1");
    if (table->direction == TABLE_BOTH)
        add_since_told(sql, table);
    add_rows(sql, table);
    buf_add_text(sql, "WHERE true ");
}

static void add_kept(struct buf *sql, const char *name, int group)
{
    buf_printf(sql, "%s = CASE WHEN ?2 & %d THEN %s ELSE excluded.%s END, ", name, 1 << group, name,
               name);
}

static void add_some_kept(struct buf *sql, const char *name, int group)
{
    buf_printf(sql,
               "%s = CASE WHEN ?2 & %d AND (%s IS NOT NULL OR NOT instr(?4, ',%s,')) OR "
               "instr(?5, ',%s,') THEN %s ELSE excluded.%s END, ",
               name, 1 << group, name, name, name, name, name);
}

static const char *make_store(const struct table *table, bool some)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    add_stored_values(&sql, table);
    buf_add_text(&sql, "ON CONFLICT(id) DO UPDATE SET ");
    add_kept(&sql, "scope", 0);
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        some ? add_some_kept(&sql, c->name, c->group) : add_kept(&sql, c->name, c->group);
    buf_printf(&sql, "_v = excluded._v%s WHERE excluded._v >= _v OR ?3",
               table->direction == TABLE_BOTH ? ", _g = excluded._g" : "");
    return finish(&sql);
}

static const char *make_learn(const struct table *table)
{
    return print_sql("DELETE FROM sync_lacks WHERE tid = %d AND pk IN (SELECT t.id FROM "
                     "json_rows(?1, '_v,id') JOIN %s t ON t.id = c1 AND t._v = c0)",
                     table->tid, table->name);
}

static const char *make_drop(const struct table *table)
{
    return print_sql("DELETE FROM %s WHERE id = ?1 AND (?2 IS NULL OR scope = ?2)", table->name);
}

static const char *make_show(const struct table *table)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_text(&sql, "SELECT json_object('id', t.id, '_v', t._v, ");
    add_object(&sql, table);
    buf_printf(&sql, ") FROM %s t WHERE t.id = ?1", table->name);
    return finish(&sql);
}

/* What the county knew of the row when the earliest of its changes here was made. */
static const char *make_known(const struct table *table)
{
    return print_sql(
        "SELECT min(_v, coalesce((SELECT min(base) FROM sync_out WHERE tid = %d AND " NOT_BULK(
            "") " AND pk = ?1 AND st <> 2 AND st <> 4), _v)) FROM %s WHERE id = ?1",
        table->tid, table->name);
}

static const char *make_scan(const struct table *table)
{
    return print_sql(
        "SELECT id, scope, _v, EXISTS (SELECT 1 FROM sync_lacks WHERE tid = %d AND pk = id) "
        "FROM %s WHERE id > ?1 ORDER BY id LIMIT ?2",
        table->tid, table->name);
}

/* Marks that are not settled; not those that only wait for a row with their own change. */
static void add_open_marks(struct buf *sql, const struct table *table)
{
    buf_printf(sql,
               "FROM sync_out m WHERE m.tid = %d AND " NOT_BULK(
                   "m.") " AND m.pk = t.id AND m.st <> 2 AND "
                         "m.st <> 4 AND NOT (m.st = 3 AND m.base = m.v)",
               table->tid);
}

/* A row that was deleted and brought back in open marks has no version of its own. */
static void add_known_version(struct buf *sql, const struct table *table)
{
    if (table->direction != TABLE_BOTH) {
        buf_add_text(sql, "t._v");
        return;
    }
    buf_add_text(sql, "CASE WHEN t._v > 0 THEN t._v ELSE coalesce((SELECT max(m.base) ");
    add_open_marks(sql, table);
    buf_add_text(sql, "), 0) END");
}

/* What the group was before our open marks: the earliest remembers it, when nothing of the row came
 * down since. */
static void add_former(struct buf *sql, const struct table *table, int group)
{
    buf_add_text(sql, ", (SELECT iif(m.base = t._v, m.old, NULL) ");
    add_open_marks(sql, table);
    /* what lost has a later number than its change when a part of it was accepted */
    buf_printf(sql, " AND (m.gm & %d) <> 0 ORDER BY m.v IS NULL, m.v, m.lseq LIMIT 1) AS old%d",
               1 << group, group);
}

static void add_former_value(struct buf *sql, const char *name, int group, int at)
{
    buf_printf(sql, ", '%s', iif(t.old%d IS NULL, t.%s, t.old%d ->> %d)", name, group, name, group,
               at);
}

/* Since when each group is as it is; what is not known is as old as the row. */
static void add_former_since(struct buf *sql, const struct table *table)
{
    int count = table_group_count(table);
    for (int group = 0; group <= count; group++) {
        buf_printf(sql, ", 'h%d', coalesce(", group < count ? group : 7);
        add_since(sql, "t.", group);
        buf_add_text(sql, ", ");
        add_known_version(sql, table);
        buf_add_text(sql, ")");
    }
}

/* The row without our open marks; gm leaves out the groups of which that is not known. */
static void add_former_row(struct buf *sql, const struct table *table)
{
    buf_add_text(sql, ", 'gm', 0");
    for (int group = 0; group < table_group_count(table); group++) {
        buf_printf(sql, " + iif(t.old%d IS NULL AND EXISTS (SELECT 1 ", group);
        add_open_marks(sql, table);
        buf_printf(sql, " AND (m.gm & %d) <> 0), 0, %d)", 1 << group, 1 << group);
    }
    buf_add_text(sql, " + iif(EXISTS (SELECT 1 ");
    add_open_marks(sql, table);
    buf_printf(sql, " AND (m.gm & %d) <> 0), 0, %d), 'id', t.id", PROTOCOL_GROUP_DELETED,
               PROTOCOL_GROUP_DELETED);
    add_former_since(sql, table);
    int at = 0;
    add_former_value(sql, "scope", 0, at);
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        add_former_value(sql, c->name, c->group, ++at);
}

static const char *make_give(const struct table *table)
{
    struct buf sql;
    bool both = table->direction == TABLE_BOTH;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_text(&sql, "SELECT t.id, CASE WHEN (");
    add_known_version(&sql, table);
    buf_add_text(&sql, ") > ?3 THEN json_object('_v', ");
    add_known_version(&sql, table);
    if (both) {
        add_former_row(&sql, table);
    } else {
        buf_add_text(&sql, ", 'id', t.id, ");
        add_object(&sql, table);
    }
    buf_add_text(&sql, ") END FROM (SELECT t.*");
    for (int group = 0; both && group < table_group_count(table); group++)
        add_former(&sql, table, group);
    buf_printf(&sql, " FROM %s t WHERE t.id > ?1 ORDER BY t.id LIMIT ?2) t ORDER BY t.id",
               table->name);
    return finish(&sql);
}

/* Who knows whether anybody else has a row that never came here: it is given as a row, whatever of
 * it was accepted. */
static const char *make_give_part(const struct table *table)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    static const char groups[] = "iif(?2 > t._v, ?3, ?3 & ?4)";
    buf_printf(&sql, "SELECT %s, json_object('_v', ?2, 'gm', %s, 'part', t._v <> 0, 'id', t.id, ",
               groups, groups);
    add_object(&sql, table);
    buf_printf(&sql, ") FROM %s t WHERE t.id = ?1", table->name);
    return finish(&sql);
}

/* A row that was edited and then deleted is sent as deleted: of the edits the county hears nothing,
 * so the mark must not stand for them. */
static void add_claimed_groups(struct buf *sql)
{
    buf_printf(sql, "gm = iif(gm > %d AND CASE tid", PROTOCOL_GROUP_DELETED);
    for (const struct table *table = tables; table->name != NULL; table++)
        if (table->direction == TABLE_BOTH)
            buf_printf(sql,
                       " WHEN %d THEN NOT EXISTS (SELECT 1 FROM %s t WHERE t.id = sync_out.pk)",
                       table->tid, table->name);
    buf_printf(sql, " END, %d, gm), ", PROTOCOL_GROUP_DELETED);
}

const char *wire_sql_claim(void)
{
    static const char *made;
    struct buf sql;
    if (made != NULL)
        return made;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_text(&sql, "UPDATE sync_out SET st = 1, ");
    add_claimed_groups(&sql);
    buf_add_text(
        &sql,
        "h = coalesce((SELECT CASE WHEN b.boot_off_ms IS NOT "
        "NULL THEN sync_out.bt + b.boot_off_ms WHEN b.boot <> ?2 THEN b.cap_ms + "
        "sync_out.bt END FROM sync_boot b WHERE b.boot = sync_out.boot), h), "
        "q = coalesce((SELECT CASE WHEN b.boot_off_ms IS NULL THEN 0 WHEN sync_out.bt IS "
        "NULL THEN b.q WHEN abs(sync_out.bt + "
        "b.boot_off_ms - sync_out.h) <= ?3 THEN 2 ELSE 1 END FROM sync_boot b WHERE "
        "b.boot = sync_out.boot), 0), "
        "hs = iif(hs IS NULL, NULL, (SELECT json_group_object(e.key, json_array(coalesce("
        "CASE WHEN b.boot_off_ms IS NOT NULL THEN (e.value->>1) + b.boot_off_ms WHEN b.boot "
        "<> ?2 THEN b.cap_ms + (e.value->>1) END, e.value->>0), e.value->>1, e.value->>2))"
        " FROM json_each(sync_out.hs) e LEFT JOIN sync_boot b ON b.boot = e.value->>2)) "
        "WHERE st <> 2 AND st <> 4 AND st = 0 AND lseq > ?4 AND lseq <= ?1 AND " NOT_BULK(""));
    made = finish(&sql);
    return made;
}

const struct wire_sql *wire_sql_of(const struct table *table)
{
    static struct wire_sql made[TABLES_MAX];
    size_t at = (size_t)(table - tables);
    assert(at < TABLES_MAX);
    if (made[at].push == NULL)
        made[at] =
            (struct wire_sql){make_push(table),         make_adopt(table),       make_check(table),
                              make_store(table, false), make_store(table, true), make_learn(table),
                              make_drop(table),         make_show(table),        make_scan(table),
                              make_give(table),         make_give_part(table),   make_known(table)};
    return &made[at];
}
