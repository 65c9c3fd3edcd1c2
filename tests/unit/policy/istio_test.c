/* SPDX-License-Identifier: Apache-2.0 */
/* What Istio's own validation refuses is refused here too, with its place. */
#include "policy_test.h"

#define OBJECT(api, kind) "apiVersion: " api "\nkind: " kind "\nmetadata: {name: a}\nspec:\n"
#define NET(kind) OBJECT("networking.istio.io/v1", kind)
#define SEC(kind) OBJECT("security.istio.io/v1", kind)
#define CORE(kind) OBJECT("v1", kind)

static const struct {
	const char *text;
	uint32_t line, col;
	const char *words;
} refused[] = {
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {'a b': {exact: x}}}], route: [{destination: {host: a}}]}\n",
	  7, 25, "is no name of a header" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{withoutHeaders: {'a b': {}}}], route: [{destination: {host: a}}]}\n",
	  7, 32, "is no name of a header" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {a: {prefix: ''}}}], route: [{destination: {host: a}}]}\n",
	  7, 37, "an empty prefix is refused here: leave the match out" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {a: {regex: ''}}}], route: [{destination: {host: a}}]}\n",
	  7, 36, "an empty regex matches nothing: leave it out, or write" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{method: {prefix: ''}}], route: [{destination: {host: a}}]}\n",
	  7, 32, "an empty prefix is refused here: leave the match out" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{uri: {regex: ''}}], route: [{destination: {host: a}}]}\n",
	  7, 28, "an empty regex matches nothing: leave it out, or write" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{queryParams: {a: {prefix: ''}}}], route: [{destination: {host: a}}]}\n",
	  7, 41, "an empty prefix is refused here: leave the match out" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {a: null}}], route: [{destination: {host: a}}]}\n",
	  7, 28, "headers has an empty entry" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{port: 70000}], route: [{destination: {host: a}}]}\n",
	  7, 21, "port is 70000, but must be between 1 and 65535" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{sourceLabels: {'a b': c}}], route: [{destination: {host: a}}]}\n",
	  7, 37, "is no key of a label" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{sourceNamespace: A_b}], route: [{destination: {host: a}}]}\n",
	  7, 32, "sourceNamespace" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{gateways: ['a b/c']}], route: [{destination: {host: a}}]}\n",
	  7, 26, "must be a name or namespace/name" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  gateways: ['/x']\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  6, 14, "must be a name or namespace/name" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  gateways: ['a_b/x']\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  6, 14, "must be a name or namespace/name" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  gateways: ['a b']\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  6, 14, "must be a name or namespace/name" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  gateways: ['ns/x.y']\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  6, 14, "must be a name or namespace/name" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {'@request.auth.claims.sub': {exact: x}}}], route: [{destination: {host: a}}]}\n",
	  7, 25, "claims of tokens are matched only at gateways: the mesh" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {request: {set: {a: 'abc%123'}}}, route: [{destination: {host: a}}]}\n",
	  7, 35, ": a % begins %WORD%; one that is meant is written %%" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {request: {set: {a: \"a\\x01b\"}}}, route: [{destination: {host: a}}]}\n",
	  7, 35, "a header's value takes no control characters" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {request: {set: {':path': 'x'}}}, route: [{destination: {host: a}}]}\n",
	  7, 41, "cannot be changed here" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {response: {set: {'Host': 'x'}}}, route: [{destination: {host: a}}]}\n",
	  7, 41, "cannot be changed here" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}, headers: {response: {add: {a: '%START_TIME%%'}}}}]}\n",
	  7, 69, ": a % begins %WORD%; one that is meant is written %%" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {request: {set: {host: a}, add: {':authority': b}}}, route: [{destination: {host: a}}]}\n",
	  7, 62, "the Host of requests is set twice: keep one of" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {rewrite: {authority: x}, headers: {request: {add: {host: a}}}, route: [{destination: {host: a}}]}\n",
	  7, 63, "the Host of requests is set twice: keep one of" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {mirror: {host: a}, mirrorPercent: 101, route: [{destination: {host: a}}]}\n",
	  7, 40, "mirrorPercent is 101, but must be between 0 and 100" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {mirror: {host: a}, mirrorPercentage: {value: 101}, route: [{destination: {host: a}}]}\n",
	  7, 51, "value is 101, but must be between 0 and 100" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {mirrors: [{percentage: {value: 1}}], route: [{destination: {host: a}}]}\n",
	  7, 16, "HTTPMirrorPolicy needs" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {mirror: {host: a}, mirrors: [{destination: {host: a}}], route: [{destination: {host: a}}]}\n",
	  7, 25, "mirror and mirrors do not go together" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {redirect: {redirectCode: 301}}\n",
	  7, 6, "redirect leads back to itself: give uri, authority, scheme" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {redirect: {uri: /a, prefixRewrite: /b}}\n",
	  7, 6, "redirect takes either uri or prefixRewrite" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{uri: {exact: /x}}], redirect: {prefixRewrite: /b}}\n",
	  7, 15, "redirect.prefixRewrite needs matches by uri.prefix" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {redirect: {scheme: ftp}}\n",
	  7, 25, "redirect scheme must be http or https" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {redirect: {uri: /a, redirectCode: 200}}\n",
	  7, 40, "redirectCode is 200, but must be 301, 302, 303, 307 or" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {redirect: {uri: /a, port: 70000}}\n",
	  7, 32, "port is 70000, but must be between 1 and 65535" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {directResponse: {status: 601}}\n",
	  7, 31, "status is 601, but must be between 200 and 600" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {directResponse: {status: 100}}\n",
	  7, 31, "status is 100, but must be between 200 and 600" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {directResponse: {body: {string: a}}}\n",
	  7, 6, "HTTPDirectResponse needs" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {rewrite: {uriRegexRewrite: {match: /a}}, route: [{destination: {host: a}}]}\n",
	  7, 16, "uriRegexRewrite needs both match and rewrite" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {rewrite: {uriRegexRewrite: {match: '', rewrite: a}}, route: [{destination: {host: a}}]}\n",
	  7, 16, "uriRegexRewrite needs both match and rewrite" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {rewrite: {}, route: [{destination: {host: a}}]}\n",
	  7, 6, "rewrite needs uri, uriRegexRewrite or authority" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}, weight: -1}]}\n",
	  7, 47, "weight is -1, but must be between 0 and 2147483647" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}, weight: 0},{destination: {host: b}, weight: 0}]}\n",
	  7, 6, "all weights are 0" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{weight: 1}]}\n",
	  7, 14, "HTTPRouteDestination needs" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a, port: {number: 0}}}]}\n",
	  7, 53, "number is 0, but must be between 1 and 65535" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a, port: {}}}]}\n",
	  7, 38, "port needs" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowMethods: [FOO]}, route: [{destination: {host: a}}]}\n",
	  7, 34, "is no method: GET, HEAD, POST, PUT, PATCH, DELETE," },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowMethods: [get]}, route: [{destination: {host: a}}]}\n",
	  7, 34, "is no method: GET, HEAD, POST, PUT, PATCH, DELETE," },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowHeaders: ['a b']}, route: [{destination: {host: a}}]}\n",
	  7, 34, "is no name of a header" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {exposeHeaders: ['']}, route: [{destination: {host: a}}]}\n",
	  7, 35, "is no name of a header" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {maxAge: 1500ms}, route: [{destination: {host: a}}]}\n",
	  7, 27, "maxAge must be whole seconds" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowOrigins: [{}]}, route: [{destination: {host: a}}]}\n",
	  7, 34, "allowOrigins needs exact, prefix or regex" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowOrigins: [{regex: '('}]}, route: [{destination: {host: a}}]}\n",
	  7, 42, ": missing closing ) (at byte 1)" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {}, route: [{destination: {host: a}}]}\n",
	  7, 6, "fault needs delay or abort" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {abort: {httpStatus: 500, percentage: {value: 0.00001}}}, route: [{destination: {host: a}}]}\n",
	  7, 59, "value must be 0 or at least 0.0001" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {abort: {httpStatus: 199}}, route: [{destination: {host: a}}]}\n",
	  7, 34, "httpStatus is 199, but must be between 200 and 600" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {abort: {grpcStatus: FOO}}, route: [{destination: {host: a}}]}\n",
	  7, 34, "is no status of gRPC such as UNAVAILABLE" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {abort: {http2Error: x}}, route: [{destination: {host: a}}]}\n",
	  7, 34, "http2Error is not supported by Istio" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {delay: {exponentialDelay: 1s}}, route: [{destination: {host: a}}]}\n",
	  7, 40, "exponentialDelay is not supported by Istio" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {delay: {fixedDelay: 0s}}, route: [{destination: {host: a}}]}\n",
	  7, 34, "fixedDelay is 0s, but must be at least 1ms and a whole" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {delay: {fixedDelay: 1s}}, redirect: {uri: /a}}\n",
	  7, 5, "rewrite and fault go only with route" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {rewrite: {uri: /b}, redirect: {uri: /a}}\n",
	  7, 5, "rewrite and fault go only with route" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {retries: {attempts: -1}, route: [{destination: {host: a}}]}\n",
	  7, 26, "attempts is -1, but must be between 0 and 2147483647" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {retries: {attempts: 1, perTryTimeout: 0.5ms}, route: [{destination: {host: a}}]}\n",
	  7, 44, "perTryTimeout is 0.5ms, but must be at least 1ms and a" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {retries: {attempts: 1, retryOn: foo}, route: [{destination: {host: a}}]}\n",
	  7, 38, "retryOn does not know" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {retries: {attempts: 1, backoff: 0.1ms}, route: [{destination: {host: a}}]}\n",
	  7, 38, "backoff is 0.1ms, but must be at least 1ms and a whole" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {timeout: 0.5ms, route: [{destination: {host: a}}]}\n",
	  7, 15, "timeout is 0.5ms, but must be at least 1ms and a whole" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: '*'}}]}\n",
	  7, 35, "destination host" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a, subset: A_}}]}\n",
	  7, 46, "is no DNS label" },
	{ NET("VirtualService") "  hosts: ['*.a.com', x.a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  5, 22, "overlaps" },
	{ NET("VirtualService") "  hosts: ['*']\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  5, 11, "cannot be bound to the mesh" },
	{ NET("VirtualService") "  hosts: ['a_.b..c']\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  5, 11, "is no host name" },
	{ NET("VirtualService") "  hosts: ['a.*.com']\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  5, 11, "is no host name" },
	{ NET("VirtualService") "  gateways: [x]\n"
				"  http: [{route: [{destination: {host: a}}]}]\n",
	  4, 1, "a VirtualService with gateways needs hosts" },
	{ NET("VirtualService") "  http: [{delegate: {name: b}}]\n", 5, 11,
	  "a VirtualService without hosts is a delegate, and" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {delegate: {name: b}, route: [{destination: {host: a}}]}\n",
	  7, 6, "delegate does not go together with route or redirect" },
	{ NET("VirtualService") "  hosts: [a.com]\n", 4, 1,
	  "a VirtualService needs http, tls or tcp" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tls: [{route: [{destination: {host: a}}]}]\n",
	  6, 9, "TLSRoute needs" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tls: [{match: [{port: 443}], route: [{destination: {host: a}}]}]\n",
	  6, 18, "TLSMatchAttributes needs" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tls: [{match: [{sniHosts: [b.com]}], route: [{destination: {host: a}}]}]\n",
	  6, 30, "is not among the hosts" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tls: [{match: [{sniHosts: [a.com], destinationSubnets: [x]}], route: [{destination: {host: a}}]}]\n",
	  6, 59, "is neither an address nor a CIDR block" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tcp: [{match: [{port: 1}]}]\n",
	  6, 9, "a tcp rule needs route" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tcp: [{match: [{destinationSubnets: ['10.0.0.0/40']}], route: [{destination: {host: a}}]}]\n",
	  6, 40, "is neither an address nor a CIDR block" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  exportTo: [a, a]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  6, 17, "is given twice" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  exportTo: ['*', a]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  6, 14, "stands alone" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  exportTo: ['~']\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}}]}\n",
	  6, 14, "exportTo does not take" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http: [null]\n",
	  6, 10, "http has an empty entry" },
};

static void what_istio_refuses_is_refused(void **state)
{
	struct policy_world *w = *state;

	for (size_t i = 0; i < HD_ARRAY_SIZE(refused); i++) {
		(void)policy_world_load(w, refused[i].text);
		if (w->rc == -22 && policy_world_said(w, POLICY_ERROR, refused[i].line,
						      refused[i].col, refused[i].words))
			continue;
		policy_world_tell(w);
		fail_msg("row %zu, %s: %s", i, refused[i].words, refused[i].text);
	}
}

/* What stands close to it and is taken. */
#define HTTP(rule) NET("VirtualService") "  hosts: [a.com]\n  http:\n  - " rule "\n"
#define TO "route: [{destination: {host: a}}]"
static const char *const taken[] = {
	HTTP("{match: [{withoutHeaders: {x: {regex: \"*\"}}}], " TO "}"),
	HTTP("{match: [{uri: {prefix: \"\"}}], " TO "}"),
	HTTP("{match: [{headers: {\":method\": {exact: GET}}}], " TO "}"),
	HTTP("{match: [{sourceLabels: {app.kubernetes.io/name: \"a.b_c-d\", x: \"\"}}], " TO "}"),
	HTTP("{headers: {request: {set: {a: \"100%%\", b: \"%REQ(:path)%\", c: \"%START_TIME(%s)%\", "
	     "d: \"%REQ(X?Y):5%\"}}}, " TO "}"),
	HTTP("{directResponse: {status: 204, body: {string: x}}}"),
	HTTP("{redirect: {derivePort: FROM_REQUEST_PORT}}"),
	HTTP("{corsPolicy: {allowMethods: [GET, \"*\"], allowHeaders: [\"*\"], maxAge: 2m}, " TO
	     "}"),
	NET("VirtualService") "  hosts: [a.com]\n  gateways: [gw.ns.svc.cluster.local, ns/gw, mesh]\n"
			      "  http: [{" TO "}]\n",
	NET("VirtualService") "  hosts: [a.com]\n  gateways: [gw]\n  http: [{match: [{headers: "
			      "{\"@request.auth.claims.sub\": {exact: x}}}], " TO "}]\n",
};

static void what_istio_takes_is_taken(void **state)
{
	struct policy_world *w = *state;

	for (size_t i = 0; i < HD_ARRAY_SIZE(taken); i++) {
		if (policy_world_load(w, taken[i]) == 0)
			continue;
		policy_world_tell(w);
		fail_msg("row %zu: %s", i, taken[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(what_istio_refuses_is_refused),
		world_test(what_istio_takes_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
