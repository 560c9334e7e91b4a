/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV network backend beside a kernel that has one too: sysfs as such a kernel shows it, in a mount
 * namespace of this process's own.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/guest/net.h"
#include "tests/kit/check.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"
#include "tests/whole/wire.h"

#define END_MS 20000
#define DRIVER "/sys/bus/xen-backend/drivers/vif"

/* The kernel has xen-netback, and it has bound vif 7.1. */
static void make_kernel(void)
{
    static bool made;

    CHECK(wire_prepare());
    if (made)
        return;
    CHECK_EQ(unshare(CLONE_NEWNS), 0);
    CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_EQ(mount("sys", "/sys/bus", "tmpfs", 0, NULL), 0);
    CHECK_EQ(mkdir("/sys/bus/xen-backend", 0755), 0);
    CHECK_EQ(mkdir("/sys/bus/xen-backend/drivers", 0755), 0);
    CHECK_EQ(mkdir(DRIVER, 0755), 0);
    made = true;
}

/* Only the one that was given away is served, whatever the process was told. */
static void beside(const char *more)
{
    const char *const words[] = { "-device", more, NULL };
    struct dm_config config = { .vcpus = 1, .more = more ? words : NULL };
    struct guest_net theirs, ours, free;
    struct dm dm;

    make_kernel();
    CHECK_EQ(mkdir(DRIVER "/vif-7-1", 0755), 0);
    dm_open(&dm, &config);
    guest_net_add(&theirs, 0, "theirs0", NULL);
    guest_net_add(&ours, 1, WIRE_TAP, NULL);
    guest_pv_put(ours.pv.back, "feature-xdp-headroom", "1");
    guest_pv_put(ours.pv.back, "served-by", "device-model"); /* too early: it is not let go yet */
    guest_net_add(&free, 2, "free0", NULL);
    guest_pv_put(free.pv.back, "served-by", "device-model");
    CHECK(guest_pv_await(&free.pv, 2)); /* the others have been looked at by now */
    CHECK_EQ(guest_pv_number(ours.pv.back, "state", 0), 1);
    CHECK_EQ(rmdir(DRIVER "/vif-7-1"), 0);
    guest_pv_put(ours.pv.back, "served-by", "device-model");
    CHECK(guest_pv_await(&ours.pv, 2));
    CHECK(wire_exists(WIRE_TAP));
    CHECK_EQ(guest_pv_number(ours.pv.back, "feature-xdp-headroom", 7), 7);
    CHECK(guest_net_connect(&ours, &(struct guest_net_config){ .memory = 0x2000000 }));
    CHECK(guest_net_disconnect(&ours));
    CHECK_EQ(guest_pv_number(theirs.pv.back, "state", 0), 1);
    CHECK_EQ(guest_pv_number(theirs.pv.back, "feature-rx-copy", 7), 7);
    CHECK(!wire_exists("theirs0"));
    CHECK_EQ(dm_end(&dm, SIGTERM, END_MS), 0);
    CHECK_EQ(guest_pv_number(theirs.pv.back, "state", 0), 1); /* nor ended */
    dm_close(&dm, 0, END_MS);
}

TEST(cards_of_the_kernels_are_left_alone_and_one_that_it_let_go_is_served)
{
    beside(NULL);
}

TEST(a_process_that_is_asked_to_serve_cards_does_not_fight_the_kernel_for_them)
{
    beside("xen-netback");
}
