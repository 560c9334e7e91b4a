/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CONTROL_FDSETS_H
#define DM_CONTROL_FDSETS_H
#include <jansson.h>
#include <stdbool.h>
struct error;

/*
 * Descriptors handed over by add-fd, by set. /dev/fdset/N names a set in a file name. They go when
 * the last monitor client has gone: who opened one has a duplicate.
 */
struct fdsets;

struct fdsets *fdsets_new(void);
void fdsets_free(struct fdsets *sets); /* NULL is fine */
/* Takes `fd` over on success. set < 0: a new one. Returns the set's number, or -errno. */
int fdsets_add(struct fdsets *sets, int set, int fd, const char *opaque, struct error *err);
int fdsets_remove(struct fdsets *sets, int set, int fd, struct error *err); /* fd < 0: all */
/* A duplicate of a member that can be read (and written, where `write`); or -errno. */
int fdsets_open(struct fdsets *sets, int set, bool write, struct error *err);
json_t *fdsets_describe(const struct fdsets *sets);
void fdsets_purge(struct fdsets *sets);
#endif
