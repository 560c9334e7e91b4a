/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_BLOCK_BLKBACK_H
#define PV_BACKENDS_BLOCK_BLKBACK_H
#include <stdbool.h>
#include "pv-backends/block/queue.h"
#include "pv-backends/xenbus/device.h"

/* Block devices, as libxl writes those with backendtype=qdisk. Source: public/io/blkif.h. */
extern const struct pv_class blkback_class;

/* Of devices of this class, on the machine loop. */
struct blk_info {
    const char *name; /* as the guest's administrator knows it: "xvda" */
    struct disk *disk; /* NULL: the host end is not open */
    bool readonly, cdrom;
    unsigned queues; /* 0: no frontend is connected */
};
bool blkback_info(struct pv_device *dev, struct blk_info *info); /* false: another class */
struct blk_stats blkback_stats(struct pv_device *dev, unsigned queue);
void blkback_look(struct pv_device *dev); /* whether the disk has grown; the frontend is told */
void blkback_resume(struct pv_device *dev); /* the machine goes on after an error stopped it */
#endif
