/* The station's roster: planned on a thread of the pool (the alarm never waits for it), stored and
 * published in turns of the loop. One plan at a time. */
#include "gateway/parts.h"

#include <stdlib.h>

#include "gateway/base/caltime.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/draft/draft.h"
#include "gateway/duty/draft/sheet.h"
#include "gateway/duty/order.h"

static void run_plan(uv_work_t *work)
{
    struct roster_job *job = work->data;
    job->code = draft_solve(job->draft, &job->err);
}

static void store(struct gateway *gateway, struct roster_job *job)
{
    replica_enter(gateway->replica);
    draft_store(gateway->replica, job->draft);
    if (replica_leave(gateway->replica, true))
        log_info("roster.planned", "at=%lld", (long long)clock_wall_ms(&gateway->clock));
    else
        job->code = err_set(&job->err, ERR_IO, "the draft could not be stored: %s",
                            replica_problem(gateway->replica));
}

static void on_planned(uv_work_t *work, int status)
{
    struct roster_job *job = work->data;
    struct gateway *gateway = job->gateway;
    job->running = false;
    if (status == 0 && job->code == ERR_OK && !gateway->stopping)
        store(gateway, job);
    if (job->code != ERR_OK)
        log_error("roster.failed", "%s", job->err.text);
    draft_free(job->draft);
    job->draft = NULL;
}

/* Any day stands for its week; without one it is that of default_ms. */
static int week_of(const char *date, int64_t default_ms, int64_t *ret_ms, struct err *err)
{
    int64_t day = default_ms;
    if (date[0] != '\0' && !caltime_parse_date(date, &day))
        return err_set(err, ERR_INVALID, "\"%.16s\" is no date like 2026-09-14", date);
    *ret_ms = caltime_midnight(day, 1 - caltime_local(day).weekday);
    return ERR_OK;
}

/* To plan: the next one, if nothing else is asked for. */
static int monday_of(struct gateway *gateway, const char *date, int64_t *ret_ms, struct err *err)
{
    int64_t now = clock_wall_ms(&gateway->clock);
    int code = week_of(date, caltime_midnight(now, 7), ret_ms, err);
    if (code != ERR_OK)
        return code;
    if (caltime_midnight(*ret_ms, 7) <= now)
        return err_set(err, ERR_INVALID, "the week of %.16s is over", date);
    return ERR_OK;
}

int roster_begin(void *ctx, const char *date, bool afresh, struct err *err)
{
    struct gateway *gateway = ctx;
    struct roster_job *job = &gateway->roster;
    struct draft_options options = {
        .station_id = gateway->config->station.id,
        .lang = gateway->config->station.lang == CONFIG_LANG_EN ? "en" : "zh-CN",
        .now_ms = clock_wall_ms(&gateway->clock),
        .afresh = afresh,
    };
    if (job->running || gateway->stopping)
        return err_set(err, ERR_BUSY, "a plan is being made, wait for it");
    int code = monday_of(gateway, date, &options.monday_ms, err);
    if (code == ERR_OK)
        code = draft_load(gateway->replica, &options, &job->draft, err);
    if (code != ERR_OK)
        return code;
    job->gateway = gateway;
    job->code = ERR_OK;
    job->err.text[0] = '\0';
    job->work.data = job;
    job->running = uv_queue_work(&gateway->loop, &job->work, run_plan, on_planned) == 0;
    if (job->running)
        return ERR_OK;
    draft_free(job->draft);
    job->draft = NULL;
    return err_set(err, ERR_NOMEM, "no thread for the plan");
}

struct json *roster_state(void *ctx)
{
    struct gateway *gateway = ctx;
    struct json *json = json_new_object();
    json_set_bool(json, "planning", gateway->roster.running);
    json_set_text(json, "problem",
                  gateway->roster.err.text[0] != '\0' ? gateway->roster.err.text : NULL);
    return json;
}

int roster_publish(void *ctx, struct json **ret, struct err *err)
{
    struct gateway *gateway = ctx;
    struct draft_diff diff;
    if (gateway->roster.running)
        return err_set(err, ERR_BUSY, "a plan is being made, wait for it");
    int code = draft_publish(gateway->replica, gateway->config->station.id,
                             clock_wall_ms(&gateway->clock), &diff, err);
    if (code != ERR_OK)
        return code;
    desk_look(gateway);
    log_info("roster.published", "week=%s added=%d removed=%d moved=%d gaps=%d", diff.week,
             diff.added, diff.removed, diff.moved, diff.gaps);
    struct json *json = json_new_object();
    json_set_text(json, "week", diff.week);
    json_set_int(json, "changes", diff.added + diff.removed + diff.moved);
    json_set_int(json, "gaps", diff.gaps);
    *ret = json;
    return ERR_OK;
}

/* --- sheets --- */

int roster_sheet(void *ctx, const struct roster_wish *wish, struct json **ret, struct err *err)
{
    struct gateway *gateway = ctx;
    const char *own = gateway->config->station.id;
    const char *station = wish->station[0] != '\0' ? wish->station : own;
    int64_t monday = 0;
    int code = week_of(wish->date, clock_wall_ms(&gateway->clock), &monday, err);
    if (code != ERR_OK)
        return code;
    *ret = json_new_object();
    char week[CALTIME_DATE_SIZE];
    caltime_format_date(monday, week);
    json_set_text(*ret, "week", week);
    json_set(*ret, "rows", sheet_export(gateway->replica, station, monday, wish->draft));
    json_set(*ret, "saved", sheet_saved(gateway->replica, station, monday));
    return ERR_OK;
}

int roster_import(void *ctx, const struct json *rows, bool baseline, struct json **ret,
                  struct err *err)
{
    struct gateway *gateway = ctx;
    struct sheet_options options = {
        .station_id = gateway->config->station.id,
        .lang = gateway->config->station.lang == CONFIG_LANG_EN ? "en" : "zh-CN",
        .now_ms = clock_wall_ms(&gateway->clock),
    };
    if (gateway->roster.running)
        return err_set(err, ERR_BUSY, "a plan is being made, wait for it");
    replica_enter(gateway->replica);
    int code = (baseline ? sheet_import_baseline : sheet_import)(gateway->replica, &options, rows,
                                                                 ret, err);
    bool kept = replica_leave(gateway->replica, code == ERR_OK);
    if (code == ERR_OK && !kept)
        return err_set(err, ERR_IO, "the sheet could not be stored: %s",
                       replica_problem(gateway->replica));
    if (kept)
        log_info("roster.imported", "rows=%zu baseline=%d", json_count(rows), baseline);
    return *ret != NULL ? ERR_OK : code; /* with the list of what is wrong */
}

int roster_order(void *ctx, const struct json *body, struct err *err)
{
    struct gateway *gateway = ctx;
    replica_enter(gateway->replica);
    int code = order_put(&gateway->duty, body, err);
    if (!replica_leave(gateway->replica, code == ERR_OK) && code == ERR_OK)
        code = err_set(err, ERR_IO, "%s", replica_problem(gateway->replica));
    return code;
}
