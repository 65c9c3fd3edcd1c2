/* SPDX-License-Identifier: Apache-2.0 */
/* The node file into struct policy_node. */
#include <errno.h>
#include <stdlib.h>

#include <heddle/control.h>

#include "policy_node.h"
#include "policy_text.h"

char *policy_node_keep(struct node_load *l, struct hd_str s)
{
	char *p = strndup(s.n > 0 ? s.p : "", s.n);

	if (p == NULL)
		policy_arena_exhausted(&l->arena);
	return p;
}

static void keep_into(struct node_load *l, char **slot, struct hd_str s)
{
	free(*slot);
	*slot = NULL;
	*slot = policy_node_keep(l, s);
}

/* Relative to the folder of the node file. */
static void keep_path(struct node_load *l, char **slot, struct hd_str path)
{
	const char *slash = strrchr(l->check.file, '/');

	if (path.n > 0 && path.p[0] != '/' && slash != NULL)
		path = policy_str_printf(&l->arena, "%.*s/%.*s", (int)(slash - l->check.file),
					 l->check.file, POLICY_STR(path));
	keep_into(l, slot, path);
}

static void *array_keep(struct node_load *l, uint32_t n, size_t bytes)
{
	void *p = calloc(n > 0 ? n : 1, bytes);

	if (p == NULL)
		policy_arena_exhausted(&l->arena);
	return p;
}

static void workers_read(struct node_load *l, const struct policy_yaml *spec)
{
	const struct policy_yaml *list = policy_get(spec, "workers");
	struct hd_node *n = &l->node->dp;

	n->main_lcore = (uint32_t)policy_get_int(spec, "mainLcore", 0);
	if (list == NULL || list->n == 0)
		n->workers[n->n_workers++] = n->main_lcore == 1 ? 0 : 1;
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		if (n->n_workers == HD_MAX_WORKERS) {
			policy_error(&l->check, y, "more than %d workers", HD_MAX_WORKERS);
			return;
		}
		if (y->i == n->main_lcore)
			policy_error(&l->check, y,
				     "lcore %lld is mainLcore: the control thread runs there",
				     (long long)y->i);
		for (uint32_t i = 0; i < n->n_workers; i++)
			if (n->workers[i] == y->i)
				policy_error(&l->check, y, "lcore %lld is given twice",
					     (long long)y->i);
		n->workers[n->n_workers++] = (uint32_t)y->i;
	}
}

static void labels_read(struct node_load *l, const struct policy_yaml *map)
{
	if (map == NULL)
		return;
	l->node->labels = array_keep(l, map->n, sizeof(*l->node->labels));
	for (const struct policy_yaml *y = map->first; y != NULL; y = y->next) {
		struct policy_label *label = &l->node->labels[l->node->n_labels++];

		label->key = policy_node_keep(l, y->key);
		label->value = policy_node_keep(l, y->text);
	}
}

static void policy_paths_read(struct node_load *l, const struct policy_yaml *list)
{
	if (list == NULL)
		return;
	l->node->policy_paths = array_keep(l, list->n, sizeof(*l->node->policy_paths));
	for (const struct policy_yaml *y = list->first; y != NULL; y = y->next)
		keep_path(l, &l->node->policy_paths[l->node->n_policy_paths++], y->text);
}

static void locality_read(struct node_load *l, const struct policy_yaml *y)
{
	char **parts[] = { &l->node->region, &l->node->zone, &l->node->subzone };
	struct hd_str rest = y != NULL ? y->text : (struct hd_str){ "", 0 };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(parts); i++) {
		const char *slash = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
		struct hd_str part = slash != NULL
					     ? (struct hd_str){ rest.p, (uint32_t)(slash - rest.p) }
					     : rest;

		keep_into(l, parts[i], part);
		rest.p += part.n + (slash != NULL);
		rest.n -= part.n + (slash != NULL);
	}
	if (rest.n > 0)
		policy_error(&l->check, y, "locality is region/zone/subzone, not \"%.*s\"",
			     POLICY_STR(y->text));
}

/* "127.0.0.1:15020", "[::1]:15020", ":15020". */
static int listen_parse(struct node_load *l, struct hd_str text, struct hd_addr *out)
{
	const char *colon = memrchr(text.p, ':', text.n);
	struct hd_str ip;
	char *end;
	long port;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return -1;
	ip = policy_str_copy(&l->arena, (struct hd_str){ text.p, (uint32_t)(colon - text.p) });
	port = strtol(colon + 1, &end, 10);
	if (ip.n >= 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']')
		ip = policy_str_copy(&l->arena, (struct hd_str){ ip.p + 1, ip.n - 2 });
	if (ip.n == 0)
		ip = policy_str("0.0.0.0");
	if (*end != '\0' || port < 1 || port > 65535 || hd_ip_parse(ip.p, &out->ip) != 0)
		return -1;
	out->port = (uint16_t)port;
	return 0;
}

static void operators_read(struct node_load *l, const struct policy_yaml *spec)
{
	const struct policy_yaml *socket = policy_get(policy_get(spec, "control"), "socket");
	const struct policy_yaml *metrics = policy_get(policy_get(spec, "metrics"), "listen");
	const struct policy_yaml *log = policy_get(spec, "accessLog"),
				 *path = policy_get(log, "path");

	keep_path(l, &l->node->control_socket,
		  socket != NULL ? socket->text : policy_str(HD_CONTROL_SOCKET));
	if (strlen(l->node->control_socket) > 107) /* sun_path */
		policy_error(&l->check, socket, "the socket's path is longer than 107 bytes");
	if (metrics != NULL && listen_parse(l, metrics->text, &l->node->metrics) != 0)
		policy_error(
			&l->check, metrics,
			"metrics.listen must be an address and port such as 127.0.0.1:15020, not "
			"\"%.*s\"",
			POLICY_STR(metrics->text));
	if (log != NULL)
		keep_path(l, &l->node->access_log_path,
			  path != NULL ? path->text : policy_str("/dev/stdout"));
	l->node->access_log_format =
		policy_get_int(log, "format", 0) == 0 ? POLICY_LOG_TEXT : POLICY_LOG_JSON;
}

static void identity_read(struct node_load *l, const struct policy_yaml *identity)
{
	struct hd_str domain = policy_get_str(identity, "trustDomain");

	keep_into(l, &l->node->trust_domain, domain.n > 0 ? domain : policy_str("cluster.local"));
	if (identity == NULL)
		return;
	keep_path(l, &l->node->identity.certificate, policy_get_str(identity, "certificate"));
	keep_path(l, &l->node->identity.key, policy_get_str(identity, "key"));
	keep_path(l, &l->node->identity.trust_bundle, policy_get_str(identity, "trustBundle"));
	if (policy_get_str(identity, "crl").n > 0)
		keep_path(l, &l->node->identity.crl, policy_get_str(identity, "crl"));
}

static void spec_read(struct node_load *l, const struct policy_yaml *spec)
{
	const struct policy_yaml *limits = policy_get(spec, "limits");

	policy_node_ports(l, policy_get(spec, "ports"));
	policy_node_routes(l, policy_get(spec, "routes"));
	workers_read(l, spec);
	policy_node_eal(l, policy_get(spec, "eal"));
	policy_paths_read(l, policy_get(spec, "policy"));
	locality_read(l, policy_get(spec, "locality"));
	identity_read(l, policy_get(spec, "identity"));
	operators_read(l, spec);
	l->node->dp.idle = policy_get_int(spec, "idle", 0) == 0 ? HD_IDLE_POLL : HD_IDLE_ADAPTIVE;
	l->node->dp.max_connections = (uint32_t)policy_get_int(limits, "connections", 0);
	l->node->dp.max_mbufs = (uint32_t)policy_get_int(limits, "mbufs", 0);
	l->node->dp.handshake_threads = (uint32_t)policy_get_int(spec, "handshakeThreads", 1);
	if (l->node->dp.handshake_threads == 0 && policy_get(spec, "identity") != NULL)
		policy_error(&l->check, policy_get(spec, "handshakeThreads"),
			     "an identity needs handshakeThreads to show it: 1 or more, or leave `identity` out");
}

static void root_read(struct node_load *l, struct policy_yaml *root)
{
	const struct policy_yaml *kind = policy_yaml_raw(root, "kind"),
				 *api = policy_yaml_raw(root, "apiVersion");
	const struct policy_yaml *metadata, *spec;
	uint32_t errors = l->check.diags->errors;
	struct hd_str ns, fallback;

	if (root->type != POLICY_YAML_MAP) {
		policy_error(&l->check, root, "the node file must be a map");
		return;
	}
	if (kind != NULL && !policy_str_is(kind->text, "DataPlane"))
		policy_error(&l->check, kind, "the node file's kind is DataPlane, not \"%.*s\"",
			     POLICY_STR(kind->text));
	if (api != NULL && !policy_str_is(api->text, "heddle.dev/v1"))
		policy_error(&l->check, api,
			     "the node file's apiVersion is heddle.dev/v1, not \"%.*s\"",
			     POLICY_STR(api->text));
	policy_check_object(&l->check, &policy_schema_node, root);
	if (l->check.diags->errors > errors)
		return;
	metadata = policy_get(root, "metadata");
	spec = policy_get(root, "spec");
	fallback = policy_get_str(spec, "defaultNamespace");
	keep_into(l, &l->node->default_namespace,
		  fallback.n > 0 ? fallback : policy_str("default"));
	ns = policy_get_str(metadata, "namespace");
	keep_into(l, &l->node->namespace_, ns.n > 0 ? ns : policy_str(l->node->default_namespace));
	keep_into(l, &l->node->name, policy_get_str(metadata, "name"));
	labels_read(l, policy_get(metadata, "labels"));
	spec_read(l, spec);
}

static void node_run(struct node_load *l)
{
	struct policy_vec roots;
	struct policy_yaml at = { .line = 1, .col = 1 };

	policy_vec_init(&roots, sizeof(struct policy_yaml *));
	l->node = calloc(1, sizeof(*l->node));
	if (l->node == NULL)
		policy_arena_exhausted(&l->arena);
	keep_into(l, &l->node->file, policy_str(l->check.file));
	if (policy_yaml_read(&l->reader, &roots) != 0)
		return;
	if (roots.n != 1)
		policy_error(&l->check, &at, "the node file must hold one document, not %u",
			     roots.n);
	else
		root_read(l, *(struct policy_yaml **)policy_vec_at(&roots, 0));
}

int policy_node_parse(const char *name, const char *text, size_t bytes, struct policy_node **out,
		      struct policy_diags *diags)
{
	struct node_load *l = calloc(1, sizeof(*l));
	uint32_t errors = diags->errors;
	volatile int rc = 0;

	if (l == NULL)
		return -ENOMEM;
	policy_arena_init(&l->arena, &l->oom);
	l->check = (struct policy_check){
		.arena = &l->arena, .diags = diags, .file = name, .strict = 1
	};
	l->reader = (struct policy_yaml_reader){
		.arena = &l->arena, .diags = diags, .file = name, .bytes = text, .n = bytes
	};
	policy_map_init(&l->check.warned, &l->arena);
	if (setjmp(l->oom) == 0)
		node_run(l);
	else
		rc = -ENOMEM;
	if (rc == 0 && diags->errors > errors)
		rc = -EINVAL;
	policy_yaml_reader_fini(&l->reader);
	policy_arena_fini(&l->arena);
	if (rc == 0)
		*out = l->node;
	else
		policy_node_free(l->node);
	free(l);
	policy_diags_sort(diags);
	return rc;
}

int policy_node_read(const char *path, struct policy_node **out, struct policy_diags *diags)
{
	char *bytes;
	size_t n;
	int rc = policy_text_load(path, &bytes, &n, diags);

	if (rc != 0)
		return rc;
	rc = policy_node_parse(path, bytes, n, out, diags);
	free(bytes);
	return rc;
}

void policy_node_free(struct policy_node *n)
{
	if (n == NULL)
		return;
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(n->dp.eal); i++)
		free(n->dp.eal[i]);
	for (uint32_t i = 0; i < n->n_labels; i++) {
		free(n->labels[i].key);
		free(n->labels[i].value);
	}
	for (uint32_t i = 0; i < n->n_policy_paths; i++)
		free(n->policy_paths[i]);
	free(n->labels);
	free(n->policy_paths);
	free(n->file);
	free(n->name);
	free(n->namespace_);
	free(n->identity.certificate);
	free(n->identity.key);
	free(n->identity.trust_bundle);
	free(n->identity.crl);
	free(n->trust_domain);
	free(n->default_namespace);
	free(n->region);
	free(n->zone);
	free(n->subzone);
	free(n->control_socket);
	free(n->access_log_path);
	free(n);
}
