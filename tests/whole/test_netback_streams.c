/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams by frames of 1500 bytes through the PV network backend: what goes together arrives as one, or
 * one by one, and is what was sent. In a PV domain, as dom0 mostly is, also what comes from the host.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/guest/net.h"
#include "tests/simxen/simxen.h"
#include "tests/unit/dm/net/stream.h"
#include "tests/whole/run.h"
#include "tests/whole/wire.h"

#define END_MS 30000
#define MEMORY 0x2000000u
#define MSS 1428u
#define FRAMES 40u
#define TOTAL (FRAMES * MSS - 77)
#define ROUNDS 20u

static struct wire wire;
static struct guest_net_got got;
static struct wire_frame seen;
static uint8_t frame[GUEST_NET_MOST], want[GUEST_NET_MOST];

/* What Linux says in a PV domain, to a process that starts later. */
static void pretend_pv(void)
{
    static const char type[] = "PV\n";
    int fd;

    CHECK(wire_prepare());
    CHECK_EQ(unshare(CLONE_NEWNS), 0);
    CHECK_EQ(mount("none", "/sys", "tmpfs", 0, NULL), 0);
    CHECK_EQ(mkdir("/sys/hypervisor", 0755), 0);
    fd = open("/sys/hypervisor/guest_type", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK_EQ(write(fd, type, sizeof(type) - 1), sizeof(type) - 1);
    close(fd);
}

static void no_pv(void)
{
    CHECK_EQ(umount2("/sys", MNT_DETACH), 0);
}

static bool has_ring(void)
{
    struct io_uring_params p = { .flags = 0 };
    int fd = (int)syscall(SYS_io_uring_setup, 1, &p);

    if (fd < 0)
        printf("skipped in part: the host has no io_uring\n");
    else
        close(fd);
    return fd >= 0;
}

static void open_pc(struct dm *dm, struct guest_net *n, const struct guest_net_config *c)
{
    struct guest_net_config config = *c;

    CHECK(wire_prepare());
    dm_open(dm, &(struct dm_config){ .vcpus = 1 });
    guest_net_add(n, 0, WIRE_TAP, NULL);
    CHECK(guest_pv_await(&n->pv, 2));
    CHECK(wire_open(&wire));
    config.memory = MEMORY;
    CHECK(guest_net_connect(n, &config));
    CHECK(wire_await());
}

static void close_pc(struct dm *dm, struct guest_net *n)
{
    CHECK_EQ(n->queue[0].tx_errors, 0);
    CHECK(guest_net_disconnect(n));
    wire_close(&wire);
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
}

/* ---- A stream and how far it has come ---- */

struct way {
    struct stream stream;
    bool to_guest;
    size_t at;
    unsigned nth, arrivals;
};

static size_t make(const struct way *w, uint8_t *f, size_t at, unsigned nth, size_t payload, bool blank)
{
    size_t length = stream_frame(&w->stream, f, at, nth, payload, at + payload == TOTAL);

    if (blank)
        stream_blank(&w->stream, f, length, 0);
    memcpy(f, w->to_guest ? "\x00\x16\x3e\x00\x00\x01\x02\x00\x00\x00\x00\x02"
                          : "\x02\x00\x00\x00\x00\x02\x00\x16\x3e\x00\x00\x01", 12);
    return length;
}

static struct way begin(bool v6, bool to_guest)
{
    static uint32_t sequence = 0u - 3 * TOTAL / 2;
    static uint16_t id = 0xfff0;
    struct way w = { { .v6 = v6, .options = 12, .sequence = sequence, .id = id, .step = 1 }, .to_guest = to_guest };

    sequence += TOTAL;
    id += FRAMES;
    return w;
}

/* The next frame of it, which is `unit` each of several where it is longer. */
static void arrive(struct way *w, const uint8_t *f, size_t length, bool blank, unsigned unit)
{
    size_t payload = length - stream_header(&w->stream);

    CHECK(length > stream_header(&w->stream) && w->at + payload <= TOTAL);
    CHECK(payload <= MSS || unit == MSS);
    make(w, want, w->at, w->nth, payload, blank);
    CHECK_MEM(f, want, length);
    w->at += payload;
    w->nth += (unsigned)DIV_ROUND_UP(payload, MSS);
    w->arrivals++;
}

/* ---- From the guest ---- */

static unsigned from_guest(struct guest_net *n, bool v6)
{
    struct way w = begin(v6, false);

    for (unsigned i = 0; i < FRAMES; i++) {
        size_t length = make(&w, frame, i * MSS, i, MIN(MSS, TOTAL - i * MSS), false);

        CHECK(guest_net_send(n, 0, frame, length, &(struct guest_net_frame){ .csum_blank = true }));
    }
    guest_net_kick(n, 0);
    while (w.at < TOTAL) {
        CHECK(wire_receive(&wire, &seen, END_MS));
        CHECK(seen.offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
        arrive(&w, seen.bytes, seen.length, true, seen.offload.gso_type ? seen.offload.gso_size : 0);
    }
    CHECK(guest_net_reap(n, 0, END_MS));
    return w.arrivals;
}

/* ---- To the guest ---- */

/* All of it waits at the tap before the device model looks. */
static void burst(struct dm *dm, const struct way *w)
{
    struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 16,
                                .csum_start = (uint16_t)stream_tcp(&w->stream) };
    int status;

    CHECK_EQ(kill(dm->pid, SIGSTOP), 0);
    CHECK_EQ(waitpid(dm->pid, &status, WUNTRACED), dm->pid);
    CHECK(WIFSTOPPED(status));
    for (unsigned i = 0; i < FRAMES; i++) {
        size_t length = make(w, frame, i * MSS, i, MIN(MSS, TOTAL - i * MSS), true);

        CHECK(wire_try(&wire, frame, length, &h));
    }
    CHECK_EQ(kill(dm->pid, SIGCONT), 0);
}

static unsigned to_guest(struct dm *dm, struct guest_net *n, bool v6)
{
    struct way w = begin(v6, true);

    burst(dm, &w);
    while (w.at < TOTAL) {
        CHECK(guest_net_receive(n, 0, &got, END_MS));
        CHECK(!got.failed);
        CHECK(got.prefix || got.gso == (got.gso_size ? v6 ? 2 : 1 : 0));
        arrive(&w, got.bytes, got.length, got.csum_blank, got.gso_size);
    }
    return w.arrivals;
}

/* Whether they come together depends on whether the tap was busy right before, so more than once. */
static void check_to_guest(struct dm *dm, struct guest_net *n, bool v6, bool as_one)
{
    unsigned least = FRAMES;

    for (unsigned i = 0; i < (as_one ? ROUNDS : 3) && (!as_one || least == FRAMES); i++)
        least = MIN(least, to_guest(dm, n, v6));
    CHECK_EQ(least < FRAMES, as_one);
}

static void check_both_ways(const struct guest_net_config *c, bool pv)
{
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, c);
    for (unsigned v6 = 0; v6 < 2; v6++) {
        CHECK(from_guest(&n, v6) < FRAMES / 2);
        check_to_guest(&dm, &n, v6, pv && c->sg && (v6 ? c->gso_v6 && c->csum_v6 : c->gso_v4));
    }
    close_pc(&dm, &n);
}

static const struct guest_net_config frontends[] = {
    { .sg = true, .gso_v4 = true, .gso_v6 = true, .csum_v6 = true },
    { .sg = true, .gso_v4 = true, .gso_v6 = true, .csum_v6 = true, .prefix = true },
    { .sg = true, .gso_v4 = true },
    { .sg = true, .gso_v4 = true, .csum_v6 = true, .buffers = 20 }, /* fewer than there are frames */
    { .sg = true, .gso_v6 = true, .csum_v6 = true },
    { .csum_v6 = true },
    { .no_csum = true },
};

TEST(frames_of_a_stream_pass_both_ways)
{
    for (unsigned i = 0; i < ARRAY_SIZE(frontends); i++)
        check_both_ways(&frontends[i], false);
}

TEST(in_a_pv_domain_they_come_to_the_guest_as_one_where_it_takes_such)
{
    if (!has_ring())
        return;
    pretend_pv();
    for (unsigned i = 0; i < ARRAY_SIZE(frontends); i++)
        check_both_ways(&frontends[i], true);
    no_pv();
}
