/* Commands by radio go the way of a text message, and what the duty says comes back: an alarm by
 * radio besides SMS, to everybody it is sent to who has a radio; an answer to a radio by radio
 * alone, unless it is about an alarm, or says what not everybody may hear (air.h). Whoever takes an
 * alarm first, by whichever of the two, ends both: the duty knows no difference and cancels both.
 *
 * Failures: a text whose code does not hold is not obeyed and its sender told; one that is half an
 * hour old, or of somebody without a telephone here, is for the desk. What cannot go by radio is
 * logged and, when it is an answer, goes by SMS. */
#include "gateway/parts.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/air.h"

enum { SAY_MS = 15 * 60 * 1000 /* a text by hand is of use so long */ };

_Static_assert((int)CONFIG_LONG_SLOW == (int)LORA_LONG_SLOW &&
                   (int)CONFIG_MEDIUM_FAST == (int)LORA_MEDIUM_FAST,
               "the presets of the configuration are those of lora.h");

static int make_link(const struct config *config, struct radio_link *ret, struct err *err)
{
    const struct config_radio *radio = &config->radio;
    char key[CONFIG_SECRET_BYTES + 1] = "";
    if (radio->key_file[0] != '\0' && config_read_secret(radio->key_file, key, err) != ERR_OK)
        return err_wrap(err, "radio.key_file");
    const struct radio_settings settings = {
        .station = config->station.id,
        .root = radio->root,
        .channel = radio->channel,
        .node = radio->node,
        .json = radio->downlink == CONFIG_JSON,
        .channel_index = radio->channel_index,
        .key = key,
        .preset = (enum lora_preset_id)radio->preset,
        .emission_ms = radio->emission_ms,
        .hops = radio->hops,
        .text_bytes = radio->text_bytes,
        .text_gap_ms = radio->text_gap_s * 1000,
    };
    int code = radio_link_make(&settings, ret, err);
    explicit_bzero(key, sizeof key);
    return code;
}

int radio_settings_check(const struct config *config, struct err *err)
{
    struct radio_link link;
    int code = make_link(config, &link, err);
    explicit_bzero(&link, sizeof link);
    return code;
}

/* --- heard --- */

static void put_on_desk(struct gateway *gateway, const struct radio_heard *heard, const char *phone)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(gateway->replica, id);
    replica_run(gateway->replica,
                "INSERT INTO desk_item(id, at, kind, phone, person_id, ref_id, body)"
                " VALUES (?1, ?2, 'text', nullif(?3, ''), ?4, ?5, seal(?6))",
                "sissss", id, heard->heard_at_ms, phone, heard->person_id, heard->id, heard->text);
    desk_look(gateway);
}

static enum text_lang station_lang(const struct gateway *gateway)
{
    return gateway->config->station.lang == CONFIG_LANG_EN ? TEXT_EN : TEXT_ZH;
}

/* An answer of ours, in plain words, to the radio that wrote. */
static void answer(struct gateway *gateway, const char *heard_id, enum text_id id)
{
    char text[TEXT_SIZE], idem[LIMIT_LOG_LINE];
    struct text_fields none = {0};
    struct err err = {0};
    text_render(id, station_lang(gateway), &none, text, sizeof text);
    snprintf(idem, sizeof idem, "%s:%s", text_name(id), heard_id);
    struct radio_message message = {
        .idem = idem,
        .text = text,
        .prio = DUTY_PRIO_DUTY,
        .not_after_ms = clock_wall_ms(&gateway->clock) + SAY_MS,
        .ref_kind = "answer",
        .ref_id = heard_id,
    };
    if (radio_answer(gateway->radio, heard_id, &message, &err) != ERR_OK)
        log_warn("radio.answer", "%s", err.text);
}

static bool on_text(void *ctx, const struct radio_heard *heard)
{
    struct gateway *gateway = ctx;
    char phone[LIMIT_SEALED_PHONE_BYTES + 1] = "";
    char command[LIMIT_RADIO_TEXT_BYTES + 16];
    bool known = replica_get_text(gateway->replica, phone, sizeof phone,
                                  "SELECT phone FROM person WHERE id = ?1"
                                  " AND coalesce(active, 1) <> 0",
                                  "s", heard->person_id);
    if (!known || heard->late) {
        put_on_desk(gateway, heard, phone);
        return known;
    }
    if (!air_read(heard->text, command, sizeof command)) {
        answer(gateway, heard->id, TEXT_A20_BAD_CODE);
        return true;
    }
    struct duty_text_in in = {
        .id = heard->id,
        .phone = phone,
        .number = "",
        .body = command,
        .sent_at_ms = heard->sent_at_ms,
        .heard_at_ms = heard->heard_at_ms,
        .can_answer = true,
        .person_id = heard->person_id,
    };
    duty_on_text(&gateway->duty, &in);
    desk_look(gateway);
    return true;
}

void radio_talk(void *ctx, const struct mqtt_talk *talk)
{
    struct gateway *gateway = ctx;
    radio_on_talk(gateway->radio, talk);
}

int radio_open_payload(void *ctx, const char *topic, const void *payload, size_t size,
                       struct buf *ret)
{
    struct gateway *gateway = ctx;
    return radio_unpack(gateway->radio, topic, payload, size, ret);
}

void radio_on_state(void *ctx, bool connected, int64_t since_ms, const char *why)
{
    struct gateway *gateway = ctx;
    (void)connected;
    (void)since_ms;
    (void)why;
    radio_wake(gateway->radio);
}

/* --- said --- */

bool radio_take_message(struct gateway *gateway, const struct duty_message *message)
{
    bool alarm = message->prio == DUTY_PRIO_PANIC;
    bool to_radio = text_equal(message->ref_kind, "answer") &&
                    strncmp(message->ref_id, "radio/", strlen("radio/")) == 0;
    struct err err = {0};
    struct radio_message out = {
        .idem = message->idem,
        .text = message->air,
        .prio = message->prio,
        .not_after_ms = message->not_after_ms,
        .ref_kind = message->ref_kind,
        .ref_id = message->ref_id,
    };
    if (message->air == NULL) {
        if (to_radio)
            answer(gateway, message->ref_id, TEXT_A19_BY_SMS);
        return false;
    }
    if (!to_radio) {
        if (alarm)
            radio_say_phone(gateway->radio, message->phone, &out);
        return false;
    }
    if (radio_answer(gateway->radio, message->ref_id, &out, &err) == ERR_OK)
        return !alarm;
    log_warn("radio.answer", "idem=%s %s", message->idem, err.text);
    return false;
}

void radio_before_commit(struct gateway *gateway)
{
    if (gateway->mqtt == NULL || gateway->stopping || replica_failing(gateway->replica) != NULL ||
        !radio_is_due(gateway->radio))
        return;
    replica_enter(gateway->replica);
    radio_pump(gateway->radio);
    if (!replica_leave(gateway->replica, true))
        log_error("radio.pump", "%s", replica_problem(gateway->replica));
}

static bool port_online(void *ctx)
{
    struct gateway *gateway = ctx;
    return mqtt_status(gateway->mqtt).connected;
}

static const struct mapping *port_rules(void *ctx)
{
    struct gateway *gateway = ctx;
    return mqtt_rules(gateway->mqtt);
}

static int port_publish(void *ctx, const char *topic, const void *payload, size_t size,
                        int64_t until_ms, struct err *err)
{
    struct gateway *gateway = ctx;
    return mqtt_publish(gateway->mqtt, topic, payload, size, 1, false, until_ms, err);
}

int radio_init(struct gateway *gateway, struct err *err)
{
    struct radio_options options = {
        .replica = gateway->replica,
        .clock = &gateway->clock,
        .rnd = &gateway->rnd,
        .air_percent = gateway->config->radio.air_percent,
    };
    struct radio_ports ports = {gateway, on_text, port_publish, port_online, port_rules};
    int code = make_link(gateway->config, &options.link, err);
    if (code == ERR_OK)
        code = radio_open(&options, &ports, &gateway->radio, err);
    explicit_bzero(&options.link, sizeof options.link);
    return code;
}

/* --- by hand --- */

static int send_by_hand(struct gateway *gateway, const char *product, const char *node,
                        const char *text, struct err *err)
{
    char idem[LIMIT_ID_BYTES + 8] = "hand:";
    replica_new_id(gateway->replica, idem + strlen(idem));
    struct radio_message message = {
        .idem = idem,
        .text = text,
        .prio = DUTY_PRIO_DUTY,
        .not_after_ms = clock_wall_ms(&gateway->clock) + SAY_MS,
        .ref_kind = "hand",
    };
    return radio_say(gateway->radio, product, node, &message, err);
}

int radio_act(void *ctx, const struct json *body, struct err *err)
{
    struct gateway *gateway = ctx;
    const char *act = json_text(body, "act", ""), *node = json_text(body, "node", NULL);
    const char *person = json_text(body, "person", NULL), *text = json_text(body, "text", NULL);
    const char *product = json_text(body, "product", NULL);
    if (node == NULL)
        return err_set(err, ERR_INVALID, "the body needs \"act\" and \"node\"");
    if (product == NULL)
        product = node[0] == '!' ? radio_meshtastic.name : "radio_text";
    if (text_equal(act, "add") && person != NULL)
        return radio_add(gateway->radio, product, node, person, err);
    if (text_equal(act, "remove"))
        return radio_remove(gateway->radio, product, node, err);
    if (text_equal(act, "send") && text != NULL)
        return send_by_hand(gateway, product, node, text, err);
    return err_set(err, ERR_INVALID,
                   "\"act\" is add (with \"person\"), remove, or send (with \"text\")");
}
