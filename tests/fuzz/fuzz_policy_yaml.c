/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a policy: a load ends with a whole snapshot or with at least one error, and with
 * nothing left behind. The last byte picks the settings. Any bytes as a node file as well. */
#include <stdlib.h>

#include "policy_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Documents that were read before say what they said. */
static void twice_is_the_same(struct policy_world *w, const uint8_t *data, size_t size)
{
	int rc = policy_world_load_bytes(w, data, size);
	uint32_t errors = w->diags.errors, warnings = w->diags.warnings, rows = w->diags.n;

	if (policy_world_load_bytes(w, data, size) != rc || w->diags.errors != errors ||
	    w->diags.warnings != warnings || w->diags.n != rows)
		abort();
}

static void policy_run(const uint8_t *data, size_t size, uint8_t how)
{
	static struct policy_label label = { (char *)"istio", (char *)"ingressgateway" };
	static struct hd_node node = { .n_ports = 1, .ports = { { .n_addresses = 1 } } };
	struct policy_settings settings = {
		.n_workers = 2,
		.strict = how & 1,
		.allow_unenforced = (how >> 1) & 1,
		.node_namespace = "istio-system",
		.labels = &label,
		.n_labels = 1,
		.node = &node,
	};
	struct policy_world w;
	const char *wrong;

	policy_world_open(&w, &settings);
	twice_is_the_same(&w, data, size);
	if (policy_world_load_bytes(&w, data, size) == 0) {
		wrong = policy_snapshot_wrong(w.snapshot);
		if (wrong != NULL) {
			fprintf(stderr, "%s\n", wrong);
			abort();
		}
	} else if (w.rc == -22 && w.diags.errors == 0)
		abort();
	policy_world_close(&w);
}

static void node_run(const uint8_t *data, size_t size)
{
	struct policy_node *node = NULL;
	struct policy_diags diags;

	policy_diags_init(&diags);
	if (policy_node_parse("conf/node.yaml", (const char *)data, size, &node, &diags) == 0)
		policy_node_free(node);
	policy_diags_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	policy_run(data, size, data[size - 1]);
	node_run(data, size);
	return 0;
}
