/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_GATHER_H
#define DM_MACHINE_GATHER_H
struct device;
struct gather;
struct loop;

/*
 * Asks devices to do something, each on its own loop, and is told when all have done it. The machine
 * loop begins, asks and ends; done(arg) runs there after the last report, never inside gather_end().
 */
struct share {
    struct gather *gather; /* what gather_report() takes */
    struct device *device;
    unsigned how; /* the asker's */
};

struct gather *gather_begin(struct loop *machine, void (*done)(void *arg), void *arg);
/*
 * Runs fn(share) on `loop`; fn frees the share, and somebody calls gather_report() once, at once or
 * later, from any loop. A NULL gather, or no memory: nobody is asked.
 */
void gather_ask(struct gather *gather, struct loop *loop, void (*fn)(void *share),
                struct device *device, unsigned how);
void gather_report(void *gather);
void gather_end(struct gather *gather); /* all have been asked; NULL is fine */
#endif
