/* Opening: migrations one by one with data in them, a newer file, a damaged one, backups. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "gateway/base/log.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"
#include "sync/replica/tables.h"

struct world {
    char dir[64];
    char path[96];
    char backups[96];
    struct rnd rnd;
    struct seal *seal;
};

static struct world w;

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static int setup(void **state)
{
    (void)state;
    log_set_sink(swallow, NULL);
    w = (struct world){.rnd = rnd_seeded(1), .seal = seal_for_test()};
    snprintf(w.dir, sizeof w.dir, "/tmp/touyan-replica-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    snprintf(w.path, sizeof w.path, "%s/r.db", w.dir);
    snprintf(w.backups, sizeof w.backups, "%s/backups", w.dir);
    assert_int_equal(mkdir(w.backups, 0700), 0);
    return 0;
}

static void empty_dir(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        unlink(name);
    }
    closedir(dir);
}

static int teardown(void **state)
{
    (void)state;
    seal_close(w.seal);
    empty_dir(w.backups);
    rmdir(w.backups);
    empty_dir(w.dir);
    return rmdir(w.dir);
}

static int try_open(int migrate_to, const char *backup_dir, struct replica **ret, struct err *err)
{
    struct replica_options options = {.path = w.path,
                                      .backup_dir = backup_dir,
                                      .clock = clock_real(),
                                      .rnd = &w.rnd,
                                      .seal = w.seal,
                                      .migrate_to = migrate_to};
    return replica_open(&options, ret, err);
}

static struct replica *must_open(int migrate_to, const char *backup_dir)
{
    struct replica *replica = NULL;
    struct err err = {0};
    if (try_open(migrate_to, backup_dir, &replica, &err) != ERR_OK)
        fail_msg("%s", err.text);
    return replica;
}

static void raw_exec(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(w.path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

/* A row in every table of the older version that takes 7 and 'seven' (a CHECK may not). */
static void fill_every_table(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(w.path, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA foreign_keys=OFF", NULL, NULL, NULL);
    /* triggers call functions that this connection does not have */
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL), SQLITE_OK);
    sqlite3_stmt *list;
    sqlite3_prepare_v2(db,
                       "SELECT m.name,"
                       " (SELECT group_concat(c.name) FROM pragma_table_info(m.name) c),"
                       " (SELECT group_concat(CASE c.type WHEN 'INTEGER' THEN '7'"
                       "  WHEN 'BLOB' THEN 'x''07''' ELSE '''seven''' END)"
                       "  FROM pragma_table_info(m.name) c)"
                       " FROM sqlite_schema m WHERE m.type='table' AND m.name NOT LIKE 'sqlite%'",
                       -1, &list, NULL);
    while (sqlite3_step(list) == SQLITE_ROW) {
        char *sql = sqlite3_mprintf("INSERT OR IGNORE INTO \"%w\"(%s) VALUES (%s)",
                                    sqlite3_column_text(list, 0), sqlite3_column_text(list, 1),
                                    sqlite3_column_text(list, 2));
        char *message = NULL;
        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
            fail_msg("%s: %s", sql, message);
        sqlite3_free(sql);
    }
    sqlite3_finalize(list);
    sqlite3_close(db);
}

static int64_t count_rows(const char *table)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(w.path, &db), SQLITE_OK);
    char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\"", table);
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    sqlite3_free(sql);
    int64_t count =
        rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return count;
}

static void test_each_migration_keeps_data(void **state)
{
    (void)state;
    for (int version = 1; version < replica_schema_newest(); version++) {
        replica_close(must_open(version, NULL));
        fill_every_table();
        int64_t org = count_rows("org");
        struct replica *replica = must_open(version + 1, NULL);
        assert_int_equal(replica_schema_version(replica), version + 1);
        replica_close(replica);
        assert_int_equal(count_rows("kv"), 2);
        if (version >= 2)
            assert_int_equal(count_rows("org"), org);
        replica_close(must_open(0, NULL));
        empty_dir(w.dir);
    }
}

/* Of an event by the number of its mark, of what is edited by its state (migration 31). */
static void test_what_is_in_flight_stays_so(void **state)
{
    (void)state;
    replica_close(must_open(29, NULL));
    raw_exec("INSERT INTO sync_out(lseq,tid,pk,base,gm,h,st) VALUES (1,15,'a',0,1,1,2),(2,13,'b',0,"
             "3,1,2),(3,15,'c',0,1,1,1),(4,13,'d',0,3,1,1),(5,15,'e',0,1,1,0)");
    struct replica *replica = must_open(0, NULL);
    char marks[64] = "";
    replica_get_text(replica, marks, sizeof marks,
                     "SELECT group_concat(lseq||':'||st,' ') FROM sync_out", "");
    assert_string_equal(marks, "2:2 3:0 4:1 5:0");
    assert_int_equal(
        replica_get_int(replica, 0, "SELECT v FROM sync_state WHERE k = 'claimed'", ""), 4);
    replica_close(replica);
}

/* quick_check of SQLite 3.40 takes a column for NULL that stands in front of a part of the key of a
 * table without rowids: a good file would be put aside as damaged. */
static void test_a_filled_file_is_not_damaged(void **state)
{
    (void)state;
    replica_close(must_open(0, NULL));
    fill_every_table();
    replica_close(must_open(0, NULL));
}

static void test_newer_file_is_refused_untouched(void **state)
{
    (void)state;
    replica_close(must_open(0, NULL));
    raw_exec("PRAGMA user_version=999");
    struct replica *replica;
    struct err err = {0};
    assert_int_equal(try_open(0, w.backups, &replica, &err), ERR_NEWER);
    assert_non_null(strstr(err.text, "999"));
    assert_non_null(strstr(err.text, "newer"));
    assert_int_equal(access(w.path, F_OK), 0);
}

static void damage(void)
{
    int fd = open(w.path, O_WRONLY);
    assert_true(fd >= 0);
    char rubbish[8192];
    memset(rubbish, 0x5a, sizeof rubbish);
    assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, 0), (ssize_t)sizeof rubbish);
    close(fd);
}

static int count_files(const char *marker)
{
    int count = 0;
    DIR *dir = opendir(w.dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += strstr(e->d_name, marker) != NULL;
    closedir(dir);
    return count;
}

static void test_damaged_file_is_put_aside_and_backup_taken(void **state)
{
    (void)state;
    struct err err;
    struct replica *replica = must_open(0, w.backups);
    replica_run(replica, "INSERT INTO kv(k, v) VALUES ('kept', 41)", "");
    assert_false(replica_was_restored(replica));
    assert_int_equal(replica_backup(w.path, w.backups, 1000, 3, &err), ERR_OK);
    replica_run(replica, "UPDATE kv SET v=42 WHERE k='kept'", "");
    assert_int_equal(replica_backup(w.path, w.backups, 2000, 3, &err), ERR_OK);
    replica_close(replica);
    damage();
    replica = must_open(0, w.backups);
    assert_true(replica_was_restored(replica));
    assert_int_equal(replica_get_int(replica, 0, "SELECT v FROM kv WHERE k='kept'", ""), 42);
    assert_int_equal(count_files("corrupt"), 1);
    replica_set_restored(replica, false);
    assert_false(replica_was_restored(replica));
    replica_close(replica);
}

static void test_damaged_without_backup_starts_empty(void **state)
{
    (void)state;
    replica_close(must_open(0, w.backups));
    damage();
    struct replica *replica = must_open(0, w.backups);
    assert_true(replica_was_restored(replica));
    replica_close(replica);
}

static void test_damaged_backup_is_passed_over(void **state)
{
    (void)state;
    struct err err;
    struct replica *replica = must_open(0, w.backups);
    replica_run(replica, "INSERT INTO kv(k, v) VALUES ('kept', 41)", "");
    assert_int_equal(replica_backup(w.path, w.backups, 1000, 3, &err), ERR_OK);
    replica_close(replica);
    char newest[160];
    snprintf(newest, sizeof newest, "%s/replica-0000000009000.db", w.backups);
    FILE *file = fopen(newest, "w");
    assert_non_null(file);
    fputs("this is no database", file);
    fclose(file);
    damage();
    replica = must_open(0, w.backups);
    assert_int_equal(replica_get_int(replica, 0, "SELECT v FROM kv WHERE k='kept'", ""), 41);
    replica_close(replica);
}

static void test_old_backups_are_dropped(void **state)
{
    (void)state;
    struct err err;
    struct replica *replica = must_open(0, w.backups);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(replica_backup(w.path, w.backups, i * 1000, 2, &err), ERR_OK);
    replica_close(replica);
    char path[160];
    snprintf(path, sizeof path, "%s/replica-0000000003000.db", w.backups);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/replica-0000000005000.db", w.backups);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_unwritable_place_is_said(void **state)
{
    (void)state;
    struct replica *replica;
    struct err err = {0};
    snprintf(w.path, sizeof w.path, "%s/no/such/place.db", w.dir);
    assert_int_equal(try_open(0, w.backups, &replica, &err), ERR_IO);
    assert_non_null(strstr(err.text, "no/such/place"));
}

/* The list in tables.c and the DDL must say the same. */
static void test_tables_match_schema(void **state)
{
    (void)state;
    struct replica *replica = must_open(0, NULL);
    for (const struct table *t = tables; t->name != NULL; t++) {
        int64_t columns = 0;
        for (const struct table_column *c = t->columns; c->name != NULL; c++, columns++)
            assert_int_equal(replica_get_int(replica, -1,
                                             "SELECT (type='INTEGER') * 2 + \"notnull\" FROM "
                                             "pragma_table_info(?1) WHERE name=?2",
                                             "ss", t->name, c->name),
                             (c->type == COLUMN_INT ? 2 : 0) + (c->required ? 1 : 0));
        assert_int_equal(replica_get_int(replica, -1, "SELECT count(*) FROM pragma_table_info(?1)",
                                         "s", t->name),
                         columns + 3 + (t->direction == TABLE_BOTH));
        assert_ptr_equal(table_by_tid(t->tid), t);
        assert_ptr_equal(table_by_name(t->name), t);
    }
    replica_close(replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_migration_keeps_data, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_in_flight_stays_so, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_filled_file_is_not_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_file_is_refused_untouched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_file_is_put_aside_and_backup_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_damaged_without_backup_starts_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_backup_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_backups_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unwritable_place_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_match_schema, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
