/* The text of a trace: records as events of the JSON format that Perfetto and Chrome read.
 *
 *     M  names of rows          X  something that took its time, on a row       s, f  the two ends of an arrow
 *
 * A row is what the format calls a thread, numbered by the trace. Times are microseconds from the trace's beginning, to
 * the nanosecond. A trace is mostly numbers, so they are written by hand: printf would take most of the time.
 *
 * Labels are any bytes. What is no UTF-8 becomes U+FFFD, and what JSON does not want in a string is escaped: six bytes
 * at most for one of the label's, by which RLX_TRACE_LINE_MAX is enough. */
#include "trace.h"

#include <string.h>

/* ---- Pieces ---- */

static inline char *put(char *at, const char *text) { /* of a constant: a few moves */
    size_t length = strlen(text);
    memcpy(at, text, length);
    return at + length;
}

static char *put_number(char *at, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do digits[sizeof digits - ++count] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(at, digits + sizeof digits - count, count);
    return at + count;
}

/* Nanoseconds as microseconds. */
static char *put_time(char *at, uint64_t ns) {
    unsigned rest = (unsigned)(ns % 1000);
    at = put_number(at, ns / 1000);
    *at++ = '.';
    *at++ = (char)('0' + rest / 100);
    *at++ = (char)('0' + rest / 10 % 10);
    *at++ = (char)('0' + rest % 10);
    return at;
}

/* Of what is UTF-8: the lowest code point that needs so many bytes. */
static uint32_t lowest(size_t length) { return length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000; }

/* The bytes of the character that a text of `left` bytes begins with; 0 if it is none in UTF-8. */
static size_t character_size(const unsigned char *text, size_t left) {
    size_t length = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
    if (length < 2 || length > left) return length == 1;
    uint32_t code = text[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (text[i] >> 6 != 2) return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code >= lowest(length) && code <= 0x10ffff && !surrogate ? length : 0;
}

static char *put_escape(char *at, unsigned char c) {
    static const char hex[] = "0123456789abcdef";
    *at++ = '\\';
    if (c == '"' || c == '\\') {
        *at++ = (char)c;
        return at;
    }
    at = put(at, "u00");
    *at++ = hex[c >> 4];
    *at++ = hex[c & 15];
    return at;
}

static char *put_string(char *at, const char *text, size_t size) {
    const unsigned char *from = (const unsigned char *)text;
    *at++ = '"';
    for (size_t i = 0; i < size;) {
        size_t length = character_size(from + i, size - i);
        if (length == 0) {
            at = put(at, "\xef\xbf\xbd");
            i++;
        } else if (from[i] < 0x20 || from[i] == 0x7f || from[i] == '"' || from[i] == '\\') {
            at = put_escape(at, from[i++]);
        } else {
            memcpy(at, from + i, length);
            at += length;
            i += length;
        }
    }
    *at++ = '"';
    return at;
}

/* ---- Events ---- */

/* What the records of one trace have in common. */
typedef struct trace_frame {
    uint64_t process, start_ns;
} trace_frame;

static char *put_named_number(char *at, const char *name, uint64_t number) { return put_number(put(at, name), number); }

static char *put_place(char *at, const trace_frame *frame, const char *phase, uint32_t row, uint64_t ns) {
    at = put(put(at, ",\n{\"ph\":\""), phase);
    at = put_named_number(at, "\",\"pid\":", frame->process);
    at = put_named_number(at, ",\"tid\":", row);
    /* A device's clock may lie a little before the beginning. */
    return put_time(put(at, ",\"ts\":"), ns > frame->start_ns ? ns - frame->start_ns : 0);
}

/* Up to its arguments. Nothing takes less than a nanosecond: viewers bind arrows to what has a length. */
static char *put_span(char *at, const trace_frame *frame, uint32_t row, uint64_t begin_ns, uint64_t end_ns,
                      const char *category) {
    at = put_place(at, frame, "X", row, begin_ns);
    at = put_time(put(at, ",\"dur\":"), end_ns > begin_ns ? end_ns - begin_ns : 1);
    return put(put(put(at, ",\"cat\":\""), category), "\",\"name\":");
}

static const char *label_of(const rlx_trace_record *record) { return (const char *)(record + 1); }

static char *put_label(char *at, const rlx_trace_record *record) {
    return put_string(at, label_of(record), record->text[0]);
}

static char *put_name(char *at, const rlx_trace_record *record) {
    return put_string(at, label_of(record) + record->text[0], record->text[1]);
}

/* Red in viewers that know the word, and said in words. */
static char *put_failure(char *at, rlx_status status) {
    if (!status) return at;
    const char *text = rlx_status_text(status);
    at = put_string(put(at, ",\"failed\":"), text, strlen(text));
    return at;
}

static char *put_end(char *at, rlx_status status) { return put(at, status ? "},\"cname\":\"terrible\"}" : "}}"); }

static const char *packet_name(uint8_t kind) {
    switch ((rlx_packet_kind)kind) {
    case RLX_PACKET_COPY: return "copy";
    case RLX_PACKET_FILL: return "fill";
    case RLX_PACKET_WRITE: return "write";
    case RLX_PACKET_READ: return "read";
    case RLX_PACKET_DISPATCH: return "dispatch";
    case RLX_PACKET_HOST_CALL: return "host call";
    case RLX_PACKET_TIMESTAMP: return "timestamp";
    case RLX_PACKET_RUN: return "run";
    case RLX_PACKET_JOIN: return "join";
    }
    return "command";
}

static char *put_row(char *at, const trace_frame *frame, const rlx_trace_record *record) {
    /* User threads first, then streams, workers, queues: by kind, and as they came. */
    uint64_t place = (uint64_t)record->what * 1000000 + record->row;
    at = put_named_number(at, ",\n{\"ph\":\"M\",\"pid\":", frame->process);
    at = put_named_number(at, ",\"tid\":", record->row);
    at = put_label(put(at, ",\"name\":\"thread_name\",\"args\":{\"name\":"), record);
    at = put_named_number(at, "}},\n{\"ph\":\"M\",\"pid\":", frame->process);
    at = put_named_number(at, ",\"tid\":", record->row);
    return put(put_named_number(at, ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":", place), "}}");
}

static char *put_command(char *at, const trace_frame *frame, const rlx_trace_record *record) {
    const char *kind = packet_name(record->what);
    at = put_span(at, frame, record->row, record->begin_ns, record->end_ns, kind);
    if (record->text[0]) at = put_label(at, record);
    else if (record->text[1]) at = put_name(at, record);
    else at = put_string(at, kind, strlen(kind));
    at = put_named_number(at, ",\"args\":{\"command\":", record->command.index);
    if (record->stream) at = put_named_number(at, ",\"stream\":", record->stream);
    if (record->text[1]) at = put_name(put(at, ",\"kernel\":"), record);
    if (record->what == RLX_PACKET_DISPATCH) {
        at = put_named_number(at, ",\"groups\":[", record->command.groups[0]);
        at = put_named_number(at, ",", record->command.groups[1]);
        at = put(put_named_number(at, ",", record->command.groups[2]), "]");
    }
    if (record->command.bytes) at = put_named_number(at, ",\"bytes\":", record->command.bytes);
    if (record->command.of) {
        at = put_named_number(at, ",\"parts\":", record->command.parts);
        at = put_named_number(at, ",\"of\":", record->command.of);
    }
    return put_end(put_failure(at, record->status), record->status);
}

static char *put_call(char *at, const trace_frame *frame, const rlx_trace_record *record) {
    at = put_span(at, frame, record->row, record->begin_ns, record->end_ns, "call");
    at = put_name(put(put_label(at, record), ",\"args\":{\"of\":"), record);
    return put_end(put_failure(at, record->status), record->status);
}

static char *put_point_call(char *at, const trace_frame *frame, const rlx_trace_record *record, const char *name) {
    at = put_span(at, frame, record->row, record->begin_ns, record->end_ns, name);
    at = put(put(put(at, "\""), name), "\",\"args\":{\"stream\":");
    at = put_named_number(put_number(at, record->stream), ",\"batch\":", record->call.value);
    if (record->call.commands) at = put_named_number(at, ",\"commands\":", record->call.commands);
    if (record->call.points > 1) at = put_named_number(at, ",\"points\":", record->call.points);
    return put_end(put_failure(at, record->status), record->status);
}

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

static char *put_batch_number(char *at, const rlx_trace_record *record) {
    return put_named_number(at, ",\"args\":{\"batch\":", record->batch.value);
}

/* What the stream did since the batch before: held, then queued, then it ran. A batch that was dropped or had nothing
 * in it never ran, and shows as an instant. */
static char *put_batch(char *at, const trace_frame *frame, const rlx_trace_record *record) {
    enum { QUEUED_LEAST_NS = 1000 }; /* less is no more than how fast we are */
    uint64_t free_ns = record->batch.before_ns;
    uint64_t held_ns = later(record->batch.submitted_ns, free_ns), handed_ns = later(record->batch.handed_ns, free_ns);
    if (record->what && handed_ns > held_ns) {
        at = put_span(at, frame, record->row, held_ns, handed_ns, "held");
        at = put(put_batch_number(put(at, "\"held\""), record), "}}");
    }
    if (record->begin_ns > handed_ns + QUEUED_LEAST_NS) {
        at = put_span(at, frame, record->row, handed_ns, record->begin_ns, "queued");
        at = put(put_batch_number(put(at, "\"queued\""), record), "}}");
    }
    at = put_span(at, frame, record->row, record->begin_ns, record->end_ns, "batch");
    at = record->text[0] ? put_label(at, record) : put(at, "\"batch\"");
    at = put_named_number(put_batch_number(at, record), ",\"commands\":", record->batch.commands);
    return put_end(put_failure(at, record->status), record->status);
}

static char *put_arrow_end(char *at, const rlx_trace_record *record, const char *more) {
    at = put_named_number(at, ",\"id\":", record->depend.id);
    return put(put(at, ",\"cat\":\"depend\",\"name\":\"depend\""), more);
}

static char *put_depend(char *at, const trace_frame *frame, const rlx_trace_record *record) {
    at = put_place(at, frame, "s", record->depend.from, record->begin_ns);
    at = put_arrow_end(at, record, "}");
    at = put_place(at, frame, "f", record->row, record->end_ns);
    return put_arrow_end(at, record, ",\"bp\":\"e\"}");
}

char *rlx_trace_write(char *at, const rlx_trace_record *record, uint64_t process, uint64_t start_ns) {
    const trace_frame frame = { process, start_ns };
    switch ((rlx_trace_kind)record->kind) {
    case RLX_TRACE_ROW: return put_row(at, &frame, record);
    case RLX_TRACE_COMMAND: return put_command(at, &frame, record);
    case RLX_TRACE_SUBMIT: return put_point_call(at, &frame, record, "submit");
    case RLX_TRACE_WAIT: return put_point_call(at, &frame, record, "wait");
    case RLX_TRACE_CALL: return put_call(at, &frame, record);
    case RLX_TRACE_BATCH: return put_batch(at, &frame, record);
    case RLX_TRACE_DEPEND: return put_depend(at, &frame, record);
    case RLX_TRACE_WRITE:
        at = put_span(at, &frame, record->row, record->begin_ns, record->end_ns, "trace");
        return put(at, "\"trace written\",\"args\":{}}");
    }
    return at;
}

char *rlx_trace_write_head(char *at, const char *process_name, uint64_t process) {
    at = put(at, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"library\":\"rlx ");
    at = put_number(at, RLX_VERSION_MAJOR);
    at = put_named_number(at, ".", RLX_VERSION_MINOR);
    at = put(put_named_number(at, ".", RLX_VERSION_PATCH), "\"},\"traceEvents\":[\n");
    at = put_named_number(at, "{\"ph\":\"M\",\"pid\":", process);
    at = put_string(put(at, ",\"name\":\"process_name\",\"args\":{\"name\":"), process_name, strlen(process_name));
    return put(at, "}}");
}
