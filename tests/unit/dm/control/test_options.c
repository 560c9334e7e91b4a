/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line as libxl writes it. */
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/control/options.h"
#include "tests/kit/check.h"

#define WORDS_MOST 128

struct line {
    struct machine_config c;
    struct error err;
    int rc;
    char *words[WORDS_MOST + 1];
    int count;
    char text[8192];
};

/* Splits at spaces, "..." being one word, as libxl would have passed them. */
static void parse(struct line *l, const char *first, const char *text)
{
    char *p = l->text;

    memset(l, 0, sizeof(*l));
    snprintf(l->text, sizeof(l->text), "xen-dm %s %s", first, text);
    while (*p && l->count < WORDS_MOST) {
        char end = ' ';

        if (*p == ' ') {
            p++;
            continue;
        }
        if (*p == '"') {
            end = '"';
            p++;
        }
        l->words[l->count++] = p;
        p += strcspn(p, (char[]){ end, 0 });
        if (*p)
            *p++ = 0;
    }
    l->rc = options_parse(&l->c, l->count, l->words, &l->err);
}

static void parse_well(struct line *l, const char *first, const char *text)
{
    parse(l, first, text);
    if (l->rc)
        print_error("refused: %s\n", l->err.text);
    CHECK_EQ(l->rc, 0);
}

#define QMP                                                                                        \
    "-chardev socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-5,server=on,wait=off "               \
    "-mon chardev=libxl-cmd,mode=control "                                                         \
    "-chardev socket,id=libxenstat-cmd,path=/var/run/xen/qmp-libxenstat-5,server=on,wait=off "     \
    "-mon chardev=libxenstat-cmd,mode=control "
#define HEAD "-xen-domid 5 -no-shutdown " QMP "-nodefaults -no-user-config "
#define NIC(model, mac)                                                                            \
    "-device " model ",id=nic0,netdev=net0,mac=" mac " "                                           \
    "-netdev type=tap,id=net0,ifname=vif5.0-emu,br=xenbr0,script=no,downscript=no "
#define EXAMPLE_A                                                                                  \
    "-name lin -vnc 127.0.0.1:0,to=99 -display none -device cirrus-vga,vgamem_mb=8 "               \
    "-boot order=cda " NIC("rtl8139", "00:16:3e:1a:2b:3c")

/* ---- The examples of the contract ---- */

TEST(example_a_minimal)
{
    struct line l;

    parse_well(&l, HEAD, EXAMPLE_A "-machine xenfv,suppress-vmdesc=on -m 1016 "
               "-drive file=/dev/vg0/lin,if=ide,index=0,media=disk,format=raw,cache=writeback");
    CHECK_EQ(l.c.kind, MACHINE_HVM);
    CHECK_EQ(l.c.domid, 5);
    CHECK(l.c.platform_device && l.c.acpi && !l.c.paused && !l.c.restricted && !l.c.usb);
    CHECK_STR(l.c.name, "lin");
    CHECK_EQ(l.c.ram_mib, 1016);
    CHECK_EQ(l.c.low_limit, 0xf0000000);
    CHECK_EQ(l.c.cpus, 1);
    CHECK_STR(l.c.boot, "cda");
    CHECK_STR(l.c.vnc, "127.0.0.1:0,to=99");
    CHECK_EQ(l.c.incoming, -1);
    CHECK_EQ(l.c.monitor_count, 2);
    CHECK_STR(l.c.monitors[1].chardev, "libxenstat-cmd");
    CHECK_EQ(l.c.chardev_count, 2);
    CHECK_STR(l.c.chardevs[0].path, "/var/run/xen/qmp-libxl-5");
    CHECK(l.c.chardevs[0].server && !l.c.chardevs[0].wait);
    CHECK_EQ(l.c.chardevs[0].fd, -1);
    CHECK_EQ(l.c.device_count, 2);
    CHECK_STR(l.c.devices[0].driver, "cirrus-vga");
    CHECK_STR(device_word(&l.c.devices[0], "vgamem_mb"), "8");
    CHECK_STR(l.c.devices[1].driver, "rtl8139");
    CHECK_STR(l.c.devices[1].id, "nic0");
    CHECK_STR(device_word(&l.c.devices[1], "mac"), "00:16:3e:1a:2b:3c");
    CHECK(device_word(&l.c.devices[1], "id") == NULL);
    CHECK_EQ(l.c.netdev_count, 1);
    CHECK_STR(l.c.netdevs[0].kind, "tap");
    CHECK_STR(l.c.netdevs[0].ifname, "vif5.0-emu");
    CHECK_EQ(l.c.netdevs[0].fd, -1);
    CHECK_EQ(l.c.drive_count, 1);
    CHECK_STR(l.c.drives[0].file, "/dev/vg0/lin");
    CHECK_STR(l.c.drives[0].format, "raw");
    CHECK_STR(l.c.drives[0].id, "ide0-hd0");
    CHECK(l.c.drives[0].ide && !l.c.drives[0].cdrom && !l.c.drives[0].readonly);
    CHECK(!l.c.drives[0].direct && !l.c.drives[0].writethrough && !l.c.drives[0].no_flush);
    options_free(&l.c);
}

TEST(example_b_windows)
{
    struct line l;

    parse_well(&l, HEAD,
               "-name win -vnc 0.0.0.0:0,password=on,to=99 -display none -serial pty "
               "-device VGA,vgamem_mb=16 -boot order=dc -usb -usbdevice tablet -smp 4,maxcpus=4 "
               NIC("e1000", "00:16:3e:00:00:01")
               "-machine xenfv,suppress-vmdesc=on -m 4080 "
               "-drive file=/srv/w.qcow2,if=ide,index=0,media=disk,format=qcow2,cache=writeback,"
               "l2-cache-size=65536 "
               "-drive if=none,readonly=on,id=ide-5632,file=/srv/w.iso,format=raw "
               "-device ide-cd,id=ide-5632,drive=ide-5632,bus=ide.1,unit=0");
    CHECK_EQ(l.c.serial_count, 1);
    CHECK_STR(l.c.serials[0], "pty");
    CHECK(l.c.usb);
    CHECK_EQ(l.c.usb_device_count, 1);
    CHECK_STR(l.c.usb_devices[0], "tablet");
    CHECK_EQ(l.c.cpus, 4);
    CHECK_EQ(l.c.cpus_most, 4);
    CHECK_EQ(l.c.drive_count, 2);
    CHECK_STR(l.c.drives[0].format, "qcow2");
    CHECK_EQ(l.c.drives[0].l2_cache, 65536);
    CHECK(!l.c.drives[1].ide && l.c.drives[1].readonly);
    CHECK_STR(l.c.drives[1].id, "ide-5632");
    CHECK_STR(device_word(&l.c.devices[2], "drive"), "ide-5632");
    CHECK_STR(device_word(&l.c.devices[2], "bus"), "ide.1");
    options_free(&l.c);
}

TEST(example_c_without_ahci_has_a_hole_and_no_platform_device)
{
    struct line l;

    parse_well(&l, HEAD,
               "-name a -vnc none -display none -device VGA,vgamem_mb=16 -boot order=cda "
               "-smp 2,maxcpus=4 -net none "
               "-machine pc,accel=xen,suppress-vmdesc=on,max-ram-below-4g=2684354560 -m 3056 "
               "-drive if=none,readonly=on,id=ide-5632 "
               "-device ide-cd,id=ide-5632,drive=ide-5632,bus=ide.1,unit=0");
    CHECK(!l.c.platform_device);
    CHECK_EQ(l.c.low_limit, 2684354560);
    CHECK_EQ(l.c.cpus, 2);
    CHECK_EQ(l.c.cpus_most, 4);
    CHECK(l.c.vnc == NULL);
    CHECK(l.c.drives[0].file == NULL);
    options_free(&l.c);
}

TEST(example_e_restricted)
{
    struct line l;

    parse_well(&l, "-xen-domid 5 -no-shutdown -chardev socket,id=libxl-cmd,fd=23,server=on,wait=off"
               " -S -mon chardev=libxl-cmd,mode=control -nodefaults -no-user-config",
               EXAMPLE_A "-xen-domid-restrict -chroot /var/run/xen/qemu-root-5 "
               "-machine xenfv,suppress-vmdesc=on -m 1016 -runas 200005:300000");
    CHECK(l.c.paused && l.c.restricted);
    CHECK_EQ(l.c.chardevs[0].fd, 23);
    CHECK_STR(l.c.chroot, "/var/run/xen/qemu-root-5");
    CHECK_STR(l.c.runas, "200005:300000");
    options_free(&l.c);
    parse_well(&l, HEAD, "-run-with chroot=/var/run/xen/qemu-root-5 "
               "-run-with user=200005:300000 -m 16");
    CHECK_STR(l.c.chroot, "/var/run/xen/qemu-root-5");
    CHECK_STR(l.c.runas, "200005:300000");
    options_free(&l.c);
}

TEST(example_g_without_its_kernel_has_two_serial_ports)
{
    struct line l;

    parse_well(&l, HEAD, "-name k -vnc none -display none -serial pty -serial file:/tmp/s2 "
               "-nographic -boot order=cda -net none -machine xenfv,suppress-vmdesc=on -m 1024");
    CHECK_EQ(l.c.serial_count, 2);
    CHECK_STR(l.c.serials[1], "file:/tmp/s2");
    options_free(&l.c);
}

TEST(the_probe_of_xen_4_20_needs_no_domain)
{
    struct line l;

    parse_well(&l, "-S -no-user-config -nodefaults -nographic -machine none,accel=xen",
               "-chardev socket,id=libxl-cmd,fd=7,server=on,wait=off "
               "-mon chardev=libxl-cmd,mode=control");
    CHECK_EQ(l.c.kind, MACHINE_NONE);
    CHECK(!l.c.have_domid);
    CHECK_EQ(l.c.chardevs[0].fd, 7);
    options_free(&l.c);
}

TEST(examples_whose_features_are_not_here_are_refused_by_the_word_that_asks)
{
    static const struct { const char *text, *says; } examples[] = {
        { "-vnc none -display none -device VGA,vgamem_mb=16 -boot order=cda -smp 2,maxcpus=4 "
          "-net none -machine pc,accel=xen,suppress-vmdesc=on -m 3056 -device ahci,id=ahci0 "
          "-drive file=/dev/vg0/a,if=none,id=ahcidisk-0,format=raw,cache=writeback",
          "-device ahci: AHCI is not supported yet; set hdtype=\"ide\"" }, /* (c) */
        { "-name s -vnc none -display none -device lsi53c895a -spice port=6000,tls-port=0",
          "-device lsi53c895a: SCSI disks are not supported yet" }, /* (d) */
        { "-spice port=6000,tls-port=0,addr=0.0.0.0", "-spice: spice is not supported" },
        { EXAMPLE_A "-incoming fd:27 -machine xenfv,suppress-vmdesc=on -m 1016",
          "-incoming fd:27: restore and migration are not supported yet" }, /* (f) */
        { "-name k -vnc none -display none -kernel /boot/vmlinuz -initrd /boot/initrd",
          "-kernel: direct kernel boot is not supported yet" }, /* (g) */
        { "-machine xenpv -m 512 -device e1000,netdev=n -netdev user,id=n",
          "-machine xenpv has no emulated devices" },
        { "-daemonize -m 512", "-daemonize is for backend processes" },
        { "-pidfile /run/x -m 512", "-pidfile is for backend processes" },
    };
    struct line l;

    for (unsigned i = 0; i < ARRAY_SIZE(examples); i++) {
        parse(&l, HEAD, examples[i].text);
        CHECK(l.rc < 0);
        CHECK_SAYS(l.err, examples[i].says);
        options_free(&l.c);
    }
}

/* (h) and (i), and how init scripts and driver domains start it. */
TEST(backend_processes_for_pv_and_pvh_guests_dom0_and_driver_domains)
{
    struct line l;

    parse_well(&l, HEAD, "-xen-attach -name p -vnc 127.0.0.1:0,password=on,to=99 -display none "
               "-machine xenpv -m 512");
    CHECK_EQ(l.c.kind, MACHINE_PV);
    CHECK(l.c.attach && !l.c.daemonize);
    options_free(&l.c);
    parse_well(&l, HEAD, "-vnc none -display none -nographic -machine xenpv -m 512");
    CHECK_EQ(l.c.kind, MACHINE_PV);
    options_free(&l.c);
    parse_well(&l, "", "-xen-domid 0 -xen-attach -name dom0 -nographic -M xenpv -daemonize "
               "-monitor /dev/null -serial /dev/null -parallel /dev/null -nodefaults "
               "-no-user-config -pidfile /run/xen/qemu-dom0.pid");
    CHECK_EQ(l.c.kind, MACHINE_PV);
    CHECK(l.c.daemonize);
    CHECK_STR(l.c.pidfile, "/run/xen/qemu-dom0.pid");
    CHECK_EQ(l.c.domid, 0);
    options_free(&l.c);
    parse_well(&l, "", "-xen-domid 3 -xen-attach -name domain-3 -nographic -M xenpv "
               "-monitor /dev/null -serial /dev/null -parallel /dev/null");
    CHECK_EQ(l.c.kind, MACHINE_PV);
    options_free(&l.c);
}

TEST(the_network_backend_is_a_device_in_words_alone)
{
    struct line l;

    parse_well(&l, HEAD, "-device xen-netback,rx-drain-ms=250 -machine xenfv -m 512");
    CHECK(l.c.netback);
    CHECK_EQ(l.c.netback_drain_ms, 250);
    CHECK_EQ(l.c.device_count, 0);
    options_free(&l.c);
    parse_well(&l, HEAD, "-machine xenfv -m 512");
    CHECK(!l.c.netback);
    options_free(&l.c);
}

/* ---- Single words ---- */

TEST(words_have_their_values)
{
    struct line l;

    parse_well(&l, HEAD, "-m 2G -parallel null -debugcon file:/tmp/d -k de -x-poll 0 -no-acpi "
               "-record /tmp/a,,b,size=100 "
               "-boot cd,menu=on -smp 3 -name \"a name, with commas\" --usb");
    CHECK_EQ(l.c.ram_mib, 2048);
    CHECK_STR(l.c.parallel, "null");
    CHECK_STR(l.c.debugcon, "file:/tmp/d");
    CHECK_STR(l.c.keymap, "de");
    CHECK_EQ(l.c.poll_window_us, 0);
    CHECK_STR(l.c.record, "/tmp/a,b");
    CHECK_EQ(l.c.record_bytes, 100 << 20);
    CHECK(!l.c.acpi && l.c.usb);
    CHECK_STR(l.c.boot, "cd");
    CHECK_EQ(l.c.cpus_most, 3);
    CHECK_STR(l.c.name, "a name, with commas");
    options_free(&l.c);
    parse_well(&l, HEAD, "-m size=512M -boot once=n,order=c -display vnc=:1 -parallel none");
    CHECK_EQ(l.c.ram_mib, 512);
    CHECK_STR(l.c.boot, "n");
    CHECK_STR(l.c.vnc, ":1");
    CHECK(l.c.parallel == NULL);
    options_free(&l.c);
}

TEST(a_doubled_comma_is_one_and_the_last_of_two_settings_counts)
{
    struct line l;

    parse_well(&l, HEAD, "-m 16 -drive file=/srv/a,,b.img,index=0,index=1");
    CHECK_STR(l.c.drives[0].file, "/srv/a,b.img");
    CHECK_EQ(l.c.drives[0].index, 1);
    options_free(&l.c);
}

TEST(drives_have_caches_discard_and_names_of_their_own)
{
    struct line l;

    parse_well(&l, HEAD, "-m 16 -drive file=a,index=1,cache=none,discard=unmap,serial=XYZ "
               "-drive media=cdrom,index=2 -drive file=b,index=3,cache=directsync,readonly=on "
               "-drive file=c,if=none,id=u,cache=unsafe -drive file=d,cache=writethrough,if=none,id=w");
    CHECK(l.c.drives[0].direct && l.c.drives[0].discard && !l.c.drives[0].writethrough);
    CHECK_STR(l.c.drives[0].serial, "XYZ");
    CHECK_STR(l.c.drives[0].id, "ide0-hd1");
    CHECK(l.c.drives[1].cdrom && l.c.drives[1].readonly);
    CHECK_STR(l.c.drives[1].id, "ide1-cd0");
    CHECK(l.c.drives[2].direct && l.c.drives[2].writethrough && l.c.drives[2].readonly);
    CHECK(l.c.drives[3].no_flush);
    CHECK(l.c.drives[4].writethrough && !l.c.drives[4].direct);
    options_free(&l.c);
}

TEST(qmp_is_short_for_a_chardev_and_a_monitor)
{
    struct line l;

    parse_well(&l, "-xen-domid 1 -m 16", "-qmp unix:/tmp/q,server,nowait "
               "-qmp unix:/tmp/r,server=on,wait=off");
    CHECK_EQ(l.c.monitor_count, 2);
    CHECK_EQ(l.c.chardev_count, 2);
    CHECK_STR(l.c.chardevs[0].path, "/tmp/q");
    CHECK(l.c.chardevs[0].server && !l.c.chardevs[0].wait);
    CHECK(l.c.chardevs[1].server && !l.c.chardevs[1].wait);
    CHECK_STR(l.c.monitors[1].chardev, l.c.chardevs[1].id);
    options_free(&l.c);
}

TEST(harmless_words_are_ignored_with_their_values)
{
    struct line l;

    parse_well(&l, "-xen-domid 1 -m 16", "-no-shutdown -no-reboot -nodefaults -no-user-config "
               "-nographic -monitor none -rtc base=utc -cpu host -uuid 1-2 -msg timestamp=on "
               "-audiodev none,id=x -D /tmp/log -d unimp -trace foo -no-hpet -no-fd-bootchk");
    CHECK_EQ(l.c.serial_count, 0);
    options_free(&l.c);
}

TEST(help_and_version_need_nothing_else)
{
    struct line l;

    parse_well(&l, "-help", "");
    CHECK(l.c.help);
    options_free(&l.c);
    parse_well(&l, "--version", "");
    CHECK(l.c.version && !l.c.help);
    options_free(&l.c);
    CHECK(strstr(options_help(), "  -drive ...\n"));
    CHECK(strstr(options_help(), "  -usb\n"));
    CHECK(!strstr(options_help(), "-kernel"));
    CHECK(strlen(options_help()) < 4095);
}

/* ---- What is wrong ---- */

static const struct wrong {
    const char *text, *says;
} wrongs[] = {
    { "-frobnicate", "-frobnicate: xen-dm knows no such option" },
    { "/srv/disk.img", "/srv/disk.img: xen-dm knows no such option" },
    { "-", "-: xen-dm knows no such option" },
    { "\"\"", "xen-dm knows no such option" },
    { "-m", "-m: its value is missing" },
    { "-xen-domid", "-xen-domid: its value is missing" },
    { "-xen-domid 32752", "32752 is not a number from 0 to 32751" },
    { "-xen-domid -1", "-1 is not a number" },
    { "-xen-domid \" 5\"", " 5 is not a number" },
    { "-xen-domid \" -18446744073709551615\"", "is not a number" },
    { "-xen-domid +5", "+5 is not a number" },
    { "-xen-domid five", "five is not a number" },
    { "-xen-domid 5x", "5x is not a number" },
    { "-xen-domid \"\"", "is not a number" },
    { "-xen-domid 99999999999999999999999", "is not a number" },
    { "-machine pc", "xen-dm has xenfv, pc,accel=xen and xenpv" },
    { "-machine q35", "-machine q35: xen-dm has xenfv" },
    { "-machine accel=xen", "no machine type; use xenfv" },
    { "-M isapc,accel=xen", "-M isapc" },
    { "-machine xenfv,igd-passthru=on", "igd-passthru=on is not supported; remove gfx_passthru" },
    { "-machine xenfv,usb=on", "knows no setting usb=" },
    { "-machine xenfv,igd-passthru=maybe", "igd-passthru=maybe is neither on nor off" },
    { "-machine xenfv,max-ram-below-4g=1", "whole pages from 1 GiB to 3.75 GiB" },
    { "-machine xenfv,max-ram-below-4g=4294967296", "is not a number from 0 to" },
    { "-machine xenfv,max-ram-below-4g=2684354561", "whole pages" },
    { "-m 0", "from 1 MiB to 16 TiB" },
    { "-m 0G", "from 1 MiB to 16 TiB" },
    { "-m 16777217", "is not a number from 0 to 16777216" },
    { "-m 17000G", "from 1 MiB to 16 TiB" },
    { "-m lots", "lots is not a number" },
    { "-m 1T", "1T is not a number" },
    { "-smp 0", "from 1 to maxcpus CPUs" },
    { "-smp 129", "129 is not a number from 0 to 128" },
    { "-smp 4,maxcpus=2", "from 1 to maxcpus CPUs" },
    { "-smp 4,dies=2", "knows no setting dies=" },
    { "-boot order=cx", "a letter that is no boot device" },
    { "-boot order=", "no boot device" },
    { "-boot order=c,reboot-timeout=1", "knows no setting reboot-timeout=" },
    { "-chardev pty", "id= is missing" },
    { "-chardev pty,id=", "id= is missing" },
    { "-chardev id=x", "of no kind" },
    { "-chardev spicevmc,id=vdagent", "xen-dm has no chardev spicevmc" },
    { "-chardev spicevmc,id=vdagent,name=vdagent", "xen-dm has no chardev spicevmc" },
    { "-chardev socket,id=x", "path=, port= or fd= is missing" },
    { "-chardev file,id=x", "path= is missing" },
    { "-chardev pipe,id=x", "path= is missing" },
    { "-chardev socket,id=x,path=/a,server=perhaps", "server=perhaps is neither on nor off" },
    { "-chardev socket,id=x,fd=-1", "-1 is not a number" },
    { "-chardev socket,id=x,path=/a,reconnect=never", "never is not a number" },
    { "-chardev socket,id=x,path=/a,tls-creds=t", "knows no setting tls-creds=" },
    { "-chardev null,id=x -chardev null,id=x", "there are two with id=x" },
    { "-mon chardev=x,mode=readline", "QMP monitors only" },
    { "-mon chardev=x", "QMP monitors only" },
    { "-mon chardev=nobody,mode=control", "there is no -chardev with id=nobody" },
    { "-qmp tcp:localhost:4444", "use unix:PATH" },
    { "-qmp unix:", "path=, port= or fd= is missing" },
    { "-serial pty -serial pty -serial pty -serial pty -serial pty", "a PC has four" },
    { "-display sdl", "by VNC only; set sdl=0 and vnc=1" },
    { "-display gtk", "by VNC only" },
    { "-drive file=a,index=4", "4 is not a number from 0 to 3" },
    { "-drive index=0", "a disk needs file=" },
    { "-drive file=a,if=scsi", "if=scsi is not supported yet; use an IDE disk" },
    { "-drive file=a,if=virtio", "if=virtio is not supported yet" },
    { "-drive file=a,if=none", "if=none needs an id=" },
    { "-drive file=a,media=tape", "neither disk nor cdrom" },
    { "-drive file=a,cache=sometimes", "cache=sometimes is not one of" },
    { "-drive file=a,discard=maybe", "neither unmap nor ignore" },
    { "-drive file=a,readonly=perhaps", "neither on nor off" },
    { "-drive file=a,index=0 -drive file=b,index=0", "two disks at IDE index 0 (such as hda and xvda)" },
    { "-drive file=a,if=none,id=d -drive file=b,if=none,id=d", "there are two with id=d" },
    { "-drive driver=quorum,if=ide,index=0", "knows no setting driver=" },
    { "-device", "-device: its value is missing" },
    { "-device id=x", "which device?" },
    { "-device ahci", "set hdtype=\"ide\"" },
    { "-device ac97", "sound is not supported yet; remove soundhw" },
    { "-device nec-usb-xhci,id=usb", "USB 3 is not supported yet; set usbversion=1" },
    { "-device virtio-net,netdev=n", "use model=e1000" },
    { "-device pcnet,netdev=n", "use model=e1000 or model=rtl8139" },
    { "-device e1000,id=n -device e1000,id=n", "there are two with id=n" },
    { "-netdev tap,id=n", "ifname= is missing" },
    { "-netdev tap,ifname=t", "type and id= are needed" },
    { "-netdev id=n", "type and id= are needed" },
    { "-netdev bridge,id=n", "xen-dm has tap and user" },
    { "-netdev tap,id=n,ifname=t,script=/etc/q", "script=/etc/q is not run" },
    { "-netdev user,id=n,hostfwd=tcp::1-:2", "knows no setting hostfwd=" },
    { "-netdev user,id=n -netdev user,id=n", "there are two with id=n" },
    { "-net nic,model=e1000", "use -netdev and -device" },
    { "-nic user", "use -netdev and -device" },
    { "-usbdevice host:1.2", "xen-dm has tablet, mouse and keyboard" },
    { "-chroot relative/dir", "must be an absolute path" },
    { "-runas \"\"", "give a user name, or UID:GID" },
    { "-run-with async-teardown=on", "knows no setting async-teardown=" },
    { "-incoming tcp:0:1", "restore and migration are not supported yet" },
    { "-x-poll 10001", "is not a number from 0 to 10000" },
    { "-x-reach maybe", "-x-reach: maybe is neither on nor off" },
    { "-device xen-netback,rx-drain-ms=soon", "is not a number from 0 to 600000" },
    { "-device xen-netback,backend=bridge", "is not tap or user" },
    { "-device xen-netback,queues=4", "knows no setting queues=" },
    { "-record ,size=20", "the name of the file to record in is missing" },
    { "-record f,size=5000", "is not a number from 0 to 4096" },
    { "-record f,max=5", "knows no setting max=" },
    { "-hda x.img", "use -drive file=PATH,if=ide,index=0" },
    { "-cdrom x.iso", "media=cdrom" },
    { "-enable-kvm", "xen-dm runs on Xen only" },
    { "-bios x", "set bios= in xl.cfg" },
    { "-global e1000.mac=x", "given to -device itself" },
    { "-global xen-disk.werror=perhaps", "not one of report, ignore, stop, enospc" },
    { "-global xen-disk", "given to -device itself" },
    { "-global xen-disk.l2-cache-size=2G", "is not a number from 0 to 1073741824" },
    { "-object iothread,id=x", "COLO and iothread" },
    { "-soundhw hda", "remove soundhw" },
};

TEST(every_wrong_line_has_its_sentence)
{
    struct line l;

    CHECK(ARRAY_SIZE(wrongs) >= 60);
    for (const struct wrong *w = wrongs; w < wrongs + ARRAY_SIZE(wrongs); w++) {
        parse(&l, HEAD "-m 16", w->text);
        if (!l.rc)
            print_error("taken: %s\n", w->text);
        CHECK(l.rc < 0);
        CHECK_SAYS(l.err, w->says);
        options_free(&l.c);
    }
}

TEST(without_a_domain_or_memory_the_line_is_refused)
{
    struct line l;

    parse(&l, "-m 16", "");
    CHECK_SAYS(l.err, "-xen-domid is missing");
    options_free(&l.c);
    parse(&l, "-xen-domid 5", "");
    CHECK_SAYS(l.err, "-m is missing");
    options_free(&l.c);
}

TEST(more_than_there_is_room_for_is_refused)
{
    static const struct { const char *word; int times; const char *says; } many[] = {
        { "-device e1000", DEVICES_MOST, "more than 32 -device" },
        { "-usbdevice mouse", USB_MOST, "more than 8 USB devices" },
        { "-mon x,mode=control", MONITORS_MOST, "more than 8 -mon" },
    };
    struct line l;

    for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
        char text[2048] = "-chardev null,id=x -m 16 ";

        for (int n = 0; n <= many[i].times; n++)
            strcat(strcat(text, many[i].word), " ");
        parse(&l, "-xen-domid 1", text);
        CHECK(l.rc < 0);
        CHECK_SAYS(l.err, many[i].says);
        options_free(&l.c);
    }
}

TEST(numbered_things_beyond_their_bounds_are_refused)
{
    static const struct { const char *format; int most; const char *says; } many[] = {
        { "-chardev null,id=c%d ", CHARDEVS_MOST, "more than 32 -chardev" },
        { "-netdev user,id=n%d ", NETDEVS_MOST, "more than 16 -netdev" },
        { "-drive if=none,id=d%d ", DRIVES_MOST, "more than 8 -drive" },
    };
    struct line l;

    for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
        char text[2048] = "";

        for (int n = 0; n <= many[i].most; n++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), many[i].format, n);
        parse(&l, "-xen-domid 1 -m 16", text);
        CHECK(l.rc < 0);
        CHECK_SAYS(l.err, many[i].says);
        options_free(&l.c);
    }
}

TEST(a_value_or_a_list_too_long_is_refused)
{
    static char value[5000];
    char *argv[] = { "xen-dm", "-name", value };
    struct machine_config c;
    struct error err = { "" };
    char list[256] = "e1000";

    memset(value, 'x', sizeof(value) - 1);
    CHECK(options_parse(&c, 3, argv, &err) < 0);
    CHECK_SAYS(err, "longer than 4096");
    options_free(&c);
    for (unsigned i = 0; i < 25; i++)
        snprintf(list + strlen(list), 8, ",a%u=1", i);
    argv[1] = "-device";
    argv[2] = list;
    CHECK(options_parse(&c, 3, argv, &err) < 0);
    CHECK_SAYS(err, "more than 24 settings");
    options_free(&c);
}

TEST(random_lines_are_parsed_or_refused_with_a_sentence)
{
    static const char *const pieces[] = {
        "-xen-domid", "-m", "-drive", "-device", "-netdev", "-chardev", "-mon", "-smp", "-boot",
        "-machine", "-qmp", "-serial", "-vnc", "-run-with", "-usb", "-usbdevice", "-x-poll", "5",
        "16", "file=a,,b,if=ide,index=1", "e1000,id=x,netdev=y", "tap,id=y,ifname=t", ",", ",,",
        "=", ",=,", "a=b=c", "socket,id=z,path=/x,server,nowait", "xenfv", "pc,accel=xen", "",
        "unix:/x,server", "id=", "fd=7", "none", "4,maxcpus=", "0x10", "order=cd", "tablet",
        "null,id=,,", "size=size=1", "\xff\xfe", "chardev=z,mode=control", "if=none,id=q",
    };
    uint32_t x = 1;
    unsigned taken = 0;

    for (unsigned i = 0; i < 50000; i++) {
        struct machine_config c;
        struct error err = { "" };
        char *argv[16] = { "xen-dm" }, mixed[64];
        int argc = 1 + (int)((x = x * 1664525 + 1013904223) >> 16) % 12, rc;

        for (int a = 1; a < argc; a++)
            argv[a] = (char *)pieces[((x = x * 1664525 + 1013904223) >> 16) % ARRAY_SIZE(pieces)];
        if (argc > 3 && i % 3 == 0) { /* and one that nobody thought of */
            for (unsigned j = 0; j < 20; j++)
                mixed[j] = (char)("abc=,-:0159 /.\x80"[((x = x * 1664525 + 1013904223) >> 16) % 15]);
            mixed[20] = 0;
            argv[2] = mixed;
        }
        if (i % 2) {
            argv[argc++] = "-xen-domid";
            argv[argc++] = "7";
        }
        rc = options_parse(&c, argc, argv, &err);
        CHECK(rc == 0 || *err.text);
        taken += rc == 0;
        options_free(&c);
    }
    CHECK(taken > 0);
}
