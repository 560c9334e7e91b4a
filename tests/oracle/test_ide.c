/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ATA and ATAPI: what drives say of themselves, and what registers and sense say after every
 * command there is.
 */
#include <string.h>
#include "tests/guest/guest.h"
#include "tests/guest/ide.h"
#include "tests/kit/check.h"
#include "tests/oracle/machines.h"
#include "tests/oracle/oracle.h"

#define TABLE 0x8000
#define DISK 0
#define CD 2
#define REQUEST_SENSE 0x03
#define SENSE_BYTES 18
#define MOST 4096

static void registers(struct transcript *t, const struct guest_ide *ide, const char *what)
{
    static const char *const names[] = { 0, "error", "count", "low", "mid", "high", "device" };

    for (unsigned i = 1; i < 7; i++)
        note(t, guest_in(0, (uint16_t)(ide->base + i), 1), "%s.%s", what, names[i]);
    note(t, guest_in(0, ide->control, 1), "%s.status", what);
}

static void soft_reset(struct guest_ide *ide)
{
    guest_out(0, ide->control, 1, 0x0c);
    guest_out(0, ide->control, 1, 0x08);
    guest_out(0, (uint16_t)(ide->base + 6), 1, 0xa0 | ide->device);
    guest_ide_wait(ide);
}

static void identify(struct transcript *t, struct guest_ide *ide, uint8_t code, const char *what)
{
    uint16_t words[256] = { 0 };

    note(t, guest_ide_identify(ide, code, words), "%s.status", what);
    for (unsigned i = 0; i < 256; i++)
        note(t, words[i], "%s.w%u", what, i);
}

/* Before anything: what the BIOS finds, on drives that are there and that are not. */
static void after_reset(struct transcript *t, const struct dm *dm, void *arg)
{
    (void)dm;
    (void)arg;
    guest_pci_setup();
    for (unsigned drive = 0; drive < 4; drive++) {
        struct guest_ide ide;
        char what[32];

        guest_ide_open(&ide, 0, drive, TABLE);
        snprintf(what, sizeof(what), "drive%u", drive);
        guest_out(0, (uint16_t)(ide.base + 6), 1, 0xa0 | ide.device);
        registers(t, &ide, what);
        soft_reset(&ide);
        snprintf(what, sizeof(what), "drive%u-srst", drive);
        registers(t, &ide, what);
        for (unsigned i = 0; i < 8; i++)
            note(t, guest_in(0, (uint16_t)(ide.bm + i), 1), "%s.bm%u", what, i);
    }
}

static void identities(struct transcript *t, const struct dm *dm, void *arg)
{
    struct guest_ide ide;

    (void)dm;
    (void)arg;
    guest_pci_setup();
    guest_ide_open(&ide, 0, DISK, TABLE);
    identify(t, &ide, GUEST_IDENTIFY, "disk");
    identify(t, &ide, GUEST_IDENTIFY_PACKET, "disk-packet");
    guest_ide_open(&ide, 0, CD, TABLE);
    identify(t, &ide, GUEST_IDENTIFY, "cd-ata");
    identify(t, &ide, GUEST_IDENTIFY_PACKET, "cd");
    guest_ide_open(&ide, 0, 1, TABLE);
    identify(t, &ide, GUEST_IDENTIFY, "absent");
}

/* Every code, for a sector that is there and with what SET FEATURES and SMART may know. */
static void ata_commands(struct transcript *t, const struct dm *dm, void *arg)
{
    static const uint8_t features[] = { 0x00, 0x03, 0xd0, 0xda };
    const unsigned *drive = arg;
    struct guest_ide ide;
    char what[32];

    (void)dm;
    guest_pci_setup();
    guest_ide_open(&ide, 0, *drive, TABLE);
    for (unsigned code = 0; code < 256; code++)
        for (unsigned i = 0; i < 4; i++) {
            snprintf(what, sizeof(what), "%02x.%02x", code, features[i]);
            guest_ide_command(&ide, (uint8_t)code, features[i], i < 2 ? 0x1234 : 0xc24f00, 1);
            guest_ide_wait(&ide);
            registers(t, &ide, what);
            soft_reset(&ide);
        }
}

/* ---- Packets ---- */

static void packet(struct transcript *t, struct guest_ide *ide, const uint8_t cdb[12],
                   const char *what)
{
    static const uint8_t request[12] = { REQUEST_SENSE, 0, 0, 0, SENSE_BYTES };
    uint8_t data[MOST], sense[SENSE_BYTES] = { 0 };
    unsigned size = sizeof(data), n = SENSE_BYTES;
    unsigned status = guest_ide_packet(ide, cdb, data, &size);

    note(t, status, "%s.status", what);
    note(t, size, "%s.size", what);
    note_bytes(t, data, size < 512 ? size : 512, what);
    if (status & GUEST_IDE_DRQ)
        soft_reset(ide);
    guest_ide_packet(ide, request, sense, &n);
    note(t, (unsigned)sense[2] << 16 | sense[12] << 8 | sense[13], "%s.sense", what);
}

struct named {
    const char *name;
    uint8_t cdb[12];
};

static const struct named packets[] = {
    { "ready", { 0x00 } },
    { "ready-again", { 0x00 } },
    { "inquiry", { 0x12, 0, 0, 0, 0xfe } },
    { "inquiry-short", { 0x12, 0, 0, 0, 6 } },
    { "inquiry-vpd0", { 0x12, 1, 0x00, 0, 0xfe } },
    { "inquiry-vpd80", { 0x12, 1, 0x80, 0, 0xfe } },
    { "inquiry-vpd83", { 0x12, 1, 0x83, 0, 0xfe } },
    { "capacity", { 0x25 } },
    { "toc0", { 0x43, 0, 0, 0, 0, 0, 0, 0x10, 0 } },
    { "toc0-msf", { 0x43, 2, 0, 0, 0, 0, 0, 0x10, 0 } },
    { "toc0-from-aa", { 0x43, 0, 0, 0, 0, 0, 0xaa, 0x10, 0 } },
    { "toc0-from-2", { 0x43, 0, 0, 0, 0, 0, 2, 0x10, 0 } },
    { "toc0-short", { 0x43, 0, 0, 0, 0, 0, 0, 0, 4 } },
    { "toc1", { 0x43, 0, 1, 0, 0, 0, 0, 0x10, 0 } },
    { "toc2", { 0x43, 2, 2, 0, 0, 0, 0, 0x10, 0 } },
    { "toc1-old", { 0x43, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x40 } },
    { "toc5", { 0x43, 0, 5, 0, 0, 0, 0, 0x10, 0 } },
    { "configuration", { 0x46, 0, 0, 0, 0, 0, 0, 0x10, 0 } },
    { "configuration-current", { 0x46, 1, 0, 0, 0, 0, 0, 0x10, 0 } },
    { "configuration-one", { 0x46, 2, 0, 1, 0, 0, 0, 0x10, 0 } },
    { "configuration-short", { 0x46, 0, 0, 0, 0, 0, 0, 0, 8 } },
    { "event-all", { 0x4a, 1, 0, 0, 0x7e, 0, 0, 0, 0x40 } },
    { "event-media", { 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8 } },
    { "event-async", { 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8 } },
    { "event-none", { 0x4a, 1, 0, 0, 0, 0, 0, 0, 8 } },
    { "disc", { 0x51, 0, 0, 0, 0, 0, 0, 0, 0x40 } },
    { "track", { 0x52, 1, 0, 0, 0, 1, 0, 0, 0x40 } },
    { "mechanism", { 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 0x40 } },
    { "dvd-physical", { 0xad, 0, 0, 0, 0, 0, 0, 0, 0x10, 0 } },
    { "dvd-copyright", { 0xad, 0, 0, 0, 0, 0, 0, 1, 0x10, 0 } },
    { "dvd-list", { 0xad, 0, 0, 0, 0, 0, 0, 0xff, 0x10, 0 } },
    { "mode-error-recovery", { 0x5a, 0, 0x01, 0, 0, 0, 0, 1, 0 } },
    { "mode-audio", { 0x5a, 0, 0x0e, 0, 0, 0, 0, 1, 0 } },
    { "mode-capabilities", { 0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0 } },
    { "mode-power", { 0x5a, 0, 0x1a, 0, 0, 0, 0, 1, 0 } },
    { "mode-all", { 0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0 } },
    { "mode-changeable", { 0x5a, 0, 0x6a, 0, 0, 0, 0, 1, 0 } },
    { "mode-saved", { 0x5a, 0, 0xea, 0, 0, 0, 0, 1, 0 } },
    { "mode6", { 0x1a, 0, 0x2a, 0, 0xfe } },
    { "read10", { 0x28, 0, 0, 0, 0, 16, 0, 0, 1 } },
    { "read12", { 0xa8, 0, 0, 0, 0, 17, 0, 0, 0, 1 } },
    { "read10-none", { 0x28, 0, 0, 0, 0, 16, 0, 0, 0 } },
    { "read10-last", { 0x28, 0, 0, 0, 0x01, 0xff, 0, 0, 1 } },
    { "read10-past", { 0x28, 0, 0, 0, 0x02, 0x00, 0, 0, 1 } },
    { "read10-over", { 0x28, 0, 0, 0, 0x01, 0xff, 0, 0, 2 } },
    { "readcd-user", { 0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0x10 } },
    { "readcd-raw", { 0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0xf8 } },
    { "readcd-nothing", { 0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0x00 } },
    { "seek", { 0x2b, 0, 0, 0, 0, 16 } },
    { "seek-past", { 0x2b, 0, 0, 1, 0, 0 } },
    { "pause", { 0x4b } },
    { "set-speed", { 0xbb, 0, 0xff, 0xfe } },
    { "lock", { 0x1e, 0, 0, 0, 1 } },
    { "eject-locked", { 0x1b, 0, 0, 0, 2 } },
    { "unlock", { 0x1e } },
    { "stop", { 0x1b, 0, 0, 0, 0 } },
    { "start", { 0x1b, 0, 0, 0, 1 } },
    { "eject", { 0x1b, 0, 0, 0, 2 } },
    { "ready-open", { 0x00 } },
    { "event-open", { 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8 } },
    { "load", { 0x1b, 0, 0, 0, 3 } },
    { "event-loaded", { 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8 } },
    { "ready-loaded", { 0x00 } },
    { "ready-at-last", { 0x00 } },
    { "capacity-at-last", { 0x25 } },
};

static void atapi(struct transcript *t, const struct dm *dm, void *arg)
{
    struct guest_ide ide;

    (void)dm;
    (void)arg;
    guest_pci_setup();
    guest_ide_open(&ide, 0, CD, TABLE);
    for (unsigned i = 0; i < sizeof(packets) / sizeof(*packets); i++)
        packet(t, &ide, packets[i].cdb, packets[i].name);
}

/* Every code that the list above does not have, with a length where most have it. */
static void all_packets(struct transcript *t, const struct dm *dm, void *arg)
{
    struct guest_ide ide;
    char what[32];

    (void)dm;
    (void)arg;
    guest_pci_setup();
    guest_ide_open(&ide, 0, CD, TABLE);
    for (unsigned code = 0; code < 256; code++) {
        uint8_t cdb[12] = { (uint8_t)code };

        snprintf(what, sizeof(what), "op%02x", code);
        packet(t, &ide, cdb, what);
    }
}

TEST(drives_after_reset)
{
    oracle("ide-reset", machine_standard(), after_reset, NULL);
}

TEST(identify_data)
{
    oracle("ide-identify", machine_standard(), identities, NULL);
}

TEST(every_ata_command_of_a_disk)
{
    static const unsigned drive = DISK;

    oracle("ide-ata-disk", machine_standard(), ata_commands, (void *)(uintptr_t)&drive);
}

TEST(every_ata_command_of_a_cdrom)
{
    static const unsigned drive = CD;

    oracle("ide-ata-cd", machine_standard(), ata_commands, (void *)(uintptr_t)&drive);
}

TEST(packets_with_a_medium)
{
    oracle("atapi-medium", machine_standard(), atapi, NULL);
}

TEST(packets_without_a_medium)
{
    oracle("atapi-empty", machine_cirrus(), atapi, NULL);
}

TEST(every_packet_with_a_medium)
{
    oracle("packets-medium", machine_standard(), all_packets, NULL);
}

TEST(every_packet_without_a_medium)
{
    oracle("packets-empty", machine_cirrus(), all_packets, NULL);
}
