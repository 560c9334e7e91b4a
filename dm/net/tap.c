/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tap device, made under the name that the toolstack's vif script expects, with vnet_hdr so that
 * checksums and segmentation may be left to the host's network. Source: Linux's
 * Documentation/networking/tuntap and linux/virtio_net.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/net/internal.h"
#include "dm/net/packet.h"

#define FRAMES_A_PASS 64
#define IOV_MOST 64

struct tap {
    struct netport port;
    int fd;
    struct watch *watch;
    bool vnet;
    bool blocked; /* a send found no room: tell the user when there is */
    bool full;    /* the user has no room: `kept` waits */
    size_t kept;  /* bytes of the frame in `buffer` that the user has not taken */
    uint8_t *buffer;
};

static struct tap *tap_of(struct netport *p)
{
    return container_of(p, struct tap, port);
}

static void want(struct tap *t)
{
    if (t->watch)
        watch_set(t->watch, (t->full ? 0 : WATCH_READ) | (t->blocked ? WATCH_WRITE : 0));
}

/* ---- Receiving ---- */

static struct offload to_offload(const struct virtio_net_hdr *h)
{
    return (struct offload){
        .needs_csum = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .data_valid = h->flags & VIRTIO_NET_HDR_F_DATA_VALID,
        .gso = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN,
        .ecn = h->gso_type & VIRTIO_NET_HDR_GSO_ECN,
        .header_bytes = h->hdr_len, .gso_size = h->gso_size,
        .csum_start = h->csum_start, .csum_offset = h->csum_offset,
    };
}

static bool deliver(struct tap *t)
{
    size_t header = t->vnet ? sizeof(struct virtio_net_hdr) : 0;
    struct virtio_net_hdr h = { .flags = 0 };
    struct offload off;

    if (t->kept <= header)
        return true;
    memcpy(&h, t->buffer, header);
    off = to_offload(&h);
    return netport_deliver(&t->port, t->buffer + header, t->kept - header, &off);
}

static void read_frames(struct tap *t)
{
    for (int i = 0; i < FRAMES_A_PASS && t->fd >= 0; i++) {
        ssize_t n;

        if (t->full)
            return;
        n = read(t->fd, t->buffer, PACKET_MOST);
        if (n <= 0)
            return;
        t->kept = (size_t)n;
        if (!deliver(t)) {
            t->full = true;
            want(t);
        }
    }
}

static void on_tap(void *arg, unsigned events)
{
    struct tap *t = arg;

    if (events & WATCH_WRITE && t->blocked) {
        t->blocked = false;
        want(t);
        netport_writable(&t->port);
    }
    if (events & WATCH_READ)
        read_frames(t);
}

static void tap_accept(struct netport *p)
{
    struct tap *t = tap_of(p);

    if (!t->full || !deliver(t))
        return;
    t->full = false;
    want(t);
}

/* ---- Sending ---- */

static struct virtio_net_hdr to_header(const struct offload *off)
{
    return (struct virtio_net_hdr){
        .flags = off->needs_csum ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
        .gso_type = (uint8_t)(off->gso | (off->ecn ? VIRTIO_NET_HDR_GSO_ECN : 0)),
        .hdr_len = off->header_bytes, .gso_size = off->gso_size,
        .csum_start = off->csum_start, .csum_offset = off->csum_offset,
    };
}

static int tap_send(struct netport *p, const struct iovec *iov, unsigned count,
                    const struct offload *off)
{
    struct tap *t = tap_of(p);
    struct virtio_net_hdr header = { .flags = 0 };
    struct iovec all[IOV_MOST + 1];
    unsigned n = 0;

    if (count > IOV_MOST) {
        p->stats.tx_dropped++;
        return 0;
    }
    if (t->vnet) {
        if (off)
            header = to_header(off);
        all[n++] = (struct iovec){ &header, sizeof(header) };
    }
    memcpy(all + n, iov, count * sizeof(*iov));
    if (writev(t->fd, all, (int)(n + count)) >= 0)
        return 0;
    if (errno == EAGAIN) {
        t->blocked = true;
        want(t);
        return -EAGAIN;
    }
    p->stats.tx_dropped++; /* the interface is down (EIO), or the frame is nonsense (EINVAL) */
    return 0;
}

static bool tap_offload_rx(struct netport *p, bool csum, bool gso)
{
    struct tap *t = tap_of(p);
    unsigned flags = (csum ? TUN_F_CSUM : 0) | (csum && gso ? TUN_F_TSO4 | TUN_F_TSO6 : 0);

    if (!t->vnet)
        return !csum && !gso;
    return ioctl(t->fd, TUNSETOFFLOAD, flags) == 0;
}

/* ---- Life ---- */

/* As of a cable: a bridge keeps away from a port without, and no frame queues up for a guest to come. */
static void set_carrier(struct tap *t, int on)
{
    if (t->fd >= 0)
        ioctl(t->fd, TUNSETCARRIER, &on); /* Linux 5.0; before that it is always there */
}

static int tap_attach(struct netport *p, struct error *err)
{
    struct tap *t = tap_of(p);
    int rc = watch_open(&t->watch, p->loop, t->fd, WATCH_READ, on_tap, t, err);

    if (rc == 0)
        set_carrier(t, 1);
    return rc;
}

static void tap_detach(struct netport *p)
{
    struct tap *t = tap_of(p);

    set_carrier(t, 0);
    watch_close(t->watch);
    t->watch = NULL;
    t->full = t->blocked = false;
}

static void tap_hang_up(struct netport *p)
{
    struct tap *t = tap_of(p);

    watch_close(t->watch);
    t->watch = NULL;
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

static void tap_close(struct netport *p)
{
    tap_hang_up(p);
    free(tap_of(p)->buffer);
    free(tap_of(p));
}

static const struct netport_kind tap_kind = {
    .attach = tap_attach, .detach = tap_detach, .accept = tap_accept, .send = tap_send,
    .offload_rx = tap_offload_rx, .hang_up = tap_hang_up, .close = tap_close,
};

static int make_interface(struct tap *t, const char *ifname, bool queues, struct error *err)
{
    struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
                                              (queues ? IFF_MULTI_QUEUE : 0)) };

    if (strlen(ifname) >= IFNAMSIZ)
        return error_set(err, -EINVAL, "tap %s: the name is longer than %d characters", ifname,
                         IFNAMSIZ - 1);
    t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (t->fd < 0)
        return error_errno(err, "tap %s: open /dev/net/tun (is the module tun loaded?)", ifname);
    strcpy(ifr.ifr_name, ifname);
    if (ioctl(t->fd, TUNSETIFF, &ifr) < 0)
        return errno == EBUSY
                   ? error_set(err, -EBUSY, "tap %s is in use by another process", ifname)
                   : error_errno(err, "make the tap %s", ifname);
    t->vnet = true;
    return 0;
}

static int adopt(struct tap *t, int fd, struct error *err)
{
    struct ifreq ifr;

    t->fd = fd;
    if (ioctl(fd, TUNGETIFF, &ifr) < 0)
        return error_errno(err, "netdev %s: descriptor %d is not a tap", t->port.id, fd);
    t->vnet = ifr.ifr_flags & IFF_VNET_HDR;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

int tap_open(struct netport **out, const struct netport_config *c, struct error *err)
{
    struct tap *t = calloc(1, sizeof(*t));
    int header = sizeof(struct virtio_net_hdr), rc;
    char info[64];

    if (!t)
        return error_set(err, -ENOMEM, "netdev %s: out of memory", c->id);
    t->port.kind = &tap_kind;
    t->fd = -1;
    *out = &t->port; /* closed by the caller on error */
    snprintf(info, sizeof(info), "tap,ifname=%s", c->ifname ? c->ifname : "(descriptor)");
    rc = netport_name(&t->port, c->id, info, err);
    t->buffer = malloc(PACKET_MOST);
    if (rc == 0 && !t->buffer)
        rc = error_set(err, -ENOMEM, "netdev %s: out of memory", c->id);
    if (rc == 0)
        rc = c->fd >= 0 ? adopt(t, c->fd, err) : make_interface(t, c->ifname, c->queues, err);
    if (rc < 0)
        return rc;
    if (t->vnet && ioctl(t->fd, TUNSETVNETHDRSZ, &header) < 0)
        return error_errno(err, "tap %s: set the size of its packet header", c->ifname);
    t->port.offloads = t->vnet;
    tap_offload_rx(&t->port, false, false);
    set_carrier(t, 0);
    return 0;
}
