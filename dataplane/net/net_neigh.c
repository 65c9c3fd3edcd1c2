/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <rte_malloc.h>

#include "net_priv.h"

static uint32_t bucket_of(const struct net *n, uint8_t port, const struct hd_ip *ip)
{
	uint64_t h = (ip->q[0] ^ n->hash_key[2]) * UINT64_C(0x9e3779b97f4a7c15) ^ ip->q[1] ^
		     n->hash_key[3] ^ port;

	/* The top bits: an IPv4 address lies in the upper half of its word, its host part last,
	 * and a product's bits depend only on bits below them. */
	return (uint32_t)((h * UINT64_C(0xd6e8feb86659fd93)) >> (64 - NEIGH_BITS));
}

int net_neigh_init(struct net *n, int socket)
{
	struct net_neigh_table *t = &n->neigh;

	t->entries = rte_zmalloc_socket("neighbours", NEIGH_MAX * sizeof(*t->entries),
					HD_CACHE_LINE, socket);
	t->buckets = rte_zmalloc_socket("neighbours", NEIGH_MAX * sizeof(*t->buckets),
					HD_CACHE_LINE, socket);
	if (t->entries == NULL || t->buckets == NULL) {
		net_neigh_fini(n);
		return -ENOMEM;
	}
	list_init(&t->free);
	for (uint32_t c = 0; c < NEIGH_CLASSES; c++)
		list_init(&t->classes[c]);
	for (uint32_t i = 0; i < NEIGH_MAX; i++)
		list_push_back(&t->free, &t->entries[i].link);
	return 0;
}

/* The link to the next packet of a queue: packets of ours have no facts. */
static struct rte_mbuf **next_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

static struct rte_mbuf *dequeue(struct net *n, struct net_neigh *g)
{
	struct rte_mbuf *m = g->first;

	if (m == NULL)
		return NULL;
	g->first = *next_of(m);
	g->n_queue--;
	n->neigh.n_queued--;
	return m;
}

void net_neigh_fini(struct net *n)
{
	struct net_neigh_table *t = &n->neigh;
	struct rte_mbuf *m;

	for (uint32_t i = 0; t->entries != NULL && i < NEIGH_MAX; i++) {
		while ((m = dequeue(n, &t->entries[i])) != NULL)
			rte_pktmbuf_free(m);
	}
	rte_free(t->entries);
	rte_free(t->buckets);
	t->entries = NULL;
	t->buckets = NULL;
}

static void enter_class(struct net *n, struct net_neigh *g, enum neigh_class class)
{
	struct net_neigh_table *t = &n->neigh;

	if (g->state != NEIGH_FREE)
		t->n[g->class]--;
	if (list_is_linked(&g->link))
		list_remove(&g->link);
	g->class = class;
	t->n[class]++;
	list_push_back(&t->classes[class], &g->link);
}

/* The tuple of a packet that we built, for tcp; only TCP packets have one. */
static int queued_flow(struct rte_mbuf *m, struct flow_key *key)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *l4;

	if (p[0] >> 4 == 4) {
		const struct rte_ipv4_hdr *h = (const void *)p;

		key->local = hd_ip_from_v4(h->src_addr);
		key->remote = hd_ip_from_v4(h->dst_addr);
		l4 = p + IP4_BYTES;
		if (h->next_proto_id != PROTO_TCP)
			return 0;
	} else {
		memcpy(key->local.b, p + 8, 16);
		memcpy(key->remote.b, p + 24, 16);
		l4 = p + IP6_BYTES;
		if (p[6] != PROTO_TCP)
			return 0;
	}
	key->local_port = (uint16_t)(l4[0] << 8 | l4[1]);
	key->remote_port = (uint16_t)(l4[2] << 8 | l4[3]);
	return 1;
}

/* A packet for a neighbour that does not answer. tcp is told later: this may run inside its own
 * flush. */
static void give_up(struct net *n, struct rte_mbuf *m, enum hd_counter why)
{
	struct net_neigh_table *t = &n->neigh;

	if (why == HD_NET_NEIGH_FAILED && t->n_lost < HD_ARRAY_SIZE(t->lost) &&
	    queued_flow(m, &t->lost[t->n_lost]))
		t->n_lost++;
	hd_count(n->stats, why);
	rte_pktmbuf_free(m);
}

static void drop_queue(struct net *n, struct net_neigh *g, enum hd_counter why)
{
	struct rte_mbuf *m;

	while ((m = dequeue(n, g)) != NULL)
		give_up(n, m, why);
}

static void forget(struct net *n, struct net_neigh *g)
{
	struct net_neigh_table *t = &n->neigh;
	uint32_t index = (uint32_t)(g - t->entries) + 1;
	uint32_t *at = &t->buckets[bucket_of(n, g->port, &g->ip)];

	drop_queue(n, g, HD_NET_NEIGH_EVICTED);
	while (*at != index)
		at = &t->entries[*at - 1].next;
	*at = g->next;
	wheel_cancel(&n->wheel, &g->timer);
	list_remove(&g->link);
	t->n[g->class]--;
	g->state = NEIGH_FREE;
	g->generation++;
	list_push_back(&t->free, &g->link);
}

/* The entry in use that was idle longest, among the oldest few: entries in use are not re-ordered
 * for every packet. */
static struct net_neigh *idlest(struct net_neigh_table *t)
{
	struct list_link *head = &t->classes[NEIGH_IN_USE], *l = list_front(head);
	struct net_neigh *best = NULL;

	for (int i = 0; i < 16 && l != NULL; i++, l = list_next(head, l)) {
		struct net_neigh *g = list_entry(l, struct net_neigh, link);

		if (best == NULL || g->used < best->used)
			best = g;
	}
	return best;
}

/* Room for one more of a class: its own cap first, then whoever is missed least. */
static void make_room(struct net *n, enum neigh_class class)
{
	static const uint32_t caps[NEIGH_CLASSES] = {
		[NEIGH_IN_USE] = NEIGH_MAX,
		[NEIGH_HEARD] = NEIGH_MAX_HEARD,
		[NEIGH_PENDING] = NEIGH_MAX_PENDING,
		[NEIGH_NEGATIVE] = NEIGH_MAX_FAILED,
	};
	static const enum neigh_class victims[] = {NEIGH_HEARD, NEIGH_NEGATIVE, NEIGH_PENDING};
	struct net_neigh_table *t = &n->neigh;

	if (t->n[class] >= caps[class]) {
		forget(n, list_entry(list_front(&t->classes[class]), struct net_neigh, link));
		return;
	}
	if (!list_is_empty(&t->free))
		return;
	for (size_t i = 0; i < HD_ARRAY_SIZE(victims); i++) {
		if (!list_is_empty(&t->classes[victims[i]])) {
			forget(n, list_entry(list_front(&t->classes[victims[i]]), struct net_neigh,
					     link));
			return;
		}
	}
	forget(n, idlest(t));
}

static struct net_neigh *create(struct net *n, struct net_if *i, const struct hd_ip *ip,
				enum neigh_class class)
{
	struct net_neigh_table *t = &n->neigh;
	uint32_t *bucket = &t->buckets[bucket_of(n, i->index, ip)];
	struct net_neigh *g;

	make_room(n, class);
	g = list_entry(list_front(&t->free), struct net_neigh, link);
	enter_class(n, g, class);
	g->state = NEIGH_NEW;
	g->port = i->index;
	g->ip = *ip;
	g->reachable_until = 0;
	g->used = g->since = n->now;
	g->probes = 0;
	g->next = *bucket;
	*bucket = (uint32_t)(g - t->entries) + 1;
	return g;
}

struct net_neigh *net_neigh_find(struct net *n, const struct net_if *i, const struct hd_ip *ip)
{
	struct net_neigh_table *t = &n->neigh;

	for (uint32_t at = t->buckets[bucket_of(n, i->index, ip)]; at != 0;
	     at = t->entries[at - 1].next) {
		struct net_neigh *g = &t->entries[at - 1];

		if (g->port == i->index && hd_ip_eq(&g->ip, ip))
			return g;
	}
	return NULL;
}

struct net_neigh *net_neigh_get(struct net *n, struct net_if *i, const struct hd_ip *ip)
{
	struct net_neigh *g = net_neigh_find(n, i, ip);

	if (g != NULL)
		return g;
	g = create(n, i, ip, NEIGH_PENDING);
	wheel_arm(&n->wheel, &g->timer, n->now + NEIGH_IDLE_NS);
	return g;
}

static void solicit(struct net *n, struct net_neigh *g, const uint8_t *to)
{
	struct net_if *i = &n->ifs[g->port];

	g->probes++;
	if (hd_ip_is_v4(&g->ip))
		net_arp_solicit(n, i, &g->ip, to);
	else
		net_nd_solicit(n, i, &g->ip, to);
	wheel_arm(&n->wheel, &g->timer, n->now + NEIGH_RETRANS_NS);
}

static void enter(struct net *n, struct net_neigh *g, enum neigh_state state)
{
	g->state = (uint8_t)state;
	g->since = n->now;
	g->probes = 0;
	g->reachable_until = state == NEIGH_REACHABLE ? n->now + NEIGH_REACHABLE_NS : 0;
}

static void start_resolving(struct net *n, struct net_neigh *g)
{
	enter_class(n, g, NEIGH_PENDING);
	enter(n, g, NEIGH_INCOMPLETE);
	solicit(n, g, NULL);
}

/* The first packets stay: they are what asked for the neighbour, and TCP sends the others again.
 * (RFC 4861 7.2.2 would keep the last ones, for datagrams whose newest matters most.) */
static void enqueue(struct net *n, struct net_neigh *g, struct rte_mbuf *m)
{
	struct net_neigh_table *t = &n->neigh;

	if (g->n_queue == NEIGH_QUEUE ||
	    (g->n_queue >= NEIGH_QUEUE_SURE && t->n_queued >= NEIGH_QUEUE_ALL)) {
		give_up(n, m, HD_NET_NEIGH_QUEUE);
		return;
	}
	*next_of(m) = NULL;
	if (g->first == NULL)
		g->first = m;
	else
		*next_of(g->last) = m;
	g->last = m;
	g->n_queue++;
	t->n_queued++;
}

static void send_now(struct net *n, const struct net_neigh *g, struct rte_mbuf *m)
{
	memcpy(net_push(m, ETH_BYTES), g->l2, ETH_BYTES);
	net_eth_output(n, &n->ifs[g->port], m);
}

void net_neigh_output(struct net *n, struct net_neigh *g, struct rte_mbuf *m)
{
	g->used = n->now;
	switch (g->state) {
	case NEIGH_NEW:
		start_resolving(n, g);
		/* fall through */
	case NEIGH_INCOMPLETE:
		enqueue(n, g, m);
		return;
	case NEIGH_FAILED:
		give_up(n, m, HD_NET_NEIGH_FAILED);
		return;
	case NEIGH_REACHABLE:
		if (n->now < g->reachable_until)
			break;
		/* fall through */
	case NEIGH_STALE:
		/* RFC 4861 7.3.3: in use again; probe unless an upper layer vouches for it soon. */
		enter(n, g, NEIGH_DELAY);
		enter_class(n, g, NEIGH_IN_USE);
		wheel_arm(&n->wheel, &g->timer, n->now + NEIGH_DELAY_NS);
		break;
	default:
		break;
	}
	send_now(n, g, m);
}

static void flush_queue(struct net *n, struct net_neigh *g)
{
	struct rte_mbuf *m;

	while ((m = dequeue(n, g)) != NULL)
		send_now(n, g, m);
}

/* The Ethernet header that every packet to g gets. */
static void set_mac(struct net *n, struct net_neigh *g, const uint8_t mac[6])
{
	const struct net_if *i = &n->ifs[g->port];

	memcpy(g->l2, mac, 6);
	memcpy(g->l2 + 6, i->dev.mac, 6);
	g->l2[12] = (uint8_t)((hd_ip_is_v4(&g->ip) ? ETHERTYPE_IP4 : ETHERTYPE_IP6) >> 8);
	g->l2[13] = (uint8_t)(hd_ip_is_v4(&g->ip) ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
}

void net_neigh_confirm(struct net *n, struct net_neigh *g)
{
	if (!net_neigh_usable(g))
		return;
	if (g->state != NEIGH_REACHABLE) {
		enter(n, g, NEIGH_REACHABLE);
		wheel_arm(&n->wheel, &g->timer, n->now + NEIGH_IDLE_NS);
	}
	g->reachable_until = n->now + NEIGH_REACHABLE_NS;
}

static void resolved(struct net *n, struct net_neigh *g, enum neigh_state state)
{
	enter_class(n, g, g->class == NEIGH_HEARD ? NEIGH_HEARD : NEIGH_IN_USE);
	enter(n, g, state);
	wheel_arm(&n->wheel, &g->timer, n->now + NEIGH_IDLE_NS);
	flush_queue(n, g);
}

/* Stations on our own subnets only, and none of ours: nobody may fill the table with addresses that
 * we never send to. */
static int may_be_heard(const struct net *n, const struct net_if *i, const struct hd_ip *ip)
{
	return net_if_on_link(i, ip) && !net_own_any(n, ip);
}

void net_neigh_learn(struct net *n, struct net_if *i, const struct hd_ip *ip, const uint8_t mac[6],
		     enum neigh_news news)
{
	struct net_neigh *g = net_neigh_find(n, i, ip);
	int same;

	if (g == NULL) {
		if (news != NEIGH_NEWS_ASKED || !may_be_heard(n, i, ip))
			return;
		g = create(n, i, ip, NEIGH_HEARD);
		set_mac(n, g, mac);
		resolved(n, g, NEIGH_STALE);
		return;
	}
	if (!net_neigh_usable(g)) {
		set_mac(n, g, mac);
		resolved(n, g, news == NEIGH_NEWS_ANSWER ? NEIGH_REACHABLE : NEIGH_STALE);
		return;
	}
	same = memcmp(g->l2, mac, 6) == 0;
	if (news == NEIGH_NEWS_CLAIM_WEAK && !same) {
		/* RFC 4861 7.2.5 I: the MAC stays, but is no longer trusted blindly. */
		if (g->state == NEIGH_REACHABLE)
			enter(n, g, NEIGH_STALE);
		return;
	}
	if (news == NEIGH_NEWS_ANSWER) {
		set_mac(n, g, mac);
		net_neigh_confirm(n, g);
	} else if (!same) {
		set_mac(n, g, mac);
		resolved(n, g, NEIGH_STALE);
	}
}

static void fail(struct net *n, struct net_neigh *g)
{
	drop_queue(n, g, HD_NET_NEIGH_FAILED);
	if (n->neigh.n[NEIGH_NEGATIVE] >= NEIGH_MAX_FAILED)
		make_room(n, NEIGH_NEGATIVE);
	enter_class(n, g, NEIGH_NEGATIVE);
	enter(n, g, NEIGH_FAILED);
	wheel_arm(&n->wheel, &g->timer, n->now + NEIGH_FAILED_NS);
}

void net_neigh_timer(struct net *n, struct net_neigh *g)
{
	switch (g->state) {
	case NEIGH_INCOMPLETE:
		if (g->probes < NEIGH_PROBES)
			solicit(n, g, NULL);
		else
			fail(n, g);
		return;
	case NEIGH_DELAY:
		enter(n, g, NEIGH_PROBE);
		solicit(n, g, g->l2);
		return;
	case NEIGH_PROBE:
		if (g->probes < NEIGH_PROBES)
			solicit(n, g, g->l2);
		else
			start_resolving(n, g); /* it may have moved to another MAC */
		return;
	case NEIGH_REACHABLE:
	case NEIGH_STALE:
		if (n->now - g->used < NEIGH_IDLE_NS) {
			wheel_arm(&n->wheel, &g->timer, g->used + NEIGH_IDLE_NS);
			return;
		}
		/* fall through */
	default:
		forget(n, g);
	}
}

void net_neigh_report(struct net *n)
{
	struct net_neigh_table *t = &n->neigh;

	for (uint32_t i = 0; i < t->n_lost && n->events.unreachable != NULL; i++)
		n->events.unreachable(n->events.ctx, &t->lost[i]);
	t->n_lost = 0;
}

static const char *state_name(const struct net_neigh *g)
{
	static const char *const names[] = {
		[NEIGH_NEW] = "new",	   [NEIGH_INCOMPLETE] = "incomplete",
		[NEIGH_FAILED] = "failed", [NEIGH_REACHABLE] = "reachable",
		[NEIGH_STALE] = "stale",   [NEIGH_DELAY] = "delay",
		[NEIGH_PROBE] = "probe",
	};

	return names[g->state];
}

uint32_t net_neighbors(const struct net *n, struct hd_dump_neighbor *rows, uint32_t capacity,
		       hd_ns now)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < NEIGH_MAX; i++) {
		const struct net_neigh *g = &n->neigh.entries[i];
		int lapsed = g->state == NEIGH_REACHABLE && now >= g->reachable_until;

		if (g->state == NEIGH_FREE || g->state == NEIGH_NEW)
			continue;
		if (count++ >= capacity)
			continue;
		rows[count - 1] = (struct hd_dump_neighbor){
			.ip = g->ip, .port = g->port, .age = now - g->since};
		if (net_neigh_usable(g))
			memcpy(rows[count - 1].mac, g->l2, 6);
		strncpy(rows[count - 1].state, lapsed ? "stale" : state_name(g),
			sizeof(rows[0].state) - 1);
	}
	return count;
}
