/* Encoding: what is refused leaves no trace, whatever is refused, memory included; what is taken is laid out right. */
#include "fake.h"

static rlx_status nothing(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)kernel, (void)first, (void)count;
    return RLX_OK;
}

static rlx_kernel *make_kernel(rlx_device *device) {
    rlx_kernel *kernel = NULL;
    const rlx_param params[] = { { RLX_READ }, { RLX_VALUE, 4 }, { RLX_READ_WRITE }, { RLX_VALUE, 4 } };
    const rlx_code code = { RLX_CODE_HOST, .function = nothing };
    CHECK_INT(rlx_kernel_create(device,
                                &(rlx_kernel_desc){ .name = "k",
                                                    .params = params,
                                                    .param_count = 4,
                                                    .codes = &code,
                                                    .code_count = 1,
                                                    .group_size = { 64 },
                                                    .shared_bytes = 128 },
                                &kernel),
              RLX_OK);
    return kernel;
}

static rlx_buffer *make_buffer(rlx_device *device, uint64_t size) {
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size }, &buffer), RLX_OK);
    return buffer;
}

static void a_dispatch_is_laid_out_in_the_order_of_the_parameters(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_kernel *kernel = make_kernel(device);
    rlx_buffer *x = make_buffer(device, 64), *y = make_buffer(device, 64);
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(7), rlx_arg_buffer(rlx_part(y, 16, 8)),
                       rlx_arg_f32(2) };
    CHECK_INT(rlx_stream_dispatch(s, kernel,
                                  &(rlx_dispatch){ .groups = { 5, 0, 3 }, .args = args, .arg_count = 4, .label = "l" }),
              RLX_OK);
    const rlx_packet_dispatch *packet = (const rlx_packet_dispatch *)s->current->first;
    CHECK_UINT(packet->group_count, 15);
    CHECK_UINT(packet->groups[1], 1);
    CHECK_UINT(packet->group_size[0], 64);
    CHECK_UINT(packet->group_size[2], 1);
    CHECK_UINT(packet->shared_bytes, 128);
    CHECK_STRING(packet->base.label, "l");
    CHECK(packet->args[0].data == x->block.host);
    CHECK_UINT(packet->args[0].size, 64);
    CHECK_UINT(*(uint32_t *)packet->args[1].data, 7);
    CHECK(packet->args[2].data == (unsigned char *)y->block.host + 16);
    CHECK_UINT(packet->args[2].size, 8);
    CHECK(*(float *)packet->args[3].data == 2);
    CHECK(packet->places == NULL);
    rlx_buffer_release(x), rlx_buffer_release(y), rlx_kernel_release(kernel), rlx_stream_release(s);
    rlx_device_release(device);
    CHECK_UINT(fake.kernels + fake.memory, 0);
}

static void a_packet_of_three_buffers_and_two_values_is_small(void) {
    size_t size = sizeof(rlx_packet_dispatch) + 5 * sizeof(rlx_host_arg) + 8 + 15;
    printf("# %zu bytes\n", size);
    CHECK(size <= 224);
}

/* Every refusal of a dispatch, from one good one with one thing wrong. */
static void a_refused_dispatch_says_why_and_leaves_no_trace(void) {
    rlx_device *device = fake_device("fake"), *other = NULL;
    CHECK_INT(rlx_device_open("fake", NULL, &other), RLX_OK);
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_kernel *kernel = make_kernel(device), *foreign = make_kernel(other);
    rlx_buffer *x = make_buffer(device, 64), *y = make_buffer(device, 64), *strange = make_buffer(other, 64);
    const rlx_arg good[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(7), rlx_arg_buffer(rlx_whole(y)),
                             rlx_arg_f32(2) };
    const struct {
        uint32_t at;
        rlx_arg arg;
        rlx_status status;
        const char *part;
    } bad[] = {
        { 0, rlx_arg_u32(1), RLX_ERROR_INVALID, "argument 0 is a value" },
        { 1, good[0], RLX_ERROR_INVALID, "argument 1 is a buffer" },
        { 1, rlx_arg_u64(1), RLX_ERROR_INVALID, "a value of 8 bytes" },
        { 1, rlx_arg_bytes(NULL, 4), RLX_ERROR_INVALID, "rlx_arg_bytes" },
        { 2, rlx_arg_buffer(rlx_whole(NULL)), RLX_ERROR_INVALID, "argument 2: the buffer is NULL" },
        { 2, rlx_arg_buffer(rlx_whole(strange)), RLX_ERROR_INVALID, "another device" },
        { 2, rlx_arg_buffer(rlx_part(y, 60, 8)), RLX_ERROR_RANGE, "8 bytes from offset 60" },
        { 2, rlx_arg_buffer(rlx_part(y, UINT64_MAX, 8)), RLX_ERROR_RANGE, "offset" },
        { 2, rlx_arg_buffer(rlx_part(y, 8, UINT64_MAX - 4)), RLX_ERROR_RANGE, "64 bytes" },
        { 2, rlx_arg_buffer(rlx_part(y, 2, 8)), RLX_ERROR_ALIGNMENT, "no multiple of 4" },
        { 2, rlx_arg_buffer(rlx_part(x, 60, 4)), RLX_ERROR_ALIAS, "arguments 0 and 2 overlap" },
        { 2, rlx_arg_slot(3), RLX_ERROR_INVALID, "RLX_STREAM_RECORD" },
        { 1, rlx_arg_slot(3), RLX_ERROR_INVALID, "RLX_STREAM_RECORD" },
    };
    rlx_arg args[4];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(args, good, sizeof args);
        args[bad[i].at] = bad[i].arg;
        CHECK_INT(rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 4 }),
                  bad[i].status);
        CHECK_HOLDS(rlx_last_error(), bad[i].part);
        CHECK_HOLDS(rlx_last_error(), "kernel 'k'");
    }
    rlx_use use = { rlx_part(x, 0, 4), RLX_WRITE };
    const struct {
        rlx_dispatch dispatch;
        rlx_status status;
    } wrong[] = {
        { { .groups = { 65536 }, .args = good, .arg_count = 4 }, RLX_ERROR_LIMIT },
        { { .groups = { 1, 65536 }, .args = good, .arg_count = 4 }, RLX_ERROR_LIMIT },
        { { .groups = { 1 }, .args = good, .arg_count = 3 }, RLX_ERROR_INVALID },
        { { .groups = { 1 }, .arg_count = 4 }, RLX_ERROR_INVALID },
        { { .groups = { 1 }, .args = good, .arg_count = 4, .group_size = { 32 } }, RLX_ERROR_UNSUPPORTED },
        { { .groups = { 1 }, .args = good, .arg_count = 4, .shared_bytes = 1 }, RLX_ERROR_UNSUPPORTED },
        { { .groups = { 1 }, .args = good, .arg_count = 4, .use_count = 1 }, RLX_ERROR_INVALID },
        { { .groups = { 1 }, .args = good, .arg_count = 4, .uses = &use, .use_count = 1 }, RLX_ERROR_ALIAS },
        { { .groups = { 1 }, .args = good, .arg_count = 4, .groups_slot = rlx_slot(1) }, RLX_ERROR_INVALID },
        { { .groups = { 1 }, .args = good, .arg_count = 4, .next = &use }, RLX_ERROR_UNSUPPORTED },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_INT(rlx_stream_dispatch(s, kernel, &wrong[i].dispatch), wrong[i].status);
    CHECK_INT(rlx_stream_dispatch(s, foreign, &(rlx_dispatch){ .groups = { 1 }, .args = good, .arg_count = 4 }),
              RLX_ERROR_INVALID);
    CHECK(s->current == NULL);
    CHECK_INT(rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .args = good, .arg_count = 4 }), RLX_OK); /* x = 0 */
    CHECK(s->current == NULL);
    rlx_buffer_release(x), rlx_buffer_release(y), rlx_buffer_release(strange);
    rlx_kernel_release(kernel), rlx_kernel_release(foreign), rlx_stream_release(s);
    rlx_device_release(device), rlx_device_release(other);
    CHECK_UINT(fake.kernels + fake.memory, 0);
}

static uint64_t allowed;

static bool allow_some(size_t size) {
    (void)size;
    return allowed && allowed--;
}

/* One of each command, with `allowed` allocations; the status of the first that fails. */
static rlx_status encode_all(rlx_stream *s, rlx_kernel *kernel, rlx_buffer *x, rlx_buffer *y, uint64_t *encoded) {
    static unsigned char host[8192], out[8192];
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(7), rlx_arg_buffer(rlx_whole(y)), rlx_arg_f32(2) };
    const rlx_rows overlapping = { 3, 16, 20, 24 };
    rlx_status status = rlx_stream_write(s, rlx_whole(x), host, RLX_WRITE_COPIED);
    if (!status) status = (++*encoded, rlx_stream_read(s, out, rlx_whole(x)));
    if (!status) status = (++*encoded, rlx_stream_fill(s, rlx_whole(y), 1, 1));
    if (!status) status = (++*encoded, rlx_stream_copy(s, rlx_whole(y), rlx_whole(x)));
    if (!status) status = (++*encoded, rlx_stream_copy_rows(s, rlx_part(x, 0, 200), rlx_part(x, 8, 200), &overlapping));
    if (!status)
        status = (*encoded += 2,
                  rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 4 }));
    if (!status) status = (++*encoded, rlx_stream_host_call(s, fake_call, NULL));
    if (!status) ++*encoded;
    return status;
}

static void running_out_of_memory_in_any_command_leaves_the_stream_as_it_was(void) {
    rlx_device *device = fake_device("fake");
    rlx_kernel *kernel = make_kernel(device);
    rlx_buffer *x = make_buffer(device, 4096), *y = make_buffer(device, 4096);
    uint64_t tries = 0;
    for (rlx_status status = RLX_ERROR_OUT_OF_MEMORY; status && tries < 100; tries++) {
        rlx_stream *s = fake_stream_create(device, 0);
        uint64_t encoded = 0;
        allowed = tries;
        atomic_store(&rlx_allocation_check, allow_some);
        status = encode_all(s, kernel, x, y, &encoded);
        CHECK(!status || status == RLX_ERROR_OUT_OF_MEMORY);
        CHECK_UINT(s->current ? s->current->count : 0, encoded);
        atomic_store(&rlx_allocation_check, NULL);
        CHECK_INT(rlx_stream_submit(s, NULL), RLX_OK); /* what was taken can be used */
        while (fake_flying(fake.opened - 1)) fake_end(fake.opened - 1, NULL);
        rlx_stream_release(s);
        fake.opened = 0;
        memset(&fake.streams[0], 0, sizeof fake.streams[0]);
    }
    printf("# %llu allocations at most\n", (unsigned long long)tries - 1);
    CHECK(tries > 3 && tries < 100);
    rlx_buffer_release(x), rlx_buffer_release(y), rlx_kernel_release(kernel), rlx_device_release(device);
    CHECK_UINT(fake.memory, 0);
}

/* Packets as they should run, on two arrays. */
static void run_copy(const rlx_packet *packet) {
    const rlx_packet_copy *copy = (const rlx_packet_copy *)packet;
    for (uint64_t i = 0; i < copy->rows; i++)
        memmove((unsigned char *)copy->dst.host + (int64_t)i * copy->dst_stride,
                (unsigned char *)copy->src.host + (int64_t)i * copy->src_stride, copy->row_bytes);
}

static void overlapping_rows_are_copied_as_if_all_were_read_first(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_buffer *buffer = make_buffer(device, 256);
    unsigned char *bytes = buffer->block.host, expected[256], before[256];
    for (uint64_t from = 0; from < 24; from++)
        for (uint64_t to = 0; to < 24; to++)
            for (uint64_t wide = 7; wide < 10; wide++) {
                const rlx_rows rows = { 4, 7, wide, 8 };
                for (int i = 0; i < 256; i++) bytes[i] = expected[i] = before[i] = (unsigned char)(i * 7 + 3);
                for (uint64_t i = 0; i < 4; i++) memcpy(expected + to + i * wide, before + from + i * 8, 7);
                CHECK_INT(rlx_stream_copy_rows(s, rlx_part(buffer, to, 100), rlx_part(buffer, from, 100), &rows),
                          RLX_OK);
                for (const rlx_packet *p = s->current->first; p; p = p->next) run_copy(p);
                if (!CHECK(memcmp(bytes, expected, 256) == 0))
                    printf("# from %d to %d wide %d\n", (int)from, (int)to, (int)wide);
                rlx_stream_discard(s);
            }
    rlx_buffer_release(buffer), rlx_stream_release(s), rlx_device_release(device);
}

static void rows_that_do_not_fit_are_refused(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_buffer *buffer = make_buffer(device, 64);
    static unsigned char host[64];
    const struct {
        rlx_rows rows;
        rlx_status status;
    } cases[] = {
        { { 4, 16, 16, 16 }, RLX_OK },
        { { 5, 16, 16, 16 }, RLX_ERROR_RANGE },
        { { 4, 16, 17, 16 }, RLX_ERROR_RANGE },
        { { 2, 16, 15, 16 }, RLX_ERROR_INVALID },
        { { 2, 16, 16, 15 }, RLX_ERROR_INVALID },
        { { UINT64_MAX, 16, 16, 16 }, RLX_ERROR_RANGE },
        { { 2, 16, UINT64_MAX, 16 }, RLX_ERROR_RANGE },
        { { 2, UINT64_MAX, 0, 0 }, RLX_ERROR_RANGE },
        { { 0, 16, 16, 16 }, RLX_OK },
        { { 3, 0, 16, 16 }, RLX_OK },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!CHECK_INT(rlx_stream_write_rows(s, rlx_whole(buffer), host, &cases[i].rows), cases[i].status))
            printf("# case %zu\n", i);
    CHECK_INT(rlx_stream_fill_rows(s, rlx_whole(buffer), 0, 4, &(rlx_rows){ 2, 6, 8, 0 }), RLX_ERROR_INVALID);
    CHECK_INT(rlx_stream_fill(s, rlx_part(buffer, 0, 6), 0, 3), RLX_ERROR_INVALID);
    CHECK_INT(rlx_stream_fill(s, rlx_part(buffer, 0, 6), 0, 4), RLX_ERROR_INVALID);
    CHECK_INT(rlx_stream_write(s, rlx_whole(buffer), NULL, 0), RLX_ERROR_INVALID);
    CHECK_INT(rlx_stream_write(s, rlx_whole(buffer), host, 2), RLX_ERROR_INVALID);
    CHECK_INT(rlx_stream_copy(s, rlx_part(buffer, 0, 8), rlx_part(buffer, 0, 9)), RLX_ERROR_INVALID);
    CHECK_INT(rlx_stream_write_slot(s, rlx_whole(buffer), 0), RLX_ERROR_ORDER);
    CHECK_INT(rlx_stream_condition(s, rlx_slot(0)), RLX_ERROR_ORDER);
    CHECK_UINT(s->current->count, 1);
    rlx_buffer_release(buffer), rlx_stream_release(s), rlx_device_release(device);
}

/* A dispatch may have begun to hold its objects when it is refused: what it wrote down of that is not written over. */
static void what_a_refused_dispatch_held_is_released_with_the_batch(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_kernel *kernel = make_kernel(device);
    rlx_buffer *x = make_buffer(device, 64), *y = make_buffer(device, 512);
    unsigned char bytes[512];
    memset(bytes, 0xff, sizeof bytes);
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(7), rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(7) };
    rlx_dispatch dispatch = { .groups = { 1 }, .args = args, .arg_count = 4 };
    CHECK_INT(rlx_stream_host_call(s, fake_call, NULL), RLX_OK); /* a batch that holds nothing yet */
    CHECK_INT(rlx_stream_dispatch(s, kernel, &dispatch), RLX_ERROR_ALIAS);
    CHECK_INT(rlx_stream_write(s, rlx_whole(y), bytes, RLX_WRITE_COPIED), RLX_OK);
    args[2] = rlx_arg_buffer(rlx_whole(y));
    CHECK_INT(rlx_stream_dispatch(s, kernel, &dispatch), RLX_OK);
    rlx_buffer_release(x), rlx_buffer_release(y), rlx_kernel_release(kernel);
    CHECK_UINT(fake.memory, 2);
    CHECK_INT(rlx_stream_submit(s, NULL), RLX_OK);
    fake_end(0, NULL);
    CHECK_UINT(fake.kernels + fake.memory, 0);
    rlx_stream_release(s), rlx_device_release(device);
}

static void discard_forgets_a_condition(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, RLX_STREAM_RECORD);
    CHECK_INT(rlx_stream_condition(s, rlx_slot(0)), RLX_OK);
    rlx_stream_discard(s);
    CHECK_UINT(s->recorder.condition.plus_one, 0);
    rlx_stream_release(s), rlx_device_release(device);
}

static const tap_test tests[] = {
    TAP(discard_forgets_a_condition),
    TAP(a_dispatch_is_laid_out_in_the_order_of_the_parameters),
    TAP(a_packet_of_three_buffers_and_two_values_is_small),
    TAP(a_refused_dispatch_says_why_and_leaves_no_trace),
    TAP(what_a_refused_dispatch_held_is_released_with_the_batch),
    TAP(running_out_of_memory_in_any_command_leaves_the_stream_as_it_was),
    TAP(overlapping_rows_are_copied_as_if_all_were_read_first),
    TAP(rows_that_do_not_fit_are_refused),
};
TAP_MAIN(tests)
