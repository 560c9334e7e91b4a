/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stand-in for libxenctrl.so.4.17: what xen-dm and the stock device model call of it. Passing
 * host devices through is named, because the stock one is linked to all it could ever call, and
 * ends the domain.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include "tests/simxen/simxen.h"

static int fail(int error)
{
    errno = error;
    return -1;
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *build, unsigned flags)
{
    return simxen() ? malloc(1) : NULL;
}

int xc_interface_close(xc_interface *xch)
{
    free(xch);
    return 0;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int most, xc_dominfo_t *info)
{
    const struct simxen *s = simxen();

    simxen_syscall();
    if (s->driver)
        return fail(EPERM);
    if (first > SIMXEN_DOMID || !most || s->dying)
        return 0;
    memset(info, 0, sizeof(*info));
    info->domid = SIMXEN_DOMID;
    info->hvm = 1;
    info->hap = 1;
    info->shutdown = s->shut_down;
    info->shutdown_reason = s->shutdown_reason;
    info->nr_pages = s->pages;
    info->max_memkb = s->pages_most * (SIMXEN_PAGE / 1024);
    info->nr_online_vcpus = s->vcpus;
    info->max_vcpu_id = s->vcpus - 1;
    return 1;
}

int xc_domain_populate_physmap_exact(xc_interface *xch, uint32_t domid, unsigned long count,
                                     unsigned int order, unsigned int flags, xen_pfn_t *gfns)
{
    int rc = 0;

    simxen_syscall();
    if (domid != SIMXEN_DOMID || order)
        return fail(order ? EINVAL : ESRCH);
    simxen_lock();
    for (unsigned long i = 0; rc == 0 && i < count; i++)
        rc = simxen_populate(gfns[i]);
    simxen_unlock();
    return rc < 0 ? fail(EBUSY) : 0; /* some frames, not all: what libxc says of it */
}

int xc_hvm_param_set(xc_interface *xch, uint32_t domid, uint32_t param, uint64_t value)
{
    simxen_syscall();
    if (domid != SIMXEN_DOMID || param >= SIMXEN_PARAMS)
        return fail(EINVAL);
    simxen()->params[param] = value;
    return 0;
}

int xc_hvm_param_get(xc_interface *xch, uint32_t domid, uint32_t param, uint64_t *value)
{
    simxen_syscall();
    if (domid != SIMXEN_DOMID || param >= SIMXEN_PARAMS)
        return fail(EINVAL);
    *value = simxen()->params[param];
    return 0;
}

int xc_domain_send_trigger(xc_interface *xch, uint32_t domid, uint32_t trigger, uint32_t vcpu)
{
    simxen_syscall();
    if (domid != SIMXEN_DOMID || trigger != XEN_DOMCTL_SENDTRIGGER_POWER)
        return fail(EINVAL);
    __atomic_fetch_add(&simxen()->seen.power_buttons, 1, __ATOMIC_RELAXED);
    return 0;
}

/* The older names of the two above. */
int xc_set_hvm_param(xc_interface *xch, uint32_t domid, int param, unsigned long value)
{
    return xc_hvm_param_set(xch, domid, (uint32_t)param, value);
}

int xc_get_hvm_param(xc_interface *xch, uint32_t domid, int param, unsigned long *value)
{
    uint64_t wide = 0;
    int rc = xc_hvm_param_get(xch, domid, (uint32_t)param, &wide);

    if (rc == 0)
        *value = wide;
    return rc;
}

int xc_domain_shutdown(xc_interface *xch, uint32_t domid, int reason)
{
    struct simxen *s = simxen();

    simxen_syscall();
    if (domid != SIMXEN_DOMID)
        return fail(ESRCH);
    simxen_lock();
    if (!s->shut_down) /* the first one wins */
        s->shutdown_reason = (unsigned)reason;
    s->shut_down = true;
    simxen_unlock();
    return 0;
}

/* Under other names, for the arguments do not matter. */
#define NOT_HERE(name)                                                                             \
    void absent_##name(void) __asm__(#name);                                                       \
    void absent_##name(void)                                                                       \
    {                                                                                              \
        simxen_crash("%s: nothing is passed through on the pretend Xen", #name);                   \
    }

NOT_HERE(xc_domain_bind_pt_pci_irq)
NOT_HERE(xc_domain_iomem_permission)
NOT_HERE(xc_domain_ioport_mapping)
NOT_HERE(xc_domain_memory_mapping)
NOT_HERE(xc_domain_unbind_msi_irq)
NOT_HERE(xc_domain_unbind_pt_irq)
NOT_HERE(xc_domain_update_msi_irq)
NOT_HERE(xc_physdev_map_pirq)
NOT_HERE(xc_physdev_map_pirq_msi)
NOT_HERE(xc_physdev_unmap_pirq)
