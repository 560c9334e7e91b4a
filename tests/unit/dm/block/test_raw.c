/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw images on real files, through io_uring and through threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/disk.h"
#include "dm/block/queue.h"
#include "tests/kit/check.h"

struct bench {
    struct loop *loop;
    struct disk_queue *queue;
    struct disk *disk;
    char path[40];
};

struct outcome {
    bool ended;
    int rc;
};

static void ended(struct disk_request *req, int rc)
{
    struct outcome *o = req->owner;

    CHECK(!o->ended); /* once */
    o->ended = true;
    o->rc = rc;
}

static void make_file(char path[40], const char *dir, uint64_t bytes)
{
    uint8_t block[512];
    int fd;

    sprintf(path, "%s/xen-dm-raw-XXXXXX", dir);
    fd = mkstemp(path);
    CHECK(fd >= 0);
    for (uint64_t at = 0; at < bytes && at < 1 << 20; at += 512) {
        memset(block, (int)(at / 512 + 1), sizeof(block));
        CHECK(pwrite(fd, block, MIN(512, bytes - at), (off_t)at) > 0);
    }
    CHECK(ftruncate(fd, (off_t)bytes) == 0);
    close(fd);
}

static void bench_open_path(struct bench *b, const char *path, struct disk_config config,
                            bool threads)
{
    struct error err = { "" };

    config.path = path;
    CHECK_EQ(loop_open(&b->loop, "block", &err), 0);
    if (threads)
        CHECK_EQ(disk_queue_open_threads(&b->queue, b->loop, &err), 0);
    else
        CHECK_EQ(disk_queue_open(&b->queue, b->loop, &err), 0);
    CHECK_EQ(disk_open(&b->disk, &config, &err), 0);
}

static void bench_open(struct bench *b, uint64_t bytes, struct disk_config config, bool threads)
{
    memset(b, 0, sizeof(*b));
    make_file(b->path, "/tmp", bytes);
    bench_open_path(b, b->path, config, threads);
}

static void bench_close(struct bench *b)
{
    disk_close(b->disk);
    disk_queue_close(b->queue);
    loop_close(b->loop);
    unlink(b->path);
}

static void settle(struct bench *b, const bool *done)
{
    for (int i = 0; i < 200000 && !*done; i++)
        if (!loop_step(b->loop))
            usleep(20);
    CHECK(*done);
}

static int perform(struct bench *b, enum disk_op op, uint64_t offset, uint64_t length,
                   const struct iovec *iov, unsigned count)
{
    struct outcome o = { .rc = 1 };
    struct disk_request req = { .op = op,
                                .offset = offset,
                                .length = length,
                                .iov = iov,
                                .iov_count = count,
                                .done = ended,
                                .owner = &o };

    disk_submit(b->disk, b->queue, &req);
    CHECK(!o.ended); /* never inside the submit */
    settle(b, &o.ended);
    return o.rc;
}

static int move(struct bench *b, enum disk_op op, uint64_t offset, void *data, uint64_t length)
{
    struct iovec iov = { data, length };

    return perform(b, op, offset, length, &iov, 1);
}

static void file_read(struct bench *b, uint64_t at, void *to, size_t n)
{
    int fd = open(b->path, O_RDONLY);

    CHECK(pread(fd, to, n, (off_t)at) == (ssize_t)n);
    close(fd);
}

static void expect_fill(const uint8_t *data, size_t n, uint8_t value)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] != value)
            CHECK_EQ(data[i], value);
}

/* Every way a queue and a file descriptor can be combined. */
static const struct way {
    bool threads, direct;
} ways[] = { { false, false }, { true, false }, { false, true }, { true, true } };
#define EACH_WAY                                                                                   \
    const struct way *w = ways;                                                                    \
    w < ways + ARRAY_SIZE(ways);                                                                   \
    w++

TEST(what_is_written_is_read_back_whatever_the_vectors)
{
    static const size_t cuts[] = { 1, 3, 508, 512, 1024, 4096, 2, 7, 4099, 276 };
    uint8_t *out = malloc(20 << 10), *in = malloc(20 << 10);

    for (EACH_WAY) {
        struct bench b;
        struct iovec iov[ARRAY_SIZE(cuts)];
        size_t total = 0;

        bench_open(&b, 1 << 20, (struct disk_config){ .direct = w->direct }, w->threads);
        for (unsigned i = 0; i < ARRAY_SIZE(cuts); i++) {
            iov[i] = (struct iovec){ out + total, cuts[i] };
            total += cuts[i];
        }
        iov[ARRAY_SIZE(cuts) - 1].iov_len += 512 - total % 512;
        total = ROUND_UP(total, 512);
        for (size_t i = 0; i < total; i++)
            out[i] = (uint8_t)(i * 17 + i / 256);
        for (uint64_t at = 0; at < 8 * 512; at += 512) { /* each alignment */
            memset(in, 0, total);
            CHECK_EQ(perform(&b, DISK_WRITE, at, total, iov, ARRAY_SIZE(cuts)), 0);
            CHECK_EQ(move(&b, DISK_READ, at, in, total), 0);
            CHECK_MEM(in, out, total);
            file_read(&b, at, in, total);
            CHECK_MEM(in, out, total);
        }
        bench_close(&b);
    }
    free(in);
    free(out);
}

TEST(thousands_of_vectors_and_megabytes_move_whole)
{
    const unsigned count = 5000;
    struct iovec *iov = malloc(count * sizeof(*iov));
    uint8_t *data = malloc(count * 512), *back = malloc(count * 512);

    for (unsigned i = 0; i < count; i++)
        iov[i] = (struct iovec){ data + 512 * i, 512 };
    for (unsigned i = 0; i < count * 512; i++)
        data[i] = (uint8_t)(i * 31 + i / 512);
    for (EACH_WAY) {
        struct bench b;

        bench_open(&b, 4 << 20, (struct disk_config){ .direct = w->direct }, w->threads);
        CHECK_EQ(perform(&b, DISK_WRITE, 512, count * 512, iov, count), 0);
        memset(back, 0, count * 512);
        CHECK_EQ(move(&b, DISK_READ, 512, back, count * 512), 0);
        CHECK_MEM(back, data, count * 512);
        bench_close(&b);
    }
    free(iov);
    free(data);
    free(back);
}

/* No bounce buffer for what lies right; one for what does not, and the page cache behind an odd end. */
TEST(memory_of_our_own_goes_past_the_cache_as_it_lies)
{
    static const size_t bases[] = { 0, 4096, 512, 8 }, ends[] = { 1 << 20, (64 << 10) + 1000 };
    const size_t n = 32 << 10;
    uint8_t *out = aligned_alloc(4096, 2 * n), *in = aligned_alloc(4096, 2 * n);

    for (unsigned i = 0; i < 16; i++) {
        uint8_t *from = out + bases[i & 3], *to = in + bases[i & 3];
        struct iovec iov[2] = { { from, 3 * 4096 }, { from + 3 * 4096, n - 3 * 4096 } };
        struct outcome o = { .rc = 1 };
        struct disk_request req = { .op = DISK_WRITE, .offset = i & 4 ? 512 : 8192, .length = n,
                                    .iov = iov, .iov_count = 2, .done = ended, .owner = &o,
                                    .own_memory = true };
        struct bench b;

        bench_open(&b, ends[i >> 3], (struct disk_config){ .direct = true }, i & 1);
        for (size_t j = 0; j < n; j++)
            from[j] = (uint8_t)(j * 13 + j / 512 + i);
        memset(to, 0, n);
        disk_submit(b.disk, b.queue, &req);
        settle(&b, &o.ended);
        CHECK_EQ(o.rc, 0);
        iov[0].iov_base = to;
        iov[1].iov_base = to + 3 * 4096;
        req.op = DISK_READ;
        o.ended = false;
        disk_submit(b.disk, b.queue, &req);
        settle(&b, &o.ended);
        CHECK_EQ(o.rc, 0);
        CHECK_MEM(to, from, n);
        file_read(&b, req.offset, to, n);
        CHECK_MEM(to, from, n);
        req.offset = disk_bytes(b.disk) - n; /* up to where the file ends, in the middle of a sector */
        o.ended = false;
        disk_submit(b.disk, b.queue, &req);
        settle(&b, &o.ended);
        CHECK_EQ(o.rc, 0);
        CHECK_EQ(to[n - 1], i >> 3 ? 0 : 2048 & 0xff);
        bench_close(&b);
    }
    free(in);
    free(out);
}

TEST(hundreds_in_flight_all_complete)
{
    for (EACH_WAY) {
        struct bench b;
        static struct disk_request reqs[600];
        static struct outcome outcomes[600];
        static struct iovec iov[600];
        uint8_t *data = malloc(600 * 512);

        memset(outcomes, 0, sizeof(outcomes));
        bench_open(&b, 1 << 20, (struct disk_config){ .direct = w->direct }, w->threads);
        for (unsigned i = 0; i < 600; i++) {
            iov[i] = (struct iovec){ data + 512 * i, 512 };
            reqs[i] = (struct disk_request){ .op = DISK_READ,
                                             .offset = 512 * i,
                                             .length = 512,
                                             .iov = &iov[i],
                                             .iov_count = 1,
                                             .done = ended,
                                             .owner = &outcomes[i] };
            disk_submit(b.disk, b.queue, &reqs[i]);
        }
        for (unsigned i = 0; i < 600; i++) {
            settle(&b, &outcomes[i].ended);
            CHECK_EQ(outcomes[i].rc, 0);
            expect_fill(data + 512 * i, 512, (uint8_t)(i + 1));
        }
        CHECK_EQ(disk_get_stats(b.disk).reads, 600);
        CHECK_EQ(disk_get_stats(b.disk).read_bytes, 600 * 512);
        bench_close(&b);
        free(data);
    }
}

TEST(a_file_of_odd_size_is_rounded_up_and_its_tail_reads_as_zeroes)
{
    for (EACH_WAY) {
        struct bench b;
        uint8_t data[1024];

        bench_open(&b, 1000, (struct disk_config){ .direct = w->direct }, w->threads);
        CHECK_EQ(disk_bytes(b.disk), 1024);
        memset(data, 0x77, sizeof(data));
        CHECK_EQ(move(&b, DISK_READ, 0, data, 1024), 0);
        expect_fill(data + 512, 488, 2);
        expect_fill(data + 1000, 24, 0);
        memset(data, 9, 512);
        CHECK_EQ(move(&b, DISK_WRITE, 512, data, 512), 0); /* a write there makes it longer */
        file_read(&b, 512, data, 512);
        expect_fill(data, 512, 9);
        bench_close(&b);
    }
}

TEST(requests_that_cannot_be_are_refused_later)
{
    struct bench b;
    uint8_t data[1024];

    bench_open(&b, 4096, (struct disk_config){ .readonly = true }, false);
    CHECK_EQ(move(&b, DISK_READ, 4096, data, 512), -EINVAL);
    CHECK_EQ(move(&b, DISK_READ, 3584, data, 1024), -EINVAL);
    CHECK_EQ(move(&b, DISK_READ, UINT64_MAX - 511, data, 512), -EINVAL);
    CHECK_EQ(move(&b, DISK_READ, 100, data, 512), -EINVAL);
    CHECK_EQ(move(&b, DISK_READ, 0, data, 100), -EINVAL);
    CHECK_EQ(move(&b, DISK_WRITE, 0, data, 512), -EROFS);
    CHECK_EQ(perform(&b, DISK_ZERO, 0, 512, NULL, 0), -EROFS);
    CHECK_EQ(perform(&b, DISK_READ, 0, 512, NULL, 0), -EINVAL); /* no room for it */
    CHECK_EQ(perform(&b, DISK_READ, 0, 0, NULL, 0), 0);
    CHECK_EQ(disk_get_stats(b.disk).errors, 8);
    bench_close(&b);
}

TEST(discard_gives_blocks_back_and_zero_keeps_none_of_the_data)
{
    for (EACH_WAY) {
        struct bench b;
        struct stat before, after;
        uint8_t data[4096];

        bench_open(&b, 1 << 20, (struct disk_config){ .direct = w->direct, .discard = true },
                   w->threads);
        CHECK(disk_can_discard(b.disk));
        stat(b.path, &before);
        CHECK_EQ(perform(&b, DISK_DISCARD, 65536, 131072, NULL, 0), 0);
        stat(b.path, &after);
        if (disk_can_discard(b.disk)) /* some file systems of /tmp cannot */
            CHECK(after.st_blocks < before.st_blocks);
        CHECK_EQ(perform(&b, DISK_ZERO, 512, 3072, NULL, 0), 0);
        CHECK_EQ(move(&b, DISK_READ, 0, data, 4096), 0);
        expect_fill(data, 512, 1);
        expect_fill(data + 512, 3072, 0);
        expect_fill(data + 3584, 512, 8);
        CHECK_EQ(disk_bytes(b.disk), 1 << 20);
        bench_close(&b);
    }
}

TEST(discard_is_offered_where_it_was_asked_for_and_taken_from_others_too)
{
    struct bench b;

    bench_open(&b, 4096, (struct disk_config){ 0 }, false);
    CHECK(!disk_can_discard(b.disk));
    CHECK(disk_takes_discard(b.disk));
    CHECK_EQ(perform(&b, DISK_DISCARD, 0, 4096, NULL, 0), 0);
    bench_close(&b);
    bench_open(&b, 4096, (struct disk_config){ .readonly = true, .discard = true }, false);
    CHECK(!disk_can_discard(b.disk));
    CHECK(!disk_takes_discard(b.disk));
    CHECK_EQ(perform(&b, DISK_DISCARD, 0, 4096, NULL, 0), -EROFS);
    bench_close(&b);
}

TEST(flush_and_writethrough_complete)
{
    for (EACH_WAY) {
        struct bench b;
        uint8_t data[512] = { 0 };

        bench_open(&b, 4096, (struct disk_config){ .direct = w->direct, .writethrough = true },
                   w->threads);
        CHECK_EQ(move(&b, DISK_WRITE, 0, data, 512), 0);
        CHECK_EQ(perform(&b, DISK_FLUSH, 0, 0, NULL, 0), 0);
        CHECK_EQ(perform(&b, DISK_ZERO, 0, 512, NULL, 0), 0);
        CHECK_EQ(disk_get_stats(b.disk).flushes, 1);
        bench_close(&b);
        bench_open(&b, 4096, (struct disk_config){ .no_flush = true }, w->threads);
        CHECK_EQ(perform(&b, DISK_FLUSH, 0, 0, NULL, 0), 0);
        bench_close(&b);
    }
}

TEST(a_write_past_the_limit_of_file_size_is_an_honest_error)
{
    for (EACH_WAY) {
        struct rlimit old, low = { 8192, RLIM_INFINITY };
        struct bench b;
        uint8_t *data = calloc(1, 16384);
        int rc;

        bench_open(&b, 1 << 20, (struct disk_config){ .direct = w->direct }, w->threads);
        getrlimit(RLIMIT_FSIZE, &old);
        signal(SIGXFSZ, SIG_IGN);
        low.rlim_max = old.rlim_max;
        setrlimit(RLIMIT_FSIZE, &low);
        rc = move(&b, DISK_WRITE, 4096, data, 16384); /* 4 KiB fit: a short write first */
        setrlimit(RLIMIT_FSIZE, &old);
        CHECK_EQ(rc, -EFBIG);
        CHECK_EQ(disk_get_stats(b.disk).errors, 1);
        free(data);
        bench_close(&b);
    }
}

TEST(a_full_medium_is_told_as_enospc)
{
    struct bench b;
    uint8_t data[512] = { 0 };

    /* /dev/full is no image; a descriptor that turns into it is what a full medium looks like */
    bench_open(&b, 4096, (struct disk_config){ 0 }, false);
    for (int fd = 3; fd < 64; fd++) {
        char link[32], target[64] = "";

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (readlink(link, target, sizeof(target) - 1) > 0 && !strcmp(target, b.path)) {
            int full = open("/dev/full", O_RDWR);

            CHECK(dup2(full, fd) == fd);
            close(full);
        }
    }
    CHECK_EQ(move(&b, DISK_WRITE, 0, data, 512), -ENOSPC);
    bench_close(&b);
}

TEST(changes_are_counted_at_both_ends_of_a_write)
{
    struct bench b;
    uint8_t data[512] = { 0 };
    uint64_t before;

    bench_open(&b, 4096, (struct disk_config){ 0 }, false);
    before = disk_changes(b.disk);
    move(&b, DISK_READ, 0, data, 512);
    CHECK_EQ(disk_changes(b.disk), before);
    move(&b, DISK_WRITE, 0, data, 512);
    CHECK_EQ(disk_changes(b.disk), before + 2);
    bench_close(&b);
}

TEST(two_openers_share_a_disk_and_the_last_one_closes_it)
{
    struct bench b;
    struct disk *second;
    uint8_t data[512];

    bench_open(&b, 4096, (struct disk_config){ 0 }, false);
    second = disk_ref(b.disk);
    disk_close(second);
    CHECK_EQ(move(&b, DISK_READ, 0, data, 512), 0);
    CHECK_STR(disk_format(b.disk), "raw");
    CHECK_STR(disk_path(b.disk), b.path);
    CHECK_EQ(disk_sector_size(b.disk), 512);
    bench_close(&b);
}

TEST(zeroes_are_written_where_the_file_system_has_no_faster_way)
{
    for (EACH_WAY) {
        struct bench b;
        uint8_t data[8192];

        if (w->direct) /* which tmpfs has not had for long */
            continue;
        memset(&b, 0, sizeof(b));
        make_file(b.path, "/dev/shm", 8 << 20);
        bench_open_path(&b, b.path, (struct disk_config){ .writethrough = true }, w->threads);
        CHECK_EQ(perform(&b, DISK_ZERO, 512, (8 << 20) - 1024, NULL, 0), 0);
        CHECK_EQ(perform(&b, DISK_ZERO, 512, 512, NULL, 0), 0); /* knowing better now */
        CHECK_EQ(move(&b, DISK_READ, 0, data, 8192), 0);
        expect_fill(data, 512, 1);
        expect_fill(data + 512, 7680, 0);
        bench_close(&b);
    }
}

/* ---- Block devices: a loop device, where we may have one ---- */

static int loop_open_device(const char *file, unsigned block, char path[32])
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n, loop, fd;
    struct loop_config config = { .block_size = block };

    n = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    if (control >= 0)
        close(control);
    if (n < 0)
        return -1;
    sprintf(path, "/dev/loop%d", n);
    loop = open(path, O_RDWR | O_CLOEXEC);
    fd = open(file, O_RDWR | O_CLOEXEC);
    config.fd = (uint32_t)fd;
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, &config) < 0) {
        close(loop);
        loop = -1;
    }
    close(fd);
    return loop;
}

TEST(block_devices_of_512_and_4096_serve_every_sector)
{
    static const unsigned units[] = { 512, 4096 };

    for (EACH_WAY)
        for (unsigned i = 0; i < 2; i++) {
            struct bench b;
            uint8_t data[8192], want[8192];
            char path[32];
            int loop;

            memset(&b, 0, sizeof(b));
            make_file(b.path, "/tmp", 1 << 20);
            loop = loop_open_device(b.path, units[i], path);
            if (loop < 0) {
                print_message("no loop device to be had: not tested\n");
                unlink(b.path);
                return;
            }
            bench_open_path(&b, path, (struct disk_config){ .direct = w->direct, .discard = true },
                            w->threads);
            CHECK_EQ(disk_sector_size(b.disk), units[i]);
            CHECK_EQ(disk_bytes(b.disk), 1 << 20);
            for (unsigned k = 0; k < sizeof(want); k++)
                want[k] = (uint8_t)(k * 13 + k / 512);
            CHECK_EQ(move(&b, DISK_WRITE, 1536, want, 5120), 0); /* no multiple of 4096 */
            CHECK_EQ(move(&b, DISK_READ, 1536, data, 5120), 0);
            CHECK_MEM(data, want, 5120);
            CHECK_EQ(perform(&b, DISK_FLUSH, 0, 0, NULL, 0), 0);
            CHECK_EQ(perform(&b, DISK_DISCARD, 65536, 65536, NULL, 0), 0);
            CHECK_EQ(perform(&b, DISK_ZERO, 8192, 4096, NULL, 0), 0);
            CHECK_EQ(perform(&b, DISK_ZERO, 12288, 512, NULL, 0), 0);
            CHECK_EQ(move(&b, DISK_READ, 8192, data, 8192), 0);
            expect_fill(data, 4608, 0);
            expect_fill(data + 4608, 512, 12800 / 512 + 1);
            bench_close(&b);
            close(loop);
        }
}

/* ---- Opening ---- */

static int try_open(const char *path, const char *format, bool readonly, struct error *err)
{
    struct disk_config config = { .path = path, .format = format, .readonly = readonly };
    struct disk *disk;
    int rc = disk_open(&disk, &config, err);

    if (rc == 0)
        disk_close(disk);
    return rc;
}

TEST(what_cannot_be_opened_is_told_in_a_sentence)
{
    struct error err = { "" };
    char empty[40];

    CHECK_EQ(try_open("/nonexistent/a.img", "raw", false, &err), -ENOENT);
    CHECK_SAYS(err, "/nonexistent/a.img");
    CHECK_SAYS(err, "No such file");
    CHECK_EQ(try_open("/tmp", "raw", false, &err), -EISDIR);
    CHECK_SAYS(err, "/tmp is a directory");
    CHECK_EQ(try_open("/tmp", "raw", true, &err), -EISDIR);
    CHECK_EQ(try_open("/dev/null", "raw", false, &err), -EINVAL);
    CHECK_SAYS(err, "neither a file nor a block device");
    make_file(empty, "/tmp", 0);
    CHECK_EQ(try_open(empty, "raw", false, &err), -EINVAL);
    CHECK_SAYS(err, "is empty");
    unlink(empty);
    CHECK_EQ(try_open("/images/a.vmdk", "vmdk", false, &err), -ENOTSUP);
    CHECK_SAYS(err, "/images/a.vmdk");
    CHECK_SAYS(err, "qemu-img convert -O qcow2");
    CHECK_EQ(try_open("", "raw", false, &err), -EINVAL);
}

TEST(descriptors_handed_over_are_used_and_closed)
{
    struct error err = { "" };
    char path[40], name[24];
    int fd;

    make_file(path, "/tmp", 4096);
    fd = open(path, O_RDONLY);
    snprintf(name, sizeof(name), "fd:%d", fd);
    CHECK_EQ(try_open(name, NULL, true, &err), 0);
    CHECK(fcntl(fd, F_GETFD) < 0);
    fd = open(path, O_RDONLY);
    snprintf(name, sizeof(name), "fd:%d", fd);
    CHECK_EQ(try_open(name, "raw", false, &err), -EACCES);
    CHECK_SAYS(err, "not open for reading and writing");
    CHECK_EQ(try_open("fd:999", "raw", true, &err), -EBADF);
    CHECK_EQ(try_open("fd:x", "raw", true, &err), -ENOENT); /* a file of that name */
    unlink(path);
}

TEST(an_image_is_never_locked)
{
    struct bench b;
    struct flock lock = { .l_type = F_WRLCK };
    int fd;

    bench_open(&b, 4096, (struct disk_config){ 0 }, false);
    fd = open(b.path, O_RDWR);
    CHECK(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    close(fd);
    bench_close(&b);
}
