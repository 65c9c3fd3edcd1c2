/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Sets of labels: clusters times codes times flags. More than this is counted and not told apart.
 */
#define MAX_ROWS 4096
#define TABLE_SLOTS (2 * MAX_ROWS)

/* Envoy's default buckets, in milliseconds. */
const double observe_bucket_ms[OBSERVE_BUCKETS] = { 0.5,    1,	    5,	     10,     25,
						    50,	    100,    250,     500,    1000,
						    2500,   5000,   10000,   30000,  60000,
						    300000, 600000, 1800000, 3600000 };

enum reporter { REPORTER_SOURCE, REPORTER_WAYPOINT };

struct key {
	char cluster[128];
	char principal[128]; /* of the caller; zeroes: it proved none */
	uint32_t flags;
	uint16_t cluster_n, principal_n, status;
	uint8_t reporter, tcp;
	uint8_t zero[4];
};
_Static_assert(sizeof(struct key) % sizeof(uint64_t) == 0, "hashed by words");

struct row {
	struct key key;
	uint64_t count, opened, received, sent, sum_ns;
	uint64_t buckets[OBSERVE_BUCKETS + 1]; /* not cumulative */
};

struct observe_requests {
	const struct hd_node *node;
	struct row *rows;
	uint32_t n, capacity;
	uint32_t table[TABLE_SLOTS]; /* index + 1 */
	uint64_t lost;
};

int observe_requests_create(const struct hd_node *node, struct observe_requests **out)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	(*out)->node = node;
	return 0;
}

void observe_requests_destroy(struct observe_requests *r)
{
	if (r == NULL)
		return;
	free(r->rows);
	free(r);
}

/* A caller in the subnet of a workload port is this node's own, whom a sidecar reports for; for
 * others Heddle is a waypoint. */
static enum reporter reporter_of(const struct hd_node *node, const struct hd_ip *caller)
{
	for (uint32_t p = 0; p < node->n_ports; p++)
		for (uint32_t i = 0;
		     node->ports[p].side == HD_SIDE_WORKLOAD && i < node->ports[p].n_addresses; i++)
			if (hd_prefix_has(&node->ports[p].addresses[i], caller))
				return REPORTER_SOURCE;
	return REPORTER_WAYPOINT;
}

static void key_of(const struct observe_requests *r, const struct hd_access_record *a,
		   struct key *k)
{
	memset(k, 0, sizeof(*k));
	k->cluster_n = a->cluster_n < sizeof(k->cluster) ? a->cluster_n : sizeof(k->cluster);
	memcpy(k->cluster, a->cluster, k->cluster_n);
	k->principal_n =
		a->peer_n < sizeof(k->principal) ? a->peer_n : sizeof(k->principal);
	memcpy(k->principal, a->peer, k->principal_n);
	k->flags = a->flags;
	k->status = a->status;
	k->tcp = a->protocol == 0;
	k->reporter = reporter_of(r->node, &a->down_remote.ip);
}

static uint32_t key_hash(const struct key *k)
{
	uint64_t h = 0, word;

	for (size_t i = 0; i < sizeof(*k); i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)k + i, sizeof(word));
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return (uint32_t)h;
}

static struct row *row_new(struct observe_requests *r, const struct key *k, uint32_t slot)
{
	if (r->n == MAX_ROWS)
		return NULL;
	if (r->n == r->capacity) {
		uint32_t capacity = r->capacity ? r->capacity * 2 : 64;
		struct row *rows = realloc(r->rows, capacity * sizeof(*rows));

		if (rows == NULL)
			return NULL;
		r->rows = rows;
		r->capacity = capacity;
	}
	r->rows[r->n] = (struct row){ .key = *k };
	r->table[slot] = r->n + 1;
	return &r->rows[r->n++];
}

static struct row *row_get(struct observe_requests *r, const struct key *k)
{
	for (uint32_t slot = key_hash(k) % TABLE_SLOTS;; slot = (slot + 1) % TABLE_SLOTS) {
		if (r->table[slot] == 0)
			return row_new(r, k, slot);
		if (memcmp(&r->rows[r->table[slot] - 1].key, k, sizeof(*k)) == 0)
			return &r->rows[r->table[slot] - 1];
	}
}

void observe_requests_count(struct observe_requests *r, const struct hd_access_record *record)
{
	double ms = (double)record->duration / (double)HD_NS_PER_MS;
	struct row *row;
	struct key k;
	size_t b = 0;

	key_of(r, record, &k);
	row = row_get(r, &k);
	if (row == NULL) {
		r->lost++;
		return;
	}
	if (record->opens) {
		row->opened++;
		return;
	}
	while (b < OBSERVE_BUCKETS && ms > observe_bucket_ms[b])
		b++;
	row->buckets[b]++;
	row->count++;
	row->sum_ns += record->duration;
	row->received += record->bytes_received;
	row->sent += record->bytes_sent;
}

static struct hd_str next_part(struct hd_str *rest, char separator)
{
	const char *end = memchr(rest->p, separator, rest->n);
	struct hd_str part = { rest->p, end != NULL ? (uint32_t)(end - rest->p) : rest->n };

	rest->p += part.n + (end != NULL);
	rest->n -= part.n + (end != NULL);
	return part;
}

/* "outbound|80|v1|api.default.svc.cluster.local" */
static void cluster_split(const struct key *k, struct hd_str *subset, struct hd_str *host)
{
	struct hd_str rest = { k->cluster, k->cluster_n };

	next_part(&rest, '|');
	next_part(&rest, '|');
	*subset = next_part(&rest, '|');
	*host = rest;
}

uint32_t observe_requests_n(const struct observe_requests *r)
{
	return r->n;
}

void observe_requests_row(const struct observe_requests *r, uint32_t i,
			  struct observe_request_row *out)
{
	const struct row *row = &r->rows[i];

	*out = (struct observe_request_row){ .flags = row->key.flags,
					     .status = row->key.status,
					     .tcp = row->key.tcp,
					     .requests = row->count,
					     .bytes_received = row->received,
					     .bytes_sent = row->sent,
					     .duration = row->sum_ns,
					     .buckets = row->buckets };
	cluster_split(&row->key, &out->subset, &out->service);
}

static void label(struct observe_text *t, const char *name, struct hd_str value)
{
	observe_text_addf(t, ",%s=", name);
	if (value.n == 0)
		observe_text_add(t, "\"unknown\"", 9);
	else
		observe_text_add_json(t, value.p, value.n);
}

/* Istio's: who reports for the caller does not know; "mutual_tls" is of both sides. */
static const char *security_of(const struct key *k)
{
	if (k->reporter == REPORTER_SOURCE)
		return "unknown";
	return k->principal_n > 0 ? "mutual_tls" : "none";
}

static void labels_write(struct observe_text *t, const struct key *k)
{
	struct hd_str host, rest, name, space, subset;

	cluster_split(k, &subset, &host);
	rest = host;
	name = next_part(&rest, '.');
	space = next_part(&rest, '.');
	observe_text_addf(
		t,
		"{reporter=\"%s\",source_workload=\"unknown\",source_workload_namespace=\"unknown\"",
		k->reporter == REPORTER_SOURCE ? "source" : "waypoint");
	label(t, "source_principal", (struct hd_str){ k->principal, k->principal_n });
	label(t, "destination_service", host);
	label(t, "destination_service_name", name);
	label(t, "destination_service_namespace", space);
	label(t, "destination_version", subset);
	observe_text_addf(t, ",request_protocol=\"%s\"", k->tcp ? "tcp" : "http");
	if (!k->tcp)
		observe_text_addf(t, ",response_code=\"%u\",grpc_response_status=\"\"", k->status);
	observe_text_add_literal(t, ",response_flags=\"");
	observe_text_add_flags(t, k->flags);
	observe_text_addf(t, "\",connection_security_policy=\"%s\"", security_of(k));
}

static void counter_write(struct observe_text *t, const struct observe_requests *r,
			  const char *name, const char *help, int tcp, size_t offset)
{
	observe_text_add_family(t, name, "counter", help);
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->rows[i].key.tcp != tcp)
			continue;
		observe_text_addf(t, "%s_total", name);
		labels_write(t, &r->rows[i].key);
		observe_text_addf(t, "} %llu\n",
				  (unsigned long long)*(
					  const uint64_t *)((const char *)&r->rows[i] + offset));
	}
}

static void duration_write(struct observe_text *t, const struct row *row)
{
	static const char name[] = "istio_request_duration_milliseconds";
	uint64_t sum = 0;

	for (size_t b = 0; b < OBSERVE_BUCKETS; b++) {
		sum += row->buckets[b];
		observe_text_addf(t, "%s_bucket", name);
		labels_write(t, &row->key);
		observe_text_addf(t, ",le=\"%g\"} %llu\n", observe_bucket_ms[b],
				  (unsigned long long)sum);
	}
	observe_text_addf(t, "%s_bucket", name);
	labels_write(t, &row->key);
	observe_text_addf(t, ",le=\"+Inf\"} %llu\n%s_sum", (unsigned long long)row->count, name);
	labels_write(t, &row->key);
	observe_text_addf(t, "} %.6g\n%s_count", (double)row->sum_ns / (double)HD_NS_PER_MS, name);
	labels_write(t, &row->key);
	observe_text_addf(t, "} %llu\n", (unsigned long long)row->count);
}

void observe_requests_write(struct observe_text *t, const struct observe_requests *r)
{
	counter_write(t, r, "istio_requests", "Requests, by what the caller was answered.", 0,
		      offsetof(struct row, count));
	observe_text_add_family(t, "istio_request_duration_milliseconds", "histogram",
				"From a request's first byte to the end of its answer.");
	for (uint32_t i = 0; i < r->n; i++)
		if (!r->rows[i].key.tcp)
			duration_write(t, &r->rows[i]);
	counter_write(t, r, "istio_tcp_connections_opened",
		      "TCP streams that reached their backend.", 1, offsetof(struct row, opened));
	counter_write(t, r, "istio_tcp_connections_closed", "TCP streams that ended.", 1,
		      offsetof(struct row, count));
	counter_write(t, r, "istio_tcp_sent_bytes",
		      "Bytes sent to callers over TCP streams that ended.", 1,
		      offsetof(struct row, sent));
	counter_write(t, r, "istio_tcp_received_bytes",
		      "Bytes received from callers over TCP streams that ended.", 1,
		      offsetof(struct row, received));
	observe_text_add_counter(t, "heddle_request_label_sets_lost",
				 "Requests not told apart because too many sets of labels were in use.",
				 r->lost);
}
