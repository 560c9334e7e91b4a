/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host's administrator does with PV disks: sizes, full file systems, media, questions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/guest/blk.h"
#include "tests/guest/guest.h"
#include "tests/guest/ide.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/qmp.h"
#include "tests/whole/run.h"

#define END_MS 30000
#define DISK_BYTES (4u << 20)
#define SECTORS (DISK_BYTES / 512)
#define MEMORY 0x2000000u
#define DEVID 51712

static const struct guest_blk_config plain = { .depth = 8, .pages = 16, .memory = MEMORY };
static char image[64], params[96];

/* An image with this byte everywhere; 0: with holes. */
static void make_image(char path[64], uint8_t byte)
{
    char *bytes = malloc(DISK_BYTES);
    int fd;

    strcpy(path, "/dev/shm/simxen-adm-XXXXXX");
    fd = mkstemp(path);
    memset(bytes, byte, DISK_BYTES);
    CHECK_EQ(byte ? write(fd, bytes, DISK_BYTES) : ftruncate(fd, DISK_BYTES),
             byte ? DISK_BYTES : 0);
    close(fd);
    free(bytes);
}

static int open_pc(struct dm *dm, struct guest_blk *b, bool shared)
{
    struct dm_config config = { .vcpus = 1, .disk = shared ? image : NULL };

    make_image(image, 0);
    dm_open(dm, &config);
    snprintf(params, sizeof(params), "aio:%s", image);
    guest_blk_add(b, DEVID, params, false);
    return qmp_open(dm->qmp);
}

static void close_pc(struct dm *dm, int qmp)
{
    close(qmp);
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
    unlink(image);
}

static void says(int qmp, const char *command, const char *part)
{
    char *answer = qmp_say(qmp, command);

    if (!answer || !strstr(answer, part))
        fail_msg("said without %s: %s", part, answer ? answer : "nothing");
    free(answer);
}

static void await_sectors(struct guest_blk *b, uint64_t sectors)
{
    uint64_t start = now_ns();

    while (guest_pv_number(b->pv.back, "sectors", 0) != sectors &&
           now_ns() - start < END_MS * 1000000ull)
        usleep(1000);
    CHECK_EQ(guest_pv_number(b->pv.back, "sectors", 0), sectors);
}

/* ---- Sizes ---- */

#define TIB (1ull << 40)

/* A byte everywhere in 64 KiB from this sector on, and zeroes a whole 2 TiB below, where 32 bits wrap. */
static void fill_and_look(struct guest_blk *b, uint64_t sector, uint8_t byte)
{
    uint8_t *buffer = guest_blk_buffer(b, 0, 0);

    memset(buffer, byte, 65536);
    CHECK_EQ(guest_blk_do(b, 0, GUEST_BLK_WRITE, sector, 65536), 0);
    memset(buffer, 0xee, 65536);
    CHECK_EQ(guest_blk_do(b, 0, GUEST_BLK_READ, sector, 65536), 0);
    CHECK(buffer[0] == byte && buffer[65535] == byte);
    CHECK_EQ(guest_blk_do(b, 0, GUEST_BLK_READ, sector - (2 * TIB >> 9), 65536), 0);
    CHECK(!buffer[0] && !buffer[65535]);
}

static void is_large(const char *format)
{
    static const char *const more[] = { "-global", "xen-disk.l2-cache-size=65536", NULL };
    struct dm_config config = { .vcpus = 1, .more = more };
    uint64_t sectors = 3 * TIB >> 9;
    struct guest_blk b;
    char command[160];
    struct dm dm;

    strcpy(image, "/dev/shm/simxen-adm-XXXXXX");
    close(mkstemp(image));
    snprintf(command, sizeof(command), "qemu-img create -q -f %s %s 3T", format, image);
    CHECK_EQ(system(command), 0);
    dm_open(&dm, &config);
    snprintf(params, sizeof(params), "%s:%s", !strcmp(format, "raw") ? "aio" : format, image);
    guest_blk_add(&b, DEVID, params, false);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(b.sectors, sectors);
    for (unsigned i = 0; i < 32; i++) /* each with a table of its own, and room for one of them */
        fill_and_look(&b, (5 * TIB / 2 >> 9) + i * (16ull << 30 >> 9) + i * 8, (uint8_t)(i + 1));
    fill_and_look(&b, sectors - 128, 0x77);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_READ, sectors - 127, 65536), -1);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_FLUSH, 0, 0), 0);
    CHECK(guest_blk_disconnect(&b));
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
    if (strcmp(format, "raw")) {
        snprintf(command, sizeof(command), "qemu-img check -q -f %s %s", format, image);
        CHECK_EQ(system(command), 0);
    }
    unlink(image);
}

TEST(a_raw_disk_over_two_tebibytes)
{
    is_large("raw");
}

TEST(a_qcow2_disk_over_two_tebibytes_with_a_small_cache_of_tables)
{
    is_large("qcow2");
}

/* What the emulated drive says it has. */
static uint64_t identified(struct guest_ide *ide)
{
    uint16_t words[256];

    CHECK_EQ(guest_ide_identify(ide, GUEST_IDENTIFY, words) & 0x89, 0);
    return words[100] | (uint64_t)words[101] << 16 | (uint64_t)words[102] << 32;
}

static void resize(bool shared)
{
    struct guest_ide ide;
    struct guest_blk b;
    struct stat st;
    struct dm dm;
    int qmp = open_pc(&dm, &b, shared);

    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_WRITE, SECTORS, 4096), -1);
    says(qmp, "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"xvda\",\"size\":1048576}}\n",
         "does not shrink");
    says(qmp, "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"xvdz\",\"size\":9437184}}\n",
         "DeviceNotFound");
    says(qmp, "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"xvda\",\"size\":8388609}}\n",
         "no multiple");
    if (shared) {
        guest_pci_setup();
        guest_ide_open(&ide, 0, 0, MEMORY + 0x800000);
        CHECK_EQ(identified(&ide), SECTORS);
    }
    guest_pv_put(b.pv.back, "state", "9"); /* to see it written again */
    says(qmp, "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"xvda\",\"size\":8388608}}\n",
         "return");
    CHECK(guest_pv_await(&b.pv, 4));
    await_sectors(&b, 2 * SECTORS);
    CHECK_EQ(stat(image, &st), 0);
    CHECK_EQ(st.st_size, 2 * DISK_BYTES);
    memset(guest_blk_buffer(&b, 0, 0), 0x77, 4096);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_WRITE, 2 * SECTORS - 8, 4096), 0);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_WRITE, 2 * SECTORS, 4096), -1);
    if (shared) /* no IDE disk grows while a driver has it: after a reset */
        CHECK_EQ(identified(&ide), SECTORS);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm, qmp);
}

TEST(a_disk_grows_while_a_frontend_uses_it)
{
    resize(false);
}

TEST(a_disk_that_an_emulated_drive_has_too_grows_for_both)
{
    resize(true);
}

/* Its tables are written by another thread, so the command is answered when that has ended. */
TEST(a_qcow2_grows_in_use_and_a_vhd_says_that_it_does_not)
{
    static const char *const formats[2][2] = { { "qcow2", "qcow2" }, { "vpc", "vhd" } };

    for (int i = 0; i < 2; i++) {
        struct dm_config config = { .vcpus = 1 };
        char command[160];
        struct guest_blk b;
        struct dm dm;
        int qmp;

        make_image(image, 0);
        snprintf(command, sizeof(command), "qemu-img create -q -f %s -o %s %s 4M", formats[i][0],
                 i ? "force_size=on" : "cluster_size=512", image);
        CHECK_EQ(system(command), 0);
        dm_open(&dm, &config);
        snprintf(params, sizeof(params), "%s:%s", formats[i][1], image);
        guest_blk_add(&b, DEVID, params, false);
        qmp = qmp_open(dm.qmp);
        CHECK(guest_blk_connect(&b, &plain));
        says(qmp, "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"xvda\",\"size\":8388608}}\n",
             i ? "format vpc does not change its size in use" : "return");
        CHECK_EQ(guest_pv_number(b.pv.back, "sectors", 0), (i ? 1 : 2) * SECTORS);
        memset(guest_blk_buffer(&b, 0, 0), 0x77, 4096);
        CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_WRITE, 2 * SECTORS - 8, 4096), i ? -1 : 0);
        CHECK(guest_blk_disconnect(&b));
        close_pc(&dm, qmp);
    }
}

/* libxl tells the emulated drive nothing of discards, and the backend whether to. */
TEST(a_disk_that_an_emulated_drive_has_too_is_discarded_where_the_toolstack_says_so)
{
    struct guest_blk b;
    struct stat st;
    struct dm dm;
    int qmp = open_pc(&dm, &b, true), status;

    for (int allowed = 1; allowed >= 0; allowed--) { /* which is what a missing node says */
        CHECK(guest_blk_connect(&b, &plain));
        CHECK_EQ(guest_pv_number(b.pv.back, "feature-discard", 9), allowed);
        memset(guest_blk_buffer(&b, 0, 0), 7, 65536);
        CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_WRITE, 128, 65536), 0);
        CHECK(guest_blk_put_discard(&b, 0, 0, 128, 128));
        guest_blk_kick(&b, 0);
        CHECK(guest_blk_take(&b, 0, &(unsigned){ 0 }, &status, END_MS));
        CHECK_EQ(status, allowed ? 0 : -2);
        CHECK_EQ(stat(image, &st), 0);
        CHECK_EQ(st.st_blocks, allowed ? 0 : 128);
        CHECK(guest_blk_disconnect(&b));
        guest_pv_put(b.pv.back, "discard-enable", "0");
        guest_pv_state(&b.pv, 1);
    }
    close_pc(&dm, qmp);
}

TEST(an_image_that_grew_by_itself_is_seen_when_the_toolstack_writes_or_a_frontend_connects)
{
    struct guest_blk b;
    struct dm dm;
    int qmp = open_pc(&dm, &b, true);

    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(b.sectors, SECTORS);
    CHECK_EQ(truncate(image, 2 * DISK_BYTES), 0);
    guest_pv_put(b.pv.back, "params", "%s", params);
    await_sectors(&b, 2 * SECTORS);
    CHECK(guest_blk_disconnect(&b));
    CHECK_EQ(truncate(image, 3 * DISK_BYTES), 0);
    guest_pv_state(&b.pv, 1);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(b.sectors, 3 * SECTORS);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm, qmp);
}

/* ---- Questions ---- */

TEST(pv_disks_are_in_lists_and_metrics_by_the_name_the_toolstack_has_for_them)
{
    struct guest_blk_config c = { .depth = 8, .pages = 16, .queues = 2, .persistent = true,
                                  .memory = MEMORY };
    struct guest_blk b;
    struct dm dm;
    int qmp = open_pc(&dm, &b, false);

    CHECK(guest_blk_connect(&b, &c));
    CHECK_EQ(guest_blk_do(&b, 1, GUEST_BLK_WRITE, 0, 8192), 0);
    CHECK_EQ(guest_blk_do(&b, 1, GUEST_BLK_FLUSH, 0, 0), 0);
    CHECK_EQ(guest_blk_do(&b, 1, GUEST_BLK_READ, SECTORS, 4096), -1);
    says(qmp, "{\"execute\":\"query-block\"}\n", "\"device\":\"xvda\"");
    says(qmp, "{\"execute\":\"query-block\"}\n", image);
    says(qmp, "{\"execute\":\"query-blockstats\"}\n", "\"wr_bytes\":8192");
    says(qmp,
         "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"info block\"}}\n",
         "vbd-51712, 2 queues");
    says(qmp, "{\"execute\":\"x-query-metrics\"}\n",
         "\"name\":\"xen_dm_vbd_bytes_total\",\"type\":\"counter\",\"labels\":{\"disk\":"
         "\"xvda\",\"queue\":\"1\",\"op\":\"write\"},\"value\":8192");
    says(qmp, "{\"execute\":\"x-query-metrics\"}\n",
         "\"name\":\"xen_dm_vbd_errors_total\",\"type\":\"counter\",\"labels\":{\"disk\":"
         "\"xvda\",\"queue\":\"1\"},\"value\":1");
    says(qmp, "{\"execute\":\"x-query-metrics\"}\n",
         "\"name\":\"xen_dm_vbd_persistent_pages\",\"type\":\"gauge\",\"labels\":{\"disk\":"
         "\"xvda\",\"queue\":\"1\"},\"value\":2");
    says(qmp, "{\"execute\":\"x-query-metrics\"}\n",
         "\"name\":\"xen_dm_vbd_seconds\",\"type\":\"histogram\",\"labels\":{\"disk\":\"xvda\","
         "\"queue\":\"1\",\"op\":\"flush\"},\"count\":1");
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm, qmp);
}

/* ---- Media ---- */

static uint8_t first_byte(struct guest_blk *b)
{
    CHECK_EQ(guest_blk_do(b, 0, GUEST_BLK_READ, 8, 4096), 0);
    return *guest_blk_buffer(b, 0, 0);
}

TEST(a_medium_that_changes_is_the_new_one_for_who_connects_and_the_old_one_for_who_is)
{
    char other[64], path[96];
    struct guest_blk b;
    struct dm dm;
    int qmp;

    make_image(other, 0xbb);
    snprintf(path, sizeof(path), "aio:%s", other);
    qmp = open_pc(&dm, &b, false);
    CHECK(guest_pv_await(&b.pv, 2)); /* the first one is open */
    guest_pv_put(b.pv.back, "params", "%s", ""); /* as `xl cd-insert` does it */
    guest_pv_put(b.pv.back, "params", "%s", path);
    while (!guest_blk_connect(&b, &plain))
        ;
    CHECK_EQ(first_byte(&b), 0xbb);
    guest_pv_put(b.pv.back, "params", "%s", "");
    CHECK_EQ(first_byte(&b), 0xbb);
    CHECK(guest_blk_disconnect(&b));
    guest_pv_state(&b.pv, 1); /* an empty drive: it waits */
    guest_pv_put(b.pv.back, "params", "%s", params);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(first_byte(&b), 0);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm, qmp);
    unlink(other);
}

/* ---- A host without room ---- */

#define SMALL "/tmp/simxen-small"

static bool mount_small(void)
{
    static int made;

    if (!made) {
        made = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 1 : -1;
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        mkdir(SMALL, 0700);
    }
    return made == 1 && mount("small", SMALL, "tmpfs", 0, "size=1m") == 0;
}

static void await_event(int qmp, const char *event, const char *part)
{
    char line[4096];

    for (size_t n = 0; read(qmp, line + n, 1) == 1 && n < sizeof(line) - 1;)
        if (line[n++] == '\n') {
            line[n] = 0;
            n = 0;
            if (!strstr(line, event))
                continue;
            if (!strstr(line, part))
                fail_msg("%s without %s", line, part);
            return;
        }
    fail_msg("no event %s", event);
}

static void fill_up(struct guest_blk *b, unsigned *good)
{
    int status = 0;

    for (*good = 0; *good < SECTORS / 128; ++*good) {
        memset(guest_blk_buffer(b, 0, 0), (int)*good + 1, 65536);
        CHECK(guest_blk_put(b, 0, 0, GUEST_BLK_WRITE, *good * 128, 65536, true));
        guest_blk_kick(b, 0);
        if (!guest_blk_take(b, 0, &(unsigned){ 0 }, &status, 500) || status)
            break;
    }
    CHECK(*good > 4 && *good <= 16);
}

static void hold_good(struct guest_blk *b, unsigned good)
{
    for (unsigned i = 0; i < good; i++) {
        CHECK_EQ(guest_blk_do(b, 0, GUEST_BLK_READ, i * 128, 4096), 0);
        CHECK_EQ(*guest_blk_buffer(b, 0, 0), i + 1);
    }
}

static int open_small_with(struct dm *dm, struct guest_blk *b, const char *const *more)
{
    struct dm_config config = { .vcpus = 1, .more = more };
    int fd;

    strcpy(image, SMALL "/disk");
    fd = open(image, O_RDWR | O_CREAT, 0600);
    CHECK_EQ(ftruncate(fd, DISK_BYTES), 0);
    close(fd);
    dm_open(dm, &config);
    snprintf(params, sizeof(params), "aio:%s", image);
    guest_blk_add(b, DEVID, params, false);
    CHECK(guest_blk_connect(b, &plain));
    return qmp_open(dm->qmp);
}

static void close_small(struct dm *dm, struct guest_blk *b, int qmp)
{
    CHECK(guest_blk_disconnect(b));
    close_pc(dm, qmp);
    umount(SMALL);
}

/* With this policy of the emulated drive beside it (NULL: there is none), and that of a second one. */
static int open_small(struct dm *dm, struct guest_blk *b, const char *werror, const char *second)
{
    char drive[2][160];
    const char *more[] = { "-drive", drive[0], second ? "-drive" : NULL, drive[1], NULL };

    for (int i = 0; i < 2; i++)
        snprintf(drive[i], sizeof(drive[i]),
                 "file=" SMALL "/disk,if=ide,index=%d,media=disk,format=raw,werror=%s", i,
                 i && second ? second : werror ? werror : "report");
    return open_small_with(dm, b, werror ? more : NULL);
}

TEST(a_full_file_system_is_an_error_to_the_guest_and_an_event_that_names_the_disk)
{
    struct guest_blk b;
    unsigned good;
    struct dm dm;
    int qmp;

    if (!mount_small()) {
        skip();
        return;
    }
    qmp = open_small(&dm, &b, NULL, NULL);
    fill_up(&b, &good);
    await_event(qmp, "BLOCK_IO_ERROR", "\"device\":\"xvda\"");
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_FLUSH, 0, 0), 0);
    hold_good(&b, good);
    close_small(&dm, &b, qmp);
}

/* How often the drive of this name was written to. */
static int writes_of(int qmp, const char *drive)
{
    char *answer = qmp_say(qmp, "{\"execute\":\"query-blockstats\"}\n"), *at;
    int n = -1;

    at = answer ? strstr(answer, drive) : NULL;
    at = at ? strstr(at, "wr_operations") : NULL;
    if (!at || sscanf(at, "wr_operations\": %d", &n) != 1)
        fail_msg("no writes of %s in %s", drive, answer ? answer : "nothing");
    free(answer);
    return n;
}

TEST(of_two_drives_with_one_image_the_first_is_the_one_a_pv_disk_shares_with_its_policy)
{
    struct guest_blk b;
    unsigned good;
    struct dm dm;
    int qmp;

    if (!mount_small()) {
        skip();
        return;
    }
    qmp = open_small(&dm, &b, "report", "stop");
    fill_up(&b, &good);
    await_event(qmp, "BLOCK_IO_ERROR", "\"action\":\"report\"");
    says(qmp, "{\"execute\":\"query-status\"}\n", "\"running\":true");
    CHECK(writes_of(qmp, "ide0-hd0") >= (int)good);
    CHECK_EQ(writes_of(qmp, "ide0-hd1"), 0);
    close_small(&dm, &b, qmp);
}

static void stops_and_goes_on(const char *const *global)
{
    struct guest_blk b;
    unsigned good, slot;
    struct dm dm;
    int qmp, status;

    if (!mount_small()) {
        skip();
        return;
    }
    qmp = global ? open_small_with(&dm, &b, global) : open_small(&dm, &b, "stop", NULL);
    fill_up(&b, &good);
    await_event(qmp, "BLOCK_IO_ERROR", "\"action\":\"stop\"");
    says(qmp, "{\"execute\":\"query-status\"}\n", "io-error");
    CHECK(!guest_blk_take(&b, 0, &slot, &status, 0));
    CHECK_EQ(mount("small", SMALL, "tmpfs", MS_REMOUNT, "size=16m"), 0);
    says(qmp, "{\"execute\":\"cont\"}\n", "return");
    CHECK(guest_blk_take(&b, 0, &slot, &status, END_MS));
    CHECK_EQ(status, 0);
    hold_good(&b, good + 1);
    close_small(&dm, &b, qmp);
}

TEST(werror_stop_keeps_the_request_until_the_machine_goes_on)
{
    stops_and_goes_on(NULL);
}

TEST(a_disk_without_an_emulated_drive_has_its_policy_from_global)
{
    static const char *const more[] = { "-global", "xen-disk.werror=stop", NULL };

    stops_and_goes_on(more);
}

TEST(a_machine_that_stopped_so_lets_its_frontend_go)
{
    struct guest_blk b;
    unsigned good;
    struct dm dm;
    int qmp;

    if (!mount_small()) {
        skip();
        return;
    }
    qmp = open_small(&dm, &b, "enospc", NULL);
    fill_up(&b, &good);
    await_event(qmp, "BLOCK_IO_ERROR", "\"nospace\":true");
    close_small(&dm, &b, qmp);
}
