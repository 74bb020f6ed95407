/* What the station does for a modem that is not well, with the real worker and a simulated modem:
 * the ladder of remedies, PIN, service centre, a full SIM, another port, balance and time. Holds
 * for both drivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "tests/lib/smsstation.h"

#define PERSON "+8613800000001"

enum { SOON_MS = 20000, BEAT_MS = 400, LADDER_MS = 500, AGAIN_MS = 1500, PATH_BYTES = 128 };

static int setup(void **state)
{
    static struct smsstation station;
    smsstation_open(&station);
    *state = &station;
    return 0;
}

static struct sms_modem_status status_of(struct smsstation *s)
{
    struct sms_modem_status status;
    assert_true(sms_modem_status(s->sms, 0, &status));
    return status;
}

static bool is_in(struct smsstation *s, const char *state)
{
    return text_equal(status_of(s).state, state);
}

static bool says(struct smsstation *s, const char *problem)
{
    return strstr(status_of(s).problem, problem) != NULL;
}

static bool has_network(struct smsstation *s, const char *arg)
{
    (void)arg;
    return status_of(s).registration == 1;
}

static bool is_well(struct smsstation *s, const char *arg)
{
    (void)arg;
    return is_in(s, "ready") && status_of(s).registration == 1 &&
           status_of(s).ladder->ill_since_ms == 0;
}

static bool has_no_network(struct smsstation *s, const char *arg)
{
    (void)arg;
    return status_of(s).registration == 0;
}

static bool is_file(struct smsstation *s, const char *path)
{
    (void)s;
    struct stat stat_of;
    return stat(path, &stat_of) == 0 && stat_of.st_size > 0;
}

#define UNTIL(condition, arg) assert_true(smsstation_until(s, condition, arg, SOON_MS))

static void send_one(struct smsstation *s, const char *text)
{
    smsstation_put(s, PERSON, text, SMS_PRIO_DUTY);
    UNTIL(smsstation_is_delivered, text);
    assert_int_equal(smsstation_book(s, "accepted", text), 1);
}

static const char *in_dir(struct smsstation *s, const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    return path;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* --- the ladder --- */

static void lose_network(struct smsstation *s, const char *sim)
{
    s->modem.beat_ms = BEAT_MS;
    s->modem.ladder_ms = LADDER_MS;
    smsstation_tell(s, sim);
    smsstation_start(s);
    UNTIL(has_network, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"registration_lost\"}");
    smsstation_put(s, PERSON, "断网时", SMS_PRIO_PANIC); /* its refusal is noticed, not charged */
    UNTIL(has_no_network, NULL);
}

static void test_radio_finds_the_network(void **state)
{
    struct smsstation *s = *state;
    lose_network(s, "{\"cmd\":\"sim\",\"stubborn\":0}");
    UNTIL(is_well, NULL);
    const struct ladder *ladder = status_of(s).ladder;
    assert_int_equal(ladder->steps[LADDER_RADIO].count, 1);
    assert_true(ladder->steps[LADDER_RADIO].last_ms > 0);
    assert_int_equal(ladder->steps[LADDER_RESET].count, 0);
    smsstation_jump(s, 60000);
    UNTIL(smsstation_is_delivered, "断网时");
    send_one(s, "之后");
}

static void test_reset_finds_the_network(void **state)
{
    struct smsstation *s = *state;
    lose_network(s, "{\"cmd\":\"sim\",\"stubborn\":1}");
    UNTIL(is_well, NULL);
    const struct ladder *ladder = status_of(s).ladder;
    assert_int_equal(ladder->steps[LADDER_RADIO].count, 1);
    assert_int_equal(ladder->steps[LADDER_RESET].count, 1);
    assert_int_equal(ladder->steps[LADDER_REOPEN].count, 0);
    send_one(s, "之后");
}

/* The last step is a program of the owner's. */
static void test_power_is_the_last_step(void **state)
{
    struct smsstation *s = *state;
    char script[2 * PATH_BYTES];
    char command[PATH_BYTES];
    text_copy(command, sizeof command, in_dir(s, "power"));
    snprintf(script, sizeof script, "#!/bin/sh\necho \"$1\" > %s/power.out\n", s->dir);
    write_file(command, script);
    assert_int_equal(chmod(command, 0700), 0);
    s->modem.power_command = command;
    lose_network(s, "{\"cmd\":\"sim\",\"stubborn\":2}");
    UNTIL(is_file, in_dir(s, "power.out"));
    const struct ladder *ladder = status_of(s).ladder;
    assert_int_equal(ladder->steps[LADDER_RADIO].count, 1);
    assert_int_equal(ladder->steps[LADDER_RESET].count, 1);
    assert_int_equal(ladder->steps[LADDER_REOPEN].count, 1);
    assert_int_equal(ladder->steps[LADDER_POWER].count, 1);
    assert_true(ladder->ill_since_ms > 0);
}

/* A modem that refuses for reasons of its own gets the same remedies; the message is not charged.
 */
static void test_refusals_climb(void **state)
{
    struct smsstation *s = *state;
    smsstation_start(s);
    UNTIL(is_in, "ready");
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"cms_error\",\"number\":313,\"times\":2}");
    send_one(s, "不怪短信");
    const struct ladder *ladder = status_of(s).ladder;
    assert_int_equal(ladder->steps[LADDER_RADIO].count, 1);
    assert_int_equal(ladder->steps[LADDER_RESET].count, 1);
    assert_int_equal(replica_get_int(s->replica, -1, "SELECT tries FROM outbox_part", ""), 1);
}

/* --- the SIM --- */

static void start_with_pin(struct smsstation *s, const char *pin)
{
    static char path[PATH_BYTES];
    text_copy(path, sizeof path, in_dir(s, "pin"));
    write_file(path, pin);
    s->modem.pin_file = path;
    smsstation_tell(s, "{\"cmd\":\"sim\",\"pin\":\"1234\"}");
    smsstation_start(s);
}

static void test_pin(void **state)
{
    struct smsstation *s = *state;
    start_with_pin(s, "1234");
    UNTIL(is_in, "ready");
    send_one(s, "开锁之后");
    smsstation_stop(s);
    smsstation_tell(s, "{\"cmd\":\"unplug\"}"); /* it wants its PIN again */
    smsstation_tell(s, "{\"cmd\":\"plug\"}");
    smsstation_start(s);
    UNTIL(is_in, "ready");
    assert_int_equal(smsstation_stat(s, "pin_wrong"), 0);
}

/* Once, whatever is restarted; then again when the file has changed. */
static void test_wrong_pin_is_tried_once(void **state)
{
    struct smsstation *s = *state;
    start_with_pin(s, "9999");
    UNTIL(says, "was refused");
    smsstation_turn(s, AGAIN_MS);
    assert_int_equal(smsstation_stat(s, "pin_wrong"), 1);
    smsstation_stop(s);
    smsstation_start(s);
    UNTIL(says, "correct it there");
    smsstation_turn(s, AGAIN_MS);
    assert_int_equal(smsstation_stat(s, "pin_wrong"), 1);
    write_file(s->modem.pin_file, "1234");
    UNTIL(is_in, "ready");
    assert_int_equal(smsstation_stat(s, "pin_wrong"), 1);
    assert_int_equal(replica_get_int(s->replica, 0,
                                     "SELECT count(*) FROM modem_pin WHERE state = 'taken' AND"
                                     " pin NOT LIKE '%1234%'",
                                     ""),
                     1);
}

static bool is_tried(struct smsstation *s, const char *arg)
{
    (void)arg;
    return replica_get_int(s->replica, 0, "SELECT count(*) FROM modem_pin", "") > 0;
}

/* The worker dies at some moment between the PIN's frame and its answer: whatever the modem has
 * seen of it, a wrong PIN costs one try. */
static void killed_over_its_pin(struct smsstation *s, int after_ms)
{
    pid_t workers[4];
    start_with_pin(s, "9999");
    UNTIL(is_tried, NULL);
    if (after_ms > 0)
        clock_sleep_ms(after_ms);
    int count = smsstation_workers(workers, 4);
    for (int i = 0; i < count; i++)
        kill(workers[i], SIGKILL);
    UNTIL(says, "PIN");
    smsstation_turn(s, AGAIN_MS);
    assert_true(smsstation_stat(s, "pin_wrong") <= 1);
    assert_true(smsstation_stat(s, "pin_tries") >= 2);
}

static void test_killed_with_the_pin_on_its_way(void **state)
{
    killed_over_its_pin(*state, 0);
}

static void test_killed_while_the_modem_looks_at_it(void **state)
{
    killed_over_its_pin(*state, 3);
}

static void test_killed_before_the_answer_is_read(void **state)
{
    killed_over_its_pin(*state, 12);
}

static void test_pin_without_a_file(void **state)
{
    struct smsstation *s = *state;
    smsstation_tell(s, "{\"cmd\":\"sim\",\"pin\":\"1234\"}");
    smsstation_start(s);
    UNTIL(says, "pin_file");
    smsstation_turn(s, AGAIN_MS);
    assert_int_equal(smsstation_stat(s, "pin_wrong"), 0);
}

/* Out of its holder, then back. */
static void test_sim_is_missing(void **state)
{
    struct smsstation *s = *state;
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"cme_error\",\"number\":10,\"times\":0,"
                       "\"on\":\"AT+CPIN?\"}");
    smsstation_start(s);
    UNTIL(says, "no SIM card");
    smsstation_tell(s, "{\"cmd\":\"clear\"}");
    UNTIL(is_in, "ready");
}

static void test_sim_without_centre(void **state)
{
    struct smsstation *s = *state;
    s->modem.smsc = "+8613800431500";
    smsstation_tell(s, "{\"cmd\":\"sim\",\"centre\":\"\"}");
    smsstation_start(s);
    send_one(s, "短信中心");
}

static void test_sim_is_kept_free(void **state)
{
    struct smsstation *s = *state;
    smsstation_tell(s, "{\"cmd\":\"sim\",\"drafts\":18}");
    smsstation_start(s);
    UNTIL(has_network, NULL);
    struct sms_modem_status status = status_of(s);
    assert_int_equal(status.sim_size, 20);
    assert_in_range(status.sim_used, 0, 10);
    assert_int_equal(smsstation_stat(s, "sim_used"), status.sim_used);
}

/* --- where it is --- */

static void plug_as(struct smsstation *s, const char *name)
{
    char order[2 * PATH_BYTES];
    smsstation_tell(s, "{\"cmd\":\"unplug\"}");
    snprintf(order, sizeof order, "{\"cmd\":\"plug\",\"link\":\"%s/%s\"}", s->dir, name);
    smsstation_tell(s, order);
}

static void use_imei(struct smsstation *s, const char *imei)
{
    static char dir[PATH_BYTES];
    text_copy(dir, sizeof dir, in_dir(s, "ports"));
    assert_int_equal(mkdir(dir, 0700), 0);
    write_file(in_dir(s, "ports/decoy"), "no port");
    assert_int_equal(symlink("/dev/null", in_dir(s, "ports/null")), 0);
    s->modem.device = "";
    s->modem.scan_dir = dir;
    s->modem.imei = imei;
}

static void test_found_by_imei(void **state)
{
    struct smsstation *s = *state;
    use_imei(s, "867000000000017");
    plug_as(s, "ports/b");
    smsstation_start(s);
    UNTIL(is_in, "ready");
    send_one(s, "第一个口");
    plug_as(s, "ports/a");
    UNTIL(smsstation_is_delivered, "第一个口");
    smsstation_put(s, PERSON, "第二个口", SMS_PRIO_DUTY);
    UNTIL(smsstation_is_delivered, "第二个口");
    assert_string_equal(strrchr(status_of(s).device, '/'), "/a");
    assert_int_equal(smsstation_book(s, "accepted", NULL), 2);
}

static void test_another_modem_will_not_do(void **state)
{
    struct smsstation *s = *state;
    use_imei(s, "867000000000099");
    plug_as(s, "ports/a");
    smsstation_start(s);
    UNTIL(says, "another modem");
    smsstation_put(s, PERSON, "不从这里发", SMS_PRIO_PANIC);
    smsstation_turn(s, AGAIN_MS);
    assert_int_equal(smsstation_book(s, "accepted", NULL), 0);
}

/* --- two of them --- */

static bool both_have_network(struct smsstation *s, const char *arg)
{
    struct sms_modem_status status;
    return has_network(s, arg) && sms_modem_status(s->sms, 1, &status) && status.registration == 1;
}

/* A message goes to the best modem that is free: while it reads a report, that is the other one. */
static bool second_is_free(struct smsstation *s, const char *arg)
{
    struct sms_modem_status status;
    (void)arg;
    return sms_modem_status(s->sms, 1, &status) && text_equal(status.state, "ready");
}

/* Only there for its modem. */
static struct smsstation other;

static bool is_at_other(struct smsstation *s, const char *text)
{
    (void)s;
    return smsstation_book(&other, "accepted", text) == 1;
}

static void add_modem(struct smsstation *s)
{
    static const char *const prefixes[] = {"139"};
    smsstation_open(&other);
    s->second = other.modem;
    s->second.name = "gsm1";
    s->second.driver = s->driver;
    s->second.prefixes = prefixes;
    s->second.prefix_count = 1;
    smsstation_start(s);
    UNTIL(both_have_network, NULL);
}

static void test_two_modems(void **state)
{
    struct smsstation *s = *state;
    add_modem(s);
    UNTIL(second_is_free, NULL);
    smsstation_put(s, "+8613900000001", "按号段", SMS_PRIO_DUTY);
    UNTIL(smsstation_is_delivered, "按号段");
    assert_int_equal(smsstation_book(&other, "accepted", "按号段"), 1);
    smsstation_tell(&other, "{\"cmd\":\"network\",\"delay_ms\":1800}");
    UNTIL(second_is_free, NULL);
    smsstation_put(s, "+8613900000001", "慢", SMS_PRIO_DUTY);
    UNTIL(is_at_other, "慢");
    smsstation_put(s, "+8613900000001", "报警不等", SMS_PRIO_PANIC); /* the other one is free */
    UNTIL(smsstation_is_delivered, "报警不等");
    assert_int_equal(smsstation_book(s, "accepted", "报警不等"), 1);
    smsstation_tell(&other, "{\"cmd\":\"unplug\"}");
    smsstation_put(s, "+8613900000001", "拔掉一个", SMS_PRIO_DUTY);
    UNTIL(smsstation_is_delivered, "拔掉一个");
    assert_int_equal(smsstation_book(s, "accepted", "拔掉一个"), 1);
    assert_int_equal(smsstation_book(&other, "accepted", "慢"), 1);
    assert_int_equal(smsstation_book(s, "accepted", "慢"), 0); /* perhaps sent: not again */
    smsstation_close(&other);
}

/* --- what the network tells --- */

static bool has_balance(struct smsstation *s, const char *arg)
{
    (void)arg;
    return status_of(s).balance_known;
}

static void test_balance(void **state)
{
    struct smsstation *s = *state;
    s->modem.balance_code = "*100#";
    s->modem.balance_low = 10;
    smsstation_start(s);
    UNTIL(is_in, "ready");
    sms_ask_balance(s->sms, 0);
    UNTIL(has_balance, NULL);
    assert_int_equal(status_of(s).balance_cents, 850);
    assert_true(status_of(s).balance_is_low);
    assert_non_null(strstr(status_of(s).balance, "Balance 8.50 CNY"));
    send_one(s, "之后");
}

static void test_network_time(void **state)
{
    struct smsstation *s = *state;
    char order[PATH_BYTES];
    struct caltime t = caltime_local(clock_wall_ms(&s->clock) + 3600000);
    snprintf(order, sizeof order, "{\"cmd\":\"sim\",\"time\":\"%02d/%02d/%02d,%02d:%02d:%02d+32\"}",
             t.year % 100, t.month, t.day, t.hour, t.minute, t.second);
    smsstation_tell(s, order);
    smsstation_start(s);
    UNTIL(has_network, NULL);
    assert_true(status_of(s).clock_at_ms > 0);
    assert_in_range(status_of(s).clock_off_ms, 3600000 - 15000, 3600000 + 1000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, smsstation_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_radio_finds_the_network),
        CASE(test_reset_finds_the_network),
        CASE(test_power_is_the_last_step),
        CASE(test_refusals_climb),
        CASE(test_pin),
        CASE(test_wrong_pin_is_tried_once),
        CASE(test_killed_with_the_pin_on_its_way),
        CASE(test_killed_while_the_modem_looks_at_it),
        CASE(test_killed_before_the_answer_is_read),
        CASE(test_pin_without_a_file),
        CASE(test_sim_is_missing),
        CASE(test_sim_without_centre),
        CASE(test_sim_is_kept_free),
        CASE(test_found_by_imei),
        CASE(test_another_modem_will_not_do),
        CASE(test_two_modems),
        CASE(test_balance),
        CASE(test_network_time),
    };
    cmocka_set_test_filter(getenv("TOUYAN_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
