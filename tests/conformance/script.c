/* Random commands: drawn, worked out on the host, encoded. See script.h. */
#include "script.h"

#define BUFFERS 3
#define SIZE 4096
#define SPAN 400 /* bytes that a command touches at most */

typedef enum kind {
    FILL = 0,
    WRITE,
    WRITE_COPIED,
    COPY,
    READ,
    AFFINE,
    IOTA,
    COMBINE,
    FILL_ROWS,
    COPY_ROWS,
    WRITE_ROWS,
    READ_ROWS,
    KINDS,
} kind;

/* A place in one of the buffers. */
typedef struct place {
    uint32_t buffer;
    uint64_t offset, size;
} place;

typedef struct command {
    kind kind;
    place dst, src, third; /* dst is what dispatches write; third is combine's second source */
    rlx_rows rows;
    uint32_t pattern, pattern_size, mul, add;
    unsigned char *host;     /* source of writes, destination of reads */
    unsigned char *expected; /* of reads */
} command;

struct conform_script {
    rlx_device *device;
    uint32_t count;
    rlx_buffer *buffers[BUFFERS];
    unsigned char *first[BUFFERS], *model[BUFFERS];
    command *commands;
};

/* ---- Drawing ---- */

static uint64_t align_of(const rlx_device *device) {
    uint32_t alignment = rlx_device_info(device)->limits.binding_alignment;
    return alignment > 4 ? alignment : 4;
}

static place draw_place(conform_test *t, uint64_t size) {
    return (place){ conform_below(t, BUFFERS), conform_below(t, (uint32_t)(SIZE - size + 1)), size };
}

static place draw_words(conform_test *t, const rlx_device *device, uint64_t words) {
    uint64_t alignment = align_of(device), places = (SIZE - words * 4) / alignment + 1;
    return (place){ conform_below(t, BUFFERS), conform_below(t, (uint32_t)places) * alignment, words * 4 };
}

static bool overlap(place a, place b) {
    return a.buffer == b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

static void draw_rows(conform_test *t, command *c) {
    uint64_t bytes = 1 + conform_below(t, 24), rows = 1 + conform_below(t, 7);
    c->rows = (rlx_rows){ .rows = rows,
                          .row_bytes = bytes,
                          .dst_stride = bytes + conform_below(t, 20),
                          .src_stride = bytes + conform_below(t, 20) };
    if (conform_below(t, 3) == 0) c->rows.src_stride = c->rows.dst_stride;
    c->dst = draw_place(t, (rows - 1) * c->rows.dst_stride + bytes);
    c->src = draw_place(t, (rows - 1) * c->rows.src_stride + bytes);
    if (c->kind == COPY_ROWS && conform_below(t, 2)) { /* close enough to overlap */
        c->src.buffer = c->dst.buffer;
        uint64_t at = c->dst.offset + conform_below(t, 40);
        c->src.offset = at + c->src.size <= SIZE ? at : SIZE - c->src.size;
    }
}

static void draw(conform_test *t, const conform_script *s, command *c) {
    c->kind = (kind)conform_below(t, KINDS);
    uint64_t size = 1 + conform_below(t, SPAN), words = 1 + conform_below(t, 70);
    c->mul = (uint32_t)conform_random(t) | 1;
    c->add = (uint32_t)conform_random(t);
    c->pattern_size = 1u << conform_below(t, 3);
    c->pattern = (uint32_t)conform_random(t);
    switch (c->kind) {
    case FILL: c->dst = draw_place(t, size / c->pattern_size * c->pattern_size); break;
    case WRITE:
    case WRITE_COPIED: c->dst = draw_place(t, size); break;
    case READ: c->src = draw_place(t, size); break;
    case COPY:
        c->dst = draw_place(t, size);
        c->src = draw_place(t, size);
        break;
    case AFFINE:
    case IOTA: c->dst = draw_words(t, s->device, words); break;
    case COMBINE:
        c->dst = draw_words(t, s->device, words);
        do c->src = draw_words(t, s->device, words);
        while (overlap(c->src, c->dst));
        do c->third = draw_words(t, s->device, words);
        while (overlap(c->third, c->dst));
        break;
    case FILL_ROWS:
    case COPY_ROWS:
    case WRITE_ROWS:
    case READ_ROWS:
        draw_rows(t, c);
        if (c->kind == FILL_ROWS) c->rows.row_bytes = c->rows.row_bytes / c->pattern_size * c->pattern_size;
        if (c->kind == FILL_ROWS) c->rows.src_stride = 0;
        break;
    case KINDS: break;
    }
}

/* ---- Working out ---- */

static uint32_t get_word(const unsigned char *at) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static void put_word(unsigned char *at, uint32_t word) { memcpy(at, &word, sizeof word); }

static void work_fill(unsigned char *at, uint64_t size, const command *c) {
    for (uint64_t i = 0; i < size; i++) at[i] = (unsigned char)(c->pattern >> (8 * (i % c->pattern_size)));
}

static void work_rows(unsigned char *dst, uint64_t dst_stride, const unsigned char *src, uint64_t src_stride,
                      const rlx_rows *rows) {
    unsigned char between[SIZE];
    for (uint64_t i = 0; i < rows->rows; i++)
        memcpy(between + i * rows->row_bytes, src + i * src_stride, rows->row_bytes);
    for (uint64_t i = 0; i < rows->rows; i++)
        memcpy(dst + i * dst_stride, between + i * rows->row_bytes, rows->row_bytes);
}

static void work_words(unsigned char *dst, const unsigned char *src, const unsigned char *third, const command *c) {
    for (uint64_t i = 0; i < c->dst.size; i += 4) {
        if (c->kind == AFFINE) put_word(dst + i, conform_affine_word(get_word(dst + i), c->mul, c->add, 2));
        else if (c->kind == IOTA) put_word(dst + i, c->add + (uint32_t)(i / 4));
        else put_word(dst + i, get_word(src + i) + 3 * get_word(third + i));
    }
}

static void work(conform_script *s, command *c) {
    unsigned char *dst = s->model[c->dst.buffer] + c->dst.offset, *src = s->model[c->src.buffer] + c->src.offset;
    const unsigned char *third = s->model[c->third.buffer] + c->third.offset;
    switch (c->kind) {
    case FILL: work_fill(dst, c->dst.size, c); break;
    case WRITE:
    case WRITE_COPIED: memcpy(dst, c->host, c->dst.size); break;
    case COPY: memmove(dst, src, c->dst.size); break;
    case READ: memcpy(c->expected, src, c->src.size); break;
    case AFFINE:
    case IOTA:
    case COMBINE: work_words(dst, src, third, c); break;
    case FILL_ROWS:
        for (uint64_t i = 0; i < c->rows.rows; i++) work_fill(dst + i * c->rows.dst_stride, c->rows.row_bytes, c);
        break;
    case COPY_ROWS: work_rows(dst, c->rows.dst_stride, src, c->rows.src_stride, &c->rows); break;
    case WRITE_ROWS: work_rows(dst, c->rows.dst_stride, c->host, c->rows.src_stride, &c->rows); break;
    case READ_ROWS: work_rows(c->expected, c->rows.dst_stride, src, c->rows.src_stride, &c->rows); break;
    case KINDS: break;
    }
}

static bool reads(const command *c) { return c->kind == READ || c->kind == READ_ROWS; }

conform_script *conform_script_make(conform_test *t, rlx_device *device, uint32_t count) {
    conform_script *s = conform_memory(t, sizeof *s);
    s->device = device;
    s->count = count;
    s->commands = conform_memory(t, count * sizeof *s->commands);
    for (int i = 0; i < BUFFERS; i++) {
        s->buffers[i] = conform_buffer_on(t, device, SIZE);
        s->first[i] = conform_memory(t, SIZE);
        s->model[i] = conform_memory(t, SIZE);
        conform_noise(s->first[i], SIZE, conform_random(t));
        memcpy(s->model[i], s->first[i], SIZE);
    }
    unsigned char *host = conform_memory(t, (uint64_t)count * 2 * SPAN);
    unsigned char *expected = conform_memory(t, (uint64_t)count * 2 * SPAN);
    for (uint32_t i = 0; i < count; i++) {
        command *c = &s->commands[i];
        draw(t, s, c);
        c->host = host + (uint64_t)i * 2 * SPAN;
        c->expected = expected + (uint64_t)i * 2 * SPAN;
        if (!reads(c)) conform_noise(c->host, 2 * SPAN, conform_random(t));
        work(s, c);
    }
    return s;
}

/* ---- Running ---- */

void conform_script_reset(conform_test *t, conform_script *s) {
    for (int i = 0; i < BUFFERS; i++) conform_put(t, rlx_whole(s->buffers[i]), s->first[i]);
    for (uint32_t i = 0; i < s->count; i++)
        if (reads(&s->commands[i])) memset(s->commands[i].host, 0, 2 * SPAN);
}

static rlx_range range_of(const conform_script *s, place p) { return rlx_part(s->buffers[p.buffer], p.offset, p.size); }

/* The source is gone when the call returns. */
static void encode_copied(conform_test *t, rlx_stream *stream, rlx_range dst, const command *c) {
    unsigned char source[SPAN];
    memcpy(source, c->host, c->dst.size);
    CHECK_OK(t, rlx_stream_write(stream, dst, source, RLX_WRITE_COPIED));
    memset(source, 0xEE, sizeof source);
}

static void encode(conform_test *t, const conform_script *s, rlx_stream *stream, const command *c) {
    rlx_range dst = range_of(s, c->dst), src = range_of(s, c->src);
    switch (c->kind) {
    case FILL: CHECK_OK(t, rlx_stream_fill(stream, dst, c->pattern, c->pattern_size)); break;
    case WRITE: CHECK_OK(t, rlx_stream_write(stream, dst, c->host, 0)); break;
    case WRITE_COPIED: encode_copied(t, stream, dst, c); break;
    case COPY: CHECK_OK(t, rlx_stream_copy(stream, dst, src)); break;
    case READ: CHECK_OK(t, rlx_stream_read(stream, c->host, src)); break;
    case AFFINE: conform_affine(t, stream, dst, c->mul, c->add, 2); break;
    case IOTA: conform_iota(t, stream, dst, c->add); break;
    case COMBINE: conform_combine(t, stream, src, range_of(s, c->third), dst); break;
    case FILL_ROWS: CHECK_OK(t, rlx_stream_fill_rows(stream, dst, c->pattern, c->pattern_size, &c->rows)); break;
    case COPY_ROWS: CHECK_OK(t, rlx_stream_copy_rows(stream, dst, src, &c->rows)); break;
    case WRITE_ROWS: CHECK_OK(t, rlx_stream_write_rows(stream, dst, c->host, &c->rows)); break;
    case READ_ROWS: CHECK_OK(t, rlx_stream_read_rows(stream, c->host, src, &c->rows)); break;
    case KINDS: break;
    }
}

void conform_script_encode(conform_test *t, const conform_script *s, rlx_stream *stream, uint32_t first, uint32_t end) {
    for (uint32_t i = first; i < end && i < s->count; i++) encode(t, s, stream, &s->commands[i]);
}

void conform_script_check(conform_test *t, const conform_script *s) {
    static const char *const names[] = { "fill", "write",   "copied write", "copy",      "read",       "affine",
                                         "iota", "combine", "fill_rows",    "copy_rows", "write_rows", "read_rows" };
    unsigned char bytes[SIZE];
    for (uint32_t i = 0; i < s->count; i++) {
        const command *c = &s->commands[i];
        CHECK(t, !reads(c) || memcmp(c->host, c->expected, 2 * SPAN) == 0,
              "command %u of %u, a %s, reads what the commands before it left there", i, s->count, names[c->kind]);
    }
    for (int i = 0; i < BUFFERS; i++) {
        conform_get(t, bytes, rlx_whole(s->buffers[i]));
        CHECK_BYTES(t, bytes, s->model[i], SIZE, "a buffer after all commands, as if they had run one after another");
    }
}
