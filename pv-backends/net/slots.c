/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/net/netport.h"
#include "dm/net/packet.h"
#include "pv-backends/net/headers.h"
#include "pv-backends/net/slots.h"

#define ETH_BYTES 14u
#define TCP 6u
#define UDP 17u

static uint16_t flags_of(const uint8_t *slot)
{
    return get_le16(slot + 6);
}

static uint16_t size_of(const uint8_t *slot)
{
    return get_le16(slot + 10);
}

static void take_extra(struct net_packet *p, const uint8_t *extra)
{
    switch (extra[0]) {
    case NET_EXTRA_GSO:
        p->gso_size = get_le16(extra + 2);
        p->gso = extra[4];
        p->bad |= !p->gso_size || (p->gso != NET_GSO_TCPV4 && p->gso != NET_GSO_TCPV6);
        break;
    case NET_EXTRA_MCAST_ADD:
    case NET_EXTRA_MCAST_DEL:
        p->mcast = extra[0];
        memcpy(p->group, extra + 2, 6);
        break;
    default: /* a hash: the host's network makes its own */
        break;
    }
}

/* False: nonsense. */
static bool take_extras(const uint8_t (*slots)[NET_TX_SLOT], unsigned count, struct net_packet *p,
                        const char **why)
{
    const uint8_t *extra;

    do {
        if (p->slots == count) {
            *why = "the extra info of a packet does not end within its ring";
            return false;
        }
        extra = slots[p->slots++];
        if (!extra[0] || extra[0] > NET_EXTRA_HASH || ++p->extras > NET_EXTRAS_MOST) {
            *why = "a packet has extra info of a type that does not exist, or too many of them";
            return false;
        }
        take_extra(p, extra);
    } while (extra[1] & NET_EXTRA_MORE);
    return true;
}

static bool leaves_page(const uint8_t *slot, unsigned length)
{
    return length && get_le16(slot + 4) + length > NET_PAGE;
}

unsigned net_parse(const uint8_t (*slots)[NET_TX_SLOT], unsigned count, struct net_packet *p,
                   const char **why)
{
    unsigned rest, pieces = 1;
    uint16_t flags = flags_of(slots[0]);

    *p = (struct net_packet){ .slots = 1, .length = size_of(slots[0]),
                              .csum_blank = flags & NETTX_CSUM_BLANK };
    rest = p->length;
    if (flags & NETTX_EXTRA_INFO && !take_extras(slots, count, p, why))
        return 0;
    while (flags & NETTX_MORE_DATA) {
        const uint8_t *slot;

        if (p->slots == count) {
            *why = "a packet does not end within its ring";
            return 0;
        }
        slot = slots[p->slots++];
        flags = flags_of(slot);
        pieces += size_of(slot) != 0;
        p->bad |= size_of(slot) > rest || leaves_page(slot, size_of(slot));
        rest -= MIN(rest, size_of(slot));
    }
    p->first_length = (uint16_t)rest;
    if (!p->mcast)
        p->bad |= p->length < ETH_BYTES || pieces > NET_PIECES_MOST ||
                  leaves_page(slots[0], p->first_length);
    return p->slots;
}

unsigned net_pieces(const uint8_t (*slots)[NET_TX_SLOT], const struct net_packet *p,
                    struct net_piece *pieces)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->slots; i += i ? 1 : 1 + p->extras) {
        uint16_t length = i ? size_of(slots[i]) : p->first_length;

        if (length)
            pieces[n++] = (struct net_piece){ .ref = get_le32(slots[i]),
                                              .offset = get_le16(slots[i] + 4),
                                              .length = length };
    }
    return n;
}

void net_answer(const uint8_t (*slots)[NET_TX_SLOT], const struct net_packet *p, unsigned nth,
                int status, uint8_t out[4])
{
    bool extra = nth && nth <= p->extras;

    put_le16(out, extra ? 0 : get_le16(slots[nth] + 8));
    put_le16(out + 2, (uint16_t)(extra ? NET_NULL : status));
}

static void put_pseudo(uint8_t *frame, const struct net_headers *h, size_t l4_bytes, unsigned field)
{
    uint16_t sum = packet_pseudo(frame + h->ip, h->v6, h->protocol, l4_bytes);

    memcpy(frame + h->l4 + field, &sum, 2);
}

bool net_prepare(const struct net_packet *p, uint8_t *frame, size_t length, struct offload *off)
{
    struct net_headers h;
    unsigned field, least;

    *off = (struct offload){ .gso = GSO_NONE };
    if (!p->csum_blank && !p->gso)
        return true;
    if (!net_find_headers(frame, length, &h) || !h.l4)
        return false;
    field = h.protocol == TCP ? 16 : 6;
    least = h.protocol == TCP ? 20 : 8;
    if ((h.protocol != TCP && h.protocol != UDP) || h.l4 + least > h.end)
        return false;
    off->needs_csum = true;
    off->csum_start = (uint16_t)h.l4;
    off->csum_offset = (uint16_t)field;
    if (!p->gso) {
        put_pseudo(frame, &h, h.end - h.l4, field);
        return true;
    }
    off->header_bytes = (uint16_t)(h.l4 + 4u * (frame[h.l4 + 12] >> 4));
    if (h.protocol != TCP || h.v6 != (p->gso == NET_GSO_TCPV6) || off->header_bytes < h.l4 + 20 ||
        off->header_bytes > length)
        return false;
    off->gso = h.v6 ? GSO_TCPV6 : GSO_TCPV4;
    off->gso_size = p->gso_size;
    put_pseudo(frame, &h, length - h.l4, field);
    return true;
}
