/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The controller: selection and resets, what is missing, drain, save, unplug. */
#include "dm/base/loop.h"
#include "dm/memory/memory.h"
#include "tests/unit/devices/storage/ide_bench.h"

#define BUF 0x100000

TEST(the_function_says_it_is_a_piix3)
{
    struct bench b;

    bench_disk(&b, 64);
    CHECK_EQ(pc_config_read(&b.pc, IDE_DEVFN, 0, 4), 0x70108086);
    CHECK_EQ(pc_config_read(&b.pc, IDE_DEVFN, 8, 4) >> 8, 0x010180);
    pc_config_write(&b.pc, IDE_DEVFN, 0x20, 4, ~0u);
    CHECK_EQ(pc_config_read(&b.pc, IDE_DEVFN, 0x20, 4), 0xfffffff1);
    pc_config_write(&b.pc, IDE_DEVFN, 0x40, 4, 0xa307e377);
    CHECK_EQ(pc_config_read(&b.pc, IDE_DEVFN, 0x40, 4), 0xa307e377);
    bench_close(&b);
}

TEST(ports_answer_only_while_decoded)
{
    struct bench b;

    bench_disk(&b, 64);
    pc_config_write(&b.pc, IDE_DEVFN, 0x40, 2, 0);
    CHECK_EQ(in(&b, R_STATUS), 0xff);
    CHECK_EQ(alt_status(&b), 0xff);
    pc_config_write(&b.pc, IDE_DEVFN, 0x40, 2, 0x8000);
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    CHECK_EQ(pc_in8(&b.pc, 0x3f7), 0xff); /* the floppy controller's */
    bench_close(&b);
}

TEST(regs_are_saved_to_the_last_byte_and_reset_restores_them)
{
    struct bench b;

    bench_disk(&b, 64);
    pc_check_saved(b.ide);
    pc_check_reset(&b.pc, b.ide, 7);
    bench_close(&b);
}

TEST(a_missing_slave_reads_as_zero)
{
    struct bench b;

    bench_disk(&b, 64);
    b.unit = 1;
    device(&b, 0);
    out(&b, R_COUNT, 0x55);
    out(&b, R_LOW, 0xaa);
    CHECK_EQ(in(&b, R_COUNT), 0);
    CHECK_EQ(in(&b, R_STATUS), 0);
    out(&b, R_COMMAND, 0xec);
    CHECK_EQ(in(&b, R_STATUS), 0);
    CHECK(!irq(&b));
    b.unit = 0;
    device(&b, 0);
    CHECK_EQ(in(&b, R_COUNT), 0x55); /* device 0 heard it too */
    bench_close(&b);
}

TEST(an_empty_channel_reads_as_zero_and_takes_anything)
{
    struct bench b;

    bench_disk(&b, 64);
    b.unit = 2;
    for (unsigned reg = 1; reg < 8; reg++) {
        out(&b, reg, 0x90);
        CHECK_EQ(in(&b, reg), 0);
    }
    CHECK_EQ(pc_in16(&b.pc, SECONDARY), 0);
    pc_out16(&b.pc, SECONDARY, 0xffff);
    control(&b, 4);
    control(&b, 0);
    CHECK(!irq(&b));
    bench_close(&b);
}

TEST(software_reset_is_busy_while_it_lasts_and_leaves_signatures)
{
    const struct bench_drive drives[4] = { { .sectors = 64 }, { .sectors = 64, .cdrom = true } };
    struct bench b;

    bench_open(&b, drives);
    device(&b, LBA);
    out(&b, R_COUNT, 9);
    b.unit = 1;
    device(&b, 0);
    control(&b, 4);
    CHECK_EQ(alt_status(&b), 0x80);
    control(&b, 0);
    CHECK_EQ(in(&b, R_DEVICE), 0xa0); /* device 0 is selected again */
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    CHECK_EQ(in(&b, R_COUNT), 1);
    device(&b, 0);
    CHECK_EQ(in(&b, R_MID), 0x14);
    CHECK_EQ(in(&b, R_STATUS), 0);
    bench_close(&b);
}

TEST(execute_diagnostic_answers_for_both_drives)
{
    const struct bench_drive drives[4] = { { .sectors = 64 }, { .sectors = 64, .cdrom = true } };
    struct bench b;

    bench_open(&b, drives);
    b.unit = 1;
    device(&b, 0);
    out(&b, R_COMMAND, 0x90);
    CHECK(irq(&b));
    CHECK_EQ(in(&b, R_DEVICE), 0xa0);
    CHECK_EQ(in(&b, R_ERROR), 1);
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    bench_close(&b);
}

TEST(nien_holds_the_line_down_but_not_the_cause)
{
    struct bench b;

    bench_disk(&b, 64);
    control(&b, 2);
    device(&b, 0);
    out(&b, R_COMMAND, 0xe1);
    CHECK(!irq(&b));
    control(&b, 0);
    CHECK(irq(&b));
    CHECK(bm_status(&b) & INTERRUPT);
    in(&b, R_STATUS);
    CHECK(!irq(&b));
    CHECK(bm_status(&b) & INTERRUPT); /* a latch of its own */
    pc_out8(&b.pc, bm(&b, 2), INTERRUPT);
    CHECK(!(bm_status(&b) & INTERRUPT));
    bench_close(&b);
}

TEST(selecting_the_other_drive_hides_an_interrupt)
{
    const struct bench_drive drives[4] = { { .sectors = 64 }, { .sectors = 64 } };
    struct bench b;

    bench_open(&b, drives);
    device(&b, 0);
    out(&b, R_COMMAND, 0xe1);
    CHECK(irq(&b));
    out(&b, R_DEVICE, 0xb0);
    CHECK(!irq(&b));
    out(&b, R_DEVICE, 0xa0);
    CHECK(irq(&b));
    bench_close(&b);
}

TEST(registers_are_closed_while_a_command_runs)
{
    struct bench b;

    bench_disk(&b, 64);
    put_lba28(&b, 3, 2);
    out(&b, R_COMMAND, 0x20);
    CHECK(alt_status(&b) & BSY);
    out(&b, R_LOW, 0x77);
    out(&b, R_COMMAND, 0xec);
    ready(&b);
    out(&b, R_DEVICE, 0xb0); /* DRQ: not now either */
    CHECK_EQ(in(&b, R_LOW), 3);
    CHECK_EQ(in(&b, R_STATUS), 0x58);
    bench_close(&b);
}

/* ---- Drain and save ---- */

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

static void drain(struct bench *b)
{
    bool done = false;

    piix3_ide_class.drain(b->ide, set_true, &done);
    CHECK(!done); /* never inside the call */
    CHECK(pc_wait(&b->pc, is_true, &done));
}

TEST(a_drained_drive_goes_on_where_it_was)
{
    struct prd prds[32];
    struct bench b;
    uint8_t *data = malloc(2 << 20);

    for (unsigned i = 0; i < 32; i++)
        prds[i] = (struct prd){ BUF + 0x10000 * i, 0x10000 };
    bench_disk(&b, 4096);
    prd_table(&b, prds, 32);
    put_lba48(&b, 0, 4096);
    out(&b, R_COMMAND, 0x25);
    bm_start(&b, true);
    drain(&b);
    CHECK_EQ(alt_status(&b) & DRQ, DRQ); /* 2 MiB go in more than one piece */
    CHECK(!irq(&b));
    piix3_ide_class.resume(b.ide);
    CHECK(pc_wait(&b.pc, bench_interrupted, &b));
    pc_peek(&b.pc, BUF, data, 2 << 20);
    expect_sectors(data, 0, 4096);
    free(data);
    bench_close(&b);
}

TEST(a_command_given_while_drained_waits)
{
    struct bench b;
    uint8_t data[512];

    bench_disk(&b, 64);
    drain(&b);
    put_lba28(&b, 3, 1);
    out(&b, R_COMMAND, 0x20);
    pc_settle(&b.pc);
    CHECK(alt_status(&b) & BSY);
    CHECK_EQ(disk_get_stats(drive_disk(b.drive[0])).reads, 0);
    piix3_ide_class.resume(b.ide);
    ready(&b);
    take(&b, data, 512);
    expect_sectors(data, 3, 1);
    bench_close(&b);
}

TEST(saved_in_the_middle_of_pio_it_goes_on_in_another_controller)
{
    struct bench b, c;
    uint8_t data[2048];
    size_t n = piix3_ide_class.regs_size;

    bench_disk(&b, 64);
    put_lba28(&b, 3, 4);
    out(&b, R_COMMAND, 0x20);
    ready(&b);
    take(&b, data, 700);
    drain(&b);
    bench_disk(&c, 64);
    memcpy(device_regs(c.ide), device_regs(b.ide), n);
    CHECK_EQ(device_check_regs(c.ide, NULL), 0);
    CHECK(irq(&c)); /* nobody had read Status */
    piix3_ide_class.resume(c.ide);
    take(&c, data + 700, 512 * 2 - 700);
    ready(&c);
    take(&c, data + 1024, 1024);
    expect_sectors(data, 3, 4);
    CHECK_EQ(in(&c, R_STATUS), 0x50);
    bench_close(&c);
    bench_close(&b);
}

/* ---- Unplug ---- */

static void unplug(struct bench *b, bool aux)
{
    bool done = false;

    piix_ide_unplug(b->ide, aux, set_true, &done);
    CHECK(!done);
    CHECK(pc_wait(&b->pc, is_true, &done));
}

/* Whether this process has the file open. */
static bool held(const char *path)
{
    char link[64], target[256];

    for (int fd = 0; fd < 256; fd++) {
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof(target) - 1);
        if (n < 0)
            continue;
        target[n] = 0;
        if (!strcmp(target, path))
            return true;
    }
    return false;
}

TEST(unplug_flushes_and_closes_hard_disks_and_keeps_cdroms)
{
    const struct bench_drive drives[4] = {
        { .sectors = 64 },
        { .sectors = 64 },
        { .sectors = 64, .cdrom = true },
        { .sectors = 64 },
    };
    struct bench b;
    uint8_t a[8];

    bench_open(&b, drives);
    unplug(&b, false);
    CHECK(!held(b.path[0]) && !held(b.path[1]) && !held(b.path[3]));
    CHECK(held(b.path[2]));
    CHECK_EQ(in(&b, R_STATUS), 0);
    b.unit = 2;
    CHECK_EQ(packet_in(&b, CDB(0x25), 0xfffe, a, 8), 8);
    device_reset(b.ide); /* which does not bring them back */
    bench_enable(&b);
    b.unit = 0;
    CHECK_EQ(in(&b, R_STATUS), 0);
    bench_close(&b);
}

TEST(unplug_of_aux_disks_keeps_the_primary_master)
{
    const struct bench_drive drives[4] = { { .sectors = 64 }, { .sectors = 64 } };
    struct bench b;

    bench_open(&b, drives);
    unplug(&b, true);
    CHECK(held(b.path[0]) && !held(b.path[1]));
    CHECK_EQ(in(&b, R_STATUS), 0x50);
    unplug(&b, true); /* nothing left to do */
    bench_close(&b);
}

TEST(unplug_with_a_request_in_flight_waits_for_it_xsa_139)
{
    struct bench b;
    struct prd prds[16];

    for (unsigned i = 0; i < 16; i++)
        prds[i] = (struct prd){ BUF + 0x10000 * i, 0x10000 };
    bench_disk(&b, 4096);
    prd_table(&b, prds, 16);
    put_lba48(&b, 0, 2048);
    out(&b, R_COMMAND, 0x25);
    bm_start(&b, true);
    unplug(&b, false);
    CHECK(!held(b.path[0]));
    CHECK_EQ(memory_get_stats(b.pc.board.memory).pinned, 0);
    CHECK(!irq(&b));
    bm_stop(&b);
    out(&b, R_COMMAND, 0x20);
    CHECK_EQ(in(&b, R_STATUS), 0);
    bench_close(&b);
}

TEST(a_controller_may_go_while_its_disk_is_being_closed)
{
    struct bench b;
    struct loop *machine;
    struct error err;
    bool done = false;

    bench_disk(&b, 64);
    CHECK_EQ(loop_open(&machine, "machine", &err), 0);
    drive_set_home(b.drive[0], machine);
    piix_ide_unplug(b.ide, false, set_true, &done);
    for (int i = 0; i < 10000 && drive_disk(b.drive[0]); i++)
        loop_step(b.pc.loop);
    device_detach(b.pc.devices[--b.pc.device_count]);
    loop_step(machine); /* closes it, */
    CHECK(!held(b.path[0]));
    pc_settle(&b.pc); /* and tells somebody who is no more */
    CHECK(!done);
    loop_close(machine);
    bench_close(&b);
}

TEST(a_loaded_state_without_its_disk_closes_the_image)
{
    struct bench b, c;

    bench_disk(&b, 64);
    unplug(&b, false);
    bench_disk(&c, 64);
    memcpy(device_regs(c.ide), device_regs(b.ide), piix3_ide_class.regs_size);
    CHECK_EQ(device_check_regs(c.ide, NULL), 0);
    pc_settle(&c.pc);
    CHECK(!held(c.path[0]));
    CHECK_EQ(in(&c, R_STATUS), 0);
    bench_close(&c);
    bench_close(&b);
}

/* ---- What cannot be ---- */

TEST(wrong_options_are_told_in_a_sentence)
{
    struct drive_config config = { .id = "empty" };
    struct drive *drive;
    struct device *dev;
    struct error err = { "" };
    struct pc pc;

    pc_open(&pc);
    CHECK(device_attach(&dev, &pc.board, &piix3_ide_class, "a", "drive0=nobody", &err) < 0);
    CHECK_SAYS(err, "no drive named nobody");
    CHECK(device_attach(&dev, &pc.board, &piix3_ide_class, "b", "addr=99", &err) < 0);
    CHECK_SAYS(err, "addr=99");
    CHECK_EQ(drive_open(&drive, &config, &err), 0);
    pc_give(&pc, "drive", "empty", drive);
    CHECK(device_attach(&dev, &pc.board, &piix3_ide_class, "c", "drive0=empty", &err) < 0);
    CHECK_SAYS(err, "has no image");
    drive_close(drive);
    pc_close(&pc);
}
