/* From addresses to small numbers. The graph's trees need to know which intervals touch the same words, not where those
 * words are; so every end of an interval is replaced by its rank among all of them (coordinate compression, as in
 * sweep-line algorithms).
 *
 * Programs use few ends many times: a tensor is written once and read often. So ends go through a hash table first, and
 * only the different ones are sorted, by radix: n ends, m of them different, cost O(n + m). */
#include <string.h>

#include "graph.h"

/* ---- Sorting ---- */

static void insertion_sort(rlx_keyed *keyed, size_t count) {
    for (size_t i = 1; i < count; i++) {
        rlx_keyed moving = keyed[i];
        size_t at = i;
        for (; at > 0 && keyed[at - 1].key > moving.key; at--) keyed[at] = keyed[at - 1];
        keyed[at] = moving;
    }
}

/* One byte of the key, lowest first, keeps what the bytes below have put in order. */
static void radix_pass(const rlx_keyed *from, rlx_keyed *to, size_t count, uint32_t shift) {
    size_t at[256] = { 0 }, sum = 0;
    for (size_t i = 0; i < count; i++) at[from[i].key >> shift & 255]++;
    for (size_t i = 0; i < 256; i++) {
        size_t here = at[i];
        at[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) to[at[from[i].key >> shift & 255]++] = from[i];
}

void rlx_keyed_sort(rlx_keyed *keyed, rlx_keyed *scratch, size_t count) {
    if (count <= 32) {
        insertion_sort(keyed, count);
        return;
    }
    uint64_t differ = 0; /* bits in which some key differs from the first */
    for (size_t i = 1; i < count; i++) differ |= keyed[i].key ^ keyed[0].key;
    rlx_keyed *from = keyed, *to = scratch;
    for (uint32_t shift = 0; shift < 64; shift += 8) {
        if (!(differ >> shift & 255)) continue;
        radix_pass(from, to, count, shift);
        rlx_keyed *swap = from;
        from = to;
        to = swap;
    }
    if (from != keyed) memcpy(keyed, from, count * sizeof *keyed);
}

/* ---- The different ends ---- */

/* Open addressing over the ends in the order in which they were met. */
typedef struct end_table {
    rlx_keyed *ends; /* item: the end's own number */
    uint32_t *slots; /* number + 1, 0 for a free one */
    uint32_t count, room;
    uint32_t mask;
} end_table;

static uint32_t hash(uint64_t key) {
    key *= UINT64_C(0x9e3779b97f4a7c15); /* 2^64 over the golden ratio: Knuth, TAOCP 3, 6.4 */
    key ^= key >> 32;
    key *= UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(key >> 32);
}

/* The slot of a key: its own or the free one where it belongs. */
static uint32_t *table_slot(const end_table *table, uint64_t key) {
    uint32_t at = hash(key) & table->mask;
    while (table->slots[at] && table->ends[table->slots[at] - 1].key != key) at = (at + 1) & table->mask;
    return &table->slots[at];
}

/* Twice the room, at most half of the slots taken. */
static bool table_grow(end_table *table) {
    if (table->room >= UINT32_C(1) << 30) return false;
    uint32_t room = table->room ? table->room * 2 : 256;
    rlx_keyed *ends = rlx_reallocate(table->ends, room * sizeof *ends);
    if (!ends) return false;
    table->ends = ends;
    uint32_t *slots = rlx_allocate((size_t)room * 2 * sizeof *slots);
    if (!slots) return false;
    rlx_free(table->slots);
    table->slots = slots;
    table->room = room;
    table->mask = room * 2 - 1;
    for (uint32_t i = 0; i < table->count; i++) *table_slot(table, table->ends[i].key) = i + 1;
    return true;
}

static bool table_number(end_table *table, uint64_t key, uint32_t *number) {
    if (table->count == table->room && !table_grow(table)) return false;
    uint32_t *slot = table_slot(table, key);
    if (!*slot) {
        table->ends[table->count] = (rlx_keyed){ key, table->count };
        *slot = ++table->count;
    }
    *number = *slot - 1;
    return true;
}

/* Numbers the ends of all intervals, in words. `spans` receives the numbers. */
static bool number_ends(const rlx_interval *intervals, uint64_t count, end_table *table, uint32_t *spans) {
    const uint64_t word = rlx_lie("words-are-not-rounded") ? 1 : 4;
    const uint64_t short_by = rlx_lie("the-last-word-is-left-out");
    for (uint64_t i = 0; i < count; i++) {
        const rlx_interval *interval = &intervals[i];
        if (interval->barrier) continue;
        uint64_t first = interval->begin / word, end = (interval->end - 1) / word + 1;
        if (end - first > short_by) end -= short_by;
        if (!table_number(table, first, &spans[2 * i]) || !table_number(table, end, &spans[2 * i + 1])) return false;
    }
    return true;
}

/* Turns the numbers of ends into their ranks. */
static bool rank_ends(const rlx_interval *intervals, uint64_t count, end_table *table, uint32_t *spans) {
    rlx_free(table->slots); /* make room for the sort's scratch first */
    table->slots = NULL;
    size_t size = table->count ? table->count : 1;
    rlx_keyed *scratch = rlx_allocate(size * sizeof *scratch);
    uint32_t *rank = rlx_allocate(size * sizeof *rank);
    bool done = scratch && rank;
    if (done) {
        rlx_keyed_sort(table->ends, scratch, table->count);
        for (uint32_t i = 0; i < table->count; i++) rank[table->ends[i].item] = i;
        for (uint64_t i = 0; i < count; i++) {
            if (intervals[i].barrier) continue;
            spans[2 * i] = rank[spans[2 * i]];
            spans[2 * i + 1] = rank[spans[2 * i + 1]];
        }
    }
    rlx_free(rank);
    rlx_free(scratch);
    return done;
}

/* ---- Leaves and parts ---- */

/* Between two neighbouring ends lies a piece. Those that are covered become leaves; a part ends where no interval goes
 * on. `open` and `shut` count the intervals that begin and end at each rank. */
static void number_leaves(rlx_leaves *leaves, uint32_t ends, const uint32_t *open, const uint32_t *shut,
                          uint32_t *leaf_of) {
    uint32_t covering = 0, leaf = 0, parts = 0;
    for (uint32_t i = 0; i < ends; i++) {
        covering -= shut[i];
        bool tied = covering > 0;
        covering += open[i];
        leaf_of[i] = leaf;
        if (!covering) continue;
        if (!tied) leaves->start[parts++] = leaf;
        leaves->part[leaf++] = parts - 1;
    }
    leaves->start[parts] = leaf;
    leaves->count = leaf;
    leaves->parts = parts;
}

static bool cut(const rlx_interval *intervals, uint64_t count, uint32_t ends, rlx_leaves *leaves) {
    uint32_t *open = rlx_allocate((size_t)ends * sizeof *open), *shut = rlx_allocate((size_t)ends * sizeof *shut);
    uint32_t *leaf_of = rlx_allocate((size_t)ends * sizeof *leaf_of);
    leaves->part = rlx_allocate((size_t)ends * sizeof *leaves->part);
    leaves->start = rlx_allocate(((size_t)ends + 1) * sizeof *leaves->start);
    bool done = open && shut && leaf_of && leaves->part && leaves->start;
    if (done) {
        uint32_t *spans = leaves->spans;
        for (uint64_t i = 0; i < count; i++) {
            if (intervals[i].barrier) continue;
            open[spans[2 * i]]++;
            shut[spans[2 * i + 1]]++;
        }
        number_leaves(leaves, ends, open, shut, leaf_of);
        for (uint64_t i = 0; i < count; i++) {
            if (intervals[i].barrier) continue;
            uint32_t pieces = spans[2 * i + 1] - spans[2 * i];
            spans[2 * i] = leaf_of[spans[2 * i]];
            spans[2 * i + 1] = spans[2 * i] + pieces; /* all pieces of an interval are covered: by it */
        }
    }
    rlx_free(leaf_of);
    rlx_free(shut);
    rlx_free(open);
    return done;
}

rlx_status rlx_leaves_find(const rlx_interval *intervals, uint64_t count, rlx_leaves *leaves) {
    end_table table = { 0 };
    *leaves = (rlx_leaves){ 0 };
    if (count > UINT32_MAX / 2)
        return rlx_fail(RLX_ERROR_LIMIT, "a program of more than 2^31 accesses: record several");
    leaves->spans = rlx_allocate((size_t)count * 2 * sizeof *leaves->spans);
    bool done = leaves->spans && number_ends(intervals, count, &table, leaves->spans) &&
                rank_ends(intervals, count, &table, leaves->spans);
    rlx_free(table.slots);
    rlx_free(table.ends);
    if (done && cut(intervals, count, table.count, leaves)) return RLX_OK;
    rlx_leaves_free(leaves);
    return rlx_fail_memory("a program's graph");
}

void rlx_leaves_free(rlx_leaves *leaves) {
    rlx_free(leaves->spans);
    rlx_free(leaves->part);
    rlx_free(leaves->start);
    *leaves = (rlx_leaves){ 0 };
}
