/* People: what each does is drawn from the seed and the name of the duty or of the message, so that
 * it stays the same whatever happens around it.
 *
 * A duty: an hour before its start it is known who comes and when, who is late, who stays away, who
 * forgets to check in. Whoever has not been told does not come. Texts of the station are read soon
 * and answered soon, in the words that people use; at night nobody answers before the morning. */
#include "tests/sim/term/world.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"

enum {
    WAKES = 6 * 60,
    SLEEPS = 22 * 60 + 30,
    SCAN_MS = 65 * CALTIME_MINUTE_MS,
    EARLY_MS = 60 * CALTIME_MINUTE_MS,
    CENTRE_MS = 15 * CALTIME_MINUTE_MS,
};

/* A draw of a thing: the kinds must differ. */
enum draw {
    DRAW_COMES,
    DRAW_WHEN,
    DRAW_FORGETS,
    DRAW_LEAVES,
    DRAW_ANSWER,
    DRAW_DELAY,
    DRAW_WORD,
    DRAW_RINGS,
    DRAW_NAMED,
    DRAW_WHO,
};

static int64_t awake(int64_t at)
{
    int64_t minute = (at - caltime_midnight(at, 0)) / CALTIME_MINUTE_MS;
    if (minute < WAKES)
        return caltime_midnight(at, 0) + minutes(WAKES) + (at % minutes(40));
    if (minute >= SLEEPS)
        return caltime_midnight(at, 1) + minutes(WAKES) + (at % minutes(40));
    return at;
}

static void write_text(struct station *station, int who, int64_t at, const char *ref,
                       const char *words)
{
    struct event event = {.at = at, .kind = EVENT_LETTER, .who = who};
    text_copy(event.ref, sizeof event.ref, ref);
    text_copy(event.words, sizeof event.words, words);
    station_put(station, &event);
    if (who < BOX_MEMBER && drawn(station->world, ref, (int)(at % 1000), 100) == 0) {
        event.at += 9000; /* the phone says "not sent", so once more */
        station_put(station, &event);
    }
}

static int64_t soon(const struct station *station, const char *ref, int what, double least,
                    double most)
{
    int64_t span = minutes(most) - minutes(least);
    return station->cells.wall_ms + minutes(least) + drawn(station->world, ref, what, span + 1);
}

/* --- a duty --- */

/* Every distinct start of today is looked at an hour before. */
void people_day(struct station *station)
{
    int64_t midnight = caltime_midnight(station->cells.wall_ms, 0);
    struct query *q =
        replica_query(station->replica, "SELECT DISTINCT start_at FROM shift WHERE start_at >= ?1"
                                        " AND start_at < ?2 AND state = 'published'");
    query_int(q, 1, midnight);
    query_int(q, 2, midnight + CALTIME_DAY_MS);
    while (query_row(q)) {
        struct event event = {
            .at = query_get_int(q, 0) - SCAN_MS, .kind = EVENT_SCAN, .arg = query_get_int(q, 0)};
        station_put(station, &event);
    }
    query_done(q);
}

struct duty_seen {
    char id[REF_BYTES], shift[REF_BYTES], person[16];
    int64_t start_at, end_at;
    bool officer, confirmed;
};

/* Minutes after the start at which somebody comes; 1000: never. */
static double comes_at(const struct world *world, const struct duty_seen *seen)
{
    int64_t comes = drawn(world, seen->id, DRAW_COMES, 1000);
    double when = (double)drawn(world, seen->id, DRAW_WHEN, 1000) / 1000;
    int away = seen->officer ? 7 : seen->confirmed ? 15 : 80;
    if (comes < away)
        return 1000;
    if (comes < away + (seen->officer ? 30 : 60))
        return 0.5 + 18 * when;
    return -12 + 11 * when;
}

static void set_out(struct station *station, const struct duty_seen *seen, int64_t at)
{
    replica_run(station->replica,
                "INSERT OR IGNORE INTO sim_came(assignment_id, shift_id, person_id, due)"
                " VALUES (?1, ?2, ?3, ?4)",
                "sssi", seen->id, seen->shift, seen->person, at);
    struct event event = {.at = at, .kind = EVENT_ARRIVE, .arg = seen->end_at};
    text_copy(event.ref, sizeof event.ref, seen->id);
    event.who = member_of(station->world, seen->person);
    if (text_to_int(seen->person + 1, 0, MEMBERS_MAX, &event.who))
        station_put(station, &event);
}

static void read_seen(struct query *q, struct duty_seen *ret)
{
    text_copy(ret->id, sizeof ret->id, query_get_text(q, 0));
    text_copy(ret->shift, sizeof ret->shift, query_get_text(q, 1));
    text_copy(ret->person, sizeof ret->person, query_get_text(q, 2));
    ret->start_at = query_get_int(q, 3);
    ret->end_at = query_get_int(q, 4);
    ret->officer = query_get_int(q, 5) != 0;
    ret->confirmed = text_equal(query_get_text(q, 6), "confirmed");
}

#define SEEN                                                                                       \
    "SELECT assignment_id, shift_id, person_id, start_at, end_at,"                                 \
    " person_kind IN ('police', 'auxiliary'), state FROM slot s WHERE published AND state IN"      \
    " ('planned', 'asked', 'confirmed', 'swapping') AND assignment_id NOT IN"                      \
    " (SELECT assignment_id FROM sim_came) AND "

/* In place of some who do not come somebody else of the school stands there, and says so. */
static void send_other(struct station *station, const struct duty_seen *seen)
{
    const struct world *world = station->world;
    int own;
    if (seen->officer || drawn(world, seen->id, DRAW_NAMED, 100) >= 40 ||
        !text_to_int(seen->person + 1, 0, MEMBERS_MAX, &own))
        return;
    int first = (int)drawn(world, seen->id, DRAW_WHO, world->member_count);
    for (int i = 0; i < world->member_count; i++) {
        int who = (first + i) % world->member_count;
        const struct member *other = &world->members[who];
        if (who == own || !text_equal(other->school, world->members[own].school) ||
            text_equal(other->kind, "police") || text_equal(other->kind, "auxiliary"))
            continue;
        struct event event = {.at = seen->start_at - minutes(4), .kind = EVENT_NAMED, .who = who};
        text_copy(event.ref, sizeof event.ref, seen->id);
        snprintf(event.words, sizeof event.words, "替%s", world->members[own].name);
        station_put(station, &event);
        return;
    }
}

void people_scan(struct station *station, int64_t start_at)
{
    struct duty_seen list[256];
    int count = 0;
    struct query *q = replica_query(station->replica, SEEN
                                    "start_at = ?1 AND EXISTS (SELECT 1 FROM sim_told t WHERE"
                                    " t.assignment_id = s.assignment_id) ORDER BY assignment_id");
    query_int(q, 1, start_at);
    while (count < 256 && query_row(q))
        read_seen(q, &list[count++]);
    query_done(q);
    for (int i = 0; i < count; i++) {
        double after = comes_at(station->world, &list[i]);
        if (after < 900)
            set_out(station, &list[i], start_at + minutes(after));
        else
            send_other(station, &list[i]);
    }
}

/* The own school's terminal knows the face; whoever stands in elsewhere texts. */
static bool has_terminal(const struct station *station, const char *duty,
                         const struct member *member)
{
    return replica_get_int(station->replica, 0,
                           "SELECT 1 FROM device d JOIN slot s ON s.school_id = d.school_id"
                           " WHERE d.id = 'F' || ?1 AND s.assignment_id = ?2",
                           "ss", member->school, duty) != 0;
}

static void check_in(struct station *station, const struct event *event, int64_t at, bool out)
{
    static const char *const in_words[] = {"到岗", "到岗", "到岗了", "我到岗了", "到了", "已到岗"};
    const struct member *member = &station->world->members[event->who];
    int64_t word = drawn(station->world, event->ref, DRAW_WORD, 6);
    bool rings = !out && drawn(station->world, event->ref, DRAW_RINGS, 100) < 6;
    if (!has_terminal(station, event->ref, member) && rings) {
        struct event ring = {.at = at, .kind = EVENT_RING, .who = event->who};
        text_copy(ring.ref, sizeof ring.ref, event->ref);
        text_copy(ring.words, sizeof ring.words, in_words[word]);
        station_put(station, &ring);
        return;
    }
    if (!has_terminal(station, event->ref, member)) {
        write_text(station, event->who, at, event->ref, out ? "离岗" : in_words[word]);
        return;
    }
    struct event gate = {.at = at, .kind = EVENT_GATE, .who = event->who};
    text_copy(gate.ref, sizeof gate.ref, event->ref);
    text_copy(gate.words, sizeof gate.words, out ? "leave_post" : "check_in");
    station_put(station, &gate);
}

void people_arrive(struct station *station, const struct event *event)
{
    const struct world *world = station->world;
    int64_t now = station->cells.wall_ms;
    if (replica_get_int(station->replica, 0,
                        "SELECT 1 FROM slot s WHERE assignment_id = ?1 AND published AND state IN"
                        " ('planned', 'asked', 'confirmed', 'swapping', 'no_show')"
                        " AND (stands_in_for IS NOT NULL OR NOT EXISTS (SELECT 1 FROM slot o WHERE"
                        " o.person_id = s.person_id AND o.stands_in_for IS NOT NULL AND o.state"
                        " <> 'cancelled' AND o.start_at < s.end_at AND o.end_at > s.start_at))",
                        "s", event->ref) == 0)
        return; /* has declined, was told that it is not needed, or left the round for a gate */
    replica_run(station->replica, "UPDATE sim_came SET came = ?2 WHERE assignment_id = ?1", "si",
                event->ref, now);
    if (drawn(world, event->ref, DRAW_FORGETS, 1000) >= 20)
        check_in(station, event, now + drawn(world, event->ref, DRAW_DELAY, minutes(2)), false);
    if (drawn(world, event->ref, DRAW_LEAVES, 100) < 60) {
        struct event leave = *event;
        leave.kind = EVENT_LEAVE;
        leave.at =
            event->arg + drawn(world, event->ref, DRAW_LEAVES + 100, minutes(6)) - minutes(1);
        station_put(station, &leave);
    }
}

/* Nobody picks up. Where no box answers the person writes. */
void people_ring(struct station *station, const struct event *event)
{
    char phone[LIMIT_SEALED_PHONE_BYTES], id[REF_BYTES + 16];
    const struct member *member = &station->world->members[event->who];
    if (!station->box || !station->network ||
        !replica_get_text(station->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s",
                          member->number)) {
        write_text(station, event->who, event->at + minutes(1), event->ref, event->words);
        return;
    }
    snprintf(id, sizeof id, "ring:%s", event->ref);
    note(station->world, "%s <- %s rings", station->id, member->number);
    people_heard(station, event, event->at);
    struct duty_ring ring = {.id = id, .phone = phone, .heard_at_ms = event->at};
    replica_enter(station->replica);
    duty_on_ring(&station->duty, &ring);
    replica_leave(station->replica, true);
    station->look = true;
    station->world->figures.rings++;
}

#define NAMED                                                                                      \
    " FROM slot s WHERE s.assignment_id = ?1 AND s.published AND s.start_at - ?3 <= ?2"            \
    " AND s.end_at > ?2 AND s.state IN ('planned', 'asked', 'confirmed', 'swapping', 'no_show')"

/* Who has a duty of his own then does not go. */
void people_come_for(struct station *station, const struct event *event)
{
    const struct member *member = &station->world->members[event->who];
    int64_t now = station->cells.wall_ms;
    if (replica_get_int(station->replica, 0, "SELECT count(*)" NAMED, "sii", event->ref, now,
                        (int64_t)EARLY_MS) == 0 ||
        replica_get_int(station->replica, 0,
                        "SELECT count(*) FROM slot WHERE person_id = ?1 AND start_at BETWEEN"
                        " ?2 - 7200000 AND ?2 + 7200000 AND state <> 'cancelled'",
                        "si", member->id, now) > 0)
        return;
    replica_run(station->replica,
                "INSERT OR IGNORE INTO sim_came(assignment_id, shift_id, person_id, due, came)"
                " SELECT s.assignment_id, s.shift_id, ?4, ?2, ?2" NAMED,
                "siis", event->ref, now, (int64_t)EARLY_MS, member->id);
    write_text(station, event->who, now + 5000, event->ref, event->words);
}

bool people_may_name(struct station *station, const struct event *event, int64_t sent_at)
{
    return strncmp(event->words, "替", strlen("替")) == 0 &&
           replica_get_int(station->replica, 0, "SELECT count(*)" NAMED, "sii", event->ref, sent_at,
                           (int64_t)EARLY_MS) > 0;
}

/* The place has changed hands: a person-time of who really stands there. */
void people_named(struct station *station, const struct event *event, int64_t sent_at)
{
    station->world->figures.named++;
    if (replica_run(station->replica,
                    "INSERT OR IGNORE INTO sim_truth(assignment_id, at) SELECT id, ?3 FROM"
                    " assignment WHERE stands_in_for = ?1 AND person_id = ?2 AND state = 'on_post'",
                    "ssi", event->ref, station->world->members[event->who].id, sent_at) != 1)
        broken(station->world, RULE_TRUTH, sent_at, "%s %s stands for %s and is not counted",
               station->id, station->world->members[event->who].id, event->ref);
}

void people_leave(struct station *station, const struct event *event)
{
    check_in(station, event, station->cells.wall_ms, true);
}

/* 收到 says that a text was read. */
static bool says_here(const char *words)
{
    return text_equal(words, "check_in") ||
           (strstr(words, "到") != NULL && !text_equal(words, "收到"));
}

/* A person-time for each duty whose first check-in of its time reaches us. What a phone that had no
 * network sends when the duty is over is none. */
void people_heard(struct station *station, const struct event *event, int64_t sent_at)
{
    if (!says_here(event->words) || event->ref[0] == '\0')
        return;
    replica_run(station->replica,
                "INSERT OR IGNORE INTO sim_truth(assignment_id, at) SELECT coalesce((SELECT"
                "  o.assignment_id FROM slot o WHERE s.stands_in_for IS NULL AND o.person_id ="
                "  s.person_id AND o.stands_in_for IS NOT NULL AND o.start_at < s.end_at AND"
                "  o.end_at > s.start_at AND o.end_at > ?2 AND o.state IN ('confirmed',"
                "  'on_post')), assignment_id), ?2"
                " FROM slot s WHERE assignment_id = ?1 AND published AND start_at - ?3 <= ?2"
                " AND end_at > ?2 AND state IN ('planned', 'asked', 'confirmed', 'swapping',"
                " 'on_post', 'no_show')",
                "sii", event->ref, sent_at, (int64_t)EARLY_MS);
}

/* --- what they read --- */

struct letter_read {
    char text_id[24], ref_kind[24], ref_id[REF_BYTES], code[8], phone[LIMIT_SEALED_PHONE_BYTES];
    int64_t created_at;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The last four digits that stand alone. */
static void find_code(const char *text, char ret[8])
{
    ret[0] = '\0';
    for (size_t i = 0; text[i] != '\0'; i++) {
        size_t n = 0;
        while (is_digit(text[i + n]))
            n++;
        if (n == 4)
            text_copy_utf8(ret, 8, text + i, 4);
        i += n > 0 ? n - 1 : 0;
    }
}

static bool read_letter(struct station *station, const struct event *event, struct letter_read *ret)
{
    struct query *q =
        replica_query(station->replica, "SELECT coalesce(text_id, ''), coalesce(ref_kind, ''),"
                                        " coalesce(ref_id, ''), unseal(body), phone, created_at"
                                        " FROM outbox WHERE seq = ?1");
    query_int(q, 1, event->arg);
    bool found = query_row(q);
    if (found) {
        text_copy(ret->text_id, sizeof ret->text_id, query_get_text(q, 0));
        text_copy(ret->ref_kind, sizeof ret->ref_kind, query_get_text(q, 1));
        text_copy(ret->ref_id, sizeof ret->ref_id, query_get_text(q, 2));
        find_code(query_get_text(q, 3), ret->code);
        text_copy(ret->phone, sizeof ret->phone, query_get_text(q, 4));
        ret->created_at = query_get_int(q, 5);
    }
    query_done(q);
    return found;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void answer(struct station *station, const struct event *event,
                   const struct letter_read *letter, double least, double most, const char *words)
{
    char key[REF_BYTES + 16];
    snprintf(key, sizeof key, "%lld/%s", (long long)event->arg, letter->text_id);
    write_text(station, event->who, awake(soon(station, key, DRAW_DELAY, least, most)),
               letter->ref_id, words);
}

static const char *pick(const struct station *station, const struct event *event,
                        const char *const *words, int count)
{
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)event->arg);
    return words[drawn(station->world, key, DRAW_WORD, count)];
}

/* Per cent of those who read this text; the same person reads each one with other eyes. */
static int64_t mood(const struct station *station, const struct event *event)
{
    char key[32];
    snprintf(key, sizeof key, "%s%lld", station->id, (long long)event->arg);
    return drawn(station->world, key, DRAW_ANSWER, 1000);
}

static void on_question(struct station *station, const struct event *event,
                        const struct letter_read *letter, int yes, int no, int swap)
{
    static const char *const yes_words[] = {"1", "1", "1", "能来", "好的", "１", "没问题", "1。"};
    static const char *const no_words[] = {"2", "2", "2 有事", "来不了", "请假"};
    static const char *const odd_words[] = {"收到", "几点？", "谢谢", "知道了", "哪个门"};
    int64_t how = mood(station, event);
    double most = letter->text_id[0] == 'N' ? 600 : letter->text_id[1] == '1' ? 120 : 25;
    if (how < yes)
        answer(station, event, letter, 0.5, most, pick(station, event, yes_words, 8));
    else if (how < yes + no)
        answer(station, event, letter, 1, most, pick(station, event, no_words, 5));
    else if (how < yes + no + swap)
        answer(station, event, letter, 1, most, "3");
    else if (how < yes + no + swap + 15)
        answer(station, event, letter, 1, most, pick(station, event, odd_words, 5));
}

/* R4: who stands there and forgot says so. */
static void on_missing(struct station *station, const struct event *event,
                       const struct letter_read *letter)
{
    bool there = replica_get_int(station->replica, 0,
                                 "SELECT came IS NOT NULL FROM sim_came WHERE assignment_id = ?1",
                                 "s", letter->ref_id) != 0;
    bool comes = replica_get_int(station->replica, 0,
                                 "SELECT due > ?2 FROM sim_came WHERE assignment_id = ?1", "si",
                                 letter->ref_id, station->cells.wall_ms) != 0;
    int64_t how = mood(station, event);
    if (there && how < 900)
        answer(station, event, letter, 0.3, 4, "到岗");
    else if (!there && !comes && how < 300)
        answer(station, event, letter, 0.5, 5, "来不了");
    else if (!there && comes && how < 500)
        answer(station, event, letter, 0.5, 3, "堵车，马上");
}

static void on_offer(struct station *station, const struct event *event,
                     const struct letter_read *letter)
{
    char words[WORDS_BYTES];
    int64_t how = mood(station, event);
    snprintf(words, sizeof words, "接%s", letter->code);
    if (how < 300)
        answer(station, event, letter, 0.3, 3, words);
    else if (how < 330)
        answer(station, event, letter, 1, 60, words); /* too late */
}

/* A5: on the way at once when it is for today. */
static void on_taken(struct station *station, const struct event *event)
{
    struct duty_seen seen;
    struct query *q = replica_query(station->replica, SEEN
                                    "person_id = ?1 AND stands_in_for IS NOT NULL AND end_at > ?2"
                                    " ORDER BY answered_at DESC LIMIT 1");
    query_text(q, 1, station->world->members[event->who].id);
    query_int(q, 2, station->cells.wall_ms);
    bool found = query_row(q);
    if (found)
        read_seen(q, &seen);
    query_done(q);
    if (!found)
        return;
    replica_run(station->replica, "INSERT OR IGNORE INTO sim_told VALUES (?1, ?2)", "si", seen.id,
                station->cells.wall_ms);
    int64_t now = station->cells.wall_ms;
    if (seen.start_at - SCAN_MS > now || drawn(station->world, seen.id, DRAW_COMES, 100) < 4)
        return;
    int64_t way = now + minutes(3) + drawn(station->world, seen.id, DRAW_WHEN, minutes(6));
    int64_t usual = seen.start_at - minutes(5);
    set_out(station, &seen, way > usual ? way : usual);
}

static void on_gap(struct station *station, const struct event *event,
                   const struct letter_read *letter)
{
    char words[WORDS_BYTES];
    int64_t how = mood(station, event);
    bool failed = letter->text_id[1] == '6';
    if (how < (failed ? 200 : 450))
        snprintf(words, sizeof words, "派%s", letter->code);
    else if (how < 700)
        snprintf(words, sizeof words, "处理%s", letter->code);
    else
        return;
    answer(station, event, letter, 0.5, 4, words);
}

/* Who is told of an alarm goes, or does not; most say when it is over. */
static void on_alarm(struct station *station, const struct event *event,
                     const struct letter_read *letter)
{
    char words[WORDS_BYTES];
    bool yours = starts(letter->text_id, "O2_YOURS");
    snprintf(words, sizeof words, "%s%s", yours ? "解除" : "出警", letter->code);
    if (mood(station, event) < (yours ? 700 : 120))
        answer(station, event, letter, yours ? 5 : 0.3, yours ? 40 : 4, words);
}

static void on_evening(struct station *station, const struct event *event,
                       const struct letter_read *letter)
{
    int64_t how = mood(station, event);
    if (how < 600)
        answer(station, event, letter, 1, 60, "1");
    else if (how < 800)
        answer(station, event, letter, 1, 60, "2");
}

static void on_which(struct station *station, const struct event *event,
                     const struct letter_read *letter)
{
    char words[WORDS_BYTES];
    snprintf(words, sizeof words, "%d %s", mood(station, event) < 700 ? 1 : 2, letter->code);
    if (mood(station, event) < 900)
        answer(station, event, letter, 0.5, 20, words);
}

/* Who has heard of which duty. One text may be of several. */
static void hear_of(struct station *station, const struct letter_read *letter)
{
    if (text_equal(letter->text_id, "N1_WEEK"))
        replica_run(station->replica,
                    "INSERT OR IGNORE INTO sim_told SELECT assignment_id, ?2 FROM notice"
                    " WHERE phone = ?1 AND told_at = ?3",
                    "sii", letter->phone, station->cells.wall_ms, letter->created_at);
    else if (text_equal(letter->ref_kind, "notice") || text_equal(letter->ref_kind, "remind"))
        replica_run(station->replica, "INSERT OR IGNORE INTO sim_told VALUES (?1, ?2)", "si",
                    letter->ref_id, station->cells.wall_ms);
}

/* Of a thousand who read it: how many come, cannot, want to swap. */
static bool is_question(struct station *station, const struct event *event,
                        const struct letter_read *letter)
{
    static const struct {
        const char *text;
        int yes, no, swap;
    } asks[] = {{"R1", 740, 45, 15},
                {"R3", 550, 60, 5},
                {"R2", 0, 12, 0},
                {"N1", 20, 15, 4},
                {"N2", 20, 15, 4}};
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        if (starts(letter->text_id, asks[i].text)) {
            on_question(station, event, letter, asks[i].yes, asks[i].no, asks[i].swap);
            return true;
        }
    return false;
}

static void react(struct station *station, const struct event *event,
                  const struct letter_read *letter)
{
    const char *id = letter->text_id;
    bool boss = station->world->members[event->who].school[0] == '\0';
    if (is_question(station, event, letter))
        return;
    if (starts(id, "R4"))
        on_missing(station, event, letter);
    else if (starts(id, "A4"))
        on_offer(station, event, letter);
    else if (starts(id, "A5"))
        on_taken(station, event);
    else if (starts(id, "L1"))
        on_which(station, event, letter);
    else if (starts(id, "D1"))
        answer(station, event, letter, 0.2, 25, mood(station, event) < 900 ? "收到" : "1");
    else if (starts(id, "O2_BUTTON") || starts(id, "O2_YOURS"))
        on_alarm(station, event, letter);
    else if (starts(id, "E4_EVENING"))
        on_evening(station, event, letter);
    else if (boss && (starts(id, "E1") || starts(id, "E2") || starts(id, "E6")))
        on_gap(station, event, letter);
}

/* ref: the number. A box reads, too: another station hears its letter. */
void people_read(struct station *station, const struct event *event)
{
    struct letter_read letter;
    struct event in = *event;
    int box;
    if (strncmp(event->ref, "+8613900", 8) == 0 &&
        text_to_int(event->ref + 8, 0, station->world->size.stations - 1, &box)) {
        struct station *other = &station->world->stations[box];
        struct event word = {
            .at = event->at + 1, .kind = EVENT_LETTER, .who = BOX_MEMBER + station->index};
        text_copy(word.words, sizeof word.words, "护学主机平安");
        station_put(other, &word);
        return;
    }
    if (event->who < 0 || !read_letter(station, event, &letter))
        return;
    hear_of(station, &letter);
    react(station, &in, &letter);
}

/* --- parents --- */

void people_flood(struct station *station, const struct event *event)
{
    static const struct {
        const char *words;
        bool school;
    } asks[] = {{"放学", false},
                {"几点放学", false},
                {"放学", true},
                {"放学", true},
                {"放学", true},
                {"查询", true},
                {"今天下雪还上课吗", false},
                {"谢谢", false},
                {"订阅", true}};
    struct world *world = station->world;
    note(world, "%s flood of %lld", station->id, (long long)event->arg);
    for (int i = 0; i < event->arg; i++) {
        char text[WORDS_BYTES];
        int school = (int)below(world, world->size.schools), ask = (int)below(world, 9);
        if (asks[ask].school)
            snprintf(text, sizeof text, "%sS%02d", asks[ask].words, school);
        else
            snprintf(text, sizeof text, "%s", asks[ask].words);
        write_text(station, PARENT_MEMBER + (int)below(world, 5000),
                   station->cells.wall_ms + below(world, minutes(15)), "", text);
    }
}
