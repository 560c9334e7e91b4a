/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VNC server with a small client of our own, against a VGA on the bench. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/input-event-codes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/display/input.h"
#include "dm/display/vnc.h"
#include "tests/unit/devices/display/bench.h"

/* ---- The client ---- */

struct viewer {
    int fd;
    unsigned width, height;
    uint32_t *pixels;
    char name[64];
    bool dead;
};

static bool take(struct viewer *v, void *buf, size_t n)
{
    size_t done = 0;

    while (!v->dead && done < n) {
        struct pollfd p = { v->fd, POLLIN, 0 };
        ssize_t got = poll(&p, 1, 5000) == 1 ? read(v->fd, (char *)buf + done, n - done) : -1;

        if (got <= 0)
            v->dead = true;
        else
            done += (size_t)got;
    }
    return !v->dead;
}

static void give(struct viewer *v, const void *buf, size_t n)
{
    if (send(v->fd, buf, n, MSG_NOSIGNAL) != (ssize_t)n)
        v->dead = true;
}

static void dial(struct viewer *v, const struct vnc *vnc)
{
    struct sockaddr_in to = { .sin_family = AF_INET };

    *v = (struct viewer){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
    to.sin_port = htons((uint16_t)atoi(vnc_service(vnc)));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v->dead = connect(v->fd, (struct sockaddr *)&to, sizeof(to)) < 0;
}

/* Up to the security types; how many there are, the first in *type. */
static unsigned hello(struct viewer *v, uint8_t *type)
{
    char version[12];
    uint8_t types[256] = { 0 };

    take(v, version, 12);
    give(v, "RFB 003.008\n", 12);
    take(v, types, 1);
    take(v, types + 1, types[0]);
    *type = types[1];
    return types[0];
}

static bool login(struct viewer *v)
{
    uint8_t type, init[24], result[4] = { 1, 1, 1, 1 };

    if (hello(v, &type) != 1 || type != 1)
        return false;
    give(v, &type, 1);
    take(v, result, 4);
    give(v, "\1", 1);
    if (get_be32(result) || !take(v, init, 24))
        return false;
    v->width = get_be16(init);
    v->height = get_be16(init + 2);
    take(v, v->name, MIN(get_be32(init + 20), 63u));
    v->pixels = calloc(2560 * 1600, 4);
    return !v->dead;
}

static void set_encodings(struct viewer *v, const int32_t *list, unsigned count)
{
    uint8_t msg[4 + 4 * 8] = { 2, 0, 0, (uint8_t)count };

    for (unsigned i = 0; i < count; i++)
        put_be32(msg + 4 + 4 * i, (uint32_t)list[i]);
    give(v, msg, 4 + 4 * count);
}

static void ask(struct viewer *v, bool incremental)
{
    uint8_t msg[10] = { 3, incremental };

    put_be16(msg + 6, (uint16_t)v->width);
    put_be16(msg + 8, (uint16_t)v->height);
    give(v, msg, sizeof(msg));
}

/* One update; raw rectangles into pixels, a new size into width and height. */
static unsigned update(struct viewer *v)
{
    uint8_t head[4], rect[12];
    unsigned extras = 0;

    take(v, head, 4);
    for (unsigned n = get_be16(head + 2); !v->dead && n; n--) {
        unsigned x, y, w, h;

        take(v, rect, 12);
        x = get_be16(rect), y = get_be16(rect + 2), w = get_be16(rect + 4), h = get_be16(rect + 6);
        if (get_be32(rect + 8) == (uint32_t)-223) {
            v->width = w;
            v->height = h;
        } else if (get_be32(rect + 8) == 0) {
            for (unsigned i = 0; i < h; i++)
                take(v, v->pixels + (y + i) * 2560 + x, w * 4);
        } else {
            extras++;
        }
    }
    return extras;
}

static void hang_up(struct viewer *v)
{
    close(v->fd);
    free(v->pixels);
}

/* ---- The bench: the guest's side runs here, the client in a thread ---- */

struct desk {
    struct bench b;
    struct input *input;
    struct input_device *dev;
    struct vnc *vnc;
    struct { unsigned key; bool down; } keys[64];
    unsigned key_count, abs_count, x, y, buttons;
    int dx, dy, wheel;
    atomic_bool finished;
    atomic_uint step;
    unsigned acted;
    uint64_t real;
    void (*act)(struct desk *d, unsigned step); /* the guest */
    void (*script)(struct desk *d);
    const char *wrong;
};

static void on_key(void *owner, unsigned key, bool down)
{
    struct desk *d = owner;

    if (d->key_count < ARRAY_SIZE(d->keys)) {
        d->keys[d->key_count].key = key;
        d->keys[d->key_count++].down = down;
    }
}

static void on_abs(void *owner, unsigned x, unsigned y, unsigned buttons)
{
    struct desk *d = owner;

    d->abs_count++;
    d->x = x;
    d->y = y;
    d->buttons = buttons;
}

static void on_rel(void *owner, int dx, int dy, unsigned buttons)
{
    struct desk *d = owner;

    d->dx += dx;
    d->dy += dy;
    d->buttons = buttons;
}

static void on_wheel(void *owner, int dz, unsigned buttons)
{
    ((struct desk *)owner)->wheel += dz;
}

static const struct input_ops tablet_ops = { .key = on_key, .pointer_abs = on_abs,
                                             .wheel = on_wheel };
static const struct input_ops mouse_ops = { .key = on_key, .pointer_rel = on_rel,
                                            .wheel = on_wheel };

static void *run_script(void *arg)
{
    struct desk *d = arg;

    d->script(d);
    atomic_store(&d->finished, true);
    return NULL;
}

/* Time passes as it does outside, and the guest acts when the script says so. */
static bool is_finished(void *arg)
{
    struct desk *d = arg;
    struct timespec ts;
    uint64_t now;
    unsigned step = atomic_load(&d->step);

    clock_gettime(CLOCK_MONOTONIC, &ts);
    now = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
    clock_crank(d->real ? now - d->real : 0);
    d->real = now;
    if (step != d->acted && d->act) {
        d->act(d, step);
        d->acted = step;
    }
    return atomic_load(&d->finished);
}

static void desk_open(struct desk *d, const struct input_ops *ops, bool password)
{
    struct vnc_config c = { .listen = "127.0.0.1", .display = 900, .to = 1300,
                            .password = password, .name = "guest" };
    struct error err = { "" };

    memset(d, 0, sizeof(*d));
    bench_open(&d->b, &vga_class, "screen=vga");
    bench_set_mode(&d->b, &bench_text);
    bench_index(&d->b, 0x3d4, 0x0a, 0x20);
    CHECK_EQ(input_open(&d->input, d->b.pc.loop, &err), 0);
    CHECK_EQ(input_attach(&d->dev, d->input, ops, d, &err), 0);
    input_activate(d->dev);
    CHECK_EQ(vnc_open(&d->vnc, &c, d->b.screen, d->input, &err), 0);
    CHECK_EQ(vnc_loaded(d->vnc, &err), 0);
}

/* The script in a thread; `between` in ours, as often as it likes. */
static void desk_run(struct desk *d, void (*script)(struct desk *d))
{
    pthread_t thread;

    d->script = script;
    atomic_store(&d->finished, false);
    CHECK_EQ(pthread_create(&thread, NULL, run_script, d), 0);
    CHECK(pc_wait(&d->b.pc, is_finished, d));
    pthread_join(thread, NULL);
    pc_settle(&d->b.pc);
    if (d->wrong)
        print_error("%s\n", d->wrong);
    CHECK(!d->wrong);
}

static void desk_close(struct desk *d)
{
    screen_viewer_close(d->b.viewer);
    pc_settle(&d->b.pc);
    vnc_close(d->vnc);
    input_detach(d->dev);
    pc_close(&d->b.pc);
    input_close(d->input);
    screen_close(d->b.screen);
    free(d->b.pixels);
}

#define EXPECT(d, x)                                                                               \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            (d)->wrong = #x;                                                                       \
            hang_up(&v);                                                                           \
            return;                                                                                \
        }                                                                                          \
    } while (0)

/* ---- Pictures ---- */

static const int32_t raw_and_size[] = { 0, -223 };

static void put_cell(struct desk *d, unsigned x, unsigned y, uint16_t cell)
{
    pc_mmio_write(&d->b.pc, 0xb8000 + (y * 80 + x) * 2, 2, cell);
}

static void picture_script(struct desk *d)
{
    struct viewer v;

    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    EXPECT(d, v.width == 720 && v.height == 400);
    EXPECT(d, !strcmp(v.name, "guest"));
    set_encodings(&v, raw_and_size, 2);
    ask(&v, false);
    update(&v);
    EXPECT(d, v.pixels[16 * 2560 + 9] == 0x0000aa);
    EXPECT(d, v.pixels[16 * 2560 + 18] == 0);
    ask(&v, true);
    atomic_store(&d->step, 1); /* a blue cell beside it */
    update(&v);
    EXPECT(d, v.pixels[16 * 2560 + 18] == 0x0000aa);
    EXPECT(d, vnc_clients(d->vnc) == 1);
    ask(&v, true);
    atomic_store(&d->step, 2); /* another mode */
    while (!v.dead && v.width == 720) {
        update(&v);
        ask(&v, false);
    }
    EXPECT(d, v.width == 640 && v.height == 400);
    hang_up(&v);
}

static void picture_guest(struct desk *d, unsigned step)
{
    if (step == 1)
        put_cell(d, 2, 1, 0x1020);
    if (step == 2)
        bench_set_mode(&d->b, &bench_13h);
}

TEST(a_client_sees_the_screen_its_changes_and_its_size)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    bench_palette(&d.b);
    put_cell(&d, 1, 1, 0x1020);
    d.act = picture_guest;
    desk_run(&d, picture_script);
    desk_close(&d);
}

static void many_script(struct desk *d)
{
    struct viewer list[5], v = { .fd = -1 };

    for (unsigned i = 0; i < 5; i++) {
        dial(&list[i], d->vnc);
        EXPECT(d, login(&list[i]));
        set_encodings(&list[i], raw_and_size, 2);
    }
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 5; i++) {
            ask(&list[i], false);
            update(&list[i]);
            EXPECT(d, !list[i].dead && list[i].pixels[16 * 2560 + 9] == 0x0000aa);
        }
    for (unsigned i = 0; i < 5; i++)
        hang_up(&list[i]);
    hang_up(&v);
}

TEST(clients_come_in_numbers)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    bench_palette(&d.b);
    put_cell(&d, 1, 1, 0x1020);
    desk_run(&d, many_script);
    desk_close(&d);
}

/* One asks and asks and reads nothing; another is served all the same. */
static void slow_script(struct desk *d)
{
    struct viewer v, sloth;

    dial(&sloth, d->vnc);
    dial(&v, d->vnc);
    EXPECT(d, login(&sloth));
    EXPECT(d, login(&v));
    set_encodings(&sloth, raw_and_size, 2);
    set_encodings(&v, raw_and_size, 2);
    for (unsigned i = 0; i < 20; i++)
        ask(&sloth, false);
    for (unsigned i = 0; i < 4; i++) {
        ask(&v, false);
        update(&v);
        ask(&sloth, false);
        EXPECT(d, !v.dead);
    }
    hang_up(&sloth);
    hang_up(&v);
}

TEST(a_slow_client_delays_nobody)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    bench_set_mode(&d.b, &bench_text);
    desk_run(&d, slow_script);
    desk_close(&d);
}

static void hostile_script(struct desk *d)
{
    static const uint8_t cut[] = { 6, 0, 0, 0, 0xff, 0xff, 0xff, 0xf0 };
    uint32_t seed = 12345;
    struct viewer v;

    for (unsigned round = 0; round < 12; round++) {
        uint8_t junk[600];

        dial(&v, d->vnc);
        if (round & 1)
            EXPECT(d, login(&v));
        if (round == 3)
            give(&v, cut, sizeof(cut));
        for (unsigned i = 0; i < sizeof(junk); i++)
            junk[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
        if (round > 5)
            junk[0] = (uint8_t)(round - 6); /* messages that exist */
        give(&v, junk, sizeof(junk));
        hang_up(&v);
    }
    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    set_encodings(&v, raw_and_size, 2);
    ask(&v, false);
    update(&v);
    EXPECT(d, !v.dead);
    hang_up(&v);
}

TEST(nonsense_from_a_client_hurts_only_itself)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    desk_run(&d, hostile_script);
    desk_close(&d);
}

/* ---- Input ---- */

static void send_key(struct viewer *v, uint32_t sym, bool down)
{
    uint8_t msg[8] = { 4, down };

    put_be32(msg + 4, sym);
    give(v, msg, sizeof(msg));
}

static void send_pointer(struct viewer *v, unsigned x, unsigned y, uint8_t buttons)
{
    uint8_t msg[6] = { 5, buttons };

    put_be16(msg + 2, (uint16_t)x);
    put_be16(msg + 4, (uint16_t)y);
    give(v, msg, sizeof(msg));
}

/* All that was sent before has been handled when the picture comes. */
static void sync_up(struct viewer *v)
{
    set_encodings(v, raw_and_size, 2);
    ask(v, false);
    update(v);
}

static void type_script(struct desk *d)
{
    struct viewer v;

    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    send_key(&v, 'a', true);
    send_key(&v, 'a', false);
    send_key(&v, 'B', true);
    send_key(&v, 'B', false);
    send_key(&v, 0xff0d, true); /* left down when it hangs up */
    sync_up(&v);
    hang_up(&v);
    usleep(300000);
}

TEST(typed_characters_arrive_as_keys)
{
    static const struct { unsigned key; bool down; } want[] = {
        { KEY_A, true }, { KEY_A, false }, { KEY_LEFTSHIFT, true }, { KEY_B, true },
        { KEY_LEFTSHIFT, false }, { KEY_B, false }, { KEY_ENTER, true }, { KEY_ENTER, false },
    };
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    desk_run(&d, type_script);
    CHECK_EQ(d.key_count, ARRAY_SIZE(want));
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        CHECK_EQ(d.keys[i].key, want[i].key);
        CHECK_EQ(d.keys[i].down, want[i].down);
    }
    CHECK_EQ(vnc_clients(d.vnc), 0);
    desk_close(&d);
}

static void place_script(struct desk *d)
{
    static const int32_t encodings[] = { 0, -258 };
    uint8_t key[12] = { 255, 0, 0, 1, 0, 0, 0, 'q', 0, 0, 0, 0x1e };
    struct viewer v;

    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    set_encodings(&v, encodings, 2);
    EXPECT(d, update(&v) == 1); /* "I understand" */
    give(&v, key, sizeof(key));
    put_be32(key + 8, 0xc8); /* an arrow */
    give(&v, key, sizeof(key));
    sync_up(&v);
    hang_up(&v);
}

TEST(qemu_key_events_name_the_place_not_the_letter)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    desk_run(&d, place_script);
    CHECK(d.key_count >= 2);
    CHECK_EQ(d.keys[0].key, KEY_A);
    CHECK_EQ(d.keys[1].key, KEY_UP);
    desk_close(&d);
}

static void pointer_script(struct desk *d)
{
    struct viewer v;

    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    send_pointer(&v, 100, 50, 0);
    send_pointer(&v, 719, 399, 1);
    send_pointer(&v, 719, 399, 1 | 8);
    send_pointer(&v, 719, 399, 1);
    sync_up(&v);
    hang_up(&v);
}

TEST(a_tablet_gets_positions)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    desk_run(&d, pointer_script);
    CHECK_EQ(d.x, INPUT_ABS_MAX);
    CHECK_EQ(d.y, INPUT_ABS_MAX);
    CHECK_EQ(d.buttons, INPUT_LEFT);
    CHECK_EQ(d.wheel, 1);
    desk_close(&d);
}

TEST(a_mouse_gets_movements)
{
    static struct desk d;

    desk_open(&d, &mouse_ops, false);
    desk_run(&d, pointer_script);
    CHECK_EQ(d.dx, 619);
    CHECK_EQ(d.dy, 349);
    CHECK_EQ(d.buttons, INPUT_LEFT);
    CHECK_EQ(d.wheel, 1);
    desk_close(&d);
}

static void motion_script(struct desk *d)
{
    static const int32_t encodings[] = { 0, -257 };
    struct viewer v;

    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    set_encodings(&v, encodings, 2);
    ask(&v, false);
    EXPECT(d, update(&v) == 1); /* "movements, please" comes before the picture */
    update(&v);
    send_pointer(&v, 0x7fff + 5, 0x7fff - 7, 0);
    send_pointer(&v, 0x7fff - 1, 0x7fff, 4);
    ask(&v, false);
    update(&v);
    EXPECT(d, !v.dead);
    hang_up(&v);
}

TEST(a_client_that_can_sends_movements_to_a_mouse)
{
    static struct desk d;

    desk_open(&d, &mouse_ops, false);
    desk_run(&d, motion_script);
    CHECK_EQ(d.dx, 4);
    CHECK_EQ((unsigned)d.dy, (unsigned)-7);
    CHECK_EQ(d.buttons, INPUT_RIGHT);
    desk_close(&d);
}

/* ---- Login ---- */

static bool log_in_with(struct viewer *v, const char *password)
{
    void *lib = dlopen("libvncserver.so.1", RTLD_NOW);
    void (*encrypt)(unsigned char *, const char *) =
        (void (*)(unsigned char *, const char *))dlsym(lib, "rfbEncryptBytes");
    uint8_t type, challenge[16], result[4] = { 1, 1, 1, 1 };

    if (hello(v, &type) != 1 || type != 2)
        return false;
    give(v, &type, 1);
    take(v, challenge, 16);
    encrypt(challenge, password);
    give(v, challenge, 16);
    take(v, result, 4);
    return !v->dead && !get_be32(result);
}

static void password_script(struct desk *d)
{
    struct viewer v;

    dial(&v, d->vnc);
    EXPECT(d, !log_in_with(&v, ""));
    hang_up(&v);
    vnc_set_password(d->vnc, "s3cret-and-more");
    dial(&v, d->vnc);
    EXPECT(d, !log_in_with(&v, "wrong"));
    hang_up(&v);
    dial(&v, d->vnc);
    EXPECT(d, log_in_with(&v, "s3cret-a"));
    hang_up(&v);
    vnc_set_password(d->vnc, "");
    dial(&v, d->vnc);
    EXPECT(d, !log_in_with(&v, ""));
    hang_up(&v);
}

TEST(without_a_password_set_nobody_gets_in)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, true);
    desk_run(&d, password_script);
    desk_close(&d);
}

/* ---- Browsers ---- */

/* One frame from the server, without its header. */
static unsigned take_frame(struct viewer *v, uint8_t *payload, unsigned room)
{
    uint8_t head[2] = { 0 }, longer[2];
    unsigned n;

    take(v, head, 2);
    n = head[1] & 0x7f;
    if (n == 126) {
        take(v, longer, 2);
        n = get_be16(longer);
    }
    n = MIN(n, room);
    take(v, payload, n);
    return n;
}

static void give_frame(struct viewer *v, const char *payload, unsigned n)
{
    uint8_t frame[64] = { 0x82, (uint8_t)(0x80 | n), 1, 2, 3, 4 };

    for (unsigned i = 0; i < n; i++)
        frame[6 + i] = (uint8_t)payload[i] ^ frame[2 + i % 4];
    give(v, frame, 6 + n);
}

static void browser_script(struct desk *d)
{
    static const char request[] =
        "GET /websockify HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: binary\r\n"
        "Origin: http://x\r\nSec-WebSocket-Version: 13\r\n\r\n";
    char line[1024] = "";
    uint8_t frame[256];
    struct viewer v;

    dial(&v, d->vnc);
    give(&v, request, sizeof(request) - 1);
    for (unsigned i = 0; i < sizeof(line) - 1 && !strstr(line, "\r\n\r\n"); i++)
        EXPECT(d, take(&v, line + i, 1));
    EXPECT(d, strstr(line, " 101 "));
    EXPECT(d, strstr(line, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")); /* RFC 6455's own example */
    EXPECT(d, take_frame(&v, frame, sizeof(frame)) == 12 && !memcmp(frame, "RFB 003.", 8));
    give_frame(&v, "RFB 003.008\n", 12);
    EXPECT(d, take_frame(&v, frame, sizeof(frame)) == 2 && frame[1] == 1);
    hang_up(&v);
}

TEST(a_browser_comes_in_by_websocket)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    desk_run(&d, browser_script);
    desk_close(&d);
}

/* ---- Ports ---- */

TEST(the_next_free_port_is_found_or_the_sentence_says_none_is)
{
    struct vnc_config c = { .listen = "127.0.0.1", .display = 950, .to = 1300 }, same;
    struct error err = { "" };
    struct screen *screen;
    struct vnc *a, *b, *none;
    char first[16];

    CHECK_EQ(screen_open(&screen, "vga", &err), 0);
    CHECK_EQ(vnc_open(&a, &c, screen, NULL, &err), 0);
    CHECK_EQ(vnc_loaded(a, &err), 0);
    CHECK_EQ(vnc_open(&b, &c, screen, NULL, &err), 0);
    CHECK(atoi(vnc_service(b)) > atoi(vnc_service(a)));
    CHECK_STR(vnc_host(a), "127.0.0.1");
    snprintf(first, sizeof(first), "%s", vnc_service(a));
    same = c;
    same.display = (unsigned)atoi(first) - 5900;
    same.to = 0;
    CHECK(vnc_open(&none, &same, screen, NULL, &err) < 0);
    CHECK_SAYS(err, first);
    CHECK_SAYS(err, "in use");
    CHECK_EQ(vnc_loaded(b, &err), 0);
    vnc_close(a);
    vnc_close(b);
    screen_close(screen);
}
