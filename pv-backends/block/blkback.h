/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_BLOCK_BLKBACK_H
#define PV_BACKENDS_BLOCK_BLKBACK_H
#include "pv-backends/xenbus/device.h"

/* Block devices, as libxl writes those with backendtype=qdisk. Source: public/io/blkif.h. */
extern const struct pv_class blkback_class;
#endif
