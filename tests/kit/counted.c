/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/memory/local.h"
#include "tests/kit/check.h"
#include "tests/kit/counted.h"

static struct counted *counted_of(struct backing *b)
{
    return container_of(b, struct counted, backing);
}

static void *count_map(struct backing *b, uint64_t gfn, size_t pages, int *errs)
{
    struct counted *c = counted_of(b);
    void *p;

    if (c->in_map)
        c->in_map(c->arg);
    if (c->refuse)
        return NULL;
    c->maps++;
    p = c->real->ops->map(c->real, gfn, pages, errs);
    if (c->missing && c->missing >= gfn && c->missing < gfn + pages)
        errs[c->missing - gfn] = -2;
    return p;
}

static void count_unmap(struct backing *b, void *addr, size_t pages)
{
    struct counted *c = counted_of(b);

    c->unmaps++;
    c->real->ops->unmap(c->real, addr, pages);
}

static void pass_modified(struct backing *b, uint64_t gfn, size_t pages)
{
    struct counted *c = counted_of(b);

    c->real->ops->modified(c->real, gfn, pages);
}

void counted_open(struct counted *c, const struct memory_layout *layout)
{
    struct error err = { "" };

    memset(c, 0, sizeof(*c));
    CHECK_EQ(local_backing_open(&c->real, layout, &err), 0);
    c->ops = (struct backing_ops){ .map = count_map, .unmap = count_unmap,
                                   .modified = pass_modified };
    c->backing.ops = &c->ops;
}

void counted_close(struct counted *c)
{
    CHECK_EQ(c->maps, c->unmaps);
    local_backing_close(c->real);
}
