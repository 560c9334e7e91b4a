/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receiving: into the ring buffer at RBSTART or, in C+ mode, into descriptors. Documents:
 * RTL8139C(L)+, "Packet Reception", "Rx Descriptor", "Receive Configuration Register". The CRC
 * behind a frame is left zero: no driver looks at it.
 *
 * A frame for which there is no room stays with the host. In the ring buffer a write to CAPR tells
 * of new room; in C+ mode no register does, so each access to the interrupt registers looks again,
 * and a timer for drivers that make none. What waits for longer than that is lost, as on a wire.
 */
#include "devices/net/rtl8139/internal.h"
#include "dm/base/clock.h"
#include "dm/net/packet.h"

#define CRC_BYTES 4u
#define LEAST 60u
#define MOST 4092u
#define RX_MAR 0x8000
#define RX_PAM 0x4000
#define RX_BAR 0x2000
#define RX_OK 0x0001
#define DESC_SIZE 0x00001fffu
#define DESC_KINDS 11 /* RX_MAR, RX_PAM, RX_BAR in a descriptor's status are so much higher */
#define DESC_TCP 0x00010000u
#define DESC_UDP 0x00020000u
#define DESC_IP 0x00030000u
#define DESC_IP_BAD 0x00008000u
#define DESC_UDP_BAD 0x00004000u
#define DESC_TCP_BAD 0x00002000u
#define TAG_AVAILABLE 0x00010000u
#define ETH_VLAN 0x8100
#define FIRST_RETRY (1 * NS_PER_MS)
#define RETRIES 8 /* each waits twice as long as the one before */

/* ---- Filters ---- */

/* "Multicast Register": the upper six bits of the address's CRC choose the bit. */
static bool multicast_match(struct rtl8139 *r, const uint8_t *mac)
{
    uint32_t crc = 0xffffffff;
    unsigned bit;

    for (unsigned i = 0; i < 48; i++) {
        bool one = (crc >> 31) ^ (mac[i / 8] >> i % 8 & 1);

        crc = crc << 1 ^ (one ? 0x04c11db7 : 0);
    }
    bit = crc >> 26;
    return reg8(r, MAR + bit / 8) >> bit % 8 & 1;
}

/* The kind of address, where RCR accepts it; otherwise 0. */
static unsigned accepted(struct rtl8139 *r, const uint8_t *mac)
{
    uint32_t rcr = reg32(r, RCR);

    if (!memcmp(mac, "\xff\xff\xff\xff\xff\xff", 6))
        return rcr & RCR_AB ? RX_BAR : 0;
    if (mac[0] & 1)
        return rcr & RCR_AM && multicast_match(r, mac) ? RX_MAR : 0;
    if (!memcmp(mac, r->regs->file + IDR, 6))
        return rcr & (RCR_APM | RCR_AAP) ? RX_PAM : 0;
    return rcr & RCR_AAP ? RX_OK : 0;
}

/* ---- The ring buffer ---- */

static uint32_t ring_bytes(struct rtl8139 *r)
{
    return 8192u << RCR_RBLEN(reg32(r, RCR));
}

/* What the driver has not read yet. CAPR is 16 behind where it will read next. */
static uint32_t ring_used(struct rtl8139 *r)
{
    return (uint32_t)(reg16(r, CBR) - (reg16(r, CAPR) + 16)) & (ring_bytes(r) - 1);
}

bool rtl8139_rx_empty(struct rtl8139 *r)
{
    return ring_used(r) == 0;
}

static void ring_put(struct rtl8139 *r, uint32_t at, const void *bytes, uint32_t n)
{
    uint32_t size = ring_bytes(r), first = at < size ? MIN(n, size - at) : 0;
    uint64_t base = reg32(r, RBSTART);

    /* with WRAP a packet goes on behind the end; the biggest ring never does */
    if (reg32(r, RCR) & RCR_WRAP && size < 65536) {
        pci_dma_write(&r->fn, base + at, bytes, n);
        return;
    }
    pci_dma_write(&r->fn, base + at % size, bytes, first ? first : n);
    if (first && first < n)
        pci_dma_write(&r->fn, base, (const uint8_t *)bytes + first, n - first);
}

static bool put_in_ring(struct rtl8139 *r, const uint8_t *f, size_t length, unsigned kind)
{
    static const uint8_t crc[CRC_BYTES];
    uint32_t at = reg16(r, CBR) & (ring_bytes(r) - 1), n = (uint32_t)length;
    uint8_t header[4];

    /* full to the last byte would look like empty */
    if (ROUND_UP(n + CRC_BYTES + sizeof(header), 4) >= ring_bytes(r) - ring_used(r))
        return false;
    put_le16(header, (uint16_t)(kind | RX_OK));
    put_le16(header + 2, (uint16_t)(n + CRC_BYTES));
    ring_put(r, at + 4, f, n);
    ring_put(r, at + 4 + n, crc, CRC_BYTES);
    ring_put(r, at, header, sizeof(header));
    set_reg16(r, CBR, (uint16_t)(ROUND_UP(at + 4 + n + CRC_BYTES, 4) & (ring_bytes(r) - 1)));
    return true;
}

/* ---- Descriptors ---- */

struct slot {
    uint64_t at, buffer;
    uint32_t opts1, length;
};

/* The descriptors that a frame of `bytes` takes, each read once: how many; 0: there are not enough.
 */
static unsigned take_slots(struct rtl8139 *r, struct slot *slots, uint32_t bytes)
{
    uint64_t base = cplus_address(r, r->regs->file + RDSAR) & ~0xffull;
    unsigned index = r->regs->rx_ring_at, n = 0;

    while (bytes && n < RING_MOST) {
        struct slot *s = &slots[n++];
        uint8_t d[CPLUS_DESCRIPTOR];

        s->at = base + index * CPLUS_DESCRIPTOR;
        if (!pci_dma_read(&r->fn, s->at, d, sizeof(d)))
            return 0;
        s->opts1 = get_le32(d);
        s->buffer = cplus_address(r, d + 8);
        s->length = MIN(bytes, s->opts1 & DESC_SIZE);
        if (!(s->opts1 & DESC_OWN))
            return 0;
        bytes -= s->length;
        index = s->opts1 & DESC_EOR || index + 1 >= RING_MOST ? 0 : index + 1;
    }
    if (bytes)
        return 0;
    r->regs->rx_ring_at = (uint8_t)index;
    return n;
}

static uint32_t checksum_status(struct rtl8139 *r, const uint8_t *f, size_t length,
                                const struct offload *off)
{
    struct packet_verdict v;

    if (!(reg16(r, CPCR) & CPCR_CHECKSUM))
        return 0;
    v = packet_judge(f, length, off);
    if (!v.ipv4)
        return 0;
    return (v.ip_bad ? DESC_IP_BAD : 0) | (v.tcp   ? DESC_TCP | (v.l4_bad ? DESC_TCP_BAD : 0)
                                           : v.udp ? DESC_UDP | (v.l4_bad ? DESC_UDP_BAD : 0)
                                                   : DESC_IP);
}

static void fill_slot(struct rtl8139 *r, const struct slot *s, const uint8_t *f, size_t length,
                      size_t done, uint32_t status, uint32_t opts2)
{
    static const uint8_t crc[CRC_BYTES];
    size_t n = done < length ? MIN(s->length, length - done) : 0;
    uint8_t word[4];

    pci_dma_write(&r->fn, s->buffer, f + done, n);
    pci_dma_write(&r->fn, s->buffer + n, crc, s->length - n);
    put_le32(word, opts2);
    pci_dma_write(&r->fn, s->at + 4, word, sizeof(word));
    put_le32(word, status | (s->opts1 & DESC_EOR)); /* last: it gives the descriptor away */
    pci_dma_write(&r->fn, s->at, word, sizeof(word));
}

static bool put_in_descriptors(struct rtl8139 *r, const uint8_t *f, size_t length, unsigned kind,
                               const struct offload *off)
{
    struct slot slots[RING_MOST];
    uint8_t untagged[MOST];
    uint32_t status = checksum_status(r, f, length, off), opts2 = 0;
    size_t total, done = 0;
    unsigned count;

    if (reg16(r, CPCR) & CPCR_VLAN && length >= 18 && get_be16(f + 12) == ETH_VLAN) {
        opts2 = TAG_AVAILABLE | get_le16(f + 14);
        memcpy(untagged, f, 12);
        memcpy(untagged + 12, f + 16, length - 16);
        f = untagged;
        length -= 4;
    }
    total = length + CRC_BYTES;
    count = take_slots(r, slots, (uint32_t)total);
    if (!count)
        return false;
    status |= (uint32_t)(kind & (RX_MAR | RX_PAM | RX_BAR)) << DESC_KINDS;
    for (unsigned i = 0; i < count; done += slots[i++].length) {
        bool last = i + 1 == count;

        fill_slot(r, &slots[i], f, length, done,
                  status | (i ? 0 : DESC_FS) | (last ? DESC_LS : 0) |
                      (last ? (uint32_t)total : slots[i].length),
                  opts2);
    }
    return true;
}

/* ---- A frame ---- */

static void lose(struct rtl8139 *r)
{
    uint32_t mpc = reg32(r, MPC);

    set_reg32(r, MPC, (mpc + 1) & 0xffffff);
    r->regs->missed = (uint16_t)MIN(r->regs->missed + 1u, 0xffffu);
}

/* No room. True: the frame is lost; false: the host keeps it. */
static bool hold(struct rtl8139 *r)
{
    if (!r->rx_held && !r->rx_lossy)
        rtl8139_cause(r, INT_RXOVW);
    if (r->rx_lossy || reg32(r, TCR) & TCR_LBK) {
        r->rx_held = false;
        lose(r);
        return true;
    }
    if (!r->rx_held) {
        r->rx_held = true;
        r->retries = 0;
    }
    if (reg16(r, CPCR) & CPCR_RXE && !timer_is_set(&r->retry))
        timer_set_in(&r->retry, FIRST_RETRY << r->retries);
    return false;
}

static void count(struct rtl8139_regs *g, unsigned kind)
{
    g->rx_ok++;
    g->rx_physical += kind == RX_PAM;
    g->rx_broadcast += kind == RX_BAR;
    g->rx_multicast += kind == RX_MAR;
}

static bool receive(struct rtl8139 *r, const uint8_t *frame, size_t length,
                    const struct offload *off)
{
    uint8_t padded[LEAST] = { 0 };
    unsigned kind;
    bool room;

    if (!(reg8(r, CR) & CR_RE) || !pci_bus_master(&r->fn) || length < 14)
        return true;
    kind = accepted(r, frame);
    if (!kind)
        return true;
    if (length > MOST) {
        r->regs->rx_errors++;
        return true;
    }
    if (length < LEAST) { /* hosts send short frames; a wire would have padded them */
        memcpy(padded, frame, length);
        frame = padded;
        length = LEAST;
    }
    room = reg16(r, CPCR) & CPCR_RXE ? put_in_descriptors(r, frame, length, kind, off)
                                     : put_in_ring(r, frame, length, kind);
    if (!room)
        return hold(r);
    r->rx_held = r->rx_lossy = false;
    timer_clear(&r->retry);
    count(r->regs, kind);
    rtl8139_cause(r, INT_ROK);
    return true;
}

bool rtl8139_receive(struct rtl8139 *r, const uint8_t *frame, size_t length,
                     const struct offload *off)
{
    bool taken;

    r->in_receive = true;
    taken = receive(r, frame, length, off);
    r->in_receive = false;
    if (taken)
        r->rx_held = false; /* filtered or lost: it waits no longer */
    return taken;
}

void rtl8139_rx_changed(struct rtl8139 *r)
{
    if (r->port && !r->in_receive)
        netport_accept(r->port);
}

void rtl8139_on_retry(void *arg)
{
    struct rtl8139 *r = arg;

    if (!r->rx_held)
        return;
    if (++r->retries >= RETRIES)
        r->rx_lossy = true;
    rtl8139_rx_changed(r);
}
