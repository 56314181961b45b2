/* Validation: mistakes in commands are found and told, with the command, the argument and the byte. Every test makes
 * its mistake twice: without validation nothing is said. */
#include "validate.h"

/* ---- Never written ---- */

static void read_unwritten_argument(const world *w) {
    fill(w, rlx_part(w->x, 0, 100)), fill(w, rlx_part(w->x, 101, BYTES - 101)), fill(w, rlx_whole(w->z));
    CHECK_INT(dispatch(w, w->s, rlx_part(w->x, 64, 64), rlx_whole(w->y), rlx_whole(w->z), (misdeed){ 0 }), RLX_OK);
    check_found(w,
                "command 3 (dispatch 'deed' of kernel 'writer'): validation: argument 0 reads byte 100 of buffer 'x' "
                "(byte 36 of the range), which nothing has written");
}

static void a_dispatch_that_reads_what_was_never_written_is_found(void) { on_all(read_unwritten_argument); }

static void change_unwritten_argument(const world *w) {
    fill(w, rlx_whole(w->x));
    CHECK_INT(dispatch(w, w->s, rlx_whole(w->x), rlx_whole(w->y), rlx_whole(w->z), (misdeed){ 0 }), RLX_OK);
    check_found(w, "argument 2 reads byte 0 of buffer 'z'");
}

static void a_dispatch_that_changes_what_was_never_written_is_found(void) { on_all(change_unwritten_argument); }

static void read_unwritten_use(const world *w) {
    misdeed deed = { 0 };
    const rlx_arg args[] = { rlx_arg_buffer(rlx_part(w->x, 0, 64)), rlx_arg_buffer(rlx_whole(w->y)),
                             rlx_arg_buffer(rlx_whole(w->z)), rlx_arg_bytes(&deed, sizeof deed) };
    const rlx_use uses[] = { { rlx_part(w->x, 0, 32), RLX_READ }, { rlx_part(w->x, 128, 32), RLX_READ } };
    fill(w, rlx_part(w->x, 0, 128)), fill(w, rlx_whole(w->z));
    CHECK_INT(rlx_stream_dispatch(
                  w->s, w->kernel,
                  &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 4, .uses = uses, .use_count = 2 }),
              RLX_OK);
    check_found(w, "use 1 reads byte 128 of buffer 'x'");
}

static void a_use_of_what_was_never_written_is_found(void) { on_all(read_unwritten_use); }

static void read_unwritten_to_host(const world *w) {
    static unsigned char out[BYTES];
    fill(w, rlx_part(w->x, 0, 200));
    CHECK_INT(rlx_stream_read(w->s, out, rlx_part(w->x, 100, 101)), RLX_OK);
    check_found(w, "command 1 (read): validation: it reads byte 200 of buffer 'x' (byte 100 of the range)");
}

static void a_read_of_what_was_never_written_is_found(void) { on_all(read_unwritten_to_host); }

/* A copy carries along what is undefined, up within a buffer, to another one, and in rows. The two bytes are where
 * words of bits end. */
static void copy_unwritten(const world *w) {
    static unsigned char out[BYTES];
    fill(w, rlx_part(w->x, 0, 124)), fill(w, rlx_part(w->x, 125, 1)), fill(w, rlx_part(w->x, 127, BYTES - 127));
    fill(w, rlx_whole(w->y));
    CHECK_INT(rlx_stream_copy(w->s, rlx_part(w->x, 3, BYTES - 3), rlx_part(w->x, 0, BYTES - 3)), RLX_OK);
    CHECK_INT(rlx_stream_copy(w->s, rlx_part(w->y, 1, 200), rlx_part(w->x, 0, 200)), RLX_OK);
    CHECK_INT(rlx_stream_read(w->s, out, rlx_part(w->y, 0, 128)), RLX_OK); /* they are 128 and 130 now */
    CHECK_INT(run(w), RLX_OK);
    const rlx_rows rows = { .rows = 4, .row_bytes = 8, .dst_stride = 16, .src_stride = 32 };
    CHECK_INT(rlx_stream_copy_rows(w->s, rlx_whole(w->z), rlx_part(w->y, 67, 128), &rows), RLX_OK);
    fill(w, rlx_part(w->z, 8, 8)), fill(w, rlx_part(w->z, 24, 8)), fill(w, rlx_part(w->z, 40, 8));
    CHECK_INT(rlx_stream_read(w->s, out, rlx_part(w->z, 0, 56)), RLX_OK); /* from 67, 99, 131 and 163 */
    CHECK_INT(run(w), RLX_OK);
    CHECK_INT(rlx_stream_copy(w->s, rlx_part(w->z, 0, 60), rlx_part(w->y, 100, 60)), RLX_OK);
    CHECK_INT(rlx_stream_read(w->s, out, rlx_part(w->z, 0, 60)), RLX_OK);
    check_found(w, "it reads byte 28 of buffer 'z'");
}

static void a_copy_carries_what_was_never_written_along(void) { on_all(copy_unwritten); }

/* ---- Kernels ---- */

typedef struct wrong {
    misdeed deed;
    const char *part;
} wrong;

static const wrong wrongs[] = {
    { { 0, 12, 1 }, "the kernel wrote argument 0, which is only read (RLX_READ): first at byte 12 of its 64" },
    { { 1, 64, 4 }, "the kernel wrote outside of argument 1, whose range has 64 bytes: at byte 64 of it" },
    { { 2, -4, 4 }, "the kernel wrote outside of argument 2, whose range has 64 bytes: at byte -4 of it" },
    { { 2, -64, 60 }, "the kernel wrote outside of argument 2, whose range has 64 bytes: at byte -64 of it" },
    { { 3, 8, 1 }, "the kernel wrote argument 3, which is a value: first at byte 8 of its 12" },
    { { 1, 192, 1 }, "the kernel wrote outside of buffer 'y' (argument 1, of 256 bytes): at byte 256 of it" },
    { { 1, -65, 1 }, "the kernel wrote outside of buffer 'y' (argument 1, of 256 bytes): at byte -1 of it" },
    { { 0, 192 + 4000, 8 }, "the kernel wrote outside of buffer 'x' (argument 0, of 256 bytes): at byte 4256 of it" },
};

static wrong current;

/* Not on the middle of a heap that has no guards: without validation only what stays within a buffer is done. */
static void write_wrongly(const world *w) {
    if (!w->validated && (current.deed.offset >= 192 || current.deed.offset == -65)) return;
    fill_all(w);
    CHECK_INT(dispatch(w, w->s, rlx_part(w->x, 64, 64), rlx_part(w->y, 64, 64), rlx_part(w->z, 64, 64), current.deed),
              RLX_OK);
    check_found(w, current.part);
}

static void a_kernel_that_writes_what_it_may_not_is_found(void) {
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        current = wrongs[i];
        on_all(write_wrongly);
    }
}

static void a_damaged_guard_is_not_the_fault_of_the_next_kernel(void) {
    world w = begin("sync", true);
    fill_all(&w);
    CHECK_INT(run(&w), RLX_OK);
    ((unsigned char *)w.y->block.host)[BYTES + 5] ^= 1;
    CHECK_INT(dispatch(&w, w.s, rlx_whole(w.x), rlx_whole(w.y), rlx_whole(w.z), (misdeed){ 0 }), RLX_OK);
    check_found(&w, "before it ran, byte 261 of buffer 'y' (argument 1), which lies outside, had been written");
    finish(&w);
}

/* And what was watched then is forgotten: the next batch is checked for itself. */
static void fail_and_damage(const world *w) {
    fill_all(w);
    CHECK_INT(dispatch(w, w->s, rlx_part(w->x, 0, 64), rlx_part(w->y, 0, 64), rlx_part(w->z, 0, 64),
                       (misdeed){ 1, 64, FAILS }),
              RLX_OK);
    CHECK_INT(run(w), RLX_ERROR_KERNEL);
    CHECK_STRING(lines.text, "");
    CHECK_INT(rlx_stream_recover(w->s), RLX_OK);
    fill_all(w);
    CHECK_INT(run(w), RLX_OK);
}

static void the_kernels_own_failure_comes_first(void) { on_all(fail_and_damage); }

/* ---- Programs ---- */

/* In a program, by a range and a use that a run gives, and with a run in between that does no wrong. */
static void run_program_wrongly(const world *w) {
    enum { RANGE, DEED, USE };
    rlx_stream *recording = make_stream(w->device, RLX_STREAM_RECORD);
    rlx_program *program = NULL;
    const rlx_arg args[] = { rlx_arg_slot(RANGE), rlx_arg_buffer(rlx_part(w->y, 64, 64)),
                             rlx_arg_buffer(rlx_part(w->z, 0, 64)), rlx_arg_slot(DEED) };
    const rlx_use uses[] = { { rlx_part(w->z, 64, 64), RLX_WRITE }, { rlx_slot_range(USE, 16), RLX_READ } };
    CHECK_INT(rlx_stream_fill(recording, rlx_part(w->z, 0, 64), 0, 4), RLX_OK);
    CHECK_INT(rlx_stream_dispatch(
                  recording, w->kernel,
                  &(rlx_dispatch){
                      .groups = { 1 }, .args = args, .arg_count = 4, .uses = uses, .use_count = 2, .label = "inner" }),
              RLX_OK);
    CHECK_INT(rlx_stream_finish(recording, &(rlx_program_desc){ .label = "p" }, &program), RLX_OK);
    fill(w, rlx_part(w->x, 0, 128));
    misdeed deed = { 2, 64, 64 }; /* into what is declared as used */
    rlx_slot_value values[] = { { RANGE, .range = rlx_part(w->x, 0, 64) },
                                { DEED, .bytes = &deed },
                                { USE, .range = rlx_part(w->x, 64, 16) } };
    CHECK_INT(rlx_stream_run(w->s, program, &(rlx_run){ .values = values, .count = 3 }), RLX_OK);
    CHECK_INT(run(w), RLX_OK);
    static unsigned char out[64];
    CHECK_INT(rlx_stream_read(w->s, out, rlx_part(w->z, 64, 64)), RLX_OK); /* a use has written it */
    CHECK_INT(run(w), RLX_OK);
    values[2].range = rlx_part(w->x, 120, 16);
    CHECK_INT(rlx_stream_run(w->s, program, &(rlx_run){ .values = values, .count = 3 }), RLX_OK);
    check_found(w, "command 0 (dispatch 'inner' of kernel 'writer'): validation: use 1 reads byte 128 of buffer 'x'");
    values[2].range = rlx_part(w->x, 64, 16);
    deed = (misdeed){ 0, 5, 1 };
    CHECK_INT(rlx_stream_run(w->s, program, &(rlx_run){ .values = values, .count = 3 }), RLX_OK);
    check_found(w, "the kernel wrote argument 0, which is only read (RLX_READ): first at byte 5 of its 64");
    rlx_program_release(program);
    rlx_stream_release(recording);
}

static void programs_are_checked_at_each_run(void) { on_all(run_program_wrongly); }

static void every_command_alone_is_checked_too(void) {
    world w = begin("cpu", true);
    rlx_stream_release(w.s);
    w.s = make_stream(w.device, RLX_STREAM_ISOLATE);
    fill_all(&w);
    CHECK_INT(
        dispatch(&w, w.s, rlx_part(w.x, 64, 64), rlx_part(w.y, 64, 64), rlx_part(w.z, 64, 64), (misdeed){ 2, 64, 1 }),
        RLX_OK);
    check_found(&w,
                "command 3 (dispatch 'deed' of kernel 'writer'): validation: the kernel wrote outside of argument 2");
    finish(&w);
}

/* ---- Borrowed memory ---- */

static void change_source(const world *w) {
    unsigned char source[BYTES] = { 1 }, rows[40] = { 1 };
    const rlx_rows shape = { .rows = 4, .row_bytes = 8, .src_stride = 10 };
    CHECK_INT(rlx_stream_write_rows(w->s, rlx_whole(w->x), rows, &shape), RLX_OK);
    CHECK_INT(rlx_stream_write(w->s, rlx_whole(w->y), source, RLX_WRITE_COPIED), RLX_OK);
    source[7] = rows[8] = rows[19] = 9; /* copied; and between rows */
    CHECK_INT(run(w), RLX_OK);
    CHECK_INT(rlx_stream_write(w->s, rlx_whole(w->y), source, 0), RLX_OK);
    source[BYTES - 1] = 9;
    check_found(w, "command 0 (write): validation: its source (256 bytes at 0x");
    CHECK_INT(rlx_stream_write_rows(w->s, rlx_whole(w->x), rows, &shape), RLX_OK);
    rows[37]++;
    check_found(w, "(write): validation: its source (32 bytes at 0x");
}

static void a_source_that_changes_while_it_is_borrowed_is_found(void) { on_all(change_source); }

static rlx_status call_writes(void *user) {
    memset(user, 5, BYTES);
    return RLX_OK;
}

/* By those that are ordered with the stream it may be written: a READ, a host call; a program's between its runs. */
static void change_source_in_order(const world *w) {
    static unsigned char source[BYTES], out[BYTES];
    fill(w, rlx_whole(w->x));
    CHECK_INT(rlx_stream_read(w->s, source, rlx_whole(w->x)), RLX_OK);
    CHECK_INT(rlx_stream_write(w->s, rlx_whole(w->y), source, 0), RLX_OK);
    CHECK_INT(run(w), RLX_OK);
    CHECK_INT(rlx_stream_host_call(w->s, call_writes, source), RLX_OK);
    CHECK_INT(rlx_stream_write(w->s, rlx_whole(w->z), source, 0), RLX_OK);
    CHECK_INT(run(w), RLX_OK);
    rlx_stream *recording = make_stream(w->device, RLX_STREAM_RECORD);
    rlx_program *program = NULL;
    CHECK_INT(rlx_stream_write(recording, rlx_whole(w->x), source, 0), RLX_OK);
    CHECK_INT(rlx_stream_finish(recording, NULL, &program), RLX_OK);
    for (unsigned char i = 0; i < 3; i++) {
        memset(source, i, sizeof source);
        CHECK_INT(rlx_stream_run(w->s, program, NULL), RLX_OK);
        CHECK_INT(rlx_stream_read(w->s, out, rlx_whole(w->x)), RLX_OK);
        CHECK_INT(run(w), RLX_OK);
        CHECK_UINT(out[9], i);
    }
    CHECK_INT(rlx_stream_run(w->s, program, NULL), RLX_OK);
    source[0] ^= 1;
    check_found(w, "(write): validation: its source");
    rlx_program_release(program);
    rlx_stream_release(recording);
}

static void what_the_stream_itself_writes_is_no_change(void) { on_all(change_source_in_order); }

/* What the host can write counts as written, from the moment that it can. */
static void write_by_host(const world *w) {
    rlx_buffer *shared = NULL;
    void *pointer;
    static unsigned char out[BYTES];
    CHECK_INT(rlx_buffer_create(w->device, &(rlx_buffer_desc){ .size = BYTES, .memory = RLX_MEMORY_SHARED }, &shared),
              RLX_OK);
    CHECK_INT(rlx_stream_read(w->s, out, rlx_whole(shared)), RLX_OK);
    check_found(w, "it reads byte 0 of a buffer of 256 bytes");
    CHECK_INT(rlx_buffer_host_pointer(shared, &pointer), RLX_OK);
    CHECK_INT(rlx_stream_read(w->s, out, rlx_whole(shared)), RLX_OK);
    CHECK_INT(run(w), RLX_OK);
    rlx_buffer_release(shared);
}

static void what_the_host_can_write_counts_as_written(void) { on_all(write_by_host); }

static const tap_test tests[] = {
    TAP(a_dispatch_that_reads_what_was_never_written_is_found),
    TAP(a_dispatch_that_changes_what_was_never_written_is_found),
    TAP(a_use_of_what_was_never_written_is_found),
    TAP(a_read_of_what_was_never_written_is_found),
    TAP(a_copy_carries_what_was_never_written_along),
    TAP(a_kernel_that_writes_what_it_may_not_is_found),
    TAP(a_damaged_guard_is_not_the_fault_of_the_next_kernel),
    TAP(the_kernels_own_failure_comes_first),
    TAP(programs_are_checked_at_each_run),
    TAP(every_command_alone_is_checked_too),
    TAP(a_source_that_changes_while_it_is_borrowed_is_found),
    TAP(what_the_stream_itself_writes_is_no_change),
    TAP(what_the_host_can_write_counts_as_written),
};
TAP_MAIN(tests)
