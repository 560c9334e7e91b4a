/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_DOMAIN_H
#define DM_XEN_DOMAIN_H
#include <stdbool.h>
#include <stdint.h>
struct backing;
struct error;

/*
 * The guest's domain, as a device model may touch it: its memory, its interrupt lines, its ioreq
 * servers. Any loop: the handles beneath carry no state that calls could trample on.
 */
struct domain;

int domain_open(struct domain **out, unsigned domid, struct error *err);
/* For backends only: no ioreq servers and no interrupts, so any kind of domain will do, dom0 too. */
int domain_open_attached(struct domain **out, unsigned domid, struct error *err);
void domain_close(struct domain *domain);
/* From here on the handles reach this domain and no other. Populating and parameters end. */
int domain_restrict(struct domain *domain, struct error *err);

unsigned domain_id(const struct domain *domain);
unsigned domain_vcpus(const struct domain *domain); /* the most it may have, 1 to 128 */
struct backing *domain_backing(struct domain *domain);
/* False once the domain is dying or gone. */
bool domain_alive(struct domain *domain);
bool domain_is_hidden(const struct domain *domain); /* nobody says when it ends: look now and then */

void domain_isa_irq(struct domain *domain, unsigned irq, bool level);
void domain_pci_intx(struct domain *domain, unsigned slot, unsigned pin, bool level);
void domain_pci_link(struct domain *domain, unsigned link, unsigned irq);
void domain_msi(struct domain *domain, uint64_t addr, uint32_t data);
void domain_lock_rom(struct domain *domain, bool locked); /* frames 0xc0 to 0xff read-only */

enum domain_end { DOMAIN_POWER_OFF = 0, DOMAIN_REBOOT = 1, DOMAIN_CRASH = 3 };
void domain_shut_down(struct domain *domain, enum domain_end reason);
/* Xen presses the ACPI power button; where we are restricted nothing happens. */
void domain_power_button(struct domain *domain);
/* HVM_PARAM_ACPI_S_STATE: 3 suspends to RAM, 0 wakes. */
int domain_set_sleep(struct domain *domain, unsigned state, struct error *err);

/* ---- The grant table of an HVM guest (public/grant_table.h) ---- */
struct grant_table {
    void *entries;   /* of the table's version, the guest's to change at any time; NULL: not mapped */
    unsigned frames; /* 4 KiB each */
    void *resource;  /* private */
};

/* The first `frames` of it; Xen makes it as large, where the domain may have so many. 0 or -errno. */
int domain_map_grants(struct domain *domain, unsigned frames, struct grant_table *table,
                      struct error *err);
void domain_unmap_grants(struct domain *domain, struct grant_table *table); /* a zeroed one is fine */
unsigned domain_grants_version(struct domain *domain); /* 1 or 2; while a ring is mapped it stays */

/* ---- ioreq servers (contract 8.4) ---- Spans are inclusive. */
struct ioserver_pages {
    void *buffered, *sync; /* struct buffered_iopage, struct ioreq[vcpus] */
    void *resource;        /* private */
    uint64_t gfns[2];      /* private: the fall-back's frames */
    uint32_t buffered_port;
};

enum ioserver_space { IOSERVER_PORTS, IOSERVER_MMIO };

int domain_ioserver_create(struct domain *domain, uint16_t *id, struct error *err);
int domain_ioserver_map(struct domain *domain, uint16_t id, struct ioserver_pages *pages,
                        struct error *err);
void domain_ioserver_unmap(struct domain *domain, struct ioserver_pages *pages);
int domain_ioserver_enable(struct domain *domain, uint16_t id, bool on, struct error *err);
void domain_ioserver_destroy(struct domain *domain, uint16_t id);
int domain_ioserver_claim(struct domain *domain, uint16_t id, enum ioserver_space space,
                          uint64_t first, uint64_t last, struct error *err);
void domain_ioserver_release(struct domain *domain, uint16_t id, enum ioserver_space space,
                             uint64_t first, uint64_t last);
int domain_ioserver_claim_pci(struct domain *domain, uint16_t id, unsigned devfn,
                              struct error *err);
void domain_ioserver_release_pci(struct domain *domain, uint16_t id, unsigned devfn);
#endif
