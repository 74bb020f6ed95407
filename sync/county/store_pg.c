/* PostgreSQL: many counties in one database. The tables are in the schema touyan and all have a
 * column `county` in front of their keys; each county has a schema touyan_<county> of views that
 * show its rows alone, and the store works through these: its SQL knows no counties.
 *
 * Several processes may start at once: making the tables is guarded by an advisory lock, and
 * touyan.made remembers for each county by which DDL it was made, so that all later starts look
 * once and go on. */
#include <stdio.h>

#include "sync/county/store_parts.h"

static const char BASE[] =
    "SELECT pg_advisory_xact_lock(8390876);"
    "CREATE SCHEMA IF NOT EXISTS touyan;"
    "CREATE TABLE IF NOT EXISTS touyan.made(county text PRIMARY KEY,version bigint NOT NULL,ddl "
    "text NOT NULL);"
    "CREATE OR REPLACE FUNCTION touyan.iif(boolean,anycompatible,anycompatible) RETURNS "
    "anycompatible LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT CASE WHEN $1 THEN $2 ELSE $3 "
    "END $f$;"
    /* a whole number of 64 bits as JSON writes it; NULL for anything else */
    "CREATE OR REPLACE FUNCTION touyan.int_of(text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL "
    "SAFE AS $f$ SELECT CASE WHEN $1 ~ '^-?[0-9]{1,18}$' THEN $1::bigint WHEN $1 ~ '^-?[0-9]{19}$' "
    "THEN CASE WHEN $1::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN "
    "$1::bigint END END $f$;"
    /* what slice.h puts in the place of U+0000 and of what is no UTF-8 */
    "CREATE OR REPLACE FUNCTION touyan.has_nul_escape(text) RETURNS boolean LANGUAGE sql IMMUTABLE "
    "PARALLEL SAFE AS $f$ SELECT strpos($1,'\\ufdd0')>0 $f$;"
    "CREATE OR REPLACE FUNCTION touyan.text_ok(text) RETURNS boolean LANGUAGE sql IMMUTABLE "
    "PARALLEL SAFE AS $f$ SELECT $1 IS NULL OR (octet_length($1)<=16384 AND "
    "strpos($1,U&'\\FDD0')=0 "
    "AND strpos($1,U&'\\FDD1')=0) $f$;"
    "CREATE OR REPLACE FUNCTION touyan.json_without(json,text) RETURNS json LANGUAGE sql IMMUTABLE "
    "AS $f$ SELECT coalesce(json_object_agg(key,value),'{}') FROM json_each($1) WHERE key<>$2 $f$;"
    "CREATE OR REPLACE FUNCTION touyan.json_with(json,json) RETURNS json LANGUAGE sql IMMUTABLE AS "
    "$f$ SELECT json_object_agg(key,value) FROM (SELECT key,value FROM json_each($1) WHERE key NOT "
    "IN(SELECT json_object_keys($2)) UNION ALL SELECT key,value FROM json_each($2)) AS o $f$;"
    "CREATE OR REPLACE FUNCTION touyan.json_try(text) RETURNS json LANGUAGE plpgsql IMMUTABLE AS "
    "$f$ BEGIN PERFORM $1::json->>'id'; RETURN $1::json; EXCEPTION WHEN OTHERS THEN RETURN NULL; "
    "END $f$;";

/* Citus: distribute every table of the schema touyan but `made` by its column county, as
 *   SELECT create_distributed_table('touyan.feed', 'county');
 * before the first county is used: all that one transaction touches is then on one node. */
static const char VIEWS[] =
    "DO $do$ DECLARE r record; c text:=current_setting('touyan.county'); BEGIN "
    "EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I','touyan_'||c);"
    "FOR r IN SELECT relname AS t FROM pg_class WHERE relnamespace='touyan'::regnamespace AND "
    "relkind IN('r','p') AND relname<>'made' LOOP "
    "EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS SELECT * FROM touyan.%I WHERE county=%L',"
    "'touyan_'||c,r.t,r.t,c);"
    "EXECUTE format('ALTER VIEW %I.%I ALTER COLUMN county SET DEFAULT %L','touyan_'||c,r.t,c);"
    "END LOOP; END $do$";

int store_pg_version(struct db *db, int64_t *ret, struct err *err)
{
    int64_t there = 0;
    *ret = 0;
    int code = db_int(db, &there, err, "SELECT to_regclass('touyan.made') IS NOT NULL", "");
    if (code == ERR_OK && there != 0)
        code = db_int(db, ret, err, "SELECT coalesce(max(version),0) FROM touyan.made", "");
    return code;
}

static int is_made(struct db *db, const char *ddl, int64_t *ret, struct err *err)
{
    return db_int(db, ret, err,
                  "SELECT count(*) FROM touyan.made WHERE county=current_setting('touyan.county') "
                  "AND ddl=?1",
                  "s", ddl);
}

static int make_all(struct db *db, int64_t version, const char *ddl,
                    int (*make)(struct db *db, struct err *err), struct err *err)
{
    int code = db_script(db, BASE, err);
    if (code == ERR_OK)
        code = make(db, err);
    if (code == ERR_OK)
        code = db_script(db, VIEWS, err);
    if (code == ERR_OK)
        code = db_run(db, err,
                      "INSERT INTO touyan.made(county,version,ddl) VALUES(current_setting("
                      "'touyan.county'),?1,?2) ON CONFLICT(county) DO UPDATE SET version="
                      "excluded.version,ddl=excluded.ddl",
                      "is", version, ddl);
    return code;
}

int store_pg_make(struct db *db, int64_t version, uint64_t fingerprint,
                  int (*make)(struct db *db, struct err *err), struct err *err)
{
    int64_t made = 0;
    char ddl[24];
    snprintf(ddl, sizeof ddl, "%016llx", (unsigned long long)fingerprint);
    int code = store_pg_version(db, &made, err);
    if (code == ERR_OK && made != 0)
        code = is_made(db, ddl, &made, err);
    if (code != ERR_OK || made != 0)
        return code;
    code = db_begin(db, false, err);
    if (code != ERR_OK)
        return code;
    code = make_all(db, version, ddl, make, err);
    return db_end(db, code, err);
}

void store_pg_look(struct db *db)
{
    enum { FIRST = 1000, FACTOR = 8 };
    char sql[128];
    if (db->link->driver->engine != DB_POSTGRESQL)
        return;
    if (db->look_at == 0)
        db->look_at = FIRST;
    if (db->merged < db->look_at)
        return;
    db->look_at = db->merged * FACTOR;
    db_script(db, "ANALYZE touyan.feed", NULL);
    for (int i = 0; i < db->table_count; i++)
        if (db->tables[i].made) {
            snprintf(sql, sizeof sql, "ANALYZE touyan.\"%s\"", db->tables[i].table->name);
            db_script(db, sql, NULL);
        }
}
