/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DM_NET_TAP_BENCH_H
#define TESTS_UNIT_DM_NET_TAP_BENCH_H
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/net/packet.h"
#include "tests/kit/check.h"
#include "tests/kit/frames.h"

/*
 * A real tap with a user on this side of it and a raw packet socket on the other. Needs root and
 * /dev/net/tun; where they are missing each test says so and ends.
 */
#define ROOMS 8u

struct bench {
    struct loop *loop;
    struct netport *port;
    int packets; /* a raw socket on the other side */
    char name[IFNAMSIZ];
    unsigned frames;
    unsigned order[64]; /* what stands behind the header of each */
    unsigned takes;     /* so many, and no more; UINT_MAX: all */
    unsigned has_rooms; /* so many of them */
    bool in_room;       /* the last frame came in one of them */
    uint8_t room[ROOMS][NETPORT_HEADROOM + PACKET_MOST];
    size_t length;
    uint8_t frame[70000];
    struct offload off;
    void (*look)(struct bench *b, const uint8_t *frame, size_t length, const struct offload *off); /* or NULL */
    unsigned writable; /* said so often */
};

/* Ours, and not the kernel's own, such as router solicitations. */
static inline bool is_ours(const uint8_t *f, size_t length)
{
    return length >= 14 && !memcmp(f + 6, "\x02\0\0\0\0\1", 6);
}

static inline bool on_receive(void *owner, const uint8_t *frame, size_t length, const struct offload *off)
{
    struct bench *b = owner;

    if (!is_ours(frame, length))
        return true;
    if (b->frames >= b->takes)
        return false;
    b->order[b->frames++ % ARRAY_SIZE(b->order)] = frame[14];
    b->in_room = false;
    for (unsigned i = 0; i < b->has_rooms; i++)
        b->in_room |= frame == b->room[i] + NETPORT_HEADROOM;
    b->length = length;
    b->off = *off;
    memcpy(b->frame, frame, MIN(length, sizeof(b->frame)));
    if (b->look)
        b->look(b, frame, length, off);
    return true;
}

static inline void on_writable(void *owner)
{
    struct bench *b = owner;

    b->writable++;
}

static inline unsigned rooms(void *owner, uint8_t **places, unsigned most)
{
    struct bench *b = owner;

    most = MIN(most, b->has_rooms);
    for (unsigned i = 0; i < most; i++)
        places[i] = b->room[i] + NETPORT_HEADROOM;
    return most;
}

static const struct netport_user user = { .receive = on_receive, .rooms = rooms, .writable = on_writable };

static inline bool set_up(const char *name, bool up)
{
    struct ifreq ifr = { .ifr_flags = 0 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool fine;

    snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
    fine = ioctl(fd, SIOCGIFFLAGS, &ifr) == 0;
    ifr.ifr_flags = (short)((ifr.ifr_flags & ~IFF_UP) | (up ? IFF_UP | IFF_RUNNING : 0));
    fine = fine && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
    close(fd);
    return fine;
}

/* Of its own the kernel sends something now and then. */
static inline void hush(const char *name)
{
    char path[80];
    int fd;

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        CHECK_EQ(write(fd, "1", 1), 1);
        close(fd);
    }
}

static inline bool has_interface(const char *name)
{
    return if_nametoindex(name) != 0;
}

static inline bool bench_open_as(struct bench *b, bool batch)
{
    struct netport_config c = { .id = "net0", .kind = "tap", .fd = -1, .batch = batch };
    struct error err = { "" };
    int bytes = MIB; /* for all that is sent before the test looks */
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };

    memset(b, 0, sizeof(*b));
    b->takes = UINT_MAX;
    if (geteuid() || access("/dev/net/tun", R_OK | W_OK)) {
        printf("skipped: a real tap needs root and /dev/net/tun\n");
        return false;
    }
    snprintf(b->name, sizeof(b->name), "xdmt%d", getpid() % 100000);
    c.ifname = b->name;
    CHECK_EQ(loop_open(&b->loop, "test", &err), 0);
    if (netport_open(&b->port, &c, &err) < 0) {
        printf("skipped: %s\n", err.text);
        loop_close(b->loop);
        return false;
    }
    CHECK_EQ(netport_attach(b->port, b->loop, &user, b, &err), 0);
    hush(b->name);
    CHECK(set_up(b->name, true));
    at.sll_ifindex = (int)if_nametoindex(b->name);
    b->packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
    CHECK(b->packets >= 0);
    CHECK_EQ(setsockopt(b->packets, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)), 0);
    CHECK_EQ(bind(b->packets, (struct sockaddr *)&at, sizeof(at)), 0);
    return true;
}

static inline bool bench_open(struct bench *b)
{
    return bench_open_as(b, false);
}

static inline void bench_close(struct bench *b)
{
    close(b->packets);
    netport_detach(b->port);
    netport_close(b->port);
    loop_close(b->loop);
    CHECK(!has_interface(b->name)); /* ours, and gone with us */
}

static inline void turn(struct bench *b)
{
    for (int i = 0; i < 200 && !b->frames; i++) {
        loop_step(b->loop);
        usleep(500);
    }
}

/* The next frame of our own kind that the kernel saw; 0: none came. */
static inline size_t caught(struct bench *b, uint8_t *f, size_t room, uint16_t type)
{
    for (int i = 0; i < 400; i++) {
        ssize_t n = recv(b->packets, f, room, 0);

        if (n >= 14 && get_be16(f + 12) == type)
            return (size_t)n;
        if (n < 0)
            usleep(500);
    }
    return 0;
}

static inline void turn_until(struct bench *b, unsigned frames)
{
    for (int i = 0; i < 400 && b->frames < frames; i++) {
        loop_step(b->loop);
        if (b->frames < frames)
            usleep(500);
    }
    CHECK_EQ(b->frames, frames);
}

static inline void turn_until_paused(struct bench *b)
{
    for (int i = 0; i < 400 && !netport_get_stats(b->port).rx_paused; i++) {
        loop_step(b->loop);
        usleep(500);
    }
    CHECK_EQ(netport_get_stats(b->port).rx_paused, 1);
}
#endif
