/* SHA-256, as FIPS 180-4 writes it. The constants are the fractional parts of cube and square roots of primes. */
#include "digest.h"

#include <string.h>

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, int by) { return word >> by | word << (32 - by); }

static uint32_t read_word(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void write_word(unsigned char *bytes, uint32_t word) {
    for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(word >> (24 - 8 * i));
}

static void schedule(const unsigned char block[64], uint32_t words[64]) {
    for (int i = 0; i < 16; i++) words[i] = read_word(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = words[i - 15], b = words[i - 2];
        uint32_t low = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3, high = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10;
        words[i] = words[i - 16] + low + words[i - 7] + high;
    }
}

static void mix(uint32_t state[8], const unsigned char block[64]) {
    uint32_t words[64];
    schedule(block, words);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
        uint32_t first = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + constants[i] + words[i];
        uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void rlx_digest_begin(rlx_digest *digest) {
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    memcpy(digest->state, start, sizeof start);
    digest->length = 0;
}

void rlx_digest_add(rlx_digest *digest, const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    while (length > 0) {
        size_t used = digest->length % 64, piece = 64 - used < length ? 64 - used : length;
        memcpy(digest->block + used, at, piece);
        digest->length += piece;
        at += piece;
        length -= piece;
        if (used + piece == 64) mix(digest->state, digest->block);
    }
}

void rlx_digest_end(rlx_digest *digest, unsigned char result[RLX_DIGEST_SIZE]) {
    static const unsigned char padding[64] = { 0x80 };
    unsigned char bits[8];
    write_word(bits, (uint32_t)(digest->length >> 29));
    write_word(bits + 4, (uint32_t)(digest->length << 3));
    rlx_digest_add(digest, padding, 1 + (119 - digest->length % 64) % 64);
    rlx_digest_add(digest, bits, sizeof bits);
    for (int i = 0; i < 8; i++) write_word(result + 4 * i, digest->state[i]);
}

void rlx_digest_name(const void *bytes, size_t length, char *name, size_t digits) {
    rlx_digest digest;
    unsigned char result[RLX_DIGEST_SIZE];
    rlx_digest_begin(&digest);
    rlx_digest_add(&digest, bytes, length);
    rlx_digest_end(&digest, result);
    for (size_t i = 0; i < digits; i++) name[i] = "0123456789abcdef"[result[i / 2] >> (i % 2 ? 0 : 4) & 15];
    name[digits] = '\0';
}
