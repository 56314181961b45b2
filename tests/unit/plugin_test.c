/* Real plugins, in use: versions, refusals, a bound thread, queues, places, functions that fail. The plugins are those
 * of tests/plugins, and lie in a folder beside this program's own. Each test runs in a child, because plugins are
 * looked for once in a process. */
#include "tap.h"

#include <rlx/driver.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void in_child(void (*body)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(60); /* a test that hangs has failed */
        body();
        fflush(stdout);
        exit(atomic_load(&tap_failures) > 0); /* not _exit: a sanitizer looks for leaks here */
    }
    int status = -1;
    if (CHECK(child > 0 && waitpid(child, &status, 0) == child)) {
        if (WIFSIGNALED(status)) printf("# the child was ended by signal %d\n", WTERMSIG(status));
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

#define IN_CHILD(name) \
    static void name##_body(void); \
    static void name(void) { in_child(name##_body); } \
    static void name##_body(void)

/* ---- What a test does with a device ---- */

enum { N = 1000 };

static rlx_status run_double(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    uint32_t *x = kernel->args[0].data, add = *(const uint32_t *)kernel->args[1].data;
    (void)first, (void)count;
    for (uint64_t i = 0; i < kernel->args[0].size / sizeof *x; i++) x[i] = x[i] * 2 + add;
    return RLX_OK;
}

static rlx_status create_kernel(rlx_device *device, rlx_kernel **kernel) {
    static const rlx_param params[] = { { .access = RLX_READ_WRITE }, { .access = RLX_VALUE } };
    rlx_code code = { RLX_CODE_HOST, .function = run_double };
    rlx_kernel_desc desc = { .name = "double", .params = params, .param_count = 2, .codes = &code, .code_count = 1 };
    return rlx_kernel_create(device, &desc, kernel);
}

static rlx_status dispatch(rlx_stream *stream, rlx_kernel *kernel, rlx_buffer *buffer) {
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(buffer)), rlx_arg_u32(1) };
    rlx_dispatch desc = { .groups = { 1 }, .args = args, .arg_count = 2, .label = "doubling" };
    return rlx_stream_dispatch(stream, kernel, &desc);
}

/* Numbers there, through a kernel and a program, and back. */
static void use(rlx_device *device) {
    uint32_t in[N], out[N];
    rlx_stream *stream = NULL, *recording = NULL;
    rlx_buffer *buffer = NULL;
    rlx_kernel *kernel = NULL;
    rlx_program *program = NULL;
    rlx_buffer_desc desc = { .size = sizeof in };
    rlx_stream_desc record = { .flags = RLX_STREAM_RECORD };
    for (uint32_t i = 0; i < N; i++) in[i] = i;
    CHECK_INT(rlx_stream_create(device, NULL, &stream), RLX_OK);
    CHECK_INT(rlx_stream_create(device, &record, &recording), RLX_OK);
    CHECK_INT(rlx_buffer_create(device, &desc, &buffer), RLX_OK);
    if (!CHECK_INT(create_kernel(device, &kernel), RLX_OK)) return;
    CHECK_INT(dispatch(recording, kernel, buffer), RLX_OK);
    CHECK_INT(dispatch(recording, kernel, buffer), RLX_OK);
    if (!CHECK_INT(rlx_stream_finish(recording, NULL, &program), RLX_OK)) return;
    CHECK_INT(rlx_stream_write(stream, rlx_whole(buffer), in, 0), RLX_OK);
    CHECK_INT(dispatch(stream, kernel, buffer), RLX_OK);
    CHECK_INT(rlx_stream_run(stream, program, NULL), RLX_OK);
    CHECK_INT(rlx_stream_read(stream, out, rlx_whole(buffer)), RLX_OK);
    CHECK_INT(rlx_stream_submit_and_wait(stream, 20 * RLX_SECOND), RLX_OK);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < N; i++) wrong += out[i] != i * 8 + 7;
    CHECK_UINT(wrong, 0);
    rlx_program_release(program);
    rlx_kernel_release(kernel);
    rlx_buffer_release(buffer);
    rlx_stream_release(recording);
    rlx_stream_release(stream);
}

static void use_named(const char *name) {
    rlx_device *device = NULL;
    if (!CHECK_INT(rlx_device_open(name, NULL, &device), RLX_OK)) {
        printf("# %s: %s\n", name, rlx_last_error());
        return;
    }
    use(device);
    rlx_device_release(device);
}

/* The line about a backend, or about a file whose name ends like this. */
static rlx_backend_report report_of(const char *name) {
    static rlx_backend_report list[64];
    rlx_backend_report none = { "", "", false, 0, "" };
    uint32_t count = 0;
    if (!CHECK_INT(rlx_backends_report(list, 64, &count), RLX_OK)) return none;
    for (uint32_t i = 0; i < count && i < 64; i++) {
        size_t length = strlen(list[i].path), end = strlen(name);
        bool path = length > end && strcmp(list[i].path + length - end, name) == 0;
        if (path || strcmp(list[i].name, name) == 0) return list[i];
    }
    return none;
}

static bool listed(const char *name) {
    const rlx_device_properties *list[64];
    uint32_t count = 0;
    if (!CHECK_INT(rlx_devices_list(list, 64, &count), RLX_OK)) return false;
    for (uint32_t i = 0; i < count && i < 64; i++)
        if (strcmp(list[i]->name, name) == 0) return true;
    return false;
}

static void check_refused(const char *file, const char *reason) {
    rlx_backend_report report = report_of(file);
    CHECK(!report.taken && report.devices == 0);
    CHECK_HOLDS(report.path, file);
    CHECK_HOLDS(report.reason, reason);
}

/* ---- Taken or refused ---- */

IN_CHILD(a_missing_required_function_is_named) {
    check_refused("rlx_backend_missing.so", "required functions are missing: memory_free, submit");
    CHECK(!listed("missing:0"));
    rlx_device *device = NULL;
    CHECK_INT(rlx_device_open("missing:0", NULL, &device), RLX_ERROR_NOT_FOUND);
    CHECK_HOLDS(rlx_last_error(), "memory_free, submit");
}

IN_CHILD(a_wrong_major_version_is_refused) {
    check_refused("rlx_backend_major.so", "it was built for version 2 of the backend interface");
}

IN_CHILD(a_library_that_exports_nothing_is_refused) {
    check_refused("rlx_backend_nothing.so", "it exports no function rlx_backend_entry");
}

IN_CHILD(an_entry_that_returns_null_says_why) {
    check_refused("rlx_backend_null.so", "returned NULL: this processor lacks what the test needs");
}

IN_CHILD(of_two_plugins_of_one_name_the_first_file_wins) {
    rlx_backend_report first = report_of("rlx_backend_twin_a.so");
    CHECK(first.taken && first.devices == 1);
    CHECK_STRING(first.name, "twin");
    check_refused("rlx_backend_twin_b.so", "the name 'twin' is taken by ");
    CHECK_HOLDS(report_of("rlx_backend_twin_b.so").reason, "rlx_backend_twin_a.so");
    rlx_device *device = NULL;
    if (!CHECK_INT(rlx_device_open("twin", NULL, &device), RLX_OK)) return;
    CHECK_STRING(rlx_device_info(device)->description, "twin a");
    rlx_device_release(device);
}

IN_CHILD(a_device_below_a_floor_is_refused_and_its_sister_listed) {
    CHECK(!listed("floor:0") && listed("floor:1"));
    rlx_backend_report report = report_of("floor");
    CHECK(report.taken && report.devices == 1);
    CHECK_HOLDS(report.reason, "device 0 ('floor:0') is refused: limits.group_threads is 128, below the floor of 256");
    use_named("floor:1");
}

IN_CHILD(a_backend_without_a_device_says_why) {
    rlx_backend_report report = report_of("empty");
    CHECK(report.taken && report.devices == 0);
    CHECK_STRING(report.reason, "no card is in this machine");
}

/* ---- Used ---- */

IN_CHILD(an_older_and_smaller_table_works) { use_named("older:0"); }
IN_CHILD(a_newer_and_larger_table_works) { use_named("newer:0"); }
IN_CHILD(a_device_without_host_addresses_works) { use_named("places:0"); }
IN_CHILD(a_device_that_is_polled_works) { use_named("polled:0"); }
IN_CHILD(a_device_that_only_a_waiting_caller_drives_works) { use_named("caller:0"); }

IN_CHILD(a_queue_never_holds_more_than_its_depth) {
    rlx_device *device = NULL;
    rlx_stream *stream = NULL;
    rlx_buffer *buffer = NULL;
    rlx_kernel *kernel = NULL;
    rlx_buffer_desc desc = { .size = 64 };
    if (!CHECK_INT(rlx_device_open("depth:0", NULL, &device), RLX_OK)) return;
    use(device);
    CHECK_INT(rlx_stream_create(device, NULL, &stream), RLX_OK);
    CHECK_INT(rlx_buffer_create(device, &desc, &buffer), RLX_OK);
    CHECK_INT(create_kernel(device, &kernel), RLX_OK);
    for (int batch = 0; batch < 200; batch++) { /* the plugin itself ends the process if it is given too much */
        for (int i = 0; i <= batch % 20; i++) CHECK_INT(dispatch(stream, kernel, buffer), RLX_OK);
        CHECK_INT(rlx_stream_submit(stream, NULL), RLX_OK);
    }
    CHECK_INT(rlx_stream_wait(stream, 20 * RLX_SECOND), RLX_OK);
    rlx_kernel_release(kernel);
    rlx_buffer_release(buffer);
    rlx_stream_release(stream);
    rlx_device_release(device);
}

/* Long enough for whoever waits to have gone to sleep, and for the core to have asked a polled device. */
static rlx_status nap(void *user) {
    (void)user;
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    return RLX_OK;
}

/* While the wait sleeps, because the head of the stream is on its way at a device that works by itself, the next batch
 * comes to be what holds it up: that waits for work which only this wait can drive. */
IN_CHILD(a_wait_goes_on_to_drive_what_comes_to_hold_it_up) {
    rlx_device *caller = NULL, *cpu = NULL;
    rlx_stream *driven = NULL, *free = NULL;
    rlx_buffer *buffer = NULL;
    rlx_point first, last;
    rlx_buffer_desc desc = { .size = 64 };
    if (!CHECK_INT(rlx_device_open("caller:0", NULL, &caller), RLX_OK)) return;
    if (!CHECK_INT(rlx_device_open("cpu", NULL, &cpu), RLX_OK)) return;
    CHECK_INT(rlx_stream_create(caller, NULL, &driven), RLX_OK);
    CHECK_INT(rlx_stream_create(cpu, NULL, &free), RLX_OK);
    CHECK_INT(rlx_buffer_create(caller, &desc, &buffer), RLX_OK);
    CHECK_INT(rlx_stream_fill(driven, rlx_whole(buffer), 0, 4), RLX_OK);
    CHECK_INT(rlx_stream_submit(driven, &first), RLX_OK);
    CHECK_INT(rlx_stream_host_call(free, nap, NULL), RLX_OK);
    CHECK_INT(rlx_stream_submit(free, NULL), RLX_OK);
    CHECK_INT(rlx_stream_depend(free, first), RLX_OK);
    CHECK_INT(rlx_stream_submit(free, &last), RLX_OK);
    CHECK_INT(rlx_point_wait(last, 20 * RLX_SECOND), RLX_OK);
    rlx_buffer_release(buffer);
    rlx_stream_release(free);
    rlx_stream_release(driven);
    rlx_device_release(cpu);
    rlx_device_release(caller);
}

/* ---- Bound to a thread ---- */

typedef struct bound_objects {
    rlx_device *device;
    rlx_stream *stream;
    rlx_buffer *buffer;
    rlx_kernel *kernel;
} bound_objects;

static void *use_elsewhere(void *user) {
    bound_objects *o = user;
    rlx_stream *stream = NULL;
    rlx_buffer *buffer = NULL;
    rlx_kernel *kernel = NULL;
    rlx_memory_report memory;
    rlx_buffer_desc desc = { .size = 64 };
    CHECK_INT(rlx_stream_create(o->device, NULL, &stream), RLX_ERROR_THREAD);
    CHECK_HOLDS(rlx_last_error(), "bound:0");
    CHECK_INT(rlx_buffer_create(o->device, &desc, &buffer), RLX_ERROR_THREAD);
    CHECK_INT(create_kernel(o->device, &kernel), RLX_ERROR_THREAD);
    CHECK_INT(rlx_device_memory(o->device, &memory), RLX_ERROR_THREAD);
    CHECK_INT(dispatch(o->stream, o->kernel, o->buffer), RLX_ERROR_THREAD);
    CHECK_INT(rlx_stream_submit(o->stream, NULL), RLX_ERROR_THREAD);
    /* Releases are allowed anywhere; the plugin sees them on its own thread, or ends the process. */
    rlx_kernel_release(o->kernel);
    rlx_buffer_release(o->buffer);
    rlx_stream_release(o->stream);
    return NULL;
}

IN_CHILD(a_device_bound_to_a_thread_answers_only_there) {
    bound_objects o = { NULL, NULL, NULL, NULL };
    rlx_buffer_desc desc = { .size = 64 };
    pthread_t thread;
    if (!CHECK_INT(rlx_device_open("bound:0", NULL, &o.device), RLX_OK)) return;
    use(o.device);
    CHECK(rlx_device_info(o.device)->thread_bound);
    CHECK_INT(rlx_stream_create(o.device, NULL, &o.stream), RLX_OK);
    CHECK_INT(rlx_buffer_create(o.device, &desc, &o.buffer), RLX_OK);
    CHECK_INT(create_kernel(o.device, &o.kernel), RLX_OK);
    if (CHECK_INT(pthread_create(&thread, NULL, use_elsewhere, &o), 0)) pthread_join(thread, NULL);
    use(o.device);
    rlx_device_release(o.device);
}

static void *use_named_thread(void *name) {
    use_named(name);
    return NULL;
}

IN_CHILD(each_thread_may_open_a_bound_device_of_its_own) {
    pthread_t threads[4];
    char name[] = "bound:0";
    for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&threads[i], NULL, use_named_thread, name), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    use_named(name);
}

/* ---- Functions that fail ---- */

static void fail_in(const char *function) { setenv("RLX_FAILING", function, 1); }

static void check_failure(rlx_status status, const char *function) {
    char part[64];
    snprintf(part, sizeof part, "%s was told to fail", function);
    CHECK_INT(status, RLX_ERROR_BACKEND);
    CHECK_HOLDS(rlx_last_error(), part);
    CHECK_HOLDS(rlx_last_error(), "failing:0: ");
}

IN_CHILD(an_entry_that_fails_is_a_refusal) {
    fail_in("rlx_backend_entry");
    check_refused("rlx_backend_failing.so", "rlx_backend_entry was told to fail");
}

IN_CHILD(a_probe_that_fails_is_a_reason) {
    fail_in("probe");
    CHECK(!listed("failing:0"));
    CHECK_STRING(report_of("failing").reason, "probing failed: probe was told to fail");
}

IN_CHILD(a_description_that_fails_is_a_reason) {
    fail_in("describe");
    CHECK(!listed("failing:0"));
    CHECK_STRING(report_of("failing").reason, "device 0 is refused: describe was told to fail");
}

static rlx_device *open_failing(void) {
    rlx_device *device = NULL;
    fail_in("nothing");
    CHECK_INT(rlx_device_open("failing:0", NULL, &device), RLX_OK);
    return device;
}

IN_CHILD(a_device_that_fails_to_open_opens_later) {
    rlx_device *device = NULL;
    CHECK(listed("failing:0"));
    fail_in("device_open");
    check_failure(rlx_device_open("failing:0", NULL, &device), "device_open");
    CHECK(device == NULL);
    rlx_device_release(open_failing());
}

IN_CHILD(creating_fails_with_the_backends_message_and_works_later) {
    rlx_device *device = open_failing();
    rlx_stream *stream = NULL;
    rlx_buffer *buffer = NULL;
    rlx_kernel *kernel = NULL;
    rlx_memory_report memory;
    rlx_buffer_desc desc = { .size = 64 };
    void *pointer = NULL;
    fail_in("stream_open");
    check_failure(rlx_stream_create(device, NULL, &stream), "stream_open");
    fail_in("memory_allocate");
    check_failure(rlx_buffer_create(device, &desc, &buffer), "memory_allocate");
    fail_in("memory_report");
    check_failure(rlx_device_memory(device, &memory), "memory_report");
    fail_in("host_alloc");
    check_failure(rlx_host_alloc(device, 64, &pointer), "host_alloc");
    fail_in("kernel_create");
    check_failure(create_kernel(device, &kernel), "kernel_create");
    CHECK(!stream && !buffer && !kernel && !pointer);
    fail_in("nothing");
    CHECK_INT(rlx_stream_create(device, NULL, &stream), RLX_OK);
    CHECK_INT(rlx_buffer_create(device, &desc, &buffer), RLX_OK);
    CHECK_INT(create_kernel(device, &kernel), RLX_OK);
    CHECK_INT(rlx_device_memory(device, &memory), RLX_OK);
    CHECK_STRING(memory.source, "the test plugin");
    CHECK_INT(rlx_host_alloc(device, 64, &pointer), RLX_OK);
    rlx_host_free(device, pointer);
    rlx_kernel_release(kernel);
    rlx_buffer_release(buffer);
    rlx_stream_release(stream);
    rlx_device_release(device);
}

IN_CHILD(a_program_that_cannot_be_prepared_is_told_at_finish) {
    rlx_device *device = open_failing();
    rlx_stream *recording = NULL;
    rlx_buffer *buffer = NULL;
    rlx_program *program = NULL;
    rlx_buffer_desc desc = { .size = 64 };
    rlx_stream_desc record = { .flags = RLX_STREAM_RECORD };
    CHECK_INT(rlx_stream_create(device, &record, &recording), RLX_OK);
    CHECK_INT(rlx_buffer_create(device, &desc, &buffer), RLX_OK);
    CHECK_INT(rlx_stream_fill(recording, rlx_whole(buffer), 0, 4), RLX_OK);
    check_failure(rlx_stream_finish(recording, NULL, &program), "program_create");
    CHECK(program == NULL);
    rlx_buffer_release(buffer);
    rlx_stream_release(recording);
    rlx_device_release(device);
}

IN_CHILD(a_submit_that_fails_fails_its_batch) {
    rlx_device *device = open_failing();
    rlx_stream *stream = NULL;
    rlx_buffer *buffer = NULL;
    rlx_point point;
    rlx_failure failure;
    rlx_buffer_desc desc = { .size = 64 };
    CHECK_INT(rlx_stream_create(device, NULL, &stream), RLX_OK);
    CHECK_INT(rlx_buffer_create(device, &desc, &buffer), RLX_OK);
    fail_in("submit");
    CHECK_INT(rlx_stream_fill(stream, rlx_whole(buffer), 0, 4), RLX_OK);
    (void)!rlx_stream_submit(stream, &point);
    CHECK_INT(rlx_point_wait(point, 20 * RLX_SECOND), RLX_ERROR_BACKEND);
    CHECK_HOLDS(rlx_last_error(), "submit was told to fail");
    CHECK_INT(rlx_stream_failure(stream, &failure), RLX_OK);
    CHECK_INT(failure.status, RLX_ERROR_BACKEND);
    CHECK_INT(failure.vendor_code, 77);
    fail_in("nothing");
    CHECK_INT(rlx_stream_recover(stream), RLX_OK);
    CHECK_INT(rlx_stream_fill(stream, rlx_whole(buffer), 0, 4), RLX_OK);
    CHECK_INT(rlx_stream_submit_and_wait(stream, 20 * RLX_SECOND), RLX_OK);
    rlx_buffer_release(buffer);
    rlx_stream_release(stream);
    rlx_device_release(device);
}

/* The device is lost for good, whether it fails to say what has ended or to wait. */
static void lose_in(const char *function) {
    rlx_device *device = open_failing();
    rlx_stream *stream = NULL;
    rlx_buffer *other = NULL;
    rlx_health health;
    rlx_buffer_desc desc = { .size = 64 };
    CHECK_INT(rlx_stream_create(device, NULL, &stream), RLX_OK);
    fail_in(function);
    CHECK_INT(rlx_stream_host_call(stream, nap, NULL), RLX_OK);
    CHECK_INT(rlx_stream_submit_and_wait(stream, 20 * RLX_SECOND), RLX_ERROR_DEVICE_LOST);
    CHECK_HOLDS(rlx_last_error(), "was told to fail");
    CHECK_INT(rlx_device_health(device, &health), RLX_OK);
    CHECK_INT(health.status, RLX_ERROR_DEVICE_LOST);
    CHECK_INT(rlx_buffer_create(device, &desc, &other), RLX_ERROR_DEVICE_LOST);
    CHECK_INT(rlx_stream_recover(stream), RLX_ERROR_DEVICE_LOST);
    rlx_stream_release(stream);
    rlx_device_release(device);
    device = open_failing(); /* another one is not */
    CHECK_INT(rlx_buffer_create(device, &desc, &other), RLX_OK);
    rlx_buffer_release(other);
    rlx_device_release(device);
}

IN_CHILD(a_query_that_fails_loses_the_device) { lose_in("query"); }
IN_CHILD(a_wait_that_fails_loses_the_device) { lose_in("wait"); }

static const tap_test tests[] = {
    TAP(a_missing_required_function_is_named),
    TAP(a_wrong_major_version_is_refused),
    TAP(a_library_that_exports_nothing_is_refused),
    TAP(an_entry_that_returns_null_says_why),
    TAP(of_two_plugins_of_one_name_the_first_file_wins),
    TAP(a_device_below_a_floor_is_refused_and_its_sister_listed),
    TAP(a_backend_without_a_device_says_why),
    TAP(an_older_and_smaller_table_works),
    TAP(a_newer_and_larger_table_works),
    TAP(a_device_without_host_addresses_works),
    TAP(a_device_that_is_polled_works),
    TAP(a_device_that_only_a_waiting_caller_drives_works),
    TAP(a_queue_never_holds_more_than_its_depth),
    TAP(a_wait_goes_on_to_drive_what_comes_to_hold_it_up),
    TAP(a_device_bound_to_a_thread_answers_only_there),
    TAP(each_thread_may_open_a_bound_device_of_its_own),
    TAP(an_entry_that_fails_is_a_refusal),
    TAP(a_probe_that_fails_is_a_reason),
    TAP(a_description_that_fails_is_a_reason),
    TAP(a_device_that_fails_to_open_opens_later),
    TAP(creating_fails_with_the_backends_message_and_works_later),
    TAP(a_program_that_cannot_be_prepared_is_told_at_finish),
    TAP(a_submit_that_fails_fails_its_batch),
    TAP(a_query_that_fails_loses_the_device),
    TAP(a_wait_that_fails_loses_the_device),
};

/* This program is FOLDER/unit/plugin_test, and the plugins are in FOLDER/plugins. */
static void find_plugins(const char *program) {
    char folder[4096];
    const char *slash = strrchr(program, '/');
    if (getenv("RLX_BACKEND_PATH")) return;
    snprintf(folder, sizeof folder, "%.*s/../plugins", slash ? (int)(slash - program) : 1, slash ? program : ".");
    setenv("RLX_BACKEND_PATH", folder, 1);
}

int main(int argc, char **argv) {
    find_plugins(argv[0]);
    return tap_run(argc, argv, tests, sizeof tests / sizeof *tests);
}
