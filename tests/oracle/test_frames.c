/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on the wire for the same descriptors, and descriptors for the same frames: checksums,
 * segmentation, tags, filters. After each step goes a marker, so that nothing is waited for in
 * vain. A frame that is handed to the kernel to be cut is cut here, as a real wire would see it.
 */
#define _GNU_SOURCE
#include <string.h>
#include "dm/net/packet.h"
#include "tests/guest/e1000.h"
#include "tests/guest/guest.h"
#include "tests/guest/rtl8139.h"
#include "tests/kit/check.h"
#include "tests/oracle/machines.h"
#include "tests/oracle/oracle.h"
#include "tests/whole/wire.h"

#define MEMORY 0x1000000
#define DATA 0x2000000 /* frames to send */
#define CONTEXT 0x3000
#define WAIT_MS 20000
#define MARKER 0x88b6
#define MOST 9000

struct frame {
    uint8_t bytes[MOST];
    size_t length;
};

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void start_frame(struct frame *f, bool to_guest, unsigned type)
{
    static const uint8_t guest[6] = { 0, 0x16, 0x3e, 0, 0, 1 }, host[6] = { 2, 0, 0, 0, 0, 2 };

    memset(f, 0, sizeof(*f));
    memcpy(f->bytes, to_guest ? guest : host, 6);
    memcpy(f->bytes + 6, to_guest ? host : guest, 6);
    put16(f->bytes + 12, type);
    f->length = 14;
}

static void payload(struct frame *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        f->bytes[f->length + i] = (uint8_t)(i * 7 + n);
    f->length += n;
}

static const uint8_t ip4[20] = { 0x45, 0, 0,  0, 0x12, 0x34, 0x40, 0, 64, 6,
                                 0,    0, 10, 0, 0,    1,    10,   0, 0,  2 };

/*
 * An IPv4 or IPv6 packet with TCP (6) or UDP (17) and n bytes; the pseudo header's sum is in the
 * checksum field, with the length or (to be segmented) without it, as drivers leave it.
 */
static void ip_frame(struct frame *f, unsigned version, unsigned protocol, size_t n, bool segmented)
{
    unsigned ip = 14, l4 = ip + (version == 4 ? 20 : 40), header = protocol == 6 ? 20 : 8;
    uint8_t tail[4] = { 0, (uint8_t)protocol, 0, 0 };
    uint32_t sum;

    start_frame(f, false, version == 4 ? 0x0800 : 0x86dd);
    if (version == 4) {
        memcpy(f->bytes + ip, ip4, 20);
        f->bytes[ip + 9] = (uint8_t)protocol;
        put16(f->bytes + ip + 2, segmented ? 0 : (unsigned)(20 + header + n));
        sum = packet_sum(f->bytes + ip + 12, 8, 0);
    } else {
        f->bytes[ip] = 0x60;
        f->bytes[ip + 6] = (uint8_t)protocol;
        f->bytes[ip + 7] = 64;
        f->bytes[ip + 23] = 1;
        f->bytes[ip + 39] = 2;
        put16(f->bytes + ip + 4, segmented ? 0 : (unsigned)(header + n));
        sum = packet_sum(f->bytes + ip + 8, 32, 0);
    }
    put16(f->bytes + l4, 1025);
    put16(f->bytes + l4 + 2, 80);
    if (protocol == 6) {
        f->bytes[l4 + 7] = 0x10; /* sequence */
        f->bytes[l4 + 12] = 0x50;
        f->bytes[l4 + 13] = 0x19; /* FIN, PSH, ACK */
    } else {
        put16(f->bytes + l4 + 4, (unsigned)(header + n));
    }
    if (!segmented)
        put16(tail + 2, (unsigned)(header + n));
    sum = packet_sum(tail, 4, sum);
    put16(f->bytes + l4 + (protocol == 6 ? 16 : 6), 0);
    {
        uint16_t pseudo = (uint16_t)~packet_fold(sum);

        memcpy(f->bytes + l4 + (protocol == 6 ? 16 : 6), &pseudo, 2);
    }
    f->length = l4 + header;
    payload(f, n);
}

/* ---- What comes out ---- */

struct seen {
    struct transcript *t;
    const char *what;
    unsigned count;
    int tag;
};

static void note_frame(void *arg, const uint8_t *bytes, size_t n)
{
    struct seen *s = arg;
    char what[32];

    snprintf(what, sizeof(what), "%s.frame%u", s->what, s->count++);
    note(s->t, n, "%s.length", what);
    note(s->t, (unsigned)s->tag, "%s.tag", what);
    note_bytes(s->t, bytes, n < 80 ? n : 80, what);
    note(s->t, packet_sum(bytes, n & ~1ul, 0), "%s.sum", what);
}

static bool is_marker(const uint8_t *frame)
{
    return frame[12] == MARKER >> 8 && frame[13] == (MARKER & 0xff);
}

static bool next_frame(struct wire *w, struct wire_frame *f)
{
    CHECK(wire_receive(w, f, WAIT_MS));
    return !is_marker(f->bytes);
}

/* All frames up to the marker. */
static void collect(struct transcript *t, struct wire *w, const char *what)
{
    static uint8_t scratch[PACKET_MOST];
    static struct wire_frame f;
    struct seen seen = { .t = t, .what = what };

    while (next_frame(w, &f)) {
        struct offload off = { .needs_csum = f.offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
                               .gso = f.offload.gso_type & 0x7f,
                               .ecn = f.offload.gso_type & 0x80,
                               .header_bytes = f.offload.hdr_len,
                               .gso_size = f.offload.gso_size,
                               .csum_start = f.offload.csum_start,
                               .csum_offset = f.offload.csum_offset };

        seen.tag = f.tag;
        if (off.gso) {
            CHECK(packet_segment(f.bytes, f.length, &off, scratch, note_frame, &seen));
            continue;
        }
        if (off.needs_csum)
            CHECK(packet_fill_checksum(f.bytes, f.length, &off));
        note_frame(&seen, f.bytes, f.length);
    }
    note(t, seen.count, "%s.frames", what);
}

static void make_marker(struct frame *f, bool to_guest)
{
    start_frame(f, to_guest, MARKER);
    payload(f, 50);
}

/* ---- e1000 ---- */

#define EOP GUEST_E1000_EOP
#define IFCS GUEST_E1000_IFCS
#define RS GUEST_E1000_RS
#define IC 0x04000000u
#define DEXT 0x20000000u
#define VLE 0x40000000u
#define TSE 0x04000000u /* of extended descriptors */
#define DATA_TYPE (DEXT | 0x00100000u)
#define POPTS_IP 0x100u
#define POPTS_L4 0x200u
#define CTRL 0x0000
#define RCTL 0x0100
#define RXCSUM 0x5000
#define MTA 0x5200
#define VFTA 0x5600
#define VME 0x40000000u

struct nic {
    struct transcript *t;
    struct wire wire;
    struct guest_e1000 e;
    struct guest_rtl8139 r;
};

static void e1000_flush(struct nic *n, const char *what)
{
    struct frame marker;

    make_marker(&marker, false);
    CHECK(guest_e1000_send(&n->e, marker.bytes, marker.length));
    guest_e1000_kick(&n->e);
    collect(n->t, &n->wire, what);
    while (guest_e1000_reap(&n->e))
        ;
}

static void e1000_legacy(struct nic *n, const struct frame *f, uint32_t command, uint32_t status,
                         const char *what)
{
    guest_write(DATA, f->bytes, f->length);
    guest_e1000_put(&n->e, DATA, command | EOP | RS | (uint32_t)f->length, status);
    e1000_flush(n, what);
}

/* A context as drivers set it for a frame with options, then the frame in pieces. */
static void e1000_extended(struct nic *n, const struct frame *f, unsigned version,
                           unsigned protocol, uint32_t options, unsigned mss, uint32_t vlan,
                           unsigned pieces, const char *what)
{
    unsigned l4 = version == 4 ? 34 : 54, header = l4 + (protocol == 6 ? 20 : 8);
    uint32_t ip = 14 | 24 << 8 | (version == 4 ? (l4 - 1) << 16 : 0);
    uint32_t tu = l4 | (l4 + (protocol == 6 ? 16 : 6)) << 8;
    uint32_t flags =
        DEXT | (protocol == 6 ? 0x01000000 : 0) | (version == 4 ? 0x02000000 : 0) | (mss ? TSE : 0);
    size_t at = 0;

    guest_write(DATA, f->bytes, f->length);
    guest_e1000_put(&n->e, (uint64_t)tu << 32 | ip, flags | (uint32_t)(f->length - header),
                    mss << 16 | header << 8);
    for (unsigned i = 0; i < pieces; i++) {
        size_t length = i + 1 < pieces ? f->length / pieces : f->length - at;

        guest_e1000_put(&n->e, DATA + at,
                        DATA_TYPE | RS | IFCS | (mss ? TSE : 0) | (vlan ? VLE : 0) |
                            (i + 1 == pieces ? EOP : 0) | (uint32_t)length,
                        options | vlan << 16);
        at += length;
    }
    e1000_flush(n, what);
}

static void e1000_transmit(struct nic *n)
{
    struct frame f;

    start_frame(&f, false, 0x88b5);
    payload(&f, 20);
    e1000_legacy(n, &f, IFCS, 0, "short");
    payload(&f, 1480);
    e1000_legacy(n, &f, IFCS, 0, "long");
    e1000_legacy(n, &f, 0, 0, "no-fcs");
    ip_frame(&f, 4, 17, 100, false);
    e1000_legacy(n, &f, IFCS | IC | 40u << 16, 34u << 8, "legacy-checksum");
    e1000_extended(n, &f, 4, 17, POPTS_IP | POPTS_L4, 0, 0, 1, "udp");
    e1000_extended(n, &f, 4, 17, POPTS_IP, 0, 0, 1, "udp-ip");
    e1000_extended(n, &f, 4, 17, 0, 0, 0, 3, "udp-none");
    ip_frame(&f, 4, 6, 1001, false);
    e1000_extended(n, &f, 4, 6, POPTS_IP | POPTS_L4, 0, 0, 2, "tcp");
    ip_frame(&f, 6, 6, 1001, false);
    e1000_extended(n, &f, 6, 6, POPTS_L4, 0, 0, 2, "tcp6");
    ip_frame(&f, 4, 6, 5000, true);
    e1000_extended(n, &f, 4, 6, POPTS_IP | POPTS_L4, 1460, 0, 1, "tso");
    e1000_extended(n, &f, 4, 6, POPTS_IP | POPTS_L4, 1000, 0, 4, "tso-pieces");
    ip_frame(&f, 4, 6, 1460 * 3, true);
    e1000_extended(n, &f, 4, 6, POPTS_IP | POPTS_L4, 1460, 0, 2, "tso-even");
    ip_frame(&f, 6, 6, 5000, true);
    e1000_extended(n, &f, 6, 6, POPTS_L4, 1440, 0, 1, "tso6");
    ip_frame(&f, 4, 17, 3000, true);
    e1000_extended(n, &f, 4, 17, POPTS_IP | POPTS_L4, 1400, 0, 1, "udp-segmented");
    guest_e1000_write(&n->e, CTRL, guest_e1000_read(&n->e, CTRL) | VME);
    guest_e1000_write(&n->e, 0x38, 0x8100);
    ip_frame(&f, 4, 6, 100, false);
    e1000_legacy(n, &f, IFCS | VLE, 0x01230000, "legacy-vlan");
    e1000_extended(n, &f, 4, 6, POPTS_IP | POPTS_L4, 0, 0x2045, 1, "vlan");
    ip_frame(&f, 4, 6, 5000, true);
    e1000_extended(n, &f, 4, 6, POPTS_IP | POPTS_L4, 1460, 0x2045, 1, "tso-vlan");
    note(n->t, guest_e1000_read(&n->e, 0x4080), "gptc");
    note(n->t, guest_e1000_read(&n->e, 0x40d4), "tpt");
    note(n->t, guest_e1000_read(&n->e, 0x4090), "gotcl");
    note(n->t, guest_e1000_read(&n->e, 0x40f8), "tsctc");
}

/* All of it until the marker: the descriptor's second half, and the bytes. */
static void e1000_collect(struct nic *n, const char *what)
{
    const uint8_t *bytes;
    unsigned count = 0;
    uint64_t start = now_ns();

    for (;;) {
        uint32_t ring = n->e.rx_ring + n->e.next % GUEST_E1000_RING * 16;
        uint64_t status;
        size_t length;
        char name[64];

        guest_read(ring + 8, &status, 8);
        CHECK(status >> 32 & 1 || now_ns() - start < WAIT_MS * 1000000ull);
        if (!(status >> 32 & 1))
            continue;
        guest_read(ring + 8, &status, 8); /* all of it, now that it is done */
        length = guest_e1000_receive(&n->e, &bytes);
        if (is_marker(bytes))
            break;
        snprintf(name, sizeof(name), "%s.got%u", what, count++);
        note(n->t, status, "%s.descriptor", name);
        note_bytes(n->t, bytes, length < 40 ? length : 40, name);
        note(n->t, packet_sum(bytes, length & ~1ul, 0), "%s.sum", name);
    }
    note(n->t, count, "%s.received", what);
}

static void e1000_inject(struct nic *n, const struct frame *f, const char *what)
{
    struct frame marker;

    make_marker(&marker, true);
    CHECK(wire_send(&n->wire, f->bytes, f->length));
    CHECK(wire_send(&n->wire, marker.bytes, marker.length));
    e1000_collect(n, what);
}

/* The same frames under each set of filters. */
static void to_guest(struct frame *f, unsigned which)
{
    static const uint8_t host[6] = { 2, 0, 0, 0, 0, 2 };
    struct offload off = { .csum_start = 34, .csum_offset = 16, .needs_csum = true };
    uint16_t sum;

    if (which == 2 || which == 3 || which == 4) { /* TCP: good, its own sum bad, the header's bad */
        ip_frame(f, 4, 6, 200, false);
        packet_fill_checksum(f->bytes, f->length, &off);
        sum = packet_fold(packet_sum(f->bytes + 14, 20, 0));
        memcpy(f->bytes + 24, &sum, 2);
        memcpy(f->bytes, "\x00\x16\x3e\x00\x00\x01", 6);
        memcpy(f->bytes + 6, host, 6);
        if (which > 2)
            f->bytes[which == 3 ? 60 : 25] ^= 0xff;
        return;
    }
    start_frame(f, true, which == 5 ? 0x8100 : 0x88b5);
    if (which == 5)
        memcpy(f->bytes + 14, "\x20\x45\x88\xb5", 4);
    payload(f, which == 1 ? 1486 : 100);
    if (which == 6)
        memcpy(f->bytes, "\xff\xff\xff\xff\xff\xff", 6);
    if (which == 7)
        memcpy(f->bytes, "\x01\x00\x5e\x00\x00\x01", 6);
    if (which == 8)
        memcpy(f->bytes, "\x01\x00\x5e\x7f\x00\x02", 6);
    if (which == 9)
        memcpy(f->bytes, "\x00\x16\x3e\x00\x00\x77", 6);
}
#define INJECTED 10

static void e1000_receive_all(struct nic *n)
{
    static const struct {
        const char *name;
        uint32_t rctl, rxcsum, ctrl;
    } setups[] = {
        { "all", 0x0400801e, 0, 0 },
        { "own", 0x04008002, 0x300, 0 },
        { "vlan", 0x04048006, 0x300, VME },
        { "narrow", 0x00000002, 0x100, 0 },
    };
    struct frame f;
    char what[32];

    guest_e1000_write(&n->e, MTA, 0);
    guest_e1000_write(&n->e, MTA + 4 * ((0x5e7f0002 >> 5) & 127), 0);
    for (unsigned i = 0; i < sizeof(setups) / sizeof(*setups); i++) {
        guest_e1000_write(&n->e, CTRL, (guest_e1000_read(&n->e, CTRL) & ~VME) | setups[i].ctrl);
        guest_e1000_write(&n->e, RXCSUM, setups[i].rxcsum);
        guest_e1000_write(&n->e, VFTA + 4 * (0x45 >> 5), 1u << (0x45 & 31));
        guest_e1000_write(&n->e, RCTL, setups[i].rctl);
        for (unsigned k = 0; k < INJECTED; k++) {
            snprintf(what, sizeof(what), "%s-%u", setups[i].name, k);
            to_guest(&f, k);
            e1000_inject(n, &f, what);
        }
    }
    note(n->t, guest_e1000_read(&n->e, 0x4074), "gprc");
    note(n->t, guest_e1000_read(&n->e, 0x4078), "bprc");
    note(n->t, guest_e1000_read(&n->e, 0x407c), "mprc");
    note(n->t, guest_e1000_read(&n->e, 0x40d0), "tpr");
}

static void e1000(struct transcript *t, const struct dm *dm, void *arg)
{
    static struct nic n;

    (void)dm;
    (void)arg;
    n = (struct nic){ .t = t };
    CHECK(wire_open(&n.wire));
    guest_pci_setup();
    guest_e1000_open(&n.e, 0, STANDARD_E1000, MEMORY);
    e1000_transmit(&n);
    e1000_receive_all(&n);
    wire_close(&n.wire);
}

/* ---- rtl8139 ---- */

#define ONE (GUEST_RTL8139_FS | GUEST_RTL8139_LS)
#define IPCS 0x00040000u
#define UDPCS 0x00020000u
#define TCPCS 0x00010000u
#define LGSEN 0x08000000u
#define TAGC 0x00020000u

static void rtl8139_send(struct nic *n, const struct frame *f, uint32_t command, uint32_t vlan,
                         const char *what)
{
    struct frame marker;

    guest_write(DATA, f->bytes, f->length);
    if (n->r.cplus) {
        guest_rtl8139_put(&n->r, DATA, ONE | command | (uint32_t)f->length, vlan);
    } else {
        CHECK(guest_rtl8139_send(&n->r, f->bytes, f->length));
    }
    make_marker(&marker, false);
    CHECK(guest_rtl8139_send(&n->r, marker.bytes, marker.length));
    guest_rtl8139_kick(&n->r);
    collect(n->t, &n->wire, what);
    while (guest_rtl8139_reap(&n->r))
        ;
}

static void rtl8139_transmit(struct nic *n)
{
    struct frame f;

    start_frame(&f, false, 0x88b5);
    payload(&f, 20);
    rtl8139_send(n, &f, 0, 0, "short");
    payload(&f, 1480);
    rtl8139_send(n, &f, 0, 0, "long");
    if (!n->r.cplus)
        return;
    ip_frame(&f, 4, 17, 100, false);
    rtl8139_send(n, &f, IPCS | UDPCS, 0, "udp");
    rtl8139_send(n, &f, IPCS, 0, "udp-ip");
    ip_frame(&f, 4, 6, 1001, false);
    rtl8139_send(n, &f, IPCS | TCPCS, 0, "tcp");
    rtl8139_send(n, &f, TCPCS, 0, "tcp-only");
    rtl8139_send(n, &f, IPCS | TCPCS, TAGC | 0x4520, "vlan");
    ip_frame(&f, 4, 6, 5000, false);
    rtl8139_send(n, &f, LGSEN | 1460u << 16, 0, "large");
    rtl8139_send(n, &f, LGSEN | 1000u << 16, TAGC | 0x4520, "large-vlan");
}

static void rtl8139_inject(struct nic *n, const struct frame *f, const char *what)
{
    static uint8_t got[4096];
    struct frame marker;
    uint64_t start = now_ns();
    unsigned count = 0;
    char name[64];

    make_marker(&marker, true);
    CHECK(wire_send(&n->wire, f->bytes, f->length));
    CHECK(wire_send(&n->wire, marker.bytes, marker.length));
    for (;;) {
        uint32_t line[2] = { 0 }, ring = n->r.rx_ring + n->r.next % GUEST_RTL8139_RING * 16;
        uint32_t at = n->r.rx_buffers + n->r.next;
        size_t length;

        CHECK(now_ns() - start < WAIT_MS * 1000000ull);
        guest_read(ring, line, 8);
        if (n->r.cplus ? line[0] & GUEST_RTL8139_OWN : guest_rtl8139_read(&n->r, 0x37, 1) & 1)
            continue;
        guest_read(n->r.cplus ? ring : at, line, 8); /* all of it, now that it is there */
        length = guest_rtl8139_receive(&n->r, got, sizeof(got));
        if (is_marker(got))
            break;
        snprintf(name, sizeof(name), "%s.got%u", what, count++);
        if (!n->r.cplus) {
            note(n->t, line[0], "%s.header", name);
        } else {
            note(n->t, line[0] & ~GUEST_RTL8139_EOR, "%s.command", name);
            note(n->t, line[1], "%s.vlan", name);
        }
        note(n->t, length, "%s.length", name);
        note_bytes(n->t, got, length < 40 ? length : 40, name);
        note(n->t, packet_sum(got, length - 4, 0), "%s.sum", name);
        note_bytes(n->t, got + length - 4, 4, strcat(name, ".fcs"));
    }
    note(n->t, count, "%s.received", what);
}

static void rtl8139_receive_all(struct nic *n)
{
    static const struct {
        const char *name;
        uint32_t rcr;
        uint16_t cpcr;
    } setups[] = {
        { "all", 0x0000178f, 0x03 },
        { "own", 0x0000178a, 0x23 },
        { "vlan", 0x0000178e, 0x63 },
        { "narrow", 0x00001782, 0x03 },
    };
    struct frame f;
    char what[32];

    for (unsigned i = 0; i < sizeof(setups) / sizeof(*setups); i++) {
        guest_rtl8139_open(&n->r, 0, CIRRUS_RTL8139, MEMORY, n->r.cplus);
        guest_rtl8139_write(&n->r, 0x44, 4, setups[i].rcr);
        if (n->r.cplus)
            guest_rtl8139_write(&n->r, 0xe0, 2, setups[i].cpcr);
        for (unsigned k = 0; k < INJECTED; k++) {
            snprintf(what, sizeof(what), "%s-%u", setups[i].name, k);
            to_guest(&f, k);
            rtl8139_inject(n, &f, what);
        }
    }
}

static void rtl8139(struct transcript *t, const struct dm *dm, void *arg)
{
    static struct nic n;
    const bool *cplus = arg;

    (void)dm;
    n = (struct nic){ .t = t };
    CHECK(wire_open(&n.wire));
    guest_pci_setup();
    guest_rtl8139_open(&n.r, 0, CIRRUS_RTL8139, MEMORY, *cplus);
    rtl8139_transmit(&n);
    rtl8139_receive_all(&n);
    wire_close(&n.wire);
}

TEST(frames_of_the_e1000)
{
    oracle("frames-e1000", machine_standard(), e1000, NULL);
}

TEST(frames_of_the_rtl8139_as_the_older_chip)
{
    static const bool cplus = false;

    oracle("frames-rtl8139", machine_cirrus(), rtl8139, (void *)(uintptr_t)&cplus);
}

TEST(frames_of_the_rtl8139_by_descriptors)
{
    static const bool cplus = true;

    oracle("frames-cplus", machine_cirrus(), rtl8139, (void *)(uintptr_t)&cplus);
}
