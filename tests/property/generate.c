/* Cases drawn at random. Calls are made up freely and offered to the model, which keeps those that have a meaning: so
 * there are no rules here, only tastes. They are: few and small buffers, the same ranges again and again, odd edges,
 * and streams that mostly keep to buffers of their own, so that not everything needs to be in one order. */
#include <string.h>

#include "model.h"

enum {
    FAVOURITES = 6,
    TRIES = 4,
    RUN_TRIES = 6,
    SLOT_HOST_BYTES = 32, /* behind a host pointer that a slot gives */
};

typedef struct generator {
    dice d;
    test_case *c;
    model m;
    uint32_t devices, streams;   /* streams at once, recorders not counted */
    part favourites[FAVOURITES]; /* buffers not looked at */
    uint32_t slots;              /* one in so many places of a recording is a slot */
    int next_stream, next_buffer, next_kernel, next_program, next_point;
    int recorders[DEVICES];
} generator;

uint32_t dice_below(dice *d, uint32_t limit) {
    d->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = d->state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) % limit);
}

static uint32_t below(generator *g, uint32_t limit) { return dice_below(&g->d, limit); }
static bool one_in(generator *g, uint32_t n) { return dice_one_in(&g->d, n); }
/* Whether there is to be a slot at some place of a stream's command. */
static bool wants_slot(generator *g, int stream) { return g->m.streams[stream].records && one_in(g, g->slots); }

/* Into the case, if it means something. */
static bool offer(generator *g, call made) {
    if (g->c->count == CALLS || !model_apply(&g->m, &made)) return false;
    g->c->calls[g->c->count++] = made;
    return true;
}

/* ---- Picking ---- */

/* A living buffer of the device, often the stream's own; NONE. */
static int pick_buffer(generator *g, int device, int stream, bool shared) {
    int found[BUFFERS], count = 0;
    for (int i = 0; i < BUFFERS; i++) {
        const model_buffer *buffer = &g->m.buffers[i];
        if (buffer->alive && buffer->device == device && (buffer->shared || !shared)) found[count++] = i;
    }
    if (!count) return NONE;
    return one_in(g, 4) ? found[below(g, (uint32_t)count)] : found[stream % count];
}

static int pick_kernel(generator *g, int device) {
    int found[KERNELS], count = 0;
    for (int i = 0; i < KERNELS; i++) {
        const model_kernel *kernel = &g->m.kernels[i];
        if (kernel->alive && kernel->device == device && (kernel->kind != KERNEL_REACH || g->c->is.addresses))
            found[count++] = i;
    }
    return count ? found[below(g, (uint32_t)count)] : NONE;
}

static int pick_program(generator *g, int device) {
    int found[PROGRAMS], count = 0;
    for (int i = 0; i < PROGRAMS; i++)
        if (g->m.programs[i].alive && g->m.programs[i].device == device) found[count++] = i;
    return count ? found[below(g, (uint32_t)count)] : NONE;
}

static int pick_stream(generator *g, bool records) {
    int found[STREAMS], count = 0;
    for (int i = 0; i < STREAMS; i++)
        if (g->m.streams[i].alive && g->m.streams[i].records == records) found[count++] = i;
    return count ? found[below(g, (uint32_t)count)] : NONE;
}

static int pick_point(generator *g) {
    if (!g->next_point) return NONE;
    uint32_t back = below(g, g->next_point < 6 ? (uint32_t)g->next_point : 6);
    return g->next_point - 1 - (int)back;
}

/* ---- Ranges ---- */

/* `size` bytes of the buffer; 0: any number of them. */
static part draw_part(generator *g, int buffer, uint32_t size, uint32_t alignment) {
    const model_buffer *b = &g->m.buffers[buffer];
    part p = { NONE, buffer, 0, size };
    const part *favourite = &g->favourites[below(g, FAVOURITES)];
    if (!one_in(g, 3) && favourite->offset % alignment == 0 &&
        favourite->offset + (size ? size : favourite->size) <= b->size) {
        p.offset = favourite->offset;
        if (!size) p.size = favourite->size;
        return p;
    }
    if (!size) p.size = one_in(g, 4) ? 1 + below(g, b->size) : 1 + below(g, 17);
    if (p.size > b->size) p.size = b->size;
    p.offset = below(g, (b->size - p.size) / alignment + 1) * alignment;
    return p;
}

static part slot_part(int slot) {
    return (part){ slot, 0, 0, slot == SLOT_RANGE_16 ? 16 : slot == SLOT_RANGE_24 ? 24 : 0 };
}

static pointer draw_pointer(generator *g, uint32_t size) {
    return (pointer){ NONE, (int)below(g, HOSTS), below(g, HOST_BYTES - size + 1) };
}

/* A range of a command that moves bytes. In a recording it may be a slot. */
static bool draw_moved(generator *g, int stream, uint32_t size, part *p) {
    const model_stream *s = &g->m.streams[stream];
    if ((size == 16 || size == 24) && wants_slot(g, stream)) {
        *p = slot_part(size == 16 ? SLOT_RANGE_16 : SLOT_RANGE_24);
        return true;
    }
    int buffer = pick_buffer(g, s->device, stream, false);
    if (buffer == NONE) return false;
    *p = draw_part(g, buffer, size, 1);
    return p->size == size || !size;
}

static bool draw_argument(generator *g, int stream, bool taken[SLOTS], part *p) {
    const model_stream *s = &g->m.streams[stream];
    int slot = (int)below(g, SLOT_RANGE_USED);
    if (wants_slot(g, stream) && !taken[slot]) {
        taken[slot] = true;
        *p = slot_part(slot);
        return true;
    }
    int buffer = pick_buffer(g, s->device, stream, false);
    if (buffer == NONE) return false;
    *p = draw_part(g, buffer, one_in(g, 16) ? 4 : 0, 4);
    if (one_in(g, 24)) p->size = 0;
    return true;
}

/* ---- Commands ---- */

static void draw_rows(generator *g, command *c, uint32_t room_dst, uint32_t room_src) {
    uint32_t room = room_dst < room_src ? room_dst : room_src;
    c->rows = 1 + below(g, 5);
    c->row_bytes = 1 + below(g, room / c->rows ? room / c->rows : 1);
    if (c->rows * c->row_bytes > room) c->rows = 1, c->row_bytes = room ? 1 : 0;
    if (c->rows < 2) return;
    uint32_t dst = (room_dst - c->row_bytes) / (c->rows - 1), src = (room_src - c->row_bytes) / (c->rows - 1);
    c->dst_stride = one_in(g, 4) ? 0 : c->row_bytes + below(g, dst - c->row_bytes + 1);
    c->src_stride = one_in(g, 4) ? 0 : c->row_bytes + below(g, src - c->row_bytes + 1);
    if (one_in(g, 3) && c->dst_stride <= src) c->src_stride = c->dst_stride;
}

static bool draw_host_copy(generator *g, int stream, command *c) {
    bool write = c->kind == COMMAND_WRITE;
    static const uint32_t sizes[] = { 16, 24, 0, 0 };
    if (!draw_moved(g, stream, sizes[below(g, 4)], &c->a)) return false;
    if (c->a.size > HOST_BYTES) c->a.size = HOST_BYTES;
    c->host = draw_pointer(g, c->a.size);
    if (one_in(g, 4)) {
        uint32_t host = HOST_BYTES - c->host.offset;
        draw_rows(g, c, write ? c->a.size : host, write ? host : c->a.size);
        return true;
    }
    if (c->a.size <= SLOT_HOST_BYTES && wants_slot(g, stream))
        c->host = (pointer){ SLOT_HOST_A + (int)below(g, 2), 0, 0 };
    else if (write && one_in(g, 3)) c->copied = true, c->wide = below(g, 1000);
    return true;
}

static bool draw_copy(generator *g, int stream, command *c) {
    static const uint32_t sizes[] = { 16, 24, 0, 0, 0 };
    uint32_t size = sizes[below(g, 5)];
    if (!draw_moved(g, stream, size, &c->a)) return false;
    if (one_in(g, 3)) { /* rows of ranges of any two sizes, often of one buffer */
        if (!draw_moved(g, stream, sizes[below(g, 5)], &c->b)) return false;
        draw_rows(g, c, c->a.size, c->b.size);
        return true;
    }
    if (!draw_moved(g, stream, c->a.size, &c->b)) return false;
    if (!one_in(g, 4) || c->a.slot != NONE || c->b.slot != NONE) return true;
    /* Onto itself, a few bytes further. */
    uint32_t shift = 1 + below(g, 9), room = g->m.buffers[c->a.buffer].size;
    c->b = c->a;
    if (c->a.offset + c->a.size + shift <= room) c->b.offset += shift;
    return true;
}

static bool draw_fill(generator *g, int stream, command *c) {
    static const uint32_t sizes[] = { 16, 24, 0, 0 };
    if (!draw_moved(g, stream, sizes[below(g, 4)], &c->a)) return false;
    c->pattern_size = 1u << below(g, 3);
    c->number = below(g, UINT32_MAX);
    if (one_in(g, 4)) {
        draw_rows(g, c, c->a.size, c->a.size);
        c->row_bytes -= c->row_bytes % c->pattern_size;
        if (!c->row_bytes) c->pattern_size = c->row_bytes = 1;
    } else {
        c->a.size -= c->a.size % c->pattern_size;
    }
    return true;
}

static void draw_groups(generator *g, uint32_t groups[3]) {
    groups[0] = below(g, 5), groups[1] = below(g, 3), groups[2] = below(g, 3);
}

static bool draw_reach(generator *g, int stream, command *c) {
    const model_stream *s = &g->m.streams[stream];
    c->used = true;
    c->use_access = (rlx_access)below(g, 3);
    if (wants_slot(g, stream)) {
        c->use = slot_part(SLOT_RANGE_USED);
        c->wide_slot = SLOT_ADDRESS;
        return true;
    }
    int buffer = pick_buffer(g, s->device, stream, true);
    if (buffer == NONE) return false;
    c->use = draw_part(g, buffer, 0, 1);
    return true;
}

static bool draw_dispatch(generator *g, int stream, command *c) {
    const model_stream *s = &g->m.streams[stream];
    bool taken[SLOTS] = { false };
    c->kernel = pick_kernel(g, s->device);
    if (c->kernel == NONE) return false;
    draw_groups(g, c->groups);
    c->number = below(g, 256), c->wide = below(g, 1000);
    if (wants_slot(g, stream)) c->groups_slot = SLOT_GRID;
    kernel_kind kind = g->m.kernels[c->kernel].kind;
    if (!draw_argument(g, stream, taken, &c->b)) return false;
    if (kind == KERNEL_REACH) return draw_reach(g, stream, c);
    if (kind == KERNEL_MIX && wants_slot(g, stream)) c->number_slot = SLOT_NUMBER;
    if (kind == KERNEL_MIX && wants_slot(g, stream)) c->wide_slot = SLOT_WIDE;
    return draw_argument(g, stream, taken, &c->a) && draw_argument(g, stream, taken, &c->c);
}

static void draw_binding(generator *g, int stream, const model_program *program, binding *v) {
    const model_stream *s = &g->m.streams[stream];
    memset(v, 0, sizeof *v);
    for (int slot = 0; slot < RANGE_SLOTS; slot++) {
        int buffer = pick_buffer(g, s->device, stream, slot == SLOT_RANGE_USED);
        bool outer = s->records && slot != SLOT_RANGE_USED && one_in(g, 3);
        v->ranges[slot] = slot_part(slot);
        if (outer) continue;
        if (buffer == NONE) {
            v->ranges[slot] = (part){ NONE, 0, 0, 0 };
            continue;
        }
        v->ranges[slot] = draw_part(g, buffer, slot_part(slot).size, program->argument[slot] ? 4 : 1);
    }
    for (int i = 0; i < 2; i++) v->hosts[i] = draw_pointer(g, SLOT_HOST_BYTES);
    v->number = below(g, 256), v->wide = below(g, 1000);
    draw_groups(g, v->groups);
    v->enabled[0] = !one_in(g, 3), v->enabled[1] = one_in(g, 2);
}

/* The sizes that the slots of a program must have are those of the slots. */
static bool is_fit(const model_program *program, const binding *v) {
    for (int slot = 0; slot < RANGE_SLOTS; slot++) {
        uint32_t size = slot_part(slot).size;
        if (program->uses[slot] && size && v->ranges[slot].size != size) return false;
    }
    return true;
}

/* Mostly with values that are not refused. */
static bool draw_run(generator *g, int stream, command *c) {
    c->program = pick_program(g, g->m.streams[stream].device);
    if (c->program == NONE) return false;
    const model_program *program = &g->m.programs[c->program];
    for (int tries = 0; tries < RUN_TRIES; tries++) {
        draw_binding(g, stream, program, &c->values);
        if (!is_fit(program, &c->values)) continue;
        if (judge_run(&g->m, &program->body, &c->values) == VERDICT_FINE || one_in(g, 3 * RUN_TRIES)) return true;
    }
    return false;
}

static command_kind draw_kind(generator *g) {
    static const unsigned char weights[COMMAND_KINDS] = { 5, 5, 7, 5, 16, 1, 1, 8 };
    uint32_t total = 0;
    for (int i = 0; i < COMMAND_KINDS; i++) total += weights[i];
    uint32_t at = below(g, total);
    int kind = 0;
    while (at >= weights[kind]) at -= weights[kind++];
    return (command_kind)kind;
}

static command empty_command(command_kind kind) {
    part none = { NONE, 0, 0, 0 };
    return (command){ .kind = kind,
                      .a = none,
                      .b = none,
                      .c = none,
                      .use = none,
                      .host.slot = NONE,
                      .number_slot = NONE,
                      .wide_slot = NONE,
                      .groups_slot = NONE,
                      .condition = NONE };
}

static bool draw_command(generator *g, int stream) {
    command c = empty_command(draw_kind(g));
    bool drawn = true;
    switch (c.kind) {
    case COMMAND_WRITE:
    case COMMAND_READ: drawn = draw_host_copy(g, stream, &c); break;
    case COMMAND_COPY: drawn = draw_copy(g, stream, &c); break;
    case COMMAND_FILL: drawn = draw_fill(g, stream, &c); break;
    case COMMAND_DISPATCH: drawn = draw_dispatch(g, stream, &c); break;
    case COMMAND_RUN: drawn = draw_run(g, stream, &c); break;
    case COMMAND_HOST_CALL:
        c.number = 1 + below(g, 24);
        c.host = draw_pointer(g, c.number);
        c.cell = below(g, HOST_WORDS);
        break;
    case COMMAND_TIMESTAMP: c.cell = below(g, HOST_WORDS); break;
    case COMMAND_KINDS: break;
    }
    if (drawn && c.kind == COMMAND_DISPATCH && dispatch_aliases(&g->m, &c)) drawn = one_in(g, 12);
    if (wants_slot(g, stream) && one_in(g, 2)) c.condition = SLOT_ENABLED_A + (int)below(g, 2);
    return drawn && offer(g, (call){ .kind = CALL_ENCODE, .stream = stream, .command = c });
}

/* ---- Objects ---- */

static int make_stream(generator *g, int device, uint32_t flags) {
    if (g->next_stream == STREAMS) return NONE;
    offer(g, (call){ .kind = CALL_STREAM, .id = g->next_stream, .device = device, .flags = flags });
    return g->next_stream++;
}

static void make_buffer(generator *g, int device) {
    if (g->next_buffer == BUFFERS) return;
    uint32_t size = one_in(g, 3) ? 24 + below(g, BUFFER_BYTES - 23) : 24 + below(g, 41);
    offer(g, (call){ .kind = CALL_BUFFER,
                     .id = g->next_buffer++,
                     .device = device,
                     .size = size,
                     .shared = g->c->is.addresses && !one_in(g, 3),
                     .seed = below(g, 1000) });
}

static void make_kernel(generator *g, int device, kernel_kind kind) {
    if (g->next_kernel == KERNELS) return;
    offer(g, (call){ .kind = CALL_KERNEL, .id = g->next_kernel++, .device = device, .kernel = kind });
}

static void draw_exchange(generator *g) {
    int device = (int)below(g, g->devices), stream = pick_stream(g, false);
    switch (below(g, 6)) {
    case 0:
    case 5:
        if (offer(g, (call){ .kind = CALL_RELEASE_BUFFER, .id = pick_buffer(g, device, stream, false) }))
            make_buffer(g, device);
        break;
    case 1:
        if (offer(g, (call){ .kind = CALL_RELEASE_KERNEL, .id = pick_kernel(g, device) }))
            make_kernel(g, device, (kernel_kind)below(g, KERNEL_KINDS));
        break;
    case 2: offer(g, (call){ .kind = CALL_RELEASE_PROGRAM, .id = pick_program(g, device) }); break;
    case 3:
        if (g->next_stream < STREAMS && offer(g, (call){ .kind = CALL_RELEASE_STREAM, .stream = stream, .id = stream }))
            make_stream(g, device, one_in(g, 4) ? RLX_STREAM_ISOLATE : 0);
        break;
    default: make_buffer(g, device); break;
    }
}

/* ---- Calls ---- */

static bool submit_as_is(generator *g, int stream) {
    if (g->next_point == POINTS) return false;
    if (!offer(g, (call){ .kind = CALL_SUBMIT, .stream = stream, .id = g->next_point })) return false;
    g->next_point++;
    return true;
}

/* With whatever it takes not to race. */
static void submit(generator *g, int stream) {
    for (uint32_t i = below(g, 3); i > 0; i--)
        offer(g, (call){ .kind = CALL_DEPEND, .stream = stream, .id = pick_point(g) });
    for (int back = g->next_point - 1; !submit_as_is(g, stream); back--) {
        if (back < 0 || g->next_point == POINTS) {
            offer(g, (call){ .kind = CALL_DISCARD, .stream = stream });
            return;
        }
        offer(g, (call){ .kind = CALL_DEPEND, .stream = stream, .id = back });
    }
}

static void transfer(generator *g) {
    int to = pick_stream(g, false), from = pick_stream(g, false);
    if (to == NONE || g->next_point == POINTS) return;
    submit(g, to), submit(g, from);
    command c = empty_command(COMMAND_COPY);
    uint32_t size = 1 + below(g, 20);
    int dst = pick_buffer(g, g->m.streams[to].device, to, false);
    int src = pick_buffer(g, g->m.streams[from].device, from, false);
    if (dst == NONE || src == NONE || g->next_point == POINTS) return;
    c.a = draw_part(g, dst, size, 1), c.b = draw_part(g, src, size, 1);
    call made = { .kind = CALL_TRANSFER, .stream = to, .other = from, .id = g->next_point, .command = c };
    if (offer(g, made)) g->next_point++;
}

static void record(generator *g) {
    int device = (int)below(g, g->devices), recorder = g->recorders[device];
    if (g->next_program == PROGRAMS) return;
    static const uint32_t slots[] = { 2, 3, 6, 6, 20, 1000 };
    g->slots = slots[below(g, 6)];
    uint32_t count = one_in(g, 5) ? 20 + below(g, 40) : 1 + below(g, 16);
    for (uint32_t i = 0; i < count; i++)
        for (int tries = 0; tries < TRIES && !draw_command(g, recorder); tries++) continue;
    if (offer(g, (call){ .kind = CALL_FINISH, .stream = recorder, .id = g->next_program })) g->next_program++;
}

static void poke(generator *g) {
    command c = empty_command(COMMAND_WRITE);
    uint32_t size = 1 + below(g, 24);
    c.host = draw_pointer(g, size);
    offer(g, (call){ .kind = CALL_POKE, .size = size, .seed = below(g, 1000), .command = c });
}

static void draw_call(generator *g) {
    int stream = pick_stream(g, false);
    if (stream == NONE) return;
    uint32_t what = below(g, 100);
    if (what < 60) draw_command(g, stream);
    else if (what < 76) submit(g, stream);
    else if (what < 81) record(g);
    else if (what < 85) offer(g, (call){ .kind = CALL_WAIT, .id = pick_point(g) });
    else if (what < 87) offer(g, (call){ .kind = CALL_WAIT_STREAM, .stream = stream });
    else if (what < 88) offer(g, (call){ .kind = CALL_DISCARD, .stream = stream });
    else if (what < 91) poke(g);
    else if (what < 97) draw_exchange(g);
    else transfer(g);
}

static void prelude(generator *g) {
    for (uint32_t i = 0; i < FAVOURITES; i++) {
        uint32_t size = one_in(g, 3) ? 1 + below(g, 60) : 1 + below(g, 20);
        g->favourites[i] = (part){ NONE, 0, below(g, 24), size };
        if (one_in(g, 2)) g->favourites[i].offset &= ~3u;
    }
    for (uint32_t i = 0; i < g->devices; i++) {
        g->recorders[i] = make_stream(g, (int)i, RLX_STREAM_RECORD);
        for (uint32_t k = 0; k < KERNEL_KINDS; k++) make_kernel(g, (int)i, (kernel_kind)k);
        for (uint32_t b = 1 + below(g, 4); b > 0; b--) make_buffer(g, (int)i);
    }
    for (uint32_t i = 0; i < g->streams; i++)
        make_stream(g, (int)below(g, g->devices), one_in(g, 12) ? RLX_STREAM_ISOLATE : 0);
}

void case_draw(test_case *c, uint64_t seed) {
    static generator g;
    memset(&g, 0, sizeof g);
    memset(c, 0, sizeof *c);
    c->is.seed = seed;
    g.d.state = seed * UINT64_C(0xd1342543de82ef95);
    g.c = c;
    c->is.addresses = one_in(&g, 2);
    c->is.slow = one_in(&g, 24);
    g.devices = one_in(&g, 3) ? 2 : 1;
    g.streams = 1 + below(&g, 4);
    model_open(&g.m);
    prelude(&g);
    uint32_t count = c->count + (one_in(&g, 4) ? 40 + below(&g, 140) : 8 + below(&g, 50));
    if (one_in(&g, 2)) record(&g);
    for (int tries = 0; tries < 4 * CALLS && c->count < count && c->count < CALLS - 2 * STREAMS; tries++) draw_call(&g);
    for (int i = 0; i < STREAMS; i++)
        if (g.m.streams[i].alive && !g.m.streams[i].records) submit(&g, i);
}
