/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates on their way from files to slots; the fake dataplane takes the first line of a chain
 * for its SPIFFE ID, the key for its serial, and refuses a chain that says "bad". */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctrl_test.h"
#include "daemon_certs.h"
#include "fake_dp.h"

#define NODE "spiffe://cluster.local/ns/n/sa/node"

struct bed {
	char folder[64], chain[96], key[96], roots[96];
	struct policy_node node;
	struct policy_tls_credential credential;
	struct policy_tls_bundle bundle;
	struct policy_tls_context context;
	struct policy_tls tls;
	struct hd_dp *dp;
	struct certs *certs;
	struct sock_certificate rows[4];
};

static void file_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct hd_str str(const char *s)
{
	return (struct hd_str){ s, (uint32_t)strlen(s) };
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	strcpy(b->folder, "/tmp/certs-test-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->chain, sizeof(b->chain), "%s/chain", b->folder);
	snprintf(b->key, sizeof(b->key), "%s/key", b->folder);
	snprintf(b->roots, sizeof(b->roots), "%s/roots", b->folder);
	file_write(b->chain, NODE "\n1");
	file_write(b->key, "one");
	file_write(b->roots, "roots");
	b->node.trust_domain = "cluster.local";
	b->node.identity = (struct policy_identity){ b->chain, b->key, b->roots };
	b->credential = (struct policy_tls_credential){ .slot = 1,
							.name = str("identity"),
							.chain.path = str(b->chain),
							.key.path = str(b->key),
							.is_identity = 1 };
	b->bundle = (struct policy_tls_bundle){ .slot = 2,
						.name = str("mesh"),
						.trust_domain = str("cluster.local"),
						.roots.path = str(b->roots) };
	b->context = (struct policy_tls_context){
		.slot = 3, .context = { .credentials = { 1 }, .n_credentials = 1, .bundle = 2 }
	};
	b->tls = (struct policy_tls){ &b->credential, &b->bundle, &b->context, 1, 1, 1 };
	b->dp = fake_dp_create(1);
	b->certs = certs_create(&b->node);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	certs_destroy(b->certs);
	fake_dp_destroy(b->dp);
	unlink(b->chain);
	unlink(b->key);
	unlink(b->roots);
	rmdir(b->folder);
	free(b);
	return 0;
}

static const struct sock_certificate *identity_row(struct bed *b)
{
	assert_int_equal(certs_rows(b->certs, b->rows, 4), 2);
	return &b->rows[0];
}

static void load(struct bed *b, uint64_t generation)
{
	certs_use(b->certs, b->dp);
	certs_load(b->certs, &b->tls, generation);
}

static void what_is_good_is_set_once(void **state)
{
	struct bed *b = *state;
	const struct fake_dp_tls *t = fake_dp_tls(b->dp);

	load(b, 1);
	load(b, 2);
	assert_int_equal(t->credentials[1], 1);
	assert_int_equal(t->bundles[2], 1);
	assert_int_equal(t->contexts[3], 1);
	assert_string_equal(identity_row(b)->state, "ok");
	assert_string_equal(identity_row(b)->info.spiffe_id, NODE);
}

static void renewed_pair_is_set_again_and_the_context_is_not(void **state)
{
	struct bed *b = *state;

	load(b, 1);
	file_write(b->key, "two");
	load(b, 1);
	assert_int_equal(fake_dp_tls(b->dp)->credentials[1], 2);
	assert_int_equal(fake_dp_tls(b->dp)->contexts[3], 1);
	assert_string_equal(identity_row(b)->info.serial, "two");
}

static void bad_pair_is_refused_and_the_old_one_stays(void **state)
{
	struct bed *b = *state;

	load(b, 1);
	file_write(b->chain, NODE "\nbad");
	load(b, 1);
	load(b, 1);
	assert_int_equal(fake_dp_tls(b->dp)->credentials[1], 1);
	assert_int_equal(certs_failures(b->certs), 1); /* said once */
	assert_string_equal(identity_row(b)->state, "refused");
	assert_string_equal(identity_row(b)->info.serial, "one");
	unlink(b->chain);
	load(b, 1);
	assert_string_equal(identity_row(b)->state, "refused");
	file_write(b->chain, NODE "\n3");
	load(b, 1);
	assert_string_equal(identity_row(b)->state, "ok");
}

/* Reading it would wait for a writer, and the load with it. */
static void a_pipe_in_the_place_of_a_file_is_refused(void **state)
{
	struct bed *b = *state;

	load(b, 1);
	unlink(b->chain);
	assert_int_equal(mkfifo(b->chain, 0600), 0);
	load(b, 1);
	assert_string_equal(identity_row(b)->state, "refused");
	assert_non_null(strstr(identity_row(b)->error, "is no regular file"));
}

static void renewal_is_of_the_same_identity(void **state)
{
	struct bed *b = *state;

	load(b, 1);
	file_write(b->chain, "spiffe://cluster.local/ns/n/sa/other\n");
	load(b, 1);
	assert_int_equal(fake_dp_tls(b->dp)->credentials[1], 1);
	assert_string_equal(identity_row(b)->state, "refused");
}

static void context_waits_for_what_it_needs(void **state)
{
	struct bed *b = *state;

	unlink(b->roots);
	load(b, 1);
	assert_int_equal(fake_dp_tls(b->dp)->contexts[3], 0);
	file_write(b->roots, "roots");
	load(b, 1);
	assert_int_equal(fake_dp_tls(b->dp)->contexts[3], 1);
}

static void what_no_snapshot_names_is_cleared(void **state)
{
	struct bed *b = *state;
	const struct policy_tls none = { 0 };

	load(b, 1);
	certs_load(b->certs, &none, 2);
	certs_sweep(b->certs, 1);
	assert_int_equal(fake_dp_tls(b->dp)->credentials[1], 1);
	certs_sweep(b->certs, 2);
	assert_int_equal(fake_dp_tls(b->dp)->credentials[1], 0);
	assert_int_equal(fake_dp_tls(b->dp)->contexts[3], 0);
	assert_int_equal(certs_rows(b->certs, b->rows, 4), 0);
}

static void identity_of_another_trust_domain_does_not_start(void **state)
{
	struct bed *b = *state;
	struct hd_tls_certificate_info info;
	char error[512];

	assert_int_equal(certs_identity_check(&b->node, &info, error, sizeof(error)), 0);
	file_write(b->chain, "spiffe://cluster.localhost/ns/n/sa/node\n");
	assert_int_not_equal(certs_identity_check(&b->node, &info, error, sizeof(error)), 0);
	assert_non_null(strstr(error, "trust domain cluster.local"));
	assert_non_null(strstr(error, b->chain));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(what_is_good_is_set_once),
		T(renewed_pair_is_set_again_and_the_context_is_not),
		T(bad_pair_is_refused_and_the_old_one_stays),
		T(a_pipe_in_the_place_of_a_file_is_refused),
		T(renewal_is_of_the_same_identity),
		T(context_waits_for_what_it_needs),
		T(what_no_snapshot_names_is_cleared),
		T(identity_of_another_trust_domain_does_not_start),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
