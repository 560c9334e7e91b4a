/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_INPUT_H
#define DM_DISPLAY_INPUT_H
#include <stdbool.h>
#include <stdint.h>
struct error;
struct loop;
struct tape;

/*
 * Input: from people (VNC, QMP's send-key) to keyboards and pointers. Keys are Linux's KEY_* codes
 * (linux/input-event-codes.h), which name a place on the keyboard. Its home is the machine loop,
 * where the devices are; the input_key() family may be called from any loop and posts there.
 * Each event goes to one device of its kind: the one that was activated last.
 */
struct input;

#define INPUT_LEFT 1u
#define INPUT_MIDDLE 2u
#define INPUT_RIGHT 4u
#define INPUT_SIDE 8u
#define INPUT_EXTRA 16u
#define INPUT_ABS_MAX 0x7fff

int input_open(struct input **out, struct loop *machine_loop, struct error *err);
void input_close(struct input *input);

/* ---- Any loop ---- */
void input_key(struct input *input, unsigned key, bool down);
/* x, y: 0 to INPUT_ABS_MAX across the screen. Buttons are those held now. */
void input_pointer_abs(struct input *input, unsigned x, unsigned y, unsigned buttons);
void input_pointer_rel(struct input *input, int dx, int dy, unsigned buttons);
void input_wheel(struct input *input, int dz); /* positive: away from the user; in notches */
/* Whether a device wants absolute positions (a tablet). An atomic snapshot. */
bool input_wants_abs(const struct input *input);
/* LEDs as the guest set them: bit 0 scroll, 1 num, 2 caps. An atomic snapshot. */
unsigned input_leds(const struct input *input);

/* ---- Devices (machine loop) ---- */
struct input_ops {
    void (*key)(void *owner, unsigned key, bool down);
    void (*pointer_abs)(void *owner, unsigned x, unsigned y, unsigned buttons);
    void (*pointer_rel)(void *owner, int dx, int dy, unsigned buttons);
    void (*wheel)(void *owner, int dz, unsigned buttons);
};
struct input_device; /* what it handles is what is not NULL in its ops */
int input_attach(struct input_device **out, struct input *input, const struct input_ops *ops,
                 void *owner, struct error *err);
void input_detach(struct input_device *dev); /* NULL is fine */
void input_activate(struct input_device *dev); /* the guest's driver has enabled it: prefer it */
void input_deactivate(struct input_device *dev);
void input_play(struct input *input, struct tape *tape); /* what was recorded as TAPE_INPUT */
void input_set_leds(struct input *input, unsigned leds);
#endif
