/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that writes images is killed at any moment: what was flushed is there, and no more harm. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/loop.h"
#include "tests/kit/check.h"
#include "tests/kit/image.h"

#define BLOCK 4096u
#define BLOCKS 1024u
#define BATCH 24u

/* What the writer tells of each block; versions only grow. */
struct told {
    atomic_uint issued[BLOCKS], flushed[BLOCKS], zeroed[BLOCKS];
    atomic_uint flushes;
};

struct write {
    struct disk_request req;
    struct iovec iov;
    unsigned *pending;
    uint8_t data[BLOCK];
};

static void done(struct disk_request *req, int rc)
{
    struct write *w = req->owner;

    if (rc < 0)
        _exit(9);
    --*w->pending;
}

static void wait_for(struct image_bench *b, const unsigned *pending)
{
    while (*pending)
        if (!loop_step(b->loop))
            sched_yield();
}

static void writer(struct told *t, const char *name, const char *format, unsigned seed)
{
    static struct write w[BATCH];
    struct image_bench b;
    unsigned version = 0, pending;

    for (unsigned i = 0; i < BLOCKS; i++)
        version = MAX(version, atomic_load(&t->issued[i]));
    image_open_bench(&b, name, (struct disk_config){ .format = format, .discard = true });
    srand(seed);
    for (;;) {
        pending = BATCH;
        version++;
        for (unsigned i = 0; i < BATCH; i++) {
            unsigned block = i * (BLOCKS / BATCH) + (unsigned)rand() % (BLOCKS / BATCH);
            bool zero = rand() % 4 == 0;

            memset(w[i].data, 0, BLOCK);
            for (unsigned k = 0; k < BLOCK; k += 4)
                put_le32(w[i].data + k, version);
            w[i].pending = &pending;
            w[i].iov = (struct iovec){ w[i].data, BLOCK };
            w[i].req = (struct disk_request){ .op = zero ? DISK_ZERO : DISK_WRITE,
                                              .offset = (uint64_t)block * BLOCK, .length = BLOCK,
                                              .iov = &w[i].iov, .iov_count = 1, .done = done,
                                              .owner = &w[i] };
            atomic_store(&t->issued[block], version);
            if (zero)
                atomic_store(&t->zeroed[block], version);
            disk_submit(b.disk, b.queue, &w[i].req);
        }
        wait_for(&b, &pending);
        if (image_do(&b, DISK_FLUSH, 0, NULL, 0) < 0)
            _exit(8);
        for (unsigned i = 0; i < BATCH; i++)
            atomic_store(&t->flushed[w[i].req.offset / BLOCK], version);
        atomic_fetch_add(&t->flushes, 1);
    }
}

static void judge(const struct told *t, const char *name, const char *format)
{
    struct image_bench b;
    uint8_t *bytes;

    image_open_bench(&b, name, (struct disk_config){ .format = format, .readonly = true });
    bytes = image_bytes(b.disk);
    image_close_bench(&b);
    for (unsigned i = 0; i < BLOCKS; i++)
        for (unsigned k = 0; k < BLOCK; k += 512) {
            unsigned got = get_le32(bytes + i * BLOCK + k);
            unsigned flushed = atomic_load(&t->flushed[i]), issued = atomic_load(&t->issued[i]);
            bool good = got ? got >= flushed && got <= issued
                            : !flushed || atomic_load(&t->zeroed[i]) >= flushed;

            if (!good)
                print_message("block %u: %u, flushed %u, issued %u\n", i, got, flushed, issued);
            CHECK(good);
        }
    free(bytes);
}

static void kill_often(const char *name, const char *format, const char *check, unsigned times)
{
    struct told *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned seed = 1;

    for (unsigned i = 0; i < times; i++) {
        unsigned before = atomic_load(&t->flushes);
        int status, rc;
        pid_t pid = fork();

        if (pid == 0) {
            writer(t, name, format, i);
            _exit(1);
        }
        /* at any moment after the first flush of this life */
        while (atomic_load(&t->flushes) == before && waitpid(pid, &status, WNOHANG) == 0)
            usleep(100);
        seed = seed * 1103515245u + 12345u;
        usleep((seed >> 16) % 4000);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        CHECK(WIFSIGNALED(status));
        if (check) {
            rc = image_status("qemu-img check -f %s %s >check.log 2>&1", check, name);
            if (rc != 0 && rc != 3) /* 3: leaks and nothing else */
                image_status("cat check.log");
            CHECK(rc == 0 || rc == 3);
        }
        judge(t, name, format);
    }
    CHECK(atomic_load(&t->flushes) > times);
    munmap(t, sizeof(*t));
}

TEST(a_killed_writer_of_qcow2_leaves_leaks_at_most)
{
    image_run("qemu-img create -q -f qcow2 -o cluster_size=4k k.qcow2 4M");
    kill_often("k.qcow2", "qcow2", "qcow2", 60);
    image_run("qemu-img create -q -f raw k.raw 4M");
    image_run("qemu-img create -q -f qcow2 -F raw -b k.raw -o cluster_size=16k k2.qcow2 4M");
    kill_often("k2.qcow2", "qcow2", "qcow2", 40);
    image_run("qemu-img create -q -f qcow2 -o cluster_size=512 k3.qcow2 4M");
    kill_often("k3.qcow2", "qcow2", "qcow2", 20);
}

TEST(a_killed_writer_of_vhd_loses_nothing_that_was_flushed)
{
    image_run("qemu-img create -q -f vpc -o force_size=on k.vhd 4M");
    kill_often("k.vhd", "vhd", NULL, 30);
    image_run("qemu-img convert -f vpc -O raw k.vhd k.out");
}
