/* The environment, how much memory there is, and which process this is. */
#include "platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"

/* What an unprivileged user wrote must not steer a process with more rights than theirs. */
static const char *trusted_variable(const char *name) {
#if defined(__linux__)
    return secure_getenv(name);
#else
    return issetugid() ? NULL : getenv(name);
#endif
}

const char *rlx_environment(const char *name) {
    const char *value = trusted_variable(name);
    return value && *value ? value : NULL;
}

/* Pages as bytes; 0 where the system does not say. */
static uint64_t pages(int name) {
    long count = sysconf(name), size = sysconf(_SC_PAGESIZE);
    return count > 0 && size > 0 ? (uint64_t)count * (uint64_t)size : 0;
}

uint64_t rlx_meminfo_available(const char *root) {
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/proc/meminfo", root) >= sizeof path) return 0;
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    char line[128];
    unsigned long long kib = 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemAvailable: %20llu kB", &kib) == 1) break;
    }
    fclose(file);
    return (uint64_t)kib * 1024;
}

uint64_t rlx_memory_total(void) {
    uint64_t total = pages(_SC_PHYS_PAGES);
    rlx_cgroup_limits limits;
    rlx_cgroup_read("", &limits);
    return limits.memory_total < total ? limits.memory_total : total;
}

uint64_t rlx_memory_available(void) {
    uint64_t available = rlx_meminfo_available("");
#if defined(_SC_AVPHYS_PAGES)
    if (available == 0) available = pages(_SC_AVPHYS_PAGES);
#endif
    rlx_cgroup_limits limits;
    rlx_cgroup_read("", &limits);
    return limits.memory_available < available ? limits.memory_available : available;
}

uint64_t rlx_process_id(void) { return (uint64_t)getpid(); }

void rlx_process_name(char *name, size_t size) {
    name[0] = '\0';
#if defined(__linux__)
    snprintf(name, size, "%s", program_invocation_short_name);
#elif defined(__APPLE__) || defined(__FreeBSD__)
    snprintf(name, size, "%s", getprogname());
#else
    (void)size;
#endif
}
