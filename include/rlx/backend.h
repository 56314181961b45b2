/* What a backend fills in: one table of functions, and an entry point that hands it over.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * THE DIVISION OF WORK. The core checks every argument, resolves every range, orders batches by their dependencies,
 * keeps failures, holds objects alive and answers every wait. A backend sees only batches of checked packets whose
 * dependencies are met, one stream at a time and in order, and has to run them as if one after the other. So a backend
 * is thin: docs/backend-guide.md writes one in an afternoon, and examples/minimal-backend is under 250 lines.
 *
 * A PLUGIN is a shared library named rlx_backend_NAME.so that exports
 *
 *     RLX_BACKEND_EXPORT const rlx_backend *rlx_backend_entry(const rlx_host *host);
 *
 * and links to nothing of ours: what it needs of the library comes in `host`. It is never unloaded.
 *
 * VERSIONS. Tables only grow, and start with their size: a function beyond the writer's struct_size counts as NULL. The
 * major version must be equal on both sides; any minor version meets any other.
 *
 * THREADS. The core calls probe, describe and device_open under a lock of the registry; functions of one stream (submit
 * only) from one thread at a time; everything else from any thread at any time, unless the device is thread-bound: then
 * all calls come from the thread that opened it. No lock of the core is held in submit, wait, query, memory_free,
 * kernel_destroy, program_destroy, stream_close and device_close. memory_free and the other releases may come from
 * within rlx_stream_sink.complete.
 *
 * ERRORS. A function that fails returns a status after host->fail has set the message; it changes nothing.
 */
#ifndef RLX_BACKEND_H
#define RLX_BACKEND_H

#include <rlx/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RLX_BACKEND_MAJOR 1
#define RLX_BACKEND_MINOR 1
#define RLX_BACKEND_EXPORT RLX_API

#if defined(__GNUC__)
#define RLX_PRINTF(text, arguments) __attribute__((format(printf, text, arguments)))
#else
#define RLX_PRINTF(text, arguments)
#endif

/* ---- Packets ---------------------------------------------------------------------------------------------------- *
 *
 * A command as a backend sees it. Everything is resolved: memory blocks instead of buffers, defaults filled in, no
 * empty work. Packets belong to the core and live until the batch (or program) that they are part of has ended. */

typedef enum rlx_packet_kind {
    RLX_PACKET_COPY = 1,
    RLX_PACKET_FILL,
    RLX_PACKET_WRITE,
    RLX_PACKET_READ,
    RLX_PACKET_DISPATCH,
    RLX_PACKET_HOST_CALL,
    RLX_PACKET_TIMESTAMP,
    RLX_PACKET_RUN,
    RLX_PACKET_JOIN, /* only in graphs: does nothing, but gathers many edges and hands on one. A bare rlx_packet */
    /* A kind that a backend does not know: fail the batch with RLX_ERROR_UNSUPPORTED, never ignore it. */
} rlx_packet_kind;

enum { RLX_PACKET_SKIP = 1 << 0 }; /* a condition is off in this run: the command does nothing */

typedef struct rlx_packet {
    struct rlx_packet *next; /* in the order of the stream; NULL at the end */
    uint16_t kind;           /* rlx_packet_kind */
    uint16_t flags;
    uint32_t index;          /* the command's number in its batch or program */
    const char *label;       /* NULL if it has none */
} rlx_packet;

/* A byte in device memory. */
typedef struct rlx_place {
    void *memory;    /* the backend's own, from memory_allocate */
    uint64_t offset; /* bytes */
    void *host;      /* the address of that byte, if the block has a host address; otherwise NULL */
} rlx_place;

/* rows * row_bytes bytes; one row unless strided. Rows in this order, each as memmove, are right whatever overlaps:
 * the core has chosen the order, so strides can be negative (the places are those of the first row to move). */
typedef struct rlx_packet_copy { /* COPY */
    rlx_packet base;
    rlx_place dst, src;
    uint64_t rows, row_bytes;
    int64_t dst_stride, src_stride; /* bytes */
} rlx_packet_copy;

typedef struct rlx_packet_host_copy { /* WRITE: host to device; READ: device to host */
    rlx_packet base;
    rlx_place device;
    void *host; /* only read by WRITE */
    uint64_t rows, row_bytes;
    int64_t device_stride, host_stride;
} rlx_packet_host_copy;

typedef struct rlx_packet_fill { /* FILL */
    rlx_packet base;
    rlx_place dst;
    uint64_t rows, row_bytes;
    int64_t stride;
    uint32_t pattern; /* widened to 4 bytes: byte i of a row is byte i % 4 of it (little-endian) */
    uint32_t pattern_size;
} rlx_packet_fill;

typedef struct rlx_packet_dispatch { /* DISPATCH */
    rlx_packet base;
    void *kernel;                  /* the backend's own, from kernel_create */
    uint32_t groups[3];            /* none is 0 */
    uint32_t group_size[3];
    uint64_t group_count;          /* groups[0] * groups[1] * groups[2] */
    uint32_t shared_bytes;         /* the kernel's and the dispatch's together */
    uint32_t arg_count;
    const rlx_host_arg *args;      /* a value: its bytes and size. A buffer: its size, and its address if it has one */
    const rlx_place *places;       /* for each argument, of values all zero. NULL with RLX_BACKEND_HOST_MEMORY */
    const rlx_kernel_properties *info;
} rlx_packet_dispatch;

typedef struct rlx_packet_host_call { /* HOST_CALL: between host->callback_enter and _leave */
    rlx_packet base;
    rlx_call_function function;
    void *user;
} rlx_packet_host_call;

typedef struct rlx_packet_timestamp { /* TIMESTAMP: only with RLX_CAN_DEVICE_CLOCK */
    rlx_packet base;
    uint64_t *ns; /* host memory, on the scale of host->clock_ns */
} rlx_packet_timestamp;

typedef struct rlx_packet_run { /* RUN: only with program_create */
    rlx_packet base;
    void *program;        /* the backend's own, from program_create */
    const void *values;   /* for host->run_patch */
} rlx_packet_run;

/* ---- Batches and their end -------------------------------------------------------------------------------------- */

/* A failure as a backend knows it. All zero: no failure. */
typedef struct rlx_fault {
    rlx_status status;
    rlx_help help;            /* with RLX_ERROR_DEVICE_LOST: what helps */
    uint64_t signal;          /* the batch (query fills it in; elsewhere not used) */
    int64_t vendor_code;
    const rlx_packet *first;  /* the packet that failed, or the first of those in flight; NULL: not known */
    const rlx_packet *last;   /* the same as first when it is exact */
    const rlx_packet *inner;  /* where `first` is a RUN: the packet of the program that failed, or NULL */
    char message[256];        /* what the vendor says, without names or numbers of commands: the core adds them */
} rlx_fault;

typedef struct rlx_batch {
    uint64_t signal;          /* rises by one from batch to batch of a stream, from 1 */
    const rlx_packet *first;  /* NULL: an empty batch */
    uint64_t count;
} rlx_batch;

/* One for each stream, from stream_open to stream_close: how a backend with threads of its own reports. Its functions
 * may be called from any thread without a lock held. */
typedef struct rlx_stream_sink rlx_stream_sink;
struct rlx_stream_sink {
    uint32_t struct_size;
    /* Asked before a batch's first command (and as often as wanted during it): false means cancelled or failed; run no
     * (more) command of it and complete it without a fault. */
    bool (*begin)(const rlx_stream_sink *sink, uint64_t signal);
    /* Batch `signal` has ended, and all before it were completed; `fault` is *borrowed*, NULL if there is none. The core
     * may close the stream and its device from here: touch neither afterwards. */
    void (*complete)(const rlx_stream_sink *sink, uint64_t signal, const rlx_fault *fault);
};

/* ---- Programs --------------------------------------------------------------------------------------------------- */

/* A recorded program. Node i is packets[i]; i may start when its unmet[i] predecessors have ended; when it ends, it counts
 * down successors[first[i]] to successors[first[i + 1] - 1]. Edges go from lower to higher numbers only, so running in
 * order is always right. A HOST_CALL is ordered with everything. Where many commands precede many others, a JOIN
 * stands between them (all joins of a graph may be one and the same packet). Lives until program_destroy. */
typedef struct rlx_graph {
    uint32_t struct_size;
    uint32_t count;
    rlx_packet *const *packets;
    const uint32_t *unmet;
    const uint64_t *first;      /* count + 1 of them */
    const uint32_t *successors;
    const char *label;
} rlx_graph;

/* ---- The services of the library -------------------------------------------------------------------------------- */

typedef struct rlx_backend rlx_backend;

/* What one thread or queue of the device has run: a command, or its share of one that several ran together. */
typedef struct rlx_trace_command {
    uint32_t struct_size;
    rlx_status status;            /* RLX_OK, or how it failed */
    const rlx_packet *packet;     /* *borrowed* for the call, as all here. A RUN is told whole, or command by command */
    const rlx_stream_sink *sink;  /* of its stream; NULL: not known */
    uint64_t begin_ns, end_ns;    /* on the scale of clock_ns */
    uint64_t parts, of;           /* a share: so many of so many like parts (groups, rows, blocks). 0: all of it */
    uint32_t row;                 /* where it is drawn, from trace_row; 0: the calling thread's own */
} rlx_trace_command;

typedef struct rlx_host {
    uint32_t struct_size;
    uint16_t major, minor;
    /* Sets the calling thread's error message and returns `status`. The core puts the device's name in front. */
    rlx_status (*fail)(rlx_status status, const char *format, ...) RLX_PRINTF(2, 3);
    void (*note)(rlx_log_level level, const char *format, ...) RLX_PRINTF(2, 3);
    void *(*allocate)(size_t size); /* zeroed; NULL when there is none. Free with `release` */
    void (*release)(void *memory);
    uint64_t (*clock_ns)(void);
    /* Around host functions and host calls: waits in between are RLX_ERROR_ORDER (rule 6). Nests. */
    uint32_t (*callback_enter)(void);
    void (*callback_leave)(uint32_t entered);
    /* Puts a run's slot values into the packets of its program, at the start of the RUN: no run of it is under way. */
    void (*run_patch)(const rlx_packet_run *run);
    /* The table of another backend that has been taken, for a backend that wraps it. NULL if there is none. */
    const rlx_backend *(*backend_find)(const char *name);

    /* Since 1.1: look at struct_size before you use them. */

    /* Traces (docs/tracing.md). A word that is not 0 while one is written: read it (no lock, no barrier) before you take
     * times or call the functions below, which else do nothing. It lies where it is for ever. */
    const uint32_t *tracing;
    /* A row for commands that no thread of the host runs, as those of a hardware queue; they must not overlap on it. 0 if
     * there is none to be had. */
    uint32_t (*trace_row)(const char *name);
    /* Names the calling thread's row, if it is a thread of yours. Before the first command is best. */
    void (*trace_thread)(const char *name);
    /* Tells of a command that has run, before its batch is completed. One after the other on each row. */
    void (*trace_command)(const rlx_trace_command *command);
} rlx_host;

/* ---- The table -------------------------------------------------------------------------------------------------- */

enum {
    /* submit returns when the batch has ended: its status and fault are the batch's. */
    RLX_BACKEND_SYNCHRONOUS = 1 << 0,
    /* Calls rlx_stream_sink.complete for every batch. Without either flag the core polls wait and query, on a thread of
     * its own, or on the caller's if the device's progress is CALLER. */
    RLX_BACKEND_COMPLETES = 1 << 1,
    /* Every memory block has a host address: packets carry addresses, and no places for arguments. */
    RLX_BACKEND_HOST_MEMORY = 1 << 2,
};

typedef struct rlx_device_opened {
    void *device;                            /* the backend's own */
    const rlx_device_properties *properties; /* NULL: as described. Lives until device_close */
} rlx_device_opened;

typedef struct rlx_memory_block {
    void *memory;  /* the backend's own */
    void *host;    /* the block's address on the host, lasting; NULL if it has none */
} rlx_memory_block;

struct rlx_backend {
    uint32_t struct_size;    /* sizeof(rlx_backend) */
    uint16_t major, minor;   /* RLX_BACKEND_MAJOR, RLX_BACKEND_MINOR */
    const char *name;        /* of letters, digits, - and _ */
    uint32_t flags;          /* RLX_BACKEND_ bits */
    uint32_t queue_depth;    /* commands in flight on a stream beyond which submit could block; 0: no such limit */

    /* Required: 11, and wait and query unless SYNCHRONOUS or COMPLETES. */

    /* Loads the driver if need be, and counts devices: 0 with RLX_OK and a message by host->fail (why there is none), or
     * an error. Called once. */
    rlx_status (*probe)(uint32_t *count);
    /* Device `index`; lives as long as the process. A NULL refuses that device, host->fail saying why. */
    const rlx_device_properties *(*describe)(uint32_t index);
    rlx_status (*device_open)(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened);
    void (*device_close)(void *device); /* all else of it has been closed */
    /* `size` is a multiple of 4 and not 0. */
    rlx_status (*memory_allocate)(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block);
    void (*memory_free)(void *device, void *memory);
    /* `desc` has its defaults filled in, `code` is one of a format that the device lists. UNSUPPORTED: the core tries
     * the next code. Nothing of desc may be kept. */
    rlx_status (*kernel_create)(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel);
    void (*kernel_destroy)(void *device, void *kernel);
    rlx_status (*stream_open)(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink, void **stream);
    void (*stream_close)(void *stream); /* every batch has completed, or the device is lost */
    /* Hands a batch over, in order, never waiting for the device. An error fails the batch, with `fault` saying more (its
     * status may stay 0); it is then not completed again. */
    rlx_status (*submit)(void *stream, const rlx_batch *batch, rlx_fault *fault);
    /* Waits until batch `signal` has ended or the time-out has passed: RLX_OK or RLX_TIMEOUT; an error loses the device.
     * What became of it, query says. On a caller-driven device work is run here. */
    rlx_status (*wait)(void *stream, uint64_t signal, uint64_t timeout_ns);
    /* The last batch that has ended; never blocks, runs no work. If a batch up to it failed that was not reported yet,
     * `fault` tells (fault->signal which one). */
    rlx_status (*query)(void *stream, uint64_t *completed, rlx_fault *fault);

    /* Optional: NULL means what the comment says. */

    rlx_status (*memory_report)(void *device, rlx_memory_report *report); /* its memory is the host's */
    rlx_status (*host_alloc)(void *device, uint64_t size, void **pointer); /* plain memory */
    void (*host_free)(void *device, void *pointer);                        /* with host_alloc */
    /* Prepares a graph. NULL: the core puts a program's packets into the batch at each run. */
    rlx_status (*program_create)(void *device, const rlx_graph *graph, void **program);
    void (*program_destroy)(void *device, void *program);                  /* with program_create */
};

/* The size of the required part: a table may not be smaller. */
#define RLX_BACKEND_REQUIRED_SIZE offsetof(rlx_backend, memory_report)

#define RLX_BACKEND_ENTRY "rlx_backend_entry"
typedef const rlx_backend *(*rlx_backend_entry_function)(const rlx_host *host);

/* Adds a backend that is linked into the program, before the first device is listed or opened (later it is
 * RLX_ERROR_ORDER). The table must live as long as the process. It is treated as a plugin's. Errors: VERSION, INVALID (a required
 * function is missing: named), and a name that is taken. */
RLX_CHECKED rlx_status rlx_backend_register(rlx_backend_entry_function entry);

#ifdef __cplusplus
}
#endif
#endif
