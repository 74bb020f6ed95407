/* Least-cost flow by successive shortest paths, primal-dual.
 *
 * Each round finds the distances from the source over reduced costs (Dijkstra, which stops at the
 * sink), raises the potentials by them and then sends flow along every path that costs nothing more
 * (depth first, an explicit stack). Rounds end when the sink is out of reach. The number of rounds
 * is at most the number of different path costs, which does not grow with the county; a round costs
 * about the size of the network. Failure: memory, in flow_init() only. */
#include "gateway/duty/roster/flow.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/err.h"

enum { FAR = INT32_MAX, OPEN = 0, ON_PATH = 1, DEAD = 2 };

int flow_init(struct flow *flow, int nodes, int arcs_max)
{
    memset(flow, 0, sizeof *flow);
    if (nodes < 2 || nodes > FLOW_NODES_MAX || arcs_max < 0 || arcs_max > FLOW_ARCS_MAX)
        return ERR_LIMIT;
    size_t n = (size_t)nodes, m = (size_t)arcs_max;
    flow->nodes = nodes;
    flow->arcs_max = arcs_max;
    /* pages of these that are never touched cost nothing */
    flow->given = malloc((m + 1) * sizeof *flow->given);
    flow->arc = malloc((2 * m + 1) * sizeof *flow->arc);
    flow->first = calloc(n + 1, sizeof *flow->first);
    flow->potential = calloc(n, sizeof *flow->potential);
    flow->distance = calloc(n, sizeof *flow->distance);
    flow->next = calloc(n, sizeof *flow->next);
    flow->mark = calloc(n, sizeof *flow->mark);
    flow->path = calloc(n, sizeof *flow->path);
    flow->heap = malloc((2 * m + 2) * sizeof *flow->heap);
    if (flow->arc == NULL || flow->given == NULL || flow->first == NULL ||
        flow->potential == NULL || flow->distance == NULL || flow->next == NULL ||
        flow->mark == NULL || flow->path == NULL || flow->heap == NULL) {
        flow_fini(flow);
        return ERR_NOMEM;
    }
    return ERR_OK;
}

void flow_fini(struct flow *flow)
{
    free(flow->arc);
    free(flow->first);
    free(flow->given);
    free(flow->potential);
    free(flow->distance);
    free(flow->next);
    free(flow->mark);
    free(flow->path);
    free(flow->heap);
    memset(flow, 0, sizeof *flow);
}

int flow_add(struct flow *flow, int from, int to, int capacity, int cost)
{
    assert(flow->arcs < flow->arcs_max && from != to);
    assert(from >= 0 && from < flow->nodes && to >= 0 && to < flow->nodes);
    assert(capacity >= 0 && cost >= 0 && cost <= FLOW_COST_MAX);
    int index = flow->arcs++;
    flow->given[index] = (struct flow_given){from, to, cost, capacity};
    return index;
}

int flow_on(const struct flow *flow, int arc)
{
    return flow->arc[flow->given[arc].capacity].room;
}

/* Each arc and its way back to the node they leave, so that a node's lie together. */
static void sort_arcs(struct flow *flow)
{
    for (int i = 0; i < flow->arcs; i++) {
        flow->first[flow->given[i].from + 1]++;
        flow->first[flow->given[i].to + 1]++;
    }
    for (int v = 0; v < flow->nodes; v++)
        flow->first[v + 1] += flow->first[v];
    memcpy(flow->next, flow->first, (size_t)flow->nodes * sizeof *flow->next);
    for (int i = 0; i < flow->arcs; i++) {
        struct flow_given *given = &flow->given[i];
        int there = flow->next[given->from]++, back = flow->next[given->to]++;
        flow->arc[there] = (struct flow_arc){given->to, given->cost, given->capacity, back};
        flow->arc[back] = (struct flow_arc){given->from, -given->cost, 0, there};
        given->capacity = back;
    }
}

/* --- a heap of (distance, node); what was overtaken stays in it and is skipped when it comes up */

static void heap_push(struct flow *flow, int32_t distance, int node)
{
    int at = flow->heap_size++;
    int64_t item = ((int64_t)distance << 32) | node;
    while (at > 0 && flow->heap[(at - 1) / 2] > item) {
        flow->heap[at] = flow->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    flow->heap[at] = item;
}

static int64_t heap_pop(struct flow *flow)
{
    int64_t *heap = flow->heap, top = heap[0], item = heap[--flow->heap_size];
    int size = flow->heap_size, at = 0, child;
    while ((child = 2 * at + 1) < size) {
        if (child + 1 < size && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= item)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
    return top;
}

/* --- a round --- */

static void relax(struct flow *flow, int node, int sink)
{
    int32_t so_far = flow->distance[node] + flow->potential[node];
    for (int e = flow->first[node]; e < flow->first[node + 1]; e++) {
        const struct flow_arc *arc = &flow->arc[e];
        if (arc->room == 0)
            continue;
        int32_t distance = so_far + arc->cost - flow->potential[arc->to];
        if (distance < flow->distance[arc->to] && distance < flow->distance[sink]) {
            flow->distance[arc->to] = distance;
            heap_push(flow, distance, arc->to);
        }
    }
}

/* Raises the potentials; false: the sink is out of reach. */
static bool measure(struct flow *flow, int source, int sink)
{
    for (int v = 0; v < flow->nodes; v++)
        flow->distance[v] = FAR;
    flow->distance[source] = 0;
    flow->heap_size = 0;
    heap_push(flow, 0, source);
    while (flow->heap_size > 0) {
        int64_t top = heap_pop(flow);
        int node = (int)(top & INT32_MAX);
        if (node == sink)
            break;
        if ((int32_t)(top >> 32) == flow->distance[node])
            relax(flow, node, sink);
    }
    int32_t far = flow->distance[sink];
    if (far == FAR)
        return false;
    for (int v = 0; v < flow->nodes; v++)
        flow->potential[v] += flow->distance[v] < far ? flow->distance[v] : far;
    return true;
}

/* The next arc of `node` that costs nothing and leads on; -1: none, the node is a dead end. */
static int step(struct flow *flow, int node)
{
    for (; flow->next[node] < flow->first[node + 1]; flow->next[node]++) {
        const struct flow_arc *arc = &flow->arc[flow->next[node]];
        if (arc->room > 0 && flow->mark[arc->to] == OPEN &&
            arc->cost + flow->potential[node] == flow->potential[arc->to])
            return flow->next[node];
    }
    return -1;
}

/* Sends what the path can take; returns how much of the path's start stays usable. */
static int send(struct flow *flow, int length, struct flow_result *result)
{
    int32_t amount = INT32_MAX;
    int keep = 0;
    for (int i = length - 1; i >= 0; i--) {
        int32_t room = flow->arc[flow->path[i]].room;
        if (room <= amount) {
            amount = room;
            keep = i;
        }
    }
    for (int i = 0; i < length; i++) {
        int e = flow->path[i];
        flow->arc[e].room -= amount;
        flow->arc[flow->arc[e].back].room += amount;
        result->cost += (int64_t)amount * flow->arc[e].cost;
        if (i >= keep)
            flow->mark[flow->arc[e].to] = OPEN;
    }
    result->amount += amount;
    return keep;
}

/* Sends flow along the arcs that cost nothing until a walk finds no path; false: the first one did
 * not. A node whose way on was on the path itself may count as a dead end although it is none: the
 * next walk finds that. */
static bool walk(struct flow *flow, int source, int sink, struct flow_result *result)
{
    int64_t before = result->amount;
    memset(flow->mark, OPEN, (size_t)flow->nodes);
    memcpy(flow->next, flow->first, (size_t)flow->nodes * sizeof *flow->next);
    int node = source, length = 0;
    flow->mark[source] = ON_PATH;
    for (;;) {
        int e = step(flow, node);
        if (e >= 0) {
            flow->path[length++] = e;
            node = flow->arc[e].to;
            flow->mark[node] = ON_PATH;
            if (node != sink)
                continue;
            length = send(flow, length, result);
        } else {
            flow->mark[node] = DEAD;
            if (length == 0)
                break;
            length--;
        }
        node = length > 0 ? flow->arc[flow->path[length - 1]].to : source;
    }
    return result->amount > before;
}

struct flow_result flow_solve(struct flow *flow, int source, int sink)
{
    struct flow_result result = {0};
    sort_arcs(flow);
    while (measure(flow, source, sink))
        while (walk(flow, source, sink, &result))
            ;
    return result;
}
