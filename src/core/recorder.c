/* The recorder: what a recording stream keeps beside its packets, in arrays that the next recording uses again. */
#include "program.h"

static bool make_room(void **items, uint64_t count, uint64_t *room, uint64_t more, size_t size) {
    if (more <= *room - count) return true;
    uint64_t wanted = *room ? *room : 64;
    while (wanted - count < more) {
        if (wanted > SIZE_MAX / size / 2) return false;
        wanted *= 2;
    }
    void *moved = rlx_reallocate(*items, wanted * size);
    if (!moved) return false;
    *items = moved;
    *room = wanted;
    return true;
}

rlx_status rlx_recorder_reserve(rlx_recorder *recorder, uint64_t intervals, uint64_t fixups) {
    void *items = recorder->intervals;
    /* A fixup of a range or a host pointer is an interval as well. */
    bool made = make_room(&items, recorder->interval_count, &recorder->interval_room, intervals + fixups,
                          sizeof *recorder->intervals);
    recorder->intervals = items;
    items = recorder->fixups;
    made = made && make_room(&items, recorder->fixup_count, &recorder->fixup_room, fixups, sizeof *recorder->fixups);
    recorder->fixups = items;
    return made ? RLX_OK : rlx_fail_memory("a recording");
}

void rlx_recorder_interval(rlx_recorder *recorder, uint32_t command, uint64_t begin, uint64_t size, bool write) {
    if (!size || (!write && rlx_lie("recordings-forget-reads"))) return;
    rlx_interval made = { .begin = begin, .end = begin + size, .command = command, .write = write };
    rlx_interval *last = recorder->interval_count ? &recorder->intervals[recorder->interval_count - 1] : NULL;
    /* What is read and written is as good as written. */
    if (last && write && !last->write && last->command == command && last->begin == begin && last->end == made.end)
        *last = made;
    else recorder->intervals[recorder->interval_count++] = made;
}

void rlx_recorder_barrier(rlx_recorder *recorder, uint32_t command) {
    recorder->intervals[recorder->interval_count++] =
        (rlx_interval){ .command = command, .write = true, .barrier = true };
}

void rlx_recorder_fixup(rlx_recorder *recorder, const rlx_fixup *fixup) {
    recorder->fixups[recorder->fixup_count++] = *fixup;
    switch ((rlx_fixup_kind)fixup->kind) {
    case RLX_FIXUP_ARG_RANGE:
    case RLX_FIXUP_DST:
    case RLX_FIXUP_SRC:
    case RLX_FIXUP_USE:
        rlx_recorder_interval(recorder, fixup->command, RLX_SPACE_SLOTS + 4 * (uint64_t)fixup->slot, 4,
                              fixup->access != RLX_READ);
        break;
    case RLX_FIXUP_HOST_READ:
    case RLX_FIXUP_HOST_WRITE:
        if (rlx_lie("host-slots-are-not-ordered")) break;
        rlx_recorder_interval(recorder, fixup->command, RLX_SPACE_HOST, RLX_SPACE_SLOTS - RLX_SPACE_HOST,
                              fixup->kind == RLX_FIXUP_HOST_WRITE);
        break;
    case RLX_FIXUP_ARG_VALUE:
    case RLX_FIXUP_GROUPS:
    case RLX_FIXUP_ENABLED: break;
    }
}

void rlx_recorder_reset(rlx_recorder *recorder) {
    recorder->interval_count = recorder->fixup_count = 0;
    recorder->condition = (rlx_slot_ref){ 0 };
}

void rlx_recorder_clear(rlx_recorder *recorder) {
    rlx_free(recorder->intervals);
    rlx_free(recorder->fixups);
    *recorder = (rlx_recorder){ 0 };
}
