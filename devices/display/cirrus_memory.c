/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the CPU reaches the video memory and the blitter of a CL-GD5446: the banked window at
 * 0xa0000, the linear framebuffer in BAR 0, its blit aperture, and registers in memory. Document:
 * CL-GD5446 Technical Reference Manual, "Graphics Controller Extension Registers", "BitBLT".
 *
 * The linear framebuffer is guest memory that we never see accessed. It must be seen while the CPU
 * feeds a blit, or where an extended write mode gives a byte a meaning: then the frames are hidden
 * and a region answers in their place. Moving frames costs a millisecond, so after a blit the trap
 * stays for a moment: a console that draws glyphs with the CPU starts a blit for each.
 * Not modelled: 8-byte latches (GRB bit 3), byte-swapped apertures.
 */
#include "devices/display/cirrus.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/log.h"
#include "dm/memory/vram.h"

#define APERTURE (16 * MIB) /* from here on in BAR 0, bytes go to the blitter */
#define APERTURE_BYTES (16 * MIB)
#define TRAP_NS (100 * NS_PER_MS)

#define GRB_DUAL_BANK 0x01
#define GRB_BY8 0x02
#define GRB_WRITE_MODES 0x04
#define GRB_16BIT 0x10
#define GRB_16K_BANKS 0x20
#define SR17_MMIO 0x04
#define SR17_MMIO_LINEAR 0x40
#define MMIO_WINDOW 0x18000 /* at 0xb8000 */
#define MMIO_WINDOW_BYTES 0x100

/* ---- Registers in memory ---- */

/* The graphics register at each byte of the block; 0xff: none. */
static unsigned mmio_index(unsigned offset)
{
    static const uint8_t low[0x22] = {
        0x00, 0x10, 0x12, 0x14, 0x01, 0x11, 0x13, 0x15, 0x20, 0x21, 0x22, 0x23,
        0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0xff, 0x2c, 0x2d, 0x2e, 0x2f,
        0x30, 0xff, 0x32, 0x33, 0x34, 0x35, 0xff, 0xff, 0x38, 0x39,
    };
    if (offset == 0x40)
        return GR_BLT_CONTROL;
    return offset < sizeof(low) ? low[offset] : 0xff;
}

static uint8_t block_read(struct cirrus *c, unsigned offset)
{
    unsigned index = mmio_index(offset);

    return index == 0xff ? 0xff : cirrus_gr_read(c, index);
}

static void block_write(struct cirrus *c, unsigned offset, uint8_t value)
{
    unsigned index = mmio_index(offset);

    if (index != 0xff)
        cirrus_gr_write(c, index, value);
}

/* BAR 1: the VGA ports from 0x3c0 on, then the blitter. */
static uint64_t mmio_read(void *state, uint64_t offset, unsigned size)
{
    struct cirrus *c = state;

    if (offset < 0x100)
        return offset < 0x20 ? vga_port_read(&c->vga, 0x3c0 + (unsigned)offset) : 0xff;
    return block_read(c, (unsigned)offset - 0x100);
}

static void mmio_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct cirrus *c = state;

    if (offset >= 0x100)
        block_write(c, (unsigned)offset - 0x100, (uint8_t)value);
    else if (offset < 0x20)
        vga_port_write(&c->vga, 0x3c0 + (unsigned)offset, (uint8_t)value);
}

const struct region_ops cirrus_mmio_ops = {
    .name = "cirrus-mmio", .min_size = 1, .max_size = 1, .read = mmio_read, .write = mmio_write,
};

/* ---- Video memory ---- */

static unsigned write_mode(const struct cirrus *c)
{
    return c->regs->vga.gr[5] & 7;
}

static bool extended_write_mode(const struct cirrus *c)
{
    unsigned mode = write_mode(c);

    return (mode == 4 || mode == 5) && (c->regs->vga.gr[GR_MODE_EXT] & GRB_WRITE_MODES);
}

static bool wide_pixels(const struct cirrus *c)
{
    const unsigned both = GRB_16BIT | GRB_WRITE_MODES;

    return (c->regs->vga.gr[GR_MODE_EXT] & both) == both;
}

/* A byte address as the CPU gave it, to one in memory: a byte may stand for 8 pixels. */
static uint32_t scale(const struct cirrus *c, uint32_t at)
{
    if (wide_pixels(c))
        at <<= 4;
    else if (c->regs->vga.gr[GR_MODE_EXT] & GRB_BY8)
        at <<= 3;
    return at & cirrus_mask(c);
}

/* Write modes 4 and 5: each bit a pixel, in the foreground colour, or in one of two. */
static void write_pixels(struct cirrus *c, uint32_t at, uint8_t bits)
{
    const uint8_t *gr = c->regs->vga.gr;
    unsigned bytes = wide_pixels(c) ? 2 : 1;
    uint8_t fg[2] = { gr[1], gr[GR_FG1] }, bg[2] = { gr[0], gr[GR_BG1] };

    for (unsigned x = 0; x < 8; x++) {
        bool ink = bits >> (7 - x) & 1;

        for (unsigned i = 0; i < bytes; i++)
            if (ink || write_mode(c) == 5)
                c->vga.bytes[(at + x * bytes + i) & cirrus_mask(c)] = ink ? fg[i] : bg[i];
    }
    vram_touch(c->vram, at, 8 * bytes);
    if (at + 8 * bytes > c->vga.size)
        vram_touch(c->vram, 0, 16);
}

static void store(struct cirrus *c, uint32_t at, uint8_t value)
{
    at = scale(c, at);
    if (extended_write_mode(c)) {
        write_pixels(c, at, value);
        return;
    }
    c->vga.bytes[at] = value;
    vram_touch(c->vram, at, 1);
}

/* ---- The window at 0xa0000 ---- */

static bool bank_address(const struct cirrus *c, uint32_t offset, uint32_t *at)
{
    const uint8_t *gr = c->regs->vga.gr;
    unsigned bank = 0;

    if (gr[GR_MODE_EXT] & GRB_DUAL_BANK) {
        bank = offset >> 15;
        offset &= 0x7fff;
    }
    *at = offset + ((uint32_t)gr[GR_BANK0 + bank] << (gr[GR_MODE_EXT] & GRB_16K_BANKS ? 14 : 12));
    return *at < c->vga.size;
}

static bool mmio_in_window(const struct cirrus *c)
{
    return (c->regs->vga.seq[0x17] & (SR17_MMIO | SR17_MMIO_LINEAR)) == SR17_MMIO;
}

bool cirrus_window_read(void *owner, uint32_t offset, uint8_t *value)
{
    struct cirrus *c = owner;
    uint32_t at;

    if (!cirrus_packed(c))
        return false;
    *value = 0xff;
    if (offset < 0x10000) {
        if (c->regs->blit.host == HOST_READS)
            *value = cirrus_blit_drain(c);
        else if (bank_address(c, offset, &at))
            *value = c->vga.bytes[scale(c, at)];
    } else if (offset - MMIO_WINDOW < MMIO_WINDOW_BYTES && mmio_in_window(c)) {
        *value = block_read(c, offset - MMIO_WINDOW);
    }
    return true;
}

bool cirrus_window_write(void *owner, uint32_t offset, uint8_t value)
{
    struct cirrus *c = owner;
    uint32_t at;

    if (!cirrus_packed(c))
        return false;
    if (offset < 0x10000) {
        if (c->regs->blit.host == HOST_WRITES)
            cirrus_blit_feed(c, value);
        else if (bank_address(c, offset, &at))
            store(c, at, value);
    } else if (offset - MMIO_WINDOW < MMIO_WINDOW_BYTES && mmio_in_window(c)) {
        block_write(c, offset - MMIO_WINDOW, value);
    }
    return true;
}

/* ---- The linear framebuffer, while it is trapped ---- */

static bool mmio_at(const struct cirrus *c, uint64_t offset)
{
    const unsigned both = SR17_MMIO | SR17_MMIO_LINEAR;

    return (c->regs->vga.seq[0x17] & both) == both &&
           (offset & cirrus_mask(c)) >= c->vga.size - MMIO_WINDOW_BYTES;
}

static uint64_t linear_read(void *state, uint64_t offset, unsigned size)
{
    struct cirrus *c = state;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        uint32_t at = (uint32_t)offset + i;
        uint8_t byte;

        if (mmio_at(c, at))
            byte = block_read(c, at & (MMIO_WINDOW_BYTES - 1));
        else if (c->regs->blit.host == HOST_READS)
            byte = cirrus_blit_drain(c);
        else
            byte = c->vga.bytes[scale(c, at)];
        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void linear_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct cirrus *c = state;

    for (unsigned i = 0; i < size; i++) {
        uint32_t at = (uint32_t)offset + i;
        uint8_t byte = (uint8_t)(value >> (8 * i));

        if (mmio_at(c, at))
            block_write(c, at & (MMIO_WINDOW_BYTES - 1), byte);
        else if (c->regs->blit.host == HOST_WRITES)
            cirrus_blit_feed(c, byte);
        else
            store(c, at, byte);
    }
}

static const struct region_ops linear_ops = {
    .name = "cirrus-linear", .min_size = 1, .max_size = 8,
    .read = linear_read, .write = linear_write,
};

static uint64_t aperture_read(void *state, uint64_t offset, unsigned size)
{
    struct cirrus *c = state;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)(c->regs->blit.host == HOST_READS ? cirrus_blit_drain(c) : 0xff)
                 << (8 * i);
    return value;
}

static void aperture_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct cirrus *c = state;

    for (unsigned i = 0; i < size && c->regs->blit.host == HOST_WRITES; i++)
        cirrus_blit_feed(c, (uint8_t)(value >> (8 * i)));
}

static const struct region_ops aperture_ops = {
    .name = "cirrus-blit", .min_size = 1, .max_size = 8,
    .read = aperture_read, .write = aperture_write,
};

/* ---- Memory or trap ---- */

static bool must_trap(const struct cirrus *c)
{
    const unsigned both = SR17_MMIO | SR17_MMIO_LINEAR;
    const struct vga_regs *r = &c->regs->vga;

    return c->regs->blit.host != HOST_IDLE ||
           (cirrus_packed(c) && (extended_write_mode(c) || (r->gr[GR_MODE_EXT] & GRB_BY8) ||
                                 (r->seq[0x17] & both) == both));
}

/* Puts frames or the region where BAR 0 is. */
static void place(struct cirrus *c)
{
    bool visible = c->framebuffer != UINT64_MAX;
    struct error err = { "" };
    int rc;

    region_unmap(c->linear);
    c->linear = NULL;
    rc = vram_move(c->vram, visible && !c->trapped ? c->framebuffer : VRAM_HIDDEN, &err);
    if (rc == 0 && visible && c->trapped)
        rc = region_map(&c->linear, device_board(c->pci.dev)->mmio, c->framebuffer,
                        MIN(vram_size(c->vram), APERTURE), &linear_ops, c, &err);
    if (rc < 0)
        log_guest("cirrus-vga framebuffer: %s", err.text);
}

static void set_trap(struct cirrus *c, bool on)
{
    if (c->trapped == on)
        return;
    c->trapped = on;
    if (c->framebuffer != UINT64_MAX)
        place(c);
}

void cirrus_trap_expired(void *arg)
{
    struct cirrus *c = arg;

    if (!must_trap(c))
        set_trap(c, false);
}

void cirrus_update_trap(struct cirrus *c)
{
    if (must_trap(c)) {
        timer_clear(&c->trap_timer);
        set_trap(c, true);
    } else if (c->trapped && !timer_is_set(&c->trap_timer)) {
        timer_set_in(&c->trap_timer, TRAP_NS);
    }
}

void cirrus_framebuffer_move(void *state, uint64_t addr)
{
    struct cirrus *c = state;
    struct error err;

    region_unmap(c->aperture);
    c->aperture = NULL;
    c->framebuffer = addr;
    place(c);
    if (addr != UINT64_MAX &&
        region_map(&c->aperture, device_board(c->pci.dev)->mmio, addr + APERTURE, APERTURE_BYTES,
                   &aperture_ops, c, &err) < 0)
        log_guest("cirrus-vga blit aperture: %s", err.text);
}

void cirrus_memory_detach(struct cirrus *c)
{
    timer_clear(&c->trap_timer);
    region_unmap(c->linear);
    region_unmap(c->aperture);
    c->linear = c->aperture = NULL;
}
