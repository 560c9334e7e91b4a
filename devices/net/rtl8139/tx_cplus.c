/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmitting in C+ mode: two descriptor rings, checksum offload, large send, VLAN tags; and the
 * dump of the tally counters. Document: RTL8139C(L)+, "Tx Descriptor", "Tally Counter". A packet
 * is taken whole: its descriptors are read once, its bytes gathered, and only when the host has
 * taken it are the descriptors given back. Headers are judged by the bytes that are there, never
 * by what they say of themselves (XSA-140).
 */
#include "devices/net/rtl8139/internal.h"
#include "dm/base/log.h"
#include "dm/net/packet.h"

#define DESCRIPTORS_A_PASS 128
#define LARGE_SEND 0x08000000u
#define MSS(opts1) ((opts1) >> 16 & 0x7ff)
#define SUM_IP 0x00040000u
#define SUM_UDP 0x00020000u
#define SUM_TCP 0x00010000u
#define LENGTH 0x0000ffffu
#define TAG_INSERT 0x00020000u
#define ETH_BYTES 14u
#define ETH_VLAN 0x8100
#define ETH_IPV4 0x0800
#define TCP 6
#define UDP 17

struct packet {
    size_t length;
    bool bad;              /* longer than any packet can be: it is dropped */
    uint32_t opts1, opts2; /* of the first descriptor */
    unsigned count;
    struct {
        uint64_t at;
        uint32_t opts1;
    } descs[RING_MOST];
};

/* Where IPv4 and what it carries lie in a frame; all of it inside of the frame. */
struct headers {
    size_t ip, l4;
    uint8_t protocol;
    bool fragment;
};

static bool find_headers(const uint8_t *f, size_t length, struct headers *h)
{
    h->ip = ETH_BYTES;
    if (length >= ETH_BYTES + 4 && get_be16(f + 12) == ETH_VLAN)
        h->ip += 4;
    if (length < h->ip + 20 || get_be16(f + h->ip - 2) != ETH_IPV4 || f[h->ip] >> 4 != 4)
        return false;
    h->l4 = h->ip + 4u * (f[h->ip] & 0x0f);
    h->protocol = f[h->ip + 9];
    h->fragment = get_be16(f + h->ip + 6) & 0x3fff;
    return h->l4 >= h->ip + 20 && h->l4 <= length;
}

static void sum_ip(uint8_t *f, const struct headers *h)
{
    uint16_t sum;

    memset(f + h->ip + 10, 0, 2);
    sum = packet_fold(packet_sum(f + h->ip, h->l4 - h->ip, 0));
    memcpy(f + h->ip + 10, &sum, 2);
}

/* The pseudo header's sum, not complemented: the rest is added to it. */
static uint16_t pseudo_sum(const uint8_t *f, const struct headers *h, size_t bytes)
{
    uint8_t tail[4] = { 0, h->protocol, (uint8_t)(bytes >> 8), (uint8_t)bytes };

    return (uint16_t)~packet_fold(packet_sum(f + h->ip + 12, 8, packet_sum(tail, 4, 0)));
}

static bool prepare_large_send(uint8_t *f, size_t length, uint32_t opts1, struct offload *off)
{
    struct headers h;
    size_t payload;
    uint16_t pseudo;

    if (!MSS(opts1) || !find_headers(f, length, &h) || h.protocol != TCP || h.fragment ||
        length < h.l4 + 20 || length - h.ip > 65535)
        return false;
    payload = h.l4 + 4u * (f[h.l4 + 12] >> 4);
    if (payload < h.l4 + 20 || payload > length)
        return false;
    put_be16(f + h.ip + 2, (uint16_t)(length - h.ip));
    sum_ip(f, &h);
    pseudo = pseudo_sum(f, &h, length - h.l4);
    memcpy(f + h.l4 + 16, &pseudo, 2);
    *off = (struct offload){ .needs_csum = true, .csum_start = (uint16_t)h.l4, .csum_offset = 16 };
    if (length - payload > MSS(opts1)) {
        off->gso = GSO_TCPV4;
        off->gso_size = (uint16_t)MSS(opts1);
        off->header_bytes = (uint16_t)payload;
    }
    return true;
}

/* Checksums the driver asked for; what is not what it says it is goes out as it came. */
static void apply_checksums(uint8_t *f, size_t length, uint32_t opts1, struct offload *off)
{
    struct headers h;
    size_t total, field;
    uint16_t pseudo;

    if (!(opts1 & (SUM_IP | SUM_UDP | SUM_TCP)) || !find_headers(f, length, &h))
        return;
    if (opts1 & SUM_IP)
        sum_ip(f, &h);
    if (opts1 & SUM_TCP && h.protocol == TCP)
        field = 16;
    else if (opts1 & SUM_UDP && h.protocol == UDP)
        field = 6;
    else
        return;
    total = get_be16(f + h.ip + 2);
    if (h.fragment || h.ip + total > length || h.ip + total < h.l4 + field + 2)
        return;
    pseudo = pseudo_sum(f, &h, h.ip + total - h.l4);
    memcpy(f + h.l4 + field, &pseudo, 2);
    *off = (struct offload){ .needs_csum = true,
                             .csum_start = (uint16_t)h.l4,
                             .csum_offset = (uint16_t)field };
    if (h.ip + total == length)
        return;
    packet_fill_checksum(f, h.ip + total, off); /* padding is not part of the sum */
    off->needs_csum = false;
}

/* The tag lies in the descriptor as it goes on the wire. */
static size_t insert_tag(uint8_t *f, size_t length, uint32_t opts2, struct offload *off)
{
    if (!(opts2 & TAG_INSERT) || length + 4 > TX_MOST)
        return length;
    memmove(f + 16, f + 12, length - 12);
    put_be16(f + 12, ETH_VLAN);
    put_le16(f + 14, (uint16_t)opts2);
    off->csum_start = (uint16_t)(off->csum_start + 4);
    if (off->header_bytes)
        off->header_bytes = (uint16_t)(off->header_bytes + 4);
    return length + 4;
}

static bool send_packet(struct rtl8139 *r, const struct packet *p)
{
    struct offload off = { .gso = GSO_NONE };
    size_t length = p->length;

    if (p->bad || length < ETH_BYTES) {
        log_guest("%s: a packet of %zu bytes is not one", device_id(r->fn.dev), length);
        return true;
    }
    if (p->opts1 & LARGE_SEND) {
        if (!prepare_large_send(r->buffer, length, p->opts1, &off)) {
            log_guest("%s: a large send has headers that do not fit", device_id(r->fn.dev));
            return true;
        }
    } else {
        apply_checksums(r->buffer, length, p->opts1, &off);
    }
    length = insert_tag(r->buffer, length, p->opts2, &off);
    return rtl8139_send(r, length, off.needs_csum ? &off : NULL);
}

static void gather(struct rtl8139 *r, struct packet *p, const uint8_t *d, uint32_t opts1)
{
    size_t length = opts1 & LENGTH;

    if (opts1 & DESC_FS) { /* begins anew, whatever went before */
        p->length = 0;
        p->bad = false;
    }
    if (!p->length) {
        p->opts1 = opts1;
        p->opts2 = get_le32(d + 4);
    }
    if (length > TX_MOST - p->length) {
        p->bad = true;
        return;
    }
    pci_dma_read(&r->fn, cplus_address(r, d + 8), r->buffer + p->length, length);
    p->length += length;
}

static unsigned next_of(unsigned index, uint32_t opts1)
{
    return opts1 & DESC_EOR || index + 1 >= RING_MOST ? 0 : index + 1;
}

/*
 * The packet at *index, if the guest has given all of it; then *index is the next one's. Otherwise
 * *causes says why not.
 */
static bool take_packet(struct rtl8139 *r, struct packet *p, uint64_t base, unsigned *index,
                        unsigned *causes)
{
    unsigned at = *index;

    p->length = p->count = 0;
    p->bad = false;
    while (p->count < RING_MOST) {
        uint64_t addr = base + at * CPLUS_DESCRIPTOR;
        uint8_t d[CPLUS_DESCRIPTOR];
        uint32_t opts1;

        if (!pci_dma_read(&r->fn, addr, d, sizeof(d))) {
            *causes |= INT_SERR; /* a ring that is not in RAM */
            return false;
        }
        opts1 = get_le32(d);
        if (!(opts1 & DESC_OWN)) {
            *causes |= INT_TDU;
            return false;
        }
        p->descs[p->count].at = addr;
        p->descs[p->count++].opts1 = opts1;
        gather(r, p, d, opts1);
        at = next_of(at, opts1);
        if (opts1 & DESC_LS)
            break;
        if (p->count == RING_MOST) /* a whole ring, and no end */
            p->bad = true;
    }
    *index = at;
    return true;
}

static void give_back(struct rtl8139 *r, const struct packet *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        uint8_t status[4];

        put_le32(status, p->descs[i].opts1 & (DESC_EOR | DESC_FS | DESC_LS | LENGTH));
        pci_dma_write(&r->fn, p->descs[i].at, status, sizeof(status));
    }
}

/* True: all that there was is sent. False: the host is full, or others must have a turn. */
static bool transmit_ring(struct rtl8139 *r, unsigned queue, unsigned *budget, unsigned *causes)
{
    const uint8_t *register_bytes = r->regs->file + (queue ? THPDS : TNPDS);
    uint64_t base = cplus_address(r, register_bytes) & ~0xffull;

    for (;;) {
        unsigned index = r->regs->tx_ring_at[queue];
        struct packet p;

        if (*budget == 0) {
            timer_set_in(&r->more, 0);
            return false;
        }
        if (!take_packet(r, &p, base, &index, causes))
            return true;
        *budget -= MIN(*budget, p.count);
        if (!send_packet(r, &p))
            return false;
        give_back(r, &p);
        *causes |= INT_TOK;
        r->regs->tx_ring_at[queue] = (uint8_t)index;
    }
}

void rtl8139_transmit_cplus(struct rtl8139 *r)
{
    unsigned budget = DESCRIPTORS_A_PASS, causes = 0;
    uint8_t poll = reg8(r, TPPOLL);

    if (!(reg8(r, CR) & CR_TE) || !(reg16(r, CPCR) & CPCR_TXE) || !pci_bus_master(&r->fn))
        return;
    if (poll & TPPOLL_HPQ && transmit_ring(r, 1, &budget, &causes))
        poll &= (uint8_t)~TPPOLL_HPQ;
    if ((poll & (TPPOLL_HPQ | TPPOLL_NPQ)) == TPPOLL_NPQ && transmit_ring(r, 0, &budget, &causes))
        poll &= (uint8_t)~TPPOLL_NPQ;
    set_reg8(r, TPPOLL, poll);
    if (causes) /* once for all: each may be an interrupt to another vCPU */
        rtl8139_cause(r, causes);
}

void rtl8139_on_more(void *arg)
{
    rtl8139_transmit(arg); /* after a restore */
    rtl8139_transmit_cplus(arg);
}

/* "Dump Tally Counter Command". */
void rtl8139_dump_tally(struct rtl8139 *r)
{
    const struct rtl8139_regs *g = r->regs;
    uint32_t command = reg32(r, DTCCR);
    uint8_t t[64] = { 0 };

    if (!(command & 8))
        return;
    put_le64(t, g->tx_ok);
    put_le64(t + 8, g->rx_ok);
    put_le64(t + 16, g->tx_errors);
    put_le32(t + 24, g->rx_errors);
    put_le16(t + 28, g->missed);
    put_le64(t + 40, g->rx_physical);
    put_le64(t + 48, g->rx_broadcast);
    put_le32(t + 56, g->rx_multicast);
    put_le16(t + 60, g->tx_aborts);
    pci_dma_write(&r->fn, cplus_address(r, g->file + DTCCR) & ~0x3full, t, sizeof(t));
    set_reg32(r, DTCCR, command & ~8u);
}
