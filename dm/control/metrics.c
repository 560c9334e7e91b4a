/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics: collected as JSON loop by loop, each where its counters are at home, and printed from
 * that as text. Names follow Prometheus' conventions ("_total" for counters, base units).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/histogram.h"
#include "dm/base/loop.h"
#include "dm/block/drive.h"
#include "dm/control/metrics.h"
#include "dm/machine/machine.h"
#include "dm/machine/pv.h"
#include "dm/machine/visit.h"
#include "dm/net/netport.h"
#include "dm/xen/grant.h"
#include "ioreq/server.h"
#include "ioreq/space.h"
#include "pv-backends/block/blkback.h"
#include "pv-backends/net/netback.h"

#define NS 1e9

struct collection {
    json_t *list;
    struct machine *machine;
    const char *loop; /* of the seat that is being looked at */
    void (*done)(void *arg, json_t *list);
    void *arg;
};

static void add(struct collection *c, const char *name, const char *type, json_t *labels,
                uint64_t value)
{
    json_array_append_new(c->list, json_pack("{s:s,s:s,s:o,s:I}", "name", name, "type", type,
                                             "labels", labels, "value", (json_int_t)value));
}

/* A counter; `labels` is taken over. */
static void count(struct collection *c, const char *name, json_t *labels, uint64_t value)
{
    add(c, name, "counter", labels, value);
}

static void gauge(struct collection *c, const char *name, json_t *labels, uint64_t value)
{
    add(c, name, "gauge", labels, value);
}

static void times(struct collection *c, const char *name, json_t *labels,
                  const struct histogram *from)
{
    json_t *buckets = json_array();
    struct histogram h = histogram_now(from);
    uint64_t below = 0;

    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        below += h.bucket[i];
        json_array_append_new(buckets, json_pack("{s:f,s:I}", "le", (double)histogram_limit(i) / NS,
                                                 "count", (json_int_t)below));
    }
    json_array_append_new(c->list,
                          json_pack("{s:s,s:s,s:o,s:I,s:f,s:o}", "name", name, "type", "histogram",
                                    "labels", labels, "count", (json_int_t)h.count, "sum",
                                    (double)h.sum_ns / NS, "buckets", buckets));
}

static json_t *label(const char *name, const char *value)
{
    return json_pack("{s:s}", name, value);
}

static json_t *labels2(const char *name, const char *value, const char *name2, const char *value2)
{
    return json_pack("{s:s,s:s}", name, value, name2, value2);
}

/* Of a PV device's queue; name NULL: nothing more. */
static json_t *labels_pv(const char *kind, const char *device, unsigned queue, const char *name,
                         const char *value)
{
    char text[12];
    json_t *labels;

    snprintf(text, sizeof(text), "%u", queue);
    labels = labels2(kind, device, "queue", text);
    if (name)
        json_object_set_new(labels, name, json_string(value));
    return labels;
}

/* ---- What there is ---- */

static void add_region(void *arg, const struct region_info *r)
{
    struct collection *c = arg;
    char base[24];
    json_t *labels;

    if (!r->reads && !r->writes)
        return; /* some fifty regions that nobody has touched tell nothing */
    snprintf(base, sizeof(base), "0x%llx", (unsigned long long)r->base);
    labels = json_pack("{s:s,s:s,s:s}", "loop", c->loop, "region", r->name, "base", base);
    count(c, "xen_dm_region_reads_total", json_incref(labels), r->reads);
    count(c, "xen_dm_region_writes_total", json_incref(labels), r->writes);
    times(c, "xen_dm_region_seconds", labels, r->times);
}

static void add_loop(struct collection *c, struct seat *s)
{
    struct loop_stats l = loop_get_stats(s->loop);

    count(c, "xen_dm_loop_wakeups_total", label("loop", c->loop), l.wakeups);
    count(c, "xen_dm_loop_polls_total", labels2("loop", c->loop, "found", "yes"), l.poll_hits);
    count(c, "xen_dm_loop_polls_total", labels2("loop", c->loop, "found", "no"), l.poll_misses);
    count(c, "xen_dm_loop_messages_total", label("loop", c->loop), l.messages);
    count(c, "xen_dm_loop_timers_total", label("loop", c->loop), l.timers);
    count(c, "xen_dm_loop_events_total", label("loop", c->loop), l.events);
}

static void add_server(struct collection *c, struct seat *s)
{
    static const char *const types[] = { "port", "mmio", "config" };
    struct server_stats st;

    if (!s->server)
        return;
    st = server_get_stats(s->server);
    for (unsigned i = 0; i < 3; i++)
        count(c, "xen_dm_ioreqs_total", labels2("loop", c->loop, "type", types[i]),
              st.requests[i]);
    count(c, "xen_dm_ioreqs_posted_total", label("loop", c->loop), st.buffered);
    count(c, "xen_dm_ioreqs_deferred_total", label("loop", c->loop), st.deferred);
    count(c, "xen_dm_invalidations_total", label("loop", c->loop), st.invalidations);
    times(c, "xen_dm_ioreq_seconds", label("loop", c->loop), server_times(s->server));
}

static void add_memory(struct collection *c, struct seat *s)
{
    struct memory_stats m = memory_get_stats(s->memory);

    gauge(c, "xen_dm_memory_windows", label("loop", c->loop), m.windows);
    gauge(c, "xen_dm_memory_windows_pinned", label("loop", c->loop), m.pinned);
    count(c, "xen_dm_memory_lookups_total", labels2("loop", c->loop, "mapped", "yes"), m.hits);
    count(c, "xen_dm_memory_lookups_total", labels2("loop", c->loop, "mapped", "no"), m.misses);
}

static void add_drive(struct collection *c, const struct drive *d)
{
    static const struct {
        const char *name;
        enum disk_op op;
    } ops[] = { { "read", DISK_READ }, { "write", DISK_WRITE }, { "flush", DISK_FLUSH } };
    const struct disk *disk = drive_disk(d);
    struct disk_stats s;

    if (!disk)
        return;
    s = disk_get_stats(disk);
    count(c, "xen_dm_disk_bytes_total", labels2("drive", drive_id(d), "op", "read"), s.read_bytes);
    count(c, "xen_dm_disk_bytes_total", labels2("drive", drive_id(d), "op", "write"),
          s.write_bytes);
    count(c, "xen_dm_disk_discards_total", label("drive", drive_id(d)), s.discards);
    count(c, "xen_dm_disk_errors_total", label("drive", drive_id(d)), s.errors);
    for (unsigned i = 0; i < 3; i++)
        times(c, "xen_dm_disk_seconds", labels2("drive", drive_id(d), "op", ops[i].name),
              disk_times(disk, ops[i].op));
}

static void add_vbd_queue(struct collection *c, const char *disk, unsigned queue,
                          const struct blk_stats *s)
{
    static const char *const kinds[] = { "read", "write", "flush", "barrier", "discard" };
    const struct {
        const char *name;
        uint64_t value;
    } all[] = { { "xen_dm_vbd_errors_total", s->errors }, { "xen_dm_vbd_merged_total", s->merged },
                { "xen_dm_vbd_passes_total", s->passes },
                { "xen_dm_vbd_notifies_total", s->notifies },
                { "xen_dm_vbd_copies_total", s->copies },
                { "xen_dm_vbd_mapped_requests_total", s->mapped } };

    for (unsigned i = 0; i < 5; i++)
        count(c, "xen_dm_vbd_requests_total", labels_pv("disk", disk, queue, "op", kinds[i]),
              s->requests[i]);
    for (unsigned i = 0; i < 2; i++)
        count(c, "xen_dm_vbd_bytes_total", labels_pv("disk", disk, queue, "op", kinds[i]), s->bytes[i]);
    for (unsigned i = 0; i < 3; i++)
        times(c, "xen_dm_vbd_seconds", labels_pv("disk", disk, queue, "op", kinds[i]), &s->times[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        count(c, all[i].name, labels_pv("disk", disk, queue, NULL, NULL), all[i].value);
    gauge(c, "xen_dm_vbd_persistent_pages", labels_pv("disk", disk, queue, NULL, NULL), s->persistent);
}

static void add_vif_queue(struct collection *c, const char *vif, unsigned queue,
                          const struct net_stats *s)
{
    const struct net_way *ways[] = { &s->tx, &s->rx };
    static const char *const names[] = { "from_guest", "to_guest" };

    for (unsigned i = 0; i < 2; i++) {
        const struct net_way *w = ways[i];
        const struct {
            const char *name;
            uint64_t value;
        } all[] = { { "xen_dm_vif_frames_total", w->frames }, { "xen_dm_vif_bytes_total", w->bytes },
                    { "xen_dm_vif_errors_total", w->errors },
                    { "xen_dm_vif_blank_checksums_total", w->blank },
                    { "xen_dm_vif_segmented_frames_total", w->segmented },
                    { "xen_dm_vif_batches_total", w->batches } };

        for (unsigned k = 0; k < ARRAY_SIZE(all); k++)
            count(c, all[k].name, labels_pv("vif", vif, queue, "way", names[i]), all[k].value);
    }
    count(c, "xen_dm_vif_dropped_total", labels_pv("vif", vif, queue, "way", "to_guest"), s->dropped);
    count(c, "xen_dm_vif_notifies_total", labels_pv("vif", vif, queue, NULL, NULL), s->notifies);
    count(c, "xen_dm_vif_copies_total", labels_pv("vif", vif, queue, NULL, NULL), s->copies);
    count(c, "xen_dm_vif_handed_total", labels_pv("vif", vif, queue, NULL, NULL), s->handed);
}

static void add_pv(void *arg, struct pv_device *dev)
{
    struct blk_info disk;
    struct net_info vif;

    for (unsigned i = 0; blkback_info(dev, &disk) && i < disk.queues; i++) {
        struct blk_stats s = blkback_stats(dev, i);

        add_vbd_queue(arg, disk.name, i, &s);
    }
    for (unsigned i = 0; netback_info(dev, &vif) && i < vif.queues; i++) {
        struct net_stats s = netback_stats(dev, i);

        add_vif_queue(arg, vif.ifname, i, &s);
    }
}

static void add_netport(struct collection *c, const struct netport *p)
{
    struct netport_stats s = netport_get_stats(p);
    const char *id = netport_id(p);

    count(c, "xen_dm_net_frames_total", labels2("netdev", id, "way", "to_guest"), s.rx_frames);
    count(c, "xen_dm_net_frames_total", labels2("netdev", id, "way", "from_guest"), s.tx_frames);
    count(c, "xen_dm_net_bytes_total", labels2("netdev", id, "way", "to_guest"), s.rx_bytes);
    count(c, "xen_dm_net_bytes_total", labels2("netdev", id, "way", "from_guest"), s.tx_bytes);
    count(c, "xen_dm_net_dropped_total", label("netdev", id), s.tx_dropped);
    count(c, "xen_dm_net_paused_total", label("netdev", id), s.rx_paused);
}

static void collect_here(void *arg, struct seat *s)
{
    struct collection *c = arg;
    struct machine *m = s->machine;

    c->loop = s->name;
    add_loop(c, s);
    add_server(c, s);
    add_memory(c, s);
    space_walk(s->board.ports, add_region, c);
    space_walk(s->board.mmio, add_region, c);
    for (unsigned i = 0; s == &m->seats[SEAT_DISK] && i < m->drive_count; i++)
        add_drive(c, m->drives[i]);
    for (unsigned i = 0; s == &m->seats[SEAT_NET] && i < m->netport_count; i++)
        add_netport(c, m->netports[i]);
}

static void collected(void *arg)
{
    struct collection *c = arg;
    struct grant_stats copies;

    machine_walk_pv(c->machine, add_pv, c); /* counters that any loop may look at */
    if (machine_pv_copies(c->machine, &copies)) {
        count(c, "xen_dm_grant_copies_total", label("by", "memory"), copies.reached);
        count(c, "xen_dm_grant_copies_total", label("by", "xen"), copies.by_xen);
    }
    c->done(c->arg, c->list);
    free(c);
}

void metrics_collect(struct machine *m, void (*done)(void *arg, json_t *list), void *arg)
{
    struct collection *c = calloc(1, sizeof(*c));

    if (!c) {
        done(arg, json_array());
        return;
    }
    *c = (struct collection){ .machine = m, .list = json_array(), .done = done, .arg = arg };
    machine_visit(m, collect_here, collected, c);
}

/* ---- Text ---- */

static void print_labels(FILE *f, const json_t *labels, const char *more)
{
    const char *key, *separator = "{";
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)labels, key, value) {
        fprintf(f, "%s%s=\"", separator, key);
        for (const char *p = json_string_value(value); *p; p++)
            if (*p == '\n')
                fputs("\\n", f);
            else
                fprintf(f, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
        fputc('"', f);
        separator = ",";
    }
    fprintf(f, "%s%s%s ", *more ? separator : "", more, *more || *separator == ',' ? "}" : "");
}

static void print_histogram(FILE *f, const json_t *one, const char *name)
{
    const json_t *labels = json_object_get(one, "labels"), *bucket;
    long long all = json_integer_value(json_object_get(one, "count"));
    char le[48];
    size_t i;

    json_array_foreach(json_object_get(one, "buckets"), i, bucket) {
        snprintf(le, sizeof(le), "le=\"%.9g\"", json_real_value(json_object_get(bucket, "le")));
        fprintf(f, "%s_bucket", name);
        print_labels(f, labels, le);
        fprintf(f, "%lld\n", (long long)json_integer_value(json_object_get(bucket, "count")));
    }
    fprintf(f, "%s_bucket", name);
    print_labels(f, labels, "le=\"+Inf\"");
    fprintf(f, "%lld\n%s_sum", all, name);
    print_labels(f, labels, "");
    fprintf(f, "%.9f\n%s_count", json_real_value(json_object_get(one, "sum")), name);
    print_labels(f, labels, "");
    fprintf(f, "%lld\n", all);
}

/* All samples of a name stand together, as the format wants them, after a line with their type. */
static void print_family(FILE *f, const json_t *list, const char *name)
{
    bool first = true;
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one) {
        const char *type = json_string_value(json_object_get(one, "type"));

        if (strcmp(json_string_value(json_object_get(one, "name")), name))
            continue;
        if (first)
            fprintf(f, "# TYPE %s %s\n", name, type);
        first = false;
        if (!strcmp(type, "histogram")) {
            print_histogram(f, one, name);
            continue;
        }
        fputs(name, f);
        print_labels(f, json_object_get(one, "labels"), "");
        fprintf(f, "%lld\n", (long long)json_integer_value(json_object_get(one, "value")));
    }
}

char *metrics_text(const json_t *list)
{
    json_t *seen = json_object(), *one;
    char *text = NULL;
    size_t size, i;
    FILE *f = open_memstream(&text, &size);

    if (!f) {
        json_decref(seen);
        return NULL;
    }
    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));

        if (!json_object_get(seen, name))
            print_family(f, list, name);
        json_object_set_new(seen, name, json_true());
    }
    json_decref(seen);
    if (fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}
