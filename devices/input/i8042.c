/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keyboard controller. Document: IBM PS/2 Hardware Interface Technical Reference, "Keyboard
 * and Auxiliary Device Controller". Not modelled: parity and time-out errors, the password.
 */
#include <errno.h>
#include <string.h>
#include "devices/input/input_devices.h"
#include "devices/input/ps2.h"
#include "dm/display/input.h"

#define DATA_PORT 0x60
#define COMMAND_PORT 0x64

#define STATUS_OBF 0x01
#define STATUS_SYSTEM 0x04
#define STATUS_COMMAND 0x08
#define STATUS_UNLOCKED 0x10
#define STATUS_AUX_OBF 0x20
#define MODE_KBD_INT 0x01
#define MODE_AUX_INT 0x02
#define MODE_SYSTEM 0x04
#define MODE_KBD_OFF 0x10
#define MODE_AUX_OFF 0x20
#define MODE_TRANSLATE 0x40
#define OUT_RESET 0x01 /* active low */
#define OUT_A20 0x02
#define OUT_KBD_IRQ 0x10
#define OUT_AUX_IRQ 0x20
#define OUT_ONES 0xcc

#define READ_RAM 0x20 /* to 0x3f */
#define WRITE_RAM 0x60 /* to 0x7f */
#define PASSWORD_TEST 0xa4
#define AUX_DISABLE 0xa7
#define AUX_ENABLE 0xa8
#define AUX_TEST 0xa9
#define SELF_TEST 0xaa
#define KBD_TEST 0xab
#define KBD_DISABLE 0xad
#define KBD_ENABLE 0xae
#define READ_INPUT 0xc0
#define READ_OUTPUT 0xd0
#define WRITE_OUTPUT 0xd1
#define WRITE_KBD_BUFFER 0xd2
#define WRITE_AUX_BUFFER 0xd3
#define WRITE_AUX 0xd4
#define A20_OFF 0xdd
#define A20_ON 0xdf
#define PULSE 0xf0 /* to 0xff: bits that are 0 are pulsed low; bit 0 resets */

enum source { FROM_NOBODY, FROM_CONTROLLER, FROM_KEYBOARD, FROM_MOUSE };

struct i8042_regs {
    uint8_t data;    /* the output buffer */
    uint8_t source;  /* who filled it */
    uint8_t command; /* whose argument is awaited on the data port; 0: none */
    uint8_t last_to_command_port;
    uint8_t output;
    uint8_t answer, has_answer; /* the controller's own byte, waiting for the buffer */
    uint8_t answer_is_aux;
    uint8_t break_seen; /* translating: an 0xf0 went before */
    uint8_t system; /* self test passed */
    uint8_t reserved[6];
    uint8_t ram[32]; /* ram[0] is the command byte */
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
};

struct i8042 {
    struct i8042_regs *regs;
    struct board *board;
    struct irq *kbd_irq, *aux_irq;
    struct input *input;
    struct input_device *keyboard, *mouse;
};

static uint8_t mode(const struct i8042_regs *r)
{
    return r->ram[0];
}

static bool is_aux(const struct i8042_regs *r)
{
    return r->source == FROM_MOUSE;
}

static void update_irqs(struct i8042 *k)
{
    const struct i8042_regs *r = k->regs;
    bool full = r->source != FROM_NOBODY;

    irq_set(k->kbd_irq, full && !is_aux(r) && mode(r) & MODE_KBD_INT);
    irq_set(k->aux_irq, full && is_aux(r) && mode(r) & MODE_AUX_INT);
}

/* A keyboard byte as the host sees it: set 2 becomes set 1, "0xf0 code" becomes "code | 0x80". */
static bool translated(struct i8042_regs *r, uint8_t *byte)
{
    if (!(mode(r) & MODE_TRANSLATE))
        return true;
    if (*byte == 0xf0) {
        r->break_seen = 1;
        return false;
    }
    *byte = (uint8_t)(scancode_translate(*byte) | (r->break_seen ? 0x80 : 0));
    r->break_seen = 0;
    return true;
}

/* Fills the output buffer if it is free and somebody has a byte. */
static void fill(struct i8042 *k)
{
    struct i8042_regs *r = k->regs;
    uint8_t byte;

    while (r->source == FROM_NOBODY) {
        if (r->has_answer) {
            r->data = r->answer;
            r->has_answer = 0;
            r->source = r->answer_is_aux ? FROM_MOUSE : FROM_CONTROLLER;
        } else if (!(mode(r) & MODE_KBD_OFF) && ps2_queue_get(&r->keyboard.queue, &byte)) {
            r->keyboard.last = byte;
            if (translated(r, &byte)) {
                r->data = byte;
                r->source = FROM_KEYBOARD;
            }
        } else if (!(mode(r) & MODE_AUX_OFF) && ps2_queue_get(&r->mouse.queue, &byte)) {
            r->mouse.last = byte;
            r->data = byte;
            r->source = FROM_MOUSE;
            ps2_mouse_refill(&r->mouse);
        } else {
            break;
        }
    }
    update_irqs(k);
}

static void answer(struct i8042 *k, uint8_t byte, bool aux)
{
    k->regs->answer = byte;
    k->regs->answer_is_aux = aux;
    k->regs->has_answer = 1;
}

static void set_output(struct i8042 *k, uint8_t value)
{
    k->regs->output = value;
    if (!(value & OUT_RESET))
        k->board->ops->reset(k->board->ops_arg);
}

/* ---- Ports ---- */

static uint64_t data_read(void *state, uint64_t offset, unsigned size)
{
    struct i8042 *k = state;
    uint8_t byte = k->regs->data;

    k->regs->source = FROM_NOBODY; /* lowers the line, so that the next byte is an edge */
    update_irqs(k);
    fill(k);
    return byte;
}

static uint64_t status_read(void *state, uint64_t offset, unsigned size)
{
    struct i8042 *k = state;
    const struct i8042_regs *r = k->regs;

    return (r->source != FROM_NOBODY ? STATUS_OBF : 0) | (r->system ? STATUS_SYSTEM : 0) |
           (r->last_to_command_port ? STATUS_COMMAND : 0) | STATUS_UNLOCKED |
           (r->source != FROM_NOBODY && is_aux(r) ? STATUS_AUX_OBF : 0);
}

static void set_mode(struct i8042 *k, uint8_t value)
{
    k->regs->ram[0] = value;
    k->regs->system = value & MODE_SYSTEM ? 1 : 0;
}

static void argument(struct i8042 *k, uint8_t command, uint8_t byte)
{
    k->regs->command = 0;
    switch (command) {
    case WRITE_OUTPUT:
        set_output(k, byte);
        break;
    case WRITE_KBD_BUFFER:
        answer(k, byte, false);
        break;
    case WRITE_AUX_BUFFER:
        answer(k, byte, true);
        break;
    case WRITE_AUX:
        ps2_mouse_write(&k->regs->mouse, byte);
        if (k->regs->mouse.enabled && k->mouse)
            input_activate(k->mouse);
        break;
    case WRITE_RAM:
        set_mode(k, byte);
        break;
    default:
        k->regs->ram[command & 0x1f] = byte;
    }
}

static void data_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct i8042 *k = state;
    uint8_t byte = (uint8_t)value;

    k->regs->last_to_command_port = 0;
    if (k->regs->command) {
        argument(k, k->regs->command, byte);
    } else {
        k->regs->ram[0] &= (uint8_t)~MODE_KBD_OFF; /* sending to it enables it */
        ps2_keyboard_write(&k->regs->keyboard, byte);
        if (k->input)
            input_set_leds(k->input, k->regs->keyboard.leds);
    }
    fill(k);
}

static void command_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct i8042 *k = state;
    struct i8042_regs *r = k->regs;
    uint8_t byte = (uint8_t)value;

    r->last_to_command_port = 1;
    r->command = 0;
    switch (byte) {
    case PASSWORD_TEST:
        answer(k, 0xf1, false); /* there is none */
        break;
    case AUX_DISABLE:
        r->ram[0] |= MODE_AUX_OFF;
        break;
    case AUX_ENABLE:
        r->ram[0] &= (uint8_t)~MODE_AUX_OFF;
        break;
    case AUX_TEST:
    case KBD_TEST:
        answer(k, 0x00, false);
        break;
    case SELF_TEST:
        r->system = 1;
        r->ram[0] |= MODE_SYSTEM;
        answer(k, 0x55, false);
        break;
    case KBD_DISABLE:
        r->ram[0] |= MODE_KBD_OFF;
        break;
    case KBD_ENABLE:
        r->ram[0] &= (uint8_t)~MODE_KBD_OFF;
        break;
    case READ_INPUT:
        answer(k, 0x80, false); /* keyboard not locked */
        break;
    case READ_OUTPUT:
        answer(k, (uint8_t)((r->output & ~(OUT_KBD_IRQ | OUT_AUX_IRQ)) |
                            (irq_level(k->kbd_irq) ? OUT_KBD_IRQ : 0) |
                            (irq_level(k->aux_irq) ? OUT_AUX_IRQ : 0)), false);
        break;
    case WRITE_OUTPUT:
    case WRITE_KBD_BUFFER:
    case WRITE_AUX_BUFFER:
    case WRITE_AUX:
        r->command = byte;
        break;
    case A20_OFF:
        r->output &= (uint8_t)~OUT_A20;
        break;
    case A20_ON:
        r->output |= OUT_A20;
        break;
    default:
        if (byte >= PULSE && !(byte & OUT_RESET))
            k->board->ops->reset(k->board->ops_arg);
        else if (byte >= READ_RAM && byte < READ_RAM + 0x20)
            answer(k, r->ram[byte & 0x1f], false);
        else if (byte >= WRITE_RAM && byte < WRITE_RAM + 0x20)
            r->command = byte;
    }
    fill(k);
}

static const struct region_ops data_ops = {
    .name = "i8042-data", .min_size = 1, .max_size = 1, .read = data_read, .write = data_write,
};
static const struct region_ops command_ops = {
    .name = "i8042-command", .min_size = 1, .max_size = 1,
    .read = status_read, .write = command_write,
};

/* ---- People ---- */

static void on_key(void *owner, unsigned key, bool down)
{
    struct i8042 *k = owner;

    ps2_keyboard_key(&k->regs->keyboard, key, down);
    fill(k);
}

static void on_move(void *owner, int dx, int dy, unsigned buttons)
{
    struct i8042 *k = owner;

    ps2_mouse_move(&k->regs->mouse, dx, dy, 0, buttons);
    fill(k);
}

static void on_wheel(void *owner, int dz, unsigned buttons)
{
    struct i8042 *k = owner;

    ps2_mouse_move(&k->regs->mouse, 0, 0, dz, buttons);
    fill(k);
}

static const struct input_ops keyboard_ops = { .key = on_key };
static const struct input_ops mouse_ops = { .pointer_rel = on_move, .wheel = on_wheel };

/* ---- The class ---- */

static int i8042_attach(struct device *dev, struct error *err)
{
    struct i8042 *k = device_state(dev);
    int rc;

    k->regs = device_regs(dev);
    k->board = device_board(dev);
    k->kbd_irq = device_isa_irq(dev, 1);
    k->aux_irq = device_isa_irq(dev, 12);
    k->input = device_host_end(dev, "input", "input", err);
    if (!k->input && *device_text(dev, "input"))
        return -ENOENT;
    rc = device_ports(dev, DATA_PORT, 1, &data_ops, err);
    if (rc == 0)
        rc = device_ports(dev, COMMAND_PORT, 1, &command_ops, err);
    if (rc == 0 && k->input)
        rc = input_attach(&k->keyboard, k->input, &keyboard_ops, k, err);
    if (rc == 0 && k->input)
        rc = input_attach(&k->mouse, k->input, &mouse_ops, k, err);
    return rc;
}

static void i8042_detach(struct device *dev)
{
    struct i8042 *k = device_state(dev);

    input_detach(k->keyboard);
    input_detach(k->mouse);
}

static void i8042_reset(struct device *dev)
{
    struct i8042 *k = device_state(dev);

    memset(k->regs, 0, sizeof(*k->regs));
    k->regs->ram[0] = MODE_KBD_INT | MODE_AUX_INT;
    k->regs->output = OUT_RESET | OUT_A20 | OUT_ONES;
    ps2_keyboard_reset(&k->regs->keyboard);
    ps2_mouse_reset(&k->regs->mouse);
    update_irqs(k);
}

static int i8042_loaded(struct device *dev, struct error *err)
{
    struct i8042 *k = device_state(dev);
    const struct i8042_regs *r = k->regs;

    if (r->source > FROM_MOUSE || r->keyboard.queue.head >= PS2_QUEUE ||
        r->keyboard.queue.count > PS2_QUEUE || r->mouse.queue.head >= PS2_QUEUE ||
        r->mouse.queue.count > PS2_QUEUE || r->keyboard.scan_set < 1 || r->keyboard.scan_set > 3)
        return error_set(err, -EINVAL, "saved state of %s: a queue or scan code set is out of range",
                         device_id(dev));
    if (!ps2_mouse_valid(&r->mouse))
        return error_set(err, -EINVAL, "saved state of %s: the mouse has moved too far",
                         device_id(dev));
    if (r->mouse.enabled && k->mouse)
        input_activate(k->mouse);
    update_irqs(k);
    return 0;
}

static const struct device_option i8042_options[] = {
    { "input", OPTION_TEXT, "" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field i8042_saved[] = {
    SAVED(struct i8042_regs, data), SAVED(struct i8042_regs, source),
    SAVED(struct i8042_regs, command), SAVED(struct i8042_regs, last_to_command_port),
    SAVED(struct i8042_regs, output), SAVED(struct i8042_regs, answer),
    SAVED(struct i8042_regs, has_answer), SAVED(struct i8042_regs, answer_is_aux),
    SAVED(struct i8042_regs, break_seen), SAVED(struct i8042_regs, system),
    SAVED_ARRAY(struct i8042_regs, reserved), SAVED_ARRAY(struct i8042_regs, ram),
    SAVED(struct i8042_regs, keyboard), SAVED(struct i8042_regs, mouse),
    { NULL, 0, 0, 0 },
};

const struct device_class i8042_class = {
    .name = "i8042", .summary = "keyboard controller with PS/2 keyboard and wheel mouse",
    .hidden = true,
    .state_size = sizeof(struct i8042), .regs_size = sizeof(struct i8042_regs),
    .options = i8042_options, .saved = i8042_saved, .version = 1,
    .attach = i8042_attach, .detach = i8042_detach, .reset = i8042_reset, .loaded = i8042_loaded,
};
