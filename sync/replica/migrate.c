/* Ordered migrations: file N of migrations/ brings version N-1 to N, each in a transaction of its
 * own. A file of a newer program is refused untouched. */
#include "sync/replica/internal.h"

#include <stdlib.h>

#include "gateway/base/log.h"

struct migration {
    const char *name;
    const char *sql;
};

#include "migrations.inc"

enum { MIGRATION_COUNT = sizeof migrations / sizeof migrations[0] };

int replica_schema_newest(void)
{
    return MIGRATION_COUNT;
}

static int read_version(sqlite3 *db, int *ret_version, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW)
        return err_set(err, rc == SQLITE_BUSY ? ERR_BUSY : ERR_CORRUPT, "schema version: %s",
                       sqlite3_errmsg(db));
    return ERR_OK;
}

static int apply_one(sqlite3 *db, int version, struct err *err)
{
    const struct migration *migration = &migrations[version - 1];
    char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT;",
                                migration->sql, version);
    if (sql == NULL)
        return err_set(err, ERR_NOMEM, "migration %s", migration->name);
    char *message = NULL;
    int rc = sqlite3_exec(db, sql, NULL, NULL, &message);
    sqlite3_free(sql);
    if (rc != SQLITE_OK) {
        err_set(err, ERR_IO, "migration %s: %s", migration->name, message != NULL ? message : "?");
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite3_free(message);
    return rc == SQLITE_OK ? ERR_OK : ERR_IO;
}

int replica_migrate(sqlite3 *db, int to, struct err *err)
{
    int version = 0;
    int code = read_version(db, &version, err);
    if (code != ERR_OK)
        return code;
    if (version > MIGRATION_COUNT)
        return err_set(
            err, ERR_NEWER,
            "the database has schema version %d, this program knows %d at most: it was "
            "written by a newer touyan-gateway. Install that version again, or restore a "
            "backup made before the upgrade",
            version, (int)MIGRATION_COUNT);
    int last = to > 0 && to < MIGRATION_COUNT ? to : MIGRATION_COUNT;
    for (int next = version + 1; next <= last; next++) {
        code = apply_one(db, next, err);
        if (code != ERR_OK)
            return code;
        log_info("replica.migrated", "to=%d name=%s", next, migrations[next - 1].name);
    }
    return ERR_OK;
}

int replica_schema_version(struct replica *replica)
{
    int version = 0;
    read_version(replica->db, &version, NULL);
    return version;
}
