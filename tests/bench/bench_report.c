/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench_git.h"

static double seconds(const struct bench_result *r)
{
	return (double)(r->last.at - r->first.at) / (double)HD_NS_PER_S;
}

/* The part of the time that the worker's thread had its core. */
static double share_on_core(const struct bench_sample *from, const struct bench_sample *to)
{
	double share = (double)(to->ran - from->ran) / (double)(to->at - from->at);

	return share > 1 ? 1 : share;
}

static double busy_share(const struct bench_sample *from, const struct bench_sample *to)
{
	return to->total == from->total
		       ? 0
		       : (double)(to->busy - from->busy) / (double)(to->total - from->total);
}

/* Ticks in which another process had the core are in busy and idle turns alike, by their shares.
 * Not so on one core, where the generator's system calls are where the core is lost: nothing is
 * taken off there. */
static double busy_ticks(const struct bench_sample *from, const struct bench_sample *to,
			 int one_core)
{
	return (double)(to->busy - from->busy) * (one_core ? 1 : share_on_core(from, to));
}

#define WINDOW_NS (2 * HD_NS_PER_MS)
#define LOST_NS (20 * HD_NS_PER_US) /* in a window: more is somebody else's turn on the core */
#define FAR_NS 300		    /* within one L3 it is 50 to 150 */
#define ENOUGH_REQUESTS 1000

static int lost(hd_ns ran, hd_ns passed)
{
	return ran + LOST_NS < passed;
}

void bench_quiet_look(struct bench_quiet *q, struct bench_dut *d, hd_ns now)
{
	struct bench_sample to;
	hd_ns ran, passed;

	if (q->from.at != 0 && now - q->from.at < WINDOW_NS)
		return;
	ran = worker_clock_of(CLOCK_THREAD_CPUTIME_ID);
	bench_dut_sample(d, &to);
	passed = to.at - q->from.at;
	if (q->from.at != 0 && !lost(ran - q->generator_ran, passed) &&
	    !lost(to.ran - q->from.ran, passed)) {
		q->busy += to.busy - q->from.busy;
		q->requests += to.requests - q->from.requests;
		q->time += passed;
	}
	q->from = to;
	q->generator_ran = ran;
}

static double quiet_share(const struct bench_result *r)
{
	return (double)r->quiet.time / (double)(r->last.at - r->first.at);
}

static int is_quiet(const struct bench_result *r)
{
	return r->quiet.requests >= ENOUGH_REQUESTS;
}

static double cycles_per_request(const struct bench_result *r)
{
	if (is_quiet(r))
		return (double)r->quiet.busy * r->clock_ratio / (double)r->quiet.requests;
	return r->requests == 0 ? 0
				: busy_ticks(&r->first, &r->last, r->options->one_core) *
					  r->clock_ratio / (double)r->requests;
}

void bench_report_second(uint32_t second, const struct bench_sample *from,
			 const struct bench_sample *to, uint64_t requests, int one_core)
{
	double s = (double)(to->at - from->at) / (double)HD_NS_PER_S;

	printf("%4u s  %9.0f requests/s  worker busy %5.1f %%  %6.0f TSC ticks a request  %.1f packets a turn\n",
	       second, (double)requests / s, 100 * busy_share(from, to),
	       requests == 0 ? 0 : busy_ticks(from, to, one_core) / (double)requests,
	       to->turns == from->turns
		       ? 0
		       : (double)(to->rx - from->rx) / (double)(to->turns - from->turns));
	fflush(stdout);
}

/* What the worker would move if it did nothing else, by its busy time. */
static double gbit_per_core(const struct bench_result *r)
{
	double busy = busy_ticks(&r->first, &r->last, r->options->one_core) / (double)r->tsc_hz;

	return busy == 0 ? 0 : (double)r->body_bytes * 8 / busy / 1e9;
}

static const char *const stage_names[HD_STAGE_MAX] = {
#define STAGE_NAME(symbol, text) text,
	HD_WORKER_STAGES(STAGE_NAME)
#undef STAGE_NAME
};

static void report_stages(const uint64_t *seen)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < HD_STAGE_MAX; i++)
		all += seen[i];
	for (uint32_t i = 0; i < HD_STAGE_MAX && all != 0; i++)
		if (seen[i] != 0)
			printf("stage          %5.1f %%  %s\n", 100 * (double)seen[i] / (double)all,
			       stage_names[i]);
}

/* Handshakes that a core makes which does nothing else: by its thread's own time, and with the
 * worker's part. */
static double handshakes_per_core(const struct bench_result *r, int with_worker)
{
	double n = (double)(r->last.handshakes - r->first.handshakes),
	       s = (double)(r->last.handshake_cpu - r->first.handshake_cpu) / (double)HD_NS_PER_S;

	if (with_worker)
		s += busy_ticks(&r->first, &r->last, r->options->one_core) / (double)r->tsc_hz;
	return s == 0 ? 0 : n / s;
}

static double storm_ratio(const struct bench_result *r)
{
	uint64_t calm = hist_quantile(&r->calm_ns, 0.99);

	return calm == 0 ? 0 : (double)hist_quantile(r->latency_ns, 0.99) / (double)calm;
}

static void report_handshakes(const struct bench_result *r)
{
	double n = (double)(r->last.handshakes - r->first.handshakes);

	printf("handshakes     %.0f a second, %.0f %% resumed; a core that does nothing else makes %.0f a second, %.0f with the worker's part\n",
	       n / seconds(r), n == 0 ? 0 : 100 * (double)(r->last.resumed - r->first.resumed) / n,
	       handshakes_per_core(r, 0), handshakes_per_core(r, 1));
}

static void report_storm(const struct bench_result *r)
{
	printf("storm          %.0f handshakes a second; p99 of the established %.1f us, %.1f us without it: %.2f times\n",
	       r->storm_rate, (double)hist_quantile(r->latency_ns, 0.99) / 1e3,
	       (double)hist_quantile(&r->calm_ns, 0.99) / 1e3, storm_ratio(r));
}

void bench_report_text(const struct bench_result *r)
{
	const struct bench_options *o = r->options;
	double n = r->requests == 0 ? 1 : (double)r->requests;

	printf("\n%s: %u connections, answers of %u bytes, %.1f s, checksums by %s, access log %s\n",
	       bench_scenario_name(o->scenario), o->connections, o->size, seconds(r),
	       o->offloads ? "the wire" : "the worker", o->access_log ? "on" : "off");
	printf("requests       %" PRIu64 ", %.0f a second, %" PRIu64 " errors\n", r->requests,
	       (double)r->requests / seconds(r), r->errors);
	printf("worker         busy %.1f %% of the time, %.0f busy core cycles a request (%.0f TSC ticks)\n",
	       100 * busy_share(&r->first, &r->last), cycles_per_request(r),
	       cycles_per_request(r) / r->clock_ratio);
	printf("packets        %.2f received and %.2f sent a request\n",
	       (double)(r->last.rx - r->first.rx) / n, (double)(r->last.tx - r->first.tx) / n);
	printf("clock          TSC %.3f GHz, core %.3f GHz; other processes had the worker's core for %.1f %%\n",
	       (double)r->tsc_hz / 1e9, (double)r->tsc_hz / 1e9 * r->clock_ratio,
	       100 - 100 * share_on_core(&r->first, &r->last));
	printf("quiet          %.1f %% of the time nobody took a core from worker or generator%s\n",
	       100 * quiet_share(r), is_quiet(r) ? ": busy cycles are of that time" : "");
	if (r->line_ns != 0)
		printf("cores          a cache line goes from one to the other and back in %.0f ns%s\n",
		       r->line_ns,
		       r->line_ns > FAR_NS ? ": they are far apart, and that is in the cycles"
					   : "");
	printf("latency, us    p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n",
	       (double)hist_quantile(r->latency_ns, 0.5) / 1e3,
	       (double)hist_quantile(r->latency_ns, 0.9) / 1e3,
	       (double)hist_quantile(r->latency_ns, 0.99) / 1e3,
	       (double)hist_quantile(r->latency_ns, 0.999) / 1e3, (double)r->latency_ns->max / 1e3);
	if (o->scenario == BENCH_BULK)
		printf("bodies         %.2f Gbit/s; %.2f Gbit/s for a whole core of the worker\n",
		       (double)r->body_bytes * 8 / seconds(r) / 1e9, gbit_per_core(r));
	if (o->scenario == BENCH_HANDSHAKE)
		report_handshakes(r);
	if (o->scenario == BENCH_STORM)
		report_storm(r);
	if (r->syns != 0)
		printf("flood          %.0f SYNs a second, each answered or dropped with a counted name\n",
		       (double)r->syns / seconds(r));
	if (o->stages)
		report_stages(r->stages);
	if (r->table_bytes != 0)
		printf("memory         %.0f bytes a connection: %.0f in tables, %.0f in packet buffers\n",
		       r->table_bytes + r->buffer_bytes, r->table_bytes, r->buffer_bytes);
}

static void machine(char *out, size_t bytes)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(out, bytes, "unknown");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *model = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || model == NULL)
			continue;
		line[strcspn(line, "\n\"\\")] = '\0';
		snprintf(out, bytes, "%s", model + 2);
		break;
	}
	if (f != NULL)
		fclose(f);
}

void bench_report_json(const struct bench_result *r)
{
	const struct bench_options *o = r->options;
	char cpu[128];

	machine(cpu, sizeof(cpu));
	printf("{\"scenario\":\"%s\",\"workers\":1,\"connections\":%u,\"seconds\":%.2f,\"requests\":%" PRIu64
	       ",\"requests_per_second\":%.0f",
	       bench_scenario_name(o->scenario), o->connections, seconds(r), r->requests,
	       (double)r->requests / seconds(r));
	if (o->scenario != BENCH_IDLE)
		printf(",\"busy_cycles_per_request\":%.0f,\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,"
		       "\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}",
		       cycles_per_request(r), (double)hist_quantile(r->latency_ns, 0.5) / 1e3,
		       (double)hist_quantile(r->latency_ns, 0.9) / 1e3,
		       (double)hist_quantile(r->latency_ns, 0.99) / 1e3,
		       (double)hist_quantile(r->latency_ns, 0.999) / 1e3,
		       (double)r->latency_ns->max / 1e3);
	if (o->scenario == BENCH_BULK)
		printf(",\"gbit_per_second\":%.3f,\"gbit_per_core\":%.3f",
		       (double)r->body_bytes * 8 / seconds(r) / 1e9, gbit_per_core(r));
	if (r->syns != 0)
		printf(",\"syns_per_second\":%.0f", (double)r->syns / seconds(r));
	if (o->scenario == BENCH_HANDSHAKE)
		printf(",\"resumed\":%s,\"handshakes_per_core\":%.0f,\"handshakes_per_core_with_worker\":%.0f",
		       o->resumed ? "true" : "false", handshakes_per_core(r, 0),
		       handshakes_per_core(r, 1));
	if (o->scenario == BENCH_STORM)
		printf(",\"handshakes_per_second\":%.0f,\"p99_calm_us\":%.1f,\"p99_ratio\":%.2f",
		       r->storm_rate, (double)hist_quantile(&r->calm_ns, 0.99) / 1e3,
		       storm_ratio(r));
	if (o->rate != 0)
		printf(",\"rate\":%u", o->rate);
	if (o->loss != 0)
		printf(",\"loss_per_million\":%u", o->loss);
	if (r->table_bytes != 0)
		printf(",\"bytes_per_connection\":%.0f", r->table_bytes + r->buffer_bytes);
	printf(",\"errors\":%" PRIu64
	       ",\"git\":\"%s\",\"machine\":\"%s\",\"size\":%u,\"offloads\":%s,\"access_log\":%s",
	       r->errors, BENCH_GIT, cpu, o->size, o->offloads ? "true" : "false",
	       o->access_log ? "true" : "false");
	printf(",\"busy_share\":%.4f,\"tsc_hz\":%" PRIu64
	       ",\"core_hz\":%.0f,\"taken_by_others\":%.4f,\"quiet\":%.4f,\"line_round_trip_ns\":%.0f}\n",
	       busy_share(&r->first, &r->last), r->tsc_hz, (double)r->tsc_hz * r->clock_ratio,
	       1 - share_on_core(&r->first, &r->last), quiet_share(r), r->line_ns);
}
