/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_NET_PACKET_H
#define DM_NET_PACKET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dm/net/netport.h"

/* Checksums and segmentation, for hosts and devices that do not do them themselves. Pure. */

/* The Internet checksum's running sum over bytes (RFC 1071), folded by packet_fold(). */
uint32_t packet_sum(const void *bytes, size_t length, uint32_t sum);
uint16_t packet_fold(uint32_t sum); /* complemented; in network order as bytes lie */

/* The sum of the pseudo header: what stands in the checksum's field of a frame that is to be completed. */
uint16_t packet_pseudo(const uint8_t *ip, bool v6, uint8_t protocol, size_t l4_bytes);

/* Fills in the checksum of an IPv4 header of so many bytes. */
void packet_sum_ipv4(uint8_t *ip, size_t header);

/* Fills in what `off` says is missing. False where it points outside of the frame. */
bool packet_fill_checksum(uint8_t *frame, size_t length, const struct offload *off);

/* What a card that checks sums finds in a received frame: IPv4, perhaps behind a VLAN tag. */
struct packet_verdict {
    bool ipv4, ip_bad;
    bool tcp, udp, l4_bad; /* one of them, where there was a checksum to check */
};
/* `off` as it came with the frame: what its sender vouches for is not summed again; may be NULL. */
struct packet_verdict packet_judge(const uint8_t *frame, size_t length, const struct offload *off);

/*
 * Cuts a GSO frame into frames of off->gso_size payload bytes with headers and checksums made
 * right, and calls `each` with every one, in `scratch` (65535 + 256 bytes). False where the frame
 * is not what `off` says it is, or would be cut into thousands; then nothing was called.
 */
bool packet_segment(const uint8_t *frame, size_t length, const struct offload *off,
                    uint8_t *scratch, void (*each)(void *arg, const uint8_t *frame, size_t length),
                    void *arg);
#define PACKET_MOST (65535 + 256)
#endif
