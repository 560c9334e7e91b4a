/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User networking through libslirp: its DHCP server answers, and its gateway answers a ping. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/base/loop.h"
#include "tests/unit/devices/net/nic_bench.h"

struct bench {
    struct loop *loop;
    struct netport *port;
    uint8_t frame[2048];
    size_t length;
    uint16_t type;    /* what we wait for: an Ethernet type */
    uint8_t protocol; /* and, in IPv4, a protocol */
    bool refuses;
    unsigned offered;
};

static bool on_receive(void *owner, const uint8_t *f, size_t length, const struct offload *off)
{
    struct bench *b = owner;

    b->offered++;
    if (b->refuses)
        return false;
    if (b->length || length > sizeof(b->frame) || get_be16(f + 12) != b->type ||
        (b->type == 0x0800 && f[23] != b->protocol))
        return true;
    memcpy(b->frame, f, length);
    b->length = length;
    return true;
}

static const struct netport_user user = { .receive = on_receive };

static bool bench_open(struct bench *b)
{
    struct netport_config c = { .id = "net0", .kind = "user", .fd = -1, .hostname = "guest" };
    struct error err = { "" };
    void *library = dlopen("libslirp.so.0", RTLD_NOW);

    memset(b, 0, sizeof(*b));
    if (!library) {
        printf("skipped: libslirp is not installed (Debian package libslirp0)\n");
        return false;
    }
    dlclose(library);
    CHECK_EQ(loop_open(&b->loop, "test", &err), 0);
    CHECK_EQ(netport_open(&b->port, &c, &err), 0);
    CHECK_EQ(netport_attach(b->port, b->loop, &user, b, &err), 0);
    return true;
}

static void bench_close(struct bench *b)
{
    netport_detach(b->port);
    netport_close(b->port);
    loop_close(b->loop);
}

static bool answer(struct bench *b, uint8_t *f, size_t length, uint16_t type, uint8_t protocol)
{
    struct iovec iov = { f, length };

    b->length = 0;
    b->type = type;
    b->protocol = protocol;
    CHECK_EQ(netport_send(b->port, &iov, 1, NULL), 0);
    for (int i = 0; i < 400 && !b->length; i++) {
        loop_step(b->loop);
        usleep(500);
    }
    return b->length != 0;
}

/* A BOOTP request with DHCP's options: the message's type, and for a request the address. */
static size_t make_dhcp(uint8_t *f, uint8_t message)
{
    size_t length = make_ipv4(f, 17, 300, 0);
    uint8_t *p = f + 42;

    memset(f, 0xff, 6);
    memcpy(f + 6, NIC_MAC, 6);
    memset(f + 26, 0, 4);
    memset(f + 30, 0xff, 4);
    put_be16(f + 34, 68);
    put_be16(f + 36, 67);
    memset(p, 0, 300);
    p[0] = 1; /* request, Ethernet, six bytes */
    p[1] = 1;
    p[2] = 6;
    put_be32(p + 4, 0xfeedbeef);
    put_be16(p + 10, 0x8000);
    memcpy(p + 28, NIC_MAC, 6);
    put_be32(p + 236, 0x63825363);
    memcpy(p + 240, (uint8_t[]){ 53, 1, message }, 3);
    if (message == 3)
        memcpy(p + 243, "\x32\x04\x0a\x00\x02\x0f\xff", 7);
    else
        p[243] = 0xff;
    sum_ipv4(f);
    return length;
}

TEST(dhcp_offers_an_address_and_grants_it)
{
    static struct bench b;
    uint8_t f[600];

    if (!bench_open(&b))
        return;
    for (uint8_t message = 1; message <= 3; message += 2) {
        CHECK(answer(&b, f, make_dhcp(f, message), 0x0800, 17));
        CHECK(ip_sum_good(b.frame, 14) && l4_sum_good(b.frame, 14));
        CHECK_EQ(get_be16(b.frame + 34), 67);
        CHECK_EQ(get_be32(b.frame + 42 + 4), 0xfeedbeef);
        CHECK_EQ(get_be32(b.frame + 42 + 16), 0x0a00020f); /* yours */
        CHECK_EQ(b.frame[42 + 242], message == 1 ? 2 : 5); /* an offer, an acknowledgement */
    }
    bench_close(&b);
}

/* Tells the gateway who we are, and learns its address. */
static void arp(struct bench *b, uint8_t *gateway)
{
    uint8_t f[60] = { 0 };

    memset(f, 0xff, 6);
    memcpy(f + 6, NIC_MAC, 6);
    memcpy(f + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
    memcpy(f + 22, NIC_MAC, 6);
    memcpy(f + 28, "\x0a\x00\x02\x0f", 4);
    memcpy(f + 38, "\x0a\x00\x02\x02", 4);
    CHECK(answer(b, f, 60, 0x0806, 0));
    CHECK_EQ(get_be16(b->frame + 20), 2);
    memcpy(gateway, b->frame + 22, 6);
}

TEST(the_gateway_answers_arp_and_a_ping)
{
    static struct bench b;
    uint8_t f[100], gateway[6];

    if (!bench_open(&b))
        return;
    arp(&b, gateway);
    make_ipv4(f, 17, 8, 0);
    memcpy(f, gateway, 6);
    memcpy(f + 6, NIC_MAC, 6);
    f[23] = 1;
    put_be32(f + 26, 0x0a00020f);
    put_be32(f + 30, 0x0a000202);
    put_be16(f + 24, (uint16_t)~words_sum(f + 14, 20, 0));
    memset(f + 34, 0, 8);
    f[34] = 8; /* echo request */
    put_be32(f + 38, 0x12340001);
    put_be16(f + 36, (uint16_t)~words_sum(f + 34, 16, 0));
    CHECK(answer(&b, f, 50, 0x0800, 1));
    CHECK_EQ(b.frame[34], 0);
    CHECK_EQ(get_be32(b.frame + 38), 0x12340001);
    bench_close(&b);
}

static size_t make_tcp(uint8_t *f, const uint8_t *to, uint16_t port, uint8_t flags, uint32_t seq,
                       uint32_t ack, const char *text)
{
    size_t length = make_ipv4(f, 6, strlen(text), 0);

    memcpy(f, to, 6);
    memcpy(f + 6, NIC_MAC, 6);
    put_be32(f + 26, 0x0a00020f);
    put_be32(f + 30, 0x0a000202);
    put_be16(f + 36, port);
    put_be32(f + 38, seq);
    put_be32(f + 42, ack);
    f[47] = flags;
    memcpy(f + 54, text, strlen(text));
    sum_ipv4(f);
    return length;
}

/* The gateway's address is this host's: a connection to a listener here, and a word each way. */
TEST(a_tcp_connection_carries_bytes_both_ways)
{
    static struct bench b;
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof(at);
    uint8_t f[200], gateway[6];
    char text[8] = "";
    uint32_t theirs;
    int listener, peer;
    uint16_t port;

    if (!bench_open(&b))
        return;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_EQ(listen(listener, 1), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    port = ntohs(at.sin_port);
    arp(&b, gateway);
    CHECK(answer(&b, f, make_tcp(f, gateway, port, 0x02, 1000, 0, ""), 0x0800, 6));
    CHECK_EQ(b.frame[47] & 0x3f, 0x12); /* SYN, ACK */
    CHECK_EQ(get_be32(b.frame + 42), 1001);
    theirs = get_be32(b.frame + 38) + 1;
    peer = accept(listener, NULL, NULL);
    CHECK(peer >= 0);
    CHECK(answer(&b, f, make_tcp(f, gateway, port, 0x18, 1001, theirs, "hello"), 0x0800, 6));
    CHECK_EQ(recv(peer, text, sizeof(text), 0), 5);
    CHECK_STR(text, "hello");
    CHECK_EQ(send(peer, "world", 5, 0), 5);
    for (int i = 0; i < 20; i++) { /* an acknowledgement may come first */
        b.length = 0;
        for (int k = 0; k < 200 && !b.length; k++) {
            loop_step(b.loop);
            usleep(500);
        }
        if (get_be16(b.frame + 16) > 40 && b.length)
            break;
    }
    CHECK(l4_sum_good(b.frame, 14));
    CHECK_MEM(b.frame + 54, "world", 5);
    close(peer);
    close(listener);
    bench_close(&b);
}

TEST(a_card_without_room_gets_the_answer_later)
{
    static struct bench b;
    uint8_t f[600];

    if (!bench_open(&b))
        return;
    b.refuses = true;
    CHECK(!answer(&b, f, make_dhcp(f, 1), 0x0800, 17));
    CHECK_EQ(b.offered, 1);
    b.refuses = false;
    netport_accept(b.port);
    CHECK(b.length != 0);
    CHECK_EQ(b.frame[42 + 242], 2);
    bench_close(&b);
}

TEST(an_answer_never_comes_inside_the_call_that_asked)
{
    static struct bench b;
    uint8_t f[600];
    struct iovec iov = { f, 0 };

    if (!bench_open(&b))
        return;
    b.type = 0x0800;
    b.protocol = 17;
    iov.iov_len = make_dhcp(f, 1);
    for (unsigned i = 0; i < 1000; i++) /* far more than it keeps */
        CHECK_EQ(netport_send(b.port, &iov, 1, NULL), 0);
    CHECK_EQ(b.offered, 0);
    loop_step(b.loop);
    CHECK(b.offered > 0 && b.offered <= 256);
    bench_close(&b);
}

TEST(hung_up_it_takes_frames_and_drops_them)
{
    static struct bench b;
    uint8_t f[600];
    struct iovec iov = { f, 0 };

    if (!bench_open(&b))
        return;
    netport_hang_up(b.port);
    iov.iov_len = make_dhcp(f, 1);
    CHECK_EQ(netport_send(b.port, &iov, 1, NULL), 0);
    loop_step(b.loop);
    bench_close(&b);
}

TEST(random_frames_do_not_break_it)
{
    static struct bench b;
    uint32_t x = 5;

    if (!bench_open(&b))
        return;
    for (unsigned i = 0; i < 3000; i++) {
        uint8_t f[700];
        struct iovec iov = { f, 14 + nic_random(&x) % 600 };

        if (i & 1)
            make_dhcp(f, (uint8_t)nic_random(&x));
        else
            make_ipv4(f, i & 2 ? 6 : 17, 600, i);
        for (unsigned k = 0; k < 3; k++)
            f[nic_random(&x) % 80] = (uint8_t)nic_random(&x);
        memset(f + 30, 0, 4); /* nothing leaves this machine */
        netport_send(b.port, &iov, 1, NULL);
        if (i % 64 == 0)
            loop_step(b.loop);
    }
    bench_close(&b);
}
