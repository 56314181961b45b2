/* Rule 14: any byte range works for copy, fill, write and read, also within one buffer and overlapping. Sizes of 0 to
 * 33 by offsets of 0 to 8, each in a cell of its own with other bytes around it; all cells of a test are one batch,
 * and all of the buffer is compared. Strided rows are in rule14_rows.c. */
#include "conform.h"

#define SIZES 34
#define OFFSETS 9
#define CELL 64 /* 8 bytes before the largest offset, and 14 behind the largest range */

static uint64_t cell_of(uint32_t size, uint32_t a, uint32_t b) {
    return ((uint64_t)(size * OFFSETS + a) * OFFSETS + b) * CELL;
}

#define CELLS_SIZE ((uint64_t)SIZES * OFFSETS * OFFSETS * CELL)

/* A buffer of cells, its model on the host, and source bytes that differ from both. */
typedef struct cells {
    rlx_stream *s;
    rlx_buffer *x, *y; /* y holds the source bytes */
    unsigned char *model, *source, *got;
} cells;

static cells make_cells(conform_test *t) {
    cells c = { .s = conform_stream(t, 0),
                .x = conform_buffer(t, CELLS_SIZE),
                .y = conform_buffer(t, CELLS_SIZE),
                .model = conform_memory(t, CELLS_SIZE),
                .source = conform_memory(t, CELLS_SIZE + 16),
                .got = conform_memory(t, CELLS_SIZE) };
    conform_noise(c.model, CELLS_SIZE, conform_random(t));
    conform_noise(c.source, CELLS_SIZE + 16, conform_random(t));
    conform_put(t, rlx_whole(c.x), c.model);
    conform_put(t, rlx_whole(c.y), c.source);
    return c;
}

static void check_cells(conform_test *t, const cells *c, const char *what) {
    CHECK_OK(t, rlx_stream_submit_and_wait(c->s, t->patience));
    conform_get(t, c->got, rlx_whole(c->x));
    CHECK_BYTES(t, c->got, c->model, CELLS_SIZE, what);
}

static void check_write(conform_test *t, uint32_t flags) {
    cells c = make_cells(t);
    for (uint32_t size = 0; size < SIZES; size++)
        for (uint32_t dst = 0; dst < OFFSETS; dst++)
            for (uint32_t src = 0; src < OFFSETS; src++) {
                uint64_t cell = cell_of(size, dst, src), at = cell + 8 + dst;
                const unsigned char *from = c.source + cell + src; /* host memory has offsets too */
                CHECK_OK(t, rlx_stream_write(c.s, rlx_part(c.x, at, size), from, flags));
                memcpy(c.model + at, from, size);
            }
    check_cells(t, &c, "writes of 0 to 33 bytes (first byte / 64: (size * 9 + offset) * 9 + host offset)");
}

static void writes_of_any_range(conform_test *t) { check_write(t, 0); }
static void copied_writes_of_any_range(conform_test *t) { check_write(t, RLX_WRITE_COPIED); }

static void reads_of_any_range(conform_test *t) {
    cells c = make_cells(t);
    unsigned char *expected = c.model; /* host memory this time */
    unsigned char *host = conform_memory(t, CELLS_SIZE);
    memcpy(host, expected, CELLS_SIZE);
    for (uint32_t size = 0; size < SIZES; size++)
        for (uint32_t dst = 0; dst < OFFSETS; dst++)
            for (uint32_t src = 0; src < OFFSETS; src++) {
                uint64_t cell = cell_of(size, dst, src);
                CHECK_OK(t, rlx_stream_read(c.s, host + cell + 8 + dst, rlx_part(c.y, cell + src, size)));
                memcpy(expected + cell + 8 + dst, c.source + cell + src, size);
            }
    CHECK_OK(t, rlx_stream_submit_and_wait(c.s, t->patience));
    CHECK_BYTES(t, host, expected, CELLS_SIZE,
                "reads of 0 to 33 bytes (first byte / 64: (size * 9 + host offset) * 9 + offset)");
    conform_get(t, c.got, rlx_whole(c.y));
    CHECK_BYTES(t, c.got, c.source, CELLS_SIZE, "a buffer that was only read");
}

static void copies_of_any_range(conform_test *t) {
    cells c = make_cells(t);
    for (uint32_t size = 0; size < SIZES; size++)
        for (uint32_t dst = 0; dst < OFFSETS; dst++)
            for (uint32_t src = 0; src < OFFSETS; src++) {
                uint64_t cell = cell_of(size, dst, src), at = cell + 8 + dst;
                CHECK_OK(t, rlx_stream_copy(c.s, rlx_part(c.x, at, size), rlx_part(c.y, cell + src, size)));
                memcpy(c.model + at, c.source + cell + src, size);
            }
    check_cells(t, &c, "copies of 0 to 33 bytes (first byte / 64: (size * 9 + offset) * 9 + source offset)");
    conform_get(t, c.got, rlx_whole(c.y));
    CHECK_BYTES(t, c.got, c.source, CELLS_SIZE, "a buffer that was only copied from");
}

/* Sizes that are no multiple of the pattern's are left out: they are refused. */
static void fills_of_any_range(conform_test *t) {
    static const uint32_t patterns[] = { 0x04030201, 0x80FF7F00, 0xFFFFFFFF, 0, 0xDEADBEEF };
    for (uint32_t pattern_size = 1; pattern_size <= 4; pattern_size *= 2) {
        cells c = make_cells(t);
        for (uint32_t size = 0; size < SIZES; size += pattern_size)
            for (uint32_t dst = 0; dst < OFFSETS; dst++)
                for (uint32_t p = 0; p < 5; p++) {
                    uint64_t at = cell_of(size, dst, p) + 8 + dst;
                    CHECK_OK(t, rlx_stream_fill(c.s, rlx_part(c.x, at, size), patterns[p], pattern_size));
                    for (uint32_t i = 0; i < size; i++)
                        c.model[at + i] = (unsigned char)(patterns[p] >> (8 * (i % pattern_size)));
                }
        check_cells(t, &c,
                    pattern_size == 1
                        ? "fills with patterns of 1 byte (first byte / 64: (size * 9 + offset) * 9 + pattern)"
                    : pattern_size == 2 ? "fills with patterns of 2 bytes, from the range's first byte on"
                                        : "fills with patterns of 4 bytes, from the range's first byte on");
    }
}

/* ---- Within one buffer ---- */

/* Distances of -20 to 20 bytes, both directions, all small sizes: overlapping wherever the distance is less than the
 * size. */
static void small_overlapping_copies(conform_test *t) {
    enum { FAR = 20, WIDE = 128, BASES = 4, LARGEST = 41, COUNT = (2 * FAR + 1) * BASES * LARGEST };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, COUNT * WIDE);
    unsigned char *model = conform_memory(t, COUNT * WIDE), *got = conform_memory(t, COUNT * WIDE);
    conform_noise(model, COUNT * WIDE, conform_random(t));
    conform_put(t, rlx_whole(x), model);
    uint64_t cell = 0;
    for (int distance = -FAR; distance <= FAR; distance++)
        for (uint32_t base = 0; base < BASES; base++)
            for (uint32_t size = 0; size < LARGEST; size++, cell += WIDE) {
                uint64_t src = cell + 40 + base, dst = (uint64_t)((int64_t)src + distance);
                CHECK_OK(t, rlx_stream_copy(s, rlx_part(x, dst, size), rlx_part(x, src, size)));
                memmove(model + dst, model + src, size);
            }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_get(t, got, rlx_whole(x));
    CHECK_BYTES(t, got, model, COUNT * WIDE,
                "overlapping copies (first byte / 128: ((distance + 20) * 4 + base) * 41 + size)");
}

/* Large enough for a device to split them, or to use another method. */
static void large_overlapping_copies(conform_test *t) {
    enum { SIZE = 1 << 20, MARGIN = 1 << 16 };
    static const int distances[] = { 1,  2,  3,  4,   5,   7,    8,    13,   16,    31,
                                     32, 33, 64, 100, 256, 1023, 4096, 4099, 32768, 65535 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE + 2 * MARGIN);
    unsigned char *model = conform_memory(t, SIZE + 2 * MARGIN), *got = conform_memory(t, SIZE + 2 * MARGIN);
    conform_noise(model, SIZE + 2 * MARGIN, conform_random(t));
    conform_put(t, rlx_whole(x), model);
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            uint64_t size = SIZE - i * 37, src = MARGIN, dst = (uint64_t)(MARGIN + sign * distances[i]);
            CHECK_OK(t, rlx_stream_copy(s, rlx_part(x, dst, size), rlx_part(x, src, size)));
            CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
            memmove(model + dst, model + src, size);
            if (i % 4 && sign < 0) continue;
            conform_get(t, got, rlx_whole(x));
            CHECK_BYTES(t, got, model, SIZE + 2 * MARGIN, "an overlapping copy of a megabyte, as memmove");
        }
}

/* ---- Edges ---- */

/* Neighbours in one word, written by one command after another: each keeps what the other wrote. */
static void neighbours_in_a_word_keep_their_bytes(conform_test *t) {
    enum { SIZE = 1024 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE), *y = conform_buffer(t, SIZE);
    unsigned char model[SIZE], got[SIZE], source[SIZE];
    conform_noise(source, SIZE, conform_random(t));
    memset(model, 0, SIZE);
    conform_put(t, rlx_whole(x), model);
    conform_put(t, rlx_whole(y), source);
    for (uint64_t i = 0; i < SIZE; i++) { /* byte by byte, in an order that jumps about, three ways in turn */
        uint64_t at = i * 387 % SIZE;
        model[at] = source[(at + 1) % SIZE];
        if (i % 3 == 0) CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, at, 1), model[at], 1));
        if (i % 3 == 1) CHECK_OK(t, rlx_stream_copy(s, rlx_part(x, at, 1), rlx_part(y, (at + 1) % SIZE, 1)));
        if (i % 3 == 2) CHECK_OK(t, rlx_stream_write(s, rlx_part(x, at, 1), &model[at], 0));
        if (i % 50 == 0) CHECK_OK(t, rlx_stream_submit(s, NULL));
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_get(t, got, rlx_whole(x));
    CHECK_BYTES(t, got, model, SIZE, "bytes written one by one");
}

/* The last bytes of a buffer whose size is no multiple of 4, and of anything else. */
static void the_ends_of_buffers(conform_test *t) {
    for (uint64_t size = 1; size <= 67; size++) {
        rlx_stream *s = conform_stream(t, 0);
        rlx_buffer *x = conform_buffer(t, size), *y = conform_buffer(t, size);
        unsigned char model[67], got[67];
        conform_noise(model, size, size);
        CHECK_OK(t, rlx_stream_write(s, rlx_whole(x), model, 0));
        CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, size - 1, RLX_REST), 0xA5, 1));
        CHECK_OK(t, rlx_stream_copy(s, rlx_whole(y), rlx_whole(x)));
        if (size >= 2) CHECK_OK(t, rlx_stream_fill(s, rlx_part(y, size - 2, 2), 0xC3B4, 2));
        CHECK_OK(t, rlx_stream_read(s, got, rlx_whole(y)));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        model[size - 1] = 0xA5;
        if (size >= 2) model[size - 2] = 0xB4, model[size - 1] = 0xC3;
        CHECK_BYTES(t, got, model, size, "a buffer of 1 to 67 bytes, to its end");
    }
}

static void large_ranges_with_odd_edges(conform_test *t) {
    enum { SIZE = 5 * 1024 * 1024 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE), *y = conform_buffer(t, SIZE);
    unsigned char *model = conform_memory(t, SIZE), *other = conform_memory(t, SIZE), *got = conform_memory(t, SIZE);
    conform_noise(model, SIZE, 1);
    conform_noise(other, SIZE, 2);
    conform_put(t, rlx_whole(x), model); /* which changes below, before the commands run */
    CHECK_OK(t, rlx_stream_write(s, rlx_whole(y), other, 0));
    CHECK_OK(t, rlx_stream_copy(s, rlx_part(x, 3, SIZE - 10), rlx_part(y, 6, SIZE - 10)));
    memcpy(model + 3, other + 6, SIZE - 10);
    CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, 1000001, 2000002), 0x1234, 2));
    for (uint64_t i = 0; i < 2000002; i++) model[1000001 + i] = i % 2 ? 0x12 : 0x34;
    CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, 4000003, 100004), 0x89ABCDEF, 4));
    for (uint64_t i = 0; i < 100004; i++) model[4000003 + i] = (unsigned char)(0x89ABCDEFu >> (8 * (i % 4)));
    CHECK_OK(t, rlx_stream_write(s, rlx_part(x, 4500001, 123457), other, 0));
    memcpy(model + 4500001, other, 123457);
    CHECK_OK(t, rlx_stream_read(s, got + 1, rlx_part(x, 1, SIZE - 2)));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    got[0] = model[0], got[SIZE - 1] = model[SIZE - 1];
    CHECK_BYTES(t, got, model, SIZE, "5 MiB through ranges with odd edges");
}

/* In a program the same ranges, where the graph may put them side by side. */
static void any_range_in_a_program(conform_test *t) {
    enum { COUNT = 600, WIDE = 16 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, COUNT * WIDE), *y = conform_buffer(t, COUNT * WIDE);
    unsigned char *model = conform_memory(t, COUNT * WIDE), *source = conform_memory(t, COUNT * WIDE),
                  *got = conform_memory(t, COUNT * WIDE);
    conform_noise(source, COUNT * WIDE, 3);
    conform_put(t, rlx_whole(y), source);
    memset(model, 0x11, COUNT * WIDE);
    conform_set(t, rlx_whole(x), 0x11);
    uint64_t at = 0;
    for (uint32_t i = 0; i < COUNT; i++) { /* ranges that touch each other, and share words */
        uint32_t size = 1 + i % 13;
        if (i % 3 == 0) CHECK_OK(t, rlx_stream_copy(recording, rlx_part(x, at, size), rlx_part(y, at + i % 3, size)));
        if (i % 3 == 1) CHECK_OK(t, rlx_stream_write(recording, rlx_part(x, at, size), source + at + i % 3, i % 2));
        if (i % 3 != 2) memcpy(model + at, source + at + i % 3, size);
        if (i % 3 == 2) CHECK_OK(t, rlx_stream_fill(recording, rlx_part(x, at, size), i, 1));
        if (i % 3 == 2) memset(model + at, (int)(i & 0xff), size);
        at += size;
    }
    rlx_program *program = conform_finish(t, recording);
    for (int round = 0; round < 20; round++) {
        conform_set(t, rlx_whole(x), 0x11);
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        conform_get(t, got, rlx_whole(x));
        CHECK_BYTES(t, got, model, COUNT * WIDE, "ranges side by side in a program");
    }
}

const conform_case conform_rule14[] = {
    { 14, "writes of 0 to 33 bytes at offsets 0 to 8, and no byte beside them", writes_of_any_range },
    { 14, "COPIED writes of 0 to 33 bytes at offsets 0 to 8", copied_writes_of_any_range },
    { 14, "reads of 0 to 33 bytes at offsets 0 to 8, and no byte beside them", reads_of_any_range },
    { 14, "copies of 0 to 33 bytes at offsets 0 to 8, and no byte beside them", copies_of_any_range },
    { 14, "fills of 0 to 33 bytes at offsets 0 to 8 with patterns of 1, 2 and 4 bytes", fills_of_any_range },
    { 14, "overlapping copies at all small distances, in both directions", small_overlapping_copies },
    { 14, "overlapping copies of a megabyte, in both directions", large_overlapping_copies },
    { 14, "neighbours in one word keep their bytes", neighbours_in_a_word_keep_their_bytes },
    { 14, "buffers of 1 to 67 bytes, to their last byte", the_ends_of_buffers },
    { 14, "megabytes with odd edges", large_ranges_with_odd_edges },
    { 14, "ranges that share words in a program", any_range_in_a_program },
    { 0 },
};
