/* Sorting the modem's lines; see line.h. */
#include "sms/worker/line.h"

#include <ctype.h>
#include <string.h>

#include "gateway/base/text.h"

enum { PDU_DIGITS_MIN = 16, INDEX_MAX = 65535 };

static bool starts_with(const char *line, const char *head)
{
    return strncmp(line, head, strlen(head)) == 0;
}

/* What modems say in plain words (collected from SIMCom, Quectel, Huawei, u-blox, Telit). */
static bool is_plain_noise(const char *line)
{
    static const char *const heads[] = {
        "RING",
        "RDY",
        "VOICE CALL",
        "Call Ready",
        "SMS Ready",
        "SMS DONE",
        "PB DONE",
        "GPRS Ready",
        "START",
        "MODEM STARTUP",
        "NORMAL POWER DOWN",
        "POWERED DOWN",
        "UNDER-VOLTAGE",
        "OVER-VOLTAGE",
        "STIN:",
        "CONNECT",
        "SIM DROP",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (starts_with(line, heads[i]))
            return true;
    return false;
}

/* V.250 6.3.1, and what Huawei and SIMCom say of a voice call. */
static bool is_ended(const char *line)
{
    static const char *const heads[] = {"NO CARRIER",  "BUSY",   "NO ANSWER",
                                        "NO DIALTONE", "^CEND:", "VOICE CALL: END"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (starts_with(line, heads[i]))
            return true;
    return false;
}

/* "+QIND: SMS DONE" belongs to AT+QIND and to nothing else. */
static bool belongs_to(const char *line, const char *command)
{
    size_t size = strlen(command);
    return size > 0 && strncmp(line, command, size) == 0 &&
           (line[size] == ':' || line[size] == '\0' || line[size] == '=' || line[size] == '?');
}

static enum line_kind classify_unasked(const char *line)
{
    if (starts_with(line, "+CMTI:") || starts_with(line, "+CDSI:"))
        return LINE_CMTI;
    if (starts_with(line, "+CUSD:"))
        return LINE_CUSD;
    if (starts_with(line, "+CREG:") || starts_with(line, "+CEREG:"))
        return LINE_CREG;
    if (starts_with(line, "+CLIP:"))
        return LINE_CLIP;
    if (is_ended(line))
        return LINE_ENDED;
    if (starts_with(line, "+CDS:"))
        return LINE_CDS;
    if (starts_with(line, "+CMT:"))
        return LINE_CMT;
    if (starts_with(line, "+CBM:"))
        return LINE_CBM;
    return LINE_NOISE;
}

enum line_kind line_classify(const char *line, const char *command)
{
    if (line[0] == '\0')
        return LINE_BLANK;
    if (command[0] == '\0' || starts_with(line, "+CUSD:"))
        return classify_unasked(line);
    if (strcmp(line, "OK") == 0)
        return LINE_OK;
    if (strcmp(line, "ERROR") == 0 || starts_with(line, "+CMS ERROR") ||
        starts_with(line, "+CME ERROR") || starts_with(line, "COMMAND NOT SUPPORT"))
        return LINE_ERROR;
    if (strchr("+^*$#%!&", line[0]) != NULL && !belongs_to(line, command))
        return classify_unasked(line);
    if (is_ended(line))
        return LINE_ENDED;
    return is_plain_noise(line) ? LINE_NOISE : LINE_REPLY;
}

bool line_is_hex(const char *line)
{
    size_t size = strspn(line, "0123456789abcdefABCDEF");
    return size >= 2 && line[size] == '\0';
}

bool line_is_pdu(const char *line)
{
    size_t size = strspn(line, "0123456789abcdefABCDEF");
    return size >= PDU_DIGITS_MIN && line[size] == '\0';
}

void line_command_name(const char *line, char *ret, size_t size)
{
    size_t at = starts_with(line, "AT") || starts_with(line, "at") ? 2 : 0;
    size_t end = at;
    while (line[end] != '\0' && strchr("=?;\r\n", line[end]) == NULL)
        end++;
    if (end == at) /* "AT" alone is a command too, and has a name */
        text_copy(ret, size, "AT");
    else
        text_copy_utf8(ret, size, line + at, end - at);
}

static int read_number(const char *text)
{
    while (*text == ' ')
        text++;
    if (!isdigit((unsigned char)*text))
        return -1;
    int value = 0;
    for (; isdigit((unsigned char)*text); text++)
        if ((value = value * 10 + (*text - '0')) > INDEX_MAX)
            return -1;
    return value;
}

int line_number(const char *line)
{
    return line_field(line, 0);
}

/* Commas inside quotes do not count. */
int line_field(const char *line, int field)
{
    const char *at = strchr(line, ':');
    if (at == NULL)
        return -1;
    bool quoted = false;
    for (at++; field > 0 && *at != '\0'; at++) {
        quoted ^= *at == '"';
        field -= *at == ',' && !quoted;
    }
    return field == 0 ? read_number(at) : -1;
}

void line_value(const char *reply, char *ret, size_t size)
{
    size_t length = strcspn(reply, "\n");
    if (reply[0] == '+' || reply[0] == '^') {
        size_t head = strcspn(reply, ": \n");
        head += strspn(reply + head, ": ");
        reply += head < length ? head : length;
        length = strcspn(reply, "\n");
    }
    if (length >= 2 && reply[0] == '"' && reply[length - 1] == '"') {
        reply++;
        length -= 2;
    }
    text_copy_utf8(ret, size, reply, length);
}

enum { TYPE_INTERNATIONAL = 145 };

bool line_parse_clip(const char *line, char *ret, size_t size)
{
    const char *open = strchr(line, '"');
    const char *close = open != NULL ? strchr(open + 1, '"') : NULL;
    if (close == NULL)
        return false;
    bool plus = line_field(line, 1) == TYPE_INTERNATIONAL && open[1] != '+' && close > open + 1;
    if (plus && size > 1)
        ret[0] = '+';
    return text_copy_utf8(ret + plus, size - plus, open + 1, (size_t)(close - open - 1));
}

bool line_parse_cmti(const char *line, char *ret_memory, size_t size, int *ret_index)
{
    const char *open = strchr(line, '"');
    const char *close = open != NULL ? strchr(open + 1, '"') : NULL;
    int index = line_field(line, 1);
    if (close == NULL || index < 0)
        return false;
    if (!text_copy_utf8(ret_memory, size, open + 1, (size_t)(close - open - 1)))
        return false;
    *ret_index = index;
    return true;
}
