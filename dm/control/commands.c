/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's commands, one row each. Names and shapes of answers are QEMU's 7.2. */
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/chardev/chardev.h"
#include "dm/control/commands.h"
#include "dm/display/vnc.h"
#include "dm/machine/machine.h"

static void run_capabilities(struct command *cmd)
{
    command_return(cmd, NULL);
}

static void run_version(struct command *cmd)
{
    command_return(cmd, json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "micro", QEMU_MICRO,
                                  "minor", QEMU_MINOR, "major", QEMU_MAJOR, "package", "xen-dm"));
}

static void run_commands(struct command *cmd)
{
    json_t *list = json_array();

    for (unsigned i = 0; command_at(i); i++)
        json_array_append_new(list, json_pack("{s:s}", "name", command_at(i)->name));
    command_return(cmd, list);
}

static void run_status(struct command *cmd)
{
    bool running = cmd->machine->state == RUN_RUNNING;

    command_return(cmd, json_pack("{s:s,s:b,s:b}", "status", machine_state_name(cmd->machine),
                                  "running", running, "singlestep", 0));
}

static void run_name(struct command *cmd)
{
    const char *name = cmd->machine->config->name;

    command_return(cmd, name ? json_pack("{s:s}", "name", name) : json_object());
}

static void run_chardev(struct command *cmd)
{
    const struct machine *m = cmd->machine;
    json_t *list = json_array();

    for (unsigned i = 0; i < m->chardev_count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:b}", "label",
                                              chardev_id(m->chardevs[i]), "filename",
                                              chardev_filename(m->chardevs[i]), "frontend-open",
                                              chardev_connected(m->chardevs[i])));
    for (unsigned i = 0; i < m->config->monitor_count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:b}", "label",
                                              m->config->monitors[i].chardev, "filename",
                                              "unix", "frontend-open", 1));
    command_return(cmd, list);
}

static void run_vnc(struct command *cmd)
{
    struct vnc *vnc = cmd->machine->vnc;

    if (!vnc) {
        command_return(cmd, json_pack("{s:b}", "enabled", 0));
        return;
    }
    command_return(cmd, json_pack("{s:b,s:s,s:s,s:s,s:s,s:[]}", "enabled", 1, "host",
                                  vnc_host(vnc), "service", vnc_service(vnc), "family",
                                  strchr(vnc_host(vnc), ':') ? "ipv6" : "ipv4", "auth",
                                  cmd->machine->vnc_password ? "vnc" : "none", "clients"));
}

static void run_vnc_password(struct command *cmd)
{
    struct vnc *vnc = cmd->machine->vnc;
    const char *password = command_text(cmd, "password");

    if (!vnc) {
        command_fail(cmd, "GenericError", "VNC is not enabled; start the guest with vnc=1");
        return;
    }
    vnc_set_password(vnc, password ? password : "");
    command_return(cmd, NULL);
}

static void answer_nothing(void *arg)
{
    command_return(arg, NULL);
}

void run_stop(struct command *cmd)
{
    machine_stop(cmd->machine, answer_nothing, cmd);
}

void run_cont(struct command *cmd)
{
    machine_cont(cmd->machine);
    command_return(cmd, NULL);
}

static void run_quit(struct command *cmd)
{
    struct machine *m = cmd->machine;
    struct qmp *qmp = cmd->qmp;

    command_return(cmd, NULL);
    if (m) {
        machine_emit(m, "SHUTDOWN", "host-qmp-quit");
        machine_quit(m);
    } else {
        qmp_end_loop(qmp);
    }
}

/* The probe of Xen 4.20 asks what -run-with takes. */
static void run_command_line_options(struct command *cmd)
{
    command_return(cmd, json_pack("[{s:s,s:[{s:s,s:s},{s:s,s:s}]}]", "option", "run-with",
                                  "parameters", "name", "chroot", "type", "string", "name",
                                  "user", "type", "string"));
}

static const struct command_row rows[] = {
    { "qmp_capabilities", "enable:a?", run_capabilities, true },
    { "query-version", "", run_version, true },
    { "query-commands", "", run_commands, true },
    { "query-command-line-options", "option:s?", run_command_line_options, true },
    { "quit", "", run_quit, true },
    { "query-machines", "", run_query_machines, true },
    { "qom-list-types", "implements:s? abstract:b?", run_qom_list_types, true },
    { "device-list-properties", "typename:s", run_device_list_properties, true },
    { "query-kvm", "", run_query_kvm, true },
    { "query-target", "", run_query_target, true },

    { "query-status", "", run_status, false },
    { "query-name", "", run_name, false },
    { "query-uuid", "", run_query_uuid, false },
    { "query-iothreads", "", run_query_nothing, false },
    { "query-memdev", "", run_query_nothing, false },
    { "query-block-jobs", "", run_query_nothing, false },
    { "query-migrate", "", run_query_migrate, false },
    { "migrate", "uri:s *", run_save, false },
    { "qom-list", "path:s", run_qom_list, true },
    { "qom-get", "path:s property:s", run_qom_get, true },
    { "query-chardev", "", run_chardev, false },
    { "query-vnc", "", run_vnc, false },
    { "change-vnc-password", "password:s", run_vnc_password, false },
    { "stop", "", run_stop, false },
    { "cont", "", run_cont, false },
    { "system_reset", "", run_reset, false },
    { "system_powerdown", "", run_power_button, false },
    { "system_wakeup", "", run_wakeup, false },

    { "query-block", "", run_query_block, false },
    { "x-query-metrics", "", run_query_metrics, false },
    { "query-blockstats", "query-nodes:b?", run_query_blockstats, false },
    { "block_resize", "device:s? node-name:s? size:i", run_block_resize, false },
    { "eject", "id:s? device:s? force:b?", run_eject, false },
    { "blockdev-change-medium",
      "id:s? device:s? filename:s format:s? force:b? read-only-mode:s?", run_change_medium, false },
    { "blockdev-open-tray", "id:s? device:s? force:b?", run_open_tray, false },
    { "blockdev-close-tray", "id:s? device:s?", run_close_tray, false },
    { "blockdev-remove-medium", "id:s? device:s?", run_remove_medium, false },
    { "blockdev-insert-medium", "id:s? node-name:s", run_insert_medium, false },
    { "blockdev-add", "driver:s node-name:s *", run_blockdev_add, false },
    { "blockdev-del", "node-name:s", run_blockdev_del, false },
    { "query-named-block-nodes", "flat:b?", run_query_nodes, false },
    { "change", "device:s target:s arg:s?", run_change, false },
    { "add-fd", "fdset-id:i? opaque:s?", run_add_fd, false },
    { "remove-fd", "fdset-id:i fd:i?", run_remove_fd, false },
    { "query-fdsets", "", run_query_fdsets, false },

    { "query-cpus-fast", "", run_query_cpus, false },
    { "query-hotpluggable-cpus", "", run_query_hotpluggable_cpus, false },
    { "device_add", "driver:s id:s? *", run_device_add, false },
    { "device_del", "id:s", run_device_del, false },
    { "query-pci", "", run_query_pci, false },
    { "set_link", "name:s up:b", run_set_link, false },

    { "xen-set-global-dirty-log", "enable:b", run_dirty_log, false },
    { "xen-save-devices-state", "filename:s live:b?", run_save, false },

    { "screendump", "filename:s device:s? head:i? format:s?", run_screendump, false },
    { "send-key", "keys:a hold-time:i?", run_send_key, false },
    { "human-monitor-command", "command-line:s cpu-index:i?", run_human, true },
};

const struct command_row *command_at(unsigned i)
{
    return i < ARRAY_SIZE(rows) ? &rows[i] : NULL;
}

const struct command_row *command_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}
