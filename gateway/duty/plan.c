/* Plans under way: 方案 and the school lists its plans, each with a code that only this phone has
 * been given; 启动 and that code starts one: its steps go to everybody who is on post at the school
 * or will be within the hour, each once. 停用 and the code ends it, and they hear so. A plan moves
 * many people and a number can be forged: without the code nothing starts.
 *
 * A plan that is started twice, by two phones, is started once. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    CODES_MS = 12 * 3600 * 1000, /* a code that was sent counts so long */
    SOON_MS = 60 * CALTIME_MINUTE_MS,
    OF_USE_MS = 30 * CALTIME_MINUTE_MS,
    PLANS_MAX = 6,
    STEPS_SIZE = 256,
};

struct plan {
    char id[DUTY_ID_SIZE];
    char school_id[DUTY_ID_SIZE];
    char school[DUTY_NAME_SIZE];
    char steps[STEPS_SIZE];
    char state[16];
};

static void get(struct query *q, int column, char *ret, size_t size)
{
    const char *text = query_get_text(q, column);
    text_copy(ret, size, text == NULL ? "" : text);
}

/* The plan of a code that this phone was sent. */
static bool plan_of_code(struct duty *duty, const struct incoming *in, struct plan *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT c.id, c.school_id, coalesce(nullif(s.short, ''), s.name),"
                       " json_extract(c.body, '$.steps'), c.state FROM prompt p"
                       " JOIN card c ON c.id = p.ref_id LEFT JOIN school s ON s.id = c.school_id"
                       " WHERE p.phone = ?1 AND p.kind = 'plan' AND p.code = ?2"
                       " AND p.expires_at > ?3 AND c.state <> 'off'");
    query_text(q, 1, in->text->phone);
    query_text(q, 2, in->command.code);
    query_int(q, 3, duty->now_ms);
    bool found = query_row(q);
    if (found) {
        get(q, 0, ret->id, sizeof ret->id);
        get(q, 1, ret->school_id, sizeof ret->school_id);
        get(q, 2, ret->school, sizeof ret->school);
        get(q, 3, ret->steps, sizeof ret->steps);
        get(q, 4, ret->state, sizeof ret->state);
    }
    query_done(q);
    return found;
}

/* --- 方案 --- */

/* "疏导一4821(运行中)；防范4822"; ret_first: the first code, as the example. */
static void list_plans(struct duty *duty, const struct incoming *in, const char *school_id,
                       char ret[DUTY_LIST_SIZE], char ret_first[COMMAND_CODE_SIZE])
{
    struct ids ids;
    size_t used = 0;
    struct query *q = replica_query(
        duty->replica, "SELECT id FROM card WHERE kind = 'plan' AND school_id = ?1"
                       " AND state <> 'off' ORDER BY state <> 'running', code LIMIT ?2");
    query_text(q, 1, school_id);
    query_int(q, 2, PLANS_MAX);
    ids_collect(q, &ids);
    ret[0] = ret_first[0] = '\0';
    for (int i = 0; i < ids.count && used < DUTY_LIST_SIZE - DUTY_NAME_SIZE - 32; i++) {
        char name[DUTY_NAME_SIZE] = "", code[COMMAND_CODE_SIZE] = "";
        int64_t prompt = prompt_open(duty, in->text->phone, "plan", ids.at[i], NULL, false,
                                     duty->now_ms + (int64_t)CODES_MS);
        replica_get_text(duty->replica, name, sizeof name, "SELECT name FROM card WHERE id = ?1",
                         "s", ids.at[i]);
        replica_get_text(duty->replica, code, sizeof code, "SELECT code FROM prompt WHERE id = ?1",
                         "i", prompt);
        if (i == 0)
            text_copy(ret_first, COMMAND_CODE_SIZE, code);
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%s %s", i > 0 ? "；" : "",
                                 name, code);
    }
    ids_free(&ids);
}

void plan_list(struct duty *duty, const struct incoming *in)
{
    char list[DUTY_LIST_SIZE], first[COMMAND_CODE_SIZE];
    struct school_words school;
    if (!school_asked(duty, in, &school))
        return;
    list_plans(duty, in, school.id, list, first);
    struct text_fields fields = {
        .school = school.name, .school_code = school.code, .list = list, .code = first};
    answer(duty, in, list[0] != '\0' ? TEXT_G1_PLANS : TEXT_G1_NONE, &fields);
}

/* --- 启动, 停用 --- */

/* To everybody at the school now or soon; returns how many. */
static int tell_posts(struct duty *duty, const struct plan *plan, enum text_id text,
                      struct text_fields *fields)
{
    struct ids ids;
    struct query *q = replica_query(
        duty->replica, "SELECT min(assignment_id) FROM slot WHERE school_id = ?1 AND published"
                       " AND active AND coalesce(phone, '') <> '' AND end_at > ?2"
                       " AND start_at < ?3 AND state IN ('planned', 'asked', 'confirmed',"
                       " 'swapping', 'on_post') GROUP BY person_id ORDER BY 1");
    query_text(q, 1, plan->school_id);
    query_int(q, 2, duty->now_ms);
    query_int(q, 3, duty->now_ms + (int64_t)SOON_MS);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct slot slot;
        if (!slot_load(duty, ids.at[i], &slot))
            continue;
        struct say what = {
            .text = text,
            .phone = slot.phone,
            .lang = slot.lang,
            .prio = DUTY_PRIO_DUTY,
            .not_after = duty->now_ms + (int64_t)OF_USE_MS,
            .ref_kind = "plan",
            .ref_id = plan->id,
        };
        say(duty, &what, fields, "%s:%s:%s:%lld", text_name(text), plan->id, slot.person_id,
            (long long)duty->now_ms);
    }
    int count = ids.count;
    ids_free(&ids);
    return count;
}

static void turn(struct duty *duty, const struct incoming *in, const struct plan *plan,
                 const char *state, const char *what)
{
    replica_run(duty->replica, "UPDATE card SET state = ?2 WHERE id = ?1", "ss", plan->id, state);
    card_note(duty, plan->id, NULL, what, in->person.id, NULL);
    log_info("duty.plan", "plan=%s %s", plan->id, what);
}

/* Signed by both or not, it is as it was before it ran. */
static const char *state_at_rest(struct duty *duty, const struct plan *plan)
{
    return card_is_signed(duty, plan->id) ? "signed" : "on";
}

void plan_start(struct duty *duty, const struct incoming *in)
{
    struct plan plan;
    struct text_fields fields = {.code = in->command.code};
    if (!in->known || !plan_of_code(duty, in, &plan)) {
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
        return;
    }
    fields.school = plan.school;
    fields.list = plan.steps;
    if (!text_equal(plan.state, "running")) {
        turn(duty, in, &plan, "running", "started");
        fields.count = tell_posts(duty, &plan, TEXT_G2_STEPS, &fields);
    }
    answer(duty, in, TEXT_G3_STARTED, &fields);
}

void plan_stop(struct duty *duty, const struct incoming *in)
{
    struct plan plan;
    struct text_fields fields = {.code = in->command.code};
    if (!in->known || !plan_of_code(duty, in, &plan)) {
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
        return;
    }
    fields.school = plan.school;
    if (text_equal(plan.state, "running")) {
        turn(duty, in, &plan, state_at_rest(duty, &plan), "stopped");
        fields.count = tell_posts(duty, &plan, TEXT_G4_STOPPED, &fields);
    }
    answer(duty, in, TEXT_G4_STOPPED, &fields);
}
