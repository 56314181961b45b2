/* Large blocks of memory.
 *
 * A block starts at a multiple of a large page (2 MiB on the processors that we know), and says that it would like such
 * pages: a kernel that strides through it then misses the TLB hundreds of times less. The system maps more than is
 * needed for this, and the ends are given back. */
#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "failpoint.h"

#define LARGE_PAGE ((size_t)2 << 20)

static size_t rounded(size_t size) { return (size + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1); }

void *rlx_pages_allocate(size_t size) {
    if (size == 0 || size > SIZE_MAX - 2 * LARGE_PAGE || rlx_failpoint(RLX_FAILPOINT_ALLOC)) return NULL;
    size_t length = rounded(size), mapped = length + LARGE_PAGE;
    unsigned char *block = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return NULL;
    rlx_failpoint_taken();
    size_t before = rounded((size_t)(uintptr_t)block) - (size_t)(uintptr_t)block;
    if (before) munmap(block, before);
    if (before < LARGE_PAGE) munmap(block + before + length, LARGE_PAGE - before);
#if defined(MADV_HUGEPAGE)
    /* A wish: where it is not granted, small pages do. */
    (void)madvise(block + before, length, MADV_HUGEPAGE);
#endif
    return block + before;
}

void rlx_pages_free(void *pages, size_t size) {
    rlx_failpoint_given_back();
    munmap(pages, rounded(size));
}
