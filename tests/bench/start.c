/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From exec to `running`, and what the process weighs then. */
#include <signal.h>
#include <unistd.h>
#include "tests/bench/bench.h"

#define END_MS 5000
#define SETTLE_US 300000 /* until what starts beside has started */

static const char *const nic[] = { "-device", "e1000,netdev=net0,mac=00:16:3e:00:00:01", "-netdev",
                                   "type=tap,id=net0,ifname=simxen0,script=no,downscript=no",
                                   NULL };

static struct dm open_full(bool stock, bool vnc, bool tap)
{
    struct dm_config config = { .stock = stock, .vcpus = 1, .vga = "VGA", .vnc = vnc,
                                .disk = bench_disk(), .more = tap ? nic : NULL };
    struct dm dm;

    dm_open(&dm, &config);
    return dm;
}

static double start_ms(bool stock, unsigned vnc)
{
    struct dm dm = open_full(stock, vnc, false);
    double ms = (double)(dm.running_ns - dm.start_ns) / 1e6;

    dm_close(&dm, SIGTERM, END_MS);
    return ms;
}

enum { PRIVATE, RESIDENT };

static double weight_mib(bool stock, unsigned which)
{
    struct dm dm = open_full(stock, true, false);
    struct dm_memory m;

    usleep(SETTLE_US);
    m = dm_memory(&dm, false);
    dm_close(&dm, SIGTERM, END_MS);
    return (which == PRIVATE ? m.uss : m.rss) / 1024.0;
}

const struct bench_case start_cases[] = {
    { "start", "exec to running, one disk, VGA", "ms", true, 10, 15, start_ms, false },
    { "start_vnc", "exec to running, with VNC", "ms", true, 5, 15, start_ms, true },
    { "memory_private", "private memory, one disk, VGA, VNC", "MiB", true, 0, 3, weight_mib,
      PRIVATE },
    { "memory_resident", "resident memory, the same", "MiB", true, 0, 3, weight_mib, RESIDENT },
    { 0 },
};
