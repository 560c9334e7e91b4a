/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backend processes that libxl does not start with a guest, by the words of those who do: dom0's own service,
 * and `xl devd` in a driver domain, which Xen tells nothing about the domain that is served.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "tests/guest/blk.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"

#define END_MS 20000
#define DISK_BYTES (4u << 20)
#define PID_NODE "/local/domain/7/image/device-model-pid"

static const char devd[] = "-xen-domid 7 -xen-attach -name domain-7 -nographic -M xenpv -monitor /dev/null "
                           "-serial /dev/null -parallel /dev/null";

/* A disk is served: written and read, and let go of. */
static void serves(void)
{
    struct guest_blk_config c = { .depth = 4, .pages = 8, .memory = 0x2000000 };
    char image[] = "/dev/shm/simxen-role-XXXXXX", params[64];
    int fd = mkstemp(image);
    struct guest_blk b;

    CHECK_EQ(ftruncate(fd, DISK_BYTES), 0);
    close(fd);
    snprintf(params, sizeof(params), "aio:%s", image);
    guest_blk_add(&b, 51712, params, false);
    CHECK(guest_blk_connect(&b, &c));
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_WRITE, 8, 4096), 0);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_READ, 8, 4096), 0);
    CHECK(guest_blk_disconnect(&b));
    CHECK(guest_pv_remove(&b.pv));
    CHECK_EQ(simxen()->live_grants, 0);
    unlink(image);
}

TEST(a_process_of_xl_devds_serves_a_domain_that_it_may_not_ask_about)
{
    static const struct dm_config config = { .vcpus = 1, .role = devd, .driver = true };
    struct dm dm;

    dm_open(&dm, &config);
    store_fire("@releaseDomain"); /* some domain's: it is no sign of this one's end */
    serves();
    CHECK_EQ(store_get(PID_NODE), NULL); /* xl notes it, elsewhere */
    CHECK_EQ(dm_close(&dm, SIGHUP, END_MS), 0);
}

TEST(a_process_of_xl_devds_sees_the_domains_end_for_itself)
{
    static const struct dm_config config = { .vcpus = 1, .role = devd, .driver = true };
    struct dm dm;

    dm_open(&dm, &config);
    serves();
    simxen()->dying = true;
    CHECK_EQ(dm_close(&dm, 0, 2 * END_MS), 0); /* it looks every 5 seconds */
}

TEST(a_process_of_xl_devds_in_dom0_ends_with_the_domain)
{
    static const struct dm_config config = { .vcpus = 1, .role = devd };
    struct dm dm;

    dm_open(&dm, &config);
    serves();
    simxen()->dying = true;
    store_fire("@releaseDomain");
    CHECK_EQ(dm_close(&dm, 0, END_MS), 0);
}

/* To the end of its life, by the words of an init script or a unit. */
static void service(const char *words)
{
    char pidfile[64], pid[16], *noted;
    const char *const more[] = { "-pidfile", pidfile, NULL };
    const struct dm_config config = { .vcpus = 1, .role = words, .more = more };
    struct dm dm;

    snprintf(pidfile, sizeof(pidfile), "/tmp/xen-dm-role-%d.pid", (int)getpid());
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* or it would be init's child when its parent has ended */
    dm_open(&dm, &config);
    dm_follow(&dm, pidfile);
    noted = store_get(PID_NODE);
    CHECK(noted); /* or libxl would not add a disk */
    snprintf(pid, sizeof(pid), "%d", (int)dm.pid);
    CHECK_STR(noted, pid);
    free(noted);
    for (unsigned i = 0; i < 3; i++)
        serves();
    CHECK_EQ(dm_end(&dm, SIGTERM, END_MS), 0);
    CHECK_EQ(store_get(PID_NODE), NULL);
    CHECK(access(pidfile, F_OK) < 0);
    dm_close(&dm, 0, END_MS);
}

TEST(dom0s_service_by_debians_words)
{
    service("-xen-domid 7 -xen-attach -name dom0 -nographic -M xenpv -daemonize -monitor none -serial none "
            "-parallel none");
}

TEST(dom0s_service_by_xens_words)
{
    service("-xen-domid 7 -xen-attach -name dom0 -nographic -M xenpv -daemonize -monitor /dev/null "
            "-serial /dev/null -parallel /dev/null -nodefaults -no-user-config");
}
