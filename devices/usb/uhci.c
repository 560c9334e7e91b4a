/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UHCI function of the PIIX3: registers and root hub. Document: Intel UHCI Design Guide 1.1,
 * "UHCI I/O Registers"; PIIX3, "Universal Serial Bus (USB) PCI Configuration Registers". Not
 * modelled: legacy keyboard emulation (the i8042 is there), software debug mode.
 */
#include <errno.h>
#include <string.h>
#include "devices/usb/uhci.h"
#include "devices/usb/usb.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"

#define USBCMD 0x00
#define USBSTS 0x02
#define USBINTR 0x04
#define FRNUM 0x06
#define FLBASEADD 0x08
#define SOFMOD 0x0c
#define PORTSC1 0x10
#define PORTSC2 0x12
#define IO_BYTES 32

#define INTR_TIMEOUT 0x01
#define INTR_RESUME 0x02
#define INTR_IOC 0x04
#define INTR_SHORT 0x08
#define PORT_WRITABLE (PORT_ENABLED | PORT_RESUME | PORT_RESET | PORT_SUSPEND)
#define PORT_CLEARS (PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE)
#define SBRN 0x60
#define LEGSUP 0xc0

void uhci_update_irq(struct uhci *u)
{
    const struct uhci_regs *r = u->regs;
    bool level = (r->causes & CAUSE_IOC && r->intr & INTR_IOC) ||
                 (r->causes & CAUSE_SHORT && r->intr & INTR_SHORT) ||
                 (r->sts & STS_ERROR && r->intr & INTR_TIMEOUT) ||
                 (r->sts & STS_RESUME && r->intr & INTR_RESUME) ||
                 r->sts & (STS_HOST_ERROR | STS_PROCESS_ERROR);

    pci_set_intx(&u->fn, level);
}

static void on_timer(void *arg)
{
    uhci_run(arg);
}

/* A device has something to say: fetch it, or wake the sleeping bus. */
static void on_wake(void *arg)
{
    struct uhci *u = arg;
    struct uhci_regs *r = u->regs;

    if (r->cmd & CMD_RUN) {
        uhci_kick(u);
        return;
    }
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        if (!r->hid[i].remote_wakeup || !hid_has_report(&u->hid[i]))
            continue;
        if (r->portsc[i] & PORT_SUSPEND)
            r->portsc[i] |= PORT_RESUME;
        if (r->cmd & CMD_EGSM || r->portsc[i] & PORT_SUSPEND)
            r->sts |= STS_RESUME;
    }
    uhci_update_irq(u);
}

static void reset_ports(struct uhci *u)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        u->regs->portsc[i] = PORT_ONE;
        memset(&u->regs->hid[i], 0, sizeof(u->regs->hid[i]));
        if (u->hid[i].kind == HID_NONE)
            continue;
        u->regs->portsc[i] |= PORT_CONNECTED | PORT_CONNECT_CHANGE;
        hid_reset(&u->hid[i]);
    }
}

static void reset_controller(struct uhci *u)
{
    struct uhci_regs *r = u->regs;

    timer_clear(&u->timer);
    r->cmd = r->intr = r->frnum = 0;
    r->sts = STS_HALTED;
    r->causes = 0;
    r->flbase = 0;
    r->sofmod = 64;
    r->frame_due = 0;
    reset_ports(u);
    uhci_update_irq(u);
}

/* ---- Registers: words, as the document has them ---- */

static uint16_t read_word(struct uhci *u, unsigned offset)
{
    const struct uhci_regs *r = u->regs;

    switch (offset) {
    case USBCMD:
        return r->cmd;
    case USBSTS:
        return r->sts;
    case USBINTR:
        return r->intr;
    case FRNUM:
        return uhci_frame_now(u);
    case FLBASEADD:
        return (uint16_t)r->flbase;
    case FLBASEADD + 2:
        return (uint16_t)(r->flbase >> 16);
    case SOFMOD:
        return r->sofmod;
    case PORTSC1:
    case PORTSC2:
        return r->portsc[(offset - PORTSC1) / 2];
    default:
        return offset > PORTSC2 ? 0xff7f : 0xffff; /* no third port: bit 7 is clear */
    }
}

static void write_command(struct uhci *u, uint16_t value)
{
    struct uhci_regs *r = u->regs;
    bool was = r->cmd & CMD_RUN;

    if (value & CMD_HCRESET) {
        reset_controller(u);
        return;
    }
    if (value & CMD_GRESET)
        reset_ports(u);
    r->cmd = value & 0x00ff;
    if (value & CMD_RUN) {
        r->sts &= (uint16_t)~STS_HALTED;
        if (!was) {
            r->frame_due = clock_now() + NS_PER_MS;
            uhci_kick(u);
        }
    } else {
        if (was)
            uhci_run(u); /* what is due was to be done before the stop */
        r->sts |= STS_HALTED;
        timer_clear(&u->timer);
    }
}

static void write_port(struct uhci *u, unsigned port, uint16_t value)
{
    uint16_t *sc = &u->regs->portsc[port], was = *sc;

    if (value & PORT_RESET && !(was & PORT_RESET) && u->hid[port].kind != HID_NONE)
        hid_reset(&u->hid[port]);
    *sc &= (uint16_t) ~(value & PORT_CLEARS);
    *sc = (uint16_t)((*sc & ~PORT_WRITABLE) | (value & PORT_WRITABLE));
    if (!(*sc & PORT_CONNECTED))
        *sc &= (uint16_t)~PORT_ENABLED;
    if (*sc & PORT_RESET)
        *sc &= (uint16_t)~PORT_ENABLED;
}

static void write_word(struct uhci *u, unsigned offset, uint16_t value)
{
    struct uhci_regs *r = u->regs;

    switch (offset) {
    case USBCMD:
        write_command(u, value);
        break;
    case USBSTS:
        r->sts &= (uint16_t) ~(value & 0x1f);
        if (value & STS_USBINT)
            r->causes = 0;
        break;
    case USBINTR:
        r->intr = value & 0x0f;
        break;
    case FRNUM:
        if (r->sts & STS_HALTED)
            r->frnum = value & 0x7ff;
        break;
    case FLBASEADD:
        r->flbase = (r->flbase & 0xffff0000) | (value & 0xf000);
        break;
    case FLBASEADD + 2:
        r->flbase = (r->flbase & 0xffff) | (uint32_t)value << 16;
        break;
    case SOFMOD:
        r->sofmod = value & 0x7f;
        break;
    case PORTSC1:
    case PORTSC2:
        write_port(u, (offset - PORTSC1) / 2, value);
        break;
    }
}

static uint64_t uhci_read(void *state, uint64_t offset, unsigned size)
{
    uint64_t word = read_word(state, (unsigned)offset & ~1u);

    return size == 1 ? word >> (8 * (offset & 1)) & 0xff : word;
}

static void uhci_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct uhci *u = state;

    if (size == 1 && offset != SOFMOD) /* the document allows bytes only there; drivers write words */
        return;
    write_word(u, (unsigned)offset, (uint16_t)value);
    uhci_update_irq(u);
    if (u->regs->cmd & CMD_RUN && offset != USBCMD)
        uhci_kick(u);
}

static const struct region_ops uhci_ops = {
    .name = "uhci", .min_size = 1, .max_size = 2, .read = uhci_read, .write = uhci_write,
};

/* ---- The class ---- */

static int plug(struct uhci *u, struct device *dev, struct error *err)
{
    const char *list = device_text(dev, "ports");
    struct input *input = device_host_end(dev, "input", "input", err);
    unsigned port = 0;

    if (!input && *device_text(dev, "input"))
        return -ENOENT;
    while (*list) {
        size_t n = strcspn(list, " ");
        enum hid_kind kind = hid_kind_of(list, n);
        int rc;

        if (kind == HID_NONE && (n != 1 || *list != '-'))
            return error_set(err, -EINVAL, "USB device %.*s: use tablet, mouse or keyboard", (int)n,
                             list);
        if (port == UHCI_PORTS)
            return error_set(err, -EINVAL,
                             "more than %d USB devices (%s): the controller has two ports",
                             UHCI_PORTS, device_text(dev, "ports"));
        rc = kind == HID_NONE ? 0 : hid_attach(&u->hid[port], &u->regs->hid[port], kind, input,
                                               on_wake, u, err);
        if (rc < 0)
            return rc;
        port++;
        list += n + (list[n] == ' ');
    }
    for (port = 0; port < UHCI_PORTS; port++)
        u->hid[port].regs = &u->regs->hid[port];
    return 0;
}

/* ---- While the guest runs ---- */

bool uhci_port_taken(struct device *dev, unsigned port)
{
    struct uhci *u = device_state(dev);

    return port < UHCI_PORTS && u->hid[port].kind != HID_NONE;
}

/* The hub tells of it; a sleeping bus wakes. */
static void connection_changed(struct uhci *u, unsigned port)
{
    u->regs->portsc[port] |= PORT_CONNECT_CHANGE;
    if (u->regs->cmd & CMD_EGSM)
        u->regs->sts |= STS_RESUME;
    uhci_update_irq(u);
}

int uhci_plug(struct device *dev, unsigned port, const char *name, struct error *err)
{
    struct uhci *u = device_state(dev);
    struct input *input = device_host_end(dev, "input", "input", err);
    enum hid_kind kind = hid_kind_of(name, strlen(name));
    int rc;

    if (port >= UHCI_PORTS || kind == HID_NONE)
        return error_set(err, -EINVAL, "%s at port %u: the controller has two ports", name,
                         port + 1);
    if (uhci_port_taken(dev, port))
        return error_set(err, -EBUSY, "port %u of %s is taken", port + 1, device_id(dev));
    rc = hid_attach(&u->hid[port], &u->regs->hid[port], kind, input, on_wake, u, err);
    if (rc < 0)
        return rc;
    hid_reset(&u->hid[port]);
    u->regs->portsc[port] |= PORT_CONNECTED;
    connection_changed(u, port);
    return 0;
}

void uhci_unplug(struct device *dev, unsigned port)
{
    struct uhci *u = device_state(dev);
    uint16_t *sc;

    if (!uhci_port_taken(dev, port))
        return;
    sc = &u->regs->portsc[port];
    hid_detach(&u->hid[port]);
    memset(&u->regs->hid[port], 0, sizeof(u->regs->hid[port]));
    u->hid[port] = (struct hid){ .regs = &u->regs->hid[port] };
    if (*sc & PORT_ENABLED)
        *sc |= PORT_ENABLE_CHANGE;
    *sc &= (uint16_t) ~(PORT_CONNECTED | PORT_ENABLED | PORT_SUSPEND | PORT_RESUME);
    connection_changed(u, port);
}

/* ---- Attach and detach ---- */

static int uhci_attach(struct device *dev, struct error *err)
{
    struct uhci *u = device_state(dev);
    static const struct pci_identity identity = {
        .vendor = 0x8086, .device = 0x7020, .revision = 1, .class_code = 0x0c0300, .pin = 4,
        .bars = { [4] = { .kind = PCI_BAR_IO, .size = IO_BYTES, .ops = &uhci_ops } },
    };
    unsigned devfn;
    int rc;

    u->regs = device_regs(dev);
    timer_init_recorded(&u->timer, device_board(dev)->loop, on_timer, u);
    rc = pci_parse_addr(device_text(dev, "addr"), &devfn, err);
    if (rc == 0)
        rc = pci_function_attach(&u->fn, dev, u, &u->regs->pci, devfn, &identity, err);
    if (rc < 0)
        return rc;
    u->fn.writable[LEGSUP] = u->fn.writable[LEGSUP + 1] = 0xff;
    return plug(u, dev, err);
}

static void uhci_detach(struct device *dev)
{
    struct uhci *u = device_state(dev);

    timer_clear(&u->timer);
    for (unsigned i = 0; i < UHCI_PORTS; i++)
        hid_detach(&u->hid[i]);
    pci_function_detach(&u->fn);
}

static void uhci_reset(struct device *dev)
{
    struct uhci *u = device_state(dev);

    pci_function_reset(&u->fn);
    put_le16(u->regs->pci.config + 0x06, 0x0280);
    u->regs->pci.config[SBRN] = 0x10; /* USB 1.0 */
    put_le16(u->regs->pci.config + LEGSUP, 0x2000);
    reset_controller(u);
}

static int uhci_loaded(struct device *dev, struct error *err)
{
    struct uhci *u = device_state(dev);

    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        if (!hid_regs_valid(&u->hid[i]))
            return error_set(err, -EINVAL, "saved state of %s: USB device %u is another, or out of range",
                             device_id(dev), i);
        hid_loaded(&u->hid[i]);
    }
    u->regs->frame_due = clock_now() + NS_PER_MS; /* the clock of another process */
    if (u->regs->cmd & CMD_RUN)
        uhci_kick(u);
    uhci_update_irq(u);
    return pci_function_loaded(&u->fn, err);
}

static const struct device_option uhci_options[] = {
    { "addr", OPTION_TEXT, "01.2" },
    { "ports", OPTION_TEXT, "" },
    { "input", OPTION_TEXT, "" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field uhci_saved[] = {
    SAVED_PCI(struct uhci_regs),
    SAVED(struct uhci_regs, cmd), SAVED(struct uhci_regs, sts), SAVED(struct uhci_regs, intr),
    SAVED(struct uhci_regs, frnum), SAVED(struct uhci_regs, flbase),
    SAVED_ARRAY(struct uhci_regs, portsc), SAVED(struct uhci_regs, sofmod),
    SAVED(struct uhci_regs, causes), SAVED_ARRAY(struct uhci_regs, reserved),
    SAVED(struct uhci_regs, frame_due), SAVED_ARRAY(struct uhci_regs, hid),
    { NULL, 0, 0, 0 },
};

const struct device_class uhci_class = {
    .name = "piix3-usb-uhci", .summary = "USB 1.1 controller with tablet, mouse or keyboard",
    .state_size = sizeof(struct uhci), .regs_size = sizeof(struct uhci_regs),
    .options = uhci_options, .saved = uhci_saved, .version = 1,
    .attach = uhci_attach, .detach = uhci_detach, .reset = uhci_reset, .loaded = uhci_loaded,
};
