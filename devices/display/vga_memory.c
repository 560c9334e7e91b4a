/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window at 0xa0000: how a byte that the CPU writes goes into the four planes, and comes back.
 * Document: IBM VGA Technical Reference, "Graphics Controller"; FreeVGA, "Accessing Display
 * Memory". Chain-4 goes past the write modes, as all known software expects.
 */
#include "devices/display/vga.h"
#include "dm/base/bytes.h"
#include "dm/base/tape.h"
#include "dm/memory/vram.h"

#define MISC_RAM 0x02       /* Enable RAM */
#define SEQ4_SEQUENTIAL 0x04 /* Odd/Even Host Memory Write Addressing Disable */
#define SEQ4_CHAIN4 0x08
#define GR5_READ_MODE 0x08
#define GR5_ODD_EVEN 0x10

/* A bit for each plane, to 0xff in each plane's byte. */
static uint32_t spread(unsigned planes)
{
    static const uint32_t masks[16] = {
        0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff,
        0x00ffff00, 0x00ffffff, 0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff,
        0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff,
    };
    return masks[planes & 15];
}

/* Miscellaneous Graphics, "Memory Map Select": false where this part of the window is off. */
static bool decode(const struct vga_regs *r, uint32_t *offset)
{
    static const struct span {
        uint32_t base, length;
    } spans[4] = { { 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 } };
    const struct span *s = &spans[r->gr[6] >> 2 & 3];

    if (!(r->misc & MISC_RAM) || *offset < s->base || *offset - s->base >= s->length)
        return false;
    *offset -= s->base;
    return true;
}

/* The dword that holds plane address `addr`; NULL past the end of memory. */
static uint8_t *planes_at(struct vga *vga, uint32_t addr)
{
    return (size_t)addr * 4 + 4 <= vga->size ? vga->bytes + (size_t)addr * 4 : NULL;
}

uint8_t vga_window_read(struct vga *vga, uint32_t offset)
{
    struct vga_regs *r = vga->regs;
    unsigned plane = r->gr[4] & 3;
    uint32_t differ;
    uint8_t *p;

    if (!decode(r, &offset))
        return 0xff;
    if (r->seq[4] & SEQ4_CHAIN4) {
        plane = offset & 3;
        offset >>= 2;
    } else if (r->gr[5] & GR5_ODD_EVEN) {
        plane = (plane & 2) | (offset & 1);
        offset >>= 1;
    }
    p = planes_at(vga, offset);
    if (!p)
        return 0xff;
    memcpy(r->latch, p, 4);
    tape_reply(r->latch, 4); /* the guest writes these bytes without our knowing */
    if (!(r->gr[5] & GR5_READ_MODE))
        return r->latch[plane];
    differ = (get_le32(r->latch) ^ spread(r->gr[2])) & spread(r->gr[7]);
    differ |= differ >> 16;
    differ |= differ >> 8;
    return (uint8_t)~differ;
}

/* "Data Rotate": the logical function with what the latches hold. */
static uint32_t combine(unsigned function, uint32_t value, uint32_t latch)
{
    switch (function) {
    case 1: return value & latch;
    case 2: return value | latch;
    case 3: return value ^ latch;
    }
    return value;
}

/* What the byte becomes in each of the planes, in the write mode that is set. */
static uint32_t write_value(const struct vga_regs *r, uint8_t byte)
{
    uint32_t latch = get_le32(r->latch), set = spread(r->gr[0]), enable = spread(r->gr[1]);
    unsigned rotate = r->gr[3] & 7, mode = r->gr[5] & 3;
    uint8_t rotated = (uint8_t)(byte >> rotate | byte << (8 - rotate));
    uint32_t mask = r->gr[8] * 0x01010101u, value;

    switch (mode) {
    case 0:
        value = rotated * 0x01010101u;
        value = (value & ~enable) | (set & enable);
        break;
    case 1:
        return latch;
    case 2:
        value = spread(byte);
        break;
    default:
        mask &= rotated * 0x01010101u;
        value = set;
        break;
    }
    value = combine(r->gr[3] >> 3 & 3, value, latch);
    return (value & mask) | (latch & ~mask);
}

void vga_window_write(struct vga *vga, uint32_t offset, uint8_t byte)
{
    struct vga_regs *r = vga->regs;
    unsigned planes = r->seq[2] & 15;
    uint32_t write;
    uint8_t *p;

    if (!decode(r, &offset))
        return;
    if (r->seq[4] & SEQ4_CHAIN4) {
        p = planes_at(vga, offset >> 2);
        if (p && planes >> (offset & 3) & 1) {
            p[offset & 3] = byte;
            vram_touch(vga->vram, offset, 1);
        }
        return;
    }
    if (!(r->seq[4] & SEQ4_SEQUENTIAL)) {
        planes &= offset & 1 ? 0xa : 0x5;
        offset >>= 1;
    }
    p = planes_at(vga, offset);
    if (!p || !planes)
        return;
    write = write_value(r, byte);
    for (unsigned i = 0; i < 4; i++)
        if (planes >> i & 1)
            p[i] = (uint8_t)(write >> (8 * i));
    vram_touch(vga->vram, (size_t)offset * 4, 4);
}

static uint64_t window_read(void *state, uint64_t offset, unsigned size)
{
    struct vga *vga = state;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        uint32_t at = (uint32_t)offset + i;
        uint8_t byte;

        if (!vga->ops->window_read || !vga->ops->window_read(vga->owner, at, &byte))
            byte = vga_window_read(vga, at);
        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void window_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *vga = state;

    for (unsigned i = 0; i < size; i++) {
        uint32_t at = (uint32_t)offset + i;
        uint8_t byte = (uint8_t)(value >> (8 * i));

        if (!vga->ops->window_write || !vga->ops->window_write(vga->owner, at, byte))
            vga_window_write(vga, at, byte);
    }
}

const struct region_ops vga_window_ops = {
    .name = "vga-window", .min_size = 1, .max_size = 8,
    .read = window_read, .write = window_write,
};
