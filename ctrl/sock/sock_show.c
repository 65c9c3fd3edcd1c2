/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon itself and its workers can tell at once. */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#include "observe_sum.h"
#include "sock_command.h"


static json_t *status_workers(const struct sock_host *host)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < hd_dp_n_workers(host->dp); i++) {
		struct observe_totals t;
		struct sock_rates r;

		observe_worker_read(host->dp, i, &t);
		host->rates(host->arg, i, &r);
		json_array_append_new(out, json_pack("{s:i,s:f,s:f,s:I,s:I}", "lcore", (int)hd_dp_worker_lcore(host->dp, i),
						     "busy_percent", r.busy * 100, "requests_per_second", r.requests_per_second,
						     "requests", (json_int_t)t.requests, "connections", (json_int_t)t.connections));
	}
	return out;
}

static json_t *port_addresses(const struct hd_node_port *p)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < p->n_addresses; i++) {
		char ip[HD_ADDR_STRLEN], text[HD_ADDR_STRLEN + 5];
		const struct hd_prefix *a = &p->addresses[i];

		snprintf(text, sizeof(text), "%s/%u", hd_ip_format(&a->ip, ip), hd_ip_is_v4(&a->ip) ? a->len - 96u : a->len);
		json_array_append_new(out, json_string(text));
	}
	return out;
}

static json_t *status_ports(const struct sock_host *host)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < hd_dp_n_ports(host->dp); i++) {
		struct hd_dp_port_info info;

		hd_dp_port_info(host->dp, i, &info);
		json_array_append_new(out, json_pack("{s:s,s:s,s:b,s:o}", "name", info.name, "side",
						     info.side == HD_SIDE_MESH ? "mesh" : "workload", "link_up", info.link_up,
						     "addresses", port_addresses(&host->node->dp.ports[i])));
	}
	return out;
}

static json_t *status_identity(const struct policy_node *node)
{
	if (node->identity.certificate == NULL)
		return json_null();
	return json_pack("{s:s,s:s}", "certificate", node->identity.certificate, "trust_domain", node->trust_domain);
}

int sock_show_status(struct sock_request *rq)
{
	const struct sock_host *h = rq->host;
	const struct hd_snapshot *s = h->snapshot(h->arg);
	struct observe_totals t;
	struct sock_status st = { 0 };

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	h->status(h->arg, &st);
	observe_totals_sum(h->dp, &t);
	rq->result = json_pack("{s:s,s:s,s:I,s:b,s:b,s:I,s:o,s:o,s:o}", "version", st.version, "node", h->node->name, "uptime_s",
			       (json_int_t)st.uptime_s, "ready", st.ready, "draining", st.draining, "generation",
			       (json_int_t)s->generation, "workers", status_workers(h), "ports", status_ports(h), "identity",
			       status_identity(h->node));
	if (rq->result == NULL)
		return -ENOMEM;
	json_object_set_new(rq->result, "requests", json_integer((json_int_t)t.requests));
	json_object_set_new(rq->result, "connections", json_integer((json_int_t)t.connections));
	json_object_set_new(rq->result, "drops", json_integer((json_int_t)observe_drops_sum(&t)));
	json_object_set_new(rq->result, "services", json_integer(s->n_services));
	json_object_set_new(rq->result, "routes", json_integer(s->n_routes));
	json_object_set_new(rq->result, "endpoints", json_integer(s->n_endpoints));
	json_object_set_new(rq->result, "reloads", json_integer((json_int_t)st.reloads));
	json_object_set_new(rq->result, "reload_failures", json_integer((json_int_t)st.reload_failures));
	json_object_set_new(rq->result, "last_reload_error",
			    st.last_failure[0] ? sock_json_str((struct hd_str){ st.last_failure, (uint32_t)strlen(st.last_failure) }) :
						 json_null());
	return 0;
}

int sock_show_workers(struct sock_request *rq)
{
	const struct sock_host *h = rq->host;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; i < hd_dp_n_workers(h->dp); i++) {
		uint64_t rx = 0, tx = 0;
		struct observe_totals t;
		struct sock_rates r;

		observe_worker_read(h->dp, i, &t);
		h->rates(h->arg, i, &r);
		for (unsigned int p = 0; p < HD_MAX_PORTS; p++) {
			rx += t.ports[p].rx_packets;
			tx += t.ports[p].tx_packets;
		}
		json_array_append_new(
			rq->result,
			json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f}", "lcore", (int)hd_dp_worker_lcore(h->dp, i), "busy_cycles",
				  (json_int_t)t.busy_cycles, "total_cycles", (json_int_t)t.total_cycles, "tsc_hz",
				  (json_int_t)hd_dp_tsc_hz(h->dp), "requests", (json_int_t)t.requests, "connections",
				  (json_int_t)t.connections, "rx_packets", (json_int_t)rx, "tx_packets", (json_int_t)tx, "drops",
				  (json_int_t)observe_drops_sum(&t), "busy_percent", r.busy * 100, "requests_per_second",
				  r.requests_per_second));
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
		struct hd_dp_port_info p;
		char mac[18];

		hd_dp_port_info(h->dp, i, &p);
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p.mac[0], p.mac[1], p.mac[2], p.mac[3], p.mac[4], p.mac[5]);
		json_array_append_new(
			rq->result,
			json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:b,s:i,s:s,s:o,s:I,s:I,s:I,s:I}", "name", p.name, "device", p.device, "driver",
				  p.driver, "side", p.side == HD_SIDE_MESH ? "mesh" : "workload", "mac", mac, "mtu", p.mtu, "link_up",
				  p.link_up, "speed_mbps", (int)p.speed_mbps, "offloads", p.offloads, "addresses",
				  port_addresses(&h->node->dp.ports[i]), "rx_packets", (json_int_t)t.ports[i].rx_packets, "rx_bytes",
				  (json_int_t)t.ports[i].rx_bytes, "tx_packets", (json_int_t)t.ports[i].tx_packets, "tx_bytes",
				  (json_int_t)t.ports[i].tx_bytes));
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
		const struct observe_counter_name *c = &observe_counter_names[i];

		if (!observe_counter_is_drop(i) || (t.counters[i] == 0 && !all))
			continue;
		json_array_append_new(rq->result, json_pack("{s:s,s:s,s:I,s:s}", "layer", c->layer, "reason", c->name, "count",
							    (json_int_t)t.counters[i], "text", c->text));
	}
	return 0;
}

static void stat_add(json_t *result, const char *glob, const char *name, uint64_t value, const char *text)
{
	if (glob != NULL && fnmatch(glob, name, 0) != 0)
		return;
	json_array_append_new(result, json_pack("{s:o,s:I,s:s}", "name", sock_json_str((struct hd_str){ name, (uint32_t)strlen(name) }),
						"value", (json_int_t)value, "text", text));
}

static void stats_ports(json_t *result, const char *glob, const struct hd_dp *dp, const struct observe_totals *t)
{
	for (uint32_t i = 0; i < hd_dp_n_ports(dp); i++) {
		static const char *const names[] = { "rx_packets", "rx_bytes", "tx_packets", "tx_bytes" };
		const uint64_t values[] = { t->ports[i].rx_packets, t->ports[i].rx_bytes, t->ports[i].tx_packets, t->ports[i].tx_bytes };
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
		static const char *const names[] = { "requests", "overflow", "connects", "retries" };
		const struct hd_cluster *cl = &s->clusters[i];
		struct hd_cluster_stats c;

		observe_cluster_sum(h->dp, cl->slot, &c);
		const uint64_t values[] = { c.requests, c.overflow, c.connects, c.retries };

		for (size_t k = 0; k < HD_ARRAY_SIZE(names); k++) {
			char name[320];

			snprintf(name, sizeof(name), "cluster.%.*s.%s", (int)(cl->name.n < 255 ? cl->name.n : 255), cl->name.p, names[k]);
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
	stat_add(rq->result, glob, "worker.busy_cycles", t.busy_cycles, "TSC ticks of turns that did something");
	stat_add(rq->result, glob, "worker.total_cycles", t.total_cycles, "TSC ticks of all turns");
	stats_ports(rq->result, glob, h->dp, &t);
	stats_clusters(rq->result, glob, h);
	return 0;
}

/* A line of /proc/self/status, in bytes. */
static uint64_t process_bytes(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	uint64_t kb = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %" SCNu64, &kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kb * 1024;
}

static void memory_add(json_t *result, const char *kind, uint64_t bytes, const char *text)
{
	json_array_append_new(result, json_pack("{s:s,s:I,s:s}", "kind", kind, "bytes", (json_int_t)bytes, "text", text));
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
	memory_add(rq->result, "process_peak", process_bytes("VmHWM"), "the most that was resident");
	memory_add(rq->result, "huge_pages", process_bytes("HugetlbPages"), "huge pages of the dataplane");
	memory_add(rq->result, "control_heap", heap.uordblks + heap.hblkhd, "what the control side holds");
	memory_add(rq->result, "policy_texts", policy, "the policy files in use");
	return 0;
}
