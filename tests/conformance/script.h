/* Random commands whose outcome is known: the same commands are worked out on the host, one after another. Streams and
 * programs may overlap them only where nobody can tell (rules 2 and 16), so whatever a device makes of them must be
 * equal. */
#ifndef RLX_CONFORMANCE_SCRIPT_H
#define RLX_CONFORMANCE_SCRIPT_H

#include "conform.h"

typedef struct conform_script conform_script;

/* `count` commands over a few small buffers: nearly all of them depend on others. */
conform_script *conform_script_make(conform_test *t, rlx_device *device, uint32_t count);
/* Puts buffers and host memory into the state in which the first command finds them. */
void conform_script_reset(conform_test *t, conform_script *script);
/* Encodes the commands from `first` to `end` - 1. */
void conform_script_encode(conform_test *t, const conform_script *script, rlx_stream *s, uint32_t first, uint32_t end);
/* All bytes of all buffers and of everything that was read, once all commands have run. */
void conform_script_check(conform_test *t, const conform_script *script);

#endif
