/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "tests/whole/wire.h"

#define CARRIER_MS 20000

static const struct virtio_net_hdr none;
static const uint8_t guest_mac[6] = { 0x00, 0x16, 0x3e, 0x00, 0x00, 0x01 };

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

bool wire_prepare(void)
{
    static bool prepared;
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();

    if (prepared)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return false;
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1", uid);
    prepared = write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", gid);
    return prepared = prepared && write_file("/proc/self/gid_map", map);
}

static bool switch_on(int fd)
{
    struct ifreq ifr = { .ifr_name = WIRE_TAP };

    if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
        return false;
    ifr.ifr_flags |= IFF_UP | IFF_PROMISC;
    return ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
}

bool wire_open(struct wire *w)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int one = 1;

    write_file("/proc/sys/net/ipv6/conf/" WIRE_TAP "/disable_ipv6", "1");
    w->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    at.sll_ifindex = (int)if_nametoindex(WIRE_TAP);
    if (w->fd >= 0 && at.sll_ifindex && switch_on(w->fd) &&
        setsockopt(w->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) == 0 &&
        setsockopt(w->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) == 0 &&
        bind(w->fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return true;
    wire_close(w);
    return false;
}

void wire_close(struct wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

/* By the question that has the kernel catch up with the carrier first: its queue is on by then. */
bool wire_carrier(const char *name)
{
    struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
    struct ifreq ifr = { .ifr_data = (void *)&value };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool on;

    strcpy(ifr.ifr_name, name);
    on = fd >= 0 && ioctl(fd, SIOCETHTOOL, &ifr) == 0 && value.data;
    close(fd);
    return on;
}

/* Without one the kernel throws away what is sent. */
bool wire_await(void)
{
    for (int i = 0; !wire_carrier(WIRE_TAP); i++, usleep(1000))
        if (i == CARRIER_MS)
            return false;
    return true;
}

static bool put(struct wire *w, const void *frame, size_t length,
                const struct virtio_net_hdr *offload)
{
    struct iovec iov[] = { { (void *)(uintptr_t)offload, sizeof(*offload) },
                           { (void *)(uintptr_t)frame, length } };

    return writev(w->fd, iov, 2) == (ssize_t)(sizeof(*offload) + length);
}

bool wire_send_offload(struct wire *w, const void *frame, size_t length,
                       const struct virtio_net_hdr *offload)
{
    return wire_await() && put(w, frame, length, offload);
}

bool wire_send(struct wire *w, const void *frame, size_t length)
{
    return wire_await() && put(w, frame, length, &none);
}

bool wire_try(struct wire *w, const void *frame, size_t length,
              const struct virtio_net_hdr *offload)
{
    return put(w, frame, length, offload ? offload : &none);
}

bool wire_loopback(void)
{
    struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;

    close(fd);
    return up;
}

bool wire_mtu(unsigned mtu)
{
    struct ifreq ifr = { .ifr_name = WIRE_TAP, .ifr_mtu = (int)mtu };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && ioctl(fd, SIOCSIFMTU, &ifr) == 0;

    close(fd);
    return ok;
}

bool wire_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}

static int tag_of(struct msghdr *m)
{
    struct tpacket_auxdata aux;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
            memcpy(&aux, CMSG_DATA(c), sizeof(aux));
            return aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci : -1;
        }
    return -1;
}

size_t wire_receive(struct wire *w, struct wire_frame *frame, unsigned ms)
{
    struct pollfd p = { .fd = w->fd, .events = POLLIN };
    struct iovec iov[] = { { &frame->offload, sizeof(frame->offload) },
                           { frame->bytes, WIRE_MOST } };
    char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];

    while (poll(&p, 1, (int)ms) == 1) {
        struct msghdr m = { .msg_iov = iov,
                            .msg_iovlen = 2,
                            .msg_control = control,
                            .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(w->fd, &m, 0);

        if (n > (ssize_t)sizeof(frame->offload) + 14 && !memcmp(frame->bytes + 6, guest_mac, 6)) {
            frame->tag = tag_of(&m);
            return frame->length = (size_t)n - sizeof(frame->offload);
        }
    }
    return 0;
}
