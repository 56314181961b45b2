/* Rule 6, continued: a transfer is a batch of its own on both streams, after all that was submitted on either, before
 * all that comes. Between streams of one device, of one device opened twice, and with `cpu` and `sync`. */
#include "conform.h"

/* Bytes, word alignment of both ends, sizes that need several steps. */
static void check_bytes(conform_test *t, rlx_device *from, rlx_device *to) {
    enum { SIZE = 5000 };
    static const struct {
        uint64_t dst, src, size;
    } cases[] = { { 0, 0, SIZE }, { 0, 0, 0 },  { 4, 8, 4 },    { 1, 0, 1 },
                  { 3, 2, 7 },    { 2, 1, 33 }, { 5, 5, 4001 }, { SIZE, SIZE, 0 } };
    rlx_stream *src_stream = conform_stream_on(t, from, 0, NULL), *dst_stream = conform_stream_on(t, to, 0, NULL);
    rlx_buffer *src = conform_buffer_on(t, from, SIZE), *dst = conform_buffer_on(t, to, SIZE);
    unsigned char *bytes = conform_memory(t, SIZE), *expected = conform_memory(t, SIZE), *got = conform_memory(t, SIZE);
    conform_noise(bytes, SIZE, conform_random(t));
    conform_put(t, rlx_whole(src), bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rlx_point moved;
        conform_set(t, rlx_whole(dst), 0xDD);
        memset(expected, 0xDD, SIZE);
        memcpy(expected + cases[i].dst, bytes + cases[i].src, cases[i].size);
        CHECK_OK(t, rlx_transfer(dst_stream, rlx_part(dst, cases[i].dst, cases[i].size), src_stream,
                                 rlx_part(src, cases[i].src, cases[i].size), &moved));
        CHECK_DONE(t, moved);
        conform_get(t, got, rlx_whole(dst));
        CHECK_BYTES(t, got, expected, SIZE, "a transfer moves its bytes, and touches no others");
    }
    conform_get(t, got, rlx_whole(src));
    CHECK_BYTES(t, got, bytes, SIZE, "a transfer leaves its source as it was");
}

static void check_large(conform_test *t, rlx_device *from, rlx_device *to) {
    enum { SIZE = 3 * 1024 * 1024 + 5 };
    rlx_stream *src_stream = conform_stream_on(t, from, 0, NULL), *dst_stream = conform_stream_on(t, to, 0, NULL);
    rlx_buffer *src = conform_buffer_on(t, from, SIZE), *dst = conform_buffer_on(t, to, SIZE);
    unsigned char *bytes = conform_memory(t, SIZE), *got = conform_memory(t, SIZE);
    conform_noise(bytes, SIZE, conform_random(t));
    CHECK_OK(t, rlx_stream_write(src_stream, rlx_whole(src), bytes, 0));
    CHECK_OK(t, rlx_stream_submit(src_stream, NULL));
    CHECK_OK(t, rlx_transfer(dst_stream, rlx_whole(dst), src_stream, rlx_whole(src), NULL));
    CHECK_OK(t, rlx_stream_read(dst_stream, got, rlx_whole(dst)));
    CHECK_OK(t, rlx_stream_submit_and_wait(dst_stream, t->patience));
    CHECK_BYTES(t, got, bytes, SIZE, "3 MiB and 5 bytes, written before and read after a transfer");
}

/* With a gate before it: what is submitted on either stream before and after keeps its place. */
static void check_order(conform_test *t, rlx_device *from, rlx_device *to, bool hold_source) {
    enum { WORDS = 1024 };
    rlx_stream *src_stream = conform_stream_on(t, from, 0, NULL), *dst_stream = conform_stream_on(t, to, 0, NULL);
    rlx_buffer *src = conform_buffer_on(t, from, WORDS * 4), *dst = conform_buffer_on(t, to, WORDS * 4);
    conform_gate *gate = conform_gate_closed(t);
    uint32_t *got = conform_memory(t, WORDS * 4);
    rlx_point moved, src_after, dst_after;
    conform_gate_hold(t, gate, hold_source ? src_stream : dst_stream);
    conform_iota(t, src_stream, rlx_whole(src), 100); /* before, on the source */
    CHECK_OK(t, rlx_stream_submit(src_stream, NULL));
    CHECK_OK(t, rlx_stream_fill(dst_stream, rlx_whole(dst), 0, 4)); /* before, on the destination */
    CHECK_OK(t, rlx_stream_submit(dst_stream, NULL));
    CHECK_OK(t, rlx_transfer(dst_stream, rlx_whole(dst), src_stream, rlx_whole(src), &moved));
    CHECK_OK(t, rlx_stream_fill(src_stream, rlx_whole(src), 7, 4)); /* after, on the source */
    CHECK_OK(t, rlx_stream_submit(src_stream, &src_after));
    CHECK_OK(t, rlx_stream_read(dst_stream, got, rlx_whole(dst))); /* after, on the destination */
    CHECK_OK(t, rlx_stream_submit(dst_stream, &dst_after));
    CHECK_STATUS(t, rlx_point_wait(moved, 10 * RLX_MILLISECOND), RLX_TIMEOUT);
    CHECK_STATUS(t, rlx_point_query(src_after), RLX_NOT_READY);
    CHECK_STATUS(t, rlx_point_query(dst_after), RLX_NOT_READY);
    conform_gate_check(t, gate, "a transfer is after all that was submitted on either stream");
    conform_gate_open(gate);
    CHECK_DONE(t, dst_after);
    CHECK_OK(t, rlx_point_query(moved));
    for (uint32_t i = 0; i < WORDS; i++) CHECK_EQUAL(t, got[i], 100 + i);
    CHECK_DONE(t, src_after);
    CHECK_EQUAL(t, conform_get_u32(t, src, 3), 7);
}

/* To and fro in turn, never waiting: no order deadlocks. */
static void check_ping_pong(conform_test *t, rlx_device *a_device, rlx_device *b_device) {
    enum { ROUNDS = 40 };
    rlx_stream *a = conform_stream_on(t, a_device, 0, NULL), *b = conform_stream_on(t, b_device, 0, NULL);
    rlx_buffer *x = conform_buffer_on(t, a_device, 256), *y = conform_buffer_on(t, b_device, 256);
    uint32_t expected = 1;
    CHECK_OK(t, rlx_stream_fill(a, rlx_whole(x), 1, 4));
    CHECK_OK(t, rlx_stream_submit(a, NULL));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CHECK_OK(t, rlx_transfer(b, rlx_whole(y), a, rlx_whole(x), NULL));
        conform_affine(t, b, rlx_whole(y), 3, i, 1);
        CHECK_OK(t, rlx_stream_submit(b, NULL));
        CHECK_OK(t, rlx_transfer(a, rlx_whole(x), b, rlx_whole(y), NULL));
        conform_affine(t, a, rlx_whole(x), 5, i, 1);
        CHECK_OK(t, rlx_stream_submit(a, NULL));
        expected = conform_affine_word(conform_affine_word(expected, 3, i, 1), 5, i, 1);
    }
    CHECK_OK(t, rlx_stream_wait(a, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 63), expected);
}

static void check_pair(conform_test *t, rlx_device *from, rlx_device *to) {
    check_bytes(t, from, to);
    check_large(t, from, to);
    check_order(t, from, to, true);
    check_order(t, from, to, false);
    check_ping_pong(t, from, to);
}

static void transfers_between_streams_of_one_device(conform_test *t) { check_pair(t, t->device, t->device); }

static void transfers_between_two_of_one_device(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    check_pair(t, t->device, other);
    check_pair(t, other, t->device);
}

static void transfers_to_and_from_cpu(conform_test *t) {
    rlx_device *other = conform_open(t, "cpu");
    check_pair(t, t->device, other);
    check_pair(t, other, t->device);
}

static void transfers_to_and_from_sync(conform_test *t) {
    rlx_device *other = conform_open(t, "sync");
    check_pair(t, t->device, other);
    check_pair(t, other, t->device);
}

static void transfers_on_one_stream(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 256);
    conform_set(t, rlx_whole(x), 0x11);
    conform_set(t, rlx_part(x, 0, 64), 0x22);
    rlx_point moved;
    CHECK_OK(t, rlx_transfer(s, rlx_part(x, 64, 64), s, rlx_part(x, 0, 64), &moved)); /* disjoint, in one buffer */
    CHECK_DONE(t, moved);
    CHECK_EQUAL(t, conform_get_u32(t, x, 31), 0x22222222);
    CHECK_EQUAL(t, conform_get_u32(t, x, 32), 0x11111111);
}

static void wrong_transfers_are_refused(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_stream *a = conform_stream(t, 0), *b = conform_stream_on(t, other, 0, NULL),
               *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, 256), *y = conform_buffer_on(t, other, 256);
    atomic_uint *calls = conform_counter(t);
    conform_set(t, rlx_whole(x), 0x11);
    conform_set(t, rlx_whole(y), 0x22);
    CHECK_STATUS(t, rlx_transfer(b, rlx_part(y, 0, 8), a, rlx_part(x, 0, 4), NULL), RLX_ERROR_INVALID);
    CHECK_STATUS(t, rlx_transfer(b, rlx_part(y, 0, 257), a, rlx_part(x, 0, 257), NULL), RLX_ERROR_RANGE);
    CHECK_STATUS(t, rlx_transfer(b, rlx_whole(x), a, rlx_whole(y), NULL), RLX_ERROR_INVALID); /* the wrong way round */
    CHECK_STATUS(t, rlx_transfer(NULL, rlx_whole(y), a, rlx_whole(x), NULL), RLX_ERROR_INVALID);
    CHECK_STATUS(t, rlx_transfer(b, rlx_whole(y), NULL, rlx_whole(x), NULL), RLX_ERROR_INVALID);
    CHECK_STATUS(t, rlx_transfer(a, rlx_part(x, 0, 64), a, rlx_part(x, 60, 64), NULL), RLX_ERROR_ALIAS);
    CHECK_STATUS(t, rlx_transfer(recording, rlx_part(x, 0, 64), a, rlx_part(x, 64, 64), NULL), RLX_ERROR_ORDER);
    conform_count(t, a, calls); /* pending on the source, then on the destination */
    CHECK_STATUS(t, rlx_transfer(b, rlx_whole(y), a, rlx_whole(x), NULL), RLX_ERROR_ORDER);
    CHECK_OK(t, rlx_stream_submit_and_wait(a, t->patience)); /* and it is still there */
    CHECK_EQUAL(t, atomic_load(calls), 1);
    conform_count(t, b, calls);
    CHECK_STATUS(t, rlx_transfer(b, rlx_whole(y), a, rlx_whole(x), NULL), RLX_ERROR_ORDER);
    CHECK_OK(t, rlx_stream_submit_and_wait(b, t->patience));
    CHECK_EQUAL(t, atomic_load(calls), 2);
    CHECK_OK(t, rlx_stream_submit_and_wait(a, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, y, 0), 0x22222222); /* nothing has moved */
    CHECK_OK(t, rlx_transfer(b, rlx_whole(y), a, rlx_whole(x), NULL));
    CHECK_OK(t, rlx_stream_wait(b, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, y, 0), 0x11111111);
}

/* The buffers are the transfer's own until it has ended. */
static void buffers_of_a_transfer_may_be_released(conform_test *t) {
    enum { SIZE = 1 << 20 };
    rlx_device *other = conform_open_again(t);
    rlx_stream *a = conform_stream(t, 0), *b = conform_stream_on(t, other, 0, NULL);
    conform_gate *gate = conform_gate_closed(t);
    rlx_buffer *src, *dst, *last = conform_buffer(t, SIZE);
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = SIZE }, &src));
    CHECK_OK(t, rlx_buffer_create(other, &(rlx_buffer_desc){ .size = SIZE }, &dst));
    conform_set(t, rlx_whole(src), 0x66);
    conform_gate_hold(t, gate, a);
    CHECK_OK(t, rlx_stream_submit(a, NULL));
    CHECK_OK(t, rlx_transfer(b, rlx_whole(dst), a, rlx_whole(src), NULL));
    CHECK_OK(t, rlx_transfer(a, rlx_whole(last), b, rlx_whole(dst), NULL));
    rlx_buffer_release(src);
    rlx_buffer_release(dst);
    rlx_buffer *junk = conform_buffer(t, SIZE), *more = conform_buffer_on(t, other, SIZE);
    conform_set(t, rlx_whole(junk), 0xEE);
    conform_set(t, rlx_whole(more), 0xEE);
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(a, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, last, SIZE / 8), 0x66666666);
}

const conform_case conform_rule06_transfer[] = {
    { 6, "a transfer between streams of one device keeps its place on both", transfers_between_streams_of_one_device,
      NEEDS_GATE },
    { 6, "a transfer between a device that is opened twice keeps its place on both",
      transfers_between_two_of_one_device, NEEDS_GATE },
    { 6, "a transfer to and from `cpu` keeps its place on both streams", transfers_to_and_from_cpu,
      NEEDS_GATE | NEEDS_CPU },
    { 6, "a transfer to and from `sync` keeps its place on both streams", transfers_to_and_from_sync,
      NEEDS_GATE | NEEDS_SYNC },
    { 6, "a transfer may stay on one stream", transfers_on_one_stream },
    { 6, "wrong transfers are refused, and leave both streams as they were", wrong_transfers_are_refused },
    { 6, "buffers of a transfer may be released while it is held", buffers_of_a_transfer_may_be_released, NEEDS_GATE },
    { 0 },
};
