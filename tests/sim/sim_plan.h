/* SPDX-License-Identifier: Apache-2.0 */
/* What every request of a run asks and how its backend answers. Caller and backend derive it from
 * the seed and the request's number, so each knows all bytes that the other must send. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "sim_random.h"
#include "sim_wire.h"

#define SIM_MAX_REQUESTS 1024

struct sim_profile {
	const char *name;
	struct sim_weather front, back; /* callers' wire, backends' wire */
	uint32_t faults;		/* backends misbehave, per mille of requests */
	uint32_t shuts; /* backends accept and close at once, per mille of connections */
	uint32_t aborts;		/* callers give up, per mille of connections */
	uint32_t slow;			/* callers read slowly, per mille of connections */
	uint32_t callers;		/* connections of a run */
	int lossy;			/* connecting may fail by chance */
	int cut;			/* everything may fail by chance */
	int offsets;	  /* every answer ends early: each byte of a small one has its turn */
	int tls;	  /* mutual, on both sides */
	uint32_t starved; /* buffers that the worker has, and up to as many more; 0: plenty */
};

enum sim_fault {
	SIM_NO_FAULT,
	SIM_RESET_AT_HEAD,    /* when the request's head is there */
	SIM_RESET_UNANSWERED, /* when the request is there */
	SIM_CLOSE_UNANSWERED,
	SIM_GARBAGE,	/* an answer that no strict reader takes */
	SIM_RESET_AMID, /* within the answer */
	SIM_CLOSE_AMID,
	/* What the proxy must survive without a loss for anybody: */
	SIM_SURPLUS,	/* bytes behind the answer */
	SIM_IDLE_DATA,	/* bytes while idle */
	SIM_IDLE_CLOSE, /* the connection closes soon after the answer, unannounced */
	SIM_IDLE_RESET,
	SIM_IDLE_ANSWER, /* a whole answer while idle, and it serves on */
	SIM_N_FAULTS
};

enum sim_framing { SIM_LENGTH, SIM_CHUNKED, SIM_UNTIL_CLOSE, SIM_EMPTY };

struct sim_plan {
	const char *method;
	uint32_t request_bytes, answer_bytes;
	enum sim_framing request_framing, answer_framing;
	uint16_t status;
	uint8_t expect;	 /* "Expect: 100-continue" */
	uint8_t interim; /* 103 first */
	uint8_t close;	 /* the answer says "connection: close" */
	enum sim_fault fault;
	uint32_t fault_at; /* SIM_*_AMID: bytes of the answer that are sent */
	hd_ns delay, idle;
};

/* How the caller fared. */
enum sim_outcome {
	SIM_PENDING,
	SIM_ANSWERED,	/* whole, by the backend */
	SIM_LOCAL,	/* the proxy's own error */
	SIM_CUT,	/* begun and ended by a close */
	SIM_UNANSWERED, /* its connection was closed before */
	SIM_GIVEN_UP,	/* by the caller */
};

struct sim_request {
	struct sim_plan plan;
	enum sim_outcome outcome;
	uint16_t status;
	uint32_t connection;   /* number of the first request on its connection */
	uint8_t records;       /* in the access log */
	uint8_t poisoned;      /* came on a backend connection that had brought surplus bytes */
	uint8_t timed_out;     /* SIM_LOCAL that speaks of a timeout */
	uint8_t heads, wholes; /* seen by backends */
	uint8_t reset_after;   /* a backend reset the connection after it had seen the head */
};

void sim_plan_make(struct sim_plan *p, const struct sim_profile *profile, uint64_t seed,
		   uint32_t id);

/* Body bytes of a request (side 0) or its answer (side 1), from an offset. */
void sim_body(uint64_t seed, uint32_t id, int side, uint64_t offset, uint8_t *out, uint32_t n);

#endif
