/* See revoked.h. The file is replaced as a whole and only when there is something new, so a crash
 * leaves no half line; what another process added at the same moment is in the database, and the
 * next start adds it again. The threads of one process take turns. */
#include "sync/county/revoked.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/file.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/county/store_enrol.h"

enum { LINE_BYTES = 512, WORD_BYTES = 2 * LIMIT_ENROL_SERIAL_BYTES };

static pthread_mutex_t one_writer = PTHREAD_MUTEX_INITIALIZER;

static const struct kind {
    const char *name;
    int words; /* the last one is the station */
} KINDS[STORE_REVOKED_KINDS] = {{"station", 1}, {"certificate", 3}, {"code", 2}, {"serial", 2}};

struct line {
    struct store_revoked revoked;
    char at[24], kind[16], words[3][WORD_BYTES + 1];
};

/* A serial number may be any text. */
static bool unpack_serial(char text[WORD_BYTES + 1])
{
    uint8_t bytes[LIMIT_ENROL_SERIAL_BYTES];
    int size = text_from_hex(text, strlen(text), bytes, sizeof bytes);
    if (size <= 0)
        return false;
    snprintf(text, WORD_BYTES + 1, "%.*s", size, (const char *)bytes);
    return true;
}

static bool parse(const char *text, struct line *ret)
{
    *ret = (struct line){0};
    struct store_revoked *it = &ret->revoked;
    int words = sscanf(text, "%20[0-9] %15[a-z] %128[!-~] %128[!-~] %128[!-~]", ret->at, ret->kind,
                       ret->words[0], ret->words[1], ret->words[2]) -
                2;
    while (it->kind < STORE_REVOKED_KINDS && strcmp(KINDS[it->kind].name, ret->kind) != 0)
        it->kind++;
    if (it->kind == STORE_REVOKED_KINDS || words != KINDS[it->kind].words ||
        !text_to_int64(ret->at, 0, INT64_MAX, &it->at_ms))
        return false;
    it->key = words > 1 ? ret->words[0] : NULL;
    it->serial = words > 2 ? ret->words[1] : NULL;
    it->name = ret->words[words - 1];
    return it->kind != STORE_USED_SERIAL || unpack_serial(ret->words[0]);
}

static int apply(const char *text, struct store *store, struct err *err)
{
    struct line line;
    char one[LINE_BYTES];
    int code = ERR_OK;
    for (const char *at = text, *end; code == ERR_OK && *at != '\0';
         at = *end != '\0' ? end + 1 : end) {
        end = at + strcspn(at, "\n");
        bool is_new = false;
        snprintf(one, sizeof one, "%.*s", (int)(end - at), at);
        if (end - at >= LINE_BYTES || !parse(one, &line)) {
            log_error("county.revoked_line", "not understood: %.80s", one);
            continue;
        }
        code = store_revoke_again(store, &line.revoked, &is_new, err);
        if (is_new)
            log_warn("county.revoked_again", "%s", one);
    }
    return code;
}

static void add_line(void *ctx, const struct store_revoked *line)
{
    struct buf *text = ctx;
    char one[LINE_BYTES], hex[WORD_BYTES + 1];
    const char *key = line->key;
    if (line->kind == STORE_USED_SERIAL && strlen(key) <= LIMIT_ENROL_SERIAL_BYTES) {
        text_to_hex(key, strlen(key), hex);
        key = hex;
    }
    int size = snprintf(one, sizeof one, "%" PRId64 " %s %s%s%s%s%s\n", line->at_ms,
                        KINDS[line->kind].name, key != NULL ? key : "", key != NULL ? " " : "",
                        line->serial != NULL ? line->serial : "", line->serial != NULL ? " " : "",
                        line->name);
    const char *there = strstr(buf_text(text), one);
    bool whole = there != NULL && (there == buf_text(text) || there[-1] == '\n');
    if (size > 0 && (size_t)size < sizeof one && !whole)
        buf_add_text(text, one);
}

static int keep(const char *path, struct store *store, bool again, struct err *err)
{
    struct buf text;
    buf_init(&text, LIMIT_REVOKED_FILE_BYTES);
    int code = file_read(path, &text, err);
    if (code == ERR_NOT_FOUND)
        code = ERR_OK;
    if (code == ERR_OK && again)
        code = apply(buf_text(&text), store, err);
    size_t before = text.size;
    if (code == ERR_OK)
        code = store_revoked_list(store, add_line, &text, err);
    if (code == ERR_OK && text.failed)
        code = err_set(err, ERR_LIMIT, "%s: over %d bytes", path, LIMIT_REVOKED_FILE_BYTES);
    if (code == ERR_OK && text.size > before)
        code = file_replace(path, buf_text(&text), text.size, 0600, err);
    buf_free(&text);
    return code;
}

static int keep_alone(const char *path, struct store *store, bool again, struct err *err)
{
    pthread_mutex_lock(&one_writer);
    int code = keep(path, store, again, err);
    pthread_mutex_unlock(&one_writer);
    return code;
}

int revoked_keep(const char *path, struct store *store, struct err *err)
{
    return keep_alone(path, store, true, err);
}

int revoked_add(const char *path, struct store *store, struct err *err)
{
    return keep_alone(path, store, false, err);
}
