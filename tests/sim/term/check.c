/* What must hold, looked up in what the stations wrote and in what really happened.
 *
 * A place is an assignment that is nobody's stand-in, with all who stand in for it; it is filled
 * when one of them came. A day is judged at noon of the next one, so that what a box that was down
 * makes up for counts. */
#include "tests/sim/term/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "gateway/console/console.h"

enum {
    SHIFTS_MAX = 1024,
    PLACES_MAX = 32,
    AROUND_MS = 20 * CALTIME_MINUTE_MS,
    TEXTS_OF_A_DUTY = 4,
    WAVE_SIZE = 3,
    PHONE_DAY = 30,
    OFFICER_WEEK = 5,
    VOLUNTEER_WEEK = 2,
    QUIET_FROM = 21 * 60,
    QUIET_TO = 6 * 60 + 30,
    ASK_UNTIL = 21 * 60 + 30,
};

struct shift_seen {
    char id[REF_BYTES], date[CALTIME_DATE_SIZE];
    int64_t start_at, end_at;
    int need;
};

struct place {
    char id[REF_BYTES];
    int64_t came; /* INT64_MAX: nobody */
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- a day --- */

/* Places of a shift, also those that nobody had and somebody took ("seat:..."). */
#define CHAIN                                                                                      \
    "WITH RECURSIVE chain(root, id) AS (SELECT CASE WHEN stands_in_for LIKE 'seat:%' THEN"         \
    " stands_in_for ELSE id END, id FROM assignment WHERE shift_id = ?1 AND (stands_in_for IS"     \
    " NULL OR stands_in_for LIKE 'seat:%') UNION SELECT c.root, a.id FROM assignment a JOIN chain" \
    " c ON a.stands_in_for = c.id WHERE a.shift_id = ?1) "

static int load_places(struct station *station, const char *shift_id, struct place *ret)
{
    int count = 0;
    struct query *q =
        replica_query(station->replica, CHAIN
                      "SELECT c.root, min(coalesce(t.came, 9223372036854775807)),"
                      " max(a.state <> 'cancelled') FROM chain c JOIN assignment a ON a.id = c.id"
                      " LEFT JOIN sim_came t ON t.assignment_id = c.id GROUP BY c.root"
                      " HAVING max(a.state NOT IN ('cancelled', 'excused')) ORDER BY c.root");
    query_text(q, 1, shift_id);
    while (count < PLACES_MAX && query_row(q)) {
        text_copy(ret[count].id, sizeof ret->id, query_get_text(q, 0));
        ret[count++].came = query_get_int(q, 1);
    }
    query_done(q);
    return count;
}

/* A place (?1) of a shift (?2): whoever had it, stood in for him, stood in for that one. */
#define LINE                                                                                       \
    "WITH RECURSIVE line(id) AS (SELECT ?1 UNION SELECT a.id FROM assignment a JOIN line l ON"     \
    " a.stands_in_for = l.id WHERE a.shift_id = ?2) "

/* When the leader, or who comes after him, had a text about this place or its peak. */
static int64_t told_at(struct station *station, const struct shift_seen *shift, const char *place)
{
    int64_t at = replica_get_int(
        station->replica, INT64_MAX,
        LINE "SELECT min(p.sent_at) FROM outbox o JOIN outbox_part p ON p.message_seq = o.seq"
             " WHERE o.ref_kind IN ('gap', 'answer') AND o.ref_id IN (SELECT id FROM line) AND"
             " o.text_id IN ('E1_LEADER', 'E1B_LEFT', 'E2_SENIOR', 'E5_FOUND', 'E6_NOT_FOUND')"
             " AND p.state <> 'failed'",
        "ss", place, shift->id);
    return earlier(
        at, replica_get_int(station->replica, INT64_MAX,
                            "SELECT min(p.sent_at) FROM shift s JOIN outbox o ON o.ref_kind ="
                            " 'storm' AND o.ref_id = s.id JOIN outbox_part p ON p.message_seq ="
                            " o.seq WHERE s.start_at = ?1 AND o.text_id = 'E3_STORM'",
                            "i", shift->start_at));
}

static bool is_troubled(const struct station *station, int64_t at)
{
    for (int64_t t = at - AROUND_MS; t <= at + REACH_MS; t += CALTIME_MINUTE_MS)
        if (station_trouble(station, TROUBLE_BOX, t) > 0 ||
            station_trouble(station, TROUBLE_NETWORK, t) > 0)
            return true;
    return false;
}

static void add_wait(struct world *world, int64_t seconds)
{
    if (world->wait_count == world->wait_room) {
        world->wait_room = world->wait_room == 0 ? 1024 : 2 * world->wait_room;
        world->waits_s = realloc(world->waits_s, world->wait_room * sizeof *world->waits_s);
        if (world->waits_s == NULL)
            give_up("no memory");
    }
    world->waits_s[world->wait_count++] = seconds;
}

/* Somebody is missing when the duty begins. */
static void judge_absence(struct station *station, const struct shift_seen *shift,
                          const struct place *place)
{
    struct world *world = station->world;
    if (place->came <= shift->start_at)
        return;
    if (is_troubled(station, shift->start_at)) {
        world->figures.apart++;
        return;
    }
    int64_t known = earlier(place->came, told_at(station, shift, place->id));
    world->figures.absences++;
    world->figures.reached += known <= shift->start_at + REACH_MS;
    int64_t wait = known == INT64_MAX ? 99999 : (known - shift->start_at) / 1000;
    add_wait(world, wait < 0 ? 0 : wait);
    if (known > shift->start_at + REACH_MS)
        note(world, "%s late: %s %s after %" PRId64 " s", station->id, shift->id, place->id, wait);
}

/* A person was told at any time: a text to the leader, or an item of the desk. */
static bool was_told(struct station *station, const struct shift_seen *shift,
                     const struct place *place)
{
    if (told_at(station, shift, place->id) < INT64_MAX)
        return true;
    return replica_get_int(station->replica, 0,
                           LINE
                           "SELECT 1 FROM desk_item WHERE kind IN ('gap', 'storm') AND (ref_id IN"
                           " (SELECT id FROM line) OR ref_id IN (SELECT id FROM shift WHERE"
                           " start_at = ?3)) LIMIT 1",
                           "ssi", place->id, shift->id, shift->start_at) != 0;
}

/* E4 counts the posts that lacked somebody at that time, in the evening or before the start. */
static bool evening_told(struct station *station, const struct shift_seen *shift)
{
    int64_t at = replica_get_int(
        station->replica, 0,
        "SELECT p.sent_at FROM outbox o JOIN outbox_part p ON p.message_seq = o.seq"
        " WHERE o.ref_kind = 'evening' AND o.ref_id = ?1 AND o.text_id GLOB 'E4_*ING'"
        " AND p.sent_at IS NOT NULL",
        "s", shift->date);
    return at > 0 && replica_get_int(station->replica, 0,
                                     "SELECT count(*) FROM assignment WHERE shift_id = ?1 AND"
                                     " (state IN ('planned', 'asked', 'confirmed', 'swapping',"
                                     " 'on_post', 'done', 'no_show') OR answered_at > ?2)",
                                     "si", shift->id, at) < shift->need;
}

/* The leader published a plan with places that nobody has, on the day before or later. */
static bool plan_told(struct station *station, const struct shift_seen *shift)
{
    return replica_get_int(station->replica, 0,
                           "SELECT 1 FROM sim_gaps WHERE at BETWEEN ?1 - 86400000 AND ?1", "i",
                           shift->start_at) != 0;
}

/* The neighbour's box told the leader that this one is silent. */
static bool neighbour_told(const struct station *station, const struct shift_seen *shift)
{
    char card[16];
    snprintf(card, sizeof card, "nb%d", station->index);
    for (int i = 0; i < station->world->size.stations; i++) {
        const struct station *other = &station->world->stations[i];
        if (i != station->index &&
            replica_get_int(other->replica, 0,
                            "SELECT 1 FROM outbox o JOIN outbox_part p ON p.message_seq = o.seq"
                            " WHERE o.ref_kind = 'neighbour' AND o.ref_id = ?1"
                            " AND o.text_id = 'W1_NEIGHBOUR' AND p.sent_at BETWEEN ?2 AND ?3",
                            "sii", card, shift->start_at - 3 * 60 * (int64_t)CALTIME_MINUTE_MS,
                            shift->end_at) != 0)
            return true;
    }
    return false;
}

static void judge_shift(struct station *station, const struct shift_seen *shift)
{
    struct place places[PLACES_MAX];
    int count = load_places(station, shift->id, places);
    int64_t first = INT64_MAX;
    bool told = count == 0;
    station->world->figures.shifts++;
    for (int i = 0; i < count; i++) {
        station->world->figures.duties++;
        judge_absence(station, shift, &places[i]);
        first = earlier(first, places[i].came);
    }
    if (first <= shift->start_at + REACH_MS)
        return;
    station->world->figures.empty++;
    told = count > 0;
    for (int i = 0; i < count && told; i++)
        told = places[i].came < shift->end_at || was_told(station, shift, &places[i]);
    if (!told && !evening_told(station, shift) && !plan_told(station, shift) &&
        !neighbour_told(station, shift))
        broken(station->world, RULE_SEEN, shift->start_at, "%s %s was empty and nobody told (%d)",
               station->id, shift->id, count);
}

void check_day(struct station *station, int64_t midnight)
{
    struct shift_seen *list = calloc(SHIFTS_MAX, sizeof *list);
    char date[CALTIME_DATE_SIZE];
    int count = 0;
    caltime_format_date(midnight, date);
    struct query *q =
        replica_query(station->replica, "SELECT id, date, start_at, end_at, coalesce(need, 1) FROM"
                                        " shift WHERE start_at >= ?1 AND start_at < ?2 AND state ="
                                        " 'published' ORDER BY start_at, id");
    query_int(q, 1, midnight);
    query_int(q, 2, midnight + CALTIME_DAY_MS);
    while (list != NULL && count < SHIFTS_MAX && query_row(q)) {
        struct shift_seen *shift = &list[count++];
        text_copy(shift->id, sizeof shift->id, query_get_text(q, 0));
        text_copy(shift->date, sizeof shift->date, query_get_text(q, 1));
        shift->start_at = query_get_int(q, 2);
        shift->end_at = query_get_int(q, 3);
        shift->need = (int)query_get_int(q, 4);
    }
    query_done(q);
    if (list == NULL || count == SHIFTS_MAX)
        give_up("too many shifts a day");
    for (int i = 0; i < count; i++)
        judge_shift(station, &list[i]);
    free(list);
}

/* --- the term --- */

/* Each row is something that must not be: when, and what. */
static void none(struct station *station, enum rule rule, const char *sql)
{
    struct query *q = replica_query(station->replica, sql);
    while (query_row(q))
        broken(station->world, rule, query_get_int(q, 0), "%s %s", station->id,
               query_get_text(q, 1));
    query_done(q);
}

#define SENT                                                                                       \
    " FROM outbox o JOIN outbox_part p ON p.message_seq = o.seq AND p.submitted_at IS NOT NULL "
#define MINUTE "((p.submitted_at + 28800000) % 86400000 / 60000)"
#define WHAT "o.text_id || ' ' || o.idem"

/* By the message's own row, and by what its text is for. */
static void check_window(struct station *station)
{
    none(station, RULE_WINDOW,
         "SELECT p.submitted_at, 'outside its window: ' || " WHAT SENT
         "WHERE p.submitted_at < o.not_before_at OR p.submitted_at > o.not_after_at");
    none(station, RULE_WINDOW,
         "SELECT p.submitted_at, 'wakes people: ' || " WHAT SENT "WHERE o.prio > 0 AND (" MINUTE
         " >= 1260 OR " MINUTE " < 390) AND o.ref_kind NOT IN"
         " ('answer', 'gap') AND NOT (o.ref_kind = 'offer' AND (" MINUTE " BETWEEN 1260 AND 1290 OR"
         " EXISTS (SELECT 1 FROM offer f JOIN shift s ON s.id = f.shift_id WHERE f.id = o.ref_id"
         " AND s.date = date((p.submitted_at + 28800000) / 1000, 'unixepoch'))))");
    none(station, RULE_WINDOW,
         "SELECT p.submitted_at, 'too late to be of use: ' || " WHAT SENT
         "JOIN slot s ON s.assignment_id = o.ref_id WHERE p.submitted_at >= CASE"
         " WHEN o.text_id IN ('N1_NEW', 'N2_CHANGED', 'R2_MORNING', 'R3_SILENT') THEN s.start_at"
         " WHEN o.text_id = 'R4_MISSING' AND s.stands_in_for IS NULL THEN s.start_at + 1200000"
         " WHEN o.text_id IN ('E1_LEADER', 'E2_SENIOR', 'E6_NOT_FOUND') THEN s.end_at"
         " ELSE 9223372036854775807 END");
    none(station, RULE_WINDOW,
         "SELECT p.submitted_at, 'not in the evening before: ' || " WHAT SENT
         "JOIN slot s ON s.assignment_id = o.ref_id WHERE o.text_id = 'R1_EVE' AND NOT"
         " (p.submitted_at / 1000 BETWEEN unixepoch(s.date, '-1 day', '+10 hours')"
         " AND unixepoch(s.date, '-1 day', '+13 hours'))");
}

/* Texts about one duty of a volunteer that answer nothing of his. */
static void check_four(struct station *station)
{
    none(station, RULE_FOUR,
         "WITH about(phone, duty, at) AS (SELECT o.phone, CASE WHEN o.ref_kind = 'offer' THEN"
         " coalesce((SELECT a.id FROM offer f JOIN assignment a ON a.stands_in_for ="
         "  f.assignment_id AND a.shift_id = f.shift_id JOIN person n ON n.id = a.person_id AND"
         "  n.phone = o.phone WHERE f.id = o.ref_id LIMIT 1), o.ref_id) ELSE o.ref_id END,"
         " p.submitted_at" SENT
         "WHERE o.ref_kind IN ('notice', 'remind', 'gap', 'offer') AND o.text_id NOT LIKE 'E%')"
         " SELECT max(b.at), count(*) || ' texts about ' || b.duty FROM about b"
         " JOIN person v ON v.phone = b.phone AND v.kind NOT IN ('police', 'auxiliary', 'desk')"
         " GROUP BY b.phone, b.duty HAVING count(*) > 4");
}

struct rolling {
    char phone[LIMIT_SEALED_PHONE_BYTES];
    int64_t at[512];
    bool urgent[512];
    int count;
};

/* Of the last 24 hours at each message. */
static void roll(struct station *station, struct rolling *window, const char *phone, int64_t at,
                 bool urgent)
{
    int kept = 0, calm = 0;
    if (!text_equal(window->phone, phone))
        window->count = 0;
    text_copy(window->phone, sizeof window->phone, phone);
    for (int i = 0; i < window->count; i++)
        if (window->at[i] > at - CALTIME_DAY_MS) {
            window->at[kept] = window->at[i];
            window->urgent[kept++] = window->urgent[i];
        }
    window->at[kept] = at;
    window->urgent[kept++] = urgent;
    window->count = kept < 511 ? kept : 511;
    for (int i = 0; i < kept; i++)
        calm += !window->urgent[i];
    if (kept > 2 * PHONE_DAY || (!urgent && calm > PHONE_DAY))
        broken(station->world, RULE_CAPS, at, "%s %d texts in a day to one phone", station->id,
               kept);
}

static void check_phones(struct station *station)
{
    struct rolling *window = calloc(1, sizeof *window);
    struct query *q =
        replica_query(station->replica, "SELECT o.phone, min(p.submitted_at), o.prio <= 1" SENT
                                        "WHERE o.prio > 0 GROUP BY o.seq ORDER BY o.phone, 2");
    while (window != NULL && query_row(q))
        roll(station, window, query_get_text(q, 0), query_get_int(q, 1), query_get_int(q, 2) != 0);
    query_done(q);
    free(window);
}

static void check_caps(struct station *station)
{
    check_phones(station);
    none(station, RULE_CAPS,
         "SELECT asked_at, count(*) || ' people asked at once' FROM offer_ask"
         " GROUP BY offer_id, asked_at HAVING count(*) > 3");
    none(
        station, RULE_CAPS,
        "SELECT max(s.start_at), count(*) || ' duties in a week: ' || p.id || ' of ' || min(s.date)"
        " FROM assignment a JOIN shift s ON s.id = a.shift_id JOIN person p ON p.id = a.person_id"
        " WHERE a.id = s.id || '.' || p.id AND s.state = 'published' AND a.state IN ('planned',"
        " 'asked', 'confirmed', 'swapping', 'on_post', 'done')"
        " GROUP BY p.id, (s.start_at + 28800000 - 345600000) / 604800000"
        " HAVING count(*) > CASE WHEN p.kind IN ('police', 'auxiliary') THEN 5 ELSE 2 END");
}

/* --- the accounts --- */

/* Person-times of all months, as the console counts them. */
static int64_t account(const struct world *world, struct replica *replica,
                       struct clock_cells *cells)
{
    struct http_request request = {.method = "GET", .path = "/v1/account", .body = ""};
    int64_t sum = 0;
    for (int64_t day = caltime_midnight(world->began, -5); day < world->ends + CALTIME_DAY_MS;) {
        struct caltime now = caltime_local(day);
        cells->wall_ms = caltime_to_ms(now.year, now.month, 15, 12, 0);
        struct json *json = console_account(replica, &request);
        sum += json_int(json, "person_times", 0);
        json_free(json);
        day = caltime_to_ms(now.month == 12 ? now.year + 1 : now.year, now.month % 12 + 1, 1, 0, 0);
    }
    return sum;
}

static int64_t check_truth(struct station *station)
{
    struct world *world = station->world;
    none(station, RULE_TRUTH,
         "SELECT t.at, 'not in the accounts: ' || t.assignment_id FROM sim_truth t WHERE NOT EXISTS"
         " (SELECT 1 FROM checkin c WHERE c.assignment_id = t.assignment_id AND c.kind = 'in')");
    none(station, RULE_TRUTH,
         "SELECT c.at, 'nobody checked in: ' || c.assignment_id FROM checkin c WHERE c.kind = 'in'"
         " AND c.channel IN ('sms', 'terminal', 'call') AND c.assignment_id NOT IN"
         " (SELECT assignment_id FROM sim_truth)");
    int64_t truth = replica_get_int(station->replica, 0, "SELECT count(*) FROM sim_truth", "");
    int64_t counted = account(world, station->replica, &station->cells);
    if (truth != counted)
        broken(world, RULE_TRUTH, world->ends,
               "%s counts %" PRId64 " person-times, there were %" PRId64, station->id, counted,
               truth);
    return counted;
}

static void sum_up(struct station *station)
{
    struct figures *figures = &station->world->figures;
    struct replica *replica = station->replica;
    figures->offers += replica_get_int(replica, 0, "SELECT count(*) FROM offer", "");
    figures->stood_in += replica_get_int(
        replica, 0, "SELECT count(*) FROM assignment WHERE stands_in_for IS NOT NULL", "");
    figures->gaps +=
        replica_get_int(replica, 0, "SELECT count(*) FROM gap WHERE state = 'gap'", "");
}

void check_term(struct world *world)
{
    int64_t counted = 0;
    for (int i = 0; i < world->size.stations; i++) {
        struct station *station = &world->stations[i];
        county_exchange(station); /* each line is up at last */
        station_commit(station);
        check_window(station);
        check_four(station);
        check_caps(station);
        sum_up(station);
        counted += check_truth(station);
    }
    world->figures.person_times = counted;
    int64_t there = account(world, world->county, &world->county_cells);
    if (there != counted)
        broken(world, RULE_COUNTY, world->ends,
               "the county counts %" PRId64 " person-times, the stations %" PRId64, there, counted);
}
