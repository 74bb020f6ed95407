/* The book is the journal: each event is carried out again, with the book closed for writing and at
 * the times of the lines, and gives the same slots and references again. Only the line "message"
 * follows from another one ("accepted" of the last part): when the program was killed between the
 * two it is written now. */
#include "tests/lib/simlife.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/text.h"

struct life {
    struct simmodem *modem;
    int64_t messages; /* lines of that event */
};

static size_t pdu_of(const struct json *line, uint8_t bytes[LIMIT_TPDU_BYTES])
{
    const char *hex = json_text(line, "pdu", "");
    int size = text_from_hex(hex, strlen(hex), bytes, LIMIT_TPDU_BYTES);

    return size < 0 ? 0 : (size_t)size;
}

static int again_accepted(struct life *life, const struct json *line, struct err *err)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t size = pdu_of(line, bytes);
    int mr = 0;
    struct simnet_report_plan plan = {.none = json_get(line, "report_ms") == NULL,
                                      .copies = (int)json_int(line, "report_copies", 1),
                                      .delay_ms = (int)json_int(line, "report_ms", 0),
                                      .status = (int)json_int(line, "report_status", 0)};
    int code = simnet_submit(&life->modem->net, bytes, size, 0, &plan, &mr, err);

    if (!code && mr != json_int(line, "mr", -1))
        return err_set(err, ERR_INVALID, "reference %d", mr);
    return code;
}

static int again_message(struct life *life, const struct json *line, struct err *err)
{
    (void)line;
    (void)err;
    life->messages++;
    return ERR_OK;
}

static int again_inbound(struct life *life, const struct json *line, struct err *err)
{
    int parts = 0;
    struct simnet_text what = {.from = json_text(line, "from", ""),
                               .text = json_text(line, "text", ""),
                               .drop = (int)json_int(line, "drop", 0),
                               .reverse = json_bool(line, "reverse", false)};

    return simnet_inbound_text(&life->modem->net, &what, &parts, err);
}

static int again_inbound_pdu(struct life *life, const struct json *line, struct err *err)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t size = pdu_of(line, bytes);

    return simnet_inbound_pdu(&life->modem->net, bytes, size, err);
}

static int again_stored(struct life *life, const struct json *line, struct err *err)
{
    struct simnet *net = &life->modem->net;
    enum simnet_memory memory = (enum simnet_memory)json_int(line, "memory", SIMNET_SM);
    bool registered = net->registered; /* a fault, which has no line, may have come and gone */

    net->registered = true;
    int slot = simnet_deliver_one(net, memory);
    net->registered = registered;
    return slot == json_int(line, "slot", -1) ? ERR_OK : err_set(err, ERR_INVALID, "slot %d", slot);
}

static int again_deleted(struct life *life, const struct json *line, struct err *err)
{
    int64_t slot = json_int(line, "slot", -1);

    if (slot < 0 || slot >= SIMNET_SLOTS)
        return err_set(err, ERR_INVALID, "slot");
    simnet_delete(&life->modem->net, (enum simnet_memory)json_int(line, "memory", SIMNET_SM),
                  (int)slot);
    return ERR_OK;
}

static int again_report(struct life *life, const struct json *line, struct err *err)
{
    struct simnet_stats *stats = &life->modem->net.stats;
    struct simnet_report report;

    (void)err;
    if (simnet_take_report_of(&life->modem->net, json_text(line, "to", ""),
                              (int)json_int(line, "mr", -1), &report) &&
        json_int(line, "slot", -1) >= 0)
        simnet_store_report(&life->modem->net, &report);
    stats->reports++;
    stats->reports_unheard += text_equal(json_text(line, "event", ""), "report_unheard");
    return ERR_OK;
}

static int again_refused(struct life *life, const struct json *line, struct err *err)
{
    (void)line;
    (void)err;
    life->modem->net.stats.refused++;
    return ERR_OK;
}

static int again_pin(struct life *life, const struct json *line, struct err *err)
{
    (void)err;
    life->modem->at.pin_tries = (int)json_int(line, "tries", 0);
    life->modem->at.pin_wrong = (int)json_int(line, "wrong", 0);
    return ERR_OK;
}

static int again_order(struct life *life, const struct json *line, struct err *err)
{
    const char *order = json_text(line, "order", "");
    struct json *answer = simmodem_order(life->modem, order, strlen(order));
    bool ok = json_bool(answer, "ok", false);

    json_free(answer);
    return ok ? ERR_OK : err_set(err, ERR_INVALID, "order");
}

static const struct {
    const char *event;
    int (*run)(struct life *life, const struct json *line, struct err *err);
} events[] = {
    {"accepted", again_accepted},     {"message", again_message},
    {"inbound", again_inbound},       {"inbound_pdu", again_inbound_pdu},
    {"inbound_stored", again_stored}, {"inbound_deleted", again_deleted},
    {"deleted", again_deleted},       {"report", again_report},
    {"report_unheard", again_report}, {"refused", again_refused},
    {"order", again_order},           {"pin", again_pin},
};

static int again(struct life *life, const char *text, size_t size, struct err *err)
{
    struct simbook *book = &life->modem->book;
    struct json *line = NULL;
    int code = json_parse(text, size, &line, err);
    const char *event = json_text(line, "event", "");

    book->replay_us = json_int(line, "us", 0);
    book->replay_wall_ms = json_int(line, "wall", 0);
    for (size_t i = 0; !code && i < sizeof events / sizeof events[0]; i++)
        if (text_equal(events[i].event, event))
            code = events[i].run(life, line, err);
    json_free(line);
    return code;
}

static int read_book(struct life *life, FILE *file, struct err *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size = 0;
    off_t whole = 0;
    int code = ERR_OK;

    for (int number = 1; !code && (size = getline(&line, &room, file)) > 0; number++) {
        if (line[size - 1] != '\n')
            break;
        whole += size;
        code = again(life, line, (size_t)size, err);
        if (code)
            err_wrap(err, "line %d", number);
    }
    free(line);
    if (!code && ftruncate(life->modem->book.fd, whole) != 0)
        code = err_set(err, ERR_IO, "%s", strerror(errno));
    return code;
}

int simlife_take_up(struct simmodem *modem, struct err *err)
{
    struct simbook *book = &modem->book;
    struct life life = {.modem = modem};

    if (book->fd < 0)
        return ERR_OK;
    FILE *file = fopen(modem->options.log, "re");
    if (!file)
        return err_set(err, ERR_IO, "book %s: %s", modem->options.log, strerror(errno));
    book->replayed = true;
    int code = read_book(&life, file, err);
    book->replayed = false;
    fclose(file);
    /* the last line that would have been written is the missing one */
    if (!code && modem->net.stats.messages > life.messages &&
        write(book->fd, book->line.bytes, book->line.size) != (ssize_t)book->line.size)
        code = err_set(err, ERR_IO, "%s", strerror(errno));
    return code ? err_wrap(err, "book %s", modem->options.log) : ERR_OK;
}
