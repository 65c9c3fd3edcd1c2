/* SPDX-License-Identifier: Apache-2.0 */
/* EAL arguments as far as they can be judged without DPDK. EAL itself prints its whole usage for a
 * word that it does not know, and stops reading at one that is no option. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "policy_node.h"

enum takes { NOTHING, MAYBE, TEXT, NUMBER };

static const struct option {
	const char *name;
	enum takes takes;
} options[] = { /* DPDK 22.11, lib/eal/common/eal_options.h */
		{ "-a", TEXT },
		{ "-b", TEXT },
		{ "-c", TEXT },
		{ "-s", TEXT },
		{ "-d", TEXT },
		{ "-l", TEXT },
		{ "-S", TEXT },
		{ "-m", NUMBER },
		{ "-n", NUMBER },
		{ "-r", NUMBER },
		{ "-v", NOTHING },
		{ "--allow", TEXT },
		{ "--base-virtaddr", TEXT },
		{ "--block", TEXT },
		{ "--create-uio-dev", NOTHING },
		{ "--file-prefix", TEXT },
		{ "--force-max-simd-bitwidth", NUMBER },
		{ "--huge-dir", TEXT },
		{ "--huge-unlink", MAYBE },
		{ "--huge-worker-stack", MAYBE },
		{ "--in-memory", NOTHING },
		{ "--iova-mode", TEXT },
		{ "--lcores", TEXT },
		{ "--legacy-mem", NOTHING },
		{ "--log-level", TEXT },
		{ "--main-lcore", NUMBER },
		{ "--match-allocations", NOTHING },
		{ "--mbuf-pool-ops-name", TEXT },
		{ "--no-hpet", NOTHING },
		{ "--no-huge", NOTHING },
		{ "--no-pci", NOTHING },
		{ "--no-shconf", NOTHING },
		{ "--no-telemetry", NOTHING },
		{ "--proc-type", TEXT },
		{ "--single-file-segments", NOTHING },
		{ "--socket-limit", TEXT },
		{ "--socket-mem", TEXT },
		{ "--syslog", TEXT },
		{ "--telemetry", NOTHING },
		{ "--trace", TEXT },
		{ "--trace-bufsz", TEXT },
		{ "--trace-dir", TEXT },
		{ "--trace-mode", TEXT },
		{ "--vdev", TEXT },
		{ "--version", NOTHING },
		{ "--vfio-intr", TEXT },
		{ "--vfio-vf-token", TEXT },
		{ "--vmware-tsc-map", NOTHING },
		{ NULL, NOTHING }
};

/* Options of which EAL takes only one. */
static const char *const alternatives[][4] = {
	{ "-l", "-c", "--lcores", NULL },
	{ "-m", "--socket-mem", NULL },
	{ "--no-huge", "--socket-mem", NULL },
	{ "--no-huge", "--huge-unlink", NULL },
	{ "--no-huge", "--huge-worker-stack", NULL },
	{ "--legacy-mem", "--in-memory", NULL },
	{ "-a", "-b", NULL },
	{ "--allow", "--block", NULL },
};

struct scan {
	char why[160];
	const struct option *seen[64];
	uint32_t n_seen;
};

static size_t name_bytes(const char *arg)
{
	return arg[1] == '-' ? strcspn(arg, "=") : 2;
}

static const struct option *option_find(const char *arg)
{
	size_t n = name_bytes(arg);

	for (const struct option *o = options; o->name != NULL; o++)
		if (strlen(o->name) == n && memcmp(o->name, arg, n) == 0)
			return o;
	return NULL;
}

static int wrong(struct scan *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int wrong(struct scan *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(s->why, sizeof(s->why), format, ap);
	va_end(ap);
	return -1;
}

static int unknown(struct scan *s, const char *arg)
{
	const char *names[HD_ARRAY_SIZE(options)];
	const char *near = NULL;
	size_t n = name_bytes(arg);
	uint32_t count = 0;

	for (const struct option *o = options; o->name != NULL; o++)
		if (o->name[1] == '-')
			names[count++] = o->name;
	if (arg[1] == '-')
		near = policy_nearest((struct hd_str){ arg, (uint32_t)n }, names, count);
	return wrong(s, "EAL has no option \"%.*s\"%s%s%s", (int)(n < 40 ? n : 40), arg,
		     near != NULL ? ": did you mean \"" : "", near != NULL ? near : "",
		     near != NULL ? "\"?" : "");
}

static int value_check(struct scan *s, const struct option *o, const char *value)
{
	char *end;

	if (value == NULL || *value == '\0' || *value == '-')
		return wrong(s,
			     "EAL's \"%s\" needs a value: write it behind, as an item of its own",
			     o->name);
	if (o->takes == NUMBER && (strtoul(value, &end, 0) == 0 || *end != '\0') &&
	    strcmp(o->name, "--main-lcore") != 0)
		return wrong(s, "EAL's \"%s\" needs a number above 0, not \"%.40s\"", o->name,
			     value);
	if (strcmp(o->name, "--proc-type") == 0 && strcmp(value, "secondary") == 0)
		return wrong(s, "Heddle cannot be DPDK's secondary process: take --proc-type away");
	if (strcmp(o->name, "--iova-mode") == 0 && strcmp(value, "pa") != 0 &&
	    strcmp(value, "va") != 0)
		return wrong(s, "EAL's --iova-mode is pa or va, not \"%.40s\"", value);
	return 0;
}

static int seen(const struct scan *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_seen; i++)
		if (strcmp(s->seen[i]->name, name) == 0)
			return 1;
	return 0;
}

/* `o` with what came before it. */
static int alternatives_check(struct scan *s, const struct option *o)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(alternatives); i++) {
		const char *const *list = alternatives[i];
		int among = 0;

		for (uint32_t k = 0; list[k] != NULL; k++)
			among |= strcmp(list[k], o->name) == 0;
		for (uint32_t k = 0; among && list[k] != NULL; k++)
			if (strcmp(list[k], o->name) != 0 && seen(s, list[k]))
				return wrong(s, "EAL takes either %s or %s: keep one", list[k],
					     o->name);
	}
	return 0;
}

/* One option with its value; `next` is what follows it, NULL at the end. The number of words it
 * takes, or -1. */
static int option_read(struct scan *s, const char *arg, const char *next)
{
	const struct option *o;
	size_t n;
	const char *value;

	if (arg[0] != '-' || arg[1] == '\0' || strcmp(arg, "--") == 0)
		return wrong(s, "\"%.40s\" is no EAL option: EAL would read nothing behind it",
			     arg);
	if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0)
		return wrong(s, "EAL's %s prints its usage and ends: take it away", arg);
	o = option_find(arg);
	if (o == NULL)
		return unknown(s, arg);
	n = strlen(o->name);
	value = arg[n] == '\0' ? NULL : arg + n + (arg[n] == '=');
	if (o->takes == NOTHING && value != NULL)
		return wrong(s, "EAL's \"%s\" takes no value", o->name);
	if (o->takes >= TEXT && value_check(s, o, value != NULL ? value : next) != 0)
		return -1;
	if (alternatives_check(s, o) != 0)
		return -1;
	if (s->n_seen < HD_ARRAY_SIZE(s->seen))
		s->seen[s->n_seen++] = o;
	return o->takes >= TEXT && value == NULL ? 2 : 1;
}

int policy_eal_check(char *const *args, uint32_t *at, char *why, size_t bytes)
{
	struct scan s = { 0 };
	int taken;

	for (uint32_t i = 0; args[i] != NULL; i += (uint32_t)taken) {
		taken = option_read(&s, args[i], args[i + 1]);
		if (taken > 0)
			continue;
		*at = i;
		snprintf(why, bytes, "%s", s.why);
		return -EINVAL;
	}
	return 0;
}

void policy_node_eal(struct node_load *l, const struct policy_yaml *list)
{
	struct hd_node *n = &l->node->dp;
	const struct policy_yaml *y = list != NULL ? list->first : NULL;
	char why[160];
	uint32_t i = 0, at;

	for (; y != NULL; y = y->next) {
		if (i + 1 == HD_ARRAY_SIZE(n->eal)) {
			policy_error(&l->check, y, "more than %zu EAL arguments",
				     HD_ARRAY_SIZE(n->eal) - 1);
			return;
		}
		n->eal[i++] = policy_node_keep(l, y->text);
	}
	if (i == 0 || policy_eal_check(n->eal, &at, why, sizeof(why)) == 0)
		return;
	for (y = list->first; at > 0; at--)
		y = y->next;
	policy_error(&l->check, y, "%s", why);
}
