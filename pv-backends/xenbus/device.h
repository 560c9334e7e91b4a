/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_XENBUS_DEVICE_H
#define PV_BACKENDS_XENBUS_DEVICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pv-backends/xenbus/state.h"
struct error;
struct loop;
struct pv_bus;
struct pv_device;
struct store;

/*
 * A PV backend device, and what each kind of them does. Control (xenstore, connecting) is on the
 * machine loop; what is on rings is on I/O loops. All functions here: the machine loop's.
 */
struct pv_class {
    const char *kind; /* of backend/KIND/DOMID/DEVID: "qdisk" */
    const char *front; /* of device/FRONT/DEVID: "vbd" */
    size_t size;      /* of the private state: zeroed, freed by the bus */
    /*
     * Opens the host end as the toolstack's nodes say and writes every feature node, afresh each
     * time. -EAGAIN: not now (an empty CD drive): the device waits for its nodes to change.
     */
    int (*probe)(struct pv_device *dev, struct error *err);
    /* Whether the device is for us at all, where somebody else serves some of the kind; may be NULL. */
    bool (*ours)(struct pv_device *dev);
    /* How far the frontend is, where it has no node "state"; NULL, or XENBUS_UNKNOWN: that node. */
    enum xenbus_state (*front_state)(struct pv_device *dev);
    /*
     * libxl takes the kind for the kernel's: as the domain ends it waits for Closed, ten seconds, when we
     * have been told to end long since. So that is said at our end.
     */
    bool closes_at_end;
    /*
     * The frontend has written its half: judges it, maps rings, starts. What had started when it
     * failed is ended by disconnect().
     */
    int (*connect)(struct pv_device *dev, struct error *err);
    /* Stops taking requests, ends those in flight, unmaps, then pv_disconnected(), at once or later. */
    void (*disconnect)(struct pv_device *dev);
    /* Closes the host end: undoes probe. Still linked: no loop runs any more, and all is freed. */
    void (*close)(struct pv_device *dev);
    /*
     * The device itself is gone, after close(): for what outlives a frontend's coming and going. May
     * be NULL.
     */
    void (*remove)(struct pv_device *dev);
    /* A node of the backend's own directory was written; may be NULL. */
    void (*changed)(struct pv_device *dev);
    /* The frontend wrote a node of its own while linked; may be NULL. */
    void (*front_changed)(struct pv_device *dev);
};

void *pv_state(struct pv_device *dev);
struct pv_device *pv_of(void *state);
struct pv_bus *pv_bus_of(const struct pv_device *dev);
unsigned pv_devid(const struct pv_device *dev);
const char *pv_name(const struct pv_device *dev); /* for sentences: "qdisk 51712" */
enum pv_phase pv_phase(const struct pv_device *dev);
/* The frontend broke a rule: it is told by state Closing and our node "error". */
void pv_failed(struct pv_device *dev, const char *why);
/* The same from any loop, while something of the device lives there: it happens soon. */
void pv_failed_later(struct pv_device *dev, const char *why);
/* Its nodes say something else than it was opened by: close, and probe again. Not while linked. */
void pv_reopen(struct pv_device *dev);
void pv_disconnected(struct pv_device *dev); /* what disconnect() was asked for is done; any loop */

/* ---- Nodes ---- Texts are copies for the caller to free; NULL: no such node. */
char *pv_back_read(struct pv_device *dev, const char *key);
char *pv_front_read(struct pv_device *dev, const char *key);
/* A decimal number, at most `most`; -ENOENT where there is none, -EINVAL with a sentence. */
int pv_back_number(struct pv_device *dev, const char *key, uint64_t most, uint64_t *value,
                   struct error *err);
int pv_front_number(struct pv_device *dev, const char *key, uint64_t most, uint64_t *value,
                    struct error *err);
bool pv_back_flag(struct pv_device *dev, const char *key); /* it is "1" */
bool pv_front_flag(struct pv_device *dev, const char *key);
int pv_back_write(struct pv_device *dev, const char *key, struct error *err, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
int pv_front_write(struct pv_device *dev, const char *key, struct error *err, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));
void pv_back_remove(struct pv_device *dev, const char *key);

/* ---- The bus (machine/) ---- */
struct pv_host; /* pv-backends/host.h: what devices get from the process */
/*
 * Serves the devices of these classes for one frontend domain; the list ends with NULL. `host` is
 * theirs to use. Devices that exist already are found soon after.
 */
int pv_bus_open(struct pv_bus **out, struct store *store, struct loop *machine, unsigned domid,
                const struct pv_class *const *classes, struct pv_host *host, struct error *err);
void pv_bus_look(struct pv_bus *bus); /* for those that exist now: at once, not soon */
/* Ends all connections, then done(arg) on the machine loop, later. */
void pv_bus_stop(struct pv_bus *bus, void (*done)(void *arg), void *arg);
void pv_bus_close(struct pv_bus *bus); /* stopped, or no loop runs any more; NULL is fine */
struct pv_host *pv_bus_host(const struct pv_bus *bus);
struct loop *pv_bus_loop(const struct pv_bus *bus);
unsigned pv_bus_domid(const struct pv_bus *bus);
/* Every device, for queries. */
void pv_bus_walk(struct pv_bus *bus, void (*fn)(void *arg, struct pv_device *dev), void *arg);
const struct pv_class *pv_class_of(const struct pv_device *dev);
#endif
