/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_QTEST_H
#define DM_MACHINE_QTEST_H
struct error;
struct loop;
struct machine;

/*
 * The qtest protocol: a test on a socket is the guest, and time passes when it says so. It may do
 * anything, so this is for tests only and never in the same process as Xen. The machine loop's
 * only. Source: the requests and answers as QEMU's "QTest Device Emulation Testing Framework" lists
 * them.
 */
struct qtest;

/* Connects to the unix socket on which the test listens. */
int qtest_open(struct qtest **out, struct loop *loop, const char *path, struct error *err);
/* The machine to act on; without one there are no devices and no memory. */
void qtest_set_machine(struct qtest *qtest, struct machine *machine);
void qtest_close(struct qtest *qtest); /* before the machine; NULL is fine */
#endif
