/* The first dialogue; see greet.h. ESC goes first: the modem may still wait for the PDU of a worker
 * that was killed. Then a short silence, so that an answer that is late belongs to nobody. */
#include "sms/worker/greet.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    HELLO_TRIES = 5,
    HELLO_MS = 2000,
    QUIET_MS = 100,
    ASK_MS = 5000,
    NETWORK_DIGITS = 5, /* TS 23.003 2.2: three of the country, two of the network */
};

static int wake(struct filter *filter, struct err *err)
{
    filter_write(filter, "\x1b\r", 2);
    clock_sleep_ms(QUIET_MS);
    for (int i = 0; i < HELLO_TRIES; i++)
        if (filter_run(filter, "AT", HELLO_MS, NULL) == AT_OK)
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
    const char *reply;
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

int greet_modem(struct filter *filter, const struct frame *setup, struct frame *ret_hello,
                const struct make **ret_make, struct err *err)
{
    char maker[FRAME_NAME_BYTES];
    if (wake(filter, err) != ERR_OK)
        return err->code;
    filter_ask(filter, "AT+CGMI", ASK_MS, maker, sizeof maker);
    filter_ask(filter, "AT+CGMM", ASK_MS, ret_hello->model, sizeof ret_hello->model);
    filter_ask(filter, "AT+CGSN", ASK_MS, ret_hello->imei, sizeof ret_hello->imei);
    if (setup->imei[0] != '\0' && !text_equal(setup->imei, ret_hello->imei))
        return err_set(err, ERR_STATE, "this is another modem");
    *ret_make = make_find(maker);
    text_copy(ret_hello->make, sizeof ret_hello->make, (*ret_make)->name);
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
