/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_QTEST_VERBS_H
#define DM_MACHINE_QTEST_VERBS_H
#include "dm/base/loop.h"
#include "dm/machine/bare.h"
#include "dm/machine/qtest.h"

/* What qtest.c and qtest_verbs.c share. */
struct qtest {
    struct loop *loop;
    struct machine *machine;
    int fd;
    struct watch *watch; /* NULL: the test has hung up */
    struct hook hook;    /* IRQ lines go out although nobody asked anything */
    char *in, *out;
    size_t in_length, in_room, out_length, out_room;
    size_t scanned; /* bytes of `in` without a line's end */
    bool busy;      /* a request's answer is still to come */
    bool intercepting;
    struct io_work work;
    unsigned digits; /* of the answer to a read */
    uint64_t until;  /* clock_step's */
};

/* Performs one line: says its answer, or sets `busy` and calls qtest_go_on() once it has. */
void qtest_run(struct qtest *qtest, char *line);
void qtest_go_on(struct qtest *qtest);

/* Output: a line, or room for `n` bytes of one. */
void qtest_say(struct qtest *qtest, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *qtest_room(struct qtest *qtest, size_t n);
#endif
