/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VNC server with a small client of our own, against a VGA on the bench. */
#include "tests/unit/dm/display/vnc_bench.h"

/* ---- Pictures ---- */

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
    CHECK_EQ(vnc_load(a, &err), 0);
    vnc_serve(a);
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
    CHECK_EQ(vnc_load(b, &err), 0);
    vnc_serve(b);
    vnc_close(a);
    vnc_close(b);
    screen_close(screen);
}
