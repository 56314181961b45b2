/* From a case's commands to calls that encode them (encode.c), for drive.c. */
#ifndef ENCODE_H
#define ENCODE_H

#include "drive.h"

/* A host call's own: lives as long as the case. */
typedef struct note {
    struct note *next;
    const unsigned char *seen;
    unsigned char *cell;
    uint32_t size;
} note;

/* The handles of a case that is being driven. */
typedef struct world {
    const site *at;
    const model *end;
    rendering rendering;
    rlx_stream *streams[STREAMS], *twins[STREAMS]; /* twins record what their stream would encode */
    rlx_buffer *buffers[BUFFERS];
    rlx_kernel *kernels[KERNELS];
    rlx_program *programs[PROGRAMS];
    rlx_point points[POINTS], last[STREAMS], last_run[PROGRAMS];
    bool runs[STREAMS][PROGRAMS]; /* encoded, and not submitted */
    bool hangs; /* something is still under way, and may use all of this */
    note *notes;
    _Alignas(64) unsigned char hosts[HOST_AREAS][HOST_BYTES];
    char *message; /* empty while all is well */
} world;

/* One command, with slots where it has them, or a run. */
rlx_status encode_command(world *w, rlx_stream *stream, const command *c);
/* The commands of a run, one by one. */
rlx_status encode_each(world *w, rlx_stream *stream, const command *run);

#endif
