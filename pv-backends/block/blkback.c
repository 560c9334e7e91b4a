/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A block device's control side: the image, the features, the rings that the frontend made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/disk.h"
#include "dm/block/drive.h"
#include "dm/xen/grant.h"
#include "pv-backends/block/blkback.h"
#include "pv-backends/block/queue.h"
#include "pv-backends/host.h"

#define ORDER_MOST 4u
#define RING_PAGES_MOST (1u << ORDER_MOST)
#define QUEUES_MOST 16u
#define QUEUES_LEAST 4 /* offered: rings of guests with more vCPUs than the host has for us */

struct ring {
    struct blkback *owner;
    struct blk_queue *queue;
    void *pages;
    struct drive_errors failed;
};

struct blkback {
    struct disk *disk;
    char *params;  /* as they stood when it was opened */
    char name[32]; /* "xvda" */
    uint64_t told; /* sectors, to the frontend */
    enum error_policy errors[2];
    bool readonly, cdrom, discard;
    unsigned unit;
    struct disk *kept;     /* of a sealed process, between two frontends */
    struct grants *grants; /* of the rings; mapped and unmapped on the machine loop, whose they are */
    struct ring rings[QUEUES_MOST];
    unsigned queues, pages; /* pages: of each ring */
    unsigned left;          /* queues that have not stopped yet */
};

/* ---- The image ---- */

/* "aio:/images/a.img" as libxl writes it; *format as disk_open() has it. The text is cut in place. */
static int split_params(struct pv_device *dev, char *params, const char **format,
                        const char **path, struct error *err)
{
    static const struct {
        const char *prefix, *format;
    } names[] = { { "aio", "raw" }, { "raw", "raw" }, { "qcow2", "qcow2" }, { "vhd", "vhd" } };
    char *colon = strchr(params, ':');

    *format = "raw";
    *path = params;
    if (!colon || *params == '/')
        return 0;
    *colon = 0;
    *path = colon + 1;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(params, names[i].prefix)) {
            *format = names[i].format;
            return 0;
        }
    return error_set(err, -ENOTSUP,
                     "%s: images of format %s are not supported; convert it with \"qemu-img convert "
                     "-O qcow2\" and say format=qcow2", pv_name(dev), params);
}

static bool flag(struct pv_device *dev, const char *key, bool otherwise)
{
    char *text = pv_back_read(dev, key);
    bool on = text ? !strcmp(text, "1") : otherwise;

    free(text);
    return on;
}

/* What was open before, and cannot be opened again. */
static struct disk *take_kept(struct blkback *b, const struct disk_config *c)
{
    struct disk *disk = b->kept;

    b->kept = NULL;
    if (disk && !strcmp(disk_path(disk), c->path) && (c->readonly || !disk_readonly(disk)))
        return disk;
    disk_close(disk);
    return NULL;
}

static int open_new(struct pv_device *dev, struct blkback *b, const struct disk_config *c,
                    struct error *err)
{
    if (!pv_bus_host(pv_bus_of(dev))->sealed)
        return disk_open(&b->disk, c, err);
    if (b->cdrom) /* whose emulated drive has the new medium */
        return -EAGAIN;
    return error_set(err, -EPERM,
                     "%s: the device model opens no images any more (dm_restrict=1); name the disk in "
                     "the guest's configuration, and start the guest again",
                     pv_name(dev));
}

static int open_image(struct pv_device *dev, struct blkback *b, struct error *err)
{
    char *params = pv_back_read(dev, "params"), *mode = pv_back_read(dev, "mode");
    struct pv_host *host = pv_bus_host(pv_bus_of(dev));
    struct disk_config c = { .readonly = !mode || *mode != 'w', .l2_cache = host->l2_cache,
                             .direct = pv_back_flag(dev, "direct-io-safe") };
    char *whole = params ? strdup(params) : NULL;
    int rc = params ? split_params(dev, params, &c.format, &c.path, err)
                    : error_set(err, -ENOENT, "%s: there is no node params", pv_name(dev));

    c.discard = flag(dev, "discard-enable", !c.readonly);
    b->readonly = c.readonly;
    b->discard = c.discard && !c.readonly;
    if (rc == 0 && !*c.path)
        rc = error_set(err, -EAGAIN, "%s: the drive is empty", pv_name(dev));
    if (rc == 0 && host->find_disk)
        b->disk = host->find_disk(host->arg, c.path);
    if (rc == 0 && b->disk && disk_readonly(b->disk) && !c.readonly) {
        disk_close(b->disk); /* the emulated drive may only read what this one is to write */
        b->disk = NULL;
    }
    if (rc == 0 && !b->disk)
        b->disk = take_kept(b, &c);
    if (rc == 0 && b->disk)
        disk_look(b->disk); /* it may have grown since the machine opened it */
    if (rc == 0 && !b->disk)
        rc = open_new(dev, b, &c, err);
    b->errors[0] = b->errors[1] = ERRORS_REPORT;
    if (rc == 0 && host->find_policy)
        host->find_policy(host->arg, c.path, b->errors);
    free(b->params);
    b->params = whole;
    free(params);
    free(mode);
    return rc;
}

static unsigned info_bits(struct pv_device *dev, const struct blkback *b)
{
    return (b->cdrom ? 1u : 0) | (pv_back_flag(dev, "removable") ? 2u : 0) | (b->readonly ? 4u : 0);
}

static void find_name(struct pv_device *dev, struct blkback *b)
{
    char *type = pv_back_read(dev, "device-type"), *name = pv_back_read(dev, "dev");

    b->cdrom = type && !strcmp(type, "cdrom");
    if (name && *name)
        snprintf(b->name, sizeof(b->name), "%s", name);
    else
        snprintf(b->name, sizeof(b->name), "vbd-%u", pv_devid(dev));
    free(type);
    free(name);
}

static int write_features(struct pv_device *dev, struct blkback *b, struct error *err)
{
    unsigned bits = info_bits(dev, b);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    const struct {
        const char *key;
        uint64_t value;
    } nodes[] = {
        { "feature-flush-cache", !b->readonly },
        { "feature-barrier", !b->readonly },
        { "feature-persistent", 1 },
        { "feature-max-indirect-segments", BLK_SEGMENTS_MOST },
        { "max-ring-page-order", ORDER_MOST },
        { "multi-queue-max-queues", MIN((uint64_t)MAX(cpus, QUEUES_LEAST), QUEUES_MOST) },
        { "sector-size", b->unit },
        { "physical-sector-size", b->unit },
        { "sectors", b->told },
        { "info", bits },
        { "feature-discard", b->discard && disk_takes_discard(b->disk) },
        { "discard-granularity", 4096 },
        { "discard-alignment", 0 },
        { "discard-secure", 0 },
    };
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < ARRAY_SIZE(nodes); i++)
        rc = pv_back_write(dev, nodes[i].key, err, "%llu", (unsigned long long)nodes[i].value);
    if (rc == 0)
        rc = pv_back_write(dev, "hotplug-status", err, "connected");
    return rc;
}

static void close_host(struct pv_device *dev, struct blkback *b)
{
    if (b->disk && pv_bus_host(pv_bus_of(dev))->sealed)
        b->kept = b->disk;
    else
        disk_close(b->disk);
    free(b->params);
    b->disk = NULL;
    b->grants = NULL;
    b->params = NULL;
}

static int probe(struct pv_device *dev, struct error *err)
{
    struct blkback *b = pv_state(dev);
    struct pv_io *home;
    int rc;

    find_name(dev, b);
    rc = open_image(dev, b, err);
    if (rc == 0) {
        b->unit = disk_sector_size(b->disk);
        b->told = disk_bytes(b->disk) / BLK_SECTOR;
        rc = pv_io_home(pv_bus_host(pv_bus_of(dev))->pool, pv_bus_loop(pv_bus_of(dev)), &home, err);
    }
    if (rc == 0) {
        b->grants = home->grants;
        rc = write_features(dev, b, err);
    }
    if (rc < 0)
        close_host(dev, b);
    return rc;
}

/* ---- Rings ---- */

static int find_layout(struct pv_device *dev, enum blk_layout *layout, struct error *err)
{
    char *protocol = pv_front_read(dev, "protocol");
    int rc = 0;

    if (!protocol || !strcmp(protocol, "x86_32-abi"))
        *layout = BLK_X86_32; /* who says nothing is from before there was another */
    else if (!strcmp(protocol, "x86_64-abi"))
        *layout = BLK_X86_64;
    else
        rc = error_set(err, -EINVAL, "%s: the frontend's protocol %.32s is unknown", pv_name(dev),
                       protocol);
    free(protocol);
    return rc;
}

/* A number of the frontend's that may be missing. */
static int optional(struct pv_device *dev, const char *key, uint64_t most, uint64_t otherwise,
                    uint64_t *value, struct error *err)
{
    int rc = pv_front_number(dev, key, most, value, err);

    if (rc != -ENOENT)
        return rc;
    *value = otherwise;
    return 0;
}

static int ring_refs(struct pv_device *dev, const char *dir, bool several, unsigned pages,
                     uint32_t refs[RING_PAGES_MOST], struct error *err)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < pages; i++) {
        uint64_t ref;
        char key[48];

        if (several)
            snprintf(key, sizeof(key), "%sring-ref%u", dir, i);
        else
            snprintf(key, sizeof(key), "%sring-ref", dir);
        rc = pv_front_number(dev, key, UINT32_MAX, &ref, err);
        refs[i] = (uint32_t)ref;
    }
    return rc;
}

static void on_broken(void *arg, const char *why)
{
    struct ring *r = arg;

    pv_failed_later(pv_of(r->owner), why);
}

static void tell_failed(void *arg)
{
    struct ring *r = arg;
    struct pv_host *host = pv_bus_host(pv_bus_of(pv_of(r->owner)));
    struct drive_error e;

    for (unsigned at = 0; drive_errors_take(&r->failed, &at, &e);)
        if (host->disk_failed)
            host->disk_failed(host->arg, r->owner->name, &e);
}

static void on_failed(void *arg, bool write, enum error_policy action, int rc)
{
    struct ring *r = arg;

    if (drive_errors_note(&r->failed, write, action, rc))
        loop_post(pv_bus_loop(pv_bus_of(pv_of(r->owner))), tell_failed, r);
}

static int open_ring(struct pv_device *dev, struct blkback *b, unsigned index, bool several,
                     struct blk_queue_config *c, struct error *err)
{
    struct ring *r = &b->rings[index];
    uint32_t refs[RING_PAGES_MOST];
    uint64_t port;
    char dir[24] = "", key[48];
    int rc;

    if (b->queues > 1)
        snprintf(dir, sizeof(dir), "queue-%u/", index);
    rc = ring_refs(dev, dir, several, b->pages, refs, err);
    snprintf(key, sizeof(key), "%sevent-channel", dir);
    if (rc == 0)
        rc = pv_front_number(dev, key, UINT32_MAX, &port, err);
    if (rc == 0)
        rc = pv_io_get(pv_bus_host(pv_bus_of(dev))->pool, index, &c->io, err);
    if (rc < 0)
        return rc;
    r->owner = b;
    r->pages = grants_map(b->grants, refs, b->pages, true, err);
    if (!r->pages)
        return -EFAULT;
    c->ring = r->pages;
    c->port = (uint32_t)port;
    c->arg = r;
    return blk_queue_open(&r->queue, c, err);
}

static void close_rings(struct blkback *b)
{
    for (unsigned i = 0; i < QUEUES_MOST; i++) {
        struct ring *r = &b->rings[i];

        blk_queue_close(r->queue);
        if (r->pages)
            grants_unmap(b->grants, r->pages, b->pages);
        r->queue = NULL;
        r->pages = NULL;
    }
    b->queues = 0;
}

/* Those that were opened have begun on their loops already: they are stopped as ever. */
static int connect(struct pv_device *dev, struct error *err)
{
    struct blkback *b = pv_state(dev);
    struct blk_queue_config c = { .disk = b->disk, .readonly = b->readonly, .unit = b->unit,
                                  .discard = b->discard, .name = pv_name(dev), .broken = on_broken, .failed = on_failed,
                                  .errors = { b->errors[0], b->errors[1] } };
    uint64_t queues, order, persistent;
    bool several;
    int rc = find_layout(dev, &c.layout, err);

    if (rc == 0)
        rc = optional(dev, "multi-queue-num-queues", QUEUES_MOST, 1, &queues, err);
    if (rc == 0)
        rc = optional(dev, "ring-page-order", ORDER_MOST, UINT64_MAX, &order, err);
    if (rc == 0)
        rc = optional(dev, "feature-persistent", 1, 0, &persistent, err);
    if (rc < 0)
        return rc;
    several = order != UINT64_MAX;
    b->queues = (unsigned)MAX(queues, 1);
    b->pages = several ? 1u << order : 1;
    c.ring_bytes = b->pages * PAGE_BYTES;
    c.persistent = persistent;
    for (unsigned i = 0; rc == 0 && i < b->queues; i++)
        rc = open_ring(dev, b, i, several, &c, err);
    return rc;
}

static void queue_gone(void *arg)
{
    struct blkback *b = arg;

    if (--b->left)
        return;
    close_rings(b);
    pv_disconnected(pv_of(b));
}

static void queue_stopped(void *arg) /* on its loop */
{
    struct blkback *b = arg;

    loop_post(pv_bus_loop(pv_bus_of(pv_of(b))), queue_gone, b);
}

static void disconnect(struct pv_device *dev)
{
    struct blkback *b = pv_state(dev);

    b->left = 1; /* so that none of them is the last before all were asked */
    for (unsigned i = 0; i < QUEUES_MOST; i++)
        if (b->rings[i].queue) {
            b->left++;
            blk_queue_stop(b->rings[i].queue, queue_stopped, b);
        }
    loop_post(pv_bus_loop(pv_bus_of(dev)), queue_gone, b);
}

static void close_device(struct pv_device *dev)
{
    struct blkback *b = pv_state(dev);

    close_rings(b);
    close_host(dev, b);
}

static void remove_device(struct pv_device *dev)
{
    struct blkback *b = pv_state(dev);

    disk_close(b->kept);
}

/* ---- What changes meanwhile ---- */

void blkback_look(struct pv_device *dev)
{
    struct blkback *b = pv_state(dev);
    uint64_t sectors;
    struct error err;

    if (pv_class_of(dev) != &blkback_class || !b->disk)
        return;
    disk_look(b->disk);
    sectors = disk_bytes(b->disk) / BLK_SECTOR;
    if (sectors == b->told)
        return;
    if (pv_back_write(dev, "sectors", &err, "%llu", (unsigned long long)sectors) < 0) {
        log_warn("%s: %s", pv_name(dev), err.text);
        return;
    }
    b->told = sectors;
    if (pv_phase(dev) == PV_LINKED) /* Linux's blkfront then reads it again */
        pv_back_write(dev, "state", NULL, "%d", XENBUS_CONNECTED);
}

/*
 * The toolstack has changed the medium of a CD drive: it is opened when no frontend holds the old
 * one. One that is connected keeps what it has, as with QEMU: blkif has no word for such a change.
 */
static void changed(struct pv_device *dev)
{
    struct blkback *b = pv_state(dev);
    char *params = pv_back_read(dev, "params");
    bool other = params && b->params && strcmp(params, b->params);

    free(params);
    if (!other)
        blkback_look(dev);
    else if (pv_phase(dev) == PV_READY)
        pv_reopen(dev);
}

void blkback_resume(struct pv_device *dev)
{
    struct blkback *b = pv_state(dev);

    for (unsigned i = 0; pv_class_of(dev) == &blkback_class && pv_phase(dev) == PV_LINKED &&
                         i < b->queues; i++)
        blk_queue_resume(b->rings[i].queue);
}

bool blkback_info(struct pv_device *dev, struct blk_info *info)
{
    const struct blkback *b = pv_state(dev);

    if (pv_class_of(dev) != &blkback_class)
        return false;
    *info = (struct blk_info){ .name = b->name, .disk = b->disk, .readonly = b->readonly,
                               .cdrom = b->cdrom };
    if (pv_phase(dev) == PV_LINKED)
        info->queues = b->queues;
    return true;
}

struct blk_stats blkback_stats(struct pv_device *dev, unsigned queue)
{
    const struct blkback *b = pv_state(dev);

    return blk_queue_stats(b->rings[queue].queue);
}

const struct pv_class blkback_class = {
    .kind = "qdisk", .front = "vbd", .size = sizeof(struct blkback), .probe = probe,
    .connect = connect, .disconnect = disconnect, .close = close_device,
    .remove = remove_device, .changed = changed,
};
