/* Objects: one reference count for everything that belongs to a device. The last release destroys at once, on whatever
 * thread it happens, except on a thread-bound device: there the object waits in the device's graveyard until its own
 * thread next calls (rlx_device_chores). Every object holds its device, so that the order of releases never matters. */
#include "core.h"
#include "program.h"
#include "stream.h"
#include "validate.h"

void rlx_object_init(rlx_object *object, rlx_object_type type, rlx_device *device) {
    atomic_init(&object->refs, 1);
    object->type = (uint16_t)type;
    object->place = (uint16_t)(((uintptr_t)object >> 5 ^ (uintptr_t)object >> 14) & (RLX_HOLD_CACHE - 1));
    object->device = device;
    rlx_device_hold(device);
    if (device->checks) rlx_validate_object_open(object);
}

void rlx_object_own(rlx_object *object) {
    if (object->device->checks) atomic_fetch_add(&object->users, 1);
    rlx_object_retain(object);
}

void rlx_object_disown(rlx_object *object) {
    if (object->device->checks) atomic_fetch_sub(&object->users, 1);
    rlx_object_release(object);
}

bool rlx_object_try_retain(rlx_object *object) {
    uint32_t refs = atomic_load_explicit(&object->refs, memory_order_relaxed);
    while (refs)
        if (atomic_compare_exchange_weak_explicit(&object->refs, &refs, refs + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void object_destroy(rlx_object *object) {
    rlx_device *device = object->device;
    if (device->checks) rlx_validate_object_close(object);
    switch ((rlx_object_type)object->type) {
    case RLX_OBJECT_BUFFER: rlx_buffer_destroy((rlx_buffer *)object); break;
    case RLX_OBJECT_KERNEL: rlx_kernel_destroy((rlx_kernel *)object); break;
    case RLX_OBJECT_PROGRAM: rlx_program_destroy((rlx_program *)object); break;
    case RLX_OBJECT_STAGING: rlx_staging_destroy(object); break;
    case RLX_OBJECT_STREAM: rlx_stream_destroy((rlx_stream *)object); break;
    }
    rlx_device_drop(device);
}

void rlx_object_release(rlx_object *object) {
    /* Release orders this thread's uses before the count, acquire those of the others before the destruction. */
    if (atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) != 1 || rlx_forked()) return;
    rlx_device *device = object->device;
    if (device->owner && device->owner != rlx_thread_id()) {
        rlx_lock(&device->lock);
        object->next_dead = device->graveyard;
        device->graveyard = object;
        atomic_store(&device->chores, true);
        rlx_unlock(&device->lock);
        return;
    }
    object_destroy(object);
}

void rlx_object_reap(rlx_device *device) {
    rlx_lock(&device->lock);
    rlx_object *dead = device->graveyard;
    device->graveyard = NULL;
    rlx_unlock(&device->lock);
    while (dead) {
        rlx_object *next = dead->next_dead;
        object_destroy(dead);
        dead = next;
    }
}
