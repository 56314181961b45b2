/* Kernels: a signature that is checked once, and the first of several codes that the device can run. */
#include <string.h>

#include "trace.h"

static bool takes(const rlx_device *device, uint32_t format) {
    for (uint32_t i = 0; i < device->properties.format_count; i++)
        if (device->properties.formats[i].format == format) return true;
    return false;
}

/* "host, library, c" */
static void format_names(const rlx_device *device, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < device->properties.format_count; i++) {
        const char *name = device->properties.formats[i].name;
        size_t length = strlen(name);
        if (used + length + 3 > size) break;
        if (i) memcpy(text + used, ", ", 2), used += 2;
        memcpy(text + used, name, length + 1), used += length;
    }
}

rlx_status rlx_group_check(const rlx_device *device, const uint32_t group_size[3], uint64_t shared_bytes) {
    const rlx_limits *limits = &device->properties.limits;
    uint64_t threads = 1;
    for (int i = 0; i < 3; i++) {
        if (group_size[i] > limits->group_size[i])
            return rlx_fail(RLX_ERROR_LIMIT, "%s: group size %u in dimension %d; the limit is %u", device->name,
                            group_size[i], i, limits->group_size[i]);
        threads *= group_size[i]; /* the first two fit in 64 bits, and the third is checked below them */
        if (threads > limits->group_threads)
            return rlx_fail(RLX_ERROR_LIMIT, "%s: a group of %llu threads; the limit is %u", device->name,
                            (unsigned long long)threads, limits->group_threads);
    }
    if (shared_bytes > limits->shared_bytes)
        return rlx_fail(RLX_ERROR_LIMIT, "%s: %llu bytes of shared memory; the limit is %u", device->name,
                        (unsigned long long)shared_bytes, limits->shared_bytes);
    return RLX_OK;
}

/* Fills in a parameter's defaults and counts it. */
static rlx_status check_param(rlx_kernel *kernel, uint32_t i, const rlx_device *device, rlx_param *param) {
    if (param->access == RLX_READ || param->access == RLX_WRITE || param->access == RLX_READ_WRITE) {
        if (param->access != RLX_READ) kernel->written[kernel->written_count++] = (uint8_t)kernel->buffers;
        kernel->buffers++;
        return RLX_OK;
    }
    if (param->access != RLX_VALUE)
        return rlx_fail(RLX_ERROR_INVALID, "parameter %u: %d is no access", i, (int)param->access);
    if (!param->size) param->size = 4;
    if (!param->alignment)
        param->alignment = param->size == 1 || param->size == 2 || param->size == 4 ? param->size : 8;
    if (param->alignment > 16 || (param->alignment & (param->alignment - 1)))
        return rlx_fail(RLX_ERROR_INVALID, "parameter %u: alignment %u; a power of two up to 16", i, param->alignment);
    if (!(device->properties.can & RLX_CAN_WIDE_VALUES) && (param->size != 4 || param->alignment != 4))
        return rlx_fail(RLX_ERROR_UNSUPPORTED, "parameter %u: %s takes values of 4 bytes only", i, device->name);
    if (param->size > device->properties.limits.value_bytes)
        return rlx_fail(RLX_ERROR_LIMIT, "parameter %u: a value of %u bytes; the limit of all values is %u", i,
                        param->size, device->properties.limits.value_bytes);
    kernel->values++;
    if (kernel->value_alignment < param->alignment) kernel->value_alignment = param->alignment;
    kernel->value_bytes = (kernel->value_bytes + param->alignment - 1) & ~(param->alignment - 1);
    kernel->value_bytes += param->size;
    return RLX_OK;
}

static rlx_status check_signature(rlx_kernel *kernel, const rlx_device *device, rlx_param *params) {
    const rlx_limits *limits = &device->properties.limits;
    for (uint32_t i = 0; i < kernel->properties.param_count; i++) {
        rlx_status status = check_param(kernel, i, device, &params[i]);
        if (status) return status;
        if (kernel->buffers > limits->buffer_args)
            return rlx_fail(RLX_ERROR_LIMIT, "more than %u buffer parameters, the limit of %s", limits->buffer_args,
                            device->name);
        if (kernel->value_bytes > limits->value_bytes)
            return rlx_fail(RLX_ERROR_LIMIT, "more than %u bytes of values, the limit of %s", limits->value_bytes,
                            device->name);
    }
    return rlx_group_check(device, kernel->properties.group_size, kernel->properties.shared_bytes);
}

/* Everything about a dispatch that is the same each time. */
static void make_form(rlx_kernel *kernel, const rlx_device *device) {
    const rlx_kernel_properties *properties = &kernel->properties;
    bool places = !(device->backend.flags & RLX_BACKEND_HOST_MEMORY);
    size_t at = sizeof(rlx_packet_dispatch) + properties->param_count * sizeof(rlx_host_arg);
    kernel->places_at = places ? (uint32_t)at : 0;
    if (places) at += properties->param_count * sizeof(rlx_place);
    kernel->values_at = (uint32_t)at;
    kernel->packet_bytes = (uint32_t)(at + kernel->value_bytes);
    if (kernel->value_alignment > 8) kernel->packet_bytes += 8; /* what comes before the values is a multiple of 8 */
    kernel->form = (rlx_packet_dispatch){ .base.kind = RLX_PACKET_DISPATCH,
                                          .kernel = kernel->handle,
                                          .shared_bytes = properties->shared_bytes,
                                          .arg_count = properties->param_count,
                                          .info = properties };
    memcpy(kernel->form.group_size, properties->group_size, sizeof kernel->form.group_size);
}

/* The first code that the device takes, and the backend too. */
static rlx_status create_code(rlx_kernel *kernel, rlx_device *device, const rlx_kernel_desc *desc) {
    bool refused = false;
    for (uint32_t i = 0; i < desc->code_count; i++) {
        rlx_code code = desc->codes[i];
        rlx_status status = rlx_check_next(code.next, "rlx_code");
        if (status) return status;
        if (code.format == RLX_CODE_NONE || !takes(device, code.format)) continue;
        if (code.format == RLX_CODE_HOST ? !code.function : !code.bytes)
            return rlx_fail(RLX_ERROR_INVALID, "code %u: its function, source, path or bytes is NULL", i);
        if (!code.entry) code.entry = desc->name;
        rlx_error_clear();
        status = device->backend.kernel_create(device->handle, desc, &code, &kernel->handle);
        kernel->properties.format = code.format;
        if (!status) return RLX_OK;
        if (status != RLX_ERROR_UNSUPPORTED) return rlx_fail_within(status, "%s", device->name);
        refused = true; /* and what it said stays, unless a later code does better */
    }
    if (refused) return rlx_fail_within(RLX_ERROR_UNSUPPORTED, "%s", device->name);
    char names[256];
    format_names(device, names, sizeof names);
    return rlx_fail(RLX_ERROR_UNSUPPORTED, "none of its %u codes is in a format that the device takes: %s",
                    desc->code_count, names);
}

static rlx_status check_desc(rlx_device *device, const rlx_kernel_desc *desc) {
    if (!desc) return rlx_fail(RLX_ERROR_INVALID, "desc is NULL");
    rlx_status status = rlx_check_next(desc->next, "rlx_kernel_desc");
    if (status) return status;
    if (desc->param_count && !desc->params) return rlx_fail(RLX_ERROR_INVALID, "params is NULL");
    if (desc->code_count && !desc->codes) return rlx_fail(RLX_ERROR_INVALID, "codes is NULL");
    if (desc->param_count > RLX_PARAM_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "%u parameters; the limit is %d", desc->param_count, RLX_PARAM_MAX);
    return rlx_device_check_lost(device);
}

rlx_status rlx_kernel_create(rlx_device *device, const rlx_kernel_desc *desc, rlx_kernel **result) {
    rlx_status status = rlx_device_enter(device);
    if (status) return status;
    if (!result) return rlx_fail(RLX_ERROR_INVALID, "rlx_kernel_create: kernel is NULL");
    status = check_desc(device, desc);
    const char *name = desc && desc->name ? desc->name : "";
    if (status) return rlx_fail_within(status, "kernel '%s'", name);

    size_t params_size = desc->param_count * sizeof(rlx_param), name_size = strlen(name) + 1;
    rlx_kernel *kernel = rlx_allocate(sizeof *kernel + params_size + name_size);
    if (!kernel) return rlx_fail_memory("a kernel");
    rlx_param *params = (rlx_param *)(kernel + 1);
    char *text = (char *)params + params_size;
    if (params_size) memcpy(params, desc->params, params_size);
    memcpy(text, name, name_size);
    kernel->properties = (rlx_kernel_properties){ .device = device,
                                                  .name = text,
                                                  .params = params,
                                                  .param_count = desc->param_count,
                                                  .shared_bytes = desc->shared_bytes };
    for (int i = 0; i < 3; i++) kernel->properties.group_size[i] = desc->group_size[i] ? desc->group_size[i] : 1;

    status = check_signature(kernel, device, params);
    if (!status) {
        rlx_kernel_desc filled = *desc;
        filled.name = text, filled.params = params;
        memcpy(filled.group_size, kernel->properties.group_size, sizeof filled.group_size);
        uint64_t begun_ns = rlx_trace_now();
        status = create_code(kernel, device, &filled);
        if (begun_ns) rlx_trace_call(begun_ns, "create kernel", name, status);
    }
    if (status) {
        (void)rlx_fail_within(status, "kernel '%s'", name);
        rlx_free(kernel);
        return status;
    }
    make_form(kernel, device);
    rlx_object_init(&kernel->object, RLX_OBJECT_KERNEL, device);
    *result = kernel;
    return RLX_OK;
}

void rlx_kernel_destroy(rlx_kernel *kernel) {
    rlx_device *device = kernel->object.device;
    device->backend.kernel_destroy(device->handle, kernel->handle);
    rlx_free(kernel);
}

void rlx_kernel_retain(rlx_kernel *kernel) {
    if (kernel) rlx_object_own(&kernel->object);
}

void rlx_kernel_release(rlx_kernel *kernel) {
    if (kernel) rlx_object_disown(&kernel->object);
}

const rlx_kernel_properties *rlx_kernel_info(const rlx_kernel *kernel) { return kernel ? &kernel->properties : NULL; }
