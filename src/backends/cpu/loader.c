/* Loading kernels from C source.
 *
 *     key -> in the cache? -> load
 *         -> otherwise: write source and wrapper -> compile -> put into the cache -> load
 *
 * The first compiler that works does it. Where no cache can be used, or a library cannot be loaded from there (its file
 * system may be mounted noexec), the library is loaded from a folder of its own among the temporary files, which is
 * removed at once: the mapping stays. */
#include "loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "platform/file.h"
#include "source.h"

#define SAID_SIZE ((size_t)64 << 10)
#define SAID_TOLD 3000 /* bytes of a compiler's word in a message */
#define ERROR_SIZE (RLX_CPU_PATH_SIZE + 512)

/* Everything about one kernel on its way. */
typedef struct job {
    const rlx_cpu_loader *loader;
    const rlx_kernel_desc *desc;
    const rlx_code *code;
    const char *source;
    size_t length;
    rlx_cpu_source_traits traits;
    rlx_cpu_compiler compiler;
    bool cached;                    /* there is a cache, and `key` says all */
    char cache[RLX_CPU_PATH_SIZE];  /* its folder */
    char folder[RLX_CPU_PATH_SIZE]; /* where it is compiled; "" before */
    rlx_cpu_text key, missing;
    char *said;
    rlx_cpu_loaded *loaded;
} job;

static rlx_status out_of_memory(void) {
    return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of host memory for compiling a kernel");
}

/* ---- Loading what has been compiled ---- */

static bool load_from(job *j, const char *path, char *error, size_t size) {
    void *library = rlx_library_open(path, error, size);
    if (!library) return false;
    void *symbol = rlx_library_symbol(library, RLX_CPU_WRAPPER_NAME);
    if (!symbol) {
        snprintf(error, size, "%s has no symbol %s", path, RLX_CPU_WRAPPER_NAME);
        rlx_library_close(library);
        return false;
    }
    j->loaded->library = library;
    j->loaded->function = (rlx_host_function)(uintptr_t)symbol;
    return true;
}

/* From a copy that nobody else sees. */
static bool load_copy(job *j, const void *object, size_t size, char *error, size_t error_size) {
    char folder[RLX_CPU_PATH_SIZE], path[RLX_CPU_PATH_SIZE + 16];
    if (!rlx_folder_temporary(rlx_temporary_folder(), "rlx-", folder, sizeof folder)) {
        snprintf(error, error_size, "no folder can be made in %s: %s", rlx_temporary_folder(), strerror(errno));
        return false;
    }
    snprintf(path, sizeof path, "%s/kernel.so", folder);
    bool loaded = rlx_file_create(path, object, size);
    if (!loaded) snprintf(error, error_size, "%s cannot be written: %s", path, strerror(errno));
    if (loaded) loaded = load_from(j, path, error, error_size);
    rlx_folder_remove(folder);
    return loaded;
}

/* The whole of a file, to be released. Errors: IO, OUT_OF_MEMORY. */
static rlx_status read_whole(const char *path, void **bytes, size_t *size) {
    rlx_file file;
    if (!rlx_file_open(path, &file)) return rlx_cpu_host->fail(RLX_ERROR_IO, "%s cannot be read", path);
    rlx_status status = RLX_OK;
    *size = (size_t)file.size;
    *bytes = rlx_cpu_host->allocate(*size + 1);
    if (!*bytes) {
        status = out_of_memory();
    } else if (!rlx_file_read(&file, *bytes, *size)) {
        rlx_cpu_host->release(*bytes);
        *bytes = NULL;
        status = rlx_cpu_host->fail(RLX_ERROR_IO, "%s cannot be read", path);
    }
    rlx_file_close(&file);
    return status;
}

static rlx_status load_object(job *j, const char *kept, const void *object, size_t size) {
    char error[ERROR_SIZE], error_of_copy[ERROR_SIZE];
    if (kept && load_from(j, kept, error, sizeof error)) return RLX_OK;
    if (kept)
        rlx_cpu_host->note(RLX_LOG_WARNING, "a kernel cannot be loaded from the cache (%s); loading a copy", error);
    if (load_copy(j, object, size, error_of_copy, sizeof error_of_copy)) return RLX_OK;
    return rlx_cpu_host->fail(RLX_ERROR_IO,
                              "it was compiled and cannot be loaded: %s (folders mounted noexec? RLX_CACHE_DIR and "
                              "TMPDIR name others)",
                              error_of_copy);
}

/* From the cache, if it is there. */
static bool load_cached(job *j) {
    char path[RLX_CPU_PATH_SIZE];
    void *bytes = NULL;
    size_t size = 0;
    rlx_cpu_entry entry;
    if (!j->cached || !rlx_cpu_cache_find(j->cache, &j->key, path, sizeof path)) return false;
    bool loaded = read_whole(path, &bytes, &size) == RLX_OK && rlx_cpu_entry_parse(bytes, size, &entry) &&
                  load_object(j, path, entry.object, entry.object_size) == RLX_OK;
    if (bytes) rlx_cpu_host->release(bytes);
    j->loaded->from_cache = j->loaded->kept = loaded;
    return loaded;
}

/* ---- Compiling ---- */

/* The compiler's word, at most SAID_TOLD bytes of it and whole lines. */
static rlx_status compile_error(const job *j) {
    size_t length = strlen(j->said), told = length;
    if (told > SAID_TOLD) {
        for (told = SAID_TOLD; told > SAID_TOLD / 2 && j->said[told - 1] != '\n'; told--) {}
    }
    while (told > 0 && j->said[told - 1] == '\n') told--;
    uint32_t more = 0;
    for (const char *at = j->said + told; (at = strchr(at, '\n')) && at[1]; at++) more++;
    char rest[64] = "";
    if (more) snprintf(rest, sizeof rest, "\n... and %u more lines", more);
    return rlx_cpu_host->fail(RLX_ERROR_COMPILE, "%s says:\n%.*s%s", j->compiler.path, (int)told, j->said, rest);
}

static rlx_status write_unit(const job *j, const rlx_cpu_signature *signature) {
    char path[RLX_CPU_PATH_SIZE + 16];
    rlx_cpu_text unit = { NULL, 0, 0, false };
    rlx_cpu_source_before(&unit, &j->traits, j->code->entry);
    rlx_cpu_text_add(&unit, j->source, j->length);
    if (signature) rlx_cpu_source_behind(&unit, signature, j->desc, j->code->entry);
    snprintf(path, sizeof path, "%s/kernel.c", j->folder);
    rlx_status status = unit.failed ? out_of_memory() : RLX_OK;
    rlx_file_remove(path);
    if (!status && !rlx_file_create(path, unit.data, unit.length))
        status = rlx_cpu_host->fail(RLX_ERROR_IO, "%s cannot be written: %s", path, strerror(errno));
    rlx_cpu_text_clear(&unit);
    return status;
}

/* What an outcome means. `broken` is set where another compiler may do better. */
static rlx_status outcome_status(job *j, rlx_cpu_outcome outcome, bool *broken) {
    switch (outcome) {
    case RLX_CPU_COMPILED: return RLX_OK;
    case RLX_CPU_REFUSED: return compile_error(j);
    case RLX_CPU_SLOW:
        return rlx_cpu_host->fail(RLX_ERROR_COMPILE, "%s had not ended after %d seconds, and was stopped",
                                  j->compiler.path, RLX_CPU_COMPILE_S);
    case RLX_CPU_NO_MEMORY: return out_of_memory();
    case RLX_CPU_BROKEN: break;
    }
    *broken = true;
    rlx_cpu_text_print(&j->missing, "%s%s (%s) does not work: %s", j->missing.length ? ", " : "", j->compiler.name,
                       j->compiler.path, j->said);
    return RLX_ERROR_UNSUPPORTED;
}

/* The signature: from the source itself or, where only the preprocessor can tell what is in it, from its output. */
static rlx_status find_signature(job *j, rlx_cpu_signature *signature, bool *broken) {
    const char *entry = j->code->entry;
    char path[RLX_CPU_PATH_SIZE + 16];
    signature->texts = (rlx_cpu_text){ NULL, 0, 0, false };
    if (!j->traits.conditional) {
        rlx_status status = rlx_cpu_signature_find(j->source, j->length, entry, signature);
        if (status != RLX_ERROR_NOT_FOUND) return status;
        rlx_cpu_signature_clear(signature);
    }
    rlx_status status = write_unit(j, NULL);
    if (!status) {
        rlx_cpu_outcome outcome = rlx_cpu_preprocess(&j->compiler, j->folder, j->said, SAID_SIZE);
        status = outcome_status(j, outcome, broken);
    }
    if (status) return status;
    snprintf(path, sizeof path, "%s/kernel.i", j->folder);
    void *text = NULL;
    size_t size = 0;
    status = read_whole(path, &text, &size);
    if (status) return status;
    status = rlx_cpu_signature_find(text, size, entry, signature);
    rlx_cpu_host->release(text);
    return status;
}

static rlx_status compile(job *j, bool *broken) {
    rlx_cpu_signature signature;
    rlx_status status = find_signature(j, &signature, broken);
    if (!status) status = rlx_cpu_signature_check(&signature, j->desc, j->code->entry);
    if (!status) status = write_unit(j, &signature);
    rlx_cpu_signature_clear(&signature);
    if (!status) status = outcome_status(j, rlx_cpu_compile(&j->compiler, j->folder, j->said, SAID_SIZE), broken);
    if (!status && j->said[0])
        rlx_cpu_host->note(RLX_LOG_INFO, "%s, compiling \"%s\": %s", j->compiler.path, j->code->entry, j->said);
    return status;
}

static rlx_status keep_and_load(job *j) {
    char path[RLX_CPU_PATH_SIZE + 16], kept[RLX_CPU_PATH_SIZE];
    rlx_cpu_text files = { NULL, 0, 0, false };
    void *object = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/kernel.so", j->folder);
    rlx_status status = read_whole(path, &object, &size);
    if (status) return status;
    j->loaded->kept = j->cached && rlx_cpu_compile_files(j->folder, &files) &&
                      rlx_cpu_cache_put(j->cache, &j->key, &files, object, size, kept, sizeof kept);
    status = load_object(j, j->loaded->kept ? kept : NULL, object, size);
    rlx_cpu_text_clear(&files);
    rlx_cpu_host->release(object);
    return status;
}

/* With one compiler. */
static rlx_status compile_and_load(job *j, bool *broken) {
    const char *parent = j->cached ? j->cache : rlx_temporary_folder();
    bool made = rlx_folder_temporary(parent, j->cached ? RLX_CPU_TEMPORARY : "rlx-", j->folder, sizeof j->folder);
    if (!made && j->cached) { /* a file system that cannot be written to any more, say */
        rlx_cpu_host->note(RLX_LOG_WARNING, "the kernel cache in %s cannot be written to: %s", j->cache,
                           strerror(errno));
        j->cached = false;
        parent = rlx_temporary_folder();
        made = rlx_folder_temporary(parent, "rlx-", j->folder, sizeof j->folder);
    }
    if (!made) return rlx_cpu_host->fail(RLX_ERROR_IO, "no folder can be made in %s: %s", parent, strerror(errno));
    rlx_status status = compile(j, broken);
    if (!status) status = keep_and_load(j);
    rlx_folder_remove(j->folder);
    return status;
}

/* ---- The way of a kernel ---- */

/* All that decides what the library will be. */
static bool make_key(job *j) {
    rlx_cpu_text_clear(&j->key);
    rlx_cpu_text_print(&j->key, "a kernel of rlx\n");
    bool whole = rlx_cpu_compiler_key(&j->compiler, j->loader->environment, &j->key);
    rlx_cpu_text_print(&j->key, "entry %s\nparameters", j->code->entry);
    for (uint32_t i = 0; i < j->desc->param_count; i++) {
        bool value = j->desc->params[i].access == RLX_VALUE;
        rlx_cpu_text_print(&j->key, " %u", value ? j->desc->params[i].size : 0); /* 0: a buffer */
    }
    rlx_cpu_text_print(&j->key, "\nsource of %zu bytes\n", j->length);
    rlx_cpu_text_add(&j->key, j->source, j->length);
    return whole && !j->key.failed;
}

/* Whether there is a cache that can be trusted. */
static bool open_cache(job *j) {
    char reason[512];
    if (!rlx_cpu_cache_folder(j->loader->cache_folder, j->loader->environment, j->cache, sizeof j->cache)) return false;
    if (rlx_cpu_cache_open(j->cache, reason, sizeof reason)) return true;
    rlx_cpu_host->note(RLX_LOG_WARNING, "the kernel cache in %s is not used: %s. Kernels are compiled anew each time",
                       j->cache, reason);
    return false;
}

static rlx_status run_compilers(job *j) {
    bool cache = open_cache(j);
    for (uint32_t i = 0; i < RLX_CPU_COMPILERS; i++) {
        if (!rlx_cpu_compiler_find(i, j->loader->environment, &j->compiler, &j->missing)) continue;
        if (j->code->options) j->compiler.options = j->code->options;
        j->cached = make_key(j) && cache;
        if (load_cached(j)) return RLX_OK;
        bool broken = false;
        rlx_status status = compile_and_load(j, &broken);
        if (!broken) return status;
    }
    return rlx_cpu_host->fail(RLX_ERROR_UNSUPPORTED,
                              "C source needs a C compiler, and none works here: %s. Install one (Debian and Ubuntu: "
                              "apt install gcc), or name one in CC",
                              j->missing.failed ? "" : j->missing.data);
}

rlx_status rlx_cpu_loader_run(const rlx_cpu_loader *loader, const rlx_kernel_desc *desc, const rlx_code *code,
                              rlx_cpu_loaded *loaded) {
    size_t length = code->size ? (size_t)code->size : strlen(code->source);
    *loaded = (rlx_cpu_loaded){ .library = NULL };
    if (!rlx_cpu_source_is_name(code->entry))
        return rlx_cpu_host->fail(RLX_ERROR_NOT_FOUND, "\"%s\" cannot be the name of a function in C", code->entry);
    job *j = rlx_cpu_host->allocate(sizeof *j); /* with its paths it is large for a stack */
    if (!j) return out_of_memory();
    j->loader = loader;
    j->desc = desc;
    j->code = code;
    j->source = code->source;
    j->length = length;
    j->loaded = loaded;
    j->said = rlx_cpu_host->allocate(SAID_SIZE);
    j->traits = rlx_cpu_source_look(j->source, length);
    rlx_status status = j->said ? run_compilers(j) : out_of_memory();
    rlx_cpu_text_clear(&j->key);
    rlx_cpu_text_clear(&j->missing);
    if (j->said) rlx_cpu_host->release(j->said);
    rlx_cpu_host->release(j);
    return status;
}

rlx_status rlx_cpu_load_source(const rlx_cpu_device *device, const rlx_kernel_desc *desc, const rlx_code *code,
                               rlx_cpu_kernel *kernel) {
    rlx_cpu_loader loader = { rlx_environment, device->cache_folder };
    rlx_cpu_loaded loaded;
    rlx_status status = rlx_cpu_loader_run(&loader, desc, code, &loaded);
    kernel->library = loaded.library;
    kernel->function = loaded.function;
    return status;
}
