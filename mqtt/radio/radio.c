/* Nodes, and what they say; see radio.h.
 *
 * Happy path: the sender's name is brought to one form, the text is for us and on our channel, its
 * node belongs to somebody, and writer and number are new: on_text. Failures: whatever is not so is
 * counted at the node and dropped; a text half an hour old (a node keeps some while its network is
 * down) is given on as late. A node that cannot be written down any more, because there are too
 * many, pushes out the one nobody owns that was silent longest. */
#include "mqtt/radio/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    LATE_MS = 30 * 60 * 1000,
    SAME_MS = 60 * 1000, /* the same words again within it, of a radio that counts nothing */
    PERSON_BYTES = 96,
};

#define KEEP_MS (INT64_C(30) * 86400 * 1000)

int radio_open(const struct radio_options *options, const struct radio_ports *ports,
               struct radio **ret, struct err *err)
{
    struct radio *radio = calloc(1, sizeof *radio);
    if (radio == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    radio->replica = options->replica;
    radio->clock = options->clock;
    radio->rnd = options->rnd;
    radio->link = options->link;
    radio->air_percent = options->air_percent;
    radio->ports = *ports;
    *ret = radio;
    return ERR_OK;
}

void radio_close(struct radio *radio)
{
    if (radio == NULL)
        return;
    explicit_bzero(&radio->link, sizeof radio->link);
    free(radio);
}

int radio_unpack(struct radio *radio, const char *topic, const void *payload, size_t size,
                 struct buf *ret)
{
    return radio_meshtastic.decode(&radio->link, topic, payload, size, ret);
}

/* --- nodes --- */

static void make_room(struct radio *radio)
{
    if (replica_get_int(radio->replica, 0, "SELECT count(*) FROM radio_node", "") <
        LIMIT_RADIO_NODES)
        return;
    replica_run(radio->replica,
                "DELETE FROM radio_node WHERE (product, node) IN (SELECT product, node"
                " FROM radio_node WHERE person_id IS NULL ORDER BY heard_at LIMIT 1)",
                "");
}

static void note_node(struct radio *radio, const struct mqtt_talk *talk, const char *node,
                      bool obeyed)
{
    if (replica_run(radio->replica,
                    "UPDATE radio_node SET heard_at = ?3, channel = ?4, device_id = ?5,"
                    " texts = texts + ?6, ignored = ignored + 1 - ?6"
                    " WHERE product = ?1 AND node = ?2",
                    "ssissi", talk->product, node, talk->heard_at_ms, talk->channel, talk->node,
                    (int64_t)obeyed) == 1)
        return;
    make_room(radio);
    replica_run(radio->replica,
                "INSERT INTO radio_node(product, node, channel, device_id, heard_at, ignored)"
                " VALUES (?1, ?2, ?3, ?4, ?5, 1)",
                "ssssi", talk->product, node, talk->channel, talk->node, talk->heard_at_ms);
    log_info("radio.stranger", "product=%s node=%s", talk->product, node);
}

static bool find_person(struct radio *radio, const char *person, char ret[PERSON_BYTES],
                        struct err *err)
{
    struct query *query =
        replica_query(radio->replica, "SELECT id, phone IS NOT NULL FROM person"
                                      " WHERE (id = ?1 OR name = ?1) AND coalesce(active, 1) <> 0"
                                      " ORDER BY id = ?1 DESC LIMIT 2");
    int count = 0;
    bool by_phone = false;
    query_text(query, 1, person);
    while (query_row(query)) {
        if (count++ > 0 && !text_equal(ret, person))
            break;
        if (count == 1) {
            text_copy(ret, PERSON_BYTES, query_get_text(query, 0));
            by_phone = query_get_int(query, 1) != 0;
        }
    }
    query_done(query);
    if (count == 0)
        err_set(err, ERR_NOT_FOUND, "there is nobody of the id or name \"%.60s\"", person);
    else if (count > 1 && !text_equal(ret, person))
        err_set(err, ERR_INVALID, "several people are called \"%.60s\": give the id", person);
    else if (!by_phone)
        err_set(err, ERR_INVALID, "this person has no telephone number");
    else
        return true;
    return false;
}

static int take_name(const char *product, const char *text, char ret[RADIO_NODE_BYTES + 1],
                     struct err *err)
{
    if (radio_node_name(product, text, ret))
        return ERR_OK;
    return err_set(err, ERR_INVALID, "\"%.60s\" is no radio of %.32s%s", text, product,
                   text_equal(product, radio_meshtastic.name) ? " (such as !7efeee00)" : "");
}

int radio_add(struct radio *radio, const char *product, const char *node, const char *person,
              struct err *err)
{
    char name[RADIO_NODE_BYTES + 1], person_id[PERSON_BYTES] = "";
    if (mapping_product(radio->ports.rules(radio->ports.ctx), product) == NULL)
        return err_set(err, ERR_NOT_FOUND, "there is no rule file of the product \"%.32s\"",
                       product);
    int code = take_name(product, node, name, err);
    if (code != ERR_OK)
        return code;
    if (!find_person(radio, person, person_id, err))
        return err->code;
    make_room(radio);
    replica_run(radio->replica,
                "INSERT INTO radio_node(product, node, person_id, added_at) VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT(product, node) DO UPDATE SET person_id = excluded.person_id,"
                " added_at = excluded.added_at",
                "sssi", product, name, person_id, clock_wall_ms(radio->clock));
    log_info("radio.added", "product=%s node=%s person=%s", product, name, person_id);
    return ERR_OK;
}

int radio_remove(struct radio *radio, const char *product, const char *node, struct err *err)
{
    char name[RADIO_NODE_BYTES + 1];
    int code = take_name(product, node, name, err);
    if (code != ERR_OK)
        return code;
    replica_run(radio->replica,
                "UPDATE radio_out SET state = 'cancelled', ended_at = ?3 WHERE product = ?1"
                " AND node = ?2 AND state IN ('queued', 'given')",
                "ssi", product, name, clock_wall_ms(radio->clock));
    if (replica_run(radio->replica, "DELETE FROM radio_node WHERE product = ?1 AND node = ?2", "ss",
                    product, name) != 1)
        return err_set(err, ERR_NOT_FOUND, "there is no radio %s of %.32s", name, product);
    log_info("radio.removed", "product=%s node=%s", product, name);
    return ERR_OK;
}

/* --- what is heard --- */

static bool is_mesh(const struct mqtt_talk *talk)
{
    return radio_driver_of(talk->product) == &radio_meshtastic;
}

/* In a mesh: on our channel, to everybody or to us. What another radio's program passes on is for
 * us. */
static bool is_for_us(const struct radio *radio, const struct mqtt_talk *talk)
{
    uint32_t to;
    char name[RADIO_NODE_BYTES + 1];
    if (!is_mesh(talk))
        return true;
    if (radio->link.channel[0] == '\0' || strcmp(radio->link.channel, talk->channel) != 0)
        return false;
    if (talk->to[0] == '\0')
        return true;
    return radio_node_name(talk->product, talk->to, name) && radio_node_number(name, &to) &&
           (to == UINT32_MAX || to == radio->link.node);
}

static bool is_own(const struct radio *radio, const struct mqtt_talk *talk, const char *node)
{
    uint32_t number;
    return is_mesh(talk) && radio_node_number(node, &number) && number == radio->link.node;
}

/* FNV-1a of the words. */
static uint64_t hash(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return h;
}

static void make_id(const struct mqtt_talk *talk, const char *node, char ret[RADIO_ID_BYTES + 1])
{
    if (talk->id[0] != '\0' && strcmp(talk->id, "0") != 0)
        snprintf(ret, RADIO_ID_BYTES + 1, "radio/%s/%s/%s", talk->product, node, talk->id);
    else
        snprintf(ret, RADIO_ID_BYTES + 1, "radio/%s/%s/w%lld-%016llx", talk->product, node,
                 (long long)(talk->heard_at_ms / SAME_MS), (unsigned long long)hash(talk->text));
}

/* True the first time. */
static bool is_new(struct radio *radio, const struct mqtt_talk *talk, const char *node,
                   const char *id)
{
    replica_run(radio->replica,
                "DELETE FROM radio_in WHERE id IN"
                " (SELECT id FROM radio_in WHERE heard_at < ?1 ORDER BY heard_at LIMIT 10)",
                "i", talk->heard_at_ms - KEEP_MS);
    return replica_run(radio->replica,
                       "INSERT OR IGNORE INTO radio_in(id, product, node, heard_at)"
                       " VALUES (?1, ?2, ?3, ?4)",
                       "sssi", id, talk->product, node, talk->heard_at_ms) == 1;
}

static void on_text(struct radio *radio, const struct mqtt_talk *talk, const char *node)
{
    char id[RADIO_ID_BYTES + 1], person_id[PERSON_BYTES] = "";
    bool owned = replica_get_text(radio->replica, person_id, sizeof person_id,
                                  "SELECT person_id FROM radio_node WHERE product = ?1"
                                  " AND node = ?2",
                                  "ss", talk->product, node);
    if (!owned || talk->retained || !is_for_us(radio, talk)) {
        note_node(radio, talk, node, false);
        return;
    }
    make_id(talk, node, id);
    if (!is_new(radio, talk, node, id))
        return;
    struct radio_heard heard = {
        .id = id,
        .product = talk->product,
        .node = node,
        .person_id = person_id,
        .text = talk->text,
        .sent_at_ms = talk->sent_at_ms,
        .heard_at_ms = talk->heard_at_ms,
        .late = talk->sent_at_ms > 0 && talk->heard_at_ms - talk->sent_at_ms > LATE_MS,
    };
    bool obeyed = radio->ports.on_text(radio->ports.ctx, &heard);
    note_node(radio, talk, node, obeyed && !heard.late);
    log_info("radio.text", "id=%s person=%s late=%d obeyed=%d", id, person_id, heard.late, obeyed);
}

void radio_on_talk(struct radio *radio, const struct mqtt_talk *talk)
{
    char node[RADIO_NODE_BYTES + 1];
    if (!radio_node_name(talk->product, talk->node, node) || is_own(radio, talk, node))
        return;
    if (talk->kind == MQTT_DELIVERED)
        out_on_delivered(radio, talk->product, node, talk->id, talk->ok);
    else
        on_text(radio, talk, node);
}

void radio_get_status(struct radio *radio, struct radio_status *ret)
{
    struct replica *replica = radio->replica;
    int64_t now = clock_wall_ms(radio->clock);
    *ret = (struct radio_status){
        .mesh = radio->link.channel[0] != '\0',
        .nodes = replica_get_int(replica, 0,
                                 "SELECT count(*) FROM radio_node WHERE person_id IS NOT NULL", ""),
        .strangers = replica_get_int(replica, 0,
                                     "SELECT count(*) FROM radio_node WHERE person_id IS NULL", ""),
        .heard_at_ms = replica_get_int(replica, 0, "SELECT max(heard_at) FROM radio_node", ""),
        .queued = replica_get_int(
            replica, 0, "SELECT count(*) FROM radio_out WHERE state IN ('queued', 'given')", ""),
        .unconfirmed_alarms =
            replica_get_int(replica, 0,
                            "SELECT count(DISTINCT r.ref_id) FROM radio_out r JOIN alarm a"
                            " ON a.id = r.ref_id WHERE r.ref_kind = 'alarm' AND a.state = 'open'"
                            " AND r.state IN ('sent', 'failed', 'expired') AND r.ended_at > ?1",
                            "i", now - INT64_C(86400000)),
        .air_permille = (int)(replica_get_int(replica, 0,
                                              "SELECT max(ms) FROM (SELECT sum(air_ms) AS ms"
                                              " FROM radio_air WHERE at > ?1 GROUP BY product)",
                                              "i", now - INT64_C(3600000)) /
                              3600),
        .text_bytes = lora_text_bytes(radio->link.preset, radio->link.emission_ms),
    };
    snprintf(ret->node, sizeof ret->node, "!%08x", (unsigned)radio->link.node);
}
