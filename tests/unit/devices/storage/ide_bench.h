/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_STORAGE_IDE_BENCH_H
#define TESTS_UNIT_DEVICES_STORAGE_IDE_BENCH_H
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "devices/storage/piix_ide.h"
#include "dm/base/bytes.h"
#include "dm/block/drive.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

/*
 * An IDE controller with drives on real temporary images, and a driver that speaks to it as a
 * guest does: by ports. Sector n of an image holds n as eight bytes, then a pattern made of n.
 */
#define PRIMARY 0x1f0
#define SECONDARY 0x170
enum { R_DATA, R_ERROR, R_COUNT, R_LOW, R_MID, R_HIGH, R_DEVICE, R_STATUS };
#define R_FEATURES R_ERROR
#define R_COMMAND R_STATUS
#define CONTROL_AT 0x206 /* from the Command Block */

#define BSY 0x80
#define DRDY 0x40
#define DF 0x20
#define DRQ 0x08
#define ERR 0x01
#define SLAVE 0x10
#define LBA 0x40

#define BAR 0xc000
#define IDE_DEVFN 0x09
#define PRD_TABLE 0x1000
#define ACTIVE 0x01
#define INTERRUPT 0x04

struct bench_drive {
    uint64_t sectors; /* of 512 bytes; 0: nothing there, or a CD-ROM without a medium */
    bool cdrom, discard, readonly;
    const char *serial;
};

struct bench {
    struct pc pc;
    struct device *ide;
    struct drive *drive[4];
    char path[4][40];
    unsigned unit; /* the drive that the functions below talk to */
};

/* ---- Images ---- */

static inline void make_sector(uint8_t *bytes, uint64_t n)
{
    put_le64(bytes, n);
    for (unsigned i = 8; i < 512; i++)
        bytes[i] = (uint8_t)(n * 7 + i * 3);
}

static inline void expect_sectors(const uint8_t *bytes, uint64_t first, unsigned count)
{
    uint8_t want[512];

    for (unsigned i = 0; i < count; i++) {
        make_sector(want, first + i);
        CHECK_MEM(bytes + 512 * i, want, 512);
    }
}

static inline void image_make(char path[40], uint64_t sectors)
{
    uint8_t bytes[512];
    int fd;

    strcpy(path, "/tmp/xen-dm-ide-XXXXXX");
    fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK(ftruncate(fd, (off_t)(sectors * 512)) == 0);
    for (uint64_t n = 0; n < sectors && n < 4096; n++) {
        make_sector(bytes, n);
        CHECK(pwrite(fd, bytes, 512, (off_t)(512 * n)) == 512);
    }
    close(fd);
}

static inline void image_read(struct bench *b, uint64_t sector, void *to, size_t bytes)
{
    int fd = open(b->path[b->unit], O_RDONLY);

    CHECK(fd >= 0);
    CHECK(pread(fd, to, bytes, (off_t)(512 * sector)) == (ssize_t)bytes);
    close(fd);
}

static inline struct disk *disk_of(const char *path, const struct bench_drive *want)
{
    struct disk_config config = { .path = path,
                                  .readonly = want->cdrom || want->readonly,
                                  .discard = want->discard };
    struct disk *disk = NULL;
    struct error err = { "" };

    CHECK_EQ(disk_open(&disk, &config, &err), 0);
    return disk;
}

/* ---- Setting up ---- */

static inline void bench_enable(struct bench *b)
{
    pc_config_write(&b->pc, IDE_DEVFN, 0x40, 4, 0x80008000);
    pc_config_write(&b->pc, IDE_DEVFN, 0x20, 4, BAR);
    pc_config_write(&b->pc, IDE_DEVFN, 0x04, 2, 0x0005);
}

static inline void bench_drive_open(struct bench *b, unsigned unit, const struct bench_drive *want)
{
    static const char *const ids[] = { "d0", "d1", "d2", "d3" };
    struct drive_config config = {
        .id = ids[unit], .cdrom = want->cdrom, .readonly = want->readonly, .serial = want->serial
    };
    struct error err = { "" };

    if (!want->sectors && !want->cdrom)
        return;
    if (want->sectors) {
        image_make(b->path[unit], want->sectors);
        config.disk = disk_of(b->path[unit], want);
    }
    CHECK_EQ(drive_open(&b->drive[unit], &config, &err), 0);
    pc_give(&b->pc, "drive", ids[unit], b->drive[unit]);
}

static inline void bench_open(struct bench *b, const struct bench_drive drives[4])
{
    char options[128] = "addr=01.1";

    memset(b, 0, sizeof(*b));
    pc_open(&b->pc);
    for (unsigned i = 0; i < 4; i++) {
        bench_drive_open(b, i, &drives[i]);
        if (b->drive[i])
            sprintf(options + strlen(options), ",drive%u=d%u", i, i);
    }
    b->ide = pc_plug(&b->pc, &piix3_ide_class, options);
    bench_enable(b);
}

static inline void bench_close(struct bench *b)
{
    pc_settle(&b->pc);
    while (b->pc.device_count)
        device_detach(b->pc.devices[--b->pc.device_count]);
    pc_settle(&b->pc);
    for (unsigned i = 0; i < 4; i++) {
        drive_close(b->drive[i]);
        if (b->path[i][0])
            unlink(b->path[i]);
    }
    pc_close(&b->pc);
}

/* One hard disk, primary master. */
static inline void bench_disk(struct bench *b, uint64_t sectors)
{
    const struct bench_drive drives[4] = { { .sectors = sectors } };

    bench_open(b, drives);
}

/* One CD-ROM, secondary master, of `sectors` times 2048 bytes; it is the one spoken to. */
static inline void bench_cdrom(struct bench *b, uint64_t sectors)
{
    const struct bench_drive drives[4] = { [2] = { .sectors = 4 * sectors, .cdrom = true } };

    bench_open(b, drives);
    b->unit = 2;
}

/* ---- Ports ---- */

static inline uint16_t port(const struct bench *b, unsigned reg)
{
    return (uint16_t)((b->unit & 2 ? SECONDARY : PRIMARY) + reg);
}

static inline uint8_t in(struct bench *b, unsigned reg)
{
    return pc_in8(&b->pc, port(b, reg));
}

static inline void out(struct bench *b, unsigned reg, uint8_t value)
{
    pc_out8(&b->pc, port(b, reg), value);
}

static inline uint8_t alt_status(struct bench *b)
{
    return pc_in8(&b->pc, port(b, CONTROL_AT));
}

static inline void control(struct bench *b, uint8_t value)
{
    pc_out8(&b->pc, port(b, CONTROL_AT), value);
}

static inline bool irq(const struct bench *b)
{
    return b->pc.isa[b->unit & 2 ? 15 : 14];
}

static inline unsigned irq_edges(const struct bench *b)
{
    return b->pc.isa_edges[b->unit & 2 ? 15 : 14];
}

static inline void device(struct bench *b, uint8_t bits)
{
    out(b, R_DEVICE, (uint8_t)(0xa0 | (b->unit & 1 ? SLAVE : 0) | bits));
}

static bool bench_is_ready(void *arg)
{
    return !(alt_status(arg) & BSY);
}

/* Waits until BSY is clear: Alternate Status. */
static inline uint8_t ready(struct bench *b)
{
    CHECK(pc_wait(&b->pc, bench_is_ready, b));
    return alt_status(b);
}

static inline void put_lba28(struct bench *b, uint32_t lba, unsigned count)
{
    device(b, (uint8_t)(LBA | lba >> 24));
    out(b, R_COUNT, (uint8_t)count);
    out(b, R_LOW, (uint8_t)lba);
    out(b, R_MID, (uint8_t)(lba >> 8));
    out(b, R_HIGH, (uint8_t)(lba >> 16));
}

static inline void put_lba48(struct bench *b, uint64_t lba, unsigned count)
{
    device(b, LBA);
    for (int before = 1; before >= 0; before--) {
        out(b, R_COUNT, (uint8_t)(count >> 8 * before));
        out(b, R_LOW, (uint8_t)(lba >> 24 * before));
        out(b, R_MID, (uint8_t)(lba >> (24 * before + 8)));
        out(b, R_HIGH, (uint8_t)(lba >> (24 * before + 16)));
    }
}

/* A command without data: Status when it has ended. */
static inline uint8_t run(struct bench *b, uint8_t code)
{
    out(b, R_COMMAND, code);
    ready(b);
    return in(b, R_STATUS);
}

static inline uint8_t set_features(struct bench *b, uint8_t feature, uint8_t count)
{
    device(b, 0);
    out(b, R_FEATURES, feature);
    out(b, R_COUNT, count);
    return run(b, 0xef);
}

/* ---- PIO ---- */

static inline void take(struct bench *b, void *to, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 2) {
        uint16_t word = pc_in16(&b->pc, port(b, R_DATA));

        ((uint8_t *)to)[i] = (uint8_t)word;
        if (i + 1 < bytes)
            ((uint8_t *)to)[i + 1] = (uint8_t)(word >> 8);
    }
}

static inline void give(struct bench *b, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 2)
        pc_out16(&b->pc, port(b, R_DATA), get_le16((const uint8_t *)from + i));
}

/* The data of a command in blocks of `block`: Status at the end. */
static inline uint8_t pio_in(struct bench *b, uint8_t code, void *to, size_t bytes, size_t block)
{
    out(b, R_COMMAND, code);
    for (size_t at = 0; at < bytes; at += block) {
        ready(b);
        if (!(in(b, R_STATUS) & DRQ))
            break;
        take(b, (uint8_t *)to + at, MIN(block, bytes - at));
    }
    ready(b);
    return in(b, R_STATUS);
}

static inline uint8_t pio_out(struct bench *b, uint8_t code, const void *from, size_t bytes,
                              size_t block)
{
    out(b, R_COMMAND, code);
    for (size_t at = 0; at < bytes; at += block) {
        ready(b);
        if (!(in(b, R_STATUS) & DRQ))
            break;
        give(b, (const uint8_t *)from + at, MIN(block, bytes - at));
    }
    ready(b);
    return in(b, R_STATUS);
}

/* ---- The bus master ---- */

struct prd {
    uint32_t addr, bytes;
};

static inline uint16_t bm(const struct bench *b, unsigned reg)
{
    return (uint16_t)(BAR + (b->unit & 2 ? 8 : 0) + reg);
}

static inline void prd_table(struct bench *b, const struct prd *prds, unsigned n)
{
    uint8_t raw[8];

    for (unsigned i = 0; i < n; i++) {
        put_le32(raw, prds[i].addr);
        put_le32(raw + 4, (prds[i].bytes & 0xffff) | (i + 1 == n ? 0x80000000u : 0));
        pc_poke(&b->pc, PRD_TABLE + 8 * i, raw, 8);
    }
    pc_out32(&b->pc, bm(b, 4), PRD_TABLE);
}

static inline void one_prd(struct bench *b, uint32_t addr, uint32_t bytes)
{
    prd_table(b, &(struct prd){ addr, bytes }, 1);
}

static inline uint8_t bm_status(struct bench *b)
{
    return pc_in8(&b->pc, bm(b, 2));
}

static inline void bm_start(struct bench *b, bool to_memory)
{
    pc_out8(&b->pc, bm(b, 2), INTERRUPT | 2);
    pc_out8(&b->pc, bm(b, 0), (uint8_t)(1 | (to_memory ? 8 : 0)));
}

static inline void bm_stop(struct bench *b)
{
    pc_out8(&b->pc, bm(b, 0), 0);
}

static bool bench_interrupted(void *arg)
{
    return bm_status(arg) & INTERRUPT;
}

/* Starts the bus master and waits for the interrupt; returns the bus master's status. */
static inline uint8_t dma(struct bench *b, bool to_memory)
{
    uint8_t status;

    bm_start(b, to_memory);
    CHECK(pc_wait(&b->pc, bench_interrupted, b));
    status = bm_status(b);
    bm_stop(b);
    return status;
}

/* ---- Packets ---- */

static inline void packet(struct bench *b, const uint8_t *cdb, unsigned length, uint16_t limit,
                          bool by_dma)
{
    uint8_t full[12] = { 0 };

    memcpy(full, cdb, length);
    device(b, 0);
    out(b, R_FEATURES, by_dma);
    out(b, R_MID, (uint8_t)limit);
    out(b, R_HIGH, (uint8_t)(limit >> 8));
    out(b, R_COMMAND, 0xa0);
    CHECK(ready(b) & DRQ);
    CHECK_EQ(in(b, R_COUNT) & 3, 1);
    give(b, full, 12);
}

/* One whose answer comes by PIO, at most `limit` bytes for each DRQ: how many bytes came. */
static inline size_t packet_in(struct bench *b, const uint8_t *cdb, unsigned length, uint16_t limit,
                               void *to, size_t room)
{
    size_t got = 0;

    packet(b, cdb, length, limit, false);
    while (ready(b) & DRQ) {
        size_t n = (size_t)(in(b, R_MID) | in(b, R_HIGH) << 8);

        CHECK_EQ(in(b, R_COUNT) & 3, 2);
        CHECK(n && n <= limit && got + n <= room);
        in(b, R_STATUS);
        take(b, (uint8_t *)to + got, n);
        got += n;
    }
    CHECK_EQ(in(b, R_COUNT) & 3, 3);
    CHECK(irq(b));
    in(b, R_STATUS);
    return got;
}

/* One without data: Status. */
static inline uint8_t packet_run(struct bench *b, const uint8_t *cdb, unsigned length)
{
    packet(b, cdb, length, 0xfffe, false);
    ready(b);
    return in(b, R_STATUS);
}

/* What REQUEST SENSE says: key, code and qualifier in a number. */
static inline uint32_t sense(struct bench *b)
{
    static const uint8_t cdb[] = { 0x03, 0, 0, 0, 18 };
    uint8_t a[18] = { 0 };

    CHECK_EQ(packet_in(b, cdb, sizeof(cdb), 0xfffe, a, sizeof(a)), 18);
    CHECK_EQ(a[0], 0x70);
    return (uint32_t)(a[2] << 16 | a[12] << 8 | a[13]);
}

#define CDB(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })
#endif
