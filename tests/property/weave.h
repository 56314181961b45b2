/* Devices that take every liberty that their packets leave them, so that a missing order shows in one run and not in a
 * thousand:
 *
 *     weave   memory that the host can address
 *     far     memory that it can't: packets have places and nothing else
 *
 * All is done by the caller, inside wait, one step at a time; which stream takes the next step, and which of a
 * program's commands, is drawn at random. A command is two steps, with steps of others in between: it may read at the
 * first and write at the second, or do both in either. What a copy, a fill or a write writes to device memory it
 * writes in whole 4-byte words, and the bytes of a word that are none of its own it has read at the first step: rule 14
 * allows just that. Memory that is given back is spoilt.
 *
 * It uses <rlx/backend.h> alone. */
#ifndef WEAVE_H
#define WEAVE_H

#include <rlx/backend.h>

/* Before the first device is opened. */
RLX_CHECKED rlx_status weave_register(void);
/* Of the order from now on. */
void weave_seed(uint64_t seed);

#endif
