/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_LOOP_H
#define DM_BASE_LOOP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct error;
struct tape;

/*
 * One thread's event loop: descriptors (epoll), timers on the one clock, messages posted from
 * other loops, pollers that are watched for a short while before the loop sleeps, and hooks that
 * run before it sleeps (to submit a batch). Every object has a home loop, and only code on that
 * loop touches it; what crosses is a message. Functions here are for the home loop only unless
 * they say "any thread".
 */
struct loop;

int loop_open(struct loop **out, const char *name, struct error *err);
void loop_close(struct loop *loop); /* the loop is not running; messages not yet run are dropped */

/* Runs until loop_stop(). The calling thread is the loop's thread from then on. */
void loop_run(struct loop *loop);
/* One pass without sleeping: due timers, ready descriptors, messages. True if anything ran. */
bool loop_step(struct loop *loop);
/*
 * This thread acts as the loop's (NULL: as nobody's) from now on; whose it was is given back. For
 * who runs the loop's objects by hand.
 */
struct loop *loop_enter(struct loop *loop);
bool loop_run_messages(struct loop *loop); /* only what was posted; true if anything was */
void loop_stop(struct loop *loop); /* any thread */
/* Runs the loop in a thread of its own, and ends it again. Called from another loop's thread. */
int loop_start_thread(struct loop *loop, struct error *err);
/* How that thread stands against others (setpriority(2)); where the host forbids it, as ever. Before it starts. */
void loop_set_nice(struct loop *loop, int nice);
void loop_join_thread(struct loop *loop); /* loop_stop() and wait; fine if it was not started */

/* What reaches this loop's devices is recorded there, or comes from there. Before the loop runs. */
void loop_set_tape(struct loop *loop, struct tape *tape);
struct tape *loop_tape(const struct loop *loop); /* NULL: none */

const char *loop_name(const struct loop *loop); /* any thread */
struct loop *loop_current(void);                /* the loop running on this thread, or NULL */

/*
 * Runs fn(arg) on `loop`, later, in the order posted, never inside this call. Any thread. A message
 * is a few words of memory; where memory ends, so does the process: posts are few and bounded.
 */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* ---- Descriptors ---- */
#define WATCH_READ 1u
#define WATCH_WRITE 2u
#define WATCH_HANGUP 4u /* always reported */
struct watch;
typedef void watch_fn(void *arg, unsigned events);

/* The descriptor stays the caller's, and is closed by the caller after watch_close(). */
int watch_open(struct watch **out, struct loop *loop, int fd, unsigned events, watch_fn *fn,
               void *arg, struct error *err);
void watch_set(struct watch *watch, unsigned events);
void watch_close(struct watch *watch); /* NULL is fine; safe inside its own or another callback */

/* ---- Timers ---- Embedded in their owner; all fields private. */
struct timer {
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    uint64_t due;
    unsigned number; /* on the loop's tape, from 1; 0: it is not recorded */
    size_t slot; /* in the loop's heap, from 1; 0: not set */
};
void timer_init(struct timer *timer, struct loop *loop, void (*fn)(void *arg), void *arg);
/* A device's timer: its firing is an event on the loop's tape. */
void timer_init_recorded(struct timer *timer, struct loop *loop, void (*fn)(void *arg), void *arg);
/* Fires it now, as the loop would. For who plays a tape. */
void timer_fire(struct timer *timer);
void timer_set(struct timer *timer, uint64_t due); /* absolute, clock_now() time; replaces */
void timer_set_in(struct timer *timer, uint64_t ns);
void timer_clear(struct timer *timer); /* not set, or never initialised but zeroed: fine */
bool timer_is_set(const struct timer *timer);
uint64_t loop_next_timer(const struct loop *loop); /* UINT64_MAX where there is none */
/* For who cranks the clock: runs the timers that are due, once each, inside the call. */
void loop_run_timers(struct loop *loop);

/* ---- Pollers and hooks ---- Embedded in their owner. */
struct poller {
    bool (*poll)(void *arg); /* looks once, does what there is; true if there was something */
    /*
     * The loop is about to sleep: asks to be woken by what comes next. True if something came just
     * now: poll() is called for it. NULL: a descriptor wakes the loop in any case.
     */
    bool (*arm)(void *arg);
    void *arg;
    struct poller *next;
};
/*
 * After it has had work, a loop calls its pollers for a short self-tuning window before it sleeps, and
 * looks at its descriptors now and then. Windows that never find anything are left out for a while.
 */
void loop_add_poller(struct loop *loop, struct poller *poller);
void loop_remove_poller(struct loop *loop, struct poller *poller);
/* The longest such window in nanoseconds; 0 never polls. Default 50 us. Any thread, before run. */
void loop_set_poll_window(struct loop *loop, uint64_t ns);

bool loop_polls(const struct loop *loop); /* whether it has pollers and a window for them */

struct hook {
    void (*fn)(void *arg); /* runs once each pass before the loop may sleep */
    void *arg;
    struct hook *next;
};
void loop_add_hook(struct loop *loop, struct hook *hook);
void loop_remove_hook(struct loop *loop, struct hook *hook);

struct loop_stats {
    uint64_t wakeups;      /* times the thread slept and woke */
    uint64_t poll_hits;    /* windows in which a poller found work */
    uint64_t poll_misses;  /* windows that ended in sleep */
    uint64_t messages, timers, events;
};
struct loop_stats loop_get_stats(const struct loop *loop); /* any thread; a snapshot */
#endif
