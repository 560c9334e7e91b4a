/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks in general: which format, who may ask for what, and the counting. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/tape.h"
#include "dm/block/format.h"
#include "dm/block/queue.h"

#define UNIT 512u

static const struct {
    const char *name;
    int (*open)(struct disk **out, const struct disk_config *config, struct error *err);
} formats[] = {
    { "raw", raw_open },
    { "qcow2", qcow2_open },
    { "vhd", vhd_open },
    { "vpc", vhd_open }, /* as qemu-img calls it */
    { "null-co", null_open },
    { "blkdebug", blkdebug_open },
};

/* A disk of a server, by its path; all others are files. */
static bool is_nbd(const char *path)
{
    static const char *const words[] = { "nbd:", "nbds:", "nbd+unix:", "nbds+unix:" };

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        if (!strncmp(path, words[i], strlen(words[i])))
            return true;
    return false;
}

int disk_open(struct disk **out, const struct disk_config *config, struct error *err)
{
    const char *format = config->format && *config->format ? config->format : "raw";

    if (!config->path || !*config->path)
        return error_set(err, -EINVAL, "a disk needs the path of its image");
    if (is_nbd(config->path) && strcmp(format, "raw") && strcmp(format, "nbd"))
        return error_set(err, -ENOTSUP,
                         "disk image %s: what an NBD server exports is read as raw; let the server "
                         "read the %s image (qemu-nbd -f %s) and say format=raw",
                         config->path, format, format);
    if (is_nbd(config->path))
        return nbd_open(out, config, err);
    for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
        if (!strcmp(formats[i].name, format))
            return formats[i].open(out, config, err);
    return error_set(err, -ENOTSUP,
                     "disk image %s: format %s is not supported; xen-dm reads raw, qcow2 and vhd: convert it "
                     "with \"qemu-img convert -O qcow2\" and say format=qcow2",
                     config->path, format);
}

/* The path as people know it: of a descriptor handed to us, what it was opened from. */
static char *name_of(const char *path)
{
    char link[48], target[4096];
    ssize_t n;
    int fd;

    if (sscanf(path, "fd:%d", &fd) != 1)
        return strdup(path);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, target, sizeof(target) - 1);
    if (n < 0) /* in a chroot there is no /proc */
        return strdup(path);
    target[n] = 0;
    return strdup(target);
}

int disk_init(struct disk *disk, const struct disk_ops *ops, const struct disk_config *config,
              struct error *err)
{
    disk->ops = ops;
    disk->readonly = config->readonly;
    disk->offers_discard = config->discard && !config->readonly;
    disk->sector_size = UNIT;
    atomic_store(&disk->openers, 1);
    disk->path = name_of(config->path);
    if (!disk->path)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", config->path);
    return 0;
}

struct disk *disk_ref(struct disk *disk)
{
    atomic_fetch_add(&disk->openers, 1);
    return disk;
}

void disk_close(struct disk *disk)
{
    char *path;

    if (!disk || atomic_fetch_sub(&disk->openers, 1) > 1)
        return;
    path = disk->path;
    disk->ops->close(disk);
    free(path);
}

uint64_t disk_bytes(const struct disk *disk)
{
    return disk->bytes;
}

void disk_look(struct disk *disk)
{
    struct error err;

    if (disk->ops->resize) /* else it stays as it is, as it does where that fails */
        disk->ops->resize(disk, 0, NULL, &err);
}

int disk_resize(struct disk *disk, uint64_t bytes, const struct disk_later *later, struct error *err)
{
    if (bytes < disk->bytes)
        return error_set(err, -EINVAL,
                         "disk image %s has %llu bytes, and does not shrink to %llu while it is in use",
                         disk->path, (unsigned long long)disk->bytes, (unsigned long long)bytes);
    if (bytes % UNIT)
        return error_set(err, -EINVAL, "disk image %s: a size of %llu bytes is no multiple of %u",
                         disk->path, (unsigned long long)bytes, UNIT);
    if (!disk->ops->resize)
        return error_set(err, -ENOTSUP,
                         "disk image %s: format %s does not change its size in use; end the guest first",
                         disk->path, disk->ops->name);
    return disk->ops->resize(disk, bytes, later, err);
}

unsigned disk_sector_size(const struct disk *disk)
{
    return disk->sector_size;
}

bool disk_readonly(const struct disk *disk)
{
    return disk->readonly;
}

bool disk_can_discard(const struct disk *disk)
{
    return disk->offers_discard && disk_takes_discard(disk);
}

bool disk_takes_discard(const struct disk *disk)
{
    return atomic_load(&disk->takes_discard);
}

const char *disk_path(const struct disk *disk)
{
    return disk->path;
}

void disk_first_sector(const struct disk *disk, uint8_t sector[512])
{
    int fd;

    memset(sector, 0, UNIT);
    if (disk->first) {
        memcpy(sector, disk->first, UNIT);
        return;
    }
    fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return;
    if (pread(fd, sector, UNIT, 0) < 0)
        memset(sector, 0, UNIT);
    close(fd);
}

const char *disk_format(const struct disk *disk)
{
    return disk->ops->name;
}

uint64_t disk_changes(const struct disk *disk)
{
    return atomic_load(&disk->changes);
}

/* ---- Requests ---- */

static bool changes_data(const struct disk_request *req)
{
    return req->op == DISK_WRITE || req->op == DISK_DISCARD || req->op == DISK_ZERO;
}

static uint64_t iov_bytes(const struct disk_request *req)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < req->iov_count; i++)
        sum += req->iov[i].iov_len;
    return sum;
}

/* 0, or why this request cannot be. */
static int judge(const struct disk *disk, const struct disk_request *req)
{
    if (req->op == DISK_FLUSH)
        return 0;
    if (changes_data(req) && disk->readonly)
        return -EROFS;
    if (req->op == DISK_DISCARD && !disk_takes_discard(disk))
        return -EOPNOTSUPP;
    if (req->offset % UNIT || req->length % UNIT)
        return -EINVAL;
    if (req->offset > disk->bytes || req->length > disk->bytes - req->offset)
        return -EINVAL;
    if ((req->op == DISK_READ || req->op == DISK_WRITE) && iov_bytes(req) != req->length)
        return -EINVAL;
    return 0;
}

void disk_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    int rc = judge(disk, req);

    memset(&req->priv, 0, sizeof(req->priv));
    req->priv.disk = disk;
    req->priv.queue = queue;
    req->priv.started = req->came ? req->came : clock_now();
    req->priv.number = tape_here() ? tape_promise(tape_here()) : 0;
    if (changes_data(req))
        atomic_fetch_add(&disk->changes, 1);
    if (req->priv.number && tape_plays(tape_here()))
        played_wait(req);
    else if (rc < 0 || (!req->length && req->op != DISK_FLUSH))
        disk_queue_finish(queue, req, rc);
    else
        disk->ops->submit(disk, queue, req);
}

void disk_submit_below(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    memset(&req->priv, 0, sizeof(req->priv));
    req->priv.disk = disk;
    req->priv.queue = queue;
    req->priv.below = true;
    disk->ops->submit(disk, queue, req);
}

void disk_done(struct disk_request *req, int rc)
{
    struct disk *disk = req->priv.disk;
    struct tape *tape = req->priv.number ? tape_here() : NULL;
    unsigned way = req->op == DISK_WRITE;
    uint64_t ns;

    if (req->priv.below) {
        req->done(req, rc);
        return;
    }
    ns = disk_queue_now(req->priv.queue) - req->priv.started;
    switch (rc < 0 ? DISK_ZERO : req->op) {
    case DISK_READ:
    case DISK_WRITE:
        atomic_fetch_add_explicit(&disk->stats.bytes[way], req->length, memory_order_relaxed);
        histogram_add_shared(&disk->stats.times[way], ns); /* queues of a disk are on several loops */
        break;
    case DISK_FLUSH:
        histogram_add_shared(&disk->stats.times[2], ns);
        break;
    case DISK_DISCARD:
        atomic_fetch_add_explicit(&disk->stats.discards, 1, memory_order_relaxed);
        break;
    case DISK_ZERO:
        break;
    }
    if (rc < 0)
        atomic_fetch_add_explicit(&disk->stats.errors, 1, memory_order_relaxed);
    /* again at the end: what was read while the write was under way may be old or new */
    if (changes_data(req))
        atomic_fetch_add(&disk->changes, 1);
    if (tape)
        played_record(req, rc, tape);
    req->done(req, rc); /* which may be the end of it */
    if (tape) {
        tape_kept(tape);
        tape_end(tape);
    }
}

const struct histogram *disk_times(const struct disk *disk, enum disk_op op)
{
    return &disk->stats.times[op == DISK_FLUSH ? 2 : op == DISK_WRITE];
}

struct disk_stats disk_get_stats(const struct disk *disk)
{
    struct histogram reads = histogram_now(&disk->stats.times[0]);
    struct histogram writes = histogram_now(&disk->stats.times[1]);
    struct histogram flushes = histogram_now(&disk->stats.times[2]);

    return (struct disk_stats){
        .read_bytes = atomic_load(&disk->stats.bytes[0]),
        .write_bytes = atomic_load(&disk->stats.bytes[1]),
        .reads = reads.count,
        .writes = writes.count,
        .read_ns = reads.sum_ns,
        .write_ns = writes.sum_ns,
        .flushes = flushes.count,
        .flush_ns = flushes.sum_ns,
        .discards = atomic_load(&disk->stats.discards),
        .errors = atomic_load(&disk->stats.errors),
    };
}
