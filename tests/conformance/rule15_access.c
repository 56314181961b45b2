/* Rule 15: declared access is the truth. Disjoint ranges of one buffer may be bound together; ranges that overlap in
 * bytes, one of them written, are refused; memory reached by address is declared in `uses`. */
#include "conform.h"

#define PART 512 /* bytes: a multiple of any binding alignment */
#define WORDS (PART / 4)

static rlx_status dispatch_combine(conform_test *t, rlx_stream *s, rlx_range a, rlx_range b, rlx_range c,
                                   uint32_t words) {
    const rlx_arg args[] = { rlx_arg_buffer(a), rlx_arg_buffer(b), rlx_arg_buffer(c), rlx_arg_u32(words) };
    return rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_COMBINE),
                               &(rlx_dispatch){ .groups = { (words + 63) / 64 }, .args = args, .arg_count = 4 });
}

/* Three parts of one buffer in every order, side by side: no byte between them. */
static void disjoint_ranges_of_one_buffer_are_bound_together(conform_test *t) {
    static const uint64_t orders[6][3] = {
        { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 }
    };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 3 * PART);
    for (int i = 0; i < 6; i++) {
        rlx_range a = rlx_part(x, orders[i][0] * PART, PART), b = rlx_part(x, orders[i][1] * PART, PART),
                  c = rlx_part(x, orders[i][2] * PART, PART);
        conform_iota(t, s, a, 10);
        conform_iota(t, s, b, 1000);
        CHECK_OK(t, rlx_stream_fill(s, c, 0, 4));
        CHECK_OK(t, dispatch_combine(t, s, a, b, c, WORDS));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        uint32_t words[3 * WORDS];
        conform_get(t, words, rlx_whole(x));
        for (uint32_t w = 0; w < WORDS; w++) {
            CHECK_EQUAL(t, words[orders[i][2] * WORDS + w], 10 + w + 3 * (1000 + w));
            CHECK_EQUAL(t, words[orders[i][0] * WORDS + w], 10 + w); /* what is read stays */
            CHECK_EQUAL(t, words[orders[i][1] * WORDS + w], 1000 + w);
        }
    }
}

/* An arena: all eight arguments of a dispatch in one buffer. */
static void eight_parts_of_one_buffer_are_bound_together(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 8 * PART);
    rlx_arg args[9];
    for (uint32_t i = 0; i < 8; i++) {
        rlx_range part = rlx_part(x, (i * 3 % 8) * PART, PART);
        conform_iota(t, s, part, i * 100);
        args[i] = rlx_arg_buffer(part);
    }
    args[8] = rlx_arg_u32(WORDS);
    CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_GATHER),
                                    &(rlx_dispatch){ .groups = { 2 }, .args = args, .arg_count = 9 }));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    uint32_t words[WORDS];
    conform_get(t, words, rlx_part(x, (7 * 3 % 8) * PART, PART));
    for (uint32_t w = 0; w < WORDS; w++) {
        uint32_t expected = 0;
        for (uint32_t i = 0; i < 7; i++) expected += (i + 1) * (i * 100 + w);
        CHECK_EQUAL(t, words[w], expected);
    }
}

/* Bytes count, not words: one range ends, and the next begins, within a word. */
static rlx_status double_bytes(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    if (first || !count) return RLX_OK;
    const unsigned char *in = k->args[0].data;
    unsigned char *out = k->args[1].data;
    for (uint64_t i = 0; i < k->args[0].size && i < k->args[1].size; i++) out[i] = (unsigned char)(in[i] * 2);
    return RLX_OK;
}

static void ranges_that_share_a_word_but_no_byte_are_disjoint(conform_test *t) {
    uint32_t alignment = t->info->limits.binding_alignment;
    if (alignment > 2) conform_skip(t, "needs limits.binding_alignment of 1 or 2; it is %u", alignment);
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 64);
    rlx_kernel *kernel;
    const rlx_param params[] = { { .access = RLX_READ }, { .access = RLX_WRITE } };
    const rlx_code code = { .format = RLX_CODE_HOST, .function = double_bytes };
    CHECK_OK(t, rlx_kernel_create(
                    t->device,
                    &(rlx_kernel_desc){
                        .name = "double", .params = params, .param_count = 2, .codes = &code, .code_count = 1 },
                    &kernel));
    unsigned char bytes[64], got[64];
    for (unsigned i = 0; i < 64; i++) bytes[i] = (unsigned char)(i + 1);
    conform_put(t, rlx_whole(x), bytes);
    const rlx_arg apart[] = { rlx_arg_buffer(rlx_part(x, 0, 6)), rlx_arg_buffer(rlx_part(x, 6, 6)) };
    CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = apart, .arg_count = 2 }));
    const rlx_arg close[] = { rlx_arg_buffer(rlx_part(x, 0, 7)), rlx_arg_buffer(rlx_part(x, 6, 6)) };
    CHECK_STATUS(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = close, .arg_count = 2 }),
                 RLX_ERROR_ALIAS);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_get(t, got, rlx_whole(x));
    for (unsigned i = 0; i < 6; i++) bytes[6 + i] = (unsigned char)(2 * bytes[i]);
    CHECK_BYTES(t, got, bytes, 64, "bytes 6 to 11, written, and their neighbours");
    rlx_kernel_release(kernel);
}

/* ---- Overlaps ---- */

static void overlapping_ranges_are_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 4 * PART), *y = conform_buffer(t, PART);
    conform_set(t, rlx_whole(x), 0x11);
    const struct {
        rlx_range a, b, c; /* c is written */
        const char *words;
    } cases[] = {
        { rlx_part(x, 0, PART), rlx_whole(y), rlx_part(x, 0, PART), "the same range read and written" },
        { rlx_whole(y), rlx_part(x, 0, PART), rlx_part(x, 0, PART), "the same range as the second that is read" },
        { rlx_part(x, 0, PART + 4), rlx_whole(y), rlx_part(x, PART, PART), "one word of overlap" },
        { rlx_part(x, 0, PART + 1), rlx_whole(y), rlx_part(x, PART, PART), "one byte of overlap" },
        { rlx_part(x, PART, PART), rlx_whole(y), rlx_part(x, 0, PART + 1), "one byte, the other way round" },
        { rlx_whole(x), rlx_whole(y), rlx_part(x, PART, PART), "one range within another" },
        { rlx_part(x, PART, PART), rlx_whole(y), rlx_whole(x), "one range around another" },
        { rlx_part(x, 3 * PART, RLX_REST), rlx_whole(y), rlx_part(x, 0, RLX_REST),
          "ranges that reach to the buffer's end" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rlx_status status = dispatch_combine(t, s, cases[i].a, cases[i].b, cases[i].c, 1);
        CHECK(t, status == RLX_ERROR_ALIAS, "%s: RLX_ERROR_ALIAS; got %s", cases[i].words, conform_status_name(status));
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience)); /* as it was: nothing encoded */
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), 0x11111111);
}

static void overlapping_reads_are_fine(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 2 * PART), *y = conform_buffer(t, PART);
    conform_iota(t, s, rlx_whole(x), 5);
    CHECK_OK(t, dispatch_combine(t, s, rlx_part(x, 0, PART), rlx_part(x, 0, PART), rlx_whole(y),
                                 WORDS)); /* twice the same */
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, y, 100), 4 * 105);
    CHECK_OK(t, dispatch_combine(t, s, rlx_part(x, 0, 2 * PART), rlx_part(x, PART, PART), rlx_whole(y),
                                 WORDS)); /* one in the other */
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, y, 100), 105 + 3 * (105 + WORDS));
}

static void in_place_is_one_argument(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, PART);
    conform_iota(t, s, rlx_whole(x), 0);
    conform_affine(t, s, rlx_whole(x), 7, 3, 1);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint64_t w = 0; w < WORDS; w += 17) CHECK_EQUAL(t, conform_get_u32(t, x, w), 7 * w + 3);
}

/* The same bytes bound to commands one after another: rule 2 orders them. */
static void overlap_between_commands_is_order(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 4 * PART);
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 1, 4));
    for (uint32_t i = 0; i < 30; i++) {
        uint64_t from = i % 2 ? PART : 0, to = i % 2 ? 0 : PART;
        CHECK_OK(t, dispatch_combine(t, s, rlx_part(x, from, PART), rlx_part(x, 2 * PART, PART), rlx_part(x, to, PART),
                                     WORDS));
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 5), 1 + 3 * 30);
}

/* ---- Uses ---- */

/* A kernel that reaches memory by its address, slowly: what orders it is `uses` alone. */
typedef struct reach {
    uint32_t *words;
    uint32_t value; /* written where it is not 0 */
    uint32_t sum;   /* otherwise of what is there */
} reach;

static rlx_status reach_out(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    reach *r = k->user;
    if (first || !count) return RLX_OK;
    r->sum = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        if (r->value) r->words[i] = r->value;
        else r->sum += r->words[i];
        if (i % 32 == 0) conform_sleep_us(200);
    }
    return RLX_OK;
}

static void dispatch_reach(conform_test *t, rlx_stream *s, rlx_kernel *kernel, rlx_buffer *x, rlx_access access) {
    const rlx_use uses[] = { { rlx_whole(x), access } };
    CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .uses = uses, .use_count = 1 }));
}

static void check_uses(conform_test *t, bool recorded) {
    rlx_stream *s = conform_stream(t, 0), *e = recorded ? conform_stream(t, RLX_STREAM_RECORD) : s;
    rlx_buffer *x, *y = conform_buffer(t, PART);
    void *pointer;
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = PART, .memory = RLX_MEMORY_SHARED }, &x));
    CHECK_OK(t, rlx_buffer_host_pointer(x, &pointer));
    reach *write = conform_memory(t, sizeof *write), *read = conform_memory(t, sizeof *read),
          *last = conform_memory(t, sizeof *last);
    *write = (reach){ pointer, 5, 0 };
    *read = *last = (reach){ pointer, 0, 0 };
    rlx_kernel *writer = conform_host_kernel(t, t->device, "writer", reach_out, write);
    rlx_kernel *reader = conform_host_kernel(t, t->device, "reader", reach_out, read);
    rlx_kernel *reader_again = conform_host_kernel(t, t->device, "reader", reach_out, last);
    CHECK_OK(t, rlx_stream_fill(e, rlx_whole(x), 1, 4));
    dispatch_reach(t, e, writer, x, RLX_WRITE);                  /* after the fill */
    CHECK_OK(t, rlx_stream_copy(e, rlx_whole(y), rlx_whole(x))); /* sees what it wrote */
    dispatch_reach(t, e, reader, x, RLX_READ);                   /* so does one that reads */
    CHECK_OK(t, rlx_stream_fill(e, rlx_whole(x), 9, 4));         /* and this comes after the reading */
    dispatch_reach(t, e, reader_again, x, RLX_READ);
    rlx_program *program = recorded ? conform_finish(t, e) : NULL;
    for (int round = 0; round < (recorded ? 3 : 1); round++) {
        if (recorded) CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, conform_get_u32(t, y, 0), 5);
        CHECK_EQUAL(t, conform_get_u32(t, y, WORDS - 1), 5);
        CHECK_EQUAL(t, read->sum, 5 * WORDS);
        CHECK_EQUAL(t, last->sum, 9 * WORDS);
    }
    rlx_buffer_release(x);
}

static void uses_are_ordered(conform_test *t) { check_uses(t, false); }
static void uses_are_ordered_in_programs(conform_test *t) { check_uses(t, true); }

/* Declared reads of two commands don't order them, and whatever else was declared does: a program keeps each pair. */
static void declared_accesses_order_commands_in_programs(conform_test *t) {
    enum { SLOW = 20000 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, 4 * PART);
    rlx_range a = rlx_part(x, 0, PART), b = rlx_part(x, PART, PART), c = rlx_part(x, 2 * PART, PART),
              d = rlx_part(x, 3 * PART, PART);
    conform_iota(t, recording, a, 1);
    CHECK_OK(t, rlx_stream_fill(recording, b, 2, 4));
    conform_affine(t, recording, a, 1, 1, SLOW); /* slow, then read by two */
    CHECK_OK(t, dispatch_combine(t, recording, a, b, c, WORDS));
    CHECK_OK(t, dispatch_combine(t, recording, b, a, d, WORDS));
    conform_affine(t, recording, b, 1, 1, SLOW); /* written after both have read */
    CHECK_OK(t, rlx_stream_fill(recording, a, 0, 4));
    rlx_program *program = conform_finish(t, recording);
    for (int round = 0; round < 5; round++) {
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        uint32_t words[4 * WORDS];
        conform_get(t, words, rlx_whole(x));
        for (uint32_t w = 0; w < WORDS; w++) {
            uint32_t at = 1 + w + SLOW;
            CHECK_EQUAL(t, words[w], 0);
            CHECK_EQUAL(t, words[WORDS + w], 2 + SLOW);
            CHECK_EQUAL(t, words[2 * WORDS + w], at + 3 * 2);
            CHECK_EQUAL(t, words[3 * WORDS + w], 2 + 3 * at);
        }
    }
}

const conform_case conform_rule15[] = {
    { 15, "disjoint ranges of one buffer are bound together, read and written",
      disjoint_ranges_of_one_buffer_are_bound_together },
    { 15, "eight parts of one buffer are bound together", eight_parts_of_one_buffer_are_bound_together },
    { 15, "ranges that share a word but no byte are disjoint", ranges_that_share_a_word_but_no_byte_are_disjoint,
      NEEDS_HOST_CODE },
    { 15, "ranges that overlap, one of them written, are refused", overlapping_ranges_are_refused },
    { 15, "ranges that overlap and are all read are taken", overlapping_reads_are_fine },
    { 15, "in place is one argument, read and written", in_place_is_one_argument },
    { 15, "the same bytes in one command after another are in order", overlap_between_commands_is_order },
    { 15, "memory in `uses` is ordered", uses_are_ordered, NEEDS_HOST_CODE, RLX_CAN_HOST_POINTER },
    { 15, "memory in `uses` is ordered in programs", uses_are_ordered_in_programs, NEEDS_HOST_CODE,
      RLX_CAN_HOST_POINTER },
    { 15, "declared accesses order the commands of a program", declared_accesses_order_commands_in_programs },
    { 0 },
};
