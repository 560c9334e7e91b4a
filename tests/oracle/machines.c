/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>
#include "tests/kit/check.h"
#include "tests/oracle/machines.h"
#include "tests/whole/wire.h"

#define TAP "type=tap,id=net0,ifname=" WIRE_TAP ",script=no,downscript=no"

static char disk[] = "/dev/shm/oracle-disk-XXXXXX", cd[] = "/dev/shm/oracle-cd-XXXXXX";

static void remove_images(void)
{
    unlink(disk);
    unlink(cd);
}

/* Bytes that tell where they are. */
static void make(char *path, long bytes)
{
    uint32_t block[128];
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, bytes), 0);
    for (uint32_t i = 0; i < 2048; i++) {
        for (uint32_t k = 0; k < 128; k++)
            block[k] = i * 0x01000193u + k;
        CHECK_EQ(pwrite(fd, block, sizeof(block), (long)(i * sizeof(block))), sizeof(block));
    }
    close(fd);
}

static void make_images(void)
{
    static bool made;

    CHECK(wire_prepare());
    if (made)
        return;
    made = true;
    make(disk, MACHINE_DISK_BYTES);
    make(cd, MACHINE_CD_BYTES);
    atexit(remove_images);
}

const struct dm_config *machine_standard(void)
{
    static char drive[128];
    static const char *const more[] = {
        "-device",
        "e1000,id=nic0,netdev=net0,mac=" WIRE_MAC,
        "-netdev",
        TAP,
        "-usb",
        "-usbdevice",
        "tablet",
        "-drive",
        drive,
        "-device",
        "ide-cd,id=ide-5632,drive=ide-5632,bus=ide.1,unit=0",
        NULL,
    };
    static const struct dm_config config = { .vcpus = 2, .vga = "VGA", .disk = disk, .more = more };

    make_images();
    snprintf(drive, sizeof(drive), "if=none,readonly=on,id=ide-5632,file=%s,format=raw", cd);
    return &config;
}

const struct dm_config *machine_cirrus(void)
{
    static const char *const more[] = {
        "-device", "rtl8139,id=nic0,netdev=net0,mac=" WIRE_MAC,
        "-netdev", TAP,
        "-drive",  "if=none,readonly=on,id=ide-5632",
        "-device", "ide-cd,id=ide-5632,drive=ide-5632,bus=ide.1,unit=0",
        NULL,
    };
    static const struct dm_config config = {
        .vcpus = 2, .vga = "cirrus-vga", .disk = disk, .more = more
    };

    make_images();
    return &config;
}
