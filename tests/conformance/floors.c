/* The floors: what every listed device can do (docs/design.md, section 4). Reported limits are at least the floors,
 * and each floor is used to its full. */
#include "conform.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static void limits_are_at_least_the_floors(conform_test *t) {
    const rlx_limits *l = &t->info->limits;
    CHECK(t, l->buffer_size >= 256 * MIB, "buffers of 256 MiB; the limit is %" PRIu64, l->buffer_size);
    CHECK(t, l->binding_size >= 128 * MIB, "bindings of 128 MiB; the limit is %" PRIu64, l->binding_size);
    CHECK(t,
          l->binding_alignment >= 1 && l->binding_alignment <= 256 &&
              !(l->binding_alignment & (l->binding_alignment - 1)),
          "a binding alignment of at most 256, a power of two; it is %u", l->binding_alignment);
    CHECK(t, l->buffer_args >= 8, "8 buffer arguments; the limit is %u", l->buffer_args);
    CHECK(t, l->value_bytes >= 128, "128 bytes of values; the limit is %u", l->value_bytes);
    for (int i = 0; i < 3; i++)
        CHECK(t, l->groups[i] >= 65535, "65535 groups in dimension %d; the limit is %u", i, l->groups[i]);
    CHECK(t, l->group_size[0] >= 256 && l->group_size[1] >= 256 && l->group_size[2] >= 64,
          "groups of (256, 256, 64); the limit is (%u, %u, %u)", l->group_size[0], l->group_size[1], l->group_size[2]);
    CHECK(t, l->group_threads >= 256, "groups of 256 threads; the limit is %u", l->group_threads);
    CHECK(t, l->shared_bytes >= 16 * KIB, "16 KiB of shared memory; the limit is %u", l->shared_bytes);
    const uint32_t types = RLX_TYPE_F32 | RLX_TYPE_I32 | RLX_TYPE_U32;
    CHECK(t, (t->info->storage_types & types) == types && (t->info->compute_types & types) == types,
          "f32, i32 and u32, stored and computed");
}

/* ---- Arguments ---- */

static void eight_buffers_reach_a_kernel(conform_test *t) {
    enum { WORDS = 500, SIZE = WORDS * 4 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *buffers[8];
    rlx_arg args[9];
    for (uint32_t i = 0; i < 8; i++) {
        buffers[i] = conform_buffer(t, SIZE);
        conform_iota(t, s, rlx_whole(buffers[i]), 1u << (4 * i % 30));
        args[i] = rlx_arg_buffer(rlx_whole(buffers[i]));
    }
    args[8] = rlx_arg_u32(WORDS);
    CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_GATHER),
                                    &(rlx_dispatch){ .groups = { 8 }, .args = args, .arg_count = 9 }));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    uint32_t words[WORDS];
    conform_get(t, words, rlx_whole(buffers[7]));
    for (uint32_t w = 0; w < WORDS; w++) {
        uint32_t expected = 0;
        for (uint32_t i = 0; i < 7; i++) expected += (i + 1) * ((1u << (4 * i % 30)) + w);
        CHECK_EQUAL(t, words[w], expected);
    }
}

static void values_of_128_bytes_reach_a_kernel(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *y = conform_buffer(t, 128);
    rlx_arg args[33];
    uint32_t values[32], got[32];
    args[0] = rlx_arg_buffer(rlx_whole(y));
    for (uint32_t i = 0; i < 32; i++) values[i] = (uint32_t)conform_random(t), args[i + 1] = rlx_arg_u32(values[i]);
    CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_VALUES),
                                    &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 33 }));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_get(t, got, rlx_whole(y));
    CHECK_BYTES(t, got, values, 128, "32 values of 4 bytes each");
}

static void bindings_begin_at_multiples_of_256(conform_test *t) {
    enum { PLACES = 32 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, PLACES * 256);
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 0, 4));
    for (uint32_t i = 0; i < PLACES; i += 3) conform_iota(t, s, rlx_part(x, i * 256, 20), i + 1);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    uint32_t words[PLACES * 64];
    conform_get(t, words, rlx_whole(x));
    for (uint32_t w = 0; w < PLACES * 64; w++) {
        uint32_t place = w / 64, within = w % 64;
        CHECK_EQUAL(t, words[w], place % 3 == 0 && within < 5 ? place + 1 + within : 0);
    }
}

/* The smallest step that the device claims, as well. */
static void bindings_begin_at_multiples_of_the_alignment(conform_test *t) {
    uint32_t step = t->info->limits.binding_alignment > 4 ? t->info->limits.binding_alignment : 4;
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 64 * 256);
    for (uint32_t i = 1; i < 60; i++) {
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 0, 4));
        conform_iota(t, s, rlx_part(x, i * step, 8), i);
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, conform_get_u32(t, x, i * step / 4), i);
        CHECK_EQUAL(t, conform_get_u32(t, x, i * step / 4 + 1), i + 1);
        CHECK_EQUAL(t, conform_get_u32(t, x, i * step / 4 + 2), 0);
        CHECK_EQUAL(t, conform_get_u32(t, x, i * step / 4 - 1), 0);
    }
}

/* ---- Grids and groups ---- */

static void check_grid(conform_test *t, uint32_t gx, uint32_t gy, uint32_t gz) {
    uint64_t count = (uint64_t)gx * gy * gz;
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *y;
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = count * 16 }, &y));
    uint32_t *words = conform_memory(t, count * 16);
    const rlx_arg arg = rlx_arg_buffer(rlx_whole(y));
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(y), 0, 4));
    CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_WHERE),
                                    &(rlx_dispatch){ .groups = { gx, gy, gz }, .args = &arg, .arg_count = 1 }));
    CHECK_OK(t, rlx_stream_read(s, words, rlx_whole(y)));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    rlx_buffer_release(y);
    for (uint64_t i = 0; i < count; i++) {
        bool right = words[4 * i] == i % gx && words[4 * i + 1] == i / gx % gy && words[4 * i + 2] == i / gx / gy &&
                     words[4 * i + 3] == 1;
        if (right) continue;
        CHECK(t, right,
              "a grid of (%u, %u, %u): group %" PRIu64
              " runs once, at its own place; it ran %u times, the last at (%u, %u, %u)",
              gx, gy, gz, i, words[4 * i + 3], words[4 * i], words[4 * i + 1], words[4 * i + 2]);
    }
}

static void grids_of_65535_groups_in_x(conform_test *t) { check_grid(t, 65535, 1, 1); }
static void grids_of_65535_groups_in_y(conform_test *t) { check_grid(t, 1, 65535, 1); }
static void grids_of_65535_groups_in_z(conform_test *t) { check_grid(t, 1, 1, 65535); }

static void every_group_runs_once_at_its_own_place(conform_test *t) {
    check_grid(t, 7, 11, 13);
    check_grid(t, 2, 1, 3);
    check_grid(t, 1, 1, 1);
    check_grid(t, 65535, 2, 1);
    check_grid(t, 2, 3, 32769);
    check_grid(t, 3, 40000, 2);
}

static void check_threads(conform_test *t, conform_kernel id) {
    enum { GROUPS = 50 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *y = conform_buffer(t, GROUPS * 256 * 4);
    uint32_t *words = conform_memory(t, GROUPS * 256 * 4);
    const rlx_arg arg = rlx_arg_buffer(rlx_whole(y));
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(y), 0, 4));
    CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, id),
                                    &(rlx_dispatch){ .groups = { 5, 2, 5 }, .args = &arg, .arg_count = 1 }));
    CHECK_OK(t, rlx_stream_read(s, words, rlx_whole(y)));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint32_t i = 0; i < GROUPS * 256; i++) CHECK_EQUAL(t, words[i], i % 256 + 1);
}

static void groups_of_256_threads_in_x(conform_test *t) { check_threads(t, CONFORM_THREADS_X); }
static void groups_of_256_threads_in_y(conform_test *t) { check_threads(t, CONFORM_THREADS_Y); }
static void groups_of_64_threads_in_z(conform_test *t) { check_threads(t, CONFORM_THREADS_Z); }

static void groups_have_16_kib_of_shared_memory(conform_test *t) {
    enum { GROUPS = 64, WORDS = 4096 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, GROUPS * WORDS * 4), *y = conform_buffer(t, GROUPS * WORDS * 4);
    uint32_t *words = conform_memory(t, GROUPS * WORDS * 4);
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_buffer(rlx_whole(y)) };
    for (uint32_t round = 0; round < 5; round++) {
        conform_iota(t, s, rlx_whole(x), round);
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(y), 0xFFFFFFFF, 4));
        CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_SHARED),
                                        &(rlx_dispatch){ .groups = { GROUPS }, .args = args, .arg_count = 2 }));
        CHECK_OK(t, rlx_stream_read(s, words, rlx_whole(y)));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        for (uint32_t i = 0; i < GROUPS * WORDS; i++)
            CHECK_EQUAL(t, words[i], round + i / WORDS * WORDS + (WORDS - 1 - i % WORDS));
    }
}

static rlx_status write_look_and_write(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    enum { WORDS = 4096 };
    uint32_t *scratch = k->shared;
    if (!scratch || (uintptr_t)scratch % 64 || k->shared_bytes < WORDS * 4) return RLX_ERROR_KERNEL;
    for (uint64_t group = first; group < first + count; group++) {
        for (uint32_t i = 0; i < WORDS; i++) scratch[i] = (uint32_t)group * WORDS + i;
        conform_sleep_us(300); /* time for another group to come in between */
        for (uint32_t i = 0; i < WORDS; i++)
            if (scratch[i] != (uint32_t)group * WORDS + i) return RLX_ERROR_KERNEL;
    }
    return RLX_OK;
}

static void groups_that_run_at_once_share_nothing(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_kernel *kernel;
    const rlx_code code = { .format = RLX_CODE_HOST, .function = write_look_and_write };
    const rlx_kernel_desc desc = { .name = "scratch", .codes = &code, .code_count = 1, .shared_bytes = 16 * KIB };
    CHECK_OK(t, rlx_kernel_create(t->device, &desc, &kernel));
    for (int i = 0; i < 2; i++) CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 64 } }));
    rlx_kernel_release(kernel);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
}

/* ---- Sizes ---- */

static void poke(conform_test *t, rlx_stream *s, rlx_range x, uint32_t index, uint32_t value) {
    const rlx_arg args[] = { rlx_arg_buffer(x), rlx_arg_u32(index), rlx_arg_u32(value) };
    CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_POKE),
                                    &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 3 }));
}

/* A large buffer of which only a few pages are touched. */
static rlx_buffer *large_buffer(conform_test *t, uint64_t size) {
    rlx_buffer *x = NULL;
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = size }, &x));
    return x;
}

static void one_binding_has_128_mib(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = large_buffer(t, 128 * MIB + 256);
    uint32_t last = (uint32_t)(128 * MIB / 4) - 1;
    CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, 256, 128 * MIB), 0, 4)); /* as poke declares that it reads them */
    poke(t, s, rlx_part(x, 256, 128 * MIB), 0, 11);
    poke(t, s, rlx_part(x, 256, 128 * MIB), last, 22);
    poke(t, s, rlx_part(x, 256, 128 * MIB), last / 2, 33);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 64), 11);
    CHECK_EQUAL(t, conform_get_u32(t, x, 64 + (uint64_t)last), 22);
    CHECK_EQUAL(t, conform_get_u32(t, x, 64 + (uint64_t)last / 2), 33);
    rlx_buffer_release(x);
}

static void one_buffer_has_256_mib(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = large_buffer(t, 256 * MIB);
    CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, 256 * MIB - 4096, 4096), 0x12345678, 4));
    CHECK_OK(t, rlx_stream_copy(s, rlx_part(x, 1, 4000), rlx_part(x, 256 * MIB - 4000, 4000)));
    poke(t, s, rlx_part(x, 256 * MIB - 256, 256), 63, 99);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 256 * MIB / 4 - 1), 99);
    CHECK_EQUAL(t, conform_get_u32(t, x, 10), 0x34567812); /* one byte further: the word's bytes in turn */
    rlx_buffer_release(x);
}

/* Sizes and offsets above 2^32: where the device has room for such buffers at all. */
static void sizes_are_64_bits_wide(conform_test *t) {
    uint64_t size = 4 * GIB + 4 * MIB;
    rlx_memory_report report;
    CHECK_OK(t, rlx_device_memory(t->device, &report));
    if (t->info->limits.buffer_size < size) conform_skip(t, "needs limits.buffer_size above 4 GiB");
    if (report.free < 2 * size) conform_skip(t, "needs 8 GiB of free memory");
    rlx_buffer *x = NULL;
    rlx_status status = rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = size }, &x);
    if (status == RLX_ERROR_OUT_OF_MEMORY) conform_skip(t, "needs 4 GiB of memory in one piece");
    CHECK_OK(t, status);
    CHECK_EQUAL(t, rlx_buffer_info(x)->size, size);
    rlx_stream *s = conform_stream(t, 0);
    uint64_t far = 4 * GIB + 4096; /* what a 32-bit offset would take for 4096 */
    CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, 4096, 256), 0x11111111, 4));
    CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, far, 256), 0x22222222, 4));
    conform_affine(t, s, rlx_part(x, far, 256), 1, 1, 1);
    CHECK_OK(t, rlx_stream_copy(s, rlx_part(x, 8192, 256), rlx_part(x, far, 256)));
    const rlx_rows rows = { .rows = 2, .row_bytes = 8, .dst_stride = 4 * GIB + 1 * MIB };
    CHECK_OK(t, rlx_stream_fill_rows(s, rlx_part(x, 16384, RLX_REST), 0x33333333, 4, &rows));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    uint32_t word;
    CHECK_EQUAL(t, conform_get_u32(t, x, 1024), 0x11111111);
    CHECK_EQUAL(t, conform_get_u32(t, x, 2048 + 63), 0x22222223);
    conform_get(t, &word, rlx_part(x, far + 252, 4));
    CHECK_EQUAL(t, word, 0x22222223);
    conform_get(t, &word, rlx_part(x, 16384 + 4 * GIB + 1 * MIB + 4, 4));
    CHECK_EQUAL(t, word, 0x33333333);
    CHECK_STATUS(t, rlx_stream_fill(s, rlx_part(x, size - 4, 8), 0, 4), RLX_ERROR_RANGE);
    rlx_buffer_release(x);
}

/* ---- Types ---- */

static void f32_is_stored_and_computed(conform_test *t) {
    enum { WORDS = 1000 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, WORDS * 4), *y = conform_buffer(t, WORDS * 4);
    float in[WORDS], out[WORDS];
    for (int i = 0; i < WORDS; i++) in[i] = (float)(i - 500) / 8, out[i] = (float)(i * 3);
    conform_put(t, rlx_whole(x), in);
    conform_put(t, rlx_whole(y), out);
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_buffer(rlx_whole(y)), rlx_arg_f32(-2.5f),
                             rlx_arg_u32(WORDS) };
    CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_AXPY),
                                    &(rlx_dispatch){ .groups = { 16 }, .args = args, .arg_count = 4 }));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_get(t, out, rlx_whole(y));
    for (int i = 0; i < WORDS; i++) { /* all of it exact in 24 bits */
        float expected = (float)(i * 3) - 2.5f * ((float)(i - 500) / 8);
        CHECK(t, out[i] == expected, "element %d: %g; got %g", i, (double)expected, (double)out[i]);
    }
}

static void i32_is_stored_and_computed(conform_test *t) {
    enum { WORDS = 1000 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, WORDS * 4);
    int32_t words[WORDS], got[WORDS];
    for (int i = 0; i < WORDS; i++) words[i] = (int32_t)conform_random(t);
    words[0] = INT32_MIN, words[1] = INT32_MAX, words[2] = -1001, words[3] = -999;
    conform_put(t, rlx_whole(x), words);
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_i32(-1000), rlx_arg_u32(WORDS) };
    CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_CLAMP),
                                    &(rlx_dispatch){ .groups = { 16 }, .args = args, .arg_count = 3 }));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_get(t, got, rlx_whole(x));
    for (int i = 0; i < WORDS; i++) {
        int32_t expected = (words[i] > -1000 ? words[i] : -1000) / 2;
        CHECK(t, got[i] == expected, "element %d: %d; got %d", i, expected, got[i]);
    }
}

static void u32_is_stored_and_computed(conform_test *t) {
    enum { WORDS = 1000 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, WORDS * 4);
    uint32_t words[WORDS], got[WORDS];
    for (int i = 0; i < WORDS; i++) words[i] = (uint32_t)conform_random(t);
    conform_put(t, rlx_whole(x), words);
    conform_affine(t, s, rlx_whole(x), 2654435761u, 0x9E3779B9u, 3);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_get(t, got, rlx_whole(x));
    for (int i = 0; i < WORDS; i++) CHECK_EQUAL(t, got[i], conform_affine_word(words[i], 2654435761u, 0x9E3779B9u, 3));
}

/* ---- Streams ---- */

static void any_number_of_streams_is_open(conform_test *t) {
    enum { STREAMS = 1024 };
    rlx_stream **streams = conform_memory(t, STREAMS * sizeof *streams);
    rlx_buffer *x = conform_buffer(t, STREAMS * 256);
    conform_set(t, rlx_whole(x), 0);
    for (uint32_t i = 0; i < STREAMS; i++) streams[i] = conform_stream(t, 0);
    for (uint32_t round = 1; round <= 3; round++)
        for (uint32_t i = 0; i < STREAMS; i++) {
            conform_affine(t, streams[i], rlx_part(x, i * 256, 4), 1, i, 1);
            CHECK_OK(t, rlx_stream_submit(streams[i], NULL));
        }
    for (uint32_t i = 0; i < STREAMS; i++) CHECK_OK(t, rlx_stream_wait(streams[i], t->patience));
    uint32_t *words = conform_memory(t, STREAMS * 256);
    conform_get(t, words, rlx_whole(x));
    for (uint32_t i = 0; i < STREAMS; i++) CHECK_EQUAL(t, words[i * 64], 3 * i);
}

/* ---- One more than there is ---- */

static void what_is_above_a_limit_is_refused(conform_test *t) {
    const rlx_limits *l = &t->info->limits;
    rlx_param params[300];
    rlx_kernel *kernel;
    uint32_t refused = CONFORM_BIT(RLX_ERROR_LIMIT);
    rlx_kernel_desc desc = { .name = "too much", .params = params };
    for (uint32_t i = 0; i < 300; i++) params[i] = (rlx_param){ .access = RLX_READ };
    if (l->buffer_args < 300) {
        desc.param_count = l->buffer_args + 1;
        CHECK_ONE_OF(t, rlx_kernel_create(t->device, &desc, &kernel), refused);
    }
    for (uint32_t i = 0; i < 300; i++) params[i] = (rlx_param){ .access = RLX_VALUE };
    if (l->value_bytes / 4 < 300) {
        desc.param_count = l->value_bytes / 4 + 1;
        CHECK_ONE_OF(t, rlx_kernel_create(t->device, &desc, &kernel), refused);
    }
    desc.param_count = 0;
    for (int i = 0; i < 3; i++) {
        if (l->group_size[i] == UINT32_MAX) continue;
        desc.group_size[i] = l->group_size[i] + 1;
        CHECK_ONE_OF(t, rlx_kernel_create(t->device, &desc, &kernel), refused);
        desc.group_size[i] = 0;
    }
    if (l->group_threads < l->group_size[0]) {
        desc.group_size[0] = l->group_threads + 1;
        CHECK_ONE_OF(t, rlx_kernel_create(t->device, &desc, &kernel), refused);
        desc.group_size[0] = 0;
    }
    if (l->shared_bytes < UINT32_MAX) {
        desc.shared_bytes = l->shared_bytes + 1;
        CHECK_ONE_OF(t, rlx_kernel_create(t->device, &desc, &kernel), refused);
    }
}

const conform_case conform_floors[] = {
    { CONFORM_FLOOR, "the limits are at least the floors, and so are the types", limits_are_at_least_the_floors },
    { CONFORM_FLOOR, "8 buffers reach a kernel", eight_buffers_reach_a_kernel },
    { CONFORM_FLOOR, "128 bytes of values reach a kernel", values_of_128_bytes_reach_a_kernel },
    { CONFORM_FLOOR, "bindings begin at multiples of 256 bytes", bindings_begin_at_multiples_of_256 },
    { CONFORM_FLOOR, "bindings begin at multiples of the device's own alignment",
      bindings_begin_at_multiples_of_the_alignment },
    { CONFORM_FLOOR, "a grid has 65535 groups in x", grids_of_65535_groups_in_x },
    { CONFORM_FLOOR, "a grid has 65535 groups in y", grids_of_65535_groups_in_y },
    { CONFORM_FLOOR, "a grid has 65535 groups in z", grids_of_65535_groups_in_z },
    { CONFORM_FLOOR, "every group of a grid runs once, at its own place", every_group_runs_once_at_its_own_place },
    { CONFORM_FLOOR, "a group has 256 threads in x", groups_of_256_threads_in_x },
    { CONFORM_FLOOR, "a group has 256 threads in y", groups_of_256_threads_in_y },
    { CONFORM_FLOOR, "a group has 64 threads in z, beside 4 in x", groups_of_64_threads_in_z },
    { CONFORM_FLOOR, "a group has 16 KiB of shared memory of its own", groups_have_16_kib_of_shared_memory },
    { CONFORM_FLOOR, "groups that run at once have shared memory of their own", groups_that_run_at_once_share_nothing,
      NEEDS_HOST_CODE },
    { CONFORM_FLOOR, "one binding has 128 MiB", one_binding_has_128_mib },
    { CONFORM_FLOOR, "one buffer has 256 MiB", one_buffer_has_256_mib },
    { CONFORM_FLOOR, "sizes and offsets are 64 bits wide", sizes_are_64_bits_wide },
    { CONFORM_FLOOR, "f32 is stored and computed", f32_is_stored_and_computed },
    { CONFORM_FLOOR, "i32 is stored and computed", i32_is_stored_and_computed },
    { CONFORM_FLOOR, "u32 is stored and computed", u32_is_stored_and_computed },
    { CONFORM_FLOOR, "1024 streams are open and work", any_number_of_streams_is_open },
    { CONFORM_FLOOR, "what is above a limit is refused", what_is_above_a_limit_is_refused },
    { 0 },
};
