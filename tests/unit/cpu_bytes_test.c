/* Bytes on the host backends: copied, filled, written and read, by one thread or several; and memory. */
#include "cpu_harness.h"

enum { LARGE = 5 * (1 << 20) + 13 }; /* several blocks, and a piece of one */

static void fill_random(unsigned char *bytes, size_t size, uint64_t seed) {
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)harness_random(&seed);
}

/* What a memory holds after a copy, by the words of the interface: rows in order, each as memmove. */
static void copy_expected(unsigned char *dst, const unsigned char *src, const rlx_packet_copy *copy) {
    for (uint64_t i = 0; i < copy->rows; i++)
        memmove(dst + (int64_t)i * copy->dst_stride, src + (int64_t)i * copy->src_stride, (size_t)copy->row_bytes);
}

static rlx_packet_copy copy_packet(unsigned char *dst, unsigned char *src, uint64_t rows, uint64_t row_bytes,
                                   int64_t dst_stride, int64_t src_stride) {
    return (rlx_packet_copy){ .base = { .kind = RLX_PACKET_COPY },
                              .dst = { .host = dst },
                              .src = { .host = src },
                              .rows = rows,
                              .row_bytes = row_bytes,
                              .dst_stride = dst_stride,
                              .src_stride = src_stride };
}

/* One copy within one memory, at offsets. */
static void check_copy(harness_stream *stream, unsigned char *memory, unsigned char *expected, size_t size, size_t dst,
                       size_t src, uint64_t rows, uint64_t row_bytes, int64_t dst_stride, int64_t src_stride) {
    fill_random(memory, size, dst + src + row_bytes);
    memcpy(expected, memory, size);
    rlx_packet_copy copy = copy_packet(memory + dst, memory + src, rows, row_bytes, dst_stride, src_stride);
    copy_expected(expected + dst, expected + src, &copy);
    CHECK_INT(harness_run_one(stream, &copy.base), RLX_OK);
    if (!CHECK(memcmp(memory, expected, size) == 0))
        printf("# %llu rows of %llu bytes from %zu to %zu\n", (unsigned long long)rows, (unsigned long long)row_bytes,
               src, dst);
}

static void copies_of_every_size_and_overlap_are_memmove(void) {
    for (uint32_t workers = 0; workers <= 3; workers += 3) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        unsigned char *memory = malloc(2 * LARGE), *expected = malloc(2 * LARGE);
        for (size_t size = 1; size <= 33; size++)
            for (size_t offset = 0; offset <= 8; offset++)
                check_copy(stream, memory, expected, 128, offset, 20, 1, size, 0, 0);
        check_copy(stream, memory, expected, 2 * LARGE, 0, LARGE, 1, LARGE, 0, 0);
        check_copy(stream, memory, expected, 2 * LARGE, LARGE, 0, 1, LARGE, 0, 0);
        check_copy(stream, memory, expected, 2 * LARGE, 7, 0, 1, LARGE, 0, 0); /* overlapping: nobody may help */
        check_copy(stream, memory, expected, 2 * LARGE, 0, 300000, 1, LARGE, 0, 0);
        free(memory);
        free(expected);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

static void rows_are_moved_in_their_order_whatever_the_strides(void) {
    for (uint32_t workers = 0; workers <= 3; workers += 3) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        unsigned char *memory = malloc(2 * LARGE), *expected = malloc(2 * LARGE);
        check_copy(stream, memory, expected, 4096, 0, 2000, 10, 17, 20, 31);
        check_copy(stream, memory, expected, 4096, 1900, 3900, 10, 17, -20, -31); /* from the last row to the first */
        check_copy(stream, memory, expected, 4096, 100, 90, 10, 17, 20, 20);      /* overlapping */
        check_copy(stream, memory, expected, 2 * LARGE, 0, LARGE, 2000, 2500, 2600, 2500);
        check_copy(stream, memory, expected, 2 * LARGE, 5199000, LARGE + 4999000, 2000, 2500, -2600, -2500);
        check_copy(stream, memory, expected, 2 * LARGE, 0, 3000, 2000, 2500, 2600, 2500);
        check_copy(stream, memory, expected, 2 * LARGE, 0, LARGE, 2000, 2500, 100, 2500); /* rows over rows */
        free(memory);
        free(expected);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

static void host_memory_is_written_and_read(void) {
    for (uint32_t workers = 0; workers <= 3; workers += 3) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        rlx_memory_block block;
        CHECK_INT(device.backend->memory_allocate(device.handle, LARGE + 3, RLX_MEMORY_DEVICE, &block), RLX_OK);
        unsigned char *out = malloc(LARGE), *in = malloc(LARGE);
        fill_random(out, LARGE, 1);
        rlx_packet_host_copy write = { .base = { .kind = RLX_PACKET_WRITE },
                                       .device = { .memory = block.memory, .host = block.host },
                                       .host = out,
                                       .rows = 1,
                                       .row_bytes = LARGE };
        rlx_packet_host_copy read = write;
        read.base.kind = RLX_PACKET_READ;
        read.host = in;
        rlx_packet *packets[] = { &write.base, &read.base };
        CHECK_INT(harness_run(stream, packets, 2), RLX_OK);
        CHECK(memcmp(out, in, LARGE) == 0);
        free(out);
        free(in);
        device.backend->memory_free(device.handle, block.memory);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

static void check_fill(harness_stream *stream, unsigned char *memory, size_t size, size_t offset, uint64_t rows,
                       uint64_t row_bytes, int64_t stride, uint32_t pattern) {
    memset(memory, 0xee, size);
    rlx_packet_fill fill = { .base = { .kind = RLX_PACKET_FILL },
                             .dst = { .host = memory + offset },
                             .rows = rows,
                             .row_bytes = row_bytes,
                             .stride = stride,
                             .pattern = pattern,
                             .pattern_size = 4 };
    CHECK_INT(harness_run_one(stream, &fill.base), RLX_OK);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++) {
        uint64_t row = rows > 1 && i >= offset ? (i - offset) / (uint64_t)stride : 0;
        uint64_t column = i - offset - row * (rows > 1 ? (uint64_t)stride : 0);
        bool inside = i >= offset && row < rows && column < row_bytes;
        wrong += memory[i] != (inside ? (unsigned char)(pattern >> 8 * (column % 4)) : 0xee);
    }
    if (!CHECK_UINT(wrong, 0))
        printf("# %llu rows of %llu bytes at %zu\n", (unsigned long long)rows, (unsigned long long)row_bytes, offset);
}

static void fills_repeat_the_pattern_from_the_first_byte_of_each_row(void) {
    for (uint32_t workers = 0; workers <= 3; workers += 3) {
        harness_device device = harness_open(workers);
        harness_stream *stream = harness_stream_open(&device);
        unsigned char *memory = malloc(LARGE + 100);
        static const uint32_t patterns[] = { 0, 0x7f7f7f7f, 0x12341234, 0x12345678 };
        for (size_t p = 0; p < 4; p++) {
            for (size_t size = 1; size <= 33; size++)
                for (size_t offset = 0; offset <= 8; offset++)
                    check_fill(stream, memory, 64, offset, 1, size, 0, patterns[p]);
            check_fill(stream, memory, 4096, 3, 9, 37, 41, patterns[p]);
            check_fill(stream, memory, 10000, 1, 1, 9990, 0, patterns[p]);
            check_fill(stream, memory, LARGE + 100, 50, 1, LARGE, 0, patterns[p]);
            check_fill(stream, memory, LARGE + 100, 5, 1000, 5000, 5200, patterns[p]);
        }
        free(memory);
        harness_stream_close(stream);
        harness_close(&device);
    }
}

/* ---- Memory ---- */

static void blocks_are_aligned_and_apart(void) {
    static const uint64_t sizes[] = { 4, 64, 100, 4096, (1 << 20) + 4, (2 << 20) - 4, 2 << 20, (8 << 20) + 4 };
    enum { COUNT = sizeof sizes / sizeof *sizes };
    harness_device device = harness_open(2);
    rlx_memory_block blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_INT(device.backend->memory_allocate(device.handle, sizes[i], RLX_MEMORY_SHARED, &blocks[i]), RLX_OK);
        CHECK_UINT((uintptr_t)blocks[i].host % 64, 0);
        memset(blocks[i].host, (int)i, (size_t)sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        const unsigned char *bytes = blocks[i].host;
        CHECK_UINT(bytes[0], i);
        CHECK_UINT(bytes[sizes[i] - 1], i);
        device.backend->memory_free(device.handle, blocks[i].memory);
    }
    harness_close(&device);
}

/* ---- The devices ---- */

static void devices_have_more_than_the_floors(void) {
    for (uint32_t workers = 0; workers <= 5; workers += 5) {
        harness_device device = harness_open(workers);
        const rlx_device_properties *p = device.properties;
        CHECK_STRING(p->name, workers ? "cpu" : "sync");
        CHECK_UINT(p->units, workers ? workers : 1);
        CHECK_INT(p->progress, workers ? RLX_PROGRESS_THREAD : RLX_PROGRESS_CALLER);
        CHECK(p->description[0] && p->architecture[0]);
        CHECK(p->limits.buffer_args >= 64 && p->limits.value_bytes >= 4096 && p->limits.shared_bytes >= 1 << 20);
        CHECK(p->limits.groups[2] == UINT32_MAX && p->limits.group_threads >= 1024);
        CHECK_UINT(p->format_count, 3);
        CHECK_STRING(p->formats[0].name, "host");
        CHECK_STRING(p->formats[1].name, "library");
        CHECK_STRING(p->formats[2].name, "c");
        harness_close(&device);
    }
}

static const tap_test tests[] = {
    TAP(copies_of_every_size_and_overlap_are_memmove),
    TAP(rows_are_moved_in_their_order_whatever_the_strides),
    TAP(host_memory_is_written_and_read),
    TAP(fills_repeat_the_pattern_from_the_first_byte_of_each_row),
    TAP(blocks_are_aligned_and_apart),
    TAP(devices_have_more_than_the_floors),
};

TAP_MAIN(tests)
