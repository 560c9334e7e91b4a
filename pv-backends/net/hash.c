/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/net/hash.h"
#include "pv-backends/net/headers.h"

#define TCP 6u

uint32_t net_toeplitz(const uint8_t key[NET_KEY_BYTES], const uint8_t *bytes, unsigned count)
{
    uint64_t window = get_be64(key);
    unsigned next = 8;
    uint32_t value = 0;

    for (unsigned i = 0; i < count; i++) {
        for (unsigned bit = 0x80; bit; bit >>= 1, window <<= 1)
            if (bytes[i] & bit)
                value ^= (uint32_t)(window >> 32);
        window |= next < NET_KEY_BYTES ? key[next] : 0;
        next++;
    }
    return value;
}

struct net_flow net_hash(const struct net_steering *s, const uint8_t *frame, size_t length)
{
    struct net_flow flow = { .hashed = false };
    struct net_headers h;
    uint8_t buffer[36];
    unsigned addresses, plain;
    bool ports;

    if (!s->algorithm || !s->types || !net_find_headers(frame, length, &h))
        return flow;
    addresses = h.v6 ? 32 : 8;
    plain = h.v6 ? NET_HASH_IPV6 : NET_HASH_IPV4;
    ports = s->types & 1u << (plain + 1) && h.protocol == TCP && h.l4 && h.l4 + 4 <= h.end;
    if (!ports && !(s->types & 1u << plain))
        return flow;
    memcpy(buffer, frame + h.ip + (h.v6 ? 8 : 12), addresses);
    if (ports)
        memcpy(buffer + addresses, frame + h.l4, 4);
    flow.hashed = true;
    flow.type = (uint8_t)(plain + ports);
    flow.value = net_toeplitz(s->key, buffer, addresses + (ports ? 4 : 0));
    return flow;
}

unsigned net_steer(const struct net_steering *s, uint32_t value, unsigned queues)
{
    unsigned queue = s->size ? s->mapping[value % s->size] : value;

    return queue % queues;
}
