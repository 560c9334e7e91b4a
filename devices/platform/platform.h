/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_PLATFORM_PLATFORM_H
#define DEVICES_PLATFORM_PLATFORM_H
#include "devices/core/device.h"

extern const struct device_class xen_platform_class; /* options: addr */
/*
 * Options: boot, fd-check, cpus, geometry0-3; once: the order until the first reset after the start;
 * low and high: bytes of memory below and above 4 GiB, where no hvmloader notes them.
 */
extern const struct device_class cmos_class;
extern const struct device_class fw_cfg_class; /* options: ram, cpus, uuid, menu; not on Xen */
extern const struct device_class dma8237_class;
extern const struct device_class debug_port_class; /* options: chardev, iobase */

/* Tells the BIOS, in the CMOS's shutdown status, that the next start is a return from S3. */
void cmos_note_suspend(struct device *cmos);
#endif
