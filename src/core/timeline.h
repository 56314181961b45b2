/* Timelines: what points refer to, and everything that waits for them.
 *
 * A timeline is a slot of a table that only grows, so that any point, however old, can be looked up without a lock. Its
 * lock is also its stream's. `completed` is the one word that waits read.
 *
 * WATCHES are the single mechanism behind wait, notify and held batches: an entry in the timeline's list, sorted by
 * value, that fires once when the timeline has completed that value, well or not. Watches fire with no lock held, and
 * carry what went wrong. (Not earlier, even when a point is known to fail: what is at the device may still use memory.)
 *
 * FAILURES are intervals [first, last] of values, each with a shared record (fault.h) of what went wrong first. recover
 * closes the open one. Slots of timelines whose stream is gone are used again: at once if none of its points failed,
 * and otherwise once more than RLX_TIMELINE_KEPT failed ones have gone, oldest first (then its points answer
 * RLX_ERROR_EXPIRED). */
#ifndef RLX_TIMELINE_H
#define RLX_TIMELINE_H

#include "core.h"

#define RLX_TIMELINE_KEPT 1024    /* failed timelines without a stream that are remembered */
#define RLX_TIMELINE_INTERVALS 16 /* failures of one timeline that are remembered; older ones are EXPIRED */
#define RLX_TIMESTAMP_RING 256

/* What went wrong first; shared by every point that it reached. */
typedef struct rlx_failure_record {
    _Atomic uint32_t refs;
    rlx_failure failure;
    rlx_help help;
} rlx_failure_record;

/* Never NULL. Takes what the timeline has in store, so that failing needs no memory. Where that is gone, as by a second
 * failure before the first was recovered, it allocates; and without memory it is a static one, that says no more than
 * the status. */
rlx_failure_record *rlx_failure_record_create(rlx_timeline *timeline, const rlx_failure *failure, rlx_help help);
void rlx_failure_record_retain(rlx_failure_record *record);
void rlx_failure_record_release(rlx_failure_record *record);

typedef struct rlx_failed_interval {
    uint64_t first, last; /* last is UINT64_MAX while the stream is failed */
    rlx_failure_record *record;
} rlx_failed_interval;

/* Of several watches that are due, waits hear first, as nothing of theirs takes time; then what depends on the point;
 * and the user's own functions last, as they may do anything. */
typedef enum rlx_watch_order {
    RLX_WATCH_WAIT = 0,
    RLX_WATCH_DEPEND,
    RLX_WATCH_NOTIFY,
    RLX_WATCH_ORDERS
} rlx_watch_order;

/* `fire` is called once, with no lock held. `record` is NULL for success, and borrowed for the call. */
typedef struct rlx_watch rlx_watch;
struct rlx_watch {
    rlx_watch *next, *previous;
    uint64_t value;
    void (*fire)(rlx_watch *watch, rlx_failure_record *record);
    rlx_watch_order order;
    rlx_failure_record *record; /* while on its way from the list to fire */
    rlx_timeline *timeline;     /* where it is linked; NULL when it is not */
};

struct rlx_timeline {
    _Atomic uint64_t completed;  /* every value up to here has ended */
    _Atomic uint64_t submitted;  /* the last value given out; written under lock */
    _Atomic uint32_t generation; /* high half of the id */
    _Atomic uint32_t failures;   /* intervals in use: 0 lets waits skip the lock */
    rlx_mutex lock;              /* guards all below, and the shared part of the stream */
    uint32_t slot;
    uint32_t lost_generation; /* up to this one, failures have been forgotten */
    uint64_t expired;         /* values up to here: whether they failed has been forgotten */
    rlx_watch *first, *last;  /* by value */
    rlx_failed_interval intervals[RLX_TIMELINE_INTERVALS];
    rlx_stream *stream;      /* NULL once it is gone */
    uint64_t *timestamps;    /* RLX_TIMESTAMP_RING of them, by value; or NULL */
    _Atomic(rlx_failure_record *) spare; /* for the next failure; of the slot, not of the stream. Under no lock */
    rlx_timeline *next_free; /* in the table's lists, under the table's lock */
};

/* A fresh timeline for a stream. */
rlx_status rlx_timeline_open(rlx_stream *stream, bool timestamps, rlx_timeline **timeline);
/* Makes sure that the next failure has a record in store. False: out of memory. */
bool rlx_timeline_reserve(rlx_timeline *timeline);
/* The stream is gone; nothing is pending. */
void rlx_timeline_close(rlx_timeline *timeline);

uint64_t rlx_timeline_id(const rlx_timeline *timeline);

/* What is known of a point without waiting. RLX_OK, RLX_NOT_READY, the failure's status with *record retained (if
 * record is not NULL), INVALID for garbage, ORDER if it was not submitted, EXPIRED. Sets no message. */
rlx_status rlx_point_look(rlx_point point, rlx_timeline **timeline, rlx_failure_record **record);
/* The slot that a point is on, or NULL: a slot is for ever, whoever uses it now. */
rlx_timeline *rlx_point_timeline(rlx_point point);
/* The same with timeline->lock held and the point on it. */
rlx_status rlx_timeline_look(rlx_timeline *timeline, uint64_t value, rlx_failure_record **record);

/* Under timeline->lock: all values up to this one have ended. Watches that are due are the caller's to find. */
void rlx_timeline_complete(rlx_timeline *timeline, uint64_t value);

/* Links a watch unless the point has already ended: returns RLX_NOT_READY when linked, otherwise what
 * rlx_point_look says, and the watch will not fire. */
rlx_status rlx_watch_add(rlx_watch *watch, rlx_point point, rlx_failure_record **record);
/* Unlinks from the timeline that it was added to; false if it has fired, or is about to. */
bool rlx_watch_remove(rlx_watch *watch, rlx_timeline *timeline);

/* Under timeline->lock: unlinks the watches that are due into a list to be fired by rlx_watches_fire without the
 * lock. */
rlx_watch *rlx_timeline_due(rlx_timeline *timeline);
void rlx_watches_fire(rlx_watch *due);

/* Under timeline->lock: values from `first` on fail until rlx_timeline_recover. Nothing if that one has failed already,
 * or has completed: then it is known how. */
void rlx_timeline_fail(rlx_timeline *timeline, uint64_t first, rlx_failure_record *record);
/* The first value from `from` on that has not failed; 0 if there is none. */
uint64_t rlx_timeline_sound(const rlx_timeline *timeline, uint64_t from);
/* The record of the open interval, or NULL. Borrowed under the lock. */
rlx_failure_record *rlx_timeline_failing(const rlx_timeline *timeline);
/* The record of the interval that holds `value`, or NULL. Borrowed under the lock. */
rlx_failure_record *rlx_timeline_failed(const rlx_timeline *timeline, uint64_t value);
void rlx_timeline_recover(rlx_timeline *timeline);

#endif
