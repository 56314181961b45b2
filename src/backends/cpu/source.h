/* Kernels in C source: what their entry looks like, and the rlx_host_function that is put around it. */
#ifndef RLX_CPU_SOURCE_H
#define RLX_CPU_SOURCE_H

#include <rlx/backend.h>

#include "text.h"

/* A parameter as the source declares it. Texts are places in the signature's `texts`. */
typedef struct rlx_cpu_parameter {
    size_t text;  /* the whole declaration, for messages */
    size_t type;  /* without the name and qualifiers */
    bool pointer; /* a pointer or an array */
    bool group;   /* a pointer to rlx_group */
    bool plain;   /* built of the language's own arithmetic types alone */
} rlx_cpu_parameter;

#define RLX_CPU_PARAMETERS_MAX 160

/* The definition of an entry. */
typedef struct rlx_cpu_signature {
    bool returns_status; /* int or the like; otherwise void */
    uint32_t count;
    rlx_cpu_parameter parameters[RLX_CPU_PARAMETERS_MAX];
    rlx_cpu_text texts; /* NUL-terminated strings, one behind the other */
} rlx_cpu_signature;

/* What a source is like without looking for an entry. */
typedef struct rlx_cpu_source_traits {
    bool conditional;     /* it has #if, so that only the preprocessor knows what is in it */
    bool includes_driver; /* it includes <rlx/driver.h> itself, which declares rlx_group */
} rlx_cpu_source_traits;

bool rlx_cpu_source_is_name(const char *name); /* an identifier of C */
rlx_cpu_source_traits rlx_cpu_source_look(const char *source, size_t length);

/* Finds the definition of `entry`. Errors (message set): NOT_FOUND, COMPILE (a signature that no kernel can have),
 * OUT_OF_MEMORY. The signature is to be cleared by rlx_cpu_signature_clear whatever the status. */
rlx_status rlx_cpu_signature_find(const char *source, size_t length, const char *entry, rlx_cpu_signature *signature);
void rlx_cpu_signature_clear(rlx_cpu_signature *signature);

/* Whether the signature has the kernel's parameters. Errors: COMPILE, with a message that names the parameter. */
rlx_status rlx_cpu_signature_check(const rlx_cpu_signature *signature, const rlx_kernel_desc *desc, const char *entry);

#define RLX_CPU_WRAPPER_NAME "rlx_wrapper_entry"

/* What stands before the source, and behind it: together a translation unit. */
void rlx_cpu_source_before(rlx_cpu_text *text, const rlx_cpu_source_traits *traits, const char *entry);
void rlx_cpu_source_behind(rlx_cpu_text *text, const rlx_cpu_signature *signature, const rlx_kernel_desc *desc,
                           const char *entry);

#endif
