/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random walks over one device at a time, from a seed: what it answers may not depend on whose it
 * is. At the first difference the walk is cut to the steps that are needed for it, and printed.
 * WALK_SEED and WALK_STEPS make it another or longer; the list is then not checked for what is not
 * needed. Left out are bits that would end the machine, move data, or tell the time.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "tests/guest/guest.h"
#include "tests/guest/vga.h"
#include "tests/kit/check.h"
#include "tests/oracle/machines.h"
#include "tests/oracle/oracle.h"

#define STEPS 600
#define SEEDS 3
#define UHCI (1 << 3 | 2)
#define PM (1 << 3 | 3)
#define PM_BASE 0xb000

enum kind { READ_PORT, WRITE_PORT, READ_INDEX, WRITE_INDEX, READ_MEMORY, WRITE_MEMORY };

struct step {
    enum kind kind;
    unsigned at, index, size; /* at: a port, or an offset in the device's memory */
    uint32_t value;
};

struct walk {
    const struct device *device;
    uint64_t seed;
    unsigned count;
    struct step *steps;
};

/* Draws one step; false: try again. */
typedef bool draw_fn(struct walk *w, struct step *out);

struct device {
    const char *name;
    const struct dm_config *(*machine)(void);
    draw_fn *draw;
    void (*prepare)(void);
    int function, bar; /* what memory offsets start at; function -1: 0 */
};

static uint32_t draw(struct walk *w)
{
    w->seed ^= w->seed << 13; /* xorshift64 */
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (uint32_t)(w->seed >> 16);
}

static unsigned up_to(struct walk *w, unsigned n)
{
    return draw(w) % n;
}

/* ---- Playing ---- */

static void play_step(struct transcript *t, const struct step *s, uint64_t base)
{
    switch (s->kind) {
    case READ_PORT:
        note(t, guest_in(0, (uint16_t)(base + s->at), s->size), "in%u.%x", s->size, s->at);
        break;
    case WRITE_PORT:
        guest_out(0, (uint16_t)(base + s->at), s->size, s->value);
        break;
    case READ_INDEX:
        if (s->at == 0x1ce)
            note(t, guest_vbe_read(0, s->index), "vbe.%x", s->index);
        else
            note(t, guest_vga_get(0, (uint16_t)s->at, (uint8_t)s->index), "%x.%02x", s->at,
                 s->index);
        break;
    case WRITE_INDEX:
        if (s->at == 0x1ce)
            guest_vbe_write(0, s->index, (uint16_t)s->value);
        else
            guest_vga_set(0, (uint16_t)s->at, (uint8_t)s->index, (uint8_t)s->value);
        break;
    case READ_MEMORY:
        note(t, guest_load(0, base + s->at, s->size), "load%u.%x", s->size, s->at);
        break;
    case WRITE_MEMORY:
        guest_store(0, base + s->at, s->size, s->value);
        break;
    }
}

static void play(struct transcript *t, const struct dm *dm, void *arg)
{
    const struct walk *w = arg;
    uint64_t base = 0;

    (void)dm;
    guest_pci_setup();
    if (w->device->function >= 0)
        base = guest_bar((unsigned)w->device->function, (unsigned)w->device->bar);
    if (w->device->prepare)
        w->device->prepare();
    for (unsigned i = 0; i < w->count; i++)
        play_step(t, &w->steps[i], base);
}

static unsigned differs(struct walk *w, unsigned shown)
{
    return oracle_differences(w->device->name, w->device->machine(), play, w, shown);
}

static void print_step(const struct step *s)
{
    static const char *const names[] = {
        "in", "out", "indexed read", "indexed write", "load", "store",
    };

    fprintf(stderr, "    %s%u %x index %x value %x\n", names[s->kind], s->size, s->at, s->index,
            s->value);
}

/* Leaves out what can be left out, in ever smaller pieces. */
static void shrink(struct walk *w)
{
    struct step *all = malloc(w->count * sizeof(*all));

    for (unsigned piece = w->count / 2; piece; piece /= 2)
        for (unsigned at = 0; at + piece <= w->count;) {
            unsigned count = w->count;

            memcpy(all, w->steps, count * sizeof(*all));
            memmove(w->steps + at, w->steps + at + piece, (count - at - piece) * sizeof(*all));
            w->count -= piece;
            if (differs(w, 0))
                continue;
            memcpy(w->steps, all, count * sizeof(*all));
            w->count = count;
            at += piece;
        }
    free(all);
}

static void walk(const struct device *device)
{
    unsigned steps = getenv("WALK_STEPS") ? (unsigned)atoi(getenv("WALK_STEPS")) : STEPS;
    unsigned seed = getenv("WALK_SEED") ? (unsigned)atoi(getenv("WALK_SEED")) : 1, bad = 0;
    unsigned last = getenv("WALK_SEED") ? seed : SEEDS;

    for (; seed <= last && !bad; seed++) {
        struct walk w = { .device = device, .seed = seed * 0x9e3779b97f4a7c15ull };

        w.steps = calloc(steps, sizeof(*w.steps));
        while (w.count < steps)
            w.count += device->draw(&w, &w.steps[w.count]);
        bad = differs(&w, 0);
        if (bad) {
            shrink(&w);
            fprintf(stderr, "%s: seed %u comes down to\n", device->name, seed);
            for (unsigned i = 0; i < w.count; i++)
                print_step(&w.steps[i]);
            differs(&w, 10);
        }
        free(w.steps);
    }
    if (getenv("WALK_SEED") || bad)
        CHECK_EQ(bad, 0);
    else
        oracle_end(device->name, bad);
}

/* ---- Displays ---- */

static bool draw_indexed(struct walk *w, struct step *s, unsigned port, unsigned first,
                         unsigned count)
{
    *s = (struct step){ .kind = up_to(w, 3) ? WRITE_INDEX : READ_INDEX,
                        .at = port,
                        .index = first + up_to(w, count),
                        .value = draw(w) & 0xff };
    return true;
}

static bool draw_window(struct walk *w, struct step *s)
{
    unsigned size = 1u << up_to(w, 3);

    *s = (struct step){ .kind = up_to(w, 2) ? WRITE_MEMORY : READ_MEMORY,
                        .at = 0xa0000 + up_to(w, 8) * 0x4000 + up_to(w, 64) * size,
                        .size = size,
                        .value = draw(w) };
    return true;
}

static bool draw_dac(struct walk *w, struct step *s)
{
    static const unsigned ports[] = { 0x3c6, 0x3c7, 0x3c8, 0x3c9, 0x3c9, 0x3c9, 0x3cc, 0x3ca };

    *s = (struct step){ .kind = up_to(w, 2) ? WRITE_PORT : READ_PORT,
                        .at = ports[up_to(w, 8)],
                        .size = 1,
                        .value = draw(w) & 0xff };
    return s->at < 0x3ca || s->kind == READ_PORT;
}

static bool draw_vga(struct walk *w, struct step *s)
{
    switch (up_to(w, 10)) {
    case 0:
        return draw_indexed(w, s, GUEST_VGA_SEQUENCER, 0, 5);
    case 1:
    case 2:
        return draw_indexed(w, s, GUEST_VGA_GRAPHICS, 0, 9);
    case 3:
        return draw_indexed(w, s, GUEST_VGA_CRTC, 0, 0x19);
    case 4:
        return draw_indexed(w, s, GUEST_VGA_ATTRIBUTE, 0, 0x15);
    case 5:
        return draw_dac(w, s);
    default:
        return draw_window(w, s);
    }
}

/*
 * Planes one by one, and chained. Odd and even planes, which three registers ask for, and colour
 * compare in chained memory are left out: QEMU knows one of the three, and has none.
 */
static bool draw_planar(struct walk *w, struct step *s)
{
    if (!draw_vga(w, s))
        return false;
    if (s->kind == WRITE_INDEX && s->at == GUEST_VGA_SEQUENCER && s->index == 4)
        s->value = (s->value & ~8u) | 4;
    if (s->kind == WRITE_INDEX && s->at == GUEST_VGA_GRAPHICS && s->index == 5)
        s->value &= ~0x10u;
    if (s->kind == WRITE_INDEX && s->at == GUEST_VGA_GRAPHICS && s->index == 6)
        s->value &= ~2u;
    return true;
}

static bool draw_chained(struct walk *w, struct step *s)
{
    if (!draw_vga(w, s))
        return false;
    if (s->kind == WRITE_INDEX && s->at == GUEST_VGA_SEQUENCER && s->index == 4)
        s->value |= 8u;
    if (s->kind == WRITE_INDEX && s->at == GUEST_VGA_GRAPHICS && s->index == 5)
        s->value &= ~8u;
    return true;
}

static bool draw_vbe(struct walk *w, struct step *s)
{
    static const unsigned values[] = { 0,    1,    4,    8,   15,  16,   24,  32,
                                       0x41, 0xc1, 0x61, 640, 480, 1024, 768, 800 };

    *s = (struct step){ .kind = up_to(w, 2) ? WRITE_INDEX : READ_INDEX,
                        .at = 0x1ce,
                        .index = up_to(w, 8),
                        .value = up_to(w, 8) ? values[up_to(w, 16)] : draw(w) & 0xffff };
    if (s->index == 4 && s->kind == WRITE_INDEX)
        s->value &= 0xe1; /* what it knows */
    if (s->index == 5)
        s->value &= 0xff; /* a bank that is there */
    if (s->index == 1 || s->index == 2 || s->index == 6)
        s->value = values[11 + up_to(w, 5)]; /* and a size that fits */
    return true;
}

static void prepare_vga(void)
{
    guest_vga_mode(0, GUEST_VGA_13);
}

static void prepare_planar(void)
{
    guest_vga_mode(0, GUEST_VGA_12);
}

static void prepare_vbe(void)
{
    guest_vbe_mode(0, 640, 480, 8);
}

/* ---- Ports and registers ---- */

static bool draw_ports(struct walk *w, struct step *s, unsigned first, unsigned count)
{
    *s = (struct step){ .kind = up_to(w, 2) ? WRITE_PORT : READ_PORT,
                        .at = first + up_to(w, count),
                        .size = 1,
                        .value = draw(w) & 0xff };
    return true;
}

static bool draw_uart(struct walk *w, struct step *s)
{
    draw_ports(w, s, 0x3f9, 7); /* not what is sent and received, and no loop */
    if (s->at == 0x3fc)
        s->value &= ~0x10u;
    return true;
}

static bool draw_pm(struct walk *w, struct step *s)
{
    draw_ports(w, s, PM_BASE, 6);
    s->size = 2;
    s->value = draw(w) & 0xdfdf; /* SLP_EN would end it */
    return s->at % s->size == 0;
}

static bool draw_apm(struct walk *w, struct step *s)
{
    return up_to(w, 2) ? draw_ports(w, s, 0xb2, 2) : draw_ports(w, s, 0xafe0, 4);
}

static void prepare_pm(void)
{
    guest_config_write(0, PM, 0x40, 4, PM_BASE | 1);
    guest_config_write(0, PM, 0x80, 1, 1);
}

static bool draw_uhci(struct walk *w, struct step *s)
{
    draw_ports(w, s, 0, 10);
    s->at *= 2;
    s->size = 2;
    s->value = draw(w) & 0xffff;
    if (s->at == 0)
        s->value &= ~7u; /* not run, not reset */
    if (s->at == 2)
        s->value &= ~0x20u; /* halted it is */
    if (s->at >= 0x10)
        s->value &= 0x100e; /* no port reset */
    return s->at != 0x0c && s->at != 0x0e;
}

static bool draw_dma(struct walk *w, struct step *s)
{
    return draw_ports(w, s, 0x80, 16);
}

static bool draw_cmos(struct walk *w, struct step *s)
{
    if (up_to(w, 2))
        return *s = (struct step){ .kind = WRITE_PORT,
                                   .at = 0x70,
                                   .size = 1,
                                   .value = 0x40 + up_to(w, 0x40) },
               true;
    return draw_ports(w, s, 0x71, 1);
}

/* Registers of the task file, and commands that are done at once. */
static bool draw_ide(struct walk *w, struct step *s)
{
    static const unsigned commands[] = { 0x00, 0x10, 0xc6, 0xe0, 0xe1, 0xe2, 0xe3, 0xef, 0xe6 };

    if (!up_to(w, 6)) {
        *s = (struct step){ .kind = WRITE_PORT,
                            .at = 0x1f7,
                            .size = 1,
                            .value = commands[up_to(w, sizeof(commands) / sizeof(*commands))] };
        return true;
    }
    if (!up_to(w, 8)) {
        *s = (struct step){ .kind = WRITE_PORT, .at = 0x3f6, .size = 1, .value = draw(w) & 0x02 };
        return true;
    }
    draw_ports(w, s, 0x1f1, 6);
    if (s->at == 0x1f6)
        s->value &= ~0x10u; /* a drive that is there */
    return true;
}

static bool draw_e1000(struct walk *w, struct step *s)
{
    static const unsigned regs[] = {
        0x0000, 0x0008, 0x0014, 0x0020, 0x0038, 0x00c0, 0x00c8, 0x00d0, 0x00d8, 0x0100,
        0x0400, 0x2800, 0x2804, 0x2808, 0x2810, 0x2818, 0x3800, 0x3804, 0x3808, 0x3810,
        0x3818, 0x5200, 0x53fc, 0x5400, 0x5404, 0x5410, 0x547c, 0x5600, 0x57fc,
    };

    *s = (struct step){ .kind = up_to(w, 2) ? WRITE_MEMORY : READ_MEMORY,
                        .at = regs[up_to(w, sizeof(regs) / sizeof(*regs))],
                        .size = 4,
                        .value = draw(w) };
    if (s->at == 0x0000)
        s->value &= ~0x84000000u; /* not reset, neither it nor its PHY */
    if (s->at == 0x00c8 || s->at == 0x00d8)
        s->kind = WRITE_MEMORY;
    if (s->at == 0x2800 || s->at == 0x3800) /* rings lie on 16 bytes */
        s->value &= ~15u;
    if (s->at == 0x2808 || s->at == 0x3808)
        s->value &= 0xfff80;
    if (s->at == 0x2810 || s->at == 0x2818 || s->at == 0x3810 || s->at == 0x3818)
        s->value &= 0xffff;
    if (s->at == 0x0014) /* the address in the EEPROM */
        s->value = up_to(w, 3) << 8 | 1;
    if (s->at == 0x0020) /* who the PHY is */
        s->value = 2u << 26 | 1u << 21 | (2 + up_to(w, 2)) << 16;
    if (s->at == 0x00c8 || s->at == 0x00d0)
        s->value &= 0xd7; /* interrupts that there are */
    if (s->at == 0x0038)
        s->value &= 0xffff;
    if (s->at == 0x0100 || s->at == 0x0400)
        s->value &= 0x02dfb3fcu; /* off, and what is reserved */
    return true;
}

static bool draw_rtl8139(struct walk *w, struct step *s)
{
    static const struct {
        unsigned at, size;
    } regs[] = {
        { 0x00, 4 }, { 0x04, 4 }, { 0x08, 4 }, { 0x0c, 4 }, { 0x20, 4 }, { 0x24, 4 },
        { 0x30, 4 }, { 0x3c, 2 }, { 0x3e, 2 }, { 0x44, 4 }, { 0x52, 1 }, { 0x5c, 2 },
        { 0x62, 2 }, { 0x64, 2 }, { 0x66, 2 }, { 0xe0, 2 }, { 0xe4, 4 }, { 0xe8, 4 },
    };
    unsigned i = up_to(w, sizeof(regs) / sizeof(*regs));

    *s = (struct step){ .kind = up_to(w, 2) ? WRITE_MEMORY : READ_MEMORY,
                        .at = regs[i].at,
                        .size = regs[i].size,
                        .value = draw(w) };
    return true;
}

/* To the same state: what reset leaves behind is compared elsewhere. */
static void prepare_uart(void)
{
    guest_out(0, 0x3fc, 1, 0);
}

static void prepare_cmos(void)
{
    guest_out(0, 0x70, 1, 0x40);
}

static void prepare_ide(void)
{
    guest_out(0, 0x3f6, 1, 0x04);
    guest_out(0, 0x3f6, 1, 0x02);
    guest_out(0, 0x1f6, 1, 0xa0);
}

static void prepare_e1000(void)
{
    uint64_t base = guest_bar(STANDARD_E1000, 0);

    guest_store(0, base + 0x0000, 4, 0x40);
    guest_store(0, base + 0x0010, 4, 0x40);
    guest_store(0, base + 0x0038, 4, 0x8100);
    guest_store(0, base + 0x0e00, 4, 0x602);
    guest_store(0, base + 0x2828, 4, 0);
}

static void prepare_rtl8139(void)
{
    uint64_t base = guest_bar(CIRRUS_RTL8139, 1);

    guest_store(0, base + 0x37, 1, 0x10);
    guest_store(0, base + 0x62, 2, 0x1000);
}

static const struct device devices[] = {
    { "walk-planar", machine_standard, draw_planar, prepare_planar, -1, 0 },
    { "walk-chained", machine_standard, draw_chained, prepare_vga, -1, 0 },
    { "walk-vbe", machine_standard, draw_vbe, prepare_vbe, -1, 0 },
    { "walk-uart", machine_standard, draw_uart, prepare_uart, -1, 0 },
    { "walk-pm", machine_standard, draw_pm, prepare_pm, -1, 0 },
    { "walk-apm", machine_standard, draw_apm, NULL, -1, 0 },
    { "walk-uhci", machine_standard, draw_uhci, NULL, UHCI, 4 },
    { "walk-dma", machine_standard, draw_dma, NULL, -1, 0 },
    { "walk-cmos", machine_standard, draw_cmos, prepare_cmos, -1, 0 },
    { "walk-ide", machine_standard, draw_ide, prepare_ide, -1, 0 },
    { "walk-e1000", machine_standard, draw_e1000, prepare_e1000, STANDARD_E1000, 0 },
    { "walk-rtl8139", machine_cirrus, draw_rtl8139, prepare_rtl8139, CIRRUS_RTL8139, 1 },
};

static void walk_over(const char *name)
{
    for (const struct device *d = devices; d < devices + sizeof(devices) / sizeof(*devices); d++)
        if (!strcmp(d->name, name))
            walk(d);
}

#define WALK(claim, name)                                                                          \
    TEST(claim)                                                                                    \
    {                                                                                              \
        walk_over(name);                                                                           \
    }

WALK(a_walk_over_the_vga_in_planes, "walk-planar")
WALK(a_walk_over_the_vga_chained, "walk-chained")
WALK(a_walk_over_the_vbe_registers, "walk-vbe")
WALK(a_walk_over_a_serial_port, "walk-uart")
WALK(a_walk_over_the_pm_block, "walk-pm")
WALK(a_walk_over_apm_and_gpe, "walk-apm")
WALK(a_walk_over_the_usb_controller, "walk-uhci")
WALK(a_walk_over_the_dma_chips, "walk-dma")
WALK(a_walk_over_cmos, "walk-cmos")
WALK(a_walk_over_the_task_file, "walk-ide")
WALK(a_walk_over_the_e1000, "walk-e1000")
WALK(a_walk_over_the_rtl8139, "walk-rtl8139")
