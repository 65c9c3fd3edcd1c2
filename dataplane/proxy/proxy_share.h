/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of requests: faults and mirrors. */
#ifndef PROXY_SHARE_H
#define PROXY_SHARE_H

#include <heddle/snapshot.h>

#include "proxy_random.h"

#define PROXY_MILLION 1000000

/* Whether this request is one of those. Of any n in a row n x per_million / 10^6 are, to one: each
 * stretch that holds one has it at a random place, so that two shares know nothing of each other.
 */
static inline int proxy_share_draw(struct hd_die *d, uint32_t per_million,
				   struct proxy_random *random)
{
	uint32_t at = d->at, to = at + per_million;

	if (per_million >= PROXY_MILLION)
		return 1;
	if (!d->is_cast) {
		d->is_cast = 1;
		d->target = proxy_random_below(random, PROXY_MILLION);
	}
	d->owed += at <= d->target && d->target < to;
	if (to >= PROXY_MILLION) {
		to -= PROXY_MILLION;
		d->target = proxy_random_below(random, PROXY_MILLION);
		d->owed += d->target < to;
	}
	d->at = to;
	if (d->owed == 0)
		return 0;
	d->owed--;
	return 1;
}

#endif
