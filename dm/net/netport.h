/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_NET_NETPORT_H
#define DM_NET_NETPORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
struct error;
struct loop;
struct tape;

/*
 * A netport: where frames leave the guest and come in (a tap, user networking, nothing). It lives
 * on the loop of the NIC that uses it, from netport_attach() on. Frames are whole Ethernet frames
 * without FCS.
 */
struct netport;

/* What travels beside a frame: the meanings of struct virtio_net_hdr (linux/virtio_net.h). */
struct offload {
    bool needs_csum;      /* the checksum at csum_start + csum_offset is still to be filled in */
    bool data_valid;      /* received: the checksums are known to be good */
    uint8_t gso;          /* GSO_NONE, GSO_TCPV4, GSO_TCPV6 */
    bool ecn;
    uint16_t header_bytes; /* Ethernet to the end of TCP */
    uint16_t gso_size;     /* MSS */
    uint16_t csum_start, csum_offset;
};
#define NETPORT_HEADROOM 16u /* bytes before a frame, for the port to write in */
#define GSO_NONE 0
#define GSO_TCPV4 1
#define GSO_TCPV6 4

struct netport_config {
    const char *id;     /* "net0" */
    const char *kind;   /* "tap", "user", "null", "test" */
    const char *ifname; /* tap */
    int fd;             /* tap: an open one, or -1 */
    bool queues;        /* tap: one of several ports of the same name, each with a part of the flows */
    bool batch;         /* tap: few system calls, though many frames; it is so in a PV domain in any case */
    const char *hostname, *tftp, *bootfile; /* user; may be NULL */
    bool offloads; /* null: takes frames as if it could complete and cut them */
};

/* Creates and opens; the tap exists when this returns. The kind "user" needs libslirp. */
int netport_open(struct netport **out, const struct netport_config *config, struct error *err);
void netport_close(struct netport *port); /* detached; a tap we made disappears; NULL is fine */
const char *netport_id(const struct netport *port);
const char *netport_info(const struct netport *port); /* a line for people: "tap,ifname=..." */

struct netport_user {
    /*
     * A frame came; it is yours to copy before you return. False: no room now; the port keeps it
     * and stops reading until netport_accept().
     */
    bool (*receive)(void *owner, const uint8_t *frame, size_t length, const struct offload *off);
    /*
     * Where the next frames may be put at once: up to `most` places in the order of memory, PACKET_MOST bytes
     * each and NETPORT_HEADROOM before them; how many. What comes there is received there, in any order, and
     * they are the port's until all of it was; what was refused waits there. May be NULL, or give none: the
     * port uses memory of its own.
     */
    unsigned (*rooms)(void *owner, uint8_t **places, unsigned most);
    /* netport_send() said -EAGAIN earlier; there may be room now. May be NULL. */
    void (*writable)(void *owner);
    void (*link)(void *owner, bool up); /* the cable was plugged in or pulled; may be NULL */
};
int netport_attach(struct netport *port, struct loop *loop, const struct netport_user *user,
                   void *owner, struct error *err);
void netport_detach(struct netport *port);
void netport_accept(struct netport *port); /* the user has room again */
/* The host end goes away for good: a tap we made disappears. Frames sent after it are dropped. */
void netport_hang_up(struct netport *port);

/*
 * Which offloads the user can take in `receive`: checksums to be filled in, and with these GSO frames
 * to 64 KiB of some kinds (GSO_TCPV4 | GSO_TCPV6). Returns false where the port cannot (then it never
 * sends them, and the sender must not).
 */
bool netport_offload_rx(struct netport *port, bool csum, unsigned gso);
bool netport_offload_tx(const struct netport *port); /* whether netport_send() takes offloads */

/*
 * Sends one frame now or drops it, as a wire does: 0, or -EAGAIN where the host has no room (then
 * `writable` is called later). `off` may be NULL. Where the port takes no offloads, it fills the
 * checksum in and cuts GSO frames by itself, so a device need not care.
 */
int netport_send(struct netport *port, const struct iovec *iov, unsigned count,
                 const struct offload *off);
/*
 * The same for each of them in order, in as few calls of the host as can be: `rc` says how it went. Where
 * it is -EAGAIN later ones may have left all the same. Frames of one TCP stream that follow each other may
 * leave as one that is to be cut. The bytes of a frame stay as they are: it may be sent again.
 */
struct netport_frame {
    uint8_t *bytes; /* NETPORT_HEADROOM bytes before it are the port's to write */
    size_t length;
    struct offload off;
    int rc;
};
void netport_send_many(struct netport *port, struct netport_frame *frames, unsigned count);
/* Whether a cable is plugged in (set_link). */
void netport_set_link(struct netport *port, bool up);
bool netport_link(const struct netport *port);

/* What was recorded as TAPE_FRAME, TAPE_WRITABLE or TAPE_LINK for this port. */
void netport_play(struct netport *port, struct tape *tape, unsigned kind);

struct netport_stats {
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, tx_dropped, rx_paused;
};
struct netport_stats netport_get_stats(const struct netport *port);
#endif
