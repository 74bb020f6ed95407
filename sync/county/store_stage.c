/* The SQL around in_<tid>, where the rows of a push lie typed or are refused. They are copied in
 * (store_copy.c), with bits in `wrong` and `absent` (store_sql.h): nothing that a station sends
 * makes a statement fail. */
#include <stdio.h>

#include "sync/county/store_sql.h"

/* SQLite 3.40 has no octet_length(). */
#define BYTES(x) "${length(CAST(" x " AS BLOB))|octet_length(" x ")}"

/* The stamps of the groups, each by this format. */
static void add_stamps(struct buf *b, const struct table *t, const char *before, const char *after)
{
    for (int g = 0; !is_up(t) && g <= table_group_count(t); g++)
        buf_printf(b, "%s%s%s", before, sql_group_at(t, g).stamp, after);
}

#define FLAGS "${INTEGER|SMALLINT} NOT NULL DEFAULT "

/* What most statements ask for stands in front, where both engines find it sooner. */
static void make_scratch(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    buf_printf(b,
               "CREATE TEMP TABLE IF NOT EXISTS in_%d(k ${INTEGER PRIMARY KEY|BIGINT},absent "
               "INTEGER,wrong INTEGER,n INTEGER DEFAULT 1,acc " FLAGS "0,lose " FLAGS
               "0,unseen " FLAGS "0,_new " FLAGS "1,lost " FLAGS "0,same " FLAGS
               "0,why TEXT,id${| TEXT},lseq${| INTEGER},base${| INTEGER},gm${| INTEGER},h${| "
               "INTEGER},unfed${| INTEGER},part${| INTEGER},_del${| INTEGER}",
               t->tid);
    add_stamps(b, t, ",", "${| INTEGER}");
    EACH_COLUMN(c, t)
    buf_printf(b, ",\"%s\"${| %s}", c->name, column_sql_type(c));
    buf_add_text(b, ")${| ON COMMIT DELETE ROWS}");
    out->create_in = sql_take(b);
    buf_printf(b, "DELETE FROM in_%d", t->tid);
    out->clear = sql_take(b);
}

/* What a push does not name: a station of an older schema must not take away what it does not
 * know, nor when it gives rows back. The county's own rows name all that they have. Only columns of
 * groups that the row changes are of interest. */
static void make_fill(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    buf_printf(b, "UPDATE in_%d AS m SET ", t->tid);
    EACH_COLUMN(c, t)
    buf_printf(b, "%s\"%s\"=iif((m.absent&%lld)<>0,t.\"%s\",m.\"%s\")", c_at > 0 ? "," : "",
               c->name, (long long)WRONG_COLUMN(c_at), c->name, c->name);
    buf_printf(b, " FROM \"%s\" AS t WHERE t.id=m.id AND (?6=0 OR ?10>0) AND (m.absent&(0",
               t->name);
    for (int g = 0; g < table_group_count(t); g++) {
        int64_t bits = 0;
        EACH_COLUMN(d, t)
        if (d->group == g)
            bits |= WRONG_COLUMN(d_at);
        if (is_up(t))
            buf_printf(b, "|%lld", (long long)bits);
        else
            buf_printf(b, "|iif((m.gm&%d)<>0,%lld,0)", 1 << g, (long long)bits);
    }
    buf_add_text(b, "))<>0");
    out->fill = sql_take(b);
}

static void make_phones(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    EACH_COLUMN(c, t)
    if (c->type == COLUMN_PHONE) {
        buf_printf(b, "SELECT k,\"%s\" FROM in_%d WHERE why IS NULL AND \"%s\" IS NOT NULL",
                   c->name, t->tid, c->name);
        out->phones = sql_take(b);
        buf_printf(b, "UPDATE in_%d SET \"%s\"=?2,why=?3 WHERE k=?1", t->tid, c->name);
        out->hide = sql_take(b);
    }
}

static void add_mark_checks(struct buf *b, const struct table *t)
{
    buf_printf(b,
               " WHEN base IS NULL OR ((wrong>>41)&1)<>0 OR base<0 THEN 'type base'"
               " WHEN gm IS NULL OR ((wrong>>42)&1)<>0 OR (gm<1 AND ?6=0) OR (gm & ~%d)<>0 THEN "
               "'type gm' WHEN h IS NULL OR ((wrong>>43)&1)<>0 OR h<0 THEN 'type h'"
               " WHEN ((wrong>>40)&1)<>0 THEN 'type unfed'",
               ((1 << table_group_count(t)) - 1) | BIT_DEL);
    for (int g = 0; g <= table_group_count(t); g++)
        buf_printf(b, " WHEN %s IS NULL OR %s<0 THEN 'type h'", sql_group_at(t, g).stamp,
                   sql_group_at(t, g).stamp);
    buf_printf(b,
               " WHEN (gm&%d)<>0 AND _del IS NULL AND ?6=0 AND (wrong&1)=0 THEN 'required _del'"
               " WHEN (gm&%d)<>0 AND (coalesce(_del,0) NOT IN(0,1) OR (wrong&1)<>0) THEN 'type "
               "_del'",
               BIT_DEL, BIT_DEL);
}

static void add_column_checks(struct buf *b, const struct table_column *c, size_t at,
                              const char *changed)
{
    long long bit = (long long)WRONG_COLUMN(at);
    if (c->required)
        buf_printf(b, " WHEN %s AND \"%s\" IS NULL AND (wrong&%lld)=0 THEN 'required %s'", changed,
                   c->name, bit, c->name);
    buf_printf(b, " WHEN %s AND (wrong&%lld)<>0 THEN 'type %s'", changed, bit, c->name);
    if (c->type != COLUMN_INT)
        buf_printf(b, " WHEN %s AND NOT text_ok(\"%s\") THEN 'text %s'", changed, c->name, c->name);
}

static void make_check(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    struct buf why;
    buf_init(&why, DB_SQL_BYTES);
    buf_add_text(&why, "CASE");
    if (t->direction == TABLE_DOWN)
        buf_add_text(&why, " WHEN ?6=0 THEN 'direction'");
    buf_add_text(&why, " WHEN n>1 THEN 'duplicate'");
    if (!is_up(t))
        add_mark_checks(&why, t);
    buf_printf(&why,
               " WHEN id IS NULL OR ((wrong>>44)&1)<>0 OR NOT text_ok(id) OR " BYTES(
                   "id") " NOT BETWEEN 1 AND %d THEN 'id'",
               LIMIT_ROW_ID_BYTES);
    EACH_COLUMN(c, t)
    {
        char changed[24];
        snprintf(changed, sizeof changed, is_up(t) ? "TRUE" : "(gm&%d)<>0", 1 << c->group);
        add_column_checks(&why, c, c_at, changed);
    }
    buf_printf(
        &why,
        " WHEN %s AND (" BYTES("scope") " NOT BETWEEN 1 AND %d OR (?6=0 AND scope<>?8)) THEN "
                                        "'scope' END",
        is_up(t) ? "TRUE" : "(gm&1)<>0", LIMIT_STATION_BYTES);
    buf_printf(b, "UPDATE in_%d SET why=%s WHERE why IS NULL AND %s IS NOT NULL", t->tid,
               buf_text(&why), buf_text(&why));
    buf_free(&why);
    out->check = sql_take(b);
}

/* Rows of the same id. */
static void make_number(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    buf_printf(
        b,
        "UPDATE in_%d AS m SET n=o.n FROM (SELECT k,row_number() OVER (PARTITION BY id ORDER "
        "BY k) AS n FROM in_%d) AS o WHERE o.k=m.k AND o.n>1",
        t->tid, t->tid);
    out->number = sql_take(b);
}

void sql_make_stage(struct table_sql *out, enum db_engine engine, struct buf *b)
{
    make_scratch(out, b);
    sql_make_copy(out, engine, b);
    make_fill(out, b);
    make_number(out, b);
    make_phones(out, b);
    make_check(out, b);
}
