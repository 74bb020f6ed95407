/* A day of a station's messages in fast time: the real sms module with the real worker and the
 * simulated modem, 24 hours with the peaks of a school day.
 *
 * In the morning reminders and check-ins, at noon and in the afternoon duties change, parents ask
 * when school lets out and are told that it does so earlier, in the evening tomorrow's duties are
 * announced and answered; at night nothing goes out but alarms and answers. Meanwhile the modem
 * does everything that modems do: refusals of each class, lost and late answers, reports that are
 * late, doubled or never come, lines that nobody asked for, lost announcements, no network, and its
 * port, its worker and the modem itself go away in mid sentence.
 *
 * At the end: what the network accepted is in our book, once, and more than once only as a numbered
 * copy of an alarm; each PDU of the network is stored once and each text is handed on once; nothing
 * went out outside its window or in quiet hours; no turn of the loop took more than 50 ms, not
 * counting what other programs had of the processor (the database is not on the disk).
 *
 *   sms_day [--driver gammu|at] [--make quectel|simcom|huawei] [--share PERCENT] [--seed N]
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/caltime.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "tests/lib/smsstation.h"

enum {
    LETTERS_MAX = 4000, /* of each direction */
    TEXT_BYTES = 640,
    PEOPLE = 120,
    PARENTS = 400,
    MINUTE_MS = 60 * 1000,
    PROBLEMS_SHOWN = 20,
    LATE_MS = 50,
    FLIGHT_MS = 30 * 1000, /* of real time, between claiming a part and the network's word */
    STUCK_US = 60 * 1000 * 1000,
    GOES_MS = 150, /* a modem that is pulled out stays away for so long */
};

enum deed {
    DEED_PUT,
    DEED_LETTER,
    DEED_FAULT,
    DEED_UNPLUG,
    DEED_KILL_WORKER,
    DEED_KILL_MODEM,
    DEED_REPEAT, /* the network brings a PDU a second time */
    DEED_BROKEN, /* a PDU that nobody can read */
};

struct out {
    char number[24];
    char text[TEXT_BYTES]; /* begins with its number: unique */
    int prio;
    int64_t from_ms, until_ms;
    bool any_hour;
    int accepted, copies; /* whole messages in the network's book */
};

struct in {
    char number[24];
    char text[TEXT_BYTES];
    bool gap; /* a part never comes */
    int heard;
};

struct act {
    int64_t at_ms;
    enum deed deed;
    int index;
};

struct day {
    struct smsstation station;
    struct rnd rnd;
    int64_t midnight_ms;
    int share; /* percent of a full day */
    struct out out[LETTERS_MAX];
    struct in in[LETTERS_MAX];
    struct act acts[4 * LETTERS_MAX];
    int out_count, in_count, act_count;
    int faults, broken, repeated, strangers, problems;
    int64_t worst_us; /* turn of the loop, without what others had of the processor */
    int64_t worst_cpu_us;
    int schedstat;
    char said[PROBLEMS_SHOWN][TEXT_BYTES + 64];
};

static struct day day;

static void problem(const char *what, const char *which)
{
    if (day.problems < PROBLEMS_SHOWN)
        snprintf(day.said[day.problems], sizeof day.said[0], "%s: %s", what, which);
    day.problems++;
}

/* --- the plan of the day --- */

static int64_t clock_at(int hour, int minute)
{
    return day.midnight_ms + ((int64_t)hour * 60 + minute) * MINUTE_MS;
}

/* What is sent comes in heaps, because it is timed; people write within the same minute. */
static int64_t between(int64_t from_ms, int64_t until_ms, int step_minutes)
{
    int64_t step = (int64_t)step_minutes * MINUTE_MS;
    return from_ms + step * (int64_t)rnd_below(&day.rnd, (uint64_t)((until_ms - from_ms) / step));
}

static void plan(int64_t at_ms, enum deed deed, int index)
{
    if (day.act_count == sizeof day.acts / sizeof day.acts[0])
        abort();
    day.acts[day.act_count++] = (struct act){at_ms, deed, index};
}

static void number_of(int person, char ret[24])
{
    snprintf(ret, 24, "+8613800%06d", person);
}

static void write_text(const char *what, int index, bool longer, char ret[TEXT_BYTES])
{
    int size =
        snprintf(ret, TEXT_BYTES, "%s%05d号，第二实验小学东门07:20至08:10，回1确认", what, index);
    if (longer && size > 0)
        for (int i = 0; i < 12; i++)
            size += snprintf(ret + size, TEXT_BYTES - (size_t)size, "请穿反光背心，带哨子%d。", i);
}

static struct out *add_out(const char *what, int person, int prio, int64_t at_ms, int64_t until_ms)
{
    struct out *out = &day.out[day.out_count];
    if (day.out_count == LETTERS_MAX)
        abort();
    *out = (struct out){.prio = prio, .from_ms = at_ms, .until_ms = until_ms};
    number_of(person, out->number);
    bool longer = prio != SMS_PRIO_PANIC && day.out_count % 20 == 0;
    write_text(what, day.out_count, longer, out->text);
    if (at_ms > 0)
        plan(at_ms, DEED_PUT, day.out_count);
    day.out_count++;
    return out;
}

static void add_in(const char *what, int person, int64_t at_ms, bool gap)
{
    struct in *in = &day.in[day.in_count];
    if (day.in_count == LETTERS_MAX)
        abort();
    *in = (struct in){.gap = gap};
    number_of(person, in->number);
    write_text(what, day.in_count, gap || day.in_count % 20 == 0, in->text);
    plan(at_ms, DEED_LETTER, day.in_count++);
}

/* `count` of a full day between two times of it. */
struct wave {
    const char *what;
    int count, hour, minute, minutes;
    int prio;   /* -1: people write to us and are answered */
    int window; /* minutes; 0: until the wave ends */
};

static const struct wave waves[] = {
    {"提醒", 80, 6, 30, 20, SMS_PRIO_REMINDER, 50},
    {"到岗", 80, 7, 0, 35, -1, 0},
    {"未到", 8, 7, 23, 4, SMS_PRIO_DUTY, 15},
    {"离岗", 80, 7, 50, 40, -1, 0},
    {"改班", 10, 9, 0, 120, SMS_PRIO_DUTY, 240},
    {"中午", 40, 11, 20, 50, -1, 0},
    {"查询", 120, 15, 0, 110, -1, 0},
    {"提前", 150, 16, 0, 5, SMS_PRIO_BULK, 55},
    {"放学", 60, 16, 20, 50, -1, 0},
    {"明天", 110, 18, 0, 10, SMS_PRIO_REMINDER, 175},
    {"回复", 100, 18, 5, 150, -1, 0},
    {"半夜", 8, 22, 30, 60, -1, 0},
    {"早班", 20, 21, 30, 60, SMS_PRIO_REMINDER, 600},
};

static void plan_wave(const struct wave *wave)
{
    int64_t from = clock_at(wave->hour, wave->minute);
    int64_t until = from + (int64_t)wave->minutes * MINUTE_MS;
    int count = (wave->count * day.share + 99) / 100;
    for (int i = 0; i < count; i++) {
        int64_t at = between(from, until, wave->prio < 0 || wave->minutes < 5 ? 1 : 5);
        bool parents = wave->count > PEOPLE || strcmp(wave->what, "查询") == 0;
        int person = parents ? PEOPLE + (i * 7) % PARENTS : i % PEOPLE;
        if (wave->prio < 0)
            add_in(wave->what, person, at, rnd_below(&day.rnd, 100) == 0);
        else
            add_out(wave->what, person, wave->prio, at, at + (int64_t)wave->window * MINUTE_MS);
    }
}

/* Alarms at any hour, one in the night; four people are told of each. */
static void plan_alarms(void)
{
    static const int at[][2] = {{7, 25}, {11, 40}, {16, 45}, {2, 30}, {23, 10}};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        for (int k = 0; k < 4; k++) {
            int64_t when = clock_at(at[i][0], at[i][1]);
            add_out("紧急报警", k, SMS_PRIO_PANIC, when, when + (int64_t)60 * MINUTE_MS);
        }
}

static int by_time(const void *a, const void *b)
{
    int64_t x = ((const struct act *)a)->at_ms, y = ((const struct act *)b)->at_ms;
    return x < y ? -1 : x > y;
}

/* One of the things that modems do for each twelfth message, some of the rarer ones in between.
 */
static void plan_trouble(void)
{
    int letters = day.act_count;
    for (int i = 0; i < letters / 12; i++) {
        const struct act *near = &day.acts[rnd_below(&day.rnd, (uint64_t)letters)];
        plan(near->at_ms, DEED_FAULT, day.faults++);
    }
    static const enum deed rare[] = {DEED_UNPLUG, DEED_KILL_WORKER, DEED_KILL_MODEM, DEED_REPEAT,
                                     DEED_BROKEN};
    for (int i = 0; i < 20 * day.share / 100 + 5; i++) {
        const struct act *near = &day.acts[rnd_below(&day.rnd, (uint64_t)letters)];
        plan(near->at_ms + 1, rare[i % 5], i);
    }
}

static void plan_day(void)
{
    for (size_t i = 0; i < sizeof waves / sizeof waves[0]; i++)
        plan_wave(&waves[i]);
    plan_alarms();
    plan_trouble();
    qsort(day.acts, (size_t)day.act_count, sizeof day.acts[0], by_time);
}

/* --- the loop --- */

static int64_t now_ms(void)
{
    return clock_wall_ms(&day.station.clock);
}

/* How long this thread was ready to run and did not: others had the processor. */
static int64_t waited_us(void)
{
    char text[96];
    long long ran, waited = 0;
    ssize_t size = pread(day.schedstat, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes two numbers */
    return sscanf(text, "%lld %lld", &ran, &waited) == 2 ? waited / 1000 : 0;
}

static void turn(void)
{
    uv_loop_t *loop = &day.station.loop;
    int64_t began = clock_mono_us(), cpu = clock_thread_us(), waited = waited_us();
    uint64_t idle = uv_metrics_idle_time(loop);
    uv_run(loop, UV_RUN_ONCE);
    int64_t took = clock_mono_us() - began - (int64_t)(uv_metrics_idle_time(loop) - idle) / 1000;
    took -= waited_us() - waited;
    cpu = clock_thread_us() - cpu;
    day.worst_us = took > day.worst_us ? took : day.worst_us;
    day.worst_cpu_us = cpu > day.worst_cpu_us ? cpu : day.worst_cpu_us;
}

static void turn_for(int ms)
{
    int64_t until = clock_mono_us() + (int64_t)ms * 1000;
    while (clock_mono_us() < until)
        turn();
}

static void put(const struct out *out)
{
    struct smsstation *station = &day.station;
    char id[LIMIT_ID_BYTES + 1], phone[LIMIT_SEALED_PHONE_BYTES];
    replica_get_text(station->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s",
                     out->number);
    struct outbox_message message = {.idem = out->text,
                                     .phone = phone,
                                     .text = out->text,
                                     .prio = out->prio,
                                     .not_before_ms = out->from_ms,
                                     .not_after_ms = out->until_ms,
                                     .any_hour = out->any_hour,
                                     .text_id = "day"};
    replica_enter(station->replica);
    int code = outbox_put(sms_outbox(station->sms), &message, id);
    replica_leave(station->replica, code == ERR_OK);
    if (code != ERR_OK)
        problem("was not put", out->text);
}

/* Every letter is answered at once, at any hour. In the handler that stores it. */
static void on_text(void *ctx, const struct inbox_text *text)
{
    (void)ctx;
    int person = 0;
    for (int i = 0; i < day.in_count; i++) {
        struct in *in = &day.in[i];
        size_t same = strcspn(in->text, "0123456789") + 5;
        if (strncmp(in->text, text->body, in->gap ? same : sizeof in->text) != 0)
            continue;
        in->heard++;
        text_to_int(in->number + strlen("+8613800"), 0, 999999, &person);
        struct out *out = add_out("回执", person, SMS_PRIO_DUTY, 0, now_ms() + 30 * MINUTE_MS);
        out->any_hour = true;
        out->from_ms = now_ms();
        char id[LIMIT_ID_BYTES + 1];
        struct outbox_message message = {.idem = out->text,
                                         .phone = text->phone,
                                         .text = out->text,
                                         .prio = out->prio,
                                         .not_after_ms = out->until_ms,
                                         .any_hour = true,
                                         .text_id = "day"};
        outbox_put(sms_outbox(day.station.sms), &message, id);
        return;
    }
    day.strangers++;
    problem("nobody wrote", text->body);
}

static void order(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void order(const char *format, ...)
{
    char line[2 * TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    smsstation_tell(&day.station, line);
}

/* What modems and networks do to the next message. */
static void fault(int index)
{
    static const char *const kinds[] = {
        "\"cms_error\",\"number\":38",
        "\"answer_lost\"",
        "\"late_report\",\"ms\":400",
        "\"cms_error\",\"number\":42",
        "\"urc_inside\",\"text\":\"^NWTIME: 26/09/01\"",
        "\"cms_error\",\"number\":21",
        "\"duplicate_report\"",
        "\"late_answer\",\"ms\":300",
        "\"no_report\"",
        "\"urc_before\",\"text\":\"+QIND: SMS DONE\"",
        "\"cms_error_at_once\",\"number\":500",
        "\"early_report\"",
        "\"garbage\"",
        "\"cmti_lost\"",
        "\"one_byte\"",
        "\"cms_error\",\"number\":331",
        "\"urc_after\",\"text\":\"RDY\"",
        "\"no_prompt\"",
        "\"cms_error\",\"number\":322",
        "\"echo_off\"",
        "\"error\"",
        "\"registration_lost\",\"ms\":700",
        "\"report_status\",\"number\":70",
        "\"bare_prompt\"",
        "\"cms_error\",\"number\":310",
        "\"silent\",\"ms\":900",
    };
    order("{\"cmd\":\"fault\",\"times\":1,\"kind\":%s}",
          kinds[index % (int)(sizeof kinds / sizeof kinds[0])]);
}

static void letter(const struct in *in)
{
    bool reverse = rnd_below(&day.rnd, 3) == 0;
    order("{\"cmd\":\"inbound\",\"from\":\"%s\",\"text\":\"%s\",\"drop\":%d,\"reverse\":%s}",
          in->number, in->text, in->gap ? 2 : 0, reverse ? "true" : "false");
}

static void kill_worker(void)
{
    pid_t pids[2];
    for (int i = smsstation_workers(pids, 2); i > 0; i--)
        kill(pids[i - 1], SIGKILL);
}

/* --- the network's book --- */

enum { EVENT_BYTES = 24, PDU_BYTES = 400, LINE_BYTES = 8192 };

struct line {
    char event[EVENT_BYTES];
    char text[TEXT_BYTES];
    char pdu[PDU_BYTES];
    int64_t wall_ms;
};

/* Calls `each` for every line of the book. */
static void read_book(void (*each)(void *ctx, const struct line *line), void *ctx)
{
    static char bytes[LINE_BYTES];
    FILE *file = fopen(day.station.book, "re");
    while (file != NULL && fgets(bytes, sizeof bytes, file) != NULL) {
        struct json *json = NULL;
        struct line line;
        if (json_parse(bytes, strlen(bytes), &json, NULL) != ERR_OK)
            abort();
        text_copy(line.event, sizeof line.event, json_text(json, "event", ""));
        text_copy(line.text, sizeof line.text, json_text(json, "text", ""));
        text_copy(line.pdu, sizeof line.pdu, json_text(json, "pdu", ""));
        line.wall_ms = json_int(json, "wall", 0);
        json_free(json);
        each(ctx, &line);
    }
    if (file != NULL)
        fclose(file);
}

static void keep_stored(void *ctx, const struct line *line)
{
    if (text_equal(line->event, "inbound_stored"))
        text_copy(ctx, PDU_BYTES, line->pdu);
}

static void repeat(void)
{
    char pdu[PDU_BYTES] = "";
    read_book(keep_stored, pdu);
    if (pdu[0] == '\0')
        return;
    order("{\"cmd\":\"inbound_pdu\",\"hex\":\"%s\"}", pdu);
    day.repeated++;
}

static void unplug(void)
{
    order("{\"cmd\":\"unplug\"}");
    turn_for(GOES_MS);
    order("{\"cmd\":\"plug\"}");
}

static void act(const struct act *what)
{
    switch (what->deed) {
    case DEED_PUT:
        put(&day.out[what->index]);
        break;
    case DEED_LETTER:
        letter(&day.in[what->index]);
        break;
    case DEED_FAULT:
        fault(what->index);
        break;
    case DEED_UNPLUG:
        unplug();
        break;
    case DEED_KILL_WORKER:
        kill_worker();
        break;
    case DEED_KILL_MODEM:
        smsstation_kill_modem(&day.station);
        break;
    case DEED_REPEAT:
        repeat();
        break;
    case DEED_BROKEN:
        order("{\"cmd\":\"inbound_pdu\",\"hex\":\"0891683108100005f0ff%02x\"}", what->index);
        day.broken++;
        break;
    }
}

/* Nothing moves without time passing. */
static bool is_quiet(void)
{
    struct sms_modem_status status;
    return sms_idle(day.station.sms) && sms_modem_status(day.station.sms, 0, &status) &&
           text_equal(status.state, "ready") && smsstation_stat(&day.station, "idle") != 0;
}

/* Fast time up to the next deed: from one due thing to the next while all is quiet. */
static bool run_until(int64_t at_ms)
{
    int64_t stuck = clock_mono_us() + STUCK_US;
    while (now_ms() < at_ms) {
        turn();
        if (clock_mono_us() > stuck)
            return false;
        if (!is_quiet())
            continue;
        int64_t due = sms_next_due_ms(day.station.sms);
        due = due < at_ms ? due : at_ms;
        if (due > now_ms())
            smsstation_jump(&day.station, due - now_ms());
        stuck = clock_mono_us() + STUCK_US;
    }
    return true;
}

static bool settle(void)
{
    int64_t stuck = clock_mono_us() + STUCK_US;
    while (!is_quiet() && clock_mono_us() < stuck)
        turn();
    return is_quiet();
}

static void play(void)
{
    for (int i = 0; i < day.act_count; i++) {
        if (!run_until(day.acts[i].at_ms)) {
            char clock[CALTIME_CLOCK_SIZE];
            caltime_format_clock(day.acts[i].at_ms, clock);
            problem("the day stands still before", clock);
            return;
        }
        act(&day.acts[i]);
        turn();
    }
    smsstation_tell(&day.station, "{\"cmd\":\"clear\"}");
    if (!run_until(clock_at(24, 0) + (int64_t)12 * 60 * MINUTE_MS) || !settle())
        problem("the day does not end", "");
}

/* --- the account --- */

static bool in_quiet_hours(int64_t at_ms)
{
    struct pace_limits limits = day.station.limits;
    return pace_is_quiet(&limits, at_ms) && pace_is_quiet(&limits, at_ms - FLIGHT_MS);
}

static struct out *find_out(const char *text, bool *ret_copy)
{
    const char *mark = strstr(text, "(再发");
    const char *plain = mark == text ? strchr(text, ')') + 1 : text;
    *ret_copy = plain != text;
    for (int i = 0; i < day.out_count; i++)
        if (text_equal(day.out[i].text, plain))
            return &day.out[i];
    return NULL;
}

static void note_message(void *ctx, const struct line *line)
{
    bool copy = false;
    int *accepted = ctx;
    *accepted += text_equal(line->event, "accepted");
    if (!text_equal(line->event, "message"))
        return;
    struct out *out = find_out(line->text, &copy);
    if (out == NULL) {
        problem("not in our book", line->text);
        return;
    }
    out->accepted += !copy;
    out->copies += copy;
    if (line->wall_ms < out->from_ms || line->wall_ms > out->until_ms + FLIGHT_MS)
        problem("outside its window", line->text);
    if (out->prio >= SMS_PRIO_REMINDER && in_quiet_hours(line->wall_ms))
        problem("in quiet hours", line->text);
}

/* Parts of which our book says that the network took them, or that it may have, or all; of the
 * first sending or of copies. A report may have said later that a part that was taken did not
 * arrive. */
enum known { KNOWN_TAKEN, KNOWN_PERHAPS, KNOWN_ALL };

static int parts_in(const struct out *out, bool copies, enum known known)
{
    return (int)replica_get_int(
        day.station.replica, 0,
        "SELECT count(*) FROM outbox_part p JOIN outbox o ON o.seq = p.message_seq"
        " WHERE o.idem = ?1 AND (p.copy > 0) = ?2 AND CASE ?3"
        " WHEN 0 THEN p.mr IS NOT NULL OR p.state IN ('sent', 'delivered')"
        " WHEN 1 THEN p.mr IS NULL AND p.state = 'unknown' ELSE true END",
        "sii", out->text, (int64_t)copies, (int64_t)known);
}

/* Every copy is a message of its own; of the first sending there is one when all its parts are. */
static void judge_sending(const struct out *out, bool copies, int accepted)
{
    int taken = parts_in(out, copies, KNOWN_TAKEN);
    int perhaps = taken + parts_in(out, copies, KNOWN_PERHAPS);
    int all = parts_in(out, copies, KNOWN_ALL);
    int least = copies ? taken : all > 0 && taken == all;
    int most = copies ? perhaps : all > 0 && perhaps == all;
    if (accepted < least)
        problem("in our book as sent, and the network never took it", out->text);
    if (accepted > most)
        problem("taken by the network more often than our book says", out->text);
}

#define COUNT(what) replica_get_int(day.station.replica, 0, "SELECT count(*) FROM " what, "")

static bool is_refused(const struct out *out)
{
    return text_equal(smsstation_state(&day.station, out->text), "failed");
}

static void judge_out(void)
{
    int accepted = 0;
    read_book(note_message, &accepted);
    for (int i = 0; i < day.out_count; i++) {
        const struct out *out = &day.out[i];
        judge_sending(out, false, out->accepted);
        judge_sending(out, true, out->copies);
        if (out->copies > 0 && out->prio != SMS_PRIO_PANIC)
            problem("a copy of what is no alarm", out->text);
        if (out->prio == SMS_PRIO_PANIC && out->accepted + out->copies == 0 && !is_refused(out))
            problem("an alarm was not sent", out->text);
    }
    int64_t taken = COUNT("outbox_part WHERE mr IS NOT NULL OR state IN ('sent', 'delivered')");
    int64_t perhaps = COUNT("outbox_part WHERE mr IS NULL AND state = 'unknown'");
    if (accepted < taken || accepted > taken + perhaps)
        problem("parts that the network took", "are not the parts of our book");
    if (COUNT("outbox_part WHERE state IN ('queued', 'claimed', 'submitted')") > 0)
        problem("parts", "are not at rest");
}

struct stored {
    char (*pdus)[PDU_BYTES];
    int count;
};

static void note_stored(void *ctx, const struct line *line)
{
    struct stored *stored = ctx;
    if (!text_equal(line->event, "inbound_stored"))
        return;
    for (int i = 0; i < stored->count; i++)
        if (text_equal(stored->pdus[i], line->pdu))
            return;
    if (stored->count < 2 * LETTERS_MAX)
        text_copy(stored->pdus[stored->count++], PDU_BYTES, line->pdu);
}

static void judge_in(void)
{
    struct stored stored = {calloc(2 * LETTERS_MAX, PDU_BYTES), 0};
    if (stored.pdus == NULL)
        abort();
    read_book(note_stored, &stored);
    free(stored.pdus);
    if (COUNT("inbox_pdu WHERE kind <> 'report'") != stored.count)
        problem("PDUs of the network", "are not in our book once each");
    if (COUNT("inbox_pdu WHERE kind = 'bad'") != day.broken)
        problem("PDUs that nobody can read", "are not kept");
    if (smsstation_stat(&day.station, "inbound_stored") > 0 ||
        smsstation_stat(&day.station, "inbound_waiting") > 0)
        problem("texts", "are left on the SIM or in the network");
    for (int i = 0; i < day.in_count; i++)
        if (day.in[i].heard != 1)
            problem(day.in[i].heard == 0 ? "never heard" : "heard twice", day.in[i].text);
}

static void tell(int64_t took_ms)
{
    static const char *const states[] = {"delivered", "sent",    "unknown",
                                         "failed",    "expired", "cancelled"};
    printf("sms_day: driver %s, %d texts out, %d in, %d faults, %d deeds of the day in %lld s;",
           day.station.driver, day.out_count, day.in_count, day.faults, day.act_count,
           (long long)took_ms / 1000);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        printf(" %s %lld", states[i],
               (long long)replica_get_int(day.station.replica, 0,
                                          "SELECT count(*) FROM outbox WHERE state = ?1", "s",
                                          states[i]));
    printf("; longest turn %.1f ms (%.1f ms of the processor); %d problems\n",
           (double)day.worst_us / 1000, (double)day.worst_cpu_us / 1000, day.problems);
}

static void read_options(int argc, char **argv, uint64_t *ret_seed)
{
    static const struct option known[] = {{"driver", required_argument, NULL, 'd'},
                                          {"make", required_argument, NULL, 'm'},
                                          {"share", required_argument, NULL, 's'},
                                          {"seed", required_argument, NULL, 'r'},
                                          {NULL, 0, NULL, 0}};
    int seed = 1;
    day.share = 100;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'd')
            setenv("TOUYAN_TEST_DRIVER", optarg, 1);
        else if (option == 'm')
            setenv("TOUYAN_TEST_PROFILE", optarg, 1);
        else if ((option != 's' || !text_to_int(optarg, 1, 300, &day.share)) &&
                 (option != 'r' || !text_to_int(optarg, 1, INT32_MAX, &seed)))
            exit(64);
    }
    *ret_seed = (uint64_t)seed;
}

/* With a sanitizer a fork takes as long as its shadow is large: then only what the loop worked. */
static int64_t late_us(void)
{
#ifdef __SANITIZE_ADDRESS__
    return day.worst_cpu_us;
#else
    return day.worst_us;
#endif
}

static void drop_line(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static void remove_db(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    read_options(argc, argv, &seed);
    if (getenv("TOUYAN_TEST_LOG") == NULL)
        log_set_sink(drop_line, NULL);
    day.rnd = rnd_seeded(seed);
    day.midnight_ms = caltime_to_ms(2026, 9, 9, 0, 0);
    day.schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    plan_day();
    struct smsstation *station = &day.station;
    smsstation_open(station);
    log_set_level(LOG_LEVEL_DEBUG);
    if (access("/dev/shm", W_OK) == 0)
        snprintf(station->db, sizeof station->db, "/dev/shm/touyan-day-%d.db", (int)getpid());
    station->limits = (struct pace_limits){.recipient_day = 30,
                                           .same_text_ms = (int64_t)30 * MINUTE_MS,
                                           .quiet_from = 21 * 60,
                                           .quiet_to = 6 * 60 + 30};
    station->modem.pace = (struct pace_sim){.per_hour = 400, .per_day = 3000};
    station->on_text = on_text;
    smsstation_set_wall(station, day.midnight_ms);
    smsstation_start(station);
    int64_t began = clock_mono_us();
    play();
    judge_out();
    judge_in();
    if (late_us() > LATE_MS * 1000)
        problem("the loop", "was late");
    tell((clock_mono_us() - began) / 1000);
    smsstation_stop(station);
    smsstation_close(station);
    remove_db(station->db);
    for (int i = 0; i < day.problems && i < PROBLEMS_SHOWN; i++)
        fprintf(stderr, "sms_day: %s\n", day.said[i]);
    return day.problems > 0;
}
