/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIMXEN_H
#define TESTS_SIMXEN_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/hvm/ioreq.h>

/*
 * A pretend Xen with one HVM domain. There is no process that is the hypervisor: its state lies in
 * files below $SIMXEN_DIR that both sides map, and whoever makes a hypercall does its work under
 * one lock. The device model gets here through the stand-in libraries, a test through this header.
 *
 *   state   struct simxen
 *   p2m     a uint32_t for each guest frame: SIMXEN_VALID | type | machine frame
 *   ram     the machine frames
 *   ioreq   two pages for each ioreq server: posted requests, then the synchronous ones
 *   evtN    a FIFO for each event channel handle: four bytes for each event, as /dev/xen/evtchn
 *
 * What Xen would crash the domain for, and what only a broken device model does, ends the process
 * that did it: simxen_crash() says why, and keeps the sentence for the other side.
 */
#define SIMXEN_DOMID 7
#define SIMXEN_GFNS (1u << 24) /* 64 GiB of guest addresses */
#define SIMXEN_MFNS (1u << 21) /* 8 GiB of memory */
#define SIMXEN_VCPUS 32
#define SIMXEN_SERVERS 8
#define SIMXEN_RANGES 256
#define SIMXEN_PORTS 2048
#define SIMXEN_HANDLES 32
#define SIMXEN_MSIS 256
#define SIMXEN_PARAMS 64
#define SIMXEN_GRANTS 32768u /* 64 frames of the first version's table */
#define SIMXEN_PAGE 4096u

#define SIMXEN_VALID 0x80000000u
#define SIMXEN_READ_ONLY 0x40000000u
#define SIMXEN_MFN 0x00ffffffu

enum { SIMXEN_PORT_IO, SIMXEN_MEMORY, SIMXEN_PCI, SIMXEN_SPACES };

struct simxen_range {
    uint64_t first, last;
};

/* An ioreq server. Ports of index SIMXEN_VCPUS are for the posted requests. */
struct simxen_server {
    bool used, enabled, gfn_mapped, resource_mapped;
    unsigned buffering; /* HVM_IOREQSRV_BUFIOREQ_* */
    uint32_t ports[SIMXEN_VCPUS + 1];
    struct simxen_range ranges[SIMXEN_SPACES][SIMXEN_RANGES];
    unsigned range_count[SIMXEN_SPACES];
};

/* The domain's end of an event channel; 0 is no port. `wakes` is a futex the vCPU sleeps on. */
struct simxen_remote {
    bool used;
    uint32_t local;
    uint32_t wakes;
};

/* Our end, in dom0. An event that comes while the port is masked makes it pending. */
struct simxen_local {
    bool used;
    uint32_t flags; /* by atomic instructions, without the lock */
    unsigned handle;
    uint32_t remote;
};
#define SIMXEN_MASKED 1u
#define SIMXEN_PENDING 2u

/* What a test wants to know of calls that nothing comes back from. */
struct simxen_seen {
    uint8_t isa_level[16], intx_level[32][4], link_irq[4];
    unsigned isa_changes[16], intx_changes[32][4];
    struct {
        uint64_t addr;
        uint32_t data;
    } msis[SIMXEN_MSIS];
    unsigned msi_count; /* the last is at (msi_count - 1) % SIMXEN_MSIS */
    unsigned power_buttons, pins;
    unsigned dm_ops[32]; /* by XEN_DMOP_ */
    unsigned maps, map_pages, notifies;
    unsigned grant_maps, grant_unmaps; /* pages */
    unsigned grant_batches, grant_copies, grant_errors;
    unsigned events; /* that went to a handle: the rest found their port masked */
    uint32_t levels; /* changes of any interrupt line; a futex for guest_await_*() */
    uint32_t sleepers;
};

/* Xen's own count beside each entry of the guest's grant table. */
struct simxen_grant {
    uint32_t maps, writers;
};

struct simxen {
    uint32_t magic;
    pthread_mutex_t lock;
    char crash[256]; /* why the domain crashed, or empty */
    bool dying, shut_down;
    bool driver; /* the device model runs in a driver domain, which Xen tells nothing about others */
    unsigned shutdown_reason;
    unsigned vcpus;
    uint64_t pages, pages_most;
    uint32_t next_mfn;
    uint32_t routes; /* counts changes of the servers and their ranges: see simxen_select() */
    struct simxen_server servers[SIMXEN_SERVERS];
    struct simxen_remote remotes[SIMXEN_PORTS];
    struct simxen_local locals[SIMXEN_PORTS];
    bool handles[SIMXEN_HANDLES];
    uint64_t params[SIMXEN_PARAMS];
    /* The guest's, as it sees it */
    grant_entry_v1_t grants[SIMXEN_GRANTS] __attribute__((aligned(SIMXEN_PAGE)));
    bool second_table; /* it is of version 2, whatever `grants` says */
    struct simxen_grant granted[SIMXEN_GRANTS];
    unsigned live_grants; /* pages mapped by the device model now: what is left is a leak */
    unsigned live_frames; /* the same of what it maps by frame number */
    uint64_t vram_first, vram_count; /* track_dirty_vram's range; a new one is all dirty once */
    struct simxen_seen seen;
};

/* Both sides. Mapped on first use; NULL with errno where there is no $SIMXEN_DIR. */
struct simxen *simxen(void);
uint32_t *simxen_p2m(void);
uint8_t *simxen_dirty(void); /* a byte for each guest frame: written since it was asked for */
int simxen_ram_fd(void);
uint8_t *simxen_ram(void); /* all machine frames */
int simxen_ioreq_fd(void);
int simxen_state_fd(void); /* of struct simxen itself */
const char *simxen_dir(void);
void simxen_lock(void);
void simxen_unlock(void);
void simxen_syscall(void); /* what a hypercall costs in kind */
void simxen_crash(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* No lock is needed. */
void simxen_notify(uint32_t local); /* wakes the domain's end: one system call */
void simxen_raise(uint32_t local);  /* makes it pending in dom0 */
/* A handle of this process (-1: no more), which it can write to whatever has become of its files. */
void simxen_own_handle(unsigned index, int fd);
void simxen_unmask(uint32_t local);

/* Who answers: a server's id, or -1. An access that was asked for before costs little. */
int simxen_select(unsigned space, uint64_t first, uint64_t last);

/* The lock is held. 0 or a negative errno. */
void simxen_count_level(void); /* an interrupt line has changed */
int simxen_populate(uint64_t gfn);
int simxen_take_port(uint32_t *port); /* a port of the domain's, not connected yet */
void simxen_drop_port(uint32_t port);

/*
 * The test's side. The directory is made, and SIMXEN_DIR set; RAM is there below low_pages but for
 * the VGA window. headroom_pages may be populated by the device model.
 */
int simxen_create(unsigned vcpus, uint64_t low_pages, uint64_t headroom_pages);
void simxen_destroy(void);  /* removes the directory */
unsigned simxen_reap(void); /* what the kernel does for a dead process; grants that were mapped */
volatile ioreq_t *simxen_slot(unsigned server, unsigned vcpu);
volatile struct buffered_iopage *simxen_posted(unsigned server);

#endif
