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
#include "dm/net/merge.h"
#include "dm/net/packet.h"
#include "dm/net/tap_ring.h"

#define FRAMES_A_PASS 64
#define FRAMES_A_BATCH 256
#define IOV_MOST 64
#define LARGE_FRAME 4096u
#define READS_LEAST 8u
#define READS_MOST 48u /* more than small frames of one stream that are one */
#define SLOT_BYTES (ROUND_UP(NETPORT_HEADROOM + PACKET_MOST, 64u))

/* What leaves together: frames as they are, or several of a stream as one. */
struct trains {
    struct iovec iov[2 * TAP_RING_MOST];
    struct tap_frame whole[TAP_RING_MOST];
    unsigned frames[TAP_RING_MOST]; /* in each */
    struct merge merges[TAP_RING_MOST];
    int32_t results[TAP_RING_MOST];
    unsigned count;
};

struct tap {
    struct netport port;
    int fd;
    struct watch *watch;
    bool vnet;
    bool blocked; /* a send found no room: tell the user when there is */
    bool full;    /* the user has no room: what was read waits */
    unsigned segments; /* GSO_*: the user takes frames that are to be cut so */
    struct netport_frame kept; /* the user has not taken it, and it stays where it is. No length: there is none */
    uint8_t *buffer; /* NETPORT_HEADROOM, then a frame */
    bool batch;
    bool no_ring;    /* the host has none, or none that is any good for taps */
    struct tap_ring *ring; /* NULL: not needed yet */
    unsigned frames; /* of the last pass */
    unsigned ask;    /* how many to read at once the next time */
    bool large;      /* the last frame was */
    uint8_t *slots;  /* as `buffer`, for frames that are read together; NULL: not needed yet */
    uint8_t *places[READS_MOST]; /* where these are: in `slots`, or the user's */
    bool in_rooms;
    struct tap_read reads[READS_MOST];
    unsigned read_count, read_next; /* read_next < read_count: the user has not taken these */
    struct merge merge;     /* of frames on their way to the user */
    struct trains trains;
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

static size_t header_bytes(const struct tap *t)
{
    return t->vnet ? sizeof(struct virtio_net_hdr) : 0;
}

/* What was read there, with the tap's header before it. */
static struct netport_frame frame_at(const struct tap *t, uint8_t *bytes, size_t length)
{
    struct virtio_net_hdr h = { .flags = 0 };
    size_t header = header_bytes(t);

    memcpy(&h, bytes - header, header);
    return (struct netport_frame){ .bytes = bytes, .length = length > header ? length - header : 0,
                                   .off = to_offload(&h) };
}

static void offer(struct tap *t, const struct netport_frame *f)
{
    if (!f->length || netport_deliver(&t->port, f->bytes, f->length, &f->off))
        return;
    t->kept = *f;
    t->full = true;
    want(t);
}

/* Where the next frame is to lie: in the user's own memory where he has some. */
static uint8_t *place(struct tap *t)
{
    uint8_t *p = t->buffer + NETPORT_HEADROOM;

    netport_rooms(&t->port, &p, 1);
    return p;
}

/* False: there is none. */
static bool read_frame(struct tap *t)
{
    size_t header = header_bytes(t);
    uint8_t *bytes = place(t);
    ssize_t n = read(t->fd, bytes - header, header + PACKET_MOST);
    struct netport_frame f;

    if (n <= 0)
        return false;
    f = frame_at(t, bytes, (size_t)n);
    t->large = f.length >= LARGE_FRAME;
    offer(t, &f);
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

static struct netport_frame nth_read(const struct tap *t, unsigned i)
{
    const struct tap_read *r = &t->reads[i];

    return frame_at(t, t->places[r->slot], r->bytes);
}

/*
 * The next of those that were read, and as one with it what follows it in its stream. How many that are; the
 * payload of each is copied to its place in the whole, which is where the first was read to if that is the
 * user's own memory.
 */
static unsigned take_read(struct tap *t, struct netport_frame *f)
{
    struct merge *m = &t->merge;
    unsigned i = t->read_next;
    uint8_t *whole = NULL;
    size_t at, end;

    *f = nth_read(t, i++);
    if (!t->segments || i == t->read_count || !merge_begin(m, f->bytes, f->length, &f->off) ||
        !(t->segments & m->off.gso))
        return 1;
    for (; i < t->read_count; i++) {
        struct netport_frame next = nth_read(t, i);

        end = m->length;
        at = merge_add(m, next.bytes, next.length, &next.off);
        if (!at)
            break;
        if (!whole) {
            whole = t->in_rooms ? f->bytes : place(t);
            memmove(whole, f->bytes, f->length);
        }
        memcpy(whole + end, next.bytes + at, next.length - at);
    }
    if (whole) {
        merge_end(m);
        memcpy(whole, m->header, m->off.header_bytes);
        *f = (struct netport_frame){ .bytes = whole, .length = m->length, .off = m->off };
    }
    return m->frames;
}

static void deliver_reads(struct tap *t)
{
    while (t->read_next < t->read_count && !t->full) {
        struct netport_frame f;

        t->read_next += take_read(t, &f);
        offer(t, &f);
    }
}

/* Large frames are read to where they are copied to the guest from, small ones to memory of ours. */
static unsigned find_places(struct tap *t, unsigned most)
{
    unsigned n = t->large ? netport_rooms(&t->port, t->places, most) : 0;

    t->in_rooms = n > 1;
    if (t->in_rooms)
        return n;
    for (unsigned i = 0; i < most; i++)
        t->places[i] = t->slots + (size_t)i * SLOT_BYTES + NETPORT_HEADROOM;
    return most;
}

/* Several at once. False: there are no more. */
static bool read_many(struct tap *t, unsigned *frames)
{
    size_t header = header_bytes(t);
    unsigned ask = find_places(t, MIN(MAX(t->ask, READS_LEAST), READS_MOST));
    struct iovec iov[READS_MOST];
    struct tap_frame slots[READS_MOST];
    bool more;

    for (unsigned i = 0; i < ask; i++) {
        iov[i] = (struct iovec){ t->places[i] - header, header + PACKET_MOST };
        slots[i] = (struct tap_frame){ &iov[i], 1 };
    }
    t->read_next = 0;
    if (!tap_ring_read(t->ring, slots, ask, t->reads, &t->read_count))
        give_up_ring(t);
    more = t->read_count == ask;
    t->ask = more ? 2 * ask : MAX(ask / 2, t->read_count);
    if (t->read_count)
        t->large = t->reads[t->read_count - 1].bytes >= LARGE_FRAME;
    *frames += t->read_count;
    deliver_reads(t);
    return more;
}

static bool reads_many(struct tap *t)
{
    if (!t->batch || t->frames < 2 || !open_ring(t))
        return false;
    if (!t->slots)
        t->slots = malloc((size_t)READS_MOST * SLOT_BYTES);
    return t->slots;
}

static void read_frames(struct tap *t)
{
    unsigned n = 0, most = t->batch ? FRAMES_A_BATCH : FRAMES_A_PASS;
    bool more = true;

    while (more && n < most && t->fd >= 0 && !t->full) {
        if (reads_many(t)) {
            more = read_many(t, &n);
        } else {
            more = read_frame(t);
            n += more;
        }
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
    struct netport_frame kept = t->kept;

    if (!t->full)
        return;
    t->kept.length = 0;
    t->full = false;
    offer(t, &kept);
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
static int judge_write(struct tap *t, int64_t result, unsigned frames)
{
    if (result == -EAGAIN) {
        t->blocked = true;
        want(t);
        return -EAGAIN;
    }
    if (result < 0) /* the interface is down (EIO), or the frame is nonsense (EINVAL) */
        t->port.stats.tx_dropped += frames;
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
    return judge_write(t, writev(t->fd, all, (int)(n + count)) < 0 ? -errno : 0, 1);
}

/* A header of the tap's right before a frame, or before the header of one. */
static struct iovec with_header(const struct tap *t, uint8_t *bytes, size_t length, const struct offload *off)
{
    struct virtio_net_hdr h = to_header(off);
    size_t header = header_bytes(t);

    memcpy(bytes - header, &h, header);
    return (struct iovec){ bytes - header, length + header };
}

/* Makes one of the first of them: how many those are. */
static unsigned form_train(const struct tap *t, struct netport_frame *f, unsigned count, struct merge *m,
                           struct tap_frame *whole)
{
    struct iovec *iov = whole->iov;
    bool more = count > 1 && merge_begin(m, f->bytes, f->length, &f->off);
    unsigned n = 1;
    size_t at;

    for (; more && n < count; n++) {
        at = merge_add(m, f[n].bytes, f[n].length, &f[n].off);
        if (!at)
            break;
        iov[n + 1] = (struct iovec){ f[n].bytes + at, f[n].length - at };
    }
    if (n > 1) {
        merge_end(m);
        iov[0] = with_header(t, m->header, m->off.header_bytes, &m->off);
        iov[1] = (struct iovec){ f->bytes + m->off.header_bytes, f->length - m->off.header_bytes };
    } else {
        iov[0] = with_header(t, f->bytes, f->length, &f->off);
    }
    whole->pieces = n > 1 ? n + 1 : 1;
    return n;
}

static void form_trains(const struct tap *t, struct trains *r, struct netport_frame *frames, unsigned count)
{
    struct iovec *iov = r->iov;

    r->count = 0;
    for (unsigned i = 0; i < count; i += r->frames[r->count++]) {
        r->whole[r->count].iov = iov;
        r->frames[r->count] = form_train(t, &frames[i], count - i, &r->merges[r->count], &r->whole[r->count]);
        iov += r->whole[r->count].pieces;
    }
}

static void write_trains(struct tap *t, struct trains *r)
{
    bool by_ring = t->batch && r->count > 1 && open_ring(t);

    if (by_ring && tap_ring_write(t->ring, r->whole, r->results, r->count))
        return;
    if (by_ring)
        give_up_ring(t);
    for (unsigned i = 0; i < r->count; i++)
        if (!by_ring || r->results[i] == TAP_RING_NOT_MADE)
            r->results[i] = writev(t->fd, r->whole[i].iov, (int)r->whole[i].pieces) < 0 ? -errno : 0;
}

static void send_trains(struct tap *t, struct netport_frame *frames, unsigned count)
{
    struct trains *r = &t->trains;
    int rc;

    form_trains(t, r, frames, count);
    write_trains(t, r);
    for (unsigned i = 0; i < r->count; frames += r->frames[i++]) {
        rc = judge_write(t, r->results[i], r->frames[i]);
        for (unsigned n = 0; n < r->frames[i]; n++)
            frames[n].rc = rc;
    }
}

static void tap_send_many(struct netport *p, struct netport_frame *frames, unsigned count)
{
    struct tap *t = tap_of(p);
    unsigned n;

    for (; count; frames += n, count -= n) {
        n = MIN(count, TAP_RING_MOST);
        send_trains(t, frames, n);
    }
}

static bool tap_offload_rx(struct netport *p, bool csum, unsigned gso)
{
    struct tap *t = tap_of(p);
    unsigned flags = csum ? TUN_F_CSUM : 0;

    gso = csum ? gso : 0;
    flags |= (gso & GSO_TCPV4 ? TUN_F_TSO4 : 0) | (gso & GSO_TCPV6 ? TUN_F_TSO6 : 0);
    if (!t->vnet)
        return !flags;
    if (ioctl(t->fd, TUNSETOFFLOAD, flags) < 0)
        return false;
    t->segments = gso;
    return true;
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
    t->kept.length = t->read_next = t->read_count = 0;
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
    tap_offload_rx(&t->port, false, 0);
    set_carrier(t, 0);
    return 0;
}
