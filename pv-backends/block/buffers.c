/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include "pv-backends/block/buffers.h"

#define PAGE 4096u
#define SIZES 9 /* 4 KiB to 1 MiB */

struct buffers {
    void *free[SIZES]; /* lists, through their first word */
    uint64_t total;    /* bytes that were allocated */
};

int buffers_open(struct buffers **out)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : -ENOMEM;
}

static void drop_free(struct buffers *b, unsigned size)
{
    while (b->free[size]) {
        void *p = b->free[size];

        b->free[size] = *(void **)p;
        b->total -= (uint64_t)PAGE << size;
        free(p);
    }
}

void buffers_close(struct buffers *b)
{
    for (unsigned i = 0; b && i < SIZES; i++)
        drop_free(b, i);
    free(b);
}

static unsigned size_of(uint64_t length)
{
    unsigned size = 0;

    while (((uint64_t)PAGE << size) < length)
        size++;
    return size;
}

uint8_t *buffers_get(struct buffers *b, uint64_t length)
{
    unsigned size = size_of(length);
    uint64_t bytes = (uint64_t)PAGE << size;
    void *p = b->free[size];

    if (p) {
        b->free[size] = *(void **)p;
        return p;
    }
    for (unsigned i = 0; i < SIZES && b->total + bytes > BUFFERS_MOST; i++)
        drop_free(b, i); /* of other sizes: the guest does something else now */
    if (b->total + bytes <= BUFFERS_MOST)
        p = aligned_alloc(PAGE, bytes);
    if (p)
        b->total += bytes;
    return p;
}

void buffers_put(struct buffers *b, uint8_t *p, uint64_t length)
{
    unsigned size = size_of(length);

    if (!p)
        return;
    *(void **)(void *)p = b->free[size];
    b->free[size] = p;
}
