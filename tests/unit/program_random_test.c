/* Random programs with slots of every kind, nested programs among their commands, against two references: the same
 * commands encoded one by one on a device without programs (what a run must leave behind), and the definition of
 * conflicts applied to every pair of accesses (what a run must refuse). */
#include "core/program.h"
#include "shuffle.h"

enum { BUFFERS = 3, BYTES = 160, HOSTS = 5, HOST_BYTES = 64, OPS = 20, FLAT = 64, WIDE = 24, NONE = -1 };

/* Every program has these slots, but not every program uses all of them. */
enum { RANGE_16, RANGE_24, RANGE_ANY, HOST_A, HOST_B, NUMBER, WIDE_VALUE, GRID, ENABLED, SLOTS };

static uint32_t number_of(int slot) { return 7u * (uint32_t)slot + 3; }

typedef struct operand { /* a range */
    int slot;
    uint32_t buffer;
    uint64_t offset, size;
} operand;

typedef struct pointer {
    int slot;
    uint32_t host, offset;
} pointer;

/* What a run gives for each slot. */
typedef struct binding {
    operand ranges[3];
    pointer hosts[2];
    uint32_t number, wide, grid;
    bool enabled;
} binding;

typedef enum op_kind { OP_WRITE, OP_READ, OP_COPY, OP_FILL, OP_DISPATCH, OP_CALL, OP_NESTED, OP_KINDS } op_kind;

typedef struct op {
    op_kind kind;
    operand a, b, c, use; /* dst, src; of a dispatch what is read, changed, written */
    bool used;
    rlx_access use_access;
    pointer host;
    uint32_t number, wide, grid;
    int number_slot, wide_slot, grid_slot, condition;
    binding values; /* of a nested run */
} op;

typedef struct ops {
    op list[FLAT];
    uint32_t count;
} ops;

/* A program, its commands with nested ones in their places, and which slots they use. */
typedef struct recording {
    rlx_program *program;
    ops flat;
    bool uses[SLOTS], argument[SLOTS];
} recording;

typedef struct world {
    rlx_device *device;
    rlx_stream *stream, *recorder;
    rlx_buffer *buffers[BUFFERS];
    rlx_kernel *mix;
    _Alignas(64) unsigned char hosts[HOSTS][HOST_BYTES];
    uint64_t trace; /* what host calls have seen */
} world;

/* ---- Commands ---- */

static rlx_status mix(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    const unsigned char *a = kernel->args[0].data, *wide = kernel->args[4].data;
    unsigned char *b = kernel->args[1].data, *c = kernel->args[2].data;
    uint32_t number;
    memcpy(&number, kernel->args[3].data, sizeof number);
    for (uint64_t g = first; g < first + count; g++) {
        for (uint64_t i = 0; i < kernel->args[1].size; i++)
            b[i] =
                (unsigned char)(b[i] * 5 + wide[i % WIDE] + (kernel->args[0].size ? a[i % kernel->args[0].size] : 1));
        for (uint64_t i = 0; i < kernel->args[2].size; i++)
            c[i] = (unsigned char)(number + i + g + (kernel->args[0].size ? 3 * a[i % kernel->args[0].size] : 7));
    }
    return RLX_OK;
}

static rlx_status look(void *user) {
    world *w = user;
    for (uint32_t i = 0; i < sizeof w->hosts; i++) w->trace = w->trace * 31 + (&w->hosts[0][0])[i];
    return RLX_OK;
}

static rlx_range range_of(const world *w, const operand *o) {
    return o->slot == NONE ? rlx_part(w->buffers[o->buffer], o->offset, o->size)
                           : rlx_slot_range(number_of(o->slot), o->size);
}

static const unsigned char *wide_bytes(uint32_t wide) {
    static unsigned char bytes[WIDE];
    for (uint32_t i = 0; i < WIDE; i++) bytes[i] = (unsigned char)(wide * (i + 1));
    return bytes;
}

static rlx_status encode_dispatch(const world *w, rlx_stream *stream, const op *o) {
    const rlx_use use = { range_of(w, &o->use), o->use_access };
    const rlx_arg args[] = { rlx_arg_buffer(range_of(w, &o->a)), rlx_arg_buffer(range_of(w, &o->b)),
                             rlx_arg_buffer(range_of(w, &o->c)),
                             o->number_slot == NONE ? rlx_arg_u32(o->number) : rlx_arg_slot(number_of(o->number_slot)),
                             o->wide_slot == NONE ? rlx_arg_bytes(wide_bytes(o->wide), WIDE)
                                                  : rlx_arg_slot(number_of(o->wide_slot)) };
    rlx_dispatch dispatch = { .groups = { o->grid }, .args = args, .arg_count = 5, .label = "mix" };
    if (o->grid_slot != NONE) dispatch.groups_slot = rlx_slot(number_of(o->grid_slot));
    if (o->used) dispatch.uses = &use, dispatch.use_count = 1;
    return rlx_stream_dispatch(stream, w->mix, &dispatch);
}

/* The values of a run: of those slots that are used, in any order. */
static uint32_t list_values(const world *w, const recording *of, const binding *v, rlx_slot_value values[SLOTS]) {
    uint32_t count = 0;
    for (int slot = SLOTS; slot-- > 0;) {
        if (!of->uses[slot]) continue;
        rlx_slot_value *value = &values[count++];
        *value = (rlx_slot_value){ .slot = number_of(slot) };
        if (slot <= RANGE_ANY) value->range = range_of(w, &v->ranges[slot]);
        if (slot == HOST_A || slot == HOST_B)
            value->host = &w->hosts[v->hosts[slot - HOST_A].host][v->hosts[slot - HOST_A].offset];
        if (slot == NUMBER) value->u32 = v->number;
        if (slot == GRID) value->groups[0] = v->grid;
        if (slot == ENABLED) value->enabled = v->enabled;
        if (slot == WIDE_VALUE) value->bytes = wide_bytes(v->wide);
    }
    return count;
}

static rlx_status run(const world *w, rlx_stream *stream, const recording *what, const binding *v) {
    rlx_slot_value values[SLOTS];
    uint32_t count = list_values(w, what, v, values);
    return rlx_stream_run(stream, what->program, &(rlx_run){ .values = values, .count = count });
}

static rlx_status encode(world *w, rlx_stream *stream, const op *o, const recording *inner) {
    unsigned char *host = &w->hosts[o->host.host][o->host.offset];
    switch (o->kind) {
    case OP_WRITE:
        return o->host.slot == NONE ? rlx_stream_write(stream, range_of(w, &o->a), host, 0)
                                    : rlx_stream_write_slot(stream, range_of(w, &o->a), number_of(o->host.slot));
    case OP_READ:
        return o->host.slot == NONE ? rlx_stream_read(stream, host, range_of(w, &o->a))
                                    : rlx_stream_read_slot(stream, number_of(o->host.slot), range_of(w, &o->a));
    case OP_COPY: return rlx_stream_copy(stream, range_of(w, &o->a), range_of(w, &o->b));
    case OP_FILL: return rlx_stream_fill(stream, range_of(w, &o->a), o->number, 1);
    case OP_DISPATCH: return encode_dispatch(w, stream, o);
    case OP_CALL: return rlx_stream_host_call(stream, look, w);
    case OP_NESTED: return run(w, stream, inner, &o->values);
    case OP_KINDS: break;
    }
    return RLX_ERROR_INVALID;
}

/* ---- Values in the places of slots ---- */

static operand bind_range(operand o, const binding *v) {
    if (o.slot == NONE) return o;
    operand bound = v->ranges[o.slot];
    if (!bound.size) bound.size = o.size;
    return bound;
}

/* False if the command does not run. */
static bool bind(op *o, const binding *v) {
    if (o->condition != NONE && !v->enabled) return false;
    if (o->grid_slot != NONE) o->grid = v->grid;
    if (o->number_slot != NONE) o->number = v->number;
    if (o->wide_slot != NONE) o->wide = v->wide;
    if (o->host.slot != NONE) o->host = v->hosts[o->host.slot - HOST_A];
    o->a = bind_range(o->a, v), o->b = bind_range(o->b, v), o->c = bind_range(o->c, v), o->use = bind_range(o->use, v);
    o->condition = o->grid_slot = o->number_slot = o->wide_slot = o->host.slot = NONE;
    return o->kind != OP_DISPATCH || o->grid;
}

static void bind_all(const ops *from, const binding *v, ops *to) {
    to->count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        to->list[to->count] = from->list[i];
        if (bind(&to->list[to->count], v)) to->count++;
    }
}

/* ---- The definition of what is refused ---- */

typedef struct access {
    uint64_t begin, end; /* bytes; of a slot: what it is bound to */
    int slot;
    bool host, write, use, known; /* known: there are bytes to compare */
} access;

static void add_range(const world *w, const operand *o, const binding *v, bool write, bool use, access *list,
                      uint32_t *n) {
    operand bound = bind_range(*o, v);
    if (o->slot == NONE && !o->size) return;
    bool known = bound.slot == NONE && bound.size; /* a slot orders its commands even if it is bound to nothing */
    uint64_t begin = known ? w->buffers[bound.buffer]->address + bound.offset : 0;
    list[(*n)++] = (access){ begin, begin + bound.size, o->slot, false, write, use, known };
}

static uint32_t accesses_of(const world *w, const op *o, const binding *v, access list[8]) {
    uint32_t n = 0;
    if (o->kind == OP_CALL) return 0;
    add_range(w, &o->a, v, o->kind != OP_READ && o->kind != OP_DISPATCH, false, list, &n);
    if (o->kind == OP_COPY) add_range(w, &o->b, v, false, false, list, &n);
    if (o->kind == OP_DISPATCH) {
        add_range(w, &o->b, v, true, false, list, &n);
        add_range(w, &o->c, v, true, false, list, &n);
        if (o->used) add_range(w, &o->use, v, o->use_access != RLX_READ, true, list, &n);
    }
    if (o->kind == OP_WRITE || o->kind == OP_READ) {
        pointer p = o->host.slot == NONE ? o->host : v->hosts[o->host.slot - HOST_A];
        uint64_t begin = (uint64_t)(uintptr_t)&w->hosts[p.host][p.offset];
        list[n++] = (access){ begin, begin + o->a.size, o->host.slot, true, o->kind == OP_READ, false, true };
    }
    return n;
}

static bool share_words(const access *x, const access *y) {
    return x->begin / 4 < (y->end + 3) / 4 && y->begin / 4 < (x->end + 3) / 4;
}

/* Whether the recording itself orders two accesses. */
static bool recorded_conflict(const access *x, const access *y) {
    if (!x->write && !y->write) return false;
    if (x->host && y->host && (x->slot != NONE || y->slot != NONE)) return true;
    if (x->slot != NONE || y->slot != NONE) return x->slot == y->slot;
    return share_words(x, y);
}

/* RLX_OK or ALIAS: whether every conflict of this run is ordered by those of the recording. */
static rlx_status judge(const world *w, const ops *flat, const binding *v) {
    static access accesses[FLAT][8];
    uint32_t counts[FLAT];
    uint64_t before[FLAT] = { 0 }, conflicts[FLAT] = { 0 };
    for (uint32_t i = 0; i < flat->count; i++) counts[i] = accesses_of(w, &flat->list[i], v, accesses[i]);
    for (uint32_t j = 0; j < flat->count; j++) {
        for (uint32_t i = 0; i <= j; i++) {
            bool recorded = i != j && (flat->list[i].kind == OP_CALL || flat->list[j].kind == OP_CALL), met = false;
            for (uint32_t x = 0; x < counts[i]; x++)
                for (uint32_t y = 0; y < counts[j]; y++) {
                    const access *a = &accesses[i][x], *b = &accesses[j][y];
                    bool both = a->known && b->known && (a->write || b->write);
                    if (i == j && x < y && flat->list[i].kind == OP_DISPATCH && both && !(a->use && b->use) &&
                        (a->slot != NONE || b->slot != NONE) && a->begin < b->end && b->begin < a->end)
                        return RLX_ERROR_ALIAS;
                    if (i == j) continue;
                    recorded |= recorded_conflict(a, b);
                    met |= both && share_words(a, b) && (a->slot != NONE || b->slot != NONE);
                }
            if (recorded) before[j] |= before[i] | UINT64_C(1) << i;
            if (met) conflicts[j] |= UINT64_C(1) << i;
        }
        if (conflicts[j] & ~before[j]) return RLX_ERROR_ALIAS;
    }
    return RLX_OK;
}

/* ---- Making things up ---- */

static operand random_range(uint64_t size, uint32_t alignment) {
    operand o = { NONE, random_below(BUFFERS), 0, size };
    o.offset = random_below((uint32_t)(BYTES - size) / alignment + 1) * alignment;
    return o;
}

static pointer random_pointer(void) {
    return (pointer){ NONE, random_below(HOSTS), random_below(HOST_BYTES - 24 + 1) };
}

/* A range of a transfer, one in three a slot. */
static operand transfer_operand(uint64_t size) {
    operand o = random_range(size, 1);
    if (random_below(3) == 0 && (size == 16 || size == 24)) o.slot = size == 16 ? RANGE_16 : RANGE_24;
    return o;
}

static operand argument_operand(bool taken[SLOTS]) {
    int slot = (int)random_below(9);
    if (slot > RANGE_ANY || taken[slot]) return random_range(4 * random_below(7), 4);
    taken[slot] = true;
    return (operand){ slot, 0, 0, slot == RANGE_ANY ? 0 : slot == RANGE_16 ? 16 : 24 };
}

static binding random_binding(const recording *of, const recording *outer) {
    binding v = {
        .number = random_below(256), .wide = random_below(256), .grid = random_below(3), .enabled = random_below(3)
    };
    for (int i = 0; i < 3; i++) {
        uint64_t size = i == RANGE_16 ? 16 : i == RANGE_24 ? 24 : 4 * random_below(8);
        v.ranges[i] = random_range(size, of->argument[i] ? 4 : 1);
        if (outer && random_below(3) == 0) v.ranges[i] = (operand){ i, 0, 0, i == RANGE_ANY ? 0 : size };
    }
    for (int i = 0; i < 2; i++) v.hosts[i] = random_pointer();
    return v;
}

static op random_op(const recording *inner, const recording *own) {
    static const uint64_t sizes[] = { 16, 24, 1, 5, 40 };
    bool taken[SLOTS] = { false };
    op o = { .kind = (op_kind)random_below(OP_KINDS), .number_slot = NONE, .wide_slot = NONE, .grid_slot = NONE };
    o.condition = random_below(5) ? NONE : ENABLED;
    o.number = random_below(256), o.wide = random_below(256), o.grid = 1 + random_below(2);
    uint64_t size = sizes[random_below(o.kind == OP_COPY || o.kind == OP_FILL ? 5 : 4)];
    o.host = random_pointer();
    if (random_below(3) == 0) o.host.slot = HOST_A + (int)random_below(2);
    o.a = o.b = o.c = o.use = (operand){ .slot = NONE };
    switch (o.kind) {
    case OP_WRITE:
    case OP_READ:
    case OP_FILL: o.a = transfer_operand(size); break;
    case OP_COPY: o.a = transfer_operand(size), o.b = transfer_operand(size); break;
    case OP_DISPATCH:
        o.a = argument_operand(taken), o.b = argument_operand(taken), o.c = argument_operand(taken);
        o.used = random_below(4) == 0;
        if (o.used) o.use = argument_operand(taken), o.use_access = (rlx_access)random_below(3);
        if (random_below(3) == 0) o.number_slot = NUMBER;
        if (random_below(3) == 0) o.wide_slot = WIDE_VALUE;
        if (random_below(3) == 0) o.grid_slot = GRID;
        break;
    case OP_CALL:
        if (random_below(3)) o.kind = OP_COPY, o.a = transfer_operand(size), o.b = transfer_operand(size);
        break;
    case OP_NESTED:
        if (!inner || random_below(2)) o.kind = OP_FILL, o.a = transfer_operand(size);
        else o.values = random_binding(inner, own);
        break;
    case OP_KINDS: break;
    }
    return o;
}

/* ---- Recording ---- */

static void note_range(recording *r, const operand *o, bool argument) {
    if (o->slot == NONE) return;
    r->uses[o->slot] = true;
    r->argument[o->slot] |= argument;
}

static void note_slots(recording *r, const op *o) {
    bool dispatch = o->kind == OP_DISPATCH;
    note_range(r, &o->a, dispatch), note_range(r, &o->b, dispatch), note_range(r, &o->c, dispatch);
    if (o->used) note_range(r, &o->use, false);
    if ((o->kind == OP_WRITE || o->kind == OP_READ) && o->host.slot != NONE) r->uses[o->host.slot] = true;
    if (o->number_slot != NONE) r->uses[NUMBER] = true;
    if (o->wide_slot != NONE) r->uses[WIDE_VALUE] = true;
    if (o->grid_slot != NONE) r->uses[GRID] = true;
    if (o->condition != NONE) r->uses[ENABLED] = true;
}

/* Encodes a command, and notes what it stands for. What is refused must be refused with reason. */
static bool record(world *w, recording *r, const op *o, const recording *inner) {
    static ops bound;
    rlx_slot_ref none = { 0 };
    rlx_status expected = RLX_OK;
    if (o->kind == OP_NESTED) {
        expected = judge(w, &inner->flat, &o->values);
        bind_all(&inner->flat, &o->values, &bound);
        if (r->flat.count + bound.count > FLAT) return true;
    }
    CHECK_INT(rlx_stream_condition(w->recorder, o->condition == NONE ? none : rlx_slot(number_of(o->condition))),
              RLX_OK);
    rlx_status status = encode(w, w->recorder, o, inner);
    if (o->kind == OP_DISPATCH && status == RLX_ERROR_ALIAS) return true; /* fixed ranges that overlap */
    if (!CHECK_INT(status, expected)) {
        printf("# %s\n", rlx_last_error());
        return false;
    }
    if (status) return true;
    if (o->kind != OP_NESTED) bound.list[0] = *o, bound.count = 1;
    for (uint32_t i = 0; i < bound.count; i++) {
        op *flat = &r->flat.list[r->flat.count++];
        *flat = bound.list[i];
        flat->condition = o->condition;
        note_slots(r, flat);
    }
    return true;
}

static bool record_program(world *w, recording *r, const recording *inner, uint32_t count) {
    memset(r, 0, sizeof *r);
    for (uint32_t i = 0; i < count && r->flat.count < FLAT; i++) {
        op o = random_op(inner, inner ? r : NULL);
        if (!record(w, r, &o, inner)) return false;
    }
    if (!CHECK_INT(rlx_stream_finish(w->recorder, NULL, &r->program), RLX_OK)) {
        printf("# %s\n", rlx_last_error());
        return false;
    }
    return CHECK_UINT(rlx_program_info(r->program)->commands, r->flat.count);
}

/* ---- Worlds ---- */

static const rlx_param mix_params[] = {
    { RLX_READ }, { RLX_READ_WRITE }, { RLX_WRITE }, { RLX_VALUE, 4 }, { RLX_VALUE, WIDE }
};

static void world_open(world *w, const char *device, uint32_t flags) {
    memset(w, 0, sizeof *w);
    w->device = shuffle_device(device);
    w->stream = make_stream(w->device, flags);
    w->recorder = make_stream(w->device, RLX_STREAM_RECORD);
    for (int i = 0; i < BUFFERS; i++) w->buffers[i] = make_buffer(w->device, BYTES);
    w->mix = make_kernel(w->device, "mix", mix, mix_params, 5);
}

static void world_close(world *w) {
    for (int i = 0; i < BUFFERS; i++) rlx_buffer_release(w->buffers[i]);
    rlx_kernel_release(w->mix);
    rlx_stream_release(w->recorder), rlx_stream_release(w->stream), rlx_device_release(w->device);
}

static bool same(world *w, world *reference) {
    bool equal = w->trace == reference->trace && memcmp(w->hosts, reference->hosts, sizeof w->hosts) == 0;
    for (int i = 0; i < BUFFERS; i++) {
        unsigned char ours[BYTES], theirs[BYTES];
        CHECK_INT(rlx_stream_read(w->stream, ours, rlx_whole(w->buffers[i])), RLX_OK);
        CHECK_INT(rlx_stream_read(reference->stream, theirs, rlx_whole(reference->buffers[i])), RLX_OK);
        submit_and_wait(w->stream), submit_and_wait(reference->stream);
        equal &= memcmp(ours, theirs, BYTES) == 0;
    }
    return CHECK(equal);
}

static void start_anew(world *w, world *reference) {
    static unsigned char bytes[BYTES];
    for (uint32_t i = 0; i < sizeof w->hosts; i++)
        (&w->hosts[0][0])[i] = (&reference->hosts[0][0])[i] = (unsigned char)random_below(256);
    w->trace = reference->trace = 0;
    for (int b = 0; b < BUFFERS; b++) {
        for (int i = 0; i < BYTES; i++) bytes[i] = (unsigned char)random_below(256);
        CHECK_INT(rlx_stream_write(w->stream, rlx_whole(w->buffers[b]), bytes, RLX_WRITE_COPIED), RLX_OK);
        CHECK_INT(rlx_stream_write(reference->stream, rlx_whole(reference->buffers[b]), bytes, RLX_WRITE_COPIED),
                  RLX_OK);
    }
}

/* ---- Rounds ---- */

static struct { uint32_t runs, refused; } tally;

static bool run_some(world *w, world *reference, const recording *r) {
    static ops bound;
    start_anew(w, reference);
    for (int i = 0; i < 5; i++) {
        binding v = random_binding(r, NULL);
        rlx_status expected = judge(w, &r->flat, &v), status = run(w, w->stream, r, &v);
        tally.runs++;
        if (!CHECK_INT(status, expected)) {
            printf("# %s\n", status ? rlx_last_error() : "");
            return false;
        }
        if (status) {
            tally.refused++;
            continue;
        }
        bind_all(&r->flat, &v, &bound);
        for (uint32_t k = 0; k < bound.count; k++)
            if (!CHECK_INT(encode(reference, reference->stream, &bound.list[k], NULL), RLX_OK)) return false;
        if (random_below(2)) submit_and_wait(w->stream), submit_and_wait(reference->stream);
    }
    return same(w, reference);
}

static bool round_of(world *w, world *reference) {
    static recording inner, outer;
    bool nested = random_below(2), good = true;
    outer.program = inner.program = NULL;
    if (nested) good = record_program(w, &inner, NULL, 1 + random_below(6));
    good = good && record_program(w, &outer, nested ? &inner : NULL, random_below(OPS));
    if (random_below(2)) { /* commands of a nested program are on their own */
        rlx_program_release(inner.program);
        inner.program = NULL;
    }
    good = good && run_some(w, reference, &outer);
    rlx_program_release(outer.program);
    rlx_program_release(inner.program);
    return good;
}

static void rounds(const char *device, uint32_t flags, uint32_t count) {
    static world w, reference;
    world_open(&w, device, flags), world_open(&reference, "plain", 0);
    memset(&tally, 0, sizeof tally);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t seed = shuffle.seed;
        if (round_of(&w, &reference)) continue;
        printf("# round %u, seed %" PRIu64 "\n", i, seed);
        break;
    }
    world_close(&w), world_close(&reference);
    printf("# %u runs, %u of them refused\n", tally.runs, tally.refused);
    CHECK(tally.refused > 100 && tally.refused < tally.runs / 4 * 3);
    CHECK_UINT(shuffle.programs + shuffle.memory + shuffle.kernels, 0);
}

static void graphs_in_any_order_do_what_their_commands_do(void) { rounds("shuffle", 0, 6000); }
static void graphs_without_host_addresses_do_what_their_commands_do(void) { rounds("far", 0, 6000); }
static void devices_without_graphs_do_what_the_commands_do(void) { rounds("plain", 0, 3000); }
static void isolated_runs_do_what_the_commands_do(void) { rounds("shuffle", RLX_STREAM_ISOLATE, 6000); }

static void workers_do_what_the_commands_do(void) { rounds("cpu", 0, 2000); }
static void isolated_runs_by_workers_do_what_the_commands_do(void) { rounds("cpu", RLX_STREAM_ISOLATE, 2000); }
static void the_caller_does_what_the_commands_do(void) { rounds("sync", 0, 3000); }

static const tap_test tests[] = {
    TAP(graphs_in_any_order_do_what_their_commands_do),
    TAP(graphs_without_host_addresses_do_what_their_commands_do),
    TAP(devices_without_graphs_do_what_the_commands_do),
    TAP(isolated_runs_do_what_the_commands_do),
    TAP(workers_do_what_the_commands_do),
    TAP(isolated_runs_by_workers_do_what_the_commands_do),
    TAP(the_caller_does_what_the_commands_do),
};

TAP_MAIN(tests)
