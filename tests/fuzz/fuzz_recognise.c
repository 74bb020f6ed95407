/* Any bytes as a short message, from anybody and after anything: the answer is well formed, and the
 * words that stop, end, raise or move something are really there.
 *
 * Input: who wrote, what was sent last, how much is open, then the text. */
#include <assert.h>
#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/duty/recognise.h"
#include "tests/lib/fuzz.h"

enum { HEAD = 3, TEXT_MAX = 2048 };

static bool is_school(void *ctx, const char *text)
{
    return text[0] != '\0' && ((size_t)(uintptr_t)ctx + strlen(text)) % 7 == 0;
}

static bool has_one(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strstr(text, *words) != NULL)
            return true;
    return false;
}

/* `text` is folded: no spaces, simplified, capitals. */
static void check_harm(const struct command *command, const char *text)
{
    static const char *const stops[] = {"退订", "TD", "T", "R", "STOP", NULL};
    static const char *const calls[] = {"报警", "紧急", "求助", "救命", "SOS", NULL};
    static const char *const ends[] = {"解除", "CLEAR", NULL};
    static const char *const goes[] = {"出警", "GO", NULL};
    switch (command->kind) {
    case COMMAND_STOP:
        assert(has_one(text, stops));
        break;
    case COMMAND_PANIC:
    case COMMAND_CALL_LEADER:
        assert(has_one(text, calls));
        break;
    case COMMAND_ALL_CLEAR:
        assert(has_one(text, ends) && command->code[0] != '\0');
        break;
    case COMMAND_GO:
        assert(has_one(text, goes));
        break;
    case COMMAND_START_PLAN:
    case COMMAND_CHECK_IN_ALL:
    case COMMAND_CLOSE_ISSUE:
    case COMMAND_REOPEN_ISSUE:
        assert(command->code[0] != '\0');
        break;
    default:
        break;
    }
}

static void check_asked(const struct command *command, const char *text)
{
    if (strchr(text, '?') == NULL && strstr(text, "？") == NULL)
        return;
    if (strstr(text, "【") != NULL || strstr(text, "\xe3\x80\x91") != NULL)
        return; /* it may stand in a signature */
    assert(command->kind != COMMAND_CONFIRM && command->kind != COMMAND_DECLINE &&
           command->kind != COMMAND_STOP && command->kind != COMMAND_PANIC &&
           command->kind != COMMAND_ALL_CLEAR && command->kind != COMMAND_TAKE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char text[TEXT_MAX + 1];
    char folded[LIMIT_SMS_TEXT_BYTES + 1];
    struct command command;
    if (size < HEAD || size - HEAD > TEXT_MAX)
        return 0;
    struct recognise_context context = {
        .role = (enum sender_role)(bytes[0] % (SENDER_DUTY_ROOM + 1)),
        .last_sent = (enum last_sent)(bytes[1] % (LAST_ACTIVITY + 1)),
        .open_prompts = bytes[2] % 3,
        .open_offers = bytes[2] / 3 % 3,
        .checked_in = bytes[2] & 0x80,
        .is_school = bytes[2] & 0x40 ? is_school : NULL,
        .ctx = (void *)(uintptr_t)bytes[2],
    };
    memcpy(text, bytes + HEAD, size - HEAD);
    text[size - HEAD] = '\0';
    recognise(text, &context, &command);
    recognise_fold(text, folded, sizeof folded);

    assert(command.kind < COMMAND_COUNT && command_name(command.kind)[0] != '?');
    assert(memchr(command.arg, '\0', sizeof command.arg) != NULL);
    assert(text_utf8_valid(command.arg, strlen(command.arg)));
    size_t digits = strspn(command.code, "0123456789");
    assert(command.code[digits] == '\0' && (digits == 0 || digits == COMMAND_CODE_SIZE - 1));
    check_harm(&command, folded);
    check_asked(&command, text);
    return 0;
}
