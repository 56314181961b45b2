/* each thread of a group adds its number, from 1, to a word of its own. */
void threads_z(unsigned *y, const rlx_group *g) {
    unsigned number = g->id[0] + g->count[0] * (g->id[1] + g->count[1] * g->id[2]);
    for (unsigned z = 0; z < g->size[2]; z++)
        for (unsigned row = 0; row < g->size[1]; row++)
            for (unsigned x = 0; x < g->size[0]; x++) {
                unsigned thread = x + g->size[0] * (row + g->size[1] * z);
                y[256 * number + thread] += thread + 1;
            }
}
