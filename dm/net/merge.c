/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes two frames neighbours: RFC 791, 8200 and 9293 say which fields may differ between two segments
 * of a stream that carry nothing but data.
 */
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/net/merge.h"
#include "dm/net/packet.h"

#define IP 14u /* where it begins: right behind Ethernet, for a tag would be one more thing to compare */
#define IPV4_BYTES 20u
#define IPV6_BYTES 40u
#define TCP_LEAST 20u
#define TCP_PROTOCOL 6
#define TCP_CHECKSUM 16u
#define TCP_ACK 0x10
#define TCP_PSH 0x08
#define IP_DF 0x4000u
#define IP_FRAGMENT 0x3fffu /* more of them, or where it belongs */
#define WHOLE_MOST (IP + 65535u)
#define SEGMENT_LEAST 512u /* smaller ones are worth no special case of any receiver */

struct segment {
    size_t tcp, payload; /* offsets */
    size_t bytes;        /* of payload */
    size_t unit;         /* and of each frame of it */
};

static bool find_tcp(const uint8_t *f, size_t length, struct segment *s)
{
    unsigned type = length > IP + IPV6_BYTES ? get_be16(f + 12) : 0;

    if (type == 0x0800) {
        s->tcp = IP + IPV4_BYTES;
        return f[IP] == 0x45 && f[IP + 9] == TCP_PROTOCOL && !(get_be16(f + IP + 6) & IP_FRAGMENT) &&
               get_be16(f + IP + 2) == length - IP && !packet_fold(packet_sum(f + IP, IPV4_BYTES, 0));
    }
    s->tcp = IP + IPV6_BYTES;
    return type == 0x86dd && f[IP] >> 4 == 6 && f[IP + 6] == TCP_PROTOCOL &&
           get_be16(f + IP + 4) == length - s->tcp;
}

static uint8_t kind_of(const struct segment *s)
{
    return s->tcp == IP + IPV4_BYTES ? GSO_TCPV4 : GSO_TCPV6;
}

/* A piece of a stream and nothing else, and known to be good. */
static bool is_segment(const uint8_t *f, size_t length, const struct offload *off, struct segment *s)
{
    if (!find_tcp(f, length, s) || s->tcp + TCP_LEAST > length)
        return false;
    s->payload = s->tcp + 4u * (f[s->tcp + 12] >> 4);
    if (s->payload < s->tcp + TCP_LEAST || s->payload >= length ||
        (f[s->tcp + 13] & ~TCP_PSH) != TCP_ACK)
        return false;
    s->bytes = length - s->payload;
    s->unit = off->gso == GSO_NONE ? s->bytes : off->gso_size;
    if (off->gso != GSO_NONE && off->gso != kind_of(s))
        return false;
    return !off->ecn && (off->needs_csum ? off->csum_start == s->tcp && off->csum_offset == TCP_CHECKSUM
                                         : off->data_valid);
}

static void append(struct merge *m, const uint8_t *f, const struct segment *s)
{
    m->frames++;
    m->flags |= f[s->tcp + 13];
    m->next = get_be32(f + s->tcp + 4) + (uint32_t)s->bytes;
    m->next_id = (uint16_t)(get_be16(f + IP + 4) + DIV_ROUND_UP(s->bytes, s->unit));
    m->closed = m->flags & TCP_PSH || s->bytes % m->off.gso_size;
}

bool merge_begin(struct merge *m, const uint8_t *frame, size_t length, const struct offload *off)
{
    struct segment s;

    if (!is_segment(frame, length, off, &s) || s.unit < SEGMENT_LEAST)
        return false;
    m->frames = 0;
    m->length = length;
    m->off = (struct offload){ .gso = kind_of(&s), .gso_size = (uint16_t)s.unit,
                               .header_bytes = (uint16_t)s.payload };
    m->tcp = s.tcp;
    m->flags = 0;
    append(m, frame, &s);
    memcpy(m->header, frame, s.payload);
    return !m->closed;
}

/* All that does not count up from one segment to the next. */
static bool same_stream(const struct merge *m, const uint8_t *f, const struct segment *s)
{
    const uint8_t *h = m->header, *tcp = f + s->tcp, *first = h + m->tcp;
    bool ip;

    if (s->tcp != m->tcp || s->payload != m->off.header_bytes || memcmp(f, h, IP + 2))
        return false;
    if (s->tcp == IP + IPV4_BYTES)
        ip = !memcmp(f + IP + 6, h + IP + 6, 4) && !memcmp(f + IP + 12, h + IP + 12, 8) &&
             (get_be16(f + IP + 6) & IP_DF || get_be16(f + IP + 4) == m->next_id);
    else
        ip = !memcmp(f + IP + 2, h + IP + 2, 2) && !memcmp(f + IP + 6, h + IP + 6, IPV6_BYTES - 6);
    return ip && !memcmp(tcp, first, 4) && !memcmp(tcp + 8, first + 8, 5) && !memcmp(tcp + 14, first + 14, 2) &&
           !memcmp(tcp + 18, first + 18, s->payload - s->tcp - 18);
}

size_t merge_add(struct merge *m, const uint8_t *frame, size_t length, const struct offload *off)
{
    struct segment s;

    if (m->closed || !is_segment(frame, length, off, &s) || !same_stream(m, frame, &s) ||
        get_be32(frame + s.tcp + 4) != m->next || m->length + s.bytes > WHOLE_MOST)
        return 0;
    if (off->gso == GSO_NONE ? s.unit > m->off.gso_size : s.unit != m->off.gso_size)
        return 0;
    m->length += s.bytes;
    append(m, frame, &s);
    return s.payload;
}

void merge_end(struct merge *m)
{
    bool v6 = m->off.gso == GSO_TCPV6;
    uint8_t *ip = m->header + IP;
    uint16_t sum;

    m->off.needs_csum = true;
    m->off.csum_start = (uint16_t)m->tcp;
    m->off.csum_offset = TCP_CHECKSUM;
    m->header[m->tcp + 13] = m->flags;
    if (v6) {
        put_be16(ip + 4, (uint16_t)(m->length - m->tcp));
    } else {
        put_be16(ip + 2, (uint16_t)(m->length - IP));
        packet_sum_ipv4(ip, IPV4_BYTES);
    }
    sum = packet_pseudo(ip, v6, TCP_PROTOCOL, m->length - m->tcp);
    memcpy(m->header + m->tcp + TCP_CHECKSUM, &sum, 2);
}
