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
#include "dm/net/tap_ring.h"

#define FRAMES_A_PASS 64
#define IOV_MOST 64
#define LARGE_FRAME 4096u
#define READS_MOST 16u
#define SLOT_BYTES (ROUND_UP(NETPORT_HEADROOM + PACKET_MOST, 64u))

struct tap {
    struct netport port;
    int fd;
    struct watch *watch;
    bool vnet;
    bool blocked; /* a send found no room: tell the user when there is */
    bool full;    /* the user has no room: what was read waits */
    struct virtio_net_hdr header; /* of the frame that was read last */
    size_t kept;     /* bytes of the frame in `buffer` that the user has not taken */
    uint8_t *buffer; /* NETPORT_HEADROOM, then a frame */
    bool batch;
    bool no_ring;    /* the host has none, or none that is any good for taps */
    struct tap_ring *ring; /* NULL: not needed yet */
    unsigned frames; /* of the last pass */
    bool large;      /* the last frame was */
    uint8_t *slots;  /* as `buffer`, for frames that are read together; NULL: not needed yet */
    struct tap_read reads[READS_MOST];
    unsigned read_count, read_next; /* read_next < read_count: the user has not taken these */
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

static bool deliver(struct tap *t, const uint8_t *frame, size_t length)
{
    struct offload off = to_offload(&t->header);

    return netport_deliver(&t->port, frame, length, &off);
}

static size_t header_bytes(const struct tap *t)
{
    return t->vnet ? sizeof(t->header) : 0;
}

static void stop_reading(struct tap *t)
{
    t->full = true;
    want(t);
}

/* Into the user's own memory where he has some. False: there is none. */
static bool read_frame(struct tap *t)
{
    size_t header = header_bytes(t);
    uint8_t *own = t->buffer + NETPORT_HEADROOM, *room = netport_room(&t->port);
    uint8_t *frame = room ? room : own;
    ssize_t n = read(t->fd, frame - header, header + PACKET_MOST);

    if (n <= (ssize_t)header)
        return n > 0;
    memcpy(&t->header, frame - header, header);
    n -= (ssize_t)header;
    t->large = n >= LARGE_FRAME;
    if (deliver(t, frame, (size_t)n))
        return true;
    if (room) /* which is his again */
        memcpy(own, room, (size_t)n);
    t->kept = (size_t)n;
    stop_reading(t);
    return true;
}

static bool open_ring(struct tap *t)
{
    if (!t->ring && !t->no_ring)
        t->no_ring = tap_ring_open(&t->ring, t->fd) < 0;
    return t->ring;
}

/* The kernel is not as we took it for. */
static void give_up_ring(struct tap *t)
{
    tap_ring_close(t->ring);
    t->ring = NULL;
    t->no_ring = true;
}

static uint8_t *slot(const struct tap *t, unsigned i)
{
    return t->slots + (size_t)i * SLOT_BYTES + NETPORT_HEADROOM;
}

static void deliver_reads(struct tap *t)
{
    size_t header = header_bytes(t);

    for (; t->read_next < t->read_count; t->read_next++) {
        const struct tap_read *r = &t->reads[t->read_next];
        const uint8_t *frame = slot(t, r->slot);

        if (r->bytes <= header)
            continue;
        memcpy(&t->header, frame - header, header);
        t->large = r->bytes >= LARGE_FRAME;
        if (!deliver(t, frame, r->bytes - header)) {
            stop_reading(t);
            return;
        }
    }
}

/* Several at once, which costs a copy of each. How many; there may be more where it is READS_MOST. */
static unsigned read_many(struct tap *t)
{
    size_t header = header_bytes(t);
    struct iovec iov[READS_MOST];

    for (unsigned i = 0; i < READS_MOST; i++)
        iov[i] = (struct iovec){ slot(t, i) - header, header + PACKET_MOST };
    t->read_next = 0;
    if (!tap_ring_read(t->ring, iov, READS_MOST, t->reads, &t->read_count))
        give_up_ring(t);
    deliver_reads(t);
    return t->read_count;
}

static bool reads_many(struct tap *t)
{
    if (!t->batch || t->large || t->frames < 2 || !open_ring(t))
        return false;
    if (!t->slots)
        t->slots = malloc((size_t)READS_MOST * SLOT_BYTES);
    return t->slots;
}

static void read_frames(struct tap *t)
{
    unsigned n = 0, more = 1;

    while (more && n < FRAMES_A_PASS && t->fd >= 0 && !t->full) {
        bool many = reads_many(t);
        unsigned got = many ? read_many(t) : read_frame(t);

        more = got == (many ? READS_MOST : 1);
        n += got;
    }
    t->frames = n;
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

    if (!t->full || (t->kept && !deliver(t, t->buffer + NETPORT_HEADROOM, t->kept)))
        return;
    t->kept = 0;
    t->full = false;
    deliver_reads(t);
    if (!t->full)
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

/* 0 or -EAGAIN. */
static int judge_write(struct tap *t, int64_t result)
{
    if (result == -EAGAIN) {
        t->blocked = true;
        want(t);
        return -EAGAIN;
    }
    if (result < 0) /* the interface is down (EIO), or the frame is nonsense (EINVAL) */
        t->port.stats.tx_dropped++;
    return 0;
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
    return judge_write(t, writev(t->fd, all, (int)(n + count)) < 0 ? -errno : 0);
}

/* The frame with its header right before it. */
static struct iovec with_header(const struct tap *t, struct netport_frame *f)
{
    struct virtio_net_hdr h = to_header(&f->off);
    size_t bytes = header_bytes(t);

    memcpy(f->bytes - bytes, &h, bytes);
    return (struct iovec){ f->bytes - bytes, f->length + bytes };
}

static void write_frame(struct tap *t, struct netport_frame *f)
{
    struct iovec iov = with_header(t, f);

    f->rc = judge_write(t, write(t->fd, iov.iov_base, iov.iov_len) < 0 ? -errno : 0);
}

static void write_by_ring(struct tap *t, struct netport_frame *frames, unsigned count)
{
    struct iovec iov[TAP_RING_MOST] = { { NULL, 0 } };
    int32_t results[TAP_RING_MOST];
    bool good;

    for (unsigned i = 0; i < count; i++)
        iov[i] = with_header(t, &frames[i]);
    good = tap_ring_write(t->ring, iov, results, count);
    for (unsigned i = 0; i < count; i++)
        if (results[i] != TAP_RING_NOT_MADE)
            frames[i].rc = judge_write(t, results[i]);
    if (good)
        return;
    give_up_ring(t);
    for (unsigned i = 0; i < count; i++)
        if (results[i] == TAP_RING_NOT_MADE)
            write_frame(t, &frames[i]);
}

static void tap_send_many(struct netport *p, struct netport_frame *frames, unsigned count)
{
    struct tap *t = tap_of(p);
    unsigned n;

    for (; count; frames += n, count -= n) {
        n = MIN(count, TAP_RING_MOST);
        if (t->batch && n > 1 && open_ring(t)) {
            write_by_ring(t, frames, n);
            continue;
        }
        for (unsigned i = 0; i < n; i++)
            write_frame(t, &frames[i]);
    }
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
    t->kept = t->read_next = t->read_count = 0;
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
    tap_ring_close(tap_of(p)->ring);
    free(tap_of(p)->buffer);
    free(tap_of(p)->slots);
    free(tap_of(p));
}

static const struct netport_kind tap_kind = {
    .attach = tap_attach, .detach = tap_detach, .accept = tap_accept, .send = tap_send,
    .send_many = tap_send_many, .offload_rx = tap_offload_rx, .hang_up = tap_hang_up, .close = tap_close,
};

static bool in_pv_domain(void)
{
    char type[8] = "";
    FILE *f = fopen("/sys/hypervisor/guest_type", "re");
    bool pv = f && fgets(type, sizeof(type), f) && !strcmp(type, "PV\n");

    if (f)
        fclose(f);
    return pv;
}

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
    t->buffer = malloc(NETPORT_HEADROOM + PACKET_MOST);
    if (rc == 0 && !t->buffer)
        rc = error_set(err, -ENOMEM, "netdev %s: out of memory", c->id);
    if (rc == 0)
        rc = c->fd >= 0 ? adopt(t, c->fd, err) : make_interface(t, c->ifname, c->queues, err);
    if (rc < 0)
        return rc;
    if (t->vnet && ioctl(t->fd, TUNSETVNETHDRSZ, &header) < 0)
        return error_errno(err, "tap %s: set the size of its packet header", c->ifname);
    t->port.offloads = t->vnet;
    t->batch = c->batch || in_pv_domain();
    tap_offload_rx(&t->port, false, false);
    set_carrier(t, 0);
    return 0;
}
