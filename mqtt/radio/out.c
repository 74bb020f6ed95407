/* What goes to radios: table radio_out, one row a packet; see radio.h.
 *
 * Happy path: radio_say splits the text and queues its packets; radio_pump, in a later turn, gives
 * the most urgent one that its air has room for to the broker, and the acknowledgement of the radio
 * ends it. Failures: nobody acknowledges, so it goes again as another packet, an alarm three times,
 * all else twice (never to a program beside a radio, which minds that itself, nor as JSON, which
 * nobody acknowledges), and then stands as `sent`; not_after passes, `expired`; the driver cannot
 * say it, `failed`, and logged. While the broker is away nothing is tried. A lost turn takes its
 * rows with it, and all is looked at again.
 *
 * One medium (product) is one queue: the next packet waits until the last one is out and was passed
 * on once. The air time of each try is written down; its sum over an hour stays under the share
 * that is configured, and what is no alarm may use half of it. */
#include "mqtt/radio/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "mqtt/radio/split.h"

enum {
    HOUR_MS = 3600 * 1000,
    ANSWER_MS = 30 * 1000, /* an acknowledgement over several hops takes so long at most */
    LOOK_MS = 1000,
    BURST = 8, /* packets of one pass */
    ALARM_TRIES = 3,
    OTHER_TRIES = 2,
    TOPIC_BYTES = 256,
    PAYLOAD_BYTES = 2048,
    KEEP_SLICE = 50,
};

#define KEEP_MS (INT64_C(7) * 86400 * 1000)

/* --- queueing --- */

static int queue_part(struct radio *radio, const char *product, const char *node, int part,
                      const char *text, const struct radio_message *message)
{
    int64_t now = clock_wall_ms(radio->clock);
    int64_t rows = replica_run(
        radio->replica,
        "INSERT OR IGNORE INTO radio_out(idem, product, node, part, prio, body, bytes, ref_kind,"
        " ref_id, created_at, not_after, state, next_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, seal(?6), ?7, ?8, ?9, ?10, ?11, 'queued', ?10)",
        "sssiisissii", message->idem, product, node, (int64_t)part, (int64_t)message->prio, text,
        (int64_t)strlen(text), message->ref_kind, message->ref_id, now, message->not_after_ms);
    radio_wake(radio);
    return rows >= 0 ? ERR_OK : ERR_IO;
}

static int check(struct radio *radio, const struct radio_message *message, int count,
                 struct err *err)
{
    if (message->text[0] == '\0' || !text_utf8_valid(message->text, strlen(message->text)))
        return err_set(err, ERR_INVALID, "the text is empty or no UTF-8");
    if (count == 0 || strlen(message->text) > LIMIT_RADIO_OUT_BYTES)
        return err_set(err, ERR_LIMIT, "the text is too long: at most %d bytes and %d packets",
                       LIMIT_RADIO_OUT_BYTES, LIMIT_RADIO_PARTS);
    int64_t queued = replica_get_int(
        radio->replica, 0, "SELECT count(*) FROM radio_out WHERE state IN ('queued', 'given')", "");
    if (message->prio > 0 && queued >= LIMIT_RADIO_QUEUE)
        return err_set(err, ERR_LIMIT, "%d packets wait already", LIMIT_RADIO_QUEUE);
    return ERR_OK;
}

int radio_say(struct radio *radio, const char *product, const char *node,
              const struct radio_message *message, struct err *err)
{
    char name[RADIO_NODE_BYTES + 1], part[LIMIT_RADIO_OUT_BYTES + 1];
    size_t max = radio_driver_of(product)->max_bytes(&radio->link);
    if (!radio_node_name(product, node, name))
        return err_set(err, ERR_INVALID, "\"%.60s\" is no radio of %.32s", node, product);
    int count = split_count(message->text, max);
    int code = check(radio, message, count, err);
    for (int i = 0; code == ERR_OK && i < count; i++) {
        split_part(message->text, max, count, i, part);
        code = queue_part(radio, product, name, i, part, message);
    }
    return code;
}

struct node {
    char product[PRODUCT_BYTES + 1];
    char name[RADIO_NODE_BYTES + 1];
};

enum { NODES_OF_ONE = 4 };

int radio_say_phone(struct radio *radio, const char *phone, const struct radio_message *message)
{
    struct node nodes[NODES_OF_ONE];
    struct err err;
    int count = 0, said = 0;
    struct query *query = replica_query(
        radio->replica, "SELECT n.product, n.node FROM person p CROSS JOIN radio_node n"
                        " ON n.person_id = p.id WHERE p.phone = ?1 AND coalesce(p.active, 1) <> 0"
                        " ORDER BY n.heard_at DESC");
    query_text(query, 1, phone);
    for (; count < NODES_OF_ONE && query_row(query); count++) {
        text_copy(nodes[count].product, sizeof nodes[count].product, query_get_text(query, 0));
        text_copy(nodes[count].name, sizeof nodes[count].name, query_get_text(query, 1));
    }
    query_done(query);
    for (int i = 0; i < count; i++) {
        if (radio_say(radio, nodes[i].product, nodes[i].name, message, &err) == ERR_OK)
            said++;
        else
            log_error("radio.not_queued", "node=%s idem=%s %s", nodes[i].name, message->idem,
                      err.text);
    }
    return said;
}

int radio_answer(struct radio *radio, const char *heard_id, const struct radio_message *message,
                 struct err *err)
{
    struct node node;
    struct query *query =
        replica_query(radio->replica, "SELECT product, node FROM radio_in WHERE id = ?1");
    query_text(query, 1, heard_id);
    bool found = query_row(query);
    if (found) {
        text_copy(node.product, sizeof node.product, query_get_text(query, 0));
        text_copy(node.name, sizeof node.name, query_get_text(query, 1));
    }
    query_done(query);
    return found ? radio_say(radio, node.product, node.name, message, err)
                 : err_set(err, ERR_NOT_FOUND, "no such text was heard");
}

void radio_cancel(struct radio *radio, const char *ref_kind, const char *ref_id, const char *phone)
{
    replica_run(radio->replica,
                "UPDATE radio_out SET state = 'cancelled', ended_at = ?3"
                " WHERE ref_kind = ?1 AND ref_id = ?2 AND state IN ('queued', 'given')"
                " AND (?4 IS NULL OR (product, node) IN (SELECT n.product, n.node"
                " FROM radio_node n JOIN person p ON p.id = n.person_id WHERE p.phone = ?4))",
                "ssis", ref_kind, ref_id, clock_wall_ms(radio->clock), phone);
}

/* --- acknowledgements --- */

void out_on_delivered(struct radio *radio, const char *product, const char *node,
                      const char *number, bool ok)
{
    int64_t packet, now = clock_wall_ms(radio->clock);
    if (!text_to_int64(number, 1, UINT32_MAX, &packet))
        return;
    if (ok)
        replica_run(radio->replica,
                    "UPDATE radio_out SET state = 'delivered', ended_at = ?4 WHERE packet = ?3"
                    " AND product = ?1 AND node = ?2 AND state IN ('given', 'sent', 'queued')"
                    " AND tries > 0",
                    "ssii", product, node, packet, now);
    else /* it says so itself: no use in waiting longer */
        replica_run(radio->replica,
                    "UPDATE radio_out SET next_at = ?3 WHERE packet = ?2 AND product = ?1"
                    " AND state = 'given'",
                    "sii", product, packet, now);
    log_info("radio.delivered", "node=%s packet=%lld ok=%d", node, (long long)packet, ok);
    radio_wake(radio);
}

/* --- one packet --- */

struct row {
    int64_t id, not_after;
    int prio, tries;
    size_t bytes;
    char node[RADIO_NODE_BYTES + 1];
    char channel[RADIO_CHANNEL_BYTES + 1];
    char body[LIMIT_RADIO_OUT_BYTES + 1];
};

static bool next_row(struct radio *radio, const char *product, int64_t now, struct row *ret)
{
    struct query *query = replica_query(
        radio->replica,
        "SELECT o.id, o.not_after, o.prio, o.tries, o.bytes, o.node, coalesce(n.channel, ''),"
        " coalesce(unseal(o.body), '') FROM radio_out o"
        " LEFT JOIN radio_node n ON n.product = o.product AND n.node = o.node"
        " WHERE o.state = 'queued' AND o.product = ?1 AND o.next_at <= ?2"
        " ORDER BY o.prio, o.id LIMIT 1");
    query_text(query, 1, product);
    query_int(query, 2, now);
    bool found = query_row(query);
    if (found) {
        ret->id = query_get_int(query, 0);
        ret->not_after = query_get_int(query, 1);
        ret->prio = (int)query_get_int(query, 2);
        ret->tries = (int)query_get_int(query, 3);
        ret->bytes = (size_t)query_get_int(query, 4);
        text_copy(ret->node, sizeof ret->node, query_get_text(query, 5));
        text_copy(ret->channel, sizeof ret->channel, query_get_text(query, 6));
        text_copy(ret->body, sizeof ret->body, query_get_text(query, 7));
    }
    query_done(query);
    return found;
}

static void end(struct radio *radio, int64_t id, const char *state, int64_t now)
{
    replica_run(radio->replica, "UPDATE radio_out SET state = ?2, ended_at = ?3 WHERE id = ?1",
                "isi", id, state, now);
}

static uint32_t new_number(struct radio *radio)
{
    return (uint32_t)(rnd_below(radio->rnd, UINT32_MAX - 1) + 1);
}

static void note_air(struct radio *radio, const char *product, int air_ms, int64_t now)
{
    replica_run(radio->replica, "DELETE FROM radio_air WHERE at <= ?1 OR at > ?2", "ii",
                now - HOUR_MS, now + HOUR_MS);
    replica_run(radio->replica, "INSERT INTO radio_air(product, at, air_ms) VALUES (?1, ?2, ?3)",
                "sii", product, now, (int64_t)air_ms);
}

/* False: the broker takes nothing now. */
static bool give(struct radio *radio, const char *product, const struct row *row, int64_t now)
{
    const struct radio_driver *driver = radio_driver_of(product);
    struct buf topic, payload;
    struct err err = {0};
    int64_t until = now + ANSWER_MS < row->not_after ? now + ANSWER_MS : row->not_after;
    struct radio_packet packet = {
        .product = mapping_product(radio->ports.rules(radio->ports.ctx), product),
        .node = row->node,
        .channel = row->channel,
        .text = row->body,
        .id = new_number(radio),
        .until_ms = until,
    };
    buf_init(&topic, TOPIC_BYTES);
    buf_init(&payload, PAYLOAD_BYTES);
    bool taken = true;
    if (driver->encode(&radio->link, &packet, &topic, &payload, &err) != ERR_OK) {
        log_error("radio.cannot_say", "node=%s %s", row->node, err.text);
        end(radio, row->id, "failed", now);
    } else if (radio->ports.publish(radio->ports.ctx, buf_text(&topic), payload.bytes, payload.size,
                                    until, &err) != ERR_OK) {
        log_warn("radio.not_published", "node=%s %s", row->node, err.text);
        taken = false;
    } else {
        replica_run(radio->replica,
                    "UPDATE radio_out SET state = 'given', packet = ?2, tries = tries + 1,"
                    " next_at = ?3 WHERE id = ?1",
                    "iii", row->id, (int64_t)packet.id, now + ANSWER_MS);
        note_air(radio, product, driver->air_ms(&radio->link, row->bytes), now);
        log_info("radio.given", "node=%s packet=%u bytes=%zu try=%d", row->node,
                 (unsigned)packet.id, row->bytes, row->tries + 1);
    }
    buf_free(&topic);
    buf_free(&payload);
    return taken;
}

/* --- the air --- */

struct air {
    int64_t used_ms;   /* of the last hour */
    int64_t oldest_at; /* what of it will be free first */
    int64_t busy_until;
};

static struct air look_at_air(struct radio *radio, const char *product, int64_t now)
{
    struct air air = {0};
    struct query *query = replica_query(
        radio->replica, "SELECT coalesce(sum(air_ms), 0), coalesce(min(at), 0),"
                        " coalesce(max(at + 2 * air_ms), 0) FROM radio_air WHERE product = ?1"
                        " AND at > ?2 AND at <= ?3");
    query_text(query, 1, product);
    query_int(query, 2, now - HOUR_MS);
    query_int(query, 3, now);
    if (query_row(query)) {
        air.used_ms = query_get_int(query, 0);
        air.oldest_at = query_get_int(query, 1);
        air.busy_until = query_get_int(query, 2);
    }
    query_done(query);
    return air;
}

/* 0: it may go now; else when to look again. */
static int64_t wait_for_air(struct radio *radio, const char *product, const struct row *row,
                            int64_t now)
{
    struct air air = look_at_air(radio, product, now);
    int64_t budget = (int64_t)HOUR_MS * radio->air_percent / 100;
    int64_t share = row->prio == 0 ? budget : budget / 2;
    if (air.busy_until > now)
        return air.busy_until;
    if (air.used_ms + radio_driver_of(product)->air_ms(&radio->link, row->bytes) > share)
        return air.oldest_at + HOUR_MS > now ? air.oldest_at + HOUR_MS : now + LOOK_MS;
    return 0;
}

/* Returns when to look at this product again. */
static int64_t pump_product(struct radio *radio, const char *product, int64_t now)
{
    struct row row;
    for (int i = 0; i < BURST; i++) {
        if (!next_row(radio, product, now, &row))
            return INT64_MAX;
        int64_t at = wait_for_air(radio, product, &row, now);
        if (at > 0)
            return at;
        if (!give(radio, product, &row, now))
            return now + LOOK_MS;
    }
    return now;
}

/* --- all of it --- */

/* Nobody acknowledged in time: again, where the radio itself would say that it has it, or that was
 * it. */
static void look_at_unanswered(struct radio *radio, int64_t now)
{
    bool mesh_answers = radio_meshtastic.ack(&radio->link) == RADIO_ACK_DELIVERED;
    replica_run(radio->replica,
                "UPDATE radio_out SET state = CASE WHEN product = ?2 AND not_after > ?1"
                " AND tries < CASE WHEN prio = 0 THEN ?3 ELSE ?4 END THEN 'queued' ELSE 'sent' END,"
                " ended_at = ?1, next_at = ?1 WHERE state = 'given' AND next_at <= ?1",
                "isii", now, mesh_answers ? radio_meshtastic.name : "", (int64_t)ALARM_TRIES,
                (int64_t)OTHER_TRIES);
    replica_run(radio->replica,
                "UPDATE radio_out SET state = CASE WHEN tries > 0 THEN 'sent' ELSE 'expired' END,"
                " ended_at = ?1 WHERE state = 'queued' AND not_after <= ?1",
                "i", now);
    replica_run(radio->replica,
                "DELETE FROM radio_out WHERE id IN (SELECT id FROM radio_out"
                " WHERE ended_at < ?1 AND state NOT IN ('queued', 'given') ORDER BY id LIMIT ?2)",
                "ii", now - KEEP_MS, (int64_t)KEEP_SLICE);
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pump_products(struct radio *radio, int64_t now)
{
    char products[LIMIT_MQTT_PRODUCTS][PRODUCT_BYTES + 1];
    int count = 0;
    int64_t due = INT64_MAX;
    struct query *query =
        replica_query(radio->replica, "SELECT DISTINCT product FROM radio_out"
                                      " WHERE state = 'queued' AND next_at <= ?1");
    query_int(query, 1, now);
    for (; count < LIMIT_MQTT_PRODUCTS && query_row(query); count++)
        text_copy(products[count], sizeof products[count], query_get_text(query, 0));
    query_done(query);
    for (int i = 0; i < count; i++)
        due = min(due, pump_product(radio, products[i], now));
    return due;
}

static void on_turn_end(void *ctx, int64_t arg, bool committed)
{
    struct radio *radio = ctx;
    (void)arg;
    radio->watching_turn = false;
    if (!committed)
        radio_wake(radio);
}

void radio_pump(struct radio *radio)
{
    int64_t now = clock_wall_ms(radio->clock), due = INT64_MAX;
    radio->seen_ms = now;
    look_at_unanswered(radio, now);
    if (radio->ports.online(radio->ports.ctx))
        due = pump_products(radio, now);
    due = min(due, replica_get_int(radio->replica, INT64_MAX,
                                   "SELECT min(CASE WHEN state = 'given' OR next_at > ?1"
                                   " THEN min(next_at, not_after) ELSE not_after END)"
                                   " FROM radio_out WHERE state IN ('queued', 'given')",
                                   "i", now));
    radio->due_ms = due;
    if (!radio->watching_turn) {
        radio->watching_turn = true;
        replica_after_commit(radio->replica, on_turn_end, radio, 0);
    }
}

bool radio_is_due(const struct radio *radio)
{
    int64_t now = clock_wall_ms(radio->clock);
    return now >= radio->due_ms || now < radio->seen_ms; /* the clock went back */
}

void radio_wake(struct radio *radio)
{
    radio->due_ms = 0;
}

int64_t radio_next_due_ms(const struct radio *radio)
{
    return radio->due_ms;
}
