/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums, verdicts and segmentation, by frames and by chaos. */
#include <stdlib.h>
#include "dm/net/packet.h"
#include "tests/unit/devices/net/nic_bench.h"

static uint16_t fold(uint16_t network_order)
{
    return get_be16(&network_order);
}

TEST(the_sum_is_that_of_rfc_1071_at_every_length_and_alignment)
{
    uint8_t bytes[600];

    fill_bytes(bytes, sizeof(bytes), 3);
    for (size_t from = 0; from < 8; from++)
        for (size_t length = 0; length < 500; length += 7)
            CHECK_EQ(fold(packet_fold(packet_sum(bytes + from, length, 0))),
                     (uint16_t)~words_sum(bytes + from, length, 0));
    memset(bytes, 0xff, sizeof(bytes));
    CHECK_EQ(packet_fold(packet_sum(bytes, 600, 0xffffffff)), 0); /* carries all the way */
}

TEST(a_checksum_is_filled_in_or_refused)
{
    uint8_t f[200];
    size_t length = make_ipv4(f, 17, 100, 1);
    struct offload off = { .needs_csum = true, .csum_start = 34, .csum_offset = 6 };

    put_be16(f + 40, (uint16_t)words_sum(f + 26, 8, 17 + 108));
    CHECK(packet_fill_checksum(f, length, &off));
    CHECK(l4_sum_good(f, 14));
    for (unsigned start = 0; start < 300; start += 5)
        for (unsigned at = 0; at < 300; at += 5) {
            off.csum_start = (uint16_t)start;
            off.csum_offset = (uint16_t)at;
            CHECK_EQ(packet_fill_checksum(f, length, &off),
                     start < length && start + at + 2 <= length);
        }
    off.csum_start = off.csum_offset = 0xffff;
    CHECK(!packet_fill_checksum(f, length, &off));
}

TEST(a_udp_checksum_is_never_zero)
{
    uint8_t f[16] = { 0 };
    struct offload off = { .needs_csum = true, .csum_start = 14, .csum_offset = 0 };

    f[14] = f[15] = 0xff; /* the sum of all is all ones, its complement zero */
    CHECK(packet_fill_checksum(f, 16, &off));
    CHECK_EQ(get_be16(f + 14), 0xffff);
}

TEST(a_frame_is_judged_by_its_sums)
{
    for (unsigned tag = 0; tag < 2; tag++)
        for (unsigned udp = 0; udp < 2; udp++) {
            uint8_t f[300];
            size_t length = make_ipv4(f, udp ? 17 : 6, 101, 1);
            struct packet_verdict v;

            sum_ipv4(f);
            if (tag) {
                memmove(f + 16, f + 12, length - 12);
                put_be32(f + 12, 0x81000005);
                length += 4;
            }
            v = packet_judge(f, length, NULL);
            CHECK(v.ipv4 && !v.ip_bad && !v.l4_bad && v.udp == udp && v.tcp == !udp);
            f[length - 1]++;
            v = packet_judge(f, length, NULL);
            CHECK(v.l4_bad && !v.ip_bad);
            v = packet_judge(f, length, &(struct offload){ .data_valid = true });
            CHECK(!v.l4_bad && v.udp == udp);
            f[14 + 4 * tag + 8]++;
            CHECK(packet_judge(f, length, NULL).ip_bad);
        }
}

TEST(a_verdict_reads_nothing_outside_of_the_frame)
{
    uint32_t x = 7;

    for (unsigned i = 0; i < 20000; i++) {
        size_t length = nic_random(&x) % 80;
        uint8_t f[300], *exact = malloc(length + 1);

        make_ipv4(f, i & 1 ? 6 : 17, 40, i);
        f[14 + nic_random(&x) % 40] = (uint8_t)nic_random(&x);
        f[14 + nic_random(&x) % 4] = (uint8_t)nic_random(&x);
        memcpy(exact, f, length);
        packet_judge(exact, length, NULL);
        free(exact);
    }
}

/* ---- Segmentation ---- */

struct pieces {
    unsigned count;
    size_t bytes, longest, last;
    uint8_t flags_first, flags_middle, flags_last;
};

static void piece(void *arg, const uint8_t *f, size_t length)
{
    struct pieces *p = arg;

    CHECK(ip_sum_good(f, 14) && l4_sum_good(f, 14));
    CHECK_EQ(get_be16(f + 16), length - 14);
    p->flags_middle = p->flags_last;
    p->flags_last = f[47];
    if (!p->count++)
        p->flags_first = f[47];
    p->bytes += length - 54;
    p->longest = MAX(p->longest, length);
}

static uint8_t scratch[PACKET_MOST];

TEST(a_segment_carries_the_right_flags)
{
    uint8_t f[4000];
    size_t length = make_ipv4(f, 6, 3500, 1);
    struct offload off = { .needs_csum = true, .gso = GSO_TCPV4, .gso_size = 1000 };
    struct pieces p = { 0 };

    f[47] = 0x99; /* CWR, ACK, PSH, FIN */
    CHECK(packet_segment(f, length, &off, scratch, piece, &p));
    CHECK_EQ(p.count, 4);
    CHECK_EQ(p.bytes, 3500);
    CHECK_EQ(p.longest, 1054);
    CHECK_EQ(p.flags_first, 0x90);  /* CWR on the first alone */
    CHECK_EQ(p.flags_middle, 0x10); /* FIN and PSH on the last alone */
    CHECK_EQ(p.flags_last, 0x19);
}

static void count_piece(void *arg, const uint8_t *f, size_t length)
{
    (*(unsigned *)arg)++;
}

TEST(a_frame_that_is_not_what_it_says_is_not_cut)
{
    uint8_t good[3000], f[3000];
    size_t length = make_ipv4(good, 6, 2000, 1);
    struct offload off = { .needs_csum = true, .gso = GSO_TCPV4, .gso_size = 1000 };
    unsigned count = 0;
    static const struct {
        unsigned at;
        uint8_t value;
    } lies[] = { { 12, 0x86 }, { 13, 6 },    { 23, 17 },  { 14, 0x44 },
                 { 14, 0x40 }, { 46, 0x40 }, { 46, 0x00 } };

    for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
        memcpy(f, good, length);
        f[lies[i].at] = lies[i].value;
        CHECK(!packet_segment(f, length, &off, scratch, count_piece, &count));
    }
    off.gso_size = 0;
    CHECK(!packet_segment(good, length, &off, scratch, count_piece, &count));
    off.gso_size = 1000;
    off.gso = GSO_TCPV6;
    CHECK(!packet_segment(good, length, &off, scratch, count_piece, &count));
    off.gso = GSO_TCPV4;
    for (size_t n = 0; n < 54; n++)
        CHECK(!packet_segment(good, n, &off, scratch, count_piece, &count));
    CHECK_EQ(count, 0);
    CHECK(packet_segment(good, 54, &off, scratch, count_piece, &count)); /* headers alone: one */
    CHECK_EQ(count, 1);
}

/* The class of CVE-2019-11477: one frame of a guest costs the host a system call for each piece. */
TEST(a_frame_is_not_cut_into_tens_of_thousands)
{
    static uint8_t f[66000];
    size_t length = make_ipv4(f, 6, 65000, 1);
    struct offload off = { .needs_csum = true, .gso = GSO_TCPV4, .gso_size = 1 };
    unsigned count = 0;

    CHECK(!packet_segment(f, length, &off, scratch, count_piece, &count));
    CHECK_EQ(count, 0);
    off.gso_size = 48;
    CHECK(packet_segment(f, length, &off, scratch, count_piece, &count));
    CHECK_EQ(count, 1355);
}

TEST(random_frames_are_cut_or_refused_and_nothing_else)
{
    uint32_t x = 11;

    for (unsigned i = 0; i < 20000; i++) {
        size_t length = nic_random(&x) % 400;
        uint8_t f[500], *exact = malloc(length + 1);
        struct offload off = { .gso = i & 2 ? GSO_TCPV4 : GSO_TCPV6,
                               .gso_size = (uint16_t)(nic_random(&x) % 200) };
        unsigned count = 0;

        make_ipv4(f, 6, 400, i);
        for (unsigned k = 0; k < 2; k++)
            f[12 + nic_random(&x) % 60] = (uint8_t)nic_random(&x);
        memcpy(exact, f, length);
        packet_segment(exact, length, &off, scratch, count_piece, &count);
        CHECK(count <= 400);
        free(exact);
    }
}
