/* What holds for every plan, on weeks made up from seeds; and the figures of the county's week. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/duty/roster/io.h"
#include "tests/lib/rosterworld.h"

enum { WEEKS = 40, STEPS = 40 };

static const struct roster_options quick = {.seed = 7, .steps = STEPS};

static void must_be_legal(uint64_t seed, const struct roster *roster,
                          const struct roster_plan *plan)
{
    struct err err = {0};
    if (!roster_is_legal(roster, plan, &err)) {
        print_error("seed %d: %s\n", (int)seed, err.text);
        fail();
    }
}

static int64_t cost_of(const struct roster *roster, const struct roster_plan *plan)
{
    struct roster_figures figures;
    assert_int_equal(roster_measure(roster, plan, &figures), ERR_OK);
    return figures.cost;
}

static bool same(const struct roster *roster, const struct roster_plan *a,
                 const struct roster_plan *b)
{
    return memcmp(a->at, b->at,
                  (size_t)roster->officers * (size_t)roster->shifts * sizeof *a->at) == 0 &&
           memcmp(a->volunteer_slots, b->volunteer_slots,
                  (size_t)roster->volunteers * sizeof *a->volunteer_slots) == 0;
}

static void test_hard_rules(void **state)
{
    (void)state;
    int duties = 0;
    for (uint64_t seed = 1; seed <= WEEKS; seed++) {
        struct roster roster;
        struct roster_plan plan, again;
        struct roster_figures figures;
        rosterworld_make(seed, &roster);
        assert_int_equal(roster_make(&roster, &quick, &plan), ERR_OK);
        must_be_legal(seed, &roster, &plan);
        assert_int_equal(roster_measure(&roster, &plan, &figures), ERR_OK);
        duties += figures.duties;
        assert_int_equal(roster_make(&roster, &quick, &again), ERR_OK);
        assert_true(same(&roster, &plan, &again)); /* the same week gives the same plan */
        roster_plan_fini(&again);
        roster_plan_fini(&plan);
        roster_fini(&roster);
    }
    assert_in_range(duties, 10 * WEEKS, 1000 * WEEKS);
}

static void test_stable_when_nothing_changed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= WEEKS; seed++) {
        struct roster roster;
        struct roster_plan plan, again;
        struct rnd rnd = rnd_seeded(seed);
        rosterworld_make(seed, &roster);
        assert_int_equal(roster_make(&roster, &quick, &plan), ERR_OK);
        rosterworld_publish(&roster, &plan, &rnd, seed % 2 == 0 ? 30 : 0);
        assert_int_equal(roster_replan(&roster, &again), ERR_OK);
        assert_true(same(&roster, &plan, &again));
        roster_plan_fini(&again);
        roster_plan_fini(&plan);
        roster_fini(&roster);
    }
}

/* Weeks go on: published, disturbed, planned again, now and then afresh. */
static void test_frozen_and_legal_through_changes(void **state)
{
    (void)state;
    int changes = 0;
    for (uint64_t seed = 1; seed <= WEEKS; seed++) {
        struct roster roster;
        struct roster_plan plan;
        struct rnd rnd = rnd_seeded(seed);
        rosterworld_make(seed, &roster);
        assert_int_equal(roster_make(&roster, &quick, &plan), ERR_OK);
        for (int round = 0; round < 4; round++) {
            struct roster_plan again;
            struct roster_figures figures;
            rosterworld_publish(&roster, &plan, &rnd, 20);
            rosterworld_disturb(&roster, &rnd, 1 + (int)rnd_below(&rnd, 6));
            int code =
                round == 3 ? roster_make(&roster, &quick, &again) : roster_replan(&roster, &again);
            assert_int_equal(code, ERR_OK);
            must_be_legal(seed, &roster, &again); /* what is frozen stayed, too */
            assert_int_equal(roster_measure(&roster, &again, &figures), ERR_OK);
            changes += figures.changes;
            roster_plan_fini(&plan);
            plan = again;
        }
        roster_plan_fini(&plan);
        roster_fini(&roster);
    }
    assert_in_range(changes, WEEKS, 1000 * WEEKS);
}

/* The repair never makes the start worse, and its own sums are those of the measure. */
static void test_repair_improves(void **state)
{
    (void)state;
    int64_t saved = 0;
    for (uint64_t seed = 1; seed <= WEEKS; seed++) {
        struct roster roster;
        struct roster_plan raw, plan;
        struct roster_options none = {.seed = 1};
        rosterworld_make(seed, &roster);
        assert_int_equal(roster_make(&roster, &none, &raw), ERR_OK);
        assert_int_equal(roster_make(&roster, &quick, &plan), ERR_OK);
        assert_true(cost_of(&roster, &plan) <= cost_of(&roster, &raw));
        saved += cost_of(&roster, &raw) - cost_of(&roster, &plan);
        roster_plan_fini(&raw);
        roster_plan_fini(&plan);
        roster_fini(&roster);
    }
    assert_true(saved > 0);
}

/* One person with two skills sits in the seat that nobody else can take. */
static void test_seats(void **state)
{
    (void)state;
    struct roster roster;
    struct err err;
    assert_int_equal(roster_init(&roster, 1, 2, 3, 0, 0, &err), ERR_OK);
    roster.need[0] = (struct roster_need){.places = 3, .skills = {1, 1, 0}};
    roster.officer[0].skills = 1 << ROSTER_TRAFFIC | 1 << ROSTER_RIOT;
    roster.officer[1].skills = 1 << ROSTER_TRAFFIC;
    int32_t people[3] = {0, 1, 2};
    uint8_t seat[3];
    roster_seats(&roster, 0, 0, people, 3, seat);
    assert_int_equal(seat[0], ROSTER_RIOT);
    assert_int_equal(seat[1], ROSTER_TRAFFIC);
    assert_int_equal(seat[2], ROSTER_SKILLS);
    roster_fini(&roster);
}

/* --- the county --- */

static char *read_all(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    *ret_size = (size_t)size;
    return text;
}

static void load_county(struct roster *ret)
{
    size_t size;
    struct err err = {0};
    char *text = read_all(TEST_DATA "/roster/county-1.json", &size);
    if (roster_read(text, size, ret, &err) != ERR_OK)
        fail_msg("%s", err.text);
    free(text);
}

static void test_county(void **state)
{
    (void)state;
    struct roster roster;
    struct roster_plan plan;
    struct roster_figures figures;
    struct roster_options options = {.seed = 1, .steps = 150};
    int missing;
    int64_t cost;
    load_county(&roster);
    assert_int_equal(roster_place_visits(&roster, &missing), ERR_OK);
    assert_int_equal(roster_flow_cost(&roster, &cost), ERR_OK);
    assert_int_equal(cost, 57090);
    assert_int_equal(roster_make(&roster, &options, &plan), ERR_OK);
    assert_int_equal(roster_measure(&roster, &plan, &figures), ERR_OK);
    assert_in_range(figures.cost, 57230, 57230 * 1010 / 1000);
    assert_int_equal(figures.places, 1270);
    assert_in_range(figures.volunteer_duties, figures.volunteer_places * 97 / 100,
                    figures.volunteer_places);
    must_be_legal(0, &roster, &plan);
    roster_plan_fini(&plan);
    roster_fini(&roster);
}

/* Without visits given, each senior officer's two visits find their days. */
static void test_county_visits(void **state)
{
    (void)state;
    struct roster roster;
    int missing, days[ROSTER_SCHOOLS_MAX] = {0};
    load_county(&roster);
    roster.visits = 0;
    roster.visits_given = false;
    assert_int_equal(roster_place_visits(&roster, &missing), ERR_OK);
    assert_int_equal(missing, 0);
    assert_int_equal(roster.visits, 68);
    for (int i = 0; i < roster.visits; i++) {
        const struct roster_visit *visit = &roster.visit[i];
        int day = 1 << roster.day[visit->shift];
        assert_int_equal(days[visit->school] & day, 0);
        days[visit->school] |= day;
        assert_int_equal(roster.officer[visit->officer].free >> visit->shift & 1, 0);
    }
    roster_fini(&roster);
}

static void test_written_plan_is_read_again(void **state)
{
    (void)state;
    struct roster roster;
    struct roster_plan plan;
    struct roster_figures figures;
    struct err err = {0};
    struct buf out;
    buf_init(&out, 1 << 20);
    rosterworld_make(3, &roster);
    assert_int_equal(roster_make(&roster, &quick, &plan), ERR_OK);
    assert_true(roster_write(&roster, &plan, &out));
    assert_int_equal(roster_read_former(&roster, out.bytes, out.size, &err), ERR_OK);
    assert_int_equal(roster_measure(&roster, &plan, &figures), ERR_OK);
    assert_int_equal(figures.changes, 0);
    buf_free(&out);
    roster_plan_fini(&plan);
    roster_fini(&roster);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const char *const files[] = {
        "",
        "[]",
        "{\"NS\":1,\"T\":0}",
        "{\"NS\":1,\"T\":65}",
        "{\"NS\":-1,\"T\":2}",
        "{\"NS\":1,\"T\":2,\"dem\":[{\"s\":1,\"t\":0}]}",
        "{\"NS\":1,\"T\":2,\"dem\":[{\"s\":0,\"t\":0,\"off\":70000}]}",
        "{\"NS\":1,\"T\":2,\"dem\":[{\"s\":0,\"t\":0,\"kt\":-3}]}",
        "{\"NS\":1,\"T\":2,\"offs\":[{\"cap\":-1}]}",
        "{\"NS\":1,\"T\":2,\"offs\":[{\"cap\":1}],\"elig\":[[1,0,3]]}",
        "{\"NS\":1,\"T\":2,\"offs\":[{\"cap\":1}],\"elig\":[[0,0,3],[0,0,4]]}",
        "{\"NS\":1,\"T\":2,\"offs\":[{\"cap\":1}],\"elig\":[[0,0,-3]]}",
        "{\"NS\":1,\"T\":2,\"vols\":[{\"s\":0,\"cap\":1,\"slots\":[2]}]}",
        "{\"NS\":1,\"T\":2,\"vols\":[{\"s\":5,\"cap\":1,\"slots\":[1]}]}",
        "{\"NS\":1,\"T\":2,\"visits\":[[0,0]]}",
        "{\"NS\":1,\"T\":2,\"days\":[1,0]}",
        "{\"NS\":1,\"T\":2,\"former\":[[0,0,\"general\",0]]}",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct roster roster;
        struct err err = {0};
        assert_int_not_equal(roster_read(files[i], strlen(files[i]), &roster, &err), ERR_OK);
        assert_true(err.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hard_rules),
        cmocka_unit_test(test_stable_when_nothing_changed),
        cmocka_unit_test(test_frozen_and_legal_through_changes),
        cmocka_unit_test(test_repair_improves),
        cmocka_unit_test(test_seats),
        cmocka_unit_test(test_county),
        cmocka_unit_test(test_county_visits),
        cmocka_unit_test(test_written_plan_is_read_again),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
