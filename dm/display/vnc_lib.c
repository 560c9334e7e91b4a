/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads libvncserver, and makes it ready for threads. */
#include "dm/display/vnc_lib.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"

#define LIBRARY "libvncserver.so.1"

static void *load_library(struct error *err)
{
    void *handle = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);

    if (!handle)
        error_set(err, -ENOENT, "VNC needs libvncserver (Debian: libvncserver1): %s", dlerror());
    return handle;
}

int vnc_lib_present(struct error *err)
{
    if (access(VNC_LIBDIR "/" LIBRARY, R_OK) == 0)
        return 0;
    return load_library(err) ? 0 : -ENOENT; /* somewhere else: the loader knows where */
}

static int load_names(struct vnc_lib *lib, struct error *err)
{
    const struct {
        void **slot;
        const char *name;
    } names[] = {
        { (void **)&lib->GetScreen, "rfbGetScreen" },
        { (void **)&lib->ScreenCleanup, "rfbScreenCleanup" },
        { (void **)&lib->NewClient, "rfbNewClient" },
        { (void **)&lib->CheckFds, "rfbCheckFds" },
        { (void **)&lib->UpdateClient, "rfbUpdateClient" },
        { (void **)&lib->ProcessClientMessage, "rfbProcessClientMessage" },
        { (void **)&lib->NewFramebuffer, "rfbNewFramebuffer" },
        { (void **)&lib->MarkRectAsModified, "rfbMarkRectAsModified" },
        { (void **)&lib->EncryptBytes, "rfbEncryptBytes" },
        { (void **)&lib->LogEnable, "rfbLogEnable" },
        { (void **)&lib->SetTranslateFunction, "rfbSetTranslateFunction" },
        { (void **)&lib->RegisterProtocolExtension, "rfbRegisterProtocolExtension" },
        { (void **)&lib->UnregisterProtocolExtension, "rfbUnregisterProtocolExtension" },
        { (void **)&lib->ReadExact, "rfbReadExact" },
        { (void **)&lib->WriteExact, "rfbWriteExact" },
        { (void **)&lib->ClientConnectionGone, "rfbClientConnectionGone" },
        { (void **)&lib->RgnEmpty, "sraRgnEmpty" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        *names[i].slot = dlsym(lib->handle, names[i].name);
        if (!*names[i].slot)
            return error_set(err, -ENOENT, "VNC: libvncserver has no %s; it must be 0.9.13 or newer",
                             names[i].name);
    }
    return 0;
}

rfbScreenInfoPtr vnc_lib_screen(const struct vnc_lib *lib, unsigned width, unsigned height)
{
    size_t size = MAX(malloc_usable_size(lib->pattern), sizeof(*lib->pattern));
    rfbScreenInfoPtr screen = calloc(1, size);

    if (!screen)
        return NULL;
    memcpy(screen, lib->pattern, malloc_usable_size(lib->pattern));
    pthread_mutex_init(&screen->cursorMutex, NULL);
    screen->width = (int)width;
    screen->height = (int)height;
    screen->paddedWidthInBytes = (int)width * 4;
    return screen;
}

static rfbBool nobody(rfbClientPtr cl, const char *response, int len)
{
    return FALSE;
}

/*
 * The library puts its security type on a global list when the first client says hello, without a
 * lock: let that client be one of ours, now, while there is one thread.
 */
static void say_hello(struct vnc_lib *lib, bool password)
{
    static const char hello[] = "RFB 003.008\n";
    rfbScreenInfoPtr screen = vnc_lib_screen(lib, 16, 16);
    static char pixels[16 * 16 * 4];
    int ends[2];

    if (!screen)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) {
        screen->frameBuffer = pixels;
        screen->authPasswdData = password ? pixels : NULL;
        screen->passwordCheck = nobody;
        if (write(ends[1], hello, sizeof(hello) - 1) == sizeof(hello) - 1) {
            rfbClientPtr cl = lib->NewClient(screen, ends[0]); /* closes it when it is gone */

            if (cl)
                lib->ProcessClientMessage(cl);
        } else {
            close(ends[0]);
        }
        close(ends[1]);
    }
    lib->ScreenCleanup(screen);
}

int vnc_lib_open(struct vnc_lib *lib, rfbProtocolExtension *extension, bool password,
                 struct error *err)
{
    int rc;

    memset(lib, 0, sizeof(*lib));
    lib->handle = load_library(err);
    if (!lib->handle)
        return -ENOENT;
    rc = load_names(lib, err);
    if (rc < 0) {
        dlclose(lib->handle);
        lib->handle = NULL;
        return rc;
    }
    lib->LogEnable(FALSE); /* a client could fill our log with it */
    lib->RegisterProtocolExtension(extension);
    lib->pattern = lib->GetScreen(NULL, NULL, 640, 480, 8, 3, 4);
    if (!lib->pattern)
        return error_set(err, -ENOMEM, "VNC: out of memory");
    say_hello(lib, password);
    return 0;
}

void vnc_lib_close(struct vnc_lib *lib, rfbProtocolExtension *extension)
{
    if (!lib->handle)
        return;
    lib->UnregisterProtocolExtension(extension);
    if (lib->pattern)
        lib->ScreenCleanup(lib->pattern);
    /* stays loaded: its own dependencies do not all survive being unloaded */
    lib->handle = NULL;
}
