/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An IDE channel: the Command Block and Control Block registers that two drives share. Document:
 * ATA/ATAPI-7 volume 1 and 2 (T13/1532D), "I/O register descriptions", "Software reset protocol",
 * "EXECUTE DEVICE DIAGNOSTIC", "Signature and persistence".
 *
 * A register is written in both drives and read from the selected one. Where the selected drive is
 * missing all registers read as zero: Status says neither busy nor ready, which is what a lone
 * device 0 answers for device 1, and what firmware and drivers take for "nobody there" at once.
 */
#include "devices/storage/ide.h"

enum { DATA, ERROR, COUNT, LOW, MID, HIGH, DEVICE, STATUS };
#define FEATURES ERROR
#define COMMAND STATUS

#define CMD_DEVICE_RESET 0x08
#define CMD_DIAGNOSTIC 0x90

bool ide_present(const struct ide_drive *d)
{
    return d->kind && !d->regs->gone;
}

struct ide_drive *ide_selected(struct ide_channel *ch)
{
    return &ch->drive[ch->regs->device & DEV_SLAVE ? 1 : 0];
}

/* IDETIM's IDE Decode Enable, and the function's I/O Space Enable; or there is no firmware to set them. */
bool ide_decoded(const struct ide_channel *ch)
{
    const uint8_t *config = ch->ide->regs->pci.config;

    if (ch->ide->as_qemu)
        return true;
    return pci_io_enabled(&ch->ide->pci) && config[0x41 + 2 * ch->index] & 0x80;
}

uint8_t ide_status(const struct ide_drive *d)
{
    if (!ide_present(d))
        return 0;
    if (d->channel->regs->control & CTL_SRST || d->orphan)
        return ST_BSY;
    if (d->in_flight || d->held)
        return (uint8_t)((d->regs->status & ~ST_DRQ) | ST_BSY);
    return d->regs->status;
}

/* ---- Interrupts ---- */

void ide_update_irq(struct ide_channel *ch)
{
    struct ide_drive *d = ide_selected(ch);
    bool level = ide_present(d) && d->regs->intrq && !(ch->regs->control & CTL_NIEN);

    if (level && !ch->regs->line)
        ch->regs->bm_status |= BM_INTERRUPT;
    ch->regs->line = level;
    irq_set(ch->irq, level);
}

void ide_interrupt(struct ide_drive *d)
{
    d->regs->intrq = 1;
    ide_update_irq(d->channel);
}

static void acknowledge(struct ide_drive *d)
{
    if (d->regs->intrq) {
        d->regs->intrq = 0;
        ide_update_irq(d->channel);
    }
}

/* ---- Reset ---- */

void ide_signature(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    r->count[0] = r->low[0] = 1;
    r->mid[0] = d->kind ? d->kind->signature_mid : 0;
    r->high[0] = d->kind ? d->kind->signature_high : 0;
    r->count[1] = r->low[1] = r->mid[1] = r->high[1] = 0;
    r->features[0] = r->features[1] = 0;
    r->error = 1; /* "device passed" */
    r->status = d->kind ? d->kind->ready : 0;
}

static void reset_drive(struct ide_drive *d)
{
    if (!ide_present(d))
        return;
    ide_abort(d);
    ide_signature(d);
    d->regs->intrq = 0;
}

void ide_diagnose(struct ide_channel *ch)
{
    reset_drive(&ch->drive[0]);
    reset_drive(&ch->drive[1]);
    ch->regs->device = 0;
    ide_interrupt(&ch->drive[ide_present(&ch->drive[0]) ? 0 : 1]);
}

/* ---- The Data register ---- */

static uint16_t take_word(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint16_t word;

    if (r->phase != IDE_HOST_READS || d->orphan || r->pos >= r->end)
        return 0;
    if (r->end - r->pos == 1) { /* an odd end: the last byte comes with a pad */
        word = r->buffer[r->pos];
        r->pos++;
    } else {
        word = get_le16(r->buffer + r->pos);
        r->pos += 2;
    }
    if (r->pos == r->end)
        ide_block_moved(d);
    return word;
}

static void give_word(struct ide_drive *d, uint16_t word)
{
    struct ide_drive_regs *r = d->regs;

    if (r->phase != IDE_HOST_WRITES || d->orphan || r->pos >= r->end)
        return;
    if (r->end - r->pos == 1) {
        r->buffer[r->pos] = (uint8_t)word;
        r->pos++;
    } else {
        put_le16(r->buffer + r->pos, word);
        r->pos += 2;
    }
    if (r->pos == r->end)
        ide_block_moved(d);
}

static uint32_t read_data(struct ide_drive *d, unsigned size)
{
    bool both = size == 4 && d->regs->pos + 2 < d->regs->end; /* and not into the next block */
    uint32_t value;

    if (!ide_present(d))
        return 0;
    value = take_word(d);
    if (both)
        value |= (uint32_t)take_word(d) << 16;
    return value;
}

static void write_data(struct ide_drive *d, unsigned size, uint32_t value)
{
    bool both = size == 4 && d->regs->pos + 2 < d->regs->end;

    if (!ide_present(d))
        return;
    give_word(d, (uint16_t)value);
    if (both)
        give_word(d, (uint16_t)(value >> 16));
}

/* ---- The Command Block ---- */

static uint8_t read_register(struct ide_channel *ch, unsigned offset)
{
    struct ide_drive *d = ide_selected(ch);
    const struct ide_drive_regs *r = d->regs;
    unsigned before = ch->regs->control & CTL_HOB ? 1 : 0;
    uint8_t status;

    if (!ide_present(d))
        return 0;
    switch (offset) {
    case ERROR:
        return r->error;
    case COUNT:
        return r->count[before];
    case LOW:
        return r->low[before];
    case MID:
        return r->mid[before];
    case HIGH:
        return r->high[before];
    case DEVICE:
        return ch->regs->device | DEV_OBSOLETE;
    case STATUS:
        status = ide_status(d);
        acknowledge(d);
        return status;
    }
    return 0;
}

static void shift_in(uint8_t reg[2], uint8_t value)
{
    reg[1] = reg[0];
    reg[0] = value;
}

static bool busy(const struct ide_drive *d)
{
    return ide_status(d) & (ST_BSY | ST_DRQ);
}

static void write_parameter(struct ide_drive *d, unsigned offset, uint8_t value)
{
    struct ide_drive_regs *r = d->regs;

    if (!ide_present(d) || busy(d))
        return;
    switch (offset) {
    case FEATURES:
        shift_in(r->features, value);
        break;
    case COUNT:
        shift_in(r->count, value);
        break;
    case LOW:
        shift_in(r->low, value);
        break;
    case MID:
        shift_in(r->mid, value);
        break;
    case HIGH:
        shift_in(r->high, value);
        break;
    }
}

static void write_command(struct ide_channel *ch, uint8_t command)
{
    struct ide_drive *d = ide_selected(ch);

    if (command == CMD_DIAGNOSTIC) { /* for both, whoever is selected */
        if (!busy(&ch->drive[0]) && !busy(&ch->drive[1]) &&
            (ide_present(&ch->drive[0]) || ide_present(&ch->drive[1])))
            ide_diagnose(ch);
        return;
    }
    if (!ide_present(d) || ch->regs->control & CTL_SRST)
        return;
    if (command == CMD_DEVICE_RESET && d->kind == &atapi_kind) { /* the one that may interrupt */
        reset_drive(d);
        ch->regs->device &= DEV_SLAVE;
        ide_update_irq(ch);
        return;
    }
    if (busy(d))
        return;
    d->regs->intrq = 0;
    ide_update_irq(ch);
    d->regs->command = command;
    d->regs->error = 0;
    d->kind->command(d, command);
}

static void write_register(struct ide_channel *ch, unsigned offset, uint8_t value)
{
    ch->regs->control &= (uint8_t)~CTL_HOB;
    switch (offset) {
    case DATA:
        break;
    case DEVICE:
        if (!busy(ide_selected(ch))) {
            ch->regs->device = value;
            ide_update_irq(ch);
        }
        break;
    case COMMAND:
        write_command(ch, value);
        break;
    default:
        if (busy(ide_selected(ch)))
            break;
        write_parameter(&ch->drive[0], offset, value);
        write_parameter(&ch->drive[1], offset, value);
    }
}

static uint64_t command_read(void *state, uint64_t offset, unsigned size)
{
    struct ide_channel *ch = state;
    uint64_t value = 0;

    if (!ide_decoded(ch))
        return ones(size);
    if (offset == DATA)
        return read_data(ide_selected(ch), size) & ones(size);
    for (unsigned i = 0; i < size && offset + i <= STATUS; i++)
        value |= (uint64_t)read_register(ch, (unsigned)offset + i) << (8 * i);
    return value;
}

static void command_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct ide_channel *ch = state;

    if (!ide_decoded(ch))
        return;
    if (offset == DATA) {
        write_data(ide_selected(ch), size, (uint32_t)value);
        return;
    }
    for (unsigned i = 0; i < size && offset + i <= COMMAND; i++)
        write_register(ch, (unsigned)offset + i, (uint8_t)(value >> (8 * i)));
}

const struct region_ops ide_command_ops = {
    .name = "ide-command",
    .min_size = 1,
    .max_size = 4,
    .read = command_read,
    .write = command_write,
};

/* ---- The Control Block: one port ---- */

static uint64_t control_read(void *state, uint64_t offset, unsigned size)
{
    struct ide_channel *ch = state;

    return ide_decoded(ch) ? ide_status(ide_selected(ch)) : 0xff; /* Alternate Status */
}

static void control_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct ide_channel *ch = state;
    bool was = ch->regs->control & CTL_SRST, is = value & CTL_SRST;

    if (!ide_decoded(ch))
        return;
    ch->regs->control = value & (CTL_HOB | CTL_SRST | CTL_NIEN);
    if (is && !was) {
        reset_drive(&ch->drive[0]);
        reset_drive(&ch->drive[1]);
        ch->regs->device = 0;
    }
    ide_update_irq(ch);
}

const struct region_ops ide_control_ops = {
    .name = "ide-control",
    .min_size = 1,
    .max_size = 1,
    .read = control_read,
    .write = control_write,
};
