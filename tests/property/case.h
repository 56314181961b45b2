/* A case of the property test: a log of API calls, drawn at random, on a few objects that are known by small numbers.
 *
 *     generate.c   draws calls; keeps those that the rules give one meaning
 *     model.c      obeys the log from the rules alone, with order.c (what is ordered with what), judge.c (which runs
 *                  are to be refused) and effect.c (what a command does to bytes)
 *     drive.c      makes the same calls of the library, on devices of its choice: as they stand; with every program's
 *                  commands encoded one by one where it runs; or with every batch recorded as a program
 *     weave.c      devices that run commands in the worst order, and as much side by side, as their packets allow
 *     shrink.c     leaves out calls for as long as the case still fails
 *     print.c      writes a case as lines of API calls
 *
 * The model knows the public headers, and from them only types: it shares no code with the library. A call that has no
 * meaning where it stands (it names an object that is gone, or races with work that no point orders) is dropped by the
 * model, wherever that happens: so any subset of a case is a case, and both drawing and shrinking need no rules. */
#ifndef CASE_H
#define CASE_H

#include <rlx/driver.h>

enum {
    NONE = -1,
    DEVICES = 2,
    STREAMS = 10, /* of a case, those that are released included; so are all that follow */
    BUFFERS = 12,
    KERNELS = 14,
    PROGRAMS = 10,
    POINTS = 96,
    CALLS = 240,
    COMMANDS = 96,      /* of a program or a batch, runs counted as what they run */
    BUFFER_BYTES = 160, /* at most */
    HOSTS = 4,
    CELLS = HOSTS,      /* host memory that host calls write: 8 bytes each */
    STAMPS = HOSTS + 1, /* and timestamps */
    HOST_AREAS,
    HOST_BYTES = 96,
    HOST_WORDS = HOST_BYTES / 8, /* how many cells and stamps */
    WIDE = 24,                   /* bytes of the wide value */
    LABELS = 4,
};

/* Every program has these slots, but few use all of them. */
typedef enum slot_name {
    SLOT_RANGE_16,
    SLOT_RANGE_24,
    SLOT_RANGE_ANY,  /* of arguments only */
    SLOT_RANGE_USED, /* memory that is reached by address: of `uses` only */
    SLOT_HOST_A,
    SLOT_HOST_B,
    SLOT_NUMBER,
    SLOT_WIDE,
    SLOT_ADDRESS, /* of what SLOT_RANGE_USED is given */
    SLOT_GRID,
    SLOT_ENABLED_A,
    SLOT_ENABLED_B,
    SLOTS,
    RANGE_SLOTS = SLOT_HOST_A,
} slot_name;

typedef enum kernel_kind {
    KERNEL_MIX,   /* reads a, changes b, writes c; a number and a wide value */
    KERNEL_SUM,   /* reads a and b, writes c */
    KERNEL_REACH, /* changes b; reads, writes or changes `use`, which it reaches by address */
    KERNEL_KINDS,
} kernel_kind;

/* A range of a buffer, or of what a slot is given. */
typedef struct part {
    int slot, buffer;
    uint32_t offset, size;
    bool given; /* what stands here was a slot, before a nested run gave it a range */
} part;

/* A place in host memory. */
typedef struct pointer {
    int slot, area;
    uint32_t offset;
} pointer;

/* What a run gives for slots. */
typedef struct binding {
    part ranges[RANGE_SLOTS];
    pointer hosts[2];
    uint32_t number, wide, groups[3];
    bool enabled[2];
} binding;

typedef enum command_kind {
    COMMAND_WRITE,
    COMMAND_READ,
    COMMAND_COPY,
    COMMAND_FILL,
    COMMAND_DISPATCH,
    COMMAND_HOST_CALL,
    COMMAND_TIMESTAMP,
    COMMAND_RUN,
    COMMAND_KINDS,
} command_kind;

typedef struct command {
    command_kind kind;
    part a, b, c, use; /* a: dst of write, copy and fill, src of read. b: src of copy. Of a dispatch by its kernel */
    pointer host;      /* of write and read; of a host call what it looks at, `number` bytes */
    uint32_t rows, row_bytes, dst_stride, src_stride; /* rows = 0: not strided */
    bool copied;                                      /* a write */
    uint32_t cell;                                    /* that a host call or a timestamp writes */
    uint32_t number, wide, groups[3];                 /* number: a fill's pattern, a dispatch's value */
    uint32_t pattern_size;
    int kernel, number_slot, wide_slot, groups_slot;
    bool used; /* a dispatch of KERNEL_REACH */
    rlx_access use_access;
    int program; /* of a run */
    binding values;
    int condition; /* the slot, in a recording */
} command;

typedef enum call_kind {
    CALL_STREAM, /* create */
    CALL_BUFFER,
    CALL_KERNEL,
    CALL_ENCODE,
    CALL_SUBMIT, /* makes point `id` */
    CALL_FINISH, /* makes program `id` */
    CALL_DEPEND, /* on point `id` */
    CALL_DISCARD,
    CALL_WAIT, /* for point `id` */
    CALL_WAIT_STREAM,
    CALL_TRANSFER, /* a of `stream` from b of `other`; makes point `id` */
    CALL_POKE,     /* the host changes its memory */
    CALL_RELEASE_STREAM,
    CALL_RELEASE_BUFFER,
    CALL_RELEASE_KERNEL,
    CALL_RELEASE_PROGRAM,
    CALL_KINDS,
} call_kind;

typedef struct call {
    call_kind kind;
    int stream, other, id, device;
    uint32_t flags; /* of a stream */
    uint32_t size;  /* of a buffer; bytes of a poke */
    bool shared;    /* a buffer that the host can address */
    kernel_kind kernel;
    uint32_t seed;     /* of a buffer's first contents, and what the host writes */
    command command;   /* of encode; its a and b of a transfer; its host of a poke */
    rlx_status result; /* what the rules say it returns: set by the model */
} call;

/* What is so all through a case. */
typedef struct traits {
    uint64_t seed;
    bool addresses; /* buffers that the host can address, and kernels that reach memory so */
    bool slow;      /* kernels take their time, so that processors overlap */
} traits;

typedef struct test_case {
    traits is;
    uint32_t count;
    call calls[CALLS];
} test_case;

/* ---- Random numbers (generate.c) ---- */

typedef struct dice {
    uint64_t state;
} dice;

uint32_t dice_below(dice *d, uint32_t limit);
static inline bool dice_one_in(dice *d, uint32_t n) { return dice_below(d, n) == 0; }
/* A byte of a sequence that all know: first contents, host memory, wide values. */
static inline unsigned char byte_of(uint32_t seed, uint32_t i) {
    uint32_t x = (seed + 1) * 2654435761u + i * 40503u;
    return (unsigned char)((x ^ x >> 15) * 2246822519u >> 24);
}

/* ---- Generating, shrinking, printing ---- */

void case_draw(test_case *c, uint64_t seed);

/* Whether a case (still) fails. */
typedef bool (*case_fails)(const test_case *c, void *user);
/* Leaves out whatever is not needed for the case to fail. Ends after about `seconds`. */
void case_shrink(test_case *c, case_fails fails, void *user, double seconds);
void case_print(const test_case *c);

#endif
