/* Programs: what a recording stream collects, the dependency graph, slots, and runs.
 *
 *     encoders -> recorder --finish--> program (graph.c, slots.c, overlap.c) --run--> RUN packet, or its commands again
 *
 * A recording stream encodes the same packets as any other. Beside them it keeps, for each command, what it reads and
 * writes as intervals of one 64-bit address space, and where slots stand (fixups). finish turns that into a graph.
 *
 * ADDRESS SPACE. Host memory (WRITE sources, READ destinations, buffers with a host address) has its own addresses;
 * other buffers get numbers of their own with bit 63 set. Intervals are rounded out to 4-byte words (rule 14).
 *
 * SLOTS have no address until a run. In the graph a range slot is a word of its own, so commands that use one slot are
 * ordered by it; that the range conflicts with no other access that the graph leaves unordered is checked at each run
 * (overlap.c). Host pointers are ordered so that they need not differ: what a program writes through one is ordered
 * with every access of it to plain host memory (WRITE sources and READ destinations), and what it reads through one
 * with every such write. For that, plain host memory appears a second time, where a host slot can cover all of it. A
 * host pointer into a SHARED buffer is checked at each run like a range. */
#ifndef RLX_PROGRAM_H
#define RLX_PROGRAM_H

#include "batch.h"
#include "graph.h"
#include "validate.h"

/* Below bit 63 there are no host addresses from 2^61 up. */
#define RLX_SPACE_HOST (UINT64_C(1) << 61)  /* to 2^62: host memory, for host slots */
#define RLX_SPACE_SLOTS (UINT64_C(1) << 62) /* range slot n has the word at 4 * n from here */

static inline bool rlx_space_is_real(uint64_t address) {
    return address < RLX_SPACE_HOST || address >> 63;
}

/* Whether this is the host's side of a WRITE or READ: in a WRITE what is read, in a READ what is written. */
static inline bool rlx_interval_is_plain_host(const rlx_interval *interval, const rlx_packet *packet) {
    return interval->begin < RLX_SPACE_HOST && ((packet->kind == RLX_PACKET_WRITE && !interval->write) ||
                                                (packet->kind == RLX_PACKET_READ && interval->write));
}

/* ---- Recorder (recorder.c) ---- */

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
    uint32_t slot;       /* its number; in a program: its place in program->slots */
    uint32_t command;
    uint16_t kind;       /* rlx_fixup_kind */
    uint16_t arg;
    uint16_t access;     /* of ranges: rlx_access */
    uint16_t alignment;  /* of ranges: what the offset must be a multiple of (1: anything) */
} rlx_fixup;

/* What a recording stream collects, in the order of commands. Arrays grow by doubling; lives in the stream. */
typedef struct rlx_recorder {
    rlx_interval *intervals;
    rlx_fixup *fixups;
    uint64_t interval_count, interval_room, fixup_count, fixup_room;
    rlx_slot_ref condition; /* of the commands being encoded */
} rlx_recorder;

/* Makes room for that many more of each, so that an encoder can add them after its last check and cannot fail. A
 * barrier takes the room of an interval. */
rlx_status rlx_recorder_reserve(rlx_recorder *recorder, uint64_t intervals, uint64_t fixups);
void rlx_recorder_interval(rlx_recorder *recorder, uint32_t command, uint64_t begin, uint64_t size, bool write);
void rlx_recorder_fixup(rlx_recorder *recorder, const rlx_fixup *fixup);
/* A command that is ordered with everything: a host call, a timestamp. */
void rlx_recorder_barrier(rlx_recorder *recorder, uint32_t command);
void rlx_recorder_reset(rlx_recorder *recorder); /* empty again, arrays kept */
void rlx_recorder_clear(rlx_recorder *recorder); /* arrays freed */

/* ---- Slots (slots.c) ---- */

typedef enum rlx_slot_kind {
    RLX_SLOT_RANGE = 1,
    RLX_SLOT_VALUE,
    RLX_SLOT_HOST,
    RLX_SLOT_GRID,
    RLX_SLOT_ENABLED,
} rlx_slot_kind;

/* What a run has to give for a slot, from all the commands that use it. */
typedef struct rlx_slot_info {
    uint32_t number;
    uint16_t kind;         /* rlx_slot_kind */
    bool argument;         /* a range that is bound as an argument */
    bool written;          /* a range or host pointer that some command writes through */
    uint32_t alignment;    /* of a range's offset */
    uint32_t access_count; /* of ranges and host pointers: accesses in overlaps->accesses */
    uint64_t first_access;
    uint64_t size;         /* ranges: exactly so many bytes, 0 for any; values: bytes; host pointers: bytes at most */
} rlx_slot_info;

/* What a run has given for a slot. */
typedef struct rlx_slot_state {
    bool given;
    bool on; /* a condition that is met, a grid that is not empty */
    union {
        rlx_resolved range;
        void *host;
        uint32_t groups[3];
        unsigned char small[8]; /* values of up to 8 bytes */
        const void *bytes;      /* longer ones */
    };
} rlx_slot_state;

/* What a RUN packet carries: program->slot_count states. */
typedef struct rlx_run_values {
    const rlx_program *program;
    rlx_slot_state states[];
} rlx_run_values;

/* Makes program->slots of the fixups, which then refer to them. Errors: INVALID (one slot as two kinds or sizes), ALIAS
 * (one slot twice in a dispatch that writes it). */
rlx_status rlx_slots_build(rlx_program *program);
/* Checks what a run gives. On a recording stream a range may be another slot. */
rlx_status rlx_slots_resolve(const rlx_program *program, const rlx_run *run, bool records, rlx_slot_state *states);
/* Puts one slot's value into a packet: that of the fixup, or a copy of it. */
void rlx_fixup_apply(const rlx_fixup *fixup, rlx_packet *packet, const rlx_slot_state *state);

/* ---- Overlaps (overlap.c) ---- */

typedef struct rlx_overlaps rlx_overlaps;

/* Only for programs with ranges or host pointers in slots: what a run's are compared with. */
rlx_status rlx_overlaps_build(rlx_program *program, const rlx_interval *intervals, uint64_t count);
void rlx_overlaps_free(rlx_overlaps *overlaps);
uint64_t rlx_overlaps_bytes(const rlx_overlaps *overlaps);
/* ALIAS if a range given for a slot overlaps another access so that the recorded order is not kept. `scratch` has room
 * for rlx_overlaps_scratch bytes. */
rlx_status rlx_overlaps_check(const rlx_program *program, const rlx_slot_state *states, void *scratch);
size_t rlx_overlaps_scratch(const rlx_program *program);
/* A dispatch touches its arguments first and then what it only uses: where its touches of arguments end. */
uint32_t rlx_touches_of_arguments(const rlx_program *program, const rlx_packet_dispatch *packet);

/* ---- Program (program.c) ---- */

/* What a command reads or writes at fixed places, for nested runs and aliases. */
typedef struct rlx_touch {
    uint64_t begin, size;
    bool write, barrier;
} rlx_touch;

struct rlx_program {
    rlx_object object;
    rlx_program_properties properties;
    rlx_packet *first;     /* the commands in recorded order, linked by next */
    rlx_chunk_list chunks; /* that they lie in */
    rlx_held *held;        /* what they use */
    rlx_validate_notes notes; /* of them */
    uint32_t commands;
    uint32_t slot_count;
    uint32_t slot_limit;   /* the highest slot's number + 1 */
    rlx_slot_info *slots;   /* by number */
    uint16_t *slot_of;     /* place + 1 in slots of each number below slot_limit, 0: not used */
    rlx_fixup *fixups;     /* in the order of commands */
    uint64_t fixup_count;
    uint32_t *touch_first; /* commands + 1: where the touches of a command are, below; read by rlx_touch_read */
    uint64_t *touch_begin;
    uint32_t *touch_shape; /* 12 bytes for a touch: a program has millions */
    rlx_overlaps *overlaps; /* NULL: no slot needs it */
    rlx_nodes nodes;       /* what `graph` shows */
    rlx_packet **packets;  /* the same */
    rlx_packet join;       /* the packet of every join */
    rlx_graph graph;
    void *handle;          /* the backend's own; NULL: runs put the commands into the batch */
    rlx_point last_run;    /* device->run_lock */
};

/* Reads the touch at `at`, and returns where the next one is. */
uint32_t rlx_touch_read(const rlx_program *program, uint32_t at, rlx_touch *touch);

/* The last run of a program, read and set under the device's run lock at submit. */
rlx_point rlx_program_last_run(const rlx_program *program);
void rlx_program_set_last_run(rlx_program *program, rlx_point point);

void rlx_program_destroy(rlx_program *program); /* by rlx_object_release */

/* ---- Runs (run.c) ---- */

/* Puts slot values into a program's packets: the service that backends call. */
void rlx_program_patch(const rlx_packet_run *run);

#endif
