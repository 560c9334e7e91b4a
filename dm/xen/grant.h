/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_GRANT_H
#define DM_XEN_GRANT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct error;
struct reach;

/*
 * Pages that a guest lets us at (public/grant_table.h). One handle for each loop that uses any; the
 * home loop's only. Refs are the guest's word: each may be wrong, and that is an error of its own.
 */
struct grants;

int grants_open(struct grants **out, unsigned domid, struct error *err);
void grants_close(struct grants *grants); /* nothing is mapped; NULL is fine */
/* Copies go by this way where they can, and by Xen where not. It is closed with the grants. */
void grants_reach(struct grants *grants, struct reach *reach);
/* A frontend is about to connect that will use these. Any thread. */
void grants_look_again(struct grants *grants);
void grants_forget(struct grants *grants); /* as reach_forget() */

/*
 * Maps pages side by side. NULL where one of them cannot be: -errno and a sentence. What is mapped
 * is the guest's to change at any time.
 */
void *grants_map(struct grants *grants, const uint32_t *refs, unsigned count, bool writable,
                 struct error *err);
void grants_unmap(struct grants *grants, void *addr, unsigned count);

/* One piece of a copy: within a page of the guest's, any memory of ours. */
struct grant_copy {
    uint32_t ref;
    uint16_t offset, length; /* offset + length is at most 4096 */
    bool to_guest;
    void *bytes;
    bool failed; /* set for each */
};
/* All of them in one system call at most. 0, or -errno where some were not tried. */
int grants_copy(struct grants *grants, struct grant_copy *pieces, unsigned count);
#define GRANT_COPIES_MOST 512u /* in one call */

struct grant_stats { /* pieces of copies */
    uint64_t reached, by_xen;
};
struct grant_stats grants_stats(const struct grants *grants); /* any thread; a snapshot */
#endif
