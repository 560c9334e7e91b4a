/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw images: a file or block device whose byte n is the disk's byte n.
 *
 * A file that is no whole number of sectors is served as if zeroes followed; a write there makes it
 * longer. Direct I/O goes through buffers of our own, because the kernel cannot pin the guest's
 * pages that requests point at; what is not aligned for it goes through the page cache instead,
 * which the kernel keeps coherent. Images are never locked: a PV backend opens the same one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/block/format.h"
#include "dm/block/iov.h"
#include "dm/block/queue.h"

#define UNIT 512u
#define IOV_A_CALL 1024u /* IOV_MAX */

#define AT_ONCE_MOST (1u << 20) /* copying more would keep the loop from others for too long */

struct raw {
    struct disk disk;
    int fd;
    int direct_fd;  /* -1: through the page cache */
    unsigned align; /* of direct I/O */
    bool block;
    bool in_memory; /* tmpfs: a read or write waits for nothing */
    bool no_flush, writethrough;
    atomic_bool no_fast_zero; /* the host has no ZERO_RANGE here */
};

static struct raw *raw_of(struct disk *disk)
{
    return container_of(disk, struct raw, disk);
}

/* ---- Open and close ---- */

static void raw_close(struct disk *disk)
{
    struct raw *r = raw_of(disk);

    if (r->direct_fd >= 0)
        close(r->direct_fd);
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

static void raw_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req);

/* Requests are judged by the new size once it is there, so it grows first. */
static int raw_resize(struct disk *disk, uint64_t bytes, const struct disk_later *later,
                      struct error *err)
{
    struct raw *r = raw_of(disk);
    uint64_t now;
    struct stat st;

    if (!r->block && bytes > disk->bytes && ftruncate(r->fd, (off_t)bytes) < 0)
        return error_errno(err, "make disk image %s %llu bytes large", disk->path,
                           (unsigned long long)bytes);
    if (fstat(r->fd, &st) < 0 || (r->block && ioctl(r->fd, BLKGETSIZE64, &now) < 0))
        return error_errno(err, "ask disk image %s for its size", disk->path);
    if (!r->block)
        now = ROUND_UP((uint64_t)st.st_size, UNIT);
    if (now < bytes)
        return error_set(err, -EINVAL, "block device %s has %llu bytes, not %llu: make it larger first",
                         disk->path, (unsigned long long)now, (unsigned long long)bytes);
    if (now > disk->bytes)
        disk->bytes = now;
    return 0;
}

static const struct disk_ops raw_ops = { .name = "raw", .submit = raw_submit, .close = raw_close,
                                         .resize = raw_resize };

/* A descriptor handed to us: 0 or more, -1 if `path` is a path. */
static int given_fd(const char *path)
{
    char *end;
    long fd;

    if (strncmp(path, "fd:", 3))
        return -1;
    fd = strtol(path + 3, &end, 10);
    return *end || end == path + 3 || fd < 0 || fd > 1 << 20 ? -1 : (int)fd;
}

static int open_image(struct raw *r, const struct disk_config *config, struct error *err)
{
    int fd = given_fd(config->path), mode;

    if (fd < 0) {
        r->fd = open(config->path, (config->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY);
        if (r->fd < 0 && errno == EISDIR)
            return error_set(err, -EISDIR, "disk image %s is a directory", config->path);
        if (r->fd < 0)
            return error_errno(err, "open disk image %s for %s", config->path,
                               config->readonly ? "reading" : "reading and writing");
        return 0;
    }
    mode = fcntl(fd, F_GETFL);
    if (mode < 0)
        return error_errno(err, "disk image %s", config->path);
    r->fd = fd;
    if ((mode & O_ACCMODE) == O_WRONLY || (!config->readonly && (mode & O_ACCMODE) != O_RDWR))
        return error_set(err, -EACCES, "disk image %s: the descriptor is not open for %s",
                         config->path, config->readonly ? "reading" : "reading and writing");
    return 0;
}

static bool lies_in_memory(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int find_size(struct raw *r, const struct disk_config *config, struct error *err)
{
    struct stat st;
    uint64_t bytes;
    int sector = UNIT, protected = 0;

    if (fstat(r->fd, &st) < 0)
        return error_errno(err, "disk image %s", config->path);
    if (S_ISDIR(st.st_mode))
        return error_set(err, -EISDIR, "disk image %s is a directory", config->path);
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(r->fd, BLKGETSIZE64, &bytes) < 0 || ioctl(r->fd, BLKSSZGET, &sector) < 0)
            return error_errno(err, "ask block device %s for its size", config->path);
        /* Linux opens a read-only device for writing, and fails the writes */
        if (!config->readonly && ioctl(r->fd, BLKROGET, &protected) == 0 && protected)
            return error_set(err, -EROFS,
                             "disk image %s is a read-only block device, and the guest is to write it",
                             config->path);
        r->block = true;
        r->disk.sector_size = sector == 4096 ? 4096 : UNIT;
        r->align = (unsigned)sector;
    } else if (S_ISREG(st.st_mode)) {
        bytes = (uint64_t)st.st_size;
        r->align = 4096;
        r->in_memory = lies_in_memory(r->fd);
    } else {
        return error_set(err, -EINVAL, "disk image %s is neither a file nor a block device",
                         config->path);
    }
    if (!bytes)
        return error_set(err, -EINVAL, "disk image %s is empty (0 bytes)", config->path);
    r->disk.bytes = ROUND_UP(bytes, UNIT);
    return 0;
}

static int open_direct(struct raw *r, const struct disk_config *config, struct error *err)
{
    char self[64];

    snprintf(self, sizeof(self), "/proc/self/fd/%d", r->fd); /* the same file, whatever its name */
    r->direct_fd = open(self, (config->readonly ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
    if (r->direct_fd < 0 && errno == EINVAL)
        return error_set(err, -EINVAL,
                         "disk image %s: its file system has no direct I/O; use cache=writeback",
                         config->path);
    if (r->direct_fd < 0)
        return error_errno(err, "open disk image %s for direct I/O", config->path);
    return 0;
}

int raw_open(struct disk **out, const struct disk_config *config, struct error *err)
{
    struct raw *r = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", config->path);
    r->fd = r->direct_fd = -1;
    r->no_flush = config->no_flush;
    r->writethrough = config->writethrough;
    rc = disk_init(&r->disk, &raw_ops, config, err);
    if (rc == 0)
        rc = open_image(r, config, err);
    if (rc == 0)
        rc = find_size(r, config, err);
    if (rc == 0 && config->direct)
        rc = open_direct(r, config, err);
    if (rc < 0) {
        disk_close(&r->disk);
        return rc;
    }
    atomic_store(&r->disk.takes_discard, !config->readonly);
    *out = &r->disk;
    return 0;
}

int raw_fd(struct disk *disk)
{
    return raw_of(disk)->fd;
}

/* ---- Requests ---- */

static void finish(struct io *io, int rc)
{
    struct disk_request *req = io->req;
    struct disk_queue *queue = req->priv.queue;

    if (io->bounce)
        bounce_put(queue, io->bounce);
    disk_io_put(queue, io);
    disk_done(req, rc);
}

/* Aims `io` at what the request has not moved yet, or as much of it as one call takes. */
static void aim_cached(struct io *io)
{
    const struct disk_request *req = io->req;
    uint64_t moved = req->priv.moved;
    size_t within;
    unsigned i;

    io->length = 0;
    if (!moved && req->iov_count <= IOV_A_CALL) {
        io->iov = req->iov;
        io->iov_count = req->iov_count;
        io->length = req->length;
        return;
    }
    io->iov = io->window;
    io->iov_count = 0;
    for (i = iov_seek(req, moved, &within); i < req->iov_count && io->iov_count < IO_WINDOW;
         i++, within = 0) {
        io->window[io->iov_count++] = (struct iovec){
            .iov_base = (uint8_t *)req->iov[i].iov_base + within,
            .iov_len = req->iov[i].iov_len - within,
        };
        io->length += req->iov[i].iov_len - within;
    }
}

/* Whether the kernel can move it past the page cache from or to where it lies. */
static bool is_aligned(const struct raw *r, const struct disk_request *req)
{
    bool right = req->own_memory && req->offset % r->align == 0;

    for (unsigned i = 0; right && i < req->iov_count; i++)
        right = (uintptr_t)req->iov[i].iov_base % r->align == 0 && req->iov[i].iov_len % r->align == 0;
    return right;
}

/* The same through the bounce buffer: as much as is aligned, or what is not, by the page cache. */
static void aim_direct(struct raw *r, struct io *io)
{
    const struct disk_request *req = io->req;
    uint64_t at = io->offset, left = req->length - req->priv.moved;

    if (at % r->align)
        io->length = MIN(left, r->align - at % r->align);
    else if (left >= r->align)
        io->length = MIN(ROUND_DOWN(left, r->align), BOUNCE_BYTES);
    else
        io->length = left;
    io->window[0] = (struct iovec){ .iov_base = io->bounce, .iov_len = io->length };
    io->iov = io->window;
    io->iov_count = 1;
    if (req->op == DISK_WRITE)
        iov_copy(req, req->priv.moved, io->bounce, io->length, true);
}

static void move_on(struct io *io)
{
    struct disk_request *req = io->req;
    struct raw *r = raw_of(req->priv.disk);

    io->offset = req->offset + req->priv.moved;
    io->at_once = r->in_memory && io->length <= AT_ONCE_MOST;
    if (io->bounce)
        aim_direct(r, io);
    else
        aim_cached(io);
    io->fd = r->direct_fd < 0 || io->offset % r->align || io->length % r->align ? r->fd : r->direct_fd;
    disk_io_start(req->priv.queue, io);
}

static bool try_again(int64_t result)
{
    return result == -EINTR || result == -EAGAIN;
}

static void moved(struct io *io, int64_t n)
{
    struct disk_request *req = io->req;
    bool read = req->op == DISK_READ;

    if (try_again(n)) {
        disk_io_start(req->priv.queue, io);
        return;
    }
    if (n < 0) {
        finish(io, (int)n);
        return;
    }
    if (n == 0) { /* the end of the file; for a write there is no such thing */
        if (read)
            iov_clear(req, req->priv.moved, req->length - req->priv.moved);
        finish(io, read ? 0 : -EIO);
        return;
    }
    if (read && io->bounce)
        iov_copy(req, req->priv.moved, io->bounce, (size_t)n, false);
    req->priv.moved += (uint64_t)n;
    if (req->priv.moved >= req->length)
        finish(io, 0);
    else
        move_on(io);
}

static void simple_done(struct io *io, int64_t result)
{
    if (try_again(result))
        disk_io_start(io->req->priv.queue, io);
    else
        finish(io, result < 0 ? (int)result : 0);
}

static void flush(struct io *io)
{
    struct raw *r = raw_of(io->req->priv.disk);

    io->op = r->no_flush ? IO_NOTHING : IO_SYNC;
    io->fd = r->fd;
    io->at_once = r->in_memory;
    io->done = simple_done;
    disk_io_start(io->req->priv.queue, io);
}

/* A zero or discard ended; with writethrough it must be on the platter too. */
static void changed(struct io *io, int rc)
{
    if (rc == 0 && raw_of(io->req->priv.disk)->writethrough)
        flush(io);
    else
        finish(io, rc);
}

static bool unsupported(int64_t result)
{
    return result == -EOPNOTSUPP || result == -ENOTTY || result == -ENOSYS || result == -EINVAL;
}

static void discarded(struct io *io, int64_t result)
{
    if (try_again(result)) {
        disk_io_start(io->req->priv.queue, io);
        return;
    }
    if (unsupported(result)) { /* only a hint: from now on we do not offer it */
        atomic_store(&io->req->priv.disk->takes_discard, false);
        result = 0;
    }
    changed(io, result < 0 ? (int)result : 0);
}

static void discard(struct raw *r, struct io *io)
{
    io->op = r->block ? IO_DISCARD : IO_FALLOCATE;
    io->flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    io->fd = r->fd;
    io->offset = io->req->offset;
    io->length = io->req->length;
    io->done = discarded;
    disk_io_start(io->req->priv.queue, io);
}

static void zero_written(struct io *io, int64_t n);

static void write_zeroes(struct io *io)
{
    struct disk_request *req = io->req;
    uint64_t left = req->length - req->priv.moved;

    io->op = IO_WRITE;
    io->flags = 0;
    io->done = zero_written;
    io->offset = req->offset + req->priv.moved;
    io->iov = io->window;
    io->length = MIN(left, (uint64_t)IO_WINDOW * IOV_ZEROES);
    io->iov_count = iov_zeroes(io->length, io->window);
    disk_io_start(req->priv.queue, io);
}

static void zero_written(struct io *io, int64_t n)
{
    struct disk_request *req = io->req;

    if (try_again(n)) {
        disk_io_start(req->priv.queue, io);
        return;
    }
    if (n <= 0) {
        changed(io, n < 0 ? (int)n : -EIO);
        return;
    }
    req->priv.moved += (uint64_t)n;
    if (req->priv.moved >= req->length)
        changed(io, 0);
    else
        write_zeroes(io);
}

static void zeroed(struct io *io, int64_t result)
{
    if (try_again(result)) {
        disk_io_start(io->req->priv.queue, io);
    } else if (unsupported(result)) {
        atomic_store(&raw_of(io->req->priv.disk)->no_fast_zero, true);
        write_zeroes(io);
    } else {
        changed(io, result < 0 ? (int)result : 0);
    }
}

static void zero(struct raw *r, struct io *io)
{
    io->fd = r->fd;
    io->offset = io->req->offset;
    io->length = io->req->length;
    if (atomic_load(&r->no_fast_zero)) {
        write_zeroes(io);
        return;
    }
    io->op = IO_FALLOCATE;
    io->flags = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    io->done = zeroed;
    disk_io_start(io->req->priv.queue, io);
}

static void transfer(struct raw *r, struct io *io)
{
    io->op = io->req->op == DISK_WRITE ? IO_WRITE : IO_READ;
    io->flags = io->req->op == DISK_WRITE && r->writethrough ? RWF_DSYNC : 0;
    io->done = moved;
    if (r->direct_fd >= 0 && !is_aligned(r, io->req)) {
        io->bounce = bounce_get(io->req->priv.queue);
        if (!io->bounce) {
            io->op = IO_NOTHING;
            io->done = simple_done;
            io->result = -ENOMEM;
            disk_io_start(io->req->priv.queue, io);
            return;
        }
    }
    move_on(io);
}

static void raw_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    struct raw *r = raw_of(disk);
    struct io *io = disk_io_get(queue);

    if (!io) {
        disk_queue_finish(queue, req, -ENOMEM);
        return;
    }
    io->req = req;
    switch (req->op) {
    case DISK_READ:
    case DISK_WRITE:
        transfer(r, io);
        break;
    case DISK_FLUSH:
        flush(io);
        break;
    case DISK_DISCARD:
        discard(r, io);
        break;
    case DISK_ZERO:
        zero(r, io);
        break;
    }
}
