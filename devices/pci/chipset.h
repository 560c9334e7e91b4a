/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_PCI_CHIPSET_H
#define DEVICES_PCI_CHIPSET_H
#include "devices/core/device.h"

/* The chips that every PC of ours has on its PCI bus. Documents are named in their files. */
extern const struct device_class i440fx_class;
extern const struct device_class piix3_class;
#endif
