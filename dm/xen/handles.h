/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_HANDLES_H
#define DM_XEN_HANDLES_H
#include <stdbool.h>
#include <stdint.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include "dm/memory/backing.h"

/* What a domain is made of. For dm/xen only. */
struct domain {
    unsigned id, vcpus;
    void *control; /* libxenctrl's handle: only unstable.c knows what it is */
    xendevicemodel_handle *model;
    xenforeignmemory_handle *memory;
    struct backing backing;
    xenevtchn_handle *finder; /* of a domain that Xen tells us nothing about; else NULL */
    bool restricted;
};

extern const struct backing_ops foreign_ops; /* foreign.c */
#endif
