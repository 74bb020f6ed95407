/* Texts for people; see texts.h. A template is copied, each {placeholder} filled from the fields
 * and cut to its limit. {list} is filled last of all in effect: what the other parts need is
 * counted first, and the list gets whole items for as long as they fit. Failure: none but a result
 * buffer that is too small; missing fields get a plain word. */
#include "gateway/duty/texts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/duty/unihan.h"

enum { FIELD_SIZE = 256 };

struct entry {
    const char *name;
    const char *text[TEXT_LANG_COUNT];
};

static const struct entry entries[TEXT_COUNT] = {
#define TEXT(id, zh, en) [TEXT_##id] = {#id, {zh, en}},
#include "gateway/duty/texts.def"
#undef TEXT
};

/* One kind of placeholder: where its value is and how much of it may be shown. */
struct slot {
    const char *name;
    size_t offset;
    int limit[TEXT_LANG_COUNT];
    const char *missing[TEXT_LANG_COUNT];
    bool is_number;
};

#define TEXT_SLOT(field, zh_limit, en_limit, zh_missing, en_missing)                               \
    {                                                                                              \
#field, offsetof(struct text_fields, field),                                               \
            {zh_limit, en_limit }, {zh_missing, en_missing }, false                                \
    }
#define NUMBER_SLOT(field)                                                                         \
    {                                                                                              \
#field, offsetof(struct text_fields, field), {3, 3 }, {"0", "0" }, true                    \
    }

static const struct slot slots[] = {
    TEXT_SLOT(person, TEXT_PERSON_CHARS, TEXT_PERSON_ASCII, "有人", "somebody"),
    TEXT_SLOT(other, TEXT_PERSON_CHARS, TEXT_PERSON_ASCII, "有人", "somebody"),
    TEXT_SLOT(leader, TEXT_PERSON_CHARS, TEXT_PERSON_ASCII, "值班室", "duty room"),
    TEXT_SLOT(school, TEXT_SCHOOL_CHARS, TEXT_SCHOOL_ASCII, "学校", "school"),
    TEXT_SLOT(school_code, TEXT_CODE_CHARS, TEXT_CODE_CHARS, "--", "--"),
    TEXT_SLOT(post, TEXT_POST_CHARS, TEXT_POST_ASCII, "校门", "gate"),
    TEXT_SLOT(date, TEXT_DATE_CHARS, TEXT_DATE_CHARS, "当天", "duty"),
    TEXT_SLOT(start, TEXT_CLOCK_CHARS, TEXT_CLOCK_CHARS, "--:--", "--:--"),
    TEXT_SLOT(end, TEXT_CLOCK_CHARS, TEXT_CLOCK_CHARS, "--:--", "--:--"),
    TEXT_SLOT(code, TEXT_CODE_CHARS, TEXT_CODE_CHARS, "----", "----"),
    TEXT_SLOT(phone, TEXT_PHONE_CHARS, TEXT_PHONE_CHARS, "", ""),
    TEXT_SLOT(reason, TEXT_REASON_CHARS, TEXT_REASON_ASCII, "特殊情况", "today"),
    TEXT_SLOT(list, FIELD_SIZE, FIELD_SIZE, "无", "none"),
    NUMBER_SLOT(minutes),
    NUMBER_SLOT(count),
    NUMBER_SLOT(need),
    NUMBER_SLOT(team),
};

/* What is being written, and the room it has. */
struct writer {
    enum text_lang lang;
    const struct text_fields *fields;
    char out[LIMIT_SMS_TEXT_BYTES];
    size_t size;
    int list_room; /* units for {list} */
    bool list_cut;
};

static void put(struct writer *writer, const char *text, size_t size)
{
    if (writer->size + size >= sizeof writer->out)
        return;
    memcpy(writer->out + writer->size, text, size);
    writer->size += size;
    writer->out[writer->size] = '\0';
}

/* Bytes of the longest start that has at most `limit` UTF-16 units. */
static size_t prefix_bytes(const char *text, int limit)
{
    size_t size = strlen(text), at = 0;
    uint32_t cp;
    while (at < size) {
        size_t length = text_utf8_decode(text + at, size - at, &cp);
        limit -= length == 4 ? 2 : 1;
        if (limit < 0)
            break;
        at += length > 0 ? length : 1;
    }
    return at;
}

static void spell_one(char *ret, size_t size, uint32_t cp, bool first)
{
    uint16_t sounds[UNIHAN_SOUNDS_MAX];
    const char *name = unihan_sounds(cp, sounds) > 0 ? unihan_spell(sounds[0]) : "";
    size_t at = strlen(ret);
    for (size_t i = 0; name[i] != '\0' && at + 1 < size; i++)
        ret[at++] = (char)(i == 0 && first ? name[i] : name[i] + ('a' - 'A'));
    ret[at] = '\0';
}

static bool is_plain(uint32_t cp)
{
    return cp >= ' ' && cp <= '~' && strchr("[]{}\\~^|`", (int)cp) == NULL;
}

/* Only characters of the GSM 7 bit alphabet's first table (3GPP TS 23.038 6.2.1): ASCII as it is,
 * Chinese in pinyin, '；' to ';', the rest dropped. */
static void romanise(const char *text, char *ret, size_t size)
{
    size_t total = strlen(text);
    bool first = true;
    ret[0] = '\0';
    for (size_t at = 0, length; at < total; at += length) {
        uint32_t cp = 0;
        length = text_utf8_decode(text + at, total - at, &cp);
        if (length == 0) {
            length = 1;
            continue;
        }
        cp = unihan_plain(cp);
        size_t end = strlen(ret);
        if (is_plain(cp) && end + 1 < size) {
            ret[end] = (char)cp;
            ret[end + 1] = '\0';
        } else {
            spell_one(ret, size, cp, first);
        }
        first = cp == ' ' || cp == ';' || cp == ',' || cp == ':';
    }
}

/* Removes what would break the segment or look like a field: control characters and braces. */
static void clean(const char *text, char *ret, size_t size)
{
    size_t total = strlen(text), out = 0;
    for (size_t at = 0, length; at < total; at += length) {
        uint32_t cp = 0;
        length = text_utf8_decode(text + at, total - at, &cp);
        if (length == 0) {
            length = 1;
            continue;
        }
        if (cp < ' ' || cp == 0x7f || out + length >= size)
            continue;
        memcpy(ret + out, text + at, length);
        out += length;
    }
    ret[out] = '\0';
}

/* The English form of a school is its code. */
static const char *field_text(const struct writer *writer, const struct slot *slot)
{
    const struct text_fields *fields = writer->fields;
    const char *text;
    memcpy(&text, (const char *)fields + slot->offset, sizeof text);
    if (writer->lang == TEXT_EN && slot->offset == offsetof(struct text_fields, school) &&
        fields->school_code != NULL)
        text = fields->school_code;
    return text != NULL && text[0] != '\0' ? text : slot->missing[writer->lang];
}

static void put_number(struct writer *writer, const struct slot *slot)
{
    int value;
    memcpy(&value, (const char *)writer->fields + slot->offset, sizeof value);
    value = value < 0 ? 0 : value > TEXT_NUMBER_MAX ? TEXT_NUMBER_MAX : value;
    char text[16];
    int size = snprintf(text, sizeof text, "%d", value);
    put(writer, text, (size_t)size);
}

/* Whole items while they and a closing mark fit; a first item that is too long is cut. */
static void put_list(struct writer *writer, const char *text)
{
    const char *separator = writer->lang == TEXT_ZH ? "；" : ";";
    const char *more = writer->lang == TEXT_ZH ? "…" : "..";
    int room = writer->list_room < 0 ? 0 : writer->list_room;
    size_t all = strlen(text);
    writer->list_cut = text_utf16_units(text) > room;
    if (!writer->list_cut) {
        put(writer, text, all);
        return;
    }
    size_t fits =
        prefix_bytes(text, room - text_utf16_units(more) < 0 ? 0 : room - text_utf16_units(more));
    size_t last = 0;
    for (const char *at = strstr(text, separator); at != NULL && (size_t)(at - text) <= fits;
         at = strstr(at + 1, separator))
        last = (size_t)(at - text);
    put(writer, text, last > 0 ? last : fits);
    put(writer, more, strlen(more));
}

static void put_field(struct writer *writer, const struct slot *slot)
{
    char text[FIELD_SIZE];
    if (slot->is_number) {
        put_number(writer, slot);
        return;
    }
    if (writer->lang == TEXT_EN)
        romanise(field_text(writer, slot), text, sizeof text);
    else
        clean(field_text(writer, slot), text, sizeof text);
    if (slot->offset == offsetof(struct text_fields, list))
        put_list(writer, text);
    else
        put(writer, text, prefix_bytes(text, slot->limit[writer->lang]));
}

static const struct slot *find_slot(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++)
        if (strlen(slots[i].name) == size && memcmp(slots[i].name, name, size) == 0)
            return &slots[i];
    return NULL;
}

static void put_signature(struct writer *writer)
{
    char text[FIELD_SIZE];
    const char *signature = writer->fields->signature;
    if (signature == NULL || signature[0] == '\0')
        return;
    if (writer->lang == TEXT_EN) {
        romanise(signature, text, sizeof text);
        put(writer, text, prefix_bytes(text, TEXT_SIGNATURE_ASCII));
        put(writer, ": ", 2);
        return;
    }
    clean(signature, text, sizeof text);
    put(writer, "【", strlen("【"));
    put(writer, text, prefix_bytes(text, TEXT_SIGNATURE_CHARS));
    put(writer, "】", strlen("】"));
}

static void write_all(struct writer *writer, const char *template)
{
    writer->size = 0;
    writer->out[0] = '\0';
    put_signature(writer);
    while (template[0] != '\0') {
        size_t plain = strcspn(template, "{");
        put(writer, template, plain);
        template += plain;
        if (template[0] == '\0')
            break;
        size_t name = strcspn(template, "}");
        const struct slot *slot = find_slot(template + 1, name - 1);
        assert(slot != NULL); /* the table is ours and tested */
        put_field(writer, slot);
        template += name + 1;
    }
}

static struct writer write_text(enum text_id id, enum text_lang lang,
                                const struct text_fields *fields)
{
    assert(id < TEXT_COUNT && lang < TEXT_LANG_COUNT);
    struct writer writer = {.lang = lang, .fields = fields};
    int all = lang == TEXT_ZH ? LIMIT_SEGMENT_UNITS : LIMIT_SEGMENT_SEPTETS;
    const char *template = entries[id].text[lang];
    write_all(&writer, template);
    if (strstr(template, "{list}") != NULL) {
        /* the first pass gave the list no room but its closing mark */
        int mark = lang == TEXT_ZH ? 1 : 2;
        writer.list_room = all - (text_utf16_units(writer.out) - mark);
        write_all(&writer, template);
    }
    return writer;
}

bool text_list_fits(enum text_id id, enum text_lang lang, const struct text_fields *fields)
{
    return !write_text(id, lang, fields).list_cut;
}

int text_render(enum text_id id, enum text_lang lang, const struct text_fields *fields, char *ret,
                size_t size)
{
    struct writer writer = write_text(id, lang, fields);
    return text_copy_utf8(ret, size, writer.out, writer.size) ? ERR_OK : ERR_LIMIT;
}

enum text_lang text_lang_of(const char *tag)
{
    if (tag != NULL && (strcmp(tag, "en") == 0 || strncmp(tag, "en-", 3) == 0))
        return TEXT_EN;
    return TEXT_ZH;
}

void text_date(enum text_lang lang, int64_t wall_ms, char ret[TEXT_DATE_SIZE])
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct caltime at = caltime_local(wall_ms);
    if (lang == TEXT_EN)
        snprintf(ret, TEXT_DATE_SIZE, "%d %s", at.day, months[at.month - 1]);
    else
        snprintf(ret, TEXT_DATE_SIZE, "%d月%d日", at.month, at.day);
}

void text_weekday(enum text_lang lang, int64_t wall_ms, char ret[TEXT_DATE_SIZE])
{
    static const char *const names[TEXT_LANG_COUNT][7] = {
        {"周一", "周二", "周三", "周四", "周五", "周六", "周日"},
        {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"},
    };
    snprintf(ret, TEXT_DATE_SIZE, "%s", names[lang][caltime_local(wall_ms).weekday - 1]);
}

void text_day(enum text_lang lang, int64_t wall_ms, int64_t now_ms, char ret[TEXT_DATE_SIZE])
{
    int64_t day = caltime_midnight(wall_ms, 0);
    char weekday[TEXT_DATE_SIZE];
    if (day == caltime_midnight(now_ms, 0)) {
        text_copy(ret, TEXT_DATE_SIZE, lang == TEXT_EN ? "today" : "今天");
    } else if (day == caltime_midnight(now_ms, 1) && lang == TEXT_ZH) {
        text_weekday(lang, wall_ms, weekday);
        snprintf(ret, TEXT_DATE_SIZE, "明天%.12s", weekday);
    } else {
        text_date(lang, wall_ms, ret);
    }
}

const char *text_name(enum text_id id)
{
    assert(id < TEXT_COUNT);
    return entries[id].name;
}

const char *text_template(enum text_id id, enum text_lang lang)
{
    assert(id < TEXT_COUNT && lang < TEXT_LANG_COUNT);
    return entries[id].text[lang];
}

bool text_is_question(enum text_id id)
{
    switch (id) {
    case TEXT_N1_NEW:
    case TEXT_N2_CHANGED:
    case TEXT_R1_EVE:
    case TEXT_R2_MORNING:
    case TEXT_R3_SILENT:
        return true;
    default:
        return false;
    }
}
