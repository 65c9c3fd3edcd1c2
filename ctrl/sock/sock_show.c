/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon itself and its workers can tell at once. */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "observe_requests.h"
#include "observe_sum.h"
#include "sock_command.h"

static json_t *status_workers(const struct sock_host *host)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < hd_dp_n_workers(host->dp); i++) {
		json_t *row;
		struct observe_totals t;
		struct sock_rates r;

		observe_worker_read(host->dp, i, &t);
		host->rates(host->arg, i, &r);
		row = sock_row(out);
		sock_put_number(row, "lcore", hd_dp_worker_lcore(host->dp, i));
		sock_put(row, "busy_percent", json_real(r.busy * 100));
		sock_put(row, "requests_per_second", json_real(r.requests_per_second));
		sock_put_number(row, "requests", t.requests);
		sock_put_number(row, "connections", t.connections);
	}
	return out;
}

static json_t *port_addresses(const struct hd_node_port *p)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < p->n_addresses; i++) {
		char ip[HD_ADDR_STRLEN], text[HD_ADDR_STRLEN + 5];
		const struct hd_prefix *a = &p->addresses[i];

		snprintf(text, sizeof(text), "%s/%u", hd_ip_format(&a->ip, ip),
			 hd_ip_is_v4(&a->ip) ? a->len - 96u : a->len);
		json_array_append_new(out, json_string(text));
	}
	return out;
}

static json_t *status_ports(const struct sock_host *host)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < hd_dp_n_ports(host->dp); i++) {
		json_t *row;
		struct hd_dp_port_info info;

		hd_dp_port_info(host->dp, i, &info);
		row = sock_row(out);
		sock_put_text(row, "name", info.name);
		sock_put_text(row, "side", info.side == HD_SIDE_MESH ? "mesh" : "workload");
		sock_put(row, "link_up", json_boolean(info.link_up));
		sock_put(row, "addresses", port_addresses(&host->node->dp.ports[i]));
	}
	return out;
}

int sock_show_status(struct sock_request *rq)
{
	const struct sock_host *h = rq->host;
	const struct hd_snapshot *s = h->snapshot(h->arg);
	struct observe_totals t;
	struct sock_status st = { 0 };
	json_t *row;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	h->status(h->arg, &st);
	observe_totals_sum(h->dp, &t);
	row = rq->result = json_object();
	sock_put_text(row, "version", st.version);
	sock_put_text(row, "node", h->node->name);
	sock_put_number(row, "uptime_s", st.uptime_s);
	sock_put(row, "ready", json_boolean(st.ready));
	sock_put(row, "draining", json_boolean(st.draining));
	sock_put_number(row, "generation", s->generation);
	sock_put(row, "workers", status_workers(h));
	sock_put(row, "ports", status_ports(h));
	sock_put(row, "identity", sock_identity(h));
	sock_put_number(row, "requests", t.requests);
	sock_put_number(row, "connections", t.connections);
	sock_put_number(row, "drops", observe_drops_sum(&t));
	sock_put_number(row, "services", s->n_services);
	sock_put_number(row, "routes", s->n_routes);
	sock_put_number(row, "endpoints", s->n_endpoints);
	sock_put_number(row, "reloads", st.reloads);
	sock_put_number(row, "reload_failures", st.reload_failures);
	sock_put(row, "problems", sock_problems(h, &st));
	if (st.last_failure[0] != '\0')
		sock_put_text(row, "last_reload_error", st.last_failure);
	else
		sock_put(row, "last_reload_error", json_null());
	return 0;
}

int sock_show_workers(struct sock_request *rq)
{
	const struct sock_host *h = rq->host;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < hd_dp_n_workers(h->dp); i++) {
		json_t *row;
		uint64_t rx = 0, tx = 0;
		struct observe_totals t;
		struct sock_rates r;

		observe_worker_read(h->dp, i, &t);
		h->rates(h->arg, i, &r);
		for (unsigned int p = 0; p < HD_MAX_PORTS; p++) {
			rx += t.ports[p].rx_packets;
			tx += t.ports[p].tx_packets;
		}
		row = sock_row(rq->result);
		sock_put_number(row, "lcore", hd_dp_worker_lcore(h->dp, i));
		sock_put_number(row, "busy_cycles", t.busy_cycles);
		sock_put_number(row, "total_cycles", t.total_cycles);
		sock_put_number(row, "tsc_hz", hd_dp_tsc_hz(h->dp));
		sock_put_number(row, "requests", t.requests);
		sock_put_number(row, "connections", t.connections);
		sock_put_number(row, "rx_packets", rx);
		sock_put_number(row, "tx_packets", tx);
		sock_put_number(row, "drops", observe_drops_sum(&t));
		sock_put(row, "busy_percent", json_real(r.busy * 100));
		sock_put(row, "requests_per_second", json_real(r.requests_per_second));
	}
	return 0;
}

int sock_show_ports(struct sock_request *rq)
{
	const struct sock_host *h = rq->host;
	struct observe_totals t;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	observe_totals_sum(h->dp, &t);
	rq->result = json_array();
	for (uint32_t i = 0; i < hd_dp_n_ports(h->dp); i++) {
		json_t *row = sock_row(rq->result);
		struct hd_dp_port_info p;
		char mac[18];

		hd_dp_port_info(h->dp, i, &p);
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p.mac[0], p.mac[1],
			 p.mac[2], p.mac[3], p.mac[4], p.mac[5]);
		sock_put_text(row, "name", p.name);
		sock_put_text(row, "device", p.device);
		sock_put_text(row, "driver", p.driver);
		sock_put_text(row, "side", p.side == HD_SIDE_MESH ? "mesh" : "workload");
		sock_put_text(row, "mac", mac);
		sock_put_number(row, "mtu", p.mtu);
		sock_put_number(row, "vlan", p.vlan);
		sock_put(row, "link_up", json_boolean(p.link_up));
		sock_put_number(row, "speed_mbps", p.speed_mbps);
		sock_put_text(row, "offloads", p.offloads);
		sock_put(row, "addresses", port_addresses(&h->node->dp.ports[i]));
		sock_put_number(row, "rx_packets", t.ports[i].rx_packets);
		sock_put_number(row, "rx_bytes", t.ports[i].rx_bytes);
		sock_put_number(row, "tx_packets", t.ports[i].tx_packets);
		sock_put_number(row, "tx_bytes", t.ports[i].tx_bytes);
	}
	return 0;
}

/* Reasons that never happened are left out unless `all` asks for them. */
int sock_show_drops(struct sock_request *rq)
{
	int all = json_is_true(json_object_get(rq->args, "all"));
	struct observe_totals t;

	if (sock_args_allow(rq, "all", NULL) != 0)
		return -EINVAL;
	observe_totals_sum(rq->host->dp, &t);
	rq->result = json_array();
	for (unsigned int i = 0; i < HD_COUNTER_MAX; i++) {
		json_t *row;
		const struct observe_counter_name *c = &observe_counter_names[i];

		if (!observe_counter_is_drop(i) || (t.counters[i] == 0 && !all))
			continue;
		row = sock_row(rq->result);
		sock_put_text(row, "layer", c->layer);
		sock_put_text(row, "reason", c->name);
		sock_put_number(row, "count", t.counters[i]);
		sock_put_text(row, "text", c->text);
	}
	return 0;
}

static void stat_add(json_t *result, const char *glob, const char *name, uint64_t value,
		     const char *text)
{
	json_t *row;

	if (glob != NULL && fnmatch(glob, name, 0) != 0)
		return;
	row = sock_row(result);
	sock_put_text(row, "name", name);
	sock_put_number(row, "value", value);
	sock_put_text(row, "text", text);
}

static void stats_ports(json_t *result, const char *glob, const struct hd_dp *dp,
			const struct observe_totals *t)
{
	for (uint32_t i = 0; i < hd_dp_n_ports(dp); i++) {
		static const char *const names[] = { "rx_packets", "rx_bytes", "tx_packets",
						     "tx_bytes" };
		const uint64_t values[] = { t->ports[i].rx_packets, t->ports[i].rx_bytes,
					    t->ports[i].tx_packets, t->ports[i].tx_bytes };
		struct hd_dp_port_info info;
		char name[96];

		hd_dp_port_info(dp, i, &info);
		for (size_t k = 0; k < HD_ARRAY_SIZE(names); k++) {
			snprintf(name, sizeof(name), "port.%s.%s", info.name, names[k]);
			stat_add(result, glob, name, values[k], "");
		}
	}
}

static void stats_clusters(json_t *result, const char *glob, const struct sock_host *h)
{
	const struct hd_snapshot *s = h->snapshot(h->arg);

	for (uint32_t i = 0; i < s->n_clusters; i++) {
		static const char *const names[] = { "requests", "overflow", "connects",
						     "retries" };
		const struct hd_cluster *cl = &s->clusters[i];
		struct hd_cluster_stats c;

		observe_cluster_sum(h->dp, cl->slot, &c);
		const uint64_t values[] = { c.requests, c.overflow, c.connects, c.retries };

		for (size_t k = 0; k < HD_ARRAY_SIZE(names); k++) {
			char name[320];

			snprintf(name, sizeof(name), "cluster.%.*s.%s",
				 (int)(cl->name.n < 255 ? cl->name.n : 255), cl->name.p, names[k]);
			stat_add(result, glob, name, values[k], "");
		}
	}
}

int sock_stats(struct sock_request *rq)
{
	const struct sock_host *h = rq->host;
	struct observe_totals t;
	const char *glob;

	if (sock_args_allow(rq, "glob", NULL) != 0 || sock_args_string(rq, "glob", &glob) != 0)
		return -EINVAL;
	/* fnmatch may take long over many stars. */
	if (glob != NULL && strlen(glob) > 128)
		return sock_refuse(rq, "stats: a pattern of more than 128 bytes");
	observe_totals_sum(h->dp, &t);
	rq->result = json_array();
	for (unsigned int i = 0; i < HD_COUNTER_MAX; i++) {
		const struct observe_counter_name *c = &observe_counter_names[i];
		char name[96];

		snprintf(name, sizeof(name), "%s.%s", c->layer, c->name);
		stat_add(rq->result, glob, name, t.counters[i], c->text);
	}
	stat_add(rq->result, glob, "worker.requests", t.requests, "requests answered");
	stat_add(rq->result, glob, "worker.connections", t.connections, "connections open now");
	stat_add(rq->result, glob, "worker.busy_cycles", t.busy_cycles,
		 "TSC ticks of turns that did something");
	stat_add(rq->result, glob, "worker.total_cycles", t.total_cycles, "TSC ticks of all turns");
	stats_ports(rq->result, glob, h->dp, &t);
	stats_clusters(rq->result, glob, h);
	return 0;
}

static json_t *buckets_json(const uint64_t *buckets)
{
	json_t *out = json_array();

	for (size_t i = 0; i <= OBSERVE_BUCKETS; i++)
		json_array_append_new(out, json_integer((json_int_t)buckets[i]));
	return out;
}

int sock_show_requests(struct sock_request *rq)
{
	const struct observe_requests *requests = rq->host->requests(rq->host->arg);

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < observe_requests_n(requests); i++) {
		json_t *row = sock_row(rq->result);
		struct observe_text flags = { 0 };
		struct observe_request_row r;

		observe_requests_row(requests, i, &r);
		observe_text_add_flags(&flags, r.flags);
		sock_put(row, "service", sock_json_str(r.service));
		sock_put(row, "subset", sock_json_str(r.subset));
		sock_put_text(row, "protocol", r.tcp ? "tcp" : "http");
		sock_put_number(row, "status", r.status);
		sock_put(row, "flags",
			 sock_json_str((struct hd_str){ flags.p, (uint32_t)flags.n }));
		sock_put_number(row, "requests", r.requests);
		sock_put_number(row, "bytes_received", r.bytes_received);
		sock_put_number(row, "bytes_sent", r.bytes_sent);
		sock_put(row, "mean_ms",
			 json_real((double)r.duration / (double)HD_NS_PER_MS / (double)r.requests));
		sock_put(row, "buckets", buckets_json(r.buckets));
		observe_text_fini(&flags);
	}
	return 0;
}

int sock_metrics(struct sock_request *rq)
{
	char *text;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	text = rq->host->metrics(rq->host->arg);
	if (text == NULL)
		return -ENOMEM;
	rq->result = json_array();
	sock_put_text(sock_row(rq->result), "text", text);
	free(text);
	return 0;
}

/* A line of /proc/self/status, in bytes. */
static uint64_t process_bytes(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	uint64_t kb = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 &&
		    sscanf(line + strlen(name), ": %" SCNu64, &kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kb * 1024;
}

static void memory_add(json_t *result, const char *kind, uint64_t bytes, const char *text)
{
	json_t *row = sock_row(result);

	sock_put_text(row, "kind", kind);
	sock_put_number(row, "bytes", bytes);
	sock_put_text(row, "text", text);
}

static void memory_of_worker(json_t *result, const struct hd_dp *dp, uint32_t worker)
{
	struct hd_pool_info rows[HD_MAX_POOLS];
	uint32_t n = hd_dp_pools(dp, worker, rows);

	for (uint32_t i = 0; i < n; i++) {
		json_t *row = sock_row(result);

		sock_put_text(row, "kind", rows[i].name);
		sock_put_number(row, "bytes", rows[i].bytes);
		sock_put_text(row, "text", rows[i].text);
		sock_put_number(row, "worker", hd_dp_worker_lcore(dp, worker));
		sock_put_number(row, "object_bytes", rows[i].object_bytes);
		sock_put_number(row, "capacity", rows[i].capacity);
		sock_put_number(row, "used", rows[i].used);
		sock_put_number(row, "most", rows[i].most);
	}
}

int sock_show_memory(struct sock_request *rq)
{
	const struct policy_texts *texts = rq->host->texts(rq->host->arg);
	struct mallinfo2 heap = mallinfo2();
	uint64_t policy = 0;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	for (uint32_t i = 0; i < texts->n; i++)
		policy += texts->rows[i].n;
	rq->result = json_array();
	memory_add(rq->result, "process", process_bytes("VmRSS"), "resident, without huge pages");
	memory_add(rq->result, "process_peak", process_bytes("VmHWM"),
		   "the most that was resident");
	memory_add(rq->result, "huge_pages", process_bytes("HugetlbPages"),
		   "huge pages of the dataplane");
	memory_add(rq->result, "control_heap", heap.uordblks + heap.hblkhd,
		   "what the control side holds");
	memory_add(rq->result, "policy_texts", policy, "the policy files in use");
	for (uint32_t i = 0; i < hd_dp_n_workers(rq->host->dp); i++)
		memory_of_worker(rq->result, rq->host->dp, i);
	return 0;
}
