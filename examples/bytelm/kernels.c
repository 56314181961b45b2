/* Kernels: the driver's side of model.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A host function receives its arguments as addresses, the groups that it is to do, and scratch memory that nobody else
 * has. So each of these is one line, that calls the arithmetic with them. A device that takes other formats needs other
 * entries in `codes`, and nothing else changes: parameters and grids are those of the table below.
 */
#include "kernels.h"

#include <string.h>

static const model_arithmetic *arithmetic_of(const rlx_host_kernel *k) { return k->user; }
static const float *in(const rlx_host_kernel *k, uint32_t i) { return k->args[i].data; }
static float *out(const rlx_host_kernel *k, uint32_t i) { return k->args[i].data; }
static uint32_t *words(const rlx_host_kernel *k, uint32_t i) { return k->args[i].data; }
static uint32_t u32(const rlx_host_kernel *k, uint32_t i) { return *(const uint32_t *)k->args[i].data; }
static float f32(const rlx_host_kernel *k, uint32_t i) { return *(const float *)k->args[i].data; }

static rlx_status embed(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    arithmetic_of(k)->embed(words(k, 0), in(k, 1), out(k, 2), first, count);
    return RLX_OK;
}

static rlx_status hidden_layer(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    arithmetic_of(k)->hidden(in(k, 0), in(k, 1), out(k, 2), u32(k, 3), k->shared, first, count);
    return RLX_OK;
}

static rlx_status logits(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    arithmetic_of(k)->logits(in(k, 0), in(k, 1), out(k, 2), u32(k, 3), k->shared, first, count);
    return RLX_OK;
}

static rlx_status softmax(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    arithmetic_of(k)->softmax(out(k, 0), words(k, 1), out(k, 2), first, count);
    return RLX_OK;
}

static rlx_status total(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first, (void)count; /* a grid of one group */
    arithmetic_of(k)->total(in(k, 0), out(k, 1), u32(k, 2));
    return RLX_OK;
}

static rlx_status hidden_delta(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    arithmetic_of(k)->hidden_delta(in(k, 0), in(k, 1), in(k, 2), out(k, 3), k->shared, first, count);
    return RLX_OK;
}

static rlx_status input_delta(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    arithmetic_of(k)->input_delta(in(k, 0), in(k, 1), out(k, 2), k->shared, first, count);
    return RLX_OK;
}

static rlx_status layer_gradient(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    arithmetic_of(k)->layer_gradient(in(k, 0), u32(k, 3), in(k, 1), out(k, 2), k->shared, first, count);
    return RLX_OK;
}

static rlx_status embed_gradient(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    arithmetic_of(k)->embed_gradient(words(k, 0), in(k, 1), out(k, 2), first, count);
    return RLX_OK;
}

static rlx_status adam(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint64_t size = k->args[0].size / sizeof(float);
    arithmetic_of(k)->adam(out(k, 0), in(k, 1), out(k, 2), out(k, 3), size, f32(k, 4), first, count);
    return RLX_OK;
}

static rlx_status sample(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first, (void)count; /* a grid of one group */
    arithmetic_of(k)->sample(in(k, 0), f32(k, 2), f32(k, 3), words(k, 1));
    return RLX_OK;
}

/* Parameters in the order of their arguments. Declared access is the truth: from it the driver learns which commands of
 * a program may run side by side. */
static const struct kernel {
    const char *name;
    rlx_host_function function;
    uint32_t scratch; /* bytes */
    rlx_access params[5];
    uint32_t param_count;
} table[KERNELS] = {
    /* contexts, embeddings, x */
    [EMBED] = { "embed", embed, 0, { RLX_READ, RLX_READ, RLX_WRITE }, 3 },
    /* x, layer 1, h, rows */
    [HIDDEN_LAYER] = { "hidden", hidden_layer, SCRATCH * 4, { RLX_READ, RLX_READ, RLX_WRITE, RLX_VALUE }, 4 },
    /* h, layer 2, z, rows */
    [LOGITS] = { "logits", logits, SCRATCH * 4, { RLX_READ, RLX_READ, RLX_WRITE, RLX_VALUE }, 4 },
    /* z and then its deltas, targets, losses */
    [SOFTMAX] = { "softmax", softmax, 0, { RLX_READ_WRITE, RLX_READ, RLX_WRITE }, 3 },
    /* losses, sum, examples */
    [TOTAL] = { "total", total, 0, { RLX_READ, RLX_WRITE, RLX_VALUE }, 3 },
    /* deltas of z, layer 2, h, deltas of h */
    [HIDDEN_DELTA] = { "hidden_delta", hidden_delta, SCRATCH * 4, { RLX_READ, RLX_READ, RLX_READ, RLX_WRITE }, 4 },
    /* deltas of h, layer 1, deltas of x */
    [INPUT_DELTA] = { "input_delta", input_delta, SCRATCH * 4, { RLX_READ, RLX_READ, RLX_WRITE }, 3 },
    /* inputs of the layer, deltas of its outputs, gradient, width of the inputs */
    [LAYER_GRADIENT] = { "layer_gradient",
                         layer_gradient,
                         SCRATCH * 4,
                         { RLX_READ, RLX_READ, RLX_WRITE, RLX_VALUE },
                         4 },
    /* contexts, deltas of x, gradient */
    [EMBED_GRADIENT] = { "embed_gradient", embed_gradient, 0, { RLX_READ, RLX_READ, RLX_WRITE }, 3 },
    /* parameters, gradient, first moments, second moments, rate */
    [ADAM] = { "adam", adam, 0, { RLX_READ_WRITE, RLX_READ, RLX_READ_WRITE, RLX_READ_WRITE, RLX_VALUE }, 5 },
    /* z, byte, random number, temperature */
    [SAMPLE] = { "sample", sample, 0, { RLX_READ, RLX_WRITE, RLX_VALUE, RLX_VALUE }, 4 },
};

uint32_t kernels_arguments(kernel_name name) { return table[name].param_count; }

rlx_status kernels_create(rlx_device *device, const model_arithmetic *arithmetic, rlx_kernel *kernels[KERNELS]) {
    for (int i = 0; i < KERNELS; i++) {
        const struct kernel *k = &table[i];
        rlx_param params[5] = { { 0 } };
        for (uint32_t p = 0; p < k->param_count; p++) params[p].access = k->params[p];
        rlx_code codes[] = {
            { .format = RLX_CODE_HOST, .function = k->function, .user = (void *)(uintptr_t)arithmetic }
        };
        rlx_kernel_desc desc = {
            .name = k->name,
            .params = params,
            .param_count = k->param_count,
            .codes = codes,
            .code_count = sizeof codes / sizeof *codes,
            .shared_bytes = k->scratch,
        };
        rlx_status status = rlx_kernel_create(device, &desc, &kernels[i]);
        if (status != RLX_OK) return status;
    }
    return RLX_OK;
}
