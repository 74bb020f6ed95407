/* What a station needs once in a while: the nightly backup on a thread of the pool, a checkpoint
 * when the log of the database has grown, and a sign of life to the service manager from the loop
 * that really commits. */
#include "gateway/parts.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/caltime.h"
#include "gateway/base/log.h"

enum {
    UPKEEP_MS = 10000,
    RETRY_MS = 3600000,
    BACKUPS_KEPT = 14,
    /* 64 MiB. A page that is written over and over goes into the database once each time, and each
     * time the disk is busy: not too often. Reading slows down with the length of the log: not too
     * rarely either. */
    WAL_PAGES = 16384,
    CHECKPOINT_MS = 500, /* apart: a reader may keep the log from starting over for a while */
};

void upkeep_tell(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size) < 0)
        log_debug("upkeep.notify", "state=%s failed", state);
    close(fd);
}

struct backup_result {
    int code;
    int64_t at_ms;
    struct err err;
};

static void run_backup(uv_work_t *work)
{
    struct gateway *gateway = ((void **)work->data)[0];
    struct backup_result *result = ((void **)work->data)[1];
    result->code =
        replica_backup(gateway->config->replica.path, gateway->config->replica.backup_dir,
                       result->at_ms, BACKUPS_KEPT, &result->err);
    if (result->code == ERR_OK)
        result->code = replica_checkpoint(gateway->config->replica.path, &result->err);
}

/* In the replica, so that a station that restarts often does not replace its good backups. */
static void remember_backup(struct gateway *gateway, int64_t at_ms)
{
    gateway->backup_done_ms = at_ms;
    replica_enter(gateway->replica);
    replica_run(gateway->replica,
                "INSERT INTO kv(k, v) VALUES ('backup_at', ?1) "
                "ON CONFLICT(k) DO UPDATE SET v=excluded.v",
                "i", at_ms);
    replica_leave(gateway->replica, true);
}

static void on_backup_done(uv_work_t *work, int status)
{
    void **pair = work->data;
    struct gateway *gateway = pair[0];
    struct backup_result *result = pair[1];
    gateway->backup_running = false;
    if (status == 0 && result->code == ERR_OK) {
        remember_backup(gateway, result->at_ms);
        log_info("backup.done", "at=%lld", (long long)result->at_ms);
    } else if (status == 0) {
        log_error("backup.failed", "%s", result->err.text);
    }
    free(result);
    free(pair);
}

static void begin_backup(struct gateway *gateway, int64_t now)
{
    void **pair = calloc(2, sizeof *pair);
    struct backup_result *result = calloc(1, sizeof *result);
    if (pair == NULL || result == NULL) {
        free(pair);
        free(result);
        return;
    }
    pair[0] = gateway;
    pair[1] = result;
    result->at_ms = now;
    gateway->backup_try_mono_ms = clock_mono_ms(&gateway->clock) + RETRY_MS;
    gateway->backup_work.data = pair;
    gateway->backup_running =
        uv_queue_work(&gateway->loop, &gateway->backup_work, run_backup, on_backup_done) == 0;
}

/* --- checkpoints --- */

static void run_checkpoint(uv_work_t *work)
{
    struct gateway *gateway = work->data;
    struct err err = {0};
    if (replica_checkpoint(gateway->config->replica.path, &err) != ERR_OK)
        log_warn("upkeep.checkpoint", "%s", err.text);
}

static void on_checkpoint_done(uv_work_t *work, int status)
{
    struct gateway *gateway = work->data;
    gateway->checkpoint_running = false;
    gateway->checkpoint_rest = status == 0;
}

void upkeep_after_turn(struct gateway *gateway)
{
    int64_t now = clock_mono_ms(&gateway->clock);
    if (gateway->checkpoint_rest) {
        gateway->checkpoint_rest = false;
        replica_checkpoint_rest(gateway->replica);
        return;
    }
    if (gateway->checkpoint_running || gateway->stopping ||
        replica_wal_pages(gateway->replica) < WAL_PAGES || now < gateway->checkpoint_mono_ms)
        return;
    gateway->checkpoint_mono_ms = now + CHECKPOINT_MS;
    gateway->checkpoint_work.data = gateway;
    gateway->checkpoint_running = uv_queue_work(&gateway->loop, &gateway->checkpoint_work,
                                                run_checkpoint, on_checkpoint_done) == 0;
}

/* True once a day, at the configured time or as soon after it as the station runs. */
static bool backup_due(const struct gateway *gateway, int64_t now)
{
    int64_t today =
        caltime_midnight(now, 0) + (int64_t)gateway->config->replica.backup_at * CALTIME_MINUTE_MS;
    int64_t last_due = now >= today ? today : today - CALTIME_DAY_MS;
    return !gateway->backup_running && gateway->config->replica.backup_dir[0] != '\0' &&
           gateway->backup_done_ms < last_due &&
           clock_mono_ms(&gateway->clock) >= gateway->backup_try_mono_ms;
}

static void on_upkeep(uv_timer_t *timer)
{
    struct gateway *gateway = timer->data;
    int64_t now = clock_wall_ms(&gateway->clock);
    if (replica_failing(gateway->replica) == NULL)
        upkeep_tell("WATCHDOG=1");
    if (backup_due(gateway, now))
        begin_backup(gateway, now);
}

void upkeep_start(struct gateway *gateway)
{
    uv_timer_init(&gateway->loop, &gateway->upkeep_timer);
    gateway->upkeep_timer.data = gateway;
    gateway->backup_done_ms =
        replica_get_int(gateway->replica, 0, "SELECT v FROM kv WHERE k='backup_at'", "");
    uv_timer_start(&gateway->upkeep_timer, on_upkeep, UPKEEP_MS, UPKEEP_MS);
}

void upkeep_stop(struct gateway *gateway)
{
    uv_close((uv_handle_t *)&gateway->upkeep_timer, NULL);
}
