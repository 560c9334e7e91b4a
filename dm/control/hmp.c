/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * human-monitor-command: what people type through `xl qemu-monitor-command`. Lines end as QEMU's
 * do. Commands that QMP has are the same ones here.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/core/device.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/blkdebug.h"
#include "dm/block/drive.h"
#include "dm/chardev/chardev.h"
#include "dm/control/commands.h"
#include "dm/display/vnc.h"
#include "dm/machine/machine.h"
#include "dm/machine/pv.h"
#include "pv-backends/block/blkback.h"
#include "dm/machine/visit.h"
#include "dm/net/netport.h"
#include "ioreq/server.h"

struct page {
    char *text;
    size_t length;
    FILE *out;
};

static FILE *page_open(struct page *p)
{
    *p = (struct page){ .text = NULL };
    return p->out = open_memstream(&p->text, &p->length);
}

static void page_answer(struct page *p, struct command *cmd)
{
    fclose(p->out);
    command_return(cmd, json_string(p->text ? p->text : ""));
    free(p->text);
}

/* ---- info ---- */

static void info_status(struct machine *m, FILE *out)
{
    fprintf(out, "VM status: %s\r\n", machine_state_name(m));
}

static void info_version(struct machine *m, FILE *out)
{
    fprintf(out, "7.2.0 (xen-dm)\r\n");
}

static void info_name(struct machine *m, FILE *out)
{
    if (m->config->name)
        fprintf(out, "%s\r\n", m->config->name);
}

static void print_disk(FILE *out, const char *device, const struct disk *disk, bool readonly)
{
    if (disk)
        fprintf(out, "%s: %s (%s%s)\r\n", device, disk_path(disk), disk_format(disk),
                readonly ? ", read-only" : "");
    else
        fprintf(out, "%s: [not inserted]\r\n", device);
}

static void pv_disk(void *arg, struct pv_device *dev)
{
    struct blk_info info;

    if (!blkback_info(dev, &info))
        return;
    print_disk(arg, info.name, info.disk, info.readonly);
    fprintf(arg, "    Attached to:      vbd-%u, %u queues\r\n", pv_devid(dev), info.queues);
}

static void info_block(struct machine *m, FILE *out)
{
    for (unsigned i = 0; i < m->drive_count; i++) {
        const struct drive *d = m->drives[i];
        const struct disk *disk = drive_disk(d);

        print_disk(out, drive_id(d), disk, disk && disk_readonly(disk));
        if (drive_is_cdrom(d))
            fprintf(out, "    Removable device: %slocked, tray %s\r\n",
                    drive_locked(d) ? "" : "not ", drive_tray_open(d) ? "open" : "closed");
    }
    machine_walk_pv(m, pv_disk, out);
}

static void print_stats(FILE *out, const char *device, const struct disk *disk)
{
    struct disk_stats s = { .reads = 0 };

    if (disk)
        s = disk_get_stats(disk);
    fprintf(out,
            "%s: rd_bytes=%llu wr_bytes=%llu rd_operations=%llu wr_operations=%llu "
            "flush_operations=%llu failed_operations=%llu\r\n",
            device, (unsigned long long)s.read_bytes, (unsigned long long)s.write_bytes,
            (unsigned long long)s.reads, (unsigned long long)s.writes,
            (unsigned long long)s.flushes, (unsigned long long)s.errors);
}

static void pv_stats(void *arg, struct pv_device *dev)
{
    struct blk_info info;

    if (blkback_info(dev, &info))
        print_stats(arg, info.name, info.disk);
}

static void info_blockstats(struct machine *m, FILE *out)
{
    for (unsigned i = 0; i < m->drive_count; i++)
        print_stats(out, drive_id(m->drives[i]), drive_disk(m->drives[i]));
    machine_walk_pv(m, pv_stats, out);
}

static void info_chardev(struct machine *m, FILE *out)
{
    for (unsigned i = 0; i < m->chardev_count; i++)
        fprintf(out, "%s: filename=%s\r\n", chardev_id(m->chardevs[i]),
                chardev_filename(m->chardevs[i]));
}

static void info_vnc(struct machine *m, FILE *out)
{
    if (!m->vnc)
        fprintf(out, "VNC is off\r\n");
    else
        fprintf(out, "Server: %s:%s, %u clients, auth %s\r\n", vnc_host(m->vnc),
                vnc_service(m->vnc), vnc_clients(m->vnc), m->vnc_password ? "vnc" : "none");
}

static void info_network(struct machine *m, FILE *out)
{
    for (unsigned i = 0; i < m->netport_count; i++) {
        struct netport_stats s = netport_get_stats(m->netports[i]);

        fprintf(out, "%s: %s, rx %llu frames %llu bytes, tx %llu frames %llu bytes\r\n",
                netport_id(m->netports[i]), netport_info(m->netports[i]),
                (unsigned long long)s.rx_frames, (unsigned long long)s.rx_bytes,
                (unsigned long long)s.tx_frames, (unsigned long long)s.tx_bytes);
    }
}

static void info_cpus(struct machine *m, FILE *out)
{
    for (unsigned i = 0; i < m->config->cpus; i++)
        fprintf(out, "%s CPU #%u: Xen's\r\n", i ? " " : "*", i);
}

static void info_qtree(struct machine *m, FILE *out)
{
    for (unsigned i = 0; i < m->placed_count; i++) {
        struct device *d = m->placed[i].device;
        const char *addr = device_text(d, "addr");

        fprintf(out, "dev: %s, id \"%s\"%s%s, loop %s\r\n", device_class_of(d)->name,
                device_id(d), *addr ? ", addr " : "", addr, m->placed[i].seat->name);
    }
}

static void info_loops(struct machine *m, FILE *out)
{
    for (unsigned i = 0; i < SEATS; i++) {
        struct loop_stats l;
        struct server_stats s;

        if (!m->seats[i].used)
            continue;
        l = loop_get_stats(m->seats[i].loop);
        s = m->seats[i].server ? server_get_stats(m->seats[i].server)
                               : (struct server_stats){ .buffered = 0 };
        fprintf(out,
                "%s: ports %llu mmio %llu config %llu posted %llu deferred %llu, woken %llu, "
                "polls won %llu lost %llu\r\n",
                m->seats[i].name, (unsigned long long)s.requests[IO_PORT],
                (unsigned long long)s.requests[IO_MMIO],
                (unsigned long long)s.requests[IO_CONFIG], (unsigned long long)s.buffered,
                (unsigned long long)s.deferred, (unsigned long long)l.wakeups,
                (unsigned long long)l.poll_hits, (unsigned long long)l.poll_misses);
    }
}

/* ---- info that asks other loops ---- */

static void print_pci(void *arg, json_t *list)
{
    struct command *cmd = arg;
    const json_t *one;
    struct page page;
    size_t i;

    if (!page_open(&page)) {
        json_decref(list);
        command_fail(cmd, "GenericError", "out of memory");
        return;
    }
    json_array_foreach(list, i, one) {
        const json_t *id = json_object_get(one, "id"), *region;
        size_t k;

        fprintf(page.out, "  Bus  0, device %3lld, function %lld:\r\n    Class %04llx: PCI device %04llx:%04llx\r\n",
                (long long)json_integer_value(json_object_get(one, "slot")),
                (long long)json_integer_value(json_object_get(one, "function")),
                (long long)json_integer_value(
                    json_object_get(json_object_get(one, "class_info"), "class")),
                (long long)json_integer_value(json_object_get(id, "vendor")),
                (long long)json_integer_value(json_object_get(id, "device")));
        json_array_foreach(json_object_get(one, "regions"), k, region)
            fprintf(page.out, "      BAR%lld: %s at 0x%llx\r\n",
                    (long long)json_integer_value(json_object_get(region, "bar")),
                    json_string_value(json_object_get(region, "type")),
                    (long long)json_integer_value(json_object_get(region, "address")));
        fprintf(page.out, "      id \"%s\"\r\n",
                json_string_value(json_object_get(one, "qdev_id")));
    }
    json_decref(list);
    page_answer(&page, cmd);
}

struct tree {
    struct command *cmd;
    struct page page;
};

static void print_region(void *arg, const struct region_info *r)
{
    fprintf(arg, "    %016llx-%016llx %s, reads %llu, writes %llu\r\n",
            (unsigned long long)r->base, (unsigned long long)(r->base + r->length - 1), r->name,
            (unsigned long long)r->reads, (unsigned long long)r->writes);
}

static void tree_done(void *arg)
{
    struct tree *t = arg;

    page_answer(&t->page, t->cmd);
    free(t);
}

static void tree_here(void *arg, struct seat *s)
{
    struct tree *t = arg;

    fprintf(t->page.out, "loop %s:\r\n  ports:\r\n", s->name);
    space_walk(s->board.ports, print_region, t->page.out);
    fprintf(t->page.out, "  memory:\r\n");
    space_walk(s->board.mmio, print_region, t->page.out);
}

static void info_mtree(struct command *cmd)
{
    struct tree *t = calloc(1, sizeof(*t));

    if (!t || !page_open(&t->page)) {
        free(t);
        command_fail(cmd, "GenericError", "out of memory");
        return;
    }
    t->cmd = cmd;
    machine_visit(cmd->machine, tree_here, tree_done, t);
}

static const struct {
    const char *name, *help;
    void (*print)(struct machine *m, FILE *out);
} infos[] = {
    { "status", "whether the guest runs", info_status },
    { "version", "the version", info_version },
    { "name", "the guest's name", info_name },
    { "block", "drives and their images", info_block },
    { "blockstats", "what the drives have done", info_blockstats },
    { "chardev", "character devices", info_chardev },
    { "vnc", "the VNC server", info_vnc },
    { "network", "network ports", info_network },
    { "cpus", "CPUs", info_cpus },
    { "qtree", "devices and the loops they live on", info_qtree },
    { "loops", "loops and ioreq servers", info_loops },
    { "pci", "PCI functions", NULL },
    { "mtree", "ports and memory regions, with how often each was used", NULL },
};

static void run_info(struct command *cmd, const char *what)
{
    struct page page;

    if (!strcmp(what, "pci")) {
        pci_collect(cmd->machine, print_pci, cmd);
        return;
    }
    if (!strcmp(what, "mtree")) {
        info_mtree(cmd);
        return;
    }
    if (!page_open(&page)) {
        command_fail(cmd, "GenericError", "out of memory");
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(infos); i++)
        if (infos[i].print && !strcmp(infos[i].name, what)) {
            infos[i].print(cmd->machine, page.out);
            page_answer(&page, cmd);
            return;
        }
    for (unsigned i = 0; i < ARRAY_SIZE(infos); i++)
        fprintf(page.out, "info %s  -- %s\r\n", infos[i].name, infos[i].help);
    page_answer(&page, cmd);
}

/* ---- Commands that act ---- */

static void say(struct command *cmd, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    command_return(cmd, json_string(text));
}

/* A command of QMP's, with its arguments made here; its answer is printed as nothing or an error. */
static void as_qmp(struct command *cmd, void (*run)(struct command *cmd), json_t *arguments)
{
    json_decref(cmd->arguments);
    cmd->arguments = arguments ? arguments : json_object();
    cmd->human = true;
    run(cmd);
}

/* qemu-io DRIVE "break EVENT TAG" or "resume TAG": breakpoints of a drive that injects faults. */
static void run_qemu_io(struct command *cmd, const char *line)
{
    char id[64], verb[32], first[64], second[32] = "";
    int n = sscanf(line, "%*s %63s \"%31s %63[^ \"] %31[^ \"]\"", id, verb, first, second);
    struct drive *drive = n >= 1 ? machine_drive(cmd->machine, id) : NULL;
    struct disk *disk = drive ? drive_disk(drive) : NULL;
    bool done = false;

    if (disk && n >= 3 && disk_is_blkdebug(disk)) {
        if (!strcmp(verb, "break"))
            done = blkdebug_break(disk, first, second);
        else if (!strcmp(verb, "resume"))
            done = blkdebug_resume(disk, first);
    }
    say(cmd, "%s", done ? "" : "use qemu-io DRIVE \"break EVENT TAG\" or \"resume TAG\", on a blkdebug drive\r\n");
}

static void run_words(struct command *cmd, char *words[4], unsigned count)
{
    const char *name = words[0];

    if (!strcmp(name, "info"))
        run_info(cmd, count > 1 ? words[1] : "");
    else if (!strcmp(name, "system_reset"))
        as_qmp(cmd, run_reset, NULL);
    else if (!strcmp(name, "system_powerdown"))
        as_qmp(cmd, run_power_button, NULL);
    else if (!strcmp(name, "system_wakeup"))
        as_qmp(cmd, run_wakeup, NULL);
    else if (!strcmp(name, "eject") && count > 1)
        as_qmp(cmd, run_eject,
               json_pack("{s:s,s:b}", "id", words[count - 1], "force", !strcmp(words[1], "-f")));
    else if (!strcmp(name, "change") && count > 2)
        as_qmp(cmd, run_change, json_pack("{s:s,s:s}", "device", words[1], "target", words[2]));
    else if (!strcmp(name, "screendump") && count > 1)
        as_qmp(cmd, run_screendump, json_pack("{s:s}", "filename", words[1]));
    else if (!strcmp(name, "set_link") && count > 2)
        as_qmp(cmd, run_set_link,
               json_pack("{s:s,s:b}", "name", words[1], "up", !strcmp(words[2], "on")));
    else if (!strcmp(name, "sendkey") && count > 1)
        say(cmd, press_keys(cmd->machine, words[1], "-") ? "" : "unknown key in '%s'\r\n", words[1]);
    else if (!strcmp(name, "qemu-io"))
        run_qemu_io(cmd, command_text(cmd, "command-line"));
    else if (!strcmp(name, "stop"))
        as_qmp(cmd, run_stop, NULL);
    else if (!strcmp(name, "cont") || !strcmp(name, "c"))
        as_qmp(cmd, run_cont, NULL);
    else if (run_human_device(cmd, words, count))
        ; /* it has answered */
    else if (!strcmp(name, "help") || !strcmp(name, "?"))
        say(cmd, "info, sendkey, screendump, eject, change, set_link, system_reset, "
                 "system_powerdown, system_wakeup, stop, cont\r\n");
    else
        say(cmd, "unknown command: '%s'\r\n", name);
}

void run_human(struct command *cmd)
{
    char *line = strdup(command_text(cmd, "command-line")), *rest = line, *words[4];
    unsigned count = 0;

    while (line && count < ARRAY_SIZE(words) && (words[count] = strtok_r(rest, " \t", &rest)))
        count++;
    if (!cmd->machine) /* there is nothing to tell of, and nothing to act on */
        say(cmd, "%s", "");
    else if (count)
        run_words(cmd, words, count);
    else
        say(cmd, "%s", "");
    free(line);
}
