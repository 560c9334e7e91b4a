/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_USB_UHCI_H
#define DEVICES_USB_UHCI_H
#include "devices/pci/function.h"
#include "devices/usb/hid.h"
#include "dm/base/loop.h"

/* What uhci.c (registers, ports) and uhci_schedule.c (frames, queues, transfers) share. */
#define UHCI_PORTS 2

struct uhci_regs {
    struct pci_regs pci;
    uint16_t cmd, sts, intr, frnum;
    uint32_t flbase;
    uint16_t portsc[UHCI_PORTS];
    uint8_t sofmod;
    uint8_t causes; /* why USBINT is set: CAUSE_* */
    uint8_t reserved[6];
    uint64_t frame_due; /* clock_now() time at which the next frame starts, while running */
    struct hid_regs hid[UHCI_PORTS];
};

#define CAUSE_IOC 1
#define CAUSE_SHORT 2

#define CMD_RUN 0x0001
#define CMD_HCRESET 0x0002
#define CMD_GRESET 0x0004
#define CMD_EGSM 0x0008
#define CMD_FGR 0x0010
#define STS_USBINT 0x0001
#define STS_ERROR 0x0002
#define STS_RESUME 0x0004
#define STS_HOST_ERROR 0x0008
#define STS_PROCESS_ERROR 0x0010
#define STS_HALTED 0x0020
#define PORT_CONNECTED 0x0001
#define PORT_CONNECT_CHANGE 0x0002
#define PORT_ENABLED 0x0004
#define PORT_ENABLE_CHANGE 0x0008
#define PORT_RESUME 0x0040
#define PORT_ONE 0x0080
#define PORT_RESET 0x0200
#define PORT_SUSPEND 0x1000

struct uhci {
    struct pci_function fn;
    struct uhci_regs *regs;
    struct hid hid[UHCI_PORTS];
    struct timer timer;
    uint64_t interval; /* ns to the next look at the schedule */
    uint64_t active;   /* when a transfer last moved */
    bool in_frames;
};

void uhci_update_irq(struct uhci *u);
/* Runs the frames that are due, and sets the timer for the next look. */
void uhci_run(struct uhci *u);
/* Somebody gave us reason to look at once. */
void uhci_kick(struct uhci *u);
/* The frame number as the guest may read it now. */
uint16_t uhci_frame_now(const struct uhci *u);
#endif
