/* y[i] = start + i. */
void iota(unsigned *y, unsigned start, unsigned n, const rlx_group *g) {
    for (unsigned t = 0; t < g->size[0]; t++) {
        unsigned i = g->id[0] * g->size[0] + t;
        if (i < n) y[i] = start + i;
    }
}
