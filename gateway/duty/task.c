/* One post, several tasks (一岗多能): cards of kind task name what else is done from a post: a
 * round through the alley, a look for hazards, leaflets. They are printed with the roster; who
 * checks out is asked for them, and 任务 with their numbers ticks them, each once a duty. */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"

enum {
    TASKS_MAX = 9,            /* one digit each */
    TICK_MS = 3 * 3600 * 1000 /* after the end of the duty */
};

/* The cards of the slot's post, in the order of their numbers. */
static void tasks_of(struct duty *duty, const struct slot *slot, struct ids *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT c.id FROM card c JOIN post p ON p.id = ?1 WHERE c.kind = 'task'"
                       " AND c.state = 'on' AND c.school_id = p.school_id"
                       " AND coalesce(json_extract(c.body, '$.post'), '') IN ('', p.id, p.name,"
                       "  coalesce(p.short, '')) ORDER BY length(c.code), c.code LIMIT ?2");
    query_text(q, 1, slot->post_id);
    query_int(q, 2, TASKS_MAX);
    ids_collect(q, ret);
}

/* "1东巷巡查；2反诈单": those whose digits are in `which`, NULL: all. Returns how many. */
static int name_tasks(struct duty *duty, const struct ids *tasks, const char *which,
                      char ret[DUTY_LIST_SIZE])
{
    size_t used = 0;
    int count = 0;
    ret[0] = '\0';
    for (int i = 0; i < tasks->count && used < DUTY_LIST_SIZE - DUTY_NAME_SIZE - 16; i++) {
        char name[DUTY_NAME_SIZE] = "";
        if (which != NULL && strchr(which, '1' + i) == NULL)
            continue;
        replica_get_text(duty->replica, name, sizeof name, "SELECT name FROM card WHERE id = ?1",
                         "s", tasks->at[i]);
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%d%.60s",
                                 count > 0 ? "；" : "", i + 1, name);
        count++;
    }
    return count;
}

int task_list(struct duty *duty, const struct slot *slot, char ret[DUTY_LIST_SIZE])
{
    struct ids tasks;
    tasks_of(duty, slot, &tasks);
    int count = name_tasks(duty, &tasks, NULL, ret);
    ids_free(&tasks);
    return count;
}

/* The duty that is on, or ended lately. */
static bool latest(struct duty *duty, const struct incoming *in, struct slot *ret)
{
    char id[DUTY_ID_SIZE];
    return replica_get_text(duty->replica, id, sizeof id,
                            "SELECT assignment_id FROM slot WHERE person_id = ?1"
                            " AND state IN ('on_post', 'done') AND start_at <= ?2 + ?4"
                            " AND end_at > ?2 - ?3 ORDER BY start_at DESC LIMIT 1",
                            "siii", in->person.id, duty->now_ms, (int64_t)TICK_MS,
                            (int64_t)DUTY_EARLY_MS) &&
           slot_load(duty, id, ret);
}

static void tick(struct duty *duty, const struct slot *slot, const struct ids *tasks,
                 const char *which)
{
    for (int i = 0; i < tasks->count; i++)
        if (strchr(which, '1' + i) != NULL &&
            replica_get_int(duty->replica, 0,
                            "SELECT count(*) FROM card_event WHERE card_id = ?1"
                            " AND what = 'ticked' AND detail = ?2",
                            "ss", tasks->at[i], slot->id) == 0)
            card_note(duty, tasks->at[i], NULL, "ticked", slot->person_id, slot->id);
}

/* Nothing but numbers of these tasks. */
static bool names_tasks(const char *digits, int count)
{
    for (; *digits != '\0'; digits++)
        if (*digits < '1' || *digits >= '1' + count)
            return false;
    return true;
}

void task_command(struct duty *duty, const struct incoming *in)
{
    struct slot slot;
    struct ids tasks = {0};
    char digits[COMMAND_ARG_SIZE], list[DUTY_LIST_SIZE];
    struct text_fields fields = {.list = list};
    recognise_fold(in->command.arg, digits, sizeof digits);
    if (!in->known) {
        desk_not_understood(duty, in);
        return;
    }
    bool found = latest(duty, in, &slot);
    if (found)
        tasks_of(duty, &slot, &tasks);
    if (tasks.count == 0) {
        answer(duty, in, found ? TEXT_A19_NO_TASKS : TEXT_A11_NO_DUTY, &fields);
    } else if (digits[0] == '\0' || !names_tasks(digits, tasks.count)) {
        name_tasks(duty, &tasks, NULL, list);
        answer(duty, in, TEXT_A19_TASKS, &fields);
    } else {
        tick(duty, &slot, &tasks, digits);
        name_tasks(duty, &tasks, digits, list);
        answer(duty, in, TEXT_A19_TICKED, &fields);
    }
    ids_free(&tasks);
}
