/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_CATALOGUE_H
#define PV_BACKENDS_CATALOGUE_H
#include "pv-backends/xenbus/device.h"

/* Every kind of PV backend there is; ends with NULL. */
extern const struct pv_class *const pv_classes[];
#endif
