/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PS/2 mouse, with the wheel and five buttons of Microsoft's extension. Documents: IBM PS/2
 * Hardware Interface Technical Reference, "Mouse"; Microsoft, "Intellimouse" knock sequences. The
 * sample rate is kept and read back; packets leave when the host takes them.
 */
#include <string.h>
#include "devices/input/ps2.h"
#include "dm/base/bytes.h"

#define ACK 0xfa
#define NAK 0xfe
#define BAT_PASSED 0xaa
#define SCALING_1 0xe6
#define SCALING_2 0xe7
#define SET_RESOLUTION 0xe8
#define STATUS 0xe9
#define STREAM_MODE 0xea
#define READ_DATA 0xeb
#define RESET_WRAP 0xec
#define WRAP_MODE 0xee
#define REMOTE_MODE 0xf0
#define IDENTIFY 0xf2
#define SAMPLE_RATE 0xf3
#define ENABLE 0xf4
#define DISABLE 0xf5
#define DEFAULTS 0xf6
#define RESEND 0xfe
#define RESET 0xff

#define BUTTON_LEFT 1
#define BUTTON_MIDDLE 2
#define BUTTON_RIGHT 4
#define BUTTON_SIDE 8
#define BUTTON_EXTRA 16

/* Packets wait while more than this is queued: motion adds up instead of queueing up. */
#define QUEUE_BUSY 16
#define MOTION_MOST 32767 /* that may add up while the host does not look */
#define WHEEL_MOST 127

static void say(struct ps2_mouse *m, uint8_t byte)
{
    ps2_queue_put(&m->queue, &byte, 1);
}

static void defaults(struct ps2_mouse *m)
{
    m->rate = 100;
    m->resolution = 2;
    m->scaling2 = m->remote = m->enabled = 0;
}

void ps2_mouse_reset(struct ps2_mouse *m)
{
    uint8_t buttons = m->buttons; /* fingers do not know of resets */

    memset(m, 0, sizeof(*m));
    m->buttons = m->reported = buttons;
    defaults(m);
}

bool ps2_mouse_valid(const struct ps2_mouse *m)
{
    return m->dx >= -MOTION_MOST && m->dx <= MOTION_MOST && m->dy >= -MOTION_MOST &&
           m->dy <= MOTION_MOST && m->dz >= -WHEEL_MOST && m->dz <= WHEEL_MOST;
}

static uint8_t wire_buttons(uint8_t b)
{
    return (uint8_t)((b & BUTTON_LEFT ? 1 : 0) | (b & BUTTON_RIGHT ? 2 : 0) |
                     (b & BUTTON_MIDDLE ? 4 : 0));
}

static int32_t take(int32_t *from, int32_t least, int32_t most)
{
    int32_t part = *from < least ? least : *from > most ? most : *from;

    *from -= part;
    return part;
}

/* "Mouse Data Report". What does not fit into one packet stays for the next. */
static void report(struct ps2_mouse *m)
{
    int32_t dx = take(&m->dx, -127, 127), dy = take(&m->dy, -127, 127), dz;
    uint8_t packet[4] = {
        (uint8_t)(8 | wire_buttons(m->buttons) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0)),
        (uint8_t)dx, (uint8_t)dy, 0,
    };

    m->reported = m->buttons;
    if (m->id == 3) {
        dz = take(&m->dz, -8, 7);
        packet[3] = (uint8_t)-dz; /* the wire counts towards the user */
    } else if (m->id == 4) {
        dz = take(&m->dz, -7, 7);
        packet[3] = (uint8_t)((-dz & 0x0f) | (m->buttons & BUTTON_SIDE ? 0x10 : 0) |
                              (m->buttons & BUTTON_EXTRA ? 0x20 : 0));
    } else {
        m->dz = 0;
    }
    ps2_queue_put(&m->queue, packet, m->id ? 4 : 3);
}

void ps2_mouse_refill(struct ps2_mouse *m)
{
    if (!m->enabled || m->remote || m->wrap || m->queue.count > QUEUE_BUSY)
        return;
    if (m->dx || m->dy || m->dz || m->buttons != m->reported)
        report(m);
}

static void add(int32_t *sum, int64_t part, int32_t most)
{
    part += *sum;
    *sum = (int32_t)MIN(MAX(part, -most), most);
}

void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons)
{
    m->buttons = (uint8_t)buttons;
    if (!m->enabled && !m->remote)
        return;
    add(&m->dx, dx, MOTION_MOST);
    add(&m->dy, -(int64_t)dy, MOTION_MOST); /* the screen's y goes down, the mouse's up */
    if (m->id) /* a plain mouse has no wheel */
        add(&m->dz, dz, WHEEL_MOST);
    ps2_mouse_refill(m);
}

static void set_rate(struct ps2_mouse *m, uint8_t rate)
{
    m->rate = rate;
    m->knock[0] = m->knock[1];
    m->knock[1] = m->knock[2];
    m->knock[2] = rate;
    if (m->knock[0] == 200 && m->knock[1] == 100 && m->knock[2] == 80)
        m->id = 3;
    else if (m->knock[0] == 200 && m->knock[1] == 200 && m->knock[2] == 80 && m->id == 3)
        m->id = 4;
}

static void argument(struct ps2_mouse *m, uint8_t command, uint8_t byte)
{
    m->command = 0;
    if (command == SAMPLE_RATE)
        set_rate(m, byte);
    else
        m->resolution = byte & 3;
    say(m, ACK);
}

static void status(struct ps2_mouse *m)
{
    uint8_t b = m->buttons;

    say(m, (uint8_t)((m->remote ? 0x40 : 0) | (m->enabled ? 0x20 : 0) |
                     (m->scaling2 ? 0x10 : 0) | (b & BUTTON_LEFT ? 4 : 0) |
                     (b & BUTTON_MIDDLE ? 2 : 0) | (b & BUTTON_RIGHT ? 1 : 0)));
    say(m, m->resolution);
    say(m, m->rate);
}

void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte)
{
    if (m->wrap && byte != RESET_WRAP && byte != RESET) {
        say(m, byte);
        return;
    }
    if (m->command) {
        argument(m, m->command, byte);
        return;
    }
    if (byte >= SCALING_1)
        m->queue.count = 0; /* a command drops what was on its way */
    switch (byte) {
    case SCALING_1:
    case SCALING_2:
        m->scaling2 = byte == SCALING_2;
        break;
    case SET_RESOLUTION:
    case SAMPLE_RATE:
        m->command = byte;
        break;
    case STATUS:
        say(m, ACK);
        status(m);
        return;
    case STREAM_MODE:
        m->remote = 0;
        break;
    case READ_DATA:
        say(m, ACK);
        report(m);
        return;
    case RESET_WRAP:
        m->wrap = 0;
        break;
    case WRAP_MODE:
        m->wrap = 1;
        break;
    case REMOTE_MODE:
        m->remote = 1;
        break;
    case IDENTIFY:
        say(m, ACK);
        say(m, m->id);
        return;
    case ENABLE:
        m->enabled = 1;
        m->dx = m->dy = m->dz = 0;
        m->reported = m->buttons;
        break;
    case DISABLE:
        m->enabled = 0;
        break;
    case DEFAULTS:
        defaults(m);
        break;
    case RESEND:
        say(m, m->last);
        return;
    case RESET:
        ps2_mouse_reset(m);
        say(m, ACK);
        say(m, BAT_PASSED);
        say(m, 0);
        return;
    default:
        say(m, NAK);
        return;
    }
    say(m, ACK);
}
