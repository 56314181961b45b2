/* Transfers between any two devices: one batch on each of the two streams, in order with what is around it.
 *
 *     both memories at hand      the batch of one stream moves the bytes, after the last point of the other;
 *                                the other's batch is empty and completes when that one has
 *     neither                    a READ on the source's stream into staging memory, a WRITE from it on the other's
 *
 * "At hand": one device, or a block with a host address, which WRITE and READ of the other device take as host memory.
 * Staging memory is as large as the transfer, and freed when the WRITE has ended. */
#include "encode.h"

/* Puts the batch that is encoded on `stream` behind all that was submitted to `other`. Where that has failed and been
 * recovered from, it only has to be over. */
static rlx_status follow(rlx_stream *stream, rlx_stream *other) {
    rlx_timeline *timeline = other->timeline;
    rlx_point last = { rlx_timeline_id(timeline), atomic_load(&timeline->submitted) };
    rlx_lock(&timeline->lock);
    bool over = atomic_load(&timeline->completed) >= last.value;
    bool recovered = rlx_timeline_failed(timeline, last.value) && !rlx_timeline_failing(timeline);
    rlx_unlock(&timeline->lock);
    if (over || rlx_lie("transfer-overtakes")) return RLX_OK;
    rlx_dependency *dependency = rlx_batch_dependency(stream);
    if (!dependency) return RLX_ERROR_OUT_OF_MEMORY;
    dependency->point = last;
    if (recovered) dependency->flags = RLX_DEPENDS_ON_END;
    return RLX_OK;
}

static rlx_status check_stream(rlx_stream *stream, const char *name) {
    if (rlx_stream_records(stream)) return rlx_fail(RLX_ERROR_ORDER, "rlx_transfer: %s records", name);
    if (stream->current && (stream->current->count || stream->current->dependencies))
        return rlx_fail(RLX_ERROR_ORDER, "rlx_transfer: %s has commands pending; submit or discard them first", name);
    return RLX_OK;
}

/* For validation, before a move is encoded: a transfer copies, also what is undefined, and the host memory that it
 * reads is written by commands, perhaps at this moment. There is a batch. */
static void mark_transfer(rlx_stream *stream) { stream->current->transfer = true; }

/* And after it: what checks need comes before the first submit, as all memory does. */
static rlx_status add_checks(rlx_stream *stream) { return stream->checks ? rlx_validate_batch(stream) : RLX_OK; }

static bool failing(rlx_stream *stream) {
    rlx_lock(&stream->timeline->lock);
    bool failed = rlx_timeline_failing(stream->timeline) != NULL;
    rlx_unlock(&stream->timeline->lock);
    return failed;
}

/* On the stream of `mover`'s device: the bytes from src to dst, one of which may be the other device's. */
static rlx_status encode_move(rlx_stream *mover, const rlx_resolved *dst, const rlx_resolved *src) {
    rlx_status status = rlx_encode_hold_range(mover, dst);
    if (!status) status = rlx_encode_hold_range(mover, src);
    if (status) return status;
    mark_transfer(mover);
    rlx_range to = rlx_part(dst->buffer, dst->place.offset, dst->size);
    rlx_range from = rlx_part(src->buffer, src->place.offset, src->size);
    if (dst->buffer->object.device == src->buffer->object.device) return rlx_stream_copy(mover, to, from);
    if (mover->device == dst->buffer->object.device) return rlx_stream_write(mover, to, src->place.host, 0);
    return rlx_stream_read(mover, dst->place.host, from);
}

/* Submits what is encoded; the first failure of several is what the caller hears. */
static void submit(rlx_stream *stream, rlx_point *point, rlx_status *status) {
    rlx_status own = rlx_stream_submit(stream, point);
    if (own && !*status) *status = own;
}

/* One stream moves, the other waits for it. */
static rlx_status move(rlx_stream *mover, rlx_stream *other, const rlx_resolved *dst, const rlx_resolved *src,
                       rlx_point *moved) {
    bool same = mover == other;
    /* Everything that needs memory comes before the first submit. */
    rlx_status status = encode_move(mover, dst, src);
    if (!status) status = add_checks(mover);
    if (!status && !same) status = follow(mover, other);
    if (!status && !same && (!rlx_stream_batch(other) || !rlx_batch_dependency(other)))
        status = RLX_ERROR_OUT_OF_MEMORY;
    if (status) {
        rlx_stream_discard(mover);
        if (!same) rlx_stream_discard(other);
        return status;
    }
    submit(mover, moved, &status);
    if (same) return status;
    other->current->dependencies->point = *moved;
    other->current->dependencies->flags = RLX_DEPENDS_DROPPED; /* what comes after may touch the memory that is moved */
    rlx_point done;
    submit(other, &done, &status);
    return status;
}

/* Staging memory: an object, so that the batches that use it hold it. */
typedef struct staging {
    rlx_object object;
    void *memory;
} staging;

void rlx_staging_destroy(rlx_object *object) {
    staging *used = (staging *)object;
    rlx_device_host_free(object->device, used->memory);
    rlx_free(used);
}

static rlx_status staging_create(rlx_device *device, uint64_t size, staging **result) {
    staging *made = rlx_allocate(sizeof *made);
    if (!made) return rlx_fail_memory("a transfer");
    rlx_status status = rlx_device_host_alloc(device, size, &made->memory);
    if (status) {
        rlx_free(made);
        return status;
    }
    rlx_object_init(&made->object, RLX_OBJECT_STAGING, device);
    *result = made;
    return RLX_OK;
}

static rlx_status stage(rlx_stream *dst_stream, const rlx_resolved *dst, rlx_stream *src_stream,
                        const rlx_resolved *src, rlx_point *moved) {
    staging *middle = NULL;
    rlx_status status = staging_create(src_stream->device, src->size, &middle);
    if (status) return status;
    status = rlx_batch_hold(src_stream, &middle->object);
    if (!status) status = rlx_batch_hold(dst_stream, &middle->object);
    if (!status) mark_transfer(src_stream), mark_transfer(dst_stream);
    if (!status)
        status = rlx_stream_read(src_stream, middle->memory, rlx_part(src->buffer, src->place.offset, src->size));
    if (!status)
        status = rlx_stream_write(dst_stream, rlx_part(dst->buffer, dst->place.offset, dst->size), middle->memory, 0);
    if (!status) status = add_checks(src_stream);
    if (!status) status = add_checks(dst_stream);
    if (!status) status = follow(src_stream, dst_stream);
    if (!status && !rlx_batch_dependency(dst_stream)) status = RLX_ERROR_OUT_OF_MEMORY;
    rlx_object_release(&middle->object);
    if (status) {
        rlx_stream_discard(src_stream);
        rlx_stream_discard(dst_stream);
        return status;
    }
    rlx_point read;
    submit(src_stream, &read, &status);
    dst_stream->current->dependencies->point = read;
    submit(dst_stream, moved, &status);
    return status;
}

static rlx_status transfer(rlx_stream *dst_stream, rlx_range dst, rlx_stream *src_stream, rlx_range src,
                           rlx_point *moved) {
    rlx_resolved to, from;
    rlx_point unused;
    rlx_status status = check_stream(dst_stream, "dst_stream");
    if (!status) status = check_stream(src_stream, "src_stream");
    if (!status) status = rlx_encode_range(dst_stream, &dst, "dst", &to);
    if (!status) status = rlx_encode_range(src_stream, &src, "src", &from);
    if (status) return status;
    if (to.size != from.size)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_transfer: %llu bytes to %llu: the ranges must be of one size",
                        (unsigned long long)from.size, (unsigned long long)to.size);
    if (to.buffer == from.buffer && to.address < from.address + from.size && from.address < to.address + to.size)
        return rlx_fail(RLX_ERROR_ALIAS, "rlx_transfer: the ranges overlap; rlx_stream_copy takes such");
    if (!moved) moved = &unused;
    if (failing(dst_stream)) return rlx_stream_submit(dst_stream, moved);
    if (failing(src_stream)) return rlx_stream_submit(src_stream, moved);
    if (dst_stream->device == src_stream->device || from.place.host)
        return move(dst_stream, src_stream, &to, &from, moved);
    if (!to.place.host) return stage(dst_stream, &to, src_stream, &from, moved);
    if (to.buffer->checks) rlx_validate_expose(to.buffer); /* the other device writes it */
    return move(src_stream, dst_stream, &to, &from, moved);
}

static rlx_status enter(rlx_stream *stream, const char *name) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? rlx_fail_within(status, "rlx_transfer: %s", name) : RLX_OK;
}

rlx_status rlx_transfer(rlx_stream *dst_stream, rlx_range dst, rlx_stream *src_stream, rlx_range src,
                        rlx_point *moved) {
    rlx_status status = enter(dst_stream, "dst_stream");
    if (status) return status;
    status = enter(src_stream, "src_stream");
    if (!status) status = rlx_encoder_leave(src_stream, transfer(dst_stream, dst, src_stream, src, moved));
    return rlx_encoder_leave(dst_stream, status);
}
