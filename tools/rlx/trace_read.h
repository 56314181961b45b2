/* Reads a trace: a file of JSON as the library writes it under RLX_TRACE, or any other in the format of Perfetto and
 * Chrome. What the words of `rlx trace` do not need is passed over; what is no JSON is refused, with the line. */
#ifndef RLX_TOOL_TRACE_READ_H
#define RLX_TOOL_TRACE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts are kept once for each that differs, so equal ones have one address; "" where there is none. */
typedef struct trace_event {
    char phase;                              /* 'X' a span, 'M' a row's name, 's' and 'f' an arrow's ends; 0: another */
    uint64_t process, row, id;
    double begin_us, length_us;
    const char *name, *category, *kernel, *failed; /* kernel and the rest from the arguments */
    const char *row_name;                    /* args.name, for 'M' */
    double sort, parts, of, bytes, batch, stream;
} trace_event;

typedef struct trace_text trace_text;

typedef struct trace_file {
    trace_event *events; /* in the order of the file */
    size_t count, room;
    trace_text **texts; /* a table by hash */
    size_t text_count, text_room;
    char error[256];
} trace_file;

/* False, with `error` set. Either way trace_close takes back what was taken. */
bool trace_read(const char *path, trace_file *file);
/* The same for a text that ends with a NUL at text[size]. */
bool trace_parse(const char *text, size_t size, trace_file *file);
void trace_close(trace_file *file);

#endif
