/* Rule 11: no driver is touched until it is asked for; what is not there is reported; a child after fork is told so. */
#include "conform.h"

#include <stdio.h>
#include <unistd.h>

/* ---- Nothing before the first call ---- */

static const char *const drivers[] = { "libcuda",   "libnvrtc",  "libamdhip64", "libhiprtc",
                                       "libvulkan", "libOpenCL", "libwgpu",     "libze_loader" };

static void check_no_driver(conform_test *t, const char *when) {
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        CHECK(t, !conform_loaded(drivers[i]), "no driver is loaded %s; %s is", when, drivers[i]);
}

static void no_driver_is_loaded_before_a_device_is_asked_for(conform_test *t) {
    uint32_t threads = conform_thread_count();
    check_no_driver(t, "before the first call");
    CHECK(t, rlx_version() > 0 && rlx_clock_ns() > 0 && rlx_status_text(RLX_OK)[0] && rlx_last_error(),
          "what needs no device");
    rlx_log_set(NULL, NULL);
    CHECK_OK(t, rlx_point_wait((rlx_point){ 0, 0 }, 0));
    check_no_driver(t, "by calls that need no device");
    CHECK_EQUAL(t, conform_thread_count(), threads);
}

/* Looking at what there is doesn't set it to work. */
static void listing_starts_no_thread(conform_test *t) {
    const rlx_device_properties *list[64];
    rlx_backend_report reports[64];
    uint32_t count = 0, threads = conform_thread_count();
    CHECK_OK(t, rlx_devices_list(list, 64, &count));
    CHECK(t, count > 0, "devices");
    CHECK_OK(t, rlx_backends_report(reports, 64, &count));
    CHECK_EQUAL(t, conform_thread_count(), threads);
}

/* Plugins and drivers are looked for when the name is none that is built in. */
static void opening_a_built_in_device_loads_nothing(conform_test *t) {
    rlx_device *device;
    rlx_backend_report reports[256];
    uint32_t count = 0;
    CHECK_OK(t, rlx_device_open(conform_device_name(t), NULL, &device));
    bool plugins = conform_loaded("/rlx_backend_"), driver = false;
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) driver |= conform_loaded(drivers[i]);
    CHECK_OK(t, rlx_backends_report(reports, 256, &count)); /* this looks at all there is */
    bool built_in = false;
    for (uint32_t i = 0; i < count && i < 256; i++)
        built_in |=
            reports[i].taken && !reports[i].path[0] && strcmp(reports[i].name, rlx_device_info(device)->backend) == 0;
    bool processor = rlx_device_info(device)->kind == RLX_DEVICE_CPU;
    rlx_device_release(device);
    CHECK(t, !built_in || !plugins, "no plugin is loaded for a device that is built in");
    CHECK(t, !built_in || !processor || !driver, "no driver is loaded for a device that has none");
}

static void do_nothing(conform_test *t, void *user) { (void)t, (void)user; }

/* Threads of a pool end soon after their device: not necessarily before its release returns. */
static void a_closed_device_leaves_no_thread(conform_test *t) {
    /* With the first thread of a process a sanitizer starts one of its own, which stays. */
    conform_thread_join(t, conform_thread_start(t, do_nothing, NULL));
    uint32_t threads = conform_thread_count();
    for (int i = 0; i < 3; i++) {
        rlx_device *device;
        rlx_stream *s;
        CHECK_OK(t, rlx_device_open(conform_device_name(t), NULL, &device));
        CHECK_OK(t, rlx_stream_create(device, NULL, &s));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        rlx_stream_release(s);
        rlx_device_release(device);
        uint64_t limit = conform_now_ns() + t->patience;
        while (conform_thread_count() != threads && conform_now_ns() < limit) conform_sleep_ms(1);
        CHECK_EQUAL(t, conform_thread_count(), threads);
    }
}

/* ---- Lists and reports ---- */

static void the_device_is_listed_as_it_is(conform_test *t) {
    const rlx_device_properties *list[256], *mine = NULL;
    uint32_t count = 0, again = 0;
    CHECK_OK(t, rlx_devices_list(NULL, 0, &count));
    CHECK_OK(t, rlx_devices_list(list, 256, &again));
    CHECK_EQUAL(t, again, count);
    for (uint32_t i = 0; i < count && i < 256; i++) {
        CHECK(t,
              list[i] && list[i]->name && list[i]->name[0] && list[i]->backend && list[i]->description &&
                  list[i]->driver && list[i]->id && list[i]->architecture,
              "texts of a listed device");
        for (uint32_t k = 0; k < i; k++)
            CHECK(t, strcmp(list[i]->name, list[k]->name) != 0, "names that differ; '%s' is there twice",
                  list[i]->name);
        if (strcmp(list[i]->name, t->info->name) == 0) mine = list[i];
    }
    CHECK(t, mine != NULL, "the device '%s' in the list", t->info->name);
    CHECK(t,
          mine->kind == t->info->kind && mine->progress == t->info->progress &&
              mine->thread_bound == t->info->thread_bound && strcmp(mine->backend, t->info->backend) == 0,
          "the open device is as it was listed");
    const rlx_device_properties *one = NULL;
    CHECK_OK(t, rlx_devices_list(&one, 1, &again));
    CHECK(t, one == list[0] && again == count, "a short list has the first, and the number there is");
    CHECK(t, t->info->format_count > 0 && t->info->formats[0].name[0], "formats that it takes");
    CHECK(t,
          t->info->units > 0 && t->info->timer_ns > 0 && t->info->subgroup_min > 0 &&
              t->info->subgroup_max >= t->info->subgroup_min,
          "units, subgroups and the resolution of the timer");
}

static void every_candidate_has_a_reason(conform_test *t) {
    rlx_backend_report reports[256];
    uint32_t count = 0, devices = 0, listed = 0;
    bool mine = false;
    CHECK_OK(t, rlx_backends_report(reports, 256, &count));
    CHECK(t, count > 0 && count <= 256, "backends");
    for (uint32_t i = 0; i < count; i++) {
        CHECK(t, reports[i].name && reports[i].path && reports[i].reason, "texts of a report");
        CHECK(t, reports[i].reason[0], "a reason for '%s'", reports[i].name);
        CHECK(t, reports[i].taken || reports[i].devices == 0, "a refused candidate has no devices");
        devices += reports[i].devices;
        mine |= reports[i].taken && reports[i].devices && strcmp(reports[i].name, t->info->backend) == 0;
    }
    CHECK(t, mine, "the backend '%s' is taken", t->info->backend);
    CHECK_OK(t, rlx_devices_list(NULL, 0, &listed));
    CHECK_EQUAL(t, devices, listed);
}

static void a_missing_device_is_not_found(conform_test *t) {
    rlx_device *device = NULL;
    const char *const names[] = { "cuda:99", "nothing", "cpu:77", "auto:1",
                                  "a name that is longer than any device's name would ever be, by far" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_STATUS(t, rlx_device_open(names[i], NULL, &device), RLX_ERROR_NOT_FOUND);
        CHECK_CONTAINS(t, rlx_last_error(), t->info->name); /* the message lists what there is */
    }
}

static void auto_opens_the_first(conform_test *t) {
    const rlx_device_properties *first;
    uint32_t count;
    rlx_device *by_name = NULL, *by_null = NULL;
    CHECK_OK(t, rlx_devices_list(&first, 1, &count));
    CHECK_OK(t, rlx_device_open("auto", NULL, &by_name));
    CHECK_OK(t, rlx_device_open(NULL, NULL, &by_null));
    CHECK(t, strcmp(rlx_device_info(by_name)->name, rlx_device_info(by_null)->name) == 0, "auto and NULL are the same");
    rlx_device_release(by_name);
    rlx_device_release(by_null);
}

/* ---- Fork ---- */

typedef struct inherited {
    const char *name;
    rlx_device *device;
    rlx_stream *s, *recording;
    rlx_buffer *x;
    rlx_kernel *kernel;
    rlx_program *program;
    rlx_point done, held;
} inherited;

static void ignore_notice(void *user, rlx_status status) { (void)user, (void)status; }

/* In the child: returns 0, or the number of the first call that did not answer FORKED. */
static int try_everything(void *user) {
    inherited *i = user;
    const rlx_device_properties *list[4];
    uint32_t count;
    rlx_device *device;
    rlx_stream *s;
    rlx_buffer *x;
    rlx_kernel *kernel;
    rlx_program *program;
    rlx_memory_report memory;
    rlx_health health;
    rlx_failure failure;
    void *pointer;
    unsigned char host[4] = { 0 };
    const rlx_code code = { .format = RLX_CODE_HOST };
    const rlx_status results[] = {
        rlx_devices_list(list, 4, &count),
        rlx_device_open(i->name, NULL, &device),
        rlx_device_memory(i->device, &memory),
        rlx_device_health(i->device, &health),
        rlx_host_alloc(i->device, 64, &pointer),
        rlx_buffer_create(i->device, &(rlx_buffer_desc){ .size = 64 }, &x),
        rlx_stream_create(i->device, NULL, &s),
        rlx_kernel_create(i->device, &(rlx_kernel_desc){ .name = "k", .codes = &code, .code_count = 1 }, &kernel),
        rlx_stream_fill(i->s, rlx_whole(i->x), 1, 4),
        rlx_stream_write(i->s, rlx_part(i->x, 0, 4), host, 0),
        rlx_stream_read(i->s, host, rlx_part(i->x, 0, 4)),
        rlx_stream_run(i->s, i->program, NULL),
        rlx_stream_depend(i->s, i->done),
        rlx_stream_submit(i->s, NULL),
        rlx_stream_wait(i->s, RLX_SECOND),
        rlx_stream_submit_and_wait(i->s, RLX_SECOND),
        rlx_stream_finish(i->recording, NULL, &program),
        rlx_stream_failure(i->s, &failure),
        rlx_stream_recover(i->s),
        rlx_stream_cancel(i->s),
        rlx_point_wait(i->done, RLX_SECOND),
        rlx_point_wait(i->held, RLX_SECOND),
        rlx_points_wait(&i->held, 1, RLX_WAIT_ANY, RLX_SECOND, NULL),
        rlx_point_query(i->held),
        rlx_point_notify(i->held, ignore_notice, NULL),
    };
    for (size_t n = 0; n < sizeof results / sizeof *results; n++)
        if (results[n] != RLX_ERROR_FORKED) return (int)n + 1;
    if (!strstr(rlx_last_error(), "fork")) return 100;
    rlx_stream_discard(i->s);
    rlx_kernel_release(i->kernel); /* what has no status to return does not hang */
    rlx_program_release(i->program);
    rlx_buffer_release(i->x);
    rlx_stream_release(i->s);
    rlx_device_release(i->device);
    return 0;
}

static void a_child_after_fork_is_told_so(conform_test *t) {
    inherited *i = conform_memory(t, sizeof *i);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    i->name = t->info->name;
    i->device = t->device;
    i->s = conform_stream(t, 0);
    i->recording = conform_stream(t, RLX_STREAM_RECORD);
    i->x = conform_buffer(t, 256);
    i->kernel = conform_kernel_of(t, t->device, CONFORM_AFFINE);
    CHECK_OK(t, rlx_stream_fill(i->recording, rlx_whole(i->x), 3, 4));
    i->program = conform_finish(t, i->recording);
    CHECK_OK(t, rlx_stream_submit(i->s, &i->done));
    CHECK_DONE(t, i->done);
    conform_gate_hold(t, gate, i->s); /* with work in flight */
    conform_count(t, i->s, calls);
    CHECK_OK(t, rlx_stream_submit(i->s, &i->held));
    int result = conform_in_child(try_everything, i, 10);
    CHECK(t, result != -1, "the child neither hangs nor dies");
    CHECK(t, result != 100, "the child's message says that it was forked");
    CHECK(t, result == 0, "each call of the child returns RLX_ERROR_FORKED; number %d did not", result);
    conform_gate_open(gate); /* and the parent goes on */
    CHECK_DONE(t, i->held);
    CHECK_EQUAL(t, atomic_load(calls), 1);
    CHECK_OK(t, rlx_stream_run(i->s, i->program, NULL));
    CHECK_OK(t, rlx_stream_submit_and_wait(i->s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, i->x, 0), 3);
}

static int use_the_library(void *user) {
    rlx_device *device;
    rlx_stream *s;
    if (rlx_device_open(user, NULL, &device)) return 1;
    if (rlx_stream_create(device, NULL, &s)) return 2;
    if (rlx_stream_submit_and_wait(s, 10 * RLX_SECOND)) return 3;
    rlx_stream_release(s);
    rlx_device_release(device);
    return 0;
}

/* A process that has not used the library forks as it likes: parent and child are both whole. */
static void a_child_of_a_process_that_never_used_it_is_free(conform_test *t) {
    char name[128];
    snprintf(name, sizeof name, "%s", conform_device_name(t));
    CHECK_EQUAL(t, conform_in_child(use_the_library, name, 20), 0);
    CHECK_EQUAL(t, conform_in_child(use_the_library, name, 20), 0);
    CHECK_EQUAL(t, use_the_library(name), 0);
    CHECK(t, conform_in_child(use_the_library, name, 20) == 1, "and after that, a child is told");
}

const conform_case conform_rule11[] = {
    { 11, "no driver is loaded and no thread started before a device is asked for",
      no_driver_is_loaded_before_a_device_is_asked_for, NEEDS_A_FRESH_PROCESS },
    { 11, "listing devices starts no thread", listing_starts_no_thread,
      NEEDS_A_FRESH_PROCESS | NEEDS_TASKS | NEEDS_CPU_KIND },
    { 11, "opening a device that is built in loads neither plugins nor drivers",
      opening_a_built_in_device_loads_nothing, NEEDS_A_FRESH_PROCESS },
    { 11, "a closed device leaves no thread behind", a_closed_device_leaves_no_thread,
      NEEDS_A_FRESH_PROCESS | NEEDS_TASKS | NEEDS_CPU_KIND },
    { 11, "the device is listed as it is", the_device_is_listed_as_it_is },
    { 11, "every candidate has a reason, taken or refused", every_candidate_has_a_reason },
    { 11, "a missing device is not found, and the message lists what there is", a_missing_device_is_not_found },
    { 11, "auto opens a device, and so does NULL", auto_opens_the_first },
    { 11, "a child after fork is told so by every call, and hangs in none", a_child_after_fork_is_told_so, NEEDS_GATE },
    { 11, "a child of a process that has not used the library is free to",
      a_child_of_a_process_that_never_used_it_is_free, NEEDS_A_FRESH_PROCESS },
    { 0 },
};
