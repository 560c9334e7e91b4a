/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_VNC_LIB_H
#define DM_DISPLAY_VNC_LIB_H
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>
#include <stdbool.h>
struct error;

/*
 * libvncserver, loaded at run time: its functions under their own names. A client of ours has a
 * screen of its own in the library, so nothing of the library's is shared between threads but its
 * lists of extensions and security types, which vnc_lib_open() fills once and for all.
 */
struct vnc_lib {
    void *handle;
    rfbScreenInfoPtr pattern; /* see vnc_lib_screen() */
    __typeof__(rfbGetScreen) *GetScreen;
    __typeof__(rfbScreenCleanup) *ScreenCleanup;
    __typeof__(rfbNewClient) *NewClient;
    __typeof__(rfbCheckFds) *CheckFds;
    __typeof__(rfbUpdateClient) *UpdateClient;
    __typeof__(rfbProcessClientMessage) *ProcessClientMessage;
    __typeof__(rfbNewFramebuffer) *NewFramebuffer;
    __typeof__(rfbMarkRectAsModified) *MarkRectAsModified;
    __typeof__(rfbEncryptBytes) *EncryptBytes;
    __typeof__(rfbLogEnable) *LogEnable;
    __typeof__(rfbSetTranslateFunction) *SetTranslateFunction;
    __typeof__(rfbRegisterProtocolExtension) *RegisterProtocolExtension;
    __typeof__(rfbUnregisterProtocolExtension) *UnregisterProtocolExtension;
    __typeof__(rfbReadExact) *ReadExact;
    __typeof__(rfbWriteExact) *WriteExact;
    __typeof__(rfbClientConnectionGone) *ClientConnectionGone;
    __typeof__(sraRgnEmpty) *RgnEmpty;
};

int vnc_lib_present(struct error *err); /* that it is installed, without loading it */
/* Blocks for milliseconds. The extension is registered for as long as the library is open. */
int vnc_lib_open(struct vnc_lib *lib, rfbProtocolExtension *extension, bool password,
                 struct error *err);
/* rfbGetScreen() for any thread: the library's sets up a lock of all screens each time. */
rfbScreenInfoPtr vnc_lib_screen(const struct vnc_lib *lib, unsigned width, unsigned height);
void vnc_lib_close(struct vnc_lib *lib, rfbProtocolExtension *extension);
#endif
