/* each group adds its place in the grid, and one, to four words of its own. */
void where(unsigned *y, const rlx_group *g) {
    unsigned number = g->id[0] + g->count[0] * (g->id[1] + g->count[1] * g->id[2]);
    for (unsigned d = 0; d < 3; d++) y[4 * number + d] += g->id[d];
    y[4 * number + 3] += 1;
}
