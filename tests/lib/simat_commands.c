/* Two tables: commands whose answer never changes, and commands with a function. A command line is
 * cut at semicolons outside quotes; the first that says a final result of its own ends the line,
 * else it ends with OK. What no table knows is ERROR. */
#include "tests/lib/simat_commands.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/text.h"
#include "sms/gsm7.h"

enum {
    CME_NOT_ALLOWED = 3,
    CME_WRONG_PASSWORD = 16,
    CMS_INVALID_INDEX = 321,
    CMS_INVALID_PARAMETER = 304,
    COMMAND_BYTES = 256
};

static const struct simanswer fixed[] = {
    {"", NULL},
    {"Z", NULL},
    {"&F", NULL},
    {"V1", NULL},
    {"+CGMR", "1.0"},
    {"+CGSN", "867000000000017"},
    {"+CIMI", "460001234567890"},
    {"+CCID", "+CCID: 89860012345678901234"},
    {"+CSCS?", "+CSCS: \"GSM\""},
    {"+CSCS=?", "+CSCS: (\"GSM\",\"HEX\",\"UCS2\")"},
    {"+CMEE?", "+CMEE: 1"},
    {"+CMGF=0", NULL},
    {"+CMGF?", "+CMGF: 0"},
    {"+CMGF=?", "+CMGF: (0)"},
    {"+CSMS?", "+CSMS: 0,1,1,1"},
    {"+CSMS=?", "+CSMS: (0)"},
    {"+CSMS=0", "+CSMS: 1,1,1"},
    {"+CMMS=2", NULL},
    {"+CPMS=?", "+CPMS: (\"SM\",\"ME\",\"SR\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")"},
    {"+CNMI=?", "+CNMI: (0,1,2),(0,1),(0,2),(0,1,2),(0,1)"},
    {"+CMGL=?", "+CMGL: (0-4)"},
    {"+CBC", "+CBC: 0,100,4100"},
    {"+CGATT?", "+CGATT: 1"},
    {"+CGATT=1", NULL},
    {"+COPS=0", NULL},
    {"+COPS=3,0", NULL},
    {"+COPS=3,2", NULL},
    {"+CUSD=1", NULL},
    {"+CUSD=0", NULL},
    {"+CUSD=2", NULL},
    {"+CUSD=?", "+CUSD: (0-2)"},
    {"+IFC=2,2", NULL},
    {"+CLIP=1", NULL},
    {"S0=0", NULL},
    {NULL, NULL},
};

static const char *const memories[] = {"SM", "ME", "SR"};

static void register_again(struct simat *at)
{
    at->radio_off = false;
    at->unregistered_until_us = 0;
    at->net->registered = true;
}

static void restart(struct simat *at)
{
    simat_reset(at);
    if (at->stubborn < SIMAT_STUBBORN)
        register_again(at);
    simat_final(at, "OK");
    simat_say(at, "RDY");
    simat_say(at, "+CFUN: 1");
    simat_say(at, "+CPIN: READY");
}

/* Turning the radio off and on again finds a lost network, as it often does in life. */
static void run_cfun(struct simat *at, const char *args)
{
    if (text_equal(args, "?")) {
        simat_say(at, at->radio_off ? "+CFUN: 4" : "+CFUN: 1");
    } else if (text_equal(args, "=0") || text_equal(args, "=4")) {
        at->radio_off = true;
        at->unregistered_until_us = 0;
        at->net->registered = false;
    } else if (text_equal(args, "=1")) {
        if (at->radio_off && at->stubborn == 0)
            register_again(at);
        at->radio_off = false;
    } else if (text_equal(args, "=1,1")) {
        restart(at);
    } else {
        simat_cme_error(at, CME_NOT_ALLOWED);
    }
}

static void run_echo(struct simat *at, const char *args)
{
    at->echo = !text_equal(args, "0");
}

static void run_cmee(struct simat *at, const char *args)
{
    at->cme = !text_equal(args, "=0");
}

static void run_cscs(struct simat *at, const char *args)
{
    if (args[0] != '=')
        simat_cme_error(at, CME_NOT_ALLOWED);
}

static void run_csq(struct simat *at, const char *args)
{
    char line[32];

    (void)args;
    snprintf(line, sizeof line, "+CSQ: %d,99", at->net->registered ? at->net->signal : 99);
    simat_say(at, line);
}

/* +CREG, +CGREG and +CEREG alike. */
static void run_registration(struct simat *at, const char *name, const char *args)
{
    char line[64];
    int state = at->net->registered ? 1 : 0;

    if (args[0] == '=' && args[1] >= '0' && args[1] <= '2' && args[2] == '\0') {
        at->creg = args[1] - '0';
    } else if (text_equal(args, "?")) {
        if (at->creg == 2 && state == 1)
            snprintf(line, sizeof line, "%s: 2,1,\"1A2B\",\"3C4D\"", name);
        else
            snprintf(line, sizeof line, "%s: %d,%d", name, at->creg, state);
        simat_say(at, line);
    } else {
        simat_cme_error(at, CME_NOT_ALLOWED);
    }
}

static void run_creg(struct simat *at, const char *args)
{
    run_registration(at, "+CREG", args);
}

static void run_cgreg(struct simat *at, const char *args)
{
    run_registration(at, "+CGREG", args);
}

static void run_cereg(struct simat *at, const char *args)
{
    run_registration(at, "+CEREG", args);
}

static void run_cops(struct simat *at, const char *args)
{
    if (!text_equal(args, "?"))
        simat_cme_error(at, CME_NOT_ALLOWED);
    else
        simat_say(at, at->net->registered ? "+COPS: 0,2,\"46000\"" : "+COPS: 0");
}

static int memory_of(const char *text)
{
    for (int i = 0; i < SIMNET_MEMORIES; i++)
        if (strncasecmp(text, memories[i], 2) == 0)
            return i;
    return -1;
}

static void say_memories(struct simat *at, bool with_names)
{
    const int used[3] = {(int)at->read_memory, (int)at->read_memory, (int)at->receive_memory};
    char line[96] = "+CPMS: ";
    size_t size = strlen(line);

    for (int i = 0; i < 3; i++) {
        enum simnet_memory memory = (enum simnet_memory)used[i];
        char name[8] = "";

        if (with_names)
            snprintf(name, sizeof name, "\"%s\",", memories[memory]);
        size += (size_t)snprintf(line + size, sizeof line - size, "%s%s%d,%d", i > 0 ? "," : "",
                                 name, simnet_used(at->net, memory), at->net->capacity[memory]);
    }
    simat_say(at, line);
}

/* ="SM" | ="SM","SM" | ="SM","SM","SM": for reading, writing, receiving. */
static void run_cpms(struct simat *at, const char *args)
{
    int chosen[3] = {-1, -1, -1};
    int count = 0;

    if (text_equal(args, "?")) {
        say_memories(at, true);
        return;
    }
    for (const char *c = args; *c && count < 3; c++)
        if ((*c == '"' || *c == '=' || *c == ',') && c[1] >= 'A')
            chosen[count++] = memory_of(c + 1);
    if (chosen[0] < 0 || (count > 2 && (chosen[2] < 0 || chosen[2] == SIMNET_SR))) {
        simat_cms_error(at, CMS_INVALID_PARAMETER);
        return;
    }
    at->read_memory = (enum simnet_memory)chosen[0];
    if (count > 2)
        at->receive_memory = (enum simnet_memory)chosen[2];
    say_memories(at, false);
}

/* "=2,1,0,1": up to five digits; returns how many there are. */
static int read_digits(const char *args, int ret[5])
{
    int count = 0;

    for (const char *c = args; count < 5 && (*c == '=' || *c == ',') && c[1] >= '0' && c[1] <= '9';
         c += 2)
        ret[count++] = c[1] - '0';
    return count;
}

static void run_cnmi(struct simat *at, const char *args)
{
    int digits[5] = {0}; /* mode, mt, bm, ds, bfr */
    char line[48];

    if (text_equal(args, "?")) {
        snprintf(line, sizeof line, "+CNMI: 2,%d,0,%d,0", at->cnmi_mt, at->cnmi_ds);
        simat_say(at, line);
    } else if (read_digits(args, digits) < 2 || digits[1] > 1 || digits[3] > 2 ||
               (digits[3] == 1 && at->profile->stores_reports)) {
        simat_cms_error(at, CMS_INVALID_PARAMETER);
    } else {
        at->cnmi_mt = digits[1];
        at->cnmi_ds = digits[3];
    }
}

void simat_pdu_hex(const struct simnet_pdu *pdu, char ret[TPDU_HEX_BYTES])
{
    text_to_hex(pdu->bytes, pdu->size, ret);
    for (char *c = ret; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
}

static void say_stored(struct simat *at, const char *head, struct simnet_pdu *pdu)
{
    char hex[TPDU_HEX_BYTES];

    simat_pdu_hex(pdu, hex);
    int status = pdu->is_draft ? 2 : pdu->read ? 1 : 0; /* 27.005 3.1 <stat> */
    buf_printf(&at->out, "\r\n%s%d,,%d\r\n%s\r\n", head, status, (int)pdu->size - 1 - pdu->bytes[0],
               hex);
    pdu->read = true;
}

/* 0 unread, 1 read, 4 all; the lists of sent messages are empty. */
static void run_cmgl(struct simat *at, const char *args)
{
    int which = 0;

    if (args[0] != '\0' && (args[0] != '=' || !text_to_int(args + 1, 0, 4, &which))) {
        simat_cms_error(at, CMS_INVALID_PARAMETER);
        return;
    }
    for (int i = 0; i < at->net->capacity[at->read_memory]; i++) {
        struct simnet_pdu *pdu = &at->net->memory[at->read_memory][i];
        char head[32];

        if (pdu->size == 0 || (which != 4 && which != (pdu->read ? 1 : 0)))
            continue;
        snprintf(head, sizeof head, "+CMGL: %d,", i + 1);
        say_stored(at, head, pdu);
    }
}

/* Slot from 0, or -1 after having said the error. */
static int slot_of(struct simat *at, const char *args)
{
    int index = 0;

    if (args[0] == '=' && text_to_int(args + 1, 1, at->net->capacity[at->read_memory], &index))
        return index - 1;
    simat_cms_error(at, CMS_INVALID_INDEX);
    return -1;
}

static void run_cmgr(struct simat *at, const char *args)
{
    int slot = slot_of(at, args);

    if (slot < 0)
        return;
    struct simnet_pdu *pdu = &at->net->memory[at->read_memory][slot];
    if (pdu->size == 0)
        simat_cms_error(at, CMS_INVALID_INDEX);
    else
        say_stored(at, "+CMGR: ", pdu);
}

/* =index | =index,flag: 1 to 3 all that were read, 4 all. */
static void run_cmgd(struct simat *at, const char *args)
{
    const char *comma = strchr(args, ',');
    int flag = 0;
    char index[16];

    if (comma && !text_to_int(comma + 1, 0, 4, &flag)) {
        simat_cms_error(at, CMS_INVALID_PARAMETER);
        return;
    }
    snprintf(index, sizeof index, "%.*s", comma ? (int)(comma - args) : 15, args);
    if (flag == 0) {
        int slot = slot_of(at, index);
        if (slot >= 0)
            simnet_delete(at->net, at->read_memory, slot);
        return;
    }
    for (int i = 0; i < at->net->capacity[at->read_memory]; i++)
        if (flag == 4 || at->net->memory[at->read_memory][i].read)
            simnet_delete(at->net, at->read_memory, i);
}

static void pack(const char *text, char *ret)
{
    uint8_t septets[64];
    uint8_t octets[64] = {0};
    int count = gsm7_from_utf8(text, strlen(text), septets, sizeof septets);

    text_to_hex(octets, gsm7_pack(septets, (size_t)count, 0, octets), ret);
}

/* =1,"*100#",15: OK, then the network's answer, in two lines. */
static void run_cusd(struct simat *at, const char *args)
{
    char code[140] = "*100#";
    char text[140] = "Balance 8.50 CNY\r\nvalid";
    char line[200];

    if (at->profile->packed_ussd) {
        pack("*100#", code);
        pack("Balance 8.50 CNY", text);
    }
    if (strncmp(args, "=1,\"", 4) != 0 || strncmp(args + 4, code, strlen(code)) != 0) {
        simat_cme_error(at, CME_NOT_ALLOWED);
        return;
    }
    at->ussd_asked++;
    simat_final(at, "OK");
    snprintf(line, sizeof line, "+CUSD: 0,\"%s\",15", text);
    simat_say(at, line);
}

static void book_pin(struct simat *at)
{
    struct json *object = simbook_new(at->net->book, "pin", -1);

    json_set_int(object, "tries", at->pin_tries);
    json_set_int(object, "wrong", at->pin_wrong);
    simbook_write(at->net->book, object);
}

/* A SIM that waits for its PIN, and one that has locked itself after three wrong ones. */
static void run_cpin(struct simat *at, const char *args)
{
    bool open = at->pin[0] == '\0' || at->pin_entered;

    if (text_equal(args, "?")) {
        simat_say(at, open                ? "+CPIN: READY"
                      : at->pin_tries > 0 ? "+CPIN: SIM PIN"
                                          : "+CPIN: SIM PUK");
        return;
    }
    size_t size = strlen(at->pin);
    if (open || at->pin_tries == 0) {
        simat_cme_error(at, CME_NOT_ALLOWED);
    } else if (strncmp(args, "=\"", 2) == 0 && strncmp(args + 2, at->pin, size) == 0 &&
               args[2 + size] == '"') {
        at->pin_entered = true;
        at->pin_tries = SIMAT_PIN_TRIES;
        book_pin(at);
    } else {
        at->pin_tries--;
        at->pin_wrong++;
        book_pin(at);
        simat_cme_error(at, CME_WRONG_PASSWORD);
    }
}

/* ="+86...",145 */
static void run_csca(struct simat *at, const char *args)
{
    char line[64];

    if (text_equal(args, "?")) {
        snprintf(line, sizeof line, "+CSCA: \"%s\",%d", at->centre,
                 at->centre[0] == '+' ? 145 : 129);
        simat_say(at, line);
    } else if (strncmp(args, "=\"", 2) == 0) {
        snprintf(at->centre, sizeof at->centre, "%.*s", (int)strcspn(args + 2, "\""), args + 2);
    } else {
        simat_cms_error(at, CMS_INVALID_PARAMETER);
    }
}

static void run_cclk(struct simat *at, const char *args)
{
    char line[64];

    if (!text_equal(args, "?") || at->network_time[0] == '\0') {
        simat_cme_error(at, CME_NOT_ALLOWED);
        return;
    }
    snprintf(line, sizeof line, "+CCLK: \"%s\"", at->network_time);
    simat_say(at, line);
}

/* D+8613...; a voice call: OK at once, the rest by itself. */
static void run_dial(struct simat *at, const char *number)
{
    struct json *object = simbook_new(at->net->book, "call", -1);

    json_set_text(object, "to", number);
    json_set_text(object, "callee", at->callee);
    simbook_write(at->net->book, object);
    at->calls++;
    if (!at->net->registered || text_equal(at->callee, "fail")) {
        simat_final(at, "NO CARRIER");
        return;
    }
    at->call = SIMAT_ALERTING;
    text_copy(at->called, sizeof at->called, number);
    at->call_end_us = text_equal(at->callee, "ring")
                          ? INT64_MAX
                          : clock_mono_us() + (int64_t)at->callee_ms * 1000;
}

static void run_clcc(struct simat *at, const char *args)
{
    char line[80];

    if (args[0] != '\0') {
        simat_cme_error(at, CME_NOT_ALLOWED);
    } else if (at->call != SIMAT_NO_CALL) {
        snprintf(line, sizeof line, "+CLCC: 1,0,%d,0,0,\"%s\",145",
                 at->call == SIMAT_ACTIVE ? 0 : 3, at->called);
        simat_say(at, line);
    }
}

static void run_chup(struct simat *at, const char *args)
{
    if (args[0] != '\0')
        simat_final(at, "ERROR"); /* +CHUP=? */
    else
        at->call = SIMAT_NO_CALL;
}

static const struct {
    const char *name; /* up to the arguments, which begin with '=', '?' or a digit */
    void (*run)(struct simat *at, const char *args);
} commands[] = {
    {"E", run_echo},     {"+CFUN", run_cfun}, {"+CMEE", run_cmee},   {"+CSCS", run_cscs},
    {"+CSQ", run_csq},   {"+CREG", run_creg}, {"+CGREG", run_cgreg}, {"+CEREG", run_cereg},
    {"+COPS", run_cops}, {"+CPMS", run_cpms}, {"+CNMI", run_cnmi},   {"+CMGL", run_cmgl},
    {"+CMGR", run_cmgr}, {"+CMGD", run_cmgd}, {"+CUSD", run_cusd},   {"+CMGS", simat_begin_send},
    {"+CPIN", run_cpin}, {"+CSCA", run_csca}, {"+CCLK", run_cclk},   {"+CLCC", run_clcc},
    {"+CHUP", run_chup},
};

static bool run_fixed(struct simat *at, const struct simanswer *answers, const char *command)
{
    for (; answers->command; answers++) {
        if (strcasecmp(answers->command, command) == 0) {
            if (answers->answer)
                simat_say(at, answers->answer);
            return true;
        }
    }
    return false;
}

static bool begins(const char *command, const char *name)
{
    size_t size = strlen(name);
    char next = strncasecmp(command, name, size) == 0 ? command[size] : 'x';

    return next == '\0' || next == '=' || next == '?' || (next >= '0' && next <= '9');
}

static void run_one(struct simat *at, const char *command)
{
    if (at->profile->pin_tries && strcasecmp(command, at->profile->pin_tries) == 0) {
        char line[64];
        snprintf(line, sizeof line, "%s%d%s", at->profile->pin_before, at->pin_tries,
                 at->profile->pin_behind);
        simat_say(at, line);
        return;
    }
    if (run_fixed(at, at->profile->answers, command) || run_fixed(at, fixed, command))
        return;
    if ((command[0] == 'D' || command[0] == 'd') && command[1] != '\0') {
        run_dial(at, command + 1);
        return;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (begins(command, commands[i].name)) {
            commands[i].run(at, command + strlen(commands[i].name));
            return;
        }
    }
    simat_final(at, "ERROR");
}

/* Bytes up to the next semicolon outside quotes. */
static size_t command_size(const char *text)
{
    bool quoted = false;
    size_t size = 0;

    for (; text[size] && (quoted || text[size] != ';'); size++)
        if (text[size] == '"')
            quoted = !quoted;
    return size;
}

void simat_commands_run(struct simat *at, const char *line)
{
    at->final_sent = false;
    if (strncasecmp(line, "AT", 2) != 0) {
        simat_final(at, "ERROR");
        return;
    }
    for (const char *rest = line + 2; !at->final_sent;) {
        size_t size = command_size(rest);
        char command[COMMAND_BYTES];

        snprintf(command, sizeof command, "%.*s", (int)size, rest);
        run_one(at, command);
        rest += size;
        if (*rest++ == '\0')
            break;
    }
    if (!at->final_sent)
        simat_final(at, "OK");
}
