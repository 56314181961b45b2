/* The two backends of the host: "cpu", a pool of workers, and "sync", the caller's own thread.
 *
 * Both run the same commands by the same code (command.c); what differs is who runs it. README.md beside this tells the
 * design, the threads and the rules. Like any plugin, this folder uses the services of rlx_host and src/platform, and
 * nothing of the core.
 *
 * LOCKS. pool->lock and stream->lock; neither is ever taken while the other is held, and no code of the user's or of
 * the core's runs under either (but for the heap). The fields that a lock guards stand below it in their struct. */
#ifndef RLX_CPU_H
#define RLX_CPU_H

#include <rlx/backend.h>

#include "platform/platform.h"

/* The entries: tables for the registry. */
const rlx_backend *rlx_cpu_backend(const rlx_host *host);
const rlx_backend *rlx_sync_backend(const rlx_host *host);

/* The library's services, given to both entries alike. */
extern const rlx_host *rlx_cpu_host;

/* Whether a trace is written: then commands are told of (rlx_host.trace_command). */
static inline bool rlx_cpu_tracing(void) {
    const uint32_t *word = rlx_cpu_host->tracing;
    return word && __builtin_expect(__atomic_load_n(word, __ATOMIC_RELAXED) != 0, 0);
}

#define RLX_CPU_WORKERS_MAX 1024 /* threads that compute; more are not started, whatever is asked for */
#define RLX_CPU_SPARES_MAX 256   /* threads beyond them, to stand in for those that a host call blocks */
#define RLX_CPU_SHARED_MAX (1u << 20)
#define RLX_CPU_VALUES_MAX 4096u
#define RLX_CPU_BUFFER_ARGS_MAX 128u

typedef struct rlx_cpu_pool rlx_cpu_pool;
typedef struct rlx_cpu_worker rlx_cpu_worker;
typedef struct rlx_cpu_stream rlx_cpu_stream;
typedef struct rlx_cpu_program rlx_cpu_program;

/* ---- Device (device.c) and memory (memory.c) ---- */

typedef struct rlx_cpu_device {
    rlx_device_properties properties; /* as described, `units` being the workers of this one */
    rlx_cpu_pool *pool;               /* NULL: a sync device */
    char *cache_folder;               /* as asked for in rlx_device_desc; NULL: the default */
} rlx_cpu_device;

rlx_status rlx_cpu_memory_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block);
void rlx_cpu_memory_free(void *device, void *memory);

/* ---- Kernel (kernel.c, loader.c) ---- */

typedef struct rlx_cpu_kernel {
    rlx_host_function function;
    void *user;
    void *library;             /* that holds the function, closed with the kernel; NULL: not ours */
    _Atomic uint64_t group_ps; /* what a group takes in picoseconds, as last seen; 0: not known. Only a hint */
} rlx_cpu_kernel;

rlx_status rlx_cpu_kernel_create(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel);
void rlx_cpu_kernel_destroy(void *device, void *kernel);

/* Opens the library at code->path, or makes one of C source, and finds its function. */
rlx_status rlx_cpu_load_library(const rlx_code *code, rlx_cpu_kernel *kernel);
rlx_status rlx_cpu_load_source(const rlx_cpu_device *device, const rlx_kernel_desc *desc, const rlx_code *code,
                               rlx_cpu_kernel *kernel);

/* ---- Commands (command.c) ---- */

/* How far a command came. */
typedef enum rlx_cpu_step {
    RLX_CPU_DONE,
    RLX_CPU_FAILED, /* and the fault says why */
    RLX_CPU_AWAY,   /* other workers are still at it: the last of them goes on with what comes after */
} rlx_cpu_step;

/* What comes after a command: the rest of a stream's batch or, where `program` is set, of a segment of its graph. */
typedef struct rlx_cpu_strand {
    rlx_cpu_stream *stream;
    rlx_cpu_program *program;
    uint32_t segment, position; /* of the node within the segment */
    uint64_t begun_ns;          /* when the worker began with this segment; 0: its cost is not asked for */
    uint64_t spent_ns;          /* what other workers had put into it before */
} rlx_cpu_strand;

/* A command cut into parts that can run in any order and side by side: groups, rows, or blocks of bytes. */
typedef struct rlx_cpu_task {
    const rlx_packet *packet;
    uint64_t count;            /* parts */
    uint64_t block;            /* bytes of a part within one row; 0: parts are groups or rows */
    _Atomic uint64_t *part_ps; /* where the cost of a part is remembered; NULL: nowhere */
} rlx_cpu_task;

/* Runs one command of a batch or a graph; any kind but RUN. */
rlx_cpu_step rlx_cpu_command(rlx_cpu_worker *worker, const rlx_packet *packet, const rlx_cpu_strand *strand,
                             rlx_fault *fault);
/* Runs a graph's packets from number *at on; after FAILED or AWAY *at is the one that it was. */
rlx_cpu_step rlx_cpu_commands(rlx_cpu_worker *worker, rlx_packet *const *packets, uint32_t count, uint32_t *at,
                              const rlx_cpu_strand *strand, rlx_fault *fault);
/* Runs the nodes of a segment from strand->position on, likewise; none behind one that has failed. */
rlx_cpu_step rlx_cpu_segment(rlx_cpu_worker *worker, rlx_cpu_strand *strand, rlx_fault *fault);
/* Tells the trace of what this thread has run: `parts` of a task. */
void rlx_cpu_trace(const rlx_cpu_task *task, const rlx_cpu_stream *stream, uint64_t begin_ns, uint64_t end_ns,
                   uint64_t parts, rlx_status status);
/* Runs parts of a command here and now. */
rlx_status rlx_cpu_task_run(rlx_cpu_worker *worker, const rlx_cpu_task *task, uint64_t first, uint64_t count);
/* Fills in a fault: `status` as it was returned, whatever it was, for `count` parts from `first`. */
void rlx_cpu_fault_set(rlx_fault *fault, rlx_status status, const rlx_cpu_task *task, uint64_t first, uint64_t count);
/* The fault of a node, as that of the RUN that it is part of. */
void rlx_cpu_fault_within(rlx_fault *fault, const rlx_packet *run);
/* Goes on behind a command that was AWAY and has ended; `fault` is NULL if it went well. */
void rlx_cpu_strand_resume(rlx_cpu_worker *worker, const rlx_cpu_strand *strand, const rlx_fault *fault);

/* ---- The pool (pool.c) ---- */

/* Work that more workers can join: a command's parts (share.c) or a program's segments (program.c). */
typedef struct rlx_cpu_offer rlx_cpu_offer;
struct rlx_cpu_offer {
    void (*help)(rlx_cpu_worker *worker, rlx_cpu_offer *offer); /* called by a worker that was counted as a member */
    rlx_cpu_offer *next, *previous;                             /* pool->lock guards this and all below */
    uint32_t wanted;  /* workers that could join; it is listed while there are any */
    uint32_t members; /* workers that are in it */
};

/* A command that several workers run. There are as many of them as threads, since each holds a worker at least. */
typedef struct rlx_cpu_job {
    rlx_cpu_offer offer; /* first: what leads back here */
    rlx_cpu_task task;
    rlx_cpu_strand strand;
    struct rlx_cpu_job *next; /* in the pool's list of free ones */
    uint64_t parts;           /* that the job began with */
    double part_ns;           /* what one is thought to take */
    rlx_fault fault;          /* pool->lock: of the lowest part that failed; status RLX_OK: none */
    uint64_t fault_first;     /* pool->lock */
    uint64_t work_ns;         /* pool->lock: that all members together have put in */
    unsigned char apart[64];  /* every member writes the word below: on a cache line of its own */
    _Atomic uint64_t taken;   /* parts that somebody has taken; the count or more: none is left */
    unsigned char apart_too[64];
} rlx_cpu_job;

/* What a command needs of the thread that it runs on. A sync stream has one of its own, without pool and thread. */
struct rlx_cpu_worker {
    rlx_cpu_pool *pool;
    void *scratch;       /* shared memory of the group that runs, aligned to 64 bytes */
    void *scratch_block; /* the allocation that it lies in */
    uint32_t scratch_size;
    uint32_t tick;        /* counts short dispatches: now and then one is timed */
    bool told;            /* what runs went through share.c, which tells the trace of it */
    uint64_t helped_ns;   /* what others have put into commands that ended here, for whoever sets it to 0 before */
    rlx_cpu_job job;      /* given to the pool's list */
    uint32_t number;      /* among the pool's, from 1 */
    rlx_cpu_worker *next; /* pool->lock: among the parked, the woken or the unused */
    rlx_cpu_worker *next_of_all; /* pool->lock */
    bool parked;                 /* pool->lock: in the list of parked ones */
    rlx_thread thread;           /* that it is */
    rlx_placement placement;     /* by whoever sends the signal, before that */
    _Atomic uint32_t signal;     /* set to 1 to wake it */
};

/* `size` bytes of scratch; NULL when out of memory. */
void *rlx_cpu_worker_scratch(rlx_cpu_worker *worker, uint32_t size);
void rlx_cpu_worker_clear(rlx_cpu_worker *worker);

struct rlx_cpu_pool {
    uint32_t number;              /* of the pool in this process, from 1: for the trace */
    uint32_t workers;             /* threads that compute at once */
    bool spins;                   /* idle threads look around before they park: there is a processor to spare */
    _Atomic uint32_t refs;        /* the device's and each thread's */
    _Atomic uint32_t computing;   /* threads with work, those inside a host call not counted */
    _Atomic uint32_t pending;     /* streams in the queue, and workers that offers want; changed under lock */
    atomic_bool started;          /* there is a thread, and always will be: written under start_lock */
    rlx_mutex start_lock;         /* held while the first thread starts; taken before lock */
    rlx_mutex lock;               /* guards all below */
    rlx_cpu_stream *first, *last; /* streams with work that no worker runs, in the order in which they came */
    rlx_cpu_offer offers;         /* head of the ring of listed offers */
    rlx_cpu_job *jobs;            /* free ones */
    rlx_cpu_worker *parked;       /* the one that parked last first: its caches are the warmest */
    rlx_cpu_worker *unused;       /* without a thread */
    rlx_cpu_worker *all;
    uint32_t made;    /* workers */
    uint32_t threads; /* alive */
    uint32_t idle;    /* of these, awake and looking for work, or just woken */
    bool closing;
};

rlx_cpu_pool *rlx_cpu_pool_create(uint32_t workers); /* starts no thread; NULL when out of memory */
/* No work is left. Threads end by themselves, the one that calls this from a completion among them. */
void rlx_cpu_pool_close(rlx_cpu_pool *pool);
/* Makes sure that there is a thread; false if none can be started. */
bool rlx_cpu_pool_ready(rlx_cpu_pool *pool);
/* Puts a stream into the queue. */
void rlx_cpu_pool_push(rlx_cpu_pool *pool, rlx_cpu_stream *stream);
/* Whether a worker more could compute now. A guess, taken without the lock. */
bool rlx_cpu_pool_has_room(rlx_cpu_pool *pool);

/* Around code that may block for long: meanwhile another thread may compute in this one's place. */
void rlx_cpu_worker_block(rlx_cpu_worker *worker);
void rlx_cpu_worker_unblock(rlx_cpu_worker *worker);

/* Under pool->lock: how many workers could join an offer from now on; lists and unlists it. */
void rlx_cpu_offer_want(rlx_cpu_pool *pool, rlx_cpu_offer *offer, uint32_t wanted);
/* Under pool->lock, which it releases: wakes or starts up to `most` threads for what is pending, to work beside the
 * caller, which goes on with its own. */
void rlx_cpu_pool_wake_and_unlock(rlx_cpu_pool *pool, uint32_t most);

/* ---- Sharing (share.c) ---- */

#define RLX_CPU_WAKE_NS 30000 /* a parked worker takes about this long to come: less work is not worth a call */

/* Runs a task to its end: alone while it is short, with other workers where that pays. */
rlx_cpu_step rlx_cpu_share(rlx_cpu_worker *worker, const rlx_cpu_task *task, const rlx_cpu_strand *strand,
                           rlx_fault *fault);

/* ---- Streams (stream.c) ---- */

struct rlx_cpu_stream {
    rlx_cpu_pool *pool; /* NULL: sync */
    const rlx_stream_sink *sink;
    rlx_cpu_worker *own;   /* sync: what its commands run on */
    rlx_cpu_stream *next;  /* pool->lock: in the queue */
    _Atomic uint32_t refs; /* the core's, and the pool's while it is active */

    /* The batch that runs: for the worker that has the stream, handed on through pool->lock. */
    bool running; /* there is one */
    uint64_t signal;
    const rlx_packet *at;     /* the command under way, NULL behind the last */
    rlx_cpu_program *program; /* run as a plain loop by that command, NULL otherwise */
    uint32_t node;            /* of it, the one under way */
    uint32_t commands;        /* since the core was asked whether to go on */
    rlx_fault fault;          /* status RLX_OK: none */

    rlx_mutex lock;   /* guards all below */
    rlx_batch *queue; /* a ring of `room`, a power of two */
    uint32_t head, count, room;
    bool active; /* queued in the pool, or with a worker */
};

rlx_status rlx_cpu_stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink, void **stream);
void rlx_cpu_stream_close(void *stream);
rlx_status rlx_cpu_submit(void *stream, const rlx_batch *batch, rlx_fault *fault);
rlx_status rlx_sync_submit(void *stream, const rlx_batch *batch, rlx_fault *fault);
/* Runs a stream until it has no work, or its work is AWAY, or others have waited long enough. */
void rlx_cpu_stream_run(rlx_cpu_worker *worker, rlx_cpu_stream *stream);
/* The same, behind the command that was AWAY. */
void rlx_cpu_stream_resume(rlx_cpu_worker *worker, rlx_cpu_stream *stream, const rlx_fault *fault);

/* ---- Programs (graph.c builds them, program.c runs them) ---- */

/* A graph cut into segments: chains of nodes in which each waits for nothing but the one before it. A segment is what a
 * worker takes; only its first node waits for other segments, and only its last one is waited for. */
struct rlx_cpu_program {
    rlx_cpu_offer offer; /* first: the ready segments, while a run is under way */
    const rlx_graph *graph;
    rlx_cpu_pool *pool; /* NULL: sync */
    bool chain;         /* nothing in it can overlap here: always a plain loop, and no segments are made */

    uint32_t count;         /* segments */
    uint32_t *nodes;        /* numbers of nodes, a segment's together and in order */
    uint32_t *start;        /* count + 1: where a segment's begin */
    uint32_t *predecessors; /* how many segments each waits for */
    uint32_t *first;        /* count + 1: where its successors begin */
    uint32_t *successors;   /* numbers of segments, always higher */

    /* For one run at a time: by the worker that starts or ends it. */
    const rlx_packet *run_packet;
    rlx_cpu_stream *stream;
    uint64_t runs;
    bool timed;                           /* this run looks how long each segment takes */
    bool parallel;                        /* what the last such run says: overlapping can pay */
    bool tried;                           /* this run looks how long it takes as a whole: */
    uint64_t begun_ns, graph_ns, loop_ns; /* and the last ones did, either way; 0: not known */
    _Atomic uint32_t failed_node;         /* nodes from here on are not run any more; UINT32_MAX: none failed */
    _Atomic uint32_t *unmet;              /* predecessors that have not ended */
    uint32_t *cost_ns;                    /* each written by the worker that ran it */
    uint32_t *rank_ns;                    /* from the segment's start along the longest way to the end */

    /* pool->lock guards these. */
    uint32_t *ready; /* a heap, the highest rank first */
    uint32_t ready_count;
    uint32_t remaining; /* segments that have not ended (members may know of fewer) */
    rlx_fault fault;    /* of failed_node */
};

rlx_status rlx_cpu_program_create(void *device, const rlx_graph *graph, void **program);
void rlx_cpu_program_destroy(void *device, void *program);

/* Under its start: whether overlapping would pay, from cost_ns. Fills in rank_ns. */
bool rlx_cpu_program_rank(rlx_cpu_program *program);

/* Runs the program of stream->at. */
rlx_cpu_step rlx_cpu_program_run(rlx_cpu_worker *worker, rlx_cpu_stream *stream, rlx_fault *fault);
/* Goes on with a program that is run as a plain loop, from stream->node. */
rlx_cpu_step rlx_cpu_program_loop(rlx_cpu_worker *worker, rlx_cpu_stream *stream, rlx_fault *fault);
/* Goes on with a segment behind the command that was AWAY. */
void rlx_cpu_program_resume(rlx_cpu_worker *worker, const rlx_cpu_strand *strand, const rlx_fault *fault);

#endif
