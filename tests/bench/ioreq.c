/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One access of the guest's, from the vCPU's exit to its answer; and many at once. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/bench/bench.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/whole/qmp.h"

#define END_MS 5000
#define ACCESSES 20000
#define WARM 2000
#define TOGETHER_NS 500000000ull
#define TRACED 3000

#define SERIAL_IER 0x3f9 /* nothing beside an answer happens */
#define IDE_COUNT 0x1f2
#define VGA_MISC 0x3cc
#define E1000_STATUS 8
#define NIC (4 << 3)

static atomic_bool over;

static const char *const nic[] = { "-device", "e1000,netdev=net0,mac=00:16:3e:00:00:01,addr=4",
                                   "-netdev", "user,id=net0", NULL };
static const char *const stock_nic[] = { "-device", "e1000,mac=00:16:3e:00:00:01,addr=4", NULL };
static const char *const no_polling[] = { "-x-poll", "0", NULL };

/* How the vCPU waits, and where the two run. */
enum { SPINNING, ONE_CPU_EACH, ONE_CPU, SPINNING_NO_POLL, ONE_CPU_EACH_NO_POLL };

static double median_us(void)
{
    static double took[ACCESSES];

    for (unsigned i = 0; i < ACCESSES; i++) {
        uint64_t start = now_ns();

        guest_in(0, SERIAL_IER, 1);
        took[i] = (double)(now_ns() - start) / 1e3;
    }
    return bench_median(took, ACCESSES);
}

static double round_trip_us(bool stock, unsigned how)
{
    bool polls = how < SPINNING_NO_POLL;
    struct dm_config config = { .stock = stock, .vcpus = 1,
                                .more = polls || stock ? NULL : no_polling };
    struct dm dm;
    double median;

    dm_open(&dm, &config);
    bench_pin_guest(0);
    bench_pin(&dm, how == ONE_CPU ? 0 : 1);
    guest_spin(how == SPINNING || how == SPINNING_NO_POLL ? GUEST_SPINS_EVER : 0);
    for (unsigned i = 0; i < WARM; i++)
        guest_in(0, SERIAL_IER, 1);
    median = median_us();
    guest_spin(GUEST_SPINS);
    dm_close(&dm, SIGTERM, END_MS);
    return median;
}

/* Somebody reads the metrics all the time, a hundred times as often as anybody would. */
static void *scrape(void *arg)
{
    struct dm *dm = arg;
    int qmp = qmp_open(dm->qmp);

    while (!atomic_load(&over)) {
        free(qmp_say(qmp, "{\"execute\":\"x-query-metrics\"}\n"));
        usleep(100000);
    }
    close(qmp);
    return NULL;
}

static double scraped_us(bool stock, unsigned variant)
{
    struct dm_config config = { .vcpus = 1 };
    pthread_t thread;
    struct dm dm;
    double median;

    dm_open(&dm, &config);
    bench_pin_guest(0);
    bench_pin(&dm, 1);
    guest_spin(GUEST_SPINS_EVER);
    atomic_store(&over, false);
    pthread_create(&thread, NULL, scrape, &dm);
    median = median_us();
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    dm_close(&dm, SIGTERM, END_MS);
    return median;
}

struct together {
    unsigned vcpu;
    uint64_t bar;
    uint64_t until, count;
    pthread_t thread;
};

static void *access_one(void *arg)
{
    struct together *t = arg;

    while (now_ns() < t->until) {
        switch (t->vcpu) {
        case 0: guest_in(0, SERIAL_IER, 1); break;
        case 1: guest_in(1, IDE_COUNT, 1); break;
        case 2: guest_in(2, VGA_MISC, 1); break;
        default: guest_load(3, t->bar + E1000_STATUS, 4);
        }
        t->count++;
    }
    return NULL;
}

static double together_per_second(bool stock, unsigned vcpus)
{
    struct dm_config config = { .stock = stock, .vcpus = 4, .vga = "VGA", .disk = bench_disk(),
                                .more = stock ? stock_nic : nic };
    struct together t[4];
    uint64_t sum = 0, start, bar;
    struct dm dm;

    dm_open(&dm, &config);
    guest_pci_setup();
    bar = guest_bar(NIC, 0);
    start = now_ns();
    for (unsigned i = 0; i < vcpus; i++) {
        t[i] = (struct together){ .vcpu = i, .bar = bar, .until = start + TOGETHER_NS };
        pthread_create(&t[i].thread, NULL, access_one, &t[i]);
    }
    for (unsigned i = 0; i < vcpus; i++) {
        pthread_join(t[i].thread, NULL);
        sum += t[i].count;
    }
    start = now_ns() - start;
    dm_close(&dm, SIGTERM, END_MS);
    return (double)sum * 1e9 / (double)start / 1e3;
}

/* All threads' system calls while the guest makes accesses, as strace counts them. */
static double calls_per_access(bool stock, unsigned variant)
{
    struct dm_config config = { .stock = stock, .vcpus = 1 };
    char output[] = "/tmp/xen-dm-strace-XXXXXX", pid[16], line[256];
    double calls = 0;
    pid_t tracer;
    struct dm dm;
    FILE *f;

    close(mkstemp(output));
    dm_open(&dm, &config);
    snprintf(pid, sizeof(pid), "%d", (int)dm.pid);
    tracer = fork();
    if (!tracer) {
        unsetenv("LD_LIBRARY_PATH");
        execlp("strace", "strace", "-f", "-c", "-qq", "-o", output, "-p", pid, (char *)NULL);
        _exit(127);
    }
    usleep(500000); /* until it has all threads */
    for (unsigned i = 0; i < TRACED; i++)
        guest_in(0, SERIAL_IER, 1);
    kill(tracer, SIGINT);
    waitpid(tracer, NULL, 0);
    f = fopen(output, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strstr(line, " total"))
            sscanf(line, "%*f %*f %*u %lf", &calls);
    if (f)
        fclose(f);
    unlink(output);
    dm_close(&dm, SIGTERM, END_MS);
    return calls / TRACED;
}

const struct bench_case ioreq_cases[] = {
    { "ioreq_spinning", "port read, the vCPU spins", "us", true, 2, 7, round_trip_us, SPINNING },
    { "ioreq_scraped", "the same, metrics are read ten times a second", "us", true,
      BENCH_ALONE, 7, scraped_us, 0 },
    { "ioreq_two_cpus", "port read, the vCPU sleeps, a CPU each", "us", true, 10, 7, round_trip_us,
      ONE_CPU_EACH },
    { "ioreq_one_cpu", "port read, both on one CPU", "us", true, 0, 7, round_trip_us, ONE_CPU },
    { "ioreq_spinning_x0", "port read, spins, -x-poll 0", "us", true, 0, 7, round_trip_us,
      SPINNING_NO_POLL },
    { "ioreq_two_cpus_x0", "port read, sleeps, a CPU each, -x-poll 0", "us", true, 0, 7,
      round_trip_us, ONE_CPU_EACH_NO_POLL },
    { "ioreq_1_vcpu", "accesses per second, 1 vCPU", "k/s", false, 0, 5, together_per_second, 1 },
    { "ioreq_4_vcpus", "accesses per second, 4 vCPUs on 4 devices", "k/s", false, 3, 5,
      together_per_second, 4 },
    { "ioreq_calls", "system calls per port read", "", true, 0, 3, calls_per_access, 0 },
    { 0 },
};
