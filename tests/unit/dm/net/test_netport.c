/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is the same for every kind of port: links, ends, and offloads that the host does not do. */
#include <errno.h>
#include "dm/net/packet.h"
#include "tests/unit/devices/net/nic_bench.h"

struct end {
    unsigned frames, links, writable;
    bool up, refuses;
};

static bool on_receive(void *owner, const uint8_t *frame, size_t length, const struct offload *off)
{
    struct end *e = owner;

    if (e->refuses)
        return false;
    e->frames++;
    return true;
}

static void on_link(void *owner, bool up)
{
    struct end *e = owner;

    e->links++;
    e->up = up;
}

static void on_writable(void *owner)
{
    ((struct end *)owner)->writable++;
}

static const struct netport_user user = { .receive = on_receive,
                                          .link = on_link,
                                          .writable = on_writable };

static int send_two(struct net *n, uint8_t *f, size_t length, const struct offload *off)
{
    struct iovec iov[2] = { { f, length / 3 }, { f + length / 3, length - length / 3 } };

    return netport_send(n->port, iov, 2, off);
}

TEST(frames_pass_as_they_are_where_nothing_is_asked)
{
    struct nic n;
    uint8_t f[500];

    net_open(&n.net, "net0", false);
    make_frame(f, NIC_MAC, 500, 1);
    CHECK_EQ(send_two(&n.net, f, 500, NULL), 0);
    CHECK_EQ(send_two(&n.net, f, 500, &(struct offload){ .gso = GSO_NONE }), 0);
    CHECK_EQ(n.net.count, 2);
    CHECK_MEM(n.net.sent[1].bytes, f, 500);
    CHECK_EQ(netport_get_stats(n.net.port).tx_frames, 2);
    CHECK_EQ(netport_get_stats(n.net.port).tx_bytes, 1000);
    net_close(&n.net);
}

TEST(many_frames_go_one_by_one_where_a_port_knows_no_better)
{
    struct nic n;
    uint8_t f[3][500];
    struct netport_frame frames[3];

    net_open(&n.net, "net0", false);
    for (unsigned i = 0; i < 3; i++) {
        make_frame(f[i], NIC_MAC, 500, i);
        frames[i] = (struct netport_frame){ .bytes = f[i], .length = 500, .rc = 1 };
    }
    netport_send_many(n.net.port, frames, 3);
    CHECK_EQ(n.net.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(frames[i].rc, 0);
        CHECK_MEM(n.net.sent[i].bytes, f[i], 500);
    }
    CHECK_EQ(netport_get_stats(n.net.port).tx_frames, 3);
    n.net.room = 1;
    netport_send_many(n.net.port, frames, 2);
    CHECK_EQ(frames[0].rc, 0);
    CHECK_EQ(frames[1].rc, -EAGAIN);
    CHECK_EQ(n.net.count, 4);
    net_close(&n.net);
}

TEST(a_port_without_offloads_fills_in_and_cuts_by_itself)
{
    struct nic n;
    uint8_t f[8000];
    size_t length = make_ipv4(f, 6, 5000, 1);
    struct offload sum = { .needs_csum = true, .csum_start = 34, .csum_offset = 16 }, cut = sum;

    net_open(&n.net, "net0", false);
    cut.gso = GSO_TCPV4;
    cut.gso_size = 1448;
    cut.header_bytes = 54;
    CHECK_EQ(send_two(&n.net, f, length, &cut), 0);
    check_segments(&n, f, length, 1448, 0);
    net_forget(&n.net);
    length = make_ipv4(f, 6, 900, 1);
    put_be16(f + 50, (uint16_t)words_sum(f + 26, 8, 6 + 920));
    CHECK_EQ(send_two(&n.net, f, length, &sum), 0);
    CHECK_EQ(n.net.count, 1);
    CHECK(l4_sum_good(n.net.sent[0].bytes, 14));
    net_close(&n.net);
}

TEST(a_port_with_offloads_is_handed_all)
{
    struct nic n;
    uint8_t f[8000];
    size_t length = make_ipv4(f, 6, 5000, 1);
    struct offload cut = { .needs_csum = true,
                           .csum_start = 34,
                           .csum_offset = 16,
                           .gso = GSO_TCPV4,
                           .gso_size = 1448,
                           .header_bytes = 54 };

    net_open(&n.net, "net0", true);
    CHECK(netport_offload_tx(n.net.port));
    CHECK_EQ(send_two(&n.net, f, length, &cut), 0);
    CHECK_EQ(n.net.count, 1);
    CHECK_EQ(n.net.sent[0].off.gso_size, 1448);
    CHECK_MEM(n.net.sent[0].bytes, f, length);
    net_close(&n.net);
}

TEST(what_cannot_be_cut_or_filled_in_is_dropped_and_counted)
{
    struct nic n;
    uint8_t f[2000];
    size_t length = make_ipv4(f, 17, 1500, 1);
    struct offload off = { .needs_csum = true, .gso = GSO_TCPV4, .gso_size = 500 };

    net_open(&n.net, "net0", false);
    CHECK_EQ(send_two(&n.net, f, length, &off), 0); /* UDP */
    off = (struct offload){ .needs_csum = true, .csum_start = 1999 };
    CHECK_EQ(send_two(&n.net, f, length, &off), 0);
    CHECK_EQ(n.net.count, 0);
    CHECK_EQ(netport_get_stats(n.net.port).tx_dropped, 2);
    net_close(&n.net);
}

TEST(a_full_host_is_reported_and_segments_it_refuses_are_dropped)
{
    struct nic n;
    uint8_t f[8000];
    size_t length = make_ipv4(f, 6, 5000, 1);
    struct offload cut = { .needs_csum = true,
                           .csum_start = 34,
                           .csum_offset = 16,
                           .gso = GSO_TCPV4,
                           .gso_size = 1000,
                           .header_bytes = 54 };

    net_open(&n.net, "net0", false);
    n.net.room = 0;
    CHECK_EQ(send_two(&n.net, f, 100, NULL), -EAGAIN);
    n.net.room = 2;
    CHECK_EQ(send_two(&n.net, f, length, &cut), 0); /* half a cut frame is not sent again */
    CHECK_EQ(n.net.count, 2);
    CHECK_EQ(netport_get_stats(n.net.port).tx_dropped, 3);
    net_close(&n.net);
}

TEST(a_pulled_cable_carries_nothing_either_way)
{
    struct nic n;
    struct end e = { 0 };
    struct error err = { "" };
    uint8_t f[100];

    net_open(&n.net, "net0", false);
    make_frame(f, NIC_MAC, 100, 1);
    CHECK(net_deliver(&n.net, f, 100, NULL)); /* nobody there: gone */
    CHECK_EQ(netport_attach(n.net.port, NULL, &user, &e, &err), 0);
    CHECK(netport_attach(n.net.port, NULL, &user, &e, &err) < 0);
    CHECK_SAYS(err, "two devices");
    CHECK(net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(e.frames, 1);
    netport_set_link(n.net.port, false);
    netport_set_link(n.net.port, false);
    CHECK_EQ(e.links, 1);
    CHECK(!e.up && !netport_link(n.net.port));
    CHECK(net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(send_two(&n.net, f, 100, NULL), 0);
    CHECK_EQ(e.frames, 1);
    CHECK_EQ(n.net.count, 0);
    netport_set_link(n.net.port, true);
    CHECK(e.up && netport_link(n.net.port));
    e.refuses = true;
    CHECK(!net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(netport_get_stats(n.net.port).rx_paused, 1);
    netport_hang_up(n.net.port);
    CHECK(n.net.hung_up && !netport_link(n.net.port));
    CHECK_EQ(send_two(&n.net, f, 100, NULL), 0);
    CHECK_EQ(n.net.count, 0);
    netport_detach(n.net.port);
    net_close(&n.net);
}

TEST(kinds_are_opened_by_name)
{
    struct netport_config c = { .id = "net0", .kind = "null", .fd = -1 };
    struct netport *port = NULL;
    struct error err = { "" };

    CHECK_EQ(netport_open(&port, &c, &err), 0);
    CHECK_STR(netport_id(port), "net0");
    CHECK_STR(netport_info(port), "null");
    CHECK_EQ(netport_attach(port, NULL, &user, NULL, &err), 0);
    CHECK_EQ(netport_send(port, &(struct iovec){ "fourteen bytes", 14 }, 1, NULL), 0);
    CHECK(netport_offload_rx(port, false, 0));
    CHECK(!netport_offload_rx(port, true, 0)); /* never sends any: the user must not ask */
    netport_detach(port);
    netport_close(port);
    c.kind = "socket";
    CHECK_EQ(netport_open(&port, &c, &err), -EINVAL);
    CHECK_SAYS(err, "socket");
}
