/* SPDX-License-Identifier: Apache-2.0 */
/* How an idle worker waits (`idle: adaptive`): spin a little, then sleep in the kernel until a packet, a kick of ctrl or
 * the next timer. The packet comes by a packet socket or by a
 * receive interrupt; a device that has neither is looked at every 50 us instead. */
#ifndef WORKER_IDLE_H
#define WORKER_IDLE_H

#include <poll.h>
#include <stdatomic.h>

#include <heddle/node.h>

#define WORKER_IDLE_MAX_FDS (HD_MAX_PORTS * 4)

/* A receive queue that interrupts while it is armed, and then makes its file readable. So its driver says: some never do
 * (DPDK's for the 82574 among them), so each is slept on for long only after it has ended a sleep. */
struct worker_idle_interrupt {
	uint32_t fd; /* index in worker_idle.fds */
	int is_proven;
	void (*arm)(void *port, uint32_t queue, int armed);
	void *port;
	uint32_t queue;
};

struct worker_idle {
	struct pollfd fds[1 + WORKER_IDLE_MAX_FDS]; /* first: the kick */
	uint32_t n_fds;
	struct worker_idle_interrupt interrupts[HD_MAX_PORTS];
	uint32_t n_interrupts;
	int has_deaf_port;	/* one that no file announces packets of */
	int slept_whole;	/* nothing ended the last sleep but its own length */
	uint32_t missed;	/* such sleeps, and then there was work: in a row */
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

/* A receive queue of a port is announced by an interrupt: fd becomes readable (an eventfd, non-blocking) when frames come
 * while it is armed. arm: called by the worker. */
void worker_idle_add_interrupt(struct worker_idle *i, int fd, void (*arm)(void *port, uint32_t queue, int armed), void *port,
			       uint32_t queue);

/* After each turn. Sleeps when the turns have done nothing for a while, at most until deadline. */
void worker_idle_after_turn(struct worker_idle *i, int busy, hd_ns now, hd_ns deadline);
/* Any thread, after it has put something where the worker's turn looks: ends its sleep if it sleeps. */
void worker_idle_kick(struct worker_idle *i);

#endif
