/* Commands that must be refused at encode (rule 1), each with the statuses that it may be refused with. */
#ifndef RLX_CONFORMANCE_REFUSALS_H
#define RLX_CONFORMANCE_REFUSALS_H

#include "conform.h"

#define CONFORM_REFUSALS_SIZE 1024 /* of x and y */

typedef struct conform_refusals {
    rlx_device *other; /* the same device, opened once more */
    rlx_buffer *x, *y; /* x is 0x11 in every byte */
    rlx_buffer *large; /* larger than RLX_COPIED_MAX */
    rlx_buffer *foreign;
    rlx_kernel *affine, *combine, *foreign_affine;
    rlx_program *program, *foreign_program; /* without slots */
    unsigned char *host;                    /* zeroes */
    atomic_uint *calls;
} conform_refusals;

conform_refusals *conform_refusals_make(conform_test *t);
uint32_t conform_refusal_count(void);
/* Encodes number `i` into the stream, and fails the test unless it is refused as it should be, with a message. One that
 * isn't for this device (a limit that it doesn't have) does nothing. */
void conform_refusal_check(conform_test *t, const conform_refusals *r, uint32_t i, rlx_stream *s);

#endif
