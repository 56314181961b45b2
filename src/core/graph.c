/* The dependency graph of a program, from what its commands access.
 *
 * THE RULE is that of every runtime that derives dependencies from data (OpenMP's task dependences, StarPU, Legion):
 * each piece of memory remembers its last writer and the readers since. A reader depends on the writer; a writer
 * depends on the readers, or on the last writer where nobody has read, and becomes the last writer.
 *
 * PIECES. Done literally this is quadratic: a range may consist of many pieces, and many readers may precede many
 * writers. So the pieces of a part (ranks.c) are the leaves of a segment tree (de Berg et al., Computational Geometry,
 * ch. 10), and an access touches only the O(log n) nodes that its range is made of. A tree node is
 *
 *     uniform: all below has one last writer and one set of readers, whatever its children say; or
 *     mixed:   its children know, and `pending` is a set of readers of all below, who came after what they know.
 *
 * SETS of commands are never copied: a set is a command or the union of two sets. A tree node keeps the sets that an
 * access to all of it depends on, and makes them anew from its children only when they are asked for and something has
 * changed.
 *
 * JOINS. A set that commands depend on once becomes plain edges. The second time it becomes a join: a node that does
 * nothing, with edges from all members. So each union is walked at most three times, and n accesses give O(n log n)
 * edges in the worst case. Every set stands for commands that all conflict with whatever depends on it: a join never
 * orders what need not be ordered.
 *
 * BARRIERS depend on all that nobody depends on yet; what came before the last one is forgotten, and a command that
 * depends on nothing since depends on it. */
#include "graph.h"

/* 0: nobody. A command's number plus one. With IS_UNION, the number of a union. */
typedef uint32_t set;

#define IS_UNION (UINT32_C(1) << 31)
#define STALE UINT32_MAX         /* a tree node's set is to be made anew */
#define UNIFORM (UINT32_MAX - 1) /* in `pending` */
#define UNIONS_MAX (IS_UNION - 2)

#define WALKED_NEVER UINT32_MAX /* in `node`: counts down */
#define WALKED_TWICE (UINT32_MAX - 2)
#define NODES_MAX (IS_UNION - 1)

typedef struct set_union {
    set left, right;
    uint32_t node; /* the join, or a count of walks */
} set_union;

typedef struct tree_node {
    set writers; /* last writers of all below */
    set readers; /* readers since then of all below */
    set unread;  /* mixed only: last writers whom nobody has read; goes stale with `readers` */
    set pending;
} tree_node;

/* A node of the graph while it is built. The edges that lead to it end at `end` in `predecessors`. */
typedef struct node {
    uint32_t command, depth, stamp, degree;
    uint64_t end;
} node;

/* A join whose members are being gathered. */
typedef struct frame {
    uint32_t joined; /* the union */
    uint64_t found, work;
} frame;

typedef struct builder {
    rlx_leaves leaves;
    tree_node *tree; /* part by part: 2 * leaves.start[part] is the root's place; depth first */

    set_union *unions;
    uint64_t union_count, union_room;

    node *nodes;
    uint64_t node_count, node_room;
    uint32_t *predecessors;
    uint64_t edge_count, edge_room;
    uint32_t *node_of; /* of each command so far */
    uint32_t stamp;

    uint32_t *found; /* nodes that the command (or join) being made depends on */
    uint64_t found_count, found_room;
    set *work; /* sets still to be walked */
    uint64_t work_count, work_room;
    frame *frames;
    uint64_t frame_count, frame_room;

    uint64_t barrier_end;    /* nodes before this number are the last barrier or before it */
    set barrier_command;     /* commands up to this one, and */
    uint64_t barrier_unions; /* unions before this number, are forgotten */
    bool failed;             /* no memory: whatever has been built since is not used */
} builder;

static void *grown(builder *b, void *items, uint64_t count, uint64_t *room, size_t size) {
    if (count < *room) return items;
    uint64_t more = *room ? *room * 2 : 64;
    void *moved = rlx_reallocate(items, more * size);
    if (!moved) {
        b->failed = true;
        return items;
    }
    *room = more;
    return moved;
}

/* ---- Nodes ---- */

static void found_add(builder *b, uint32_t number) {
    b->found = grown(b, b->found, b->found_count, &b->found_room, sizeof *b->found);
    if (!b->failed) b->found[b->found_count++] = number;
}

static void edge_add(builder *b, node *to, uint32_t from) {
    b->predecessors = grown(b, b->predecessors, b->edge_count, &b->edge_room, sizeof *b->predecessors);
    if (b->failed) return;
    b->predecessors[b->edge_count++] = from;
    b->nodes[from].degree++;
    if (to->depth < b->nodes[from].depth) to->depth = b->nodes[from].depth;
}

/* Makes a node that depends on all that was found from `from` on. A join of one is that one. */
static uint32_t node_add(builder *b, uint32_t command, uint64_t from) {
    b->nodes = grown(b, b->nodes, b->node_count, &b->node_room, sizeof *b->nodes);
    if (b->node_count >= NODES_MAX || ++b->stamp == 0) b->failed = true;
    if (b->failed) return 0;
    node made = { .command = command };
    uint64_t begin = b->edge_count;
    for (uint64_t i = from; i < b->found_count; i++) {
        node *before = &b->nodes[b->found[i]];
        if (before->stamp == b->stamp) continue; /* found twice */
        before->stamp = b->stamp;
        edge_add(b, &made, b->found[i]);
    }
    b->found_count = from;
    if (command == RLX_NODE_JOIN && !b->failed && b->edge_count - begin == 1) {
        uint32_t only = b->predecessors[--b->edge_count];
        b->nodes[only].degree--;
        return only;
    }
    if (b->edge_count == begin && b->barrier_end) edge_add(b, &made, (uint32_t)b->barrier_end - 1);
    if (command != RLX_NODE_JOIN) made.depth++;
    made.end = b->edge_count;
    b->nodes[b->node_count] = made;
    return (uint32_t)b->node_count++;
}

/* ---- Sets ---- */

static set living(const builder *b, set s) {
    if (s & IS_UNION) return (s & ~IS_UNION) >= b->barrier_unions ? s : 0;
    return s > b->barrier_command ? s : 0;
}

static set unite(builder *b, set left, set right) {
    left = living(b, left);
    right = living(b, right);
    if (!left || left == right) return right;
    if (!right) return left;
    if ((left & IS_UNION) && b->unions[left & ~IS_UNION].right == right) return left; /* the same command again */
    b->unions = grown(b, b->unions, b->union_count, &b->union_room, sizeof *b->unions);
    if (b->union_count >= UNIONS_MAX) b->failed = true;
    if (b->failed) return 0;
    b->unions[b->union_count] = (set_union){ left, right, WALKED_NEVER };
    return IS_UNION | (set)b->union_count++;
}

static void work_add(builder *b, set s) {
    b->work = grown(b, b->work, b->work_count, &b->work_room, sizeof *b->work);
    if (!b->failed) b->work[b->work_count++] = s;
}

static void join_open(builder *b, uint32_t joined) {
    b->frames = grown(b, b->frames, b->frame_count, &b->frame_room, sizeof *b->frames);
    if (!b->failed) b->frames[b->frame_count++] = (frame){ joined, b->found_count, b->work_count };
}

static void join_close(builder *b) {
    frame closed = b->frames[--b->frame_count];
    uint32_t number = node_add(b, RLX_NODE_JOIN, closed.found);
    b->unions[closed.joined].node = number;
    found_add(b, number);
}

/* A command's walk goes once through a union, a join's once more; after that a union is a join of its own. */
static void walk(builder *b, set s) {
    s = living(b, s);
    if (!s) return;
    if (!(s & IS_UNION)) {
        found_add(b, b->node_of[s - 1]);
        return;
    }
    set_union *u = &b->unions[s & ~IS_UNION];
    if (u->node < WALKED_TWICE) {
        if (!rlx_lie("joins-are-lost")) found_add(b, u->node);
        return;
    }
    uint32_t walks = WALKED_NEVER - u->node;
    if (walks < (b->frame_count ? 2u : 1u)) u->node--;
    else join_open(b, s & ~IS_UNION);
    work_add(b, u->right);
    work_add(b, u->left);
}

/* Finds the nodes that stand for all members of a set. Sets can be nested as deeply as there are commands, so this
 * keeps its own stack. */
static void depend(builder *b, set s) {
    work_add(b, s);
    while (!b->failed) {
        while (b->frame_count && b->frames[b->frame_count - 1].work == b->work_count) join_close(b);
        if (!b->work_count) return;
        walk(b, b->work[--b->work_count]);
    }
}

/* ---- The tree ---- */

/* A place in the tree: node `at` over the leaves from first to end - 1. */
typedef struct branch {
    uint32_t at, first, end;
} branch;

static branch left_of(branch v) { return (branch){ v.at + 1, v.first, v.first + (v.end - v.first) / 2 }; }

static branch right_of(branch v) {
    uint32_t middle = v.first + (v.end - v.first) / 2;
    return (branch){ v.at + 2 * (middle - v.first), middle, v.end };
}

static bool within(branch v, uint32_t first, uint32_t end) { return first <= v.first && v.end <= end; }

static set writers_of(builder *b, branch v) {
    tree_node *t = &b->tree[v.at];
    if (t->writers == STALE) {
        set left = writers_of(b, left_of(v));
        t->writers = unite(b, left, writers_of(b, right_of(v)));
    }
    return t->writers;
}

typedef struct frontier {
    set readers, unread;
} frontier;

/* What a writer of all of this depends on. */
static frontier frontier_of(builder *b, branch v) {
    tree_node *t = &b->tree[v.at];
    if (t->pending == UNIFORM) return (frontier){ t->readers, t->readers ? 0 : t->writers };
    if (t->readers == STALE) {
        frontier left = frontier_of(b, left_of(v)), right = frontier_of(b, right_of(v));
        t->readers = unite(b, unite(b, left.readers, right.readers), t->pending);
        t->unread = t->pending ? 0 : unite(b, left.unread, right.unread); /* pending readers have read them all */
    }
    return (frontier){ t->readers, t->unread };
}

/* `readers` have read all of this. */
static void read_all(builder *b, uint32_t at, set readers) {
    tree_node *t = &b->tree[at];
    if (t->pending == UNIFORM) {
        t->readers = unite(b, t->readers, readers);
        return;
    }
    t->pending = unite(b, t->pending, readers);
    if (t->readers == STALE) return;
    t->readers = unite(b, t->readers, readers);
    t->unread = 0;
}

static void split(builder *b, branch v) {
    tree_node *t = &b->tree[v.at];
    b->tree[left_of(v).at] = b->tree[right_of(v).at] = *t;
    t->unread = t->readers ? 0 : t->writers;
    t->pending = 0;
}

/* Makes the children know all: before a part of this is written. */
static void hand_down(builder *b, branch v) {
    tree_node *t = &b->tree[v.at];
    if (rlx_lie("readers-are-not-handed-down")) t->pending = 0;
    if (!t->pending) return;
    read_all(b, left_of(v).at, t->pending);
    read_all(b, right_of(v).at, t->pending);
    t->pending = 0;
}

static void find_writers(builder *b, branch v, uint32_t first, uint32_t end) {
    if (b->tree[v.at].pending == UNIFORM || within(v, first, end)) {
        if (!rlx_lie("readers-overtake-writers")) depend(b, writers_of(b, v));
        return;
    }
    branch left = left_of(v), right = right_of(v);
    if (first < left.end) find_writers(b, left, first, end);
    if (end > right.first) find_writers(b, right, first, end);
}

static void find_frontier(builder *b, branch v, uint32_t first, uint32_t end) {
    if (b->tree[v.at].pending == UNIFORM || within(v, first, end)) {
        frontier f = frontier_of(b, v);
        if (!rlx_lie("writers-overtake-readers")) depend(b, f.readers);
        if (!rlx_lie("writers-overtake-writers")) depend(b, f.unread);
        return;
    }
    hand_down(b, v);
    branch left = left_of(v), right = right_of(v);
    if (first < left.end) find_frontier(b, left, first, end);
    if (end > right.first) find_frontier(b, right, first, end);
}

static void set_reader(builder *b, branch v, uint32_t first, uint32_t end, set reader) {
    if (within(v, first, end)) {
        read_all(b, v.at, reader);
        return;
    }
    if (b->tree[v.at].pending == UNIFORM) split(b, v);
    branch left = left_of(v), right = right_of(v);
    if (first < left.end) set_reader(b, left, first, end, reader);
    if (end > right.first) set_reader(b, right, first, end, reader);
    b->tree[v.at].readers = STALE;
}

static void set_writer(builder *b, branch v, uint32_t first, uint32_t end, set writer) {
    if (within(v, first, end)) {
        b->tree[v.at] = (tree_node){ .writers = writer, .pending = UNIFORM };
        return;
    }
    if (b->tree[v.at].pending == UNIFORM) split(b, v);
    else hand_down(b, v);
    branch left = left_of(v), right = right_of(v);
    if (first < left.end) set_writer(b, left, first, end, writer);
    if (end > right.first) set_writer(b, right, first, end, writer);
    b->tree[v.at].writers = b->tree[v.at].readers = STALE;
}

/* ---- Commands ---- */

static branch root_of(const builder *b, uint32_t leaf) {
    const uint32_t *start = &b->leaves.start[b->leaves.part[leaf]];
    return (branch){ 2 * start[0], start[0], start[1] };
}

/* First everything is looked up, then everything is entered: a command never meets itself. */
static void add_accesses(builder *b, const rlx_interval *intervals, const uint32_t *spans, uint64_t count) {
    uint32_t command = intervals->command;
    for (uint64_t i = 0; i < count; i++) {
        branch root = root_of(b, spans[2 * i]);
        if (intervals[i].write) find_frontier(b, root, spans[2 * i], spans[2 * i + 1]);
        else find_writers(b, root, spans[2 * i], spans[2 * i + 1]);
    }
    b->node_of[command] = node_add(b, command, 0);
    for (uint64_t i = 0; i < count; i++) {
        branch root = root_of(b, spans[2 * i]);
        if (intervals[i].write) set_writer(b, root, spans[2 * i], spans[2 * i + 1], command + 1);
        else set_reader(b, root, spans[2 * i], spans[2 * i + 1], command + 1);
    }
}

static void add_barrier(builder *b, uint32_t command) {
    for (uint64_t i = b->barrier_end; i < b->node_count; i++)
        if (!b->nodes[i].degree) found_add(b, (uint32_t)i);
    b->node_of[command] = node_add(b, command, 0);
    b->barrier_end = b->node_count;
    b->barrier_command = command + 1;
    b->barrier_unions = b->union_count;
}

static void add_commands(builder *b, const rlx_interval *intervals, uint64_t count, uint32_t commands) {
    uint64_t at = 0;
    for (uint32_t command = 0; command < commands && !b->failed; command++) {
        uint64_t begin = at;
        bool barrier = false;
        for (; at < count && intervals[at].command == command; at++) barrier |= intervals[at].barrier;
        if (barrier && !rlx_lie("host-calls-are-not-ordered")) add_barrier(b, command);
        else if (at > begin && !barrier) add_accesses(b, &intervals[begin], &b->leaves.spans[2 * begin], at - begin);
        else b->node_of[command] = node_add(b, command, 0); /* touches nothing */
    }
}

/* ---- The result ---- */

/* Edges were kept at their ends; here they are turned round. */
static bool finish(const builder *b, rlx_nodes *nodes) {
    size_t count = b->node_count, some = count ? count : 1;
    nodes->count = (uint32_t)count;
    nodes->commands = rlx_allocate(some * sizeof *nodes->commands);
    nodes->unmet = rlx_allocate(some * sizeof *nodes->unmet);
    nodes->first = rlx_allocate((count + 1) * sizeof *nodes->first);
    nodes->successors = rlx_allocate((b->edge_count ? b->edge_count : 1) * sizeof *nodes->successors);
    uint64_t *next = rlx_allocate(some * sizeof *next);
    if (!nodes->commands || !nodes->unmet || !nodes->first || !nodes->successors || !next) {
        rlx_free(next);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        nodes->commands[i] = b->nodes[i].command;
        nodes->unmet[i] = (uint32_t)(b->nodes[i].end - (i ? b->nodes[i - 1].end : 0));
        nodes->first[i + 1] = nodes->first[i] + b->nodes[i].degree;
        next[i] = nodes->first[i];
        if (nodes->depth < b->nodes[i].depth) nodes->depth = b->nodes[i].depth;
    }
    for (size_t i = 0, edge = 0; i < count; i++)
        for (; edge < b->nodes[i].end; edge++) nodes->successors[next[b->predecessors[edge]]++] = (uint32_t)i;
    rlx_free(next);
    return true;
}

static void builder_free(builder *b) {
    rlx_leaves_free(&b->leaves);
    rlx_free(b->tree);
    rlx_free(b->unions);
    rlx_free(b->nodes);
    rlx_free(b->predecessors);
    rlx_free(b->node_of);
    rlx_free(b->found);
    rlx_free(b->work);
    rlx_free(b->frames);
}

rlx_status rlx_nodes_build(const rlx_interval *intervals, uint64_t interval_count, uint32_t commands,
                           rlx_nodes *nodes) {
    builder b = { 0 };
    *nodes = (rlx_nodes){ 0 };
    if (commands > RLX_COMMANDS_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "a program of more than 2^30 commands: record several");
    rlx_status status = rlx_leaves_find(intervals, interval_count, &b.leaves);
    if (status) return status;
    b.tree = rlx_allocate((2 * (size_t)b.leaves.count + 1) * sizeof *b.tree);
    b.node_of = rlx_allocate(((size_t)commands + 1) * sizeof *b.node_of);
    b.failed = !b.tree || !b.node_of;
    if (!b.failed) {
        for (uint32_t i = 0; i < b.leaves.parts; i++) b.tree[2 * b.leaves.start[i]].pending = UNIFORM;
        add_commands(&b, intervals, interval_count, commands);
    }
    bool done = !b.failed && finish(&b, nodes);
    builder_free(&b);
    if (done) return RLX_OK;
    rlx_nodes_free(nodes);
    return rlx_fail_memory("a program's graph");
}

void rlx_nodes_free(rlx_nodes *nodes) {
    rlx_free(nodes->commands);
    rlx_free(nodes->unmet);
    rlx_free(nodes->first);
    rlx_free(nodes->successors);
    *nodes = (rlx_nodes){ 0 };
}
