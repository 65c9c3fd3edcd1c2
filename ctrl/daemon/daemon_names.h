/* SPDX-License-Identifier: Apache-2.0 */
/* Names between the policy that wants them and the resolver that knows them. */
#ifndef DAEMON_NAMES_H
#define DAEMON_NAMES_H

#include "policy.h"
#include "sock_host.h"
#include "source_names.h"

/* What policy asks of it. */
struct policy_resolver names_resolver(struct source_names *s);
/* The names of a snapshot are wanted from now on. */
void names_want(struct source_names *s, const struct hd_snapshot *snapshot, hd_ns now);
/* Takes what came and says which names began to fail. True: addresses changed. */
int names_run(struct source_names *s, hd_ns now);
/* Before there is traffic: until every name has an answer of some kind, or so long. True as above. */
int names_await(struct source_names *s, hd_ns patience);
/* The i-th, for the control socket. 0: there are no more. */
int names_row(const struct source_names *s, uint32_t i, hd_ns now, struct sock_name *out);

#endif
