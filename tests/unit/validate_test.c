/* Validation: each kind of mistake is found and told, with the command, the argument and the byte; none is found where
 * there is none; and off, nothing is. Every test of a mistake makes it twice: without validation nothing is said. */
#include "core/validate.h"

#include <stdlib.h>

#include "core/stream.h"
#include "tap.h"

enum { BYTES = 256, FAILS = 1000 /* of a misdeed's bytes: one is written, and the kernel fails */ };

/* ---- A device with a log ---- */

static struct {
    rlx_mutex lock;
    char text[4096];
} lines;

static void keep_line(void *user, rlx_log_level level, const char *text) {
    (void)user;
    if (level != RLX_LOG_ERROR) return;
    rlx_lock(&lines.lock);
    size_t used = strlen(lines.text);
    snprintf(lines.text + used, sizeof lines.text - used, "%s\n", text);
    rlx_unlock(&lines.lock);
}

static rlx_device *open_device(const char *name, bool validated) {
    rlx_device *device = NULL;
    rlx_device_desc desc = { .workers = 2, .validation = validated ? RLX_VALIDATION_ON : RLX_VALIDATION_OFF };
    CHECK_INT(rlx_device_open(name, &desc, &device), RLX_OK);
    rlx_lock(&lines.lock);
    lines.text[0] = '\0';
    rlx_unlock(&lines.lock);
    rlx_log_set(keep_line, NULL);
    return device;
}

static rlx_stream *make_stream(rlx_device *device, uint32_t flags) {
    rlx_stream *stream = NULL;
    CHECK_INT(rlx_stream_create(device, &(rlx_stream_desc){ .flags = flags, .label = "s" }, &stream), RLX_OK);
    return stream;
}

static rlx_buffer *make_buffer(rlx_device *device, uint64_t size, const char *label) {
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size, .label = label }, &buffer), RLX_OK);
    return buffer;
}

/* Writes as it is told, wherever that leads. Parameters: read, write, read and write, and what to do. */
typedef struct misdeed {
    uint32_t argument; /* whose data it starts from */
    int32_t offset;    /* and how far from there, in bytes */
    uint32_t bytes;    /* that it writes there; 0: none */
} misdeed;

static rlx_status kernel_writes(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    misdeed deed;
    memcpy(&deed, k->args[3].data, sizeof deed);
    for (uint32_t i = 1; i <= 2; i++) /* as declared */
        for (uint64_t b = 0; b < k->args[i].size; b++) ((unsigned char *)k->args[i].data)[b] += 3;
    unsigned char *at = (unsigned char *)k->args[deed.argument].data + deed.offset;
    for (uint32_t i = 0; i < deed.bytes % FAILS; i++) at[i] ^= 0xff;
    if (deed.bytes < FAILS) return RLX_OK;
    at[0] ^= 0xff;
    return RLX_ERROR_KERNEL;
}

static rlx_kernel *make_kernel(rlx_device *device) {
    rlx_kernel *kernel = NULL;
    const rlx_param params[] = { { RLX_READ }, { RLX_WRITE }, { RLX_READ_WRITE }, { RLX_VALUE, sizeof(misdeed), 4 } };
    const rlx_code code = { RLX_CODE_HOST, .function = kernel_writes };
    CHECK_INT(
        rlx_kernel_create(
            device,
            &(rlx_kernel_desc){ .name = "writer", .params = params, .param_count = 4, .codes = &code, .code_count = 1 },
            &kernel),
        RLX_OK);
    return kernel;
}

typedef struct world {
    rlx_device *device;
    rlx_stream *s;
    rlx_kernel *kernel;
    rlx_buffer *x, *y, *z;
    bool validated;
} world;

static world begin(const char *device, bool validated) {
    world w = { .device = open_device(device, validated), .validated = validated };
    w.s = make_stream(w.device, 0);
    w.kernel = make_kernel(w.device);
    w.x = make_buffer(w.device, BYTES, "x");
    w.y = make_buffer(w.device, BYTES, "y");
    w.z = make_buffer(w.device, BYTES, "z");
    return w;
}

static void finish(world *w) {
    rlx_buffer_release(w->x), rlx_buffer_release(w->y), rlx_buffer_release(w->z);
    rlx_kernel_release(w->kernel), rlx_stream_release(w->s), rlx_device_release(w->device);
    rlx_log_set(NULL, NULL);
}

static void fill(const world *w, rlx_range range) { CHECK_INT(rlx_stream_fill(w->s, range, 1, 1), RLX_OK); }

static void fill_all(const world *w) { fill(w, rlx_whole(w->x)), fill(w, rlx_whole(w->y)), fill(w, rlx_whole(w->z)); }

static rlx_status dispatch(const world *w, rlx_stream *s, rlx_range x, rlx_range y, rlx_range z, misdeed deed) {
    const rlx_arg args[] = { rlx_arg_buffer(x), rlx_arg_buffer(y), rlx_arg_buffer(z),
                             rlx_arg_bytes(&deed, sizeof deed) };
    return rlx_stream_dispatch(s, w->kernel,
                               &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 4, .label = "deed" });
}

static rlx_status run(const world *w) { return rlx_stream_submit_and_wait(w->s, 10 * RLX_SECOND); }

/* Ends the batch, which has to be found out if there is validation, and then only; afterwards all goes on. */
static void check_found(const world *w, const char *part) {
    CHECK_INT(run(w), w->validated ? RLX_ERROR_VALIDATION : RLX_OK);
    if (!w->validated) {
        CHECK_STRING(lines.text, "");
        return;
    }
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(w->s, &failure), RLX_OK);
    CHECK_INT(failure.status, RLX_ERROR_VALIDATION);
    CHECK(failure.exact);
    CHECK_HOLDS(failure.message, "validation: ");
    CHECK_HOLDS(failure.message, part);
    CHECK_HOLDS(rlx_last_error(), part);
    CHECK_HOLDS(lines.text, part);
    CHECK_INT(rlx_stream_recover(w->s), RLX_OK);
    fill_all(w);
    CHECK_INT(dispatch(w, w->s, rlx_whole(w->x), rlx_whole(w->y), rlx_whole(w->z), (misdeed){ 0 }), RLX_OK);
    CHECK_INT(run(w), RLX_OK);
}

/* Each mistake on both devices, validated or not. */
static void on_all(void (*test)(const world *w)) {
    for (int i = 0; i < 4; i++) {
        world w = begin(i % 2 ? "sync" : "cpu", i < 2);
        test(&w);
        finish(&w);
    }
}

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

/* A copy carries along what is undefined, up within a buffer, to another one, and in rows. The two bytes are where words
 * of bits end. */
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

/* ---- Two threads ---- */

static struct {
    atomic_uint entered, leave;
    _Atomic uint64_t inside; /* the thread that is to stay */
} meeting;

/* Holds a thread that allocates inside of an encoding call. */
static bool stay_inside(size_t size) {
    (void)size;
    if (rlx_thread_id() != atomic_load(&meeting.inside)) return true;
    atomic_store(&meeting.entered, 1);
    while (!atomic_load(&meeting.leave)) rlx_thread_yield();
    return true;
}

static void *encode_slowly(void *user) {
    const world *w = user;
    atomic_store(&meeting.inside, rlx_thread_id());
    atomic_store(&rlx_allocation_check, stay_inside);
    CHECK_INT(rlx_stream_fill(w->s, rlx_whole(w->x), 1, 4), RLX_OK); /* the stream's first memory */
    return NULL;
}

static void two_threads_that_encode_at_once_are_found(void) {
    world w = begin("cpu", true);
    rlx_thread thread;
    atomic_store(&meeting.entered, 0);
    atomic_store(&meeting.leave, 0);
    CHECK(rlx_thread_start(&thread, "slow", encode_slowly, &w));
    while (!atomic_load(&meeting.entered)) rlx_thread_yield();
    CHECK_INT(rlx_stream_fill(w.s, rlx_whole(w.y), 1, 4), RLX_ERROR_THREAD);
    CHECK_HOLDS(rlx_last_error(), "cpu: validation: two threads encode on stream 's' at once");
    CHECK_HOLDS(lines.text, "two threads encode on stream 's' at once");
    CHECK_INT(dispatch(&w, w.s, rlx_whole(w.x), rlx_whole(w.y), rlx_whole(w.z), (misdeed){ 0 }), RLX_ERROR_THREAD);
    CHECK_INT(rlx_stream_submit(w.s, NULL), RLX_ERROR_THREAD);
    CHECK_INT(rlx_stream_depend(w.s, (rlx_point){ 0 }), RLX_ERROR_THREAD);
    CHECK_INT(rlx_transfer(w.s, rlx_whole(w.x), w.s, rlx_whole(w.y), NULL), RLX_ERROR_THREAD);
    rlx_stream_discard(w.s);
    CHECK_INT(rlx_stream_wait(w.s, 0), RLX_OK); /* which any thread may */
    atomic_store(&meeting.leave, 1);
    rlx_thread_join(thread);
    atomic_store(&rlx_allocation_check, NULL);
    CHECK_UINT(w.s->current->commands, 1); /* neither lost nor more */
    CHECK_INT(run(&w), RLX_OK);
    finish(&w);
}

static rlx_status call_encodes(void *user) {
    const world *w = user;
    return rlx_stream_fill(w->s, rlx_whole(w->x), 1, 4);
}

static void a_stream_may_go_from_thread_to_thread_and_a_callback_encode(void) {
    world w = begin("sync", true);
    CHECK_INT(rlx_stream_host_call(w.s, call_encodes, &w), RLX_OK);
    CHECK_INT(run(&w), RLX_OK);
    CHECK_UINT(w.s->current->commands, 1);
    rlx_thread thread;
    atomic_store(&meeting.leave, 1);
    CHECK(rlx_thread_start(&thread, "next", encode_slowly, &w));
    rlx_thread_join(thread);
    atomic_store(&rlx_allocation_check, NULL);
    CHECK_INT(run(&w), RLX_OK);
    CHECK_STRING(lines.text, "");
    finish(&w);
}

/* ---- Alive ---- */

static void what_outlives_its_device_is_told(void) {
    world w = begin("cpu", true);
    void *host = NULL;
    CHECK_INT(rlx_host_alloc(w.device, 100, &host), RLX_OK);
    rlx_buffer_retain(w.x);
    rlx_buffer_release(w.x), rlx_buffer_release(w.y);
    fill(&w, rlx_whole(w.z));
    rlx_buffer_release(w.z); /* held by what is encoded: no longer the user's */
    rlx_device_retain(w.device);
    rlx_device_release(w.device);
    CHECK_STRING(lines.text, "");
    rlx_device *device = w.device;
    rlx_device_retain(device), rlx_device_release(device);
    rlx_device_release(device);
    CHECK_HOLDS(lines.text, "cpu: validation: the device is released, and still alive are ");
    CHECK_HOLDS(lines.text, "buffer 'x' of 256 bytes");
    CHECK_HOLDS(lines.text, "kernel 'writer'");
    CHECK_HOLDS(lines.text, "stream 's'");
    CHECK_HOLDS(lines.text, "100 bytes of host memory");
    CHECK(!strstr(lines.text, "'y'") && !strstr(lines.text, "'z'"));
    CHECK_HOLDS(rlx_last_error(), "still alive are");
    rlx_host_free(device, host); /* the stream still holds it open */
    rlx_buffer_release(w.x), rlx_kernel_release(w.kernel), rlx_stream_release(w.s);
    w = begin("cpu", true);
    finish(&w);
    CHECK_STRING(lines.text, "");
    w = begin("cpu", false);
    rlx_device_release(w.device);
    CHECK_STRING(lines.text, "");
    rlx_device_retain(w.device);
    finish(&w);
}

/* ---- On and off ---- */

static bool is_validated(rlx_validation level) {
    rlx_device *device = NULL;
    CHECK_INT(rlx_device_open("sync", &(rlx_device_desc){ .validation = level }, &device), RLX_OK);
    bool on = device->checks != NULL;
    rlx_device_release(device);
    return on;
}

static void the_description_decides_and_else_the_environment(void) {
    unsetenv("RLX_VALIDATE");
    CHECK(!is_validated(RLX_VALIDATION_DEFAULT));
    CHECK(is_validated(RLX_VALIDATION_ON));
    setenv("RLX_VALIDATE", "1", 1);
    CHECK(is_validated(RLX_VALIDATION_DEFAULT));
    CHECK(!is_validated(RLX_VALIDATION_OFF));
    setenv("RLX_VALIDATE", "0", 1);
    CHECK(!is_validated(RLX_VALIDATION_DEFAULT));
    unsetenv("RLX_VALIDATE");
    rlx_device *device = NULL;
    CHECK_INT(rlx_device_open("sync", &(rlx_device_desc){ .validation = (rlx_validation)3 }, &device),
              RLX_ERROR_INVALID);
    CHECK_HOLDS(rlx_last_error(), "rlx_device_desc.validation: 3");
}

/* ---- Memory ---- */

static _Atomic uint64_t allocations, refused;

static bool refuse_one(size_t size) {
    (void)size;
    return atomic_fetch_add(&allocations, 1) != atomic_load(&refused);
}

static rlx_status try_all(void) {
    rlx_device *device = NULL;
    rlx_stream *s = NULL;
    rlx_buffer *x = NULL, *y = NULL, *z = NULL;
    rlx_kernel *kernel = NULL;
    misdeed deed = { 0 };
    unsigned char bytes[BYTES] = { 0 };
    const rlx_param params[] = { { RLX_READ }, { RLX_WRITE }, { RLX_READ_WRITE }, { RLX_VALUE, sizeof(misdeed), 4 } };
    const rlx_code code = { RLX_CODE_HOST, .function = kernel_writes };
    const rlx_kernel_desc desc = {
        .name = "writer", .params = params, .param_count = 4, .codes = &code, .code_count = 1
    };
    rlx_status status = rlx_device_open("sync", &(rlx_device_desc){ .validation = RLX_VALIDATION_ON }, &device);
    if (!status) status = rlx_stream_create(device, NULL, &s);
    if (!status) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = BYTES }, &x);
    if (!status) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = BYTES }, &y);
    if (!status) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 * BYTES }, &z);
    if (!status) status = rlx_kernel_create(device, &desc, &kernel);
    if (!status) status = rlx_stream_write(s, rlx_whole(x), bytes, 0);
    if (!status) status = rlx_stream_fill(s, rlx_whole(z), 0, 4);
    if (!status) {
        const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_buffer(rlx_whole(y)),
                                 rlx_arg_buffer(rlx_part(z, 32 * BYTES, BYTES)), rlx_arg_bytes(&deed, sizeof deed) };
        const rlx_use use = { rlx_part(x, 0, 4), RLX_READ };
        status = rlx_stream_dispatch(
            s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 4, .uses = &use, .use_count = 1 });
    }
    if (!status) status = rlx_stream_read(s, bytes, rlx_whole(y));
    if (!status) status = rlx_stream_submit_and_wait(s, 10 * RLX_SECOND);
    rlx_buffer_release(x), rlx_buffer_release(y), rlx_buffer_release(z);
    rlx_kernel_release(kernel), rlx_stream_release(s), rlx_device_release(device);
    return status;
}

static void memory_that_validation_does_not_get_is_a_status(void) {
    CHECK_INT(try_all(), RLX_OK);
    uint64_t needed = UINT64_MAX;
    for (uint64_t i = 0; i < needed && i < 1000; i++) {
        atomic_store(&refused, i);
        atomic_store(&allocations, 0);
        atomic_store(&rlx_allocation_check, refuse_one);
        rlx_status status = try_all();
        atomic_store(&rlx_allocation_check, NULL);
        if (atomic_load(&allocations) <= i) needed = i; /* none was refused */
        CHECK_INT(status, needed == i ? RLX_OK : RLX_ERROR_OUT_OF_MEMORY);
    }
    printf("# each of %llu allocations\n", (unsigned long long)needed);
    CHECK(needed > 8 && needed < 1000);
}

/* ---- Nothing is found where there is nothing ---- */

enum { ARENA = 1 << 14, SLOTS = 64, SLOT = ARENA / SLOTS, ROUNDS = 400 };

typedef struct worker {
    const world *w;
    rlx_buffer *arena;
    uint32_t first, count; /* slots of its own, side by side with others' */
    uint64_t seed;
} worker;

static uint32_t draw(worker *self, uint32_t limit) {
    self->seed = self->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(self->seed >> 33) % limit;
}

static rlx_range slot_of(worker *self, uint32_t i) {
    return rlx_part(self->arena, (uint64_t)(self->first + i % self->count) * SLOT, SLOT);
}

/* Random commands on slots of one's own in an arena that is everybody's, by one stream of each thread. */
static void *work(void *user) {
    worker *self = user;
    rlx_stream *s = make_stream(self->w->device, 0);
    unsigned char *host = calloc(ROUNDS, SLOT);
    if (!CHECK(host != NULL)) return NULL;
    for (uint32_t i = 0; i < self->count; i++) CHECK_INT(rlx_stream_fill(s, slot_of(self, i), i, 4), RLX_OK);
    for (uint32_t i = 0; i < ROUNDS / TAP_LESS; i++) {
        uint32_t a = draw(self, self->count);
        unsigned char *bytes = host + (size_t)i * SLOT;
        rlx_status status = RLX_OK;
        switch (draw(self, 6)) {
        case 0: status = rlx_stream_fill(s, slot_of(self, a), a, 1); break;
        case 1: status = rlx_stream_write(s, slot_of(self, a), bytes, 0); break;
        case 2: status = rlx_stream_read(s, bytes, slot_of(self, a)); break;
        case 3: status = rlx_stream_copy(s, slot_of(self, a), slot_of(self, a + 1)); break;
        default:
            status = dispatch(self->w, s, slot_of(self, a), slot_of(self, a + 1), slot_of(self, a + 2), (misdeed){ 0 });
        }
        CHECK_INT(status, RLX_OK);
        if (draw(self, 8) == 0) CHECK_INT(rlx_stream_submit(s, NULL), RLX_OK);
        if (draw(self, 64) == 0) CHECK_INT(rlx_stream_wait(s, 10 * RLX_SECOND), RLX_OK);
    }
    CHECK_INT(rlx_stream_submit_and_wait(s, 10 * RLX_SECOND), RLX_OK);
    free(host);
    rlx_stream_release(s);
    return NULL;
}

static void nothing_is_found_in_an_arena_that_many_streams_work_on(void) {
    enum { THREADS = 4 };
    world w = begin("cpu", true);
    rlx_buffer *arena = make_buffer(w.device, ARENA, "arena");
    worker workers[THREADS];
    rlx_thread threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){ &w, arena, i * SLOTS / THREADS, SLOTS / THREADS, i + 1 };
        CHECK(rlx_thread_start(&threads[i], "worker", work, &workers[i]));
    }
    for (uint32_t i = 0; i < THREADS; i++) rlx_thread_join(threads[i]);
    CHECK_STRING(lines.text, "");
    rlx_buffer_release(arena);
    finish(&w);
}

/* Two kernels on two streams that are in the middle at once, and each of which writes while the other is watched. */
static struct { atomic_uint begun, written; } pair;

static bool await(atomic_uint *word, unsigned value) {
    for (uint64_t end = rlx_deadline(10 * RLX_SECOND); atomic_load(word) < value; rlx_thread_yield())
        if (rlx_clock_ns() > end) return false;
    return true;
}

static rlx_status write_together(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    atomic_fetch_add(&pair.begun, 1);
    if (!await(&pair.begun, 2)) return RLX_ERROR_KERNEL;
    memset(k->args[0].data, 7, k->args[0].size);
    atomic_fetch_add(&pair.written, 1);
    return await(&pair.written, 2) ? RLX_OK : RLX_ERROR_KERNEL;
}

static void what_another_stream_writes_beside_is_no_overrun(void) {
    world w = begin("cpu", true);
    rlx_stream *other = make_stream(w.device, 0);
    rlx_kernel *kernel = NULL;
    rlx_point points[2];
    const rlx_code code = { RLX_CODE_HOST, .function = write_together };
    const rlx_param param = { RLX_WRITE };
    const rlx_kernel_desc desc = { .name = "k", .params = &param, .param_count = 1, .codes = &code, .code_count = 1 };
    CHECK_INT(rlx_kernel_create(w.device, &desc, &kernel), RLX_OK);
    for (unsigned i = 0; i < 2; i++) {
        rlx_stream *s = i ? other : w.s;
        const rlx_arg arg = rlx_arg_buffer(rlx_part(w.x, i * 128, 128));
        CHECK_INT(rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = &arg, .arg_count = 1 }),
                  RLX_OK);
        CHECK_INT(rlx_stream_submit(s, &points[i]), RLX_OK);
        CHECK(await(&pair.begun, i + 1));
    }
    for (unsigned i = 0; i < 2; i++) CHECK_INT(rlx_point_wait(points[i], 20 * RLX_SECOND), RLX_OK);
    CHECK_STRING(lines.text, "");
    rlx_kernel_release(kernel), rlx_stream_release(other);
    finish(&w);
}

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
    TAP(two_threads_that_encode_at_once_are_found),
    TAP(a_stream_may_go_from_thread_to_thread_and_a_callback_encode),
    TAP(what_outlives_its_device_is_told),
    TAP(the_description_decides_and_else_the_environment),
    TAP(memory_that_validation_does_not_get_is_a_status),
    TAP(what_another_stream_writes_beside_is_no_overrun),
    TAP(nothing_is_found_in_an_arena_that_many_streams_work_on),
};
TAP_MAIN(tests)
