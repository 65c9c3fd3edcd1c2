/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "authz_plain.h"

const char *const plain_source_names[PLAIN_SOURCE_FIELDS] = {
	"principals",	     "notPrincipals",	     "serviceAccounts", "notServiceAccounts",
	"namespaces",	     "notNamespaces",	     "trustDomains",	"notTrustDomains",
	"requestPrincipals", "notRequestPrincipals", "ipBlocks",	"notIpBlocks",
	"remoteIpBlocks",    "notRemoteIpBlocks"
};
const char *const plain_operation_names[PLAIN_OPERATION_FIELDS] = {
	"methods", "notMethods", "paths", "notPaths", "hosts", "notHosts", "ports", "notPorts"
};

/* `*` alone: not empty; in front: the end counts; behind: the beginning; else the whole. */
static int pattern(const char *p, const char *s)
{
	size_t pn = strlen(p), sn = strlen(s);

	if (strcmp(p, "*") == 0)
		return sn > 0;
	if (p[0] == '*')
		return sn >= pn - 1 && strcmp(s + sn - (pn - 1), p + 1) == 0;
	if (p[pn - 1] == '*')
		return strncmp(s, p, pn - 1) == 0;
	return strcmp(p, s) == 0;
}

static int segment_byte(char c, int slash)
{
	return isalnum((unsigned char)c) || (c != 0 && strchr("-._~%!$&'()+,;:@=", c) != NULL) ||
	       (slash && c == '/');
}

/* By trying everything. */
static int template(const char *t, const char *s)
{
	if (strncmp(t, "{**}", 4) == 0) {
		do {
			if (template(t + 4, s))
				return 1;
		} while (segment_byte(*s, 1) && s++);
		return 0;
	}
	if (strncmp(t, "{*}", 3) == 0) {
		for (int n = 1; segment_byte(s[n - 1], 0); n++)
			if (template(t + 3, s + n))
				return 1;
		return 0;
	}
	if (*t == '\0')
		return *s == '\0';
	return *t == *s && template(t + 1, s + 1);
}

static int block(const char *text, const char *address)
{
	char ip[64], *slash;
	unsigned char a[16], b[16];
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET, bits;

	snprintf(ip, sizeof(ip), "%s", text);
	slash = strchr(ip, '/');
	bits = slash != NULL ? atoi(slash + 1) : family == AF_INET ? 32 : 128;
	if (slash != NULL)
		*slash = '\0';
	if (inet_pton(family, ip, a) != 1 || inet_pton(family, address, b) != 1)
		return 0;
	for (int i = 0; i < bits; i++)
		if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8)) & 1)
			return 0;
	return 1;
}

static const char *remote(const struct plain_request *q)
{
	unsigned char any[16];
	const char *last;

	if (q->is_stream || q->forwarded == NULL)
		return q->source;
	last = strrchr(q->forwarded, ',');
	last = last != NULL ? last + 1 : q->forwarded;
	while (*last == ' ')
		last++;
	return inet_pton(AF_INET, last, any) == 1 || inet_pton(AF_INET6, last, any) == 1
		       ? last
		       : q->source;
}

/* "td/ns/N/sa/S": the part behind a mark. */
static int identity(const char *principal, char domain[64], char ns[64], char account[64])
{
	domain[0] = ns[0] = account[0] = '\0';
	return sscanf(principal, "%63[^/]/ns/%63[^/]/sa/%63[^/]", domain, ns, account) == 3;
}

static int account(const char *v, const char *policy_ns, const char *principal)
{
	char domain[64], ns[64], name[64], wanted[128], is[192];

	if (!identity(principal, domain, ns, name))
		return 0;
	if (strchr(v, '/') != NULL)
		snprintf(wanted, sizeof(wanted), "%s", v);
	else
		snprintf(wanted, sizeof(wanted), "%s/%s", policy_ns, v);
	snprintf(is, sizeof(is), "%s/%s", ns, name);
	return strcmp(wanted, is) == 0;
}

static int request_principal(const char *v, const struct plain_request *q)
{
	char iss[128];
	const char *slash = strrchr(v, '/');

	if (!q->has_token || q->issuer[0] == '\0' || q->subject[0] == '\0')
		return 0;
	if (strcmp(v, "*") == 0)
		return 1;
	if (slash == NULL)
		return v[0] == '*' ? pattern(v, q->subject) : pattern(v, q->issuer);
	snprintf(iss, sizeof(iss), "%.*s", (int)(slash - v), v);
	return pattern(iss, q->issuer) && pattern(slash + 1, q->subject);
}

static void lower(char *out, size_t room, const char *s)
{
	snprintf(out, room, "%s", s);
	for (; *out != '\0'; out++)
		*out = (char)tolower((unsigned char)*out);
}

static int any_header(const char *name, const char *v, const struct plain_request *q)
{
	for (int i = 0; i < q->n_headers; i++)
		if (strcasecmp(q->headers[i].name, name) == 0 &&
		    (strcmp(v, "*") == 0 || pattern(v, q->headers[i].value)))
			return 1;
	return 0;
}

static int any_claim(const char *name, const char *v, const struct plain_request *q)
{
	for (int i = 0; i < q->n_claims && q->has_token; i++)
		if (strcmp(q->claims[i].name, name) == 0 && pattern(v, q->claims[i].value))
			return 1;
	return 0;
}

static int is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static int source_value(const char *field, const char *v, const char *policy_ns,
			const struct plain_request *q)
{
	char domain[64], ns[64], name[64];
	int known = identity(q->principal, domain, ns, name);

	if (is(field, "principals"))
		return pattern(v, q->principal);
	if (is(field, "serviceAccounts"))
		return account(v, policy_ns, q->principal);
	if (is(field, "namespaces"))
		return known && pattern(v, ns);
	if (is(field, "trustDomains"))
		return known && pattern(v, domain);
	if (is(field, "requestPrincipals"))
		return request_principal(v, q);
	return block(v, is(field, "ipBlocks") ? q->source : remote(q));
}

static int operation_value(const char *field, const char *v, const struct plain_workload *w,
			   const struct plain_request *q)
{
	char wanted[128], host[128];

	if (is(field, "methods"))
		return pattern(v, q->method);
	if (is(field, "paths"))
		return strchr(v, '{') != NULL ? template(v, q->path) : pattern(v, q->path);
	if (is(field, "ports"))
		return atoi(v) == q->dialled_port || atoi(v) == w->port;
	lower(wanted, sizeof(wanted), v);
	lower(host, sizeof(host), q->host);
	return pattern(wanted, host);
}

static int condition_value(const char *key, const char *v, const char *policy_ns,
			   const struct plain_workload *w, const struct plain_request *q)
{
	static const char *const as_source[][2] = { { "source.ip", "ipBlocks" },
						    { "remote.ip", "remoteIpBlocks" },
						    { "source.namespace", "namespaces" },
						    { "source.serviceAccount", "serviceAccounts" },
						    { "source.trustDomain", "trustDomains" },
						    { "source.principal", "principals" },
						    { "request.auth.principal",
						      "requestPrincipals" } };
	char name[64];

	for (size_t i = 0; i < sizeof(as_source) / sizeof(as_source[0]); i++)
		if (is(key, as_source[i][0]))
			return source_value(as_source[i][1], v, policy_ns, q);
	if (sscanf(key, "request.headers[%63[^]]]", name) == 1)
		return any_header(name, v, q);
	if (is(key, "request.auth.audiences"))
		return any_claim("[aud]", v, q);
	if (is(key, "request.auth.presenter"))
		return any_claim("[azp]", v, q);
	if (strncmp(key, "request.auth.claims", 19) == 0)
		return any_claim(key + 19, v, q);
	if (is(key, "destination.ip"))
		return block(v, q->dialled_ip) || block(v, w->ip);
	if (is(key, "destination.port"))
		return atoi(v) == q->dialled_port || atoi(v) == w->port;
	return pattern(v, q->sni); /* connection.sni */
}

static int http_only(const char *field)
{
	return is(field, "requestPrincipals") || is(field, "methods") || is(field, "paths") ||
	       is(field, "hosts") || strncmp(field, "request.", 8) == 0;
}

/* What one evaluation carries about. */
struct plain {
	const struct plain_policy *p;
	const struct plain_workload *w;
	const struct plain_request *q;
	int saw_http; /* a field that a stream does not have */
};

static int skips(struct plain *x, const char *field)
{
	if (!x->q->is_stream || !http_only(field))
		return 0;
	x->saw_http = 1;
	return 1;
}

static int source_holds(struct plain *x, const struct plain_list *lists)
{
	int holds = 1;

	for (int f = 0; f < PLAIN_SOURCE_FIELDS; f++) {
		const struct plain_list *l = &lists[f];
		int any = 0;

		if (l->n == 0 || skips(x, plain_source_names[f & ~1]))
			continue;
		for (int i = 0; i < l->n; i++)
			any |= source_value(plain_source_names[f & ~1], l->values[i],
					    x->p->namespace_, x->q);
		holds &= any != (f & 1);
	}
	return holds;
}

static int operation_holds(struct plain *x, const struct plain_list *lists)
{
	int holds = 1;

	for (int f = 0; f < PLAIN_OPERATION_FIELDS; f++) {
		const struct plain_list *l = &lists[f];
		int any = 0;

		if (l->n == 0 || skips(x, plain_operation_names[f & ~1]))
			continue;
		for (int i = 0; i < l->n; i++)
			any |= operation_value(plain_operation_names[f & ~1], l->values[i], x->w,
					       x->q);
		holds &= any != (f & 1);
	}
	return holds;
}

static int list_any(struct plain *x, const char *key, const struct plain_list *l)
{
	for (int i = 0; i < l->n; i++)
		if (condition_value(key, l->values[i], x->p->namespace_, x->w, x->q))
			return 1;
	return 0;
}

static int condition_holds(struct plain *x, const struct plain_condition *c)
{
	if (skips(x, c->key))
		return 1;
	return (c->values.n == 0 || list_any(x, c->key, &c->values)) &&
	       !list_any(x, c->key, &c->not_values);
}

static int rule_holds(struct plain *x, const struct plain_rule *r)
{
	int from = r->n_sources == 0, to = r->n_operations == 0, when = 1;

	x->saw_http = 0;
	for (int i = 0; i < r->n_sources; i++)
		from |= source_holds(x, r->sources[i]);
	for (int i = 0; i < r->n_operations; i++)
		to |= operation_holds(x, r->operations[i]);
	for (int i = 0; i < r->n_conditions; i++)
		when &= condition_holds(x, &r->conditions[i]);
	if (x->saw_http && x->p->action == PLAIN_ALLOW)
		return 0;
	return from && to && when;
}

static int selects(const struct plain_policy *p, const struct plain_workload *w)
{
	if (!is(p->namespace_, "istio-system") && !is(p->namespace_, w->namespace_))
		return 0;
	if (p->label[0] == NULL)
		return 1;
	for (int i = 0; i < 3; i++)
		if (w->labels[i][0] != NULL && is(w->labels[i][0], p->label[0]) &&
		    is(w->labels[i][1], p->label[1]))
			return 1;
	return 0;
}

/* The first in the order of names, as Envoy reports it. */
static int any_rule(const struct plain_policy *policies, int n, enum plain_action action,
		    struct plain *x, int *applies, char best[192])
{
	int found = 0;

	*applies = 0;
	for (int i = 0; i < n; i++) {
		x->p = &policies[i];
		if (policies[i].action != action || policies[i].dry_run ||
		    !selects(&policies[i], x->w))
			continue;
		*applies = 1;
		for (int r = 0; r < policies[i].n_rules; r++) {
			char id[192];

			snprintf(id, sizeof(id), "%sns[%s]-policy[%s]-rule[%d]%s",
				 action == PLAIN_CUSTOM ? "istio-ext-authz-nobody-" : "",
				 policies[i].namespace_, policies[i].name, r,
				 action == PLAIN_CUSTOM ? "-deny-due-to-bad-CUSTOM-action" : "");
			if (rule_holds(x, &policies[i].rules[r]) &&
			    (!found || strcmp(id, best) < 0)) {
				strcpy(best, id);
				found = 1;
			}
		}
	}
	return found;
}

int plain_decide(const struct plain_policy *policies, int n, const struct plain_workload *w,
		 const struct plain_request *q, char id[192])
{
	struct plain x = { .w = w, .q = q };
	int applies;

	strcpy(id, "none");
	if (any_rule(policies, n, PLAIN_CUSTOM, &x, &applies, id) ||
	    any_rule(policies, n, PLAIN_DENY, &x, &applies, id))
		return 0;
	return any_rule(policies, n, PLAIN_ALLOW, &x, &applies, id) || !applies;
}
