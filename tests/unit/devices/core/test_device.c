/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame around every device: options, claims, wires, the piece of the arena. */
#include <errno.h>
#include <string.h>
#include "devices/core/device.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

struct toy {
    unsigned detached, resets;
    struct irq *isa, *intx, *wire;
};

struct toy_regs {
    uint8_t bytes[24];
};

static unsigned detachments;
static bool wire_level;

static uint64_t toy_read(void *state, uint64_t offset, unsigned size)
{
    return 0x42;
}

static void toy_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
}

static const struct region_ops toy_ops = { "toy", 1, 1, toy_read, toy_write };

static void on_wire(void *arg, bool level)
{
    *(bool *)arg = level;
}

static int toy_attach(struct device *dev, struct error *err)
{
    struct toy *t = device_state(dev);
    int rc = device_ports(dev, device_number(dev, "iobase"), 8, &toy_ops, err);

    if (rc == 0)
        rc = device_mmio(dev, 0xe0000000, 4096, &toy_ops, err);
    t->isa = device_isa_irq(dev, 5);
    t->intx = device_intx(dev, 7, 2);
    t->wire = device_wire(dev, on_wire, &wire_level);
    irq_set(t->isa, true);
    irq_set(t->intx, true);
    irq_set(t->wire, true);
    if (rc == 0 && device_flag(dev, "fail"))
        rc = error_set(err, -EIO, "it failed as asked");
    return rc;
}

static void toy_detach(struct device *dev)
{
    detachments++;
}

static void toy_reset(struct device *dev)
{
    ((struct toy *)device_state(dev))->resets++;
}

static const struct device_option options[] = {
    { "iobase", OPTION_NUMBER, "0x300" }, { "fail", OPTION_BOOL, "off" },
    { "mac", OPTION_MAC, "52:54:00:12:34:56" }, { "text", OPTION_TEXT, "fallback" },
    { "needed", OPTION_NUMBER, NULL }, { NULL, OPTION_TEXT, NULL },
};

static const struct device_class toy_class = {
    .name = "toy", .summary = "for tests", .state_size = sizeof(struct toy),
    .regs_size = sizeof(struct toy_regs), .options = options,
    .attach = toy_attach, .detach = toy_detach, .reset = toy_reset,
};

TEST(options_have_types_fallbacks_and_doubled_commas)
{
    struct pc pc;
    struct device *dev;
    uint8_t mac[6];

    pc_open(&pc);
    dev = pc_plug(&pc, &toy_class, "needed=010,text=a,,b,mac=AA:bb:0:1:2:ff,iobase=0x200");
    CHECK_EQ(device_number(dev, "needed"), 8);
    CHECK_EQ(device_number(dev, "iobase"), 0x200);
    CHECK_STR(device_text(dev, "text"), "a,b");
    device_mac(dev, "mac", mac);
    CHECK_MEM(mac, "\xaa\xbb\x00\x01\x02\xff", 6);
    CHECK(!device_flag(dev, "fail"));
    CHECK_STR(device_text(dev, "no such option"), "");
    CHECK_EQ(pc_in8(&pc, 0x207), 0x42);
    CHECK_EQ(((struct toy *)device_state(dev))->resets, 1);
    CHECK(device_of(device_state(dev)) == dev);
    pc_close(&pc);
}

TEST(wrong_options_are_refused_by_name)
{
    static const struct { const char *text, *says; } wrong[] = {
        { "", "option needed is missing" },
        { "needed=x", "needed=x is not a number" },
        { "needed= -1", "is not a number" },
        { "needed=+1", "is not a number" },
        { "needed", "needed=on is not a number" },
        { "needed=1,fail=maybe", "fail=maybe is neither on nor off" },
        { "needed=1,mac=52:54:00", "mac=52:54:00 is not a MAC address" },
        { "needed=1,mac=52:54:00:12:34:567", "is not a MAC address" },
        { "needed=1,mac= 1:-2:+3:4:5:6", "is not a MAC address" },
        { "needed=1,other=2", "no option other" },
        { "needed=1,fail,iobase=0x400", "it failed as asked" },
        { "needed=1,iobase=0x2fc", "toy" },
    };
    struct pc pc;
    struct region *taken;

    pc_open(&pc);
    CHECK_EQ(region_map(&taken, pc.board.ports, 0x300, 4, &toy_ops, NULL, NULL), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct error err = { "" };
        struct device *dev;

        CHECK(device_attach(&dev, &pc.board, &toy_class, "t", wrong[i].text, &err) < 0);
        CHECK_SAYS(err, wrong[i].says);
    }
    region_unmap(taken);
    pc_close(&pc);
}

TEST(an_attach_that_fails_gives_everything_back)
{
    struct error err = { "" };
    struct device *dev;
    struct pc pc;

    pc_open(&pc);
    detachments = 0;
    CHECK_EQ(device_attach(&dev, &pc.board, &toy_class, "t", "needed=1,fail", &err), -EIO);
    CHECK_EQ(detachments, 1);
    CHECK_EQ(pc_in8(&pc, 0x300), 0xff);
    CHECK_EQ(pc_mmio_read(&pc, 0xe0000000, 1), 0xff);
    CHECK(!pc.isa[5] && !pc.intx[7][2] && !wire_level);
    pc_plug(&pc, &toy_class, "needed=1");
    CHECK(pc.isa[5] && pc.intx[7][2] && wire_level);
    pc_close(&pc);
    CHECK(!wire_level);
}

TEST(a_wire_tells_changes_only_unless_it_is_asked_to_repeat)
{
    struct pc pc;
    struct device *dev;
    struct toy *t;

    pc_open(&pc);
    dev = pc_plug(&pc, &toy_class, "needed=1");
    t = device_state(dev);
    CHECK_EQ(pc.isa_edges[5], 1);
    irq_set(t->isa, true);
    CHECK_EQ(pc.isa_edges[5], 1);
    irq_repeat(t->isa);
    CHECK_EQ(pc.isa_edges[5], 2);
    irq_set(t->isa, false);
    irq_pulse(t->isa);
    CHECK_EQ(pc.isa_edges[5], 3);
    CHECK(!irq_level(t->isa));
    irq_set(NULL, true);
    irq_repeat(NULL);
    CHECK(!irq_level(NULL));
    pc_close(&pc);
}

TEST(registers_start_at_zero_even_in_a_piece_used_before)
{
    static const uint8_t zeros[24];
    struct error err = { "" };
    struct device *dev;
    struct pc pc;

    pc_open(&pc);
    CHECK_EQ(device_attach(&dev, &pc.board, &toy_class, "same", "needed=1", &err), 0);
    memset(device_regs(dev), 0xaa, 24);
    device_detach(dev);
    CHECK_EQ(device_attach(&dev, &pc.board, &toy_class, "same", "needed=1", &err), 0);
    CHECK_MEM((uint8_t *)device_regs(dev), zeros, 24);
    CHECK_EQ(device_check_regs(dev, &err), 0);
    device_detach(dev);
    device_detach(NULL);
    pc_close(&pc);
}

TEST(host_ends_are_found_by_kind_and_name)
{
    struct error err = { "" };
    struct device *dev;
    struct pc pc;
    int end;

    pc_open(&pc);
    pc_give(&pc, "chardev", "fallback", &end);
    dev = pc_plug(&pc, &toy_class, "needed=1");
    CHECK(device_host_end(dev, "chardev", "text", &err) == &end);
    CHECK(device_host_end(dev, "drive", "text", &err) == NULL);
    CHECK_SAYS(err, "there is no drive named fallback");
    pc_close(&pc);
}
