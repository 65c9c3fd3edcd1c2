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
	{ SEC("AuthorizationPolicy") "  action: DENY\n  rules: [{to: [{operation: {"
				     "paths: [\"/a\\0\"]}}]}]\n",
	  6, 38, "NUL byte" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {'a b': {exact: x}}}], route: [{"
				"destination: {host: a}}]}\n",
	  7, 25, "is no name of a header" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{withoutHeaders: {'a b': {}}}], route: [{"
				"destination: {host: a}}]}\n",
	  7, 32, "is no name of a header" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {a: {prefix: ''}}}], route: [{"
				"destination: {host: a}}]}\n",
	  7, 37, "an empty prefix is refused here: leave the match out" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {a: {regex: ''}}}], route: [{"
				"destination: {host: a}}]}\n",
	  7, 36, "an empty regex matches nothing: leave it out, or write" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{method: {prefix: ''}}], route: [{destination: {"
				"host: a}}]}\n",
	  7, 32, "an empty prefix is refused here: leave the match out" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{uri: {regex: ''}}], route: [{destination: {"
				"host: a}}]}\n",
	  7, 28, "an empty regex matches nothing: leave it out, or write" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{queryParams: {a: {prefix: ''}}}], route: [{"
				"destination: {host: a}}]}\n",
	  7, 41, "an empty prefix is refused here: leave the match out" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{headers: {a: null}}], route: [{destination: {"
				"host: a}}]}\n",
	  7, 28, "headers has an empty entry" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{port: 70000}], route: [{destination: {host: a}}]}\n",
	  7, 21, "port is 70000, but must be between 1 and 65535" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{sourceLabels: {'a b': c}}], route: [{"
				"destination: {host: a}}]}\n",
	  7, 37, "is no key of a label" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{sourceNamespace: A_b}], route: [{destination: {"
				"host: a}}]}\n",
	  7, 32, "sourceNamespace" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {match: [{gateways: ['a b/c']}], route: [{destination: {"
				"host: a}}]}\n",
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
				"  - {match: [{headers: {'@request.auth.claims.sub': {"
				"exact: x}}}], route: [{destination: {host: a}}]}\n",
	  7, 25, "claims of tokens are matched only at gateways: the mesh" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {request: {set: {a: 'abc%123'}}}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 35, ": a % begins %WORD%; one that is meant is written %%" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {request: {set: {a: \"a\\x01b\"}}}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 35, "a header's value takes no control characters" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {request: {set: {':path': 'x'}}}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 41, "cannot be changed here" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {response: {set: {'Host': 'x'}}}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 41, "cannot be changed here" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {route: [{destination: {host: a}, headers: {response: {"
				"add: {a: '%START_TIME%%'}}}}]}\n",
	  7, 69, ": a % begins %WORD%; one that is meant is written %%" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {headers: {request: {set: {host: a}, add: {"
				"':authority': b}}}, route: [{destination: {host: a}}]}\n",
	  7, 62, "the Host of requests is set twice: keep one of" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {rewrite: {authority: x}, headers: {request: {add: {"
				"host: a}}}, route: [{destination: {host: a}}]}\n",
	  7, 63, "the Host of requests is set twice: keep one of" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {mirror: {host: a}, mirrorPercent: 101, route: [{"
				"destination: {host: a}}]}\n",
	  7, 40, "mirrorPercent is 101, but must be between 0 and 100" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {mirror: {host: a}, mirrorPercentage: {value: 101}, "
				"route: [{destination: {host: a}}]}\n",
	  7, 51, "value is 101, but must be between 0 and 100" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {mirrors: [{percentage: {value: 1}}], route: [{"
				"destination: {host: a}}]}\n",
	  7, 16, "HTTPMirrorPolicy needs" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {mirror: {host: a}, mirrors: [{destination: {host: a}}], "
				"route: [{destination: {host: a}}]}\n",
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
				"  - {match: [{uri: {exact: /x}}], redirect: {"
				"prefixRewrite: /b}}\n",
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
				"  - {rewrite: {uriRegexRewrite: {match: /a}}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 16, "uriRegexRewrite needs both match and rewrite" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {rewrite: {uriRegexRewrite: {match: '', rewrite: a}}, "
				"route: [{destination: {host: a}}]}\n",
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
				"  - {route: [{destination: {host: a}, weight: 0},{"
				"destination: {host: b}, weight: 0}]}\n",
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
				"  - {corsPolicy: {allowMethods: [FOO]}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 34, "is no method: GET, HEAD, POST, PUT, PATCH, DELETE," },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowMethods: [get]}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 34, "is no method: GET, HEAD, POST, PUT, PATCH, DELETE," },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowHeaders: ['a b']}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 34, "is no name of a header" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {exposeHeaders: ['']}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 35, "is no name of a header" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {maxAge: 1500ms}, route: [{destination: {"
				"host: a}}]}\n",
	  7, 27, "maxAge must be whole seconds" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowOrigins: [{}]}, route: [{destination: {"
				"host: a}}]}\n",
	  7, 34, "allowOrigins needs exact, prefix or regex" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {corsPolicy: {allowOrigins: [{regex: '('}]}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 42, ": missing closing ) (at byte 1)" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {}, route: [{destination: {host: a}}]}\n",
	  7, 6, "fault needs delay or abort" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {abort: {httpStatus: 500, percentage: {"
				"value: 0.00001}}}, route: [{destination: {host: a}}]}\n",
	  7, 59, "value must be 0 or at least 0.0001" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {abort: {httpStatus: 199}}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 34, "httpStatus is 199, but must be between 200 and 600" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {abort: {grpcStatus: FOO}}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 34, "is no status of gRPC such as UNAVAILABLE" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {abort: {http2Error: x}}, route: [{destination: {"
				"host: a}}]}\n",
	  7, 34, "http2Error is not supported by Istio" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {delay: {exponentialDelay: 1s}}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 40, "exponentialDelay is not supported by Istio" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {fault: {delay: {fixedDelay: 0s}}, route: [{destination: {"
				"host: a}}]}\n",
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
				"  - {retries: {attempts: -1}, route: [{destination: {"
				"host: a}}]}\n",
	  7, 26, "attempts is -1, but must be between 0 and 2147483647" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {retries: {attempts: 1, perTryTimeout: 0.5ms}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 44, "perTryTimeout is 0.5ms, but must be at least 1ms and a" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {retries: {attempts: 1, retryOn: foo}, route: [{"
				"destination: {host: a}}]}\n",
	  7, 38, "retryOn does not know" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  http:\n"
				"  - {retries: {attempts: 1, backoff: 0.1ms}, route: [{"
				"destination: {host: a}}]}\n",
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
				"  tls: [{match: [{port: 443}], route: [{destination: {"
				"host: a}}]}]\n",
	  6, 18, "TLSMatchAttributes needs" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tls: [{match: [{sniHosts: [b.com]}], route: [{destination: {"
				"host: a}}]}]\n",
	  6, 30, "is not among the hosts" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tls: [{match: [{sniHosts: [a.com], "
				"destinationSubnets: [x]}], route: [{destination: {"
				"host: a}}]}]\n",
	  6, 59, "is neither an address nor a CIDR block" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tcp: [{match: [{port: 1}]}]\n",
	  6, 9, "a tcp rule needs route" },
	{ NET("VirtualService") "  hosts: [a.com]\n"
				"  tcp: [{match: [{destinationSubnets: ['10.0.0.0/40']}], "
				"route: [{destination: {host: a}}]}]\n",
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
	{ NET("DestinationRule") "  host: 'a b'\n", 5, 9, "is no host name" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {}\n",
	  6, 3, "trafficPolicy says nothing: give it a block, or leave it" },
	{ NET("DestinationRule") "  host: a\n"
				 "  subsets: [{name: a},{name: a}]\n",
	  6, 30, "is given twice: keep one" },
	{ NET("DestinationRule") "  host: a\n"
				 "  subsets: [{name: A_}]\n",
	  6, 20, "is no DNS label" },
	{ NET("DestinationRule") "  host: a\n"
				 "  subsets: [{labels: {a: b}}]\n",
	  6, 13, "Subset needs" },
	{ NET("DestinationRule") "  host: a\n"
				 "  subsets: [{name: a, labels: {'a b': c}}]\n",
	  6, 39, "is no key of a label" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {connectionPool: {}}\n",
	  6, 19, "connectionPool needs tcp or http" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {connectionPool: {http: {maxRetries: -1}}}\n",
	  6, 55, "maxRetries is -1, but must be between 0 and 2147483647" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}\n",
	  6, 58, "maxConnections is -1, but must be between 0 and" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {connectionPool: {tcp: {"
				 "connectTimeout: 0.1ms}}}\n",
	  6, 58, "connectTimeout is 0.1ms, but must be at least 1ms and a" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {connectionPool: {http: {http2KeepAlive: {"
				 "interval: 1s}}}}\n",
	  6, 43, "HTTP2KeepAlive needs" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {connectionPool: {http: {"
				 "maxConcurrentStreams: -1}}}\n",
	  6, 65, "maxConcurrentStreams is -1, but must be between 0 and" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {consistentHash: {"
				 "httpCookie: {ttl: 1s}}}}\n",
	  6, 51, "HTTPCookie needs" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {consistentHash: {"
				 "httpCookie: {name: a, ttl: 1s, attributes: [{name: a},{"
				 "name: a}]}}}}\n",
	  6, 105, "is given twice" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {consistentHash: {"
				 "httpCookie: {name: a, ttl: 1s, attributes: [{value: a}]}}}}\n",
	  6, 95, "an attribute of a cookie needs" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {consistentHash: {"
				 "httpHeaderName: a, minimumRingSize: 10, ringHash: {"
				 "minimumRingSize: 10}}}}\n",
	  6, 34, "consistentHash takes one of ringHash, maglev and" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {consistentHash: {"
				 "httpHeaderName: a, maglev: {tableSize: 10}}}}\n",
	  6, 90, "maglev.tableSize must be a prime below 5000011" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {consistentHash: {"
				 "httpHeaderName: a, maglev: {}}}}\n",
	  6, 70, "maglev.tableSize must be a prime below 5000011" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {consistentHash: {"
				 "httpHeaderName: a, useSourceIp: true}}}\n",
	  6, 34, "consistentHash hashes one thing: keep one of" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {warmup: {"
				 "minimumPercent: 10}}}\n",
	  6, 34, "WarmupConfiguration needs" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {warmup: {duration: 1s, "
				 "minimumPercent: 101}}}\n",
	  6, 73, "minimumPercent is 101, but must be between 0 and 100" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {warmup: {duration: 1s, "
				 "aggression: 0}}}\n",
	  6, 69, "warmup.aggression must be above 0" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {localityLbSetting: {"
				 "distribute: [{from: 'a/*', to: {'a/*': 50}}]}}}\n",
	  6, 81, "the weights of distribute add up to 50, not 100" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {localityLbSetting: {"
				 "distribute: [{from: 'a/*', to: {'a/*': 100}},{from: 'a/b/*', "
				 "to: {'a/*': 100}}]}}}\n",
	  6, 106, "overlaps" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {localityLbSetting: {"
				 "distribute: [{from: 'a/*', to: {'a/*': 100, 'b/*': 0}}]}}}\n",
	  6, 105, "to is 0, but must be between 1 and 100" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {localityLbSetting: {"
				 "distribute: [{from: 'a//c', to: {'a/*': 100}}]}}}\n",
	  6, 74, "must be region, region/zone or region/zone/subzone, with" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {loadBalancer: {localityLbSetting: {"
				 "distribute: [{from: '*/a', to: {'a/*': 100}}]}}}\n",
	  6, 74, "must be region, region/zone or region/zone/subzone, with" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {outlierDetection: {}, loadBalancer: {"
				 "localityLbSetting: {failover: [{from: a, to: a}]}}}\n",
	  6, 87, "failover from and to are the same region" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {outlierDetection: {}, loadBalancer: {"
				 "localityLbSetting: {failover: [{from: a/b, to: c}]}}}\n",
	  6, 87, "failover takes names of regions only" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {outlierDetection: {}, loadBalancer: {"
				 "localityLbSetting: {distribute: [{from: 'a/*', to: {"
				 "'a/*': 100}}], failover: [{from: a, to: c}]}}}\n",
	  6, 56, "distribute does not go together with failover" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}\n",
	  6, 58, "maxEjectionPercent is 101, but must be between 0 and 100" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {outlierDetection: {"
				 "consecutiveLocalOriginFailures: 3}}\n",
	  6, 70, "consecutiveLocalOriginFailures needs" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {outlierDetection: {interval: 0.1ms}}\n",
	  6, 48, "interval is 0.1ms, but must be at least 1ms and a whole" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {outlierDetection: {interval: 0s}}\n",
	  6, 48, "interval is 0s, but must be at least 1ms and a whole" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {outlierDetection: {baseEjectionTime: 0s}}\n",
	  6, 56, "baseEjectionTime is 0s, but must be at least 1ms and a" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {portLevelSettings: [{loadBalancer: {"
				 "simple: RANDOM}}]}\n",
	  6, 39, "TrafficPolicy.PortTrafficPolicy needs" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}\n",
	  6, 39, "trafficPolicy says nothing: give it a block, or leave it" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {tls: {mode: MUTUAL}}\n",
	  6, 19, "tls MUTUAL needs clientCertificate and privateKey, or" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {tls: {mode: SIMPLE, credentialName: a, "
				 "caCertificates: b}}\n",
	  6, 19, "tls takes either credentialName or files" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {tls: {mode: SIMPLE, "
				 "insecureSkipVerify: true, caCertificates: b, "
				 "subjectAltNames: ['']}}\n",
	  6, 19, "insecureSkipVerify verifies nothing: it does not go" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {tls: {mode: SIMPLE, "
				 "insecureSkipVerify: true, caCertificates: b}}\n",
	  6, 19, "insecureSkipVerify verifies nothing: it does not go" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {tunnel: {protocol: X, targetHost: a.com, "
				 "targetPort: 1}}\n",
	  6, 38, "tunnel.protocol must be CONNECT or POST" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {tunnel: {targetHost: 'a b', targetPort: 1}}\n",
	  6, 40, "is neither a name nor an address" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {tunnel: {targetHost: a.com}}\n",
	  6, 19, "TunnelSettings needs" },
	{ NET("DestinationRule") "  host: a\n"
				 "  trafficPolicy: {tunnel: {targetHost: a.com, targetPort: 1}, "
				 "proxyProtocol: {version: V1}}\n",
	  6, 3, "tunnel and proxyProtocol do not go together" },
	{ NET("DestinationRule") "  host: a\n"
				 "  workloadSelector: {matchLabels: {a: b}}\n"
				 "  exportTo: ['*']\n",
	  7, 14, "a DestinationRule with workloadSelector is exported to its" },
	{ NET("DestinationRule") "  host: a\n"
				 "  workloadSelector: {matchLabels: {a: '*'}}\n",
	  6, 39, "a selector takes no wildcards: write out the label" },
	{ "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {"
	  "name: a.b}\nspec:\n  selector: {a: b}\n  servers: [{port: {"
	  "number: 80, name: a, protocol: HTTP}, hosts: ['*']}]\n",
	  3, 18, "the name of a Gateway," },
	{ NET("Gateway") "  selector: {a: b}\n", 4, 1, "a Gateway needs" },
	{ NET("Gateway") "  servers: [{port: {number: 80, name: a, protocol: HTTP}}]\n", 5, 13,
	  "a server needs" },
	{ NET("Gateway") "  servers: [{hosts: ['*']}]\n", 5, 13, "Server needs" },
	{ NET("Gateway") "  servers: [{port: {number: 80, protocol: HTTP}, hosts: ['*']}]\n", 5, 14,
	  "Gateway.Port needs" },
	{ NET("Gateway") "  servers: [{port: {number: 80, name: a, protocol: HTTP}, "
			 "hosts: ['*']},{port: {number: 81, name: a, protocol: HTTP}, "
			 "hosts: ['*']}]\n",
	  5, 99, "is given twice" },
	{ NET("Gateway") "  servers: [{port: {number: 80, name: a, protocol: FOO}, "
			 "hosts: ['*']}]\n",
	  5, 52, "is not known" },
	{ NET("Gateway") "  servers: [{port: {number: 0, name: a, protocol: HTTP}, "
			 "hosts: ['*']}]\n",
	  5, 29, "number is 0, but must be between 1 and 65535" },
	{ NET("Gateway") "  servers: [{port: {number: 80, targetPort: 8080, name: a, "
			 "protocol: HTTP}, hosts: ['*']}]\n",
	  5, 45, "targetPort has no meaning for a Gateway: take it away" },
	{ NET("Gateway") "  servers: [{bind: x, port: {number: 80, name: a, "
			 "protocol: HTTP}, hosts: ['*']}]\n",
	  5, 20, "is no address" },
	{ NET("Gateway") "  servers: [{port: {number: 80, name: a, protocol: HTTP}, "
			 "hosts: ['a_b/x.com']}]\n",
	  5, 67, "is no host name" },
	{ NET("Gateway") "  servers: [{port: {number: 80, name: a, protocol: HTTP}, "
			 "hosts: ['ns/a b']}]\n",
	  5, 67, "is no host name" },
	{ NET("Gateway") "  servers: [{port: {number: 80, name: a, protocol: HTTP}, "
			 "hosts: ['ns/a/b']}]\n",
	  5, 67, "is no host name" },
	{ NET("Gateway") "  servers: [{port: {number: 443, name: a, protocol: HTTPS}, "
			 "hosts: ['*']}]\n",
	  5, 13, "a server of protocol HTTPS needs tls" },
	{ NET("Gateway") "  servers: [{port: {number: 80, name: a, protocol: HTTP}, "
			 "hosts: ['*'], tls: {mode: SIMPLE, credentialName: x}}]\n",
	  5, 73, "a server of protocol HTTP has no tls but httpsRedirect:" },
	{ NET("Gateway") "  servers: [{port: {number: 80, name: a, protocol: TCP}, "
			 "hosts: ['*'], tls: {mode: SIMPLE, credentialName: x}}]\n",
	  5, 72, "a server of protocol TCP has no tls: use protocol HTTPS or" },
	{ NET("Gateway") "  servers: [{port: {number: 443, name: a, protocol: HTTPS}, "
			 "hosts: ['*'], tls: {mode: SIMPLE, credentialName: x, "
			 "serverCertificate: a, privateKey: b}}]\n",
	  5, 75, "tls takes one of credentialName, credentialNames," },
	{ NET("Gateway") "  servers: [{port: {number: 443, name: a, protocol: HTTPS}, "
			 "hosts: ['*'], tls: {mode: ISTIO_MUTUAL, "
			 "caCertificates: x}}]\n",
	  5, 75, "tls ISTIO_MUTUAL uses the mesh's certificates and takes no" },
	{ NET("Gateway") "  servers: [{port: {number: 443, name: a, protocol: HTTPS}, "
			 "hosts: ['*'], tls: {mode: ISTIO_MUTUAL, "
			 "credentialNames: [x]}}]\n",
	  5, 75, "tls ISTIO_MUTUAL uses the mesh's certificates and takes no" },
	{ NET("Gateway") "  servers: [{port: {number: 443, name: a, protocol: HTTPS}, "
			 "hosts: ['*'], tls: {mode: SIMPLE, serverCertificate: a}}]\n",
	  5, 75, "tls needs serverCertificate and privateKey, or" },
	{ NET("Gateway") "  servers: [{port: {number: 443, name: a, protocol: HTTPS}, "
			 "hosts: ['*'], tls: {mode: MUTUAL, serverCertificate: a, "
			 "privateKey: b}}]\n",
	  5, 75, "tls MUTUAL needs caCertificates, or credentialName" },
	{ NET("Gateway") "  servers: [{port: {number: 443, name: a, protocol: HTTPS}, "
			 "hosts: ['*'], tls: {mode: SIMPLE, serverCertificate: a, "
			 "privateKey: b, caCrl: c}}]\n",
	  5, 139, "caCrl goes with mode MUTUAL and files: a Secret has its" },
	{ NET("ServiceEntry") "  ports: [{number: 80, name: a}]\n", 4, 1, "a ServiceEntry needs" },
	{ NET("ServiceEntry") "  hosts: ['*']\n"
			      "  ports: [{number: 80, name: a}]\n",
	  5, 11, "is no host name" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a},{number: 80, name: b}]\n"
			      "  resolution: STATIC\n",
	  6, 42, "port 80 is given twice" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: A_b}]\n"
			      "  resolution: STATIC\n",
	  6, 30, "is no DNS label" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80}]\n"
			      "  resolution: STATIC\n",
	  6, 11, "ServicePort needs" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a, protocol: FOO}]\n"
			      "  resolution: STATIC\n",
	  6, 43, "is not known" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 0, name: a}]\n"
			      "  resolution: STATIC\n",
	  6, 20, "number is 0, but must be between 1 and 65535" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a, targetPort: 70000}]\n"
			      "  resolution: STATIC\n",
	  6, 45, "targetPort is 70000, but must be between 1 and 65535" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  addresses: [x]\n"
			      "  ports: [{number: 80, name: a}]\n"
			      "  resolution: STATIC\n",
	  6, 15, "is no address" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  addresses: [10.0.0.0/40]\n"
			      "  ports: [{number: 80, name: a}]\n"
			      "  resolution: STATIC\n",
	  6, 15, "is no address" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a}]\n"
			      "  resolution: STATIC\n"
			      "  endpoints: [{address: 1.2.3.4, ports: {b: 90}}]\n",
	  8, 45, "the ServiceEntry has no port" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a}]\n"
			      "  resolution: STATIC\n"
			      "  endpoints: [{ports: {a: 90}}]\n",
	  8, 15, "WorkloadEntry needs" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a}]\n"
			      "  resolution: STATIC\n"
			      "  endpoints: [{address: x.com}]\n",
	  8, 25, "with resolution STATIC an endpoint is an address, not" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a}]\n"
			      "  resolution: NONE\n"
			      "  endpoints: [{address: 1.2.3.4}]\n",
	  8, 3, "endpoints do not go together with this resolution" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a}]\n"
			      "  resolution: STATIC\n"
			      "  workloadSelector: {labels: {a: b}}\n"
			      "  endpoints: [{address: 1.2.3.4}]\n",
	  9, 3, "endpoints do not go together with workloadSelector" },
	{ NET("ServiceEntry") "  hosts: [a.com]\n"
			      "  ports: [{number: 80, name: a}]\n"
			      "  resolution: STATIC\n"
			      "  endpoints: [{address: 1.2.3.4, labels: {'a b': c}}]\n",
	  8, 50, "is no key of a label" },
	{ NET("WorkloadEntry") "  ports: {a: 1}\n", 4, 1, "WorkloadEntry needs" },
	{ NET("WorkloadEntry") "  address: 1.2.3.4\n"
			       "  ports: {a: 0}\n",
	  6, 14, "ports is 0, but must be between 1 and 65535" },
	{ NET("WorkloadEntry") "  address: 1.2.3.4\n"
			       "  labels: {'a b': c}\n",
	  6, 19, "is no key of a label" },
	{ SEC("AuthorizationPolicy") "  action: DENY\n", 4, 1,
	  "action DENY needs rules: without them it does nothing" },
	{ SEC("AuthorizationPolicy") "  action: CUSTOM\n"
				     "  rules: [{}]\n",
	  4, 1, "action CUSTOM needs provider.name" },
	{ SEC("AuthorizationPolicy") "  provider: {name: x}\n"
				     "  rules: [{}]\n",
	  5, 3, "provider goes only with action CUSTOM" },
	{ SEC("AuthorizationPolicy") "  rules: [{from: []}]\n", 5, 12, "from is empty" },
	{ SEC("AuthorizationPolicy") "  rules: [{from: [{}]}]\n", 5, 19, "Rule.From needs" },
	{ SEC("AuthorizationPolicy") "  rules: [{to: [{}]}]\n", 5, 17, "Rule.To needs" },
	{ SEC("AuthorizationPolicy") "  rules: [{from: [{source: {}}]}]\n", 5, 20,
	  "source is empty" },
	{ SEC("AuthorizationPolicy") "  rules: [{from: [{source: {"
				     "serviceAccounts: ['a/b/c']}}]}]\n",
	  5, 47, "must be account or namespace/account, without wildcards" },
	{ SEC("AuthorizationPolicy") "  rules: [{from: [{source: {serviceAccounts: ['a/*']}}]}]\n",
	  5, 47, "must be account or namespace/account, without wildcards" },
	{ SEC("AuthorizationPolicy") "  rules: [{from: [{source: {trustDomains: ['a*b']}}]}]\n", 5,
	  44, "may have one *, at its beginning or its end" },
	{ SEC("AuthorizationPolicy") "  rules: [{to: [{operation: {ports: ['x']}}]}]\n", 5, 38,
	  "is no port" },
	{ SEC("AuthorizationPolicy") "  rules: [{to: [{operation: {paths: ['/{x}']}}]}]\n", 5, 38,
	  ": a template is {*} or {**}" },
	{ SEC("AuthorizationPolicy") "  rules: [{when: [{key: foo, values: [a]}]}]\n", 5, 25,
	  "when does not know the key" },
	{ SEC("AuthorizationPolicy") "  rules: [{when: [{key: 'request.headers[]', "
				     "values: [a]}]}]\n",
	  5, 25, "when does not know the key" },
	{ SEC("AuthorizationPolicy") "  rules: [{when: [{key: source.ip}]}]\n", 5, 19,
	  "when needs values or notValues" },
	{ SEC("AuthorizationPolicy") "  rules: [{when: [{key: source.ip, values: [x]}]}]\n", 5, 45,
	  "is neither an address nor a CIDR block" },
	{ SEC("AuthorizationPolicy") "  rules: [{when: [{key: source.namespace, values: ['']}]}]\n",
	  5, 52, "values has an empty value" },
	{ SEC("AuthorizationPolicy") "  selector: {matchLabels: {a: b}}\n"
				     "  targetRefs: [{kind: Service, name: a, group: ''}]\n"
				     "  rules: [{}]\n",
	  4, 1, "only one of selector, targetRef and targetRefs is taken" },
	{ SEC("AuthorizationPolicy") "  selector: {matchLabels: {a: '*'}}\n"
				     "  rules: [{}]\n",
	  5, 31, "a selector takes no wildcards: write out the label" },
	{ SEC("AuthorizationPolicy") "  selector: {matchLabels: {'': 'x'}}\n"
				     "  rules: [{}]\n",
	  5, 32, "a selector takes no empty key" },
	{ "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {"
	  "name: a, annotations: {"
	  "'istio.io/dry-run': 'maybe'}}\nspec:\n  rules: [{}]\n",
	  3, 55, "istio.io/dry-run is" },
	{ SEC("AuthorizationPolicy") "  rules: [null]\n", 5, 11, "rules has an empty entry" },
	{ SEC("PeerAuthentication") "  portLevelMtls: {80: {mode: STRICT}}\n", 5, 3,
	  "portLevelMtls needs a selector" },
	{ SEC("PeerAuthentication") "  selector: {matchLabels: {a: b}}\n"
				    "  portLevelMtls: {}\n",
	  6, 3, "portLevelMtls is empty" },
	{ SEC("PeerAuthentication") "  selector: {matchLabels: {a: b}}\n"
				    "  portLevelMtls: {0: {mode: STRICT}}\n",
	  6, 19, "portLevelMtls:" },
	{ SEC("PeerAuthentication") "  selector: {matchLabels: {a: 'b*'}}\n", 5, 31,
	  "a selector takes no wildcards: write out the label" },
	{ SEC("RequestAuthentication") "  jwtRules: [{jwks: '{\"keys\":[]}'}]\n", 5, 14,
	  "JWTRule needs" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, audiences: ['']}]\n", 5, 38,
	  "audiences is empty" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, jwksUri: 'ftp://x'}]\n", 5, 35,
	  "is no http or https URL" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, jwks: 'nojson'}]\n", 5, 32,
	  "jwks is no JSON object with" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, fromHeaders: [{prefix: x}]}]\n", 5,
	  40, "JWTHeader needs" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, fromParams: ['']}]\n", 5, 39,
	  "fromParams is empty" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, fromCookies: ['']}]\n", 5, 40,
	  "fromCookies is empty" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, outputClaimToHeaders: [{"
				       "header: 'a b', claim: c}]}]\n",
	  5, 58, "is no header name" },
	{ SEC("RequestAuthentication") "  jwtRules: [{issuer: a, timeout: 0.1ms}]\n", 5, 35,
	  "timeout is 0.1ms, but must be at least 1ms and a whole" },
	{ NET("Sidecar") "  egress: [{hosts: ['x']}]\n", 5, 21, "must be namespace/host" },
	{ NET("Sidecar") "  egress: [{}]\n", 5, 12, "egress needs" },
	{ CORE("Service") "  clusterIP: 224.0.0.1\n"
			  "  ports: [{port: 80}]\n",
	  5, 14, "is a multicast group: a service needs an address that a" },
	{ CORE("Service") "  clusterIP: 255.255.255.255\n"
			  "  ports: [{port: 80}]\n",
	  5, 14, "is the broadcast address of every subnet: a service needs" },
	{ CORE("Service") "  clusterIP: 127.0.0.1\n"
			  "  ports: [{port: 80}]\n",
	  5, 14, "is a loopback address: a service needs an address that a" },
	{ CORE("Service") "  clusterIP: foo\n"
			  "  ports: [{port: 80}]\n",
	  5, 14, "is no address" },
	{ CORE("Service") "  clusterIP: 10.0.0.1\n"
			  "  ports: [{name: a, port: 80},{name: b, port: 80}]\n",
	  6, 47, "port 80 is given twice: keep one" },
	{ CORE("Service") "  clusterIP: 10.0.0.1\n"
			  "  ports: [{name: a, port: 80},{name: a, port: 81}]\n",
	  6, 38, "is given twice" },
	{ CORE("Service") "  clusterIP: 10.0.0.1\n"
			  "  ports: [{port: 80},{port: 81}]\n",
	  6, 11, "each of several ports needs" },
	{ CORE("Service") "  clusterIP: 10.0.0.1\n"
			  "  ports: [{name: A_, port: 80}]\n",
	  6, 18, "is no DNS label" },
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
	HTTP("{headers: {request: {set: {a: \"100%%\", "
	     "b: \"%REQ(:path)%\", c: \"%START_TIME(%s)%\", "
	     "d: \"%REQ(X?Y):5%\"}}}, " TO "}"),
	HTTP("{directResponse: {status: 204, body: {string: x}}}"),
	HTTP("{redirect: {derivePort: FROM_REQUEST_PORT}}"),
	HTTP("{corsPolicy: {allowMethods: [GET, \"*\"], allowHeaders: [\"*\"], maxAge: 2m}, " TO
	     "}"),
	NET("VirtualService") "  hosts: [a.com]\n  gateways: [gw.ns.svc.cluster.local, "
			      "ns/gw, mesh]\n"
			      "  http: [{" TO "}]\n",
	NET("VirtualService") "  hosts: [a.com]\n  gateways: [gw]\n  http: [{match: [{headers: "
			      "{\"@request.auth.claims.sub\": {exact: x}}}], " TO "}]\n",
	NET("DestinationRule") "  host: a\n  trafficPolicy: {loadBalancer: {"
			       "localityLbSetting: {distribute: [{from: "
			       "\"a/b/*\", to: {\"a/b/*\": 80, \"a/c\": 20}}, {from: \"a/c\", "
			       "to: {\"*\": 100}}]}}}\n",
	NET("DestinationRule") "  host: a\n  workloadSelector: {matchLabels: {"
			       "a: b}}\n  exportTo: [\".\"]\n",
	NET("Gateway") "  servers:\n  - {port: {number: 80, name: a, "
		       "protocol: HTTP}, hosts: [\"./*\", \"*/x.com\", "
		       "\"ns/*.y\"], tls: {httpsRedirect: true}}\n"
		       "  - {port: {number: 81, name: b, protocol: GRPC-WEB}, "
		       "bind: \"::1\", hosts: [\"*\"]}\n",
	NET("ServiceEntry") "  hosts: [a.com]\n  ports: [{number: 80, name: a, "
			    "protocol: http}]\n  resolution: STATIC\n"
			    "  endpoints: [{address: 1.2.3.4, ports: {a: 90}, labels: {x/y: z}}]\n",
	CORE("Service") "  clusterIP: None\n  ports: [{port: 80}]\n",
	CORE("Service") "  clusterIP: 10.0.0.1\n  ports: [{name: a, port: 53, "
			"protocol: UDP}, {name: b, port: 53}]\n",
	SEC("AuthorizationPolicy") "  rules: [{from: [{source: {serviceAccounts: [a, b/c], "
				   "notServiceAccounts: [d]}}]}]\n",
	SEC("AuthorizationPolicy") "  rules: [{from: [{source: {trustDomains: [\"*.a\", \"b*\", "
				   "\"*\"]}}]}]\n",
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

/* What matches nothing and is no mistake for Istio. */
static void what_never_matches_is_said(void **state)
{
	static const struct {
		const char *operation;
		uint32_t col;
		const char *words;
	} rows[] = {
		{ "methods: [get]", 40, "methods are in upper case" },
		{ "notMethods: [\"GET \"]", 43, "no request has the method" },
		{ "paths: [admin]", 38, "paths begin with /" },
		{ "paths: [\"/a?b=c\"]", 38, "without query" },
	};
	struct policy_world *w = *state;
	char text[512];

	for (size_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		snprintf(
			text, sizeof(text),
			SEC("AuthorizationPolicy") "  action: DENY\n  rules: [{to: [{operation: {%s}}]}]\n",
			rows[i].operation);
		assert_loads(w, text);
		assert_said(w, POLICY_WARNING, 6, rows[i].col, rows[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(what_istio_refuses_is_refused),
		world_test(what_istio_takes_is_taken),
		world_test(what_never_matches_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
