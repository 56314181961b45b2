/* A device with something on it, for targets that encode: three buffers, a kernel with a parameter of each kind, and
 * host memory. Everything is `sync`'s, so that nothing of one input is left when the next one comes. */
#ifndef RLX_FUZZ_WORLD_H
#define RLX_FUZZ_WORLD_H

#include "fuzz.h"

#include <rlx/driver.h>

enum { WORLD_BUFFERS = 3, WORLD_PARAMS = 5, WORLD_HOST = 16384 };

static const uint64_t world_sizes[WORLD_BUFFERS] = { 64, 1000, 4096 };

typedef struct fuzz_world {
    rlx_device *device;
    rlx_stream *stream;
    rlx_buffer *buffers[WORLD_BUFFERS];
    rlx_kernel *kernel; /* READ, WRITE, READ_WRITE, a value of 4 bytes, one of 16 */
    unsigned char *host; /* WORLD_HOST bytes */
} fuzz_world;

/* Touches every byte of every argument, once for each call, however many groups that is. */
static inline rlx_status world_touch(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    unsigned sum = 0;
    for (uint32_t a = 0; a < k->arg_count; a++) {
        unsigned char *bytes = k->args[a].data;
        for (uint64_t i = 0; i < k->args[a].size; i++) {
            if (a != 1) sum += bytes[i];
            if (a == 1 || a == 2) bytes[i] = (unsigned char)(sum + i);
        }
    }
    return RLX_OK;
}

static inline void world_open(fuzz_world *w) {
    static const rlx_param params[WORLD_PARAMS] = { { RLX_READ }, { RLX_WRITE }, { RLX_READ_WRITE }, { RLX_VALUE, 4 },
                                                    { RLX_VALUE, 16 } };
    const rlx_code code = { RLX_CODE_HOST, .function = world_touch };
    const rlx_kernel_desc desc = { .name = "touch", .params = params, .param_count = WORLD_PARAMS, .codes = &code,
                                   .code_count = 1 };
    w->host = malloc(WORLD_HOST);
    if (!w->host || rlx_device_open("sync", NULL, &w->device)) abort();
    memset(w->host, 1, WORLD_HOST);
    if (rlx_stream_create(w->device, NULL, &w->stream) || rlx_kernel_create(w->device, &desc, &w->kernel)) abort();
    for (int i = 0; i < WORLD_BUFFERS; i++)
        if (rlx_buffer_create(w->device, &(rlx_buffer_desc){ .size = world_sizes[i] }, &w->buffers[i])) abort();
}

/* At times one that reaches too far, or none at all, or a slot. */
static inline rlx_range world_range(fuzz_world *w, fuzz_input *input) {
    uint8_t choice = fuzz_u8(input);
    rlx_range range = { w->buffers[choice % WORLD_BUFFERS], fuzz_u8(input), fuzz_u8(input), 0 };
    if (choice < 160) return range;
    if (choice < 192) return rlx_part(range.buffer, fuzz_number(input), fuzz_number(input));
    if (choice < 224) return rlx_part(range.buffer, fuzz_number(input), RLX_REST);
    if (choice < 240) return rlx_slot_range(fuzz_u8(input) % 16, range.size);
    if (choice < 250) return rlx_whole(range.buffer);
    return (rlx_range){ NULL, range.offset, range.size, fuzz_u32(input) };
}

/* A refusal has a status that is an error, and says why. */
static inline void world_check(rlx_status status) {
    FUZZ_CHECK(status == RLX_OK || (status >= RLX_ERROR_INVALID && status <= RLX_ERROR_VERSION));
    FUZZ_CHECK(status == RLX_OK || rlx_last_error()[0]);
}

#endif
