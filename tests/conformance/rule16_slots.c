/* Rule 16, continued: slots. Each kind of slot takes its value from the run; slots are checked at each run like
 * arguments at encode, and an overlap that would break the recorded order is refused. */
#include "conform.h"

#define SIZE 1024
#define WORDS (SIZE / 4)

static rlx_kernel *affine(conform_test *t) { return conform_kernel_of(t, t->device, CONFORM_AFFINE); }

static rlx_status run(rlx_stream *s, rlx_program *program, const rlx_slot_value *values, uint32_t count) {
    return rlx_stream_run(s, program, &(rlx_run){ .values = values, .count = count });
}

/* ---- What slots can be ---- */

static void host_pointers_come_from_the_run(conform_test *t) {
    enum { IN, OUT, RUNS = 6 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    uint32_t *in[RUNS], *out[RUNS];
    CHECK_OK(t, rlx_stream_write_slot(recording, rlx_whole(x), IN));
    conform_affine(t, recording, rlx_whole(x), 2, 1, 1);
    CHECK_OK(t, rlx_stream_read_slot(recording, OUT, rlx_part(x, 4, SIZE - 8)));
    rlx_program *program = conform_finish(t, recording);
    CHECK_EQUAL(t, rlx_program_info(program)->slots, 2);
    for (uint32_t r = 0; r < RUNS; r++) { /* none waited for: each run has its own */
        in[r] = conform_memory(t, SIZE), out[r] = conform_memory(t, SIZE);
        for (uint32_t i = 0; i < WORDS; i++) in[r][i] = r * 1000 + i;
        const rlx_slot_value values[] = { { .slot = OUT, .host_out = out[r] }, { .slot = IN, .host = in[r] } };
        CHECK_OK(t, run(s, program, values, 2));
        if (r % 2) CHECK_OK(t, rlx_stream_submit(s, NULL));
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint32_t r = 0; r < RUNS; r++) {
        for (uint32_t i = 0; i < WORDS - 2; i++) CHECK_EQUAL(t, out[r][i], (r * 1000 + i + 1) * 2 + 1);
        CHECK_EQUAL(t, out[r][WORDS - 2], 0); /* no byte beyond the range */
    }
}

static void ranges_come_from_the_run(conform_test *t) {
    enum { FILLED, COPY_TO, COPY_FROM, ARGUMENT, USED };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, 8 * SIZE), *small = conform_buffer(t, SIZE);
    const rlx_arg args[] = { rlx_arg_slot(ARGUMENT), rlx_arg_u32(3), rlx_arg_u32(1), rlx_arg_u32(WORDS),
                             rlx_arg_u32(1) };
    const rlx_use uses[] = { { rlx_slot_range(USED, 0), RLX_READ } };
    CHECK_OK(t, rlx_stream_fill(recording, rlx_slot_range(FILLED, SIZE), 5, 4));
    CHECK_OK(t, rlx_stream_copy(recording, rlx_slot_range(COPY_TO, 100), rlx_slot_range(COPY_FROM, 100)));
    CHECK_OK(t, rlx_stream_dispatch(
                    recording, affine(t),
                    &(rlx_dispatch){
                        .groups = { WORDS / 64 }, .args = args, .arg_count = 5, .uses = uses, .use_count = 1 }));
    rlx_program *program = conform_finish(t, recording);
    uint32_t words[8 * WORDS];
    for (uint32_t r = 0; r < 6; r++) {
        conform_set(t, rlx_whole(x), 0);
        conform_set(t, rlx_whole(small), 0x77);
        uint64_t fill = r * SIZE, to = (r + 1) % 8 * SIZE + r, arg = (r + 2) % 8 * SIZE;
        const rlx_slot_value values[] = { { .slot = FILLED, .range = rlx_part(x, fill, SIZE) },
                                          { .slot = COPY_TO, .range = rlx_part(x, to, 100) },
                                          { .slot = COPY_FROM, .range = rlx_part(small, r * 3, 100) },
                                          { .slot = ARGUMENT, .range = rlx_part(x, arg, SIZE) },
                                          { .slot = USED, .range = rlx_whole(small) } };
        CHECK_OK(t, run(s, program, values, 5));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        conform_get(t, words, rlx_whole(x));
        for (uint32_t i = 0; i < 8 * WORDS; i++) {
            uint32_t expected = 0;
            if (i / WORDS == fill / SIZE) expected = 5;
            else if (i / WORDS == arg / SIZE) expected = 1;
            else if (i / WORDS == to / SIZE) continue; /* odd bytes: below */
            CHECK_EQUAL(t, words[i], expected);
        }
        unsigned char bytes[SIZE], model[SIZE];
        memset(model, 0, SIZE);
        memset(model + r, 0x77, 100);
        memcpy(bytes, &words[to / SIZE * WORDS], SIZE);
        CHECK_BYTES(t, bytes, model, SIZE, "100 bytes, copied to where this run said");
    }
}

/* Commands that a slot decides for are the commands that it decides for: at each place where it stands. */
static void a_slot_may_stand_in_many_commands(conform_test *t) {
    enum { RANGE, VALUE };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE), *y = conform_buffer(t, SIZE);
    const rlx_arg args[] = { rlx_arg_slot(RANGE), rlx_arg_slot(VALUE), rlx_arg_slot(VALUE), rlx_arg_u32(WORDS),
                             rlx_arg_u32(1) };
    const rlx_dispatch dispatch = { .groups = { WORDS / 64 }, .args = args, .arg_count = 5 };
    CHECK_OK(t, rlx_stream_fill(recording, rlx_slot_range(RANGE, SIZE), 1, 4));
    for (int i = 0; i < 3; i++)
        CHECK_OK(t, rlx_stream_dispatch(recording, affine(t), &dispatch)); /* each after the one before */
    rlx_program *program = conform_finish(t, recording);
    CHECK_EQUAL(t, rlx_program_info(program)->slots, 2);
    for (uint32_t r = 2; r < 10; r++) {
        rlx_buffer *where = r % 2 ? x : y;
        const rlx_slot_value values[] = { { .slot = RANGE, .range = rlx_whole(where) }, { .slot = VALUE, .u32 = r } };
        CHECK_OK(t, run(s, program, values, 2));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, conform_get_u32(t, where, WORDS - 1), conform_affine_word(1, r, r, 3));
    }
}

static void values_come_from_the_run(conform_test *t) {
    enum { RUNS = 50, A = 7, N = 4000 }; /* numbers need not be next to each other */
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE), *y = conform_buffer(t, SIZE);
    float ones[WORDS];
    for (uint32_t i = 0; i < WORDS; i++) ones[i] = 1;
    conform_put(t, rlx_whole(x), ones);
    conform_set(t, rlx_whole(y), 0);
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_buffer(rlx_whole(y)), rlx_arg_slot(A),
                             rlx_arg_slot(N) };
    CHECK_OK(t, rlx_stream_dispatch(recording, conform_kernel_of(t, t->device, CONFORM_AXPY),
                                    &(rlx_dispatch){ .groups = { WORDS / 64 }, .args = args, .arg_count = 4 }));
    rlx_program *program = conform_finish(t, recording);
    float expected[2] = { 0, 0 }; /* of the first and the last word */
    for (uint32_t r = 0; r < RUNS; r++) {
        uint32_t n = r % 3 ? WORDS : WORDS / 2;
        const rlx_slot_value values[] = { { .slot = A, .f32 = (float)r / 4 }, { .slot = N, .u32 = n } };
        CHECK_OK(t, run(s, program, values, 2));
        expected[0] += (float)r / 4;
        if (n == WORDS) expected[1] += (float)r / 4;
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    float got[WORDS];
    conform_get(t, got, rlx_whole(y));
    CHECK(t, got[0] == expected[0] && got[WORDS - 1] == expected[1],
          "sums of the values of 50 runs, %g and %g; got %g and %g", (double)expected[0], (double)expected[1],
          (double)got[0], (double)got[WORDS - 1]);
}

static void the_grid_comes_from_the_run(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *y = conform_buffer(t, 64 * 16);
    const rlx_arg arg = rlx_arg_buffer(rlx_whole(y));
    CHECK_OK(t, rlx_stream_dispatch(
                    recording, conform_kernel_of(t, t->device, CONFORM_WHERE),
                    &(rlx_dispatch){ .groups = { 9 }, .args = &arg, .arg_count = 1, .groups_slot = rlx_slot(3) }));
    rlx_program *program = conform_finish(t, recording);
    const uint32_t grids[][3] = { { 1, 1, 1 }, { 64, 1, 1 }, { 1, 64, 1 }, { 1, 1, 64 },
                                  { 4, 4, 4 }, { 3, 5, 2 },  { 7, 2, 1 } };
    for (size_t g = 0; g < sizeof grids / sizeof *grids; g++) {
        rlx_slot_value value = { .slot = 3 };
        memcpy(value.groups, grids[g], sizeof value.groups);
        conform_set(t, rlx_whole(y), 0);
        CHECK_OK(t, run(s, program, &value, 1));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        uint32_t words[64 * 4], count = grids[g][0] * grids[g][1] * grids[g][2];
        conform_get(t, words, rlx_whole(y));
        for (uint32_t i = 0; i < 64; i++) {
            CHECK_EQUAL(t, words[4 * i + 3], i < count);
            if (i < count) CHECK_EQUAL(t, words[4 * i + 1], i / grids[g][0] % grids[g][1]);
        }
    }
}

static void commands_run_where_their_slot_is_enabled(conform_test *t) {
    enum { FIRST, SECOND };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    atomic_uint *calls = conform_counter(t);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(x), 1, 4));
    CHECK_OK(t, rlx_stream_condition(recording, rlx_slot(FIRST)));
    conform_affine(t, recording, rlx_whole(x), 10, 2, 1);
    conform_count(t, recording, calls);
    CHECK_OK(t, rlx_stream_condition(recording, rlx_slot(SECOND)));
    conform_affine(t, recording, rlx_whole(x), 10, 3, 1);
    CHECK_OK(t, rlx_stream_condition(recording, (rlx_slot_ref){ 0 }));
    conform_affine(t, recording, rlx_whole(x), 10, 4, 1); /* always */
    rlx_program *program = conform_finish(t, recording);
    CHECK_EQUAL(t, rlx_program_info(program)->slots, 2);
    uint32_t *words[8];
    unsigned expected_calls = 0;
    for (uint32_t r = 0; r < 8; r++) { /* in one batch */
        const rlx_slot_value values[] = { { .slot = FIRST, .enabled = r & 1 }, { .slot = SECOND, .enabled = r & 2 } };
        words[r] = conform_memory(t, 4);
        CHECK_OK(t, run(s, program, values, 2));
        CHECK_OK(t, rlx_stream_read(s, words[r], rlx_part(x, SIZE - 4, 4)));
        expected_calls += r & 1;
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint32_t r = 0; r < 8; r++) {
        uint32_t expected = 1;
        if (r & 1) expected = expected * 10 + 2;
        if (r & 2) expected = expected * 10 + 3;
        CHECK_EQUAL(t, *words[r], expected * 10 + 4);
    }
    CHECK_EQUAL(t, atomic_load(calls), expected_calls);
}

/* Values given to a run inside a recording are recorded with it: nobody else would fill in what it leaves open. */
static void a_run_inside_a_program_keeps_its_values(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(10), rlx_arg_slot(0), rlx_arg_u32(WORDS),
                             rlx_arg_u32(1) };
    conform_set(t, rlx_whole(x), 0);
    CHECK_OK(t, rlx_stream_dispatch(recording, affine(t),
                                    &(rlx_dispatch){ .groups = { WORDS / 64 }, .args = args, .arg_count = 5 }));
    rlx_program *inner = conform_finish(t, recording);
    CHECK_STATUS(t, rlx_stream_run(recording, inner, NULL), RLX_ERROR_INVALID);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(x), 0, 4));
    for (uint32_t i = 1; i <= 3; i++) {
        rlx_slot_value value = { .slot = 0, .u32 = i };
        CHECK_OK(t, run(recording, inner, &value, 1));
        value.u32 = 99;
    }
    rlx_program *outer = conform_finish(t, recording);
    CHECK_EQUAL(t, rlx_program_info(outer)->slots, 0);
    CHECK_EQUAL(t, rlx_program_info(outer)->commands, 4);
    CHECK_OK(t, run(s, inner, &(rlx_slot_value){ .slot = 0, .u32 = 5 },
                    1)); /* a run of the inner one changes nothing in the outer */
    for (int again = 0; again < 2; again++) {
        CHECK_OK(t, rlx_stream_run(s, outer, NULL));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, conform_get_u32(t, x, 0), 123);
    }
}

/* ---- What a run refuses ---- */

typedef struct checked {
    rlx_stream *s;
    rlx_buffer *x, *y, *foreign;
    rlx_program *program;
    uint32_t *host;
} checked;

enum { RANGE_SLOT, VALUE_SLOT, HOST_SLOT, GRID_SLOT, SLOTS };

/* All offsets here are multiples of 256, as far as a device may ask for; so its last part is a short one. */
#define ROOM (4 * SIZE - 200)

static checked make_checked(conform_test *t) {
    checked c = { .s = conform_stream(t, 0),
                  .x = conform_buffer(t, ROOM),
                  .y = conform_buffer(t, SIZE),
                  .foreign = conform_buffer_on(t, conform_open_again(t), ROOM),
                  .host = conform_memory(t, SIZE) };
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD);
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(c.y)), rlx_arg_buffer(rlx_whole(c.y)), rlx_arg_slot(RANGE_SLOT),
                             rlx_arg_slot(VALUE_SLOT) };
    CHECK_OK(t, rlx_stream_write_slot(recording, rlx_whole(c.y), HOST_SLOT));
    CHECK_OK(t,
             rlx_stream_dispatch(recording, conform_kernel_of(t, t->device, CONFORM_COMBINE),
                                 &(rlx_dispatch){ .args = args, .arg_count = 4, .groups_slot = rlx_slot(GRID_SLOT) }));
    CHECK_OK(t, rlx_stream_copy(recording, rlx_part(c.y, 0, 64), rlx_slot_range(RANGE_SLOT, 64)));
    c.program = conform_finish(t, recording);
    conform_set(t, rlx_whole(c.x), 0x11);
    return c;
}

/* Values that are right: the test makes one of them wrong. */
static void fill_values(const checked *c, rlx_slot_value values[SLOTS]) {
    values[RANGE_SLOT] = (rlx_slot_value){ .slot = RANGE_SLOT, .range = rlx_part(c->x, SIZE, 64) };
    values[VALUE_SLOT] = (rlx_slot_value){ .slot = VALUE_SLOT, .u32 = 16 };
    values[HOST_SLOT] = (rlx_slot_value){ .slot = HOST_SLOT, .host = c->host };
    values[GRID_SLOT] = (rlx_slot_value){ .slot = GRID_SLOT, .groups = { 1, 1, 1 } };
}

static void slots_are_checked_at_each_run(conform_test *t) {
    checked c = make_checked(t);
    uint32_t invalid = CONFORM_BIT(RLX_ERROR_INVALID), range = CONFORM_BIT(RLX_ERROR_RANGE);
    const struct {
        const char *words;
        rlx_slot_value wrong;
        uint32_t expected;
    } cases[] = {
        { "a range past the end", { .slot = RANGE_SLOT, .range = rlx_part(c.x, 4 * SIZE - 256, 64) }, range },
        { "a range behind the end", { .slot = RANGE_SLOT, .range = rlx_part(c.x, 4 * SIZE, 64) }, range },
        { "a range of the wrong size", { .slot = RANGE_SLOT, .range = rlx_part(c.x, 0, 128) }, invalid | range },
        { "a range that is too short", { .slot = RANGE_SLOT, .range = rlx_part(c.x, 0, 60) }, invalid | range },
        { "a range that overflows",
          { .slot = RANGE_SLOT, .range = rlx_part(c.x, UINT64_MAX - 255, 512) },
          invalid | range },
        { "a range without a buffer", { .slot = RANGE_SLOT, .range = rlx_part(NULL, 0, 64) }, invalid },
        { "a range of another device", { .slot = RANGE_SLOT, .range = rlx_part(c.foreign, 0, 64) }, invalid },
        { "a slot for a slot", { .slot = RANGE_SLOT, .range = rlx_slot_range(1, 64) }, invalid },
        { "an argument that overlaps another",
          { .slot = RANGE_SLOT, .range = rlx_part(c.y, SIZE / 2, 64) },
          CONFORM_BIT(RLX_ERROR_ALIAS) },
        { "a host pointer that is NULL", { .slot = HOST_SLOT, .host = NULL }, invalid },
        { "another slot twice", { .slot = GRID_SLOT, .groups = { 1, 1, 1 } }, invalid },
        { "a slot that is not there", { .slot = 77, .u32 = 1 }, invalid },
        { "a slot above all", { .slot = UINT32_MAX, .u32 = 1 }, invalid | CONFORM_BIT(RLX_ERROR_LIMIT) },
    };
    const uint32_t places[] = { RANGE_SLOT, RANGE_SLOT, RANGE_SLOT, RANGE_SLOT, RANGE_SLOT, RANGE_SLOT, RANGE_SLOT,
                                RANGE_SLOT, RANGE_SLOT, HOST_SLOT,  VALUE_SLOT, VALUE_SLOT, VALUE_SLOT };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rlx_slot_value values[SLOTS];
        fill_values(&c, values);
        values[places[i]] = cases[i].wrong;
        rlx_status status = run(c.s, c.program, values, SLOTS);
        CHECK(t, (uint32_t)status < 32 && (cases[i].expected & CONFORM_BIT(status)), "%s is refused; got %s: %s",
              cases[i].words, conform_status_name(status), status ? rlx_last_error() : "it was taken");
        CHECK(t, rlx_last_error()[0] != '\0', "a message");
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(c.s, t->patience)); /* as it was: none of them runs */
    CHECK_EQUAL(t, conform_get_u32(t, c.x, SIZE / 4), 0x11111111);
}

static void missing_and_surplus_values_are_refused(conform_test *t) {
    checked c = make_checked(t);
    rlx_slot_value values[SLOTS + 1];
    fill_values(&c, values);
    for (uint32_t missing = 0; missing < SLOTS; missing++) {
        rlx_slot_value fewer[SLOTS];
        uint32_t n = 0;
        for (uint32_t i = 0; i < SLOTS; i++)
            if (i != missing) fewer[n++] = values[i];
        CHECK_STATUS(t, run(c.s, c.program, fewer, n), RLX_ERROR_INVALID);
    }
    values[SLOTS] = values[VALUE_SLOT];
    CHECK_STATUS(t, run(c.s, c.program, values, SLOTS + 1), RLX_ERROR_INVALID);
    CHECK_STATUS(t, run(c.s, c.program, NULL, SLOTS), RLX_ERROR_INVALID);
    CHECK_STATUS(t, run(c.s, c.program, values, 0), RLX_ERROR_INVALID);
    CHECK_STATUS(t, rlx_stream_run(c.s, c.program, NULL), RLX_ERROR_INVALID);
    uint32_t limit = t->info->limits.groups[1];
    if (limit < UINT32_MAX) {
        rlx_slot_value too_many[SLOTS];
        fill_values(&c, too_many);
        too_many[GRID_SLOT].groups[1] = limit + 1;
        CHECK_STATUS(t, run(c.s, c.program, too_many, SLOTS), RLX_ERROR_LIMIT);
    }
    uint32_t alignment = t->info->limits.binding_alignment;
    if (alignment > 1) {
        rlx_slot_value crooked[SLOTS];
        fill_values(&c, crooked);
        crooked[RANGE_SLOT].range.offset += alignment / 2;
        CHECK_STATUS(t, run(c.s, c.program, crooked, SLOTS), RLX_ERROR_ALIGNMENT);
    }
    for (uint32_t i = 0; i < WORDS; i++) c.host[i] = i;
    CHECK_OK(t, run(c.s, c.program, values, SLOTS)); /* the right ones */
    CHECK_OK(t, rlx_stream_submit_and_wait(c.s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, c.x, SIZE / 4 + 3), 4 * 3);
    CHECK_EQUAL(t, conform_get_u32(t, c.x, SIZE / 4 + 16), 0x11111111);
}

/* ---- Overlaps that a recording could not know of ---- */

static void an_overlap_that_would_break_the_order_is_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *a = conform_buffer(t, 2 * SIZE), *b = conform_buffer(t, SIZE);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_part(a, 0, SIZE), 7, 4));            /* writes a */
    CHECK_OK(t, rlx_stream_copy(recording, rlx_whole(b), rlx_slot_range(0, SIZE))); /* reads the slot's range */
    rlx_program *program = conform_finish(t, recording);
    conform_set(t, rlx_part(a, SIZE, SIZE), 0x22);
    conform_set(t, rlx_whole(b), 0);
    rlx_slot_value value = { .slot = 0, .range = rlx_part(a, 0, SIZE) };
    CHECK_STATUS(t, run(s, program, &value, 1), RLX_ERROR_ALIAS);
    value.range = rlx_part(a, SIZE - 4, SIZE); /* one word */
    CHECK_STATUS(t, run(s, program, &value, 1), RLX_ERROR_ALIAS);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, b, 0), 0);
    value.range = rlx_part(a, SIZE, SIZE); /* side by side */
    CHECK_OK(t, run(s, program, &value, 1));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, b, WORDS - 1), 0x22222222);
}

static void overlaps_of_slots_with_each_other_are_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *a = conform_buffer(t, 4 * SIZE);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_slot_range(0, SIZE), 7, 4));
    CHECK_OK(t, rlx_stream_fill(recording, rlx_slot_range(1, SIZE), 8, 4));
    rlx_program *program = conform_finish(t, recording);
    rlx_slot_value values[] = { { .slot = 0, .range = rlx_part(a, 0, SIZE) },
                                { .slot = 1, .range = rlx_part(a, SIZE / 2, SIZE) } };
    CHECK_STATUS(t, run(s, program, values, 2), RLX_ERROR_ALIAS);
    values[1].range = rlx_part(a, SIZE, SIZE);
    CHECK_OK(t, run(s, program, values, 2));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, a, 0), 7);
    CHECK_EQUAL(t, conform_get_u32(t, a, WORDS), 8);
}

/* A host pointer is memory too: what a run reads into it is what the same run writes from it later, in the recorded
 * order, or the run is refused. */
static void overlaps_of_host_pointers_keep_the_order(conform_test *t) {
    enum { SLOW = 20000 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *a = conform_buffer(t, SIZE), *b = conform_buffer(t, SIZE);
    uint32_t *host = conform_memory(t, 2 * SIZE);
    conform_affine(t, recording, rlx_whole(a), 1, 1, SLOW);
    CHECK_OK(t, rlx_stream_read_slot(recording, 0, rlx_whole(a))); /* late, as it waits for the slow one */
    CHECK_OK(t, rlx_stream_write_slot(recording, rlx_whole(b), 1));
    rlx_program *program = conform_finish(t, recording);
    conform_set(t, rlx_whole(a), 0);
    for (uint32_t round = 1; round <= 3; round++) {
        const rlx_slot_value same[] = { { .slot = 0, .host_out = host }, { .slot = 1, .host = host } };
        rlx_status status = run(s, program, same, 2);
        CHECK_ONE_OF(t, status, CONFORM_BIT(RLX_OK) | CONFORM_BIT(RLX_ERROR_ALIAS));
        if (status) break;
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, host[WORDS - 1], round * SLOW);
        CHECK_EQUAL(t, conform_get_u32(t, b, WORDS - 1), round * SLOW);
    }
    host[WORDS] = 77;
    const rlx_slot_value apart[] = { { .slot = 0, .host_out = host }, { .slot = 1, .host = host + WORDS } };
    CHECK_OK(t, run(s, program, apart, 2));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, b, 0), 77);
}

/* Two reads into the same host memory: the later one stays. */
static void reads_into_one_host_pointer_keep_the_order(conform_test *t) {
    enum { SLOW = 20000 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *a = conform_buffer(t, SIZE), *b = conform_buffer(t, SIZE);
    uint32_t *host = conform_memory(t, 2 * SIZE);
    conform_affine(t, recording, rlx_whole(a), 1, 1, SLOW);
    CHECK_OK(t, rlx_stream_read_slot(recording, 0, rlx_whole(a)));
    CHECK_OK(t, rlx_stream_read_slot(recording, 1, rlx_whole(b)));
    rlx_program *program = conform_finish(t, recording);
    conform_set(t, rlx_whole(a), 0);
    conform_set(t, rlx_whole(b), 0x22);
    for (int run_number = 0; run_number < 5; run_number++) {
        const rlx_slot_value same[] = { { .slot = 0, .host_out = host }, { .slot = 1, .host_out = host } };
        rlx_status status = run(s, program, same, 2);
        CHECK_ONE_OF(t, status, CONFORM_BIT(RLX_OK) | CONFORM_BIT(RLX_ERROR_ALIAS));
        if (status) break;
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, host[0], 0x22222222);
        CHECK_EQUAL(t, host[WORDS - 1], 0x22222222);
    }
}

/* Host memory that the recording knew, and a host pointer that a run gives, may be the same. */
static void host_memory_and_host_pointers_keep_the_order(conform_test *t) {
    enum { SLOW = 20000 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *a = conform_buffer(t, SIZE), *b = conform_buffer(t, SIZE), *c = conform_buffer(t, SIZE);
    uint32_t *host = conform_memory(t, SIZE), *other = conform_memory(t, SIZE);
    conform_affine(t, recording, rlx_whole(a), 1, 1, SLOW);
    CHECK_OK(t, rlx_stream_read(recording, host, rlx_whole(a)));    /* late */
    CHECK_OK(t, rlx_stream_write_slot(recording, rlx_whole(b), 0)); /* from what was read */
    conform_affine(t, recording, rlx_whole(c), 1, 1, SLOW);
    CHECK_OK(t, rlx_stream_read_slot(recording, 1, rlx_whole(c)));    /* late */
    CHECK_OK(t, rlx_stream_write(recording, rlx_whole(c), other, 0)); /* from what was read */
    rlx_program *program = conform_finish(t, recording);
    conform_set(t, rlx_whole(a), 0);
    conform_set(t, rlx_whole(c), 0);
    for (uint32_t round = 1; round <= 4; round++) {
        const rlx_slot_value same[] = { { .slot = 0, .host = host }, { .slot = 1, .host_out = other } };
        rlx_status status = run(s, program, same, 2);
        CHECK_ONE_OF(t, status, CONFORM_BIT(RLX_OK) | CONFORM_BIT(RLX_ERROR_ALIAS));
        if (status) break;
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, conform_get_u32(t, b, WORDS - 1), round * SLOW);
        CHECK_EQUAL(t, conform_get_u32(t, c, WORDS - 1), round * SLOW);
    }
}

static void overlaps_that_break_nothing_are_taken(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *a = conform_buffer(t, SIZE), *b = conform_buffer(t, SIZE), *c = conform_buffer(t, SIZE);
    CHECK_OK(t, rlx_stream_copy(recording, rlx_whole(b), rlx_whole(a))); /* both only read */
    CHECK_OK(t, rlx_stream_copy(recording, rlx_whole(c), rlx_slot_range(0, SIZE)));
    rlx_program *program = conform_finish(t, recording);
    conform_set(t, rlx_whole(a), 0x44);
    CHECK_OK(t, run(s, program, &(rlx_slot_value){ .slot = 0, .range = rlx_whole(a) }, 1));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, b, 9), 0x44444444);
    CHECK_EQUAL(t, conform_get_u32(t, c, 9), 0x44444444);
}

/* ---- What a recording refuses ---- */

static void a_slot_has_one_kind(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    uint32_t refused = 0;
    CHECK_OK(t, rlx_stream_write_slot(recording, rlx_whole(x), 0));
    refused +=
        rlx_stream_fill(recording, rlx_slot_range(0, SIZE), 1, 4) != RLX_OK; /* at encode, or when it is finished */
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(1), rlx_arg_slot(0), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    refused += rlx_stream_dispatch(recording, affine(t),
                                   &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5 }) != RLX_OK;
    rlx_program *program = NULL;
    rlx_status status = rlx_stream_finish(recording, NULL, &program);
    CHECK(t, refused == 2 || status == RLX_ERROR_INVALID,
          "a slot that is a host pointer is no range and no value; finish returned %s", conform_status_name(status));
    rlx_program_release(status ? NULL : program);
    rlx_stream_discard(recording);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_slot_range(0, SIZE), 3, 4)); /* in another program it may be */
    program = conform_finish(t, recording);
    CHECK_OK(t, run(s, program, &(rlx_slot_value){ .slot = 0, .range = rlx_whole(x) }, 1));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), 3);
}

/* No run could give it both: refused where it is recorded, finished, or at each run. */
static void a_slot_has_one_size(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    rlx_program *program = NULL;
    conform_set(t, rlx_whole(x), 0x11);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_slot_range(0, 64), 1, 4));
    bool refused = rlx_stream_fill(recording, rlx_slot_range(0, 128), 2, 4) != RLX_OK;
    refused |= rlx_stream_finish(recording, NULL, &program) != RLX_OK;
    for (uint64_t size = 64; size <= 128 && !refused; size += 64)
        CHECK_ONE_OF(t, run(s, program, &(rlx_slot_value){ .slot = 0, .range = rlx_part(x, 0, size) }, 1),
                     CONFORM_BIT(RLX_ERROR_INVALID) | CONFORM_BIT(RLX_ERROR_RANGE));
    rlx_program_release(program);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 31), 0x11111111);
}

static void slots_have_numbers_below_the_limit(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    uint32_t *host = conform_memory(t, SIZE);
    CHECK_ONE_OF(t, rlx_stream_write_slot(recording, rlx_whole(x), RLX_SLOT_MAX), CONFORM_ERRORS);
    CHECK_ONE_OF(t, rlx_stream_read_slot(recording, UINT32_MAX, rlx_whole(x)), CONFORM_ERRORS);
    CHECK_ONE_OF(t, rlx_stream_fill(recording, rlx_slot_range(RLX_SLOT_MAX, 4), 1, 4), CONFORM_ERRORS);
    CHECK_ONE_OF(t, rlx_stream_condition(recording, rlx_slot(RLX_SLOT_MAX)), CONFORM_ERRORS);
    CHECK_OK(t, rlx_stream_write_slot(recording, rlx_whole(x), RLX_SLOT_MAX - 1));
    rlx_program *program = conform_finish(t, recording);
    CHECK_EQUAL(t, rlx_program_info(program)->slots, 1);
    host[3] = 33;
    CHECK_OK(t, run(s, program, &(rlx_slot_value){ .slot = RLX_SLOT_MAX - 1, .host = host }, 1));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 3), 33);
}

const conform_case conform_rule16_slots[] = {
    { 16, "host pointers come from the run", host_pointers_come_from_the_run },
    { 16, "ranges come from the run, for commands, arguments and uses", ranges_come_from_the_run },
    { 16, "a slot may stand in many commands", a_slot_may_stand_in_many_commands },
    { 16, "values come from the run", values_come_from_the_run },
    { 16, "the grid comes from the run", the_grid_comes_from_the_run },
    { 16, "commands run where their slot is enabled", commands_run_where_their_slot_is_enabled },
    { 16, "a run inside a program keeps its values", a_run_inside_a_program_keeps_its_values },
    { 16, "slots are checked at each run", slots_are_checked_at_each_run },
    { 16, "missing, surplus, crooked and excessive values are refused", missing_and_surplus_values_are_refused },
    { 16, "a range that would break the recorded order is refused", an_overlap_that_would_break_the_order_is_refused },
    { 16, "ranges of slots that overlap each other are refused", overlaps_of_slots_with_each_other_are_refused },
    { 16, "host pointers that overlap each other keep the recorded order, or are refused",
      overlaps_of_host_pointers_keep_the_order },
    { 16, "host pointers that overlap recorded host memory keep the recorded order, or are refused",
      host_memory_and_host_pointers_keep_the_order },
    { 16, "two reads into one host pointer keep the recorded order, or are refused",
      reads_into_one_host_pointer_keep_the_order },
    { 16, "ranges that overlap and break nothing are taken", overlaps_that_break_nothing_are_taken },
    { 16, "a slot has one kind", a_slot_has_one_kind },
    { 16, "a slot has one size, wherever it stands", a_slot_has_one_size },
    { 16, "slots have numbers below RLX_SLOT_MAX", slots_have_numbers_below_the_limit },
    { 0 },
};
