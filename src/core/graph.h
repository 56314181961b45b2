/* From accesses to a dependency graph. Nothing here knows a packet or a device: commands are numbers, memory is
 * intervals of a 64-bit space, and so all of it can be tested against the definition by brute force. */
#ifndef RLX_GRAPH_H
#define RLX_GRAPH_H

#include "core.h"

#define RLX_COMMANDS_MAX (UINT32_C(1) << 30) /* commands of a program: node numbers need a spare bit, joins need room */

/* What command number `command` reads or writes: the bytes [begin, end), which count as the 4-byte words that they
 * touch (rule 14). A barrier has no bytes: its command is ordered with every other one. */
typedef struct rlx_interval {
    uint64_t begin, end;
    uint32_t command;
    bool write, barrier;
} rlx_interval;

/* ---- The graph (graph.c) ---- */

#define RLX_NODE_JOIN UINT32_MAX

/* Nodes are commands in order, with joins (nodes that do nothing) in between. Edges go upwards. */
typedef struct rlx_nodes {
    uint32_t count;
    uint32_t *commands;   /* of each node: the command, or RLX_NODE_JOIN */
    uint32_t *unmet;      /* of each node: how many edges lead to it */
    uint64_t *first;      /* count + 1: the edges from node i lead to successors[first[i]] up to first[i + 1] - 1 */
    uint32_t *successors;
    uint64_t depth;       /* commands on the longest path */
} rlx_nodes;

/* The graph of `commands` commands; `intervals` are in the order of their commands. There is a path from one command to
 * a later one if and only if they conflict (a word that both touch and one writes; a barrier), directly or through
 * commands in between. Errors: OUT_OF_MEMORY, LIMIT. */
rlx_status rlx_nodes_build(const rlx_interval *intervals, uint64_t interval_count, uint32_t commands, rlx_nodes *nodes);
void rlx_nodes_free(rlx_nodes *nodes);

/* ---- Ranks (ranks.c) ---- */

/* A key to sort by, and what it belongs to. */
typedef struct rlx_keyed {
    uint64_t key;
    uint32_t item;
} rlx_keyed;

/* Sorts by key; items of one key stay in their order. `scratch` has room for as many. */
void rlx_keyed_sort(rlx_keyed *keyed, rlx_keyed *scratch, size_t count);

/* Memory, cut at every place where an interval begins or ends. The pieces that some interval covers are the leaves,
 * numbered by address. Leaves that no interval ties together are of different parts: a buffer, a slot of an arena. */
typedef struct rlx_leaves {
    uint32_t count, parts;
    uint32_t *spans; /* of interval i: the leaves from spans[2 * i] to spans[2 * i + 1] - 1; of a barrier: none */
    uint32_t *part;  /* of each leaf */
    uint32_t *start; /* parts + 1: the first leaf of each part */
} rlx_leaves;

rlx_status rlx_leaves_find(const rlx_interval *intervals, uint64_t count, rlx_leaves *leaves);
void rlx_leaves_free(rlx_leaves *leaves);

#endif
