/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network device's control side: the tap, the features, the queues that the frontend made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/net/netport.h"
#include "dm/xen/grant.h"
#include "pv-backends/host.h"
#include "pv-backends/net/control.h"
#include "pv-backends/net/netback.h"
#include "pv-backends/net/queue.h"
#include "pv-backends/net/shared.h"
#include "pv-backends/net/slots.h"
#include "pv-backends/page.h"

#define KERNELS "/sys/bus/xen-backend/drivers/vif"
#define QUEUES_MOST 8u
#define QUEUES_LEAST 4 /* offered: rings of guests with more vCPUs than the host has for us */
#define DRAIN_DEFAULT (10 * NS_PER_SEC) /* as long as the kernel's backend keeps frames */

struct netback {
    char ifname[32];
    /*
     * The first from probe on, and as long as there is a device: a driver that is loaded again must find
     * it on its bridge still, for the script that puts it there runs once.
     */
    struct netport *ports[QUEUES_MOST];
    struct grants *grants; /* of the rings; mapped and unmapped on the machine loop */
    struct net_shared shared;
    struct net_queue *queues[QUEUES_MOST];
    struct pv_io *ios[QUEUES_MOST];
    struct pv_page tx[QUEUES_MOST], rx[QUEUES_MOST];
    struct net_ctrl *ctrl;
    struct pv_page ctrl_ring;
    unsigned queues_most, left; /* left: who has not stopped yet */
    bool fenced;
};

static bool ours(struct pv_device *dev)
{
    char path[sizeof(KERNELS) + 32], *by;
    bool given;

    if (!pv_bus_host(pv_bus_of(dev))->net_of_kernel)
        return true;
    by = pv_back_read(dev, "served-by"); /* vif-xen-dm writes it when the kernel has let go */
    given = by && !strcmp(by, "device-model");
    free(by);
    snprintf(path, sizeof(path), KERNELS "/vif-%u-%u", pv_bus_domid(pv_bus_of(dev)), pv_devid(dev));
    return given && access(path, F_OK) < 0;
}

bool netback_of_kernel(bool soon)
{
    struct utsname name;
    char path[256], line[256];
    bool found = false;
    FILE *f;

    if (access(KERNELS, F_OK) == 0)
        return true;
    if (!soon || access("/run/udev/control", F_OK) < 0 || uname(&name) < 0)
        return false;
    /* udev loads a module that is there when libxl makes the first vif: two would serve it then */
    snprintf(path, sizeof(path), "/lib/modules/%s/modules.alias", name.release);
    f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof(line), f))
        found = strstr(line, " xen-backend:vif ");
    if (f)
        fclose(f);
    return found;
}

/* ---- The tap ---- */

static int open_port(struct pv_device *dev, struct netback *n, unsigned index, struct error *err)
{
    bool user = pv_bus_host(pv_bus_of(dev))->net_user;
    struct netport_config c = { .id = n->ifname, .kind = user ? "user" : "tap", .ifname = n->ifname,
                                .fd = -1, .queues = n->queues_most > 1 };

    return netport_open(&n->ports[index], &c, err);
}

static void close_ports(struct netback *n, unsigned from)
{
    for (unsigned i = from; i < QUEUES_MOST; i++) {
        netport_close(n->ports[i]);
        n->ports[i] = NULL;
    }
}

static int name_tap(struct pv_device *dev, struct netback *n, struct error *err)
{
    char *name = pv_back_read(dev, "vifname");
    int rc = 0;

    if (name && strlen(name) >= sizeof(n->ifname))
        rc = error_set(err, -EINVAL, "%s: its vifname %.64s is too long for a network interface",
                       pv_name(dev), name);
    else if (name && *name)
        strcpy(n->ifname, name);
    else
        snprintf(n->ifname, sizeof(n->ifname), "vif%u.%u", pv_bus_domid(pv_bus_of(dev)),
                 pv_devid(dev));
    free(name);
    return rc;
}

/* "bytes,microseconds"; 0: no limit. */
static void read_rate(struct pv_device *dev, uint64_t *bytes, uint64_t *ns)
{
    unsigned long long b = 0, us = 0;
    char *text = pv_back_read(dev, "rate");

    *bytes = *ns = 0;
    if (text && sscanf(text, "%llu,%llu", &b, &us) == 2 && b && us && us < UINT32_MAX) {
        *bytes = b;
        *ns = us * NS_PER_US;
    } else if (text && *text) {
        log_warn("%s: its rate %.32s is not bytes,microseconds: there is no limit", pv_name(dev),
                 text);
    }
    free(text);
}

static int write_features(struct pv_device *dev, const struct netback *n, struct error *err)
{
    static const char *const ones[] = {
        "feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload",
        "feature-rx-copy", "feature-multicast-control", "feature-dynamic-multicast-control",
        "feature-split-event-channels", "feature-ctrl-ring", "carrier",
    };
    int rc = pv_back_write(dev, "multi-queue-max-queues", err, "%u", n->queues_most);

    for (unsigned i = 0; rc == 0 && i < ARRAY_SIZE(ones); i++)
        rc = pv_back_write(dev, ones[i], err, "1");
    if (rc == 0)
        rc = pv_back_write(dev, "feature-rx-flip", err, "0");
    pv_back_remove(dev, "feature-xdp-headroom"); /* the kernel's, where it had the device before */
    return rc;
}

static void close_device(struct pv_device *dev);

static int probe(struct pv_device *dev, struct error *err)
{
    struct netback *n = pv_state(dev);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t bytes, ns;
    int rc = name_tap(dev, n, err);

    read_rate(dev, &bytes, &ns);
    n->queues_most = MIN((unsigned)MAX(cpus, QUEUES_LEAST), QUEUES_MOST);
    if (bytes || pv_bus_host(pv_bus_of(dev))->net_user)
        n->queues_most = 1; /* one limit for all; one network, which has one loop */
    if (rc == 0 && !n->ports[0])
        rc = open_port(dev, n, 0, err);
    if (rc == 0)
        rc = grants_open(&n->grants, pv_bus_domid(pv_bus_of(dev)), err);
    if (rc == 0)
        rc = write_features(dev, n, err);
    if (rc < 0)
        close_device(dev);
    return rc;
}

/* ---- What the frontend has written ---- */

static void read_features(struct pv_device *dev, struct net_features *f)
{
    static const struct {
        const char *key, *prefix;
        unsigned type;
    } gso[] = { { "feature-gso-tcpv4", "feature-gso-tcpv4-prefix", NET_GSO_TCPV4 },
                { "feature-gso-tcpv6", "feature-gso-tcpv6-prefix", NET_GSO_TCPV6 } };

    *f = (struct net_features){ .sg = pv_front_flag(dev, "feature-sg"),
                                .csum_v4 = !pv_front_flag(dev, "feature-no-csum-offload"),
                                .csum_v6 = pv_front_flag(dev, "feature-ipv6-csum-offload"),
                                .rx_notify = pv_front_flag(dev, "feature-rx-notify") };
    for (unsigned i = 0; f->sg && i < ARRAY_SIZE(gso); i++) {
        f->gso |= (unsigned)pv_front_flag(dev, gso[i].key) << gso[i].type;
        f->gso_prefix |= (unsigned)pv_front_flag(dev, gso[i].prefix) << gso[i].type;
    }
}

static void front_changed(struct pv_device *dev)
{
    struct netback *n = pv_state(dev);

    atomic_store(&n->shared.filter, pv_front_flag(dev, "request-multicast-control"));
}

static int read_ports(struct pv_device *dev, const char *dir, struct net_queue_config *c,
                      struct error *err)
{
    char tx[48], rx[48], both[48];
    uint64_t a, b;
    int rc;

    snprintf(tx, sizeof(tx), "%sevent-channel-tx", dir);
    snprintf(rx, sizeof(rx), "%sevent-channel-rx", dir);
    snprintf(both, sizeof(both), "%sevent-channel", dir);
    rc = pv_front_number(dev, tx, UINT32_MAX, &a, err);
    if (rc == 0)
        rc = pv_front_number(dev, rx, UINT32_MAX, &b, err);
    else if (rc == -ENOENT && (rc = pv_front_number(dev, both, UINT32_MAX, &a, err)) == 0)
        b = a;
    if (rc == 0) {
        c->tx_port = (uint32_t)a;
        c->rx_port = (uint32_t)b;
    }
    return rc;
}

/* ---- Queues ---- */

static void on_broken(void *arg, const char *why)
{
    pv_failed_later(arg, why);
}

static int open_queue(struct pv_device *dev, struct netback *n, unsigned index,
                      struct net_queue_config *c, struct error *err)
{
    char dir[24] = "", key[48];
    int rc;

    if (n->shared.queues > 1)
        snprintf(dir, sizeof(dir), "queue-%u/", index);
    rc = read_ports(dev, dir, c, err);
    if (rc == 0 && !n->ports[index])
        rc = open_port(dev, n, index, err);
    snprintf(key, sizeof(key), "%stx-ring-ref", dir);
    if (rc == 0)
        rc = pv_page_granted(&n->tx[index], dev, key, n->grants, err);
    snprintf(key, sizeof(key), "%srx-ring-ref", dir);
    if (rc == 0)
        rc = pv_page_granted(&n->rx[index], dev, key, n->grants, err);
    if (rc == 0)
        rc = pv_io_get(pv_bus_host(pv_bus_of(dev))->pool, index, &c->io, err);
    if (rc < 0)
        return rc;
    n->ios[index] = c->io;
    c->port = n->ports[index];
    c->index = index;
    c->tx = n->tx[index].bytes;
    c->rx = n->rx[index].bytes;
    return net_queue_open(&n->queues[index], c, err);
}

/* After all queues, which it may steer to. */
static int open_ctrl(struct pv_device *dev, struct netback *n, struct error *err)
{
    struct net_ctrl_config c = { .io = n->ios[0], .shared = &n->shared, .name = pv_name(dev),
                                 .broken = on_broken, .arg = dev };
    uint64_t port;
    int rc = pv_page_granted(&n->ctrl_ring, dev, "ctrl-ring-ref", n->grants, err);

    if (rc == -ENOENT)
        return 0;
    if (rc == 0)
        rc = pv_front_number(dev, "event-channel-ctrl", UINT32_MAX, &port, err);
    if (rc < 0)
        return rc;
    c.ring = n->ctrl_ring.bytes;
    c.port = (uint32_t)port;
    return net_ctrl_open(&n->ctrl, &c, err);
}

static void close_queues(struct netback *n)
{
    net_ctrl_close(n->ctrl);
    n->ctrl = NULL;
    pv_page_drop(&n->ctrl_ring);
    for (unsigned i = 0; i < QUEUES_MOST; i++) {
        net_queue_close(n->queues[i]);
        n->queues[i] = NULL;
        n->ios[i] = NULL;
        pv_page_drop(&n->tx[i]);
        pv_page_drop(&n->rx[i]);
    }
    close_ports(n, 1);
}

/* Those that were opened have begun on their loops already: they are stopped as ever. */
static int connect(struct pv_device *dev, struct error *err)
{
    struct netback *n = pv_state(dev);
    struct pv_host *host = pv_bus_host(pv_bus_of(dev));
    struct net_queue_config c = { .shared = &n->shared, .peers = n->queues, .name = pv_name(dev),
                                  .drain_ns = host->net_drain_ns ? host->net_drain_ns
                                                                 : DRAIN_DEFAULT,
                                  .broken = on_broken, .arg = dev };
    uint64_t queues = 1;
    int rc = pv_front_number(dev, "multi-queue-num-queues", n->queues_most, &queues, err);

    if (rc < 0 && rc != -ENOENT)
        return rc;
    if (rc == 0 && !queues)
        return error_set(err, -EINVAL, "%s: the frontend asks for no queue at all", pv_name(dev));
    if (!pv_front_flag(dev, "request-rx-copy"))
        return error_set(err, -EOPNOTSUPP,
                         "%s: the frontend does not ask for copies (request-rx-copy)",
                         pv_name(dev));
    net_shared_init(&n->shared, rc == 0 ? (unsigned)queues : 1);
    front_changed(dev);
    read_features(dev, &c.features);
    read_rate(dev, &c.rate_bytes, &c.rate_ns);
    rc = 0;
    for (unsigned i = 0; rc == 0 && i < n->shared.queues; i++)
        rc = open_queue(dev, n, i, &c, err);
    return rc < 0 ? rc : open_ctrl(dev, n, err);
}

/* ---- The end: all stop; then what they have sent one another arrives; then they are closed ---- */

static void one_less(void *arg);

static void tell(void *arg) /* on an I/O loop */
{
    loop_post(pv_bus_loop(pv_bus_of(pv_of(arg))), one_less, arg);
}

static void fence(struct netback *n)
{
    n->fenced = true;
    n->left = 1;
    for (unsigned i = 0; i < QUEUES_MOST; i++)
        if (n->queues[i]) {
            n->left++;
            loop_post(n->ios[i]->loop, tell, n);
        }
    one_less(n);
}

static void one_less(void *arg)
{
    struct netback *n = arg;

    if (--n->left)
        return;
    if (!n->fenced) {
        fence(n);
        return;
    }
    close_queues(n);
    pv_disconnected(pv_of(n));
}

static void disconnect(struct pv_device *dev)
{
    struct netback *n = pv_state(dev);

    n->fenced = false;
    n->left = 1; /* so that none of them is the last before all were asked */
    for (unsigned i = 0; i < QUEUES_MOST; i++)
        if (n->queues[i]) {
            n->left++;
            net_queue_stop(n->queues[i], tell, n);
        }
    if (n->ctrl) {
        n->left++;
        net_ctrl_stop(n->ctrl, tell, n);
    }
    loop_post(pv_bus_loop(pv_bus_of(dev)), one_less, n);
}

static void close_device(struct pv_device *dev)
{
    struct netback *n = pv_state(dev);

    close_queues(n);
    grants_close(n->grants);
    n->grants = NULL;
}

static void remove_device(struct pv_device *dev)
{
    close_ports(pv_state(dev), 0);
}

bool netback_info(struct pv_device *dev, struct net_info *info)
{
    const struct netback *n = pv_state(dev);

    if (pv_class_of(dev) != &netback_class)
        return false;
    *info = (struct net_info){ .ifname = n->ifname };
    if (pv_phase(dev) == PV_LINKED)
        info->queues = n->shared.queues;
    return true;
}

struct net_stats netback_stats(struct pv_device *dev, unsigned queue)
{
    const struct netback *n = pv_state(dev);

    return net_queue_stats(n->queues[queue]);
}

const struct pv_class netback_class = {
    .kind = "vif", .front = "vif", .size = sizeof(struct netback), .closes_at_end = true,
    .ours = ours, .probe = probe, .connect = connect, .disconnect = disconnect, .close = close_device,
    .remove = remove_device, .front_changed = front_changed,
};
