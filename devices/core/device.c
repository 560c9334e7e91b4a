/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame around every device: options, regs in the arena, and claims that are given back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/core/device.h"
#include "devices/core/wire.h"
#include "dm/base/arena.h"
#include "dm/base/bytes.h"

struct claim {
    struct claim *next;
    struct region *region;
};

struct device {
    const struct device_class *cls;
    struct board *board;
    char *id;
    void *regs;
    char **values; /* one for each option of the class; NULL: the fallback */
    struct claim *claims;
    struct irq *irqs;
    max_align_t state[]; /* cls->state_size bytes */
};

/* ---- Options ---- */

static const struct device_option *option_at(const struct device_class *cls, unsigned i)
{
    return cls->options && cls->options[i].name ? &cls->options[i] : NULL;
}

static int option_index(const struct device_class *cls, const char *name)
{
    for (unsigned i = 0; option_at(cls, i); i++)
        if (!strcmp(cls->options[i].name, name))
            return (int)i;
    return -1;
}

static const char *option_value(const struct device *dev, const char *name)
{
    int i = option_index(dev->cls, name);

    if (i < 0)
        return "";
    return dev->values[i] ? dev->values[i] : dev->cls->options[i].fallback;
}

static bool parse_number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

static bool parse_flag(const char *text, bool *value)
{
    static const char *const yes[] = { "on", "true", "yes", "1" };
    static const char *const no[] = { "off", "false", "no", "0" };

    for (unsigned i = 0; i < ARRAY_SIZE(yes); i++) {
        if (!strcmp(text, yes[i]))
            return *value = true, true;
        if (!strcmp(text, no[i]))
            return *value = false, true;
    }
    return false;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    unsigned m[6];
    int used = 0;

    if (text[strspn(text, "0123456789abcdefABCDEF:")] || /* sscanf() would take signs and spaces */
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
               &used) != 6 || text[used])
        return false;
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)m[i];
    return true;
}

static int judge(const struct device *dev, const struct device_option *o, const char *text,
                 struct error *err)
{
    uint64_t number;
    uint8_t mac[6];
    bool flag;

    if (!text)
        return error_set(err, -EINVAL, "device %s (%s): option %s is missing", dev->id,
                         dev->cls->name, o->name);
    if (o->type == OPTION_NUMBER && !parse_number(text, &number))
        return error_set(err, -EINVAL, "device %s (%s): %s=%s is not a number", dev->id,
                         dev->cls->name, o->name, text);
    if (o->type == OPTION_BOOL && !parse_flag(text, &flag))
        return error_set(err, -EINVAL, "device %s (%s): %s=%s is neither on nor off", dev->id,
                         dev->cls->name, o->name, text);
    if (o->type == OPTION_MAC && !parse_mac(text, mac))
        return error_set(err, -EINVAL, "device %s (%s): %s=%s is not a MAC address", dev->id,
                         dev->cls->name, o->name, text);
    return 0;
}

/* Takes one "name=value" off *text, where ",," stands for a comma. False at the end. */
static bool next_option(const char **text, char *word, size_t room)
{
    const char *p = *text;
    size_t n = 0;

    if (!*p)
        return false;
    for (; *p; p++) {
        if (*p == ',' && p[1] == ',')
            p++;
        else if (*p == ',')
            break;
        if (n + 1 < room)
            word[n++] = *p;
    }
    word[n] = 0;
    *text = *p ? p + 1 : p;
    return true;
}

static int parse_options(struct device *dev, const char *text, struct error *err)
{
    char word[4200];
    int rc;

    while (next_option(&text, word, sizeof(word))) {
        char *value = strchr(word, '=');
        int i;

        if (value)
            *value++ = 0;
        i = option_index(dev->cls, word);
        if (i < 0)
            return error_set(err, -EINVAL, "device %s (%s) has no option %s", dev->id,
                             dev->cls->name, word);
        free(dev->values[i]);
        dev->values[i] = strdup(value ? value : "on");
        if (!dev->values[i])
            return error_set(err, -ENOMEM, "device %s: out of memory", dev->id);
    }
    for (unsigned i = 0; option_at(dev->cls, i); i++) {
        const struct device_option *o = option_at(dev->cls, i);

        rc = judge(dev, o, dev->values[i] ? dev->values[i] : o->fallback, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

uint64_t device_number(const struct device *dev, const char *option)
{
    uint64_t value = 0;

    parse_number(option_value(dev, option), &value);
    return value;
}

bool device_flag(const struct device *dev, const char *option)
{
    bool value = false;

    parse_flag(option_value(dev, option), &value);
    return value;
}

const char *device_text(const struct device *dev, const char *option)
{
    return option_value(dev, option);
}

void device_mac(const struct device *dev, const char *option, uint8_t mac[6])
{
    memset(mac, 0, 6);
    parse_mac(option_value(dev, option), mac);
}

void *device_host_end(struct device *dev, const char *kind, const char *option, struct error *err)
{
    const char *id = option_value(dev, option);
    void *end;

    if (!*id)
        return NULL;
    end = dev->board->ops->host_end(dev->board->ops_arg, kind, id);
    if (!end)
        error_set(err, -ENOENT, "device %s: there is no %s named %s", dev->id, kind, id);
    return end;
}

/* ---- Attach and detach ---- */

int device_attach(struct device **out, struct board *board, const struct device_class *cls,
                  const char *id, const char *options, struct error *err)
{
    struct device *dev = calloc(1, sizeof(*dev) + cls->state_size);
    unsigned count = 0;
    int rc;

    if (!dev)
        return error_set(err, -ENOMEM, "device %s: out of memory", id);
    dev->cls = cls;
    dev->board = board;
    dev->id = strdup(id);
    while (option_at(cls, count))
        count++;
    dev->values = calloc(count + 1, sizeof(*dev->values));
    if (!dev->id || !dev->values) {
        rc = error_set(err, -ENOMEM, "device %s: out of memory", id);
        goto fail;
    }
    rc = parse_options(dev, options, err);
    if (rc < 0)
        goto fail;
    dev->regs = arena_piece(board->arena, id, MAX(cls->regs_size, 1u));
    if (!dev->regs) {
        rc = error_set(err, -ENOMEM, "device %s (%s): the state arena is full", id, cls->name);
        goto fail;
    }
    memset(dev->regs, 0, cls->regs_size);
    rc = cls->attach(dev, err);
    if (rc < 0)
        goto fail;
    device_reset(dev);
    *out = dev;
    return 0;

fail:
    device_detach(dev);
    return rc;
}

void device_detach(struct device *dev)
{
    struct claim *c;
    struct irq *irq;

    if (!dev)
        return;
    if (dev->cls->detach && dev->regs)
        dev->cls->detach(dev);
    while ((c = dev->claims)) {
        dev->claims = c->next;
        region_unmap(c->region);
        free(c);
    }
    while ((irq = dev->irqs)) {
        dev->irqs = irq->next;
        irq_set(irq, false);
        free(irq);
    }
    for (unsigned i = 0; dev->values && option_at(dev->cls, i); i++)
        free(dev->values[i]);
    free(dev->values);
    free(dev->id);
    free(dev);
}

void device_reset(struct device *dev)
{
    if (dev->cls->reset)
        dev->cls->reset(dev);
}

int device_check_regs(struct device *dev, struct error *err)
{
    return dev->cls->loaded ? dev->cls->loaded(dev, err) : 0;
}

void *device_state(struct device *dev)
{
    return dev->state;
}

void *device_regs(struct device *dev)
{
    return dev->regs;
}

struct device *device_of(const void *state)
{
    return container_of((void *)(uintptr_t)state, struct device, state);
}

struct board *device_board(struct device *dev)
{
    return dev->board;
}

const char *device_id(const struct device *dev)
{
    return dev->id;
}

const struct device_class *device_class_of(const struct device *dev)
{
    return dev->cls;
}

size_t device_saved_bytes(const struct device_class *cls)
{
    size_t bytes = 0;

    for (const struct saved_field *f = cls->saved; f && f->name; f++)
        bytes += (size_t)f->size * f->count;
    return bytes;
}

/* ---- Claims ---- */

static int claim(struct device *dev, struct space *space, uint64_t base, uint64_t length,
                 const struct region_ops *ops, void *state, struct error *err)
{
    struct claim *c = calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return error_set(err, -ENOMEM, "device %s: out of memory", dev->id);
    rc = region_map(&c->region, space, base, length, ops, state, err);
    if (rc < 0) {
        free(c);
        return rc;
    }
    c->next = dev->claims;
    dev->claims = c;
    return 0;
}

int device_ports(struct device *dev, uint64_t base, uint64_t length, const struct region_ops *ops,
                 struct error *err)
{
    return claim(dev, dev->board->ports, base, length, ops, dev->state, err);
}

int device_ports_for(struct device *dev, uint64_t base, uint64_t length,
                     const struct region_ops *ops, void *state, struct error *err)
{
    return claim(dev, dev->board->ports, base, length, ops, state, err);
}

int device_mmio(struct device *dev, uint64_t base, uint64_t length, const struct region_ops *ops,
                struct error *err)
{
    return claim(dev, dev->board->mmio, base, length, ops, dev->state, err);
}

/* ---- Wires ---- */

static struct irq *new_irq(struct device *dev, void (*fn)(struct irq *irq, bool level))
{
    struct irq *irq = calloc(1, sizeof(*irq));

    if (!irq)
        return NULL; /* an unconnected wire; the device works on, unheard */
    irq->fn = fn;
    irq->board = dev->board;
    irq->next = dev->irqs;
    dev->irqs = irq;
    return irq;
}

static void isa_level(struct irq *irq, bool level)
{
    irq->board->ops->isa_irq(irq->board->ops_arg, irq->line, level);
}

struct irq *device_isa_irq(struct device *dev, unsigned line)
{
    struct irq *irq = new_irq(dev, isa_level);

    if (irq)
        irq->line = line;
    return irq;
}

static void intx_level(struct irq *irq, bool level)
{
    irq->board->ops->pci_intx(irq->board->ops_arg, irq->line, irq->pin, level);
}

struct irq *device_intx(struct device *dev, unsigned slot, unsigned pin)
{
    struct irq *irq = new_irq(dev, intx_level);

    if (irq) {
        irq->line = slot;
        irq->pin = pin;
    }
    return irq;
}

static void wire_level(struct irq *irq, bool level)
{
    irq->wire(irq->arg, level);
}

struct irq *device_wire(struct device *dev, void (*fn)(void *arg, bool level), void *arg)
{
    struct irq *irq = new_irq(dev, wire_level);

    if (irq) {
        irq->wire = fn;
        irq->arg = arg;
    }
    return irq;
}
