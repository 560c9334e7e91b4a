/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IOREQ_INTERNAL_H
#define IOREQ_INTERNAL_H
#include "dm/base/histogram.h"
#include "dm/base/loop.h"
#include "dm/xen/domain.h"
#include "ioreq/server.h"

/* What server.c, vcpu.c and buffered.c share. */
#define VCPUS_MOST 128

struct vcpu {
    struct server *server;
    unsigned index;
    uint32_t port;      /* ours; notified when a request is answered */
    struct io_work work;
    bool busy;          /* an answer is still to come */
    uint64_t began;     /* when the request was taken; 0: this one is not timed */
};

struct server {
    struct domain *domain;
    struct loop *loop;
    uint16_t id;
    bool created, bound, enabled;
    bool draining; /* inside buffered_drain() */
    struct ioserver_pages pages;
    struct evtchn *evtchn;
    uint32_t buffered_port;
    struct io_targets targets;
    struct vcpu *vcpus;
    unsigned vcpu_count;
    struct poller poller;
    struct server_stats stats;
    struct histogram times;
};

/* Takes the request of a vCPU if there is one, and puts its answer. True if there was one. */
bool vcpu_serve(struct server *server, struct vcpu *vcpu);
/* The guest's end of a vCPU's event channel; valid once the server is enabled. */
uint32_t vcpu_remote_port(const struct server *server, unsigned index);

/* Performs the posted writes. True if there were some. */
bool buffered_drain(struct server *server);
#endif
