/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that does nothing: it should cost nothing. */
#include <signal.h>
#include <unistd.h>
#include "tests/bench/bench.h"
#include "tests/whole/viewer.h"
#include "tests/guest/guest.h"
#include "tests/guest/vga.h"

#define END_MS 5000
#define SETTLE_US 3000000 /* until both look at the screen as seldom as they ever do */
#define FOR_US 2000000u

#define VIEWER 1u /* a viewer has asked for what changes */
#define CPU 2u    /* CPU time, not wake-ups */

static double idle(bool stock, unsigned variant)
{
    static const char *const usb[] = { "-usb", "-device", "usb-tablet", NULL };
    struct dm_config config = { .stock = stock, .vcpus = 1, .vga = "VGA", .vnc = true,
                                .disk = bench_disk(), .more = usb };
    uint64_t cpu, switches;
    struct viewer v;
    struct dm dm;

    dm_open(&dm, &config);
    guest_pci_setup();
    guest_vga_mode(0, GUEST_VGA_TEXT);
    if (variant & VIEWER) {
        viewer_open(&v, &dm);
        viewer_ask(&v, false);
        viewer_update(&v, END_MS);
        viewer_ask(&v, true);
    }
    usleep(SETTLE_US);
    cpu = bench_cpu_ns(&dm);
    switches = bench_switches(&dm);
    usleep(FOR_US);
    cpu = bench_cpu_ns(&dm) - cpu;
    switches = bench_switches(&dm) - switches;
    if (variant & VIEWER)
        viewer_close(&v);
    dm_close(&dm, SIGTERM, END_MS);
    /* nothing at all is shown as the least that can be told from it */
    return variant & CPU ? (double)(cpu ? cpu : 1) / (FOR_US * 1e3) * 100
                         : (double)(switches ? switches : 1) / (FOR_US / 1e6);
}

const struct bench_case idle_cases[] = {
    { "idle_wakeups", "idle guest, wake-ups per second", "/s", true, 0, 2, idle, 0 },
    { "idle_cpu", "idle guest, CPU", "%", true, 0, 2, idle, CPU },
    { "idle_wakeups_vnc", "idle guest, wake-ups, VNC viewer", "/s", true, 0, 2, idle, VIEWER },
    { "idle_cpu_vnc", "idle guest, CPU, VNC viewer", "%", true, 0, 2, idle, VIEWER | CPU },
    { 0 },
};
