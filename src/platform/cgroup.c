/* Limits of control groups, both generations.
 *
 * /proc/self/cgroup tells which group of each hierarchy the process is in, /proc/self/mountinfo where that hierarchy
 * can be seen. A group is bound by its own limits and by those of every group above it, so we walk from the process's
 * group up to the mount point and keep the smallest. What cannot be read is no limit: inside a container the upper
 * groups are hidden, and on other systems there are no such files at all.
 *
 *     version 2: one hierarchy; cpu.max "QUOTA PERIOD", memory.max, memory.current, memory.stat
 *     version 1: one hierarchy for each controller; cpu.cfs_quota_us and cpu.cfs_period_us, memory.limit_in_bytes,
 *                memory.usage_in_bytes, memory.stat
 *
 * https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/ */
#include "cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 4096

/* Opens ROOT/FOLDER/NAME for reading; NULL if it is not there. */
static FILE *open_file(const char *root, const char *folder, const char *name) {
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    if (length < 0 || (size_t)length >= sizeof path) return NULL;
    return fopen(path, "re");
}

/* The first number of a file. False if there is none ("max", or no such file). */
static bool read_number(const char *root, const char *folder, const char *name, uint64_t *number) {
    FILE *file = open_file(root, folder, name);
    if (!file) return false;
    char text[64];
    bool found = fgets(text, sizeof text, file) && text[0] >= '0' && text[0] <= '9';
    if (found) *number = strtoull(text, NULL, 10);
    fclose(file);
    return found;
}

/* The number after `key` at the start of a line, 0 if there is none. */
static uint64_t read_statistic(const char *root, const char *folder, const char *name, const char *key) {
    FILE *file = open_file(root, folder, name);
    if (!file) return 0;
    char line[256];
    uint64_t number = 0;
    size_t length = strlen(key);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            number = strtoull(line + length, NULL, 10);
            break;
        }
    }
    fclose(file);
    return number;
}

/* Whether the list "cpu,cpuacct" holds the word "cpu". */
static bool list_holds(const char *list, const char *word) {
    size_t length = strlen(word);
    while (*list) {
        size_t entry = strcspn(list, ",");
        if (entry == length && strncmp(list, word, length) == 0) return true;
        list += entry + (list[entry] == ',');
    }
    return false;
}

/* The path of the process's group in one hierarchy: lines are "ID:CONTROLLERS:PATH"; version 2 lists no controllers. */
static bool find_group(const char *root, const char *controller, char *group) {
    FILE *file = open_file(root, "/proc/self", "cgroup");
    if (!file) return false;
    char line[PATH_SIZE];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path) continue;
        *controllers++ = 0, *path++ = 0;
        found = controller ? list_holds(controllers, controller) : strcmp(line, "0") == 0 && *controllers == 0;
        if (found) strcpy(group, path);
    }
    fclose(file);
    return found;
}

/* Where a hierarchy is mounted, and which of its groups is seen there. Lines are
 * "ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS [TAG...] - TYPE SOURCE SUPER_OPTIONS". */
static bool find_mount(const char *root, const char *controller, char *mount, char *mounted) {
    FILE *file = open_file(root, "/proc/self", "mountinfo");
    if (!file) return false;
    char line[2 * PATH_SIZE], type[32], options[512];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        const char *separator = strstr(line, " - ");
        if (!separator || sscanf(separator, " - %31s %*s %511s", type, options) != 2) continue;
        if (sscanf(line, "%*s %*s %*s %4095s %4095s", mounted, mount) != 2) continue;
        found =
            controller ? strcmp(type, "cgroup") == 0 && list_holds(options, controller) : strcmp(type, "cgroup2") == 0;
    }
    fclose(file);
    return found;
}

/* The folder of the process's group, and the length of its mount point, above which nothing can be seen. */
static bool find_folder(const char *root, const char *controller, char *folder, size_t *mount_length) {
    char group[PATH_SIZE], mounted[PATH_SIZE], mount[PATH_SIZE];
    if (!find_group(root, controller, group) || !find_mount(root, controller, mount, mounted)) return false;
    /* A container often sees its own group as the mount point: what is above is not part of the path then. */
    size_t length = strcmp(mounted, "/") == 0 ? 0 : strlen(mounted);
    bool below = strncmp(group, mounted, length) == 0 && (group[length] == '/' || group[length] == 0);
    const char *rest = below && strcmp(group, "/") != 0 ? group + length : "";
    int written = snprintf(folder, PATH_SIZE, "%s%s", mount, rest);
    *mount_length = strlen(mount);
    return written > 0 && written < PATH_SIZE;
}

static void lower(uint64_t *limit, uint64_t value) {
    if (value < *limit) *limit = value;
}

static void limit_processors(rlx_cgroup_limits *limits, uint64_t quota, uint64_t period) {
    if (quota == 0 || period == 0) return;
    lower(&limits->processors, quota / period + (quota % period != 0));
}

static void limit_memory(rlx_cgroup_limits *limits, uint64_t limit, uint64_t used, uint64_t droppable) {
    used -= droppable < used ? droppable : used;
    lower(&limits->memory_total, limit);
    lower(&limits->memory_available, limit > used ? limit - used : 0);
}

static void read_unified(const char *root, const char *folder, rlx_cgroup_limits *limits) {
    FILE *file = open_file(root, folder, "cpu.max");
    if (file) {
        unsigned long long quota, period;
        if (fscanf(file, "%20llu %20llu", &quota, &period) == 2) limit_processors(limits, quota, period);
        fclose(file);
    }
    uint64_t limit, used;
    if (read_number(root, folder, "memory.max", &limit) && read_number(root, folder, "memory.current", &used))
        limit_memory(limits, limit, used, read_statistic(root, folder, "memory.stat", "inactive_file"));
}

static void read_processors_v1(const char *root, const char *folder, rlx_cgroup_limits *limits) {
    uint64_t quota, period; /* a quota of -1 is none, and no number to read_number */
    if (read_number(root, folder, "cpu.cfs_quota_us", &quota) &&
        read_number(root, folder, "cpu.cfs_period_us", &period))
        limit_processors(limits, quota, period);
}

static void read_memory_v1(const char *root, const char *folder, rlx_cgroup_limits *limits) {
    uint64_t limit, used; /* no limit reads as a huge number, which the machine's own size then undercuts */
    if (read_number(root, folder, "memory.limit_in_bytes", &limit) &&
        read_number(root, folder, "memory.usage_in_bytes", &used))
        limit_memory(limits, limit, used, read_statistic(root, folder, "memory.stat", "total_inactive_file"));
}

typedef void (*read_function)(const char *root, const char *folder, rlx_cgroup_limits *limits);

/* Reads the process's group of one hierarchy, and those above it. */
static void read_hierarchy(const char *root, const char *controller, read_function read, rlx_cgroup_limits *limits) {
    char folder[PATH_SIZE];
    size_t mount_length;
    if (!find_folder(root, controller, folder, &mount_length)) return;
    for (;;) {
        read(root, folder, limits);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < mount_length) return;
        *slash = 0;
    }
}

void rlx_cgroup_read(const char *root, rlx_cgroup_limits *limits) {
    limits->processors = limits->memory_total = limits->memory_available = UINT64_MAX;
    read_hierarchy(root, NULL, read_unified, limits);
    read_hierarchy(root, "cpu", read_processors_v1, limits);
    read_hierarchy(root, "memory", read_memory_v1, limits);
}
