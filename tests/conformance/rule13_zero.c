/* Rule 13: zero is a valid default. A zero-size range and an empty batch do nothing and succeed; in a grid x = 0 does
 * nothing, y and z = 0 mean 1. */
#include "conform.h"

#define SIZE 256

/* ---- Descriptors ---- */

static void zero_descriptors_are_valid(conform_test *t) {
    rlx_device *device;
    rlx_buffer *buffer;
    rlx_stream *s, *recording;
    rlx_program *program;
    CHECK_OK(t, rlx_device_open(t->info->name, &(rlx_device_desc){ 0 }, &device));
    CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ 0 }, &buffer));
    CHECK_OK(t, rlx_stream_create(device, &(rlx_stream_desc){ 0 }, &s));
    CHECK_OK(t, rlx_stream_create(device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording));
    CHECK_OK(t, rlx_stream_finish(recording, &(rlx_program_desc){ 0 }, &program));
    CHECK_OK(t, rlx_stream_run(s, program, &(rlx_run){ 0 }));
    CHECK_OK(t, rlx_stream_run(s, program, NULL));
    CHECK_OK(t, rlx_stream_copy_rows(s, rlx_whole(buffer), rlx_whole(buffer), &(rlx_rows){ 0 }));
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(buffer), 0, 1)); /* of a buffer that holds nothing */
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    const rlx_buffer_properties *info = rlx_buffer_info(buffer);
    CHECK(t, info->size == 0 && info->memory == RLX_MEMORY_DEVICE && info->label && info->label[0] == '\0',
          "the defaults of a buffer");
    const rlx_program_properties *made = rlx_program_info(program);
    CHECK(t, made->commands == 0 && made->slots == 0 && made->label && made->label[0] == '\0',
          "the defaults of a program");
    rlx_program_release(program);
    rlx_stream_release(recording);
    rlx_stream_release(s);
    rlx_buffer_release(buffer);
    rlx_device_release(device);
}

static rlx_status note_call(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first;
    uint64_t *seen = k->user;
    seen[0] += count;
    seen[1] = k->groups[0], seen[2] = k->groups[1], seen[3] = k->groups[2];
    seen[4] = k->group_size[0], seen[5] = k->group_size[1], seen[6] = k->group_size[2];
    seen[7] = k->shared_bytes + (k->shared ? 1 : 0) + k->arg_count;
    return RLX_OK;
}

static void zero_in_a_kernel_is_its_default(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    uint64_t *seen = conform_memory(t, 8 * sizeof *seen);
    rlx_kernel *kernel;
    const rlx_code code = { .format = RLX_CODE_HOST, .function = note_call, .user = seen };
    CHECK_OK(t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .codes = &code, .code_count = 1 },
                                  &kernel)); /* no name either */
    const rlx_kernel_properties *info = rlx_kernel_info(kernel);
    CHECK(t,
          info->group_size[0] == 1 && info->group_size[1] == 1 && info->group_size[2] == 1 && info->shared_bytes == 0 &&
              info->param_count == 0,
          "a group of 1 thread without shared memory or parameters");
    CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ 0 })); /* an empty grid */
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, seen[0], 0);
    CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 } }));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (int i = 0; i < 7; i++) CHECK_EQUAL(t, seen[i], 1);
    CHECK_EQUAL(t, seen[7], 0);
    rlx_kernel_release(kernel);
}

static void zero_in_a_parameter_is_its_default(conform_test *t) {
    const rlx_kernel_properties *info = rlx_kernel_info(conform_kernel_of(t, t->device, CONFORM_AFFINE));
    for (uint32_t i = 1; i < info->param_count; i++) {
        CHECK_EQUAL(t, info->params[i].size, 4);
        CHECK_EQUAL(t, info->params[i].alignment, 4);
    }
}

/* ---- Nothing to do ---- */

static void commands_of_no_bytes_do_nothing(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE), *none = conform_buffer(t, 0);
    unsigned char host[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const rlx_rows no_rows = { .rows = 0, .row_bytes = 8, .dst_stride = 16, .src_stride = 16 };
    const rlx_rows no_bytes = { .rows = 4, .row_bytes = 0, .dst_stride = 16, .src_stride = 16 };
    conform_set(t, rlx_whole(x), 0x11);
    const uint64_t offsets[] = { 0, 1, 4, SIZE - 1, SIZE };
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        rlx_range empty = rlx_part(x, offsets[i], 0), rest = rlx_part(x, SIZE, RLX_REST);
        CHECK_OK(t, rlx_stream_write(s, empty, host, 0));
        CHECK_OK(t, rlx_stream_write(s, empty, host, RLX_WRITE_COPIED));
        CHECK_OK(t, rlx_stream_read(s, host, empty));
        CHECK_OK(t, rlx_stream_copy(s, empty, rlx_part(x, 8, 0)));
        CHECK_OK(t, rlx_stream_copy(s, empty, rest));
        CHECK_OK(t, rlx_stream_copy(s, empty, empty));
        for (uint32_t size = 1; size <= 4; size *= 2) CHECK_OK(t, rlx_stream_fill(s, empty, 0xFF, size));
        CHECK_OK(t, rlx_stream_write_rows(s, empty, host, &no_rows));
        CHECK_OK(t, rlx_stream_read_rows(s, host, empty, &no_bytes));
        CHECK_OK(t, rlx_stream_copy_rows(s, empty, rlx_whole(x), &no_rows));
        CHECK_OK(t, rlx_stream_copy_rows(s, rlx_whole(x), empty, &no_bytes));
        CHECK_OK(t, rlx_stream_fill_rows(s, empty, 0xFF, 4, &no_rows));
    }
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(none), 0xFF, 4));
    CHECK_OK(t, rlx_stream_copy(s, rlx_whole(none), rlx_part(x, 0, 0)));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint64_t i = 0; i < SIZE / 4; i++) CHECK_EQUAL(t, conform_get_u32(t, x, i), 0x11111111);
    for (unsigned i = 0; i < 8; i++) CHECK_EQUAL(t, host[i], i + 1);
}

static void a_transfer_of_no_bytes_succeeds(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_stream *a = conform_stream(t, 0), *b = conform_stream_on(t, other, 0, NULL);
    rlx_buffer *x = conform_buffer(t, 0), *y = conform_buffer_on(t, other, 16);
    rlx_point moved;
    CHECK_OK(t, rlx_transfer(b, rlx_part(y, 16, 0), a, rlx_whole(x), &moved));
    CHECK_DONE(t, moved);
}

static void an_empty_batch_completes(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    for (int i = 0; i < 100; i++) {
        rlx_point point;
        if (i % 3 == 1) CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, 0, 0), 1, 4)); /* nothing, in other words */
        CHECK_OK(t, rlx_stream_submit(s, &point));
        CHECK_DONE(t, point);
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
}

static void an_empty_batch_completes_after_all_before_it(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *behind = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point empty[5], dependent;
    conform_gate_hold(t, gate, s);
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    for (int i = 0; i < 5; i++) CHECK_OK(t, rlx_stream_submit(s, &empty[i]));
    CHECK_OK(t, rlx_stream_depend(behind, empty[2])); /* an empty batch behind an empty batch */
    CHECK_OK(t, rlx_stream_submit(behind, &dependent));
    CHECK_STATUS(t, rlx_points_wait(empty, 5, RLX_WAIT_ANY, 20 * RLX_MILLISECOND, NULL), RLX_TIMEOUT);
    CHECK_STATUS(t, rlx_point_query(dependent), RLX_NOT_READY);
    conform_gate_check(t, gate, "empty batches wait for those before them");
    conform_gate_open(gate);
    CHECK_DONE(t, dependent);
    CHECK_EQUAL(t, atomic_load(calls), 1);
    CHECK_DONE(t, empty[4]);
}

static void the_zero_point_has_always_been_complete(conform_test *t) {
    const rlx_point zero = { 0 };
    rlx_point points[3] = { { 0 }, { 0 }, { 0 } };
    uint32_t index = 99;
    rlx_stream *s = conform_stream(t, 0);
    CHECK_OK(t, rlx_point_wait(zero, 0));
    CHECK_OK(t, rlx_point_wait(zero, RLX_FOREVER));
    CHECK_OK(t, rlx_point_query(zero));
    CHECK_OK(t, rlx_points_wait(points, 3, RLX_WAIT_ALL, 0, &index));
    CHECK_EQUAL(t, index, 3);
    CHECK_OK(t, rlx_points_wait(points, 3, (rlx_wait_mode)0, 0, NULL)); /* the mode's zero is ALL */
    CHECK_OK(t, rlx_points_wait(points, 1, RLX_WAIT_ANY, 0, &index));
    CHECK_EQUAL(t, index, 0);
    CHECK_OK(t, rlx_points_wait(NULL, 0, RLX_WAIT_ALL, 0, &index));
    CHECK_EQUAL(t, index, 0);
    CHECK_OK(t, rlx_stream_depend(s, zero));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
}

static void a_new_stream_has_nothing_to_wait_for(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_wait(s, 0));
    CHECK_OK(t, rlx_stream_wait(s, RLX_FOREVER));
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK_EQUAL(t, failure.status, RLX_OK);
    CHECK_OK(t, rlx_stream_recover(s));
    CHECK_OK(t, rlx_stream_cancel(s));
    rlx_stream_discard(s);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
}

/* ---- Grids ---- */

static const struct {
    uint32_t groups[3], count; /* count: of groups that run */
} grids[] = {
    { { 5, 0, 0 }, 5 }, { { 5, 1, 0 }, 5 }, { { 5, 0, 1 }, 5 }, { { 3, 4, 0 }, 12 }, { { 3, 0, 4 }, 12 },
    { { 1, 0, 0 }, 1 }, { { 0, 0, 0 }, 0 }, { { 0, 5, 5 }, 0 }, { { 0, 1, 1 }, 0 },  { { 2, 3, 4 }, 24 },
};
#define GRIDS (sizeof grids / sizeof *grids)
#define GROUPS_MOST 32

static void check_groups(conform_test *t, rlx_buffer *y, const uint32_t groups[3], uint32_t count) {
    uint32_t words[GROUPS_MOST * 4], width = groups[0], height = groups[1] ? groups[1] : 1;
    conform_get(t, words, rlx_whole(y));
    for (uint32_t i = 0; i < GROUPS_MOST; i++) {
        bool runs = i < count;
        CHECK(t, words[4 * i + 3] == (runs ? 1 : 0), "a grid of (%u, %u, %u): group %u of %u runs %u times; got %u",
              groups[0], groups[1], groups[2], i, count, runs, words[4 * i + 3]);
        if (!runs) continue;
        CHECK_EQUAL(t, words[4 * i], i % width);
        CHECK_EQUAL(t, words[4 * i + 1], i / width % height);
        CHECK_EQUAL(t, words[4 * i + 2], i / width / height);
    }
}

static void zeroes_in_a_grid(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *y = conform_buffer(t, GROUPS_MOST * 16);
    const rlx_arg arg = rlx_arg_buffer(rlx_whole(y));
    for (size_t i = 0; i < GRIDS; i++) {
        rlx_dispatch dispatch = { .args = &arg, .arg_count = 1 };
        memcpy(dispatch.groups, grids[i].groups, sizeof dispatch.groups);
        conform_set(t, rlx_whole(y), 0);
        CHECK_OK(t, rlx_stream_dispatch(s, conform_kernel_of(t, t->device, CONFORM_WHERE), &dispatch));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        check_groups(t, y, grids[i].groups, grids[i].count);
    }
}

static void zeroes_in_a_grid_of_a_run(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *y = conform_buffer(t, GROUPS_MOST * 16);
    const rlx_arg arg = rlx_arg_buffer(rlx_whole(y));
    CHECK_OK(t, rlx_stream_dispatch(recording, conform_kernel_of(t, t->device, CONFORM_WHERE),
                                    &(rlx_dispatch){ .args = &arg, .arg_count = 1, .groups_slot = rlx_slot(0) }));
    rlx_program *program = conform_finish(t, recording);
    for (size_t i = 0; i < GRIDS; i++) {
        rlx_slot_value value = { .slot = 0 };
        memcpy(value.groups, grids[i].groups, sizeof value.groups);
        conform_set(t, rlx_whole(y), 0);
        CHECK_OK(t, rlx_stream_run(s, program, &(rlx_run){ .values = &value, .count = 1 }));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        check_groups(t, y, grids[i].groups, grids[i].count);
    }
}

static void a_program_of_nothing_runs(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    rlx_program *empty = conform_finish(t, recording);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_part(x, 8, 0), 1, 4));
    CHECK_OK(t, rlx_stream_run(recording, empty, NULL));
    rlx_program *nothing = conform_finish(t, recording);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(t, rlx_stream_run(s, i % 2 ? empty : nothing, NULL));
        CHECK_OK(t, rlx_stream_submit(s, &point));
    }
    CHECK_STATUS(t, rlx_point_wait(point, 5 * RLX_MILLISECOND), RLX_TIMEOUT);
    conform_gate_check(t, gate, "runs of nothing keep their place");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
}

const conform_case conform_rule13[] = {
    { 13, "zero descriptors are valid", zero_descriptors_are_valid },
    { 13, "zero in a kernel's description is its default", zero_in_a_kernel_is_its_default, NEEDS_HOST_CODE },
    { 13, "zero in a value's description is its default", zero_in_a_parameter_is_its_default },
    { 13, "commands of no bytes do nothing and succeed", commands_of_no_bytes_do_nothing },
    { 13, "a transfer of no bytes succeeds", a_transfer_of_no_bytes_succeeds },
    { 13, "an empty batch completes", an_empty_batch_completes },
    { 13, "an empty batch completes after all before it", an_empty_batch_completes_after_all_before_it, NEEDS_GATE },
    { 13, "the point { 0 } has always been complete", the_zero_point_has_always_been_complete },
    { 13, "a new stream has nothing to wait for", a_new_stream_has_nothing_to_wait_for },
    { 13, "in a grid x = 0 does nothing, y and z = 0 mean 1", zeroes_in_a_grid },
    { 13, "in a run's grid x = 0 does nothing, y and z = 0 mean 1", zeroes_in_a_grid_of_a_run },
    { 13, "a program of nothing runs, in its place", a_program_of_nothing_runs, NEEDS_GATE },
    { 0 },
};
