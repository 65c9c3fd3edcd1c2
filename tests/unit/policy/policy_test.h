/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_TEST_H
#define POLICY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy_world.h"

/* Documents that most tests need. */
#define SERVICE(name, vip)                                                                    \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\nspec:\n  clusterIP: " vip \
	"\n  selector: {app: " name                                                           \
	"}\n  ports: [{name: http, port: 80, targetPort: 8080}]\n---\n"
#define POD(name, app, version, ip)                                                \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name ", labels: {app: " app \
	", version: " version "}}\nstatus: {podIP: " ip "}\n---\n"
#define VS(name)                                                                           \
	"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " name \
	"}\nspec:\n"
#define DR(name)                                                                            \
	"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " name \
	"}\nspec:\n"
#define API                         \
	SERVICE("api", "10.96.0.1") \
	POD("a1", "api", "v1", "10.2.0.1") POD("a2", "api", "v2", "10.2.0.2")

#define assert_said(w, severity, line, col, words)                             \
	do {                                                                   \
		if (!policy_world_said(w, severity, line, col, words))         \
			policy_world_tell(w);                                  \
		assert_true(policy_world_said(w, severity, line, col, words)); \
	} while (0)

#define assert_loads(w, text)                                      \
	do {                                                       \
		if (policy_world_load(w, text) != 0)               \
			policy_world_tell(w);                      \
		assert_int_equal((w)->rc, 0);                      \
		assert_null(policy_snapshot_wrong((w)->snapshot)); \
	} while (0)

static inline int str_is(struct hd_str s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static inline int world_setup(void **state)
{
	static struct policy_world w;

	policy_world_open(&w, NULL);
	*state = &w;
	return 0;
}

static inline int world_teardown(void **state)
{
	policy_world_close(*state);
	return 0;
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
