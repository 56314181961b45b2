/* Which processor this is. */
#ifndef RLX_PROCESSOR_H
#define RLX_PROCESSOR_H

#include <stddef.h>

/* The name by which code generators know the architecture: "x86-64", "aarch64". Static. */
const char *rlx_processor_architecture(void);

/* The model, for people. "" where the system does not say. */
void rlx_processor_name(char *name, size_t size);

/* All that decides which instructions it has: two processors with the same text run the same code. "" where the system
 * does not say. Cut to `size`. */
void rlx_processor_identity(char *text, size_t size);

/* The option by which gcc and clang use all of its instructions. NULL where there is none. Static. */
const char *rlx_processor_compiler_option(void);

#endif
