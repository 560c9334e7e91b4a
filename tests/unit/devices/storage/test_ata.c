/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An ATA hard disk by PIO: what its registers, commands and IDENTIFY say. */
#include "tests/unit/devices/storage/ide_bench.h"

static uint16_t word(const uint8_t *page, unsigned n)
{
    return get_le16(page + 2 * n);
}

static void identify(struct bench *b, uint8_t page[512])
{
    device(b, 0);
    CHECK_EQ(pio_in(b, 0xec, page, 512, 512), 0x50);
}

TEST(a_hard_disk_shows_its_signature_after_power_on)
{
    struct bench b;

    bench_disk(&b, 64);
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    CHECK_EQ(in(&b, R_ERROR), 1);
    CHECK_EQ(in(&b, R_COUNT), 1);
    CHECK_EQ(in(&b, R_LOW), 1);
    CHECK_EQ(in(&b, R_MID), 0);
    CHECK_EQ(in(&b, R_HIGH), 0);
    bench_close(&b);
}

TEST(identify_is_true_about_size_name_and_modes)
{
    const struct bench_drive drives[4] = { { .sectors = 20480, .serial = "ABC123" } };
    struct bench b;
    uint8_t p[512], sum = 0;

    bench_open(&b, drives);
    identify(&b, p);
    CHECK_EQ(word(p, 0), 0x0040);
    CHECK_EQ(word(p, 1), 20);
    CHECK_EQ(word(p, 3), 16);
    CHECK_EQ(word(p, 6), 63);
    CHECK_MEM(p + 20, "BA1C32              ", 20);
    CHECK_MEM(p + 54, "EX-NMDH RADDSI K", 16);
    CHECK_EQ(get_le32(p + 120), 20480);
    CHECK_EQ(get_le64(p + 200), 20480);
    CHECK_EQ(word(p, 47), 0x8010);
    CHECK_EQ(word(p, 59), 0x0110);
    CHECK_EQ(word(p, 63), 0x0407); /* Multiword DMA 2 is chosen */
    CHECK(word(p, 83) & 1 << 10);  /* LBA48 */
    CHECK_EQ(word(p, 169), 0);     /* no TRIM on this image */
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + p[i]);
    CHECK_EQ(sum, 0);
    bench_close(&b);
}

TEST(serial_numbers_tell_units_apart)
{
    const struct bench_drive drives[4] = { { .sectors = 64 }, { .sectors = 64 } };
    struct bench b;
    uint8_t p[512];

    bench_open(&b, drives);
    identify(&b, p);
    CHECK_MEM(p + 20, "DX0000 1", 8);
    b.unit = 1;
    identify(&b, p);
    CHECK_MEM(p + 20, "DX0000 2", 8);
    bench_close(&b);
}

TEST(read_sectors_gives_each_block_with_an_interrupt_and_ends_in_silence)
{
    struct bench b;
    uint8_t data[1024];

    bench_disk(&b, 64);
    put_lba28(&b, 5, 2);
    out(&b, R_COMMAND, 0x20);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(ready(&b) & DRQ);
        CHECK(irq(&b));
        CHECK_EQ(in(&b, R_STATUS), 0x58);
        CHECK(!irq(&b));
        take(&b, data + 512 * i, 512);
    }
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    CHECK(!irq(&b));
    CHECK_EQ(irq_edges(&b), 2);
    expect_sectors(data, 5, 2);
    bench_close(&b);
}

TEST(a_read_in_order_is_served_at_once_from_read_ahead)
{
    struct bench b;
    uint8_t data[512];
    struct disk_stats stats;

    bench_disk(&b, 1024);
    for (unsigned n = 0; n < 1024; n++) {
        put_lba28(&b, n, 1);
        CHECK_EQ(pio_in(&b, 0x20, data, 512, 512), 0x50);
        expect_sectors(data, n, 1);
    }
    stats = disk_get_stats(drive_disk(b.drive[0]));
    CHECK(stats.reads <= 8);
    put_lba28(&b, 1023, 1);
    out(&b, R_COMMAND, 0x20);
    CHECK_EQ(alt_status(&b), 0x58); /* without a pass of the loop */
    take(&b, data, 512);
    bench_close(&b);
}

TEST(a_write_makes_read_ahead_forget)
{
    struct bench b;
    uint8_t data[512], mine[512];

    memset(mine, 0x5a, sizeof(mine));
    bench_disk(&b, 64);
    put_lba28(&b, 0, 1);
    pio_in(&b, 0x20, data, 512, 512);
    put_lba28(&b, 1, 1);
    CHECK_EQ(pio_out(&b, 0x30, mine, 512, 512), 0x50);
    put_lba28(&b, 1, 1);
    CHECK_EQ(pio_in(&b, 0x20, data, 512, 512), 0x50);
    CHECK_MEM(data, mine, 512);
    bench_close(&b);
}

TEST(write_sectors_reaches_the_image)
{
    struct bench b;
    uint8_t mine[4 * 512], there[4 * 512];

    for (unsigned i = 0; i < sizeof(mine); i++)
        mine[i] = (uint8_t)(i * 13);
    bench_disk(&b, 64);
    put_lba28(&b, 10, 4);
    out(&b, R_COMMAND, 0x30);
    CHECK_EQ(in(&b, R_STATUS), 0x58);
    CHECK(!irq(&b)); /* the first block is asked for without an interrupt */
    for (unsigned i = 0; i < 4; i++) {
        give(&b, mine + 512 * i, 512);
        ready(&b);
        CHECK(irq(&b));
        CHECK_EQ(in(&b, R_STATUS), i < 3 ? 0x58 : 0x50);
    }
    image_read(&b, 10, there, sizeof(there));
    CHECK_MEM(there, mine, sizeof(mine));
    bench_close(&b);
}

TEST(read_multiple_moves_blocks_of_what_set_multiple_said)
{
    struct bench b;
    uint8_t data[12 * 512];

    bench_disk(&b, 64);
    device(&b, 0);
    out(&b, R_COUNT, 8);
    CHECK_EQ(run(&b, 0xc6), 0x50);
    put_lba28(&b, 3, 12);
    CHECK_EQ(pio_in(&b, 0xc4, data, sizeof(data), 8 * 512), 0x50); /* 8 sectors, then 4 */
    expect_sectors(data, 3, 12);
    CHECK_EQ(irq_edges(&b), 3); /* SET MULTIPLE's own, and two blocks */
    put_lba48(&b, 7, 10);
    CHECK_EQ(pio_in(&b, 0x29, data, 10 * 512, 8 * 512), 0x50);
    expect_sectors(data, 7, 10);
    bench_close(&b);
}

TEST(write_multiple_reaches_the_image)
{
    struct bench b;
    uint8_t mine[20 * 512], there[20 * 512];

    for (unsigned i = 0; i < sizeof(mine); i++)
        mine[i] = (uint8_t)(i * 31 + i / 512);
    bench_disk(&b, 64);
    put_lba28(&b, 1, 20);
    CHECK_EQ(pio_out(&b, 0xc5, mine, sizeof(mine), 16 * 512), 0x50);
    image_read(&b, 1, there, sizeof(there));
    CHECK_MEM(there, mine, sizeof(mine));
    put_lba48(&b, 40, 20);
    CHECK_EQ(pio_out(&b, 0xce, mine, sizeof(mine), 16 * 512), 0x50);
    image_read(&b, 40, there, sizeof(there));
    CHECK_MEM(there, mine, sizeof(mine));
    bench_close(&b);
}

TEST(multiple_without_set_multiple_is_aborted)
{
    struct bench b;

    bench_disk(&b, 64);
    device(&b, 0);
    out(&b, R_COUNT, 0);
    CHECK_EQ(run(&b, 0xc6), 0x50);
    put_lba28(&b, 3, 1);
    CHECK_EQ(run(&b, 0xc4), 0x51);
    CHECK_EQ(in(&b, R_ERROR), 0x04);
    out(&b, R_COUNT, 3); /* not a power of two */
    CHECK_EQ(run(&b, 0xc6), 0x51);
    bench_close(&b);
}

TEST(lba48_reaches_past_what_28_bits_can_say)
{
    const uint64_t far = (1ull << 28) + 12345;
    struct bench b;
    uint8_t mine[512], data[512];

    make_sector(mine, far);
    bench_disk(&b, (1ull << 28) + 20000);
    put_lba48(&b, far, 1);
    CHECK_EQ(pio_out(&b, 0x34, mine, 512, 512), 0x50);
    put_lba48(&b, far, 1);
    CHECK_EQ(pio_in(&b, 0x24, data, 512, 512), 0x50);
    expect_sectors(data, far, 1);
    bench_close(&b);
}

TEST(hob_shows_what_was_written_before)
{
    struct bench b;

    bench_disk(&b, 64);
    put_lba48(&b, 0x665544332211ull, 0x8877);
    CHECK_EQ(in(&b, R_COUNT), 0x77);
    CHECK_EQ(in(&b, R_LOW), 0x11);
    control(&b, 0x80);
    CHECK_EQ(in(&b, R_COUNT), 0x88);
    CHECK_EQ(in(&b, R_LOW), 0x44);
    CHECK_EQ(in(&b, R_MID), 0x55);
    CHECK_EQ(in(&b, R_HIGH), 0x66);
    out(&b, R_FEATURES, 0); /* any write to the Command Block ends it */
    CHECK_EQ(in(&b, R_LOW), 0x11);
    bench_close(&b);
}

TEST(chs_addresses_follow_the_translation_in_force)
{
    struct bench b;
    uint8_t data[512];

    bench_disk(&b, 2048);
    device(&b, 1); /* head 1 */
    out(&b, R_COUNT, 1);
    out(&b, R_LOW, 3);
    out(&b, R_MID, 1);
    out(&b, R_HIGH, 0);
    CHECK_EQ(pio_in(&b, 0x20, data, 512, 512), 0x50);
    expect_sectors(data, (1 * 16 + 1) * 63 + 2, 1);

    device(&b, 3); /* four heads of 17 sectors */
    out(&b, R_COUNT, 17);
    CHECK_EQ(run(&b, 0x91), 0x50);
    device(&b, 1);
    out(&b, R_COUNT, 1);
    out(&b, R_LOW, 3);
    out(&b, R_MID, 1);
    CHECK_EQ(pio_in(&b, 0x20, data, 512, 512), 0x50);
    expect_sectors(data, (1 * 4 + 1) * 17 + 2, 1);
    device(&b, 4); /* a head there is not */
    out(&b, R_COUNT, 1);
    CHECK_EQ(run(&b, 0x20), 0x51);
    CHECK(in(&b, R_ERROR) & 0x10);
    bench_close(&b);
}

TEST(sectors_past_the_end_are_not_found)
{
    struct bench b;

    bench_disk(&b, 64);
    put_lba28(&b, 64, 1);
    CHECK_EQ(run(&b, 0x20), 0x51);
    CHECK(in(&b, R_ERROR) & 0x10);
    put_lba28(&b, 63, 2);
    CHECK_EQ(run(&b, 0x30), 0x51);
    put_lba48(&b, 0xffffffffffffull, 0);
    CHECK_EQ(run(&b, 0x25), 0x51);
    put_lba28(&b, 0, 0); /* 256 of them */
    CHECK_EQ(run(&b, 0x40), 0x51);
    bench_close(&b);
}

TEST(verify_reads_without_data)
{
    struct bench b;

    bench_disk(&b, 2048);
    put_lba48(&b, 0, 2048);
    CHECK_EQ(run(&b, 0x42), 0x50);
    CHECK(disk_get_stats(drive_disk(b.drive[0])).read_bytes >= 2048 * 512);
    bench_close(&b);
}

TEST(flush_reaches_the_disk_and_interrupts)
{
    struct bench b;

    bench_disk(&b, 64);
    device(&b, 0);
    out(&b, R_COMMAND, 0xe7);
    CHECK(alt_status(&b) & BSY);
    CHECK_EQ(ready(&b), 0x50);
    CHECK(irq(&b));
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    CHECK_EQ(run(&b, 0xea), 0x50);
    CHECK_EQ(disk_get_stats(drive_disk(b.drive[0])).flushes, 2);
    bench_close(&b);
}

TEST(without_write_cache_each_write_is_flushed_before_it_ends)
{
    struct bench b;
    uint8_t data[1024] = { 1 }, page[512];

    bench_disk(&b, 64);
    CHECK_EQ(set_features(&b, 0x82, 0), 0x50);
    identify(&b, page);
    CHECK(!(word(page, 85) & 0x20));
    put_lba28(&b, 0, 2);
    CHECK_EQ(pio_out(&b, 0x30, data, 1024, 512), 0x50);
    CHECK_EQ(disk_get_stats(drive_disk(b.drive[0])).flushes, 2);
    CHECK_EQ(set_features(&b, 0x02, 0), 0x50);
    put_lba28(&b, 0, 1);
    pio_out(&b, 0x30, data, 512, 512);
    CHECK_EQ(disk_get_stats(drive_disk(b.drive[0])).flushes, 2);
    bench_close(&b);
}

TEST(set_features_chooses_the_transfer_mode)
{
    struct bench b;
    uint8_t page[512];

    bench_disk(&b, 64);
    CHECK_EQ(set_features(&b, 0x03, 0x45), 0x50);
    identify(&b, page);
    CHECK_EQ(word(page, 88), 0x203f);
    CHECK_EQ(word(page, 63), 0x0007);
    CHECK_EQ(set_features(&b, 0x03, 0x77), 0x51);
    CHECK_EQ(set_features(&b, 0x33, 0), 0x51);
    bench_close(&b);
}

TEST(smart_says_the_disk_is_well)
{
    struct bench b;
    uint8_t page[512], sum = 0;

    bench_disk(&b, 64);
    device(&b, 0);
    out(&b, R_FEATURES, 0xda);
    out(&b, R_MID, 0x4f);
    out(&b, R_HIGH, 0xc2);
    CHECK_EQ(run(&b, 0xb0), 0x50);
    CHECK_EQ(in(&b, R_MID), 0x4f);
    CHECK_EQ(in(&b, R_HIGH), 0xc2);
    out(&b, R_FEATURES, 0xd0);
    CHECK_EQ(pio_in(&b, 0xb0, page, 512, 512), 0x50);
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + page[i]);
    CHECK_EQ(sum, 0);
    out(&b, R_FEATURES, 0xd4);
    out(&b, R_LOW, 1);
    CHECK_EQ(run(&b, 0xb0), 0x50);
    out(&b, R_FEATURES, 0xd5);
    out(&b, R_COUNT, 1);
    out(&b, R_LOW, 6);
    CHECK_EQ(pio_in(&b, 0xb0, page, 512, 512), 0x50);
    CHECK_EQ(page[508], 1);
    out(&b, R_FEATURES, 0xd9);
    CHECK_EQ(run(&b, 0xb0), 0x50);
    out(&b, R_FEATURES, 0xda);
    CHECK_EQ(run(&b, 0xb0), 0x51); /* switched off */
    out(&b, R_FEATURES, 0xd8);
    CHECK_EQ(run(&b, 0xb0), 0x50);
    bench_close(&b);
}

TEST(smart_thresholds_logs_and_settings)
{
    static const uint8_t logs[] = { 0, 1 };
    struct bench b;
    uint8_t page[512];

    bench_disk(&b, 64);
    device(&b, 0);
    out(&b, R_MID, 0x4f);
    out(&b, R_HIGH, 0xc2);
    out(&b, R_FEATURES, 0xd1);
    CHECK_EQ(pio_in(&b, 0xb0, page, 512, 512), 0x50);
    CHECK_EQ(page[2], 1);
    CHECK_EQ(page[3], 6);
    for (unsigned i = 0; i < 2; i++) {
        out(&b, R_FEATURES, 0xd5);
        out(&b, R_COUNT, 1);
        out(&b, R_LOW, logs[i]);
        CHECK_EQ(pio_in(&b, 0xb0, page, 512, 512), 0x50);
        CHECK_EQ(page[0], 1);
    }
    out(&b, R_LOW, 0x55); /* a log there is not */
    CHECK_EQ(run(&b, 0xb0), 0x51);
    out(&b, R_FEATURES, 0xd2);
    out(&b, R_COUNT, 0);
    CHECK_EQ(run(&b, 0xb0), 0x50);
    out(&b, R_FEATURES, 0xd0);
    pio_in(&b, 0xb0, page, 512, 512);
    CHECK_EQ(page[362], 0x02);
    out(&b, R_FEATURES, 0xd2);
    out(&b, R_COUNT, 7);
    CHECK_EQ(run(&b, 0xb0), 0x51);
    out(&b, R_FEATURES, 0xd4);
    out(&b, R_LOW, 0x40); /* a test there is not */
    CHECK_EQ(run(&b, 0xb0), 0x51);
    out(&b, R_MID, 0); /* without the key */
    CHECK_EQ(run(&b, 0xb0), 0x51);
    bench_close(&b);
}

TEST(look_ahead_is_a_setting_that_identify_shows)
{
    struct bench b;
    uint8_t page[512];

    bench_disk(&b, 64);
    CHECK_EQ(set_features(&b, 0x55, 0), 0x50);
    identify(&b, page);
    CHECK(!(word(page, 85) & 0x40));
    CHECK_EQ(set_features(&b, 0xaa, 0), 0x50);
    CHECK_EQ(set_features(&b, 0x66, 0), 0x50);
    identify(&b, page);
    CHECK(word(page, 85) & 0x40);
    bench_close(&b);
}

TEST(small_commands_answer_as_they_should)
{
    static const struct {
        uint8_t code, status;
    } rows[] = {
        { 0x00, 0x51 }, { 0x10, 0x50 }, { 0x70, 0x50 }, { 0xe1, 0x50 }, { 0xe3, 0x50 },
        { 0xa1, 0x51 }, { 0x08, 0x51 }, { 0xf5, 0x51 }, { 0xff, 0x51 }, { 0xb1, 0x51 },
    };
    struct bench b;

    bench_disk(&b, 64);
    put_lba28(&b, 1, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        CHECK_EQ(run(&b, rows[i].code), rows[i].status);
    CHECK_EQ(run(&b, 0xe0), 0x50);
    CHECK_EQ(run(&b, 0xe5), 0x50);
    CHECK_EQ(in(&b, R_COUNT), 0x00); /* standing by */
    CHECK_EQ(run(&b, 0xf8), 0x50);
    CHECK_EQ(in(&b, R_LOW), 63);
    CHECK_EQ(run(&b, 0x27), 0x50);
    CHECK_EQ(in(&b, R_LOW), 63);
    bench_close(&b);
}

TEST(a_read_only_disk_refuses_writes)
{
    const struct bench_drive drives[4] = { { .sectors = 64, .readonly = true } };
    struct bench b;

    bench_open(&b, drives);
    put_lba28(&b, 1, 1);
    CHECK_EQ(run(&b, 0x30), 0x51);
    CHECK_EQ(in(&b, R_ERROR), 0x04);
    bench_close(&b);
}

TEST(data_moves_by_32_bits_too)
{
    struct bench b;
    uint8_t data[1024];

    bench_disk(&b, 64);
    put_lba28(&b, 8, 2);
    out(&b, R_COMMAND, 0x20);
    ready(&b);
    for (unsigned i = 0; i < 1024; i += 4)
        put_le32(data + i, pc_in32(&b.pc, PRIMARY));
    expect_sectors(data, 8, 2);
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    bench_close(&b);
}

TEST(an_image_that_was_cut_reads_as_zeroes)
{
    struct bench b;
    uint8_t data[512];

    bench_disk(&b, 4096);
    CHECK(truncate(b.path[0], 512) == 0); /* behind our back: what is gone reads as zeroes */
    put_lba28(&b, 100, 1);
    CHECK_EQ(pio_in(&b, 0x20, data, 512, 512), 0x50);
    CHECK_EQ(data[0], 0);
    bench_close(&b);
}
