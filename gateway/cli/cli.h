/* The operator's command: what its files share. The result goes to standard output, everything else
 * to standard error, so that output can be piped; exit codes are those of sysexits(3), and of the
 * monitoring plugins for `check`. */
#ifndef TOUYAN_CLI_H
#define TOUYAN_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/json.h"
#include "gateway/cli/refusal.h"

enum {
    EXIT_OK = 0,
    EXIT_NOT_FOUND = 1, /* the thing asked for is not there */
    EXIT_USAGE = 64,
    EXIT_DOWN = 69,  /* no daemon answers */
    EXIT_LATER = 75, /* it answers, but not now */
    EXIT_DENIED = 77,
    EXIT_CONFIG = 78,
    CLI_WORDS = 16, /* of one command */
};

struct cli {
    const char *socket;
    bool english;
    bool json;
    bool color;
    bool help;
    int word_count; /* what is left after the options: noun, verb, arguments */
    const char *words[CLI_WORDS];
    const char *state; /* --state, or NULL */
    const char *limit; /* --limit, or NULL */
};

enum { CLI_AGE = 32 };
/* How long ago, in two words: "35 天前", "2 h ago". Less than two minutes, or -1 (never): "". */
void cli_format_age(const struct cli *cli, int64_t age_ms, char ret[CLI_AGE]);

/* The text in the language chosen. */
const char *cli_say(const struct cli *cli, const char *zh, const char *en);

/* Says on standard error what is wrong and what to do, and returns `code`. */
int cli_fail(const struct cli *cli, int code, const char *zh, const char *en);

/* Says on standard error what the gateway refused, in the language chosen; false: that sentence is
 * not known here (refusal.h), and nothing was said. */
bool cli_told(const struct cli *cli, const char *text);

/* A sentence of the gateway in the language chosen, in `ret` or as it was. */
const char *cli_plainly(const struct cli *cli, const char *text, char ret[REFUSAL_BYTES]);

/* Says how it is used; returns EXIT_USAGE. */
int cli_usage(const struct cli *cli, const char *usage);

/* One call to the daemon. EXIT_OK: *ret_json is the answer (json_free), and with --json it has been
 * printed already. Otherwise what is wrong has been said and the exit code is returned. */
int cli_get(const struct cli *cli, const char *path, struct json **ret_json);
int cli_post(const struct cli *cli, const char *path, struct json *body, struct json **ret_json);
/* The same as cli_get without printing anything. */
int cli_peek(const struct cli *cli, const char *path, struct json **ret_json);

/* Percent-encoding (RFC 3986 2.1) of everything but the unreserved characters; cut where ret ends.
 */
void cli_encode(const char *text, char *ret, size_t size);

/* One line of CSV on standard output (RFC 4180). */
void cli_csv_line(const char *const *cells, size_t count);

/* One record of a spreadsheet; false: it was wrong, that was said, and no more is wanted. */
struct csv;
typedef bool cli_record_fn(void *ctx, const struct csv *csv);
/* Each record of the file, the one with the heads first. What is no CSV is told by line. */
int cli_read_csv(const struct cli *cli, const char *path, cli_record_fn *take, void *ctx);
int cli_wrong_line(const struct cli *cli, int line, const char *what); /* EXIT_USAGE */

/* --- words in columns --- */

enum { TABLE_COLUMNS = 8, TABLE_CELL = 1024 };

struct table {
    int columns;
    int rows, capacity;
    char **cells; /* owned; row by row */
};

/* Columns on a terminal: 2 for East Asian wide characters (Unicode UAX #11), 0 for combining ones.
 */
int table_text_width(const char *text);
void table_init(struct table *table, int columns);
void table_add(struct table *table, const char *const *cells);
void table_print(const struct table *table);
void table_free(struct table *table);

/* "09-01 07:20" in local time, "-" for 0. */
void cli_format_time(int64_t at_ms, char ret[16]);

/* "2027-11-22" in local time. */
void cli_format_date(int64_t at_ms, char ret[16]);

/* A word of a row in the language chosen: "缺岗" for "no_show"; what is unknown as it is. */
const char *cli_word(const struct cli *cli, const char *word);

/* "民警" for "police", "早" for "am"; what is unknown as it is. */
const char *cli_force_word(const struct cli *cli, const char *kind);
const char *cli_peak_word(const struct cli *cli, const char *peak);

/* --- one function a command: `cli` has at least the words that chose it --- */

typedef int cli_command_fn(const struct cli *cli);
cli_command_fn command_status, command_check, command_sms_list, command_sms_show, command_sms_send,
    command_sms_simulate, command_sms_retry, command_sms_cancel, command_sms_pause,
    command_sms_resume, command_sms_inbox, command_sms_answer, command_sms_push,
    command_sms_balance, command_sync_status, command_sync_now, command_sync_pending,
    command_sync_conflicts, command_sync_quarantine, command_device_list, command_device_try,
    command_device_flow, command_radio_list, command_radio_add, command_radio_remove,
    command_radio_send, command_device_command, command_device_accounts, command_desk_list,
    command_desk_done, command_enrol, command_roster_plan, command_roster_show, command_roster_diff,
    command_roster_publish, command_roster_export, command_roster_import, command_roster_print,
    command_ledger_list, command_ledger_print, command_ledger_show, command_ledger_add,
    command_ledger_assign, command_ledger_merge, command_ledger_act, command_card_list,
    command_card_kinds, command_card_show, command_card_put, command_card_do, command_card_draw,
    command_school_copy, command_school_exam, command_volunteer_add, command_volunteer_decide,
    command_volunteer_list, command_volunteer_export, command_privacy, command_account_month,
    command_account_people, command_account_hours, command_account_sheet, command_account_export;
cli_command_fn command_sms_quiet, command_support, command_list_import, command_list_export,
    command_volunteer_import, command_desk_declines, command_card_match, command_roster_pin,
    command_roster_unpin, command_roster_way, command_roster_approve, command_roster_need,
    command_roster_orders, command_roster_decide;

/* The findings that are not good, each with what to do next; returns their number. Printed last. */
int check_print_problems(const struct cli *cli, const struct json *findings);

/* The station's certificate; `enrolment` is the answer of /v1/enrol. */
void enrolment_print(const struct cli *cli, const struct json *enrolment);

/* The state of the county link in words; `sync` is the answer of /v1/sync. */
const char *cli_link_name(const struct cli *cli, const struct json *sync);

#endif
