/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that draws all the time, and a viewer who looks. */
#include <signal.h>
#include <string.h>
#include "tests/bench/bench.h"
#include "tests/whole/viewer.h"
#include "tests/guest/guest.h"
#include "tests/guest/vga.h"
#include "tests/kit/check.h"

#define END_MS 5000
#define VGA (3 << 3)
#define WIDTH 1024u
#define HEIGHT 768u
#define SCREEN_BYTES (WIDTH * HEIGHT * 4)
#define FOR_NS 1500000000ull

static void draw(uint64_t lfb, unsigned shade)
{
    for (uint64_t at = lfb; at < lfb + SCREEN_BYTES; at += 4096) {
        uint8_t *page = guest_page(at);

        CHECK(page);
        memset(page, (int)shade, 4096);
        guest_touched(at);
    }
}

/* CPU time for each whole screen that reached the viewer, in milliseconds. */
static double redraw_ms(bool stock, unsigned variant)
{
    struct dm_config config = { .stock = stock, .vcpus = 1, .vga = "VGA", .vnc = true };
    uint64_t lfb, start, cpu, pixels = 0;
    unsigned shade = 0;
    struct viewer v;
    struct dm dm;

    dm_open(&dm, &config);
    guest_pci_setup();
    lfb = guest_bar(VGA, 0);
    guest_vbe_mode(0, WIDTH, HEIGHT, 32);
    viewer_open(&v, &dm);
    v.width = WIDTH;
    v.height = HEIGHT;
    viewer_ask(&v, false);
    viewer_update(&v, END_MS);
    start = now_ns();
    cpu = bench_cpu_ns(&dm);
    while (now_ns() - start < FOR_NS) {
        draw(lfb, ++shade);
        viewer_ask(&v, true);
        pixels += viewer_update(&v, 1000);
    }
    cpu = bench_cpu_ns(&dm) - cpu;
    viewer_close(&v);
    dm_close(&dm, SIGTERM, END_MS);
    CHECK(pixels >= WIDTH * HEIGHT);
    return (double)cpu / 1e6 / ((double)pixels / (WIDTH * HEIGHT));
}

const struct bench_case display_cases[] = {
    { "vga_redraw", "CPU for a whole screen, 1024x768x32, to VNC", "ms", true, 0, 3, redraw_ms, 0 },
    { 0 },
};
