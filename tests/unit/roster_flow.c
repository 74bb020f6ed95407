/* The flow against GLPK's out-of-kilter algorithm, on small networks made up from a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glpk.h>

#include "gateway/base/err.h"
#include "gateway/base/rnd.h"
#include "gateway/duty/roster/flow.h"

enum { NETWORKS = 1500, NODES_MAX = 14, ARCS_MAX = 60 };

struct network {
    int nodes, arcs;
    struct {
        int from, to, capacity, cost;
    } arc[ARCS_MAX];
};

static int below(struct rnd *rnd, int bound)
{
    return (int)rnd_below(rnd, (uint64_t)bound);
}

static struct network make(uint64_t seed)
{
    struct rnd rnd = rnd_seeded(seed);
    struct network network = {.nodes = 2 + below(&rnd, NODES_MAX - 1)};
    int arcs = below(&rnd, ARCS_MAX);
    while (network.arcs < arcs) {
        int from = below(&rnd, network.nodes), to = below(&rnd, network.nodes);
        if (from == to)
            continue;
        network.arc[network.arcs].from = from;
        network.arc[network.arcs].to = to;
        network.arc[network.arcs].capacity = below(&rnd, 6);
        network.arc[network.arcs++].cost = below(&rnd, 4) == 0 ? 1400 : below(&rnd, 20);
    }
    return network;
}

/* --- the oracle --- */

struct vertex {
    double supply;
};

struct edge {
    double low, capacity, cost, flow;
};

static double oracle(const struct network *network, double *ret_amount)
{
    glp_graph *graph = glp_create_graph(sizeof(struct vertex), sizeof(struct edge));
    double cost = 0;
    glp_add_vertices(graph, network->nodes);
    for (int i = 0; i < network->arcs; i++) {
        glp_arc *arc = glp_add_arc(graph, network->arc[i].from + 1, network->arc[i].to + 1);
        *(struct edge *)arc->data =
            (struct edge){0, network->arc[i].capacity, network->arc[i].cost, 0};
    }
    glp_maxflow_ffalg(graph, 1, network->nodes, offsetof(struct edge, capacity), ret_amount,
                      offsetof(struct edge, flow), -1);
    ((struct vertex *)graph->v[1]->data)->supply = *ret_amount;
    ((struct vertex *)graph->v[network->nodes]->data)->supply = -*ret_amount;
    int code = glp_mincost_okalg(graph, offsetof(struct vertex, supply), offsetof(struct edge, low),
                                 offsetof(struct edge, capacity), offsetof(struct edge, cost),
                                 &cost, offsetof(struct edge, flow), -1);
    assert_int_equal(code, 0);
    glp_delete_graph(graph);
    return cost;
}

/* --- ours --- */

/* The flow on the arcs is one: within capacity, nothing lost on the way, of the cost told. */
static void check_flow(const struct network *network, const struct flow *flow,
                       const struct flow_result *result)
{
    int64_t balance[NODES_MAX + 1] = {0}, cost = 0;
    for (int i = 0; i < network->arcs; i++) {
        int on = flow_on(flow, i);
        assert_in_range(on, 0, network->arc[i].capacity);
        balance[network->arc[i].from] -= on;
        balance[network->arc[i].to] += on;
        cost += (int64_t)on * network->arc[i].cost;
    }
    for (int v = 1; v < network->nodes - 1; v++)
        assert_int_equal(balance[v], 0);
    assert_int_equal(-balance[0], result->amount);
    assert_int_equal(cost, result->cost);
}

static void test_same_as_the_oracle(void **state)
{
    (void)state;
    int moved = 0;
    for (uint64_t seed = 1; seed <= NETWORKS; seed++) {
        struct network network = make(seed);
        struct flow flow;
        assert_int_equal(flow_init(&flow, network.nodes, network.arcs), ERR_OK);
        for (int i = 0; i < network.arcs; i++)
            flow_add(&flow, network.arc[i].from, network.arc[i].to, network.arc[i].capacity,
                     network.arc[i].cost);
        struct flow_result result = flow_solve(&flow, 0, network.nodes - 1);
        double amount = 0, cost = oracle(&network, &amount);
        assert_int_equal(result.amount, (int64_t)amount);
        assert_int_equal(result.cost, (int64_t)cost);
        check_flow(&network, &flow, &result);
        moved += result.amount > 0;
        flow_fini(&flow);
    }
    assert_in_range(moved, NETWORKS / 3, NETWORKS);
}

static void test_sizes(void **state)
{
    (void)state;
    struct flow flow;
    assert_int_equal(flow_init(&flow, 1, 0), ERR_LIMIT);
    assert_int_equal(flow_init(&flow, FLOW_NODES_MAX + 1, 0), ERR_LIMIT);
    assert_int_equal(flow_init(&flow, 2, FLOW_ARCS_MAX + 1), ERR_LIMIT);
    assert_int_equal(flow_init(&flow, 2, 0), ERR_OK);
    struct flow_result result = flow_solve(&flow, 0, 1);
    assert_int_equal(result.amount, 0);
    flow_fini(&flow);
    flow_fini(&(struct flow){0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_oracle),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
