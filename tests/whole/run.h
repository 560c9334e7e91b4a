/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_WHOLE_RUN_H
#define TESTS_WHOLE_RUN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A device model as a process on the pretend Xen, started with the words libxl uses: ours, $DM or
 * build/xen-dm, with the stand-ins in simxen/ beside it; or Debian's QEMU, $STOCK or where
 * qemu-system-xen has it, on the same stand-ins. Output goes to `log`.
 */
struct dm_config {
    bool stock;
    bool attached; /* a process for backends only, as libxl starts one for a PV or PVH guest */
    const char *role; /* all its words, where it is none that libxl starts for a guest; or NULL */
    bool driver;      /* it runs in a driver domain */
    unsigned vcpus;
    const char *vga; /* "VGA", "cirrus-vga" or NULL */
    bool vnc;
    const char *disk;        /* raw file of IDE drive 0, or NULL */
    const char *const *more; /* words for the end, up to a NULL; or NULL */
    void (*before)(void);    /* what the toolstack writes before it starts; or NULL */
};

struct dm {
    pid_t pid;
    char dir[64], log[96], qmp[96];
    uint64_t start_ns, running_ns; /* exec, and `running` in xenstore */
};

/* The process that was started ends with 0; `dm` is the one that the file names, from here on. */
void dm_follow(struct dm *dm, const char *pidfile);
/* The process's memory in KiB, without the guest's (which Xen's own mappings do not count). */
struct dm_memory {
    unsigned rss, uss, dirty; /* dirty: private and written */
    unsigned guest;
};

void dm_open(struct dm *dm, const struct dm_config *config); /* to `running`; fails the test */
/* A signal (0: none), and its status; -1: it did not end in time. _end leaves Xen to look at. */
int dm_end(struct dm *dm, int signal, unsigned ms);
int dm_close(struct dm *dm, int signal, unsigned ms);
/* xen-dm-replay on a recording ends well; its output is in the sentence where it does not. */
void dm_replay(const char *file);
struct dm_memory dm_memory(const struct dm *dm, bool list);
uint64_t now_ns(void);
void dm_await_no_grants(unsigned ms); /* until no page is mapped by grant; the caller looks again */

#endif
