/* The files in which a system tells how much of it may be used: control groups of both generations, and meminfo. The
 * input is their contents one behind the other, each up to a byte 0xFF. */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "platform/cgroup.h"

static const char *const names[] = {
    "proc/self/cgroup",        "proc/self/mountinfo",     "g/cpu.max",          "g/memory.max",
    "g/memory.current",        "g/memory.stat",           "g/cpu.cfs_quota_us", "g/cpu.cfs_period_us",
    "g/memory.limit_in_bytes", "g/memory.usage_in_bytes", "g/a/cpu.max",        "proc/meminfo"
};
enum { NAMES = sizeof names / sizeof *names };

static char root[256];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static const char *const folders[] = { "proc", "proc/self", "g", "g/a" };
    (void)argc, (void)argv;
    snprintf(root, sizeof root, "%s/rlx-fuzz-XXXXXX", fuzz_folder());
    if (!mkdtemp(root)) abort();
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[320];
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        if (mkdir(path, 0700)) abort();
    }
    return 0;
}

static void write_file(const char *name, const uint8_t *data, size_t size) {
    char path[320];
    snprintf(path, sizeof path, "%s/%s", root, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || write(file, data, size) != (ssize_t)size) abort();
    close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < NAMES; i++) {
        const uint8_t *end = size ? memchr(data, 0xFF, size) : NULL;
        size_t length = end ? (size_t)(end - data) : size;
        write_file(names[i], data, length);
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
    rlx_cgroup_limits limits;
    rlx_cgroup_read(root, &limits);
    FUZZ_CHECK(limits.processors >= 1);
    FUZZ_CHECK(limits.memory_available <= limits.memory_total);
    (void)rlx_meminfo_available(root);
    return 0;
}
