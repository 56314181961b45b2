/* The worker pool: groups shared out, streams side by side, host calls that block, and the end of devices. */
#include "cpu_harness.h"

/* ---- Groups ---- */

enum { GROUPS = 20000 };

typedef struct group_counts {
    _Atomic uint32_t hits[GROUPS];
    _Atomic uint32_t threads; /* that ran at once, at most */
    _Atomic uint32_t inside;
    uint64_t (*cost_ns)(uint64_t group); /* NULL: none */
} group_counts;

static rlx_status count_groups(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    group_counts *counts = kernel->user;
    uint32_t inside = atomic_fetch_add(&counts->inside, 1) + 1, most = atomic_load(&counts->threads);
    while (inside > most && !atomic_compare_exchange_weak(&counts->threads, &most, inside)) {}
    for (uint64_t i = first; i < first + count; i++) {
        atomic_fetch_add(&counts->hits[i], 1);
        if (counts->cost_ns && counts->cost_ns(i)) harness_sleep(counts->cost_ns(i));
    }
    atomic_fetch_sub(&counts->inside, 1);
    return harness_depth > 0 ? RLX_OK : RLX_ERROR_ORDER; /* always within callback_enter */
}

static uint64_t even_cost(uint64_t group) { return group % 10 ? 0 : 100000; }

static uint64_t first_tenth_cost(uint64_t group) { return group < 40 ? 200000 : 0; }

static void run_groups(uint32_t workers, uint32_t groups, uint64_t (*cost_ns)(uint64_t), uint32_t *threads) {
    harness_device device = harness_open(workers);
    harness_stream *stream = harness_stream_open(&device);
    group_counts *counts = calloc(1, sizeof *counts);
    counts->cost_ns = cost_ns;
    void *kernel = harness_kernel(&device, count_groups, counts);
    rlx_packet_dispatch dispatch = harness_dispatch(kernel, groups);
    for (uint32_t round = 1; round <= 3; round++) {
        CHECK_INT(harness_run_one(stream, &dispatch.base), RLX_OK);
        uint32_t wrong = 0;
        for (uint32_t i = 0; i < groups; i++) wrong += atomic_load(&counts->hits[i]) != round;
        CHECK_UINT(wrong, 0);
    }
    if (threads) *threads = atomic_load(&counts->threads);
    CHECK(atomic_load(&counts->threads) <= (workers ? workers : 1));
    harness_stream_close(stream);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_close(&device);
    free(counts);
}

static void each_group_runs_exactly_once_with_one_to_eight_workers(void) {
    for (uint32_t workers = 0; workers <= 8; workers++) run_groups(workers, GROUPS, NULL, NULL);
    for (uint32_t groups = 1; groups < 40; groups++) run_groups(3, groups, NULL, NULL);
}

static void long_groups_run_on_several_workers(void) {
    uint32_t threads = 0;
    run_groups(4, 2000, even_cost, &threads);
    CHECK(threads > 1);
}

/* The best of some rounds, since other processes disturb. */
static uint64_t time_uneven_groups(uint32_t workers) {
    harness_device device = harness_open(workers);
    harness_stream *stream = harness_stream_open(&device);
    group_counts *counts = calloc(1, sizeof *counts);
    counts->cost_ns = first_tenth_cost;
    void *kernel = harness_kernel(&device, count_groups, counts);
    rlx_packet_dispatch dispatch = harness_dispatch(kernel, 400);
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < 10; round++) {
        uint64_t begun = rlx_platform_clock_ns();
        CHECK_INT(harness_run_one(stream, &dispatch.base), RLX_OK);
        uint64_t taken = rlx_platform_clock_ns() - begun;
        best = taken < best ? taken : best;
    }
    harness_stream_close(stream);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_close(&device);
    free(counts);
    return best;
}

/* The heavy groups come first, and would all be in one worker's share if shares were equal. */
static void uneven_groups_are_balanced(void) {
    uint64_t alone = time_uneven_groups(1), two = time_uneven_groups(2);
    if (!CHECK(two < alone * 7 / 10)) printf("# %" PRIu64 " ns alone, %" PRIu64 " with two workers\n", alone, two);
}

/* ---- Failures ---- */

static rlx_status fail_from(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    const uint64_t *from = kernel->user;
    harness_spin(1000);
    return first + count > from[0] ? (rlx_status)from[1] : RLX_OK;
}

static void run_failing(uint32_t workers, uint64_t from, rlx_status returned, rlx_status expected, int64_t vendor) {
    uint64_t user[2] = { from, (uint64_t)returned };
    harness_device device = harness_open(workers);
    harness_stream *stream = harness_stream_open(&device);
    void *kernel = harness_kernel(&device, fail_from, user);
    rlx_packet_dispatch good = harness_dispatch(kernel, 1), bad = harness_dispatch(kernel, 1000), never = good;
    if (from == 0) good.base.flags = RLX_PACKET_SKIP;
    rlx_packet *packets[] = { &good.base, &bad.base, &never.base };
    CHECK_INT(harness_run(stream, packets, 3), expected);
    CHECK(stream->fault.first == &bad.base);
    CHECK(stream->fault.last == &bad.base);
    CHECK(stream->fault.inner == NULL);
    CHECK_INT(stream->fault.vendor_code, vendor);
    CHECK_INT(stream->fault.help, expected == RLX_ERROR_DEVICE_LOST ? RLX_HELP_REOPEN : RLX_HELP_NONE);
    CHECK_HOLDS(stream->fault.message, "groups");
    harness_stream_close(stream);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_close(&device);
}

static void a_kernel_that_fails_fails_its_command_with_its_status(void) {
    for (uint32_t workers = 0; workers <= 3; workers++) {
        run_failing(workers, 700, RLX_ERROR_KERNEL, RLX_ERROR_KERNEL, 0);
        run_failing(workers, 700, RLX_ERROR_IO, RLX_ERROR_IO, 0);
        run_failing(workers, 0, RLX_ERROR_DEVICE_LOST, RLX_ERROR_DEVICE_LOST, 0);
    }
}

static void a_status_that_is_no_error_becomes_a_kernel_failure_with_that_code(void) {
    for (uint32_t workers = 0; workers <= 3; workers++) {
        run_failing(workers, 700, (rlx_status)4711, RLX_ERROR_KERNEL, 4711);
        run_failing(workers, 700, (rlx_status)-3, RLX_ERROR_KERNEL, -3);
        run_failing(workers, 700, RLX_NOT_READY, RLX_ERROR_KERNEL, RLX_NOT_READY);
    }
}

static rlx_status fail_by_group(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)kernel;
    for (uint64_t i = first; i < first + count; i++) {
        harness_spin(3000);
        if (i >= 300 && i % 100 == 0) return (rlx_status)(1000 + i);
    }
    return RLX_OK;
}

static void of_several_groups_that_fail_the_first_one_is_told(void) {
    harness_device device = harness_open(4);
    harness_stream *stream = harness_stream_open(&device);
    void *kernel = harness_kernel(&device, fail_by_group, NULL);
    rlx_packet_dispatch dispatch = harness_dispatch(kernel, 2000);
    for (int round = 0; round < 20; round++) {
        CHECK_INT(harness_run_one(stream, &dispatch.base), RLX_ERROR_KERNEL);
        CHECK_INT(stream->fault.vendor_code, 1300);
    }
    harness_stream_close(stream);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_close(&device);
}

static void an_unknown_command_is_refused_and_never_ignored(void) {
    for (uint32_t workers = 0; workers <= 2; workers++) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        rlx_packet packet = { .kind = 77 };
        CHECK_INT(harness_run_one(stream, &packet), RLX_ERROR_UNSUPPORTED);
        CHECK(stream->fault.first == &packet);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

/* ---- Streams ---- */

typedef struct ordered {
    _Atomic uint64_t next;
    atomic_bool wrong;
} ordered;

static rlx_status expect_next(void *user) {
    ordered *order = ((void **)user)[0];
    uint64_t number = (uint64_t)(uintptr_t)((void **)user)[1];
    if (atomic_fetch_add(&order->next, 1) != number) atomic_store(&order->wrong, true);
    return RLX_OK;
}

static void batches_of_a_stream_run_in_order_and_thousands_can_wait(void) {
    enum { BATCHES = 10000 };
    harness_device device = harness_open(4);
    harness_stream *stream = harness_stream_open(&device);
    ordered order = { 0 };
    void *(*users)[2] = calloc(BATCHES, sizeof *users);
    rlx_packet_host_call *calls = calloc(BATCHES, sizeof *calls);
    for (uint32_t i = 0; i < BATCHES; i++) {
        users[i][0] = &order;
        users[i][1] = (void *)(uintptr_t)i;
        calls[i] = harness_host_call(expect_next, users[i]);
        rlx_packet *packet = &calls[i].base;
        CHECK_INT(harness_submit(stream, &packet, 1), RLX_OK);
    }
    harness_wait(stream);
    CHECK(!atomic_load(&order.wrong));
    CHECK_UINT(atomic_load(&order.next), BATCHES);
    harness_stream_close(stream);
    harness_close(&device);
    free(users);
    free(calls);
}

static void an_empty_batch_completes_after_all_before_it(void) {
    for (uint32_t workers = 0; workers <= 2; workers++) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        for (int i = 0; i < 100; i++) CHECK_INT(harness_submit(stream, NULL, 0), RLX_OK);
        harness_wait(stream);
        CHECK_INT(stream->fault.status, RLX_OK);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

static rlx_status count_call(void *user) {
    atomic_fetch_add((atomic_uint *)user, 1);
    return RLX_OK;
}

static void a_batch_that_is_not_wanted_completes_without_a_command_run(void) {
    for (uint32_t workers = 0; workers <= 2; workers++) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        atomic_uint calls = 0;
        rlx_packet_host_call call = harness_host_call(count_call, &calls);
        atomic_store(&stream->refuses, true);
        CHECK_INT(harness_run_one(stream, &call.base), RLX_OK);
        CHECK_UINT(atomic_load(&calls), 0);
        CHECK(atomic_load(&stream->begun) > 0);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

static void a_skipped_command_does_nothing(void) {
    for (uint32_t workers = 0; workers <= 2; workers++) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        atomic_uint calls = 0;
        rlx_packet_host_call on = harness_host_call(count_call, &calls), off = on;
        off.base.flags = RLX_PACKET_SKIP;
        rlx_packet *packets[] = { &off.base, &on.base };
        CHECK_INT(harness_run(stream, packets, 2), RLX_OK);
        CHECK_UINT(atomic_load(&calls), 1);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

static void a_timestamp_is_taken_in_order(void) {
    for (uint32_t workers = 0; workers <= 2; workers++) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        atomic_uint calls = 0;
        uint64_t ns[2] = { 0, 0 }, before = rlx_platform_clock_ns();
        rlx_packet_timestamp first = { { .kind = RLX_PACKET_TIMESTAMP }, &ns[0] };
        rlx_packet_timestamp last = { { .kind = RLX_PACKET_TIMESTAMP }, &ns[1] };
        rlx_packet_host_call call = harness_host_call(count_call, &calls);
        rlx_packet *packets[] = { &first.base, &call.base, &last.base };
        CHECK_INT(harness_run(stream, packets, 3), RLX_OK);
        CHECK(before <= ns[0] && ns[0] <= ns[1] && ns[1] <= rlx_platform_clock_ns());
        harness_stream_close(stream);
        harness_close(&device);
    }
}

/* ---- Host calls that block ---- */

static rlx_status wait_for_flag(void *user) {
    while (!atomic_load((atomic_bool *)user)) rlx_thread_yield();
    return RLX_OK;
}

static rlx_status set_flag(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)first;
    (void)count;
    atomic_store((atomic_bool *)kernel->user, true);
    return RLX_OK;
}

/* With one worker: stream A waits in a host call for what a kernel of stream B does. */
static void a_blocking_host_call_does_not_stall_another_stream(void) {
    for (int order = 0; order < 2; order++) {
        harness_device device = harness_open(1);
        harness_stream *a = harness_stream_open(&device), *b = harness_stream_open(&device);
        atomic_bool flag = false;
        void *kernel = harness_kernel(&device, set_flag, (void *)&flag);
        rlx_packet_host_call call = harness_host_call(wait_for_flag, (void *)&flag);
        rlx_packet_dispatch dispatch = harness_dispatch(kernel, 1);
        rlx_packet *waits = &call.base, *sets = &dispatch.base;
        CHECK_INT(harness_submit(a, &waits, 1), RLX_OK);
        if (order) harness_spin(2000000); /* so that the host call is well under way, or not */
        CHECK_INT(harness_submit(b, &sets, 1), RLX_OK);
        harness_wait(b);
        harness_wait(a);
        harness_stream_close(a);
        harness_stream_close(b);
        device.backend->kernel_destroy(device.handle, kernel);
        harness_close(&device);
    }
}

/* Twenty streams block on a device with two workers, and the last one frees them all. */
static void many_blocking_host_calls_do_not_stall_another_stream(void) {
    enum { BLOCKED = 20 };
    harness_device device = harness_open(2);
    harness_stream *streams[BLOCKED + 1];
    rlx_packet_host_call calls[BLOCKED];
    atomic_bool flag = false;
    for (int i = 0; i <= BLOCKED; i++) streams[i] = harness_stream_open(&device);
    for (int i = 0; i < BLOCKED; i++) {
        calls[i] = harness_host_call(wait_for_flag, (void *)&flag);
        rlx_packet *packet = &calls[i].base;
        CHECK_INT(harness_submit(streams[i], &packet, 1), RLX_OK);
    }
    void *kernel = harness_kernel(&device, set_flag, (void *)&flag);
    rlx_packet_dispatch dispatch = harness_dispatch(kernel, 1);
    rlx_packet *packet = &dispatch.base;
    CHECK_INT(harness_submit(streams[BLOCKED], &packet, 1), RLX_OK);
    for (int i = 0; i <= BLOCKED; i++) {
        harness_wait(streams[i]);
        harness_stream_close(streams[i]);
    }
    device.backend->kernel_destroy(device.handle, kernel);
    harness_close(&device);
}

/* More streams than workers, threads going into host calls and coming back all the time. */
static void host_calls_and_kernels_of_many_streams_all_run(void) {
    enum { STREAMS = 6, ROUNDS = 50 };
    harness_device device = harness_open(2);
    harness_stream *streams[STREAMS];
    group_counts *counts = calloc(1, sizeof *counts);
    atomic_uint calls = 0;
    void *kernel = harness_kernel(&device, count_groups, counts);
    rlx_packet_dispatch dispatches[STREAMS];
    rlx_packet_host_call host_calls[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        streams[i] = harness_stream_open(&device);
        dispatches[i] = harness_dispatch(kernel, 3);
        host_calls[i] = harness_host_call(count_call, &calls);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < STREAMS; i++) {
            rlx_packet *packets[] = { &host_calls[i].base, &dispatches[i].base };
            CHECK_INT(harness_submit(streams[i], packets, 2), RLX_OK);
        }
        for (int i = 0; i < STREAMS; i++) harness_wait(streams[i]);
    }
    CHECK_UINT(atomic_load(&calls), STREAMS * ROUNDS);
    CHECK_UINT(atomic_load(&counts->hits[0]), STREAMS * ROUNDS);
    for (int i = 0; i < STREAMS; i++) harness_stream_close(streams[i]);
    device.backend->kernel_destroy(device.handle, kernel);
    harness_close(&device);
    free(counts);
}

/* ---- The end ---- */

typedef struct closing {
    harness_device device;
    _Atomic uint32_t done;
} closing;

static void close_all(harness_stream *stream) {
    closing *c = stream->user;
    harness_stream_close(stream);
    harness_close(&c->device);
    atomic_store(&c->done, 1);
    rlx_unpark(&c->done, 1);
}

static void a_device_can_be_closed_by_its_own_worker_in_a_completion(void) {
    for (uint32_t workers = 1; workers <= 4; workers++) {
        for (int round = 0; round < 50; round++) {
            closing c = { .device = harness_open(workers) };
            harness_stream *stream = harness_stream_open(&c.device);
            stream->on_complete = close_all;
            stream->user = &c;
            atomic_uint calls = 0;
            rlx_packet_host_call call = harness_host_call(count_call, &calls);
            rlx_packet *packet = &call.base;
            CHECK_INT(harness_submit(stream, &packet, 1), RLX_OK);
            while (!atomic_load(&c.done)) rlx_park(&c.done, 0, UINT64_MAX);
        }
    }
}

static void nothing_of_a_closed_device_remains(void) { harness_wait_for_no_blocks(); }

static void every_refused_allocation_is_a_status_and_leaves_nothing(void) {
    harness_wait_for_no_blocks();
    for (int64_t n = 0; n < 64; n++) {
        harness_device device = harness_open(n % 2 ? 2 : 0);
        const rlx_backend *backend = device.backend;
        harness_close(&device);
        rlx_device_desc desc = { .workers = 2, .cache_folder = "" };
        rlx_device_opened opened = { NULL, NULL };
        rlx_code code = { .format = RLX_CODE_HOST, .function = set_flag, .entry = "test" };
        rlx_kernel_desc kernel_desc = { .name = "test", .codes = &code, .code_count = 1 };
        rlx_stream_desc stream_desc = { 0 };
        rlx_stream_sink sink = { sizeof sink, harness_begin, harness_complete };
        rlx_memory_block block;
        void *kernel, *stream;
        atomic_store(&harness_refuse, n / 2);
        rlx_status status = backend->device_open(0, &desc, &opened);
        if (!status) {
            status = backend->kernel_create(opened.device, &kernel_desc, &code, &kernel);
            if (!status) backend->kernel_destroy(opened.device, kernel);
            CHECK(!status || status == RLX_ERROR_OUT_OF_MEMORY);
            status = backend->memory_allocate(opened.device, 4096, RLX_MEMORY_DEVICE, &block);
            if (!status) backend->memory_free(opened.device, block.memory);
            CHECK(!status || status == RLX_ERROR_OUT_OF_MEMORY);
            status = backend->stream_open(opened.device, &stream_desc, &sink, &stream);
            if (!status) backend->stream_close(stream);
            backend->device_close(opened.device);
        }
        CHECK(!status || status == RLX_ERROR_OUT_OF_MEMORY);
        atomic_store(&harness_refuse, -1);
        CHECK_INT(atomic_load(&harness_blocks), 0);
    }
}

/* The first worker, or the ring of batches, is refused: submit says so, and the next one works. */
static void a_submit_without_memory_is_refused_and_the_next_one_works(void) {
    harness_device device = harness_open(2);
    harness_stream *stream = harness_stream_open(&device);
    for (int n = 0; n < 2; n++) {
        atomic_store(&harness_refuse, 0);
        CHECK_INT(harness_submit(stream, NULL, 0), RLX_ERROR_OUT_OF_MEMORY);
        atomic_store(&harness_refuse, -1);
        stream->signal--; /* it was not taken */
        if (n == 0) CHECK(rlx_cpu_pool_ready(((rlx_cpu_device *)device.handle)->pool));
    }
    CHECK_INT(harness_submit(stream, NULL, 0), RLX_OK);
    harness_wait(stream);
    harness_stream_close(stream);
    harness_close(&device);
    harness_wait_for_no_blocks();
}

static const tap_test tests[] = {
    TAP(each_group_runs_exactly_once_with_one_to_eight_workers),
    TAP(long_groups_run_on_several_workers),
    TAP(uneven_groups_are_balanced),
    TAP(a_kernel_that_fails_fails_its_command_with_its_status),
    TAP(a_status_that_is_no_error_becomes_a_kernel_failure_with_that_code),
    TAP(of_several_groups_that_fail_the_first_one_is_told),
    TAP(an_unknown_command_is_refused_and_never_ignored),
    TAP(batches_of_a_stream_run_in_order_and_thousands_can_wait),
    TAP(an_empty_batch_completes_after_all_before_it),
    TAP(a_batch_that_is_not_wanted_completes_without_a_command_run),
    TAP(a_skipped_command_does_nothing),
    TAP(a_timestamp_is_taken_in_order),
    TAP(a_blocking_host_call_does_not_stall_another_stream),
    TAP(many_blocking_host_calls_do_not_stall_another_stream),
    TAP(host_calls_and_kernels_of_many_streams_all_run),
    TAP(a_device_can_be_closed_by_its_own_worker_in_a_completion),
    TAP(nothing_of_a_closed_device_remains),
    TAP(every_refused_allocation_is_a_status_and_leaves_nothing),
    TAP(a_submit_without_memory_is_refused_and_the_next_one_works),
};

TAP_MAIN(tests)
