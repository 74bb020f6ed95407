/* Receiving; see receive.h.
 *
 * Offers: a message that is offered stays in the table until it is deleted, so that the next look
 * does not offer it again. If the gateway could not commit it, it is offered anew after a minute,
 * under a new number, and the old number deletes nothing any more: the place on the SIM may hold
 * another message by then. Numbers begin with the process id, so that a deletion meant for the
 * worker before this one means nothing here. */
#include "sms/worker/receive.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/worker/line.h"
#include "sms/worker/link.h"

enum {
    OFFERS = 512,
    OFFER_AGAIN_MS = 60000,
    SETUP_MS = 5000,
    READ_MS = 10000,
    LIST_MS = 14000, /* the gateway gives 15 s */
    REPLY_LINE_BYTES = 1024,
    TIDY_AT_ONCE = 64,
    SETUP_CHOICES = 3,
    STATUS_READ =
        1, /* 27.005 3.1 <stat>: 0 unread, 1 read; 2 and 3 are drafts and copies of ours */
};

#define STORED_REPORTS "AT+CNMI=2,1,0,2,0"

struct offer {
    int64_t id; /* 0: free */
    char memory[8];
    int index;
    int64_t at_ms;
    uint64_t hash;
};

static struct offer offers[OFFERS];
static int64_t last_offer;
static char memory_now[8];
static bool has_me = true;
static bool has_reports; /* they are stored, in a memory of their own */

static int64_t now_ms(void)
{
    return clock_mono_us() / 1000;
}

/* FNV-1a; only to see that a place still holds the same message. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static struct offer *find_place(const char *memory, int index)
{
    for (size_t i = 0; i < OFFERS; i++)
        if (offers[i].id != 0 && offers[i].index == index && text_equal(offers[i].memory, memory))
            return &offers[i];
    return NULL;
}

static struct offer *find_offer(int64_t id)
{
    for (size_t i = 0; i < OFFERS; i++)
        if (offers[i].id == id)
            return &offers[i];
    return NULL;
}

static void offer(const char *memory, int index, const char *pdu)
{
    struct frame frame = {.kind = FRAME_PDU, .index = index};
    struct offer *place = find_place(memory, index);
    uint64_t hash = hash_of(pdu);
    if (place != NULL && place->hash == hash && now_ms() - place->at_ms < OFFER_AGAIN_MS)
        return;
    if (place == NULL)
        place = find_offer(0);
    if (place == NULL)
        return; /* as many as that wait for the gateway: later */
    if (!text_copy(frame.hex, sizeof frame.hex, pdu)) {
        log_warn("at.pdu", "a PDU of %zu digits is too long, left on the SIM", strlen(pdu));
        return;
    }
    if (last_offer == 0)
        last_offer = (int64_t)getpid() << 24;
    *place = (struct offer){.id = ++last_offer, .index = index, .at_ms = now_ms(), .hash = hash};
    text_copy(place->memory, sizeof place->memory, memory);
    text_copy(frame.memory, sizeof frame.memory, memory);
    frame.id = place->id;
    link_send(&frame);
}

static enum at_result use_memory(struct filter *filter, const char *memory)
{
    char command[32];
    if (text_equal(memory_now, memory))
        return AT_OK;
    snprintf(command, sizeof command, "AT+CPMS=\"%s\"", memory);
    enum at_result result = filter_run(filter, command, SETUP_MS, NULL);
    text_copy(memory_now, sizeof memory_now, result == AT_OK ? memory : "");
    return result;
}

/* Copies the next line; NULL at the end. */
static const char *next_line(const char *at, char *ret)
{
    size_t size = strcspn(at, "\n");
    if (at[size] == '\0')
        return NULL;
    text_copy_utf8(ret, REPLY_LINE_BYTES, at, size);
    return at + size + 1;
}

/* "+CMGL: <index>,<stat>,[<alpha>],<length>" and the PDU in the line behind it. */
static void offer_listed(const char *memory, const char *reply)
{
    char line[REPLY_LINE_BYTES];
    int index = -1;
    for (const char *at = reply; (at = next_line(at, line)) != NULL;) {
        if (strncmp(line, "+CMGL:", 6) == 0) {
            int status = line_field(line, 1);
            index = status >= 0 && status <= STATUS_READ ? line_number(line) : -1;
        } else if (index >= 0 && line_is_hex(line)) {
            offer(memory, index, line);
            index = -1;
        }
    }
}

static enum at_result list(struct filter *filter, const char *memory)
{
    const char *reply = "";
    enum at_result result = use_memory(filter, memory);
    if (result != AT_OK)
        return result;
    result = filter_run(filter, "AT+CMGL=4", LIST_MS, &reply);
    if (result == AT_OK)
        offer_listed(memory, reply);
    return result;
}

enum at_result receive_poll(struct filter *filter)
{
    enum at_result result = list(filter, "SM");
    if (result == AT_TIMEOUT || (!has_me && !has_reports))
        return result;
    if (has_me)
        result = list(filter, "ME");
    if (result == AT_ERROR && memory_now[0] == '\0')
        has_me = false; /* no such memory in this modem */
    if (result != AT_TIMEOUT && has_reports)
        result = list(filter, "SR");
    return result == AT_TIMEOUT ? AT_TIMEOUT : use_memory(filter, "SM");
}

/* "+CMGR: <stat>,[<alpha>],<length>" and the PDU. */
enum at_result receive_read(struct filter *filter, const struct filter_event *event)
{
    char command[32];
    char line[REPLY_LINE_BYTES];
    const char *reply = "";
    enum at_result result = use_memory(filter, event->memory);
    if (result != AT_OK)
        return result;
    snprintf(command, sizeof command, "AT+CMGR=%d", event->index);
    result = filter_run(filter, command, READ_MS, &reply);
    if (result != AT_OK)
        return result;
    bool announced = false;
    for (const char *at = reply; (at = next_line(at, line)) != NULL;)
        if (strncmp(line, "+CMGR:", 6) == 0)
            announced = true;
        else if (announced && line_is_hex(line))
            offer(event->memory, event->index, line);
    return result;
}

enum at_result receive_delete(struct filter *filter, int64_t id)
{
    char command[32];
    struct offer *place = id != 0 ? find_offer(id) : NULL;
    if (place == NULL)
        return AT_OK; /* offered anew since, or by the worker before */
    enum at_result result = use_memory(filter, place->memory);
    snprintf(command, sizeof command, "AT+CMGD=%d", place->index);
    place->id = 0;
    return result == AT_OK ? filter_run(filter, command, READ_MS, NULL) : result;
}

/* What a modem does not know it may refuse; what none may refuse is PDU mode. */
int receive_setup(struct filter *filter, struct err *err)
{
    static const struct {
        const char *commands[SETUP_CHOICES]; /* the next when one is refused */
        bool required;
    } steps[] = {
        {{"AT+CMGF=0"}, true},
        {{"AT+CSMS=0"}, false}, /* phase 2: no +CNMA is expected for reports */
        {{"AT+CPMS=\"SM\",\"SM\",\"SM\"", "AT+CPMS=\"ME\",\"ME\",\"ME\""}, false},
        /* reports by themselves; where that is not to be had, stored and announced */
        {{"AT+CNMI=2,1,0,1,0", "AT+CNMI=1,1,0,1,0", STORED_REPORTS}, false},
    };
    memory_now[0] = '\0';
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const char *first = steps[i].commands[0];
        enum at_result result = AT_ERROR;
        const char *taken = NULL;
        for (int k = 0; k < SETUP_CHOICES && result == AT_ERROR; k++)
            if ((taken = steps[i].commands[k]) != NULL)
                result = filter_run(filter, taken, SETUP_MS, NULL);
        has_reports = text_equal(taken, STORED_REPORTS); /* the last step is the one that matters */
        if (result == AT_TIMEOUT || (result == AT_ERROR && steps[i].required))
            return err_set(err, ERR_TIMEOUT, "%s: %s", first,
                           result == AT_TIMEOUT ? "no answer" : "refused");
        if (result == AT_ERROR)
            log_warn("at.setup", "refused: %s", first);
    }
    return ERR_OK;
}

enum at_result receive_space(struct filter *filter, int *ret_used, int *ret_size)
{
    const char *reply = "";
    *ret_used = *ret_size = 0;
    enum at_result result = use_memory(filter, "SM");
    if (result == AT_OK)
        result = filter_run(filter, "AT+CPMS?", SETUP_MS, &reply);
    if (result != AT_OK || line_field(reply, 1) < 0 || line_field(reply, 2) < 0)
        return result;
    *ret_used = line_field(reply, 1);
    *ret_size = line_field(reply, 2);
    return AT_OK;
}

static size_t list_own(const char *reply, int *ret, size_t max)
{
    char line[REPLY_LINE_BYTES];
    size_t count = 0;
    for (const char *at = reply; count < max && (at = next_line(at, line)) != NULL;)
        if (strncmp(line, "+CMGL:", 6) == 0 && line_field(line, 1) > STATUS_READ)
            ret[count++] = line_number(line);
    return count;
}

enum at_result receive_tidy(struct filter *filter)
{
    int own[TIDY_AT_ONCE];
    char command[32];
    const char *reply = "";
    enum at_result result = filter_run(filter, "AT+CMGL=4", LIST_MS, &reply);
    if (result != AT_OK)
        return result;
    size_t count = list_own(reply, own, TIDY_AT_ONCE);
    for (size_t i = 0; i < count && result != AT_TIMEOUT; i++) {
        snprintf(command, sizeof command, "AT+CMGD=%d", own[i]);
        result = filter_run(filter, command, READ_MS, NULL);
    }
    if (count > 0)
        log_info("at.tidy", "%zu drafts and copies deleted", count);
    return result;
}
