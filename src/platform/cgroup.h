/* What a container may use: the limits of the control groups that this process is in (cgroup.c). */
#ifndef RLX_CGROUP_H
#define RLX_CGROUP_H

#include <stdint.h>

/* UINT64_MAX where there is no limit. */
typedef struct rlx_cgroup_limits {
    uint64_t processors;       /* processor time as a number of processors, rounded up; at least 1 */
    uint64_t memory_total;     /* bytes */
    uint64_t memory_available; /* bytes: the limit less what is in use and could not be dropped */
} rlx_cgroup_limits;

/* `root` is put in front of every path: "" for the system's own, a folder in tests. */
void rlx_cgroup_read(const char *root, rlx_cgroup_limits *limits);

/* What the machine has left, in bytes: unlike free pages it counts what the page cache would give back. 0 where the
 * system does not say. `root` as above. In environment.c. */
uint64_t rlx_meminfo_available(const char *root);

#endif
