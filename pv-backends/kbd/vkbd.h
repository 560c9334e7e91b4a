/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_KBD_VKBD_H
#define PV_BACKENDS_KBD_VKBD_H
#include "pv-backends/xenbus/device.h"

/* The PV keyboard and pointer that every HVM guest has from libxl. Source: public/io/kbdif.h. */
extern const struct pv_class vkbd_class;
/* The PV frame buffer has a size: told to a frontend that is still to come. `dev` may be of any kind. */
void vkbd_resize(struct pv_device *dev);
#endif
