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
        wire_send(w, frame, length);
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
        if (sent - came < WINDOW && wire_send(w, frame, length))
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

static double frames_per_second(bool stock, unsigned variant)
{
    static const char *const models[] = { "e1000", "rtl8139" };
    unsigned length = variant >> 8;
    char device[96];
    const char *const more[] = { "-device", device, "-netdev",
                                 "type=tap,id=net0,ifname=" WIRE_TAP ",script=no,downscript=no",
                                 NULL };
    struct dm_config config = { .stock = stock, .vcpus = 1, .more = more };
    uint8_t frame[2048];
    struct card card;
    struct wire w;
    struct dm dm;
    double rate;

    snprintf(device, sizeof(device), "%s,id=nic0,netdev=net0,mac=" WIRE_MAC ",addr=3",
             models[variant & RTL8139]);
    memset(frame, 0x5a, sizeof(frame));
    memcpy(frame,
           variant & TO_GUEST ? "\x00\x16\x3e\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5"
                              : "\x02\x00\x00\x00\x00\x02\x00\x16\x3e\x00\x00\x01\x88\xb5",
           14);
    CHECK(wire_prepare());
    dm_open(&dm, &config);
    CHECK(wire_open(&w));
    guest_pci_setup();
    card_open(&card, variant & RTL8139);
    rate = variant & TO_GUEST ? to_guest(&card, &w, frame, length)
                              : from_guest(&card, frame, length);
    wire_close(&w);
    dm_close(&dm, SIGTERM, END_MS);
    return rate / 1e3;
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
                sent += wire_send(&w, frame, length);
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
    { "tap_tx_60", "(a bare tap, 60-byte frames written)", "k/s", false, 0, 3, bare_tap,
      OF(0, 60) },
    { "tap_tx_1514", "(a bare tap, 1514-byte frames written)", "k/s", false, 0, 3, bare_tap,
      OF(0, 1514) },
    { "tap_rx_60", "(a bare tap, 60-byte frames read)", "k/s", false, 0, 3, bare_tap,
      OF(TO_GUEST, 60) },
    { "tap_rx_1514", "(a bare tap, 1514-byte frames read)", "k/s", false, 0, 3, bare_tap,
      OF(TO_GUEST, 1514) },
    { "e1000_tx_60", "e1000, 60-byte frames from the guest", "k/s", false, 3, 5, frames_per_second,
      OF(0, 60) },
    { "e1000_tx_1514", "e1000, 1514-byte frames from the guest", "k/s", false, 3, 5,
      frames_per_second, OF(0, 1514) },
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
