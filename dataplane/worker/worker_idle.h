/* SPDX-License-Identifier: Apache-2.0 */
/* How an idle worker waits (`idle: adaptive`): spin a little, then sleep in the kernel until a packet, a kick of ctrl or
 * the next timer. Devices without a file to poll are looked at every 50 us instead. */
#ifndef WORKER_IDLE_H
#define WORKER_IDLE_H

#include <poll.h>
#include <stdatomic.h>

#include <heddle/node.h>

#define WORKER_IDLE_MAX_FDS (HD_MAX_PORTS * 4)

struct worker_idle {
	struct pollfd fds[1 + WORKER_IDLE_MAX_FDS]; /* first: the kick */
	uint32_t n_fds;
	int has_deaf_port;	/* one that no file announces packets of */
	hd_ns idle_since;	/* 0: the last turn was busy */
	_Atomic int asleep;	/* or about to sleep after one more turn. Writer: the worker; reader: who kicks */
};

/* 0 or a negative errno. */
[[nodiscard]] int worker_idle_init(struct worker_idle *i);
void worker_idle_fini(struct worker_idle *i);

/* The sockets (af_packet, af_xdp) that this process has open, to tell a port's by what its opening adds. Returns how many. */
uint32_t worker_idle_list_sockets(int *fds, uint32_t capacity);
/* A port's receive queue is announced by these sockets; none: by nothing. */
void worker_idle_add_port(struct worker_idle *i, const int *fds, uint32_t n);

/* After each turn. Sleeps when the turns have done nothing for a while, at most until deadline. */
void worker_idle_after_turn(struct worker_idle *i, int busy, hd_ns now, hd_ns deadline);
/* Any thread, after it has put something where the worker's turn looks: ends its sleep if it sleeps. */
void worker_idle_kick(struct worker_idle *i);

#endif
