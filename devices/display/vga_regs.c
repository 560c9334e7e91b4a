/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VGA registers behind ports 0x3b0-0x3df. Document: IBM VGA Technical Reference, as told by the
 * FreeVGA project's register descriptions. Not modelled: the light pen, and the dot clocks: a
 * frame lasts a 70th of a second whatever the timings say.
 */
#include "devices/display/vga.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"

#define FRAME_NS (NS_PER_SEC / 70)
/*
 * Long against the chip's 64 us: a guest polls through a hypervisor, and should see the retrace of
 * this frame, not of one some frames later.
 */
#define RETRACE_NS (FRAME_NS / 10)

#define MISC_COLOUR 0x01 /* I/O Address Select */
#define CRTC_PROTECT 0x80

static const uint8_t seq_mask[8] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0xff };
static const uint8_t gr_mask[16] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };

static void attr_write(struct vga_regs *r, uint8_t value)
{
    static const uint8_t mask[8] = { 0xef, 0xff, 0x3f, 0x0f, 0x0f, 0, 0, 0 };
    unsigned i = r->attr_index & 0x1f;

    if (!r->attr_is_data)
        r->attr_index = value & 0x3f;
    else
        r->attr[i] = i < 16 ? value & 0x3f : i < 24 ? value & mask[i - 16] : 0;
    r->attr_is_data ^= 1;
}

static void crtc_write(struct vga_regs *r, uint8_t value)
{
    unsigned i = r->crtc_index;

    if (i > 0x18)
        return;
    if (i < 8 && (r->crtc[0x11] & CRTC_PROTECT)) {
        if (i == 7) /* only bit 8 of Line Compare is free */
            r->crtc[7] = (uint8_t)((r->crtc[7] & ~0x10) | (value & 0x10));
        return;
    }
    r->crtc[i] = value;
}

static uint8_t status1_read(struct vga_regs *r)
{
    uint64_t at = clock_now() % FRAME_NS;

    r->attr_is_data = 0;
    if (at >= FRAME_NS - RETRACE_NS)
        return 0x09; /* vertical retrace, and with it no display */
    r->status_toggle ^= 1; /* scan lines are too short to be timed through a hypervisor */
    return r->status_toggle;
}

static uint8_t dac_data_read(struct vga_regs *r)
{
    uint8_t v = r->palette[r->dac_read * 3 + r->dac_part];

    if (++r->dac_part == 3) {
        r->dac_part = 0;
        r->dac_read++;
    }
    return v;
}

static void dac_data_write(struct vga_regs *r, uint8_t value)
{
    r->dac_held[r->dac_part] = value;
    if (++r->dac_part < 3)
        return;
    memcpy(r->palette + r->dac_write * 3, r->dac_held, 3);
    r->dac_part = 0;
    r->dac_write++;
}

/* The mono and the colour addresses are the same registers; one of them is off. */
static bool away(const struct vga_regs *r, unsigned port)
{
    bool colour = r->misc & MISC_COLOUR;

    return (port >= 0x3b0 && port <= 0x3bf && colour) || (port >= 0x3d0 && !colour);
}

uint8_t vga_port_read(struct vga *vga, unsigned port)
{
    struct vga_regs *r = vga->regs;
    uint8_t v;

    if (away(r, port))
        return 0xff;
    if (vga->ops->port_read && vga->ops->port_read(vga->owner, port, &v))
        return v;
    switch (port) {
    case 0x3c0: return r->attr_is_data ? 0 : r->attr_index;
    case 0x3c1: return r->attr[r->attr_index & 0x1f];
    case 0x3c2: return 0x10; /* Input Status 0: a colour monitor is connected */
    case 0x3c3: return 0x01;
    case 0x3c4: return r->seq_index;
    case 0x3c5: return r->seq[r->seq_index & 7];
    case 0x3c6: return r->dac_mask;
    case 0x3c7: return r->dac_state;
    case 0x3c8: return r->dac_write;
    case 0x3c9: return dac_data_read(r);
    case 0x3ca: return r->feature;
    case 0x3cc: return r->misc;
    case 0x3ce: return r->gr_index;
    case 0x3cf: return r->gr[r->gr_index & 15];
    case 0x3b4: case 0x3d4: return r->crtc_index;
    case 0x3b5: case 0x3d5: return r->crtc_index > 0x18 ? 0xff : r->crtc[r->crtc_index];
    case 0x3ba: case 0x3da: return status1_read(r);
    }
    return 0xff;
}

void vga_port_write(struct vga *vga, unsigned port, uint8_t value)
{
    struct vga_regs *r = vga->regs;

    if (away(r, port))
        return;
    if (vga->ops->port_write && vga->ops->port_write(vga->owner, port, value))
        return;
    switch (port) {
    case 0x3c0: attr_write(r, value); break;
    case 0x3c2: r->misc = value & ~0x10; break;
    case 0x3c4: r->seq_index = value & 0x07; break;
    case 0x3c5: r->seq[r->seq_index & 7] = value & seq_mask[r->seq_index & 7]; break;
    case 0x3c6: r->dac_mask = value; break;
    case 0x3c7: r->dac_read = value; r->dac_part = 0; r->dac_state = 3; break;
    case 0x3c8: r->dac_write = value; r->dac_part = 0; r->dac_state = 0; break;
    case 0x3c9: dac_data_write(r, value); break;
    case 0x3ce: r->gr_index = value & 0x0f; break;
    case 0x3cf: r->gr[r->gr_index & 15] = value & gr_mask[r->gr_index & 15]; break;
    case 0x3b4: case 0x3d4: r->crtc_index = value & 0x3f; break;
    case 0x3b5: case 0x3d5: crtc_write(r, value); break;
    case 0x3ba: case 0x3da: r->feature = value & 0x10; break;
    }
}

static uint64_t low_read(void *state, uint64_t offset, unsigned size)
{
    return vga_port_read(state, 0x3b0 + (unsigned)offset);
}

static void low_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    vga_port_write(state, 0x3b0 + (unsigned)offset, (uint8_t)value);
}

const struct region_ops vga_low_ports_ops = {
    .name = "vga-mono", .min_size = 1, .max_size = 1, .read = low_read, .write = low_write,
};

static uint64_t ports_read(void *state, uint64_t offset, unsigned size)
{
    return vga_port_read(state, 0x3c0 + (unsigned)offset);
}

static void ports_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    vga_port_write(state, 0x3c0 + (unsigned)offset, (uint8_t)value);
}

const struct region_ops vga_ports_ops = {
    .name = "vga", .min_size = 1, .max_size = 1, .read = ports_read, .write = ports_write,
};
