/* Sharing a command's parts out between workers.
 *
 * A worker that has a long command begins alone, a few microseconds' worth of parts first, and sees from them how long
 * the rest would take. Only when that is worth a meeting and some worker could come, the rest becomes a job: a counter
 * from which every member takes the next parts. So a short command costs no atomic operation, and a cost that was
 * remembered wrongly mends itself at once.
 *
 * A member takes as many parts as fill some tens of microseconds by its own latest measure, and fewer towards the end:
 * parts of very different cost balance out, and the counter stays cheap.
 *
 * NOBODY WAITS for the others at the end. Whoever leaves last goes on with what comes after the command, be it the
 * worker that began or a helper; all others are free for something else. The strand says what comes after. */
#include "cpu.h"

#define FIRST_NS 2000.0  /* what a worker does before it judges */
#define SHARE_NS 4000.0  /* less work than this is not worth a meeting with a worker that is awake */
#define SLICE_NS 50000.0 /* alone for want of a free worker, it looks again after this long */
#define CHUNK_NS 40000.0 /* what a member takes at once */
#define CHUNK_LEAST_NS 1000.0

/* Parts that fill `ns`, between 1 and `most`. */
static uint64_t parts_in(double ns, double part_ns, uint64_t most) {
    double parts = part_ns > 0 ? ns / part_ns : (double)most;
    if (parts >= (double)most) return most;
    return parts < 1 ? 1 : (uint64_t)parts;
}

static double remembered_ns(const rlx_cpu_task *task) {
    return task->part_ps ? (double)atomic_load_explicit(task->part_ps, memory_order_relaxed) / 1000 : 0;
}

/* Half old, half new: calls of one kernel differ, and the hint follows what is usual. */
static void remember(const rlx_cpu_task *task, double part_ns) {
    if (!task->part_ps) return;
    double before = remembered_ns(task), now = before > 0 ? (before + part_ns) / 2 : part_ns;
    atomic_store_explicit(task->part_ps, now < 0.001 ? 1 : (uint64_t)(now * 1000), memory_order_relaxed);
}

/* What a member brought home. */
typedef struct share_of_work {
    uint64_t ns;
    uint64_t parts, begun_ns;
    rlx_status status; /* of the parts that failed, if any did */
    uint64_t first, count;
} share_of_work;

/* Takes parts until there are no more or some have failed. */
static share_of_work job_take_parts(rlx_cpu_worker *worker, rlx_cpu_job *job, double part_ns) {
    uint64_t begun = rlx_platform_clock_ns(), before = begun, total = job->task.count;
    uint32_t workers = worker->pool->workers;
    share_of_work share = { .status = RLX_OK };
    uint64_t taken = atomic_load_explicit(&job->taken, memory_order_relaxed);
    while (taken < total && !share.status) {
        uint64_t rest = total - taken;
        uint64_t most = parts_in(CHUNK_NS, part_ns, rest), least = parts_in(CHUNK_LEAST_NS, part_ns, rest);
        uint64_t count = rest / (2 * (uint64_t)workers);
        count = count > most ? most : count < least ? least : count;
        uint64_t first = atomic_fetch_add_explicit(&job->taken, count, memory_order_relaxed);
        if (first >= total) break;
        if (count > total - first) count = total - first;
        share.status = rlx_cpu_task_run(worker, &job->task, first, count);
        share.first = first;
        share.count = count;
        uint64_t now = rlx_platform_clock_ns();
        part_ns = (double)(now - before) / (double)count;
        before = now;
        taken = first + count;
        share.parts += count;
    }
    share.ns = before - begun;
    share.begun_ns = begun;
    return share;
}

/* The parts that failed lowest are those that would have failed first in order: all below have been taken before. */
static void job_fail(rlx_cpu_job *job, const share_of_work *share) {
    atomic_store_explicit(&job->taken, job->task.count, memory_order_relaxed);
    if (job->fault.status && job->fault_first < share->first) return;
    rlx_cpu_fault_set(&job->fault, share->status, &job->task, share->first, share->count);
    job->fault_first = share->first;
}

/* What this worker did of a job, with what it had done alone before; as long as it is a member, the packet is there. */
static void job_trace(const rlx_cpu_job *job, const share_of_work *share, const share_of_work *before) {
    uint64_t begun_ns = before->parts ? before->begun_ns : share->begun_ns, parts = before->parts + share->parts;
    if (parts)
        rlx_cpu_trace(&job->task, job->strand.stream, begun_ns, share->begun_ns + share->ns, parts, share->status);
}

/* Works on a job and leaves it. If everybody else has left, it is over: `strand` and `fault` are filled in. */
static rlx_cpu_step job_work(rlx_cpu_worker *worker, rlx_cpu_job *job, double part_ns, const share_of_work *before,
                             rlx_cpu_strand *strand, rlx_fault *fault) {
    rlx_cpu_pool *pool = worker->pool;
    share_of_work share = job_take_parts(worker, job, part_ns);
    rlx_cpu_step step = RLX_CPU_AWAY;
    if (rlx_cpu_tracing()) job_trace(job, &share, before);
    rlx_lock(&pool->lock);
    rlx_cpu_offer_want(pool, &job->offer, 0); /* no part is left to take */
    if (share.status) job_fail(job, &share);
    job->work_ns += share.ns;
    if (--job->offer.members == 0) {
        if (!job->fault.status) remember(&job->task, (double)job->work_ns / (double)job->parts);
        *strand = job->strand;
        strand->spent_ns += job->work_ns;
        worker->helped_ns += job->work_ns - share.ns;
        step = job->fault.status ? RLX_CPU_FAILED : RLX_CPU_DONE;
        if (step == RLX_CPU_FAILED) *fault = job->fault;
        job->next = pool->jobs;
        pool->jobs = job;
    }
    rlx_unlock(&pool->lock);
    return step;
}

static void job_help(rlx_cpu_worker *worker, rlx_cpu_offer *offer) {
    rlx_cpu_job *job = (rlx_cpu_job *)offer;
    rlx_cpu_strand strand;
    rlx_fault fault;
    uint32_t entered = rlx_cpu_host->callback_enter();
    const share_of_work none = { 0 };
    rlx_cpu_step step = job_work(worker, job, job->part_ns, &none, &strand, &fault);
    rlx_cpu_host->callback_leave(entered);
    if (step != RLX_CPU_AWAY) rlx_cpu_strand_resume(worker, &strand, step == RLX_CPU_FAILED ? &fault : NULL);
}

/* Makes a job of what is left behind the parts that are done, and works on it. */
static rlx_cpu_step share_rest(rlx_cpu_worker *worker, const rlx_cpu_task *task, const rlx_cpu_strand *strand,
                               rlx_fault *fault, const share_of_work *before, double part_ns, uint64_t now) {
    rlx_cpu_pool *pool = worker->pool;
    uint64_t done = before->parts, rest = task->count - done;
    uint32_t wanted = rest - 1 < pool->workers - 1 ? (uint32_t)(rest - 1) : pool->workers - 1;
    uint32_t worth = (uint32_t)parts_in((double)rest * part_ns, RLX_CPU_WAKE_NS, pool->workers);
    if ((double)rest * part_ns < RLX_CPU_WAKE_NS) worth = 0; /* only those that are awake */
    rlx_lock(&pool->lock);
    rlx_cpu_job *job = pool->jobs;
    pool->jobs = job->next;
    job->task = *task;
    job->strand = *strand;
    if (strand->begun_ns) job->strand.spent_ns += now - strand->begun_ns;
    job->part_ns = part_ns;
    job->parts = rest;
    job->fault.status = RLX_OK;
    job->work_ns = 0;
    atomic_store_explicit(&job->taken, done, memory_order_relaxed);
    job->offer.help = job_help;
    job->offer.members = 1;
    rlx_cpu_offer_want(pool, &job->offer, wanted);
    rlx_cpu_pool_wake_and_unlock(pool, worth);
    rlx_cpu_strand after;
    return job_work(worker, job, part_ns, before, &after, fault);
}

rlx_cpu_step rlx_cpu_share(rlx_cpu_worker *worker, const rlx_cpu_task *task, const rlx_cpu_strand *strand,
                           rlx_fault *fault) {
    bool alone = worker->pool->workers == 1;
    double part_ns = remembered_ns(task);
    uint64_t begun = rlx_platform_clock_ns(), done = 0;
    worker->told = true;
    uint64_t count = alone ? task->count : part_ns > 0 ? parts_in(FIRST_NS, part_ns, task->count) : 1;
    for (;;) {
        rlx_status status = rlx_cpu_task_run(worker, task, done, count);
        if (status) {
            rlx_cpu_fault_set(fault, status, task, done, count);
            if (rlx_cpu_tracing())
                rlx_cpu_trace(task, strand->stream, begun, rlx_platform_clock_ns(), done + count, fault->status);
            return RLX_CPU_FAILED;
        }
        done += count;
        uint64_t now = rlx_platform_clock_ns();
        part_ns = (double)(now - begun) / (double)done;
        if (done == task->count) break;
        double rest_ns = (double)(task->count - done) * part_ns;
        bool judged = (double)(now - begun) >= FIRST_NS;
        if (judged && rest_ns >= SHARE_NS && task->count - done > 1 && rlx_cpu_pool_has_room(worker->pool))
            return share_rest(worker, task, strand, fault, &(share_of_work){ .parts = done, .begun_ns = begun },
                              part_ns, now);
        count = parts_in(judged ? SLICE_NS : FIRST_NS, part_ns, task->count - done);
        if (count > 4 * done) count = 4 * done; /* the first parts may have been the cheap ones */
    }
    remember(task, part_ns);
    if (rlx_cpu_tracing()) rlx_cpu_trace(task, strand->stream, begun, rlx_platform_clock_ns(), done, RLX_OK);
    return RLX_CPU_DONE;
}
