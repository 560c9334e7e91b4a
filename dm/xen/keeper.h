/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_KEEPER_H
#define DM_XEN_KEEPER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct error;

/*
 * The keeper of xenstore: a process between us and xenstored. A connection of dom0's can change what
 * any domain and the toolstack are told, and Xen has no way to narrow it (XS_RESTRICT was removed); so
 * a device model that gives up root talks to the keeper, which lets through what the backends of one
 * domain need and answers EACCES to the rest. It ends with us.
 *
 * What it lets through: all of backend/KIND/DOMID for kinds of ours, and of device-model/DOMID; reads
 * of /local/domain/DOMID, and writes below its device/.
 */
struct keeper;

struct keeper_rules {
    unsigned domid;
    const char *const *kinds; /* of backends, ended by NULL */
    int (*drop)(void *arg, struct error *err); /* privileges of its process; NULL: none */
    void *arg;
};

/* Before there is any thread. */
int keeper_start(struct keeper **out, const struct keeper_rules *rules, struct error *err);
/*
 * Where it listens, for xs_open() in the place of xenstored's socket: once, then it is gone. Of NULL:
 * NULL, and nothing.
 */
const char *keeper_path(const struct keeper *keeper);
void keeper_connected(struct keeper *keeper);
void keeper_close(struct keeper *keeper); /* the connection is closed; NULL is fine */

/* The judgement: a message's type and payload, as xenstored would get them. */
bool keeper_lets(const struct keeper_rules *rules, uint32_t type, const char *payload, size_t length);
#endif
