/* What a short message means; see recognise.h. Two steps, both pure:
 *   read:   which word of words.def the message is, trying the strictest comparison first
 *   settle: what that word means here, given who wrote and what was said last
 * Whatever is doubtful in either step ends as COMMAND_PERSON. */
#include "gateway/duty/recognise.h"

#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/fold.h"

#include "ordinary.inc"

enum takes { NOTHING, REASON, CODE, TEXT, NAME, SCHOOL, LEVEL, PLAN, PEOPLE, NUMBERS };
enum how { EXACT, SPELT, SOUND, NEAR };
enum who { ALL, VOLUNTEERS, OFFICERS };

/* Words whose meaning depends on what was said before. */
enum { WORD_ASSENT = COMMAND_COUNT, WORD_HEARD, WORD_I_COME, WORD_SIGN_IN, WORD_HELP_CALL };

struct word {
    const char *text;
    int kind; /* enum command_kind or WORD_* */
    enum who who;
    enum takes takes;
    enum how how;
};

static const struct word words[] = {
#define WORD(text, kind, who, takes, how) {text, kind, who, takes, how},
#include "gateway/duty/words.def"
#undef WORD
};

enum {
    WORD_COUNT = sizeof words / sizeof words[0],
    CODE_DIGITS = COMMAND_CODE_SIZE - 1,
    PHONE_DIGITS = 7
};

/* What the reading step found. */
struct reading {
    int kind; /* enum command_kind or WORD_*; COMMAND_PERSON: nothing */
    enum who who;
    bool is_digit; /* 1, 2, 3, Y or N: the only way to consent */
    struct command command;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool has_any(struct span span, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_has(span, list[i]))
            return true;
    return false;
}

static bool starts_with_any(struct span span, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_starts(span, list[i]))
            return true;
    return false;
}

static bool speaks_of_danger(struct span span)
{
    static const char *const list[] = {"报警", "紧急", "求助", "求救", "救命", "救人", "打架",
                                       "打人", "持刀", "拿刀", "砍",   "着火", "起火", "火灾",
                                       "受伤", "流血", "晕倒", "昏倒", "车祸", "撞",   "爆炸",
                                       "走失", "失踪", "绑架", "抢劫", "抢孩", "跳楼", "溺水",
                                       "落水", "中毒", "SOS",  "枪",   "杀",   "歹徒"};
    return has_any(span, list, COUNT(list));
}

static struct span skip(struct span span, size_t count)
{
    span.from += count;
    return span;
}

/* A gap right before the span's first character. */
static bool after_gap(struct span span)
{
    return span_size(span) > 0 && span.text->gap[span.from];
}

static bool is_latin(struct span span)
{
    return span_size(span) > 0 && span.text->cp[span.from] >= 'A' &&
           span.text->cp[span.from] <= 'Z';
}

static bool put_code(struct span span, struct command *command)
{
    if (span_size(span) != CODE_DIGITS || !span_is_digits(span))
        return false;
    for (size_t i = 0; i < CODE_DIGITS; i++)
        command->code[i] = (char)span.text->cp[span.from + i];
    command->code[CODE_DIGITS] = '\0';
    return true;
}

static void put_arg(struct span span, struct command *command)
{
    span_copy(span, command->arg, sizeof command->arg);
}

/* --- arguments --- */

static bool looks_like_school(struct span span)
{
    static const char *const ends[] = {"小学", "中学", "学校", "幼儿园", "高中", "初中",
                                       "附小", "附中", "小",   "中",     "校"};
    /* 放学别走实验小学 and 放学后去学校 name no school */
    static const char *const parts[] = {"走", "去", "接", "等", "了", "的",
                                        "吗", "在", "请", "谁", "哪"};
    static const char *const starts[] = {
        "别", "后", "前", "时", "到", "从", "不", "没", "都", "还", "就", "我", "你", "您", "他",
        "她", "有", "和", "跟", "要", "是", "通", "因", "给", "让", "把", "说", "问", "想", "回"};
    struct span number = span_starts(span, "S") ? skip(span, 1) : span;
    if (span_is_digits(number))
        return span_size(number) >= 2 - (number.from != span.from) && span_size(number) <= 4;
    if (span_size(span) < 2 || span_size(span) > 20 || has_any(span, parts, COUNT(parts)) ||
        starts_with_any(span, starts, COUNT(starts)))
        return false;
    for (size_t i = 0; i < COUNT(ends); i++)
        if (span_ends(span, ends[i]))
            return true;
    return false;
}

static bool is_school(struct span span, const struct recognise_context *context)
{
    char text[COMMAND_ARG_SIZE];
    if (span_size(span) == 0)
        return false;
    if (looks_like_school(span))
        return true;
    span_copy(span, text, sizeof text);
    return context->is_school != NULL && context->is_school(context->ctx, text);
}

/* FOR Wang, but not "for sale" or "for you". */
static bool is_latin_name(struct span span)
{
    static const char *const others[] = {
        "SALE", "YOU", "ME",   "HIM",   "HER",      "US",   "THEM", "THE",  "MY",   "FREE", "IT",
        "ALL",  "NOW", "EVER", "TODAY", "TOMORROW", "SURE", "REAL", "HELP", "WHAT", "WHO"};
    struct span first = {span.text, span.from, span.from + 1};
    while (first.to < span.to && !span.text->gap[first.to])
        first.to++;
    for (size_t i = 0; i < COUNT(others); i++)
        if (span_is(first, others[i]))
            return false;
    return true;
}

/* 替我请假 and 替班 name nobody. */
static bool is_name(struct span span)
{
    if (is_latin(span))
        return is_latin_name(span);
    static const char *const starts[] = {"我", "他", "她", "你", "您",
                                         "谁", "班", "代", "换", "人"};
    /* 一 alone is part of many names */
    static const char *const parts[] = {"请假", "吗", "吧",  "班",  "不",  "没",  "能",  "的", "了",
                                        "个",   "给", "跟",  "问",  "说",  "谢",  "在",  "是", "哪",
                                        "去",   "来", "拿",  "买",  "做",  "把",  "看",  "找", "想",
                                        "要",   "先", "1下", "1次", "1天", "1会", "1节", "1周"};
    if (span_size(span) < 2 || span_size(span) > 12 || has_any(span, parts, COUNT(parts)))
        return false;
    return !starts_with_any(span, starts, COUNT(starts));
}

/* What 隐患, 上报 or 意见 is told of. Without a gap, 意见箱, 隐患排查 and 上报了 are words of a
 * sentence. */
static bool is_told(struct span span)
{
    static const char *const starts[] = {"是", "的", "了", "箱", "书", "簿", "很", "太", "也", "都",
                                         "就", "还", "有", "没", "无", "不", "已", "怎", "算", "给",
                                         "到", "截", "排", "时", "材", "名", "表", "统", "单"};
    static const char *const asks[] = {"吗", "什么", "怎么", "哪", "谁", "几", "多少", "不用"};
    return after_gap(span) || is_latin(span) ||
           (!starts_with_any(span, starts, COUNT(starts)) && !has_any(span, asks, COUNT(asks)));
}

static const struct word *find_whole(struct span span)
{
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (span_is(span, words[i].text))
            return &words[i];
    return NULL;
}

/* A reason is harmless text: no question, no negation of what was said, no other command, no
 * danger, and not the rest of a number (2 年级几点放学; 2、3号门). */
static bool is_reason(struct span span)
{
    static const char *const mixed[] = {
        "吗",   "没",   "不是", "能不能", "行不行", "可以", "可不",   "能来", "会来", "能去",
        "到岗", "到了", "确认", "离岗",   "退订",   "放学", "不用换", "替",   "接",   "换"};
    static const char *const units[] = {"个", "年", "楼", "班", "点", "号", "月",
                                        "天", "小", "名", "位", "辆", "岁", "分",
                                        "人", "米", "中", "实", "层", "路", "只"};
    const struct word *whole = find_whole(span);
    struct span first = {span.text, span.from, span.from + 1};
    if (whole != NULL)
        return whole->kind == COMMAND_DECLINE;
    if (span_size(span) == 0 || span.text->asked || span_is_digits(first) ||
        has_any(span, mixed, COUNT(mixed)) || speaks_of_danger(span))
        return false;
    return !starts_with_any(span, units, COUNT(units));
}

static bool take_code_and_reason(struct span rest, struct command *command)
{
    struct span code = {rest.text, rest.from, rest.from + CODE_DIGITS};
    if (code.to < rest.to && rest.text->gap[code.to] && span_is_digits(code)) {
        put_code(code, command);
        rest.from = code.to;
    }
    if (!after_gap(rest) || is_latin(rest) || !is_reason(rest)) /* "no problem" is a yes */
        return false;
    put_arg(rest, command);
    return true;
}

/* School and how full it is at its gates. */
static bool is_level(struct span rest, const struct recognise_context *context)
{
    static const struct {
        const char *word;
        size_t size;
    } levels[] = {{"平", 1}, {"高", 1}, {"堵", 1}, {"FLAT", 4}, {"PEAK", 4}, {"HEAVY", 5}};
    for (size_t i = 0; i < COUNT(levels); i++) {
        struct span school = rest;
        if (!span_ends(rest, levels[i].word))
            continue;
        school.to -= levels[i].size;
        return is_school(school, context);
    }
    return false;
}

/* A telephone number somewhere: 登记一下 and 登记好了 have none. */
static bool has_number(struct span span)
{
    int run = 0;
    for (size_t i = span.from; i < span.to && run < PHONE_DIGITS; i++)
        run = span.text->cp[i] >= '0' && span.text->cp[i] <= '9' ? run + 1 : 0;
    return run >= PHONE_DIGITS;
}

static void take_plan(struct span rest, struct command *command)
{
    struct span code = rest;
    if (span_size(rest) >= CODE_DIGITS) {
        code.from = rest.to - CODE_DIGITS;
        if (put_code(code, command))
            rest.to = code.from;
    }
    put_arg(rest, command);
}

/* Whether `rest` is an argument of this word; fills code and arg. */
static bool take_argument(const struct word *word, struct span rest,
                          const struct recognise_context *context, struct command *command)
{
    bool latin = word->text[0] >= 'A' && word->text[0] <= 'Z';
    if (latin && is_latin(rest) && !after_gap(rest) && !looks_like_school(rest))
        return false; /* FORGET is not FOR GET */
    switch (word->takes) {
    case NOTHING:
        return false;
    case REASON:
        return take_code_and_reason(rest, command) || put_code(rest, command);
    case CODE:
        return put_code(rest, command);
    case TEXT:
        put_arg(rest, command);
        return is_told(rest);
    case NAME:
        put_arg(rest, command);
        return is_name(rest);
    case SCHOOL:
        put_arg(rest, command);
        return is_school(rest, context);
    case LEVEL:
        put_arg(rest, command);
        return is_level(rest, context);
    case NUMBERS:
        put_arg(rest, command);
        return span_size(rest) < 10 && span_is_digits(rest);
    case PLAN:
        take_plan(rest, command);
        return true;
    case PEOPLE:
        return has_number(rest);
    }
    return false;
}

/* --- reading --- */

/* Everyday words are nobody's typing error: 放血 is not 放学, 回来 not 会来. */
static bool is_ordinary(struct span span)
{
    for (size_t i = 0; i < COUNT(ordinary_words); i++)
        if (span_is(span, ordinary_words[i]))
            return true;
    return false;
}

/* The same syllables as a word that may be meant by its sound. */
static bool is_sound_of(struct span span, const struct word *word)
{
    if (word->how != SOUND || span_size(span) < 2 || !span_sounds_like(span, word->text))
        return false;
    for (size_t i = 0; i < COUNT(ordinary_twins); i++)
        if (text_equal(word->text, ordinary_twins[i]))
            return false;
    return !is_ordinary(span);
}

static bool found(struct reading *reading, const struct word *word)
{
    reading->kind = word->kind;
    reading->who = word->who;
    reading->is_digit = word->who == ALL && word->kind <= COMMAND_DECLINE;
    return true;
}

/* 救命救命救命 is 救命. */
static bool read_repeated(struct span span, struct reading *reading)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        struct span rest = span;
        size_t step;
        if (words[i].kind != WORD_HELP_CALL)
            continue;
        while ((step = span_starts(rest, words[i].text)) > 0)
            rest = skip(rest, step);
        if (rest.from > span.from && span_size(rest) == 0)
            return found(reading, &words[i]);
    }
    return false;
}

static bool read_whole(struct span span, struct reading *reading)
{
    const struct word *word = find_whole(span);
    return word != NULL ? found(reading, word) : read_repeated(span, reading);
}

/* 10086, 12345: numbers of services, which no code behind a 1 should be taken for. */
static bool is_service_number(struct span span)
{
    static const char *const services[] = {"100", "111", "121", "123", "119"};
    return span_size(span) == 1 + CODE_DIGITS && !span.text->gap[span.from + 1] &&
           starts_with_any(span, services, COUNT(services));
}

/* 1, 2 or 3, with a code, and 2 with a reason. */
static bool read_digit(struct span span, struct reading *reading)
{
    static const int kinds[] = {COMMAND_CONFIRM, COMMAND_DECLINE, COMMAND_SWAP};
    uint32_t digit = span_size(span) > 0 ? span.text->cp[span.from] : 0;
    struct span rest = skip(span, 1);
    if (digit < '1' || digit > '3' || is_service_number(span))
        return false;
    if (span_size(span) > 1 && !put_code(rest, &reading->command) &&
        (digit != '2' || !take_code_and_reason(rest, &reading->command)))
        return false;
    reading->kind = kinds[digit - '1'];
    reading->who = ALL;
    reading->is_digit = true;
    return true;
}

static bool read_spelt(struct span span, struct reading *reading)
{
    if (!is_latin(span))
        return false;
    for (size_t i = 0; i < WORD_COUNT; i++)
        if ((words[i].how == SPELT || words[i].how == SOUND) && span_spells(span, words[i].text))
            return found(reading, &words[i]);
    return false;
}

static bool read_sound(struct span span, struct reading *reading)
{
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (is_sound_of(span, &words[i]))
            return found(reading, &words[i]);
    return false;
}

/* The longest word that the message starts with and whose argument the rest is. */
static bool read_keyword(struct span span, const struct recognise_context *context,
                         struct reading *reading)
{
    size_t best = 0;
    for (size_t i = 0; i < WORD_COUNT; i++) {
        struct command command = {0};
        size_t size = span_starts(span, words[i].text);
        if (size <= best || size == span_size(span) ||
            !take_argument(&words[i], skip(span, size), context, &command))
            continue;
        best = size;
        reading->command = command;
        found(reading, &words[i]);
    }
    return best > 0;
}

/* 第二小学几点放学: the school first. */
static bool read_school_first(struct span span, const struct recognise_context *context,
                              struct reading *reading)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        struct span school = span;
        size_t size = words[i].kind == COMMAND_DISMISSAL ? span_ends(span, words[i].text) : 0;
        school.to -= size;
        if (span_ends(school, "今天"))
            school.to -= 2;
        if (size == 0 || !is_school(school, context))
            continue;
        put_arg(school, &reading->command);
        return found(reading, &words[i]);
    }
    return false;
}

/* Two characters that sound like a keyword, then a school or a number. */
static bool read_sound_keyword(struct span span, const struct recognise_context *context,
                               struct reading *reading)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        struct command command = {0};
        struct span head = {span.text, span.from, span.from + strlen(words[i].text) / strlen("岗")};
        if ((words[i].takes != SCHOOL && words[i].takes != CODE) || head.to >= span.to ||
            !is_sound_of(head, &words[i]) ||
            !take_argument(&words[i], (struct span){span.text, head.to, span.to}, context,
                           &command))
            continue;
        reading->command = command;
        return found(reading, &words[i]);
    }
    return false;
}

/* One wrong character, only in long words that merely ask. */
static bool read_near(struct span span, struct reading *reading)
{
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (words[i].how == NEAR && span_nearly(span, words[i].text))
            return found(reading, &words[i]);
    return false;
}

/* 报警器, 报警系统, 报警按钮 at the start: something is broken, unless more danger is spoken of. */
static bool read_alarm_device(struct span span, struct reading *reading)
{
    static const char *const devices[] = {"报警器", "报警系统", "报警按钮"};
    for (size_t i = 0; i < COUNT(devices); i++) {
        size_t size = span_starts(span, devices[i]);
        if (size == 0 || speaks_of_danger(skip(span, size)))
            continue;
        put_arg(span, &reading->command);
        reading->kind = COMMAND_HAZARD;
        reading->who = VOLUNTEERS;
        return true;
    }
    return false;
}

/* 到S17全4821: everybody of a school at once. */
static bool read_check_in_all(struct span span, const struct recognise_context *context,
                              struct reading *reading)
{
    struct span rest = skip(span, 1), code = rest;
    struct command command = {0};
    if (!span_starts(span, "到") || span_size(rest) < 2)
        return false;
    if (span_size(rest) > CODE_DIGITS) {
        code.from = rest.to - CODE_DIGITS;
        if (put_code(code, &command))
            rest.to = code.from;
    }
    if (!span_ends(rest, "全"))
        return false;
    rest.to--;
    if (!is_school(rest, context))
        return false;
    put_arg(rest, &command);
    reading->command = command;
    reading->kind = COMMAND_CHECK_IN_ALL;
    reading->who = OFFICERS;
    return true;
}

/* Only a code: something is meant, but not said what. */
static bool read_bare_code(struct span span, struct reading *reading)
{
    if (!put_code(span, &reading->command))
        return false;
    reading->kind = COMMAND_LIST_CODES;
    reading->who = VOLUNTEERS;
    return true;
}

static struct span strip_start(struct span span)
{
    static const char *const greetings[] = {"您好", "你好", "不好意思", "对不起", "抱歉"};
    for (size_t i = 0; i < COUNT(greetings); i++) {
        size_t size = span_starts(span, greetings[i]);
        if (size > 0 && size < span_size(span))
            span = skip(span, size);
    }
    size_t reply = span_starts(span, "回复"), re = span_starts(span, "RE");
    struct span rest = skip(span, reply + re); /* it starts with one of them at most */
    if (reply > 0 && span_size(rest) > 0)
        return rest;
    if (re > 0 && span_size(rest) > 0 && (after_gap(rest) || !is_latin(rest)))
        return rest;
    if (span_starts(span, "回") && span_size(span) > 1 && span.text->cp[span.from + 1] < 0x80)
        return skip(span, 1); /* 回1 */
    return span;
}

static struct span strip_end(struct span span)
{
    static const char *const thanks[] = {"谢谢您", "谢谢你", "谢谢"};
    for (size_t i = 0; i < COUNT(thanks); i++) {
        size_t size = span_ends(span, thanks[i]);
        if (size > 0 && size < span_size(span)) {
            span.to -= size;
            break;
        }
    }
    return span;
}

static void read_message(struct span span, const struct recognise_context *context,
                         struct reading *reading)
{
    if (span_size(span) == 0) {
        reading->kind = span.text->asked ? COMMAND_HELP : COMMAND_PERSON;
        return;
    }
    span = strip_end(strip_start(span));
    if (read_whole(span, reading) || read_digit(span, reading) || read_spelt(span, reading) ||
        read_sound(span, reading) || read_alarm_device(span, reading) ||
        read_check_in_all(span, context, reading) || read_keyword(span, context, reading) ||
        read_school_first(span, context, reading) || read_sound_keyword(span, context, reading) ||
        read_near(span, reading) || read_bare_code(span, reading))
        return;
    reading->kind = COMMAND_PERSON;
}

/* --- settling --- */

static bool may_use(enum who who, enum sender_role role)
{
    switch (who) {
    case ALL:
        return true;
    case VOLUNTEERS:
        return role >= SENDER_VOLUNTEER;
    case OFFICERS:
        return role >= SENDER_OFFICER;
    }
    return false;
}

/* These only look something up, so a question mark does no harm. */
static bool only_asks(int kind)
{
    switch (kind) {
    case COMMAND_HELP:
    case COMMAND_MY_DUTIES:
    case COMMAND_QUERY:
    case COMMAND_DISMISSAL:
    case COMMAND_WHO:
    case COMMAND_GAPS:
    case COMMAND_LEDGER:
    case COMMAND_PLANS:
    case COMMAND_LIST_CODES:
        return true;
    default:
        return false;
    }
}

static int settle_help_call(const struct recognise_context *context, bool asked)
{
    if (context->role >= SENDER_OFFICER)
        return asked ? COMMAND_PERSON : COMMAND_PANIC;
    if (context->role == SENDER_VOLUNTEER && context->checked_in)
        return COMMAND_CALL_LEADER;
    return COMMAND_CALL_110;
}

/* Consent takes the digit itself, never a word. */
static int settle_consent(int kind, const struct reading *reading)
{
    return reading->is_digit && kind != COMMAND_SWAP ? kind : COMMAND_PERSON;
}

/* One choice is clear, several are not. After an offer 1 takes nothing: 接 and the code do. */
static int settle_bare(int kind, const struct recognise_context *context)
{
    bool to_offer = context->last_sent == LAST_OFFER && context->open_offers > 0;
    int choices = context->open_prompts + (to_offer ? context->open_offers : 0);
    if (choices > 1)
        return COMMAND_LIST_CODES;
    if (to_offer && kind != COMMAND_DECLINE)
        return COMMAND_LIST_CODES;
    if (choices == 1 || (kind == COMMAND_DECLINE && context->open_offers == 1))
        return kind;
    return COMMAND_PERSON;
}

/* A bare answer to one of several things lists them; with nothing to answer a person looks. */
static int settle_answer(int kind, const struct recognise_context *context,
                         const struct reading *reading)
{
    bool has_code = reading->command.code[0] != '\0';
    if (context->last_sent == LAST_CONSENT && !has_code &&
        (reading->is_digit || context->open_prompts == 0))
        return settle_consent(kind, reading);
    if (context->role < SENDER_VOLUNTEER)
        return COMMAND_PERSON;
    return has_code ? kind : settle_bare(kind, context);
}

static int settle_take(const struct recognise_context *context)
{
    if (context->open_offers == 1)
        return COMMAND_TAKE;
    return context->open_offers > 1 ? COMMAND_LIST_CODES : COMMAND_PERSON;
}

static int settle_i_come(const struct recognise_context *context, const struct reading *reading)
{
    switch (context->last_sent) {
    case LAST_QUESTION:
        return settle_answer(COMMAND_CONFIRM, context, reading);
    case LAST_ALARM:
        return COMMAND_LIST_CODES;
    default:
        return settle_take(context);
    }
}

static int settle_assent(const struct recognise_context *context, const struct reading *reading)
{
    switch (context->last_sent) {
    case LAST_QUESTION:
        return settle_answer(COMMAND_CONFIRM, context, reading);
    case LAST_ALARM:
        return COMMAND_READ;
    case LAST_OFFER: /* meant as a yes, which only 接 and the code are */
        return context->open_offers > 0 ? COMMAND_LIST_CODES : COMMAND_NONE;
    default:
        return COMMAND_NONE;
    }
}

static int settle_kind(const struct recognise_context *context, const struct reading *reading)
{
    bool has_code = reading->command.code[0] != '\0';
    switch (reading->kind) {
    case WORD_ASSENT:
        return settle_assent(context, reading);
    case WORD_HEARD:
        return context->last_sent == LAST_ALARM ? COMMAND_READ : COMMAND_NONE;
    case WORD_I_COME:
        return settle_i_come(context, reading);
    case WORD_SIGN_IN:
        return context->last_sent == LAST_ACTIVITY || context->invited ? COMMAND_ATTEND
                                                                       : COMMAND_PERSON;
    case COMMAND_CONFIRM:
    case COMMAND_DECLINE:
    case COMMAND_SWAP:
        return settle_answer(reading->kind, context, reading);
    case COMMAND_TAKE:
        return has_code ? COMMAND_TAKE : settle_take(context);
    case COMMAND_ALL_CLEAR:
    case COMMAND_START_PLAN:
    case COMMAND_STOP_PLAN:
    case COMMAND_CHECK_IN_ALL:
    case COMMAND_CLOSE_ISSUE:
    case COMMAND_REOPEN_ISSUE:
        return has_code ? reading->kind : COMMAND_LIST_CODES;
    case COMMAND_STAND_IN:
        return reading->command.arg[0] != '\0' ? COMMAND_STAND_IN : COMMAND_PERSON;
    default:
        return reading->kind;
    }
}

void recognise(const char *text, const struct recognise_context *context,
               struct command *ret_command)
{
    struct folded folded;
    fold_text(text, &folded);
    struct span span = {&folded, 0, folded.count};
    struct reading reading = {.kind = COMMAND_PERSON, .who = ALL};
    read_message(span, context, &reading);

    int kind;
    if (reading.kind == WORD_HELP_CALL)
        kind = settle_help_call(context, folded.asked);
    else if (!may_use(reading.who, context->role) || (folded.asked && !only_asks(reading.kind)))
        kind = COMMAND_PERSON;
    else
        kind = settle_kind(context, &reading);
    *ret_command = reading.command;
    ret_command->kind = (enum command_kind)kind;
    ret_command->urgent = speaks_of_danger(span);
    ret_command->is_digit = reading.is_digit;
    if (kind == COMMAND_PERSON) {
        ret_command->code[0] = '\0';
        put_arg(span, ret_command);
    }
}

const char *command_name(enum command_kind kind)
{
    static const char *const names[COMMAND_COUNT] = {
        "none",        "person",      "list_codes",   "read",       "confirm",   "decline",
        "swap",        "take",        "check_in",     "stand_in",   "check_out", "attend",
        "tasks",       "hazard",      "my_duties",    "appeal",     "query",     "dismissal",
        "subscribe",   "feedback",    "stop",         "leave",      "help",      "panic",
        "call_leader", "call_110",    "all_clear",    "go",         "handle",    "send_someone",
        "ledger",      "close_issue", "reopen_issue", "who",        "gaps",      "visit",
        "visit_end",   "flow",        "plans",        "start_plan", "stop_plan", "check_in_all",
        "enlist"};
    return kind < COMMAND_COUNT ? names[kind] : "?";
}
