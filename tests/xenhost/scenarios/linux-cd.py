# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# Linux boots from CD on emulated devices only and gives a shell on its serial line. The shortest
# scenario, and the first to try.
from guest import Guest, guest_cd
from scenario import check_equal, main, say


def run():
    guest = Guest(disk=["%s,raw,hdc,cdrom" % guest_cd()], vga="stdvga")
    guest.create()
    guest.wait_ready()
    say("guest: %s" % guest.sh("cat /proc/version").split("(")[0])
    check_equal(guest.sh("echo $((6 * 7))"), "42", "the shell's answer")
    guest.destroy()


main(run)
