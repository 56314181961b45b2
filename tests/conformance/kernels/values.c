/* y[i] = the i-th of 32 values. */
void values(unsigned *y, unsigned v0, unsigned v1, unsigned v2, unsigned v3, unsigned v4, unsigned v5, unsigned v6,
            unsigned v7, unsigned v8, unsigned v9, unsigned v10, unsigned v11, unsigned v12, unsigned v13, unsigned v14,
            unsigned v15, unsigned v16, unsigned v17, unsigned v18, unsigned v19, unsigned v20, unsigned v21,
            unsigned v22, unsigned v23, unsigned v24, unsigned v25, unsigned v26, unsigned v27, unsigned v28,
            unsigned v29, unsigned v30, unsigned v31) {
    const unsigned v[32] = { v0,  v1,  v2,  v3,  v4,  v5,  v6,  v7,  v8,  v9,  v10, v11, v12, v13, v14, v15,
                             v16, v17, v18, v19, v20, v21, v22, v23, v24, v25, v26, v27, v28, v29, v30, v31 };
    for (unsigned i = 0; i < 32; i++) y[i] = v[i];
}
