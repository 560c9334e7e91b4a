/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A count of reports still to come, kept on the machine loop. */
#include <stdlib.h>
#include "devices/core/device.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/machine/gather.h"

struct gather {
    struct loop *machine;
    unsigned left;
    void (*done)(void *arg);
    void *arg;
};

struct gather *gather_begin(struct loop *machine, void (*done)(void *arg), void *arg)
{
    struct gather *g = calloc(1, sizeof(*g));

    if (!g) {
        log_error("out of memory while asking the devices");
        loop_post(machine, done, arg);
        return NULL;
    }
    *g = (struct gather){ .machine = machine, .left = 1, .done = done, .arg = arg };
    return g;
}

void gather_ask(struct gather *g, struct loop *loop, void (*fn)(void *share),
                struct device *device, unsigned how)
{
    struct share *s = g ? malloc(sizeof(*s)) : NULL;

    if (!s) {
        if (g)
            log_error("out of memory while asking %s", device_id(device));
        return;
    }
    *s = (struct share){ .gather = g, .device = device, .how = how };
    g->left++;
    loop_post(loop, fn, s);
}

static void reported(void *arg)
{
    struct gather *g = arg;

    if (--g->left)
        return;
    g->done(g->arg);
    free(g);
}

void gather_report(void *arg)
{
    struct gather *g = arg;

    loop_post(g->machine, reported, g);
}

void gather_end(struct gather *g)
{
    if (g)
        gather_report(g); /* the one that `left` began with */
}
