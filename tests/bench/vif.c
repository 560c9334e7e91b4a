/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PV network backend, through a tap. QEMU has none that xl uses: compare with the e1000. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "tests/bench/bench.h"
#include "tests/guest/net.h"
#include "tests/kit/check.h"
#include "tests/whole/wire.h"

#define END_MS 5000
#define FOR_NS 500000000ull
#define WINDOW 200u /* frames on their way to the guest */
#define LOST_NS 20000000ull
#define MSS 1448u
#define MEMORY 0x4000000u

/* Variants: way, and length of the frame. */
#define TO_GUEST 1u
#define COST 2u /* CPU for each frame, not frames per second */
#define FOUR 4u /* queues, and flows for them */
#define OF(kind, length) ((kind) | (length) << 8)

static uint8_t frame[65536];

/* TCP from or to the guest, its checksum blank; a long frame is to be cut. */
static void make(size_t length, bool to_guest)
{
    memset(frame, 0x5a, sizeof(frame));
    memcpy(frame, to_guest ? "\x00\x16\x3e\x00\x00\x01\x02\x00\x00\x00\x00\x02"
                           : "\x02\x00\x00\x00\x00\x02\x00\x16\x3e\x00\x00\x01", 12);
    memcpy(frame + 12, "\x08\x00\x45\x00", 4);
    frame[16] = (uint8_t)((length - 14) >> 8);
    frame[17] = (uint8_t)(length - 14);
    memcpy(frame + 18, "\0\0\0\0\x40\x06\0\0\x0a\1\1\1\x0a\1\1\2", 16);
    frame[46] = 0x50;
}

/* The next of sixteen flows: the tap deals them out to queues by their ports. */
static void next_flow(void)
{
    frame[35] = (frame[35] + 1) & 15;
}

static double from_guest(struct guest_net *n, size_t length)
{
    struct guest_net_frame how = { .csum_blank = length > 1514, .gso = length > 1514,
                                   .gso_size = MSS };
    uint64_t start = now_ns(), done = 0;
    unsigned slots = (unsigned)DIV_ROUND_UP(length, 4096) + (length > 1514);

    while (now_ns() - start < FOR_NS)
        for (unsigned q = 0; q < n->queues; q++) {
            for (unsigned i = 0; i < 32 && guest_net_send(n, q, frame, length, &how); i++)
                ;
            guest_net_kick(n, q);
            guest_net_reap(n, q, 0);
        }
    for (unsigned q = 0; q < n->queues; q++) {
        CHECK(guest_net_reap(n, q, END_MS));
        CHECK_EQ(n->queue[q].tx_errors, 0);
        done += n->queue[q].tx_done / slots;
    }
    return (double)done * 1e9 / (double)(now_ns() - start);
}

static double to_guest(struct guest_net *n, struct wire *w, size_t length)
{
    struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .hdr_len = 54,
                                .gso_size = MSS, .csum_start = 34, .csum_offset = 16 };
    static struct guest_net_got got;
    uint64_t start = now_ns(), last = start, now, sent = 0, came = 0;

    while ((now = now_ns()) - start < FOR_NS) {
        if (sent - came < WINDOW && wire_try(w, frame, length, length > 1514 ? &h : NULL))
            sent++, next_flow();
        else if (now - last > LOST_NS)
            sent = came; /* dropped on the way */
        for (unsigned q = 0; q < n->queues; q++)
            while (guest_net_receive(n, q, &got, 0)) {
                came++;
                last = now;
            }
    }
    return (double)came * 1e9 / (double)(now_ns() - start);
}

static double run(bool stock, unsigned variant)
{
    size_t length = variant >> 8;
    struct dm_config config = { .vcpus = 1 };
    struct guest_net n;
    uint64_t cpu, start;
    struct wire w;
    struct dm dm;
    double rate;

    CHECK(wire_prepare());
    dm_open(&dm, &config);
    guest_net_add(&n, 0, WIRE_TAP, NULL);
    CHECK(guest_pv_await(&n.pv, 2));
    CHECK(wire_open(&w));
    CHECK(guest_net_connect(&n, &(struct guest_net_config){ .memory = MEMORY, .sg = true,
                                                            .queues = variant & FOUR ? 4 : 0,
                                                            .gso_v4 = true, .csum_v6 = true }));
    CHECK(wire_await());
    make(length, variant & TO_GUEST);
    cpu = bench_cpu_ns(&dm);
    start = now_ns();
    rate = variant & TO_GUEST ? to_guest(&n, &w, length) : from_guest(&n, length);
    if (variant & COST)
        rate = (double)(bench_cpu_ns(&dm) - cpu) / (rate * (double)(now_ns() - start) / 1e9);
    CHECK(guest_net_disconnect(&n));
    wire_close(&w);
    dm_close(&dm, SIGTERM, END_MS);
    return rate / 1e3;
}

static double gigabits(bool stock, unsigned variant)
{
    return run(stock, variant) * 1e3 * (double)(variant >> 8) * 8 / 1e9;
}

const struct bench_case vif_cases[] = {
    { "vif_tx_60", "PV net, 60-byte frames from the guest", "k/s", false, BENCH_ALONE, 5, run,
      OF(0, 60) },
    { "vif_tx_1514", "PV net, 1514-byte frames from the guest", "k/s", false, BENCH_ALONE, 5, run,
      OF(0, 1514) },
    { "vif_tx_gso", "PV net, 60 KiB segments from the guest", "Gb/s", false, BENCH_ALONE, 5,
      gigabits, OF(0, 61440) },
    { "vif_rx_60", "PV net, 60-byte frames to the guest", "k/s", false, BENCH_ALONE, 5, run,
      OF(TO_GUEST, 60) },
    { "vif_rx_1514", "PV net, 1514-byte frames to the guest", "k/s", false, BENCH_ALONE, 5, run,
      OF(TO_GUEST, 1514) },
    { "vif_rx_gso", "PV net, 60 KiB segments to the guest", "Gb/s", false, BENCH_ALONE, 5,
      gigabits, OF(TO_GUEST, 61440) },
    { "vif_tx_60_4", "PV net, 60-byte frames from the guest, 4 queues", "k/s", false, BENCH_ALONE, 5,
      run, OF(FOUR, 60) },
    { "vif_tx_1514_4", "PV net, 1514-byte frames from the guest, 4 queues", "k/s", false, BENCH_ALONE,
      5, run, OF(FOUR, 1514) },
    { "vif_tx_gso_4", "PV net, 60 KiB segments from the guest, 4 queues", "Gb/s", false, BENCH_ALONE,
      5, gigabits, OF(FOUR, 61440) },
    { "vif_rx_60_4", "PV net, 60-byte frames to the guest, 4 queues", "k/s", false, BENCH_ALONE, 5,
      run, OF(TO_GUEST | FOUR, 60) },
    { "vif_rx_1514_4", "PV net, 1514-byte frames to the guest, 4 queues", "k/s", false, BENCH_ALONE, 5,
      run, OF(TO_GUEST | FOUR, 1514) },
    { "vif_rx_gso_4", "PV net, 60 KiB segments to the guest, 4 queues", "Gb/s", false, BENCH_ALONE, 5,
      gigabits, OF(TO_GUEST | FOUR, 61440) },
    { "vif_tx_cost", "PV net, CPU for a 1514-byte frame from the guest", "us", true, BENCH_ALONE, 5,
      run, OF(COST, 1514) },
    { "vif_rx_cost", "PV net, CPU for a 1514-byte frame to the guest", "us", true, BENCH_ALONE, 5,
      run, OF(TO_GUEST | COST, 1514) },
    { 0 },
};
