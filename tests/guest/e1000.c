/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers, Software Developer's Manual. */
#include <string.h>
#include "tests/guest/e1000.h"
#include "tests/guest/guest.h"

enum {
    CTRL = 0x0000,
    ICR = 0x00c0,
    IMS = 0x00d0,
    RCTL = 0x0100,
    TCTL = 0x0400,
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
};
#define CTRL_SLU 0x40u
#define RCTL_ALL 0x0400801eu /* on, all frames, broadcast, no FCS */
#define TCTL_EN 0x0004010au  /* on, pads */
#define DONE 1u
#define RX_BATCH 16
#define RING GUEST_E1000_RING
#define BUFFER GUEST_E1000_BUFFER

struct line {
    uint64_t addr;
    uint32_t command; /* received: the length */
    uint32_t status;
};

uint32_t guest_e1000_read(struct guest_e1000 *e, uint32_t reg)
{
    return (uint32_t)guest_load(e->vcpu, e->mmio + reg, 4);
}

void guest_e1000_write(struct guest_e1000 *e, uint32_t reg, uint32_t value)
{
    guest_store(e->vcpu, e->mmio + reg, 4, value);
}

static volatile struct line *line(uint32_t ring, uint32_t i)
{
    return (volatile struct line *)(void *)guest_page(ring + i % RING * 16);
}

void guest_e1000_open(struct guest_e1000 *e, unsigned vcpu, unsigned devfn, uint32_t memory)
{
    memset(e, 0, sizeof(*e));
    e->vcpu = vcpu;
    e->devfn = devfn;
    e->mmio = guest_bar(devfn, 0);
    e->tx_ring = memory;
    e->rx_ring = e->tx_ring + RING * 16;
    e->tx_buffers = e->rx_ring + RING * 16;
    e->rx_buffers = e->tx_buffers + RING * BUFFER;
    guest_config_write(vcpu, devfn, 4, 2, guest_config_read(vcpu, devfn, 4, 2) | 6);
    guest_e1000_write(e, CTRL, guest_e1000_read(e, CTRL) | CTRL_SLU);
    for (uint32_t i = 0; i < RING; i++) {
        *line(e->rx_ring, i) = (struct line){ .addr = e->rx_buffers + i * BUFFER };
        *line(e->tx_ring, i) = (struct line){ .status = DONE };
    }
    guest_e1000_write(e, RDBAL, e->rx_ring);
    guest_e1000_write(e, RDBAH, 0);
    guest_e1000_write(e, RDLEN, RING * 16);
    guest_e1000_write(e, RDH, 0);
    guest_e1000_write(e, RDT, RING - 1);
    guest_e1000_write(e, TDBAL, e->tx_ring);
    guest_e1000_write(e, TDBAH, 0);
    guest_e1000_write(e, TDLEN, RING * 16);
    guest_e1000_write(e, TDH, 0);
    guest_e1000_write(e, TDT, 0);
    guest_e1000_write(e, RCTL, RCTL_ALL);
    guest_e1000_write(e, TCTL, TCTL_EN);
}

void guest_e1000_put(struct guest_e1000 *e, uint64_t addr, uint32_t command, uint32_t status)
{
    *line(e->tx_ring, e->tail++) =
        (struct line){ .addr = addr, .command = command, .status = status };
}

void guest_e1000_kick(struct guest_e1000 *e)
{
    guest_e1000_write(e, TDT, e->tail % RING);
}

/* A line without RS is never marked: the next one that has it speaks for it. */
unsigned guest_e1000_reap(struct guest_e1000 *e)
{
    for (uint32_t i = e->clean; i != e->tail; i++)
        if (line(e->tx_ring, i)->status & DONE)
            e->clean = i + 1;
    return e->tail - e->clean;
}

bool guest_e1000_send(struct guest_e1000 *e, const void *frame, size_t length)
{
    uint32_t at = e->tx_buffers + e->tail % RING * BUFFER;

    if (e->tail - e->clean >= RING - 1)
        return false;
    guest_write(at, frame, length);
    guest_e1000_put(e, at, GUEST_E1000_EOP | GUEST_E1000_IFCS | GUEST_E1000_RS | (uint32_t)length,
                    0);
    return true;
}

/* The frame before was the caller's till now; the card gets lines back by the dozen. */
size_t guest_e1000_receive(struct guest_e1000 *e, const uint8_t **frame)
{
    volatile struct line *l = line(e->rx_ring, e->next);

    if (e->next - e->returned >= RX_BATCH) {
        e->returned = e->next;
        guest_e1000_write(e, RDT, (e->returned - 1) % RING);
    }
    if (!(l->status & DONE))
        return 0;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    l->status = 0;
    *frame = guest_page(e->rx_buffers + e->next % RING * BUFFER);
    e->next++;
    return l->command & 0xffff;
}
