/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images with tables: opening and closing the files that they are made of. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/block/image.h"

#define FIRST_BYTES 512u

int image_open_file(struct image *img, const struct image_ops *ops,
                    const struct disk_config *config, struct error *err)
{
    struct disk_config file = { .path = config->path, .readonly = config->readonly,
                                .direct = config->direct, .no_flush = config->no_flush };
    struct stat st;
    int rc;

    img->ops = ops;
    img->jobs_tail = &img->jobs;
    img->waiting_tail = &img->waiting;
    pthread_mutex_init(&img->lock, NULL);
    pthread_cond_init(&img->work, NULL);
    img->writethrough = config->writethrough;
    img->no_flush = config->no_flush;
    rc = raw_open(&img->file, &file, err);
    if (rc < 0)
        return rc;
    img->fd = raw_fd(img->file);
    if (fstat(img->fd, &st) < 0)
        return error_errno(err, "disk image %s", config->path);
    img->block = S_ISBLK(st.st_mode);
    img->chain = (struct image_chain){ .dev = st.st_dev, .ino = st.st_ino, .above = config->above,
                                       .depth = config->above ? config->above->depth + 1 : 0 };
    for (const struct image_chain *c = config->above; c; c = c->above)
        if (c->dev == st.st_dev && c->ino == st.st_ino)
            return error_set(err, -ELOOP,
                             "disk image %s is its own backing file; mend the chain with "
                             "\"qemu-img rebase -u\"",
                             config->path);
    if (img->chain.depth >= IMAGE_DEPTH_MOST)
        return error_set(err, -ELOOP,
                         "disk image %s: more than %d backing files below one another; shorten the "
                         "chain with \"qemu-img commit\"",
                         config->path, IMAGE_DEPTH_MOST);
    return 0;
}

/* Relative to the folder of the image that names it. */
static char *path_below(const char *image, const char *name)
{
    const char *slash = strrchr(image, '/');
    size_t n = *name == '/' || !slash ? 0 : (size_t)(slash - image) + 1;
    char *path = malloc(n + strlen(name) + 1);

    if (path) {
        memcpy(path, image, n);
        strcpy(path + n, name);
    }
    return path;
}

/* A name with a protocol: a colon before any slash. */
static bool is_remote(const char *name)
{
    size_t n = strcspn(name, ":/");

    return name[n] == ':';
}

int image_open_below(struct image *img, const char *name, const char *format,
                     const struct disk_config *config, struct error *err)
{
    static const char *const known[] = { "raw", "qcow2", "vhd", "vpc" };
    struct disk_config below = { .readonly = true, .direct = config->direct, .format = format,
                                 .l2_cache = config->l2_cache, .above = &img->chain };
    unsigned i = 0;
    char *path;
    int rc;

    if (!strncmp(name, "file:", 5))
        name += 5;
    if (!*name || is_remote(name))
        return error_set(err, -ENOTSUP,
                         "disk image %s has the backing file \"%.200s\", which is no path of a file; "
                         "name one with \"qemu-img rebase -u -b PATH -F FORMAT\"",
                         config->path, name);
    while (i < ARRAY_SIZE(known) && strcmp(known[i], format))
        i++;
    if (i == ARRAY_SIZE(known))
        return error_set(err, -ENOTSUP,
                         "disk image %s: its backing file is of format \"%.40s\", not raw, qcow2 or "
                         "vpc; convert it with qemu-img",
                         config->path, format);
    path = path_below(img->disk.path, name);
    if (!path)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", config->path);
    below.path = path;
    rc = disk_open(&img->below, &below, err);
    free(path);
    return rc;
}

/* Before anybody else is there, so by plain calls. */
static int first_sector(struct image *img, uint8_t *to)
{
    const uint8_t *unit;
    struct extent e;
    int rc;

    memset(to, 0, FIRST_BYTES);
    for (unsigned tries = 0; tries < 4; tries++) {
        e = (struct extent){ .length = FIRST_BYTES };
        pthread_mutex_lock(&img->lock);
        img->ops->find(img, &e, false);
        pthread_mutex_unlock(&img->lock);
        switch (e.map) {
        case MAP_LOAD:
            rc = img->ops->load(img, 0, FIRST_BYTES, false);
            if (rc < 0)
                return rc;
            continue;
        case MAP_DATA:
            return image_read(img, to, FIRST_BYTES, e.host);
        case MAP_BELOW:
            if (img->below)
                disk_first_sector(img->below, to);
            return 0;
        case MAP_PACKED:
            rc = img->ops->unpack(img, e.host, &unit);
            if (rc == 0)
                memcpy(to, unit, FIRST_BYTES);
            return rc;
        default: /* zeroes; and of nonsense the guest will hear */
            return 0;
        }
    }
    return 0;
}

int image_opened(struct image *img, struct error *err)
{
    int rc;

    img->disk.first = calloc(1, FIRST_BYTES);
    if (!img->disk.first)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", img->disk.path);
    rc = first_sector(img, img->disk.first);
    if (rc < 0) /* a bad spot, of which the guest will hear; the rest may be whole */
        log_warn("disk image %s: its first sector cannot be read: %s", img->disk.path,
                 strerror(-rc));
    return 0;
}

void image_close(struct disk *disk)
{
    struct image *img = container_of(disk, struct image, disk);
    int rc = 0;

    if (img->ops) {
        image_scribe_end(img);
        if (!disk->readonly && disk->first && !atomic_load(&img->broken)) /* it was opened whole */
            rc = img->ops->flush(img);
        if (rc < 0)
            log_error("disk image %s: its tables were not written: %s", disk->path, strerror(-rc));
        pthread_cond_destroy(&img->work);
        pthread_mutex_destroy(&img->lock);
    }
    free(disk->first);
    disk_close(img->below);
    disk_close(img->file);
    img->ops->close(img);
}
