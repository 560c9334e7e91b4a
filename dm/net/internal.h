/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_NET_INTERNAL_H
#define DM_NET_INTERNAL_H
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/net/netport.h"

/* What netport.c and the kinds of netports share. A kind embeds struct netport. */
struct netport_kind {
    int (*attach)(struct netport *port, struct error *err); /* port->loop is set */
    void (*detach)(struct netport *port);
    void (*accept)(struct netport *port); /* go on reading */
    /* One whole frame; offloads only where `offloads` is set. 0 or -EAGAIN. */
    int (*send)(struct netport *port, const struct iovec *iov, unsigned count,
                const struct offload *off);
    void (*send_many)(struct netport *port, struct netport_frame *frames, unsigned count); /* NULL: one by one */
    bool (*offload_rx)(struct netport *port, bool csum, unsigned gso); /* NULL: cannot */
    void (*hang_up)(struct netport *port);
    void (*close)(struct netport *port); /* frees it */
};

struct netport {
    const struct netport_kind *kind;
    char *id, *info;
    bool offloads; /* send() takes them */
    bool link_down, gone;
    struct loop *loop;
    const struct netport_user *user;
    void *owner;
    uint8_t *scratch; /* for frames we cut or complete; allocated when first needed */
    struct netport_stats stats;
};

unsigned netport_rooms(struct netport *port, uint8_t **places, unsigned most); /* as the user's */
/* To the user. False: keep the frame and stop reading. */
bool netport_deliver(struct netport *port, const uint8_t *frame, size_t length,
                     const struct offload *off);
void netport_writable(struct netport *port); /* to the user: send() has room again */
/* id and info; for a kind's constructor. */
int netport_name(struct netport *port, const char *id, const char *info, struct error *err);

int tap_open(struct netport **out, const struct netport_config *config, struct error *err);
int user_open(struct netport **out, const struct netport_config *config, struct error *err);
#endif
