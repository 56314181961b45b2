/* What overlaps in a run: refused where the recording leaves it unordered, taken where it does not. */
#include "bench.h"

static void ranges_that_overlap_unordered_accesses_are_refused(void) {
    for (int d = 0; d < 3; d++) {
        bench b = bench_open(devices[d]);
        CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.x, 0, 64), 1, 1), RLX_OK);
        CHECK_INT(rlx_stream_copy(b.rec, rlx_part(b.y, 0, 16), rlx_slot_range(1, 16)), RLX_OK);
        CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(2, 16), 2, 1), RLX_OK);
        rlx_program *program = finish(b.rec, NULL);
        rlx_range free_x = rlx_part(b.x, 64, 16), free_y = rlx_part(b.y, 64, 16);
        refused(&b, RUN(&b, program, { 1, .range = rlx_part(b.x, 48, 16) }, { 2, .range = free_y }), RLX_ERROR_ALIAS,
                "slot 1: with this range commands 0 ('') and 1 ('') overlap");
        refused(&b, RUN(&b, program, { 1, .range = free_x }, { 2, .range = rlx_part(b.x, 0, 16) }), RLX_ERROR_ALIAS,
                "slot 2: with this range commands 0 ('') and 2 ('') overlap");
        refused(&b, RUN(&b, program, { 1, .range = free_x }, { 2, .range = free_x }), RLX_ERROR_ALIAS,
                "commands 1 ('') and 2");
        refused(&b, RUN(&b, program, { 1, .range = free_x }, { 2, .range = rlx_part(b.x, 79, 16) }), RLX_ERROR_ALIAS,
                "commands 1 ('') and 2");
        refused(&b, RUN(&b, program, { 1, .range = free_x }, { 2, .range = rlx_part(b.y, 15, 16) }), RLX_ERROR_ALIAS,
                "commands 1 ('') and 2"); /* they share a word */
        CHECK_INT(RUN(&b, program, { 1, .range = free_x }, { 2, .range = rlx_part(b.x, 80, 16) }), RLX_OK);
        CHECK_INT(RUN(&b, program, { 1, .range = rlx_part(b.y, 2, 16) }, { 2, .range = free_y }),
                  RLX_OK); /* one copy */
        submit_and_wait(b.s);
        rlx_program_release(program);
        bench_close(&b);
    }
}

static void ranges_that_overlap_ordered_accesses_are_taken(void) {
    for (int d = 0; d < 3; d++) {
        bench b = bench_open(devices[d]);
        unsigned char out[16];
        CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.x, 0, 64), 1, 1), RLX_OK);
        CHECK_INT(rlx_stream_copy(b.rec, rlx_part(b.y, 0, 16), rlx_part(b.x, 0, 16)), RLX_OK); /* what links the two */
        CHECK_INT(dispatch(b.rec, &b, rlx_arg_buffer(rlx_part(b.y, 0, 16)), rlx_arg_slot(1), rlx_arg_u32(1), 16),
                  RLX_OK);
        rlx_program *program = finish(b.rec, NULL);
        for (int i = 0; i < 3; i++) {
            CHECK_INT(RUN(&b, program, { 1, .range = rlx_part(b.x, 48, 16) }), RLX_OK);
            CHECK_INT(rlx_stream_read(b.s, out, rlx_part(b.x, 48, 16)), RLX_OK);
            submit_and_wait(b.s);
            CHECK_UINT(out[15], 17);
        }
        /* Command 1 has to read before command 2 writes: there is a path for that as well. */
        CHECK_INT(RUN(&b, program, { 1, .range = rlx_part(b.x, 0, 16) }), RLX_OK);
        submit_and_wait(b.s);
        rlx_program_release(program);
        bench_close(&b);
    }
}

static void what_is_only_read_may_overlap(void) {
    bench b = bench_open("shuffle");
    for (uint32_t i = 0; i < 40; i++) {
        CHECK_INT(rlx_stream_copy(b.rec, rlx_part(b.y, 4 * i, 4), rlx_slot_range(i, 4)), RLX_OK);
        CHECK_INT(rlx_stream_copy(b.rec, rlx_part(b.y, 160 + i, 1), rlx_part(b.x, i, 1)), RLX_OK);
    }
    rlx_program *program = finish(b.rec, NULL);
    rlx_slot_value values[40];
    for (uint32_t i = 0; i < 40; i++) values[i] = (rlx_slot_value){ i, .range = rlx_part(b.x, i % 3, 4) };
    CHECK_INT(run(&b, program, values, 40), RLX_OK);
    submit_and_wait(b.s);
    rlx_program_release(program);
    bench_close(&b);
}

static void ranges_of_one_dispatch_are_compared_in_bytes(void) {
    bench b = bench_open("shuffle");
    rlx_use use = { rlx_slot_range(3, 4), RLX_READ };
    const rlx_arg args[] = { rlx_arg_slot(1), rlx_arg_slot(2), rlx_arg_u32(1) };
    CHECK_INT(rlx_stream_dispatch(
                  b.rec, b.kernel,
                  &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 3, .uses = &use, .use_count = 1 }),
              RLX_OK);
    rlx_program *program = finish(b.rec, NULL);
    rlx_range use_x = rlx_part(b.x, 101, 4);
    CHECK_INT(RUN(&b, program, { 1, .range = rlx_part(b.x, 0, 6) }, { 2, .range = rlx_part(b.x, 8, 5) },
                  { 3, .range = rlx_part(b.x, 13, 4) }),
              RLX_OK);
    refused(&b,
            (rlx_stream_discard(b.s), RUN(&b, program, { 1, .range = rlx_part(b.x, 0, 9) },
                                          { 2, .range = rlx_part(b.x, 8, 5) }, { 3, .range = use_x })),
            RLX_ERROR_ALIAS, "of command 0 ('')");
    refused(&b,
            RUN(&b, program, { 1, .range = rlx_part(b.x, 0, 8) }, { 2, .range = rlx_part(b.x, 8, 5) },
                { 3, .range = rlx_part(b.x, 12, 4) }),
            RLX_ERROR_ALIAS, "of command 0 ('')");
    CHECK_INT(RUN(&b, program, { 1, .range = rlx_part(b.x, 0, 8) }, { 2, .range = rlx_part(b.y, 8, 5) },
                  { 3, .range = rlx_part(b.x, 2, 4) }),
              RLX_OK); /* both are read */
    CHECK_INT(RUN(&b, program, { 1, .range = rlx_part(b.x, 8, 0) }, { 2, .range = rlx_part(b.x, 0, 64) },
                  { 3, .range = use_x }),
              RLX_OK); /* nothing overlaps nothing */
    submit_and_wait(b.s);
    rlx_program_release(program);
    bench_close(&b);
}

static void host_pointers_may_be_one_and_the_same(void) {
    bench b = bench_open("shuffle");
    unsigned char host[64] = { 7 };
    CHECK_INT(rlx_stream_write(b.rec, rlx_part(b.x, 0, 8), host, 0), RLX_OK);
    CHECK_INT(rlx_stream_fill(b.rec, rlx_part(b.y, 0, 8), 9, 1), RLX_OK);
    CHECK_INT(rlx_stream_read_slot(b.rec, 1, rlx_part(b.y, 0, 8)), RLX_OK);     /* after the write from host */
    CHECK_INT(rlx_stream_write_slot(b.rec, rlx_part(b.x, 8, 8), 2), RLX_OK);    /* after the read */
    CHECK_INT(rlx_stream_read_slot(b.rec, 1, rlx_part(b.x, 0, 8)), RLX_OK);     /* after both */
    CHECK_INT(rlx_stream_read(b.rec, host + 16, rlx_part(b.x, 0, 16)), RLX_OK); /* elsewhere: nobody knows that */
    rlx_program *program = finish(b.rec, NULL);
    for (int i = 0; i < 40; i++) {
        memset(host, 0, sizeof host), host[0] = 7;
        CHECK_INT(RUN(&b, program, { 1, .host_out = host }, { 2, .host = host }), RLX_OK);
        submit_and_wait(b.s);
        CHECK(host[0] == 7 && host[16] == 7 && host[24] == 9);
    }
    rlx_program_release(program);
    bench_close(&b);
}

static void a_host_pointer_into_a_shared_buffer_is_checked_like_a_range(void) {
    bench b = bench_open("shuffle");
    rlx_buffer *shared;
    void *pointer;
    CHECK_INT(rlx_buffer_create(b.device, &(rlx_buffer_desc){ .size = 64, .memory = RLX_MEMORY_SHARED }, &shared),
              RLX_OK);
    CHECK_INT(rlx_buffer_host_pointer(shared, &pointer), RLX_OK);
    CHECK_INT(rlx_stream_fill(b.rec, rlx_part(shared, 0, 32), 1, 1), RLX_OK);
    CHECK_INT(rlx_stream_write_slot(b.rec, rlx_part(b.x, 0, 16), 1), RLX_OK);
    CHECK_INT(rlx_stream_fill(b.rec, rlx_slot_range(2, 16), 1, 1), RLX_OK);
    rlx_program *program = finish(b.rec, NULL);
    refused(&b, RUN(&b, program, { 1, .host = (unsigned char *)pointer + 16 }, { 2, .range = rlx_part(b.y, 0, 16) }),
            RLX_ERROR_ALIAS, "slot 1");
    refused(&b,
            RUN(&b, program, { 1, .host = (unsigned char *)pointer + 32 }, { 2, .range = rlx_part(shared, 40, 16) }),
            RLX_ERROR_ALIAS, "commands 1 ('') and 2");
    CHECK_INT(RUN(&b, program, { 1, .host = (unsigned char *)pointer + 32 }, { 2, .range = rlx_part(shared, 48, 16) }),
              RLX_OK);
    submit_and_wait(b.s);
    rlx_program_release(program), rlx_buffer_release(shared);
    bench_close(&b);
}

/* Whether there is a path is asked of graphs of any size. */
static void paths_are_found_across_many_commands(void) {
    for (uint32_t between = 1; between <= 100000; between *= 10) {
        bench b = bench_open("shuffle");
        CHECK_INT(rlx_stream_copy(b.rec, rlx_part(b.x, 0, 4), rlx_slot_range(1, 4)), RLX_OK);
        for (uint32_t i = 0; i < between; i++) /* a chain, and as many that have nothing to do with it */
            if (rlx_stream_fill(b.rec, rlx_part(b.x, 0, 4), i, 4) || rlx_stream_fill(b.rec, rlx_part(b.x, 8, 4), i, 4))
                break;
        CHECK_INT(rlx_stream_copy(b.rec, rlx_part(b.y, 0, 4), rlx_part(b.x, 0, 4)), RLX_OK);
        CHECK_INT(rlx_stream_copy(b.rec, rlx_part(b.y, 8, 4), rlx_part(b.x, 8, 4)), RLX_OK);
        rlx_program *program = finish(b.rec, NULL);
        CHECK_UINT(rlx_program_info(program)->commands, 2 * between + 3);
        for (int i = 0; i < 3; i++) { /* the second time the answer is known */
            refused(&b, RUN(&b, program, { 1, .range = rlx_part(b.y, 8, 4) }), RLX_ERROR_ALIAS, "commands 0 ('') and");
            CHECK_INT(RUN(&b, program, { 1, .range = rlx_part(b.y, 0, 4) }), RLX_OK);
            rlx_stream_discard(b.s);
        }
        rlx_program_release(program);
        bench_close(&b);
    }
}

static const tap_test tests[] = {
    TAP(ranges_that_overlap_unordered_accesses_are_refused),
    TAP(ranges_that_overlap_ordered_accesses_are_taken),
    TAP(what_is_only_read_may_overlap),
    TAP(ranges_of_one_dispatch_are_compared_in_bytes),
    TAP(host_pointers_may_be_one_and_the_same),
    TAP(a_host_pointer_into_a_shared_buffer_is_checked_like_a_range),
    TAP(paths_are_found_across_many_commands),
};

TAP_MAIN(tests)
