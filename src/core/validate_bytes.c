/* Which bytes of each buffer have been written: a bit for each, 64 to a word, and how many are clear, so that a buffer
 * that has been written whole, as most soon are, costs no look at its bits.
 *
 * Packets do not name buffers but memory: addresses where all of it has them, otherwise the backend's handles. So a
 * device's buffers stand in an array sorted by that, which is searched by halves. */
#include "validate.h"

#include <string.h>

/* ---- Bits ---- */

/* The `count` (1 to 64) bits from `at` on. There is always a word behind the last one used. */
static uint64_t bits_get(const uint64_t *bits, uint64_t at, uint64_t count) {
    uint64_t word = at / 64, shift = at % 64;
    uint64_t value = bits[word] >> shift;
    if (shift) value |= bits[word + 1] << (64 - shift);
    return count < 64 ? value & ((UINT64_C(1) << count) - 1) : value;
}

static void word_put(rlx_buffer_checks *checks, uint64_t word, uint64_t mask, uint64_t value) {
    uint64_t old = checks->bits[word], new = (old & ~mask) | (value & mask);
    checks->unwritten += (uint64_t)__builtin_popcountll(old) - (uint64_t)__builtin_popcountll(new);
    checks->bits[word] = new;
}

static void bits_put(rlx_buffer_checks *checks, uint64_t at, uint64_t count, uint64_t value) {
    uint64_t word = at / 64, shift = at % 64, mask = count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
    word_put(checks, word, mask << shift, value << shift);
    if (shift && shift + count > 64) word_put(checks, word + 1, mask >> (64 - shift), value >> (64 - shift));
}

/* ---- Spots ---- */

static uint64_t at_most(uint64_t count) { return count < 64 ? count : 64; }

uint64_t rlx_spot_written(rlx_spot spot, uint64_t size) {
    const rlx_buffer_checks *checks = spot.buffer->checks;
    if (!checks->unwritten) return size;
    for (uint64_t i = 0; i < size; i += 64) {
        uint64_t count = at_most(size - i), clear = ~bits_get(checks->bits, spot.offset + i, count);
        if (count < 64) clear &= (UINT64_C(1) << count) - 1;
        if (clear) return i + (uint64_t)__builtin_ctzll(clear);
    }
    return size;
}

void rlx_spot_write(rlx_spot spot, uint64_t size) {
    rlx_buffer_checks *checks = spot.buffer->checks;
    if (!checks->unwritten) return;
    for (uint64_t i = 0, count; i < size; i += count) {
        count = at_most(size - i);
        if (count == 64) count -= (spot.offset + i) % 64; /* whole words from then on */
        bits_put(checks, spot.offset + i, count, UINT64_MAX);
    }
}

/* As memmove: what a step of 64 bits overwrites has been read by an earlier one. */
void rlx_spot_copy(rlx_spot dst, rlx_spot src, uint64_t size) {
    const rlx_buffer_checks *from = src.buffer->checks;
    if (dst.buffer->checks->exposed) return;
    if (!from->unwritten) {
        rlx_spot_write(dst, size);
        return;
    }
    bool up = dst.buffer == src.buffer && dst.offset > src.offset;
    for (uint64_t done = 0, count; done < size; done += count) {
        count = at_most(size - done);
        uint64_t at = up ? size - done - count : done;
        bits_put(dst.buffer->checks, dst.offset + at, count, bits_get(from->bits, src.offset + at, count));
    }
}

/* ---- Which buffer ---- */

/* Where a buffer with this key stands, or would. */
static uint64_t place_of(const rlx_device_checks *checks, uint64_t key) {
    uint64_t first = 0, end = checks->buffer_count;
    while (first < end) {
        uint64_t middle = first + (end - first) / 2;
        if (checks->buffers[middle]->checks->key < key) first = middle + 1;
        else end = middle;
    }
    return first;
}

bool rlx_spot_find(const rlx_device_checks *checks, const rlx_place *place, rlx_spot *spot) {
    uint64_t key = (uint64_t)(uintptr_t)(checks->guards ? place->host : place->memory);
    uint64_t at = place_of(checks, key);
    bool exact = at < checks->buffer_count && checks->buffers[at]->checks->key == key;
    if (!exact && (!checks->guards || !at)) return false;
    spot->buffer = checks->buffers[exact ? at : at - 1];
    spot->offset = checks->guards ? key - spot->buffer->checks->key : place->offset;
    return spot->offset < spot->buffer->allocated;
}

static bool list(rlx_device_checks *checks, rlx_buffer *buffer) {
    if (checks->buffer_count == checks->buffer_room) {
        uint64_t room = checks->buffer_room ? 2 * checks->buffer_room : 64;
        rlx_buffer **moved = rlx_reallocate(checks->buffers, room * sizeof(rlx_buffer *));
        if (!moved) return false;
        checks->buffers = moved;
        checks->buffer_room = room;
    }
    uint64_t at = place_of(checks, buffer->checks->key);
    memmove(checks->buffers + at + 1, checks->buffers + at, (checks->buffer_count - at) * sizeof(rlx_buffer *));
    checks->buffers[at] = buffer;
    checks->buffer_count++;
    return true;
}

/* ---- Life ---- */

rlx_status rlx_validate_buffer_open(rlx_buffer *buffer) {
    rlx_device_checks *checks = buffer->object.device->checks;
    uint64_t words = buffer->allocated / 64 + 2;
    rlx_buffer_checks *made = rlx_allocate(sizeof *made + words * sizeof *made->bits);
    if (!made) return rlx_fail_memory("a buffer's validation");
    made->key = checks->guards ? buffer->address : (uint64_t)(uintptr_t)buffer->block.memory;
    made->unwritten = buffer->allocated;
    buffer->checks = made;
    rlx_spot_write((rlx_spot){ buffer, buffer->size }, buffer->allocated - buffer->size); /* nobody's */
    rlx_lock(&checks->lock);
    bool listed = list(checks, buffer);
    rlx_unlock(&checks->lock);
    if (!listed) {
        rlx_free(made);
        buffer->checks = NULL;
        return rlx_fail_memory("a buffer's validation");
    }
    rlx_validate_guard_fill(buffer);
    return RLX_OK;
}

void rlx_validate_buffer_close(rlx_buffer *buffer) {
    rlx_device_checks *checks = buffer->object.device->checks;
    if (!buffer->checks) return;
    rlx_lock(&checks->lock);
    uint64_t at = place_of(checks, buffer->checks->key);
    checks->buffer_count--;
    memmove(checks->buffers + at, checks->buffers + at + 1, (checks->buffer_count - at) * sizeof(rlx_buffer *));
    rlx_unlock(&checks->lock);
    rlx_free(buffer->checks);
}

void rlx_validate_expose(rlx_buffer *buffer) {
    rlx_device_checks *checks = buffer->object.device->checks;
    rlx_lock(&checks->lock);
    rlx_spot_write((rlx_spot){ buffer, 0 }, buffer->allocated);
    buffer->checks->exposed = true;
    rlx_unlock(&checks->lock);
}
