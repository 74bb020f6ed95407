/* See revoked.h. The file is replaced as a whole and only when there is something new, so a crash
 * leaves no half line; what another process added at the same moment is in the database, and the
 * next start adds it again. */
#include "sync/county/revoked.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/file.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/county/store_enrol.h"

enum { LINE_BYTES = 512, WORD_BYTES = 128 };

struct line {
    struct store_revoked revoked;
    char at[24], kind[16], words[3][WORD_BYTES + 1];
};

static bool parse(const char *text, struct line *ret)
{
    *ret = (struct line){0};
    int count = sscanf(text, "%20[0-9] %15[a-z] %128[!-~] %128[!-~] %128[!-~]", ret->at, ret->kind,
                       ret->words[0], ret->words[1], ret->words[2]);
    if (count < 3 || !text_to_int64(ret->at, 0, INT64_MAX, &ret->revoked.at_ms))
        return false;
    bool cert = strcmp(ret->kind, "certificate") == 0;
    if (cert) {
        ret->revoked.print = ret->words[0];
        ret->revoked.serial = ret->words[1];
    }
    ret->revoked.name = ret->words[cert ? 2 : 0];
    return count == (cert ? 5 : 3) && (cert || strcmp(ret->kind, "station") == 0);
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
    char one[LINE_BYTES];
    int size = line->print != NULL
                   ? snprintf(one, sizeof one, "%" PRId64 " certificate %s %s %s\n", line->at_ms,
                              line->print, line->serial, line->name)
                   : snprintf(one, sizeof one, "%" PRId64 " station %s\n", line->at_ms, line->name);
    const char *there = strstr(buf_text(text), one);
    bool whole = there != NULL && (there == buf_text(text) || there[-1] == '\n');
    if (size > 0 && (size_t)size < sizeof one && !whole)
        buf_add_text(text, one);
}

int revoked_keep(const char *path, struct store *store, struct err *err)
{
    struct buf text;
    buf_init(&text, LIMIT_REVOKED_FILE_BYTES);
    int code = file_read(path, &text, err);
    if (code == ERR_NOT_FOUND)
        code = ERR_OK;
    if (code == ERR_OK)
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
