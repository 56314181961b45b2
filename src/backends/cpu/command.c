/* Commands: what each packet does, and how it is cut into parts.
 *
 * A dispatch has its groups as parts; bytes that are moved or filled have rows, or blocks of one long row. Parts are
 * run by whoever takes them (share.c), except where rows or blocks overlap: then their order matters, and one thread
 * moves them all, each as memmove, in the order that the core has chosen. */
#include "cpu.h"

#include <stdio.h>
#include <string.h>

#define BLOCK ((uint64_t)256 << 10)     /* bytes of a part, a multiple of every pattern */
#define BYTES_ALONE ((uint64_t)1 << 20) /* fewer are moved before another worker would come */
#define ALONE_PS UINT64_C(1000000)      /* a dispatch that takes less is run in one go, unseen */
#define TIMED_EVERY 61                  /* short dispatches: prime, so that no loop of the user's keeps step with it */

/* ---- Bytes ---- */

/* What a COPY, WRITE or READ moves, whatever its direction. */
typedef struct rows_move {
    unsigned char *dst;
    const unsigned char *src;
    uint64_t rows, row_bytes;
    int64_t dst_stride, src_stride;
} rows_move;

static rows_move move_of(const rlx_packet *packet) {
    if (packet->kind == RLX_PACKET_COPY) {
        const rlx_packet_copy *copy = (const rlx_packet_copy *)packet;
        return (rows_move){ copy->dst.host,  copy->src.host,   copy->rows,
                            copy->row_bytes, copy->dst_stride, copy->src_stride };
    }
    const rlx_packet_host_copy *copy = (const rlx_packet_host_copy *)packet;
    if (packet->kind == RLX_PACKET_WRITE)
        return (rows_move){ copy->device.host, copy->host,          copy->rows,
                            copy->row_bytes,   copy->device_stride, copy->host_stride };
    return (rows_move){ copy->host,      copy->device.host, copy->rows,
                        copy->row_bytes, copy->host_stride, copy->device_stride };
}

static void move_parts(const rows_move *move, uint64_t block, uint64_t first, uint64_t count) {
    if (block) {
        uint64_t begin = first * block, end = (first + count) * block;
        if (end > move->row_bytes) end = move->row_bytes;
        memmove(move->dst + begin, move->src + begin, (size_t)(end - begin));
        return;
    }
    for (uint64_t i = first; i < first + count; i++) {
        /* Offsets of rows can be negative: the first row to move is not always the lowest. */
        memmove(move->dst + (ptrdiff_t)i * move->dst_stride, move->src + (ptrdiff_t)i * move->src_stride,
                (size_t)move->row_bytes);
    }
}

/* A cache line at a time, which compilers turn into their widest stores: for much memory faster than memset, whose
 * string instruction stays behind them, and for little no slower than matters. */
static void fill_row(unsigned char *row, uint64_t bytes, uint32_t pattern) {
    const unsigned char seed[4] = { (unsigned char)pattern, (unsigned char)(pattern >> 8),
                                    (unsigned char)(pattern >> 16), (unsigned char)(pattern >> 24) };
    unsigned char line[64];
    for (size_t i = 0; i < sizeof line; i += sizeof seed) memcpy(line + i, seed, sizeof seed);
    uint64_t at = 0;
    for (; at + sizeof line <= bytes; at += sizeof line) memcpy(row + at, line, sizeof line);
    memcpy(row + at, line, (size_t)(bytes - at));
}

static void fill_parts(const rlx_packet_fill *fill, uint64_t block, uint64_t first, uint64_t count) {
    unsigned char *dst = fill->dst.host;
    if (block) {
        uint64_t begin = first * block, end = (first + count) * block;
        if (end > fill->row_bytes) end = fill->row_bytes;
        fill_row(dst + begin, end - begin, fill->pattern);
        return;
    }
    for (uint64_t i = first; i < first + count; i++)
        fill_row(dst + (ptrdiff_t)i * fill->stride, fill->row_bytes, fill->pattern);
}

/* The bytes from the lowest to the highest that strided rows touch. */
static void rows_span(const unsigned char *at, uint64_t rows, uint64_t row_bytes, int64_t stride, uintptr_t *begin,
                      uintptr_t *end) {
    uintptr_t first = (uintptr_t)at, last = first + (uintptr_t)((int64_t)(rows - 1) * stride);
    *begin = first < last ? first : last;
    *end = (first < last ? last : first) + (uintptr_t)row_bytes;
}

/* Whether no part touches what another one does. Rows that interleave without meeting count as meeting: they are rare,
 * and only cost the help of other workers. */
static bool move_parts_apart(const rows_move *move) {
    uintptr_t dst_begin, dst_end, src_begin, src_end;
    int64_t stride = move->dst_stride < 0 ? -move->dst_stride : move->dst_stride;
    rows_span(move->dst, move->rows, move->row_bytes, move->dst_stride, &dst_begin, &dst_end);
    rows_span(move->src, move->rows, move->row_bytes, move->src_stride, &src_begin, &src_end);
    bool rows_apart = move->rows == 1 || (uint64_t)stride >= move->row_bytes;
    return rows_apart && (dst_end <= src_begin || src_end <= dst_begin);
}

/* Parts of rows * row_bytes bytes: blocks of a single row, or whole rows. */
static rlx_cpu_task bytes_task(const rlx_packet *packet, uint64_t rows, uint64_t row_bytes) {
    rlx_cpu_task task = { .packet = packet, .count = rows };
    if (rows == 1) {
        task.block = BLOCK;
        task.count = (row_bytes + BLOCK - 1) / BLOCK;
    }
    return task;
}

static rlx_cpu_step move_bytes(rlx_cpu_worker *worker, const rlx_packet *packet, const rlx_cpu_strand *strand,
                               rlx_fault *fault) {
    rows_move move = move_of(packet);
    if (!worker->pool || move.rows * move.row_bytes < BYTES_ALONE || !move_parts_apart(&move)) {
        move_parts(&move, 0, 0, move.rows);
        return RLX_CPU_DONE;
    }
    rlx_cpu_task task = bytes_task(packet, move.rows, move.row_bytes);
    return rlx_cpu_share(worker, &task, strand, fault);
}

static rlx_cpu_step fill_bytes(rlx_cpu_worker *worker, const rlx_packet_fill *fill, const rlx_cpu_strand *strand,
                               rlx_fault *fault) {
    if (!worker->pool || fill->rows * fill->row_bytes < BYTES_ALONE) {
        fill_parts(fill, 0, 0, fill->rows);
        return RLX_CPU_DONE;
    }
    rlx_cpu_task task = bytes_task(&fill->base, fill->rows, fill->row_bytes);
    return rlx_cpu_share(worker, &task, strand, fault);
}

/* ---- Dispatches ---- */

/* Inlined into the loops: what stands around a short kernel is what a program costs. */
static inline rlx_status run_groups(rlx_cpu_worker *worker, const rlx_packet_dispatch *dispatch, uint64_t first,
                                    uint64_t count) {
    const rlx_cpu_kernel *kernel = dispatch->kernel;
    rlx_host_kernel call;
    call.args = dispatch->args;
    call.arg_count = dispatch->arg_count;
    memcpy(call.groups, dispatch->groups, sizeof call.groups);
    memcpy(call.group_size, dispatch->group_size, sizeof call.group_size);
    call.shared_bytes = dispatch->shared_bytes;
    call.shared = NULL;
    call.user = kernel->user;
    if (dispatch->shared_bytes) {
        call.shared = rlx_cpu_worker_scratch(worker, dispatch->shared_bytes);
        if (!call.shared) return RLX_ERROR_OUT_OF_MEMORY;
    }
    return kernel->function(&call, first, count);
}

static rlx_cpu_step dispatch_failed(const rlx_packet_dispatch *dispatch, rlx_status status, rlx_fault *fault) {
    rlx_cpu_task task = { .packet = &dispatch->base, .count = dispatch->group_count };
    rlx_cpu_fault_set(fault, status, &task, 0, task.count);
    return RLX_CPU_FAILED;
}

static inline rlx_cpu_step dispatch_alone(rlx_cpu_worker *worker, const rlx_packet_dispatch *dispatch,
                                          rlx_fault *fault) {
    rlx_status status = run_groups(worker, dispatch, 0, dispatch->group_count);
    return status ? dispatch_failed(dispatch, status, fault) : RLX_CPU_DONE;
}

static inline rlx_cpu_step dispatch_groups(rlx_cpu_worker *worker, const rlx_packet_dispatch *dispatch,
                                           const rlx_cpu_strand *strand, rlx_fault *fault) {
    if (dispatch->group_count == 1 || !worker->pool || worker->pool->workers == 1)
        return dispatch_alone(worker, dispatch, fault);
    rlx_cpu_kernel *kernel = dispatch->kernel;
    uint64_t group_ps = atomic_load_explicit(&kernel->group_ps, memory_order_relaxed);
    bool alone = group_ps && group_ps <= ALONE_PS && dispatch->group_count <= ALONE_PS &&
                 group_ps * dispatch->group_count <= ALONE_PS;
    if (alone && worker->tick++ % TIMED_EVERY) return dispatch_alone(worker, dispatch, fault);
    rlx_cpu_task task = { .packet = &dispatch->base, .count = dispatch->group_count, .part_ps = &kernel->group_ps };
    return rlx_cpu_share(worker, &task, strand, fault);
}

rlx_status rlx_cpu_task_run(rlx_cpu_worker *worker, const rlx_cpu_task *task, uint64_t first, uint64_t count) {
    if (task->packet->kind == RLX_PACKET_DISPATCH)
        return run_groups(worker, (const rlx_packet_dispatch *)task->packet, first, count);
    if (task->packet->kind == RLX_PACKET_FILL) {
        fill_parts((const rlx_packet_fill *)task->packet, task->block, first, count);
        return RLX_OK;
    }
    rows_move move = move_of(task->packet);
    move_parts(&move, task->block, first, count);
    return RLX_OK;
}

/* ---- Host calls, timestamps, and the switch ---- */

static rlx_cpu_step call_host(rlx_cpu_worker *worker, const rlx_packet_host_call *call, rlx_fault *fault) {
    rlx_cpu_worker_block(worker);
    rlx_status status = call->function(call->user);
    rlx_cpu_worker_unblock(worker);
    if (!status) return RLX_CPU_DONE;
    rlx_cpu_task task = { .packet = &call->base };
    rlx_cpu_fault_set(fault, status, &task, 0, 0);
    return RLX_CPU_FAILED;
}

static rlx_cpu_step refuse(const rlx_packet *packet, rlx_fault *fault) {
    *fault = (rlx_fault){ .status = RLX_ERROR_UNSUPPORTED, .first = packet, .last = packet };
    snprintf(fault->message, sizeof fault->message, "a command of kind %u, which this backend does not know",
             packet->kind);
    return RLX_CPU_FAILED;
}

static rlx_cpu_step run_other(rlx_cpu_worker *worker, const rlx_packet *packet, const rlx_cpu_strand *strand,
                              rlx_fault *fault) {
    switch (packet->kind) {
    case RLX_PACKET_COPY:
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ: return move_bytes(worker, packet, strand, fault);
    case RLX_PACKET_FILL: return fill_bytes(worker, (const rlx_packet_fill *)packet, strand, fault);
    case RLX_PACKET_HOST_CALL: return call_host(worker, (const rlx_packet_host_call *)packet, fault);
    case RLX_PACKET_JOIN: return RLX_CPU_DONE; /* its edges are all there is of it */
    case RLX_PACKET_TIMESTAMP:
        *((const rlx_packet_timestamp *)packet)->ns = rlx_cpu_host->clock_ns();
        return RLX_CPU_DONE;
    default: return refuse(packet, fault);
    }
}

static inline rlx_cpu_step run_command(rlx_cpu_worker *worker, const rlx_packet *packet, const rlx_cpu_strand *strand,
                                       rlx_fault *fault) {
    if (packet->flags & RLX_PACKET_SKIP) return RLX_CPU_DONE;
    if (packet->kind == RLX_PACKET_DISPATCH)
        return dispatch_groups(worker, (const rlx_packet_dispatch *)packet, strand, fault);
    return run_other(worker, packet, strand, fault);
}

void rlx_cpu_trace(const rlx_cpu_task *task, const rlx_cpu_stream *stream, uint64_t begin_ns, uint64_t end_ns,
                   uint64_t parts, rlx_status status) {
    const rlx_trace_command command = { .struct_size = sizeof command,
                                        .status = status,
                                        .packet = task->packet,
                                        .sink = stream->sink,
                                        .begin_ns = begin_ns,
                                        .end_ns = end_ns,
                                        .parts = parts,
                                        .of = task->count };
    rlx_cpu_host->trace_command(&command);
}

/* The same under a trace. What share.c has dealt with it has told itself, as several workers may have had a share; and
 * after that the packet may be gone. */
static rlx_cpu_step run_traced(rlx_cpu_worker *worker, const rlx_packet *packet, const rlx_cpu_strand *strand,
                               rlx_fault *fault) {
    if (packet->flags & RLX_PACKET_SKIP || packet->kind == RLX_PACKET_JOIN) return RLX_CPU_DONE;
    uint64_t begin_ns = rlx_platform_clock_ns();
    worker->told = false;
    rlx_cpu_step step = run_command(worker, packet, strand, fault);
    if (worker->told) return step;
    const rlx_cpu_task task = { .packet = packet };
    rlx_status status = step == RLX_CPU_FAILED ? fault->status : RLX_OK;
    rlx_cpu_trace(&task, strand->stream, begin_ns, rlx_platform_clock_ns(), 0, status);
    return step;
}

rlx_cpu_step rlx_cpu_command(rlx_cpu_worker *worker, const rlx_packet *packet, const rlx_cpu_strand *strand,
                             rlx_fault *fault) {
    if (rlx_cpu_tracing()) return run_traced(worker, packet, strand, fault);
    return run_command(worker, packet, strand, fault);
}

/* A loop of its own, so that the other one pays nothing for it. */
static rlx_cpu_step commands_traced(rlx_cpu_worker *worker, rlx_packet *const *packets, uint32_t count, uint32_t *at,
                                    const rlx_cpu_strand *strand, rlx_fault *fault) {
    for (uint32_t i = *at; i < count; i++) {
        *at = i;
        rlx_cpu_step step = run_traced(worker, packets[i], strand, fault);
        if (step != RLX_CPU_DONE) return step;
    }
    return RLX_CPU_DONE;
}

rlx_cpu_step rlx_cpu_commands(rlx_cpu_worker *worker, rlx_packet *const *packets, uint32_t count, uint32_t *at,
                              const rlx_cpu_strand *strand, rlx_fault *fault) {
    if (rlx_cpu_tracing()) return commands_traced(worker, packets, count, at, strand, fault);
    for (uint32_t i = *at; i < count; i++) {
        *at = i; /* stands there before the command can be AWAY */
        rlx_cpu_step step = run_command(worker, packets[i], strand, fault);
        if (step != RLX_CPU_DONE) return step;
    }
    return RLX_CPU_DONE;
}

rlx_cpu_step rlx_cpu_segment(rlx_cpu_worker *worker, rlx_cpu_strand *strand, rlx_fault *fault) {
    const rlx_cpu_program *program = strand->program;
    rlx_packet *const *packets = program->graph->packets;
    const uint32_t *nodes = program->nodes + program->start[strand->segment];
    uint32_t count = program->start[strand->segment + 1] - program->start[strand->segment];
    bool traced = rlx_cpu_tracing();
    for (; strand->position < count; strand->position++) {
        uint32_t node = nodes[strand->position];
        if (node >= atomic_load_explicit(&program->failed_node, memory_order_relaxed)) break;
        rlx_cpu_step step = traced ? run_traced(worker, packets[node], strand, fault)
                                   : run_command(worker, packets[node], strand, fault);
        if (step != RLX_CPU_DONE) return step;
    }
    return RLX_CPU_DONE;
}

/* ---- Faults ---- */

static const char *status_name(rlx_status status) {
    switch (status) {
#define STATUS_CASE(name, number, text) \
    case name: return #name;
        RLX_STATUS_TABLE(STATUS_CASE)
#undef STATUS_CASE
    }
    return NULL;
}

void rlx_cpu_fault_set(rlx_fault *fault, rlx_status status, const rlx_cpu_task *task, uint64_t first, uint64_t count) {
    bool call = task->packet->kind == RLX_PACKET_HOST_CALL;
    /* OK, NOT_READY and TIMEOUT are no failures, and what is beyond the table is a number of the user's own. */
    const char *name = status >= RLX_ERROR_INVALID ? status_name(status) : NULL;
    char returned[96], groups[64] = "";
    if (name) snprintf(returned, sizeof returned, "%s", name);
    else snprintf(returned, sizeof returned, "%d, which is no error of this interface", (int)status);
    if (!call && task->count > 1)
        snprintf(groups, sizeof groups, " for groups %llu to %llu", (unsigned long long)first,
                 (unsigned long long)(first + count - 1));
    *fault = (rlx_fault){ .status = name ? status : RLX_ERROR_KERNEL,
                          .help = status == RLX_ERROR_DEVICE_LOST ? RLX_HELP_REOPEN : RLX_HELP_NONE,
                          .vendor_code = name ? 0 : (int64_t)(int)status,
                          .first = task->packet,
                          .last = task->packet };
    snprintf(fault->message, sizeof fault->message, "its function returned %s%s", returned, groups);
}

void rlx_cpu_strand_resume(rlx_cpu_worker *worker, const rlx_cpu_strand *strand, const rlx_fault *fault) {
    if (strand->program) rlx_cpu_program_resume(worker, strand, fault);
    else rlx_cpu_stream_resume(worker, strand->stream, fault);
}

/* ---- Scratch ---- */

static void scratch_free(rlx_cpu_worker *worker) {
    if (worker->scratch_block) rlx_cpu_host->release(worker->scratch_block);
    worker->scratch_block = worker->scratch = NULL;
    worker->scratch_size = 0;
}

void *rlx_cpu_worker_scratch(rlx_cpu_worker *worker, uint32_t size) {
    enum { ALIGNMENT = 64 };
    if (size <= worker->scratch_size) return worker->scratch;
    uint32_t rounded = (size + 0xfffu) & ~0xfffu; /* at most RLX_CPU_SHARED_MAX, so this cannot overflow */
    void *block = rlx_cpu_host->allocate((size_t)rounded + ALIGNMENT);
    if (!block) return NULL;
    scratch_free(worker);
    worker->scratch_block = block;
    worker->scratch = (void *)(((uintptr_t)block + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
    worker->scratch_size = rounded;
    return worker->scratch;
}

void rlx_cpu_worker_clear(rlx_cpu_worker *worker) { scratch_free(worker); }
