/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of WorkloadGroups, with Kubernetes' defaults. */
#include "policy_model.h"

#define TIMEOUT_S 1
#define PERIOD_S 10
#define FAILURES 3

/* 0 is unset, as in Kubernetes. */
static uint32_t number_of(const struct policy_yaml *block, const char *name, uint32_t otherwise)
{
	int64_t n = policy_get_int(block, name, 0);

	return n > 0 ? (uint32_t)n : otherwise;
}

static hd_ns seconds_of(const struct policy_yaml *block, const char *name, uint32_t otherwise)
{
	return number_of(block, name, otherwise) * HD_NS_PER_S;
}

static void http_fill(struct policy_load *l, struct hd_probe_rule *r,
		      const struct policy_yaml *http)
{
	const struct policy_yaml *headers = policy_get(http, "httpHeaders");
	struct hd_str path = policy_get_str(http, "path"), all = { "", 0 };

	r->is_http = 1;
	r->path = policy_out(l, path.n > 0 ? path : policy_str("/"));
	r->host = policy_out(l, policy_get_str(http, "host"));
	for (const struct policy_yaml *y = headers != NULL ? headers->first : NULL; y != NULL;
	     y = y->next) {
		struct hd_str name = policy_get_str(y, "name"), value = policy_get_str(y, "value");

		if (name.n == 4 && strncasecmp(name.p, "host", 4) == 0)
			r->host = policy_out(l, value);
		else
			all = policy_str_printf(&l->arena, "%.*s%.*s: %.*s\r\n", POLICY_STR(all),
						POLICY_STR(name), POLICY_STR(value));
	}
	r->headers = policy_out(l, all);
}

static const struct policy_yaml *asked(const struct policy_yaml *probe, int *is_http)
{
	const struct policy_yaml *http = policy_get(probe, "httpGet");
	struct hd_str scheme = policy_get_str(http, "scheme");

	*is_http = http != NULL;
	if (http != NULL && scheme.n > 0 && !policy_str_is(scheme, "HTTP"))
		return NULL;
	return http != NULL ? http : policy_get(probe, "tcpSocket");
}

uint32_t policy_build_probe(struct policy_load *l, struct policy_probe *probe)
{
	const struct policy_yaml *way;
	struct hd_probe_rule *r;
	int is_http;

	if (probe == NULL || probe->built != 0)
		return probe != NULL ? probe->built : 0;
	way = asked(probe->yaml, &is_http);
	if (way == NULL)
		return 0;
	r = policy_vec_push(&l->arena, &l->probes);
	r->port = (uint16_t)policy_get_int(way, "port", 0);
	if (is_http)
		http_fill(l, r, way);
	r->initial_delay = seconds_of(probe->yaml, "initialDelaySeconds", 0);
	r->timeout = seconds_of(probe->yaml, "timeoutSeconds", TIMEOUT_S);
	r->period = seconds_of(probe->yaml, "periodSeconds", PERIOD_S);
	r->success_threshold = number_of(probe->yaml, "successThreshold", 1);
	r->failure_threshold = number_of(probe->yaml, "failureThreshold", FAILURES);
	r->source = policy_source(l, probe->object, probe->yaml);
	probe->built = l->probes.n;
	return probe->built;
}
