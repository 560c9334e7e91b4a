/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small table of named disks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/block/nodes.h"

struct disk *nodes_find(const struct nodes *n, const char *name)
{
    for (unsigned i = 0; i < NODES_MOST; i++)
        if (n->at[i].name && !strcmp(n->at[i].name, name))
            return n->at[i].disk;
    return NULL;
}

int nodes_add(struct nodes *n, const char *name, struct disk *disk, struct error *err)
{
    if (nodes_find(n, name))
        return error_set(err, -EEXIST, "Duplicate nodes with node-name='%s'", name);
    for (unsigned i = 0; i < NODES_MOST; i++) {
        if (n->at[i].name)
            continue;
        n->at[i].name = strdup(name);
        n->at[i].disk = disk;
        return n->at[i].name ? 0 : error_set(err, -ENOMEM, "node %s: out of memory", name);
    }
    return error_set(err, -ENOSPC, "more than %d block nodes", NODES_MOST);
}

int nodes_remove(struct nodes *n, const char *name, struct error *err)
{
    for (unsigned i = 0; i < NODES_MOST; i++)
        if (n->at[i].name && !strcmp(n->at[i].name, name)) {
            free(n->at[i].name);
            n->at[i].name = NULL;
            disk_close(n->at[i].disk);
            return 0;
        }
    return error_set(err, -ENOENT, "Failed to find node with node-name='%s'", name);
}

void nodes_close(struct nodes *n)
{
    for (unsigned i = 0; i < NODES_MOST; i++)
        if (n->at[i].name)
            nodes_remove(n, n->at[i].name, NULL);
}
