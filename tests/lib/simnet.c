/* The network's truth. A PDU counts as accepted the moment simnet_submit has written it to the
 * book, whatever becomes of the answer; a message is complete when its last part is accepted.
 * Inbound PDUs wait in the network until the SIM has room, as they do in life. */
#include "tests/lib/simnet.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sms/segment.h"

enum { SM_CAPACITY = 20, ME_CAPACITY = 20, SR_CAPACITY = 10 };

static const char centre[] = "+8613800100500";

void simnet_init(struct simnet *net, const struct clock *clock, struct simbook *book)
{
    memset(net, 0, sizeof *net);
    net->clock = clock;
    net->book = book;
    net->capacity[SIMNET_SM] = SM_CAPACITY;
    net->capacity[SIMNET_ME] = ME_CAPACITY;
    net->capacity[SIMNET_SR] = SR_CAPACITY;
    net->waiting = calloc(SIMNET_QUEUE, sizeof *net->waiting);
    net->reports = calloc(SIMNET_QUEUE, sizeof *net->reports);
    if (!net->waiting || !net->reports)
        abort();
    net->registered = true;
    net->signal = 21;
}

static void clear_set(struct simnet_set *set)
{
    for (int i = 0; i < LIMIT_SMS_PARTS; i++)
        free(set->text[i]);
    memset(set, 0, sizeof *set);
}

void simnet_fini(struct simnet *net)
{
    for (int i = 0; i < SIMNET_OPEN_SETS; i++)
        clear_set(&net->sets[i]);
    free(net->waiting);
    free(net->reports);
    net->waiting = NULL;
    net->reports = NULL;
}

static void set_hex(struct json *object, const uint8_t *bytes, size_t size)
{
    char hex[TPDU_HEX_BYTES];

    text_to_hex(bytes, size, hex);
    json_set_text(object, "pdu", hex);
}

static void set_parts(struct json *object, const struct tpdu *tpdu)
{
    json_set_text(object, "text", tpdu->unreadable[0] ? NULL : tpdu->text);
    json_set_int(object, "parts", tpdu->concat.present ? tpdu->concat.total : 1);
    json_set_int(object, "part", tpdu->concat.present ? tpdu->concat.part : 1);
    json_set_int(object, "ref", tpdu->concat.present ? tpdu->concat.ref : -1);
}

static void book_message(struct simnet *net, const char *to, const char *text, int parts)
{
    struct json *object = simbook_new(net->book, "message", -1);

    json_set_text(object, "to", to);
    json_set_text(object, "text", text);
    json_set_int(object, "parts", parts);
    simbook_write(net->book, object);
    net->stats.messages++;
}

static bool same_set(const struct simnet_set *set, const struct tpdu *tpdu)
{
    return set->concat.present && set->concat.ref == tpdu->concat.ref &&
           set->concat.total == tpdu->concat.total && text_equal(set->to, tpdu->address);
}

/* The open set of this part, or a free one, or the oldest one emptied. */
static struct simnet_set *find_set(struct simnet *net, const struct tpdu *tpdu)
{
    struct simnet_set *oldest = &net->sets[0];

    for (int i = 0; i < SIMNET_OPEN_SETS; i++) {
        if (same_set(&net->sets[i], tpdu))
            return &net->sets[i];
        if (net->sets[i].age < oldest->age)
            oldest = &net->sets[i];
    }
    clear_set(oldest);
    oldest->concat = tpdu->concat;
    oldest->concat.part = 0;
    oldest->age = ++net->set_age;
    text_copy(oldest->to, sizeof oldest->to, tpdu->address);
    return oldest;
}

static void book_set(struct simnet *net, struct simnet_set *set)
{
    struct buf text;

    buf_init(&text, (size_t)LIMIT_SMS_PARTS * TPDU_TEXT_BYTES);
    for (int i = 0; i < set->concat.total; i++)
        buf_add_text(&text, set->text[i]);
    book_message(net, set->to, buf_text(&text), set->concat.total);
    buf_free(&text);
    clear_set(set);
}

/* A part sent twice counts once here; the accepted lines show both. */
static void join_parts(struct simnet *net, const struct tpdu *tpdu)
{
    if (!tpdu->concat.present) {
        book_message(net, tpdu->address, tpdu->text, 1);
        return;
    }
    struct simnet_set *set = find_set(net, tpdu);
    char **text = &set->text[tpdu->concat.part - 1];
    if (*text)
        return;
    *text = strdup(tpdu->text);
    if (!*text)
        abort();
    if (++set->concat.part == set->concat.total)
        book_set(net, set);
}

static bool before(const struct simnet_report *a, const struct simnet_report *b)
{
    return a->due_us < b->due_us;
}

static void swap_reports(struct simnet_report *a, struct simnet_report *b)
{
    struct simnet_report kept = *a;

    *a = *b;
    *b = kept;
}

static void push_report(struct simnet *net, const struct simnet_report *report)
{
    struct simnet_report *heap = net->reports;
    size_t at = net->report_count;

    if (at == SIMNET_QUEUE)
        return;
    heap[at] = *report;
    net->report_count++;
    for (; at > 0 && before(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap_reports(&heap[at], &heap[(at - 1) / 2]);
}

static void pop_report(struct simnet *net)
{
    struct simnet_report *heap = net->reports;
    size_t count = --net->report_count;

    heap[0] = heap[count];
    for (size_t at = 0;;) {
        size_t least = at;

        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (before(&heap[child], &heap[least]))
                least = child;
        if (least == at)
            return;
        swap_reports(&heap[at], &heap[least]);
        at = least;
    }
}

static void plan_report(struct simnet *net, const struct tpdu *submit,
                        const struct simnet_report_plan *plan)
{
    struct simnet_report report = {.mr = submit->mr, .status = plan->status};
    int64_t delay_ms = plan->delay_ms >= 0 ? plan->delay_ms : net->report_ms;
    int64_t wall_ms = simbook_wall_ms(net->book);
    struct tpdu tpdu = {.kind = TPDU_REPORT,
                        .mr = submit->mr,
                        .status = plan->status,
                        .sent_ms = wall_ms,
                        .done_ms = wall_ms + delay_ms};
    size_t length = 0;

    text_copy(tpdu.smsc, sizeof tpdu.smsc, centre);
    text_copy(tpdu.address, sizeof tpdu.address, submit->address);
    text_copy(report.to, sizeof report.to, submit->address);
    if (tpdu_encode(&tpdu, report.pdu.bytes, &report.pdu.size, &length, NULL))
        return;
    report.due_us = simbook_us(net->book) + delay_ms * 1000;
    for (int i = 0; i < plan->copies; i++)
        push_report(net, &report);
}

bool simnet_take_report_of(struct simnet *net, const char *to, int mr, struct simnet_report *ret)
{
    struct simnet_report *found = NULL;

    for (size_t i = 0; i < net->report_count; i++) {
        struct simnet_report *report = &net->reports[i];
        if (report->mr == mr && text_equal(report->to, to) && (!found || before(report, found)))
            found = report;
    }
    if (!found)
        return false;
    *ret = *found;
    size_t count = net->report_count - 1;
    *found = net->reports[count];
    for (net->report_count = 0; net->report_count < count;) /* a heap again */
        push_report(net, &net->reports[net->report_count]);
    return true;
}

static void set_plan(const struct simnet *net, struct json *object,
                     const struct simnet_report_plan *plan)
{
    if (plan->none)
        return;
    json_set_int(object, "report_ms", plan->delay_ms >= 0 ? plan->delay_ms : net->report_ms);
    json_set_int(object, "report_copies", plan->copies);
    json_set_int(object, "report_status", plan->status);
}

int simnet_submit(struct simnet *net, const uint8_t *bytes, size_t size, int64_t first_byte_us,
                  const struct simnet_report_plan *plan, int *ret_mr, struct err *err)
{
    struct tpdu tpdu;

    if (tpdu_decode(bytes, size, TPDU_FROM_MOBILE, &tpdu, err))
        return err_wrap(err, "submit");
    tpdu.mr = net->next_mr;
    net->next_mr = (net->next_mr + 1) % 256;
    struct json *object = simbook_new(net->book, "accepted", -1);
    json_set_text(object, "to", tpdu.address);
    set_parts(object, &tpdu);
    json_set_int(object, "mr", tpdu.mr);
    json_set_bool(object, "report_wanted", tpdu.report_wanted);
    json_set_int(object, "first_byte_us", first_byte_us);
    set_plan(net, object, plan);
    set_hex(object, bytes, size);
    simbook_write(net->book, object);
    net->stats.accepted++;
    join_parts(net, &tpdu);
    if (tpdu.report_wanted && !plan->none)
        plan_report(net, &tpdu, plan);
    *ret_mr = tpdu.mr;
    return ERR_OK;
}

int simnet_inbound_pdu(struct simnet *net, const uint8_t *bytes, size_t size, struct err *err)
{
    if (size < 2 || size > LIMIT_TPDU_BYTES)
        return err_set(err, ERR_INVALID, "PDU of %zu octets", size);
    if (net->waiting_count == SIMNET_QUEUE)
        return err_set(err, ERR_LIMIT, "%d messages wait already", SIMNET_QUEUE);
    size_t at = (net->waiting_first + net->waiting_count++) % SIMNET_QUEUE;
    struct simnet_pdu *pdu = &net->waiting[at];
    *pdu = (struct simnet_pdu){.size = size, .is_inbound = true};
    memcpy(pdu->bytes, bytes, size);
    net->stats.inbound_pdus++;
    return ERR_OK;
}

static int inbound_part(struct simnet *net, struct tpdu *tpdu, struct err *err)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t size = 0;
    size_t length = 0;
    int code = tpdu_encode(tpdu, bytes, &size, &length, err);

    return code ? code : simnet_inbound_pdu(net, bytes, size, err);
}

static void book_inbound(struct simnet *net, const struct simnet_text *what, int parts)
{
    struct json *object = simbook_new(net->book, "inbound", -1);

    json_set_text(object, "from", what->from);
    json_set_text(object, "text", what->text);
    json_set_text(object, "id", what->id);
    json_set_int(object, "drop", what->drop);
    json_set_bool(object, "reverse", what->reverse);
    json_set_int(object, "parts", parts);
    simbook_write(net->book, object);
    net->stats.inbound++;
}

/* Everything but digits and a leading plus makes a name of the sender. */
static bool is_name(const char *from)
{
    return strspn(from + (from[0] == '+'), "0123456789*#") != strlen(from + (from[0] == '+'));
}

int simnet_inbound_text(struct simnet *net, const struct simnet_text *what, int *ret_parts,
                        struct err *err)
{
    struct tpdu tpdu = {.kind = TPDU_DELIVER, .alphanumeric = is_name(what->from)};
    struct segments segments;

    if (segment_text(what->text, &segments, err))
        return err_wrap(err, "inbound");
    if (!text_copy(tpdu.address, sizeof tpdu.address, what->from))
        return err_set(err, ERR_INVALID, "sender is too long");
    text_copy(tpdu.smsc, sizeof tpdu.smsc, centre);
    tpdu.sent_ms = simbook_wall_ms(net->book);
    int ref = net->next_ref++ & 0xff;
    for (int i = 0; i < segments.count; i++) {
        int index = what->reverse ? segments.count - 1 - i : i;

        segment_fill(&segments, what->text, index, ref, &tpdu);
        if (index + 1 != what->drop && inbound_part(net, &tpdu, err))
            return err_wrap(err, "inbound part %d", index + 1);
    }
    book_inbound(net, what, segments.count);
    *ret_parts = segments.count - (what->drop > 0 && what->drop <= segments.count);
    return ERR_OK;
}

static int free_slot(const struct simnet *net, enum simnet_memory memory)
{
    for (int i = 0; i < net->capacity[memory]; i++)
        if (net->memory[memory][i].size == 0)
            return i;
    return -1;
}

static void book_slot(struct simnet *net, const char *event, enum simnet_memory memory, int slot)
{
    const struct simnet_pdu *pdu = &net->memory[memory][slot];
    struct json *object = simbook_new(net->book, event, -1);
    struct tpdu tpdu;

    json_set_int(object, "memory", memory);
    json_set_int(object, "slot", slot);
    if (!tpdu_decode(pdu->bytes, pdu->size, TPDU_FROM_NETWORK, &tpdu, NULL)) {
        json_set_text(object, "from", tpdu.address);
        set_parts(object, &tpdu);
    }
    set_hex(object, pdu->bytes, pdu->size);
    simbook_write(net->book, object);
}

int simnet_deliver_one(struct simnet *net, enum simnet_memory memory)
{
    int slot = net->waiting_count > 0 && net->registered ? free_slot(net, memory) : -1;

    if (slot < 0)
        return -1;
    net->memory[memory][slot] = net->waiting[net->waiting_first];
    net->waiting_first = (net->waiting_first + 1) % SIMNET_QUEUE;
    net->waiting_count--;
    net->stats.inbound_stored++;
    book_slot(net, "inbound_stored", memory, slot);
    return slot;
}

void simnet_delete(struct simnet *net, enum simnet_memory memory, int slot)
{
    struct simnet_pdu *pdu = &net->memory[memory][slot];

    if (pdu->size == 0)
        return;
    net->stats.inbound_deleted += pdu->is_inbound;
    book_slot(net, pdu->is_inbound ? "inbound_deleted" : "deleted", memory, slot);
    *pdu = (struct simnet_pdu){0};
}

int simnet_used(const struct simnet *net, enum simnet_memory memory)
{
    int used = 0;

    for (int i = 0; i < net->capacity[memory]; i++)
        used += net->memory[memory][i].size > 0;
    return used;
}

int64_t simnet_next_due(const struct simnet *net)
{
    return net->report_count > 0 ? net->reports[0].due_us : -1;
}

bool simnet_take_report(struct simnet *net, int64_t now_us, struct simnet_report *ret)
{
    if (net->report_count == 0 || net->reports[0].due_us > now_us)
        return false;
    *ret = net->reports[0];
    pop_report(net);
    return true;
}

int simnet_store_report(struct simnet *net, const struct simnet_report *report)
{
    int slot = free_slot(net, SIMNET_SR);

    if (slot >= 0)
        net->memory[SIMNET_SR][slot] = report->pdu;
    return slot;
}
