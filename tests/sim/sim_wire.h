/* SPDX-License-Identifier: Apache-2.0 */
/* A cable with several stations on it, on virtual time: frames are lost, doubled, delayed,
 * overtaken, flipped and held back as the profile and the seed say. Frames in flight are plain
 * memory, so the pools of both ends can be balanced. */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include "net.h"
#include "sim_random.h"

#define SIM_STATIONS 6

/* All chances per mille and frame. */
struct sim_weather {
	uint32_t loss, duplicate, reorder, corrupt;
	hd_ns delay, jitter;
	hd_ns cut_every, cut_for; /* partitions: about so often, about so long; 0: never */
	uint32_t mbit;		  /* of each sender, with a queue of 100 frames; 0: endless */
};

struct sim_wire;

struct sim_wire *sim_wire_create(const char *name, const struct sim_weather *w, uint64_t seed);
void sim_wire_destroy(struct sim_wire *w);

/* Adds a station with MAC 02:00:00:00:<wire>:<index>; rx allocates from pool. */
void sim_wire_attach(struct sim_wire *w, struct rte_mempool *pool, struct net_device *out);
/* No more weather: what is still to come arrives. */
void sim_wire_calm(struct sim_wire *w);
void sim_wire_set_time(struct sim_wire *w, hd_ns now);
/* When the next frame arrives, HD_NS_NEVER: none is in flight. */
hd_ns sim_wire_next(const struct sim_wire *w);
/* Of everything that was delivered so far, with its time. */
uint64_t sim_wire_hash(const struct sim_wire *w);
uint64_t sim_wire_frames(const struct sim_wire *w);
/* One line for each frame on stdout. */
void sim_wire_trace(struct sim_wire *w, int on);

#endif
