/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IDE function of the PIIX3: configuration space, where drives are wired, and how the whole is
 * reset, drained, saved and unplugged. Document: Intel 82371FB (PIIX) and 82371SB (PIIX3), "IDE
 * Controller". Not modelled: timing; the registers that set it keep what is written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "devices/storage/ata.h"
#include "devices/storage/atapi.h"
#include "devices/storage/piix_ide.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "ioreq/answer.h"

#define IDETIM 0x40
#define SIDETIM 0x44
#define BM_BAR 4
#define BM_BYTES 16
#define CHS_MOST 16514064u /* 16383 cylinders, 16 heads, 63 sectors */

static const struct {
    uint16_t command, control;
    unsigned irq;
} places[2] = { { 0x1f0, 0x3f6, 14 }, { 0x170, 0x376, 15 } };

static struct loop *home(const struct piix_ide *ide)
{
    return device_board(ide->pci.dev)->loop;
}

static bool quiet(const struct piix_ide *ide)
{
    for (unsigned i = 0; i < 4; i++)
        if (ide->drive[i].in_flight)
            return false;
    return true;
}

/* ---- Unplug: wait, flush, close ---- */

enum { STAYING, WAITING, FLUSHING, CLOSING };

/* On its way through the machine loop while the image is closed; the device may be gone by then. */
struct farewell {
    struct ide_drive *drive;
};

static void unplug_ends(struct piix_ide *ide)
{
    if (ide->removals || !ide->unplugged)
        return;
    loop_post(home(ide), ide->unplugged, ide->unplugged_arg);
    ide->unplugged = NULL;
}

static void closed(void *arg)
{
    struct farewell *f = arg;
    struct ide_drive *d = f->drive;

    free(f);
    if (!d)
        return;
    d->farewell = NULL;
    d->leaving = STAYING;
    d->ide->removals--;
    unplug_ends(d->ide);
}

static void close_disk(struct ide_drive *d)
{
    struct farewell *f = malloc(sizeof(*f));

    if (!f) { /* a few bytes; without them nobody could be told */
        log_error("%s: out of memory", device_id(d->ide->pci.dev));
        abort();
    }
    f->drive = d;
    d->farewell = f;
    d->leaving = CLOSING;
    drive_remove(d->drive, closed, f);
}

static void leave_on(struct ide_drive *d)
{
    if (d->leaving == WAITING && ide_disk(d)) {
        d->leaving = FLUSHING;
        d->iovs = 0;
        ide_submit(d, JOB_UNPLUG, DISK_FLUSH, 0, 0);
        return;
    }
    free(d->cache);
    d->cache = NULL;
    ide_forget_cache(d);
    close_disk(d);
}

static void leave(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    ide_abort(d);
    r->gone = 1;
    r->intrq = 0;
    ide_update_irq(d->channel);
    d->leaving = WAITING;
    d->ide->removals++;
    if (!d->in_flight)
        leave_on(d);
}

void piix_ide_unplug(struct device *dev, bool aux, void (*done)(void *arg), void *arg)
{
    struct piix_ide *ide = device_state(dev);

    ide->unplugged = done;
    ide->unplugged_arg = arg;
    for (unsigned i = aux ? 1 : 0; i < 4; i++)
        if (ide_present(&ide->drive[i]) && ide->drive[i].kind == &ata_kind)
            leave(&ide->drive[i]);
    unplug_ends(ide);
}

/* ---- Drain ---- */

static void drain_ends(struct piix_ide *ide)
{
    if (!ide->drained || !quiet(ide))
        return;
    loop_post(home(ide), ide->drained, ide->drained_arg);
    ide->drained = NULL;
}

static void piix_ide_drain(struct device *dev, void (*done)(void *arg), void *arg)
{
    struct piix_ide *ide = device_state(dev);

    ide->paused = true;
    ide->drained = done;
    ide->drained_arg = arg;
    drain_ends(ide);
}

static void kick_all(struct piix_ide *ide)
{
    for (unsigned i = 0; i < 4; i++)
        if (ide_present(&ide->drive[i]))
            ide_kick(&ide->drive[i]);
}

static void piix_ide_resume(struct device *dev)
{
    struct piix_ide *ide = device_state(dev);

    ide->paused = false;
    for (unsigned i = 0; i < 4; i++)
        ide->drive[i].held = false;
    kick_all(ide);
}

static void release_stopper(struct ide_channel *ch)
{
    struct answer *answer = ch->stopper;

    for (unsigned i = 0; i < 2; i++)
        if (ch->drive[i].in_flight && (ch->stopping || ch->drive[i].job == JOB_DIRECT))
            return;
    if (ch->stopping)
        ide_dma_stopped(ch);
    ch->stopper = NULL;
    answer_complete(answer, 0);
}

void ide_settled(struct ide_drive *d)
{
    release_stopper(d->channel);
    if (d->changing)
        atapi_change_now(d);
    if (d->leaving)
        leave_on(d);
    else
        ide_kick(d);
    drain_ends(d->ide);
}

/* ---- Reset ---- */

static void reset_drive(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint8_t gone = r->gone;

    ide_abort(d);
    memset(r, 0, sizeof(*r));
    r->gone = gone; /* no reset brings an unplugged disk back */
    d->known = NULL;
    d->known_sectors = ide_disk_sectors(d);
    d->known = d->kind == &atapi_kind ? NULL : ide_disk(d); /* a CD may be another one */
    if (!ide_present(d))
        return;
    r->multiple = ATA_MULTIPLE_MOST;
    r->mode = 0x22; /* Multiword DMA 2: the PIIX3's best */
    r->write_cache = r->look_ahead = 1;
    r->smart = r->smart_autosave = 1;
    r->power = ATA_ACTIVE;
    ata_default_translation(d);
    ide_signature(d);
    if (d->kind == &atapi_kind) {
        drive_set_tray(d->drive, false);
        drive_set_locked(d->drive, false);
    }
}

static void piix_ide_reset(struct device *dev)
{
    struct piix_ide *ide = device_state(dev);

    pci_function_reset(&ide->pci);
    for (unsigned i = 0; i < 4; i++)
        reset_drive(&ide->drive[i]);
    for (unsigned i = 0; i < 2; i++) {
        memset(ide->channel[i].regs, 0, sizeof(*ide->channel[i].regs));
        ide_update_irq(&ide->channel[i]);
    }
}

static void piix_ide_forget(struct device *dev)
{
    struct piix_ide *ide = device_state(dev);

    for (unsigned i = 0; i < 4; i++) {
        ide_forget_cache(&ide->drive[i]);
        ide->drive[i].read_next = 0;
        ide->drive[i].window = 0;
    }
}

/* ---- A saved state that was loaded ---- */

static bool sane_amounts(const struct ide_drive *d)
{
    const struct ide_drive_regs *r = d->regs;
    uint64_t bytes = ide_disk_sectors(d) * SECTOR;
    bool disk = r->xfer & XFER_DISK, out = r->xfer & XFER_OUT;

    if (r->fill > IDE_BUFFER || r->pos > r->fill || r->end > r->fill || r->block > IDE_BUFFER)
        return false;
    if (r->offset % SECTOR || r->left % SECTOR)
        return false;
    if (disk && r->left && (r->offset > bytes || r->left > bytes - r->offset))
        return false;
    if (r->xfer & XFER_FRAMES && (r->offset % CD_SECTOR || r->left % CD_SECTOR || out))
        return false;
    if (r->xfer & XFER_DIRECT && (!disk || !(r->xfer & XFER_DMA)))
        return false;
    /* a write's blocks are whole sectors of what is left */
    return !disk || !out || r->xfer & XFER_DIRECT || (r->fill % SECTOR == 0 && r->fill <= r->left);
}

static bool sane_phase(const struct ide_drive *d)
{
    const struct ide_drive_regs *r = d->regs;

    switch (r->phase) {
    case IDE_IDLE:
        return !r->packet;
    case IDE_HOST_READS:
        return r->pos < r->end && r->block >= 2 && !(r->xfer & XFER_OUT) && !r->packet;
    case IDE_HOST_WRITES:
        return r->pos < r->end && r->block >= 2 && r->xfer & XFER_OUT &&
               (!r->packet || (d->kind == &atapi_kind && r->fill == sizeof(r->cdb)));
    case IDE_DMA:
        return r->xfer & XFER_DMA && !r->packet;
    case IDE_LOAD:
    case IDE_VERIFY:
        return r->left && r->xfer & XFER_DISK && !(r->xfer & XFER_OUT) && !r->packet;
    case IDE_STORE:
        return r->fill && r->xfer & XFER_DISK && r->xfer & XFER_OUT && d->kind == &ata_kind;
    case IDE_FLUSH:
    case IDE_TRIM:
        return d->kind == &ata_kind;
    default:
        return false;
    }
}

static bool sane_drive(const struct ide_drive *d)
{
    const struct ide_drive_regs *r = d->regs;

    if (r->phase >= IDE_PHASES || r->xfer & ~XFER_ALL || r->media_news > NEWS_CHANGED)
        return false;
    if (!ide_present(d))
        return r->phase == IDE_IDLE && !r->packet;
    if (!r->heads || r->heads > 16 || !r->sectors || r->sectors > 63 ||
        r->multiple > ATA_MULTIPLE_MOST || (r->multiple & (r->multiple - 1)))
        return false;
    return sane_amounts(d) && sane_phase(d);
}

static bool sane_channel(const struct ide_channel_regs *b)
{
    return b->prd_left <= 0x10000 && b->prd_last <= 1 &&
           !(b->bm_command & ~(BM_START | BM_TO_MEMORY)) &&
           !(b->bm_status & ~(BM_ACTIVE | BM_ERROR | BM_INTERRUPT | BM_CAPABLE));
}

static void rebuild_drive(struct ide_drive *d)
{
    ide_forget_cache(d);
    if (!d->kind)
        return;
    if (d->regs->gone && ide_disk(d) && !d->leaving) {
        d->ide->removals++;
        close_disk(d);
    }
    if (d->kind == &atapi_kind) {
        drive_set_locked(d->drive, d->regs->locked);
        drive_set_tray(d->drive, d->regs->tray_open);
    }
}

/* What the phases ask for goes on at resume. */
static int piix_ide_loaded(struct device *dev, struct error *err)
{
    struct piix_ide *ide = device_state(dev);

    for (unsigned i = 0; i < 4; i++)
        if (!sane_drive(&ide->drive[i]))
            return error_set(err, -EINVAL,
                             "saved state of %s: drive %u is in a state that no drive can reach",
                             device_id(dev), i);
    for (unsigned i = 0; i < 2; i++)
        if (!sane_channel(ide->channel[i].regs))
            return error_set(err, -EINVAL,
                             "saved state of %s: the bus master of channel %u is in a state that "
                             "it cannot reach",
                             device_id(dev), i);
    for (unsigned i = 0; i < 4; i++)
        rebuild_drive(&ide->drive[i]);
    for (unsigned i = 0; i < 2; i++) {
        struct ide_channel *ch = &ide->channel[i];
        uint8_t status = ch->regs->bm_status;

        ide_update_irq(ch);
        ch->regs->bm_status = status; /* an edge that the guest has seen is not a new one */
    }
    return pci_function_loaded(&ide->pci, err);
}

/* ---- Attach and detach ---- */

static const struct drive_ops hard_disk_ops;

static const char *const drive_options[] = { "drive0", "drive1", "drive2", "drive3" };

/* The option of one drive: "serial" is "serial0" for the first. */
static const char *option_of(const struct ide_drive *d, const char *name)
{
    char numbered[16];

    snprintf(numbered, sizeof(numbered), "%s%u", name, d->unit);
    return device_text(d->ide->pci.dev, numbered);
}

static void name_drive(struct ide_drive *d)
{
    const char *serial = option_of(d, "serial"), *model = option_of(d, "model");
    const char *version = option_of(d, "ver");

    if (!*serial && drive_serial(d->drive))
        serial = drive_serial(d->drive);
    if (*serial)
        snprintf(d->serial, sizeof(d->serial), "%.20s", serial);
    else
        snprintf(d->serial, sizeof(d->serial), "XD%05u", d->unit + 1);
    if (!*model)
        model = d->kind == &atapi_kind ? "XEN-DM DVD-ROM" : "XEN-DM HARDDISK";
    snprintf(d->model, sizeof(d->model), "%.40s", model);
    snprintf(d->version, sizeof(d->version), "%.8s", *version ? version : "1.0");
}

/* The geometry it reports: the one it is given, or 16 heads and 63 sectors. */
static int place_heads(struct ide_drive *d, struct error *err)
{
    const char *text = option_of(d, "geometry");
    unsigned cylinders, heads, sectors;

    d->heads = 16;
    d->sectors = 63;
    d->cylinders = (uint16_t)(MIN(ide_disk_sectors(d), CHS_MOST) / (16 * 63));
    if (!*text)
        return 0;
    if (sscanf(text, "%u/%u/%u", &cylinders, &heads, &sectors) != 3 || cylinders < 1 ||
        cylinders > 65535 || heads < 1 || heads > 16 || sectors < 1 || sectors > 63)
        return error_set(err, -EINVAL,
                         "drive %s: a geometry of %s; there are 1 to 65535 cylinders, 1 to 16 "
                         "heads, 1 to 63 sectors",
                         drive_id(d->drive), text);
    d->cylinders = (uint16_t)cylinders;
    d->heads = (uint16_t)heads;
    d->sectors = (uint16_t)sectors;
    return 0;
}

static int attach_drive(struct piix_ide *ide, unsigned unit, struct error *err)
{
    struct device *dev = ide->pci.dev;
    struct ide_drive *d = &ide->drive[unit];
    bool cdrom;
    int rc;

    d->ide = ide;
    d->channel = &ide->channel[unit / 2];
    d->regs = &ide->regs->drive[unit];
    d->unit = unit;
    if (!*option_of(d, "drive"))
        return 0;
    d->drive = device_host_end(dev, "drive", drive_options[unit], err);
    if (!d->drive)
        return -ENOENT;
    cdrom = drive_is_cdrom(d->drive);
    if (!cdrom && !drive_disk(d->drive)) {
        rc = error_set(err, -EINVAL, "device %s: hard disk %s has no image", device_id(dev),
                       drive_id(d->drive));
        d->drive = NULL;
        return rc;
    }
    rc = drive_attach(d->drive, device_board(dev)->loop, cdrom ? &atapi_drive_ops : &hard_disk_ops,
                      d, err);
    if (rc < 0) {
        d->drive = NULL;
        return rc;
    }
    d->kind = cdrom ? &atapi_kind : &ata_kind;
    name_drive(d);
    return place_heads(d, err);
}

static int attach_channel(struct piix_ide *ide, unsigned index, struct error *err)
{
    struct ide_channel *ch = &ide->channel[index];
    struct device *dev = ide->pci.dev;
    int rc;

    ch->ide = ide;
    ch->index = index;
    ch->regs = &ide->regs->channel[index];
    ch->drive = &ide->drive[2 * index];
    ch->irq = device_isa_irq(dev, places[index].irq);
    rc = device_ports_for(dev, places[index].command, 8, &ide_command_ops, ch, err);
    if (rc < 0)
        return rc;
    return device_ports_for(dev, places[index].control, 1, &ide_control_ops, ch, err);
}

/* The guest may let the bus master go long after it started it. */
static void config_written(void *state, unsigned offset, unsigned size)
{
    if (offset < 6)
        kick_all(state);
}

static int attach_function(struct piix_ide *ide, struct device *dev, struct error *err)
{
    const struct pci_identity identity = {
        .vendor = 0x8086,
        .device = 0x7010,
        .class_code = 0x010180,
        .bars[BM_BAR] = { .kind = PCI_BAR_IO, .size = BM_BYTES, .ops = &ide_bus_master_ops },
        .config_written = config_written,
    };
    unsigned devfn;
    int rc = pci_parse_addr(device_text(dev, "addr"), &devfn, err);

    if (rc == 0)
        rc = pci_function_attach(&ide->pci, dev, ide, &ide->regs->pci, devfn, &identity, err);
    if (rc < 0)
        return rc;
    memset(ide->pci.writable + IDETIM, 0xff, 4);
    ide->pci.writable[SIDETIM] = 0xff;
    ide->regs->pci.config[6] = 0x80; /* fast back-to-back; medium DEVSEL timing */
    ide->regs->pci.config[7] = 0x02;
    return 0;
}

static int piix_ide_attach(struct device *dev, struct error *err)
{
    struct piix_ide *ide = device_state(dev);
    struct board *board = device_board(dev);
    int rc;

    ide->regs = device_regs(dev);
    ide->memory = board->memory;
    ide->as_qemu = device_flag(dev, "as-qemu");
    memset(ide->all_ones, 0xff, sizeof(ide->all_ones));
    rc = attach_function(ide, dev, err);
    if (rc == 0)
        rc = disk_queue_open(&ide->queue, board->loop, err);
    for (unsigned i = 0; rc == 0 && i < 4; i++)
        rc = attach_drive(ide, i, err);
    for (unsigned i = 0; rc == 0 && i < 2; i++)
        rc = attach_channel(ide, i, err);
    return rc;
}

static void piix_ide_detach(struct device *dev)
{
    struct piix_ide *ide = device_state(dev);

    ide->paused = true;
    while (!quiet(ide)) /* what is under way ends into memory that is still there */
        loop_step(device_board(dev)->loop);
    for (unsigned i = 0; i < 4; i++) {
        struct ide_drive *d = &ide->drive[i];

        if (d->farewell)
            d->farewell->drive = NULL;
        if (d->kind)
            drive_detach(d->drive);
        free(d->cache);
        d->cache = NULL;
    }
    disk_queue_close(ide->queue);
    ide->queue = NULL;
    pci_function_detach(&ide->pci);
}

/* ---- The class ---- */

#define DRIVE_OPTIONS(n)                                                                           \
    { "drive" n, OPTION_TEXT, "" }, { "serial" n, OPTION_TEXT, "" }, { "ver" n, OPTION_TEXT, "" }, \
        { "model" n, OPTION_TEXT, "" }, { "geometry" n, OPTION_TEXT, "" }

static const struct device_option options[] = {
    { "addr", OPTION_TEXT, "01.1" }, DRIVE_OPTIONS("0"), DRIVE_OPTIONS("1"), DRIVE_OPTIONS("2"),
    DRIVE_OPTIONS("3"),              { "as-qemu", OPTION_BOOL, "off" },
    { 0 },
};

#define D(n, field) SAVED(struct piix_ide_regs, drive[n].field)
#define DA(n, field) SAVED_ARRAY(struct piix_ide_regs, drive[n].field)
#define SAVED_DRIVE(n)                                                                             \
    D(n, offset), D(n, left), D(n, pos), D(n, end), D(n, fill), D(n, block), D(n, cylinders),      \
        D(n, limit), D(n, heads), D(n, sectors), D(n, multiple), D(n, mode), DA(n, features),      \
        DA(n, count), DA(n, low), DA(n, mid), DA(n, high), D(n, error), D(n, status),              \
        D(n, command), D(n, phase), D(n, xfer), D(n, intrq), D(n, gone), D(n, write_cache),        \
        D(n, look_ahead), D(n, power), D(n, smart), D(n, smart_autosave), D(n, smart_test),        \
        D(n, reserved0), DA(n, cdb), D(n, packet), D(n, sense_key), D(n, asc), D(n, ascq),         \
        D(n, media_news), D(n, media_event), D(n, locked), D(n, tray_open), DA(n, reserved),       \
        DA(n, buffer)

#define C(n, field) SAVED(struct piix_ide_regs, channel[n].field)
#define SAVED_CHANNEL(n)                                                                           \
    C(n, prd_table), C(n, prd_next), C(n, prd_addr), C(n, prd_left), C(n, prd_last),               \
        C(n, bm_command), C(n, bm_status), C(n, device), C(n, control), C(n, line),                \
        SAVED_ARRAY(struct piix_ide_regs, channel[n].reserved)

static const struct saved_field saved[] = {
    SAVED_PCI(struct piix_ide_regs),
    SAVED_CHANNEL(0),
    SAVED_CHANNEL(1),
    SAVED_DRIVE(0),
    SAVED_DRIVE(1),
    SAVED_DRIVE(2),
    SAVED_DRIVE(3),
    { 0 },
};

const struct device_class piix3_ide_class = {
    .name = "piix3-ide",
    .summary = "PIIX3 IDE controller: four hard disks or CD-ROMs",
    .state_size = sizeof(struct piix_ide),
    .regs_size = sizeof(struct piix_ide_regs),
    .options = options,
    .saved = saved,
    .version = 1,
    .attach = piix_ide_attach,
    .detach = piix_ide_detach,
    .reset = piix_ide_reset,
    .loaded = piix_ide_loaded,
    .drain = piix_ide_drain,
    .resume = piix_ide_resume,
    .forget = piix_ide_forget,
};
