/* Rule 14, continued: strided rows. Hundreds of shapes drawn at random, each in a cell of its own, against a model. */
#include "conform.h"

#define CELL 512
#define SHAPES 400

typedef struct shape {
    rlx_rows rows;
    uint64_t cell, dst, src; /* where the cell begins; offsets from there */
    uint64_t dst_span, src_span;
} shape;

static shape draw_shape(conform_test *t, uint64_t i) {
    uint64_t bytes = 1 + conform_below(t, 17), rows = 1 + conform_below(t, 6);
    shape s = { .cell = i * CELL, .rows = { .rows = rows, .row_bytes = bytes } };
    /* A stride of 0 means row_bytes; some are equal, most are not. */
    if (conform_below(t, 4)) s.rows.dst_stride = bytes + conform_below(t, 15);
    if (conform_below(t, 4)) s.rows.src_stride = bytes + conform_below(t, 15);
    if (conform_below(t, 4) == 0) s.rows.src_stride = s.rows.dst_stride;
    uint64_t dst = s.rows.dst_stride ? s.rows.dst_stride : bytes, src = s.rows.src_stride ? s.rows.src_stride : bytes;
    s.dst_span = (rows - 1) * dst + bytes;
    s.src_span = (rows - 1) * src + bytes;
    s.dst = 60 + conform_below(t, 60);
    s.src = 60 + conform_below(t, 60);
    return s;
}

static void move_rows(unsigned char *dst, const unsigned char *src, const rlx_rows *r) {
    unsigned char between[CELL];
    uint64_t bytes = r->row_bytes, dst_stride = r->dst_stride ? r->dst_stride : bytes,
             src_stride = r->src_stride ? r->src_stride : bytes;
    for (uint64_t i = 0; i < r->rows; i++) memcpy(between + i * bytes, src + i * src_stride, bytes);
    for (uint64_t i = 0; i < r->rows; i++) memcpy(dst + i * dst_stride, between + i * bytes, bytes);
}

typedef struct field {
    rlx_stream *s;
    rlx_buffer *x, *y;
    unsigned char *model, *source, *got;
} field;

#define FIELD ((uint64_t)SHAPES * CELL)

static field make_field(conform_test *t) {
    field f = { .s = conform_stream(t, 0),
                .x = conform_buffer(t, FIELD),
                .y = conform_buffer(t, FIELD),
                .model = conform_memory(t, FIELD),
                .source = conform_memory(t, FIELD),
                .got = conform_memory(t, FIELD) };
    conform_noise(f.model, FIELD, conform_random(t));
    conform_noise(f.source, FIELD, conform_random(t));
    conform_put(t, rlx_whole(f.x), f.model);
    conform_put(t, rlx_whole(f.y), f.source);
    return f;
}

static void check_field(conform_test *t, const field *f, const char *what) {
    CHECK_OK(t, rlx_stream_submit_and_wait(f->s, t->patience));
    conform_get(t, f->got, rlx_whole(f->x));
    CHECK_BYTES(t, f->got, f->model, FIELD, what);
}

static void rows_are_written(conform_test *t) {
    field f = make_field(t);
    for (uint64_t i = 0; i < SHAPES; i++) {
        shape s = draw_shape(t, i);
        rlx_range dst = rlx_part(f.x, s.cell + s.dst, s.dst_span); /* just as far as its last row */
        CHECK_OK(t, rlx_stream_write_rows(f.s, dst, f.source + s.cell + s.src, &s.rows));
        move_rows(f.model + s.cell + s.dst, f.source + s.cell + s.src, &s.rows);
    }
    check_field(t, &f, "rows that were written, and the bytes between them");
}

static void rows_are_read(conform_test *t) {
    field f = make_field(t);
    unsigned char *host = conform_memory(t, FIELD);
    memcpy(host, f.model, FIELD);
    for (uint64_t i = 0; i < SHAPES; i++) {
        shape s = draw_shape(t, i);
        CHECK_OK(t,
                 rlx_stream_read_rows(f.s, host + s.cell + s.dst, rlx_part(f.y, s.cell + s.src, s.src_span), &s.rows));
        move_rows(f.model + s.cell + s.dst, f.source + s.cell + s.src, &s.rows);
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(f.s, t->patience));
    CHECK_BYTES(t, host, f.model, FIELD, "rows that were read, and the bytes between them");
}

static void rows_are_copied_between_buffers(conform_test *t) {
    field f = make_field(t);
    for (uint64_t i = 0; i < SHAPES; i++) {
        shape s = draw_shape(t, i);
        CHECK_OK(t, rlx_stream_copy_rows(f.s, rlx_part(f.x, s.cell + s.dst, s.dst_span),
                                         rlx_part(f.y, s.cell + s.src, s.src_span), &s.rows));
        move_rows(f.model + s.cell + s.dst, f.source + s.cell + s.src, &s.rows);
    }
    check_field(t, &f, "rows that were copied, and the bytes between them");
}

/* In one cell of one buffer: rows cross each other in every way. */
static void rows_are_copied_as_if_all_were_read_first(conform_test *t) {
    for (int round = 0; round < 5; round++) {
        field f = make_field(t);
        for (uint64_t i = 0; i < SHAPES; i++) {
            shape s = draw_shape(t, i);
            if (i % 2)
                s.rows.src_stride = s.rows.dst_stride, s.src_span = s.dst_span; /* half of them with one stride */
            CHECK_OK(t, rlx_stream_copy_rows(f.s, rlx_part(f.x, s.cell + s.dst, s.dst_span),
                                             rlx_part(f.x, s.cell + s.src, s.src_span), &s.rows));
            move_rows(f.model + s.cell + s.dst, f.model + s.cell + s.src, &s.rows);
        }
        check_field(t, &f, "rows that were copied within one buffer, as if all were read before any is written");
    }
}

/* Whole matrices moved by a row, a column and both: what a cache that grows does. */
static void large_rows_are_copied_over_each_other(conform_test *t) {
    enum { ROWS = 200, STRIDE = 1000, SIZE = (ROWS + 4) * STRIDE };
    static const int shifts[] = { STRIDE, -STRIDE, 1, -1, STRIDE + 3, -STRIDE - 3, 3 * STRIDE - 1, 997 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    unsigned char *model = conform_memory(t, SIZE), *before = conform_memory(t, SIZE), *got = conform_memory(t, SIZE);
    conform_noise(model, SIZE, conform_random(t));
    conform_put(t, rlx_whole(x), model);
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        const rlx_rows rows = {
            .rows = ROWS - 4, .row_bytes = 900, .dst_stride = STRIDE, .src_stride = i % 2 ? STRIDE : STRIDE - 7
        };
        uint64_t src = 3 * STRIDE + 50, dst = (uint64_t)((int64_t)src + shifts[i]);
        CHECK_OK(t, rlx_stream_copy_rows(s, rlx_part(x, dst, RLX_REST), rlx_part(x, src, RLX_REST), &rows));
        memcpy(before, model, SIZE);
        for (uint64_t r = 0; r < rows.rows; r++)
            memcpy(model + dst + r * rows.dst_stride, before + src + r * rows.src_stride, rows.row_bytes);
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_get(t, got, rlx_whole(x));
    CHECK_BYTES(t, got, model, SIZE, "rows of 900 bytes moved over each other");
}

static void rows_are_filled(conform_test *t) {
    for (uint32_t pattern_size = 1; pattern_size <= 4; pattern_size *= 2) {
        field f = make_field(t);
        for (uint64_t i = 0; i < SHAPES; i++) {
            shape s = draw_shape(t, i);
            uint32_t pattern = (uint32_t)conform_random(t);
            s.rows.row_bytes =
                (s.rows.row_bytes + 3) / 4 * pattern_size; /* odd strides: the pattern begins anew in each row */
            s.rows.dst_stride = s.rows.row_bytes + conform_below(t, 7);
            s.rows.src_stride = conform_below(t, 2); /* not used */
            uint64_t span = (s.rows.rows - 1) * s.rows.dst_stride + s.rows.row_bytes;
            CHECK_OK(t, rlx_stream_fill_rows(f.s, rlx_part(f.x, s.cell + s.dst, span), pattern, pattern_size, &s.rows));
            for (uint64_t r = 0; r < s.rows.rows; r++)
                for (uint64_t b = 0; b < s.rows.row_bytes; b++)
                    f.model[s.cell + s.dst + r * s.rows.dst_stride + b] =
                        (unsigned char)(pattern >> (8 * (b % pattern_size)));
        }
        check_field(t, &f, "rows that were filled, each from the pattern's first byte, and the bytes between them");
    }
}

static void rows_reach_to_the_end_of_their_range_and_no_further(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 100);
    unsigned char host[100] = { 0 };
    /* The last row needs its bytes, not its stride. */
    const rlx_rows rows = { .rows = 4, .row_bytes = 10, .dst_stride = 30, .src_stride = 30 };
    CHECK_OK(t, rlx_stream_fill_rows(s, rlx_whole(x), 1, 1, &rows));
    CHECK_OK(t, rlx_stream_write_rows(s, rlx_whole(x), host, &rows));
    CHECK_OK(t, rlx_stream_read_rows(s, host, rlx_whole(x), &rows));
    CHECK_OK(t, rlx_stream_copy_rows(s, rlx_whole(x), rlx_whole(x), &rows));
    CHECK_STATUS(t, rlx_stream_fill_rows(s, rlx_part(x, 0, 99), 1, 1, &rows), RLX_ERROR_RANGE);
    CHECK_STATUS(t, rlx_stream_write_rows(s, rlx_part(x, 1, RLX_REST), host, &rows), RLX_ERROR_RANGE);
    CHECK_STATUS(t, rlx_stream_read_rows(s, host, rlx_part(x, 1, RLX_REST), &rows), RLX_ERROR_RANGE);
    CHECK_STATUS(t, rlx_stream_copy_rows(s, rlx_whole(x), rlx_part(x, 1, RLX_REST), &rows), RLX_ERROR_RANGE);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
}

const conform_case conform_rule14_rows[] = {
    { 14, "rows are written, and no byte between them", rows_are_written },
    { 14, "rows are read, and no byte between them", rows_are_read },
    { 14, "rows are copied between buffers, and no byte between them", rows_are_copied_between_buffers },
    { 14, "rows are copied within a buffer as if all were read before any is written",
      rows_are_copied_as_if_all_were_read_first },
    { 14, "long rows are copied over each other", large_rows_are_copied_over_each_other },
    { 14, "rows are filled, the pattern anew in each", rows_are_filled },
    { 14, "rows reach to the end of their range and no further", rows_reach_to_the_end_of_their_range_and_no_further },
    { 0 },
};
