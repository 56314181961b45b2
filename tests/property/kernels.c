/* The kernels of the property test as host functions: integers only, and each byte by the group whose number is the
 * byte's modulo the number of groups. effect.c says what they compute. */
#include <stdatomic.h>
#include <string.h>

#include "drive.h"

static atomic_bool dawdling;
static atomic_uint calls;

void kernels_dawdle(bool slow) { atomic_store(&dawdling, slow); }

/* Up to 16 microseconds, so that what may overlap does. */
static void dawdle(void) {
    if (!atomic_load_explicit(&dawdling, memory_order_relaxed)) return;
    uint64_t wait = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) * 2654435761u >> 18 & 16383;
    uint64_t end = rlx_clock_ns() + wait;
    while (rlx_clock_ns() < end) continue;
}

static uint64_t group_count(const rlx_host_kernel *k) { return (uint64_t)k->groups[0] * k->groups[1] * k->groups[2]; }

static bool is_mine(uint64_t i, uint64_t groups, uint64_t first, uint64_t count) {
    return i % groups >= first && i % groups - first < count;
}

/* Byte i of an argument that may be shorter, or `otherwise` of an empty one. */
static uint32_t seen(const rlx_host_arg *arg, uint64_t i, uint32_t factor, uint32_t otherwise) {
    return arg->size ? factor * ((const unsigned char *)arg->data)[i % arg->size] : otherwise;
}

static rlx_status mix(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    unsigned char *b = k->args[1].data, *c = k->args[2].data;
    const unsigned char *wide = k->args[4].data;
    uint64_t groups = group_count(k);
    uint32_t number;
    memcpy(&number, k->args[3].data, sizeof number);
    dawdle();
    for (uint64_t i = 0; i < k->args[1].size; i++)
        if (is_mine(i, groups, first, count))
            b[i] = (unsigned char)(b[i] * 5u + wide[i % WIDE] + seen(&k->args[0], i, 1, 1));
    for (uint64_t i = 0; i < k->args[2].size; i++)
        if (is_mine(i, groups, first, count))
            c[i] = (unsigned char)(number + i + 7 * (i % groups) + seen(&k->args[0], i, 3, 7));
    return RLX_OK;
}

static rlx_status sum(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    unsigned char *c = k->args[2].data;
    uint64_t groups = group_count(k);
    dawdle();
    for (uint64_t i = 0; i < k->args[2].size; i++)
        if (is_mine(i, groups, first, count))
            c[i] = (unsigned char)(seen(&k->args[0], i, 1, 1) + seen(&k->args[1], i, 3, 2) + groups);
    return RLX_OK;
}

static rlx_status reach(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    unsigned char *b = k->args[0].data;
    uint64_t groups = group_count(k);
    uint32_t way;
    kernel_address to;
    memcpy(&to, k->args[1].data, sizeof to);
    memcpy(&way, k->args[2].data, sizeof way);
    unsigned char *there = (unsigned char *)(uintptr_t)to.at;
    dawdle();
    for (uint64_t i = 0; i < k->args[0].size; i++) {
        if (!is_mine(i, groups, first, count)) continue;
        bool within = i < to.size;
        uint32_t found = within && way != RLX_WRITE ? there[i] : 5, own = b[i];
        b[i] = (unsigned char)(own * 3 + found + 1);
        if (within && way != RLX_READ) there[i] = (unsigned char)(found * 7 + own);
    }
    return RLX_OK;
}

static const rlx_param mix_params[] = {
    { RLX_READ }, { RLX_READ_WRITE }, { RLX_WRITE }, { RLX_VALUE, 4 }, { RLX_VALUE, WIDE }
};
static const rlx_param sum_params[] = { { RLX_READ }, { RLX_READ }, { RLX_WRITE } };
static const rlx_param reach_params[] = { { RLX_READ_WRITE }, { RLX_VALUE, sizeof(kernel_address) }, { RLX_VALUE, 4 } };

static const struct {
    const char *name;
    rlx_host_function function;
    const rlx_param *params;
    uint32_t param_count;
} kinds[KERNEL_KINDS] = {
    { "mix", mix, mix_params, 5 },
    { "sum", sum, sum_params, 3 },
    { "reach", reach, reach_params, 3 },
};

rlx_status kernel_create(rlx_device *device, kernel_kind kind, rlx_kernel **made) {
    rlx_code code = { RLX_CODE_HOST, .function = kinds[kind].function };
    return rlx_kernel_create(device,
                             &(rlx_kernel_desc){ .name = kinds[kind].name,
                                                 .params = kinds[kind].params,
                                                 .param_count = kinds[kind].param_count,
                                                 .codes = &code,
                                                 .code_count = 1 },
                             made);
}
