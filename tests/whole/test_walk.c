/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random accesses of a hostile guest from several vCPUs, over all that the device model claims:
 * everything is answered, and it ends as ever. WALK_SEED and WALK_STEPS make it another or longer.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/whole/run.h"

#define VCPUS 3
#define STEPS 4000
#define AGAIN 700
#define END_MS 30000 /* a sanitizer's build is slow to go */

struct walker {
    unsigned vcpu, steps;
    uint64_t seed;
    pthread_t thread;
};

static uint32_t draw(struct walker *w)
{
    w->seed ^= w->seed << 13; /* xorshift64 */
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (uint32_t)(w->seed >> 16);
}

static unsigned number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 0) : otherwise;
}

/* A range that some server has claimed, by lot. */
static bool pick(struct walker *w, unsigned space, struct simxen_range *out)
{
    unsigned count = 0, at;
    bool found = false;

    simxen_lock();
    for (unsigned i = 0; i < SIMXEN_SERVERS; i++)
        count += simxen()->servers[i].used ? simxen()->servers[i].range_count[space] : 0;
    at = count ? draw(w) % count : 0;
    for (unsigned i = 0; count && !found && i < SIMXEN_SERVERS; i++) {
        const struct simxen_server *s = &simxen()->servers[i];

        if (!s->used)
            continue;
        found = at < s->range_count[space];
        if (found)
            *out = s->ranges[space][at];
        else
            at -= s->range_count[space];
    }
    simxen_unlock();
    return found;
}

/* Values that mean something to hardware more often than chance would have it. */
static uint32_t value(struct walker *w)
{
    static const uint32_t known[] = {
        0, 1, ~0u, 0xec, 0xa1, 0x25, 0x35, 0xc8, 0x10000, 0x80000000
    };

    return draw(w) & 1 ? draw(w) : known[draw(w) % (sizeof(known) / sizeof(*known))];
}

static uint64_t address(struct walker *w, const struct simxen_range *r, unsigned size)
{
    uint64_t length = r->last - r->first + 1;

    return length <= size ? r->first : r->first + draw(w) % (length - size + 1);
}

static void port_step(struct walker *w)
{
    static const unsigned sizes[] = { 1, 1, 2, 4 };
    unsigned size = sizes[draw(w) % 4];
    struct simxen_range r;
    uint16_t port;

    if (!pick(w, SIMXEN_PORT_IO, &r))
        return;
    port = (uint16_t)address(w, &r, size);
    switch (draw(w) % 8) {
    case 0:
        guest_ins(w->vcpu, port, size, 1 + draw(w) % 300,
                  0x10000 + draw(w) % 0x100000 / size * size);
        break;
    case 1:
        guest_outs(w->vcpu, port, size, 1 + draw(w) % 300,
                   0x10000 + draw(w) % 0x100000 / size * size);
        break;
    case 2:
    case 3:
    case 4:
        guest_in(w->vcpu, port, size);
        break;
    default:
        guest_out(w->vcpu, port, size, value(w));
    }
}

static void memory_step(struct walker *w)
{
    static const unsigned sizes[] = { 1, 2, 4, 8 };
    unsigned size = sizes[draw(w) % 4];
    struct simxen_range r;
    uint64_t addr;

    if (!pick(w, SIMXEN_MEMORY, &r))
        return;
    addr = address(w, &r, size);
    if (draw(w) % 3 == 0)
        guest_load(w->vcpu, addr, size);
    else if (addr >= 0xc0000 || !guest_post(addr, size, value(w)))
        guest_store(w->vcpu, addr, size, value(w) | (uint64_t)value(w) << 32);
}

static void config_step(struct walker *w)
{
    unsigned size = 1u << draw(w) % 3, at = draw(w) % 256 & ~(size - 1);
    struct simxen_range r;

    if (!pick(w, SIMXEN_PCI, &r))
        return;
    if (draw(w) & 1)
        guest_config_read(w->vcpu, (unsigned)r.first & 0xff, at, size);
    else
        guest_config_write(w->vcpu, (unsigned)r.first & 0xff, at, size, value(w));
}

static void *walk(void *arg)
{
    struct walker *w = arg;

    for (unsigned i = 0; i < w->steps; i++) {
        unsigned lot = draw(w) % 16;

        if (w->vcpu == 0 && i % AGAIN == AGAIN - 1) /* what random writes have switched off */
            guest_pci_setup();
        if (lot < 11)
            port_step(w);
        else if (lot < 15)
            memory_step(w);
        else if (w->vcpu == 0) /* 0xcf8 is one for all; the others would fight for it */
            config_step(w);
    }
    return NULL;
}

/* A partition that ends on head 3, sector 17: the disk's geometry is not the usual one, so who replays
 * without the image must know it. */
static void partition(int fd)
{
    uint8_t mbr[512] = { [0x1be + 5] = 3, [0x1be + 6] = 17, [0x1be + 12] = 100, [510] = 0x55,
                         [511] = 0xaa };

    CHECK_EQ(write(fd, mbr, sizeof(mbr)), sizeof(mbr));
}

static void walk_on(struct dm_config *config)
{
    char disk[] = "/dev/shm/simxen-disk-XXXXXX";
    int fd = mkstemp(disk);
    struct walker walkers[VCPUS];
    unsigned seed = number("WALK_SEED", 1), steps = number("WALK_STEPS", STEPS);
    struct dm dm;

    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, 1 << 20), 0);
    partition(fd);
    close(fd);
    config->disk = disk;
    dm_open(&dm, config);
    unlink(disk);
    guest_pci_setup();
    for (unsigned i = 0; i < VCPUS; i++) {
        walkers[i] = (struct walker){ .vcpu = i,
                                      .steps = steps,
                                      .seed = (seed * VCPUS + i + 1) * 0x9e3779b97f4a7c15ull };
        pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]);
    }
    for (unsigned i = 0; i < VCPUS; i++)
        pthread_join(walkers[i].thread, NULL);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

static void walk_and_replay(struct dm_config *config, const char *const *more)
{
    char file[] = "/dev/shm/xen-dm-reel-XXXXXX", words[64];
    const char *all[32] = { "-record", words };
    int fd = mkstemp(file);

    CHECK(fd >= 0);
    close(fd);
    snprintf(words, sizeof(words), "%s,size=16", file);
    for (unsigned i = 0; more[i]; i++)
        all[i + 2] = more[i];
    config->more = all;
    walk_on(config);
    dm_replay(file);
    unlink(file);
}

static const char *const with_e1000[] = {
    "-device", "e1000,id=nic0,netdev=net0,mac=00:16:3e:00:00:01",
    "-netdev", "user,id=net0",
    "-usb",    "-usbdevice",
    "tablet",  NULL
};
static const char *const with_rtl8139[] = {
    "-device", "rtl8139,id=nic0,netdev=net0,mac=00:16:3e:00:00:01", "-netdev", "user,id=net0", NULL,
};

TEST(a_walk_on_standard_vga_and_e1000_leaves_it_standing)
{
    struct dm_config config = { .vcpus = VCPUS, .vga = "VGA", .more = with_e1000 };

    walk_on(&config);
}

TEST(a_walk_on_cirrus_and_rtl8139_leaves_it_standing)
{
    struct dm_config config = { .vcpus = VCPUS, .vga = "cirrus-vga", .more = with_rtl8139 };

    walk_on(&config);
}

TEST(a_recorded_walk_on_standard_vga_and_e1000_replays_to_the_same_registers)
{
    struct dm_config config = { .vcpus = VCPUS, .vga = "VGA" };

    walk_and_replay(&config, with_e1000);
}

TEST(a_recorded_walk_on_cirrus_and_rtl8139_replays_to_the_same_registers)
{
    struct dm_config config = { .vcpus = VCPUS, .vga = "cirrus-vga" };

    walk_and_replay(&config, with_rtl8139);
}
