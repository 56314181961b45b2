/* The core's shared vocabulary: objects, errors, devices, buffers, kernels. What belongs to one subject only has its
 * own header: batch.h (memory and packets of a batch), stream.h, timeline.h, program.h, registry.h.
 *
 * LOCK ORDER. registry.lock > device.lock > timeline.lock. No function of a backend and no callback of a user is called
 * with device.lock or a timeline.lock held. The device's run lock (program runs, rule 16) comes before timeline
 * locks. */
#ifndef RLX_CORE_H
#define RLX_CORE_H

#include <rlx/backend.h>
#include <rlx/driver.h>

#include "lies.h"
#include "platform/platform.h"

/* ---- Errors (error.c) ---- */

/* Sets the calling thread's message and returns `status`. */
rlx_status rlx_fail(rlx_status status, const char *format, ...) RLX_PRINTF(2, 3);
/* The same with "context: " put before the message that is already there (used above a backend's own fail). */
rlx_status rlx_fail_within(rlx_status status, const char *format, ...) RLX_PRINTF(2, 3);
rlx_status rlx_fail_memory(const char *what); /* RLX_ERROR_OUT_OF_MEMORY, without allocating */
void rlx_note(rlx_log_level level, const char *format, ...) RLX_PRINTF(2, 3); /* a line to the user's log function */
/* What backends say (rlx_host.fail) is kept aside, and brought out by rlx_fail_within: a call that succeeds all the
 * same, as listing devices of which one cannot be opened, leaves the thread's message as it was. */
rlx_status rlx_fail_aside(rlx_status status, const char *format, ...) RLX_PRINTF(2, 3);
const char *rlx_error_aside(void); /* "" if nothing was said since rlx_error_clear */
void rlx_error_clear(void);        /* before calling a backend, so that its silence can be told from its message */

/* Heap memory of the library: zeroed by rlx_allocate. Every allocation of the core and the built-in backends goes
 * through here. */
void *rlx_allocate(size_t size);
void *rlx_reallocate(void *memory, size_t size);
void rlx_free(void *memory);
/* For tests: asked before each allocation (any thread); false makes it fail. */
typedef bool (*rlx_allocation_hook)(size_t size);
extern _Atomic(rlx_allocation_hook) rlx_allocation_check;
char *rlx_copy_string(const char *text); /* NULL for NULL, and when out of memory */

/* ---- Library (library.c) ---- */

enum { RLX_LIBRARY_UNUSED = 0, RLX_LIBRARY_USED, RLX_LIBRARY_FORKED };
extern _Atomic uint32_t rlx_library_state;
rlx_status rlx_library_enter_first(void);
/* At the head of every public function: FORKED, or first-use set-up. */
static inline rlx_status rlx_library_enter(void) {
    uint32_t state = atomic_load_explicit(&rlx_library_state, memory_order_relaxed);
    return state == RLX_LIBRARY_USED ? RLX_OK : rlx_library_enter_first();
}
/* In a child of a process that had used the library. */
static inline bool rlx_forked(void) {
    return atomic_load_explicit(&rlx_library_state, memory_order_relaxed) == RLX_LIBRARY_FORKED;
}
extern const rlx_host rlx_host_services; /* the table for backends */
uint32_t rlx_callback_enter(void);
void rlx_callback_leave(uint32_t entered);
bool rlx_in_callback(void); /* inside a host call, kernel or notify callback of this thread */

/* ---- Objects (object.c) ---- */

typedef enum rlx_object_type {
    RLX_OBJECT_BUFFER = 1,
    RLX_OBJECT_KERNEL,
    RLX_OBJECT_PROGRAM,
    RLX_OBJECT_STREAM,
    RLX_OBJECT_STAGING,
} rlx_object_type;

/* The head of everything that belongs to a device. It holds a reference to the device. */
typedef struct rlx_object {
    _Atomic uint32_t refs;
    uint16_t type;
    uint16_t place; /* in every stream's cache of what its batch holds */
    rlx_device *device;
    struct rlx_object *next_dead; /* in device->graveyard */
    /* Only with device->checks (validate_alive.c): */
    _Atomic uint32_t users;                           /* references of the user's */
    struct rlx_object *next_alive, *previous_alive; /* device->checks->lock */
} rlx_object;

#define RLX_HOLD_CACHE 512 /* a power of two */

static inline void rlx_object_retain(rlx_object *object) {
    atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
}
/* For an object found in a list that holds no reference: false if it is being destroyed. */
bool rlx_object_try_retain(rlx_object *object);
/* Drops a reference; the last one destroys (on a thread-bound device: on its own thread, soon). */
void rlx_object_release(rlx_object *object);
void rlx_object_init(rlx_object *object, rlx_object_type type, rlx_device *device);
/* The user's own references, which validation counts. The first one is there from the start. */
void rlx_object_own(rlx_object *object);
void rlx_object_disown(rlx_object *object);
void rlx_object_reap(rlx_device *device);   /* destroys what lies in the graveyard */
void rlx_device_chores(rlx_device *device); /* on its owner's thread: all that has waited for that, if anything has */

/* ---- Device (device.c) ---- */

typedef struct rlx_timeline rlx_timeline;
typedef struct rlx_device_checks rlx_device_checks;
typedef struct rlx_buffer_checks rlx_buffer_checks;

struct rlx_device {
    _Atomic uint32_t refs;
    uint32_t index;      /* within the backend */
    rlx_backend backend; /* a copy of the table, as wide as ours, NULL where the plugin's is shorter */
    void *handle;        /* the backend's own */
    rlx_device_properties properties;
    char name[64];
    uint64_t owner;            /* thread id if thread_bound, otherwise 0 */
    rlx_device_checks *checks; /* validate.h; NULL: off */
    bool special;              /* owner or checks: encoding calls take the long way */
    bool caller_driven;        /* progress CALLER */
    bool polled;               /* neither SYNCHRONOUS nor COMPLETES */
    uint64_t memory_most;      /* bytes that buffers may have; UINT64_MAX: the backend knows */
    _Atomic uint64_t used;     /* bytes in buffers */
    _Atomic uint32_t lost;     /* an rlx_help value + 1 once lost */
    rlx_mutex lock;            /* guards all below */
    rlx_stream *streams;       /* all that can submit, linked by device_next */
    rlx_object *graveyard;     /* released elsewhere, destroyed by the owner (thread-bound devices only) */
    rlx_health health;         /* first failure and count */
    struct rlx_poller *poller; /* polled devices that are not caller-driven: started with the first stream */
    rlx_mutex run_lock;        /* guards the last run of every program (rule 16); not nested in `lock` */
    _Atomic bool chores;       /* thread-bound: the graveyard, or a released stream, needs the owner */
    rlx_device *next_bound;    /* in device.c's list of thread-bound devices */
};

/* A reference of an object's, as opposed to one of the user's. */
void rlx_device_hold(rlx_device *device);
void rlx_device_drop(rlx_device *device);
/* rlx_host_alloc and _free for the library's own needs. */
rlx_status rlx_device_host_alloc(rlx_device *device, uint64_t size, void **pointer);
void rlx_device_host_free(rlx_device *device, void *pointer);
/* FORKED, THREAD (bound elsewhere); on the owner's thread it also does the chores. NULL is INVALID. */
rlx_status rlx_device_enter(rlx_device *device);
/* The status of a lost device with its message, or RLX_OK. */
rlx_status rlx_device_check_lost(rlx_device *device);
/* Every descriptor's `next` must be NULL. */
rlx_status rlx_check_next(const void *next, const char *descriptor);
/* Threads that are caller-driven: waits look for what they can drive only if there are such devices. */
extern _Atomic uint32_t rlx_caller_driven_devices;

/* ---- Buffer (buffer.c) ---- */

struct rlx_buffer {
    rlx_object object;
    uint64_t size; /* as asked; the block's is rounded up to words */
    rlx_memory_block block;
    uint64_t address; /* of byte 0 in the space of hazards: the host address, or a number of its own with bit 63 set */
    uint64_t allocated;
    rlx_buffer_properties properties;
    rlx_buffer_checks *checks; /* validate.h; NULL: off */
};

/* A checked range: `place` and hazard address of its first byte. `buffer` NULL and slot set for a slot's range. */
typedef struct rlx_resolved {
    rlx_buffer *buffer;
    rlx_place place;
    uint64_t address, size;
    uint32_t slot_plus_one;
} rlx_resolved;

/* INVALID (NULL, another device), RANGE. `what` names the range in the message ("dst", "argument 2"). */
/* The common case, inline as it is part of every argument: a range of a buffer of this device, within its bounds. False
 * for anything else, which rlx_range_resolve then looks at. */
static inline bool rlx_range_plain(const rlx_device *device, const rlx_range *range, rlx_resolved *resolved) {
    const rlx_buffer *buffer = range->buffer;
    if (range->slot_plus_one || !buffer || buffer->object.device != device || range->offset > buffer->size)
        return false;
    uint64_t rest = buffer->size - range->offset, size = range->size == RLX_REST ? rest : range->size;
    if (size > rest || (!size && rlx_lie("empty-ranges-refused"))) return false;
    resolved->buffer = range->buffer;
    resolved->place.memory = buffer->block.memory;
    resolved->place.offset = range->offset;
    resolved->place.host = buffer->block.host ? (unsigned char *)buffer->block.host + range->offset : NULL;
    resolved->address = buffer->address + range->offset;
    resolved->size = size;
    resolved->slot_plus_one = 0;
    return true;
}

void rlx_buffer_destroy(rlx_buffer *buffer);
rlx_status rlx_range_resolve(const rlx_device *device, const rlx_range *range, const char *what,
                             rlx_resolved *resolved);

/* ---- Kernel (kernel.c) ---- */

#define RLX_PARAM_MAX 128 /* parameters of a kernel: encoding a dispatch keeps its arguments on the stack */

struct rlx_kernel {
    rlx_object object;
    void *handle;
    rlx_kernel_properties properties; /* params, name: in the same allocation */
    uint32_t buffers, values;         /* how many parameters are which */
    uint32_t value_bytes;             /* all values, each at its alignment */
    uint32_t value_alignment;         /* the largest */
    rlx_packet_dispatch form;         /* what a dispatch begins as */
    uint32_t packet_bytes;            /* of a dispatch with all that lies behind it: see dispatch.c */
    uint32_t places_at, values_at;    /* in there; places_at 0: the backend needs none */
    uint32_t written_count;           /* buffer parameters that are written: */
    uint8_t written[RLX_PARAM_MAX];   /* their numbers among the buffers */
};

void rlx_kernel_destroy(rlx_kernel *kernel);
/* Whether a group size and shared memory are within the device's limits: LIMIT. */
rlx_status rlx_group_check(const rlx_device *device, const uint32_t group_size[3], uint64_t shared_bytes);

#endif
