/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stand-in for libxenctrl.so.4.17: what xen-dm calls of it. */
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
