/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts: causes, mask, throttling (ITR) and delays (TIDV, RDTR). Document: 8254x manual,
 * "Interrupt Moderation" and "Interrupt Cause Read Register".
 */
#include "devices/net/e1000/internal.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"

#define ITR_UNIT 256u /* ns */

void e1000_update_irq(struct e1000 *e)
{
    uint32_t pending = e1000_get(e, ICR) & e1000_get(e, IMS);
    uint64_t gap = (uint64_t)(e1000_get(e, ITR) & 0xffff) * ITR_UNIT, now;

    if (!pending) {
        timer_clear(&e->throttle);
        pci_set_intx(&e->fn, false);
        return;
    }
    if (e->regs->pci.intx)
        return;
    now = clock_now();
    if (gap && e->last_irq && now - e->last_irq < gap) {
        if (!timer_is_set(&e->throttle))
            timer_set(&e->throttle, e->last_irq + gap);
        return;
    }
    e->last_irq = now;
    pci_set_intx(&e->fn, true);
}

void e1000_on_throttle(void *arg)
{
    e1000_update_irq(arg);
}

void e1000_cause(struct e1000 *e, uint32_t causes)
{
    *e1000_reg(e, ICR) |= causes;
    e1000_update_irq(e);
}

void e1000_on_delay(void *arg)
{
    struct e1000 *e = arg;
    uint32_t causes = e->regs->delayed;

    e->regs->delayed = 0;
    e1000_cause(e, causes);
}

void e1000_cause_later(struct e1000 *e, uint32_t causes, uint32_t ns)
{
    uint64_t due;

    if (!ns) {
        e1000_cause(e, causes);
        return;
    }
    due = clock_now() + ns;
    e->regs->delayed |= causes;
    if (timer_is_set(&e->delay) && e->delay_due <= due)
        return;
    e->delay_due = due;
    timer_set(&e->delay, due);
}

uint32_t e1000_read_icr(struct e1000 *e)
{
    uint32_t value = e1000_get(e, ICR);

    e1000_set(e, ICR, 0);
    e1000_update_irq(e);
    return value;
}
