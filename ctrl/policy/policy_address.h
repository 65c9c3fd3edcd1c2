/* SPDX-License-Identifier: Apache-2.0 */
/* What an address can be used for. */
#ifndef POLICY_ADDRESS_H
#define POLICY_ADDRESS_H

#include <heddle/addr.h>

/* Why no host can have it ("is a loopback address"), or NULL. */
const char *policy_address_wrong(const struct hd_ip *ip);
/* The same with a subnet: also its own and its broadcast address. */
const char *policy_address_wrong_in(const struct hd_prefix *subnet);

/* The first address of a subnet. */
struct hd_ip policy_prefix_network(const struct hd_prefix *p);
int policy_prefix_overlaps(const struct hd_prefix *a, const struct hd_prefix *b);

#endif
