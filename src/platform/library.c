/* Shared libraries: opening plugins and kernels, and finding out where this code itself was loaded from. */
#include "platform.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/auxv.h>
#endif

#include "failpoint.h"

void *rlx_library_open(const char *path, char *error, size_t error_size) {
    bool refused = rlx_failpoint(RLX_FAILPOINT_DLOPEN);
    void *library = refused ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
    const char *reason = refused ? "a fault that was planned" : dlerror();
    if (error_size > 0) snprintf(error, error_size, "%s", reason ? reason : "the loader gives no reason");
    return NULL;
}

void *rlx_library_symbol(void *library, const char *name) { return dlsym(library, name); }

void rlx_library_close(void *library) { dlclose(library); }

/* The file of the module that holds this code. The loader knows a program only by the name that it was started with,
 * which may be a bare word found along PATH: there the kernel knows better. */
static char *own_file(void) {
    static const char here = 0;
    Dl_info own;
    if (!dladdr(&here, &own) || !own.dli_fname) return NULL;
#if defined(__linux__)
    Dl_info program;
    const void *headers = (const void *)(uintptr_t)getauxval(AT_PHDR);
    if (headers && dladdr(headers, &program) && program.dli_fbase == own.dli_fbase)
        return realpath("/proc/self/exe", NULL);
#endif
    return realpath(own.dli_fname, NULL);
}

bool rlx_library_folder(char *folder, size_t size) {
    char *file = own_file();
    char *slash = file ? strrchr(file, '/') : NULL;
    bool found = slash && (size_t)(slash - file) < size;
    if (found) {
        memcpy(folder, file, (size_t)(slash - file));
        folder[slash - file] = 0;
    }
    free(file);
    return found;
}
