/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UHCI's schedule. Document: Intel Universal Host Controller Interface (UHCI) Design Guide 1.1,
 * "Data Structures" and "Schedule Execution".
 *
 * The guest rings no bell when it queues a transfer: the real controller looks a thousand times a
 * second. We look that often only while something moves, then ever more seldom, up to LOOK_MOST,
 * and at once when a device has something to say or the guest touches a register. Frames that
 * passed meanwhile are made up for in order, so that a queue linked from one frame in 128 is seen.
 */
#include "devices/usb/uhci.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"

#define FRAME NS_PER_MS
#define LOOK_MOST (64 * NS_PER_MS)
#define BUSY_FOR (20 * NS_PER_MS) /* after the last transfer, each frame is looked at */
#define FRAMES 1024u
#define LINKS_A_FRAME 256 /* a guest can link its schedule into a ring */
#define TRANSFERS_A_FRAME 64

#define LINK_END 1u
#define LINK_QUEUE 2u
#define LINK_DEPTH 4u
#define LINK_ADDRESS 0xfffffff0u

#define TD_ACTLEN 0x7ffu
#define TD_TIMEOUT (1u << 18)
#define TD_NAK (1u << 19)
#define TD_STALLED (1u << 22)
#define TD_ACTIVE (1u << 23)
#define TD_IOC (1u << 24)
#define TD_SPD (1u << 29)
#define TD_STATUS 0x00ff0000u

struct td {
    uint32_t link, status, token, buffer;
};

enum outcome { NOT_ACTIVE, NAKED, DONE, SHORT, FAILED };

static struct hid *device_at(struct uhci *u, unsigned address)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++)
        if (u->regs->portsc[i] & PORT_ENABLED && !(u->regs->portsc[i] & PORT_SUSPEND) &&
            u->regs->hid[i].kind && u->regs->hid[i].address == address)
            return &u->hid[i];
    return NULL;
}

static void read_td(struct uhci *u, uint32_t at, struct td *td)
{
    uint8_t raw[16];

    pci_dma_read(&u->fn, at, raw, sizeof(raw));
    *td = (struct td){ get_le32(raw), get_le32(raw + 4), get_le32(raw + 8), get_le32(raw + 12) };
}

static void write_status(struct uhci *u, uint32_t at, uint32_t status)
{
    uint8_t raw[4];

    put_le32(raw, status);
    pci_dma_write(&u->fn, at + 4, raw, sizeof(raw));
}

static enum outcome fail(struct uhci *u, struct td *td, uint32_t bits)
{
    td->status = (td->status & ~TD_STATUS) | TD_ACTLEN | bits | TD_STALLED; /* no bytes */
    u->regs->sts |= STS_ERROR;
    return FAILED;
}

/* One transfer. td->status is what the guest is to see. */
static enum outcome transfer(struct uhci *u, struct td *td)
{
    unsigned pid = td->token & 0xff, address = td->token >> 8 & 0x7f, ep = td->token >> 15 & 0xf;
    size_t most = ((td->token >> 21) + 1) & 0x7ff;
    struct hid *hid = device_at(u, address);
    uint8_t data[1280];
    int n;

    if (most > sizeof(data) || (pid != USB_IN && pid != USB_OUT && pid != USB_SETUP)) {
        u->regs->sts |= STS_PROCESS_ERROR | STS_HALTED; /* "Host Controller Process Error" */
        u->regs->cmd &= (uint16_t)~CMD_RUN;
        return NOT_ACTIVE;
    }
    if (!hid) /* nobody answers; the three tries are over at once */
        return fail(u, td, TD_TIMEOUT);
    if (pid != USB_IN)
        pci_dma_read(&u->fn, td->buffer, data, most);
    n = hid_packet(hid, (enum usb_pid)pid, ep, data, most);
    if (n == USB_NAK) {
        td->status |= TD_NAK;
        return NAKED;
    }
    if (n < 0)
        return fail(u, td, 0);
    if (pid == USB_IN)
        pci_dma_write(&u->fn, td->buffer, data, (size_t)n);
    td->status &= ~(TD_STATUS | TD_ACTLEN);
    td->status |= ((uint32_t)n - 1) & TD_ACTLEN;
    return pid == USB_IN && (size_t)n < most && td->status & TD_SPD ? SHORT : DONE;
}

static enum outcome run_td(struct uhci *u, uint32_t at, struct td *td)
{
    enum outcome outcome;

    read_td(u, at, td);
    if (!(td->status & TD_ACTIVE))
        return NOT_ACTIVE;
    outcome = transfer(u, td);
    if (outcome == NOT_ACTIVE)
        return outcome;
    write_status(u, at, td->status);
    if (outcome == NAKED)
        return outcome;
    u->active = clock_now();
    if (td->status & TD_IOC) {
        u->regs->causes |= CAUSE_IOC;
        u->regs->sts |= STS_USBINT;
    }
    if (outcome == SHORT) {
        u->regs->causes |= CAUSE_SHORT;
        u->regs->sts |= STS_USBINT;
    }
    return outcome;
}

/*
 * A queue: its first transfer, and the next ones where they ask for depth first. True where
 * something moved. *budget is what the frame has left.
 */
static bool run_queue(struct uhci *u, uint32_t at, uint32_t element, unsigned *budget)
{
    bool moved = false;

    while (!(element & LINK_END) && *budget && u->regs->cmd & CMD_RUN) {
        uint8_t raw[4];
        struct td td;
        enum outcome outcome;

        if (element & LINK_QUEUE) /* a queue in a queue: no driver makes one */
            return moved;
        (*budget)--;
        outcome = run_td(u, element & LINK_ADDRESS, &td);
        if (outcome != DONE)
            return moved || outcome == SHORT || outcome == FAILED;
        moved = true;
        element = td.link;
        put_le32(raw, element); /* only now is the transfer off the queue */
        pci_dma_write(&u->fn, at + 4, raw, sizeof(raw));
        if (!(element & LINK_DEPTH))
            break;
    }
    return moved;
}

/* The chain that one entry of the frame list begins. */
static void run_frame(struct uhci *u, uint32_t link)
{
    unsigned budget = TRANSFERS_A_FRAME;
    uint32_t seen = LINK_END; /* the queue at which a round without movement began */
    bool moved = false;

    for (unsigned links = 0; links < LINKS_A_FRAME && !(link & LINK_END) && budget; links++) {
        uint8_t raw[8];
        struct td td;

        if (!(u->regs->cmd & CMD_RUN))
            return;
        if (!(link & LINK_QUEUE)) {
            run_td(u, link & LINK_ADDRESS, &td);
            budget--;
            link = td.link;
            continue;
        }
        if (link == seen && !moved) /* bandwidth reclamation: round and round, nothing left */
            return;
        pci_dma_read(&u->fn, link & LINK_ADDRESS, raw, sizeof(raw));
        moved |= run_queue(u, link & LINK_ADDRESS, get_le32(raw + 4), &budget);
        if (moved || seen == LINK_END) {
            seen = link;
            moved = false;
        }
        link = get_le32(raw);
    }
}

uint16_t uhci_frame_now(const struct uhci *u)
{
    uint64_t now = clock_now();

    if (!(u->regs->cmd & CMD_RUN) || now < u->regs->frame_due)
        return u->regs->frnum & 0x7ff;
    return (uint16_t)((u->regs->frnum + 1 + (now - u->regs->frame_due) / FRAME) & 0x7ff);
}

static void schedule(struct uhci *u)
{
    uint64_t now = clock_now();

    if (!(u->regs->cmd & CMD_RUN)) {
        timer_clear(&u->timer);
        return;
    }
    if (now - u->active < BUSY_FOR)
        u->interval = FRAME;
    else
        u->interval = MIN(2 * u->interval, LOOK_MOST);
    timer_set(&u->timer, MAX(u->regs->frame_due, now + u->interval));
}

void uhci_run(struct uhci *u)
{
    struct uhci_regs *r = u->regs;
    uint64_t now = clock_now();

    if (u->in_frames)
        return;
    u->in_frames = true;
    if (r->cmd & CMD_RUN && now >= r->frame_due && (now - r->frame_due) / FRAME >= FRAMES) {
        uint64_t skipped = (now - r->frame_due) / FRAME - FRAMES + 1; /* a whole list is enough */

        r->frnum = (uint16_t)((r->frnum + skipped) & 0x7ff);
        r->frame_due += skipped * FRAME;
    }
    while (r->cmd & CMD_RUN && r->frame_due <= now) {
        uint8_t raw[4];

        pci_dma_read(&u->fn, r->flbase + 4 * (r->frnum % FRAMES), raw, sizeof(raw));
        run_frame(u, get_le32(raw));
        r->frnum = (r->frnum + 1) & 0x7ff;
        r->frame_due += FRAME;
    }
    u->in_frames = false;
    uhci_update_irq(u);
    schedule(u);
}

void uhci_kick(struct uhci *u)
{
    u->active = clock_now();
    u->interval = FRAME;
    if (u->regs->cmd & CMD_RUN && !u->in_frames)
        timer_set(&u->timer, MAX(u->regs->frame_due, u->active));
}
