/* SPDX-License-Identifier: Apache-2.0 */
/* What operators said about single endpoints: out of rotation until they say otherwise. By address,
 * so that it holds for every cluster the address is in, and over reloads. Control thread. */
#ifndef HEALTH_OVERRIDE_H
#define HEALTH_OVERRIDE_H

#include <heddle/dp.h>

#define HEALTH_MAX_OVERRIDES 1024

struct health_overrides {
	uint32_t n;
	struct {
		struct hd_addr addr;
		uint8_t health; /* hd_endpoint_health */
	} rows[HEALTH_MAX_OVERRIDES];
};

/* HD_EP_HEALTHY forgets the address. -ENOSPC when too many have one. */
[[nodiscard]] int health_override_set(struct health_overrides *h, const struct hd_addr *addr,
				      uint8_t health);
/* HD_EP_HEALTHY when nothing was said. */
uint8_t health_override_get(const struct health_overrides *h, const struct hd_addr *addr);

#endif
