/* Makes a case's calls of the library, and compares what comes of them with what the model says. */
#ifndef DRIVE_H
#define DRIVE_H

#include "model.h"

/* Three ways to make the same calls. */
typedef enum rendering {
    AS_IT_STANDS,
    COMMAND_BY_COMMAND, /* no programs: each run is its commands, and its batch depends on the program's last run */
    RECORDED,           /* each batch is a program of its own, in which runs are nested */
    RENDERINGS,
} rendering;

const char *rendering_name(rendering r);

/* Two devices that cases are driven on. */
typedef struct site {
    const char *name;
    const char *devices[DEVICES];
    uint32_t workers[DEVICES];
    bool addresses; /* both have memory that the host can address */
    bool threads;   /* what happens can differ from time to time */
    rlx_device *open[DEVICES];
    rlx_stream *helpers[DEVICES]; /* for first and last contents of buffers */
} site;

/* False: it can't be opened; rlx_last_error says why. */
bool site_open(site *s);
void site_close(site *s);

enum { MESSAGE = 512 };

/* Whether all is as in `end`, the model after the case; if not, `message` says where. `order` seeds devices that draw
 * the order of their work. */
bool drive(const test_case *c, const model *end, const site *at, rendering r, uint64_t order, char message[MESSAGE]);
/* Whether that was because a wait did not end. Then nothing more can be driven. */
bool drive_hangs(void);

/* ---- Kernels (kernels.c) ---- */

typedef struct kernel_address { /* where KERNEL_REACH reaches */
    uint64_t at, size;
} kernel_address;

rlx_status kernel_create(rlx_device *device, kernel_kind kind, rlx_kernel **made);
/* Whether kernels take a few microseconds more from now on. */
void kernels_dawdle(bool slow);

#endif
