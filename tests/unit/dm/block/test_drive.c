/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drives: how media change hands between the machine's loop and a device's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/drive.h"
#include "tests/kit/check.h"

struct bench {
    struct loop *machine, *device;
    struct drive *drive;
    bool accepts;
    unsigned asked, ejects, done, removed;
    struct disk *next;
    struct loop *done_on, *removed_on;
};

static struct disk *new_disk(void)
{
    char path[] = "/tmp/xen-dm-drive-XXXXXX";
    struct disk_config config = { .path = path, .readonly = true };
    struct disk *disk;
    struct error err;
    int fd = mkstemp(path);

    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    close(fd);
    CHECK_EQ(disk_open(&disk, &config, &err), 0);
    unlink(path);
    return disk;
}

static void changed(void *owner, struct disk *next)
{
    struct bench *b = owner;

    CHECK(loop_current() == b->device);
    b->asked++;
    b->next = next;
    if (b->accepts)
        drive_accept(b->drive);
}

static void eject_asked(void *owner)
{
    ((struct bench *)owner)->ejects++;
}

static const struct drive_ops ops = { .changed = changed, .eject_asked = eject_asked };

static void done(void *arg, int rc)
{
    struct bench *b = arg;

    CHECK_EQ(rc, 0);
    b->done++;
    b->done_on = loop_current();
}

static void removed(void *arg)
{
    struct bench *b = arg;

    b->removed++;
    b->removed_on = loop_current();
}

static void bench_open(struct bench *b, bool cdrom)
{
    struct drive_config config = {
        .id = "ide-5632", .cdrom = cdrom, .serial = "S1", .disk = new_disk()
    };
    struct error err;

    memset(b, 0, sizeof(*b));
    b->accepts = true;
    CHECK_EQ(loop_open(&b->machine, "machine", &err), 0);
    CHECK_EQ(loop_open(&b->device, "device", &err), 0);
    CHECK_EQ(drive_open(&b->drive, &config, &err), 0);
    drive_set_home(b->drive, b->machine);
    CHECK_EQ(drive_attach(b->drive, b->device, &ops, b, &err), 0);
}

static void settle(struct bench *b)
{
    for (int i = 0; i < 10; i++) {
        loop_step(b->machine);
        loop_step(b->device);
    }
}

static void bench_close(struct bench *b)
{
    drive_detach(b->drive);
    settle(b);
    drive_close(b->drive);
    loop_close(b->machine);
    loop_close(b->device);
}

static int change(struct bench *b, struct disk *disk, bool force, struct error *err)
{
    int rc = drive_change(b->drive, disk, force, done, b, err);

    if (rc < 0)
        disk_close(disk);
    return rc;
}

TEST(a_change_asks_the_device_on_its_loop_and_ends_on_the_machines)
{
    struct bench b;
    struct error err;
    struct disk *next;

    bench_open(&b, true);
    next = new_disk();
    CHECK_EQ(change(&b, next, false, &err), 0);
    CHECK_EQ(b.asked, 0); /* not inside the call */
    settle(&b);
    CHECK_EQ(b.asked, 1);
    CHECK(b.next == next);
    CHECK_EQ(b.done, 1);
    CHECK(b.done_on == b.machine);
    CHECK(drive_disk(b.drive) == next);
    CHECK(!drive_tray_open(b.drive));
    CHECK_EQ(change(&b, NULL, false, &err), 0);
    settle(&b);
    CHECK(drive_disk(b.drive) == NULL);
    CHECK(drive_tray_open(b.drive));
    bench_close(&b);
}

TEST(until_the_device_accepts_the_old_medium_stays)
{
    struct bench b;
    struct error err;
    struct disk *old;

    bench_open(&b, true);
    old = drive_disk(b.drive);
    b.accepts = false;
    CHECK_EQ(change(&b, NULL, false, &err), 0);
    settle(&b);
    CHECK(drive_disk(b.drive) == old);
    CHECK_EQ(b.done, 0);
    CHECK_EQ(change(&b, NULL, false, &err), -EBUSY);
    CHECK_SAYS(err, "under way");
    drive_accept(b.drive);
    settle(&b);
    CHECK_EQ(b.done, 1);
    drive_accept(b.drive); /* nothing to accept */
    bench_close(&b);
}

TEST(a_device_that_goes_away_lets_the_change_end)
{
    struct bench b;
    struct error err;

    bench_open(&b, true);
    b.accepts = false;
    CHECK_EQ(change(&b, new_disk(), false, &err), 0);
    settle(&b);
    drive_detach(b.drive);
    settle(&b);
    CHECK_EQ(b.done, 1);
    CHECK_EQ(change(&b, NULL, false, &err), 0); /* nobody to ask */
    settle(&b);
    CHECK_EQ(b.done, 2);
    bench_close(&b);
}

TEST(messages_that_die_with_their_loops_leak_nothing)
{
    struct bench b;
    struct error err;

    bench_open(&b, true);
    CHECK_EQ(change(&b, new_disk(), false, &err), 0);
    drive_close(b.drive);
    loop_close(b.machine);
    loop_close(b.device);
}

TEST(a_locked_drive_is_busy_unless_forced)
{
    struct bench b;
    struct error err;

    bench_open(&b, true);
    drive_set_locked(b.drive, true);
    CHECK_EQ(change(&b, NULL, false, &err), -EBUSY);
    CHECK_SAYS(err, "locked");
    settle(&b);
    CHECK_EQ(b.ejects, 1);
    CHECK_EQ(change(&b, NULL, true, &err), 0);
    settle(&b);
    CHECK(!drive_locked(b.drive));
    bench_close(&b);
}

TEST(a_hard_disk_has_no_removable_medium_but_can_be_removed)
{
    struct bench b;
    struct error err;

    bench_open(&b, false);
    CHECK_EQ(change(&b, NULL, true, &err), -EINVAL);
    CHECK_SAYS(err, "no removable medium");
    drive_remove(b.drive, removed, &b);
    CHECK(drive_disk(b.drive) == NULL);
    CHECK_EQ(b.removed, 0);
    settle(&b);
    CHECK_EQ(b.removed, 1);
    CHECK(b.removed_on == b.device);
    bench_close(&b);
}

TEST(one_device_has_a_drive_at_a_time)
{
    struct bench b;
    struct error err;

    bench_open(&b, true);
    CHECK_EQ(drive_attach(b.drive, b.device, &ops, &b, &err), -EBUSY);
    CHECK_SAYS(err, "ide-5632");
    CHECK_STR(drive_id(b.drive), "ide-5632");
    CHECK_STR(drive_serial(b.drive), "S1");
    CHECK(drive_is_cdrom(b.drive) && drive_readonly(b.drive));
    bench_close(&b);
}
