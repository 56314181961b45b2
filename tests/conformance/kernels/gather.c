/* y[i] = 1 * x0[i] + 2 * x1[i] + ... + 7 * x6[i]. */
void gather(const unsigned *x0, const unsigned *x1, const unsigned *x2, const unsigned *x3, const unsigned *x4,
            const unsigned *x5, const unsigned *x6, unsigned *y, unsigned n, const rlx_group *g) {
    for (unsigned t = 0; t < g->size[0]; t++) {
        unsigned i = g->id[0] * g->size[0] + t;
        if (i >= n) continue;
        y[i] = x0[i] + 2 * x1[i] + 3 * x2[i] + 4 * x3[i] + 5 * x4[i] + 6 * x5[i] + 7 * x6[i];
    }
}
