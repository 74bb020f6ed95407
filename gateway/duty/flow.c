/* How many people are at a school's gates (table school_flow): the cameras' word, or, for two
 * hours, that of an officer who texts 流量 and the school and 平, 高 or 堵 (FLOW S17 heavy).
 *
 * The leader hears of it where somebody may have to be sent: 堵 at any school, and 高 at a school
 * where nobody is on duty then. Once an hour and school at most, and not at night: who sleeps
 * there is no crowd. What a person has said himself is not told to him again. */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"

enum {
    MANUAL_MS = 2 * 3600 * 1000,
    TOLD_MS = 3600 * 1000,
    OF_USE_MS = 15 * CALTIME_MINUTE_MS,
    BEFORE_MS = 10 * CALTIME_MINUTE_MS, /* guards are there a little earlier */
    SCHOOLS_MAX = 100,                  /* told at once; the rest in a minute */
};

static const char *word_of(enum text_lang lang, const char *level)
{
    static const struct {
        const char *level, *words[TEXT_LANG_COUNT];
    } words[] = {{"heavy", {"拥堵", "heavy"}}, {"peak", {"高峰", "peak"}}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (text_equal(words[i].level, level))
            return words[i].words[lang];
    return lang == TEXT_EN ? "flat" : "平峰";
}

/* --- 流量 --- */

/* "S17堵", "S17HEAVY": the recogniser has seen to it that the words are a school and a level. */
static const char *level_of(char *words)
{
    static const struct {
        const char *word, *level;
    } endings[] = {{"堵", "heavy"},    {"高", "peak"},   {"平", "flat"},
                   {"HEAVY", "heavy"}, {"PEAK", "peak"}, {"FLAT", "flat"}};
    size_t size = strlen(words);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t length = strlen(endings[i].word);
        if (size > length && strcmp(words + size - length, endings[i].word) == 0) {
            words[size - length] = '\0';
            return endings[i].level;
        }
    }
    return NULL;
}

void flow_command(struct duty *duty, const struct incoming *in)
{
    char words[COMMAND_ARG_SIZE], school_id[DUTY_ID_SIZE], school[DUTY_NAME_SIZE] = "";
    char end[CALTIME_CLOCK_SIZE];
    recognise_fold(in->command.arg, words, sizeof words);
    const char *level = level_of(words);
    if (level == NULL || !school_named(duty, words, school_id)) {
        desk_not_understood(duty, in);
        return;
    }
    int64_t until = duty->now_ms + MANUAL_MS;
    replica_run(duty->replica,
                "INSERT INTO school_flow(school_id, level, level_at, people, counted_at, manual,"
                " manual_until) VALUES (?1, 'flat', ?2, 0, 0, ?3, ?4)"
                " ON CONFLICT(school_id) DO UPDATE SET manual = excluded.manual,"
                " manual_until = excluded.manual_until",
                "sisi", school_id, duty->now_ms, level, until);
    replica_get_text(duty->replica, school, sizeof school,
                     "SELECT coalesce(nullif(short, ''), name) FROM school WHERE id = ?1", "s",
                     school_id);
    caltime_format_clock(until, end);
    struct text_fields fields = {.school = school, .reason = word_of(in->lang, level), .end = end};
    answer(duty, in, TEXT_F1_NOTED, &fields);
}

/* --- the leader --- */

struct crowd {
    char school_id[DUTY_ID_SIZE];
    char station_id[DUTY_ID_SIZE];
    char school[DUTY_NAME_SIZE];
    char code[16];
    char level[8];
    int people, on_post;
    int64_t level_at;
};

static bool crowd_load(struct duty *duty, const char *school_id, struct crowd *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT f.school_id, coalesce(s.station_id, ''), coalesce(nullif(s.short, ''), s.name),"
        " s.code, f.level, f.people, f.level_at, (SELECT count(*) FROM slot WHERE school_id = s.id"
        "  AND state = 'on_post' AND start_at <= ?2 AND end_at > ?3)"
        " FROM school_flow f JOIN school s ON s.id = f.school_id WHERE f.school_id = ?1");
    query_text(q, 1, school_id);
    query_int(q, 2, duty->now_ms + BEFORE_MS);
    query_int(q, 3, duty->now_ms);
    const struct {
        char *at;
        size_t size;
    } fields[] = {{ret->school_id, sizeof ret->school_id},
                  {ret->station_id, sizeof ret->station_id},
                  {ret->school, sizeof ret->school},
                  {ret->code, sizeof ret->code},
                  {ret->level, sizeof ret->level}};
    bool found = query_row(q);
    for (int i = 0; found && i < 5; i++) {
        const char *text = query_get_text(q, i);
        text_copy(fields[i].at, fields[i].size, text == NULL ? "" : text);
    }
    if (found) {
        ret->people = (int)query_get_int(q, 5);
        ret->level_at = query_get_int(q, 6);
        ret->on_post = (int)query_get_int(q, 7);
    }
    query_done(q);
    return found;
}

static int64_t tell_crowd(struct duty *duty, const char *school_id)
{
    struct crowd crowd;
    struct person leader;
    if (!crowd_load(duty, school_id, &crowd))
        return DUTY_NEVER;
    const char *station = crowd.station_id[0] != '\0' ? crowd.station_id : duty->options.station_id;
    if (!lead_find(duty, station, 2, &leader) ||
        !step_once(duty, duty->now_ms + DUTY_KEEP_MS, "F2:%s:%s:%lld", school_id, crowd.level,
                   (long long)crowd.level_at) ||
        !step_once(duty, duty->now_ms + DUTY_KEEP_MS, "F2:%s:%s:h%lld", school_id, crowd.level,
                   (long long)(duty->now_ms / TOLD_MS)))
        return DUTY_NEVER;
    struct text_fields fields = {.school = crowd.school,
                                 .school_code = crowd.code,
                                 .count = crowd.people,
                                 .need = crowd.on_post,
                                 .reason = word_of(say_lang(duty, leader.lang), crowd.level)};
    struct say what = {.text = TEXT_F2_CROWD,
                       .phone = leader.phone,
                       .lang = leader.lang,
                       .prio = DUTY_PRIO_DUTY,
                       .not_after = duty->now_ms + OF_USE_MS,
                       .ref_kind = "flow",
                       .ref_id = crowd.school_id};
    say(duty, &what, &fields, "F2:%s:%s:%lld", school_id, crowd.level, (long long)crowd.level_at);
    return DUTY_NEVER;
}

void flow_tick(struct duty *duty)
{
    if (times_quiet(&duty->options.policy, duty->now_ms))
        return;
    struct query *q = replica_query(
        duty->replica,
        "SELECT f.school_id FROM school_flow f WHERE f.manual_until <= ?1 AND f.level_at > ?1 - ?3"
        " AND (f.level = 'heavy' OR (f.level = 'peak' AND NOT EXISTS (SELECT 1 FROM slot s"
        "  WHERE s.school_id = f.school_id AND s.published AND s.start_at <= ?1 + ?2"
        "  AND s.end_at > ?1)))"
        " AND NOT EXISTS (SELECT 1 FROM duty_step WHERE key ="
        "  'F2:' || f.school_id || ':' || f.level || ':' || f.level_at) LIMIT ?4");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, BEFORE_MS);
    query_int(q, 3, OF_USE_MS);
    query_int(q, 4, SCHOOLS_MAX);
    rows_each(duty, q, tell_crowd);
}
