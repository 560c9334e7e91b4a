/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CONTROL_METRICS_H
#define DM_CONTROL_METRICS_H
#include <jansson.h>
struct error;
struct machine;

/*
 * What the device model has counted: of loops, ioreq servers, regions, disks, netdevs, PV devices and
 * memory, since it started. Names and labels are Prometheus' (its text format, version 0.0.4). The machine
 * loop's only; answers come later, never inside the call.
 */

/* x-query-metrics: a list of {name, type, labels, value}, or {name, type, labels, count, sum,
   buckets}; times are in seconds. `done` owns the list. */
void metrics_collect(struct machine *machine, void (*done)(void *arg, json_t *list), void *arg);
/* The list as Prometheus' text; malloc()ed, NULL where memory ends. Pure. */
char *metrics_text(const json_t *list);

/* -x-metrics PATH: a unix socket that answers every HTTP request with that text. */
struct metrics_socket;
int metrics_open(struct metrics_socket **out, struct machine *machine, const char *path,
                 struct error *err);
void metrics_close(struct metrics_socket *socket); /* unlinks it; NULL is fine */
#endif
