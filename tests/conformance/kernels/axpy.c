/* y[i] = a * x[i] + y[i]. */
void axpy(const float *x, float *y, float a, unsigned n, const rlx_group *g) {
    for (unsigned t = 0; t < g->size[0]; t++) {
        unsigned i = g->id[0] * g->size[0] + t;
        if (i < n) y[i] += a * x[i];
    }
}
