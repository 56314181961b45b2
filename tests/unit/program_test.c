/* Programs through the public interface, case by case. (Slots that overlap: overlap_test.c. What random programs do:
 * program_random_test.c.) */
#include "bench.h"

/* ---- What a program is ---- */

static void a_program_tells_its_size_and_shape(void) {
    bench b = bench_open("shuffle");
    for (int i = 0; i < 4; i++) CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.x, 16u * (unsigned)i, 16), 1, 1), RLX_OK);
    CHECK_INT(
        dispatch(b.rec, &b, rlx_arg_buffer(rlx_part(b.x, 0, 64)), rlx_arg_buffer(rlx_whole(b.y)), rlx_arg_slot(9), 64),
        RLX_OK);
    rlx_program *program = finish(b.rec, "five");
    const rlx_program_properties *info = rlx_program_info(program);
    CHECK_UINT(info->commands, 5);
    CHECK_UINT(info->dependencies, 4);
    CHECK_UINT(info->depth, 2);
    CHECK_UINT(info->slots, 1);
    CHECK_STRING(info->label, "five");
    CHECK(info->device == b.device);
    CHECK(info->bytes > 5 * sizeof(rlx_packet_fill) && info->bytes < 4096);
    CHECK(rlx_program_info(NULL) == NULL);
    rlx_program_retain(program), rlx_program_release(program), rlx_program_release(program), rlx_program_release(NULL);
    bench_close(&b);
}

static void a_program_without_commands_does_nothing_in_each_run(void) {
    for (int d = 0; d < 3; d++) {
        bench b = bench_open(devices[d]);
        CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.x, 0, 0), 1, 1), RLX_OK);
        rlx_program *program = finish(b.rec, NULL);
        CHECK_UINT(rlx_program_info(program)->commands, 0);
        CHECK_STRING(rlx_program_info(program)->label, "");
        CHECK_INT(rlx_stream_run(b.s, program, NULL), RLX_OK);
        refused(&b, RUN(&b, program, { .slot = 0 }), RLX_ERROR_INVALID, "no such slot");
        submit_and_wait(b.s);
        rlx_program_release(program);
        bench_close(&b);
    }
}

static void a_stream_records_one_program_after_another(void) {
    bench b = bench_open("shuffle");
    unsigned char out[256];
    rlx_program *programs[3];
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.x, 10 * i, 10), i + 1, 1), RLX_OK);
        programs[i] = finish(b.rec, NULL);
    }
    CHECK_INT(rlx_stream_fill(b.s, rlx_whole(b.x), 0, 1), RLX_OK);
    for (int i = 2; i >= 0; i--) CHECK_INT(rlx_stream_run(b.s, programs[i], NULL), RLX_OK);
    CHECK_INT(rlx_stream_read(b.s, out, rlx_whole(b.x)), RLX_OK);
    for (int i = 0; i < 3; i++) rlx_program_release(programs[i]); /* their runs are still to come */
    CHECK_UINT(shuffle.programs, 3);
    submit_and_wait(b.s);
    CHECK_UINT(shuffle.programs, 0);
    CHECK_UINT(out[9], 1);
    CHECK_UINT(out[10], 2);
    CHECK_UINT(out[29], 3);
    CHECK_UINT(out[30], 0);
    bench_close(&b);
}

static void a_program_keeps_its_objects_and_a_run_its_ranges(void) {
    bench b = bench_open("shuffle");
    rlx_buffer *inside = make_buffer(b.device, 64), *given = make_buffer(b.device, 64);
    static unsigned char in[64] = { 5 }, out[64];
    CHECK_INT(rlx_stream_write(b.rec, rlx_whole(inside), in, 0), RLX_OK);
    CHECK_INT(dispatch(b.rec, &b, rlx_arg_buffer(rlx_whole(inside)), rlx_arg_slot(1), rlx_arg_u32(2), 64), RLX_OK);
    CHECK_INT(rlx_stream_read(b.rec, out, rlx_slot_range(1, 64)), RLX_OK);
    rlx_program *program = finish(b.rec, NULL);
    rlx_buffer_release(inside);
    CHECK_INT(RUN(&b, program, { 1, .range = rlx_whole(given) }), RLX_OK);
    rlx_buffer_release(given), rlx_program_release(program);
    submit_and_wait(b.s);
    CHECK_UINT(out[0], 12);
    CHECK_UINT(shuffle.memory, 2);
    bench_close(&b);
}

/* ---- Slots ---- */

static rlx_status keep_values(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    unsigned char *out = kernel->args[4].data;
    (void)first, (void)count;
    memcpy(out, kernel->args[0].data, 1), memcpy(out + 1, kernel->args[1].data, 2);
    memcpy(out + 3, kernel->args[2].data, 8), memcpy(out + 11, kernel->args[3].data, 20);
    memcpy(out + 31, kernel->groups, sizeof kernel->groups);
    return RLX_OK;
}

static void values_of_any_size_and_grids_reach_the_kernel(void) {
    static const rlx_param params[] = {
        { RLX_VALUE, 1 }, { RLX_VALUE, 2 }, { RLX_VALUE, 8 }, { RLX_VALUE, 20, 16 }, { RLX_WRITE }
    };
    for (int d = 0; d < 3; d++) {
        bench b = bench_open(devices[d]);
        rlx_kernel *kernel = make_kernel(b.device, "keep", keep_values, params, 5);
        const rlx_arg args[] = { rlx_arg_slot(0), rlx_arg_slot(1), rlx_arg_slot(2), rlx_arg_slot(4095),
                                 rlx_arg_buffer(rlx_whole(b.y)) };
        CHECK_INT(rlx_stream_dispatch(b.rec, kernel,
                                      &(rlx_dispatch){ .args = args, .arg_count = 5, .groups_slot = rlx_slot(9) }),
                  RLX_OK);
        rlx_program *program = finish(b.rec, NULL);
        char text[] = "twenty bytes of text", out[256];
        double number = 0.1;
        CHECK_INT(RUN(&b, program, { 4095, .bytes = text }, { 2, .f64 = number }, { 9, .groups = { 2, 0, 3 } },
                      { 1, .u32 = 0x1234 }, { 0, .u32 = 0x56 }),
                  RLX_OK);
        memset(text, 0, sizeof text); /* it was copied */
        CHECK_INT(rlx_stream_read(b.s, out, rlx_whole(b.y)), RLX_OK);
        submit_and_wait(b.s);
        const uint32_t groups[] = { 2, 1, 3 };
        CHECK(out[0] == 0x56 && out[1] == 0x34 && out[2] == 0x12);
        CHECK(memcmp(out + 3, &number, 8) == 0);
        CHECK(memcmp(out + 11, "twenty bytes of text", 20) == 0);
        CHECK(memcmp(out + 31, groups, sizeof groups) == 0);
        rlx_program_release(program), rlx_kernel_release(kernel);
        bench_close(&b);
    }
}

static void a_skipped_command_runs_again_when_it_is_enabled(void) {
    for (int d = 0; d < 3; d++) {
        bench b = bench_open(devices[d]);
        unsigned char out[256];
        CHECK_INT(rlx_stream_fill(b.rec, rlx_whole(b.y), 0, 1), RLX_OK);
        CHECK_INT(rlx_stream_condition(b.rec, rlx_slot(1)), RLX_OK);
        CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.y, 0, 8), 1, 1), RLX_OK);
        CHECK_INT(rlx_stream_condition(b.rec, (rlx_slot_ref){ 0 }), RLX_OK);
        const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(b.x)), rlx_arg_buffer(rlx_part(b.y, 8, 8)), rlx_arg_u32(0) };
        CHECK_INT(rlx_stream_dispatch(b.rec, b.kernel,
                                      &(rlx_dispatch){ .args = args, .arg_count = 3, .groups_slot = rlx_slot(2) }),
                  RLX_OK);
        CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.y, 16, 8), 3, 1), RLX_OK); /* the condition has ended */
        rlx_program *program = finish(b.rec, NULL);
        for (uint32_t i = 0; i < 8; i++) {
            shuffle.commands = 0;
            CHECK_INT(RUN(&b, program, { 1, .enabled = i & 1 }, { 2, .groups = { i & 2, 1, 1 } }), RLX_OK);
            submit_and_wait(b.s);
            CHECK_UINT(shuffle.commands, 2 + (i & 1) + (i & 2) / 2);
            CHECK_INT(rlx_stream_read(b.s, out, rlx_whole(b.y)), RLX_OK);
            submit_and_wait(b.s);
            CHECK(out[7] == (i & 1) && out[16] == 3);
        }
        rlx_program_release(program);
        bench_close(&b);
    }
}

/* A program with a slot of each kind, and what refuses it. */
static void each_slot_is_checked_like_an_argument(void) {
    for (int d = 0; d < 3; d++) {
        bench b = bench_open(devices[d]), other = bench_open(devices[(d + 1) % 3]);
        rlx_buffer *large = make_buffer(b.device, (1u << 29) + 4);
        unsigned char out[32];
        const rlx_arg args[] = { rlx_arg_slot(10), rlx_arg_buffer(rlx_whole(b.y)), rlx_arg_slot(12) };
        CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(11, 16), 0, 4), RLX_OK);
        CHECK_INT(rlx_stream_read_slot(b.rec, 13, rlx_part(b.y, 0, 32)), RLX_OK);
        CHECK_INT(rlx_stream_dispatch(b.rec, b.kernel,
                                      &(rlx_dispatch){ .args = args, .arg_count = 3, .groups_slot = rlx_slot(14) }),
                  RLX_OK);
        rlx_program *program = finish(b.rec, "each");
        const rlx_slot_value good[] = { { 10, .range = rlx_part(b.x, 16, 32) },
                                        { 11, .range = rlx_part(b.x, 101, 16) },
                                        { 12, .u32 = 1 },
                                        { 13, .host_out = out },
                                        { 14, .groups = { 1 } } };
        const struct {
            rlx_slot_value value;
            rlx_status status;
            const char *part;
        } bad[] = {
            { { 10, .range = rlx_whole(NULL) }, RLX_ERROR_INVALID, "slot 10: the buffer is NULL" },
            { { 10, .range = rlx_whole(other.x) }, RLX_ERROR_INVALID, "slot 10: the buffer is of another device" },
            { { 10, .range = rlx_part(b.x, 250, 8) }, RLX_ERROR_RANGE, "slot 10" },
            { { 10, .range = rlx_part(b.x, 258, 8) }, RLX_ERROR_RANGE, "slot 10" },
            { { 10, .range = rlx_part(b.x, 18, 8) }, RLX_ERROR_ALIGNMENT, "slot 10: offset 18 is no multiple of 4" },
            { { 10, .range = rlx_whole(large) }, RLX_ERROR_LIMIT, "limit of one binding" },
            { { 10, .range = rlx_slot_range(1, 8) }, RLX_ERROR_INVALID, "does not record" },
            { { 10, .range = rlx_part(b.y, 0, 4) },
              RLX_ERROR_ALIAS,
              "slot 10: its range overlaps another one of command 2" },
            { { 11, .range = rlx_part(b.x, 5, 15) }, RLX_ERROR_INVALID, "slot 11: a range of 15 bytes" },
            { { 11, .range = rlx_part(b.x, 5, 0) }, RLX_ERROR_INVALID, "slot 11: a range of 0 bytes" },
            { { 11, .range = rlx_whole(b.x) }, RLX_ERROR_INVALID, "slot 11: a range of 256 bytes" },
            { { 13, .host_out = NULL }, RLX_ERROR_INVALID, "slot 13: the host pointer is NULL" },
            { { 14, .groups = { 65536 } }, RLX_ERROR_LIMIT, "slot 14: groups[0] = 65536" },
            { { 14, .groups = { 1, 0, 65536 } }, RLX_ERROR_LIMIT, "slot 14: groups[2] = 65536" },
            { { 15, .u32 = 1 }, RLX_ERROR_INVALID, "slot 15: the program has no such slot" },
            { { UINT32_MAX, .u32 = 1 }, RLX_ERROR_INVALID, "no such slot" },
            { { 11, .range = rlx_part(b.x, 5, 16) }, RLX_ERROR_INVALID, "slot 11 is given twice" },
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            rlx_slot_value values[5];
            memcpy(values, good, sizeof values);
            uint32_t at = bad[i].value.slot - 10;
            if (i == sizeof bad / sizeof *bad - 1) at = 4; /* twice */
            values[at < 5 ? at : 0] = bad[i].value;
            refused(&b, run(&b, program, values, 5), bad[i].status, bad[i].part);
            CHECK_HOLDS(rlx_last_error(), "run 'step' of program 'each'");
        }
        refused(&b, run(&b, program, good, 4), RLX_ERROR_INVALID, "slot 14 is missing: the program needs a grid");
        refused(&b, run(&b, program, good + 1, 4), RLX_ERROR_INVALID, "slot 10 is missing: the program needs a range");
        refused(&b, run(&b, program, NULL, 5), RLX_ERROR_INVALID, "values is NULL");
        refused(&b, rlx_stream_run(b.s, program, NULL), RLX_ERROR_INVALID, "missing");
        refused(&b, rlx_stream_run(b.s, NULL, NULL), RLX_ERROR_INVALID, "program is NULL");
        refused(&b, rlx_stream_run(NULL, program, NULL), RLX_ERROR_INVALID, "stream is NULL");
        refused(&other, rlx_stream_run(other.s, program, NULL), RLX_ERROR_INVALID, "another device");
        refused(&b, rlx_stream_run(b.s, program, &(rlx_run){ .next = out }), RLX_ERROR_UNSUPPORTED, "rlx_run.next");
        CHECK_INT(run(&b, program, good, 5), RLX_OK);
        submit_and_wait(b.s);
        rlx_program_release(program), rlx_buffer_release(large);
        CHECK_UINT(shuffle.memory, 4);
        rlx_stream_release(other.rec), rlx_stream_release(other.s), rlx_kernel_release(other.kernel);
        rlx_buffer_release(other.x), rlx_buffer_release(other.y), rlx_device_release(other.device);
        bench_close(&b);
    }
}

static void refused_runs_take_no_memory(void) {
    bench b = bench_open("shuffle");
    for (uint32_t i = 0; i < 500; i++) CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(i, 4), i, 4), RLX_OK);
    rlx_program *program = finish(b.rec, NULL);
    static rlx_slot_value values[500];
    for (uint32_t i = 0; i < 500; i++) values[i] = (rlx_slot_value){ i, .range = rlx_part(b.x, 4 * (i % 60), 4) };
    size_t before = 0;
    for (int i = 0; i < 1000; i++) {
        size_t bytes = 0;
        refused(&b, run(&b, program, values, 500), RLX_ERROR_ALIAS, "unordered");
        for (rlx_chunk *chunk = b.s->current->chunks.first; chunk; chunk = chunk->next) bytes += chunk->size;
        if (i == 10) before = bytes;
        if (i > 10 && !CHECK_UINT(bytes, before)) break;
    }
    rlx_program_release(program);
    bench_close(&b);
}

/* ---- Nested runs ---- */

static void a_nested_run_becomes_commands_of_its_own(void) {
    for (int d = 0; d < 3; d++) {
        bench b = bench_open(devices[d]);
        unsigned char out[256];
        CHECK_INT(dispatch(b.rec, &b, rlx_arg_slot(1), rlx_arg_slot(2), rlx_arg_slot(3), 8), RLX_OK);
        rlx_program *inner = finish(b.rec, "inner");
        const rlx_slot_value first[] = { { 1, .range = rlx_part(b.x, 0, 8) },
                                         { 2, .range = rlx_slot_range(7, 8) },
                                         { 3, .u32 = 3 } };
        const rlx_slot_value second[] = { { 1, .range = rlx_slot_range(7, 0) },
                                          { 2, .range = rlx_part(b.y, 8, 8) },
                                          { 3, .u32 = 5 } };
        CHECK_INT(rlx_stream_condition(b.rec, rlx_slot(8)), RLX_OK);
        CHECK_INT(rlx_stream_run(b.rec, inner, &(rlx_run){ .values = first, .count = 3 }), RLX_OK);
        CHECK_INT(rlx_stream_condition(b.rec, (rlx_slot_ref){ 0 }), RLX_OK);
        CHECK_INT(rlx_stream_run(b.rec, inner, &(rlx_run){ .values = second, .count = 3 }), RLX_OK);
        rlx_program_release(inner);
        CHECK_UINT(shuffle.programs, 0);
        CHECK_STRING(b.rec->current->first->label, "scale");
        rlx_program *outer = finish(b.rec, NULL);
        const rlx_program_properties *info = rlx_program_info(outer);
        CHECK(info->commands == 2 && info->dependencies == 1 && info->depth == 2 && info->slots == 2);
        refused(&b, RUN(&b, outer, { 7, .range = rlx_part(b.y, 0, 7) }, { 8, .enabled = true }), RLX_ERROR_INVALID,
                "recorded with 8");
        refused(&b, RUN(&b, outer, { 7, .range = rlx_part(b.y, 8, 8) }, { 8, .enabled = true }), RLX_ERROR_ALIAS,
                "command 1");
        CHECK_INT(rlx_stream_fill(b.s, rlx_whole(b.x), 0, 1), RLX_OK);
        for (uint32_t on = 0; on < 2; on++) {
            CHECK_INT(rlx_stream_fill(b.s, rlx_whole(b.y), 1, 1), RLX_OK);
            CHECK_INT(RUN(&b, outer, { 7, .range = rlx_part(b.y, 16, 8) }, { 8, .enabled = on }), RLX_OK);
            CHECK_INT(rlx_stream_read(b.s, out, rlx_whole(b.y)), RLX_OK);
            submit_and_wait(b.s);
            CHECK_UINT(out[17], on ? 6 : 1);
            CHECK_UINT(out[9], on ? 40 : 15);
        }
        rlx_program_release(outer);
        bench_close(&b);
    }
}

static void a_nested_run_has_its_copied_bytes_to_itself(void) {
    bench b = bench_open("shuffle");
    unsigned char in[256], out[256];
    memset(in, 7, sizeof in);
    CHECK_INT(rlx_stream_write(b.rec, rlx_whole(b.x), in, RLX_WRITE_COPIED), RLX_OK);
    rlx_program *inner = finish(b.rec, "inner");
    CHECK_INT(rlx_stream_run(b.rec, inner, NULL), RLX_OK);
    const rlx_packet_host_copy *own = (const rlx_packet_host_copy *)b.rec->current->first;
    const rlx_packet_host_copy *inners = (const rlx_packet_host_copy *)inner->first;
    CHECK(own->host != inners->host); /* which goes with its program */
    rlx_program_release(inner);
    rlx_program *outer = finish(b.rec, "outer");
    CHECK_INT(rlx_stream_run(b.s, outer, NULL), RLX_OK);
    CHECK_INT(rlx_stream_read(b.s, out, rlx_whole(b.x)), RLX_OK);
    submit_and_wait(b.s);
    CHECK(out[0] == 7 && out[100] == 7 && out[255] == 7);
    rlx_program_release(outer);
    bench_close(&b);
}

static void a_nested_run_of_wrong_values_leaves_the_recording(void) {
    bench b = bench_open("shuffle");
    CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(1, 8), 1, 1), RLX_OK);
    CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.x, 0, 8), 2, 1), RLX_OK);
    rlx_program *inner = finish(b.rec, NULL);
    CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.x, 0, 8), 3, 1), RLX_OK);
    const rlx_slot_value bad[] = { { 1, .range = rlx_part(b.x, 0, 8) },
                                   { 1, .range = rlx_slot_range(2, 4) },
                                   { 1, .range = rlx_slot_range(RLX_SLOT_MAX, 8) },
                                   { 1, .range = rlx_part(b.x, 0, 4) } };
    const rlx_status statuses[] = { RLX_ERROR_ALIAS, RLX_ERROR_INVALID, RLX_ERROR_LIMIT, RLX_ERROR_INVALID };
    for (int i = 0; i < 4; i++) {
        CHECK_INT(rlx_stream_run(b.rec, inner, &(rlx_run){ .values = &bad[i], .count = 1 }), statuses[i]);
        CHECK_UINT(b.rec->current->count, 1);
        CHECK_UINT(b.rec->recorder.interval_count, 1);
    }
    rlx_program *outer = finish(b.rec, NULL);
    CHECK_UINT(rlx_program_info(outer)->commands, 1);
    rlx_program_release(outer), rlx_program_release(inner);
    bench_close(&b);
}

/* Longer than what a program notes of a range in one piece. */
static void long_ranges_stay_whole_in_nested_runs(void) {
    bench b = bench_open("shuffle");
    const uint64_t MiB = 1 << 20;
    rlx_buffer *large = make_buffer(b.device, 1000 * MiB);
    const rlx_use uses[] = { { rlx_part(large, 420 * MiB, 64), RLX_WRITE }, { rlx_slot_range(1, 32), RLX_READ_WRITE } };
    const rlx_arg args[] = { rlx_arg_buffer(rlx_part(large, 0, 400 * MiB)), rlx_arg_buffer(rlx_whole(b.y)),
                             rlx_arg_u32(1) };
    CHECK_INT(rlx_stream_dispatch(
                  b.rec, b.kernel,
                  &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 3, .uses = uses, .use_count = 2 }),
              RLX_OK);
    CHECK_INT(rlx_stream_fill(b.rec, rlx_part(large, 0, 1000 * MiB), 1, 1), RLX_OK);
    CHECK_INT(rlx_stream_fill(b.rec, rlx_part(large, 999 * MiB, 1), 1, 1), RLX_OK);
    rlx_program *program = finish(b.rec, NULL);
    rlx_slot_value value = { 1, .range = rlx_slot_range(9, 32) };
    for (int i = 0; i < 2; i++) {
        CHECK_INT(rlx_stream_run(b.rec, program, &(rlx_run){ .values = &value, .count = 1 }), RLX_OK);
        CHECK_UINT(b.rec->recorder.interval_count, 6);
        rlx_program_release(program);
        program = finish(b.rec, NULL);
        CHECK_UINT(rlx_program_info(program)->dependencies, 2);
        CHECK_INT(RUN(&b, program, { 9, .range = rlx_part(large, 420 * MiB, 32) }), RLX_OK); /* both are only used */
        rlx_stream_discard(b.s);
        refused(&b, RUN(&b, program, { 9, .range = rlx_part(large, 399 * MiB, 32) }), RLX_ERROR_ALIAS, "slot 9");
        value.slot = 9;
    }
    rlx_program_release(program), rlx_buffer_release(large);
    bench_close(&b);
}

/* Each level holds the objects itself, so that none holds the one below: freeing the last needs no depth. */
static void programs_can_be_nested_a_thousand_deep(void) {
    bench b = bench_open("shuffle");
    unsigned char out[256];
    CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(0, 8), 1, 1), RLX_OK);
    rlx_program *program = finish(b.rec, NULL);
    for (int i = 0; i < 1000; i++) {
        rlx_slot_value value = { 0, .range = rlx_slot_range(0, 8) };
        CHECK_INT(rlx_stream_run(b.rec, program, &(rlx_run){ .values = &value, .count = 1 }), RLX_OK);
        rlx_program_release(program);
        CHECK_UINT(shuffle.programs, 0);
        program = finish(b.rec, NULL);
    }
    CHECK_INT(RUN(&b, program, { 0, .range = rlx_part(b.x, 3, 8) }), RLX_OK);
    CHECK_INT(rlx_stream_read(b.s, out, rlx_whole(b.x)), RLX_OK);
    submit_and_wait(b.s);
    CHECK_UINT(out[10], 1);
    CHECK_UINT(rlx_program_info(program)->commands, 1);
    rlx_program_release(program);
    bench_close(&b);
}

/* ---- Finish ---- */

static void not_finished(const bench *b, rlx_status expected, const char *part) {
    rlx_program *program = NULL;
    uint64_t count = b->rec->current->count;
    CHECK_INT(rlx_stream_finish(b->rec, NULL, &program), expected);
    CHECK_HOLDS(rlx_last_error(), part);
    CHECK(program == NULL);
    CHECK_UINT(b->rec->current->count, count);
    rlx_stream_discard(b->rec);
}

static void a_slot_that_is_two_things_is_refused(void) {
    bench b = bench_open("shuffle");
    rlx_arg x = rlx_arg_buffer(rlx_whole(b.x)), y = rlx_arg_buffer(rlx_whole(b.y));
    CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(3, 16), 0, 1), RLX_OK);
    CHECK_INT(dispatch(b.rec, &b, x, y, rlx_arg_slot(3), 1), RLX_OK);
    not_finished(&b, RLX_ERROR_INVALID, "slot 3 is a range, and a value in command 1");
    CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(3, 16), 0, 1), RLX_OK);
    CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(3, 17), 0, 1), RLX_OK);
    not_finished(&b, RLX_ERROR_INVALID, "slot 3 is a range of 16 bytes, and of 17 in command 1");
    CHECK_INT(dispatch(b.rec, &b, rlx_arg_slot(3), rlx_arg_slot(3), rlx_arg_u32(1), 1), RLX_OK);
    not_finished(&b, RLX_ERROR_ALIAS, "slot 3 stands twice in command 0");
    CHECK_INT(rlx_stream_copy(b.rec, rlx_slot_range(3, 16), rlx_slot_range(3, 16)), RLX_OK); /* onto itself */
    CHECK_INT(dispatch(b.rec, &b, rlx_arg_slot(3), rlx_arg_slot(4), rlx_arg_u32(1), 1), RLX_OK);
    rlx_program *program = finish(b.rec, NULL); /* and the stream is as good as new */
    rlx_program_release(program);
    bench_close(&b);
}

static void finish_needs_a_recording_stream_and_a_place_for_the_program(void) {
    bench b = bench_open("shuffle");
    rlx_program *program;
    CHECK_INT(rlx_stream_finish(b.s, NULL, &program), RLX_ERROR_ORDER);
    CHECK_INT(rlx_stream_finish(b.rec, NULL, NULL), RLX_ERROR_INVALID);
    CHECK_INT(rlx_stream_finish(NULL, NULL, &program), RLX_ERROR_INVALID);
    CHECK_INT(rlx_stream_finish(b.rec, &(rlx_program_desc){ .next = &b }, &program), RLX_ERROR_UNSUPPORTED);
    bench_close(&b);
}

static void a_backend_that_refuses_a_program_leaves_the_recording(void) {
    bench b = bench_open("shuffle");
    rlx_program *program = NULL;
    CHECK_INT(rlx_stream_fill(b.rec, rlx_whole(b.x), 4, 1), RLX_OK);
    shuffle.refuse = RLX_ERROR_BACKEND;
    CHECK_INT(rlx_stream_finish(b.rec, &(rlx_program_desc){ .label = "mine" }, &program), RLX_ERROR_BACKEND);
    CHECK_HOLDS(rlx_last_error(), "shuffle: program 'mine': refused by the test");
    shuffle.refuse = RLX_OK;
    program = finish(b.rec, "mine");
    CHECK_UINT(rlx_program_info(program)->commands, 1);
    rlx_program_release(program);
    bench_close(&b);
}

/* ---- Threads ---- */

/* Every run goes through the same two buffers: what it reads in the end is its own only if no other run is going. */
typedef struct runner {
    rlx_device *device;
    rlx_program *program;
    rlx_thread thread;
    uint32_t flags, number;
    uint32_t wrong;
} runner;

static void run_once(runner *r, rlx_stream *stream, uint32_t value) {
    static const unsigned char zero[256];
    unsigned char out[256] = { 0 };
    const rlx_slot_value values[] = { { 1, .u32 = value }, { 2, .host_out = out }, { 3, .host = zero } };
    const rlx_run run = { .values = values, .count = 3 };
    if (r->flags & RLX_STREAM_RECORD) { /* only to be copied from the program, while others are patching it */
        rlx_program *outer = NULL;
        r->wrong += rlx_stream_run(stream, r->program, &run) || rlx_stream_finish(stream, NULL, &outer);
        rlx_program_release(outer);
        return;
    }
    r->wrong += rlx_stream_run(stream, r->program, &run) || rlx_stream_submit_and_wait(stream, RLX_FOREVER);
    for (uint32_t i = 0; i < 256; i++) r->wrong += out[i] != (unsigned char)(value * (i + 1));
}

static void *run_often(void *user) {
    runner *r = user;
    rlx_stream *stream = NULL;
    r->wrong += rlx_stream_create(r->device, &(rlx_stream_desc){ .flags = r->flags }, &stream) != RLX_OK;
    for (uint32_t i = 0; i < 300; i++) run_once(r, stream, r->number * 100 + i);
    rlx_stream_release(stream);
    return NULL;
}

static void runs_on_several_threads_do_not_overlap(void) {
    bench b = bench_open("cpu");
    rlx_buffer *z = make_buffer(b.device, 256);
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(b.x)), rlx_arg_buffer(rlx_whole(b.y)), rlx_arg_slot(1) };
    CHECK_INT(rlx_stream_write_slot(b.rec, rlx_whole(b.x), 3), RLX_OK);
    CHECK_INT(rlx_stream_dispatch(b.rec, b.kernel, &(rlx_dispatch){ .groups = { 256 }, .args = args, .arg_count = 3 }),
              RLX_OK);
    CHECK_INT(rlx_stream_copy(b.rec, rlx_part(z, 0, 128), rlx_part(b.y, 0, 128)), RLX_OK);
    CHECK_INT(rlx_stream_copy(b.rec, rlx_part(z, 128, 128), rlx_part(b.y, 128, 128)), RLX_OK);
    CHECK_INT(rlx_stream_read_slot(b.rec, 2, rlx_whole(z)), RLX_OK);
    rlx_program *program = finish(b.rec, NULL);
    runner runners[4];
    const uint32_t flags[] = { 0, 0, RLX_STREAM_ISOLATE, RLX_STREAM_RECORD };
    for (uint32_t i = 0; i < 4; i++) {
        runners[i] = (runner){ .device = b.device, .program = program, .flags = flags[i], .number = i };
        CHECK(rlx_thread_start(&runners[i].thread, "runner", run_often, &runners[i]));
    }
    for (uint32_t i = 0; i < 4; i++) {
        rlx_thread_join(runners[i].thread);
        CHECK_UINT(runners[i].wrong, 0);
    }
    rlx_program_release(program), rlx_buffer_release(z);
    bench_close(&b);
}

/* ---- Memory ---- */

static uint64_t allowed, counted;

static bool allow_some(size_t size) {
    (void)size;
    return allowed && allowed--;
}

static bool count_all(size_t size) {
    (void)size;
    counted++;
    return true;
}

static rlx_status record_some(const bench *b) {
    static unsigned char host[64];
    rlx_status status = rlx_stream_write_slot(b->rec, rlx_part(b->x, 0, 64), 1);
    for (uint32_t i = 0; !status && i < 8; i++) /* readers before writers of parts: a join */
        status = rlx_stream_copy(b->rec, rlx_slot_range(2 + i, 64), rlx_part(b->x, 0, 64));
    for (uint32_t i = 0; !status && i < 8; i++) status = rlx_stream_fill(b->rec, rlx_part(b->x, 4 * i, 4), 1, 1);
    if (!status)
        status = dispatch(b->rec, b, rlx_arg_buffer(rlx_part(b->x, 0, 4)), rlx_arg_slot(10), rlx_arg_slot(11), 1);
    return status ? status : rlx_stream_read(b->rec, host, rlx_part(b->x, 0, 64));
}

/* Every allocation of finish and of a run fails in turn. */
static void running_out_of_memory_leaves_streams_as_they_were(void) {
    static unsigned char host[64];
    for (int d = 0; d < 4; d++) {
        bench b = bench_open(devices[d % 3]);
        rlx_buffer *out = make_buffer(b.device, 1024);
        rlx_stream *target = d == 3 ? make_stream(b.device, RLX_STREAM_RECORD) : NULL;
        rlx_slot_value values[11] = { { 1, .host = host }, { 11, .u32 = 1 } };
        for (uint32_t i = 0; i < 9; i++) values[2 + i] = (rlx_slot_value){ 2 + i, .range = rlx_part(out, 64 * i, 64) };
        rlx_program *program = NULL;
        CHECK_INT(record_some(&b), RLX_OK);
        rlx_status status = RLX_ERROR_OUT_OF_MEMORY;
        uint64_t tries = 0, finishes;
        for (; status && tries < 200; tries++) {
            allowed = tries;
            atomic_store(&rlx_allocation_check, allow_some);
            status = rlx_stream_finish(b.rec, NULL, &program);
            atomic_store(&rlx_allocation_check, NULL);
            CHECK(!status || status == RLX_ERROR_OUT_OF_MEMORY);
            if (status) CHECK_UINT(b.rec->current->count, 19);
        }
        finishes = tries;
        for (tries = 0, status = RLX_ERROR_OUT_OF_MEMORY; status && tries < 200; tries++) {
            rlx_stream *fresh = target ? make_stream(b.device, RLX_STREAM_RECORD) : make_stream(b.device, 0);
            allowed = tries;
            atomic_store(&rlx_allocation_check, allow_some);
            status = rlx_stream_run(fresh, program, &(rlx_run){ .values = values, .count = 11 });
            atomic_store(&rlx_allocation_check, NULL);
            CHECK(!status || status == RLX_ERROR_OUT_OF_MEMORY);
            if (status) CHECK_UINT(fresh->current ? fresh->current->count : 0, 0);
            rlx_stream_release(fresh);
        }
        printf("# %s: %" PRIu64 " allocations in finish, %" PRIu64 " in a first run\n", devices[d % 3], finishes - 1,
               tries - 1);
        CHECK(finishes > 20 && finishes < 200 && tries > 1 && tries < 200);
        rlx_program_release(program), rlx_buffer_release(out);
        if (target) rlx_stream_release(target);
        bench_close(&b);
    }
}

static void runs_of_a_warm_stream_allocate_nothing(void) {
    static unsigned char host[64];
    bench b = bench_open("shuffle");
    rlx_buffer *out = make_buffer(b.device, 1024);
    CHECK_INT(record_some(&b), RLX_OK);
    rlx_program *program = finish(b.rec, NULL);
    rlx_slot_value values[11] = { { 1, .host = host }, { 11, .u32 = 1 } };
    for (uint32_t i = 0; i < 9; i++) values[2 + i] = (rlx_slot_value){ 2 + i, .range = rlx_part(out, 64 * i, 64) };
    for (int i = 0; i < 1000; i++) {
        CHECK_INT(run(&b, program, values, 11), RLX_OK);
        CHECK_INT(run(&b, program, values, 11), RLX_OK);
        if (i % 7 == 0) CHECK_INT(rlx_stream_fill(b.s, rlx_whole(out), 0, 1), RLX_OK);
        submit_and_wait(b.s);
        if (i == 20) atomic_store(&rlx_allocation_check, count_all);
    }
    atomic_store(&rlx_allocation_check, NULL);
    CHECK_UINT(counted, 0);
    rlx_program_release(program), rlx_buffer_release(out);
    bench_close(&b);
}

static void a_batch_knows_which_programs_it_runs(void) {
    for (int d = 0; d < 3; d++) {
        bench b = bench_open(devices[d]);
        rlx_stream *isolated = make_stream(b.device, RLX_STREAM_ISOLATE);
        CHECK_INT(rlx_stream_fill(b.rec, rlx_whole(b.x), 4, 1), RLX_OK);
        CHECK_INT(rlx_stream_fill(b.rec, rlx_whole(b.y), 4, 1), RLX_OK);
        rlx_program *program = finish(b.rec, NULL);
        for (int i = 0; i < 3; i++) CHECK_INT(rlx_stream_run(b.s, program, NULL), RLX_OK);
        CHECK(b.s->current->runs && b.s->current->runs->program == program && !b.s->current->runs->next);
        CHECK_UINT(b.s->current->count, d == 2 ? 6 : 3);
        CHECK_INT(rlx_stream_run(isolated, program, NULL), RLX_OK);
        CHECK(isolated->current->runs && isolated->current->runs->program == program);
        CHECK_UINT(isolated->current->count, 2);
        submit_and_wait(b.s), submit_and_wait(isolated);
        rlx_program_release(program), rlx_stream_release(isolated);
        bench_close(&b);
    }
}

static void a_command_takes_at_most_256_bytes(void) {
    bench b = bench_open("shuffle");
    enum { COMMANDS = 1 << 20 };
    rlx_buffer *weights = make_buffer(b.device, 1 << 24), *arena = make_buffer(b.device, 1 << 20);
    static const rlx_param params[] = { { RLX_READ }, { RLX_READ }, { RLX_WRITE }, { RLX_VALUE, 4 }, { RLX_VALUE, 4 } };
    rlx_kernel *kernel = make_kernel(b.device, "layer", scale, params, 5);
    uint64_t begin = rlx_clock_ns();
    for (uint32_t i = 0; i < COMMANDS; i++) {
        const rlx_arg args[] = { rlx_arg_buffer(rlx_part(weights, 4096 * (i % 4096), 4096)),
                                 rlx_arg_buffer(rlx_part(arena, 4096 * (i % 64), 4096)),
                                 rlx_arg_buffer(rlx_part(arena, 4096 * (64 + (i + 5) % 64), 4096)), rlx_arg_u32(i),
                                 rlx_arg_f32(1) };
        if (!CHECK_INT(
                rlx_stream_dispatch(b.rec, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5 }),
                RLX_OK))
            break;
    }
    uint64_t encoded = rlx_clock_ns();
    rlx_program *program = finish(b.rec, NULL);
    uint64_t finished = rlx_clock_ns();
    uint64_t bytes = rlx_program_info(program)->bytes;
    printf("# %d dispatches of three buffers and two values: encoded in %" PRIu64 " ms, finished in %" PRIu64
           " ms, %.1f bytes each\n",
           COMMANDS, (encoded - begin) / 1000000, (finished - encoded) / 1000000, (double)bytes / COMMANDS);
    CHECK(bytes <= (uint64_t)256 * COMMANDS);
    rlx_program_release(program), rlx_kernel_release(kernel), rlx_buffer_release(weights), rlx_buffer_release(arena);
    bench_close(&b);
}

static const tap_test tests[] = {
    TAP(a_program_tells_its_size_and_shape),
    TAP(a_program_without_commands_does_nothing_in_each_run),
    TAP(a_stream_records_one_program_after_another),
    TAP(a_program_keeps_its_objects_and_a_run_its_ranges),
    TAP(values_of_any_size_and_grids_reach_the_kernel),
    TAP(a_skipped_command_runs_again_when_it_is_enabled),
    TAP(each_slot_is_checked_like_an_argument),
    TAP(refused_runs_take_no_memory),
    TAP(a_nested_run_becomes_commands_of_its_own),
    TAP(a_nested_run_has_its_copied_bytes_to_itself),
    TAP(a_nested_run_of_wrong_values_leaves_the_recording),
    TAP(long_ranges_stay_whole_in_nested_runs),
    TAP(programs_can_be_nested_a_thousand_deep),
    TAP(a_slot_that_is_two_things_is_refused),
    TAP(finish_needs_a_recording_stream_and_a_place_for_the_program),
    TAP(a_backend_that_refuses_a_program_leaves_the_recording),
    TAP(runs_on_several_threads_do_not_overlap),
    TAP(running_out_of_memory_leaves_streams_as_they_were),
    TAP(runs_of_a_warm_stream_allocate_nothing),
    TAP(a_batch_knows_which_programs_it_runs),
    TAP(a_command_takes_at_most_256_bytes),
};

TAP_MAIN(tests)
