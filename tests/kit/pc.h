/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_KIT_PC_H
#define TESTS_KIT_PC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "devices/core/device.h"
#include "dm/memory/memory.h"

/*
 * A bench to plug devices into without Xen: one loop, a stopped clock, ports, MMIO, PCI
 * configuration, 16 MiB of RAM, interrupt wires that remember, and host ends under the test's hand.
 * All accesses go through the address spaces, as a guest's do.
 */
struct pc {
    struct board board;
    struct loop *loop;
    struct backing *backing;
    bool isa[16];
    unsigned isa_edges[16]; /* how often each went up */
    bool intx[32][4];
    unsigned links[4];
    unsigned resets, power_offs, suspends;
    bool rom_locked;
    unsigned unplug_mask;
    uint64_t msi_addr;
    uint32_t msi_data;
    unsigned msis;
    struct {
        const char *kind, *id;
        void *end;
    } ends[16];
    unsigned end_count;
    struct device *devices[16];
    void *fences[16]; /* in the arena, behind each device's registers */
    unsigned device_count;
};

#define PC_RAM (16u << 20)

void pc_open(struct pc *pc); /* any failure fails the test */
void pc_close(struct pc *pc); /* detaches all devices, newest first */
void pc_give(struct pc *pc, const char *kind, const char *id, void *end); /* a host end */
struct device *pc_plug(struct pc *pc, const struct device_class *cls, const char *options);

uint8_t pc_in8(struct pc *pc, uint64_t port);
uint16_t pc_in16(struct pc *pc, uint64_t port);
uint32_t pc_in32(struct pc *pc, uint64_t port);
void pc_out8(struct pc *pc, uint64_t port, uint8_t v);
void pc_out16(struct pc *pc, uint64_t port, uint16_t v);
void pc_out32(struct pc *pc, uint64_t port, uint32_t v);
uint64_t pc_mmio_read(struct pc *pc, uint64_t addr, unsigned size);
void pc_mmio_write(struct pc *pc, uint64_t addr, unsigned size, uint64_t v);
uint32_t pc_config_read(struct pc *pc, unsigned devfn, unsigned offset, unsigned size);
void pc_config_write(struct pc *pc, unsigned devfn, unsigned offset, unsigned size, uint32_t v);

/* The guest's RAM. */
void pc_poke(struct pc *pc, uint64_t addr, const void *bytes, size_t n);
void pc_peek(struct pc *pc, uint64_t addr, void *bytes, size_t n);

/* Runs the loop until nothing is ready; and until `done` says so, at most a few real seconds. */
void pc_settle(struct pc *pc);
bool pc_wait(struct pc *pc, bool (*done)(void *arg), void *arg);
void pc_crank(struct pc *pc, uint64_t ns); /* time passes; timers run in order */

/* ---- Checks that hold for every device; call them from each device's test ---- */
/* Reset after random accesses gives the regs that attach gave. */
void pc_check_reset(struct pc *pc, struct device *dev, unsigned seed);
/* `saved` names every byte of regs (padding must be an explicit reserved field). */
void pc_check_saved(struct device *dev);
#endif
