/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte streams on the host: what goes in comes out, and nobody who is slow or gone harms us. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/chardev/chardev.h"
#include "tests/kit/check.h"

/* A user of a chardev with room for so much, who keeps what comes. */
struct bench {
    struct loop *loop;
    struct chardev *cd;
    size_t room, got;
    char text[200000];
    unsigned ups, downs, drains;
    char folder[40], path[64];
};

static size_t bench_room(void *owner)
{
    return ((struct bench *)owner)->room;
}

static void bench_receive(void *owner, const uint8_t *bytes, size_t count)
{
    struct bench *b = owner;

    CHECK(count <= b->room);
    CHECK(b->got + count < sizeof(b->text));
    memcpy(b->text + b->got, bytes, count);
    b->got += count;
    b->text[b->got] = 0;
    b->room -= count;
}

static void bench_connected(void *owner, bool up)
{
    struct bench *b = owner;

    b->ups += up;
    b->downs += !up;
}

static void bench_drained(void *owner)
{
    ((struct bench *)owner)->drains++;
}

static const struct chardev_user user = { bench_room, bench_receive, bench_connected,
                                          bench_drained };

static void settle(struct bench *b)
{
    for (int i = 0; i < 10000 && loop_step(b->loop); i++)
        ;
}

static void open_loop(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    b->room = 100000;
    clock_stop(NS_PER_SEC);
    signal(SIGPIPE, SIG_IGN);
    strcpy(b->folder, "/tmp/xen-dm-char-XXXXXX");
    CHECK(mkdtemp(b->folder) != NULL);
    snprintf(b->path, sizeof(b->path), "%s/it", b->folder);
    CHECK_EQ(loop_open(&b->loop, "chardev", NULL), 0);
}

static void open_it(struct bench *b, const struct chardev_config *config)
{
    struct error err = { "" };
    int rc;

    rc = chardev_open(&b->cd, b->loop, config, &err);
    if (rc)
        print_error("%s\n", err.text);
    CHECK_EQ(rc, 0);
    chardev_attach(b->cd, &user, b);
}

static void close_it(struct bench *b)
{
    chardev_detach(b->cd);
    chardev_close(b->cd);
    settle(b);
    CHECK_EQ(loop_next_timer(b->loop), UINT64_MAX);
    loop_close(b->loop);
    unlink(b->path);
    rmdir(b->folder);
}

static void open_server(struct bench *b, bool telnet)
{
    open_loop(b);
    open_it(b, &(struct chardev_config){ .id = "c", .kind = "socket", .path = b->path, .fd = -1,
                                         .server = true, .telnet = telnet });
}

static int dial(struct bench *b)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(sun.sun_path, b->path);
    CHECK_EQ(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    settle(b);
    return fd;
}

static void type(struct bench *b, int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    settle(b);
}

static const char *hear(struct bench *b, int fd)
{
    static char text[400000];
    size_t got = 0;
    ssize_t n;

    do {
        settle(b);
        n = read(fd, text + got, sizeof(text) - 1 - got);
        got += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    text[got] = 0;
    return text;
}

static void put(struct bench *b, const char *text)
{
    CHECK_EQ(chardev_write(b->cd, text, strlen(text)), strlen(text));
}

/* ---- Sockets ---- */

TEST(a_unix_server_passes_bytes_both_ways)
{
    struct bench b;
    int fd;

    open_server(&b, false);
    CHECK_STR(chardev_id(b.cd), "c");
    CHECK(!strncmp(chardev_filename(b.cd), "unix:/tmp/", 10));
    CHECK(strstr(chardev_filename(b.cd), ",server=on"));
    CHECK(!chardev_connected(b.cd));
    put(&b, "nobody is there");
    fd = dial(&b);
    CHECK(chardev_connected(b.cd));
    CHECK_EQ(b.ups, 1);
    CHECK_STR(hear(&b, fd), "");
    put(&b, "login: ");
    CHECK_STR(hear(&b, fd), "login: ");
    type(&b, fd, "root\n");
    CHECK_STR(b.text, "root\n");
    close(fd);
    settle(&b);
    CHECK(!chardev_connected(b.cd));
    CHECK_EQ(b.downs, 1);
    fd = dial(&b); /* and again */
    put(&b, "again");
    CHECK_STR(hear(&b, fd), "again");
    close(fd);
    close_it(&b);
    CHECK(access(b.path, F_OK) < 0);
}

TEST(a_newcomer_takes_the_line)
{
    struct bench b;
    int one, two;
    char byte;

    open_server(&b, false);
    one = dial(&b);
    two = dial(&b);
    CHECK_EQ(read(one, &byte, 1), 0);
    put(&b, "for two");
    CHECK_STR(hear(&b, two), "for two");
    close(one);
    close(two);
    close_it(&b);
}

TEST(a_tcp_server_and_a_tcp_client_find_each_other)
{
    struct bench b;
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sin);
    char port[16];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    CHECK_EQ(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
    CHECK_EQ(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&sin, &n);
    snprintf(port, sizeof(port), "%u", ntohs(sin.sin_port));
    open_loop(&b);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "socket", .host = "127.0.0.1",
                                          .port = port, .fd = -1 });
    fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    put(&b, "over TCP");
    CHECK_STR(hear(&b, fd), "over TCP");
    type(&b, fd, "and back");
    CHECK_STR(b.text, "and back");
    close(fd);
    close(listener);
    settle(&b);
    CHECK(!chardev_connected(b.cd));
    close_it(&b);
    open_loop(&b);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "socket", .host = "127.0.0.1",
                                          .port = port, .fd = -1, .server = true });
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    connect(fd, (struct sockaddr *)&sin, sizeof(sin));
    settle(&b);
    CHECK(chardev_connected(b.cd));
    put(&b, "served");
    CHECK_STR(hear(&b, fd), "served");
    close(fd);
    close_it(&b);
}

TEST(a_client_that_lost_its_server_comes_back_when_it_is_there_again)
{
    struct bench b;
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int listener, fd;

    open_loop(&b);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "socket", .path = b.path, .fd = -1,
                                          .reconnect = 5 });
    CHECK(!chardev_connected(b.cd)); /* nobody listens yet: that is what reconnect is for */
    strcpy(sun.sun_path, b.path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
    CHECK_EQ(listen(listener, 4), 0);
    for (int turn = 0; turn < 2; turn++) {
        clock_crank(5 * NS_PER_SEC - 1);
        settle(&b);
        CHECK(!chardev_connected(b.cd));
        clock_crank(1);
        settle(&b);
        CHECK(chardev_connected(b.cd));
        fd = accept(listener, NULL, NULL);
        close(fd);
        settle(&b);
        CHECK(!chardev_connected(b.cd));
    }
    CHECK_EQ(b.ups, 2);
    close(listener);
    close_it(&b);
}

/* A full backlog neither takes nor refuses: the kernel lets a waiting connect() wait. */
TEST(a_tcp_client_that_may_come_back_never_waits_for_its_peer)
{
    struct bench b;
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sin);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fd, fill[4];
    char port[16];

    CHECK_EQ(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
    CHECK_EQ(listen(listener, 0), 0);
    getsockname(listener, (struct sockaddr *)&sin, &n);
    snprintf(port, sizeof(port), "%u", ntohs(sin.sin_port));
    for (unsigned i = 0; i < ARRAY_SIZE(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fill[i], (struct sockaddr *)&sin, sizeof(sin));
    }
    open_loop(&b);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "socket", .host = "127.0.0.1",
                                          .port = port, .fd = -1, .reconnect = 1 });
    CHECK(!chardev_connected(b.cd)); /* on its way; we are here all the same */
    close_it(&b);
    for (unsigned i = 0; i < ARRAY_SIZE(fill); i++)
        close(fill[i]);
    while ((fd = accept(listener, NULL, NULL)) >= 0)
        close(fd);
    close(listener);
}

TEST(a_tcp_client_connects_refused_or_taken_once_somebody_listens)
{
    struct bench b;
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sin);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
    char port[16];

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    CHECK_EQ(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
    getsockname(listener, (struct sockaddr *)&sin, &n);
    snprintf(port, sizeof(port), "%u", ntohs(sin.sin_port));
    open_loop(&b);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "socket", .host = "127.0.0.1",
                                          .port = port, .fd = -1, .reconnect = 1 });
    settle(&b);
    CHECK(!chardev_connected(b.cd));
    CHECK_EQ(listen(listener, 1), 0);
    clock_crank(NS_PER_SEC);
    settle(&b);
    CHECK(chardev_connected(b.cd));
    fd = accept(listener, NULL, NULL);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    put(&b, "here again");
    CHECK_STR(hear(&b, fd), "here again");
    close(fd);
    close(listener);
    close_it(&b);
}

TEST(telnets_commands_are_stripped_wherever_they_are_cut)
{
    static const char in[] = "a\xff\xfb\x01" "b\xff\xfd\x22" "c\xff\xfa\x22\x03\xff\xff\x01\xff\xf0" "d\r\0"
                             "\xff\xff" "e\xff\xf1" "f";
    struct bench b;
    int fd;

    for (unsigned split = 1; split <= sizeof(in) - 1; split += 3) {
        open_server(&b, true);
        fd = dial(&b);
        CHECK_STR(hear(&b, fd), "\xff\xfb\x01\xff\xfb\x03\xff\xfc\x22");
        for (size_t at = 0; at < sizeof(in) - 1; at += split) {
            size_t n = MIN(split, sizeof(in) - 1 - at);

            CHECK_EQ(write(fd, in + at, n), n);
            settle(&b);
        }
        CHECK_STR(b.text, "abcd\r\xff" "ef");
        close(fd);
        close_it(&b);
    }
}

/* ---- Room and buffers ---- */

TEST(input_waits_while_the_user_has_no_room)
{
    struct bench b;
    int fd;

    open_server(&b, false);
    fd = dial(&b);
    b.room = 3;
    type(&b, fd, "abcdefgh");
    CHECK_STR(b.text, "abc");
    b.room = 2;
    chardev_accept(b.cd);
    settle(&b);
    CHECK_STR(b.text, "abcde");
    chardev_accept(b.cd); /* it still has none */
    settle(&b);
    CHECK_STR(b.text, "abcde");
    b.room = 100;
    chardev_accept(b.cd);
    settle(&b);
    CHECK_STR(b.text, "abcdefgh");
    close(fd);
    close_it(&b);
}

TEST(what_a_peer_sent_before_it_hung_up_is_not_lost)
{
    struct bench b;
    int fd;

    open_server(&b, false);
    b.room = 1;
    fd = dial(&b);
    type(&b, fd, "echo hello\n");
    close(fd);
    settle(&b);
    for (int i = 0; i < 20; i++) {
        b.room = 1;
        chardev_accept(b.cd);
        settle(&b);
    }
    CHECK_STR(b.text, "echo hello\n");
    CHECK(!chardev_connected(b.cd));
    CHECK_EQ(b.downs, 1);
    fd = dial(&b);
    put(&b, "next");
    CHECK_STR(hear(&b, fd), "next");
    close(fd);
    close_it(&b);
}

/* How much the line takes before it is full. */
static size_t stuff(struct bench *b)
{
    static char junk[5000];
    size_t all = 0, n;

    memset(junk, 'j', sizeof(junk));
    do {
        n = chardev_write(b->cd, junk, sizeof(junk));
        all += n;
    } while (n == sizeof(junk) && all < 64 * MIB);
    return all;
}

TEST(a_peer_that_never_reads_costs_64_kib_and_no_more)
{
    struct bench b;
    size_t all;
    int fd;

    open_server(&b, false);
    fd = dial(&b);
    all = stuff(&b);
    CHECK(all >= 65536);
    CHECK(all < 4 * MIB); /* the kernel's buffers, and ours */
    CHECK_EQ(chardev_write(b.cd, "x", 1), 0);
    CHECK_EQ(b.drains, 0);
    CHECK_EQ(strlen(hear(&b, fd)), all);
    CHECK_EQ(b.drains, 1);
    put(&b, "flows again");
    CHECK_STR(hear(&b, fd), "flows again");
    close(fd);
    close_it(&b);
}

TEST(output_drains_while_input_waits)
{
    struct bench b;
    size_t all;
    int fd;

    open_server(&b, false);
    fd = dial(&b);
    b.room = 0;
    all = stuff(&b);
    type(&b, fd, "typed"); /* no room for it: only reading stops */
    CHECK_EQ(strlen(hear(&b, fd)), all);
    CHECK_EQ(b.drains, 1);
    b.room = 100;
    chardev_accept(b.cd);
    settle(&b);
    CHECK_STR(b.text, "typed");
    close(fd);
    close_it(&b);
}

TEST(a_peer_that_goes_with_the_buffer_full_frees_the_sender)
{
    struct bench b;
    int fd;

    open_server(&b, false);
    fd = dial(&b);
    stuff(&b);
    close(fd);
    settle(&b);
    CHECK_EQ(b.drains, 1);
    put(&b, "into the void");
    fd = dial(&b);
    CHECK_STR(hear(&b, fd), ""); /* nothing of the former peer's */
    close(fd);
    close_it(&b);
}

TEST(a_chardev_without_a_user_pauses_its_peer)
{
    struct bench b;
    int fd;

    open_server(&b, false);
    chardev_detach(b.cd);
    fd = dial(&b);
    type(&b, fd, "early");
    chardev_attach(b.cd, &user, &b);
    settle(&b);
    CHECK_STR(b.text, "early");
    chardev_detach(b.cd);
    type(&b, fd, "late");
    close(fd);
    settle(&b);
    CHECK(!chardev_connected(b.cd));
    close_it(&b);
}

/* ---- Other kinds ---- */

/* The kernel passes a terminal's bytes on in its own time. */
static void wait_for(struct bench *b, bool (*done)(struct bench *b, int fd), int fd)
{
    static const struct timespec moment = { 0, 100000 };

    for (int i = 0; i < 50000 && !done(b, fd); i++) {
        nanosleep(&moment, NULL);
        settle(b);
    }
    CHECK(done(b, fd));
}

static bool has_three(struct bench *b, int fd)
{
    return b->got >= 3;
}

static bool has_output(struct bench *b, int fd)
{
    int n = 0;

    return ioctl(fd, FIONREAD, &n) == 0 && n >= 7;
}

TEST(a_pty_passes_bytes_raw_and_survives_its_users)
{
    struct bench b;
    int fd;

    open_loop(&b);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "pty", .fd = -1 });
    CHECK(!strncmp(chardev_filename(b.cd), "pty:/dev/", 9));
    for (int turn = 0; turn < 3; turn++) {
        b.got = 0;
        fd = open(chardev_filename(b.cd) + 4, O_RDWR | O_NOCTTY | O_NONBLOCK);
        CHECK(fd >= 0);
        put(&b, "line\n\x03\x04");
        wait_for(&b, has_output, fd);
        CHECK_STR(hear(&b, fd), "line\n\x03\x04");
        type(&b, fd, "\r\x03\xff");
        wait_for(&b, has_three, fd);
        CHECK_STR(b.text, "\r\x03\xff");
        close(fd);
        settle(&b);
        CHECK(chardev_connected(b.cd));
    }
    close_it(&b);
}

static bool heard_the_last(struct bench *b, int fd)
{
    ssize_t n = read(fd, b->text + b->got, sizeof(b->text) - 1 - b->got);

    b->got += n > 0 ? (size_t)n : 0;
    b->text[b->got] = 0;
    return strstr(b->text, "line 99999\n") != NULL;
}

TEST(a_pty_nobody_reads_keeps_the_latest_64_kib)
{
    struct bench b;
    char line[32];
    int fd;

    open_loop(&b);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "pty", .fd = -1 });
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(line, sizeof(line), "line %u\n", i);
        put(&b, line); /* the guest never waits for it */
        if (i % 1000 == 0)
            settle(&b);
    }
    fd = open(chardev_filename(b.cd) + 4, O_RDWR | O_NOCTTY | O_NONBLOCK);
    wait_for(&b, heard_the_last, fd);
    CHECK(b.got < 256 * KIB);
    CHECK(strstr(b.text, "line 96000\n"));
    close(fd);
    close_it(&b);
}

TEST(a_file_is_written_afresh_or_on)
{
    struct bench b;
    char text[32] = "";
    int fd;

    for (int turn = 0; turn < 3; turn++) {
        open_loop(&b);
        snprintf(b.path, sizeof(b.path), "/tmp/xen-dm-char-file");
        open_it(&b, &(struct chardev_config){ .id = "c", .kind = "file", .path = b.path, .fd = -1,
                                              .append = turn == 1 });
        CHECK_STR(chardev_filename(b.cd), "file");
        put(&b, turn == 1 ? "two" : "one");
        fd = open(b.path, O_RDONLY);
        CHECK_EQ(read(fd, text, sizeof(text)), turn == 1 ? 6 : 3);
        close(fd);
        strcpy(b.path, "/nowhere"); /* kept for the next turn */
        close_it(&b);
    }
    CHECK_MEM(text, "onetwo", 3);
    unlink("/tmp/xen-dm-char-file");
}

TEST(fifos_pass_bytes_one_each_way)
{
    struct bench b;
    char in[80], out[80];
    int w, r;

    open_loop(&b);
    snprintf(in, sizeof(in), "%s.in", b.path);
    snprintf(out, sizeof(out), "%s.out", b.path);
    CHECK_EQ(mkfifo(in, 0600), 0);
    CHECK_EQ(mkfifo(out, 0600), 0);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "pipe", .path = b.path, .fd = -1 });
    w = open(in, O_WRONLY | O_NONBLOCK);
    r = open(out, O_RDONLY | O_NONBLOCK);
    type(&b, w, "through the fifo");
    CHECK_STR(b.text, "through the fifo");
    put(&b, "and out");
    CHECK_STR(hear(&b, r), "and out");
    close(w);
    close(r);
    unlink(in);
    unlink(out);
    close_it(&b);
}

TEST(null_swallows_everything)
{
    struct bench b;

    open_loop(&b);
    open_it(&b, &(struct chardev_config){ .id = "c", .kind = "null", .fd = -1 });
    put(&b, "anything");
    CHECK_STR(chardev_filename(b.cd), "null");
    CHECK(!chardev_connected(b.cd));
    close_it(&b);
}

TEST(what_cannot_be_opened_is_refused_with_a_sentence)
{
    static char longest[200];
    const struct { struct chardev_config config; const char *says; } wrong[] = {
        { { .kind = "file", .path = "/nowhere/at/all", .fd = -1 }, "/nowhere/at/all" },
        { { .kind = "pipe", .path = "/nowhere/at/all", .fd = -1 }, "/nowhere/at/all" },
        { { .kind = "serial", .path = "/dev/null", .fd = -1 }, "not a terminal" },
        { { .kind = "serial", .path = "/dev/ttyNONE", .fd = -1 }, "/dev/ttyNONE" },
        { { .kind = "socket", .path = "/nowhere/at/all", .fd = -1 }, "connect to" },
        { { .kind = "socket", .path = longest, .fd = -1, .server = true }, "is over" },
        { { .kind = "socket", .path = "/nowhere/x", .fd = -1, .server = true }, "listen on" },
        { { .kind = "socket", .host = "127.0.0.1", .port = "1", .fd = -1 }, "connect to" },
        { { .kind = "socket", .host = "127.0.0.1", .port = "no", .fd = -1 }, "127.0.0.1:no" },
        { { .kind = "socket", .fd = 9999 }, "9999" },
        { { .kind = "vc", .fd = -1 }, "there is no kind vc" },
    };
    struct bench b;

    memset(longest, 'x', sizeof(longest) - 1);
    open_loop(&b);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct chardev_config c = wrong[i].config;
        struct error err = { "" };

        c.id = "label";
        CHECK(chardev_open(&b.cd, b.loop, &c, &err) < 0);
        CHECK_SAYS(err, wrong[i].says);
    }
    chardev_close(NULL);
    loop_close(b.loop);
    rmdir(b.folder);
}
