/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine: host ends first, for they fail most often and each with its own sentence; then the
 * domain and a seat for each loop; then the chips. Taken apart in reverse.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "devices/core/device.h"
#include "devices/platform/platform.h"
#include "dm/base/arena.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/base/tape.h"
#include "dm/block/drive.h"
#include "dm/chardev/chardev.h"
#include "dm/display/input.h"
#include "dm/display/screen.h"
#include "dm/display/vnc.h"
#include "dm/machine/bare.h"
#include "dm/machine/hotplug.h"
#include "dm/machine/machine.h"
#include "dm/machine/pv.h"
#include "dm/machine/restrict.h"
#include "dm/machine/record.h"
#include "dm/machine/unplug.h"
#include "dm/net/netport.h"
#include "dm/xen/domain.h"
#include "dm/xen/keeper.h"
#include "dm/xen/store.h"
#include "ioreq/server.h"

#define PID_NODE "/local/domain/%u/image/device-model-pid"
#define LOOK_AGAIN (5 * NS_PER_SEC)
#define ARENA_BYTES (256 * KIB) /* what libxl lets a restricted process make a file grow to */

/* ---- What devices ask of their board. Any loop. ---- */

static struct machine *machine_of(void *arg)
{
    return ((struct seat *)arg)->machine;
}

static void board_isa_irq(void *arg, unsigned irq, bool level)
{
    domain_isa_irq(machine_of(arg)->domain, irq, level);
}

static void board_pci_intx(void *arg, unsigned slot, unsigned pin, bool level)
{
    domain_pci_intx(machine_of(arg)->domain, slot, pin, level);
}

static void board_pci_link(void *arg, unsigned link, unsigned irq)
{
    domain_pci_link(machine_of(arg)->domain, link, irq);
}

static void board_msi(void *arg, uint64_t addr, uint32_t data)
{
    domain_msi(machine_of(arg)->domain, addr, data);
}

static void guest_reset(void *arg)
{
    machine_emit(arg, "RESET", "guest-reset");
}

/* Xen is told before the request is answered, so that the vCPU goes no further. */
static void board_reset(void *arg)
{
    struct machine *m = machine_of(arg);

    domain_shut_down(m->domain, DOMAIN_REBOOT);
    loop_post(m->loop, guest_reset, m);
}

static void guest_power_off(void *arg)
{
    struct machine *m = arg;

    m->state = RUN_SHUTDOWN;
    machine_emit(m, "SHUTDOWN", "guest-shutdown");
}

static void board_power_off(void *arg)
{
    struct machine *m = machine_of(arg);

    domain_shut_down(m->domain, DOMAIN_POWER_OFF);
    loop_post(m->loop, guest_power_off, m);
}

static void guest_suspend(void *arg)
{
    struct machine *m = arg;
    struct tape *tape = record_op(m->cmos, OP_SUSPEND, 0);
    struct error err;

    cmos_note_suspend(m->cmos);
    tape_end(tape);
    if (domain_set_sleep(m->domain, 3, &err) < 0) {
        log_error("%s", err.text);
        return;
    }
    m->state = RUN_SUSPENDED;
    machine_emit(m, "SUSPEND", NULL);
}

static void board_suspend(void *arg)
{
    loop_post(machine_of(arg)->loop, guest_suspend, machine_of(arg));
}

static void board_lock_rom(void *arg, bool locked)
{
    struct machine *m = machine_of(arg);

    if (m->state != RUN_PRELAUNCH || locked)
        domain_lock_rom(m->domain, locked);
}

static void board_unplug(void *arg, unsigned mask, void (*done)(void *), void *done_arg)
{
    struct asked *asked = record_asked(done, done_arg);

    if (asked)
        machine_unplug(machine_of(arg), mask, record_answered, asked);
    else
        machine_unplug(machine_of(arg), mask, done, done_arg);
}

static const struct board_ops board_ops = {
    .isa_irq = board_isa_irq, .pci_intx = board_pci_intx, .pci_link = board_pci_link,
    .msi = board_msi, .reset = board_reset, .power_off = board_power_off,
    .suspend = board_suspend, .lock_rom = board_lock_rom, .host_end = machine_host_end,
    .unplug = board_unplug,
};

/* ---- Host ends ---- */

int machine_add_drive(struct machine *m, const struct drive_words *w, struct error *err)
{
    struct disk *disk = NULL;
    struct disk_config dc = { .path = w->file, .format = w->format, .readonly = w->readonly,
                              .direct = w->direct, .no_flush = w->no_flush,
                              .writethrough = w->writethrough, .discard = w->discard,
                              .l2_cache = w->l2_cache };
    struct drive_config config = { .id = w->id, .cdrom = w->cdrom, .readonly = w->readonly,
                                   .serial = w->serial, .read_errors = w->read_errors,
                                   .write_errors = w->write_errors };
    int rc;

    if (m->drive_count == DRIVES_MOST)
        return error_set(err, -ENOSPC, "more than %d drives", DRIVES_MOST);
    rc = w->file && *w->file ? disk_open(&disk, &dc, err) : 0;

    if (rc < 0)
        return rc;
    config.disk = disk;
    rc = drive_open(&m->drives[m->drive_count], &config, err);
    if (rc < 0) {
        disk_close(disk);
        return rc;
    }
    drive_set_home(m->drives[m->drive_count], m->loop);
    machine_listen(m, m->drives[m->drive_count++]);
    return 0;
}

/* A drive behind -device ide-cd is a CD-ROM although -drive does not say so. */
bool machine_drive_is_cd(const struct machine_config *c, const char *id)
{
    for (unsigned i = 0; i < c->device_count; i++) {
        const char *drive = device_word(&c->devices[i], "drive");

        if (!strcmp(c->devices[i].driver, "ide-cd") && drive && !strcmp(drive, id))
            return true;
    }
    return false;
}

static int open_drives(struct machine *m, struct error *err)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < m->config->drive_count; i++) {
        struct drive_words w = m->config->drives[i];

        w.cdrom |= machine_drive_is_cd(m->config, w.id);
        w.readonly |= w.cdrom;
        rc = machine_add_drive(m, &w, err);
    }
    return rc;
}

static int open_netports(struct machine *m, struct error *err)
{
    for (unsigned i = 0; i < m->config->netdev_count; i++) {
        const struct netdev_words *w = &m->config->netdevs[i];
        struct netport_config config = { .id = w->id, .kind = w->kind, .ifname = w->ifname,
                                         .fd = w->fd, .hostname = w->hostname, .tftp = w->tftp,
                                         .bootfile = w->bootfile };
        int rc = netport_open(&m->netports[i], &config, err);

        if (rc < 0)
            return rc;
        m->netport_count++;
    }
    return 0;
}

static int open_chardev(struct machine *m, const struct chardev_config *config, struct error *err)
{
    int rc = chardev_open(&m->chardevs[m->chardev_count], m->loop, config, err);

    if (rc == 0)
        m->chardev_count++;
    return rc;
}

/* -serial and its like: words of a grammar of their own. */
static int open_legacy(struct machine *m, const char *id, const char *text, struct error *err)
{
    struct chardev_config config;
    char storage[4400];
    int rc;

    if (!strcmp(text, "none") || !strncmp(text, "chardev:", 8)) /* nothing, or there already */
        return 0;
    rc = chardev_parse_legacy(&config, storage, sizeof(storage), text, err);
    if (rc < 0)
        return rc;
    config.id = id;
    return open_chardev(m, &config, err);
}

static bool is_monitor(const struct machine_config *c, const char *id)
{
    for (unsigned i = 0; i < c->monitor_count; i++)
        if (!strcmp(c->monitors[i].chardev, id))
            return true;
    return false;
}

int machine_open_chardevs(struct machine *m, struct error *err)
{
    static const char *const ids[] = { "serial0", "serial1", "serial2", "serial3" };
    const struct machine_config *c = m->config;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < c->chardev_count; i++) {
        const struct chardev_words *w = &c->chardevs[i];
        struct chardev_config config = { .id = w->id, .kind = w->kind, .path = w->path,
                                         .host = w->host, .port = w->port, .fd = w->fd,
                                         .server = w->server, .wait = w->wait,
                                         .telnet = w->telnet, .append = w->append,
                                         .reconnect = w->reconnect };

        if (!is_monitor(c, w->id)) /* those are QMP's, which needs descriptors beside bytes */
            rc = open_chardev(m, &config, err);
    }
    for (unsigned i = 0; rc == 0 && i < c->serial_count; i++)
        rc = open_legacy(m, ids[i], c->serials[i], err);
    if (rc == 0 && c->parallel)
        rc = open_legacy(m, "parallel0", c->parallel, err);
    if (rc == 0 && c->debugcon)
        rc = open_legacy(m, "debugcon", c->debugcon, err);
    return rc;
}

int machine_open_display(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    struct vnc_config config;
    char storage[1024];
    int rc = input_open(&m->input, m->loop, err);

    if (rc == 0 && (pc_has(c, SEAT_DISPLAY) || c->vnc || c->kind == MACHINE_PV))
        rc = screen_open(&m->screen, "screen", err);
    if (rc == 0 && c->kind == MACHINE_PV) /* its frame buffer comes and goes with a driver */
        screen_settle(m->screen, m->loop);
    if (rc < 0 || !c->vnc)
        return rc;
    rc = vnc_parse(&config, storage, sizeof(storage), c->vnc, err);
    if (rc < 0)
        return rc;
    m->vnc_password = config.password;
    config.keymap = c->keymap;
    config.name = c->name;
    return vnc_open(&m->vnc, &config, m->screen, m->input, err);
}

/* ---- Seats ---- */

void machine_lay_out_memory(struct machine *m)
{
    uint64_t ram = m->config->ram_mib * MIB;

    m->layout.low_end = MIN(ram, m->config->low_limit);
    m->layout.high_end = ram > m->config->low_limit ? 4 * GIB + ram - m->config->low_limit : 0;
}

static int open_seat(struct machine *m, enum seat_name which, const char *name, struct loop *loop,
                     struct error *err)
{
    struct seat *s = &m->seats[which];
    int rc = 0;

    *s = (struct seat){ .machine = m, .name = name, .loop = loop, .used = true };
    if (!loop)
        rc = loop_open(&s->loop, name, err);
    if (rc == 0 && m->config->poll_window_us >= 0)
        loop_set_poll_window(s->loop, (uint64_t)m->config->poll_window_us * 1000);
    else if (rc == 0 && sysconf(_SC_NPROCESSORS_ONLN) < 2)
        loop_set_poll_window(s->loop, 0); /* polling would only keep the vCPU waiting */
    if (rc == 0)
        rc = memory_open(&s->memory, domain_backing(m->domain), &m->layout, 0, err);
    if (rc == 0)
        rc = server_open(&s->server, m->domain, s->loop, s->memory, err);
    if (rc == 0)
        rc = record_seat(s, err);
    if (rc < 0)
        return rc;
    s->board = (struct board){ .loop = s->loop, .ports = server_ports(s->server),
                               .mmio = server_mmio(s->server), .pci = server_pci(s->server),
                               .memory = s->memory, .backing = domain_backing(m->domain),
                               .arena = m->arena, .ops = &board_ops, .ops_arg = s };
    return 0;
}

static int open_seats(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    int rc = open_seat(m, SEAT_MACHINE, "machine", m->loop, err);

    if (rc == 0)
        rc = open_seat(m, SEAT_DISK, "disk", NULL, err);
    if (rc == 0 && pc_has(c, SEAT_NET))
        rc = open_seat(m, SEAT_NET, "net", NULL, err);
    if (rc == 0 && pc_has(c, SEAT_DISPLAY))
        rc = open_seat(m, SEAT_DISPLAY, "display", NULL, err);
    return rc;
}

/* ---- The machine ---- */

static void on_release(void *arg)
{
    struct machine *m = arg;

    if (!m->quitting && !domain_alive(m->domain)) {
        log_info("domain %u is gone", domain_id(m->domain));
        machine_quit(m);
    }
}

static int open_store(struct machine *m, struct error *err)
{
    int rc = store_open_at(&m->store, m->loop, keeper_path(m->keeper), err);

    keeper_connected(m->keeper);
    return rc;
}

/*
 * In a driver domain nobody tells of another's end: xenstore has no @releaseDomain for it, and xl devd forgets
 * a process whose devices dom0 removed by force, as it does where a guest is destroyed.
 */
static void look_for_domain(void *arg)
{
    struct machine *m = arg;

    on_release(m);
    if (!m->quitting)
        timer_set_in(&m->look, LOOK_AGAIN);
}

/* A process for backends: no chips, no seats. */
static int open_attached(struct machine *m, struct error *err)
{
    int rc = machine_open_chardevs(m, err);

    if (rc == 0)
        rc = machine_open_display(m, err);
    if (rc == 0)
        rc = domain_open_attached(&m->domain, m->config->domid, err);
    if (rc == 0)
        rc = open_store(m, err);
    return rc;
}

int machine_open(struct machine **out, const struct machine_config *config, struct loop *loop,
                 struct error *err)
{
    struct machine *m = calloc(1, sizeof(*m));
    int rc;

    if (!m)
        return error_set(err, -ENOMEM, "out of memory");
    m->config = config;
    m->loop = loop;
    machine_lay_out_memory(m);
    rc = config->restricted && !config->qtest ? machine_start_keeper(m, err) : 0;
    if (rc == 0)
        rc = open_drives(m, err);
    if (rc == 0)
        rc = open_netports(m, err);
    if (rc == 0 && config->kind == MACHINE_PV) {
        rc = open_attached(m, err);
        goto opened;
    }
    if (rc == 0)
        rc = machine_open_chardevs(m, err);
    if (rc == 0)
        rc = machine_open_display(m, err);
    if (rc == 0 && !config->qtest)
        rc = domain_open(&m->domain, config->domid, err);
    if (rc == 0 && !config->qtest)
        rc = open_store(m, err);
    if (rc == 0)
        rc = arena_open(&m->arena, ARENA_BYTES, err);
    if (rc == 0)
        rc = record_open(m, err);
    if (rc == 0)
        rc = config->qtest ? bare_open(m, err) : open_seats(m, err);
    if (rc == 0)
        rc = pc_build(m, err);
opened:
    if (rc < 0) {
        machine_close(m);
        return rc;
    }
    *out = m;
    return 0;
}

int machine_start(struct machine *m, struct error *err)
{
    int rc = 0;

    record_checkpoints(m);
    if (m->bare) {
        hotplug_open(m);
        m->state = m->config->paused ? RUN_PRELAUNCH : RUN_RUNNING;
        return 0;
    }
    for (unsigned i = 0; rc == 0 && i < SEATS; i++)
        if (m->seats[i].used)
            rc = server_enable(m->seats[i].server, err);
    for (unsigned i = 0; rc == 0 && i < SEATS; i++)
        if (m->seats[i].used && i != SEAT_MACHINE)
            rc = loop_start_thread(m->seats[i].loop, err);
    if (rc == 0)
        m->state = m->config->paused ? RUN_PRELAUNCH : RUN_RUNNING;
    return rc;
}

/*
 * Where libxl looks for a device model before it adds a disk to a domain that runs. What libxl started it has
 * noted itself; of dom0's own, which init starts, it hears by this.
 */
static int note_pid(struct machine *m, struct error *err)
{
    char path[64], pid[16];

    snprintf(path, sizeof(path), PID_NODE, m->config->domid);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    m->pid_noted = true;
    return store_write(m->store, path, pid, err);
}

static void forget_pid(struct machine *m)
{
    char path[64];

    snprintf(path, sizeof(path), PID_NODE, m->config->domid);
    if (m->pid_noted)
        store_remove(m->store, path);
}

int machine_announce(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    char path[64];
    int rc = 0;

    if (m->vnc) /* who asked for VNC is to hear of its lack */
        rc = c->chroot || c->runas ? vnc_load(m->vnc, err) : vnc_present(err);
    if (rc < 0)
        return rc;
    if (m->vnc)
        vnc_serve(m->vnc);
    if (m->bare)
        return 0;
    snprintf(path, sizeof(path), "device-model/%u/state", c->domid);
    if (!c->paused)
        rc = store_write(m->store, path, "running", err);
    if (rc == 0 && c->daemonize)
        rc = note_pid(m, err);
    /* what nobody waits for comes after */
    if (rc == 0)
        rc = store_watch(&m->release_watch, m->store, "@releaseDomain", on_release, m, err);
    if (rc == 0 && domain_is_hidden(m->domain)) {
        timer_init(&m->look, m->loop, look_for_domain, m);
        look_for_domain(m);
    }
    return rc < 0 ? rc : machine_open_pv(m, err);
}

void machine_close(struct machine *m)
{
    if (!m)
        return;
    store_unwatch(m->release_watch);
    timer_clear(&m->look);
    forget_pid(m);
    for (unsigned i = 0; i < SEATS; i++)
        loop_join_thread(m->seats[i].loop);
    machine_close_pv(m);
    record_close(m);
    vnc_close(m->vnc); /* drops its viewers, so the display's loop must stand still */
    while (m->placed_count)
        device_detach(m->placed[--m->placed_count].device);
    for (unsigned i = 0; i < SEATS; i++) {
        struct seat *s = &m->seats[i];

        server_close(s->server);
        memory_close(s->memory);
        if (s->loop != m->loop)
            loop_close(s->loop);
    }
    bare_close(m->bare);
    screen_close(m->screen);
    input_close(m->input);
    for (unsigned i = 0; i < m->chardev_count; i++)
        chardev_close(m->chardevs[i]);
    for (unsigned i = 0; i < m->netport_count; i++)
        netport_close(m->netports[i]);
    for (unsigned i = 0; i < m->drive_count; i++)
        drive_close(m->drives[i]);
    nodes_close(&m->nodes);
    for (unsigned i = 0; i < USB_MOST; i++) {
        free(m->usb[i].id);
        free(m->usb[i].controller);
    }
    arena_close(m->arena);
    store_close(m->store);
    keeper_close(m->keeper);
    domain_close(m->domain);
    free(m);
}

void machine_remove_drive(struct machine *m, struct drive *drive)
{
    for (unsigned i = 0; i < m->drive_count; i++)
        if (m->drives[i] == drive) {
            m->drive_count--;
            memmove(&m->drives[i], &m->drives[i + 1],
                    (m->drive_count - i) * sizeof(m->drives[0]));
            drive_close(drive);
            return;
        }
}

struct drive *machine_drive(struct machine *m, const char *id)
{
    for (unsigned i = 0; i < m->drive_count; i++)
        if (!strcmp(drive_id(m->drives[i]), id))
            return m->drives[i];
    return NULL;
}

struct chardev *machine_chardev(struct machine *m, const char *id)
{
    for (unsigned i = 0; i < m->chardev_count; i++)
        if (!strcmp(chardev_id(m->chardevs[i]), id))
            return m->chardevs[i];
    return NULL;
}

void *machine_host_end(void *seat, const char *kind, const char *id)
{
    struct machine *m = machine_of(seat);

    if (!strcmp(kind, "drive"))
        return machine_drive(m, id);
    if (!strcmp(kind, "chardev"))
        return machine_chardev(m, id);
    if (!strcmp(kind, "screen"))
        return m->screen;
    if (!strcmp(kind, "input"))
        return m->input;
    for (unsigned i = 0; !strcmp(kind, "netport") && i < m->netport_count; i++)
        if (!strcmp(netport_id(m->netports[i]), id))
            return m->netports[i];
    return NULL;
}
