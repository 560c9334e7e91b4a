/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From exec to `running`, a first look at the devices by ports, and the end. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/whole/run.h"

#define DISK_BYTES (64ll << 20)
#define END_MS 30000

#define IDE 0x1f0
#define IDE_STATUS (IDE + 7)
#define BSY 0x80
#define DRQ 0x08

static char disk[] = "/dev/shm/simxen-disk-XXXXXX";

static void open_pc(struct dm *dm, unsigned vcpus, bool vnc)
{
    struct dm_config config = { .vcpus = vcpus, .vga = "VGA", .vnc = vnc, .disk = disk };
    int fd;

    strcpy(disk + strlen(disk) - 6, "XXXXXX");
    fd = mkstemp(disk);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, DISK_BYTES), 0);
    close(fd);
    dm_open(dm, &config);
    unlink(disk); /* it has it open */
}

static void close_pc(struct dm *dm)
{
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
}

static uint32_t id_of(unsigned vcpu, unsigned slot, unsigned function)
{
    return guest_config_read(vcpu, slot << 3 | function, 0, 4);
}

/* And the firmware has been there. */
static void open_booted_pc(struct dm *dm, unsigned vcpus)
{
    open_pc(dm, vcpus, false);
    guest_pci_setup();
}

TEST(running_with_libxls_argv_and_every_pci_function_answers)
{
    struct dm dm;

    open_pc(&dm, 1, true);
    CHECK_EQ(id_of(0, 0, 0), 0x12378086); /* i440FX */
    CHECK_EQ(id_of(0, 1, 0), 0x70008086); /* PIIX3 ISA */
    CHECK_EQ(id_of(0, 1, 1), 0x70108086); /* PIIX3 IDE */
    CHECK_EQ(id_of(0, 1, 3), 0x71138086); /* PIIX4 PM */
    CHECK_EQ(id_of(0, 2, 0), 0x00015853); /* Xen platform */
    CHECK_EQ(id_of(0, 3, 0), 0x11111234); /* standard VGA */
    CHECK_EQ(id_of(0, 4, 0), 0xffffffff); /* nobody there */
    close_pc(&dm);
}

static void identify(unsigned vcpu, uint16_t words[256])
{
    unsigned tries = 0;

    guest_out(vcpu, IDE + 6, 1, 0xa0);
    guest_out(vcpu, IDE_STATUS, 1, 0xec);
    while ((guest_in(vcpu, IDE_STATUS, 1) & (BSY | DRQ)) != DRQ)
        CHECK(tries++ < 100000);
    for (unsigned i = 0; i < 256; i++)
        words[i] = (uint16_t)guest_in(vcpu, IDE, 2);
}

TEST(identify_by_ports_tells_the_disks_size_and_raises_irq_14)
{
    uint16_t words[256];
    struct dm dm;

    open_booted_pc(&dm, 1);
    identify(0, words);
    CHECK_EQ(words[60] | (uint32_t)words[61] << 16, DISK_BYTES / 512);
    CHECK(simxen()->seen.isa_changes[14] > 0);
    close_pc(&dm);
}

TEST(rep_insw_puts_identify_into_guest_memory)
{
    uint16_t words[256];
    struct dm dm;
    unsigned tries = 0;

    open_booted_pc(&dm, 1);
    identify(0, words);
    guest_out(0, IDE_STATUS, 1, 0xec);
    while ((guest_in(0, IDE_STATUS, 1) & (BSY | DRQ)) != DRQ)
        CHECK(tries++ < 100000);
    guest_ins(0, IDE, 2, 256, 0x10f00); /* over the end of a page */
    CHECK_MEM(guest_page(0x10f00), words, 0x100);
    CHECK_MEM(guest_page(0x11000), words + 0x80, 0x100);
    close_pc(&dm);
}

/* What is drawn through the window at 0xa0000 is in video memory, wherever its BAR is. */
TEST(posted_writes_to_the_vga_window_are_read_back_in_order)
{
    struct dm dm;

    open_booted_pc(&dm, 1);
    guest_out(0, 0x3c2, 1, 0x63);   /* the window is there */
    guest_out(0, 0x3c4, 2, 0x0e04); /* chain 4, all planes */
    guest_out(0, 0x3c4, 2, 0x0f02);
    guest_out(0, 0x3ce, 2, 0x0506);
    guest_out(0, 0x3ce, 2, 0xff08);
    for (unsigned i = 0; i < 4096; i += 4) /* eight times round the ring */
        if (!guest_post(0xa0000 + i, 4, i * 0x01010101u))
            guest_store(0, 0xa0000 + i, 4, i * 0x01010101u);
    for (unsigned i = 0; i < 4096; i += 4)
        CHECK_EQ(guest_load(0, 0xa0000 + i, 4), i * 0x01010101u);
    close_pc(&dm);
}

TEST(video_memory_is_where_its_bar_says_and_stays_there)
{
    uint64_t bar;
    uint8_t *page;
    struct dm dm;

    open_booted_pc(&dm, 1);
    bar = guest_bar(3 << 3, 0);
    page = guest_page(bar + 0x10000);
    CHECK(page); /* moved there by relocate_memory */
    page[0] = 0x5a;
    guest_config_write(0, 3 << 3, 0x10, 4, 0xe0000000);
    CHECK(!guest_page(bar + 0x10000));
    CHECK(guest_page(0xe0010000));
    CHECK_EQ(*guest_page(0xe0010000), 0x5a);
    close_pc(&dm);
}

struct load {
    unsigned vcpu, bad;
    pthread_t thread;
};

/* Each vCPU on a device of another loop: UART scratch, IDE, VGA, PM. */
static void *hammer(void *arg)
{
    static const uint16_t ports[] = { 0x3ff, 0x1f4, 0x3c8, 0x3ff };
    struct load *l = arg;

    for (unsigned i = 0; i < 2000; i++) {
        uint16_t port = ports[l->vcpu];

        if (l->vcpu == 3) { /* shares its port with vCPU 0: only that it is answered */
            guest_in(3, port, 1);
            continue;
        }
        guest_out(l->vcpu, port, 1, i & 0xff);
        l->bad += guest_in(l->vcpu, port, 1) != (i & 0xff) && port != 0x3c8;
    }
    return NULL;
}

TEST(four_vcpus_at_once_each_get_their_own_answers)
{
    struct load loads[4];
    struct dm dm;

    open_booted_pc(&dm, 4);
    for (unsigned i = 0; i < 4; i++) {
        loads[i] = (struct load){ .vcpu = i };
        pthread_create(&loads[i].thread, NULL, hammer, &loads[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(loads[i].thread, NULL);
        CHECK_EQ(loads[i].bad, 0);
    }
    close_pc(&dm);
}

/* Not judged here, for a loaded machine is slow: printed. */
TEST(start_and_memory)
{
    struct dm_memory m;
    struct dm dm;
    uint64_t best = ~0ull;

    for (unsigned i = 0; i < 5; i++) {
        open_pc(&dm, 1, true);
        if (dm.running_ns - dm.start_ns < best)
            best = dm.running_ns - dm.start_ns;
        if (i < 4)
            close_pc(&dm);
    }
    usleep(200000);
    m = dm_memory(&dm, getenv("LIST") != NULL);
    printf("exec to running %.2f ms; USS %u KiB (%u written), RSS %u KiB, guest memory %u KiB\n",
           (double)best / 1e6, m.uss, m.dirty, m.rss, m.guest);
    close_pc(&dm);
}
