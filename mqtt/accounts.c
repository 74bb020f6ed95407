/* Accounts; see accounts.h. The nodes of a mesh have one each, because any of them may be the one
 * that has a network, and the broker goes by the account's name. A name that cannot stand in either
 * file (a space, ':', '#') has none.
 */
#include "mqtt/accounts.h"

#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/replica/seal.h"

static bool name_valid(const char *name)
{
    return name[0] != '\0' && strlen(name) <= LIMIT_DEVICE_ID_BYTES &&
           strpbrk(name, ": +#/\t\r\n$") == NULL;
}

static void make(struct replica *replica, const char *name, int64_t now_ms)
{
    char secret[SEAL_SECRET_DIGITS + 1];
    if (!name_valid(name) ||
        replica_get_int(replica, 0, "SELECT 1 FROM device_key WHERE device_id = ?1", "s", name) ==
            1)
        return;
    seal_secret(secret);
    replica_run(replica,
                "INSERT INTO device_key(device_id, password, made_at) VALUES (?1, seal(?2), ?3)",
                "ssi", name, secret, now_ms);
    explicit_bzero(secret, sizeof secret);
    log_info("mqtt.account", "user=%s made", name);
}

/* The account that a product's devices use: their own, or their bridge's. */
static bool uses_bridge(const struct mapping *rules, const char *product)
{
    const struct product *p = mapping_product(rules, product);
    return p == NULL || p->bridge;
}

static bool next_device(struct replica *replica, const char *after, char *ret_id, char *ret_product,
                        size_t size)
{
    struct query *query =
        replica_query(replica, "SELECT id, product FROM device WHERE id > ?1 ORDER BY id LIMIT 1");
    query_text(query, 1, after);
    bool found = query_row(query);
    if (found) {
        text_copy(ret_id, size, query_get_text(query, 0));
        text_copy(ret_product, size, query_get_text(query, 1));
    }
    query_done(query);
    return found;
}

static bool next_radio(struct replica *replica, const char *after, char *ret_user, size_t size)
{
    return replica_get_text(replica, ret_user, size,
                            "SELECT user FROM radio_user WHERE user > ?1 ORDER BY user LIMIT 1",
                            "s", after);
}

void accounts_update(struct replica *replica, const struct mapping *rules, int64_t now_ms)
{
    char id[LIMIT_NAME_BYTES] = "", product[LIMIT_NAME_BYTES];
    replica_run(replica,
                "DELETE FROM device_key WHERE device_id NOT IN (SELECT id FROM device)"
                " AND device_id NOT IN (SELECT product FROM device)"
                " AND device_id NOT IN (SELECT user FROM radio_user)",
                "");
    for (int i = 0; i < LIMIT_DEVICES && next_device(replica, id, id, product, sizeof id); i++)
        make(replica, uses_bridge(rules, product) ? product : id, now_ms);
    id[0] = '\0';
    for (int i = 0; i < LIMIT_RADIO_NODES && next_radio(replica, id, id, sizeof id); i++)
        make(replica, id, now_ms);
}

bool accounts_write_passwords(struct replica *replica, struct buf *out)
{
    struct query *query =
        replica_query(replica, "SELECT device_id, unseal(password) FROM device_key ORDER BY 1");
    while (query_row(query)) {
        char line[SEAL_BROKER_BYTES];
        const char *password = query_get_text(query, 1);
        if (password == NULL)
            continue; /* sealed with another key: a new one is made when its row is deleted */
        seal_broker_password(password, line);
        buf_printf(out, "%s:%s\n", query_get_text(query, 0), line);
    }
    query_done(query);
    return !out->failed;
}

static void add_topic(struct buf *out, const char *word, const char *topic, const char *user)
{
    buf_printf(out, "topic %s ", word);
    for (const char *at; (at = strstr(topic, "%u")) != NULL; topic = at + 2) {
        buf_add(out, topic, (size_t)(at - topic));
        buf_add_text(out, user);
    }
    buf_printf(out, "%s\n", topic);
}

static void add_user(struct buf *out, const char *user, const struct product *product)
{
    buf_printf(out, "user %s\n", user);
    for (int i = 0; i < product->write_count; i++)
        add_topic(out, "write", product->write[i], user);
    for (int i = 0; i < product->read_count; i++)
        add_topic(out, "read", product->read[i], user);
}

bool accounts_write_acl(struct replica *replica, const struct mapping *rules, struct buf *out)
{
    struct query *query =
        replica_query(replica, "SELECT k.device_id, coalesce(d.product, r.product, k.device_id)"
                               " FROM device_key k LEFT JOIN device d ON d.id = k.device_id"
                               " LEFT JOIN radio_user r ON r.user = k.device_id ORDER BY 1");
    buf_add_text(out, "# Each device its own topics; made by touyan device accounts acl\n");
    while (query_row(query)) {
        const struct product *product = mapping_product(rules, query_get_text(query, 1));
        if (product != NULL)
            add_user(out, query_get_text(query, 0), product);
    }
    query_done(query);
    return !out->failed;
}

bool accounts_sign(struct replica *replica, const char *device_id, char *ret, size_t size)
{
    static const char sql[] = "SELECT unseal(mac_key) FROM device_key WHERE device_id = ?1";
    char key[SEAL_SECRET_DIGITS + 1];
    if (replica_get_text(replica, ret, size, sql, "s", device_id))
        return true;
    seal_secret(key);
    replica_run(replica, "UPDATE device_key SET mac_key = seal(?2) WHERE device_id = ?1", "ss",
                device_id, key);
    explicit_bzero(key, sizeof key);
    return replica_get_text(replica, ret, size, sql, "s", device_id);
}

/* The topic, a line feed, and the payload as it came with '0' for each digit of the signature: so
 * nothing in it can be changed, whatever a rule makes of it. False: it is too long, or the
 * signature is not in it. */
static bool take_signed(const char *topic, const void *payload, size_t size, const char *mac,
                        struct buf *out)
{
    buf_printf(out, "%s\n", topic);
    size_t head = out->size;
    if (strlen(mac) != SEAL_HASH_DIGITS || !buf_add(out, payload, size))
        return false;
    const char *at = memmem(out->bytes + head, out->size - head, mac, SEAL_HASH_DIGITS);
    if (at != NULL)
        memset(out->bytes + (at - out->bytes), '0', SEAL_HASH_DIGITS);
    return at != NULL;
}

bool accounts_signed(struct replica *replica, const char *device_id, const char *topic,
                     const void *payload, size_t size, const char *mac)
{
    char key[LIMIT_NAME_BYTES], right[SEAL_HASH_DIGITS + 1];
    struct buf text;
    if (!replica_get_text(replica, key, sizeof key,
                          "SELECT unseal(mac_key) FROM device_key WHERE device_id = ?1", "s",
                          device_id))
        return true;
    buf_init(&text, LIMIT_TOPIC_BYTES + 1 + LIMIT_MQTT_MAPPED_BYTES);
    bool holds = take_signed(topic, payload, size, mac, &text);
    if (holds) {
        seal_hmac_sha256(key, strlen(key), text.bytes, text.size, right);
        holds = strcmp(right, mac) == 0;
    }
    explicit_bzero(key, sizeof key);
    buf_free(&text);
    return holds;
}
