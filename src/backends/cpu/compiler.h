/* The system's C compiler: which one, and running it. */
#ifndef RLX_CPU_COMPILER_H
#define RLX_CPU_COMPILER_H

#include "cache.h"
#include "text.h"

/* The candidates in their order: $CC, cc, gcc, clang. */
#define RLX_CPU_COMPILERS 4

typedef struct rlx_cpu_compiler {
    const char *name; /* "$CC", "cc" */
    char path[RLX_CPU_PATH_SIZE];
    const char *arguments; /* that $CC has behind the program's name, separated by blanks */
    const char *options;   /* the kernel's, likewise */
} rlx_cpu_compiler;

/* Candidate `index`. False: $CC is not set, or there is no such program; `missing` gets a phrase that says so. */
bool rlx_cpu_compiler_find(uint32_t index, rlx_cpu_environment environment, rlx_cpu_compiler *compiler,
                           rlx_cpu_text *missing);

/* Adds to a key all of it that decides what comes out: the program, its options, variables, the processor. False if the
 * processor is not known well enough to keep what is compiled for it. */
bool rlx_cpu_compiler_key(const rlx_cpu_compiler *compiler, rlx_cpu_environment environment, rlx_cpu_text *key);

typedef enum rlx_cpu_outcome {
    RLX_CPU_COMPILED,
    RLX_CPU_REFUSED,   /* the compiler works, and does not like the source: `said` is its word */
    RLX_CPU_BROKEN,    /* the compiler does not work: `said` tells how */
    RLX_CPU_SLOW,      /* it was stopped after RLX_CPU_COMPILE_S */
    RLX_CPU_NO_MEMORY, /* for its arguments: it was not started */
} rlx_cpu_outcome;

#define RLX_CPU_COMPILE_S 120

/* Compiles FOLDER/kernel.c to a library FOLDER/kernel.so, and lists the files that it included in FOLDER/kernel.d. */
rlx_cpu_outcome rlx_cpu_compile(const rlx_cpu_compiler *compiler, const char *folder, char *said, size_t size);
/* Preprocesses FOLDER/kernel.c to FOLDER/kernel.i. */
rlx_cpu_outcome rlx_cpu_preprocess(const rlx_cpu_compiler *compiler, const char *folder, char *said, size_t size);

/* Lines for rlx_cpu_cache_put from FOLDER/kernel.d. False: it cannot be read, or a file changed since kernel.c was
 * written, so that nobody knows which of its states was compiled. */
bool rlx_cpu_compile_files(const char *folder, rlx_cpu_text *files);

#endif
