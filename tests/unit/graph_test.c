/* The graph of a program against its definition, by brute force over random programs; and its size and time where a
 * plain last-writer-and-readers scheme would be quadratic. */
#include <core/graph.h>
#include <stdlib.h>

#include "tap.h"

/* ---- Lists of accesses ---- */

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % limit);
}

typedef struct list {
    rlx_interval *intervals;
    uint64_t count, room;
    uint32_t commands; /* the last one is being described */
} list;

static void list_clear(list *l) { l->count = l->commands = 0; }

static void add(list *l, uint64_t begin, uint64_t size, bool write, bool barrier) {
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->intervals = realloc(l->intervals, l->room * sizeof *l->intervals);
        if (!l->intervals) abort();
    }
    l->intervals[l->count++] = (rlx_interval){ begin, begin + size, l->commands - 1, write, barrier };
}

static void command(list *l) { l->commands++; }
static void reads(list *l, uint64_t begin, uint64_t size) { add(l, begin, size, false, false); }
static void writes(list *l, uint64_t begin, uint64_t size) { add(l, begin, size, true, false); }
static void command_reads(list *l, uint64_t begin, uint64_t size) { command(l), reads(l, begin, size); }
static void command_writes(list *l, uint64_t begin, uint64_t size) { command(l), writes(l, begin, size); }
static void command_barrier(list *l) { command(l), add(l, 0, 0, true, true); }

/* ---- The definition ---- */

#define SMALL 64 /* commands of a list that brute force can take: a row of bits each */

static bool conflict(const rlx_interval *a, const rlx_interval *b) {
    if (a->barrier || b->barrier) return false; /* dealt with by their commands */
    bool share = a->begin / 4 < (b->end + 3) / 4 && b->begin / 4 < (a->end + 3) / 4;
    return share && (a->write || b->write);
}

/* before[j] has bit i if command i has to come before j. */
static void define_order(const list *l, uint64_t before[SMALL]) {
    uint64_t barriers = 0;
    memset(before, 0, SMALL * sizeof *before);
    for (uint64_t i = 0; i < l->count; i++) {
        const rlx_interval *a = &l->intervals[i];
        if (a->barrier) barriers |= UINT64_C(1) << a->command;
        for (uint64_t j = i + 1; j < l->count; j++) {
            const rlx_interval *b = &l->intervals[j];
            if (a->command != b->command && conflict(a, b)) before[b->command] |= UINT64_C(1) << a->command;
        }
    }
    for (uint32_t j = 0; j < l->commands; j++) { /* also with commands that touch nothing */
        uint64_t earlier = (UINT64_C(1) << j) - 1;
        before[j] |= barriers >> j & 1 ? earlier : barriers & earlier;
    }
    for (uint32_t j = 0; j < l->commands; j++)
        for (uint32_t i = 0; i < j; i++)
            if (before[j] >> i & 1) before[j] |= before[i];
}

static void find_order(const rlx_nodes *nodes, uint64_t before[SMALL]) {
    uint64_t *reached =
        calloc(nodes->count + 1, sizeof *reached); /* commands before each node, itself not among them */
    if (!reached) abort();
    for (uint32_t i = 0; i < nodes->count; i++) {
        uint64_t with = reached[i];
        if (nodes->commands[i] != RLX_NODE_JOIN) {
            before[nodes->commands[i]] = reached[i];
            with |= UINT64_C(1) << nodes->commands[i];
        }
        for (uint64_t e = nodes->first[i]; e < nodes->first[i + 1]; e++) reached[nodes->successors[e]] |= with;
    }
    free(reached);
}

/* What must hold of any graph: commands in order, edges upwards and counted. */
static bool well_formed(const rlx_nodes *nodes, uint32_t commands) {
    uint32_t *unmet = calloc(nodes->count + 1, sizeof *unmet), next = 0;
    if (!unmet) abort();
    bool good = nodes->first[0] == 0;
    for (uint32_t i = 0; i < nodes->count; i++) {
        if (nodes->commands[i] != RLX_NODE_JOIN) good &= nodes->commands[i] == next++;
        else good &= nodes->unmet[i] > 1 && nodes->first[i] < nodes->first[i + 1];
        for (uint64_t e = nodes->first[i]; e < nodes->first[i + 1]; e++) {
            good &= nodes->successors[e] > i && nodes->successors[e] < nodes->count;
            good &= e == nodes->first[i] || nodes->successors[e] > nodes->successors[e - 1]; /* none twice */
            if (good) unmet[nodes->successors[e]]++;
        }
    }
    good &= next == commands && memcmp(unmet, nodes->unmet, nodes->count * sizeof *unmet) == 0;
    free(unmet);
    return good;
}

static uint64_t longest_path(const uint64_t before[SMALL], uint32_t commands) {
    uint64_t depth[SMALL], most = 0;
    for (uint32_t j = 0; j < commands; j++) {
        depth[j] = 1;
        for (uint32_t i = 0; i < j; i++)
            if ((before[j] >> i & 1) && depth[i] >= depth[j]) depth[j] = depth[i] + 1;
        if (depth[j] > most) most = depth[j];
    }
    return most;
}

static bool equals_definition(const list *l) {
    rlx_nodes nodes;
    uint64_t defined[SMALL], found[SMALL] = { 0 };
    if (!CHECK_INT(rlx_nodes_build(l->intervals, l->count, l->commands, &nodes), RLX_OK)) return false;
    define_order(l, defined);
    bool good = CHECK(well_formed(&nodes, l->commands));
    if (good) find_order(&nodes, found);
    for (uint32_t i = 0; good && i < l->commands; i++) good = CHECK_UINT(found[i], defined[i]);
    good = good && CHECK_UINT(nodes.depth, longest_path(defined, l->commands));
    rlx_nodes_free(&nodes);
    return good;
}

/* ---- Small lists ---- */

static void the_order_is_that_of_conflicts_in_random_programs(void) {
    list l = { 0 };
    for (uint32_t round = 0; round < 30000 / TAP_LESS; round++) {
        uint64_t start = seed;
        uint32_t commands = 1 + random_below(SMALL), space = 1 + random_below(1 + random_below(200));
        uint32_t longest = 1 + random_below(space), most = 1 + random_below(4), of_ten = random_below(11);
        uint32_t barriers = random_below(3) ? 0 : 10;
        list_clear(&l);
        for (uint32_t c = 0; c < commands; c++) {
            if (barriers && random_below(barriers) == 0) {
                command_barrier(&l);
                continue;
            }
            command(&l);
            for (uint32_t a = random_below(20) ? 1 + random_below(most) : 0; a; a--)
                add(&l, random_below(space), 1 + random_below(longest), random_below(10) < of_ten, false);
        }
        if (!equals_definition(&l)) {
            printf("# round %u, seed %" PRIu64 "\n", round, start);
            break;
        }
    }
    free(l.intervals);
}

/* Sets are shared most where ranges nest and overlap, and joins follow from sharing. */
static void the_order_is_that_of_conflicts_where_ranges_nest(void) {
    list l = { 0 };
    for (uint32_t round = 0; round < 30000 / TAP_LESS; round++) {
        uint64_t start = seed;
        uint32_t of_ten = 1 + random_below(8);
        list_clear(&l);
        for (uint32_t c = 0; c < SMALL; c++) {
            uint32_t level = random_below(6), size = 4u << level, at = random_below(32 >> level) * size;
            if (random_below(40) == 0) command_barrier(&l);
            else if (random_below(10) < of_ten) command_writes(&l, at, size);
            else command_reads(&l, at, size);
            if (random_below(3) == 0 && !l.intervals[l.count - 1].barrier)
                reads(&l, random_below(128), 1 + random_below(64));
        }
        if (!equals_definition(&l)) {
            printf("# round %u, seed %" PRIu64 "\n", round, start);
            break;
        }
    }
    free(l.intervals);
}

/* True if there is a path from command a to b. */
static bool ordered(const list *l, uint32_t a, uint32_t b) {
    rlx_nodes nodes;
    uint64_t found[SMALL] = { 0 };
    if (!CHECK_INT(rlx_nodes_build(l->intervals, l->count, l->commands, &nodes), RLX_OK)) return false;
    find_order(&nodes, found);
    rlx_nodes_free(&nodes);
    return found[b] >> a & 1;
}

static void bytes_of_one_word_conflict_and_those_of_two_do_not(void) {
    list l = { 0 };
    command_writes(&l, 0, 1);
    command_writes(&l, 3, 1);
    command_writes(&l, 4, 1);
    CHECK(ordered(&l, 0, 1));
    CHECK(!ordered(&l, 0, 2));
    CHECK(!ordered(&l, 1, 2));
    free(l.intervals);
}

static void ranges_may_lie_anywhere_in_64_bits(void) {
    list l = { 0 };
    command_writes(&l, UINT64_MAX - 8, 8);
    command_reads(&l, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1);
    command_writes(&l, 0, UINT64_C(1) << 63);
    CHECK(ordered(&l, 0, 1));
    CHECK(!ordered(&l, 0, 2));
    CHECK(!ordered(&l, 1, 2));
    free(l.intervals);
}

static void a_program_of_no_commands_has_a_graph_of_no_nodes(void) {
    rlx_nodes nodes;
    if (!CHECK_INT(rlx_nodes_build(NULL, 0, 0, &nodes), RLX_OK)) return;
    CHECK_UINT(nodes.count, 0);
    CHECK_UINT(nodes.depth, 0);
    CHECK_UINT(nodes.first[0], 0);
    rlx_nodes_free(&nodes);
}

static void a_chain_needs_one_edge_a_command(void) {
    list l = { 0 };
    rlx_nodes nodes;
    for (int i = 0; i < 50; i++) command(&l), reads(&l, 0, 64), writes(&l, 0, 64);
    if (!CHECK_INT(rlx_nodes_build(l.intervals, l.count, l.commands, &nodes), RLX_OK)) return;
    CHECK_UINT(nodes.count, 50);
    CHECK_UINT(nodes.first[nodes.count], 49);
    CHECK_UINT(nodes.depth, 50);
    rlx_nodes_free(&nodes);
    free(l.intervals);
}

static void readers_before_one_writer_need_no_join(void) {
    list l = { 0 };
    rlx_nodes nodes;
    command_writes(&l, 0, 64);
    for (int i = 0; i < 20; i++) command_reads(&l, 0, 64);
    command_writes(&l, 0, 64);
    if (!CHECK_INT(rlx_nodes_build(l.intervals, l.count, l.commands, &nodes), RLX_OK)) return;
    CHECK_UINT(nodes.count, 22);
    CHECK_UINT(nodes.first[nodes.count], 40);
    CHECK_UINT(nodes.depth, 3);
    rlx_nodes_free(&nodes);
    free(l.intervals);
}

static void a_barrier_is_tied_to_loose_ends_only(void) {
    list l = { 0 };
    rlx_nodes nodes;
    for (int i = 0; i < 10; i++) command_writes(&l, 64, 4);
    for (int i = 0; i < 10; i++) command_writes(&l, 128, 4);
    command_barrier(&l);
    for (int i = 0; i < 10; i++) command_writes(&l, 64, 4);
    if (!CHECK_INT(rlx_nodes_build(l.intervals, l.count, l.commands, &nodes), RLX_OK)) return;
    CHECK_UINT(nodes.count, 31);
    CHECK_UINT(nodes.unmet[20], 2);
    CHECK_UINT(nodes.first[nodes.count], 9 + 9 + 2 + 1 + 9);
    CHECK_UINT(nodes.depth, 21);
    rlx_nodes_free(&nodes);
    free(l.intervals);
}

/* ---- Large lists ---- */

/* Builds, says how long it took, and holds the size against a bound. */
static void measure(const char *what, const list *l, double edges_a_command) {
    rlx_nodes nodes;
    uint64_t before = rlx_clock_ns();
    if (!CHECK_INT(rlx_nodes_build(l->intervals, l->count, l->commands, &nodes), RLX_OK)) return;
    uint64_t after = rlx_clock_ns();
    uint64_t edges = nodes.first[nodes.count];
    printf("# %s: %u commands, %" PRIu64 " accesses: %u joins, %.2f edges a command, %" PRIu64 " ms\n", what,
           l->commands, l->count, nodes.count - l->commands, (double)edges / l->commands, (after - before) / 1000000);
    CHECK((double)edges <= edges_a_command * l->commands);
    CHECK((double)nodes.count <= edges_a_command * l->commands);
    CHECK(well_formed(&nodes, l->commands));
    rlx_nodes_free(&nodes);
}

enum { MANY = 100000 / TAP_LESS };

static void readers_before_writers_of_parts_stay_linear(void) {
    list l = { 0 };
    for (uint32_t i = 0; i < MANY / 2; i++) command_reads(&l, 0, 2 * MANY);
    for (uint32_t i = 0; i < MANY / 2; i++) command_writes(&l, 4 * i, 4);
    measure("readers of all, then writers of parts", &l, 2);
    free(l.intervals);
}

static void writers_of_parts_before_readers_stay_linear(void) {
    list l = { 0 };
    for (uint32_t i = 0; i < MANY / 2; i++) command_writes(&l, 4 * i, 4);
    for (uint32_t i = 0; i < MANY / 2; i++) command_reads(&l, 0, 2 * MANY);
    for (uint32_t i = 0; i < MANY / 2; i++) command_writes(&l, 4 * i, 4);
    measure("writers of parts, readers of all, writers of parts", &l, 3);
    free(l.intervals);
}

static void staircases_stay_below_n_log_n(void) {
    list l = { 0 };
    for (uint32_t i = 0; i < MANY / 2; i++) command_reads(&l, 0, 4 * (1 + i));
    for (uint32_t i = 0; i < MANY / 2; i++) command_writes(&l, 4 * i, 4);
    measure("stairs up", &l, 17);
    list_clear(&l);
    for (uint32_t i = 0; i < MANY / 2; i++) command_reads(&l, 0, 4 * (MANY / 2 - i));
    for (uint32_t i = MANY / 2; i-- > 0;) command_writes(&l, 4 * i, 4);
    measure("stairs down", &l, 17);
    free(l.intervals);
}

static void a_writer_of_a_part_after_each_reader_of_all_stays_below_n_log_n(void) {
    list l = { 0 };
    for (uint32_t i = 0; i < MANY / 2; i++) {
        command_writes(&l, 4 * random_below(MANY), 4);
        command_reads(&l, 0, 4 * MANY);
    }
    measure("writer of a part, reader of all, and again", &l, 3 * 17);
    free(l.intervals);
}

static void random_ranges_stay_below_n_log_n(void) {
    list l = { 0 };
    for (uint32_t of_ten = 1; of_ten < 10; of_ten += 4) {
        list_clear(&l);
        for (uint32_t i = 0; i < MANY; i++) {
            command(&l);
            uint32_t at = random_below(4 * MANY);
            add(&l, at, 1 + random_below(4 * MANY - at), random_below(10) < of_ten, false);
        }
        measure("random ranges", &l, 2 * 17);
        list_clear(&l);
        for (uint32_t i = 0; i < MANY; i++) {
            command(&l);
            for (uint32_t a = 0; a < 3; a++)
                add(&l, random_below(4 * MANY), 1 + random_below(200), random_below(10) < of_ten, false);
        }
        measure("random short ranges", &l, 2 * 17);
    }
    free(l.intervals);
}

static void readers_of_random_ranges_before_writers_stay_below_n_log_n(void) {
    list l = { 0 };
    for (uint32_t i = 0; i < MANY / 2; i++) {
        uint32_t at = random_below(4 * MANY);
        command_reads(&l, at, 1 + random_below(4 * MANY - at));
    }
    for (uint32_t i = 0; i < MANY / 2; i++) command_writes(&l, random_below(4 * MANY), 4);
    measure("readers of random ranges, then writers", &l, 2 * 17);
    free(l.intervals);
}

static void slots_of_an_arena_take_few_edges(void) {
    list l = { 0 };
    for (uint32_t i = 0; i < MANY; i++) { /* two inputs, an output, of 4096 slots with nine sizes */
        command(&l);
        for (uint32_t a = 0; a < 3; a++) add(&l, 4096 * random_below(4096), 4096u << random_below(3), a == 2, false);
    }
    measure("slots of an arena", &l, 12);
    free(l.intervals);
}

static void a_barrier_between_many_commands_stays_linear(void) {
    list l = { 0 };
    for (uint32_t i = 0; i < MANY; i++) {
        if (i % 10 == 9) command_barrier(&l);
        else command_reads(&l, 0, 4), writes(&l, 64 + 4 * i, 4);
    }
    measure("barriers", &l, 2);
    free(l.intervals);
}

static void a_million_commands(void) {
    list l = { 0 };
    for (uint32_t i = 0; i < (1 << 20) / TAP_LESS; i++) { /* layers of 16: weights, the layer before, its own output */
        uint32_t layer = i / 16, lane = i % 16;
        command(&l);
        reads(&l, (UINT64_C(1) << 40) + 65536 * (i % 5000), 65536);
        reads(&l, 4096 * (64 * ((layer + 1) % 2) + (lane + 1) % 16), 4096);
        writes(&l, 4096 * (64 * (layer % 2) + lane), 4096);
    }
    measure("layers of sixteen", &l, 4);
    list_clear(&l);
    for (uint32_t i = 0; i < (1 << 20) / TAP_LESS; i++) { /* each reads what the one before wrote */
        command_reads(&l, 256 * (uint64_t)i, 256);
        writes(&l, 256 * (uint64_t)(i + 1), 256);
        reads(&l, (UINT64_C(1) << 50) + 256 * (uint64_t)i, 256);
    }
    measure("a chain through fresh memory", &l, 1);
    free(l.intervals);
}

/* ---- Ranks ---- */

static void sorting_keeps_the_order_of_equal_keys(void) {
    enum { MOST = 2000 };
    static rlx_keyed keyed[MOST], scratch[MOST];
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t count = random_below(MOST), keys = 1 + random_below(500), shift = random_below(55);
        for (uint32_t i = 0; i < count; i++) keyed[i] = (rlx_keyed){ (uint64_t)random_below(keys) << shift, i };
        rlx_keyed_sort(keyed, scratch, count);
        bool good = true;
        for (uint32_t i = 1; i < count; i++)
            good &= keyed[i - 1].key < keyed[i].key ||
                    (keyed[i - 1].key == keyed[i].key && keyed[i - 1].item < keyed[i].item);
        if (!CHECK(good)) break;
    }
}

static void leaves_are_what_ranges_share_and_parts_what_ties_them(void) {
    list l = { 0 };
    rlx_leaves leaves;
    command_writes(&l, 100, 20); /* words 25 to 30 */
    command_reads(&l, 112, 16);  /* 28 to 32 */
    command_barrier(&l);
    command_reads(&l, 128, 4); /* 32 to 33: a neighbour */
    command_writes(&l, 4, 4);  /* elsewhere */
    if (!CHECK_INT(rlx_leaves_find(l.intervals, l.count, &leaves), RLX_OK)) return;
    static const uint32_t spans[] = { 1, 3, 2, 4, 0, 0, 4, 5, 0, 1 }, parts[] = { 0, 1, 1, 1, 2 };
    CHECK_UINT(leaves.count, 5);
    CHECK_UINT(leaves.parts, 3);
    CHECK(memcmp(leaves.spans, spans, sizeof spans) == 0);
    CHECK(memcmp(leaves.part, parts, sizeof parts) == 0);
    CHECK_UINT(leaves.start[1], 1);
    CHECK_UINT(leaves.start[2], 4);
    CHECK_UINT(leaves.start[3], 5);
    rlx_leaves_free(&leaves);
    free(l.intervals);
}

static const tap_test tests[] = {
    TAP(a_program_of_no_commands_has_a_graph_of_no_nodes),
    TAP(bytes_of_one_word_conflict_and_those_of_two_do_not),
    TAP(ranges_may_lie_anywhere_in_64_bits),
    TAP(a_chain_needs_one_edge_a_command),
    TAP(readers_before_one_writer_need_no_join),
    TAP(a_barrier_is_tied_to_loose_ends_only),
    TAP(the_order_is_that_of_conflicts_in_random_programs),
    TAP(the_order_is_that_of_conflicts_where_ranges_nest),
    TAP(readers_before_writers_of_parts_stay_linear),
    TAP(writers_of_parts_before_readers_stay_linear),
    TAP(staircases_stay_below_n_log_n),
    TAP(a_writer_of_a_part_after_each_reader_of_all_stays_below_n_log_n),
    TAP(random_ranges_stay_below_n_log_n),
    TAP(readers_of_random_ranges_before_writers_stay_below_n_log_n),
    TAP(slots_of_an_arena_take_few_edges),
    TAP(a_barrier_between_many_commands_stays_linear),
    TAP(a_million_commands),
    TAP(sorting_keeps_the_order_of_equal_keys),
    TAP(leaves_are_what_ranges_share_and_parts_what_ties_them),
};

TAP_MAIN(tests)
