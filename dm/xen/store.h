/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_STORE_H
#define DM_XEN_STORE_H
#include <stdbool.h>
#include <stddef.h>
struct error;
struct loop;

/* xenstore: one connection, on the machine loop. Paths are absolute or relative to our domain. */
struct store;

int store_open(struct store **out, struct loop *loop, struct error *err);
/* The same through another socket than xenstored's (keeper.h). */
int store_open_at(struct store **out, struct loop *loop, const char *path, struct error *err);
void store_close(struct store *store); /* NULL is fine */
int store_write(struct store *store, const char *path, const char *value, struct error *err);
/* A copy that the caller frees; NULL where there is no such node. */
char *store_read(struct store *store, const char *path);
void store_remove(struct store *store, const char *path);
int store_mkdir(struct store *store, const char *path, struct error *err);

/* The names right below `path`, sorted; free with store_free_list(). NULL and *count 0: none. */
char **store_list(struct store *store, const char *path, unsigned *count);
void store_free_list(char **list);

/*
 * Several writes seen by others as one, or not at all: pairs of a path and a value (NULL removes),
 * ended by a NULL path.
 */
int store_write_all(struct store *store, const char *const (*pairs)[2], struct error *err);

/*
 * Unless the directory has a node `guard`: removes these nodes (NULL ends them) from it, then itself
 * and the one above, where nothing else is in them.
 */
void store_sweep(struct store *store, const char *dir, const char *guard, const char *const *nodes);

/* fn(arg) when `path` or something below it changed, and once soon after this call. */
struct store_watch;
int store_watch(struct store_watch **out, struct store *store, const char *path,
                void (*fn)(void *arg), void *arg, struct error *err);
void store_unwatch(struct store_watch *watch); /* NULL is fine */
#endif
