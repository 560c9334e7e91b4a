/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_VGA_H
#define TESTS_GUEST_VGA_H
#include <stdint.h>

/*
 * What a video BIOS does: modes by their numbers through the standard registers, and the linear
 * modes of the two cards. Nothing is drawn; memory stays as it was, but for the font of mode 3.
 */
enum guest_vga_mode { GUEST_VGA_TEXT = 0x03, GUEST_VGA_12 = 0x12, GUEST_VGA_13 = 0x13 };
void guest_vga_mode(unsigned vcpu, enum guest_vga_mode mode);
/* Through plane 2, as the BIOS loads it: 16 bytes for each of 256 characters. */
void guest_vga_font(unsigned vcpu, const uint8_t font[256][16]);
/* An entry of the palette, six bits each. */
void guest_vga_colour(unsigned vcpu, uint8_t index, uint8_t red, uint8_t green, uint8_t blue);

/* The standard VGA by VBE's registers: 8, 15, 16, 24 or 32 bits with the linear frame buffer on. */
void guest_vbe_mode(unsigned vcpu, unsigned width, unsigned height, unsigned bpp);
uint16_t guest_vbe_read(unsigned vcpu, unsigned index);
void guest_vbe_write(unsigned vcpu, unsigned index, uint16_t value);

/* The Cirrus card's own: 8, 15, 16, 24 or 32 bits, from offset 0 of its memory. */
void guest_cirrus_mode(unsigned vcpu, unsigned width, unsigned height, unsigned bpp);

/* Each register file by index; attribute leaves the screen on (PAS). */
uint8_t guest_vga_get(unsigned vcpu, uint16_t index_port, uint8_t index);
void guest_vga_set(unsigned vcpu, uint16_t index_port, uint8_t index, uint8_t value);
#define GUEST_VGA_SEQUENCER 0x3c4
#define GUEST_VGA_GRAPHICS 0x3ce
#define GUEST_VGA_CRTC 0x3d4
#define GUEST_VGA_ATTRIBUTE 0x3c0

#endif
