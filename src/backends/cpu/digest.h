/* SHA-256 (FIPS 180-4): names for what is cached, and proof that it is whole. */
#ifndef RLX_CPU_DIGEST_H
#define RLX_CPU_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define RLX_DIGEST_SIZE 32

typedef struct rlx_digest {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    unsigned char block[64];
} rlx_digest;

void rlx_digest_begin(rlx_digest *digest);
void rlx_digest_add(rlx_digest *digest, const void *bytes, size_t length);
void rlx_digest_end(rlx_digest *digest, unsigned char result[RLX_DIGEST_SIZE]);

/* Of one piece of bytes, the first `digits` hexadecimal digits (at most 64), and a NUL. */
void rlx_digest_name(const void *bytes, size_t length, char *name, size_t digits);

#endif
