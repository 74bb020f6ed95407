/* What gateway and touyan-modem say to each other over the socketpair: frames of a 32 bit
 * big-endian length and that many bytes of JSON, at most LIMIT_FRAME_BYTES.
 *
 * gateway -> worker: setup (the first), pin, submit, delete, ping, poll, mend, ussd, dial, hangup,
 * stop
 * worker -> gateway: pin, hello, stage, result, pdu, report, state, pong, mend, ussd, call, ring,
 * bye
 *
 * A send: submit, stage prompt (by libgammu only), stage pdu (written to the gateway BEFORE the end
 * of the PDU goes to the modem: without it the message was certainly not sent), result. */
#ifndef TOUYAN_SMS_FRAME_H
#define TOUYAN_SMS_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "sms/tpdu.h"

enum frame_kind {
    FRAME_SETUP,  /* driver, smsc, imei, value: how the modem is to be driven; 1: just a try */
    FRAME_PIN,    /* asked: value: tries left, -1 not known; answered: text;
                     then outcome: enum frame_pin */
    FRAME_HELLO,  /* driver, make, model, imei, smsc, network: the modem is ready */
    FRAME_SUBMIT, /* id, to, smsc from the worker, coding, udh, text, validity_minutes, report */
    FRAME_STAGE,  /* id, value: enum frame_stage */
    FRAME_RESULT, /* id, outcome: enum send_outcome, value */
    FRAME_PDU,    /* id of the offer, memory, index, hex: a received message on the SIM;
                     id 0: it is not on the SIM */
    FRAME_DELETE, /* id of the offer: it is committed, take it off the SIM */
    FRAME_REPORT, /* hex: a delivery report */
    FRAME_STATE,  /* csq, registration, sim_used, sim_size, network_ms */
    FRAME_PING,   /* id: the modem is to answer an AT */
    FRAME_PONG,   /* id */
    FRAME_POLL,   /* look through the SIM now */
    FRAME_MEND,   /* value: enum frame_mend; the same comes back when it is done */
    FRAME_USSD,   /* text: the code; then its answer, "" when there is none */
    FRAME_DIAL,   /* id, to, value: how long it may ring, in ms */
    FRAME_HANGUP, /* id of the call: not wanted any more */
    FRAME_CALL,   /* id, outcome: enum call_outcome: it is over */
    FRAME_RING,   /* to: who rings, "" a hidden number; once for each call, which nobody answers */
    FRAME_STOP,   /* finish and exit */
    FRAME_BYE,    /* text: why the worker exits; value: 1 when the modem was unplugged */
    FRAME_KINDS,
};

enum frame_stage { STAGE_NONE, STAGE_COMMAND, STAGE_PROMPT, STAGE_PDU };

enum frame_pin { PIN_ASKED, PIN_TAKEN, PIN_REFUSED };

/* How a call from here ended. Only ringing is meant: who answers hears us hang up. */
enum call_outcome {
    CALL_RANG,     /* until it was time to hang up */
    CALL_ANSWERED, /* by somebody, or by a mailbox */
    CALL_REFUSED,  /* busy, or somebody pressed it away */
    CALL_FAILED,   /* the network or the modem does not put it through */
    CALL_STOPPED,  /* hangup, or the worker is gone: it may have rung */
    CALL_OUTCOMES,
};
enum frame_mend { MEND_RADIO = 1 /* off and on */, MEND_RESET /* the worker ends over it */ };

enum {
    FRAME_NAME_BYTES = 64,
    FRAME_WORD_BYTES = 16,
    FRAME_UDH_HEX_BYTES = 32,
    FRAME_HEAD_BYTES = 4,
};

struct frame {
    enum frame_kind kind;
    int64_t id;
    int outcome;
    int value;
    int csq;
    int registration;
    int index;
    int sim_used; /* places of the SIM's memory; size 0: not known */
    int sim_size;
    int64_t network_ms; /* UTC by the network's time, 0 not known */
    int coding;         /* enum tpdu_coding */
    int validity_minutes;
    bool report;
    char memory[8];
    char to[TPDU_ADDRESS_BYTES];
    char smsc[TPDU_ADDRESS_BYTES];
    char imei[FRAME_NAME_BYTES];
    char model[FRAME_NAME_BYTES];
    char driver[FRAME_WORD_BYTES];  /* "gammu" or "at": wished for, and in the hello at work */
    char make[FRAME_WORD_BYTES];    /* "quectel", "simcom", "huawei"; "" any other */
    char network[FRAME_WORD_BYTES]; /* country and network code of the SIM: "46000"; "" unknown */
    char udh[FRAME_UDH_HEX_BYTES];  /* hex, with its length octet */
    char text[TPDU_TEXT_BYTES];
    char hex[TPDU_HEX_BYTES];
};

/* Appends the frame. ERR_LIMIT: the buffer or LIMIT_FRAME_BYTES is too small. Bytes that are not
 * UTF-8 (a modem may say anything) become U+FFFD. */
int frame_write(const struct frame *frame, struct buf *out, struct err *err);

/* Takes one frame off the front of `in`. Returns 1: *ret is set; 0: more bytes are needed;
 * -1: these are no frames (unknown kind, too long, a text that does not fit): give up the peer. */
int frame_take(struct buf *in, struct frame *ret, struct err *err);

#endif
