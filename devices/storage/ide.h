/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_STORAGE_IDE_H
#define DEVICES_STORAGE_IDE_H
#include <stdbool.h>
#include <stdint.h>
#include "devices/core/device.h"
#include "devices/pci/function.h"
#include "dm/base/bytes.h"
#include "dm/block/disk.h"
#include "dm/block/drive.h"
struct answer;
struct memory;

/*
 * What the files of the IDE controller share: the registers of a drive, a channel and the function,
 * and the wires behind them. A command runs as a row of phases, each of which is all in `regs`:
 * ide_kick() does whatever the phase says is next, so a drained, saved and loaded drive goes on
 * where it was. Only requests on a disk are not in regs; a drain waits for those.
 */

#define SECTOR 512u
#define CD_SECTOR 2048u
#define CD_FRAME 2352u

/* Status */
#define ST_ERR 0x01
#define ST_DRQ 0x08
#define ST_DSC 0x10
#define ST_DF 0x20
#define ST_DRDY 0x40
#define ST_BSY 0x80

/* Error */
#define ER_ABRT 0x04
#define ER_IDNF 0x10
#define ER_UNC 0x40

/* Device and Device Control */
#define DEV_SLAVE 0x10
#define DEV_LBA 0x40
#define DEV_OBSOLETE 0xa0 /* read as ones since the days when they chose the sector size */
#define CTL_NIEN 0x02
#define CTL_SRST 0x04
#define CTL_HOB 0x80

/* Interrupt Reason of packet commands, in Sector Count */
#define IR_CD 0x01
#define IR_IO 0x02

#define IDE_BUFFER 16384u

enum ide_phase {
    IDE_IDLE,
    IDE_HOST_READS,  /* DRQ: the host takes buffer[pos, end) */
    IDE_HOST_WRITES, /* DRQ: the host fills buffer[pos, end) */
    IDE_DMA,         /* the bus master moves it, as soon as it is started */
    IDE_LOAD,        /* disk to buffer */
    IDE_STORE,       /* buffer to disk */
    IDE_FLUSH,
    IDE_VERIFY,
    IDE_TRIM, /* the ranges in buffer[pos, fill) */
    IDE_PHASES
};

/* How the data of a command moves. */
#define XFER_OUT 0x01    /* from the host */
#define XFER_DMA 0x02    /* by bus master */
#define XFER_DIRECT 0x04 /* between disk and guest memory, past the buffer */
#define XFER_FRAMES 0x08 /* CD sectors dressed up as whole frames of 2352 bytes */
#define XFER_FUA 0x10    /* a write that is done when it is durable */
#define XFER_DISK 0x20   /* to or from the disk, not the buffer alone */
#define XFER_ALL 0x3f

struct ide_drive_regs {
    uint64_t offset;    /* of the next byte on the disk */
    uint64_t left;      /* bytes between disk and host that are not in the buffer */
    uint32_t pos;       /* of the host in the buffer */
    uint32_t end;       /* of the block it moves now */
    uint32_t fill;      /* of what the buffer holds, or shall */
    uint32_t block;     /* bytes for each DRQ */
    uint16_t cylinders; /* the translation in force */
    uint16_t limit;     /* Byte Count of a packet command */
    uint8_t heads, sectors;
    uint8_t multiple; /* sectors for each DRQ of the MULTIPLE commands; 0: not set */
    uint8_t mode;     /* as SET FEATURES 03h sets it */
    /* the Command Block: [0] as last written, [1] as written before that */
    uint8_t features[2], count[2], low[2], mid[2], high[2];
    uint8_t error, status, command;
    uint8_t phase; /* enum ide_phase */
    uint8_t xfer;  /* XFER_* */
    uint8_t intrq; /* the drive's interrupt, before nIEN and selection */
    uint8_t gone;  /* unplugged */
    uint8_t write_cache, look_ahead;
    uint8_t power; /* as CHECK POWER MODE answers */
    uint8_t smart, smart_autosave, smart_test;
    uint8_t reserved0;
    /* CD-ROMs */
    uint8_t cdb[12];
    uint8_t packet; /* receiving a command packet, not its data */
    uint8_t sense_key, asc, ascq;
    uint8_t media_news;  /* enum media_news in atapi.h: what the next commands must be told */
    uint8_t media_event; /* for GET EVENT STATUS NOTIFICATION */
    uint8_t locked, tray_open;
    uint8_t reserved[4];
    uint8_t buffer[IDE_BUFFER];
};

/* Bus Master IDE command and status */
#define BM_START 0x01
#define BM_TO_MEMORY 0x08
#define BM_ACTIVE 0x01
#define BM_ERROR 0x02
#define BM_INTERRUPT 0x04
#define BM_CAPABLE 0x60

struct ide_channel_regs {
    uint32_t prd_table; /* as programmed */
    uint32_t prd_next;  /* the descriptor to be fetched next */
    uint32_t prd_addr;  /* where in memory the present one goes on */
    uint32_t prd_left;  /* bytes of it */
    uint8_t prd_last;   /* it is marked End Of Table */
    uint8_t bm_command, bm_status;
    uint8_t device, control;
    uint8_t line; /* level of the channel's interrupt */
    uint8_t reserved[2];
};

struct piix_ide_regs {
    struct pci_regs pci;
    struct ide_channel_regs channel[2];
    struct ide_drive_regs drive[4];
};

/* ---- Wires ---- */

#define IDE_IOVS 256u
#define IDE_CACHE (128u << 10)

struct ide_drive;

/* What differs between a hard disk and a CD-ROM. */
struct ide_kind {
    uint8_t signature_mid, signature_high, ready; /* ready: status after a reset */
    void (*command)(struct ide_drive *d, uint8_t command);
    void (*received)(struct ide_drive *d); /* buffer[0, fill) came from the host */
    void (*finished)(struct ide_drive *d);
    void (*failed)(struct ide_drive *d, int rc); /* the disk, at d->regs->offset */
    void (*block)(struct ide_drive *d);          /* a DRQ block begins: [pos, end) */
};

enum ide_job { JOB_FILL, JOB_DIRECT, JOB_STORE, JOB_FLUSH, JOB_TRIM, JOB_UNPLUG };

struct ide_drive {
    struct piix_ide *ide;
    struct ide_channel *channel;
    struct ide_drive_regs *regs;
    const struct ide_kind *kind; /* NULL: there is no drive */
    struct drive *drive;
    unsigned unit;
    char serial[21], model[41], version[9];
    uint16_t cylinders, heads, sectors; /* that it reports */
    const struct disk *known; /* the medium at the last reset, and its size then: it may grow since */
    uint64_t known_sectors;

    struct disk_request req;
    enum ide_job job;
    bool in_flight;
    bool held;        /* it failed, and waits for the machine to stop and go on */
    bool orphan;      /* what is in flight belongs to a command that was aborted */
    bool changing;    /* the medium goes as soon as nothing is in flight */
    unsigned leaving; /* being unplugged: how far that is, or 0 */
    struct farewell *farewell;
    struct iovec iov[IDE_IOVS + 1];
    bool pinned[IDE_IOVS + 1];
    unsigned iovs;
    struct ide_channel_regs before; /* JOB_DIRECT: the bus master before it took the pieces */

    /* read-ahead: bytes of the disk, good while nobody has written to it */
    uint8_t *cache;
    uint64_t cache_at, cache_changes, read_next;
    uint32_t cache_length, window;
};

struct ide_channel {
    struct piix_ide *ide;
    struct ide_channel_regs *regs;
    struct ide_drive *drive; /* two */
    struct irq *irq;
    struct answer *stopper; /* the write that cleared START waits for the request in flight */
    bool stopping;          /* as_qemu: for all of the command; START is still set */
    unsigned index;
};

struct piix_ide {
    struct pci_function pci;
    struct piix_ide_regs *regs;
    struct memory *memory;
    struct disk_queue *queue;
    struct ide_channel channel[2];
    struct ide_drive drive[4];
    bool paused;
    /*
     * Where QEMU's differs from the hardware and its device tests insist: legacy ports are always
     * decoded, a table that is too short ends the command, a master that may not be one moves nothing
     * but finishes, clearing START waits for the whole command, TRIM is taken by every disk.
     */
    bool as_qemu;
    void (*drained)(void *arg);
    void *drained_arg;
    void (*unplugged)(void *arg);
    void *unplugged_arg;
    unsigned removals;                               /* of media, under way */
    uint8_t trash[PAGE_BYTES], all_ones[PAGE_BYTES]; /* behind addresses that are not RAM */
};

/* ---- channel.c: the Command and Control Blocks ---- */
extern const struct region_ops ide_command_ops, ide_control_ops;
bool ide_present(const struct ide_drive *d);
struct ide_drive *ide_selected(struct ide_channel *ch);
uint8_t ide_status(const struct ide_drive *d);
void ide_interrupt(struct ide_drive *d); /* raises it */
void ide_update_irq(struct ide_channel *ch);
void ide_signature(struct ide_drive *d);
void ide_diagnose(struct ide_channel *ch); /* EXECUTE DEVICE DIAGNOSTIC */
bool ide_decoded(const struct ide_channel *ch);

/* ---- transfer.c: what a command sets in motion ---- */
struct disk *ide_disk(const struct ide_drive *d);
uint64_t ide_disk_sectors(const struct ide_drive *d); /* of 512 bytes; 0 without a medium */
/* Begins the data of a command. `flags`: XFER_DMA, XFER_FUA, XFER_FRAMES. */
void ide_send(struct ide_drive *d, uint32_t length, uint32_t block, uint8_t flags);
void ide_receive(struct ide_drive *d, uint32_t length, uint32_t block, uint8_t flags);
void ide_read(struct ide_drive *d, uint64_t offset, uint64_t length, uint32_t block, uint8_t flags);
void ide_write(struct ide_drive *d, uint64_t offset, uint64_t length, uint32_t block,
               uint8_t flags);
void ide_verify(struct ide_drive *d, uint64_t offset, uint64_t length);
void ide_enter(struct ide_drive *d, enum ide_phase phase); /* and kick */
void ide_kick(struct ide_drive *d);
void ide_finish(struct ide_drive *d);
void ide_abort(struct ide_drive *d);       /* of a command; nothing is told to the guest */
void ide_block_moved(struct ide_drive *d); /* pos has reached end */
void ide_submit(struct ide_drive *d, enum ide_job job, enum disk_op op, uint64_t offset,
                uint64_t length);
void ide_forget_cache(struct ide_drive *d);
void ide_moved(struct ide_drive *d, uint64_t length); /* that much is between disk and host now */
void ide_buffer_moved(struct ide_drive *d);           /* by bus master: pos has reached fill */

/* ---- bus_master.c ---- */
extern const struct region_ops ide_bus_master_ops;
void ide_dma(struct ide_drive *d); /* the phase is IDE_DMA: moves what can be moved now */
void ide_unpin(struct ide_drive *d);
void ide_dma_ends(struct ide_drive *d); /* the drive has no more data to ask for */
void ide_dma_stopped(struct ide_channel *ch); /* nothing is in flight: START may be cleared now */

/* ---- piix_ide.c ---- */
void ide_settled(struct ide_drive *d); /* nothing of this drive is in flight any more */

extern const struct ide_kind ata_kind, atapi_kind;
#endif
