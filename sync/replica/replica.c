/* One transaction a turn of the loop; see replica.h.
 *
 * Happy path: the first replica_enter() of a turn begins the transaction, each later handler writes
 * in a savepoint, replica_commit() stamps the turn's number, commits and then runs the
 * acknowledgements.
 *
 * When COMMIT fails nobody knows what is on the disk. The connection is closed and opened again and
 * the number of the last committed turn is read: if it is ours, the commit had happened after all.
 * If the file cannot be opened (or nothing can be written: disk full), replica_failing() says why
 * and the owner calls replica_retry() until it works; inputs are refused meanwhile. */
#include "sync/replica/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"

static bool exec(struct replica *replica, const char *sql)
{
    if (replica->db == NULL)
        return false;
    if (sqlite3_exec(replica->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    replica_note_problem(replica, sql);
    return false;
}

static void set_failing(struct replica *replica, const char *why)
{
    snprintf(replica->failing, sizeof replica->failing, "%s", why);
    log_error("replica.failing", "%s", replica->failing);
}

static void begin_turn(struct replica *replica)
{
    replica->in_turn = replica->db != NULL && replica_run(replica, "BEGIN IMMEDIATE", "") >= 0;
    if (!replica->in_turn && replica->failing[0] == '\0')
        set_failing(replica, replica->problem);
}

static const char *const open_savepoint[HANDLER_DEPTH] = {
    "SAVEPOINT h0", "SAVEPOINT h1", "SAVEPOINT h2", "SAVEPOINT h3",
    "SAVEPOINT h4", "SAVEPOINT h5", "SAVEPOINT h6", "SAVEPOINT h7",
};
static const char *const keep_savepoint[HANDLER_DEPTH] = {
    "RELEASE h0", "RELEASE h1", "RELEASE h2", "RELEASE h3",
    "RELEASE h4", "RELEASE h5", "RELEASE h6", "RELEASE h7",
};
static const char *const drop_savepoint[HANDLER_DEPTH] = {
    "ROLLBACK TO h0; RELEASE h0", "ROLLBACK TO h1; RELEASE h1", "ROLLBACK TO h2; RELEASE h2",
    "ROLLBACK TO h3; RELEASE h3", "ROLLBACK TO h4; RELEASE h4", "ROLLBACK TO h5; RELEASE h5",
    "ROLLBACK TO h6; RELEASE h6", "ROLLBACK TO h7; RELEASE h7",
};

/* What the first handler of a turn takes back is all that was written: it needs no savepoint, for
 * which a copy of each page would be kept. */
static bool is_whole_turn(const struct replica *replica)
{
    return replica->depth == 1 && replica->began_turn;
}

void replica_enter(struct replica *replica)
{
    assert(replica->depth < HANDLER_DEPTH);
    if (replica->depth == 0) {
        replica->problem[0] = '\0';
        replica->began_turn = !replica->in_turn;
        if (!replica->in_turn)
            begin_turn(replica);
    }
    replica->depth++;
    replica->doomed[replica->depth - 1] = !replica->in_turn;
    replica->acks_from[replica->depth - 1] = replica->ack_count;
    if (replica->in_turn && !is_whole_turn(replica))
        replica_run(replica, open_savepoint[replica->depth - 1], "");
}

/* Runs acks[from..] and forgets them. They may register new ones in a new turn. */
static void run_acks(struct replica *replica, size_t from, bool committed)
{
    size_t count = replica->ack_count - from;
    if (count == 0)
        return;
    struct pending_ack *acks = malloc(count * sizeof *acks);
    if (acks == NULL)
        abort();
    memcpy(acks, replica->acks + from, count * sizeof *acks);
    replica->ack_count = from;
    for (size_t i = 0; i < count; i++)
        acks[i].fn(acks[i].ctx, acks[i].arg, committed);
    free(acks);
}

static bool close_savepoint(struct replica *replica, bool keep)
{
    int at = replica->depth - 1;
    if (is_whole_turn(replica)) {
        replica->in_turn = keep || !exec(replica, "ROLLBACK");
        return keep;
    }
    if (keep)
        return replica_run(replica, keep_savepoint[at], "") >= 0;
    exec(replica, drop_savepoint[at]);
    return false;
}

bool replica_leave(struct replica *replica, bool ok)
{
    assert(replica->depth > 0);
    bool keep = ok && !replica->doomed[replica->depth - 1];
    size_t acks_from = replica->acks_from[replica->depth - 1];
    if (replica->in_turn && sqlite3_get_autocommit(replica->db) != 0) {
        /* SQLite rolled the whole transaction back by itself (disk full, I/O error) */
        replica->in_turn = false;
        set_failing(replica, replica->problem);
        keep = false;
        acks_from = 0;
    } else if (replica->in_turn) {
        keep = close_savepoint(replica, keep);
    }
    replica->depth--;
    if (!keep)
        run_acks(replica, acks_from, false);
    return keep;
}

void replica_after_commit(struct replica *replica, replica_ack_fn *fn, void *ctx, int64_t arg)
{
    assert(replica->depth > 0 && replica->ack_count < LIMIT_TURN_ACKS);
    replica->acks[replica->ack_count++] = (struct pending_ack){fn, ctx, arg};
}

static bool stamp_and_commit(struct replica *replica)
{
    int64_t stamped =
        replica_run(replica, "UPDATE kv SET v=?1 WHERE k='turn'", "i", replica->turn + 1);
    return stamped == 1 && replica_run(replica, "COMMIT", "") >= 0;
}

/* Opens again what a failed commit or a failed start of a turn left; true when it can be written.
 */
static bool reopen(struct replica *replica)
{
    struct err err = {0};
    if (replica->db != NULL)
        replica_disconnect(replica);
    replica->in_turn = false;
    if (replica_connect(replica, &err) != ERR_OK) {
        set_failing(replica, err.text);
        return false;
    }
    return true;
}

static bool look_after_failure(struct replica *replica)
{
    if (!reopen(replica))
        return false;
    int64_t last = replica_get_int(replica, -1, "SELECT v FROM kv WHERE k='turn'", "");
    bool happened = last == replica->turn + 1;
    log_warn("replica.looked", "turn=%lld committed=%d", (long long)replica->turn + 1, happened);
    return happened;
}

bool replica_commit(struct replica *replica)
{
    assert(replica->depth == 0);
    if (!replica->in_turn) {
        bool nothing = replica->ack_count == 0;
        run_acks(replica, 0, false);
        return nothing;
    }
    int64_t began_us = clock_mono_us();
    bool committed = stamp_and_commit(replica);
    replica->commit_us = clock_mono_us() - began_us;
    if (!committed) {
        char why[LIMIT_ERR_TEXT];
        memcpy(why, replica->problem, sizeof why);
        committed = look_after_failure(replica);
        if (!committed)
            set_failing(replica, why);
    }
    replica->in_turn = false;
    if (committed)
        replica->turn++;
    run_acks(replica, 0, committed);
    return committed;
}

int64_t replica_commit_us(const struct replica *replica)
{
    return replica->commit_us;
}

bool replica_in_turn(const struct replica *replica)
{
    return replica->in_turn || replica->ack_count > 0;
}

const char *replica_failing(const struct replica *replica)
{
    return replica->failing[0] != '\0' ? replica->failing : NULL;
}

bool replica_retry(struct replica *replica)
{
    if (replica->failing[0] == '\0')
        return true;
    assert(replica->depth == 0);
    if (!reopen(replica))
        return false;
    replica->turn = replica_get_int(replica, replica->turn, "SELECT v FROM kv WHERE k='turn'", "");
    if (!exec(replica, "BEGIN IMMEDIATE") || !stamp_and_commit(replica)) {
        sqlite3_exec(replica->db, "ROLLBACK", NULL, NULL, NULL);
        return false;
    }
    replica->turn++;
    replica->failing[0] = '\0';
    log_info("replica.well", "turn=%lld", (long long)replica->turn);
    return true;
}

int replica_wal_pages(const struct replica *replica)
{
    return replica->wal_pages;
}

void replica_checkpoint_rest(struct replica *replica)
{
    assert(replica->depth == 0 && !replica->in_turn);
    if (replica->db != NULL)
        sqlite3_wal_checkpoint_v2(replica->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

const char *replica_problem(const struct replica *replica)
{
    return replica->problem;
}

void replica_new_id(struct replica *replica, char ret[LIMIT_ID_BYTES + 1])
{
    uuid_next(&replica->ids, ret);
}

const struct clock *replica_clock(struct replica *replica)
{
    return replica->clock;
}

const char *replica_path(const struct replica *replica)
{
    return replica->path;
}

struct seal *replica_seal(struct replica *replica)
{
    return replica->seal;
}

void replica_set_applying(struct replica *replica, bool applying)
{
    replica->applying = applying;
}
