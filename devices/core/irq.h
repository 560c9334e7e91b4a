/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_CORE_IRQ_H
#define DEVICES_CORE_IRQ_H
#include <stdbool.h>

/*
 * A wire with a level. Setting it to what it already is costs nothing. Belongs to one device and
 * is set from that device's loop only.
 */
struct irq;

void irq_set(struct irq *irq, bool level); /* NULL is fine: not connected */
bool irq_level(const struct irq *irq);
/* Says the level again although it did not change; for the one line that Xen shares (SCI). */
void irq_repeat(struct irq *irq);
static inline void irq_pulse(struct irq *irq)
{
    irq_set(irq, true);
    irq_set(irq, false);
}
#endif
