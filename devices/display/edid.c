/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An EDID 1.4 base block. Document: VESA Enhanced EDID Standard, release A revision 2, "EDID
 * Data Structure Version 1, Revision 4".
 */
#include <string.h>
#include "devices/display/edid.h"
#include "dm/base/bytes.h"

#define DPI 100
#define REFRESH 60

/* 18 bytes: the preferred timing, with blanking as a flat panel would take it. */
static void detailed_timing(uint8_t *p, unsigned width, unsigned height)
{
    unsigned hblank = 160, hfront = 48, hsync = 32;
    unsigned vblank = MAX(height / 30, 10u), vfront = 3, vsync = 5;
    unsigned clock = (unsigned)((uint64_t)(width + hblank) * (height + vblank) * REFRESH / 10000);
    unsigned mm_x = width * 254 / (DPI * 10), mm_y = height * 254 / (DPI * 10);

    put_le16(p, (uint16_t)MIN(clock, 0xffffu));
    p[2] = (uint8_t)width;
    p[3] = (uint8_t)hblank;
    p[4] = (uint8_t)(width >> 8 << 4 | hblank >> 8);
    p[5] = (uint8_t)height;
    p[6] = (uint8_t)vblank;
    p[7] = (uint8_t)(height >> 8 << 4 | vblank >> 8);
    p[8] = (uint8_t)hfront;
    p[9] = (uint8_t)hsync;
    p[10] = (uint8_t)((vfront & 15) << 4 | (vsync & 15));
    p[11] = (uint8_t)((hfront >> 8) << 6 | (hsync >> 8) << 4 | (vfront >> 4) << 2 | vsync >> 4);
    p[12] = (uint8_t)mm_x;
    p[13] = (uint8_t)mm_y;
    p[14] = (uint8_t)((mm_x >> 8) << 4 | (mm_y >> 8 & 15));
    p[17] = 0x18; /* digital separate sync */
}

static void descriptor(uint8_t *p, uint8_t tag, const char *text)
{
    size_t n = strlen(text);

    memset(p, 0, 5);
    p[3] = tag;
    memset(p + 5, ' ', 13);
    memcpy(p + 5, text, n);
    p[5 + n] = '\n';
}

static void range_limits(uint8_t *p)
{
    static const uint8_t limits[18] = {
        0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 255 /* x 10 MHz */, 0x01, '\n',
        ' ', ' ', ' ', ' ', ' ', ' ',
    };
    memcpy(p, limits, sizeof(limits));
}

void edid_make(uint8_t e[EDID_BYTES], unsigned width, unsigned height)
{
    /* width / 8 - 31, then aspect ratio (16:10, 4:3, 5:4, 16:9) and refresh rate - 60 */
    static const uint8_t standard[16] = {
        1920 / 8 - 31, 0xc0, 1680 / 8 - 31, 0x00, 1600 / 8 - 31, 0x40, 1440 / 8 - 31, 0x00,
        1280 / 8 - 31, 0x80, 1280 / 8 - 31, 0x00, 1024 / 8 - 31, 0x40, 800 / 8 - 31, 0x40,
    };
    unsigned sum = 0;

    memset(e, 0, EDID_BYTES);
    memset(e + 1, 0xff, 6);
    put_be16(e + 8, ('X' - 64) << 10 | ('D' - 64) << 5 | ('M' - 64));
    put_le16(e + 10, 1);
    put_le32(e + 12, 1);
    e[16] = 1;                      /* week and year of manufacture */
    e[17] = 2024 - 1990;
    e[18] = 1;
    e[19] = 4;
    e[20] = 0xa5;                   /* digital, 8 bits a colour, DisplayPort */
    e[21] = (uint8_t)(width * 254 / (DPI * 100));
    e[22] = (uint8_t)(height * 254 / (DPI * 100));
    e[23] = 220 - 100;              /* gamma 2.2 */
    e[24] = 0x06;                   /* RGB 4:4:4, sRGB, native mode first */
    memcpy(e + 25, (const uint8_t[]){ 0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54 },
           10);                     /* sRGB primaries */
    e[35] = 0x21;                   /* 640x480 and 800x600 at 60 Hz */
    e[36] = 0x08;                   /* 1024x768 at 60 Hz */
    memcpy(e + 38, standard, sizeof(standard));
    detailed_timing(e + 54, width, height);
    range_limits(e + 72);
    descriptor(e + 90, 0xfc, "xen-dm");
    descriptor(e + 108, 0xff, "1");
    for (unsigned i = 0; i < EDID_BYTES - 1; i++)
        sum += e[i];
    e[127] = (uint8_t)-sum;
}
