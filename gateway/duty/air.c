/* See air.h. */
#include "gateway/duty/air.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/err.h"
#include "gateway/base/text.h"

enum { CODE_DIGITS = COMMAND_CODE_SIZE - 1, CHECKED_DIGITS = CODE_DIGITS + 1, WORD_BYTES = 12 };

/* Damm, "Total anti-symmetrische Quasigruppen" (2004): the digit that brings the row back to 0. */
static int damm(const char *digits, size_t count)
{
    static const char rows[10][11] = {"0317598642", "7092154863", "4206871359", "1750983426",
                                      "6123045978", "3674209581", "5869720134", "8945362017",
                                      "9438617205", "2581436790"};
    int row = 0;
    for (size_t i = 0; i < count; i++)
        row = rows[row][digits[i] - '0'] - '0';
    return row;
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

void air_code(const char *code, char ret[AIR_CODE_SIZE])
{
    ret[0] = '\0';
    if (strlen(code) == CODE_DIGITS && count_digits(code) == CODE_DIGITS)
        snprintf(ret, AIR_CODE_SIZE, "%.4s%c", code, '0' + damm(code, CODE_DIGITS));
}

/* The first CHECKED_DIGITS characters, which are digits. */
static bool code_holds(const char *digits)
{
    return damm(digits, CHECKED_DIGITS) == 0;
}

static const char *skip(const char *text)
{
    return text + strspn(text, " #\t");
}

/* "48217 1": the word that it stands for. NULL: it is no such code. */
static const char *short_word(const char *text)
{
    if (count_digits(text) != CHECKED_DIGITS)
        return NULL;
    const char *digit = skip(text + CHECKED_DIGITS);
    if (digit == text + CHECKED_DIGITS || digit[0] == '\0' || skip(digit + 1)[0] != '\0')
        return NULL;
    return digit[0] == '1' ? "出警" : digit[0] == '0' ? "解除" : NULL;
}

/* Where the five digits of "出警48217" begin; NULL: the text is no word and a code. */
static const char *code_behind(const char *text)
{
    const char *digits = text + strcspn(text, "0123456789");
    return digits - text <= WORD_BYTES && count_digits(digits) == CHECKED_DIGITS &&
                   skip(digits + CHECKED_DIGITS)[0] == '\0'
               ? digits
               : NULL;
}

bool air_read(const char *text, char *ret, size_t size)
{
    text = skip(text);
    const char *word = short_word(text), *digits = word != NULL ? text : code_behind(text);
    bool good = digits == NULL || code_holds(digits);
    if (digits == NULL)
        text_copy_utf8(ret, size, text, strlen(text));
    else if (!good)
        snprintf(ret, size, "%.*s", CHECKED_DIGITS, digits);
    else if (word != NULL)
        snprintf(ret, size, "%s%.*s", word, CODE_DIGITS, digits);
    else
        snprintf(ret, size, "%.*s%.*s", (int)(digits - text), text, CODE_DIGITS, digits);
    return good;
}

/* --- what is said --- */

static void cut(const char *text, int limit, char *ret, size_t size)
{
    size_t total = strlen(text), at = 0;
    uint32_t cp;
    while (at < total && limit-- > 0) {
        size_t length = text_utf8_decode(text + at, total - at, &cp);
        at += length > 0 ? length : 1;
    }
    text_copy_utf8(ret, size, text, at);
}

void air_line(enum text_lang lang, const struct text_fields *fields, char ret[AIR_LINE_SIZE])
{
    char code[AIR_CODE_SIZE], school[4 * AIR_SCHOOL_CHARS + 1], post[4 * AIR_POST_CHARS + 1];
    bool has_code = fields->school_code != NULL && fields->school_code[0] != '\0';
    air_code(fields->code, code);
    cut(has_code                 ? fields->school_code
        : fields->school != NULL ? fields->school
                                 : "?",
        AIR_SCHOOL_CHARS, school, sizeof school);
    cut(fields->post != NULL ? fields->post : "", AIR_POST_CHARS, post, sizeof post);
    snprintf(ret, AIR_LINE_SIZE,
             lang == TEXT_ZH ? "%s#%s %s%s%s 接手回%s 1" : "%s#%s %s %s %s reply %s 1", school,
             code, post, fields->reason, fields->start, code);
}

void air_alarm(enum text_lang lang, const char *kind, const char *school_code,
               const struct text_fields *fields, char ret[AIR_LINE_SIZE])
{
    static const struct {
        const char *kind, *words[TEXT_LANG_COUNT];
    } kinds[] = {{"fire", {"火警", "FIRE"}},
                 {"intrusion", {"入侵", "INTRUDER"}},
                 {"call", {"求助", "HELP"}},
                 {"panic", {"报警", "ALARM"}}};
    struct text_fields line = *fields;
    size_t i = 0;
    while (i < 3 && !text_equal(kind, kinds[i].kind))
        i++;
    line.reason = kinds[i].words[lang];
    line.school_code = school_code;
    air_line(lang, &line, ret);
}

/* Lists of duties, schools and codes; those of people are not here. */
static bool list_is_plain(enum text_id id)
{
    return id == TEXT_A14_MINE || id == TEXT_L1_PROMPTS || id == TEXT_L2_OFFERS ||
           id == TEXT_L3_ALARMS || id == TEXT_P2_DISMISSAL || id == TEXT_O8_VISITS_DUE;
}

bool air_render(enum text_id id, enum text_lang lang, const struct text_fields *fields, char *ret,
                size_t size)
{
    const char *somebody = lang == TEXT_ZH ? "同事" : "a colleague";
    struct text_fields plain = *fields;
    plain.signature = NULL;
    plain.person = fields->person != NULL ? somebody : NULL;
    plain.other = fields->other != NULL ? somebody : NULL;
    plain.leader = NULL;
    if (fields->leader != NULL)
        plain.phone = NULL; /* his own; else it is that of the police */
    if (strstr(text_template(id, lang), "{list}") != NULL && !list_is_plain(id))
        return false;
    return text_render(id, lang, &plain, ret, size) == ERR_OK;
}
