/* Programs on the host backends: whatever the graph and the threads, each node runs once and in its turn. */
#include "cpu_harness.h"

enum { NODES_MAX = 400 };

typedef struct node {
    rlx_packet_dispatch dispatch;
    rlx_packet_host_call call;
    rlx_host_arg arg;
    struct program *program;
    uint32_t number, groups;
    uint64_t cost_ns; /* of a group */
    rlx_status fails;
    _Atomic uint64_t ran; /* groups, in all runs */
} node;

typedef struct program {
    rlx_graph graph;
    node *nodes;
    rlx_packet *packets[NODES_MAX];
    uint32_t unmet[NODES_MAX];
    uint64_t first[NODES_MAX + 1];
    uint32_t successors[NODES_MAX * NODES_MAX / 2];
    bool edge[NODES_MAX][NODES_MAX]; /* from a lower to a higher number */
    uint64_t runs;
    atomic_uint wrong, inside, most_inside;
    void *handle;
} program;

/* Looks whether all predecessors have run as often as this run asks for. */
static void check_order(node *n) {
    program *p = n->program;
    for (uint32_t i = 0; i < n->number; i++) {
        const node *before = &p->nodes[i];
        if (!p->edge[i][n->number] || (p->packets[i]->flags & RLX_PACKET_SKIP)) continue;
        if (atomic_load(&before->ran) != p->runs * before->groups) atomic_fetch_add(&p->wrong, 1);
    }
}

static rlx_status run_node(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    node *n = kernel->args[0].data;
    program *p = n->program;
    uint32_t inside = atomic_fetch_add(&p->inside, 1) + 1, most = atomic_load(&p->most_inside);
    while (inside > most && !atomic_compare_exchange_weak(&p->most_inside, &most, inside)) {}
    check_order(n);
    for (uint64_t i = first; i < first + count; i++)
        if (n->cost_ns) harness_spin(n->cost_ns);
    atomic_fetch_sub(&p->inside, 1);
    atomic_fetch_add(&n->ran, count);
    return n->fails;
}

static rlx_status call_node(void *user) {
    node *n = user;
    check_order(n);
    atomic_fetch_add(&n->ran, 1);
    return n->fails;
}

/* ---- Making graphs ---- */

static program *program_new(const harness_device *device, void *kernel, uint32_t count) {
    (void)device;
    program *p = calloc(1, sizeof *p);
    p->nodes = calloc(count ? count : 1, sizeof *p->nodes);
    p->graph = (rlx_graph){ .struct_size = sizeof p->graph,
                            .count = count,
                            .packets = p->packets,
                            .unmet = p->unmet,
                            .first = p->first,
                            .successors = p->successors };
    for (uint32_t i = 0; i < count; i++) {
        node *n = &p->nodes[i];
        n->program = p;
        n->number = i;
        n->groups = 1;
        n->arg.data = n;
        n->dispatch = harness_dispatch(kernel, 1);
        n->dispatch.args = &n->arg;
        n->dispatch.arg_count = 1;
        p->packets[i] = &n->dispatch.base;
        n->dispatch.base.index = i;
    }
    return p;
}

static void set_groups(node *n, uint32_t groups, uint64_t cost_ns) {
    n->groups = n->dispatch.groups[0] = groups;
    n->dispatch.group_count = groups;
    n->cost_ns = cost_ns;
}

/* A host call is ordered with everything, as the core records it. */
static void make_call(program *p, uint32_t number) {
    node *n = &p->nodes[number];
    n->groups = 1;
    n->call = harness_host_call(call_node, n);
    n->call.base.index = number;
    p->packets[number] = &n->call.base;
    for (uint32_t i = 0; i < number; i++) p->edge[i][number] = true;
    for (uint32_t i = number + 1; i < p->graph.count; i++) p->edge[number][i] = true;
}

static void program_finish(program *p, const harness_device *device) {
    uint64_t edges = 0;
    for (uint32_t i = 0; i < p->graph.count; i++) {
        p->first[i] = edges;
        for (uint32_t j = i + 1; j < p->graph.count; j++) {
            if (!p->edge[i][j]) continue;
            p->successors[edges++] = j;
            p->unmet[j]++;
        }
    }
    p->first[p->graph.count] = edges;
    CHECK_INT(device->backend->program_create(device->handle, &p->graph, &p->handle), RLX_OK);
}

static void program_free(program *p, const harness_device *device) {
    device->backend->program_destroy(device->handle, p->handle);
    free(p->nodes);
    free(p);
}

static rlx_status program_run(program *p, harness_stream *stream) {
    atomic_uint patched = 0;
    rlx_packet_run run = { .base = { .kind = RLX_PACKET_RUN }, .program = p->handle, .values = (void *)&patched };
    p->runs++;
    rlx_status status = harness_run_one(stream, &run.base);
    CHECK_UINT(atomic_load(&patched), 1);
    if (status) {
        CHECK(stream->fault.first == &run.base);
        CHECK(stream->fault.last == &run.base);
    }
    return status;
}

static void check_all_ran(program *p) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < p->graph.count; i++) {
        bool skipped = p->packets[i]->flags & RLX_PACKET_SKIP;
        wrong += atomic_load(&p->nodes[i].ran) != (skipped ? 0 : p->runs * p->nodes[i].groups);
    }
    CHECK_UINT(wrong, 0);
    CHECK_UINT(atomic_load(&p->wrong), 0);
}

/* ---- Tests ---- */

static void random_program(uint64_t seed, uint32_t workers) {
    uint64_t state = seed;
    harness_device device = harness_open(workers);
    harness_stream *stream = harness_stream_open(&device);
    void *kernel = harness_kernel(&device, run_node, NULL);
    uint32_t count = harness_random(&state) % 60, density = harness_random(&state) % 40;
    bool long_ones = harness_random(&state) % 2, calls = harness_random(&state) % 4 == 0;
    program *p = program_new(&device, kernel, count);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = i + 1; j < count; j++)
            p->edge[i][j] = harness_random(&state) % 100 < (j == i + 1 ? 50 : density);
        if (harness_random(&state) % 4 == 0)
            set_groups(&p->nodes[i], 1 + harness_random(&state) % 50, long_ones * 1000);
        if (harness_random(&state) % 10 == 0) p->packets[i]->flags = RLX_PACKET_SKIP;
    }
    for (uint32_t i = 0; i < count && calls; i++)
        if (harness_random(&state) % 10 == 0) make_call(p, i);
    program_finish(p, &device);
    for (int run = 0; run < 5; run++) CHECK_INT(program_run(p, stream), RLX_OK);
    check_all_ran(p);
    if (atomic_load(&tap_failures)) printf("# seed %" PRIu64 ", %u workers\n", seed, workers);
    program_free(p, &device);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_stream_close(stream);
    harness_close(&device);
}

static void random_graphs_run_each_node_once_and_after_its_predecessors(void) {
    for (uint64_t seed = 1; seed <= 300 && !atomic_load(&tap_failures); seed++)
        random_program(seed, (uint32_t)(seed % 5));
}

static void run_shape(uint32_t workers, uint32_t count, bool chain, uint32_t groups, uint64_t cost_ns, int runs,
                      uint32_t *most_inside) {
    harness_device device = harness_open(workers);
    harness_stream *stream = harness_stream_open(&device);
    void *kernel = harness_kernel(&device, run_node, NULL);
    program *p = program_new(&device, kernel, count);
    for (uint32_t i = 0; i < count; i++) {
        set_groups(&p->nodes[i], groups, cost_ns);
        for (uint32_t j = i + 1; j < count && chain; j++) p->edge[i][j] = j - i < 4; /* with edges that others imply */
    }
    program_finish(p, &device);
    for (int run = 0; run < runs; run++) CHECK_INT(program_run(p, stream), RLX_OK);
    check_all_ran(p);
    if (most_inside) *most_inside = atomic_load(&p->most_inside);
    program_free(p, &device);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_stream_close(stream);
    harness_close(&device);
}

static void chains_and_bundles_of_every_size_run(void) {
    for (uint32_t workers = 0; workers <= 3; workers++) {
        for (uint32_t count = 0; count < 6; count++) {
            run_shape(workers, count, true, 1, 0, 3, NULL);
            run_shape(workers, count, false, 1, 0, 3, NULL);
        }
        run_shape(workers, NODES_MAX, true, 1, 0, 200, NULL);
        run_shape(workers, NODES_MAX, false, 1, 0, 200, NULL);
    }
}

static void nodes_that_wait_for_nothing_of_each_other_overlap(void) {
    uint32_t most = 0;
    run_shape(3, 30, false, 1, 200000, 5, &most);
    CHECK(most > 1);
    run_shape(1, 30, false, 1, 1000, 5, &most);
    CHECK_UINT(most, 1);
}

static void long_nodes_of_a_chain_are_shared_out(void) {
    uint32_t most = 0;
    run_shape(3, 10, true, 100, 20000, 5, &most);
    CHECK(most > 1);
}

/* Nodes fail here and there: the failure told is that of the order of recording, in every run. */
static void failing_program(uint64_t seed, uint32_t workers) {
    uint64_t state = seed;
    harness_device device = harness_open(workers);
    harness_stream *stream = harness_stream_open(&device);
    void *kernel = harness_kernel(&device, run_node, NULL);
    uint32_t count = 40, first = UINT32_MAX;
    program *p = program_new(&device, kernel, count);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = i + 1; j < count; j++) p->edge[i][j] = harness_random(&state) % 100 < 5;
        set_groups(&p->nodes[i], 1 + harness_random(&state) % 20, 500);
        if (harness_random(&state) % 6) continue;
        p->nodes[i].fails = (rlx_status)(RLX_ERROR_INVALID + harness_random(&state) % 10);
        if (first == UINT32_MAX) first = i;
    }
    program_finish(p, &device);
    for (int run = 0; run < 10; run++) {
        CHECK_INT(program_run(p, stream), first == UINT32_MAX ? RLX_OK : p->nodes[first].fails);
        if (first != UINT32_MAX) CHECK(stream->fault.inner == p->packets[first]);
    }
    program_free(p, &device);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_stream_close(stream);
    harness_close(&device);
}

static void of_several_nodes_that_fail_the_first_recorded_is_told(void) {
    for (uint64_t seed = 1; seed <= 60; seed++) failing_program(seed, (uint32_t)(seed % 5));
}

static void a_failed_run_leaves_the_program_usable(void) {
    harness_device device = harness_open(3);
    harness_stream *stream = harness_stream_open(&device);
    void *kernel = harness_kernel(&device, run_node, NULL);
    program *p = program_new(&device, kernel, 20);
    for (uint32_t i = 0; i < 20; i++) set_groups(&p->nodes[i], 3, 20000);
    program_finish(p, &device);
    p->nodes[11].fails = RLX_ERROR_KERNEL;
    CHECK_INT(program_run(p, stream), RLX_ERROR_KERNEL);
    p->nodes[11].fails = RLX_OK;
    p->runs = 0;
    for (uint32_t i = 0; i < 20; i++) atomic_store(&p->nodes[i].ran, 0);
    for (int run = 0; run < 5; run++) CHECK_INT(program_run(p, stream), RLX_OK);
    check_all_ran(p);
    program_free(p, &device);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_stream_close(stream);
    harness_close(&device);
}

static void a_skipped_run_does_nothing(void) {
    for (uint32_t workers = 0; workers <= 2; workers++) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        void *kernel = harness_kernel(&device, run_node, NULL);
        program *p = program_new(&device, kernel, 3);
        program_finish(p, &device);
        rlx_packet_run run = { .base = { .kind = RLX_PACKET_RUN, .flags = RLX_PACKET_SKIP }, .program = p->handle };
        CHECK_INT(harness_run_one(stream, &run.base), RLX_OK);
        check_all_ran(p);
        program_free(p, &device);
        device.backend->kernel_destroy(device.handle, kernel);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

/* Two streams run programs of their own, while a third one keeps the pool busy. */
static void programs_of_several_streams_run_side_by_side(void) {
    enum { STREAMS = 3 };
    harness_device device = harness_open(3);
    harness_stream *streams[STREAMS];
    program *programs[STREAMS];
    rlx_packet_run runs[STREAMS];
    void *kernel = harness_kernel(&device, run_node, NULL);
    for (int s = 0; s < STREAMS; s++) {
        streams[s] = harness_stream_open(&device);
        programs[s] = program_new(&device, kernel, 40);
        for (uint32_t i = 0; i < 40; i++) {
            set_groups(&programs[s]->nodes[i], 1 + i % 7, 3000);
            for (uint32_t j = i + 1; j < 40; j++) programs[s]->edge[i][j] = (i * 7 + j * 13) % 11 == 0;
        }
        program_finish(programs[s], &device);
    }
    for (int round = 0; round < 30; round++) {
        for (int s = 0; s < STREAMS; s++) {
            runs[s] = (rlx_packet_run){ .base = { .kind = RLX_PACKET_RUN }, .program = programs[s]->handle };
            rlx_packet *packet = &runs[s].base;
            programs[s]->runs++;
            CHECK_INT(harness_submit(streams[s], &packet, 1), RLX_OK);
        }
        for (int s = 0; s < STREAMS; s++) harness_wait(streams[s]);
    }
    for (int s = 0; s < STREAMS; s++) {
        check_all_ran(programs[s]);
        program_free(programs[s], &device);
        harness_stream_close(streams[s]);
    }
    device.backend->kernel_destroy(device.handle, kernel);
    harness_close(&device);
}

static void a_program_without_memory_is_a_status_and_leaves_nothing(void) {
    harness_wait_for_no_blocks();
    harness_device device = harness_open(3);
    void *kernel = harness_kernel(&device, run_node, NULL);
    program *p = program_new(&device, kernel, 20);
    p->edge[1][7] = p->edge[2][7] = p->edge[3][9] = true;
    program_finish(p, &device);
    int64_t before = atomic_load(&harness_blocks);
    bool refused = true;
    for (int64_t n = 0; refused; n++) {
        void *again = NULL;
        atomic_store(&harness_refuse, n);
        rlx_status status = device.backend->program_create(device.handle, &p->graph, &again);
        atomic_store(&harness_refuse, -1);
        refused = status != RLX_OK;
        if (refused) CHECK_INT(status, RLX_ERROR_OUT_OF_MEMORY);
        else device.backend->program_destroy(device.handle, again);
        CHECK_INT(atomic_load(&harness_blocks), before);
        if (!CHECK(n < 100)) break;
    }
    program_free(p, &device);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_close(&device);
}

static const tap_test tests[] = {
    TAP(random_graphs_run_each_node_once_and_after_its_predecessors),
    TAP(chains_and_bundles_of_every_size_run),
    TAP(nodes_that_wait_for_nothing_of_each_other_overlap),
    TAP(long_nodes_of_a_chain_are_shared_out),
    TAP(of_several_nodes_that_fail_the_first_recorded_is_told),
    TAP(a_failed_run_leaves_the_program_usable),
    TAP(a_skipped_run_does_nothing),
    TAP(programs_of_several_streams_run_side_by_side),
    TAP(a_program_without_memory_is_a_status_and_leaves_nothing),
};

TAP_MAIN(tests)
