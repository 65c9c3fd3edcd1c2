/* SPDX-License-Identifier: Apache-2.0 */
/* How long loads take: a thousand services with ten routes and twenty endpoints each, one file a
 * kind. CPU time of this thread: the machine is shared with other tests, and the promise is one of
 * a machine that is not. */
#include "policy_test.h"

#include <stdlib.h>
#include <time.h>

#define SERVICES 1000
#define ROUTES 10
#define ENDPOINTS 20
#define CHANGES 5
#define WHOLE_MS_MAX 5000.0 /* of a build with sanitizers */

static double cpu_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void services_write(FILE *f)
{
	for (int s = 0; s < SERVICES; s++)
		fprintf(f,
			"---\napiVersion: v1\nkind: Service\nmetadata: {name: svc-%d}\nspec:\n"
			"  clusterIP: 10.96.%d.%d\n  selector: {app: svc-%d}\n  ports:\n"
			"  - {name: http, port: 80, targetPort: 8080}\n",
			s, s / 250, s % 250 + 1, s);
}

static void routes_write(FILE *f)
{
	for (int s = 0; s < SERVICES; s++) {
		fprintf(f,
			"---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
			"metadata: {name: svc-%d}\nspec:\n  hosts: [svc-%d]\n  http:\n",
			s, s);
		for (int r = 0; r < ROUTES; r++)
			fprintf(f,
				"  - match:\n    - uri: {prefix: /api/v%d}\n"
				"      headers: {x-user: {exact: u%d}}\n"
				"    route:\n    - destination: {host: svc-%d, port: {number: 80}}\n"
				"    timeout: 3s\n    retries: {attempts: 2, retryOn: 5xx}\n",
				r, r, s);
	}
}

static void endpoints_write(FILE *f, int last)
{
	for (int s = 0; s < SERVICES; s++) {
		fprintf(f,
			"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
			"metadata: {name: svc-%d-1, labels: {kubernetes.io/service-name: svc-%d}}\n"
			"addressType: IPv4\nports: [{name: http, port: 8080}]\nendpoints:\n",
			s, s);
		for (int e = 0; e < ENDPOINTS; e++)
			fprintf(f, "- {addresses: [10.%d.%d.%d], conditions: {ready: true}}\n",
				20 + s / 250, s % 250,
				s == SERVICES - 1 && e == ENDPOINTS - 1 ? last : e + 1);
	}
}

static void text_set(struct policy_texts *t, const char *name, void (*write)(FILE *f))
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	write(f);
	fclose(f);
	assert_int_equal(policy_texts_add(t, name, text, n), 0);
	free(text);
}

static void endpoints_set(struct policy_texts *t, int last)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	endpoints_write(f, last);
	fclose(f);
	assert_int_equal(policy_texts_add(t, "endpoints.yaml", text, n), 0);
	free(text);
}

static struct hd_snapshot *load(struct policy_world *w, double *ms)
{
	struct hd_snapshot *s = NULL;
	double began = cpu_ms();

	assert_int_equal(policy_load(w->policy, &w->texts, ++w->generation, &s, &w->diags), 0);
	*ms = cpu_ms() - began;
	return s;
}

/* The least of a few: what the machine did meanwhile only ever adds. */
static double change_ms(struct policy_world *w)
{
	double least = 1e9, ms;

	for (int i = 0; i < CHANGES; i++) {
		endpoints_set(&w->texts, 201 + i);
		policy_snapshot_free(w->policy, load(w, &ms));
		least = ms < least ? ms : least;
	}
	return least;
}

static void a_large_policy_loads_and_changes_in_time(void **state)
{
	struct policy_world *w = *state;
	struct hd_snapshot *s;
	double whole, change;

	text_set(&w->texts, "services.yaml", services_write);
	text_set(&w->texts, "routes.yaml", routes_write);
	endpoints_set(&w->texts, 200);
	s = load(w, &whole);
	assert_int_equal(s->n_routes, SERVICES * ROUTES);
	assert_int_equal(s->n_endpoints, SERVICES * ENDPOINTS);
	change = change_ms(w);
	policy_snapshot_free(w->policy, s);
	printf("%d services, %d routes, %d endpoints: load %.1f ms, one endpoint changed %.1f ms\n",
	       SERVICES, SERVICES * ROUTES, SERVICES * ENDPOINTS, whole, change);
	assert_true(whole < WHOLE_MS_MAX);
	assert_true(change < whole / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(a_large_policy_loads_and_changes_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
