/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every libxenctrl call we cannot avoid, so that an ABI break is one file. */
#include <errno.h>
#include <stdlib.h>
#include <xenctrl.h>
#include "dm/base/error.h"
#include "dm/xen/unstable.h"

int unstable_open(void **out, struct error *err)
{
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);

    if (!xc)
        return error_errno(err, "open the Xen control interface: is this dom0 of a running Xen?");
    *out = xc;
    return 0;
}

void unstable_close(void *control)
{
    if (control)
        xc_interface_close(control);
}

int unstable_populate(void *control, unsigned domid, uint64_t gfn, size_t pages)
{
    xen_pfn_t *gfns = calloc(pages, sizeof(*gfns));
    int rc;

    if (!gfns)
        return -ENOMEM;
    for (size_t i = 0; i < pages; i++)
        gfns[i] = gfn + i;
    rc = xc_domain_populate_physmap_exact(control, domid, pages, 0, 0, gfns);
    free(gfns);
    return rc < 0 ? (errno ? -errno : -ENOMEM) : 0;
}

int unstable_set_param(void *control, unsigned domid, unsigned param, uint64_t value)
{
    return xc_hvm_param_set(control, domid, param, value) < 0 ? -errno : 0;
}

void unstable_power_button(void *control, unsigned domid)
{
    xc_domain_send_trigger(control, domid, XEN_DOMCTL_SENDTRIGGER_POWER, 0);
}

int unstable_domain_state(void *control, unsigned domid, bool *dying, bool *hvm)
{
    xc_dominfo_t info;

    errno = 0;
    if (xc_domain_getinfo(control, domid, 1, &info) != 1)
        return errno == EPERM || errno == EACCES ? -EPERM : -ESRCH;
    if (info.domid != domid)
        return -ESRCH;
    *dying = info.dying;
    *hvm = info.hvm;
    return 0;
}
