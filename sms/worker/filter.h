/* The filter between the modem's tty and whoever drives it: libgammu behind a pty, or the main
 * thread with AT commands of its own (all of driver `at`; receiving in both, while libgammu is
 * idle). One thread moves the bytes and never waits for the modem. It cuts what the modem says
 * unasked, repairs a bare prompt, follows each send by itself and tells the gateway its stages and
 * its result, sees at once when the modem is unplugged, and keeps the last lines for the log.
 *
 * All functions are for the main thread. */
#ifndef TOUYAN_SMS_WORKER_FILTER_H
#define TOUYAN_SMS_WORKER_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "sms/frame.h"

enum {
    FILTER_REPLY_BYTES = 131072, /* AT+CMGL with 255 messages */
    FILTER_EVENTS = 64,
};

struct filter;

/* Opens the tty (exclusively, raw, 115200 8N1) and the pty and starts the thread, which blocks
 * SIGTERM, takes it over, writes the last lines to the log and ends the process. */
int filter_open(const char *device, struct filter **ret, struct err *err);

/* The path that libgammu opens. */
const char *filter_path(const struct filter *filter);

/* Readable when one of the filter_take functions has something. */
int filter_event_fd(const struct filter *filter);

/* +CMTI: a message was stored. */
struct filter_event {
    char memory[8];
    int index;
};
bool filter_take_event(struct filter *filter, struct filter_event *ret);

/* +CUSD: the whole line. */
bool filter_take_ussd(struct filter *filter, char *ret, size_t size);

/* True once after the network was lost or found. */
bool filter_take_network(struct filter *filter);

/* What was heard of calls since the last time. */
struct filter_call {
    bool has_caller;
    char caller[TPDU_ADDRESS_BYTES]; /* of +CLIP; "" hidden */
    char hung_up[24];                /* "NO CARRIER", "BUSY", ...; "" no call ended */
};
bool filter_take_call(struct filter *filter, struct filter_call *ret);

enum at_result { AT_OK, AT_ERROR, AT_TIMEOUT };

/* Runs one command, e.g. "AT+CSQ". The reply's lines, each ending with \n, without echo and final
 * result (but with the error line of AT_ERROR), stay valid until the next call. */
enum at_result filter_run(struct filter *filter, const char *command, int timeout_ms,
                          const char **ret_reply);

/* The first line of the answer without its head ("+CGSN: ") and quotes. False: refused or no answer
 * in time, *ret is "" then. */
bool filter_ask(struct filter *filter, const char *command, int timeout_ms, char *ret, size_t size);

/* Bytes without an answer: ESC before the first command. */
void filter_write(struct filter *filter, const char *bytes, size_t size);

/* AT+CMGS without libgammu, of the job that filter_begin_send() named: hex are the digits of a PDU
 * of `length` octets behind the service centre. Returns when the modem has answered, or false when
 * it did not give the prompt or the answer by its deadline. */
bool filter_send(struct filter *filter, size_t length, const char *hex, int prompt_ms,
                 int answer_ms);

/* From here the thread watches AT+CMGS for job `id`. */
void filter_begin_send(struct filter *filter, int64_t id);
/* True: the result is known and was told to the gateway. */
bool filter_is_settled(struct filter *filter);
enum frame_stage filter_stage(struct filter *filter);
/* Ends the job with this result unless it has one. */
void filter_settle(struct filter *filter, int outcome, int value);

/* Writes the last AT lines to the log, PDUs cut out. */
void filter_log(struct filter *filter, const char *why);

#endif
