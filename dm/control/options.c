/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line. One table says for each word what becomes of it: taken, ignored because it
 * means nothing here, or refused with what to use instead. Source: the argv that libxl writes for
 * an HVM guest, and the words that people add with device_model_args.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/control/option_words.h"

#define LOW_LIMIT_DEFAULT 0xf0000000ull
#define LOW_LIMIT_LEAST 0x40000000ull
#define VCPUS_MOST 128
#define RECORD_MIB 64
#define RECORD_MIB_MOST 4096

/* ---- One function for each option that is taken ---- */

static int take_domid(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    uint64_t domid;
    int rc = words_number(option, text, 0x7fef, &domid, err);

    c->domid = (unsigned)domid;
    c->have_domid = rc == 0;
    return rc;
}

static int take_name(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    c->name = options_keep(c, text); /* libxl escapes nothing, so commas are part of the name */
    return 0;
}

static int take_machine(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    static const char *const names[] = {
        "accel", "suppress-vmdesc", "max-ram-below-4g", "igd-passthru", "type", NULL
    };
    struct words w;
    const char *type, *accel, *limit;
    bool igd = false;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc == 0)
        rc = words_flag(&w, "igd-passthru", &igd, err);
    if (rc < 0)
        return rc;
    if (igd)
        return error_set(err, -EINVAL, "%s: igd-passthru=on is not supported; remove gfx_passthru",
                         option);
    type = w.first ? w.first : words_get(&w, "type");
    accel = words_get(&w, "accel");
    if (!type)
        return error_set(err, -EINVAL, "%s %s: no machine type; use xenfv", option, text);
    if (!strcmp(type, "xenfv") || !strncmp(type, "xenfv-", 6)) {
        c->kind = MACHINE_HVM;
        c->platform_device = true;
    } else if ((!strcmp(type, "pc") || !strncmp(type, "pc-i440fx-", 10)) && accel &&
               !strcmp(accel, "xen")) {
        c->kind = MACHINE_HVM;
        c->platform_device = false;
    } else if (!strcmp(type, "none")) {
        c->kind = MACHINE_NONE;
    } else if (!strcmp(type, "xenpv")) {
        c->kind = MACHINE_PV;
        c->platform_device = false;
    } else {
        return error_set(err, -EINVAL, "%s %s: xen-dm has xenfv, pc,accel=xen and xenpv", option, type);
    }
    limit = words_get(&w, "max-ram-below-4g");
    if (limit) {
        rc = words_number(option, limit, LOW_LIMIT_DEFAULT, &c->low_limit, err);
        if (rc == 0 && (c->low_limit < LOW_LIMIT_LEAST || c->low_limit % PAGE_BYTES))
            rc = error_set(err, -EINVAL,
                           "%s: max-ram-below-4g=%s must be whole pages from 1 GiB to 3.75 GiB",
                           option, limit);
    }
    return rc;
}

static int take_memory(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    char digits[24];
    size_t n = strspn(text, "0123456789");
    uint64_t scale = 1;
    int rc;

    if (!strncmp(text, "size=", 5))
        return take_memory(c, option, text + 5, err);
    if (n && n < sizeof(digits) && (!strcmp(text + n, "G") || !strcmp(text + n, "M"))) {
        memcpy(digits, text, n);
        digits[n] = 0;
        scale = text[n] == 'G' ? 1024 : 1;
        rc = words_number(option, digits, 16 << 20, &c->ram_mib, err);
    } else {
        rc = words_number(option, text, 16 << 20, &c->ram_mib, err);
    }
    c->ram_mib *= scale;
    if (rc == 0 && (c->ram_mib < 1 || c->ram_mib > 16 << 20))
        return error_set(err, -EINVAL, "%s %s: memory is from 1 MiB to 16 TiB, given in MiB",
                         option, text);
    return rc;
}

static int take_smp(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    static const char *const names[] = { "cpus", "maxcpus", "sockets", "cores", "threads", NULL };
    struct words w;
    const char *cpus, *most;
    uint64_t n = 1, m = 0;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    cpus = w.first ? w.first : words_get(&w, "cpus");
    most = words_get(&w, "maxcpus");
    if (rc == 0 && cpus)
        rc = words_number(option, cpus, VCPUS_MOST, &n, err);
    if (rc == 0 && most)
        rc = words_number(option, most, VCPUS_MOST, &m, err);
    if (rc < 0)
        return rc;
    if (!n || (most && m < n))
        return error_set(err, -EINVAL, "%s %s: from 1 to maxcpus CPUs are online", option, text);
    c->cpus = (unsigned)n;
    c->cpus_most = most ? (unsigned)m : (unsigned)n;
    return 0;
}

static int take_boot(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    static const char *const names[] = { "order", "once", "menu", "strict", "splash-time", NULL };
    struct words w;
    const char *order;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc < 0)
        return rc;
    order = w.first                 ? w.first
            : words_get(&w, "once") ? words_get(&w, "once")
                                    : words_get(&w, "order");
    if (!order)
        return 0;
    if (!*order || order[strspn(order, "abcdnop")])
        return error_set(err, -EINVAL,
                         "%s: order %s has a letter that is no boot device; use a, b, c, d, n",
                         option, order);
    c->boot = order;
    return 0;
}

static int take_vnc(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    c->vnc = strcmp(text, "none") ? options_keep(c, text) : NULL;
    return 0;
}

static int take_keymap(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    c->keymap = options_keep(c, text);
    return 0;
}

static int take_display(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    if (!strcmp(text, "none"))
        return 0;
    if (!strncmp(text, "vnc=", 4))
        return take_vnc(c, option, text + 4, err);
    return error_set(err, -EINVAL,
                     "%s %s: xen-dm shows the screen by VNC only; set sdl=0 and vnc=1", option,
                     text);
}

static int take_no_acpi(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    c->acpi = false;
    return 0;
}

static int take_paused(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    c->paused = true;
    return 0;
}

static int take_restrict(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    c->restricted = true;
    return 0;
}

static int take_chroot(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    if (*text != '/')
        return error_set(err, -EINVAL, "%s %s: the directory must be an absolute path", option,
                         text);
    c->chroot = options_keep(c, text);
    return 0;
}

static int take_runas(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    if (!*text)
        return error_set(err, -EINVAL, "%s: give a user name, or UID:GID", option);
    c->runas = options_keep(c, text);
    return 0;
}

static int take_run_with(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    static const char *const names[] = { "chroot", "user", NULL };
    struct words w;
    int rc = words_split(c, &w, option, text, false, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc == 0 && words_get(&w, "chroot"))
        rc = take_chroot(c, option, words_get(&w, "chroot"), err);
    if (rc == 0 && words_get(&w, "user"))
        rc = take_runas(c, option, words_get(&w, "user"), err);
    return rc;
}

static int take_incoming(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    return error_set(err, -EINVAL,
                     "%s %s: restore and migration are not supported yet; start the guest afresh",
                     option, text);
}

static int take_io_threads(struct machine_config *c, const char *option, const char *text,
                           struct error *err)
{
    uint64_t count;
    int rc = words_number(option, text, 16, &count, err);

    c->io_threads = (unsigned)count;
    return rc;
}

static int take_reach(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    c->reach = !strcmp(text, "on");
    return c->reach || !strcmp(text, "off") ? 0
                                            : error_set(err, -EINVAL, "%s: %s is neither on nor off",
                                                        option, text);
}

static int take_attach(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    c->attach = true;
    return 0;
}

static int take_daemonize(struct machine_config *c, const char *option, const char *text,
                          struct error *err)
{
    c->daemonize = true;
    return 0;
}

static int take_pidfile(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    if (!*text)
        return error_set(err, -EINVAL, "%s: give the path of the file to write", option);
    c->pidfile = options_keep(c, text);
    return 0;
}

static int take_metrics(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    if (!*text)
        return error_set(err, -EINVAL, "%s: give the path of the socket to make", option);
    c->metrics = options_keep(c, text);
    return 0;
}

static int take_record(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    static const char *const names[] = { "size", NULL };
    uint64_t mib = RECORD_MIB;
    const char *size;
    struct words w;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc < 0)
        return rc;
    if (!w.first || !*w.first)
        return error_set(err, -EINVAL, "%s %s: the name of the file to record in is missing",
                         option, text);
    size = words_get(&w, "size");
    if (size)
        rc = words_number("-record FILE,size=MIB", size, RECORD_MIB_MOST, &mib, err);
    c->record = w.first;
    c->record_bytes = mib * MIB;
    return rc;
}

static int take_poll(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    uint64_t us;
    int rc = words_number(option, text, 10000, &us, err);

    c->poll_window_us = (int)us;
    return rc;
}

static int take_help(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    if (!strcmp(option, "-version"))
        c->version = true;
    else
        c->help = true;
    return 0;
}

/* ---- The table ---- */

static const struct option table[] = {
    { "-xen-domid", true, take_domid, NULL },
    { "-name", true, take_name, NULL },
    { "-machine", true, take_machine, NULL },
    { "-M", true, take_machine, NULL },
    { "-m", true, take_memory, NULL },
    { "-smp", true, take_smp, NULL },
    { "-boot", true, take_boot, NULL },
    { "-chardev", true, option_chardev, NULL },
    { "-mon", true, option_mon, NULL },
    { "-qmp", true, option_qmp, NULL },
    { "-serial", true, option_serial, NULL },
    { "-parallel", true, option_parallel, NULL },
    { "-debugcon", true, option_debugcon, NULL },
    { "-vnc", true, take_vnc, NULL },
    { "-display", true, take_display, NULL },
    { "-k", true, take_keymap, NULL },
    { "-drive", true, option_drive, NULL },
    { "-device", true, option_device, NULL },
    { "-global", true, option_global, NULL },
    { "-netdev", true, option_netdev, NULL },
    { "-net", true, option_net, NULL },
    { "-nic", true, option_net, NULL },
    { "-usb", false, option_usb, NULL },
    { "-usbdevice", true, option_usbdevice, NULL },
    { "-no-acpi", false, take_no_acpi, NULL },
    { "-S", false, take_paused, NULL },
    { "-xen-domid-restrict", false, take_restrict, NULL },
    { "-chroot", true, take_chroot, NULL },
    { "-runas", true, take_runas, NULL },
    { "-run-with", true, take_run_with, NULL },
    { "-incoming", true, take_incoming, NULL },
    { "-x-poll", true, take_poll, NULL },
    { "-x-metrics", true, take_metrics, NULL },
    { "-xen-attach", false, take_attach, NULL },
    { "-daemonize", false, take_daemonize, NULL },
    { "-pidfile", true, take_pidfile, NULL },
    { "-x-io-threads", true, take_io_threads, NULL },
    { "-x-reach", true, take_reach, NULL },
    { "-record", true, take_record, NULL },
    { "-help", false, take_help, NULL },
    { "-h", false, take_help, NULL },
    { "-version", false, take_help, NULL },

    /* harmless: what they ask for is so anyway, or means nothing here */
    { "-no-shutdown", false, NULL, NULL },
    { "-no-reboot", false, NULL, NULL },
    { "-nodefaults", false, NULL, NULL },
    { "-no-user-config", false, NULL, NULL },
    { "-nographic", false, NULL, NULL },
    { "-monitor", true, NULL, NULL },
    { "-rtc", true, NULL, NULL },
    { "-no-fd-bootchk", false, NULL, NULL },
    { "-no-hpet", false, NULL, NULL },
    { "-cpu", true, NULL, NULL },
    { "-uuid", true, NULL, NULL },
    { "-msg", true, NULL, NULL },
    { "-audio", true, NULL, NULL },
    { "-audiodev", true, NULL, NULL },
    { "-D", true, NULL, NULL },
    { "-d", true, NULL, NULL },
    { "-trace", true, NULL, NULL },

    { "-kernel", true, NULL,
      "direct kernel boot is not supported yet; boot from a disk or CD-ROM" },
    { "-initrd", true, NULL,
      "direct kernel boot is not supported yet; boot from a disk or CD-ROM" },
    { "-append", true, NULL,
      "direct kernel boot is not supported yet; boot from a disk or CD-ROM" },
    { "-spice", true, NULL, "spice is not supported; set spice=0 and vnc=1" },
    { "-sdl", false, NULL, "xen-dm shows the screen by VNC only; set sdl=0 and vnc=1" },
    { "-soundhw", true, NULL, "sound is not supported yet; remove soundhw" },
    { "-fda", true, NULL, "floppies are not supported yet; use a CD-ROM" },
    { "-fdb", true, NULL, "floppies are not supported yet; use a CD-ROM" },
    { "-hda", true, NULL, "use -drive file=PATH,if=ide,index=0,media=disk,format=raw" },
    { "-hdb", true, NULL, "use -drive file=PATH,if=ide,index=1,media=disk,format=raw" },
    { "-hdc", true, NULL, "use -drive file=PATH,if=ide,index=2,media=disk,format=raw" },
    { "-hdd", true, NULL, "use -drive file=PATH,if=ide,index=3,media=disk,format=raw" },
    { "-cdrom", true, NULL, "use -drive file=PATH,if=ide,index=2,media=cdrom,format=raw" },
    { "-vga", true, NULL, "use -device VGA or -device cirrus-vga (vga=\"stdvga\" in xl.cfg)" },
    { "-accel", true, NULL, "xen-dm runs on Xen only; use -machine xenfv (or qtest, for tests)" },
    { "-enable-kvm", false, NULL, "xen-dm runs on Xen only; use -machine xenfv" },
    { "-bios", true, NULL, "firmware is loaded by the toolstack; set bios= in xl.cfg" },
    { "-pflash", true, NULL, "firmware is loaded by the toolstack; set bios= in xl.cfg" },
    { "-object", true, NULL, "COLO and iothread objects are not supported; leave it out" },
    { "-qtest", true, NULL, "a guest of Xen is not driven by tests; add -accel qtest" },
    { "-qtest-log", true, NULL, "a guest of Xen is not driven by tests; add -accel qtest" },
    { "-blockdev", true, NULL, "use -drive" },
    { "-fsdev", true, NULL, "file systems are not shared yet; leave it out" },
    { "-sandbox", true, NULL, "leave it out: xen-dm confines itself" },
    { "-loadvm", true, NULL, "snapshots are the toolstack's: use xl restore" },
};

static const struct option *find(const struct machine_config *c, const char *word)
{
    const struct option *o;

    if (word[0] == '-' && word[1] == '-') /* --name is -name */
        word++;
    o = c->qtest ? option_qtest_find(word) : NULL;
    if (o)
        return o;
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        if (!strcmp(table[i].name, word))
            return &table[i];
    return NULL;
}

static int judge_whole(struct machine_config *c, struct error *err)
{
    if (c->help || c->version || c->kind == MACHINE_NONE)
        return 0;
    if (!c->have_domid && !c->qtest)
        return error_set(err, -EINVAL,
                         "-xen-domid is missing: xen-dm is started by xl for a domain");
    if (c->kind == MACHINE_PV && (c->drive_count || c->device_count || c->netdev_count))
        return error_set(err, -EINVAL, "-machine xenpv has no emulated devices; remove -drive, "
                         "-device and -netdev: what a PV guest has is in xenstore");
    if (c->kind != MACHINE_PV && (c->daemonize || c->attach || c->pidfile))
        return error_set(err, -EINVAL, "%s is for backend processes; use it with -machine xenpv",
                         c->daemonize ? "-daemonize" : c->attach ? "-xen-attach" : "-pidfile");
    if (!c->ram_mib && c->kind == MACHINE_HVM)
        return error_set(err, -EINVAL, "-m is missing: how much memory has the guest?");
    for (unsigned i = 0; i < c->monitor_count; i++) {
        unsigned k = 0;

        while (k < c->chardev_count && strcmp(c->chardevs[k].id, c->monitors[i].chardev))
            k++;
        if (k == c->chardev_count)
            return error_set(err, -EINVAL, "-mon: there is no -chardev with id=%s",
                             c->monitors[i].chardev);
    }
    return 0;
}

int options_parse(struct machine_config *c, int argc, char *const argv[], struct error *err)
{
    int rc = 0;

    memset(c, 0, sizeof(*c));
    *c = (struct machine_config){ .kind = MACHINE_HVM,
                                  .platform_device = true,
                                  .acpi = true,
                                  .low_limit = LOW_LIMIT_DEFAULT,
                                  .cpus = 1,
                                  .cpus_most = 1,
                                  .boot = "cda",
                                  .floppy_check = true,
                                  .incoming = -1,
                                  .poll_window_us = -1,
                                  .reach = true,
                                  .argc = argc,
                                  .argv = argv };
    c->qtest = option_qtest_asked(argc, argv);
    if (c->qtest) { /* QEMU's PC, not Xen's */
        c->platform_device = false;
        c->boot = "cad";
    }
    for (int i = 1; i < argc && rc == 0; i++) {
        const struct option *o = find(c, argv[i]);
        const char *text = NULL;

        if (!o)
            return error_set(err, -EINVAL,
                             "%s: xen-dm knows no such option; leave it out (-help lists them)",
                             argv[i]);
        if (o->instead)
            return error_set(err, -EINVAL, "%s: %s", o->name, o->instead);
        if (o->has_text) {
            if (i + 1 == argc)
                return error_set(err, -EINVAL, "%s: its value is missing", o->name);
            text = argv[++i];
            if (strlen(text) > 4096)
                return error_set(err, -EINVAL, "%s: its value is longer than 4096 bytes", o->name);
        }
        if (o->take)
            rc = o->take(c, o->name, text, err);
    }
    if (rc == 0 && c->qtest)
        rc = option_qtest_whole(c, err);
    return rc < 0 ? rc : judge_whole(c, err);
}

int options_parse_one(struct machine_config *c, bool qtest, const char *option, const char *text,
                      struct error *err)
{
    const struct option *o;
    int rc;

    c->qtest = qtest;
    o = find(c, option);
    if (!o || !o->take)
        return error_set(err, -EINVAL, "%s: there is no such option", option);
    rc = o->take(c, o->name, text, err);
    if (rc == 0 && qtest)
        option_qtest_name_formats(c);
    return rc;
}

const char *options_help(void)
{
    static char text[4096];
    size_t n;

    if (*text)
        return text;
    n = (size_t)snprintf(text, sizeof(text),
                         "xen-dm: device model of a Xen HVM guest, started by xl:\n"
                         "  device_model_override = \"/usr/local/libexec/xen-dm\"\n"
                         "Options, as QEMU's:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(table) && n < sizeof(text); i++)
        if (table[i].take)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "  %s%s\n", table[i].name,
                                  table[i].has_text ? " ..." : "");
    return text;
}
