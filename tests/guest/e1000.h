/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_E1000_H
#define TESTS_GUEST_E1000_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A driver for the 82540EM: one ring each way at guest addresses of the caller's choosing. The
 * firmware has been there. Two vCPUs may use one, the one to send and the other to receive.
 */
#define GUEST_E1000_RING 256u
#define GUEST_E1000_BUFFER 2048u
/* What it needs of guest memory at `memory`: two rings, and a buffer for each line of both. */
#define GUEST_E1000_BYTES (2 * GUEST_E1000_RING * (16 + GUEST_E1000_BUFFER))

struct guest_e1000 {
    unsigned vcpu, devfn;
    uint64_t mmio;
    uint32_t tx_ring, rx_ring, tx_buffers, rx_buffers;
    uint32_t tail, clean;    /* transmit: next free, first unfinished */
    uint32_t next, returned; /* receive: next to look at, and those the card was given back */
};

void guest_e1000_open(struct guest_e1000 *e, unsigned vcpu, unsigned devfn, uint32_t memory);
uint32_t guest_e1000_read(struct guest_e1000 *e, uint32_t reg);
void guest_e1000_write(struct guest_e1000 *e, uint32_t reg, uint32_t value);

/* A raw descriptor into the ring; the card hears of it by _kick. */
void guest_e1000_put(struct guest_e1000 *e, uint64_t addr, uint32_t command, uint32_t status);
void guest_e1000_kick(struct guest_e1000 *e);
/* Frames that are sent, or being sent: descriptors the card has not finished. */
unsigned guest_e1000_reap(struct guest_e1000 *e);
/* Copies a frame to a buffer of the ring; false: the ring is full (_kick, _reap). */
bool guest_e1000_send(struct guest_e1000 *e, const void *frame, size_t length);
/* The next received frame, in *frame until the next call; its length, or 0. */
size_t guest_e1000_receive(struct guest_e1000 *e, const uint8_t **frame);

#define GUEST_E1000_EOP 0x01000000u
#define GUEST_E1000_IFCS 0x02000000u
#define GUEST_E1000_RS 0x08000000u

#endif
