/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_USB_USB_H
#define DEVICES_USB_USB_H
#include "devices/core/device.h"

/*
 * USB 1.1 host controllers. Options of "piix3-usb-uhci": addr, input, and ports: what is plugged
 * into its two ports, from "tablet", "mouse", "keyboard", with a space between.
 */
extern const struct device_class uhci_class;
#endif
