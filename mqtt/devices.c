/* Devices by id: an array in order of appearance and an open hash of indexes into it. */
#include "mqtt/devices.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    SLOTS = 32768, /* a power of two, at least twice LIMIT_DEVICES */
    CLOCK_NEAR_MS = 2000,
};

_Static_assert(SLOTS >= 2 * LIMIT_DEVICES, "the hash must not fill");

struct devices {
    struct replica *replica;
    struct device *list[LIMIT_DEVICES]; /* owned */
    int count;
    uint16_t slots[SLOTS]; /* index + 1; 0: free */
    bool full_said;
};

/* FNV-1a */
static size_t hash(const char *id)
{
    uint32_t h = UINT32_C(2166136261);
    for (; *id != '\0'; id++)
        h = (h ^ (unsigned char)*id) * UINT32_C(16777619);
    return h & (SLOTS - 1);
}

static uint16_t *slot_of(struct devices *devices, const char *id)
{
    size_t at = hash(id);
    while (devices->slots[at] != 0 && strcmp(devices->list[devices->slots[at] - 1]->id, id) != 0)
        at = (at + 1) & (SLOTS - 1);
    return &devices->slots[at];
}

static struct device *add(struct devices *devices, uint16_t *slot, const char *id,
                          const char *product)
{
    struct device *device = devices->count < LIMIT_DEVICES ? calloc(1, sizeof *device) : NULL;
    if (device == NULL)
        return NULL;
    text_copy(device->id, sizeof device->id, id);
    text_copy(device->product, sizeof device->product, product);
    device->battery = -1;
    device->seq = -1;
    devices->list[devices->count++] = device;
    *slot = (uint16_t)devices->count;
    return device;
}

struct device *devices_get(struct devices *devices, const char *id, const char *product,
                           int64_t now_ms)
{
    uint16_t *slot = slot_of(devices, id);
    if (*slot != 0)
        return devices->list[*slot - 1];
    struct device *device = add(devices, slot, id, product);
    if (device != NULL) {
        device->state_at_ms = device->first_at_ms = now_ms;
        device->dirty = true;
        log_info("mqtt.device", "id=%s product=%s first heard", id, product);
    } else if (!devices->full_said) {
        devices->full_said = true;
        log_error("mqtt.device", "more than %d devices: further ones are not watched",
                  LIMIT_DEVICES);
    }
    return device;
}

struct device *devices_find(struct devices *devices, const char *id)
{
    uint16_t slot = *slot_of(devices, id);
    return slot != 0 ? devices->list[slot - 1] : NULL;
}

struct device *devices_at(struct devices *devices, int index)
{
    return index < devices->count ? devices->list[index] : NULL;
}

static void clear(struct devices *devices)
{
    for (int i = 0; i < devices->count; i++)
        free(devices->list[i]);
    devices->count = 0;
    memset(devices->slots, 0, sizeof devices->slots);
}

static void take_text(struct query *query, int column, char *ret, size_t size)
{
    const char *text = query_get_text(query, column);
    text_copy(ret, size, text != NULL ? text : "");
}

static void load_row(struct devices *devices, struct query *query)
{
    const char *id = query_get_text(query, 0);
    struct device *device = add(devices, slot_of(devices, id), id, query_get_text(query, 1));
    if (device == NULL)
        return;
    device->state = presence_from_name(query_get_text(query, 2));
    device->state_at_ms = query_get_int(query, 3);
    device->first_at_ms = query_get_int(query, 4);
    device->heard_at_ms = query_get_int(query, 5);
    device->event_at_ms = query_get_int(query, 6);
    device->silent_s = (int)query_get_int(query, 7);
    device->messages = query_get_int(query, 9);
    take_text(query, 10, device->topic, sizeof device->topic);
    take_text(query, 11, device->firmware, sizeof device->firmware);
    device->battery = query_is_null(query, 12) ? -1 : (int)query_get_int(query, 12);
    take_text(query, 13, device->boot, sizeof device->boot);
    device->seq = query_get_int(query, 14);
    device->seq_at_ms = query_get_int(query, 15);
    device->over = query_get_int(query, 16);
    device->over_at_ms = query_get_int(query, 17);
    take_text(query, 18, device->power, sizeof device->power);
    device->power_at_ms = query_get_int(query, 19);
    device->people = query_get_int(query, 20);
    device->people_at_ms = query_get_int(query, 21);
    device->loaded_heard_ms = device->heard_at_ms;
    device->just_loaded = true;
    if (query_is_null(query, 8))
        return;
    device->samples_ms[0] = query_get_int(query, 8);
    device->sample_count = device->sample_next = 1;
}

void devices_load(struct devices *devices)
{
    clear(devices);
    struct query *query = replica_query(
        devices->replica, "SELECT device_id, product, state, state_at, first_at, heard_at, "
                          "event_at, silent_s, offset_ms, messages, topic, firmware, battery, "
                          "boot, seq, seq_at, over, over_at, power, power_at, "
                          "people, people_at FROM device_state");
    while (query_row(query))
        load_row(devices, query);
    query_done(query);
}

int devices_open(struct replica *replica, struct devices **ret, struct err *err)
{
    struct devices *devices = calloc(1, sizeof *devices);
    if (devices == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    devices->replica = replica;
    devices_load(devices);
    *ret = devices;
    return ERR_OK;
}

void devices_close(struct devices *devices)
{
    if (devices == NULL)
        return;
    clear(devices);
    free(devices);
}

void device_note_clock(struct device *device, int64_t device_at_ms, int64_t heard_at_ms)
{
    device->samples_ms[device->sample_next] = heard_at_ms - device_at_ms;
    device->sample_next = (device->sample_next + 1) % DEVICE_SAMPLES;
    if (device->sample_count < DEVICE_SAMPLES)
        device->sample_count++;
}

bool device_clock_offset(const struct device *device, int64_t *ret_ms)
{
    if (device->sample_count == 0)
        return false;
    int64_t least = device->samples_ms[0];
    for (int i = 1; i < device->sample_count; i++)
        if (device->samples_ms[i] < least)
            least = device->samples_ms[i];
    *ret_ms = least > -CLOCK_NEAR_MS && least < CLOCK_NEAR_MS ? 0 : least;
    return true;
}

void devices_write(struct devices *devices, struct device *device)
{
    static const char sql[] =
        "INSERT INTO device_state(device_id, product, state, state_at, first_at, heard_at, "
        "event_at, silent_s, offset_ms, messages, topic, firmware, battery, boot, "
        "seq, seq_at, over, over_at, power, power_at, people, people_at) VALUES (?1, ?2, ?3, ?4, "
        "?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22) "
        "ON CONFLICT(device_id) DO UPDATE SET product = excluded.product, state = excluded.state, "
        "state_at = excluded.state_at, heard_at = excluded.heard_at, "
        "event_at = excluded.event_at, silent_s = excluded.silent_s, "
        "offset_ms = excluded.offset_ms, messages = excluded.messages, topic = excluded.topic, "
        "firmware = excluded.firmware, battery = excluded.battery, boot = excluded.boot, "
        "seq = excluded.seq, seq_at = excluded.seq_at, over = excluded.over, "
        "over_at = excluded.over_at, power = excluded.power, power_at = excluded.power_at, "
        "people = excluded.people, people_at = excluded.people_at";
    struct query *query = replica_query(devices->replica, sql);
    int64_t offset_ms;
    query_text(query, 1, device->id);
    query_text(query, 2, device->product);
    query_text(query, 3, presence_name(device->state));
    query_int(query, 4, device->state_at_ms);
    query_int(query, 5, device->first_at_ms);
    query_int(query, 6, device->heard_at_ms);
    query_int(query, 7, device->event_at_ms);
    query_int(query, 8, device->silent_s);
    if (device_clock_offset(device, &offset_ms))
        query_int(query, 9, offset_ms);
    query_int(query, 10, device->messages);
    query_text(query, 11, device->topic);
    query_text(query, 12, device->firmware);
    if (device->battery >= 0)
        query_int(query, 13, device->battery);
    query_text(query, 14, device->boot);
    query_int(query, 15, device->seq);
    query_int(query, 16, device->seq_at_ms);
    query_int(query, 17, device->over);
    query_int(query, 18, device->over_at_ms);
    query_text(query, 19, device->power);
    query_int(query, 20, device->power_at_ms);
    query_int(query, 21, device->people);
    query_int(query, 22, device->people_at_ms);
    query_row(query);
    query_done(query);
    device->dirty = false;
}
