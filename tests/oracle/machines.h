/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_ORACLE_MACHINES_H
#define TESTS_ORACLE_MACHINES_H
#include "tests/whole/run.h"

/*
 * The two machines that scripts look at; between them they have all devices that both device models
 * know. Their images are made once for the program, and are the same for both.
 */
#define STANDARD_VGA (3 << 3)
#define STANDARD_E1000 (4 << 3)
#define CIRRUS_VGA (3 << 3)
#define CIRRUS_RTL8139 (4 << 3)

/* Standard VGA, e1000, USB tablet; a disk, and a CD-ROM with a medium. */
const struct dm_config *machine_standard(void);
/* Cirrus VGA, rtl8139; a disk, and a CD-ROM without a medium. */
const struct dm_config *machine_cirrus(void);

#define MACHINE_DISK_BYTES (64l << 20)
#define MACHINE_CD_BYTES (1l << 20)

#endif
