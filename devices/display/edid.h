/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_DISPLAY_EDID_H
#define DEVICES_DISPLAY_EDID_H
#include <stdint.h>

/* The EDID of a monitor that prefers width x height (at most 4095 each) at about 75 Hz or less. */
#define EDID_BYTES 128
void edid_make(uint8_t edid[EDID_BYTES], unsigned width, unsigned height);
#endif
