/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_LOG_H
#define DM_BASE_LOG_H

/*
 * One line on stderr, which libxl has pointed at /var/log/xen/qemu-dm-NAME.log. Any thread.
 * The log is bounded (XSA-180): log_guest() is for what a guest can cause, and is limited both in
 * rate and in total; the others are for what happens a few times in a life.
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_guest(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes log_guest() may write in all; 0 silences it. The default is 1 MiB. */
void log_guest_limit(unsigned long bytes);
#endif
