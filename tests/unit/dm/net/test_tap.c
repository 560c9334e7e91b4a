/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real tap: frames out of it and into it, checksums and large sends left to the kernel. */
#include "tests/unit/dm/net/tap_bench.h"

TEST(the_tap_is_there_under_its_name_and_a_second_one_is_refused)
{
    static struct bench b;
    struct netport_config c = { .id = "net1", .kind = "tap", .fd = -1 };
    struct netport *second;
    struct error err = { "" };

    if (!bench_open(&b))
        return;
    CHECK(has_interface(b.name));
    c.ifname = b.name;
    CHECK_EQ(netport_open(&second, &c, &err), -EBUSY);
    CHECK_SAYS(err, "in use");
    c.ifname = "a-name-that-is-too-long";
    CHECK_EQ(netport_open(&second, &c, &err), -EINVAL);
    CHECK_SAYS(err, "longer");
    bench_close(&b);
}

TEST(frames_go_out_and_come_in)
{
    static struct bench b;
    uint8_t f[1514], got[2000];

    if (!bench_open(&b))
        return;
    for (unsigned i = 0; i < 20; i++) {
        size_t length = 60 + 70 * i;
        struct iovec iov[2] = { { f, 20 }, { f + 20, length - 20 } };

        make_frame(f, "\xff\xff\xff\xff\xff\xff", length, i);
        CHECK_EQ(netport_send(b.port, iov, 2, NULL), 0);
        CHECK_EQ(caught(&b, got, sizeof(got), 0x88b5), length);
        CHECK_MEM(got, f, length);
        b.frames = 0;
        CHECK_EQ(send(b.packets, f, length, 0), (ssize_t)length);
        turn(&b);
        CHECK_EQ(b.frames, 1);
        CHECK_EQ(b.length, length);
        CHECK_MEM(b.frame, f, length);
    }
    CHECK_EQ(netport_get_stats(b.port).tx_frames, 20);
    bench_close(&b);
}

TEST(a_user_without_room_stops_the_tap_until_it_accepts)
{
    static struct bench b;
    uint8_t f[100];

    if (!bench_open(&b))
        return;
    b.takes = 0;
    for (unsigned i = 0; i < 5; i++) {
        make_frame(f, "\xff\xff\xff\xff\xff\xff", 100, i);
        CHECK_EQ(send(b.packets, f, 100, 0), 100);
    }
    turn_until_paused(&b);
    CHECK_EQ(b.frames, 0);
    b.takes = UINT_MAX;
    netport_accept(b.port);
    CHECK_EQ(b.frames, 1); /* the one it kept; the rest is read when the loop turns */
    turn_until(&b, 5);
    CHECK_MEM(b.frame, f, 100);
    bench_close(&b);
}

static void send_numbered(struct bench *b, unsigned first, unsigned count)
{
    uint8_t f[200];

    for (unsigned i = first; i < first + count; i++) {
        make_frame(f, "\xff\xff\xff\xff\xff\xff", 60 + i, i);
        f[14] = (uint8_t)i;
        CHECK_EQ(send(b->packets, f, 60 + i, 0), 60 + i);
    }
}

TEST(frames_that_are_read_together_keep_their_order_and_wait_for_a_user_without_room)
{
    static struct bench b;

    if (!bench_open_as(&b, true))
        return;
    send_numbered(&b, 0, 40);
    turn_until(&b, 40); /* after this pass it reads many at once */
    send_numbered(&b, 40, 24);
    b.takes = 47; /* in the middle of what is read by one call */
    turn_until(&b, 47);
    CHECK_EQ(netport_get_stats(b.port).rx_paused, 1);
    b.takes = UINT_MAX;
    netport_accept(b.port);
    turn_until(&b, 64);
    for (unsigned i = 0; i < 64; i++)
        CHECK_EQ(b.order[i], i);
    bench_close(&b);
}

TEST(a_user_with_memory_of_his_own_finds_the_frame_there)
{
    static struct bench b;
    uint8_t f[1000];

    if (!bench_open(&b))
        return;
    b.has_rooms = 1;
    make_frame(f, "\xff\xff\xff\xff\xff\xff", sizeof(f), 1);
    CHECK_EQ(send(b.packets, f, sizeof(f), 0), sizeof(f));
    turn(&b);
    CHECK(b.in_room);
    CHECK_EQ(b.length, sizeof(f));
    CHECK_MEM(b.frame, f, sizeof(f));
    b.takes = 1;
    send_numbered(&b, 5, 1);
    turn_until_paused(&b);
    b.takes = UINT_MAX;
    netport_accept(b.port);
    CHECK_EQ(b.frames, 2);
    CHECK(b.in_room); /* what he refused waited there */
    CHECK_EQ(b.order[1], 5);
    bench_close(&b);
}

/* `count` of `length` bytes, the one at `bad` nonsense; each arrives, in order, and is counted. */
static void check_many(struct bench *b, unsigned count, size_t length, unsigned bad)
{
    static uint8_t memory[70][NETPORT_HEADROOM + 9000], got[9100];
    struct netport_frame frames[70];
    struct netport_stats before = netport_get_stats(b->port), after;

    for (unsigned i = 0; i < count; i++) {
        frames[i] = (struct netport_frame){ .bytes = memory[i] + NETPORT_HEADROOM, .length = length,
                                            .rc = -1 };
        make_frame(frames[i].bytes, "\xff\xff\xff\xff\xff\xff", length, i);
        if (i == bad)
            frames[i].off = (struct offload){ .needs_csum = true, .csum_start = 65000 };
    }
    netport_send_many(b->port, frames, count);
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(frames[i].rc, 0);
        if (i == bad)
            continue;
        CHECK_EQ(caught(b, got, sizeof(got), 0x88b5), length);
        CHECK_MEM(got, frames[i].bytes, length);
    }
    after = netport_get_stats(b->port);
    CHECK_EQ(after.tx_frames - before.tx_frames, count);
    CHECK_EQ(after.tx_bytes - before.tx_bytes, count * length);
    CHECK_EQ(after.tx_dropped - before.tx_dropped, bad < count);
}

TEST(frames_that_are_sent_together_arrive_in_order_and_a_bad_one_is_dropped_alone)
{
    static struct bench b;

    for (unsigned batch = 0; batch < 2; batch++) {
        if (!bench_open_as(&b, batch))
            return;
        check_many(&b, 1, 100, 1);
        check_many(&b, 5, 100, 2);
        check_many(&b, 70, 1514, 33); /* more than one call takes */
        check_many(&b, 7, 8000, 0);
        bench_close(&b);
    }
}

TEST(the_kernel_is_left_a_checksum_or_a_large_send_only_as_it_likes)
{
    static struct bench b;
    static uint8_t f[66000], got[66000];
    size_t length;
    struct iovec iov;
    struct offload off = { .needs_csum = true, .csum_start = 34, .csum_offset = 16 };

    if (!bench_open(&b))
        return;
    CHECK(netport_offload_tx(b.port));
    length = make_ipv4(f, 6, 1000, 1);
    memset(f, 0xff, 6);
    put_be16(f + 24, (uint16_t)~words_sum(f + 14, 20, 0));
    put_be16(f + 50, (uint16_t)words_sum(f + 26, 8, 6 + 1020));
    iov = (struct iovec){ f, length };
    CHECK_EQ(netport_send(b.port, &iov, 1, &off), 0);
    CHECK_EQ(caught(&b, got, sizeof(got), 0x0800), length);
    length = make_ipv4(f, 6, 60000, 1);
    memset(f, 0xff, 6);
    put_be16(f + 24, (uint16_t)~words_sum(f + 14, 20, 0));
    put_be16(f + 50, (uint16_t)words_sum(f + 26, 8, 6 + 60020));
    off.gso = GSO_TCPV4;
    off.gso_size = 1448;
    off.header_bytes = 54;
    iov.iov_len = length;
    CHECK_EQ(netport_send(b.port, &iov, 1, &off), 0);
    CHECK_EQ(caught(&b, got, sizeof(got), 0x0800), length); /* whole: it would be cut later */
    off.header_bytes = 65535;
    off.csum_start = 65000;
    CHECK_EQ(netport_send(b.port, &iov, 1, &off), 0); /* nonsense is dropped, not an error */
    CHECK_EQ(netport_get_stats(b.port).tx_dropped, 1);
    bench_close(&b);
}

TEST(after_hanging_up_the_tap_is_gone_and_nothing_breaks)
{
    static struct bench b;
    uint8_t f[100];
    struct iovec iov = { f, 100 };

    if (!bench_open(&b))
        return;
    netport_hang_up(b.port);
    CHECK(!has_interface(b.name));
    make_frame(f, NIC_MAC, 100, 0);
    CHECK_EQ(netport_send(b.port, &iov, 1, NULL), 0);
    netport_accept(b.port);
    loop_step(b.loop);
    bench_close(&b);
}

TEST(a_descriptor_that_is_no_tap_is_refused)
{
    struct netport_config c = { .id = "net0", .kind = "tap" };
    struct netport *port;
    struct error err = { "" };

    c.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(netport_open(&port, &c, &err) < 0);
    CHECK_SAYS(err, "not a tap");
}
