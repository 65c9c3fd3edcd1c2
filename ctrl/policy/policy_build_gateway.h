/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files about Gateways share. */
#ifndef POLICY_BUILD_GATEWAY_H
#define POLICY_BUILD_GATEWAY_H

#include "policy_build_tls.h"

enum gateway_kind { GATEWAY_HTTP, GATEWAY_TLS, GATEWAY_TCP };

/* Hosts and their routes: of all plain HTTP servers of one port, or of one HTTPS server. */
struct gateway_table {
	uint16_t port;
	struct hd_str label;	     /* "namespace/name" of the Gateway */
	struct policy_map hosts;     /* host -> struct gateway_host */
	struct policy_vec host_list; /* struct gateway_host * */
};

/* All servers of one port number and address. */
struct gateway_port {
	uint16_t port;
	enum gateway_kind kind;
	struct hd_str bind; /* the one address, or "": all of the ports */
	struct gateway_table http;
	struct policy_vec servers;    /* of GATEWAY_TLS: struct hd_tls_server */
	struct policy_map taken;      /* server names that are there */
	struct policy_destinations d; /* of GATEWAY_TCP */
	const struct policy_object *object;
	const struct policy_yaml *server;
	struct hd_str label;
};

/* One virtual host: the routes of every VirtualService bound to it, catch-alls last. */
struct gateway_host {
	struct hd_str host;
	struct policy_vec parts; /* struct policy_route_range */
};

/* policy_build_gateway.c */
void policy_gateway_table_init(struct policy_load *l, struct gateway_table *t, uint16_t port,
			       struct hd_str label);
/* Binds every VirtualService of the mesh that names the Gateway to a server's hosts. */
void policy_gateway_table_bind(struct policy_load *l, struct gateway_table *t,
			       const struct policy_object *gateway,
			       const struct policy_yaml *server);
/* The index of its router. */
uint32_t policy_gateway_table_finish(struct policy_load *l, struct gateway_table *t);
int policy_gateway_binds(const struct policy_load *l, const struct policy_object *vs,
			 struct hd_str gateway);
/* The more specific of a name and a server's host where they overlap, else "". */
struct hd_str policy_gateway_overlap(struct hd_str a, struct hd_str b);
/* "ns/host" of a server, in lower case: whose VirtualServices may bind, and the host itself. */
struct hd_str policy_gateway_host(struct policy_load *l, const struct policy_object *gateway,
				  const struct policy_yaml *y, struct hd_str *ns);

/* policy_build_server.c: servers of TLS, HTTPS and TCP. */
void policy_server_tls(struct policy_load *l, struct gateway_port *g, const struct policy_object *o,
		       const struct policy_yaml *server);
void policy_server_tcp(struct policy_load *l, struct gateway_port *g,
		       const struct policy_object *o);

#endif
