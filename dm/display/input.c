/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From people's hands to the guest's devices. Events posted from other loops are few words each,
 * and no more than QUEUE_MOST may wait: a client that floods us loses events, not our memory. Keys
 * that are down are remembered, so that switching devices leaves none of them hanging.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/base/tape.h"
#include "dm/display/input.h"

#define QUEUE_MOST 1024
#define KEYS 512

enum kind { KEY, POINTER_ABS, POINTER_REL, WHEEL, KINDS };

struct input_device {
    struct input *input;
    const struct input_ops *ops;
    void *owner;
    unsigned active; /* number of its activation; 0: not */
    struct input_device *next;
};

struct input {
    struct loop *loop;
    struct input_device *devices;
    unsigned activations;
    unsigned buttons; /* held now, for the wheel */
    struct input_device *key_owner[KEYS]; /* who was told of a key that is down */
    atomic_uint waiting, leds;
    atomic_bool wants_abs;
};

struct event {
    struct input *input;
    enum kind kind;
    int a, b;
    unsigned buttons;
};

int input_open(struct input **out, struct loop *machine_loop, struct error *err)
{
    struct input *in = calloc(1, sizeof(*in));

    if (!in)
        return error_set(err, -ENOMEM, "input: out of memory");
    in->loop = machine_loop;
    *out = in;
    return 0;
}

void input_close(struct input *in)
{
    if (!in)
        return;
    while (in->devices)
        input_detach(in->devices);
    free(in);
}

static bool takes(const struct input_device *dev, enum kind kind)
{
    switch (kind) {
    case KEY: return dev->ops->key;
    case POINTER_ABS: return dev->ops->pointer_abs;
    case POINTER_REL: return dev->ops->pointer_rel;
    default: return dev->ops->wheel;
    }
}

/* The device that was activated last; before any is, the one attached first. */
static struct input_device *preferred(struct input *in, enum kind kind)
{
    struct input_device *best = NULL;

    for (struct input_device *d = in->devices; d; d = d->next)
        if (takes(d, kind) && (!best || d->active > best->active))
            best = d;
    return best;
}

/*
 * A tablet that its driver has enabled is what people want: nobody plugs one in to use the mouse
 * beside it, whichever of the two drivers came last.
 */
static void update_wants(struct input *in)
{
    struct input_device *abs = preferred(in, POINTER_ABS), *rel = preferred(in, POINTER_REL);

    atomic_store(&in->wants_abs, abs && (!rel || abs->active));
}

static void deliver_key(struct input *in, unsigned key, bool down)
{
    struct input_device *dev;

    if (key >= KEYS)
        return;
    dev = in->key_owner[key] ? in->key_owner[key] : preferred(in, KEY);
    if (!dev)
        return;
    in->key_owner[key] = down ? dev : NULL;
    dev->ops->key(dev->owner, key, down);
}

static void deliver_wheel(struct input *in, int dz)
{
    bool abs = atomic_load(&in->wants_abs);
    struct input_device *pointer = preferred(in, abs ? POINTER_ABS : POINTER_REL);
    struct input_device *dev = pointer && takes(pointer, WHEEL) ? pointer : preferred(in, WHEEL);

    if (dev)
        dev->ops->wheel(dev->owner, dz, in->buttons);
}

static void record(struct tape *tape, const struct event *e)
{
    tape_begin(tape, TAPE_INPUT);
    tape_number(tape, e->kind);
    tape_number(tape, (uint32_t)e->a);
    tape_number(tape, (uint32_t)e->b);
    tape_number(tape, e->buttons);
}

static void perform(struct input *in, const struct event *e)
{
    struct input_device *dev;

    switch (e->kind) {
    case KEY:
        deliver_key(in, (unsigned)e->a, e->b);
        break;
    case POINTER_ABS:
        in->buttons = e->buttons;
        dev = preferred(in, POINTER_ABS);
        if (dev)
            dev->ops->pointer_abs(dev->owner, (unsigned)e->a, (unsigned)e->b, e->buttons);
        break;
    case POINTER_REL:
        in->buttons = e->buttons;
        dev = preferred(in, POINTER_REL);
        if (dev)
            dev->ops->pointer_rel(dev->owner, e->a, e->b, e->buttons);
        break;
    default:
        deliver_wheel(in, e->a);
        break;
    }
}

static void deliver(void *arg)
{
    struct tape *tape = tape_here();
    struct event *e = arg;

    atomic_fetch_sub(&e->input->waiting, 1);
    if (tape)
        record(tape, e);
    perform(e->input, e);
    if (tape)
        tape_end(tape);
    free(e);
}

void input_play(struct input *in, struct tape *tape)
{
    struct event e = { .input = in };

    e.kind = (enum kind)(tape_take_number(tape) % KINDS);
    e.a = (int)tape_take_number(tape);
    e.b = (int)tape_take_number(tape);
    e.buttons = (unsigned)tape_take_number(tape);
    perform(in, &e);
}

static void post(struct input *in, enum kind kind, int a, int b, unsigned buttons)
{
    bool released = kind == KEY && !b;
    struct event *e;

    /* room is kept for releases, or a key would stay down for ever */
    if (atomic_fetch_add(&in->waiting, 1) >= (released ? 2 * QUEUE_MOST : QUEUE_MOST)) {
        atomic_fetch_sub(&in->waiting, 1);
        return;
    }
    e = malloc(sizeof(*e));
    if (!e) {
        atomic_fetch_sub(&in->waiting, 1);
        return;
    }
    *e = (struct event){ in, kind, a, b, buttons };
    loop_post(in->loop, deliver, e);
}

void input_key(struct input *in, unsigned key, bool down)
{
    post(in, KEY, (int)key, down, 0);
}

void input_pointer_abs(struct input *in, unsigned x, unsigned y, unsigned buttons)
{
    post(in, POINTER_ABS, (int)MIN(x, INPUT_ABS_MAX), (int)MIN(y, INPUT_ABS_MAX), buttons);
}

void input_pointer_rel(struct input *in, int dx, int dy, unsigned buttons)
{
    post(in, POINTER_REL, dx, dy, buttons);
}

void input_wheel(struct input *in, int dz)
{
    post(in, WHEEL, dz, 0, 0);
}

bool input_wants_abs(const struct input *in)
{
    return atomic_load(&in->wants_abs);
}

unsigned input_leds(const struct input *in)
{
    return atomic_load(&in->leds);
}

int input_attach(struct input_device **out, struct input *in, const struct input_ops *ops,
                 void *owner, struct error *err)
{
    struct input_device *dev = calloc(1, sizeof(*dev)), **p = &in->devices;

    if (!dev)
        return error_set(err, -ENOMEM, "input: out of memory");
    *dev = (struct input_device){ .input = in, .ops = ops, .owner = owner };
    while (*p)
        p = &(*p)->next;
    *p = dev;
    update_wants(in);
    *out = dev;
    return 0;
}

void input_detach(struct input_device *dev)
{
    struct input_device **p;

    if (!dev)
        return;
    for (p = &dev->input->devices; *p != dev;)
        p = &(*p)->next;
    *p = dev->next;
    for (unsigned key = 0; key < KEYS; key++)
        if (dev->input->key_owner[key] == dev)
            dev->input->key_owner[key] = NULL;
    update_wants(dev->input);
    free(dev);
}

void input_activate(struct input_device *dev)
{
    dev->active = ++dev->input->activations;
    update_wants(dev->input);
}

void input_deactivate(struct input_device *dev)
{
    dev->active = 0;
    update_wants(dev->input);
}

void input_set_leds(struct input *in, unsigned leds)
{
    atomic_store(&in->leds, leds);
}
