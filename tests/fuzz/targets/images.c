/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk images that lie: the input is how they are used, and the image itself. The first byte says of
 * which format; 31 more are requests, in pairs.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/disk.h"
#include "tests/fuzz/kit/files.h"

#define SCRIPT 32u
#define FLYING 8u
#define BYTES_MOST (16u << 10)
#define BLOCKS_MOST (256ll << 20 >> 9) /* that so few requests may fill */

static struct loop *loop;
static struct disk_queue *queue;
static unsigned flying;
static struct disk_request reqs[FLYING];
static struct iovec iovs[FLYING];
static uint8_t data[FLYING][BYTES_MOST];

static void done(struct disk_request *req, int rc)
{
    if (rc > 0)
        abort();
    req->owner = NULL;
    flying--;
}

static void settle(void)
{
    while (flying)
        if (!loop_step(loop))
            usleep(1);
}

static void request(struct disk *disk, uint8_t a, uint8_t b)
{
    uint64_t sectors = disk_bytes(disk) / 512, at = (uint64_t)(b >> 2) * (b & 2 ? 97 : 1);
    unsigned i = 0, n = 1 + (a >> 3);

    while (reqs[i].owner && i < FLYING - 1)
        i++;
    if (reqs[i].owner || at >= sectors)
        return;
    if (b & 1)
        at = sectors - 1 - at;
    n = (unsigned)MIN(n, MIN(sectors - at, BYTES_MOST / 512));
    iovs[i] = (struct iovec){ data[i], n * 512 };
    reqs[i] = (struct disk_request){ .op = a % 5, .offset = at * 512, .length = n * 512,
                                     .iov = &iovs[i], .iov_count = 1, .done = done,
                                     .owner = &reqs[i] };
    flying++;
    disk_submit(disk, queue, &reqs[i]);
    if (a % 8 == 7)
        settle();
}

static void use(int fd, const char *format, const uint8_t *script)
{
    char path[32];
    struct disk_config config = { .path = path, .format = format, .discard = script[0] & 4,
                                  .readonly = script[0] & 8, .writethrough = script[0] & 16,
                                  .no_flush = true };
    struct error err = { "" };
    struct disk *disk;
    struct stat st;
    int watch = dup(fd), rc;

    snprintf(path, sizeof(path), "fd:%d", fd);
    files_guard(FILES_REFUSED); /* of backing files */
    rc = disk_open(&disk, &config, &err);
    files_guard(FILES_FREE);
    if (rc == 0) {
        for (unsigned i = 1; i + 1 < SCRIPT; i += 2)
            request(disk, script[i], script[i + 1]);
        settle();
        disk_close(disk);
    } else if (!*err.text) {
        abort();
    }
    if (fstat(watch, &st) < 0 || st.st_blocks > BLOCKS_MOST)
        abort();
    close(watch);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct error err;
    int fd;

    if (!loop) {
        log_guest_limit(0);
        if (loop_open(&loop, "fuzz", &err) < 0 || disk_queue_open(&queue, loop, &err) < 0)
            abort();
    }
    if (size <= SCRIPT)
        return 0;
    fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes + SCRIPT, size - SCRIPT) < 0)
        abort();
    use(fd, bytes[0] & 1 ? "vhd" : "qcow2", bytes);
    return 0;
}
