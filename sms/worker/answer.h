/* Answers of a modem that need more than a number read out of them: the text of a USSD answer and
 * the time of the network. Pure. */
#ifndef TOUYAN_SMS_WORKER_ANSWER_H
#define TOUYAN_SMS_WORKER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes AT+CUSD for a code such as "*100#" (3GPP TS 27.007 7.15); `packed`: the make wants septets
 * in hex. False: the code has characters that no code has, or does not fit. */
bool answer_ussd_command(const char *code, bool packed, char *ret, size_t size);

/* The text in +CUSD: <m>,"<str>",<dcs> as UTF-8, by its data coding scheme (TS 23.038 5) and by
 * what it looks like: makes differ. False: there is none. */
bool answer_ussd_text(const char *line, bool packed, char *ret, size_t size);

/* +CCLK: "26/11/22,10:05:12+32" (27.007 8.15; the zone in quarters of an hour) as UTC milliseconds.
 * False: no zone, no such time, or before 2025: the modem has not heard of the network's time. */
bool answer_clock(const char *line, int64_t *ret_ms);

#endif
