/* Large blocks of memory straight from the system: zero, aligned for large pages, given back at once when freed. */
#ifndef RLX_PAGES_H
#define RLX_PAGES_H

#include <stddef.h>

#define RLX_PAGES_LEAST ((size_t)2 << 20) /* below this the heap serves better */

/* NULL when there is none. Pages are not touched: the first thread that does decides where they lie. */
void *rlx_pages_allocate(size_t size);
void rlx_pages_free(void *pages, size_t size); /* the same size */

#endif
