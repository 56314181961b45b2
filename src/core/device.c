/* Devices: opening one by name, its properties, memory figures and health, and the check at the head of every call.
 *
 * A device closes when its last reference goes: the user's, and one for each object. That may happen on a thread of
 * the backend, inside a completion.
 *
 * THREAD-BOUND DEVICES leave what only their own thread may do as chores: other threads release objects, and make
 * batches of released streams ready. The owner does them whenever it calls with anything of the device, and when it
 * opens another one, as it may have let go of all that it had. A device whose last reference goes elsewhere waits for
 * that, too. */
#include <string.h>

#include "core.h"
#include "registry.h"
#include "stream.h"
#include "validate.h"

_Atomic uint32_t rlx_caller_driven_devices;

static struct {
    rlx_mutex lock;    /* guards bound, and takes no other */
    rlx_device *bound; /* all thread-bound devices; refs 0: to be closed by the owner */
} devices;

rlx_status rlx_check_next(const void *next, const char *descriptor) {
    if (!next) return RLX_OK;
    return rlx_fail(RLX_ERROR_UNSUPPORTED, "%s.next: this version knows no extensions; set it to NULL", descriptor);
}

rlx_status rlx_device_check_lost(rlx_device *device) {
    uint32_t lost = atomic_load_explicit(&device->lost, memory_order_acquire);
    if (!lost) return RLX_OK;
    const char *help = lost - 1 == RLX_HELP_NEW_PROCESS ? "this process can no longer use it: start a new one"
                       : lost - 1 == RLX_HELP_REOPEN    ? "open it again: that gives a new device"
                                                        : "";
    return rlx_fail(RLX_ERROR_DEVICE_LOST, "%s: the device is lost; %s", device->name, help);
}

rlx_status rlx_device_enter(rlx_device *device) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    if (!device) return rlx_fail(RLX_ERROR_INVALID, "device is NULL");
    if (!device->owner) return RLX_OK;
    if (device->owner != rlx_thread_id() && !rlx_lie("bound-to-no-thread"))
        return rlx_fail(RLX_ERROR_THREAD, "%s: the device is bound to the thread that opened it; call from there",
                        device->name);
    rlx_device_chores(device);
    return RLX_OK;
}

/* ---- Life ---- */

static void list_bound(rlx_device *device) {
    rlx_lock(&devices.lock);
    device->next_bound = devices.bound;
    devices.bound = device;
    rlx_unlock(&devices.lock);
}

static void unlist_bound(rlx_device *device) {
    rlx_lock(&devices.lock);
    rlx_device **link = &devices.bound;
    while (*link != device) link = &(*link)->next_bound;
    *link = device->next_bound;
    rlx_unlock(&devices.lock);
}

static void device_close(rlx_device *device) {
    rlx_poller_stop(device);
    if (device->owner) unlist_bound(device);
    if (device->handle) device->backend.device_close(device->handle);
    if (device->caller_driven) atomic_fetch_sub(&rlx_caller_driven_devices, 1);
    rlx_validate_close(device);
    rlx_free(device);
}

/* A released stream of which something could be handed over, retained; NULL if there is none. */
static rlx_stream *find_orphan(rlx_device *device) {
    rlx_stream *found = NULL;
    rlx_lock(&device->lock);
    for (rlx_stream *stream = device->streams; stream && !found; stream = stream->device_next) {
        rlx_lock(&stream->timeline->lock);
        bool orphan = stream->released && rlx_stream_ready(stream);
        rlx_unlock(&stream->timeline->lock);
        if (orphan && rlx_object_try_retain(&stream->object)) found = stream;
    }
    rlx_unlock(&device->lock);
    return found;
}

void rlx_device_chores(rlx_device *device) {
    if (!atomic_load_explicit(&device->chores, memory_order_relaxed) || !atomic_exchange(&device->chores, false))
        return;
    rlx_object_reap(device);
    bool pumped = true; /* false: an outer call on this thread will do it */
    for (rlx_stream *stream; pumped && (stream = find_orphan(device)) != NULL;) {
        pumped = rlx_stream_pump(stream);
        rlx_object_release(&stream->object);
    }
}

/* Those of this thread's devices that it might have no other occasion for. */
static void devices_reap(void) {
    for (;;) {
        rlx_lock(&devices.lock);
        rlx_device *device = devices.bound;
        while (device &&
               (device->owner != rlx_thread_id() || (atomic_load(&device->refs) && !atomic_load(&device->chores))))
            device = device->next_bound;
        if (device) atomic_fetch_add(&device->refs, 1); /* also from 0: nobody else closes it */
        rlx_unlock(&devices.lock);
        if (!device) return;
        rlx_device_drop(device);
    }
}

static rlx_status device_open(const rlx_registry_device *found, const rlx_device_desc *desc, rlx_device **result) {
    rlx_device *device = rlx_allocate(sizeof *device);
    if (!device) return rlx_fail_memory("a device");
    device->backend = *found->table;
    device->index = found->index;
    atomic_init(&device->refs, 1);
    strncpy(device->name, found->properties->name, sizeof device->name - 1);

    rlx_status status = rlx_validate_open(device, desc);
    if (!status) status = rlx_registry_open(found, desc, &device->handle, &device->properties);
    if (status) {
        rlx_validate_close(device);
        rlx_free(device);
        return status;
    }
    device->properties.name = device->name;
    device->properties.backend = device->backend.name;
    device->owner = device->properties.thread_bound || rlx_lie("bound-to-one-thread") ? rlx_thread_id() : 0;
    device->special = device->owner || device->checks;
    device->caller_driven = device->properties.progress == RLX_PROGRESS_CALLER || device->owner;
    device->memory_most = device->backend.memory_report ? UINT64_MAX : rlx_memory_total();
    device->polled = !(device->backend.flags & (RLX_BACKEND_SYNCHRONOUS | RLX_BACKEND_COMPLETES));
    if (device->caller_driven) atomic_fetch_add(&rlx_caller_driven_devices, 1);
    if (device->owner) list_bound(device);
    *result = device;
    return RLX_OK;
}

/* The thread's message, to be put back. */
static void keep_message(char kept[RLX_MESSAGE_SIZE]) { memcpy(kept, rlx_last_error(), strlen(rlx_last_error()) + 1); }

/* Devices that do not open on the way to one that does are no error of the caller's. If none does, the best of them is
 * what the caller hears of. */
static rlx_status device_open_auto(const rlx_device_desc *desc, rlx_device **device) {
    char before[RLX_MESSAGE_SIZE], best[RLX_MESSAGE_SIZE];
    rlx_status first = RLX_OK;
    keep_message(before);
    for (uint32_t i = 0;; i++) {
        rlx_registry_device found;
        rlx_status status = rlx_registry_at(i, &found);
        if (status == RLX_ERROR_NOT_FOUND && first) return rlx_fail(first, "%s", best); /* the end of the list */
        if (status) return status;
        status = device_open(&found, desc, device);
        if (!status) return rlx_fail(RLX_OK, "%s", before);
        if (!first) keep_message(best);
        if (!first) first = status;
    }
}

rlx_status rlx_device_open(const char *name, const rlx_device_desc *desc, rlx_device **device) {
    static const rlx_device_desc defaults = { 0 };
    rlx_status status = rlx_library_enter();
    if (status) return status;
    if (!device) return rlx_fail(RLX_ERROR_INVALID, "rlx_device_open: device is NULL");
    if (!desc) desc = &defaults;
    status = rlx_check_next(desc->next, "rlx_device_desc");
    if (status) return status;
    devices_reap();
    if (!name || strcmp(name, "auto") == 0) return device_open_auto(desc, device);
    rlx_registry_device found;
    status = rlx_registry_find(name, &found);
    return status ? status : device_open(&found, desc, device);
}

void rlx_device_hold(rlx_device *device) { atomic_fetch_add_explicit(&device->refs, 1, memory_order_relaxed); }

void rlx_device_drop(rlx_device *device) {
    if (rlx_forked()) return;
    bool elsewhere = device->owner && device->owner != rlx_thread_id();
    if (device->owner && !elsewhere) rlx_device_chores(device); /* while there is a reference for sure */
    /* Elsewhere nothing of it may be touched any more after this: its owner may be closing it. */
    if (atomic_fetch_sub_explicit(&device->refs, 1, memory_order_acq_rel) == 1 && !elsewhere) device_close(device);
}

void rlx_device_retain(rlx_device *device) {
    if (!device) return;
    if (device->checks) atomic_fetch_add(&device->checks->users, 1);
    rlx_device_hold(device);
}

void rlx_device_release(rlx_device *device) {
    if (!device || rlx_forked()) return;
    if (device->checks) rlx_validate_device_release(device);
    rlx_device_drop(device);
}

const rlx_device_properties *rlx_device_info(const rlx_device *device) { return device ? &device->properties : NULL; }

rlx_status rlx_device_memory(rlx_device *device, rlx_memory_report *report) {
    rlx_status status = rlx_device_enter(device);
    if (status) return status;
    if (!report) return rlx_fail(RLX_ERROR_INVALID, "rlx_device_memory: report is NULL");
    rlx_memory_report found = { 0 };
    if (device->backend.memory_report) {
        rlx_error_clear();
        status = device->backend.memory_report(device->handle, &found);
        if (status) return rlx_fail_within(status, "%s", device->name);
    } else {
        found.total = device->memory_most;
        found.free = rlx_memory_available();
        found.source = "host memory: the smaller of /proc/meminfo (MemAvailable) and the cgroup's limit";
    }
    found.used = atomic_load(&device->used);
    *report = found;
    return RLX_OK;
}

rlx_status rlx_device_health(rlx_device *device, rlx_health *health) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    if (!device || !health)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_device_health: %s is NULL", device ? "health" : "device");
    rlx_lock(&device->lock);
    *health = device->health;
    rlx_unlock(&device->lock);
    return RLX_OK;
}

/* Plain memory, aligned to 64 bytes: the address that the heap gave is kept in front of it. */
static void *plain_alloc(size_t size) {
    unsigned char *raw = rlx_allocate(size + 64 + sizeof raw);
    if (!raw) return NULL;
    uintptr_t at = ((uintptr_t)raw + sizeof raw + 63) & ~(uintptr_t)63;
    memcpy((unsigned char *)at - sizeof raw, &raw, sizeof raw);
    return (void *)at;
}

static void plain_free(void *pointer) {
    void *raw;
    memcpy(&raw, (unsigned char *)pointer - sizeof raw, sizeof raw);
    rlx_free(raw);
}

rlx_status rlx_device_host_alloc(rlx_device *device, uint64_t size, void **pointer) {
    if (size > SIZE_MAX / 2)
        return rlx_fail(RLX_ERROR_OUT_OF_MEMORY, "rlx_host_alloc: %llu bytes", (unsigned long long)size);
    if (device->backend.host_alloc) {
        rlx_error_clear();
        rlx_status status = device->backend.host_alloc(device->handle, size ? size : 1, pointer);
        return status ? rlx_fail_within(status, "%s", device->name) : RLX_OK;
    }
    void *memory = plain_alloc((size_t)size);
    if (!memory) return rlx_fail_memory("host memory");
    *pointer = memory;
    return RLX_OK;
}

void rlx_device_host_free(rlx_device *device, void *pointer) {
    if (device->backend.host_free) device->backend.host_free(device->handle, pointer);
    else plain_free(pointer);
}

rlx_status rlx_host_alloc(rlx_device *device, uint64_t size, void **pointer) {
    void *memory;
    rlx_status status = rlx_device_enter(device);
    if (status) return status;
    if (!pointer) return rlx_fail(RLX_ERROR_INVALID, "rlx_host_alloc: pointer is NULL");
    status = rlx_device_host_alloc(device, size, &memory);
    if (status) return status;
    status = device->checks ? rlx_validate_host_block_open(device, memory, size) : RLX_OK;
    if (status) rlx_device_host_free(device, memory);
    else *pointer = memory;
    return status;
}

void rlx_host_free(rlx_device *device, void *pointer) {
    if (!device || !pointer || rlx_forked()) return;
    if (device->checks) rlx_validate_host_block_close(device, pointer);
    rlx_device_host_free(device, pointer);
}
