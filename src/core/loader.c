/* Finds plugins: shared libraries called rlx_backend_NAME.so, first in each folder of RLX_BACKEND_PATH (separated by
 * colons; ignored in a set-uid process), then in rlx/backends beside the library itself. Within a folder they are met
 * in the order of their names, so that two machines with the same files agree on which of two backends of one name
 * wins.
 *
 * Every candidate, and every named folder that cannot be read, gets a line in the report. A library stays loaded: its
 * threads, its strings and the handlers that it registered may outlive any use that we know of. */
#include "registry.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RLX_PLUGIN_PREFIX "rlx_backend_"
#define RLX_PLUGIN_SUFFIX ".so"
#define RLX_PLUGIN_FOLDER "/rlx/backends"
#define RLX_PATH_SIZE 4096

/* The candidates of one folder. */
typedef struct name_list {
    char **names;
    size_t count, room;
} name_list;

static bool is_candidate(const char *name) {
    size_t length = strlen(name), prefix = sizeof RLX_PLUGIN_PREFIX - 1, suffix = sizeof RLX_PLUGIN_SUFFIX - 1;
    return length > prefix + suffix && strncmp(name, RLX_PLUGIN_PREFIX, prefix) == 0 &&
           strcmp(name + length - suffix, RLX_PLUGIN_SUFFIX) == 0;
}

static bool list_add(name_list *list, const char *name) {
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        char **names = rlx_reallocate(list->names, room * sizeof *names);
        if (!names) return false;
        list->names = names;
        list->room = room;
    }
    list->names[list->count] = rlx_copy_string(name);
    return list->names[list->count++] != NULL;
}

static void list_clear(name_list *list) {
    for (size_t i = 0; i < list->count; i++) rlx_free(list->names[i]);
    rlx_free(list->names);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Loads one candidate, and offers its table or says why there is none. */
static rlx_status load_candidate(const char *path) {
    char error[512] = "";
    void *library = rlx_library_open(path, error, sizeof error);
    if (!library) return rlx_registry_refuse(path, "it cannot be loaded: %s", error);

    /* ISO C has no cast from an object pointer to a function pointer; POSIX promises that their bits are the same. */
    void *symbol = rlx_library_symbol(library, RLX_BACKEND_ENTRY);
    if (!symbol) return rlx_registry_refuse(path, "it exports no function " RLX_BACKEND_ENTRY);
    rlx_backend_entry_function entry;
    memcpy(&entry, &symbol, sizeof entry);

    rlx_error_clear();
    const rlx_backend *table = entry(&rlx_host_services);
    if (table) return rlx_registry_offer(path, table);
    const char *reason = rlx_error_aside();
    return rlx_registry_refuse(path, "its " RLX_BACKEND_ENTRY " returned NULL%s%s", reason[0] ? ": " : "", reason);
}

static rlx_status load_names(const char *folder, const name_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        char path[RLX_PATH_SIZE];
        int length = snprintf(path, sizeof path, "%s/%s", folder, list->names[i]);
        rlx_status status = RLX_OK;
        if (length < 0 || (size_t)length >= sizeof path) {
            status = rlx_registry_refuse(list->names[i], "its path is longer than %d bytes", RLX_PATH_SIZE - 1);
        } else if (!rlx_registry_knows(path)) {
            status = load_candidate(path);
        }
        if (status) return status;
    }
    return RLX_OK;
}

/* `named`: the user has named this folder, so it is told if it cannot be read. */
static rlx_status load_folder(const char *folder, bool named) {
    DIR *directory = opendir(folder);
    if (!directory) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        if (errno == ENOMEM) return rlx_fail_memory("a folder of plugins");
        if ((missing && !named) || rlx_registry_knows(folder)) return RLX_OK;
        return rlx_registry_refuse(folder, "the folder cannot be read: %s", strerror(errno));
    }
    name_list list = { NULL, 0, 0 };
    rlx_status status = RLX_OK;
    for (struct dirent *item; status == RLX_OK && (item = readdir(directory));)
        if (is_candidate(item->d_name) && !list_add(&list, item->d_name))
            status = rlx_fail_memory("a folder of plugins");
    closedir(directory);
    if (status == RLX_OK && list.count > 1) qsort(list.names, list.count, sizeof *list.names, by_name);
    if (status == RLX_OK) status = load_names(folder, &list);
    list_clear(&list);
    return status;
}

static rlx_status load_search_path(const char *search_path) {
    char *folders = rlx_copy_string(search_path), *rest = NULL;
    if (!folders) return rlx_fail_memory("the search path of plugins");
    rlx_status status = RLX_OK;
    for (char *folder = strtok_r(folders, ":", &rest); folder && status == RLX_OK; folder = strtok_r(NULL, ":", &rest))
        status = load_folder(folder, true);
    rlx_free(folders);
    return status;
}

rlx_status rlx_loader_run(void) {
    const char *search_path = rlx_environment("RLX_BACKEND_PATH");
    rlx_status status = search_path ? load_search_path(search_path) : RLX_OK;
    char folder[RLX_PATH_SIZE];
    if (status == RLX_OK && rlx_library_folder(folder, sizeof folder - sizeof RLX_PLUGIN_FOLDER)) {
        memcpy(folder + strlen(folder), RLX_PLUGIN_FOLDER, sizeof RLX_PLUGIN_FOLDER);
        status = load_folder(folder, false);
    }
    return status;
}
