/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One ioreq server: pages, ports, claims, and the passes over them. What is taken from the pages
 * is taken in vcpu.c and buffered.c; what it means is decided in dispatch.c.
 */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/memory/memory.h"
#include "dm/xen/domain.h"
#include "dm/xen/evtchn.h"
#include "ioreq/internal.h"

static int claim_ports(void *arg, uint64_t first, uint64_t last, struct error *err)
{
    struct server *s = arg;

    return domain_ioserver_claim(s->domain, s->id, IOSERVER_PORTS, first, last, err);
}

static void release_ports(void *arg, uint64_t first, uint64_t last)
{
    struct server *s = arg;

    domain_ioserver_release(s->domain, s->id, IOSERVER_PORTS, first, last);
}

static int claim_mmio(void *arg, uint64_t first, uint64_t last, struct error *err)
{
    struct server *s = arg;

    return domain_ioserver_claim(s->domain, s->id, IOSERVER_MMIO, first, last, err);
}

static void release_mmio(void *arg, uint64_t first, uint64_t last)
{
    struct server *s = arg;

    domain_ioserver_release(s->domain, s->id, IOSERVER_MMIO, first, last);
}

static int claim_pci(void *arg, unsigned devfn, struct error *err)
{
    struct server *s = arg;

    return domain_ioserver_claim_pci(s->domain, s->id, devfn, err);
}

static void release_pci(void *arg, unsigned devfn)
{
    struct server *s = arg;

    domain_ioserver_release_pci(s->domain, s->id, devfn);
}

static const struct space_claims port_claims = { claim_ports, release_ports };
static const struct space_claims mmio_claims = { claim_mmio, release_mmio };
static const struct pci_route_claims pci_claims = { claim_pci, release_pci };

int server_open(struct server **out, struct domain *domain, struct loop *loop,
                struct memory *memory, struct error *err)
{
    struct server *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return error_set(err, -ENOMEM, "ioreq server: out of memory");
    s->domain = domain;
    s->loop = loop;
    s->targets.memory = memory;
    s->vcpu_count = MIN(domain_vcpus(domain), VCPUS_MOST);
    s->vcpus = calloc(s->vcpu_count, sizeof(*s->vcpus));
    if (!s->vcpus) {
        rc = error_set(err, -ENOMEM, "ioreq server: out of memory");
        goto fail;
    }
    rc = domain_ioserver_create(domain, &s->id, err);
    if (rc < 0)
        goto fail;
    s->created = true;
    rc = evtchn_open(&s->evtchn, loop, err);
    if (rc == 0)
        rc = domain_ioserver_map(domain, s->id, &s->pages, err);
    if (rc == 0)
        rc = space_open(&s->targets.ports, "ports", &port_claims, s, err);
    if (rc == 0)
        rc = space_open(&s->targets.mmio, "mmio", &mmio_claims, s, err);
    if (rc == 0)
        rc = pci_routes_open(&s->targets.pci, &pci_claims, s, err);
    if (rc < 0)
        goto fail;
    *out = s;
    return 0;

fail:
    server_close(s);
    return rc;
}

/* Everything there is: posted writes first, for they came before. True if there was something. */
static bool pass(void *arg)
{
    struct server *s = arg;
    bool any = buffered_drain(s);

    for (unsigned i = 0; i < s->vcpu_count; i++)
        any |= vcpu_serve(s, &s->vcpus[i]);
    return any;
}

static void on_buffered(void *arg)
{
    buffered_drain(arg);
}

static void on_vcpu(void *arg)
{
    struct vcpu *v = arg;

    buffered_drain(v->server);
    vcpu_serve(v->server, v);
}

static int bind_ports(struct server *s, struct error *err)
{
    int rc = evtchn_bind(s->evtchn, domain_id(s->domain), s->pages.buffered_port, on_buffered, s,
                         &s->buffered_port, err);

    for (unsigned i = 0; rc == 0 && i < s->vcpu_count; i++) {
        struct vcpu *v = &s->vcpus[i];

        v->server = s;
        v->index = i;
        rc = evtchn_bind(s->evtchn, domain_id(s->domain), vcpu_remote_port(s, i), on_vcpu, v,
                         &v->port, err);
    }
    return rc;
}

int server_enable(struct server *s, struct error *err)
{
    int rc = domain_ioserver_enable(s->domain, s->id, true, err);

    if (rc < 0)
        return rc;
    if (!s->bound) { /* the ports are in the page only from now on */
        rc = bind_ports(s, err);
        if (rc < 0)
            return rc;
        s->bound = true;
    }
    if (!s->enabled) {
        s->poller = (struct poller){ .poll = pass, .arg = s };
        loop_add_poller(s->loop, &s->poller);
        s->enabled = true;
    }
    return 0;
}

int server_restrict(struct server *s, struct error *err)
{
    return evtchn_restrict(s->evtchn, domain_id(s->domain), err);
}

void server_pause(struct server *s)
{
    struct error err;

    if (!s->enabled)
        return;
    pass(s);
    loop_remove_poller(s->loop, &s->poller);
    s->enabled = false;
    if (domain_ioserver_enable(s->domain, s->id, false, &err) < 0)
        log_warn("%s", err.text);
}

void server_close(struct server *s)
{
    if (!s)
        return;
    if (s->enabled)
        loop_remove_poller(s->loop, &s->poller);
    space_close(s->targets.ports);
    space_close(s->targets.mmio);
    pci_routes_close(s->targets.pci);
    evtchn_close(s->evtchn);
    domain_ioserver_unmap(s->domain, &s->pages);
    if (s->created)
        domain_ioserver_destroy(s->domain, s->id);
    free(s->vcpus);
    free(s);
}

struct space *server_ports(struct server *s)
{
    return s->targets.ports;
}

struct space *server_mmio(struct server *s)
{
    return s->targets.mmio;
}

struct pci_routes *server_pci(struct server *s)
{
    return s->targets.pci;
}

const struct histogram *server_times(const struct server *s)
{
    return &s->times;
}

struct server_stats server_get_stats(const struct server *s)
{
    return s->stats;
}
