/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_USB_HID_H
#define DEVICES_USB_HID_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct error;
struct input;

/*
 * The three USB devices that people use: a tablet (absolute pointer), a mouse and a keyboard. A
 * host controller plugs them into its ports and hands them packets.
 */
enum hid_kind { HID_NONE, HID_TABLET, HID_MOUSE, HID_KEYBOARD };

#define HID_EVENTS 16
#define HID_KEYS 32
#define HID_CONTROL 256

struct hid_event {
    uint16_t x, y; /* tablet: position; mouse: motion, signed */
    int8_t dz;
    uint8_t buttons; /* INPUT_* */
    uint8_t reserved[2];
};

/* All the guest can see of it. */
struct hid_regs {
    uint8_t kind, address, new_address, configuration;
    uint8_t idle, protocol, remote_wakeup, halted;
    uint8_t stage;    /* of the control transfer */
    uint8_t leds;
    uint8_t has_sent; /* a report went out since the configuration */
    uint8_t event_head, event_count;
    uint8_t key_head, key_count;
    uint8_t buttons;
    uint16_t length, done; /* of the control transfer's data */
    uint8_t setup[8];
    uint8_t data[HID_CONTROL];
    struct hid_event events[HID_EVENTS];
    uint8_t keys[HID_KEYS][2]; /* usage, down */
    uint8_t report[8];         /* keyboard: as it was last sent */
    uint8_t held[32];          /* keyboard: a bit for each usage whose press was taken */
};

struct hid {
    struct hid_regs *regs;
    enum hid_kind kind; /* as plugged; HID_NONE: an empty port */
    struct input *input;
    struct input_device *source;
    /* Something changed that the host may fetch. */
    void (*wake)(void *arg);
    void *wake_arg;
};

enum usb_pid { USB_OUT = 0xe1, USB_IN = 0x69, USB_SETUP = 0x2d };
#define USB_NAK (-1)
#define USB_STALL (-2)

enum hid_kind hid_kind_of(const char *name, size_t length); /* HID_NONE: no such device */
int hid_attach(struct hid *hid, struct hid_regs *regs, enum hid_kind kind, struct input *input,
               void (*wake)(void *arg), void *arg, struct error *err);
void hid_detach(struct hid *hid);
void hid_reset(struct hid *hid); /* a bus reset: address 0, no configuration */
bool hid_regs_valid(const struct hid *hid); /* regs were loaded: of this device, and in range */
void hid_loaded(struct hid *hid); /* regs were loaded: tell input who is active */

/*
 * One packet to endpoint `ep`. IN: up to `length` bytes into `data`; OUT and SETUP: `length` bytes
 * from it. How many bytes went, or USB_NAK, USB_STALL.
 */
int hid_packet(struct hid *hid, enum usb_pid pid, unsigned ep, uint8_t *data, size_t length);
bool hid_has_report(const struct hid *hid);

/* hid_tables.c: descriptors, and KEY_* to HID usages (0: none). */
const uint8_t *hid_device_descriptor(enum hid_kind kind, size_t *length);
const uint8_t *hid_config_descriptor(enum hid_kind kind, size_t *length);
const uint8_t *hid_report_descriptor(enum hid_kind kind, size_t *length);
const char *hid_string(enum hid_kind kind, unsigned index); /* NULL: none */
uint8_t hid_usage(unsigned key);
#endif
