/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets in transmit slots: what is one, what is an error, and what ends the connection. */
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/net/netport.h"
#include "dm/net/packet.h"
#include "pv-backends/net/slots.h"
#include "tests/kit/check.h"

static uint8_t slots[256][NET_TX_SLOT];
static struct net_packet p;
static const char *why;

static void slot(unsigned i, uint32_t ref, unsigned offset, unsigned flags, unsigned size)
{
    put_le32(slots[i], ref);
    put_le16(slots[i] + 4, (uint16_t)offset);
    put_le16(slots[i] + 6, (uint16_t)flags);
    put_le16(slots[i] + 8, (uint16_t)(100 + i));
    put_le16(slots[i] + 10, (uint16_t)size);
}

static void extra(unsigned i, unsigned type, unsigned flags)
{
    memset(slots[i], 0, NET_TX_SLOT);
    slots[i][0] = (uint8_t)type;
    slots[i][1] = (uint8_t)flags;
}

static void gso(unsigned i, unsigned size, unsigned type)
{
    extra(i, NET_EXTRA_GSO, 0);
    put_le16(slots[i] + 2, (uint16_t)size);
    slots[i][4] = (uint8_t)type;
}

static unsigned parse(unsigned count)
{
    why = NULL;
    return net_parse(slots, count, &p, &why);
}

TEST(the_first_size_is_the_whole_packets)
{
    struct net_piece pieces[NET_PIECES_MOST];

    slot(0, 1, 100, NETTX_MORE_DATA | NETTX_CSUM_BLANK | NETTX_EXTRA_INFO, 5000);
    gso(1, 1400, NET_GSO_TCPV4);
    slot(2, 2, 0, NETTX_MORE_DATA, 4000);
    slot(3, 3, 8, 0, 900);
    slot(4, 4, 0, 0, 60);
    CHECK_EQ(parse(5), 4);
    CHECK(!p.bad && p.csum_blank);
    CHECK_EQ(p.extras, 1);
    CHECK_EQ(p.length, 5000);
    CHECK_EQ(p.gso, NET_GSO_TCPV4);
    CHECK_EQ(p.gso_size, 1400);
    CHECK_EQ(net_pieces(slots, &p, pieces), 3);
    CHECK_EQ(pieces[0].ref, 1);
    CHECK_EQ(pieces[0].offset, 100);
    CHECK_EQ(pieces[0].length, 100);
    CHECK_EQ(pieces[1].ref, 2);
    CHECK_EQ(pieces[1].length, 4000);
    CHECK_EQ(pieces[2].offset, 8);
    CHECK_EQ(pieces[2].length, 900);
}

TEST(each_slot_has_its_answer_and_extras_a_null)
{
    uint8_t out[4];

    slot(0, 1, 0, NETTX_MORE_DATA | NETTX_EXTRA_INFO, 100);
    extra(1, NET_EXTRA_HASH, NET_EXTRA_MORE);
    gso(2, 1400, NET_GSO_TCPV6);
    slot(3, 2, 0, 0, 50);
    CHECK_EQ(parse(4), 4);
    for (unsigned i = 0; i < 4; i++) {
        bool is_extra = i == 1 || i == 2;

        net_answer(slots, &p, i, NET_ERROR, out);
        CHECK_EQ(get_le16(out), is_extra ? 0 : 100 + i);
        CHECK_EQ((int16_t)get_le16(out + 2), is_extra ? NET_NULL : NET_ERROR);
    }
}

TEST(fragments_larger_than_the_packet_are_an_error_of_that_packet_alone)
{
    slot(0, 1, 0, NETTX_MORE_DATA, 100);
    slot(1, 2, 0, 0, 101);
    CHECK_EQ(parse(2), 2);
    CHECK(p.bad);
    slot(1, 2, 0, NETTX_MORE_DATA, 60);
    slot(2, 2, 0, 0, 60);
    CHECK_EQ(parse(3), 3);
    CHECK(p.bad);
}

TEST(data_past_a_page_is_an_error_of_that_packet_alone)
{
    slot(0, 1, 4000, 0, 97);
    CHECK_EQ(parse(1), 1);
    CHECK(p.bad);
    slot(0, 1, 3999, 0, 97);
    CHECK_EQ(parse(1), 1);
    CHECK(!p.bad);
    slot(0, 1, 0xffff, 0, 0xffff);
    parse(1);
    CHECK(p.bad);
    slot(0, 1, 0, NETTX_MORE_DATA, 5000);
    slot(1, 1, 1, 0, 4096);
    parse(2);
    CHECK(p.bad);
    slot(1, 1, 0, 0, 600); /* which leaves too much for the first page */
    parse(2);
    CHECK(p.bad);
}

TEST(fragments_without_data_are_passed_over)
{
    struct net_piece pieces[NET_PIECES_MOST];

    slot(0, 1, 0, NETTX_MORE_DATA, 200);
    for (unsigned i = 1; i < 200; i++)
        slot(i, 2, 0xffff, NETTX_MORE_DATA, 0);
    slot(200, 3, 0, 0, 200); /* the first is empty too */
    CHECK_EQ(parse(256), 201);
    CHECK(!p.bad);
    CHECK_EQ(net_pieces(slots, &p, pieces), 1);
    CHECK_EQ(pieces[0].ref, 3);
}

TEST(more_pieces_than_a_packet_may_have_are_an_error)
{
    slot(0, 1, 0, NETTX_MORE_DATA, 1000);
    for (unsigned i = 1; i < 100; i++)
        slot(i, 2, 0, i < 99 ? NETTX_MORE_DATA : 0, 1);
    CHECK_EQ(parse(256), 100);
    CHECK(p.bad);
}

TEST(a_chain_that_does_not_end_is_the_end)
{
    for (unsigned i = 0; i < 256; i++)
        slot(i, 1, 0, NETTX_MORE_DATA, 1);
    CHECK_EQ(parse(256), 0);
    CHECK(strstr(why, "does not end"));
    slot(0, 1, 0, NETTX_EXTRA_INFO, 60);
    CHECK_EQ(parse(1), 0);
    CHECK(strstr(why, "does not end"));
    for (unsigned i = 1; i < 256; i++)
        extra(i, NET_EXTRA_HASH, NET_EXTRA_MORE);
    CHECK_EQ(parse(256), 0);
    CHECK(strstr(why, "too many"));
    extra(1, 5, 0);
    CHECK_EQ(parse(256), 0);
    extra(1, 0, 0);
    CHECK_EQ(parse(256), 0);
}

TEST(segments_of_no_size_or_kind_are_an_error)
{
    slot(0, 1, 0, NETTX_EXTRA_INFO, 100);
    gso(1, 0, NET_GSO_TCPV4);
    CHECK_EQ(parse(2), 2);
    CHECK(p.bad);
    gso(1, 1400, 3);
    parse(2);
    CHECK(p.bad);
    gso(1, 1400, 0);
    parse(2);
    CHECK(p.bad);
}

TEST(a_frame_shorter_than_its_header_is_an_error)
{
    slot(0, 1, 0, 0, 13);
    CHECK_EQ(parse(1), 1);
    CHECK(p.bad);
    slot(0, 1, 0, 0, 0);
    parse(1);
    CHECK(p.bad);
}

/* ---- Headers ---- */

static uint8_t frame[4096];
static struct offload off;

static size_t make_v4(unsigned protocol, size_t payload)
{
    size_t length = 14 + 20 + payload;

    memset(frame, 0, sizeof(frame));
    put_be16(frame + 12, 0x0800);
    frame[14] = 0x45;
    put_be16(frame + 16, (uint16_t)(length - 14));
    frame[23] = (uint8_t)protocol;
    memcpy(frame + 26, "\x0a\1\2\3\x0a\3\2\1", 8);
    frame[34 + 12] = 0x50;
    return length;
}

static bool prepare(size_t length, unsigned type)
{
    p = (struct net_packet){ .csum_blank = true, .gso = (uint8_t)type, .gso_size = 1000 };
    return net_prepare(&p, frame, length, &off);
}

TEST(a_blank_checksum_gets_the_pseudo_headers_sum_whatever_stood_there)
{
    size_t length = make_v4(6, 100);
    uint8_t sums[12] = "\x0a\1\2\3\x0a\3\2\1\0\6\0\x64";
    uint16_t want, got;

    put_be16(frame + 50, 0x1234);
    CHECK(prepare(length, 0));
    CHECK(off.needs_csum);
    CHECK_EQ(off.csum_start, 34);
    CHECK_EQ(off.csum_offset, 16);
    CHECK(packet_fill_checksum(frame, length, &off));
    memcpy(&got, frame + 50, 2);
    put_be16(frame + 50, 0);
    want = packet_fold(packet_sum(frame + 34, 100, packet_sum(sums, sizeof(sums), 0)));
    CHECK_EQ(got, want);
}

TEST(padding_is_no_part_of_the_length_that_is_summed)
{
    size_t length = make_v4(17, 18);
    uint8_t without[2];

    CHECK(prepare(length, 0));
    CHECK_EQ(off.csum_offset, 6);
    memcpy(without, frame + 40, 2);
    make_v4(17, 18);
    CHECK(prepare(60, 0));
    CHECK_MEM(frame + 40, without, 2);
}

TEST(headers_that_are_not_there_are_refused)
{
    size_t length = make_v4(6, 100);

    CHECK(!prepare(33, 0));
    CHECK(!prepare(length - 1, 0)); /* IP says more */
    make_v4(6, 19);
    CHECK(!prepare(14 + 20 + 19, 0));
    make_v4(1, 100); /* ICMP */
    CHECK(!prepare(length, 0));
    make_v4(6, 100);
    put_be16(frame + 20, 0x2000); /* a fragment */
    CHECK(!prepare(length, 0));
    make_v4(6, 100);
    frame[14] = 0x44;
    CHECK(!prepare(length, 0));
    make_v4(6, 100);
    CHECK(!prepare(length, NET_GSO_TCPV6));
    frame[34 + 12] = 0x40;
    CHECK(!prepare(length, NET_GSO_TCPV4));
    frame[34 + 12] = 0xf0;
    CHECK(prepare(length, NET_GSO_TCPV4));
    CHECK_EQ(off.header_bytes, 34 + 60);
    make_v4(17, 100);
    CHECK(!prepare(length, NET_GSO_TCPV4));
}

TEST(tags_and_extension_headers_are_passed_over)
{
    size_t length;

    memset(frame, 0, sizeof(frame));
    put_be16(frame + 12, 0x8100);
    put_be16(frame + 16, 0x86dd);
    frame[18] = 0x60;
    put_be16(frame + 22, 16 + 20);
    frame[24] = 0;          /* hop by hop */
    frame[18 + 40] = 60;    /* then destination options */
    frame[18 + 48] = 6;     /* then TCP */
    frame[18 + 56 + 12] = 0x50;
    length = 18 + 40 + 16 + 20;
    CHECK(prepare(length, 0));
    CHECK_EQ(off.csum_start, 18 + 56);
    frame[18 + 41] = 255; /* an extension past the end */
    CHECK(!prepare(length, 0));
}
