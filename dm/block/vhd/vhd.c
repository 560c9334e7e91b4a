/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD images: where sectors lie, and what is written when. */
#include "dm/block/vhd/internal.h"
#include <errno.h>
#include <stdlib.h>
#include "dm/base/error.h"

#define CACHE_BYTES MIB
#define LOADS_MOST 8u
#define ZEROES_MOST MIB /* written at once where there is no other way */
#define ALIGN 4096u     /* of the data of new blocks */

/* ---- Under the lock ---- */

static uint64_t block_of(const struct vhd *v, uint64_t at)
{
    return at / v->img.unit;
}

/* Where the block begins: 0: nowhere, 1: at a place that cannot be. */
static uint64_t place_of(const struct vhd *v, uint64_t block)
{
    uint64_t at = v->bat[block] * 512ull, table_end = v->bat_offset + v->bat_entries * 4ull;

    if (v->bat[block] == UNUSED)
        return 0;
    return at < table_end || at > v->end || v->bitmap + v->img.unit > v->end - at ? 1 : at;
}

static bool bit(const struct slice *s, uint64_t sector)
{
    return s->bytes[sector / 8] >> (7 - sector % 8) & 1;
}

static void find_in_block(struct vhd *v, struct extent *e, bool write, uint64_t place)
{
    uint64_t in = e->at % v->img.unit, first = in / 512, sector = first + 1;
    struct slice *s = slices_find(&v->bitmaps, place);
    bool there;

    if (!s) {
        e->map = MAP_LOAD;
        return;
    }
    there = bit(s, first);
    while (sector < first + e->length / 512 && bit(s, sector) == there)
        sector++;
    e->length = (sector - first) * 512;
    e->host = place + v->bitmap + in;
    e->map = there ? MAP_DATA : write ? MAP_NEW : MAP_BELOW;
}

static void vhd_find(struct image *img, struct extent *e, bool write)
{
    struct vhd *v = vhd_of(img);
    uint64_t place;

    e->head = e->tail = 0;
    if (v->type == VHD_FIXED) {
        e->map = MAP_DATA;
        e->host = e->at;
        return;
    }
    e->length = MIN(e->length, img->unit - e->at % img->unit);
    place = place_of(v, block_of(v, e->at));
    if (place == 1)
        e->map = MAP_BAD;
    else if (place)
        find_in_block(v, e, write, place);
    else
        e->map = write ? MAP_NEW : MAP_BELOW;
}

/* A new block: what is beyond the end of the file is zeroes. */
static struct slice *new_block(struct vhd *v, uint64_t block)
{
    uint64_t place = ROUND_UP(v->end + v->bitmap, ALIGN) - v->bitmap;
    struct slice *s;

    if ((place + v->bitmap + v->img.unit) / 512 >= UNUSED)
        return NULL;
    s = malloc(sizeof(*s) + v->bitmap);
    if (!s)
        return NULL;
    memset(s, 0, sizeof(*s));
    s->host = place;
    /* where nothing shines through, all of it is there: zeroes */
    memset(s->bytes, v->type == VHD_DYNAMIC ? 0xff : 0, v->bitmap);
    if (!slices_put(&v->bitmaps, s)) {
        free(s);
        return NULL;
    }
    slice_set_dirty(&v->bitmaps, s, true);
    v->bat[block] = (uint32_t)(place / 512);
    v->bat_dirty[block / 128] = 1;
    v->any_bat_dirty = true;
    v->end = place + v->bitmap + v->img.unit;
    return s;
}

static bool vhd_take(struct image *img, struct extent *e)
{
    struct vhd *v = vhd_of(img);
    uint64_t block = block_of(v, e->at), place = place_of(v, block);
    struct slice *s = place ? slices_find(&v->bitmaps, place) : new_block(v, block);

    if (!s)
        return false;
    s->pins++;
    e->host = s->host + v->bitmap + e->at % img->unit;
    e->virgin = true;
    return true;
}

static struct slice *taken(struct vhd *v, const struct extent *e)
{
    struct slice *s = slices_find(&v->bitmaps, v->bat[block_of(v, e->at)] * 512ull);

    s->pins--;
    return s;
}

static void vhd_link(struct image *img, const struct extent *e)
{
    struct vhd *v = vhd_of(img);
    uint64_t first = e->at % img->unit / 512;
    struct slice *s = taken(v, e);

    for (uint64_t i = first; i < first + e->length / 512; i++)
        s->bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
    slice_set_dirty(&v->bitmaps, s, true);
}

static void vhd_give_back(struct image *img, const struct extent *e)
{
    taken(vhd_of(img), e); /* the block stays */
}

static void vhd_clear(struct image *img, struct extent *e, bool discard)
{
    uint64_t length = MIN(e->length, ZEROES_MOST);

    vhd_find(img, e, false);
    if (e->map == MAP_LOAD || e->map == MAP_BAD)
        return;
    if (discard || (e->map == MAP_BELOW && (!img->below || e->at >= img->below->bytes))) {
        e->map = MAP_DONE;
        return;
    }
    e->length = MIN(e->length, length);
    e->map = MAP_DATA;
}

static bool vhd_dirty(struct image *img)
{
    struct vhd *v = vhd_of(img);

    return v->bitmaps.dirty || v->any_bat_dirty || v->flushing;
}

/* ---- The scribe's ---- */

static int load_bitmap(struct vhd *v, uint64_t place)
{
    struct slice *s = malloc(sizeof(*s) + v->bitmap);
    int rc;

    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof(*s));
    s->host = place;
    rc = image_read(&v->img, s->bytes, v->bitmap, place);
    pthread_mutex_lock(&v->img.lock);
    if (rc == 0 && slices_find(&v->bitmaps, place))
        rc = -EEXIST; /* a block's that was made meanwhile */
    else if (rc == 0 && !slices_put(&v->bitmaps, s))
        rc = -ENOMEM;
    pthread_mutex_unlock(&v->img.lock);
    if (rc < 0)
        free(s);
    return rc == -EEXIST ? 0 : rc;
}

static int vhd_flush(struct image *img);

static int vhd_load(struct image *img, uint64_t at, uint64_t length, bool write)
{
    struct vhd *v = vhd_of(img);
    uint64_t block = block_of(v, at), last = block_of(v, at + length - 1), place;
    bool there, crowded, full;
    int rc = 0;

    pthread_mutex_lock(&img->lock);
    crowded = slices_crowded(&v->bitmaps);
    full = write && !place_of(v, block) && (v->end + v->bitmap + img->unit + ALIGN) / 512 >= UNUSED;
    pthread_mutex_unlock(&img->lock);
    if (full)
        return -ENOSPC;
    if (crowded)
        rc = vhd_flush(img);
    for (unsigned i = 0; rc == 0 && i < LOADS_MOST && block <= last; i++, block++) {
        pthread_mutex_lock(&img->lock);
        place = place_of(v, block);
        there = place < 2 || slices_find(&v->bitmaps, place);
        pthread_mutex_unlock(&img->lock);
        if (!there)
            rc = load_bitmap(v, place);
    }
    return rc;
}

static int vhd_unpack(struct image *img, uint64_t host, const uint8_t **unit)
{
    return -EIO; /* nothing is compressed */
}

struct shot {
    struct slice **slices; /* pinned */
    uint8_t *bytes, *bat, *bat_dirty;
    unsigned count;
    uint32_t bat_sectors;
    uint64_t end;
};

/* Under the lock. */
static int take_shot(struct vhd *v, struct shot *shot)
{
    unsigned n = v->bitmaps.dirty;

    *shot = (struct shot){ .bat_sectors = (v->bat_entries + 127) / 128, .end = v->end };
    shot->slices = malloc((n + 1) * sizeof(*shot->slices));
    shot->bytes = malloc((size_t)n * v->bitmap + 1);
    if (v->any_bat_dirty) {
        shot->bat = malloc(shot->bat_sectors * 512ull);
        shot->bat_dirty = malloc(shot->bat_sectors);
    }
    if (!shot->slices || !shot->bytes || (v->any_bat_dirty && (!shot->bat || !shot->bat_dirty)))
        return -ENOMEM;
    for (unsigned i = 0; i < v->bitmaps.count && shot->count < n; i++) {
        struct slice *s = v->bitmaps.at[i];

        if (!s->dirty)
            continue;
        memcpy(shot->bytes + (size_t)shot->count * v->bitmap, s->bytes, v->bitmap);
        s->pins++;
        shot->slices[shot->count++] = s;
        slice_set_dirty(&v->bitmaps, s, false);
    }
    if (v->any_bat_dirty) {
        for (uint32_t i = 0; i < shot->bat_sectors * 128; i++)
            put_be32(shot->bat + i * 4ull, i < v->bat_entries ? v->bat[i] : UNUSED);
        memcpy(shot->bat_dirty, v->bat_dirty, shot->bat_sectors);
        memset(v->bat_dirty, 0, shot->bat_sectors);
        v->any_bat_dirty = false;
    }
    return 0;
}

static int write_shot(struct vhd *v, const struct shot *shot)
{
    int rc = shot->count ? image_sync(&v->img) : 0; /* data, before what says that it is there */

    for (unsigned i = 0; rc == 0 && i < shot->count; i++)
        rc = image_write(&v->img, shot->bytes + (size_t)i * v->bitmap, v->bitmap,
                         shot->slices[i]->host);
    if (rc == 0 && shot->bat) {
        rc = image_write(&v->img, v->footer, FOOTER_BYTES, shot->end);
        if (rc == 0)
            rc = image_sync(&v->img);
        for (uint32_t i = 0; rc == 0 && i < shot->bat_sectors; i++)
            if (shot->bat_dirty[i])
                rc = image_write(&v->img, shot->bat + i * 512ull,
                                 MIN(512, v->bat_entries * 4ull - i * 512ull),
                                 v->bat_offset + i * 512ull);
    }
    return rc == 0 ? image_sync(&v->img) : rc;
}

static void shot_end(struct vhd *v, struct shot *shot, int rc)
{
    pthread_mutex_lock(&v->img.lock);
    for (unsigned i = 0; i < shot->count; i++) {
        shot->slices[i]->pins--;
        if (rc < 0)
            slice_set_dirty(&v->bitmaps, shot->slices[i], true);
    }
    for (uint32_t i = 0; rc < 0 && shot->bat_dirty && i < shot->bat_sectors; i++)
        if (shot->bat_dirty[i])
            v->bat_dirty[i] = v->any_bat_dirty = true;
    v->flushing = false;
    pthread_mutex_unlock(&v->img.lock);
    free(shot->slices);
    free(shot->bytes);
    free(shot->bat);
    free(shot->bat_dirty);
}

static int vhd_flush(struct image *img)
{
    struct vhd *v = vhd_of(img);
    struct shot shot;
    int rc;

    if (atomic_load(&img->broken))
        return -EIO;
    pthread_mutex_lock(&img->lock);
    v->flushing = true;
    rc = take_shot(v, &shot);
    pthread_mutex_unlock(&img->lock);
    if (rc == 0)
        rc = write_shot(v, &shot);
    shot_end(v, &shot, rc);
    return rc;
}

static void vhd_mark(struct image *img)
{
    /* the format has no way to say so */
}

static void vhd_close(struct image *img)
{
    struct vhd *v = vhd_of(img);

    slices_close(&v->bitmaps);
    free(v->bat);
    free(v->bat_dirty);
    free(v);
}

static const struct image_ops ops = {
    .find = vhd_find, .take = vhd_take, .link = vhd_link, .give_back = vhd_give_back,
    .clear = vhd_clear, .dirty = vhd_dirty, .load = vhd_load, .unpack = vhd_unpack,
    .flush = vhd_flush, .mark = vhd_mark, .close = vhd_close,
};

static const struct disk_ops disk_ops = { .name = "vpc", .submit = image_submit,
                                          .close = image_close };

static int read_bat(struct vhd *v, struct error *err)
{
    int rc;

    if (v->type == VHD_FIXED)
        return 0;
    v->bat = calloc(v->bat_entries, sizeof(*v->bat));
    v->bat_dirty = calloc(1, v->bat_entries / 128 + 1);
    if (!v->bat || !v->bat_dirty || slices_open(&v->bitmaps, CACHE_BYTES, v->bitmap) < 0)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", v->img.disk.path);
    rc = image_read(&v->img, v->bat, v->bat_entries * 4ull, v->bat_offset);
    if (rc < 0)
        return error_set(err, rc, "read disk image %s: %s", v->img.disk.path, strerror(-rc));
    v->end = ROUND_UP(v->end, 512);
    for (uint32_t i = 0; i < v->bat_entries; i++)
        v->bat[i] = get_be32(&v->bat[i]);
    return 0;
}

int vhd_open(struct disk **out, const struct disk_config *config, struct error *err)
{
    struct vhd *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", config->path);
    rc = disk_init(&v->img.disk, &disk_ops, config, err);
    if (rc < 0) {
        free(v);
        return rc;
    }
    rc = image_open_file(&v->img, &ops, config, err);
    if (rc == 0)
        rc = vhd_read_headers(v, config, err);
    if (rc == 0)
        rc = read_bat(v, err);
    if (rc == 0)
        rc = vhd_open_parent(v, config, err);
    if (rc == 0)
        rc = image_opened(&v->img, err);
    if (rc < 0) {
        disk_close(&v->img.disk);
        return rc;
    }
    *out = &v->img.disk;
    return 0;
}
