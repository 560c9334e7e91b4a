/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An address space: a sorted array of regions, with the one hit last tried first. An access is
 * cut at region borders, split or widened to what the region takes, and put together again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/histogram.h"
#include "ioreq/space.h"

struct region {
    struct space *space;
    uint64_t base, length;
    const struct region_ops *ops;
    void *state;
    uint64_t reads, writes;
    struct histogram times;
    unsigned busy;    /* handlers of it on the stack */
    bool unmapped;    /* freed when no longer busy */
};

struct space {
    const char *name;
    const struct space_claims *claims;
    void *arg;
    struct region **regions; /* by base */
    size_t count, room;
    struct region *last;
};

int space_open(struct space **out, const char *name, const struct space_claims *claims, void *arg,
               struct error *err)
{
    struct space *s = calloc(1, sizeof(*s));

    if (!s)
        return error_set(err, -ENOMEM, "address space %s: out of memory", name);
    *s = (struct space){ .name = name, .claims = claims, .arg = arg };
    *out = s;
    return 0;
}

void space_close(struct space *s)
{
    if (!s)
        return;
    while (s->count)
        region_unmap(s->regions[s->count - 1]);
    free(s->regions);
    free(s);
}

/* The index of the first region that ends after `addr`. */
static size_t find(const struct space *s, uint64_t addr)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct region *r = s->regions[mid];

        if (r->base + (r->length - 1) < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct region *at(struct space *s, uint64_t addr)
{
    struct region *r = s->last;
    size_t i;

    if (r && addr >= r->base && addr - r->base < r->length)
        return r;
    i = find(s, addr);
    if (i == s->count || s->regions[i]->base > addr)
        return NULL;
    return s->last = s->regions[i];
}

int region_map(struct region **out, struct space *s, uint64_t base, uint64_t length,
               const struct region_ops *ops, void *state, struct error *err)
{
    struct region *r;
    size_t i;
    int rc;

    if (!length || base + (length - 1) < base)
        return error_set(err, -EINVAL, "%s: %s at 0x%llx has no end", s->name, ops->name,
                         (unsigned long long)base);
    i = find(s, base);
    if (i < s->count && s->regions[i]->base <= base + (length - 1))
        return error_set(err, -EBUSY, "%s: %s at 0x%llx-0x%llx: %s is there already", s->name,
                         ops->name, (unsigned long long)base,
                         (unsigned long long)(base + length - 1), s->regions[i]->ops->name);
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 32;
        struct region **regions = realloc(s->regions, room * sizeof(*regions));

        if (!regions)
            return error_set(err, -ENOMEM, "%s: out of memory", s->name);
        s->regions = regions;
        s->room = room;
    }
    r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(err, -ENOMEM, "%s: out of memory", s->name);
    *r = (struct region){ .space = s, .base = base, .length = length, .ops = ops, .state = state };
    if (s->claims) {
        rc = s->claims->claim(s->arg, base, base + (length - 1), err);
        if (rc < 0) {
            free(r);
            return rc;
        }
    }
    memmove(s->regions + i + 1, s->regions + i, (s->count - i) * sizeof(*s->regions));
    s->regions[i] = r;
    s->count++;
    *out = r;
    return 0;
}

void region_unmap(struct region *r)
{
    struct space *s;
    size_t i;

    if (!r || r->unmapped)
        return;
    s = r->space;
    i = find(s, r->base);
    memmove(s->regions + i, s->regions + i + 1, (s->count - i - 1) * sizeof(*s->regions));
    s->count--;
    if (s->last == r)
        s->last = NULL;
    if (s->claims)
        s->claims->release(s->arg, r->base, r->base + (r->length - 1));
    r->unmapped = true;
    if (!r->busy)
        free(r);
}

/* The most bytes to take at `offset`: a power of two, not over what is left or what it takes. */
static unsigned piece(const struct region_ops *ops, unsigned left)
{
    unsigned size = 8;

    while (size > ops->max_size || size > left)
        size /= 2;
    return size;
}

static uint64_t read_piece(struct region *r, uint64_t offset, unsigned size)
{
    const struct region_ops *ops = r->ops;

    r->reads++;
    if (size >= ops->min_size)
        return ops->read(r->state, offset, size) & ones(size);
    return ops->read(r->state, ROUND_DOWN(offset, ops->min_size), ops->min_size) >>
               (8 * (offset % ops->min_size)) &
           ones(size);
}

static void write_piece(struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
    const struct region_ops *ops = r->ops;

    r->writes++;
    value &= ones(size);
    if (size >= ops->min_size)
        ops->write(r->state, offset, size, value);
    else
        ops->write(r->state, ROUND_DOWN(offset, ops->min_size), ops->min_size,
                   value << (8 * (offset % ops->min_size)));
}

/* When the handler began, if this access is one that is timed; else 0. */
static uint64_t enter(struct region *r)
{
    r->busy++;
    return (r->reads + r->writes) % HISTOGRAM_SAMPLE ? 0 : clock_now();
}

static void leave(struct region *r, uint64_t began)
{
    if (began)
        histogram_add(&r->times, clock_now() - began);
    if (!--r->busy && r->unmapped)
        free(r);
}

/* How many of `size` bytes at `addr` one region answers; 1 where there is none. */
static unsigned reach(const struct region *r, uint64_t addr, unsigned size)
{
    uint64_t left = r ? r->length - (addr - r->base) : 1;

    return left < size ? (unsigned)left : size;
}

uint64_t space_read(struct space *s, uint64_t addr, unsigned size)
{
    uint64_t value = 0;

    for (unsigned done = 0, n; done < size; done += n) {
        struct region *r = at(s, addr + done);
        uint64_t began;

        if (!r) {
            n = 1;
            value |= 0xffull << (8 * done);
            continue;
        }
        n = piece(r->ops, reach(r, addr + done, size - done));
        began = enter(r);
        value |= read_piece(r, addr + done - r->base, n) << (8 * done);
        leave(r, began);
    }
    return value;
}

void space_write(struct space *s, uint64_t addr, unsigned size, uint64_t value)
{
    for (unsigned done = 0, n; done < size; done += n) {
        struct region *r = at(s, addr + done);
        uint64_t began;

        if (!r) {
            n = 1;
            continue;
        }
        n = piece(r->ops, reach(r, addr + done, size - done));
        began = enter(r);
        write_piece(r, addr + done - r->base, n, value >> (8 * done));
        leave(r, began);
    }
}

bool space_holds(const struct space *s, uint64_t addr, uint64_t length)
{
    size_t i = find(s, addr);

    return i < s->count && s->regions[i]->base <= addr &&
           length <= s->regions[i]->length - (addr - s->regions[i]->base);
}

void space_walk(const struct space *s, void (*fn)(void *arg, const struct region_info *info),
                void *arg)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct region *r = s->regions[i];
        struct region_info info = {
            .name = r->ops->name, .base = r->base, .length = r->length,
            .reads = r->reads, .writes = r->writes, .times = &r->times,
        };

        fn(arg, &info);
    }
}
