/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Bochs display interface. Document: "VBE Display API" of the Bochs project, and QEMU's
 * docs/specs/standard-vga. A mode is judged when a register is written, so what reads back is what
 * is in force.
 */
#include "devices/display/vbe.h"
#include "devices/display/vga.h"
#include "dm/base/bytes.h"

#define ID_OLDEST 0xb0c0
#define ID_NEWEST 0xb0c5
#define BANK_BYTES 65536u

void vbe_reset(struct vbe_regs *r)
{
    memset(r, 0, sizeof(*r));
    r->value[VBE_ID] = ID_NEWEST;
}

/* Bytes of a line of `pixels`; in 4-bit modes a dword holds eight. */
static uint64_t line_size(const struct vbe_regs *r, unsigned pixels)
{
    unsigned bpp = r->value[VBE_BPP];

    return bpp == 4 ? DIV_ROUND_UP(pixels, 8) * 4 : (uint64_t)pixels * DIV_ROUND_UP(bpp, 8);
}

void vbe_judge(struct vbe_regs *r, size_t memory)
{
    uint16_t *v = r->value;
    uint64_t line;

    switch (v[VBE_BPP]) {
    case 4: case 8: case 15: case 16: case 24: case 32: break;
    default: v[VBE_BPP] = 8; break;
    }
    v[VBE_XRES] = (uint16_t)MAX(MIN(v[VBE_XRES], SCREEN_MAX_WIDTH) & ~7u, 8u);
    v[VBE_YRES] = (uint16_t)MAX(MIN(v[VBE_YRES], SCREEN_MAX_HEIGHT), 1u);
    v[VBE_VIRT_WIDTH] = (uint16_t)MIN(MAX(v[VBE_VIRT_WIDTH], v[VBE_XRES]), 0xfff8) & 0xfff8;
    line = line_size(r, v[VBE_VIRT_WIDTH]);
    if (line * v[VBE_YRES] > memory) { /* a wide virtual screen goes first, then height */
        v[VBE_VIRT_WIDTH] = v[VBE_XRES];
        line = line_size(r, v[VBE_VIRT_WIDTH]);
        if (line * v[VBE_YRES] > memory)
            v[VBE_YRES] = (uint16_t)MAX(memory / line, 1u);
    }
    v[VBE_VIRT_HEIGHT] = (uint16_t)MIN(memory / line, 0xffffu);
    if (v[VBE_X_OFFSET] > v[VBE_VIRT_WIDTH] - v[VBE_XRES])
        v[VBE_X_OFFSET] = (uint16_t)(v[VBE_VIRT_WIDTH] - v[VBE_XRES]);
    if (v[VBE_Y_OFFSET] > MAX(v[VBE_VIRT_HEIGHT], v[VBE_YRES]) - v[VBE_YRES])
        v[VBE_Y_OFFSET] = (uint16_t)(MAX(v[VBE_VIRT_HEIGHT], v[VBE_YRES]) - v[VBE_YRES]);
}

uint16_t vbe_read(const struct vbe_regs *r, unsigned reg, size_t memory)
{
    if (reg >= VBE_REGS)
        return 0;
    if (reg == VBE_MEMORY_64K)
        return (uint16_t)MIN(memory / BANK_BYTES, 0xffffu);
    if (r->value[VBE_ENABLE] & VBE_GETCAPS)
        switch (reg) {
        case VBE_XRES: return SCREEN_MAX_WIDTH;
        case VBE_YRES: return SCREEN_MAX_HEIGHT;
        case VBE_BPP: return 32;
        }
    return r->value[reg];
}

static size_t enable(struct vbe_regs *r, uint16_t value, size_t memory)
{
    uint16_t *v = r->value;
    bool was = vbe_enabled(r);

    v[VBE_ENABLE] = value & (VBE_ENABLED | VBE_GETCAPS | VBE_8BIT_DAC | VBE_LFB | VBE_NOCLEAR);
    if (!(value & VBE_ENABLED)) {
        v[VBE_BANK] = 0;
        return 0;
    }
    if (was)
        return 0;
    v[VBE_VIRT_WIDTH] = 0;
    v[VBE_X_OFFSET] = v[VBE_Y_OFFSET] = 0;
    v[VBE_BANK] = 0;
    vbe_judge(r, memory);
    if (value & VBE_NOCLEAR)
        return 0;
    return (size_t)MIN(line_size(r, v[VBE_VIRT_WIDTH]) * v[VBE_YRES], memory);
}

size_t vbe_write(struct vbe_regs *r, unsigned reg, uint16_t value, size_t memory)
{
    switch (reg) {
    case VBE_ID:
        if (value >= ID_OLDEST && value <= ID_NEWEST)
            r->value[VBE_ID] = value;
        return 0;
    case VBE_ENABLE:
        return enable(r, value, memory);
    case VBE_BANK:
        if ((uint64_t)value * BANK_BYTES < memory)
            r->value[VBE_BANK] = value;
        return 0;
    case VBE_XRES: case VBE_YRES: case VBE_BPP: case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET: case VBE_Y_OFFSET:
        r->value[reg] = value;
        if (vbe_enabled(r))
            vbe_judge(r, memory);
        return 0;
    }
    return 0; /* VIRT_HEIGHT and MEMORY_64K follow from the rest */
}

void vbe_mode(const struct vbe_regs *r, size_t memory, struct vga_mode *m)
{
    const uint16_t *v = r->value;

    m->width = v[VBE_XRES];
    m->height = v[VBE_YRES];
    m->pitch = (uint32_t)line_size(r, v[VBE_VIRT_WIDTH]);
    m->start = v[VBE_Y_OFFSET] * m->pitch + (uint32_t)line_size(r, v[VBE_X_OFFSET] & ~7u);
    m->dac8 = v[VBE_ENABLE] & VBE_8BIT_DAC;
    switch (v[VBE_BPP]) {
    case 4: m->kind = VGA_PLANAR; m->pan = v[VBE_X_OFFSET] & 7; break;
    case 8: m->kind = VGA_INDEXED; break;
    case 15: m->kind = VGA_RGB555; break;
    case 16: m->kind = VGA_RGB565; break;
    case 24: m->kind = VGA_RGB888; break;
    default: m->kind = VGA_XRGB8888; break;
    }
    if (m->kind != VGA_PLANAR)
        m->start = v[VBE_Y_OFFSET] * m->pitch + (uint32_t)line_size(r, v[VBE_X_OFFSET]);
}
