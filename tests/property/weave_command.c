/* How `weave` runs a command. Everything that it writes goes into an image first: the memory from the first to the last
 * byte, rounded out to words where it is the device's, and which bytes of it are to be written. So reading and writing
 * can lie apart, and what the words held beside the command's own bytes is what they held at the first step. */
#include "weave_command.h"

#include <stdlib.h>
#include <string.h>

enum {
    MANNER_AT_ONCE, /* all at the first step */
    MANNER_LATE,    /* all at the second */
    MANNER_APART,   /* reads at the first, writes at the second; twice as often */
    IMAGES = 8,
    ARGS = 16,
};

typedef struct image {
    unsigned char *memory, *bytes;
    bool *written;
    size_t size;
} image;

struct weave_command {
    const rlx_packet *packet;
    uint32_t manner, count;
    image images[IMAGES];
};

/* ---- Images ---- */

static unsigned char *bytes_at(rlx_place place) { return (unsigned char *)place.memory + place.offset; }

/* Of what lies from `begin` to `end`, as it is now. NULL: no memory. */
static image *image_make(weave_command *c, unsigned char *begin, unsigned char *end, bool device) {
    image *made = &c->images[c->count];
    if (device) {
        begin -= (uintptr_t)begin & 3;
        end += -(uintptr_t)end & 3;
    }
    *made = (image){ .memory = begin, .size = (size_t)(end - begin) };
    made->bytes = malloc(made->size + 1);
    made->written = calloc(made->size + 1, sizeof *made->written);
    c->count++;
    if (!made->bytes || !made->written) return NULL;
    memcpy(made->bytes, begin, made->size);
    return made;
}

/* Notes bytes to be written at `to`, whole words of them where it is device memory. */
static void image_mark(image *of, const unsigned char *to, size_t size, bool device) {
    size_t begin = (size_t)(to - of->memory), end = begin + size;
    if (device) begin &= ~(size_t)3, end = (end + 3) & ~(size_t)3;
    for (size_t i = begin; i < end; i++) of->written[i] = true;
}

static void images_write(weave_command *c) {
    for (uint32_t k = 0; k < c->count; k++) {
        image *i = &c->images[k];
        for (size_t b = 0; b < i->size; b++)
            if (i->written[b]) i->memory[b] = i->bytes[b];
        free(i->bytes), free(i->written);
    }
    c->count = 0;
}

/* ---- Copies and fills ---- */

typedef struct rows {
    unsigned char *first;
    int64_t stride;
    bool device;
} rows;

static unsigned char *row_at(const rows *r, uint64_t i) { return r->first + (int64_t)i * r->stride; }

/* Source NULL: `pattern`. Rows in their order, each as memmove, but from what was there at the start: the core has
 * chosen an order in which that is the same. */
static rlx_status move(weave_command *c, rows dst, const rows *src, uint64_t count, uint64_t bytes, uint32_t pattern) {
    unsigned char *one = row_at(&dst, 0), *other = row_at(&dst, count - 1), *low = one < other ? one : other;
    image *to = image_make(c, low, (one < other ? other : one) + bytes, dst.device);
    if (!to) return RLX_ERROR_OUT_OF_MEMORY;
    for (uint64_t i = 0; i < count; i++) {
        unsigned char *row = row_at(&dst, i), *at = to->bytes + (row - to->memory);
        image_mark(to, row, bytes, dst.device);
        if (src) memcpy(at, row_at(src, i), bytes);
        for (uint64_t b = 0; !src && b < bytes; b++) at[b] = (unsigned char)(pattern >> b % 4 * 8);
    }
    return RLX_OK;
}

static rlx_status run_copy(weave_command *c, const rlx_packet_copy *p) {
    rows dst = { bytes_at(p->dst), p->dst_stride, true }, src = { bytes_at(p->src), p->src_stride, true };
    return move(c, dst, &src, p->rows, p->row_bytes, 0);
}

static rlx_status run_host_copy(weave_command *c, const rlx_packet_host_copy *p) {
    rows device = { bytes_at(p->device), p->device_stride, true }, host = { p->host, p->host_stride, false };
    bool write = p->base.kind == RLX_PACKET_WRITE;
    return move(c, write ? device : host, write ? &host : &device, p->rows, p->row_bytes, 0);
}

static rlx_status run_fill(weave_command *c, const rlx_packet_fill *p) {
    return move(c, (rows){ bytes_at(p->dst), p->stride, true }, NULL, p->rows, p->row_bytes, p->pattern);
}

/* ---- Dispatches ---- */

static unsigned char *argument_at(const rlx_packet_dispatch *p, uint32_t i) {
    return p->places && p->info->params[i].access != RLX_VALUE ? bytes_at(p->places[i]) : p->args[i].data;
}

/* The kernel works on images of its arguments; the groups in two halves. What it reaches by address it does now. */
static rlx_status run_dispatch(weave_command *c, const rlx_packet_dispatch *p) {
    const rlx_code *code = p->kernel;
    rlx_host_arg args[ARGS];
    for (uint32_t i = 0; i < p->arg_count; i++) {
        rlx_access access = p->info->params[i].access;
        args[i] = (rlx_host_arg){ argument_at(p, i), p->args[i].size };
        if (access == RLX_VALUE || !args[i].size) continue;
        image *shadow = image_make(c, args[i].data, (unsigned char *)args[i].data + args[i].size, false);
        if (!shadow) return RLX_ERROR_OUT_OF_MEMORY;
        if (access != RLX_READ) image_mark(shadow, args[i].data, args[i].size, false); /* a kernel writes bytes */
        args[i].data = shadow->bytes + ((unsigned char *)args[i].data - shadow->memory);
    }
    rlx_host_kernel kernel = { .args = args, .arg_count = p->arg_count, .user = code->user };
    memcpy(kernel.groups, p->groups, sizeof kernel.groups);
    uint64_t half = p->group_count / 2;
    rlx_status status = half ? code->function(&kernel, half, p->group_count - half) : RLX_OK;
    return status ? status : code->function(&kernel, 0, half ? half : p->group_count);
}

/* ---- Steps ---- */

static rlx_status run(const rlx_host *host, weave_command *c) {
    const rlx_packet *p = c->packet;
    rlx_status status = RLX_ERROR_UNSUPPORTED;
    if (p->flags & RLX_PACKET_SKIP) return RLX_OK;
    uint32_t entered = host->callback_enter();
    switch ((rlx_packet_kind)p->kind) {
    case RLX_PACKET_COPY: status = run_copy(c, (const rlx_packet_copy *)p); break;
    case RLX_PACKET_FILL: status = run_fill(c, (const rlx_packet_fill *)p); break;
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ: status = run_host_copy(c, (const rlx_packet_host_copy *)p); break;
    case RLX_PACKET_DISPATCH: status = run_dispatch(c, (const rlx_packet_dispatch *)p); break;
    case RLX_PACKET_HOST_CALL: {
        const rlx_packet_host_call *call = (const rlx_packet_host_call *)p;
        status = call->function(call->user);
        break;
    }
    case RLX_PACKET_TIMESTAMP:
        *((const rlx_packet_timestamp *)p)->ns = host->clock_ns();
        status = RLX_OK;
        break;
    case RLX_PACKET_JOIN: status = RLX_OK; break;
    case RLX_PACKET_RUN: break;
    }
    host->callback_leave(entered);
    return status;
}

rlx_status weave_command_begin(const rlx_host *host, const rlx_packet *packet, uint32_t manner, weave_command **made) {
    weave_command *c = calloc(1, sizeof *c);
    if (!c) return RLX_ERROR_OUT_OF_MEMORY;
    c->packet = packet;
    c->manner = manner;
    *made = c;
    rlx_status status = manner == MANNER_LATE ? RLX_OK : run(host, c);
    if (manner == MANNER_AT_ONCE) images_write(c);
    return status;
}

rlx_status weave_command_end(const rlx_host *host, weave_command *c) {
    rlx_status status = c->manner == MANNER_LATE ? run(host, c) : RLX_OK;
    images_write(c);
    free(c);
    return status;
}
