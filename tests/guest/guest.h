/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A guest on the pretend Xen: what its vCPUs do, and what Xen does for them on the way to the
 * device model. A vCPU may be used by one thread at a time; several are used at once. Broken rules
 * of the ioreq ABI end the test by simxen_crash(), as Xen would end the domain.
 */
#define GUEST_WAIT_MS 20000 /* an access that is not answered by then has lost its device model */

uint32_t guest_in(unsigned vcpu, uint16_t port, unsigned size);
void guest_out(unsigned vcpu, uint16_t port, unsigned size, uint32_t value);
uint64_t guest_load(unsigned vcpu, uint64_t addr, unsigned size);
void guest_store(unsigned vcpu, uint64_t addr, unsigned size, uint64_t value);

/*
 * How a vCPU waits, for an answer and for an interrupt: so many turns of a spinning loop, and then
 * asleep until it is woken. 0 sleeps at once, GUEST_SPINS_EVER never.
 */
#define GUEST_SPINS 2000
#define GUEST_SPINS_EVER (~0u)
void guest_spin(unsigned turns); /* for all vCPUs */

/* Until a line is up: an ISA one, or pin A of a function's slot. False after GUEST_WAIT_MS. */
bool guest_await_isa(unsigned irq);
bool guest_await_intx(unsigned devfn);

/* rep ins, rep outs: items between a port and guest memory. */
void guest_ins(unsigned vcpu, uint16_t port, unsigned size, unsigned count, uint64_t addr);
void guest_outs(unsigned vcpu, uint16_t port, unsigned size, unsigned count, uint64_t addr);

/* A write that Xen posts; false where the ring is full, and Xen would send it the slow way. */
bool guest_post(uint64_t addr, unsigned size, uint64_t value);

/* By ports 0xcf8 and 0xcfc; each vCPU must not be in another's way, as on the real thing. */
uint32_t guest_config_read(unsigned vcpu, unsigned devfn, unsigned at, unsigned size);
void guest_config_write(unsigned vcpu, unsigned devfn, unsigned at, unsigned size, uint32_t value);

/*
 * What hvmloader does to PCI before any other code runs: BARs of all functions of bus 0, largest
 * first, memory from 0xf0000000 and ports from 0xc000; decoding on, IDE's legacy ports too.
 */
void guest_pci_setup(void);
uint64_t guest_bar(unsigned devfn, unsigned bar); /* what it was given */

/* Guest memory by physical address; NULL where there is none. One page at a time. */
uint8_t *guest_page(uint64_t addr);
void guest_read(uint64_t addr, void *bytes, size_t n); /* any number; all of it must be there */
void guest_write(uint64_t addr, const void *bytes, size_t n);
void guest_touched(uint64_t addr); /* a write of the guest's own, for dirty tracking */

/*
 * The balloon driver gives the frame of an address up and takes another for it; Xen then has every
 * device model forget what it has mapped, before the vCPU goes on.
 */
void guest_exchange(unsigned vcpu, uint64_t addr);

/* Lets dom0 at the page of an address. To end it is refused while the page is mapped there. */
uint32_t guest_grant(uint64_t addr, bool read_only);
bool guest_grant_end(uint32_t ref);

#endif
