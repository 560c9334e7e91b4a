/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debian's QEMU, unmodified, on the pretend Xen: what runs there is what Xen would run, and it is
 * both the oracle and the yardstick of the tests to come.
 */
#define _GNU_SOURCE
#include <signal.h>
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/whole/run.h"

#define END_MS 30000

static void open_stock(struct dm *dm)
{
    struct dm_config config = { .stock = true, .vcpus = 2, .vga = "VGA" };

    dm_open(dm, &config);
}

TEST(stock_qemu_runs_answers_and_ends)
{
    struct dm dm;

    open_stock(&dm);
    CHECK_EQ(guest_config_read(0, 0, 0, 4), 0x12378086);
    CHECK_EQ(guest_config_read(1, 1 << 3 | 1, 0, 4), 0x70108086);
    CHECK_EQ(guest_config_read(0, 3 << 3, 0, 4), 0x11111234);
    CHECK_EQ(guest_config_read(0, 4 << 3, 0, 4), 0xffffffff);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

TEST(stock_qemu_has_its_video_memory_where_the_bar_is)
{
    uint64_t bar;
    struct dm dm;

    open_stock(&dm);
    guest_pci_setup();
    bar = guest_bar(3 << 3, 0);
    CHECK(bar);
    CHECK(guest_page(bar)); /* moved there, and kept in the cache */
    CHECK(guest_page(bar + (16 << 20) - 1));
    CHECK_EQ(simxen()->seen.pins, 1);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}
