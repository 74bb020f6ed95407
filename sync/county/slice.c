/* Finding brackets in JSON that nobody has checked yet. Strings are stepped over with their
 * escapes, brackets are counted whatever their kind; no recursion, nothing behind the end is read.
 * A wrong guess in a text that is no JSON is harmless: what is cut and what is left are both
 * parsed later. */
#include "sync/county/slice.h"

#include <stdint.h>
#include <string.h>

#include "gateway/base/text.h"

struct cut {
    const char *at, *end;
    const char *copied; /* up to here is in the head */
    struct slice *slice;
    struct buf *head;
    bool too_many;
};

static void skip_space(struct cut *cut)
{
    while (cut->at < cut->end && memchr(" \t\r\n", *cut->at, 4) != NULL)
        cut->at++;
}

static bool take(struct cut *cut, char what)
{
    skip_space(cut);
    if (cut->at == cut->end || *cut->at != what)
        return false;
    cut->at++;
    return true;
}

static void skip_string(struct cut *cut)
{
    for (cut->at++; cut->at < cut->end && *cut->at != '"'; cut->at++)
        if (*cut->at == '\\' && cut->at + 1 < cut->end)
            cut->at++;
    if (cut->at < cut->end)
        cut->at++;
}

static void skip_value(struct cut *cut)
{
    int64_t depth = 0;
    skip_space(cut);
    while (cut->at < cut->end) {
        char c = *cut->at;
        if (c == '"') {
            skip_string(cut);
        } else if (depth == 0 && (c == ',' || c == ']' || c == '}')) {
            return;
        } else {
            depth += (c == '[' || c == '{') - (c == ']' || c == '}');
            cut->at++;
        }
        if (depth == 0 && (c == '"' || c == ']' || c == '}'))
            return;
    }
}

/* The name of the next member, up to its value; *ret_named: it is this one. */
static bool take_name(struct cut *cut, const char *name, bool *ret_named)
{
    skip_space(cut);
    if (cut->at == cut->end || *cut->at != '"')
        return false;
    const char *start = cut->at + 1;
    skip_string(cut);
    size_t size = strlen(name);
    *ret_named = (size_t)(cut->at - start) == size + 1 && memcmp(start, name, size) == 0;
    return take(cut, ':');
}

static void cut_rows(struct cut *cut)
{
    skip_space(cut);
    const char *start = cut->at;
    skip_value(cut);
    if (start == cut->end || *start != '[' || cut->at[-1] != ']')
        return;
    if (cut->slice->count == SLICE_PARTS_MAX) {
        cut->too_many = true;
        return;
    }
    cut->slice->rows[cut->slice->count].text = start;
    cut->slice->rows[cut->slice->count++].size = (size_t)(cut->at - start);
    buf_add(cut->head, cut->copied, (size_t)(start - cut->copied));
    buf_add_text(cut->head, "[]");
    cut->copied = cut->at;
}

static bool cut_part(struct cut *cut)
{
    bool named = false;
    if (!take(cut, '{'))
        return false;
    if (take(cut, '}'))
        return true;
    do {
        if (!take_name(cut, "r", &named))
            return false;
        if (named)
            cut_rows(cut);
        else
            skip_value(cut);
    } while (take(cut, ','));
    return take(cut, '}');
}

static bool cut_parts(struct cut *cut)
{
    if (!take(cut, '['))
        return false;
    if (take(cut, ']'))
        return true;
    do
        if (!cut_part(cut))
            return false;
    while (take(cut, ','));
    return take(cut, ']');
}

static void cut_body(struct cut *cut, const char *member)
{
    bool named = false;
    if (!take(cut, '{'))
        return;
    do {
        if (!take_name(cut, member, &named))
            return;
        if (!named)
            skip_value(cut);
        else if (!cut_parts(cut))
            return;
    } while (take(cut, ','));
}

bool slice_body(const char *body, size_t size, const char *member, struct slice *ret,
                struct buf *ret_head)
{
    struct cut cut = {
        .at = body, .end = body + size, .copied = body, .slice = ret, .head = ret_head};
    ret->count = 0;
    cut_body(&cut, member);
    buf_add(ret_head, cut.copied, (size_t)(cut.end - cut.copied));
    return !cut.too_many;
}

/* --- what no text of PostgreSQL holds --- */

/* An escape: its size; *ret_instead: what comes in its place, NULL when it may stay. */
static size_t judge_escape(const char *at, const char *end, const char **ret_instead)
{
    int unit = text_escaped_unit(at, end);
    int next = unit >= 0 ? text_escaped_unit(at + 6, end) : -1;
    if (unit < 0)
        return 2;
    if (unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000)
        return 12;
    if (unit == 0)
        *ret_instead = SLICE_NUL;
    else if (unit >= 0xd800 && unit < 0xe000)
        *ret_instead = SLICE_STRANGE;
    return 6;
}

/* The next thing that is replaced, at or after `at`; its size, and what comes in its place. */
static const char *find_strange(const char *at, const char *end, size_t *ret_size,
                                const char **ret_instead)
{
    for (size_t size; at < end; at += size) {
        uint32_t cp;
        *ret_instead = NULL;
        size = 1;
        if (*at == '\\')
            size = judge_escape(at, end, ret_instead);
        else if ((unsigned char)*at >= 0x80)
            size = text_utf8_decode(at, (size_t)(end - at), &cp);
        if (size == 0 || *at == '\0') {
            *ret_instead = SLICE_STRANGE;
            size = 1;
        }
        *ret_size = size;
        if (*ret_instead != NULL)
            return at;
    }
    return NULL;
}

bool slice_clean(const char *json, size_t size, struct buf *out)
{
    const char *end = json + size, *instead;
    size_t length;
    const char *strange = find_strange(json, end, &length, &instead);
    if (strange == NULL)
        return false;
    for (; strange != NULL; strange = find_strange(json, end, &length, &instead)) {
        buf_add(out, json, (size_t)(strange - json));
        buf_add_text(out, instead);
        json = strange + length;
    }
    buf_add(out, json, (size_t)(end - json));
    return true;
}
