/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CONTROL_COMMANDS_H
#define DM_CONTROL_COMMANDS_H
#include "dm/control/qmp.h"
struct drive;

/* The commands by subject; commands.c has the table, which says what each takes. */

/* commands.c */
void run_stop(struct command *cmd);
void run_cont(struct command *cmd);

/* commands_block.c */
void run_query_block(struct command *cmd);
void run_query_blockstats(struct command *cmd);
void run_block_resize(struct command *cmd);
void run_eject(struct command *cmd);
void run_change_medium(struct command *cmd);
void run_change(struct command *cmd);
void run_add_fd(struct command *cmd);
void run_remove_fd(struct command *cmd);
void run_query_fdsets(struct command *cmd);
/* The CD-ROM drive that `id` or `device` names; NULL after having said what is wrong. */
struct drive *command_drive(struct command *cmd);

/* commands_tray.c */
void run_open_tray(struct command *cmd);
void run_close_tray(struct command *cmd);
void run_remove_medium(struct command *cmd);
void run_insert_medium(struct command *cmd);
void run_blockdev_add(struct command *cmd);
void run_blockdev_del(struct command *cmd);
void run_query_nodes(struct command *cmd);

/* commands_machine.c */
void run_query_cpus(struct command *cmd);
void run_query_hotpluggable_cpus(struct command *cmd);
void add_cpu(struct command *cmd);
void run_query_pci(struct command *cmd);
void run_query_metrics(struct command *cmd);
void run_dirty_log(struct command *cmd);
void run_save(struct command *cmd);
void run_reset(struct command *cmd);
void run_power_button(struct command *cmd);
void run_wakeup(struct command *cmd);
void run_set_link(struct command *cmd);

/* commands_qom.c */
void run_query_machines(struct command *cmd);
void run_qom_list_types(struct command *cmd);
void run_qom_list(struct command *cmd);
void run_qom_get(struct command *cmd);
void run_device_list_properties(struct command *cmd);
void run_query_kvm(struct command *cmd);
void run_query_target(struct command *cmd);
void run_query_uuid(struct command *cmd);
void run_query_migrate(struct command *cmd);
void run_query_nothing(struct command *cmd); /* lists of what we never have */

/* commands_device.c */
void run_device_add(struct command *cmd);
void run_device_del(struct command *cmd);

/* commands_screen.c */
void run_screendump(struct command *cmd);
void run_send_key(struct command *cmd);
/* "ctrl-alt-delete": presses all, and releases them in reverse. False: a name is unknown. */
bool press_keys(struct machine *machine, const char *names, const char *between);

/* hmp.c */
void run_human(struct command *cmd);

/* hmp_devices.c: false where the words are none of its. */
bool run_human_device(struct command *cmd, char *const words[], unsigned count);

/* What query-pci answers, collected loop by loop; `done` on the machine loop owns the list. */
void pci_collect(struct machine *machine, void (*done)(void *arg, json_t *list), void *arg);
#endif
