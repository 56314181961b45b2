/* x[index] = value. */
void poke(unsigned *x, unsigned index, unsigned value) { x[index] = value; }
