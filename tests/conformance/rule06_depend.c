/* Rule 6: streams meet only at points, and no order of calls can deadlock. Transfers are in rule06_transfer.c. */
#include "conform.h"

#define SIZE 256

/* ---- Order between streams ---- */

/* Writer and reader on streams of two devices or one: the reader sees what the writer wrote, and not before. */
static void check_order(conform_test *t, rlx_device *writer_device, rlx_device *reader_device) {
    rlx_stream *writer = conform_stream_on(t, writer_device, 0, NULL),
               *reader = conform_stream_on(t, reader_device, 0, NULL);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *written = conform_counter(t), *seen = conform_counter(t);
    rlx_point wrote, read;
    conform_gate_hold(t, gate, writer);
    conform_nap(t, writer, 2000);
    conform_count(t, writer, written);
    CHECK_OK(t, rlx_stream_submit(writer, &wrote));
    conform_count(t, reader, seen);
    CHECK_OK(t, rlx_stream_depend(reader, wrote));
    CHECK_OK(t, rlx_stream_submit(reader, &read));
    CHECK_STATUS(t, rlx_point_wait(read, 10 * RLX_MILLISECOND), RLX_TIMEOUT);
    CHECK_EQUAL(t, atomic_load(seen), 0);
    conform_gate_check(t, gate, "a batch that depends on a held one is held too");
    conform_gate_open(gate);
    CHECK_DONE(t, read);
    CHECK_EQUAL(t, atomic_load(written), 1);
    CHECK_EQUAL(t, atomic_load(seen), 1);
    CHECK_OK(t, rlx_point_query(wrote));
}

static void depend_orders_streams_of_one_device(conform_test *t) {
    for (int i = 0; i < 5; i++) check_order(t, t->device, t->device);
}

static void depend_orders_devices(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    for (int i = 0; i < 3; i++) {
        check_order(t, t->device, other);
        check_order(t, other, t->device);
    }
}

static void depend_orders_this_device_and(conform_test *t, const char *name) {
    rlx_device *other = conform_open(t, name);
    for (int i = 0; i < 3; i++) {
        check_order(t, t->device, other);
        check_order(t, other, t->device);
    }
}

static void depend_orders_this_device_and_cpu(conform_test *t) { depend_orders_this_device_and(t, "cpu"); }
static void depend_orders_this_device_and_sync(conform_test *t) { depend_orders_this_device_and(t, "sync"); }

/* Bytes, not only calls: each stream adds its own step to one buffer. */
static void data_passes_from_stream_to_stream(conform_test *t) {
    enum { STREAMS = 8, ROUNDS = 25 };
    rlx_stream *streams[STREAMS];
    rlx_buffer *x = conform_buffer(t, SIZE);
    uint32_t expected = 1;
    for (int i = 0; i < STREAMS; i++) streams[i] = conform_stream(t, 0);
    rlx_point last = { 0, 0 };
    CHECK_OK(t, rlx_stream_fill(streams[0], rlx_whole(x), 1, 4));
    CHECK_OK(t, rlx_stream_submit(streams[0], &last));
    for (uint32_t r = 0; r < ROUNDS; r++)
        for (uint32_t i = 0; i < STREAMS; i++) {
            CHECK_OK(t, rlx_stream_depend(streams[i], last));
            conform_affine(t, streams[i], rlx_whole(x), 2 * i + 3, r, 40);
            CHECK_OK(t, rlx_stream_submit(streams[i], &last));
            expected = conform_affine_word(expected, 2 * i + 3, r, 40);
        }
    CHECK_DONE(t, last);
    CHECK_EQUAL(t, conform_get_u32(t, x, SIZE / 4 - 1), expected);
}

/* ---- What is ordered: the whole batch, and no other ---- */

static void depend_holds_the_whole_batch(conform_test *t) {
    for (int where = 0; where < 3; where++) { /* before, between and after the commands */
        rlx_stream *s = conform_stream(t, 0);
        conform_gate *gate = conform_gate_closed(t);
        atomic_uint *calls = conform_counter(t);
        if (where == 0) conform_gate_hold(t, gate, s);
        conform_count(t, s, calls);
        if (where == 1) conform_gate_hold(t, gate, s);
        conform_count(t, s, calls);
        if (where == 2) conform_gate_hold(t, gate, s);
        rlx_point point;
        CHECK_OK(t, rlx_stream_submit(s, &point));
        CHECK_STATUS(t, rlx_point_wait(point, 20 * RLX_MILLISECOND), RLX_TIMEOUT);
        CHECK_EQUAL(t, atomic_load(calls), 0);
        conform_gate_check(t, gate, "a batch with a depend is held, all of it");
        conform_gate_open(gate);
        CHECK_DONE(t, point);
        CHECK_EQUAL(t, atomic_load(calls), 2);
    }
}

static void depend_holds_no_batch_before(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point before, held;
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &before));
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &held));
    CHECK_DONE(t, before);
    CHECK_EQUAL(t, atomic_load(calls), 1);
    conform_gate_check(t, gate, "the batch before one with a depend ends");
    conform_gate_open(gate);
    CHECK_DONE(t, held);
}

static void a_depend_holds_an_empty_batch(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_STATUS(t, rlx_point_wait(point, 20 * RLX_MILLISECOND), RLX_TIMEOUT);
    conform_gate_check(t, gate, "an empty batch with a depend is held");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
}

static void every_depend_counts(conform_test *t) {
    enum { GATES = 4 };
    for (int last = 0; last < GATES; last++) {
        rlx_stream *s = conform_stream(t, 0);
        conform_gate *gates[GATES];
        atomic_uint *calls = conform_counter(t);
        for (int i = 0; i < GATES; i++) {
            gates[i] = conform_gate_closed(t);
            conform_gate_hold(t, gates[i], s);
            conform_gate_hold(t, gates[i], s); /* twice is once */
        }
        conform_count(t, s, calls);
        rlx_point point;
        CHECK_OK(t, rlx_stream_submit(s, &point));
        for (int i = 0; i < GATES; i++)
            if (i != last) conform_gate_open(gates[i]);
        CHECK_STATUS(t, rlx_point_wait(point, 20 * RLX_MILLISECOND), RLX_TIMEOUT);
        CHECK_EQUAL(t, atomic_load(calls), 0);
        conform_gate_check(t, gates[last], "a batch waits for the last of its dependencies");
        conform_gate_open(gates[last]);
        CHECK_DONE(t, point);
        CHECK_EQUAL(t, atomic_load(calls), 1);
    }
}

static void a_hundred_streams_meet_in_one(conform_test *t) {
    enum { STREAMS = 100 };
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *ended = conform_counter(t), *seen = conform_memory(t, sizeof *seen);
    rlx_buffer *x = conform_buffer(t, STREAMS * 256), *sum = conform_buffer(t, STREAMS * 4);
    for (uint32_t i = 0; i < STREAMS; i++) {
        rlx_stream *part = conform_stream(t, 0);
        rlx_point point;
        if (i % 7 == 0) conform_gate_hold(t, gate, part);
        conform_iota(t, part, rlx_part(x, i * 256, 256), i);
        conform_count(t, part, ended);
        CHECK_OK(t, rlx_stream_submit(part, &point));
        CHECK_OK(t, rlx_stream_depend(s, point));
    }
    for (uint32_t i = 0; i < STREAMS; i++)
        CHECK_OK(t, rlx_stream_copy(s, rlx_part(sum, i * 4, 4), rlx_part(x, i * 256, 4)));
    conform_count(t, s, seen);
    rlx_point point;
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_STATUS(t, rlx_point_wait(point, 5 * RLX_MILLISECOND), RLX_TIMEOUT);
    conform_gate_check(t, gate, "a batch waits for all hundred streams");
    CHECK_EQUAL(t, atomic_load(seen), 0);
    conform_gate_open(gate);
    CHECK_DONE(t, point);
    CHECK_EQUAL(t, atomic_load(ended), STREAMS);
    uint32_t words[STREAMS];
    conform_get(t, words, rlx_whole(sum));
    for (uint32_t i = 0; i < STREAMS; i++) CHECK_EQUAL(t, words[i], i);
}

/* What shares no point goes on. */
static void other_streams_go_on(conform_test *t) {
    rlx_stream *held = conform_stream(t, 0), *behind = conform_stream(t, 0), *other = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point first;
    conform_gate_hold(t, gate, held);
    CHECK_OK(t, rlx_stream_submit(held, &first));
    CHECK_OK(t, rlx_stream_depend(behind, first));
    CHECK_OK(t, rlx_stream_submit(behind, NULL));
    for (unsigned i = 1; i <= 10; i++) {
        conform_count(t, other, calls);
        CHECK_OK(t, rlx_stream_submit_and_wait(other, t->patience));
        CHECK_EQUAL(t, atomic_load(calls), i);
    }
    conform_gate_check(t, gate, "a stream without a depend goes on");
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(behind, t->patience));
}

/* ---- Which points ---- */

static void depend_takes_any_point_that_was_submitted(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *released;
    rlx_point mine, gone;
    CHECK_OK(t, rlx_stream_create(t->device, NULL, &released));
    CHECK_OK(t, rlx_stream_submit(released, &gone));
    CHECK_DONE(t, gone);
    rlx_stream_release(released);
    CHECK_OK(t, rlx_stream_submit(s, &mine));
    CHECK_OK(t, rlx_stream_depend(s, mine));                /* its own past */
    CHECK_OK(t, rlx_stream_depend(s, gone));                /* of a stream that is gone */
    CHECK_OK(t, rlx_stream_depend(s, (rlx_point){ 0, 0 })); /* what has always been complete */
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
}

static void depend_on_what_was_not_submitted_is_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *other = conform_stream(t, 0);
    atomic_uint *calls = conform_counter(t);
    rlx_point mine, theirs;
    CHECK_OK(t, rlx_stream_submit(s, &mine));
    CHECK_OK(t, rlx_stream_submit(other, &theirs));
    conform_count(t, other, calls); /* encoded, not submitted */
    conform_count(t, s, calls);
    CHECK_STATUS(t, rlx_stream_depend(s, (rlx_point){ theirs.timeline, theirs.value + 1 }), RLX_ERROR_ORDER);
    CHECK_STATUS(t, rlx_stream_depend(s, (rlx_point){ theirs.timeline, theirs.value + 100 }), RLX_ERROR_ORDER);
    CHECK_STATUS(t, rlx_stream_depend(s, (rlx_point){ mine.timeline, mine.value + 1 }), RLX_ERROR_ORDER); /* itself */
    CHECK_ONE_OF(t, rlx_stream_depend(s, (rlx_point){ UINT64_MAX, 7 }), CONFORM_ERRORS);
    rlx_point point;
    CHECK_OK(t, rlx_stream_submit(s, &point)); /* as if they had not been asked for */
    CHECK_DONE(t, point);
    CHECK_EQUAL(t, atomic_load(calls), 1);
    CHECK_OK(t, rlx_stream_submit_and_wait(other, t->patience));
    CHECK_OK(t, rlx_stream_depend(s, (rlx_point){ theirs.timeline, theirs.value + 1 })); /* now it has been */
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
}

static void discard_drops_depends(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    conform_gate_hold(t, gate, s);
    rlx_stream_discard(s);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_gate_check(t, gate, "a discarded depend holds nothing");
    conform_gate_open(gate);
}

/* ---- No deadlock ---- */

/* Batches of several streams and devices, each after a few points drawn from all that came before. */
typedef struct stamp {
    atomic_uint *clock;
    uint32_t at;
} stamp;

static rlx_status take_stamp(void *user) {
    stamp *mine = user;
    mine->at = atomic_fetch_add(mine->clock, 1) + 1;
    return RLX_OK;
}

static void check_random_graph(conform_test *t, rlx_device *const *devices, uint32_t device_count, bool gated) {
    enum { STREAMS = 9, BATCHES = 400, EACH = 3 };
    rlx_stream *streams[STREAMS];
    for (uint32_t i = 0; i < STREAMS; i++) streams[i] = conform_stream_on(t, devices[i % device_count], 0, NULL);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *clock = conform_counter(t);
    stamp *stamps = conform_memory(t, BATCHES * sizeof *stamps);
    rlx_point *points = conform_memory(t, BATCHES * sizeof *points);
    uint32_t(*before)[EACH] = conform_memory(t, BATCHES * sizeof *before);
    for (uint32_t i = 0; i < BATCHES; i++) {
        rlx_stream *s = streams[conform_below(t, STREAMS)];
        if (i == 0 && gated) conform_gate_hold(t, gate, s);
        stamps[i].clock = clock;
        for (uint32_t k = 0; k < EACH; k++) {
            before[i][k] = i ? conform_below(t, i) : 0;
            if (i) CHECK_OK(t, rlx_stream_depend(s, points[before[i][k]]));
        }
        CHECK_OK(t, rlx_stream_host_call(s, take_stamp, &stamps[i]));
        CHECK_OK(t, rlx_stream_submit(s, &points[i]));
    }
    conform_gate_open(gate);
    CHECK_OK(t, rlx_points_wait(points, BATCHES, RLX_WAIT_ALL, t->patience, NULL));
    CHECK_EQUAL(t, atomic_load(clock), BATCHES);
    for (uint32_t i = 1; i < BATCHES; i++)
        for (uint32_t k = 0; k < EACH; k++)
            CHECK(t, stamps[before[i][k]].at < stamps[i].at, "batch %u runs after batch %u, which it depends on", i,
                  before[i][k]);
}

static void random_dependencies_are_kept_and_do_not_deadlock(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_device *const one[] = { t->device }, *const two[] = { t->device, other };
    check_random_graph(t, one, 1, true);
    check_random_graph(t, one, 1, false);
    check_random_graph(t, two, 2, true);
    check_random_graph(t, two, 2, false);
}

static void random_dependencies_with_cpu_are_kept(conform_test *t) {
    rlx_device *const devices[] = { t->device, conform_open(t, "cpu") };
    check_random_graph(t, devices, 2, true);
    check_random_graph(t, devices, 2, false);
}

static void random_dependencies_with_sync_are_kept(conform_test *t) {
    rlx_device *const devices[] = { t->device, conform_open(t, "sync") };
    check_random_graph(t, devices, 2, true);
    check_random_graph(t, devices, 2, false);
}

/* ---- Waits in callbacks ---- */

typedef struct nested {
    rlx_point own, ended; /* the batch that the callback is part of; one that has completed */
    rlx_stream *other;
    rlx_status results[6], query;
    atomic_uint calls;
} nested;

static void try_to_wait(nested *n) {
    n->results[0] = rlx_point_wait(n->own, RLX_SECOND);
    n->results[1] = rlx_point_wait(n->ended, RLX_SECOND);
    n->results[2] = rlx_points_wait(&n->own, 1, RLX_WAIT_ANY, RLX_SECOND, NULL);
    n->results[3] = rlx_points_wait(&n->ended, 1, RLX_WAIT_ALL, 0, NULL);
    n->results[4] = rlx_stream_wait(n->other, RLX_SECOND);
    n->results[5] = rlx_stream_submit_and_wait(n->other, RLX_SECOND);
    n->query = rlx_point_query(n->ended); /* asking is no waiting */
    atomic_fetch_add(&n->calls, 1);
}

static rlx_status wait_in_call(void *user) {
    try_to_wait(user);
    return RLX_OK;
}

static void wait_in_notice(void *user, rlx_status status) {
    (void)status;
    try_to_wait(user);
}

static rlx_status wait_in_kernel(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)count;
    if (first == 0) try_to_wait(k->user);
    return RLX_OK;
}

static nested *make_nested(conform_test *t, rlx_stream *s) {
    nested *n = conform_memory(t, sizeof *n);
    CHECK_OK(t, rlx_stream_submit(s, &n->ended));
    CHECK_DONE(t, n->ended);
    n->own = n->ended;
    n->other = conform_stream(t, 0);
    n->query = RLX_NOT_READY;
    return n;
}

static void check_nested(conform_test *t, nested *n) {
    for (uint64_t limit = conform_now_ns() + t->patience; !atomic_load(&n->calls) && conform_now_ns() < limit;)
        conform_sleep_us(200);
    CHECK_EQUAL(t, atomic_load(&n->calls), 1);
    for (int i = 0; i < 6; i++)
        CHECK(t, n->results[i] == RLX_ERROR_ORDER, "wait number %d in a callback is RLX_ERROR_ORDER; got %s", i,
              conform_status_name(n->results[i]));
    CHECK_OK(t, n->query);
    CHECK_OK(t, rlx_point_wait(n->ended, t->patience)); /* outside, waits work as ever */
    CHECK_OK(t, rlx_stream_submit_and_wait(n->other, t->patience));
}

static void a_wait_in_a_host_call_is_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    nested *n = make_nested(t, s);
    n->own.value++; /* what the submit below will return */
    CHECK_OK(t, rlx_stream_host_call(s, wait_in_call, n));
    rlx_point point;
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_DONE(t, point);
    CHECK_EQUAL(t, point.value, n->own.value);
    check_nested(t, n);
}

static void a_wait_in_a_held_host_call_is_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    nested *n = make_nested(t, s);
    n->own.value++;
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_host_call(s, wait_in_call, n));
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience)); /* on a caller-driven device the host call runs in here */
    check_nested(t, n);
}

static void a_wait_in_a_notify_callback_is_refused(conform_test *t) {
    for (int ended = 0; ended < 2; ended++) {
        rlx_stream *s = conform_stream(t, 0);
        conform_gate *gate = conform_gate_closed(t);
        nested *n = make_nested(t, s);
        rlx_point point;
        conform_gate_hold(t, gate, s);
        CHECK_OK(t, rlx_stream_submit(s, &point));
        if (ended) conform_gate_open(gate);
        if (ended) CHECK_DONE(t, point);
        CHECK_OK(t, rlx_point_notify(point, wait_in_notice, n));
        conform_gate_open(gate);
        CHECK_DONE(t, point);
        check_nested(t, n);
    }
}

static void a_wait_in_a_kernel_is_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    nested *n = make_nested(t, s);
    n->own.value++;
    rlx_kernel *kernel = conform_host_kernel(t, t->device, "waits", wait_in_kernel, n);
    CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 } }));
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    check_nested(t, n);
}

static void a_wait_in_a_program_is_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    nested *n = make_nested(t, s);
    n->own.value++;
    CHECK_OK(t, rlx_stream_host_call(recording, wait_in_call, n));
    rlx_program *program = conform_finish(t, recording);
    CHECK_OK(t, rlx_stream_run(s, program, NULL));
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    check_nested(t, n);
}

const conform_case conform_rule06[] = {
    { 6, "depend orders streams of one device", depend_orders_streams_of_one_device, NEEDS_GATE },
    { 6, "depend orders streams of a device that is opened twice", depend_orders_devices, NEEDS_GATE },
    { 6, "depend orders this device and `cpu`", depend_orders_this_device_and_cpu, NEEDS_GATE | NEEDS_CPU },
    { 6, "depend orders this device and `sync`", depend_orders_this_device_and_sync, NEEDS_GATE | NEEDS_SYNC },
    { 6, "data passes from stream to stream at points", data_passes_from_stream_to_stream },
    { 6, "depend holds the whole batch, wherever in it it was called", depend_holds_the_whole_batch, NEEDS_GATE },
    { 6, "depend holds no batch before its own", depend_holds_no_batch_before, NEEDS_GATE },
    { 6, "depend holds an empty batch", a_depend_holds_an_empty_batch, NEEDS_GATE },
    { 6, "every depend of a batch counts", every_depend_counts, NEEDS_GATE },
    { 6, "a hundred streams meet in one", a_hundred_streams_meet_in_one, NEEDS_GATE },
    { 6, "streams that share no point go on", other_streams_go_on, NEEDS_GATE },
    { 6, "depend takes any point that was submitted, of released streams too",
      depend_takes_any_point_that_was_submitted },
    { 6, "depend on a point that was not submitted is refused, and changes nothing",
      depend_on_what_was_not_submitted_is_refused },
    { 6, "discard drops depends", discard_drops_depends, NEEDS_GATE },
    { 6, "random dependencies are kept, and no order of them deadlocks",
      random_dependencies_are_kept_and_do_not_deadlock, NEEDS_GATE },
    { 6, "random dependencies between this device and `cpu` are kept", random_dependencies_with_cpu_are_kept,
      NEEDS_GATE | NEEDS_CPU },
    { 6, "random dependencies between this device and `sync` are kept", random_dependencies_with_sync_are_kept,
      NEEDS_GATE | NEEDS_SYNC },
    { 6, "a wait in a host call is refused", a_wait_in_a_host_call_is_refused },
    { 6, "a wait in a host call that was held is refused", a_wait_in_a_held_host_call_is_refused, NEEDS_GATE },
    { 6, "a wait in a notify callback is refused", a_wait_in_a_notify_callback_is_refused, NEEDS_GATE },
    { 6, "a wait in a host function is refused", a_wait_in_a_kernel_is_refused, NEEDS_HOST_CODE },
    { 6, "a wait in a host call of a program is refused", a_wait_in_a_program_is_refused },
    { 0 },
};
