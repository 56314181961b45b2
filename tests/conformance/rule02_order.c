/* Rule 2: a stream is in order, as if sequential. */
#include "conform.h"
#include "script.h"

#define SIZE 4096
#define SLOW 20000 /* rounds of affine that take long enough for a command that doesn't wait to overtake */

static void a_dispatch_sees_what_the_one_before_wrote(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_set(t, rlx_whole(x), 0);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 200; i++) { /* no two of them commute */
        conform_affine(t, s, rlx_whole(x), 3, i, 1);
        expected = conform_affine_word(expected, 3, i, 1);
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint64_t i = 0; i < SIZE / 4; i += 101) CHECK_EQUAL(t, conform_get_u32(t, x, i), expected);
}

static void a_batch_sees_what_the_one_before_wrote(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_set(t, rlx_whole(x), 0);
    uint32_t expected = 0;
    rlx_point last = { 0, 0 };
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t rounds = i % 7 ? 1 : 200;
        conform_affine(t, s, rlx_whole(x), 5, i, rounds);
        expected = conform_affine_word(expected, 5, i, rounds);
        CHECK_OK(t, rlx_stream_submit(s, &last));
    }
    CHECK_DONE(t, last);
    for (uint64_t i = 0; i < SIZE / 4; i += 101) CHECK_EQUAL(t, conform_get_u32(t, x, i), expected);
}

/* Read after write, write after read, write after write; the first of each pair slow. */
static void a_slow_command_is_not_overtaken(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE), *y = conform_buffer(t, SIZE);
    uint32_t *first = conform_memory(t, SIZE), *second = conform_memory(t, SIZE);
    uint32_t slow = conform_affine_word(1, 3, 1, SLOW);
    conform_set(t, rlx_whole(x), 0);
    for (int round = 0; round < 3; round++) {
        conform_affine(t, s, rlx_whole(x), 0, 1, 1); /* all ones */
        conform_affine(t, s, rlx_whole(x), 3, 1, SLOW);
        CHECK_OK(t, rlx_stream_copy(s, rlx_whole(y), rlx_whole(x))); /* reads what was written slowly */
        conform_affine(t, s, rlx_whole(y), 1, 1, SLOW);              /* reads y slowly */
        CHECK_OK(t, rlx_stream_read(s, first, rlx_whole(y)));
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(y), 7, 4)); /* and is not in the way of the read */
        CHECK_OK(t, rlx_stream_read(s, second, rlx_whole(y)));
        conform_affine(t, s, rlx_whole(x), 3, 1, SLOW);
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 9, 4)); /* written last, and stays */
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        for (uint32_t i = 0; i < SIZE / 4; i++) {
            CHECK_EQUAL(t, first[i], slow + SLOW);
            CHECK_EQUAL(t, second[i], 7);
        }
        CHECK_EQUAL(t, conform_get_u32(t, x, 5), 9);
    }
}

static void random_commands_are_as_if_sequential(conform_test *t) {
    for (int round = 0; round < 8; round++) {
        conform_script *script = conform_script_make(t, t->device, 500);
        rlx_stream *s = conform_stream(t, 0);
        conform_script_reset(t, script);
        rlx_point last = { 0, 0 };
        for (uint32_t i = 0; i < 500;) { /* batches of 1 to 60 commands, none waited for */
            uint32_t end = i + 1 + conform_below(t, 60);
            conform_script_encode(t, script, s, i, end);
            CHECK_OK(t, rlx_stream_submit(s, &last));
            i = end;
        }
        CHECK_DONE(t, last);
        conform_script_check(t, script);
    }
}

static void random_commands_of_many_streams_do_not_meet(conform_test *t) {
    enum { STREAMS = 6, COMMANDS = 200 };
    conform_script *scripts[STREAMS];
    rlx_stream *streams[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        scripts[i] = conform_script_make(t, t->device, COMMANDS);
        streams[i] = conform_stream(t, 0);
        conform_script_reset(t, scripts[i]);
    }
    for (uint32_t c = 0; c < COMMANDS; c += 20)
        for (int i = 0; i < STREAMS; i++) {
            conform_script_encode(t, scripts[i], streams[i], c, c + 20);
            CHECK_OK(t, rlx_stream_submit(streams[i], NULL));
        }
    for (int i = 0; i < STREAMS; i++) CHECK_OK(t, rlx_stream_wait(streams[i], t->patience));
    for (int i = 0; i < STREAMS; i++) conform_script_check(t, scripts[i]);
}

/* ---- Host calls ---- */

typedef struct relay {
    uint32_t *in, *out; /* what was read; what is written next */
    uint32_t words;
} relay;

static rlx_status pass_on(void *user) {
    const relay *r = user;
    for (uint32_t i = 0; i < r->words; i++) r->out[i] = r->in[i] * 2 + 1;
    return RLX_OK;
}

/* Device, host, device again: each step needs the one before. */
static void host_calls_are_in_order_with_everything(conform_test *t) {
    enum { WORDS = 256, STEPS = 20 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, WORDS * 4);
    relay *r = conform_memory(t, sizeof *r);
    *r = (relay){ conform_memory(t, WORDS * 4), conform_memory(t, WORDS * 4), WORDS };
    conform_iota(t, s, rlx_whole(x), 5);
    for (int i = 0; i < STEPS; i++) {
        CHECK_OK(t, rlx_stream_read(s, r->in, rlx_whole(x)));
        CHECK_OK(t, rlx_stream_host_call(s, pass_on, r));
        CHECK_OK(t, rlx_stream_write(s, rlx_whole(x), r->out, 0));
        conform_affine(t, s, rlx_whole(x), 1, 1, 50);
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    uint32_t words[WORDS];
    conform_get(t, words, rlx_whole(x));
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t expected = 5 + i;
        for (int step = 0; step < STEPS; step++) expected = expected * 2 + 1 + 50;
        CHECK_EQUAL(t, words[i], expected);
    }
}

typedef struct sequence {
    atomic_uint next;
    atomic_uint wrong;
} sequence;

typedef struct turn {
    sequence *sequence;
    uint32_t number;
} turn;

static rlx_status take_turn(void *user) {
    const turn *mine = user;
    uint32_t now = atomic_fetch_add(&mine->sequence->next, 1);
    if (now != mine->number) atomic_fetch_add(&mine->sequence->wrong, 1);
    return RLX_OK;
}

static void host_calls_run_one_after_another(conform_test *t) {
    enum { CALLS = 2000 };
    rlx_stream *s = conform_stream(t, 0);
    sequence *order = conform_memory(t, sizeof *order);
    turn *turns = conform_memory(t, CALLS * sizeof *turns);
    rlx_buffer *x = conform_buffer(t, SIZE);
    for (uint32_t i = 0; i < CALLS; i++) {
        turns[i] = (turn){ order, i };
        CHECK_OK(t, rlx_stream_host_call(s, take_turn, &turns[i]));
        if (i % 5 == 0) CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), i, 4));
        if (i % 3 == 0) CHECK_OK(t, rlx_stream_submit(s, NULL));
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, atomic_load(&order->next), CALLS);
    CHECK_EQUAL(t, atomic_load(&order->wrong), 0);
}

/* ---- Points and timestamps ---- */

static void a_batch_ends_after_those_before_it(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point points[20];
    conform_gate_hold(t, gate, s);
    for (int i = 0; i < 20; i++) {
        if (i % 2 == 0) conform_count(t, s, calls);
        CHECK_OK(t, rlx_stream_submit(s, &points[i]));
    }
    for (int i = 0; i < 20; i++) CHECK_STATUS(t, rlx_point_query(points[i]), RLX_NOT_READY);
    CHECK_STATUS(t, rlx_point_wait(points[19], 20 * RLX_MILLISECOND), RLX_TIMEOUT);
    CHECK_EQUAL(t, atomic_load(calls), 0);
    conform_gate_check(t, gate, "points of batches behind a held one have not completed");
    conform_gate_open(gate);
    CHECK_DONE(t, points[9]);
    for (int i = 0; i < 9; i++) CHECK_OK(t, rlx_point_query(points[i]));
    CHECK_DONE(t, points[19]);
    CHECK_EQUAL(t, atomic_load(calls), 10);
}

static rlx_status note_time(void *user) {
    *(uint64_t *)user = rlx_clock_ns();
    return RLX_OK;
}

/* A device's own clock is on the host's scale, but nobody asks for the same nanosecond. */
static void a_timestamp_lies_where_it_was_encoded(conform_test *t) {
    uint64_t slack = t->info->can & RLX_CAN_DEVICE_CLOCK ? RLX_MILLISECOND : 0;
    rlx_stream *s = conform_stream(t, 0);
    uint64_t *ns = conform_memory(t, 8 * sizeof *ns);
    uint64_t began = rlx_clock_ns();
    CHECK_OK(t, rlx_stream_host_call(s, note_time, &ns[0]));
    CHECK_OK(t, rlx_stream_timestamp(s, &ns[1]));
    conform_nap(t, s, 20000);
    CHECK_OK(t, rlx_stream_timestamp(s, &ns[2]));
    CHECK_OK(t, rlx_stream_host_call(s, note_time, &ns[3]));
    CHECK_OK(t, rlx_stream_timestamp(s, &ns[4]));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    uint64_t ended = rlx_clock_ns();
    CHECK(t, ns[0] >= began && ns[4] <= ended + slack, "timestamps between the submit and the wait");
    for (int i = 0; i < 4; i++) CHECK(t, ns[i] <= ns[i + 1] + slack, "time %d is not after time %d", i, i + 1);
    CHECK(t, ns[2] + slack >= ns[1] + 19 * RLX_MILLISECOND,
          "20 ms of work between two timestamps; they are %" PRIu64 " ns apart", ns[2] - ns[1]);
}

/* Dispatches that share nothing may overlap; whether they do is nobody's business, only what they leave. */
static void independent_commands_leave_what_they_would_alone(conform_test *t) {
    enum { PARTS = 16, PART = 1024, WORDS = PARTS * PART / 4 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, PARTS * PART);
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < PARTS; i++) conform_iota(t, s, rlx_part(x, i * PART, PART), i + round);
        for (uint32_t i = 0; i < PARTS; i++) conform_affine(t, s, rlx_part(x, i * PART, PART), i + 2, 1, 50);
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        uint32_t words[WORDS];
        conform_get(t, words, rlx_whole(x));
        for (uint32_t i = 0; i < WORDS; i++) {
            uint32_t part = i / (PART / 4), start = part + round + i % (PART / 4);
            CHECK_EQUAL(t, words[i], conform_affine_word(start, part + 2, 1, 50));
        }
    }
}

const conform_case conform_rule02[] = {
    { 2, "a dispatch sees what the one before it wrote", a_dispatch_sees_what_the_one_before_wrote },
    { 2, "a batch sees what the one before it wrote", a_batch_sees_what_the_one_before_wrote },
    { 2, "a slow command is not overtaken by one that it concerns", a_slow_command_is_not_overtaken },
    { 2, "4000 random commands leave what they would one after another", random_commands_are_as_if_sequential },
    { 2, "random commands on six streams leave what they would alone", random_commands_of_many_streams_do_not_meet },
    { 2, "host calls are in order with everything", host_calls_are_in_order_with_everything },
    { 2, "host calls run one after another, in the order of the stream", host_calls_run_one_after_another },
    { 2, "a batch ends after those before it, even if it is empty", a_batch_ends_after_those_before_it, NEEDS_GATE },
    { 2, "a timestamp lies between the work before it and the work after it", a_timestamp_lies_where_it_was_encoded },
    { 2, "commands that share nothing leave what they would alone", independent_commands_leave_what_they_would_alone },
    { 0 },
};
