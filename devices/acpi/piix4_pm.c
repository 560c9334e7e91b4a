/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI power management. Documents: Intel 82371AB (PIIX4), "Power Management Register
 * Descriptions"; the ports of Xen's DSDT for GPE0, PCI and CPU hotplug. Xen itself answers the PM1a
 * event registers and the PM timer; PM1a control is ours. Not modelled: device monitors, the
 * SMBus host (there is nothing on that bus).
 */
#include <errno.h>
#include <string.h>
#include "devices/acpi/piix4_pm.h"
#include "devices/pci/function.h"
#include "dm/base/bytes.h"
#include "dm/base/log.h"

#define PMBASE 0x40
#define PMREGMISC 0x80
#define PMREGMISC_ENABLE 0x01
#define PM_PORTS 64

#define PM1_STS 0x00
#define PM1_EN 0x02
#define PM1_CNT 0x04
#define PM1_CNT_SCI_EN 0x0001
#define PM1_CNT_SLP_TYP 10
#define PM1_CNT_SLP_EN 0x2000
#define PM1_STS_WAK 0x8000
#define SLP_TYP_S5 0 /* also S4: both packages of Xen's DSDT say 0 */
#define SLP_TYP_S3 1

#define GPE_BASE 0xafe0
#define GPE_PCI 0x02
#define GPE_CPU 0x04
#define PCI_HOTPLUG_BASE 0xae00
#define PCIU 0x00 /* slots that came */
#define PCID 0x04 /* slots asked to go */
#define B0EJ 0x08 /* write: this slot goes now */
#define B0RM 0x0c /* slots that can go */
#define CPU_BASE 0xaf00
#define CPU_BYTES 32
#define APM_BASE 0xb2
#define APM_ACPI_ENABLE 0xf1
#define APM_ACPI_DISABLE 0xf0

#define SCI_IRQ 9

struct pm_regs {
    struct pci_regs pci;
    uint16_t pm1_sts, pm1_en, pm1_cnt;
    uint16_t gpe_sts, gpe_en;
    uint8_t apm_cnt, apm_sts;
    uint8_t pm_other[PM_PORTS]; /* the rest of the PIIX4's block: storage */
    uint32_t slots_up, slots_down, slots_removable;
    uint8_t cpus[CPU_BYTES]; /* a bit each, online */
};

struct pm {
    struct pci_function fn;
    struct pm_regs *regs;
    struct board *board;
    struct irq *sci;
    struct region *ports;
    uint16_t ports_at;
    unsigned boot_cpus;
    void (*ejected)(void *arg, unsigned slot);
    void *ejected_arg;
};

/*
 * Xen drives the same ISA line for its own PM1 events and may have lowered it: say the level again
 * whenever the guest has touched what it follows from.
 */
static void update_sci(struct pm *p)
{
    bool level = p->regs->gpe_sts & p->regs->gpe_en && p->regs->pm1_cnt & PM1_CNT_SCI_EN;

    if (irq_level(p->sci) == level && level)
        irq_repeat(p->sci);
    irq_set(p->sci, level);
}

/* ---- The PIIX4's block at PMBASE ---- */

static void sleep_now(struct pm *p, unsigned type)
{
    if (type == SLP_TYP_S5)
        p->board->ops->power_off(p->board->ops_arg);
    else if (type == SLP_TYP_S3)
        p->board->ops->suspend(p->board->ops_arg);
    else
        log_guest("sleep type %u is not one of ours", type);
}

static uint64_t pm_read(void *state, uint64_t offset, unsigned size)
{
    struct pm *p = state;
    uint8_t block[PM_PORTS];

    memcpy(block, p->regs->pm_other, sizeof(block));
    put_le16(block + PM1_STS, p->regs->pm1_sts);
    put_le16(block + PM1_EN, p->regs->pm1_en);
    put_le16(block + PM1_CNT, p->regs->pm1_cnt);
    return get_le(block + offset, size);
}

static void pm_write_byte(struct pm *p, unsigned offset, uint8_t value)
{
    unsigned shift = 8 * (offset & 1);
    uint16_t byte = (uint16_t)(value << shift), mask = (uint16_t)(0xff << shift);

    switch (offset & ~1u) {
    case PM1_STS:
        p->regs->pm1_sts &= (uint16_t)~byte;
        break;
    case PM1_EN:
        p->regs->pm1_en = (uint16_t)((p->regs->pm1_en & ~mask) | byte);
        break;
    case PM1_CNT: /* SLP_EN reads as zero; SCI_EN is changed through APM only */
        byte &= (uint16_t) ~(PM1_CNT_SLP_EN | PM1_CNT_SCI_EN);
        mask &= (uint16_t)~PM1_CNT_SCI_EN;
        p->regs->pm1_cnt = (uint16_t)((p->regs->pm1_cnt & ~mask) | byte);
        if (shift && value & (PM1_CNT_SLP_EN >> 8))
            sleep_now(p, p->regs->pm1_cnt >> PM1_CNT_SLP_TYP & 7);
        break;
    default:
        p->regs->pm_other[offset] = value;
    }
}

static void pm_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        pm_write_byte(state, (unsigned)offset + i, (uint8_t)(value >> (8 * i)));
    update_sci(state);
}

static const struct region_ops pm_ops = {
    .name = "piix4-pm", .min_size = 1, .max_size = 4, .read = pm_read, .write = pm_write,
};

static void place_ports(struct pm *p)
{
    const uint8_t *config = p->regs->pci.config;
    uint16_t at = config[PMREGMISC] & PMREGMISC_ENABLE ? get_le16(config + PMBASE) & 0xffc0 : 0;
    struct error err;

    if (at == p->ports_at)
        return;
    region_unmap(p->ports);
    p->ports = NULL;
    p->ports_at = at;
    if (at && region_map(&p->ports, p->board->ports, at, PM_PORTS, &pm_ops, p, &err) < 0)
        log_guest("power management ports: %s", err.text);
}

static void config_written(void *state, unsigned offset, unsigned size)
{
    place_ports(state);
}

/* ---- APM control: how the BIOS switches ACPI on ---- */

static uint64_t apm_read(void *state, uint64_t offset, unsigned size)
{
    struct pm *p = state;

    return offset ? p->regs->apm_sts : p->regs->apm_cnt;
}

static void apm_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct pm *p = state;

    if (offset) {
        p->regs->apm_sts = (uint8_t)value;
        return;
    }
    p->regs->apm_cnt = (uint8_t)value;
    if (value == APM_ACPI_ENABLE)
        p->regs->pm1_cnt |= PM1_CNT_SCI_EN;
    else if (value == APM_ACPI_DISABLE)
        p->regs->pm1_cnt &= (uint16_t)~PM1_CNT_SCI_EN;
    update_sci(p);
}

static const struct region_ops apm_ops = {
    .name = "apm", .min_size = 1, .max_size = 1, .read = apm_read, .write = apm_write,
};

/* ---- GPE0 ---- */

static uint64_t gpe_read(void *state, uint64_t offset, unsigned size)
{
    struct pm *p = state;
    uint32_t both = p->regs->gpe_sts | (uint32_t)p->regs->gpe_en << 16;

    return both >> (8 * offset) & ones(size);
}

static void gpe_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct pm *p = state;

    if (offset < 2) {
        p->regs->gpe_sts &= (uint16_t) ~(value << (8 * offset));
    } else {
        unsigned shift = 8 * ((unsigned)offset - 2);

        p->regs->gpe_en = (uint16_t)((p->regs->gpe_en & ~(0xff << shift)) | value << shift);
    }
    update_sci(p);
}

static const struct region_ops gpe_ops = {
    .name = "gpe0", .min_size = 1, .max_size = 1, .read = gpe_read, .write = gpe_write,
};

/* ---- PCI hotplug ---- */

static uint64_t hotplug_read(void *state, uint64_t offset, unsigned size)
{
    struct pm *p = state;
    uint32_t value;

    switch (offset) {
    case PCIU:
        value = p->regs->slots_up;
        p->regs->slots_up = 0; /* told once */
        return value;
    case PCID:
        return p->regs->slots_down;
    case B0RM:
        return p->regs->slots_removable;
    default:
        return 0;
    }
}

static void hotplug_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct pm *p = state;

    if (offset != B0EJ)
        return;
    for (unsigned slot = 0; slot < 32; slot++) {
        uint32_t bit = 1u << slot;

        if (!(value & bit) || !(p->regs->slots_removable & bit))
            continue;
        p->regs->slots_down &= ~bit;
        p->regs->slots_removable &= ~bit;
        if (p->ejected)
            p->ejected(p->ejected_arg, slot);
    }
}

static const struct region_ops hotplug_ops = {
    .name = "pci-hotplug", .min_size = 4, .max_size = 4,
    .read = hotplug_read, .write = hotplug_write,
};

void pm_slot_added(struct device *dev, unsigned slot)
{
    struct pm *p = device_state(dev);

    p->regs->slots_up |= 1u << slot;
    p->regs->slots_removable |= 1u << slot;
    p->regs->gpe_sts |= GPE_PCI;
    update_sci(p);
}

void pm_slot_present(struct device *dev, unsigned slot)
{
    struct pm *p = device_state(dev);

    p->regs->slots_removable |= 1u << slot;
}

void pm_slot_remove(struct device *dev, unsigned slot)
{
    struct pm *p = device_state(dev);

    p->regs->slots_down |= 1u << slot;
    p->regs->gpe_sts |= GPE_PCI;
    update_sci(p);
}

void pm_on_eject(struct device *dev, void (*ejected)(void *arg, unsigned slot), void *arg)
{
    struct pm *p = device_state(dev);

    p->ejected = ejected;
    p->ejected_arg = arg;
}

/* ---- CPUs ---- */

static uint64_t cpu_read(void *state, uint64_t offset, unsigned size)
{
    return ((struct pm *)state)->regs->cpus[offset];
}

static void cpu_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
}

static const struct region_ops cpu_ops = {
    .name = "cpu-hotplug", .min_size = 1, .max_size = 1, .read = cpu_read, .write = cpu_write,
};

bool pm_cpu_online(struct device *dev, unsigned cpu)
{
    struct pm *p = device_state(dev);

    return cpu < 8 * CPU_BYTES && p->regs->cpus[cpu / 8] >> (cpu % 8) & 1;
}

int pm_add_cpu(struct device *dev, unsigned cpu, struct error *err)
{
    struct pm *p = device_state(dev);

    if (cpu >= 8 * CPU_BYTES)
        return error_set(err, -EINVAL, "CPU %u is beyond the %u that ACPI can tell of", cpu,
                         8 * CPU_BYTES);
    if (pm_cpu_online(dev, cpu))
        return error_set(err, -EEXIST, "CPU %u is online already", cpu);
    p->regs->cpus[cpu / 8] |= (uint8_t)(1 << (cpu % 8));
    p->regs->gpe_sts |= GPE_CPU;
    update_sci(p);
    return 0;
}

void pm_wake(struct device *dev)
{
    struct pm *p = device_state(dev);

    p->regs->pm1_sts |= PM1_STS_WAK;
}

/* ---- The class ---- */

static int pm_attach(struct device *dev, struct error *err)
{
    struct pm *p = device_state(dev);
    static const struct pci_identity identity = {
        .vendor = 0x8086, .device = 0x7113, .revision = 3, .class_code = 0x068000,
        .config_written = config_written,
    };
    unsigned devfn;
    int rc;

    p->regs = device_regs(dev);
    p->board = device_board(dev);
    p->boot_cpus = (unsigned)device_number(dev, "cpus");
    p->sci = device_isa_irq(dev, SCI_IRQ);
    rc = pci_parse_addr(device_text(dev, "addr"), &devfn, err);
    if (rc == 0)
        rc = pci_function_attach(&p->fn, dev, p, &p->regs->pci, devfn, &identity, err);
    if (rc < 0)
        return rc;
    for (unsigned i = 0x40; i < 0x100; i++)
        p->fn.writable[i] = 0xff;
    p->fn.writable[0x04] |= 0x01; /* "PCICMD": IOSE, for the SMBus that is not there */
    rc = device_ports(dev, APM_BASE, 2, &apm_ops, err);
    if (rc == 0)
        rc = device_ports(dev, GPE_BASE, 4, &gpe_ops, err);
    if (rc == 0)
        rc = device_ports(dev, PCI_HOTPLUG_BASE, 16, &hotplug_ops, err);
    if (rc == 0)
        rc = device_ports(dev, CPU_BASE, CPU_BYTES, &cpu_ops, err);
    return rc;
}

static void pm_detach(struct device *dev)
{
    struct pm *p = device_state(dev);

    region_unmap(p->ports);
    p->ports = NULL;
    pci_function_detach(&p->fn);
}

static void pm_reset(struct device *dev)
{
    struct pm *p = device_state(dev);
    struct pm_regs *r = p->regs;
    struct pci_regs pci = r->pci;

    memset(r, 0, sizeof(*r));
    r->pci = pci;
    pci_function_reset(&p->fn);
    put_le16(r->pci.config + 0x06, 0x0280);
    r->pci.config[0x3d] = 1;
    put_le32(r->pci.config + PMBASE, 1);
    put_le32(r->pci.config + 0x90, 0xb101); /* SMBus base; its host stays disabled (0xd2) */
    for (unsigned cpu = 0; cpu < p->boot_cpus && cpu < 8 * CPU_BYTES; cpu++)
        r->cpus[cpu / 8] |= (uint8_t)(1 << (cpu % 8));
    place_ports(p);
    update_sci(p);
}

static int pm_loaded(struct device *dev, struct error *err)
{
    struct pm *p = device_state(dev);
    int rc = pci_function_loaded(&p->fn, err);

    if (rc == 0) {
        place_ports(p);
        update_sci(p);
    }
    return rc;
}

static const struct device_option pm_options[] = {
    { "addr", OPTION_TEXT, "01.3" },
    { "cpus", OPTION_NUMBER, "1" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field pm_saved[] = {
    SAVED_PCI(struct pm_regs),
    SAVED(struct pm_regs, pm1_sts), SAVED(struct pm_regs, pm1_en), SAVED(struct pm_regs, pm1_cnt),
    SAVED(struct pm_regs, gpe_sts), SAVED(struct pm_regs, gpe_en),
    SAVED(struct pm_regs, apm_cnt), SAVED(struct pm_regs, apm_sts),
    SAVED_ARRAY(struct pm_regs, pm_other),
    SAVED(struct pm_regs, slots_up), SAVED(struct pm_regs, slots_down),
    SAVED(struct pm_regs, slots_removable),
    SAVED_ARRAY(struct pm_regs, cpus),
    { NULL, 0, 0, 0 },
};

const struct device_class piix4_pm_class = {
    .name = "PIIX4_PM", .summary = "ACPI: sleep, hotplug of CPUs and PCI slots", .hidden = true,
    .state_size = sizeof(struct pm), .regs_size = sizeof(struct pm_regs),
    .options = pm_options, .saved = pm_saved, .version = 1,
    .attach = pm_attach, .detach = pm_detach, .reset = pm_reset, .loaded = pm_loaded,
};
