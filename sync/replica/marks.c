/* The triggers of the change marks; see marks.h.
 *
 * Happy path: the text of every trigger is made from the table list and compared with what the file
 * has; when all are there and no other of ours, nothing is written. Otherwise all of ours are
 * dropped and made anew in one transaction. A failure leaves the old ones.
 *
 * A mark's base is the lowest base of the row's marks of the same group that are not settled, else
 * the row's own version: an edit on top of an edit that the county has not seen yet still stands on
 * what the county knew. A mark in flight is never reused, so that an edit made meanwhile is sent
 * again (the unique index covers unsent marks only); it keeps what the row was, so that what is
 * sent again is what was sent. */
#include "sync/replica/marks.h"

#include <stdbool.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "sync/replica/bulk.h"
#include "sync/replica/tables.h"

enum { TRIGGERS_BYTES_MAX = 262144, DELETED = 128 /* the bit of gm */ };

static void begin_trigger(struct buf *sql, const struct table *table, const char *suffix)
{
    buf_printf(sql, "CREATE TRIGGER mark_%s_%s ", table->name, suffix);
}

/* The base of a new mark of these groups: the lowest of the row's open marks that share one, else
 * the row's version. */
static void add_base(struct buf *sql, const struct table *table, int groups, const char *row,
                     bool row_bases)
{
    buf_printf(sql,
               "coalesce((SELECT min(base) FROM sync_out WHERE tid = %d AND " NOT_BULK(
                   "") " AND pk = "
                       "%s.id AND st <> 2 AND st <> 4 AND gm & %d), ",
               table->tid, row, row_bases ? 255 : groups);
    if ((groups & DELETED) != 0 && groups != DELETED) /* one that comes back */
        buf_printf(sql, "(SELECT v FROM sync_gone WHERE tid = %d AND pk = %s.id), ", table->tid,
                   row);
    buf_printf(sql, "%s._v)", row);
}

/* The row as it was, or [] when there was none. */
static void add_former(struct buf *sql, const struct table *table, bool there)
{
    buf_add_text(sql, there ? "json_list(OLD.scope" : "json_list(");
    for (const struct table_column *c = table->columns; there && c->name != NULL; c++)
        buf_printf(sql, ", OLD.%s", c->name);
    buf_add_text(sql, ")");
}

static void add_keep_sent(struct buf *sql, const struct table *table, const char *row, bool there)
{
    buf_add_text(sql, "UPDATE sync_out SET was = ");
    add_former(sql, table, there);
    buf_printf(
        sql,
        " WHERE tid = %d AND " NOT_BULK("") " AND pk = %s.id AND st <> 2 AND st <> 4 AND st = 1 "
                                            "AND was IS NULL; ",
        table->tid, row);
}

/* With what the row was before. */
static void add_update_head(struct buf *sql, const struct table *table, int groups, bool row_bases)
{
    buf_add_text(sql, "BEGIN ");
    add_keep_sent(sql, table, "NEW", true);
    buf_printf(sql,
               "INSERT INTO sync_out(tid, pk, old, base, gm, h, bt, boot) VALUES (%d, NEW.id, ",
               table->tid);
    add_former(sql, table, true);
    buf_add_text(sql, ", ");
    add_base(sql, table, groups, "NEW", row_bases);
}

/* The stamp is the county's time when the county has been heard of in this boot, and final then: a
 * copy of the database has the same one for the same change, and a later one for a later change,
 * however the next estimate of its clock differs. Else (bt is set) it is what the clock says, and
 * put right when the mark is taken into a push; then the stamps of the boots before stay, below
 * which it must not fall. */
static void add_mark_tail(struct buf *sql)
{
    static const char OFFSET[] = "(SELECT boot_off_ms FROM sync_boot ORDER BY boot DESC LIMIT 1)";
    buf_printf(
        sql,
        ", coalesce(boot_ms() + %s, now_ms()), iif(%s IS NULL, boot_ms(), NULL), (SELECT "
        "max(boot) FROM sync_boot)) ON CONFLICT(tid, pk, base) WHERE st = 0 AND " NOT_BULK(
            "") " "
                "DO UPDATE SET hs = iif(excluded.gm = coalesce(lg, gm) AND (boot IS excluded.boot "
                "OR coalesce(bt, excluded.bt) IS NULL), hs, stamps(hs, coalesce(lg, gm), h, bt, "
                "boot)), lg = excluded.gm, gm = gm | excluded.gm, h = iif(coalesce(bt, "
                "excluded.bt) "
                "IS NULL, max(excluded.h, h + 1), excluded.h), bt = iif(boot IS excluded.boot AND "
                "bt NOT NULL, max(excluded.bt, bt + 1), excluded.bt), boot = excluded.boot; ",
        OFFSET, OFFSET);
}

static void add_mark(struct buf *sql, const struct table *table, int groups, bool row_bases)
{
    add_update_head(sql, table, groups, row_bases);
    buf_printf(sql, ", %d", groups);
    add_mark_tail(sql);
    buf_add_text(sql, "END;\n");
}

static void add_mark_head(struct buf *sql, const struct table *table, int groups, const char *row,
                          bool row_bases)
{
    buf_add_text(sql, "BEGIN ");
    add_keep_sent(sql, table, row, groups == DELETED);
    buf_printf(sql, "INSERT INTO sync_out(tid, pk, base, gm, h, bt, boot) VALUES (%d, %s.id, ",
               table->tid, row);
    add_base(sql, table, groups, row, row_bases);
}

/* A row that comes back says so with the bit of the deletion. */
static void add_insert_mark(struct buf *sql, const struct table *table, bool row_bases)
{
    int groups = (1 << table_group_count(table)) - 1;
    add_mark_head(sql, table, groups | DELETED, "NEW", row_bases);
    buf_printf(sql, ", %d | coalesce((SELECT %d FROM sync_gone WHERE tid = %d AND pk = NEW.id), 0)",
               groups, DELETED, table->tid);
    add_mark_tail(sql);
    buf_printf(sql, "DELETE FROM sync_gone WHERE tid = %d AND pk = NEW.id; END;\n", table->tid);
}

static void add_delete(struct buf *sql, const struct table *table, bool row_bases)
{
    begin_trigger(sql, table, "d");
    buf_printf(sql, "AFTER DELETE ON %s WHEN sync_local() ", table->name);
    add_mark_head(sql, table, DELETED, "OLD", row_bases);
    buf_printf(sql, ", %d", DELETED);
    add_mark_tail(sql);
    buf_printf(sql,
               "INSERT INTO sync_gone(tid, pk, v) SELECT %d, OLD.id, min(base) FROM sync_out WHERE "
               "tid = %d AND " NOT_BULK("") " AND pk = OLD.id AND st <> 2 AND st <> 4 "
                                            "ON CONFLICT DO UPDATE SET v = excluded.v; END;\n",
               table->tid, table->tid);
}

/* An event is written once and never changed, so it can have no earlier mark to look for. Hundreds
 * of them come in a turn: this is most of what one costs. */
static void add_event_mark(struct buf *sql, const struct table *table)
{
    buf_printf(sql,
               "BEGIN INSERT INTO sync_out(tid, pk, base, gm, h, bt, boot) VALUES (%d, NEW.id, "
               "NEW._v, 1, now_ms(), boot_ms(), (SELECT max(boot) FROM sync_boot)); END;\n",
               table->tid);
}

static void add_insert(struct buf *sql, const struct table *table, bool row_bases)
{
    begin_trigger(sql, table, "i");
    buf_printf(sql, "AFTER INSERT ON %s WHEN sync_local() ", table->name);
    if (table->direction == TABLE_UP)
        add_event_mark(sql, table);
    else
        add_insert_mark(sql, table, row_bases);
}

/* "a, b" or "OLD.a IS NOT NEW.a OR OLD.b IS NOT NEW.b" of the group's columns. */
static void add_column(struct buf *sql, const char *name, bool compare, bool *first)
{
    if (!*first)
        buf_add_text(sql, compare ? " OR " : ", ");
    if (compare)
        buf_printf(sql, "OLD.%s IS NOT NEW.%s", name, name);
    else
        buf_add_text(sql, name);
    *first = false;
}

static void add_columns(struct buf *sql, const struct table *table, int group, bool compare)
{
    bool first = true;
    if (group == 0)
        add_column(sql, "scope", compare, &first);
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        if (c->group == group)
            add_column(sql, c->name, compare, &first);
}

static void add_update(struct buf *sql, const struct table *table, int group, bool row_bases)
{
    char suffix[] = "u0";
    suffix[1] = (char)('0' + group);
    begin_trigger(sql, table, suffix);
    buf_add_text(sql, "AFTER UPDATE OF ");
    add_columns(sql, table, group, false);
    buf_printf(sql, " ON %s WHEN sync_local() AND (", table->name);
    add_columns(sql, table, group, true);
    buf_add_text(sql, ") ");
    add_mark(sql, table, 1 << group, row_bases);
}

static void add_refusal(struct buf *sql, const struct table *table, const char *suffix,
                        const char *event, const char *why)
{
    begin_trigger(sql, table, suffix);
    buf_printf(sql, "BEFORE %s ON %s WHEN sync_local() BEGIN SELECT RAISE(ABORT, '%s: %s'); END;\n",
               event, table->name, table->name, why);
}

/* Not of _v, which only sync writes: a statement with a trigger has a journal of its own, and for
 * each row of a push that would be a copy of each page that it changes. */
static void add_append_only(struct buf *sql, const struct table *table)
{
    struct buf columns;
    buf_init(&columns, TRIGGERS_BYTES_MAX);
    buf_add_text(&columns, "UPDATE OF scope");
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(&columns, ", %s", c->name);
    add_refusal(sql, table, "u", buf_text(&columns), "events are append-only");
    buf_free(&columns);
}

static void add_table(struct buf *sql, const struct table *table, bool row_bases)
{
    if (table->direction == TABLE_DOWN)
        return;
    add_insert(sql, table, row_bases);
    add_refusal(sql, table, "k", "UPDATE OF id", "a key does not change");
    if (table->direction == TABLE_UP) {
        add_append_only(sql, table);
        add_refusal(sql, table, "d", "DELETE", "events are kept");
        return;
    }
    for (int group = 0; group < table_group_count(table); group++)
        add_update(sql, table, group, row_bases);
    add_delete(sql, table, row_bases);
}

/* The first column of the first row as text compared with `text`; false when there is none. */
static bool answer_is(sqlite3 *db, const char *sql, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    bool same = false;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        const char *found = (const char *)sqlite3_column_text(stmt, 0);
        same = found != NULL && strcmp(found, text) == 0;
    }
    sqlite3_finalize(stmt);
    return same;
}

/* The file keeps the text of each trigger as we wrote it, in the order of their making. */
static bool armed_already(sqlite3 *db, const char *wanted)
{
    return answer_is(db,
                     "SELECT group_concat(sql || ';' || char(10), '') FROM (SELECT sql FROM "
                     "sqlite_schema WHERE type = 'trigger' AND name GLOB 'mark_*' ORDER BY rowid)",
                     wanted);
}

static bool add_drops(sqlite3 *db, struct buf *script)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db,
                           "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB "
                           "'mark_*'",
                           -1, &stmt, NULL) != SQLITE_OK)
        return false;
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        buf_printf(script, "DROP TRIGGER \"%s\";\n", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE;
}

static int rearm(sqlite3 *db, const char *triggers, struct err *err)
{
    struct buf script;
    buf_init(&script, 2 * (size_t)TRIGGERS_BYTES_MAX);
    buf_add_text(&script, "BEGIN IMMEDIATE;\n");
    bool ok = add_drops(db, &script);
    buf_add_text(&script, triggers);
    buf_add_text(&script, "COMMIT;");
    ok = ok && !script.failed && sqlite3_exec(db, buf_text(&script), NULL, NULL, NULL) == SQLITE_OK;
    int code = ok ? ERR_OK : err_set(err, ERR_IO, "change marks: %s", sqlite3_errmsg(db));
    if (!ok && sqlite3_get_autocommit(db) == 0)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    buf_free(&script);
    return code;
}

int marks_arm(sqlite3 *db, bool row_bases, struct err *err)
{
    struct buf wanted; /* all triggers one after the other, each followed by ";\n" */
    buf_init(&wanted, TRIGGERS_BYTES_MAX);
    for (const struct table *table = tables; table->name != NULL; table++)
        add_table(&wanted, table, row_bases);
    int code = ERR_OK;
    if (wanted.failed)
        code = err_set(err, ERR_LIMIT, "change marks: the table list is too long");
    else if (!armed_already(db, buf_text(&wanted)))
        code = rearm(db, buf_text(&wanted), err);
    buf_free(&wanted);
    return code;
}
