/* Programs, run: as a plain loop, or segment by segment on several workers.
 *
 * A chain is a plain loop over its packets, and so is a graph whose segments are too short for the gain to pay. Runs
 * tell which of the two a graph is: the first ones, and now and then one later, measure each segment, and the sum of
 * all and the longest way through say whether overlapping can pay. If it can, both ways are tried, and the quicker one
 * stays: what it costs to hand segments over, in caches above all, nobody can foretell.
 *
 * Segment by segment: a worker that ends a segment counts down those that wait for it, and goes on with one that has
 * become ready, without a lock; the others go into a heap, the one with the longest way to the end on top, from which
 * members of the run take when they have nothing. A helper joins while the heap holds something, and leaves when it is
 * empty: nobody waits. The run is over when no segment is left and the last member leaves, and that worker goes on with
 * the stream.
 *
 * FAILURES are those of the order of recording. Nodes behind one that failed are not run; nodes before it still are,
 * and if one of them fails too, that is the failure: the same one whatever the threads did. */
#include "cpu.h"

#include <string.h>

#define TRIED_EVERY 64      /* runs: see choose */
#define SEGMENT_NS 100      /* what handing a segment over costs */
#define GAIN_LEAST_NS 10000 /* what overlapping must gain, beside a fifth of the work: costs are guesses */
#define ORDERED_MOST 4096   /* segments */
#define NO_SEGMENT UINT32_MAX

/* ---- The plain loop ---- */

/* Half old, half new, and never 0, which stands for not known. */
static void remember_run(const rlx_cpu_program *program, uint64_t *kept) {
    uint64_t ns = rlx_platform_clock_ns() - program->begun_ns;
    *kept = (*kept ? (*kept + ns) / 2 : ns) | 1;
}

rlx_cpu_step rlx_cpu_program_loop(rlx_cpu_worker *worker, rlx_cpu_stream *stream, rlx_fault *fault) {
    rlx_cpu_program *program = stream->program;
    const rlx_graph *graph = program->graph;
    const rlx_cpu_strand strand = { .stream = stream };
    rlx_cpu_step step = rlx_cpu_commands(worker, graph->packets, graph->count, &stream->node, &strand, fault);
    if (step == RLX_CPU_AWAY) return step; /* the stream is somebody else's now */
    if (step == RLX_CPU_FAILED) rlx_cpu_fault_within(fault, stream->at);
    else if (program->tried) remember_run(program, &program->loop_ns);
    stream->program = NULL;
    return step;
}

void rlx_cpu_fault_within(rlx_fault *fault, const rlx_packet *run) {
    fault->inner = fault->first;
    fault->first = fault->last = run;
}

/* ---- What is known of a graph ---- */

bool rlx_cpu_program_rank(rlx_cpu_program *program) {
    uint64_t work = 0, longest = 0;
    for (uint32_t s = program->count; s-- > 0;) {
        uint64_t behind = 0;
        for (uint32_t e = program->first[s]; e < program->first[s + 1]; e++) {
            uint32_t rank = program->rank_ns[program->successors[e]];
            behind = rank > behind ? rank : behind;
        }
        uint64_t rank = behind + program->cost_ns[s];
        program->rank_ns[s] = rank < UINT32_MAX ? (uint32_t)rank : UINT32_MAX;
        longest = rank > longest ? rank : longest;
        work += program->cost_ns[s];
    }
    uint64_t shared = work / program->pool->workers, least = longest > shared ? longest : shared;
    return work - least > GAIN_LEAST_NS + work / 5 + (uint64_t)program->count * SEGMENT_NS;
}

/* ---- The ready segments: under pool->lock ---- *
 *
 * A heap, the highest rank on top. Of very many segments so many are ready at a time that their order hardly matters,
 * and a heap of them would be slow: then a stack. */

static bool is_ordered(const rlx_cpu_program *program) { return program->count <= ORDERED_MOST; }

static void ready_push(rlx_cpu_program *program, uint32_t segment) {
    uint32_t *heap = program->ready, at = program->ready_count++;
    uint32_t rank = program->rank_ns[segment];
    while (at > 0 && is_ordered(program) && program->rank_ns[heap[(at - 1) / 2]] < rank) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = segment;
}

static uint32_t ready_pop(rlx_cpu_program *program) {
    uint32_t *heap = program->ready, top = heap[0], last = heap[--program->ready_count], at = 0;
    if (!is_ordered(program)) return last;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= program->ready_count) break;
        if (child + 1 < program->ready_count && program->rank_ns[heap[child + 1]] > program->rank_ns[heap[child]])
            child++;
        if (program->rank_ns[heap[child]] <= program->rank_ns[last]) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

/* ---- Segment by segment ---- */

/* A worker's part in a run. */
typedef struct member {
    rlx_cpu_worker *worker;
    rlx_cpu_strand at; /* the segment that it runs (NO_SEGMENT: none), and where in it */
    uint32_t ended;    /* segments that the run has not been told of yet */
} member;

/* Under the lock, which is released: wakes workers for what is in the heap, if its longest way is worth it. In the
 * first run nobody knows, and it is tried. */
static void offer_and_unlock(rlx_cpu_program *program) {
    uint32_t count = program->ready_count;
    bool worth = count && (program->runs == 1 || program->rank_ns[program->ready[0]] >= RLX_CPU_WAKE_NS);
    rlx_cpu_offer_want(program->pool, &program->offer, count);
    rlx_cpu_pool_wake_and_unlock(program->pool, worth ? count : 0);
}

static void node_failed(rlx_cpu_program *program, uint32_t node, const rlx_fault *fault) {
    rlx_lock(&program->pool->lock);
    if (node < atomic_load_explicit(&program->failed_node, memory_order_relaxed)) {
        program->fault = *fault;
        atomic_store_explicit(&program->failed_node, node, memory_order_relaxed);
    }
    rlx_unlock(&program->pool->lock);
}

/* Segments are timed as work of all who are in them: see rlx_cpu_strand. */
static void segment_clock(member *m) {
    m->worker->helped_ns = 0;
    m->at.begun_ns = m->at.program->timed ? rlx_platform_clock_ns() : 0;
}

static void segment_begin(member *m, uint32_t segment) {
    m->at.segment = segment;
    m->at.position = 0;
    m->at.spent_ns = 0;
    segment_clock(m);
}

/* Runs the segment's nodes. False: they are AWAY. */
static bool segment_nodes(member *m) {
    const rlx_cpu_program *program = m->at.program;
    for (;;) {
        rlx_fault fault;
        rlx_cpu_step step = rlx_cpu_segment(m->worker, &m->at, &fault);
        if (step != RLX_CPU_FAILED) return step == RLX_CPU_DONE;
        node_failed(m->at.program, program->nodes[program->start[m->at.segment] + m->at.position], &fault);
    }
}

/* What the segment cost. */
static void segment_measure(const member *m) {
    const rlx_cpu_program *program = m->at.program;
    uint64_t cost = rlx_platform_clock_ns() - m->at.begun_ns + m->worker->helped_ns + m->at.spent_ns;
    uint32_t *kept = &program->cost_ns[m->at.segment];
    uint64_t mixed = program->runs > 1 ? (cost + *kept) / 2 : cost;
    *kept = mixed < UINT32_MAX ? (uint32_t)mixed : UINT32_MAX;
}

/* Counts down the successors. One that is ready now is the next to run here; the others go into the heap. */
static void segment_end(member *m) {
    rlx_cpu_program *program = m->at.program;
    uint32_t segment = m->at.segment, next = NO_SEGMENT;
    bool locked = false;
    if (m->at.begun_ns) segment_measure(m);
    m->ended++;
    for (uint32_t e = program->first[segment]; e < program->first[segment + 1]; e++) {
        uint32_t s = program->successors[e];
        if (atomic_fetch_sub_explicit(&program->unmet[s], 1, memory_order_acq_rel) != 1) continue;
        if (next == NO_SEGMENT) {
            next = s;
            continue;
        }
        if (!locked) rlx_lock(&program->pool->lock);
        locked = true;
        bool further = program->rank_ns[s] > program->rank_ns[next];
        ready_push(program, further ? next : s);
        if (further) next = s;
    }
    if (locked) offer_and_unlock(program);
    m->at.segment = NO_SEGMENT;
    if (next != NO_SEGMENT) segment_begin(m, next);
}

/* Takes a ready segment, or leaves the run. True: it was the last member, and the run is over. */
static bool member_next(member *m) {
    rlx_cpu_program *program = m->at.program;
    bool over = false;
    rlx_lock(&program->pool->lock);
    uint32_t segment = program->ready_count ? ready_pop(program) : NO_SEGMENT;
    if (segment == NO_SEGMENT) {
        program->remaining -= m->ended;
        over = --program->offer.members == 0 && program->remaining == 0;
    }
    rlx_cpu_offer_want(program->pool, &program->offer,
                       program->ready_count < program->offer.wanted ? program->ready_count : program->offer.wanted);
    rlx_unlock(&program->pool->lock);
    if (segment != NO_SEGMENT) segment_begin(m, segment);
    return over;
}

/* Until there is nothing for this worker. True: the run is over. */
static bool member_work(member *m) {
    bool over = false;
    do {
        while (m->at.segment != NO_SEGMENT) {
            if (segment_nodes(m)) segment_end(m);
            else m->at.segment = NO_SEGMENT;
        }
        over = member_next(m);
    } while (m->at.segment != NO_SEGMENT);
    return over;
}

/* By the worker that ends a run. */
static rlx_cpu_step graph_end(rlx_cpu_program *program, rlx_fault *fault) {
    bool failed = atomic_load_explicit(&program->failed_node, memory_order_relaxed) != UINT32_MAX;
    if (failed) {
        *fault = program->fault;
        rlx_cpu_fault_within(fault, program->run_packet);
    } else if (program->timed) {
        program->parallel = rlx_cpu_program_rank(program);
    } else if (program->tried) {
        remember_run(program, &program->graph_ns);
    }
    return failed ? RLX_CPU_FAILED : RLX_CPU_DONE;
}

/* Works as a member; where that ends the run, goes on with the stream. */
static void member_work_and_go_on(member *m) {
    rlx_cpu_program *program = m->at.program;
    uint32_t entered = rlx_cpu_host->callback_enter();
    bool over = member_work(m);
    rlx_cpu_host->callback_leave(entered);
    if (!over) return;
    rlx_cpu_stream *stream = program->stream;
    rlx_fault fault;
    rlx_cpu_step step = graph_end(program, &fault);
    rlx_cpu_stream_resume(m->worker, stream, step == RLX_CPU_FAILED ? &fault : NULL);
}

static void graph_help(rlx_cpu_worker *worker, rlx_cpu_offer *offer) {
    rlx_cpu_program *program = (rlx_cpu_program *)offer;
    member m = { worker, { .stream = program->stream, .program = program, .segment = NO_SEGMENT }, 0 };
    member_work_and_go_on(&m);
}

void rlx_cpu_program_resume(rlx_cpu_worker *worker, const rlx_cpu_strand *strand, const rlx_fault *fault) {
    rlx_cpu_program *program = strand->program;
    member m = { worker, *strand, 0 };
    if (fault) node_failed(program, program->nodes[program->start[strand->segment] + strand->position], fault);
    m.at.position++;
    segment_clock(&m);
    rlx_lock(&program->pool->lock);
    program->offer.members++; /* the segment has not ended, so the run has not either */
    rlx_unlock(&program->pool->lock);
    member_work_and_go_on(&m);
}

static rlx_cpu_step graph_run(rlx_cpu_worker *worker, rlx_cpu_program *program, rlx_fault *fault) {
    program->offer.help = graph_help;
    program->offer.members = 1;
    program->remaining = program->count;
    atomic_store_explicit(&program->failed_node, UINT32_MAX, memory_order_relaxed);
    for (uint32_t s = 0; s < program->count; s++)
        atomic_store_explicit(&program->unmet[s], program->predecessors[s], memory_order_relaxed);
    for (uint32_t s = program->count; s-- > 0;) /* nobody else knows them yet: no lock; a stack gives the first first */
        if (!program->predecessors[s]) ready_push(program, s);
    uint32_t first = ready_pop(program);
    rlx_lock(&program->pool->lock);
    offer_and_unlock(program);
    member m = { worker, { .stream = program->stream, .program = program }, 0 };
    segment_begin(&m, first);
    return member_work(&m) ? graph_end(program, fault) : RLX_CPU_AWAY;
}

/* Whether the next run is segment by segment. Runs 0, 64, 128... are, and measure each segment; so is run 1, as run 0
 * has measured cold caches. The two that follow try the plain loop and the segments, if these can pay. */
static bool choose(rlx_cpu_program *program) {
    uint64_t run = program->runs++, phase = run % TRIED_EVERY + (run >= TRIED_EVERY);
    program->timed = phase == 1 || run == 0;
    program->tried = program->parallel && (phase == 2 || phase == 3);
    if (program->timed) return true;
    if (!program->parallel || phase == 2) return false;
    return phase == 3 || program->graph_ns < program->loop_ns;
}

rlx_cpu_step rlx_cpu_program_run(rlx_cpu_worker *worker, rlx_cpu_stream *stream, rlx_fault *fault) {
    const rlx_packet_run *run = (const rlx_packet_run *)stream->at;
    if (run->base.flags & RLX_PACKET_SKIP) return RLX_CPU_DONE;
    rlx_cpu_program *program = run->program;
    rlx_cpu_host->run_patch(run);
    bool segments = !program->chain && choose(program);
    if (program->tried) program->begun_ns = rlx_platform_clock_ns();
    if (segments) {
        program->run_packet = stream->at;
        program->stream = stream;
        return graph_run(worker, program, fault);
    }
    stream->program = program;
    stream->node = 0;
    return rlx_cpu_program_loop(worker, stream, fault);
}
