/* Taking a reply apart; see page.h.
 *
 * Happy path: walk the members of the outer object, note where the value of "pull" lies, walk its
 * groups and note where each row begins and ends; then parse what is left (the envelope) strictly.
 * The walk only matches brackets outside strings: a row that is broken inside its brackets is found
 * by the database engine, alone. A reply whose frame is broken is refused as a whole. */
#include "sync/page.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/text.h"
#include "sync/protocol.h"

enum { PAGE_GROUPS = PROTOCOL_PAGE_ROWS };

/* What is still to be read. */
struct cursor {
    const char *at;
    const char *end;
};

struct span {
    const char *text;
    size_t size;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* After the opening quote; to behind the closing one. */
static bool skip_string(struct cursor *c)
{
    while (c->at < c->end) {
        char ch = *c->at++;
        if (ch == '"')
            return true;
        if (ch == '\\' && c->at < c->end)
            c->at++;
    }
    return false;
}

/* A value that begins with a bracket. */
static bool skip_brackets(struct cursor *c)
{
    int depth = 0;
    while (c->at < c->end) {
        char ch = *c->at++;
        if (ch == '"') {
            if (!skip_string(c))
                return false;
        } else if (ch == '{' || ch == '[') {
            depth++;
        } else if ((ch == '}' || ch == ']') && --depth == 0) {
            return true;
        }
    }
    return false;
}

static bool take_value(struct cursor *c, struct span *ret)
{
    skip_space(c);
    const char *from = c->at;
    bool ok = true;
    if (from < c->end && (*from == '{' || *from == '[')) {
        ok = skip_brackets(c);
    } else if (from < c->end && *from == '"') {
        c->at++;
        ok = skip_string(c);
    } else {
        while (c->at < c->end && strchr(",]} \n\r\t", *c->at) == NULL)
            c->at++;
    }
    *ret = (struct span){from, (size_t)(c->at - from)};
    return ok && ret->size > 0;
}

/* A string, its quotes left away; escapes stay as they are. */
static bool take_string(struct cursor *c, struct span *ret)
{
    if (!take(c, '"'))
        return false;
    const char *from = c->at;
    if (!skip_string(c))
        return false;
    *ret = (struct span){from, (size_t)(c->at - from) - 1};
    return true;
}

static bool span_is(const struct span *span, const char *text)
{
    return span->size == strlen(text) && memcmp(span->text, text, span->size) == 0;
}

/* The next member of an object; false at its end or when it is broken (*ret_ok says which). */
static bool next_member(struct cursor *c, bool first, struct span *ret_key, struct span *ret_value,
                        bool *ret_ok)
{
    *ret_ok = true;
    if (take(c, '}'))
        return false;
    *ret_ok = (first || take(c, ',')) && take_string(c, ret_key) && take(c, ':') &&
              take_value(c, ret_value);
    return *ret_ok;
}

/* Steps over one escape; false when it stands for no character. */
static bool step_escape(const char **at, const char *end)
{
    int unit = text_escaped_unit(*at, end);
    if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return false;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        int low = text_escaped_unit(*at + 6, end);
        if (low < 0xdc00 || low > 0xdfff)
            return false;
        *at += 12;
        return true;
    }
    *at += unit > 0 ? 6 : 2;
    return true;
}

bool page_text_is_clean(const char *json, size_t size)
{
    if (!text_utf8_valid(json, size))
        return false;
    const char *end = json + size;
    const char *at = json;
    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL)
        if (!step_escape(&at, end) || at > end)
            return false;
    return true;
}

static int broken(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "the county's reply is broken: %s", what);
}

/* Doubles a list when it is full. */
static bool make_room(void **list, size_t count, size_t item_size)
{
    if (count != 0 && (count < 16 || (count & (count - 1)) != 0))
        return true;
    void *more = realloc(*list, (count == 0 ? 16 : 2 * count) * item_size);
    if (more == NULL)
        return false;
    *list = more;
    return true;
}

static int add_row(struct page *page, const struct span *span, struct err *err)
{
    if (page->row_count >= PROTOCOL_PAGE_ROWS)
        return err_set(err, ERR_LIMIT, "the county's reply has more than %d rows",
                       PROTOCOL_PAGE_ROWS);
    if (!make_room((void **)&page->rows, page->row_count, sizeof *page->rows))
        return err_set(err, ERR_NOMEM, "page");
    page->rows[page->row_count++] = (struct page_row){
        .text = span->text,
        .size = span->size,
        .group = page->group_count - 1,
        .bad_text = !page_text_is_clean(span->text, span->size),
    };
    return ERR_OK;
}

static int add_group(struct page *page, const struct span *name, const struct span *scope,
                     struct err *err)
{
    if (page->group_count >= PAGE_GROUPS)
        return err_set(err, ERR_LIMIT, "the county's reply has more than %d groups", PAGE_GROUPS);
    if (!make_room((void **)&page->groups, page->group_count, sizeof *page->groups))
        return err_set(err, ERR_NOMEM, "page");
    struct page_group *group = &page->groups[page->group_count];
    if (!text_copy_utf8(group->name, sizeof group->name, name->text, name->size) ||
        !text_copy_utf8(group->scope, sizeof group->scope, scope->text, scope->size))
        return broken(err, "the name of a table or scope is too long");
    group->table = table_by_name(group->name);
    page->group_count++;
    return ERR_OK;
}

static int read_rows(struct page *page, const struct span *rows, struct err *err)
{
    struct cursor c = {rows->text, rows->text + rows->size};
    if (!take(&c, '['))
        return broken(err, "\"r\" is no array");
    for (bool first = true; !take(&c, ']'); first = false) {
        struct span row;
        if ((!first && !take(&c, ',')) || !take_value(&c, &row))
            return broken(err, "rows are not separated");
        int code = add_row(page, &row, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static bool unquote(struct span *span)
{
    if (span->size < 2 || span->text[0] != '"')
        return false;
    span->text++;
    span->size -= 2;
    return true;
}

static int read_group(struct page *page, struct cursor *c, struct err *err)
{
    struct span key;
    struct span value;
    struct span name = {0};
    struct span scope = {0};
    struct span rows = {0};
    bool ok = take(c, '{');
    for (bool first = true; ok && next_member(c, first, &key, &value, &ok); first = false) {
        if (span_is(&key, "t"))
            name = value;
        else if (span_is(&key, "s"))
            scope = value;
        else if (span_is(&key, "r"))
            rows = value;
    }
    if (!ok || !unquote(&name) || !unquote(&scope) || rows.size == 0)
        return broken(err, "a group of rows lacks t, s or r");
    int code = add_group(page, &name, &scope, err);
    return code == ERR_OK ? read_rows(page, &rows, err) : code;
}

static int read_pull(struct page *page, const struct span *pull, struct err *err)
{
    struct cursor c = {pull->text, pull->text + pull->size};
    if (!take(&c, '['))
        return broken(err, "\"pull\" is no array");
    for (bool first = true; !take(&c, ']'); first = false) {
        if (!first && !take(&c, ','))
            return broken(err, "groups are not separated");
        int code = read_group(page, &c, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

/* The reply with "[]" in the place of the rows. */
static int read_envelope(struct page *page, const struct span *pull, struct err *err)
{
    struct buf text;
    buf_init(&text, LIMIT_JSON_BYTES);
    buf_add(&text, page->text, (size_t)(pull->text - page->text));
    buf_add_text(&text, "[]");
    const char *rest = pull->text + pull->size;
    buf_add(&text, rest, (size_t)(page->text + page->size - rest));
    int code = text.failed ? err_set(err, ERR_LIMIT, "the county's reply is too long")
                           : json_parse(buf_text(&text), text.size, &page->envelope, err);
    buf_free(&text);
    return code == ERR_OK ? ERR_OK : err_wrap(err, "the county's reply");
}

static int find_pull(struct page *page, struct span *ret, struct err *err)
{
    struct cursor c = {page->text, page->text + page->size};
    struct span key;
    struct span value;
    bool found = false;
    bool ok = take(&c, '{');
    for (bool first = true; ok && next_member(&c, first, &key, &value, &ok); first = false) {
        if (!span_is(&key, "pull"))
            continue;
        if (found)
            return broken(err, "\"pull\" occurs twice");
        *ret = value;
        found = true;
    }
    if (!ok)
        return broken(err, "it is no JSON object");
    return found ? ERR_OK : broken(err, "\"pull\" is missing");
}

int page_read(struct page *ret, const char *text, size_t size, struct err *err)
{
    struct page page = {.text = malloc(size + 1), .size = size};
    if (page.text == NULL)
        return err_set(err, ERR_NOMEM, "page");
    memcpy(page.text, text, size);
    page.text[size] = '\0';
    struct span pull = {0};
    int code = find_pull(&page, &pull, err);
    if (code == ERR_OK)
        code = read_envelope(&page, &pull, err);
    if (code == ERR_OK)
        code = read_pull(&page, &pull, err);
    if (code != ERR_OK)
        page_free(&page);
    else
        *ret = page;
    return code;
}

void page_free(struct page *page)
{
    free(page->text);
    free(page->groups);
    free(page->rows);
    json_free(page->envelope);
    *page = (struct page){0};
}
