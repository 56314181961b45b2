/* A text that grows: for sources, keys and lists of arguments. Running out of memory is noticed once, at the end. */
#ifndef RLX_CPU_TEXT_H
#define RLX_CPU_TEXT_H

#include <rlx/backend.h>

typedef struct rlx_cpu_text {
    char *data; /* NUL-terminated once something was added; NULL before */
    size_t length, room;
    bool failed; /* something did not fit into memory */
} rlx_cpu_text;

void rlx_cpu_text_add(rlx_cpu_text *text, const void *bytes, size_t length);
void rlx_cpu_text_print(rlx_cpu_text *text, const char *format, ...) RLX_PRINTF(2, 3);
void rlx_cpu_text_clear(rlx_cpu_text *text); /* frees it; it is empty and can be used again */

#endif
