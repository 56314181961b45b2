/* What a trace tells: rows, commands, batches, arrows, failures, and that it is all there. */
#include "trace_play.h"

enum { N = 4096 };

/* ---- What the scenes are made of ---- */

static rlx_status add_one(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    float *x = k->args[0].data;
    for (uint64_t i = first * 64; i < (first + count) * 64; i++) x[i] += 1;
    return RLX_OK;
}

/* Long enough for others to come and share it. */
static rlx_status spin(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)k, (void)first;
    for (uint64_t end = rlx_clock_ns() + count * 100 * RLX_MICROSECOND; rlx_clock_ns() < end;) continue;
    return RLX_OK;
}

static rlx_status fail(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)k, (void)first, (void)count;
    return RLX_ERROR_LIMIT;
}

typedef struct scene {
    rlx_device *device;
    rlx_stream *stream;
    rlx_buffer *buffer;
    rlx_kernel *kernel;
} scene;

static rlx_kernel *kernel_of(rlx_device *device, const char *name, rlx_host_function function) {
    static const rlx_param params[] = { { RLX_READ_WRITE }, { RLX_VALUE, 4 } };
    rlx_code code = { RLX_CODE_HOST, .function = function };
    rlx_kernel *kernel = NULL;
    CHECK_INT(rlx_kernel_create(device,
                                &(rlx_kernel_desc){
                                    .name = name, .params = params, .param_count = 2, .codes = &code, .code_count = 1 },
                                &kernel),
              RLX_OK);
    return kernel;
}

static scene scene_open(const char *device, uint32_t workers, const char *name, rlx_host_function function) {
    scene s = { 0 };
    CHECK_INT(rlx_device_open(device, &(rlx_device_desc){ .workers = workers, .cache_folder = "" }, &s.device), RLX_OK);
    CHECK_INT(rlx_stream_create(s.device, &(rlx_stream_desc){ .label = "main" }, &s.stream), RLX_OK);
    CHECK_INT(rlx_buffer_create(s.device, &(rlx_buffer_desc){ .size = N * 4 }, &s.buffer), RLX_OK);
    s.kernel = kernel_of(s.device, name, function);
    return s;
}

static void scene_close(scene *s) {
    rlx_kernel_release(s->kernel);
    rlx_buffer_release(s->buffer);
    rlx_stream_release(s->stream);
    rlx_device_release(s->device);
}

static void dispatch(rlx_stream *stream, rlx_kernel *kernel, rlx_range range, uint32_t groups, const char *label) {
    const rlx_arg args[] = { rlx_arg_buffer(range), rlx_arg_u32(1) };
    CHECK_INT(rlx_stream_dispatch(
                  stream, kernel,
                  &(rlx_dispatch){ .groups = { groups, 1, 2 }, .args = args, .arg_count = 2, .label = label }),
              RLX_OK);
}

/* ---- Commands and rows ---- */

static void play_commands(const char *device, uint32_t workers) {
    static char bytes[N * 4];
    scene s = scene_open(device, workers, "add", add_one);
    CHECK_INT(rlx_stream_write(s.stream, rlx_part(s.buffer, 0, 100), bytes, 0), RLX_OK);
    CHECK_INT(rlx_stream_fill(s.stream, rlx_part(s.buffer, 0, 64), 0, 4), RLX_OK);
    CHECK_INT(rlx_stream_copy(s.stream, rlx_part(s.buffer, 64, 32), rlx_part(s.buffer, 0, 32)), RLX_OK);
    dispatch(s.stream, s.kernel, rlx_part(s.buffer, 0, 4096), 3, "first");
    dispatch(s.stream, s.kernel, rlx_part(s.buffer, 4096, 4096), 3, NULL);
    CHECK_INT(rlx_stream_host_call(s.stream, fake_call, NULL), RLX_OK);
    CHECK_INT(rlx_stream_read(s.stream, bytes, rlx_part(s.buffer, 0, 20)), RLX_OK);
    CHECK_INT(rlx_stream_submit_and_wait(s.stream, RLX_FOREVER), RLX_OK);
    scene_close(&s);
}

static void scene_commands_cpu(void) { play_commands("cpu", 1); }
static void scene_commands_sync(void) { play_commands("sync", 1); }

static void check_commands(json_value *root, const char *row) {
    const json_value *first = event_find(root, "dispatch", "first"), *second = event_find(root, "dispatch", "add");
    CHECK_STRING(event_text(first, "kernel"), "add");
    CHECK_STRING(event_text(second, "kernel"), "add");
    CHECK_INT(event_argument(first, "bytes"), 4096);
    CHECK_INT(event_argument(first, "command"), 3);
    const json_value *groups = json_get(json_get(first, "args"), "groups");
    CHECK(groups && groups->first->number == 3 && groups->first->next->next->number == 2);
    CHECK_INT(event_argument(event_find(root, "write", NULL), "bytes"), 100);
    CHECK_INT(event_argument(event_find(root, "fill", NULL), "bytes"), 64);
    CHECK_INT(event_argument(event_find(root, "copy", NULL), "bytes"), 32);
    CHECK_INT(event_argument(event_find(root, "read", NULL), "bytes"), 20);
    CHECK_UINT(event_count(root, "X", "host call", NULL), 1);
    CHECK_STRING(event_row_name(root, first), row);
    CHECK(event_end(first) <= event_begin(second));
    const json_value *batch = event_find(root, "batch", NULL), *submit = event_find(root, "submit", NULL);
    CHECK_HOLDS(event_row_name(root, batch), ": main (");
    CHECK_INT(event_argument(batch, "commands"), 7);
    CHECK_INT(event_argument(submit, "commands"), 7);
    CHECK_INT(event_argument(submit, "batch"), 1);
    CHECK_INT(event_argument(submit, "stream"), event_row(batch));
    CHECK_INT(event_argument(first, "stream"), event_row(batch));
    CHECK_STRING(event_row_name(root, submit), "thread 1");
    CHECK(event_begin(batch) <= event_begin(event_find(root, "write", NULL)));
    CHECK(event_end(event_find(root, "read", NULL)) <= event_end(batch));
    check_nesting(root);
    check_rows(root);
}

static void a_command_has_its_label_kernel_bytes_and_groups_on_the_row_of_its_worker(void) {
    json_value *root = play(scene_commands_cpu);
    check_commands(root, "cpu worker 1");
    CHECK_STRING(event_text(event_find(root, "call", "create kernel"), "of"), "add");
    json_free(root);
}

static void on_sync_commands_lie_within_the_submit_that_runs_them(void) {
    json_value *root = play(scene_commands_sync);
    check_commands(root, "thread 1");
    const json_value *submit = event_find(root, "submit", NULL), *first = event_find(root, "dispatch", "first");
    CHECK(event_begin(submit) <= event_begin(first) && event_end(first) <= event_end(submit));
    json_free(root);
}

static void scene_shared(void) {
    scene s = scene_open("cpu", 2, "spin", spin);
    for (int i = 0; i < 5; i++) {
        dispatch(s.stream, s.kernel, rlx_whole(s.buffer), 20, NULL);
        CHECK_INT(rlx_stream_submit_and_wait(s.stream, RLX_FOREVER), RLX_OK);
    }
    scene_close(&s);
}

static void the_shares_of_a_dispatch_add_up_to_it(void) {
    json_value *root = play(scene_shared);
    double whole = 0, bytes = 0;
    bool second = false;
    for (const json_value *at = NULL; (at = event_next(root, at, "X", "dispatch", NULL));) {
        double of = event_argument(at, "of");
        whole += of > 0 ? event_argument(at, "parts") / of : 1;
        bytes += event_argument(at, "bytes");
        second = second || strcmp(event_row_name(root, at), "cpu worker 2") == 0;
        if (of > 0) CHECK_INT(of, 40);
    }
    CHECK(fabs(whole - 5) < 1e-9);
    CHECK(fabs(bytes - 5.0 * N * 4) <= 10);
    CHECK(second);
    CHECK(event_count(root, "X", "wait", NULL) <= 5); /* a wait that finds all done is none */
    check_nesting(root);
    json_free(root);
}

static void scene_copies(void) {
    rlx_device *device = NULL;
    rlx_stream *stream = NULL;
    rlx_buffer *buffer = NULL;
    enum { SIZE = 32 << 20 };
    CHECK_INT(rlx_device_open("cpu", &(rlx_device_desc){ .workers = 2 }, &device), RLX_OK);
    CHECK_INT(rlx_stream_create(device, NULL, &stream), RLX_OK);
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = SIZE }, &buffer), RLX_OK);
    CHECK_INT(rlx_stream_fill(stream, rlx_whole(buffer), 1, 4), RLX_OK);
    CHECK_INT(rlx_stream_submit_and_wait(stream, RLX_FOREVER), RLX_OK);
    rlx_buffer_release(buffer);
    rlx_stream_release(stream);
    rlx_device_release(device);
}

static void the_shares_of_a_fill_have_all_its_bytes(void) {
    json_value *root = play(scene_copies);
    double bytes = 0;
    for (const json_value *at = NULL; (at = event_next(root, at, "X", "fill", NULL));)
        bytes += event_argument(at, "bytes");
    CHECK(fabs(bytes - (32 << 20)) < 100);
    json_free(root);
}

/* ---- Programs ---- */

enum { CHAINS = 4, LINKS = 5, RUNS = 6 };

static void scene_program(void) {
    scene s = scene_open("cpu", 2, "spin", spin);
    rlx_stream *recording = NULL;
    rlx_program *program = NULL;
    CHECK_INT(rlx_stream_create(s.device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording), RLX_OK);
    for (uint32_t i = 0; i < CHAINS * LINKS; i++)
        dispatch(recording, s.kernel, rlx_part(s.buffer, i % CHAINS * 1024, 1024), 1, "link");
    CHECK_INT(rlx_stream_finish(recording, &(rlx_program_desc){ .label = "chains" }, &program), RLX_OK);
    for (int i = 0; i < RUNS; i++) {
        CHECK_INT(rlx_stream_run(s.stream, program, NULL), RLX_OK);
        CHECK_INT(rlx_stream_submit(s.stream, NULL), RLX_OK);
    }
    CHECK_INT(rlx_stream_wait(s.stream, RLX_FOREVER), RLX_OK);
    rlx_program_release(program);
    rlx_stream_release(recording);
    scene_close(&s);
}

static void every_command_of_every_run_of_a_program_is_there(void) {
    json_value *root = play(scene_program);
    double commands = 0;
    for (const json_value *at = NULL; (at = event_next(root, at, "X", "dispatch", "link"));)
        commands += event_argument(at, "of") > 0 ? event_argument(at, "parts") / event_argument(at, "of") : 1;
    CHECK(fabs(commands - CHAINS * LINKS * RUNS) < 1e-6);
    CHECK_UINT(event_count(root, "X", "batch", "chains"), RUNS);
    CHECK_STRING(event_text(event_find(root, "call", "finish program"), "of"), "chains");
    check_nesting(root);
    json_free(root);
}

/* ---- Batches that wait, and arrows ---- */

static void scene_held(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point first = fake_submit_calls(a, 1);
    CHECK_INT(rlx_stream_depend(b, first), RLX_OK);
    fake_submit_calls(b, 1);
    CHECK(fake_begin(0));
    rlx_platform_clock_ns();
    for (uint64_t end = rlx_clock_ns() + 2 * RLX_MILLISECOND; rlx_clock_ns() < end;) continue;
    fake_end(0, NULL);
    CHECK(fake_begin(1));
    fake_end(1, NULL);
    CHECK_INT(rlx_stream_wait(b, RLX_FOREVER), RLX_OK);
    rlx_stream_release(a);
    rlx_stream_release(b);
    rlx_device_release(device);
}

static void a_held_batch_is_seen_and_an_arrow_leads_to_it_from_what_held_it(void) {
    json_value *root = play(scene_held);
    const json_value *held = event_find(root, "held", NULL);
    CHECK_UINT(event_count(root, "X", "held", NULL), 1);
    CHECK(json_get_number(held, "dur") > 1500);
    CHECK_HOLDS(event_row_name(root, held), "stream 3"); /* row 2 is this thread's */
    CHECK_INT(event_argument(held, "batch"), 1);
    CHECK_UINT(event_count(root, "s", NULL, NULL), 1);
    check_arrows(root);
    const json_value *end = event_next(root, NULL, "f", NULL, NULL);
    CHECK(event_row(end) == event_row(held) && event_begin(end) >= event_end(held));
    check_nesting(root);
    json_free(root);
}

static void scene_over(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point first = fake_submit_calls(a, 1), second = fake_submit_calls(a, 1);
    fake_end(0, NULL);
    CHECK_INT(rlx_stream_depend(b, first), RLX_OK); /* it is over: nothing depends on it */
    CHECK_INT(rlx_stream_depend(b, second), RLX_OK);
    fake_end(0, NULL);
    fake_submit_calls(b, 1);
    fake_end(1, NULL);
    rlx_stream_release(a);
    rlx_stream_release(b);
    rlx_device_release(device);
}

static void a_point_that_ended_before_submit_has_its_arrow_and_holds_nothing(void) {
    json_value *root = play(scene_over);
    CHECK_UINT(event_count(root, "s", NULL, NULL), 1);
    CHECK_UINT(event_count(root, "X", "held", NULL), 0);
    check_arrows(root);
    json_free(root);
}

static void scene_depth(void) {
    rlx_device *device = fake_device("held");
    rlx_stream *s = fake_stream_create(device, 0);
    fake_submit_calls(s, 4);
    fake_submit_calls(s, 2);
    CHECK_UINT(fake_flying(0), 2); /* two slices, and then it is full */
    while (fake_flying(0)) fake_end(0, NULL);
    CHECK_INT(rlx_stream_wait(s, RLX_FOREVER), RLX_OK);
    rlx_stream_release(s);
    rlx_device_release(device);
}

static void batches_of_one_stream_come_one_after_the_other_whatever_the_backend_has_in_flight(void) {
    json_value *root = play(scene_depth);
    CHECK_UINT(event_count(root, "X", "batch", NULL), 2);
    check_nesting(root);
    json_free(root);
}

/* ---- Failures ---- */

static void scene_failure(void) {
    scene s = scene_open("cpu", 2, "broken", fail);
    dispatch(s.stream, s.kernel, rlx_whole(s.buffer), 1, "snaps");
    CHECK_INT(rlx_stream_submit_and_wait(s.stream, RLX_FOREVER), RLX_ERROR_LIMIT);
    dispatch(s.stream, s.kernel, rlx_whole(s.buffer), 1, "never");
    CHECK_INT(rlx_stream_submit(s.stream, NULL), RLX_ERROR_LIMIT);
    scene_close(&s);
}

static void what_failed_is_marked_and_what_was_dropped_never_ran(void) {
    json_value *root = play(scene_failure);
    const json_value *command = event_find(root, "dispatch", "snaps");
    CHECK_STRING(event_text(command, "failed"), rlx_status_text(RLX_ERROR_LIMIT));
    CHECK_STRING(json_get_text(command, "cname"), "terrible");
    CHECK(!event_find(root, "dispatch", "never"));
    CHECK_UINT(event_count(root, "X", "batch", NULL), 2);
    for (const json_value *at = NULL; (at = event_next(root, at, "X", "batch", NULL));)
        CHECK_STRING(event_text(at, "failed"), rlx_status_text(RLX_ERROR_LIMIT));
    CHECK_STRING(event_text(event_find(root, "wait", NULL), "failed"), rlx_status_text(RLX_ERROR_LIMIT));
    json_free(root);
}

/* ---- Labels ---- */

static const char strange[] = "a\"b\\c\nd\x01\x7f \xc3\xa9 \xf0\x9f\x98\x80 \xff\xc3 \xed\xa0\x80 \xc0\x80 \xe2\x82";

static void scene_labels(void) {
    char long_label[4000];
    memset(long_label, '\x02', sizeof long_label - 1);
    long_label[sizeof long_label - 1] = '\0';
    scene s = scene_open("sync", 0, strange, add_one);
    dispatch(s.stream, s.kernel, rlx_whole(s.buffer), 1, strange);
    dispatch(s.stream, s.kernel, rlx_whole(s.buffer), 1, long_label);
    CHECK_INT(rlx_stream_submit(s.stream, NULL), RLX_OK);
    scene_close(&s);
}

static void labels_of_any_bytes_are_text(void) {
    static const char read[] = "a\"b\\c\nd\x01\x7f \xc3\xa9 \xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd "
                               "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd";
    json_value *root = play(scene_labels);
    const json_value *command = event_find(root, "dispatch", NULL);
    CHECK_STRING(json_get_text(command, "name"), read);
    CHECK_STRING(event_text(command, "kernel"), read);
    command = event_next(root, command, "X", "dispatch", NULL);
    CHECK_UINT(strlen(json_get_text(command, "name")), 240); /* cut */
    json_free(root);
}

/* ---- The service for backends ---- */

static void scene_service(void) {
    rlx_device *device = fake_device("fake");
    CHECK(*fake_host->tracing != 0);
    uint32_t row = fake_host->trace_row("copies");
    const rlx_packet_host_copy read = { .base.kind = RLX_PACKET_READ, .base.label = "far", .rows = 2, .row_bytes = 10 };
    const rlx_packet odd = { .kind = 99 };
    const rlx_stream_sink foreign = { .struct_size = sizeof foreign };
    uint64_t now = rlx_clock_ns();
    fake_host->trace_command(&(rlx_trace_command){ .struct_size = sizeof(rlx_trace_command),
                                                   .packet = &read.base,
                                                   .sink = &foreign,
                                                   .begin_ns = now,
                                                   .end_ns = now + 5000,
                                                   .row = row });
    fake_host->trace_command(&(rlx_trace_command){ .struct_size = sizeof(rlx_trace_command),
                                                   .packet = &odd,
                                                   .status = RLX_ERROR_BACKEND,
                                                   .begin_ns = 5, /* long before the trace began */
                                                   .end_ns = 3 });
    rlx_device_release(device);
}

static void a_backend_tells_of_commands_on_rows_of_its_own(void) {
    json_value *root = play(scene_service);
    const json_value *far = event_find(root, "read", "far"), *odd = event_find(root, "command", NULL);
    CHECK_HOLDS(event_row_name(root, far), ": copies");
    CHECK_INT(event_argument(far, "bytes"), 20);
    CHECK(fabs(json_get_number(far, "dur") - 5) < 1e-9);
    CHECK_INT(event_argument(far, "stream"), -1); /* a sink of somebody else's: there is none */
    CHECK_INT(event_begin(odd), 0);
    CHECK_STRING(event_text(odd, "failed"), rlx_status_text(RLX_ERROR_BACKEND));
    json_free(root);
}

/* ---- Much of it ---- */

enum { THREADS = 4, BATCHES = 1000 / TAP_LESS, COMMANDS = 10 };

static rlx_device *shared_device;
static rlx_kernel *shared_kernel;
static rlx_buffer *shared_buffer;

static void *hammer(void *user) {
    uint32_t number = (uint32_t)(uintptr_t)user;
    rlx_stream *stream = NULL;
    rlx_point point;
    CHECK_INT(rlx_stream_create(shared_device, NULL, &stream), RLX_OK);
    for (int i = 0; i < BATCHES; i++) {
        for (int k = 0; k < COMMANDS; k++)
            dispatch(stream, shared_kernel, rlx_part(shared_buffer, number * 4096, 4096), 8, NULL);
        CHECK_INT(rlx_stream_submit(stream, &point), RLX_OK);
        if (i % 8 == 0) CHECK_INT(rlx_point_wait(point, RLX_FOREVER), RLX_OK);
    }
    CHECK_INT(rlx_stream_wait(stream, RLX_FOREVER), RLX_OK);
    rlx_stream_release(stream);
    return NULL;
}

static void scene_hammer(void) {
    scene s = scene_open("cpu", 2, "add", add_one);
    pthread_t threads[THREADS];
    shared_device = s.device;
    shared_kernel = s.kernel;
    shared_buffer = s.buffer;
    for (uintptr_t i = 0; i < THREADS; i++) CHECK_INT(pthread_create(&threads[i], NULL, hammer, (void *)(i % 4)), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    scene_close(&s);
}

static void nothing_is_lost_and_nothing_overlaps_when_many_threads_fill_their_buffers(void) {
    json_value *root = play(scene_hammer);
    double commands = 0;
    for (const json_value *at = NULL; (at = event_next(root, at, "X", "dispatch", NULL));)
        commands += event_argument(at, "of") > 0 ? event_argument(at, "parts") / event_argument(at, "of") : 1;
    CHECK(fabs(commands - THREADS * BATCHES * COMMANDS) < 1e-3);
    CHECK_UINT(event_count(root, "X", "batch", NULL), THREADS * BATCHES);
    CHECK_UINT(event_count(root, "X", "submit", NULL), THREADS * BATCHES);
    CHECK(TAP_LESS > 1 || event_count(root, "X", "trace", NULL) > 0);
    check_nesting(root);
    json_free(root);
}

static const tap_test tests[] = {
    TAP(a_command_has_its_label_kernel_bytes_and_groups_on_the_row_of_its_worker),
    TAP(on_sync_commands_lie_within_the_submit_that_runs_them),
    TAP(the_shares_of_a_dispatch_add_up_to_it),
    TAP(the_shares_of_a_fill_have_all_its_bytes),
    TAP(every_command_of_every_run_of_a_program_is_there),
    TAP(a_held_batch_is_seen_and_an_arrow_leads_to_it_from_what_held_it),
    TAP(a_point_that_ended_before_submit_has_its_arrow_and_holds_nothing),
    TAP(batches_of_one_stream_come_one_after_the_other_whatever_the_backend_has_in_flight),
    TAP(what_failed_is_marked_and_what_was_dropped_never_ran),
    TAP(labels_of_any_bytes_are_text),
    TAP(a_backend_tells_of_commands_on_rows_of_its_own),
    TAP(nothing_is_lost_and_nothing_overlaps_when_many_threads_fill_their_buffers),
};
TAP_MAIN(tests)
