/* Compiled kernels on disk.
 *
 *     FOLDER/                          private to the user
 *         3f9a...64 digits/            a key: source, compiler, options, processor
 *             0c52...16 digits.so      an entry: a shared library, and behind it the key, what it included, a digest
 *         tmp-xxxxxx/                  a compilation under way, or one whose process died: removed after an hour
 *
 * An entry is loaded only if it is whole, was made for exactly this key, and every file that was included is still what
 * it was. Entries never change: a new one gets a name of its own (of its digest), because a loaded library is known by
 * its name. Any number of processes may find and put at once. */
#ifndef RLX_CPU_CACHE_H
#define RLX_CPU_CACHE_H

#include "text.h"

#define RLX_CPU_PATH_SIZE 4096
#define RLX_CPU_TEMPORARY "tmp-"

/* Where variables are looked up: rlx_environment, which has none in a set-uid process. */
typedef const char *(*rlx_cpu_environment)(const char *name);

/* The folder that is asked for in rlx_device_desc (NULL: by the environment). False: none, "" or nothing is set. */
bool rlx_cpu_cache_folder(const char *asked, rlx_cpu_environment environment, char *folder, size_t size);

/* Makes the folder if need be. False: it cannot be used, and `reason` says in a sentence why. */
bool rlx_cpu_cache_open(const char *folder, char *reason, size_t size);

/* The entry of a key. False: there is none. Broken entries are removed on the way. */
bool rlx_cpu_cache_find(const char *folder, const rlx_cpu_text *key, char *path, size_t size);

/* Makes an entry of a library's bytes. `files` are lines "size modified_ns path" of the files that it was made of. */
bool rlx_cpu_cache_put(const char *folder, const rlx_cpu_text *key, const rlx_cpu_text *files, const void *object,
                       size_t object_size, char *path, size_t size);

/* An entry taken apart. Pointers lead into it; none of the parts is NUL-terminated. */
typedef struct rlx_cpu_entry {
    const char *object, *files, *key;
    size_t object_size, files_size, key_size;
} rlx_cpu_entry;

/* False: it is not whole. */
bool rlx_cpu_entry_parse(const void *bytes, size_t size, rlx_cpu_entry *entry);
/* Whether each file that was included is as it was. */
bool rlx_cpu_entry_current(const rlx_cpu_entry *entry);

#endif
