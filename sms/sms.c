/* The facade; see sms.h. It joins the parts: modems give results, reports and PDUs, the outbox
 * gives parts to modems, the inbox gives texts to the owner. One timer wakes outbox and inbox when
 * something is due; it looks at least once a second while anything waits, because the wall clock
 * may jump. */
#include "sms/sms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/balance.h"
#include "sms/inbox_internal.h"
#include "sms/modem.h"
#include "sms/outbox_internal.h"
#include "sms/pin.h"
#include "sms/port.h"
#include "sms/route.h"
#include "sms/segment.h"

enum { PIN_BYTES = 16, CENTS = 100 };
enum { OUTAGE_MS = 3600 * 1000 };
enum { LOOK_EVERY_MS = 1000, CLOSE_LOOK_MS = 2, CLOSE_LOOKS = 500 };

struct sms {
    struct sms_options options;
    struct outbox *outbox;
    struct inbox *inbox;
    struct calls *calls;
    struct modem modems[LIMIT_MODEMS];
    char pins[LIMIT_MODEMS][PIN_BYTES]; /* from the decision to try one until that is committed */
    uv_timer_t timer;
    size_t open_modems;
    bool closing;
    bool outage; /* no modem works */
    int close_looks;
    int64_t simulated;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

static void on_timer(uv_timer_t *timer);

/* --- what the outbox asks of the modems --- */

static const char *port_name(void *ctx, size_t modem)
{
    return ((struct sms *)ctx)->options.modems[modem].name;
}

/* A modem that has lost its network is left alone while another has one. */
static bool port_ready(void *ctx, size_t modem)
{
    const struct sms *sms = ctx;
    if (!modem_is_ready(&sms->modems[modem]))
        return false;
    int registration = sms->modems[modem].registration;
    if (registration < 0 || route_is_registered(registration))
        return true;
    for (size_t i = 0; i < sms->options.modem_count; i++)
        if (modem_is_working(&sms->modems[i]) && route_is_registered(sms->modems[i].registration))
            return false;
    return true;
}

static int port_score(void *ctx, size_t modem, const char *number)
{
    const struct sms *sms = ctx;
    const struct modem *m = &sms->modems[modem];
    const struct route_modem route = {
        .network = m->network,
        .prefixes = sms->options.modems[modem].prefixes,
        .prefix_count = sms->options.modems[modem].prefix_count,
        .registration = m->registration,
        .csq = m->csq,
        .failures = m->failures,
    };
    return route_score(&route, number);
}

static int64_t port_load(void *ctx, size_t modem)
{
    return ((struct sms *)ctx)->modems[modem].sent;
}

static bool port_hopeful(void *ctx, size_t modem)
{
    return modem_is_hopeful(&((struct sms *)ctx)->modems[modem]);
}

static bool port_submit(void *ctx, size_t modem, const struct frame *submit)
{
    return modem_submit(&((struct sms *)ctx)->modems[modem], submit);
}

static void port_rest(void *ctx, size_t modem)
{
    modem_rest(&((struct sms *)ctx)->modems[modem]);
}

static void port_drain(void *ctx, size_t modem)
{
    modem_poll(&((struct sms *)ctx)->modems[modem]);
}

static void port_wake(void *ctx)
{
    sms_wake(ctx);
}

/* --- what the calls ask of them --- */

/* A message of an alarm goes before any call. */
static bool calls_port_free(void *ctx, size_t modem)
{
    struct sms *sms = ctx;
    const struct modem *m = &sms->modems[modem];
    return modem_is_ready(m) && m->call == 0 && port_ready(sms, modem) &&
           !outbox_has_alarm(sms->outbox);
}

static bool calls_port_dial(void *ctx, size_t modem, int64_t id, const char *number, int ring_ms)
{
    return modem_dial(&((struct sms *)ctx)->modems[modem], id, number, ring_ms);
}

static void calls_port_hangup(void *ctx, size_t modem, int64_t id)
{
    modem_hangup(&((struct sms *)ctx)->modems[modem], id);
}

static void on_call_end(void *ctx, const struct calls_end *end)
{
    const struct sms_callbacks *callbacks = &((struct sms *)ctx)->options.callbacks;
    if (callbacks->on_call != NULL)
        callbacks->on_call(callbacks->ctx, end);
}

/* --- what the modems tell --- */

/* The mark "outage" says since when no modem has worked; it outlives a restart in between. */
static void end_outage(struct sms *sms)
{
    struct replica *replica = sms->options.replica;
    int64_t now = clock_wall_ms(sms->options.clock);
    int64_t since =
        replica_get_int(replica, 0, "SELECT at FROM sms_mark WHERE name = 'outage'", "");
    if (since == 0)
        return;
    bool tell = now - since >= OUTAGE_MS && sms->options.callbacks.on_outage != NULL;
    if (tell)
        outbox_tick(sms->outbox); /* expires, and sends what is still of use */
    replica_enter(replica);
    replica_run(replica, "DELETE FROM sms_mark WHERE name = 'outage'", "");
    if (tell)
        sms->options.callbacks.on_outage(sms->options.callbacks.ctx, since, now);
    replica_leave(replica, true);
}

static void watch_outage(struct sms *sms)
{
    struct replica *replica = sms->options.replica;
    bool works = false;
    for (size_t i = 0; i < sms->options.modem_count; i++)
        works = works || modem_is_working(&sms->modems[i]);
    if (sms->closing || sms->options.modem_count == 0 || replica_failing(replica) != NULL ||
        works != sms->outage)
        return;
    sms->outage = !works;
    if (works) {
        end_outage(sms);
        return;
    }
    replica_enter(replica);
    replica_run(replica, "INSERT OR IGNORE INTO sms_mark(name, at) VALUES ('outage', ?1)", "i",
                clock_wall_ms(sms->options.clock));
    replica_leave(replica, true);
}

static void on_modem_state(void *ctx, struct modem *modem)
{
    struct sms *sms = ctx;
    watch_outage(sms);
    struct sms_modem_status status;
    if (sms->options.callbacks.on_state != NULL &&
        sms_modem_status(sms, modem->options.index, &status))
        sms->options.callbacks.on_state(sms->options.callbacks.ctx, &status);
    if (modem_is_ready(modem)) {
        outbox_pump(sms->outbox);
        calls_pump(sms->calls);
    }
}

static void on_modem_result(void *ctx, struct modem *modem, int64_t job, enum send_outcome outcome,
                            int value)
{
    outbox_take_result(((struct sms *)ctx)->outbox, modem->options.index, job, outcome, value);
}

static void take_report(struct sms *sms, const char *modem, const struct tpdu *tpdu)
{
    struct outbox_report report = {modem,        tpdu->address, tpdu->mr,
                                   tpdu->status, tpdu->sent_ms, tpdu->done_ms};
    outbox_take_report(sms->outbox, &report);
}

static void on_stored_report(void *ctx, const char *modem, const struct tpdu *report)
{
    take_report(ctx, modem, report);
}

static void on_modem_report(void *ctx, struct modem *modem, const struct frame *frame)
{
    struct sms *sms = ctx;
    struct tpdu tpdu;
    struct err err = {0};
    if (tpdu_decode_hex(frame->hex, TPDU_FROM_NETWORK, &tpdu, &err) != ERR_OK ||
        tpdu.kind != TPDU_REPORT) {
        log_warn("sms.bad_report", "modem=%s %s", modem->options.name, err.text);
        return;
    }
    replica_enter(sms->options.replica);
    take_report(sms, modem->options.name, &tpdu);
    replica_leave(sms->options.replica, true);
}

/* arg is offer and modem in one number. Not committed: it stays on the SIM and is offered again. */
static void on_pdu_committed(void *ctx, int64_t arg, bool committed)
{
    struct sms *sms = ctx;
    if (committed)
        modem_delete(&sms->modems[arg % LIMIT_MODEMS], arg / LIMIT_MODEMS);
}

static void on_modem_pdu(void *ctx, struct modem *modem, const struct frame *frame)
{
    struct sms *sms = ctx;
    struct replica *replica = sms->options.replica;
    if (replica_failing(replica) != NULL)
        return; /* the SIM keeps it */
    replica_enter(replica);
    inbox_take(sms->inbox, modem->options.name, frame->hex);
    replica_after_commit(replica, on_pdu_committed, sms,
                         frame->id * LIMIT_MODEMS + (int64_t)modem->options.index);
    replica_leave(replica, true);
    sms_wake(sms);
}

static const char *pin_problem(enum pin_verdict verdict)
{
    switch (verdict) {
    case PIN_WAS_REFUSED:
        return "the PIN in pin_file was refused; correct it there";
    case PIN_NOT_SURE:
        return "it is not known what became of the PIN; write it to pin_file anew, changed, or "
               "enter it in a telephone";
    default:
        return "the SIM allows one more try of its PIN: enter it in a telephone";
    }
}

/* The try is written down: the modem may have the PIN. */
static void on_pin_noted(void *ctx, int64_t arg, bool committed)
{
    struct sms *sms = ctx;
    if (committed)
        modem_give_pin(&sms->modems[arg], sms->pins[arg]);
    else
        modem_deny_pin(&sms->modems[arg], "the try of the PIN cannot be written down");
    memset(sms->pins[arg], 0, PIN_BYTES);
}

static bool read_pin(struct sms *sms, size_t index, struct err *err)
{
    const char *path = sms->options.modems[index].pin_file;
    if (path == NULL || path[0] == '\0' || sms->options.read_secret == NULL) {
        err_set(err, ERR_STATE, "the SIM wants a PIN: name a pin_file");
        return false;
    }
    return sms->options.read_secret(path, sms->pins[index], PIN_BYTES, err) == ERR_OK;
}

static void try_pin(struct sms *sms, struct modem *modem, int tries_left)
{
    size_t index = modem->options.index;
    struct replica *replica = sms->options.replica;
    struct err err = {0};
    if (!read_pin(sms, index, &err)) {
        modem_deny_pin(modem, err.text);
        return;
    }
    replica_enter(replica);
    enum pin_verdict verdict =
        pin_begin(replica, modem->options.name, sms->pins[index], tries_left);
    if (verdict == PIN_MAY)
        replica_after_commit(replica, on_pin_noted, sms, (int64_t)index);
    replica_leave(replica, true);
    if (verdict == PIN_MAY)
        return;
    memset(sms->pins[index], 0, PIN_BYTES);
    modem_deny_pin(modem, pin_problem(verdict));
}

static void on_modem_pin(void *ctx, struct modem *modem, const struct frame *frame)
{
    struct sms *sms = ctx;
    if (frame->outcome == PIN_ASKED) {
        try_pin(sms, modem, frame->value);
        return;
    }
    replica_enter(sms->options.replica);
    pin_end(sms->options.replica, modem->options.name, frame->outcome == PIN_TAKEN);
    replica_leave(sms->options.replica, true);
}

static void on_modem_time(void *ctx, struct modem *modem, int64_t utc_ms)
{
    const struct sms_callbacks *callbacks = &((struct sms *)ctx)->options.callbacks;
    if (callbacks->on_time != NULL)
        callbacks->on_time(callbacks->ctx, modem->options.name, utc_ms);
}

static void on_modem_call(void *ctx, struct modem *modem, int64_t id, enum call_outcome outcome)
{
    calls_take_result(((struct sms *)ctx)->calls, modem->options.index, id, outcome);
}

static void on_modem_ring(void *ctx, struct modem *modem, const char *number)
{
    struct sms *sms = ctx;
    struct replica *replica = sms->options.replica;
    const struct sms_callbacks *callbacks = &sms->options.callbacks;
    char normal[LIMIT_PHONE_DIGITS + 4], phone[LIMIT_SEALED_PHONE_BYTES + 1], mask[8];
    char id[LIMIT_ID_BYTES + 1];
    text_mask_phone(number, mask);
    log_info("sms.ring", "modem=%s from=%s", modem->options.name, mask);
    if (!text_normalise_phone(number, sms->options.country, normal, sizeof normal) ||
        replica_failing(replica) != NULL)
        return;
    replica_enter(replica);
    if (replica_get_text(replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", normal)) {
        calls_heard(sms->calls, modem->options.name, phone, id);
        if (callbacks->on_ring != NULL)
            callbacks->on_ring(callbacks->ctx, id, phone, normal);
    }
    replica_leave(replica, true);
    sms_wake(sms);
}

static bool on_is_taken(void *ctx, struct modem *modem, const char *path)
{
    const struct sms *sms = ctx;
    for (size_t i = 0; i < sms->options.modem_count; i++) {
        const struct modem *other = &sms->modems[i];
        if (other != modem && modem_has_port(other) && port_is_same(other->path, path))
            return true;
    }
    return false;
}

static void on_inbox_text(void *ctx, const struct inbox_text *text)
{
    struct sms *sms = ctx;
    if (sms->options.callbacks.on_text != NULL)
        sms->options.callbacks.on_text(sms->options.callbacks.ctx, text);
}

/* --- life --- */

static int open_parts(struct sms *sms, struct err *err)
{
    struct outbox_options outbox = {
        .replica = sms->options.replica,
        .country = sms->options.country,
        .port = {sms, sms->options.modem_count, port_name, port_ready, port_hopeful, port_score,
                 port_load, port_submit, port_rest, port_drain, port_wake},
        .limits = sms->options.limits,
    };
    struct inbox_options inbox = {
        .replica = sms->options.replica,
        .country = sms->options.country,
        .ctx = sms,
        .on_text = on_inbox_text,
        .on_report = on_stored_report,
    };
    struct calls_options calls = {
        .replica = sms->options.replica,
        .ctx = sms,
        .modem_count = sms->options.modem_count,
        .name = port_name,
        .free = calls_port_free,
        .hopeful = port_hopeful,
        .dial = calls_port_dial,
        .hangup = calls_port_hangup,
        .wake = port_wake,
        .on_end = on_call_end,
    };
    for (size_t i = 0; i < sms->options.modem_count; i++)
        outbox.sims[i] = sms->options.modems[i].pace;
    if (outbox_open(&outbox, &sms->outbox, err) != ERR_OK)
        return err->code;
    if (inbox_open(&inbox, &sms->inbox, err) != ERR_OK)
        return err->code;
    return calls_open(&calls, &sms->calls, err);
}

static void init_modem(struct sms *sms, size_t index)
{
    const struct sms_modem_options *given = &sms->options.modems[index];
    struct modem_options options = {
        .loop = sms->options.loop,
        .clock = sms->options.clock,
        .rnd = sms->options.rnd,
        .name = given->name,
        .device = given->device,
        .worker_path = given->worker_path,
        .driver = given->driver,
        .imei = given->imei,
        .scan_dir = given->scan_dir,
        .power_command = given->power_command,
        .balance_code = given->balance_code,
        .smsc = given->smsc,
        .fast_sleeps = given->fast_sleeps,
        .index = index,
        .prompt_ms = given->prompt_ms,
        .send_ms = given->send_ms,
        .backoff_ms = given->backoff_ms,
        .beat_ms = given->beat_ms,
        .ladder_ms = given->ladder_ms,
        .events = {sms, on_modem_state, on_modem_result, on_modem_pdu, on_modem_report,
                   on_modem_pin, on_modem_call, on_modem_ring, on_is_taken, on_modem_time},
    };
    modem_init(&sms->modems[index], &options);
}

static void free_sms(struct sms *sms)
{
    outbox_close(sms->outbox);
    calls_close(sms->calls);
    inbox_close(sms->inbox);
    free(sms);
}

int sms_init(const struct sms_options *options, struct sms **ret, struct err *err)
{
    if (options->modem_count > LIMIT_MODEMS)
        return err_set(err, ERR_LIMIT, "sms: %zu modems, at most %d", options->modem_count,
                       LIMIT_MODEMS);
    struct sms *sms = calloc(1, sizeof *sms);
    if (sms == NULL)
        return err_set(err, ERR_NOMEM, "sms: out of memory");
    sms->options = *options;
    if (sms->options.country == NULL)
        sms->options.country = "86";
    if (open_parts(sms, err) != ERR_OK) {
        free_sms(sms);
        return err_wrap(err, "sms");
    }
    uv_timer_init(options->loop, &sms->timer);
    sms->timer.data = sms;
    for (size_t i = 0; i < options->modem_count; i++)
        init_modem(sms, i);
    *ret = sms;
    return ERR_OK;
}

int sms_start(struct sms *sms, struct err *err)
{
    struct replica *replica = sms->options.replica;
    replica_enter(replica);
    outbox_recover(sms->outbox);
    calls_recover(sms->calls);
    if (!replica_leave(replica, true))
        return err_set(err, ERR_IO, "sms: what was in flight cannot be taken over: %s",
                       replica_problem(replica));
    for (size_t i = 0; i < sms->options.modem_count; i++)
        modem_start(&sms->modems[i]);
    sms_wake(sms);
    return ERR_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct sms *sms = handle->data;
    void (*on_closed)(void *) = sms->on_closed;
    void *ctx = sms->closed_ctx;
    free_sms(sms);
    on_closed(ctx);
}

/* The last results are committed by the owner of the loop; their acknowledgements still need us. */
static void close_when_saved(struct sms *sms)
{
    bool pending = outbox_is_pending(sms->outbox) && sms->close_looks++ < CLOSE_LOOKS;
    if (pending)
        uv_timer_start(&sms->timer, on_timer, CLOSE_LOOK_MS, 0);
    else
        uv_close((uv_handle_t *)&sms->timer, on_timer_closed);
}

static void on_modem_closed(void *ctx)
{
    struct sms *sms = ctx;
    if (--sms->open_modems == 0)
        close_when_saved(sms);
}

void sms_close(struct sms *sms, void (*on_closed)(void *ctx), void *ctx)
{
    sms->closing = true;
    sms->on_closed = on_closed;
    sms->closed_ctx = ctx;
    sms->open_modems = sms->options.modem_count;
    uv_timer_stop(&sms->timer);
    for (size_t i = 0; i < sms->options.modem_count; i++)
        modem_close(&sms->modems[i], on_modem_closed, sms);
    if (sms->options.modem_count == 0)
        close_when_saved(sms);
}

void sms_erase_phone(struct sms *sms, const char *phone)
{
    outbox_erase_phone(sms->outbox, phone);
    inbox_erase_phone(sms->inbox, phone);
}

void sms_forget_phone(struct sms *sms, const char *phone)
{
    outbox_forget_phone(sms->outbox, phone);
    calls_forget_phone(sms->calls, phone);
    inbox_forget_phone(sms->inbox, phone);
}

void sms_set_limits(struct sms *sms, const struct pace_limits *limits)
{
    sms->outbox->limits = *limits;
    sms_wake(sms);
}

struct calls *sms_calls(struct sms *sms)
{
    return sms->calls;
}

struct outbox *sms_outbox(struct sms *sms)
{
    return sms->outbox;
}

/* --- status --- */

size_t sms_modem_count(const struct sms *sms)
{
    return sms->options.modem_count;
}

void sms_ask_balance(struct sms *sms, size_t index)
{
    if (index < sms->options.modem_count)
        modem_ask_balance(&sms->modems[index]);
}

bool sms_modem_status(const struct sms *sms, size_t index, struct sms_modem_status *ret)
{
    if (index >= sms->options.modem_count)
        return false;
    const struct modem *modem = &sms->modems[index];
    bool has_path = modem->path[0] != '\0';
    int64_t cents = 0;
    bool known = balance_read(modem->balance, &cents);
    *ret = (struct sms_modem_status){
        .name = modem->options.name,
        .device = has_path ? modem->path : modem->options.device,
        .state = sm_name(&modem->sm),
        .imei = modem->imei,
        .model = modem->model,
        .driver = modem->driver,
        .make = modem->make,
        .network = modem->network,
        .problem = modem->problem,
        .since_ms = modem->since_ms,
        .csq = modem->csq,
        .registration = modem->registration,
        .restarts = modem->restarts,
        .sent = modem->sent,
        .unknown_sends = modem->unknown_sends,
        .sim_used = modem->sim_used,
        .sim_size = modem->sim_size,
        .clock_off_ms = modem->clock_off_ms,
        .clock_at_ms = modem->clock_at_ms,
        .balance = modem->balance,
        .balance_at_ms = modem->balance_at_ms,
        .balance_cents = cents,
        .balance_known = known,
        .balance_is_low = known && cents < sms->options.modems[index].balance_low * CENTS,
        .ladder = &modem->ladder,
    };
    return true;
}

/* --- time --- */

bool sms_idle(struct sms *sms)
{
    return outbox_idle(sms->outbox) && calls_idle(sms->calls);
}

int64_t sms_next_due_ms(struct sms *sms)
{
    int64_t out = outbox_next_due_ms(sms->outbox);
    int64_t in = inbox_next_due_ms(sms->inbox);
    return out < in ? out : in;
}

static void arm(struct sms *sms)
{
    int64_t next = sms_next_due_ms(sms);
    bool failing = replica_failing(sms->options.replica) != NULL;
    if (next == INT64_MAX && !failing && calls_idle(sms->calls))
        return; /* the next put or PDU wakes us */
    int64_t left = next - clock_wall_ms(sms->options.clock);
    if (failing || left > LOOK_EVERY_MS)
        left = LOOK_EVERY_MS;
    uv_timer_start(&sms->timer, on_timer, left > 1 ? (uint64_t)left : 1, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct sms *sms = timer->data;
    if (sms->closing) {
        close_when_saved(sms);
        return;
    }
    outbox_tick(sms->outbox);
    calls_pump(sms->calls);
    inbox_tick(sms->inbox);
    arm(sms);
}

void sms_wake(struct sms *sms)
{
    if (!sms->closing)
        uv_timer_start(&sms->timer, on_timer, 0, 0);
}

/* --- simulating --- */

/* The service centre address carries a number of its own, so that the same text twice within a
 * second is two messages. */
static int simulate_part(struct sms *sms, const struct segments *segments, const char *body,
                         int index, struct tpdu *tpdu, struct err *err)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    char hex[TPDU_HEX_BYTES];
    size_t size;
    size_t length;
    snprintf(tpdu->smsc, sizeof tpdu->smsc, "+99%013lld%04d",
             (long long)clock_wall_ms(sms->options.clock), (int)(sms->simulated % 10000));
    segment_fill(segments, body, index, (int)(sms->simulated & 0xff), tpdu);
    if (tpdu_encode(tpdu, bytes, &size, &length, err) != ERR_OK)
        return err->code;
    text_to_hex(bytes, size, hex);
    inbox_take(sms->inbox, "simulated", hex);
    return ERR_OK;
}

int sms_simulate(struct sms *sms, const char *number, const char *body, struct err *err)
{
    struct segments segments;
    struct tpdu tpdu = {.kind = TPDU_DELIVER, .sent_ms = clock_wall_ms(sms->options.clock)};
    if (segment_text(body, &segments, err) != ERR_OK)
        return err_wrap(err, "simulate");
    if (!text_normalise_phone(number, sms->options.country, tpdu.address, sizeof tpdu.address))
        return err_set(err, ERR_INVALID, "simulate: that is no phone number");
    int code = ERR_OK;
    sms->simulated++;
    replica_enter(sms->options.replica);
    for (int i = 0; code == ERR_OK && i < segments.count; i++)
        code = simulate_part(sms, &segments, body, i, &tpdu, err);
    if (!replica_leave(sms->options.replica, code == ERR_OK) && code == ERR_OK)
        code = err_set(err, ERR_IO, "%s", replica_problem(sms->options.replica));
    sms_wake(sms);
    return code == ERR_OK ? ERR_OK : err_wrap(err, "simulate");
}
