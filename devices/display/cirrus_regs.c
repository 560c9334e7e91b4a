/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the CL-GD5446 adds to the registers of a VGA. Document: Cirrus Logic CL-GD5446 Technical
 * Reference Manual, "External, General Registers" to "BitBLT Registers". Not modelled: clock
 * synthesizers beyond their registers, the video overlay window, DDC, and the key in SR6: as on
 * this chip, extensions are never locked.
 */
#include "devices/display/cirrus.h"
#include "dm/base/bytes.h"

#define SR7_PACKED 0x01
#define SR12_CURSOR_PALETTE 0x02
#define SR17_BUS 0x38 /* strapped: PCI */
#define HDR_565 0x01
#define CR1A_INTERLACE 0x01
#define CHIP_ID 0xb8
#define CHIP_REVISION 0x00

bool cirrus_packed(const struct cirrus *c)
{
    return c->regs->vga.seq[7] & SR7_PACKED;
}

bool cirrus_mode(void *owner, struct vga_mode *m)
{
    struct cirrus *c = owner;
    const struct vga_regs *r = &c->regs->vga;
    const uint8_t *cr = r->crtc;

    if (!cirrus_packed(c))
        return false;
    switch (r->seq[7] & 0x0e) {
    case 0x00: m->kind = VGA_INDEXED; break;
    case 0x02: case 0x06:
        m->kind = (c->regs->hidden_dac & 0x0f) == HDR_565 ? VGA_RGB565 : VGA_RGB555;
        break;
    case 0x04: m->kind = VGA_RGB888; break;
    case 0x08: m->kind = VGA_XRGB8888; break;
    default: return false;
    }
    m->width = (cr[1] + 1u) * 8;
    m->height = (cr[0x12] | (cr[7] & 0x02u) << 7 | (cr[7] & 0x40u) << 3) + 1;
    if (cr[0x1a] & CR1A_INTERLACE)
        m->height *= 2;
    m->compare = cr[0x18] | (cr[7] & 0x10u) << 4 | (cr[9] & 0x40u) << 3;
    if (m->compare >= m->height)
        m->compare = ~0u;
    m->row_scans = (cr[9] & 0x1fu) + 1;
    m->doubled = cr[9] & 0x80;
    if (r->seq[1] & 0x08) { /* half the dot clock */
        m->wide = true;
        m->width *= 2;
    }
    m->pitch = (cr[0x13] | (cr[0x1b] & 0x10u) << 4) * 8;
    m->start = (cr[0x0d] | (uint32_t)cr[0x0c] << 8 | (cr[0x1b] & 0x01u) << 16 |
                (cr[0x1b] & 0x0cu) << 15 | (cr[0x1d] & 0x80u) << 12) * 4;
    return true;
}

/* ---- Sequencer ---- */

static void seq_write(struct cirrus *c, uint8_t value)
{
    static const uint8_t mask[5] = { 0x03, 0x3d, 0xff, 0x3f, 0x0e };
    struct cirrus_regs *r = c->regs;
    unsigned i = r->vga.seq_index & 0x1f;

    switch (i) {
    case 0: case 1: case 2: case 3: case 4:
        value &= mask[i];
        break;
    case 5:
        return;
    case 6:
        value = (value & 0x17) == 0x12 ? 0x12 : 0x0f;
        break;
    case 0x10: /* the low three bits of a cursor coordinate come with the index */
        r->cursor_x = (uint16_t)(value << 3 | r->vga.seq_index >> 5);
        break;
    case 0x11:
        r->cursor_y = (uint16_t)(value << 3 | r->vga.seq_index >> 5);
        break;
    case 0x17:
        value = (r->vga.seq[0x17] & SR17_BUS) | (value & ~SR17_BUS);
        break;
    }
    r->vga.seq[i] = value;
    if (i == 0x07 || i == 0x17)
        cirrus_update_trap(c);
}

/* ---- Graphics Controller ---- */

uint8_t cirrus_gr_read(struct cirrus *c, unsigned index)
{
    return index < 0x3a ? c->regs->vga.gr[index] : 0xff;
}

static void control_write(struct cirrus *c, uint8_t value)
{
    uint8_t *control = &c->regs->vga.gr[GR_BLT_CONTROL];
    uint8_t was = *control;

    *control = (value & ~(BLT_BUSY | BLT_PROGRESS)) | (was & BLT_BUSY);
    if (value & BLT_RESET)
        cirrus_blit_abort(c);
    else if (!(was & BLT_START) && (value & BLT_START))
        cirrus_blit_start(c);
}

void cirrus_gr_write(struct cirrus *c, unsigned index, uint8_t value)
{
    /* bits that exist; what is not named here has all eight or is not there */
    static const uint8_t mask[0x3a] = {
        0xff, 0xff, 0x0f, 0x1f, 0x03, 0x7f, 0x0f, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        [0x10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [0x18] = 0xff,
        [0x20] = 0xff, 0x1f, 0xff, 0x07, 0xff, 0x1f, 0xff, 0x1f, 0xff, 0xff, 0x3f, 0x00,
        0xff, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [0x38] = 0xff, 0xff,
    };

    if (index == GR_BLT_CONTROL) {
        control_write(c, value);
        return;
    }
    if (index >= sizeof(mask))
        return;
    c->regs->vga.gr[index] = value & mask[index];
    if (index == 5 || index == GR_MODE_EXT)
        cirrus_update_trap(c);
    if (index == GR_BLT_DST + 2 && (c->regs->vga.gr[GR_BLT_CONTROL] & BLT_AUTOSTART))
        cirrus_blit_start(c);
}

/* ---- CRT Controller, beyond 0x18 ---- */

static uint8_t crtc_read(struct cirrus *c)
{
    const struct vga_regs *r = &c->regs->vga;

    switch (r->crtc_index) {
    case 0x19: case 0x1a: case 0x1b: case 0x1c: case 0x1d: return r->crtc[r->crtc_index];
    case 0x22: return r->latch[r->gr[4] & 3];
    case 0x24: return (uint8_t)(r->attr_is_data << 7);
    case 0x25: return CHIP_REVISION;
    case 0x26: return r->attr_index;
    case 0x27: return CHIP_ID;
    }
    return 0xff;
}

static void crtc_write(struct cirrus *c, uint8_t value)
{
    struct vga_regs *r = &c->regs->vga;

    if (r->crtc_index >= 0x19 && r->crtc_index <= 0x1d)
        r->crtc[r->crtc_index] = value;
}

/* ---- DAC ---- */

static uint8_t mask_read(struct cirrus *c)
{
    struct cirrus_regs *r = c->regs;

    if (r->hidden_reads++ < 4)
        return r->vga.dac_mask;
    r->hidden_reads = 0;
    return r->hidden_dac;
}

static bool mask_write(struct cirrus *c, uint8_t value)
{
    bool hidden = c->regs->hidden_reads == 4;

    c->regs->hidden_reads = 0;
    if (hidden)
        c->regs->hidden_dac = value;
    return hidden;
}

/* With SR12 bit 1 the data port reaches the cursor's colours: 0 behind, 15 in front. */
static uint8_t cursor_colour_read(struct cirrus *c)
{
    struct vga_regs *r = &c->regs->vga;
    uint8_t v = c->regs->cursor_palette[(r->dac_read & 15) * 3 + r->dac_part];

    if (++r->dac_part == 3) {
        r->dac_part = 0;
        r->dac_read++;
    }
    return v;
}

static void cursor_colour_write(struct cirrus *c, uint8_t value)
{
    struct vga_regs *r = &c->regs->vga;

    r->dac_held[r->dac_part] = value;
    if (++r->dac_part < 3)
        return;
    memcpy(c->regs->cursor_palette + (r->dac_write & 15) * 3, r->dac_held, 3);
    r->dac_part = 0;
    r->dac_write++;
}

/* ---- Ports ---- */

bool cirrus_port_read(void *owner, unsigned port, uint8_t *value)
{
    struct cirrus *c = owner;
    struct vga_regs *r = &c->regs->vga;

    if (port == 0x3c6) {
        *value = mask_read(c);
        return true;
    }
    c->regs->hidden_reads = 0;
    switch (port) {
    case 0x3c5: *value = r->seq[r->seq_index & 0x1f]; return true;
    case 0x3cf: *value = cirrus_gr_read(c, r->gr_index); return true;
    case 0x3c9:
        if (!(r->seq[0x12] & SR12_CURSOR_PALETTE))
            return false;
        *value = cursor_colour_read(c);
        return true;
    case 0x3b5: case 0x3d5:
        if (r->crtc_index <= 0x18)
            return false;
        *value = crtc_read(c);
        return true;
    }
    return false;
}

bool cirrus_port_write(void *owner, unsigned port, uint8_t value)
{
    struct cirrus *c = owner;
    struct vga_regs *r = &c->regs->vga;

    if (port == 0x3c6)
        return mask_write(c, value);
    c->regs->hidden_reads = 0;
    switch (port) {
    case 0x3c4: r->seq_index = value; return true;
    case 0x3c5: seq_write(c, value); return true;
    case 0x3ce: r->gr_index = value & 0x3f; return true;
    case 0x3cf: cirrus_gr_write(c, r->gr_index, value); return true;
    case 0x3c9:
        if (!(r->seq[0x12] & SR12_CURSOR_PALETTE))
            return false;
        cursor_colour_write(c, value);
        return true;
    case 0x3b5: case 0x3d5:
        if (r->crtc_index <= 0x18)
            return false;
        crtc_write(c, value);
        return true;
    }
    return false;
}
