/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wires: an irq is one end, and knows whom to tell. */
#include <stddef.h>
#include "devices/core/wire.h"

void irq_set(struct irq *irq, bool level)
{
    if (!irq || irq->level == level)
        return;
    irq->level = level;
    irq->fn(irq, level);
}

bool irq_level(const struct irq *irq)
{
    return irq && irq->level;
}

void irq_repeat(struct irq *irq)
{
    if (irq)
        irq->fn(irq, irq->level);
}
