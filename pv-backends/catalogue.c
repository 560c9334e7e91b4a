/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>
#include "pv-backends/block/blkback.h"
#include "pv-backends/catalogue.h"

const struct pv_class *const pv_classes[] = {
    &blkback_class,
    NULL,
};
