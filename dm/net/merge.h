/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_NET_MERGE_H
#define DM_NET_MERGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dm/net/netport.h"

/*
 * Frames of one TCP stream that follow each other, made one that is to be segmented: what a card calls
 * generic receive offload. Cutting it again (packet_segment()) gives the same frames, but for the
 * identification of those that may not be fragmented, which means nothing (RFC 6864). Frames are merged only
 * where somebody vouches for their checksums. Pure.
 */
#define MERGE_HEADER_MOST 114u /* Ethernet, IPv6, TCP with all its options */
struct merge {
    unsigned frames;
    size_t length;      /* of all of it as one frame */
    struct offload off; /* of that frame: its kind of GSO, and good after merge_end() */
    uint8_t room[NETPORT_HEADROOM], header[MERGE_HEADER_MOST]; /* off.header_bytes of it */
    size_t tcp;         /* where that begins */
    uint32_t next;      /* sequence number, and for IPv4 the identification, of what would follow */
    uint16_t next_id;
    uint8_t flags;
    bool closed;        /* nothing can follow */
};

/* With this one; false: nothing can follow it. */
bool merge_begin(struct merge *merge, const uint8_t *frame, size_t length, const struct offload *off);
/* The next one: where its payload begins, which follows in the whole; 0: it is not part of it. */
size_t merge_add(struct merge *merge, const uint8_t *frame, size_t length, const struct offload *off);
/* Makes `header` and `off` those of the whole: of two frames or more. */
void merge_end(struct merge *merge);
#endif
