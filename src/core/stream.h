/* A stream: the batch being encoded, the batches that wait to be handed over, and those that the backend has.
 *
 *     encode -> current --submit--> held --pump--> flying --complete--> retired
 *
 * THREADS. The encoder's part is for one thread at a time, as rule 9 asks of the caller. The shared part is guarded by
 * timeline->lock. `pump` hands batches over in order: it runs on one thread at a time (pumping), never under a lock. */
#ifndef RLX_STREAM_H
#define RLX_STREAM_H

#include "batch.h"
#include "program.h"
#include "timeline.h"
#include "trace.h"
#include "validate.h"

typedef struct rlx_batch_state rlx_batch_state;

enum {
    RLX_DEPENDS_ON_END = 1 << 0,  /* how the point ended is not this batch's business */
    RLX_DEPENDS_DROPPED = 1 << 1, /* a dropped batch waits for the point, too: what comes after relies on that */
};

/* A point that a batch waits for. Lives in the batch's chunks. */
typedef struct rlx_dependency {
    rlx_watch watch;
    struct rlx_dependency *next;
    rlx_batch_state *batch; /* NULL: there was no need to wait */
    rlx_point point;
    uint32_t flags; /* RLX_DEPENDS_ bits */
} rlx_dependency;

/* A program that a batch runs, once for each program and batch. */
typedef struct rlx_batch_run {
    struct rlx_batch_run *next;
    rlx_program *program;
    rlx_dependency after; /* the run before, of whatever stream */
} rlx_batch_run;

struct rlx_batch_state {
    rlx_batch_state *next;
    rlx_stream *stream;    /* each submitted batch holds a reference */
    rlx_chunk_list chunks; /* holds this struct too */
    rlx_packet *first, *last;
    uint64_t count;    /* packets */
    uint64_t commands; /* as the caller counts them: a command can take several packets */
    rlx_held *held;
    rlx_dependency *dependencies;
    rlx_batch_run *runs;
    rlx_validate_notes notes;
    uint64_t value;   /* on the timeline; 0 while it is being encoded */
    rlx_packet *rest; /* not handed over yet */
    uint64_t rest_count;
    uint64_t slice;                     /* commands handed over at once (the last time perhaps fewer) */
    rlx_packet **slice_first;           /* the first packet of each slice, if there are several; NULL allowed */
    uint64_t first_signal, last_signal; /* 0: nothing of it was handed over */
    _Atomic uint32_t unmet;             /* dependencies, and 1 while submit attaches them */
    _Atomic uint32_t unmet_dropped;     /* those of them that are RLX_DEPENDS_DROPPED */
    _Atomic uint32_t refs;              /* the stream's and each linked dependency's */
    bool transfer;                      /* rlx_transfer's */
    bool checked;                       /* has validation's checks in it */
    bool attached;                      /* submit is through with it */
    bool whole;                         /* all of it has been handed over (or dropped) */
    bool refused;                       /* the backend did not take the last of it: that ends with what is before */
    rlx_trace_batch trace;              /* timeline->lock */
};

typedef enum rlx_pump_state { RLX_PUMP_IDLE = 0, RLX_PUMP_LISTED, RLX_PUMP_AGAIN } rlx_pump_state;

struct rlx_stream {
    rlx_object object;
    rlx_device *device;     /* = object.device */
    rlx_stream_checks *checks; /* validate.h; NULL: off */
    rlx_timeline *timeline; /* NULL on a recording stream, as is handle */
    void *handle;           /* the backend's own */
    rlx_stream_sink sink;   /* what the backend reports to: its address leads back to the stream */
    uint32_t flags;
    char label[64];
    rlx_trace_stream *trace; /* NULL: it is not traced */

    /* The encoder's. */
    rlx_chunk_pool pool;
    rlx_batch_state *current; /* NULL: nothing encoded */
    rlx_recorder recorder;    /* with RLX_STREAM_RECORD */
    uint64_t encoded;         /* counts batches: the tag of the cache's entries */
    struct {
        rlx_object *object;
        uint64_t tag;
    } cache[RLX_HOLD_CACHE];

    /* Shared: timeline->lock. */
    rlx_batch_state *head, *tail; /* submitted, not yet retired: first the flying, then the held */
    rlx_batch_state *waiting;     /* the first that is not whole */
    rlx_batch_state *ending;      /* the batch of the first signal that has not ended */
    uint64_t signal;              /* the last one given to the backend */
    uint64_t handed;              /* up to here submit has returned; only polled devices use it */
    uint64_t begun, ended;        /* signals up to here have begun, have ended */
    uint64_t flying;              /* commands at the backend */
    rlx_pump_state pump;
    bool retiring;         /* a thread is retiring: one at a time */
    bool polling;          /* a thread asks what has ended, and reports it: one at a time */
    bool given_up;         /* polled, and the device is lost: what was handed over counts as ended */
    bool released;         /* by the user */
    rlx_stream *next_pump; /* in a thread's work list: owned by that thread while pump is not IDLE */
    rlx_stream *device_next, *device_previous; /* device->lock, as is: */
    bool lost;                                 /* rlx_device_lose has dealt with it */
};

/* ---- stream.c ---- */
/* At the head of every call: the checks of rlx_device_enter, and NULL. */
rlx_status rlx_stream_enter_specially(rlx_stream *stream);
static inline rlx_status rlx_stream_enter(rlx_stream *stream) {
    bool used = atomic_load_explicit(&rlx_library_state, memory_order_relaxed) == RLX_LIBRARY_USED;
    return used && stream && !stream->device->owner ? RLX_OK : rlx_stream_enter_specially(stream);
}
/* The same at the head of every encoding call, which then is for one thread at a time until it leaves: RLX_ERROR_THREAD
 * if validation sees another one there. Nests. */
rlx_status rlx_encoder_enter_specially(rlx_stream *stream);
static inline rlx_status rlx_encoder_enter(rlx_stream *stream) {
    bool used = atomic_load_explicit(&rlx_library_state, memory_order_relaxed) == RLX_LIBRARY_USED;
    return used && stream && !stream->device->special ? RLX_OK : rlx_encoder_enter_specially(stream);
}
static inline rlx_status rlx_encoder_leave(rlx_stream *stream, rlx_status status) {
    if (stream->checks) rlx_validate_leave(stream);
    return status;
}
/* Whether the batch being encoded holds an object for sure. There is one. */
static inline bool rlx_stream_holds(const rlx_stream *stream, const rlx_object *object) {
    uint32_t at = object->place;
    return stream->cache[at].object == object && stream->cache[at].tag == stream->encoded;
}
/* rlx_batch_hold where there is a batch, inline for what it holds already. */
static inline rlx_status rlx_stream_hold(rlx_stream *stream, rlx_object *object) {
    return rlx_stream_holds(stream, object) ? RLX_OK : rlx_batch_hold(stream, object);
}
/* The batch being encoded, made if there is none. NULL when out of memory. */
rlx_batch_state *rlx_stream_batch(rlx_stream *stream);
/* Memory that lives as long as the batch (or the program, on a recording stream). NULL, with the message set, when out
 * of memory. */
static inline void *rlx_batch_take(rlx_stream *stream, size_t size, size_t alignment) {
    rlx_batch_state *batch = stream->current;
    rlx_chunk *chunk = batch ? batch->chunks.last : NULL;
    size_t at = chunk ? (chunk->used + alignment - 1) & ~(alignment - 1) : 0;
    if (!chunk || at + size > chunk->size) return rlx_batch_take_more(stream, size, alignment);
    chunk->used = (uint32_t)(at + size);
    return chunk->data + at;
}
/* A dependency of the batch being encoded, to be given a point before it is submitted. NULL when out of memory. */
rlx_dependency *rlx_batch_dependency(rlx_stream *stream);
void rlx_stream_destroy(rlx_stream *stream); /* by rlx_object_release */
static inline bool rlx_stream_records(const rlx_stream *stream) { return (stream->flags & RLX_STREAM_RECORD) != 0; }
/* Adds a packet that belongs to the command of the packet before it; fills in base.next and base.index, and the current
 * condition of a recording. Cannot fail. A recording's packets are numbered one by one: they become the nodes of a
 * graph. Others carry the number of the command, as the caller counts. */
static inline void rlx_batch_append_part(rlx_stream *stream, rlx_packet *packet) {
    rlx_batch_state *batch = stream->current;
    packet->next = NULL;
    packet->index = (uint32_t)(rlx_stream_records(stream) ? batch->count : batch->commands - 1);
    batch->count++;
    if (batch->last) batch->last->next = packet;
    else batch->first = packet;
    batch->last = packet;
    if (stream->recorder.condition.plus_one) rlx_batch_append_condition(stream);
}
/* The same for a command's first packet, which mostly is the only one. */
static inline void rlx_batch_append(rlx_stream *stream, rlx_packet *packet) {
    stream->current->commands++;
    rlx_batch_append_part(stream, packet);
}
/* Releases what a batch holds, and gives its memory back when its last reference goes. */
void rlx_batch_unhold(rlx_batch_state *batch);
void rlx_batch_unref(rlx_batch_state *batch);

/* ---- schedule.c ---- */
/* A batch of nothing, that waits for nothing, on a stream where all has ended well: it has ended as soon as it stands
 * there. False: the stream is not at rest. */
bool rlx_stream_submit_fence(rlx_stream *stream, rlx_point *point);
/* Puts a batch on the stream's timeline and sets it going. If the stream has failed, the batch is dropped in its place,
 * and *failing is what failed, retained; otherwise NULL. */
rlx_point rlx_batch_submit(rlx_batch_state *batch, rlx_failure_record **failing);
/* Hands over what can be handed over. False if another thread (or an outer call of this one) will do it. */
bool rlx_stream_pump(rlx_stream *stream);
/* Under timeline->lock: whether pump would find something to do. */
bool rlx_stream_ready(const rlx_stream *stream);
/* pump, unless only a caller may: then wakes those that wait. */
void rlx_stream_kick(rlx_stream *stream);
/* What the backend reports: signals up to `signal` have ended. */
void rlx_stream_complete(rlx_stream *stream, uint64_t signal, const rlx_fault *fault);
extern const rlx_stream_sink rlx_stream_sink_functions;
static inline rlx_stream *rlx_stream_of_sink(const rlx_stream_sink *sink) {
    return (rlx_stream *)(void *)((unsigned char *)(uintptr_t)sink - offsetof(rlx_stream, sink));
}

/* ---- retire.c ---- */
/* Under timeline->lock, which it releases: ends every batch at the head that is through: releases, completes the point,
 * fires watches. The caller has a reference to the stream, as a batch gives up its own. */
void rlx_stream_retire_and_unlock(rlx_stream *stream);

/* ---- fault.c ---- */
/* What was handed over together, and failed. */
typedef struct rlx_fault_place {
    uint64_t value;          /* of the batch; 0: not known */
    uint64_t index, count;   /* the commands, numbered within the batch */
    const rlx_packet *first; /* the first of them, NULL if not known */
} rlx_fault_place;

/* Puts what the backend has said aside into a fault that has no words of its own. */
void rlx_fault_quote(rlx_fault *fault);
/* The failure in words. */
rlx_failure_record *rlx_fault_record(const rlx_stream *stream, const rlx_fault *fault, const rlx_fault_place *place);
/* Counts a failure that began on this device, and keeps the first. */
void rlx_device_count_failure(rlx_device *device, const rlx_failure_record *record);
/* Every stream of the device fails, for good. Under no lock. */
void rlx_device_lose(rlx_device *device, rlx_failure_record *record);

/* ---- wait.c ---- */
void rlx_drivers_wake(void); /* a batch of a caller-driven device has become ready */
/* Sets the message of a failed point, and returns its status. */
rlx_status rlx_fail_record(const rlx_failure_record *record);

/* ---- transfer.c ---- */
void rlx_staging_destroy(rlx_object *object); /* by rlx_object_release */

/* ---- poller.c ---- */
rlx_status rlx_poller_start(rlx_device *device); /* once; under no lock */
void rlx_poller_kick(rlx_device *device);        /* something was handed over */
/* Lets the backend's wait pass the time, then polls. */
bool rlx_stream_await(rlx_stream *stream, uint64_t signal, uint64_t timeout_ns);
/* Asks a polled backend what has ended; true if something had. False too where another thread does so. */
bool rlx_stream_poll(rlx_stream *stream);
/* A polled stream of a device that is lost: what the backend has of it counts as ended, as nobody may ever know
 * more. */
void rlx_stream_give_up(rlx_stream *stream);
void rlx_poller_stop(rlx_device *device); /* from any thread, its own too */

#endif
