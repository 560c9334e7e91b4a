/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_UNSTABLE_H
#define DM_XEN_UNSTABLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct error;

/*
 * The calls that only libxenctrl has, whose ABI changes with every Xen: all of them are here.
 * 0 or a negative errno.
 */
int unstable_open(void **out, struct error *err);
void unstable_close(void *control);
int unstable_populate(void *control, unsigned domid, uint64_t gfn, size_t pages);
int unstable_set_param(void *control, unsigned domid, unsigned param, uint64_t value);
void unstable_power_button(void *control, unsigned domid);
/* -ESRCH where there is no such domain; -EPERM where we may not ask, as in a driver domain. */
int unstable_domain_state(void *control, unsigned domid, bool *dying, bool *hvm);
#endif
