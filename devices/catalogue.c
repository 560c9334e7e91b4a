/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every class of device, a line each. */
#include <string.h>
#include "devices/acpi/piix4_pm.h"
#include "devices/catalogue.h"
#include "devices/display/display.h"
#include "devices/input/input_devices.h"
#include "devices/net/nic.h"
#include "devices/pci/chipset.h"
#include "devices/platform/platform.h"
#include "devices/serial/serial.h"
#include "devices/storage/piix_ide.h"
#include "devices/usb/usb.h"
#include "dm/base/bytes.h"

static const struct device_class *const classes[] = {
    &i440fx_class,
    &piix3_class,
    &piix3_ide_class,
    &piix4_pm_class,
    &xen_platform_class,
    &cmos_class,
    &fw_cfg_class,
    &dma8237_class,
    &i8042_class,
    &uart16550_class,
    &parallel_class,
    &debug_port_class,
    &vga_class,
    &cirrus_vga_class,
    &uhci_class,
    &e1000_class,
    &rtl8139_class,
};

const struct device_class *catalogue_at(unsigned i)
{
    return i < ARRAY_SIZE(classes) ? classes[i] : NULL;
}

const struct device_class *catalogue_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
        if (!strcmp(classes[i]->name, name))
            return classes[i];
    return NULL;
}
