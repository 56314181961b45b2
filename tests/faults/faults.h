/* What the parts of rlx-faults share. It is linked to the library with failpoints, sees the conformance suite from
 * inside, and wraps the functions that make and drop objects (objects.c). */
#ifndef RLX_FAULTS_H
#define RLX_FAULTS_H

#include <rlx/driver.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- objects.c: what a test that was left in the middle has forgotten to release ---- */

/* Releases all objects that are still held; how many there were. */
uint32_t objects_drop(void);
/* Whether a call, or the failure of a stream, has told the suite that there is no memory. */
bool objects_told(void);

/* ---- work.c: the proof that a device still works ---- */

/* Writes, runs a kernel eagerly and as a program, reads back, compares. False with the reason in `text`. */
bool work_on(rlx_device *device, char *text, size_t size);

/* Lets the library forget the failures that it remembers, by more of them: then what is left of it in memory does not
 * tell how many calls have failed before. */
bool forget_failures(char *text, size_t size);

#endif
