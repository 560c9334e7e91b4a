/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PV network backend, seen by a frontend of every kind, with the far end of its tap. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/guest/guest.h"
#include "tests/guest/net.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/qmp.h"
#include "tests/whole/run.h"
#include "tests/whole/wire.h"

#define END_MS 30000
#define MEMORY 0x2000000u
#define FRAMES 600 /* more than twice round a ring */
#define MSS 1400u

static struct wire wire;
static struct guest_net_got got;
static struct wire_frame seen;
static uint8_t frame[GUEST_NET_MOST];

static void open_pc(struct dm *dm, struct guest_net *n, const char *netback, const char *rate)
{
    const char *const more[] = { "-device", netback, NULL };
    struct dm_config config = { .vcpus = 1, .more = netback ? more : NULL };

    CHECK(wire_prepare());
    dm_open(dm, &config);
    guest_net_add(n, 0, WIRE_TAP, rate);
    CHECK(guest_pv_await(&n->pv, 2));
    CHECK(wire_open(&wire));
}

/* The device is Closed a moment before its tap goes. */
static void await_no(const char *name)
{
    for (unsigned i = 0; wire_exists(name); i++, usleep(1000))
        CHECK(i < END_MS);
}

static void close_pc(struct dm *dm)
{
    wire_close(&wire);
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
    CHECK(!wire_exists(WIRE_TAP));
}

/* ---- Frames ---- */

static void put_macs(uint8_t *f, bool to_guest, unsigned type)
{
    memcpy(f, to_guest ? "\x00\x16\x3e\x00\x00\x01\x02\x00\x00\x00\x00\x02"
                       : "\x02\x00\x00\x00\x00\x02\x00\x16\x3e\x00\x00\x01", 12);
    put_be16(f + 12, (uint16_t)type);
}

static size_t make(unsigned i, bool to_guest, size_t most)
{
    size_t length = 60 + i * 37 % (most - 60);

    for (size_t k = 14; k < length; k++)
        frame[k] = (uint8_t)(i * 31 + k * 7 + (k >> 8));
    put_macs(frame, to_guest, 0x88b5);
    return length;
}

static void put_ip_sum(uint8_t *f)
{
    uint32_t sum = 0;

    put_be16(f + 24, 0);
    for (unsigned i = 14; i < 34; i += 2)
        sum += get_be16(f + i);
    sum = (sum & 0xffff) + (sum >> 16);
    put_be16(f + 24, (uint16_t)~(sum + (sum >> 16)));
}

/* TCP of so many bytes, its checksum blank; ports tell flows apart. */
static size_t make_tcp(bool v6, bool to_guest, unsigned port, size_t payload)
{
    size_t ip = v6 ? 40 : 20, length = 14 + ip + 20 + payload;
    uint8_t *tcp = frame + 14 + ip;

    memset(frame, 0, 14 + ip + 20);
    put_macs(frame, to_guest, v6 ? 0x86dd : 0x0800);
    if (v6) {
        frame[14] = 0x60;
        put_be16(frame + 18, (uint16_t)(20 + payload));
        frame[20] = 6;
        memcpy(frame + 22, "\xfd\1\2\3\4\5\6\7\0\0\0\0\0\0\0\1\xfd\1\2\3\4\5\6\7\0\0\0\0\0\0\0\2", 32);
    } else {
        frame[14] = 0x45;
        put_be16(frame + 16, (uint16_t)(length - 14));
        frame[22] = 64;
        frame[23] = 6;
        memcpy(frame + 26, "\x0a\1\1\1\x0a\1\1\2", 8);
        put_ip_sum(frame);
    }
    put_be16(tcp, (uint16_t)port);
    put_be16(tcp + 2, 80);
    tcp[12] = 0x50;
    tcp[13] = 0x10;
    for (size_t i = 0; i < payload; i++)
        tcp[20 + i] = (uint8_t)(i * 13 + (i >> 8));
    return length;
}

/* The sum over TCP and its pseudo header: 0xffff where the checksum is right. */
static unsigned tcp_sum(const uint8_t *f, size_t length)
{
    bool v6 = get_be16(f + 12) == 0x86dd;
    size_t ip = v6 ? 40 : 20, tcp = 14 + ip;
    uint64_t sum = 6 + (length - tcp);

    for (size_t i = v6 ? 22 : 26; i < (v6 ? 54 : 34); i += 2)
        sum += get_be16(f + i);
    for (size_t i = tcp; i < length; i++)
        sum += (i - tcp) % 2 ? f[i] : f[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (unsigned)sum;
}

/* What stands in the field of a blank one: the pseudo header's sum. */
static void put_pseudo(uint8_t *f, size_t length)
{
    bool v6 = get_be16(f + 12) == 0x86dd;
    size_t tcp = 14 + (v6 ? 40 : 20);
    uint64_t sum = 6 + (length - tcp);

    for (size_t i = v6 ? 22 : 26; i < (v6 ? 54 : 34); i += 2)
        sum += get_be16(f + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    put_be16(f + tcp + 16, (uint16_t)sum);
}

static void from_guest(struct guest_net *n, unsigned queue, size_t length,
                       const struct guest_net_frame *how)
{
    CHECK(guest_net_send(n, queue, frame, length, how));
    guest_net_kick(n, queue);
    CHECK_EQ(wire_receive(&wire, &seen, END_MS), length);
    CHECK_MEM(seen.bytes, frame, length);
    CHECK(guest_net_reap(n, queue, END_MS));
    CHECK_EQ(n->queue[queue].tx_errors, 0);
}

static void to_guest(struct guest_net *n, unsigned queue, size_t length)
{
    CHECK(wire_send(&wire, frame, length));
    CHECK(guest_net_receive(n, queue, &got, END_MS));
    CHECK(!got.failed);
    CHECK_EQ(got.length, length);
    CHECK_MEM(got.bytes, frame, length);
}

static void both_ways(struct guest_net *n, unsigned count, size_t most)
{
    for (unsigned i = 0; i < count; i++) {
        from_guest(n, i % n->queues, make(i, false, most),
                   &(struct guest_net_frame){ .piece = i % 3 ? 0 : 100 + i % 1000 });
        if (n->queues == 1)
            to_guest(n, 0, make(i, true, most));
    }
}

/* ---- What works ---- */

static void plain(struct guest_net_config c, unsigned mtu)
{
    struct guest_net n;
    struct dm dm;

    c.memory = MEMORY;
    open_pc(&dm, &n, NULL, NULL);
    CHECK(wire_mtu(mtu));
    CHECK(guest_net_connect(&n, &c));
    both_ways(&n, FRAMES, mtu + 14);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

TEST(a_plain_frontend_sends_and_receives)
{
    plain((struct guest_net_config){ .queues = 0 }, 1500);
}

TEST(frames_over_several_slots)
{
    plain((struct guest_net_config){ .sg = true, .csum_v6 = true }, 60000);
}

TEST(an_event_channel_for_each_ring)
{
    plain((struct guest_net_config){ .split = true, .sg = true, .buffers = 64 }, 9000);
}

TEST(two_queues_send)
{
    plain((struct guest_net_config){ .queues = 2, .split = true }, 1500);
}

TEST(a_frontend_that_does_not_say_when_it_has_filled_its_ring)
{
    plain((struct guest_net_config){ .no_rx_notify = true, .buffers = 1 }, 1500);
}

TEST(the_tap_has_libxls_name_before_initwait_and_is_gone_after_the_device)
{
    struct dm_config config = { .vcpus = 1 };
    struct guest_net n;
    struct dm dm;

    CHECK(wire_prepare());
    dm_open(&dm, &config);
    guest_net_add(&n, 3, NULL, NULL);
    CHECK(guest_pv_await(&n.pv, 2));
    CHECK(wire_exists("vif7.3"));
    CHECK_EQ(guest_pv_number(n.pv.back, "feature-rx-copy", 0), 1);
    CHECK_EQ(guest_pv_number(n.pv.back, "feature-ctrl-ring", 0), 1);
    CHECK(guest_pv_remove(&n.pv));
    await_no("vif7.3");
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

static void await_carrier(bool on)
{
    for (unsigned i = 0; wire_carrier(WIRE_TAP) != on; i++, usleep(1000))
        CHECK(i < END_MS);
}

TEST(the_tap_has_a_carrier_while_a_frontend_is_connected)
{
    struct guest_net_config c = { .memory = MEMORY };
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, NULL, NULL);
    await_carrier(false);
    for (unsigned i = 0; i < 4; i++) {
        c.queues = i < 2 ? 0 : 2;
        CHECK(guest_net_connect(&n, &c));
        await_carrier(true);
        CHECK(guest_net_disconnect(&n));
        await_carrier(false);
        guest_pv_state(&n.pv, 1);
        CHECK(guest_pv_await(&n.pv, 2));
    }
    close_pc(&dm);
}

TEST(the_end_of_the_process_is_closed_in_xenstore_which_libxl_waits_for)
{
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, NULL, NULL);
    CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY }));
    both_ways(&n, 10, 1500);
    CHECK_EQ(dm_end(&dm, SIGHUP, END_MS), 0);
    CHECK_EQ(guest_pv_number(n.pv.back, "state", 0), 6);
    CHECK(!wire_exists(WIRE_TAP));
    wire_close(&wire);
    dm_close(&dm, 0, END_MS);
}

/* ---- Checksums and segments ---- */

static void blank_both_ways(struct guest_net *n, bool v6)
{
    struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 16 };
    size_t length = make_tcp(v6, false, 1000, 700);
    bool blank = v6 ? n->c.csum_v6 : !n->c.no_csum;

    CHECK(guest_net_send(n, 0, frame, length, &(struct guest_net_frame){ .csum_blank = true }));
    guest_net_kick(n, 0);
    CHECK_EQ(wire_receive(&wire, &seen, END_MS), length);
    CHECK(seen.offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
    CHECK_EQ(seen.offload.csum_start, v6 ? 54 : 34);
    CHECK_EQ(seen.offload.csum_offset, 16);
    put_pseudo(frame, length);
    CHECK_MEM(seen.bytes, frame, length);
    CHECK(guest_net_reap(n, 0, END_MS));

    h.csum_start = v6 ? 54 : 34;
    length = make_tcp(v6, true, 1000, 700);
    put_pseudo(frame, length);
    CHECK(wire_send_offload(&wire, frame, length, &h));
    CHECK(guest_net_receive(n, 0, &got, END_MS));
    CHECK_EQ(got.length, length);
    CHECK_EQ(got.csum_blank, blank);
    if (blank)
        CHECK(got.data_validated);
    else
        CHECK_EQ(tcp_sum(got.bytes, length), 0xffff);
    memcpy(got.bytes + (v6 ? 70 : 50), frame + (v6 ? 70 : 50), 2);
    CHECK_MEM(got.bytes, frame, length);
}

static void checksums(struct guest_net_config c)
{
    struct guest_net n;
    struct dm dm;

    c.memory = MEMORY;
    open_pc(&dm, &n, NULL, NULL);
    CHECK(guest_net_connect(&n, &c));
    blank_both_ways(&n, false);
    blank_both_ways(&n, true);
    CHECK_EQ(n.queue[0].tx_errors, 0);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

TEST(blank_checksums_are_left_blank_both_ways)
{
    checksums((struct guest_net_config){ .csum_v6 = true });
}

TEST(blank_checksums_are_filled_in_for_a_frontend_that_takes_none)
{
    checksums((struct guest_net_config){ .no_csum = true });
    checksums((struct guest_net_config){ .csum_v6 = false });
    checksums((struct guest_net_config){ .no_csum = true, .csum_v6 = true });
}

static void segments_from_guest(struct guest_net *n, bool v6, bool hash)
{
    size_t length = make_tcp(v6, false, 1000, 60000);
    struct guest_net_frame how = { .csum_blank = true, .gso = v6 ? 2 : 1, .gso_size = MSS,
                                   .hash = hash };

    CHECK(guest_net_send(n, 0, frame, length, &how));
    guest_net_kick(n, 0);
    CHECK_EQ(wire_receive(&wire, &seen, END_MS), length);
    CHECK_EQ(seen.offload.gso_type, v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
    CHECK_EQ(seen.offload.gso_size, MSS);
    put_pseudo(frame, length);
    CHECK_MEM(seen.bytes, frame, length);
    CHECK(guest_net_reap(n, 0, END_MS));
    CHECK_EQ(n->queue[0].tx_errors, 0);
}

static void send_segments(bool v6, size_t length)
{
    struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                .gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
                                .hdr_len = (uint16_t)(v6 ? 74 : 54), .gso_size = MSS,
                                .csum_start = v6 ? 54 : 34, .csum_offset = 16 };

    put_pseudo(frame, length);
    CHECK(wire_send_offload(&wire, frame, length, &h));
}

static void segments_to_guest(struct guest_net *n, bool v6)
{
    size_t length = make_tcp(v6, true, 1000, 40000), header = v6 ? 74 : 54, at = 0;
    bool whole = n->c.sg && (v6 ? n->c.gso_v6 : n->c.gso_v4);

    send_segments(v6, length);
    if (whole) {
        CHECK(guest_net_receive(n, 0, &got, END_MS));
        CHECK_EQ(got.length, length);
        CHECK(got.csum_blank);
        CHECK_EQ(got.prefix, n->c.prefix);
        CHECK_EQ(got.gso_size, MSS);
        CHECK(n->c.prefix || got.gso == (v6 ? 2 : 1));
        CHECK_MEM(got.bytes, frame, length);
        return;
    }
    while (at < length - header) { /* cut, by the kernel or by us */
        CHECK(guest_net_receive(n, 0, &got, END_MS));
        CHECK(got.length > header && !got.gso && !got.gso_size);
        if (!got.csum_blank)
            CHECK_EQ(tcp_sum(got.bytes, got.length), 0xffff);
        CHECK_MEM(got.bytes + header, frame + header + at, got.length - header);
        at += got.length - header;
    }
}

static void segments(struct guest_net_config c)
{
    struct guest_net n;
    struct dm dm;

    c.memory = MEMORY;
    open_pc(&dm, &n, NULL, NULL);
    CHECK(guest_net_connect(&n, &c));
    for (unsigned i = 0; i < 8; i++) {
        segments_from_guest(&n, i & 1, i & 2);
        segments_to_guest(&n, i & 1);
    }
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

TEST(segments_by_extra_info_both_ways)
{
    segments((struct guest_net_config){ .sg = true, .gso_v4 = true, .gso_v6 = true,
                                        .csum_v6 = true });
}

TEST(segments_by_prefix_to_the_guest)
{
    segments((struct guest_net_config){ .sg = true, .gso_v4 = true, .gso_v6 = true,
                                        .csum_v6 = true, .prefix = true });
}

TEST(segments_are_cut_for_a_frontend_that_takes_none_or_those_of_one_kind)
{
    segments((struct guest_net_config){ .sg = true, .csum_v6 = true });
    segments((struct guest_net_config){ .gso_v4 = true, .gso_v6 = true, .csum_v6 = true });
    segments((struct guest_net_config){ .sg = true, .gso_v4 = true, .csum_v6 = true });
    segments((struct guest_net_config){ .sg = true, .gso_v6 = true, .csum_v6 = true });
}

/* ---- Counters ---- */

/* What x-query-metrics has under this name, for one way or (NULL) for the queue. */
static unsigned long long counted(int qmp, const char *name, const char *way)
{
    char *answer = qmp_say(qmp, "{\"execute\":\"x-query-metrics\"}"), want[256], *at;
    unsigned long long value = ~0ull;

    CHECK(answer);
    snprintf(want, sizeof(want), "\"xen_dm_vif_%s\",\"type\":\"counter\",\"labels\":{\"vif\":\"" WIRE_TAP
                                 "\",\"queue\":\"0\"%s%s%s},\"value\":",
             name, way ? ",\"way\":\"" : "", way ? way : "", way ? "\"" : "");
    at = strstr(answer, want);
    if (at)
        value = strtoull(at + strlen(want), NULL, 10);
    free(answer);
    return value;
}

TEST(metrics_tell_what_went_each_way_and_how)
{
    static const char *const ways[] = { "from_guest", "to_guest" };
    unsigned long long bytes[2] = { 0, 0 }, notified;
    struct guest_net n;
    struct dm dm;
    unsigned index;
    size_t length;
    uint8_t *bad;
    int qmp;

    open_pc(&dm, &n, NULL, NULL);
    qmp = qmp_open(dm.qmp);
    CHECK_EQ(counted(qmp, "frames_total", "to_guest"), ~0ull); /* nobody is connected */
    CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY, .sg = true,
                                                            .gso_v4 = true, .csum_v6 = true }));
    for (unsigned i = 0; i < 10; i++) {
        length = make(i, false, 1500);
        bytes[0] += length;
        from_guest(&n, 0, length, NULL);
        length = make(i, true, 1500);
        bytes[1] += length;
        to_guest(&n, 0, length);
    }
    segments_from_guest(&n, false, false);
    bytes[0] += 54 + 60000;
    segments_to_guest(&n, false);
    bytes[1] += 54 + 40000;
    index = n.queue[0].tx.made % GUEST_NET_SLOTS;
    bad = guest_net_tx_slot(&n, 0);
    memset(bad, 0, 12);
    put_le32(bad, 31000); /* nobody granted that */
    put_le16(bad + 8, (uint16_t)index);
    put_le16(bad + 10, 60);
    guest_net_kick(&n, 0);
    CHECK(guest_net_reap(&n, 0, END_MS));
    CHECK_EQ(n.queue[0].tx_errors, 1);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(counted(qmp, "frames_total", ways[i]), 11);
        CHECK_EQ(counted(qmp, "bytes_total", ways[i]), bytes[i]);
        CHECK_EQ(counted(qmp, "blank_checksums_total", ways[i]), 1);
        CHECK_EQ(counted(qmp, "segmented_frames_total", ways[i]), 1);
        CHECK_EQ(counted(qmp, "batches_total", ways[i]), 11 + !i);
        CHECK_EQ(counted(qmp, "errors_total", ways[i]), !i);
    }
    CHECK_EQ(counted(qmp, "dropped_total", "to_guest"), 0);
    CHECK_EQ(counted(qmp, "copies_total", NULL), 20 + 15 + 10 + 1);
    notified = counted(qmp, "notifies_total", NULL); /* at most for each batch, not for each slot */
    CHECK(notified > 0 && notified <= 2 * 23);
    CHECK(guest_net_disconnect(&n));
    CHECK_EQ(counted(qmp, "frames_total", "to_guest"), ~0ull);
    close(qmp);
    close_pc(&dm);
}

/* ---- User networking ---- */

/* The next frame of this type, and protocol where it is not 0; others are passed over. */
static void await_type(struct guest_net *n, unsigned type, unsigned protocol)
{
    do
        CHECK(guest_net_receive(n, 0, &got, END_MS));
    while (get_be16(got.bytes + 12) != type || (protocol && got.bytes[23] != protocol));
}

static void put_route(uint8_t *f, const uint8_t gateway[6], unsigned port)
{
    memcpy(f, gateway, 6);
    memcpy(f + 26, "\x0a\0\2\x0f\x0a\0\2\2", 8);
    put_ip_sum(f);
    put_be16(f + 36, (uint16_t)port);
    f[47] = 2; /* SYN */
}

static int listen_here(uint16_t *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t length = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* ARP, then a TCP connection to the host by way of 10.0.2.2, whose checksum is left blank. */
TEST(a_guest_on_user_networking_reaches_the_host)
{
    static const char *const more[] = { "-device", "xen-netback,backend=user", NULL };
    struct dm_config config = { .vcpus = 1, .more = more };
    struct guest_net n;
    struct dm dm;
    uint16_t port;
    uint8_t gateway[6];
    size_t length;
    int fd;

    CHECK(wire_prepare());
    CHECK(wire_loopback());
    fd = listen_here(&port);
    dm_open(&dm, &config);
    guest_net_add(&n, 0, WIRE_TAP, NULL);
    CHECK(guest_pv_await(&n.pv, 2));
    CHECK(!wire_exists(WIRE_TAP));
    CHECK_EQ(guest_pv_number(n.pv.back, "multi-queue-max-queues", 0), 1);
    for (unsigned round = 0; round < 2; round++) {
        CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY, .sg = true }));
        memset(frame, 0, 60);
        put_macs(frame, false, 0x0806);
        memset(frame, 0xff, 6);
        memcpy(frame + 14, "\0\1\x08\0\6\4\0\1\0\x16\x3e\0\0\1\x0a\0\2\x0f\0\0\0\0\0\0\x0a\0\2\2", 28);
        CHECK(guest_net_send(&n, 0, frame, 60, NULL));
        guest_net_kick(&n, 0);
        await_type(&n, 0x0806, 0);
        CHECK_EQ(got.bytes[21], 2);
        memcpy(gateway, got.bytes + 22, 6);
        length = make_tcp(false, false, 2000 + round, 0);
        put_route(frame, gateway, port);
        put_pseudo(frame, length);
        CHECK(guest_net_send(&n, 0, frame, length, &(struct guest_net_frame){ .csum_blank = true }));
        guest_net_kick(&n, 0);
        await_type(&n, 0x0800, 6);
        CHECK_EQ(got.bytes[47], 0x12); /* SYN, ACK */
        CHECK_EQ(get_be16(got.bytes + 36), 2000 + round);
        CHECK(guest_net_reap(&n, 0, END_MS));
        CHECK_EQ(n.queue[0].tx_errors, 0);
        CHECK(guest_net_disconnect(&n));
        guest_pv_state(&n.pv, 1);
        CHECK(guest_pv_await(&n.pv, 2));
    }
    close(fd);
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

/* ---- Multicast, hashing, rate ---- */

TEST(multicast_is_filtered_when_the_frontend_asks_at_any_time)
{
    static const uint8_t group[6] = { 0x01, 0x00, 0x5e, 1, 2, 3 };
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, NULL, NULL);
    CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY }));
    make(1, true, 1500);
    memcpy(frame, group, 6);
    to_guest(&n, 0, 100);
    guest_net_mcast(&n, 0, true, group);
    guest_net_kick(&n, 0);
    CHECK(guest_net_reap(&n, 0, END_MS));
    CHECK_EQ(n.queue[0].tx_errors, 0);
    guest_pv_put(n.pv.front, "request-multicast-control", "1");
    to_guest(&n, 0, 100); /* it is on the list */
    for (unsigned i = 0; i < 200; i++) { /* and this is not: gone, once the node was seen */
        frame[5] = 99;
        CHECK(wire_send(&wire, frame, 100));
        frame[5] = 3;
        CHECK(wire_send(&wire, frame, 100));
        CHECK(guest_net_receive(&n, 0, &got, END_MS));
        if (got.bytes[5] == 3)
            break;
        CHECK(guest_net_receive(&n, 0, &got, END_MS));
        usleep(1000);
        CHECK(i < 199);
    }
    memset(frame, 0xff, 6);
    to_guest(&n, 0, 100);
    memcpy(frame, group, 6);
    guest_net_mcast(&n, 0, false, group);
    guest_net_kick(&n, 0);
    CHECK(guest_net_reap(&n, 0, END_MS));
    CHECK(wire_send(&wire, frame, 100));
    make(2, true, 1500);
    to_guest(&n, 0, 200);
    for (unsigned i = 0; i < 65; i++) { /* a list of 64: one too many is an error */
        guest_net_mcast(&n, 0, true, (uint8_t[]){ 1, 0, 0x5e, 0, 0, (uint8_t)i });
        guest_net_kick(&n, 0);
        CHECK(guest_net_reap(&n, 0, END_MS));
    }
    CHECK_EQ(n.queue[0].tx_errors, 1);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

static const uint8_t rss_key[40] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* As Windows's driver does at start. */
static void set_hash(struct guest_net *n, const uint8_t *mapping, unsigned count)
{
    uint32_t data;

    CHECK_EQ(guest_net_control(n, 1, 0, 0, 0, &data), 1); /* no algorithm yet */
    CHECK_EQ(guest_net_control(n, 7, 1, 0, 0, &data), 0);
    CHECK_EQ(guest_net_control(n, 1, 0, 0, 0, &data), 0);
    CHECK_EQ(data, 15);
    CHECK_EQ(guest_net_control(n, 2, 15, 0, 0, NULL), 0);
    guest_write(n->ctrl_page, rss_key, 40);
    CHECK_EQ(guest_net_control(n, 3, n->ctrl_page_ref, 40, 0, NULL), 0);
    CHECK_EQ(guest_net_control(n, 4, 0, 0, 0, &data), 0);
    CHECK_EQ(data, 128);
    CHECK_EQ(guest_net_control(n, 5, count, 0, 0, NULL), 0);
    for (unsigned i = 0; i < count; i++)
        guest_write(n->ctrl_page + 4 * i, (uint8_t[]){ mapping[i], 0, 0, 0 }, 4);
    CHECK_EQ(guest_net_control(n, 6, n->ctrl_page_ref, count, 0, NULL), 0);
}

/* The first flow of the RSS specification's list, to the guest: its hash is 0x51ccc178. */
static size_t make_known_flow(void)
{
    size_t length = make_tcp(false, true, 2794, 100);

    memcpy(frame + 26, (uint8_t[]){ 66, 9, 149, 187, 161, 142, 100, 80 }, 8);
    put_be16(frame + 36, 1766);
    return length;
}

TEST(flows_go_to_the_queue_that_the_hash_mapping_says)
{
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, NULL, NULL);
    CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY, .queues = 2,
                                                            .split = true, .sg = true,
                                                            .ctrl = true }));
    set_hash(&n, (uint8_t[]){ 0, 1, 1, 1, 1, 1, 1, 1 }, 8); /* the hash ends with binary 000 */
    for (unsigned i = 0; i < 300; i++) {
        to_guest(&n, 0, make_known_flow());
        CHECK(got.hashed);
        CHECK_EQ(got.hash, 0x51ccc178);
        CHECK_EQ(got.hash_type, 1);
    }
    guest_write(n.ctrl_page, (uint8_t[]){ 1, 0, 0, 0 }, 4);
    CHECK_EQ(guest_net_control(&n, 6, n.ctrl_page_ref, 1, 0, NULL), 0);
    for (unsigned i = 0; i < 300; i++)
        to_guest(&n, 1, make_known_flow());
    CHECK_EQ(guest_net_control(&n, 2, 1, 0, 0, NULL), 0); /* by address alone */
    to_guest(&n, 1, make_known_flow());
    CHECK_EQ(got.hash, 0x323e8fc2);
    CHECK_EQ(got.hash_type, 0);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

TEST(control_requests_that_ask_for_nonsense_are_answered_so)
{
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, NULL, NULL);
    CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY, .ctrl = true }));
    CHECK_EQ(guest_net_control(&n, 0, 0, 0, 0, NULL), 1);
    CHECK_EQ(guest_net_control(&n, 8, 0, 0, 0, NULL), 1);
    CHECK_EQ(guest_net_control(&n, 77, 0, 0, 0, NULL), 1);
    CHECK_EQ(guest_net_control(&n, 2, 1, 0, 0, NULL), 2); /* no algorithm */
    CHECK_EQ(guest_net_control(&n, 7, 2, 0, 0, NULL), 2);
    CHECK_EQ(guest_net_control(&n, 7, 1, 0, 0, NULL), 0);
    CHECK_EQ(guest_net_control(&n, 2, 16, 0, 0, NULL), 2);
    CHECK_EQ(guest_net_control(&n, 3, n.ctrl_page_ref, 41, 0, NULL), 3);
    CHECK_EQ(guest_net_control(&n, 3, 31000, 40, 0, NULL), 2);
    CHECK_EQ(guest_net_control(&n, 5, 129, 0, 0, NULL), 2);
    CHECK_EQ(guest_net_control(&n, 5, 16, 0, 0, NULL), 0);
    CHECK_EQ(guest_net_control(&n, 6, n.ctrl_page_ref, 16, 1, NULL), 2);
    CHECK_EQ(guest_net_control(&n, 6, n.ctrl_page_ref, 1, 0xffffffff, NULL), 2);
    CHECK_EQ(guest_net_control(&n, 6, n.ctrl_page_ref, 0xffffffff, 0, NULL), 3);
    guest_write(n.ctrl_page, (uint8_t[]){ 1, 0, 0, 0 }, 4); /* there is one queue */
    CHECK_EQ(guest_net_control(&n, 6, n.ctrl_page_ref, 1, 0, NULL), 2);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

TEST(a_rate_is_kept_and_all_arrives)
{
    struct guest_net n;
    uint64_t start;
    struct dm dm;

    open_pc(&dm, &n, NULL, "20000,10000");
    CHECK_EQ(guest_pv_number(n.pv.back, "multi-queue-max-queues", 0), 1);
    CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY }));
    start = now_ns();
    for (unsigned i = 0; i < 200; i++)
        CHECK(guest_net_send(&n, 0, frame, 1500 + 0 * make(i, false, 1500), NULL));
    guest_net_kick(&n, 0);
    for (unsigned i = 0; i < 200; i++)
        CHECK_EQ(wire_receive(&wire, &seen, END_MS), 1500);
    CHECK(guest_net_reap(&n, 0, END_MS));
    CHECK(now_ns() - start > 300000 / 20000 * 10000000ull * 9 / 10); /* it cannot have been faster */
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

/* ---- Coming and going ---- */

TEST(a_driver_that_is_loaded_again_with_other_features)
{
    struct guest_net_config c = { .memory = MEMORY };
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, NULL, NULL);
    for (unsigned i = 0; i < 8; i++) {
        c.sg = i & 1;
        c.split = i & 2;
        c.queues = i & 4 ? 2 : 0;
        CHECK(guest_net_connect(&n, &c));
        both_ways(&n, 20, 1514);
        CHECK(guest_net_disconnect(&n));
        guest_pv_state(&n.pv, 1);
    }
    CHECK(guest_pv_await(&n.pv, 2));
    CHECK(guest_pv_remove(&n.pv));
    await_no(WIRE_TAP);
    close_pc(&dm);
}

/* Frames that the device model has read from the tap. */
static unsigned long read_from_tap(void)
{
    FILE *f = fopen("/proc/self/net/dev", "r");
    unsigned long count = 0;
    char line[256];

    while (f && fgets(line, sizeof(line), f))
        sscanf(line, " " WIRE_TAP ": %*u %*u %*u %*u %*u %*u %*u %*u %*u %lu", &count);
    if (f)
        fclose(f);
    return count;
}

TEST(a_guest_without_buffers_costs_nothing_and_gets_what_comes_later)
{
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, "xen-netback,rx-drain-ms=20", NULL);
    CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY, .buffers = 4 }));
    for (unsigned i = 0; i < 20; i++) { /* four have buffers; the rest waits, and then is dropped */
        make(2 + i, true, 1500);
        CHECK(wire_send(&wire, frame, 100));
    }
    for (unsigned i = 0; read_from_tap() < 20; i++, usleep(1000))
        CHECK(i < END_MS);
    n.c.buffers = 0;
    for (unsigned i = 0; i < 4; i++) {
        CHECK(guest_net_receive(&n, 0, &got, END_MS));
        make(2 + i, true, 1500);
        CHECK_MEM(got.bytes, frame, 100);
    }
    to_guest(&n, 0, make(77, true, 1500));
    both_ways(&n, 50, 1500);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}
