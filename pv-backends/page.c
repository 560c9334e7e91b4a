/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include "dm/base/error.h"
#include "dm/memory/backing.h"
#include "dm/xen/grant.h"
#include "pv-backends/page.h"
#include "pv-backends/xenbus/device.h"

#define GFN_MOST ((1ull << 40) - 1)

int pv_page_granted(struct pv_page *page, struct pv_device *dev, const char *key,
                    struct grants *grants, struct error *err)
{
    uint64_t number;
    uint32_t ref;
    int rc = pv_front_number(dev, key, UINT32_MAX, &number, err);

    if (rc < 0)
        return rc;
    ref = (uint32_t)number;
    page->bytes = grants_map(grants, &ref, 1, true, err);
    page->grants = grants;
    return page->bytes ? 0 : -EFAULT;
}

int pv_page_named(struct pv_page *page, struct pv_device *dev, const char *key,
                  struct backing *backing, struct error *err)
{
    uint64_t gfn;
    int rc = pv_front_number(dev, key, GFN_MOST, &gfn, err), bad = 0;

    if (rc < 0)
        return rc;
    page->bytes = backing ? backing->ops->map(backing, gfn, 1, &bad) : NULL;
    page->grants = NULL;
    page->backing = backing;
    if (page->bytes && bad)
        pv_page_drop(page);
    return page->bytes ? 0
                       : error_set(err, -EFAULT, "%s: its %s is frame 0x%llx, which cannot be mapped",
                                   pv_name(dev), key, (unsigned long long)gfn);
}

void pv_page_drop(struct pv_page *page)
{
    if (page->bytes && page->grants)
        grants_unmap(page->grants, page->bytes, 1);
    else if (page->bytes)
        page->backing->ops->unmap(page->backing, page->bytes, 1);
    page->bytes = NULL;
}
