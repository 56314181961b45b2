/* Which objects the suite has, told by its calls that make and drop them: calls.h sends them here. A test that a fault
 * ends in the middle leaves what it made itself, with nobody else who knows of it; and what is lost by the test must
 * not hide, or look like, what is lost by the library. */
#include "faults.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct object {
    struct object *next;
    void *handle;
    void (*release)(void *handle);
    uint64_t references;
    rlx_device *device; /* of host memory, which holds it */
} object;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list */
static object *objects;

static void note(void *handle, void (*release)(void *handle), rlx_device *device) {
    object *made = handle ? calloc(1, sizeof *made) : NULL;
    if (!made) return;
    *made = (object){ NULL, handle, release, 1, device };
    pthread_mutex_lock(&lock);
    made->next = objects;
    objects = made;
    pthread_mutex_unlock(&lock);
}

static void change(void *handle, bool more) {
    pthread_mutex_lock(&lock);
    for (object **link = &objects, *found; (found = *link); link = &found->next) {
        if (found->handle != handle) continue;
        found->references += more ? 1 : (uint64_t)-1;
        if (!found->references) {
            *link = found->next;
            free(found);
        }
        break;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- What the suite has been told ---- */

static atomic_bool told;

/* An error of the system, with a message. */
static rlx_status hear(rlx_status status) {
    const char *text = rlx_last_error();
    bool system = status == RLX_ERROR_OUT_OF_MEMORY || status == RLX_ERROR_IO;
    bool named = status && (strstr(text, "a fault that was planned") || strstr(text, "cannot be started"));
    if ((system && text[0]) || named) atomic_store(&told, true);
    return status;
}

static void hear_failure(rlx_stream *stream) {
    rlx_failure failure = { .status = RLX_OK };
    if (stream && !rlx_stream_failure(stream, &failure) && failure.status == RLX_ERROR_OUT_OF_MEMORY &&
        failure.message[0])
        atomic_store(&told, true);
}

static void hear_nothing(void *handle) { (void)handle; }

bool objects_told(void) { return atomic_load(&told); }

#define HEAR(function, parameters, arguments) \
    rlx_status fault_##function parameters; \
    rlx_status fault_##function parameters { return hear(rlx_##function arguments); }

HEAR(stream_submit, (rlx_stream * stream, rlx_point *point), (stream, point))
HEAR(stream_wait, (rlx_stream * stream, uint64_t timeout_ns), (stream, timeout_ns))
HEAR(stream_submit_and_wait, (rlx_stream * stream, uint64_t timeout_ns), (stream, timeout_ns))
HEAR(point_wait, (rlx_point point, uint64_t timeout_ns), (point, timeout_ns))
HEAR(point_query, (rlx_point point), (point))
HEAR(points_wait, (const rlx_point *points, uint32_t count, rlx_wait_mode mode, uint64_t timeout_ns, uint32_t *index),
     (points, count, mode, timeout_ns, index))

/* ---- The calls ---- */

/* Streams have no retain. An object is off the list before it is released: its address may come back at once. */
#define COUNT_RELEASE(type, before) \
    void fault_##type##_release(rlx_##type *handle); \
    static void release_##type(void *handle) { rlx_##type##_release(handle); } \
    void fault_##type##_release(rlx_##type *handle) { \
        before(handle); \
        if (handle) change(handle, false); \
        rlx_##type##_release(handle); \
    }
#define COUNT_RETAIN(type) \
    void fault_##type##_retain(rlx_##type *handle); \
    void fault_##type##_retain(rlx_##type *handle) { \
        rlx_##type##_retain(handle); \
        if (handle) change(handle, true); \
    }
#define COUNT_CREATE(verb, type, first_type, desc_type) \
    rlx_status fault_##verb(first_type first, const desc_type *desc, rlx_##type **made); \
    rlx_status fault_##verb(first_type first, const desc_type *desc, rlx_##type **made) { \
        rlx_status status = rlx_##verb(first, desc, made); \
        if (!status) note(*made, release_##type, NULL); \
        return hear(status); \
    }

COUNT_RELEASE(device, hear_nothing)
COUNT_RETAIN(device)
COUNT_CREATE(device_open, device, const char *, rlx_device_desc)
COUNT_RELEASE(stream, hear_failure)
COUNT_CREATE(stream_create, stream, rlx_device *, rlx_stream_desc)
COUNT_RELEASE(buffer, hear_nothing)
COUNT_RETAIN(buffer)
COUNT_CREATE(buffer_create, buffer, rlx_device *, rlx_buffer_desc)
COUNT_RELEASE(kernel, hear_nothing)
COUNT_RETAIN(kernel)
COUNT_CREATE(kernel_create, kernel, rlx_device *, rlx_kernel_desc)
COUNT_RELEASE(program, hear_nothing)
COUNT_RETAIN(program)
COUNT_CREATE(stream_finish, program, rlx_stream *, rlx_program_desc)

rlx_status fault_host_alloc(rlx_device *device, uint64_t size, void **pointer);
rlx_status fault_host_alloc(rlx_device *device, uint64_t size, void **pointer) {
    rlx_status status = rlx_host_alloc(device, size, pointer);
    if (!status) rlx_device_retain(device), note(*pointer, NULL, device);
    return hear(status);
}

void fault_host_free(rlx_device *device, void *pointer);
void fault_host_free(rlx_device *device, void *pointer) {
    if (device && pointer) change(pointer, false);
    rlx_host_free(device, pointer);
    if (device && pointer) rlx_device_release(device);
}

uint32_t objects_drop(void) {
    uint32_t dropped = 0;
    for (object *next; objects; objects = next, dropped++) {
        object *last = objects;
        next = last->next;
        if (!last->release) rlx_host_free(last->device, last->handle), rlx_device_release(last->device);
        for (; last->release && last->references; last->references--) last->release(last->handle);
        free(last);
    }
    return dropped;
}
