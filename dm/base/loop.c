/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop: epoll for descriptors, a binary heap of timers, an inbox that an eventfd wakes,
 * and a window of polling before sleep. The inbox's mutex is the only lock, and guards two pointers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/base/tape.h"

#define EVENTS_A_PASS 32
/* Descriptors wait a little while there is other work: so much of it between two looks at them. */
#define WORK_A_LOOK 16u
#define WORK_OF_A_PASS 4u /* of messages or timers; what a poller found is 1 */
#define TURNS_A_LOOK 4u   /* of the window, where there is no work */
#define WINDOW_DEFAULT (50 * NS_PER_US)
#define WINDOW_LEAST (2 * NS_PER_US)
#define VAIN_MOST 16u            /* windows in a row without a find: what comes needs our CPU, say */
#define REST_NS (20 * NS_PER_MS) /* then it sleeps at once for so long */
#define STOPPED_LEAST (10 * NS_PER_MS) /* between looks at a clock that stands still */

struct message {
    struct message *next;
    void (*fn)(void *arg);
    void *arg;
};

struct watch {
    struct loop *loop;
    int fd;
    unsigned events;
    watch_fn *fn;
    void *arg;
    bool closed;        /* freed after the pass: an event of it may still be in the batch */
    struct watch *next; /* in the loop's list of closed ones */
};

struct loop {
    char name[16];
    int epoll, wake;
    atomic_bool stop;
    atomic_bool asleep; /* posters write the eventfd only if somebody may be sleeping */
    pthread_mutex_t inbox_mutex;
    struct message *inbox, **inbox_tail;
    atomic_bool has_mail;
    struct timer **heap; /* heap[1] is due first */
    size_t timers, heap_room;
    struct timer *firing; /* whose function runs; it may be gone with its owner */
    bool fired_again;     /* that function has set it anew */
    struct poller *pollers, *next_poller; /* next_*: where a walk goes on, whoever is removed */
    struct hook *hooks, *next_hook;
    struct watch *closed;
    struct tape *tape;
    uint64_t window_most, window;
    uint64_t idle_since; /* when the last window began, or the sleep where there was none */
    uint64_t rest_until;
    unsigned vain;
    unsigned unseen; /* work done since the descriptors were looked at */
    pthread_t thread;
    bool threaded;
    int nice;
    struct loop_stats stats; /* written by the loop's thread; others read a stale word at worst */
};

static _Thread_local struct loop *current;

struct loop *loop_current(void)
{
    return current;
}

struct loop *loop_enter(struct loop *l)
{
    struct loop *outer = current;

    current = l;
    tape_of_thread = l ? l->tape : NULL;
    return outer;
}

void loop_set_tape(struct loop *l, struct tape *tape)
{
    l->tape = tape;
}

struct tape *loop_tape(const struct loop *l)
{
    return l->tape;
}

const char *loop_name(const struct loop *loop)
{
    return loop->name;
}

int loop_open(struct loop **out, const char *name, struct error *err)
{
    struct loop *l = calloc(1, sizeof(*l));
    struct epoll_event ev = { .events = EPOLLIN };
    int rc;

    if (!l)
        return error_set(err, -ENOMEM, "loop %s: out of memory", name);
    l->epoll = l->wake = -1;
    pthread_mutex_init(&l->inbox_mutex, NULL);
    l->inbox_tail = &l->inbox;
    l->window = l->window_most = WINDOW_DEFAULT;
    for (size_t i = 0; i + 1 < sizeof(l->name) && name[i]; i++)
        l->name[i] = name[i];
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->epoll < 0 || l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &ev) < 0) {
        rc = error_errno(err, "open the event loop %s", name);
        loop_close(l);
        return rc;
    }
    *out = l;
    return 0;
}

static void free_closed(struct loop *l)
{
    struct watch *w;

    while ((w = l->closed)) {
        l->closed = w->next;
        free(w);
    }
}

void loop_close(struct loop *l)
{
    struct message *m;

    if (!l)
        return;
    while ((m = l->inbox)) {
        l->inbox = m->next;
        free(m);
    }
    free_closed(l);
    if (l->epoll >= 0)
        close(l->epoll);
    if (l->wake >= 0)
        close(l->wake);
    pthread_mutex_destroy(&l->inbox_mutex);
    free(l->heap);
    free(l);
}

/* ---- Messages ---- */

static void wake(struct loop *l)
{
    uint64_t one = 1;

    if (atomic_load(&l->asleep) && write(l->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_error("wake loop %s: errno %d", l->name, errno);
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct message *m = malloc(sizeof(*m));

    if (!m) {
        log_error("out of memory for a message to loop %s", l->name);
        abort();
    }
    *m = (struct message){ .fn = fn, .arg = arg };
    pthread_mutex_lock(&l->inbox_mutex);
    *l->inbox_tail = m;
    l->inbox_tail = &m->next;
    pthread_mutex_unlock(&l->inbox_mutex);
    atomic_store(&l->has_mail, true);
    wake(l);
}

static bool run_messages(struct loop *l)
{
    struct message *m, *next;

    if (!atomic_exchange(&l->has_mail, false))
        return false;
    pthread_mutex_lock(&l->inbox_mutex);
    m = l->inbox;
    l->inbox = NULL;
    l->inbox_tail = &l->inbox;
    pthread_mutex_unlock(&l->inbox_mutex);
    for (; m; m = next) {
        next = m->next;
        m->fn(m->arg);
        free(m);
        l->stats.messages++;
    }
    return true;
}

bool loop_run_messages(struct loop *l)
{
    struct loop *outer = loop_enter(l);
    bool any = run_messages(l);

    loop_enter(outer);
    return any;
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    wake(l);
}

/* ---- Watches ---- */

static uint32_t to_epoll(unsigned events)
{
    return (events & WATCH_READ ? (uint32_t)EPOLLIN : 0) |
           (events & WATCH_WRITE ? (uint32_t)EPOLLOUT : 0);
}

int watch_open(struct watch **out, struct loop *l, int fd, unsigned events, watch_fn *fn,
               void *arg, struct error *err)
{
    struct watch *w = calloc(1, sizeof(*w));
    struct epoll_event ev = { .events = to_epoll(events), .data.ptr = w };

    if (!w)
        return error_set(err, -ENOMEM, "loop %s: out of memory", l->name);
    *w = (struct watch){ .loop = l, .fd = fd, .events = events, .fn = fn, .arg = arg };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
        free(w);
        return error_errno(err, "watch descriptor %d", fd);
    }
    *out = w;
    return 0;
}

void watch_set(struct watch *w, unsigned events)
{
    struct epoll_event ev = { .events = to_epoll(events), .data.ptr = w };

    if (w->events == events)
        return;
    w->events = events;
    if (epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &ev) < 0)
        log_error("loop %s: change the watch of descriptor %d: errno %d", w->loop->name, w->fd,
                  errno);
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    w->closed = true;
    w->next = w->loop->closed;
    w->loop->closed = w;
}

/* ---- Timers: a heap by due time, 1-based so that slot 0 means "not set" ---- */

static void heap_put(struct loop *l, size_t slot, struct timer *t)
{
    l->heap[slot] = t;
    t->slot = slot;
}

static void heap_up(struct loop *l, size_t slot)
{
    struct timer *t = l->heap[slot];

    for (; slot > 1 && l->heap[slot / 2]->due > t->due; slot /= 2)
        heap_put(l, slot, l->heap[slot / 2]);
    heap_put(l, slot, t);
}

static void heap_down(struct loop *l, size_t slot)
{
    struct timer *t = l->heap[slot];
    size_t child;

    for (; (child = 2 * slot) <= l->timers; slot = child) {
        if (child < l->timers && l->heap[child + 1]->due < l->heap[child]->due)
            child++;
        if (l->heap[child]->due >= t->due)
            break;
        heap_put(l, slot, l->heap[child]);
    }
    heap_put(l, slot, t);
}

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg)
{
    *t = (struct timer){ .loop = l, .fn = fn, .arg = arg };
}

void timer_init_recorded(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg)
{
    timer_init(t, l, fn, arg);
    t->number = l->tape ? tape_add_timer(l->tape, t) : 0;
}

void timer_set(struct timer *t, uint64_t due)
{
    struct loop *l = t->loop;

    timer_clear(t);
    t->due = due;
    if (t == l->firing)
        l->fired_again = true;
    if (l->timers + 1 >= l->heap_room) {
        size_t room = l->heap_room ? 2 * l->heap_room : 16;
        struct timer **heap = realloc(l->heap, room * sizeof(*heap));

        if (!heap) {
            log_error("out of memory for a timer of loop %s", l->name);
            abort();
        }
        l->heap = heap;
        l->heap_room = room;
    }
    heap_put(l, ++l->timers, t);
    heap_up(l, t->slot);
}

void timer_set_in(struct timer *t, uint64_t ns)
{
    timer_set(t, clock_now() + ns);
}

void timer_clear(struct timer *t)
{
    struct loop *l = t->loop;
    size_t slot = t->slot;
    struct timer *last;

    if (!slot)
        return;
    t->slot = 0;
    last = l->heap[l->timers--];
    if (last == t)
        return;
    heap_put(l, slot, last);
    heap_up(l, slot);
    heap_down(l, last->slot);
}

bool timer_is_set(const struct timer *t)
{
    return t->slot != 0;
}

uint64_t loop_next_timer(const struct loop *l)
{
    return l->timers ? l->heap[1]->due : UINT64_MAX;
}

void timer_fire(struct timer *t)
{
    struct tape *tape = t->number ? tape_here() : NULL;

    if (tape) {
        tape_begin(tape, TAPE_TIMER);
        tape_number(tape, t->number);
    }
    t->fn(t->arg); /* after which its owner may be gone */
    if (tape)
        tape_end(tape);
}

static bool run_timers(struct loop *l)
{
    uint64_t now;
    bool any = false;

    if (!l->timers)
        return false;
    now = clock_now(); /* once: a timer that sets itself again at once must not keep us here */
    while (l->timers && l->heap[1]->due <= now) {
        struct timer *t = l->heap[1];

        timer_clear(t);
        l->firing = t;
        l->fired_again = false;
        timer_fire(t);
        l->stats.timers++;
        any = true;
        if (l->fired_again && l->timers && l->heap[1]->due <= now)
            break;
    }
    l->firing = NULL;
    return any;
}

void loop_run_timers(struct loop *l)
{
    run_timers(l);
}

/* ---- Pollers and hooks ---- */

void loop_add_poller(struct loop *l, struct poller *p)
{
    p->next = l->pollers;
    l->pollers = p;
}

void loop_remove_poller(struct loop *l, struct poller *p)
{
    if (l->next_poller == p)
        l->next_poller = p->next;
    for (struct poller **at = &l->pollers; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            return;
        }
}

void loop_add_hook(struct loop *l, struct hook *h)
{
    h->next = l->hooks;
    l->hooks = h;
}

void loop_remove_hook(struct loop *l, struct hook *h)
{
    if (l->next_hook == h)
        l->next_hook = h->next;
    for (struct hook **at = &l->hooks; *at; at = &(*at)->next)
        if (*at == h) {
            *at = h->next;
            return;
        }
}

void loop_set_poll_window(struct loop *l, uint64_t ns)
{
    l->window_most = ns;
    l->window = ns;
}

bool loop_polls(const struct loop *l)
{
    return l->pollers && l->window_most;
}

static bool poll_once(struct loop *l)
{
    bool any = false;

    for (struct poller *p = l->pollers; p; p = l->next_poller) {
        l->next_poller = p->next;
        any |= p->poll(p->arg);
    }
    l->next_poller = NULL;
    return any;
}

static void run_hooks(struct loop *l)
{
    for (struct hook *h = l->hooks; h; h = l->next_hook) {
        l->next_hook = h->next;
        h->fn(h->arg);
    }
    l->next_hook = NULL;
}

/* ---- Descriptors ---- */

static const struct timespec no_wait;

static bool run_events(struct loop *l, const struct timespec *wait)
{
    struct epoll_event events[EVENTS_A_PASS];
    int n = epoll_pwait2(l->epoll, events, EVENTS_A_PASS, wait, NULL);
    bool any = false;

    l->unseen = 0;
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;
        uint32_t e = events[i].events;
        uint64_t count;

        if (!w) { /* the wake-up */
            if (read(l->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
                log_error("loop %s: read the wake-up: errno %d", l->name, errno);
            continue;
        }
        if (w->closed)
            continue;
        w->fn(w->arg, (e & EPOLLIN ? WATCH_READ : 0) | (e & EPOLLOUT ? WATCH_WRITE : 0) |
                          (e & (EPOLLHUP | EPOLLERR) ? WATCH_HANGUP : 0));
        l->stats.events++;
        any = true;
    }
    free_closed(l);
    return any;
}

/* After so much other work. */
static void look(struct loop *l, unsigned work)
{
    l->unseen += work;
    if (l->unseen >= WORK_A_LOOK)
        run_events(l, &no_wait);
}

/* ---- The pass ---- */

/*
 * How long it pays to look is known when the sleep ends: if all of it was short, a longer window would
 * have seen what came, and if not, a shorter one does. A guest that stops asking soon costs nothing.
 */
static void tune_window(struct loop *l)
{
    if (clock_now() - l->idle_since < l->window_most)
        l->window = MIN(2 * l->window, l->window_most);
    else
        l->window = MAX(l->window / 2, WINDOW_LEAST);
}

/* Looks at the pollers, and now and then at descriptors, for up to the window. */
static bool poll_window(struct loop *l)
{
    uint64_t now = clock_now();
    unsigned turns = 0;
    bool found = false;

    l->idle_since = now;
    if (now < l->rest_until)
        return false;
    do {
        for (int i = 0; i < 16 && !found; i++) {
            found = poll_once(l) || atomic_load_explicit(&l->has_mail, memory_order_relaxed);
            if (!found)
                __builtin_ia32_pause();
        }
        if (found)
            look(l, 1);
        else if (++turns % TURNS_A_LOOK == 0)
            found = run_events(l, &no_wait);
        if (found) {
            l->stats.poll_hits++;
            l->vain = 0;
            return true;
        }
        now = clock_now();
    } while (now - l->idle_since < l->window && (!l->timers || l->heap[1]->due > now));
    l->stats.poll_misses++;
    if (++l->vain == VAIN_MOST) {
        l->vain = 0;
        l->rest_until = now + REST_NS;
    }
    return false;
}

bool loop_step(struct loop *l)
{
    struct loop *outer = loop_enter(l);
    bool any;

    any = run_messages(l);
    any |= run_timers(l);
    any |= poll_once(l);
    run_hooks(l);
    any |= run_events(l, &no_wait);
    run_hooks(l);
    loop_enter(outer);
    return any;
}

static bool arm_pollers(struct loop *l)
{
    bool any = false;

    for (struct poller *p = l->pollers; p; p = l->next_poller) {
        l->next_poller = p->next;
        if (p->arm && p->arm(p->arg)) { /* no event comes for what is there already */
            p->poll(p->arg);
            any = true;
        }
    }
    l->next_poller = NULL;
    return any;
}

/* Sleeps until something happens or the next timer is due. */
static bool sleep_pass(struct loop *l)
{
    bool armed = arm_pollers(l); /* true: somebody is not to wait */
    uint64_t due = loop_next_timer(l), now = due == UINT64_MAX ? 0 : clock_now(), ns;
    struct timespec ts;
    bool any;

    ns = due > now ? due - now : 0;
    if (ns && ns < STOPPED_LEAST && clock_stopped()) /* it comes when somebody cranks the clock */
        ns = STOPPED_LEAST;
    ts.tv_sec = (time_t)(ns / NS_PER_SEC);
    ts.tv_nsec = (long)(ns % NS_PER_SEC);
    atomic_store(&l->asleep, true);
    if (armed || atomic_load(&l->has_mail) || atomic_load(&l->stop)) /* before we said we sleep */
        ts = no_wait;
    any = run_events(l, due == UINT64_MAX && (ts.tv_sec || ts.tv_nsec) ? NULL : &ts) || armed;
    atomic_store(&l->asleep, false);
    l->stats.wakeups++;
    return any;
}

void loop_run(struct loop *l)
{
    struct loop *outer = loop_enter(l);
    bool worth_polling = false;

    while (!atomic_load(&l->stop)) {
        bool any = run_messages(l);

        any |= run_timers(l);
        run_hooks(l);
        if (any) {
            look(l, WORK_OF_A_PASS);
            worth_polling = true;
        } else if (!worth_polling || !loop_polls(l) || clock_stopped()) { /* time has to pass there */
            worth_polling = sleep_pass(l);
        } else if (!poll_window(l)) {
            worth_polling = sleep_pass(l);
            if (worth_polling)
                tune_window(l);
        }
    }
    loop_enter(outer);
}

static void *thread_main(void *arg)
{
    struct loop *l = arg;

    prctl(PR_SET_NAME, l->name);
    if (l->nice)
        setpriority(PRIO_PROCESS, 0, l->nice);
    loop_run(l);
    return NULL;
}

void loop_set_nice(struct loop *l, int nice)
{
    l->nice = nice;
}

int loop_start_thread(struct loop *l, struct error *err)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all); /* signals are the machine loop's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&l->thread, NULL, thread_main, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return error_set(err, -rc, "start the thread of loop %s: errno %d", l->name, rc);
    l->threaded = true;
    return 0;
}

void loop_join_thread(struct loop *l)
{
    if (!l || !l->threaded)
        return;
    loop_stop(l);
    pthread_join(l->thread, NULL);
    l->threaded = false;
}

struct loop_stats loop_get_stats(const struct loop *l)
{
    return l->stats;
}
