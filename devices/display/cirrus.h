/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_DISPLAY_CIRRUS_H
#define DEVICES_DISPLAY_CIRRUS_H
#include <stdbool.h>
#include <stdint.h>
#include "devices/display/vga.h"
#include "devices/pci/function.h"
#include "dm/base/loop.h"

/* Between the files of the CL-GD5446; nobody else includes this. */

#define BLIT_LINE 8192 /* the most bytes in a line: 13 bits of width */

/* Graphics Controller registers that drive the blitter. */
enum {
    GR_BANK0 = 0x09, GR_BANK1 = 0x0a, GR_MODE_EXT = 0x0b,
    GR_BG1 = 0x10, GR_FG1 = 0x11, GR_BG2 = 0x12, GR_FG2 = 0x13, GR_BG3 = 0x14, GR_FG3 = 0x15,
    GR_BLT_WIDTH = 0x20, GR_BLT_HEIGHT = 0x22, GR_BLT_DST_PITCH = 0x24, GR_BLT_SRC_PITCH = 0x26,
    GR_BLT_DST = 0x28, GR_BLT_SRC = 0x2c, GR_BLT_SKIP = 0x2f, GR_BLT_MODE = 0x30,
    GR_BLT_CONTROL = 0x31, GR_BLT_ROP = 0x32, GR_BLT_EXT = 0x33, GR_BLT_KEY = 0x34,
    GR_BLT_KEY_MASK = 0x38,
};

#define BLT_BACKWARD 0x01
#define BLT_TO_HOST 0x02
#define BLT_FROM_HOST 0x04
#define BLT_TRANSPARENT 0x08
#define BLT_PIXEL 0x30
#define BLT_PATTERN 0x40
#define BLT_EXPAND 0x80

#define BLT_EXT_DWORDS 0x01 /* a line of expanded host data is whole doublewords */
#define BLT_EXT_INVERT 0x02
#define BLT_EXT_SOLID 0x04

#define BLT_BUSY 0x01
#define BLT_START 0x02
#define BLT_RESET 0x04
#define BLT_PROGRESS 0x08 /* reads as 0: nobody ever sees a blit half done */
#define BLT_AUTOSTART 0x80

/* A blit as it was started; the guest may change its registers while the host end goes on. */
struct cirrus_blit {
    uint32_t dst, src, width, height, dst_pitch, src_pitch; /* bytes, lines */
    uint8_t fg[4], bg[4], key[2];
    uint8_t mode, ext, rop, skip;
    uint8_t host;     /* one of enum blit_host: what the CPU's end of it does */
    uint8_t reserved;
    uint32_t filled;  /* bytes of data[] received, or delivered */
    uint32_t line;    /* lines done */
    uint8_t data[BLIT_LINE];
};
enum blit_host { HOST_IDLE, HOST_WRITES, HOST_READS };

struct cirrus_regs {
    struct pci_regs pci;
    struct vga_regs vga;
    uint8_t hidden_dac;
    uint8_t hidden_reads; /* of 0x3c6 in a row; the fifth access is to the hidden register */
    uint16_t cursor_x, cursor_y;
    uint8_t cursor_palette[48];
    uint8_t reserved[2];
    struct cirrus_blit blit;
};

struct cirrus {
    struct vga vga; /* first: its handlers are called with the private state */
    struct cirrus_regs *regs;
    struct pci_function pci;
    struct vram *vram;
    uint64_t framebuffer;     /* where BAR 0 is; UINT64_MAX: nowhere */
    bool trapped;             /* its first part is a region, not memory */
    struct region *linear, *aperture;
    struct timer trap_timer;
};

static inline uint32_t cirrus_mask(const struct cirrus *c)
{
    return (uint32_t)c->vga.size - 1;
}

/* cirrus_regs.c */
bool cirrus_port_read(void *owner, unsigned port, uint8_t *value);
bool cirrus_port_write(void *owner, unsigned port, uint8_t value);
bool cirrus_mode(void *owner, struct vga_mode *mode);
uint8_t cirrus_gr_read(struct cirrus *c, unsigned index);
void cirrus_gr_write(struct cirrus *c, unsigned index, uint8_t value);
bool cirrus_packed(const struct cirrus *c); /* an extended mode of 8 bits a pixel or more */

/* cirrus_memory.c */
extern const struct region_ops cirrus_mmio_ops;
bool cirrus_window_read(void *owner, uint32_t offset, uint8_t *value);
bool cirrus_window_write(void *owner, uint32_t offset, uint8_t value);
void cirrus_framebuffer_move(void *state, uint64_t addr);
/* Something changed that decides whether the framebuffer may be plain memory. */
void cirrus_update_trap(struct cirrus *c);
void cirrus_trap_expired(void *arg);
void cirrus_memory_detach(struct cirrus *c);

/* cirrus_blit.c */
void cirrus_blit_start(struct cirrus *c);
void cirrus_blit_abort(struct cirrus *c);
void cirrus_blit_feed(struct cirrus *c, uint8_t byte);
uint8_t cirrus_blit_drain(struct cirrus *c);
bool cirrus_blit_possible(const struct cirrus_blit *blit); /* what was loaded */

/* cirrus_cursor.c */
void cirrus_overlay_lines(void *owner, unsigned *first, unsigned *count);
void cirrus_overlay(void *owner, unsigned line, uint32_t *pixels, unsigned width);
#endif
