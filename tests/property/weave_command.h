/* One command of `weave` and `far`, in two steps: see weave.h. */
#ifndef WEAVE_COMMAND_H
#define WEAVE_COMMAND_H

#include <rlx/backend.h>

typedef struct weave_command weave_command;

/* The first step. `manner`, below 4: when it reads, and when it writes. */
rlx_status weave_command_begin(const rlx_host *host, const rlx_packet *packet, uint32_t manner, weave_command **made);
/* The second one; frees the command. */
rlx_status weave_command_end(const rlx_host *host, weave_command *command);

#endif
