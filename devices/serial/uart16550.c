/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART on an ISA port. Document: National PC16550D (1995); section titles are its own.
 * Not modelled: line speed (a byte leaves at once, unless the host end is full), parity and framing
 * errors, and the modem lines outside loopback: the other end is always ready.
 */
#include <errno.h>
#include <string.h>
#include "devices/serial/serial.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/chardev/chardev.h"

#define RBR 0 /* read; THR on write; DLL with DLAB */
#define IER 1 /* DLM with DLAB */
#define IIR 2 /* read; FCR on write */
#define LCR 3
#define MCR 4
#define LSR 5
#define MSR 6
#define SCR 7

#define IER_RX 0x01
#define IER_TX 0x02
#define IER_LINE 0x04
#define IER_MODEM 0x08
#define IIR_NONE 0x01
#define IIR_MODEM 0x00
#define IIR_TX 0x02
#define IIR_RX 0x04
#define IIR_LINE 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS 0xc0
#define FCR_ENABLE 0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define LCR_BREAK 0x40
#define LCR_DLAB 0x80
#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define LSR_DATA 0x01
#define LSR_OVERRUN 0x02
#define LSR_BREAK 0x10
#define LSR_THR_EMPTY 0x20
#define LSR_EMPTY 0x40
#define MSR_DELTAS 0x0f
#define MSR_TERI 0x04
#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RI 0x40
#define MSR_DCD 0x80

#define FIFO 16
#define LINE_IDLE_NS (4 * NS_PER_MS / 10) /* four characters at 115200: the receiver's time-out */

struct uart_regs {
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    uint8_t tx_empty_pending; /* the THR-empty interrupt, cleared by reading IIR */
    uint8_t timeout_pending;
    uint8_t rx_count;
    uint16_t divisor;
    uint8_t tx_count;  /* bytes the host end had no room for */
    uint8_t rx[FIFO];
    uint8_t tx[FIFO];
    uint8_t reserved[3];
};

struct uart {
    struct uart_regs *regs;
    struct irq *irq;
    struct chardev *host;
    struct timer idle; /* the receiver's time-out */
};

static unsigned trigger_level(const struct uart_regs *r)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return r->fcr & FCR_ENABLE ? levels[r->fcr >> 6] : 1;
}

/* "Interrupt Identification Register": what is highest of what is pending and enabled. */
static uint8_t identify(const struct uart_regs *r)
{
    if (r->ier & IER_LINE && r->lsr & (LSR_OVERRUN | LSR_BREAK))
        return IIR_LINE;
    if (r->ier & IER_RX && r->rx_count >= trigger_level(r))
        return IIR_RX;
    if (r->ier & IER_RX && r->timeout_pending && r->rx_count)
        return IIR_TIMEOUT;
    if (r->ier & IER_TX && r->tx_empty_pending)
        return IIR_TX;
    if (r->ier & IER_MODEM && r->msr & MSR_DELTAS)
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_irq(struct uart *u)
{
    irq_set(u->irq, identify(u->regs) != IIR_NONE);
}

/* ---- Receiving ---- */

static size_t rx_room(void *owner)
{
    struct uart_regs *r = ((struct uart *)owner)->regs;
    unsigned size = r->fcr & FCR_ENABLE ? FIFO : 1;

    return r->mcr & MCR_LOOP || r->rx_count >= size ? 0 : size - r->rx_count;
}

static void rx_put(struct uart *u, uint8_t byte)
{
    struct uart_regs *r = u->regs;
    unsigned size = r->fcr & FCR_ENABLE ? FIFO : 1;

    if (r->rx_count >= size) {
        r->lsr |= LSR_OVERRUN;
        if (size == 1)
            r->rx[0] = byte;
    } else {
        r->rx[r->rx_count++] = byte;
    }
    r->lsr |= LSR_DATA;
    if (r->fcr & FCR_ENABLE)
        timer_set_in(&u->idle, LINE_IDLE_NS);
}

static void rx_receive(void *owner, const uint8_t *bytes, size_t count)
{
    struct uart *u = owner;

    for (size_t i = 0; i < count; i++)
        rx_put(u, bytes[i]);
    update_irq(u);
}

static void rx_idle(void *arg)
{
    struct uart *u = arg;

    if (u->regs->rx_count) {
        u->regs->timeout_pending = 1;
        update_irq(u);
    }
}

static uint8_t rx_take(struct uart *u)
{
    struct uart_regs *r = u->regs;
    uint8_t byte = r->rx[0];

    if (r->rx_count) {
        r->rx_count--;
        memmove(r->rx, r->rx + 1, r->rx_count);
    }
    r->timeout_pending = 0;
    if (!r->rx_count)
        r->lsr &= (uint8_t)~LSR_DATA;
    else if (r->fcr & FCR_ENABLE)
        timer_set_in(&u->idle, LINE_IDLE_NS);
    if (u->host)
        chardev_accept(u->host);
    return byte;
}

/* ---- Sending ---- */

static void tx_done(struct uart *u)
{
    u->regs->lsr |= LSR_THR_EMPTY | LSR_EMPTY;
    u->regs->tx_empty_pending = 1;
}

/* What waits goes as far as the host end has room. */
static void tx_send(struct uart *u)
{
    struct uart_regs *r = u->regs;
    size_t n = u->host ? chardev_write(u->host, r->tx, r->tx_count) : r->tx_count;

    r->tx_count = (uint8_t)(r->tx_count - n);
    memmove(r->tx, r->tx + n, r->tx_count);
    if (!r->tx_count)
        tx_done(u);
}

/*
 * With FIFOs a guest writes sixteen bytes at once when the holding register is empty, without
 * looking in between. One that writes more loses the last byte, as in the chip.
 */
static void tx_put(struct uart *u, uint8_t byte)
{
    struct uart_regs *r = u->regs;
    unsigned size = r->fcr & FCR_ENABLE ? FIFO : 1;

    r->tx_empty_pending = 0;
    if (r->mcr & MCR_LOOP) {
        rx_put(u, byte);
        tx_done(u);
        return;
    }
    if (r->tx_count < size)
        r->tx_count++;
    r->tx[r->tx_count - 1] = byte;
    r->lsr &= (uint8_t)~(LSR_THR_EMPTY | LSR_EMPTY);
    tx_send(u);
}

static void tx_drained(void *owner)
{
    struct uart *u = owner;

    if (!u->regs->tx_count)
        return;
    tx_send(u);
    update_irq(u);
}

/* ---- Modem lines ---- */

/* "MODEM Control Register": in loopback the four outputs are the four inputs. */
static uint8_t modem_lines(const struct uart_regs *r)
{
    if (!(r->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (uint8_t)((r->mcr & MCR_RTS ? MSR_CTS : 0) | (r->mcr & MCR_DTR ? MSR_DSR : 0) |
                     (r->mcr & MCR_OUT1 ? MSR_RI : 0) | (r->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void update_modem(struct uart *u)
{
    struct uart_regs *r = u->regs;
    uint8_t now = modem_lines(r), was = r->msr & 0xf0, changed = now ^ was;

    r->msr = (uint8_t)(now | (r->msr & MSR_DELTAS) |
                       ((changed & ~MSR_RI) >> 4) | /* CTS, DSR, DCD: any edge */
                       (was & MSR_RI && !(now & MSR_RI) ? MSR_TERI : 0));
}

/* ---- Registers ---- */

static uint64_t uart_read(void *state, uint64_t offset, unsigned size)
{
    struct uart *u = state;
    struct uart_regs *r = u->regs;
    uint8_t value;

    switch (offset) {
    case RBR:
        if (r->lcr & LCR_DLAB)
            return r->divisor & 0xff;
        value = rx_take(u);
        break;
    case IER:
        return r->lcr & LCR_DLAB ? r->divisor >> 8 : r->ier;
    case IIR:
        value = identify(r);
        if (value == IIR_TX)
            r->tx_empty_pending = 0;
        value |= r->fcr & FCR_ENABLE ? IIR_FIFOS : 0;
        break;
    case LCR:
        return r->lcr;
    case MCR:
        return r->mcr;
    case LSR:
        value = r->lsr;
        r->lsr &= (uint8_t)~(LSR_OVERRUN | LSR_BREAK);
        break;
    case MSR:
        value = r->msr;
        r->msr &= (uint8_t)~MSR_DELTAS;
        break;
    default:
        return r->scr;
    }
    update_irq(u);
    return value;
}

static void write_fcr(struct uart *u, uint8_t value)
{
    struct uart_regs *r = u->regs;
    bool toggled = (value ^ r->fcr) & FCR_ENABLE;

    if (!(value & FCR_ENABLE)) /* the other bits are taken with this one only */
        value = 0;
    if (toggled || value & FCR_CLEAR_RX) {
        r->rx_count = 0;
        r->timeout_pending = 0;
        r->lsr &= (uint8_t)~LSR_DATA;
        timer_clear(&u->idle);
    }
    if (toggled || value & FCR_CLEAR_TX) {
        r->tx_count = 0;
        tx_done(u);
    }
    r->fcr = value & 0xc9;
    if (u->host)
        chardev_accept(u->host);
}

static void uart_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct uart *u = state;
    struct uart_regs *r = u->regs;
    uint8_t byte = (uint8_t)value;

    switch (offset) {
    case RBR:
        if (r->lcr & LCR_DLAB)
            r->divisor = (uint16_t)((r->divisor & 0xff00) | byte);
        else
            tx_put(u, byte);
        break;
    case IER:
        if (r->lcr & LCR_DLAB) {
            r->divisor = (uint16_t)((r->divisor & 0x00ff) | byte << 8);
            break;
        }
        if (byte & IER_TX && !(r->ier & IER_TX) && r->lsr & LSR_THR_EMPTY)
            r->tx_empty_pending = 1; /* enabling it with the holding register empty fires it */
        r->ier = byte & 0x0f;
        break;
    case IIR:
        write_fcr(u, byte);
        break;
    case LCR:
        r->lcr = byte;
        break;
    case MCR:
        r->mcr = byte & 0x1f;
        update_modem(u);
        if (u->host)
            chardev_accept(u->host);
        break;
    case SCR:
        r->scr = byte;
        break;
    } /* LSR, MSR: writes ignored; the document has them for factory testing */
    update_irq(u);
}

static const struct region_ops uart_ops = {
    .name = "uart16550", .min_size = 1, .max_size = 1, .read = uart_read, .write = uart_write,
};

static const struct chardev_user host_user = {
    .room = rx_room, .receive = rx_receive, .drained = tx_drained,
};

static int uart_attach(struct device *dev, struct error *err)
{
    struct uart *u = device_state(dev);

    u->regs = device_regs(dev);
    u->irq = device_isa_irq(dev, (unsigned)device_number(dev, "irq") & 15);
    timer_init_recorded(&u->idle, device_board(dev)->loop, rx_idle, u);
    u->host = device_host_end(dev, "chardev", "chardev", err);
    if (!u->host && *device_text(dev, "chardev"))
        return -ENOENT;
    if (u->host)
        chardev_attach(u->host, &host_user, u);
    return device_ports(dev, device_number(dev, "iobase"), 8, &uart_ops, err);
}

static void uart_detach(struct device *dev)
{
    struct uart *u = device_state(dev);

    timer_clear(&u->idle);
    if (u->host)
        chardev_detach(u->host);
}

/* "Reset": Table "UART Reset Configuration". */
static void uart_reset(struct device *dev)
{
    struct uart *u = device_state(dev);

    timer_clear(&u->idle);
    memset(u->regs, 0, sizeof(*u->regs));
    u->regs->lsr = LSR_THR_EMPTY | LSR_EMPTY;
    u->regs->divisor = 12; /* 9600: what a BIOS would leave */
    u->regs->msr = modem_lines(u->regs);
    update_irq(u);
    if (u->host)
        chardev_accept(u->host);
}

static int uart_loaded(struct device *dev, struct error *err)
{
    struct uart *u = device_state(dev);

    if (u->regs->rx_count > FIFO || u->regs->tx_count > FIFO)
        return error_set(err, -EINVAL, "saved state of %s: %u and %u bytes in FIFOs of %u",
                         device_id(dev), u->regs->rx_count, u->regs->tx_count, FIFO);
    if (u->regs->rx_count && u->regs->fcr & FCR_ENABLE)
        timer_set_in(&u->idle, LINE_IDLE_NS);
    tx_drained(u);
    update_irq(u);
    return 0;
}

static const struct device_option uart_options[] = {
    { "iobase", OPTION_NUMBER, "0x3f8" },
    { "irq", OPTION_NUMBER, "4" },
    { "chardev", OPTION_TEXT, "" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field uart_saved[] = {
    SAVED(struct uart_regs, ier), SAVED(struct uart_regs, fcr), SAVED(struct uart_regs, lcr),
    SAVED(struct uart_regs, mcr), SAVED(struct uart_regs, lsr), SAVED(struct uart_regs, msr),
    SAVED(struct uart_regs, scr), SAVED(struct uart_regs, tx_empty_pending),
    SAVED(struct uart_regs, timeout_pending), SAVED(struct uart_regs, rx_count),
    SAVED(struct uart_regs, divisor), SAVED(struct uart_regs, tx_count),
    SAVED_ARRAY(struct uart_regs, rx), SAVED_ARRAY(struct uart_regs, tx),
    SAVED_ARRAY(struct uart_regs, reserved),
    { NULL, 0, 0, 0 },
};

const struct device_class uart16550_class = {
    .name = "isa-serial", .summary = "16550A serial port",
    .state_size = sizeof(struct uart), .regs_size = sizeof(struct uart_regs),
    .options = uart_options, .saved = uart_saved, .version = 1,
    .attach = uart_attach, .detach = uart_detach, .reset = uart_reset, .loaded = uart_loaded,
};
