/* SPDX-License-Identifier: Apache-2.0 */
/* What only workers can read: connections and neighbours. */
#include <errno.h>
#include <stdio.h>

#include "observe_sum.h"
#include "sock_job.h"

/* An answer of more rows would hold the control thread for too long. */
#define ROWS_DEFAULT 10000
#define ROWS_MAX 200000
#define NEIGHBORS 8192 /* as many as the table of a worker has */

static void tls_put(json_t *row, const struct hd_dump_connection *c)
{
	sock_put(row, "tls", json_boolean(c->tls));
	if (!c->tls)
		return;
	sock_put_text(row, "tls_version", c->tls_version);
	sock_put_text(row, "cipher", c->cipher);
	sock_put_text(row, "alpn", c->alpn);
	sock_put(row, "resumed", json_boolean(c->is_resumed));
	sock_put(row, "peer", c->peer[0] != '\0' ? json_string(c->peer) : json_null());
}

static void connections_add(json_t *result, const struct hd_dump *d, uint32_t worker)
{
	for (uint32_t i = 0; i < d->count; i++) {
		json_t *row = sock_row(result);
		const struct hd_dump_connection *c = &d->connections[i];

		sock_put_number(row, "id", c->id);
		sock_put_text(row, "side", c->up ? "up" : "down");
		sock_put(row, "local", sock_json_addr(&c->local));
		sock_put(row, "remote", sock_json_addr(&c->remote));
		sock_put_text(row, "state", c->state);
		sock_put_number(row, "bytes_in", c->bytes_in);
		sock_put_number(row, "bytes_out", c->bytes_out);
		sock_put_number(row, "age_ms", c->age / HD_NS_PER_MS);
		tls_put(row, c);
		sock_put_number(row, "worker", worker);
	}
}

/* A row for each connection that is open now, and some for those that open meanwhile. */
static uint32_t rows_wanted(const struct hd_dp *dp, json_int_t limit)
{
	struct observe_totals t;
	uint64_t rows;

	observe_totals_sum(dp, &t);
	rows = t.connections + 1024;
	return rows < (uint64_t)limit ? (uint32_t)rows : (uint32_t)limit;
}

int sock_show_connections(struct sock_request *rq)
{
	const json_t *limit = json_object_get(rq->args, "limit");
	json_int_t rows = limit != NULL ? json_integer_value(limit) : ROWS_DEFAULT;

	if (sock_args_allow(rq, "limit", NULL) != 0)
		return -EINVAL;
	if (rows < 1 || rows > ROWS_MAX)
		return sock_refuse(rq, "show connections: `limit` is 1 to %d rows of a worker",
				   ROWS_MAX);
	if (sock_dump_start(rq->host->dp, HD_DUMP_CONNECTIONS, rows_wanted(rq->host->dp, rows),
			   connections_add, &rq->job) != 0)
		return -ENOMEM;
	return SOCK_LATER;
}

int sock_tls(struct sock_request *rq)
{
	struct hd_ip ip = { 0 };
	const char *address;

	if (sock_args_allow(rq, "address", NULL) != 0 ||
	    sock_args_string(rq, "address", &address) != 0)
		return -EINVAL;
	if (address != NULL && hd_ip_parse(address, &ip) != 0)
		return sock_refuse(rq, "tls: `%.64s` is no address", address);
	if (sock_dump_start(rq->host->dp, HD_DUMP_CONNECTIONS,
			    rows_wanted(rq->host->dp, ROWS_DEFAULT), connections_add,
			    &rq->job) != 0)
		return -ENOMEM;
	sock_dump_only_tls(rq->job, &ip);
	return SOCK_LATER;
}

static void neighbors_add(json_t *result, const struct hd_dump *d, uint32_t worker)
{
	for (uint32_t i = 0; i < d->count; i++) {
		json_t *row;
		const struct hd_dump_neighbor *n = &d->neighbors[i];
		char ip[HD_ADDR_STRLEN], mac[18];

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1],
			 n->mac[2], n->mac[3], n->mac[4], n->mac[5]);
		row = sock_row(result);
		sock_put_text(row, "ip", hd_ip_format(&n->ip, ip));
		sock_put_text(row, "mac", mac);
		sock_put_number(row, "port", n->port);
		sock_put_text(row, "state", n->state);
		sock_put_number(row, "age_ms", n->age / HD_NS_PER_MS);
		sock_put_number(row, "worker", worker);
	}
}

int sock_show_neighbors(struct sock_request *rq)
{
	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	if (sock_dump_start(rq->host->dp, HD_DUMP_NEIGHBORS, NEIGHBORS, neighbors_add, &rq->job) !=
	    0)
		return -ENOMEM;
	return SOCK_LATER;
}
