/* Least-cost flow in a network with whole numbers: the core of the roster. Pure: no clock, no log,
 * no randomness; the same arcs in the same order give the same flow.
 *
 * Each arc has a capacity >= 0 and a cost >= 0 per unit; parallel arcs are allowed (that is how a
 * cost that rises with each unit is written). */
#ifndef TOUYAN_DUTY_ROSTER_FLOW_H
#define TOUYAN_DUTY_ROSTER_FLOW_H

#include <stdint.h>

enum {
    FLOW_NODES_MAX = 4000000,
    FLOW_ARCS_MAX = 40000000,
    FLOW_COST_MAX = 1000000, /* of one arc */
};

struct flow_arc {
    int32_t to;
    int32_t cost;
    int32_t room; /* what can still flow */
    int32_t back; /* where its way back lies */
};

struct flow_given {
    int32_t from, to, cost;
    int32_t capacity; /* once solved: where the way back lies */
};

/* Opaque in use; by value so that it can lie on the stack. */
struct flow {
    int nodes, arcs, arcs_max;
    struct flow_given *given; /* owned; as added */
    struct flow_arc *arc;     /* owned; those that leave node v are first[v] to first[v + 1] */
    int32_t *first;           /* owned */
    int32_t *potential, *distance, *next; /* owned; one a node */
    uint8_t *mark;
    int32_t *path;
    int64_t *heap; /* owned; distance << 32 | node */
    int heap_size;
};

/* Nodes are 0 to nodes - 1. ERR_LIMIT, ERR_NOMEM. */
int flow_init(struct flow *flow, int nodes, int arcs_max);
void flow_fini(struct flow *flow); /* accepts a zeroed struct */

/* Returns the arc's number, to ask flow_on() later. At most arcs_max (asserted). */
int flow_add(struct flow *flow, int from, int to, int capacity, int cost);

struct flow_result {
    int64_t amount; /* the most that can flow from source to sink ... */
    int64_t cost;   /* ... and the least that it costs */
};

/* To be called once, after the last flow_add(). */
struct flow_result flow_solve(struct flow *flow, int source, int sink);

int flow_on(const struct flow *flow, int arc);

#endif
