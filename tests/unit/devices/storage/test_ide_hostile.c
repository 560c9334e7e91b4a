/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests that do not play by the rules, hosts that fail, and saved states that lie. */
#include <errno.h>
#include "devices/storage/ide.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/format.h"
#include "dm/block/queue.h"
#include "dm/memory/memory.h"
#undef DRQ
#undef LBA
#include "tests/unit/devices/storage/ide_bench.h"

#define BUF 0x100000

/* ---- The Data register, XSA-138 ---- */

TEST(the_data_register_never_leaves_its_block_xsa_138)
{
    struct bench b;
    uint8_t data[512];

    bench_disk(&b, 64);
    for (unsigned i = 0; i < 70000; i++) {
        pc_out16(&b.pc, PRIMARY, 0xdead);
        CHECK_EQ(pc_in16(&b.pc, PRIMARY), 0);
    }
    put_lba28(&b, 1, 1);
    out(&b, R_COMMAND, 0x20);
    ready(&b);
    pc_out16(&b.pc, PRIMARY, 0xdead); /* the wrong way */
    take(&b, data, 512);
    expect_sectors(data, 1, 1);
    for (unsigned i = 0; i < 1000; i++)
        CHECK_EQ(pc_in32(&b.pc, PRIMARY), 0);
    put_lba28(&b, 1, 1);
    out(&b, R_COMMAND, 0x30);
    CHECK_EQ(pc_in16(&b.pc, PRIMARY), 0);
    for (unsigned i = 0; i < 70000; i++)
        pc_out32(&b.pc, PRIMARY, 0xbeefdead);
    CHECK_EQ(ready(&b), 0x50);
    image_read(&b, 2, data, 512);
    expect_sectors(data, 2, 1); /* one sector was asked for, one was written */
    bench_close(&b);
}

TEST(a_packet_is_twelve_bytes_whatever_is_written)
{
    struct bench b;

    bench_cdrom(&b, 64);
    packet(&b, CDB(0x12, 0, 0, 0, 36), 0xfffe, false);
    for (unsigned i = 0; i < 70000; i++)
        pc_out32(&b.pc, SECONDARY, 0x28282828);
    CHECK_EQ(in(&b, R_MID), 36);
    for (unsigned i = 0; i < 100; i++)
        pc_in16(&b.pc, SECONDARY);
    CHECK_EQ(ready(&b), 0x50);
    bench_close(&b);
}

TEST(every_packet_with_every_length_ends)
{
    struct bench b;
    uint8_t cdb[12], a[64];

    bench_cdrom(&b, 64);
    for (unsigned op = 0; op < 256; op++)
        for (unsigned fill = 0; fill < 3; fill++) {
            memset(cdb, fill == 0 ? 0 : fill == 1 ? 0xff : 0x55, sizeof(cdb));
            cdb[0] = (uint8_t)op;
            packet(&b, cdb, sizeof(cdb), 2, false);
            ready(&b);
            for (unsigned i = 0; i < 40 && ready(&b) & 8; i++)
                take(&b, a, 2);
            out(&b, R_COMMAND, 0x08); /* DEVICE RESET gets it out of anything */
            ready(&b);
            CHECK_EQ(in(&b, R_HIGH), 0xeb);
        }
    bench_close(&b);
}

TEST(every_command_code_ends_or_waits_for_data)
{
    struct bench b;

    bench_disk(&b, 256);
    for (unsigned code = 0; code < 256; code++) {
        put_lba48(&b, 1, 1);
        out(&b, R_FEATURES, 1);
        out(&b, R_COMMAND, (uint8_t)code);
        CHECK(!(ready(&b) & BSY));
        control(&b, 4);
        control(&b, 0);
        CHECK_EQ(ready(&b), 0x50);
    }
    bench_close(&b);
}

/* ---- Anything at all ---- */

static uint32_t dice(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

static void scribble(struct bench *b, uint32_t *x, unsigned times)
{
    static const uint8_t likely[] = { 0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x06,
                                      0xa0, 0xa0, 0xa0, 0xa1, 0xb0, 0xc4, 0xc5, 0xc6, 0xc8, 0xca,
                                      0xe7, 0xec, 0xef, 0x91, 0x90, 0x08, 0x3d, 0xce };
    for (unsigned i = 0; i < times; i++) {
        uint16_t at = dice(x) & 1 ? PRIMARY : SECONDARY;
        uint32_t v = dice(x);

        switch (dice(x) % 16) {
        case 0:
            pc_out8(&b->pc, at + R_COMMAND, likely[v % sizeof(likely)]);
            break;
        case 1:
            pc_out8(&b->pc, at + R_COMMAND, (uint8_t)v);
            break;
        case 2:
            pc_out8(&b->pc, at + CONTROL_AT, (uint8_t)(v % 8 ? v & 0x82 : 4));
            break;
        case 3:
            pc_out8(&b->pc, BAR + (v & 8), v & 0x100 ? 9 : v & 0x200 ? 1 : 0);
            break;
        case 4:
            pc_out32(&b->pc, BAR + 4 + (v & 8), v & 0x10 ? v : PRD_TABLE + (v >> 8 & 0xfff));
            break;
        case 5:
        case 6:
            for (unsigned n = 0; n < v % 300; n++)
                pc_out32(&b->pc, at, dice(x));
            break;
        case 7:
        case 8:
            for (unsigned n = 0; n < v % 300; n++)
                pc_in16(&b->pc, at);
            break;
        case 9:
            pc_settle(&b->pc);
            break;
        case 10:
            pc_config_write(&b->pc, IDE_DEVFN, 4, 1, v % 8 ? 5 : v >> 8 & 7);
            break;
        default:
            pc_out8(&b->pc, at + 1 + v % 6, (uint8_t)(v >> 8 & (v & 0x80000 ? 0x0f : 0xff)));
        }
        pc_in8(&b->pc, at + dice(x) % 8);
    }
}

static void descriptors(struct bench *b, uint32_t *x)
{
    for (unsigned i = 0; i < 1024; i++) {
        uint8_t raw[8];
        uint32_t v = dice(x);

        put_le32(raw, v % 4 ? dice(x) % PC_RAM : dice(x));
        put_le32(raw + 4, dice(x) & (v & 16 ? 0x8000ffff : 0x80000fff));
        pc_poke(&b->pc, PRD_TABLE + 8 * i, raw, 8);
    }
}

static const struct bench_drive mixed[4] = {
    { .sectors = 2000, .discard = true },
    { .sectors = 64, .cdrom = true },
    { .sectors = 512, .cdrom = true },
    { .sectors = 777 },
};

static void check_alive(struct bench *b)
{
    uint8_t data[512], *p = data;

    pc_config_write(&b->pc, IDE_DEVFN, 4, 2, 5);
    bm_stop(b);
    control(b, 4);
    control(b, 0);
    CHECK_EQ(ready(b), 0x50);
    out(b, R_COUNT, 0x33); /* the channel listens */
    CHECK_EQ(in(b, R_COUNT), 0x33);
    put_lba28(b, 0, 1);
    CHECK_EQ(pio_in(b, 0x20, p, 512, 512), 0x50);
}

TEST(random_guests_do_no_harm_and_a_reset_recovers)
{
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct bench b;
        uint32_t x = seed * 2654435761u;

        bench_open(&b, mixed);
        for (unsigned round = 0; round < 4; round++) {
            descriptors(&b, &x);
            scribble(&b, &x, 800);
            if (round == 2)
                device_reset(b.ide), bench_enable(&b);
        }
        pc_settle(&b.pc);
        check_alive(&b);
        bench_close(&b);
    }
}

TEST(detached_in_full_flight_nothing_is_left)
{
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct bench b;
        uint32_t x = seed * 40503u;

        bench_open(&b, mixed);
        descriptors(&b, &x);
        scribble(&b, &x, 150);
        one_prd(&b, BUF, 0x10000);
        put_lba28(&b, 0, 128);
        out(&b, R_COMMAND, 0xc8);
        bm_start(&b, true);
        device_detach(b.pc.devices[--b.pc.device_count]);
        CHECK_EQ(memory_get_stats(b.pc.board.memory).pinned, 0);
        bench_close(&b);
    }
}

/* ---- Reset of the machine ---- */

TEST(a_machine_reset_in_flight_gives_fresh_registers_and_stays_busy)
{
    struct bench b, fresh;
    struct prd prds[16];

    for (unsigned i = 0; i < 16; i++)
        prds[i] = (struct prd){ BUF + 0x10000 * i, 0x10000 };
    bench_open(&fresh, mixed);
    device_reset(fresh.ide);
    bench_open(&b, mixed);
    prd_table(&b, prds, 16);
    put_lba28(&b, 0, 200);
    out(&b, R_COMMAND, 0xc8);
    bm_start(&b, true);
    device_reset(b.ide);
    CHECK_MEM(device_regs(b.ide), device_regs(fresh.ide), piix3_ide_class.regs_size);
    bench_enable(&b);
    CHECK(alt_status(&b) & BSY);
    ready(&b);
    CHECK_EQ(memory_get_stats(b.pc.board.memory).pinned, 0);
    check_alive(&b);
    bench_close(&b);
    bench_close(&fresh);
}

/* ---- Hosts that fail ---- */

struct broken {
    struct disk disk;
    int rc;
};

static void broken_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    disk_queue_finish(queue, req, container_of(disk, struct broken, disk)->rc);
}

static void broken_close(struct disk *disk)
{
    free(container_of(disk, struct broken, disk));
}

static const struct disk_ops broken_ops = {
    .name = "broken",
    .submit = broken_submit,
    .close = broken_close,
};

static void bench_broken(struct bench *b, bool cdrom, int rc)
{
    struct disk_config dc = { .path = "broken" };
    struct drive_config config = { .id = "d0", .cdrom = cdrom };
    struct broken *disk = calloc(1, sizeof(*disk));
    struct error err;

    memset(b, 0, sizeof(*b));
    pc_open(&b->pc);
    CHECK_EQ(disk_init(&disk->disk, &broken_ops, &dc, &err), 0);
    disk->disk.bytes = 1 << 20;
    disk->rc = rc;
    config.disk = &disk->disk;
    CHECK_EQ(drive_open(&b->drive[0], &config, &err), 0);
    pc_give(&b->pc, "drive", "d0", b->drive[0]);
    b->ide = pc_plug(&b->pc, &piix3_ide_class, "drive0=d0");
    bench_enable(b);
}

TEST(a_read_the_host_cannot_do_is_uncorrectable_at_its_sector)
{
    struct bench b;

    bench_broken(&b, false, -EIO);
    put_lba28(&b, 0x123, 4);
    CHECK_EQ(run(&b, 0x20), 0x51);
    CHECK_EQ(in(&b, R_ERROR), 0x40);
    CHECK_EQ(in(&b, R_LOW), 0x23);
    CHECK_EQ(in(&b, R_MID), 0x01);
    one_prd(&b, BUF, 2048);
    put_lba28(&b, 0x123, 4);
    out(&b, R_COMMAND, 0xc8);
    CHECK(dma(&b, true) & INTERRUPT);
    CHECK_EQ(in(&b, R_STATUS), 0x51);
    CHECK_EQ(memory_get_stats(b.pc.board.memory).pinned, 0);
    put_lba28(&b, 0x123, 4);
    CHECK_EQ(run(&b, 0x40), 0x51);
    bench_close(&b);
}

TEST(a_write_or_flush_the_host_cannot_do_is_a_device_fault)
{
    static const int reasons[] = { -EIO, -ENOSPC, -EFBIG, -ENOMEM };
    uint8_t data[512] = { 0 };

    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
        struct bench b;

        bench_broken(&b, false, reasons[i]);
        put_lba28(&b, 5, 1);
        CHECK_EQ(pio_out(&b, 0x30, data, 512, 512), 0x61);
        CHECK_EQ(in(&b, R_ERROR), 0x04);
        CHECK_EQ(run(&b, 0xe7), 0x61);
        one_prd(&b, BUF, 512);
        put_lba28(&b, 5, 1);
        out(&b, R_COMMAND, 0xca);
        CHECK(dma(&b, false) & INTERRUPT);
        CHECK_EQ(in(&b, R_STATUS), 0x61);
        bench_close(&b);
    }
}

TEST(a_disc_the_host_cannot_read_is_a_medium_error)
{
    struct bench b;

    bench_broken(&b, true, -EIO);
    CHECK_EQ(packet_run(&b, CDB(0x28, 0, 0, 0, 0, 1, 0, 0, 1)), 0x51);
    CHECK_EQ(in(&b, R_ERROR) >> 4, 3);
    CHECK_EQ(sense(&b), 0x31100);
    bench_close(&b);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

TEST(unplug_closes_a_disk_that_cannot_be_flushed)
{
    struct bench b;
    bool done = false;

    bench_broken(&b, false, -EIO);
    piix_ide_unplug(b.ide, false, set_true, &done);
    CHECK(pc_wait(&b.pc, is_true, &done));
    CHECK(drive_disk(b.drive[0]) == NULL);
    bench_close(&b);
}

/* ---- Saved states that lie ---- */

TEST(a_saved_state_with_wild_indices_is_refused)
{
    struct bench b;
    struct piix_ide_regs *regs, good;
    struct error err = { "" };

    bench_open(&b, mixed);
    regs = device_regs(b.ide);
    good = *regs;
#define REFUSED(...)                                                                               \
    *regs = good;                                                                                  \
    __VA_ARGS__;                                                                                   \
    CHECK_EQ(device_check_regs(b.ide, &err), -EINVAL);
    REFUSED(regs->drive[0].phase = 99)
    REFUSED(regs->drive[0].fill = IDE_BUFFER + 2)
    REFUSED(regs->drive[0].pos = 2)
    REFUSED(regs->drive[0].phase = IDE_HOST_READS)
    REFUSED(regs->drive[0].phase = IDE_LOAD)
    REFUSED(regs->drive[0].phase = IDE_LOAD; regs->drive[0].xfer = XFER_DISK;
            regs->drive[0].left = 512; regs->drive[0].offset = 2000 * 512)
    REFUSED(regs->drive[0].phase = IDE_LOAD; regs->drive[0].xfer = XFER_DISK;
            regs->drive[0].left = 100)
    REFUSED(regs->drive[1].phase = IDE_STORE; regs->drive[1].xfer = XFER_DISK | XFER_OUT;
            regs->drive[1].left = regs->drive[1].fill = 512)
    REFUSED(regs->drive[0].heads = 0)
    REFUSED(regs->drive[0].sectors = 0)
    REFUSED(regs->drive[0].multiple = 3)
    REFUSED(regs->drive[0].packet = 1)
    REFUSED(regs->drive[2].media_news = 9)
    REFUSED(regs->channel[0].prd_left = 0x10001)
    REFUSED(regs->channel[1].bm_command = 0xff)
    *regs = good;
    CHECK_EQ(device_check_regs(b.ide, &err), 0);
    bench_close(&b);
}

TEST(whatever_a_saved_state_says_the_drive_stays_in_its_bounds)
{
    unsigned accepted = 0;

    for (uint32_t seed = 1; seed <= 400; seed++) {
        struct bench b;
        struct piix_ide_regs *regs;
        uint32_t x = seed * 2246822519u;
        struct error err;
        uint8_t *raw;

        bench_open(&b, mixed);
        regs = device_regs(b.ide);
        for (unsigned unit = 0; unit < 4; unit++) {
            struct ide_drive_regs *r = &regs->drive[unit];

            r->phase = (uint8_t)(dice(&x) % IDE_PHASES);
            r->xfer = (uint8_t)(dice(&x) & XFER_ALL);
            r->left = dice(&x) % 64 * 512;
            r->offset = dice(&x) % 64 * 512;
            r->block = 512u << dice(&x) % 5;
            r->fill = dice(&x) % 17 * 512;
            r->end = r->fill;
            r->pos = r->fill ? dice(&x) % r->fill : 0;
            r->packet = dice(&x) % 8 == 0;
            raw = (uint8_t *)&r->limit;
            for (unsigned i = 0; i < 8; i++)
                raw[dice(&x) % (offsetof(struct ide_drive_regs, buffer) -
                                offsetof(struct ide_drive_regs, limit))] ^= dice(&x) % 4 ? 0 : 1;
        }
        if (device_check_regs(b.ide, &err) == 0) {
            accepted++;
            piix3_ide_class.resume(b.ide);
            descriptors(&b, &x);
            scribble(&b, &x, 60);
        }
        bench_close(&b);
    }
    CHECK(accepted > 0);
}
