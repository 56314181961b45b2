/* The kernels of a training step: for each its name, its parameters, and its code in every format that it exists in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_KERNELS_H
#define BYTELM_KERNELS_H

#include "model.h"

#include <rlx/driver.h>

typedef enum kernel_name {
    EMBED,
    HIDDEN_LAYER,
    LOGITS,
    SOFTMAX,
    TOTAL,
    HIDDEN_DELTA,
    INPUT_DELTA,
    LAYER_GRADIENT,
    EMBED_GRADIENT,
    ADAM,
    SAMPLE,
    KERNELS
} kernel_name;

/* Creates all of them on a device. `arithmetic` is what host functions compute with; it is borrowed. After an error
 * those that were created are not NULL. */
rlx_status kernels_create(rlx_device *device, const model_arithmetic *arithmetic, rlx_kernel *kernels[KERNELS]);

/* How many arguments a dispatch of it takes. */
uint32_t kernels_arguments(kernel_name name);

#endif
