/* Compiled kernels on disk: the folder, and entries found and put. cache.h tells how it is laid out. */
#include "cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "digest.h"
#include "platform/file.h"

#define KEY_DIGITS 64
#define ENTRY_DIGITS 16
#define ENTRY_MOST ((uint64_t)1 << 30) /* bytes; nothing that we wrote is larger */
#define VARIANTS_MOST 8                /* entries of one key: of different states of the files that it includes */
#define STALE_S 3600

/* ---- The folder ---- */

static bool join(char *path, size_t size, const char *folder, const char *rest) {
    return (size_t)snprintf(path, size, "%s%s", folder, rest) < size;
}

bool rlx_cpu_cache_folder(const char *asked, rlx_cpu_environment environment, char *folder, size_t size) {
    if (asked) return asked[0] && join(folder, size, asked, "");
    const char *found = environment("RLX_CACHE_DIR");
    if (found) return join(folder, size, found, "");
    found = environment("XDG_CACHE_HOME");
    if (found && found[0] == '/')
        return join(folder, size, found, "/rlx"); /* others are to be ignored, its rules say */
    found = environment("HOME");
    return found && found[0] == '/' && join(folder, size, found, "/.cache/rlx");
}

bool rlx_cpu_cache_open(const char *folder, char *reason, size_t size) {
    if (!rlx_folder_create(folder)) {
        snprintf(reason, size, "it cannot be made: %s", strerror(errno));
        return false;
    }
    switch (rlx_folder_check(folder)) {
    case RLX_FOLDER_PRIVATE: return true;
    case RLX_FOLDER_FOREIGN: snprintf(reason, size, "it belongs to another user"); return false;
    case RLX_FOLDER_OPEN:
        snprintf(reason, size, "other users can write to it, and could so choose what is run here: chmod go-w");
        return false;
    case RLX_FOLDER_MISSING: break;
    }
    snprintf(reason, size, "it cannot be looked at: %s", strerror(errno));
    return false;
}

/* ---- An entry ---- */

/* The last bytes of an entry. The digest is of all before it. */
typedef struct footer {
    char magic[16];
    uint64_t object_size, files_size, key_size;
    unsigned char digest[RLX_DIGEST_SIZE];
} footer;

static const char magic[16] = "rlx-cpu-entry-1";

static void digest_of(const void *bytes, size_t size, unsigned char result[RLX_DIGEST_SIZE]) {
    rlx_digest digest;
    rlx_digest_begin(&digest);
    rlx_digest_add(&digest, bytes, size);
    rlx_digest_end(&digest, result);
}

bool rlx_cpu_entry_parse(const void *bytes, size_t size, rlx_cpu_entry *entry) {
    footer end;
    unsigned char digest[RLX_DIGEST_SIZE];
    if (size < sizeof end) return false;
    size_t body = size - sizeof end;
    memcpy(&end, (const char *)bytes + body, sizeof end);
    if (memcmp(end.magic, magic, sizeof magic) != 0) return false;
    if (end.object_size > body || end.files_size > body - end.object_size ||
        end.key_size != body - end.object_size - end.files_size)
        return false;
    digest_of(bytes, size - sizeof digest, digest);
    if (memcmp(end.digest, digest, sizeof digest) != 0) return false;
    entry->object = bytes;
    entry->object_size = (size_t)end.object_size;
    entry->files = entry->object + entry->object_size;
    entry->files_size = (size_t)end.files_size;
    entry->key = entry->files + entry->files_size;
    entry->key_size = (size_t)end.key_size;
    return true;
}

static void entry_compose(rlx_cpu_text *text, const rlx_cpu_text *key, const rlx_cpu_text *files, const void *object,
                          size_t object_size) {
    footer end = { .object_size = object_size, .files_size = files->length, .key_size = key->length };
    memcpy(end.magic, magic, sizeof magic);
    rlx_cpu_text_add(text, object, object_size);
    rlx_cpu_text_add(text, files->data, files->length);
    rlx_cpu_text_add(text, key->data, key->length);
    rlx_cpu_text_add(text, &end, offsetof(footer, digest));
    if (text->failed) return;
    digest_of(text->data, text->length, end.digest);
    rlx_cpu_text_add(text, end.digest, sizeof end.digest);
}

bool rlx_cpu_entry_current(const rlx_cpu_entry *entry) {
    const char *at = entry->files, *end = at + entry->files_size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        char line[RLX_CPU_PATH_SIZE + 64];
        uint64_t size, modified_ns, size_now, modified_now;
        int path = 0;
        if (!line_end || (size_t)(line_end - at) >= sizeof line) return false;
        memcpy(line, at, (size_t)(line_end - at));
        line[line_end - at] = '\0';
        if (sscanf(line, "%" SCNu64 " %" SCNu64 " %n", &size, &modified_ns, &path) != 2 || path == 0) return false;
        if (!rlx_file_look(line + path, &size_now, &modified_now)) return false;
        if (size != size_now || modified_ns != modified_now) return false;
        at = line_end + 1;
    }
    return true;
}

/* ---- Finding ---- */

typedef struct search {
    const rlx_cpu_text *key;
    const char *folder; /* of the key */
    char *path;
    size_t size;
    bool found;
    uint32_t others; /* entries that are none for now */
} search;

static bool has_suffix(const char *name, const char *suffix) {
    size_t length = strlen(name), ending = strlen(suffix);
    return length > ending && strcmp(name + length - ending, suffix) == 0;
}

typedef enum entry_state { ENTRY_GOOD, ENTRY_OUTDATED, ENTRY_BROKEN } entry_state;

static entry_state entry_check(const char *path, const rlx_cpu_text *key) {
    rlx_file file;
    entry_state state = ENTRY_BROKEN;
    if (!rlx_file_open(path, &file)) return ENTRY_OUTDATED; /* removed just now, by another process */
    void *bytes = file.ours && file.size <= ENTRY_MOST ? rlx_cpu_host->allocate((size_t)file.size) : NULL;
    rlx_cpu_entry entry;
    if (bytes && rlx_file_read(&file, bytes, (size_t)file.size) &&
        rlx_cpu_entry_parse(bytes, (size_t)file.size, &entry)) {
        bool same = entry.key_size == key->length && memcmp(entry.key, key->data, key->length) == 0;
        state = same && rlx_cpu_entry_current(&entry) ? ENTRY_GOOD : ENTRY_OUTDATED;
    }
    if (bytes) rlx_cpu_host->release(bytes);
    rlx_file_close(&file);
    return state;
}

static bool visit_entry(void *user, const char *name) {
    search *s = user;
    if (!has_suffix(name, ".so")) return true;
    if ((size_t)snprintf(s->path, s->size, "%s/%s", s->folder, name) >= s->size) return true;
    entry_state state = entry_check(s->path, s->key);
    s->found = state == ENTRY_GOOD;
    s->others += state == ENTRY_OUTDATED;
    if (state == ENTRY_BROKEN) {
        rlx_cpu_host->note(RLX_LOG_INFO, "removing %s: it is not a whole entry of the kernel cache", s->path);
        rlx_file_remove(s->path);
    }
    return !s->found;
}

static bool key_folder(const char *folder, const rlx_cpu_text *key, char *path, size_t size) {
    char name[KEY_DIGITS + 1];
    rlx_digest_name(key->data, key->length, name, KEY_DIGITS);
    return (size_t)snprintf(path, size, "%s/%s", folder, name) < size;
}

bool rlx_cpu_cache_find(const char *folder, const rlx_cpu_text *key, char *path, size_t size) {
    char entries[RLX_CPU_PATH_SIZE];
    search s = { .key = key, .folder = entries, .path = path, .size = size };
    if (!key_folder(folder, key, entries, sizeof entries)) return false;
    rlx_folder_each(entries, visit_entry, &s);
    /* Each state of an included file leaves an entry: beyond a few they are history. A process that is about to load
     * one of them makes it again. */
    if (!s.found && s.others >= VARIANTS_MOST) rlx_folder_remove(entries);
    return s.found;
}

/* ---- Putting ---- */

bool rlx_cpu_cache_put(const char *folder, const rlx_cpu_text *key, const rlx_cpu_text *files, const void *object,
                       size_t object_size, char *path, size_t size) {
    char entries[RLX_CPU_PATH_SIZE], work[RLX_CPU_PATH_SIZE], fresh[RLX_CPU_PATH_SIZE + 16], name[ENTRY_DIGITS + 1];
    rlx_cpu_text text = { NULL, 0, 0, false };
    bool put = false;
    entry_compose(&text, key, files, object, object_size);
    if (text.failed || !key_folder(folder, key, entries, sizeof entries)) goto done;
    rlx_digest_name(text.data, text.length, name, ENTRY_DIGITS);
    if ((size_t)snprintf(path, size, "%s/%s.so", entries, name) >= size) goto done;
    if (!rlx_folder_temporary(folder, RLX_CPU_TEMPORARY, work, sizeof work)) goto done;
    snprintf(fresh, sizeof fresh, "%s/entry", work);
    put = rlx_folder_create(entries) && rlx_file_create(fresh, text.data, text.length) && rlx_file_publish(fresh, path);
    rlx_folder_remove(work);
    rlx_folder_sweep(folder, RLX_CPU_TEMPORARY, STALE_S);
done:
    rlx_cpu_text_clear(&text);
    return put;
}
