/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint eject, drain and admit: an operator takes a backend out of rotation, and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sock_command.h"
#include "sock_policy.h"

/* "10.2.0.2:80" or "[fd00::2]:80". 0 or -EINVAL. */
static int addr_parse(const char *text, struct hd_addr *a)
{
	const char *colon = strrchr(text, ':');
	char ip[64], *end;
	unsigned long port;
	size_t n = colon != NULL ? (size_t)(colon - text) : 0;

	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, n);
	ip[n] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (hd_ip_parse(ip, &a->ip) != 0 || *end != '\0' || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	a->port = (uint16_t)port;
	return 0;
}

static void rows_add(json_t *rows, const struct hd_snapshot *s, const struct hd_addr *a,
		     uint8_t health)
{
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		const struct hd_cluster *c = &s->clusters[i];

		for (uint32_t k = 0; k < c->endpoints_count; k++) {
			const struct hd_endpoint *e = &s->endpoints[c->endpoints_first + k];
			json_t *row;

			if (e->addr.port != a->port || !hd_ip_eq(&e->addr.ip, &a->ip))
				continue;
			row = sock_row(rows);
			sock_put(row, "address", sock_json_addr(a));
			sock_put(row, "cluster", sock_json_str(c->name));
			sock_put_text(row, "health", sock_health_name(health));
		}
	}
}

static int endpoint_set(struct sock_request *rq, uint8_t health)
{
	const struct sock_host *h = rq->host;
	const char *text = NULL;
	struct hd_addr a = { 0 };

	if (sock_args_allow(rq, "address", NULL) != 0 ||
	    sock_args_string(rq, "address", &text) != 0)
		return -EINVAL;
	if (text == NULL || addr_parse(text, &a) != 0)
		return sock_refuse(rq, "endpoint: `address` is as 10.2.0.2:80 or [fd00::2]:80");
	rq->result = json_array();
	rows_add(rq->result, h->snapshot(h->arg), &a, health);
	if (json_array_size(rq->result) == 0 && health != HD_EP_HEALTHY)
		return sock_refuse(rq, "no cluster has the endpoint %s: see `show endpoints`",
				   text);
	if (h->endpoint_set(h->arg, &a, health) != 0)
		return sock_refuse(rq, "too many endpoints are out of rotation: admit some");
	return 0;
}

int sock_endpoint_eject(struct sock_request *rq)
{
	return endpoint_set(rq, HD_EP_EJECTED);
}

int sock_endpoint_drain(struct sock_request *rq)
{
	return endpoint_set(rq, HD_EP_DRAINING);
}

int sock_endpoint_admit(struct sock_request *rq)
{
	return endpoint_set(rq, HD_EP_HEALTHY);
}
