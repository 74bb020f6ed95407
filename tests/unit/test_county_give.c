/* A county that comes back from a backup is given back what it lacks: sync/PROTOCOL.md 7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/rules.h"
#include "tests/unit/county_fixture.h"

#define NOW ((int64_t)FIXTURE_NOW * 1000)

static const char DUTY[] =
    "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p1\",\"role\":0,"
    "\"state\":\"planned\"";

/* A row, a backup, a later edit and a new row, all after which the county forgets. */
struct fork {
    char common[40];
    char eps[160]; /* which a giver has seen */
    int64_t f, lost_v, event_v;
};

static void fork_county(struct county_fixture *f, struct fork *fork)
{
    int64_t lseq = county_push(f, 1, "assignment", 0, 3, NOW, DUTY);
    assert_string_equal(county_verdict(f, lseq), "ok");
    fork->f = county_v0(f);
    fork->eps[0] = '\0';
    snprintf(fork->common, sizeof fork->common, "%s", json_text(f->reply, "ep", ""));
    county_keep(f);
    county_push(f, 1, "assignment", fork->f, 2, NOW, "\"id\":\"a1\",\"state\":\"confirmed\"");
    fork->lost_v = county_v0(f);
    county_checkin(f, 1, "c1");
    fork->event_v = county_v0(f);
    county_reopen(f); /* an epoch that the backup does not know */
    f->cells.wall_ms += 500;
    county_restore(f);
}

/* Under a new incarnation, standing on version `base`. */
static int64_t decline(struct county_fixture *f, int64_t base, int64_t h)
{
    county_sync(f, 0, "[]", "{}");
    return county_push(f, (int)json_int(f->reply, "inc", 0), "assignment", base, 2, h,
                       "\"id\":\"a1\",\"state\":\"declined\"");
}

static void give(struct county_fixture *f, const struct fork *fork, const char *rows)
{
    char body[1024];
    snprintf(body, sizeof body,
             "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"common\":\"%s\",\"eps\":[%s],\"rows\":%s,"
             "\"done\":1}",
             fork->common, fork->eps, rows);
    county_call(f, COUNTY_GIVEBACK, body);
}

static void give_duty(struct county_fixture *f, const struct fork *fork, const char *state,
                      int64_t v)
{
    char rows[512];
    snprintf(rows, sizeof rows,
             "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"id\":\"a1\",\"scope\":\"S0117\","
             "\"shift_id\":\"s1\",\"person_id\":\"p1\",\"role\":0,\"state\":\"%s\"}]}]",
             (long long)v, state);
    give(f, fork, rows);
}

static void a_restored_county_gets_its_rows_back(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    char rows[512];
    fork_county(f, &fork);
    county_pull_from(f, 1, fork.common, fork.lost_v);
    assert_int_equal(f->status, 409);
    assert_non_null(json_get(f->reply, "rewind"));
    snprintf(rows, sizeof rows,
             "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"id\":\"a1\",\"scope\":\"S0117\","
             "\"shift_id\":\"s1\",\"person_id\":\"p1\",\"role\":0,\"state\":\"confirmed\"}]},"
             "{\"t\":\"checkin\",\"r\":[{\"_v\":%lld,\"id\":\"c1\",\"scope\":\"S0117\",\"kind\":"
             "\"in\",\"channel\":\"sms\"},{\"_v\":1,\"id\":\"old\",\"scope\":\"S0117\",\"kind\":"
             "\"in\",\"channel\":\"sms\"}]},{\"t\":\"nothing\",\"r\":[{\"_v\":%lld,\"id\":\"n\","
             "\"scope\":\"S0117\"}]}]",
             (long long)fork.lost_v, (long long)fork.event_v, (long long)fork.event_v);
    give(f, &fork, rows);
    assert_int_equal(f->status, 200);
    assert_int_equal(json_int(f->reply, "f", 0), fork.f);
    assert_int_equal(json_int(f->reply, "taken", 0), 2);
    assert_int_equal(json_int(f->reply, "kept", 9), 0);
    const struct json *bad = json_get(f->reply, "bad");
    assert_int_equal(json_count(bad), 2);
    assert_string_equal(json_as_text(json_at(json_at(bad, 0), 1), ""), "version");
    assert_string_equal(json_as_text(json_at(json_at(bad, 1), 1), ""), "table");
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "confirmed");
    assert_int_equal(county_int(f, "SELECT count(*) FROM checkin"), 1);
    assert_string_equal(county_text(f, "SELECT json_extract(old,'$.state') FROM giveback "
                                       "WHERE pk='a1'"),
                        "planned");
    county_pull_from(f, 2, fork.common, fork.f);
    assert_string_equal(json_text(county_pulled(f, "a1"), "state", ""), "confirmed");
    assert_non_null(county_pulled(f, "c1"));
    give(f, &fork, rows); /* once more after a lost answer */
    assert_int_equal(json_int(f->reply, "taken", 9), 0);
}

/* A giver of an older schema does not name all columns: those keep what the county has. */
static void giving_back_takes_no_column_away(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    char rows[512];
    fork_county(f, &fork);
    county_exec(f, "UPDATE assignment SET role=4");
    snprintf(rows, sizeof rows,
             "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"id\":\"a1\",\"scope\":\"S0117\","
             "\"shift_id\":\"s2\",\"person_id\":\"p1\",\"state\":\"confirmed\"}]}]",
             (long long)fork.lost_v);
    give(f, &fork, rows);
    assert_int_equal(json_int(f->reply, "taken", 0), 1);
    assert_string_equal(county_text(f, "SELECT shift_id FROM assignment"), "s2");
    assert_int_equal(county_int(f, "SELECT role FROM assignment"), 4);
}

/* A station of the older schema was the first to give a row back that the backup did not have. */
static void what_the_first_giver_did_not_know_the_next_one_tells(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    char rows[512];
    static const char *const ROLES[] = {"", "\"role\":4,", "\"role\":5,"};
    fork_county(f, &fork);
    for (int i = 0; i < 3; i++) {
        snprintf(rows, sizeof rows,
                 "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"id\":\"a9\",\"scope\":\"S0117\","
                 "\"shift_id\":\"s2\",\"person_id\":\"p1\",%s\"state\":\"confirmed\"}]}]",
                 (long long)fork.lost_v, ROLES[i]);
        give(f, &fork, rows);
        assert_int_equal(json_int(f->reply, "taken", -1), i < 2);
    }
    assert_int_equal(county_int(f, "SELECT role FROM assignment WHERE id='a9'"), 4);
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
    /* those who have it without are told, and what is news later is news still */
    county_sync(f, 0, "[]", "{}");
    county_pull_from(f, (int)json_int(f->reply, "inc", 0), fork.common, fork.f);
    assert_int_equal(json_int(county_pulled(f, "a9"), "role", 0), 4);
    snprintf(rows, sizeof rows,
             "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"id\":\"a9\",\"scope\":\"S0117\","
             "\"shift_id\":\"s3\",\"person_id\":\"p1\",\"role\":6,\"state\":\"confirmed\"}]}]",
             (long long)fork.event_v);
    give(f, &fork, rows);
    assert_string_equal(county_text(f, "SELECT shift_id FROM assignment WHERE id='a9'"), "s3");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

/* Its author repeats it, and goes on from there with a clock that is behind. */
static void what_the_first_giver_did_not_know_its_author_tells(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    char rows[512];
    static const char ROW[] =
        "\"id\":\"a9\",\"scope\":\"S0117\",\"shift_id\":\"s2\",\"person_id\":\"p%d\","
        "\"role\":%d,\"state\":\"confirmed\"";
    fork_county(f, &fork);
    snprintf(rows, sizeof rows,
             "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"id\":\"a9\",\"scope\":\"S0117\","
             "\"shift_id\":\"s2\",\"person_id\":\"p1\",\"state\":\"confirmed\"}]}]",
             (long long)fork.lost_v);
    give(f, &fork, rows);
    county_sync(f, 0, "[]", "{}");
    int inc = (int)json_int(f->reply, "inc", 0);
    snprintf(rows, sizeof rows, ROW, 1, 4);
    int64_t lseq = county_push(f, inc, "assignment", 0, 3, 1000, rows);
    assert_string_equal(county_verdict(f, lseq), "keep");
    int64_t v = county_v0(f);
    assert_int_equal(county_int(f, "SELECT role FROM assignment WHERE id='a9'"), 4);
    snprintf(rows, sizeof rows, ROW, 2, 5);
    county_push(f, inc, "assignment", v, 1, 1001, rows);
    assert_int_equal(county_int(f, "SELECT role FROM assignment WHERE id='a9'"), 5);
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
    /* whoever says something else in what the giver knew, or in what its author told, has not seen
     * it */
    county_sync(f, 0, "[]", "{}");
    inc = (int)json_int(f->reply, "inc", 0);
    snprintf(rows, sizeof rows, ROW, 2, 6);
    lseq = county_push(f, inc, "assignment", 0, 1, 1002, rows);
    assert_string_equal(county_verdict(f, lseq), "lost");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 1);
}

static void of_two_givers_the_newer_wins(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    give_duty(f, &fork, "asked", fork.lost_v);
    assert_int_equal(json_int(f->reply, "taken", 0), 1);
    give_duty(f, &fork, "confirmed", fork.event_v); /* known at a later version */
    assert_int_equal(json_int(f->reply, "taken", 0), 1);
    give_duty(f, &fork, "asked", fork.lost_v);
    assert_int_equal(json_int(f->reply, "kept", 0), 1);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "confirmed");
}

/* The county comes back twice from one backup; the duty was confirmed in the first lost life and
 * declined in the second, by people who have not heard of each other. */
static void fork_twice(struct county_fixture *f, struct fork *first, struct fork *second)
{
    fork_county(f, first);
    *second = *first;
    f->cells.wall_ms += 1000;
    decline(f, first->f, 1000);
    second->lost_v = county_v0(f);
    snprintf(second->eps, sizeof second->eps, "%s",
             county_text(f, "SELECT '[\"'||id||'\",'||start_v||','||first_v||']' FROM epoch "
                            "ORDER BY n DESC LIMIT 1"));
    f->cells.wall_ms += 500;
    county_restore(f);
}

static void assert_confirmed_is_logged_once(struct county_fixture *f)
{
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 1);
    assert_string_equal(county_text(f, "SELECT json_extract(lose_val,'$.state') FROM conflict"),
                        "confirmed");
}

static void of_two_lost_lives_neither_knows_the_other(void **state)
{
    struct county_fixture *f = *state;
    struct fork first, second;
    fork_twice(f, &first, &second);
    for (int i = 0; i < 2; i++) {
        give_duty(f, &second, "declined", second.lost_v);
        give_duty(f, &first, "confirmed", first.lost_v);
        assert_confirmed_is_logged_once(f);
    }
}

static void the_later_life_wins_whoever_comes_first(void **state)
{
    struct county_fixture *f = *state;
    struct fork first, second;
    fork_twice(f, &first, &second);
    for (int i = 0; i < 2; i++) {
        give_duty(f, &first, "confirmed", first.lost_v);
        give_duty(f, &second, "declined", second.lost_v);
        assert_confirmed_is_logged_once(f);
    }
}

/* Its author has seen what was declined, not what was confirmed. */
static void a_change_of_another_lost_life_is_concurrent(void **state)
{
    struct county_fixture *f = *state;
    struct fork first, second;
    fork_twice(f, &first, &second);
    give_duty(f, &first, "confirmed", first.lost_v);
    give(f, &second, "[]"); /* tells of its epochs */
    county_sync(f, 0, "[]", "{}");
    county_push(f, (int)json_int(f->reply, "inc", 0), "assignment", second.lost_v, 2, NOW + 9000,
                "\"id\":\"a1\",\"state\":\"asked\"");
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "asked");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 1);
}

/* "confirmed" was given back to a life that was lost as well: `_g` says how old it really is. */
static int64_t confirm_in_both(struct county_fixture *f, struct fork *first, struct fork *second)
{
    char since[40];
    fork_county(f, first);
    *second = *first;
    f->cells.wall_ms += 1000;
    give_duty(f, first, "confirmed", first->lost_v);
    snprintf(second->eps, sizeof second->eps, "%s",
             county_text(f, "SELECT '[\"'||id||'\",'||start_v||','||first_v||']' FROM epoch "
                            "ORDER BY n DESC LIMIT 1"));
    county_pull_from(f, 2, first->common, first->f);
    const struct json *row = county_pulled(f, "a1");
    snprintf(since, sizeof since, ",%lld,", (long long)first->lost_v);
    assert_non_null(strstr(json_text(row, "_g", ""), since));
    second->lost_v = json_int(row, "_v", 0);
    assert_true(second->lost_v > first->event_v);
    f->cells.wall_ms += 500;
    county_restore(f);
    return second->lost_v;
}

/* By who has heard of the second life. */
static void give_confirmed(struct county_fixture *f, const struct fork *first,
                           const struct fork *second)
{
    char rows[512];
    long long since = first->lost_v;
    snprintf(rows, sizeof rows,
             "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"h0\":%lld,\"h1\":%lld,\"h7\":%lld,"
             "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p1\","
             "\"role\":0,\"state\":\"confirmed\"}]}]",
             (long long)second->lost_v, since, since, since);
    give(f, second, rows);
}

/* In the first life somebody changed it who knew it, whoever comes first. */
static void what_two_lives_have_had_is_as_old_as_in_the_first(void **state)
{
    struct county_fixture *f = *state;
    struct fork first, second;
    confirm_in_both(f, &first, &second);
    give_confirmed(f, &first, &second);
    give_duty(f, &first, "asked", first.event_v);
    give_confirmed(f, &first, &second);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "asked");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

/* Who has changed it in the second life knows it, too, whoever has given it back. */
static void what_two_lives_have_had_is_known_in_both(void **state)
{
    struct county_fixture *f = *state;
    struct fork first, second;
    int64_t base = confirm_in_both(f, &first, &second);
    give_duty(f, &first, "confirmed", first.lost_v);
    give_confirmed(f, &first, &second);
    decline(f, base, 1000);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

static void strange_epochs_are_refused(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    static const char *const STRANGE[] = {"[\"\",1,2]", "[\"y\",-1,2]", "[\"z\",1]", "7", "{}"};
    fork_county(f, &fork);
    snprintf(fork.eps, sizeof fork.eps, "[\"%s\",1,2],[\"good\",1,2]", fork.common);
    give(f, &fork, "[]");
    assert_int_equal(f->status, 200);
    for (size_t i = 0; i < sizeof STRANGE / sizeof *STRANGE; i++) {
        snprintf(fork.eps, sizeof fork.eps, "[\"new\",1,2],%s", STRANGE[i]);
        give(f, &fork, "[]");
        assert_int_equal(f->status, 400);
    }
    assert_string_equal(county_text(f, "SELECT min(id)||count(*) FROM lost_epoch"), "good1");
}

static void what_has_happened_since_is_not_overwritten(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    f->cells.wall_ms += 1000;
    decline(f, fork.f, NOW + 1000);
    give_duty(f, &fork, "confirmed", fork.lost_v);
    assert_int_equal(json_int(f->reply, "kept", 0), 1);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    /* neither of the two had seen the other */
    const char *lost =
        "SELECT json_extract(lose_val,'$.state') FROM conflict WHERE why='given back'";
    assert_string_equal(county_text(f, lost), "confirmed");
}

/* A row is given back at its own version, also the group that nobody had changed since the backup:
 * that is no news to who has changed it since. */
static void the_value_of_the_backup_is_no_news(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    decline(f, fork.f, 1000);
    give_duty(f, &fork, "planned", fork.lost_v);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

static void giving_back_is_for_ones_own_scope_and_for_a_time(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    char rows[256];
    snprintf(rows, sizeof rows,
             "[{\"t\":\"person\",\"r\":[{\"_v\":%lld,\"id\":\"p\",\"scope\":\"S0118\",\"kind\":"
             "\"guard\",\"name\":\"n\"}]}]",
             (long long)fork.event_v);
    give(f, &fork, rows);
    give(f, &fork, rows);
    assert_string_equal(json_as_text(json_at(json_at(json_get(f->reply, "bad"), 0), 1), ""),
                        "scope");
    assert_int_equal(county_int(f, "SELECT count(*) FROM quarantine WHERE why='scope'"), 1);
    f->cells.wall_ms += INT64_C(36) * 86400000;
    give_duty(f, &fork, "confirmed", fork.lost_v);
    assert_int_equal(f->status, 410);
    snprintf(fork.common, sizeof fork.common, "nonsense");
    give_duty(f, &fork, "confirmed", fork.lost_v);
    assert_int_equal(f->status, 409); /* it came back once more: from the start */
    assert_true(json_count(json_get(json_get(f->reply, "rewind"), "eps")) > 1);
    county_call(f, COUNTY_GIVEBACK, "{\"p\":1,\"sv\":1,\"station\":\"S0118\"}");
    assert_int_equal(f->status, 401);
}

/* An edit that was made on a forgotten version is no conflict loser to what came back with it. */
static void an_edit_on_top_of_a_forgotten_version_survives(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    give_duty(f, &fork, "confirmed", fork.lost_v);
    int64_t lseq = decline(f, fork.lost_v, 1000);
    /* whatever of the lost life it has in the other groups: the row comes down whole */
    assert_string_equal(county_verdict(f, lseq), "keep");
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
    /* what it stood on is known with it, what came later in the lost life is not */
    give_duty(f, &fork, "confirmed", fork.lost_v);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    give_duty(f, &fork, "asked", fork.event_v + 2000); /* in the next millisecond but one */
    assert_string_equal(county_text(f, "SELECT json_extract(lose_val,'$.state') FROM conflict"),
                        "declined");
}

/* The order in which the two come does not matter. */
static void a_change_that_knew_the_forgotten_version_comes_first(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    decline(f, fork.lost_v, 1000);
    give_duty(f, &fork, "confirmed", fork.lost_v);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

/* The answer to a push was lost with the life that gave it. Its author pushes it once more, and
 * then what it had made on top of it before that life was lost: who gives the first one back, with
 * the stamp of when it was taken, has no news. */
static void what_was_pushed_once_more_and_changed_is_known(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    county_sync(f, 0, "[]", "{}");
    int inc = (int)json_int(f->reply, "inc", 0);
    county_push(f, inc, "assignment", fork.f, 2, 1000, "\"id\":\"a1\",\"state\":\"confirmed\"");
    county_push(f, inc, "assignment", county_v0(f), 2, 2000,
                "\"id\":\"a1\",\"state\":\"declined\"");
    give_duty(f, &fork, "confirmed", fork.lost_v);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

/* Two stations have the same value, one at a later version because of another group. */
static void a_change_on_the_earlier_version_of_a_value_knows_it(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    give_duty(f, &fork, "confirmed", fork.event_v);
    give_duty(f, &fork, "confirmed", fork.lost_v);
    decline(f, fork.lost_v, 1000);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

/* The row of the second station is later, because of the other group: its value is not. */
static void a_value_is_as_old_as_its_group_and_not_as_its_row(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    char rows[512];
    fork_county(f, &fork);
    decline(f, fork.lost_v, 1000);
    int inc = (int)json_int(f->reply, "inc", 0);
    snprintf(rows, sizeof rows,
             "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"h0\":%lld,\"h1\":%lld,\"h7\":%lld,"
             "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p2\","
             "\"role\":0,\"state\":\"confirmed\"}]}]",
             (long long)fork.event_v + 2000, (long long)fork.event_v + 2000, (long long)fork.lost_v,
             (long long)fork.f);
    give(f, &fork, rows);
    assert_int_equal(json_int(f->reply, "taken", 0), 1);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
    assert_string_equal(county_text(f, "SELECT person_id FROM assignment"), "p2");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
    assert_int_equal(county_int(f, "SELECT count(*) FROM regained WHERE grp=7"), 0);
    county_pull_from(f, inc, fork.common, fork.f); /* and each is told so */
    const struct json *row = county_pulled(f, "a1");
    char wanted[80];
    snprintf(wanted, sizeof wanted, "%lld,%lld,%lld", (long long)fork.event_v + 2000,
             (long long)county_int(f, "SELECT g1_v FROM assignment"), (long long)fork.f);
    assert_string_equal(json_text(row, "_g", ""), wanted);
}

/* A station that is told once more to give back has rows of this life already: they say nothing of
 * what another one knows of the lost life. */
static void versions_of_this_life_are_no_news(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    fork_county(f, &fork);
    give_duty(f, &fork, "confirmed", fork.lost_v);
    assert_int_equal(json_int(f->reply, "taken", 9), 1);
    struct fork again = {.f = 0};
    county_sync(f, 0, "[]", "{}");
    snprintf(again.common, sizeof again.common, "%s", json_text(f->reply, "ep", ""));
    give_duty(f, &again, "confirmed", county_int(f, "SELECT _v FROM assignment"));
    assert_int_equal(f->status, 200);
    assert_int_equal(json_int(f->reply, "taken", 9), 0);
    assert_int_equal(json_int(f->reply, "kept", 9), 1);
    give_duty(f, &fork, "declined", fork.event_v);
    assert_int_equal(json_int(f->reply, "taken", 9), 1);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "declined");
}

/* Groups come back one by one: a part of a row, and a deletion, also before its row. */
static void parts_and_deletions_are_given_back(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    char rows[512];
    fork_county(f, &fork);
    snprintf(
        rows, sizeof rows,
        "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"gm\":1,\"part\":1,\"id\":\"a1\",\"scope\":"
        "\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p2\",\"role\":0,\"state\":\"x\"},{\"_v\":"
        "%lld,\"gm\":128,\"part\":1,\"_del\":1,\"id\":\"a2\",\"scope\":\"S0117\"},{\"_v\":%lld,"
        "\"gm\":3,\"part\":1,\"id\":\"a3\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":"
        "\"p2\",\"state\":\"x\"}]}]",
        (long long)fork.lost_v, (long long)fork.event_v, (long long)fork.event_v);
    give(f, &fork, rows);
    assert_int_equal(json_int(f->reply, "taken", 9), 1);
    assert_int_equal(json_count(json_get(f->reply, "bad")), 0);
    assert_string_equal(
        county_text(f, "SELECT person_id||' '||state FROM assignment WHERE id='a1'"), "p2 planned");
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment"), 1);
    snprintf(
        rows, sizeof rows,
        "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"gm\":131,\"id\":\"a2\",\"scope\":\"S0117\","
        "\"shift_id\":\"s1\",\"person_id\":\"p2\",\"state\":\"x\"}]}]",
        (long long)fork.lost_v);
    give(f, &fork, rows);
    assert_int_equal(county_int(f, "SELECT _del FROM assignment WHERE id='a2'"), 1);
    assert_string_equal(county_text(f, "SELECT op FROM feed WHERE pk='a2'"), "D");
    snprintf(
        rows, sizeof rows,
        "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"gm\":128,\"part\":1,\"_del\":1,\"id\":\"a1\","
        "\"scope\":\"S0117\"}]}]",
        (long long)fork.event_v);
    give(f, &fork, rows);
    assert_int_equal(county_int(f, "SELECT _del FROM assignment WHERE id='a1'"), 1);
}

/* The giver's own change of a group is still to come: what it gives of it is only there so that the
 * row is whole. */
static void a_group_that_is_not_vouched_for_loses_to_any(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    char rows[512];
    fork_county(f, &fork);
    static const char ROW[] =
        "[{\"t\":\"assignment\",\"r\":[{\"_v\":%lld,\"gm\":%d,\"id\":\"a4\","
        "\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p1\",\"state\":"
        "\"%s\"}]}]";
    snprintf(rows, sizeof rows, ROW, (long long)fork.event_v, 129, "mine");
    give(f, &fork, rows);
    assert_int_equal(json_int(f->reply, "taken", 0), 1);
    snprintf(rows, sizeof rows, ROW, (long long)fork.lost_v, 131, "theirs");
    give(f, &fork, rows);
    assert_string_equal(county_text(f, "SELECT state FROM assignment WHERE id='a4'"), "theirs");
    county_sync(f, 0, "[]", "{}");
    int inc = (int)json_int(f->reply, "inc", 0);
    county_push(f, inc, "assignment", fork.lost_v, 2, 1000, "\"id\":\"a4\",\"state\":\"mine\"");
    assert_string_equal(county_text(f, "SELECT state FROM assignment WHERE id='a4'"), "mine");
}

/* A county whose clock is behind after the restore, and a station with its own idea of where their
 * ways parted. */
static void versions_rise_above_the_lost_ones(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    char body[1024];
    fork_county(f, &fork);
    int64_t ahead = fork.lost_v + INT64_C(3600000000);
    give_duty(f, &fork, "confirmed", ahead);
    assert_true(county_int(f, "SELECT v FROM ctr") > ahead);
    assert_true(county_int(f, "SELECT max(first_v) FROM epoch") == ahead);
    snprintf(body, sizeof body,
             "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"common\":\"%s\",\"f\":%lld,\"rows\":[],"
             "\"done\":0}",
             fork.common, (long long)fork.f - 5);
    county_call(f, COUNTY_GIVEBACK, body);
    assert_int_equal(json_int(f->reply, "f", 0), fork.f - 5);
}

static void what_was_given_back_is_forgotten_after_a_time(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    struct err err = {0};
    bool more = true;
    static const char COUNT[] = "SELECT (SELECT count(*) FROM giveback)+(SELECT count(*) FROM "
                                "regained)+(SELECT count(*) FROM replaced)+(SELECT count(*) FROM "
                                "conflict)";
    fork_county(f, &fork);
    county_sync(f, 0, "[]", "{}");
    int inc = (int)json_int(f->reply, "inc", 0);
    give_duty(f, &fork, "confirmed", fork.lost_v);
    county_push(f, inc, "assignment", fork.f, 3, NOW + 10000,
                "\"id\":\"a1\",\"state\":\"declined\",\"person_id\":\"p2\"");
    assert_int_equal(county_int(f, "SELECT count(*)>0 FROM replaced"), 1);
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 1);
    int64_t before = county_int(f, COUNT);
    assert_int_equal(f->store->ops->tidy(f->store, &more, &err), ERR_OK);
    assert_int_equal(county_int(f, COUNT), before);
    f->cells.wall_ms += LIMIT_GIVEBACK_DAYS * INT64_C(86400000) + 1;
    assert_int_equal(f->store->ops->tidy(f->store, &more, &err), ERR_OK);
    assert_int_equal(county_int(f, COUNT), 1); /* the conflict */
    f->cells.wall_ms += LIMIT_CONFLICT_DAYS * INT64_C(86400000);
    assert_int_equal(f->store->ops->tidy(f->store, &more, &err), ERR_OK);
    assert_int_equal(county_int(f, COUNT), 0);
    assert_false(more);
}

static void without_epochs_nobody_is_told(void **state)
{
    struct county_fixture *f = *state;
    struct fork fork;
    f->without = WITHOUT_EPOCH | WITHOUT_SALVAGE;
    county_reopen(f);
    fork_county(f, &fork);
    county_pull_from(f, 1, fork.common, fork.f + 1);
    assert_null(json_get(f->reply, "rewind"));
    give_duty(f, &fork, "confirmed", fork.lost_v);
    assert_int_equal(json_int(f->reply, "taken", 9), 0);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "planned");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, county_setup, county_teardown)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(a_restored_county_gets_its_rows_back),
        TEST(giving_back_takes_no_column_away),
        TEST(what_the_first_giver_did_not_know_the_next_one_tells),
        TEST(what_the_first_giver_did_not_know_its_author_tells),
        TEST(of_two_givers_the_newer_wins),
        TEST(of_two_lost_lives_neither_knows_the_other),
        TEST(the_later_life_wins_whoever_comes_first),
        TEST(a_change_of_another_lost_life_is_concurrent),
        TEST(what_two_lives_have_had_is_as_old_as_in_the_first),
        TEST(what_two_lives_have_had_is_known_in_both),
        TEST(strange_epochs_are_refused),
        TEST(what_has_happened_since_is_not_overwritten),
        TEST(giving_back_is_for_ones_own_scope_and_for_a_time),
        TEST(an_edit_on_top_of_a_forgotten_version_survives),
        TEST(what_was_given_back_is_forgotten_after_a_time),
        TEST(versions_rise_above_the_lost_ones),
        TEST(a_group_that_is_not_vouched_for_loses_to_any),
        TEST(what_was_pushed_once_more_and_changed_is_known),
        TEST(a_change_on_the_earlier_version_of_a_value_knows_it),
        TEST(a_value_is_as_old_as_its_group_and_not_as_its_row),
        TEST(versions_of_this_life_are_no_news),
        TEST(parts_and_deletions_are_given_back),
        TEST(a_change_that_knew_the_forgotten_version_comes_first),
        TEST(the_value_of_the_backup_is_no_news),
        TEST(without_epochs_nobody_is_told),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
