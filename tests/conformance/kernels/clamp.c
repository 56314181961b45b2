/* x[i] = max(x[i], low) / 2, rounded towards zero. */
void clamp(int *x, int low, unsigned n, const rlx_group *g) {
    for (unsigned t = 0; t < g->size[0]; t++) {
        unsigned i = g->id[0] * g->size[0] + t;
        if (i < n) x[i] = (x[i] > low ? x[i] : low) / 2;
    }
}
