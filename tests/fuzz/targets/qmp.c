/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP and HMP: up to three clients whose bytes come in pieces cut anywhere, with and without a
 * descriptor beside them, to a machine with something of everything. What they are told is JSON, a
 * line each; no file is opened; no descriptor is left.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/control/qmp.h"
#include "dm/machine/machine.h"
#include "tests/fuzz/kit/files.h"
#include "tests/fuzz/kit/play.h"

#define CLIENTS 3
#define HELLO "{\"execute\":\"qmp_capabilities\"}"

static struct machine machine;
static struct machine_config config = { .name = "guest", .cpus = 2, .cpus_most = 4 };
static struct qmp *qmp;
static struct {
    int fd;
    char text[65536]; /* of an answer that is not complete yet */
    size_t length;
} clients[CLIENTS];

/* ---- The machine ---- */

int __wrap_domain_shut_down(void *domain, int why);
int __wrap_domain_shut_down(void *domain, int why)
{
    return 0; /* there is no domain */
}

static void on_event(void *arg, const char *name, const char *reason)
{
    qmp_event(qmp, name, reason ? json_pack("{s:s}", "reason", reason) : NULL);
}

static void compose(void)
{
    static const enum seat_name seats[] = { SEAT_MACHINE, SEAT_DISK, SEAT_NET, SEAT_DISPLAY };

    memset(&machine, 0, sizeof(machine));
    machine.config = &config;
    machine.loop = bench.pc.loop;
    machine.state = RUN_RUNNING;
    for (unsigned i = 0; i < ARRAY_SIZE(seats); i++) {
        struct seat *s = &machine.seats[seats[i]];

        *s = (struct seat){ .machine = &machine, .name = "seat", .loop = bench.pc.loop,
                            .memory = bench.pc.board.memory, .board = bench.pc.board, .used = !i };
    }
    for (unsigned i = 0; i < bench.pc.device_count; i++) {
        machine.placed[i].device = bench.pc.devices[i];
        machine.placed[i].seat = &machine.seats[SEAT_MACHINE];
        if (!strcmp(device_class_of(bench.pc.devices[i])->name, "PIIX4_PM"))
            machine.pm = bench.pc.devices[i];
    }
    machine.placed_count = bench.pc.device_count;
    memcpy(machine.drives, bench.drives, sizeof(bench.drives));
    machine.drive_count = ARRAY_SIZE(bench.drives);
    machine.netports[0] = bench.net[0].port;
    machine.netport_count = 1;
    machine.chardevs[0] = bench.chardev;
    machine.chardev_count = 1;
    machine.screen = bench.screen;
    machine.input = bench.input;
    machine.event = on_event;
}

/* ---- Clients ---- */

static void check_line(const char *text, size_t n)
{
    json_error_t why;
    json_t *message = json_loadb(text, n, 0, &why);

    if (!json_is_object(message))
        bench_broken("a client was told \"%.*s\"", (int)n, text);
    json_decref(message);
}

/* Reads all there is; whole lines are judged. */
static void hear(unsigned i)
{
    ssize_t n;

    while (clients[i].fd >= 0 &&
           (n = read(clients[i].fd, clients[i].text + clients[i].length,
                     sizeof(clients[i].text) - clients[i].length)) > 0) {
        char *end;

        clients[i].length += (size_t)n;
        while ((end = memmem(clients[i].text, clients[i].length, "\r\n", 2))) {
            size_t used = (size_t)(end - clients[i].text) + 2;

            check_line(clients[i].text, used - 2);
            memmove(clients[i].text, end + 2, clients[i].length - used);
            clients[i].length -= used;
        }
        if (clients[i].length == sizeof(clients[i].text)) /* a line longer than we care for */
            clients[i].length = 0;
        bench_settle();
    }
}

static void hang_up(unsigned i)
{
    if (clients[i].fd >= 0)
        close(clients[i].fd);
    clients[i].fd = -1;
    clients[i].length = 0;
    bench_settle();
}

static void call(unsigned i, bool negotiated)
{
    struct chardev_words words = { .id = "m", .kind = "socket" };
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) < 0)
        abort();
    words.fd = sv[0];
    if (qmp_add(qmp, &words, i != 1, NULL) < 0)
        abort();
    clients[i].fd = sv[1];
    if (negotiated && write(sv[1], HELLO, strlen(HELLO)) < 0)
        abort();
    bench_settle();
    hear(i);
}

static void send_with(int fd, const void *bytes, size_t n, int passed)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { (void *)(uintptr_t)bytes, n };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (passed >= 0) {
        struct cmsghdr *h;

        msg.msg_control = control;
        msg.msg_controllen = sizeof(control);
        h = CMSG_FIRSTHDR(&msg);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &passed, sizeof(int));
    }
    sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* Whether a byte string is left over: pieces start with their length, so text may hold anything. */
static void say(struct input *in, unsigned i, uint8_t how)
{
    const uint8_t *bytes;
    size_t n = take_bytes(in, how & 0x20 ? take16(in) & 0xfff : take8(in), &bytes);
    int passed = -1;

    if (!n || clients[i].fd < 0)
        return;
    if (how & 0x10) {
        passed = memfd_create("medium", MFD_CLOEXEC);
        if (passed < 0 || ftruncate(passed, 4096) < 0)
            abort();
    }
    send_with(clients[i].fd, bytes, n, passed);
    if (passed >= 0)
        close(passed);
    if (!(how & 0x40))
        bench_settle();
    if (!(how & 0x80))
        hear(i);
}

static void one(struct input *in)
{
    uint8_t how = take8(in);
    unsigned i = how % 4 % CLIENTS;

    switch (how >> 2 & 3) {
    default:
        if (clients[i].fd < 0)
            call(i, true);
        say(in, i, how);
        break;
    case 2:
        clock_crank(how & 0x80 ? NS_PER_SEC : NS_PER_MS);
        bench_settle();
        hear(i);
        break;
    case 3:
        if (clients[i].fd < 0)
            call(i, how & 0x10);
        else if (how & 0x20)
            hang_up(i);
        else
            play_some(in, 1); /* the guest does something meanwhile */
    }
}

/* ---- One input ---- */

static const char *const devices[] = {
    "piix3-ide,drive0=hd0,drive1=hd1,drive2=cd2,drive3=cd3", "PIIX4_PM,cpus=2", "i8042,input=i",
    "isa-serial,chardev=c", "e1000,netdev=n", NULL,
};
static const struct family family = { .devices = devices };

static int lowest_descriptor(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    int before;

    bench_begin(&family);
    before = lowest_descriptor();
    if (qmp_open(&qmp, bench.pc.loop, NULL) < 0)
        abort();
    compose();
    qmp_set_machine(qmp, &machine);
    files_guard(FILES_REFUSED);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    call(0, !(take8(&in) & 0x80));
    for (unsigned i = 0; in.left && i < 100; i++)
        one(&in);
    clock_crank(60 * NS_PER_SEC); /* keys that are held are released */
    bench_settle();
    for (unsigned i = 0; i < CLIENTS; i++) {
        hear(i);
        hang_up(i);
    }
    files_guard(FILES_FREE);
    netport_set_link(bench.net[0].port, true);
    memory_log_dirty(bench.pc.board.memory, true);
    bench.spoiled |= machine.state == RUN_PAUSED;
    qmp_close(qmp);
    bench_settle();
    bench_end();
    if (lowest_descriptor() != before && !bench.spoiled)
        bench_broken("a descriptor is left open");
    return 0;
}
