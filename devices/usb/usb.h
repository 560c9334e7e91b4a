/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_USB_USB_H
#define DEVICES_USB_USB_H
#include "devices/core/device.h"

/*
 * USB 1.1 host controllers. Options of "piix3-usb-uhci": addr, input, and ports: what is plugged
 * into its two ports, from "tablet", "mouse", "keyboard" and "-", with a space between.
 */
extern const struct device_class uhci_class;

/* A device comes to a port (0 or 1) while the guest runs: -EBUSY where one is; or goes. */
int uhci_plug(struct device *uhci, unsigned port, const char *kind, struct error *err);
void uhci_unplug(struct device *uhci, unsigned port); /* an empty port is fine */
bool uhci_port_taken(struct device *uhci, unsigned port);
#endif
