/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_NET_CONTROL_H
#define PV_BACKENDS_NET_CONTROL_H
#include <stdint.h>
struct error;
struct net_shared;
struct pv_io;

/* A network device's control ring (public/io/netif.h, "Control ring"). Lives on an I/O loop. */
struct net_ctrl;

struct net_ctrl_config {
    struct pv_io *io;
    struct net_shared *shared;
    void *ring; /* mapped, a page; outlives it */
    uint32_t port;
    const char *name; /* for sentences */
    void (*broken)(void *arg, const char *why); /* that loop's */
    void *arg;
};

/* The machine loop's. It begins on its own loop soon after. */
int net_ctrl_open(struct net_ctrl **out, const struct net_ctrl_config *config, struct error *err);
void net_ctrl_stop(struct net_ctrl *ctrl, void (*done)(void *arg), void *arg); /* done on its loop */
void net_ctrl_close(struct net_ctrl *ctrl); /* stopped, or its loop does not run; NULL is fine */
#endif
