/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The emulated disk, on a file in memory: the device model's own cost. */
#include <signal.h>
#include "tests/bench/bench.h"
#include "tests/guest/guest.h"
#include "tests/guest/ide.h"
#include "tests/kit/check.h"

#define END_MS 5000
#define TABLE (BENCH_MEMORY - 0x1000)
#define FOR_NS 400000000ull
#define SECTOR 512u

/* Variants: what, how many sectors, and where. */
#define PIO 1u
#define WRITE 2u
#define RANDOM 4u
#define OF(kind, sectors) ((kind) | (sectors) << 8)

static unsigned transfer(struct guest_ide *ide, unsigned variant, uint64_t lba)
{
    uint16_t sectors = (uint16_t)(variant >> 8);

    switch (variant & (PIO | WRITE)) {
    case 0:
        return guest_ide_dma(ide, GUEST_READ_DMA_EXT, true, lba, sectors, BENCH_MEMORY);
    case PIO:
        return guest_ide_pio_in(ide, GUEST_READ_EXT, lba, sectors, BENCH_MEMORY);
    case WRITE:
        return guest_ide_dma(ide, GUEST_WRITE_DMA_EXT, false, lba, sectors, BENCH_MEMORY);
    default:
        return guest_ide_pio_out(ide, GUEST_WRITE_EXT, lba, sectors, BENCH_MEMORY);
    }
}

static double mib_per_second(bool stock, unsigned variant)
{
    struct dm_config config = { .stock = stock, .vcpus = 1, .disk = bench_disk() };
    uint64_t sectors = variant >> 8, blocks = BENCH_DISK_BYTES / SECTOR / sectors, at = 0;
    uint64_t bytes = 0, start, seed = 88172645463325252u;
    struct guest_ide ide;
    struct dm dm;

    dm_open(&dm, &config);
    guest_pci_setup();
    guest_ide_open(&ide, 0, 0, TABLE);
    start = now_ns();
    while (now_ns() - start < FOR_NS) {
        if (variant & RANDOM)
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17, at = seed;
        else
            at++;
        CHECK_EQ(transfer(&ide, variant, at % blocks * sectors) & GUEST_IDE_ERR, 0);
        bytes += sectors * SECTOR;
    }
    start = now_ns() - start;
    dm_close(&dm, SIGTERM, END_MS);
    return (double)bytes / (double)(1 << 20) / ((double)start / 1e9);
}

const struct bench_case ide_cases[] = {
    { "ide_pio_read_1", "IDE, PIO read, a sector at a time", "MiB/s", false, 2, 5, mib_per_second,
      OF(PIO, 1) },
    { "ide_pio_read_64", "IDE, PIO read, 32 KiB", "MiB/s", false, 2, 5, mib_per_second,
      OF(PIO, 64) },
    { "ide_pio_write_64", "IDE, PIO write, 32 KiB", "MiB/s", false, 0, 5, mib_per_second,
      OF(PIO | WRITE, 64) },
    { "ide_dma_read_8", "IDE, DMA read, 4 KiB in order", "MiB/s", false, 2, 5, mib_per_second,
      OF(0, 8) },
    { "ide_dma_read_8_random", "IDE, DMA read, 4 KiB at random", "MiB/s", false, 2, 5,
      mib_per_second, OF(RANDOM, 8) },
    { "ide_dma_read_128", "IDE, DMA read, 64 KiB", "MiB/s", false, 2, 5, mib_per_second,
      OF(0, 128) },
    { "ide_dma_read_1024", "IDE, DMA read, 512 KiB", "MiB/s", false, 2, 5, mib_per_second,
      OF(0, 1024) },
    { "ide_dma_write_8", "IDE, DMA write, 4 KiB", "MiB/s", false, 0, 5, mib_per_second,
      OF(WRITE, 8) },
    { "ide_dma_write_128", "IDE, DMA write, 64 KiB", "MiB/s", false, 0, 5, mib_per_second,
      OF(WRITE, 128) },
    { 0 },
};
