/* Buffers, and the place where a byte range is checked. (dispatch.c has the usual case in line.) */
#include <string.h>

#include "core.h"
#include "validate.h"

#define BUFFER_GUARD 4096 /* between the hazard addresses of two buffers without a host address */

/* Addresses for hazards of memory that the host cannot address. */
static _Atomic uint64_t next_address = UINT64_C(1) << 63;

/* Commands write whole words at edges (rule 14), so blocks are whole words, and never nothing. */
static uint64_t allocated_size(uint64_t size) { return size ? (size + 3) & ~UINT64_C(3) : 4; }

/* OVERCOMMIT. The system hands out more of the host's memory than it has, and ends a process that believes it. So where
 * a device's memory is the host's, what would go beyond the machine's (or the container's) is refused here. */
static bool count_up(rlx_device *device, uint64_t size) {
    uint64_t used = atomic_load_explicit(&device->used, memory_order_relaxed);
    do
        if (used > device->memory_most || size > device->memory_most - used) return false;
    while (!atomic_compare_exchange_weak(&device->used, &used, used + size));
    return true;
}

static void count_down(rlx_device *device, uint64_t size) { atomic_fetch_sub(&device->used, size); }

static rlx_status allocate_block(rlx_device *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    if (!count_up(device, size))
        return rlx_fail(RLX_ERROR_OUT_OF_MEMORY,
                        "%s: a buffer of %llu bytes, where buffers use %llu of the host's %llu already", device->name,
                        (unsigned long long)size, (unsigned long long)atomic_load(&device->used),
                        (unsigned long long)device->memory_most);
    rlx_error_clear();
    uint64_t guard = rlx_validate_guard(device);
    rlx_status status = device->backend.memory_allocate(device->handle, size + 2 * guard, kind, block);
    if (!status && guard) block->host = (unsigned char *)block->host + guard;
    if (!status) return RLX_OK;
    count_down(device, size);
    return rlx_fail_within(status, "%s: a buffer of %llu bytes", device->name, (unsigned long long)size);
}

rlx_status rlx_buffer_create(rlx_device *device, const rlx_buffer_desc *desc, rlx_buffer **result) {
    rlx_status status = rlx_device_enter(device);
    if (status) return status;
    if (!desc || !result) return rlx_fail(RLX_ERROR_INVALID, "rlx_buffer_create: %s is NULL", desc ? "buffer" : "desc");
    status = rlx_check_next(desc->next, "rlx_buffer_desc");
    if (status) return status;
    if (desc->memory != RLX_MEMORY_DEVICE && desc->memory != RLX_MEMORY_SHARED)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_buffer_desc.memory: %d is no kind of memory", (int)desc->memory);
    if (desc->memory == RLX_MEMORY_SHARED && !(device->properties.can & RLX_CAN_HOST_POINTER))
        return rlx_fail(RLX_ERROR_UNSUPPORTED, "%s: no memory that the host can address too; use RLX_MEMORY_DEVICE",
                        device->name);
    if (desc->size > device->properties.limits.buffer_size || desc->size > UINT64_MAX / 4)
        return rlx_fail(RLX_ERROR_LIMIT, "%s: a buffer of %llu bytes; the limit is %llu", device->name,
                        (unsigned long long)desc->size, (unsigned long long)device->properties.limits.buffer_size);
    status = rlx_device_check_lost(device);
    if (status) return status;

    size_t label = desc->label ? strlen(desc->label) + 1 : 1;
    rlx_buffer *buffer = rlx_allocate(sizeof *buffer + label);
    if (!buffer) return rlx_fail_memory("a buffer");
    buffer->size = desc->size;
    buffer->allocated = allocated_size(desc->size);
    status = allocate_block(device, buffer->allocated, desc->memory, &buffer->block);
    if (status) {
        rlx_free(buffer);
        return status;
    }
    rlx_object_init(&buffer->object, RLX_OBJECT_BUFFER, device);
    buffer->address = buffer->block.host ? (uint64_t)(uintptr_t)buffer->block.host
                                         : atomic_fetch_add(&next_address, buffer->allocated + BUFFER_GUARD);
    char *text = (char *)(buffer + 1);
    if (desc->label) memcpy(text, desc->label, label);
    buffer->properties = (rlx_buffer_properties){ device, desc->size, desc->memory, text };
    status = device->checks ? rlx_validate_buffer_open(buffer) : RLX_OK;
    if (status) {
        rlx_object_release(&buffer->object);
        return status;
    }
    *result = buffer;
    return RLX_OK;
}

void rlx_buffer_destroy(rlx_buffer *buffer) {
    rlx_device *device = buffer->object.device;
    if (buffer->checks) rlx_validate_buffer_close(buffer);
    device->backend.memory_free(device->handle, buffer->block.memory);
    if (!rlx_lie("used-memory-never-falls")) count_down(device, buffer->allocated);
    rlx_free(buffer);
}

void rlx_buffer_retain(rlx_buffer *buffer) {
    if (buffer) rlx_object_own(&buffer->object);
}

void rlx_buffer_release(rlx_buffer *buffer) {
    if (buffer && rlx_lie("release-spoils-the-bytes")) memset(buffer->block.host, 0xdd, buffer->allocated);
    if (buffer) rlx_object_disown(&buffer->object);
}

const rlx_buffer_properties *rlx_buffer_info(const rlx_buffer *buffer) { return buffer ? &buffer->properties : NULL; }

rlx_status rlx_buffer_host_pointer(rlx_buffer *buffer, void **pointer) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    if (!buffer || !pointer)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_buffer_host_pointer: %s is NULL", buffer ? "pointer" : "buffer");
    status = rlx_device_enter(buffer->object.device);
    if (status) return status;
    if (buffer->properties.memory != RLX_MEMORY_SHARED)
        return rlx_fail(RLX_ERROR_UNSUPPORTED, "buffer '%s' has no host pointer: create it with RLX_MEMORY_SHARED",
                        buffer->properties.label);
    if (buffer->checks) rlx_validate_expose(buffer);
    *pointer = buffer->block.host;
    return RLX_OK;
}

rlx_status rlx_range_resolve(const rlx_device *device, const rlx_range *range, const char *what,
                             rlx_resolved *resolved) {
    if (rlx_range_plain(device, range, resolved)) return RLX_OK;
    rlx_buffer *buffer = range->buffer;
    if (range->slot_plus_one) {
        if (range->slot_plus_one > RLX_SLOT_MAX)
            return rlx_fail(RLX_ERROR_LIMIT, "%s: slot %u; slots are below %d", what, range->slot_plus_one - 1,
                            RLX_SLOT_MAX);
        if (buffer || range->offset)
            return rlx_fail(RLX_ERROR_INVALID, "%s: a slot's range has neither buffer nor offset", what);
        *resolved = (rlx_resolved){ .size = range->size, .slot_plus_one = range->slot_plus_one };
        return RLX_OK;
    }
    if (!buffer) return rlx_fail(RLX_ERROR_INVALID, "%s: the buffer is NULL", what);
    if (buffer->object.device != device)
        return rlx_fail(
            RLX_ERROR_INVALID,
            "%s: the buffer is of another device (%s) than the stream (%s); use rlx_transfer between devices", what,
            buffer->object.device->name, device->name);
    return rlx_fail(RLX_ERROR_RANGE, "%s: %llu bytes from offset %llu in a buffer of %llu bytes", what,
                    (unsigned long long)range->size, (unsigned long long)range->offset,
                    (unsigned long long)buffer->size);
}
