/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After Realtek's RTL8139C+ specification, rev 1.6. */
#include <string.h>
#include "tests/guest/guest.h"
#include "tests/guest/rtl8139.h"

enum {
    TSD = 0x10,
    TSAD = 0x20,
    TNPDS = 0x20,
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38,
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TPPOLL = 0xd9,
    CPCR = 0xe0,
    RDSAR = 0xe4,
};
#define CR_RESET 0x10
#define CR_ON 0x0c
#define CR_EMPTY 0x01
#define RCR_ALL 0x0000178fu /* all frames, 32 KiB of ring and a wrap, no threshold */
#define RX_BYTES 0x8000u
#define TSD_OWN 0x2000u
#define SLOTS 4
#define OWN GUEST_RTL8139_OWN
#define EOR GUEST_RTL8139_EOR
#define RING GUEST_RTL8139_RING
#define BUFFER GUEST_RTL8139_BUFFER

struct line {
    uint32_t command, vlan;
    uint64_t addr;
};

uint32_t guest_rtl8139_read(struct guest_rtl8139 *r, unsigned reg, unsigned size)
{
    return (uint32_t)guest_load(r->vcpu, r->mmio + reg, size);
}

void guest_rtl8139_write(struct guest_rtl8139 *r, unsigned reg, unsigned size, uint32_t value)
{
    guest_store(r->vcpu, r->mmio + reg, size, value);
}

static volatile struct line *line(uint32_t ring, uint32_t i)
{
    return (volatile struct line *)(void *)guest_page(ring + i % RING * 16);
}

static uint32_t eor(uint32_t i)
{
    return i % RING == RING - 1 ? EOR : 0;
}

static void start_cplus(struct guest_rtl8139 *r)
{
    for (uint32_t i = 0; i < RING; i++) {
        *line(r->rx_ring, i) =
            (struct line){ .command = OWN | BUFFER | eor(i), .addr = r->rx_buffers + i * BUFFER };
        *line(r->tx_ring, i) = (struct line){ .command = eor(i) };
    }
    guest_rtl8139_write(r, CPCR, 2, 3);
    guest_rtl8139_write(r, RDSAR, 4, r->rx_ring);
    guest_rtl8139_write(r, RDSAR + 4, 4, 0);
    guest_rtl8139_write(r, TNPDS, 4, r->tx_ring);
    guest_rtl8139_write(r, TNPDS + 4, 4, 0);
}

void guest_rtl8139_open(struct guest_rtl8139 *r, unsigned vcpu, unsigned devfn, uint32_t memory,
                        bool cplus)
{
    *r = (struct guest_rtl8139){ .vcpu = vcpu,
                                 .mmio = guest_bar(devfn, 1),
                                 .cplus = cplus,
                                 .tx_ring = memory,
                                 .rx_ring = memory + 0x1000,
                                 .tx_buffers = memory + 0x10000,
                                 .rx_buffers = memory + 0x30000 };
    guest_config_write(vcpu, devfn, 4, 2, guest_config_read(vcpu, devfn, 4, 2) | 7);
    guest_rtl8139_write(r, CR, 1, CR_RESET);
    if (cplus)
        start_cplus(r);
    else
        guest_rtl8139_write(r, RBSTART, 4, r->rx_buffers);
    guest_rtl8139_write(r, CR, 1, CR_ON);
    guest_rtl8139_write(r, RCR, 4, RCR_ALL);
}

void guest_rtl8139_put(struct guest_rtl8139 *r, uint64_t addr, uint32_t command, uint32_t vlan)
{
    volatile struct line *l = line(r->tx_ring, r->tail);

    l->addr = addr;
    l->vlan = vlan;
    l->command = command | eor(r->tail) | OWN;
    r->tail++;
}

/* The older way tells the card of each by itself. */
void guest_rtl8139_kick(struct guest_rtl8139 *r)
{
    if (r->cplus)
        guest_rtl8139_write(r, TPPOLL, 1, 0x40);
}

unsigned guest_rtl8139_reap(struct guest_rtl8139 *r)
{
    while (r->clean != r->tail &&
           !(r->cplus ? line(r->tx_ring, r->clean)->command & OWN
                      : ~guest_rtl8139_read(r, TSD + 4 * (r->clean % SLOTS), 4) & TSD_OWN))
        r->clean++;
    return r->tail - r->clean;
}

bool guest_rtl8139_send(struct guest_rtl8139 *r, const void *frame, size_t length)
{
    uint32_t slots = r->cplus ? RING - 1 : SLOTS, i = r->tail % (r->cplus ? RING : SLOTS);
    uint32_t at = r->tx_buffers + i * BUFFER;

    if (r->tail - r->clean >= slots)
        return false;
    guest_write(at, frame, length);
    if (r->cplus) {
        guest_rtl8139_put(r, at, GUEST_RTL8139_FS | GUEST_RTL8139_LS | (uint32_t)length, 0);
        return true;
    }
    guest_rtl8139_write(r, TSAD + 4 * i, 4, at);
    guest_rtl8139_write(r, TSD + 4 * i, 4, (uint32_t)length);
    r->tail++;
    return true;
}

static size_t receive_cplus(struct guest_rtl8139 *r, uint8_t *frame, size_t room)
{
    volatile struct line *l = line(r->rx_ring, r->next);
    uint32_t command = l->command;
    size_t length = command & 0x1fff;

    if (command & OWN)
        return 0;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    guest_read(r->rx_buffers + r->next % RING * BUFFER, frame, length < room ? length : room);
    l->command = OWN | BUFFER | eor(r->next);
    r->next++;
    return length;
}

/* A header of status and length, the frame, and the next on four bytes; CAPR is 16 behind. */
size_t guest_rtl8139_receive(struct guest_rtl8139 *r, uint8_t *frame, size_t room)
{
    uint16_t header[2];
    size_t length;

    if (r->cplus)
        return receive_cplus(r, frame, room);
    if (guest_rtl8139_read(r, CR, 1) & CR_EMPTY)
        return 0;
    guest_read(r->rx_buffers + r->next, header, sizeof(header));
    length = header[1];
    guest_read(r->rx_buffers + r->next + 4, frame, length < room ? length : room);
    r->next = (uint32_t)((r->next + 4 + length + 3) & ~3ul) % RX_BYTES;
    guest_rtl8139_write(r, CAPR, 2, (r->next - 16) & 0xffff);
    return length;
}
