/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VNC client, on a thread of its own. Document: RFC 6143, and the RFB protocol's community
 * registry for "QEMU Extended Key Event" and "QEMU Pointer Motion Change".
 *
 * The library writes to the socket with patience, so this thread may stand still for as long as
 * the client does; it must never do so with the screen's surface in hand. Therefore: ask for the
 * surface, leave the socket alone until it comes, copy what changed, give it back, then write.
 * What waits for a slow client is one copy of the screen; a client that takes nothing for 20 s is
 * dropped by the library.
 */
#include "dm/display/vnc_client.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/display/input.h"
#include "dm/display/keynames.h"
#include "dm/display/screen.h"

#define LOOK_FAST (33 * NS_PER_MS) /* while the picture changes */
#define LOOK_SLOW (1500 * NS_PER_MS) /* after some seconds without a change or a key */
#define QEMU_MESSAGE 255
#define QEMU_KEY_EVENT 0
#define ENCODING_QEMU_KEYS (-258)
#define ENCODING_QEMU_MOTION (-257)
#define MOTION_ZERO 0x7fff

struct vnc_client {
    struct vnc_shared *shared;
    struct loop *loop, *home;
    int sock;   /* our own descriptor of the socket; the library has another, and closes it */
    int theirs; /* until the library has it */
    void (*done)(struct vnc_client *client, void *arg);
    void *done_arg;

    struct screen_viewer *viewer;
    bool looking, ended;
    uint64_t looked, interval; /* when it asked last; how long between two looks */
    struct timer timer;
    struct watch *watch;

    rfbScreenInfoPtr rfb;
    rfbClientPtr cl;
    uint32_t *pixels;
    unsigned width, height;

    struct vnc_keyboard keyboard;
    bool has_pointer;
    int x, y, buttons;
    bool knows_motion; /* the client can send movements instead of positions */
    bool sends_motion; /* ... and was told to */
};

static struct vnc_client *client_of(rfbClientPtr cl)
{
    return cl->screen->screenData;
}

/* ---- Input ---- */

static void soon(struct vnc_client *c)
{
    c->interval = LOOK_FAST; /* an answer is likely */
}

static void press(void *arg, unsigned key, bool down)
{
    struct vnc_client *c = arg;

    if (c->shared->input)
        input_key(c->shared->input, key, down);
}

static void on_key(rfbBool down, rfbKeySym sym, rfbClientPtr cl)
{
    struct vnc_client *c = client_of(cl);

    soon(c);
    vnc_keys_symbol(&c->keyboard, (uint32_t)sym, down,
                    c->shared->input ? input_leds(c->shared->input) : 0);
}

static unsigned scaled(int at, unsigned size)
{
    unsigned most = MAX(size, 2u) - 1;

    return (unsigned)MAX(MIN(at, (int)most), 0) * INPUT_ABS_MAX / most;
}

static void on_pointer(int mask, int x, int y, rfbClientPtr cl)
{
    struct vnc_client *c = client_of(cl);
    struct input *input = c->shared->input;
    unsigned buttons = (unsigned)mask & (INPUT_LEFT | INPUT_MIDDLE | INPUT_RIGHT);
    int pressed = mask & ~c->buttons;

    soon(c);
    if (input && c->sends_motion)
        input_pointer_rel(input, x - MOTION_ZERO, y - MOTION_ZERO, buttons);
    else if (input && input_wants_abs(input))
        input_pointer_abs(input, scaled(x, c->width), scaled(y, c->height), buttons);
    else if (input && (c->has_pointer || buttons))
        input_pointer_rel(input, c->has_pointer ? x - c->x : 0, c->has_pointer ? y - c->y : 0,
                          buttons);
    if (input && (pressed & 0x18))
        input_wheel(input, pressed & 0x08 ? 1 : -1);
    c->buttons = mask;
    c->x = x;
    c->y = y;
    c->has_pointer = true;
}

/* Asks a client that can for movements where the guest has a mouse, for positions with a tablet. */
static void choose_motion(struct vnc_client *c)
{
    bool motion = c->shared->input && !input_wants_abs(c->shared->input);
    uint8_t update[16] = { 0, 0, 0, 1, 0, !motion };

    if (!c->knows_motion || motion == c->sends_motion)
        return;
    c->sends_motion = motion;
    c->has_pointer = false;
    put_be16(update + 8, (uint16_t)c->width);
    put_be16(update + 10, (uint16_t)c->height);
    put_be32(update + 12, (uint32_t)ENCODING_QEMU_MOTION);
    c->shared->lib.WriteExact(c->cl, (char *)update, sizeof(update));
}

/* For clients that show the locks, or follow them. */
static int on_leds(rfbScreenInfoPtr rfb)
{
    struct vnc_client *c = rfb->screenData;
    unsigned leds = c->shared->input ? input_leds(c->shared->input) : 0;

    return (leds & 1 ? rfbKeyboardMaskScrollLock : 0) | (leds & 2 ? rfbKeyboardMaskNumLock : 0) |
           (leds & 4 ? rfbKeyboardMaskCapsLock : 0);
}

static void on_cut_text(char *text, int length, rfbClientPtr cl)
{
}

/* ---- QEMU's extensions: the place on the keyboard beside the character; movements ---- */

static rfbBool enable_encoding(rfbClientPtr cl, void **data, int encoding)
{
    /* one empty rectangle tells the client that we understand */
    uint8_t update[16] = { 0, 0, 0, 1 };

    if (encoding == ENCODING_QEMU_MOTION)
        client_of(cl)->knows_motion = true;
    if (encoding != ENCODING_QEMU_KEYS)
        return encoding == ENCODING_QEMU_MOTION;
    put_be32(update + 12, (uint32_t)ENCODING_QEMU_KEYS);
    client_of(cl)->shared->lib.WriteExact(cl, (char *)update, sizeof(update));
    return TRUE;
}

static rfbBool handle_message(rfbClientPtr cl, void *data, const rfbClientToServerMsg *message)
{
    struct vnc_client *c = client_of(cl);
    uint8_t rest[11]; /* subtype, down, keysym, keycode */
    unsigned key;

    if (message->type != QEMU_MESSAGE)
        return FALSE;
    if (c->shared->lib.ReadExact(cl, (char *)rest, sizeof(rest)) <= 0 ||
        rest[0] != QEMU_KEY_EVENT) {
        shutdown(c->sock, SHUT_RDWR); /* audio, or nonsense: we offered neither */
        return TRUE;
    }
    soon(c);
    key = key_from_number(get_be32(rest + 7));
    if (key)
        vnc_keys_key(&c->keyboard, key, get_be16(rest + 1));
    else
        on_key(get_be16(rest + 1) != 0, get_be32(rest + 3), cl);
    return TRUE;
}

static int encodings[] = { ENCODING_QEMU_KEYS, ENCODING_QEMU_MOTION, 0 };
rfbProtocolExtension vnc_client_extension = {
    .pseudoEncodings = encodings, .enablePseudoEncoding = enable_encoding,
    .handleMessage = handle_message,
};

/* ---- Login ---- */

static rfbBool check_password(rfbClientPtr cl, const char *response, int length)
{
    struct vnc_client *c = client_of(cl);
    uint64_t password = atomic_load(&c->shared->password);
    unsigned char want[16];
    char text[9] = "";
    unsigned differ = 0;

    if (!password || length != sizeof(want))
        return FALSE;
    memcpy(text, &password, 8);
    memcpy(want, cl->authChallenge, sizeof(want));
    c->shared->lib.EncryptBytes(want, text);
    for (unsigned i = 0; i < sizeof(want); i++)
        differ |= want[i] ^ (uint8_t)response[i];
    return !differ;
}

/* ---- The end ---- */

static void on_done(void *arg)
{
    struct vnc_client *c = arg;

    c->done(c, c->done_arg);
}

/* On the display's loop: our own may end only when that has nothing more to tell it. */
static void on_viewer_closed(void *owner)
{
    struct vnc_client *c = owner;

    c->viewer = NULL;
    loop_post(c->home, on_done, c);
}

/* What the library forgets with each connection: 24 bytes, and 45 KiB of a browser's. */
static void free_forgotten(rfbClientPtr cl)
{
    rfbExtensionData *e;

    while ((e = cl->extensions)) {
        cl->extensions = e->next;
        free(e);
    }
    free(cl->wsctx);
    cl->wsctx = NULL;
}

static void free_rfb(struct vnc_client *c)
{
    timer_clear(&c->timer);
    watch_close(c->watch);
    c->watch = NULL;
    vnc_keys_release_all(&c->keyboard);
    if (c->cl) {
        free_forgotten(c->cl);
        c->shared->lib.ClientConnectionGone(c->cl);
    }
    c->cl = NULL;
    if (c->rfb)
        c->shared->lib.ScreenCleanup(c->rfb);
    c->rfb = NULL;
    if (c->theirs >= 0)
        close(c->theirs);
    c->theirs = -1;
    free(c->pixels);
    c->pixels = NULL;
}

static void end(struct vnc_client *c)
{
    if (c->ended)
        return;
    c->ended = true;
    free_rfb(c);
    screen_viewer_close(c->viewer); /* then on_viewer_closed() */
}

/* ---- The picture ---- */

static void copy_rect(struct vnc_client *c, const struct surface *s, const struct rect *r)
{
    for (unsigned y = r->y; y < r->y + r->height && y < s->height; y++)
        memcpy(c->pixels + (size_t)y * c->width + r->x,
               s->pixels + (size_t)y * s->stride + r->x,
               (r->x < s->width ? MIN(r->width, s->width - r->x) : 0) * sizeof(*c->pixels));
}

static void set_format(rfbScreenInfoPtr rfb)
{
    rfb->serverFormat.redShift = 16;
    rfb->serverFormat.greenShift = 8;
    rfb->serverFormat.blueShift = 0;
}

/* Our copy at the size of the surface. False where there is no memory. */
static bool resize(struct vnc_client *c, const struct surface *s)
{
    uint32_t *pixels = calloc((size_t)s->width * s->height + 1, sizeof(*pixels));
    uint32_t *old = c->pixels;

    if (!pixels)
        return false;
    c->pixels = pixels;
    c->width = s->width;
    c->height = s->height;
    if (c->rfb) {
        c->shared->lib.NewFramebuffer(c->rfb, (char *)pixels, (int)s->width, (int)s->height, 8, 3,
                                      4);
        set_format(c->rfb);
        c->shared->lib.SetTranslateFunction(c->cl);
    }
    free(old);
    return true;
}

static bool open_rfb(struct vnc_client *c)
{
    const struct vnc_lib *lib = &c->shared->lib;
    rfbScreenInfoPtr rfb = vnc_lib_screen(lib, c->width, c->height);

    if (!rfb)
        return false;
    c->rfb = rfb;
    set_format(rfb);
    rfb->screenData = c;
    rfb->frameBuffer = (char *)c->pixels;
    rfb->desktopName = c->shared->name;
    rfb->alwaysShared = TRUE;
    rfb->deferUpdateTime = 0;
    rfb->deferPtrUpdateTime = 0;
    rfb->cursor = NULL; /* the guest's is in the picture */
    rfb->kbdAddEvent = on_key;
    rfb->ptrAddEvent = on_pointer;
    rfb->setXCutText = on_cut_text;
    rfb->getKeyboardLedStateHook = on_leds;
    rfb->passwordCheck = check_password;
    rfb->authPasswdData = c->shared->needs_password ? c : NULL;
    c->cl = lib->NewClient(rfb, c->theirs);
    c->theirs = -1; /* the library closes it, whatever came of it */
    return c->cl;
}

static void look(void *arg)
{
    struct vnc_client *c = arg;

    c->looking = true;
    c->looked = clock_now();
    if (c->watch)
        watch_set(c->watch, 0);
    screen_request(c->viewer, false);
}

/* Looks again when it is time, if the client is waiting for news. */
static void plan(struct vnc_client *c)
{
    if (c->ended || c->looking)
        return;
    if (c->cl->sock == RFB_INVALID_SOCKET) {
        end(c);
        return;
    }
    if (c->cl->state != RFB_NORMAL || c->shared->lib.RgnEmpty(c->cl->requestedRegion))
        timer_clear(&c->timer);
    else
        timer_set(&c->timer, c->looked + c->interval);
}

static void on_socket(void *arg, unsigned events)
{
    struct vnc_client *c = arg;

    if (c->looking || c->ended) {
        if (events & WATCH_HANGUP)
            watch_set(c->watch, 0);
        return;
    }
    c->shared->lib.CheckFds(c->rfb, 0);
    plan(c);
}

static bool begin(struct vnc_client *c)
{
    struct error err;

    if (!open_rfb(c))
        return false;
    if (watch_open(&c->watch, c->loop, c->sock, WATCH_READ, on_socket, c, &err) < 0) {
        log_error("VNC client: %s", err.text);
        return false;
    }
    return true;
}

static void on_surface(void *owner, const struct surface *s, const struct damage *damage)
{
    struct vnc_client *c = owner;
    bool sized = s->width == c->width && s->height == c->height, ok = true;

    if (!sized && c->cl && c->cl->scaledScreen != c->rfb)
        ok = false; /* the library does not carry a scaled client over to another size */
    else if (!sized)
        ok = resize(c, s);
    for (unsigned i = 0; ok && i < damage->count; i++) {
        const struct rect *r = &damage->rects[i];

        copy_rect(c, s, r);
        if (c->rfb)
            c->shared->lib.MarkRectAsModified(c->rfb, (int)r->x, (int)r->y,
                                              (int)(r->x + r->width), (int)(r->y + r->height));
    }
    screen_release(c->viewer);
    c->looking = false;
    if (ok && !c->cl) {
        ok = begin(c);
    } else if (ok) {
        c->interval = damage->count ? LOOK_FAST : MIN(c->interval + c->interval / 2, LOOK_SLOW);
        watch_set(c->watch, WATCH_READ);
        choose_motion(c);
        c->shared->lib.UpdateClient(c->cl);
    }
    if (ok)
        plan(c);
    else
        end(c);
}

static const struct screen_viewer_ops viewer_ops = {
    .ready = on_surface, .closed = on_viewer_closed,
};

static void start(void *arg)
{
    struct vnc_client *c = arg;
    struct error err;
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); /* the library writes to sockets that may be gone */
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    if (screen_viewer_open(&c->viewer, c->shared->screen, c->loop, &viewer_ops, c, &err) < 0) {
        log_error("VNC client: %s", err.text);
        c->ended = true;
        loop_post(c->home, on_done, c);
        return;
    }
    look(c); /* for its size, before the client is greeted */
}

int vnc_client_start(struct vnc_client **out, struct vnc_shared *shared, struct loop *home,
                     int sock, void (*done)(struct vnc_client *client, void *arg), void *arg)
{
    struct vnc_client *c = calloc(1, sizeof(*c));
    struct error err;
    int rc;

    if (!c) {
        close(sock);
        return -ENOMEM;
    }
    *c = (struct vnc_client){ .shared = shared, .home = home, .theirs = sock, .done = done,
                              .done_arg = arg, .interval = LOOK_FAST };
    vnc_keys_open(&c->keyboard, shared->keymap, press, c);
    c->sock = dup(sock);
    rc = c->sock < 0 ? -errno : loop_open(&c->loop, "vnc-client", &err);
    if (rc == 0) {
        timer_init(&c->timer, c->loop, look, c);
        loop_post(c->loop, start, c);
        rc = loop_start_thread(c->loop, &err);
    }
    if (rc < 0) {
        log_error("VNC client: %s", rc == -ENOMEM ? "out of memory" : "no thread for it");
        if (c->loop)
            loop_close(c->loop);
        if (c->sock >= 0)
            close(c->sock);
        close(sock);
        free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void vnc_client_close(struct vnc_client *c)
{
    shutdown(c->sock, SHUT_RDWR); /* gets it out of a read or a write */
    loop_join_thread(c->loop);
    if (!c->ended)
        free_rfb(c);
    screen_viewer_drop(c->viewer);
    loop_close(c->loop);
    close(c->sock);
    free(c);
}
