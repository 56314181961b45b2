/* Failures in words, and what the loss of a device means.
 *
 * A backend says which packets failed, or only that a batch did; the core adds what it knows: the device, the batch,
 * the commands' numbers and labels, whether that is exact, and what helps (rule 5). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stream.h"

#define NAME_MAX_SHOWN 32 /* bytes of a label or a kernel's name in a message: what happened has to fit, too */

/* Where a text of more than `most` bytes can be cut: not within a UTF-8 sequence. */
static size_t cut(const char *text, size_t most) {
    size_t end = strnlen(text, most + 1);
    if (end <= most) return end;
    for (end = most; end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80;) end--;
    return end;
}

/* Appends to a text of `size`, cut if need be. */
static RLX_PRINTF(3, 4) void add(char *text, size_t size, const char *format, ...) {
    char piece[1024];
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (used + 1 >= size) return;
    size_t length = cut(piece, size - used - 1);
    memcpy(text + used, piece, length);
    text[used + length] = '\0';
}

static void keep(char *to, size_t size, const char *from) {
    to[0] = '\0';
    if (from) add(to, size, "%s", from);
}

static const char *kernel_of(const rlx_packet *packet) {
    if (packet->kind != RLX_PACKET_DISPATCH) return NULL;
    return ((const rlx_packet_dispatch *)packet)->info->name;
}

static const char *kind_name(const rlx_packet *packet) {
    static const char *const names[] = { "command",  "copy",      "fill",      "write", "read",
                                         "dispatch", "host call", "timestamp", "run" };
    return packet->kind < sizeof names / sizeof *names ? names[packet->kind] : names[0];
}

/* " of kernel 'matmul'" */
static void add_name(char *text, size_t size, const char *what, const char *name) {
    size_t length = cut(name, NAME_MAX_SHOWN);
    add(text, size, "%s '%.*s%s'", what, (int)length, name, name[length] ? "..." : "");
}

/* "dispatch 'qkv' of kernel 'matmul'" */
static void add_packet(char *text, size_t size, const rlx_packet *packet) {
    add(text, size, "%s", kind_name(packet));
    if (packet->label) add_name(text, size, "", packet->label);
    if (kernel_of(packet)) add_name(text, size, " of kernel", kernel_of(packet));
}

static const char *help_text(rlx_help help) {
    switch (help) {
    case RLX_HELP_REOPEN: return "; open the device again: that gives a new one";
    case RLX_HELP_NEW_PROCESS: return "; this process can no longer use the device: start a new one";
    case RLX_HELP_NONE: break;
    }
    return "; rlx_stream_recover makes the stream usable again";
}

/* The packets that the fault names, or those of the slice. */
static void find_packets(const rlx_fault *fault, const rlx_fault_place *place, const rlx_packet **first,
                         const rlx_packet **last) {
    *first = fault->first ? fault->first : place->first;
    *last = fault->first ? (fault->last ? fault->last : fault->first) : *first;
    for (uint64_t i = 1; !fault->first && *first && i < place->count && (*last)->next; i++) *last = (*last)->next;
    *first = rlx_validate_subject(*first);
    *last = rlx_validate_subject(*last);
}

/* What to do stands at the end, and must not be what is cut. */
static void describe(rlx_failure *failure, const rlx_stream *stream, const rlx_fault *fault, const rlx_packet *first,
                     const rlx_packet *last, rlx_help help) {
    char *text = failure->message, end[160] = "";
    if (failure->vendor_code) add(end, sizeof end, " (code %lld)", (long long)failure->vendor_code);
    add(end, sizeof end, "%s", help_text(help));
    size_t size = sizeof failure->message - strlen(end);
    add(text, size, "%s:", failure->device);
    if (stream->label[0]) add_name(text, size, " stream", stream->label), add(text, size, ",");
    add(text, size, " batch %llu, ", (unsigned long long)failure->batch);
    if (failure->exact) {
        add(text, size, "command %llu", (unsigned long long)failure->first_command);
        if (first) add(text, size, " ("), add_packet(text, size, first), add(text, size, ")");
    } else {
        add(text, size, "commands %llu to %llu in flight", (unsigned long long)failure->first_command,
            (unsigned long long)failure->last_command);
        if (first && last)
            add(text, size, " ("), add_packet(text, size, first), add(text, size, " .. "), add_packet(text, size, last),
                add(text, size, ")");
    }
    if (fault->inner) {
        add(text, size, ", command %u of the program (", fault->inner->index);
        add_packet(text, size, fault->inner);
        add(text, size, ")");
    }
    add(text, size, ": %s", fault->message[0] ? fault->message : rlx_status_text(failure->status));
    add(text, sizeof failure->message, "%s", end);
}

/* A kernel can return anything, and what is no error would read as if the point were to complete later. */
static bool is_error(rlx_status status) {
    switch (status) {
#define ERROR_CASE(name, number, text) \
    case name: return number >= RLX_ERROR_INVALID;
        RLX_STATUS_TABLE(ERROR_CASE)
#undef ERROR_CASE
    }
    return false;
}

void rlx_fault_quote(rlx_fault *fault) {
    if (fault->status && !fault->message[0]) keep(fault->message, sizeof fault->message, rlx_error_aside());
}

rlx_failure_record *rlx_fault_record(const rlx_stream *stream, const rlx_fault *reported,
                                     const rlx_fault_place *place) {
    rlx_fault own = *reported;
    const rlx_fault *fault = &own;
    bool found = stream->checks && rlx_validate_fault(place->first, place->count, &own);
    rlx_failure failure = { .status = fault->status, .batch = place->value, .vendor_code = fault->vendor_code };
    if (!is_error(failure.status)) {
        failure.status = RLX_ERROR_KERNEL;
        if (!failure.vendor_code) failure.vendor_code = (int32_t)fault->status;
    }
    const rlx_packet *first, *last;
    find_packets(fault, place, &first, &last);
    failure.first_command = first ? first->index : place->index;
    failure.last_command = last ? last->index : place->count ? place->index + place->count - 1 : place->index;
    failure.exact = failure.first_command == failure.last_command;
    const rlx_packet *named = rlx_lie("failures-are-nameless") ? NULL : fault->inner ? fault->inner : first;
    keep(failure.label, sizeof failure.label, named ? named->label : NULL);
    keep(failure.kernel, sizeof failure.kernel, named ? kernel_of(named) : NULL);
    keep(failure.device, sizeof failure.device, stream->device->name);
    rlx_help help = fault->status != RLX_ERROR_DEVICE_LOST ? RLX_HELP_NONE
                    : fault->help                          ? fault->help
                                                           : RLX_HELP_REOPEN;
    describe(&failure, stream, fault, first, last, help);
    if (found) rlx_note(RLX_LOG_ERROR, "%s", failure.message);
    return rlx_failure_record_create(stream->timeline, &failure, help);
}

void rlx_device_count_failure(rlx_device *device, const rlx_failure_record *record) {
    rlx_lock(&device->lock);
    if (!device->health.failures++) device->health.first = record->failure;
    if (record->failure.status == RLX_ERROR_DEVICE_LOST && !device->health.status && !rlx_lie("lost-but-healthy")) {
        device->health.status = RLX_ERROR_DEVICE_LOST;
        device->health.help = record->help;
    }
    rlx_unlock(&device->lock);
}

/* The first point of the stream that has neither completed nor failed yet fails, and all after it. */
static void lose_stream(rlx_stream *stream, rlx_failure_record *record) {
    rlx_lock(&stream->timeline->lock);
    uint64_t first = rlx_timeline_sound(stream->timeline, atomic_load(&stream->timeline->completed) + 1);
    if (first) rlx_timeline_fail(stream->timeline, first, record);
    rlx_unlock(&stream->timeline->lock);
    if (stream->device->polled) rlx_stream_give_up(stream);
    rlx_stream_kick(stream);
}

void rlx_device_lose(rlx_device *device, rlx_failure_record *record) {
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong(&device->lost, &none, (uint32_t)record->help + 1)) return;
    /* The list can change while a stream is dealt with, so each round takes the first one that was not yet: streams
     * made from now on find the device lost. */
    for (;;) {
        rlx_lock(&device->lock);
        rlx_stream *stream = device->streams;
        while (stream && (stream->lost || !rlx_object_try_retain(&stream->object))) stream = stream->device_next;
        if (stream) stream->lost = true;
        rlx_unlock(&device->lock);
        if (!stream) return;
        lose_stream(stream, record);
        rlx_object_release(&stream->object);
    }
}
