/* The registry: which backends and devices there are, and why others are not.
 *
 *     entry function -> table checked and copied (taken or refused) -> probed -> devices checked and listed
 *
 * Each step is done once, and no earlier than somebody asks for what it gives (rule 11): opening "cpu" looks at no
 * plugin and probes no driver. What was learnt, also about the refused, is kept for the life of the process.
 *
 * THREADS. One lock guards all of it, and is held while backends are probed and devices opened. A call back into the
 * registry from there is RLX_ERROR_ORDER instead of a deadlock; only rlx_registry_backend works anywhere. */
#ifndef RLX_REGISTRY_H
#define RLX_REGISTRY_H

#include "core.h"

typedef struct rlx_registry_device {
    const rlx_backend *table;                /* as wide as ours: NULL beyond the plugin's own */
    uint32_t index;                          /* within the backend */
    const rlx_device_properties *properties; /* checked, as wide as ours */
} rlx_registry_device;

/* The device of this name, or the first one of the backend of this name. Built-in and registered backends first: only
 * if none of them has it plugins are loaded. Errors: NOT_FOUND, the message saying what there is. */
rlx_status rlx_registry_find(const char *name, rlx_registry_device *found);

/* Device `i` of the list, best first. NOT_FOUND (without the search for a nice message) beyond its end. */
rlx_status rlx_registry_at(uint32_t i, rlx_registry_device *found);

/* table->device_open, under the registry's lock as backends are promised, and what the open device says of itself:
 * checked like what was listed. The message starts with the device's name. */
rlx_status rlx_registry_open(const rlx_registry_device *device, const rlx_device_desc *desc, void **handle,
                             rlx_device_properties *properties);

/* The service backend_find. */
const rlx_backend *rlx_registry_backend(const char *name);

/* ---- In floors.c: what backends hand over, checked ---- */

/* Copies a table as its writer knew it into ours, NULL beyond, and checks it. Errors: VERSION, INVALID, with a message
 * that names every required function that is missing. `ours->name` is set where it could be learnt. */
rlx_status rlx_table_check(const rlx_backend *theirs, rlx_backend *ours);

/* Copies properties as their writer knew them into ours, fills in defaults, and checks them against the floors.
 * Errors: LIMIT, INVALID, VERSION, with a message that names the field and the floor. */
rlx_status rlx_properties_check(const rlx_backend *table, const rlx_device_properties *theirs,
                                rlx_device_properties *ours);

/* Whether a device of this name would be the backend's: its name, or that and a colon and more. */
bool rlx_backend_serves(const rlx_backend *table, const char *device);

/* ---- For loader.c, under the registry's lock ---- */

/* Looks for plugins, and offers each candidate. Errors: OUT_OF_MEMORY, after which it can be called again. */
rlx_status rlx_loader_run(void);

/* Whether a candidate of this path has been dealt with. */
bool rlx_registry_knows(const char *path);
/* Takes the backend or refuses it; either way it is in the report. Errors: OUT_OF_MEMORY only. */
rlx_status rlx_registry_offer(const char *path, const rlx_backend *table);
rlx_status rlx_registry_refuse(const char *path, const char *format, ...) RLX_PRINTF(2, 3);

#define RLX_MESSAGE_SIZE 4096 /* of a thread's message: a compiler's first errors fit */

/* ---- In error.c: log lines of this thread wait while a lock is held around code that may log. Nests. ---- */
void rlx_note_hold(void);
void rlx_note_flush(void);

#endif
