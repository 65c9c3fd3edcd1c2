/* SPDX-License-Identifier: Apache-2.0 */
#include "health_override.h"

#include <errno.h>

static uint32_t row_find(const struct health_overrides *h, const struct hd_addr *addr)
{
	uint32_t i = 0;

	while (i < h->n &&
	       (h->rows[i].addr.port != addr->port || !hd_ip_eq(&h->rows[i].addr.ip, &addr->ip)))
		i++;
	return i;
}

int health_override_set(struct health_overrides *h, const struct hd_addr *addr, uint8_t health)
{
	uint32_t i = row_find(h, addr);

	if (health == HD_EP_HEALTHY) {
		if (i < h->n)
			h->rows[i] = h->rows[--h->n];
		return 0;
	}
	if (i == HEALTH_MAX_OVERRIDES)
		return -ENOSPC;
	if (i == h->n)
		h->rows[h->n++].addr = *addr;
	h->rows[i].health = health;
	return 0;
}

uint8_t health_override_get(const struct health_overrides *h, const struct hd_addr *addr)
{
	uint32_t i = row_find(h, addr);

	return i < h->n ? h->rows[i].health : HD_EP_HEALTHY;
}
