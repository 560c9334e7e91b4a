/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network frontends that lie: what they break is their own connection, or a packet of theirs. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/guest/guest.h"
#include "tests/guest/net.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"
#include "tests/whole/wire.h"

#define END_MS 30000
#define MEMORY 0x2000000u
#define MORE 4u
#define EXTRA 8u

static struct wire wire;
static struct guest_net_got got;
static struct wire_frame seen;
static uint8_t frame[2048] = { 2, 0, 0, 0, 0, 2, 0, 0x16, 0x3e, 0, 0, 1, 0x88, 0xb5, 1, 2, 3 };
static const uint8_t inward[64] = { 0, 0x16, 0x3e, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 9, 8, 7 };
static const struct guest_net_config usual = { .memory = MEMORY, .sg = true, .gso_v4 = true,
                                               .ctrl = true };

static void open_pc(struct dm *dm, struct guest_net *n)
{
    struct dm_config config = { .vcpus = 1 };

    CHECK(wire_prepare());
    dm_open(dm, &config);
    guest_net_add(n, 0, WIRE_TAP, NULL);
    CHECK(guest_pv_await(&n->pv, 2));
    CHECK(wire_open(&wire));
}

static void close_pc(struct dm *dm)
{
    wire_close(&wire);
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
}

static bool says(struct guest_net *n, const char *part)
{
    char path[128], *text;
    bool found;

    snprintf(path, sizeof(path), "%s/error", n->pv.back);
    text = store_get(path);
    found = text && strstr(text, part);
    if (!found)
        print_error("error is: %s\n", text ? text : "(none)");
    free(text);
    return found;
}

/* The backend has given up on this connection, says why, and takes the next one. */
static void expect_broken(struct guest_net *n, const char *part)
{
    CHECK(guest_pv_await(&n->pv, 5));
    CHECK(says(n, part));
    guest_pv_state(&n->pv, 6);
    CHECK(guest_pv_await(&n->pv, 6));
    guest_net_forget(n);
    guest_pv_state(&n->pv, 1);
    CHECK(guest_pv_await(&n->pv, 2));
}

static void expect_well(struct guest_net *n)
{
    CHECK(guest_net_send(n, 0, frame, 100, NULL));
    guest_net_kick(n, 0);
    CHECK_EQ(wire_receive(&wire, &seen, END_MS), 100);
    CHECK(guest_net_reap(n, 0, END_MS));
    CHECK(wire_send(&wire, inward, sizeof(inward)));
    CHECK(guest_net_receive(n, 0, &got, END_MS));
    CHECK_EQ(got.length, sizeof(inward));
}

static void expect_well_anew(struct guest_net *n)
{
    CHECK(guest_net_connect(n, &usual));
    expect_well(n);
    CHECK(guest_net_disconnect(n));
}

/* A slot with the right id, and anything else. */
static void put(struct guest_net *n, uint32_t ref, unsigned offset, unsigned flags, unsigned size)
{
    unsigned index = n->queue[0].tx.made & 255;
    uint8_t *r = guest_net_tx_slot(n, 0);

    CHECK(r);
    put_le32(r, ref);
    put_le16(r + 4, (uint16_t)offset);
    put_le16(r + 6, (uint16_t)flags);
    put_le16(r + 8, (uint16_t)index);
    put_le16(r + 10, (uint16_t)size);
}

/* What was put costs so many error answers, and the next frame gets through. */
static void expect_errors(struct guest_net *n, unsigned errors)
{
    n->queue[0].tx_errors = 0;
    guest_net_kick(n, 0);
    CHECK(guest_net_reap(n, 0, END_MS));
    CHECK_EQ(n->queue[0].tx_errors, errors);
    expect_well(n);
}

TEST(packets_that_cannot_be_are_answered_so_one_by_one)
{
    struct guest_net n;
    struct dm dm;
    uint32_t good;

    open_pc(&dm, &n);
    CHECK(guest_net_connect(&n, &usual));
    good = n.queue[0].tx_refs[0];
    put(&n, 31000, 0, 0, 60); /* no grant of that number */
    put(&n, 0xffffffff, 0, 0, 60);
    put(&n, good, 4090, 0, 60); /* past its page */
    put(&n, good, 0xffff, 0, 0xffff);
    put(&n, good, 0, 0, 13); /* no whole header */
    put(&n, good, 0, 0, 0);
    expect_errors(&n, 6);
    put(&n, good, 0, MORE, 100); /* fragments of more than the packet has */
    put(&n, good, 0, 0, 101);
    put(&n, good, 0, MORE, 100); /* the second page cannot be had */
    put(&n, 31000, 0, 0, 50);
    expect_errors(&n, 4);
    put(&n, good, 0, MORE, 5000); /* more pieces than any frame has */
    for (unsigned i = 0; i < 70; i++)
        put(&n, good, 0, i < 69 ? MORE : 0, 10);
    expect_errors(&n, 71);
    put(&n, good, 0, MORE, 100);
    for (unsigned i = 0; i < 200; i++) /* no data at all is no error, however often */
        put(&n, 31000, 0xffff, i < 199 ? MORE : 0, 0);
    n.queue[0].tx_errors = 0;
    guest_net_kick(&n, 0);
    CHECK(guest_net_reap(&n, 0, END_MS));
    CHECK_EQ(n.queue[0].tx_errors, 0);
    expect_well(&n);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

TEST(headers_split_across_slots_are_seen_whole)
{
    static uint8_t tcp[200] = { 2, 0, 0, 0, 0, 2, 0, 0x16, 0x3e, 0, 0, 1, 8, 0, 0x45, 0, 0, 186,
                                0, 0, 0, 0, 64, 6 };
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n);
    CHECK(guest_net_connect(&n, &usual));
    tcp[46] = 0x50;
    for (unsigned piece = 4; piece < 60; piece += 5) {
        CHECK(guest_net_send(&n, 0, tcp, 200, &(struct guest_net_frame){ .piece = piece,
                                                                        .csum_blank = true }));
        guest_net_kick(&n, 0);
        CHECK_EQ(wire_receive(&wire, &seen, END_MS), 200);
        CHECK_EQ(seen.offload.csum_start, 34);
        CHECK(guest_net_reap(&n, 0, END_MS));
    }
    CHECK_EQ(n.queue[0].tx_errors, 0);
    CHECK(guest_net_send(&n, 0, frame, 100, &(struct guest_net_frame){ .csum_blank = true }));
    CHECK(guest_net_send(&n, 0, tcp, 60, &(struct guest_net_frame){ .csum_blank = true })); /* short */
    tcp[46] = 0;
    CHECK(guest_net_send(&n, 0, tcp, 200, &(struct guest_net_frame){ .gso = 1, .gso_size = 8 }));
    CHECK(guest_net_send(&n, 0, tcp, 200, &(struct guest_net_frame){ .gso = 2, .gso_size = 8 }));
    CHECK(guest_net_send(&n, 0, tcp, 200, &(struct guest_net_frame){ .gso = 9, .gso_size = 8 }));
    expect_errors(&n, 5);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

TEST(receive_buffers_that_cannot_be_written_spoil_their_frame_alone)
{
    struct guest_net_config c = usual;
    struct guest_net n;
    struct dm dm;

    c.sg = false;
    open_pc(&dm, &n);
    CHECK(guest_net_prepare(&n, &c));
    put_le32(n.queue[0].rx.base + 64 + 4, 31000);
    put_le32(n.queue[0].rx.base + 64 + 16 + 4, 0xffffffff);
    guest_pv_state(&n.pv, 4);
    CHECK(guest_pv_await(&n.pv, 4));
    for (unsigned i = 0; i < 4; i++) {
        CHECK(wire_send(&wire, inward, sizeof(inward)));
        CHECK(guest_net_receive(&n, 0, &got, END_MS));
        CHECK_EQ(got.failed, i % 2 == 0);
    }
    expect_well(&n);
    CHECK(guest_net_disconnect(&n));
    close_pc(&dm);
}

/* ---- Lies that end the connection ---- */

static void produce(struct guest_ring *r, uint32_t port, uint32_t value)
{
    atomic_store((_Atomic uint32_t *)(void *)r->base, value);
    guest_channel_notify(port);
}

TEST(producers_that_run_away_end_the_connection)
{
    static const uint32_t ahead[] = { 257, 0x7fffffff, 0x80000001, 0xffffffff };
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n);
    for (unsigned i = 0; i < ARRAY_SIZE(ahead); i++) {
        CHECK(guest_net_connect(&n, &usual));
        produce(&n.queue[0].tx, n.queue[0].tx_port, ahead[i]);
        expect_broken(&n, "transmit ring");
        CHECK(guest_net_connect(&n, &usual));
        expect_well(&n);
        produce(&n.queue[0].rx, n.queue[0].rx_port, n.queue[0].rx.taken + ahead[i]);
        CHECK(wire_send(&wire, inward, sizeof(inward)));
        expect_broken(&n, "receive ring");
        CHECK(guest_net_connect(&n, &usual));
        produce(&n.ctrl, n.ctrl_port, ahead[i]);
        expect_broken(&n, "control ring");
    }
    expect_well_anew(&n);
    close_pc(&dm);
}

TEST(chains_without_an_end_end_the_connection)
{
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n);
    for (unsigned kind = 0; kind < 4; kind++) {
        CHECK(guest_net_connect(&n, &usual));
        for (unsigned i = 0; i < 256; i++)
            put(&n, kind < 2 || !i ? n.queue[0].tx_refs[0] : (kind == 2 ? 0x0104 : 0x0109), 0,
                kind == 0 ? MORE : EXTRA, kind == 0 ? 1 : 100);
        if (kind == 1) /* and nothing behind it */
            n.queue[0].tx.made -= 255;
        guest_net_kick(&n, 0);
        expect_broken(&n, kind < 2 ? "does not end" : "extra info");
    }
    expect_well_anew(&n);
    close_pc(&dm);
}

TEST(nodes_that_make_no_sense_are_refused_with_a_sentence)
{
    static const struct lie {
        const char *key, *value, *part;
    } lies[] = {
        { "request-rx-copy", "0", "request-rx-copy" },
        { "multi-queue-num-queues", "99", "not a number" },
        { "multi-queue-num-queues", "0", "no queue" },
        { "multi-queue-num-queues", "x", "not a number" },
        { "tx-ring-ref", "31000", "grants" },
        { "rx-ring-ref", "-1", "not a number" },
        { "rx-ring-ref", "4294967295", "grants" },
        { "ctrl-ring-ref", "30000", "grants" },
        { "event-channel", "1999", "no good" },
        { "event-channel", "4294967295", "no good" },
        { "event-channel", "", "not a number" },
        { "event-channel-tx", "5", "event-channel-rx" },
        { "event-channel-ctrl", "1999", "cannot be bound" },
    };
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n);
    for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
        char path[128];

        CHECK(guest_net_prepare(&n, &usual));
        guest_pv_put(n.pv.front, lies[i].key, "%s", lies[i].value);
        guest_pv_state(&n.pv, 4);
        expect_broken(&n, lies[i].part);
        snprintf(path, sizeof(path), "%s/%s", n.pv.front, lies[i].key);
        store_drop(path);
    }
    expect_well_anew(&n);
    close_pc(&dm);
}

/* ---- Rings that change while they are read (XSA-155) ---- */

struct scribbler {
    struct guest_net *n;
    atomic_bool stop;
};

static void *scribble(void *arg)
{
    struct scribbler *s = arg;
    uint64_t x = 88172645463325252u;
    uint8_t *tx = s->n->queue[0].tx.base, *rx = s->n->queue[0].rx.base;

    while (!atomic_load(&s->stop)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        __atomic_store_n((x & 1 ? tx : rx) + 64 + (x >> 8) % 3072, (uint8_t)(x >> 40),
                         __ATOMIC_RELAXED);
    }
    return NULL;
}

TEST(xsa_155_slots_that_change_while_they_are_read_do_no_harm)
{
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n);
    for (unsigned round = 0; round < 20; round++) {
        struct scribbler s = { .n = &n };
        pthread_t thread;

        CHECK(guest_net_connect(&n, &usual));
        pthread_create(&thread, NULL, scribble, &s);
        for (unsigned i = 0; i < 200; i++) {
            uint32_t made = atomic_load((_Atomic uint32_t *)(void *)(n.queue[0].tx.base + 8)) + 200;

            atomic_store((_Atomic uint32_t *)(void *)n.queue[0].tx.base, made);
            atomic_store((_Atomic uint32_t *)(void *)n.queue[0].rx.base,
                         atomic_load((_Atomic uint32_t *)(void *)(n.queue[0].rx.base + 8)) + 200);
            guest_channel_notify(n.queue[0].tx_port);
            wire_try(&wire, inward, sizeof(inward), NULL);
        }
        atomic_store(&s.stop, true);
        pthread_join(thread, NULL);
        guest_pv_state(&n.pv, 6);
        CHECK(guest_pv_await(&n.pv, 6));
        guest_net_forget(&n);
        guest_pv_state(&n.pv, 1);
        CHECK(guest_pv_await(&n.pv, 2));
    }
    expect_well_anew(&n);
    close_pc(&dm);
}

static bool await_gone(const char *path)
{
    char *text = store_get(path);

    for (unsigned i = 0; text && i < END_MS; i++) {
        free(text);
        usleep(1000);
        text = store_get(path);
    }
    free(text);
    return !text;
}

TEST(a_frontend_that_vanishes_in_the_middle_leaves_nothing)
{
    struct guest_net_config c = usual;
    struct guest_net n;
    struct dm dm;

    c.queues = 2;
    for (unsigned round = 0; round < 3; round++) {
        open_pc(&dm, &n);
        CHECK(guest_net_connect(&n, &c));
        for (unsigned i = 0; i < 200; i++) {
            guest_net_send(&n, i & 1, frame, 1000, NULL);
            guest_net_kick(&n, i & 1);
            wire_try(&wire, inward, sizeof(inward), NULL);
        }
        if (round == 0)
            store_drop(n.pv.front);
        else if (round == 1)
            store_drop(n.pv.back);
        else
            CHECK(guest_pv_remove(&n.pv));
        dm_await_no_grants(END_MS);
        guest_net_forget(&n);
        CHECK(round == 0 || await_gone(n.pv.back)); /* nor what a write of ours brought back */
        close_pc(&dm);
    }
}

/*
 * Our own node stays where we write it while the toolstack removes them all. One that others wrote,
 * which may be about to write the rest, is not ours to take.
 */
TEST(a_directory_that_is_the_toolstacks_no_more_is_let_go)
{
    char node[160], *mac;
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n);
    CHECK(guest_net_connect(&n, &usual));
    guest_pv_drop(n.pv.back, "online");
    guest_pv_drop(n.pv.back, "frontend");
    dm_await_no_grants(END_MS);
    guest_net_forget(&n);
    snprintf(node, sizeof(node), "%s/state", n.pv.back);
    CHECK(await_gone(node));
    snprintf(node, sizeof(node), "%s/mac", n.pv.back);
    mac = store_get(node);
    CHECK(mac);
    free(mac);
    close_pc(&dm);
}
