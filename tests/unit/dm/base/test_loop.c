/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: timers on a cranked clock, messages from threads, descriptors, pollers, hooks. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "tests/kit/check.h"

static struct loop *open_loop(void)
{
    struct error err = { "" };
    struct loop *l = NULL;

    clock_stop(NS_PER_SEC);
    CHECK_EQ(loop_open(&l, "test", &err), 0);
    return l;
}

static void settle(struct loop *l)
{
    for (int i = 0; i < 1000 && loop_step(l); i++)
        ;
}

/* ---- Timers ---- */

struct note {
    struct timer timer;
    char letter;
    char *log; /* letters in the order of their firing */
    uint64_t again_in; /* sets itself anew, at most `left` times */
    unsigned left, fired;
};

static void fire(void *arg)
{
    struct note *n = arg;

    n->fired++;
    if (n->log)
        n->log[strlen(n->log)] = n->letter;
    if (n->left) {
        n->left--;
        timer_set_in(&n->timer, n->again_in);
    }
}

TEST(timers_fire_in_the_order_of_their_due_times_and_not_before)
{
    struct loop *l = open_loop();
    char log[16] = "";
    struct note notes[5];
    static const unsigned due_ms[5] = { 30, 10, 50, 20, 40 };

    for (unsigned i = 0; i < 5; i++) {
        notes[i] = (struct note){ .letter = (char)('a' + i), .log = log };
        timer_init(&notes[i].timer, l, fire, &notes[i]);
        timer_set_in(&notes[i].timer, due_ms[i] * NS_PER_MS);
    }
    settle(l);
    CHECK_STR(log, "");
    CHECK_EQ(loop_next_timer(l), clock_now() + 10 * NS_PER_MS);
    clock_crank(10 * NS_PER_MS - 1);
    settle(l);
    CHECK_STR(log, "");
    clock_crank(1);
    settle(l);
    CHECK_STR(log, "b");
    clock_crank(NS_PER_SEC);
    settle(l);
    CHECK_STR(log, "bdaec");
    CHECK_EQ(loop_next_timer(l), UINT64_MAX);
    loop_close(l);
}

TEST(a_timer_set_again_moves_and_a_cleared_one_never_fires)
{
    struct loop *l = open_loop();
    char log[16] = "";
    struct note a = { .letter = 'a', .log = log }, b = { .letter = 'b', .log = log };
    struct timer zeroed = { 0 };

    timer_init(&a.timer, l, fire, &a);
    timer_init(&b.timer, l, fire, &b);
    timer_set_in(&a.timer, 1000);
    timer_set_in(&b.timer, 2000);
    timer_set_in(&a.timer, 3000);
    CHECK(timer_is_set(&a.timer));
    clock_crank(2000);
    settle(l);
    CHECK_STR(log, "b");
    timer_clear(&a.timer);
    timer_clear(&a.timer);
    timer_clear(&zeroed);
    CHECK(!timer_is_set(&a.timer));
    clock_crank(NS_PER_SEC);
    settle(l);
    CHECK_STR(log, "b");
    loop_close(l);
}

TEST(a_thousand_timers_set_and_cleared_at_random_fire_in_order)
{
    enum { COUNT = 1000 };
    struct loop *l = open_loop();
    struct note *notes = calloc(COUNT, sizeof(*notes));
    uint32_t x = 12345;
    unsigned expected = 0, fired = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        timer_init(&notes[i].timer, l, fire, &notes[i]);
        timer_set(&notes[i].timer, clock_now() + (x = x * 1664525 + 1013904223) % 100000);
    }
    for (unsigned i = 0; i < COUNT; i += 3)
        timer_clear(&notes[i].timer);
    for (unsigned i = 0; i < COUNT; i += 7)
        timer_set(&notes[i].timer, clock_now() + (x = x * 1664525 + 1013904223) % 100000);
    for (unsigned i = 0; i < COUNT; i++)
        expected += timer_is_set(&notes[i].timer);
    for (uint64_t due, before = 0; (due = loop_next_timer(l)) != UINT64_MAX; before = due) {
        CHECK(due >= before);
        if (due > clock_now())
            clock_crank(due - clock_now());
        loop_step(l);
    }
    for (unsigned i = 0; i < COUNT; i++)
        fired += notes[i].fired;
    CHECK_EQ(fired, expected);
    free(notes);
    loop_close(l);
}

TEST(a_timer_that_sets_itself_for_now_lets_others_and_messages_run)
{
    struct loop *l = open_loop();
    struct note greedy = { .again_in = 0, .left = 1000 };

    timer_init(&greedy.timer, l, fire, &greedy);
    timer_set_in(&greedy.timer, 0);
    CHECK(loop_step(l));
    CHECK_EQ(greedy.fired, 1);
    CHECK(loop_step(l));
    CHECK_EQ(greedy.fired, 2);
    timer_clear(&greedy.timer);
    loop_close(l);
}

static void free_owner(void *arg)
{
    unsigned *count = ((struct note *)arg)->log ? (unsigned *)(void *)((struct note *)arg)->log
                                                : NULL;

    if (count)
        ++*count;
    free(arg);
}

TEST(a_timers_owner_may_be_freed_by_its_own_function)
{
    struct loop *l = open_loop();
    unsigned count = 0;

    for (int i = 0; i < 3; i++) {
        struct note *n = calloc(1, sizeof(*n));

        n->log = (char *)&count;
        timer_init(&n->timer, l, free_owner, n);
        timer_set_in(&n->timer, 10);
    }
    clock_crank(10);
    settle(l);
    CHECK_EQ(count, 3);
    loop_close(l);
}

/* ---- Messages ---- */

struct tally {
    struct loop *loop;
    unsigned next[4]; /* what each thread should say next */
    unsigned disorder, total;
    atomic_uint started;
    bool inside;
};

struct word {
    struct tally *tally;
    unsigned thread, number;
};

static void count_word(void *arg)
{
    struct word *w = arg;

    w->tally->disorder += w->tally->next[w->thread]++ != w->number;
    w->tally->total++;
    free(w);
}

static void *talker(void *arg)
{
    struct tally *t = arg;
    unsigned me = atomic_fetch_add(&t->started, 1);

    for (unsigned i = 0; i < 2000; i++) {
        struct word *w = malloc(sizeof(*w));

        *w = (struct word){ t, me, i };
        loop_post(t->loop, count_word, w);
    }
    return NULL;
}

TEST(messages_of_four_threads_all_arrive_each_threads_in_order)
{
    struct loop *l = open_loop();
    struct tally t = { .loop = l };
    struct error err = { "" };
    pthread_t threads[4];

    CHECK_EQ(loop_start_thread(l, &err), 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, talker, &t), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    loop_join_thread(l);
    settle(l); /* what came after the stop */
    CHECK_EQ(t.total, 8000);
    CHECK_EQ(t.disorder, 0);
    loop_close(l);
}

static void set_bool(void *arg)
{
    *(bool *)arg = true;
}

static void post_from_inside(void *arg)
{
    struct tally *t = arg;

    CHECK(loop_current() == t->loop);
    loop_post(t->loop, set_bool, &t->inside);
    CHECK(!t->inside);
}

TEST(a_message_never_runs_inside_the_call_that_posts_it)
{
    struct loop *l = open_loop();
    struct tally t = { .loop = l };

    loop_post(l, post_from_inside, &t);
    CHECK(loop_current() == NULL);
    CHECK(loop_step(l));
    CHECK(loop_step(l));
    CHECK(t.inside);
    CHECK(loop_current() == NULL);
    CHECK(!loop_step(l));
    CHECK_EQ(loop_get_stats(l).messages, 2);
    loop_close(l);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

TEST(a_loop_sleeping_without_timers_is_woken_by_a_message_from_another_thread)
{
    struct loop *l = open_loop(), *outer = open_loop();
    struct error err = { "" };

    CHECK_EQ(loop_start_thread(l, &err), 0);
    for (int i = 0; i < 100; i++) { /* each of these may find it asleep, or about to be */
        bool seen = false;

        loop_post(l, stop_loop, outer);
        loop_run(outer);
        loop_post(l, set_bool, &seen);
        loop_join_thread(l);
        settle(l);
        CHECK(seen);
        loop_close(outer);
        loop_close(l);
        l = open_loop();
        outer = open_loop();
        CHECK_EQ(loop_start_thread(l, &err), 0);
    }
    loop_join_thread(l);
    loop_join_thread(l); /* not running: fine */
    loop_join_thread(NULL);
    loop_close(outer);
    loop_close(l);
}

TEST(messages_not_run_are_dropped_at_close)
{
    struct loop *l = open_loop();
    bool ran = false;

    loop_post(l, set_bool, &ran);
    loop_close(l);
    CHECK(!ran);
    loop_close(NULL);
}

TEST(a_loops_name_is_kept_up_to_fifteen_letters)
{
    struct loop *l = NULL;

    CHECK_EQ(loop_open(&l, "a-name-that-is-too-long", NULL), 0);
    CHECK_STR(loop_name(l), "a-name-that-is-");
    loop_close(l);
}

/* ---- Descriptors ---- */

struct ear {
    struct watch *watch;
    struct ear *other; /* closed by this one's callback */
    int fd;
    unsigned calls, events;
    bool close_self;
};

static void hear(void *arg, unsigned events)
{
    struct ear *e = arg;
    char byte;

    e->calls++;
    e->events |= events;
    if (events & WATCH_READ && read(e->fd, &byte, 1) < 0)
        e->calls += 1000;
    if (e->other) {
        watch_close(e->other->watch);
        e->other->watch = NULL;
        e->other = NULL;
    }
    if (e->close_self) {
        watch_close(e->watch);
        e->watch = NULL;
    }
}

static void ear_open(struct loop *l, struct ear *e, int pair[2], unsigned events)
{
    struct error err = { "" };

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    memset(e, 0, sizeof(*e));
    e->fd = pair[0];
    CHECK_EQ(watch_open(&e->watch, l, pair[0], events, hear, e, &err), 0);
}

TEST(a_watch_reports_what_it_was_asked_for_and_hangups_always)
{
    struct loop *l = open_loop();
    struct ear e;
    int pair[2];

    ear_open(l, &e, pair, WATCH_READ);
    settle(l);
    CHECK_EQ(e.calls, 0);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    settle(l);
    CHECK_EQ(e.calls, 1);
    CHECK_EQ(e.events, WATCH_READ);
    watch_set(e.watch, WATCH_WRITE);
    loop_step(l);
    CHECK_EQ(e.events, WATCH_READ | WATCH_WRITE);
    watch_set(e.watch, 0);
    e.events = e.calls = 0;
    CHECK_EQ(write(pair[1], "y", 1), 1);
    settle(l);
    CHECK_EQ(e.calls, 0);
    close(pair[1]);
    loop_step(l);
    CHECK_EQ(e.events, WATCH_HANGUP);
    watch_close(e.watch);
    watch_close(NULL);
    close(pair[0]);
    loop_close(l);
}

TEST(a_watch_closed_by_anothers_callback_in_the_same_pass_is_not_called)
{
    struct loop *l = open_loop();
    struct ear a, b;
    int pa[2], pb[2];

    ear_open(l, &a, pa, WATCH_READ);
    ear_open(l, &b, pb, WATCH_READ);
    a.other = &b;
    b.other = &a;
    CHECK_EQ(write(pa[1], "x", 1), 1);
    CHECK_EQ(write(pb[1], "x", 1), 1);
    settle(l); /* both are ready in one batch; whoever comes first closes the other */
    CHECK_EQ(a.calls + b.calls, 1);
    watch_close(a.watch);
    watch_close(b.watch);
    for (int i = 0; i < 2; i++) {
        close(pa[i]);
        close(pb[i]);
    }
    loop_close(l);
}

TEST(a_watch_may_close_itself_in_its_callback)
{
    struct loop *l = open_loop();
    struct ear e;
    int pair[2];

    ear_open(l, &e, pair, WATCH_READ);
    e.close_self = true;
    CHECK_EQ(write(pair[1], "xyz", 3), 3);
    settle(l);
    CHECK_EQ(e.calls, 1);
    close(pair[0]);
    close(pair[1]);
    loop_close(l);
}

TEST(a_descriptor_that_cannot_be_watched_is_an_error_with_a_sentence)
{
    struct loop *l = open_loop();
    struct error err = { "" };
    struct watch *w;

    CHECK(watch_open(&w, l, 9999, WATCH_READ, hear, NULL, &err) < 0);
    CHECK_SAYS(err, "9999");
    loop_close(l);
}

/* ---- Pollers and hooks ---- */

struct look {
    struct poller poller;
    struct hook hook;
    struct loop *loop;
    struct look *victim; /* removed and freed by this one's turn */
    unsigned calls;
    bool work;
};

static bool look(void *arg)
{
    struct look *k = arg;
    bool work = k->work;

    k->calls++;
    k->work = false;
    if (k->victim) {
        loop_remove_poller(k->loop, &k->victim->poller);
        free(k->victim);
        k->victim = NULL;
    }
    return work;
}

static void hook(void *arg)
{
    struct look *k = arg;

    k->calls++;
    if (k->victim) {
        loop_remove_hook(k->loop, &k->victim->hook);
        free(k->victim);
        k->victim = NULL;
    }
}

static struct look *look_new(struct loop *l)
{
    struct look *k = calloc(1, sizeof(*k));

    k->loop = l;
    k->poller = (struct poller){ .poll = look, .arg = k };
    k->hook = (struct hook){ hook, k, NULL };
    return k;
}

TEST(a_poller_is_called_each_pass_and_may_remove_the_next_one)
{
    struct loop *l = open_loop();
    struct look *a = look_new(l), *b = look_new(l);

    loop_add_poller(l, &b->poller);
    loop_add_poller(l, &a->poller); /* newest first: a runs before b */
    a->work = true;
    CHECK(loop_step(l));
    CHECK(!loop_step(l));
    CHECK_EQ(a->calls, 2);
    CHECK_EQ(b->calls, 2);
    a->victim = b;
    loop_step(l);
    loop_step(l);
    CHECK_EQ(a->calls, 4);
    loop_remove_poller(l, &a->poller);
    loop_remove_poller(l, &a->poller);
    free(a);
    loop_close(l);
}

TEST(a_hook_runs_each_pass_and_may_remove_the_next_one)
{
    struct loop *l = open_loop();
    struct look *a = look_new(l), *b = look_new(l);

    loop_add_hook(l, &b->hook);
    loop_add_hook(l, &a->hook);
    loop_step(l);
    CHECK_EQ(a->calls, 2); /* before and after the descriptors */
    CHECK_EQ(b->calls, 2);
    a->victim = b;
    loop_step(l);
    CHECK_EQ(a->calls, 4);
    loop_remove_hook(l, &a->hook);
    free(a);
    loop_close(l);
}

TEST(a_running_loop_with_pollers_goes_to_sleep_though_the_clock_stands_still)
{
    struct loop *l = open_loop(), *outer = open_loop();
    struct look *k = look_new(l);
    struct error err = { "" };

    loop_add_poller(l, &k->poller);
    CHECK_EQ(loop_start_thread(l, &err), 0);
    loop_post(l, stop_loop, outer); /* answered: it neither hangs nor forgets its inbox */
    loop_run(outer);
    loop_join_thread(l);
    CHECK_EQ(loop_get_stats(l).poll_misses, 0);
    loop_remove_poller(l, &k->poller);
    free(k);
    loop_close(l);
    loop_close(outer);
}
