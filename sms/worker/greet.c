/* The first dialogue; see greet.h. ESC goes first: the modem may still wait for the PDU of a worker
 * that was killed. Then a short silence, so that an answer that is late belongs to nobody.
 *
 * The PIN comes from the gateway, which has written down that it will be tried before it gives it
 * away, and hears what became of it: a wrong one is never tried twice. */
#include "sms/worker/greet.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/worker/line.h"
#include "sms/worker/link.h"

enum {
    HELLO_TRIES = 5,
    HELLO_MS = 2000,
    TRY_MS = 1000, /* a port that may be something else */
    QUIET_MS = 100,
    SIM_LOOKS = 40,         /* a SIM needs some seconds after power on */
    SIM_INSERTED_LOOKS = 6, /* of them, until a modem that has just started sees it */
    SIM_LOOK_MS = 500,
    PIN_WAIT_MS = 20000,
    PIN_MS = 15000,
    PIN_DIGITS_MIN = 4, /* TS 11.11 9.3 */
    PIN_DIGITS_MAX = 8,
    CME_NO_SIM = 10, /* 27.007 9.2.1 */
    CME_SIM_FAILURE = 13,
    CME_SIM_BUSY = 14,
    ASK_MS = 5000,
    NETWORK_DIGITS = 5, /* TS 23.003 2.2: three of the country, two of the network */
};

static int wake(struct filter *filter, bool just_a_try, struct err *err)
{
    int tries = just_a_try ? 1 : HELLO_TRIES;
    filter_write(filter, "\x1b\r", 2);
    clock_sleep_ms(QUIET_MS);
    for (int i = 0; i < tries; i++)
        if (filter_run(filter, "AT", just_a_try ? TRY_MS : HELLO_MS, NULL) == AT_OK)
            return ERR_OK;
    return err_set(err, ERR_TIMEOUT, "the modem does not answer AT");
}

static void set_up_make(struct filter *filter, const struct make *make)
{
    for (const char *const *command = make->setup; *command != NULL; command++)
        if (filter_run(filter, *command, ASK_MS, NULL) != AT_OK)
            log_info("at.setup", "not taken: %s", *command);
}

/* A SIM without a service centre gets the one that is configured; it is forgotten when the modem is
 * switched off. */
static void set_centre(struct filter *filter, const char *wanted, char *ret, size_t size)
{
    char command[TPDU_ADDRESS_BYTES + 32];
    const char *reply = "";
    ret[0] = '\0';
    if (wanted[0] != '\0') {
        snprintf(command, sizeof command, "AT+CSCA=\"%s\",%d", wanted,
                 wanted[0] == '+' ? 145 : 129); /* TS 24.011 8.2.5.2: international or not */
        if (filter_run(filter, command, ASK_MS, NULL) != AT_OK)
            log_warn("at.setup", "the service centre is not taken");
    }
    if (filter_run(filter, "AT+CSCA?", ASK_MS, &reply) != AT_OK)
        return;
    const char *open = strchr(reply, '"');
    const char *close = open != NULL ? strchr(open + 1, '"') : NULL;
    if (close != NULL)
        text_copy_utf8(ret, size, open + 1, (size_t)(close - open - 1));
}

static int ask_pin_tries(struct filter *filter, const struct make *make)
{
    const char *reply = "";
    if (make->pin_tries == NULL || filter_run(filter, make->pin_tries, ASK_MS, &reply) != AT_OK)
        return -1;
    return line_field(reply, make->pin_field);
}

static bool is_pin(const char *text)
{
    size_t size = strlen(text);
    return size >= PIN_DIGITS_MIN && size <= PIN_DIGITS_MAX && strspn(text, "0123456789") == size;
}

/* The gateway ends us when it has no PIN to try. */
static int enter_pin(struct filter *filter, const struct make *make, struct err *err)
{
    char command[32];
    struct frame frame = {.kind = FRAME_PIN, .value = ask_pin_tries(filter, make)};
    link_send(&frame);
    if (!link_wait(&frame, PIN_WAIT_MS) || frame.kind != FRAME_PIN || !is_pin(frame.text))
        return err_set(err, ERR_STATE, "the SIM wants a PIN");
    snprintf(command, sizeof command, "AT+CPIN=\"%.8s\"", frame.text);
    enum at_result result = filter_run(filter, command, PIN_MS, NULL);
    if (result == AT_TIMEOUT)
        return err_set(err, ERR_TIMEOUT, "no answer to the PIN");
    frame = (struct frame){.kind = FRAME_PIN, .outcome = PIN_REFUSED};
    if (result == AT_OK)
        frame.outcome = PIN_TAKEN;
    link_send(&frame);
    return result == AT_OK ? ERR_OK : err_set(err, ERR_STATE, "the PIN was refused");
}

enum sim { SIM_OPEN, SIM_WANTS_PIN, SIM_LOCKED, SIM_MISSING, SIM_BUSY };

/* A modem that does not know the question has no lock either. */
static enum sim look_at_sim(struct filter *filter)
{
    const char *reply = "";
    enum at_result result = filter_run(filter, "AT+CPIN?", ASK_MS, &reply);
    if (result == AT_ERROR && strncmp(reply, "+CME", 4) == 0) {
        int code = line_number(reply);
        if (code == CME_NO_SIM)
            return SIM_MISSING;
        return code == CME_SIM_BUSY || code == CME_SIM_FAILURE ? SIM_BUSY : SIM_OPEN;
    }
    if (result != AT_OK || strstr(reply, "PIN2") != NULL || strstr(reply, "PUK2") != NULL)
        return SIM_OPEN; /* those two guard nothing that is of use here */
    if (strstr(reply, "+CPIN: SIM PIN") != NULL)
        return SIM_WANTS_PIN;
    return strstr(reply, "PUK") != NULL || strstr(reply, "+CPIN: PH-") != NULL ? SIM_LOCKED
                                                                               : SIM_OPEN;
}

static int open_sim(struct filter *filter, const struct make *make, struct err *err)
{
    bool entered = false;
    for (int i = 0; i < SIM_LOOKS; i++) {
        enum sim sim = look_at_sim(filter);
        if (sim == SIM_OPEN)
            return ERR_OK;
        if (sim == SIM_MISSING && i >= SIM_INSERTED_LOOKS)
            return err_set(err, ERR_STATE, "there is no SIM card in the modem");
        if (sim == SIM_LOCKED)
            return err_set(err, ERR_STATE, "the SIM is locked, it wants its PUK");
        if (sim == SIM_WANTS_PIN && !entered && enter_pin(filter, make, err) != ERR_OK)
            return err->code;
        entered |= sim == SIM_WANTS_PIN;
        clock_sleep_ms(SIM_LOOK_MS);
    }
    return err_set(err, ERR_TIMEOUT, "the SIM does not get ready");
}

int greet_modem(struct filter *filter, const struct frame *setup, struct frame *ret_hello,
                const struct make **ret_make, struct err *err)
{
    char maker[FRAME_NAME_BYTES];
    if (wake(filter, setup->value == 1, err) != ERR_OK)
        return err->code;
    filter_run(filter, "AT+CMEE=1", ASK_MS, NULL);
    filter_ask(filter, "AT+CGMI", ASK_MS, maker, sizeof maker);
    filter_ask(filter, "AT+CGMM", ASK_MS, ret_hello->model, sizeof ret_hello->model);
    filter_ask(filter, "AT+CGSN", ASK_MS, ret_hello->imei, sizeof ret_hello->imei);
    if (setup->imei[0] != '\0' && !text_equal(setup->imei, ret_hello->imei))
        return err_set(err, ERR_STATE, "this is another modem");
    *ret_make = make_find(maker);
    text_copy(ret_hello->make, sizeof ret_hello->make, (*ret_make)->name);
    if (open_sim(filter, *ret_make, err) != ERR_OK)
        return err->code;
    set_up_make(filter, *ret_make);
    set_centre(filter, setup->smsc, ret_hello->smsc, sizeof ret_hello->smsc);
    return ERR_OK;
}

void greet_sim(struct filter *filter, struct frame *ret_hello)
{
    char imsi[FRAME_NAME_BYTES];
    filter_ask(filter, "AT+CIMI", ASK_MS, imsi, sizeof imsi);
    if (strspn(imsi, "0123456789") > NETWORK_DIGITS)
        text_copy_utf8(ret_hello->network, sizeof ret_hello->network, imsi, NETWORK_DIGITS);
}
