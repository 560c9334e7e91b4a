/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fault injection: see blkdebug.h. The words of its rules are QEMU's, "Block device debugging". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/block/blkdebug.h"
#include "dm/block/format.h"
#include "dm/block/queue.h"

#define RULES_MOST 32
#define BREAKS_MOST 8
#define SECTOR 512u

enum event { ALWAYS, READ_AIO, WRITE_AIO, FLUSH_TO_OS, FLUSH_TO_DISK, PDISCARD, PWRITE_ZEROES };

static const char *const events[] = { "none",          "read_aio", "write_aio",    "flush_to_os",
                                      "flush_to_disk", "pdiscard", "pwrite_zeroes" };
/* By enum disk_op. */
static const char *const iotypes[] = { "read", "write", "flush", "discard", "write-zeroes" };

struct rule {
    bool sets_state;
    enum event event;
    unsigned state, new_state; /* 0: any */
    int error;
    bool once, spent;
    int64_t sector; /* -1: any */
    int iotype;     /* -1: any */
};

struct waiting {
    struct waiting *next;
    struct disk_request *req;
    struct disk_queue *queue;
};

struct breakpoint {
    char tag[32]; /* "": not in use */
    enum event event;
    struct waiting *waiting;
};

struct blkdebug {
    struct disk disk;
    struct disk *below;
    struct rule rules[RULES_MOST];
    unsigned rule_count, state;
    struct breakpoint breaks[BREAKS_MOST];
};

/* What goes on to the disk below. */
struct forward {
    struct disk_request req;
    struct disk_request *above;
};

static struct blkdebug *of(const struct disk *disk)
{
    return container_of((struct disk *)(uintptr_t)disk, struct blkdebug, disk);
}

/* ---- Requests ---- */

static void forwarded(struct disk_request *req, int rc)
{
    struct forward *f = container_of(req, struct forward, req);
    struct disk_request *above = f->above;

    free(f);
    disk_done(above, rc);
}

static void go_below(struct blkdebug *b, struct disk_queue *queue, struct disk_request *req)
{
    struct forward *f = calloc(1, sizeof(*f));

    if (!f) {
        disk_queue_finish(queue, req, -ENOMEM);
        return;
    }
    f->above = req;
    f->req = (struct disk_request){ .op = req->op,
                                    .offset = req->offset,
                                    .length = req->length,
                                    .iov = req->iov,
                                    .iov_count = req->iov_count,
                                    .done = forwarded };
    disk_submit(b->below, queue, &f->req);
}

static bool hits(const struct rule *r, const struct disk_request *req)
{
    uint64_t at = (uint64_t)r->sector * SECTOR;

    if (r->iotype >= 0 && r->iotype != (int)req->op)
        return false;
    return r->sector < 0 ||
           (req->op != DISK_FLUSH && at >= req->offset && at - req->offset < req->length);
}

/* 0, or the error that this event has in store for the request. */
static int pass(struct blkdebug *b, enum event event, const struct disk_request *req)
{
    unsigned state = b->state;
    int error = 0;

    for (unsigned i = 0; i < b->rule_count; i++) {
        struct rule *r = &b->rules[i];

        if ((r->event != event && r->event != ALWAYS) || (r->state && r->state != state))
            continue;
        if (r->sets_state) {
            b->state = r->new_state;
        } else if (!error && !r->spent && hits(r, req)) {
            error = r->error;
            r->spent = r->once;
        }
    }
    return error;
}

static bool wait_at(struct blkdebug *b, enum event event, struct disk_queue *queue,
                    struct disk_request *req)
{
    for (unsigned i = 0; i < BREAKS_MOST; i++) {
        struct breakpoint *at = &b->breaks[i];
        struct waiting *w = *at->tag && at->event == event ? malloc(sizeof(*w)) : NULL;

        if (!w)
            continue;
        *w = (struct waiting){ at->waiting, req, queue };
        at->waiting = w;
        return true;
    }
    return false;
}

static void blkdebug_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    static const enum event first[] = { READ_AIO, WRITE_AIO, FLUSH_TO_OS, PDISCARD, PWRITE_ZEROES };
    struct blkdebug *b = of(disk);
    enum event event = first[req->op];
    int error = pass(b, event, req);

    if (wait_at(b, event, queue, req))
        return;
    if (!error && event == FLUSH_TO_OS) {
        error = pass(b, FLUSH_TO_DISK, req);
        if (wait_at(b, FLUSH_TO_DISK, queue, req))
            return;
    }
    if (error)
        disk_queue_finish(queue, req, -error);
    else
        go_below(b, queue, req);
}

static void blkdebug_close(struct disk *disk)
{
    struct blkdebug *b = of(disk);

    disk_close(b->below);
    free(b);
}

static const struct disk_ops blkdebug_ops = {
    .name = "blkdebug",
    .submit = blkdebug_submit,
    .close = blkdebug_close,
};

/* ---- Breakpoints ---- */

bool disk_is_blkdebug(const struct disk *disk)
{
    return disk->ops == &blkdebug_ops;
}

static int find(const char *const *names, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return (int)i;
    return -1;
}

bool blkdebug_break(struct disk *disk, const char *event, const char *tag)
{
    struct blkdebug *b = of(disk);
    int e = find(events, ARRAY_SIZE(events), event);

    for (unsigned i = 0; e > 0 && *tag && i < BREAKS_MOST; i++)
        if (!*b->breaks[i].tag) {
            b->breaks[i].event = (enum event)e;
            snprintf(b->breaks[i].tag, sizeof(b->breaks[i].tag), "%s", tag);
            return true;
        }
    return false;
}

bool blkdebug_resume(struct disk *disk, const char *tag)
{
    struct blkdebug *b = of(disk);
    struct waiting *w;

    for (unsigned i = 0; *tag && i < BREAKS_MOST; i++) {
        if (strcmp(b->breaks[i].tag, tag))
            continue;
        *b->breaks[i].tag = 0;
        while ((w = b->breaks[i].waiting)) {
            b->breaks[i].waiting = w->next;
            go_below(b, w->queue, w->req);
            free(w);
        }
        return true;
    }
    return false;
}

/* ---- Rules ---- */

/* One "name = value" of the group that began last. */
static int take(struct rule *r, const char *name, const char *value)
{
    int n = atoi(value);

    if (!strcmp(name, "event")) {
        n = find(events, ARRAY_SIZE(events), value);
        r->event = (enum event)n;
        return n < 0 ? -EINVAL : 0;
    }
    if (!strcmp(name, "iotype")) {
        r->iotype = find(iotypes, ARRAY_SIZE(iotypes), value);
        return r->iotype < 0 ? -EINVAL : 0;
    }
    if (!strcmp(name, "state"))
        r->state = (unsigned)n;
    else if (!strcmp(name, "new_state"))
        r->new_state = (unsigned)n;
    else if (!strcmp(name, "errno"))
        r->error = n;
    else if (!strcmp(name, "sector"))
        r->sector = n;
    else if (!strcmp(name, "once"))
        r->once = !strcmp(value, "on");
    else if (strcmp(name, "immediately")) /* a completion never runs inside the submit */
        return -EINVAL;
    return 0;
}

static int begin(struct blkdebug *b, const char *group)
{
    struct rule *r = &b->rules[b->rule_count];

    if (b->rule_count == RULES_MOST ||
        (strcmp(group, "inject-error") && strcmp(group, "set-state")))
        return -EINVAL;
    *r = (struct rule){
        .sets_state = !strcmp(group, "set-state"), .error = EIO, .sector = -1, .iotype = -1
    };
    b->rule_count++;
    return 0;
}

static int read_rules(struct blkdebug *b, const char *path, struct error *err)
{
    char line[256], name[32], value[128];
    FILE *f = fopen(path, "re");
    int rc = 0;

    if (!f)
        return error_errno(err, "read the rules of %s", path);
    while (rc == 0 && fgets(line, sizeof(line), f)) {
        if (sscanf(line, " [%31[a-z-]]", name) == 1)
            rc = begin(b, name);
        else if (sscanf(line, " %31[a-z_] = \"%127[^\"]\"", name, value) == 2)
            rc = b->rule_count ? take(&b->rules[b->rule_count - 1], name, value) : -EINVAL;
        else if (line[strspn(line, " \t\r\n")] && line[strspn(line, " \t")] != '#')
            rc = -EINVAL;
        if (rc < 0)
            error_set(err, rc, "rules of %s: \"%.*s\" is not understood", path,
                      (int)strcspn(line, "\r\n"), line);
    }
    fclose(f);
    return rc;
}

int blkdebug_open(struct disk **out, const struct disk_config *config, struct error *err)
{
    struct blkdebug *b = calloc(1, sizeof(*b));
    struct disk_config below = *config;
    char rules[4096];
    const char *image;
    size_t n;
    int rc;

    if (!b)
        return error_set(err, -ENOMEM, "disk %s: out of memory", config->path);
    b->state = 1;
    rc = disk_init(&b->disk, &blkdebug_ops, config, err);
    if (rc < 0)
        goto fail;
    n = strcspn(config->path, ":");
    image = config->path[n] ? strchr(config->path + n + 1, ':') : NULL;
    if (!image || (size_t)(image - config->path) >= sizeof(rules)) {
        rc = error_set(err, -EINVAL, "disk %s: use blkdebug:RULES:IMAGE", config->path);
        goto fail;
    }
    snprintf(rules, sizeof(rules), "%.*s", (int)(image - config->path - n - 1),
             config->path + n + 1);
    if (*rules)
        rc = read_rules(b, rules, err);
    below.path = image + 1;
    below.format = strncmp(below.path, "null-co://", 10) ? "raw" : "null-co";
    if (rc == 0)
        rc = disk_open(&b->below, &below, err);
    if (rc < 0)
        goto fail;
    b->disk.bytes = b->below->bytes;
    b->disk.sector_size = b->below->sector_size;
    atomic_store(&b->disk.takes_discard, disk_takes_discard(b->below));
    *out = &b->disk;
    return 0;

fail:
    disk_close(&b->disk);
    return rc;
}
