/* Commands; see commands.h. The states and their edges are a table; a row moves along them or stays
 * as it is, so a PUBACK after the reply, a reply sent twice or a second tick changes nothing. */
#include "mqtt/commands.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/log.h"
#include "gateway/base/sm.h"
#include "gateway/base/text.h"
#include "mqtt/devices.h"
#include "mqtt/mapping.h"
#include "mqtt/template.h"
#include "mqtt/topic.h"

enum { ARGS_BYTES = 4096, KEEP_DAYS = 30, SLICE = 50, STATE_BYTES = 16 };

enum { QUEUED, GIVEN, SENT, ACKNOWLEDGED, REFUSED, TIMED_OUT, EXPIRED, STATES };

static const struct sm_state states[STATES] = {
    [QUEUED] = {"queued", SM_TO(GIVEN) | SM_TO(EXPIRED)},
    [GIVEN] = {"given", SM_TO(SENT) | SM_TO(ACKNOWLEDGED) | SM_TO(REFUSED) | SM_TO(EXPIRED)},
    [SENT] = {"sent", SM_TO(ACKNOWLEDGED) | SM_TO(REFUSED) | SM_TO(TIMED_OUT)},
    [ACKNOWLEDGED] = {"acknowledged", 0},
    [REFUSED] = {"refused", 0},
    [TIMED_OUT] = {"timed_out", SM_TO(ACKNOWLEDGED) | SM_TO(REFUSED)},
    [EXPIRED] = {"expired", 0},
};

void commands_init(struct commands *commands, struct replica *replica, const struct clock *clock,
                   const char *station, struct ingest *ingest, struct mqtt_outbox *outbox)
{
    *commands = (struct commands){replica, clock, station, ingest, outbox, true};
}

/* --- a command on its way --- */

struct command {
    char id[LIMIT_ID_BYTES + 1];
    char device_id[LIMIT_DEVICE_ID_BYTES + 1];
    char name[PRODUCT_BYTES + 1];
    char state[STATE_BYTES];
    char product[PRODUCT_BYTES + 1];
    char topic[LIMIT_TOPIC_BYTES + 1]; /* where the device was heard last */
    struct json *args;                 /* owned; NULL: none */
    int64_t not_after, timeout_ms;
};

static void get(struct query *query, int column, char *ret, size_t size)
{
    const char *text = query_get_text(query, column);
    text_copy(ret, size, text != NULL ? text : "");
}

static bool load(struct commands *commands, const char *id, struct command *ret)
{
    struct query *query = replica_query(
        commands->replica,
        "SELECT c.device_id, c.name, c.state, d.product, s.topic, c.args, c.not_after,"
        " c.timeout_ms FROM device_command c JOIN device d ON d.id = c.device_id"
        " LEFT JOIN device_state s ON s.device_id = c.device_id WHERE c.id = ?1");
    query_text(query, 1, id);
    bool found = query_row(query);
    *ret = (struct command){.args = NULL};
    if (found) {
        const char *args = query_get_text(query, 5);
        text_copy(ret->id, sizeof ret->id, id);
        get(query, 0, ret->device_id, sizeof ret->device_id);
        get(query, 1, ret->name, sizeof ret->name);
        get(query, 2, ret->state, sizeof ret->state);
        get(query, 3, ret->product, sizeof ret->product);
        get(query, 4, ret->topic, sizeof ret->topic);
        ret->not_after = query_get_int(query, 6);
        ret->timeout_ms = query_get_int(query, 7);
        if (json_parse(args, strlen(args), &ret->args, NULL) != ERR_OK)
            ret->args = NULL;
    }
    query_done(query);
    return found;
}

/* Moves the row along an edge; false: there is none from where it is. */
static bool move(struct commands *commands, const char *id, int to, const char *problem)
{
    char state[STATE_BYTES];
    if (!replica_get_text(commands->replica, state, sizeof state,
                          "SELECT state FROM device_command WHERE id = ?1", "s", id))
        return false;
    int now = 0;
    while (now < STATES && strcmp(states[now].name, state) != 0)
        now++;
    if (now == STATES || (states[now].to & SM_TO(to)) == 0)
        return false;
    bool final = to != GIVEN && to != SENT;
    replica_run(commands->replica,
                "UPDATE device_command SET state = ?2, problem = ?3,"
                " sent_at = CASE WHEN ?2 = 'sent' THEN ?4 ELSE sent_at END,"
                " ended_at = CASE WHEN ?5 THEN ?4 END WHERE id = ?1",
                "sssii", id, states[to].name, problem, clock_wall_ms(commands->clock),
                (int64_t) final);
    log_info("mqtt.command", "id=%s from=%s to=%s%s%s", id, state, states[to].name,
             problem != NULL ? " problem=" : "", problem != NULL ? problem : "");
    return true;
}

/* --- filling in --- */

struct fields {
    const struct commands *commands;
    const struct command *command;
};

static void local_time(int64_t at_ms, char *ret, size_t size)
{
    struct caltime t = caltime_local(at_ms);
    snprintf(ret, size, "%04d-%02d-%02d %02d:%02d:%02d", t.year, t.month, t.day, t.hour, t.minute,
             t.second);
}

static bool look_time(const struct fields *fields, const char *name, char *ret, size_t size)
{
    int64_t now = clock_wall_ms(fields->commands->clock);
    if (strcmp(name, "now_local") == 0)
        local_time(now, ret, size);
    else if (strcmp(name, "now_ms") == 0)
        snprintf(ret, size, "%lld", (long long)now);
    else if (strcmp(name, "now_s") == 0)
        snprintf(ret, size, "%lld", (long long)(now / 1000));
    else if (strcmp(name, "until_ms") == 0)
        snprintf(ret, size, "%lld", (long long)fields->command->not_after);
    else
        return false;
    return true;
}

static bool look_arg(const struct json *args, const char *name, char *ret, size_t size)
{
    const char *text = json_text(args, name, NULL);
    return text != NULL && text_copy(ret, size, text);
}

static bool look(void *ctx, const char *name, char *ret, size_t size)
{
    const struct fields *fields = ctx;
    const struct command *command = fields->command;
    int level;
    if (strcmp(name, "device") == 0)
        return text_copy(ret, size, command->device_id);
    if (strcmp(name, "id") == 0)
        return text_copy(ret, size, command->id);
    if (strcmp(name, "station") == 0)
        return text_copy(ret, size, fields->commands->station);
    if (strcmp(name, "own") == 0)
        return topic_own(command->topic, command->device_id, ret, size);
    if (strncmp(name, "topic:", 6) == 0)
        return text_to_int(name + 6, -RULE_LEVELS, RULE_LEVELS, &level) &&
               topic_level(command->topic, level, ret, size) && ret[0] != '\0';
    return look_time(fields, name, ret, size) || look_arg(command->args, name, ret, size);
}

static const struct rule_command *template_of(const struct commands *commands, const char *product,
                                              const char *name)
{
    const struct product *p = mapping_product(ingest_rules(commands->ingest), product);
    for (int i = 0; p != NULL && i < p->command_count; i++)
        if (strcmp(p->commands[i].name, name) == 0)
            return &p->commands[i];
    return NULL;
}

static int render(struct commands *commands, const struct command *command, struct buf *topic,
                  struct buf *payload, int *ret_qos, struct err *err)
{
    const struct rule_command *rule = template_of(commands, command->product, command->name);
    struct fields fields = {commands, command};
    char name[TEMPLATE_NAME_BYTES + 1] = "";
    if (rule == NULL)
        return err_set(err, ERR_NOT_FOUND, "product %s has no command %s", command->product,
                       command->name);
    *ret_qos = rule->qos;
    if (!template_fill(rule->to, false, look, &fields, topic, name) ||
        !template_fill(rule->send, true, look, &fields, payload, name)) {
        if (strncmp(name, "topic:", 6) == 0)
            return err_set(err, ERR_STATE, "device %s was never heard: its topic is not known",
                           command->device_id);
        return name[0] != '\0'
                   ? err_set(err, ERR_INVALID, "command %s needs %s=VALUE", command->name, name)
                   : err_set(err, ERR_LIMIT, "command %s is too long", command->name);
    }
    if (!topic_name_valid(buf_text(topic)))
        return err_set(err, ERR_INVALID, "command %s: a value cannot stand in a topic",
                       command->name);
    return ERR_OK;
}

/* --- asking --- */

static int load_wish(struct commands *commands, const struct command_wish *wish,
                     struct command *ret, struct err *err)
{
    *ret = (struct command){.args = NULL};
    struct query *query = replica_query(
        commands->replica, "SELECT d.product, s.topic FROM device d"
                           " LEFT JOIN device_state s ON s.device_id = d.id WHERE d.id = ?1");
    query_text(query, 1, wish->device_id);
    bool found = query_row(query);
    if (found) {
        get(query, 0, ret->product, sizeof ret->product);
        get(query, 1, ret->topic, sizeof ret->topic);
    }
    query_done(query);
    if (!found || !text_copy(ret->device_id, sizeof ret->device_id, wish->device_id))
        return err_set(err, ERR_NOT_FOUND, "device %.64s is not registered", wish->device_id);
    const struct rule_command *rule = template_of(commands, ret->product, wish->name);
    if (rule == NULL || (rule->automatic && !wish->by_program))
        return err_set(err, ERR_NOT_FOUND, "product %s has no command %.32s", ret->product,
                       wish->name);
    text_copy(ret->name, sizeof ret->name, wish->name);
    int valid_s =
        wish->valid_s > 0 && wish->valid_s < rule->valid_s ? wish->valid_s : rule->valid_s;
    ret->not_after = clock_wall_ms(commands->clock) + valid_s * INT64_C(1000);
    ret->timeout_ms = rule->timeout_s * INT64_C(1000);
    return ERR_OK;
}

/* What it would send is made once to see that nothing is missing. */
static int try_render(struct commands *commands, struct command *command, const struct json *args,
                      struct buf *ret_args, struct err *err)
{
    struct buf topic, payload;
    int qos = 0, code = ERR_OK;
    buf_init(&topic, LIMIT_TOPIC_BYTES);
    buf_init(&payload, LIMIT_MQTT_OUT_BYTES);
    if (args == NULL)
        buf_add_text(ret_args, "{}");
    else if (!json_write(args, ret_args))
        code = err_set(err, ERR_LIMIT, "the values are too long");
    if (code == ERR_OK)
        code = json_parse(buf_text(ret_args), ret_args->size, &command->args, err);
    if (code == ERR_OK)
        code = render(commands, command, &topic, &payload, &qos, err);
    json_free(command->args);
    buf_free(&topic);
    buf_free(&payload);
    return code;
}

static int insert(struct commands *commands, const struct command *command, const char *idem,
                  const char *args, struct err *err)
{
    if (replica_get_int(commands->replica, 0,
                        "SELECT count(*) FROM device_command WHERE state IN ('queued', 'given')",
                        "") >= LIMIT_COMMANDS_WAITING)
        return err_set(err, ERR_LIMIT, "%d commands wait already", LIMIT_COMMANDS_WAITING);
    int64_t rows = replica_run(
        commands->replica,
        "INSERT INTO device_command(id, idem, device_id, name, args, state, created_at, not_after,"
        " timeout_ms) VALUES (?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?8)",
        "sssssiii", command->id, idem, command->device_id, command->name, args,
        clock_wall_ms(commands->clock), command->not_after, command->timeout_ms);
    commands->look = true;
    return rows == 1 ? ERR_OK : err_set(err, ERR_IO, "%s", replica_problem(commands->replica));
}

int commands_ask(struct commands *commands, const struct command_wish *wish,
                 char ret_id[LIMIT_ID_BYTES + 1], struct err *err)
{
    struct command command;
    if (wish->idem != NULL &&
        replica_get_text(commands->replica, ret_id, LIMIT_ID_BYTES + 1,
                         "SELECT id FROM device_command WHERE idem = ?1", "s", wish->idem))
        return ERR_OK;
    int code = load_wish(commands, wish, &command, err);
    if (code != ERR_OK)
        return code;
    struct buf args;
    buf_init(&args, ARGS_BYTES);
    replica_new_id(commands->replica, command.id);
    code = try_render(commands, &command, wish->args, &args, err);
    if (code == ERR_OK)
        code = insert(commands, &command, wish->idem != NULL ? wish->idem : command.id,
                      buf_text(&args), err);
    if (code == ERR_OK)
        memcpy(ret_id, command.id, sizeof command.id);
    buf_free(&args);
    return code;
}

/* --- handing over --- */

static void give(struct commands *commands, const char *id)
{
    struct command command;
    struct buf topic, payload;
    struct err err = {0};
    int qos = 0;
    if (!load(commands, id, &command)) {
        move(commands, id, EXPIRED, "the device is not registered any more");
        return;
    }
    buf_init(&topic, LIMIT_TOPIC_BYTES);
    buf_init(&payload, LIMIT_MQTT_OUT_BYTES);
    int code = render(commands, &command, &topic, &payload, &qos, &err);
    if (code == ERR_OK)
        code = mqtt_outbox_add_command(commands->outbox, id, buf_text(&topic), buf_text(&payload),
                                       payload.size, qos, command.not_after, &err);
    if (code == ERR_OK)
        move(commands, id, GIVEN, NULL);
    else if (code != ERR_LIMIT) /* a full outbox: again in a second */
        move(commands, id, EXPIRED, err.text);
    json_free(command.args);
    buf_free(&topic);
    buf_free(&payload);
}

/* A row at a time, because giving changes what the query walks. */
static bool next_id(struct commands *commands, const char *sql, const char *after,
                    char ret[LIMIT_ID_BYTES + 1])
{
    return replica_get_text(commands->replica, ret, LIMIT_ID_BYTES + 1, sql, "si", after,
                            clock_wall_ms(commands->clock));
}

static const char sql_old[] =
    "SELECT id FROM device_command WHERE state = 'queued' AND not_after < ?2 AND id > ?1"
    " ORDER BY id LIMIT 1";
/* The outbox gives back what it has not handed to the broker; this is what was lost on the way. */
static const char sql_lost[] =
    "SELECT id FROM device_command c WHERE state = 'given' AND not_after < ?2 - 60000 AND id > ?1"
    " AND NOT EXISTS (SELECT 1 FROM mqtt_out o WHERE o.command_id = c.id) ORDER BY id LIMIT 1";
static const char sql_silent[] =
    "SELECT id FROM device_command WHERE state = 'sent' AND timeout_ms > 0"
    " AND sent_at + timeout_ms < ?2 AND id > ?1 ORDER BY id LIMIT 1";
static const char sql_ready[] =
    "SELECT c.id FROM device_command c JOIN device_state s ON s.device_id = c.device_id"
    " WHERE c.state = 'queued' AND s.state <> 'offline' AND c.not_after >= ?2 AND c.id > ?1"
    " ORDER BY c.id LIMIT 1";

static bool anything(struct commands *commands)
{
    return replica_get_int(commands->replica, 0,
                           "SELECT EXISTS (SELECT 1 FROM device_command"
                           " WHERE state IN ('queued', 'given', 'sent'))",
                           "") != 0;
}

void commands_tick(struct commands *commands)
{
    char id[LIMIT_ID_BYTES + 1] = "";
    if (!anything(commands))
        return;
    replica_enter(commands->replica);
    for (int i = 0; i < SLICE && next_id(commands, sql_old, id, id); i++)
        move(commands, id, EXPIRED, "the device was not there in time");
    id[0] = '\0';
    for (int i = 0; i < SLICE && next_id(commands, sql_lost, id, id); i++)
        move(commands, id, EXPIRED, "not handed to the broker");
    id[0] = '\0';
    for (int i = 0; i < SLICE && next_id(commands, sql_silent, id, id); i++)
        move(commands, id, TIMED_OUT, "no reply");
    id[0] = '\0';
    for (int i = 0; i < SLICE && next_id(commands, sql_ready, id, id); i++)
        give(commands, id);
    replica_run(commands->replica, "DELETE FROM device_command WHERE ended_at < ?1", "i",
                clock_wall_ms(commands->clock) - KEEP_DAYS * (int64_t)CALTIME_DAY_MS);
    replica_leave(commands->replica, true);
}

void commands_on_gone(struct commands *commands, const char *id, bool sent)
{
    if (!sent)
        move(commands, id, EXPIRED, "the broker was not there in time");
    else if (move(commands, id, SENT, NULL))
        replica_run(commands->replica,
                    "UPDATE device_command SET ended_at = sent_at WHERE id = ?1 AND timeout_ms = 0",
                    "s", id);
}

bool commands_on_reply(struct commands *commands, const char *device_id, const char *id, bool ok)
{
    char found[LIMIT_ID_BYTES + 1];
    bool by_device = strcmp(id, device_id) == 0;
    if (!replica_get_text(commands->replica, found, sizeof found,
                          "SELECT id FROM device_command WHERE device_id = ?1 AND"
                          " CASE WHEN ?3 THEN state IN ('given', 'sent') ELSE id = ?2 END"
                          " ORDER BY created_at, id LIMIT 1",
                          "ssi", device_id, id, (int64_t)by_device))
        return false;
    return move(commands, found, ok ? ACKNOWLEDGED : REFUSED, ok ? NULL : "the device refused");
}
