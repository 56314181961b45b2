/* Validation: finding what a program does against the contract, where the contract leaves it undefined.
 *
 * THE IDEA. Between any two commands of a batch the core puts a check: a host call of its own. Every device runs those
 * in order with the commands around them, so at a check nothing of the stream is under way, the one before has ended,
 * and the next has not begun. A check ends what was watched of the one, and looks at what the next is about to do:
 *
 *     encode -> c0 c1 --submit--> [before c0] c0 [after c0, before c1] c1 [after c1]
 *
 * A check that finds something returns an error, and so fails the batch as any host call can: on every backend, with
 * nothing for it to know. fault.c then tells of the command that the check is about instead of the check. Nothing is
 * done where commands are encoded but for what only that moment knows (validate_encode.c), and nothing at all when
 * validation is off: `checks` are NULL then, and that is asked once for each call at most.
 *
 * PROGRAMS. The backend prepares no graph of them: each run is put into the batch command by command, as it is on
 * devices that prepare none, and is checked there like anything else.
 *
 * WHAT IS LOOKED FOR
 *
 *     never written    Each byte of each buffer has a bit: has anything been stored there? WRITE, FILL and a
 *                      dispatch's written arguments set it before they run, so after a failure what they may have
 *                      left counts. COPY carries the bits along, as copying what is undefined is no mistake: padding
 *                      is copied. Using it is: a dispatch that declares to read a range of which a byte was never
 *                      written (declared access is the truth, rule 15), a READ to the host. Any device; an eighth of
 *                      the memory of its buffers.
 *     kernels          What a dispatch may not write is copied before it and compared after it: arguments and uses that
 *                      it only reads, values, and what lies beside its written arguments in their buffers. Blocks are
 *                      larger than buffers by a guard at either end. Devices with RLX_BACKEND_HOST_MEMORY; for each
 *                      stream as much memory as its largest dispatch reads.
 *     borrowed         A WRITE's source is digested when it is encoded and when it has been read. Any device.
 *     two threads      Each encoding call marks the stream with its thread. Any device.
 *     alive            A device counts the user's references and knows its objects. Any device.
 *
 * WHAT IS RIGHT MUST PASS. Streams run at once: what another one writes meanwhile, and says so, is no kernel's overrun
 * (validate_kernel.c). Memory that the host can write unseen counts as written. What a host call or a READ may have
 * changed is no borrowed memory that changed by itself. In doubt nothing is said.
 *
 * MEMORY that a check needs and does not get fails the batch, too: RLX_ERROR_OUT_OF_MEMORY. */
#include "validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stream.h"

/* ---- On or off ---- */

static bool wanted(const rlx_device_desc *desc) {
    if (desc->validation != RLX_VALIDATION_DEFAULT) return desc->validation == RLX_VALIDATION_ON;
    const char *value = rlx_environment("RLX_VALIDATE");
    return value && strcmp(value, "0") != 0;
}

rlx_status rlx_validate_open(rlx_device *device, const rlx_device_desc *desc) {
    if ((uint32_t)desc->validation > RLX_VALIDATION_OFF)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_device_desc.validation: %d is no level of validation",
                        (int)desc->validation);
    if (!wanted(desc)) return RLX_OK;
    rlx_device_checks *checks = rlx_allocate(sizeof *checks);
    if (!checks) return rlx_fail_memory("a device's validation");
    checks->guards = (device->backend.flags & RLX_BACKEND_HOST_MEMORY) != 0;
    atomic_init(&checks->users, 1);
    device->checks = checks;
    return RLX_OK;
}

void rlx_validate_close(rlx_device *device) {
    rlx_device_checks *checks = device->checks;
    if (!checks) return;
    for (rlx_host_block *block = checks->host_blocks, *next; block; block = next) {
        next = block->next;
        rlx_free(block);
    }
    rlx_free(checks->buffers);
    rlx_free(checks);
}

rlx_status rlx_validate_stream_open(rlx_stream *stream) {
    rlx_device_checks *checks = stream->device->checks;
    rlx_stream_checks *made = rlx_allocate(sizeof *made);
    if (!made) return rlx_fail_memory("a stream's validation");
    made->device = checks;
    stream->checks = made;
    rlx_lock(&checks->lock);
    made->next = checks->streams;
    if (made->next) made->next->previous = made;
    checks->streams = made;
    rlx_unlock(&checks->lock);
    return RLX_OK;
}

void rlx_validate_stream_close(rlx_stream *stream) {
    rlx_device_checks *checks = stream->device->checks;
    rlx_stream_checks *own = stream->checks;
    if (!own) return;
    rlx_lock(&checks->lock);
    *(own->previous ? &own->previous->next : &checks->streams) = own->next;
    if (own->next) own->next->previous = own->previous;
    rlx_unlock(&checks->lock);
    rlx_free(own->kept);
    rlx_free(own->copies);
    rlx_free(own);
}

/* ---- Findings ---- */

rlx_status rlx_finding_set(rlx_finding *finding, rlx_status status, const rlx_packet *packet, const char *format, ...) {
    if (finding->status) return finding->status;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
    finding->packet = packet;
    return finding->status = status;
}

const char *rlx_buffer_name(const rlx_buffer *buffer, char text[64]) {
    const char *label = buffer->properties.label;
    if (label[0]) snprintf(text, 64, "buffer '%.40s'", label);
    else snprintf(text, 64, "a buffer of %llu bytes", (unsigned long long)buffer->size);
    return text;
}

/* ---- Before a command, and after it ---- */

static rlx_status unwritten(const rlx_step *step, const char *what, rlx_spot spot, uint64_t first) {
    char name[64];
    return rlx_finding_set(
        step->finding, RLX_ERROR_VALIDATION, step->packet,
        "%s reads byte %llu of %s (byte %llu of the range), which nothing has written: fill it first, "
        "or take only what is needed",
        what, (unsigned long long)(spot.offset + first), rlx_buffer_name(spot.buffer, name), (unsigned long long)first);
}

/* First all reads, then all writes: of what is read and written, the bits before count. Under checks->lock, as are the
 * other three. */
static rlx_status dispatch_bits(const rlx_step *step) {
    const rlx_device_checks *checks = step->stream->device;
    rlx_touched touched;
    rlx_spot spot;
    for (uint32_t i = 0; rlx_step_touches(step, i, &touched); i++) {
        if (touched.access == RLX_VALUE || touched.access == RLX_WRITE || !touched.size) continue;
        if (!rlx_spot_find(checks, &touched.place, &spot)) continue;
        uint64_t first = rlx_spot_written(spot, touched.size);
        char name[24];
        if (first < touched.size) return unwritten(step, rlx_touched_name(&touched, name), spot, first);
    }
    for (uint32_t i = 0; rlx_step_touches(step, i, &touched); i++)
        if ((touched.access == RLX_WRITE || touched.access == RLX_READ_WRITE) &&
            rlx_spot_find(checks, &touched.place, &spot)) {
            rlx_spot_write(spot, touched.size);
            step->stream->exposed |= spot.buffer->checks->exposed;
        }
    return RLX_OK;
}

/* The place `bytes` further, which can be backwards. */
static rlx_spot spot_at(rlx_spot spot, uint64_t row, int64_t stride) {
    spot.offset += row * (uint64_t)stride;
    return spot;
}

static void write_bits(const rlx_step *step, const rlx_place *place, uint64_t rows, uint64_t bytes, int64_t stride) {
    rlx_spot spot;
    if (!rlx_spot_find(step->stream->device, place, &spot)) return;
    step->stream->exposed |= spot.buffer->checks->exposed;
    for (uint64_t i = 0; i < rows; i++) rlx_spot_write(spot_at(spot, i, stride), bytes);
}

static void copy_bits(const rlx_step *step, const rlx_packet_copy *copy) {
    const rlx_device_checks *checks = step->stream->device;
    rlx_spot dst, src;
    if (!rlx_spot_find(checks, &copy->dst, &dst) || !rlx_spot_find(checks, &copy->src, &src)) return;
    step->stream->exposed |= dst.buffer->checks->exposed;
    for (uint64_t i = 0; i < copy->rows; i++)
        rlx_spot_copy(spot_at(dst, i, copy->dst_stride), spot_at(src, i, copy->src_stride), copy->row_bytes);
}

static rlx_status read_bits(const rlx_step *step, const rlx_packet_host_copy *copy) {
    rlx_spot spot;
    if (!rlx_spot_find(step->stream->device, &copy->device, &spot)) return RLX_OK;
    for (uint64_t i = 0; i < copy->rows; i++) {
        rlx_spot row = spot_at(spot, i, copy->device_stride);
        uint64_t first = rlx_spot_written(row, copy->row_bytes);
        if (first < copy->row_bytes) return unwritten(step, "it", row, first);
    }
    return RLX_OK;
}

static rlx_status before(const rlx_step *step) {
    rlx_device_checks *checks = step->stream->device;
    const rlx_packet *packet = step->packet;
    rlx_status status = RLX_OK;
    step->stream->exposed = false;
    rlx_lock(&checks->lock);
    switch ((rlx_packet_kind)packet->kind) {
    case RLX_PACKET_COPY: copy_bits(step, (const rlx_packet_copy *)packet); break;
    case RLX_PACKET_FILL: {
        const rlx_packet_fill *fill = (const rlx_packet_fill *)packet;
        write_bits(step, &fill->dst, fill->rows, fill->row_bytes, fill->stride);
        break;
    }
    case RLX_PACKET_WRITE: {
        const rlx_packet_host_copy *write = (const rlx_packet_host_copy *)packet;
        write_bits(step, &write->device, write->rows, write->row_bytes, write->device_stride);
        break;
    }
    case RLX_PACKET_READ:
        if (!step->transfer) status = read_bits(step, (const rlx_packet_host_copy *)packet);
        break;
    case RLX_PACKET_DISPATCH: status = dispatch_bits(step); break;
    case RLX_PACKET_HOST_CALL: step->stream->exposed = true; break;
    case RLX_PACKET_TIMESTAMP:
    case RLX_PACKET_RUN: /* no program is prepared */
    case RLX_PACKET_JOIN: break;
    }
    if (!status && checks->guards) rlx_validate_writes(step->stream, step);
    rlx_unlock(&checks->lock);
    if (step->stream->exposed) rlx_validate_host_called();
    if (!status && checks->guards && packet->kind == RLX_PACKET_DISPATCH) status = rlx_validate_kernel_before(step);
    return status;
}

static rlx_status after(const rlx_step *step) {
    rlx_device_checks *checks = step->stream->device;
    rlx_status status = RLX_OK;
    switch ((rlx_packet_kind)step->packet->kind) {
    case RLX_PACKET_DISPATCH: status = checks->guards ? rlx_validate_kernel_after(step) : RLX_OK; break;
    case RLX_PACKET_WRITE: status = rlx_validate_source_after(step); break;
    case RLX_PACKET_READ: rlx_validate_host_written((const rlx_packet_host_copy *)step->packet); break;
    case RLX_PACKET_HOST_CALL:
    case RLX_PACKET_COPY:
    case RLX_PACKET_FILL:
    case RLX_PACKET_TIMESTAMP:
    case RLX_PACKET_RUN:
    case RLX_PACKET_JOIN: break;
    }
    if (step->stream->exposed) rlx_validate_host_called();
    if (!checks->guards) return status;
    rlx_lock(&checks->lock);
    rlx_validate_writes(step->stream, NULL);
    rlx_unlock(&checks->lock);
    return status;
}

/* The host call. After a command that failed no check of its batch may have run: what was under way then is forgotten
 * by the first check of another batch, before which there is nothing. */
static rlx_status run_step(void *user) {
    const rlx_step *step = user;
    rlx_stream_checks *stream = step->stream;
    const rlx_step *last = stream->running;
    rlx_status status = RLX_OK;
    stream->running = NULL;
    if (last && step->before) status = after(last);
    if (!status && step->packet) {
        status = before(step);
        if (!status) stream->running = step;
    }
    return status;
}

/* ---- Into a batch ---- */

/* The backend's block begins before the buffer. */
static void shift_places(rlx_packet *packet) {
    switch ((rlx_packet_kind)packet->kind) {
    case RLX_PACKET_COPY:
        ((rlx_packet_copy *)packet)->dst.offset += RLX_GUARD;
        ((rlx_packet_copy *)packet)->src.offset += RLX_GUARD;
        break;
    case RLX_PACKET_FILL: ((rlx_packet_fill *)packet)->dst.offset += RLX_GUARD; break;
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ: ((rlx_packet_host_copy *)packet)->device.offset += RLX_GUARD; break;
    case RLX_PACKET_DISPATCH: /* where there are guards, arguments have addresses and no places */
    case RLX_PACKET_HOST_CALL:
    case RLX_PACKET_TIMESTAMP:
    case RLX_PACKET_RUN:
    case RLX_PACKET_JOIN: break;
    }
}

static rlx_step *make_step(rlx_stream *stream, rlx_finding *finding, const rlx_packet *before,
                           const rlx_packet *packet) {
    rlx_step *step = rlx_batch_take(stream, sizeof *step, _Alignof(rlx_step));
    if (!step) return NULL;
    const rlx_packet *about = packet ? packet : before;
    *step = (rlx_step){ .call.base = { .kind = RLX_PACKET_HOST_CALL, .index = about->index, .label = about->label },
                        .call.function = run_step,
                        .call.user = step,
                        .stream = stream->checks,
                        .finding = finding,
                        .before = before,
                        .transfer = stream->current->transfer,
                        .packet = packet };
    return step;
}

rlx_status rlx_validate_batch(rlx_stream *stream) {
    rlx_batch_state *batch = stream->current;
    if (!batch || !batch->first || batch->checked) return RLX_OK;
    rlx_finding *finding = rlx_batch_take(stream, sizeof *finding, _Alignof(rlx_finding));
    if (!finding) return RLX_ERROR_OUT_OF_MEMORY;
    *finding = (rlx_finding){ .status = RLX_OK };
    /* All memory first: from then on nothing can fail. */
    rlx_packet *checks = NULL, **end = &checks, *last = NULL;
    for (rlx_packet *packet = batch->first;; packet = packet->next) {
        rlx_step *step = make_step(stream, finding, last, packet);
        if (!step) return RLX_ERROR_OUT_OF_MEMORY;
        *end = &step->call.base;
        end = &step->call.base.next;
        last = packet;
        if (!packet) break;
    }
    const rlx_validate_note *note = batch->notes.first;
    rlx_packet *check = checks, *packet = batch->first;
    batch->first = checks;
    while (packet) {
        rlx_packet *next_check = check->next, *next = packet->next;
        if (note && note->packet == packet) ((rlx_step *)(void *)check)->notes = note;
        while (note && note->packet == packet) note = note->next;
        if (stream->device->checks->guards) shift_places(packet);
        check->next = packet;
        packet->next = next_check;
        check = next_check;
        packet = next;
    }
    batch->checked = true;
    batch->last = check;
    batch->count = 2 * batch->count + 1;
    return RLX_OK;
}

/* ---- The failure ---- */

static const rlx_step *step_of(const rlx_packet *packet) {
    const rlx_packet_host_call *call = (const rlx_packet_host_call *)packet;
    return packet->kind == RLX_PACKET_HOST_CALL && call->function == run_step ? call->user : NULL;
}

const rlx_packet *rlx_validate_subject(const rlx_packet *packet) {
    const rlx_step *step = packet ? step_of(packet) : NULL;
    return !step ? packet : step->packet ? step->packet : step->before;
}

bool rlx_validate_fault(const rlx_packet *first, uint64_t count, rlx_fault *fault) {
    const rlx_step *step = fault->first ? step_of(fault->first) : NULL;
    if (fault->first && !step) return false; /* the command itself has failed */
    for (uint64_t i = 0; !step && first && i < count; i++, first = first->next) step = step_of(first);
    if (!step || !step->finding->status) return false;
    fault->status = step->finding->status;
    fault->vendor_code = 0;
    fault->first = fault->last = step->finding->packet;
    fault->inner = NULL;
    snprintf(fault->message, sizeof fault->message, "validation: %s", step->finding->text);
    return true;
}
