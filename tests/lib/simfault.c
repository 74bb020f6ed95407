/* A small table looked through from the start: faults act in the order in which they were armed. */
#include "tests/lib/simfault.h"

#include <string.h>
#include <strings.h>

#include "gateway/base/text.h"

static const char *const names[SIMFAULT_KINDS] = {
    [SIMFAULT_NONE] = "none",
    [SIMFAULT_CMS_ERROR] = "cms_error",
    [SIMFAULT_CMS_ERROR_AT_ONCE] = "cms_error_at_once",
    [SIMFAULT_ERROR] = "error",
    [SIMFAULT_NO_PROMPT] = "no_prompt",
    [SIMFAULT_BARE_PROMPT] = "bare_prompt",
    [SIMFAULT_HANG_MID_PDU] = "hang_mid_pdu",
    [SIMFAULT_ANSWER_LOST] = "answer_lost",
    [SIMFAULT_LATE_ANSWER] = "late_answer",
    [SIMFAULT_NO_REPORT] = "no_report",
    [SIMFAULT_LATE_REPORT] = "late_report",
    [SIMFAULT_DUPLICATE_REPORT] = "duplicate_report",
    [SIMFAULT_REPORT_STATUS] = "report_status",
    [SIMFAULT_EARLY_REPORT] = "early_report",
    [SIMFAULT_CME_ERROR] = "cme_error",
    [SIMFAULT_ONE_BYTE] = "one_byte",
    [SIMFAULT_GARBAGE] = "garbage",
    [SIMFAULT_ECHO_OFF] = "echo_off",
    [SIMFAULT_URC_BEFORE] = "urc_before",
    [SIMFAULT_URC_INSIDE] = "urc_inside",
    [SIMFAULT_URC_AFTER] = "urc_after",
    [SIMFAULT_CMTI_LOST] = "cmti_lost",
    [SIMFAULT_REGISTRATION_LOST] = "registration_lost",
    [SIMFAULT_SILENT] = "silent",
};

static enum simfault_kind kind_of(const char *name)
{
    for (int i = SIMFAULT_NONE + 1; i < SIMFAULT_KINDS; i++)
        if (text_equal(names[i], name))
            return (enum simfault_kind)i;
    return SIMFAULT_NONE;
}

static int read_order(const struct json *order, struct simfault *ret, struct err *err)
{
    const char *name = json_text(order, "kind", "");
    int64_t times = json_int(order, "times", 1);

    ret->kind = kind_of(name);
    if (ret->kind == SIMFAULT_NONE)
        return err_set(err, ERR_INVALID, "no such fault: %s", name);
    ret->times = times > 0 ? (int)times : -1;
    ret->number = (int)json_int(order, "number", 500);
    ret->ms = (int)json_int(order, "ms", 0);
    if (!text_copy(ret->on, sizeof ret->on, json_text(order, "on", "AT+CMGS")) ||
        !text_copy(ret->text, sizeof ret->text, json_text(order, "text", "RDY")))
        return err_set(err, ERR_LIMIT, "fault %s: text too long", name);
    return ERR_OK;
}

int simfault_arm(struct simfaults *faults, const struct json *order, struct simfault *ret_fault,
                 struct err *err)
{
    struct simfault fault = {0};

    if (read_order(order, &fault, err))
        return ERR_INVALID;
    *ret_fault = fault;
    if (fault.kind == SIMFAULT_REGISTRATION_LOST || fault.kind == SIMFAULT_SILENT)
        return ERR_OK; /* states of the modem, entered at once */
    for (int i = 0; i < SIMFAULT_ARMED; i++) {
        if (faults->armed[i].kind == SIMFAULT_NONE) {
            faults->armed[i] = fault;
            return ERR_OK;
        }
    }
    return err_set(err, ERR_LIMIT, "%d faults are armed already", SIMFAULT_ARMED);
}

void simfault_clear(struct simfaults *faults)
{
    memset(faults, 0, sizeof *faults);
}

static bool concerns(const struct simfault *fault, enum simfault_kind first,
                     enum simfault_kind last, const char *command)
{
    return fault->kind >= first && fault->kind <= last &&
           (!command || strncasecmp(command, fault->on, strlen(fault->on)) == 0);
}

static void remove_at(struct simfaults *faults, int at)
{
    size_t behind = (size_t)(SIMFAULT_ARMED - 1 - at);

    memmove(&faults->armed[at], &faults->armed[at + 1], behind * sizeof faults->armed[0]);
    faults->armed[SIMFAULT_ARMED - 1] = (struct simfault){0};
}

struct simfault simfault_take(struct simfaults *faults, enum simfault_kind first,
                              enum simfault_kind last, const char *command)
{
    for (int i = 0; i < SIMFAULT_ARMED; i++) {
        struct simfault *fault = &faults->armed[i];

        if (!concerns(fault, first, last, command))
            continue;
        struct simfault taken = *fault;
        if (fault->times > 0 && --fault->times == 0)
            remove_at(faults, i);
        return taken;
    }
    return (struct simfault){.kind = SIMFAULT_NONE};
}
