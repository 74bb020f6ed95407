/* Consent: volunteers whom a school enters, by text, in a file or one by one, what they answer, who
 * is never asked again, and what is kept for how long. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/enlist.h"
#include "gateway/duty/recognise.h"
#include "gateway/duty/retention.h"
#include "tests/unit/duty_world.h"

static struct err last;

#define PHONE "+8610300000001"

static int enter_at(struct world *w, const char *school, const char *phone, const char *by,
                    char id[LIMIT_ID_BYTES + 1])
{
    struct enlist_entry entry = {school, "parent", "周敏", phone, by};
    replica_enter(w->replica);
    int code = enlist_add(&w->duty, &entry, id, &last);
    replica_leave(w->replica, code == ERR_OK);
    assert_true(replica_commit(w->replica));
    return code;
}

static int enter(struct world *w, const char *by, char id[LIMIT_ID_BYTES + 1])
{
    char phone[LIMIT_SEALED_PHONE_BYTES + 1];
    assert_true(
        replica_get_text(w->replica, phone, sizeof phone, "SELECT seal_phone('" PHONE "')", ""));
    return enter_at(w, "S17", phone, by, id);
}

static int decide(struct world *w, const char *id, const char *by, bool approve)
{
    replica_enter(w->replica);
    int count = -1;
    int code = enlist_decide(&w->duty, id, by, approve, &count, &last);
    assert_int_equal(count > 0, code == ERR_OK);
    replica_leave(w->replica, code == ERR_OK);
    assert_true(replica_commit(w->replica));
    return code;
}

static void a_volunteer_is_asked_after_two_people_agreed(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    assert_int_equal(enter(w, "V1", id), ERR_STATE); /* a parent enters nobody */
    assert_int_equal(enter(w, "V2", id), ERR_OK);    /* a teacher of the school does */
    assert_int_equal(enter(w, "V2", id), ERR_STATE); /* once */
    assert_true(replica_get_text(w->replica, id, sizeof id, "SELECT id FROM enlist", ""));
    ASSERT_SENT(w, PHONE, "C1_CONSENT", 0);
    assert_int_equal(decide(w, id, "V2", true), ERR_STATE);
    assert_int_equal(decide(w, id, "L", true), ERR_OK);
    ASSERT_SENT(w, PHONE, "C1_CONSENT", 1);
    world_text(w, PHONE, "好的"); /* a word is no consent */
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist WHERE state = 'consented'"), 0);
    world_text(w, PHONE, "1");
    ASSERT_SENT(w, PHONE, "C2_WELCOME", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist WHERE state = 'consented'"
                                  " AND consent_text IS NOT NULL"),
                     1);
    world_text(w, PHONE, "退订");
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist"), 0);
}

static int entered(struct world *w)
{
    return (int)world_int(w, "SELECT count(*) FROM enlist");
}

/* A teacher's text: a line each, numbers as people write them; nobody is asked before the station
 * has agreed, and the text itself does not outlive the entries. */
static void a_coordinator_enters_parents_by_text(void **state)
{
    struct world *w = *state;
    world_tick(w);
    world_text(w, "V2",
               "登记\n李娜 13800000001\n王一，１３８-0000　0002\n赵六 12\nLi Na 13800000003");
    ASSERT_SENT(w, "V2", "V4_SOME", 1);
    assert_non_null(strstr(world_last(w, "V2", "V4_SOME"), "已登记3人"));
    assert_non_null(strstr(world_last(w, "V2", "V4_SOME"), "赵六(号码不对)"));
    assert_int_equal(entered(w), 3);
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist WHERE school_id = 'S17' AND kind ="
                                  " 'parent' AND name IN ('李娜', '王一', 'Li Na')"),
                     3);
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist WHERE phone ="
                                  " seal_phone('+8613800000002')"),
                     1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'event'"), 1);
    ASSERT_SENT(w, "+8613800000001", "C1_CONSENT", 0);
    world_text(w, "V2", "登记义警 王强 13800000004"); /* again, and one of another kind */
    world_text(w, "V2", "登记 李娜 13800000001");
    ASSERT_SENT(w, "V2", "V4_ENTERED", 2);
    assert_int_equal(entered(w), 4);
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist WHERE kind = 'yijing'"), 1);
    assert_int_equal(decide(w, "S18", "L", true), ERR_NOT_FOUND);
    assert_int_equal(decide(w, "S17", "L", true), ERR_OK); /* all of the school */
    ASSERT_SENT(w, "+8613800000001", "C1_CONSENT", 1);
    ASSERT_SENT(w, "+8613800000004", "C1_CONSENT", 1);
    world_text(w, "+8613800000001", "2");
    world_text(w, "V2", "登记 李娜 13800000001"); /* only the holder could change that */
    assert_non_null(strstr(world_last(w, "V2", "V4_SOME"), "李娜(已退订)"));
    assert_int_equal(entered(w), 3);
}

static void who_is_of_no_school_enters_nobody(void **state)
{
    struct world *w = *state;
    world_text(w, "V1", "登记 李娜 13800000001"); /* a parent */
    ASSERT_SENT(w, "V1", "V4_HOW", 1);
    world_text(w, "V2", "登记"); /* how is it done? */
    ASSERT_SENT(w, "V2", "V4_HOW", 1);
    world_text(w, "+8610999000001", "登记 李娜 13800000001");
    world_text(w, "V2", "登记一下明天的事");
    ASSERT_SENT(w, "V2", "U1_NOT_UNDERSTOOD", 1);
    assert_int_equal(entered(w), 0);
}

static void a_text_of_entries_is_emptied(void **state)
{
    struct world *w = *state;
    world_text(w, "V2", "登记 李娜 13800000001");
    world_sql(w, "INSERT INTO inbox(id, phone, body, parts, have, can_answer, sent_at, heard_at,"
                 " state) SELECT text_id, 'x', 'sealed', 1, 1, 1, at, at, 'handled'"
                 " FROM enlist_text");
    world_run(w, "2026-09-19", "12:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM inbox WHERE body IS NOT NULL"), 1);
    world_run(w, "2026-09-23", "12:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM inbox WHERE body IS NOT NULL"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist_text"), 0);
}

static void without_an_answer_the_number_is_gone(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    assert_int_equal(enter(w, "V2", id), ERR_OK);
    assert_int_equal(decide(w, id, "L", true), ERR_OK);
    world_run(w, "2026-09-13", "12:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist"), 1);
    world_run(w, "2026-09-17", "12:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist"), 0);
    assert_int_equal(
        world_int(w, "SELECT count(*) FROM prompt WHERE phone = seal_phone('" PHONE "')"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM erased WHERE phone = 'gone ' ||"
                                  " seal_phone('" PHONE "')"),
                     1);
    ASSERT_SENT(w, PHONE, "C1_CONSENT", 1);
}

static void a_number_that_stopped_does_not_come_back_with_a_list(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    world_text(w, PHONE, "退订");
    world_run(w, "2026-09-24", "12:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM optout"), 0); /* only its hash is left */
    assert_int_equal(world_int(w, "SELECT count(*) FROM stopped"), 1);
    assert_int_equal(
        world_int(w, "SELECT count(*) FROM stopped WHERE hash = seal_phone('" PHONE "')"), 0);
    assert_int_equal(enter(w, "V2", id), ERR_STATE);
    assert_non_null(strstr(last.text, "no more texts"));
    world_sql(w, "INSERT INTO person(id, scope, kind, name, station_id, school_id, phone, active)"
                 " VALUES ('P9', 'S0117', 'parent', '周敏', 'S0117', 'S17', seal_phone('" PHONE
                 "'), 1)");
    world_shift(w, "am", "S17-E", "2026-09-26", "am", "07:20", "08:10", 2);
    world_assign(w, "am", "P9");
    world_run(w, "2026-09-26", "09:00");
    ASSERT_SENT(w, PHONE, "R1_EVE", 0);
    ASSERT_SENT(w, PHONE, "R3_SILENT", 0);
}

static void who_said_no_is_not_asked_again(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    world_tick(w); /* what is forgotten once a day is not of this story */
    assert_int_equal(enter(w, "V2", id), ERR_OK);
    assert_int_equal(decide(w, id, "L", true), ERR_OK);
    int before = world_total(w);
    world_text(w, PHONE, "2");
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM stopped"), 1);
    world_text(w, PHONE, "2");
    assert_int_equal(world_total(w), before); /* nothing more is said */
    assert_int_equal(enter(w, "V2", id), ERR_STATE);
    assert_non_null(strstr(last.text, "no more texts"));
}

static void a_yes_said_twice_is_welcomed_twice(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    assert_int_equal(enter(w, "V2", id), ERR_OK);
    assert_int_equal(decide(w, id, "L", true), ERR_OK);
    world_text(w, PHONE, "1");
    world_text(w, PHONE, "1");
    ASSERT_SENT(w, PHONE, "C2_WELCOME", 2);
    world_text(w, PHONE, "2"); /* C2 says how to stop */
    ASSERT_SENT(w, PHONE, "C2_WELCOME", 3);
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist WHERE state = 'consented'"), 1);
}

/* Somebody of the list, asked about tomorrow's duty, whom a second school enters: C1 comes last. */
static void second_school(struct world *w, const char *person)
{
    char phone[LIMIT_SEALED_PHONE_BYTES + 1], id[LIMIT_ID_BYTES + 1];
    assert_true(replica_get_text(w->replica, phone, sizeof phone,
                                 "SELECT phone FROM person WHERE id = ?1", "s", person));
    assert_int_equal(enter_at(w, "S18", phone, "D2", id), ERR_OK);
    assert_int_equal(decide(w, id, "L", true), ERR_OK);
    ASSERT_SENT(w, person, "C1_CONSENT", 1);
}

static void an_answer_about_the_duty_is_not_the_consents(void **state)
{
    struct world *w = *state;
    const struct {
        const char *person, *assignment, *word, *state;
        bool has_code;
    } answers[] = {{"V1", "am.V1", "2 ", "declined", true},
                   {"V2", "am.V2", "来不了", "declined", false},
                   {"V3", "am.V3", "1 ", "confirmed", true},
                   {"V4", "am.V4", "能来", "confirmed", false}};
    world_shift(w, "am", "S17-E", "2026-09-08", "am", "07:20", "08:10", 4);
    for (int i = 0; i < 4; i++)
        world_assign(w, "am", answers[i].person);
    world_run(w, "2026-09-07", "18:00");
    for (int i = 0; i < 4; i++) {
        char body[32], code[8] = "";
        const char *person = answers[i].person;
        ASSERT_SENT(w, person, "R1_EVE", 1);
        second_school(w, person);
        if (answers[i].has_code)
            replica_get_text(w->replica, code, sizeof code,
                             "SELECT code FROM prompt WHERE kind = 'duty' AND ref_id = ?1", "s",
                             answers[i].assignment);
        snprintf(body, sizeof body, "%s%s", answers[i].word, code);
        world_text(w, person, body);
        ASSERT_STATE(w, answers[i].assignment, answers[i].state);
        assert_int_equal(world_int(w, "SELECT count(*) FROM enlist WHERE state = 'approved'"),
                         i + 1);
    }
    ASSERT_SENT(w, "V1", "A2_DECLINED", 1);
    ASSERT_SENT(w, "C1", "A4_OFFER", 1);
}

/* A reason says that a duty is meant, whatever was asked last; without a duty it is about that. */
static void a_digit_with_a_reason_is_asked_back(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    world_tick(w);
    world_shift(w, "am", "S17-E", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "V1");
    world_run(w, "2026-09-07", "18:00");
    second_school(w, "V1");
    world_text(w, "V1", "2 发烧了");
    ASSERT_SENT(w, "V1", "L1_PROMPTS", 1);
    ASSERT_STATE(w, "am.V1", "asked");
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist WHERE state = 'approved'"), 1);
    assert_int_equal(enter(w, "V2", id), ERR_OK);
    assert_int_equal(decide(w, id, "L", true), ERR_OK);
    world_text(w, PHONE, "2 工作太忙"); /* nobody of the list: the school's question */
    assert_int_equal(world_int(w, "SELECT count(*) FROM stopped"), 1);
}

static void a_second_no_does_not_give_the_duty_back(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-07", "18:00");
    second_school(w, "V1");
    world_text(w, "V1", "2");
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist"), 0);
    world_text(w, "V1", "2");
    ASSERT_STATE(w, "am.V1", "asked");
    ASSERT_SENT(w, "V1", "A2_DECLINED", 0);
    ASSERT_SENT(w, "V1", "L1_PROMPTS", 1); /* should she mean the duty after all */
    /* no to this school alone: the list of the other goes on */
    assert_int_equal(world_int(w, "SELECT count(*) FROM stopped"), 0);
}

/* --- what is kept --- */

/* A parent's subscription ends 30 days after the term in which it began; the days of messages are a
 * setting of the station. */
static void a_subscription_ends_with_the_term(void **state)
{
    struct world *w = *state;
    world_sql(w,
              "INSERT INTO subscription(phone, school_id, since) VALUES ('june', 'S17',"
              " 1781000000000), ('september', 'S17', 1788800000000)"); /* 2026-06-09, 2026-09-07 */
    world_sql(w, "DELETE FROM retention");
    world_at(w, "2026-08-13", "12:00");
    world_restart(w);
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 2);
    world_at(w, "2026-08-15", "12:00");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 1);
    world_at(w, "2027-03-01", "12:00");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 1);
    world_at(w, "2027-03-03", "12:00");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 0);
}

/* A card says when the term ends: before or after the usual day. */
static void a_subscription_ends_when_the_card_says(void **state)
{
    struct world *w = *state;
    world_sql(
        w, "INSERT INTO card(id, scope, kind, code, name, state, due_on, body) VALUES"
           " ('t1', 'S0117', 'term', 'Q1', '春', 'on', '2026-03-01', '{\"last\":\"2026-07-20\"}'),"
           " ('t2', 'S0117', 'term', 'Q2', '秋', 'on', '2026-09-01', '{\"last\":\"2027-01-15\"}'),"
           " ('t3', 'S0117', 'term', 'Q3', '没写', 'on', '2027-03-01', '{}')");
    world_sql(w, "INSERT INTO subscription(phone, school_id, since) VALUES"
                 " ('july', 'S17', 1784250000000), ('january', 'S17', 1800835200000)");
    world_sql(w, "DELETE FROM retention"); /* 2026-07-17, 2027-01-25 */
    world_at(w, "2026-08-18", "12:00");
    world_restart(w);
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 2);
    world_at(w, "2026-08-20", "12:00");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 1);
    world_at(w, "2027-03-05", "12:00");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 1); /* for the new term */
    world_at(w, "2027-08-15", "12:00"); /* of which no card says the last day */
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 0);
}

static void how_long_messages_are_kept_is_a_setting(void **state)
{
    struct world *w = *state;
    struct duty_policy policy = duty_policy_default();
    world_sql(w, "INSERT INTO outbox(seq, id, idem, phone, body, prio, concat_ref, parts,"
                 " created_at, not_before_at, not_after_at, state) VALUES"
                 " (1, 'm1', 'k1', 'x', 'x', 1, 0, 1, 1, 1, 1785542400000, 'sent')"); /* 1 August */
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM outbox"), 1);
    policy.keep_days[DUTY_KEEP_TEXTS] = 30;
    duty_set_policy(&w->duty, &policy);
    world_at(w, "2026-09-08", "12:00");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM outbox"), 0);
    assert_int_equal(world_int(w, "SELECT days FROM retention WHERE name = 'outbox'"), 30);
    assert_int_equal(world_int(w, "SELECT days FROM retention WHERE name = 'inbox_strangers'"), 30);
}

static void rows_go_when_their_time_is_over(void **state)
{
    struct world *w = *state;
    world_text(w, "+8610300000002", "随便说说"); /* to the desk */
    world_sql(w, "INSERT INTO outbox(seq, id, idem, phone, body, prio, concat_ref, parts,"
                 " created_at, not_before_at, not_after_at, state) VALUES"
                 " (1, 'm1', 'k1', 'x', 'x', 1, 0, 1, 1, 1, 1, 'sent'),"
                 " (2, 'm2', 'k2', 'x', 'x', 0, 0, 1, 1, 1, 1755000000000, 'sent')");
    world_sql(w, "INSERT INTO outbox_part(message_seq, part, copy, prio, state, due_at,"
                 " not_after_at) SELECT seq, 1, 0, prio, 'sent', 1, 1 FROM outbox");
    world_sql(w, "INSERT INTO outbox_history(message_seq, part, copy, at, state)"
                 " SELECT seq, 1, 0, 1, 'sent' FROM outbox");
    world_sql(w, "INSERT INTO inbox(seq, id, phone, body, parts, have, can_answer, sent_at,"
                 " heard_at, state) VALUES (1, 'i1', 'x', 'x', 1, 1, 1, 1, 1, 'handled')");
    world_sql(w, "INSERT INTO inbox_pdu(pdu, modem, heard_at, kind, inbox_seq) VALUES"
                 " ('p', 'gsm0', 1, 'text', 1), ('r', 'gsm0', 1, 'report', NULL)");
    /* a stranger's, of the month before */
    world_sql(w, "INSERT INTO inbox(seq, id, phone, body, parts, have, can_answer, sent_at,"
                 " heard_at, state) VALUES (9, 'i9', 'y', 'x', 1, 1, 1, 1, 1788600000000,"
                 " 'handled')");
    world_sql(w, "INSERT INTO inbox_pdu(pdu, modem, heard_at, kind, inbox_seq, text) VALUES"
                 " (printf('%060d', 7), 'gsm0', 1788600000000, 'text', 9, 'x')");
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"), 1);
    world_run(w, "2026-10-08", "12:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM inbox"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM inbox WHERE body IS NULL"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM inbox_pdu"), 1); /* of reports none */
    assert_int_equal(world_int(w, "SELECT count(*) FROM inbox_pdu WHERE text IS NULL"
                                  " AND length(pdu) = 48"),
                     1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM outbox"), 1); /* the alarm's stays */
    assert_int_equal(world_int(w, "SELECT prio FROM outbox"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM outbox_part"), 1);
    int rules = 0;
    while (retention_rules[rules].name != NULL)
        rules++;
    assert_int_equal(world_int(w, "SELECT count(*) FROM retention WHERE ran_at > 0"), rules);
    assert_int_equal(world_int(w, "SELECT removed FROM retention WHERE name = 'desk_item'"), 1);
}

/* Of the tables that grow to hundreds of thousands, each night reads only what is too old. */
static void what_is_kept_is_not_read_each_night(void **state)
{
    struct world *w = *state;
    for (const struct retention_rule *rule = retention_rules; rule->name != NULL; rule++)
        for (int i = 0; i < RETENTION_STATEMENTS && rule->sql[i] != NULL; i++) {
            char sql[2048];
            snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", rule->sql[i]);
            struct query *q = replica_query(w->replica, sql);
            while (query_row(q)) {
                const char *step = query_get_text(q, 3);
                if (strstr(step, "SCAN inbox") != NULL || strstr(step, "SCAN outbox") != NULL)
                    fail_msg("%s: %s (%s)", rule->name, step, rule->sql[i]);
            }
            query_done(q);
        }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_volunteer_is_asked_after_two_people_agreed),
        TEST(a_coordinator_enters_parents_by_text),
        TEST(who_is_of_no_school_enters_nobody),
        TEST(a_text_of_entries_is_emptied),
        TEST(without_an_answer_the_number_is_gone),
        TEST(a_number_that_stopped_does_not_come_back_with_a_list),
        TEST(who_said_no_is_not_asked_again),
        TEST(a_yes_said_twice_is_welcomed_twice),
        TEST(an_answer_about_the_duty_is_not_the_consents),
        TEST(a_digit_with_a_reason_is_asked_back),
        TEST(a_second_no_does_not_give_the_duty_back),
        TEST(a_subscription_ends_with_the_term),
        TEST(a_subscription_ends_when_the_card_says),
        TEST(how_long_messages_are_kept_is_a_setting),
        TEST(rows_go_when_their_time_is_over),
        TEST(what_is_kept_is_not_read_each_night),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
