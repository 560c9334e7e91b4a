/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIMXEN_XENSTORED_H
#define TESTS_SIMXEN_XENSTORED_H
#include <stdbool.h>

/* Debian's xenstored as a process beside the test; store.c uses it where there is one. */
bool xenstored_there(void);
int xenstored_start(void); /* below $SIMXEN_DIR; sets XENSTORED_PATH. 0 or a negative errno */
void xenstored_stop(void);
/* As those of store.h. */
void xenstored_put(const char *path, const char *value);
char *xenstored_get(const char *path);
void xenstored_drop(const char *path);
void xenstored_fire(const char *path);
bool xenstored_wait(const char *path, const char *value, unsigned ms);
#endif
