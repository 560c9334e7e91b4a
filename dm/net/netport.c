/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netports: what is the same for every kind, and the one that drops all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/tape.h"
#include "dm/net/internal.h"
#include "dm/net/packet.h"

int netport_name(struct netport *p, const char *id, const char *info, struct error *err)
{
    p->id = strdup(id);
    p->info = strdup(info);
    return p->id && p->info ? 0 : error_set(err, -ENOMEM, "netdev %s: out of memory", id);
}

/* ---- The kind "null": a cable that leads nowhere ---- */

static int null_attach(struct netport *p, struct error *err)
{
    return 0;
}

static void null_nothing(struct netport *p)
{
}

static int null_send(struct netport *p, const struct iovec *iov, unsigned count,
                     const struct offload *off)
{
    return 0;
}

static void null_close(struct netport *p)
{
    free(p);
}

static const struct netport_kind null_kind = {
    .attach = null_attach, .detach = null_nothing, .accept = null_nothing, .send = null_send,
    .hang_up = null_nothing, .close = null_close,
};

static int null_open(struct netport **out, const struct netport_config *c, struct error *err)
{
    struct netport *p = calloc(1, sizeof(*p));

    if (!p)
        return error_set(err, -ENOMEM, "netdev %s: out of memory", c->id);
    p->kind = &null_kind;
    p->offloads = c->offloads;
    *out = p;
    return netport_name(p, c->id, "null", err);
}

/* ---- All kinds ---- */

int netport_open(struct netport **out, const struct netport_config *c, struct error *err)
{
    struct netport *p = NULL;
    int rc;

    if (!strcmp(c->kind, "tap"))
        rc = tap_open(&p, c, err);
    else if (!strcmp(c->kind, "user"))
        rc = user_open(&p, c, err);
    else if (!strcmp(c->kind, "null"))
        rc = null_open(&p, c, err);
    else
        rc = error_set(err, -EINVAL, "netdev %s: there is no kind %s; use tap or user", c->id,
                       c->kind);
    if (rc < 0) {
        netport_close(p);
        return rc;
    }
    *out = p;
    return 0;
}

void netport_close(struct netport *p)
{
    if (!p)
        return;
    free(p->id);
    free(p->info);
    free(p->scratch);
    p->kind->close(p);
}

const char *netport_id(const struct netport *p)
{
    return p->id;
}

const char *netport_info(const struct netport *p)
{
    return p->info;
}

int netport_attach(struct netport *p, struct loop *loop, const struct netport_user *user,
                   void *owner, struct error *err)
{
    int rc;

    if (p->user)
        return error_set(err, -EBUSY, "netdev %s: two devices use it", p->id);
    p->loop = loop;
    p->user = user;
    p->owner = owner;
    rc = p->kind->attach(p, err);
    if (rc < 0)
        p->user = NULL;
    return rc;
}

void netport_detach(struct netport *p)
{
    if (!p->user)
        return;
    p->kind->detach(p);
    p->user = NULL;
}

void netport_writable(struct netport *p)
{
    struct tape *tape;

    if (!p->user || !p->user->writable)
        return;
    tape = tape_event(TAPE_WRITABLE, p->id);
    p->user->writable(p->owner);
    tape_end(tape);
}

void netport_accept(struct netport *p)
{
    if (p->user && !p->gone)
        p->kind->accept(p);
    tape_reply(NULL, 0); /* after what was received meanwhile */
}

void netport_hang_up(struct netport *p)
{
    if (p->gone)
        return;
    p->gone = true;
    p->kind->hang_up(p);
}

unsigned netport_rooms(struct netport *p, uint8_t **places, unsigned most)
{
    return p->user && p->user->rooms ? p->user->rooms(p->owner, places, most) : 0;
}

bool netport_deliver(struct netport *p, const uint8_t *frame, size_t length,
                     const struct offload *off)
{
    static const struct offload none;
    struct tape *tape;
    bool taken;

    if (!p->user || p->link_down)
        return true;
    off = off ? off : &none;
    tape = tape_event(TAPE_FRAME, p->id);
    tape_bytes(tape, off, sizeof(*off));
    tape_bytes(tape, frame, length);
    taken = p->user->receive(p->owner, frame, length, off);
    tape_end(tape);
    if (!taken) {
        p->stats.rx_paused++;
        return false;
    }
    p->stats.rx_frames++;
    p->stats.rx_bytes += length;
    return true;
}

bool netport_offload_rx(struct netport *p, bool csum, unsigned gso)
{
    return p->kind->offload_rx ? p->kind->offload_rx(p, csum, gso) : !csum && !gso;
}

bool netport_offload_tx(const struct netport *p)
{
    return p->offloads;
}

static size_t total(const struct iovec *iov, unsigned count)
{
    size_t n = 0;

    for (unsigned i = 0; i < count; i++)
        n += iov[i].iov_len;
    return n;
}

static int send_here(struct netport *p, const struct iovec *iov, unsigned count,
                     const struct offload *off)
{
    int rc = p->kind->send(p, iov, count, off);

    tape_reply(&rc, sizeof(rc));
    return rc;
}

static void send_segment(void *arg, const uint8_t *frame, size_t length)
{
    struct netport *p = arg;
    struct iovec iov = { (void *)(uintptr_t)frame, length };

    if (send_here(p, &iov, 1, NULL) < 0)
        p->stats.tx_dropped++;
}

/* The port takes no offloads: the frame is made whole, or cut, in our own memory. */
static int send_in_software(struct netport *p, const struct iovec *iov, unsigned count,
                            const struct offload *off)
{
    size_t at = 0;
    struct iovec whole;

    if (!p->scratch)
        p->scratch = malloc(2 * PACKET_MOST);
    if (!p->scratch || total(iov, count) > PACKET_MOST) {
        p->stats.tx_dropped++;
        return 0;
    }
    for (unsigned i = 0; i < count; i++) {
        memcpy(p->scratch + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    if (off->gso != GSO_NONE) {
        if (!packet_segment(p->scratch, at, off, p->scratch + PACKET_MOST, send_segment, p))
            p->stats.tx_dropped++;
        return 0;
    }
    if (!packet_fill_checksum(p->scratch, at, off)) {
        p->stats.tx_dropped++;
        return 0;
    }
    whole = (struct iovec){ p->scratch, at };
    return send_here(p, &whole, 1, NULL);
}

int netport_send(struct netport *p, const struct iovec *iov, unsigned count,
                 const struct offload *off)
{
    size_t bytes = total(iov, count);
    bool wants = off && (off->needs_csum || off->gso != GSO_NONE);
    int rc;

    if (p->gone || p->link_down || !bytes) {
        p->stats.tx_dropped++;
        return 0;
    }
    rc = wants && !p->offloads ? send_in_software(p, iov, count, off)
                               : send_here(p, iov, count, wants ? off : NULL);
    if (rc == 0) {
        p->stats.tx_frames++;
        p->stats.tx_bytes += bytes;
    }
    return rc;
}

void netport_send_many(struct netport *p, struct netport_frame *frames, unsigned count)
{
    if (p->kind->send_many && p->offloads && !p->gone && !p->link_down && !tape_here()) {
        p->kind->send_many(p, frames, count);
        for (unsigned i = 0; i < count; i++) {
            p->stats.tx_frames += frames[i].rc == 0;
            p->stats.tx_bytes += frames[i].rc == 0 ? frames[i].length : 0;
        }
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        struct iovec iov = { frames[i].bytes, frames[i].length };

        frames[i].rc = netport_send(p, &iov, 1, &frames[i].off);
    }
}

void netport_set_link(struct netport *p, bool up)
{
    struct tape *tape;

    if (p->link_down == !up)
        return;
    p->link_down = !up;
    if (!p->user || !p->user->link)
        return;
    tape = tape_event(TAPE_LINK, p->id);
    tape_number(tape, up);
    p->user->link(p->owner, up);
    tape_end(tape);
}

bool netport_link(const struct netport *p)
{
    return !p->link_down && !p->gone;
}

static void play_frame(struct netport *p, struct tape *tape)
{
    uint8_t *frame = malloc(PACKET_MOST);
    struct offload off;
    size_t length;

    if (!frame || tape_take_bytes(tape, &off, sizeof(off)) != sizeof(off)) {
        tape_diverge(tape, "a frame without its header");
    } else {
        length = tape_take_bytes(tape, frame, PACKET_MOST);
        netport_deliver(p, frame, length, &off);
    }
    free(frame);
}

void netport_play(struct netport *p, struct tape *tape, unsigned kind)
{
    if (kind == TAPE_FRAME)
        play_frame(p, tape);
    else if (kind == TAPE_WRITABLE)
        netport_writable(p);
    else
        netport_set_link(p, tape_take_number(tape));
}

struct netport_stats netport_get_stats(const struct netport *p)
{
    return p->stats;
}
