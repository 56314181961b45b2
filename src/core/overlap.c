/* What a run's slots may not do: overlap another access of the program in a way that the graph knows nothing of.
 *
 * REGIONS. Each different range of words that the program touches at a fixed place is a region, with its accesses in
 * order; and so is what each slot is given. The graph has ordered a region's own accesses. Two regions that overlap in
 * a run are gone through together, like two sorted lists that are merged, with the last writer and the readers since of
 * each: wherever an access has to follow one of the other region, there must be a path in the graph. So two regions
 * cost as many looks as they have accesses, and a range that overlaps nothing costs a search in a tree.
 *
 * THE TREE is the array of regions by address; each element knows how far the elements below it reach (interval trees:
 * Cormen et al., Introduction to Algorithms, 14.3).
 *
 * PATHS are looked for by marking nodes upwards from the lower end. A program asks the same at each run, so answers are
 * kept in a small table; its entries are single words, so that threads need no lock.
 *
 * Within one dispatch it is bytes that may not overlap, as at encode (rule 15). */
#include <string.h>

#include "program.h"

#define ANSWERS 512 /* a power of two */

typedef struct region {
    uint64_t begin, end;           /* words */
    uint64_t reach, reach_written; /* the farthest end in the subtree; the farthest of a written region */
    uint32_t first;                /* in `accesses`; they end where the next region's begin */
    bool written;
    bool host; /* plain host memory, which the graph orders with host slots */
} region;

struct rlx_overlaps {
    region *regions; /* by begin; one more behind the last */
    uint32_t region_count;
    uint64_t access_count;
    uint32_t *accesses;                /* node * 2, + 1 for a write: of each region, then of each slot */
    _Atomic uint64_t answers[ANSWERS]; /* lower node << 33 | upper node << 2 | whether there is a path << 1 | 1 */
};

/* ---- Building ---- */

static bool needs_address(const rlx_slot_info *slot) {
    return slot->kind == RLX_SLOT_RANGE || slot->kind == RLX_SLOT_HOST;
}

/* The intervals at fixed places by their words, those of the same words in the order of commands. */
static rlx_keyed *sort_intervals(const rlx_interval *intervals, uint64_t count, size_t *sorted) {
    rlx_keyed *keyed = rlx_allocate(2 * (count + 1) * sizeof *keyed);
    if (!keyed) return NULL;
    size_t n = 0;
    for (uint64_t i = 0; i < count; i++)
        if (!intervals[i].barrier && rlx_space_is_real(intervals[i].begin))
            keyed[n++] = (rlx_keyed){ (intervals[i].end - 1) / 4, (uint32_t)i };
    rlx_keyed_sort(keyed, keyed + n, n);
    for (size_t i = 0; i < n; i++) keyed[i].key = intervals[keyed[i].item].begin / 4;
    rlx_keyed_sort(keyed, keyed + n, n);
    *sorted = n;
    return keyed;
}

static void add_regions(rlx_overlaps *overlaps, const rlx_program *program, const rlx_interval *intervals,
                        const rlx_keyed *sorted, size_t count, const uint32_t *node_of) {
    region *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const rlx_interval *interval = &intervals[sorted[i].item];
        uint64_t begin = interval->begin / 4, end = (interval->end - 1) / 4 + 1;
        if (!last || last->begin != begin || last->end != end) {
            last = &overlaps->regions[overlaps->region_count++];
            *last = (region){ .begin = begin, .end = end, .first = (uint32_t)overlaps->access_count, .host = true };
        }
        uint32_t node = node_of[interval->command];
        last->written |= interval->write;
        last->host &= rlx_interval_is_plain_host(interval, program->packets[node]);
        overlaps->accesses[overlaps->access_count++] = node * 2 + interval->write;
    }
    overlaps->regions[overlaps->region_count].first = (uint32_t)overlaps->access_count;
}

static bool fixup_has_address(const rlx_program *program, const rlx_fixup *fixup) {
    return needs_address(&program->slots[fixup->slot]);
}

static void add_slots(rlx_overlaps *overlaps, rlx_program *program, const uint32_t *node_of) {
    for (uint64_t i = 0; i < program->fixup_count; i++)
        if (fixup_has_address(program, &program->fixups[i])) program->slots[program->fixups[i].slot].access_count++;
    for (uint32_t i = 0; i < program->slot_count; i++) {
        program->slots[i].first_access = overlaps->access_count;
        overlaps->access_count += program->slots[i].access_count;
        program->slots[i].access_count = 0;
    }
    for (uint64_t i = 0; i < program->fixup_count; i++) {
        const rlx_fixup *fixup = &program->fixups[i];
        if (!fixup_has_address(program, fixup)) continue;
        rlx_slot_info *slot = &program->slots[fixup->slot];
        bool write = fixup->kind == RLX_FIXUP_HOST_WRITE || (slot->kind == RLX_SLOT_RANGE && fixup->access != RLX_READ);
        overlaps->accesses[slot->first_access + slot->access_count++] = node_of[fixup->command] * 2 + write;
    }
}

/* Fills in how far the regions from `first` to end - 1 reach, in the one in the middle. */
static void find_reach(region *regions, uint32_t first, uint32_t end, uint64_t *reach, uint64_t *written) {
    *reach = *written = 0;
    if (first == end) return;
    uint32_t middle = first + (end - first) / 2;
    region *r = &regions[middle];
    uint64_t left, left_written, right, right_written;
    find_reach(regions, first, middle, &left, &left_written);
    find_reach(regions, middle + 1, end, &right, &right_written);
    *reach = left > right ? left : right;
    *written = left_written > right_written ? left_written : right_written;
    if (*reach < r->end) *reach = r->end;
    if (r->written && *written < r->end) *written = r->end;
    r->reach = *reach;
    r->reach_written = *written;
}

static uint32_t *number_commands(const rlx_program *program, const rlx_nodes *nodes) {
    uint32_t *node_of = rlx_allocate((program->commands + 1) * sizeof *node_of);
    for (uint32_t node = 0; node_of && node < nodes->count; node++)
        if (nodes->commands[node] != RLX_NODE_JOIN) node_of[nodes->commands[node]] = node;
    return node_of;
}

static bool build(rlx_overlaps *overlaps, rlx_program *program, const rlx_interval *intervals, const rlx_keyed *sorted,
                  size_t count, const uint32_t *node_of) {
    size_t regions = 1;
    for (size_t i = 0; i < count; i++) {
        const rlx_interval *a = &intervals[sorted[i].item], *b = i ? &intervals[sorted[i - 1].item] : NULL;
        regions += !b || a->begin / 4 != b->begin / 4 || (a->end - 1) / 4 != (b->end - 1) / 4;
    }
    overlaps->regions = rlx_allocate(regions * sizeof *overlaps->regions);
    overlaps->accesses = rlx_allocate((count + program->fixup_count) * sizeof *overlaps->accesses);
    if (!overlaps->regions || !overlaps->accesses) return false;
    add_regions(overlaps, program, intervals, sorted, count, node_of);
    add_slots(overlaps, program, node_of);
    uint64_t reach, written;
    find_reach(overlaps->regions, 0, overlaps->region_count, &reach, &written);
    return true;
}

rlx_status rlx_overlaps_build(rlx_program *program, const rlx_interval *intervals, uint64_t count) {
    bool needed = false;
    for (uint32_t i = 0; i < program->slot_count; i++) needed |= needs_address(&program->slots[i]);
    if (!needed) return RLX_OK;
    size_t sorted_count = 0;
    program->overlaps = rlx_allocate(sizeof *program->overlaps);
    uint32_t *node_of = number_commands(program, &program->nodes);
    rlx_keyed *sorted = sort_intervals(intervals, count, &sorted_count);
    bool done = program->overlaps && node_of && sorted &&
                build(program->overlaps, program, intervals, sorted, sorted_count, node_of);
    rlx_free(sorted);
    rlx_free(node_of);
    return done ? RLX_OK : rlx_fail_memory("a program's slots");
}

void rlx_overlaps_free(rlx_overlaps *overlaps) {
    if (!overlaps) return;
    rlx_free(overlaps->regions);
    rlx_free(overlaps->accesses);
    rlx_free(overlaps);
}

uint64_t rlx_overlaps_bytes(const rlx_overlaps *overlaps) {
    if (!overlaps) return 0;
    return sizeof *overlaps + (overlaps->region_count + 1) * sizeof *overlaps->regions +
           overlaps->access_count * sizeof *overlaps->accesses;
}

/* ---- Paths ---- */

/* Marks what can be reached from `lower`; bit i of `marks` is node lower + i. Edges go upwards, so one pass does. */
static bool reaches(const rlx_nodes *nodes, uint32_t lower, uint32_t upper, uint64_t *marks) {
    marks[0] = 1;
    for (uint32_t word = 0; word <= (upper - lower) / 64; word++) {
        uint64_t rest = UINT64_MAX; /* bits of this word that were not looked at */
        while (marks[word] & rest) {
            uint32_t bit = (uint32_t)__builtin_ctzll(marks[word] & rest);
            rest = bit == 63 ? 0 : UINT64_MAX << (bit + 1);
            uint32_t node = lower + word * 64 + bit;
            for (uint64_t e = nodes->first[node]; e < nodes->first[node + 1] && nodes->successors[e] <= upper; e++) {
                uint32_t next = nodes->successors[e] - lower;
                if (next == upper - lower) return true;
                marks[next / 64] |= UINT64_C(1) << next % 64;
            }
        }
    }
    return false;
}

/* RLX_OK: there is a path. ALIAS: there is none. */
static rlx_status find_path(const rlx_program *program, uint32_t lower, uint32_t upper) {
    uint64_t asked = (uint64_t)lower << 33 | (uint64_t)upper << 2 | 1;
    _Atomic uint64_t *answer = &program->overlaps->answers[(lower * 31 + upper) & (ANSWERS - 1)];
    uint64_t known = atomic_load_explicit(answer, memory_order_relaxed);
    if ((known & ~UINT64_C(2)) == asked) return known & 2 ? RLX_OK : RLX_ERROR_ALIAS;
    uint64_t few[64] = { 0 };
    size_t words = (upper - lower) / 64 + 1;
    uint64_t *marks = words <= 64 ? few : rlx_allocate(words * sizeof *marks);
    if (!marks) return rlx_fail_memory("a program's slots");
    bool path = reaches(&program->nodes, lower, upper, marks);
    if (marks != few) rlx_free(marks);
    atomic_store_explicit(answer, asked | (path ? 2 : 0), memory_order_relaxed);
    return path ? RLX_OK : RLX_ERROR_ALIAS;
}

/* ---- One dispatch ---- */

/* Which bytes a slot stands for; false: none, or not known yet (a slot in a slot's place). */
static bool slot_bytes(const rlx_program *program, const rlx_slot_state *states, uint32_t place, uint64_t *begin,
                       uint64_t *end) {
    const rlx_slot_info *slot = &program->slots[place];
    const rlx_slot_state *state = &states[place];
    if (slot->kind == RLX_SLOT_HOST) {
        *begin = (uint64_t)(uintptr_t)state->host;
        *end = *begin + slot->size;
        return true;
    }
    if (slot->kind != RLX_SLOT_RANGE || state->range.slot_plus_one || !state->range.size) return false;
    *begin = state->range.address;
    *end = *begin + state->range.size;
    return true;
}

static uint64_t first_fixup(const rlx_program *program, uint32_t command) {
    uint64_t low = 0, high = program->fixup_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (program->fixups[middle].command < command) low = middle + 1;
        else high = middle;
    }
    return low;
}

static bool is_fixup_of(const rlx_program *program, uint64_t i, uint32_t command) {
    return i < program->fixup_count && program->fixups[i].command == command;
}

static bool is_range(const rlx_fixup *fixup) {
    return fixup->kind == RLX_FIXUP_ARG_RANGE || fixup->kind == RLX_FIXUP_USE;
}

uint32_t rlx_touches_of_arguments(const rlx_program *program, const rlx_packet_dispatch *packet) {
    uint32_t command = packet->base.index, at = program->touch_first[command];
    rlx_touch touch;
    for (uint32_t i = 0; i < packet->arg_count; i++) {
        bool slot = false;
        for (uint64_t f = first_fixup(program, command); is_fixup_of(program, f, command); f++)
            slot |= program->fixups[f].kind == RLX_FIXUP_ARG_RANGE && program->fixups[f].arg == i;
        if (!slot && packet->info->params[i].access != RLX_VALUE && packet->args[i].size)
            at = rlx_touch_read(program, at, &touch);
    }
    return at;
}

static rlx_status refuse_argument(const rlx_program *program, const rlx_fixup *fixup) {
    return rlx_fail(
        RLX_ERROR_ALIAS, "slot %u: its range overlaps another one of command %u ('%s'), and one of them is written",
        program->slots[fixup->slot].number, fixup->command, fixup->packet->label ? fixup->packet->label : "");
}

/* One range slot of a dispatch with all else that it touches. Two ranges that are only used may overlap. */
static rlx_status check_fixup(const rlx_program *program, const rlx_slot_state *states, uint64_t f,
                              uint32_t arguments_end) {
    const rlx_fixup *fixup = &program->fixups[f];
    uint64_t begin, end, from, to;
    if (!is_range(fixup) || !slot_bytes(program, states, fixup->slot, &begin, &end)) return RLX_OK;
    bool argument = fixup->kind == RLX_FIXUP_ARG_RANGE, writes = fixup->access != RLX_READ;
    uint32_t last = argument ? program->touch_first[fixup->command + 1] : arguments_end;
    for (uint32_t at = program->touch_first[fixup->command]; at < last;) {
        rlx_touch touch;
        at = rlx_touch_read(program, at, &touch);
        if (begin < touch.begin + touch.size && touch.begin < end && (writes || touch.write))
            return refuse_argument(program, fixup);
    }
    for (uint64_t g = f + 1; is_fixup_of(program, g, fixup->command); g++) {
        const rlx_fixup *other = &program->fixups[g];
        if (!is_range(other) || (!argument && other->kind == RLX_FIXUP_USE) || (!writes && other->access == RLX_READ))
            continue;
        if (slot_bytes(program, states, other->slot, &from, &to) && begin < to && from < end)
            return refuse_argument(program, other);
    }
    return RLX_OK;
}

/* Copies may overlap themselves, as memmove; dispatches may not. */
static rlx_status check_command(const rlx_program *program, const rlx_slot_state *states, uint32_t node) {
    const rlx_packet *packet = program->packets[node];
    if (packet->kind != RLX_PACKET_DISPATCH) return RLX_OK;
    uint32_t arguments_end = rlx_touches_of_arguments(program, (const rlx_packet_dispatch *)packet);
    rlx_status status = RLX_OK;
    for (uint64_t f = first_fixup(program, packet->index); !status && is_fixup_of(program, f, packet->index); f++)
        status = check_fixup(program, states, f, arguments_end);
    return status;
}

/* ---- Two regions ---- */

/* What a slot's range is being compared with. */
typedef struct search {
    const rlx_program *program;
    const rlx_slot_state *states;
    uint32_t place;      /* of the slot */
    uint64_t begin, end; /* words */
} search;

/* One region's accesses while two are gone through. */
typedef struct side {
    const uint32_t *accesses;
    uint32_t count, next;
    uint32_t readers; /* reads from this one to `next` have no writer behind them yet */
    uint32_t writer;  /* the last one, while the other side has none behind it */
} side;

#define NOBODY UINT32_MAX

static rlx_status must_follow(const search *s, uint32_t lower, uint32_t upper) {
    if (lower == upper) return check_command(s->program, s->states, lower);
    rlx_status status = find_path(s->program, lower, upper);
    if (status != RLX_ERROR_ALIAS) return status;
    const rlx_packet *first = s->program->packets[lower], *second = s->program->packets[upper];
    return rlx_fail(status,
                    "slot %u: with this range commands %u ('%s') and %u ('%s') overlap, which the recording leaves "
                    "unordered: give ranges that do not overlap, or record with the ranges themselves",
                    s->program->slots[s->place].number, first->index, first->label ? first->label : "", second->index,
                    second->label ? second->label : "");
}

/* The next access of `mine`, which comes after all of `other` that was gone through. */
static rlx_status follow(const search *s, side *mine, side *other) {
    uint32_t node = mine->accesses[mine->next] / 2;
    bool write = mine->accesses[mine->next++] & 1;
    if (other->writer != NOBODY) {
        rlx_status status = must_follow(s, other->writer, node);
        if (status) return status;
    }
    if (!write) return RLX_OK;
    for (; other->readers < other->next; other->readers++) {
        rlx_status status = must_follow(s, other->accesses[other->readers] / 2, node);
        if (status) return status;
    }
    mine->writer = node;
    mine->readers = mine->next;
    other->writer = NOBODY; /* what follows it, follows this one as well */
    return RLX_OK;
}

static rlx_status compare(const search *s, const uint32_t *a_accesses, uint32_t a_count, const uint32_t *b_accesses,
                          uint32_t b_count) {
    side a = { a_accesses, a_count, 0, 0, NOBODY }, b = { b_accesses, b_count, 0, 0, NOBODY };
    rlx_status status = RLX_OK;
    while (!status && (a.next < a.count || b.next < b.count)) {
        bool from_a = b.next == b.count || (a.next < a.count && a.accesses[a.next] <= b.accesses[b.next]);
        status = from_a ? follow(s, &a, &b) : follow(s, &b, &a);
    }
    return status;
}

static const uint32_t *slot_accesses(const rlx_program *program, uint32_t place) {
    return program->overlaps->accesses + program->slots[place].first_access;
}

/* All regions from `first` to end - 1 that the slot's range overlaps. Two that are only read may overlap. */
static rlx_status compare_regions(const search *s, uint32_t first, uint32_t end) {
    if (first == end) return RLX_OK;
    const rlx_overlaps *overlaps = s->program->overlaps;
    const rlx_slot_info *slot = &s->program->slots[s->place];
    uint32_t middle = first + (end - first) / 2;
    const region *r = &overlaps->regions[middle];
    if ((slot->written ? r->reach : r->reach_written) <= s->begin) return RLX_OK;
    rlx_status status = compare_regions(s, first, middle);
    if (status || r->begin >= s->end) return status;
    if (r->end > s->begin && (slot->written || r->written) && !(r->host && slot->kind == RLX_SLOT_HOST))
        status = compare(s, overlaps->accesses + r->first, r[1].first - r->first, slot_accesses(s->program, s->place),
                         slot->access_count);
    return status ? status : compare_regions(s, middle + 1, end);
}

/* ---- A run ---- */

/* Slots by where their ranges begin, for a sweep. */
typedef struct sweep {
    rlx_keyed *keyed, *sort;
    uint32_t *next_written; /* the first from this one on that is written */
    uint32_t count;
} sweep;

size_t rlx_overlaps_scratch(const rlx_program *program) {
    return program->overlaps ? program->slot_count * (2 * sizeof(rlx_keyed) + sizeof(uint32_t)) : 0;
}

static bool find_words(search *s, uint32_t place) {
    uint64_t begin, end;
    if (!slot_bytes(s->program, s->states, place, &begin, &end)) return false;
    s->place = place;
    s->begin = begin / 4;
    s->end = rlx_lie("slots-are-compared-by-a-word") ? s->begin + 1 : (end - 1) / 4 + 1;
    return true;
}

static rlx_status compare_slots(const search *s, uint32_t other) {
    const rlx_slot_info *a = &s->program->slots[s->place], *b = &s->program->slots[other];
    if (a->kind == RLX_SLOT_HOST && b->kind == RLX_SLOT_HOST) return RLX_OK; /* the graph orders these */
    return compare(s, slot_accesses(s->program, s->place), a->access_count, slot_accesses(s->program, other),
                   b->access_count);
}

/* Each slot with those that begin within its range. */
static rlx_status sweep_slots(search *s, const sweep *slots) {
    for (uint32_t i = 0; i < slots->count; i++) {
        (void)find_words(s, slots->keyed[i].item);
        bool written = s->program->slots[s->place].written;
        for (uint32_t j = i + 1;; j++) {
            if (!written && j < slots->count) j = slots->next_written[j];
            if (j >= slots->count || slots->keyed[j].key >= s->end) break;
            rlx_status status = compare_slots(s, slots->keyed[j].item);
            if (status) return status;
        }
    }
    return RLX_OK;
}

rlx_status rlx_overlaps_check(const rlx_program *program, const rlx_slot_state *states, void *scratch) {
    if (!program->overlaps || rlx_lie("slots-may-overlap")) return RLX_OK;
    search s = { .program = program, .states = states };
    sweep slots = { .keyed = scratch };
    slots.sort = slots.keyed + program->slot_count;
    slots.next_written = (uint32_t *)(slots.sort + program->slot_count);
    for (uint32_t place = 0; place < program->slot_count; place++) {
        if (!find_words(&s, place)) continue;
        rlx_status status = compare_regions(&s, 0, program->overlaps->region_count);
        if (status) return status;
        slots.keyed[slots.count++] = (rlx_keyed){ s.begin, place };
    }
    rlx_keyed_sort(slots.keyed, slots.sort, slots.count);
    for (uint32_t i = slots.count, written = slots.count; i-- > 0;) {
        if (program->slots[slots.keyed[i].item].written) written = i;
        slots.next_written[i] = written;
    }
    return sweep_slots(&s, &slots);
}
