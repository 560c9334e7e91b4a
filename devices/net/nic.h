/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_NET_NIC_H
#define DEVICES_NET_NIC_H
#include "devices/core/device.h"

/* The emulated network cards. Options: addr, mac, netdev (id of a "netport" host end), romfile. */
extern const struct device_class e1000_class;
extern const struct device_class rtl8139_class;
#endif
