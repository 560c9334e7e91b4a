/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VNC: a hostile client's bytes, with or without a good handshake before them, through our seam to
 * libvncserver. The client is real: a thread and a loop of its own, on one end of a socketpair.
 * The library has no coverage instrumentation, so the corpus follows our side of the seam.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/display/input.h"
#include "dm/display/keymap.h"
#include "dm/display/screen.h"
#include "dm/display/vnc_client.h"
#include "tests/fuzz/kit/bench.h"

#define END_NS (10 * NS_PER_SEC)

static struct loop *loop;
static struct screen *screen;
static struct vnc_shared shared;
static unsigned width = 64, height = 48;
static bool ended;

static void draw(void *owner, struct surface *s, struct damage *damage, bool all)
{
    if (s->width != width || s->height != height)
        screen_size(screen, s, width, height);
    s->pixels[0]++;
    damage_add(damage, 0, 0, all ? width : 1, all ? height : 1);
}

static const struct screen_ops screen_ops = { .draw = draw };

static void must(int rc, const struct error *err)
{
    if (rc < 0)
        bench_broken("set-up: %s", err->text);
}

static void open_once(void)
{
    struct error err = { "" };

    signal(SIGPIPE, SIG_IGN);
    must(loop_open(&loop, "fuzz", &err), &err);
    must(screen_open(&screen, "s", &err), &err);
    must(screen_attach(screen, loop, &screen_ops, NULL, &err), &err);
    must(input_open(&shared.input, loop, &err), &err);
    must(keymap_find(&shared.keymap, NULL, &err), &err);
    shared.screen = screen;
    strcpy(shared.name, "guest");
    must(vnc_lib_open(&shared.lib, &vnc_client_extension, true, &err), &err);
    shared.password = 0x6162636465666768;
}

static void on_done(struct vnc_client *client, void *arg)
{
    ended = true;
}

/* Reads what comes and lets the loop run; a client that does not read is a case of its own. */
static void turn(int fd, bool reads)
{
    char away[16384];

    while (loop_step(loop))
        ;
    while (reads && read(fd, away, sizeof(away)) > 0)
        ;
}

static void give(int fd, const void *bytes, size_t n, bool reads)
{
    const uint8_t *p = bytes;

    for (int i = 0; n && i < 200 && !ended; i++) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno != EAGAIN)
            return;
        p += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
        turn(fd, reads);
    }
}

static void wait_for(int fd, int ms)
{
    struct pollfd p = { fd, POLLIN, 0 };

    for (int i = 0; i < ms && !ended && poll(&p, 1, 1) == 0; i++)
        turn(fd, false);
}

/* Up to ServerInit, as a good client does it. */
static void handshake(int fd)
{
    wait_for(fd, 500);
    turn(fd, true);
    give(fd, "RFB 003.008\n", 12, true);
    wait_for(fd, 100);
    turn(fd, true);
    give(fd, "\1", 1, true);
    wait_for(fd, 100);
    turn(fd, true);
    give(fd, "\1", 1, true);
    wait_for(fd, 100);
    turn(fd, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    uint8_t how = take8(&in);
    struct vnc_client *client;
    const uint8_t *piece;
    uint64_t end;
    int sv[2];

    if (!loop)
        open_once();
    ended = false;
    width = how & 0x40 ? 64 : 200;
    shared.needs_password = how & 0x20;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
        abort();
    fcntl(sv[1], F_SETFL, O_NONBLOCK);
    if (vnc_client_start(&client, &shared, loop, sv[0], on_done, NULL) < 0)
        abort();
    if (!(how & 0x80))
        handshake(sv[1]);
    while (in.left && !ended) {
        uint8_t piece_how = take8(&in);
        size_t n = take_bytes(&in, 1 + (piece_how & 0x3f), &piece);

        give(sv[1], piece, n, !(how & 1));
        if (piece_how == 0xff)
            width = width == 64 ? 200 : 64;
    }
    shutdown(sv[1], SHUT_WR);
    end = clock_now() + END_NS;
    while (!ended && clock_now() < end) {
        struct pollfd p = { sv[1], POLLIN, 0 };

        poll(&p, 1, 0);
        turn(sv[1], !(how & 2) || clock_now() + END_NS > end + NS_PER_SEC / 20);
        usleep(200);
        if (how & 2 && clock_now() + END_NS > end + NS_PER_SEC / 20)
            shutdown(sv[1], SHUT_RDWR);
    }
    if (!ended)
        bench_broken("a client that has hung up is still there after ten seconds");
    vnc_client_close(client);
    close(sv[1]);
    while (loop_step(loop))
        ;
    return 0;
}
