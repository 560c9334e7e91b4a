/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VNC server's front door: sockets that listen, one thread that accepts, and the list of
 * clients. Sockets are bound by the caller, so that a port that is taken is an error of start-up;
 * the library is loaded by the thread, when the first client comes.
 */
#define _GNU_SOURCE /* accept4() */
#include "dm/display/vnc.h"
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/display/keymap.h"
#include "dm/display/vnc_client.h"

#define CLIENTS_MOST 32
#define BASE_PORT 5900
#define WEBSOCKET_PORT 5700

struct vnc {
    struct vnc_shared shared;
    struct loop *loop;
    int listeners[2]; /* the second for websockets; -1: none */
    struct watch *watches[2];
    struct vnc_client *clients[CLIENTS_MOST];
    atomic_uint count;
    char host[256], service[16], path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    sem_t ready; /* posted when somebody waits for the library to be loaded, or not to be */
    bool tried;
    int load_rc;
    struct error load_error;
};

/* ---- Clients (the server's loop) ---- */

static void on_client_done(struct vnc_client *client, void *arg)
{
    struct vnc *v = arg;

    for (unsigned i = 0; i < CLIENTS_MOST; i++)
        if (v->clients[i] == client)
            v->clients[i] = NULL;
    atomic_fetch_sub(&v->count, 1);
    vnc_client_close(client);
}

static void load_once(struct vnc *v)
{
    if (v->tried)
        return;
    v->tried = true;
    v->load_rc = vnc_lib_open(&v->shared.lib, &vnc_client_extension, v->shared.needs_password,
                              &v->load_error);
    if (v->load_rc < 0)
        log_error("%s", v->load_error.text);
}

static void greet(struct vnc *v, int sock)
{
    unsigned slot = 0;

    load_once(v);
    while (slot < CLIENTS_MOST && v->clients[slot])
        slot++;
    /* the library uses select() */
    if (v->load_rc < 0 || slot == CLIENTS_MOST || sock >= FD_SETSIZE) {
        close(sock);
        return;
    }
    atomic_fetch_add(&v->count, 1);
    if (vnc_client_start(&v->clients[slot], &v->shared, v->loop, sock, on_client_done, v) < 0)
        atomic_fetch_sub(&v->count, 1);
}

static void on_listener(void *arg, unsigned events)
{
    struct vnc *v = arg;

    for (unsigned i = 0; i < 2; i++) {
        int sock = v->listeners[i] < 0 ? -1 : accept4(v->listeners[i], NULL, NULL, SOCK_CLOEXEC);

        if (sock >= 0)
            greet(v, sock);
    }
}

static void load(void *arg)
{
    struct vnc *v = arg;

    load_once(v);
    sem_post(&v->ready);
}

static void open_doors(void *arg)
{
    struct vnc *v = arg;
    struct error err;

    for (unsigned i = 0; i < 2; i++)
        if (v->listeners[i] >= 0 &&
            watch_open(&v->watches[i], v->loop, v->listeners[i], WATCH_READ, on_listener, v,
                       &err) < 0)
            log_error("VNC: %s", err.text);
}

/* ---- Sockets ---- */

static int listen_unix(struct vnc *v, const char *path, struct error *err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct stat st;
    int fd;

    if (strlen(path) >= sizeof(addr.sun_path))
        return error_set(err, -ENAMETOOLONG, "VNC: the socket path %s is too long", path);
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, "VNC: socket");
    if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0) {
        int rc = error_errno(err, "VNC: listen on %s", path);

        close(fd);
        return rc;
    }
    strcpy(v->path, path);
    snprintf(v->host, sizeof(v->host), "%s", path);
    return fd;
}

static int listen_on(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 8) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

/* A listening socket on the first free port of [first, last]; *port is where it is. */
static int listen_tcp(const char *host, unsigned first, unsigned last, unsigned *port,
                      struct error *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    int fd = -EADDRINUSE, rc;

    for (*port = first; *port <= last; ++*port) {
        struct addrinfo *list;
        char service[8];

        snprintf(service, sizeof(service), "%u", *port);
        rc = getaddrinfo(host && *host ? host : NULL, service, &hints, &list);
        if (rc)
            return error_set(err, -EINVAL, "VNC: %s is not an address to listen on: %s", host,
                             gai_strerror(rc));
        /* without a host: the IPv6 wildcard takes IPv4 too */
        for (int wanted = host && *host ? AF_UNSPEC : AF_INET6; fd < 0; wanted = AF_UNSPEC) {
            for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
                if (wanted == AF_UNSPEC || ai->ai_family == wanted)
                    fd = listen_on(ai);
            if (wanted == AF_UNSPEC)
                break;
        }
        freeaddrinfo(list);
        if (fd >= 0)
            return fd;
        if (fd != -EADDRINUSE)
            break;
    }
    errno = -fd;
    if (fd != -EADDRINUSE)
        return error_errno(err, "VNC: listen on %s port %u", host, *port);
    if (first == last)
        return error_set(err, fd, "VNC: port %u of %s is in use; add to=99 to search for a free one",
                         first, host);
    return error_set(err, fd, "VNC: all ports from %u to %u of %s are in use", first, last, host);
}

static int open_listeners(struct vnc *v, const struct vnc_config *c, struct error *err)
{
    unsigned port;

    if (!strncmp(c->listen, "unix:", 5)) {
        v->listeners[0] = listen_unix(v, c->listen + 5, err);
        return MIN(v->listeners[0], 0);
    }
    v->listeners[0] = listen_tcp(c->listen, BASE_PORT + c->display,
                                 BASE_PORT + MAX(c->to, c->display), &port, err);
    if (v->listeners[0] < 0)
        return v->listeners[0];
    snprintf(v->service, sizeof(v->service), "%u", port);
    snprintf(v->host, sizeof(v->host), "%s", *c->listen ? c->listen : "0.0.0.0");
    if (c->websocket) {
        unsigned wanted = c->websocket_port ? c->websocket_port
                                            : WEBSOCKET_PORT + port - BASE_PORT;

        v->listeners[1] = listen_tcp(c->listen, wanted, wanted, &port, err);
    }
    return c->websocket ? MIN(v->listeners[1], 0) : 0;
}

/* ---- The server ---- */

int vnc_open(struct vnc **out, const struct vnc_config *c, struct screen *screen,
             struct input *input, struct error *err)
{
    struct vnc *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return error_set(err, -ENOMEM, "VNC: out of memory");
    v->listeners[0] = v->listeners[1] = -1;
    sem_init(&v->ready, 0, 0);
    v->shared.screen = screen;
    v->shared.input = input;
    v->shared.needs_password = c->password;
    snprintf(v->shared.name, sizeof(v->shared.name), "%s", c->name ? c->name : "xen-dm");
    rc = keymap_find(&v->shared.keymap, c->keymap, err);
    if (rc == 0)
        rc = open_listeners(v, c, err);
    if (rc == 0)
        rc = loop_open(&v->loop, "vnc", err);
    if (rc == 0)
        rc = loop_start_thread(v->loop, err);
    if (rc < 0) {
        vnc_close(v);
        return rc;
    }
    *out = v;
    return 0;
}

void vnc_close(struct vnc *v)
{
    if (!v)
        return;
    if (v->loop)
        loop_join_thread(v->loop);
    for (unsigned i = 0; i < CLIENTS_MOST; i++)
        if (v->clients[i])
            vnc_client_close(v->clients[i]);
    for (unsigned i = 0; i < 2; i++) {
        watch_close(v->watches[i]);
        if (v->listeners[i] >= 0)
            close(v->listeners[i]);
    }
    if (v->path[0])
        unlink(v->path);
    if (v->loop)
        loop_close(v->loop);
    vnc_lib_close(&v->shared.lib, &vnc_client_extension);
    sem_destroy(&v->ready);
    free(v);
}

void vnc_serve(struct vnc *v)
{
    loop_post(v->loop, open_doors, v);
}

int vnc_present(struct error *err)
{
    return vnc_lib_present(err);
}

int vnc_load(struct vnc *v, struct error *err)
{
    loop_post(v->loop, load, v);
    while (sem_wait(&v->ready) < 0 && errno == EINTR)
        ;
    return v->load_rc < 0 ? error_set(err, v->load_rc, "%s", v->load_error.text) : 0;
}

const char *vnc_host(const struct vnc *v)
{
    return v->host;
}

const char *vnc_service(const struct vnc *v)
{
    return v->service;
}

void vnc_set_password(struct vnc *v, const char *text)
{
    uint64_t password = 0;

    memcpy(&password, text, MIN(strlen(text), sizeof(password)));
    atomic_store(&v->shared.password, password);
}

unsigned vnc_clients(const struct vnc *v)
{
    return atomic_load(&v->count);
}
