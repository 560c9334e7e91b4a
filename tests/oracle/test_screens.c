/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modes as the video BIOS sets them, something drawn in each, and the screen that a viewer sees, by
 * QMP's screendump: its size and every line of it. Only the bits that a colour has in the guest are
 * compared: how six or five become eight is everyone's own choice. The cursor is off, for it
 * blinks.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/guest/guest.h"
#include "tests/guest/vga.h"
#include "tests/kit/check.h"
#include "tests/kit/noise.h"
#include "tests/oracle/machines.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/picture.h"

#define PAGE 4096

static void screen(struct transcript *t, const struct dm *dm, unsigned bits, const char *what)
{
    guest_load(0, 0xa0000, 1); /* what is posted goes before it */
    note_screen(t, dm, bits, what);
}

static unsigned colour_bits(unsigned bpp)
{
    return bpp == 8 ? 6 : bpp <= 16 ? 5 : 8;
}

/* Posted, as Xen does with the window. */
static void put(uint64_t addr, unsigned size, uint32_t value)
{
    if (!guest_post(addr, size, value))
        guest_store(0, addr, size, value);
}

static void palette(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        guest_vga_colour(0, (uint8_t)i, noise(i) & 63, noise(i) >> 8 & 63, noise(i) >> 16 & 63);
}

static void draw_text(void)
{
    static uint8_t font[256][16];

    for (unsigned i = 0; i < sizeof(font); i++)
        font[i / 16][i % 16] = (uint8_t)noise(i);
    guest_vga_font(0, font);
    for (unsigned i = 0; i < 80 * 50; i++) /* not b0 to bf, whose ninth dot QEMU has wrong */
        put(0xb8000 + 2 * i, 2,
            ((i & 0xf0) == 0xb0 ? i & 0x7f : i & 0xff) | (noise(i) & 0x7f) << 8);
}

/* 128 KiB of the window are plenty for what these modes show. */
static void draw_window(unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 4)
        put(0xa0000 + i, 4, noise(i));
}

static void text_modes(struct transcript *t, const struct dm *dm)
{
    guest_vga_mode(0, GUEST_VGA_TEXT);
    palette(64);
    guest_vga_set(0, GUEST_VGA_CRTC, 0x0a, 0x20);
    draw_text();
    screen(t, dm, 6, "text");
    guest_vga_set(0, GUEST_VGA_SEQUENCER, 1, 1); /* eight dots wide */
    screen(t, dm, 6, "text-8dot");
    guest_vga_set(0, GUEST_VGA_CRTC, 0x0d, 83); /* panned */
    screen(t, dm, 6, "text-start");
    guest_vga_set(0, GUEST_VGA_CRTC, 0x18, 100); /* line compare */
    guest_vga_set(0, GUEST_VGA_CRTC, 0x07, 0x0f);
    guest_vga_set(0, GUEST_VGA_CRTC, 0x09, 0x0f);
    screen(t, dm, 6, "text-split");
    guest_vga_mode(0, GUEST_VGA_TEXT);
    guest_vga_set(0, GUEST_VGA_CRTC, 0x0a, 0x20);
    guest_vga_set(0, GUEST_VGA_CRTC, 0x09, 0x47); /* eight lines high */
    screen(t, dm, 6, "text-50");
}

static void graphics_modes(struct transcript *t, const struct dm *dm)
{
    guest_vga_mode(0, GUEST_VGA_13);
    palette(256);
    draw_window(0x10000);
    screen(t, dm, 6, "mode13");
    guest_vga_set(0, GUEST_VGA_CRTC, 0x0d, 0x55);
    screen(t, dm, 6, "mode13-start");
    guest_vga_set(0, GUEST_VGA_CRTC, 0x09, 0x40); /* each line once */
    screen(t, dm, 6, "mode13-400");
    guest_vga_mode(0, GUEST_VGA_12);
    palette(64);
    for (unsigned plane = 0; plane < 4; plane++) {
        guest_load(0, 0xa0000, 1);
        guest_vga_set(0, GUEST_VGA_SEQUENCER, 2, (uint8_t)(1 << plane));
        for (unsigned i = 0; i < 38400; i += 4)
            put(0xa0000 + i, 4, noise(i + plane * 0x10000));
    }
    screen(t, dm, 6, "mode12");
    guest_vga_set(0, GUEST_VGA_ATTRIBUTE, 0x12, 0x05); /* two planes are shown */
    screen(t, dm, 6, "mode12-planes");
    guest_vga_set(0, GUEST_VGA_ATTRIBUTE, 0x12, 0x0f);
    guest_vga_set(0, GUEST_VGA_SEQUENCER, 1, 0x21);
    screen(t, dm, 6, "mode12-off");
}

static void draw_linear(uint64_t bar, unsigned bytes)
{
    for (unsigned at = 0; at < bytes; at += PAGE) {
        uint32_t *page = (uint32_t *)(void *)guest_page(bar + at);

        CHECK(page);
        for (unsigned i = 0; i < PAGE / 4; i++)
            page[i] = noise(at + i);
        guest_touched(bar + at);
    }
}

static void standard(struct transcript *t, const struct dm *dm, void *arg)
{
    static const struct {
        unsigned width, height, bpp;
    } modes[] = {
        { 640, 480, 8 },  { 800, 600, 8 },   { 800, 600, 15 },  { 800, 600, 16 },
        { 800, 600, 24 }, { 1024, 768, 32 }, { 1280, 800, 32 },
    };
    char what[32];

    (void)arg;
    guest_pci_setup();
    text_modes(t, dm);
    graphics_modes(t, dm);
    for (unsigned i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        guest_vbe_mode(0, modes[i].width, modes[i].height, modes[i].bpp);
        palette(256);
        draw_linear(guest_bar(STANDARD_VGA, 0), modes[i].width * modes[i].height * 4);
        snprintf(what, sizeof(what), "vbe-%ux%ux%u", modes[i].width, modes[i].height, modes[i].bpp);
        screen(t, dm, colour_bits(modes[i].bpp), what);
        guest_vbe_write(0, 6, 1600); /* panned over a wider picture */
        guest_vbe_write(0, 8, 8);
        guest_vbe_write(0, 9, 7);
        strcat(what, "-offset");
        screen(t, dm, colour_bits(modes[i].bpp), what);
    }
}

static void cirrus(struct transcript *t, const struct dm *dm, void *arg)
{
    static const unsigned depths[] = { 8, 15, 16, 24, 32 };
    char what[32];

    (void)arg;
    guest_pci_setup();
    text_modes(t, dm);
    graphics_modes(t, dm);
    for (unsigned i = 0; i < 5; i++) {
        guest_cirrus_mode(0, 640, 480, depths[i]);
        palette(256);
        draw_linear(guest_bar(CIRRUS_VGA, 0), 640 * 480 * 4);
        snprintf(what, sizeof(what), "cirrus-%u", depths[i]);
        screen(t, dm, colour_bits(depths[i]), what);
    }
}

TEST(screens_of_the_standard_vga)
{
    oracle("screens-standard", machine_standard(), standard, NULL);
}

TEST(screens_of_the_cirrus_card)
{
    oracle("screens-cirrus", machine_cirrus(), cirrus, NULL);
}
