/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DM_NET_STREAM_H
#define TESTS_UNIT_DM_NET_STREAM_H
#include "dm/net/netport.h"
#include "dm/net/packet.h"
#include "tests/kit/check.h"
#include "tests/kit/frames.h"

/* Frames of a TCP stream from port 1000 + `port`, with checksums that share nothing with the product. */
struct stream {
    bool v6, df;
    size_t options;    /* bytes of them behind the TCP header, a multiple of 4 */
    uint32_t sequence; /* of its first byte */
    uint16_t id, step; /* identification of its first frame, and from one to the next */
    uint16_t port;
};

static inline size_t stream_tcp(const struct stream *s)
{
    return s->v6 ? 54 : 34;
}

static inline size_t stream_header(const struct stream *s)
{
    return stream_tcp(s) + 20 + s->options;
}

/* All sums of a frame that is laid out so. */
static inline void stream_sum(const struct stream *s, uint8_t *f, size_t length)
{
    size_t tcp = stream_tcp(s);
    uint32_t sum = words_sum(f + (s->v6 ? 22 : 26), s->v6 ? 32 : 8, 6 + (uint32_t)(length - tcp));

    if (!s->v6) {
        put_be16(f + 24, 0);
        put_be16(f + 24, (uint16_t)~words_sum(f + 14, 20, 0));
    }
    put_be16(f + tcp + 16, 0);
    put_be16(f + tcp + 16, (uint16_t)~words_sum(f + tcp, length - tcp, sum));
}

/* The headers of the nth frame, from byte `at` of the stream, but for checksums. Returns the frame's length. */
static inline size_t stream_headers(const struct stream *s, uint8_t *f, size_t at, unsigned nth,
                                    size_t payload, bool push)
{
    size_t tcp = stream_tcp(s), header = stream_header(s), length = header + payload;
    uint8_t *p = f + tcp;

    memset(f, 0, header);
    memcpy(f, NIC_MAC "\x02\x00\x00\x00\x00\x01", 12);
    put_be16(f + 12, s->v6 ? 0x86dd : 0x0800);
    if (s->v6) {
        put_be32(f + 14, 0x60312345);
        put_be16(f + 18, (uint16_t)(length - tcp));
        memcpy(f + 20, "\6\x40\xfd\1\2\3\4\5\6\7\0\0\0\0\0\0\0\1\xfd\1\2\3\4\5\6\7\0\0\0\0\0\0\0\2", 34);
    } else {
        put_be16(f + 14, 0x4508);
        put_be16(f + 16, (uint16_t)(length - 14));
        put_be16(f + 18, (uint16_t)(s->id + nth * s->step));
        memcpy(f + 20, s->df ? "\x40\0\x40\6" : "\0\0\x40\6", 4);
        memcpy(f + 26, "\x0a\0\0\1\x0a\0\0\2", 8);
    }
    put_be16(p, (uint16_t)(1000 + s->port));
    put_be16(p + 2, 2000);
    put_be32(p + 4, s->sequence + (uint32_t)at);
    put_be32(p + 8, 0x55667788);
    p[12] = (uint8_t)((20 + s->options) << 2);
    p[13] = push ? 0x18 : 0x10;
    put_be16(p + 14, 0x2000);
    fill_bytes(p + 20, s->options, s->port);
    return length;
}

/* That frame, complete. */
static inline size_t stream_frame(const struct stream *s, uint8_t *f, size_t at, unsigned nth,
                                  size_t payload, bool push)
{
    size_t length = stream_headers(s, f, at, nth, payload, push), header = length - payload;

    for (size_t i = 0; i < payload; i++)
        f[header + i] = (uint8_t)((at + i) * 7 + ((at + i) >> 8) + s->port);
    stream_sum(s, f, length);
    return length;
}

/* Leaves the checksum of one to whoever gets it; gso_size 0: it is not to be cut. */
static inline struct offload stream_blank(const struct stream *s, uint8_t *f, size_t length, size_t gso_size)
{
    size_t tcp = stream_tcp(s);

    put_be16(f + tcp + 16, (uint16_t)words_sum(f + (s->v6 ? 22 : 26), s->v6 ? 32 : 8,
                                               6 + (uint32_t)(length - tcp)));
    return (struct offload){ .needs_csum = true, .csum_start = (uint16_t)tcp, .csum_offset = 16,
                             .gso = !gso_size ? GSO_NONE : s->v6 ? GSO_TCPV6 : GSO_TCPV4,
                             .gso_size = (uint16_t)gso_size,
                             .header_bytes = (uint16_t)(gso_size ? stream_header(s) : 0) };
}

/* The far end of one that was sent in frames of `unit`. */
struct stream_end {
    struct stream stream;
    size_t total, unit;
    bool push;    /* the last of them */
    size_t at;    /* what has come */
    unsigned nth;
};

static inline size_t stream_end_next(const struct stream_end *e, uint8_t *f)
{
    size_t part = MIN(e->unit, e->total - e->at);

    return stream_frame(&e->stream, f, e->at, e->nth, part, e->push && e->at + part == e->total);
}

/* The next frame of it came, complete: byte for byte what it was. */
static inline void stream_end_take(void *arg, const uint8_t *f, size_t length)
{
    static uint8_t want[PACKET_MOST];
    struct stream_end *e = arg;

    CHECK(e->at < e->total);
    CHECK_EQ(length, stream_end_next(e, want));
    CHECK_MEM(f, want, length);
    e->at += length - stream_header(&e->stream);
    e->nth++;
}
#endif
