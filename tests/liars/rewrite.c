/* Copies of batches: each packet with all that it points to, runs of programs as their commands. */
#include "liar.h"

/* ---- Packets ---- */

liar_packet *liar_packet_make(liar_batch *batch, const rlx_packet *origin, const rlx_packet *inner, size_t extra) {
    liar_packet *made = liar_host->allocate(sizeof *made + extra);
    if (!made) return NULL;
    made->origin = origin;
    made->inner = inner;
    made->next_made = batch->made;
    batch->made = made;
    return made;
}

void liar_packet_append(liar_batch *batch, liar_packet *packet) {
    if (batch->count >= 4096 && liar_tells("batches-end-at-4096")) return;
    packet->base.next = NULL;
    *batch->end = &packet->base;
    batch->end = &packet->base.next;
    batch->count++;
}

/* The bytes of a place are where its block says, whatever address the core was shown. */
static void locate(rlx_place *place) {
    const liar_memory *memory = place->memory;
    if (memory) place->host = memory->host + place->offset;
}

static size_t arguments_size(const rlx_packet_dispatch *dispatch) {
    size_t size = dispatch->arg_count * (sizeof(rlx_host_arg) + sizeof(rlx_place));
    for (uint32_t i = 0; i < dispatch->arg_count; i++)
        if (!dispatch->places[i].memory) size += (size_t)dispatch->args[i].size + 15;
    return size;
}

/* Behind the packet, in the memory that was made with it. */
static void copy_arguments(liar_packet *packet) {
    rlx_packet_dispatch *dispatch = &packet->dispatch;
    rlx_host_arg *args = (rlx_host_arg *)(packet + 1);
    rlx_place *places = (rlx_place *)(args + dispatch->arg_count);
    unsigned char *value = (unsigned char *)(places + dispatch->arg_count);
    for (uint32_t i = 0; i < dispatch->arg_count; i++) {
        args[i] = dispatch->args[i];
        places[i] = dispatch->places[i];
        if (places[i].memory) {
            locate(&places[i]);
            args[i].data = places[i].host;
            continue;
        }
        value = (unsigned char *)(((uintptr_t)value + 15) & ~(uintptr_t)15);
        memcpy(value, dispatch->args[i].data, (size_t)args[i].size);
        args[i].data = value;
        value += args[i].size;
    }
    dispatch->args = args;
    dispatch->places = places;
    dispatch->kernel = ((const liar_kernel *)dispatch->kernel)->inner;
}

/* `packet` is the command itself, `inner` NULL or the same: a command of the program that `origin` runs. */
static bool copy_packet(liar_batch *batch, const rlx_packet *packet, const rlx_packet *origin,
                        const rlx_packet *inner) {
    bool dispatch = packet->kind == RLX_PACKET_DISPATCH;
    size_t extra = dispatch ? arguments_size((const rlx_packet_dispatch *)packet) : 0;
    liar_packet *made = liar_packet_make(batch, origin, inner, extra);
    if (!made) return false;
    switch (packet->kind) {
    case RLX_PACKET_COPY:
        made->copy = *(const rlx_packet_copy *)packet;
        locate(&made->copy.dst);
        locate(&made->copy.src);
        break;
    case RLX_PACKET_FILL:
        made->fill = *(const rlx_packet_fill *)packet;
        locate(&made->fill.dst);
        break;
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ:
        made->host_copy = *(const rlx_packet_host_copy *)packet;
        locate(&made->host_copy.device);
        break;
    case RLX_PACKET_DISPATCH:
        made->dispatch = *(const rlx_packet_dispatch *)packet;
        copy_arguments(made);
        break;
    case RLX_PACKET_HOST_CALL: made->host_call = *(const rlx_packet_host_call *)packet; break;
    case RLX_PACKET_TIMESTAMP: made->timestamp = *(const rlx_packet_timestamp *)packet; break;
    default: made->base = *packet; /* cpu will refuse it */
    }
    return liar_command_append(batch, made);
}

/* ---- Programs ---- */

/* The node that runs as number i. */
static uint32_t node_at(const rlx_graph *graph, uint32_t i) {
    if (!liar_tells("graph-edges-ignored")) return i;
    uint32_t half = graph->count / 2 + graph->count % 2; /* every second node first */
    return i < half ? 2 * i : 2 * (i - half) + 1;
}

static bool copy_run(liar_batch *batch, const rlx_packet_run *run) {
    liar_program *program = run->program;
    if (!program->patched || !liar_tells("slots-patched-once")) liar_host->run_patch(run);
    program->patched = true;
    for (uint32_t i = 0; i < program->graph->count; i++) {
        rlx_packet *packet = program->graph->packets[node_at(program->graph, i)];
        if (packet->kind == RLX_PACKET_JOIN) continue;
        if (i >= 1000 && liar_tells("programs-end-at-1000")) break;
        if ((packet->flags & RLX_PACKET_SKIP) && !liar_tells("conditions-ignored")) continue;
        if (!copy_packet(batch, packet, &run->base, packet)) return false;
    }
    return true;
}

/* ---- Batches ---- */

liar_batch *liar_batch_create(const rlx_batch *given) {
    liar_batch *batch = liar_host->allocate(sizeof *batch);
    if (!batch) return NULL;
    batch->signal = given->signal;
    batch->end = &batch->first;
    for (const rlx_packet *packet = given->first; packet; packet = packet->next) {
        bool done = packet->kind == RLX_PACKET_RUN ? copy_run(batch, (const rlx_packet_run *)packet)
                                                   : copy_packet(batch, packet, packet, NULL);
        if (done) continue;
        liar_batch_free(batch);
        return NULL;
    }
    liar_order_falsify(batch);
    return batch;
}

void liar_batch_free(liar_batch *batch) {
    for (liar_packet *packet = batch->made; packet;) {
        liar_packet *next = packet->next_made;
        liar_host->release(packet);
        packet = next;
    }
    liar_host->release(batch);
}

void liar_fault_translate(const liar_batch *batch, rlx_fault *fault) {
    const liar_packet *failed = (const liar_packet *)fault->first;
    if (!failed) return;
    fault->first = fault->last = failed->origin;
    fault->inner = failed->inner;
    if (!liar_tells("failure-misnamed")) return;
    for (const rlx_packet *packet = batch->first; packet; packet = packet->next) {
        const liar_packet *other = (const liar_packet *)packet;
        if (other->origin == failed->origin) continue;
        fault->first = fault->last = other->origin;
        fault->inner = other->inner;
        return;
    }
}
