/* `rlx devices`: every device with its figures, and every backend or file that gave none, with the reason. The figures
 * of memory need the device to be open, so each is opened, and one that cannot be is listed with what it said. */
#include "json.h"
#include "tool.h"

#include <rlx/driver.h>

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: rlx devices [--json]\n"
    "\n"
    "Lists the devices of this machine, best first, and then what was refused, with the reason.\n"
    "\n"
    "    --json    an object with `devices` and `backends`, for programs\n"
    "\n"
    "RLX_VALIDATE=1 in the environment makes every device look for mistakes of the program.\n";

/* ---- Words for bits and enums ---- */

typedef struct bit_name {
    uint32_t bit;
    const char *name;
} bit_name;

static const bit_name can_names[] = {
    { RLX_CAN_HOST_POINTER, "host-pointer" },
    { RLX_CAN_GROUP_SIZE, "group-size" },
    { RLX_CAN_DYNAMIC_SHARED, "dynamic-shared" },
    { RLX_CAN_WIDE_VALUES, "wide-values" },
    { RLX_CAN_CANCEL, "cancel" },
    { RLX_CAN_DEVICE_CLOCK, "device-clock" },
    { 0, NULL },
};

static const bit_name type_names[] = {
    { RLX_TYPE_F32, "f32" },
    { RLX_TYPE_I32, "i32" },
    { RLX_TYPE_U32, "u32" },
    { RLX_TYPE_F16, "f16" },
    { RLX_TYPE_BF16, "bf16" },
    { RLX_TYPE_F64, "f64" },
    { RLX_TYPE_I8, "i8" },
    { RLX_TYPE_U8, "u8" },
    { RLX_TYPE_I16, "i16" },
    { RLX_TYPE_U16, "u16" },
    { RLX_TYPE_I64, "i64" },
    { RLX_TYPE_U64, "u64" },
    { 0, NULL },
};

static const char *kind_name(rlx_device_kind kind) {
    switch (kind) {
    case RLX_DEVICE_CPU: return "cpu";
    case RLX_DEVICE_INTEGRATED_GPU: return "integrated-gpu";
    case RLX_DEVICE_DISCRETE_GPU: return "discrete-gpu";
    case RLX_DEVICE_OTHER: break;
    }
    return "other";
}

static const char *progress_name(rlx_progress progress) {
    return progress == RLX_PROGRESS_CALLER ? "caller" : "thread";
}

/* ---- What is listed ---- */

typedef struct device_line {
    const rlx_device_properties *info;
    bool opened;
    rlx_memory_report memory;
    char error[512]; /* why it cannot be opened, or has no figures */
} device_line;

typedef struct device_lines {
    const rlx_device_properties **devices;
    rlx_backend_report *backends;
    uint32_t device_count, backend_count;
} device_lines;

static bool read_lists(device_lines *lines) {
    if (rlx_devices_list(NULL, 0, &lines->device_count) || rlx_backends_report(NULL, 0, &lines->backend_count)) {
        fprintf(stderr, "rlx devices: %s\n", rlx_last_error());
        return false;
    }
    lines->devices = calloc(lines->device_count + 1, sizeof *lines->devices);
    lines->backends = calloc(lines->backend_count + 1, sizeof *lines->backends);
    if (!lines->devices || !lines->backends) {
        fprintf(stderr, "rlx devices: out of memory\n");
        return false;
    }
    if (rlx_devices_list(lines->devices, lines->device_count, &lines->device_count) ||
        rlx_backends_report(lines->backends, lines->backend_count, &lines->backend_count)) {
        fprintf(stderr, "rlx devices: %s\n", rlx_last_error());
        return false;
    }
    return true;
}

static device_line look_at(const rlx_device_properties *info) {
    device_line line = { .info = info };
    rlx_device *device = NULL;
    rlx_status status = rlx_device_open(info->name, NULL, &device);
    line.opened = status == RLX_OK;
    if (status == RLX_OK) status = rlx_device_memory(device, &line.memory);
    if (!line.memory.source) line.memory.source = "source not told";
    if (status) snprintf(line.error, sizeof line.error, "%s", rlx_last_error());
    rlx_device_release(device);
    return line;
}

/* ---- Text ---- */

static void print_bits(const char *title, const bit_name *names, uint32_t bits) {
    printf("    %-13s", title);
    const char *separator = "";
    for (; names->name; names++) {
        if (!(bits & names->bit)) continue;
        printf("%s%s", separator, names->name);
        separator = ", ";
    }
    puts(*separator ? "" : "nothing beyond the floors");
}

static void print_text(const char *title, const char *text) {
    if (text[0]) printf("    %-13s%s\n", title, text);
}

static void print_device(const device_line *line) {
    const rlx_device_properties *info = line->info;
    printf("%s (%s)\n", info->name, kind_name(info->kind));
    print_text("what", info->description);
    print_text("driver", info->driver);
    print_text("architecture", info->architecture);
    print_text("id", info->id);
    printf("    %-13s%u\n", "units", info->units);
    if (line->error[0]) {
        print_text(line->opened ? "memory" : "cannot open", line->error);
    } else {
        char free[32], total[32];
        printf("    %-13s%s free of %s (%s)\n", "memory", tool_bytes(line->memory.free, free, sizeof free),
               tool_bytes(line->memory.total, total, sizeof total), line->memory.source);
    }
    printf("    %-13s", "kernels");
    for (uint32_t i = 0; i < info->format_count; i++) printf("%s%s", i ? ", " : "", info->formats[i].name);
    printf("\n    %-13s%s%s\n", "progress",
           info->progress == RLX_PROGRESS_CALLER ? "inside submit and wait" : "by itself",
           info->thread_bound ? "; bound to the thread that opens it" : "");
    print_bits("can", can_names, info->can);
    print_bits("types", type_names, info->compute_types);
}

/* Everything that gave no device, and devices that were refused one by one: their backend's reason tells. */
static void print_backends(const device_lines *lines) {
    bool title = false;
    for (uint32_t i = 0; i < lines->backend_count; i++) {
        const rlx_backend_report *report = &lines->backends[i];
        bool whole = report->taken && report->devices > 0 && strncmp(report->reason, "it lists", 8) == 0;
        if (whole) continue;
        if (!title) printf("\nNot listed\n");
        title = true;
        const char *name = report->name[0] ? report->name : report->path;
        printf("    %s: %s%s\n", name, report->taken ? "" : "refused: ", report->reason);
        if (report->name[0] && report->path[0]) printf("        (%s)\n", report->path);
    }
}

static void print_lines(const device_lines *lines) {
    const char *validate = getenv("RLX_VALIDATE");
    if (validate && validate[0] && strcmp(validate, "0") != 0)
        puts("RLX_VALIDATE is set: every device is validated, and slow (docs/validation.md)\n");
    for (uint32_t i = 0; i < lines->device_count; i++) {
        device_line line = look_at(lines->devices[i]);
        print_device(&line);
    }
    print_backends(lines);
}

/* ---- JSON ---- */

static void write_bits(json *j, const char *key, const bit_name *names, uint32_t bits) {
    json_open(j, key, '[');
    for (; names->name; names++)
        if (bits & names->bit) json_text(j, NULL, names->name);
    json_close(j, ']');
}

static void write_triple(json *j, const char *key, const uint32_t triple[3]) {
    json_open(j, key, '[');
    for (int i = 0; i < 3; i++) json_integer(j, NULL, triple[i]);
    json_close(j, ']');
}

static void write_limits(json *j, const rlx_limits *limits) {
    json_open(j, "limits", '{');
    json_integer(j, "buffer_size", limits->buffer_size);
    json_integer(j, "binding_size", limits->binding_size);
    json_integer(j, "binding_alignment", limits->binding_alignment);
    json_integer(j, "buffer_args", limits->buffer_args);
    json_integer(j, "value_bytes", limits->value_bytes);
    write_triple(j, "groups", limits->groups);
    write_triple(j, "group_size", limits->group_size);
    json_integer(j, "group_threads", limits->group_threads);
    json_integer(j, "shared_bytes", limits->shared_bytes);
    json_close(j, '}');
}

static void write_memory(json *j, const device_line *line) {
    json_text(j, "error", line->error[0] ? line->error : NULL);
    if (line->error[0]) {
        json_null(j, "memory");
        return;
    }
    json_open(j, "memory", '{');
    json_integer(j, "total", line->memory.total);
    json_integer(j, "free", line->memory.free);
    json_text(j, "source", line->memory.source);
    json_close(j, '}');
}

static void write_device(json *j, const device_line *line) {
    const rlx_device_properties *info = line->info;
    json_open(j, NULL, '{');
    json_text(j, "name", info->name);
    json_text(j, "kind", kind_name(info->kind));
    json_text(j, "backend", info->backend);
    json_text(j, "description", info->description);
    json_text(j, "driver", info->driver);
    json_text(j, "architecture", info->architecture);
    json_text(j, "id", info->id);
    json_integer(j, "units", info->units);
    json_bool(j, "opens", line->opened);
    write_memory(j, line);
    json_open(j, "formats", '[');
    for (uint32_t i = 0; i < info->format_count; i++) json_text(j, NULL, info->formats[i].name);
    json_close(j, ']');
    json_text(j, "progress", progress_name(info->progress));
    json_bool(j, "thread_bound", info->thread_bound);
    write_bits(j, "can", can_names, info->can);
    write_bits(j, "storage_types", type_names, info->storage_types);
    write_bits(j, "compute_types", type_names, info->compute_types);
    json_integer(j, "subgroup_min", info->subgroup_min);
    json_integer(j, "subgroup_max", info->subgroup_max);
    json_integer(j, "timer_ns", info->timer_ns);
    write_limits(j, &info->limits);
    json_close(j, '}');
}

static void write_backend(json *j, const rlx_backend_report *report) {
    json_open(j, NULL, '{');
    json_text(j, "name", report->name);
    json_text(j, "path", report->path);
    json_bool(j, "taken", report->taken);
    json_integer(j, "devices", report->devices);
    json_text(j, "reason", report->reason);
    json_close(j, '}');
}

static void write_lines(const device_lines *lines) {
    json j = { .file = stdout };
    json_open(&j, NULL, '{');
    json_open(&j, "devices", '[');
    for (uint32_t i = 0; i < lines->device_count; i++) {
        device_line line = look_at(lines->devices[i]);
        write_device(&j, &line);
    }
    json_close(&j, ']');
    json_open(&j, "backends", '[');
    for (uint32_t i = 0; i < lines->backend_count; i++) write_backend(&j, &lines->backends[i]);
    json_close(&j, ']');
    json_close(&j, '}');
}

int rlx_tool_devices(int argc, char **argv) {
    tool_options options = { .argc = argc, .argv = argv };
    bool as_json = false;
    for (const char *argument; (argument = tool_next(&options));) {
        if (tool_is(argument, "--help")) {
            fputs(help, stdout);
            return TOOL_OK;
        }
        if (!tool_is(argument, "--json")) return tool_unknown(&options, argument);
        as_json = true;
    }
    device_lines lines = { NULL, NULL, 0, 0 };
    bool read = read_lists(&lines);
    if (read && as_json) write_lines(&lines);
    else if (read) print_lines(&lines);
    free(lines.devices);
    free(lines.backends);
    return read ? TOOL_OK : TOOL_FAILED;
}
