/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checksums (RFC 1071) and TCP segmentation (RFC 791, 8200, 9293: which fields change from one
 * segment to the next). Lengths come from whoever made the frame and are judged here.
 */
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/net/packet.h"

#define ETH_BYTES 14
#define ETH_VLAN 0x8100
#define ETH_SERVICE_VLAN 0x88a8
#define ETH_IPV4 0x0800
#define ETH_IPV6 0x86dd
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define UDP_BYTES 8
#define TCP_LEAST 20
#define TCP_FIN_PSH 0x09
#define TCP_CWR 0x80
#define PIECES_MOST 2048 /* of 64 KiB at 32 bytes: no TCP goes below 48 */

uint32_t packet_sum(const void *bytes, size_t length, uint32_t sum)
{
    const uint8_t *p = bytes;
    uint64_t wide = sum;

    for (; length >= 4; p += 4, length -= 4) {
        uint32_t word;

        memcpy(&word, p, 4);
        wide += word;
    }
    if (length >= 2) {
        uint16_t half;

        memcpy(&half, p, 2);
        wide += half;
        p += 2;
        length -= 2;
    }
    if (length)
        wide += *p;
    wide = (wide & 0xffffffff) + (wide >> 32);
    wide = (wide & 0xffffffff) + (wide >> 32);
    return (uint32_t)wide;
}

uint16_t packet_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

uint16_t packet_pseudo(const uint8_t *ip, bool v6, uint8_t protocol, size_t l4_bytes)
{
    uint8_t tail[8] = { 0 };
    uint32_t sum = packet_sum(ip + (v6 ? 8 : 12), v6 ? 32 : 8, 0);

    put_be32(tail, (uint32_t)l4_bytes);
    tail[7] = protocol;
    return (uint16_t)~packet_fold(packet_sum(tail, sizeof(tail), sum));
}

void packet_sum_ipv4(uint8_t *ip, size_t header)
{
    uint16_t sum;

    memset(ip + 10, 0, 2);
    sum = packet_fold(packet_sum(ip, header, 0));
    memcpy(ip + 10, &sum, 2);
}

bool packet_fill_checksum(uint8_t *frame, size_t length, const struct offload *off)
{
    uint16_t sum;

    if (off->csum_start >= length || (size_t)off->csum_start + off->csum_offset + 2 > length)
        return false;
    /* the field holds the pseudo header's sum already, so it is part of what is summed */
    sum = packet_fold(packet_sum(frame + off->csum_start, length - off->csum_start, 0));
    if (!sum)
        sum = 0xffff; /* UDP: zero would say "none"; for TCP both are the same */
    memcpy(frame + off->csum_start + off->csum_offset, &sum, 2);
    return true;
}

static bool is_vlan(uint16_t type)
{
    return type == ETH_VLAN || type == ETH_SERVICE_VLAN;
}

struct packet_verdict packet_judge(const uint8_t *f, size_t length, const struct offload *off)
{
    size_t ip = length >= ETH_BYTES && is_vlan(get_be16(f + 12)) ? 18 : ETH_BYTES, header, total;
    struct packet_verdict v = { .ipv4 = false };
    uint8_t protocol;

    if (length < ip + 20 || get_be16(f + ip - 2) != ETH_IPV4 || f[ip] >> 4 != 4)
        return v;
    header = 4u * (f[ip] & 0x0f);
    total = get_be16(f + ip + 2);
    if (header < 20 || total < header || ip + total > length)
        return v;
    v.ipv4 = true;
    v.ip_bad = packet_fold(packet_sum(f + ip, header, 0));
    if (get_be16(f + ip + 6) & 0x3fff)
        return v; /* a fragment holds a part of what is summed */
    protocol = f[ip + 9];
    v.tcp = protocol == PROTOCOL_TCP && total >= header + TCP_LEAST;
    v.udp = protocol == PROTOCOL_UDP && total >= header + UDP_BYTES &&
            get_be16(f + ip + header + 6); /* zero: the sender left it out */
    if ((!v.tcp && !v.udp) || (off && (off->data_valid || off->needs_csum)))
        return v;
    v.l4_bad = packet_fold(packet_sum(f + ip + header, total - header,
                                      packet_pseudo(f + ip, false, protocol, total - header)));
    return v;
}

struct layout {
    bool v6;
    size_t ip, tcp, payload; /* offsets */
};

static bool lay_out(const uint8_t *frame, size_t length, const struct offload *off,
                    struct layout *l)
{
    uint16_t type;

    l->ip = ETH_BYTES;
    if (length < ETH_BYTES + 4)
        return false;
    type = get_be16(frame + 12);
    if (is_vlan(type)) {
        type = get_be16(frame + 16);
        l->ip += 4;
    }
    l->v6 = type == ETH_IPV6;
    if ((type != ETH_IPV4 && type != ETH_IPV6) || length < l->ip + 40)
        return false;
    if (l->v6) {
        if (frame[l->ip + 6] != PROTOCOL_TCP)
            return false; /* extension headers: nobody offloads those */
        l->tcp = l->ip + 40;
    } else {
        if (frame[l->ip + 9] != PROTOCOL_TCP || (frame[l->ip] & 0x0f) < 5)
            return false;
        l->tcp = l->ip + 4u * (frame[l->ip] & 0x0f);
    }
    if (l->tcp + TCP_LEAST > length || (frame[l->tcp + 12] >> 4) < 5)
        return false;
    l->payload = l->tcp + 4u * (frame[l->tcp + 12] >> 4);
    return l->payload <= length && l->payload <= 256 && off->gso_size &&
           (length - l->payload) / off->gso_size < PIECES_MOST &&
           off->gso == (l->v6 ? GSO_TCPV6 : GSO_TCPV4);
}

/* The checksum of TCP with its pseudo header. */
static void sum_tcp(uint8_t *f, const struct layout *l, size_t tcp_bytes)
{
    uint16_t sum = packet_pseudo(f + l->ip, l->v6, PROTOCOL_TCP, tcp_bytes);

    memcpy(f + l->tcp + 16, &sum, 2);
    sum = packet_fold(packet_sum(f + l->tcp, tcp_bytes, 0));
    memcpy(f + l->tcp + 16, &sum, 2);
}

static void fix_headers(uint8_t *f, const struct layout *l, unsigned nth, uint32_t sequence,
                        uint8_t flags, size_t payload)
{
    size_t tcp_bytes = l->payload - l->tcp + payload;

    if (l->v6) {
        put_be16(f + l->ip + 4, (uint16_t)tcp_bytes);
    } else {
        put_be16(f + l->ip + 2, (uint16_t)(l->tcp - l->ip + tcp_bytes));
        put_be16(f + l->ip + 4, (uint16_t)(get_be16(f + l->ip + 4) + nth));
        packet_sum_ipv4(f + l->ip, l->tcp - l->ip);
    }
    put_be32(f + l->tcp + 4, sequence);
    f[l->tcp + 13] = flags;
    sum_tcp(f, l, tcp_bytes);
}

bool packet_segment(const uint8_t *frame, size_t length, const struct offload *off,
                    uint8_t *scratch, void (*each)(void *arg, const uint8_t *frame, size_t length),
                    void *arg)
{
    struct layout l;
    uint32_t sequence;
    uint8_t flags;
    unsigned nth = 0;
    size_t at;

    if (length > PACKET_MOST || !lay_out(frame, length, off, &l))
        return false;
    sequence = get_be32(frame + l.tcp + 4);
    flags = frame[l.tcp + 13];
    at = l.payload;
    do {
        size_t n = MIN(length - at, off->gso_size);
        bool last = at + n == length;

        memcpy(scratch, frame, l.payload);
        memcpy(scratch + l.payload, frame + at, n);
        fix_headers(scratch, &l, nth, sequence,
                    (uint8_t)(flags & ~((last ? 0 : TCP_FIN_PSH) | (nth ? TCP_CWR : 0))), n);
        each(arg, scratch, l.payload + n);
        sequence += (uint32_t)n;
        at += n;
        nth++;
    } while (at < length);
    return true;
}
