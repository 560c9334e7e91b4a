/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_NODES_H
#define DM_BLOCK_NODES_H
#include "dm/block/disk.h"

/* Disks by name that lie in no drive yet (QMP's block nodes). The machine loop's only. */
#define NODES_MOST 32

struct nodes {
    struct {
        char *name;
        struct disk *disk;
    } at[NODES_MOST];
};

/* Takes `disk` over if this returns 0. -EEXIST where the name is taken. */
int nodes_add(struct nodes *nodes, const char *name, struct disk *disk, struct error *err);
struct disk *nodes_find(const struct nodes *nodes, const char *name); /* NULL: none */
/* Drops it; who has a reference keeps it. -ENOENT where there is none of that name. */
int nodes_remove(struct nodes *nodes, const char *name, struct error *err);
void nodes_close(struct nodes *nodes);
#endif
