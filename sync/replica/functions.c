/* The SQL functions of replica.h. They are ours alone: a write to a replicated table from another
 * program's shell fails, because its triggers call sync_local() (a silent change that never reaches
 * the county would be worse). */
#include "sync/replica/internal.h"
#include "sync/replica/jrows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "gateway/base/text.h"

static struct replica *self_of(sqlite3_context *ctx)
{
    return sqlite3_user_data(ctx);
}

static void seal_value(sqlite3_context *ctx, sqlite3_value *value, bool fixed)
{
    struct replica *self = self_of(ctx);
    const char *text = (const char *)sqlite3_value_text(value);
    if (text == NULL)
        return;
    if (self->seal == NULL) {
        sqlite3_result_error(ctx, "no sealing key is loaded", -1);
        return;
    }
    size_t size = (size_t)sqlite3_value_bytes(value);
    char *sealed = sqlite3_malloc64(seal_size(size));
    if (sealed == NULL) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    seal_text(self->seal, text, size, fixed, sealed);
    sqlite3_result_text(ctx, sealed, -1, sqlite3_free);
}

static void fn_seal_phone(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    seal_value(ctx, argv[0], true);
}

static void fn_seal(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    seal_value(ctx, argv[0], false);
}

static void fn_unseal(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct replica *self = self_of(ctx);
    const char *sealed = (const char *)sqlite3_value_text(argv[0]);
    if (sealed == NULL || self->seal == NULL)
        return;
    size_t size = strlen(sealed) / 2 + 1;
    char *text = sqlite3_malloc64(size);
    if (text == NULL)
        sqlite3_result_error_nomem(ctx);
    else if (seal_open_text(self->seal, sealed, text, size))
        sqlite3_result_text(ctx, text, -1, sqlite3_free);
    else
        sqlite3_free(text);
}

/* Of a sealed number, which is the same for the same number. NULL without a key. */
static void fn_phone_hash(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct replica *self = self_of(ctx);
    const char *sealed = (const char *)sqlite3_value_text(argv[0]);
    char hash[SEAL_HASH_DIGITS + 1];
    if (sealed == NULL || self->seal == NULL)
        return;
    seal_mark(self->seal, sealed, strlen(sealed), hash);
    sqlite3_result_text(ctx, hash, -1, SQLITE_TRANSIENT);
}

static void fn_new_id(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    char id[LIMIT_ID_BYTES + 1];
    uuid_next(&self_of(ctx)->ids, id);
    sqlite3_result_text(ctx, id, -1, SQLITE_TRANSIENT);
}

static void fn_now_ms(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int64(ctx, clock_wall_ms(self_of(ctx)->clock));
}

static void fn_boot_ms(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int64(ctx, clock_boot_ms(self_of(ctx)->clock));
}

static void fn_sync_local(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int(ctx, self_of(ctx)->applying ? 0 : 1);
}

/* stamps(hs, gm, h, bt, boot): hs, a JSON object or NULL, with "gm/boot": [h, bt, boot]
 * (marks.h). SQLite's own json_set may not be called by a trigger here. */
static void fn_stamps(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const char *text = (const char *)sqlite3_value_text(argv[0]);
    struct json *stamps = NULL;
    struct json *one = json_new_array();
    struct buf out;
    char key[48];
    if (text == NULL || json_parse(text, strlen(text), &stamps, NULL) != ERR_OK)
        stamps = json_new_object();
    for (int i = 2; i < argc; i++)
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
            json_add_text(one, NULL);
        else
            json_add_int(one, sqlite3_value_int64(argv[i]));
    snprintf(key, sizeof key, "%lld/%lld", sqlite3_value_int64(argv[1]),
             sqlite3_value_int64(argv[argc - 1]));
    json_set(stamps, key, one);
    buf_init(&out, LIMIT_JSON_BYTES);
    if (json_write(stamps, &out))
        sqlite3_result_text(ctx, buf_text(&out), -1, SQLITE_TRANSIENT);
    else
        sqlite3_result_error_nomem(ctx);
    buf_free(&out);
    json_free(stamps);
}

/* json_list(…): a JSON array of numbers, texts and nulls; NULL when a text is not UTF-8 (SQLite's
 * own json_array may not be called by a trigger either). */
static void fn_json_list(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct json *list = json_new_array();
    struct buf out;
    buf_init(&out, LIMIT_JSON_BYTES);
    bool good = true;
    for (int i = 0; i < argc; i++) {
        const char *text = (const char *)sqlite3_value_text(argv[i]);
        if (sqlite3_value_type(argv[i]) == SQLITE_INTEGER)
            json_add_int(list, sqlite3_value_int64(argv[i]));
        else
            json_add_text(list, text);
        good =
            good && (text == NULL || text_utf8_valid(text, (size_t)sqlite3_value_bytes(argv[i])));
    }
    if (good && json_write(list, &out))
        sqlite3_result_text(ctx, buf_text(&out), -1, SQLITE_TRANSIENT);
    buf_free(&out);
    json_free(list);
}

int replica_add_functions(struct replica *replica, struct err *err)
{
    static const struct {
        const char *name;
        int argc;
        int flags;
        void (*fn)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {
        /* innocuous: what triggers call (trusted_schema is off) */
        {"seal_phone", 1, SQLITE_DETERMINISTIC, fn_seal_phone},
        {"seal", 1, 0, fn_seal},
        {"unseal", 1, SQLITE_DETERMINISTIC, fn_unseal},
        {"phone_hash", 1, SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC, fn_phone_hash},
        {"new_id", 0, 0, fn_new_id},
        {"now_ms", 0, SQLITE_INNOCUOUS, fn_now_ms},
        {"boot_ms", 0, SQLITE_INNOCUOUS, fn_boot_ms},
        {"sync_local", 0, SQLITE_INNOCUOUS, fn_sync_local},
        {"json_list", -1, SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC, fn_json_list},
        {"stamps", 5, SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC, fn_stamps},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        int rc = sqlite3_create_function(replica->db, functions[i].name, functions[i].argc,
                                         SQLITE_UTF8 | functions[i].flags, replica, functions[i].fn,
                                         NULL, NULL);
        if (rc != SQLITE_OK)
            return err_set(err, ERR_NOMEM, "SQL function %s: %s", functions[i].name,
                           sqlite3_errmsg(replica->db));
    }
    if (jrows_register(replica->db) != SQLITE_OK)
        return err_set(err, ERR_NOMEM, "json_rows: %s", sqlite3_errmsg(replica->db));
    return ERR_OK;
}
