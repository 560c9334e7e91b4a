/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_PLATFORM_PLATFORM_H
#define DEVICES_PLATFORM_PLATFORM_H
#include "devices/core/device.h"

extern const struct device_class xen_platform_class; /* options: addr */
extern const struct device_class cmos_class;         /* options: boot, fd-check, cpus, geometry0-3 */
extern const struct device_class dma8237_class;
extern const struct device_class debug_port_class; /* options: chardev, iobase */

/* Tells the BIOS, in the CMOS's shutdown status, that the next start is a return from S3. */
void cmos_note_suspend(struct device *cmos);
#endif
