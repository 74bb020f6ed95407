/* What a line from the modem is: an answer to the command under way, or something it says unasked
 * (3GPP TS 27.007 4.1, 27.005 3.4). libgammu knows only some of the latter and loses its answer
 * over the others, so none of them reaches it. Pure. */
#ifndef TOUYAN_SMS_WORKER_LINE_H
#define TOUYAN_SMS_WORKER_LINE_H

#include <stdbool.h>
#include <stddef.h>

enum line_kind {
    LINE_BLANK,
    LINE_REPLY, /* belongs to the command under way, its echo included */
    LINE_OK,
    LINE_ERROR, /* ERROR, +CMS ERROR, +CME ERROR: ends the command */
    LINE_CMTI,  /* a message or a report (+CDSI) was stored: memory and index */
    LINE_CDS,   /* a delivery report: the next line is its PDU */
    LINE_CUSD,  /* the network's answer to a USSD code */
    LINE_CMT,   /* a message that is not stored (27.005 3.4.1: class 0): its PDU comes next */
    LINE_CBM,   /* a cell broadcast: dropped with the PDU in the next line */
    LINE_CREG,  /* the network was lost or found */
    LINE_CLIP,  /* somebody rings: his number */
    LINE_ENDED, /* a call is over, or did not come to be */
    LINE_NOISE,
};

/* `command` is the name of the command under way ("+CMGS"), "" when there is none. */
enum line_kind line_classify(const char *line, const char *command);

/* +CLIP: "+8613800000001",145: the number with a plus when it is international; "" when it is
 * hidden. */
bool line_parse_clip(const char *line, char *ret, size_t size);

/* Hex digits only; as a PDU at least 16 of them, because it may come without a word before it. */
bool line_is_hex(const char *line);
bool line_is_pdu(const char *line);

/* The name of a command line: "AT+CMGS=23" gives "+CMGS", "ATE1" gives "E1", "AT" "AT". */
void line_command_name(const char *line, char *ret, size_t size);

/* Of an answer's lines the first, without a head such as "+CGSN: " and without quotes around it;
 * "" when there is none. */
void line_value(const char *reply, char *ret, size_t size);

/* +CMTI: "SM",5 with whatever a vendor puts behind it. */
bool line_parse_cmti(const char *line, char *ret_memory, size_t size, int *ret_index);

/* The number behind the first colon: "+CMGS: 17", "+CMS ERROR: 38"; -1 when there is none. */
int line_number(const char *line);

/* The number of comma separated field `field` (from 0) behind the colon; -1 when it is none. */
int line_field(const char *line, int field);

#endif
