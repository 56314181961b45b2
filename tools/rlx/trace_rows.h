/* A trace, sorted: its rows from top to bottom, and the spans of each from left to right. */
#ifndef RLX_TOOL_TRACE_ROWS_H
#define RLX_TOOL_TRACE_ROWS_H

#include "trace_read.h"

typedef struct trace_row {
    uint64_t process, row;
    const char *name; /* "" if it was not told */
    double sort;
    const trace_event **spans; /* by their beginning; of two that begin together, the longer one first */
    size_t count, commands;    /* spans, and those of them that are commands */
} trace_row;

typedef struct trace_rows {
    trace_row *rows;
    size_t count;
    const trace_event **spans; /* of all rows */
    size_t span_count;
    double begin_us, end_us; /* of all spans */
} trace_rows;

/* False when out of memory. Points into the file. */
bool trace_sort(const trace_file *file, trace_rows *rows);
void trace_rows_free(trace_rows *rows);

/* Whether a span is a command that a worker or a device ran, and what it counts as: its kernel, or its kind. */
bool trace_is_command(const trace_event *event);
const char *trace_command_name(const trace_event *event);

#endif
