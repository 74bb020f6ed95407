/* For the tests of sync: the same object over another transport. */
#ifndef TOUYAN_SYNC_INTERNAL_H
#define TOUYAN_SYNC_INTERNAL_H

#include "sync/sync.h"
#include "sync/transport.h"

/* transport NULL: curl. On success the object owns the transport. */
int sync_init_with(struct sync **ret, uv_loop_t *loop, struct replica *replica, struct rnd *rnd,
                   const struct sync_options *options, const struct transport *transport,
                   struct err *err);

#endif
