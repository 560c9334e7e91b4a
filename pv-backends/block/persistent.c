/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash table from grant references to mapped pages, with open addressing; entries never leave. */
#include <errno.h>
#include <stdlib.h>
#include "dm/xen/grant.h"
#include "pv-backends/block/persistent.h"

struct entry {
    uint8_t *page; /* NULL: free */
    uint32_t ref;
    bool writable;
};

struct persistent {
    struct grants *grants;
    unsigned most, count, slots; /* slots: a power of two, at least twice `most` */
    struct entry entries[];
};

int persistent_open(struct persistent **out, struct grants *grants, unsigned most)
{
    struct persistent *p;
    unsigned slots = 1;

    while (slots < 2 * most)
        slots *= 2;
    p = calloc(1, sizeof(*p) + slots * sizeof(struct entry));
    if (!p)
        return -ENOMEM;
    p->grants = grants;
    p->most = most;
    p->slots = slots;
    *out = p;
    return 0;
}

void persistent_close(struct persistent *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->slots; i++)
        if (p->entries[i].page)
            grants_unmap(p->grants, p->entries[i].page, 1);
    free(p);
}

uint8_t *persistent_page(struct persistent *p, uint32_t ref, bool writable)
{
    unsigned at = (ref * 2654435761u) & (p->slots - 1);
    struct entry *e;

    for (; (e = &p->entries[at])->page; at = (at + 1) & (p->slots - 1))
        if (e->ref == ref)
            return e->writable || !writable ? e->page : NULL;
    if (p->count == p->most)
        return NULL;
    /* a page that was first used to be read from is written to later: ask for all at once */
    e->page = grants_map(p->grants, &ref, 1, true, NULL);
    e->writable = true;
    if (!e->page && !writable) {
        e->page = grants_map(p->grants, &ref, 1, false, NULL);
        e->writable = false;
    }
    if (!e->page)
        return NULL;
    e->ref = ref;
    p->count++;
    return e->page;
}

unsigned persistent_count(const struct persistent *p)
{
    return p->count;
}
