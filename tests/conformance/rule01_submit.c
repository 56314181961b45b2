/* Rule 1: nothing runs before submit. What can be refused is refused at encode, and a refused command leaves the
 * stream as it was. */
#include "conform.h"
#include "refusals.h"

#define SIZE 256

/* ---- One command of each kind, and what it does when it runs ---- */

typedef struct effect {
    rlx_stream *s;
    rlx_buffer *x, *y;     /* x is what commands write; y is 0x22 in every byte */
    rlx_program *program;  /* fills x with 0x33 */
    unsigned char *host;   /* what reads write */
    unsigned char *source; /* what writes read: 0x33 */
    uint64_t *ns;
    atomic_uint *calls;
} effect;

static void fill(conform_test *t, effect *e) { CHECK_OK(t, rlx_stream_fill(e->s, rlx_whole(e->x), 0x33, 1)); }
static void write_borrowed(conform_test *t, effect *e) {
    CHECK_OK(t, rlx_stream_write(e->s, rlx_whole(e->x), e->source, 0));
}
static void write_copied(conform_test *t, effect *e) {
    CHECK_OK(t, rlx_stream_write(e->s, rlx_whole(e->x), e->source, RLX_WRITE_COPIED));
}
static void copy(conform_test *t, effect *e) { CHECK_OK(t, rlx_stream_copy(e->s, rlx_whole(e->x), rlx_whole(e->y))); }
static void dispatch(conform_test *t, effect *e) { conform_affine(t, e->s, rlx_whole(e->x), 3, 1, 1); }
static void run(conform_test *t, effect *e) { CHECK_OK(t, rlx_stream_run(e->s, e->program, NULL)); }
static void write_rows(conform_test *t, effect *e) {
    const rlx_rows rows = { .rows = 4, .row_bytes = 8, .dst_stride = 16, .src_stride = 8 };
    CHECK_OK(t, rlx_stream_write_rows(e->s, rlx_whole(e->x), e->source, &rows));
}
static void copy_rows(conform_test *t, effect *e) {
    const rlx_rows rows = { .rows = 4, .row_bytes = 8, .dst_stride = 16, .src_stride = 8 };
    CHECK_OK(t, rlx_stream_copy_rows(e->s, rlx_whole(e->x), rlx_whole(e->y), &rows));
}
static void fill_rows(conform_test *t, effect *e) {
    const rlx_rows rows = { .rows = 4, .row_bytes = 8, .dst_stride = 16 };
    CHECK_OK(t, rlx_stream_fill_rows(e->s, rlx_whole(e->x), 0x33, 1, &rows));
}
static void read(conform_test *t, effect *e) { CHECK_OK(t, rlx_stream_read(e->s, e->host, rlx_whole(e->y))); }
static void read_rows(conform_test *t, effect *e) {
    const rlx_rows rows = { .rows = 4, .row_bytes = 8, .dst_stride = 16, .src_stride = 8 };
    CHECK_OK(t, rlx_stream_read_rows(e->s, e->host, rlx_whole(e->y), &rows));
}
static void host_call(conform_test *t, effect *e) { conform_count(t, e->s, e->calls); }
static void timestamp(conform_test *t, effect *e) { CHECK_OK(t, rlx_stream_timestamp(e->s, e->ns)); }

static const struct {
    const char *name;
    void (*encode)(conform_test *t, effect *e);
} kinds[] = {
    { "fill", fill },
    { "write", write_borrowed },
    { "copied write", write_copied },
    { "copy", copy },
    { "dispatch", dispatch },
    { "run", run },
    { "write_rows", write_rows },
    { "copy_rows", copy_rows },
    { "fill_rows", fill_rows },
    { "read", read },
    { "read_rows", read_rows },
    { "host_call", host_call },
    { "timestamp", timestamp },
};
#define KINDS (sizeof kinds / sizeof *kinds)

static rlx_program *filling_program(conform_test *t, rlx_buffer *x) {
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(x), 0x33, 1));
    return conform_finish(t, recording);
}

static effect make_effect(conform_test *t, uint32_t flags) {
    effect e = { .s = conform_stream(t, flags),
                 .x = conform_buffer(t, SIZE),
                 .y = conform_buffer(t, SIZE),
                 .host = conform_memory(t, SIZE),
                 .source = conform_memory(t, SIZE),
                 .ns = conform_memory(t, sizeof(uint64_t)),
                 .calls = conform_counter(t) };
    conform_set(t, rlx_whole(e.x), 0x11);
    conform_set(t, rlx_whole(e.y), 0x22);
    memset(e.source, 0x33, SIZE);
    e.program = filling_program(t, e.x);
    return e;
}

static bool all_bytes(const unsigned char *bytes, unsigned char value, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value) return false;
    return true;
}

/* Whether anything at all has happened. */
static bool has_run(conform_test *t, const effect *e) {
    unsigned char x[SIZE];
    conform_get(t, x, rlx_whole(e->x));
    return !all_bytes(x, 0x11, SIZE) || !all_bytes(e->host, 0, SIZE) || *e->ns || atomic_load(e->calls);
}

static void nothing_runs_before_submit(conform_test *t) {
    effect effects[KINDS];
    for (size_t i = 0; i < KINDS; i++) {
        effects[i] = make_effect(t, 0);
        kinds[i].encode(t, &effects[i]);
        CHECK(t, !has_run(t, &effects[i]), "an encoded %s does nothing", kinds[i].name);
    }
    conform_sleep_ms(50);
    for (size_t i = 0; i < KINDS; i++)
        CHECK(t, !has_run(t, &effects[i]), "an encoded %s does nothing, even after a while", kinds[i].name);
    for (size_t i = 0; i < KINDS; i++) {
        CHECK_OK(t, rlx_stream_submit_and_wait(effects[i].s, t->patience));
        CHECK(t, has_run(t, &effects[i]), "a submitted %s does what it should", kinds[i].name);
    }
}

static void what_is_discarded_never_runs(conform_test *t) {
    for (size_t i = 0; i < KINDS; i++) {
        effect e = make_effect(t, 0);
        kinds[i].encode(t, &e);
        rlx_stream_discard(e.s);
        CHECK_OK(t, rlx_stream_submit_and_wait(e.s, t->patience));
        CHECK(t, !has_run(t, &e), "a discarded %s does nothing", kinds[i].name);
        kinds[i].encode(t, &e);
        CHECK_OK(t, rlx_stream_submit_and_wait(e.s, t->patience));
        CHECK(t, has_run(t, &e), "a %s after a discard does what it should", kinds[i].name);
    }
}

static void what_is_encoded_runs_once(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    atomic_uint *calls = conform_counter(t);
    conform_set(t, rlx_whole(x), 0);
    for (uint32_t i = 1; i <= 5; i++) {
        conform_affine(t, s, rlx_whole(x), 1, 1, 1);
        conform_count(t, s, calls);
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, conform_get_u32(t, x, SIZE / 4 - 1), i);
        CHECK_EQUAL(t, atomic_load(calls), i);
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), 5);
    CHECK_EQUAL(t, atomic_load(calls), 5);
}

static void recording_runs_nothing(conform_test *t) {
    for (size_t i = 0; i < KINDS; i++) {
        effect e = make_effect(t, RLX_STREAM_RECORD);
        kinds[i].encode(t, &e);
        CHECK(t, !has_run(t, &e), "a recorded %s does nothing", kinds[i].name);
        rlx_program *program = conform_finish(t, e.s);
        conform_sleep_ms(2);
        CHECK(t, !has_run(t, &e), "a %s does nothing when its program is finished", kinds[i].name);
        rlx_stream *s = conform_stream(t, 0);
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK(t, !has_run(t, &e), "a %s in a program does nothing when its run is encoded", kinds[i].name);
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK(t, has_run(t, &e), "a %s in a program does what it should", kinds[i].name);
    }
}

static void waiting_submits_nothing(conform_test *t) {
    effect e = make_effect(t, 0);
    fill(t, &e);
    host_call(t, &e);
    CHECK_OK(t, rlx_stream_wait(e.s, t->patience));
    CHECK(t, !has_run(t, &e), "rlx_stream_wait waits for what was submitted, and submits nothing itself");
    CHECK_OK(t, rlx_stream_submit_and_wait(e.s, t->patience));
    CHECK(t, has_run(t, &e), "what was encoded before the wait is still there");
}

static void a_released_stream_runs_nothing_that_was_not_submitted(conform_test *t) {
    effect e = make_effect(t, 0);
    rlx_stream *s;
    CHECK_OK(t, rlx_stream_create(t->device, NULL, &s));
    e.s = s;
    fill(t, &e);
    host_call(t, &e);
    rlx_stream_release(s);
    conform_sleep_ms(20);
    CHECK(t, !has_run(t, &e), "release discards what was encoded");
}

/* ---- Refusals ---- */

static void refusals_come_at_encode(conform_test *t) {
    conform_refusals *r = conform_refusals_make(t);
    for (uint32_t i = 0; i < conform_refusal_count(); i++) {
        rlx_stream *s = conform_stream(t, 0);
        conform_refusal_check(t, r, i, s);
        rlx_stream_discard(s);
    }
}

/* Good and refused commands in turn: only the good ones are there, with numbers that skip none. */
static void a_refused_command_leaves_the_stream_as_it_was(conform_test *t) {
    conform_refusals *r = conform_refusals_make(t);
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_set(t, rlx_whole(x), 0);
    uint32_t expected = 0, count = conform_refusal_count();
    for (uint32_t i = 0; i < count; i++) {
        conform_affine(t, s, rlx_whole(x), 3, i + 1, 1);
        expected = conform_affine_word(expected, 3, i + 1, 1);
        conform_refusal_check(t, r, i, s);
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 7), expected);

    for (uint32_t i = 0; i < count; i++) {
        conform_affine(t, s, rlx_whole(x), 3, 1, 1);
        conform_refusal_check(t, r, i, s);
    }
    conform_fail(t, s, RLX_ERROR_KERNEL);
    rlx_point point;
    rlx_status ignored = rlx_stream_submit(s, &point);
    (void)ignored; /* a failure of the batch itself is the point's */
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_KERNEL);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK(t, failure.first_command <= count && failure.last_command >= count,
          "command %u has failed; commands %" PRIu64 " to %" PRIu64 " are named", count, failure.first_command,
          failure.last_command);
}

static void a_refused_command_alone_leaves_nothing(conform_test *t) {
    conform_refusals *r = conform_refusals_make(t);
    for (uint32_t i = 0; i < conform_refusal_count(); i++) {
        rlx_stream *s = conform_stream(t, 0);
        conform_refusal_check(t, r, i, s);
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    }
    unsigned char bytes[CONFORM_REFUSALS_SIZE];
    conform_get(t, bytes, rlx_whole(r->x));
    CHECK(t, all_bytes(bytes, 0x11, sizeof bytes), "what refused commands would have written is as it was");
    CHECK(t, all_bytes(r->host, 0, CONFORM_REFUSALS_SIZE),
          "host memory that refused commands would have written is as it was");
    CHECK_EQUAL(t, atomic_load(r->calls), 0);
}

const conform_case conform_rule01[] = {
    { 1, "nothing that is encoded runs before submit", nothing_runs_before_submit },
    { 1, "what is discarded never runs", what_is_discarded_never_runs },
    { 1, "what is encoded runs once, by the submit that follows it", what_is_encoded_runs_once },
    { 1, "recording runs nothing, and neither does finishing a program", recording_runs_nothing },
    { 1, "a wait submits nothing", waiting_submits_nothing },
    { 1, "a released stream runs nothing that was not submitted",
      a_released_stream_runs_nothing_that_was_not_submitted },
    { 1, "what can be refused is refused at encode", refusals_come_at_encode },
    { 1, "a refused command leaves the stream as it was", a_refused_command_leaves_the_stream_as_it_was },
    { 1, "a refused command alone leaves nothing to run", a_refused_command_alone_leaves_nothing },
    { 0 },
};
