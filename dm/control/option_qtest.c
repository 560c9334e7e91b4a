/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line under -accel qtest: the words that QEMU's device tests use and that make no
 * sense, or another one, on Xen; and the devices that a PC has when nobody says -nodefaults.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/control/option_words.h"

#define LOW_MOST                                                                                   \
    0xe0000000ull               /* RAM below 4 GiB of an i440FX PC: all of it, or, if it has more, \
                                 */
#define LOW_SPLIT 0xc0000000ull /* this much */
#define CD_INDEX 2

bool option_qtest_asked(int argc, char *const argv[])
{
    for (int i = 1; i + 1 < argc; i++) {
        const char *word = argv[i] + (argv[i][0] == '-' && argv[i][1] == '-');

        if (!strcmp(word, "-accel") && !strncmp(argv[i + 1], "qtest", 5))
            return true;
        if ((!strcmp(word, "-machine") || !strcmp(word, "-M")) &&
            strstr(argv[i + 1], "accel=qtest"))
            return true;
    }
    return false;
}

static int take_qtest(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    size_t n = strcspn(text, ",");
    char *path;

    if (strncmp(text, "unix:", 5))
        return error_set(err, -EINVAL, "%s %s: use unix:PATH, where the test listens", option,
                         text);
    path = options_keep(c, text + 5);
    if (path)
        path[n - 5] = 0;
    c->qtest_path = path;
    return 0;
}

static int take_accel(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    return 0; /* one of several is qtest, or we would not be here */
}

static int take_machine(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    static const char *const names[] = { "accel", "type",   "usb", "graphics",
                                         "hpet",  "vmport", "smm", "dump-guest-core",
                                         "acpi",  NULL };
    struct words w;
    const char *type;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc == 0)
        rc = words_flag(&w, "usb", &c->usb, err);
    if (rc == 0)
        rc = words_flag(&w, "acpi", &c->acpi, err);
    type = w.first ? w.first : words_get(&w, "type");
    if (rc < 0 || !type)
        return rc;
    c->kind = strcmp(type, "none") ? MACHINE_HVM : MACHINE_NONE;
    c->platform_device = !strncmp(type, "xenfv", 5);
    if (c->kind == MACHINE_HVM && !c->platform_device && strcmp(type, "pc") &&
        strncmp(type, "pc-i440fx-", 10))
        return error_set(err, -EINVAL, "%s %s: under qtest xen-dm has pc, xenfv and none", option,
                         type);
    return 0;
}

static int take_boot(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    static const char *const names[] = { "order",  "once",        "menu",           "strict",
                                         "splash", "splash-time", "reboot-timeout", NULL };
    static const char *const kinds[] = { "order", "once" };
    struct words w;
    const char *value;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc == 0)
        rc = words_flag(&w, "menu", &c->boot_menu, err);
    if (rc < 0)
        return rc;
    if (words_get(&w, "reboot-timeout"))
        c->boot_fail_wait = words_get(&w, "reboot-timeout");
    if (words_get(&w, "splash-time"))
        c->boot_menu_wait = words_get(&w, "splash-time");
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        value = i == 0 && w.first ? w.first : words_get(&w, kinds[i]);
        if (!value)
            continue;
        if (value[strspn(value, "abcdnop")])
            return error_set(err, -EINVAL, "%s: %s=%s has a letter that is no boot device", option,
                             kinds[i], value);
        if (i == 0)
            c->boot = value;
        else
            c->boot_once = value;
    }
    return 0;
}

static int take_memory(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    static const char *const names[] = { "size", "slots", "maxmem", NULL };
    struct words w;
    const char *size;
    char digits[24] = "";
    size_t n;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    size = w.first ? w.first : words_get(&w, "size");
    if (rc < 0 || !size)
        return rc;
    n = strspn(size, "0123456789");
    memcpy(digits, size, MIN(n, sizeof(digits) - 1));
    rc = words_number(option, digits, 1 << 20, &c->ram_mib, err);
    if (rc < 0)
        return rc;
    if (!strcmp(size + n, "G") || !strcmp(size + n, "g"))
        c->ram_mib *= 1024;
    else if (size[n] && strcmp(size + n, "M") && strcmp(size + n, "m"))
        return error_set(err, -EINVAL, "%s %s: memory is given in M or G", option, text);
    if (c->ram_mib < 1 || c->ram_mib > 1 << 20)
        return error_set(err, -EINVAL, "%s %s: memory is from 1 MiB to 1 TiB", option, text);
    return 0;
}

static int take_nodefaults(struct machine_config *c, const char *option, const char *text,
                           struct error *err)
{
    c->no_defaults = true;
    return 0;
}

static int take_no_shutdown(struct machine_config *c, const char *option, const char *text,
                            struct error *err)
{
    c->no_shutdown = true;
    return 0;
}

static int take_vga(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    if (strcmp(text, "none") && strcmp(text, "std") && strcmp(text, "cirrus"))
        return error_set(err, -EINVAL, "%s %s: xen-dm has none, std and cirrus", option, text);
    c->vga = options_keep(c, text);
    return 0;
}

static int take_no_fd_check(struct machine_config *c, const char *option, const char *text,
                            struct error *err)
{
    c->floppy_check = false;
    return 0;
}

static int take_uuid(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    c->uuid = options_keep(c, text);
    return 0;
}

static int take_bios(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    c->bios = options_keep(c, text);
    return 0;
}

/* A drive; if=pflash is the firmware's, which is all that such tests ask of it. */
static int take_drive(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    struct words w;
    int rc = words_split(c, &w, option, text, false, err);

    if (rc < 0 || !words_get(&w, "if") || strcmp(words_get(&w, "if"), "pflash"))
        return rc < 0 ? rc : option_drive(c, option, text, err);
    if (!words_get(&w, "file"))
        return error_set(err, -EINVAL, "%s %s: file= is missing", option, text);
    c->bios = words_get(&w, "file");
    return 0;
}

static int take_global(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    struct words w;
    int rc = words_split(c, &w, option, text, false, err);

    if (rc < 0)
        return rc;
    if (w.count == 3 && !strcmp(w.pairs[0].name, "driver")) { /* driver=D,property=P,value=V */
        char name[128];

        snprintf(name, sizeof(name), "%s.%s", w.pairs[0].value, w.pairs[1].value);
        w.pairs[0] = (struct pair){ options_keep(c, name), w.pairs[2].value };
    } else if (w.count != 1 || !strchr(w.pairs[0].name, '.')) {
        return error_set(err, -EINVAL, "%s %s: use DRIVER.PROPERTY=VALUE", option, text);
    }
    if (c->global_count == GLOBALS_MOST)
        return error_set(err, -EINVAL, "more than %d -global", GLOBALS_MOST);
    c->globals[c->global_count++] = w.pairs[0];
    return 0;
}

/* -hda FILE and its like: short for a -drive. */
static int take_disk(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    char words[4300];
    bool cdrom = !strcmp(option, "-cdrom");

    snprintf(words, sizeof(words), "file=%s,if=ide,index=%d%s", text,
             cdrom ? CD_INDEX : option[3] - 'a', cdrom ? ",media=cdrom" : ",media=disk");
    return option_drive(c, "-drive", words, err);
}

/*
 * -blockdev makes a node without a drive; a device names it as its drive. A node over another
 * (driver=raw,file=NODE) is that one's file by another name.
 */
static int take_blockdev(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    static const char *const names[] = { "driver",
                                         "node-name",
                                         "filename",
                                         "file",
                                         "file.driver",
                                         "file.filename",
                                         "read-zeroes",
                                         "read-only",
                                         "auto-read-only",
                                         "cache.direct",
                                         "cache.no-flush",
                                         "discard",
                                         "locking",
                                         "aio",
                                         "size",
                                         "file.locking",
                                         NULL };
    char words[4300];
    const char *driver, *node, *file, *below;
    struct words w;
    bool readonly = false;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc == 0)
        rc = words_flag(&w, "read-only", &readonly, err);
    if (rc < 0)
        return rc;
    driver = w.first ? w.first : words_get(&w, "driver");
    node = words_get(&w, "node-name");
    file = words_get(&w, "filename") ? words_get(&w, "filename") : words_get(&w, "file.filename");
    below = words_get(&w, "file");
    if (!driver || !node)
        return error_set(err, -EINVAL, "%s %s: driver= and node-name= are needed", option, text);
    for (unsigned i = 0; below && i < c->drive_count; i++)
        if (!strcmp(c->drives[i].id, below))
            file = c->drives[i].file;
    if (!strcmp(driver, "null-co"))
        file = "null-co://";
    if (!file)
        return error_set(err, -EINVAL, "%s %s: filename= is missing", option, text);
    if (!strcmp(driver, "file") || !strcmp(driver, "host_device") || !strcmp(driver, "null-co"))
        driver = "raw";
    snprintf(words, sizeof(words), "id=%s,if=none,file=%s,format=%s%s", node, file, driver,
             readonly ? ",readonly=on" : "");
    rc = option_drive(c, option, words, err);
    if (rc == 0)
        c->drives[c->drive_count - 1].node = true;
    return rc;
}

static int take_nothing_of_it(struct machine_config *c, const char *option, const char *text,
                              struct error *err)
{
    if (!strcmp(text, "none") || !strncmp(text, "none,", 5) || !strcmp(text, "null"))
        return 0;
    return error_set(err, -EINVAL, "%s %s: only none is had under qtest", option, text);
}

static const struct option table[] = {
    { "-qtest", true, take_qtest, NULL },
    { "-qtest-log", true, NULL, NULL },
    { "-accel", true, take_accel, NULL },
    { "-machine", true, take_machine, NULL },
    { "-M", true, take_machine, NULL },
    { "-boot", true, take_boot, NULL },
    { "-m", true, take_memory, NULL },
    { "-nodefaults", false, take_nodefaults, NULL },
    { "-no-shutdown", false, take_no_shutdown, NULL },
    { "-vga", true, take_vga, NULL },
    { "-no-fd-bootchk", false, take_no_fd_check, NULL },
    { "-uuid", true, take_uuid, NULL },
    { "-bios", true, take_bios, NULL },
    { "-drive", true, take_drive, NULL },
    { "-global", true, take_global, NULL },
    { "-hda", true, take_disk, NULL },
    { "-hdb", true, take_disk, NULL },
    { "-hdc", true, take_disk, NULL },
    { "-hdd", true, take_disk, NULL },
    { "-cdrom", true, take_disk, NULL },
    { "-blockdev", true, take_blockdev, NULL },
    { "-monitor", true, take_nothing_of_it, NULL },
    { "-xen-domid-restrict", false, NULL, "there is no Xen under -accel qtest; leave it out" },
};

const struct option *option_qtest_find(const char *word)
{
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        if (!strcmp(table[i].name, word))
            return &table[i];
    return NULL;
}

/* ---- The devices of a PC that nobody asked for ---- */

static bool has_driver(const struct machine_config *c, const char *const *drivers)
{
    for (unsigned i = 0; i < c->device_count; i++)
        for (const char *const *d = drivers; *d; d++)
            if (!strcmp(*d, c->devices[i].driver))
                return true;
    return false;
}

static int add_device(struct machine_config *c, const char *words, struct error *err)
{
    return option_device(c, "-device", words, err);
}

static int add_vga(struct machine_config *c, struct error *err)
{
    static const char *const displays[] = { "VGA", "cirrus-vga", NULL };
    const char *vga = c->vga ? c->vga : c->no_defaults || has_driver(c, displays) ? "none" : "std";

    if (!strcmp(vga, "none"))
        return 0;
    return add_device(c, strcmp(vga, "std") ? "cirrus-vga,addr=02.0" : "VGA,addr=02.0", err);
}

static int add_defaults(struct machine_config *c, struct error *err)
{
    static const char *const discs[] = { "ide-cd", "ide-hd", NULL };
    bool cd = !has_driver(c, discs);
    int rc = 0;

    for (unsigned i = 0; i < c->drive_count; i++)
        cd &= !c->drives[i].ide || c->drives[i].index != CD_INDEX;
    if (!c->netdev_count && !c->no_net)
        rc = add_device(c, "e1000,addr=03.0", err);
    if (rc == 0 && cd)
        rc = option_drive(c, "-drive", "if=ide,index=2,media=cdrom", err);
    if (rc == 0 && !c->serial_count)
        rc = option_serial(c, "-serial", "null", err);
    return rc;
}

/* -device ide-cd without drive= is a drive with nothing in it. */
static int fill_cds(struct machine_config *c, struct error *err)
{
    for (unsigned i = 0; i < c->device_count; i++) {
        struct device_words *d = &c->devices[i];
        char words[64];
        int rc;

        if (strcmp(d->driver, "ide-cd") || device_word(d, "drive"))
            continue;
        snprintf(words, sizeof(words), "id=#empty%u,if=none,media=cdrom", i);
        rc = option_drive(c, "-drive", words, err);
        if (rc < 0)
            return rc;
        if (d->count < ARRAY_SIZE(d->pairs))
            d->pairs[d->count++] = (struct pair){ "drive", c->drives[c->drive_count - 1].id };
    }
    return 0;
}

/* Images that are no files: QEMU's protocols, of which tests use two. */
void option_qtest_name_formats(struct machine_config *c)
{
    for (unsigned i = 0; i < c->drive_count; i++) {
        struct drive_words *d = &c->drives[i];

        if (d->file && !strncmp(d->file, "null-co://", 10))
            d->format = "null-co";
        else if (d->file && !strncmp(d->file, "blkdebug:", 9))
            d->format = "blkdebug";
    }
}

int option_qtest_whole(struct machine_config *c, struct error *err)
{
    static const char *const displays[] = { "VGA", "cirrus-vga", NULL };
    int rc;

    if (c->kind == MACHINE_NONE)
        return 0;
    if (!c->ram_mib)
        c->ram_mib = 128;
    c->low_limit = c->ram_mib * MIB >= LOW_MOST ? LOW_SPLIT : LOW_MOST;
    if (c->vga && strcmp(c->vga, "none") && has_driver(c, displays))
        return error_set(err, -EINVAL, "-vga %s: there is a display device already", c->vga);
    option_qtest_name_formats(c);
    rc = fill_cds(c, err);
    if (rc == 0)
        rc = add_vga(c, err);
    return rc == 0 && !c->no_defaults ? add_defaults(c, err) : rc;
}
