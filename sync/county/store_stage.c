/* The SQL that takes the rows of a push to in_<tid>, where they lie typed or are refused.
 *
 * SQLite: json_rows() gives each value the type in which it came (what no column can hold is the
 * blob x'00', a member that is not there x'01'), and the check asks for its type. PostgreSQL: the
 * rows are copied in (store_copy.c), with bits in `wrong` and `absent` (store_sql.h). So nothing
 * that a station sends makes a statement fail. */
#include <stdio.h>

#include "sync/county/store_sql.h"

/* The stamps of the groups, each by this format. */
static void add_stamps(struct buf *b, const struct table *t, const char *before, const char *after)
{
    for (int g = 0; !is_up(t) && g <= table_group_count(t); g++)
        buf_printf(b, "%s%s%s", before, sql_group_at(t, g).stamp, after);
}

static void make_scratch(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    buf_printf(b,
               "CREATE TEMP TABLE IF NOT EXISTS in_%d(k ${INTEGER PRIMARY KEY|BIGINT},lseq${| "
               "INTEGER},base${| INTEGER}"
               ",gm${| INTEGER},h${| INTEGER},unfed${| INTEGER},part${| INTEGER},id${| "
               "TEXT},_del${| INTEGER}",
               t->tid);
    add_stamps(b, t, ",", "${| INTEGER}");
    EACH_COLUMN(c, t)
    buf_printf(b, ",\"%s\"${| %s}", c->name, column_sql_type(c));
    buf_add_text(
        b, ",n INTEGER DEFAULT 1,why TEXT,acc INTEGER NOT NULL DEFAULT 0,lose INTEGER NOT NULL"
           " DEFAULT 0,unseen INTEGER NOT NULL DEFAULT 0,_new INTEGER NOT NULL DEFAULT 1"
           ",lost INTEGER NOT NULL DEFAULT 0,same INTEGER NOT NULL DEFAULT 0"
           "${|,absent INTEGER,wrong INTEGER})${| ON COMMIT DELETE ROWS}");
    out->create_in = sql_take(b);
    buf_printf(b, "DELETE FROM in_%d", t->tid);
    out->clear = sql_take(b);
}

static void add_target(struct buf *b, const struct table *t)
{
    buf_printf(b, "INSERT INTO in_%d(k,lseq,base,gm,h,unfed,part,id,_del", t->tid);
    add_stamps(b, t, ",", "");
    EACH_COLUMN(c, t)
    buf_printf(b, ",\"%s\"", c->name);
    buf_add_text(b, ",n,why");
}

/* --- SQLite --- */

/* What no column can hold is a blob, which no check lets pass; so is what is not there, but unfed
 * and _del need not be. */
static void make_stage_typed(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    add_target(b, t);
    buf_add_text(
        b, ") SELECT r.k,r.lseq,c0,c1,c2,nullif(c3,x'01'),nullif(c4,x'01'),c5,nullif(c6,x'01')");
    int member = 7;
    for (int g = 0; !is_up(t) && g <= table_group_count(t); g++, member++)
        buf_printf(b, ",iif(c%d IS x'01',c2,c%d)", member, member);
    EACH_COLUMN(c, t)
    buf_printf(b, ",c%d", member++);
    buf_printf(b,
               ",1,CASE WHEN size>%d THEN 'size' WHEN nul THEN 'text U+0000' END FROM raw AS r,"
               "json_rows(r.row,'base,gm,h,unfed,part,id,_del",
               LIMIT_ROW_BYTES);
    add_stamps(b, t, ",", "");
    EACH_COLUMN(d, t)
    buf_printf(b, ",%s", d->name);
    buf_printf(b, "',1) AS j WHERE r.t='%s'", t->name);
    out->stage = sql_take(b);
}

/* What a push does not name: a station of an older schema must not take away what it does not
 * know, nor when it gives rows back. The county's own rows name all that they have. */
static void make_fill_typed(struct table_sql *out, struct buf *b, const char *some)
{
    const struct table *t = out->table;
    buf_printf(b, "UPDATE in_%d AS m SET ", t->tid);
    EACH_COLUMN(d, t)
    buf_printf(b, "%s\"%s\"=iif(m.\"%s\" IS x'01',t.\"%s\",m.\"%s\")", d_at > 0 ? "," : "", d->name,
               d->name, d->name, d->name);
    buf_printf(b, " FROM \"%s\" AS t WHERE t.id=m.id AND (?6=0 OR ?10>0) AND (%s)", t->name, some);
    out->fill = sql_take(b);
    buf_printf(b, "UPDATE in_%d AS m SET ", t->tid);
    EACH_COLUMN(e, t)
    buf_printf(b, "%s\"%s\"=nullif(m.\"%s\",x'01')", e_at > 0 ? "," : "", e->name, e->name);
    buf_printf(b, " WHERE %s", some);
    out->fill_null = sql_take(b);
}

/* Most pushes name every column and no row twice: that is found out at once for all rows, and what
 * has to be done otherwise is not tried on each. */
static void make_look_typed(struct table_sql *out, struct buf *b)
{
    const struct table *t = out->table;
    struct buf some;
    buf_init(&some, DB_SQL_BYTES);
    EACH_COLUMN(c, t)
    buf_printf(&some, "%sm.\"%s\" IS x'01'", some.size > 0 ? " OR " : "", c->name);
    buf_printf(b, "SELECT count(*)>count(DISTINCT id),count(*) FILTER (WHERE %s) FROM in_%d AS m",
               buf_text(&some), t->tid);
    out->look = sql_take(b);
    make_fill_typed(out, b, buf_text(&some));
    buf_free(&some);
}

/* --- PostgreSQL --- */

/* Only columns of groups that the row changes are of interest. */
static void make_fill_text(struct table_sql *out, struct buf *b)
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

/* --- both --- */

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

static void add_mark_checks(struct buf *b, const struct table *t, enum db_engine engine)
{
    bool typed = engine == DB_SQLITE;
    buf_printf(b,
               " WHEN %s OR base<0 THEN 'type base'"
               " WHEN %s OR (gm<1 AND ?6=0) OR (gm & ~%d)<>0 THEN 'type gm'"
               " WHEN %s OR h<0 THEN 'type h' WHEN %s THEN 'type unfed'",
               typed ? "typeof(base)<>'integer'" : "base IS NULL OR ((wrong>>41)&1)<>0",
               typed ? "typeof(gm)<>'integer'" : "gm IS NULL OR ((wrong>>42)&1)<>0",
               ((1 << table_group_count(t)) - 1) | BIT_DEL,
               typed ? "typeof(h)<>'integer'" : "h IS NULL OR ((wrong>>43)&1)<>0",
               typed ? "typeof(unfed) NOT IN('integer','null')" : "((wrong>>40)&1)<>0");
    for (int g = 0; g <= table_group_count(t); g++)
        buf_printf(b,
                   typed ? " WHEN typeof(%s)<>'integer' OR %s<0 THEN 'type h'"
                         : " WHEN %s IS NULL OR %s<0 THEN 'type h'",
                   sql_group_at(t, g).stamp, sql_group_at(t, g).stamp);
    buf_printf(b,
               " WHEN (gm&%d)<>0 AND _del IS NULL AND ?6=0%s THEN 'required _del'"
               " WHEN (gm&%d)<>0 AND (coalesce(_del,0) NOT IN(0,1)%s) THEN 'type _del'",
               BIT_DEL, typed ? "" : " AND (wrong&1)=0", BIT_DEL, typed ? "" : " OR (wrong&1)<>0");
}

static void add_column_checks(struct buf *b, const struct table_column *c, size_t at,
                              const char *changed, enum db_engine engine)
{
    char wrong[96], there[64] = "";
    bool number = c->type == COLUMN_INT;
    if (engine == DB_SQLITE) {
        snprintf(wrong, sizeof wrong, "typeof(\"%s\") NOT IN ('%s','null')", c->name,
                 number ? "integer" : "text");
    } else {
        snprintf(wrong, sizeof wrong, "(wrong&%lld)<>0", (long long)WRONG_COLUMN(at));
        snprintf(there, sizeof there, " AND (wrong&%lld)=0", (long long)WRONG_COLUMN(at));
    }
    if (c->required)
        buf_printf(b, " WHEN %s AND \"%s\" IS NULL%s THEN 'required %s'", changed, c->name, there,
                   c->name);
    buf_printf(b, " WHEN %s AND %s THEN 'type %s'", changed, wrong, c->name);
    if (!number)
        buf_printf(b, " WHEN %s AND NOT text_ok(\"%s\") THEN 'text %s'", changed, c->name, c->name);
}

static void make_check(struct table_sql *out, enum db_engine engine, struct buf *b)
{
    const struct table *t = out->table;
    struct buf why;
    buf_init(&why, DB_SQL_BYTES);
    buf_add_text(&why, "CASE");
    if (t->direction == TABLE_DOWN)
        buf_add_text(&why, " WHEN ?6=0 THEN 'direction'");
    buf_add_text(&why, " WHEN n>1 THEN 'duplicate'");
    if (!is_up(t))
        add_mark_checks(&why, t, engine);
    buf_printf(&why, " WHEN %s OR NOT text_ok(id) OR %s NOT BETWEEN 1 AND %d THEN 'id'",
               engine == DB_SQLITE ? "typeof(id)<>'text'" : "id IS NULL OR ((wrong>>44)&1)<>0",
               engine == DB_SQLITE ? "length(CAST(id AS BLOB))" : "octet_length(id)",
               LIMIT_ROW_ID_BYTES);
    EACH_COLUMN(c, t)
    {
        char changed[24];
        snprintf(changed, sizeof changed, is_up(t) ? "TRUE" : "(gm&%d)<>0", 1 << c->group);
        add_column_checks(&why, c, c_at, changed, engine);
    }
    buf_printf(&why, " WHEN %s AND %s NOT BETWEEN 1 AND %d THEN 'scope' END",
               is_up(t) ? "TRUE" : "(gm&1)<>0",
               engine == DB_SQLITE ? "length(CAST(scope AS BLOB))" : "octet_length(scope)",
               LIMIT_STATION_BYTES);
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
    if (engine == DB_SQLITE) {
        make_stage_typed(out, b);
        make_look_typed(out, b);
    } else {
        sql_make_copy(out, b);
        make_fill_text(out, b);
    }
    make_number(out, b);
    make_phones(out, b);
    make_check(out, engine, b);
}
