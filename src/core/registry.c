/* Which backends and devices there are: a list of backends and candidates in the order in which they were met, and a
 * list of devices, best first.
 *
 * Entries are only ever added, and never change once they are taken, so a backend's table and a device's properties can
 * be handed out as plain pointers. The steps of an entry (probe, describe) are marked as they are done: a step that ran
 * out of memory leaves those before it done, and the next call goes on from there. */
#include "registry.h"

#include "backends/cpu/cpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RLX_REASON_SIZE 1024
#define RLX_DEVICES_MAX 256 /* of one backend: more is a count gone wrong */

typedef struct registry_entry registry_entry;

typedef struct listed_device {
    rlx_device_properties properties;
    registry_entry *entry;
    uint32_t index;
} listed_device;

struct registry_entry {
    _Atomic(registry_entry *) next; /* rlx_registry_backend reads the list without the lock */
    rlx_backend table;              /* as wide as ours; of a refused one only the name counts */
    const char *path;               /* "" if built in or registered */
    bool taken, probed, described;
    uint32_t probed_count;  /* what probe said */
    listed_device *devices; /* those of them that were listed */
    uint32_t device_count;
    char reason[RLX_REASON_SIZE];
};

static const rlx_backend_entry_function built_in[] = { rlx_cpu_backend, rlx_sync_backend };

static struct {
    rlx_mutex lock;
    _Atomic uint64_t owner; /* the thread that holds the lock, to tell a call back from a wait */
    _Atomic(registry_entry *) first;
    _Atomic(registry_entry *) *last;
    uint32_t built_in_done; /* how many of built_in were offered */
    bool closed;            /* somebody has asked for devices: no more registering */
    bool loaded;            /* plugins have been looked for */
    listed_device **list;   /* best first; NULL until somebody asks for all */
    uint32_t list_count;
} registry;

/* ---- Entries ---- */

static RLX_PRINTF(2, 3) void add_reason(registry_entry *entry, const char *format, ...) {
    size_t used = strlen(entry->reason);
    if (used > 0) used += (size_t)snprintf(entry->reason + used, sizeof entry->reason - used, "; ");
    if (used >= sizeof entry->reason) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(entry->reason + used, sizeof entry->reason - used, format, arguments);
    va_end(arguments);
}

static registry_entry *first_entry(void) { return atomic_load_explicit(&registry.first, memory_order_acquire); }

static registry_entry *next_entry(registry_entry *entry) {
    return atomic_load_explicit(&entry->next, memory_order_acquire);
}

static registry_entry *find_taken(const char *name) {
    for (registry_entry *entry = first_entry(); entry; entry = next_entry(entry))
        if (entry->taken && strcmp(entry->table.name, name) == 0) return entry;
    return NULL;
}

static registry_entry *create_entry(const char *path) {
    registry_entry *entry = rlx_allocate(sizeof *entry);
    if (!entry) return NULL;
    entry->path = path && path[0] ? rlx_copy_string(path) : "";
    if (entry->path) return entry;
    rlx_free(entry);
    return NULL;
}

static void append_entry(registry_entry *entry) {
    if (!registry.last) registry.last = &registry.first;
    atomic_store_explicit(registry.last, entry, memory_order_release);
    registry.last = &entry->next;
}

/* Checks a table and, if it is sound and its name is free, takes it. */
static rlx_status take_table(registry_entry *entry, const rlx_backend *table) {
    rlx_status status = rlx_table_check(table, &entry->table);
    if (status) return status;
    const registry_entry *earlier = find_taken(entry->table.name);
    if (!earlier) {
        entry->taken = true;
        return RLX_OK;
    }
    return rlx_fail_aside(RLX_ERROR_INVALID, "the name '%s' is taken by %s, which was met first", entry->table.name,
                          earlier->path[0] ? earlier->path : "a backend that is built in or registered");
}

const rlx_backend *rlx_registry_backend(const char *name) {
    const registry_entry *entry = name ? find_taken(name) : NULL;
    return entry ? &entry->table : NULL;
}

/* ---- For the loader ---- */

bool rlx_registry_knows(const char *path) {
    for (registry_entry *entry = first_entry(); entry; entry = next_entry(entry))
        if (strcmp(entry->path, path) == 0) return true;
    return false;
}

rlx_status rlx_registry_offer(const char *path, const rlx_backend *table) {
    registry_entry *entry = create_entry(path);
    if (!entry) return rlx_fail_memory("the list of backends");
    if (take_table(entry, table)) add_reason(entry, "%s", rlx_error_aside());
    rlx_note(entry->taken ? RLX_LOG_INFO : RLX_LOG_WARNING, "backend %s: %s%s", path[0] ? path : entry->table.name,
             entry->taken ? "taken" : "refused: ", entry->reason);
    append_entry(entry);
    return RLX_OK;
}

rlx_status rlx_registry_refuse(const char *path, const char *format, ...) {
    registry_entry *entry = create_entry(path);
    if (!entry) return rlx_fail_memory("the list of backends");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(entry->reason, sizeof entry->reason, format, arguments);
    va_end(arguments);
    rlx_note(RLX_LOG_WARNING, "backend %s: refused: %s", path, entry->reason);
    append_entry(entry);
    return RLX_OK;
}

/* ---- The lock ---- */

static rlx_status offer_built_in(void) {
    while (registry.built_in_done < sizeof built_in / sizeof *built_in) {
        const rlx_backend *table = built_in[registry.built_in_done](&rlx_host_services);
        rlx_status status = table ? rlx_registry_offer("", table) : RLX_OK; /* NULL: not for this machine */
        if (status) return status;
        registry.built_in_done++;
    }
    return RLX_OK;
}

static void registry_unlock(void) {
    atomic_store_explicit(&registry.owner, 0, memory_order_relaxed);
    rlx_unlock(&registry.lock);
    rlx_note_flush();
}

static rlx_status registry_lock(void) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    uint64_t self = rlx_thread_id();
    if (atomic_load_explicit(&registry.owner, memory_order_relaxed) == self) {
        return rlx_fail(RLX_ERROR_ORDER, "devices cannot be listed, opened or registered from within a backend's "
                                         "entry, probe, describe or device_open");
    }
    rlx_lock(&registry.lock);
    atomic_store_explicit(&registry.owner, self, memory_order_relaxed);
    rlx_note_hold();
    status = offer_built_in();
    if (status) registry_unlock();
    return status;
}

/* ---- Probing ---- */

static const char *last_reason(const char *otherwise) { return rlx_error_aside()[0] ? rlx_error_aside() : otherwise; }

static void probe_entry(registry_entry *entry) {
    uint32_t count = 0;
    rlx_error_clear();
    rlx_status status = entry->table.probe(&count);
    entry->probed = true;
    entry->probed_count = status ? 0 : count;
    if (status) add_reason(entry, "probing failed: %s", last_reason(rlx_status_text(status)));
    else if (count == 0) add_reason(entry, "%s", last_reason("it found no device, and did not say why"));
    if (entry->probed_count <= RLX_DEVICES_MAX) return;
    entry->probed_count = RLX_DEVICES_MAX;
    add_reason(entry, "it counts %u devices, of which the first %d were looked at", count, RLX_DEVICES_MAX);
}

/* Lists device `index`, or adds to the reason why not. */
static void describe_device(registry_entry *entry, uint32_t index) {
    rlx_error_clear();
    const rlx_device_properties *theirs = entry->table.describe(index);
    if (!theirs) {
        add_reason(entry, "device %u is refused: %s", index, last_reason("the backend did not say why"));
        return;
    }
    listed_device *device = &entry->devices[entry->device_count];
    if (rlx_properties_check(&entry->table, theirs, &device->properties)) {
        add_reason(entry, "device %u%s%s%s is refused: %s", index, theirs->name ? " ('" : "",
                   theirs->name ? theirs->name : "", theirs->name ? "')" : "", rlx_error_aside());
        return;
    }
    for (uint32_t i = 0; i < entry->device_count; i++) {
        if (strcmp(entry->devices[i].properties.name, device->properties.name) != 0) continue;
        add_reason(entry, "device %u is refused: its name '%s' is device %u's", index, device->properties.name,
                   entry->devices[i].index);
        return;
    }
    device->entry = entry;
    device->index = index;
    entry->device_count++;
}

/* Makes sure that the entry's devices are known. */
static rlx_status list_entry(registry_entry *entry) {
    if (!entry->taken || entry->described) return RLX_OK;
    if (!entry->probed) probe_entry(entry);
    if (entry->probed_count > 0) {
        entry->devices = rlx_allocate(entry->probed_count * sizeof *entry->devices);
        if (!entry->devices) return rlx_fail_memory("the list of devices");
        for (uint32_t i = 0; i < entry->probed_count; i++) describe_device(entry, i);
    }
    entry->described = true;
    if (!entry->reason[0])
        add_reason(entry, "it lists %u device%s", entry->device_count, entry->device_count == 1 ? "" : "s");
    return RLX_OK;
}

/* ---- The whole list ---- */

static rlx_status load_plugins(void) {
    if (registry.loaded) return RLX_OK;
    rlx_status status = rlx_loader_run();
    if (status == RLX_OK) registry.loaded = true;
    return status;
}

/* Best first: the kinds, and within a kind the device that works by itself before one that needs its caller. */
static uint32_t rank(const listed_device *device) {
    static const uint32_t kinds[] = {
        [RLX_DEVICE_DISCRETE_GPU] = 0, [RLX_DEVICE_INTEGRATED_GPU] = 1, [RLX_DEVICE_CPU] = 2, [RLX_DEVICE_OTHER] = 3
    };
    return kinds[device->properties.kind] * 2 + (device->properties.progress == RLX_PROGRESS_CALLER);
}

static void insert_ranked(listed_device *device) {
    uint32_t at = registry.list_count++;
    for (; at > 0 && rank(registry.list[at - 1]) > rank(device); at--) registry.list[at] = registry.list[at - 1];
    registry.list[at] = device;
}

static rlx_status list_all(void) {
    if (registry.list) return RLX_OK;
    rlx_status status = load_plugins();
    uint32_t count = 0;
    for (registry_entry *entry = first_entry(); entry && status == RLX_OK; entry = next_entry(entry)) {
        status = list_entry(entry);
        count += entry->device_count;
    }
    if (status) return status;
    registry.list = rlx_allocate(count * sizeof(listed_device *));
    if (!registry.list) return rlx_fail_memory("the list of devices");
    for (registry_entry *entry = first_entry(); entry; entry = next_entry(entry))
        for (uint32_t i = 0; i < entry->device_count; i++) insert_ranked(&entry->devices[i]);
    return RLX_OK;
}

/* ---- Finding one ---- */

static listed_device *device_of(const registry_entry *entry, const char *name) {
    if (entry->device_count > 0 && strcmp(name, entry->table.name) == 0) return &entry->devices[0];
    for (uint32_t i = 0; i < entry->device_count; i++)
        if (strcmp(name, entry->devices[i].properties.name) == 0) return &entry->devices[i];
    return NULL;
}

/* Looks among the backends that are known by now; probes only the one whose name it is. */
static rlx_status search(const char *name, listed_device **device) {
    *device = NULL;
    for (registry_entry *entry = first_entry(); entry; entry = next_entry(entry)) {
        if (!entry->taken || !rlx_backend_serves(&entry->table, name)) continue;
        rlx_status status = list_entry(entry);
        if (status == RLX_OK) *device = device_of(entry, name);
        return status;
    }
    return RLX_OK;
}

static rlx_status not_found(const char *name) {
    rlx_status status = list_all();
    if (status) return status;
    char devices[RLX_REASON_SIZE] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < registry.list_count && used < sizeof devices; i++) {
        used += (size_t)snprintf(devices + used, sizeof devices - used, "%s%s", i ? ", " : "",
                                 registry.list[i]->properties.name);
    }
    for (registry_entry *entry = first_entry(); entry; entry = next_entry(entry)) {
        if (!entry->table.name || !rlx_backend_serves(&entry->table, name)) continue;
        return rlx_fail(RLX_ERROR_NOT_FOUND, "no device is called '%s' (backend %s%s: %s); there are: %s", name,
                        entry->table.name, entry->taken ? "" : " was refused", entry->reason, devices);
    }
    return rlx_fail(RLX_ERROR_NOT_FOUND,
                    "no device is called '%s'; there are: %s (`rlx devices` tells what was refused, and why)", name,
                    devices);
}

static void hand_out(const listed_device *device, rlx_registry_device *found) {
    found->table = &device->entry->table;
    found->index = device->index;
    found->properties = &device->properties;
}

rlx_status rlx_registry_find(const char *name, rlx_registry_device *found) {
    rlx_status status = registry_lock();
    if (status) return status;
    registry.closed = true;
    listed_device *device = NULL;
    if (rlx_lie("every-driver-is-probed")) (void)list_all();
    status = search(name, &device);
    if (status == RLX_OK && !device) status = load_plugins();
    if (status == RLX_OK && !device) status = search(name, &device);
    if (status == RLX_OK && !device) status = not_found(name);
    if (status == RLX_OK) hand_out(device, found);
    registry_unlock();
    return status;
}

rlx_status rlx_registry_at(uint32_t i, rlx_registry_device *found) {
    rlx_status status = registry_lock();
    if (status) return status;
    registry.closed = true;
    status = list_all();
    if (status == RLX_OK && i >= registry.list_count)
        status = rlx_fail(RLX_ERROR_NOT_FOUND, "there are only %u devices", registry.list_count);
    if (status == RLX_OK) hand_out(registry.list[i], found);
    registry_unlock();
    return status;
}

rlx_status rlx_registry_open(const rlx_registry_device *device, const rlx_device_desc *desc, void **handle,
                             rlx_device_properties *properties) {
    rlx_status status = registry_lock();
    if (status) return status;
    rlx_device_opened opened = { NULL, NULL };
    rlx_error_clear();
    status = device->table->device_open(device->index, desc, &opened);
    bool refused = false;
    if (status == RLX_OK) {
        status =
            rlx_properties_check(device->table, opened.properties ? opened.properties : device->properties, properties);
        refused = status != RLX_OK;
    }
    if (status == RLX_OK) *handle = opened.device;
    else (void)rlx_fail_within(status, "%s", device->properties->name);
    registry_unlock();
    if (refused) device->table->device_close(opened.device); /* like every close: without a lock held */
    return status;
}

/* ---- The public part ---- */

rlx_status rlx_backend_register(rlx_backend_entry_function entry_function) {
    rlx_status status = registry_lock();
    if (status) return status;
    registry_entry *entry = NULL;
    if (!entry_function) {
        status = rlx_fail(RLX_ERROR_INVALID, "rlx_backend_register: entry is NULL");
    } else if (registry.closed) {
        status = rlx_fail(RLX_ERROR_ORDER, "backends are registered before the first device is listed or opened");
    } else if (!(entry = create_entry(NULL))) {
        status = rlx_fail_memory("the list of backends");
    } else {
        rlx_error_clear();
        const rlx_backend *table = entry_function(&rlx_host_services);
        status = table ? take_table(entry, table) : RLX_ERROR_INVALID;
        if (status)
            (void)rlx_fail(status, "%s%s", table ? "" : "the entry returned NULL: ", last_reason("it did not say why"));
    }
    if (status == RLX_OK) append_entry(entry);
    else rlx_free(entry);
    registry_unlock();
    return status;
}

/* What the two lists have in common: room for `capacity` of them at `list`, their number at `count`. */
static rlx_status check_list(const char *function, const void *list, uint32_t capacity, const uint32_t *count) {
    if (!count) return rlx_fail(RLX_ERROR_INVALID, "%s: count is NULL", function);
    if (!list && capacity > 0)
        return rlx_fail(RLX_ERROR_INVALID, "%s: list is NULL, and capacity is %u", function, capacity);
    return RLX_OK;
}

rlx_status rlx_devices_list(const rlx_device_properties **list, uint32_t capacity, uint32_t *count) {
    rlx_status status = check_list("rlx_devices_list", list, capacity, count);
    if (status == RLX_OK) status = registry_lock();
    if (status) return status;
    registry.closed = true;
    status = list_all();
    if (status == RLX_OK) {
        for (uint32_t i = 0; i < registry.list_count && i < capacity; i++) list[i] = &registry.list[i]->properties;
        *count = registry.list_count;
    }
    registry_unlock();
    return status;
}

static void fill_report(const registry_entry *entry, rlx_backend_report *report) {
    report->name = entry->table.name ? entry->table.name : "";
    report->path = entry->path;
    report->taken = entry->taken;
    report->devices = entry->device_count;
    report->reason = entry->reason;
}

rlx_status rlx_backends_report(rlx_backend_report *list, uint32_t capacity, uint32_t *count) {
    rlx_status status = check_list("rlx_backends_report", list, capacity, count);
    if (status == RLX_OK) status = registry_lock();
    if (status) return status;
    registry.closed = true;
    status = list_all();
    if (status == RLX_OK) {
        uint32_t met = 0;
        for (registry_entry *entry = first_entry(); entry; entry = next_entry(entry), met++)
            if (met < capacity) fill_report(entry, &list[met]);
        *count = met;
    }
    registry_unlock();
    return status;
}
