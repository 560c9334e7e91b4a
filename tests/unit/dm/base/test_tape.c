/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/tape.h"
#include "tests/kit/check.h"

#define MIB (1024u * 1024u)

static char path[64];
static char *const words[] = { "xen-dm", "-record", "a,b c", NULL };

static struct reel *create(uint64_t bytes)
{
    struct reel *reel = NULL;
    struct error err = { "" };

    snprintf(path, sizeof(path), "/dev/shm/test-tape-%d", (int)getpid());
    CHECK_EQ(reel_create(&reel, path, bytes, 3, words, &err), 0);
    return reel;
}

static struct reel *reopen(struct reel *reel)
{
    struct error err = { "" };

    reel_close(reel);
    CHECK_EQ(reel_open(&reel, path, &err), 0);
    return reel;
}

static void snapshot(void *arg, struct tape *tape)
{
    tape_number(tape, *(uint64_t *)arg);
}

/* A tape whose one register is *sum. */
static struct tape *recording(struct reel *reel, unsigned index, uint64_t *sum)
{
    struct tape *tape = reel_tape(reel, index, "test");

    CHECK(tape);
    tape_set_snapshot(tape, snapshot, sum);
    tape_of_thread = tape;
    return tape;
}

/* The device under test: each event brings a number, and it asks the world for another. */
static void device(struct tape *tape, uint64_t number, uint64_t world, uint64_t *sum)
{
    tape_begin(tape, TAPE_IO);
    tape_number(tape, number);
    tape_reply(&world, sizeof(world));
    *sum = *sum * 31 + number + world + clock_now();
    tape_end(tape);
}

/* Plays to the end; how many checkpoints agreed. */
static unsigned play(struct tape *tape, uint64_t *sum)
{
    enum tape_kind kind;
    unsigned agreed = 0;

    tape_of_thread = tape;
    while ((kind = tape_next(tape)) != TAPE_NOTHING) {
        if (kind == TAPE_CHECKPOINT) {
            uint64_t recorded = tape_take_number(tape);

            if (!agreed)
                *sum = recorded;
            CHECK_EQ(*sum, recorded);
            agreed++;
        } else {
            CHECK_EQ(kind, TAPE_IO);
            device(tape, tape_take_number(tape), 0, sum);
            tape_done(tape);
        }
    }
    tape_of_thread = NULL;
    clock_release();
    return agreed;
}

static void record(struct tape *tape, unsigned count, uint64_t *sum)
{
    for (unsigned i = 0; i < count; i++)
        device(tape, i, (uint64_t)i * i * 7919, sum);
}

TEST(what_was_recorded_plays_to_the_same_sum_and_time)
{
    uint64_t sum = 5, played = 0;
    struct reel *reel = create(0);
    struct tape *tape = recording(reel, 3, &sum);
    struct stat st;

    record(tape, 1000, &sum);
    tape_checkpoint(tape);
    tape_of_thread = NULL;
    reel = reopen(reel);
    CHECK_EQ(stat(path, &st), 0);
    CHECK(st.st_size < 3 * MIB); /* what was never used is cut off */
    tape = reel_tape(reel, 3, "test");
    CHECK_EQ(play(tape, &played), 2);
    CHECK_EQ(played, sum);
    CHECK_EQ(tape_events(tape), 1000);
    CHECK(!tape_cut(tape));
    CHECK(!tape_divergence(tape));
    reel_close(reel);
    unlink(path);
}

TEST(a_full_reel_keeps_the_newest_and_does_not_grow)
{
    uint64_t sum = 5, played = 0;
    struct reel *reel = create(0);
    struct tape *tape = recording(reel, 0, &sum);
    struct stat before, after;

    CHECK_EQ(stat(path, &before), 0);
    record(tape, 1500000, &sum); /* 24 MB into 16 chunks of 1 MiB */
    tape_checkpoint(tape);
    tape_of_thread = NULL;
    CHECK_EQ(stat(path, &after), 0);
    CHECK_EQ(before.st_size, after.st_size);
    reel = reopen(reel);
    tape = reel_tape(reel, 0, "test");
    CHECK(play(tape, &played) >= 2);
    CHECK_EQ(played, sum);
    CHECK(tape_events(tape) > 700000);
    CHECK(tape_events(tape) < 1500000);
    reel_close(reel);
    unlink(path);
}

TEST(no_checkpoint_is_made_while_a_promise_is_open)
{
    uint64_t sum = 5, played = 0;
    struct reel *reel = create(0);
    struct tape *tape = recording(reel, 0, &sum);

    CHECK_EQ(tape_promise(tape), 1);
    record(tape, 400000, &sum); /* all that is left lies after the last chance for one */
    tape_of_thread = NULL;
    reel = reopen(reel);
    CHECK_EQ(play(reel_tape(reel, 0, "test"), &played), 0);
    reel_close(reel);
    unlink(path);
}

static void nested(void *arg, enum tape_kind kind)
{
    uint64_t *seen = arg;

    CHECK_EQ(kind, TAPE_FRAME);
    *seen = tape_take_number(tape_here());
}

TEST(an_event_inside_another_plays_before_the_reply_it_came_with)
{
    static const struct tape_player player = { nested };
    uint64_t sum = 0, seen = 0;
    struct reel *reel = create(0);
    struct tape *tape = recording(reel, 0, &sum);
    uint32_t reply = 77;

    tape_checkpoint(tape);
    tape_begin(tape, TAPE_IO);
    tape_begin(tape, TAPE_FRAME);
    tape_number(tape, 1234567890123);
    tape_end(tape);
    tape_reply(&reply, sizeof(reply));
    tape_end(tape);
    tape_of_thread = NULL;
    reel = reopen(reel);
    tape = tape_of_thread = reel_tape(reel, 0, "test");
    tape_set_player(tape, &player, &seen);
    CHECK_EQ(tape_next(tape), TAPE_CHECKPOINT);
    tape_take_number(tape);
    CHECK_EQ(tape_next(tape), TAPE_IO);
    reply = 0;
    tape_reply(&reply, sizeof(reply));
    tape_done(tape);
    CHECK_EQ(reply, 77);
    CHECK_EQ(seen, 1234567890123);
    CHECK_EQ(tape_next(tape), TAPE_NOTHING);
    tape_of_thread = NULL;
    clock_release();
    reel_close(reel);
    unlink(path);
}

TEST(a_device_that_asks_for_something_else_has_diverged)
{
    uint64_t sum = 0;
    struct reel *reel = create(0);
    struct tape *tape = recording(reel, 0, &sum);
    uint32_t wrong = 1;

    tape_checkpoint(tape);
    device(tape, 1, 2, &sum);
    device(tape, 3, 4, &sum);
    reel = reopen(reel);
    tape = tape_of_thread = reel_tape(reel, 0, "test");
    CHECK_EQ(tape_next(tape), TAPE_CHECKPOINT);
    tape_take_number(tape);
    CHECK_EQ(tape_next(tape), TAPE_IO);
    CHECK_EQ(tape_take_number(tape), 1);
    tape_reply(&wrong, sizeof(wrong)); /* four bytes, where eight were recorded */
    tape_done(tape);
    CHECK(tape_divergence(tape));
    CHECK(strstr(tape_divergence(tape), "test, event 1: the device asks for 4 bytes"));
    CHECK_EQ(tape_next(tape), TAPE_NOTHING);
    tape_of_thread = NULL;
    clock_release();
    reel_close(reel);
    unlink(path);
}

TEST(a_recording_that_ends_inside_an_event_says_so)
{
    uint64_t sum = 0;
    struct reel *reel = create(0);
    struct tape *tape = recording(reel, 0, &sum);

    tape_checkpoint(tape);
    tape_begin(tape, TAPE_IO); /* and the process is gone */
    tape_number(tape, 1);
    reel = reopen(reel);
    clock_release();
    tape = reel_tape(reel, 0, "test");
    play(tape, &sum);
    CHECK(tape_cut(tape));
    CHECK(!tape_divergence(tape));
    reel_close(reel);
    unlink(path);
}

TEST(the_words_of_the_command_line_come_back)
{
    struct reel *reel = reopen(create(0));
    char **argv;

    CHECK_EQ(reel_words(reel, &argv), 3);
    CHECK_STR(argv[0], "xen-dm");
    CHECK_STR(argv[2], "a,b c");
    CHECK(!argv[3]);
    free(argv);
    reel_close(reel);
    unlink(path);
}

TEST(files_that_are_no_recording_are_refused)
{
    struct reel *reel = NULL;
    struct error err = { "" };

    CHECK_EQ(reel_open(&reel, "/nonexistent/reel", &err), -ENOENT);
    CHECK_SAYS(err, "/nonexistent/reel");
    CHECK_EQ(reel_open(&reel, "/proc/self/exe", &err), -EINVAL);
    CHECK_SAYS(err, "is no recording");
    CHECK_EQ(reel_open(&reel, "/dev/null", &err), -EINVAL);
    CHECK_SAYS(err, "is no recording");
    CHECK(reel_create(&reel, "/nonexistent/reel", MIB, 0, words, &err) < 0);
    CHECK_SAYS(err, "-record: create /nonexistent/reel");
}

/* Whatever bytes lie in the chunks, playing ends, and reads nothing beyond them. */
TEST(a_damaged_recording_ends)
{
    uint64_t sum = 0, seed = 88172645463325252u;

    for (int round = 0; round < 50; round++) {
        struct reel *reel = create(0);
        struct tape *tape = recording(reel, 0, &sum);
        int fd;

        tape_checkpoint(tape);
        record(tape, 60000, &sum); /* more than a chunk */
        tape_of_thread = NULL;
        reel_close(reel);
        fd = open(path, O_RDWR);
        for (int i = 0; i < 40; i++) {
            off_t at = 65536 + (i < 8 ? (i & 1 ? MIB : 0) : 0);
            uint8_t byte;

            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            at += (off_t)(seed >> 8) % (i < 8 ? 24 : 2 * MIB);
            byte = (uint8_t)seed;
            CHECK_EQ(pwrite(fd, &byte, 1, at), 1);
        }
        close(fd);
        CHECK_EQ(reel_open(&reel, path, &(struct error){ "" }), 0);
        tape = tape_of_thread = reel_tape(reel, 0, "test");
        while (tape_next(tape) != TAPE_NOTHING) {
            tape_take_number(tape);
            tape_take_text(tape);
            tape_done(tape);
        }
        tape_of_thread = NULL;
        clock_release();
        reel_close(reel);
        unlink(path);
    }
}
