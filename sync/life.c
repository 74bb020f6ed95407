/* See life.h.
 *
 * A stamp is (boot, milliseconds since the machine started): the county's time of it is known as
 * soon as one reply came in that boot, however wrong the wall clock was. Of a boot without any
 * reply (a station without a line for weeks, and a battery that is dead) it is known that it came
 * after what was known before: the newest time of the county that the station had been told, and
 * the stamps of the boots in between (cap_ms). Its stamps are the earliest that they can be, and
 * say so. They grow with each change, so that of two copies of one disk the one with the later
 * change of a group says so.
 *
 * A database that went back in time or was copied cannot go on under its number: the county would
 * take its pushes for repetitions of others. It asks for a new number and pushes what is open: what
 * was in flight first, as it was, so that what the county has of it already is told from what was
 * changed on top of it. */
#include "sync/life.h"

#include <inttypes.h>

#include "gateway/base/log.h"
#include "sync/state.h"
#include "sync/wire_sql.h"

enum { CLOCK_AGREES_MS = 2000 };

/* The last stamp of the boots that never met the county: only marks that are open have one that is
 * later than what the county has said. */
#define LAST_STAMP                                                                                 \
    "(SELECT max(b.cap_ms + m.bt) FROM sync_out m JOIN sync_boot b ON b.boot = m.boot WHERE "      \
    "m.st <> 2 AND m.st <> 4 AND m.bt IS NOT NULL AND b.boot_off_ms IS NULL)"

static void note_start(struct wire *wire, const struct machine *machine)
{
    const char *boot_id = machine->boot_id[0] != '\0' ? machine->boot_id : NULL;
    int64_t county_ms = state_int(wire->replica, "county_ms");
    replica_run(
        wire->replica,
        "INSERT INTO sync_boot(boot, boot_id, started_at, cap_ms, boot_off_ms, off_ms, q) SELECT "
        "coalesce((SELECT max(boot) FROM sync_boot), 0) + 1, coalesce(?1, new_id()), now_ms(), "
        "coalesce(b.cap_ms, max(?2, coalesce(" LAST_STAMP ", 0))), b.boot_off_ms, b.off_ms, "
        "coalesce(b.q, 0) FROM (SELECT 1) LEFT JOIN (SELECT * FROM sync_boot WHERE boot_id = ?1 "
        "ORDER BY boot DESC LIMIT 1) b",
        "si", boot_id, county_ms);
    wire->boot = replica_get_int(wire->replica, 0, "SELECT max(boot) FROM sync_boot", "");
}

static bool is_elsewhere(struct wire *wire, const struct machine *machine)
{
    char known[MACHINE_TEXT_BYTES + 1];
    char now[MACHINE_TEXT_BYTES + 1];
    state_text(wire->replica, "machine", known, sizeof known);
    bool elsewhere = !machine_is(machine, known);
    if (elsewhere)
        machine_print(machine, now);
    else
        machine_merge(machine, known, now);
    state_set_text(wire->replica, "machine", now);
    return elsewhere;
}

bool life_begin(struct wire *wire, const struct machine *machine)
{
    note_start(wire, machine);
    bool ok = true;
    if (is_elsewhere(wire, machine))
        ok = life_reincarnate(wire, "copy", "the database lies on another machine than before");
    if (ok && replica_was_restored(wire->replica))
        ok = life_reincarnate(wire, "reinc", "the database was taken from a backup");
    return ok;
}

bool life_reincarnate(struct wire *wire, const char *code, const char *why)
{
    struct replica *replica = wire->replica;
    int64_t before = state_int(replica, "inc");
    if (replica_set_restored(replica, false) != ERR_OK)
        return false;
    if (before == 0)
        return true; /* it has none yet, the next request asks for one */
    log_warn("sync.reincarnated", "from=%" PRId64 " why=\"%s\"", before, why);
    return state_set_int(replica, "inc", 0) && state_set_text(replica, "tok", "") &&
           state_set_int(replica, "acked", 0) && state_set_int(replica, "reinc_from", before) &&
           state_set_int(replica, "reincs", state_int(replica, "reincs") + 1) &&
           state_set_text(replica, "reinc_why", why) &&
           state_set_text(replica, "reinc_code", code) &&
           replica_run(replica,
                       "INSERT INTO sync_state(k, v) VALUES ('reinc_at', now_ms()) "
                       "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                       "") >= 0;
}

bool life_note_time(struct wire *wire, int64_t county_ms)
{
    const struct clock *clock = replica_clock(wire->replica);
    int64_t wall_off = county_ms - clock_wall_ms(clock);
    bool agrees = wall_off <= CLOCK_AGREES_MS && wall_off >= -CLOCK_AGREES_MS;
    return replica_run(wire->replica,
                       "UPDATE sync_boot SET boot_off_ms = ?1, off_ms = ?2, q = ?3 WHERE boot_id = "
                       "(SELECT boot_id FROM sync_boot WHERE boot = ?4)",
                       "iiii", county_ms - clock_boot_ms(clock), wall_off,
                       (int64_t)(agrees ? 2 : 1), wire->boot) >= 0 &&
           state_set_int(wire->replica, "county_ms", county_ms);
}

bool life_clock_known(struct wire *wire)
{
    return life_clock_quality(wire) > 0;
}

int life_clock_quality(struct wire *wire)
{
    return (int)replica_get_int(wire->replica, 0, "SELECT q FROM sync_boot WHERE boot = ?1", "i",
                                wire->boot);
}

bool life_claim(struct wire *wire, int64_t after, int64_t last)
{
    return replica_run(wire->replica, wire_sql_claim(), "iiii", last, wire->boot,
                       (int64_t)CLOCK_AGREES_MS, after) >= 0;
}
