/* Tokens over JSON; see jdoc.h. One pass with a stack of open containers; each rule of the grammar
 * is a function that moves `at` on or says no. */
#include "mqtt/jdoc.h"

#include <string.h>

#include "gateway/base/text.h"

struct parser {
    struct jdoc *doc;
    const char *text;
    size_t size, at;
};

static char peek(const struct parser *p)
{
    return p->at < p->size ? p->text[p->at] : '\0';
}

static void skip_space(struct parser *p)
{
    while (p->at < p->size && (p->text[p->at] == ' ' || p->text[p->at] == '\n' ||
                               p->text[p->at] == '\t' || p->text[p->at] == '\r'))
        p->at++;
}

static bool take_char(struct parser *p, char c)
{
    skip_space(p);
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static struct jdoc_token *add(struct parser *p, enum jdoc_kind kind)
{
    if (p->doc->count == LIMIT_MQTT_TOKENS)
        return NULL;
    struct jdoc_token *token = &p->doc->tokens[p->doc->count++];
    *token = (struct jdoc_token){(uint32_t)p->at, 0, p->doc->count, kind};
    return token;
}

/* --- strings --- */

/* -1: not four hexadecimal digits. */
static int hex4(const char *at, size_t size)
{
    int value = 0;
    if (size < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The code point of the \u escape(s) whose first digit is at `at`; sets how many bytes they take
 * from there. 0: none, or U+0000. */
static uint32_t unicode_escape(const char *at, size_t size, size_t *ret_used)
{
    int high = hex4(at, size);
    *ret_used = 4;
    if (high < 0xd800 || high > 0xdfff)
        return high > 0 ? (uint32_t)high : 0;
    if (high > 0xdbff || size < 10 || at[4] != '\\' || at[5] != 'u')
        return 0;
    int low = hex4(at + 6, size - 6);
    *ret_used = 10;
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    return 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

static bool take_escape(struct parser *p)
{
    size_t used;
    char c = ++p->at < p->size ? p->text[p->at] : '\0';
    if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
        return false;
    p->at++;
    if (c != 'u')
        return true;
    if (unicode_escape(p->text + p->at, p->size - p->at, &used) == 0)
        return false;
    p->at += used;
    return true;
}

/* at: behind the quote. */
static bool take_string(struct parser *p)
{
    struct jdoc_token *token = add(p, JDOC_STRING);
    if (token == NULL)
        return false;
    while (p->at < p->size) {
        unsigned char c = (unsigned char)p->text[p->at];
        if (c == '"') {
            token->size = (uint32_t)(p->at++ - token->at);
            return true;
        }
        if (c < 0x20 || (c == '\\' && !take_escape(p)))
            return false;
        if (c != '\\')
            p->at++;
    }
    return false;
}

/* --- numbers and words --- */

static size_t digits(struct parser *p)
{
    size_t from = p->at;
    while (p->at < p->size && p->text[p->at] >= '0' && p->text[p->at] <= '9')
        p->at++;
    return p->at - from;
}

static bool take_number(struct parser *p)
{
    struct jdoc_token *token = add(p, JDOC_NUMBER);
    if (token == NULL)
        return false;
    if (peek(p) == '-')
        p->at++;
    bool zero = peek(p) == '0';
    size_t whole = digits(p);
    if (whole == 0 || (zero && whole > 1))
        return false;
    if (peek(p) == '.') {
        p->at++;
        if (digits(p) == 0)
            return false;
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        if (digits(p) == 0)
            return false;
    }
    token->size = (uint32_t)(p->at - token->at);
    return true;
}

static bool take_word(struct parser *p, const char *word, enum jdoc_kind kind)
{
    size_t length = strlen(word);
    struct jdoc_token *token = add(p, kind);
    if (token == NULL || p->size - p->at < length || memcmp(p->text + p->at, word, length) != 0)
        return false;
    token->size = (uint32_t)length;
    p->at += length;
    return true;
}

/* --- structure --- */

static bool take_scalar(struct parser *p)
{
    switch (peek(p)) {
    case '"':
        p->at++;
        return take_string(p);
    case 't':
        return take_word(p, "true", JDOC_TRUE);
    case 'f':
        return take_word(p, "false", JDOC_FALSE);
    case 'n':
        return take_word(p, "null", JDOC_NULL);
    default:
        return take_number(p);
    }
}

static bool take_name(struct parser *p)
{
    return take_char(p, '"') && take_string(p) && take_char(p, ':');
}

struct stack {
    uint32_t open[LIMIT_JSON_DEPTH];
    int depth;
};

/* Behind a value: commas and ends, as far as they go. False: neither. */
static bool close_containers(struct parser *p, struct stack *stack, bool *ret_more)
{
    *ret_more = true;
    while (stack->depth > 0) {
        struct jdoc_token *container = &p->doc->tokens[stack->open[stack->depth - 1]];
        bool object = container->kind == JDOC_OBJECT;
        if (take_char(p, ','))
            return !object || take_name(p);
        if (!take_char(p, object ? '}' : ']'))
            return false;
        container->next = p->doc->count;
        container->size = (uint32_t)(p->at - container->at);
        stack->depth--;
    }
    *ret_more = false;
    return true;
}

/* One value; a container is opened. *ret_whole: it is a value by itself (or an empty container). */
static bool take_value(struct parser *p, struct stack *stack, bool *ret_whole)
{
    skip_space(p);
    char c = peek(p);
    *ret_whole = true;
    if (c != '{' && c != '[')
        return take_scalar(p);
    struct jdoc_token *token = add(p, c == '{' ? JDOC_OBJECT : JDOC_ARRAY);
    if (token == NULL || stack->depth == LIMIT_JSON_DEPTH)
        return false;
    p->at++;
    if (take_char(p, c == '{' ? '}' : ']')) {
        token->size = (uint32_t)(p->at - token->at);
        return true;
    }
    stack->open[stack->depth++] = (uint32_t)(token - p->doc->tokens);
    *ret_whole = false;
    return c == '[' || take_name(p);
}

bool jdoc_parse(struct jdoc *doc, const char *text, size_t size)
{
    struct parser p = {.doc = doc, .text = text, .size = size};
    struct stack stack = {.depth = 0};
    bool more = true, whole;
    doc->text = text;
    doc->count = 0;
    while (more)
        if (!take_value(&p, &stack, &whole) || (whole && !close_containers(&p, &stack, &more)))
            return false;
    skip_space(&p);
    return p.at == size;
}

/* --- reading --- */

static size_t name_length(const char *path)
{
    size_t length = 0;
    for (; path[length] != '\0'; length++) {
        unsigned char c = (unsigned char)path[length];
        bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '_' || c == '-' || c >= 0x80;
        if (!word)
            break;
    }
    return length;
}

bool jdoc_path_valid(const char *path)
{
    if (*path != '$' && *path != '@')
        return false;
    for (path++; *path != '\0';) {
        size_t length;
        if (*path == '.') {
            length = name_length(++path);
        } else if (*path == '[') {
            length = strspn(++path, "0123456789");
            if (length == 0 || length > 4 || path[length++] != ']')
                return false;
        } else {
            return false;
        }
        if (length == 0)
            return false;
        path += length;
    }
    return true;
}

static int find_member(const struct jdoc *doc, uint32_t object, const char *name, size_t length)
{
    if (doc->tokens[object].kind != JDOC_OBJECT)
        return -1;
    for (uint32_t at = object + 1; at < doc->tokens[object].next; at = doc->tokens[at + 1].next) {
        const struct jdoc_token *key = &doc->tokens[at];
        if (key->size == length && memcmp(doc->text + key->at, name, length) == 0)
            return (int)at + 1;
    }
    return -1;
}

int jdoc_length(const struct jdoc *doc, int token)
{
    int length = 0;
    const struct jdoc_token *array = &doc->tokens[token];
    if (token < 0 || array->kind != JDOC_ARRAY)
        return -1;
    for (uint32_t at = (uint32_t)token + 1; at < array->next; at = doc->tokens[at].next)
        length++;
    return length;
}

int jdoc_element(const struct jdoc *doc, int token, int index)
{
    if (token < 0 || doc->tokens[token].kind != JDOC_ARRAY)
        return -1;
    for (uint32_t at = (uint32_t)token + 1; at < doc->tokens[token].next; at = doc->tokens[at].next)
        if (index-- == 0)
            return (int)at;
    return -1;
}

int jdoc_find(const struct jdoc *doc, int from, const char *path)
{
    int at = doc->count > 0 ? from : -1;
    for (path++; *path != '\0' && at >= 0;) {
        if (*path++ == '.') {
            size_t length = name_length(path);
            at = find_member(doc, (uint32_t)at, path, length);
            path += length;
        } else {
            int index = 0;
            for (; *path != ']'; path++)
                index = index * 10 + (*path - '0');
            at = jdoc_element(doc, at, index);
            path++;
        }
    }
    return at;
}

/* One character of a string token, decoded; 0: a control character. */
static uint32_t next_char(const char *at, size_t size, size_t *ret_used)
{
    uint32_t cp;
    if (at[0] != '\\') {
        *ret_used = text_utf8_decode(at, size, &cp);
        return *ret_used > 0 && cp >= 0x20 && cp != 0x7f ? cp : 0;
    }
    *ret_used = 2;
    if (at[1] != 'u')
        return strchr("\"\\/", at[1]) != NULL ? (unsigned char)at[1] : 0;
    cp = unicode_escape(at + 2, size - 2, ret_used);
    *ret_used += 2;
    return cp >= 0x20 && cp != 0x7f ? cp : 0;
}

static bool decode(const char *at, size_t size, char *ret, size_t ret_size)
{
    size_t used, out = 0;
    while (size > 0) {
        char bytes[4];
        uint32_t cp = next_char(at, size, &used);
        size_t count = cp != 0 ? text_utf8_encode(cp, bytes) : 0;
        if (count == 0 || out + count >= ret_size)
            return false;
        memcpy(ret + out, bytes, count);
        out += count;
        at += used;
        size -= used;
    }
    ret[out] = '\0';
    return true;
}

bool jdoc_text(const struct jdoc *doc, int token, char *ret, size_t size)
{
    if (token < 0)
        return false;
    const struct jdoc_token *t = &doc->tokens[token];
    if (t->kind == JDOC_OBJECT || t->kind == JDOC_ARRAY || t->kind == JDOC_NULL)
        return false;
    if (t->kind == JDOC_STRING)
        return decode(doc->text + t->at, t->size, ret, size);
    if (t->size >= size)
        return false;
    memcpy(ret, doc->text + t->at, t->size);
    ret[t->size] = '\0';
    return true;
}
