/* Programs: what a recording stream collects, the dependency graph, slots, and runs.
 *
 * A recording stream encodes the same packets as any other. Beside them it keeps, for each command, what it reads and
 * writes as intervals of one 64-bit address space, and where slots stand (fixups). finish turns that into a graph.
 *
 * ADDRESS SPACE. Host memory (WRITE sources, READ destinations, buffers with a host address) has its own addresses;
 * other buffers get numbers of their own with bit 63 set. Intervals are rounded out to 4-byte words (rule 14). A range
 * slot or host slot has no address until a run: it is a region of its own in the graph, checked at each run. */
#ifndef RLX_PROGRAM_H
#define RLX_PROGRAM_H

#include "batch.h"

/* An interval [begin, end) of bytes that command number `command` reads or writes. */
typedef struct rlx_interval {
    uint64_t begin, end;
    uint32_t command;
    bool write;
} rlx_interval;

typedef enum rlx_fixup_kind {
    RLX_FIXUP_ARG_RANGE, /* argument `arg` of a dispatch: a range */
    RLX_FIXUP_ARG_VALUE, /* argument `arg` of a dispatch: `size` bytes into args[arg].data */
    RLX_FIXUP_GROUPS,    /* the grid of a dispatch; an empty one skips it */
    RLX_FIXUP_DST,       /* dst of COPY or FILL, device of WRITE: a range of `size` bytes */
    RLX_FIXUP_SRC,       /* src of COPY, device of READ: a range of `size` bytes */
    RLX_FIXUP_HOST_READ, /* host of WRITE: a pointer that is read, reaching over `size` bytes */
    RLX_FIXUP_HOST_WRITE,/* host of READ: a pointer that is written, reaching over `size` bytes */
    RLX_FIXUP_ENABLED,   /* RLX_PACKET_SKIP of any packet */
    RLX_FIXUP_USE,       /* an entry of `uses`: a range; nothing to patch, only to check */
} rlx_fixup_kind;

/* A place in a packet that a run fills in. */
typedef struct rlx_fixup {
    rlx_packet *packet;
    uint64_t size;       /* of ranges: what the run must give, 0 for any. Of values: bytes */
    uint32_t slot, command;
    uint16_t kind;       /* rlx_fixup_kind */
    uint16_t arg;
    uint16_t access;     /* of ranges: rlx_access */
    uint16_t alignment;  /* of ranges: what the offset must be a multiple of (1: anything) */
} rlx_fixup;

/* What a recording stream collects. Arrays grow by doubling; lives in the stream. */
typedef struct rlx_recorder {
    rlx_interval *intervals;
    rlx_fixup *fixups;
    uint64_t interval_count, interval_room, fixup_count, fixup_room;
    rlx_slot_ref condition; /* of the commands being encoded */
} rlx_recorder;

/* Makes room for that many more of each, so that an encoder can add them after its last check and cannot fail. */
rlx_status rlx_recorder_reserve(rlx_recorder *recorder, uint32_t intervals, uint32_t fixups);
void rlx_recorder_interval(rlx_recorder *recorder, uint32_t command, uint64_t begin, uint64_t size, bool write);
void rlx_recorder_fixup(rlx_recorder *recorder, const rlx_fixup *fixup);
/* A command that is ordered with everything: a host call, a timestamp. */
void rlx_recorder_barrier(rlx_recorder *recorder, uint32_t command);
void rlx_recorder_reset(rlx_recorder *recorder); /* empty again, arrays kept */
void rlx_recorder_clear(rlx_recorder *recorder); /* arrays freed */

/* Puts slot values into a program's packets: the service that backends call. */
void rlx_program_patch(const rlx_packet_run *run);

/* The last run of a program, read and set under the device's run lock at submit. */
rlx_point rlx_program_last_run(const rlx_program *program);
void rlx_program_set_last_run(rlx_program *program, rlx_point point);

void rlx_program_destroy(rlx_program *program); /* by rlx_object_destroy */

#endif
