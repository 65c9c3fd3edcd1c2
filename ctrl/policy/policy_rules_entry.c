/* SPDX-License-Identifier: Apache-2.0 */
/* Service, ServiceEntry, WorkloadEntry, Gateway, Sidecar: what Istio's validation refuses beyond
 * types and ranges. */
#include <stdlib.h>
#include <strings.h>

#include "policy_address.h"
#include "policy_rules.h"

static int has(const struct policy_yaml *map, const char *name)
{
	return policy_get(map, name) != NULL;
}

static uint32_t count(const struct policy_yaml *map, const char *name)
{
	const struct policy_yaml *y = policy_get(map, name);

	return y != NULL ? y->n : 0;
}

static void unix_address(struct policy_check *c, const struct policy_yaml *map,
			 const struct policy_yaml *address)
{
	struct hd_str path = { address->text.p + 7, address->text.n - 7 };

	if (path.n == 0 || (path.p[0] != '/' && path.p[0] != '@'))
		policy_error(c, address,
			     "a unix socket is an absolute path or an abstract name (@name)");
	else if (path.p[0] == '/' && path.p[path.n - 1] == '/')
		policy_error(c, address, "a unix socket cannot be a folder");
	if (count(map, "ports") > 0)
		policy_error(c, policy_get(map, "ports"), "a unix socket has no ports");
}

void policy_rule_workload_entry(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *address = policy_get(map, "address"),
				 *ports = policy_get(map, "ports");

	if (address == NULL && !has(map, "network"))
		policy_error(c, map, "WorkloadEntry needs \"address\"");
	else if (address != NULL && policy_str_starts(address->text, "unix://"))
		unix_address(c, map, address);
	else if (address != NULL && !policy_host_valid(address->text))
		policy_error(c, address, "address \"%.*s\" is neither an address nor a name",
			     POLICY_STR(address->text));
	for (const struct policy_yaml *y = ports != NULL ? ports->first : NULL; y != NULL;
	     y = y->next)
		if (!policy_label_valid(y->key))
			policy_error(c, y, "port name \"%.*s\" is no DNS label",
				     POLICY_STR(y->key));
	policy_rule_labels(c, policy_get(map, "labels"));
}

void policy_rule_probe(struct policy_check *c, struct policy_yaml *map)
{
	static const char *const ways[] = { "httpGet", "tcpSocket", "exec", "grpc" };
	int n = 0;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(ways); i++)
		n += has(map, ways[i]);
	if (n != 1)
		policy_error(c, map, "a probe needs one of httpGet, tcpSocket, exec and grpc");
}

static int has_control(struct hd_str s)
{
	for (uint32_t i = 0; i < s.n; i++)
		if ((uint8_t)s.p[i] < ' ' || s.p[i] == 0x7f)
			return 1;
	return 0;
}

/* What comes into a request must not end a line of it. */
void policy_rule_probe_http(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *path = policy_get(map, "path"), *host = policy_get(map, "host"),
				 *scheme = policy_get(map, "scheme"),
				 *headers = policy_get(map, "httpHeaders");

	if (path != NULL && (path->text.n == 0 || path->text.p[0] != '/' ||
			     has_control(path->text) || policy_str_has(path->text, ' ')))
		policy_error(c, path,
			     "path must begin with / and have neither spaces nor control bytes");
	if (host != NULL && has_control(host->text))
		policy_error(c, host, "host has control bytes");
	if (scheme != NULL && !policy_str_is(scheme->text, "HTTP"))
		policy_warning(c, scheme,
			       "scheme %.*s is known but not yet honoured: no probe is made",
			       POLICY_STR(scheme->text));
	for (const struct policy_yaml *y = headers != NULL ? headers->first : NULL; y != NULL;
	     y = y->next)
		if (has_control(policy_get_str(y, "name")) ||
		    has_control(policy_get_str(y, "value")) ||
		    policy_str_has(policy_get_str(y, "name"), ':'))
			policy_error(c, y, "a header's name or value has control bytes");
}

enum {
	RESOLUTION_NONE,
	RESOLUTION_STATIC,
	RESOLUTION_DNS,
	RESOLUTION_DNS_ROUND_ROBIN,
	RESOLUTION_DYNAMIC_DNS
};

static int protocol_known(struct hd_str s)
{
	static const char *const words[] = { "HTTP",  "HTTPS", "GRPC",	"GRPC-WEB",
					     "HTTP2", "MONGO", "REDIS", "MYSQL",
					     "TLS",   "TCP",   "UDP",	"HTTP_PROXY" };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(words); i++)
		if (s.n == strlen(words[i]) && strncasecmp(s.p, words[i], s.n) == 0)
			return 1;
	return 0;
}

static void entry_ports(struct policy_check *c, const struct policy_yaml *ports)
{
	for (const struct policy_yaml *y = ports->first; y != NULL; y = y->next) {
		struct hd_str name = policy_get_str(y, "name"),
			      protocol = policy_get_str(y, "protocol");
		int64_t number = policy_get_int(y, "number", 0);

		if (!policy_label_valid(name))
			policy_error(c, policy_get(y, "name"), "port name \"%.*s\" is no DNS label",
				     POLICY_STR(name));
		if (protocol.n > 0 && !protocol_known(protocol))
			policy_error(c, policy_get(y, "protocol"), "protocol \"%.*s\" is not known",
				     POLICY_STR(protocol));

		for (const struct policy_yaml *o = ports->first; o != y; o = o->next) {
			if (hd_str_eq(policy_get_str(o, "name"), name))
				policy_error(c, policy_get(y, "name"),
					     "port name \"%.*s\" is given twice", POLICY_STR(name));
			if (policy_get_int(o, "number", 0) == number)
				policy_error(c, policy_get(y, "number"), "port %lld is given twice",
					     (long long)number);
		}
	}
}

static void entry_addresses(struct policy_check *c, const struct policy_yaml *list,
			    int64_t resolution)
{
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next) {
		const char *slash = strchr(y->text.p, '/');
		struct hd_str ip = policy_str_copy(
			c->arena,
			slash != NULL ? (struct hd_str){ y->text.p, (uint32_t)(slash - y->text.p) }
				      : y->text);
		struct hd_ip out;
		long bits = slash != NULL ? strtol(slash + 1, NULL, 10) : 0;

		if (hd_ip_parse(ip.p, &out) != 0 || bits < 0 ||
		    bits > (hd_ip_is_v4(&out) ? 32 : 128))
			policy_error(c, y, "address \"%.*s\" is no address", POLICY_STR(y->text));
		else if (slash != NULL && resolution > RESOLUTION_STATIC)
			policy_error(c, y,
				     "a CIDR address goes only with resolution NONE or STATIC");
		else if (slash == NULL && policy_address_wrong(&out) != NULL)
			policy_warning(c, y, "\"%.*s\" %s: no caller reaches it",
				       POLICY_STR(y->text), policy_address_wrong(&out));
	}
}

static int port_named(const struct policy_yaml *ports, struct hd_str name)
{
	for (const struct policy_yaml *y = ports != NULL ? ports->first : NULL; y != NULL;
	     y = y->next)
		if (hd_str_eq(policy_get_str(y, "name"), name))
			return 1;
	return 0;
}

static void endpoint_ports(struct policy_check *c, const struct policy_yaml *endpoint,
			   const struct policy_yaml *ports)
{
	const struct policy_yaml *own = policy_get(endpoint, "ports");

	for (const struct policy_yaml *y = own != NULL ? own->first : NULL; y != NULL; y = y->next)
		if (!port_named(ports, y->key))
			policy_error(c, y, "the ServiceEntry has no port \"%.*s\"",
				     POLICY_STR(y->key));
}

static void entry_endpoints(struct policy_check *c, const struct policy_yaml *map,
			    int64_t resolution)
{
	const struct policy_yaml *list = policy_get(map, "endpoints");

	if (list == NULL || list->n == 0)
		return;
	if (resolution == RESOLUTION_NONE || resolution == RESOLUTION_DYNAMIC_DNS)
		policy_error(c, list, "endpoints do not go together with this resolution");
	if (count(policy_get(map, "workloadSelector"), "labels") > 0)
		policy_error(c, list, "endpoints do not go together with workloadSelector");
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next)
		endpoint_ports(c, y, policy_get(map, "ports"));
	for (const struct policy_yaml *y = list->first;
	     resolution == RESOLUTION_STATIC && y != NULL; y = y->next) {
		const struct policy_yaml *address = policy_get(y, "address");
		struct hd_ip ip;

		if (address != NULL && !policy_str_starts(address->text, "unix://") &&
		    hd_ip_parse(address->text.p, &ip) != 0)
			policy_error(
				c, address,
				"with resolution STATIC an endpoint is an address, not \"%.*s\"",
				POLICY_STR(address->text));
	}
}

void policy_rule_service_entry(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *hosts = policy_get(map, "hosts"),
				 *ports = policy_get(map, "ports");
	const struct policy_yaml *addresses = policy_get(map, "addresses");
	int64_t resolution = policy_get_int(map, "resolution", RESOLUTION_NONE);

	if (hosts == NULL || hosts->n == 0)
		policy_error(c, map, "a ServiceEntry needs \"hosts\"");
	for (const struct policy_yaml *y = hosts != NULL ? hosts->first : NULL; y != NULL;
	     y = y->next)
		if (policy_str_is(y->text, "*") || !policy_host_valid(y->text))
			policy_error(c, y, "host \"%.*s\" is no host name", POLICY_STR(y->text));
	if (ports != NULL)
		entry_ports(c, ports);
	if (addresses != NULL)
		entry_addresses(c, addresses, resolution);
	entry_endpoints(c, map, resolution);
	policy_rule_selector(c, policy_get(policy_get(map, "workloadSelector"), "labels"));
	if (resolution == RESOLUTION_DNS_ROUND_ROBIN && count(map, "endpoints") > 1)
		policy_error(c, policy_get(map, "endpoints"),
			     "with resolution DNS_ROUND_ROBIN there is one endpoint");
	if (resolution == RESOLUTION_DYNAMIC_DNS)
		policy_warning(c, policy_get(map, "resolution"),
			       "ServiceEntry.resolution %.*s is known but not yet "
			       "honoured",
			       POLICY_STR(policy_get(map, "resolution")->text));
	policy_rule_export_to(c, policy_get(map, "exportTo"), 1);
}

void policy_rule_gateway_port(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *protocol = policy_get(map, "protocol");

	if (protocol != NULL && !protocol_known(protocol->text))
		policy_error(c, protocol, "protocol \"%.*s\" is not known",
			     POLICY_STR(protocol->text));
	if (policy_get_int(map, "targetPort", 0) > 0)
		policy_error(c, policy_get(map, "targetPort"),
			     "targetPort has no meaning for a Gateway: take it away");
}

enum {
	SERVER_PASSTHROUGH,
	SERVER_SIMPLE,
	SERVER_MUTUAL,
	SERVER_AUTO_PASSTHROUGH,
	SERVER_ISTIO_MUTUAL,
	SERVER_OPTIONAL
};

static void server_tls(struct policy_check *c, const struct policy_yaml *tls)
{
	int64_t mode = policy_get_int(tls, "mode", SERVER_PASSTHROUGH);
	int named = has(tls, "credentialName") || count(tls, "credentialNames") > 0;
	int listed = count(tls, "tlsCertificates") > 0;
	int own = mode == SERVER_SIMPLE || mode == SERVER_MUTUAL || mode == SERVER_OPTIONAL;

	if (own && !named && !listed && (!has(tls, "serverCertificate") || !has(tls, "privateKey")))
		policy_error(c, tls,
			     "tls needs serverCertificate and privateKey, or credentialName");
	if ((mode == SERVER_MUTUAL || mode == SERVER_OPTIONAL) && !named &&
	    !has(tls, "caCertificates") && !has(tls, "caCertCredentialName"))
		policy_error(c, tls, "tls MUTUAL needs caCertificates, or credentialName");
	if (has(tls, "credentialName") + (count(tls, "credentialNames") > 0) + listed +
		    (has(tls, "serverCertificate") && has(tls, "privateKey")) >
	    1)
		policy_error(
			c, tls,
			"tls takes one of credentialName, credentialNames, tlsCertificates, and "
			"serverCertificate with privateKey");
	if (has(tls, "caCrl") && (mode == SERVER_SIMPLE || has(tls, "credentialName")))
		policy_error(c, policy_get(tls, "caCrl"),
			     "caCrl goes with mode MUTUAL and files: a Secret has its own");
	if (mode == SERVER_ISTIO_MUTUAL &&
	    (named || listed || has(tls, "caCertificates") || has(tls, "serverCertificate") ||
	     has(tls, "privateKey")))
		policy_error(c, tls,
			     "tls ISTIO_MUTUAL uses the mesh's certificates and takes no others");
}

/* A name, or namespace/name; the namespace may be "." and "*". */
static int server_host_valid(struct hd_str s)
{
	const char *slash = memchr(s.p, '/', s.n);
	struct hd_str ns = { s.p, slash != NULL ? (uint32_t)(slash - s.p) : 0 };

	if (slash == NULL)
		return policy_host_valid(s);
	return (policy_str_is(ns, ".") || policy_str_is(ns, "*") || policy_word_label(ns)) &&
	       policy_host_valid(policy_str(slash + 1));
}

static void bind_check(struct policy_check *c, const struct policy_yaml *bind)
{
	struct hd_ip ip;

	if (bind != NULL && bind->text.n > 0 && !policy_str_starts(bind->text, "unix://") &&
	    hd_ip_parse(bind->text.p, &ip) != 0)
		policy_error(c, bind, "bind \"%.*s\" is no address", POLICY_STR(bind->text));
}

/* A port of plain HTTP may only redirect. */
static void plain_tls(struct policy_check *c, const struct policy_yaml *tls, struct hd_str protocol)
{
	int http =
		strncasecmp(protocol.p, "HTTP", 4) == 0 || strncasecmp(protocol.p, "GRPC", 4) == 0;
	int own = policy_get_int(tls, "mode", SERVER_PASSTHROUGH) != SERVER_PASSTHROUGH ||
		  has(tls, "caCertificates") || has(tls, "privateKey") ||
		  has(tls, "serverCertificate");

	if (!http || own)
		policy_error(c, tls,
			     "a server of protocol %.*s has no tls%s: use protocol HTTPS or TLS",
			     POLICY_STR(protocol), http ? " but httpsRedirect" : "");
}

void policy_rule_server(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *hosts = policy_get(map, "hosts"), *tls = policy_get(map, "tls");
	struct hd_str protocol = policy_get_str(policy_get(map, "port"), "protocol");
	int needs_tls = strcasecmp(protocol.p, "HTTPS") == 0 || strcasecmp(protocol.p, "TLS") == 0;

	if (hosts == NULL || hosts->n == 0)
		policy_error(c, map, "a server needs \"hosts\"");
	for (const struct policy_yaml *y = hosts != NULL ? hosts->first : NULL; y != NULL;
	     y = y->next)
		if (!server_host_valid(y->text))
			policy_error(c, y, "host \"%.*s\" is no host name", POLICY_STR(y->text));
	bind_check(c, policy_get(map, "bind"));
	if (needs_tls && tls == NULL)
		policy_error(c, map, "a server of protocol %.*s needs tls", POLICY_STR(protocol));
	if (tls != NULL && needs_tls)
		server_tls(c, tls);
	else if (tls != NULL)
		plain_tls(c, tls, protocol);
}

void policy_rule_gateway(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *servers = policy_get(map, "servers");

	if (count(map, "servers") == 0)
		policy_error(c, map, "a Gateway needs \"servers\"");
	for (const struct policy_yaml *y = servers != NULL ? servers->first : NULL; y != NULL;
	     y = y->next)
		for (const struct policy_yaml *o = servers->first; o != y; o = o->next) {
			const struct policy_yaml *name = policy_get(policy_get(y, "port"), "name");

			if (name != NULL &&
			    hd_str_eq(policy_get_str(policy_get(o, "port"), "name"), name->text))
				policy_error(c, name, "port name \"%.*s\" is given twice",
					     POLICY_STR(name->text));
		}
}

static int egress_host_valid(struct hd_str s)
{
	const char *slash = memchr(s.p, '/', s.n);

	if (slash == NULL || slash == s.p)
		return 0;
	return policy_host_valid(policy_str(slash + 1));
}

void policy_rule_sidecar(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *egress = policy_get(map, "egress");

	for (const struct policy_yaml *e = egress != NULL ? egress->first : NULL; e != NULL;
	     e = e->next) {
		const struct policy_yaml *hosts = policy_get(e, "hosts");

		if (hosts == NULL || hosts->n == 0)
			policy_error(c, e, "egress needs \"hosts\"");
		for (const struct policy_yaml *y = hosts != NULL ? hosts->first : NULL; y != NULL;
		     y = y->next)
			if (!egress_host_valid(y->text))
				policy_error(c, y, "egress host \"%.*s\" must be namespace/host",
					     POLICY_STR(y->text));
	}
}

/* As the API server checks them. */
static void service_ports(struct policy_check *c, const struct policy_yaml *ports)
{
	for (const struct policy_yaml *y = ports != NULL ? ports->first : NULL; y != NULL;
	     y = y->next) {
		const struct policy_yaml *name = policy_get(y, "name");
		struct hd_str own = policy_get_str(y, "name");

		if (own.n == 0 && ports->n > 1)
			policy_error(c, y, "each of several ports needs \"name\"");
		else if (own.n > 0 && !policy_label_valid(own))
			policy_error(c, name, "port name \"%.*s\" is no DNS label",
				     POLICY_STR(own));
		for (const struct policy_yaml *o = ports->first; o != y; o = o->next) {
			if (own.n > 0 && hd_str_eq(policy_get_str(o, "name"), own))
				policy_error(c, name, "port name \"%.*s\" is given twice",
					     POLICY_STR(own));
			if (policy_get_int(o, "port", 0) == policy_get_int(y, "port", 0) &&
			    policy_get_int(o, "protocol", 0) == policy_get_int(y, "protocol", 0))
				policy_error(c, policy_get(y, "port"),
					     "port %lld is given twice: keep one",
					     (long long)policy_get_int(y, "port", 0));
		}
	}
}

static void service_address(struct policy_check *c, const struct policy_yaml *y)
{
	struct hd_ip ip;
	const char *why;

	if (y == NULL || hd_ip_parse(y->text.p, &ip) != 0)
		return; /* "None", or told where services are made */
	why = policy_address_wrong(&ip);
	if (why != NULL)
		policy_error(c, y, "\"%.*s\" %s: a service needs an address that a host can have",
			     POLICY_STR(y->text), why);
}

void policy_rule_service(struct policy_check *c, struct policy_yaml *map)
{
	const struct policy_yaml *all = policy_get(map, "clusterIPs"),
				 *affinity = policy_get(map, "sessionAffinity");

	service_ports(c, policy_get(map, "ports"));
	service_address(c, policy_get(map, "clusterIP"));
	for (const struct policy_yaml *y = all != NULL ? all->first : NULL; y != NULL; y = y->next)
		service_address(c, y);
	if (affinity != NULL && affinity->i == 1)
		policy_warning(c, affinity,
			       "sessionAffinity ClientIP is known but not yet honoured");
}
