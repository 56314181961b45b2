/* x[i] = x[i] * mul + add, `rounds` times. */
void affine(unsigned *x, unsigned mul, unsigned add, unsigned n, unsigned rounds, const rlx_group *g) {
    for (unsigned t = 0; t < g->size[0]; t++) {
        unsigned i = g->id[0] * g->size[0] + t;
        for (unsigned r = 0; i < n && r < rounds; r++) x[i] = x[i] * mul + add;
    }
}
