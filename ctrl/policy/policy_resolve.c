/* SPDX-License-Identifier: Apache-2.0 */
/* Services: Kubernetes' own and those of ServiceEntries. */
#include <strings.h>

#include "policy_model.h"

struct policy_object *policy_object_at(const struct policy_load *l, uint32_t i)
{
	return *(struct policy_object **)policy_vec_at(&l->objects, i);
}

void policy_object_check(struct policy_load *l, const struct policy_object *o,
			 struct policy_check *c)
{
	*c = (struct policy_check){
		.arena = &l->arena,
		.diags = l->diags,
		.file = o->file,
		.strict = l->policy->settings.strict,
		.allow_unenforced = l->policy->settings.allow_unenforced,
	};
	policy_map_init(&c->warned, &l->arena);
}

struct hd_str policy_host_full(struct policy_load *l, struct hd_str host, struct hd_str namespace_)
{
	struct hd_ip ip;

	if (host.n == 0 || policy_str_has(host, '.') || policy_str_has(host, '*') ||
	    hd_ip_parse(host.p, &ip) == 0)
		return policy_str_lower(&l->arena, host);
	host = policy_str_printf(&l->arena, "%.*s.%.*s.svc.%s", POLICY_STR(host),
				 POLICY_STR(namespace_), l->policy->settings.domain);
	return policy_str_lower(&l->arena, host);
}

struct protocol_row {
	const char *word;
	uint8_t protocol;
	uint8_t is_tls;
};

/* Longest first where one begins another; the part before the first "-" decides. */
static const struct protocol_row protocol_rows[] = {
	{ "http2", HD_PROTO_HTTP2 },
	{ "grpc", HD_PROTO_HTTP2 },
	{ "grpc-web", HD_PROTO_HTTP2 },
	{ "http", HD_PROTO_HTTP },
	{ "http_proxy", HD_PROTO_HTTP },
	{ "https", HD_PROTO_TCP, 1 },
	{ "tls", HD_PROTO_TCP, 1 },
	{ "tcp", HD_PROTO_TCP },
	{ "mongo", HD_PROTO_TCP },
	{ "redis", HD_PROTO_TCP },
	{ "mysql", HD_PROTO_TCP },
	{ "udp", HD_PROTO_TCP },
	{ "kubernetes.io/h2c", HD_PROTO_HTTP2 },
	{ "kubernetes.io/ws", HD_PROTO_HTTP },
	{ "kubernetes.io/wss", HD_PROTO_TCP, 1 },
};

static const struct protocol_row *protocol_of_word(struct hd_str word)
{
	const char *dash = word.n > 0 ? memchr(word.p, '-', word.n) : NULL;
	uint32_t n = dash != NULL ? (uint32_t)(dash - word.p) : word.n;

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(protocol_rows); i++) {
		size_t len = strlen(protocol_rows[i].word);

		if ((len == n || len == word.n) &&
		    strncasecmp(protocol_rows[i].word, word.p, len) == 0)
			return &protocol_rows[i];
	}
	return NULL;
}

/* Without a word that says so, HTTP, but for the ports of protocols whose server speaks first. */
static void protocol_fill(struct policy_service_port *p, struct hd_str word)
{
	const struct protocol_row *row = protocol_of_word(word);
	int speaks_first = p->port == 25 || p->port == 53 || p->port == 3306 || p->port == 27017;

	p->protocol = row != NULL ? row->protocol : speaks_first ? HD_PROTO_TCP : HD_PROTO_HTTP;
	p->is_tls = row != NULL && row->is_tls;
}

static void service_enter(struct policy_load *l, struct policy_service *s)
{
	struct policy_service *before;
	struct policy_check c;

	if (!policy_imported(l, s->namespace_, s->host)) {
		l->n_left_out++;
		return;
	}
	before = policy_map_add(&l->services_by_host, s->host, s);

	if (before == NULL) {
		*(struct policy_service **)policy_vec_push(&l->arena, &l->services) = s;
		return;
	}
	policy_object_check(l, s->object, &c);
	policy_warning(&c, s->object->body, "host %.*s is already that of %.*s: left out",
		       POLICY_STR(s->host), POLICY_STR(before->object->label));
}

static void service_port_fill(struct policy_service_port *p, const struct policy_yaml *y)
{
	const struct policy_yaml *target = policy_get(y, "targetPort");
	struct hd_str app = policy_get_str(y, "appProtocol");

	p->place = y;
	p->name = policy_get_str(y, "name");
	p->port = (uint16_t)policy_get_int(y, "port", 0);
	p->target = target == NULL ? p->port : (uint16_t)target->i;
	p->target_name = target != NULL && target->i == 0 ? target->text : (struct hd_str){ "", 0 };
	protocol_fill(p, app.n > 0 ? app : p->name);
	p->cluster = HD_NONE;
	policy_vec_init(&p->backends, sizeof(struct policy_backend));
}

static void service_ports(struct policy_load *l, struct policy_service *s,
			  const struct policy_yaml *ports)
{
	if (ports == NULL)
		return;
	s->ports = policy_alloc_array(&l->arena, ports->n, sizeof(*s->ports));
	for (const struct policy_yaml *y = ports->first; y != NULL; y = y->next)
		if (policy_get_int(y, "protocol", 0) == 0) /* TCP; datagrams are not ours */
			service_port_fill(&s->ports[s->n_ports++], y);
}

static void vip_add(struct policy_load *l, struct policy_service *s, const struct policy_yaml *y)
{
	struct policy_check c;
	struct hd_ip ip;

	if (y->text.n == 0 || policy_str_is(y->text, "None"))
		return;
	if (hd_ip_parse(y->text.p, &ip) != 0) {
		policy_object_check(l, s->object, &c);
		policy_error(&c, y, "clusterIP \"%.*s\" is no address", POLICY_STR(y->text));
		return;
	}
	for (uint32_t i = 0; i < s->n_vips; i++)
		if (hd_ip_eq(&s->vips[i], &ip))
			return;
	s->vips[s->n_vips++] = ip;
}

static void service_vips(struct policy_load *l, struct policy_service *s)
{
	const struct policy_yaml *one = policy_get(s->object->body, "clusterIP");
	const struct policy_yaml *all = policy_get(s->object->body, "clusterIPs");

	s->vips = policy_alloc_array(&l->arena, (all != NULL ? all->n : 0) + 1, sizeof(*s->vips));
	if (one != NULL)
		vip_add(l, s, one);
	for (const struct policy_yaml *y = all != NULL ? all->first : NULL; y != NULL; y = y->next)
		vip_add(l, s, y);
}

static void service_read(struct policy_load *l, const struct policy_object *o)
{
	struct policy_service *s;
	struct policy_check c;

	if (policy_str_is(policy_get_str(o->body, "type"), "ExternalName")) {
		policy_object_check(l, o, &c);
		policy_warning(&c, policy_get(o->body, "type"),
			       "type ExternalName is known but not yet honoured");
		return;
	}
	s = policy_alloc(&l->arena, sizeof(*s));
	s->object = o;
	s->name = o->name;
	s->namespace_ = o->namespace_;
	s->host = policy_host_full(l, o->name, o->namespace_);
	s->selector = policy_get(o->body, "selector");
	if (s->selector != NULL && s->selector->n == 0)
		s->selector = NULL;
	s->publish_unready = policy_get_int(o->body, "publishNotReadyAddresses", 0) != 0;
	service_ports(l, s, policy_get(o->body, "ports"));
	service_vips(l, s);
	service_enter(l, s);
}

static void entry_ports(struct policy_load *l, struct policy_service *s,
			const struct policy_yaml *ports)
{
	if (ports == NULL)
		return;
	s->ports = policy_alloc_array(&l->arena, ports->n, sizeof(*s->ports));
	for (const struct policy_yaml *y = ports->first; y != NULL; y = y->next) {
		struct policy_service_port *p = &s->ports[s->n_ports];
		struct hd_str protocol = policy_get_str(y, "protocol");

		if (protocol.n == 3 && strncasecmp(protocol.p, "udp", 3) == 0)
			continue;
		p->place = y;
		p->name = policy_get_str(y, "name");
		p->port = (uint16_t)policy_get_int(y, "number", 0);
		p->target = (uint16_t)policy_get_int(y, "targetPort", p->port);
		protocol_fill(p, protocol);
		p->cluster = HD_NONE;
		policy_vec_init(&p->backends, sizeof(struct policy_backend));
		s->n_ports++;
	}
}

struct addresses {
	struct hd_ip *ips;
	uint32_t n;
};

static struct addresses entry_addresses(struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *list = policy_get(o->body, "addresses");
	struct addresses a = { 0 };
	struct policy_check c;

	if (list == NULL)
		return a;
	policy_object_check(l, o, &c);
	a.ips = policy_alloc_array(&l->arena, list->n, sizeof(*a.ips));
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next)
		if (hd_ip_parse(y->text.p, &a.ips[a.n]) == 0)
			a.n++;
		else
			policy_warning(&c, y, "a block of addresses is known but not yet honoured");
	return a;
}

static int service_visible(struct policy_load *l, const struct policy_object *o)
{
	struct policy_check c;

	if (policy_visible(l, o))
		return 1;
	policy_object_check(l, o, &c);
	policy_warning(&c,
		       policy_get(o->body, "exportTo") != NULL ? policy_get(o->body, "exportTo")
							       : o->body,
		       "%.*s is not exported to this node's namespace (%s): left out",
		       POLICY_STR(o->label), l->policy->settings.node_namespace);
	return 0;
}

/* ServiceEntry.resolution. */
enum {
	RESOLUTION_NONE,
	RESOLUTION_STATIC,
	RESOLUTION_DNS,
	RESOLUTION_DNS_ROUND_ROBIN,
	RESOLUTION_DYNAMIC_DNS
};

static void entry_resolution(struct policy_service *s, int64_t resolution,
			     const struct addresses *own)
{
	if (resolution == RESOLUTION_NONE) {
		s->is_dialled = 1;
		s->dialled = own->ips;
		s->n_dialled = own->n;
		return;
	}
	s->is_named = resolution == RESOLUTION_DNS || resolution == RESOLUTION_DNS_ROUND_ROBIN;
	s->is_first_only = resolution == RESOLUTION_DNS_ROUND_ROBIN;
	if (resolution != RESOLUTION_DYNAMIC_DNS)
		s->inline_endpoints = policy_get(s->object->body, "endpoints");
}

/* Each host of a ServiceEntry is a service of its own; only the first owns the addresses. */
static void entry_read(struct policy_load *l, const struct policy_object *o)
{
	const struct policy_yaml *hosts = policy_get(o->body, "hosts");
	int64_t resolution = policy_get_int(o->body, "resolution", RESOLUTION_NONE);
	struct addresses addresses = entry_addresses(l, o);

	for (const struct policy_yaml *y = hosts->first; y != NULL; y = y->next) {
		struct policy_service *s = policy_alloc(&l->arena, sizeof(*s));

		s->object = o;
		s->entry = 1;
		s->name = o->name;
		s->namespace_ = o->namespace_;
		s->host = policy_str_lower(&l->arena, y->text);
		entry_resolution(s, resolution, &addresses);
		s->selector = policy_get(policy_get(o->body, "workloadSelector"), "labels");
		entry_ports(l, s, policy_get(o->body, "ports"));
		if (y == hosts->first) {
			s->vips = addresses.ips;
			s->n_vips = addresses.n;
		}
		service_enter(l, s);
	}
}

void policy_resolve_services(struct policy_load *l)
{
	policy_vec_init(&l->services, sizeof(struct policy_service *));
	policy_map_init(&l->services_by_host, &l->arena);
	for (uint32_t i = 0; i < l->objects.n; i++) {
		const struct policy_object *o = policy_object_at(l, i);

		if (o->replaced)
			continue;
		if (o->row->id == POLICY_SERVICE)
			service_read(l, o);
		else if (o->row->id == POLICY_SERVICE_ENTRY && service_visible(l, o))
			entry_read(l, o);
	}
}
