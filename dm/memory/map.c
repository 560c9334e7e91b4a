/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory as one loop sees it: 2 MiB windows in a hash, the least recently used one dropped
 * when the bound is reached. A window with pins never goes away under its user; it leaves the hash
 * and is unmapped by its last unpin.
 */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/tape.h"
#include "dm/memory/backing.h"
#include "dm/memory/memory.h"

#define WINDOW_BYTES (2 * MIB)
#define WINDOW_PAGES (WINDOW_BYTES / PAGE_BYTES)
#define WINDOWS_DEFAULT 64
#define BUCKETS 64
#define HOLE_START 0xa0000ull
#define HOLE_END 0xc0000ull
#define HIGH_START (4 * GIB)

struct window {
    struct window *next; /* in the bucket, or in the list of orphans */
    uint64_t index;      /* guest address / WINDOW_BYTES */
    uint8_t *base;
    unsigned pins;
    bool orphan;
    uint64_t used;                      /* the tick of its last use */
    uint8_t missing[WINDOW_PAGES / 8]; /* frames that could not be mapped */
};

struct memory {
    struct backing *backing;
    struct memory_layout layout;
    struct window *buckets[BUCKETS];
    struct window *orphans;
    struct window *last;
    unsigned windows, most, pinned;
    uint64_t tick;
    bool log_dirty;
    struct memory_news *tells, *follows;
    unsigned heard; /* invalidations of the one that we follow */
    uint64_t hits, misses, evictions;
};

int memory_open(struct memory **out, struct backing *backing, const struct memory_layout *layout,
                unsigned windows, struct error *err)
{
    struct memory *m = calloc(1, sizeof(*m));

    if (!m)
        return error_set(err, -ENOMEM, "guest memory: out of memory");
    m->backing = backing;
    m->layout = *layout;
    m->most = windows ? windows : WINDOWS_DEFAULT;
    *out = m;
    return 0;
}

static void window_free(struct memory *m, struct window *w)
{
    m->backing->ops->unmap(m->backing, w->base, WINDOW_PAGES);
    free(w);
}

static void unlink_window(struct memory *m, struct window *w)
{
    struct window **at = &m->buckets[w->index % BUCKETS];

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    m->windows--;
    if (m->last == w)
        m->last = NULL;
}

/* Out of the hash: gone, or an orphan until its last unpin. */
static void drop(struct memory *m, struct window *w)
{
    unlink_window(m, w);
    if (!w->pins) {
        window_free(m, w);
        return;
    }
    w->orphan = true;
    w->next = m->orphans;
    m->orphans = w;
}

static void forget(struct memory *m)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        while (m->buckets[i])
            drop(m, m->buckets[i]);
}

void memory_invalidate(struct memory *m)
{
    forget(m);
    if (!m->tells)
        return;
    atomic_fetch_add(&m->tells->invalidations, 1);
    if (m->tells->invalidated)
        m->tells->invalidated(m->tells->arg);
}

void memory_tell(struct memory *m, struct memory_news *news)
{
    m->tells = news;
    if (news)
        atomic_store(&news->log_dirty, m->log_dirty);
}

void memory_follow(struct memory *m, struct memory_news *news)
{
    m->follows = news;
    m->heard = atomic_load(&news->invalidations);
}

void memory_heed(struct memory *m)
{
    unsigned now = m->follows ? atomic_load(&m->follows->invalidations) : m->heard;

    if (now == m->heard)
        return;
    m->heard = now;
    forget(m);
}

void memory_close(struct memory *m)
{
    struct window *w;

    if (!m)
        return;
    forget(m);
    while ((w = m->orphans)) { /* somebody kept a pin; the process ends anyway */
        m->orphans = w->next;
        window_free(m, w);
    }
    free(m);
}

/* Bytes of RAM from `addr` on in one piece, at most `length`; 0 where there is none. */
static size_t ram_span(const struct memory *m, uint64_t addr, size_t length)
{
    uint64_t end;

    if (addr >= HIGH_START)
        end = m->layout.high_end;
    else if (addr >= HOLE_END)
        end = m->layout.low_end;
    else if (addr >= HOLE_START)
        return 0;
    else
        end = MIN(m->layout.low_end, HOLE_START);
    if (addr >= end)
        return 0;
    return MIN(length, end - addr);
}

static void evict_one(struct memory *m)
{
    struct window *oldest = NULL;

    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct window *w = m->buckets[i]; w; w = w->next)
            if (!w->pins && (!oldest || w->used < oldest->used))
                oldest = w;
    if (oldest) {
        drop(m, oldest);
        m->evictions++;
    }
}

static struct window *map_window(struct memory *m, uint64_t index)
{
    struct window *w = calloc(1, sizeof(*w));
    int errs[WINDOW_PAGES];

    if (!w)
        return NULL;
    if (m->windows >= m->most)
        evict_one(m); /* where all are pinned the bound yields: pins are bounded by their users */
    w->index = index;
    w->base = m->backing->ops->map(m->backing, index * WINDOW_PAGES, WINDOW_PAGES, errs);
    if (!w->base) {
        free(w);
        return NULL;
    }
    for (unsigned i = 0; i < WINDOW_PAGES; i++)
        if (errs[i])
            w->missing[i / 8] |= (uint8_t)(1 << (i % 8));
    w->next = m->buckets[index % BUCKETS];
    m->buckets[index % BUCKETS] = w;
    m->windows++;
    m->misses++;
    return w;
}

static bool present(const struct window *w, unsigned page)
{
    return !(w->missing[page / 8] >> (page % 8) & 1);
}

static struct window *lookup(struct memory *m, uint64_t index)
{
    struct window *w = m->last;

    if (w && w->index == index)
        return w;
    for (w = m->buckets[index % BUCKETS]; w && w->index != index; w = w->next)
        ;
    return w;
}

/*
 * The window that holds `addr`, and how much of it is there from `addr` on, at most `length`. `map`:
 * it is mapped if it is not yet, and a frame that was missing is asked for again, for the guest may
 * have ballooned it back in.
 */
static struct window *reach(struct memory *m, uint64_t addr, size_t length, bool map, size_t *got)
{
    uint64_t index = addr / WINDOW_BYTES;
    unsigned page = (unsigned)(addr % WINDOW_BYTES / PAGE_BYTES);
    struct window *w;
    size_t span;

    memory_heed(m);
    w = lookup(m, index);
    if (!map && !(w && present(w, page)))
        return NULL;
    if (w && !present(w, page)) {
        drop(m, w);
        w = NULL;
    }
    if (w)
        m->hits++;
    else
        w = map_window(m, index);
    if (!w || !present(w, page))
        return NULL;
    m->last = w;
    w->used = ++m->tick;
    span = PAGE_BYTES - addr % PAGE_BYTES;
    while (span < length && ++page < WINDOW_PAGES && present(w, page))
        span += PAGE_BYTES;
    *got = MIN(span, length);
    return w;
}

static void report(struct memory *m, uint64_t addr, size_t length)
{
    uint64_t first = addr >> PAGE_BITS, last = (addr + length - 1) >> PAGE_BITS;
    bool on = m->log_dirty || (m->follows && atomic_load(&m->follows->log_dirty));

    if (on && length)
        m->backing->ops->modified(m->backing, first, last - first + 1);
}

/* A stretch for copying: NULL and *got = how many bytes to skip where there is no RAM. */
static uint8_t *stretch(struct memory *m, uint64_t addr, size_t length, size_t *got)
{
    size_t span = ram_span(m, addr, length);
    struct window *w = span ? reach(m, addr, span, true, got) : NULL;

    if (w)
        return w->base + addr % WINDOW_BYTES;
    *got = MIN(length, PAGE_BYTES - addr % PAGE_BYTES);
    return NULL;
}

bool dma_read(struct memory *m, uint64_t addr, void *buf, size_t length)
{
    bool all = true;

    for (size_t done = 0, n; done < length; done += n) {
        uint8_t *p = stretch(m, addr + done, length - done, &n);

        if (p)
            memcpy((uint8_t *)buf + done, p, n);
        else
            memset((uint8_t *)buf + done, 0xff, n);
        all &= p != NULL;
    }
    tape_reply(buf, length);
    tape_reply(&all, sizeof(all));
    return all;
}

bool dma_write(struct memory *m, uint64_t addr, const void *buf, size_t length)
{
    bool all = true;

    for (size_t done = 0, n; done < length; done += n) {
        uint8_t *p = stretch(m, addr + done, length - done, &n);

        if (p) {
            memcpy(p, (const uint8_t *)buf + done, n);
            report(m, addr + done, n);
        }
        all &= p != NULL;
    }
    tape_reply(&all, sizeof(all));
    return all;
}

void *memory_pin(struct memory *m, uint64_t addr, size_t *length, bool write)
{
    size_t span = ram_span(m, addr, *length), got = 0;
    struct window *w = span ? reach(m, addr, span, true, &got) : NULL;

    if (!w)
        got = 0;
    tape_reply(&got, sizeof(got));
    if (!w || !got)
        return NULL;
    *length = got;
    w->pins++;
    m->pinned++;
    return w->base + addr % WINDOW_BYTES;
}

static bool inside(const struct window *w, const void *p)
{
    return (const uint8_t *)p >= w->base && (const uint8_t *)p < w->base + WINDOW_BYTES;
}

static struct window *window_of(struct memory *m, const void *p)
{
    if (m->last && inside(m->last, p))
        return m->last;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct window *w = m->buckets[i]; w; w = w->next)
            if (inside(w, p))
                return w;
    for (struct window *w = m->orphans; w; w = w->next)
        if (inside(w, p))
            return w;
    return NULL;
}

void memory_unpin(struct memory *m, void *p, size_t length, bool write)
{
    struct window *w = window_of(m, p);

    if (!w || !w->pins)
        return;
    if (write)
        report(m, w->index * WINDOW_BYTES + (uint64_t)((uint8_t *)p - w->base), length);
    m->pinned--;
    if (--w->pins || !w->orphan)
        return;
    for (struct window **at = &m->orphans; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    window_free(m, w);
}

uint8_t *memory_frame(struct memory *m, uint64_t gfn, bool map)
{
    uint64_t addr = gfn << PAGE_BITS;
    bool ram = gfn <= UINT64_MAX >> PAGE_BITS && ram_span(m, addr, PAGE_BYTES);
    size_t got;
    struct window *w = ram ? reach(m, addr, PAGE_BYTES, map, &got) : NULL;

    return w ? w->base + addr % WINDOW_BYTES : NULL;
}

void memory_wrote(struct memory *m, uint64_t gfn)
{
    report(m, gfn << PAGE_BITS, PAGE_BYTES);
}

void memory_log_dirty(struct memory *m, bool on)
{
    m->log_dirty = on;
    if (m->tells)
        atomic_store(&m->tells->log_dirty, on);
}

struct memory_stats memory_get_stats(const struct memory *m)
{
    return (struct memory_stats){
        .windows = m->windows, .pinned = m->pinned,
        .hits = m->hits, .misses = m->misses, .evictions = m->evictions,
    };
}
