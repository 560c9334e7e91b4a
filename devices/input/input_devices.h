/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_INPUT_INPUT_DEVICES_H
#define DEVICES_INPUT_INPUT_DEVICES_H
#include "devices/core/device.h"

extern const struct device_class i8042_class; /* options: input */
#endif
