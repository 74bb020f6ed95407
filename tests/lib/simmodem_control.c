/* The orders of the control socket; simmodem.h lists them. */
#include "tests/lib/simmodem.h"

#include <string.h>

#include "gateway/base/text.h"
#include "tests/lib/simmodem_port.h"

static int order_inbound(struct simmodem *modem, const struct json *order, struct json *reply,
                         struct err *err)
{
    int parts = 0;
    struct simnet_text what = {.from = json_text(order, "from", ""),
                               .text = json_text(order, "text", ""),
                               .id = json_text(order, "id", NULL),
                               .drop = (int)json_int(order, "drop", 0),
                               .reverse = json_bool(order, "reverse", false)};
    int code = simnet_inbound_text(&modem->net, &what, &parts, err);

    if (!code)
        json_set_int(reply, "parts", parts);
    return code;
}

static int order_inbound_pdu(struct simmodem *modem, const struct json *order, struct json *reply,
                             struct err *err)
{
    const char *hex = json_text(order, "hex", "");
    uint8_t bytes[LIMIT_TPDU_BYTES];
    int size = text_from_hex(hex, strlen(hex), bytes, sizeof bytes);

    (void)reply;
    if (size < 0)
        return err_set(err, ERR_INVALID, "hex is not 2 to %d octets", LIMIT_TPDU_BYTES);
    int code = simnet_inbound_pdu(&modem->net, bytes, (size_t)size, err);
    if (!code) {
        struct json *line = simbook_new(&modem->book, "inbound_pdu", -1);
        json_set_text(line, "pdu", hex);
        simbook_write(&modem->book, line);
    }
    return code;
}

static int order_urc(struct simmodem *modem, const struct json *order, struct json *reply,
                     struct err *err)
{
    (void)reply;
    (void)err;
    buf_printf(&modem->at.out, "\r\n%s\r\n", json_text(order, "text", "RDY"));
    return ERR_OK;
}

static int order_fault(struct simmodem *modem, const struct json *order, struct json *reply,
                       struct err *err)
{
    struct simfault fault;
    int code = simfault_arm(&modem->at.faults, order, &fault, err);

    (void)reply;
    if (!code)
        simat_enter_fault(&modem->at, &fault, clock_mono_us());
    return code;
}

static int order_clear(struct simmodem *modem, const struct json *order, struct json *reply,
                       struct err *err)
{
    (void)order;
    (void)reply;
    (void)err;
    simat_clear(&modem->at);
    return ERR_OK;
}

static int order_unplug(struct simmodem *modem, const struct json *order, struct json *reply,
                        struct err *err)
{
    (void)order;
    (void)reply;
    (void)err;
    simmodem_unplug(modem);
    simbook_write(&modem->book, simbook_new(&modem->book, "unplug", -1));
    return ERR_OK;
}

static int order_plug(struct simmodem *modem, const struct json *order, struct json *reply,
                      struct err *err)
{
    (void)reply;
    if (modem->master >= 0)
        return err_set(err, ERR_STATE, "plugged already");
    if (text_copy(modem->renamed, sizeof modem->renamed, json_text(order, "link", "")) &&
        modem->renamed[0] != '\0')
        modem->options.link = modem->renamed;
    simbook_write(&modem->book, simbook_new(&modem->book, "plug", -1));
    return simmodem_plug(modem, err);
}

/* Drafts of the owner fill the SIM. */
static void add_drafts(struct simnet *net, int64_t count)
{
    static const uint8_t draft[] = {0x00, 0x01, 0x00, 0x02, 0x81, 0x21, 0x00, 0x00, 0x00};

    for (int i = 0; i < net->capacity[SIMNET_SM] && count > 0; i++) {
        struct simnet_pdu *pdu = &net->memory[SIMNET_SM][i];
        if (pdu->size > 0)
            continue;
        *pdu = (struct simnet_pdu){.size = sizeof draft, .is_draft = true};
        memcpy(pdu->bytes, draft, sizeof draft);
        count--;
    }
}

static void take_text(const struct json *order, const char *name, char *ret, size_t size)
{
    if (json_get(order, name) != NULL)
        text_copy(ret, size, json_text(order, name, ""));
}

static int order_sim(struct simmodem *modem, const struct json *order, struct json *reply,
                     struct err *err)
{
    struct simat *at = &modem->at;

    (void)reply;
    (void)err;
    take_text(order, "pin", at->pin, sizeof at->pin);
    take_text(order, "centre", at->centre, sizeof at->centre);
    take_text(order, "time", at->network_time, sizeof at->network_time);
    at->stubborn = (int)json_int(order, "stubborn", at->stubborn);
    add_drafts(&modem->net, json_int(order, "drafts", 0));
    return ERR_OK;
}

static int order_callee(struct simmodem *modem, const struct json *order, struct json *reply,
                        struct err *err)
{
    (void)reply;
    (void)err;
    take_text(order, "does", modem->at.callee, sizeof modem->at.callee);
    modem->at.callee_ms = (int)json_int(order, "after_ms", modem->at.callee_ms);
    return ERR_OK;
}

static int order_ring(struct simmodem *modem, const struct json *order, struct json *reply,
                      struct err *err)
{
    (void)reply;
    (void)err;
    simat_ring(&modem->at, json_text(order, "from", ""), (int)json_int(order, "ms", 100));
    return ERR_OK;
}

static int order_network(struct simmodem *modem, const struct json *order, struct json *reply,
                         struct err *err)
{
    struct simnet *net = &modem->net;

    (void)reply;
    (void)err;
    net->delay_ms = (int)json_int(order, "delay_ms", net->delay_ms);
    net->report_ms = (int)json_int(order, "report_ms", net->report_ms);
    net->registered = json_bool(order, "registered", net->registered);
    net->signal = (int)json_int(order, "signal", net->signal);
    return ERR_OK;
}

/* Nothing moves by itself any more: what waits for a modem that is not there cannot. */
static bool is_idle(const struct simmodem *modem)
{
    bool here = modem->master >= 0 && modem->net.registered;
    bool taken = modem->net.waiting_count == 0 && simnet_used(&modem->net, SIMNET_SM) == 0 &&
                 simnet_used(&modem->net, SIMNET_ME) == 0;

    return !here || (taken && simat_is_idle(&modem->at));
}

static int order_stats(struct simmodem *modem, const struct json *order, struct json *reply,
                       struct err *err)
{
    const struct simnet_stats *stats = &modem->net.stats;

    (void)order;
    (void)err;
    json_set_int(reply, "accepted", stats->accepted);
    json_set_int(reply, "messages", stats->messages);
    json_set_int(reply, "refused", stats->refused);
    json_set_int(reply, "reports", stats->reports);
    json_set_int(reply, "reports_unheard", stats->reports_unheard);
    json_set_int(reply, "reports_pending", (int64_t)modem->net.report_count);
    json_set_int(reply, "inbound", stats->inbound);
    json_set_int(reply, "inbound_pdus", stats->inbound_pdus);
    json_set_int(reply, "inbound_waiting", (int64_t)modem->net.waiting_count);
    json_set_int(reply, "inbound_stored",
                 simnet_used(&modem->net, SIMNET_SM) + simnet_used(&modem->net, SIMNET_ME));
    json_set_int(reply, "inbound_taken", stats->inbound_deleted);
    json_set_int(reply, "pin_wrong", modem->at.pin_wrong);
    json_set_int(reply, "pin_tries", modem->at.pin_tries);
    json_set_int(reply, "sim_used", simnet_used(&modem->net, SIMNET_SM));
    json_set_int(reply, "calls", modem->at.calls);
    json_set_bool(reply, "calling", modem->at.call != SIMAT_NO_CALL);
    json_set_int(reply, "ussd_asked", modem->at.ussd_asked);
    json_set_bool(reply, "plugged", modem->master >= 0);
    json_set_bool(reply, "opened", modem->opened);
    json_set_bool(reply, "registered", modem->net.registered);
    json_set_bool(reply, "idle", is_idle(modem));
    json_set_int(reply, "quiet_ms", (clock_mono_us() - modem->busy_us) / 1000);
    return ERR_OK;
}

static int order_quit(struct simmodem *modem, const struct json *order, struct json *reply,
                      struct err *err)
{
    (void)order;
    (void)reply;
    (void)err;
    modem->quit = true;
    return ERR_OK;
}

static const struct {
    const char *name;
    int (*run)(struct simmodem *modem, const struct json *order, struct json *reply,
               struct err *err);
    bool lasts; /* SIM and network stay so when the program is killed */
} orders[] = {
    {"inbound", order_inbound, false},
    {"fault", order_fault, false},
    {"inbound_pdu", order_inbound_pdu, false},
    {"clear", order_clear, false},
    {"unplug", order_unplug, false},
    {"plug", order_plug, false},
    {"urc", order_urc, false},
    {"network", order_network, true},
    {"stats", order_stats, false},
    {"sim", order_sim, true},
    {"callee", order_callee, true},
    {"ring", order_ring, false},
    {"quit", order_quit, false},
};

static void book_order(struct simmodem *modem, const struct json *order)
{
    struct json *line = simbook_new(&modem->book, "order", -1);
    struct buf text;

    buf_init(&text, SIMMODEM_ORDER_BYTES);
    json_write(order, &text);
    json_set_text(line, "order", buf_text(&text));
    buf_free(&text);
    simbook_write(&modem->book, line);
}

static int carry_out(struct simmodem *modem, const struct json *order, struct json *reply,
                     struct err *err)
{
    const char *name = json_text(order, "cmd", "");
    size_t i = 0;

    while (i < sizeof orders / sizeof orders[0] && !text_equal(orders[i].name, name))
        i++;
    if (i == sizeof orders / sizeof orders[0])
        return err_set(err, ERR_INVALID, "no such order: %s", name);
    int code = orders[i].run(modem, order, reply, err);
    if (!code && orders[i].lasts)
        book_order(modem, order);
    return code;
}

struct json *simmodem_order(struct simmodem *modem, const char *line, size_t size)
{
    struct json *reply = json_new_object();
    struct json *order = NULL;
    struct err err = {0};
    int code = json_parse(line, size, &order, &err);

    if (!code)
        code = carry_out(modem, order, reply, &err);
    json_set_bool(reply, "ok", code == ERR_OK);
    if (code)
        json_set_text(reply, "error", err.text);
    json_free(order);
    return reply;
}
