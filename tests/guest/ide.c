/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver's side of ATA/ATAPI-6 and of the bus master IDE specification 1.0. */
#include <string.h>
#include "tests/guest/guest.h"
#include "tests/guest/ide.h"

#define FUNCTION (1 << 3 | 1)
#define SECTOR 512
#define PRD_BYTES 65536u
#define PRD_LAST 0x80000000u
#define FLUSH_EXT 0xea
#define PACKET 0xa0
#define TO_HOST 2
#define PACKET_ROUNDS 256 /* blocks of a reply, each to 64 KiB */
#define TRIES 5000000

enum { DATA, FEATURES, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, STATUS };
enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4 };
#define BM_START 1
#define BM_TO_MEMORY 8
#define BM_INTERRUPT 4
#define BM_ERROR 2

void guest_ide_open(struct guest_ide *ide, unsigned vcpu, unsigned drive, uint32_t table)
{
    unsigned channel = drive / 2;

    *ide = (struct guest_ide){ .vcpu = vcpu,
                               .irq = 14 + channel,
                               .base = channel ? 0x170 : 0x1f0,
                               .control = channel ? 0x376 : 0x3f6,
                               .device = (uint8_t)(drive % 2 << 4),
                               .table = table };
    guest_config_write(vcpu, FUNCTION, 4, 2, guest_config_read(vcpu, FUNCTION, 4, 2) | 5);
    ide->bm = (uint16_t)(guest_bar(FUNCTION, 4) + 8 * channel);
}

static void set(struct guest_ide *ide, unsigned reg, unsigned value)
{
    guest_out(ide->vcpu, (uint16_t)(ide->base + reg), 1, value & 0xff);
}

static uint8_t get(struct guest_ide *ide, unsigned reg)
{
    return (uint8_t)guest_in(ide->vcpu, (uint16_t)(ide->base + reg), 1);
}

void guest_ide_command(struct guest_ide *ide, uint8_t code, uint16_t features, uint64_t lba,
                       uint16_t count)
{
    set(ide, DEVICE, 0xe0 | ide->device);
    set(ide, FEATURES, features >> 8);
    set(ide, FEATURES, features);
    set(ide, COUNT, count >> 8);
    set(ide, LBA_LOW, (unsigned)(lba >> 24));
    set(ide, LBA_MID, (unsigned)(lba >> 32));
    set(ide, LBA_HIGH, (unsigned)(lba >> 40));
    set(ide, COUNT, count);
    set(ide, LBA_LOW, (unsigned)lba);
    set(ide, LBA_MID, (unsigned)(lba >> 8));
    set(ide, LBA_HIGH, (unsigned)(lba >> 16));
    set(ide, STATUS, code);
}

uint8_t guest_ide_wait(struct guest_ide *ide)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        uint8_t status = get(ide, STATUS);

        if (!(status & GUEST_IDE_BSY))
            return status;
    }
    return 0xff;
}

static unsigned outcome(struct guest_ide *ide, unsigned status)
{
    return status & GUEST_IDE_ERR ? status | (unsigned)get(ide, FEATURES) << 8 : status;
}

/* PIO waits for the line before each block, as drivers do. */
unsigned guest_ide_pio_in(struct guest_ide *ide, uint8_t code, uint64_t lba, uint16_t blocks,
                          uint64_t addr)
{
    uint8_t status = 0;

    guest_ide_command(ide, code, 0, lba, blocks);
    for (unsigned i = 0; i < blocks; i++, addr += SECTOR) {
        guest_await_isa(ide->irq);
        status = guest_ide_wait(ide);
        if ((status & (GUEST_IDE_DRQ | GUEST_IDE_ERR)) != GUEST_IDE_DRQ)
            return outcome(ide, status);
        guest_ins(ide->vcpu, ide->base, 2, SECTOR / 2, addr);
    }
    return outcome(ide, get(ide, STATUS));
}

unsigned guest_ide_pio_out(struct guest_ide *ide, uint8_t code, uint64_t lba, uint16_t blocks,
                           uint64_t addr)
{
    uint8_t status;

    guest_ide_command(ide, code, 0, lba, blocks);
    status = guest_ide_wait(ide); /* the first block comes without an interrupt */
    for (unsigned i = 0; i < blocks; i++, addr += SECTOR) {
        if ((status & (GUEST_IDE_DRQ | GUEST_IDE_ERR)) != GUEST_IDE_DRQ)
            return outcome(ide, status);
        guest_outs(ide->vcpu, ide->base, 2, SECTOR / 2, addr);
        guest_await_isa(ide->irq);
        status = guest_ide_wait(ide);
    }
    return outcome(ide, status);
}

/* Lines of 64 KiB that do not cross one. */
static void fill_table(struct guest_ide *ide, uint64_t addr, uint32_t bytes)
{
    uint32_t *line = (uint32_t *)(void *)guest_page(ide->table);

    while (bytes) {
        uint32_t n = PRD_BYTES - (uint32_t)addr % PRD_BYTES;

        n = n > bytes ? bytes : n;
        bytes -= n;
        line[0] = (uint32_t)addr;
        line[1] = (n & 0xffff) | (bytes ? 0 : PRD_LAST);
        line += 2;
        addr += n;
    }
}

unsigned guest_ide_dma(struct guest_ide *ide, uint8_t code, bool to_memory, uint64_t lba,
                       uint16_t blocks, uint64_t addr)
{
    unsigned status, bm;

    fill_table(ide, addr, blocks * SECTOR);
    guest_out(ide->vcpu, ide->bm + BM_TABLE, 4, ide->table);
    guest_out(ide->vcpu, ide->bm + BM_STATUS, 1, BM_INTERRUPT | BM_ERROR);
    guest_ide_command(ide, code, 0, lba, blocks);
    guest_out(ide->vcpu, ide->bm + BM_COMMAND, 1, BM_START | (to_memory ? BM_TO_MEMORY : 0));
    guest_await_isa(ide->irq);
    bm = guest_in(ide->vcpu, ide->bm + BM_STATUS, 1);
    guest_out(ide->vcpu, ide->bm + BM_COMMAND, 1, 0);
    status = get(ide, STATUS);
    if (bm & BM_ERROR)
        status |= GUEST_IDE_ERR;
    return outcome(ide, status);
}

unsigned guest_ide_flush(struct guest_ide *ide)
{
    guest_ide_command(ide, FLUSH_EXT, 0, 0, 0);
    guest_await_isa(ide->irq);
    return outcome(ide, guest_ide_wait(ide));
}

static void read_words(struct guest_ide *ide, uint8_t *data, unsigned room, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 2) {
        uint16_t word = (uint16_t)guest_in(ide->vcpu, ide->base, 2);

        if (i + 2 <= room)
            memcpy(data + i, &word, 2);
    }
}

unsigned guest_ide_identify(struct guest_ide *ide, uint8_t code, uint16_t words[256])
{
    uint8_t status;

    set(ide, DEVICE, 0xa0 | ide->device);
    set(ide, STATUS, code);
    status = guest_ide_wait(ide);
    if ((status & (GUEST_IDE_DRQ | GUEST_IDE_ERR)) != GUEST_IDE_DRQ)
        return outcome(ide, status);
    read_words(ide, (uint8_t *)words, SECTOR, SECTOR);
    return outcome(ide, get(ide, STATUS));
}

unsigned guest_ide_packet(struct guest_ide *ide, const uint8_t cdb[12], uint8_t *data,
                          unsigned *size)
{
    unsigned room = *size, bytes, rounds = PACKET_ROUNDS;
    uint8_t status;

    *size = 0;
    set(ide, DEVICE, 0xa0 | ide->device);
    set(ide, FEATURES, 0);
    set(ide, LBA_MID, 0xfe);
    set(ide, LBA_HIGH, 0xff);
    set(ide, STATUS, PACKET);
    status = guest_ide_wait(ide);
    if ((status & (GUEST_IDE_DRQ | GUEST_IDE_ERR)) != GUEST_IDE_DRQ)
        return outcome(ide, status);
    for (unsigned i = 0; i < 12; i += 2)
        guest_out(ide->vcpu, ide->base, 2, cdb[i] | (unsigned)cdb[i + 1] << 8);
    while (status = guest_ide_wait(ide), status != 0xff && (status & GUEST_IDE_DRQ) && rounds--) {
        bytes = get(ide, LBA_MID) | (unsigned)get(ide, LBA_HIGH) << 8;
        if (!bytes || !(get(ide, COUNT) & TO_HOST)) /* it wants data, or is lost */
            break;
        read_words(ide, data + *size, room - *size, bytes);
        *size = *size + bytes > room ? room : *size + bytes;
    }
    return outcome(ide, status);
}
