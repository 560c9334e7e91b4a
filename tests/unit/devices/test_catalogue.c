/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for every device there is, whatever it does. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "devices/catalogue.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/block/drive.h"
#include "dm/chardev/chardev.h"
#include "dm/display/input.h"
#include "dm/display/screen.h"
#include "ioreq/dispatch.h"
#include "tests/kit/check.h"
#include "tests/kit/net.h"
#include "tests/kit/pc.h"

#define DISK_BYTES (256 * KIB)
#define MMIO_AT 0xe0000000u
#define PORTS_AT 0xc000u

/* A bench with every host end that a device may ask for. */
struct bench {
    struct pc pc;
    struct drive *disk, *cd;
    struct chardev *chardev;
    struct screen *screen;
    struct input *input;
    struct net net;
    struct device *dev;
    char path[40];
    int devfn; /* of the first function found; -1: none */
};

static struct drive *drive(struct bench *b, const char *id, bool cdrom)
{
    struct disk_config image = { .path = b->path, .readonly = cdrom };
    struct drive_config config = { .id = id, .cdrom = cdrom, .readonly = cdrom };
    struct error err = { "" };
    struct drive *d = NULL;

    CHECK_EQ(disk_open(&config.disk, &image, &err), 0);
    CHECK_EQ(drive_open(&d, &config, &err), 0);
    pc_give(&b->pc, "drive", id, d);
    return d;
}

static void open_ends(struct bench *b)
{
    struct chardev_config null = { .id = "c", .kind = "null", .fd = -1 };
    struct error err = { "" };
    int fd;

    strcpy(b->path, "/tmp/xen-dm-any-XXXXXX");
    fd = mkstemp(b->path);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, DISK_BYTES), 0);
    close(fd);
    b->disk = drive(b, "hd", false);
    b->cd = drive(b, "cd", true);
    CHECK_EQ(chardev_open(&b->chardev, b->pc.loop, &null, &err), 0);
    pc_give(&b->pc, "chardev", "c", b->chardev);
    CHECK_EQ(screen_open(&b->screen, "s", &err), 0);
    pc_give(&b->pc, "screen", "s", b->screen);
    CHECK_EQ(input_open(&b->input, b->pc.loop, &err), 0);
    pc_give(&b->pc, "input", "i", b->input);
    net_open(&b->net, "n", true);
    pc_give(&b->pc, "netport", "n", b->net.port);
}

/* Every option that names a host end gets ours; the rest stays at its default. */
static const char *options_of(const struct device_class *cls)
{
    static const char *const ends[][2] = {
        { "drive0", "hd" }, { "drive2", "cd" }, { "chardev", "c" }, { "screen", "s" },
        { "input", "i" }, { "netdev", "n" }, { "ports", "tablet keyboard" }, { "cpus", "3" },
    };
    static char text[256];

    *text = 0;
    for (const struct device_option *o = cls->options; o && o->name; o++)
        for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
            if (!strcmp(o->name, ends[i][0]))
                sprintf(text + strlen(text), "%s%s=%s", *text ? "," : "", o->name, ends[i][1]);
    return text;
}

static void attach(struct bench *b, const struct device_class *cls)
{
    memset(b, 0, sizeof(*b));
    pc_open(&b->pc);
    open_ends(b);
    b->dev = pc_plug(&b->pc, cls, options_of(cls));
    b->devfn = -1;
    for (int devfn = 0; devfn < 256 && b->devfn < 0; devfn++)
        if (pc_config_read(&b->pc, (unsigned)devfn, 0, 4) != UINT32_MAX)
            b->devfn = devfn;
}

static void detach(struct bench *b)
{
    device_detach(b->pc.devices[--b->pc.device_count]);
    pc_settle(&b->pc);
    CHECK_EQ(loop_next_timer(b->pc.loop), UINT64_MAX); /* nothing of it may run any more */
    for (unsigned i = 0; i < 16; i++)
        CHECK(!b->pc.isa[i]);
    drive_close(b->disk);
    drive_close(b->cd);
    unlink(b->path);
    chardev_close(b->chardev);
    input_close(b->input);
    screen_close(b->screen);
    pc_close(&b->pc);
    net_close(&b->net);
}

/* ---- A guest that plays at random ---- */

static uint32_t next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

/* All BARs placed, decode and bus mastering on: what a driver does first. */
static void enable(struct bench *b)
{
    uint32_t mmio = MMIO_AT, port = PORTS_AT;

    if (b->devfn < 0)
        return;
    for (unsigned o = 0x10; o < 0x28; o += 4) {
        uint32_t mask;

        pc_config_write(&b->pc, (unsigned)b->devfn, o, 4, 0xffffffff);
        mask = pc_config_read(&b->pc, (unsigned)b->devfn, o, 4);
        pc_config_write(&b->pc, (unsigned)b->devfn, o, 4, mask & 1 ? port : mask ? mmio : 0);
        port += mask & 1 ? 0x100 : 0;
        mmio += mask && !(mask & 1) ? 32 * MIB : 0;
    }
    pc_config_write(&b->pc, (unsigned)b->devfn, 0x04, 2, 0x0007);
}

struct spans {
    struct {
        uint64_t base, length;
        bool port;
    } at[128];
    unsigned count;
    bool port;
};

static void collect(void *arg, const struct region_info *info)
{
    struct spans *s = arg;

    if (s->count < ARRAY_SIZE(s->at)) {
        s->at[s->count].base = info->base;
        s->at[s->count].length = info->length;
        s->at[s->count++].port = s->port;
    }
}

static void look_around(struct bench *b, struct spans *s)
{
    s->count = 0;
    s->port = true;
    space_walk(b->pc.board.ports, collect, s);
    s->port = false;
    space_walk(b->pc.board.mmio, collect, s);
}

/* Values that guests write: small ones, addresses in RAM, all ones, anything. */
static uint32_t value(uint32_t *x)
{
    switch (next(x) % 4) {
    case 0:
        return next(x) % 256;
    case 1:
        return next(x) % PC_RAM & ~0xfu;
    case 2:
        return next(x) % 8 ? 1u << next(x) % 32 : 0xffffffff;
    default:
        return next(x);
    }
}

static void play_once(struct bench *b, const struct spans *s, uint32_t *x)
{
    unsigned pick = next(x) % (s->count ? s->count : 1), size = 1u << next(x) % 3;
    bool read = next(x) % 3 == 0;
    uint64_t addr;

    if (!s->count)
        return;
    addr = s->at[pick].base + next(x) % MIN(s->at[pick].length, 64 * KIB);
    if (!s->at[pick].port && read)
        pc_mmio_read(&b->pc, addr, size);
    else if (!s->at[pick].port)
        pc_mmio_write(&b->pc, addr, size, value(x));
    else if (read)
        size == 1 ? pc_in8(&b->pc, addr) : size == 2 ? pc_in16(&b->pc, addr) : pc_in32(&b->pc, addr);
    else if (size == 1)
        pc_out8(&b->pc, addr, (uint8_t)value(x));
    else if (size == 2)
        pc_out16(&b->pc, addr, (uint16_t)value(x));
    else
        pc_out32(&b->pc, addr, value(x));
}

static void play(struct bench *b, uint32_t seed, unsigned times)
{
    static const uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct spans s;
    uint32_t x = seed;

    for (unsigned i = 0; i < times; i++) {
        if (i % 32 == 0)
            look_around(b, &s);
        if (b->devfn >= 0 && next(&x) % 64 == 0)
            pc_config_write(&b->pc, (unsigned)b->devfn, next(&x) % 256, 1u << next(&x) % 3,
                            value(&x));
        else if (b->devfn >= 0 && next(&x) % 256 == 0)
            enable(b);
        else
            play_once(b, &s, &x);
        if (i % 64 == 0) { /* people and the network play too */
            input_key(b->input, next(&x) % 128, next(&x) & 1);
            input_pointer_rel(b->input, (int)(next(&x) % 512) - 256, 3, next(&x) % 32);
            input_pointer_abs(b->input, next(&x) % 32768, 5, next(&x) % 32);
            net_deliver(&b->net, frame, sizeof(frame), NULL);
            net_forget(&b->net);
            pc_crank(&b->pc, next(&x) % (4 * NS_PER_MS));
        }
    }
    pc_settle(&b->pc);
}

static void fill_ram(struct bench *b, uint32_t seed)
{
    static uint32_t words[64 * KIB / 4];
    uint32_t x = seed;

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        words[i] = value(&x);
    for (unsigned i = 0; i < 16; i++)
        pc_poke(&b->pc, i * 64 * KIB, words, i == 10 || i == 11 ? 0 : sizeof(words));
}

/* ---- The claims ---- */

#define FOR_EVERY_CLASS(cls)                                                                       \
    for (unsigned cls##_i = 0; (cls = catalogue_at(cls##_i)); cls##_i++)

TEST(every_class_has_a_name_a_line_and_is_found)
{
    const struct device_class *cls;

    FOR_EVERY_CLASS(cls) {
        CHECK(cls->name && *cls->name);
        CHECK(cls->summary && *cls->summary);
        CHECK(catalogue_find(cls->name) == cls);
    }
    CHECK(catalogue_find("none-such") == NULL);
}

TEST(every_byte_of_the_registers_is_saved_once)
{
    const struct device_class *cls;

    FOR_EVERY_CLASS(cls) {
        struct bench b;

        attach(&b, cls);
        pc_check_saved(b.dev);
        CHECK_EQ(device_saved_bytes(cls), cls->regs_size);
        detach(&b);
    }
}

static bool idle(void *arg)
{
    return true;
}

TEST(reset_after_anything_equals_fresh)
{
    const struct device_class *cls;

    FOR_EVERY_CLASS(cls) {
        for (uint32_t seed = 1; seed <= 3; seed++) {
            struct bench b;
            uint8_t *fresh = malloc(cls->regs_size + 1), *regs;

            attach(&b, cls);
            regs = device_regs(b.dev);
            memcpy(fresh, regs, cls->regs_size);
            fill_ram(&b, seed);
            enable(&b);
            play(&b, seed * 77, 3000);
            device_reset(b.dev);
            pc_wait(&b.pc, idle, NULL);
            pc_settle(&b.pc);
            for (size_t i = 0; i < cls->regs_size; i++)
                if (regs[i] != fresh[i]) {
                    print_error("%s, seed %u: byte %zu of regs is 0x%02x after reset, fresh 0x%02x\n",
                                cls->name, seed, i, regs[i], fresh[i]);
                    fail();
                }
            free(fresh);
            detach(&b);
        }
    }
}

TEST(random_accesses_never_crash)
{
    const struct device_class *cls;

    FOR_EVERY_CLASS(cls) {
        for (uint32_t seed = 1; seed <= 8; seed++) {
            struct bench b;

            attach(&b, cls);
            fill_ram(&b, seed * 13);
            enable(&b);
            play(&b, seed * 12345, 20000);
            detach(&b);
        }
    }
}

static unsigned open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

TEST(a_hundred_attachments_leave_nothing_open)
{
    const struct device_class *cls;

    FOR_EVERY_CLASS(cls) {
        unsigned before = open_files();

        for (unsigned i = 0; i < 100; i++) {
            struct bench b;

            attach(&b, cls);
            enable(&b);
            detach(&b);
        }
        if (open_files() > before + 8) { /* pools of threads may keep a few */
            print_error("%s: %u descriptors open, before %u\n", cls->name, open_files(), before);
            fail();
        }
    }
}

TEST(an_unknown_option_is_refused_by_its_name)
{
    const struct device_class *cls;

    FOR_EVERY_CLASS(cls) {
        struct error err = { "" };
        struct device *dev;
        struct pc pc;

        pc_open(&pc);
        CHECK(device_attach(&dev, &pc.board, cls, "x", "no-such-option=1", &err) < 0);
        CHECK_SAYS(err, "no-such-option");
        CHECK_SAYS(err, cls->name);
        pc_close(&pc);
    }
}

/* ---- Saved states from nowhere ---- */

/* Random bytes, but who the function is stays true, or no other byte would ever be judged. */
static void corrupt(struct bench *b, const uint8_t *good, uint32_t *x, bool all)
{
    const struct device_class *cls = device_class_of(b->dev);
    uint8_t *regs = device_regs(b->dev);

    memcpy(regs, good, cls->regs_size);
    for (size_t i = 0; all && i < cls->regs_size; i++)
        regs[i] = (uint8_t)next(x);
    for (unsigned i = 0; !all && i < 1 + next(x) % 16; i++)
        regs[next(x) % cls->regs_size] = (uint8_t)next(x);
    if (b->devfn >= 0)
        memcpy(regs, good, 4);
}

TEST(registers_of_random_bytes_are_refused_or_survived)
{
    const struct device_class *cls;

    FOR_EVERY_CLASS(cls) {
        unsigned taken = 0;

        if (!cls->regs_size)
            continue;
        for (uint32_t seed = 1; seed <= 200; seed++) {
            struct error err = { "" };
            uint8_t *good = malloc(cls->regs_size);
            uint32_t x = seed * 2654435761u;
            struct bench b;

            attach(&b, cls);
            enable(&b);
            memcpy(good, device_regs(b.dev), cls->regs_size);
            corrupt(&b, good, &x, seed % 4 == 0);
            if (device_check_regs(b.dev, &err) == 0) {
                taken++;
                play(&b, seed, 1000);
            } else {
                CHECK(*err.text != 0);
            }
            device_reset(b.dev);
            free(good);
            detach(&b);
        }
        CHECK(taken > 0);
    }
}
