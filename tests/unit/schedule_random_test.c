/* Scheduling against a model of it: random submits, dependencies, runs, refusals, failures, cancels and recovers, with
 * every order of ends that a backend could choose. After each step the model says which points have failed, and the
 * device which of them can have ended; the core must say the same, and hold each batch's buffer for just as long. */
#include "fake.h"

enum { STREAMS = 4, RECORDS = 400, DEPENDS = 3, STEPS = 300, SEEDS = 300 };

/* A batch. */
typedef struct record {
    rlx_point point;
    uint32_t stream;
    uint32_t handed, ended; /* slices */
    uint32_t depend_count;
    struct record *depends[DEPENDS];
    bool runs;   /* the program */
    bool begun;  /* the device has */
    bool failed; /* its point has, or will */
    bool done;
    rlx_status status; /* once it is done */
} record;

static struct {
    rlx_device *devices[2];
    rlx_stream *streams[STREAMS];
    rlx_program *program;
    bool failing[STREAMS];
    record records[RECORDS];
    uint32_t count;
    record *slices[STREAMS][FAKE_BATCHES]; /* whose each one is, in the order in which they were handed over */
    record *latest[STREAMS];               /* whose slice came last */
    uint64_t random;
} m;

static uint32_t dice(uint32_t sides) {
    m.random ^= m.random << 13, m.random ^= m.random >> 7, m.random ^= m.random << 17;
    return (uint32_t)(m.random >> 33) % sides;
}

/* ---- The model ---- */

/* A batch fails, and all after it that have not. */
static void model_fail(record *from) {
    if (from->done || from->failed) return;
    m.failing[from->stream] = true;
    for (record *r = from; r < m.records + m.count; r++)
        if (r->stream == from->stream) r->failed = true;
}

/* What the core says has ended fails what depends on it. */
static void model_ends(void) {
    for (bool again = true; again;) {
        again = false;
        for (record *r = m.records; r < m.records + m.count; r++) {
            if (r->done || rlx_point_query(r->point) == RLX_NOT_READY) continue;
            r->done = again = true;
            r->status = rlx_point_query(r->point);
            for (record *d = r; r->failed && d < m.records + m.count; d++)
                for (uint32_t i = 0; i < d->depend_count; i++)
                    if (d->depends[i] == r) model_fail(d);
        }
    }
}

static void check_model(void) {
    uint32_t alive = 0;
    bool before[STREAMS]; /* all of it is done so far */
    memset(before, true, sizeof before);
    model_ends();
    for (record *r = m.records; r < m.records + m.count; r++) {
        alive += !r->done;
        before[r->stream] &= r->done;
        if (!r->done) continue;
        CHECK(before[r->stream]);                        /* in order */
        CHECK_UINT(r->handed, r->ended);                 /* not while the device is at it */
        CHECK_INT(rlx_point_query(r->point), r->status); /* told once and for all */
        CHECK_INT(r->status != RLX_OK, r->failed);
        for (uint32_t i = 0; i < r->depend_count; i++)
            CHECK(r->failed || (r->depends[i]->done && !r->depends[i]->failed));
    }
    CHECK_UINT(fake.memory, alive);
    for (uint32_t s = 0; s < STREAMS; s++) {
        rlx_failure failure;
        CHECK_INT(rlx_stream_failure(m.streams[s], &failure), RLX_OK);
        CHECK_INT(failure.status != RLX_OK, m.failing[s]);
    }
}

/* ---- The device ---- */

/* The first command of a batch is a host call that names it; all others name nothing. */
static void note_slice(fake_stream *stream, const rlx_batch *batch) {
    uint32_t s = (uint32_t)(stream - fake.streams);
    const rlx_packet_host_call *call = (const rlx_packet_host_call *)batch->first;
    if (call->base.kind == RLX_PACKET_HOST_CALL && call->user) m.latest[s] = call->user;
    record *r = m.latest[s];
    for (uint32_t i = 0; i < r->depend_count; i++)
        CHECK(r->depends[i]->stream == s || r->depends[i]->handed == r->depends[i]->ended);
    for (record *other = m.records; r->runs && other < m.records + m.count; other++)
        CHECK(other->stream == s || !other->runs || other->handed == other->ended); /* runs never overlap */
    if (fake.refuse) {
        model_fail(r);
        return;
    }
    m.slices[s][stream->handed] = r;
    r->handed++;
}

static void begin_one(uint32_t s) {
    fake_stream *own = &fake.streams[s];
    if (own->handed == own->ended) return;
    record *r = m.slices[s][own->ended];
    CHECK_INT(fake_begin(s), !r->failed);
    if (!r->failed) r->begun = true;
}

static void end_one(uint32_t s, rlx_status status) {
    fake_stream *own = &fake.streams[s];
    if (own->handed == own->ended) return;
    record *r = m.slices[s][own->ended];
    r->ended++;
    r->begun = true;
    if (status) model_fail(r);
    fake_end(s, status ? &(rlx_fault){ .status = status } : NULL);
}

/* ---- The steps ---- */

static void submit(uint32_t s) {
    if (m.count == RECORDS) return;
    record *r = &m.records[m.count];
    rlx_stream *stream = m.streams[s];
    rlx_buffer *buffer = NULL;
    *r = (record){ .stream = s };
    CHECK_INT(rlx_buffer_create(m.devices[s % 2], &(rlx_buffer_desc){ .size = 16 }, &buffer), RLX_OK);
    CHECK_INT(rlx_stream_host_call(stream, fake_call, r), RLX_OK);
    CHECK_INT(rlx_stream_fill(stream, rlx_whole(buffer), 0, 4), RLX_OK);
    for (uint32_t i = dice(6); i > 0; i--) CHECK_INT(rlx_stream_host_call(stream, fake_call, NULL), RLX_OK);
    if (s % 2 == 0 && !dice(4)) {
        CHECK_INT(rlx_stream_run(stream, m.program, NULL), RLX_OK);
        r->runs = true;
    }
    for (uint32_t i = dice(DEPENDS + 1); i > 0 && m.count; i--) {
        record *on = &m.records[m.count - 1 - dice(m.count < 20 ? m.count : 20)];
        if (on->done && !on->failed) continue;
        CHECK_INT(rlx_stream_depend(stream, on->point), RLX_OK);
        r->depends[r->depend_count++] = on;
    }
    rlx_buffer_release(buffer);
    m.count++;
    r->failed = m.failing[s];
    bool failing = m.failing[s];
    for (uint32_t i = 0; i < r->depend_count; i++)
        if (r->depends[i]->failed && (r->depends[i]->done || r->depends[i]->stream == s)) model_fail(r);
    rlx_status status = rlx_stream_submit(stream, &r->point);
    CHECK_INT(status != RLX_OK, failing);
}

static void cancel(uint32_t s) {
    CHECK_INT(rlx_stream_cancel(m.streams[s]), RLX_OK);
    for (record *r = m.records; r < m.records + m.count; r++) {
        if (r->stream != s || r->begun || r->failed || r->done) continue;
        model_fail(r);
        return;
    }
}

static void recover(uint32_t s) {
    CHECK_INT(rlx_stream_recover(m.streams[s]), RLX_OK);
    m.failing[s] = false;
}

static void step(void) {
    uint32_t s = dice(STREAMS);
    switch (dice(64)) {
    case 0: cancel(s); break;
    case 1: end_one(s, RLX_ERROR_KERNEL); break;
    case 2:
        fake.refuse = RLX_ERROR_BACKEND;
        submit(s);
        fake.refuse = RLX_OK;
        break;
    default: {
        uint32_t what = dice(16);
        if (what < 4) recover(s);
        else if (what < 8) submit(s);
        else if (what < 10) begin_one(s);
        else end_one(s, RLX_OK);
    }
    }
}

static void set_up(uint64_t seed) {
    memset(&m, 0, sizeof m);
    m.random = seed;
    m.devices[0] = fake_device("fake");
    m.devices[1] = fake_device_more("held");
    for (uint32_t s = 0; s < STREAMS; s++)
        m.streams[s] = fake_stream_create(m.devices[s % 2], s == 2 ? RLX_STREAM_ISOLATE : 0);
    rlx_stream *recording = NULL;
    CHECK_INT(rlx_stream_create(m.devices[0], &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording), RLX_OK);
    for (int i = 0; i < 3; i++) CHECK_INT(rlx_stream_host_call(recording, fake_call, NULL), RLX_OK);
    CHECK_INT(rlx_stream_finish(recording, NULL, &m.program), RLX_OK);
    rlx_stream_release(recording);
    fake.on_submit = note_slice;
}

static void tear_down(void) {
    for (bool more = true; more;) {
        more = false;
        for (uint32_t s = 0; s < STREAMS; s++) {
            more |= fake_flying(s) > 0;
            end_one(s, RLX_OK);
        }
    }
    check_model();
    for (uint32_t i = 0; i < m.count; i++) CHECK(m.records[i].done);
    for (uint32_t s = 0; s < STREAMS; s++) rlx_stream_release(m.streams[s]);
    rlx_program_release(m.program);
    for (int i = 0; i < 2; i++) rlx_device_release(m.devices[i]);
    CHECK_UINT(fake.closed, STREAMS);
}

static void the_core_says_what_the_model_says(void) {
    uint32_t failed = 0, well = 0;
    for (uint64_t seed = 1; seed <= SEEDS && !atomic_load(&tap_failures); seed++) {
        set_up(seed * UINT64_C(0x9e3779b97f4a7c15));
        for (int i = 0; i < STEPS && !atomic_load(&tap_failures); i++) {
            step();
            check_model();
        }
        tear_down();
        for (uint32_t i = 0; i < m.count; i++) m.records[i].failed ? failed++ : well++;
        if (atomic_load(&tap_failures)) printf("# seed %" PRIu64 "\n", seed);
    }
    printf("# %u batches ended well, %u failed\n", well, failed);
    CHECK(well > 1000 && failed > 1000);
}

static const tap_test tests[] = {
    TAP(the_core_says_what_the_model_says),
};
TAP_MAIN(tests)
