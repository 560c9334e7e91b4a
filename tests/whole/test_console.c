/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PV consoles and channels: by pty, by chardev, by a file; and guests that lie. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/guest/console.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"

#define END_MS 30000
#define PAGE 0x2000000u
#define LIMIT 1048576u

static uint8_t text[1 << 20];

static void open_pc(struct dm *dm, const char *chardev)
{
    const char *const more[] = { "-chardev", chardev, NULL };
    struct dm_config config = { .vcpus = 1, .more = chardev ? more : NULL };

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)('0' + i * 7 % 75 + (i >> 12) % 3);
    dm_open(dm, &config);
}

static void close_pc(struct dm *dm)
{
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
}

static int open_tty(struct guest_console *c)
{
    char path[160], *tty;
    int fd;

    snprintf(path, sizeof(path), "%s/tty", c->pv.front);
    tty = store_get(path);
    CHECK(tty && !strncmp(tty, "/dev/pts/", 9));
    fd = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(fd >= 0);
    free(tty);
    return fd;
}

/* Exactly these bytes come out of the host's end. */
static void expect_bytes(int fd, const uint8_t *want, size_t count)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint8_t got[4096];
    size_t at = 0;

    while (at < count) {
        ssize_t n;

        CHECK_EQ(poll(&p, 1, END_MS), 1);
        n = read(fd, got, sizeof(got) < count - at ? sizeof(got) : count - at);
        CHECK(n > 0);
        CHECK_MEM(got, want + at, (size_t)n);
        at += (size_t)n;
    }
}

static void talk(struct guest_console *c, int fd)
{
    uint8_t got[4096];

    for (unsigned i = 0; i < 60; i++) {
        size_t n = 1 + i * 97 % 3000, at = 0;

        CHECK(guest_console_write(c, text + i, n));
        expect_bytes(fd, text + i, n);
        CHECK_EQ(write(fd, text + 2 * i, n), n);
        while (at < n) {
            size_t part = guest_console_read(c, got + at, n - at, END_MS);

            CHECK(part);
            at += part;
        }
        CHECK_MEM(got, text + 2 * i, n);
    }
}

TEST(a_secondary_console_talks_through_a_pty_that_stays_while_its_driver_goes)
{
    struct guest_console c;
    struct dm dm;
    int fd;

    open_pc(&dm, NULL);
    guest_console_add(&c, 1, "ioemu", "pty", LIMIT);
    CHECK(guest_pv_await(&c.pv, 2));
    fd = open_tty(&c);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(guest_console_connect(&c, PAGE));
        talk(&c, fd);
        CHECK(guest_console_disconnect(&c));
        guest_pv_state(&c.pv, 1);
        CHECK(guest_pv_await(&c.pv, 2));
    }
    close(fd);
    CHECK(guest_pv_remove(&c.pv));
    close_pc(&dm);
}

TEST(the_first_console_is_ours_only_where_its_type_says_so)
{
    struct guest_console c, theirs;
    struct dm dm;
    int fd;

    open_pc(&dm, NULL);
    guest_console_add(&theirs, 3, "xenconsoled", "pty", LIMIT);
    guest_console_add(&c, 0, "ioemu", "pty", LIMIT);
    CHECK(guest_console_connect(&c, PAGE));
    fd = open_tty(&c);
    talk(&c, fd);
    CHECK_EQ(guest_pv_number(theirs.pv.back, "state", 0), 1);
    CHECK_EQ(guest_pv_number(theirs.pv.back, "hotplug-status", 77), 77);
    close(fd);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0); /* it is still connected */
}

/* A channel by a socket as libxl names it; the other end of that. */
static int open_channel(struct dm *dm, struct guest_console *c, unsigned limit, int room)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint8_t hello[5];
    char chardev[192];

    snprintf(to.sun_path, sizeof(to.sun_path), "/tmp/simxen-channel-%d", getpid());
    snprintf(chardev, sizeof(chardev), "socket,id=libxl-channel1,path=%s,server=on,wait=off",
             to.sun_path);
    open_pc(dm, chardev);
    guest_console_add(c, 1, "ioemu", "chardev:libxl-channel1", limit);
    CHECK(guest_console_connect(c, PAGE));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    CHECK_EQ(write(fd, "hello", 5), 5);
    CHECK_EQ(guest_console_read(c, hello, 5, END_MS), 5); /* it is through: so is what follows */
    unlink(to.sun_path);
    return fd;
}

TEST(a_channel_talks_through_libxls_socket)
{
    struct guest_console c;
    struct dm dm;
    int fd = open_channel(&dm, &c, LIMIT, 65536);

    talk(&c, fd);
    close(fd);
    CHECK(guest_console_disconnect(&c));
    close_pc(&dm);
}

TEST(a_reader_who_does_not_read_loses_the_oldest_and_the_guest_never_waits)
{
    struct guest_console c;
    struct dm dm;
    int fd = open_channel(&dm, &c, 10000, 4096), held = 0;

    CHECK(guest_console_write(&c, text, sizeof(text)));
    CHECK(guest_console_write(&c, "the end", 7));
    for (uint8_t last[7] = ""; memcmp(last, "the end", 7); held++) { /* what was said last is there */
        struct pollfd p = { .fd = fd, .events = POLLIN };

        CHECK_EQ(poll(&p, 1, END_MS), 1);
        memmove(last, last + 1, 6);
        CHECK_EQ(read(fd, last + 6, 1), 1);
    }
    CHECK(held < (int)sizeof(text) - 100000);
    close(fd);
    CHECK(guest_console_disconnect(&c));
    close_pc(&dm);
}

TEST(a_console_into_a_file)
{
    char output[96], got[64] = "";
    struct guest_console c;
    struct dm dm;
    int fd;

    snprintf(output, sizeof(output), "file:/tmp/simxen-console-%d", getpid());
    open_pc(&dm, NULL);
    guest_console_add(&c, 2, "ioemu", output, LIMIT);
    CHECK(guest_console_connect(&c, PAGE));
    CHECK(guest_console_write(&c, "last words", 10));
    CHECK(guest_console_disconnect(&c));
    fd = open(output + 5, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(read(fd, got, sizeof(got)), 10);
    CHECK_STR(got, "last words");
    close(fd);
    unlink(output + 5);
    close_pc(&dm);
}

/* ---- Lies ---- */

static void expect_broken(struct guest_console *c)
{
    CHECK(guest_pv_await(&c->pv, 5));
    guest_pv_state(&c->pv, 6);
    CHECK(guest_pv_await(&c->pv, 6));
    guest_console_forget(c);
    guest_pv_state(&c->pv, 1);
    CHECK(guest_pv_await(&c->pv, 2));
}

TEST(indices_that_cannot_be_end_the_connection)
{
    static const uint32_t ahead[] = { 2049, 0x7fffffff, 0x80000000, 0xffffffff };
    struct guest_console c;
    struct dm dm;
    int fd;

    open_pc(&dm, NULL);
    guest_console_add(&c, 1, "ioemu", "pty", LIMIT);
    CHECK(guest_pv_await(&c.pv, 2));
    fd = open_tty(&c);
    for (unsigned i = 0; i < 4; i++) {
        CHECK(guest_console_connect(&c, PAGE));
        atomic_store(guest_console_word(&c, GUEST_CONS_OUT_PROD), ahead[i]);
        guest_channel_notify(c.port);
        expect_broken(&c);
        CHECK(guest_console_connect(&c, PAGE));
        atomic_store(guest_console_word(&c, GUEST_CONS_IN_CONS), ahead[i] / 2);
        CHECK_EQ(write(fd, "x", 1), 1);
        guest_channel_notify(c.port);
        expect_broken(&c);
    }
    CHECK(guest_console_connect(&c, PAGE)); /* 'x' still waits for somebody to read it */
    CHECK(guest_console_read(&c, text, 16, END_MS));
    CHECK(guest_console_disconnect(&c));
    close(fd);
    close_pc(&dm);
}

/* The sentence in the backend's directory, once there is one. */
static char *await_error(struct guest_console *c)
{
    char path[160], *error = NULL;

    snprintf(path, sizeof(path), "%s/error", c->pv.back);
    for (unsigned i = 0; i < END_MS && !(error = store_get(path)); i++)
        usleep(1000);
    return error;
}

TEST(outputs_and_pages_that_cannot_be_are_refused_with_a_sentence)
{
    struct guest_console c;
    struct dm dm;
    char *error;

    open_pc(&dm, NULL);
    guest_console_add(&c, 1, "ioemu", "chardev:nobody", LIMIT);
    error = await_error(&c);
    CHECK(error && strstr(error, "nobody"));
    free(error);
    guest_pv_put(c.pv.front, "output", "pty");
    guest_pv_put(c.pv.back, "online", "1"); /* a node of its own: it looks again */
    CHECK(guest_pv_await(&c.pv, 2));
    guest_pv_put(c.pv.front, "port", "1");
    guest_pv_put(c.pv.front, "ring-ref", "31000");
    guest_pv_state(&c.pv, 3);
    CHECK(guest_pv_await(&c.pv, 5));
    guest_pv_state(&c.pv, 6);
    CHECK(guest_pv_await(&c.pv, 6));
    guest_console_add(&c, 0, "ioemu", "pty", LIMIT);
    guest_pv_put(c.pv.front, "ring-ref", "99999999");
    guest_pv_put(c.pv.front, "port", "1");
    error = await_error(&c);
    CHECK(error && strstr(error, "cannot be mapped"));
    free(error);
    close_pc(&dm);
}
