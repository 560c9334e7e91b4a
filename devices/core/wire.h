/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_CORE_WIRE_H
#define DEVICES_CORE_WIRE_H
#include "devices/core/irq.h"
struct board;

/* What an irq is made of. For devices/core only; others see devices/core/irq.h. */
struct irq {
    struct irq *next; /* among its device's */
    bool level;
    void (*fn)(struct irq *irq, bool level);
    struct board *board;
    unsigned line, pin; /* ISA irq; or PCI slot and pin */
    void (*wire)(void *arg, bool level);
    void *arg;
};
#endif
