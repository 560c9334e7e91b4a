/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The register values of the IBM modes, as every VGA's BIOS has them (IBM VGA/XGA Technical
 * Reference, "Video BIOS modes"), VBE's index and data ports, and the CL-GD5446's extensions.
 */
#include "tests/guest/guest.h"
#include "tests/guest/vga.h"

#define MISC 0x3c2
#define STATUS1 0x3da
#define PAS 0x20
#define VBE_INDEX 0x1ce
#define VBE_DATA 0x1cf

struct mode {
    uint8_t misc, sequencer[5], crtc[25], attribute[21], graphics[9];
};

static const struct mode text = {
    0x67,
    { 0x03, 0x00, 0x03, 0x00, 0x02 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
      0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
    { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
      0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00 },
    { 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff },
};

static const struct mode mode12 = {
    0xe3,
    { 0x03, 0x01, 0x0f, 0x00, 0x06 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff },
    { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
      0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x01, 0x00, 0x0f, 0x00, 0x00 },
    { 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff },
};

static const struct mode mode13 = {
    0x63,
    { 0x03, 0x01, 0x0f, 0x00, 0x0e },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff },
    { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
      0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x41, 0x00, 0x0f, 0x00, 0x00 },
    { 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff },
};

/* The attribute controller takes index and data at one port in turn; STATUS1 resets the turn. */
void guest_vga_set(unsigned vcpu, uint16_t index_port, uint8_t index, uint8_t value)
{
    if (index_port != GUEST_VGA_ATTRIBUTE) {
        guest_out(vcpu, index_port, 2, (uint32_t)value << 8 | index);
        return;
    }
    guest_in(vcpu, STATUS1, 1);
    guest_out(vcpu, index_port, 1, index);
    guest_out(vcpu, index_port, 1, value);
    guest_out(vcpu, index_port, 1, PAS);
}

uint8_t guest_vga_get(unsigned vcpu, uint16_t index_port, uint8_t index)
{
    uint8_t value;

    if (index_port == GUEST_VGA_ATTRIBUTE)
        guest_in(vcpu, STATUS1, 1);
    guest_out(vcpu, index_port, 1, index);
    value = (uint8_t)guest_in(vcpu, index_port + 1, 1);
    if (index_port == GUEST_VGA_ATTRIBUTE) {
        guest_in(vcpu, STATUS1, 1);
        guest_out(vcpu, index_port, 1, PAS);
    }
    return value;
}

static void set_mode(unsigned vcpu, const struct mode *m)
{
    guest_out(vcpu, MISC, 1, m->misc);
    guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, 0, 1);
    for (uint8_t i = 1; i < sizeof(m->sequencer); i++)
        guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, i, m->sequencer[i]);
    guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, 0, m->sequencer[0]);
    guest_vga_set(vcpu, GUEST_VGA_CRTC, 0x11, 0); /* the first eight are not protected */
    for (uint8_t i = 0; i < sizeof(m->crtc); i++)
        guest_vga_set(vcpu, GUEST_VGA_CRTC, i, m->crtc[i]);
    for (uint8_t i = 0; i < sizeof(m->graphics); i++)
        guest_vga_set(vcpu, GUEST_VGA_GRAPHICS, i, m->graphics[i]);
    for (uint8_t i = 0; i < sizeof(m->attribute); i++)
        guest_vga_set(vcpu, GUEST_VGA_ATTRIBUTE, i, m->attribute[i]);
    guest_out(vcpu, 0x3c6, 1, 0xff);
}

void guest_vga_mode(unsigned vcpu, enum guest_vga_mode mode)
{
    set_mode(vcpu, mode == GUEST_VGA_TEXT ? &text : mode == GUEST_VGA_12 ? &mode12 : &mode13);
}

void guest_vga_colour(unsigned vcpu, uint8_t index, uint8_t red, uint8_t green, uint8_t blue)
{
    guest_out(vcpu, 0x3c8, 1, index);
    guest_out(vcpu, 0x3c9, 1, red);
    guest_out(vcpu, 0x3c9, 1, green);
    guest_out(vcpu, 0x3c9, 1, blue);
}

void guest_vga_font(unsigned vcpu, const uint8_t font[256][16])
{
    guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, 2, 4);
    guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, 4, 6);
    guest_vga_set(vcpu, GUEST_VGA_GRAPHICS, 5, 0);
    guest_vga_set(vcpu, GUEST_VGA_GRAPHICS, 6, 4);
    for (unsigned c = 0; c < 256; c++)
        for (unsigned y = 0; y < 16; y++)
            if (!guest_post(0xa0000 + c * 32 + y, 1, font[c][y]))
                guest_store(vcpu, 0xa0000 + c * 32 + y, 1, font[c][y]);
    guest_load(vcpu, 0xa0000, 1); /* what is posted comes before the registers change again */
    guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, 2, text.sequencer[2]);
    guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, 4, text.sequencer[4]);
    guest_vga_set(vcpu, GUEST_VGA_GRAPHICS, 5, text.graphics[5]);
    guest_vga_set(vcpu, GUEST_VGA_GRAPHICS, 6, text.graphics[6]);
}

uint16_t guest_vbe_read(unsigned vcpu, unsigned index)
{
    guest_out(vcpu, VBE_INDEX, 2, index);
    return (uint16_t)guest_in(vcpu, VBE_DATA, 2);
}

void guest_vbe_write(unsigned vcpu, unsigned index, uint16_t value)
{
    guest_out(vcpu, VBE_INDEX, 2, index);
    guest_out(vcpu, VBE_DATA, 2, value);
}

/* SeaBIOS's order: off, the size, on with the linear buffer, and a graphics mode underneath. */
void guest_vbe_mode(unsigned vcpu, unsigned width, unsigned height, unsigned bpp)
{
    enum { X = 1, Y, BPP, ENABLE };

    set_mode(vcpu, &mode13);
    guest_vbe_write(vcpu, ENABLE, 0);
    guest_vbe_write(vcpu, X, (uint16_t)width);
    guest_vbe_write(vcpu, Y, (uint16_t)height);
    guest_vbe_write(vcpu, BPP, (uint16_t)bpp);
    guest_vbe_write(vcpu, ENABLE, 0x41);
}

static void write_hidden_dac(unsigned vcpu, uint8_t value)
{
    guest_in(vcpu, 0x3c8, 1); /* resets the count of the four reads before it */
    for (unsigned i = 0; i < 4; i++)
        guest_in(vcpu, 0x3c6, 1);
    guest_out(vcpu, 0x3c6, 1, value);
}

void guest_cirrus_mode(unsigned vcpu, unsigned width, unsigned height, unsigned bpp)
{
    static const uint8_t sr7[] = { 0x11, 0x17, 0x15, 0x19 };
    unsigned bytes = (bpp + 7) / 8, pitch = width * bytes / 8;
    struct mode m = mode13;

    m.sequencer[4] = 0x0e;
    m.misc = 0xef;
    m.crtc[0x01] = (uint8_t)(width / 8 - 1);
    m.crtc[0x12] = (uint8_t)(height - 1);
    m.crtc[0x07] = (uint8_t)(0x11 | ((height - 1) >> 8 & 1) << 1 | ((height - 1) >> 9 & 1) << 6);
    m.crtc[0x09] = 0x40;
    m.crtc[0x13] = (uint8_t)pitch;
    m.crtc[0x14] = 0x00;
    m.attribute[0x10] = 0x01;
    guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, 6, 0x12); /* unlocks the extensions */
    set_mode(vcpu, &m);
    guest_vga_set(vcpu, GUEST_VGA_SEQUENCER, 7, sr7[bytes - 1]);
    guest_vga_set(vcpu, GUEST_VGA_CRTC, 0x1b, (uint8_t)(0x22 | (pitch >> 8 & 1) << 4));
    write_hidden_dac(vcpu, bpp == 15 ? 0xf0 : bpp == 16 ? 0xe1 : bpp > 16 ? 0xe5 : 0x00);
}
