/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams through a real tap: what leaves together, or came together, goes as one. */
#include <linux/virtio_net.h>
#include <sys/syscall.h>
#include "dm/net/tap_ring.h"
#include "tests/unit/dm/net/stream.h"
#include "tests/unit/dm/net/tap_bench.h"

#define STREAMS 2u
#define MSS 1428u
#define FRAMES 80u
#define SEVERAL 5u
#define BOTH (GSO_TCPV4 | GSO_TCPV6)

/* What came, of streams or other frames, on either side. */
struct arrivals {
    struct stream_end ends[STREAMS]; /* their stream.port is their index */
    unsigned count;
    struct {
        int stream;      /* -1: none of them */
        unsigned frames; /* as that many */
        uint8_t number;  /* of what is no stream's: behind its header */
    } came[64];
};

static struct arrivals seen;

/* Cut or completed it is what was sent. */
static void take_frame(struct bench *b, const uint8_t *f, size_t length, const struct offload *off)
{
    static uint8_t whole[PACKET_MOST], scratch[PACKET_MOST];
    unsigned type = get_be16(f + 12), stream, nth;
    struct stream_end *e;

    CHECK(seen.count < ARRAY_SIZE(seen.came));
    seen.came[seen.count].stream = -1;
    seen.came[seen.count].frames = 1;
    seen.came[seen.count].number = f[14];
    if (type != 0x88b5) {
        stream = get_be16(f + (type == 0x0800 ? 34 : 54)) - 1000u;
        CHECK(stream < STREAMS);
        e = &seen.ends[stream];
        nth = e->nth;
        memcpy(whole, f, length);
        if (off->gso != GSO_NONE) {
            CHECK(packet_segment(whole, length, off, scratch, stream_end_take, e));
        } else {
            CHECK(!off->needs_csum || packet_fill_checksum(whole, length, off));
            stream_end_take(e, whole, length);
        }
        seen.came[seen.count].stream = (int)stream;
        seen.came[seen.count].frames = e->nth - nth;
    }
    seen.count++;
}

/*
 * The host as it may be: of the writes that follow, those whose bit is set find no room. Only what is not
 * written by the ring comes by here.
 */
static uint64_t no_room;

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    bool refused = no_room & 1;

    no_room >>= 1;
    if (refused) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_writev, fd, iov, count);
}

/* ---- From the user ---- */

static void streams_begin(size_t total)
{
    seen = (struct arrivals){ .count = 0 };
    for (unsigned i = 0; i < STREAMS; i++)
        seen.ends[i] = (struct stream_end){ { .v6 = i & 1, .df = true, .step = 1, .options = 12,
                                             .port = (uint16_t)i, .sequence = 0u - 5000 },
                                           .total = total, .unit = MSS, .push = true };
}

static bool streams_open(struct bench *b, bool batch, size_t total)
{
    int one = 1;

    if (!bench_open_as(b, batch))
        return false;
    CHECK_EQ(setsockopt(b->packets, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
    streams_begin(total);
    b->look = take_frame;
    return true;
}

/*
 * To be sent: a digit is a frame of that stream, or of none; a letter, from A, is SEVERAL frames of a stream that
 * are one already. With a copy of the bytes as they are.
 */
struct outgoing {
    struct stream_end from[STREAMS];
    unsigned count, pieces; /* of them, and as they are on a wire */
    struct netport_frame frames[FRAMES];
    uint8_t memory[FRAMES][NETPORT_HEADROOM + 7500], copies[FRAMES][7500];
};

static void put(struct outgoing *o, char what)
{
    struct netport_frame *f = &o->frames[o->count];
    bool several = what >= 'A';
    unsigned stream = (unsigned)(what - (several ? 'A' : '0')), frames = several ? SEVERAL : 1;

    *f = (struct netport_frame){ .bytes = o->memory[o->count] + NETPORT_HEADROOM, .rc = -1 };
    if (stream < STREAMS) {
        struct stream_end *e = &o->from[stream];

        e->unit = frames * MSS;
        f->length = stream_end_next(e, f->bytes);
        e->unit = MSS;
        e->at += f->length - stream_header(&e->stream);
        e->nth += frames;
        f->off = stream_blank(&e->stream, f->bytes, f->length, several ? MSS : 0);
    } else {
        f->length = 600;
        make_frame(f->bytes, "\xff\xff\xff\xff\xff\xff", f->length, o->count);
        f->bytes[14] = (uint8_t)what;
    }
    o->pieces += frames;
    memcpy(o->copies[o->count++], f->bytes, f->length);
}

static void put_all(struct outgoing *o, const char *order)
{
    o->count = o->pieces = 0;
    memcpy(o->from, seen.ends, sizeof(o->from));
    for (; *order; order++)
        put(o, *order);
}

static void send_all(struct bench *b, struct outgoing *o)
{
    netport_send_many(b->port, o->frames, o->count);
    for (unsigned i = 0; i < o->count; i++) /* they may be sent again */
        CHECK_MEM(o->frames[i].bytes, o->copies[i], o->frames[i].length);
}

/* What the host saw, until so many have come. */
static void catch_all(struct bench *b, unsigned wanted)
{
    static uint8_t f[66000];
    struct virtio_net_hdr h;
    struct iovec iov[2] = { { &h, sizeof(h) }, { f, sizeof(f) } };
    unsigned frames = 0;

    for (int i = 0; i < 400 && frames < wanted; i++) {
        ssize_t n = readv(b->packets, iov, 2);
        struct offload off;

        if (n < 0)
            usleep(500);
        if (n < 0 || !is_ours(f, (size_t)n - sizeof(h)))
            continue;
        off = (struct offload){ .needs_csum = h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso = h.gso_type,
                                .gso_size = h.gso_size, .csum_start = h.csum_start,
                                .csum_offset = h.csum_offset };
        CHECK(off.gso == GSO_NONE || off.gso_size == MSS);
        take_frame(b, f, (size_t)n - sizeof(h), &off);
        frames += seen.came[seen.count - 1].frames;
    }
    CHECK_EQ(frames, wanted);
}

/* `order` has a digit for each frame that came, and how many it was made of where that is more. */
static void check_came(const char *order)
{
    char came[512] = "";
    size_t n = 0;

    for (unsigned i = 0; i < seen.count; i++) {
        char what = (char)(seen.came[i].stream < 0 ? seen.came[i].number : '0' + seen.came[i].stream);

        n += (size_t)snprintf(came + n, sizeof(came) - n, seen.came[i].frames > 1 ? " %cx%u" : " %c", what,
                              seen.came[i].frames);
    }
    CHECK_STR(came, order);
}

TEST(frames_of_a_stream_that_are_sent_together_arrive_as_one)
{
    static struct bench b;
    static struct outgoing o;
    char order[FRAMES + 1] = "";

    memset(order, '0', FRAMES);
    for (unsigned batch = 0; batch < 2; batch++) {
        if (!streams_open(&b, batch, (FRAMES - 1) * MSS + 100))
            return;
        put_all(&o, order);
        send_all(&b, &o);
        catch_all(&b, FRAMES);
        check_came(" 0x45 0x19 0x16"); /* 64 KiB are the most, and 64 frames at a time */
        CHECK_EQ(seen.ends[0].at, seen.ends[0].total);
        CHECK_EQ(netport_get_stats(b.port).tx_frames, FRAMES);
        CHECK_EQ(netport_get_stats(b.port).tx_dropped, 0);
        bench_close(&b);
    }
}

TEST(streams_and_other_frames_that_are_sent_together_keep_their_order)
{
    static const char *const orders[][2] = {
        { "0000", " 0x4" },
        { "0101", " 0 1 0 1" },
        { "00110011", " 0x2 1x2 0x2 1x2" },
        { "7000871119", " 7 0x3 8 7 1x3 9" },
        { "0000079", " 0x5 7 9" },
        { "7", " 7" },
        { "0", " 0" },
        { "A0A7B", " 0x11 7 1x5" },
        { "0A1B1", " 0x6 1x7" },
    };
    static struct bench b;
    static struct outgoing o;

    for (unsigned i = 0; i < 2 * ARRAY_SIZE(orders); i++) {
        if (!streams_open(&b, i & 1, 20 * MSS))
            return;
        put_all(&o, orders[i / 2][0]);
        send_all(&b, &o);
        for (unsigned k = 0; k < o.count; k++)
            CHECK_EQ(o.frames[k].rc, 0);
        catch_all(&b, o.pieces);
        check_came(orders[i / 2][1]);
        bench_close(&b);
    }
}

/* Sends again what found no room, as a user does. */
static void send_rest(struct bench *b, struct outgoing *o, unsigned rest)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < o->count; i++)
        if (o->frames[i].rc == -EAGAIN) {
            memmove(o->copies[kept], o->copies[i], o->frames[i].length);
            o->frames[kept++] = o->frames[i];
        }
    CHECK_EQ(kept, rest);
    o->count = kept;
    send_all(b, o);
}

TEST(frames_that_found_no_room_are_unharmed_and_leave_when_they_are_sent_again)
{
    static struct bench b;
    static struct outgoing o;

    if (!streams_open(&b, false, 5 * MSS + 7))
        return;
    put_all(&o, "700081119");
    no_room = 0xa; /* of 7, 000, 8, 111 and 9: the second, and the fourth */
    send_all(&b, &o);
    for (unsigned i = 0; i < o.count; i++)
        CHECK_EQ(o.frames[i].rc, o.copies[i][12] == 0x88 ? 0 : -EAGAIN);
    CHECK_EQ(netport_get_stats(b.port).tx_frames, 3);
    loop_step(b.loop);
    CHECK_EQ(b.writable, 1);
    no_room = 1;
    send_rest(&b, &o, 6);
    send_rest(&b, &o, 3);
    CHECK_EQ(o.frames[2].rc, 0);
    catch_all(&b, 9);
    check_came(" 7 8 9 1x3 0x3");
    CHECK_EQ(netport_get_stats(b.port).tx_frames, 9);
    CHECK_EQ(netport_get_stats(b.port).tx_dropped, 0);
    bench_close(&b);
}

TEST(an_interface_that_is_down_takes_frames_away_and_leaves_them_unharmed)
{
    static struct bench b;
    static struct outgoing o;

    for (unsigned batch = 0; batch < 2; batch++) {
        if (!streams_open(&b, batch, 10 * MSS))
            return;
        CHECK(set_up(b.name, false));
        put_all(&o, "7000111");
        send_all(&b, &o);
        for (unsigned i = 0; i < o.count; i++)
            CHECK_EQ(o.frames[i].rc, 0);
        CHECK_EQ(netport_get_stats(b.port).tx_dropped, o.count);
        CHECK(set_up(b.name, true));
        send_all(&b, &o);
        catch_all(&b, o.pieces);
        check_came(" 7 0x3 1x3");
        CHECK_EQ(netport_get_stats(b.port).tx_dropped, o.count);
        bench_close(&b);
    }
}

/* ---- Streams to the user ---- */

/* So the host sends it: to be completed, as from a socket of its own. */
static void host_sends(struct bench *b, struct outgoing *o, const char *order)
{
    put_all(o, order);
    for (unsigned i = 0; i < o->count; i++) {
        struct netport_frame *f = &o->frames[i];
        struct virtio_net_hdr h = { .flags = f->off.needs_csum ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
                                    .gso_type = f->off.gso, .gso_size = f->off.gso_size,
                                    .hdr_len = f->off.header_bytes, .csum_start = f->off.csum_start,
                                    .csum_offset = f->off.csum_offset };
        struct iovec iov[2] = { { &h, sizeof(h) }, { f->bytes, f->length } };

        CHECK_EQ(writev(b->packets, iov, 2), (ssize_t)(sizeof(h) + f->length));
    }
}

static bool has_ring(const struct bench *b)
{
    struct tap_ring *ring;

    if (tap_ring_open(&ring, b->packets) < 0) {
        printf("skipped: the host has no io_uring\n");
        return false;
    }
    tap_ring_close(ring);
    return true;
}

static void turn_until_came(struct bench *b, unsigned wanted)
{
    unsigned frames = 0;

    for (int i = 0; i < 400 && frames < wanted; i++) {
        loop_step(b->loop);
        frames = 0;
        for (unsigned k = 0; k < seen.count; k++)
            frames += seen.came[k].frames;
        if (frames < wanted)
            usleep(500);
    }
    CHECK_EQ(frames, wanted);
}

static void make_busy(struct bench *b, struct outgoing *o, const char *order)
{
    host_sends(b, o, order);
    turn_until_came(b, o->pieces);
    b->frames = seen.count = 0;
}

/* A tap that has just had so much to read that it reads by its ring from now on: eight at once, or more. */
static bool busy_open(struct bench *b, bool batch, size_t total, bool csum, unsigned gso)
{
    static struct outgoing o;

    if (!streams_open(b, batch, total))
        return false;
    if (!has_ring(b)) {
        bench_close(b);
        return false;
    }
    CHECK(netport_offload_rx(b->port, csum, gso));
    make_busy(b, &o, "7777");
    return true;
}

TEST(frames_of_a_stream_that_are_read_together_come_as_one_to_a_user_who_takes_such)
{
    static const char *const apart = " 0 0 0 1 1 7 8 0";
    static const struct {
        bool batch, csum;
        unsigned gso;
        const char *come;
    } users[] = {
        { true, true, BOTH, " 0x3 1x2 7 8 0" },
        { true, true, GSO_TCPV4, " 0x3 1 1 7 8 0" },
        { true, true, GSO_TCPV6, " 0 0 0 1x2 7 8 0" },
        { true, true, 0, apart },
        { true, false, BOTH, apart },
        { true, false, 0, apart },
        { false, true, BOTH, apart },
        { false, false, 0, apart },
    };
    static struct bench b;
    static struct outgoing o;

    for (unsigned i = 0; i < ARRAY_SIZE(users); i++) {
        if (!busy_open(&b, users[i].batch, 30 * MSS, users[i].csum, users[i].gso))
            return;
        host_sends(&b, &o, "00011780");
        turn_until_came(&b, o.pieces);
        check_came(users[i].come);
        CHECK_EQ(netport_get_stats(b.port).rx_frames, seen.count + 4);
        bench_close(&b);
    }
}

TEST(a_stream_comes_whole_into_the_memory_of_whom_it_is_for)
{
    static struct bench b;
    static struct outgoing o;

    for (unsigned has_room = 0; has_room < 2; has_room++) {
        if (!busy_open(&b, true, 39 * MSS + 1, true, BOTH))
            return;
        b.has_rooms = has_room;
        host_sends(&b, &o, "0000000000000000000000000000000000000000");
        turn_until_came(&b, 40);
        CHECK(seen.count < 10);
        CHECK_EQ(seen.ends[0].at, seen.ends[0].total);
        CHECK_EQ(b.in_room, has_room);
        bench_close(&b);
    }
}

TEST(what_came_as_one_and_was_refused_comes_again_once_and_then_what_followed)
{
    static struct bench b;
    static struct outgoing o;

    for (unsigned has_room = 0; has_room < 2; has_room++) {
        if (!busy_open(&b, true, 30 * MSS, true, BOTH))
            return;
        b.has_rooms = has_room;
        b.takes = 1;
        host_sends(&b, &o, "70001118");
        turn_until_paused(&b);
        check_came(" 7");
        netport_accept(b.port);
        CHECK_EQ(netport_get_stats(b.port).rx_paused, 2); /* still no room */
        b.takes = 2;
        netport_accept(b.port);
        check_came(" 7 0x3");
        CHECK_EQ(netport_get_stats(b.port).rx_paused, 3);
        b.takes = UINT_MAX;
        netport_accept(b.port);
        check_came(" 7 0x3 1x3 8");
        host_sends(&b, &o, "0011");
        turn_until_came(&b, 12);
        check_came(" 7 0x3 1x3 8 0x2 1x2");
        bench_close(&b);
    }
}

/* Large ones are read to where the user has room for them, and are made one there. */
TEST(large_frames_that_come_together_are_one_in_the_memory_of_whom_they_are_for)
{
    static const struct {
        const char *sent, *come;
    } bursts[] = {
        { "AAAA", " 0x20" },
        { "0A0B1B", " 0x7 1x11" },
        { "ABAB7B0", " 0x5 1x5 0x5 1x5 7 1x5 0" },
        { "AAAAAAAA", " 0x40" },
    };
    static struct bench b;
    static struct outgoing o;

    for (unsigned i = 0; i < ARRAY_SIZE(bursts); i++) {
        if (!busy_open(&b, true, 80 * MSS, true, BOTH))
            return;
        b.has_rooms = ROOMS;
        make_busy(&b, &o, "AAA");
        b.takes = 0;
        host_sends(&b, &o, bursts[i].sent);
        turn_until_paused(&b);
        b.takes = UINT_MAX;
        netport_accept(b.port);
        check_came(bursts[i].come);
        CHECK(b.in_room);
        bench_close(&b);
    }
}
