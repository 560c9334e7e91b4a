/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Debian's xenstored asks of Xen, answered as on a host where nobody speaks to it by ring: its
 * clients come by socket. Preloaded into xenstored alone. Domains are alive; the rings it maps are
 * pages of its own; no event ever comes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define PORT "1" /* dom0's, in /proc/xen/xsd_port */

static int handle = -1; /* an eventfd that nobody writes; its address stands for every handle */

xc_interface *xc_interface_open(xentoollog_logger *log, xentoollog_logger *dombuild, unsigned flags)
{
    return (xc_interface *)(void *)&handle;
}

int xc_interface_close(xc_interface *xc)
{
    return 0;
}

int xc_domain_getinfo(xc_interface *xc, uint32_t first, unsigned most, xc_dominfo_t *info)
{
    memset(info, 0, sizeof(*info));
    info->domid = first;
    return 1;
}

xenevtchn_handle *xenevtchn_open(xentoollog_logger *log, unsigned flags)
{
    handle = eventfd(0, EFD_CLOEXEC);
    return handle < 0 ? NULL : (xenevtchn_handle *)(void *)&handle;
}

xenevtchn_handle *xenevtchn_fdopen(xentoollog_logger *log, int fd, unsigned flags)
{
    return xenevtchn_open(log, flags);
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
    return handle;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid,
                                                     evtchn_port_t remote)
{
    static int last;

    return ++last;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned virq)
{
    return 1000;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
    return 0;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
    return -1;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *log, unsigned flags)
{
    return (xengnttab_handle *)(void *)&handle;
}

int xengnttab_close(xengnttab_handle *xgt)
{
    return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t count)
{
    return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int prot)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *addr, uint32_t count)
{
    return munmap(addr, (size_t)count * 4096);
}

/* The two files by which dom0's kernel says where its own ring is. */
static int special(const char *path)
{
    int ends[2], fd = -1;

    if (!strcmp(path, "/proc/xen/xsd_port") && pipe2(ends, O_CLOEXEC) == 0) {
        if (write(ends[1], PORT, sizeof(PORT) - 1) > 0)
            fd = ends[0];
        close(ends[1]);
    } else if (!strcmp(path, "/proc/xen/xsd_kva")) {
        fd = memfd_create("xsd_kva", MFD_CLOEXEC);
        if (fd >= 0 && ftruncate(fd, 4096) < 0) {
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

int open(const char *path, int flags, ...)
{
    static int (*next)(const char *path, int flags, ...);
    int fd = special(path);
    va_list args;
    mode_t mode;

    if (fd >= 0)
        return fd;
    va_start(args, flags);
    mode = flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;
    va_end(args);
    if (!next)
        next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return next(path, flags, mode);
}
