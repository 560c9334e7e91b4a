/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DMA: descriptors, what moves where, and how a transfer that goes wrong shows. */
#include "dm/memory/memory.h"
#include "tests/unit/devices/storage/ide_bench.h"

#define BUF 0x100000
#define READ_DMA 0xc8
#define WRITE_DMA 0xca
#define READ_DMA_EXT 0x25
#define WRITE_DMA_EXT 0x35

static void in_memory(struct bench *b, uint64_t addr, uint64_t sector, unsigned count)
{
    uint8_t *data = malloc(512 * count);

    pc_peek(&b->pc, addr, data, 512 * count);
    expect_sectors(data, sector, count);
    free(data);
}

static void pattern(struct bench *b, uint64_t addr, uint64_t first, unsigned count)
{
    uint8_t bytes[512];

    for (unsigned i = 0; i < count; i++) {
        make_sector(bytes, first + i);
        pc_poke(&b->pc, addr + 512 * i, bytes, 512);
    }
}

TEST(a_dma_read_scatters_into_guest_memory)
{
    const struct prd prds[] = { { BUF, 512 }, { BUF + 0x3000, 1536 }, { BUF + 0x9002, 2048 } };
    struct bench b;

    bench_disk(&b, 256);
    prd_table(&b, prds, 3);
    put_lba28(&b, 20, 8);
    out(&b, R_COMMAND, READ_DMA);
    CHECK_EQ(dma(&b, true), INTERRUPT); /* the table is used up: no longer active */
    CHECK(irq(&b));
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    CHECK(!irq(&b));
    in_memory(&b, BUF, 20, 1);
    in_memory(&b, BUF + 0x3000, 21, 3);
    in_memory(&b, BUF + 0x9002, 24, 4);
    CHECK_EQ(memory_get_stats(b.pc.board.memory).pinned, 0);
    bench_close(&b);
}

TEST(a_dma_write_reaches_the_image)
{
    const struct prd prds[] = { { BUF, 512 }, { BUF + 512, 512 } };
    struct bench b;
    uint8_t there[1024];

    bench_disk(&b, 256);
    pattern(&b, BUF, 1000, 2);
    prd_table(&b, prds, 2);
    put_lba28(&b, 7, 2);
    out(&b, R_COMMAND, WRITE_DMA);
    CHECK_EQ(dma(&b, false), INTERRUPT);
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    image_read(&b, 7, there, sizeof(there));
    expect_sectors(there, 1000, 2);
    bench_close(&b);
}

TEST(a_descriptor_of_zero_bytes_is_64_kib_and_long_transfers_go_on)
{
    struct prd prds[24];
    struct bench b;

    for (unsigned i = 0; i < 24; i++)
        prds[i] = (struct prd){ BUF + 0x10000 * i, 0x10000 };
    bench_disk(&b, 4096);
    prd_table(&b, prds, 24);
    put_lba48(&b, 100, 24 * 128); /* 1.5 MiB */
    out(&b, R_COMMAND, READ_DMA_EXT);
    CHECK_EQ(dma(&b, true), INTERRUPT);
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    in_memory(&b, BUF, 100, 24 * 128);
    bench_close(&b);
}

TEST(hundreds_of_tiny_descriptors_move_every_byte)
{
    struct prd prds[1024];
    struct bench b;

    for (unsigned i = 0; i < 1024; i++) /* 6 + 2 bytes, again and again: 4 KiB */
        prds[i] = (struct prd){ BUF + 8 * (i / 2) + (i % 2 ? 6 : 0), i % 2 ? 2 : 6 };
    bench_disk(&b, 256);
    prd_table(&b, prds, 1024);
    put_lba28(&b, 30, 8);
    out(&b, R_COMMAND, READ_DMA);
    CHECK_EQ(dma(&b, true), INTERRUPT);
    in_memory(&b, BUF, 30, 8);
    pattern(&b, BUF, 500, 8);
    prd_table(&b, prds, 1024);
    put_lba28(&b, 40, 8);
    out(&b, R_COMMAND, WRITE_DMA);
    CHECK_EQ(dma(&b, false), INTERRUPT);
    prd_table(&b, &(struct prd){ BUF + 0x8000, 4096 }, 1);
    put_lba28(&b, 40, 8);
    out(&b, R_COMMAND, READ_DMA);
    dma(&b, true);
    in_memory(&b, BUF + 0x8000, 500, 8);
    bench_close(&b);
}

/* Sizes whose sum over a round of descriptors is no number of sectors. */
static unsigned uneven(struct prd *prds, uint32_t bytes)
{
    static const uint8_t sizes[] = { 6, 10, 4 };
    uint32_t at = 0;
    unsigned n = 0;

    for (; at < bytes; n++) {
        uint32_t size = MIN(sizes[n % 3], bytes - at);

        prds[n] = (struct prd){ BUF + at, size };
        at += size;
    }
    return n;
}

TEST(descriptors_that_split_sectors_anywhere_move_every_byte)
{
    struct prd prds[1100];
    struct bench b;
    uint8_t there[14 * 512];

    bench_disk(&b, 256);
    prd_table(&b, prds, uneven(prds, sizeof(there)));
    put_lba28(&b, 30, 14);
    out(&b, R_COMMAND, READ_DMA);
    CHECK_EQ(dma(&b, true), INTERRUPT);
    in_memory(&b, BUF, 30, 14);
    pattern(&b, BUF, 500, 14);
    prd_table(&b, prds, uneven(prds, sizeof(there)));
    put_lba28(&b, 60, 14);
    out(&b, R_COMMAND, WRITE_DMA);
    CHECK_EQ(dma(&b, false), INTERRUPT);
    image_read(&b, 60, there, sizeof(there));
    expect_sectors(there, 500, 14);
    CHECK_EQ(memory_get_stats(b.pc.board.memory).pinned, 0);
    bench_close(&b);
}

TEST(no_part_of_a_sector_is_written)
{
    struct bench b;
    uint8_t there[1024];

    bench_disk(&b, 64);
    pattern(&b, BUF, 500, 2);
    one_prd(&b, BUF, 700);
    put_lba28(&b, 9, 2);
    out(&b, R_COMMAND, WRITE_DMA);
    bm_start(&b, false);
    pc_settle(&b.pc);
    ready(&b);
    pc_settle(&b.pc);
    CHECK_EQ(bm_status(&b), 0);
    image_read(&b, 9, there, 1024);
    expect_sectors(there, 500, 1);
    expect_sectors(there + 512, 10, 1);
    bench_close(&b);
}

TEST(a_packets_table_may_end_early_and_be_replaced)
{
    const struct bench_drive drives[4] = { { .sectors = 64, .cdrom = true } };
    struct bench b;
    uint8_t a[36];

    bench_open(&b, drives);
    one_prd(&b, BUF, 20);
    packet(&b, CDB(0x12, 0, 0, 0, 36), 0, true);
    bm_start(&b, true);
    CHECK_EQ(bm_status(&b), 0);
    CHECK_EQ(pc_in8(&b.pc, BAR), 9);
    bm_stop(&b);
    one_prd(&b, BUF + 20, 16);
    CHECK_EQ(dma(&b, true), INTERRUPT);
    pc_peek(&b.pc, BUF, a, 36);
    CHECK_MEM(a + 8, "XEN-DM  DVD-ROM         1.0 ", 28);
    bench_close(&b);
}

TEST(a_table_longer_than_the_data_leaves_the_bus_master_active)
{
    struct bench b;

    bench_disk(&b, 64);
    one_prd(&b, BUF, 4096);
    put_lba28(&b, 3, 1);
    out(&b, R_COMMAND, READ_DMA);
    CHECK_EQ(dma(&b, true), INTERRUPT | ACTIVE);
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    in_memory(&b, BUF, 3, 1);
    bench_close(&b);
}

TEST(a_table_shorter_than_the_data_stops_without_an_interrupt)
{
    struct bench b;
    uint8_t edge[2];

    bench_disk(&b, 64);
    pc_poke(&b.pc, BUF + 700, "\x77\x88", 2);
    one_prd(&b, BUF, 700);
    put_lba28(&b, 3, 8);
    out(&b, R_COMMAND, READ_DMA);
    bm_start(&b, true);
    pc_settle(&b.pc);
    ready(&b);
    pc_settle(&b.pc);
    CHECK_EQ(bm_status(&b), 0);
    CHECK(alt_status(&b) & DRQ);
    CHECK(!irq(&b));
    in_memory(&b, BUF, 3, 1);
    pc_peek(&b.pc, BUF + 700, edge, 2);
    CHECK_MEM(edge, "\x77\x88", 2); /* nothing past the descriptor */
    bm_stop(&b);
    control(&b, 4);
    control(&b, 0);
    CHECK_EQ(in(&b, R_STATUS), 0x50); /* a reset gets it out of there */
    bench_close(&b);
}

TEST(a_new_table_carries_an_interrupted_transfer_on)
{
    struct bench b;

    bench_disk(&b, 64);
    one_prd(&b, BUF, 1024);
    put_lba28(&b, 3, 4);
    out(&b, R_COMMAND, READ_DMA);
    bm_start(&b, true);
    pc_settle(&b.pc);
    ready(&b);
    pc_settle(&b.pc);
    bm_stop(&b);
    one_prd(&b, BUF + 1024, 1024);
    CHECK_EQ(dma(&b, true), INTERRUPT);
    in_memory(&b, BUF, 3, 4);
    bench_close(&b);
}

TEST(what_is_not_ram_takes_no_data_and_gives_all_ones)
{
    const struct prd prds[] = { { 0xf0000000, 512 }, { 0xa0000, 512 }, { BUF, 512 } };
    struct bench b;
    uint8_t there[1024], want[1024];

    bench_disk(&b, 64);
    prd_table(&b, prds, 3);
    put_lba28(&b, 3, 3);
    out(&b, R_COMMAND, READ_DMA);
    CHECK_EQ(dma(&b, true), INTERRUPT);
    in_memory(&b, BUF, 5, 1);
    prd_table(&b, prds, 3);
    put_lba28(&b, 9, 3);
    out(&b, R_COMMAND, WRITE_DMA);
    CHECK_EQ(dma(&b, false), INTERRUPT);
    image_read(&b, 9, there, 1024);
    memset(want, 0xff, sizeof(want));
    CHECK_MEM(there, want, 1024);
    bench_close(&b);
}

TEST(descriptors_in_no_memory_end_somewhere)
{
    struct bench b;

    bench_disk(&b, 64);
    pc_out32(&b.pc, bm(&b, 4), 0xfffffffc); /* the table wraps, too */
    put_lba28(&b, 3, 8);
    out(&b, R_COMMAND, READ_DMA);
    CHECK_EQ(dma(&b, true) & INTERRUPT, INTERRUPT);
    bench_close(&b);
}

TEST(the_bus_master_may_be_started_before_the_command)
{
    struct bench b;

    bench_disk(&b, 64);
    one_prd(&b, BUF, 512);
    put_lba28(&b, 6, 1);
    bm_start(&b, true);
    CHECK_EQ(bm_status(&b), ACTIVE);
    out(&b, R_COMMAND, READ_DMA);
    CHECK(pc_wait(&b.pc, bench_interrupted, &b));
    bm_stop(&b);
    in_memory(&b, BUF, 6, 1);
    bench_close(&b);
}

TEST(after_start_is_cleared_nothing_more_comes_into_memory)
{
    struct bench b;
    struct prd prds[16];

    for (unsigned i = 0; i < 16; i++)
        prds[i] = (struct prd){ BUF + 0x10000 * i, 0x10000 };
    bench_disk(&b, 4096);
    prd_table(&b, prds, 16);
    put_lba48(&b, 0, 2048);
    out(&b, R_COMMAND, READ_DMA_EXT);
    bm_start(&b, true);
    CHECK(memory_get_stats(b.pc.board.memory).pinned > 0);
    bm_stop(&b); /* answered when the request is out of guest memory */
    CHECK_EQ(memory_get_stats(b.pc.board.memory).pinned, 0);
    CHECK_EQ(bm_status(&b) & ACTIVE, 0);
    bench_close(&b);
}

TEST(a_software_reset_in_flight_keeps_the_drive_busy_until_memory_is_free)
{
    struct bench b;

    bench_disk(&b, 4096);
    one_prd(&b, BUF, 0x10000);
    put_lba48(&b, 0, 128);
    out(&b, R_COMMAND, READ_DMA_EXT);
    bm_start(&b, true);
    control(&b, 4);
    control(&b, 0);
    CHECK(alt_status(&b) & BSY);
    CHECK_EQ(ready(&b), 0x50);
    CHECK_EQ(memory_get_stats(b.pc.board.memory).pinned, 0);
    CHECK(!irq(&b)); /* the aborted command says nothing */
    CHECK_EQ(in(&b, R_COUNT), 1);
    bench_close(&b);
}

TEST(no_dma_without_bus_master_enable)
{
    struct bench b;

    bench_disk(&b, 64);
    pc_config_write(&b.pc, IDE_DEVFN, 4, 2, 0x0001);
    one_prd(&b, BUF, 512);
    put_lba28(&b, 6, 1);
    out(&b, R_COMMAND, READ_DMA);
    bm_start(&b, true);
    pc_settle(&b.pc);
    CHECK_EQ(bm_status(&b), ACTIVE);
    pc_config_write(&b.pc, IDE_DEVFN, 4, 2, 0x0005);
    CHECK(pc_wait(&b.pc, bench_interrupted, &b));
    in_memory(&b, BUF, 6, 1);
    bench_close(&b);
}

TEST(a_direction_that_drive_and_bus_master_do_not_share_moves_nothing)
{
    struct bench b;

    bench_disk(&b, 64);
    one_prd(&b, BUF, 512);
    put_lba28(&b, 6, 1);
    out(&b, R_COMMAND, READ_DMA);
    bm_start(&b, false);
    pc_settle(&b.pc);
    CHECK_EQ(bm_status(&b), ACTIVE);
    CHECK_EQ(disk_get_stats(drive_disk(b.drive[0])).reads, 0);
    bench_close(&b);
}

TEST(small_dma_reads_in_order_are_read_ahead)
{
    struct bench b;

    bench_disk(&b, 1024);
    for (unsigned n = 0; n < 1024; n += 8) {
        one_prd(&b, BUF + 512 * n, 4096);
        put_lba28(&b, n, 8);
        out(&b, R_COMMAND, READ_DMA);
        CHECK_EQ(dma(&b, true), INTERRUPT);
        CHECK_EQ(in(&b, R_STATUS), 0x50);
    }
    in_memory(&b, BUF, 0, 1024);
    CHECK(disk_get_stats(drive_disk(b.drive[0])).reads <= 10);
    bench_close(&b);
}

TEST(fua_writes_are_flushed)
{
    struct bench b;

    bench_disk(&b, 64);
    one_prd(&b, BUF, 512);
    put_lba48(&b, 6, 1);
    out(&b, R_COMMAND, 0x3d);
    CHECK_EQ(dma(&b, false), INTERRUPT);
    CHECK_EQ(disk_get_stats(drive_disk(b.drive[0])).flushes, 1);
    bench_close(&b);
}

static void trim(struct bench *b, uint64_t lba, uint64_t count)
{
    uint8_t ranges[512] = { 0 };

    put_le64(ranges + 8, lba | count << 48); /* the first range is empty */
    pc_poke(&b->pc, BUF, ranges, 512);
    one_prd(b, BUF, 512);
    put_lba48(b, 0, 1);
    out(b, R_FEATURES, 1);
    out(b, R_COMMAND, 0x06);
}

TEST(trim_punches_holes)
{
    const struct bench_drive drives[4] = { { .sectors = 256, .discard = true } };
    struct bench b;
    uint8_t there[512], page[512], zero[512] = { 0 };

    bench_open(&b, drives);
    device(&b, 0);
    pio_in(&b, 0xec, page, 512, 512);
    CHECK_EQ(get_le16(page + 2 * 169), 1);
    trim(&b, 64, 64);
    CHECK_EQ(dma(&b, false), INTERRUPT);
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    image_read(&b, 64, there, 512);
    CHECK_MEM(there, zero, 512);
    image_read(&b, 128, there, 512);
    expect_sectors(there, 128, 1);
    CHECK_EQ(disk_get_stats(drive_disk(b.drive[0])).discards, 1);
    trim(&b, 250, 7); /* past the end */
    dma(&b, false);
    CHECK_EQ(in(&b, R_STATUS), 0x51);
    bench_close(&b);
}

TEST(trim_is_aborted_where_it_was_not_offered)
{
    struct bench b;

    bench_disk(&b, 64);
    trim(&b, 0, 8);
    CHECK_EQ(ready(&b), 0x51);
    bench_close(&b);
}

TEST(bus_master_registers_keep_what_software_may_set)
{
    struct bench b;

    bench_disk(&b, 64);
    pc_out32(&b.pc, BAR + 4, 0x12345677);
    CHECK_EQ(pc_in32(&b.pc, BAR + 4), 0x12345674);
    pc_out8(&b.pc, BAR + 2, 0x60);
    CHECK_EQ(pc_in8(&b.pc, BAR + 2), 0x60);
    CHECK_EQ(pc_in8(&b.pc, BAR + 0xa), 0);
    CHECK_EQ(pc_in8(&b.pc, BAR + 1), 0);
    bench_close(&b);
}
