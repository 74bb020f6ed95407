/* The driver with AT commands of our own, for the makes in make.c: PDU mode (3GPP TS 27.005 3), our
 * own encoder, and no pause anywhere. Each command has a deadline of its own that nothing the modem
 * says unasked puts off; a modem that overruns one ends the worker.
 *
 * A send: AT+CMGS, prompt, PDU and ^Z, +CMGS. The filter tells the gateway each stage and the
 * result; the deadlines here are longer than the gateway's, which kills the worker at its own. */
#include "sms/worker/driver.h"

#include <ctype.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sms/tpdu.h"
#include "sms/worker/line.h"

enum {
    COMMAND_MS = 5000,
    PROMPT_MS = 60000,
    ANSWER_MS = 180000,
    CSQ_UNKNOWN = 99,
    UDH_CONCAT_BYTES = 6, /* TS 23.040 9.2.3.24.1 with an 8 bit reference, its length in front */
    REGISTERED_HOME = 1,  /* 27.007 7.2 */
    REGISTERED_ROAMING = 5,
};

static int open_at(struct filter *filter, void **ret_self, struct err *err)
{
    static const struct {
        const char *command;
        bool required;
    } steps[] = {
        {"ATE0", true},       {"AT+CMEE=1", false},
        {"AT+CMGF=0", true},  {"AT+CREG=1", false}, /* say when the network is lost */
        {"AT+CMMS=1", false}, /* keep the link for the next part: 27.005 3.5.6 */
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        enum at_result result = filter_run(filter, steps[i].command, COMMAND_MS, NULL);
        if (result == AT_TIMEOUT || (result == AT_ERROR && steps[i].required))
            return err_set(err, ERR_TIMEOUT, "%s: %s", steps[i].command,
                           result == AT_TIMEOUT ? "no answer" : "refused");
    }
    *ret_self = filter;
    return ERR_OK;
}

static bool read_header(const char *udh, struct tpdu_concat *ret)
{
    uint8_t bytes[UDH_CONCAT_BYTES];
    *ret = (struct tpdu_concat){0};
    if (udh[0] == '\0')
        return true;
    if (text_from_hex(udh, strlen(udh), bytes, sizeof bytes) != UDH_CONCAT_BYTES || bytes[1] != 0)
        return false;
    *ret =
        (struct tpdu_concat){.present = true, .ref = bytes[3], .total = bytes[4], .part = bytes[5]};
    return true;
}

/* Digits in capitals: old firmware takes no others. */
static int encode(const struct frame *submit, char hex[TPDU_HEX_BYTES], size_t *ret_length,
                  struct err *err)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t size;
    struct tpdu tpdu = {.kind = TPDU_SUBMIT,
                        .report_wanted = submit->report,
                        .validity_minutes = submit->validity_minutes,
                        .coding = (enum tpdu_coding)submit->coding};
    if (!text_copy(tpdu.address, sizeof tpdu.address, submit->to) ||
        !text_copy(tpdu.text, sizeof tpdu.text, submit->text) ||
        !read_header(submit->udh, &tpdu.concat))
        return err_set(err, ERR_INVALID, "the part cannot be encoded");
    if (tpdu_encode(&tpdu, bytes, &size, ret_length, err) != ERR_OK)
        return err->code;
    text_to_hex(bytes, size, hex);
    for (char *c = hex; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return ERR_OK;
}

static int send_at(void *self, const struct frame *submit, struct err *err)
{
    char hex[TPDU_HEX_BYTES];
    size_t length = 0;
    struct filter *filter = self;
    if (encode(submit, hex, &length, err) != ERR_OK)
        return err->code;
    if (!filter_send(filter, length, hex, PROMPT_MS, ANSWER_MS))
        return err_set(err, ERR_TIMEOUT, "AT+CMGS: no answer");
    return ERR_OK;
}

/* -1 when it is not said. A modem on LTE alone says so in +CEREG only. */
static int ask_registration(struct filter *filter, const char *command)
{
    const char *reply = "";
    if (filter_run(filter, command, COMMAND_MS, &reply) != AT_OK)
        return -1;
    return line_field(reply, 1);
}

static bool is_registered(int state)
{
    return state == REGISTERED_HOME || state == REGISTERED_ROAMING;
}

static void network_at(void *self, struct frame *ret)
{
    const char *reply = "";
    ret->csq = CSQ_UNKNOWN;
    if (filter_run(self, "AT+CSQ", COMMAND_MS, &reply) == AT_OK && line_number(reply) >= 0)
        ret->csq = line_number(reply);
    ret->registration = ask_registration(self, "AT+CREG?");
    if (is_registered(ret->registration))
        return;
    int lte = ask_registration(self, "AT+CEREG?");
    if (is_registered(lte) || ret->registration < 0)
        ret->registration = lte;
}

const struct driver driver_at = {"at", open_at, send_at, network_at};
