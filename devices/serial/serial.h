/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_SERIAL_SERIAL_H
#define DEVICES_SERIAL_SERIAL_H
#include "devices/core/device.h"

extern const struct device_class uart16550_class; /* options: iobase, irq, chardev */
extern const struct device_class parallel_class;  /* options: iobase, irq, chardev */
#endif
