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

#define RLX_HOLD_CACHE 512 /* a power of two */

typedef struct rlx_batch_state rlx_batch_state;

/* A point that a batch waits for. Lives in the batch's chunks. */
typedef struct rlx_dependency {
    rlx_watch watch;
    struct rlx_dependency *next;
    rlx_batch_state *batch;
    rlx_point point;
} rlx_dependency;

/* A program that a batch runs, once for each program and batch. */
typedef struct rlx_batch_run {
    struct rlx_batch_run *next;
    rlx_program *program;
    rlx_dependency after; /* the run before, of whatever stream */
} rlx_batch_run;

struct rlx_batch_state {
    rlx_batch_state *next;
    rlx_stream *stream;
    rlx_chunk_list chunks;        /* holds this struct too */
    rlx_packet *first, *last;
    uint64_t count;
    rlx_held *held;
    rlx_dependency *dependencies;
    rlx_batch_run *runs;
    uint64_t value;               /* on the timeline; 0 while it is being encoded */
    rlx_packet *rest;             /* not handed over yet */
    uint64_t rest_count;
    uint64_t last_signal;         /* of its last slice, once all is handed over */
    uint64_t slices;              /* in flight */
    _Atomic uint32_t unmet;       /* dependencies, and 1 while submit attaches them */
    _Atomic uint32_t refs;        /* the stream's and each linked dependency's */
    bool whole;                   /* all of it has been handed over (or dropped) */
};

struct rlx_stream {
    rlx_device *device;
    rlx_timeline *timeline;
    void *handle;                  /* the backend's own; NULL on a recording stream */
    rlx_stream_sink sink;          /* what the backend reports to: its address leads back to the stream */
    uint32_t flags;
    char label[64];

    /* The encoder's. */
    rlx_chunk_pool pool;
    rlx_batch_state *current;      /* NULL: nothing encoded */
    rlx_recorder recorder;         /* with RLX_STREAM_RECORD */
    uint64_t encoded;              /* counts batches: the tag of the cache's entries */
    struct { rlx_object *object; uint64_t tag; } cache[RLX_HOLD_CACHE];

    /* Shared: timeline->lock. */
    rlx_batch_state *head, *tail;  /* submitted, not yet retired: first the flying, then the held */
    rlx_batch_state *ready_from;   /* the first that is not whole */
    uint64_t signal;               /* the last one given to the backend */
    uint64_t begun;                /* signals up to here have begun */
    uint64_t flying;               /* commands at the backend */
    uint32_t refs;                 /* the user's, and 1 while batches are there, and each listed pump */
    uint32_t pump;                 /* rlx_pump_state */
    bool retiring;                 /* a thread is retiring: only one at a time */
    bool released;                 /* by the user */
    rlx_stream *next_pump;         /* in a thread's work list */
    rlx_stream *device_next, *device_previous; /* device->lock */
};

#endif
