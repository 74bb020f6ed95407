/* Lines in, replies out. A line ends with CR; behind the prompt of AT+CMGS everything up to ^Z is a
 * PDU and ESC gives it up. A reply that the network delays blocks further commands (their bytes
 * wait), as on a real modem; announcements (+CMTI, +CDS) never fall into a PDU being typed.
 *
 * The answers themselves are in simat_commands.c. */
#include "tests/lib/simat.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/text.h"
#include "tests/lib/simat_commands.h"

enum {
    CTRL_Z = 0x1a,
    ESCAPE = 0x1b,
    HANG_MS = 5000,
    CALLEE_MS = 50,
    RING_MS = 1000,
    CHATTER_EVERY = 4
};

void simat_init(struct simat *at, struct simnet *net)
{
    memset(at, 0, sizeof *at);
    at->net = net;
    at->profile = simprofile_find("");
    at->pin_tries = SIMAT_PIN_TRIES;
    text_copy(at->centre, sizeof at->centre, "+8613800100500");
    text_copy(at->callee, sizeof at->callee, "reject");
    at->callee_ms = CALLEE_MS;
    buf_init(&at->in, SIMAT_INPUT_BYTES);
    buf_init(&at->out, SIMAT_OUTPUT_BYTES);
    simat_reset(at);
}

void simat_fini(struct simat *at)
{
    buf_free(&at->in);
    buf_free(&at->out);
}

void simat_reset(struct simat *at)
{
    buf_clear(&at->in);
    buf_clear(&at->out);
    at->line_size = 0;
    at->in_pdu = false;
    at->later_count = 0;
    at->echo = true;
    at->cme = false;
    at->read_memory = SIMNET_SM;
    at->receive_memory = SIMNET_SM;
    at->cnmi_mt = 0;
    at->cnmi_ds = 0;
    at->creg = 0;
    at->known_registered = at->net->registered;
    at->urc_inside.kind = SIMFAULT_NONE;
    at->urc_after.kind = SIMFAULT_NONE;
    at->radio_off = false;
    at->call = SIMAT_NO_CALL;
    at->one_byte = false;
    at->hushed = false;
    at->pin_entered = false;
}

void simat_say(struct simat *at, const char *line)
{
    /* more than a megabyte that nobody reads is lost, as on a wire */
    buf_printf(&at->out, "\r\n%s\r\n", line);
}

void simat_final(struct simat *at, const char *line)
{
    at->final_sent = true;
    simat_say(at, line);
}

void simat_cms_error(struct simat *at, int number)
{
    char line[32];

    snprintf(line, sizeof line, "+CMS ERROR: %d", number);
    simat_final(at, line);
}

void simat_cme_error(struct simat *at, int number)
{
    char line[32];

    snprintf(line, sizeof line, "+CME ERROR: %d", number);
    simat_final(at, at->cme ? line : "ERROR");
}

static void say_later(struct simat *at, int64_t delay_ms, bool blocks, const char *text)
{
    if (at->later_count == SIMAT_LATER)
        return;
    struct simat_later *later = &at->later[at->later_count++];
    later->due_us = clock_mono_us() + delay_ms * 1000;
    later->blocks = blocks;
    text_copy(later->text, sizeof later->text, text);
}

static bool is_blocked(const struct simat *at)
{
    for (int i = 0; i < at->later_count; i++)
        if (at->later[i].blocks)
            return true;
    return false;
}

/* A fault of this command that has only to be looked for. */
static bool struck(struct simat *at, enum simfault_kind kind, const char *command,
                   struct simfault *ret)
{
    *ret = simfault_take(&at->faults, kind, kind, command);
    return ret->kind == kind;
}

void simat_begin_send(struct simat *at, const char *args)
{
    int length = 0;
    struct simfault fault =
        simfault_take(&at->faults, SIMFAULT_CMS_ERROR, SIMFAULT_LATE_ANSWER, "AT+CMGS");

    struct json *object = simbook_new(at->net->book, "cmgs_first_byte", at->line_us);
    simbook_write(at->net->book, object);
    at->send_fault = fault;
    if (fault.kind == SIMFAULT_CMS_ERROR_AT_ONCE) {
        simat_cms_error(at, fault.number);
    } else if (args[0] != '=' || !text_to_int(args + 1, 7, LIMIT_TPDU_BYTES, &length)) {
        simat_cms_error(at, 304);
    } else if (fault.kind == SIMFAULT_NO_PROMPT) {
        at->final_sent = true;
    } else {
        at->final_sent = true;
        at->in_pdu = true;
        at->pdu_length = (size_t)length;
        bool bare = fault.kind == SIMFAULT_BARE_PROMPT || at->profile->bare_prompt;
        buf_add_text(&at->out, bare ? "\r\n>\r\n" : "\r\n> ");
    }
}

static struct simnet_report_plan plan_reports(struct simat *at)
{
    struct simnet_report_plan plan = {.copies = 1, .delay_ms = -1, .status = TPDU_ST_DELIVERED};
    struct simfault fault;

    plan.none = struck(at, SIMFAULT_NO_REPORT, NULL, &fault);
    if (struck(at, SIMFAULT_LATE_REPORT, NULL, &fault))
        plan.delay_ms = fault.ms;
    if (struck(at, SIMFAULT_DUPLICATE_REPORT, NULL, &fault))
        plan.copies = 2;
    if (struck(at, SIMFAULT_REPORT_STATUS, NULL, &fault))
        plan.status = fault.number;
    return plan;
}

/* The next report that is due is announced; see simat_run. */
static bool announce_report(struct simat *at, int64_t now_us, bool heard)
{
    struct simnet_report report;
    char hex[TPDU_HEX_BYTES];
    int slot = -1;

    if (!simnet_take_report(at->net, now_us, &report))
        return false;
    if (at->cnmi_ds == 2)
        slot = simnet_store_report(at->net, &report);
    bool unheard = !heard || (at->cnmi_ds != 1 && slot < 0);
    struct json *object = simbook_new(at->net->book, unheard ? "report_unheard" : "report", -1);
    json_set_text(object, "to", report.to);
    json_set_int(object, "mr", report.mr);
    json_set_int(object, "status", report.status);
    json_set_int(object, "slot", slot);
    simbook_write(at->net->book, object);
    at->net->stats.reports++;
    at->net->stats.reports_unheard += unheard;
    simat_pdu_hex(&report.pdu, hex);
    if (at->cnmi_ds == 1)
        buf_printf(&at->out, "\r\n+CDS: %zu\r\n%s\r\n", report.pdu.size - 1 - report.pdu.bytes[0],
                   hex);
    else if (slot >= 0)
        buf_printf(&at->out, "\r\n+CDSI: \"SR\",%d\r\n", slot + 1);
    return true;
}

/* The line that comes after the answer must wait for it when the answer is late. */
static void add_urc_after(struct simat *at, char *answer, size_t size)
{
    size_t used = strlen(answer);

    if (at->urc_after.kind)
        snprintf(answer + used, size - used, "\r\n%s\r\n", at->urc_after.text);
    at->urc_after.kind = SIMFAULT_NONE;
}

/* Accepts the PDU and answers as the armed fault wants it. */
static void accept_pdu(struct simat *at, const uint8_t *bytes, size_t size)
{
    struct simnet_report_plan plan = plan_reports(at);
    struct simfault early =
        simfault_take(&at->faults, SIMFAULT_EARLY_REPORT, SIMFAULT_EARLY_REPORT, NULL);
    char answer[256];
    int mr = 0;

    if (early.kind)
        plan.delay_ms = 0;
    if (simnet_submit(at->net, bytes, size, at->line_us, &plan, &mr, NULL)) {
        simat_cms_error(at, 304);
        return;
    }
    if (early.kind)
        announce_report(at, INT64_MAX, true);
    snprintf(answer, sizeof answer, "\r\n+CMGS: %d\r\n\r\nOK\r\n", mr);
    add_urc_after(at, answer, sizeof answer);
    if (at->send_fault.kind == SIMFAULT_ANSWER_LOST)
        return;
    if (at->send_fault.kind == SIMFAULT_LATE_ANSWER)
        say_later(at, at->send_fault.ms, false, answer);
    else if (at->net->delay_ms > 0)
        say_later(at, at->net->delay_ms, true, answer);
    else
        buf_add_text(&at->out, answer);
}

static void refuse(struct simat *at, const char *reason, int number)
{
    struct json *object = simbook_new(at->net->book, "refused", -1);

    json_set_text(object, "reason", reason);
    json_set_int(object, "number", number);
    simbook_write(at->net->book, object);
    at->net->stats.refused++;
    if (number > 0)
        simat_cms_error(at, number);
    else
        simat_final(at, "ERROR");
}

static void say_urc(struct simat *at, struct simfault *urc)
{
    if (urc->kind)
        simat_say(at, urc->text);
    urc->kind = SIMFAULT_NONE;
}

static void end_pdu(struct simat *at, int64_t now_us)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    int size = text_from_hex(at->line, at->line_size, bytes, sizeof bytes);

    at->in_pdu = false;
    at->line_size = 0;
    say_urc(at, &at->urc_inside);
    if (at->send_fault.kind == SIMFAULT_HANG_MID_PDU) {
        int ms = at->send_fault.ms > 0 ? at->send_fault.ms : HANG_MS;
        at->silent_until_us = now_us + (int64_t)ms * 1000;
    } else if (at->send_fault.kind == SIMFAULT_CMS_ERROR) {
        refuse(at, "fault", at->send_fault.number);
    } else if (at->send_fault.kind == SIMFAULT_ERROR) {
        refuse(at, "fault", 0);
    } else if (size < 1 || (size_t)size != at->pdu_length + 1 + bytes[0]) {
        refuse(at, "length", 304);
    } else if (!at->net->registered) {
        refuse(at, "not registered", 331);
    } else if (bytes[0] == 0 && at->centre[0] == '\0') {
        refuse(at, "no service centre", 330);
    } else {
        accept_pdu(at, bytes, (size_t)size);
    }
    say_urc(at, &at->urc_after);
}

static bool begins_send(const char *line)
{
    return strncasecmp(line, "AT+CMGS=", 8) == 0;
}

static void chatter(struct simat *at)
{
    const struct simprofile *profile = at->profile;

    if (profile->hush && text_equal(at->line + 2, profile->hush))
        at->hushed = true;
    if (profile->chatter && !at->hushed && ++at->commands % CHATTER_EVERY == 0)
        simat_say(at, profile->chatter);
}

/* One whole command line without its CR. The lines inside and after the reply of AT+CMGS belong to
 * the answer behind the PDU. */
static void run_line(struct simat *at)
{
    struct simfault fault;
    const char *line = at->line;

    at->line[at->line_size] = '\0';
    if (struck(at, SIMFAULT_URC_BEFORE, line, &fault))
        simat_say(at, fault.text);
    at->echo_now = at->echo && !struck(at, SIMFAULT_ECHO_OFF, line, &fault);
    if (at->echo_now)
        buf_printf(&at->out, "%s\r", line);
    if (struck(at, SIMFAULT_GARBAGE, line, &fault))
        buf_add(&at->out, "\0\xff\x07~\0", 5);
    if (struck(at, SIMFAULT_ONE_BYTE, line, &fault))
        at->one_byte = true;
    struck(at, SIMFAULT_URC_INSIDE, line, &at->urc_inside);
    struck(at, SIMFAULT_URC_AFTER, line, &at->urc_after);
    if (!begins_send(line))
        say_urc(at, &at->urc_inside);
    if (struck(at, SIMFAULT_CME_ERROR, line, &fault))
        simat_cme_error(at, fault.number);
    else
        simat_commands_run(at, line);
    if (!at->in_pdu) {
        say_urc(at, &at->urc_inside);
        say_urc(at, &at->urc_after);
        chatter(at);
    }
}

static void take_pdu_byte(struct simat *at, char byte, int64_t now_us)
{
    if (at->profile->echoes_pdu && at->echo)
        buf_add(&at->out, &byte, 1);
    if (byte == ESCAPE) {
        at->in_pdu = false;
        at->line_size = 0;
        simat_final(at, "OK");
    } else if (byte == CTRL_Z) {
        end_pdu(at, now_us);
    } else if (byte != '\r' && byte != '\n' && at->line_size + 1 < sizeof at->line) {
        at->line[at->line_size++] = byte;
    }
}

static void take_line_byte(struct simat *at, char byte, int64_t now_us)
{
    if (byte == '\r') {
        if (at->line_size > 0)
            run_line(at);
        if (!at->in_pdu || at->line_size > 0)
            at->line_size = 0;
        return;
    }
    if (byte == '\n' || byte == ESCAPE || byte == CTRL_Z || at->line_size + 1 >= sizeof at->line)
        return;
    if (at->line_size == 0)
        at->line_us = now_us;
    at->line[at->line_size++] = byte;
}

static bool is_silent(const struct simat *at, int64_t now_us)
{
    return at->silent_until_us > now_us;
}

static void work_input(struct simat *at, int64_t now_us)
{
    size_t used = 0;

    while (used < at->in.size && !is_blocked(at) && !is_silent(at, now_us)) {
        char byte = at->in.bytes[used++];

        if (at->in_pdu)
            take_pdu_byte(at, byte, now_us);
        else
            take_line_byte(at, byte, now_us);
    }
    if (is_silent(at, now_us) || used > at->in.size) /* a reset emptied it meanwhile */
        used = at->in.size;
    buf_drop(&at->in, used);
}

void simat_feed(struct simat *at, const char *bytes, size_t size, int64_t now_us)
{
    if (is_silent(at, now_us))
        return;
    buf_add(&at->in, bytes, size);
    at->in.failed = false; /* a full input loses bytes, as an overrun UART does */
    work_input(at, now_us);
}

static void say_due(struct simat *at, int64_t now_us)
{
    int kept = 0;

    for (int i = 0; i < at->later_count; i++) {
        if (at->later[i].due_us <= now_us)
            buf_add_text(&at->out, at->later[i].text);
        else
            at->later[kept++] = at->later[i];
    }
    at->later_count = kept;
}

static void announce_inbound(struct simat *at)
{
    static const char *const memories[] = {"SM", "ME", "SR"};
    int slot = simnet_deliver_one(at->net, at->receive_memory);

    while (slot >= 0) {
        struct simfault lost =
            simfault_take(&at->faults, SIMFAULT_CMTI_LOST, SIMFAULT_CMTI_LOST, NULL);

        if (at->cnmi_mt > 0 && !lost.kind)
            buf_printf(&at->out, "\r\n+CMTI: \"%s\",%d\r\n", memories[at->receive_memory],
                       slot + 1);
        slot = simnet_deliver_one(at->net, at->receive_memory);
    }
}

void simat_ring(struct simat *at, const char *from, int ms)
{
    char text[128];

    snprintf(text, sizeof text, "\r\nRING\r\n\r\n+CLIP: \"%s\",%d,,,,0\r\n", from,
             from[0] == '+' ? 145 : 129);
    for (int t = 0; t < ms; t += RING_MS)
        say_later(at, t, false, text);
    say_later(at, ms, false, "\r\nNO CARRIER\r\n");
}

/* The callee does what he does. */
static void run_call(struct simat *at, int64_t now_us)
{
    if (at->call != SIMAT_ALERTING || now_us < at->call_end_us || at->in_pdu)
        return;
    if (text_equal(at->callee, "answer")) {
        at->call = SIMAT_ACTIVE;
        return;
    }
    at->call = SIMAT_NO_CALL;
    simat_say(at, text_equal(at->callee, "busy") ? "BUSY" : "NO CARRIER");
}

static void end_states(struct simat *at, int64_t now_us)
{
    if (at->silent_until_us != 0 && at->silent_until_us <= now_us)
        at->silent_until_us = 0;
    if (at->unregistered_until_us != 0 && at->unregistered_until_us <= now_us) {
        at->unregistered_until_us = 0;
        at->net->registered = true;
    }
}

static void say_registration(struct simat *at)
{
    if (at->known_registered == at->net->registered || at->in_pdu)
        return;
    at->known_registered = at->net->registered;
    if (at->creg > 0)
        simat_say(at, at->known_registered ? "+CREG: 1" : "+CREG: 0");
}

void simat_run(struct simat *at, int64_t now_us, bool heard)
{
    end_states(at, now_us);
    if (is_silent(at, now_us))
        return;
    say_due(at, now_us);
    run_call(at, now_us);
    work_input(at, now_us);
    say_registration(at);
    if (!at->in_pdu && at->net->registered) {
        announce_inbound(at);
        while (announce_report(at, now_us, heard))
            continue;
    }
    at->out.failed = false;
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

static int64_t end_of(int64_t until_us)
{
    return until_us == 0 || until_us == INT64_MAX ? -1 : until_us;
}

int64_t simat_next_due(const struct simat *at)
{
    int64_t due = earlier(end_of(at->silent_until_us), end_of(at->unregistered_until_us));

    if (at->silent_until_us != 0)
        return due;
    for (int i = 0; i < at->later_count; i++)
        due = earlier(due, at->later[i].due_us);
    if (at->call == SIMAT_ALERTING && at->call_end_us != INT64_MAX)
        due = earlier(due, at->call_end_us);
    if (!at->in_pdu && at->net->registered)
        due = earlier(due, simnet_next_due(at->net));
    return due;
}

bool simat_is_idle(const struct simat *at)
{
    return at->in.size == 0 && at->out.size == 0 && at->line_size == 0 && !at->in_pdu &&
           at->later_count == 0 && at->net->report_count == 0;
}

void simat_enter_fault(struct simat *at, const struct simfault *fault, int64_t now_us)
{
    int64_t until_us = fault->ms > 0 ? now_us + (int64_t)fault->ms * 1000 : INT64_MAX;

    if (fault->kind == SIMFAULT_SILENT)
        at->silent_until_us = until_us;
    if (fault->kind == SIMFAULT_REGISTRATION_LOST) {
        at->unregistered_until_us = until_us;
        at->net->registered = false;
    }
}

void simat_clear(struct simat *at)
{
    at->silent_until_us = 0;
    at->unregistered_until_us = 0;
    at->net->registered = true;
    simfault_clear(&at->faults);
}
