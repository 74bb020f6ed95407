/* The county's store: opening, the county's own tables, stations. Each thread of the server has a
 * store (a connection) of its own. A database of a newer program is refused. A column that a newer
 * list of tables has is added to the county's table on opening. */
#include "sync/county/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/county/store_parts.h"

enum { COUNTY_SCHEMA = 2 };

static const char SCHEMA[] =
    "CREATE TABLE IF NOT EXISTS feed(scope TEXT NOT NULL,v INTEGER NOT NULL,tid INTEGER NOT NULL,"
    "pk TEXT NOT NULL,op TEXT NOT NULL CHECK(op IN('U','X','D')),o INTEGER,"
    "PRIMARY KEY(scope,v)) STRICT,WITHOUT ROWID;"
    "CREATE UNIQUE INDEX IF NOT EXISTS feed_pk ON feed(tid,pk,scope);"
    "CREATE TABLE IF NOT EXISTS ctr(v INTEGER NOT NULL) STRICT;"
    "INSERT INTO ctr(v) SELECT 0 WHERE NOT EXISTS(SELECT 1 FROM ctr);"
    "CREATE TABLE IF NOT EXISTS epoch(n INTEGER PRIMARY KEY,id TEXT NOT NULL,start_v INTEGER NOT "
    "NULL,at INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS station(name TEXT PRIMARY KEY NOT NULL,scope TEXT NOT NULL,"
    "token_hash TEXT NOT NULL,added_at INTEGER NOT NULL,revoked_at INTEGER) STRICT;"
    "CREATE UNIQUE INDEX IF NOT EXISTS station_token ON station(token_hash);"
    "CREATE TABLE IF NOT EXISTS incarnation(o INTEGER PRIMARY KEY AUTOINCREMENT,scope TEXT NOT "
    "NULL,"
    "last_lseq INTEGER NOT NULL DEFAULT 0,prev_fp TEXT,prev_reply TEXT,seen INTEGER NOT NULL) "
    "STRICT;"
    "CREATE TABLE IF NOT EXISTS granted(scope TEXT NOT NULL,sees TEXT NOT NULL,at INTEGER NOT "
    "NULL,revoked_at INTEGER,PRIMARY KEY(scope,sees)) STRICT,WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS feed_gone ON feed(v) WHERE op<>'U';"
    "CREATE TABLE IF NOT EXISTS giveback(tid INTEGER NOT NULL,pk TEXT NOT NULL,v INTEGER NOT NULL,"
    "from_v INTEGER NOT NULL,at INTEGER NOT NULL,scope TEXT NOT NULL,old TEXT,new TEXT NOT NULL,"
    "PRIMARY KEY(tid,pk,v)) STRICT,WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS conflict(n INTEGER PRIMARY KEY,v INTEGER,at INTEGER,tid INTEGER,"
    "pk TEXT,grp INTEGER,win_o INTEGER,win_h INTEGER,lose_o INTEGER,lose_h INTEGER,win_val TEXT,"
    "lose_val TEXT,why TEXT) STRICT;"
    "CREATE TABLE IF NOT EXISTS quarantine(n INTEGER PRIMARY KEY,o INTEGER,lseq INTEGER,tid "
    "INTEGER,"
    "row TEXT,why TEXT,at INTEGER) STRICT;"
    "CREATE TABLE IF NOT EXISTS audit(n INTEGER PRIMARY KEY,at INTEGER NOT NULL,what TEXT NOT NULL,"
    "detail TEXT) STRICT;"
    "CREATE TABLE IF NOT EXISTS imported(tid INTEGER NOT NULL,pk TEXT NOT NULL,row TEXT NOT NULL,"
    "gone INTEGER NOT NULL DEFAULT 0,run INTEGER,PRIMARY KEY(tid,pk)) STRICT,WITHOUT ROWID;";

/* Columns that came later. */
static const struct {
    const char *table, *column, *type;
} LATER[] = {
    {"incarnation", "tok", "TEXT"},
    {"incarnation", "prev_tok", "TEXT"},
    {"incarnation", "cursor_v", "INTEGER"},
    {"incarnation", "state", "INTEGER NOT NULL DEFAULT 0"}, /* 1: given up */
    {"ctr", "purge_v", "INTEGER NOT NULL DEFAULT 0"},
};

static const char SCRATCH[] =
    "PRAGMA temp_store=MEMORY;"
    "CREATE TEMP TABLE part(n INTEGER PRIMARY KEY,t,r);"
    "CREATE TEMP TABLE raw(k INTEGER PRIMARY KEY,t,row);"
    "CREATE TEMP TABLE verdict(k INTEGER PRIMARY KEY,lseq,kind TEXT,why TEXT);"
    "CREATE TEMP TABLE forgotten(tid INTEGER,pk TEXT,scope TEXT,op TEXT,v INTEGER);"
    "CREATE TEMP TABLE visible(scope TEXT PRIMARY KEY);"
    "CREATE TEMP TABLE known(t TEXT PRIMARY KEY,gm INTEGER);"
    "CREATE TEMP TABLE seen(tid INTEGER,pk TEXT,file TEXT,line INTEGER,PRIMARY KEY(tid,pk));";

static struct db *db_of(struct store *store)
{
    return (struct db *)store;
}

static int check_version(struct db *db, const char *path, struct err *err)
{
    int64_t version = 0;
    int code = db_int(db, &version, err, "PRAGMA user_version", "");
    if (code != ERR_OK)
        return code;
    if (version > COUNTY_SCHEMA)
        return err_set(err, ERR_NEWER,
                       "%s was made by a newer touyan-county (schema %lld, this one knows %d): "
                       "install that version again",
                       path, (long long)version, COUNTY_SCHEMA);
    return ERR_OK;
}

static int add_column(struct db *db, const char *table, const char *column, const char *type,
                      struct err *err)
{
    int64_t there = 0;
    int code = db_int(db, &there, err, "SELECT count(*) FROM pragma_table_info(?1) WHERE name=?2",
                      "ss", table, column);
    if (code != ERR_OK || there > 0)
        return code;
    char sql[256];
    snprintf(sql, sizeof sql, "ALTER TABLE main.\"%s\" ADD COLUMN \"%s\" %s", table, column, type);
    return db_script(db, sql, err);
}

static int add_missing_columns(struct db *db, const struct table *table, struct err *err)
{
    int code = ERR_OK;
    for (const struct table_column *c = table->columns; code == ERR_OK && c->name != NULL; c++)
        code = add_column(db, table->name, c->name, column_sql_type(c), err);
    return code;
}

static int make_tables(struct db *db, struct err *err)
{
    int code = db_script(db, SCHEMA, err);
    if (code == ERR_OK)
        code = db_script(db, store_enrol_schema, err);
    for (size_t i = 0; code == ERR_OK && i < sizeof LATER / sizeof *LATER; i++)
        code = add_column(db, LATER[i].table, LATER[i].column, LATER[i].type, err);
    for (const struct table *t = tables; code == ERR_OK && t->name != NULL; t++) {
        assert(db->table_count < DB_TABLES_MAX);
        struct table_sql *sql = &db->tables[db->table_count++];
        table_sql_init(sql, t, db->without);
        code = db_script(db, sql->create, err);
        if (code == ERR_OK)
            code = db_script(db, sql->index, err);
        if (code == ERR_OK)
            code = add_missing_columns(db, t, err);
    }
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version=%d", COUNTY_SCHEMA);
    return code != ERR_OK ? code : db_script(db, version, err);
}

/* Another process may be opening the same new file. */
static int make_tables_once(struct db *db, struct err *err)
{
    int code = db_script(db, "BEGIN IMMEDIATE", err);
    if (code != ERR_OK)
        return code;
    code = make_tables(db, err);
    if (code == ERR_OK)
        return db_script(db, "COMMIT", err);
    db_script(db, "ROLLBACK", NULL);
    return code;
}

static int make_scratch(struct db *db, struct err *err)
{
    int code = db_script(db, SCRATCH, err);
    for (int i = 0; code == ERR_OK && i < db->table_count; i++)
        code = db_script(db, db->tables[i].create_in, err);
    for (int i = 0; code == ERR_OK && i < db->table_count; i++)
        code =
            db_run(db, err, "INSERT INTO temp.known VALUES(?1,?2)", "si", db->tables[i].table->name,
                   (int64_t)((1 << table_group_count(db->tables[i].table)) - 1));
    return code;
}

static void store_close(struct store *store)
{
    if (store == NULL)
        return;
    struct db *db = db_of(store);
    db_close(db);
    for (int i = 0; i < db->table_count; i++)
        table_sql_fini(&db->tables[i]);
    free(db);
}

/* --- stations --- */

static int audit(struct db *db, const char *what, const char *detail, struct err *err)
{
    return db_run(db, err, "INSERT INTO audit(at,what,detail) VALUES(?1,?2,?3)", "iss",
                  clock_wall_ms(db->clock), what, detail);
}

static int station_add(struct store *store, const char *name, const char *scope,
                       const char *token_hash, struct err *err)
{
    struct db *db = db_of(store);
    int64_t there = 0;
    int code =
        db_int(db, &there, err, "SELECT count(*) FROM station WHERE name=?1 AND revoked_at IS NULL",
               "s", name);
    if (code == ERR_OK && there > 0)
        return err_set(err, ERR_STATE,
                       "station %s has a token already: `touyan-county station revoke %s` first",
                       name, name);
    if (code == ERR_OK)
        code = db_run(db, err,
                      "INSERT OR REPLACE INTO station(name,scope,token_hash,added_at) "
                      "VALUES(?1,?2,?3,?4)",
                      "sssi", name, scope, token_hash, clock_wall_ms(db->clock));
    return code != ERR_OK ? code : audit(db, "station.add", name, err);
}

static int station_revoke(struct store *store, const char *name, struct err *err)
{
    struct db *db = db_of(store);
    int code =
        db_run(db, err, "UPDATE station SET revoked_at=?2 WHERE name=?1 AND revoked_at IS NULL",
               "si", name, clock_wall_ms(db->clock));
    if (code == ERR_OK && db_changes(db) == 0)
        return err_set(err, ERR_NOT_FOUND,
                       "no active station %s: `touyan-county station list` names them", name);
    if (code == ERR_OK)
        code = store_enrol_revoke(db, name, err);
    return code != ERR_OK ? code : audit(db, "station.revoke", name, err);
}

static int station_grant(struct store *store, const char *name, const char *scope, bool granted,
                         struct err *err)
{
    struct db *db = db_of(store);
    const char *sql = granted
                          ? "INSERT INTO granted(scope,sees,at) SELECT scope,?2,?3 FROM station "
                            "WHERE name=?1 ON CONFLICT DO UPDATE SET at=excluded.at,revoked_at=NULL"
                          : "UPDATE granted SET revoked_at=?3 WHERE revoked_at IS NULL AND sees=?2 "
                            "AND scope=(SELECT scope FROM station WHERE name=?1)";
    int code = db_run(db, err, sql, "ssi", name, scope, clock_wall_ms(db->clock));
    if (code == ERR_OK && db_changes(db) == 0)
        return err_set(err, ERR_NOT_FOUND, "no station %s, or it was not granted %s", name, scope);
    return code != ERR_OK ? code
                          : audit(db, granted ? "station.grant" : "station.ungrant", name, err);
}

static int station_list(struct store *store, struct buf *ret_json, struct err *err)
{
    return db_text(db_of(store), ret_json, err,
                   "SELECT json_group_array(json_object('name',name,'scope',scope,'added',added_at,"
                   "'revoked',revoked_at,'seen',(SELECT max(seen) FROM incarnation i WHERE "
                   "i.scope=station.scope),'incarnations',(SELECT count(*) FROM incarnation i "
                   "WHERE i.scope=station.scope AND i.last_lseq>0))) FROM (SELECT * FROM station "
                   "ORDER BY name) AS station",
                   "");
}

static int station_by_token(struct store *store, const char *token_hash, struct store_station *ret,
                            struct err *err)
{
    struct db *db = db_of(store);
    struct db_query *q =
        db_query(db, err,
                 "SELECT name,scope FROM station WHERE token_hash=?1 AND revoked_at IS "
                 "NULL",
                 "s", token_hash);
    int rc = q != NULL ? db_step(q, err) : -1;
    if (rc < 0)
        return err != NULL ? err->code : ERR_IO;
    if (rc == 0)
        return err_set(err, ERR_NOT_FOUND, "no station has this token");
    text_copy(ret->name, sizeof ret->name, db_column_text(q, 0));
    text_copy(ret->scope, sizeof ret->scope, db_column_text(q, 1));
    db_reset(q);
    return ERR_OK;
}

static int store_health(struct store *store, struct err *err)
{
    struct db *db = db_of(store);
    int code = db_run(db, err, "BEGIN IMMEDIATE", "");
    if (code == ERR_OK)
        code = db_run(db, err, "UPDATE ctr SET v=v", "");
    db_run(db, NULL, "ROLLBACK", "");
    return code;
}

static const struct store_ops OPS = {
    .close = store_close,
    .station_add = station_add,
    .station_revoke = station_revoke,
    .station_list = station_list,
    .station_by_token = station_by_token,
    .sync = store_sync,
    .giveback = store_giveback,
    .digest = store_digest,
    .boot = store_boot,
    .tidy = store_tidy,
    .station_grant = station_grant,
    .quarantine_release = store_quarantine_release,
    .health = store_health,
    .import_begin = store_import_begin,
    .import_rows = store_import_rows,
    .import_prune = store_import_prune,
    .import_check = store_import_check,
    .import_end = store_import_end,
    .show = store_show,
};

int store_open(const struct store_options *options, struct store **ret, struct err *err)
{
    struct db *db = calloc(1, sizeof *db);
    if (db == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    db->store.ops = &OPS;
    db->clock = options->clock;
    db->rnd = options->rnd;
    db->seal = options->seal;
    db->without = options->without;
    int code = db_open_sqlite(options->path, db->seal, &db->link, err);
    if (code == ERR_OK)
        code = check_version(db, options->path, err);
    if (code == ERR_OK)
        code = make_tables_once(db, err);
    if (code == ERR_OK)
        code = make_scratch(db, err);
    if (code == ERR_OK)
        code = epoch_take(db, options->new_epoch, err);
    if (code == ERR_OK)
        *ret = &db->store;
    else
        store_close(&db->store);
    return code;
}
