/* The rows of the replica as structs, and who answers for what: the acting leader, the senior
 * officer of a school, the duty room. A row that cannot be read is as if it were not there; the
 * caller goes on with the next one. */
#include "gateway/duty/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

#define SEAT "seat:"

static void copy(char *ret, size_t size, const char *text)
{
    text_copy(ret, size, text == NULL ? "" : text);
}

void ids_collect(struct query *query, struct ids *ret)
{
    struct ids ids = {0};
    while (ids.count < DUTY_IDS_MAX && query_row(query)) {
        if (ids.count == ids.capacity) {
            int capacity = ids.capacity == 0 ? 64 : ids.capacity * 2;
            void *grown = realloc(ids.at, (size_t)capacity * sizeof ids.at[0]);
            if (grown == NULL)
                abort();
            ids.at = grown;
            ids.capacity = capacity;
        }
        const char *id = query_get_text(query, 0);
        if (id != NULL && text_copy(ids.at[ids.count], DUTY_ID_SIZE, id))
            ids.count++;
        else
            log_warn("duty.id", "an id is longer than %d bytes: left out", DUTY_ID_SIZE - 1);
    }
    if (ids.count == DUTY_IDS_MAX)
        log_warn("duty.rows", "more than %d rows in one pass; the rest follows", DUTY_IDS_MAX);
    query_done(query);
    *ret = ids;
}

void ids_free(struct ids *ids)
{
    free(ids->at);
    *ids = (struct ids){0};
}

int64_t rows_each(struct duty *duty, struct query *query,
                  int64_t (*act)(struct duty *duty, const char *id))
{
    struct ids ids;
    ids_collect(query, &ids);
    int64_t next = DUTY_NEVER;
    bool done = false;
    for (int i = 0; i < ids.count; i++) {
        replica_enter(duty->replica);
        int64_t due = act(duty, ids.at[i]);
        if (!replica_leave(duty->replica, true)) {
            log_error("duty.row", "id=%s problem=%s", ids.at[i], replica_problem(duty->replica));
            due = duty->now_ms + CALTIME_MINUTE_MS; /* its writes are taken back, the rest stands */
        }
        done = done || due == DUTY_NEVER;
        next = times_min(next, due);
    }
    if (ids.count >= DUTY_SLICE && done)
        next = duty->now_ms;
    ids_free(&ids);
    return next;
}

void part_touch(struct duty *duty, enum duty_part part)
{
    duty->part_due_ms[part] = 0;
}

static void slot_read(struct query *q, struct slot *ret)
{
    copy(ret->id, sizeof ret->id, query_get_text(q, 0));
    copy(ret->scope, sizeof ret->scope, query_get_text(q, 1));
    copy(ret->state, sizeof ret->state, query_get_text(q, 2));
    copy(ret->stands_in_for, sizeof ret->stands_in_for, query_get_text(q, 3));
    copy(ret->person_id, sizeof ret->person_id, query_get_text(q, 4));
    copy(ret->person_kind, sizeof ret->person_kind, query_get_text(q, 5));
    copy(ret->person, sizeof ret->person, query_get_text(q, 6));
    copy(ret->phone, sizeof ret->phone, query_get_text(q, 7));
    copy(ret->lang, sizeof ret->lang, query_get_text(q, 8));
    copy(ret->shift_id, sizeof ret->shift_id, query_get_text(q, 9));
    copy(ret->date, sizeof ret->date, query_get_text(q, 10));
    copy(ret->peak, sizeof ret->peak, query_get_text(q, 11));
    copy(ret->post_id, sizeof ret->post_id, query_get_text(q, 12));
    copy(ret->post, sizeof ret->post, query_get_text(q, 13));
    copy(ret->school_id, sizeof ret->school_id, query_get_text(q, 14));
    copy(ret->school, sizeof ret->school, query_get_text(q, 15));
    copy(ret->station_id, sizeof ret->station_id, query_get_text(q, 16));
    ret->start_at = query_get_int(q, 17);
    ret->end_at = query_get_int(q, 18);
    ret->answered_at = query_get_int(q, 19);
    ret->need = (int)query_get_int(q, 20);
    ret->active = query_get_int(q, 21) != 0;
    ret->published = query_get_int(q, 22) != 0;
}

/* "seat:<shift>:<number>": a place of the shift that nobody has. A post's first place is an
 * officer's when it has two. */
static bool seat_load(struct duty *duty, const char *seat, struct slot *ret)
{
    char shift[DUTY_ID_SIZE];
    const char *from = seat + sizeof SEAT - 1, *to = strrchr(seat, ':');
    if (to <= from || !text_copy_utf8(shift, sizeof shift, from, (size_t)(to - from)))
        return false;
    struct query *q = replica_query(
        duty->replica,
        "SELECT ?2, s.scope, 'declined', '', '', CASE WHEN coalesce(s.need, 1) > 1 AND NOT EXISTS"
        " (SELECT 1 FROM slot o WHERE o.shift_id = s.id AND o.person_kind IN ('police',"
        "  'auxiliary') AND o.state IN ('planned', 'asked', 'confirmed', 'swapping', 'on_post'))"
        " THEN 'police' ELSE '' END, '', '', '', s.id, s.date, s.peak, s.post_id,"
        " coalesce(nullif(po.short, ''), po.name), po.school_id,"
        " coalesce(nullif(sc.short, ''), sc.name), sc.station_id, s.start_at, s.end_at, 0,"
        " coalesce(s.need, 1), 1, s.state NOT IN ('draft', 'cancelled') FROM shift s"
        " LEFT JOIN post po ON po.id = s.post_id LEFT JOIN school sc ON sc.id = po.school_id"
        " WHERE s.id = ?1 AND s.start_at IS NOT NULL AND s.end_at IS NOT NULL");
    query_text(q, 1, shift);
    query_text(q, 2, seat);
    bool found = query_row(q);
    if (found)
        slot_read(q, ret);
    query_done(q);
    return found;
}

bool slot_load(struct duty *duty, const char *assignment_id, struct slot *ret)
{
    if (strncmp(assignment_id, SEAT, sizeof SEAT - 1) == 0)
        return seat_load(duty, assignment_id, ret);
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id, scope, state, stands_in_for, person_id, person_kind,"
                       " person_name, phone, lang, shift_id, date, peak, post_id, post, school_id,"
                       " school, station_id, start_at, end_at, answered_at, need, active, published"
                       " FROM slot WHERE assignment_id = ?1");
    query_text(q, 1, assignment_id);
    bool found = query_row(q);
    if (found)
        slot_read(q, ret);
    query_done(q);
    return found;
}

bool slot_is_ahead(const struct slot *slot)
{
    return slot->published &&
           (text_equal(slot->state, "planned") || text_equal(slot->state, "asked") ||
            text_equal(slot->state, "confirmed") || text_equal(slot->state, "swapping"));
}

bool slot_is_covered(struct duty *duty, const struct slot *slot, bool missing)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT count(*) FROM assignment WHERE shift_id = ?1 AND id <> ?2"
                           " AND (state IN ('on_post', 'done') OR ((?3 = 0 OR stands_in_for = ?2)"
                           " AND state IN ('planned', 'asked', 'confirmed', 'swapping')))",
                           "ssi", slot->shift_id, slot->id, (int64_t)missing) >= slot->need;
}

static void person_read(struct query *q, struct person *ret)
{
    copy(ret->id, sizeof ret->id, query_get_text(q, 0));
    copy(ret->kind, sizeof ret->kind, query_get_text(q, 1));
    copy(ret->name, sizeof ret->name, query_get_text(q, 2));
    copy(ret->station_id, sizeof ret->station_id, query_get_text(q, 3));
    copy(ret->school_id, sizeof ret->school_id, query_get_text(q, 4));
    copy(ret->phone, sizeof ret->phone, query_get_text(q, 5));
    copy(ret->lang, sizeof ret->lang, query_get_text(q, 6));
    ret->senior = query_get_int(q, 7) != 0;
}

static bool person_first(struct query *q, struct person *ret)
{
    bool found = query_row(q);
    if (found)
        person_read(q, ret);
    query_done(q);
    return found;
}

bool person_load(struct duty *duty, const char *person_id, struct person *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT id, kind, name, station_id, school_id, phone, lang, senior"
                       " FROM person WHERE id = ?1");
    query_text(q, 1, person_id);
    return person_first(q, ret);
}

bool person_by_phone(struct duty *duty, const char *phone, struct person *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT id, kind, name, station_id, school_id, phone, lang, senior"
        " FROM person p WHERE phone = ?1 AND coalesce(active, 1) <> 0"
        " ORDER BY kind NOT IN ('police', 'auxiliary', 'desk'),"
        " NOT EXISTS (SELECT 1 FROM assignment a JOIN shift s ON s.id = a.shift_id"
        "  WHERE a.person_id = p.id AND s.end_at > ?2 AND s.start_at < ?3), id LIMIT 1");
    query_text(q, 1, phone);
    query_int(q, 2, duty->now_ms - (int64_t)DUTY_LEFT_MS);
    query_int(q, 3, duty->now_ms + (int64_t)CALTIME_DAY_MS);
    return person_first(q, ret);
}

int person_named(struct duty *duty, const char *named, struct person *ret, struct err *err)
{
    char id[DUTY_ID_SIZE];
    if (replica_get_text(duty->replica, id, sizeof id,
                         "SELECT max(id) FROM person WHERE coalesce(active, 1) <> 0"
                         " AND (id = ?1 OR name = ?1) HAVING count(*) = 1",
                         "s", named == NULL ? "" : named) &&
        person_load(duty, id, ret))
        return ERR_OK;
    return err_set(err, ERR_NOT_FOUND,
                   "\"%.40s\" is not one person here: give the id or the whole name",
                   named == NULL ? "" : named);
}

bool person_is_officer(const char *kind)
{
    return text_equal(kind, "police") || text_equal(kind, "auxiliary");
}

bool person_stopped(struct duty *duty, const char *phone)
{
    return replica_get_int(duty->replica, 0, "SELECT 1 FROM optout WHERE phone = ?1", "s", phone) !=
           0;
}

/* Leader and senior officer are also known by their rows, so that a deputy who leads today is one.
 */
enum sender_role person_role(struct duty *duty, const struct person *person)
{
    char date[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, date);
    int64_t level = replica_get_int(
        duty->replica, 0,
        "SELECT max(level) FROM duty_lead WHERE person_id = ?1 AND coalesce(date, '') IN ('', ?2)",
        "ss", person->id, date);
    if (level == 4 || text_equal(person->kind, "desk"))
        return SENDER_DUTY_ROOM;
    if (level == 2)
        return SENDER_LEADER;
    if (person->senior)
        return SENDER_SENIOR;
    return person_is_officer(person->kind) ? SENDER_OFFICER : SENDER_VOLUNTEER;
}

/* from_min after to_min: a watch over midnight, of the day on which it begins. */
#define LEAD_NOW                                                                                   \
    " AND CASE WHEN coalesce(l.from_min, 0) < coalesce(l.to_min, 1440)"                            \
    " THEN coalesce(l.date, '') IN ('', ?3) AND coalesce(l.from_min, 0) <= ?4"                     \
    "  AND coalesce(l.to_min, 1440) > ?4"                                                          \
    " ELSE (coalesce(l.date, '') IN ('', ?3) AND l.from_min <= ?4)"                                \
    "  OR (coalesce(l.date, '') IN ('', ?5) AND l.to_min > ?4) END"

bool lead_find(struct duty *duty, const char *station_id, int level, struct person *ret)
{
    char date[CALTIME_DATE_SIZE], yesterday[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, date);
    caltime_format_date(caltime_midnight(duty->now_ms, -1), yesterday);
    int64_t minute = (duty->now_ms - caltime_midnight(duty->now_ms, 0)) / CALTIME_MINUTE_MS;
    struct query *q = replica_query(
        duty->replica,
        "SELECT p.id, p.kind, p.name, p.station_id, p.school_id, p.phone, p.lang, p.senior"
        " FROM duty_lead l JOIN person p ON p.id = l.person_id"
        " WHERE l.org_id = ?1 AND l.level = ?2" LEAD_NOW
        " AND coalesce(p.phone, '') <> '' AND coalesce(p.active, 1) <> 0"
        " ORDER BY coalesce(l.date, '') = '', l.id LIMIT 1");
    query_text(q, 1, station_id);
    query_int(q, 2, level);
    query_text(q, 3, date);
    query_int(q, 4, minute);
    query_text(q, 5, yesterday);
    return person_first(q, ret);
}

bool sponsor_find(struct duty *duty, const char *school_id, struct person *ret)
{
    char date[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, date);
    struct query *q = replica_query(
        duty->replica,
        "SELECT p.id, p.kind, p.name, p.station_id, p.school_id, p.phone, p.lang, p.senior"
        " FROM sponsor s JOIN person p ON p.id = s.senior_id"
        " WHERE s.school_id = ?1 AND coalesce(s.valid_from, '') <= ?2"
        " AND coalesce(nullif(s.valid_to, ''), '9999') >= ?2"
        " AND coalesce(p.phone, '') <> '' AND coalesce(p.active, 1) <> 0"
        " ORDER BY s.valid_from DESC, s.id LIMIT 1");
    query_text(q, 1, school_id);
    query_text(q, 2, date);
    return person_first(q, ret);
}

const char *station_of(const struct duty *duty, const struct slot *slot)
{
    return slot->station_id[0] != '\0' ? slot->station_id : duty->options.station_id;
}

static bool code_is_free(struct duty *duty, const char *code)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT EXISTS (SELECT 1 FROM prompt WHERE code = ?1)"
                           " OR EXISTS (SELECT 1 FROM offer WHERE code = ?1 AND opened_at > ?2)"
                           " OR EXISTS (SELECT 1 FROM gap WHERE code = ?1 AND base_at > ?2)"
                           " OR EXISTS (SELECT 1 FROM issue WHERE code = ?1"
                           "            AND state NOT IN ('closed', 'merged'))"
                           " OR EXISTS (SELECT 1 FROM alarm WHERE code = ?1 AND"
                           "            (state IN ('open', 'acked') OR raised_at > ?2))",
                           "si", code, duty->now_ms - (int64_t)DUTY_KEEP_MS) == 0;
}

/* A code rests for days before it is given again.
 * With all 10,000 in use the last one tried is given twice: worse than that is no alarm at all. */
void code_new(struct duty *duty, char ret[COMMAND_CODE_SIZE])
{
    for (int i = 0; i < DUTY_CODE_TRIES; i++) {
        snprintf(ret, COMMAND_CODE_SIZE, "%04d", (int)rnd_below(duty->rnd, DUTY_CODES));
        if (code_is_free(duty, ret))
            return;
    }
    for (int i = 0; i < DUTY_CODES; i++) {
        snprintf(ret, COMMAND_CODE_SIZE, "%04d", i);
        if (code_is_free(duty, ret))
            return;
    }
    log_error("duty.codes", "all %d codes are in use", DUTY_CODES);
}

bool step_once(struct duty *duty, int64_t keep_until, const char *fmt, ...)
{
    char key[DUTY_KEY_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(key, sizeof key, fmt, args);
    va_end(args);
    return replica_run(duty->replica,
                       "INSERT OR IGNORE INTO duty_step(key, at, keep_until) VALUES (?1, ?2, ?3)",
                       "sii", key, duty->now_ms, keep_until) == 1;
}

bool step_done(struct duty *duty, const char *fmt, ...)
{
    char key[DUTY_KEY_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(key, sizeof key, fmt, args);
    va_end(args);
    return replica_get_int(duty->replica, 0, "SELECT 1 FROM duty_step WHERE key = ?1", "s", key) !=
           0;
}

bool query_fields(struct query *q, const struct field *fields, size_t count)
{
    bool found = query_row(q);
    for (size_t i = 0; found && i < count; i++) {
        const char *text = query_get_text(q, (int)i);
        text_copy(fields[i].at, fields[i].size, text == NULL ? "" : text);
    }
    return found;
}
