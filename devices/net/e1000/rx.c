/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receiving. Document: 8254x manual, "Packet Reception", "Receive Descriptor". A frame is judged
 * by the filters, then laid into as many buffers as it needs; where the ring has too few the host
 * keeps it until the guest gives more.
 */
#include <string.h>
#include "devices/net/e1000/internal.h"
#include "dm/base/bytes.h"
#include "dm/memory/memory.h"
#include "dm/net/packet.h"

#define DESCRIPTOR 16u
#define DELAY_UNIT 1024u
#define FCS 4u
#define LEAST 60u           /* without FCS */
#define STANDARD_MOST 1518u /* without FCS, with a VLAN tag: LPE allows more */
#define LONG_MOST 16380u

#define STATUS_DD 0x01
#define STATUS_EOP 0x02
#define STATUS_IXSM 0x04
#define STATUS_VP 0x08
#define STATUS_TCPCS 0x20
#define STATUS_IPCS 0x40
#define STATUS_PIF 0x80
#define ERROR_TCPE 0x20
#define ERROR_IPE 0x40

static unsigned ring_size(struct e1000 *e)
{
    return e1000_get(e, RDLEN) / DESCRIPTOR;
}

static uint32_t buffer_bytes(struct e1000 *e)
{
    static const uint16_t sizes[] = { 2048, 1024, 512, 256 };
    uint32_t rctl = e1000_get(e, RCTL), size = sizes[RCTL_BSIZE(rctl)];

    return rctl & RCTL_BSEX && RCTL_BSIZE(rctl) ? size * 16 : size;
}

static unsigned free_descriptors(struct e1000 *e)
{
    unsigned size = ring_size(e), head = e1000_get(e, RDH), tail = e1000_get(e, RDT);

    if (!size || head >= size || tail >= size)
        return 0;
    return tail >= head ? tail - head : size - head + tail;
}

/* ---- Filters: "Receive Address Filtering" ---- */

static bool unicast_match(struct e1000 *e, const uint8_t *mac)
{
    const uint32_t *ra = e1000_reg(e, RA);

    for (unsigned i = 0; i < 16; i++)
        if (ra[2 * i + 1] & RAH_AV && ra[2 * i] == get_le32(mac) &&
            (ra[2 * i + 1] & 0xffff) == get_le16(mac + 4))
            return true;
    return false;
}

static bool multicast_match(struct e1000 *e, const uint8_t *mac)
{
    static const uint8_t shifts[] = { 4, 3, 2, 0 };
    unsigned hash = get_le16(mac + 4) >> shifts[RCTL_MO(e1000_get(e, RCTL))] & 0xfff;

    return e1000_reg(e, MTA)[hash >> 5] >> (hash & 31) & 1;
}

static bool is_tagged(struct e1000 *e, const uint8_t *f, size_t length)
{
    return length >= 18 && get_be16(f + 12) == (e1000_get(e, VET) & 0xffff);
}

static bool vlan_match(struct e1000 *e, const uint8_t *f, size_t length)
{
    uint32_t rctl = e1000_get(e, RCTL);
    unsigned id;

    if (!(rctl & RCTL_VFE) || !is_tagged(e, f, length))
        return true;
    id = get_be16(f + 14) & 0xfff;
    if (rctl & RCTL_CFIEN && (f[14] >> 4 & 1) != (rctl & RCTL_CFI ? 1 : 0))
        return false;
    return e1000_reg(e, VFTA)[id >> 5] >> (id & 31) & 1;
}

static bool is_broadcast(const uint8_t *mac)
{
    return !memcmp(mac, "\xff\xff\xff\xff\xff\xff", 6);
}

static bool wanted(struct e1000 *e, const uint8_t *f, size_t length)
{
    uint32_t rctl = e1000_get(e, RCTL);

    if (!vlan_match(e, f, length))
        return false;
    if (is_broadcast(f))
        return rctl & (RCTL_BAM | RCTL_MPE);
    if (f[0] & 1)
        return rctl & RCTL_MPE || unicast_match(e, f) || multicast_match(e, f);
    return rctl & RCTL_UPE || unicast_match(e, f);
}

/* ---- Checksums: what the card would have found ---- */

static void check_sums(struct e1000 *e, const uint8_t *f, size_t length, const struct offload *off,
                       uint8_t *status, uint8_t *errors)
{
    uint32_t sum = e1000_get(e, RXCSUM);
    struct packet_verdict v;

    *status |= STATUS_IXSM;
    if (!(sum & (RXCSUM_IPOFLD | RXCSUM_TUOFLD)))
        return;
    v = packet_judge(f, length, off);
    if (!v.ipv4)
        return;
    *status &= (uint8_t)~STATUS_IXSM;
    if (sum & RXCSUM_IPOFLD) {
        *status |= STATUS_IPCS;
        if (v.ip_bad)
            *errors |= ERROR_IPE;
    }
    if (sum & RXCSUM_TUOFLD && (v.tcp || v.udp)) {
        *status |= STATUS_TCPCS;
        if (v.l4_bad)
            *errors |= ERROR_TCPE;
    }
}

/* ---- Laying a frame into the ring ---- */

static void count_received(struct e1000 *e, const uint8_t *f, size_t length)
{
    static const uint16_t bins[] = { 64, 127, 255, 511, 1023 };
    unsigned bin = 0;

    while (bin < ARRAY_SIZE(bins) && length + FCS > bins[bin])
        bin++;
    e1000_count(e, PRC64 + 4 * bin, 1);
    e1000_count(e, TPR, 1);
    e1000_count(e, GPRC, 1);
    e1000_count64(e, TORL, (uint32_t)length + FCS);
    e1000_count64(e, GORCL, (uint32_t)length + FCS);
    if (is_broadcast(f))
        e1000_count(e, BPRC, 1);
    else if (f[0] & 1)
        e1000_count(e, MPRC, 1);
}

static void write_descriptor(struct e1000 *e, uint64_t at, uint16_t length, uint8_t status,
                             uint8_t errors, uint16_t special)
{
    uint8_t d[8] = { 0 };

    put_le16(d, length);
    d[4] = status;
    d[5] = errors;
    put_le16(d + 6, special);
    /* DD goes last: the guest looks at it while we write */
    d[4] &= (uint8_t)~STATUS_DD;
    pci_dma_write(&e->fn, at + 8, d, sizeof(d));
    status |= STATUS_DD;
    pci_dma_write(&e->fn, at + 12, &status, 1);
}

static void lay_out(struct e1000 *e, const uint8_t *f, size_t length, uint8_t status,
                    uint8_t errors, uint16_t special)
{
    uint64_t ring = e1000_get(e, RDBAL) | (uint64_t)e1000_get(e, RDBAH) << 32;
    size_t fcs = e1000_get(e, RCTL) & RCTL_SECRC ? 0 : FCS, total = length + fcs;
    uint32_t room = buffer_bytes(e);

    for (size_t done = 0; done < total;) {
        unsigned head = e1000_get(e, RDH);
        uint64_t at = ring + (uint64_t)head * DESCRIPTOR;
        size_t n = MIN(total - done, room), bytes = done < length ? MIN(n, length - done) : 0;
        static const uint8_t no_fcs[FCS];
        uint8_t raw[8];
        bool last = done + n == total;

        pci_dma_read(&e->fn, at, raw, sizeof(raw));
        pci_dma_write(&e->fn, get_le64(raw), f + done, bytes);
        if (n > bytes)
            pci_dma_write(&e->fn, get_le64(raw) + bytes, no_fcs, n - bytes);
        write_descriptor(e, at, (uint16_t)n, (uint8_t)(status | (last ? STATUS_EOP : 0)), errors,
                         special);
        e1000_set(e, RDH, head + 1 >= ring_size(e) ? 0 : head + 1);
        done += n;
    }
}

static void interrupt(struct e1000 *e)
{
    unsigned threshold = ring_size(e) >> (RCTL_RDMTS(e1000_get(e, RCTL)) + 1);

    if (free_descriptors(e) <= threshold)
        e1000_cause(e, INT_RXT0 | INT_RXDMT0);
    else
        e1000_cause_later(e, INT_RXT0, (e1000_get(e, RDTR) & 0xffff) * DELAY_UNIT);
}

/* Whether the ring is set up at all; where it is not, frames are lost as on a closed card. */
static bool listening(struct e1000 *e)
{
    return e1000_get(e, RCTL) & RCTL_EN && ring_size(e) && pci_bus_master(&e->fn);
}

static bool receive(struct e1000 *e, const uint8_t *frame, size_t length, const struct offload *off)
{
    uint8_t padded[LEAST], status = 0, errors = 0, untagged[LONG_MOST];
    uint16_t special = 0;
    size_t needed;

    if (!listening(e) || length < 14)
        return true;
    if (length < LEAST) { /* hosts send short frames; a wire would have padded them */
        memcpy(padded, frame, length);
        memset(padded + length, 0, LEAST - length);
        frame = padded;
        length = LEAST;
    }
    if (length > LONG_MOST || (length > STANDARD_MOST && !(e1000_get(e, RCTL) & RCTL_LPE))) {
        if (wanted(e, frame, length))
            e1000_count(e, ROC, 1);
        return true;
    }
    if (!wanted(e, frame, length))
        return true;
    needed = DIV_ROUND_UP(length + FCS, buffer_bytes(e));
    if (free_descriptors(e) < needed) {
        if (e1000_in_loopback(e)) {
            e1000_count(e, MPC, 1);
            e1000_cause(e, INT_RXO);
            return true;
        }
        if (!e->rx_held)
            e1000_count(e, RNBC, 1);
        e->rx_held = true;
        return false; /* the host keeps it, until the guest gives more */
    }
    e->rx_held = false;
    check_sums(e, frame, length, off, &status, &errors);
    count_received(e, frame, length);
    if (!unicast_match(e, frame) && !is_broadcast(frame))
        status |= STATUS_PIF;
    if (e1000_get(e, CTRL) & CTRL_VME && is_tagged(e, frame, length)) {
        special = get_be16(frame + 14);
        memcpy(untagged, frame, 12);
        memcpy(untagged + 12, frame + 16, length - 16);
        frame = untagged;
        length -= 4;
        status |= STATUS_VP;
    }
    lay_out(e, frame, length, status, errors, special);
    interrupt(e);
    return true;
}

bool e1000_receive(struct e1000 *e, const uint8_t *frame, size_t length, const struct offload *off)
{
    bool taken;

    e->in_receive++;
    taken = receive(e, frame, length, off);
    e->in_receive--;
    return taken;
}

void e1000_rx_changed(struct e1000 *e)
{
    if (e->port && listening(e) && e1000_link_up(e) && !e->in_receive)
        netport_accept(e->port);
}
