/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One memfd of named pieces. The directory of names is ours; the pieces are the devices'. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "dm/base/arena.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"

#define PIECE_ALIGN 64

struct piece {
    char name[64];
    size_t offset, bytes;
};

struct arena {
    int fd;
    uint8_t *base;
    size_t size, used;
    struct piece *pieces;
    size_t count;
};

int arena_open(struct arena **out, size_t bytes, struct error *err)
{
    struct arena *a = calloc(1, sizeof(*a));
    int rc;

    if (!a)
        return error_set(err, -ENOMEM, "state arena: out of memory");
    a->size = ROUND_UP(bytes, PAGE_BYTES);
    a->fd = memfd_create("xen-dm-state", MFD_CLOEXEC);
    if (a->fd < 0 || ftruncate(a->fd, (off_t)a->size) < 0) {
        rc = error_errno(err, "create the state arena of %zu bytes", a->size);
        goto fail;
    }
    a->base = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
    if (a->base == MAP_FAILED) {
        a->base = NULL;
        rc = error_errno(err, "map the state arena of %zu bytes", a->size);
        goto fail;
    }
    *out = a;
    return 0;

fail:
    arena_close(a);
    return rc;
}

void arena_close(struct arena *a)
{
    if (!a)
        return;
    if (a->base)
        munmap(a->base, a->size);
    if (a->fd >= 0)
        close(a->fd);
    free(a->pieces);
    free(a);
}

void *arena_piece(struct arena *a, const char *name, size_t bytes)
{
    struct piece *p;

    for (size_t i = 0; i < a->count; i++)
        if (!strcmp(a->pieces[i].name, name))
            return a->pieces[i].bytes == bytes ? a->base + a->pieces[i].offset : NULL;
    if (strlen(name) >= sizeof(p->name) || a->size - a->used < ROUND_UP(bytes, PIECE_ALIGN))
        return NULL;
    p = realloc(a->pieces, (a->count + 1) * sizeof(*p));
    if (!p)
        return NULL;
    a->pieces = p;
    p += a->count++;
    memset(p, 0, sizeof(*p));
    strcpy(p->name, name);
    p->offset = a->used;
    p->bytes = bytes;
    a->used += ROUND_UP(bytes, PIECE_ALIGN);
    return a->base + p->offset;
}

int arena_fd(const struct arena *a)
{
    return a->fd;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
