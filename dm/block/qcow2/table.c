/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From guest clusters to host clusters, through L1 and L2 tables; and back into them. */
#include <errno.h>
#include <stdlib.h>
#include "dm/block/qcow2/internal.h"

#define LOADS_MOST 8u /* slices at once */
#define FREED_MOST 4096u
#define RESERVE_BYTES (4 * MIB)
#define RESERVE_LEAST 8u
#define RESERVE_MOST 256u

/* ---- The set of clusters that hold metadata ---- */

static uint64_t *meta_slot(const struct qcow2 *q, uint64_t host)
{
    uint64_t i = (host >> 9) * 0x9e3779b97f4a7c15ull >> 20;

    while (q->meta[i & q->meta_mask] && q->meta[i & q->meta_mask] != host)
        i++;
    return &q->meta[i & q->meta_mask];
}

static bool within(uint64_t host, uint64_t from, uint64_t bytes)
{
    return host >= from && host - from < bytes;
}

bool meta_has(const struct qcow2 *q, uint64_t host)
{
    return !host || within(host, q->l1_offset, q->l1_size * 8ull) ||
           within(host, q->table_offset, q->table_entries * 8) || *meta_slot(q, host);
}

static int meta_grow(struct qcow2 *q)
{
    uint64_t *old = q->meta, n = old ? q->meta_mask + 1 : 0, size = MAX(64, n * 2);
    uint64_t *fresh = calloc(size, sizeof(*fresh));

    if (!fresh)
        return -ENOMEM;
    q->meta = fresh;
    q->meta_mask = size - 1;
    for (uint64_t i = 0; i < n; i++)
        if (old[i])
            *meta_slot(q, old[i]) = old[i];
    free(old);
    return 0;
}

int meta_add(struct qcow2 *q, uint64_t host)
{
    uint64_t *slot;

    if ((!q->meta || q->meta_count * 2 > q->meta_mask) && meta_grow(q) < 0)
        return -ENOMEM;
    slot = meta_slot(q, host);
    if (*slot)
        return -EEXIST;
    *slot = host;
    q->meta_count++;
    return 0;
}

void meta_remove(struct qcow2 *q, uint64_t host)
{
    uint64_t *slot = meta_slot(q, host), i = (uint64_t)(slot - q->meta);

    if (!*slot)
        return;
    *slot = 0;
    q->meta_count--;
    for (i = (i + 1) & q->meta_mask; q->meta[i]; i = (i + 1) & q->meta_mask) { /* close the gap */
        uint64_t moved = q->meta[i];

        q->meta[i] = 0;
        *meta_slot(q, moved) = moved;
    }
}

bool freed_add(struct freed_list *list, uint64_t host, uint64_t clusters)
{
    if (list->count == list->size) {
        unsigned size = list->size ? list->size * 2 : 64;
        struct freed *more = realloc(list->at, size * sizeof(*more));

        if (!more) /* they are leaked, which a check finds */
            return false;
        list->at = more;
        list->size = size;
    }
    list->at[list->count++] = (struct freed){ host, clusters };
    return true;
}

/* ---- Looking up ---- */

static uint64_t l2_entry_offset(const struct qcow2 *q, uint64_t cluster)
{
    return (cluster & ((1ull << q->l2_bits) - 1)) * 8;
}

/* The piece of the L2 table with the entry of this guest cluster; `in`: where in it. */
static struct slice *slice_of(struct qcow2 *q, uint64_t cluster, uint64_t l1_entry, unsigned *in)
{
    uint64_t offset = l2_entry_offset(q, cluster);

    *in = (unsigned)(offset % q->slice);
    return slices_find(&q->l2, (l1_entry & OFFSET_MASK) + offset - *in);
}

/* What is known of a guest cluster. */
struct spot {
    enum map map; /* DATA, ZERO, BELOW, PACKED, LOAD, BAD */
    bool writable;
    uint64_t entry;
};

static bool good_place(const struct qcow2 *q, uint64_t host)
{
    return host % q->cluster == 0 && host < q->end && !meta_has(q, host);
}

void qcow2_packed_place(const struct qcow2 *q, uint64_t entry, uint64_t *host, uint64_t *bytes)
{
    unsigned split = 62 - (q->cluster_bits - 8);
    uint64_t sectors = (entry & ~(L2_COMPRESSED | L2_COPIED)) >> split;

    *host = entry & ((1ull << split) - 1);
    *bytes = (sectors + 1) * 512 - *host % 512;
}

static struct spot judge(const struct qcow2 *q, uint64_t entry)
{
    uint64_t host = entry & OFFSET_MASK, bytes;
    struct spot spot = { .map = MAP_BAD, .entry = entry };

    if (entry & L2_COMPRESSED) {
        qcow2_packed_place(q, entry, &host, &bytes);
        if (host < q->end && host >= q->cluster && !(entry & L2_COPIED))
            spot.map = MAP_PACKED;
    } else if ((entry & L2_ZERO) && q->version >= 3 && (!host || good_place(q, host))) {
        spot.map = MAP_ZERO;
    } else if (!(entry & L2_ZERO) && !host) {
        spot.map = MAP_BELOW;
    } else if (!(entry & L2_ZERO) && good_place(q, host)) {
        spot.map = MAP_DATA;
        spot.writable = entry & L2_COPIED;
    }
    return spot;
}

struct cursor {
    struct slice *slice;
    unsigned in;
};

/* With `write`: LOAD where there is no table of our own. */
static struct spot look(struct qcow2 *q, uint64_t cluster, bool write, struct cursor *c)
{
    uint64_t l1_entry = q->l1[cluster >> q->l2_bits];

    if (!(l1_entry & OFFSET_MASK) && !write)
        return (struct spot){ .map = MAP_BELOW };
    if (write && (!(l1_entry & OFFSET_MASK) || !(l1_entry & L2_COPIED)))
        return (struct spot){ .map = MAP_LOAD };
    if (c->slice && c->in + 8 < q->slice) {
        c->in += 8;
    } else {
        c->slice = slice_of(q, cluster, l1_entry, &c->in);
        if (!c->slice)
            return (struct spot){ .map = MAP_LOAD };
    }
    return judge(q, get_be64(c->slice->bytes + c->in));
}

/* Does what lies in the cluster matter when a part of it is written elsewhere? */
static bool has_content(const struct qcow2 *q, const struct spot *spot, uint64_t cluster)
{
    if (spot->map == MAP_BELOW)
        return q->img.below && cluster << q->cluster_bits < q->img.below->bytes;
    return spot->map != MAP_ZERO;
}

static enum map kind_of(const struct spot *spot, bool write)
{
    if (!write || spot->map == MAP_LOAD || spot->map == MAP_BAD)
        return spot->map;
    return spot->map == MAP_DATA && spot->writable ? MAP_DATA : MAP_NEW;
}

void qcow2_find(struct image *img, struct extent *e, bool write)
{
    struct qcow2 *q = qcow2_of(img);
    uint64_t first = e->at >> q->cluster_bits, end = e->at + e->length, cluster = first;
    uint64_t last = (end - 1) >> q->cluster_bits;
    struct cursor c = { NULL, 0 };
    struct spot spot = look(q, first, write, &c), next = spot;

    e->map = kind_of(&spot, write);
    e->host = (spot.entry & OFFSET_MASK) + e->at % q->cluster;
    if (e->map == MAP_PACKED)
        e->host = spot.entry;
    e->head = e->tail = 0;
    if (e->map == MAP_NEW || e->map == MAP_PACKED)
        e->head = e->at % q->cluster;
    e->old_head = has_content(q, &spot, first);
    while (e->map != MAP_PACKED && cluster < last) {
        struct spot after = look(q, cluster + 1, write, &c);

        if (kind_of(&after, write) != e->map ||
            (e->map == MAP_DATA &&
             (after.entry & OFFSET_MASK) != (next.entry & OFFSET_MASK) + q->cluster))
            break;
        next = after;
        cluster++;
    }
    end = MIN(end, (cluster + 1) << q->cluster_bits);
    e->length = end - e->at;
    if (e->map == MAP_NEW) {
        e->tail = ROUND_UP(end, q->cluster) - end;
        e->old_tail = has_content(q, &next, cluster);
    }
}

/* ---- Places for new data ---- */

static uint64_t units(const struct qcow2 *q, const struct extent *e)
{
    return (e->head + e->length + e->tail) >> q->cluster_bits;
}

/* Pins or lets go the slices that link() will write. */
static void pin(struct qcow2 *q, const struct extent *e, int by)
{
    uint64_t first = e->at >> q->cluster_bits;
    unsigned in;

    for (uint64_t i = 0; i < units(q, e); i++) {
        struct slice *s = slice_of(q, first + i, q->l1[(first + i) >> q->l2_bits], &in);

        s->pins += (unsigned)by;
    }
}

bool qcow2_take(struct image *img, struct extent *e)
{
    struct qcow2 *q = qcow2_of(img);
    uint64_t n = MIN(units(q, e), q->reserve.clusters);

    if (!n)
        return false;
    if (n < units(q, e)) {
        e->length = (n << q->cluster_bits) - e->head;
        e->tail = 0;
    }
    e->host = q->reserve.host;
    e->virgin = q->reserve.virgin;
    q->reserve.host += n << q->cluster_bits;
    q->reserve.clusters -= n;
    pin(q, e, 1);
    return true;
}

/* What an entry pointed at is given up once nothing on the platter says otherwise. */
static void give_up(struct qcow2 *q, uint64_t entry)
{
    uint64_t host = entry & OFFSET_MASK, bytes, last;

    if (entry & L2_COMPRESSED) {
        qcow2_packed_place(q, entry, &host, &bytes);
        last = (host + bytes - 1) >> q->cluster_bits;
        host = host >> q->cluster_bits;
        freed_add(&q->freed, host << q->cluster_bits, last - host + 1);
    } else if (host) {
        freed_add(&q->freed, host, 1);
    }
}

static void set_entry(struct qcow2 *q, struct slice *s, unsigned in, uint64_t entry)
{
    uint64_t old = get_be64(s->bytes + in);

    put_be64(s->bytes + in, entry);
    slice_set_dirty(&q->l2, s, true);
    give_up(q, old);
}

void qcow2_link(struct image *img, const struct extent *e)
{
    struct qcow2 *q = qcow2_of(img);
    uint64_t first = e->at >> q->cluster_bits;
    unsigned in;

    pin(q, e, -1);
    for (uint64_t i = 0; i < units(q, e); i++) {
        struct slice *s = slice_of(q, first + i, q->l1[(first + i) >> q->l2_bits], &in);

        set_entry(q, s, in, (e->host + (i << q->cluster_bits)) | L2_COPIED);
    }
}

void qcow2_give_back(struct image *img, const struct extent *e)
{
    struct qcow2 *q = qcow2_of(img);

    pin(q, e, -1);
    freed_add(&q->freed, e->host, units(q, e));
}

/*
 * Zeroes and discards: whole clusters are let go. Version 2 cannot say that a cluster is zeroes
 * where a backing file shows through.
 */
void qcow2_clear(struct image *img, struct extent *e, bool discard)
{
    struct qcow2 *q = qcow2_of(img);
    uint64_t cluster = e->at >> q->cluster_bits, done = 0, zero;
    bool to_end = e->at + e->length == img->disk.bytes; /* where the last cluster ends too */
    struct cursor c = { NULL, 0 }, own;
    struct spot spot = look(q, cluster, false, &c);

    if (discard)
        atomic_store(&q->punches, true);
    e->map = spot.map;
    if (spot.map == MAP_LOAD || spot.map == MAP_BAD)
        return;
    if (e->at % q->cluster || (e->length < q->cluster && !to_end) ||
        (img->below && q->version < 3)) {
        e->length = MIN(e->length, q->cluster - e->at % q->cluster);
        e->map = discard || !has_content(q, &spot, cluster) ? MAP_DONE : MAP_DATA;
        return;
    }
    zero = img->below ? L2_ZERO : 0;
    for (c.slice = NULL; done < e->length; cluster++) {
        if (e->length - done < q->cluster && !to_end)
            break;
        spot = look(q, cluster, false, &c);
        if (spot.map != MAP_LOAD && spot.map != MAP_BAD &&
            (has_content(q, &spot, cluster) || (spot.entry & OFFSET_MASK))) {
            own.slice = NULL;
            spot = look(q, cluster, true, &own);
            if (spot.map != MAP_LOAD && spot.map != MAP_BAD)
                set_entry(q, own.slice, own.in, zero);
        }
        e->map = spot.map;
        if (spot.map == MAP_LOAD || spot.map == MAP_BAD)
            break;
        done += MIN(q->cluster, e->length - done);
    }
    if (done) {
        e->map = MAP_DONE;
        e->length = done;
    }
}

/* ---- The scribe's part: what is missing is loaded ---- */

/* A table of our own for this L1 entry: new, or a copy of what snapshots share. */
static int own_table(struct qcow2 *q, uint64_t i)
{
    uint64_t old = q->l1[i] & OFFSET_MASK, host, n;
    uint8_t *bytes;
    int rc = refcount_allocate(q, 1, true, &host, &n);

    if (rc < 0)
        return rc;
    if (old) {
        bytes = malloc(q->cluster);
        rc = bytes ? image_read(&q->img, bytes, q->cluster, old) : -ENOMEM;
        if (rc == 0)
            rc = image_write(&q->img, bytes, q->cluster, host);
        free(bytes);
    } else {
        rc = image_write_zeroes(&q->img, q->cluster, host);
    }
    pthread_mutex_lock(&q->img.lock);
    if (rc == 0)
        rc = meta_add(q, host);
    if (rc == 0) {
        q->l1[i] = host | L2_COPIED;
        q->l1_dirty[i / 64] = 1;
        q->any_l1_dirty = true;
        if (old)
            freed_add(&q->freed, old, 1);
    } else {
        freed_add(&q->freed, host, 1);
    }
    pthread_mutex_unlock(&q->img.lock);
    return rc;
}

static int load_slice(struct qcow2 *q, uint64_t host)
{
    struct slice *fresh = malloc(sizeof(*fresh) + q->slice);
    int rc;

    if (!fresh)
        return -ENOMEM;
    memset(fresh, 0, sizeof(*fresh));
    fresh->host = host;
    rc = image_read(&q->img, fresh->bytes, q->slice, host);
    if (rc == 0) {
        pthread_mutex_lock(&q->img.lock);
        if (!slices_put(&q->l2, fresh))
            rc = -ENOMEM;
        pthread_mutex_unlock(&q->img.lock);
    }
    if (rc < 0)
        free(fresh);
    return rc;
}

static int refill(struct qcow2 *q)
{
    uint64_t want = MIN(MAX(RESERVE_BYTES >> q->cluster_bits, RESERVE_LEAST), RESERVE_MOST);
    uint64_t host, n, virgin = q->virgin << q->cluster_bits;
    bool empty;
    int rc;

    pthread_mutex_lock(&q->img.lock);
    empty = !q->reserve.clusters;
    pthread_mutex_unlock(&q->img.lock);
    if (!empty)
        return 0;
    rc = refcount_allocate(q, want, false, &host, &n);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&q->img.lock);
    q->reserve.host = host;
    q->reserve.clusters = n;
    q->reserve.virgin = host >= virgin && !q->img.block;
    pthread_mutex_unlock(&q->img.lock);
    return 0;
}

static int tidy(struct qcow2 *q)
{
    bool crowded;

    pthread_mutex_lock(&q->img.lock);
    crowded = slices_crowded(&q->l2) || q->freed.count >= FREED_MOST;
    pthread_mutex_unlock(&q->img.lock);
    return crowded ? qcow2_flush(&q->img) : qcow2_reclaim(q);
}

int qcow2_load(struct image *img, uint64_t at, uint64_t length, bool write)
{
    struct qcow2 *q = qcow2_of(img);
    uint64_t cluster = at >> q->cluster_bits, last = (at + length - 1) >> q->cluster_bits;
    uint64_t step = q->slice / 8;
    int rc = write ? tidy(q) : 0;

    for (unsigned i = 0; rc == 0 && i < LOADS_MOST && cluster <= last; i++) {
        uint64_t l1 = cluster >> q->l2_bits, offset = l2_entry_offset(q, cluster), host;
        bool there;

        pthread_mutex_lock(&img->lock);
        host = q->l1[l1];
        pthread_mutex_unlock(&img->lock);
        if (write && (!(host & L2_COPIED) || !(host & OFFSET_MASK))) {
            rc = own_table(q, l1);
            host = q->l1[l1]; /* which nobody else writes */
        }
        host = (host & OFFSET_MASK) ? (host & OFFSET_MASK) + offset - offset % q->slice : 0;
        pthread_mutex_lock(&img->lock);
        there = !host || slices_find(&q->l2, host);
        pthread_mutex_unlock(&img->lock);
        if (rc == 0 && !there)
            rc = load_slice(q, host);
        cluster = ROUND_DOWN(cluster, step) + step;
    }
    if (rc == 0 && write)
        rc = refill(q);
    return rc;
}
