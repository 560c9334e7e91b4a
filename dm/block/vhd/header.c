/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Footer and header of a VHD, judged; and the file of its parent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "dm/base/error.h"
#include "dm/block/vhd/internal.h"

#define BAT_BYTES_MOST (64 * MIB)
#define BLOCK_MOST (256 * MIB)
#define LOCATORS 8u
#define NAME_MOST 2048u

/* offsets in the footer */
enum { VERSION = 12, DATA_OFFSET = 16, CREATOR = 28, CURRENT_SIZE = 48, CYLINDERS = 56, HEADS = 58,
       SECTORS = 59, DISK_TYPE = 60, CHECKSUM = 64, UNIQUE_ID = 68 };
/* offsets in the header */
enum { TABLE_OFFSET = 16, MAX_ENTRIES = 28, BLOCK_SIZE = 32, HEADER_CHECKSUM = 36, PARENT_ID = 40,
       PARENT_NAME = 64, PARENT_LOCATORS = 576 };

static int refuse(const struct vhd *v, struct error *err, const char *what)
{
    return error_set(err, -EINVAL,
                     "disk image %s is damaged or no VHD: %s; convert it anew with \"qemu-img convert "
                     "-O vpc\", and say format=raw if it is a raw image",
                     v->img.disk.path, what);
}

static bool sum_is_right(const uint8_t *p, size_t n, size_t at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += i >= at && i < at + 4 ? 0 : p[i];
    return get_be32(p + at) == (uint32_t)~sum;
}

static bool is_footer(const uint8_t *p)
{
    return !memcmp(p, "conectix", 8) && sum_is_right(p, FOOTER_BYTES, CHECKSUM);
}

/* The one at the end; of a dynamic disk there is a copy at the beginning. */
static int read_footer(struct vhd *v, uint64_t bytes, struct error *err)
{
    uint8_t last[FOOTER_BYTES];
    int rc = bytes < FOOTER_BYTES ? -EINVAL : image_read(&v->img, last, FOOTER_BYTES, bytes - FOOTER_BYTES);

    if (rc == 0)
        rc = image_read(&v->img, v->footer, FOOTER_BYTES, 0);
    if (rc < 0)
        return refuse(v, err, "its footer cannot be read");
    v->end = bytes;
    if (is_footer(last)) {
        v->end = bytes - FOOTER_BYTES;
        memcpy(v->footer, last, FOOTER_BYTES);
    } else if (!is_footer(v->footer)) {
        return refuse(v, err, "it has no footer, or one with a wrong checksum");
    }
    if (get_be32(v->footer + VERSION) >> 16 != 1)
        return refuse(v, err, "its version is not 1");
    v->type = get_be32(v->footer + DISK_TYPE);
    return 0;
}

/*
 * Who wrote the image says where its size is: for some it is the geometry, which is what their
 * guests were told; for others, and where the geometry is at its limit, the field.
 */
static uint64_t size_of(const uint8_t *footer)
{
    static const char *const by_field[] = { "win ", "qem2", "d2v ", "tap", "CTXS" };
    uint64_t cylinders = get_be16(footer + CYLINDERS), heads = footer[HEADS],
             sectors = footer[SECTORS], chs = cylinders * heads * sectors * 512;

    for (unsigned i = 0; i < ARRAY_SIZE(by_field); i++)
        if (!strncmp((const char *)footer + CREATOR, by_field[i], 4))
            return get_be64(footer + CURRENT_SIZE);
    return !chs || (cylinders == 65535 && heads == 16 && sectors == 255)
               ? get_be64(footer + CURRENT_SIZE)
               : chs;
}

static int read_header(struct vhd *v, uint64_t bytes, struct error *err)
{
    uint64_t at = get_be64(v->footer + DATA_OFFSET), block, blocks;
    uint8_t head[HEADER_BYTES];

    if (at < FOOTER_BYTES || at % 512 || at > bytes || bytes - at < HEADER_BYTES ||
        image_read(&v->img, head, sizeof(head), at) < 0)
        return refuse(v, err, "its dynamic header lies outside of the file");
    if (memcmp(head, "cxsparse", 8) || !sum_is_right(head, sizeof(head), HEADER_CHECKSUM))
        return refuse(v, err, "its dynamic header has a wrong checksum");
    block = get_be32(head + BLOCK_SIZE);
    if (block < 4096 || block > BLOCK_MOST || (block & (block - 1)))
        return refuse(v, err, "its blocks are not of 4 KiB to 256 MiB");
    v->img.unit = block;
    v->bitmap = (unsigned)ROUND_UP(block / 512 / 8, 512);
    v->bat_offset = get_be64(head + TABLE_OFFSET);
    v->bat_entries = get_be32(head + MAX_ENTRIES);
    blocks = DIV_ROUND_UP(v->img.disk.bytes, block);
    if (v->bat_entries < blocks || v->bat_entries * 4ull > BAT_BYTES_MOST)
        return refuse(v, err, "its table of blocks does not fit its size");
    if (v->bat_offset < FOOTER_BYTES || v->bat_offset % 512 || v->bat_offset > bytes ||
        v->bat_entries * 4ull > bytes - v->bat_offset ||
        (v->bat_offset < at + HEADER_BYTES && at < v->bat_offset + v->bat_entries * 4ull))
        return refuse(v, err, "its table of blocks lies outside of the file or on its header");
    memcpy(v->parent_uuid, head + PARENT_ID, sizeof(v->parent_uuid));
    return 0;
}

int vhd_read_headers(struct vhd *v, const struct disk_config *config, struct error *err)
{
    uint64_t bytes;
    int rc = image_size(&v->img, &bytes);

    if (rc < 0)
        return error_set(err, rc, "disk image %s: %s", config->path, strerror(-rc));
    rc = read_footer(v, bytes, err);
    if (rc < 0)
        return rc;
    if (v->type != VHD_FIXED && v->type != VHD_DYNAMIC && v->type != VHD_DIFFERENCING)
        return refuse(v, err, "it is neither fixed, dynamic nor differencing");
    v->img.disk.bytes = size_of(v->footer);
    if (!v->img.disk.bytes || v->img.disk.bytes % 512 || v->img.disk.bytes > 1ull << 50)
        return refuse(v, err, "its size is nothing, or more than there can be");
    v->img.unit = 2 * MIB;
    if (v->type != VHD_FIXED)
        return read_header(v, bytes, err);
    if (v->img.disk.bytes > v->end) {
        v->img.disk.bytes = get_be64(v->footer + CURRENT_SIZE);
        if (!v->img.disk.bytes || v->img.disk.bytes % 512 || v->img.disk.bytes > v->end)
            return refuse(v, err, "it is shorter than it says");
    }
    return 0;
}

/* ---- The parent of a differencing disk ---- */

/* UTF-16 to UTF-8, backslashes to slashes. */
static void take_name(char *to, size_t room, const uint8_t *from, size_t n, bool little)
{
    size_t out = 0;

    for (size_t i = 0; i + 1 < n && out + 4 < room; i += 2) {
        unsigned c = little ? get_le16(from + i) : get_be16(from + i);

        if (!c)
            break;
        if (c == '\\')
            c = '/';
        if (c < 0x80) {
            to[out++] = (char)c;
        } else if (c < 0x800) {
            to[out++] = (char)(0xc0 | c >> 6);
            to[out++] = (char)(0x80 | (c & 0x3f));
        } else { /* pairs of surrogates name no file that was met */
            to[out++] = (char)(0xe0 | c >> 12);
            to[out++] = (char)(0x80 | (c >> 6 & 0x3f));
            to[out++] = (char)(0x80 | (c & 0x3f));
        }
    }
    to[out] = 0;
}

static int try_parent(struct vhd *v, const char *name, const struct disk_config *config,
                      struct error *err)
{
    struct vhd *parent;
    int rc = image_open_below(&v->img, name, "vhd", config, err);

    if (rc < 0)
        return rc;
    parent = container_of(container_of(v->img.below, struct image, disk), struct vhd, img);
    if (memcmp(parent->footer + UNIQUE_ID, v->parent_uuid, sizeof(v->parent_uuid)))
        return error_set(err, -EINVAL,
                         "disk image %s: its parent %s is another one by now (the unique IDs differ); "
                         "give it the parent it was made of",
                         config->path, v->img.below->path);
    return 0;
}

/* A locator's path, as a name on this host; false: none of use. */
static bool read_locator(struct vhd *v, const uint8_t *p, char *name, size_t room)
{
    uint32_t n = get_be32(p + 8);
    uint64_t at = get_be64(p + 16);
    uint8_t bytes[NAME_MOST] = { 0 };

    if (!n || n > sizeof(bytes) || image_read(&v->img, bytes, n, at) < 0)
        return false;
    if (!memcmp(p, "W2ru", 4)) {
        take_name(name, room, bytes, n, true);
    } else if (!memcmp(p, "MacX", 4) && !strncmp((char *)bytes, "file://", 7)) {
        bytes[sizeof(bytes) - 1] = 0;
        snprintf(name, room, "%s", (char *)bytes + 7);
        if (!strncmp(name, "localhost/", 10))
            memmove(name, name + 9, strlen(name + 9) + 1);
    } else {
        return false;
    }
    return *name;
}

int vhd_open_parent(struct vhd *v, const struct disk_config *config, struct error *err)
{
    uint8_t head[HEADER_BYTES];
    char name[NAME_MOST], *last;
    int rc;

    if (v->type != VHD_DIFFERENCING)
        return 0;
    rc = image_read(&v->img, head, sizeof(head), get_be64(v->footer + DATA_OFFSET));
    if (rc < 0)
        return error_set(err, rc, "read disk image %s: %s", config->path, strerror(-rc));
    for (unsigned i = 0; i < LOCATORS; i++)
        if (read_locator(v, head + PARENT_LOCATORS + i * 24, name, sizeof(name))) {
            rc = try_parent(v, name, config, err);
            if (rc != -ENOENT)
                return rc;
        }
    /* the parent's own name, beside us */
    take_name(name, sizeof(name), head + PARENT_NAME, 512, false);
    last = strrchr(name, '/');
    if (!*name)
        return refuse(v, err, "it does not name its parent");
    return try_parent(v, last ? last + 1 : name, config, err);
}
