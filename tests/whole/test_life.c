/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a domain's life ends, as the toolstack and Xen see it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <xen/sched.h>
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"

#define END_MS 30000
#define PM (1 << 3 | 3)
#define PM_BASE 0xb000 /* where hvmloader puts it */

static const struct dm_config config = { .vcpus = 2, .vga = "VGA" };

TEST(a_domain_that_is_gone_takes_its_device_model_along)
{
    struct dm dm;

    dm_open(&dm, &config);
    simxen()->dying = true;
    store_fire("@releaseDomain");
    CHECK_EQ(dm_close(&dm, 0, END_MS), 0);
}

TEST(another_domains_release_does_not_end_it)
{
    struct dm dm;

    dm_open(&dm, &config);
    store_fire("@releaseDomain");
    CHECK_EQ(guest_config_read(0, 0, 0, 4), 0x12378086);
    CHECK_EQ(dm_close(&dm, 0, 300), -1);
}

TEST(the_reset_port_is_a_reboot_before_it_is_answered)
{
    struct dm dm;

    dm_open(&dm, &config);
    guest_out(0, 0xcf9, 1, 0x02);
    CHECK(!simxen()->shut_down);
    guest_out(0, 0xcf9, 1, 0x06);
    CHECK(simxen()->shut_down);
    CHECK_EQ(simxen()->shutdown_reason, SHUTDOWN_reboot);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

TEST(the_acpi_sleep_button_of_the_chipset_is_a_power_off)
{
    struct dm dm;

    dm_open(&dm, &config);
    guest_config_write(0, PM, 0x40, 4, PM_BASE | 1);
    guest_config_write(0, PM, 0x80, 1, 1);
    guest_out(0, PM_BASE + 4, 2, 0x2000); /* SLP_EN, S5 */
    CHECK(simxen()->shut_down);
    CHECK_EQ(simxen()->shutdown_reason, SHUTDOWN_poweroff);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

/* The first look at a system by libxl: everything it has made goes with it. */
TEST(what_it_took_from_xen_is_given_back_at_the_end)
{
    unsigned servers = 0, ports = 0;
    struct dm dm;

    dm_open(&dm, &config);
    CHECK_EQ(dm_end(&dm, SIGTERM, END_MS), 0);
    for (unsigned i = 0; i < SIMXEN_SERVERS; i++)
        servers += simxen()->servers[i].used;
    for (unsigned i = 0; i < SIMXEN_PORTS; i++)
        ports += simxen()->locals[i].used + simxen()->remotes[i].used;
    dm_close(&dm, 0, 0);
    CHECK_EQ(servers, 0);
    CHECK_EQ(ports, 0);
}

/* A kill leaves the domain with servers that nobody serves: nothing of ours may hang on it. */
TEST(a_second_device_model_can_follow_a_first_that_was_killed)
{
    struct dm dm;

    dm_open(&dm, &config);
    dm_close(&dm, SIGKILL, END_MS);
    dm_open(&dm, &config);
    CHECK_EQ(guest_config_read(1, 0, 0, 4), 0x12378086);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}
