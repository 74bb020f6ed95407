/* See state.h. */
#include "sync/state.h"

bool state_set_int(struct replica *replica, const char *key, int64_t value)
{
    return replica_run(replica,
                       "INSERT INTO sync_state(k, v) VALUES (?1, ?2) "
                       "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                       "si", key, value) >= 0;
}

bool state_set_text(struct replica *replica, const char *key, const char *value)
{
    return replica_run(replica,
                       "INSERT INTO sync_state(k, v) VALUES (?1, ?2) "
                       "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                       "ss", key, value) >= 0;
}

bool state_forget(struct replica *replica, const char *key)
{
    return replica_run(replica, "DELETE FROM sync_state WHERE k = ?1", "s", key) >= 0;
}

int64_t state_int(struct replica *replica, const char *key)
{
    return replica_get_int(replica, 0, "SELECT v FROM sync_state WHERE k = ?1", "s", key);
}

void state_text(struct replica *replica, const char *key, char *ret, size_t size)
{
    ret[0] = '\0';
    replica_get_text(replica, ret, size, "SELECT v FROM sync_state WHERE k = ?1", "s", key);
}
