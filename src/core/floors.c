/* What a backend hands over, checked before anyone sees it: its table of functions, and the properties of its devices
 * against the floors of docs/design.md. Both are copied into structs as wide as ours, so that nothing behind this file
 * has to ask which version of the interface a plugin was built with. */
#include "core.h"

#include "registry.h"

#include <stdio.h>
#include <string.h>

#define RLX_NAME_SIZE 32        /* of a backend, with its NUL */
#define RLX_DEVICE_NAME_SIZE 64 /* of a device, as in rlx_device */

/* ---- The table ---- */

typedef void (*any_function)(void);

/* A function of the table, and what makes it required. */
typedef struct function_rule {
    const char *name;
    size_t offset;
    uint32_t unless; /* RLX_BACKEND_ bits that make it optional; 0: always required */
} function_rule;

#define RULE(name, unless) \
    { #name, offsetof(rlx_backend, name), unless }

static const function_rule function_rules[] = {
    RULE(probe, 0),
    RULE(describe, 0),
    RULE(device_open, 0),
    RULE(device_close, 0),
    RULE(memory_allocate, 0),
    RULE(memory_free, 0),
    RULE(kernel_create, 0),
    RULE(kernel_destroy, 0),
    RULE(stream_open, 0),
    RULE(stream_close, 0),
    RULE(submit, 0),
    RULE(wait, RLX_BACKEND_SYNCHRONOUS | RLX_BACKEND_COMPLETES),
    RULE(query, RLX_BACKEND_SYNCHRONOUS | RLX_BACKEND_COMPLETES),
};

static bool has_function(const rlx_backend *table, size_t offset) {
    any_function function;
    memcpy(&function, (const char *)table + offset, sizeof function);
    return function != NULL;
}

/* Names all that is missing at once: an author fixes a table in one go. */
static uint32_t list_missing(const rlx_backend *table, char *list, size_t size) {
    uint32_t missing = 0;
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < sizeof function_rules / sizeof *function_rules; i++) {
        const function_rule *rule = &function_rules[i];
        if ((table->flags & rule->unless) || has_function(table, rule->offset)) continue;
        int length = snprintf(list + used, size - used, "%s%s", missing ? ", " : "", rule->name);
        if (length > 0 && (size_t)length < size - used) used += (size_t)length;
        missing++;
    }
    return missing;
}

static bool name_valid(const char *name, const char *also, size_t size) {
    size_t length = strlen(name);
    if (length == 0 || length >= size) return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c != '-' && c != '_' && !strchr(also, c)) return false;
    }
    return true;
}

rlx_status rlx_table_check(const rlx_backend *theirs, rlx_backend *ours) {
    memset(ours, 0, sizeof *ours);
    if (theirs->struct_size < offsetof(rlx_backend, flags)) { /* and so half a name is none */
        return rlx_fail_aside(RLX_ERROR_INVALID,
                              "its table says that it is %u bytes long: set struct_size to its sizeof",
                              theirs->struct_size);
    }
    if (theirs->major != RLX_BACKEND_MAJOR) {
        return rlx_fail_aside(
            RLX_ERROR_VERSION,
            "it was built for version %u of the backend interface and this library has version %u: build "
            "it with this library's <rlx/backend.h>",
            theirs->major, RLX_BACKEND_MAJOR);
    }
    size_t known = theirs->struct_size < sizeof *ours ? theirs->struct_size : sizeof *ours;
    if (known > offsetof(rlx_backend, probe)) /* half a function is none */
        known -= (known - offsetof(rlx_backend, probe)) % sizeof(any_function);
    memcpy(ours, theirs, known);
    ours->struct_size = sizeof *ours;

    if (!ours->name || !name_valid(ours->name, "", RLX_NAME_SIZE)) {
        ours->name = NULL;
        return rlx_fail_aside(RLX_ERROR_INVALID, "its name must be 1 to %d letters, digits, '-' and '_'",
                              RLX_NAME_SIZE - 1);
    }
    char missing[256];
    if (list_missing(ours, missing, sizeof missing) > 0)
        return rlx_fail_aside(RLX_ERROR_INVALID, "required functions are missing: %s", missing);
    if (known < RLX_BACKEND_REQUIRED_SIZE) {
        return rlx_fail_aside(RLX_ERROR_VERSION, "its table has %zu bytes and the required part alone has %zu", known,
                              RLX_BACKEND_REQUIRED_SIZE);
    }
    if ((ours->flags & RLX_BACKEND_SYNCHRONOUS) && (ours->flags & RLX_BACKEND_COMPLETES)) {
        return rlx_fail_aside(RLX_ERROR_INVALID,
                              "it sets both RLX_BACKEND_SYNCHRONOUS and RLX_BACKEND_COMPLETES: a batch "
                              "ends either in submit or by complete");
    }
    if (!ours->host_alloc != !ours->host_free)
        return rlx_fail_aside(RLX_ERROR_INVALID, "host_alloc and host_free come together: %s is missing",
                              ours->host_alloc ? "host_free" : "host_alloc");
    if (!ours->program_create != !ours->program_destroy)
        return rlx_fail_aside(RLX_ERROR_INVALID, "program_create and program_destroy come together: %s is missing",
                              ours->program_create ? "program_destroy" : "program_create");
    return RLX_OK;
}

/* ---- The properties ---- */

/* Everything up to the last field of version 1: what any writer knows. */
#define PROPERTIES_REQUIRED_SIZE (offsetof(rlx_device_properties, format_count) + sizeof(uint32_t))

typedef struct floor_rule {
    const char *name;
    size_t offset; /* within rlx_limits */
    size_t size;   /* of the field: 4 or 8 */
    uint64_t least;
} floor_rule;

#define FLOOR(field, least) \
    { #field, offsetof(rlx_limits, field), sizeof(((rlx_limits *)NULL)->field), least }

static const floor_rule floor_rules[] = {
    FLOOR(buffer_size, UINT64_C(256) << 20),
    FLOOR(binding_size, UINT64_C(128) << 20),
    FLOOR(buffer_args, 8),
    FLOOR(value_bytes, 128),
    FLOOR(groups[0], 65535),
    FLOOR(groups[1], 65535),
    FLOOR(groups[2], 65535),
    FLOOR(group_size[0], 256),
    FLOOR(group_size[1], 256),
    FLOOR(group_size[2], 64),
    FLOOR(group_threads, 256),
    FLOOR(shared_bytes, 16 << 10),
};

static uint64_t limit_value(const rlx_limits *limits, const floor_rule *rule) {
    if (rule->size == sizeof(uint64_t)) {
        uint64_t value;
        memcpy(&value, (const char *)limits + rule->offset, sizeof value);
        return value;
    }
    uint32_t value;
    memcpy(&value, (const char *)limits + rule->offset, sizeof value);
    return value;
}

static rlx_status check_limits(const rlx_limits *limits) {
    for (size_t i = 0; i < sizeof floor_rules / sizeof *floor_rules; i++) {
        const floor_rule *rule = &floor_rules[i];
        uint64_t value = limit_value(limits, rule);
        if (value < rule->least) {
            return rlx_fail_aside(RLX_ERROR_LIMIT, "limits.%s is %llu, below the floor of %llu", rule->name,
                                  (unsigned long long)value, (unsigned long long)rule->least);
        }
    }
    uint32_t alignment = limits->binding_alignment;
    if (alignment > 256 || (alignment & (alignment - 1)) != 0) {
        return rlx_fail_aside(RLX_ERROR_LIMIT,
                              "limits.binding_alignment is %u, and the floor is a power of two up to 256", alignment);
    }
    return RLX_OK;
}

static rlx_status check_types(const char *field, uint32_t types) {
    const uint32_t floor = RLX_TYPE_F32 | RLX_TYPE_I32 | RLX_TYPE_U32;
    if ((types & floor) == floor) return RLX_OK;
    return rlx_fail_aside(RLX_ERROR_LIMIT, "%s lacks%s%s%s, and the floor is f32, i32 and u32", field,
                          types & RLX_TYPE_F32 ? "" : " f32", types & RLX_TYPE_I32 ? "" : " i32",
                          types & RLX_TYPE_U32 ? "" : " u32");
}

static rlx_status check_formats(const rlx_device_properties *properties) {
    if (properties->format_count == 0 || !properties->formats)
        return rlx_fail_aside(RLX_ERROR_INVALID, "it lists no kernel format, so it could run no kernel");
    for (uint32_t i = 0; i < properties->format_count; i++) {
        const rlx_format_info *format = &properties->formats[i];
        if (format->format == RLX_CODE_NONE || !format->name || !name_valid(format->name, ".", RLX_NAME_SIZE))
            return rlx_fail_aside(RLX_ERROR_INVALID, "formats[%u] has no number or no name", i);
    }
    return RLX_OK;
}

static void fill_text(const char **text) {
    if (!*text) *text = "";
}

static void fill_number(uint32_t *number) {
    if (*number == 0) *number = 1;
}

/* Rule 13: zero is a valid default. (A limit of zero is below its floor, and no default.) */
static void fill_defaults(rlx_device_properties *properties, const char *backend) {
    properties->struct_size = sizeof *properties;
    properties->backend = backend;
    fill_text(&properties->description);
    fill_text(&properties->driver);
    fill_text(&properties->id);
    fill_text(&properties->architecture);
    fill_number(&properties->units);
    fill_number(&properties->subgroup_min);
    if (properties->subgroup_max < properties->subgroup_min) properties->subgroup_max = properties->subgroup_min;
    fill_number(&properties->timer_ns);
    fill_number(&properties->limits.binding_alignment);
}

rlx_status rlx_properties_check(const rlx_backend *table, const rlx_device_properties *theirs,
                                rlx_device_properties *ours) {
    if (theirs->struct_size < PROPERTIES_REQUIRED_SIZE) {
        return rlx_fail_aside(RLX_ERROR_VERSION,
                              "its properties say that they are %u bytes long and should be %zu at least",
                              theirs->struct_size, PROPERTIES_REQUIRED_SIZE);
    }
    memset(ours, 0, sizeof *ours);
    memcpy(ours, theirs, theirs->struct_size < sizeof *ours ? theirs->struct_size : sizeof *ours);
    if (!rlx_backend_serves(table, ours->name) || !name_valid(ours->name, ":.", RLX_DEVICE_NAME_SIZE)) {
        return rlx_fail_aside(RLX_ERROR_INVALID,
                              "its name must be '%s', or '%s:' and letters, digits and '-_.:', in all at most %d",
                              table->name, table->name, RLX_DEVICE_NAME_SIZE - 1);
    }
    if ((uint32_t)ours->kind > RLX_DEVICE_DISCRETE_GPU || (uint32_t)ours->progress > RLX_PROGRESS_CALLER)
        return rlx_fail_aside(RLX_ERROR_INVALID, "its kind or its progress is no value of this interface");
    fill_defaults(ours, table->name);
    rlx_status status = check_limits(&ours->limits);
    if (status == RLX_OK) status = check_types("storage_types", ours->storage_types);
    if (status == RLX_OK) status = check_types("compute_types", ours->compute_types);
    if (status == RLX_OK) status = check_formats(ours);
    return status;
}

bool rlx_backend_serves(const rlx_backend *table, const char *device) {
    if (!device) return false;
    size_t length = strlen(table->name);
    return strncmp(device, table->name, length) == 0 && (device[length] == '\0' || device[length] == ':');
}
