/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop's window before it sleeps, on the host's own clock. */
#include <sys/socket.h>
#include <unistd.h>
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "tests/kit/check.h"

#define LONG_NS (60 * NS_PER_SEC)
#define ROUNDS 400u
#define WORK 64u

struct bed {
    struct loop *loop;
    struct watch *watch;
    struct poller poller;
    int pair[2];
    unsigned polls, arms, events, finds; /* finds: so many looks of the poller find something */
    bool write_in_poll;
};

static void send_byte(struct bed *b)
{
    CHECK_EQ(write(b->pair[1], "x", 1), 1);
}

static bool poll(void *arg)
{
    struct bed *b = arg;

    if (b->write_in_poll && b->polls == 0)
        send_byte(b);
    b->polls++;
    return b->polls <= b->finds;
}

/* Something comes as soon as the loop sleeps, and not before. */
static bool arm(void *arg)
{
    struct bed *b = arg;

    b->arms++;
    if (!b->write_in_poll)
        send_byte(b);
    return false;
}

static void hear(void *arg, unsigned events)
{
    struct bed *b = arg;
    char byte;

    CHECK_EQ(read(b->pair[0], &byte, 1), 1);
    if (++b->events == (b->write_in_poll ? 1 : ROUNDS))
        loop_stop(b->loop);
}

static void nothing(void *arg)
{
}

static void run(struct bed *b, uint64_t window)
{
    struct error err = { "" };

    CHECK_EQ(loop_open(&b->loop, "test", &err), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b->pair), 0);
    CHECK_EQ(watch_open(&b->watch, b->loop, b->pair[0], WATCH_READ, hear, b, &err), 0);
    b->poller = (struct poller){ .poll = poll, .arm = arm, .arg = b };
    loop_add_poller(b->loop, &b->poller);
    loop_set_poll_window(b->loop, window);
    loop_post(b->loop, nothing, NULL); /* after work, the loop polls */
    loop_run(b->loop);
}

static void end(struct bed *b)
{
    loop_remove_poller(b->loop, &b->poller);
    watch_close(b->watch);
    loop_close(b->loop);
    close(b->pair[0]);
    close(b->pair[1]);
}

TEST(the_window_sees_descriptors_too)
{
    struct bed b = { .write_in_poll = true };

    run(&b, LONG_NS);
    CHECK_EQ(b.arms, 0); /* it did not wait for the end of the window, and for sleep */
    CHECK_EQ(loop_get_stats(b.loop).poll_hits, 1);
    CHECK_EQ(loop_get_stats(b.loop).wakeups, 0);
    end(&b);
}

TEST(a_busy_poller_does_not_keep_the_loop_from_descriptors)
{
    struct bed b = { .write_in_poll = true, .finds = 1u << 30 };

    run(&b, LONG_NS);
    CHECK(b.polls < WORK);
    CHECK_EQ(b.arms, 0);
    end(&b);
}

TEST(windows_that_never_find_anything_are_left_out)
{
    struct bed b = { .polls = 0 };
    uint64_t misses;

    run(&b, 20 * NS_PER_US);
    misses = loop_get_stats(b.loop).poll_misses;
    CHECK_EQ(b.arms, ROUNDS);
    CHECK(misses > 0);
    CHECK(misses < ROUNDS / 2);
    end(&b);
}
