/* The few facts that sync remembers between requests (table sync_state), by name. All of it runs in
 * the caller's handler; writers return false when the replica failed. */
#ifndef TOUYAN_SYNC_STATE_H
#define TOUYAN_SYNC_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/replica/replica.h"

bool state_set_int(struct replica *replica, const char *key, int64_t value);
bool state_set_text(struct replica *replica, const char *key, const char *value);
bool state_forget(struct replica *replica, const char *key);
/* 0 and "" when it was never set. */
int64_t state_int(struct replica *replica, const char *key);
void state_text(struct replica *replica, const char *key, char *ret, size_t size);

#endif
