/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>
#include "pv-backends/block/blkback.h"
#include "pv-backends/catalogue.h"
#include "pv-backends/console/console.h"
#include "pv-backends/fb/vfb.h"
#include "pv-backends/kbd/vkbd.h"
#include "pv-backends/net/netback.h"

const struct pv_class *const pv_classes[] = {
    &blkback_class,
    &netback_class,
    &console_class,
    &vkbd_class,
    &vfb_class,
    NULL,
};
