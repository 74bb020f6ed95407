/* See duty_world.h. */
#include "tests/unit/duty_world.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { TICKS_MAX = 4000 };

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static void send(void *ctx, const struct duty_message *m)
{
    struct world *w = ctx;
    if (m->not_after_ms <= w->cells.wall_ms)
        fail_msg("%s (%s) is too late when it is said", m->text_id, m->idem);
    assert_true(m->not_before_ms < m->not_after_ms);
    assert_non_null(m->ref_id);
    if (m->air != NULL)
        replica_run(w->replica,
                    "INSERT OR IGNORE INTO aired(idem, phone, text_id, ref_kind, ref_id, at)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    "sssssi", m->idem, m->phone, m->text_id, m->ref_kind, m->ref_id,
                    w->cells.wall_ms);
    if (m->air_only)
        return;
    replica_run(w->replica,
                "INSERT OR IGNORE INTO sent(idem, phone, text, prio, not_before, not_after,"
                " ref_kind, ref_id, text_id, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                "sssiiisssi", m->idem, m->phone, m->text, (int64_t)m->prio, m->not_before_ms,
                m->not_after_ms, m->ref_kind, m->ref_id, m->text_id, w->cells.wall_ms);
}

/* As an outbox with a modem at hand does: only what waits for its time can still be cancelled. */
static int cancel(void *ctx, const char *ref_kind, const char *ref_id, const char *phone,
                  const char *reason)
{
    struct world *w = ctx;
    assert_non_null(reason);
    int64_t since = w->no_modem_since > 0 ? w->no_modem_since : INT64_MAX;
    replica_run(w->replica,
                "UPDATE aired SET cancelled = 1 WHERE ref_kind = ?1 AND ref_id = ?2 AND at >= ?3"
                " AND (?4 IS NULL OR phone = ?4)",
                "ssis", ref_kind, ref_id, since, phone);
    return (int)replica_run(w->replica,
                            "UPDATE sent SET cancelled = 1 WHERE ref_kind = ?1 AND ref_id = ?2"
                            " AND (not_before > ?3 OR at >= ?4) AND NOT cancelled"
                            " AND (?5 IS NULL OR phone = ?5)",
                            "ssiis", ref_kind, ref_id, w->cells.wall_ms, since, phone);
}

static void cancel_phone(void *ctx, const char *phone, const char *reason)
{
    struct world *w = ctx;
    assert_non_null(reason);
    replica_run(w->replica, "UPDATE sent SET cancelled = 1 WHERE phone = ?1 AND not_before > ?2",
                "si", phone, w->cells.wall_ms);
}

static void erase_phone(void *ctx, const char *phone)
{
    struct world *w = ctx;
    replica_run(w->replica, "INSERT INTO erased(phone) VALUES (?1)", "s", phone);
}

static void forget_phone(void *ctx, const char *phone)
{
    struct world *w = ctx;
    replica_run(w->replica, "INSERT INTO erased(phone) VALUES ('gone ' || ?1)", "s", phone);
}

static int reach(void *ctx, int prio, int64_t until_ms)
{
    struct world *w = ctx;
    (void)prio;
    (void)until_ms;
    return w->reach;
}

static void call(void *ctx, const struct duty_call *call)
{
    struct world *w = ctx;
    replica_run(w->replica,
                "INSERT OR IGNORE INTO rung(idem, phone, ref_id, ring_ms, state)"
                " VALUES (?1, ?2, ?3, ?4, 'queued')",
                "sssi", call->idem, call->phone, call->ref_id, (int64_t)call->ring_ms);
}

static void cancel_calls(void *ctx, const char *ref_kind, const char *ref_id, const char *phone,
                         bool ringing)
{
    struct world *w = ctx;
    (void)ref_kind;
    replica_run(w->replica,
                "UPDATE rung SET state = 'cancelled' WHERE ref_id = ?1 AND (state = 'queued' OR ?2)"
                " AND (?3 IS NULL OR phone = ?3)",
                "sis", ref_id, (int64_t)ringing, phone);
}

void world_restart(struct world *w)
{
    struct duty_options options = {
        .station_id = "S0117",
        .station_name = "城东派出所",
        .signature = "突泉护学",
        .lang = "zh-CN",
        .country = "86",
        .area_code = "0482",
        .policy = duty_policy_default(),
    };
    struct duty_ports ports = {w,     send, cancel,      cancel_phone, erase_phone, forget_phone,
                               reach, call, cancel_calls};
    duty_init(&w->duty, w->replica, &w->rnd, &options, &ports);
}

static void phone_of(const char *id, char ret[32])
{
    if (id[0] == '+') {
        text_copy(ret, 32, id);
        return;
    }
    unsigned sum = 0;
    for (const char *c = id; *c != '\0'; c++)
        sum = (sum * 131 + (unsigned char)*c) % 1000000;
    snprintf(ret, 32, "+8610000%06u", sum);
}

static void people(struct world *w)
{
    world_person(w, "L", "police", "王建国", "");
    world_person(w, "G", "police", "陈国栋", "");
    world_person(w, "Z", "desk", "值班室", "");
    world_person(w, "O1", "police", "阿拉坦其木格", "S17");
    world_person(w, "O2", "auxiliary", "张伟", "S17");
    world_person(w, "O3", "police", "杨涛", "S18");
    world_person(w, "V1", "parent", "李娜", "S17");
    world_person(w, "V2", "teacher", "郑丽", "S17");
    world_person(w, "V3", "yijing", "马娜", "S17");
    world_person(w, "V4", "parent", "何丽", "S17");
    for (int i = 1; i <= 8; i++) {
        char id[8], name[16];
        snprintf(id, sizeof id, "C%d", i);
        snprintf(name, sizeof name, "候补%d", i);
        world_person(w, id, i % 2 == 0 ? "teacher" : "parent", name, "S17");
    }
    world_person(w, "D1", "parent", "东一", "S18");
    world_person(w, "D2", "teacher", "东二", "S18");
    world_person(w, "D3", "teacher", "东三", "S18");
    world_sql(w, "UPDATE person SET senior = 1 WHERE id = 'G'");
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind) SELECT 'a' || id, scope, id,"
                 " 'offer' FROM person WHERE id GLOB '[CD][0-9]'");
}

static void places(struct world *w)
{
    world_sql(w, "INSERT INTO org(id, scope, kind, name, public_phone) VALUES"
                 " ('S0117', '*', 'station', '城东派出所', '0482-5100117')");
    world_sql(w, "INSERT INTO school(id, scope, code, name, short, station_id) VALUES"
                 " ('S17', 'S0117', 'S17', '突泉县第二实验小学', '第二实验小学', 'S0117'),"
                 " ('S18', 'S0117', 'S18', '突泉县育才小学', '育才小学', 'S0117')");
    world_sql(w, "INSERT INTO post(id, scope, school_id, name, short, kind, need, active) VALUES"
                 " ('S17-E', 'S0117', 'S17', '东门岗', '东门', 'gate', 2, 1),"
                 " ('S17-N', 'S0117', 'S17', '北门岗', '北门', 'gate', 1, 1),"
                 " ('S18-M', 'S0117', 'S18', '正门岗', '正门', 'gate', 2, 1)");
    world_sql(w, "INSERT INTO duty_lead(id, scope, org_id, date, from_min, to_min, person_id,"
                 " level) VALUES ('l2', 'S0117', 'S0117', '', 0, 1440, 'L', 2),"
                 " ('l4', 'S0117', 'S0117', NULL, 0, 1440, 'Z', 4)");
    world_sql(w, "INSERT INTO sponsor(id, scope, senior_id, school_id) VALUES"
                 " ('s17', 'S0117', 'G', 'S17'), ('s18', 'S0117', 'G', 'S18')");
    world_sql(w, "INSERT INTO device(id, scope, school_id, post_id, product, kind) VALUES"
                 " ('FT17', 'S0117', 'S17', 'S17-E', 'mqtt_face', 'face'),"
                 " ('SOS17', 'S0117', 'S17', 'S17-E', 'touyan', 'sos'),"
                 " ('SOS18', 'S0117', 'S18', 'S18-M', 'touyan', 'sos')");
    world_sql(w, "INSERT INTO badge(id, scope, device_id, number, person_id) VALUES"
                 " ('b1', 'S0117', 'FT17', '1', 'O1'), ('b2', 'S0117', 'FT17', '2', 'V1'),"
                 " ('b3', 'S0117', NULL, '2', 'D1')");
}

int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    log_set_sink(swallow, NULL);
    w->reach = 1000;
    w->cells.wall_ms = world_ms("2026-09-07", "12:00");
    w->clock = clock_manual(&w->cells);
    w->rnd = rnd_seeded(7);
    w->seal = seal_for_test();
    struct replica_options options = {
        .path = ":memory:", .clock = &w->clock, .rnd = &w->rnd, .seal = w->seal};
    struct err err;
    if (replica_open(&options, &w->replica, &err) != ERR_OK)
        fail_msg("%s", err.text);
    world_sql(w, "CREATE TABLE sent(seq INTEGER PRIMARY KEY, idem TEXT UNIQUE, phone, text, prio,"
                 " not_before, not_after, ref_kind, ref_id, text_id, at, cancelled DEFAULT 0)");
    world_sql(w, "CREATE TABLE aired(idem UNIQUE, phone, text_id, ref_kind, ref_id, at,"
                 " cancelled DEFAULT 0)");
    world_sql(w, "CREATE TABLE erased(phone)");
    world_sql(w, "CREATE TABLE rung(idem UNIQUE, phone, ref_id, ring_ms, state)");
    world_restart(w);
    people(w);
    places(w);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    replica_close(w->replica);
    seal_close(w->seal);
    free(w);
    log_set_sink(NULL, NULL);
    return 0;
}

/* --- time --- */

int64_t world_ms(const char *date, const char *clock)
{
    int64_t midnight = 0;
    int minutes = 0;
    assert_true(caltime_parse_date(date, &midnight));
    assert_true(caltime_parse_clock(clock, &minutes));
    return midnight + (int64_t)minutes * CALTIME_MINUTE_MS;
}

void world_at(struct world *w, const char *date, const char *clock)
{
    w->cells.wall_ms = world_ms(date, clock);
}

static int64_t tick(struct world *w)
{
    replica_enter(w->replica);
    int64_t next = duty_tick(&w->duty);
    assert_string_equal(replica_problem(w->replica), ""); /* no row was given up */
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    assert_true(next > w->cells.wall_ms);
    return next;
}

void world_tick(struct world *w)
{
    tick(w);
}

void world_run(struct world *w, const char *date, const char *clock)
{
    int64_t until = world_ms(date, clock);
    for (int i = 0; i < TICKS_MAX; i++) {
        int64_t next = tick(w);
        if (w->cells.wall_ms >= until)
            return;
        w->cells.wall_ms = next < until ? next : until;
    }
    fail_msg("the tick never gets to %s %s", date, clock);
}

/* --- rows --- */

/* The texts of statements are found again by address: these are made up, so they are kept. */
int64_t world_minute(struct world *w, int minutes)
{
    return w->cells.wall_ms + (int64_t)minutes * CALTIME_MINUTE_MS;
}

void world_pass(struct world *w, int minutes)
{
    int64_t until = world_minute(w, minutes);
    char date[CALTIME_DATE_SIZE], clock[CALTIME_CLOCK_SIZE];
    caltime_format_date(until, date);
    caltime_format_clock(until, clock);
    world_run(w, date, clock);
}

void world_sql(struct world *w, const char *sql)
{
    replica_enter(w->replica);
    if (replica_run(w->replica, sql, "") < 0)
        fail_msg("%s: %s", sql, replica_problem(w->replica));
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
}

int64_t world_int(struct world *w, const char *sql)
{
    return replica_get_int(w->replica, -1, sql, "");
}

#define IN_TURN(w, call)                                                                           \
    do {                                                                                           \
        replica_enter((w)->replica);                                                               \
        assert_true((call) >= 0);                                                                  \
        assert_true(replica_leave((w)->replica, true));                                            \
        assert_true(replica_commit((w)->replica));                                                 \
    } while (0)

void world_person(struct world *w, const char *id, const char *kind, const char *name,
                  const char *school)
{
    char phone[32];
    phone_of(id, phone);
    IN_TURN(w, replica_run(w->replica,
                           "INSERT INTO person(id, scope, kind, name, station_id, school_id, phone,"
                           " lang, active) VALUES (?1, 'S0117', ?2, ?3, 'S0117', nullif(?4, ''),"
                           " seal_phone(?5), 'zh-CN', 1)",
                           "sssss", id, kind, name, school, phone));
}

void world_shift(struct world *w, const char *id, const char *post, const char *date,
                 const char *peak, const char *start, const char *end, int need)
{
    IN_TURN(w,
            replica_run(w->replica,
                        "INSERT INTO shift(id, scope, post_id, date, peak, start_at, end_at,"
                        " need, state) VALUES (?1, 'S0117', ?2, ?3, ?4, ?5, ?6, ?7, 'published')",
                        "ssssiii", id, post, date, peak, world_ms(date, start), world_ms(date, end),
                        (int64_t)need));
}

void world_assign(struct world *w, const char *shift, const char *person)
{
    char id[96];
    snprintf(id, sizeof id, "%s.%s", shift, person);
    IN_TURN(w, replica_run(w->replica,
                           "INSERT INTO assignment(id, scope, shift_id, person_id, role, state)"
                           " VALUES (?1, 'S0117', ?2, ?3, 0, 'planned')",
                           "sss", id, shift, person));
}

void world_morning(struct world *w)
{
    world_shift(w, "am", "S17-E", "2026-09-08", "am", "07:20", "08:10", 2);
    world_assign(w, "am", "O1");
    world_assign(w, "am", "V1");
    world_tick(w);
}

/* --- what comes in --- */

void world_text_sent(struct world *w, const char *from, const char *body, int64_t sent_at_ms)
{
    char number[32], phone[LIMIT_SEALED_PHONE_BYTES + 1], id[32];
    phone_of(from, number);
    assert_true(
        replica_get_text(w->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", number));
    snprintf(id, sizeof id, "in%d", ++w->texts);
    struct duty_text_in text = {
        .id = id,
        .phone = phone,
        .number = number,
        .body = body,
        .sent_at_ms = sent_at_ms,
        .heard_at_ms = w->cells.wall_ms,
        .can_answer = true,
    };
    replica_enter(w->replica);
    duty_on_text(&w->duty, &text);
    if (!replica_leave(w->replica, true))
        fail_msg("%s: taken back", body);
    assert_true(replica_commit(w->replica));
    tick(w);
}

void world_text(struct world *w, const char *from, const char *body)
{
    world_text_sent(w, from, body, w->cells.wall_ms);
}

void world_event(struct world *w, const char *device, const char *kind, const char *subject,
                 int64_t device_at_ms)
{
    char id[64];
    snprintf(id, sizeof id, "%s:%d", device, ++w->texts);
    struct duty_event event = {
        .id = id,
        .device_id = device,
        .kind = kind,
        .subject = subject,
        .device_at_ms = device_at_ms,
        .heard_at_ms = w->cells.wall_ms,
        .fresh = true,
    };
    replica_enter(w->replica);
    duty_on_event(&w->duty, &event);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    tick(w);
}

/* --- what went out --- */

static void sealed_phone(struct world *w, const char *id, char ret[LIMIT_SEALED_PHONE_BYTES + 1])
{
    char number[32];
    phone_of(id, number);
    assert_true(replica_get_text(w->replica, ret, LIMIT_SEALED_PHONE_BYTES + 1,
                                 "SELECT seal_phone(?1)", "s", number));
}

void world_ring(struct world *w, const char *from)
{
    char phone[LIMIT_SEALED_PHONE_BYTES + 1], id[32];
    sealed_phone(w, from, phone);
    snprintf(id, sizeof id, "ring%d", ++w->texts);
    struct duty_ring ring = {id, phone, w->cells.wall_ms};
    replica_enter(w->replica);
    duty_on_ring(&w->duty, &ring);
    assert_true(replica_leave(w->replica, true));
    world_tick(w);
}

int world_rung(struct world *w, const char *to)
{
    char phone[LIMIT_SEALED_PHONE_BYTES + 1];
    sealed_phone(w, to, phone);
    return (int)replica_get_int(
        w->replica, 0, "SELECT count(*) FROM rung WHERE phone = ?1 AND state <> 'cancelled'", "s",
        phone);
}

void world_answers_call(struct world *w, const char *who, bool answered)
{
    char phone[LIMIT_SEALED_PHONE_BYTES + 1], alarm[LIMIT_ID_BYTES + 1];
    sealed_phone(w, who, phone);
    assert_true(replica_get_text(w->replica, alarm, sizeof alarm,
                                 "SELECT ref_id FROM rung WHERE phone = ?1 ORDER BY rowid DESC",
                                 "s", phone));
    replica_run(w->replica, "UPDATE rung SET state = 'over' WHERE phone = ?1 AND state = 'queued'",
                "s", phone);
    struct duty_call_end end = {phone, "alarm", alarm, answered};
    replica_enter(w->replica);
    duty_on_call(&w->duty, &end);
    assert_true(replica_leave(w->replica, true));
    world_tick(w);
}

int world_count(struct world *w, const char *to, const char *text_id)
{
    char number[32];
    phone_of(to, number);
    return (int)replica_get_int(w->replica, 0,
                                "SELECT count(*) FROM sent WHERE phone = seal_phone(?1)"
                                " AND (?2 = '' OR text_id = ?2) AND NOT cancelled",
                                "ss", number, text_id);
}

int world_on_air(struct world *w, const char *to, const char *text_id)
{
    char number[32];
    phone_of(to, number);
    return (int)replica_get_int(w->replica, 0,
                                "SELECT count(*) FROM aired WHERE phone = seal_phone(?1)"
                                " AND text_id = ?2 AND NOT cancelled",
                                "ss", number, text_id);
}

int world_total(struct world *w)
{
    return (int)replica_get_int(w->replica, 0, "SELECT count(*) FROM sent WHERE NOT cancelled", "");
}

const char *world_last(struct world *w, const char *to, const char *text_id)
{
    static char text[512];
    char number[32];
    phone_of(to, number);
    text[0] = '\0';
    replica_get_text(w->replica, text, sizeof text,
                     "SELECT text FROM sent WHERE phone = seal_phone(?1)"
                     " AND (?2 = '' OR text_id = ?2) AND NOT cancelled ORDER BY seq DESC LIMIT 1",
                     "ss", number, text_id);
    return text;
}

/* The first run of exactly four digits. */
const char *world_code(struct world *w, const char *to, const char *text_id)
{
    static char code[5];
    const char *text = world_last(w, to, text_id);
    for (const char *c = text; *c != '\0'; c++) {
        size_t digits = strspn(c, "0123456789");
        if (digits == 4) {
            memcpy(code, c, 4);
            return code;
        }
        if (digits > 0)
            c += digits - 1;
    }
    fail_msg("no code in: %s", text);
    return "";
}

const char *world_state(struct world *w, const char *assignment)
{
    static char state[32];
    text_copy(state, sizeof state, "(none)");
    replica_get_text(w->replica, state, sizeof state, "SELECT state FROM assignment WHERE id = ?1",
                     "s", assignment);
    return state;
}
