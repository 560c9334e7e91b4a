/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IOREQ_SERVER_H
#define IOREQ_SERVER_H
#include <stdbool.h>
#include <stdint.h>
#include "ioreq/dispatch.h"
#include "ioreq/pci_config.h"
#include "ioreq/space.h"
struct domain;
struct error;
struct histogram;
struct loop;

/*
 * An ioreq server: Xen's queue of guest accesses for the devices of one loop. It owns the loop's
 * address spaces and claims in Xen whatever is mapped in them. Source: public/hvm/{ioreq,dm_op}.h.
 * Opened and closed before and after the loops run; otherwise the home loop's only.
 */
struct server;

int server_open(struct server **out, struct domain *domain, struct loop *loop,
                struct memory *memory, struct error *err);
/* From here on requests come. May be called again after server_pause(). */
int server_enable(struct server *server, struct error *err);
/* Its event channels reach the guest's domain only; once enabled, which needs binding. */
int server_restrict(struct server *server, struct error *err);
void server_pause(struct server *server); /* takes what is there, then takes no more */
void server_close(struct server *server); /* the guest's accesses read all-ones; NULL is fine */

struct space *server_ports(struct server *server);
struct space *server_mmio(struct server *server);
struct pci_routes *server_pci(struct server *server);

struct server_stats {
    uint64_t requests[3]; /* by enum io_type */
    uint64_t buffered, deferred, invalidations, notifies;
};
/* From taken to answered, waiting for a disk included; sampled. The server's loop only. */
const struct histogram *server_times(const struct server *server);
struct server_stats server_get_stats(const struct server *server); /* any thread; a snapshot */
#endif
