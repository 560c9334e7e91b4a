/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_KIT_FRAMES_H
#define TESTS_KIT_FRAMES_H
#include <stdbool.h>
#include <string.h>
#include "dm/base/bytes.h"

/* Frames to send and receive, with a judge of checksums that shares nothing with the product. */
#define NIC_MAC "\x52\x54\x00\x12\x34\x56"

static inline void fill_bytes(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + seed + (i >> 8));
}

/* A plain frame of `length` bytes to `to`. */
static inline void make_frame(uint8_t *f, const void *to, size_t length, unsigned seed)
{
    memcpy(f, to, 6);
    memcpy(f + 6, "\x02\x00\x00\x00\x00\x01", 6);
    put_be16(f + 12, 0x88b5);
    if (length > 14)
        fill_bytes(f + 14, length - 14, seed);
}

/* Sums 16-bit words as RFC 1071 writes it down. */
static inline uint32_t words_sum(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static inline bool ip_sum_good(const uint8_t *f, size_t ip)
{
    return words_sum(f + ip, 4u * (f[ip] & 15), 0) == 0xffff;
}

static inline bool l4_sum_good(const uint8_t *f, size_t ip)
{
    bool v6 = f[ip] >> 4 == 6;
    size_t header = v6 ? 40 : 4u * (f[ip] & 15);
    size_t bytes = v6 ? get_be16(f + ip + 4) : get_be16(f + ip + 2) - header;
    uint32_t sum = v6 ? words_sum(f + ip + 8, 32, 0) : words_sum(f + ip + 12, 8, 0);

    sum += f[ip + (v6 ? 6 : 9)] + (uint32_t)bytes;
    return words_sum(f + ip + header, bytes, sum) == 0xffff;
}

/* IPv4 with TCP (6) or UDP (17), lengths right, checksums zero. Returns its length. */
static inline size_t make_ipv4(uint8_t *f, uint8_t protocol, size_t payload, unsigned seed)
{
    size_t header = protocol == 6 ? 20 : 8;

    memset(f, 0, 54);
    memcpy(f, NIC_MAC, 6);
    memcpy(f + 6, "\x02\x00\x00\x00\x00\x01", 6);
    put_be16(f + 12, 0x0800);
    f[14] = 0x45;
    put_be16(f + 16, (uint16_t)(20 + header + payload));
    put_be16(f + 18, 0x1234);
    f[22] = 64;
    f[23] = protocol;
    memcpy(f + 26, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
    put_be16(f + 34, 1000);
    put_be16(f + 36, 2000);
    if (protocol == 6) {
        put_be32(f + 38, 0x11223344);
        f[46] = 0x50;
        f[47] = 0x19; /* ACK, PSH, FIN */
        put_be16(f + 48, 0x2000);
    } else {
        put_be16(f + 38, (uint16_t)(8 + payload));
    }
    fill_bytes(f + 34 + header, payload, seed);
    return 34 + header + payload;
}

static inline void sum_ipv4(uint8_t *f)
{
    size_t l4 = 14 + 4u * (f[14] & 15), bytes = get_be16(f + 16) - (l4 - 14);
    unsigned at = f[23] == 6 ? 16 : 6;

    put_be16(f + 24, 0);
    put_be16(f + 24, (uint16_t)~words_sum(f + 14, l4 - 14, 0));
    put_be16(f + l4 + at, 0);
    put_be16(f + l4 + at,
             (uint16_t)~words_sum(f + l4, bytes, words_sum(f + 26, 8, f[23] + (uint32_t)bytes)));
}
#endif
