/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CD-ROM by packets: reading, what it says of itself and its disc, and changes of medium. */
#include "tests/unit/devices/storage/ide_bench.h"

#define BUF 0x100000
#define TUR CDB(0x00)

static void refused(struct bench *b, const uint8_t *cdb, unsigned length, uint32_t want)
{
    CHECK_EQ(packet_run(b, cdb, length) & ERR, ERR);
    CHECK_EQ(sense(b), want);
}

TEST(a_cdrom_shows_the_packet_signature)
{
    struct bench b;

    bench_cdrom(&b, 64);
    device(&b, 0);
    CHECK_EQ(in(&b, R_STATUS), 0);
    CHECK_EQ(in(&b, R_MID), 0x14);
    CHECK_EQ(in(&b, R_HIGH), 0xeb);
    out(&b, R_MID, 0);
    CHECK_EQ(run(&b, 0xec), 0x51); /* IDENTIFY DEVICE: aborted, with the signature again */
    CHECK_EQ(in(&b, R_ERROR), 0x04);
    CHECK_EQ(in(&b, R_MID), 0x14);
    out(&b, R_MID, 0);
    out(&b, R_COMMAND, 0x08);
    CHECK_EQ(in(&b, R_STATUS), 0);
    CHECK_EQ(in(&b, R_MID), 0x14);
    bench_close(&b);
}

TEST(identify_packet_device_describes_a_cdrom)
{
    struct bench b;
    uint8_t p[512];

    bench_cdrom(&b, 64);
    device(&b, 0);
    CHECK_EQ(pio_in(&b, 0xa1, p, 512, 512), 0x50);
    CHECK_EQ(get_le16(p), 0x85c0);
    CHECK_MEM(p + 54, "EX-NMDD DVR-MO", 14);
    CHECK(get_le16(p + 98) & 0x0100);
    bench_close(&b);
}

TEST(inquiry_and_capacity_are_answered_by_pio)
{
    struct bench b;
    uint8_t a[96];

    bench_cdrom(&b, 64);
    CHECK_EQ(packet_in(&b, CDB(0x12, 0, 0, 0, 96), 0xfffe, a, sizeof(a)), 36);
    CHECK_EQ(a[0], 0x05);
    CHECK_MEM(a + 8, "XEN-DM  DVD-ROM         1.0 ", 28);
    CHECK_EQ(packet_in(&b, CDB(0x12, 0, 0, 0, 5), 0xfffe, a, sizeof(a)), 5); /* an odd length */
    CHECK_EQ(packet_in(&b, CDB(0x25), 8, a, sizeof(a)), 8);
    CHECK_EQ(get_be32(a), 63);
    CHECK_EQ(get_be32(a + 4), 2048);
    bench_close(&b);
}

TEST(read_10_by_pio_keeps_to_the_byte_count_limit)
{
    static const uint16_t limits[] = { 0xfffe, 2048, 4096, 512, 2046, 3000 };
    struct bench b;
    uint8_t *data = malloc(20 * 2048);

    bench_cdrom(&b, 64);
    for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
        memset(data, 0, 20 * 2048);
        CHECK_EQ(packet_in(&b, CDB(0x28, 0, 0, 0, 0, 9, 0, 0, 20), limits[i], data, 20 * 2048),
                 20 * 2048);
        expect_sectors(data, 36, 80);
    }
    free(data);
    bench_close(&b);
}

TEST(read_by_dma_goes_to_guest_memory)
{
    struct bench b;
    uint8_t data[8 * 2048];

    bench_cdrom(&b, 64);
    for (unsigned op = 0; op < 2; op++) {
        one_prd(&b, BUF, sizeof(data));
        if (op)
            packet(&b, CDB(0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 8), 0, true);
        else
            packet(&b, CDB(0x28, 0, 0, 0, 0, 3, 0, 0, 8), 0, true);
        CHECK_EQ(dma(&b, true), INTERRUPT);
        CHECK_EQ(in(&b, R_COUNT) & 3, 3);
        CHECK_EQ(in(&b, R_STATUS), 0x50);
        pc_peek(&b.pc, BUF, data, sizeof(data));
        expect_sectors(data, 12, 32);
    }
    bench_close(&b);
}

TEST(short_answers_go_by_dma_too)
{
    struct bench b;
    uint8_t a[36];

    bench_cdrom(&b, 64);
    one_prd(&b, BUF, 96);
    packet(&b, CDB(0x12, 0, 0, 0, 96), 0, true);
    CHECK_EQ(dma(&b, true), INTERRUPT | ACTIVE); /* less came than there was room for */
    pc_peek(&b.pc, BUF, a, 36);
    CHECK_EQ(a[0], 0x05);
    CHECK_EQ(a[4], 31);
    bench_close(&b);
}

TEST(whole_frames_carry_sync_address_and_data)
{
    struct bench b;
    uint8_t *f = malloc(9 * 2352);

    bench_cdrom(&b, 64);
    CHECK_EQ(packet_in(&b, CDB(0xbe, 0, 0, 0, 0, 5, 0, 0, 9, 0xf8), 0xfffe, f, 9 * 2352), 9 * 2352);
    for (unsigned i = 0; i < 9; i++) {
        const uint8_t *p = f + 2352 * i;

        CHECK_EQ(p[0], 0);
        CHECK_EQ(p[1], 0xff);
        CHECK_EQ(p[13], 2);
        CHECK_EQ(p[14], (5 + i) / 10 << 4 | (5 + i) % 10);
        CHECK_EQ(p[15], 1);
        expect_sectors(p + 16, 4 * (5 + i), 4);
    }
    memset(f, 0, 2352);
    one_prd(&b, BUF, 2352);
    packet(&b, CDB(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0xf8), 0, true);
    CHECK_EQ(dma(&b, true), INTERRUPT);
    pc_peek(&b.pc, BUF, f, 2352);
    expect_sectors(f + 16, 20, 4);
    CHECK_EQ(packet_in(&b, CDB(0xbe, 0, 0, 0, 0, 5, 0, 0, 2, 0x10), 0xfffe, f, 4096), 4096);
    expect_sectors(f, 20, 8);
    CHECK_EQ(packet_in(&b, CDB(0xb9, 0, 0, 0, 2, 5, 0, 2, 7, 0x10), 0xfffe, f, 4096), 4096);
    expect_sectors(f, 20, 8);
    refused(&b, CDB(0xbe, 4, 0, 0, 0, 5, 0, 0, 2, 0x10), 0x56400); /* as audio */
    free(f);
    bench_close(&b);
}

TEST(addresses_past_the_disc_are_out_of_range_cve_2020_29443)
{
    struct bench b;

    bench_cdrom(&b, 64);
    refused(&b, CDB(0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1), 0x52100);
    refused(&b, CDB(0x28, 0, 0, 0, 0, 64, 0, 0, 1), 0x52100);
    refused(&b, CDB(0x28, 0, 0, 0, 0, 63, 0, 0, 2), 0x52100);
    refused(&b, CDB(0xa8, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff), 0x52100);
    refused(&b, CDB(0xbe, 0, 0x80, 0, 0, 0, 0, 0, 1, 0x10), 0x52100);
    refused(&b, CDB(0xb9, 0, 0, 0, 0, 0, 0, 0, 9, 0x10), 0x52100); /* before 00:02:00 */
    refused(&b, CDB(0x2b, 0, 0, 0, 0, 64), 0x52100);
    CHECK_EQ(packet_run(&b, CDB(0x28, 0, 0, 0, 0, 64, 0, 0, 0)), 0x50); /* no sectors at all */
    bench_close(&b);
}

TEST(the_toc_has_one_data_track)
{
    struct bench b;
    uint8_t a[64];

    bench_cdrom(&b, 300);
    CHECK_EQ(packet_in(&b, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 64), 0xfffe, a, 64), 20);
    CHECK_EQ(get_be16(a), 18);
    CHECK_EQ(a[5], 0x14);
    CHECK_EQ(a[6], 1);
    CHECK_EQ(get_be32(a + 8), 0);
    CHECK_EQ(a[14], 0xaa);
    CHECK_EQ(get_be32(a + 16), 300);
    CHECK_EQ(packet_in(&b, CDB(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 64), 0xfffe, a, 64), 12);
    CHECK_MEM(a + 8, "\x00\x00\x06\x00", 4); /* 450 frames are six seconds */
    CHECK_EQ(packet_in(&b, CDB(0x43, 0, 1, 0, 0, 0, 0, 0, 64), 0xfffe, a, 64), 12);
    CHECK_EQ(packet_in(&b, CDB(0x43, 0, 2, 0, 0, 0, 0, 0, 64), 0xfffe, a, 64), 48);
    CHECK_EQ(a[4 + 3], 0xa0);
    CHECK_EQ(packet_in(&b, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 4), 0xfffe, a, 64), 4);
    refused(&b, CDB(0x43, 0, 0, 0, 0, 0, 2, 0, 64), 0x52400);
    refused(&b, CDB(0x43, 0, 5, 0, 0, 0, 0, 0, 64), 0x52400);
    bench_close(&b);
}

TEST(configuration_names_the_profile_of_the_disc)
{
    const struct bench_drive dvd[4] = { [2] = { .sectors = 10ull << 21, .cdrom = true } };
    struct bench b;
    uint8_t a[256];

    bench_cdrom(&b, 64);
    packet_in(&b, CDB(0x46, 0, 0, 0, 0, 0, 0, 1, 0), 0xfffe, a, 256);
    CHECK_EQ(get_be16(a + 6), 0x0008);
    CHECK_EQ(packet_in(&b, CDB(0x46, 2, 0, 3, 0, 0, 0, 1, 0), 0xfffe, a, 256), 16);
    CHECK_EQ(get_be16(a + 8), 3);
    refused(&b, CDB(0xad, 0, 0, 0, 0, 0, 0, 0, 8, 8), 0x53002);
    bench_close(&b);
    bench_open(&b, dvd); /* 10 GiB */
    b.unit = 2;
    packet_in(&b, CDB(0x46, 0, 0, 0, 0, 0, 0, 1, 0), 0xfffe, a, 256);
    CHECK_EQ(get_be16(a + 6), 0x0010);
    CHECK_EQ(packet_in(&b, CDB(0x25), 0xfffe, a, 8), 8);
    CHECK_EQ(get_be32(a), 10 * 512 * 1024 - 1);
    CHECK_EQ(packet_in(&b, CDB(0xad, 0, 0, 0, 0, 0, 0, 0, 0, 20), 0xfffe, a, 256), 20);
    CHECK_EQ(get_be32(a + 12), 0x30000 + 10 * 512 * 1024 - 1);
    CHECK_EQ(packet_in(&b, CDB(0xad, 0, 0, 0, 0, 0, 0, 0xff, 1, 0), 0xfffe, a, 256), 16);
    CHECK_EQ(packet_in(&b, CDB(0xad, 0, 0, 0, 0, 0, 0, 1, 1, 0), 0xfffe, a, 256), 8);
    refused(&b, CDB(0xad, 0, 0, 0, 0, 0, 0, 9, 1, 0), 0x52400);
    refused(&b, CDB(0xad, 0, 0, 0, 0, 0, 1, 0, 1, 0), 0x52400); /* a second layer */
    bench_close(&b);
}

TEST(mode_pages_are_sensed_and_selected)
{
    struct bench b;
    uint8_t a[128], page[20] = { 0 };

    bench_cdrom(&b, 64);
    CHECK_EQ(packet_in(&b, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128), 0xfffe, a, 128), 30);
    CHECK_EQ(get_be16(a), 28);
    CHECK_EQ(a[8], 0x2a);
    CHECK_EQ(packet_in(&b, CDB(0x1a, 0, 0x3f, 0, 128), 0xfffe, a, 128), 4 + 8 + 16 + 22);
    refused(&b, CDB(0x5a, 0, 0xc1, 0, 0, 0, 0, 0, 128), 0x53900);
    refused(&b, CDB(0x5a, 0, 0x33, 0, 0, 0, 0, 0, 128), 0x52400);
    packet(&b, CDB(0x55, 0x10, 0, 0, 0, 0, 0, 0, 20), 8, false);
    for (unsigned at = 0; at < 20; at += 8) {
        CHECK(ready(&b) & DRQ);
        CHECK(irq(&b));
        CHECK_EQ(in(&b, R_COUNT) & 3, 0);
        CHECK_EQ(in(&b, R_MID), MIN(8, 20 - at));
        in(&b, R_STATUS);
        give(&b, page + at, MIN(8, 20 - at));
    }
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    bench_close(&b);
}

TEST(current_features_and_changeable_pages_are_told_apart)
{
    struct bench b;
    uint8_t all[256], now[256];
    size_t n;

    bench_cdrom(&b, 64);
    n = packet_in(&b, CDB(0x46, 0, 0, 0, 0, 0, 0, 1, 0), 0xfffe, all, 256);
    CHECK(packet_in(&b, CDB(0x46, 1, 0, 0, 0, 0, 0, 1, 0), 0xfffe, now, 256) < n);
    refused(&b, CDB(0x46, 3, 0, 0, 0, 0, 0, 1, 0), 0x52400);
    CHECK_EQ(packet_in(&b, CDB(0x5a, 0, 0x6a, 0, 0, 0, 0, 0, 128), 0xfffe, now, 128), 30);
    CHECK_EQ(now[8], 0x2a);
    CHECK_EQ(now[10], 0);
    CHECK_EQ(packet_in(&b, CDB(0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8), 0xfffe, now, 128), 4);
    CHECK_EQ(now[2], 0x80); /* no such class */
    refused(&b, CDB(0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8), 0x52400);
    CHECK_EQ(set_features(&b, 0x03, 0x22), 0x50);
    CHECK_EQ(set_features(&b, 0x03, 0x77), 0x51);
    bench_close(&b);
}

TEST(disc_and_track_information)
{
    struct bench b;
    uint8_t a[64];

    bench_cdrom(&b, 64);
    CHECK_EQ(packet_in(&b, CDB(0x51, 0, 0, 0, 0, 0, 0, 0, 64), 0xfffe, a, 64), 34);
    CHECK_EQ(a[2], 0x0e);
    CHECK_EQ(packet_in(&b, CDB(0x52, 1, 0, 0, 0, 1, 0, 0, 64), 0xfffe, a, 64), 36);
    CHECK_EQ(get_be32(a + 24), 64);
    refused(&b, CDB(0x52, 1, 0, 0, 0, 2, 0, 0, 64), 0x52400);
    CHECK_EQ(packet_in(&b, CDB(0x42, 0, 0x40, 1, 0, 0, 0, 0, 64), 0xfffe, a, 64), 16);
    CHECK_EQ(packet_in(&b, CDB(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 0xfffe, a, 64), 8);
    refused(&b, CDB(0x45), 0x56400);
    refused(&b, CDB(0xaa), 0x52000);
    bench_close(&b);
}

TEST(an_empty_drive_is_not_ready)
{
    const struct bench_drive drives[4] = { [2] = { .cdrom = true } };
    struct bench b;
    uint8_t a[64];

    bench_open(&b, drives);
    b.unit = 2;
    refused(&b, TUR, 0x23a01);
    refused(&b, CDB(0x25), 0x23a01);
    CHECK_EQ(packet_in(&b, CDB(0x12, 0, 0, 0, 36), 0xfffe, a, 64), 36);
    packet_in(&b, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 0xfffe, a, 64);
    CHECK_EQ(a[5] & 2, 0);
    bench_close(&b);
}

static unsigned changes_done;

static void change_done(void *arg, int rc)
{
    CHECK_EQ(rc, 0);
    changes_done++;
}

static int change(struct bench *b, const char *path, bool force)
{
    static const struct bench_drive cd = { .cdrom = true };
    struct disk *disk = path ? disk_of(path, &cd) : NULL;
    struct error err = { "" };
    int rc = drive_change(b->drive[2], disk, force, change_done, NULL, &err);

    if (rc < 0)
        disk_close(disk);
    pc_settle(&b->pc);
    return rc;
}

TEST(a_change_of_medium_is_seen_as_empty_then_changed_then_ready)
{
    struct bench b;
    char other[40];
    uint8_t a[16];

    changes_done = 0;
    bench_cdrom(&b, 64);
    image_make(other, 4 * 100);
    CHECK_EQ(packet_run(&b, TUR), 0x50);
    CHECK_EQ(change(&b, other, false), 0);
    CHECK_EQ(changes_done, 1);
    packet_in(&b, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 0xfffe, a, 16);
    CHECK_EQ(a[4], 2); /* new medium, */
    packet_in(&b, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 0xfffe, a, 16);
    CHECK_EQ(a[4], 0); /* told once */
    refused(&b, TUR, 0x23a00);
    refused(&b, TUR, 0x62800);
    CHECK_EQ(packet_run(&b, TUR), 0x50);
    packet_in(&b, CDB(0x25), 0xfffe, a, 16);
    CHECK_EQ(get_be32(a), 99);
    CHECK_EQ(change(&b, NULL, false), 0);
    refused(&b, TUR, 0x23a02);
    CHECK_EQ(changes_done, 2);
    unlink(other);
    bench_close(&b);
}

TEST(a_locked_door_asks_the_guest_unless_forced)
{
    struct bench b;
    uint8_t a[16];

    bench_cdrom(&b, 64);
    CHECK_EQ(packet_run(&b, CDB(0x1e, 0, 0, 0, 1)), 0x50);
    CHECK(drive_locked(b.drive[2]));
    CHECK_EQ(change(&b, NULL, false), -16);
    packet_in(&b, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 0xfffe, a, 16);
    CHECK_EQ(a[4], 1); /* eject request */
    refused(&b, CDB(0x1b, 0, 0, 0, 2), 0x55302);
    CHECK_EQ(packet_run(&b, CDB(0x1e, 0, 0, 0, 0)), 0x50);
    CHECK_EQ(packet_run(&b, CDB(0x1b, 0, 0, 0, 2)), 0x50);
    CHECK(drive_tray_open(b.drive[2]));
    refused(&b, TUR, 0x23a02);
    CHECK_EQ(packet_run(&b, CDB(0x1b, 0, 0, 0, 3)), 0x50);
    refused(&b, TUR, 0x62800);
    CHECK_EQ(packet_run(&b, TUR), 0x50);
    packet_run(&b, CDB(0x1e, 0, 0, 0, 1));
    CHECK_EQ(change(&b, NULL, true), 0);
    refused(&b, TUR, 0x23a02);
    bench_close(&b);
}

TEST(a_change_under_a_read_fails_the_read_and_nothing_else)
{
    struct bench b;
    char other[40];

    bench_cdrom(&b, 512);
    image_make(other, 4 * 8);
    one_prd(&b, BUF, 0x10000);
    packet(&b, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 32), 0, true);
    bm_start(&b, true);
    CHECK(alt_status(&b) & BSY);
    CHECK_EQ(change(&b, other, false), 0);
    ready(&b);
    bm_stop(&b);
    pc_settle(&b.pc);
    in(&b, R_STATUS);
    CHECK(drive_disk(b.drive[2]) != NULL);
    CHECK_EQ(disk_bytes(drive_disk(b.drive[2])), 8 * 2048);
    packet(&b, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 32), 0, true); /* half done over PIO next */
    in(&b, R_STATUS);
    sense(&b);
    unlink(other);
    bench_close(&b);
}

TEST(a_change_between_pio_blocks_fails_the_rest)
{
    struct bench b;
    uint8_t data[2048];

    bench_cdrom(&b, 512);
    packet(&b, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 200), 2048, false);
    CHECK(ready(&b) & DRQ);
    CHECK_EQ(change(&b, NULL, false), 0);
    CHECK_EQ(alt_status(&b), 0x51);
    take(&b, data, 2048); /* reads go nowhere */
    CHECK_EQ(sense(&b), 0x23a02);
    bench_close(&b);
}

TEST(a_limit_of_zero_or_odd_still_moves_data)
{
    struct bench b;
    uint8_t a[64];

    bench_cdrom(&b, 64);
    CHECK_EQ(packet_in(&b, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 64), 7, a, 64), 20);
    CHECK_EQ(get_be16(a), 18);
    packet(&b, CDB(0x25), 0, false);
    CHECK(ready(&b) & DRQ);
    CHECK_EQ(in(&b, R_MID), 8);
    bench_close(&b);
}
