/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet, 802.1Q, IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200). */
#include "dm/base/bytes.h"
#include "pv-backends/net/headers.h"

#define ETH_BYTES 14u
#define EXTENSIONS_MOST 8u

static bool is_tag(unsigned type)
{
    return type == 0x8100 || type == 0x88a8;
}

static bool find_v4(const uint8_t *f, size_t length, struct net_headers *h)
{
    size_t header, total;

    if (h->ip + 20 > length || f[h->ip] >> 4 != 4)
        return false;
    header = 4u * (f[h->ip] & 0x0f);
    total = get_be16(f + h->ip + 2);
    h->protocol = f[h->ip + 9];
    h->fragment = get_be16(f + h->ip + 6) & 0x3fff;
    if (header < 20 || total < header || h->ip + total > length)
        return false;
    h->end = h->ip + total;
    h->l4 = h->fragment ? 0 : h->ip + header;
    return true;
}

static bool find_v6(const uint8_t *f, size_t length, struct net_headers *h)
{
    size_t at = h->ip + 40;

    if (at > length || f[h->ip] >> 4 != 6)
        return false;
    h->end = at + get_be16(f + h->ip + 4);
    if (h->end > length)
        return false;
    h->protocol = f[h->ip + 6];
    for (unsigned i = 0; i < EXTENSIONS_MOST; i++) {
        size_t bytes;

        switch (h->protocol) {
        case 0: /* hop by hop, routing, destination */
        case 43:
        case 60:
            if (at + 8 > h->end)
                return true;
            bytes = 8u * (f[at + 1] + 1u);
            break;
        case 44: /* a fragment */
            h->fragment = true;
            return true;
        default:
            h->l4 = at;
            return true;
        }
        h->protocol = f[at];
        at += bytes;
    }
    return true;
}

bool net_find_headers(const uint8_t *f, size_t length, struct net_headers *h)
{
    unsigned type;

    *h = (struct net_headers){ .ip = ETH_BYTES };
    if (length < ETH_BYTES)
        return false;
    type = get_be16(f + 12);
    for (unsigned tags = 0; tags < 2 && is_tag(type) && h->ip + 4 <= length; tags++) {
        type = get_be16(f + h->ip + 2);
        h->ip += 4;
    }
    if (type == 0x0800)
        return find_v4(f, length, h);
    h->v6 = type == 0x86dd;
    return h->v6 && find_v6(f, length, h);
}
