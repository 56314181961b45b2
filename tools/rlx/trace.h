/* The words of `rlx trace`: each gets a trace that was read and sorted. */
#ifndef RLX_TOOL_TRACE_H
#define RLX_TOOL_TRACE_H

#include "trace_rows.h"

/* What happened, in tables, or as JSON: on standard output. An exit code of tool.h. */
int trace_summarize(const trace_file *file, const trace_rows *rows, bool as_json);
/* A picture, in SVG, on standard output, from `from_us` behind the beginning of the trace and for so long. */
int trace_draw(const trace_file *file, const trace_rows *rows, double from_us, double for_us);

#endif
