/* Any bytes as a line from a modem, under any command: each is of one kind, numbers are within
 * their range, and what becomes text is UTF-8. */
#include <assert.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sms/worker/answer.h"
#include "sms/worker/line.h"
#include "tests/lib/fuzz.h"

enum { LINE_BYTES = 1024, TEXT_BYTES = 96, NUMBER_MAX = 65535 };

static void check_text(const char *text)
{
    assert(text_utf8_valid(text, strlen(text)));
}

static void check_numbers(const char *line)
{
    for (int field = 0; field < 6; field++) {
        int number = line_field(line, field);
        assert(number >= -1 && number <= NUMBER_MAX);
    }
}

static void check_texts(const char *line)
{
    char text[TEXT_BYTES];
    char memory[8];
    int index = 0;
    int64_t ms = 0;
    line_value(line, text, sizeof text);
    check_text(text);
    line_command_name(line, text, sizeof text);
    check_text(text);
    if (line_parse_cmti(line, memory, sizeof memory, &index)) {
        check_text(memory);
        assert(index >= 0 && index <= NUMBER_MAX);
    }
    for (int packed = 0; packed < 2; packed++)
        if (answer_ussd_text(line, packed == 1, text, sizeof text))
            check_text(text);
    if (answer_clock(line, &ms))
        assert(ms > 0);
    answer_ussd_command(line, false, text, sizeof text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const commands[] = {"", "AT", "+CMGS", "+CMGL", "+CREG", "+CUSD", "^CPIN"};
    char line[LINE_BYTES];
    if (size >= sizeof line)
        size = sizeof line - 1;
    memcpy(line, bytes, size);
    line[size] = '\0';
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        enum line_kind kind = line_classify(line, commands[i]);
        assert(kind <= LINE_NOISE);
        assert((kind == LINE_BLANK) == (line[0] == '\0'));
    }
    line_is_pdu(line);
    line_is_hex(line);
    check_numbers(line);
    check_texts(line);
    return 0;
}
