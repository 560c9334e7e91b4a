/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be read of every device before a driver has been there. */
#include "tests/guest/guest.h"
#include "tests/guest/ps2.h"
#include "tests/guest/vga.h"
#include "tests/kit/check.h"
#include "tests/oracle/machines.h"
#include "tests/oracle/oracle.h"

#define UHCI (1 << 3 | 2)
#define PM (1 << 3 | 3)
#define PLATFORM (2 << 3)
#define PM_BASE 0xb000
#define E1000_BYTES 0x6000
#define RTL8139_BYTES 0x100

static void ports(struct transcript *t, const char *what, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        note(t, guest_in(0, (uint16_t)(first + i), 1), "%s+%x", what, i);
}

static void indexed(struct transcript *t, const char *what, uint16_t port, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        note(t, guest_vga_get(0, port, (uint8_t)i), "%s.%02x", what, i);
}

static void vga(struct transcript *t)
{
    indexed(t, "sequencer", GUEST_VGA_SEQUENCER, 8);
    indexed(t, "graphics", GUEST_VGA_GRAPHICS, 16);
    guest_out(0, 0x3c2, 1, 0x01); /* the CRTC at 3d4 */
    indexed(t, "crtc", GUEST_VGA_CRTC, 0x20);
    indexed(t, "attribute", GUEST_VGA_ATTRIBUTE, 0x15);
    ports(t, "vga", 0x3c0, 1);
    ports(t, "vga-status0", 0x3c2, 1);
    ports(t, "vga-mask", 0x3c6, 1);
    ports(t, "vga-state", 0x3c7, 1);
    ports(t, "vga-feature", 0x3ca, 1);
    ports(t, "vga-misc", 0x3cc, 1);
    guest_out(0, 0x3c7, 1, 0);
    for (unsigned i = 0; i < 768; i++)
        note(t, guest_in(0, 0x3c9, 1), "dac.%u", i);
}

static void chipset(struct transcript *t)
{
    ports(t, "a20", 0x92, 1);
    ports(t, "apm", 0xb2, 2);
    ports(t, "elcr", 0x4d0, 2);
    ports(t, "rcr", 0xcf9, 1);
    ports(t, "dma", 0x00, 16);
    ports(t, "page", 0x80, 16);
    ports(t, "dma2", 0xc0, 32);
    ports(t, "platform", 0x10, 4);
    ports(t, "gpe", 0xafe0, 4);
    ports(t, "hotplug", 0xae00, 16);
    ports(t, "cpus", 0xaf00, 32);
    guest_config_write(0, PM, 0x40, 4, PM_BASE | 1);
    guest_config_write(0, PM, 0x80, 1, 1);
    ports(t, "pm", PM_BASE, 64);
    for (unsigned i = 14; i < 128; i++) { /* those below are Xen's */
        guest_out(0, 0x70, 1, i);
        note(t, guest_in(0, 0x71, 1), "cmos.%02x", i);
    }
    ports(t, "com1", 0x3f8, 8);
    ports(t, "com2", 0x2f8, 8);
    ports(t, "lpt1", 0x378, 3);
    ports(t, "floppy", 0x3f0, 6);
}

static void ps2(struct transcript *t)
{
    static const struct {
        bool mouse;
        uint8_t bytes[4];
        unsigned count;
    } said[] = {
        { false, { 0xee }, 1 },    { false, { 0xf2 }, 1 },       { false, { 0xf0, 0 }, 2 },
        { false, { 0xed, 7 }, 2 }, { false, { 0xf3, 0x20 }, 2 }, { false, { 0xf5 }, 1 },
        { false, { 0xf4 }, 1 },    { false, { 0xf6 }, 1 },       { false, { 0xff }, 1 },
        { false, { 0x12 }, 1 },    { false, { 0xfe }, 1 },       { true, { 0xf2 }, 1 },
        { true, { 0xe9 }, 1 },     { true, { 0xe8, 3 }, 2 },     { true, { 0xe7 }, 1 },
        { true, { 0xe9 }, 1 },     { true, { 0xf3, 200 }, 2 },   { true, { 0xf3, 100 }, 2 },
        { true, { 0xf3, 80 }, 2 }, { true, { 0xf2 }, 1 },        { true, { 0xf4 }, 1 },
        { true, { 0xf0 }, 1 },     { true, { 0xeb }, 1 },        { true, { 0xf5 }, 1 },
        { true, { 0xff }, 1 },     { true, { 0x12 }, 1 },        { true, { 0xe6 }, 1 },
    };
    static const uint8_t commands[] = { 0x20, 0xaa, 0xab, 0xa9, 0xc0, 0xd0, 0xa7, 0x20,
                                        0xa8, 0xad, 0x20, 0xae, 0x20, 0x00, 0x3f };
    uint8_t answer[16];

    ports(t, "i8042", 0x64, 1);
    for (unsigned i = 0; i < sizeof(commands); i++) {
        unsigned n = 0;

        guest_i8042_command(0, commands[i]);
        while (n < 4 && guest_i8042_read(0, &answer[n]))
            n++;
        note(t, n, "i8042-%u-%02x.size", i, commands[i]);
        for (unsigned k = 0; k < n; k++)
            note(t, answer[k], "i8042-%u-%02x+%u", i, commands[i], k);
        note(t, guest_in(0, 0x64, 1), "i8042-%u-%02x.status", i, commands[i]);
    }
    guest_i8042_command(0, 0x60);
    guest_i8042_write(0, 0x47);
    for (unsigned i = 0; i < sizeof(said) / sizeof(*said); i++)
        for (unsigned b = 0; b < said[i].count; b++) {
            unsigned n = guest_ps2_send(0, said[i].mouse, said[i].bytes[b], answer, 16);

            note(t, n, "ps2-%u-%02x.size", i, said[i].bytes[b]);
            for (unsigned k = 0; k < n; k++)
                note(t, answer[k], "ps2-%u-%02x+%u", i, said[i].bytes[b], k);
        }
}

static void functions(struct transcript *t)
{
    uint64_t bar = guest_bar(PLATFORM, 0);

    ports(t, "platform-bar", (unsigned)bar, 16);
    bar = guest_bar(PLATFORM, 1);
    for (unsigned i = 0; i < 64; i += 4)
        note(t, guest_load(0, bar + i, 4), "platform-memory+%x", i);
}

static void standard(struct transcript *t, const struct dm *dm, void *arg)
{
    uint64_t e1000;

    (void)dm;
    (void)arg;
    chipset(t);
    vga(t);
    for (unsigned i = 0; i < 16; i++)
        note(t, guest_vbe_read(0, i), "vbe.%x", i);
    ps2(t);
    guest_pci_setup();
    functions(t);
    ports(t, "uhci", (unsigned)guest_bar(UHCI, 4), 32);
    e1000 = guest_bar(STANDARD_E1000, 0);
    for (unsigned i = 0; i < E1000_BYTES; i += 4)
        note(t, guest_load(0, e1000 + i, 4), "e1000+%04x", i);
}

static void cirrus(struct transcript *t, const struct dm *dm, void *arg)
{
    uint64_t nic;

    (void)dm;
    (void)arg;
    vga(t);
    for (unsigned unlocked = 0; unlocked < 2; unlocked++) {
        guest_vga_set(0, GUEST_VGA_SEQUENCER, 6, unlocked ? 0x12 : 0);
        indexed(t, unlocked ? "sequencer-open" : "sequencer-shut", GUEST_VGA_SEQUENCER, 0x20);
        indexed(t, unlocked ? "graphics-open" : "graphics-shut", GUEST_VGA_GRAPHICS, 0x40);
        indexed(t, unlocked ? "crtc-open" : "crtc-shut", GUEST_VGA_CRTC, 0x30);
    }
    guest_in(0, 0x3c8, 1);
    for (unsigned i = 0; i < 6; i++)
        note(t, guest_in(0, 0x3c6, 1), "hidden-dac.%u", i);
    guest_pci_setup();
    functions(t);
    nic = guest_bar(CIRRUS_RTL8139, 1);
    for (unsigned i = 0; i < RTL8139_BYTES; i++)
        note(t, guest_load(0, nic + i, 1), "rtl8139+%02x", i);
}

TEST(registers_of_the_standard_machine)
{
    oracle("registers-standard", machine_standard(), standard, NULL);
}

TEST(registers_of_the_cirrus_machine)
{
    oracle("registers-cirrus", machine_cirrus(), cirrus, NULL);
}
