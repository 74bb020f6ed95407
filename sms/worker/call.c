/* Calls; see call.h.
 *
 * Dialling: ATD...; gives OK at once. Whether it rings or is answered the modem says in +CLCC, once
 * a second; a modem that does not know that command lets it ring to the end. Its end comes by
 * itself (NO CARRIER, BUSY), or we hang up.
 *
 * Ringing: RING and +CLIP come every few seconds for as long as it rings; the gateway hears of it
 * once, when the number is known. */
#include "sms/worker/call.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "sms/worker/line.h"
#include "sms/worker/link.h"

enum {
    COMMAND_MS = 5000,
    DIAL_MS = 10000,
    LOOK_MS = 1000,
    SAME_RING_MS = 12000, /* networks ring every 3 to 6 s */
    CLCC_DIRECTION = 1,   /* fields of +CLCC: 27.007 7.18 */
    CLCC_STATE = 2,
    STATE_ACTIVE = 0,
    STATE_ALERTING = 3,
};

static struct {
    int64_t id; /* 0: none */
    int64_t until_ms;
    int64_t look_ms;
    bool seen; /* the modem lists it */
    bool rings;
} out;

static struct {
    char number[TPDU_ADDRESS_BYTES];
    int64_t heard_ms; /* 0: nobody */
} in;

static int64_t now_ms(void)
{
    return clock_mono_us() / 1000;
}

enum at_result call_setup(struct filter *filter)
{
    static const char *const commands[] = {"ATS0=0", "AT+CLIP=1"};
    enum at_result result = AT_OK;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0] && result != AT_TIMEOUT; i++)
        result = filter_run(filter, commands[i], COMMAND_MS, NULL);
    return result;
}

static void finish(enum call_outcome outcome)
{
    struct frame frame = {.kind = FRAME_CALL, .id = out.id, .outcome = (int)outcome};
    if (out.id == 0)
        return;
    out.id = 0;
    link_send(&frame);
}

static enum at_result hang_up(struct filter *filter, enum call_outcome outcome)
{
    enum at_result result = filter_run(filter, "AT+CHUP", COMMAND_MS, NULL);
    if (result == AT_ERROR)
        result = filter_run(filter, "ATH", COMMAND_MS, NULL);
    finish(outcome);
    return result;
}

/* Digits and a plus: anything else would be another command. */
static bool is_number(const char *number)
{
    size_t digits = strspn(number + (number[0] == '+'), "0123456789");
    return digits > 2 && number[digits + (number[0] == '+')] == '\0';
}

enum at_result call_dial(struct filter *filter, const struct frame *dial)
{
    char command[TPDU_ADDRESS_BYTES + 8];
    if (out.id != 0)
        finish(CALL_STOPPED); /* the gateway makes one at a time */
    out.id = dial->id;
    out.seen = out.rings = false;
    out.until_ms = now_ms() + dial->value;
    out.look_ms = now_ms() + LOOK_MS;
    if (!is_number(dial->to)) {
        finish(CALL_FAILED);
        return AT_OK;
    }
    snprintf(command, sizeof command, "ATD%s;", dial->to);
    enum at_result result = filter_run(filter, command, DIAL_MS, NULL);
    if (result == AT_ERROR)
        finish(CALL_FAILED);
    else if (result == AT_TIMEOUT) /* some answer when somebody picks up: too late for us */
        return hang_up(filter, CALL_FAILED);
    return result;
}

enum at_result call_hangup(struct filter *filter, int64_t id)
{
    return out.id != 0 && out.id == id ? hang_up(filter, CALL_STOPPED) : AT_OK;
}

/* State of the call from here in the answer of AT+CLCC; -1: it is not listed. */
static int listed_state(const char *reply)
{
    for (const char *at = reply; (at = strstr(at, "+CLCC:")) != NULL; at++)
        if (line_field(at, CLCC_DIRECTION) == 0)
            return line_field(at, CLCC_STATE);
    return -1;
}

static void on_hung_up(const char *word)
{
    if (strncmp(word, "NO ANSWER", 9) == 0)
        finish(CALL_RANG);
    else if (out.rings || strncmp(word, "BUSY", 4) == 0)
        finish(CALL_REFUSED);
    else
        finish(CALL_FAILED);
}

static enum at_result look_at_call(struct filter *filter)
{
    const char *reply = "";
    out.look_ms = now_ms() + LOOK_MS;
    enum at_result result = filter_run(filter, "AT+CLCC", COMMAND_MS, &reply);
    int state = result == AT_OK ? listed_state(reply) : -1;
    out.rings = out.rings || state == STATE_ALERTING;
    if (result == AT_OK && state == STATE_ACTIVE)
        return hang_up(filter, CALL_ANSWERED);
    if (result == AT_OK && state < 0 && out.seen)
        on_hung_up(""); /* its end was not announced */
    out.seen = out.seen || state >= 0;
    if (out.id != 0 && now_ms() >= out.until_ms)
        return hang_up(filter, CALL_RANG);
    return result == AT_ERROR ? AT_OK : result;
}

static void on_caller(const char *number)
{
    bool same =
        in.heard_ms != 0 && now_ms() - in.heard_ms < SAME_RING_MS && text_equal(in.number, number);
    in.heard_ms = now_ms();
    if (same)
        return;
    struct frame frame = {.kind = FRAME_RING};
    text_copy(in.number, sizeof in.number, number);
    text_copy(frame.to, sizeof frame.to, number);
    link_send(&frame);
}

enum at_result call_look(struct filter *filter)
{
    struct filter_call heard;
    if (filter_take_call(filter, &heard)) {
        if (heard.has_caller)
            on_caller(heard.caller);
        if (heard.hung_up[0] != '\0' && out.id != 0)
            on_hung_up(heard.hung_up);
        else if (heard.hung_up[0] != '\0')
            in.heard_ms = 0;
    }
    return out.id != 0 && now_ms() >= out.look_ms ? look_at_call(filter) : AT_OK;
}

int64_t call_next_ms(void)
{
    return out.id != 0 ? out.look_ms : INT64_MAX;
}
