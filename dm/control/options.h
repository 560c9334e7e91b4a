/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CONTROL_OPTIONS_H
#define DM_CONTROL_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dm/block/drive.h"
struct error;

/*
 * The command line, QEMU's as libxl writes it, as a plain struct. Parsing opens nothing: it is a
 * function from words to a struct or one sentence. What we do not support is refused here, before
 * anything is touched. Texts point into the struct's own memory.
 */
enum machine_kind {
    MACHINE_HVM,  /* xenfv, or pc,accel=xen */
    MACHINE_PV,   /* xenpv: backends only, for PV and PVH guests, dom0, driver domains */
    MACHINE_NONE, /* the probe of Xen 4.20 */
};

struct pair {
    const char *name, *value;
};

/* "driver,name=value,...": the first word, id= taken out, and the rest in order. */
struct device_words {
    const char *driver, *id;
    struct pair pairs[24];
    unsigned count;
};

struct chardev_words {
    const char *id, *kind, *path, *host, *port;
    int fd; /* -1: none */
    bool server, wait, telnet, append;
    unsigned reconnect;
};

struct monitor_words {
    const char *chardev;
};

struct drive_words {
    const char *id, *file, *format, *serial;
    enum error_policy read_errors, write_errors;
    bool ide;       /* if=ide: attached by itself at `index` */
    bool node;      /* -blockdev: a medium without a drive, until a device takes it */
    unsigned index; /* 0 to 3 */
    bool cdrom, readonly;
    bool direct, no_flush, writethrough, discard;
    uint64_t l2_cache; /* bytes; 0: as the format likes */
};

struct netdev_words {
    const char *id, *kind, *ifname, *hostname, *tftp, *bootfile;
    int fd;
};

#define SERIALS_MOST 4
#define DRIVES_MOST 8
#define DEVICES_MOST 32
#define NETDEVS_MOST 16
#define CHARDEVS_MOST 32
#define MONITORS_MOST 8
#define USB_MOST 8
#define GLOBALS_MOST 16

struct machine_config {
    enum machine_kind kind;
    bool have_domid;
    unsigned domid;
    const char *name;
    bool platform_device, acpi, paused, restricted, usb;
    const char *chroot, *runas;
    uint64_t ram_mib;
    uint64_t low_limit; /* RAM below 4 GiB ends here at the latest */
    unsigned cpus, cpus_most;
    const char *boot;
    bool floppy_check;
    const char *vnc, *keymap;
    int incoming; /* descriptor, or -1 */
    struct chardev_words chardevs[CHARDEVS_MOST];
    unsigned chardev_count;
    struct monitor_words monitors[MONITORS_MOST];
    unsigned monitor_count;
    const char *serials[SERIALS_MOST]; /* QEMU's -serial words */
    unsigned serial_count;
    const char *parallel, *debugcon;
    struct drive_words drives[DRIVES_MOST];
    unsigned drive_count;
    struct device_words devices[DEVICES_MOST];
    unsigned device_count;
    struct netdev_words netdevs[NETDEVS_MOST];
    unsigned netdev_count;
    const char *usb_devices[USB_MOST];
    unsigned usb_device_count;
    int poll_window_us; /* -x-poll US; -1: the default */
    bool attach, daemonize; /* -xen-attach, which xenpv goes with; -daemonize */
    const char *pidfile;    /* NULL: none */
    unsigned io_threads; /* -x-io-threads; 0: the default */
    bool reach; /* -x-reach: pages that an HVM guest grants are copied in its memory as we map it, not by Xen */
    bool netback; /* -device xen-netback: PV network devices are ours, whatever the kernel has */
    uint64_t netback_drain_ms; /* its rx-drain-ms; 0: the default */
    bool netback_user; /* its backend=user: each of them on user networking, not on a tap */
    /* -global xen-disk.rerror=P, xen-disk.werror=P: of all PV disks. false: as the emulated drive
     * beside a disk has it, or report. */
    bool has_pv_errors;
    enum error_policy pv_errors[2]; /* reads, writes */
    uint64_t pv_l2_cache; /* -global xen-disk.l2-cache-size=BYTES; 0: as the format likes */
    const char *metrics; /* -x-metrics PATH; NULL: no socket */
    const char *record; /* -record FILE; NULL: no */
    uint64_t record_bytes;
    int argc; /* the words themselves, which outlive the struct */
    char *const *argv;
    /* -accel qtest: no Xen, a test on a socket is the guest. The rest is only for that. */
    bool qtest;
    const char *qtest_path; /* NULL: QMP alone */
    bool no_defaults, no_net, no_shutdown; /* -nodefaults; -net none; -no-shutdown */
    const char *vga;        /* -vga; NULL: not said */
    const char *boot_once;  /* order until the first reset; NULL: as ever */
    const char *uuid;
    const char *bios; /* -bios: what lies at the end of the first 4 GiB; NULL: nothing */
    bool boot_menu;
    const char *boot_fail_wait, *boot_menu_wait; /* ms; NULL: not said */
    struct pair globals[GLOBALS_MOST]; /* "ide-hd.serial" */
    unsigned global_count;
    bool help, version;
    void *memory; /* private: what the texts lie in */
};

/* -EINVAL and the sentence where a word is wrong. Free with options_free() either way. */
int options_parse(struct machine_config *config, int argc, char *const argv[], struct error *err);
void options_free(struct machine_config *config);
/* One option and its text by itself, into a configuration that is all zeroes. */
int options_parse_one(struct machine_config *config, bool qtest, const char *option,
                      const char *text, struct error *err);
/* A pair's value, or NULL. */
const char *device_word(const struct device_words *device, const char *name);
/* What -help prints. */
const char *options_help(void);
#endif
