/* Values of the option table's types: parse and check, store, compare, print. */
#include "config/value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"

static void *field(const struct option *option, void *base)
{
    return (char *)base + option->offset;
}

static const void *const_field(const struct option *option, const void *base)
{
    return (const char *)base + option->offset;
}

static int refuse(const struct option *option, const char *text, struct err *err)
{
    char allowed[192];
    option_describe(option, allowed, sizeof allowed);
    return err_set(err, ERR_INVALID, "\"%.60s\" is wrong; allowed: %s", text, allowed);
}

static bool is_id(const char *text)
{
    for (; *text != '\0'; text++) {
        bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        if (!letter && !(*text >= '0' && *text <= '9') && strchr("-_.", *text) == NULL)
            return false;
    }
    return true;
}

static bool is_digits(const char *text)
{
    text += text[0] == '+' ? 1 : 0;
    return text[strspn(text, "0123456789")] == '\0';
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};
    size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && strncmp(host, names[i], length) == 0)
            return true;
    return false;
}

/* User and password in front of the host would be a secret in the configuration. */
static bool is_url(const char *text)
{
    bool plain = strncmp(text, "http://", 7) == 0;
    if (!plain && strncmp(text, "https://", 8) != 0)
        return false;
    const char *host = text + (plain ? 7 : 8);
    size_t length = strcspn(host, "/?#");
    if (length == 0 || memchr(host, '@', length) != NULL || strpbrk(text, " \"'\\<>") != NULL)
        return false;
    return !plain || is_loopback(host);
}

static bool text_fits(const struct option *option, const char *text)
{
    size_t length = strlen(text);
    size_t counted = option->type == OPTION_DIGITS && text[0] == '+' ? length - 1 : length;
    if (counted > (size_t)option->max || !is_plain(text))
        return false;
    if (length == 0)
        return option->min == 0;
    if (counted < (size_t)option->min)
        return false;
    switch (option->type) {
    case OPTION_ID:
        return is_id(text);
    case OPTION_DIGITS:
        return is_digits(text);
    case OPTION_PATH:
        return text[0] == '/';
    case OPTION_URL:
        return is_url(text);
    default:
        return true;
    }
}

static int set_text(const struct option *option, char **to, const char *text, struct err *err)
{
    if (!text_fits(option, text))
        return refuse(option, text, err);
    char *copy = strdup(text);
    if (copy == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    free(*to);
    *to = copy;
    return ERR_OK;
}

static bool parse_seconds(const char *text, int min, int max, int *ret)
{
    static const struct {
        const char *suffix;
        int factor;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"", 1}};
    size_t digits = strspn(text, "0123456789");
    char number[16];
    if (digits == 0 || digits >= sizeof number)
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    const char *suffix = text + digits + strspn(text + digits, " ");
    int64_t value;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(suffix, units[i].suffix) != 0)
            continue;
        if (!text_to_int64(number, 0, INT32_MAX, &value))
            return false;
        value *= units[i].factor;
        if (value < min || value > max)
            return false;
        *ret = (int)value;
        return true;
    }
    return false;
}

static bool parse_choice(const struct option_choice *choice, const char *text, int *ret)
{
    for (; choice->name != NULL; choice++)
        if (strcmp(choice->name, text) == 0) {
            *ret = choice->value;
            return true;
        }
    return false;
}

static bool parse_bool(const char *text, bool *ret)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return false;
    *ret = text[0] == 't';
    return true;
}

static bool parse_number(const struct option *option, const char *text, int *ret)
{
    switch (option->type) {
    case OPTION_INT:
        return text_to_int(text, option->min, option->max, ret);
    case OPTION_SECONDS:
        return parse_seconds(text, option->min, option->max, ret);
    case OPTION_CLOCK:
        return caltime_parse_clock(text, ret);
    default:
        return parse_choice(option->choices, text, ret);
    }
}

static int add_minutes(const struct option *option, struct config_minutes *list, const char *text,
                       struct err *err)
{
    int minutes;
    if (list->count == CONFIG_LIST_MAX || !text_to_int(text, option->min, option->max, &minutes) ||
        (list->count > 0 && minutes <= list->at[list->count - 1]))
        return refuse(option, text, err);
    list->at[list->count++] = minutes;
    return ERR_OK;
}

static int add_id(const struct option *option, struct config_texts *list, const char *text,
                  struct err *err)
{
    bool ok = strcmp(text, "*") == 0 || (*text != '\0' && is_id(text));
    if (list->count == CONFIG_LIST_MAX || !ok || strlen(text) > (size_t)option->max)
        return refuse(option, text, err);
    char *copy = strdup(text);
    if (copy == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    list->at[list->count++] = copy;
    return ERR_OK;
}

int value_set(const struct option *option, void *base, const char *text, struct err *err)
{
    void *to = field(option, base);
    if (option_is_text(option))
        return set_text(option, to, text, err);
    if (option->type == OPTION_MINUTES)
        return add_minutes(option, to, text, err);
    if (option->type == OPTION_IDS)
        return add_id(option, to, text, err);
    bool ok = option->type == OPTION_BOOL ? parse_bool(text, to) : parse_number(option, text, to);
    return ok ? ERR_OK : refuse(option, text, err);
}

void value_clear(const struct option *option, void *base)
{
    void *at = field(option, base);
    if (option_is_text(option)) {
        char **text = at;
        free(*text);
        *text = NULL;
    } else if (option->type == OPTION_IDS) {
        struct config_texts *list = at;
        for (int i = 0; i < list->count; i++)
            free(list->at[i]);
        *list = (struct config_texts){.count = 0};
    } else if (option->type == OPTION_MINUTES) {
        *(struct config_minutes *)at = (struct config_minutes){.count = 0};
    }
}

/* A required option has no default; until a file sets it, it is "". */
static int preset_required(const struct option *option, void *base, struct err *err)
{
    assert(option_is_text(option));
    char **text = field(option, base);
    *text = strdup("");
    return *text != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "out of memory");
}

int value_preset(const struct option *option, void *base, struct err *err)
{
    value_clear(option, base);
    if (option->required)
        return preset_required(option, base, err);
    if (!option_is_list(option))
        return value_set(option, base, option->preset, err);
    char one[OPTION_PRESET_VALUE_MAX];
    const char *at = option->preset;
    while ((at = option_next_preset(at, one)) != NULL) {
        int rc = value_set(option, base, one, err);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static bool texts_equal(const struct config_texts *a, const struct config_texts *b)
{
    bool same = a->count == b->count;
    for (int i = 0; same && i < a->count; i++)
        same = strcmp(a->at[i], b->at[i]) == 0;
    return same;
}

static bool minutes_equal(const struct config_minutes *a, const struct config_minutes *b)
{
    return a->count == b->count && memcmp(a->at, b->at, (size_t)a->count * sizeof a->at[0]) == 0;
}

bool value_equal(const struct option *option, const void *a, const void *b)
{
    const void *fa = const_field(option, a);
    const void *fb = const_field(option, b);
    if (option_is_text(option))
        return strcmp(*(char *const *)fa, *(char *const *)fb) == 0;
    if (option->type == OPTION_IDS)
        return texts_equal(fa, fb);
    if (option->type == OPTION_MINUTES)
        return minutes_equal(fa, fb);
    if (option->type == OPTION_BOOL)
        return *(const bool *)fa == *(const bool *)fb;
    return *(const int *)fa == *(const int *)fb;
}

void value_copy_number(const struct option *option, void *to, const void *from)
{
    assert(!option_is_text(option) && option->type != OPTION_IDS);
    size_t size = option->type == OPTION_MINUTES ? sizeof(struct config_minutes)
                  : option->type == OPTION_BOOL  ? sizeof(bool)
                                                 : sizeof(int);
    memcpy(field(option, to), const_field(option, from), size);
}

/* The file's syntax knows \ and ${NAME} between double quotes. */
static bool print_quoted(const char *text, struct buf *out)
{
    bool ok = buf_add_text(out, "\"");
    for (; *text != '\0'; text++)
        ok = (strchr("\"\\$", *text) == NULL || buf_add_text(out, "\\")) && buf_add(out, text, 1);
    return ok && buf_add_text(out, "\"");
}

static bool print_choice(const struct option_choice *choice, int value, struct buf *out)
{
    while (choice->name != NULL && choice->value != value)
        choice++;
    return buf_add_text(out, choice->name != NULL ? choice->name : "?");
}

static bool print_texts(const struct config_texts *list, struct buf *out)
{
    buf_add_text(out, "{");
    for (int i = 0; i < list->count; i++) {
        buf_add_text(out, i > 0 ? ", " : " ");
        print_quoted(list->at[i], out);
    }
    return buf_add_text(out, list->count > 0 ? " }" : "}");
}

static bool print_minutes(const struct config_minutes *list, struct buf *out)
{
    buf_add_text(out, "{");
    for (int i = 0; i < list->count; i++)
        buf_printf(out, "%s%d", i > 0 ? ", " : " ", list->at[i]);
    return buf_add_text(out, " }");
}

bool value_print(const struct option *option, const void *base, struct buf *out)
{
    const void *at = const_field(option, base);
    if (option_is_text(option))
        return print_quoted(*(char *const *)at, out);
    switch (option->type) {
    case OPTION_IDS:
        return print_texts(at, out);
    case OPTION_MINUTES:
        return print_minutes(at, out);
    case OPTION_BOOL:
        return buf_add_text(out, *(const bool *)at ? "true" : "false");
    case OPTION_CHOICE:
        return print_choice(option->choices, *(const int *)at, out);
    case OPTION_CLOCK:
        return buf_printf(out, "\"%02d:%02d\"", *(const int *)at / 60, *(const int *)at % 60);
    case OPTION_SECONDS:
        return buf_printf(out, "%ds", *(const int *)at);
    default:
        return buf_printf(out, "%d", *(const int *)at);
    }
}
