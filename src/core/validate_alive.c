/* What is left when a device is released. Objects hold their device, in whatever order they are released (rule 7), so
 * nothing breaks, but what is never released keeps the device open for ever. So the user's references are counted
 * apart: when the user's last one to the device goes, every object that the user still has is told, and host memory
 * that cannot be freed without the device. Objects that only submitted work or programs hold go with them, and are
 * not. */
#include "validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stream.h"

enum { SHOWN = 8 };

/* ---- Objects ---- */

void rlx_validate_object_open(rlx_object *object) {
    rlx_device_checks *checks = object->device->checks;
    atomic_init(&object->users, object->type == RLX_OBJECT_STAGING ? 0 : 1);
    rlx_lock(&checks->lock);
    object->next_alive = checks->objects;
    if (checks->objects) checks->objects->previous_alive = object;
    checks->objects = object;
    rlx_unlock(&checks->lock);
}

void rlx_validate_object_close(rlx_object *object) {
    rlx_device_checks *checks = object->device->checks;
    rlx_lock(&checks->lock);
    *(object->previous_alive ? &object->previous_alive->next_alive : &checks->objects) = object->next_alive;
    if (object->next_alive) object->next_alive->previous_alive = object->previous_alive;
    rlx_unlock(&checks->lock);
}

/* ---- Host memory ---- */

rlx_status rlx_validate_host_block_open(rlx_device *device, void *pointer, uint64_t size) {
    rlx_host_block *block = rlx_allocate(sizeof *block);
    if (!block) return rlx_fail_memory("the validation of host memory");
    *block = (rlx_host_block){ NULL, pointer, size };
    rlx_lock(&device->checks->lock);
    block->next = device->checks->host_blocks;
    device->checks->host_blocks = block;
    rlx_unlock(&device->checks->lock);
    return RLX_OK;
}

void rlx_validate_host_block_close(rlx_device *device, void *pointer) {
    rlx_lock(&device->checks->lock);
    rlx_host_block **link = &device->checks->host_blocks, *block;
    while (*link && (*link)->pointer != pointer) link = &(*link)->next;
    block = *link;
    if (block) *link = block->next;
    rlx_unlock(&device->checks->lock);
    rlx_free(block);
}

/* ---- The report ---- */

typedef struct report {
    char text[768];
    size_t used;
    uint32_t found;
} report;

static RLX_PRINTF(2, 3) void add(report *r, const char *format, ...) {
    va_list arguments;
    if (++r->found > SHOWN) return;
    if (r->found > 1) r->used += (size_t)snprintf(r->text + r->used, sizeof r->text - r->used, ", ");
    va_start(arguments, format);
    r->used += (size_t)vsnprintf(r->text + r->used, sizeof r->text - r->used, format, arguments);
    va_end(arguments);
}

/* Names are cut, so that as many as are shown fit. */
static void add_object(report *r, const rlx_object *object) {
    char name[64];
    switch ((rlx_object_type)object->type) {
    case RLX_OBJECT_BUFFER: {
        const rlx_buffer *buffer = (const rlx_buffer *)object;
        rlx_buffer_name(buffer, name);
        if (!buffer->properties.label[0]) add(r, "%s", name);
        else add(r, "%s of %llu bytes", name, (unsigned long long)buffer->size);
        break;
    }
    case RLX_OBJECT_KERNEL: add(r, "kernel '%.40s'", ((const rlx_kernel *)object)->properties.name); break;
    case RLX_OBJECT_PROGRAM: add(r, "program '%.40s'", ((const rlx_program *)object)->properties.label); break;
    case RLX_OBJECT_STREAM: add(r, "stream '%.40s'", ((const rlx_stream *)object)->label); break;
    case RLX_OBJECT_STAGING: break;
    }
}

void rlx_validate_device_release(rlx_device *device) {
    rlx_device_checks *checks = device->checks;
    if (atomic_fetch_sub(&checks->users, 1) != 1) return;
    report r = { .text = "" };
    rlx_lock(&checks->lock);
    for (const rlx_object *object = checks->objects; object; object = object->next_alive)
        if (atomic_load(&object->users)) add_object(&r, object);
    for (const rlx_host_block *block = checks->host_blocks; block; block = block->next)
        add(&r, "%llu bytes of host memory", (unsigned long long)block->size);
    rlx_unlock(&checks->lock);
    if (!r.found) return;
    char more[32] = "";
    if (r.found > SHOWN) snprintf(more, sizeof more, " and %u more", r.found - SHOWN);
    (void)rlx_fail(RLX_ERROR_ORDER,
                   "%s: validation: the device is released, and still alive are %s%s: it stays open until they are "
                   "released, too (host memory: before the device)",
                   device->name, r.text, more);
    rlx_note(RLX_LOG_ERROR, "%s", rlx_last_error());
}
