/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIMXEN_STORE_H
#define TESTS_SIMXEN_STORE_H
#include <stdbool.h>

/*
 * xenstored: Debian's, as a process of its own (xenstored.h), or where that is not installed a small
 * one inside the test process, on a thread: no transactions apart from each other, permissions,
 * quotas or domains. The device model's libxenstore is the real one, and finds it by XENSTORED_PATH.
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
