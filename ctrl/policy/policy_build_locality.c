/* SPDX-License-Identifier: Apache-2.0 */
/* Which endpoints of a cluster come first, by where they are (istio-api.md 5.4): groups in order of
 * preference, or groups with a share each. */
#include "policy_model.h"

#define RANKS HD_GROUPS

struct locality {
	struct hd_str region, zone, subzone;
};

static struct hd_str part_take(struct hd_str *rest)
{
	const char *slash = rest->n > 0 ? memchr(rest->p, '/', rest->n) : NULL;
	struct hd_str part = *rest;

	if (slash == NULL) {
		*rest = (struct hd_str){ "", 0 };
		return part;
	}
	part.n = (uint32_t)(slash - rest->p);
	rest->p += part.n + 1;
	rest->n -= part.n + 1;
	return part;
}

static struct locality locality_of(struct hd_str text)
{
	struct locality l;

	l.region = part_take(&text);
	l.zone = part_take(&text);
	l.subzone = part_take(&text);
	return l;
}

static struct locality locality_of_node(const struct policy_load *l)
{
	const struct policy_settings *s = &l->policy->settings;

	return (struct locality){ policy_str(s->region), policy_str(s->zone),
				  policy_str(s->subzone) };
}

/* As "eu/a/rack-1"; a part that is left out, or a star, is any. */
static int matches(struct locality is, struct hd_str pattern)
{
	struct locality p = locality_of(pattern);

	return (policy_str_is(p.region, "*") || hd_str_eq(p.region, is.region)) &&
	       (p.zone.n == 0 || policy_str_is(p.zone, "*") || hd_str_eq(p.zone, is.zone)) &&
	       (p.subzone.n == 0 || policy_str_is(p.subzone, "*") ||
		hd_str_eq(p.subzone, is.subzone));
}

/* Same subzone 0, same zone 1, same region 2, else 3; where a region is named to step in, it is 3
 * and all others are 4. */
static uint32_t rank_by_place(const struct policy_spread *p, struct locality node,
			      struct locality is)
{
	if (hd_str_eq(node.region, is.region)) {
		if (!hd_str_eq(node.zone, is.zone))
			return 2;
		return !hd_str_eq(node.subzone, is.subzone);
	}
	for (const struct policy_yaml *y = p->failover != NULL ? p->failover->first : NULL;
	     y != NULL; y = y->next)
		if (hd_str_eq(policy_get_str(y, "from"), node.region))
			return hd_str_eq(policy_get_str(y, "to"), is.region) ? 3 : 4;
	return 3;
}

static struct hd_str label_of(const struct policy_yaml *labels, struct hd_str key,
			      struct locality is)
{
	const struct policy_yaml *y;

	if (policy_str_is(key, "topology.kubernetes.io/region"))
		return is.region;
	if (policy_str_is(key, "topology.kubernetes.io/zone"))
		return is.zone;
	if (policy_str_is(key, "topology.istio.io/subzone"))
		return is.subzone;
	for (y = labels != NULL ? labels->first : NULL; y != NULL; y = y->next)
		if (hd_str_eq(y->key, key))
			return y->text;
	return (struct hd_str){ "", 0 };
}

static struct hd_str node_label(const struct policy_load *l, struct hd_str key,
				struct locality node)
{
	const struct policy_settings *s = &l->policy->settings;

	for (uint32_t i = 0; i < s->n_labels; i++)
		if (policy_str_is(key, s->labels[i].key))
			return policy_str(s->labels[i].value);
	return label_of(NULL, key, node);
}

/* How many labels are left from the first that differs on; "key=value" names the value. */
static uint32_t rank_by_labels(const struct policy_load *l, const struct policy_spread *p,
			       const struct policy_backend *b, struct locality node,
			       struct locality is)
{
	uint32_t left = p->priority->n;

	for (const struct policy_yaml *y = p->priority->first; y != NULL; y = y->next, left--) {
		const char *equals = memchr(y->text.p, '=', y->text.n);
		struct hd_str key = y->text, wanted;

		if (equals != NULL) {
			key.n = (uint32_t)(equals - key.p);
			wanted = (struct hd_str){ equals + 1, y->text.n - key.n - 1 };
		} else {
			wanted = node_label(l, key, node);
		}
		if (!hd_str_eq(wanted, label_of(b->labels, key, is)))
			break;
	}
	return left;
}

/* The first of the targets that it matches, else none. */
static uint32_t rank_by_share(const struct policy_spread *p, struct locality is)
{
	uint32_t i = 0;

	for (const struct policy_yaml *y = p->to->first; y != NULL; y = y->next, i++)
		if (matches(is, y->key))
			return i;
	return HD_NONE;
}

uint32_t policy_spread_rank(const struct policy_load *l, const struct policy_spread *p,
			    const struct policy_backend *b)
{
	struct locality node = locality_of_node(l), is = locality_of(b->locality);
	uint32_t rank = 0;

	if (p->kind == HD_SPREAD_SHARES)
		rank = rank_by_share(p, is);
	else if (p->kind == HD_SPREAD_ORDER)
		rank = p->priority != NULL ? rank_by_labels(l, p, b, node, is)
					   : rank_by_place(p, node, is);
	return rank == HD_NONE || rank < RANKS ? rank : RANKS - 1;
}

static const struct policy_yaml *not_empty(const struct policy_yaml *list)
{
	return list != NULL && list->n > 0 ? list : NULL;
}

struct policy_spread policy_spread_of(const struct policy_load *l, const struct policy_traffic *t)
{
	const struct policy_yaml *own = policy_get(t->load_balancer, "localityLbSetting"),
				 *setting = own != NULL ? own
							: policy_get(l->mesh, "localityLbSetting");
	const struct policy_yaml *distribute = policy_get(setting, "distribute");
	struct locality node = locality_of_node(l);
	struct policy_spread p = { .kind = HD_SPREAD_NONE };

	if (node.region.n == 0 || policy_get_int(setting, "enabled", 1) == 0)
		return p;
	if (not_empty(distribute) != NULL) {
		for (const struct policy_yaml *y = distribute->first; y != NULL; y = y->next) {
			p.to = not_empty(policy_get(y, "to"));
			if (p.to == NULL || !matches(node, policy_get_str(y, "from")))
				continue;
			p.kind = HD_SPREAD_SHARES;
			break;
		}
		return p;
	}
	if (t->outlier == NULL)
		return p; /* nothing would ever make the next group step in */
	p.kind = HD_SPREAD_ORDER;
	p.priority = not_empty(policy_get(setting, "failoverPriority"));
	p.failover = policy_get(setting, "failover");
	return p;
}

uint16_t policy_spread_weight(const struct policy_spread *p, uint32_t rank)
{
	const struct policy_yaml *y = p->to->first;

	while (rank-- > 0)
		y = y->next;
	return (uint16_t)y->i;
}
