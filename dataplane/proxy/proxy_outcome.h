/* SPDX-License-Identifier: Apache-2.0 */
/* What came of tries, for ctrl/health to judge endpoints by. */
#ifndef PROXY_OUTCOME_H
#define PROXY_OUTCOME_H

#include "proxy_reply.h"

struct proxy;
struct proxy_exchange;

enum proxy_outlier {
	PROXY_OUTLIER_OFF,
	PROXY_OUTLIER_5XX,   /* errors are answers from 500 on */
	PROXY_OUTLIER_CODES, /* the rule lists them */
};

/* A final answer's head lies parsed in p->head over bytes. */
void proxy_outcome_answer(struct proxy *p, const struct proxy_exchange *x, const uint8_t *bytes);
/* A stream has its connection. */
void proxy_outcome_connected(struct proxy *p, const struct proxy_exchange *x);
/* The request's timeout ended a try. */
void proxy_outcome_timeout(struct proxy *p, const struct proxy_exchange *x);
/* The backend went away in the middle of its answer's body. */
void proxy_outcome_cut(struct proxy *p, const struct proxy_exchange *x);
/* A try came to nothing; x->up is still what it was sent on, NULL when it was not. */
void proxy_outcome_failed(struct proxy *p, const struct proxy_exchange *x, enum proxy_failure why);

#endif
