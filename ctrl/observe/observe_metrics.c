/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_metrics.h"

#include "observe_outliers.h"
#include "observe_sum.h"

/* OpenMetrics label values escape what JSON strings escape, control bytes aside, which names of
 * objects cannot have. */
static void label(struct observe_text *t, const char *before, struct hd_str value)
{
	observe_text_addf(t, "%s=", before);
	observe_text_add_json(t, value.p, value.n);
}

static void counters_write(struct observe_text *t, const struct observe_totals *totals,
			   const char *name, const char *key, const char *help, int drops)
{
	observe_text_add_family(t, name, "counter", help);
	for (unsigned int i = 0; i < HD_COUNTER_MAX; i++) {
		const struct observe_counter_name *c = &observe_counter_names[i];

		if (observe_counter_is_drop(i) == drops)
			observe_text_addf(t, "%s_total{layer=\"%s\",%s=\"%s\"} %llu\n", name,
					  c->layer, key, c->name,
					  (unsigned long long)totals->counters[i]);
	}
}

static void workers_write(struct observe_text *t, const struct hd_dp *dp)
{
	static const struct {
		const char *name, *type, *suffix, *help;
		size_t offset;
	} rows[] = {
		{ "heddle_worker_busy_cycles", "counter", "_total",
		  "TSC ticks of turns that did something.",
		  offsetof(struct observe_totals, busy_cycles) },
		{ "heddle_worker_cycles", "counter", "_total", "TSC ticks of all turns.",
		  offsetof(struct observe_totals, total_cycles) },
		{ "heddle_worker_requests", "counter", "_total", "Requests.",
		  offsetof(struct observe_totals, requests) },
		{ "heddle_worker_connections", "gauge", "", "Connections open now, both sides.",
		  offsetof(struct observe_totals, connections) },
	};
	struct observe_totals w;

	for (size_t r = 0; r < HD_ARRAY_SIZE(rows); r++) {
		observe_text_add_family(t, rows[r].name, rows[r].type, rows[r].help);
		for (uint32_t i = 0; i < hd_dp_n_workers(dp); i++) {
			observe_worker_read(dp, i, &w);
			observe_text_addf(t, "%s%s{lcore=\"%u\"} %llu\n", rows[r].name,
					  rows[r].suffix, hd_dp_worker_lcore(dp, i),
					  (unsigned long long)*(const uint64_t *)((const char *)&w +
										  rows[r].offset));
		}
	}
}

static void ports_write(struct observe_text *t, const struct hd_dp *dp,
			const struct observe_totals *totals)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} rows[] = {
		{ "heddle_port_receive_packets", "Frames received.",
		  offsetof(struct hd_port_stats, rx_packets) },
		{ "heddle_port_receive_bytes", "Bytes received.",
		  offsetof(struct hd_port_stats, rx_bytes) },
		{ "heddle_port_transmit_packets", "Frames sent.",
		  offsetof(struct hd_port_stats, tx_packets) },
		{ "heddle_port_transmit_bytes", "Bytes sent.",
		  offsetof(struct hd_port_stats, tx_bytes) },
	};
	struct hd_dp_port_info info;

	for (size_t r = 0; r < HD_ARRAY_SIZE(rows); r++) {
		observe_text_add_family(t, rows[r].name, "counter", rows[r].help);
		for (uint32_t i = 0; i < hd_dp_n_ports(dp); i++) {
			hd_dp_port_info(dp, i, &info);
			observe_text_addf(
				t, "%s_total{port=\"%s\"} %llu\n", rows[r].name, info.name,
				(unsigned long long)*(
					const uint64_t *)((const char *)&totals->ports[i] +
							  rows[r].offset));
		}
	}
}

static void clusters_write(struct observe_text *t, const struct hd_dp *dp,
			   const struct hd_snapshot *s)
{
	static const char *const names[] = { "heddle_cluster_requests", "heddle_cluster_connects",
					     "heddle_cluster_overflow", "heddle_cluster_retries" };
	static const char *const helps[] = { "Requests sent to the cluster.",
					     "Connections opened to the cluster.",
					     "Requests refused by a limit of the cluster.",
					     "Requests tried again." };

	for (size_t r = 0; r < HD_ARRAY_SIZE(names); r++) {
		observe_text_add_family(t, names[r], "counter", helps[r]);
		for (uint32_t i = 0; i < s->n_clusters; i++) {
			struct hd_cluster_stats c;
			const uint64_t *values[] = { &c.requests, &c.connects, &c.overflow,
						     &c.retries };

			observe_cluster_sum(dp, s->clusters[i].slot, &c);
			observe_text_addf(t, "%s_total{", names[r]);
			label(t, "cluster", s->clusters[i].name);
			observe_text_addf(t, "} %llu\n", (unsigned long long)*values[r]);
		}
	}
	observe_text_add_family(t, "heddle_cluster_connections", "gauge",
				"Connections to the cluster open now.");
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		struct hd_cluster_stats c;

		observe_cluster_sum(dp, s->clusters[i].slot, &c);
		observe_text_addf(t, "heddle_cluster_connections{");
		label(t, "cluster", s->clusters[i].name);
		observe_text_addf(t, "} %u\n", c.connections);
	}
}

static void access_write(struct observe_text *t, const struct observe_access *a)
{
	struct observe_access_stats s;

	observe_access_stats(a, &s);
	observe_text_add_counter(t, "heddle_access_log_lines", "Lines of the access log.", s.lines);
	observe_text_add_counter(t, "heddle_access_log_lost",
				 "Lines lost because the file could not take them.", s.lost);
	observe_text_add_counter(t, "heddle_access_log_write_errors",
				 "Writes to the access log that failed; each is tried again.",
				 s.write_errors);
}

static void http_write(struct observe_text *t, const struct observe_http *h)
{
	struct observe_http_stats s;

	observe_http_stats(h, &s);
	observe_text_add_family(t, "heddle_metrics_connections_closed", "counter",
				"Connections to this endpoint that were closed to make room.");
	observe_text_addf(t,
			  "heddle_metrics_connections_closed_total{reason=\"full\"} %llu\n"
			  "heddle_metrics_connections_closed_total{reason=\"no_head_in_time\"} %llu\n",
			  (unsigned long long)s.shed, (unsigned long long)s.late);
}

static void daemon_write(struct observe_text *t, const struct observe_metrics_input *in)
{
	observe_text_add_family(t, "heddle_build", "info", "The running version.");
	observe_text_addf(t, "heddle_build_info{version=\"%s\"} 1\n", in->version);
	observe_text_add_family(t, "heddle_start_time_seconds", "gauge",
				"When the daemon started, since 1970.");
	observe_text_addf(t, "heddle_start_time_seconds %.3f\n", in->started);
	observe_text_add_family(t, "heddle_policy_generation", "gauge",
				"Generation of the policy in use.");
	observe_text_addf(t, "heddle_policy_generation %llu\n",
			  (unsigned long long)in->snapshot->generation);
	observe_text_add_family(t, "heddle_reloads", "counter", "Policy loads by outcome.");
	observe_text_addf(
		t,
		"heddle_reloads_total{result=\"ok\"} %llu\nheddle_reloads_total{result=\"failed\"} %llu\n",
		(unsigned long long)in->reloads, (unsigned long long)in->reload_failures);
}

void observe_metrics_write(struct observe_text *t, const struct observe_metrics_input *in)
{
	struct observe_totals totals;

	observe_totals_sum(in->dp, &totals);
	daemon_write(t, in);
	workers_write(t, in->dp);
	ports_write(t, in->dp, &totals);
	counters_write(t, &totals, "heddle_drops", "reason",
		       "Frames and segments thrown away, by reason.", 1);
	counters_write(t, &totals, "heddle_events", "name", "What else is counted.", 0);
	clusters_write(t, in->dp, in->snapshot);
	observe_outliers_write(t, in->health, in->snapshot);
	observe_requests_write(t, in->requests);
	if (in->http != NULL)
		http_write(t, in->http);
	if (in->access != NULL)
		access_write(t, in->access);
}
