/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_RTL8139_H
#define TESTS_GUEST_RTL8139_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A driver for the RTL8139C+, either way of it: four buffers and a receive ring as the older chips
 * have, or C+ descriptors. The firmware has been there.
 */
#define GUEST_RTL8139_RING 64u
#define GUEST_RTL8139_BUFFER 2048u
#define GUEST_RTL8139_BYTES 0x60000u /* of guest memory */

struct guest_rtl8139 {
    unsigned vcpu;
    uint64_t mmio;
    uint32_t tx_buffers, rx_buffers, tx_ring, rx_ring;
    bool cplus;
    uint32_t tail, clean, next;
};

void guest_rtl8139_open(struct guest_rtl8139 *r, unsigned vcpu, unsigned devfn, uint32_t memory,
                        bool cplus);
uint32_t guest_rtl8139_read(struct guest_rtl8139 *r, unsigned reg, unsigned size);
void guest_rtl8139_write(struct guest_rtl8139 *r, unsigned reg, unsigned size, uint32_t value);

bool guest_rtl8139_send(struct guest_rtl8139 *r, const void *frame, size_t length);
/* C+: a raw descriptor; heard of by _kick. */
void guest_rtl8139_put(struct guest_rtl8139 *r, uint64_t addr, uint32_t command, uint32_t vlan);
void guest_rtl8139_kick(struct guest_rtl8139 *r);
unsigned guest_rtl8139_reap(struct guest_rtl8139 *r); /* still unfinished */
/* Copies the next received frame; its length with FCS, or 0. */
size_t guest_rtl8139_receive(struct guest_rtl8139 *r, uint8_t *frame, size_t room);

#define GUEST_RTL8139_OWN 0x80000000u
#define GUEST_RTL8139_EOR 0x40000000u
#define GUEST_RTL8139_FS 0x20000000u
#define GUEST_RTL8139_LS 0x10000000u

#endif
