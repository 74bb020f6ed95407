/* What keeps a modem well: the remedies of its ladder, power, its PIN, and what it says about
 * itself; see modem.h. Each remedy ends in a state of the supervisor: mending (the worker switches
 * the radio off and on, or resets the modem and ends) or draining (another worker). */
#include "sms/modem_internal.h"

#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/route.h"

enum {
    MEND_MS = 60000,
    POWER_FAILURES = 5,
    BALANCE_EVERY_MS = 24 * 3600 * 1000,
};

static void on_power_closed(uv_handle_t *handle)
{
    ((struct modem *)handle->data)->power_runs = false;
    modem_on_handle_closed(handle);
}

static void on_power_exit(uv_process_t *process, int64_t status, int signal)
{
    struct modem *modem = process->data;
    log_info("modem.power", "modem=%s status=%d signal=%d", modem->options.name, (int)status,
             signal);
    uv_close((uv_handle_t *)process, on_power_closed);
}

/* power_command NAME PATH, in the background: the modem goes and comes back. */
static void run_power(struct modem *modem)
{
    char *args[] = {(char *)(uintptr_t)modem->options.power_command,
                    (char *)(uintptr_t)modem->options.name, modem->path, NULL};
    uv_process_options_t options = {.file = args[0], .args = args, .exit_cb = on_power_exit};
    if (modem->power_runs)
        return;
    modem->power_runs = true;
    modem->power.data = modem;
    modem->open_handles++;
    int rc = uv_spawn(modem->options.loop, &modem->power, &options);
    if (rc != 0) {
        log_error("modem.power", "modem=%s %s: %s", modem->options.name, args[0], uv_strerror(rc));
        uv_close((uv_handle_t *)&modem->power, on_power_closed);
    }
}

/* True: it has been switched off and on and needs its time. */
bool modem_power_cycle(struct modem *modem)
{
    bool stuck = modem->failures % POWER_FAILURES == 0;
    bool due = modem->want_power || stuck;
    modem->want_power = false;
    if (!due || !modem->ladder.has_power)
        return false;
    if (stuck)
        ladder_count(&modem->ladder, LADDER_POWER, clock_wall_ms(modem->options.clock));
    run_power(modem);
    return true;
}

void modem_on_state(struct modem *modem)
{
    const struct frame *frame = &modem->frame;
    bool had_network = route_is_registered(modem->registration);
    modem->csq = frame->csq;
    modem->registration = frame->registration;
    modem->sim_used = frame->sim_used;
    modem->sim_size = frame->sim_size;
    if (frame->network_ms != 0) {
        if (modem->options.events.on_time != NULL)
            modem->options.events.on_time(modem->options.events.ctx, modem, frame->network_ms);
        int64_t now = clock_wall_ms(modem->options.clock); /* it may just have been set by that */
        modem->clock_off_ms = frame->network_ms - now;
        modem->clock_at_ms = now;
    }
    if (had_network != route_is_registered(modem->registration))
        modem_announce(modem);
}

void modem_on_mended(struct modem *modem)
{
    if (modem->sm.now != MODEM_MENDING)
        return;
    uv_timer_stop(&modem->timer);
    modem_move(modem, MODEM_READY);
    modem_announce(modem);
}

void modem_on_ussd(struct modem *modem)
{
    if (modem->frame.text[0] == '\0') {
        log_warn("modem.ussd", "modem=%s no answer to the balance code", modem->options.name);
        return;
    }
    text_copy(modem->balance, sizeof modem->balance, modem->frame.text);
    modem->balance_at_ms = clock_wall_ms(modem->options.clock);
}

static void ask_to_mend(struct modem *modem, enum frame_mend what, const char *problem)
{
    struct frame frame = {.kind = FRAME_MEND, .value = (int)what};
    modem_set_problem(modem, problem);
    modem->was_reset = what == MEND_RESET;
    modem->ping_id = 0;
    modem_move(modem, MODEM_MENDING);
    modem_set_timer(modem, MEND_MS);
    modem_write(modem, &frame);
    modem_announce(modem);
}

/* The last thing that a function does. */
static void take_step(struct modem *modem, enum ladder_step step, const char *problem)
{
    log_warn("modem.ladder", "modem=%s step=%s why=%s", modem->options.name, ladder_step_name(step),
             problem);
    switch (step) {
    case LADDER_RADIO:
        ask_to_mend(modem, MEND_RADIO, problem);
        break;
    case LADDER_RESET:
        ask_to_mend(modem, MEND_RESET, problem);
        break;
    default:
        modem->want_power = step == LADDER_POWER;
        modem->was_reset = true; /* counted as the step that it is */
        modem_drain(modem, problem);
    }
}

/* True: a remedy was begun. */
bool modem_mend_network(struct modem *modem)
{
    if (modem->registration < 0)
        return false;
    if (route_is_registered(modem->registration)) {
        ladder_well(&modem->ladder);
        return false;
    }
    enum ladder_step step = ladder_ill(&modem->ladder, clock_mono_ms(modem->options.clock),
                                       clock_wall_ms(modem->options.clock));
    if (step == LADDER_NONE)
        return false;
    take_step(modem, step, "no network");
    return true;
}

void modem_rest(struct modem *modem)
{
    if (modem->sm.now != MODEM_READY || modem->closing)
        return;
    enum ladder_step step = ladder_refused(&modem->ladder, ++modem->refusals);
    ladder_count(&modem->ladder, step, clock_wall_ms(modem->options.clock));
    take_step(modem, step, "the modem refuses to send");
}

void modem_give_pin(struct modem *modem, const char *pin)
{
    struct frame frame = {.kind = FRAME_PIN};
    text_copy(frame.text, sizeof frame.text, pin);
    modem_write(modem, &frame);
    memset(frame.text, 0, sizeof frame.text);
}

void modem_deny_pin(struct modem *modem, const char *why)
{
    if (modem->sm.now == MODEM_STARTING)
        modem_drain(modem, why);
}

void modem_ask_balance(struct modem *modem)
{
    struct frame frame = {.kind = FRAME_USSD};
    if (modem->options.balance_code[0] == '\0' || modem->sm.now != MODEM_READY)
        return;
    text_copy(frame.text, sizeof frame.text, modem->options.balance_code);
    modem_write(modem, &frame);
    modem->balance_due_ms = uv_now(modem->options.loop) + BALANCE_EVERY_MS;
}
