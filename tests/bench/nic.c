/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The emulated network cards, through a tap. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "tests/bench/bench.h"
#include "tests/guest/e1000.h"
#include "tests/guest/guest.h"
#include "tests/guest/rtl8139.h"
#include "tests/kit/check.h"
#include "tests/whole/wire.h"

#define END_MS 5000
#define NIC (3 << 3)
#define FOR_NS 500000000ull
#define WINDOW 100u /* frames on their way to the guest; a ring has room for more */
#define LOST_NS 20000000ull

/* Variants: length of the frame, card and way. */
#define RTL8139 1u
#define TO_GUEST 2u
#define OF(kind, length) ((kind) | (length) << 8)

struct card {
    bool rtl8139;
    struct guest_e1000 e;
    struct guest_rtl8139 r;
};

static void card_open(struct card *c, bool rtl8139)
{
    c->rtl8139 = rtl8139;
    if (rtl8139)
        guest_rtl8139_open(&c->r, 0, NIC, BENCH_MEMORY, true);
    else
        guest_e1000_open(&c->e, 0, NIC, BENCH_MEMORY);
}

/* As many frames as the ring takes; how many of all that were ever sent are done. */
static uint64_t send_burst(struct card *c, const uint8_t *frame, unsigned length, uint64_t *sent)
{
    unsigned n = 0;

    while (n < 32 && (c->rtl8139 ? guest_rtl8139_send(&c->r, frame, length)
                                 : guest_e1000_send(&c->e, frame, length)))
        n++;
    *sent += n;
    if (c->rtl8139)
        guest_rtl8139_kick(&c->r);
    else
        guest_e1000_kick(&c->e);
    return *sent - (c->rtl8139 ? guest_rtl8139_reap(&c->r) : guest_e1000_reap(&c->e));
}

static double from_guest(struct card *c, const uint8_t *frame, unsigned length)
{
    uint64_t start = now_ns(), sent = 0, done = 0;

    while (now_ns() - start < FOR_NS)
        done = send_burst(c, frame, length, &sent);
    return (double)done * 1e9 / (double)(now_ns() - start);
}

static bool receive(struct card *c)
{
    uint8_t copy[2048];
    const uint8_t *got;

    return c->rtl8139 ? guest_rtl8139_receive(&c->r, copy, sizeof(copy))
                      : guest_e1000_receive(&c->e, &got);
}

/* A card says that its link is up some time after it was reset, and takes nothing before. */
static void await_link(struct card *c, struct wire *w, const uint8_t *frame, unsigned length)
{
    uint64_t start = now_ns();

    while (!receive(c)) {
        CHECK(now_ns() - start < END_MS * 1000000ull);
        wire_try(w, frame, length, NULL);
        usleep(10000);
    }
    usleep(10000);
    while (receive(c))
        ;
}

static double to_guest(struct card *c, struct wire *w, const uint8_t *frame, unsigned length)
{
    uint64_t start, last, now, sent = 0, came = 0;

    await_link(c, w, frame, length);
    start = last = now_ns();
    while ((now = now_ns()) - start < FOR_NS) {
        if (sent - came < WINDOW && wire_try(w, frame, length, NULL))
            sent++;
        else if (now - last > LOST_NS)
            sent = came; /* dropped on the way */
        while (receive(c)) {
            came++;
            last = now;
        }
    }
    return (double)came * 1e9 / (double)(now_ns() - start);
}

static void open_with_nic(struct dm *dm, struct wire *w, bool stock, const char *model)
{
    char device[96];
    const char *const more[] = { "-device", device, "-netdev",
                                 "type=tap,id=net0,ifname=" WIRE_TAP ",script=no,downscript=no",
                                 NULL };
    struct dm_config config = { .stock = stock, .vcpus = 1, .more = more };

    snprintf(device, sizeof(device), "%s,id=nic0,netdev=net0,mac=" WIRE_MAC ",addr=3", model);
    CHECK(wire_prepare());
    dm_open(dm, &config);
    CHECK(wire_open(w));
    guest_pci_setup();
}

static double frames_per_second(bool stock, unsigned variant)
{
    static const char *const models[] = { "e1000", "rtl8139" };
    unsigned length = variant >> 8;
    uint8_t frame[2048];
    struct card card;
    struct wire w;
    struct dm dm;
    double rate;

    memset(frame, 0x5a, sizeof(frame));
    memcpy(frame,
           variant & TO_GUEST ? "\x00\x16\x3e\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5"
                              : "\x02\x00\x00\x00\x00\x02\x00\x16\x3e\x00\x00\x01\x88\xb5",
           14);
    open_with_nic(&dm, &w, stock, models[variant & RTL8139]);
    card_open(&card, variant & RTL8139);
    rate = variant & TO_GUEST ? to_guest(&card, &w, frame, length)
                              : from_guest(&card, frame, length);
    wire_close(&w);
    dm_close(&dm, SIGTERM, END_MS);
    return rate / 1e3;
}

/* ---- TCP segmentation: one context and one large packet, over and over ---- */

#define TSO_HEADER 54u
#define TSO_PAYLOAD 61320u /* 42 segments */
#define TSO_MSS 1460u
#define TSO_PIECE 4096u
#define TSO_DESCRIPTORS (2 + (TSO_PAYLOAD + TSO_PIECE - 1) / TSO_PIECE)
#define TSO_AT (BENCH_MEMORY + 0x400000u)

static void put_header(void)
{
    uint8_t h[TSO_HEADER] = { 2, 0, 0, 0, 0, 2, 0, 0x16, 0x3e, 0, 0, 1, 8, 0 };

    h[14] = 0x45; /* IPv4; its length and both checksums are the card's */
    h[22] = 64;
    h[23] = 6;
    memcpy(h + 26, "\12\0\0\1\12\0\0\2", 8);
    h[46] = 0x50; /* TCP without options, ACK */
    h[47] = 0x10;
    guest_write(TSO_AT, h, sizeof(h));
}

/* Document: 8254x manual, "TCP/IP Context Transmit Descriptor Format" and the data descriptor's. */
static void put_tso(struct guest_e1000 *e)
{
    uint64_t context = 14 | 24ull << 8 | 33ull << 16 | 34ull << 32 | 50ull << 40;

    guest_e1000_put(e, context, TSO_PAYLOAD | 0x27u << 24, TSO_HEADER << 8 | TSO_MSS << 16);
    guest_e1000_put(e, TSO_AT, TSO_HEADER | 1u << 20 | 0x26u << 24, 3u << 8);
    for (unsigned at = 0; at < TSO_PAYLOAD; at += TSO_PIECE) {
        unsigned n = TSO_PAYLOAD - at < TSO_PIECE ? TSO_PAYLOAD - at : TSO_PIECE;
        bool last = at + n == TSO_PAYLOAD;

        guest_e1000_put(e, TSO_AT + 0x1000 + at,
                        n | 1u << 20 | (0x26u | (last ? 0x09u : 0)) << 24, 3u << 8);
    }
}

static double tso_mib_per_second(bool stock, unsigned variant)
{
    uint64_t start, sent = 0;
    struct guest_e1000 e;
    struct wire w;
    struct dm dm;

    open_with_nic(&dm, &w, stock, "e1000");
    guest_e1000_open(&e, 0, NIC, BENCH_MEMORY);
    put_header();
    start = now_ns();
    while (now_ns() - start < FOR_NS) {
        for (unsigned free = GUEST_E1000_RING - 1 - guest_e1000_reap(&e); free >= TSO_DESCRIPTORS;
             free -= TSO_DESCRIPTORS, sent++)
            put_tso(&e);
        guest_e1000_kick(&e);
    }
    while (guest_e1000_reap(&e) && now_ns() - start < END_MS * 1000000ull)
        ;
    start = now_ns() - start;
    wire_close(&w);
    dm_close(&dm, SIGTERM, END_MS);
    return (double)sent * TSO_PAYLOAD / (1 << 20) / ((double)start / 1e9);
}

/* ---- What a tap itself can do: its far end is a loop that reads, or writes, and nothing else ---- */

struct reader {
    int tap;
    atomic_ulong count;
    atomic_bool stop;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    uint8_t frame[2048];

    while (!atomic_load(&r->stop))
        if (read(r->tap, frame, sizeof(frame)) > 0)
            atomic_fetch_add(&r->count, 1);
    return NULL;
}

static int open_tap(void)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    strcpy(ifr.ifr_name, WIRE_TAP);
    CHECK(fd >= 0);
    CHECK_EQ(ioctl(fd, TUNSETIFF, &ifr), 0);
    return fd;
}

static double bare_tap(bool stock, unsigned variant)
{
    size_t length = variant >> 8;
    uint8_t frame[2048] = { 2, 0, 0, 0, 0, 2, 0, 0x16, 0x3e, 0, 0, 1, 0x88, 0xb5 };
    uint8_t bytes[2048 + 10] = { 0 };
    uint64_t start, count = 0, sent = 0;
    struct reader r = { 0 };
    pthread_t thread;
    struct wire w;

    CHECK(wire_prepare());
    r.tap = open_tap();
    CHECK(wire_open(&w));
    memcpy(bytes + 10, frame, sizeof(frame));
    start = now_ns();
    if (!(variant & TO_GUEST)) {
        while (now_ns() - start < FOR_NS)
            count += write(r.tap, bytes, 10 + length) > 0;
    } else {
        pthread_create(&thread, NULL, read_all, &r);
        while (now_ns() - start < FOR_NS)
            if (sent - atomic_load(&r.count) < WINDOW)
                sent += wire_try(&w, frame, length, NULL);
        count = atomic_load(&r.count);
        atomic_store(&r.stop, true);
        pthread_join(thread, NULL);
    }
    start = now_ns() - start;
    wire_close(&w);
    close(r.tap);
    return (double)count * 1e9 / (double)start / 1e3;
}

const struct bench_case nic_cases[] = {
    { "tap_tx_60", "(a bare tap, 60-byte frames written)", "k/s", false, BENCH_ALONE, 3, bare_tap,
      OF(0, 60) },
    { "tap_tx_1514", "(a bare tap, 1514-byte frames written)", "k/s", false, BENCH_ALONE, 3, bare_tap,
      OF(0, 1514) },
    { "tap_rx_60", "(a bare tap, 60-byte frames read)", "k/s", false, BENCH_ALONE, 3, bare_tap,
      OF(TO_GUEST, 60) },
    { "tap_rx_1514", "(a bare tap, 1514-byte frames read)", "k/s", false, BENCH_ALONE, 3, bare_tap,
      OF(TO_GUEST, 1514) },
    { "e1000_tx_60", "e1000, 60-byte frames from the guest", "k/s", false, 3, 5, frames_per_second,
      OF(0, 60) },
    { "e1000_tx_1514", "e1000, 1514-byte frames from the guest", "k/s", false, 3, 5,
      frames_per_second, OF(0, 1514) },
    { "e1000_tso", "e1000, TCP segmentation from the guest", "MiB/s", false, 3, 5,
      tso_mib_per_second, 0 },
    { "e1000_rx_60", "e1000, 60-byte frames to the guest", "k/s", false, 3, 5, frames_per_second,
      OF(TO_GUEST, 60) },
    { "e1000_rx_1514", "e1000, 1514-byte frames to the guest", "k/s", false, 3, 5,
      frames_per_second, OF(TO_GUEST, 1514) },
    { "rtl8139_tx_60", "rtl8139 C+, 60-byte frames from the guest", "k/s", false, 0, 5,
      frames_per_second, OF(RTL8139, 60) },
    { "rtl8139_tx_1514", "rtl8139 C+, 1514-byte frames from the guest", "k/s", false, 0, 5,
      frames_per_second, OF(RTL8139, 1514) },
    { "rtl8139_rx_60", "rtl8139 C+, 60-byte frames to the guest", "k/s", false, 0, 5,
      frames_per_second, OF(RTL8139 | TO_GUEST, 60) },
    { "rtl8139_rx_1514", "rtl8139 C+, 1514-byte frames to the guest", "k/s", false, 0, 5,
      frames_per_second, OF(RTL8139 | TO_GUEST, 1514) },
    { 0 },
};
