/* each group reverses 4096 words through shared memory. */
void shared(const unsigned *x, unsigned *y, const rlx_group *g) {
    unsigned *scratch = g->shared, first = g->id[0] * 4096;
    for (unsigned i = 0; i < 4096; i++) scratch[i] = x[first + i];
    for (unsigned i = 0; i < 4096; i++) y[first + i] = scratch[4095 - i];
}
