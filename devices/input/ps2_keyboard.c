/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PS/2 keyboard. Document: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101-
 * and 102-Key)". Not modelled: typematic repeat (whoever holds the key, a VNC client, repeats it)
 * and set 3's key types one by one.
 */
#include <linux/input-event-codes.h>
#include <string.h>
#include "devices/input/ps2.h"

#define ACK 0xfa
#define BAT_PASSED 0xaa
#define RESEND_ME 0xfe
#define SET_LEDS 0xed
#define ECHO 0xee
#define SCAN_SET 0xf0
#define IDENTIFY 0xf2
#define TYPEMATIC 0xf3
#define ENABLE 0xf4
#define DISABLE 0xf5
#define DEFAULTS 0xf6
#define KEY_TYPES_FIRST 0xf7 /* to 0xfa: all keys */
#define KEY_TYPES_ALL_LAST 0xfa
#define KEY_TYPES_LAST 0xfd /* 0xfb to 0xfd: one key, whose code follows */
#define RESEND 0xfe
#define RESET 0xff

#define ANSWERS 8   /* bytes that keys leave free for answers to the host */
#define RELEASES 24 /* and presses for releases, or a key would stay down for ever */

bool ps2_queue_get(struct ps2_queue *q, uint8_t *byte)
{
    if (!q->count)
        return false;
    *byte = q->bytes[q->head];
    q->head = (uint8_t)((q->head + 1) % PS2_QUEUE);
    q->count--;
    return true;
}

bool ps2_queue_put(struct ps2_queue *q, const uint8_t *bytes, size_t count)
{
    if (q->count + count > PS2_QUEUE)
        return false;
    for (size_t i = 0; i < count; i++)
        q->bytes[(q->head + q->count++) % PS2_QUEUE] = bytes[i];
    return true;
}

static void say(struct ps2_keyboard *k, uint8_t byte)
{
    ps2_queue_put(&k->queue, &byte, 1);
}

static void defaults(struct ps2_keyboard *k)
{
    k->scan_set = 2;
    k->typematic = 0x2b; /* 10.9 a second after half a second */
    k->queue.count = 0;
}

void ps2_keyboard_reset(struct ps2_keyboard *k)
{
    memset(k, 0, sizeof(*k));
    defaults(k);
    k->enabled = 1;
}

static void argument(struct ps2_keyboard *k, uint8_t command, uint8_t byte)
{
    k->command = 0;
    switch (command) {
    case SET_LEDS:
        k->leds = byte & 7;
        break;
    case TYPEMATIC:
        k->typematic = byte & 0x7f;
        break;
    case SCAN_SET:
        if (byte > 3) {
            say(k, RESEND_ME);
            return;
        }
        say(k, ACK);
        if (byte)
            k->scan_set = byte;
        else
            say(k, k->scan_set);
        return;
    }
    say(k, ACK);
}

void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t byte)
{
    if (k->command && byte < SET_LEDS) { /* a command instead of the argument drops the first */
        argument(k, k->command, byte);
        return;
    }
    k->command = 0;
    switch (byte) {
    case SET_LEDS:
    case SCAN_SET:
    case TYPEMATIC:
        k->command = byte;
        say(k, ACK);
        break;
    case ECHO:
        say(k, ECHO);
        break;
    case IDENTIFY:
        say(k, ACK);
        say(k, 0xab);
        say(k, 0x83);
        break;
    case ENABLE:
        k->queue.count = 0;
        k->enabled = 1;
        say(k, ACK);
        break;
    case DISABLE:
        defaults(k);
        k->enabled = 0;
        say(k, ACK);
        break;
    case DEFAULTS:
        defaults(k);
        say(k, ACK);
        break;
    case RESEND:
        say(k, k->last);
        break;
    case RESET:
        ps2_keyboard_reset(k);
        say(k, ACK);
        say(k, BAT_PASSED);
        break;
    default:
        if (byte >= KEY_TYPES_FIRST && byte <= KEY_TYPES_LAST) {
            if (byte > KEY_TYPES_ALL_LAST)
                k->command = byte;
            say(k, ACK);
        } else {
            say(k, RESEND_ME);
        }
    }
}

void ps2_keyboard_key(struct ps2_keyboard *k, unsigned key, bool down)
{
    uint8_t bytes[8];
    bool was, alt;
    size_t n;

    if (key >= 8 * sizeof(k->down))
        return;
    was = k->down[key / 8] >> (key % 8) & 1;
    if (!down && !was)
        return;
    k->down[key / 8] = (uint8_t)(down ? k->down[key / 8] | 1 << (key % 8)
                                      : k->down[key / 8] & ~(1 << (key % 8)));
    if (key == KEY_LEFTALT || key == KEY_RIGHTALT)
        k->modifiers = down;
    if (!k->enabled)
        return;
    alt = k->modifiers & 1;
    n = scancode_bytes(key, down, k->scan_set, alt, bytes);
    if (k->queue.count + n <= PS2_QUEUE - ANSWERS - (down ? RELEASES : 0))
        ps2_queue_put(&k->queue, bytes, n);
    else if (down && !was) /* it is lost, as on the real one, and its release with it */
        k->down[key / 8] = (uint8_t)(k->down[key / 8] & ~(1 << (key % 8)));
}
