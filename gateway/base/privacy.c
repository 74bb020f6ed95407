/* Numbers of people in free text; see privacy.h. One pass over the characters counts the digits of
 * the group at hand: `plain` those that only blanks, dashes, dots and brackets separate, `wide`
 * also those among commas and Chinese digits, which ordinary enumerations have too. */
#include "gateway/base/privacy.h"

#include <stdint.h>
#include <string.h>

#include "gateway/base/text.h"

enum { PLAIN_DIGITS = 7, WIDE_DIGITS = 11, GAP_MAX = 3, DATE_CHARS = 10 };

enum mark { MARK_DIGIT, MARK_HAN_DIGIT, MARK_BLANK, MARK_COMMA, MARK_OTHER };

static bool is_among(uint32_t cp, const uint32_t *list)
{
    while (*list != 0 && *list != cp)
        list++;
    return *list != 0;
}

static enum mark mark_of(uint32_t cp)
{
    static const uint32_t han[] = {U'〇', U'零', U'一', U'二', U'三', U'四', U'五',
                                   U'六', U'七', U'八', U'九', U'幺', U'两', 0};
    static const uint32_t blank[] = {' ',    '\t',   '-',    '.',    '_',    '/',    '(',
                                     ')',    '+',    '*',    0xa0,   0xad,   0xb7,   0x2212,
                                     0x3000, 0x30fb, 0xfe63, 0xff08, 0xff09, 0xff0b, 0xff0d,
                                     0xff0e, 0xff0f, 0xff3f, 0xfeff, 0};
    static const uint32_t comma[] = {',', ';', 0x3001, 0xff0c, 0xff1b, 0};
    if ((cp >= '0' && cp <= '9') || (cp >= 0xff10 && cp <= 0xff19) ||
        (cp >= 0x1d7ce && cp <= 0x1d7ff)) /* full-width and mathematical digits */
        return MARK_DIGIT;
    if (is_among(cp, han))
        return MARK_HAN_DIGIT;
    if (is_among(cp, blank) || (cp >= 0x2000 && cp <= 0x2015)) /* spaces and dashes */
        return MARK_BLANK;
    return is_among(cp, comma) ? MARK_COMMA : MARK_OTHER;
}

/* Bytes of a date that stands here, such as 2026-9-30 or 2026/09/30; 0: none does. */
static size_t date_at(const char *text)
{
    size_t year = strspn(text, "0123456789"), at = year + 1;
    if (year != 4 || (strncmp(text, "19", 2) != 0 && strncmp(text, "20", 2) != 0) ||
        strchr("-/.", text[year]) == NULL || text[year] == '\0')
        return 0;
    size_t month = strspn(text + at, "0123456789");
    if (month < 1 || month > 2 || text[at + month] != text[year])
        return 0;
    at += month + 1;
    size_t day = strspn(text + at, "0123456789");
    return day >= 1 && day <= 2 ? at + day : 0;
}

struct group {
    int plain, wide, gap;
    size_t from, to; /* of the wide group, without what separates it from the next */
};

static bool is_number(const struct group *group)
{
    return group->plain >= PLAIN_DIGITS || group->wide >= WIDE_DIGITS;
}

static void add(struct group *group, enum mark mark, size_t at, size_t length)
{
    bool digit = mark == MARK_DIGIT || mark == MARK_HAN_DIGIT;
    if (mark == MARK_OTHER || (!digit && ++group->gap > GAP_MAX)) {
        *group = (struct group){0};
        return;
    }
    if (mark != MARK_DIGIT && mark != MARK_BLANK)
        group->plain = 0;
    if (!digit)
        return;
    if (group->wide == 0)
        group->from = at;
    group->wide++;
    group->plain += mark == MARK_DIGIT;
    group->gap = 0;
    group->to = at + length;
}

bool privacy_find_number(const char *text, size_t *ret_from, size_t *ret_to)
{
    struct group group = {0};
    bool found = false;
    size_t length;
    for (size_t at = 0; text[at] != '\0'; at += length) {
        uint32_t cp;
        size_t rest = strlen(text + at), date = group.wide == 0 ? date_at(text + at) : 0;
        enum mark mark = MARK_OTHER;
        length = text_utf8_decode(text + at, rest < 4 ? rest : 4, &cp);
        if (date > 0)
            length = date;
        else if (length == 0)
            length = 1;
        else
            mark = mark_of(cp);
        bool goes_on = mark != MARK_OTHER && group.gap < GAP_MAX &&
                       (mark != MARK_COMMA || group.plain < PLAIN_DIGITS);
        if (found && !goes_on)
            break; /* the whole of it is known */
        add(&group, mark, at, length);
        if (!is_number(&group))
            continue;
        found = true;
        *ret_from = group.from;
        *ret_to = group.to;
    }
    return found;
}

int privacy_check(const char *what, const char *text, struct err *err)
{
    size_t from, to;
    if (text == NULL || !privacy_find_number(text, &from, &to))
        return ERR_OK;
    return err_set(err, ERR_INVALID,
                   "%s holds a long number: people's numbers are given as phone= or not at all",
                   what);
}

bool privacy_hide(const char *text, char *ret, size_t size)
{
    size_t used = 0, from, to;
    while (privacy_find_number(text, &from, &to) && used + from + 2 <= size) {
        memcpy(ret + used, text, from);
        used += from;
        ret[used++] = '*';
        text += to;
    }
    return text_copy_utf8(ret + used, size - used, text, strlen(text));
}
