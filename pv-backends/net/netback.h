/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_NET_NETBACK_H
#define PV_BACKENDS_NET_NETBACK_H
#include <stdbool.h>
#include "pv-backends/net/queue.h"
#include "pv-backends/xenbus/device.h"

/*
 * Network devices, where the kernel has no backend for them, or lets go of one. Source:
 * public/io/netif.h. The tap is there before state InitWait: then libxl runs the vif script with it.
 */
extern const struct pv_class netback_class;

/* Of devices of this class, on the machine loop. */
struct net_info {
    const char *ifname; /* of the tap: "vif7.0" */
    unsigned queues;    /* 0: no frontend is connected */
};
bool netback_info(struct pv_device *dev, struct net_info *info); /* false: another class */
struct net_stats netback_stats(struct pv_device *dev, unsigned queue);

/*
 * Whether the kernel serves network devices, or (`soon`) would as soon as there is one. Then ours are those
 * that the script vif-xen-dm has taken from it.
 */
bool netback_of_kernel(bool soon);
#endif
