/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_CORE_DEVICE_H
#define DEVICES_CORE_DEVICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "devices/core/board.h"
#include "devices/core/irq.h"
#include "dm/base/error.h"
#include "ioreq/space.h"

/*
 * A device: one emulated chip or PCI function. It has two parts: `regs`, all that the guest can
 * see, in the state arena, reset and saved as one; and a private state of wires (host ends,
 * timers, irqs), built by attach and never saved.
 *
 * All functions here: the home loop of the device's board, or before the loops run.
 */
struct device;

/* ---- What a class is ---- */
enum option_type { OPTION_NUMBER, OPTION_TEXT, OPTION_BOOL, OPTION_MAC };

struct device_option {
    const char *name;
    enum option_type type;
    const char *fallback; /* text of the default; NULL: must be given */
};

/* A field of regs, as the saved state names it. Lists end with a NULL name. */
struct saved_field {
    const char *name;
    size_t offset;
    unsigned size;  /* of one item: 1, 2, 4, 8; or any for raw bytes */
    unsigned count; /* items in a row */
};
#define SAVED(type, field)                                                                         \
    {                                                                                              \
        #field, offsetof(type, field), sizeof(((type *)0)->field), 1                               \
    }
#define SAVED_ARRAY(type, field)                                                                   \
    {                                                                                              \
        #field, offsetof(type, field), sizeof(((type *)0)->field[0]),                              \
            sizeof(((type *)0)->field) / sizeof(((type *)0)->field[0])                             \
    }

struct device_class {
    const char *name;    /* as -device and the saved state name it */
    const char *summary; /* one line for people */
    size_t state_size;   /* private state: zeroed, freed by the framework */
    size_t regs_size;    /* guest-visible state: in the arena */
    const struct device_option *options; /* ends with a NULL name; may be NULL */
    const struct saved_field *saved;     /* ends with a NULL name; covers all of regs */
    unsigned version;                    /* of `saved` */
    bool hidden;                         /* not for -device: part of every machine */

    /* Wires up: looks up host ends, claims ports. On error the framework gives back what it took. */
    int (*attach)(struct device *dev, struct error *err);
    void (*detach)(struct device *dev); /* after this nothing of the device may run; may be NULL */
    /* Power-on values into regs; may lower wires, never raise them. */
    void (*reset)(struct device *dev);
    /* regs were just loaded: judges them (-EINVAL) and rebuilds what wires derive from them. */
    int (*loaded)(struct device *dev, struct error *err);
    /*
     * Stops taking work and calls done(arg) once nothing of the device's is in flight in guest
     * memory or on a disk: before a save, an unplug. Not inside this call: by loop_post() at the
     * earliest. NULL: the device never has anything in flight.
     */
    void (*drain)(struct device *dev, void (*done)(void *arg), void *arg);
    void (*resume)(struct device *dev); /* undoes drain */
    /*
     * Drops what is kept for speed beside regs (a read-ahead), so that what comes next depends on
     * regs alone. Nothing is in flight. NULL: there is nothing.
     */
    void (*forget)(struct device *dev);
    /* Takes the device off its bus for good (xen-platform's unplug of NICs); may be NULL. */
    void (*unplug)(struct device *dev);
    /* Whether writes to video memory are reported (live migration); NULL: it has none. */
    void (*log_dirty)(struct device *dev, bool on);
};

/* ---- Attach and detach (machine/ and tests) ---- */
/*
 * Options are "name=value,name=value"; an unknown or missing one is an error that names it. `id`
 * must be unique and names the piece of the arena. Reset has run when this returns.
 */
int device_attach(struct device **out, struct board *board, const struct device_class *cls,
                  const char *id, const char *options, struct error *err);
void device_detach(struct device *dev); /* gives back all it claimed; NULL is fine */
void device_reset(struct device *dev);
int device_check_regs(struct device *dev, struct error *err); /* calls loaded() */

/* ---- For the device itself ---- */
void *device_state(struct device *dev); /* the private state */
void *device_regs(struct device *dev);  /* the piece of the arena */
struct device *device_of(const void *state); /* back from the private state */
struct board *device_board(struct device *dev);
const char *device_id(const struct device *dev);
const struct device_class *device_class_of(const struct device *dev);

uint64_t device_number(const struct device *dev, const char *option);
bool device_flag(const struct device *dev, const char *option);
const char *device_text(const struct device *dev, const char *option); /* "" where empty */
void device_mac(const struct device *dev, const char *option, uint8_t mac[6]);

/* A host end named by an option, such as "drive=ide0"; NULL where the option is empty. */
void *device_host_end(struct device *dev, const char *kind, const char *option, struct error *err);

/* Claims; all are given back by the framework at detach. `state` is what handlers are called with. */
int device_ports(struct device *dev, uint64_t base, uint64_t length, const struct region_ops *ops,
                 struct error *err);
int device_ports_for(struct device *dev, uint64_t base, uint64_t length,
                     const struct region_ops *ops, void *state, struct error *err);
int device_mmio(struct device *dev, uint64_t base, uint64_t length, const struct region_ops *ops,
                struct error *err);
struct irq *device_isa_irq(struct device *dev, unsigned irq);             /* 0 to 15 */
struct irq *device_intx(struct device *dev, unsigned slot, unsigned pin); /* pin 0 = INTA# */
struct irq *device_wire(struct device *dev, void (*fn)(void *arg, bool level), void *arg);

/* The number of bytes of regs that `saved` covers; tests hold it against regs_size. */
size_t device_saved_bytes(const struct device_class *cls);
#endif
