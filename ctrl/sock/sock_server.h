/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: JSON lines over a Unix stream socket, mode 0600. What it does is in
 * docs/control-socket.md. Control thread; never waits for a client. */
#ifndef SOCK_SERVER_H
#define SOCK_SERVER_H

#include "sock_host.h"

struct sock_server;

/* The host must outlive the server. A socket file that nobody answers is replaced; one that a
 * daemon answers is not: -EADDRINUSE. On failure error has one line that says what to do. */
[[nodiscard]] int sock_server_open(const char *path, const struct sock_host *host,
				   struct sock_server **out, char *error, size_t error_bytes);
void sock_server_close(struct sock_server *s);
/* Readable when sock_server_run has something to do. */
int sock_server_fd(const struct sock_server *s);
/* A request that ended: clients that tap see it. */
void sock_server_see(struct sock_server *s, const struct hd_access_record *record);
void sock_server_run(struct sock_server *s, hd_ns now);
/* Ten times a second or so: answers that workers prepare, clients that went silent. */
void sock_server_tick(struct sock_server *s, hd_ns now);

#endif
