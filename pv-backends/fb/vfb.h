/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_FB_VFB_H
#define PV_BACKENDS_FB_VFB_H
#include "pv-backends/xenbus/device.h"

/* The PV frame buffer, which is the display of PV and PVH guests. Source: public/io/fbif.h. */
extern const struct pv_class vfb_class;
#endif
