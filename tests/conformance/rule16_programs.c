/* Rule 16: programs. A program leaves what its commands would leave one after another; its runs never overlap,
 * whatever the streams. Slots are in rule16_slots.c. */
#include "conform.h"
#include "script.h"

#define SIZE 1024

/* ---- The same as without a program ---- */

static void a_program_leaves_what_its_commands_would(conform_test *t) {
    for (uint32_t round = 0; round < 6; round++) {
        uint32_t count = 40 + 60 * round;
        conform_script *script = conform_script_make(t, t->device, count);
        rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
        conform_script_encode(t, script, recording, 0, count);
        rlx_program *program = conform_finish(t, recording);
        for (int again = 0; again < 3; again++) {
            conform_script_reset(t, script);
            CHECK_OK(t, rlx_stream_run(s, program, NULL));
            CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
            conform_script_check(t, script);
        }
    }
}

/* Commands long enough to be worth a thread each, over parts that many of them share, run after run: a device may learn
 * how long they take, and overlap what it left in order before. */
#define PARTS 12
#define PART 256 /* words */

static void work_part(uint32_t *words, uint32_t kind, uint32_t a, uint32_t b, uint32_t c, uint32_t seed) {
    for (uint32_t i = 0; i < PART; i++) {
        uint32_t *to = &words[c * PART + i];
        if (kind == 0) *to = conform_affine_word(*to, 3, seed, 100);
        if (kind == 1) *to = words[a * PART + i] + 3 * words[b * PART + i];
        if (kind == 2) *to = words[a * PART + i];
        if (kind == 3) *to = seed;
    }
}

static void heavy_commands_are_overlapped_rightly(conform_test *t) {
    enum { COMMANDS = 60, RUNS = 30, BYTES = PARTS * PART * 4 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, BYTES);
    uint32_t *model = conform_memory(t, BYTES), *got = conform_memory(t, BYTES);
    uint32_t drawn[COMMANDS][5];
    conform_noise(model, BYTES, conform_random(t));
    conform_put(t, rlx_whole(x), model);
    for (int i = 0; i < COMMANDS; i++) { /* mostly slow ones, each on one part; some that join parts */
        uint32_t kind = conform_below(t, 3) ? 0 : conform_below(t, 4), a = conform_below(t, PARTS);
        uint32_t b = (a + 1 + conform_below(t, PARTS - 1)) % PARTS, c = (a + 1 + conform_below(t, PARTS - 1)) % PARTS;
        if (c == b) b = a;
        memcpy(drawn[i], (uint32_t[]){ kind, a, b, c, (uint32_t)conform_random(t) }, sizeof drawn[i]);
        rlx_range part[PARTS];
        for (uint32_t k = 0; k < PARTS; k++) part[k] = rlx_part(x, k * PART * 4, PART * 4);
        if (kind == 0) conform_affine(t, recording, part[c], 3, drawn[i][4], 100);
        if (kind == 1) conform_combine(t, recording, part[a], part[b], part[c]);
        if (kind == 2) CHECK_OK(t, rlx_stream_copy(recording, part[c], part[a]));
        if (kind == 3) CHECK_OK(t, rlx_stream_fill(recording, part[c], drawn[i][4], 4));
    }
    rlx_program *program = conform_finish(t, recording);
    for (int run = 0; run < RUNS; run++) {
        for (int i = 0; i < COMMANDS; i++)
            work_part(model, drawn[i][0], drawn[i][1], drawn[i][2], drawn[i][3], drawn[i][4]);
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_read(s, got, rlx_whole(x)));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_BYTES(t, got, model, BYTES, "what 60 long commands leave, as if they had run one after another");
    }
}

/* Programs, plain commands and batches in turn. */
static void runs_keep_their_place_in_the_stream(conform_test *t) {
    enum { COMMANDS = 300, PIECE = 30 };
    conform_script *script = conform_script_make(t, t->device, COMMANDS);
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    conform_script_reset(t, script);
    for (uint32_t i = 0; i < COMMANDS; i += PIECE) {
        if (i / PIECE % 2) {
            conform_script_encode(t, script, recording, i, i + PIECE);
            CHECK_OK(t, rlx_stream_run(s, conform_finish(t, recording), NULL));
        } else {
            conform_script_encode(t, script, s, i, i + PIECE);
        }
        if (i / PIECE % 3 == 0) CHECK_OK(t, rlx_stream_submit(s, NULL));
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_script_check(t, script);
}

static void a_program_runs_two_thousand_times(conform_test *t) {
    enum { RUNS = 2000 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_set(t, rlx_whole(x), 0);
    conform_affine(t, recording, rlx_whole(x), 3, 1, 1);
    conform_affine(t, recording, rlx_whole(x), 5, 2, 1);
    rlx_program *program = conform_finish(t, recording);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < RUNS; i++) {
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        if (i % 7 == 0) CHECK_OK(t, rlx_stream_submit(s, NULL));
        expected = conform_affine_word(conform_affine_word(expected, 3, 1, 1), 5, 2, 1);
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, SIZE / 4 - 1), expected);
}

static void a_program_of_five_thousand_commands_runs(conform_test *t) {
    enum { COMMANDS = 5000 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, 16 * 256);
    conform_set(t, rlx_whole(x), 0);
    for (uint32_t i = 0; i < COMMANDS; i++) conform_affine(t, recording, rlx_part(x, i % 16 * 256, 256), 3, i, 1);
    rlx_program *program = conform_finish(t, recording);
    CHECK_EQUAL(t, rlx_program_info(program)->commands, COMMANDS);
    CHECK_OK(t, rlx_stream_run(s, program, NULL));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint32_t part = 0; part < 16; part++) {
        uint32_t expected = 0;
        for (uint32_t i = part; i < COMMANDS; i += 16) expected = conform_affine_word(expected, 3, i, 1);
        CHECK_EQUAL(t, conform_get_u32(t, x, part * 64 + 5), expected);
    }
}

/* ---- Host calls in programs ---- */

typedef struct relay {
    uint32_t *in, *out;
} relay;

static rlx_status pass_on(void *user) {
    const relay *r = user;
    for (uint32_t i = 0; i < SIZE / 4; i++) r->out[i] = r->in[i] + 1;
    return RLX_OK;
}

static void host_calls_in_a_program_are_in_order(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    relay *r = conform_memory(t, sizeof *r);
    uint64_t *ns = conform_memory(t, 2 * sizeof *ns);
    *r = (relay){ conform_memory(t, SIZE), conform_memory(t, SIZE) };
    conform_set(t, rlx_whole(x), 0);
    CHECK_OK(t, rlx_stream_timestamp(recording, &ns[0]));
    for (int i = 0; i < 3; i++) {
        conform_affine(t, recording, rlx_whole(x), 2, 0, 1);
        CHECK_OK(t, rlx_stream_read(recording, r->in, rlx_whole(x)));
        CHECK_OK(t, rlx_stream_host_call(recording, pass_on, r));
        CHECK_OK(t, rlx_stream_write(recording, rlx_whole(x), r->out, 0));
    }
    CHECK_OK(t, rlx_stream_timestamp(recording, &ns[1]));
    rlx_program *program = conform_finish(t, recording);
    uint32_t expected = 0;
    for (int run = 0; run < 10; run++) {
        uint64_t began = rlx_clock_ns(), slack = t->info->can & RLX_CAN_DEVICE_CLOCK ? RLX_MILLISECOND : 0;
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        for (int i = 0; i < 3; i++) expected = expected * 2 + 1;
        CHECK_EQUAL(t, conform_get_u32(t, x, SIZE / 4 - 1), expected);
        CHECK(t, ns[0] + slack >= began && ns[0] <= ns[1] && ns[1] <= rlx_clock_ns() + slack,
              "timestamps of this run, in order");
    }
}

/* ---- Runs never overlap ---- */

/* Enter and leave around everything that a run does. */
typedef struct room {
    atomic_uint inside, runs, crowded;
} room;

static rlx_status enter_room(void *user) {
    room *r = user;
    if (atomic_fetch_add(&r->inside, 1) != 0) atomic_fetch_add(&r->crowded, 1);
    conform_sleep_us(100);
    return RLX_OK;
}

static rlx_status leave_room(void *user) {
    room *r = user;
    conform_sleep_us(100);
    if (atomic_fetch_sub(&r->inside, 1) != 1) atomic_fetch_add(&r->crowded, 1);
    atomic_fetch_add(&r->runs, 1);
    return RLX_OK;
}

static rlx_program *record_room(conform_test *t, room *r, rlx_buffer *x) {
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD);
    CHECK_OK(t, rlx_stream_host_call(recording, enter_room, r));
    conform_affine(t, recording, rlx_whole(x), 1, 1, 200);
    CHECK_OK(t, rlx_stream_host_call(recording, leave_room, r));
    return conform_finish(t, recording);
}

static void runs_of_a_program_never_overlap(conform_test *t) {
    enum { STREAMS = 8, RUNS = 20 };
    room *r = conform_memory(t, sizeof *r);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_set(t, rlx_whole(x), 0);
    rlx_program *program = record_room(t, r, x);
    rlx_stream *streams[STREAMS];
    for (int i = 0; i < STREAMS; i++) streams[i] = conform_stream(t, 0);
    for (int run = 0; run < RUNS; run++)
        for (int i = 0; i < STREAMS; i++) { /* some twice in a batch */
            CHECK_OK(t, rlx_stream_run(streams[i], program, NULL));
            if ((run + i) % 3) CHECK_OK(t, rlx_stream_submit(streams[i], NULL));
        }
    for (int i = 0; i < STREAMS; i++) CHECK_OK(t, rlx_stream_submit(streams[i], NULL));
    for (int i = 0; i < STREAMS; i++) CHECK_OK(t, rlx_stream_wait(streams[i], t->patience));
    CHECK_EQUAL(t, atomic_load(&r->crowded), 0);
    CHECK_EQUAL(t, atomic_load(&r->runs), STREAMS * RUNS);
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), STREAMS * RUNS * 200);
}

/* The same without host calls: what the runs share is a buffer, and an update that gets lost shows. */
static void runs_of_a_program_lose_no_update(conform_test *t) {
    enum { STREAMS = 6, RUNS = 40, SLOW = 300, BYTES = 8192 };
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD), *streams[STREAMS];
    rlx_buffer *x = conform_buffer(t, BYTES), *y = conform_buffer(t, BYTES);
    conform_set(t, rlx_whole(x), 0);
    CHECK_OK(t, rlx_stream_copy(recording, rlx_whole(y), rlx_whole(x)));
    conform_affine(t, recording, rlx_whole(y), 1, 1, SLOW);
    CHECK_OK(t, rlx_stream_copy(recording, rlx_whole(x), rlx_whole(y)));
    rlx_program *program = conform_finish(t, recording);
    for (int i = 0; i < STREAMS; i++) streams[i] = conform_stream(t, 0);
    for (int run = 0; run < RUNS; run++)
        for (int i = 0; i < STREAMS; i++) {
            CHECK_OK(t, rlx_stream_run(streams[i], program, NULL));
            CHECK_OK(t, rlx_stream_submit(streams[i], NULL));
        }
    for (int i = 0; i < STREAMS; i++) CHECK_OK(t, rlx_stream_wait(streams[i], t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), STREAMS * RUNS * SLOW);
    CHECK_EQUAL(t, conform_get_u32(t, x, BYTES / 4 - 1), STREAMS * RUNS * SLOW);
}

typedef struct runner {
    rlx_program *program;
} runner;

static void run_many(conform_test *t, void *user) {
    const runner *r = user;
    rlx_stream *s = conform_stream(t, 0);
    for (int i = 0; i < 25; i++) {
        CHECK_OK(t, rlx_stream_run(s, r->program, NULL));
        if (i % 2) CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        else CHECK_OK(t, rlx_stream_submit(s, NULL));
    }
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
}

static void runs_from_many_threads_never_overlap(conform_test *t) {
    room *r = conform_memory(t, sizeof *r);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_set(t, rlx_whole(x), 0);
    runner *shared = conform_memory(t, sizeof *shared);
    shared->program = record_room(t, r, x);
    conform_thread *threads[5];
    for (int i = 0; i < 5; i++) threads[i] = conform_thread_start(t, run_many, shared);
    for (int i = 0; i < 5; i++) conform_thread_join(t, threads[i]);
    CHECK_EQUAL(t, atomic_load(&r->crowded), 0);
    CHECK_EQUAL(t, atomic_load(&r->runs), 125);
}

/* Two programs in crossed order on two streams: neither waits for the other for ever. */
static void crossed_runs_do_not_deadlock(conform_test *t) {
    rlx_stream *a = conform_stream(t, 0), *b = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE), *y = conform_buffer(t, SIZE);
    room *first = conform_memory(t, sizeof *first), *second = conform_memory(t, sizeof *second);
    rlx_program *p = record_room(t, first, x), *q = record_room(t, second, y);
    conform_set(t, rlx_whole(x), 0);
    conform_set(t, rlx_whole(y), 0);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(t, rlx_stream_run(a, p, NULL));
        CHECK_OK(t, rlx_stream_run(b, q, NULL));
        CHECK_OK(t, rlx_stream_run(a, q, NULL));
        CHECK_OK(t, rlx_stream_run(b, p, NULL));
        CHECK_OK(t, rlx_stream_submit(i % 2 ? a : b, NULL));
        CHECK_OK(t, rlx_stream_submit(i % 2 ? b : a, NULL));
    }
    CHECK_OK(t, rlx_stream_wait(a, t->patience));
    CHECK_OK(t, rlx_stream_wait(b, t->patience));
    CHECK_EQUAL(t, atomic_load(&first->crowded) + atomic_load(&second->crowded), 0);
    CHECK_EQUAL(t, atomic_load(&first->runs), 100);
}

/* A run that failed or was dropped is over: the next one doesn't wait for it. */
static void a_run_that_failed_or_was_dropped_is_over(conform_test *t) {
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        rlx_stream *a = conform_stream(t, 0), *b = conform_stream(t, 0), *discarded = conform_stream(t, 0);
        rlx_buffer *x = conform_buffer(t, SIZE);
        conform_gate *gate = conform_gate_closed(t);
        room *r = conform_memory(t, sizeof *r);
        rlx_program *program = record_room(t, r, x);
        conform_set(t, rlx_whole(x), 0);
        CHECK_OK(t, rlx_stream_run(discarded, program, NULL));
        rlx_stream_discard(discarded);
        conform_gate_hold(t, gate, a);
        if (!cancelled) conform_fail(t, a, RLX_ERROR_KERNEL);
        if (!cancelled) CHECK_OK(t, rlx_stream_submit(a, NULL));
        CHECK_OK(t, rlx_stream_run(a, program, NULL));
        rlx_point dropped, next;
        CHECK_OK(t, rlx_stream_submit(a, &dropped));
        CHECK_OK(t, rlx_stream_run(b, program, NULL));
        CHECK_OK(t, rlx_stream_submit(b, &next));
        if (cancelled) CHECK_OK(t, rlx_stream_cancel(a));
        else conform_gate_open(gate);
        CHECK_ONE_OF(t, rlx_point_wait(dropped, t->patience), CONFORM_ERRORS);
        CHECK_DONE(t, next); /* nor does it fail: b depends on nothing of a */
        uint32_t runs = atomic_load(&r->runs);
        CHECK(t, runs == 1 || (runs == 2 && !cancelled), "b's run, and a's at most if it wasn't cancelled; got %u",
              runs);
        bool cut = atomic_load(&r->inside) == 1; /* a's run was dropped in the middle, and nobody left the room */
        CHECK(t, atomic_load(&r->crowded) == 0 || (cut && !cancelled), "no run overlaps another");
        conform_gate_check(t, gate, "the next run goes on");
        conform_gate_open(gate);
    }
}

/* ---- Recording ---- */

static void a_recording_has_no_place_in_time(conform_test *t) {
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD), *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    rlx_point point;
    rlx_program *program;
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_DONE(t, point);
    conform_set(t, rlx_whole(x), 0);
    conform_affine(t, recording, rlx_whole(x), 1, 1, 1);
    CHECK_STATUS(t, rlx_stream_depend(recording, point), RLX_ERROR_ORDER);
    CHECK_STATUS(t, rlx_stream_depend(recording, (rlx_point){ 0, 0 }), RLX_ERROR_ORDER);
    CHECK_STATUS(t, rlx_stream_submit(recording, &point), RLX_ERROR_ORDER);
    CHECK_STATUS(t, rlx_stream_submit_and_wait(recording, t->patience), RLX_ERROR_ORDER);
    CHECK_STATUS(t, rlx_stream_finish(s, NULL, &program), RLX_ERROR_ORDER);
    conform_affine(t, recording, rlx_whole(x), 1, 1, 1); /* and it is as it was */
    program = conform_finish(t, recording);
    CHECK_OK(t, rlx_stream_run(s, program, NULL));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), 2);
}

static void a_recording_stream_records_one_program_after_another(conform_test *t) {
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD), *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    rlx_program *programs[5];
    conform_set(t, rlx_whole(x), 0);
    for (uint32_t i = 0; i < 5; i++) {
        conform_affine(t, recording, rlx_whole(x), 1, 1000, 1);
        rlx_stream_discard(recording); /* that one is not in it */
        for (uint32_t k = 0; k <= i; k++) conform_affine(t, recording, rlx_whole(x), 10, i, 1);
        programs[i] = conform_finish(t, recording);
        CHECK_EQUAL(t, rlx_program_info(programs[i])->commands, i + 1);
    }
    uint32_t expected = 0;
    for (uint32_t i = 5; i-- > 0;) {
        CHECK_OK(t, rlx_stream_run(s, programs[i], NULL));
        for (uint32_t k = 0; k <= i; k++) expected = expected * 10 + i;
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 9), expected);
}

static void runs_inside_a_program_are_flattened(conform_test *t) {
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD), *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    uint32_t expected = 0;
    conform_set(t, rlx_whole(x), 0);
    rlx_program *program = NULL;
    uint64_t commands = 0;
    for (uint32_t level = 0; level < 5;
         level++) { /* each runs the one before twice, with a command of its own between */
        if (program) CHECK_OK(t, rlx_stream_run(recording, program, NULL));
        conform_affine(t, recording, rlx_whole(x), 3, level + 1, 1);
        if (program) CHECK_OK(t, rlx_stream_run(recording, program, NULL));
        program = conform_finish(t, recording);
        commands = 2 * commands + 1;
        CHECK_EQUAL(t, rlx_program_info(program)->commands, commands);
    }
    for (uint32_t i = 1; i <= commands; i++) { /* the level of command i is the number of its trailing zeroes */
        uint32_t level = 0;
        while (!(i >> level & 1)) level++;
        expected = conform_affine_word(expected, 3, level + 1, 1);
    }
    CHECK_OK(t, rlx_stream_run(s, program, NULL));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), expected);
}

static void the_graph_is_the_true_one(conform_test *t) {
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, 16 * 256), *y = conform_buffer(t, 256);
    for (uint32_t i = 0; i < 10; i++) conform_affine(t, recording, rlx_part(x, i * 256, 256), 1, 1, 1);
    const rlx_program_properties *apart = rlx_program_info(conform_finish(t, recording));
    CHECK(t, apart->commands == 10 && apart->depth == 1 && apart->dependencies == 0,
          "ten commands on ten ranges: depth 1 and no dependencies; got %" PRIu64 " and %" PRIu64, apart->depth,
          apart->dependencies);
    for (uint32_t i = 0; i < 10; i++) conform_affine(t, recording, rlx_whole(y), 1, 1, 1);
    const rlx_program_properties *chain = rlx_program_info(conform_finish(t, recording));
    CHECK(t, chain->depth == 10 && chain->dependencies >= 9, "ten commands on one range: depth 10; got %" PRIu64,
          chain->depth);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(y), 1, 4));
    for (uint32_t i = 0; i < 10; i++) CHECK_OK(t, rlx_stream_copy(recording, rlx_part(x, i * 256, 256), rlx_whole(y)));
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(y), 2, 4));
    const rlx_program_properties *fan = rlx_program_info(conform_finish(t, recording));
    CHECK(t, fan->depth == 3, "one writer, ten readers, one writer: depth 3; got %" PRIu64, fan->depth);
    CHECK(t, fan->device == t->device && fan->slots == 0 && fan->bytes > 0, "whose it is, no slots, some bytes");
}

const conform_case conform_rule16[] = {
    { 16, "a program leaves what its commands would one after another", a_program_leaves_what_its_commands_would },
    { 16, "long commands of a program are overlapped only where nobody can tell",
      heavy_commands_are_overlapped_rightly },
    { 16, "runs keep their place among the commands of their stream", runs_keep_their_place_in_the_stream },
    { 16, "a program runs 2000 times", a_program_runs_two_thousand_times },
    { 16, "a program of 5000 commands runs", a_program_of_five_thousand_commands_runs },
    { 16, "host calls and timestamps in a program are in order", host_calls_in_a_program_are_in_order },
    { 16, "runs of a program never overlap, on whatever streams", runs_of_a_program_never_overlap },
    { 16, "runs of a program lose no update", runs_of_a_program_lose_no_update },
    { 16, "runs from many threads never overlap", runs_from_many_threads_never_overlap, NEEDS_THREADS },
    { 16, "crossed runs of two programs do not deadlock", crossed_runs_do_not_deadlock },
    { 16, "a run that failed or was dropped is over", a_run_that_failed_or_was_dropped_is_over, NEEDS_GATE },
    { 16, "a recording takes no depend, no submit, no wait", a_recording_has_no_place_in_time },
    { 16, "a recording stream records one program after another",
      a_recording_stream_records_one_program_after_another },
    { 16, "runs inside a program are flattened", runs_inside_a_program_are_flattened },
    { 16, "the graph of a program is the true one", the_graph_is_the_true_one },
    { 0 },
};
