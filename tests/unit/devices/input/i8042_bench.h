/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_INPUT_I8042_BENCH_H
#define TESTS_UNIT_DEVICES_INPUT_I8042_BENCH_H
#include <linux/input-event-codes.h>
#include <string.h>
#include "devices/input/input_devices.h"
#include "dm/base/bytes.h"
#include "dm/display/input.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

/* The keyboard controller with people's hands in front and a polling driver behind. */
struct kbd {
    struct pc pc;
    struct input *input;
    struct device *dev;
};

#define OBF 0x01
#define AUX 0x20
#define TRANSLATE 0x40
#define MODE_DEFAULT 0x03 /* both interrupts, no translation */

static inline void kbd_open(struct kbd *k)
{
    struct error err = { "" };

    pc_open(&k->pc);
    CHECK_EQ(input_open(&k->input, k->pc.loop, &err), 0);
    pc_give(&k->pc, "input", "input", k->input);
    k->dev = pc_plug(&k->pc, &i8042_class, "input=input");
}

static inline void kbd_close(struct kbd *k)
{
    device_detach(k->pc.devices[--k->pc.device_count]);
    pc_settle(&k->pc);
    input_close(k->input);
    pc_close(&k->pc);
}

static inline uint8_t status(struct kbd *k)
{
    return pc_in8(&k->pc, 0x64);
}

static inline void command(struct kbd *k, uint8_t byte)
{
    pc_out8(&k->pc, 0x64, byte);
}

static inline void data(struct kbd *k, uint8_t byte)
{
    pc_out8(&k->pc, 0x60, byte);
}

static inline uint8_t get(struct kbd *k)
{
    CHECK(status(k) & OBF);
    return pc_in8(&k->pc, 0x60);
}

static inline void set_mode(struct kbd *k, uint8_t mode)
{
    command(k, 0x60);
    data(k, mode);
}

static inline void mouse(struct kbd *k, uint8_t byte)
{
    command(k, 0xd4);
    data(k, byte);
}

/* The bytes that follow are exactly these (count first), all from the keyboard or all the mouse's. */
static inline void expect_from(struct kbd *k, bool aux, unsigned count, const uint8_t *bytes)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(status(k) & (OBF | AUX), aux ? OBF | AUX : OBF);
        CHECK_EQ(pc_in8(&k->pc, 0x60), bytes[i]);
    }
    CHECK_EQ(status(k) & OBF, 0);
}

#define expect(k, ...)                                                                             \
    expect_from(k, false, sizeof((uint8_t[]){ __VA_ARGS__ }), (uint8_t[]){ __VA_ARGS__ })
#define expect_mouse(k, ...)                                                                       \
    expect_from(k, true, sizeof((uint8_t[]){ __VA_ARGS__ }), (uint8_t[]){ __VA_ARGS__ })

static inline void key(struct kbd *k, unsigned code, bool down)
{
    input_key(k->input, code, down);
    pc_settle(&k->pc);
}

static inline void move(struct kbd *k, int dx, int dy, unsigned buttons)
{
    input_pointer_rel(k->input, dx, dy, buttons);
    pc_settle(&k->pc);
}

static inline void wheel(struct kbd *k, int dz)
{
    input_wheel(k->input, dz);
    pc_settle(&k->pc);
}
#endif
