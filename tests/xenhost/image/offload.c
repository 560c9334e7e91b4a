/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests have in place of ethtool -k and -K: offload INTERFACE tso|gso|sg|csum|gro [on|off]; the last
 * line says what is set now. Without a C library, for it is part of every guest's initramfs.
 */
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <linux/version.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static long call(long number, long a, long b, long c)
{
    long rc;

    __asm__ volatile("syscall" : "=a"(rc) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return rc;
}

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int say(const char *text, int status)
{
    long length = 0;

    while (text[length])
        length++;
    call(SYS_write, 1, (long)text, length);
    return status;
}

static int run(long argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned get, set;
    } kinds[] = { { "tso", ETHTOOL_GTSO, ETHTOOL_STSO }, { "gso", ETHTOOL_GGSO, ETHTOOL_SGSO },
                  { "sg", ETHTOOL_GSG, ETHTOOL_SSG }, { "csum", ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM },
                  { "gro", ETHTOOL_GGRO, ETHTOOL_SGRO } };
    struct ethtool_value value = { 0 };
    struct ifreq ifr = { .ifr_data = (void *)&value };
    long fd = call(SYS_socket, AF_INET, SOCK_DGRAM, 0);

    if (argc < 3)
        return say("usage: offload INTERFACE tso|gso|sg|csum|gro [on|off]\n", 2);
    for (unsigned i = 0; i < IFNAMSIZ - 1 && argv[1][i]; i++)
        ifr.ifr_name[i] = argv[1][i];
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!same(argv[2], kinds[i].name))
            continue;
        value.cmd = kinds[i].set;
        value.data = argc > 3 && same(argv[3], "on");
        if (argc > 3 && call(SYS_ioctl, fd, SIOCETHTOOL, (long)&ifr) < 0)
            return say("the driver refuses it\n", 1);
        value.cmd = kinds[i].get;
        if (call(SYS_ioctl, fd, SIOCETHTOOL, (long)&ifr) < 0)
            return say("there is no such interface\n", 1);
        return say(value.data ? "on\n" : "off\n", 0);
    }
    return say("there is no such offload\n", 2);
}

__attribute__((used)) static void start(long *stack)
{
    call(SYS_exit_group, run(stack[0], (char **)(stack + 1)), 0, 0);
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
