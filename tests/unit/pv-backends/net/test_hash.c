/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Toeplitz by the vectors of Microsoft's "Verifying the RSS Hash Calculation"; groups; control. */
#include <arpa/inet.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/net/hash.h"
#include "pv-backends/net/shared.h"
#include "tests/kit/check.h"

static const uint8_t key[NET_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct vector {
    const char *to, *from;
    uint16_t to_port, from_port;
    uint32_t ip, tcp;
} v4[] = {
    { "161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178 },
    { "65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea },
    { "12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a },
    { "209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f },
    { "202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2 },
}, v6[] = {
    { "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5, 0x40207d3d },
    { "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c, 0xdde51bbf },
    { "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251, 0x4b61e985,
      0x02d1feef },
};

static uint8_t frame[128];

static size_t make(const struct vector *v, bool six, unsigned protocol)
{
    size_t l4 = 14 + (six ? 40 : 20);

    memset(frame, 0, sizeof(frame));
    put_be16(frame + 12, six ? 0x86dd : 0x0800);
    if (six) {
        frame[14] = 0x60;
        put_be16(frame + 18, 20);
        frame[20] = (uint8_t)protocol;
        CHECK_EQ(inet_pton(AF_INET6, v->from, frame + 22), 1);
        CHECK_EQ(inet_pton(AF_INET6, v->to, frame + 38), 1);
    } else {
        frame[14] = 0x45;
        put_be16(frame + 16, 40);
        frame[23] = (uint8_t)protocol;
        CHECK_EQ(inet_pton(AF_INET, v->from, frame + 26), 1);
        CHECK_EQ(inet_pton(AF_INET, v->to, frame + 30), 1);
    }
    put_be16(frame + l4, v->from_port);
    put_be16(frame + l4 + 2, v->to_port);
    return l4 + 20;
}

static void expect(const struct net_steering *s, size_t length, unsigned type, uint32_t value)
{
    struct net_flow flow = net_hash(s, frame, length);

    CHECK(flow.hashed);
    CHECK_EQ(flow.type, type);
    CHECK_EQ(flow.value, value);
}

TEST(flows_hash_as_the_rss_specification_says)
{
    struct net_steering s = { .algorithm = 1, .types = NET_HASH_TYPES };

    memcpy(s.key, key, sizeof(key));
    for (unsigned i = 0; i < ARRAY_SIZE(v4); i++) {
        expect(&s, make(&v4[i], false, 6), NET_HASH_IPV4_TCP, v4[i].tcp);
        expect(&s, make(&v4[i], false, 17), NET_HASH_IPV4, v4[i].ip);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(v6); i++) {
        expect(&s, make(&v6[i], true, 6), NET_HASH_IPV6_TCP, v6[i].tcp);
        expect(&s, make(&v6[i], true, 17), NET_HASH_IPV6, v6[i].ip);
    }
    s.types = 1u << NET_HASH_IPV4;
    expect(&s, make(&v4[0], false, 6), NET_HASH_IPV4, v4[0].ip);
    CHECK(!net_hash(&s, frame, make(&v6[0], true, 6)).hashed);
    s.algorithm = 0;
    CHECK(!net_hash(&s, frame, make(&v4[0], false, 6)).hashed);
}

TEST(frames_cut_anywhere_are_hashed_or_not)
{
    struct net_steering s = { .algorithm = 1, .types = NET_HASH_TYPES };

    memcpy(s.key, key, sizeof(key));
    for (size_t n = make(&v4[0], false, 6) - 1; n; n--)
        CHECK(!net_hash(&s, frame, n).hashed);
}

static bool fetch_key(void *arg, uint32_t ref, void *bytes, unsigned count)
{
    CHECK(count <= 4 * NET_MAPPING_MOST);
    memcpy(bytes, arg, count);
    return ref == 9;
}

static struct net_control_answer ask(struct net_shared *s, unsigned type, uint32_t a, uint32_t b,
                                     uint32_t c, const void *page)
{
    struct net_control_request r = { .type = (uint16_t)type, .data = { a, b, c } };

    return net_control(s, &r, fetch_key, (void *)(uintptr_t)page);
}

TEST(what_the_control_ring_sets_reaches_who_steers)
{
    static struct net_shared shared;
    static struct net_steering s;
    uint8_t mapping[4 * 128] = { 0 };

    net_shared_init(&shared, 4);
    CHECK_EQ(ask(&shared, 7, 1, 0, 0, NULL).status, NET_CONTROL_OKAY);
    CHECK_EQ(ask(&shared, 2, 15, 0, 0, NULL).status, NET_CONTROL_OKAY);
    CHECK_EQ(ask(&shared, 3, 9, 40, 0, key).status, NET_CONTROL_OKAY);
    net_steering_refresh(&s, &shared);
    CHECK_MEM(s.key, key, 40);
    expect(&s, make(&v4[0], false, 6), NET_HASH_IPV4_TCP, v4[0].tcp);
    CHECK_EQ(net_steer(&s, 7, 4), 3); /* no mapping: modulo */
    CHECK_EQ(ask(&shared, 5, 128, 0, 0, NULL).status, NET_CONTROL_OKAY);
    put_le32(mapping, 2);
    put_le32(mapping + 4, 3);
    CHECK_EQ(ask(&shared, 6, 9, 2, 126, mapping).status, NET_CONTROL_OKAY);
    net_steering_refresh(&s, &shared);
    CHECK_EQ(net_steer(&s, 126, 4), 2);
    CHECK_EQ(net_steer(&s, 127 + 128, 4), 3);
    CHECK_EQ(net_steer(&s, 7, 4), 0);
    put_le32(mapping + 4, 4); /* no such queue: and the table stays as it was */
    CHECK_EQ(ask(&shared, 6, 9, 2, 0, mapping).status, NET_CONTROL_INVALID);
    CHECK_EQ(ask(&shared, 6, 8, 1, 0, mapping).status, NET_CONTROL_INVALID);
    CHECK_EQ(ask(&shared, 3, 9, 0, 0, key).status, NET_CONTROL_OKAY); /* no key: zero for all */
    net_steering_refresh(&s, &shared);
    CHECK_EQ(net_steer(&s, 0, 4), 0);
    expect(&s, make(&v4[0], false, 6), NET_HASH_IPV4_TCP, 0);
}

TEST(groups_are_held_to_64_and_everybody_is_no_group)
{
    static struct net_shared shared;
    uint8_t address[6] = { 1, 0, 0x5e, 0, 0, 0 };

    net_shared_init(&shared, 1);
    CHECK(net_group_wants(&shared, address));
    shared.filter = true;
    CHECK(!net_group_wants(&shared, address));
    CHECK(net_group_wants(&shared, (uint8_t[]){ 0, 1, 2, 3, 4, 5 }));
    CHECK(net_group_wants(&shared, (uint8_t[]){ 255, 255, 255, 255, 255, 255 }));
    for (unsigned i = 0; i < 64; i++) {
        address[5] = (uint8_t)i;
        CHECK(net_group_add(&shared, address));
        CHECK(net_group_add(&shared, address)); /* again takes no room */
    }
    CHECK(net_group_wants(&shared, address));
    address[5] = 64;
    CHECK(!net_group_add(&shared, address));
    address[5] = 10;
    net_group_drop(&shared, address);
    CHECK(!net_group_wants(&shared, address));
    address[5] = 64;
    CHECK(net_group_add(&shared, address));
}
