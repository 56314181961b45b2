/* The registry: tables checked and widened, floors, names, the order of devices, and when drivers are touched. The
 * registry is one for each process and remembers, so each test runs in a child of its own. */
#include "tap.h"

#include "core/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- A backend to register, whose parts a test changes before it does ---- */

static const rlx_format_info formats[] = { { RLX_CODE_HOST, "host" } };
static rlx_device_properties devices[4];
static uint32_t device_count, probes, opens;
static rlx_status probe_status;
static const rlx_host *host;
static const char *probe_message;

static rlx_status probe(uint32_t *count) {
    probes++;
    *count = device_count;
    return probe_message ? host->fail(probe_status, "%s", probe_message) : probe_status;
}
static const rlx_device_properties *describe(uint32_t index) {
    if (devices[index].struct_size > 0) return &devices[index];
    (void)host->fail(RLX_ERROR_BACKEND, "its fan is broken");
    return NULL;
}
static const rlx_device_properties *opened_properties;
static rlx_status device_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    (void)desc;
    opens++;
    opened->device = &devices[index];
    opened->properties = opened_properties;
    return probe_status ? host->fail(probe_status, "it is busy") : RLX_OK;
}
static void device_close(void *device) {
    opens--;
    CHECK(device == &devices[0]);
}
static rlx_status memory_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    (void)device, (void)size, (void)kind, (void)block;
    return RLX_ERROR_OUT_OF_MEMORY;
}
static void destroy(void *device, void *object) { (void)device, (void)object; }
static rlx_status kernel_create(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel) {
    (void)device, (void)desc, (void)code, (void)kernel;
    return RLX_ERROR_UNSUPPORTED;
}
static rlx_status stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink, void **stream) {
    (void)device, (void)desc, (void)sink, (void)stream;
    return RLX_ERROR_UNSUPPORTED;
}
static void stream_close(void *stream) { (void)stream; }
static rlx_status submit(void *stream, const rlx_batch *batch, rlx_fault *fault) {
    (void)stream, (void)batch, (void)fault;
    return RLX_ERROR_UNSUPPORTED;
}
static rlx_status wait_batch(void *stream, uint64_t signal, uint64_t timeout_ns) {
    (void)stream, (void)signal, (void)timeout_ns;
    return RLX_OK;
}
static rlx_status query(void *stream, uint64_t *completed, rlx_fault *fault) {
    (void)stream, (void)completed, (void)fault;
    return RLX_OK;
}
static rlx_status memory_report(void *device, rlx_memory_report *report) {
    (void)device, (void)report;
    return RLX_OK;
}
static rlx_status host_alloc(void *device, uint64_t size, void **pointer) {
    (void)device, (void)size, (void)pointer;
    return RLX_OK;
}
static rlx_status program_create(void *device, const rlx_graph *graph, void **program) {
    (void)device, (void)graph, (void)program;
    return RLX_OK;
}

/* Room after the table, for plugins that are newer than the library. */
static struct {
    rlx_backend table;
    void (*future[4])(void);
} wide;
static rlx_backend *const table = &wide.table;

static const rlx_device_properties sound = {
    .struct_size = sizeof sound,
    .kind = RLX_DEVICE_OTHER,
    .name = "test:0",
    .storage_types = RLX_TYPE_F32 | RLX_TYPE_I32 | RLX_TYPE_U32,
    .compute_types = RLX_TYPE_F32 | RLX_TYPE_I32 | RLX_TYPE_U32,
    .limits = { .buffer_size = UINT64_C(256) << 20,
                .binding_size = UINT64_C(128) << 20,
                .binding_alignment = 256,
                .buffer_args = 8,
                .value_bytes = 128,
                .groups = { 65535, 65535, 65535 },
                .group_size = { 256, 256, 64 },
                .group_threads = 256,
                .shared_bytes = 16 << 10 },
    .formats = formats,
    .format_count = 1,
};

static void reset(void) {
    *table = (rlx_backend){ .struct_size = sizeof *table,
                            .major = RLX_BACKEND_MAJOR,
                            .minor = RLX_BACKEND_MINOR,
                            .name = "test",
                            .probe = probe,
                            .describe = describe,
                            .device_open = device_open,
                            .device_close = device_close,
                            .memory_allocate = memory_allocate,
                            .memory_free = destroy,
                            .kernel_create = kernel_create,
                            .kernel_destroy = destroy,
                            .stream_open = stream_open,
                            .stream_close = stream_close,
                            .submit = submit,
                            .wait = wait_batch,
                            .query = query };
    devices[0] = sound;
    device_count = 1;
    setenv("RLX_BACKEND_PATH", "", 1);
}

static const rlx_backend *entry(const rlx_host *services) {
    host = services;
    return table;
}

static const rlx_backend *entry_of_nothing(const rlx_host *services) {
    (void)services->fail(RLX_ERROR_BACKEND, "its driver is too old");
    return NULL;
}

/* Runs `body` in a child, whose checks count here. */
static void in_child(void (*body)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        reset();
        body();
        fflush(stdout);
        exit(atomic_load(&tap_failures) > 0); /* not _exit: a sanitizer looks for leaks here */
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define IN_CHILD(name) \
    static void name##_body(void); \
    static void name(void) { in_child(name##_body); } \
    static void name##_body(void)

/* ---- What the registry says of it ---- */

static rlx_backend_report report_of(const char *name) {
    rlx_backend_report list[16], none = { "", "", false, 0, "" };
    uint32_t count = 0;
    if (!CHECK_INT(rlx_backends_report(list, 16, &count), RLX_OK)) return none;
    for (uint32_t i = 0; i < count && i < 16; i++)
        if (strcmp(list[i].name, name) == 0) return list[i];
    return none;
}

static bool listed(const char *name) {
    const rlx_device_properties *list[16];
    uint32_t count = 0;
    if (!CHECK_INT(rlx_devices_list(list, 16, &count), RLX_OK)) return false;
    for (uint32_t i = 0; i < count && i < 16; i++)
        if (strcmp(list[i]->name, name) == 0) return true;
    return false;
}

static void check_refused(rlx_status status, const char *part) {
    CHECK_INT(rlx_backend_register(entry), status);
    CHECK_HOLDS(rlx_last_error(), part);
    CHECK(rlx_registry_backend("test") == NULL);
}

/* ---- Tables ---- */

IN_CHILD(a_sound_table_is_taken_and_its_device_listed) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK(host == &rlx_host_services && host->backend_find("test") != NULL && host->backend_find("none") == NULL);
    CHECK(listed("test:0") && listed("cpu") && listed("sync"));
    rlx_backend_report report = report_of("test");
    CHECK(report.taken && report.devices == 1);
    CHECK_STRING(report.path, "");
    CHECK_STRING(report.reason, "it lists 1 device");
}

IN_CHILD(a_table_that_ends_in_its_name_is_refused) {
    for (uint32_t size = 0; size < offsetof(rlx_backend, flags); size++) {
        table->struct_size = size;
        check_refused(RLX_ERROR_INVALID, "set struct_size");
    }
}

IN_CHILD(each_missing_function_is_named) {
    struct {
        const char *name;
        size_t offset;
    } required[] = {
#define REQUIRED(name) { #name, offsetof(rlx_backend, name) }
        REQUIRED(probe),           REQUIRED(describe),     REQUIRED(device_open),   REQUIRED(device_close),
        REQUIRED(memory_allocate), REQUIRED(memory_free),  REQUIRED(kernel_create), REQUIRED(kernel_destroy),
        REQUIRED(stream_open),     REQUIRED(stream_close), REQUIRED(submit),        REQUIRED(wait),
        REQUIRED(query),
    };
    enum { COUNT = sizeof required / sizeof *required };
    rlx_backend none = *table;
    for (int i = 0; i < COUNT; i++) {
        reset();
        void (*null)(void) = NULL;
        memcpy((char *)table + required[i].offset, &null, sizeof null);
        memcpy((char *)&none + required[i].offset, &null, sizeof null);
        char expected[64];
        snprintf(expected, sizeof expected, "required functions are missing: %s", required[i].name);
        CHECK_INT(rlx_backend_register(entry), RLX_ERROR_INVALID);
        CHECK_STRING(rlx_last_error(), expected);
    }
    *table = none;
    check_refused(RLX_ERROR_INVALID, "missing: probe, describe, device_open, device_close, memory_allocate, "
                                     "memory_free, kernel_create, kernel_destroy, stream_open, stream_close, submit, "
                                     "wait, query");
}

IN_CHILD(a_synchronous_backend_needs_neither_wait_nor_query) {
    table->wait = NULL;
    table->query = NULL;
    table->flags = RLX_BACKEND_SYNCHRONOUS;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    table->name = "another";
    table->flags = RLX_BACKEND_COMPLETES;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
}

IN_CHILD(both_ways_to_end_a_batch_at_once_are_refused) {
    table->flags = RLX_BACKEND_SYNCHRONOUS | RLX_BACKEND_COMPLETES;
    check_refused(RLX_ERROR_INVALID, "RLX_BACKEND_COMPLETES");
}

IN_CHILD(an_older_and_smaller_table_is_widened_with_null) {
    table->memory_report = memory_report;
    table->struct_size = RLX_BACKEND_REQUIRED_SIZE;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    const rlx_backend *taken = rlx_registry_backend("test");
    CHECK(taken && taken->submit == submit && taken->memory_report == NULL && taken->program_create == NULL);
}

IN_CHILD(half_a_function_at_the_end_of_a_table_is_none) {
    table->memory_report = memory_report;
    table->struct_size = RLX_BACKEND_REQUIRED_SIZE + 4;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    const rlx_backend *taken = rlx_registry_backend("test");
    CHECK(taken && taken->memory_report == NULL);
}

IN_CHILD(a_newer_and_larger_table_is_taken) {
    wide.future[0] = wide.future[3] = (void (*)(void))abort;
    table->struct_size = sizeof wide;
    table->minor = RLX_BACKEND_MINOR + 7;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK(listed("test:0"));
}

IN_CHILD(another_major_version_is_refused) {
    table->major = RLX_BACKEND_MAJOR + 1;
    check_refused(RLX_ERROR_VERSION, "version 2 of the backend interface and this library has version 1");
}

IN_CHILD(a_table_without_its_required_part_is_refused) {
    table->struct_size = offsetof(rlx_backend, query);
    check_refused(RLX_ERROR_INVALID, "missing: query");
    table->flags = RLX_BACKEND_SYNCHRONOUS;
    check_refused(RLX_ERROR_VERSION, "the required part alone has");
    table->struct_size = 0;
    check_refused(RLX_ERROR_INVALID, "set struct_size");
    table->struct_size = offsetof(rlx_backend, flags);
    check_refused(RLX_ERROR_INVALID, "missing: probe");
}

IN_CHILD(functions_that_come_in_pairs_are_refused_alone) {
    table->host_alloc = host_alloc;
    check_refused(RLX_ERROR_INVALID, "host_free is missing");
    table->host_free = destroy;
    table->program_create = program_create;
    check_refused(RLX_ERROR_INVALID, "program_destroy is missing");
    table->program_create = NULL;
    table->program_destroy = destroy;
    check_refused(RLX_ERROR_INVALID, "program_create is missing");
    table->program_create = program_create;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
}

IN_CHILD(a_name_is_of_letters_digits_and_dashes) {
    static const char *const wrong[] = {
        NULL, "", "a b", "a:0", "a/b", "\xc3\xa9", "x23456789012345678901234567890123"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        table->name = wrong[i];
        CHECK_INT(rlx_backend_register(entry), RLX_ERROR_INVALID);
        CHECK_HOLDS(rlx_last_error(), "its name must be");
    }
    table->name = "Az-_09";
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
}

IN_CHILD(of_two_backends_of_one_name_the_first_wins) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK_INT(rlx_backend_register(entry), RLX_ERROR_INVALID);
    CHECK_HOLDS(rlx_last_error(), "the name 'test' is taken");
    table->name = "cpu";
    CHECK_INT(rlx_backend_register(entry), RLX_ERROR_INVALID);
    CHECK_HOLDS(rlx_last_error(), "the name 'cpu' is taken");
}

IN_CHILD(registering_says_what_is_wrong_with_the_entry) {
    CHECK_INT(rlx_backend_register(NULL), RLX_ERROR_INVALID);
    CHECK_INT(rlx_backend_register(entry_of_nothing), RLX_ERROR_INVALID);
    CHECK_HOLDS(rlx_last_error(), "its driver is too old");
}

IN_CHILD(backends_are_registered_before_the_first_look) {
    rlx_registry_device found;
    CHECK_INT(rlx_registry_find("cpu", &found), RLX_OK);
    CHECK_INT(rlx_backend_register(entry), RLX_ERROR_ORDER);
}

/* ---- Probing ---- */

IN_CHILD(opening_by_name_probes_no_other_backend) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    rlx_registry_device found;
    CHECK_INT(rlx_registry_find("cpu", &found), RLX_OK);
    CHECK_STRING(found.properties->name, "cpu");
    CHECK_UINT(probes, 0);
    CHECK_INT(rlx_registry_find("test", &found), RLX_OK);
    CHECK_STRING(found.properties->name, "test:0");
    CHECK_UINT(probes, 1);
}

IN_CHILD(a_backend_is_probed_once) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    for (int i = 0; i < 3; i++) CHECK(listed("test:0") && report_of("test").taken);
    rlx_registry_device found;
    CHECK_INT(rlx_registry_find("test:0", &found), RLX_OK);
    CHECK_INT(rlx_registry_find("test:1", &found), RLX_ERROR_NOT_FOUND);
    CHECK_UINT(probes, 1);
}

IN_CHILD(a_probe_that_fails_or_finds_nothing_leaves_its_reason) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    probe_status = RLX_ERROR_BACKEND;
    probe_message = "libtest.so.1 is not installed";
    CHECK(report_of("test").taken && report_of("test").devices == 0);
    CHECK_STRING(report_of("test").reason, "probing failed: libtest.so.1 is not installed");
}

IN_CHILD(no_device_without_a_reason_is_told_too) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    device_count = 0;
    CHECK_STRING(report_of("test").reason, "it found no device, and did not say why");
}

IN_CHILD(a_message_with_no_device_is_the_reason) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    device_count = 0;
    probe_message = "no card is plugged in";
    (void)rlx_fail(RLX_ERROR_IO, "mine");
    CHECK_STRING(report_of("test").reason, "no card is plugged in");
    CHECK_STRING(rlx_last_error(), "mine"); /* a call that succeeds leaves the thread's message */
}

static const rlx_device_properties *describe_any(uint32_t index) {
    (void)index;
    return &devices[0];
}

IN_CHILD(a_count_gone_wrong_is_cut) {
    table->describe = describe_any;
    device_count = UINT32_MAX;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK_HOLDS(report_of("test").reason, "it counts 4294967295 devices, of which the first 256 were looked at");
    CHECK(listed("test:0"));
}

static void *list_and_open(void *unused) {
    rlx_registry_device found;
    CHECK(listed("test:0") && report_of("test").taken);
    CHECK_INT(rlx_registry_find("test", &found), RLX_OK);
    CHECK(rlx_registry_backend("test") == found.table);
    return unused;
}

IN_CHILD(many_threads_may_ask_at_once) {
    pthread_t threads[4];
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&threads[i], NULL, list_and_open, NULL), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_UINT(probes, 1);
}

static rlx_status probe_that_lists(uint32_t *count) { return rlx_devices_list(NULL, 0, count); }

IN_CHILD(a_call_back_into_the_registry_is_refused_not_a_deadlock) {
    table->probe = probe_that_lists;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK_STRING(report_of("test").reason, "probing failed: the call is not allowed at this time");
}

static rlx_status probe_that_logs(uint32_t *count) {
    host->note(RLX_LOG_INFO, "probed");
    *count = 1;
    return RLX_OK;
}

static void list_when_logged(void *user, rlx_log_level level, const char *text) {
    (void)level;
    if (strcmp(text, "probed") == 0 && listed("test:0")) ++*(int *)user;
}

IN_CHILD(log_lines_of_a_probe_come_under_no_lock) {
    int listings = 0;
    table->probe = probe_that_logs;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    rlx_log_set(list_when_logged, &listings);
    CHECK(listed("test:0"));
    CHECK_INT(listings, 1);
}

/* ---- Properties ---- */

static void check_device_refused(const char *part) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK(!listed("test:0"));
    CHECK_UINT(report_of("test").devices, 0);
    CHECK_HOLDS(report_of("test").reason, part);
}

/* Each breaks one floor, and says how its reason starts. */
#define BELOW(name, field, value, part) \
    IN_CHILD(a_device_below_the_floor_of_##name##_is_refused) { \
        devices[0].field = value; \
        check_device_refused("device 0 ('test:0') is refused: " part); \
    }

BELOW(buffer_size, limits.buffer_size, (256u << 20) - 1,
      "limits.buffer_size is 268435455, below the floor of 268435456")
BELOW(binding_size, limits.binding_size, (128u << 20) - 1, "limits.binding_size is 134217727, below the floor")
BELOW(binding_alignment, limits.binding_alignment, 512, "limits.binding_alignment is 512")
BELOW(odd_binding_alignment, limits.binding_alignment, 24, "limits.binding_alignment is 24")
BELOW(buffer_args, limits.buffer_args, 7, "limits.buffer_args is 7, below the floor of 8")
BELOW(value_bytes, limits.value_bytes, 124, "limits.value_bytes is 124, below the floor of 128")
BELOW(groups_x, limits.groups[0], 65534, "limits.groups[0] is 65534, below the floor of 65535")
BELOW(groups_y, limits.groups[1], 65534, "limits.groups[1] is 65534, below the floor of 65535")
BELOW(groups_z, limits.groups[2], 65534, "limits.groups[2] is 65534, below the floor of 65535")
BELOW(group_size_x, limits.group_size[0], 255, "limits.group_size[0] is 255, below the floor of 256")
BELOW(group_size_y, limits.group_size[1], 255, "limits.group_size[1] is 255, below the floor of 256")
BELOW(group_size_z, limits.group_size[2], 63, "limits.group_size[2] is 63, below the floor of 64")
BELOW(group_threads, limits.group_threads, 255, "limits.group_threads is 255, below the floor of 256")
BELOW(shared_bytes, limits.shared_bytes, 16383, "limits.shared_bytes is 16383, below the floor of 16384")
BELOW(storage_types, storage_types, RLX_TYPE_F32 | RLX_TYPE_U32, "storage_types lacks i32")
BELOW(compute_types, compute_types, RLX_TYPE_I32, "compute_types lacks f32 u32")
BELOW(formats, format_count, 0, "it lists no kernel format")
BELOW(kinds, kind, (rlx_device_kind)4, "its kind or its progress")
BELOW(progress, progress, (rlx_progress)2, "its kind or its progress")
BELOW(the_struct, struct_size, offsetof(rlx_device_properties, format_count), "its properties say that they are")

IN_CHILD(what_a_device_leaves_zero_gets_its_default) {
    devices[0].limits.binding_alignment = 0;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    rlx_registry_device found;
    if (!CHECK_INT(rlx_registry_find("test:0", &found), RLX_OK)) return;
    const rlx_device_properties *p = found.properties;
    CHECK(p->struct_size == sizeof *p && p->units == 1 && p->subgroup_min == 1 && p->subgroup_max == 1);
    CHECK(p->timer_ns == 1 && p->limits.binding_alignment == 1);
    CHECK_STRING(p->backend, "test");
    CHECK_STRING(p->description, "");
    CHECK_STRING(p->driver, "");
    CHECK_STRING(p->id, "");
    CHECK_STRING(p->architecture, "");
}

IN_CHILD(a_device_that_cannot_be_described_is_told_and_the_others_listed) {
    device_count = 3;
    devices[1] = (rlx_device_properties){ .struct_size = 0 };
    devices[2] = sound;
    devices[2].name = "test:2";
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK(listed("test:0") && listed("test:2"));
    CHECK_STRING(report_of("test").reason, "device 1 is refused: its fan is broken");
    rlx_registry_device found;
    CHECK_INT(rlx_registry_find("test:2", &found), RLX_OK);
    CHECK_UINT(found.index, 2);
}

IN_CHILD(a_device_is_called_after_its_backend) {
    static const char *const wrong[] = { NULL, "", "gpu:0", "tes", "test2", "test:a b", "test:\n" };
    enum { COUNT = sizeof wrong / sizeof *wrong };
    rlx_device_properties ours, theirs = sound;
    for (int i = 0; i < COUNT; i++) {
        theirs.name = wrong[i];
        CHECK_INT(rlx_properties_check(table, &theirs, &ours), RLX_ERROR_INVALID);
        CHECK_HOLDS(rlx_error_aside(), "its name must be 'test', or 'test:'");
    }
    char long_name[80] = "test:";
    memset(long_name + 5, '0', sizeof long_name - 6);
    theirs.name = long_name;
    CHECK_INT(rlx_properties_check(table, &theirs, &ours), RLX_ERROR_INVALID);
    long_name[63] = '\0';
    CHECK_INT(rlx_properties_check(table, &theirs, &ours), RLX_OK);
}

IN_CHILD(two_devices_of_one_name_are_not_both_listed) {
    device_count = 2;
    devices[1] = sound;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK_STRING(report_of("test").reason, "device 1 is refused: its name 'test:0' is device 0's");
    CHECK_UINT(report_of("test").devices, 1);
}

/* ---- The list ---- */

IN_CHILD(devices_are_listed_best_first) {
    static const rlx_device_kind kinds[] = { RLX_DEVICE_OTHER, RLX_DEVICE_CPU, RLX_DEVICE_INTEGRATED_GPU,
                                             RLX_DEVICE_DISCRETE_GPU };
    static const char *const names[] = { "test:other", "test:cpu", "test:integrated", "test:discrete" };
    static const char *const expected[] = {
        "test:discrete", "test:integrated", "cpu", "test:cpu", "sync", "test:other"
    };
    device_count = 4;
    for (int i = 0; i < 4; i++) {
        devices[i] = sound;
        devices[i].kind = kinds[i];
        devices[i].name = names[i];
    }
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    const rlx_device_properties *list[8];
    uint32_t count = 0;
    CHECK_INT(rlx_devices_list(list, 8, &count), RLX_OK);
    if (!CHECK_UINT(count, 6)) return;
    for (uint32_t i = 0; i < count; i++) {
        rlx_registry_device found;
        CHECK_STRING(list[i]->name, expected[i]);
        CHECK_INT(rlx_registry_at(i, &found), RLX_OK);
        CHECK(found.properties == list[i]);
    }
    rlx_registry_device found;
    CHECK_INT(rlx_registry_at(count, &found), RLX_ERROR_NOT_FOUND);
}

IN_CHILD(a_list_writes_no_more_than_its_capacity) {
    const rlx_device_properties *list[2] = { NULL, NULL };
    rlx_backend_report reports[2] = { { .path = NULL }, { .path = NULL } };
    uint32_t count = 0;
    CHECK_INT(rlx_devices_list(list, 1, &count), RLX_OK);
    CHECK(count == 2 && list[0] && !list[1]);
    CHECK_INT(rlx_backends_report(reports, 1, &count), RLX_OK);
    CHECK(count >= 2 && reports[0].path && !reports[1].path);
    CHECK_INT(rlx_devices_list(NULL, 0, &count), RLX_OK);
    CHECK_INT(rlx_devices_list(NULL, 1, &count), RLX_ERROR_INVALID);
    CHECK_INT(rlx_devices_list(list, 1, NULL), RLX_ERROR_INVALID);
    CHECK_INT(rlx_backends_report(NULL, 1, &count), RLX_ERROR_INVALID);
    CHECK_INT(rlx_backends_report(reports, 1, NULL), RLX_ERROR_INVALID);
}

IN_CHILD(a_name_that_nothing_has_gets_the_list_of_what_there_is) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    rlx_registry_device found;
    CHECK_INT(rlx_registry_find("gpu", &found), RLX_ERROR_NOT_FOUND);
    CHECK_HOLDS(rlx_last_error(), "no device is called 'gpu'; there are: cpu, sync, test:0");
    CHECK_INT(rlx_registry_find("test:7", &found), RLX_ERROR_NOT_FOUND);
    CHECK_HOLDS(rlx_last_error(), "(backend test: it lists 1 device)");
    CHECK_INT(rlx_registry_find("", &found), RLX_ERROR_NOT_FOUND);
}

/* ---- Opening ---- */

IN_CHILD(opening_hands_over_the_handle_and_checked_properties) {
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    rlx_registry_device found;
    if (!CHECK_INT(rlx_registry_find("test", &found), RLX_OK)) return;
    void *handle = NULL;
    rlx_device_properties properties, other = sound;
    CHECK_INT(rlx_registry_open(&found, NULL, &handle, &properties), RLX_OK);
    CHECK(handle == &devices[0] && opens == 1 && properties.units == 1);
    other.units = 5;
    opened_properties = &other;
    CHECK_INT(rlx_registry_open(&found, NULL, &handle, &properties), RLX_OK);
    CHECK(opens == 2 && properties.units == 5);
    other.limits.buffer_args = 1;
    CHECK_INT(rlx_registry_open(&found, NULL, &handle, &properties), RLX_ERROR_LIMIT);
    CHECK_STRING(rlx_last_error(), "test:0: limits.buffer_args is 1, below the floor of 8");
    CHECK_UINT(opens, 2); /* closed again */
    probe_status = RLX_ERROR_DEVICE_LOST;
    CHECK_INT(rlx_registry_open(&found, NULL, &handle, &properties), RLX_ERROR_DEVICE_LOST);
    CHECK_STRING(rlx_last_error(), "test:0: it is busy");
}

static uint32_t allowed;

static bool allow_some(size_t size) {
    (void)size;
    return allowed > 0 && allowed--;
}

IN_CHILD(auto_tells_of_the_best_device_if_none_opens_and_of_none_otherwise) {
    uint32_t count;
    rlx_device *device = NULL;
    devices[0].kind = RLX_DEVICE_DISCRETE_GPU;
    CHECK_INT(rlx_backend_register(entry), RLX_OK);
    CHECK_INT(rlx_devices_list(NULL, 0, &count), RLX_OK);
    CHECK_INT(rlx_devices_list(NULL, 1, &count), RLX_ERROR_INVALID);
    char before[1024];
    snprintf(before, sizeof before, "%s", rlx_last_error());
    probe_status = RLX_ERROR_DEVICE_LOST;
    CHECK_INT(rlx_device_open("auto", NULL, &device), RLX_OK);
    if (device) CHECK_STRING(rlx_device_info(device)->name, "cpu");
    CHECK_STRING(rlx_last_error(), before); /* the last call that returned an error */
    rlx_device_release(device);
    allowed = 1; /* for the first device: all others find no memory */
    atomic_store(&rlx_allocation_check, allow_some);
    CHECK_INT(rlx_device_open("auto", NULL, &device), RLX_ERROR_DEVICE_LOST);
    atomic_store(&rlx_allocation_check, NULL);
    CHECK_STRING(rlx_last_error(), "test:0: it is busy");
}

static const tap_test tests[] = {
    TAP(auto_tells_of_the_best_device_if_none_opens_and_of_none_otherwise),
    TAP(a_sound_table_is_taken_and_its_device_listed),
    TAP(a_table_that_ends_in_its_name_is_refused),
    TAP(each_missing_function_is_named),
    TAP(a_synchronous_backend_needs_neither_wait_nor_query),
    TAP(both_ways_to_end_a_batch_at_once_are_refused),
    TAP(an_older_and_smaller_table_is_widened_with_null),
    TAP(half_a_function_at_the_end_of_a_table_is_none),
    TAP(a_newer_and_larger_table_is_taken),
    TAP(another_major_version_is_refused),
    TAP(a_table_without_its_required_part_is_refused),
    TAP(functions_that_come_in_pairs_are_refused_alone),
    TAP(a_name_is_of_letters_digits_and_dashes),
    TAP(of_two_backends_of_one_name_the_first_wins),
    TAP(registering_says_what_is_wrong_with_the_entry),
    TAP(backends_are_registered_before_the_first_look),
    TAP(opening_by_name_probes_no_other_backend),
    TAP(a_backend_is_probed_once),
    TAP(a_probe_that_fails_or_finds_nothing_leaves_its_reason),
    TAP(no_device_without_a_reason_is_told_too),
    TAP(a_message_with_no_device_is_the_reason),
    TAP(a_count_gone_wrong_is_cut),
    TAP(many_threads_may_ask_at_once),
    TAP(a_call_back_into_the_registry_is_refused_not_a_deadlock),
    TAP(log_lines_of_a_probe_come_under_no_lock),
    TAP(a_device_below_the_floor_of_buffer_size_is_refused),
    TAP(a_device_below_the_floor_of_binding_size_is_refused),
    TAP(a_device_below_the_floor_of_binding_alignment_is_refused),
    TAP(a_device_below_the_floor_of_odd_binding_alignment_is_refused),
    TAP(a_device_below_the_floor_of_buffer_args_is_refused),
    TAP(a_device_below_the_floor_of_value_bytes_is_refused),
    TAP(a_device_below_the_floor_of_groups_x_is_refused),
    TAP(a_device_below_the_floor_of_groups_y_is_refused),
    TAP(a_device_below_the_floor_of_groups_z_is_refused),
    TAP(a_device_below_the_floor_of_group_size_x_is_refused),
    TAP(a_device_below_the_floor_of_group_size_y_is_refused),
    TAP(a_device_below_the_floor_of_group_size_z_is_refused),
    TAP(a_device_below_the_floor_of_group_threads_is_refused),
    TAP(a_device_below_the_floor_of_shared_bytes_is_refused),
    TAP(a_device_below_the_floor_of_storage_types_is_refused),
    TAP(a_device_below_the_floor_of_compute_types_is_refused),
    TAP(a_device_below_the_floor_of_formats_is_refused),
    TAP(a_device_below_the_floor_of_kinds_is_refused),
    TAP(a_device_below_the_floor_of_progress_is_refused),
    TAP(a_device_below_the_floor_of_the_struct_is_refused),
    TAP(what_a_device_leaves_zero_gets_its_default),
    TAP(a_device_that_cannot_be_described_is_told_and_the_others_listed),
    TAP(a_device_is_called_after_its_backend),
    TAP(two_devices_of_one_name_are_not_both_listed),
    TAP(devices_are_listed_best_first),
    TAP(a_list_writes_no_more_than_its_capacity),
    TAP(a_name_that_nothing_has_gets_the_list_of_what_there_is),
    TAP(opening_hands_over_the_handle_and_checked_properties),
};

TAP_MAIN(tests)
