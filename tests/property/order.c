/* Which accesses are ordered. See model.h. */
#include "model.h"

void instant_join(instant *to, const instant *other) {
    for (int i = 0; i < CLOCKS; i++)
        if (to->at[i] < other->at[i]) to->at[i] = other->at[i];
}

static const touched *first_of(const model *m, const access *a, uint32_t *count) {
    if (a->host) {
        *count = a->end - a->begin;
        return &m->host_bytes[a->id][a->begin];
    }
    *count = (a->end + 3) / 4 - a->begin / 4;
    return &m->buffers[a->id].words[a->begin / 4];
}

static bool meets(const touched *t, bool write, const instant *when, int own) {
    for (int i = 0; i < CLOCKS; i++)
        if (i != own && (t->written[i] > when->at[i] || (write && t->read[i] > when->at[i]))) return true;
    return false;
}

bool order_races(const model *m, const access *a, const instant *when, int own) {
    uint32_t count;
    const touched *t = first_of(m, a, &count);
    for (uint32_t i = 0; i < count; i++)
        if (meets(&t[i], a->write, when, own)) return true;
    return false;
}

void order_note(model *m, const access *a, const instant *when, int own) {
    uint32_t count;
    touched *t = (touched *)first_of(m, a, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (a->write) t[i].written[own] = when->at[own];
        else t[i].read[own] = when->at[own];
    }
}

bool order_busy(const model *m, const access *a) {
    access whole = *a;
    whole.write = true;
    return order_races(m, &whole, &m->host, HOST_CLOCK);
}
