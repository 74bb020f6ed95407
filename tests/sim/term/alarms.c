/* Alarms: a button at a gate of each school, pressed a few times a term at any hour; those who are
 * told read soon and go, or do not; the telephone rings with each copy and some answer it. Who goes
 * says so, and most say when it is over.
 *
 * What must hold: no press is lost (a box that was down has it on the desk when it is too old to
 * be of use); somebody has the first word within half a minute; as long as nobody goes, leader,
 * senior officer and at last the duty room have it, each in time; no copy goes out once somebody
 * goes. Where box or network are in trouble the times are not counted, and nothing is lost. */
#include "tests/sim/term/world.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"

enum {
    A_WEEK = 3, /* presses a week at a station */
    OLD_MS = 30 * CALTIME_MINUTE_MS,
    SAME_MS = 60 * CALTIME_MINUTE_MS, /* a press sooner than this counts up the open alarm */
    FIRST_MS = 30 * 1000,
    LEADERS_MS = 60 * 1000, /* leader and senior officer, behind the officers of the post */
    ROOM_MIN = 7,
    ANSWERS = 35, /* of a hundred calls */
};

void alarms_fill(struct station *station, const char *school_id)
{
    replica_run(station->replica,
                "INSERT INTO device(id, scope, school_id, post_id, product, kind)"
                " VALUES ('SOS' || ?1, ?2, ?1, ?1 || '-0', 'touyan', 'sos')",
                "ss", school_id, station->id);
}

/* Half of them while people are at the gates. */
void alarms_plan(struct station *station)
{
    struct world *world = station->world;
    station_sql(station, "CREATE TABLE sim_press(id TEXT PRIMARY KEY, device_id, at, heard)");
    for (int i = 0; i < A_WEEK * world->size.weeks; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s.sos%d", station->id, i);
        int school = (int)drawn(world, key, 1, world->size.schools);
        int day = (int)drawn(world, key, 2, 7 * world->size.weeks);
        int64_t minute = i % 2 == 0 ? drawn(world, key, 3, 1440) : 435 + drawn(world, key, 3, 60);
        if (world->school_station[school] != station->index)
            continue;
        struct event event = {.at = caltime_midnight(world->began, day) + minutes((double)minute),
                              .kind = EVENT_PRESS};
        snprintf(event.ref, sizeof event.ref, "SOSK%02d", school);
        station_put(station, &event);
    }
}

/* A button that finds no box keeps its press and tells it later. arg: when it was pressed. */
void alarms_press(struct station *station, const struct event *event)
{
    struct event later = *event;
    int64_t box = station_trouble(station, TROUBLE_BOX, event->at);
    int64_t pressed = event->arg > 0 ? event->arg : event->at;
    if (box > 0) {
        later.at = box + 20000 + below(station->world, 40000);
        later.arg = pressed;
        station_put(station, &later);
        return;
    }
    char id[128];
    snprintf(id, sizeof id, "%s:%lld", event->ref, (long long)pressed);
    note(station->world, "%s %s pressed", station->id, event->ref);
    replica_run(station->replica, "INSERT INTO sim_press VALUES (?1, ?2, ?3, ?4)", "ssii", id,
                event->ref, pressed, event->at);
    if (station->world->removed == REMOVE_BUTTON && drawn(station->world, id, 1, 4) == 0)
        return;
    struct duty_event in = {.id = id,
                            .device_id = event->ref,
                            .kind = "sos",
                            .device_at_ms = pressed,
                            .heard_at_ms = event->at,
                            .fresh = true};
    replica_enter(station->replica);
    duty_on_event(&station->duty, &in);
    replica_leave(station->replica, true);
    station->look = true;
}

/* --- the telephone --- */

void alarms_call(void *ctx, const struct duty_call *call)
{
    struct station *station = ctx;
    char person[16];
    struct event event = {.at = station->cells.wall_ms + call->ring_ms, .kind = EVENT_CALLED};
    if (!replica_get_text(station->replica, person, sizeof person,
                          "SELECT id FROM person WHERE phone = ?1", "s", call->phone) ||
        !text_to_int(person + 1, 0, MEMBERS_MAX, &event.who))
        return;
    text_copy(event.ref, sizeof event.ref, call->ref_id);
    station_put(station, &event);
}

/* Who was called for an alarm that is taken meanwhile was rung no more. */
void alarms_called(struct station *station, const struct event *event)
{
    char phone[LIMIT_SEALED_PHONE_BYTES], key[REF_BYTES + 32];
    snprintf(key, sizeof key, "%s/%d/%lld", event->ref, event->who, (long long)event->at);
    if (!station->box || !station->network || drawn(station->world, key, 1, 100) >= ANSWERS ||
        replica_get_int(station->replica, 0, "SELECT 1 FROM alarm WHERE id = ?1 AND state = 'open'",
                        "s", event->ref) == 0 ||
        !replica_get_text(station->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s",
                          station->world->members[event->who].number))
        return;
    struct duty_call_end end = {
        .phone = phone, .ref_kind = "alarm", .ref_id = event->ref, .answered = true};
    note(station->world, "%s call to %s answered", station->id,
         station->world->members[event->who].id);
    replica_enter(station->replica);
    duty_on_call(&station->duty, &end);
    replica_leave(station->replica, true);
    station->look = true;
}

/* --- what must hold --- */

struct press {
    char id[REF_BYTES], alarm[REF_BYTES];
    int64_t heard, acked;
    bool old;
};

static bool is_calm(const struct station *station, int64_t from, int64_t to)
{
    for (int64_t t = from - CALTIME_MINUTE_MS; t <= to; t += CALTIME_MINUTE_MS / 2)
        if (station_trouble(station, TROUBLE_BOX, t) > 0 ||
            station_trouble(station, TROUBLE_NETWORK, t) > 0)
            return false;
    for (int i = 0; i < station->trouble_count; i++)
        if (station->troubles[i].kind == TROUBLE_RESTART && station->troubles[i].from >= from &&
            station->troubles[i].from <= to)
            return false;
    return true;
}

/* The first copy of the alarm to somebody of this role ("": anybody). */
static int64_t told_at(struct station *station, const struct press *press, const char *role)
{
    return replica_get_int(station->replica, INT64_MAX,
                           "SELECT min(p.submitted_at) FROM outbox o JOIN outbox_part p"
                           " ON p.message_seq = o.seq JOIN alarm_told t ON t.alarm_id = o.ref_id"
                           " AND t.phone = o.phone WHERE o.ref_kind IN ('alarm', 'alarm_bundle')"
                           " AND o.ref_id = ?1 AND p.state NOT IN ('queued', 'cancelled')"
                           " AND (?2 = '' OR t.role = ?2)",
                           "ss", press->alarm, role);
}

static void judge_level(struct station *station, const struct press *press, const char *role,
                        int64_t due_ms)
{
    int64_t due = press->heard + due_ms;
    bool wanted = press->acked == 0 || press->acked > due;
    if (wanted && is_calm(station, press->heard, due) && told_at(station, press, role) > due)
        broken(station->world, RULE_ALARM, press->heard, "%s %s: %s not told in time", station->id,
               press->id, role[0] != '\0' ? role : "nobody");
}

/* The modem may have one at that moment. */
static void judge_stop(struct station *station, const struct press *press)
{
    if (press->acked > 0 &&
        replica_get_int(station->replica, 0,
                        "SELECT count(*) FROM outbox o JOIN outbox_part p ON p.message_seq = o.seq"
                        " WHERE o.ref_kind = 'alarm' AND o.ref_id = ?1 AND o.text_id GLOB"
                        " 'O2_BUTTON*' AND p.submitted_at > ?2 + 10000",
                        "si", press->alarm, press->acked) > 0)
        broken(station->world, RULE_ALARM, press->acked, "%s %s: copies after somebody went",
               station->id, press->id);
}

static void judge(struct station *station, const struct press *press)
{
    if (press->old) {
        if (replica_get_int(station->replica, 0,
                            "SELECT 1 FROM desk_item WHERE kind = 'alarm' AND ref_id = ?1", "s",
                            press->id) == 0)
            broken(station->world, RULE_ALARM, press->heard, "%s %s: an old press is lost",
                   station->id, press->id);
        return;
    }
    if (press->alarm[0] == '\0') {
        broken(station->world, RULE_ALARM, press->heard, "%s %s is lost", station->id, press->id);
        return;
    }
    judge_level(station, press, "", FIRST_MS);
    judge_level(station, press, "leader", LEADERS_MS);
    judge_level(station, press, "senior", LEADERS_MS);
    judge_level(station, press, "room", ROOM_MIN * CALTIME_MINUTE_MS + LEADERS_MS);
    judge_stop(station, press);
}

/* Presses of the day that are the first of their alarm; one at the same place belongs to the open
 * alarm, which has been told. */
void alarms_check(struct station *station, int64_t midnight)
{
    struct press list[64];
    int count = 0;
    struct query *q = replica_query(
        station->replica,
        "SELECT s.id, coalesce(a.id, ''), s.heard, coalesce(a.acked_at, 0),"
        " s.heard - s.at > ?3 FROM sim_press s LEFT JOIN alarm a ON"
        " a.device_id = s.device_id AND a.raised_at = s.at WHERE s.heard >= ?1 AND s.heard < ?2"
        " AND NOT EXISTS (SELECT 1 FROM alarm b WHERE b.device_id = s.device_id AND b.raised_at <"
        "  s.at AND b.raised_at > s.at - ?4 AND coalesce(b.closed_at, s.at) >= s.at)"
        " ORDER BY s.heard");
    query_int(q, 1, midnight);
    query_int(q, 2, midnight + CALTIME_DAY_MS);
    query_int(q, 3, OLD_MS);
    query_int(q, 4, SAME_MS);
    while (count < 64 && query_row(q)) {
        struct press *press = &list[count++];
        text_copy(press->id, sizeof press->id, query_get_text(q, 0));
        text_copy(press->alarm, sizeof press->alarm, query_get_text(q, 1));
        press->heard = query_get_int(q, 2);
        press->acked = query_get_int(q, 3);
        press->old = query_get_int(q, 4) != 0;
    }
    query_done(q);
    for (int i = 0; i < count; i++)
        judge(station, &list[i]);
    station->world->figures.alarms += count;
}
