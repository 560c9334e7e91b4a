/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks of an NBD server, which is qemu-nbd, and comes and goes. */
#ifdef HAVE_LIBNBD
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "tests/kit/check.h"
#include "tests/kit/image.h"
#include "dm/block/nbd/lib.h"

static pid_t serve(const char *options)
{
    char command[300];
    pid_t pid = fork();

    if (pid == 0) {
        snprintf(command, sizeof(command),
                 "cd %s && rm -f sock && exec qemu-nbd -t -k $PWD/sock -x it %s >/dev/null 2>&1",
                 image_folder(), options);
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(1);
    }
    /* The socket is there a moment before anybody listens, which is the flag 0x10000. */
    for (unsigned i = 0; i < 1000 && image_status("grep -q \" 00010000 .* $PWD/sock$\" /proc/net/unix"); i++)
        usleep(5000);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    image_status("rm -f sock");
}

static void open_it(struct image_bench *b, struct disk_config config)
{
    struct error err = { "" };
    char path[300];

    snprintf(path, sizeof(path), "nbd+unix:///it?socket=%s/sock", image_folder());
    config.path = path;
    CHECK_EQ(loop_open(&b->loop, "nbd", &err), 0);
    CHECK_EQ(disk_queue_open(&b->queue, b->loop, &err), 0);
    if (disk_open(&b->disk, &config, &err) < 0)
        fail_msg("%s", err.text);
}

TEST(random_requests_to_a_server)
{
    static const struct disk_config configs[] = { { .discard = true }, { .writethrough = true } };

    for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
        struct image_ride ride = { .seed = i, .requests = 2000, .depth = 16, .loops = 1 + i,
                                   .longest = 300 * KIB };
        struct image_bench b;
        pid_t pid;

        image_fill("n.raw", 8 * MIB, 3);
        pid = serve("-f raw --discard=unmap n.raw");
        open_it(&b, configs[i]);
        CHECK_STR(disk_format(b.disk), "nbd");
        CHECK_EQ(disk_can_discard(b.disk), !i);
        ride.model = image_bytes(b.disk);
        image_ride(b.disk, &ride);
        CHECK_EQ(image_do(&b, DISK_FLUSH, 0, NULL, 0), 0);
        image_save_model("model.raw", ride.model, disk_bytes(b.disk));
        image_close_bench(&b);
        stop(pid);
        image_run("cmp n.raw model.raw");
        free(ride.model);
    }
}

static bool ended;
static int ended_rc;

static void did(struct disk_request *req, int rc)
{
    ended = true;
    ended_rc = rc;
}

TEST(requests_wait_for_a_server_that_comes_back)
{
    struct image_bench b;
    uint8_t data[4096] = { 1, 2, 3 };
    struct iovec iov = { data, sizeof(data) };
    struct disk_request req = { .op = DISK_READ, .length = sizeof(data), .iov = &iov, .iov_count = 1,
                                .done = did };
    pid_t pid;

    image_fill("n.raw", 8 * MIB, 3);
    pid = serve("-f raw n.raw");
    open_it(&b, (struct disk_config){ 0 });
    CHECK_EQ(image_do(&b, DISK_WRITE, 0, data, sizeof(data)), 0);
    stop(pid);
    memset(data, 0, sizeof(data));
    ended = false;
    disk_submit(b.disk, b.queue, &req);
    for (unsigned i = 0; i < 100; i++) {
        loop_step(b.loop);
        usleep(1000);
    }
    CHECK(!ended);
    pid = serve("-f raw n.raw");
    for (unsigned i = 0; i < 1000000 && !ended; i++)
        if (!loop_step(b.loop))
            usleep(20);
    CHECK(ended);
    CHECK_EQ(ended_rc, 0);
    CHECK_EQ(data[2], 3);
    /* what was acknowledged may have gone with the server */
    CHECK_EQ(image_do(&b, DISK_FLUSH, 0, NULL, 0), -EIO);
    CHECK_EQ(image_do(&b, DISK_FLUSH, 0, NULL, 0), 0);
    image_close_bench(&b);
    stop(pid);
}

TEST(requests_fail_where_the_server_stays_away_and_closing_does_not_wait)
{
    struct image_bench b;
    uint8_t data[512];
    pid_t pid;

    image_fill("n.raw", MIB, 3);
    pid = serve("-f raw n.raw");
    open_it(&b, (struct disk_config){ 0 });
    stop(pid);
    CHECK_EQ(image_do(&b, DISK_READ, 0, data, 512), -EIO);
    CHECK_EQ(image_do(&b, DISK_WRITE, 0, data, 512), -EIO);
    image_close_bench(&b);
}

TEST(what_cannot_be_had_of_a_server_is_told_in_a_sentence)
{
    char path[300];
    struct disk_config config = { .path = path };
    struct error err = { "" };
    struct disk *disk;
    pid_t pid;

    snprintf(path, sizeof(path), "nbd:unix:%s/nobody:exportname=x", image_folder());
    CHECK_EQ(disk_open(&disk, &config, &err), -ECONNREFUSED);
    CHECK_SAYS(err, "does not answer");
    snprintf(path, sizeof(path), "nbd:nowhere");
    CHECK_EQ(disk_open(&disk, &config, &err), -EINVAL);
    config.format = "qcow2";
    CHECK_EQ(disk_open(&disk, &config, &err), -ENOTSUP);
    CHECK_SAYS(err, "qemu-nbd -f qcow2");
    config.format = NULL;
    image_fill("n.raw", MIB, 3);
    pid = serve("-r -f raw n.raw");
    snprintf(path, sizeof(path), "nbd:unix:%s/sock:exportname=it", image_folder());
    CHECK_EQ(disk_open(&disk, &config, &err), -EROFS);
    config.readonly = true;
    CHECK_EQ(disk_open(&disk, &config, &err), 0);
    disk_close(disk);
    snprintf(path, sizeof(path), "nbd:unix:%s/sock:exportname=other", image_folder());
    CHECK_EQ(disk_open(&disk, &config, &err), -ECONNREFUSED);
    stop(pid);
}

TEST(names_of_servers_become_uris)
{
    static const char *const names[][2] = {
        { "nbd:host:10809", "nbd://host:10809/" },
        { "nbd:host:1:exportname=a b?", "nbd://host:1/a%20b%3f" },
        { "nbd:unix:/run/a:exportname=x", "nbd+unix:///x?socket=/run/a" },
        { "nbd://h/x", "nbd://h/x" },
        { "nbds://h/x", "nbds://h/x" },
    };
    char uri[200];

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        CHECK_EQ(nbd_uri(names[i][0], uri, sizeof(uri)), 0);
        CHECK_STR(uri, names[i][1]);
    }
}
#else
#include "tests/kit/check.h"
TEST(nbd_is_not_built)
{
    print_message("built without libnbd: not tested\n");
}
#endif
