/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_IDE_H
#define TESTS_GUEST_IDE_H
#include <stdbool.h>
#include <stdint.h>

/*
 * A driver for the PIIX3's IDE: commands by ports, data by PIO or bus master DMA between guest
 * addresses and the drive. The firmware has been there (guest_pci_setup). One thread for a channel.
 */
struct guest_ide {
    unsigned vcpu, irq;
    uint16_t base, control, bm; /* bm: bus master registers of this channel */
    uint8_t device;             /* the DEV bit */
    uint32_t table;             /* a page of guest memory for the descriptors */
};
#define GUEST_IDE_BSY 0x80
#define GUEST_IDE_DRDY 0x40
#define GUEST_IDE_DF 0x20
#define GUEST_IDE_DRQ 0x08
#define GUEST_IDE_ERR 0x01

/* Drive 0 to 3 as `index=`. Switches bus mastering on. */
void guest_ide_open(struct guest_ide *ide, unsigned vcpu, unsigned drive, uint32_t table);

/* Sends a command with 48-bit registers (the older half first), and does not wait. */
void guest_ide_command(struct guest_ide *ide, uint8_t code, uint16_t features, uint64_t lba,
                       uint16_t count);
/* Until BSY is off; the status, which lowers the line. 0xff: it never came. */
uint8_t guest_ide_wait(struct guest_ide *ide);

/*
 * Whole transfers; all return the last status, ERR set where it failed, with the Error register
 * above it (bits 8 to 15). pio: READ or WRITE SECTOR(S) EXT or IDENTIFY, by rep ins and outs.
 */
unsigned guest_ide_pio_in(struct guest_ide *ide, uint8_t code, uint64_t lba, uint16_t blocks,
                          uint64_t addr);
unsigned guest_ide_pio_out(struct guest_ide *ide, uint8_t code, uint64_t lba, uint16_t blocks,
                           uint64_t addr);
unsigned guest_ide_dma(struct guest_ide *ide, uint8_t code, bool to_memory, uint64_t lba,
                       uint16_t blocks, uint64_t addr);
unsigned guest_ide_flush(struct guest_ide *ide);
unsigned guest_ide_identify(struct guest_ide *ide, uint8_t code, uint16_t words[256]);

/* A packet command that answers by PIO; *size is the room, and then what came. */
unsigned guest_ide_packet(struct guest_ide *ide, const uint8_t cdb[12], uint8_t *data,
                          unsigned *size);

#define GUEST_READ_EXT 0x24
#define GUEST_WRITE_EXT 0x34
#define GUEST_READ_DMA_EXT 0x25
#define GUEST_WRITE_DMA_EXT 0x35
#define GUEST_IDENTIFY 0xec
#define GUEST_IDENTIFY_PACKET 0xa1

#endif
