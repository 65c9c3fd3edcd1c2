/* SPDX-License-Identifier: Apache-2.0 */
/* Answers from 500 on, and streams that ended so, which Heddle made itself: what they have in
 * common, how many there were, and the last of each kind. From the workers' access records. Control
 * thread. */
#ifndef OBSERVE_FAILURES_H
#define OBSERVE_FAILURES_H

#include <heddle/msg.h>

#define OBSERVE_FAILURES 512 /* kinds; what comes later is counted and not told apart */

struct observe_failure {
	/* What they have in common. */
	uint32_t flags; /* hd_response_flag */
	uint32_t source_line;
	uint16_t status;					       /* 0: a stream */
	char details[HD_ACCESS_DETAILS + 1], cluster[129], source[65]; /* terminated */
	/* What happened. */
	uint64_t count;
	hd_ns first_wall, last_wall;  /* UTC */
	struct hd_addr last_endpoint; /* port 0: none was chosen */
	char last_request[200];	      /* "GET api.default/users", cut */
	uint32_t hash;
};

struct observe_failures {
	uint32_t n;
	uint64_t lost;
	uint16_t table[2 * OBSERVE_FAILURES]; /* index + 1 */
	struct observe_failure rows[OBSERVE_FAILURES];
};

/* Zero at first. Records that are no failure of this kind change nothing. */
void observe_failures_count(struct observe_failures *f, const struct hd_access_record *r);
/* What happened, in words, and what to do next. Static text. */
const char *observe_failure_cause(const struct observe_failure *f);
const char *observe_failure_advice(const struct observe_failure *f);

#endif
