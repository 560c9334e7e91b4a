/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message that travels from loop to loop. */
#include <stdlib.h>
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/machine/machine.h"
#include "dm/machine/visit.h"

struct visit {
    struct machine *machine;
    unsigned seat;
    void (*here)(void *arg, struct seat *seat);
    void (*done)(void *arg);
    void *arg;
};

static void home(void *arg)
{
    struct visit *v = arg;

    v->done(v->arg);
    free(v);
}

static void arrive(void *arg);

static void go_on(struct visit *v)
{
    while (v->seat < SEATS && !v->machine->seats[v->seat].used)
        v->seat++;
    if (v->seat < SEATS)
        loop_post(v->machine->seats[v->seat].loop, arrive, v);
    else
        loop_post(v->machine->loop, home, v);
}

static void arrive(void *arg)
{
    struct visit *v = arg;

    v->here(v->arg, &v->machine->seats[v->seat++]);
    go_on(v);
}

void machine_visit(struct machine *m, void (*here)(void *arg, struct seat *seat),
                   void (*done)(void *arg), void *arg)
{
    struct visit *v = malloc(sizeof(*v));

    if (!v) {
        log_error("out of memory while looking at the devices");
        loop_post(m->loop, done, arg);
        return;
    }
    *v = (struct visit){ .machine = m, .here = here, .done = done, .arg = arg };
    go_on(v);
}
