/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_CATALOGUE_H
#define DEVICES_CATALOGUE_H
#include "devices/core/device.h"

/* Every class of device there is. Pure. */
const struct device_class *catalogue_find(const char *name); /* NULL: none of that name */
const struct device_class *catalogue_at(unsigned i);         /* NULL: past the end */
#endif
