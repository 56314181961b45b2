/* Timelines: the table of slots, looking points up, watches, failed intervals. See timeline.h. */
#include "timeline.h"

#include <string.h>

#define BLOCK 64         /* timelines allocated at once */
#define BLOCKS (1 << 14) /* so that at most BLOCK * BLOCKS streams are open at a time: a million */

static struct {
    rlx_mutex lock; /* guards all but the blocks' pointers, which are set once */
    _Atomic(rlx_timeline *) blocks[BLOCKS];
    uint32_t count;                       /* timelines that exist */
    rlx_timeline *free;                   /* nothing of them is remembered, or needs to be */
    rlx_timeline *kept_first, *kept_last; /* failed, without a stream: oldest first */
    uint32_t kept;
} table;

/* ---- Failure records ---- */

static rlx_failure_record fallbacks[] = {
#define FALLBACK(name, number, text) [number] = { 1u << 30, { .status = name, .message = text }, RLX_HELP_NONE },
    RLX_STATUS_TABLE(FALLBACK)
#undef FALLBACK
};

rlx_failure_record *rlx_failure_record_create(rlx_timeline *timeline, const rlx_failure *failure, rlx_help help) {
    rlx_failure_record *record = atomic_exchange(&timeline->spare, NULL);
    if (!record) record = rlx_allocate(sizeof *record);
    if (!record) {
        rlx_failure_record_retain(&fallbacks[failure->status]);
        return &fallbacks[failure->status];
    }
    atomic_init(&record->refs, 1);
    record->failure = *failure;
    record->help = help;
    return record;
}

void rlx_failure_record_retain(rlx_failure_record *record) {
    atomic_fetch_add_explicit(&record->refs, 1, memory_order_relaxed);
}

void rlx_failure_record_release(rlx_failure_record *record) {
    if (record && atomic_fetch_sub_explicit(&record->refs, 1, memory_order_acq_rel) == 1) rlx_free(record);
}

bool rlx_timeline_reserve(rlx_timeline *timeline) {
    if (atomic_load(&timeline->spare)) return true;
    rlx_failure_record *record = rlx_allocate(sizeof *record), *none = NULL;
    if (!record) return false;
    if (!atomic_compare_exchange_strong(&timeline->spare, &none, record)) rlx_free(record); /* somebody else did */
    return true;
}

/* ---- The table ---- */

static rlx_timeline *slot_at(uint32_t slot) { /* from 1 */
    if (!slot || slot > (uint32_t)BLOCK * BLOCKS) return NULL;
    rlx_timeline *block = atomic_load_explicit(&table.blocks[(slot - 1) / BLOCK], memory_order_acquire);
    return block ? &block[(slot - 1) % BLOCK] : NULL;
}

/* Under table.lock. */
static rlx_timeline *slot_new(void) {
    if (table.count == (uint32_t)BLOCK * BLOCKS) return NULL;
    uint32_t index = table.count / BLOCK;
    rlx_timeline *block = atomic_load_explicit(&table.blocks[index], memory_order_relaxed);
    if (!block) {
        block = rlx_allocate(BLOCK * sizeof *block);
        if (!block) return NULL;
        for (uint32_t i = 0; i < BLOCK; i++) block[i].slot = index * BLOCK + i + 1;
        atomic_store_explicit(&table.blocks[index], block, memory_order_release);
    }
    return &block[table.count++ % BLOCK];
}

/* Under timeline->lock: forgets what was. */
static void slot_reset(rlx_timeline *timeline, rlx_stream *stream) {
    uint32_t failures = atomic_load(&timeline->failures), generation = atomic_load(&timeline->generation);
    for (uint32_t i = 0; i < failures; i++) rlx_failure_record_release(timeline->intervals[i].record);
    if (failures || timeline->expired) timeline->lost_generation = generation;
    timeline->expired = 0;
    timeline->stream = stream;
    /* The generation goes first: whoever looks an old point up without the lock finds it changed before anything else
     * is, and the failures last: as long as there are some, nobody is told without the lock that a point is fine. */
    atomic_store(&timeline->generation, generation + 1);
    atomic_store(&timeline->submitted, 0);
    atomic_store(&timeline->completed, 0);
    atomic_store(&timeline->failures, 0);
}

static void slot_free(rlx_timeline *timeline) {
    rlx_lock(&table.lock);
    timeline->next_free = table.free;
    table.free = timeline;
    rlx_unlock(&table.lock);
}

rlx_status rlx_timeline_open(rlx_stream *stream, bool timestamps, rlx_timeline **result) {
    uint64_t *ring = NULL;
    if (timestamps) {
        ring = rlx_allocate(RLX_TIMESTAMP_RING * sizeof *ring);
        if (!ring) return rlx_fail_memory("a stream's timestamps");
    }
    rlx_lock(&table.lock);
    rlx_timeline *timeline = table.free;
    if (timeline) table.free = timeline->next_free;
    else timeline = slot_new();
    rlx_unlock(&table.lock);
    if (timeline && !rlx_timeline_reserve(timeline)) {
        slot_free(timeline);
        timeline = NULL;
    }
    if (!timeline) {
        rlx_free(ring);
        return rlx_fail_memory("a stream's timeline");
    }
    rlx_lock(&timeline->lock);
    slot_reset(timeline, stream);
    timeline->timestamps = ring;
    rlx_unlock(&timeline->lock);
    *result = timeline;
    return RLX_OK;
}

void rlx_timeline_close(rlx_timeline *timeline) {
    rlx_lock(&timeline->lock);
    timeline->stream = NULL;
    rlx_free(timeline->timestamps);
    timeline->timestamps = NULL;
    bool remember = atomic_load(&timeline->failures) || timeline->expired;
    rlx_unlock(&timeline->lock);

    rlx_lock(&table.lock);
    rlx_timeline *freed = timeline;
    if (remember) {
        timeline->next_free = NULL;
        if (table.kept_last) table.kept_last->next_free = timeline;
        else table.kept_first = timeline;
        table.kept_last = timeline;
        freed = NULL;
        if (++table.kept > RLX_TIMELINE_KEPT) {
            freed = table.kept_first;
            table.kept_first = freed->next_free;
            table.kept--;
        }
    }
    if (freed) {
        freed->next_free = table.free;
        table.free = freed;
    }
    rlx_unlock(&table.lock);
}

uint64_t rlx_timeline_id(const rlx_timeline *timeline) {
    return (uint64_t)atomic_load_explicit(&timeline->generation, memory_order_relaxed) << 32 | timeline->slot;
}

/* ---- Looking ---- */

rlx_status rlx_timeline_look(rlx_timeline *timeline, uint64_t value, rlx_failure_record **result) {
    if (value > atomic_load_explicit(&timeline->submitted, memory_order_relaxed)) return RLX_ERROR_ORDER;
    if (value > atomic_load_explicit(&timeline->completed, memory_order_acquire)) return RLX_NOT_READY;
    if (value && value <= timeline->expired) return RLX_ERROR_EXPIRED;
    rlx_failure_record *record = rlx_timeline_failed(timeline, value);
    if (!record) return RLX_OK;
    rlx_status status = record->failure.status;
    if (result) {
        rlx_failure_record_retain(record);
        *result = record;
    }
    return status;
}

/* Under timeline->lock: the point may be of an earlier user of the slot. */
static rlx_status look_locked(rlx_timeline *timeline, rlx_point point, rlx_failure_record **record) {
    uint32_t asked = (uint32_t)(point.timeline >> 32), now = atomic_load(&timeline->generation);
    if (asked == now && asked) return rlx_timeline_look(timeline, point.value, record);
    if (asked > now || !asked) return RLX_ERROR_INVALID;
    return asked <= timeline->lost_generation ? RLX_ERROR_EXPIRED : RLX_OK;
}

rlx_timeline *rlx_point_timeline(rlx_point point) { return slot_at((uint32_t)point.timeline); }

rlx_status rlx_point_look(rlx_point point, rlx_timeline **result, rlx_failure_record **record) {
    if (!point.timeline) return point.value ? RLX_ERROR_INVALID : RLX_OK;
    rlx_timeline *timeline = slot_at((uint32_t)point.timeline);
    if (!timeline || (!timeline->stream && rlx_lie("points-die-with-their-stream"))) return RLX_ERROR_INVALID;
    if (result) *result = timeline;
    /* Without the lock: nothing but "completed, and nothing here ever failed" is sure, if the slot is still the
     * same. */
    uint32_t generation = (uint32_t)(point.timeline >> 32);
    if (atomic_load(&timeline->generation) == generation && atomic_load(&timeline->completed) >= point.value &&
        !atomic_load(&timeline->failures) && generation && atomic_load(&timeline->generation) == generation)
        return RLX_OK;
    rlx_lock(&timeline->lock);
    rlx_status status = look_locked(timeline, point, record);
    rlx_unlock(&timeline->lock);
    return status;
}

void rlx_timeline_complete(rlx_timeline *timeline, uint64_t value) {
    if (timeline->timestamps) timeline->timestamps[value % RLX_TIMESTAMP_RING] = rlx_clock_ns();
    atomic_store_explicit(&timeline->completed, value, memory_order_release);
}

/* ---- Watches ---- */

rlx_status rlx_watch_add(rlx_watch *watch, rlx_point point, rlx_failure_record **record) {
    rlx_timeline *timeline = NULL;
    rlx_status status = rlx_point_look(point, &timeline, record);
    if (status != RLX_NOT_READY) return status;
    rlx_lock(&timeline->lock);
    status = look_locked(timeline, point, record);
    if (status == RLX_NOT_READY) {
        rlx_watch *before = timeline->last; /* most watches are for the newest point */
        while (before && before->value > point.value) before = before->previous;
        watch->value = point.value;
        watch->timeline = timeline;
        watch->record = NULL;
        watch->previous = before;
        watch->next = before ? before->next : timeline->first;
        *(watch->next ? &watch->next->previous : &timeline->last) = watch;
        *(before ? &before->next : &timeline->first) = watch;
    }
    rlx_unlock(&timeline->lock);
    return status;
}

/* Under watch->timeline's lock. */
static void unlink_watch(rlx_timeline *timeline, rlx_watch *watch) {
    *(watch->previous ? &watch->previous->next : &timeline->first) = watch->next;
    *(watch->next ? &watch->next->previous : &timeline->last) = watch->previous;
    watch->timeline = NULL;
}

bool rlx_watch_remove(rlx_watch *watch, rlx_timeline *timeline) {
    rlx_lock(&timeline->lock);
    bool linked = watch->timeline == timeline;
    if (linked) unlink_watch(timeline, watch);
    rlx_unlock(&timeline->lock);
    return linked;
}

rlx_watch *rlx_timeline_due(rlx_timeline *timeline) {
    uint64_t completed = atomic_load_explicit(&timeline->completed, memory_order_relaxed);
    rlx_watch *first[RLX_WATCH_ORDERS] = { NULL }, **end[RLX_WATCH_ORDERS], *due = NULL;
    for (int i = 0; i < RLX_WATCH_ORDERS; i++) end[i] = &first[i];
    while (timeline->first && timeline->first->value <= completed) {
        rlx_watch *watch = timeline->first;
        unlink_watch(timeline, watch);
        watch->record = rlx_timeline_failed(timeline, watch->value);
        if (watch->record) rlx_failure_record_retain(watch->record);
        *end[watch->order] = watch;
        end[watch->order] = &watch->next;
    }
    for (int i = RLX_WATCH_ORDERS; i-- > 0;) {
        *end[i] = due;
        due = first[i];
    }
    return due;
}

void rlx_watches_fire(rlx_watch *due) {
    while (due) {
        rlx_watch *watch = due;
        rlx_failure_record *record = watch->record;
        due = watch->next; /* the watch may be gone once it has fired */
        watch->fire(watch, record);
        rlx_failure_record_release(record);
    }
}

/* ---- Failed intervals: sorted, the open one last ---- */

rlx_failure_record *rlx_timeline_failing(const rlx_timeline *timeline) {
    uint32_t count = atomic_load_explicit(&timeline->failures, memory_order_relaxed);
    const rlx_failed_interval *last = count ? &timeline->intervals[count - 1] : NULL;
    return last && last->last == UINT64_MAX ? last->record : NULL;
}

static const rlx_failed_interval *interval_of(const rlx_timeline *timeline, uint64_t value) {
    uint32_t count = atomic_load_explicit(&timeline->failures, memory_order_relaxed);
    for (uint32_t i = count; i-- > 0;)
        if (timeline->intervals[i].first <= value && value <= timeline->intervals[i].last)
            return &timeline->intervals[rlx_lie("the-last-failure-wins") ? count - 1 : i];
    return NULL;
}

rlx_failure_record *rlx_timeline_failed(const rlx_timeline *timeline, uint64_t value) {
    const rlx_failed_interval *interval = interval_of(timeline, value);
    return interval ? interval->record : NULL;
}

uint64_t rlx_timeline_sound(const rlx_timeline *timeline, uint64_t from) {
    if (from <= timeline->expired) from = timeline->expired + 1;
    for (const rlx_failed_interval *interval; (interval = interval_of(timeline, from)) != NULL;) {
        if (interval->last == UINT64_MAX) return 0;
        from = interval->last + 1;
    }
    return from;
}

/* Makes room at the end; what it forgets is EXPIRED from then on. */
static uint32_t interval_room(rlx_timeline *timeline) {
    uint32_t count = atomic_load_explicit(&timeline->failures, memory_order_relaxed);
    if (count < RLX_TIMELINE_INTERVALS) return count;
    uint64_t last = timeline->intervals[0].last;
    if (timeline->expired < last && !rlx_lie("old-failures-forgiven")) timeline->expired = last;
    rlx_failure_record_release(timeline->intervals[0].record);
    memmove(timeline->intervals, timeline->intervals + 1, (count - 1) * sizeof *timeline->intervals);
    return count - 1;
}

void rlx_timeline_fail(rlx_timeline *timeline, uint64_t first, rlx_failure_record *record) {
    uint32_t count = atomic_load_explicit(&timeline->failures, memory_order_relaxed);
    rlx_failed_interval *open =
        count && timeline->intervals[count - 1].last == UINT64_MAX ? &timeline->intervals[count - 1] : NULL;
    if (first <= atomic_load_explicit(&timeline->completed, memory_order_relaxed)) return;
    if (rlx_timeline_sound(timeline, first) != first) return;
    /* A batch before the failed one can fail later than it: the points from it up to the failed one are its own. */
    rlx_failed_interval added = { first, rlx_lie("later-points-succeed") ? first : UINT64_MAX, record };
    count = interval_room(timeline);
    rlx_failure_record_retain(record);
    if (open) {
        rlx_failed_interval later = timeline->intervals[count - 1];
        added.last = later.first - 1;
        timeline->intervals[count - 1] = added;
        added = later;
    }
    timeline->intervals[count] = added;
    atomic_store(&timeline->failures, count + 1);
}

void rlx_timeline_recover(rlx_timeline *timeline) {
    uint32_t count = atomic_load_explicit(&timeline->failures, memory_order_relaxed);
    rlx_failed_interval *open = count ? &timeline->intervals[count - 1] : NULL;
    if (!open || open->last != UINT64_MAX) return;
    open->last = atomic_load_explicit(&timeline->submitted, memory_order_relaxed);
    if (rlx_lie("recover-forgives")) open->last = 0;
    if (open->first <= open->last) return;
    rlx_failure_record_release(open->record); /* no point has failed yet */
    atomic_store(&timeline->failures, count - 1);
}
