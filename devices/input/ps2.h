/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_INPUT_PS2_H
#define DEVICES_INPUT_PS2_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The two devices behind the keyboard controller: their registers and what they answer to a byte
 * from the host. They know the wire's bytes only; i8042.c moves them.
 */
#define PS2_QUEUE 64

/* Bytes on their way to the host. */
struct ps2_queue {
    uint8_t head, count; /* head < PS2_QUEUE */
    uint8_t bytes[PS2_QUEUE];
};

struct ps2_keyboard {
    struct ps2_queue queue;
    uint8_t scan_set; /* 1 to 3 */
    uint8_t enabled, leds, typematic;
    uint8_t command;  /* whose argument is awaited; 0: none */
    uint8_t last;     /* sent last, for Resend */
    uint8_t modifiers; /* bit 0: an Alt key is held: Print Screen is then SysRq */
    uint8_t down[32]; /* a bit for each key held, by KEY_* */
    uint8_t reserved[7];
};

struct ps2_mouse {
    struct ps2_queue queue;
    uint8_t enabled, remote, wrap, scaling2;
    uint8_t resolution, rate;
    uint8_t id;         /* 0 plain, 3 with a wheel, 4 with five buttons */
    uint8_t knock[3];   /* the last sample rates: 200, 100, 80 asks for the wheel */
    uint8_t command;
    uint8_t buttons;    /* INPUT_* */
    uint8_t reported;   /* buttons in the last packet */
    uint8_t last;
    int32_t dx, dy, dz; /* moved since the last packet; up and away are positive */
};

bool ps2_queue_get(struct ps2_queue *queue, uint8_t *byte); /* false: empty */
/* All of the bytes or, where there is no room, none: half a packet would be out of step. */
bool ps2_queue_put(struct ps2_queue *queue, const uint8_t *bytes, size_t count);

void ps2_keyboard_reset(struct ps2_keyboard *k);
void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t byte);
void ps2_keyboard_key(struct ps2_keyboard *k, unsigned key, bool down);

void ps2_mouse_reset(struct ps2_mouse *m);
bool ps2_mouse_valid(const struct ps2_mouse *m); /* loaded from a saved state */
void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte);
void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons);
void ps2_mouse_refill(struct ps2_mouse *m); /* the host took bytes: is there a packet to send? */

/* ---- Scan codes ---- */
/* Bytes of a key going down or up in a set; 0: there is no such key. At most 8. */
size_t scancode_bytes(unsigned key, bool down, unsigned set, bool sysrq, uint8_t bytes[8]);
/* The keyboard controller's translation of a set 2 byte, without its break prefix, to set 1. */
uint8_t scancode_translate(uint8_t byte);
#endif
