/* The liar: a backend that wraps `cpu` and keeps every rule but the one that RLX_LIE names. Without RLX_LIE it is
 * honest, which shows that whatever the suite finds with it is the lie's own doing. lies.txt says what each lie is.
 *
 *     core --submit--> stream.c --rewritten batch--> cpu --complete--> stream.c --perhaps something else--> core
 *                      (rewrite.c copies every packet; commands.c makes a copy wrong)
 *
 * So what `cpu` runs is always the liar's own copy of a batch, programs flattened, and a lie is a change to a copy, an
 * order, a kernel's call (kernel.c), a block of memory (device.c) or a report. */
#ifndef LIAR_H
#define LIAR_H

#include <rlx/backend.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

extern const rlx_host *liar_host;
extern const rlx_backend *liar_cpu; /* the table that is wrapped */

/* Whether the lie of this name is the one that is to be told. */
bool liar_tells(const char *name);

/* ---- Device and memory (device.c) ---- */

typedef struct liar_device {
    void *inner; /* cpu's */
    rlx_device_properties properties;
    _Atomic uint32_t streams; /* open ones */
    _Atomic uint64_t used;    /* bytes in blocks */
} liar_device;

typedef struct liar_memory {
    void *inner;
    unsigned char *host; /* where the bytes are */
    void *shown;         /* what the core was told: the same, unless that is the lie */
    uint64_t size;
} liar_memory;

/* ---- Kernels (kernel.c) ---- */

typedef struct liar_kernel {
    void *inner;
    rlx_host_function function; /* of RLX_CODE_HOST, which is called through the liar's own */
    void *user;
} liar_kernel;

rlx_status liar_kernel_create(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel);
void liar_kernel_destroy(void *device, void *kernel);

/* ---- Programs ---- */

typedef struct liar_program {
    const rlx_graph *graph;
    bool patched; /* a run has filled in its slots */
} liar_program;

rlx_status liar_program_create(void *device, const rlx_graph *graph, void **program);
void liar_program_destroy(void *device, void *program);

/* ---- Batches (rewrite.c, commands.c) ---- */

/* A copy of a packet. Its arguments, places and values are its own too. */
typedef struct liar_packet {
    union {
        rlx_packet base; /* first: what cpu names in a fault leads back here */
        rlx_packet_copy copy;
        rlx_packet_host_copy host_copy;
        rlx_packet_fill fill;
        rlx_packet_dispatch dispatch;
        rlx_packet_host_call host_call;
        rlx_packet_timestamp timestamp;
    };
    const rlx_packet *origin;      /* in the core's batch */
    const rlx_packet *inner;       /* where that is a RUN: in its program */
    struct liar_packet *next_made; /* for freeing */
} liar_packet;

typedef struct liar_batch {
    struct liar_batch *next; /* in the stream's list, by signal */
    uint64_t signal, count;
    rlx_packet *first, **end; /* as cpu will get them */
    liar_packet *made;        /* all copies */
    bool told;                /* the core was told that it has ended */
} liar_batch;

/* The copy of a batch, with the lie in it if it is one about commands. NULL: out of memory. */
liar_batch *liar_batch_create(const rlx_batch *batch);
void liar_batch_free(liar_batch *batch);
/* The fault in terms of the core's own packets. */
void liar_fault_translate(const liar_batch *batch, rlx_fault *fault);

/* A packet of the batch, not yet in its order. `extra` bytes behind it are its own. NULL: out of memory. */
liar_packet *liar_packet_make(liar_batch *batch, const rlx_packet *origin, const rlx_packet *inner, size_t extra);
void liar_packet_append(liar_batch *batch, liar_packet *packet);

/* Appends one copied command, and makes it wrong if that is the lie. False: out of memory. */
bool liar_command_append(liar_batch *batch, liar_packet *packet);
/* Makes the order of a batch's commands wrong, if that is the lie. */
void liar_order_falsify(liar_batch *batch);

/* ---- Streams (stream.c) ---- */

rlx_status liar_stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink, void **stream);
void liar_stream_close(void *stream);
rlx_status liar_submit(void *stream, const rlx_batch *batch, rlx_fault *fault);

#endif
