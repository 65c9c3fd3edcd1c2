/* SPDX-License-Identifier: Apache-2.0 */
/* sim [--profile NAME] --seeds A-B | --seed N [--trace]
 * Exit 0: every invariant held, and something was answered. */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>

#include "sim_world.h"

#define MS HD_NS_PER_MS
#define CALM                                       \
	{                                          \
		.delay = MS / 5, .jitter = MS / 20 \
	}

#define CUTS(delay_)                                                                     \
	{                                                                                \
		.loss = 5, .delay = (delay_), .jitter = MS, .cut_every = 4 * HD_NS_PER_S, \
		.cut_for = 2 * HD_NS_PER_S                                               \
	}

static const struct sim_profile profiles[] = {
	{ .name = "plain", .front = CALM, .back = CALM, .slow = 100, .callers = 8 },
	{ .name = "faults",
	  .front = CALM,
	  .back = CALM,
	  .faults = 150,
	  .aborts = 100,
	  .slow = 100,
	  .callers = 10 },
	{ .name = "shut",
	  .front = CALM,
	  .back = CALM,
	  .faults = 50,
	  .shuts = 300,
	  .slow = 100,
	  .callers = 12 },
	{ .name = "resets",
	  .front = CALM,
	  .back = CALM,
	  .faults = 500,
	  .aborts = 300,
	  .slow = 100,
	  .callers = 16 },
	{ .name = "offsets", .front = CALM, .back = CALM, .callers = 32, .offsets = 1 },
	{ .name = "loss1",
	  .front = { .loss = 10, .delay = 2 * MS, .jitter = MS },
	  .back = { .loss = 10, .delay = MS, .jitter = MS / 2 },
	  .faults = 50,
	  .aborts = 50,
	  .slow = 100,
	  .callers = 8,
	  .lossy = 1 },
	{ .name = "loss5",
	  .front = { .loss = 50,
		     .duplicate = 10,
		     .reorder = 20,
		     .corrupt = 10,
		     .delay = 2 * MS,
		     .jitter = MS },
	  .back = { .loss = 50,
		    .duplicate = 10,
		    .reorder = 20,
		    .corrupt = 10,
		    .delay = MS,
		    .jitter = MS / 2 },
	  .faults = 50,
	  .aborts = 50,
	  .slow = 100,
	  .callers = 8,
	  .lossy = 1 },
	{ .name = "disorder",
	  .front = { .duplicate = 100, .reorder = 200, .delay = 5 * MS, .jitter = 3 * MS },
	  .back = { .duplicate = 100, .reorder = 200, .delay = MS, .jitter = MS },
	  .faults = 100,
	  .aborts = 50,
	  .slow = 100,
	  .callers = 8,
	  .lossy = 1 },
	{ .name = "narrow",
	  .front = { .delay = 20 * MS, .jitter = MS, .mbit = 5 },
	  .back = { .delay = MS, .jitter = MS / 2, .mbit = 50 },
	  .faults = 50,
	  .aborts = 50,
	  .slow = 200,
	  .callers = 8,
	  .lossy = 1 },
	{ .name = "starved",
	  .front = CALM,
	  .back = CALM,
	  .faults = 50,
	  .aborts = 50,
	  .slow = 200,
	  .callers = 12,
	  .lossy = 1,
	  .cut = 1,
	  .starved = 150 },
	{ .name = "cuts",
	  .front = CUTS(2 * MS),
	  .back = CUTS(MS),
	  .faults = 50,
	  .aborts = 50,
	  .slow = 100,
	  .callers = 8,
	  .lossy = 1,
	  .cut = 1 },
	{ .name = "tls-faults",
	  .front = CALM,
	  .back = CALM,
	  .faults = 200,
	  .aborts = 150,
	  .slow = 100,
	  .callers = 10,
	  .tls = 1 },
	{ .name = "tls-loss",
	  .front = { .loss = 30,
		     .duplicate = 20,
		     .reorder = 50,
		     .corrupt = 10,
		     .delay = 2 * MS,
		     .jitter = MS },
	  .back = { .loss = 30,
		    .duplicate = 20,
		    .reorder = 50,
		    .corrupt = 10,
		    .delay = MS,
		    .jitter = MS / 2 },
	  .faults = 80,
	  .aborts = 50,
	  .slow = 150,
	  .callers = 8,
	  .lossy = 1,
	  .tls = 1 },
	{ .name = "tls-cuts",
	  .front = CUTS(2 * MS),
	  .back = CUTS(MS),
	  .faults = 50,
	  .aborts = 50,
	  .slow = 100,
	  .callers = 8,
	  .lossy = 1,
	  .cut = 1,
	  .tls = 1 },
	{ .name = "tls-starved",
	  .front = CALM,
	  .back = CALM,
	  .faults = 50,
	  .aborts = 50,
	  .slow = 200,
	  .callers = 12,
	  .lossy = 1,
	  .cut = 1,
	  .tls = 1,
	  .starved = 150 },
};

static const struct sim_profile *profile_of(const char *name)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(profiles); i++) {
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	}
	fprintf(stderr, "no profile %s; there are:", name);
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(profiles); i++)
		fprintf(stderr, " %s", profiles[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

static void init_eal(void)
{
	char prefix[64];
	char *argv[] = { "sim",
			 "--no-huge",
			 "--no-pci",
			 "-m",
			 "512",
			 "--no-shconf",
			 "--no-telemetry",
			 "--file-prefix",
			 prefix,
			 "--log-level=error",
			 "-l",
			 "0" };

	snprintf(prefix, sizeof(prefix), "sim-%d", (int)getpid());
	if (rte_eal_init(HD_ARRAY_SIZE(argv), argv) < 0)
		exit(1);
}

static void add(struct sim_result *sum, const struct sim_result *r)
{
	sum->hash = sim_mix(sum->hash ^ r->hash);
	sum->frames += r->frames;
	sum->turns += r->turns;
	sum->duplicates += r->duplicates;
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(sum->outcomes); i++)
		sum->outcomes[i] += r->outcomes[i];
}

static int run_seeds(uint64_t from, uint64_t to, const struct sim_profile *p, int trace)
{
	struct sim_result sum = { 0 }, r;
	uint64_t failed = 0;
	char failure[512];

	for (uint64_t seed = from; seed <= to; seed++) {
		if (!sim_world_run(seed, p, trace, &r, failure, sizeof(failure))) {
			failed++;
			printf("seed %llu profile %s: %s\n", (unsigned long long)seed, p->name,
			       failure);
			fflush(stdout);
		}
		add(&sum, &r);
	}
	printf("%s: %llu seeds, %llu failed; %u requests answered, %u by the proxy, %u cut, "
	       "%u unanswered, %u given up; %u duplicates; %llu frames, trace %016llx\n",
	       p->name, (unsigned long long)(to - from + 1), (unsigned long long)failed,
	       sum.outcomes[SIM_ANSWERED], sum.outcomes[SIM_LOCAL], sum.outcomes[SIM_CUT],
	       sum.outcomes[SIM_UNANSWERED], sum.outcomes[SIM_GIVEN_UP], sum.duplicates,
	       (unsigned long long)sum.frames, (unsigned long long)sum.hash);
	if (sum.outcomes[SIM_ANSWERED] == 0)
		printf("%s: nothing was answered, so nothing was proved\n", p->name);
	return failed != 0 || sum.outcomes[SIM_ANSWERED] == 0;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sim [--profile NAME] --seeds FIRST-LAST | --seed N [--trace]; profiles:");
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(profiles); i++)
		fprintf(stderr, " %s", profiles[i].name);
	fprintf(stderr, "\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "profile", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'r' },
		{ "trace", no_argument, NULL, 't' },
		{ 0 },
	};
	unsigned long long from = 1, to = 0;
	const struct sim_profile *p = &profiles[0];
	int trace = 0, o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'p')
			p = profile_of(optarg);
		else if (o == 's')
			from = to = strtoull(optarg, NULL, 10);
		else if (o == 't')
			trace = 1;
		else if (o != 'r' || sscanf(optarg, "%llu-%llu", &from, &to) != 2)
			return usage();
	}
	if (to < from || optind != argc)
		return usage();
	init_eal();
	sim_world_init();
	return run_seeds(from, to, p, trace);
}
