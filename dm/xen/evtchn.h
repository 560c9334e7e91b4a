/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_EVTCHN_H
#define DM_XEN_EVTCHN_H
#include <stdint.h>
struct error;
struct loop;

/* A loop's event channels: one handle, never shared. The home loop's only. */
struct evtchn;
typedef void evtchn_fn(void *arg);

int evtchn_open(struct evtchn **out, struct loop *loop, struct error *err);
void evtchn_close(struct evtchn *ev); /* unbinds all; NULL is fine */
/* A restricted handle reaches that domain only. */
int evtchn_restrict(struct evtchn *ev, unsigned domid, struct error *err);

/* fn(arg) runs after each event, once the port is open for the next. Sets the local port. */
int evtchn_bind(struct evtchn *ev, unsigned domid, uint32_t remote, evtchn_fn *fn, void *arg,
                uint32_t *local, struct error *err);
void evtchn_unbind(struct evtchn *ev, uint32_t local);
void evtchn_notify(struct evtchn *ev, uint32_t local);
#endif
