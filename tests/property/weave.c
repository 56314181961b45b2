/* The devices `weave` and `far`: streams, batches, programs. See weave.h; what a command does: weave_command.c. */
#include "weave.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "weave_command.h"

/* A command under way: see weave_command.h. In a program it is one of its nodes. */
typedef struct strand {
    weave_command *command; /* NULL: not begun */
    uint32_t node;
} strand;

typedef struct weave_stream {
    struct weave_stream *next;
    rlx_batch *queue; /* batches `completed` + 1 and on */
    uint32_t count, room;
    uint64_t completed;
    const rlx_packet *at; /* of the first batch; `begun` says whether it is to be looked at */
    bool begun;
    rlx_fault fault;
    /* Of the packet at `at`: one strand, or those of a program that may go on. */
    strand *strands;
    uint32_t strand_count, unmet_room;
    uint32_t *unmet;
} weave_stream;

/* One world for both devices: all their streams are woven together. */
static struct {
    pthread_mutex_t lock; /* guards all of it, and every stream's fields */
    weave_stream *streams;
    dice dice;
} weave = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const rlx_host *weave_host;

void weave_seed(uint64_t seed) {
    pthread_mutex_lock(&weave.lock);
    weave.dice.state = seed;
    pthread_mutex_unlock(&weave.lock);
}

/* ---- Devices, memory, kernels ---- */

static rlx_status weave_probe(uint32_t *count) {
    *count = 1;
    return RLX_OK;
}

#define WEAVE_PROPERTIES(device, bits) \
    { \
        .struct_size = sizeof(rlx_device_properties), .name = device, .backend = device, .id = "", \
        .description = "runs commands in the worst order", .driver = "none", .architecture = "none", .units = 1, \
        .subgroup_min = 1, .subgroup_max = 1, .timer_ns = 1, .storage_types = 7, .compute_types = 7, \
        .progress = RLX_PROGRESS_CALLER, .can = (bits) | RLX_CAN_WIDE_VALUES | RLX_CAN_DEVICE_CLOCK, \
        .limits = { .buffer_size = 1u << 28, \
                    .binding_size = 1u << 27, \
                    .binding_alignment = 4, \
                    .buffer_args = 8, \
                    .value_bytes = 128, \
                    .groups = { 65535, 65535, 65535 }, \
                    .group_size = { 256, 256, 64 }, \
                    .group_threads = 256, \
                    .shared_bytes = 16384 }, \
        .formats = formats, .format_count = 1 \
    }
static const rlx_format_info formats[] = { { RLX_CODE_HOST, "host" } };
static const rlx_device_properties weave_properties = WEAVE_PROPERTIES("weave", RLX_CAN_HOST_POINTER);
static const rlx_device_properties far_properties = WEAVE_PROPERTIES("far", 0);

static const rlx_device_properties *weave_describe(uint32_t i) { return i ? NULL : &weave_properties; }
static const rlx_device_properties *far_describe(uint32_t i) { return i ? NULL : &far_properties; }

static rlx_status weave_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    (void)index, (void)desc;
    opened->device = &weave;
    return RLX_OK;
}

static void weave_close(void *device) { (void)device; }

/* Its size stands in front of a block. */
enum { BLOCK_HEAD = 64 };

static rlx_status far_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    (void)device, (void)kind;
    unsigned char *memory = aligned_alloc(BLOCK_HEAD, BLOCK_HEAD + (size + BLOCK_HEAD - 1) / BLOCK_HEAD * BLOCK_HEAD);
    if (!memory) return weave_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory");
    memcpy(memory, &size, sizeof size);
    memset(memory + BLOCK_HEAD, 0xcc, size);
    block->memory = memory + BLOCK_HEAD;
    return RLX_OK;
}

static rlx_status weave_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    rlx_status status = far_allocate(device, size, kind, block);
    block->host = block->memory;
    return status;
}

static void weave_free(void *device, void *memory) {
    (void)device;
    unsigned char *block = (unsigned char *)memory - BLOCK_HEAD;
    uint64_t size;
    memcpy(&size, block, sizeof size);
    memset(memory, 0xdd, size);
    free(block);
}

static rlx_status weave_kernel(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel) {
    (void)device, (void)desc;
    rlx_code *made = malloc(sizeof *made);
    if (!made) return weave_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory");
    *made = *code;
    *kernel = made;
    return RLX_OK;
}

static void weave_kernel_destroy(void *device, void *kernel) {
    (void)device;
    ((rlx_code *)kernel)->function = NULL;
    free(kernel);
}

/* ---- Programs ---- */

static rlx_status weave_program(void *device, const rlx_graph *graph, void **program) {
    (void)device;
    *program = (void *)(uintptr_t)graph;
    return RLX_OK;
}

static void weave_program_destroy(void *device, void *program) { (void)device, (void)program; }

static const rlx_graph *graph_of(const rlx_packet *packet) { return ((const rlx_packet_run *)packet)->program; }

static rlx_status open_program(weave_stream *s) {
    const rlx_packet_run *run = (const rlx_packet_run *)s->at;
    const rlx_graph *graph = run->program;
    if (s->unmet_room < graph->count) {
        free(s->unmet), free(s->strands);
        s->unmet = malloc(graph->count * sizeof *s->unmet);
        s->strands = malloc(graph->count * sizeof *s->strands);
        s->unmet_room = s->unmet && s->strands ? graph->count : 0;
        if (!s->unmet_room) return RLX_ERROR_OUT_OF_MEMORY;
    }
    weave_host->run_patch(run);
    memcpy(s->unmet, graph->unmet, graph->count * sizeof *s->unmet);
    s->strand_count = 0;
    for (uint32_t i = 0; i < graph->count; i++)
        if (!graph->unmet[i]) s->strands[s->strand_count++] = (strand){ NULL, i };
    return RLX_OK;
}

/* A node has ended: those that waited for it may begin. */
static void end_node(weave_stream *s, uint32_t node) {
    const rlx_graph *graph = graph_of(s->at);
    for (uint64_t e = graph->first[node]; e < graph->first[node + 1]; e++)
        if (!--s->unmet[graph->successors[e]]) s->strands[s->strand_count++] = (strand){ NULL, graph->successors[e] };
}

/* ---- Steps ---- */

static rlx_status open_packet(weave_stream *s) {
    if (s->at->kind == RLX_PACKET_RUN) return open_program(s);
    if (!s->unmet_room) {
        s->strands = malloc(sizeof *s->strands), s->unmet = malloc(sizeof *s->unmet);
        if (!s->strands || !s->unmet) return RLX_ERROR_OUT_OF_MEMORY;
        s->unmet_room = 1;
    }
    s->strands[0] = (strand){ NULL, 0 };
    s->strand_count = 1;
    return RLX_OK;
}

/* The first or second step of a strand that is drawn. */
static rlx_status step_strand(weave_stream *s) {
    uint32_t at = dice_below(&weave.dice, s->strand_count);
    strand *chosen = &s->strands[at];
    bool program = s->at->kind == RLX_PACKET_RUN;
    const rlx_packet *packet = program ? graph_of(s->at)->packets[chosen->node] : s->at;
    if (!chosen->command) return weave_command_begin(weave_host, packet, dice_below(&weave.dice, 4), &chosen->command);
    strand ended = *chosen;
    s->strands[at] = s->strands[--s->strand_count];
    rlx_status status = weave_command_end(weave_host, ended.command);
    if (program) end_node(s, ended.node);
    return status;
}

static void end_batch(weave_stream *s) {
    s->completed++;
    s->begun = false;
    memmove(s->queue, s->queue + 1, --s->count * sizeof *s->queue);
}

/* One step of the stream's first batch. */
static void step(weave_stream *s) {
    rlx_status status = RLX_OK;
    if (!s->begun) {
        s->begun = true;
        s->at = s->queue[0].first;
        if (s->at) status = open_packet(s);
    } else if (s->at && s->strand_count) {
        status = step_strand(s);
    } else if (s->at) {
        s->at = s->at->next;
        if (s->at) status = open_packet(s);
    }
    if (status) {
        s->fault = (rlx_fault){ .status = status, .signal = s->completed + 1, .first = s->at, .last = s->at };
        s->at = NULL;
    }
    if (!s->at) end_batch(s);
}

/* ---- Streams ---- */

static rlx_status weave_stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink,
                                    void **stream) {
    (void)device, (void)desc, (void)sink;
    weave_stream *s = calloc(1, sizeof *s);
    if (!s) return weave_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory");
    pthread_mutex_lock(&weave.lock);
    s->next = weave.streams;
    weave.streams = s;
    pthread_mutex_unlock(&weave.lock);
    *stream = s;
    return RLX_OK;
}

static void weave_stream_close(void *stream) {
    weave_stream *s = stream, **at = &weave.streams;
    pthread_mutex_lock(&weave.lock);
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&weave.lock);
    free(s->queue), free(s->strands), free(s->unmet), free(s);
}

static rlx_status weave_submit(void *stream, const rlx_batch *batch, rlx_fault *fault) {
    weave_stream *s = stream;
    (void)fault;
    pthread_mutex_lock(&weave.lock);
    bool room = s->count < s->room;
    if (!room) {
        rlx_batch *more = realloc(s->queue, (s->room + 16) * sizeof *more);
        room = more != NULL;
        if (room) s->queue = more, s->room += 16;
    }
    if (room) s->queue[s->count++] = *batch;
    pthread_mutex_unlock(&weave.lock);
    return room ? RLX_OK : weave_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory");
}

/* Any of the streams that have something to do. */
static weave_stream *draw_stream(void) {
    uint32_t busy = 0;
    for (weave_stream *s = weave.streams; s; s = s->next) busy += s->count > 0;
    if (!busy) return NULL;
    busy = dice_below(&weave.dice, busy);
    for (weave_stream *s = weave.streams;; s = s->next)
        if (s->count && !busy--) return s;
}

static rlx_status weave_wait(void *stream, uint64_t signal, uint64_t timeout_ns) {
    weave_stream *s = stream;
    (void)timeout_ns; /* it never takes long */
    pthread_mutex_lock(&weave.lock);
    while (s->completed < signal) step(draw_stream());
    pthread_mutex_unlock(&weave.lock);
    return RLX_OK;
}

static rlx_status weave_query(void *stream, uint64_t *completed, rlx_fault *fault) {
    weave_stream *s = stream;
    pthread_mutex_lock(&weave.lock);
    *completed = s->completed;
    if (s->fault.status) *fault = s->fault;
    s->fault.status = RLX_OK;
    pthread_mutex_unlock(&weave.lock);
    return RLX_OK;
}

/* ---- The tables ---- */

#define WEAVE_TABLE(backend, bits, described, allocates) \
    .struct_size = sizeof(rlx_backend), .major = RLX_BACKEND_MAJOR, .minor = RLX_BACKEND_MINOR, .name = backend, \
    .flags = (bits), .probe = weave_probe, .describe = described, .device_open = weave_open, \
    .device_close = weave_close, .memory_allocate = allocates, .memory_free = weave_free, \
    .kernel_create = weave_kernel, .kernel_destroy = weave_kernel_destroy, .stream_open = weave_stream_open, \
    .stream_close = weave_stream_close, .submit = weave_submit, .wait = weave_wait, .query = weave_query, \
    .program_create = weave_program, .program_destroy = weave_program_destroy

static const rlx_backend weave_table = { WEAVE_TABLE("weave", RLX_BACKEND_HOST_MEMORY, weave_describe,
                                                     weave_allocate) };
static const rlx_backend far_table = { WEAVE_TABLE("far", 0, far_describe, far_allocate) };

static const rlx_backend *weave_entry(const rlx_host *host) { return weave_host = host, &weave_table; }
static const rlx_backend *far_entry(const rlx_host *host) { return weave_host = host, &far_table; }

rlx_status weave_register(void) {
    rlx_status status = rlx_backend_register(weave_entry);
    return status ? status : rlx_backend_register(far_entry);
}
