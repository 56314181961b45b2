/* Rule 8: host memory handed to a stream is borrowed until its point completes; COPIED writes, values, descriptors and
 * strings are copied before the call returns. */
#include "conform.h"

#include <stdio.h>

/* ---- Copied writes ---- */

static void check_copied(conform_test *t, rlx_stream *s, rlx_buffer *x, uint64_t size, unsigned char *source,
                         unsigned char *expected) {
    unsigned char *got = expected + RLX_COPIED_MAX + 64;
    conform_noise(source, size, size + 1);
    memcpy(expected, source, size);
    CHECK_OK(t, rlx_stream_write(s, rlx_part(x, 0, size), source, RLX_WRITE_COPIED));
    memset(source, 0xEE, size); /* before the submit */
    CHECK_OK(t, rlx_stream_read(s, got, rlx_part(x, 0, size)));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_BYTES(t, got, expected, size, "what a COPIED write's source held when it was encoded");
}

static void copied_writes_are_copied(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, RLX_COPIED_MAX);
    unsigned char *source = conform_memory(t, RLX_COPIED_MAX), *expected = conform_memory(t, 2 * RLX_COPIED_MAX + 64);
    for (uint64_t size = 1; size <= 33; size++) check_copied(t, s, x, size, source, expected);
    const uint64_t sizes[] = { 255, 4096, 65535, RLX_COPIED_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_copied(t, s, x, sizes[i], source, expected);
}

/* Many of them in batches that are held: each has its own copy. */
static void copied_writes_keep_their_copies_while_they_are_held(conform_test *t) {
    enum { WRITES = 64, SIZE = 4096 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, WRITES * SIZE);
    conform_gate *gate = conform_gate_closed(t);
    unsigned char *source = conform_memory(t, SIZE), *got = conform_memory(t, WRITES * SIZE),
                  *expected = conform_memory(t, WRITES * SIZE);
    conform_gate_hold(t, gate, s);
    for (uint64_t i = 0; i < WRITES; i++) {
        conform_noise(source, SIZE, i);
        memcpy(expected + i * SIZE, source, SIZE);
        CHECK_OK(t, rlx_stream_write(s, rlx_part(x, i * SIZE, SIZE), source, RLX_WRITE_COPIED));
        if (i % 3 == 0) CHECK_OK(t, rlx_stream_submit(s, NULL));
    }
    memset(source, 0, SIZE);
    CHECK_OK(t, rlx_stream_read(s, got, rlx_whole(x)));
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    conform_gate_check(t, gate, "submits return");
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK_BYTES(t, got, expected, WRITES * SIZE, "what the sources of 64 COPIED writes held when each was encoded");
}

static void copied_writes_in_programs_are_copied(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, 4096);
    unsigned char *source = conform_memory(t, 4096), *expected = conform_memory(t, 4096),
                  *got = conform_memory(t, 4096);
    conform_noise(source, 4096, 5);
    memcpy(expected, source, 4096);
    CHECK_OK(t, rlx_stream_write(recording, rlx_whole(x), source, RLX_WRITE_COPIED));
    memset(source, 0xEE, 4096);
    rlx_program *program = conform_finish(t, recording);
    for (int i = 0; i < 3; i++) {
        conform_set(t, rlx_whole(x), 0);
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        conform_get(t, got, rlx_whole(x));
        CHECK_BYTES(t, got, expected, 4096, "what the source held when the COPIED write was recorded");
    }
}

/* ---- Values, descriptors, strings ---- */

static void values_and_descriptors_are_copied(conform_test *t) {
    enum { TIMES = 50 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 256);
    rlx_kernel *affine = conform_kernel_of(t, t->device, CONFORM_AFFINE);
    conform_gate *gate = conform_gate_closed(t);
    conform_set(t, rlx_whole(x), 0);
    uint32_t values[4], expected = 0;
    rlx_arg args[5];
    rlx_use uses[1];
    rlx_dispatch dispatch;
    char label[16];
    conform_gate_hold(t, gate, s);
    for (uint32_t i = 0; i < TIMES;
         i++) { /* values by pointer and inline in turn, all of it overwritten after each call */
        values[0] = 3, values[1] = i, values[2] = 64, values[3] = 1;
        args[0] = rlx_arg_buffer(rlx_whole(x));
        for (int v = 0; v < 4; v++) args[v + 1] = i % 2 ? rlx_arg_bytes(&values[v], 4) : rlx_arg_u32(values[v]);
        snprintf(label, sizeof label, "number %u", i);
        dispatch = (rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5, .uses = uses, .label = label };
        CHECK_OK(t, rlx_stream_dispatch(s, affine, &dispatch));
        expected = conform_affine_word(expected, 3, i, 1);
        memset(values, 0xEE, sizeof values);
        memset(args, 0xEE, sizeof args);
        memset(uses, 0xEE, sizeof uses);
        memset(&dispatch, 0xEE, sizeof dispatch);
        memset(label, '?', sizeof label);
    }
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    memset(values, 0xDD, sizeof values);
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 63), expected);
}

static void rows_are_copied(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 256);
    conform_set(t, rlx_whole(x), 0);
    rlx_rows rows = { .rows = 4, .row_bytes = 4, .dst_stride = 16 };
    CHECK_OK(t, rlx_stream_fill_rows(s, rlx_whole(x), 0x01010101, 4, &rows));
    rows = (rlx_rows){ .rows = 60, .row_bytes = 4, .dst_stride = 4 };
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 12), 0x01010101);
    CHECK_EQUAL(t, conform_get_u32(t, x, 1), 0);
    CHECK_EQUAL(t, conform_get_u32(t, x, 16), 0);
}

static void slot_values_are_copied(conform_test *t) {
    enum { ADD = 0, WHERE = 1, TIMES = 40 };
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, 256), *y = conform_buffer(t, 256);
    conform_gate *gate = conform_gate_closed(t);
    const rlx_arg args[] = { rlx_arg_slot(WHERE), rlx_arg_u32(3), rlx_arg_slot(ADD), rlx_arg_u32(64), rlx_arg_u32(1) };
    CHECK_OK(t, rlx_stream_dispatch(recording, conform_kernel_of(t, t->device, CONFORM_AFFINE),
                                    &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5 }));
    rlx_program *program = conform_finish(t, recording);
    conform_set(t, rlx_whole(x), 0);
    conform_set(t, rlx_whole(y), 0);
    conform_gate_hold(t, gate, s);
    uint32_t expected[2] = { 0, 0 };
    for (uint32_t i = 0; i < TIMES; i++) { /* several runs in each batch, each with values of its own */
        rlx_slot_value values[2] = { { .slot = WHERE, .range = rlx_whole(i % 2 ? y : x) }, { .slot = ADD, .u32 = i } };
        char label[16] = "a run";
        rlx_run run = { .values = values, .count = 2, .label = label };
        CHECK_OK(t, rlx_stream_run(s, program, &run));
        expected[i % 2] = conform_affine_word(expected[i % 2], 3, i, 1);
        memset(values, 0xEE, sizeof values);
        memset(&run, 0xEE, sizeof run);
        memset(label, '?', sizeof label);
        if (i % 5 == 0) CHECK_OK(t, rlx_stream_submit(s, NULL));
    }
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 63), expected[0]);
    CHECK_EQUAL(t, conform_get_u32(t, y, 63), expected[1]);
}

static void descriptors_of_objects_are_copied(conform_test *t) {
    char text[32] = "my label";
    rlx_buffer *buffer;
    rlx_stream *recording;
    rlx_program *program;
    rlx_buffer_desc buffer_desc = { .size = 64, .label = text };
    rlx_stream_desc stream_desc = { .flags = RLX_STREAM_RECORD, .label = text };
    rlx_program_desc program_desc = { .label = text };
    CHECK_OK(t, rlx_buffer_create(t->device, &buffer_desc, &buffer));
    CHECK_OK(t, rlx_stream_create(t->device, &stream_desc, &recording));
    CHECK_OK(t, rlx_stream_finish(recording, &program_desc, &program));
    memset(text, '?', sizeof text - 1);
    memset(&buffer_desc, 0xEE, sizeof buffer_desc);
    memset(&stream_desc, 0xEE, sizeof stream_desc);
    memset(&program_desc, 0xEE, sizeof program_desc);
    CHECK(t, strcmp(rlx_buffer_info(buffer)->label, "my label") == 0, "the buffer's label; got '%s'",
          rlx_buffer_info(buffer)->label);
    CHECK(t, strcmp(rlx_program_info(program)->label, "my label") == 0, "the program's label; got '%s'",
          rlx_program_info(program)->label);
    rlx_buffer_release(buffer);
    rlx_program_release(program);
    rlx_stream_release(recording);
}

/* Who asks for a command's label asks late: when the command has failed. */
static void labels_of_commands_are_copied(conform_test *t) {
    rlx_stream *s = conform_stream(t, RLX_STREAM_ISOLATE);
    conform_gate *gate = conform_gate_closed(t);
    char label[16] = "my label";
    rlx_failure failure;
    conform_gate_hold(t, gate, s);
    conform_refuse(t, s, RLX_ERROR_KERNEL, label);
    memset(label, '?', sizeof label - 1);
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    conform_gate_open(gate);
    CHECK_STATUS(t, rlx_stream_wait(s, t->patience), RLX_ERROR_KERNEL);
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK(t, strcmp(failure.label, "my label") == 0, "the dispatch's label; got '%s'", failure.label);
}

static rlx_status write_mark(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    if (first == 0 && count > 0)
        *(uint32_t *)k->args[0].data = *(const uint32_t *)k->args[1].data + k->group_size[0] + k->shared_bytes;
    return RLX_OK;
}

static void a_kernels_description_is_copied(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 64);
    char name[16] = "marks";
    rlx_param params[2] = { { .access = RLX_WRITE }, { .access = RLX_VALUE, .size = 4 } };
    rlx_code codes[1] = { { .format = RLX_CODE_HOST, .function = write_mark } };
    rlx_kernel_desc desc = { .name = name,
                             .params = params,
                             .param_count = 2,
                             .codes = codes,
                             .code_count = 1,
                             .group_size = { 32 },
                             .shared_bytes = 1024 };
    rlx_kernel *kernel;
    CHECK_OK(t, rlx_kernel_create(t->device, &desc, &kernel));
    memset(name, '?', sizeof name - 1);
    memset(params, 0xEE, sizeof params);
    memset(codes, 0xEE, sizeof codes);
    memset(&desc, 0xEE, sizeof desc);
    const rlx_kernel_properties *info = rlx_kernel_info(kernel);
    CHECK(t, strcmp(info->name, "marks") == 0, "the kernel's name; got '%s'", info->name);
    CHECK(t,
          info->param_count == 2 && info->params[0].access == RLX_WRITE && info->params[1].access == RLX_VALUE &&
              info->params[1].size == 4,
          "the kernel's parameters");
    CHECK(t,
          info->group_size[0] == 32 && info->group_size[1] == 1 && info->shared_bytes == 1024 &&
              info->format == RLX_CODE_HOST,
          "the kernel's group, shared memory and format");
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(7) };
    CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 2 }));
    rlx_kernel_release(kernel);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), 7 + 32 + 1024);
}

/* ---- What was read ---- */

typedef struct reader {
    const uint32_t *words;
    uint32_t count, start;
    atomic_uint wrong, calls;
} reader;

static rlx_status look_at_words(void *user) {
    reader *r = user;
    for (uint32_t i = 0; i < r->count; i++)
        if (r->words[i] != r->start + i) atomic_fetch_add(&r->wrong, 1);
    atomic_fetch_add(&r->calls, 1);
    return RLX_OK;
}

static void what_was_read_is_valid_in_a_later_host_call(conform_test *t) {
    enum { WORDS = 50000, TIMES = 20 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, WORDS * 4);
    reader *readers = conform_memory(t, TIMES * sizeof *readers);
    uint32_t *words = conform_memory(t, WORDS * 4);
    for (uint32_t i = 0; i < TIMES; i++) { /* in the same batch, or one or two later */
        readers[i].words = words, readers[i].count = WORDS, readers[i].start = i * 1000;
        conform_iota(t, s, rlx_whole(x), i * 1000);
        CHECK_OK(t, rlx_stream_read(s, words, rlx_whole(x)));
        for (uint32_t b = 0; b < i % 3; b++) CHECK_OK(t, rlx_stream_submit(s, NULL));
        CHECK_OK(t, rlx_stream_host_call(s, look_at_words, &readers[i]));
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint32_t i = 0; i < TIMES; i++) {
        CHECK_EQUAL(t, atomic_load(&readers[i].calls), 1);
        CHECK_EQUAL(t, atomic_load(&readers[i].wrong), 0);
    }
}

static void what_was_read_is_valid_once_query_reports_the_point(conform_test *t) {
    enum { WORDS = 100000 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, WORDS * 4);
    uint32_t *words = conform_memory(t, WORDS * 4);
    for (uint32_t i = 1; i <= 10; i++) {
        rlx_point point;
        conform_iota(t, s, rlx_whole(x), i);
        CHECK_OK(t, rlx_stream_read(s, words, rlx_whole(x)));
        CHECK_OK(t, rlx_stream_submit(s, &point));
        uint64_t limit = conform_now_ns() + t->patience;
        while (rlx_point_query(point) == RLX_NOT_READY && conform_now_ns() < limit) continue;
        CHECK_EQUAL(t, words[0], i);
        CHECK_EQUAL(t, words[WORDS - 1], WORDS - 1 + i);
        CHECK_OK(t, rlx_point_query(point));
    }
}

/* ---- The end of the loan ---- */

/* Cancelled or failed, a batch has let go of host memory when its point says that it has ended. */
static void ended_batches_let_go_of_host_memory(conform_test *t) {
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        rlx_stream *s = conform_stream(t, 0);
        rlx_buffer *x = conform_buffer(t, 4096);
        conform_gate *gate = conform_gate_closed(t);
        unsigned char *host = conform_memory(t, 4096), *expected = conform_memory(t, 4096);
        rlx_point point;
        conform_set(t, rlx_whole(x), 0x11);
        conform_gate_hold(t, gate, s);
        if (!cancelled) conform_fail(t, s, RLX_ERROR_KERNEL);
        if (!cancelled) CHECK_OK(t, rlx_stream_submit(s, NULL));
        CHECK_OK(t, rlx_stream_read(s, host, rlx_whole(x)));
        CHECK_OK(t, rlx_stream_submit(s, &point));
        if (cancelled) CHECK_OK(t, rlx_stream_cancel(s));
        else conform_gate_open(gate);
        CHECK_ONE_OF(t, rlx_point_wait(point, t->patience), CONFORM_ERRORS);
        memset(host, 0xEE, 4096);
        memset(expected, 0xEE, 4096);
        conform_gate_open(gate);
        conform_sleep_ms(20);
        CHECK_OK(t, rlx_stream_recover(s));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_BYTES(t, host, expected, 4096, "host memory of a batch that has ended");
    }
}

static void discarded_commands_let_go_of_host_memory(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 4096);
    void *pointer = NULL;
    conform_set(t, rlx_whole(x), 0x11);
    CHECK_OK(t, rlx_host_alloc(t->device, 4096, &pointer));
    memset(pointer, 0x99, 4096);
    CHECK_OK(t, rlx_stream_write(s, rlx_whole(x), pointer, 0));
    CHECK_OK(t, rlx_stream_read(s, pointer, rlx_whole(x)));
    rlx_stream_discard(s);
    rlx_host_free(t->device, pointer);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 9), 0x11111111);
}

static void host_alloc_gives_memory_for_transfers(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    const uint64_t sizes[] = { 1, 63, 4096, 1000001 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rlx_buffer *x = conform_buffer(t, sizes[i]);
        void *in = NULL, *out = NULL;
        CHECK_OK(t, rlx_host_alloc(t->device, sizes[i], &in));
        CHECK_OK(t, rlx_host_alloc(t->device, sizes[i], &out));
        CHECK(t, ((uintptr_t)in | (uintptr_t)out) % 64 == 0, "host memory aligned to 64 bytes");
        conform_noise(in, sizes[i], i);
        memset(out, 0, sizes[i]);
        CHECK_OK(t, rlx_stream_write(s, rlx_whole(x), in, 0));
        CHECK_OK(t, rlx_stream_read(s, out, rlx_whole(x)));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_BYTES(t, out, in, sizes[i], "bytes there and back");
        rlx_host_free(t->device, in);
        rlx_host_free(t->device, out);
    }
}

const conform_case conform_rule08[] = {
    { 8, "COPIED writes of 1 byte to 64 KiB are copied before the call returns", copied_writes_are_copied },
    { 8, "COPIED writes keep their copies while they are held", copied_writes_keep_their_copies_while_they_are_held,
      NEEDS_GATE },
    { 8, "COPIED writes in programs are copied when they are recorded", copied_writes_in_programs_are_copied },
    { 8, "values, argument lists and descriptors of dispatches are copied", values_and_descriptors_are_copied,
      NEEDS_GATE },
    { 8, "rows are copied", rows_are_copied },
    { 8, "slot values are copied, for each run its own", slot_values_are_copied, NEEDS_GATE },
    { 8, "labels and descriptors of objects are copied", descriptors_of_objects_are_copied },
    { 8, "labels of commands are copied", labels_of_commands_are_copied, NEEDS_GATE | NEEDS_HOST_CODE },
    { 8, "a kernel's description is copied", a_kernels_description_is_copied, NEEDS_HOST_CODE },
    { 8, "what was read is valid in a later host call of the stream", what_was_read_is_valid_in_a_later_host_call },
    { 8, "what was read is valid once query reports the point", what_was_read_is_valid_once_query_reports_the_point,
      NEEDS_PROGRESS },
    { 8, "failed and cancelled batches let go of host memory when their point ends",
      ended_batches_let_go_of_host_memory, NEEDS_GATE },
    { 8, "discarded commands let go of host memory", discarded_commands_let_go_of_host_memory },
    { 8, "host_alloc gives aligned memory for writes and reads", host_alloc_gives_memory_for_transfers },
    { 0 },
};
