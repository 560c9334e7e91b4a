/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dm_restrict=1: what a device model that gave up root has left, and that PV disks work all the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/guest/blk.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/qmp.h"
#include "tests/whole/run.h"

#define END_MS 20000
#define DISK_BYTES (4u << 20)
#define FAR (3u << 20) /* past what libxl leaves of a file: 256 KiB */
#define MEMORY 0x2000000u
#define USER 64001

static const struct guest_blk_config plain = { .depth = 8, .pages = 16, .memory = MEMORY };
static const unsigned devids[] = { 51712, 51776 }; /* xvda, as an IDE drive too, and xvde */
static char root[64], images[3][80];
static struct guest_blk disks[3];

static void make_images(void)
{
    strcpy(root, "/dev/shm/simxen-root-XXXXXX");
    CHECK(mkdtemp(root));
    for (int i = 0; i < 3; i++) {
        int fd;

        strcpy(images[i], "/dev/shm/simxen-res-XXXXXX");
        fd = mkstemp(images[i]);
        CHECK_EQ(ftruncate(fd, DISK_BYTES), 0);
        close(fd);
    }
}

static void add_disk(unsigned i, unsigned devid)
{
    char params[96];

    snprintf(params, sizeof(params), "aio:%s", images[i]);
    guest_blk_add(&disks[i], devid, params, false);
}

static void limit_files(rlim_t most)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = most;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* What libxl does before it starts us. */
static void without_disks(void)
{
    limit_files(256 << 10);
}

static void with_disks(void)
{
    for (unsigned i = 0; i < 2; i++)
        add_disk(i, devids[i]);
    limit_files(256 << 10);
}

/* "Uid:\t64001\t..." in /proc/PID/status. */
static bool is_powerless(pid_t pid)
{
    char path[64], line[256], want[32];
    bool found = false;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    snprintf(want, sizeof(want), "Uid:\t%u\t%u\t%u\t%u", USER, USER, USER, USER);
    f = fopen(path, "r");
    CHECK(f);
    while (fgets(line, sizeof(line), f))
        found |= !strncmp(line, want, strlen(want));
    fclose(f);
    return found;
}

/* `running` is said before the last steps. */
static void await_powerless(pid_t pid)
{
    uint64_t start = now_ns();
    char path[64], where[128] = "";

    while (!is_powerless(pid) && now_ns() - start < END_MS * 1000000ull)
        usleep(1000);
    CHECK(is_powerless(pid));
    snprintf(path, sizeof(path), "/proc/%d/root", pid);
    CHECK(readlink(path, where, sizeof(where) - 1) > 0);
    CHECK_STR(where, root);
}

static void open_restricted(struct dm *dm, bool attached, void (*before)(void))
{
    char user[32];
    const char *more[] = { "-xen-domid-restrict", "-chroot", root, "-runas", user, NULL };
    struct dm_config config = { .vcpus = 1, .attached = attached, .more = more,
                                .before = before };

    snprintf(user, sizeof(user), "%u:%u", USER, USER);
    make_images();
    config.disk = attached ? NULL : images[0];
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* leaks are looked for in /proc, which a chroot has not */
    dm_open(dm, &config);
    unsetenv("ASAN_OPTIONS");
    limit_files(RLIM_INFINITY);
    await_powerless(dm->pid);
}

static void close_restricted(struct dm *dm)
{
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
    for (int i = 0; i < 3; i++)
        unlink(images[i]);
    CHECK_EQ(rmdir(root), 0);
}

/* The one process that a process has started; 0: none. */
static pid_t child_of(pid_t pid)
{
    char path[64];
    int child = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    f = fopen(path, "r");
    CHECK(f);
    if (fscanf(f, "%d", &child) != 1)
        child = 0;
    fclose(f);
    return child;
}

static void write_far(unsigned i, uint8_t byte)
{
    uint8_t got[2] = { 0 };
    int fd = open(images[i], O_RDONLY);

    memset(guest_blk_buffer(&disks[i], 0, 0), byte, 65536);
    CHECK_EQ(guest_blk_do(&disks[i], 0, GUEST_BLK_WRITE, FAR / 512, 65536), 0);
    CHECK_EQ(guest_blk_do(&disks[i], 0, GUEST_BLK_FLUSH, 0, 0), 0);
    CHECK_EQ(pread(fd, got, 1, FAR), 1);
    CHECK_EQ(pread(fd, got + 1, 1, FAR + 65535), 1);
    close(fd);
    CHECK_EQ(got[0], byte);
    CHECK_EQ(got[1], byte);
}

/* Of an HVM guest; or the process for the backends of a PVH guest. */
static void serve(bool attached)
{
    pid_t keeper;
    struct dm dm;

    if (geteuid()) {
        skip();
        return;
    }
    open_restricted(&dm, attached, with_disks);
    keeper = child_of(dm.pid);
    CHECK(keeper);
    await_powerless(keeper);
    for (unsigned round = 1; round <= 3; round++)
        for (unsigned i = 0; i < 2; i++) {
            CHECK(guest_blk_connect(&disks[i], &plain));
            write_far(i, (uint8_t)(round * 16 + i));
            CHECK(guest_blk_disconnect(&disks[i]));
            guest_pv_state(&disks[i].pv, 1);
        }
    CHECK(guest_pv_remove(&disks[1].pv));
    CHECK(guest_blk_connect(&disks[0], &plain));
    write_far(0, 99);
    CHECK(guest_blk_disconnect(&disks[0]));
    close_restricted(&dm);
    CHECK_EQ(kill(keeper, 0), -1);
    CHECK_EQ(errno, ESRCH);
}

TEST(pv_disks_are_served_by_a_process_without_root_and_files_and_come_and_go_with_their_frontends)
{
    serve(false);
}

TEST(those_of_a_guest_without_emulated_devices_too)
{
    serve(true);
}

TEST(a_disk_that_comes_later_is_refused_with_a_sentence)
{
    char path[128], *why = NULL;
    uint64_t start;
    struct dm dm;

    if (geteuid()) {
        skip();
        return;
    }
    open_restricted(&dm, false, with_disks);
    add_disk(2, 51792);
    snprintf(path, sizeof(path), "%s/error", disks[2].pv.back);
    for (start = now_ns(); !why && now_ns() - start < END_MS * 1000000ull; usleep(1000))
        why = store_get(path);
    CHECK(why);
    if (!strstr(why, "dm_restrict=1"))
        fail_msg("the node error says: %s", why);
    free(why);
    CHECK(guest_blk_connect(&disks[1], &plain));
    write_far(1, 7);
    CHECK(guest_blk_disconnect(&disks[1]));
    close_restricted(&dm);
}

TEST(without_pv_disks_it_has_neither_xenstore_nor_grants)
{
    char line[512];
    bool said = false;
    struct dm dm;
    FILE *f;

    if (geteuid()) {
        skip();
        return;
    }
    open_restricted(&dm, false, without_disks);
    CHECK_EQ(child_of(dm.pid), 0);
    f = fopen(dm.log, "r");
    CHECK(f);
    while (fgets(line, sizeof(line), f))
        said |= strstr(line, "no PV devices are served") != NULL;
    fclose(f);
    CHECK(said);
    close_restricted(&dm);
}
