/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's words for -serial. */
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/chardev/chardev.h"
#include "tests/kit/check.h"

TEST(words_that_xl_users_write_are_understood)
{
    static const struct {
        const char *text, *kind, *path, *host, *port;
        bool server, wait, telnet;
        unsigned reconnect;
    } rows[] = {
        { "pty", "pty", NULL, NULL, NULL, false, false, false, 0 },
        { "stdio", "stdio", NULL, NULL, NULL, false, false, false, 0 },
        { "null", "null", NULL, NULL, NULL, false, false, false, 0 },
        { "mon:stdio", "stdio", NULL, NULL, NULL, false, false, false, 0 },
        { "file:/tmp/a b,c", "file", "/tmp/a b,c", NULL, NULL, false, false, false, 0 },
        { "pipe:/tmp/p", "pipe", "/tmp/p", NULL, NULL, false, false, false, 0 },
        { "/dev/ttyS0", "serial", "/dev/ttyS0", NULL, NULL, false, false, false, 0 },
        { "/dev/null", "null", NULL, NULL, NULL, false, false, false, 0 },
        { "chardev:libxl-channel0", "chardev", "libxl-channel0", NULL, NULL, false, false, false, 0 },
        { "unix:/run/c", "socket", "/run/c", NULL, NULL, false, false, false, 0 },
        { "unix:/run/c,server,nowait", "socket", "/run/c", NULL, NULL, true, false, false, 0 },
        { "unix:/run/c,server=on,wait=off", "socket", "/run/c", NULL, NULL, true, false, false, 0 },
        { "unix:/run/c,server", "socket", "/run/c", NULL, NULL, true, true, false, 0 },
        { "tcp:localhost:4000", "socket", NULL, "localhost", "4000", false, false, false, 0 },
        { "tcp:localhost:4000,reconnect=5", "socket", NULL, "localhost", "4000", false, true, false, 5 },
        { "tcp::4000,server,nowait,nodelay", "socket", NULL, "0.0.0.0", "4000", true, false, false, 0 },
        { "tcp:::1:4000,server=on,wait=off", "socket", NULL, "::1", "4000", true, false, false, 0 },
        { "telnet:127.0.0.1:23,server,nowait", "socket", NULL, "127.0.0.1", "23", true, false, true, 0 },
        { "tcp:h:1,server,telnet=on", "socket", NULL, "h", "1", true, true, true, 0 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct chardev_config c;
        struct error err = { "" };
        char storage[256];
        int rc = chardev_parse_legacy(&c, storage, sizeof(storage), rows[i].text, &err);

        if (rc)
            print_error("%s: %s\n", rows[i].text, err.text);
        CHECK_EQ(rc, 0);
        CHECK_STR(c.kind, rows[i].kind);
        CHECK_STR(c.path, rows[i].path);
        CHECK_STR(c.host, rows[i].host);
        CHECK_STR(c.port, rows[i].port);
        CHECK_EQ(c.server, rows[i].server);
        CHECK_EQ(c.wait, rows[i].wait);
        CHECK_EQ(c.telnet, rows[i].telnet);
        CHECK_EQ(c.reconnect, rows[i].reconnect);
        CHECK_EQ(c.fd, -1);
    }
}

TEST(words_it_does_not_know_are_refused_with_what_to_use)
{
    static const struct { const char *text, *says; } wrong[] = {
        { "vc", "use pty, stdio, null" },
        { "udp:host:1", "use pty" },
        { "msmouse", "use pty" },
        { "", "use pty" },
        { "mon:", "use pty" },
        { "file:", "the path is missing" },
        { "pipe:", "the path is missing" },
        { "unix:", "the path is missing" },
        { "unix:,server", "the path is missing" },
        { "tcp:4000", "use HOST:PORT" },
        { "tcp:host:", "use HOST:PORT" },
        { "unix:/x,server,quickly", "knows no setting quickly" },
        { "unix:/x,reconnect=soon", "knows no setting reconnect=soon" },
        { "unix:/x,reconnect=5x", "knows no setting reconnect=5x" },
        { "unix:/x,reconnect=-1", "knows no setting reconnect=-1" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct chardev_config c;
        struct error err = { "" };
        char storage[256];

        if (chardev_parse_legacy(&c, storage, sizeof(storage), wrong[i].text, &err) == 0)
            print_error("taken: %s\n", wrong[i].text);
        CHECK(chardev_parse_legacy(&c, storage, sizeof(storage), wrong[i].text, &err) < 0);
        CHECK_SAYS(err, wrong[i].says);
    }
}

TEST(a_word_longer_than_its_storage_is_refused)
{
    struct chardev_config c;
    struct error err = { "" };
    char storage[16];

    CHECK_EQ(chardev_parse_legacy(&c, storage, sizeof(storage), "file:/tmp/12345", &err), 0);
    CHECK(chardev_parse_legacy(&c, storage, sizeof(storage), "file:/tmp/123456", &err) < 0);
    CHECK_SAYS(err, "too long");
}

TEST(random_words_are_taken_or_refused)
{
    uint32_t x = 7;

    for (unsigned i = 0; i < 100000; i++) {
        struct chardev_config c;
        struct error err = { "" };
        char storage[40], text[48] = "";
        unsigned n = (x = x * 1664525 + 1013904223) >> 27;

        strcpy(text, ((const char *[]){ "", "unix:", "tcp:", "telnet:", "mon:", "file:" })[x % 6]);
        for (unsigned j = 0; j < n && j < 32; j++)
            strncat(text, &",=:/server0\x80"[((x = x * 1664525 + 1013904223) >> 20) % 11], 1);
        if (chardev_parse_legacy(&c, storage, sizeof(storage), text, &err) == 0)
            CHECK(c.kind != NULL);
        else
            CHECK(*err.text);
    }
}
