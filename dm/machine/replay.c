/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recorded machine again: the same chips on boards without Xen, host ends that lead nowhere,
 * and the tapes, one after the other, for no two of them know of each other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "devices/acpi/piix4_pm.h"
#include "devices/core/device.h"
#include "devices/platform/platform.h"
#include "devices/storage/piix_ide.h"
#include "dm/base/arena.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/base/tape.h"
#include "dm/block/drive.h"
#include "dm/chardev/chardev.h"
#include "dm/display/input.h"
#include "dm/machine/machine.h"
#include "dm/machine/record.h"
#include "dm/memory/local.h"
#include "dm/net/netport.h"
#include "ioreq/dispatch.h"
#include "ioreq/pci_config.h"
#include "ioreq/space.h"

#define ARENA_BYTES (1 * MIB)
#define REGS_MOST (256 * KIB)

/* What a device asked of the whole machine, until the recording answers. */
struct question {
    struct question *next;
    uint64_t number;
    void (*done)(void *arg);
    void *arg;
};

/* A request that a device has not answered yet. */
struct access {
    struct access *next;
    struct replay *replay;
    struct io_work work;
};

struct replay {
    struct reel *reel;
    char **words;
    struct machine_config config;
    struct machine *machine;
    struct backing *backing;
    struct io_targets targets[SEATS];
    struct tape *tapes[SEATS];
    struct question *questions;
    struct access *accesses;
    uint8_t *regs; /* of one device, as recorded */
    struct replay_result result;
};

/* ---- The board: what it is told goes nowhere ---- */

static void no_irq(void *arg, unsigned irq, bool level)
{
}

static void no_intx(void *arg, unsigned slot, unsigned pin, bool level)
{
}

static void no_link(void *arg, unsigned link, unsigned irq)
{
}

static void no_msi(void *arg, uint64_t addr, uint32_t data)
{
}

static void nothing(void *arg)
{
}

static void no_lock(void *arg, bool locked)
{
}

static struct replay *replay_of(struct seat *s)
{
    return s->machine->played;
}

static void unplug(void *arg, unsigned mask, void (*done)(void *), void *done_arg)
{
    struct replay *r = replay_of(arg);
    struct question *q = malloc(sizeof(*q));

    if (!q) {
        tape_diverge(tape_here(), "out of memory");
        return;
    }
    *q = (struct question){ .next = r->questions, .number = tape_promise(tape_here()),
                            .done = done, .arg = done_arg };
    r->questions = q;
}

static const struct board_ops quiet = {
    .isa_irq = no_irq, .pci_intx = no_intx, .pci_link = no_link, .msi = no_msi, .reset = nothing,
    .power_off = nothing, .suspend = nothing, .lock_rom = no_lock, .host_end = machine_host_end,
    .unplug = unplug,
};

/* ---- Building ---- */

/* The same devices, with host ends that are not there. */
static void unplug_host(struct machine_config *c)
{
    for (unsigned i = 0; i < c->chardev_count; i++)
        c->chardevs[i].kind = "null";
    for (unsigned i = 0; i < c->serial_count; i++)
        if (strcmp(c->serials[i], "none") && strncmp(c->serials[i], "chardev:", 8))
            c->serials[i] = "null";
    c->parallel = c->parallel ? "null" : NULL;
    c->debugcon = c->debugcon ? "null" : NULL;
    c->vnc = NULL;
    c->record = NULL;
}

/* Whatever a drive tells was answered when it was recorded. */
static void hear_failed(void *arg, struct drive *drive, const struct drive_error *what)
{
}

static void hear_moved(void *arg, struct drive *drive, bool open)
{
}

static const struct drive_listener deaf = { hear_failed, hear_moved };

static int open_drive(struct machine *m, struct tape *tape, struct error *err)
{
    struct drive_config config = { 0 };
    char id[256];
    int rc;

    strcpy(id, tape_take_text(tape));
    rc = disk_open_played(&config.disk, tape, err);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < m->config->drive_count; i++)
        if (!strcmp(m->config->drives[i].id, id)) {
            config.serial = m->config->drives[i].serial;
            config.cdrom = m->config->drives[i].cdrom;
            config.readonly = m->config->drives[i].readonly;
            config.read_errors = m->config->drives[i].read_errors;
            config.write_errors = m->config->drives[i].write_errors;
        }
    config.id = id;
    config.cdrom |= machine_drive_is_cd(m->config, id);
    if (m->drive_count == DRIVES_MOST)
        rc = error_set(err, -EINVAL, "more than %d drives", DRIVES_MOST);
    else
        rc = drive_open(&m->drives[m->drive_count], &config, err);
    if (rc < 0) {
        disk_close(config.disk);
        return rc;
    }
    drive_set_home(m->drives[m->drive_count], m->loop);
    drive_listen(m->drives[m->drive_count++], &deaf, NULL);
    return 0;
}

static int open_netport(struct machine *m, struct tape *tape, struct error *err)
{
    struct netport_config config = { .kind = "null" };
    char id[256];
    uint64_t flags;
    int rc;

    strcpy(id, tape_take_text(tape));
    flags = tape_take_number(tape);
    config.id = id;
    config.offloads = flags >> 1 & 1;
    if (m->netport_count == NETDEVS_MOST)
        return error_set(err, -EINVAL, "more than %d netdevs", NETDEVS_MOST);
    rc = netport_open(&m->netports[m->netport_count], &config, err);
    if (rc == 0)
        netport_set_link(m->netports[m->netport_count++], flags & 1);
    return rc;
}

/* The host ends as the devices of a seat saw them: the first half of a checkpoint. */
static int take_host(struct replay *r, struct tape *tape, bool keep, struct error *err)
{
    uint64_t drives = tape_take_number(tape), netports;
    struct disk *disk;
    int rc = 0;

    for (; rc == 0 && drives && !tape_cut(tape); drives--) {
        if (keep) {
            rc = open_drive(r->machine, tape, err);
            continue;
        }
        tape_take_text(tape);
        rc = disk_open_played(&disk, tape, err);
        disk_close(disk);
    }
    netports = rc == 0 ? tape_take_number(tape) : 0;
    for (; rc == 0 && netports && !tape_cut(tape); netports--) {
        if (keep) {
            rc = open_netport(r->machine, tape, err);
            continue;
        }
        tape_take_text(tape);
        tape_take_number(tape);
    }
    return rc;
}

static int open_seat(struct replay *r, unsigned index, const char *name, struct loop *loop,
                     struct error *err)
{
    struct machine *m = r->machine;
    struct seat *s = &m->seats[index];
    struct io_targets *t = &r->targets[index];
    int rc = 0;

    *s = (struct seat){ .machine = m, .name = name, .loop = loop, .used = true };
    if (!loop)
        rc = loop_open(&s->loop, name, err);
    if (rc == 0)
        rc = memory_open(&s->memory, r->backing, &m->layout, 0, err);
    if (rc == 0)
        rc = space_open(&t->ports, "ports", NULL, NULL, err);
    if (rc == 0)
        rc = space_open(&t->mmio, "mmio", NULL, NULL, err);
    if (rc == 0)
        rc = pci_routes_open(&t->pci, NULL, NULL, err);
    if (rc < 0)
        return rc;
    t->memory = s->memory;
    s->board = (struct board){ .loop = s->loop, .ports = t->ports, .mmio = t->mmio, .pci = t->pci,
                               .memory = s->memory, .backing = r->backing, .arena = m->arena,
                               .ops = &quiet, .ops_arg = s };
    r->tapes[index] = reel_tape(r->reel, index, name);
    if (!r->tapes[index])
        return error_set(err, -ENOMEM, "replay: out of memory");
    loop_set_tape(s->loop, r->tapes[index]);
    if (tape_next(r->tapes[index]) != TAPE_CHECKPOINT)
        return error_set(err, -EINVAL, "the recording has no checkpoint of the %s loop", name);
    return take_host(r, r->tapes[index], true, err);
}

static int open_seats(struct replay *r, struct error *err)
{
    static const char *const names[SEATS] = { "machine", "disk", "net", "display" };
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < SEATS; i++)
        if (i <= SEAT_DISK || pc_has(&r->config, (enum seat_name)i))
            rc = open_seat(r, i, names[i], i ? NULL : r->machine->loop, err);
    return rc;
}

/* ---- Checkpoints ---- */

static struct device *find_device(struct machine *m, const char *id)
{
    for (unsigned i = 0; i < m->placed_count; i++)
        if (!strcmp(device_id(m->placed[i].device), id))
            return m->placed[i].device;
    return NULL;
}

static void load(struct device *dev, const uint8_t *recorded, struct tape *tape)
{
    size_t size = device_class_of(dev)->regs_size;
    struct error err;

    if (!memcmp(device_regs(dev), recorded, size)) /* as after power-on */
        return;
    memcpy(device_regs(dev), recorded, size);
    if (device_check_regs(dev, &err) < 0)
        tape_diverge(tape, "%s", err.text);
    memcpy(device_regs(dev), recorded, size); /* where loading itself is seen by the guest */
}

static void compare(struct device *dev, const uint8_t *recorded, struct tape *tape)
{
    const struct device_class *cls = device_class_of(dev);
    const uint8_t *here = device_regs(dev);

    for (const struct saved_field *f = cls->saved; f && f->name; f++) {
        size_t bytes = (size_t)f->size * f->count;

        for (size_t i = 0; i < bytes; i++)
            if (here[f->offset + i] != recorded[f->offset + i]) {
                tape_diverge(tape, "register %s of %s (%s), byte %zu: 0x%02x, recorded 0x%02x",
                             f->name, device_id(dev), cls->name, i, here[f->offset + i],
                             recorded[f->offset + i]);
                return;
            }
    }
}

/* The registers of a seat's devices: the second half of a checkpoint. */
static void take_devices(struct replay *r, struct tape *tape,
                         void (*fn)(struct device *dev, const uint8_t *recorded,
                                    struct tape *tape))
{
    uint64_t count = tape_take_number(tape);

    for (; count && !tape_cut(tape) && !tape_divergence(tape); count--) {
        struct device *dev = find_device(r->machine, tape_take_text(tape));
        size_t size;

        if (!dev) {
            tape_diverge(tape, "a checkpoint of a device that this machine does not have");
            return;
        }
        if (device_class_of(dev)->forget)
            device_class_of(dev)->forget(dev);
        size = tape_take_bytes(tape, r->regs, REGS_MOST);
        if (tape_cut(tape))
            return;
        if (size != device_class_of(dev)->regs_size)
            tape_diverge(tape, "%s has %zu bytes of registers, recorded %zu; was it recorded by "
                         "another version?", device_id(dev), device_class_of(dev)->regs_size, size);
        else
            fn(dev, r->regs, tape);
    }
}

/* ---- Events ---- */

static void answered(struct io_work *work, uint64_t data)
{
    struct access *a = container_of(work, struct access, work), **at = &a->replay->accesses;

    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    free(a);
}

static void play_io(struct replay *r, unsigned seat, struct tape *tape)
{
    struct access *a = calloc(1, sizeof(*a));

    if (!a) {
        tape_diverge(tape, "out of memory");
        return;
    }
    *a = (struct access){ .next = r->accesses, .replay = r,
                          .work = { .targets = &r->targets[seat], .done = answered } };
    r->accesses = a;
    io_play(&a->work, tape);
}

static void play_timer(struct tape *tape)
{
    unsigned number = (unsigned)tape_take_number(tape);
    struct timer *timer = tape_timer(tape, number);

    if (!timer) {
        tape_diverge(tape, "there is no timer %u", number);
        return;
    }
    timer_clear(timer);
    timer_fire(timer);
}

static void play_drive(struct replay *r, struct seat *s, struct tape *tape, enum tape_kind kind)
{
    struct drive *drive = machine_drive(r->machine, tape_take_text(tape));
    struct disk *disk = NULL;
    struct error err;

    if (!drive) {
        tape_diverge(tape, "there is no such drive");
    } else if (kind == TAPE_EJECT) {
        drive_ask_eject(drive);
    } else if (kind == TAPE_REMOVED) { /* by way of the machine loop and back */
        loop_run_messages(r->machine->loop);
        loop_run_messages(s->loop);
    } else {
        loop_run_messages(r->machine->loop); /* the end of an earlier change */
        if (disk_open_played(&disk, tape, &err) < 0 ||
            drive_change(drive, disk, true, NULL, NULL, &err) < 0) {
            disk_close(disk);
            tape_diverge(tape, "%s", err.text);
            return;
        }
        loop_run_messages(s->loop);
    }
}

static void play_netport(struct replay *r, struct tape *tape, enum tape_kind kind)
{
    struct netport *port = machine_host_end(&r->machine->seats[SEAT_MACHINE], "netport", tape_take_text(tape));

    if (port)
        netport_play(port, tape, kind);
    else
        tape_diverge(tape, "there is no such netdev");
}

static void play_chardev(struct replay *r, struct tape *tape, enum tape_kind kind)
{
    struct chardev *cd = machine_chardev(r->machine, tape_take_text(tape));
    uint8_t bytes[4096];

    if (!cd)
        tape_diverge(tape, "there is no such chardev");
    else if (kind == TAPE_BYTES)
        chardev_deliver(cd, bytes, tape_take_bytes(tape, bytes, sizeof(bytes)));
    else if (kind == TAPE_CONNECTED)
        chardev_tell_connected(cd, tape_take_number(tape));
    else
        chardev_tell_drained(cd);
}

static void play_device(struct replay *r, struct tape *tape)
{
    struct device *dev = find_device(r->machine, tape_take_text(tape));
    uint64_t op = tape_take_number(tape), how = tape_take_number(tape);
    const struct device_class *cls = dev ? device_class_of(dev) : NULL;

    if (!dev)
        tape_diverge(tape, "there is no such device");
    else if (op == OP_DRAIN && cls->drain)
        cls->drain(dev, nothing, NULL);
    else if (op == OP_RESUME && cls->resume)
        cls->resume(dev);
    else if (op == OP_UNPLUG_IDE && dev == r->machine->ide)
        piix_ide_unplug(dev, how, nothing, NULL);
    else if (op == OP_UNPLUG && cls->unplug)
        cls->unplug(dev);
    else if (op == OP_SUSPEND && dev == r->machine->cmos)
        cmos_note_suspend(dev);
    else if (op == OP_WAKE && dev == r->machine->pm)
        pm_wake(dev);
    else if (op == OP_ADD_CPU && dev == r->machine->pm)
        pm_add_cpu(dev, (unsigned)how, NULL);
    else
        tape_diverge(tape, "%s cannot do what was asked of it", device_id(dev));
}

static void play_answer(struct replay *r, struct tape *tape)
{
    uint64_t number = tape_take_number(tape);
    struct question **at = &r->questions, *q;

    while (*at && (*at)->number != number)
        at = &(*at)->next;
    q = *at;
    if (!q) {
        tape_diverge(tape, "an answer, but nobody had asked");
        return;
    }
    *at = q->next;
    q->done(q->arg);
    free(q);
}

static void perform(void *arg, enum tape_kind kind)
{
    struct seat *s = arg;
    struct replay *r = replay_of(s);
    unsigned index = (unsigned)(s - r->machine->seats);
    struct tape *tape = r->tapes[index];

    switch (kind) {
    case TAPE_IO:
        play_io(r, index, tape);
        break;
    case TAPE_TIMER:
        play_timer(tape);
        break;
    case TAPE_DISK:
        disk_play(tape);
        break;
    case TAPE_MEDIUM:
    case TAPE_EJECT:
    case TAPE_REMOVED:
        play_drive(r, s, tape, kind);
        break;
    case TAPE_FRAME:
    case TAPE_WRITABLE:
    case TAPE_LINK:
        play_netport(r, tape, kind);
        break;
    case TAPE_BYTES:
    case TAPE_CONNECTED:
    case TAPE_DRAINED:
        play_chardev(r, tape, kind);
        break;
    case TAPE_INPUT:
        input_play(r->machine->input, tape);
        break;
    case TAPE_DEVICE:
        play_device(r, tape);
        break;
    case TAPE_ANSWER:
        play_answer(r, tape);
        break;
    default:
        tape_diverge(tape, "an event of unknown kind %d", kind);
    }
}

static const struct tape_player player = { perform };

static int play_seat(struct replay *r, unsigned index, struct error *err)
{
    struct seat *s = &r->machine->seats[index];
    struct tape *tape = r->tapes[index];
    struct loop *outer = loop_enter(s->loop);
    enum tape_kind kind;

    tape_set_player(tape, &player, s);
    while ((kind = tape_next(tape)) != TAPE_NOTHING) {
        if (kind == TAPE_CHECKPOINT) {
            if (take_host(r, tape, false, err) == 0)
                take_devices(r, tape, compare);
            r->result.checkpoints++;
        } else if (kind == TAPE_REPLY) {
            tape_diverge(tape, "the recording has a reply that no device asks for");
        } else {
            perform(s, kind);
            tape_done(tape);
        }
    }
    loop_enter(outer);
    clock_release();
    r->result.events += tape_events(tape);
    r->result.cut |= tape_cut(tape);
    return tape_divergence(tape) ? error_set(err, -EILSEQ, "%s", tape_divergence(tape)) : 0;
}

int replay_run(struct replay *r, struct error *err)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < SEATS; i++)
        if (r->machine->seats[i].used)
            rc = play_seat(r, i, err);
    return rc;
}

struct replay_result replay_result(const struct replay *r)
{
    return r->result;
}

/* ---- Opening and closing ---- */

static int open_machine(struct replay *r, struct error *err)
{
    struct machine *m = r->machine;
    int rc = loop_open(&m->loop, "machine", err);

    m->config = &r->config;
    m->played = r;
    machine_lay_out_memory(m);
    if (rc == 0)
        rc = local_backing_open(&r->backing, &m->layout, err);
    if (rc == 0)
        rc = machine_open_chardevs(m, err);
    if (rc == 0)
        rc = machine_open_display(m, err);
    if (rc == 0)
        rc = arena_open(&m->arena, ARENA_BYTES, err);
    if (rc == 0)
        rc = open_seats(r, err);
    if (rc == 0)
        rc = pc_build(m, err);
    for (unsigned i = 0; rc == 0 && i < SEATS; i++)
        if (m->seats[i].used) {
            take_devices(r, r->tapes[i], load);
            if (tape_divergence(r->tapes[i]))
                rc = error_set(err, -EINVAL, "%s", tape_divergence(r->tapes[i]));
        }
    clock_release();
    return rc;
}

int replay_open(struct replay **out, const char *path, struct error *err)
{
    struct replay *r = calloc(1, sizeof(*r));
    int rc, argc;

    if (!r)
        return error_set(err, -ENOMEM, "replay: out of memory");
    r->regs = malloc(REGS_MOST);
    r->machine = calloc(1, sizeof(*r->machine));
    rc = r->regs && r->machine ? reel_open(&r->reel, path, err)
                               : error_set(err, -ENOMEM, "replay: out of memory");
    if (rc == 0) {
        argc = reel_words(r->reel, &r->words);
        rc = argc > 0 ? options_parse(&r->config, argc, r->words, err)
                      : error_set(err, -EINVAL, "the recording %s has no command line", path);
    }
    if (rc == 0) {
        unplug_host(&r->config);
        rc = pc_judge(&r->config, err);
    }
    if (rc == 0)
        rc = open_machine(r, err);
    if (rc < 0) {
        replay_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

void replay_close(struct replay *r)
{
    struct question *q;
    struct access *a;
    struct loop *loop;

    if (!r)
        return;
    while ((q = r->questions)) {
        r->questions = q->next;
        free(q);
    }
    while ((a = r->accesses)) {
        r->accesses = a->next;
        free(a);
    }
    loop = r->machine ? r->machine->loop : NULL;
    for (unsigned i = 0; loop && i < SEATS; i++)
        if (r->machine->seats[i].used && r->machine->seats[i].loop)
            loop_set_tape(r->machine->seats[i].loop, NULL);
    if (loop)
        machine_close(r->machine);
    else
        free(r->machine);
    for (unsigned i = 0; i < SEATS; i++) {
        space_close(r->targets[i].ports);
        space_close(r->targets[i].mmio);
        pci_routes_close(r->targets[i].pci);
    }
    if (loop)
        loop_close(loop);
    local_backing_close(r->backing);
    options_free(&r->config);
    reel_close(r->reel);
    free(r->words);
    free(r->regs);
    free(r);
}
