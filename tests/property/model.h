/* The model: what a case's calls do, worked out from the rules of docs/design.md and the words of rlx/driver.h, one
 * after the other on plain arrays.
 *
 * TIME. Each stream, and the host, has a clock that counts its commands; a vector of all clocks says how much of each
 * has happened before something (Lamport; Mattern's vector clocks). A command comes after those before it in its
 * stream, after the points that its batch depends on, after what the host had waited for when it was submitted, and, if
 * it is a run, after the last run of its program (rule 16). Each byte of host memory and each 4-byte word of a buffer
 * (rule 14) knows when it was last read and written by each stream. What meets another access that is not before it is
 * a race, and has no place in a case.
 *
 * So the log's order of submits is one of the orders that are allowed, and all of them lead to the same bytes. */
#ifndef MODEL_H
#define MODEL_H

#include "case.h"

enum { CLOCKS = STREAMS + 1, HOST_CLOCK = STREAMS };

typedef struct instant {
    uint32_t at[CLOCKS];
} instant;

/* When something was last touched by each stream. */
typedef struct touched {
    uint32_t read[CLOCKS], written[CLOCKS];
} touched;

/* Commands in order. In a recording nested runs are replaced by what they run; conditions and slots are still open. */
typedef struct commands {
    uint32_t count;
    command list[COMMANDS];
} commands;

typedef struct model_stream {
    bool exists, alive, records;
    int device;
    instant now; /* after the last command submitted; at[own] counts */
    instant depends;
    bool any_depends;
    commands pending;
} model_stream;

typedef struct model_buffer {
    bool exists, alive, shared;
    int device;
    uint32_t size;
    bool recorded; /* some program uses it */
    unsigned char bytes[BUFFER_BYTES];
    touched words[BUFFER_BYTES / 4];
} model_buffer;

typedef struct model_kernel {
    bool exists, alive, recorded;
    int device;
    kernel_kind kind;
} model_kernel;

typedef struct model_program {
    bool exists, alive;
    int device;
    bool uses[SLOTS];
    bool argument[RANGE_SLOTS]; /* used as an argument: its offset is aligned */
    instant last_run;
    commands body;
} model_program;

typedef struct model_point {
    bool exists;
    instant when;
} model_point;

/* What cases were about, for the test to know that it tests. */
typedef struct tally {
    uint64_t calls[CALL_KINDS], commands[COMMAND_KINDS]; /* commands: that were run */
    uint64_t bound, skipped, refused, nested, strided, released_in_use, crossing;
} tally;

typedef struct model {
    instant host;
    model_stream streams[STREAMS];
    model_buffer buffers[BUFFERS];
    model_kernel kernels[KERNELS];
    model_program programs[PROGRAMS];
    model_point points[POINTS];
    unsigned char hosts[HOST_AREAS][HOST_BYTES];
    touched host_bytes[HOST_AREAS][HOST_BYTES];
    uint64_t stamp_order[HOST_WORDS]; /* 0: never taken. Of one stream they rise */
    int stamp_stream[HOST_WORDS];
    uint64_t stamps;
    tally tally;
} model;

void model_open(model *m);
/* Obeys a call and sets its result. False: the call has no meaning here, and nothing has changed. */
bool model_apply(model *m, call *c);
/* Applies all calls and drops those without meaning. */
void model_replay(model *m, test_case *c);

static inline bool same_device(const model *m, int stream, int buffer) {
    return m->buffers[buffer].exists && m->buffers[buffer].device == m->streams[stream].device;
}

/* ---- Accesses (effect.c) ---- */

typedef struct access {
    bool host, write;
    int id;              /* of the buffer, or the host area */
    uint32_t begin, end; /* bytes */
} access;

enum { ACCESSES = 32 };

/* Every byte that a command without open slots touches: each row by itself. */
uint32_t command_accesses(const model *m, const command *c, access list[ACCESSES]);
/* Does to the model's bytes what the command does to the device's. */
void command_perform(model *m, const command *c, int stream);

/* Puts a run's values into a command. False: it is not run (a condition is off, or the grid empty). Slots whose value
 * is a slot of an outer recording stay open. */
bool command_bind(command *c, const binding *v);
/* Whether the command moves no byte: zero-size ranges, an empty grid. */
bool command_is_empty(const command *c);
/* From the first byte to the last, on either side. */
uint32_t rows_span(const command *c, bool dst);

/* ---- Order (order.c) ---- */

void instant_join(instant *to, const instant *other);
/* Whether the access at `when`, by clock `own`, meets one that is not before it. */
bool order_races(const model *m, const access *a, const instant *when, int own);
void order_note(model *m, const access *a, const instant *when, int own);
/* Whether work that the host has not waited for may use it. */
bool order_busy(const model *m, const access *a);

/* ---- What is refused (judge.c) ---- */

typedef enum verdict { VERDICT_FINE, VERDICT_ALIAS, VERDICT_OPEN } verdict;

/* Rule 15, as far as ranges are known. */
bool dispatch_aliases(const model *m, const command *c);
/* A run of these commands with these values. OPEN: the rules allow both answers. */
verdict judge_run(const model *m, const commands *body, const binding *v);

#endif
