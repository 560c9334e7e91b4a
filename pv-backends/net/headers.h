/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_NET_HEADERS_H
#define PV_BACKENDS_NET_HEADERS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the headers of a frame lie. Pure; the bytes may be anybody's. */
struct net_headers {
    bool v6;
    uint8_t protocol; /* behind IPv6's extension headers */
    bool fragment;    /* and not a whole packet */
    size_t ip;        /* offsets */
    size_t l4;        /* 0: there is none here, as in a later fragment */
    size_t end;       /* of what IP says it carries; within the frame */
};
/* False where the frame is not IP, or not as long as its headers say. VLAN tags are passed over. */
bool net_find_headers(const uint8_t *frame, size_t length, struct net_headers *h);
#endif
