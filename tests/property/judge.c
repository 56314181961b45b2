/* Which dispatches and runs are to be refused because of what they overlap (rules 15 and 16).
 *
 * A run is refused if a range that it gives meets another access of the program, one of them a write, and nothing in
 * the recording puts the two commands in order. What does: two fixed ranges that share a word, one slot used twice, one
 * of the two uses a write; a host pointer given by a slot, with all other host memory of WRITEs and READs; a host call
 * or a timestamp, with everything; and any chain of these. This is the definition, applied to every pair of accesses of
 * every pair of commands.
 *
 * Strided rows reach from the first byte to the last; but a range that a run gives counts as a whole.
 *
 * A strided copy may be two commands, as it may need scratch memory. Where this makes a difference to what is in order,
 * the rules allow both answers. */
#include <string.h>

#include "model.h"

typedef struct reference {
    uint32_t begin, end; /* bytes: of a slot, what it is bound to */
    int slot;
    bool host, write, argument;
    bool known; /* there are bytes to compare */
    int id;
} reference;

enum { REFERENCES = 4, PARTS = 2 * COMMANDS };

/* A command, or half of a strided copy. */
typedef struct part_of {
    reference list[REFERENCES];
    uint32_t count;
    bool barrier, dispatch, follows; /* follows: its first half */
} part_of;

/* ---- One command ---- */

static bool bytes_meet(const reference *x, const reference *y) {
    return x->known && y->known && x->host == y->host && x->id == y->id && x->begin < y->end && y->begin < x->end;
}

static bool words_meet(const reference *x, const reference *y) {
    return x->known && y->known && x->host == y->host && x->id == y->id && x->begin / 4 < (y->end + 3) / 4 &&
           y->begin / 4 < (x->end + 3) / 4;
}

static void refer(part_of *to, const command *c, const part *p, const binding *v, bool write, bool argument, bool dst) {
    part bound = *p;
    if (p->slot == NONE) {
        if (c->rows && !p->given) bound.size = rows_span(c, dst);
        if (!bound.size) return;
    } else if (v) {
        bound = v->ranges[p->slot];
        if (!bound.size) bound.size = p->size;
    }
    to->list[to->count++] = (reference){ .begin = bound.offset,
                                         .end = bound.offset + bound.size,
                                         .slot = p->slot,
                                         .write = write,
                                         .argument = argument,
                                         .known = bound.slot == NONE && bound.size > 0,
                                         .id = bound.buffer };
}

static void refer_host(part_of *to, const command *c, const binding *v, bool write) {
    pointer at = c->host.slot == NONE || !v ? c->host : v->hosts[c->host.slot - SLOT_HOST_A];
    uint32_t size = c->rows ? rows_span(c, write) : c->a.size;
    to->list[to->count++] = (reference){ .begin = at.offset,
                                         .end = at.offset + size,
                                         .slot = c->host.slot,
                                         .host = true,
                                         .write = write,
                                         .known = at.slot == NONE,
                                         .id = at.area };
}

static void refer_dispatch(part_of *to, const model *m, const command *c, const binding *v) {
    kernel_kind kind = m->kernels[c->kernel].kind;
    to->dispatch = true;
    if (kind != KERNEL_REACH) refer(to, c, &c->a, v, false, true, false);
    refer(to, c, &c->b, v, kind != KERNEL_SUM, true, false);
    if (kind != KERNEL_REACH) refer(to, c, &c->c, v, true, true, true);
    if (c->used) refer(to, c, &c->use, v, c->use_access != RLX_READ, false, false);
}

static bool is_halved(const command *c) { return c->kind == COMMAND_COPY && c->rows > 1; }

/* Fills in one part, or two. */
static uint32_t refer_command(part_of *to, const model *m, const command *c, const binding *v, bool halves) {
    memset(to, 0, 2 * sizeof *to);
    switch (c->kind) {
    case COMMAND_WRITE:
        refer(to, c, &c->a, v, true, false, true);
        if (!c->copied) refer_host(to, c, v, false);
        return 1;
    case COMMAND_READ:
        refer(to, c, &c->a, v, false, false, false);
        refer_host(to, c, v, true);
        return 1;
    case COMMAND_COPY:
        refer(to, c, &c->b, v, false, false, false);
        if (halves && is_halved(c)) {
            to++;
            to->follows = true;
        }
        refer(to, c, &c->a, v, true, false, true);
        return to->follows ? 2 : 1;
    case COMMAND_FILL: refer(to, c, &c->a, v, true, false, true); return 1;
    case COMMAND_DISPATCH: refer_dispatch(to, m, c, v); return 1;
    case COMMAND_HOST_CALL:
    case COMMAND_TIMESTAMP: to->barrier = true; return 1;
    case COMMAND_RUN:
    case COMMAND_KINDS: break;
    }
    return 0;
}

static bool argument_overlap(const part_of *p, bool of_slots) {
    for (uint32_t x = 0; x < p->count; x++)
        for (uint32_t y = 0; y < x; y++) {
            const reference *a = &p->list[x], *b = &p->list[y];
            if (of_slots && a->slot == NONE && b->slot == NONE) continue;
            if ((a->write || b->write) && (a->argument || b->argument) && bytes_meet(a, b)) return true;
        }
    return false;
}

bool dispatch_aliases(const model *m, const command *c) {
    part_of parts[2];
    refer_command(parts, m, c, NULL, false);
    return argument_overlap(parts, false);
}

/* ---- All commands of a run ---- */

static bool recorded_in_order(const reference *x, const reference *y) {
    if (!x->write && !y->write) return false;
    if (x->host && y->host && (x->slot != NONE || y->slot != NONE)) return true;
    if (x->slot != NONE || y->slot != NONE) return x->slot == y->slot;
    return words_meet(x, y);
}

/* One bit for each part that comes before. */
typedef struct earlier {
    uint64_t bits[PARTS / 64];
} earlier;

static bool has(const earlier *set, uint32_t i) { return set->bits[i / 64] >> i % 64 & 1; }

/* Whether the recording puts two parts in order, and whether what a run gives makes them meet. */
static void compare(const part_of *i, const part_of *j, bool *ordered, bool *met) {
    *ordered = i->barrier || j->barrier, *met = false;
    for (uint32_t x = 0; x < i->count; x++)
        for (uint32_t y = 0; y < j->count; y++) {
            const reference *a = &i->list[x], *b = &j->list[y];
            *ordered |= recorded_in_order(a, b);
            *met |= (a->slot != NONE || b->slot != NONE) && (a->write || b->write) && words_meet(a, b);
        }
}

static bool judge(const model *m, const commands *body, const binding *v, bool halves) {
    static part_of parts[PARTS + 1];
    static earlier before[PARTS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < body->count; i++) count += refer_command(&parts[count], m, &body->list[i], v, halves);
    for (uint32_t j = 0; j < count; j++) {
        earlier unordered = { { 0 } };
        before[j] = unordered;
        if (parts[j].dispatch && argument_overlap(&parts[j], true)) return false;
        for (uint32_t i = 0; i < j; i++) {
            bool ordered, met;
            compare(&parts[i], &parts[j], &ordered, &met);
            if (ordered || (parts[j].follows && i == j - 1)) {
                for (uint32_t w = 0; w < PARTS / 64; w++) before[j].bits[w] |= before[i].bits[w];
                before[j].bits[i / 64] |= UINT64_C(1) << i % 64;
            } else if (met) {
                unordered.bits[i / 64] |= UINT64_C(1) << i % 64;
            }
        }
        for (uint32_t i = 0; i < j; i++)
            if (has(&unordered, i) && !has(&before[j], i)) return false;
    }
    return true;
}

verdict judge_run(const model *m, const commands *body, const binding *v) {
    bool whole = judge(m, body, v, false), halved = judge(m, body, v, true);
    return whole != halved ? VERDICT_OPEN : whole ? VERDICT_FINE : VERDICT_ALIAS;
}
