/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_PAGE_H
#define PV_BACKENDS_PAGE_H
#include <stdbool.h>
#include <stdint.h>
struct backing;
struct error;
struct grants;
struct pv_device;

/* A page of the frontend's that a node names: by grant reference, or by GFN as in old protocols. */
struct pv_page {
    uint8_t *bytes; /* NULL: none */
    struct grants *grants;   /* whose it is; NULL: backing's */
    struct backing *backing;
};
/* The machine loop's, as the grants are. */
int pv_page_granted(struct pv_page *page, struct pv_device *dev, const char *key,
                    struct grants *grants, struct error *err);
int pv_page_named(struct pv_page *page, struct pv_device *dev, const char *key,
                  struct backing *backing, struct error *err);
void pv_page_drop(struct pv_page *page); /* fine where there is none */

/* A word of it that the frontend writes too. */
static inline _Atomic uint32_t *pv_page_word(const struct pv_page *page, unsigned offset)
{
    return (_Atomic uint32_t *)(void *)(page->bytes + offset);
}
#endif
