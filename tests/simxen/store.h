/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIMXEN_STORE_H
#define TESTS_SIMXEN_STORE_H
#include <stdbool.h>

/*
 * A small xenstored inside the test process, on a thread of its own: the device model's real
 * libxenstore talks to it by XENSTORED_PATH. No transactions apart from each other, permissions,
 * quotas or domains; the real xenstored takes its place for the PV backends, which need those.
 * Paths without a leading '/' are dom0's.
 */
int store_start(void); /* below $SIMXEN_DIR */
void store_stop(void);
void store_put(const char *path, const char *value);
char *store_get(const char *path); /* to be freed, or NULL */
void store_drop(const char *path); /* and all below it */
void store_fire(const char *path); /* "@releaseDomain" */
bool store_wait(const char *path, const char *value, unsigned ms);

#endif
