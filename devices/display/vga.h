/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_DISPLAY_VGA_H
#define DEVICES_DISPLAY_VGA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "devices/core/device.h"
#include "dm/display/screen.h"

/*
 * The VGA: registers, the window at 0xa0000, and the drawing of every mode. It knows no bus: a
 * neighbour (vga_pci.c, cirrus.c) embeds `struct vga_regs` in its regs, begins its private state
 * with `struct vga`, opens the video memory, and adds what its chip has beyond an IBM VGA as vga_ops.
 *
 * Video memory holds the four planes as bytes side by side: byte P of the dword at 4 * A is plane P
 * at address A. Chain-4 then is linear, and odd/even addressing halves the address; a CRTC that
 * counts words or doublewords sees the same picture as on the chip.
 *
 * The display device's loop only.
 */
struct vram;

/* All that the guest can see of a VGA, beside video memory. */
struct vga_regs {
    uint8_t misc;    /* Miscellaneous Output */
    uint8_t feature; /* Feature Control */
    uint8_t seq_index, gr_index, crtc_index;
    uint8_t attr_index;   /* with bit 5, Palette Address Source */
    uint8_t attr_is_data; /* the flip-flop: the next write to 0x3c0 is data */
    uint8_t status_toggle;
    uint8_t seq[32], gr[64], crtc[64], attr[32];
    uint8_t latch[4];
    uint8_t dac_mask, dac_read, dac_write;
    uint8_t dac_state;    /* as 0x3c7 reads: 0 writing, 3 reading */
    uint8_t dac_part;     /* which of red, green, blue is next */
    uint8_t dac_held[3];  /* red and green wait here for blue */
    uint8_t palette[768];
};

/* For the saved table of a device whose regs hold `struct vga_regs vga`. */
#define SAVED_VGA(type)                                                                            \
    SAVED(type, vga.misc), SAVED(type, vga.feature), SAVED(type, vga.seq_index),                   \
        SAVED(type, vga.gr_index), SAVED(type, vga.crtc_index), SAVED(type, vga.attr_index),       \
        SAVED(type, vga.attr_is_data), SAVED(type, vga.status_toggle), SAVED_ARRAY(type, vga.seq), \
        SAVED_ARRAY(type, vga.gr), SAVED_ARRAY(type, vga.crtc), SAVED_ARRAY(type, vga.attr),       \
        SAVED_ARRAY(type, vga.latch), SAVED(type, vga.dac_mask), SAVED(type, vga.dac_read),        \
        SAVED(type, vga.dac_write), SAVED(type, vga.dac_state), SAVED(type, vga.dac_part),         \
        SAVED_ARRAY(type, vga.dac_held), SAVED_ARRAY(type, vga.palette)

/* ---- What is on the screen, worked out of the registers ---- */
enum vga_kind {
    VGA_TEXT,
    VGA_PLANAR,  /* 4 planes, 8 pixels in a dword */
    VGA_CGA4,    /* 2 bits a pixel, planes 0 and 1 in turn */
    VGA_INDEXED, /* a byte a pixel, through the palette */
    VGA_RGB555,
    VGA_RGB565,
    VGA_RGB888,
    VGA_XRGB8888,
};

struct vga_mode {
    enum vga_kind kind;
    unsigned width, height; /* of the surface */
    uint32_t start, pitch;  /* bytes in video memory */
    bool blank;
    bool wide;              /* each pixel twice */
    bool doubled;           /* each scan line twice */
    unsigned row_scans;     /* scan lines of a row of memory, before doubling; at least 1 */
    unsigned preset;        /* the row scan counter at the top */
    unsigned compare;       /* the last scan line before the address starts again at 0 */
    unsigned pan;           /* pixels to the left */
    bool pan_all;           /* panning goes on after the split */
    unsigned scan_bits;     /* which of the row scan's low two bits replace address bits */
    unsigned scan_shift;    /* ... from this bit of the address on */
    bool dac8;              /* palette entries have 8 bits */
    unsigned plane_mask;
    /* text */
    unsigned cell_width, columns;
    uint32_t font[2];       /* plane 2 addresses: attribute bit 3 clear, set */
    bool blinks, line_graphics, mono;
    unsigned underline;
    bool cursor;
    unsigned cursor_first, cursor_last;
    uint32_t cursor_at;     /* byte in video memory of its cell */
};

/* What a chip adds to the VGA. Any may be NULL. A bool says: it was mine, look no further. */
struct vga_ops {
    bool (*mode)(void *owner, struct vga_mode *mode);
    bool (*port_read)(void *owner, unsigned port, uint8_t *value);
    bool (*port_write)(void *owner, unsigned port, uint8_t value);
    /* `offset` from 0xa0000; one byte */
    bool (*window_read)(void *owner, uint32_t offset, uint8_t *value);
    bool (*window_write)(void *owner, uint32_t offset, uint8_t value);
    /* The scan lines a hardware cursor covers; it is drawn over pixels already converted. */
    void (*overlay_lines)(void *owner, unsigned *first, unsigned *count);
    void (*overlay)(void *owner, unsigned line, uint32_t *pixels, unsigned width);
};

#define VGA_ROWS 1024 /* a mode has 10 bits of scan lines */

struct vga {
    struct vga_regs *regs;
    const struct vga_ops *ops;
    void *owner;
    struct device *dev;
    struct screen *screen;
    struct vram *vram;
    uint8_t *bytes; /* video memory that the display reads; a power of two */
    size_t size;

    /* what was drawn last; none of it is the guest's */
    struct vga_mode drawn;
    uint32_t colours[256];  /* 0x00RRGGBB, by attribute or by pixel */
    bool on_phase, blink_phase;
    unsigned overlay_first, overlay_count;
    uint8_t *dirty;         /* a bit for each page */
    size_t dirty_first, dirty_pages;
    uint64_t row_seen[VGA_ROWS]; /* a text row's digest */
    uint8_t glyphs[2][8192];
    uint8_t *bounce;        /* a line that wraps at the end of video memory */
    uint32_t *pixels;       /* a line, converted */
};

/*
 * Claims ports and window, and serves the screen named by option "screen" if there is one. `size`:
 * bytes of video memory from its start on that belong to the chip; a power of two.
 */
int vga_attach(struct vga *vga, struct device *dev, struct vga_regs *regs, struct vram *vram,
               size_t size, const struct vga_ops *ops, void *owner, struct error *err);
void vga_detach(struct vga *vga); /* zeroed or attached */
void vga_reset(struct vga *vga);
int vga_loaded(struct vga *vga, struct error *err);

/* Ports 0x3b0 to 0x3df, a byte at a time. */
uint8_t vga_port_read(struct vga *vga, unsigned port);
void vga_port_write(struct vga *vga, unsigned port, uint8_t value);

/* The window at 0xa0000 as a plain VGA decodes it; for what the chip's own window does not take. */
uint8_t vga_window_read(struct vga *vga, uint32_t offset);
void vga_window_write(struct vga *vga, uint32_t offset, uint8_t value);

/* From 0x3b0, from 0x3c0, and the window. */
extern const struct region_ops vga_low_ports_ops, vga_ports_ops, vga_window_ops;

/* ---- Between the files of the VGA ---- */
void vga_mode_now(struct vga *vga, struct vga_mode *mode);
void vga_draw(void *owner, struct surface *surface, struct damage *damage, bool all);
void vga_unwatched(void *owner);
/* Where scan line `line` of `mode` lies: *offset from the start of memory, and its row scan. */
unsigned vga_locate(const struct vga_mode *mode, unsigned line, uint32_t *offset);
/*
 * `length` bytes (at most VGA_LINE_BYTES) of video memory from `offset` on, taken round its end:
 * the one place that judges an address before the display reads there.
 */
#define VGA_LINE_BYTES (SCREEN_MAX_WIDTH * 4 + 64)
const uint8_t *vga_fetch(struct vga *vga, uint64_t offset, size_t length);
/* Reads the fonts; true if they are others than last time. */
bool vga_text_fonts(struct vga *vga, const struct vga_mode *mode);
/* Whether the `row`th row drawn, whose cells are at `offset`, looks other than last time. */
bool vga_text_row_changed(struct vga *vga, const struct vga_mode *mode, unsigned row,
                          uint32_t offset);
void vga_text_line(struct vga *vga, const struct vga_mode *mode, uint32_t offset, unsigned scan,
                   uint32_t *pixels);
#endif
