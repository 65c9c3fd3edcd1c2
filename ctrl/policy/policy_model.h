/* SPDX-License-Identifier: Apache-2.0 */
/* One load: objects as they were read, what they mean together, and the arrays of the snapshot that
 * grows from them. Everything here lives in the load's arena and dies with it, but for what is
 * copied into the snapshot's. */
#ifndef POLICY_MODEL_H
#define POLICY_MODEL_H

#include <pthread.h>

#include "policy_authz.h"
#include "policy_cache.h"
#include "policy_regex.h"
#include "policy_schema.h"
#include "policy_slots.h"
#include "policy_tls.h"

/* An object with what every kind has. */
struct policy_object {
	const struct policy_kind_row *row;
	const char *file;
	uint32_t line, col; /* of its first key */
	struct hd_str name, namespace_;
	struct hd_str label;   /* "VirtualService default/api" */
	struct hd_str created; /* creationTimestamp, "" when there is none */
	const struct policy_yaml *metadata, *labels;
	struct policy_yaml *body;	   /* what the kind's schema describes */
	struct hd_str identity;		   /* kind/namespace/name: what must be unique */
	uint8_t own_body;		   /* the body's node is no part of the document's tree */
	uint8_t replaced;		   /* a later object has its name */
	struct hd_str out_file, out_label; /* their copies in the snapshot, once there */
	uint32_t layer;			   /* of its text */
	uint32_t text;			   /* its text, of those that are loaded */
};

/* How the entries of a WorkloadGroup are asked whether they are well. */
struct policy_probe {
	const struct policy_yaml *yaml;
	const struct policy_object *object;
	uint32_t built; /* 1 + index in the snapshot; 0: not yet */
};

/* Something that runs: a Pod, a WorkloadEntry, an endpoint of a ServiceEntry. */
struct policy_workload {
	const struct policy_object *object;
	struct hd_str name, namespace_, locality, account;
	const struct policy_yaml *labels; /* map of strings, may be NULL */
	const struct policy_yaml *ports;  /* WorkloadEntry's names -> numbers */
	const struct policy_yaml *containers;
	struct hd_ip *ips;
	uint32_t n_ips;
	uint32_t weight;
	uint8_t ready;
	struct policy_probe *probe; /* NULL: none */
};

/* One address of one service port. */
struct policy_backend {
	struct hd_addr addr;
	const struct policy_yaml *labels;
	struct hd_str workload, locality, namespace_;
	struct hd_str account; /* service account; "" when it is not known */
	uint32_t weight;
	uint8_t ready;
	uint8_t speaks_mesh;	    /* takes mesh TLS */
	struct policy_probe *probe; /* NULL: none */
};

struct policy_service_port {
	struct hd_str name, target_name;
	uint16_t port, target;	    /* target 0: by name, or the address has its own */
	uint8_t protocol;	    /* hd_protocol */
	uint8_t is_tls;		    /* the workload's own TLS: tls rules pick by server name */
	struct policy_vec backends; /* struct policy_backend */
	const struct policy_yaml *place;
	uint32_t cluster; /* index of the one without subset */
};

/* What DestinationRules say about one cluster: whole blocks or NULL. */
struct policy_traffic {
	const struct policy_yaml *load_balancer, *connection_pool, *outlier, *tls, *retry_budget;
	const struct policy_object *object;	    /* whose place the cluster carries */
	const struct policy_object *outlier_object; /* who says `outlier` */
};

struct policy_subset {
	const struct policy_yaml *yaml; /* name, labels, trafficPolicy */
	const struct policy_object *object;
};

/* All DestinationRules of one host and namespace as one. */
struct policy_destination {
	struct policy_traffic traffic;
	const struct policy_yaml *port_settings;
	struct policy_map subsets;     /* name -> struct policy_subset */
	struct policy_vec subset_list; /* struct policy_subset * */
};

struct policy_service {
	const struct policy_object *object;
	struct hd_str name, namespace_, host;
	struct policy_service_port *ports;
	uint32_t n_ports;
	struct hd_ip *vips;
	uint32_t n_vips;
	const struct policy_yaml *selector;	    /* map of labels, may be NULL */
	const struct policy_yaml *inline_endpoints; /* of a ServiceEntry */
	const struct hd_ip *dialled; /* of resolution NONE: its own addresses are its endpoints */
	uint32_t n_dialled;
	uint8_t is_dialled; /* resolution NONE */
	uint8_t is_named;   /* resolution DNS: endpoints, or the host, are names */
	uint8_t is_first_only; /* DNS_ROUND_ROBIN: one address at a time */
	const struct policy_destination *destination; /* NULL: no DestinationRule */
	uint8_t entry;				      /* a ServiceEntry's: no short names */
	uint8_t publish_unready;
	uint8_t has_slices;
};

/* Routes are the same for every service that one VirtualService applies to on one port. */
struct policy_route_range {
	uint32_t first, count;
};

/* The port and gateway for which routes are made. */
struct policy_route_context {
	uint16_t port;
	struct hd_str gateway; /* "namespace/name", or "" for the mesh */
};

struct policy {
	struct policy_settings settings;
	char *strings;	      /* what settings point at */
	pthread_mutex_t lock; /* of the slots: a load takes some while another thread frees a
				 snapshot that has some */
	struct policy_slots clusters, endpoints;
	struct policy_slots credentials, bundles, contexts; /* of TLS */
	struct policy_regex_db *regexes; /* of the last load that had any; a load's alone */
	struct policy_resolver resolver;
	struct policy_cache documents;
	struct policy_spare spare;
};

/* PeerAuthentication's modes, by strictness. */
enum policy_peer {
	POLICY_PEER_UNSET,
	POLICY_PEER_DISABLE,
	POLICY_PEER_PERMISSIVE,
	POLICY_PEER_STRICT,
};

/* TLS while it is collected: by_key finds what is there already, the keys are those of the slots.
 */
struct policy_tls_tables {
	struct policy_map by_key;
	struct policy_vec credentials, bundles, contexts;	      /* struct policy_tls_* */
	struct policy_vec credential_keys, bundle_keys, context_keys; /* struct hd_str */
};

struct policy_private; /* policy_snapshot.c: the snapshot's own memory */

struct policy_load {
	jmp_buf oom;
	struct policy_arena arena;
	struct policy *policy;
	struct policy_diags *diags;
	uint32_t errors;       /* of diags before this load */
	uint8_t holds_the_lock; /* of policy: running out of memory gives it back */
	struct policy_yaml_reader reader;
	const struct policy_texts *texts;
	struct policy_document *document; /* that is being read: it lends its arena and diags */
	struct policy_arena lent_arena;	  /* and these wait meanwhile */
	struct policy_diags *lent_diags;

	/* policy_objects.c */
	struct policy_vec objects; /* struct policy_object * */
	struct policy_map by_identity;
	uint32_t layer, text;		/* of the text that is read, and which it is */
	const struct policy_yaml *mesh; /* MeshConfig, NULL when there is none */
	struct hd_str root_namespace;

	/* policy_resolve_sidecar.c */
	const struct policy_object *sidecar; /* this node's; NULL: it has none */
	struct policy_map imported; /* hosts that VirtualServices lead to which the Sidecar lets in */
	uint32_t n_left_out;	    /* services */

	/* policy_resolve*.c */
	struct policy_vec services; /* struct policy_service * */
	struct policy_map services_by_host, service_suffixes;
	struct policy_vec workloads; /* struct policy_workload * */
	struct policy_map
		workloads_by_label; /* "namespace/key=value" -> struct policy_vec of workloads */
	struct policy_map pods_by_name, pods_by_ip;
	struct policy_map probes_by_group; /* "namespace/name" -> struct policy_probe */
	struct policy_map slices;	   /* "namespace/service" -> struct policy_vec of objects */
	struct policy_map rules_by_host;   /* "namespace/host" -> struct policy_vec of objects */
	struct policy_map destinations;	   /* "namespace/host" -> struct policy_destination */
	struct policy_map mesh_hosts;	   /* host -> VirtualService's object */
	struct policy_vec wants;	      /* struct policy_wanted */
	struct policy_vec virtual_services;   /* struct policy_object *, oldest first */
	struct policy_map peers_by_namespace; /* PeerAuthentication without a selector */
	struct policy_map peers_selecting;    /* namespace -> struct policy_vec of the others */

	/* policy_build*.c: arrays of the snapshot, still growing */
	struct policy_private *private;
	struct policy_map interned;
	struct policy_vec listeners, vips, elsewhere, routers, domain_table, domains, vhosts, routes,
		header_matches, destinations_out, destination_keys, choices, retry_statuses, answers,
		rewrites, edits, edit_list, pieces, extras, cors, origin_matches, mirrors, hashes,
		places, programs, steps, clusters, endpoints, outliers, probes, services_out,
		tls_servers;
	struct policy_tls_tables tls;
	uint32_t n_dice;
	struct policy_map listeners_by_address, vips_by_address, clusters_by_name, ranges, tables;
	struct policy_authz authz;
	struct policy_regex_set regexes;
	struct policy_vec regex_places; /* struct policy_regex_place, by id */
};

struct policy_regex_place {
	const char *file;
	const struct policy_yaml *yaml;
};

/* policy_objects.c: texts into objects, each checked by its schema. */
void policy_objects_read(struct policy_load *l, const struct policy_texts *texts);
/* Gives a document back what it lent, when a load left in the middle of it. */
void policy_document_close(struct policy_load *l);

/* policy_resolve_sidecar.c: what this node may see of the mesh, by its Sidecar. */
void policy_resolve_sidecar(struct policy_load *l);
int policy_imported(struct policy_load *l, struct hd_str namespace_, struct hd_str host);
int policy_imported_rule(struct policy_load *l, const struct policy_object *vs);
/* One warning for all services that are left out. */
void policy_sidecar_tell(struct policy_load *l);

/* policy_resolve.c: services and their ports. */
void policy_resolve_services(struct policy_load *l);
/* A name without a dot is a service of its namespace. */
struct hd_str policy_host_full(struct policy_load *l, struct hd_str host, struct hd_str namespace_);
struct policy_object *policy_object_at(const struct policy_load *l, uint32_t i);
void policy_object_check(struct policy_load *l, const struct policy_object *o,
			 struct policy_check *c);

/* policy_resolve_workloads.c: what runs behind them. */
void policy_resolve_workloads(struct policy_load *l);
int policy_labels_match(const struct policy_yaml *wanted, const struct policy_yaml *labels);

struct policy_workload *policy_workload_of(struct policy_load *l, const struct policy_object *o,
					   const struct policy_yaml *body);
/* Each port of a service gets a workload's first address. */
void policy_workload_add(struct policy_load *l, struct policy_service *s,
			 const struct policy_workload *w);

/* policy_resolve_names.c: endpoints that are names, as they are known now. */
void policy_resolve_names(struct policy_load *l, struct policy_service *s);

/* policy_resolve_rules.c: which VirtualService and which DestinationRules apply. */
void policy_resolve_rules(struct policy_load *l);
/* The most specific VirtualService of the mesh for a host, or NULL. */
const struct policy_object *policy_virtual_service_of(const struct policy_load *l,
						      struct hd_str host);
/* Whether the proxies of this node see an object, by its exportTo. */
int policy_visible(const struct policy_load *l, const struct policy_object *o);
/* What applies to a port of a service, and to a subset of it when that is not NULL. */
struct policy_traffic policy_traffic_of(const struct policy_service *s, uint16_t port,
					const struct policy_subset *subset);

/* Objects of a kind, oldest first. */
void policy_objects_sorted(struct policy_load *l, enum policy_kind kind, struct policy_vec *out);

/* policy_resolve_peers.c: what callers must show. */
void policy_resolve_peers(struct policy_load *l);
enum policy_peer policy_peer_of_namespace(const struct policy_load *l, struct hd_str namespace_);
/* port: the workload's own. */
enum policy_peer policy_peer_of(struct policy_load *l, struct hd_str namespace_,
				const struct policy_yaml *labels, uint16_t port);
enum policy_peer policy_peer_of_port(struct policy_load *l, const struct policy_service *s,
				     const struct policy_service_port *p);

/* policy_delegate.c: the http rules of a VirtualService, with those of its delegates in their
 * places. */
struct policy_rule {
	const struct policy_yaml *yaml;
	const struct policy_object *origin; /* whose file and namespace count */
	uint32_t index;			    /* in the http list of the root */
};

void policy_rules_of(struct policy_load *l, const struct policy_object *vs, struct policy_vec *out);

/* policy_build.c: listeners, routers, domains. */
void policy_build(struct policy_load *l);
struct hd_str policy_out(struct policy_load *l, struct hd_str s);
struct hd_source policy_source(struct policy_load *l, const struct policy_object *o,
			       const struct policy_yaml *at);

/* policy_build_cluster.c */
void policy_build_clusters(struct policy_load *l);
/* The cluster of a port and subset; HD_NONE when there is none. */
uint32_t policy_cluster_find(struct policy_load *l, const struct policy_service *s, uint16_t port,
			     struct hd_str subset, int *by_version);

/* policy_build_dialled.c: whether a cluster's endpoints are the addresses that callers dial; and a
 * copy of its port gets those. */
int policy_is_dialled(const struct policy_service *s, const struct policy_traffic *t);
void policy_dialled_fill(struct policy_load *l, const struct policy_service *s,
			 const struct policy_traffic *t, struct policy_service_port *p);

/* policy_build_outlier.c: 1 + the index of a cluster's outlier detection; 0: it has none. */
uint32_t policy_build_outlier(struct policy_load *l, const struct policy_service *s,
			      const struct policy_traffic *t);

/* policy_build_probe.c: 1 + the index of an endpoint's probe; 0: there is none. */
uint32_t policy_build_probe(struct policy_load *l, struct policy_probe *probe);

/* policy_build_locality.c */
struct policy_spread {
	enum hd_spread kind;
	const struct policy_yaml *priority, *failover; /* of HD_SPREAD_ORDER; may be NULL */
	const struct policy_yaml *to; /* of HD_SPREAD_SHARES: localities and shares */
};
struct policy_spread policy_spread_of(const struct policy_load *l, const struct policy_traffic *t);
/* Which group an endpoint belongs to, below HD_GROUPS; HD_NONE: to none, it gets nothing. */
uint32_t policy_spread_rank(const struct policy_load *l, const struct policy_spread *p,
			    const struct policy_backend *b);
uint16_t policy_spread_weight(const struct policy_spread *p, uint32_t rank);

/* policy_build_match.c */
int policy_node_has_labels(const struct policy_load *l, const struct policy_yaml *wanted);
int policy_match_applies(struct policy_load *l, const struct policy_object *origin,
			 const struct policy_route_context *context,
			 const struct policy_yaml *match);

/* policy_build_answer.c: 1 + the index of what a rule answers itself; 0: it does not. */
uint32_t policy_build_answer(struct policy_load *l, const struct policy_object *origin,
			     const struct policy_yaml *rule);

/* The one route of a Gateway server with httpsRedirect. */
struct policy_route_range policy_build_redirect(struct policy_load *l,
						const struct policy_object *gateway,
						const struct policy_yaml *server);

/* The same of what it changes in requests; the match decides what of the path is replaced. */
uint32_t policy_build_rewrite(struct policy_load *l, const struct policy_object *origin,
			      const struct policy_yaml *rule, const struct hd_string_match *uri);

/* policy_build_headers.c: 1 + the index of what the `headers` of a route and of its single
 * destination do (either may be NULL); 0: nothing. */
uint32_t policy_build_edits(struct policy_load *l, const struct policy_object *origin,
			    const struct policy_yaml *route, const struct policy_yaml *single);
/* The Host that `headers` give to requests, or NULL. */
const struct policy_yaml *policy_headers_host(const struct policy_yaml *headers);

/* policy_build_extras.c: 1 + the index of faults, CORS and mirrors of a rule; 0: it has none. */
uint32_t policy_build_extras(struct policy_load *l, const struct policy_object *origin,
			     uint16_t port, const struct policy_yaml *rule);

/* policy_build_program.c: 1 + the index of what uriRegexRewrite does; 0: nothing. */
uint32_t policy_build_program(struct policy_load *l, const struct policy_object *origin,
			      const struct policy_yaml *rewrite);

/* policy_build_hash.c: consistent hashing of a cluster whose endpoints are there, and of a route
 * whose destinations are. */
void policy_build_hash(struct policy_load *l, struct hd_cluster *c,
		       const struct policy_yaml *load_balancer);
void policy_build_route_hash(struct policy_load *l, struct hd_route *r);

/* policy_build_match.c: StringMatch. prefix_matters: a literal prefix keeps the shape of an
 * expression, because what it matches is the whole text. */
void policy_build_string_match(struct policy_load *l, const struct policy_object *origin,
			       const struct policy_yaml *y, int prefix_matters,
			       struct hd_string_match *out);

/* policy_build_destination.c: the destinations of a rule, in the snapshot's list. A single one
 * counts whatever its weight; of several those without weight are left out. What leads nowhere has
 * no cluster, and a warning. */
struct policy_destinations {
	uint32_t first, count, total_weight;
};

/* Where a `destination` leads: a cluster, or HD_NONE and a warning. */
uint32_t policy_destination_cluster(struct policy_load *l, const struct policy_object *origin,
				    uint16_t context_port, const struct policy_yaml *destination,
				    uint16_t *port);
/* key: what counts are carried over by. */
struct policy_destinations policy_destinations_add(struct policy_load *l,
						   const struct policy_object *origin,
						   uint16_t port, struct hd_str key,
						   const struct policy_yaml *list);

/* policy_build_tcp.c: listeners of opaque ports. */
void policy_build_streams(struct policy_load *l);
/* The destinations of the first tcp rule that applies; vip: the address dialled, NULL: any. 0: none
 * does. */
int policy_stream_rule(struct policy_load *l, const struct policy_object *vs,
		       const struct policy_route_context *context, const struct hd_ip *vip,
		       struct hd_str key, struct policy_destinations *out);
/* Adds what the tls rules of a VirtualService say to `servers`, one row a server name. allowed:
 * narrows a name, or refuses it with an empty one; NULL: takes all. */
struct policy_sni {
	const struct policy_route_context *context;
	const struct hd_ip *vip; /* NULL: any */
	struct hd_str key;
	struct hd_str (*allowed)(void *ctx, struct hd_str name);
	void *ctx;
	struct policy_map *taken; /* names that are there already */
};
void policy_sni_rules(struct policy_load *l, const struct policy_object *vs,
		      const struct policy_sni *q, struct policy_vec *servers);
/* A row for one name; taken ones are left out. */
struct hd_tls_server *policy_sni_add(struct policy_load *l, struct policy_map *taken,
				     struct policy_vec *servers, struct hd_str name);
/* The rows go into the snapshot's list. */
void policy_sni_finish(struct policy_load *l, const struct policy_vec *servers,
		       struct hd_listener *row);
void policy_listener_fill(struct policy_load *l, struct hd_listener *row,
			  const struct policy_service *s, const struct policy_service_port *p);

/* policy_build_route.c: the routes of a VirtualService on one port. */
struct policy_route_range policy_build_routes(struct policy_load *l, const struct policy_object *vs,
					      const struct policy_route_context *context);
/* The one route of a service without a VirtualService. */
struct policy_route_range policy_build_default(struct policy_load *l,
					       const struct policy_service *s,
					       const struct policy_service_port *port);

/* policy_build_gateway.c */
void policy_build_gateways(struct policy_load *l);

/* policy_build_table.c: host patterns of one router while it grows. */
struct policy_names {
	struct policy_map known;
	struct policy_vec domains; /* struct hd_domain, texts already in the snapshot */
	uint32_t any_vhost;
};

void policy_names_init(struct policy_names *n, struct policy_arena *a);
/* A host, "*.suffix" or "*"; the first to claim a name keeps it. */
void policy_names_add(struct policy_load *l, struct policy_names *n, struct hd_str host,
		      uint32_t vhost);
/* The router's table; any_vhost and unknown_host_status are the caller's. */
struct hd_router policy_names_finish(struct policy_load *l, const struct policy_names *n);
uint32_t policy_router_add(struct policy_load *l, const struct hd_router *r);
uint32_t policy_vhost_add(struct policy_load *l, struct hd_str name,
			  struct policy_route_range routes);
void policy_listener_add(struct policy_load *l, const struct hd_listener *row,
			 const struct policy_object *o);

/* policy_snapshot.c: the arrays into one snapshot. */
void policy_slots_unlock(struct policy_load *l);
int policy_private_create(struct policy_load *l);
void policy_private_drop(struct policy_load *l);
[[nodiscard]] int policy_snapshot_make(struct policy_load *l, uint64_t generation,
				       struct hd_snapshot **out);
struct policy_arena *policy_private_arena(struct policy_private *p);

#endif
