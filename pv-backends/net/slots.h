/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_NET_SLOTS_H
#define PV_BACKENDS_NET_SLOTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct offload;

/*
 * Packets as they lie in the slots of a transmit ring (public/io/netif.h, "Guest transmit"), taken
 * apart and judged; and what their headers mean for the host's network. Pure: works on copies.
 */
#define NET_TX_SLOT 12u
#define NET_RX_SLOT 8u
#define NET_PAGE 4096u
#define NET_PIECES_MOST 64u /* with data in them; netif.h asks for 18 */
#define NET_EXTRAS_MOST 8u  /* there are four types, each good once */

#define NETTX_CSUM_BLANK 1u
#define NETTX_MORE_DATA 4u
#define NETTX_EXTRA_INFO 8u
#define NETRX_DATA_VALIDATED 1u
#define NETRX_CSUM_BLANK 2u
#define NETRX_MORE_DATA 4u
#define NETRX_EXTRA_INFO 8u
#define NETRX_GSO_PREFIX 16u

enum net_extra { NET_EXTRA_GSO = 1, NET_EXTRA_MCAST_ADD, NET_EXTRA_MCAST_DEL, NET_EXTRA_HASH };
#define NET_EXTRA_MORE 1u
#define NET_GSO_TCPV4 1u
#define NET_GSO_TCPV6 2u

#define NET_OKAY 0
#define NET_ERROR (-1)
#define NET_NULL 1 /* the answer to an extra */

struct net_piece {
    uint32_t ref;
    uint16_t offset, length;
};

struct net_packet {
    unsigned slots, extras; /* of the ring; the extras come right behind the first */
    uint16_t length;        /* of the frame */
    uint16_t first_length;  /* of that, what lies in the first slot's page */
    bool bad;               /* an error is the answer, and nothing of it is copied */
    bool csum_blank;
    uint8_t gso;            /* NET_GSO_*; 0: none */
    uint16_t gso_size;
    uint8_t mcast;          /* NET_EXTRA_MCAST_*: it is no frame, but a change of the list; 0 */
    uint8_t group[6];
};
/*
 * The packet that begins at slots[0]: how many slots it takes. 0 where it does not end within `count`
 * or where its extras cannot be told apart: nothing that follows makes sense then, says *why.
 */
unsigned net_parse(const uint8_t (*slots)[NET_TX_SLOT], unsigned count, struct net_packet *packet,
                   const char **why);
/* Its pieces with data, at most NET_PIECES_MOST; how many. Of one that is not bad. */
unsigned net_pieces(const uint8_t (*slots)[NET_TX_SLOT], const struct net_packet *packet,
                    struct net_piece *pieces);
/* The first four bytes of the response to slot `nth` of a packet. */
void net_answer(const uint8_t (*slots)[NET_TX_SLOT], const struct net_packet *packet, unsigned nth,
                int status, uint8_t out[4]);

/*
 * What the host is to do with a frame: finds the headers that a blank checksum or segmentation
 * speaks of, and fills in the sum of the pseudo header. False where they are not there.
 */
bool net_prepare(const struct net_packet *packet, uint8_t *frame, size_t length,
                 struct offload *off);
#endif
