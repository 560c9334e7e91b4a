/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "tests/kit/image.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "tests/kit/check.h"

static char folder[64];
static pid_t owner;

static void remove_folder(void)
{
    char command[100];

    if (getpid() != owner)
        return;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0)
        perror(command);
}

const char *image_folder(void)
{
    if (!*folder) {
        strcpy(folder, "/dev/shm/xen-dm-image-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
        owner = getpid();
        atexit(remove_folder);
    }
    return folder;
}

static int run(const char *format, va_list ap)
{
    char command[2048];
    int n = snprintf(command, sizeof(command), "cd %s && exec 2>&1 && ", image_folder());

    vsnprintf(command + n, sizeof(command) - (size_t)n, format, ap);
    n = system(command);
    return WIFEXITED(n) ? WEXITSTATUS(n) : -1;
}

int image_status(const char *format, ...)
{
    va_list ap;
    int rc;

    va_start(ap, format);
    rc = run(format, ap);
    va_end(ap);
    return rc;
}

void image_run(const char *format, ...)
{
    va_list ap;
    int rc;

    va_start(ap, format);
    rc = run(format, ap);
    va_end(ap);
    if (rc != 0)
        print_message("failed: %s\n", format);
    CHECK_EQ(rc, 0);
}

void image_path(char *path, size_t n, const char *name)
{
    snprintf(path, n, "%s/%s", image_folder(), name);
}

void image_fill(const char *name, uint64_t bytes, unsigned seed)
{
    char path[200];
    uint8_t block[4096];
    int fd;

    image_path(path, sizeof(path), name);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK(ftruncate(fd, (off_t)bytes) == 0);
    srand(seed);
    for (uint64_t at = 0; at < bytes; at += sizeof(block)) {
        unsigned r = (unsigned)rand();

        if (r % 3 == 0)
            continue;
        /* half of it compresses well */
        memset(block, (int)(r >> 8), sizeof(block));
        for (unsigned i = 0; i < sizeof(block) / 2; i++)
            block[i] = (uint8_t)(rand() >> 4);
        CHECK(pwrite(fd, block, MIN(sizeof(block), bytes - at), (off_t)at) > 0);
    }
    close(fd);
}

void image_open_bench(struct image_bench *b, const char *name, struct disk_config config)
{
    struct error err = { "" };
    char path[200];
    int rc;

    image_path(path, sizeof(path), name);
    config.path = path;
    CHECK_EQ(loop_open(&b->loop, "image", &err), 0);
    CHECK_EQ(disk_queue_open(&b->queue, b->loop, &err), 0);
    rc = disk_open(&b->disk, &config, &err);
    if (rc < 0)
        print_message("%s\n", err.text);
    CHECK_EQ(rc, 0);
}

void image_close_bench(struct image_bench *b)
{
    disk_close(b->disk);
    disk_queue_close(b->queue);
    loop_close(b->loop);
}

int image_try(const char *name, const char *format, bool readonly, char *sentence, size_t n)
{
    struct error err = { "" };
    char path[200];
    struct disk_config config = { .path = path, .format = format, .readonly = readonly };
    struct disk *disk;
    int rc;

    image_path(path, sizeof(path), name);
    rc = disk_open(&disk, &config, &err);
    if (rc == 0)
        disk_close(disk);
    if (sentence)
        snprintf(sentence, n, "%s", err.text);
    return rc;
}

struct outcome {
    bool ended;
    int rc;
};

static void did(struct disk_request *req, int rc)
{
    struct outcome *o = req->owner;

    CHECK(!o->ended);
    *o = (struct outcome){ true, rc };
}

int image_do(struct image_bench *b, enum disk_op op, uint64_t offset, void *data, uint64_t length)
{
    struct outcome o = { false, 1 };
    struct iovec iov = { data, length };
    struct disk_request req = { .op = op, .offset = offset, .length = length, .iov = &iov,
                                .iov_count = data ? 1 : 0, .done = did, .owner = &o };

    disk_submit(b->disk, b->queue, &req);
    CHECK(!o.ended);
    for (int i = 0; i < 1000000 && !o.ended; i++)
        if (!loop_step(b->loop))
            usleep(10);
    CHECK(o.ended);
    return o.rc;
}

/* ---- Random requests ---- */

#define DEPTH_MOST 64
#define LANE 4096u /* of a loop's own, in turn, so that loops meet in every cluster */

struct shot {
    struct rider *rider;
    struct disk_request req;
    struct iovec iov[5];
    uint8_t *data;
    bool busy, looks; /* at what a discard left */
};

struct rider {
    struct disk *disk;
    struct disk_queue *queue;
    struct loop *loop;
    const struct image_ride *ride;
    unsigned number, rand, left, flying;
    struct shot shots[DEPTH_MOST];
    bool bad;
    uint64_t bad_at;
    int bad_rc;
    bool threaded;
};

static unsigned dice(struct rider *r, unsigned n)
{
    r->rand = r->rand * 1103515245u + 12345u;
    return (r->rand >> 8) % n;
}

static void go_on(struct rider *r);

static void bad(struct rider *r, uint64_t at, int rc)
{
    if (!r->bad) {
        r->bad_at = at;
        r->bad_rc = rc;
    }
    r->bad = true;
}

static void judge(struct shot *s)
{
    struct rider *r = s->rider;
    uint8_t *model = r->ride->model + s->req.offset;

    for (uint64_t at = 0; at < s->req.length; at += 512) {
        bool same = !memcmp(s->data + at, model + at, 512);

        if (!same && s->looks) {
            for (unsigned i = 0; i < 512; i++)
                same = (i == 0 || same) && s->data[at + i] == 0;
            memset(model + at, 0, 512);
        }
        if (!same) {
            bad(r, s->req.offset + at, 0);
            return;
        }
    }
}

static void landed(struct disk_request *req, int rc)
{
    struct shot *s = req->owner;
    struct rider *r = s->rider;

    s->busy = false;
    r->flying--;
    if (rc < 0 && !(req->op == DISK_DISCARD && rc == -EOPNOTSUPP))
        bad(r, req->offset, rc);
    else if (req->op == DISK_READ)
        judge(s);
    s->looks = false;
    if (req->op == DISK_DISCARD && rc == 0 && !r->bad) {
        s->looks = true;
        r->flying++;
        s->busy = true;
        s->req.op = DISK_READ;
        s->req.iov = s->iov;
        s->iov[0] = (struct iovec){ s->data, req->length };
        s->req.iov_count = 1;
        disk_submit(r->disk, r->queue, &s->req);
        return;
    }
    go_on(r);
}

static bool is_free(struct rider *r, uint64_t at, uint64_t length)
{
    for (unsigned i = 0; i < r->ride->depth; i++) {
        struct shot *s = &r->shots[i];

        if (s->busy && s->req.op != DISK_FLUSH && at < s->req.offset + s->req.length &&
            s->req.offset < at + length)
            return false;
    }
    return true;
}

static void place(struct rider *r, uint64_t *at, uint64_t *length)
{
    const uint64_t sectors = disk_bytes(r->disk) / 512;
    uint64_t most = r->ride->longest / 512;

    if (dice(r, 3)) /* most are short */
        most = MIN(most, 16);
    *length = 1 + dice(r, (unsigned)MIN(most, sectors));
    *at = dice(r, (unsigned)(sectors - *length + 1));
    if (r->ride->loops > 1) { /* within a lane of ours */
        *at = ROUND_DOWN(*at, LANE / 512 * r->ride->loops) + r->number * (LANE / 512);
        *length = MIN(*length, LANE / 512);
        *at = MIN(*at, sectors);
        *length = MIN(*length, sectors - *at);
    }
    *at *= 512;
    *length *= 512;
}

static void cut(struct rider *r, struct shot *s)
{
    uint64_t done = 0;

    s->req.iov = s->iov;
    s->req.iov_count = 0;
    for (unsigned i = 0; i < 5 && done < s->req.length; i++) {
        uint64_t left = s->req.length - done, n = 1 + dice(r, (unsigned)s->req.length);

        n = i == 4 ? left : MIN(left, n);
        s->iov[s->req.iov_count++] = (struct iovec){ s->data + done, n };
        done += n;
    }
}

static void fire(struct rider *r, struct shot *s)
{
    unsigned kind = r->ride->only_reads ? 0 : dice(r, 100);
    uint64_t at, length;

    place(r, &at, &length);
    if (!length || !is_free(r, at, length))
        return;
    r->left--;
    s->req = (struct disk_request){ .offset = at, .length = length, .done = landed, .owner = s };
    s->data = realloc(s->data, length);
    if (kind < 35) {
        s->req.op = DISK_READ;
        memset(s->data, 0xa5, length);
        cut(r, s);
    } else if (kind < 78) {
        s->req.op = DISK_WRITE;
        for (uint64_t i = 0; i < length; i++)
            s->data[i] = (uint8_t)(r->left + i / 512 + (i % 7) * r->number);
        memcpy(r->ride->model + at, s->data, length);
        cut(r, s);
    } else if (kind < 88) {
        s->req.op = DISK_ZERO;
        memset(r->ride->model + at, 0, length);
    } else if (kind < 96) {
        s->req.op = DISK_DISCARD;
    } else {
        s->req.op = DISK_FLUSH;
        s->req.offset = s->req.length = 0;
    }
    s->busy = true;
    r->flying++;
    disk_submit(r->disk, r->queue, &s->req);
}

static void go_on(struct rider *r)
{
    for (unsigned i = 0; i < r->ride->depth && r->left && !r->bad; i++)
        if (!r->shots[i].busy)
            fire(r, &r->shots[i]);
    if (r->threaded && !r->flying && (!r->left || r->bad))
        loop_stop(r->loop);
    else if (r->threaded && !r->flying)
        loop_post(r->loop, (void (*)(void *))go_on, r);
}

static void *ride_thread(void *arg)
{
    struct rider *r = arg;

    loop_post(r->loop, (void (*)(void *))go_on, r);
    loop_run(r->loop);
    return NULL;
}

static void rider_open(struct rider *r, struct disk *disk, const struct image_ride *ride, unsigned i)
{
    struct error err;

    *r = (struct rider){ .disk = disk, .ride = ride, .number = i, .rand = ride->seed * 97 + i,
                         .left = ride->requests, .threaded = ride->loops > 1 };
    CHECK_EQ(loop_open(&r->loop, "rider", &err), 0);
    CHECK_EQ(disk_queue_open(&r->queue, r->loop, &err), 0);
    for (unsigned k = 0; k < DEPTH_MOST; k++)
        r->shots[k].rider = r;
}

static void rider_close(struct rider *r)
{
    CHECK_EQ(r->flying, 0);
    if (r->bad)
        print_message("seed %u: byte %llu is wrong, rc %d\n", r->ride->seed,
                      (unsigned long long)r->bad_at, r->bad_rc);
    CHECK(!r->bad);
    disk_queue_close(r->queue);
    loop_close(r->loop);
    for (unsigned k = 0; k < DEPTH_MOST; k++)
        free(r->shots[k].data);
}

void image_ride(struct disk *disk, const struct image_ride *ride)
{
    struct rider *riders = calloc(ride->loops, sizeof(*riders));
    pthread_t threads[4];

    for (unsigned i = 0; i < ride->loops; i++)
        rider_open(&riders[i], disk, ride, i);
    if (ride->loops > 1) {
        for (unsigned i = 0; i < ride->loops; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, ride_thread, &riders[i]), 0);
        for (unsigned i = 0; i < ride->loops; i++)
            pthread_join(threads[i], NULL);
    } else {
        go_on(&riders[0]);
        for (unsigned idle = 0; (riders[0].left && !riders[0].bad) || riders[0].flying;) {
            idle = loop_step(riders[0].loop) ? 0 : idle + 1;
            if (idle)
                usleep(10);
            CHECK(idle < 1000000);
            if (!riders[0].flying)
                go_on(&riders[0]);
        }
    }
    for (unsigned i = 0; i < ride->loops; i++)
        rider_close(&riders[i]);
    free(riders);
}

uint8_t *image_bytes(struct disk *disk)
{
    struct image_bench b = { .disk = disk };
    uint8_t *bytes = malloc(disk_bytes(disk));
    struct error err;

    CHECK_EQ(loop_open(&b.loop, "image", &err), 0);
    CHECK_EQ(disk_queue_open(&b.queue, b.loop, &err), 0);
    for (uint64_t at = 0; at < disk_bytes(disk); at += MIB)
        CHECK_EQ(image_do(&b, DISK_READ, at, bytes + at, MIN(MIB, disk_bytes(disk) - at)), 0);
    disk_queue_close(b.queue);
    loop_close(b.loop);
    return bytes;
}

void image_save_model(const char *name, const uint8_t *model, uint64_t bytes)
{
    char path[200];
    int fd;

    image_path(path, sizeof(path), name);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (uint64_t at = 0; at < bytes; at += MIB)
        CHECK(pwrite(fd, model + at, MIN(MIB, bytes - at), (off_t)at) > 0);
    close(fd);
}
