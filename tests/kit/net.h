/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_KIT_NET_H
#define TESTS_KIT_NET_H
#include "dm/net/netport.h"

/*
 * A netport under the test's hand: what the card sends is kept, what the test sends is delivered.
 */
#define NET_FRAMES 64

struct net {
    struct netport *port; /* give it to the bench as a "netport" host end */
    struct {
        uint8_t *bytes;
        size_t length;
        struct offload off;
    } sent[NET_FRAMES];
    unsigned count;  /* frames the card has sent; beyond NET_FRAMES they are only counted */
    unsigned room;   /* frames the host takes before it says -EAGAIN; starts at UINT_MAX */
    unsigned accepts; /* times the card said that it has room again */
    bool hung_up;
};

void net_open(struct net *net, const char *id, bool offloads);
void net_close(struct net *net);
void net_forget(struct net *net); /* the frames seen so far */
/* A frame for the card; false where it has no room. `off` may be NULL. */
bool net_deliver(struct net *net, const void *frame, size_t length, const struct offload *off);
void net_writable(struct net *net); /* the host has room again */
#endif
