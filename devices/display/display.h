/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_DISPLAY_DISPLAY_H
#define DEVICES_DISPLAY_DISPLAY_H
#include "devices/core/device.h"

/* Display adapters on PCI. Options: addr, vgamem_mb, vram_gfn, romfile, screen. */
extern const struct device_class vga_class;        /* "VGA": standard, 1234:1111 */
extern const struct device_class cirrus_vga_class; /* "cirrus-vga": GD5446, 1013:00b8 */
#endif
