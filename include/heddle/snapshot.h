/* SPDX-License-Identifier: Apache-2.0 */
/* The policy snapshot: one immutable arena that ctrl/policy builds and workers read.
 *
 * Writer: the control thread, before publishing. Readers: workers, which load the pointer once a turn and keep no
 * pointer into it across turns; an exchange copies its decisions (and the stable slots below). The only memory behind a
 * snapshot that a worker writes is its own `struct hd_snapshot_worker`.
 *
 * References between objects are indices into the arrays of the same snapshot. `slot` numbers are different: they stay
 * the same for the same object (by name, by cluster and address) from generation to generation, so that pools, counters
 * and limits outlive a reload.
 */
#ifndef HEDDLE_SNAPSHOT_H
#define HEDDLE_SNAPSHOT_H

#include <heddle/addr.h>
#include <heddle/authz.h>
#include <heddle/base.h>
#include <heddle/jwt.h>

#define HD_NONE UINT32_MAX

/* Where a thing was written, for explain, show and the access log. */
struct hd_source {
	struct hd_str file;
	uint32_t line, col;	/* 1-based; 0: no file behind it (a default) */
	struct hd_str object;	/* "VirtualService default/api-service" */
};

enum hd_string_match_kind { HD_MATCH_ANY, HD_MATCH_EXACT, HD_MATCH_PREFIX, HD_MATCH_REGEX, HD_MATCH_PRESENT, HD_MATCH_ABSENT };

struct hd_string_match {
	uint8_t kind;
	uint8_t ignore_case; /* uri only; `text` is then lower case */
	uint8_t invert; /* the opposite; a header that is not there is then an empty value, and so matches */
	struct hd_str text;
	uint32_t regex; /* index of the expression in regex_db for HD_MATCH_REGEX (full match), else HD_NONE */
};

struct hd_header_match {
	struct hd_str name; /* lower case */
	struct hd_string_match value;
};

/* One `match` block: all of it must hold. */
struct hd_route_match {
	struct hd_string_match uri;	/* against the normalised path without the query */
	struct hd_string_match method;
	struct hd_string_match scheme;	  /* x-forwarded-proto, else the connection's own */
	struct hd_string_match authority; /* the whole Host as it was sent, with its port */
	uint32_t headers_first, headers_count; /* in header_matches; each value of a repeated header is tried alone */
	uint32_t query_first, query_count; /* in header_matches too: names as written, the first value counts, undecoded */
	struct hd_source source;
};

/* A weighted destination of a route. */
struct hd_destination {
	uint32_t cluster;	/* HD_NONE: does not exist; 503 NC with an empty body when chosen */
	uint32_t weight;	/* 0: never chosen unless it is the only one */
	uint32_t edits;		/* 1 + index in edits; 0: none */
	struct hd_str host, subset;
	struct hd_source source;
};

enum hd_retry_on {
	HD_RETRY_CONNECT_FAILURE = 1 << 0,
	HD_RETRY_REFUSED_STREAM = 1 << 1,
	HD_RETRY_RESET = 1 << 2,		/* also reset-before-request's superset */
	HD_RETRY_RESET_BEFORE_REQUEST = 1 << 3,
	HD_RETRY_5XX = 1 << 4,
	HD_RETRY_GATEWAY_ERROR = 1 << 5,
	HD_RETRY_RETRIABLE_4XX = 1 << 6,
	HD_RETRY_STATUS_CODES = 1 << 7,
	HD_RETRY_GRPC_UNAVAILABLE = 1 << 8,
	HD_RETRY_GRPC_CANCELLED = 1 << 9,
};

struct hd_retry_policy {
	uint32_t on;		/* hd_retry_on bits */
	uint16_t attempts;	/* retries after the first try */
	uint8_t forgets_tried;	/* endpoints that were tried are as good as others */
	hd_ns per_try_timeout;	/* 0: none */
	hd_ns backoff_base;	/* 25 ms as Envoy; grows to 10 x base, full jitter */
	uint32_t statuses_first, statuses_count; /* in retry_statuses */
};

enum hd_path_change { HD_PATH_KEPT, HD_PATH_WHOLE, HD_PATH_PREFIX };

/* What a route answers itself: a redirect, or a text. */
struct hd_answer {
	uint16_t status;
	uint8_t is_redirect;
	uint8_t path_change;	/* hd_path_change: HD_PATH_PREFIX replaces what the route's match is a prefix of */
	uint8_t listener_port;	/* the port of the listener goes into the location */
	uint16_t port;		/* this one; 0: none */
	struct hd_str scheme, authority; /* empty: the request's */
	struct hd_str path;
	struct hd_str body;
};

/* An expression that keeps the ends of its groups, as steps with relative jumps. */
#define HD_PROGRAM_MOST 128
#define HD_PROGRAM_GROUPS 9

enum hd_step_kind { HD_STEP_SET, HD_STEP_SPLIT, HD_STEP_JUMP, HD_STEP_KEEP, HD_STEP_BEGIN, HD_STEP_END, HD_STEP_MATCH };

struct hd_step {
	uint8_t kind;
	int16_t x, y; /* SPLIT: x is preferred; KEEP: which end */
	uint64_t set[4]; /* SET: the bytes that it takes */
};

/* What replaces each match is made of pieces: a text, or group most - 1. */
struct hd_program {
	uint32_t steps_first, steps_count, pieces_first, pieces_count;
};

/* What a route changes in a request that it forwards. Texts are at most HD_REWRITE_MAX bytes, for which heads have room. */
#define HD_REWRITE_MAX 127
struct hd_rewrite {
	uint8_t path_change;	/* hd_path_change */
	struct hd_str path;
	struct hd_str authority; /* empty: as it is */
	uint32_t program; /* 1 + index in programs: what it matches in the path is replaced; 0: none */
};

/* A piece of a header's value: a text, or something of the request or connection that it is put into. */
#define HD_PIECES(X)							\
	X(REQ, "REQ")							\
	X(RESP, "RESP")							\
	X(DOWN_REMOTE, "DOWNSTREAM_REMOTE_ADDRESS")			\
	X(DOWN_REMOTE_IP, "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT")	\
	X(DOWN_REMOTE_PORT, "DOWNSTREAM_REMOTE_PORT")			\
	X(DIRECT_REMOTE, "DOWNSTREAM_DIRECT_REMOTE_ADDRESS")		\
	X(DIRECT_REMOTE_IP, "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT") \
	X(DOWN_LOCAL, "DOWNSTREAM_LOCAL_ADDRESS")			\
	X(DOWN_LOCAL_IP, "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT")	\
	X(DOWN_LOCAL_PORT, "DOWNSTREAM_LOCAL_PORT")			\
	X(UP_HOST, "UPSTREAM_HOST")					\
	X(UP_REMOTE, "UPSTREAM_REMOTE_ADDRESS")				\
	X(UP_LOCAL, "UPSTREAM_LOCAL_ADDRESS")				\
	X(CLUSTER, "UPSTREAM_CLUSTER")					\
	X(PROTOCOL, "PROTOCOL")						\
	X(STATUS, "RESPONSE_CODE")					\
	X(DETAILS, "RESPONSE_CODE_DETAILS")				\
	X(ROUTE, "ROUTE_NAME")						\
	X(PEER, "DOWNSTREAM_PEER_URI_SAN")				\
	X(SERVER_NAME, "REQUESTED_SERVER_NAME")

enum hd_piece_kind {
	HD_PIECE_TEXT,
	HD_PIECE_SERVER, /* what `server` of our answers says: policy cannot change it */
#define HD_PIECE_ENUM(symbol, name) HD_PIECE_##symbol,
	HD_PIECES(HD_PIECE_ENUM)
#undef HD_PIECE_ENUM
};

struct hd_piece {
	uint8_t kind;		    /* hd_piece_kind */
	uint16_t most;		    /* bytes of it; 0: all */
	struct hd_str text, or_else; /* the text; of REQ and RESP two names, lower case, the second may be empty */
};

enum hd_edit_kind { HD_EDIT_REMOVE, HD_EDIT_SET, HD_EDIT_ADD };

struct hd_edit {
	uint8_t kind;
	struct hd_str name; /* lower case */
	uint32_t pieces_first, pieces_count; /* in pieces; an empty value changes nothing */
};

/* What a route or a destination does to heads: removals first, then what is set, then what is added. */
struct hd_edits {
	uint32_t request_first, request_count, response_first, response_count; /* in edit_list */
	uint8_t needs_request; /* the response's ask for something of the request */
	struct hd_str authority; /* of a destination: the Host that its requests get; empty: as it is */
};

/* Of each million requests so many; `die` is the index of its dice in hd_snapshot_worker. */
struct hd_share {
	uint32_t per_million, die;
};

struct hd_fault {
	hd_ns delay;
	struct hd_share delayed, aborted;
	uint32_t die_after_delay; /* for `aborted` of those that were delayed: the two are independent */
	uint16_t status;	  /* 0: nothing is aborted */
	uint8_t grpc;		  /* 1 + grpc-status; 0: as the status says */
};

struct hd_cors {
	uint32_t origins_first, origins_count; /* in origin_matches */
	struct hd_str methods, headers, expose, max_age; /* empty: not said; "*": what was asked for */
	uint8_t credentials;
	uint8_t forwards_unmatched; /* preflights of other origins */
};

struct hd_mirror {
	uint32_t cluster;
	struct hd_share share;
};

/* What few routes have. */
struct hd_extras {
	struct hd_fault fault;
	uint32_t cors; /* 1 + index in cors; 0: none */
	uint32_t mirrors_first, mirrors_count;
};

/* Routes of a vhost are tried in order; the first whose match holds wins. */
struct hd_route {
	struct hd_str name;	/* http[].name, may be empty */
	struct hd_route_match match;
	uint32_t destinations_first, destinations_count;
	uint32_t total_weight;
	uint32_t choice;	/* index of this route's first word in hd_snapshot_worker.wrr; one word a destination */
	hd_ns timeout;		/* 0: none */
	struct hd_retry_policy retry;
	uint32_t answer;	/* 1 + index in answers; 0: the route forwards */
	uint32_t rewrite;	/* 1 + index in rewrites; 0: none */
	uint32_t edits;		/* 1 + index in edits; 0: none. With several destinations theirs come first */
	uint32_t extras;	/* 1 + index in extras; 0: none */
	uint32_t hashes_first, hashes_count; /* in hashes: of all destinations */
	struct hd_str decorator; /* x-envoy-decorator-operation, may be empty */
	struct hd_source source;
};

struct hd_vhost {
	struct hd_str name;
	uint32_t routes_first, routes_count;
	uint32_t authz_first, authz_count; /* in authz.words: targets of the workloads of the service that has this name */
};

/* A host pattern of a router: exact ("api.example"), suffix ("*.example", text ".example"), prefix ("api.*", text
 * "api."), or the catch-all. Exact wins, then the longest suffix, then the longest prefix, then "*" (Envoy's order). */
enum hd_domain_kind { HD_DOMAIN_EXACT, HD_DOMAIN_SUFFIX, HD_DOMAIN_PREFIX, HD_DOMAIN_ANY };

struct hd_domain {
	struct hd_str text;	/* lower case */
	uint32_t vhost;
	uint8_t kind;
};

struct hd_router {
	/* Exact and suffix names in one open-addressed table over `hash` of their text, sized to a power of two;
	 * table[i] is an index into domains or HD_NONE. Linear probing. */
	uint32_t table_first, table_mask; /* in domain_table */
	uint32_t suffix_longest;	  /* bytes; 0: no suffix domains */
	uint32_t prefix_first, prefix_count; /* in domains, longest first */
	uint32_t any_vhost;		  /* HD_NONE: unknown hosts get unknown_host's answer */
	uint16_t unknown_host_status;	  /* 404 or 502 */
};

enum hd_protocol { HD_PROTO_HTTP, HD_PROTO_HTTP2, HD_PROTO_TCP };

/* MeshConfig pathNormalization: what routes, policy and the backend see of a path. */
enum hd_path_normalization { HD_PATHS_BASE, HD_PATHS_NONE, HD_PATHS_MERGE, HD_PATHS_DECODE_AND_MERGE };

/* Whose conventions an answer follows: contract.md, "Whose conventions". */
enum hd_role { HD_ROLE_WAYPOINT, HD_ROLE_SIDECAR, HD_ROLE_GATEWAY };

/* How connections of a listener begin. Mesh TLS is asked for on ports of side mesh alone: a local workload speaks plaintext. */
enum hd_inbound {
	HD_INBOUND_PLAIN,
	HD_INBOUND_PERMISSIVE,	/* mesh TLS, by its ALPN, or plaintext */
	HD_INBOUND_STRICT,	/* mesh TLS alone */
};

/* What serves a server name, where a listener has any of these: no other name gets in. The pattern is as in a router: exact
 * wins, then the longest suffix, then the catch-all. */
struct hd_tls_server {
	struct hd_str text;	/* lower case, as of hd_domain */
	uint8_t kind;		/* hd_domain_kind: EXACT, SUFFIX or ANY */
	uint8_t protocol;	/* hd_protocol of what is inside */
	uint8_t is_mesh;	/* the context is the mesh's: we show this node's identity */
	uint8_t wants_peer;	/* nobody is served without a certificate */
	uint32_t context;	/* 1 + slot of a TLS context (heddle/tls.h); 0: not ended here, the stream passes as it is */
	uint32_t router;	/* for HTTP; HD_NONE for streams */
	uint32_t cluster;	/* for streams, as a listener's */
	uint32_t destinations_first, destinations_count, total_weight, choice;
	struct hd_source source;
};

/* What Heddle accepts connections for: an address and port, looked up by hash of both. */
struct hd_listener {
	struct hd_addr addr;
	uint8_t protocol;	/* hd_protocol */
	uint8_t gateway;	/* a Gateway server: role is HD_ROLE_GATEWAY whatever port it came from */
	uint8_t inbound;	/* hd_inbound */
	uint32_t tls_context;	/* 1 + slot of the mesh's server context; 0: none */
	uint32_t servers_first, servers_count; /* in tls_servers */
	uint32_t router;	/* for HTTP; HD_NONE for TCP */
	uint32_t cluster;	/* for TCP: where the stream goes; else HD_NONE */
	uint32_t authz;		/* in authz.targets: what applies to this node as a gateway; 0: nothing */
	/* For TCP with several destinations, as those of a route; count 0: all streams go to `cluster`. */
	uint32_t destinations_first, destinations_count, total_weight, choice;
	struct hd_str service;	/* "api.default.svc.cluster.local", or the Gateway's name */
	struct hd_str port_name;
	struct hd_source source;
};

/* An address Heddle owns beside the ports' own: answered by ARP and ND when it lies in a port's subnet. */
struct hd_vip {
	struct hd_ip ip;
};

/* DIALLED: the endpoint that has the address which the caller dialled, whatever its health. */
enum hd_lb { HD_LB_ROUND_ROBIN, HD_LB_LEAST_REQUEST, HD_LB_RANDOM, HD_LB_RING_HASH, HD_LB_MAGLEV, HD_LB_DIALLED };

/* What of a request is hashed. */
enum hd_hash_kind { HD_HASH_HEADER, HD_HASH_COOKIE, HD_HASH_SOURCE, HD_HASH_QUERY };

struct hd_hash {
	uint8_t kind;
	uint8_t makes_cookie; /* for callers that bring none */
	struct hd_str name;   /* a header's in lower case, and terminated */
	struct hd_str cookie_tail; /* "; Max-Age=60; Path=/; HttpOnly" */
};

/* An entry of a ring, in order of hash, or of Maglev's table, whose hash is its index. */
struct hd_place {
	uint64_t hash;
	uint32_t endpoint; /* among the cluster's */
};

struct hd_tcp_keepalive {
	uint32_t probes;	/* 0: off */
	hd_ns time, interval;
};

/* When an endpoint is an outlier, as a DestinationRule says; ctrl/health reads it. */
struct hd_outlier {
	uint32_t consecutive_5xx, consecutive_gateway, consecutive_local; /* 0: never */
	uint8_t splits_local;	/* failures to connect count apart from answers */
	uint8_t max_ejection_percent;
	uint8_t min_health_percent; /* 0: an ejected endpoint is never picked */
	uint8_t has_codes;	/* these statuses are the errors, instead of 5xx */
	uint8_t codes[64];	/* a bit for each status from 100 on */
	hd_ns interval, base_ejection_time, max_ejection_time;
	struct hd_source source;
};

static inline int hd_outlier_has_code(const struct hd_outlier *o, uint32_t status)
{
	return status >= 100 && status < 600 && (o->codes[(status - 100) / 8] >> (status - 100) % 8 & 1);
}

/* How ctrl/health asks an endpoint whether it is well. */
struct hd_probe_rule {
	uint8_t is_http;	/* else to connect is enough */
	uint16_t port;
	struct hd_str path, host; /* host: of the request, empty: the endpoint's address */
	struct hd_str headers;	/* "Name: value\r\n…" */
	hd_ns initial_delay, timeout, period;
	uint32_t success_threshold, failure_threshold;
	struct hd_source source;
};

/* Endpoints of a cluster in groups, by where they are: the next steps in as the one before fails, or each has its share. */
enum hd_spread { HD_SPREAD_NONE, HD_SPREAD_ORDER, HD_SPREAD_SHARES };
#define HD_GROUPS 8

struct hd_group {
	uint32_t end;		/* one past its last endpoint, counted from endpoints_first; it begins where the one before ends */
	uint16_t weight;	/* its share, in percent */
};

/* A Service port, or a subset of one. Name as in Istio: "outbound|80|v1|api.default.svc.cluster.local". */
struct hd_cluster {
	struct hd_str name;
	uint32_t slot;		/* stable over generations; < hd_snapshot.cluster_slots */
	struct hd_str host, subset;
	uint16_t port;
	uint8_t lb;		/* hd_lb */
	uint8_t proxy_host_rewrite;
	uint32_t endpoints_first, endpoints_count; /* in endpoints: the usable ones */
	uint32_t endpoints_unready; /* right behind them, never picked: for show alone */
	uint32_t hashes_first, hashes_count; /* in hashes */
	uint32_t places_first, places_count; /* in places, for RING_HASH and MAGLEV */
	uint32_t max_connections; /* UINT32_MAX: no limit; over all workers */
	uint32_t max_pending_requests, max_requests, max_retries;
	uint8_t has_retry_budget; /* in place of max_retries: so many hundredths of a percent of active requests, */
	uint32_t retry_budget_min; /* at least so many */
	uint32_t retry_budget;
	uint32_t max_requests_per_connection; /* 0: no limit */
	hd_ns connect_timeout, idle_timeout, max_connection_duration; /* 0: none, except connect_timeout (10 s) */
	struct hd_tcp_keepalive keepalive;
	uint32_t outlier;	/* 1 + index in outliers; 0: nothing is ejected */
	uint8_t spread;		/* hd_spread */
	uint8_t n_groups;	/* 0: all endpoints are one */
	struct hd_group groups[HD_GROUPS]; /* none is empty */
	struct hd_str sni;	/* server name for endpoints with a TLS context */
	struct hd_source source; /* the DestinationRule that shaped it, else the Service */
};

enum hd_endpoint_health { HD_EP_HEALTHY, HD_EP_UNREADY, HD_EP_DRAINING, HD_EP_EJECTED };

/* A backend of one cluster. The same address in two clusters is two endpoints with one `slot` each. */
struct hd_endpoint {
	struct hd_addr addr;
	uint32_t slot;		/* stable over generations; < hd_snapshot.endpoint_slots; index of the health word */
	uint32_t weight;	/* 1 by default */
	uint8_t health;		/* hd_endpoint_health as the objects say it; the health word has the last say */
	uint32_t tls_context;	/* 1 + slot of a client's TLS context, which knows whom to expect there; 0: plaintext */
	uint32_t authz;		/* in authz.targets: what applies to it as a workload; 0: nothing */
	uint32_t sni_hash;	/* of the server name that is sent there: another one makes it another place */
	struct hd_str locality, workload;
	struct hd_str identity;	/* the SPIFFE ID that is expected, for show; empty: none in particular */
	uint32_t probe;		/* 1 + index in probes; 0: nobody asks it */
};

struct hd_service {
	struct hd_str name, namespace_, host;
	struct hd_str addresses; /* "10.1.0.10 fd00:1::10", for show */
	struct hd_str ports;	 /* "http 80, tcp 9000", for show */
	uint32_t endpoints;	 /* how many, ready or not */
	struct hd_source source;
};

/* An AuthorizationPolicy, for show, explain and its counts. */
struct hd_authz_policy {
	struct hd_str name, namespace_;
	struct hd_str provider; /* of action CUSTOM */
	uint8_t action;		/* hd_authz_action; of a dry run, what it would be */
	uint8_t is_dry_run;
	uint32_t rules;
	struct hd_source source;
};

struct hd_authz_count {
	uint64_t allowed, denied; /* decided by this policy; denied of an ALLOW policy: no rule of any matched, this is the first */
	uint64_t matched;	  /* AUDIT and dry runs */
};

/* Spreads a share over requests: exact to one request over any number of them, and still random in detail. */
struct hd_die {
	uint32_t at, target; /* millionths: it falls whenever `at`, going round, passes `target` */
	uint16_t owed;
	uint8_t is_cast;     /* `target` was drawn */
};

/* A weighted choice among several destinations. The key is that of the same choice in other generations, while its destinations and
 * weights are the same: then a worker goes on in it where it was. */
struct hd_choice {
	uint64_t key;
	uint32_t first, count; /* words in hd_snapshot_worker.wrr */
};

/* What a worker writes while it uses a snapshot: allocated and zeroed by ctrl, one for each worker. */
struct hd_snapshot_worker {
	int32_t *wrr;		/* smooth weighted round robin, by hd_route.choice */
	uint64_t *destination_requests; /* by index of hd_destination; read by ctrl, carried to the next snapshot */
	void *regex_scratch;	/* hs_scratch_t of this worker */
	struct hd_authz_count *authz; /* by index of hd_authz_policy; read by ctrl, carried to the next snapshot */
	struct hd_die *dice;	/* by hd_share.die */
};

struct hd_snapshot {
	uint64_t generation;
	uint32_t cluster_slots, endpoint_slots; /* one past the highest in use */
	uint32_t n_workers;
	uint8_t paths; /* hd_path_normalization */

	const struct hd_listener *listeners;
	uint32_t n_listeners;
	struct hd_str identity;		/* this node's SPIFFE ID; empty: none */
	const struct hd_tls_server *tls_servers;
	uint32_t n_tls_servers;
	const uint32_t *listener_table; /* open-addressed over hd_addr_hash; HD_NONE: empty */
	uint32_t listener_mask;
	const struct hd_vip *vips;	/* sorted by memcmp of the address, each once */
	uint32_t n_vips;
	const struct hd_vip *elsewhere; /* of them those that are dialled on: others have them too. Sorted, some several times */
	uint32_t n_elsewhere;

	const struct hd_router *routers;
	uint32_t n_routers;
	const uint32_t *domain_table;
	const struct hd_domain *domains;
	uint32_t n_domains;
	const struct hd_vhost *vhosts;
	uint32_t n_vhosts;
	const struct hd_route *routes;
	uint32_t n_routes;
	const struct hd_header_match *header_matches;
	uint32_t n_header_matches;
	const struct hd_destination *destinations;
	uint32_t n_destinations;
	const struct hd_choice *choices; /* sorted by key, and then by first */
	uint32_t n_choices;
	const uint16_t *retry_statuses;
	const struct hd_answer *answers;
	uint32_t n_answers;
	const struct hd_rewrite *rewrites;
	uint32_t n_rewrites;
	const struct hd_edits *edits;
	uint32_t n_edits;
	const struct hd_edit *edit_list;
	const struct hd_piece *pieces;
	const struct hd_extras *extras;
	uint32_t n_extras;
	const struct hd_cors *cors;
	const struct hd_string_match *origin_matches;
	const struct hd_mirror *mirrors;
	uint32_t n_dice;
	const struct hd_hash *hashes;
	const struct hd_program *programs;
	const struct hd_step *steps;
	const struct hd_place *places;

	const struct hd_cluster *clusters;
	uint32_t n_clusters;
	const uint32_t *cluster_of_slot; /* cluster_slots of them: index in clusters; HD_NONE: not in this one */
	const struct hd_endpoint *endpoints;
	uint32_t n_endpoints;
	const struct hd_outlier *outliers;
	uint32_t n_outliers;
	const struct hd_probe_rule *probes;
	uint32_t n_probes;
	const struct hd_service *services;
	uint32_t n_services;

	struct hd_authz authz;
	struct hd_jwt jwt;
	const struct hd_authz_policy *authz_policies;
	uint32_t n_authz_policies;

	const void *regex_db;	/* hs_database_t, block mode; ids are hd_string_match.regex; NULL: none */
	struct hd_snapshot_worker *workers; /* n_workers of them */

	/* For ctrl alone. */
	uint64_t *destination_carried; /* by index of hd_destination: requests of earlier generations */
	struct hd_authz_count *authz_carried; /* by index of hd_authz_policy */
	void *arena;
};

/* FNV-1a over a lower-case name: small, and only over names that the operator wrote. */
static inline uint32_t hd_name_hash(const char *p, uint32_t n)
{
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)p[i]) * 16777619u;
	return h ^ (h >> 15);
}

static inline uint32_t hd_addr_hash(const struct hd_ip *ip, uint16_t port)
{
	uint64_t h = (ip->q[0] ^ (ip->q[1] * UINT64_C(0x9e3779b97f4a7c15))) + port;

	h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(h ^ (h >> 32));
}

/* The listener of an address and port, or NULL. */
static inline const struct hd_listener *hd_snapshot_listener(const struct hd_snapshot *s, const struct hd_ip *ip, uint16_t port)
{
	if (s->n_listeners == 0)
		return NULL;
	for (uint32_t i = hd_addr_hash(ip, port) & s->listener_mask;; i = (i + 1) & s->listener_mask) {
		uint32_t l = s->listener_table[i];
		if (l == HD_NONE)
			return NULL;
		if (s->listeners[l].addr.port == port && hd_ip_eq(&s->listeners[l].addr.ip, ip))
			return &s->listeners[l];
	}
}

/* Whether a pattern has a server name (lower case; n 0: none was sent), and how well: exact before the longest suffix before
 * the catch-all. 0: it has not. */
static inline uint32_t hd_tls_server_rank(const struct hd_tls_server *server, const char *name, uint32_t n)
{
	uint32_t tail = server->text.n;

	switch ((enum hd_domain_kind)server->kind) {
	case HD_DOMAIN_EXACT:
		return n == tail && n > 0 && memcmp(name, server->text.p, n) == 0 ? UINT32_MAX : 0;
	case HD_DOMAIN_SUFFIX:
		return n > tail && memcmp(name + n - tail, server->text.p, tail) == 0 ? 1 + tail : 0;
	case HD_DOMAIN_ANY:
		return 1;
	case HD_DOMAIN_PREFIX:
		break;
	}
	return 0;
}

/* What a server name leads to at a listener, or NULL. */
static inline const struct hd_tls_server *hd_snapshot_server(const struct hd_snapshot *s, const struct hd_listener *l,
							     const char *name, uint32_t n)
{
	const struct hd_tls_server *best = NULL;
	uint32_t most = 0;

	for (uint32_t i = 0; i < l->servers_count; i++) {
		uint32_t rank = hd_tls_server_rank(&s->tls_servers[l->servers_first + i], name, n);
		if (rank > most) {
			most = rank;
			best = &s->tls_servers[l->servers_first + i];
		}
	}
	return best;
}

#endif
