/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmitting. Document: 8254x manual, "Packet Transmission". A packet is taken whole: its
 * descriptors are read once, its bytes gathered, and only when the host has taken it are the
 * descriptors written back and the head moved. So nothing of a packet is ever half done.
 */
#include <errno.h>
#include <string.h>
#include "devices/net/e1000/internal.h"
#include "dm/base/bytes.h"
#include "dm/base/log.h"
#include "dm/memory/memory.h"
#include "dm/net/packet.h"

#define DESCRIPTOR 16u
#define DESCRIPTORS_A_PACKET 256
#define PACKETS_A_PASS 256
#define FRAME_MOST 16288u /* unless it is cut */
#define DELAY_UNIT 1024u  /* ns: TIDV counts 1.024 us */

#define CMD_EOP 0x01
#define CMD_IFCS 0x02
#define CMD_IC 0x04  /* legacy: insert checksum */
#define CMD_TSE 0x04 /* extended: segment */
#define CMD_RS 0x08
#define CMD_RPS 0x10
#define CMD_DEXT 0x20
#define CMD_VLE 0x40
#define CMD_IDE 0x80
#define TYPE_CONTEXT 0
#define TYPE_DATA 1
#define STATUS_DD 0x01
#define POPTS_IXSM 0x01
#define POPTS_TXSM 0x02
#define TUCMD_TCP 0x01
#define TUCMD_IPV4 0x02
#define TUCMD_TSE 0x04

struct packet {
    size_t length;
    unsigned count; /* descriptors */
    bool bad;       /* longer than any packet can be: it is dropped */
    bool extended, segment;
    uint8_t cmd;      /* of the last descriptor */
    uint8_t popts;    /* of the first */
    uint8_t css, cso; /* legacy */
    uint16_t special;
    bool report[DESCRIPTORS_A_PACKET]; /* wants its status written back */
};

static uint64_t ring_base(struct e1000 *e)
{
    return e1000_get(e, TDBAL) | (uint64_t)e1000_get(e, TDBAH) << 32;
}

static unsigned ring_size(struct e1000 *e)
{
    return e1000_get(e, TDLEN) / DESCRIPTOR;
}

static void take_context(struct e1000 *e, const uint8_t *d)
{
    uint32_t length = get_le32(d + 8);
    struct e1000_context *c = &e->regs->context[length >> 24 & TUCMD_TSE ? 1 : 0];

    *c = (struct e1000_context){
        .ipcss = d[0],
        .ipcso = d[1],
        .ipcse = get_le16(d + 2),
        .tucss = d[4],
        .tucso = d[5],
        .tucse = get_le16(d + 6),
        .paylen = length & 0xfffff,
        .tucmd = d[11],
        .hdrlen = d[13],
        .mss = get_le16(d + 14),
    };
}

/* Adds a descriptor's buffer to the packet. */
static void gather(struct e1000 *e, struct packet *p, uint64_t addr, size_t length)
{
    if (length > TX_MOST - p->length) {
        p->bad = true;
        return;
    }
    pci_dma_read(&e->fn, addr, e->buffer + p->length, length);
    p->length += length;
}

/* One descriptor into the packet; true where it was the packet's last. */
static bool take(struct e1000 *e, struct packet *p, const uint8_t *d)
{
    uint32_t lower = get_le32(d + 8);
    uint8_t cmd = d[11];
    bool extended = cmd & CMD_DEXT;

    p->report[p->count++] = cmd & (CMD_RS | CMD_RPS);
    if (extended && (lower >> 20 & 0xf) == TYPE_CONTEXT) {
        take_context(e, d);
        return p->length == 0; /* by itself it is complete: there is nothing to send */
    }
    if (!p->length && !p->bad) {
        p->extended = extended;
        p->segment = extended && cmd & CMD_TSE;
        p->popts = extended ? d[13] : 0;
    }
    if (!extended) {
        p->cso = d[10];
        p->css = d[13];
    }
    p->special = get_le16(d + 14);
    p->cmd = cmd;
    gather(e, p, get_le64(d), extended ? lower & 0xfffff : lower & 0xffff);
    return cmd & CMD_EOP;
}

/* "Checksum Context": the ones' complement sum from `start` to `end` (0: to the packet's), at `at`.
 */
static void insert_sum(uint8_t *frame, size_t length, unsigned start, unsigned at, unsigned end)
{
    size_t stop = end ? MIN(end + 1u, length) : length;
    uint16_t sum;

    if (start >= stop || at + 2u > length)
        return;
    sum = packet_fold(packet_sum(frame + start, stop - start, 0));
    memcpy(frame + at, &sum, 2);
}

static void zero_and_sum(uint8_t *frame, size_t length, unsigned start, unsigned at, unsigned end)
{
    if (at + 2u <= length)
        memset(frame + at, 0, 2);
    insert_sum(frame, length, start, at, end);
}

/*
 * A packet to be segmented: the driver has left length and checksums of the headers for the card
 * to fill in. False where the headers are not what the context says.
 */
static bool prepare_segments(struct e1000 *e, uint8_t *f, size_t length, struct offload *off)
{
    const struct e1000_context *c = &e->regs->context[1];
    bool v4 = c->tucmd & TUCMD_IPV4;
    size_t ip = c->ipcss, tcp = c->tucss, tcp_bytes;
    uint8_t tail[4] = { 0, 6 };
    uint32_t sum;

    if (!(c->tucmd & TUCMD_TCP) || !c->mss || c->hdrlen >= length || tcp + 20 > c->hdrlen ||
        ip + (v4 ? 20u : 40u) > tcp || length - ip > 65535 || c->tucso != tcp + 16)
        return false;
    tcp_bytes = length - tcp;
    if (v4) {
        put_be16(f + ip + 2, (uint16_t)(length - ip));
        zero_and_sum(f, length, c->ipcss, c->ipcso, c->ipcse);
        sum = packet_sum(f + ip + 12, 8, 0);
    } else {
        put_be16(f + ip + 4, (uint16_t)(length - ip - 40));
        sum = packet_sum(f + ip + 8, 32, 0);
    }
    put_be16(tail + 2, (uint16_t)tcp_bytes);
    sum = packet_sum(tail, sizeof(tail), sum);
    {
        uint16_t pseudo = (uint16_t)~packet_fold(sum); /* uncomplemented: the rest is added to it */

        memcpy(f + tcp + 16, &pseudo, 2);
    }
    *off = (struct offload){
        .needs_csum = true,
        .gso = v4 ? GSO_TCPV4 : GSO_TCPV6,
        .gso_size = c->mss,
        .header_bytes = c->hdrlen,
        .csum_start = c->tucss,
        .csum_offset = 16,
    };
    return true;
}

static void apply_checksums(struct e1000 *e, const struct packet *p, uint8_t *f, size_t length,
                            struct offload *off)
{
    const struct e1000_context *c = &e->regs->context[0];

    if (!p->extended) {
        if (p->cmd & CMD_IC)
            insert_sum(f, length, p->css, p->cso, 0);
        return;
    }
    if (p->popts & POPTS_IXSM)
        zero_and_sum(f, length, c->ipcss, c->ipcso, c->ipcse);
    if (!(p->popts & POPTS_TXSM))
        return;
    if (c->tucse || c->tucso < c->tucss || !e->port || !netport_offload_tx(e->port)) {
        insert_sum(f, length, c->tucss, c->tucso, c->tucse);
        if (c->tucso + 2u <= length && !get_be16(f + c->tucso))
            put_be16(f + c->tucso, 0xffff); /* to UDP zero would say that there is none */
        return;
    }
    if (c->tucss < length && c->tucso + 2u <= length)
        *off = (struct offload){ .needs_csum = true,
                                 .csum_start = c->tucss,
                                 .csum_offset = (uint16_t)(c->tucso - c->tucss) };
}

/* "802.1q VLAN Support": the tag from the descriptor goes behind the addresses. */
static size_t insert_tag(struct e1000 *e, const struct packet *p, uint8_t *f, size_t length)
{
    if (!(p->cmd & CMD_VLE) || !(e1000_get(e, CTRL) & CTRL_VME) || length < 12 ||
        length + 4 > TX_MOST)
        return 0;
    memmove(f + 16, f + 12, length - 12);
    put_be16(f + 12, (uint16_t)e1000_get(e, VET));
    put_be16(f + 14, p->special);
    return 4;
}

/* As the wire sees it: padded, with FCS, cut. */
static void count_sent(struct e1000 *e, const uint8_t *f, size_t length, const struct offload *off)
{
    static const uint16_t bins[] = { 64, 127, 255, 511, 1023 };
    unsigned bin = 0, frames = 1;
    uint32_t bytes = (uint32_t)MAX(length, 60) + 4, longest = bytes;

    if (off->gso != GSO_NONE) {
        frames = (unsigned)DIV_ROUND_UP(length - off->header_bytes, off->gso_size);
        bytes += (frames - 1) * (off->header_bytes + 4u);
        longest = MIN(longest, off->header_bytes + off->gso_size + 4u);
        e1000_count(e, TSCTC, 1);
    }

    while (bin < ARRAY_SIZE(bins) && longest > bins[bin])
        bin++;
    e1000_count(e, PTC64 + 4 * bin, frames);
    e1000_count(e, TPT, frames);
    e1000_count(e, GPTC, frames);
    e1000_count64(e, TOTL, bytes);
    e1000_count64(e, GOTCL, bytes);
    if (length >= 6 && f[0] & 1)
        e1000_count(e, !memcmp(f, "\xff\xff\xff\xff\xff\xff", 6) ? BPTC : MPTC, frames);
}

/* Sends the gathered packet. False: the host has no room; try again when it has. */
static bool send_packet(struct e1000 *e, const struct packet *p)
{
    struct offload off = { .gso = GSO_NONE };
    size_t length = p->length, tag;
    uint8_t *f = e->buffer;
    struct iovec iov;

    if (p->bad || length < 14 || (!p->segment && length > FRAME_MOST)) {
        if (length || p->bad)
            log_guest("%s: a packet of %zu bytes is not one", device_id(e->fn.dev), length);
        return true;
    }
    if (p->segment) {
        if (!prepare_segments(e, f, length, &off)) {
            log_guest("%s: a packet to be segmented has headers that do not fit",
                      device_id(e->fn.dev));
            return true;
        }
    } else {
        apply_checksums(e, p, f, length, &off);
    }
    tag = insert_tag(e, p, f, length);
    length += tag;
    if (off.needs_csum)
        off.csum_start = (uint16_t)(off.csum_start + tag);
    if (off.header_bytes)
        off.header_bytes = (uint16_t)(off.header_bytes + tag);
    if (e1000_in_loopback(e)) {
        if (off.gso == GSO_NONE && off.needs_csum)
            packet_fill_checksum(f, length, &off);
        e1000_receive(e, f, length, &(struct offload){ .gso = GSO_NONE });
    } else if (e1000_link_up(e)) {
        iov = (struct iovec){ f, length };
        if (netport_send(e->port, &iov, 1, off.needs_csum ? &off : NULL) == -EAGAIN)
            return false;
    }
    count_sent(e, f, length, &off);
    return true;
}

/* Status into the descriptors that asked for it, and the head past them. */
static uint32_t write_back(struct e1000 *e, const struct packet *p, unsigned head)
{
    uint32_t causes = 0;

    for (unsigned i = 0; i < p->count; i++) {
        uint8_t status = STATUS_DD;

        if (p->report[i]) {
            pci_dma_write(&e->fn, ring_base(e) + (uint64_t)head * DESCRIPTOR + 12, &status, 1);
            causes |= INT_TXDW;
        }
        if (++head >= ring_size(e))
            head = 0;
    }
    e1000_set(e, TDH, head);
    return causes;
}

/* The packet at the head, if the guest has written all of it. */
static bool take_packet(struct e1000 *e, struct packet *p, unsigned head, unsigned tail)
{
    memset(p, 0, sizeof(*p));
    while (head != tail) {
        uint8_t d[DESCRIPTOR];

        if (p->count == DESCRIPTORS_A_PACKET) {
            p->bad = true;
            return true;
        }
        pci_dma_read(&e->fn, ring_base(e) + (uint64_t)head * DESCRIPTOR, d, sizeof(d));
        if (take(e, p, d))
            return true;
        if (++head >= ring_size(e))
            head = 0;
    }
    return false;
}

void e1000_on_more(void *arg)
{
    e1000_transmit(arg);
}

void e1000_transmit(struct e1000 *e)
{
    unsigned size = ring_size(e), packets = 0;
    uint32_t causes = 0;
    bool delayed = true;

    if (!(e1000_get(e, TCTL) & TCTL_EN) || !pci_bus_master(&e->fn) || e->in_receive)
        return;
    e->tx_waiting = false;
    while (e1000_get(e, TDH) != e1000_get(e, TDT)) {
        unsigned head = e1000_get(e, TDH), tail = e1000_get(e, TDT);
        struct packet p;

        if (head >= size || tail >= size) { /* pointers outside of the ring: nothing to do */
            log_guest("%s: TDH %u or TDT %u is past the ring of %u", device_id(e->fn.dev), head,
                      tail, size);
            break;
        }
        if (packets++ == PACKETS_A_PASS) { /* others have a turn */
            timer_set_in(&e->more, 0);
            break;
        }
        if (!take_packet(e, &p, head, tail))
            break;
        if (!send_packet(e, &p)) {
            e->tx_waiting = true;
            break;
        }
        causes |= write_back(e, &p, head);
        delayed &= (p.cmd & CMD_IDE) != 0;
    }
    if (e1000_get(e, TDH) == e1000_get(e, TDT) && packets)
        causes |= INT_TXQE;
    if (causes)
        e1000_cause_later(e, causes, delayed ? (e1000_get(e, TIDV) & 0xffff) * DELAY_UNIT : 0);
}
