/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB HID devices. Documents: USB 2.0, "USB Device Framework"; Device Class Definition for HID
 * 1.11, "Requests". Data toggles are the host's business: packets are never lost here.
 */
#include <string.h>
#include "devices/usb/hid.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/display/input.h"

enum { STAGE_IDLE, STAGE_DATA_IN, STAGE_DATA_OUT, STAGE_STATUS_IN, STAGE_STATUS_OUT };

/* bmRequestType and bRequest as one number */
#define REQUEST(type, request) ((type) << 8 | (request))
#define GET_STATUS_DEVICE REQUEST(0x80, 0)
#define GET_STATUS_INTERFACE REQUEST(0x81, 0)
#define GET_STATUS_ENDPOINT REQUEST(0x82, 0)
#define CLEAR_FEATURE_DEVICE REQUEST(0x00, 1)
#define CLEAR_FEATURE_ENDPOINT REQUEST(0x02, 1)
#define SET_FEATURE_DEVICE REQUEST(0x00, 3)
#define SET_FEATURE_ENDPOINT REQUEST(0x02, 3)
#define SET_ADDRESS REQUEST(0x00, 5)
#define GET_DESCRIPTOR REQUEST(0x80, 6)
#define GET_DESCRIPTOR_INTERFACE REQUEST(0x81, 6)
#define GET_CONFIGURATION REQUEST(0x80, 8)
#define SET_CONFIGURATION REQUEST(0x00, 9)
#define GET_INTERFACE REQUEST(0x81, 10)
#define SET_INTERFACE REQUEST(0x01, 11)
#define GET_REPORT REQUEST(0xa1, 1)
#define GET_IDLE REQUEST(0xa1, 2)
#define GET_PROTOCOL REQUEST(0xa1, 3)
#define SET_REPORT REQUEST(0x21, 9)
#define SET_IDLE REQUEST(0x21, 10)
#define SET_PROTOCOL REQUEST(0x21, 11)

#define FEATURE_REMOTE_WAKEUP 1
#define DESCRIPTOR_DEVICE 1
#define DESCRIPTOR_CONFIG 2
#define DESCRIPTOR_STRING 3
#define DESCRIPTOR_HID 0x21
#define DESCRIPTOR_REPORT 0x22
#define CONFIG_HID_OFFSET 18

enum hid_kind hid_kind_of(const char *name, size_t length)
{
    static const char *const names[] = { "", "tablet", "mouse", "keyboard" };

    for (unsigned i = HID_TABLET; i <= HID_KEYBOARD; i++)
        if (strlen(names[i]) == length && !memcmp(names[i], name, length))
            return (enum hid_kind)i;
    return HID_NONE;
}

/* ---- Events ---- */

static void notify(struct hid *h)
{
    if (h->wake)
        h->wake(h->wake_arg);
}

static struct hid_event *newest(struct hid_regs *r)
{
    return r->event_count ? &r->events[(r->event_head + r->event_count - 1) % HID_EVENTS] : NULL;
}

/* A pointer event; motion joins an event that waits unless the buttons have changed. */
static void push(struct hid *h, struct hid_event e, bool relative)
{
    struct hid_regs *r = h->regs;
    struct hid_event *last = newest(r);

    if (!r->configuration)
        return;
    if (last && ((last->buttons == e.buttons && !e.dz && !last->dz) ||
                 r->event_count == HID_EVENTS)) {
        last->x = relative ? (uint16_t)(last->x + e.x) : e.x;
        last->y = relative ? (uint16_t)(last->y + e.y) : e.y;
        last->dz = (int8_t)(last->dz + e.dz);
        last->buttons = e.buttons;
    } else {
        r->events[(r->event_head + r->event_count++) % HID_EVENTS] = e;
    }
    notify(h);
}

static void on_abs(void *owner, unsigned x, unsigned y, unsigned buttons)
{
    push(owner, (struct hid_event){ .x = (uint16_t)x, .y = (uint16_t)y,
                                    .buttons = (uint8_t)buttons }, false);
}

static void on_rel(void *owner, int dx, int dy, unsigned buttons)
{
    push(owner, (struct hid_event){ .x = (uint16_t)dx, .y = (uint16_t)dy,
                                    .buttons = (uint8_t)buttons }, true);
}

static void on_wheel(void *owner, int dz, unsigned buttons)
{
    struct hid *h = owner;
    struct hid_event *last = newest(h->regs);
    struct hid_event e = { .dz = (int8_t)MIN(MAX(dz, -127), 127), .buttons = (uint8_t)buttons };

    if (h->regs->kind == HID_TABLET) { /* it stays where it is */
        e.x = last ? last->x : h->regs->events[h->regs->event_head].x;
        e.y = last ? last->y : h->regs->events[h->regs->event_head].y;
    }
    push(h, e, h->regs->kind == HID_MOUSE);
}

/* A press is taken only where there is room for its release too, so that no key stays down. */
static bool take_key(struct hid_regs *r, uint8_t usage, bool down)
{
    uint8_t *byte = &r->held[usage / 8], bit = (uint8_t)(1 << (usage % 8));
    unsigned held = 0;

    if (down == !!(*byte & bit))
        return false; /* a repeat; or the release of a press that was lost */
    for (unsigned i = 0; i < sizeof(r->held); i++)
        held += (unsigned)__builtin_popcount(r->held[i]);
    if (down && r->key_count + held + 2 > HID_KEYS)
        return false;
    *byte ^= bit;
    return true;
}

static void on_key(void *owner, unsigned key, bool down)
{
    struct hid *h = owner;
    struct hid_regs *r = h->regs;
    uint8_t usage = hid_usage(key);

    if (!usage || !r->configuration || r->key_count == HID_KEYS || !take_key(r, usage, down))
        return;
    r->keys[(r->key_head + r->key_count) % HID_KEYS][0] = usage;
    r->keys[(r->key_head + r->key_count) % HID_KEYS][1] = down;
    r->key_count++;
    notify(h);
}

static const struct input_ops tablet_ops = { .pointer_abs = on_abs, .wheel = on_wheel };
static const struct input_ops mouse_ops = { .pointer_rel = on_rel, .wheel = on_wheel };
static const struct input_ops keyboard_ops = { .key = on_key };

/* ---- Reports ---- */

bool hid_has_report(const struct hid *h)
{
    return h->regs->kind == HID_KEYBOARD ? h->regs->key_count != 0 : h->regs->event_count != 0;
}

/* The next key event into the report: a modifier's bit, or one of six places. */
static void apply_key(struct hid_regs *r)
{
    uint8_t usage = r->keys[r->key_head][0];
    bool down = r->keys[r->key_head][1];
    unsigned i;

    r->key_head = (r->key_head + 1) % HID_KEYS;
    r->key_count--;
    if (usage >= 0xe0) {
        uint8_t bit = (uint8_t)(1 << (usage - 0xe0));

        r->report[0] = (uint8_t)(down ? r->report[0] | bit : r->report[0] & ~bit);
        return;
    }
    for (i = 2; i < 8 && r->report[i] != usage; i++)
        ;
    if (down && i == 8) {
        for (i = 2; i < 8 && r->report[i]; i++)
            ;
        if (i < 8)
            r->report[i] = usage; /* a seventh key is lost */
    } else if (!down && i < 8) {
        memmove(r->report + i, r->report + i + 1, 7 - i);
        r->report[7] = 0;
    }
}

static int8_t part(uint16_t *from)
{
    int16_t all = (int16_t)*from;
    int16_t now = (int16_t)MIN(MAX(all, -127), 127);

    *from = (uint16_t)(all - now);
    return (int8_t)now;
}

/* The next report into `data` (8 bytes); its length. */
static size_t make_report(struct hid_regs *r, uint8_t *data)
{
    struct hid_event *e = &r->events[r->event_head];
    bool more = false;
    size_t n;

    if (r->kind == HID_KEYBOARD) {
        if (r->key_count)
            apply_key(r);
        memcpy(data, r->report, 8);
        return 8;
    }
    data[0] = (uint8_t)((e->buttons & INPUT_LEFT ? 1 : 0) | (e->buttons & INPUT_RIGHT ? 2 : 0) |
                        (e->buttons & INPUT_MIDDLE ? 4 : 0) | (e->buttons & INPUT_SIDE ? 8 : 0) |
                        (e->buttons & INPUT_EXTRA ? 16 : 0));
    if (r->kind == HID_TABLET) {
        put_le16(data + 1, e->x);
        put_le16(data + 3, e->y);
        data[5] = (uint8_t)e->dz;
        n = 6;
    } else {
        data[1] = (uint8_t)part(&e->x);
        data[2] = (uint8_t)part(&e->y);
        data[3] = (uint8_t)e->dz;
        more = e->x || e->y; /* motion too long for one report goes in several */
        n = r->protocol ? 4 : 3;
    }
    e->dz = 0;
    if (r->event_count && !more) {
        uint16_t x = e->x, y = e->y;
        uint8_t buttons = e->buttons;

        r->event_head = (r->event_head + 1) % HID_EVENTS;
        if (!--r->event_count) /* what GET_REPORT answers until something happens */
            r->events[r->event_head] = (struct hid_event){
                .x = r->kind == HID_TABLET ? x : 0, .y = r->kind == HID_TABLET ? y : 0,
                .buttons = buttons };
    }
    return n;
}

static int interrupt_in(struct hid *h, uint8_t *data, size_t length)
{
    uint8_t report[8];
    size_t n;

    if (h->regs->halted)
        return USB_STALL;
    if (!hid_has_report(h))
        return USB_NAK;
    n = make_report(h->regs, report); /* takes it off the queue: once, not inside MIN() */
    n = MIN(n, length);
    memcpy(data, report, n);
    return (int)n;
}

/* ---- Control transfers ---- */

static int answer(struct hid_regs *r, const void *bytes, size_t length)
{
    r->length = (uint16_t)MIN(MIN(length, get_le16(r->setup + 6)), sizeof(r->data));
    memcpy(r->data, bytes, r->length);
    return 0;
}

static int string_descriptor(struct hid_regs *r, unsigned index)
{
    const char *text = hid_string((enum hid_kind)r->kind, index);
    uint8_t d[64] = { 4, DESCRIPTOR_STRING, 0x09, 0x04 }; /* index 0: English only */

    if (index == 0)
        return answer(r, d, 4);
    if (!text)
        return USB_STALL;
    d[0] = (uint8_t)(2 + 2 * strlen(text));
    for (size_t i = 0; text[i]; i++)
        put_le16(d + 2 + 2 * i, (uint8_t)text[i]);
    return answer(r, d, d[0]);
}

static int descriptor(struct hid_regs *r)
{
    enum hid_kind kind = (enum hid_kind)r->kind;
    const uint8_t *d;
    size_t n;

    switch (r->setup[3]) {
    case DESCRIPTOR_DEVICE:
        d = hid_device_descriptor(kind, &n);
        return answer(r, d, n);
    case DESCRIPTOR_CONFIG:
        d = hid_config_descriptor(kind, &n);
        return r->setup[2] ? USB_STALL : answer(r, d, n);
    case DESCRIPTOR_STRING:
        return string_descriptor(r, r->setup[2]);
    case DESCRIPTOR_HID:
        d = hid_config_descriptor(kind, &n);
        return answer(r, d + CONFIG_HID_OFFSET, 9);
    case DESCRIPTOR_REPORT:
        d = hid_report_descriptor(kind, &n);
        return answer(r, d, n);
    default:
        return USB_STALL;
    }
}

static void configure(struct hid *h, uint8_t configuration)
{
    h->regs->configuration = configuration;
    h->regs->halted = 0;
    if (!h->source)
        return;
    if (configuration)
        input_activate(h->source);
    else
        input_deactivate(h->source);
}

/* A request without data, or with data to us: done when its status stage comes. */
static int perform(struct hid *h)
{
    struct hid_regs *r = h->regs;
    uint16_t value = get_le16(r->setup + 2);

    switch (REQUEST(r->setup[0], r->setup[1])) {
    case SET_ADDRESS:
        r->new_address = value & 0x7f; /* the status stage still goes to the old one */
        return 0;
    case SET_CONFIGURATION:
        if (value > 1)
            return USB_STALL;
        configure(h, (uint8_t)value);
        return 0;
    case SET_INTERFACE:
        return value ? USB_STALL : 0;
    case SET_FEATURE_DEVICE:
    case CLEAR_FEATURE_DEVICE:
        if (value != FEATURE_REMOTE_WAKEUP)
            return USB_STALL;
        r->remote_wakeup = r->setup[1] == 3;
        return 0;
    case SET_FEATURE_ENDPOINT:
    case CLEAR_FEATURE_ENDPOINT:
        if (value || (r->setup[4] & 0x0f) > 1)
            return USB_STALL;
        if ((r->setup[4] & 0x0f) == 1)
            r->halted = r->setup[1] == 3;
        return 0;
    case SET_IDLE:
        r->idle = r->setup[3];
        return 0;
    case SET_PROTOCOL:
        r->protocol = value & 1;
        return 0;
    case SET_REPORT:
        if (r->kind == HID_KEYBOARD && r->done) {
            r->leds = r->data[0];
            if (h->input) /* HID: num, caps, scroll; ours: scroll, num, caps */
                input_set_leds(h->input, (r->leds & 1u) << 1 | (r->leds & 2u) << 1 |
                                             (r->leds & 4u) >> 2);
        }
        return 0;
    default:
        return USB_STALL;
    }
}

/* A request that asks for data. */
static int prepare(struct hid *h)
{
    struct hid_regs *r = h->regs;
    uint8_t bytes[8] = { 0 };

    switch (REQUEST(r->setup[0], r->setup[1])) {
    case GET_STATUS_DEVICE:
        bytes[0] = (uint8_t)(r->remote_wakeup << 1);
        return answer(r, bytes, 2);
    case GET_STATUS_INTERFACE:
        return answer(r, bytes, 2);
    case GET_STATUS_ENDPOINT:
        bytes[0] = (r->setup[4] & 0x0f) == 1 ? r->halted : 0;
        return answer(r, bytes, 2);
    case GET_DESCRIPTOR:
    case GET_DESCRIPTOR_INTERFACE:
        return descriptor(r);
    case GET_CONFIGURATION:
        return answer(r, &r->configuration, 1);
    case GET_INTERFACE:
        return answer(r, bytes, 1);
    case GET_REPORT:
        return answer(r, bytes, make_report(r, bytes));
    case GET_IDLE:
        return answer(r, &r->idle, 1);
    case GET_PROTOCOL:
        return answer(r, &r->protocol, 1);
    default:
        return USB_STALL;
    }
}

static int setup(struct hid *h, const uint8_t *data, size_t length)
{
    struct hid_regs *r = h->regs;
    int rc = 0;

    if (length != 8)
        return USB_STALL;
    memcpy(r->setup, data, 8);
    r->length = r->done = 0;
    if (r->setup[0] & 0x80) {
        rc = prepare(h);
        r->stage = STAGE_DATA_IN;
    } else {
        r->length = (uint16_t)MIN(get_le16(r->setup + 6), sizeof(r->data));
        r->stage = r->length ? STAGE_DATA_OUT : STAGE_STATUS_IN;
    }
    if (rc < 0)
        r->stage = STAGE_IDLE; /* the stages that follow are stalled; the setup itself never is */
    return 8;
}

static int control_in(struct hid *h, uint8_t *data, size_t length)
{
    struct hid_regs *r = h->regs;
    size_t n;
    int rc;

    switch (r->stage) {
    case STAGE_DATA_IN:
        n = MIN(length, (size_t)(r->length - r->done));
        memcpy(data, r->data + r->done, n);
        r->done = (uint16_t)(r->done + n);
        return (int)n;
    case STAGE_DATA_OUT: /* the host sent less than it said */
    case STAGE_STATUS_IN:
        r->stage = STAGE_IDLE;
        rc = perform(h);
        if (rc == 0 && r->new_address) {
            r->address = r->new_address;
            r->new_address = 0;
        }
        return rc;
    default:
        return USB_STALL;
    }
}

static int control_out(struct hid *h, const uint8_t *data, size_t length)
{
    struct hid_regs *r = h->regs;
    size_t n;

    switch (r->stage) {
    case STAGE_DATA_OUT:
        n = MIN(length, (size_t)(r->length - r->done));
        memcpy(r->data + r->done, data, n);
        r->done = (uint16_t)(r->done + n);
        if (r->done == r->length)
            r->stage = STAGE_STATUS_IN;
        return (int)length;
    case STAGE_DATA_IN: /* the status stage of a request for data */
        r->stage = STAGE_IDLE;
        return 0;
    default:
        return USB_STALL;
    }
}

int hid_packet(struct hid *h, enum usb_pid pid, unsigned ep, uint8_t *data, size_t length)
{
    if (ep == 0)
        return pid == USB_SETUP ? setup(h, data, length)
               : pid == USB_IN  ? control_in(h, data, length)
                                : control_out(h, data, length);
    if (ep == 1 && pid == USB_IN && h->regs->configuration)
        return interrupt_in(h, data, length);
    return USB_STALL;
}

/* ---- Life ---- */

int hid_attach(struct hid *h, struct hid_regs *regs, enum hid_kind kind, struct input *input,
               void (*wake)(void *arg), void *arg, struct error *err)
{
    *h = (struct hid){ .regs = regs, .kind = kind, .input = input, .wake = wake,
                       .wake_arg = arg };
    regs->kind = (uint8_t)kind;
    if (!input)
        return 0;
    return input_attach(&h->source, input,
                        kind == HID_TABLET  ? &tablet_ops
                        : kind == HID_MOUSE ? &mouse_ops
                                            : &keyboard_ops, h, err);
}

void hid_detach(struct hid *h)
{
    input_detach(h->source);
    h->source = NULL;
}

void hid_reset(struct hid *h)
{
    memset(h->regs, 0, sizeof(*h->regs));
    h->regs->kind = (uint8_t)h->kind; /* as plugged, whatever a refused state left there */
    h->regs->protocol = 1;
    if (h->source)
        input_deactivate(h->source);
}

bool hid_regs_valid(const struct hid *h)
{
    const struct hid_regs *r = h->regs;

    return r->kind == h->kind && r->event_head < HID_EVENTS && r->event_count <= HID_EVENTS &&
           r->key_head < HID_KEYS && r->key_count <= HID_KEYS && r->length <= HID_CONTROL &&
           r->done <= r->length;
}

void hid_loaded(struct hid *h)
{
    configure(h, h->regs->configuration);
}
