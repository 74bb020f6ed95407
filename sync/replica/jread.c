/* See jread.h. Of each element it is noted where the wanted members lie and of which kind they are;
 * a text is unescaped only when it is asked for. Members come in the same order row after row, so
 * the one after the last is tried first. The grammar is checked whole (RFC 8259), nested values
 * included, without recursion. */
#include "sync/replica/jread.h"

#include <string.h>

#include "gateway/base/text.h"

enum { DEPTH_MAX = 1000 }; /* of what is nested in a member */

/* --- reading JSON --- */

static void skip_space(struct jread *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

static bool take(struct jread *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

/* Behind the backslash. */
static bool skip_escape(struct jread *c)
{
    char ch = c->at < c->end ? *c->at++ : '\0';
    if (ch != 'u')
        return ch != '\0' && strchr("\"\\/bfnrt", ch) != NULL;
    int unit = text_escaped_unit(c->at - 2, c->end);
    c->nul = c->nul || unit == 0;
    c->at += 4;
    return unit >= 0;
}

/* Behind the opening quote. */
static bool read_string(struct jread *c, struct jread_member *ret)
{
    *ret = (struct jread_member){.kind = JREAD_TEXT, .at = c->at};
    while (c->at < c->end) {
        unsigned char ch = (unsigned char)*c->at++;
        if (ch == '"') {
            ret->size = (size_t)(c->at - ret->at) - 1;
            return true;
        }
        if (ch < ' ')
            return false;
        if (ch == '\\') {
            ret->escaped = true;
            if (!skip_escape(c))
                return false;
        }
    }
    return false;
}

static bool skip_digits(struct jread *c)
{
    const char *from = c->at;
    while (c->at < c->end && is_digit(*c->at))
        c->at++;
    return c->at > from;
}

static bool skip_fraction(struct jread *c, bool *integer)
{
    if (c->at < c->end && *c->at == '.') {
        *integer = false;
        c->at++;
        if (!skip_digits(c))
            return false;
    }
    if (c->at == c->end || (*c->at != 'e' && *c->at != 'E'))
        return true;
    *integer = false;
    c->at++;
    if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
        c->at++;
    return skip_digits(c);
}

/* Behind its first character. */
static bool read_number(struct jread *c, struct jread_member *ret)
{
    const char *from = c->at - 1;
    const char *digits = *from == '-' ? c->at : from;
    bool integer = true;
    c->at = digits;
    if (!skip_digits(c) || (*digits == '0' && c->at > digits + 1) || !skip_fraction(c, &integer))
        return false;
    *ret = (struct jread_member){integer ? JREAD_INTEGER : JREAD_OTHER, false, from,
                                 (size_t)(c->at - from)};
    return true;
}

static bool read_word(struct jread *c, const char *word, enum jread_kind kind,
                      struct jread_member *ret)
{
    size_t size = strlen(word);
    if ((size_t)(c->end - c->at) + 1 < size || memcmp(c->at - 1, word, size) != 0)
        return false;
    c->at += size - 1;
    *ret = (struct jread_member){.kind = kind};
    return true;
}

/* A value that is neither object nor array. */
static bool read_scalar(struct jread *c, struct jread_member *ret)
{
    skip_space(c);
    if (c->at == c->end)
        return false;
    char ch = *c->at++;
    switch (ch) {
    case '"':
        return read_string(c, ret);
    case 'n':
        return read_word(c, "null", JREAD_NULL, ret);
    case 't':
        return read_word(c, "true", JREAD_OTHER, ret);
    case 'f':
        return read_word(c, "false", JREAD_OTHER, ret);
    default:
        return (ch == '-' || is_digit(ch)) && read_number(c, ret);
    }
}

static bool opens(const struct jread *c)
{
    return c->at < c->end && (*c->at == '{' || *c->at == '[');
}

static bool read_key(struct jread *c)
{
    struct jread_member key;
    return take(c, '"') && read_string(c, &key) && take(c, ':');
}

static char closer(char open)
{
    return open == '{' ? '}' : ']';
}

/* At a bracket: into what it opens. False: broken, or too deep. *ret_value: a value must follow. */
static bool open_nested(struct jread *c, char *open, int *depth, bool *ret_value)
{
    if (*depth == DEPTH_MAX)
        return false;
    char bracket = *c->at++;
    *ret_value = !take(c, closer(bracket));
    if (*ret_value)
        open[(*depth)++] = bracket;
    return !*ret_value || bracket == '[' || read_key(c);
}

/* Behind a value within brackets. */
static bool go_on_nested(struct jread *c, const char *open, int *depth, bool *ret_value)
{
    char bracket = open[*depth - 1];
    *ret_value = !take(c, closer(bracket));
    if (!*ret_value) {
        (*depth)--;
        return true;
    }
    return take(c, ',') && (bracket == '[' || read_key(c));
}

/* An object or an array. */
static bool skip_nested(struct jread *c)
{
    char open[DEPTH_MAX];
    struct jread_member scalar;
    int depth = 0;
    bool value = true;
    do {
        bool ok;
        skip_space(c);
        if (!value)
            ok = go_on_nested(c, open, &depth, &value);
        else if (opens(c))
            ok = open_nested(c, open, &depth, &value);
        else if ((ok = read_scalar(c, &scalar)))
            value = false;
        if (!ok)
            return false;
    } while (depth > 0);
    return true;
}

static bool read_value(struct jread *c, struct jread_member *ret)
{
    skip_space(c);
    if (!opens(c))
        return read_scalar(c, ret);
    *ret = (struct jread_member){.kind = JREAD_OTHER};
    return skip_nested(c);
}

/* --- a row --- */

static int find_wanted(struct jread *c, const struct jread_member *key)
{
    for (int i = 0; !key->escaped && i < c->wanted_count; i++) {
        int at =
            c->expected + i < c->wanted_count ? c->expected + i : c->expected + i - c->wanted_count;
        if (c->wanted[at].size == key->size && memcmp(c->wanted[at].at, key->at, key->size) == 0) {
            c->expected = at + 1 < c->wanted_count ? at + 1 : 0;
            return at;
        }
    }
    return -1;
}

static bool read_member(struct jread *c)
{
    struct jread_member key, value;
    if (!take(c, '"') || !read_string(c, &key) || !take(c, ':') || !read_value(c, &value))
        return false;
    int at = find_wanted(c, &key);
    if (at >= 0 && c->members[at].kind == JREAD_ABSENT) {
        c->members[at] = value;
        c->lack--;
    }
    return true;
}

static bool read_object(struct jread *c)
{
    c->at++;
    if (take(c, '}'))
        return true;
    do {
        if (!read_member(c))
            return false;
    } while (take(c, ','));
    return take(c, '}');
}

static bool read_row(struct jread *c)
{
    struct jread_member value;
    memset(c->members, 0, sizeof c->members[0] * (size_t)c->wanted_count);
    c->lack = c->wanted_count;
    c->nul = false;
    skip_space(c);
    c->row = c->at;
    c->object = c->at < c->end && *c->at == '{';
    bool ok = c->object ? read_object(c) : read_value(c, &value);
    c->row_size = (size_t)(c->at - c->row);
    return ok;
}

/* --- values --- */

static size_t put_utf8(int code, char *ret)
{
    if (code < 0x80) {
        ret[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        ret[i] = (char)(0x80 | (code & 0x3f));
    ret[0] = (char)((size == 2 ? 0xc0 : size == 3 ? 0xe0 : 0xf0) | code);
    return size;
}

/* At the digits of a \uXXXX; a pair of surrogates is one character. */
static size_t put_unit(const char **at, const char *end, char *ret)
{
    int code = text_escaped_unit(*at - 2, end);
    *at += 4;
    if (code >= 0xd800 && code < 0xdc00) {
        int low = text_escaped_unit(*at, end);
        if (low >= 0xdc00 && low < 0xe000) {
            *at += 6;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return put_utf8(code, ret);
}

size_t jread_text(const struct jread_member *member, char *ret)
{
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    const char *at = member->at, *end = member->at + member->size;
    size_t size = 0;
    while (at < end) {
        char ch = *at++;
        if (ch != '\\')
            ret[size++] = ch;
        else if (*at++ == 'u')
            size += put_unit(&at, end, ret + size);
        else
            ret[size++] = TO[strchr(FROM, at[-1]) - FROM];
    }
    return size;
}

static bool add_digit(uint64_t *value, char digit, uint64_t max)
{
    uint64_t d = (uint64_t)(digit - '0');
    if (*value > (max - d) / 10)
        return false;
    *value = *value * 10 + d;
    return true;
}

bool jread_int(const struct jread_member *member, int64_t *ret)
{
    bool minus = member->kind == JREAD_INTEGER && member->at[0] == '-';
    uint64_t max = minus ? UINT64_C(1) << 63 : INT64_MAX;
    uint64_t value = 0;
    if (member->kind != JREAD_INTEGER)
        return false;
    for (size_t i = minus; i < member->size; i++)
        if (!add_digit(&value, member->at[i], max))
            return false;
    *ret = (int64_t)(minus ? 0 - value : value);
    return true;
}

/* --- the array --- */

bool jread_names(struct jread *c, const char *names)
{
    size_t size = strlen(names);
    if (size >= sizeof c->names)
        return false;
    memcpy(c->names, names, size + 1);
    c->wanted_count = c->expected = 0;
    for (const char *at = c->names; *at != '\0'; at += *at == ',') {
        if (c->wanted_count == JREAD_MEMBERS)
            return false;
        size_t length = strcspn(at, ",");
        c->wanted[c->wanted_count].at = at;
        c->wanted[c->wanted_count++].size = length;
        at += length;
    }
    return true;
}

static bool at_the_end(struct jread *c)
{
    c->done = true;
    skip_space(c);
    return c->at == c->end;
}

bool jread_start(struct jread *c, const char *json, size_t size)
{
    c->at = json;
    c->end = json + size;
    c->done = false;
    c->k = 0;
    skip_space(c);
    c->array = c->at < c->end && *c->at == '[';
    if (!c->array && (c->at == c->end || *c->at != '{'))
        return false;
    if (c->array && (c->at++, take(c, ']')))
        return at_the_end(c);
    return read_row(c);
}

bool jread_next(struct jread *c)
{
    c->k++;
    return c->array && take(c, ',') ? read_row(c) : (!c->array || take(c, ']')) && at_the_end(c);
}
