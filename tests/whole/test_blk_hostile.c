/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block frontends that come and go, and ones that lie: every request has one answer, a broken ring
 * is given up with a sentence, and the device model stands. Classes: XSA-155 (double fetch), XSA-216
 * (what a response leaks), discards of absurd length and producers far ahead (which end QEMU).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/guest/blk.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"

#define END_MS 30000
#define DISK_BYTES (4u << 20)
#define SECTORS (DISK_BYTES / 512)
#define MEMORY 0x2000000u
#define DEVID 51712
#define OKAY 0
#define ERROR (-1)
#define NOT_SUPPORTED (-2)

static const struct guest_blk_config plain = { .depth = 8, .pages = 16, .memory = MEMORY };
static char image[64], params[96];

static void open_pc(struct dm *dm, struct guest_blk *b, bool readonly)
{
    struct dm_config config = { .vcpus = 1 };
    int fd;

    strcpy(image, "/dev/shm/simxen-blk-XXXXXX");
    fd = mkstemp(image);
    CHECK_EQ(ftruncate(fd, DISK_BYTES), 0);
    close(fd);
    dm_open(dm, &config);
    snprintf(params, sizeof(params), "aio:%s", image);
    guest_blk_add(b, DEVID, params, readonly);
}

static void close_pc(struct dm *dm)
{
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
    unlink(image);
}

/* Still served: one write and one read. */
static void serves(struct guest_blk *b)
{
    CHECK_EQ(guest_blk_do(b, 0, GUEST_BLK_WRITE, 8, 4096), OKAY);
    CHECK_EQ(guest_blk_do(b, 0, GUEST_BLK_READ, 8, 4096), OKAY);
}

/* A request's slot for the test to spoil; sent by answer_to(). */
static uint8_t *raw(struct guest_blk *b)
{
    uint8_t *r;

    CHECK(guest_blk_put(b, 0, 0, GUEST_BLK_READ, 0, 4096, false));
    r = b->queue[0].ring.base + 64 +
        (size_t)((b->queue[0].ring.made - 1) & (b->queue[0].ring.count - 1)) * 112;
    return r;
}

static int answer_to(struct guest_blk *b)
{
    unsigned slot;
    int status;

    guest_blk_kick(b, 0);
    return guest_blk_take(b, 0, &slot, &status, END_MS) ? status : -1000;
}

TEST(requests_that_cannot_be_are_answered_with_an_error)
{
    static const struct {
        unsigned at;
        uint8_t value;
        int status;
    } spoils[] = {
        { 0, 77, NOT_SUPPORTED },           /* operation */
        { 0, 4, NOT_SUPPORTED },            /* reserved */
        { 1, 12, ERROR },  { 1, 255, ERROR }, { 1, 0, ERROR }, /* segments */
        { 17, 0xff, ERROR }, { 23, 0xff, ERROR }, /* sector: past the end, and negative */
        { 27, 0xff, ERROR },                /* grant reference */
        { 28, 8, ERROR },  { 29, 8, ERROR }, { 29, 255, ERROR }, /* first and last sector */
    };
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    for (unsigned i = 0; i < sizeof(spoils) / sizeof(*spoils); i++) {
        raw(&b)[spoils[i].at] = spoils[i].value;
        CHECK_EQ(answer_to(&b), spoils[i].status);
    }
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(indirect_requests_that_cannot_be_are_answered_with_an_error)
{
    struct guest_blk b;
    struct dm dm;
    uint8_t *r;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    for (unsigned i = 0; i < 5; i++) {
        CHECK(guest_blk_put(&b, 0, 0, GUEST_BLK_READ, 0, 16 * 4096, true));
        r = b.queue[0].ring.base + 64 +
            (size_t)((b.queue[0].ring.made - 1) & (b.queue[0].ring.count - 1)) * 112;
        switch (i) {
        case 0: put_le16(r + 2, 257); break;
        case 1: put_le16(r + 2, 0); break;
        case 2: put_le32(r + 28, 0x7fffffff); break; /* no such grant */
        case 3: r[1] = GUEST_BLK_FLUSH; break;
        default: r[1] = GUEST_BLK_INDIRECT;
        }
        CHECK_EQ(answer_to(&b), ERROR);
    }
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(discards_of_any_length_leave_it_standing)
{
    static const struct {
        uint64_t sector, sectors;
        int status;
    } discards[] = {
        { 0, SECTORS, OKAY },       { 8, 8, OKAY },
        { 0, SECTORS + 1, ERROR },  { SECTORS, 1, ERROR },
        { 1, ~0ull, ERROR },        { ~0ull, 1, ERROR },
        { 0x8000000000000000ull, 0x8000000000000000ull, ERROR },
        { 0, 1ull << 55, ERROR },
    };
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(guest_pv_number(b.pv.back, "feature-discard", 0), 1);
    for (unsigned i = 0; i < sizeof(discards) / sizeof(*discards); i++) {
        CHECK(guest_blk_put_discard(&b, 0, 0, discards[i].sector, discards[i].sectors));
        CHECK_EQ(answer_to(&b), discards[i].status);
    }
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(a_disk_for_reading_takes_no_writes)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, true);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(guest_pv_number(b.pv.back, "info", 0), 4);
    CHECK_EQ(guest_pv_number(b.pv.back, "feature-discard", 9), 0);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_READ, 0, 4096), OKAY);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_WRITE, 0, 4096), ERROR);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_BARRIER, 0, 4096), ERROR);
    CHECK(guest_blk_put_discard(&b, 0, 0, 0, 8));
    CHECK_EQ(answer_to(&b), ERROR);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(barriers_and_flushes_with_and_without_data)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_FLUSH, 0, 0), OKAY);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_FLUSH, 16, 4096), OKAY);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_BARRIER, 24, 8192), OKAY);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_BARRIER, 0, 0), OKAY);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

/* The response's bytes are ours but for id, operation and status: none of our stack is in them. */
TEST(a_response_leaks_nothing)
{
    struct guest_blk b;
    struct dm dm;
    uint8_t *r;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    r = raw(&b);
    CHECK_EQ(answer_to(&b), OKAY);
    CHECK_EQ(r[9], 0);
    CHECK_EQ(get_le32(r + 12), 0);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

/* What Linux leaves in it is ~0; told of an error, it never flushes that disk again. */
TEST(the_sector_of_a_flush_without_data_means_nothing)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_FLUSH, ~0ull, 0), OKAY);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_BARRIER, ~0ull, 0), OKAY);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_FLUSH, ~0ull, 4096), ERROR);
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(a_flush_with_data_is_a_write_to_a_disk_for_reading)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, true);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_FLUSH, 0, 0), OKAY);
    CHECK_EQ(guest_blk_do(&b, 0, GUEST_BLK_FLUSH, 0, 4096), ERROR);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(a_discard_that_must_be_secure_is_not_made_as_another)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK(guest_blk_put_discard(&b, 0, 0, 0, 8));
    b.queue[0].ring.base[64 + 1] = 1; /* BLKIF_DISCARD_SECURE */
    CHECK_EQ(answer_to(&b), NOT_SUPPORTED);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

/* ---- Memory ---- */

static const struct guest_blk_config large = { .depth = 8, .pages = 256, .order = 4,
                                               .name_order = true, .memory = MEMORY };

/* Waits for `n` answers; how many of them say OKAY. */
static unsigned take_all(struct guest_blk *b, unsigned n)
{
    unsigned okay = 0, slot;
    int status;

    while (n--) {
        CHECK(guest_blk_take(b, 0, &slot, &status, END_MS));
        okay += status == OKAY;
    }
    return okay;
}

TEST(five_hundred_requests_of_a_megabyte_cost_a_queue_no_more_than_its_bound)
{
    bool sanitized = getenv("DM") && strstr(getenv("DM"), "-san-"); /* their memory is no measure */
    unsigned before, n = 0;
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &large));
    serves(&b);
    before = dm_memory(&dm, false).rss;
    while (guest_blk_put(&b, 0, n & 1, n & 1, 0, 256 * 4096, true))
        n++;
    CHECK_EQ(n, 512);
    guest_blk_kick(&b, 0);
    CHECK_EQ(take_all(&b, n), n);
    CHECK(sanitized || dm_memory(&dm, false).rss < before + 12 * 1024);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

/*
 * Four reads take all the memory there is; the writes behind them wait, and end at once when it is
 * their turn, for their pages are nobody's. Nothing on the disk is left to wake the queue then.
 */
TEST(writes_that_wait_for_memory_and_then_fail_are_answered)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &large));
    for (unsigned i = 0; i < 16; i++) {
        CHECK(guest_blk_put(&b, 0, 0, GUEST_BLK_READ, i * 8, 256 * 4096, true));
        for (unsigned slot = 1; slot < 8; slot++) {
            CHECK(guest_blk_put(&b, 0, slot, GUEST_BLK_WRITE, 0, 200 * 4096, true));
            for (unsigned page = 0; page < 200; page++)
                put_le32(guest_page(b.queue[0].lists + slot * 4096) + page * 8, 0x7fffffff);
        }
    }
    guest_blk_kick(&b, 0);
    CHECK_EQ(take_all(&b, 16 * 8), 16);
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(a_barrier_waits_for_what_came_before_it_and_holds_what_comes_after)
{
    struct guest_blk b;
    struct dm dm;
    bool seen = false;
    unsigned slot;
    int status;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &large));
    for (unsigned round = 0; round < 50; round++) {
        for (slot = 0; slot < 8; slot++)
            CHECK(guest_blk_put(&b, 0, slot, slot == 4 ? GUEST_BLK_BARRIER : GUEST_BLK_WRITE,
                                slot * 200, slot < 4 ? 1 << 19 : 4096, slot < 4));
        guest_blk_kick(&b, 0);
        seen = false;
        for (unsigned i = 0; i < 8; i++) {
            CHECK(guest_blk_take(&b, 0, &slot, &status, END_MS));
            CHECK_EQ(status, OKAY);
            CHECK_EQ(slot == 4, i == 4); /* four before it, three after it */
            seen |= slot == 4;
        }
        CHECK(seen);
    }
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

/* ---- Broken rings ---- */

TEST(a_producer_that_takes_requests_back_ends_the_connection)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &large));
    for (unsigned i = 0; i < 64; i++)
        CHECK(guest_blk_put(&b, 0, 0, GUEST_BLK_WRITE, 0, 256 * 4096, true));
    guest_blk_kick(&b, 0);
    CHECK_EQ(take_all(&b, 1), 1); /* it has seen all 64, then */
    *(volatile uint32_t *)(void *)b.queue[0].ring.base = 1;
    guest_channel_notify(b.queue[0].port);
    CHECK(guest_pv_await(&b.pv, 5));
    CHECK(guest_blk_disconnect(&b));
    guest_pv_state(&b.pv, 1);
    CHECK(guest_blk_connect(&b, &large));
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(a_producer_far_ahead_ends_the_connection_with_a_sentence)
{
    struct guest_blk b;
    struct dm dm;
    char path[128], *why;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    serves(&b);
    *(volatile uint32_t *)(void *)b.queue[0].ring.base = 0x80000000u;
    guest_channel_notify(b.queue[0].port);
    CHECK(guest_pv_await(&b.pv, 5));
    snprintf(path, sizeof(path), "%s/error", b.pv.back);
    why = store_get(path);
    CHECK(why && strstr(why, "more requests than it has room for"));
    free(why);
    CHECK(guest_blk_disconnect(&b));
    guest_pv_state(&b.pv, 1); /* and may come again */
    CHECK(guest_blk_connect(&b, &plain));
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

static void refuse(const char *key, const char *value)
{
    struct guest_blk b;
    struct dm dm;
    char path[128], *why;

    open_pc(&dm, &b, false);
    CHECK(guest_pv_await(&b.pv, 2));
    guest_pv_put(b.pv.front, "ring-ref", "8");
    guest_pv_put(b.pv.front, "event-channel", "1");
    guest_pv_put(b.pv.front, key, "%s", value);
    guest_pv_state(&b.pv, 3);
    CHECK(guest_pv_await(&b.pv, 5));
    snprintf(path, sizeof(path), "%s/error", b.pv.back);
    why = store_get(path);
    CHECK(why && strstr(why, "qdisk 51712"));
    free(why);
    guest_pv_state(&b.pv, 6);
    CHECK(guest_pv_await(&b.pv, 6));
    guest_pv_drop(b.pv.front, key);
    guest_pv_state(&b.pv, 1);
    CHECK(guest_blk_connect(&b, &plain));
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(a_frontends_nodes_that_make_no_sense_are_refused_and_it_may_come_again)
{
    refuse("ring-ref", "12345");
    refuse("ring-ref", "-1");
    refuse("ring-ref", "99999999999999999999");
    refuse("ring-page-order", "9");
    refuse("multi-queue-num-queues", "4000");
    refuse("protocol", "vax-abi");
    refuse("event-channel", "x");
}

TEST(an_event_channel_that_is_not_there_is_refused)
{
    struct guest_blk_config c = plain;
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_pv_await(&b.pv, 2));
    CHECK(guest_blk_connect(&b, &c)); /* fine at first sight */
    CHECK(guest_blk_disconnect(&b));
    guest_pv_state(&b.pv, 1);
    CHECK(guest_pv_await(&b.pv, 2));
    guest_pv_put(b.pv.front, "ring-ref", "%u", guest_grant(MEMORY, false));
    guest_pv_put(b.pv.front, "event-channel", "1999");
    guest_pv_state(&b.pv, 3);
    CHECK(guest_pv_await(&b.pv, 5));
    guest_pv_state(&b.pv, 6);
    CHECK(guest_pv_await(&b.pv, 6));
    close_pc(&dm);
}

/* ---- A ring that changes while it is read ---- */

static atomic_bool over;

static void *spoil(void *arg)
{
    struct guest_blk *b = arg;
    uint8_t *base = b->queue[0].ring.base + 64;
    uint64_t seed = 7;

    while (!atomic_load(&over)) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        ((volatile uint8_t *)base)[(seed >> 8) % (32 * 112)] = (uint8_t)seed;
    }
    return NULL;
}

TEST(a_thread_that_changes_the_ring_meanwhile_costs_it_only_its_data)
{
    struct guest_blk b;
    pthread_t thread;
    struct dm dm;
    unsigned answers = 0;
    uint64_t start = now_ns();

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    atomic_store(&over, false);
    pthread_create(&thread, NULL, spoil, &b);
    while (now_ns() - start < 500000000 || answers < 64) {
        unsigned n = 0;

        while (n < 8 && guest_blk_put(&b, 0, n, n & 1, n * 64, 16 * 4096, n & 2))
            n++;
        guest_blk_kick(&b, 0);
        for (uint64_t wait = now_ns(); n && now_ns() - wait < END_MS * 1000000ull;)
            if (guest_ring_response(&b.queue[0].ring))
                n--, answers++;
        CHECK_EQ(n, 0); /* one answer for each */
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

/* ---- Coming and going ---- */

TEST(reconnecting_ten_times_with_requests_in_flight_leaves_nothing_mapped)
{
    struct guest_blk_config c = plain;
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    for (unsigned i = 0; i < 10; i++) {
        c.persistent = i & 1;
        c.queues = i % 3;
        CHECK(guest_blk_connect(&b, &c));
        for (unsigned slot = 0; slot < 8; slot++)
            CHECK(guest_blk_put(&b, 0, slot, GUEST_BLK_READ, slot * 128, 16 * 4096, false));
        guest_blk_kick(&b, 0);
        CHECK(guest_blk_disconnect(&b)); /* no matter what is under way */
        CHECK_EQ(simxen()->live_grants, 0);
        guest_pv_state(&b.pv, 1);
    }
    close_pc(&dm);
}

TEST(a_kernel_that_died_and_one_that_starts_over_it_are_served_again)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    serves(&b);
    guest_pv_state(&b.pv, 1); /* as kexec does, without a word before */
    CHECK(guest_blk_connect(&b, &plain));
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

TEST(disks_are_added_and_taken_away_while_it_runs)
{
    struct guest_blk first, second;
    struct guest_blk_config c = plain;
    struct dm dm;

    open_pc(&dm, &first, false);
    CHECK(guest_blk_connect(&first, &plain));
    c.memory += 0x400000;
    for (unsigned i = 0; i < 3; i++) {
        guest_blk_add(&second, DEVID + 16, params, false);
        CHECK(guest_blk_connect(&second, &c));
        serves(&second);
        serves(&first);
        guest_pv_put(second.pv.back, "online", "0");
        guest_pv_put(second.pv.back, "state", "5");
        CHECK(guest_blk_disconnect(&second));
        CHECK(guest_pv_remove(&second.pv));
    }
    CHECK(guest_blk_disconnect(&first));
    close_pc(&dm);
}

TEST(a_frontend_that_vanishes_leaves_no_grants)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    store_drop(b.pv.front); /* as when the domain is destroyed */
    store_drop(b.pv.back);
    dm_await_no_grants(END_MS);
    guest_blk_forget(&b);
    close_pc(&dm);
}

TEST(a_flood_of_writes_to_xenstore_is_survived)
{
    struct guest_blk b;
    struct dm dm;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    for (unsigned i = 0; i < 20000; i++)
        guest_pv_put(b.pv.front, "state", "%u", i % 10 == 9 ? 4u : 4u);
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}

static unsigned lines_with(const struct dm *dm, const char *text)
{
    FILE *f = fopen(dm->log, "r");
    char line[512];
    unsigned n = 0;

    CHECK(f);
    while (f && fgets(line, sizeof(line), f))
        n += strstr(line, text) != NULL;
    fclose(f);
    return n;
}

TEST(an_image_that_is_not_there_is_a_sentence_and_served_once_it_is)
{
    struct guest_blk b;
    struct dm dm;
    char path[128], *why = NULL;

    open_pc(&dm, &b, false);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK(guest_blk_disconnect(&b));
    CHECK(guest_pv_remove(&b.pv));
    guest_blk_add(&b, DEVID + 32, "aio:/nonexistent/image", false);
    snprintf(path, sizeof(path), "%s/error", b.pv.back);
    for (uint64_t start = now_ns(); !why && now_ns() - start < END_MS * 1000000ull; usleep(1000))
        why = store_get(path);
    CHECK(why && strstr(why, "/nonexistent/image"));
    free(why);
    for (unsigned i = 0; i < 20; i++) /* our own node, and others that change nothing */
        guest_pv_put(b.pv.back, "sound", "%u", i);
    guest_pv_put(b.pv.back, "params", "%s", params);
    CHECK(guest_blk_connect(&b, &plain));
    CHECK_EQ(lines_with(&dm, "/nonexistent/image"), 1); /* it was told once */
    serves(&b);
    CHECK(guest_blk_disconnect(&b));
    close_pc(&dm);
}
