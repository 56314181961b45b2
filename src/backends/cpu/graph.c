/* Programs, built: from the core's graph of nodes to segments that a worker can run through without a word to anyone.
 *
 *     nodes  0 - 1 - 2 - 5        segments  A: 0 1 2    C: 5 6
 *                  /                        B: 3 4      (A and B can overlap; C waits for both)
 *            3 - 4 - - - 6
 *
 * A node continues its predecessor's segment if neither has any other neighbour on that side. The core's edges say what
 * must be waited for, but not in the fewest words: where i -> j -> k there is often i -> k as well, which would end a
 * segment for nothing. So edges that two others imply are left out first. That search is bounded for each node: an edge
 * too many costs a little time, never correctness.
 *
 * A graph in which every node follows the one before, and any graph on a device with one worker, is a chain. Nothing is
 * built for it: it runs as a plain loop. */
#include "cpu.h"

#include <string.h>

#define STEPS_PER_NODE 256 /* of the search for implied edges */

/* Everything that building needs beside the program itself; arrays of `count` or one more. */
typedef struct build {
    const rlx_graph *graph;
    uint32_t count;
    uint64_t edges;
    uint64_t *first;   /* where a node's predecessors begin */
    uint32_t *from;    /* predecessors; those that are kept come first */
    uint32_t *kept;    /* how many these are */
    uint32_t *leaving; /* kept edges from a node */
    uint32_t *mark;    /* node + 1 for which this one has been marked as a predecessor */
    uint32_t *segment; /* of a node */
} build;

static bool is_chain(const rlx_graph *graph) {
    for (uint32_t i = 0; i + 1 < graph->count; i++) {
        bool follows = false;
        for (uint64_t e = graph->first[i]; e < graph->first[i + 1] && !follows; e++)
            follows = graph->successors[e] == i + 1;
        if (!follows) return false;
    }
    return true;
}

/* ---- Predecessors ---- */

static void *take(size_t count, size_t size) { return rlx_cpu_host->allocate((count ? count : 1) * size); }

static void give(void *memory) {
    if (memory) rlx_cpu_host->release(memory);
}

static bool build_open(build *b, const rlx_graph *graph) {
    *b = (build){ .graph = graph, .count = graph->count, .edges = graph->first[graph->count] };
    b->first = take((size_t)b->count + 1, sizeof *b->first);
    b->from = take((size_t)b->edges, sizeof *b->from);
    b->kept = take(b->count, sizeof *b->kept);
    b->leaving = take(b->count, sizeof *b->leaving);
    b->mark = take(b->count, sizeof *b->mark);
    b->segment = take(b->count, sizeof *b->segment);
    return b->first && b->from && b->kept && b->leaving && b->mark && b->segment;
}

static void build_close(build *b) {
    give(b->first);
    give(b->from);
    give(b->kept);
    give(b->leaving);
    give(b->mark);
    give(b->segment);
}

static void find_predecessors(build *b) {
    const rlx_graph *graph = b->graph;
    for (uint32_t i = 0; i < b->count; i++) b->first[i + 1] = b->first[i] + graph->unmet[i];
    for (uint32_t i = 0; i < b->count; i++)
        for (uint64_t e = graph->first[i]; e < graph->first[i + 1]; e++) {
            uint32_t to = graph->successors[e];
            b->from[b->first[to] + b->kept[to]++] = i;
        }
}

/* Moves the predecessors of `node` that lead to another of its predecessors behind those that are kept. */
static void drop_implied(build *b, uint32_t node) {
    uint32_t *from = b->from + b->first[node], count = b->kept[node], steps = 0;
    if (count < 2) return;
    for (uint32_t i = 0; i < count; i++) b->mark[from[i]] = node + 1;
    for (uint32_t i = 0; i < count && steps < STEPS_PER_NODE; i++) {
        uint32_t via = from[i];
        for (uint64_t e = b->first[via]; e < b->first[via + 1] && steps < STEPS_PER_NODE; e++, steps++)
            b->mark[b->from[e]] = 0; /* a predecessor of a predecessor: if it was marked, it is implied */
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = from[i];
        if (b->mark[at] != node + 1) continue;
        from[i] = from[kept];
        from[kept++] = at;
    }
    b->kept[node] = kept;
}

/* ---- Segments ---- */

static uint32_t cut_segments(build *b) {
    uint32_t segments = 0;
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t k = 0; k < b->kept[i]; k++) b->leaving[b->from[b->first[i] + k]]++;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t before = b->kept[i] == 1 ? b->from[b->first[i]] : i;
        b->segment[i] = before != i && b->leaving[before] == 1 ? b->segment[before] : segments++;
    }
    return segments;
}

static bool program_allocate(rlx_cpu_program *program, const build *b, uint64_t edges) {
    program->nodes = take(b->count, sizeof *program->nodes);
    program->start = take((size_t)program->count + 1, sizeof *program->start);
    program->predecessors = take(program->count, sizeof *program->predecessors);
    program->first = take((size_t)program->count + 1, sizeof *program->first);
    program->successors = take((size_t)edges, sizeof *program->successors);
    program->unmet = take(program->count, sizeof *program->unmet);
    program->cost_ns = take(program->count, sizeof *program->cost_ns);
    program->rank_ns = take(program->count, sizeof *program->rank_ns);
    program->ready = take(program->count, sizeof *program->ready);
    return program->nodes && program->start && program->predecessors && program->first && program->successors &&
           program->unmet && program->cost_ns && program->rank_ns && program->ready;
}

/* Sorts nodes into their segments, in order. */
static void fill_nodes(rlx_cpu_program *program, const build *b) {
    uint32_t *start = program->start;
    for (uint32_t i = 0; i < b->count; i++) start[b->segment[i] + 1]++;
    for (uint32_t s = 0; s < program->count; s++) start[s + 1] += start[s];
    for (uint32_t i = 0; i < b->count; i++) program->nodes[start[b->segment[i]]++] = i;
    memmove(start + 1, start, program->count * sizeof *start); /* each has become the next one's */
    start[0] = 0;
}

/* Edges between segments: those that enter a segment's first node. */
static void fill_edges(rlx_cpu_program *program, const build *b) {
    uint32_t *first = program->first;
    for (uint32_t s = 0; s < program->count; s++) {
        uint32_t head = program->nodes[program->start[s]];
        program->predecessors[s] = b->kept[head];
        for (uint32_t k = 0; k < b->kept[head]; k++) first[b->segment[b->from[b->first[head] + k]] + 1]++;
    }
    for (uint32_t s = 0; s < program->count; s++) first[s + 1] += first[s];
    for (uint32_t s = 0; s < program->count; s++) {
        uint32_t head = program->nodes[program->start[s]];
        for (uint32_t k = 0; k < b->kept[head]; k++)
            program->successors[first[b->segment[b->from[b->first[head] + k]]]++] = s;
    }
    memmove(first + 1, first, program->count * sizeof *first);
    first[0] = 0;
}

/* Until a run has been timed: a microsecond a command. */
static void guess_costs(rlx_cpu_program *program) {
    for (uint32_t s = 0; s < program->count; s++)
        for (uint32_t i = program->start[s]; i < program->start[s + 1]; i++)
            program->cost_ns[s] += program->graph->packets[program->nodes[i]]->kind == RLX_PACKET_JOIN ? 0 : 1000;
}

static bool build_segments(rlx_cpu_program *program) {
    build b;
    bool built = build_open(&b, program->graph);
    if (!built) goto done;
    find_predecessors(&b);
    for (uint32_t i = 0; i < b.count; i++) drop_implied(&b, i);
    program->count = cut_segments(&b);
    uint64_t edges = 0;
    for (uint32_t i = 0; i < b.count; i++) edges += b.kept[i];
    program->chain = program->count == 1 || edges > UINT32_MAX; /* so many: no use, and no room */
    if (program->chain) goto done;
    built = program_allocate(program, &b, edges);
    if (!built) goto done;
    fill_nodes(program, &b);
    fill_edges(program, &b);
    guess_costs(program);
    program->parallel = rlx_cpu_program_rank(program);
done:
    build_close(&b);
    return built;
}

/* ---- The table's functions ---- */

rlx_status rlx_cpu_program_create(void *handle, const rlx_graph *graph, void **result) {
    rlx_cpu_device *device = handle;
    rlx_cpu_program *program = rlx_cpu_host->allocate(sizeof *program);
    if (!program) goto fail;
    program->graph = graph;
    program->pool = device->pool;
    program->chain = !device->pool || device->pool->workers == 1 || is_chain(graph);
    if (!program->chain && !build_segments(program)) goto fail;
    *result = program;
    return RLX_OK;

fail:
    if (program) rlx_cpu_program_destroy(device, program);
    return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of host memory for a program of %u commands", graph->count);
}

void rlx_cpu_program_destroy(void *device, void *handle) {
    (void)device;
    rlx_cpu_program *program = handle;
    give(program->nodes);
    give(program->start);
    give(program->predecessors);
    give(program->first);
    give(program->successors);
    give((void *)program->unmet);
    give(program->cost_ns);
    give(program->rank_ns);
    give(program->ready);
    rlx_cpu_host->release(program);
}
