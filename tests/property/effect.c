/* What a command touches and what it does, byte by byte, as rlx/driver.h says it. The kernels' arithmetic stands here
 * once more, beside the host functions in kernels.c that devices run. */
#include <string.h>

#include "model.h"

/* ---- Slots ---- */

static part bind_part(part p, const binding *v) {
    if (p.slot == NONE) return p;
    part bound = v->ranges[p.slot];
    if (!bound.size) bound.size = p.size; /* an outer slot takes the inner one's size */
    bound.given = true;
    return bound;
}

bool command_bind(command *c, const binding *v) {
    if (c->condition != NONE && !v->enabled[c->condition - SLOT_ENABLED_A]) return false;
    c->condition = NONE;
    c->a = bind_part(c->a, v), c->b = bind_part(c->b, v), c->c = bind_part(c->c, v), c->use = bind_part(c->use, v);
    if (c->host.slot != NONE) c->host = v->hosts[c->host.slot - SLOT_HOST_A];
    if (c->number_slot != NONE) c->number = v->number;
    if (c->wide_slot == SLOT_WIDE) c->wide = v->wide;
    if (c->groups_slot != NONE) memcpy(c->groups, v->groups, sizeof c->groups);
    c->number_slot = c->wide_slot = c->groups_slot = NONE;
    return c->kind != COMMAND_DISPATCH || c->groups[0];
}

/* ---- What it touches ---- */

uint32_t rows_span(const command *c, bool dst) {
    uint32_t stride = dst ? c->dst_stride : c->src_stride;
    return (c->rows - 1) * (stride ? stride : c->row_bytes) + c->row_bytes;
}

bool command_is_empty(const command *c) {
    if (c->kind == COMMAND_HOST_CALL || c->kind == COMMAND_TIMESTAMP || c->kind == COMMAND_RUN) return false;
    if (c->kind == COMMAND_DISPATCH) return c->groups_slot == NONE && !c->groups[0];
    return c->rows ? !c->row_bytes : !c->a.size && c->a.slot == NONE;
}

typedef struct accesses {
    access *list;
    uint32_t count;
} accesses;

static void add(accesses *to, access a) {
    if (a.begin < a.end) to->list[to->count++] = a;
}

static void add_rows(accesses *to, const command *c, access first, uint32_t stride) {
    if (!stride) stride = c->row_bytes;
    for (uint32_t i = 0; i < c->rows; i++) {
        access row = first;
        row.begin += i * stride;
        row.end = row.begin + c->row_bytes;
        add(to, row);
    }
}

static void add_part(accesses *to, const command *c, const part *p, bool write, uint32_t stride) {
    access a = { false, write, p->buffer, p->offset, p->offset + p->size };
    if (c->rows) add_rows(to, c, a, stride);
    else add(to, a);
}

static void add_host(accesses *to, const command *c, bool write, uint32_t stride) {
    access a = { true, write, c->host.area, c->host.offset, c->host.offset + c->a.size };
    if (c->rows) add_rows(to, c, a, stride);
    else add(to, a);
}

static void add_dispatch(accesses *to, const model *m, const command *c) {
    kernel_kind kind = m->kernels[c->kernel].kind;
    if (!c->groups[0]) return;
    if (kind != KERNEL_REACH) add_part(to, c, &c->a, false, 0);
    add_part(to, c, &c->b, kind != KERNEL_SUM, 0);
    if (kind != KERNEL_REACH) add_part(to, c, &c->c, true, 0);
    if (c->used) add_part(to, c, &c->use, c->use_access != RLX_READ, 0);
}

uint32_t command_accesses(const model *m, const command *c, access list[ACCESSES]) {
    accesses to = { list, 0 };
    switch (c->kind) {
    case COMMAND_WRITE:
        add_part(&to, c, &c->a, true, c->dst_stride);
        if (!c->copied) add_host(&to, c, false, c->src_stride);
        break;
    case COMMAND_READ:
        add_part(&to, c, &c->a, false, c->src_stride);
        add_host(&to, c, true, c->dst_stride);
        break;
    case COMMAND_COPY:
        add_part(&to, c, &c->a, true, c->dst_stride);
        add_part(&to, c, &c->b, false, c->src_stride);
        break;
    case COMMAND_FILL: add_part(&to, c, &c->a, true, c->dst_stride); break;
    case COMMAND_DISPATCH: add_dispatch(&to, m, c); break;
    case COMMAND_HOST_CALL:
        add(&to, (access){ true, false, c->host.area, c->host.offset, c->host.offset + c->number });
        add(&to, (access){ true, true, CELLS, 8 * c->cell, 8 * c->cell + 8 });
        break;
    case COMMAND_TIMESTAMP: add(&to, (access){ true, true, STAMPS, 8 * c->cell, 8 * c->cell + 8 }); break;
    case COMMAND_RUN:
    case COMMAND_KINDS: break;
    }
    return to.count;
}

/* ---- What it does ---- */

static unsigned char *bytes_of(model *m, const part *p) { return m->buffers[p->buffer].bytes + p->offset; }

/* All of the source is read before anything is written. */
static void move(const command *c, unsigned char *dst, const unsigned char *src) {
    unsigned char held[BUFFER_BYTES];
    uint32_t bytes = c->rows ? c->row_bytes : c->a.size, count = c->rows ? c->rows : 1, at = 0;
    uint32_t dst_stride = c->dst_stride ? c->dst_stride : bytes, src_stride = c->src_stride ? c->src_stride : bytes;
    for (uint32_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < bytes; i++) held[at++] = src[row * src_stride + i];
    at = 0;
    for (uint32_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < bytes; i++) dst[row * dst_stride + i] = held[at++];
}

static void fill(const command *c, unsigned char *dst) {
    uint32_t bytes = c->rows ? c->row_bytes : c->a.size, count = c->rows ? c->rows : 1;
    uint32_t stride = c->dst_stride ? c->dst_stride : bytes;
    for (uint32_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < bytes; i++)
            dst[row * stride + i] = (unsigned char)(c->number >> 8 * (i % c->pattern_size));
}

static void mix(model *m, const command *c, uint32_t groups) {
    const unsigned char *a = bytes_of(m, &c->a);
    unsigned char *b = bytes_of(m, &c->b), *out = bytes_of(m, &c->c);
    for (uint32_t i = 0; i < c->b.size; i++)
        b[i] = (unsigned char)(b[i] * 5 + byte_of(c->wide, i % WIDE) + (c->a.size ? a[i % c->a.size] : 1));
    for (uint32_t i = 0; i < c->c.size; i++)
        out[i] = (unsigned char)(c->number + i + 7 * (i % groups) + (c->a.size ? 3 * a[i % c->a.size] : 7));
}

static void sum(model *m, const command *c, uint32_t groups) {
    const unsigned char *a = bytes_of(m, &c->a), *b = bytes_of(m, &c->b);
    unsigned char *out = bytes_of(m, &c->c);
    for (uint32_t i = 0; i < c->c.size; i++)
        out[i] =
            (unsigned char)((c->a.size ? a[i % c->a.size] : 1) + (c->b.size ? 3 * b[i % c->b.size] : 2) + (int)groups);
}

static void reach(model *m, const command *c) {
    unsigned char *b = bytes_of(m, &c->b), *there = c->used ? bytes_of(m, &c->use) : NULL;
    uint32_t size = c->used ? c->use.size : 0, n = c->b.size < size ? c->b.size : size;
    for (uint32_t i = 0; i < c->b.size; i++) {
        unsigned char seen = i < n && c->use_access != RLX_WRITE ? there[i] : 5, own = b[i];
        b[i] = (unsigned char)(own * 3 + seen + 1);
        if (i < n && c->use_access != RLX_READ) there[i] = (unsigned char)(seen * 7 + own);
    }
}

static void dispatch(model *m, const command *c) {
    uint32_t y = c->groups[1] ? c->groups[1] : 1, z = c->groups[2] ? c->groups[2] : 1, groups = c->groups[0] * y * z;
    if (!groups) return;
    switch (m->kernels[c->kernel].kind) {
    case KERNEL_MIX: mix(m, c, groups); break;
    case KERNEL_SUM: sum(m, c, groups); break;
    case KERNEL_REACH: reach(m, c); break;
    case KERNEL_KINDS: break;
    }
}

static void host_call(model *m, const command *c) {
    uint64_t seen;
    memcpy(&seen, &m->hosts[CELLS][8 * c->cell], sizeof seen);
    for (uint32_t i = 0; i < c->number; i++) seen = seen * 31 + m->hosts[c->host.area][c->host.offset + i] + 1;
    memcpy(&m->hosts[CELLS][8 * c->cell], &seen, sizeof seen);
}

void command_perform(model *m, const command *c, int stream) {
    unsigned char *host = m->hosts[c->host.area] + c->host.offset;
    m->tally.commands[c->kind]++;
    m->tally.strided += c->rows > 1;
    switch (c->kind) {
    case COMMAND_WRITE: {
        unsigned char copied[HOST_BYTES]; /* what it was at encode: the generator made it up then */
        for (uint32_t i = 0; i < HOST_BYTES; i++) copied[i] = byte_of(c->wide, i);
        move(c, bytes_of(m, &c->a), c->copied ? copied : host);
        break;
    }
    case COMMAND_READ: move(c, host, bytes_of(m, &c->a)); break;
    case COMMAND_COPY: move(c, bytes_of(m, &c->a), bytes_of(m, &c->b)); break;
    case COMMAND_FILL: fill(c, bytes_of(m, &c->a)); break;
    case COMMAND_DISPATCH: dispatch(m, c); break;
    case COMMAND_HOST_CALL: host_call(m, c); break;
    case COMMAND_TIMESTAMP:
        m->stamp_order[c->cell] = ++m->stamps;
        m->stamp_stream[c->cell] = stream;
        break;
    case COMMAND_RUN:
    case COMMAND_KINDS: break;
    }
}
