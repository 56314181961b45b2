/* Which processor this is: as the kernel describes the first one in /proc/cpuinfo. */
#include "processor.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *rlx_processor_architecture(void) {
#if defined(__x86_64__)
    return "x86-64";
#elif defined(__i386__)
    return "x86";
#elif defined(__aarch64__)
    return "aarch64";
#elif defined(__arm__)
    return "arm";
#elif defined(__riscv)
    return __riscv_xlen == 64 ? "riscv64" : "riscv32";
#elif defined(__powerpc64__)
    return "ppc64";
#elif defined(__wasm__)
    return "wasm32";
#else
    return "unknown";
#endif
}

/* The value of a "key : value" line if its key is one of the list; NULL otherwise. */
static const char *value_of(const char *line, const char *const *keys) {
    const char *colon = strchr(line, ':');
    if (!colon) return NULL;
    size_t length = (size_t)(colon - line);
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t')) length--;
    for (; *keys; keys++) {
        if (strlen(*keys) == length && strncmp(*keys, line, length) == 0) return colon + 1 + (colon[1] == ' ');
    }
    return NULL;
}

/* The values of those keys, one a line, that the first processor's paragraph has; no more than one if `one`. */
static void read_values(const char *const *keys, bool one, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file) return;
    char line[8192];
    while (fgets(line, sizeof line, file) && line[0] != '\n') {
        const char *value = value_of(line, keys);
        if (!value) continue;
        size_t length = strlen(value);
        if (length > size - 1 - used) length = size - 1 - used;
        memcpy(text + used, value, length);
        used += length;
        text[used] = '\0';
        if (one) break;
    }
    fclose(file);
}

void rlx_processor_name(char *name, size_t size) {
    static const char *const keys[] = { "model name", "cpu model", "Processor", "cpu", "uarch", NULL };
    read_values(keys, true, name, size);
    name[strcspn(name, "\n")] = '\0';
}

void rlx_processor_identity(char *text, size_t size) {
    static const char *const keys[] = {
        "vendor_id",   "cpu family",   "model",
        "model name",  "stepping",     "flags", /* x86 */
        "Features",    "CPU part",     "CPU implementer",
        "CPU variant", "CPU revision", /* ARM */
        "isa",         "uarch",        "mvendorid",
        "marchid",     "mimpid",             /* RISC-V */
        "cpu",         "revision",     NULL, /* POWER */
    };
    read_values(keys, false, text, size);
}

const char *rlx_processor_compiler_option(void) {
#if defined(__x86_64__) || defined(__i386__)
    return "-march=native";
#elif defined(__aarch64__) || defined(__arm__) || defined(__powerpc64__)
    return "-mcpu=native";
#else
    return NULL;
#endif
}
