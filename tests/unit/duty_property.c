/* What holds whatever happens: plans of stations made up from a seed keep every hard rule, judged
 * here by the rows alone; a published week that is planned again stays as it is; and each sequence
 * of events ends with every duty in one legal state, the same one for whatever came twice or in
 * another order. A failure names its seed. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/duty/draft/draft.h"

#define WEEK "2026-09-14" /* a Monday */
#define LIVE "('planned', 'asked', 'confirmed', 'swapping')"

enum { STATIONS = 8, STORIES = 24, STEPS = 60, ORDERS = 4, CREW = 6, DEEDS = 4 };

static int below(struct rnd *rnd, int bound)
{
    return (int)rnd_below(rnd, (uint64_t)bound);
}

/* One statement with what is bound to it, in a turn of its own. */
#define RUN(w, ...)                                                                                \
    do {                                                                                           \
        replica_enter((w)->replica);                                                               \
        assert_true(replica_run((w)->replica, __VA_ARGS__) >= 0);                                  \
        assert_true(replica_leave((w)->replica, true));                                            \
        assert_true(replica_commit((w)->replica));                                                 \
    } while (0)

/* --- plans --- */

static void make_school(struct world *w, struct rnd *rnd, int school)
{
    static const char *const kinds[] = {"gate", "patrol", "nonmotor"};
    char id[16];
    snprintf(id, sizeof id, "K%d", school);
    RUN(w,
        "INSERT INTO school(id, scope, code, name, station_id, township)"
        " VALUES (?1, 'S0117', ?1, '学校' || ?1, 'S0117', 't' || ?2)",
        "si", id, (int64_t)(school % 2));
    for (int i = 0; i < 2; i++)
        RUN(w,
            "INSERT INTO bell(id, scope, school_id, weekdays, peak, at_min)"
            " VALUES (?1 || ?2, 'S0117', ?1, 31, ?2, ?3)",
            "ssi", id, i == 0 ? "am" : "pm", (int64_t)((i == 0 ? 460 : 990) + 5 * below(rnd, 6)));
    for (int i = below(rnd, 4); i >= 0; i--)
        RUN(w,
            "INSERT INTO post(id, scope, school_id, name, kind, need, active)"
            " VALUES (?1 || '-' || ?2, 'S0117', ?1, '岗' || ?2, ?3, ?4, ?5)",
            "sisii", id, (int64_t)i, kinds[below(rnd, 3)], (int64_t)(1 + below(rnd, 3)),
            (int64_t)(below(rnd, 8) > 0));
}

static void declare(struct world *w, struct rnd *rnd, const char *id, int number, const char *kind)
{
    char from[24] = "";
    bool dated = strcmp(kind, "offer") != 0;
    if (dated)
        snprintf(from, sizeof from, "2026-09-%02d", 14 + below(rnd, 7));
    RUN(w,
        "INSERT INTO avail(id, scope, person_id, weekday, peak, kind, valid_from, valid_to)"
        " VALUES (?1 || '.' || ?2, 'S0117', ?1, nullif(?3, 0), nullif(?4, ''), ?5,"
        " nullif(?6, ''), nullif(?6, ''))",
        "siisss", id, (int64_t)number, (int64_t)(dated ? 0 : 1 + below(rnd, 7)),
        dated                ? ""
        : below(rnd, 2) == 0 ? "am"
                             : "pm",
        kind, from);
}

/* People who are asked, away, at night duty, no longer there. */
static void make_people(struct world *w, struct rnd *rnd, int schools)
{
    static const char *const kinds[] = {"police", "auxiliary", "parent", "teacher", "yijing"};
    int count = 8 + below(rnd, 30);
    for (int i = 0; i < count; i++) {
        char id[16], name[24], school[16];
        snprintf(id, sizeof id, "P%02d", i);
        snprintf(name, sizeof name, "人%d", i);
        snprintf(school, sizeof school, "K%d", below(rnd, schools));
        world_person(w, id, kinds[below(rnd, 5)], name, school);
        for (int k = below(rnd, 4); k > 0; k--)
            declare(w, rnd, id, k, "offer");
        if (below(rnd, 4) == 0)
            declare(w, rnd, id, 10, below(rnd, 2) == 0 ? "leave" : "night");
    }
    world_sql(w, "UPDATE person SET active = 0 WHERE id IN ('P03', 'P07')");
}

static void make_station(struct world *w, struct rnd *rnd)
{
    int schools = 1 + below(rnd, 4);
    world_sql(w, "UPDATE person SET active = 0");
    world_sql(w, "UPDATE post SET active = 0");
    world_sql(w, "INSERT INTO cal_day(id, scope, date, off) VALUES"
                 " ('h', '*', '2026-09-16', 1)");
    for (int i = 0; i < schools; i++)
        make_school(w, rnd, i);
    make_people(w, rnd, schools);
}

/* The week is planned and, if wanted, published. False: there is nothing to plan. */
static bool plan(struct world *w, bool publish, struct draft_diff *ret)
{
    struct draft_options options = {.station_id = "S0117",
                                    .lang = "zh-CN",
                                    .monday_ms = world_ms(WEEK, "00:00"),
                                    .now_ms = w->cells.wall_ms};
    struct draft *draft = NULL;
    struct err err = {0};
    if (draft_load(w->replica, &options, &draft, &err) != ERR_OK)
        return false;
    if (draft_solve(draft, &err) != ERR_OK)
        fail_msg("%s", err.text);
    replica_enter(w->replica);
    draft_store(w->replica, draft);
    *ret = draft_compare(w->replica, w->cells.wall_ms);
    if (publish && draft_publish(w->replica, "S0117", w->cells.wall_ms, ret, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_string_equal(replica_problem(w->replica), "");
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    draft_free(draft);
    return true;
}

/* Each statement counts what no plan may have. */
static const char *const never[] = {
    /* twice at a time */
    "SELECT count(*) FROM slot a JOIN slot b ON a.person_id = b.person_id AND a.assignment_id <"
    " b.assignment_id AND a.start_at < b.end_at AND b.start_at < a.end_at WHERE a.published AND"
    " b.published AND a.state IN " LIVE " AND b.state IN " LIVE,
    /* somebody who is not there, leads the station or is no officer of it */
    "SELECT count(*) FROM slot s JOIN person p ON p.id = s.person_id WHERE s.published AND s.state"
    " IN " LIVE " AND (p.active = 0 OR p.senior = 1 OR p.kind = 'desk' OR p.id IN"
    " (SELECT person_id FROM duty_lead))",
    /* a volunteer elsewhere, or in a slot that he did not offer */
    "SELECT count(*) FROM slot s JOIN person p ON p.id = s.person_id WHERE s.published AND s.state"
    " IN " LIVE " AND p.kind NOT IN ('police', 'auxiliary') AND (p.school_id <> s.school_id OR NOT"
    " EXISTS (SELECT 1 FROM avail v WHERE v.person_id = p.id AND v.kind = 'offer' AND v.weekday ="
    " (CAST(strftime('%w', s.date) AS INTEGER) + 6) % 7 + 1 AND v.peak = s.peak))",
    /* on leave; in the afternoon of a night duty or on the day after */
    "SELECT count(*) FROM slot s JOIN avail v ON v.person_id = s.person_id WHERE s.published AND"
    " s.state IN " LIVE
    " AND ((v.kind = 'leave' AND s.date = v.valid_from) OR (v.kind = 'night' AND"
    " ((s.date = v.valid_from AND s.peak = 'pm') OR s.date = date(v.valid_from, '+1 day'))))",
    /* more than the week's cap */
    "SELECT count(*) FROM (SELECT 1 FROM slot s WHERE s.published AND s.state IN " LIVE
    " GROUP BY s.person_id HAVING count(*) > CASE WHEN s.person_kind IN ('police', 'auxiliary')"
    " THEN 5 ELSE 2 END)",
    /* more people than places */
    "SELECT count(*) FROM (SELECT 1 FROM slot s WHERE s.published AND s.state IN " LIVE
    " GROUP BY s.shift_id HAVING count(*) > s.need)",
    /* a patrol with somebody who is no officer */
    "SELECT count(*) FROM slot s JOIN post p ON p.id = s.post_id WHERE s.published AND s.state IN"
    " " LIVE " AND p.kind = 'patrol' AND s.person_kind NOT IN ('police', 'auxiliary')",
    /* a day off, or a post that is no more */
    "SELECT count(*) FROM slot s JOIN post p ON p.id = s.post_id WHERE s.published AND s.state IN"
    " " LIVE " AND (s.date = '2026-09-16' OR p.active = 0)",
};

static void must_be_legal(struct world *w, uint64_t seed, const char *when)
{
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (world_int(w, never[i]) != 0)
            fail_msg("seed %d, %s: %s", (int)seed, when, never[i]);
}

static void must_be_stable(struct world *w, uint64_t seed, const char *when)
{
    struct draft_diff diff = {0};
    assert_true(plan(w, false, &diff));
    if (diff.added + diff.removed + diff.moved != 0)
        fail_msg("seed %d, %s: +%d -%d moved %d though nothing has changed", (int)seed, when,
                 diff.added, diff.removed, diff.moved);
}

/* Declines, leave and a new hand after the week was published. */
static void disturb(struct world *w, struct rnd *rnd)
{
    RUN(w,
        "UPDATE assignment SET state = 'declined' WHERE id IN (SELECT id FROM assignment WHERE "
        "state"
        " IN " LIVE " ORDER BY id LIMIT ?1 OFFSET ?2)",
        "ii", (int64_t)(1 + below(rnd, 3)), (int64_t)below(rnd, 5));
    declare(w, rnd, "P01", 20, "leave");
    world_person(w, "P99", "police", "新人", "K0");
}

static void plans_are_legal_and_stable(void **state)
{
    (void)state;
    int duties = 0;
    for (uint64_t seed = 1; seed <= STATIONS; seed++) {
        void *world;
        struct draft_diff diff = {0};
        struct rnd rnd = rnd_seeded(seed);
        world_setup(&world);
        make_station(world, &rnd);
        if (plan(world, true, &diff)) {
            duties += diff.added;
            must_be_legal(world, seed, "published");
            must_be_stable(world, seed, "published");
            disturb(world, &rnd);
            assert_true(plan(world, true, &diff));
            must_be_legal(world, seed, "after changes");
            must_be_stable(world, seed, "after changes");
        }
        world_teardown(&world);
    }
    assert_in_range(duties, 5 * STATIONS, 500 * STATIONS);
}

/* --- sequences of events --- */

static const char *const places[] = {"S17-E", "S17-N", "S18-M"};

static void crew_name(int i, char ret[16])
{
    snprintf(ret, 16, "W%d", i);
}

/* Tuesday 07:20 to 08:10: six people at three posts. */
static void make_crew(struct world *w)
{
    for (int i = 0; i < CREW; i++) {
        char id[16], shift[16];
        crew_name(i, id);
        snprintf(shift, sizeof shift, "t%d", i / 2);
        world_person(w, id, i % 3 == 0 ? "police" : "parent", id, i / 2 == 2 ? "S18" : "S17");
        if (i % 2 == 0)
            world_shift(w, shift, places[i / 2], "2026-09-08", "am", "07:20", "08:10", 2);
        world_assign(w, shift, id);
    }
    world_tick(w);
}

/* Each counts what must not be, at any time. */
static const char *const illegal[] = {
    "SELECT count(*) FROM assignment WHERE state NOT IN ('planned', 'asked', 'confirmed',"
    " 'declined', 'swapping', 'cancelled', 'on_post', 'done', 'no_show', 'excused')",
    /* who is or was there has come once */
    "SELECT count(*) FROM assignment a WHERE state IN ('on_post', 'done') AND (SELECT count(*) FROM"
    " checkin c WHERE c.assignment_id = a.id AND c.kind = 'in') <> 1",
    "SELECT count(*) FROM (SELECT 1 FROM checkin GROUP BY assignment_id, kind HAVING count(*) > 1)",
    "SELECT count(*) FROM checkin o WHERE kind = 'out' AND NOT EXISTS (SELECT 1 FROM checkin i"
    " WHERE i.assignment_id = o.assignment_id AND i.kind = 'in')",
    /* one stands in for one, and for nobody who is there himself */
    "SELECT count(*) FROM (SELECT 1 FROM assignment WHERE stands_in_for IS NOT NULL AND state NOT"
    " IN ('cancelled', 'declined', 'no_show') GROUP BY stands_in_for HAVING count(*) > 1)",
    /* one open question about a gap, one open offer for a duty */
    "SELECT count(*) FROM (SELECT 1 FROM offer WHERE state = 'open' GROUP BY assignment_id HAVING"
    " count(*) > 1)",
    "SELECT count(*) FROM offer o JOIN assignment a ON a.id = o.assignment_id WHERE o.state ="
    " 'open' AND a.state IN ('on_post', 'done')",
};

/* The same when all is over. Whom a storm hid is on record as a gap and is not held to have stayed
 * away. */
static const char *const unfinished[] = {
    "SELECT count(*) FROM assignment a WHERE state = 'on_post' OR (state IN " LIVE " AND NOT EXISTS"
    " (SELECT 1 FROM gap g WHERE g.assignment_id = a.id AND g.state = 'gap'))",
    "SELECT count(*) FROM offer WHERE state = 'open'",
    "SELECT count(*) FROM gap WHERE state IN ('open', 'acked')",
};

static void must_hold(struct world *w, uint64_t seed, int step, const char *const *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (world_int(w, rules[i]) != 0)
            fail_msg("seed %d, step %d: %s", (int)seed, step, rules[i]);
}

/* With the newest code that this person was sent, or one that nobody has. */
static void text_with_code(struct world *w, const char *from, const char *word, const char *text_id)
{
    char body[32];
    bool has = world_last(w, from, text_id)[0] != '\0';
    snprintf(body, sizeof body, "%s%s", word, has ? world_code(w, from, text_id) : "0000");
    world_text(w, from, body);
}

static void roster_changes(struct world *w, struct rnd *rnd, const char *id)
{
    static const char *const states[] = {"cancelled", "excused", "planned"};
    replica_set_applying(w->replica, below(rnd, 2) == 0); /* the county's word, or the station's */
    RUN(w,
        "UPDATE assignment SET state = ?1 WHERE person_id = ?2 AND state IN " LIVE
        " AND stands_in_for IS NULL",
        "ss", states[below(rnd, 3)], id);
    replica_set_applying(w->replica, false);
    world_tick(w);
}

static void event(struct world *w, struct rnd *rnd)
{
    static const char *const words[] = {"1", "2", "3", "到岗", "离岗", "收到", "来不了", "到岗"};
    char id[16], other[16];
    crew_name(below(rnd, CREW), id);
    snprintf(other, sizeof other, "C%d", 1 + below(rnd, 8));
    switch (below(rnd, 10)) {
    case 0:
        text_with_code(w, other, "接", "A4_OFFER");
        break;
    case 1:
        world_text(w, other, "到岗");
        break;
    case 2:
        text_with_code(w, "L", "派", "E1_LEADER");
        break;
    case 3:
        text_with_code(w, "L", below(rnd, 2) == 0 ? "处理" : "派", "E6_NOT_FOUND");
        break;
    case 4:
        roster_changes(w, rnd, id);
        break;
    case 5:
        world_restart(w);
        break;
    default:
        world_text(w, id, words[below(rnd, 8)]);
        break;
    }
}

static void every_story_ends_legal(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STORIES; seed++) {
        void *world;
        struct rnd rnd = rnd_seeded(seed);
        world_setup(&world);
        struct world *w = world;
        make_crew(w);
        int64_t at = world_ms("2026-09-07", "17:00");
        for (int step = 0; step < STEPS; step++) {
            char date[CALTIME_DATE_SIZE], clock[CALTIME_CLOCK_SIZE];
            bool morning = at >= world_ms("2026-09-08", "06:50");
            at += (int64_t)below(&rnd, morning ? 4 : 120) * CALTIME_MINUTE_MS;
            caltime_format_date(at, date);
            caltime_format_clock(at, clock);
            world_run(w, date, clock);
            event(w, &rnd);
            must_hold(w, seed, step, illegal, sizeof illegal / sizeof illegal[0]);
        }
        world_run(w, "2026-09-09", "12:00");
        must_hold(w, seed, STEPS, illegal, sizeof illegal / sizeof illegal[0]);
        must_hold(w, seed, STEPS, unfinished, sizeof unfinished / sizeof unfinished[0]);
        world_teardown(&world);
    }
}

/* --- the same in any order --- */

struct deed {
    int minute; /* after 07:00 */
    char word[16];
};

/* What each of the crew says and when; not two at the same minute. */
static void write_deeds(struct rnd *rnd, struct deed deeds[CREW][DEEDS])
{
    static const char *const words[] = {"1", "到岗", "离岗", "2", "到岗", "3"};
    for (int i = 0; i < CREW; i++)
        for (int k = 0; k < DEEDS; k++) {
            deeds[i][k].minute = k * 20 + below(rnd, 3) * 5;
            snprintf(deeds[i][k].word, sizeof deeds[i][k].word, "%s", words[below(rnd, 6)]);
        }
}

static void hand_over(struct world *w, const char *from, const char *id, const char *body)
{
    char number[LIMIT_SEALED_PHONE_BYTES + 1];
    replica_get_text(w->replica, number, sizeof number, "SELECT phone FROM person WHERE id = ?1",
                     "s", from);
    struct duty_text_in text = {.id = id,
                                .phone = number,
                                .number = "",
                                .body = body,
                                .sent_at_ms = w->cells.wall_ms,
                                .heard_at_ms = w->cells.wall_ms,
                                .can_answer = true};
    replica_enter(w->replica);
    duty_on_text(&w->duty, &text);
    assert_true(replica_leave(w->replica, true));
}

/* All that is said at one minute, in an order of its own; each comes once, twice or thrice. */
static void one_minute(struct world *w, struct deed deeds[CREW][DEEDS], int minute,
                       struct rnd *shuffle)
{
    int order[CREW] = {0};
    for (int i = 0; i < CREW; i++) {
        int j = shuffle == NULL ? i : below(shuffle, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (int i = 0; i < CREW; i++)
        for (int k = 0; k < DEEDS; k++)
            for (int copies = shuffle == NULL ? 1 : 1 + below(shuffle, 3); copies > 0; copies--) {
                char from[16], id[24];
                crew_name(order[i], from);
                snprintf(id, sizeof id, "%d.%d", order[i], k);
                if (deeds[order[i]][k].minute == minute)
                    hand_over(w, from, id, deeds[order[i]][k].word);
            }
    assert_true(replica_commit(w->replica));
}

/* The states of all and what is on record of them, as a text. */
static void live_through(struct deed deeds[CREW][DEEDS], struct rnd *shuffle, char *ret,
                         size_t size)
{
    void *world;
    world_setup(&world);
    struct world *w = world;
    world_sql(w, "UPDATE person SET active = 0 WHERE id GLOB '[CD][0-9]'"); /* nobody to ask */
    make_crew(w);
    world_run(w, "2026-09-07", "20:00");
    for (int minute = 0; minute < 100; minute += 5) {
        char clock[CALTIME_CLOCK_SIZE];
        snprintf(clock, sizeof clock, "%02d:%02d", 7 + minute / 60, minute % 60);
        world_run(w, "2026-09-08", clock);
        one_minute(w, deeds, minute, shuffle);
        if (shuffle != NULL && below(shuffle, 4) == 0)
            world_restart(w);
    }
    world_run(w, "2026-09-08", "20:00");
    replica_get_text(w->replica, ret, size,
                     "SELECT group_concat(line, char(10)) FROM (SELECT a.id || ' ' || a.state ||"
                     " ' ' || coalesce((SELECT group_concat(kind || at) FROM (SELECT kind, at FROM"
                     " checkin c WHERE c.assignment_id = a.id ORDER BY kind, at)), '') || ' ' ||"
                     " coalesce((SELECT state FROM gap g WHERE g.assignment_id = a.id), '') AS line"
                     " FROM assignment a ORDER BY a.id)",
                     "");
    world_teardown(&world);
}

static void any_order_ends_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STORIES / ORDERS; seed++) {
        struct deed deeds[CREW][DEEDS];
        char first[4096], again[4096];
        struct rnd rnd = rnd_seeded(seed), shuffle = rnd_seeded(seed + 1000);
        write_deeds(&rnd, deeds);
        live_through(deeds, NULL, first, sizeof first);
        for (int i = 1; i < ORDERS; i++) {
            live_through(deeds, &shuffle, again, sizeof again);
            if (strcmp(first, again) != 0)
                fail_msg("seed %d, order %d:\n%s\nis not\n%s", (int)seed, i, again, first);
        }
        assert_non_null(strstr(first, "done"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_legal_and_stable),
        cmocka_unit_test(every_story_ends_legal),
        cmocka_unit_test(any_order_ends_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
