/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PCI function's configuration space, through a device made for the test: BARs of every kind. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "devices/pci/function.h"
#include "dm/base/bytes.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

#define DEVFN 0x20 /* 04.0 */
#define COMMAND 0x04
#define STATUS 0x06
#define BAR(n) (0x10 + 4 * (n))
#define ROM 0x30
#define IO 1
#define MEMORY 2
#define MASTER 4
#define INTX_OFF 0x400

struct regs {
    struct pci_regs pci;
};

struct toy {
    struct pci_function fn;
    struct regs *regs;
    unsigned written, reading, moves;
    uint64_t moved_to;
};

static uint64_t toy_read(void *state, uint64_t offset, unsigned size)
{
    return 0x1234567800000000 | offset;
}

static uint64_t toy_io_read(void *state, uint64_t offset, unsigned size)
{
    return 0xa0 | offset;
}

static void toy_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
}

static void toy_move(void *state, uint64_t addr)
{
    struct toy *t = state;

    t->moves++;
    t->moved_to = addr;
}

static void on_written(void *state, unsigned offset, unsigned size)
{
    ((struct toy *)state)->written++;
}

static void on_reading(void *state, unsigned offset, unsigned size)
{
    ((struct toy *)state)->reading++;
}

static const struct region_ops memory_ops = { "toy-memory", 1, 8, toy_read, toy_write };
static const struct region_ops io_ops = { "toy-io", 1, 4, toy_io_read, toy_write };

static int toy_attach(struct device *dev, struct error *err)
{
    struct toy *t = device_state(dev);
    struct pci_identity id = {
        .vendor = 0x1234, .device = 0x5678, .revision = 9, .class_code = 0x020000, .pin = 2,
        .bars = { [0] = { .kind = PCI_BAR_MEM32, .size = 0x1000, .ops = &memory_ops },
                  [1] = { .kind = PCI_BAR_IO, .size = 0x40, .ops = &io_ops },
                  [2] = { .kind = PCI_BAR_MEM64, .size = 0x2000, .ops = &memory_ops,
                          .prefetchable = true },
                  [4] = { .kind = PCI_BAR_MEM32, .size = 0x100000, .move = toy_move },
                  [5] = { .kind = PCI_BAR_MEM32, .size = 0x1000, .ops = &memory_ops } },
        .rom_file = device_text(dev, "romfile"),
        .config_written = on_written, .config_reading = on_reading,
    };
    int rc;

    t->regs = device_regs(dev);
    rc = pci_function_attach(&t->fn, dev, t, &t->regs->pci,
                             (unsigned)device_number(dev, "devfn"), &id, err);
    if (rc == 0)
        pci_add_capability(&t->fn, 0x01, 0, 8);
    if (rc == 0)
        pci_add_capability(&t->fn, 0x05, 0, 14);
    return rc;
}

static void toy_detach(struct device *dev)
{
    pci_function_detach(&((struct toy *)device_state(dev))->fn);
}

static void toy_reset(struct device *dev)
{
    pci_function_reset(&((struct toy *)device_state(dev))->fn);
}

static int toy_loaded(struct device *dev, struct error *err)
{
    return pci_function_loaded(&((struct toy *)device_state(dev))->fn, err);
}

static const struct device_option toy_options[] = {
    { "romfile", OPTION_TEXT, "" }, { "devfn", OPTION_NUMBER, "0x20" }, { NULL, OPTION_TEXT, NULL },
};

static const struct device_class toy_class = {
    .name = "toy", .summary = "for tests", .state_size = sizeof(struct toy),
    .regs_size = sizeof(struct regs), .options = toy_options,
    .attach = toy_attach, .detach = toy_detach, .reset = toy_reset, .loaded = toy_loaded,
};

static struct toy *open_toy(struct pc *pc, const char *options)
{
    pc_open(pc);
    return device_state(pc_plug(pc, &toy_class, options));
}

static void command(struct pc *pc, unsigned value)
{
    pc_config_write(pc, DEVFN, COMMAND, 2, value);
}

/* ---- Who it is ---- */

TEST(identity_reads_as_given_and_cannot_be_written)
{
    struct pc pc;

    open_toy(&pc, "");
    for (int turn = 0; turn < 2; turn++) {
        CHECK_EQ(pc_config_read(&pc, DEVFN, 0, 4), 0x56781234);
        CHECK_EQ(pc_config_read(&pc, DEVFN, 8, 4), 0x02000009);
        CHECK_EQ(pc_config_read(&pc, DEVFN, 0x0e, 1), 0);
        CHECK_EQ(pc_config_read(&pc, DEVFN, 0x2c, 4), 0x11001af4);
        CHECK_EQ(pc_config_read(&pc, DEVFN, 0x3d, 1), 2);
        CHECK_EQ(pc_config_read(&pc, DEVFN, COMMAND, 2), 0);
        for (unsigned o = 0; o < 64; o += 4)
            if (o != COMMAND)
                pc_config_write(&pc, DEVFN, o, 4, 0x5a5a5a5a);
    }
    pc_close(&pc);
}

TEST(capabilities_form_a_list)
{
    struct pc pc;
    unsigned first, second;

    open_toy(&pc, "");
    CHECK(pc_config_read(&pc, DEVFN, STATUS, 2) & 0x10);
    first = pc_config_read(&pc, DEVFN, 0x34, 1);
    CHECK_EQ(first, 0x48);
    CHECK_EQ(pc_config_read(&pc, DEVFN, first, 1), 0x05);
    second = pc_config_read(&pc, DEVFN, first + 1, 1);
    CHECK_EQ(second, 0x40);
    CHECK_EQ(pc_config_read(&pc, DEVFN, second, 2), 0x0001);
    device_reset(pc.devices[0]);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x34, 1), 0x48);
    pc_close(&pc);
}

TEST(accesses_of_odd_sizes_and_places_are_put_together)
{
    struct pc pc;

    open_toy(&pc, "");
    CHECK_EQ(pc_config_read(&pc, DEVFN, 1, 1), 0x12);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 1, 2), 0x7812);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 3, 2), 0x0056); /* over the dword's end */
    CHECK_EQ(pc_config_read(&pc, DEVFN, 2, 4), 0x00005678);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0xff, 4), 0xffffff00); /* past the end: nobody */
    pc_config_write(&pc, DEVFN, 0xff, 4, 0x12345678);
    pc_config_write(&pc, DEVFN, BAR(0) + 1, 2, 0xabcd); /* the middle of a BAR */
    CHECK_EQ(pc_config_read(&pc, DEVFN, BAR(0), 4), 0x00abc000);
    pc_config_write(&pc, DEVFN, BAR(0) + 3, 1, 0xf1);
    CHECK_EQ(pc_config_read(&pc, DEVFN, BAR(0), 4), 0xf1abc000);
    CHECK_EQ(pc_config_read(&pc, DEVFN + 1, 0, 4), 0xffffffff);
    pc_close(&pc);
}

TEST(hooks_are_called_after_writes_and_before_reads)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    pc_config_read(&pc, DEVFN, 0x40, 4);
    CHECK_EQ(t->reading, 1);
    pc_config_write(&pc, DEVFN, 0x3c, 1, 5);
    CHECK_EQ(t->written, 1);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x3c, 1), 5);
    pc_close(&pc);
}

TEST(status_error_bits_clear_by_writing_one)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    t->regs->pci.config[STATUS + 1] |= 0xf9;
    pc_config_write(&pc, DEVFN, STATUS, 2, 0x8000);
    CHECK_EQ(pc_config_read(&pc, DEVFN, STATUS + 1, 1), 0x79);
    pc_config_write(&pc, DEVFN, STATUS, 2, 0xffff);
    CHECK_EQ(pc_config_read(&pc, DEVFN, STATUS + 1, 1), 0);
    CHECK(pc_config_read(&pc, DEVFN, STATUS, 1) & 0x10);
    pc_close(&pc);
}

/* ---- BARs ---- */

static uint32_t size_of(struct pc *pc, unsigned offset)
{
    uint32_t was = pc_config_read(pc, DEVFN, offset, 4), mask;

    pc_config_write(pc, DEVFN, offset, 4, 0xffffffff);
    mask = pc_config_read(pc, DEVFN, offset, 4);
    pc_config_write(pc, DEVFN, offset, 4, was);
    return mask;
}

TEST(sizing_tells_every_bars_size_and_kind)
{
    struct pc pc;

    open_toy(&pc, "");
    CHECK_EQ(size_of(&pc, BAR(0)), 0xfffff000);
    CHECK_EQ(size_of(&pc, BAR(1)), 0xffffffc1);
    CHECK_EQ(size_of(&pc, BAR(2)), 0xffffe00c);
    CHECK_EQ(size_of(&pc, BAR(3)), 0xffffffff);
    CHECK_EQ(size_of(&pc, BAR(4)), 0xfff00000);
    CHECK_EQ(size_of(&pc, ROM), 0);
    pc_close(&pc);
}

TEST(sizing_with_decode_off_moves_nothing)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    for (unsigned i = 0; i < 6; i++)
        size_of(&pc, BAR(i));
    CHECK_EQ(t->moves, 0);
    pc_config_write(&pc, DEVFN, BAR(4), 4, 0xe0000000);
    CHECK_EQ(t->moves, 0);
    command(&pc, MEMORY);
    CHECK_EQ(t->moves, 1);
    CHECK_EQ(t->moved_to, 0xe0000000);
    pc_close(&pc);
}

TEST(sizing_with_decode_on_puts_the_bar_back_and_never_over_the_firmware)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0000000);
    pc_config_write(&pc, DEVFN, BAR(4), 4, 0xe1000000);
    command(&pc, MEMORY | IO);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000004, 4), 4);
    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xffffffff);
    pc_config_write(&pc, DEVFN, BAR(4), 4, 0xffffffff);
    CHECK_EQ(t->moved_to, UINT64_MAX);
    CHECK_EQ(pc_mmio_read(&pc, 0xfffff004, 4), 0xffffffff);
    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0000000);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000004, 4), 4);
    pc_close(&pc);
}

TEST(a_bar_answers_where_it_is_and_only_while_decoded)
{
    struct pc pc;

    open_toy(&pc, "");
    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0000000);
    pc_config_write(&pc, DEVFN, BAR(1), 4, 0xc000);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000010, 1), 0xff);
    command(&pc, MEMORY);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000010, 1), 0x10);
    CHECK_EQ(pc_in8(&pc, 0xc003), 0xff);
    command(&pc, MEMORY | IO);
    CHECK_EQ(pc_in8(&pc, 0xc003), 0xa3);
    CHECK_EQ(pc_in8(&pc, 0xc040), 0xff);
    command(&pc, IO);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000010, 1), 0xff);
    pc_config_write(&pc, DEVFN, BAR(1), 4, 0xd000);
    CHECK_EQ(pc_in8(&pc, 0xc003), 0xff);
    CHECK_EQ(pc_in8(&pc, 0xd003), 0xa3);
    device_reset(pc.devices[0]);
    CHECK_EQ(pc_in8(&pc, 0xd003), 0xff);
    CHECK_EQ(pc_config_read(&pc, DEVFN, BAR(1), 4), 1);
    pc_close(&pc);
}

TEST(a_64_bit_bar_lies_above_4_gib)
{
    struct pc pc;

    open_toy(&pc, "");
    pc_config_write(&pc, DEVFN, BAR(2), 4, 0x00004000);
    pc_config_write(&pc, DEVFN, BAR(3), 4, 0x8);
    command(&pc, MEMORY);
    CHECK_EQ(pc_mmio_read(&pc, 0x800004ffc, 4), 0xffc);
    CHECK_EQ(pc_mmio_read(&pc, 0x800006000, 4), 0xffffffff);
    pc_config_write(&pc, DEVFN, BAR(3), 4, 0xffffffff); /* half-way through a new address */
    pc_config_write(&pc, DEVFN, BAR(2), 4, 0xffffffff);
    pc_config_write(&pc, DEVFN, BAR(2), 4, 0xe0000000);
    pc_config_write(&pc, DEVFN, BAR(3), 4, 0);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0001000, 4), 0x1000);
    pc_close(&pc);
}

TEST(two_bars_may_trade_places)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0000000);
    pc_config_write(&pc, DEVFN, BAR(5), 4, 0xe0001000);
    command(&pc, MEMORY);
    CHECK_EQ(t->fn.at[0], 0xe0000000);
    command(&pc, 0);
    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0001000);
    pc_config_write(&pc, DEVFN, BAR(5), 4, 0xe0000000);
    command(&pc, MEMORY);
    CHECK(t->fn.mapped[0] && t->fn.mapped[5]);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000008, 4), 8);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0001008, 4), 8);
    pc_close(&pc);
}

TEST(a_bar_put_where_another_is_comes_to_life_when_that_one_leaves)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0000000);
    pc_config_write(&pc, DEVFN, BAR(5), 4, 0xe0000000);
    command(&pc, MEMORY);
    CHECK(t->fn.mapped[0] && !t->fn.mapped[5]);
    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0008000);
    CHECK(t->fn.mapped[0] && t->fn.mapped[5]);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000008, 4), 8);
    pc_close(&pc);
}

TEST(a_bar_at_zero_is_not_set_yet_and_shadows_nothing)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    command(&pc, MEMORY | IO);
    for (unsigned i = 0; i < PCI_BARS; i++)
        CHECK(!t->fn.mapped[i]);
    CHECK_EQ(t->moves, 0);
    pc_close(&pc);
}

TEST(only_the_command_bits_that_mean_something_stick)
{
    struct pc pc;

    open_toy(&pc, "");
    command(&pc, 0xffff);
    CHECK_EQ(pc_config_read(&pc, DEVFN, COMMAND, 2), IO | MEMORY | MASTER | 0x100 | INTX_OFF);
    pc_close(&pc);
}

/* ---- The ROM ---- */

static void rom_file(char path[40], size_t size)
{
    int fd;

    strcpy(path, "/tmp/xen-dm-rom-XXXXXX");
    fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, (off_t)size), 0);
    CHECK_EQ(pwrite(fd, "\x55\xaa\x20", 3, 0), 3);
    CHECK_EQ(pwrite(fd, "E", 1, (off_t)size - 1), 1);
    close(fd);
}

TEST(the_rom_is_seen_when_its_bar_and_memory_are_enabled)
{
    struct pc pc;
    char path[40], options[64];

    rom_file(path, 5000);
    snprintf(options, sizeof(options), "romfile=%s", path);
    open_toy(&pc, options);
    unlink(path);
    CHECK_EQ(size_of(&pc, ROM), 0xffffe001); /* 8 KiB */
    pc_config_write(&pc, DEVFN, ROM, 4, 0xe0000000);
    command(&pc, MEMORY);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000000, 2), 0xffff);
    pc_config_write(&pc, DEVFN, ROM, 4, 0xe0000001);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000000, 2), 0xaa55);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000000 + 4999, 1), 'E');
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000000 + 5000, 8), UINT64_MAX);
    pc_mmio_write(&pc, 0xe0000000, 2, 0);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000000, 2), 0xaa55);
    command(&pc, 0);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000000, 2), 0xffff);
    pc_close(&pc);
}

TEST(a_rom_that_is_none_is_refused_with_a_sentence)
{
    static const struct { const char *options, *says; } wrong[] = {
        { "romfile=/nowhere/rom", "/nowhere/rom" },
        { "romfile=/dev/null", "not a boot ROM" },
        { "romfile=/tmp", "boot ROM" },
    };
    struct pc pc;

    pc_open(&pc);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct error err = { "" };
        struct device *dev;

        CHECK(device_attach(&dev, &pc.board, &toy_class, "bad", wrong[i].options, &err) < 0);
        CHECK_SAYS(err, wrong[i].says);
    }
    pc_close(&pc);
}

TEST(a_place_that_is_taken_is_refused)
{
    struct error err = { "" };
    struct device *dev;
    struct pc pc;

    open_toy(&pc, "");
    CHECK(device_attach(&dev, &pc.board, &toy_class, "twin", "", &err) < 0);
    CHECK_SAYS(err, "04.0");
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0, 4), 0x56781234);
    CHECK(device_attach(&dev, &pc.board, &toy_class, "far", "devfn=256", &err) < 0);
    pc_close(&pc);
}

/* ---- The pin ---- */

TEST(the_pin_is_gated_by_interrupt_disable_and_seen_in_status)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    pci_set_intx(&t->fn, true);
    CHECK(pc.intx[4][1]);
    CHECK(pc_config_read(&pc, DEVFN, STATUS, 1) & 8);
    command(&pc, INTX_OFF);
    CHECK(!pc.intx[4][1]);
    CHECK(pc_config_read(&pc, DEVFN, STATUS, 1) & 8);
    command(&pc, 0);
    CHECK(pc.intx[4][1]);
    pci_set_intx(&t->fn, false);
    CHECK(!pc.intx[4][1]);
    CHECK(!(pc_config_read(&pc, DEVFN, STATUS, 1) & 8));
    pci_set_intx(&t->fn, true);
    device_reset(pc.devices[0]);
    CHECK(!pc.intx[4][1]);
    pc_close(&pc);
}

TEST(a_detached_device_leaves_its_wire_low_and_its_addresses_free)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0000000);
    command(&pc, MEMORY);
    pci_set_intx(&t->fn, true);
    device_detach(pc.devices[--pc.device_count]);
    CHECK(!pc.intx[4][1]);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000000, 4), 0xffffffff);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0, 4), 0xffffffff);
    pc_close(&pc);
}

/* ---- DMA, unplug, load ---- */

TEST(dma_needs_bus_mastering)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");
    char text[4];

    pc_poke(&pc, 0x1000, "ram", 4);
    CHECK(!pci_dma_read(&t->fn, 0x1000, text, 4));
    CHECK_MEM(text, "\xff\xff\xff\xff", 4);
    CHECK(!pci_dma_write(&t->fn, 0x1000, "dev", 4));
    command(&pc, MASTER);
    CHECK(pci_dma_read(&t->fn, 0x1000, text, 4));
    CHECK_STR(text, "ram");
    CHECK(pci_dma_write(&t->fn, 0x1000, "dev", 4));
    pc_peek(&pc, 0x1000, text, 4);
    CHECK_STR(text, "dev");
    pc_close(&pc);
}

TEST(an_unplugged_function_is_gone_even_after_a_reset)
{
    struct pc pc;
    struct toy *t = open_toy(&pc, "");

    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0000000);
    command(&pc, MEMORY | MASTER);
    pci_set_intx(&t->fn, true);
    pci_function_unplug(&t->fn);
    pci_function_unplug(&t->fn);
    for (int turn = 0; turn < 2; turn++) {
        CHECK(!pc.intx[4][1]);
        CHECK_EQ(pc_config_read(&pc, DEVFN, 0, 4), 0xffffffff);
        CHECK_EQ(pc_mmio_read(&pc, 0xe0000000, 4), 0xffffffff);
        CHECK(!pci_bus_master(&t->fn));
        pc_config_write(&pc, DEVFN, COMMAND, 2, MEMORY);
        pci_set_intx(&t->fn, true);
        device_reset(pc.devices[0]);
    }
    pc_close(&pc);
}

TEST(loaded_registers_put_bars_and_pin_where_they_say)
{
    struct error err = { "" };
    struct pc pc;
    struct toy *t = open_toy(&pc, "");
    struct regs saved;

    pc_config_write(&pc, DEVFN, BAR(0), 4, 0xe0000000);
    command(&pc, MEMORY);
    pci_set_intx(&t->fn, true);
    saved = *t->regs;
    device_reset(pc.devices[0]);
    *t->regs = saved;
    CHECK_EQ(device_check_regs(pc.devices[0], &err), 0);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000010, 4), 0x10);
    CHECK(pc.intx[4][1]);
    put_le16(t->regs->pci.config, 0x8086);
    CHECK(device_check_regs(pc.devices[0], &err) < 0);
    CHECK_SAYS(err, "8086:5678");
    put_le16(t->regs->pci.config, 0x1234);
    pc_close(&pc);
}

TEST(addresses_of_pci_slots_are_read_as_people_write_them)
{
    static const struct { const char *text; int devfn; } cases[] = {
        { "04.0", 0x20 }, { "4", 0x20 }, { "0x1d.7", 0xef }, { "1f.7", 0xff }, { "0", 0 },
        { "20", -1 }, { "4.8", -1 }, { "", -1 }, { "4.", -1 }, { ".1", -1 }, { "4.1x", -1 },
        { "x", -1 }, { "-1", -1 }, { "00:04.0", -1 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct error err = { "" };
        unsigned devfn = 0;
        int rc = pci_parse_addr(cases[i].text, &devfn, &err);

        CHECK_EQ(rc < 0, cases[i].devfn < 0);
        if (rc == 0)
            CHECK_EQ(devfn, cases[i].devfn);
        else
            CHECK_SAYS(err, "is not a PCI address");
    }
}
