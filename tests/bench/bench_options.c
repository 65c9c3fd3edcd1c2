/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *text;
	uint32_t connections, size;
} scenarios[] = {
	[BENCH_HTTP1] = { "http1", "requests on kept connections; callers and backends keep theirs",
			  64, 1024 },
	[BENCH_CONNECT] = { "connect", "a new connection for every request", 64, 1024 },
	[BENCH_BULK] = { "bulk", "large answers", 4, 10 << 20 },
	[BENCH_IDLE] = { "idle",
			 "many connections with one request each, then silence: memory of each",
			 10000, 1024 },
	[BENCH_SYNFLOOD] = { "synflood",
			     "http1 while nobody's SYNs arrive as fast as the wire takes them", 64,
			     1024 },
	[BENCH_LOSS] = { "loss", "http1 through wires that lose one frame of a hundred", 64, 1024 },
	[BENCH_MTLS] = { "mtls", "http1 over mutual TLS on both sides", 64, 1024 },
	[BENCH_HANDSHAKE] = { "handshake", "mutual handshakes of callers, one after the other", 32,
			      1024 },
	[BENCH_STORM] = { "storm",
			  "mtls at a steady rate, half of the time beside as many handshakes as go",
			  64, 1024 },
};

#define LOSS_PER_MILLION 10000
#define STORM_RATE 10000
#define STORM_CONNECTIONS 64

const char *bench_scenario_name(enum bench_scenario s)
{
	return scenarios[s].name;
}

void bench_options_help(void)
{
	puts("heddle-bench [EAL options] -- [options]\n"
	     "\n"
	     "Drives one real worker, the code of the daemon with policy, routing and statistics on,\n"
	     "from another core. Callers and backends are Heddle's own TCP, joined to the worker by wires\n"
	     "in memory: no kernel and no card is in the figures. Needs two cores: the first lcore\n"
	     "generates, the second one is the worker.\n"
	     "\n"
	     "  heddle-bench --no-huge -m 1024 --no-pci --no-shconf -l 0,1 -- --scenario http1 --seconds 10\n"
	     "\n"
	     "  --scenario NAME   what is done (http1):");
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		printf("      %-9s     %s\n", scenarios[i].name, scenarios[i].text);
	puts("  --connections N   how many callers at once (64; bulk 4, idle 10000)\n"
	     "  --size BYTES      body of an answer (1024; bulk 10485760)\n"
	     "  --seconds N       how long to measure (10); --duration is the same\n"
	     "  --warm-up N       seconds before that which do not count (1)\n"
	     "  --rate N          so many requests a second, whatever becomes of them (open loop): latency\n"
	     "                    counts from when a request was due, waiting for a connection included\n"
	     "  --syn-rate N      synflood: so many SYNs a second (as many as the wire takes)\n"
	     "  --loss N          frames of a million that each wire loses, each way (loss: 10000)\n"
	     "  --stages          where the worker was when the other core looked: shares of its busy time\n"
	     "  --offloads        the wire checks and writes checksums, as most cards do; else the worker does\n"
	     "  --access-log      write access records, and throw them away at the other core\n"
	     "  --tls             mutual TLS with callers and backends (mtls, handshake, storm have it)\n"
	     "  --resumed         handshakes of callers resume a session; else each is a full one\n"
	     "  --services N      N services with ten routes, retries, limits and outlier detection\n"
	     "                    each, asked by turns, in place of one\n"
	     "  --outliers        the policy has outlier detection: each outcome is counted\n"
	     "  --one-core        generator and worker take turns on the first lcore: fewer requests, but\n"
	     "                    the same ones in the same order each run, for machines with one core\n"
	     "  --turns N         so many turns of both on one core, on a clock that moves 20 us a turn: a\n"
	     "                    run repeats to the instruction. For callgrind\n"
	     "                    --toggle-collect='worker_turn*'; cycles and latencies mean nothing\n"
	     "  --json            the last line is one JSON object\n"
	     "  --help            this text\n"
	     "\n"
	     "Busy cycles are the TSC ticks of the worker's turns that received, sent or fired anything,\n"
	     "scaled by the core clock measured on the worker's core before and after the run. They are\n"
	     "counted in the windows of 2 ms in which no other process took either core; when those are\n"
	     "rare, over the whole time, less what others took.");
}

static int number(const char *name, const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0' || v < least || v > most) {
		fprintf(stderr, "heddle-bench: --%s: \"%s\" is not a number from %u to %u\n", name,
			text, least, most);
		return -1;
	}
	*out = (uint32_t)v;
	return 0;
}

static int scenario(const char *text, struct bench_options *o)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(scenarios[i].name, text) == 0) {
			o->scenario = (enum bench_scenario)i;
			return 0;
		}
	}
	fprintf(stderr, "heddle-bench: no scenario \"%s\": see --help\n", text);
	return -1;
}

static void fill_defaults(struct bench_options *o)
{
	if (o->connections == 0)
		o->connections = scenarios[o->scenario].connections;
	if (o->scenario == BENCH_LOSS && o->loss == 0)
		o->loss = LOSS_PER_MILLION;
	if (o->size == 0)
		o->size = scenarios[o->scenario].size;
	if (o->scenario >= BENCH_MTLS)
		o->tls = 1;
	if (o->scenario != BENCH_STORM)
		return;
	o->storm = STORM_CONNECTIONS;
	if (o->rate == 0)
		o->rate = STORM_RATE;
}

int bench_options_parse(struct bench_options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "scenario", required_argument, NULL, 's' },
		{ "connections", required_argument, NULL, 'c' },
		{ "size", required_argument, NULL, 'b' },
		{ "seconds", required_argument, NULL, 't' },
		{ "duration", required_argument, NULL, 't' },
		{ "warm-up", required_argument, NULL, 'w' },
		{ "offloads", no_argument, NULL, 'o' },
		{ "access-log", no_argument, NULL, 'a' },
		{ "services", required_argument, NULL, 'v' },
		{ "outliers", no_argument, NULL, 'x' },
		{ "one-core", no_argument, NULL, '1' },
		{ "rate", required_argument, NULL, 'r' },
		{ "syn-rate", required_argument, NULL, 'f' },
		{ "loss", required_argument, NULL, 'l' },
		{ "stages", no_argument, NULL, 'S' },
		{ "turns", required_argument, NULL, 'n' },
		{ "tls", no_argument, NULL, 'T' },
		{ "resumed", no_argument, NULL, 'R' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, index = 0, rc = 0;

	*o = (struct bench_options){ .seconds = 10, .warm_up = 1 };
	optind = 1;
	while (rc == 0 && (c = getopt_long(argc, argv, "h", longs, &index)) != -1) {
		switch (c) {
		case 's':
			rc = scenario(optarg, o);
			break;
		case 'c':
			rc = number("connections", optarg, 1, 1000000, &o->connections);
			break;
		case 'b':
			rc = number("size", optarg, 0, 1 << 30, &o->size);
			break;
		case 't':
			rc = number("seconds", optarg, 1, 86400, &o->seconds);
			break;
		case 'w':
			rc = number("warm-up", optarg, 0, 3600, &o->warm_up);
			break;
		case 'o':
			o->offloads = 1;
			break;
		case 'a':
			o->access_log = 1;
			break;
		case 'v':
			rc = number("services", optarg, 1, BENCH_SERVICES_MOST, &o->services);
			break;
		case 'x':
			o->outliers = 1;
			break;
		case '1':
			o->one_core = 1;
			break;
		case 'r':
			rc = number("rate", optarg, 1, 100000000, &o->rate);
			break;
		case 'f':
			rc = number("syn-rate", optarg, 1, 100000000, &o->syn_rate);
			break;
		case 'l':
			rc = number("loss", optarg, 0, 500000, &o->loss);
			break;
		case 'S':
			o->stages = 1;
			break;
		case 'n':
			rc = number("turns", optarg, 1, 100000000, &o->turns);
			o->one_core = 1;
			break;
		case 'T':
			o->tls = 1;
			break;
		case 'R':
			o->resumed = 1;
			break;
		case 'j':
			o->json = 1;
			break;
		case 'h':
			bench_options_help();
			return 1;
		default:
			return -1; /* getopt said what is wrong */
		}
	}
	if (rc == 0 && optind < argc) {
		fprintf(stderr, "heddle-bench: \"%s\" is no option: see --help\n", argv[optind]);
		rc = -1;
	}
	fill_defaults(o);
	return rc;
}
