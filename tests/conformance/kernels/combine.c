/* c[i] = a[i] + 3 * b[i]. */
void combine(const unsigned *a, const unsigned *b, unsigned *c, unsigned n, const rlx_group *g) {
    for (unsigned t = 0; t < g->size[0]; t++) {
        unsigned i = g->id[0] * g->size[0] + t;
        if (i < n) c[i] = a[i] + 3 * b[i];
    }
}
