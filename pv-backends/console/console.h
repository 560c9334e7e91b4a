/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_CONSOLE_CONSOLE_H
#define PV_BACKENDS_CONSOLE_CONSOLE_H
#include "pv-backends/xenbus/device.h"

/* Consoles and channels that libxl gives to the device model (contract 6.4), and no others. */
extern const struct pv_class console_class;
#endif
