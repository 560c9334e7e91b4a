/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_USB_UHCI_BENCH_H
#define TESTS_UNIT_DEVICES_USB_UHCI_BENCH_H
#include <linux/input-event-codes.h>
#include <string.h>
#include "devices/usb/usb.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/display/input.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

/*
 * A UHCI controller, and a driver that builds frames, queues and transfers in guest memory. The
 * frame list points at a queue for interrupt transfers, which goes on to one for control.
 */
#define UHCI_DEVFN 0x0a /* 01.2 */
#define IO 0xc100
#define USBCMD (IO + 0)
#define USBSTS (IO + 2)
#define USBINTR (IO + 4)
#define FRNUM (IO + 6)
#define FLBASE (IO + 8)
#define PORTSC(n) (IO + 0x10 + 2 * (n))
#define RUN 0x0001
#define USBINT 0x0001
#define USBERR 0x0002
#define RESUME 0x0004
#define PROCESS_ERROR 0x0010
#define HALTED 0x0020

#define FRAME_LIST 0x10000
#define QH_INT 0x20000
#define QH_CTRL 0x20010
#define TDS 0x21000
#define BUFFER 0x30000
#define END 1u
#define QUEUE 2u
#define DEPTH 4u

#define ACTIVE (1u << 23)
#define STALLED (1u << 22)
#define NAK (1u << 19)
#define TIMED_OUT (1u << 18)
#define IOC (1u << 24)
#define SPD (1u << 29)
#define STATUS_BITS 0x00ff0000u
#define PID_IN 0x69u
#define PID_OUT 0xe1u
#define PID_SETUP 0x2du

struct usb {
    struct pc pc;
    struct input *input;
    struct device *dev;
    uint32_t depth; /* DEPTH as Windows links transfers, 0 as Linux does */
    unsigned td;    /* the next free one */
};

static inline void put32(struct usb *u, uint64_t at, uint32_t value)
{
    uint8_t raw[4];

    put_le32(raw, value);
    pc_poke(&u->pc, at, raw, 4);
}

static inline uint32_t get32(struct usb *u, uint64_t at)
{
    uint8_t raw[4];

    pc_peek(&u->pc, at, raw, 4);
    return get_le32(raw);
}

static inline uint32_t token(uint32_t pid, unsigned address, unsigned ep, unsigned length)
{
    return ((length - 1) & 0x7ff) << 21 | ep << 15 | address << 8 | pid;
}

/* A transfer descriptor at the next place; returns where. */
static inline uint32_t td_make(struct usb *u, uint32_t link, uint32_t status, uint32_t tok,
                               uint32_t buffer)
{
    uint32_t at = TDS + 32 * u->td++;

    put32(u, at, link);
    put32(u, at + 4, status | 0x7ff);
    put32(u, at + 8, tok);
    put32(u, at + 12, buffer);
    return at;
}

static inline uint32_t td_status(struct usb *u, uint32_t at)
{
    return get32(u, at + 4);
}

static inline unsigned td_actual(struct usb *u, uint32_t at)
{
    return ((td_status(u, at) & 0x7ff) + 1) & 0x7ff;
}

static inline void usb_open(struct usb *u, const char *ports)
{
    struct error err = { "" };
    char options[128];

    memset(u, 0, sizeof(*u));
    pc_open(&u->pc);
    CHECK_EQ(input_open(&u->input, u->pc.loop, &err), 0);
    pc_give(&u->pc, "input", "input", u->input);
    snprintf(options, sizeof(options), "input=input,ports=%s", ports);
    u->dev = pc_plug(&u->pc, &uhci_class, options);
    u->depth = DEPTH;
    pc_config_write(&u->pc, UHCI_DEVFN, 0x20, 4, IO);
    pc_config_write(&u->pc, UHCI_DEVFN, 0x04, 2, 0x0005);
    put32(u, QH_INT, QH_CTRL | QUEUE);
    put32(u, QH_INT + 4, END);
    put32(u, QH_CTRL, END);
    put32(u, QH_CTRL + 4, END);
    for (unsigned i = 0; i < 1024; i++)
        put32(u, FRAME_LIST + 4 * i, QH_INT | QUEUE);
    pc_out32(&u->pc, FLBASE, FRAME_LIST);
    pc_out16(&u->pc, USBINTR, 0x0f);
    pc_out16(&u->pc, USBCMD, 0x00c0 | RUN);
}

static inline void usb_close(struct usb *u)
{
    device_detach(u->pc.devices[--u->pc.device_count]);
    pc_settle(&u->pc);
    input_close(u->input);
    pc_close(&u->pc);
}

static inline void frames(struct usb *u, unsigned count)
{
    pc_crank(&u->pc, count * NS_PER_MS);
}

static inline bool intx(struct usb *u)
{
    return u->pc.intx[1][3];
}

static inline void port_reset(struct usb *u, unsigned port)
{
    pc_out16(&u->pc, PORTSC(port), 0x0200);
    frames(u, 50);
    pc_out16(&u->pc, PORTSC(port), 0);
    pc_out16(&u->pc, PORTSC(port), 0x000e); /* enable, and clear both changes */
}

/*
 * A control transfer with packets of eight bytes. Returns how many bytes of data went, or -1 where
 * it was stalled.
 */
static inline int control(struct usb *u, unsigned address, const uint8_t setup[8], void *data)
{
    unsigned length = get_le16(setup + 6), packets = DIV_ROUND_UP(length, 8), n = 0;
    bool in = setup[0] & 0x80;
    uint32_t tds[40], first = u->td;
    int total = 0;

    pc_poke(&u->pc, BUFFER, setup, 8);
    if (!in && length)
        pc_poke(&u->pc, BUFFER + 16, data, length);
    CHECK(packets + 2 <= ARRAY_SIZE(tds));
    for (n = 0; n < packets + 2; n++) {
        uint32_t next = n < packets + 1 ? (TDS + 32 * (u->td + 1)) | u->depth : END;
        unsigned done = n ? 8 * (n - 1) : 0;

        if (n == 0)
            tds[n] = td_make(u, next, ACTIVE, token(PID_SETUP, address, 0, 8), BUFFER);
        else if (n <= packets)
            tds[n] = td_make(u, next, ACTIVE | (in ? SPD : 0),
                             token(in ? PID_IN : PID_OUT, address, 0, MIN(8, length - done)),
                             BUFFER + 16 + done);
        else
            tds[n] = td_make(u, next, ACTIVE | IOC,
                             token(in && length ? PID_OUT : PID_IN, address, 0, 0), 0);
    }
    put32(u, QH_CTRL + 4, tds[0]);
    frames(u, 2 * n);
    for (unsigned i = 1; i <= packets && !(td_status(u, tds[i]) & ACTIVE); i++)
        total += (int)td_actual(u, tds[i]);
    if (td_status(u, tds[packets + 1]) & ACTIVE) { /* a short packet: on to the status stage */
        put32(u, QH_CTRL + 4, tds[packets + 1]);
        pc_out16(&u->pc, USBSTS, USBINT);
        frames(u, 2);
    }
    for (n = 0; n < packets + 2; n++)
        if (td_status(u, tds[n]) & STALLED)
            total = -1;
    if (total >= 0)
        CHECK(!(td_status(u, tds[packets + 1]) & ACTIVE));
    put32(u, QH_CTRL + 4, END);
    pc_out16(&u->pc, USBSTS, USBINT | USBERR);
    if (in && total > 0)
        pc_peek(&u->pc, BUFFER + 16, data, (size_t)total);
    u->td = first;
    return total;
}

static inline int request(struct usb *u, unsigned address, uint8_t type, uint8_t req,
                          uint16_t value, uint16_t index, uint16_t length, void *data)
{
    uint8_t setup[8] = { type, req };

    put_le16(setup + 2, value);
    put_le16(setup + 4, index);
    put_le16(setup + 6, length);
    return control(u, address, setup, data);
}

/* From reset to configured at `address`. */
static inline void enumerate(struct usb *u, unsigned port, unsigned address)
{
    port_reset(u, port);
    CHECK_EQ(request(u, 0, 0x00, 5, (uint16_t)address, 0, 0, NULL), 0);
    CHECK_EQ(request(u, address, 0x00, 9, 1, 0, 0, NULL), 0);
}

/* Puts one interrupt transfer of up to 8 bytes on its queue; returns its descriptor. */
static inline uint32_t ask_report(struct usb *u, unsigned address, uint32_t flags)
{
    uint32_t at = td_make(u, END, ACTIVE | flags, token(PID_IN, address, 1, 8), BUFFER + 0x100);

    put32(u, QH_INT + 4, at);
    return at;
}

/* The report that comes within 10 ms; its length, or -1. */
static inline int fetch_report(struct usb *u, unsigned address, uint8_t report[8])
{
    uint32_t at = ask_report(u, address, IOC);
    int n = -1;

    frames(u, 10);
    if (!(td_status(u, at) & ACTIVE) && !(td_status(u, at) & STALLED)) {
        n = (int)td_actual(u, at);
        pc_peek(&u->pc, BUFFER + 0x100, report, 8);
    }
    put32(u, QH_INT + 4, END);
    pc_out16(&u->pc, USBSTS, USBINT | USBERR);
    u->td--;
    return n;
}
#endif
