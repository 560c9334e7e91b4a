/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Polling before sleep, on the real clock: it pays while there is work, and ends when there is not. */
#include <stdatomic.h>
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "tests/kit/check.h"

struct source {
    struct poller poller;
    struct loop *outer;
    atomic_uint work, done, looks;
};

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static bool look(void *arg)
{
    struct source *s = arg;

    atomic_fetch_add(&s->looks, 1);
    if (!atomic_load(&s->work))
        return false;
    atomic_fetch_sub(&s->work, 1);
    atomic_fetch_add(&s->done, 1);
    return true;
}

static void nothing(void *arg)
{
}

/* Runs a loop with `s` in a thread, wakes it, and waits until it answers. */
static struct loop_stats run(struct source *s, uint64_t window)
{
    struct loop *l, *outer;
    struct error err = { "" };
    struct loop_stats stats;

    CHECK_EQ(loop_open(&l, "polled", &err), 0);
    CHECK_EQ(loop_open(&outer, "outer", &err), 0);
    s->poller = (struct poller){ .poll = look, .arg = s };
    loop_add_poller(l, &s->poller);
    loop_set_poll_window(l, window);
    CHECK_EQ(loop_start_thread(l, &err), 0);
    loop_post(l, nothing, NULL); /* it has had work: now it looks */
    for (unsigned long n = 1; window && atomic_load(&s->work); n++)
        if (n % 100000000 == 0) /* a busy host may have made it miss its window */
            loop_post(l, nothing, NULL);
    loop_post(l, stop_loop, outer);
    loop_run(outer);
    loop_join_thread(l);
    stats = loop_get_stats(l);
    loop_close(l);
    loop_close(outer);
    return stats;
}

TEST(a_poller_with_work_is_served_without_a_wakeup_each_time)
{
    struct source s = { .work = 1000 };
    struct loop_stats stats = run(&s, 500 * NS_PER_MS);

    CHECK_EQ(atomic_load(&s.done), 1000);
    CHECK(stats.poll_hits >= 1000);
    CHECK(stats.wakeups < 100);
}

TEST(without_a_window_nobody_polls)
{
    struct source s = { .work = 0 };
    struct loop_stats stats = run(&s, 0);

    CHECK_EQ(stats.poll_hits + stats.poll_misses, 0);
    CHECK_EQ(atomic_load(&s.looks), 0);
}

struct ticker {
    struct timer timer;
    struct loop *loop;
    unsigned left;
};

static void tick(void *arg)
{
    struct ticker *t = arg;

    if (--t->left)
        timer_set_in(&t->timer, NS_PER_MS / 5);
    else
        loop_stop(t->loop);
}

TEST(a_window_that_does_not_pay_shrinks_and_timers_are_on_time)
{
    struct source s = { .work = 0 };
    struct ticker t = { .left = 100 };
    struct loop_stats stats;
    uint64_t before = clock_now();

    CHECK_EQ(loop_open(&t.loop, "idle", NULL), 0);
    s.poller = (struct poller){ .poll = look, .arg = &s };
    loop_add_poller(t.loop, &s.poller);
    timer_init(&t.timer, t.loop, tick, &t);
    timer_set_in(&t.timer, 0);
    loop_run(t.loop);
    CHECK(clock_now() - before >= 99 * NS_PER_MS / 5);
    stats = loop_get_stats(t.loop);
    CHECK_EQ(stats.timers, 100);
    CHECK_EQ(stats.poll_hits, 0);
    CHECK(stats.poll_misses > 0);
    CHECK(stats.wakeups > 50); /* it slept between the ticks */
    loop_remove_poller(t.loop, &s.poller);
    loop_close(t.loop);
}
