/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "net_priv.h"

#define TIMERS_A_TURN 64
#define RX_AHEAD 4 /* frames between asking for one's first lines and reading them */

/* Makes the first `bytes` bytes contiguous: drivers may scatter a frame over a chain. 0, or -1 when
 * they are not there. */
int net_pull(struct rte_mbuf *m, uint32_t bytes)
{
	if (hd_likely(m->data_len >= bytes))
		return 0;
	if (m->pkt_len < bytes)
		return -1;
	while (m->data_len < bytes) {
		struct rte_mbuf *from = m->next;
		uint16_t take = (uint16_t)RTE_MIN(bytes - m->data_len, (uint32_t)from->data_len);

		if (rte_pktmbuf_tailroom(m) < take)
			return -1;
		memcpy(rte_pktmbuf_mtod_offset(m, void *, m->data_len),
		       rte_pktmbuf_mtod(from, void *), take);
		m->data_len += take;
		from->data_off += take;
		from->data_len -= take;
		if (from->data_len == 0) {
			m->next = from->next;
			m->nb_segs--;
			rte_pktmbuf_free_seg(from);
		}
	}
	return 0;
}

/* Cuts the frame behind `bytes` (padding, trailers). */
void net_trim(struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *at = m;
	uint32_t kept = 0;

	if (hd_likely(m->pkt_len <= bytes))
		return;
	m->nb_segs = 1;
	while (kept + at->data_len < bytes) {
		kept += at->data_len;
		at = at->next;
		m->nb_segs++;
	}
	at->data_len = (uint16_t)(bytes - kept);
	rte_pktmbuf_free(at->next);
	at->next = NULL;
	m->pkt_len = bytes;
}

/* A fresh mbuf for a frame of ours; NULL is counted. */
struct rte_mbuf *net_frame(struct net *n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->pool);

	if (hd_unlikely(m == NULL))
		hd_count(n->stats, HD_NET_NO_MBUF);
	return m;
}

int net_bucket_take(struct net_bucket *b, hd_ns now, hd_ns interval, uint32_t burst)
{
	hd_ns full_at = b->full_at > now ? b->full_at : now;

	if (full_at - now > (burst - 1) * interval)
		return 0;
	b->full_at = full_at + interval;
	return 1;
}

/* RFC 4291 appendix A: modified EUI-64 of the MAC. */
static struct hd_prefix link_local(const uint8_t mac[6])
{
	struct hd_prefix p = { .len = 64 };
	const uint8_t ip[16] = { 0xfe,	     0x80,   0,	     0,	   0,	 0,	 0,	 0,
				 mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

	memcpy(p.ip.b, ip, sizeof(ip));
	return p;
}

static uint32_t broadcast_of(const struct hd_prefix *p)
{
	uint32_t host_bits = 128u - p->len;

	if (!hd_ip_is_v4(&p->ip) || host_bits < 2 || host_bits >= 32)
		return 0;
	return p->ip.w[3] | htonl((1u << host_bits) - 1);
}

static void init_if(struct net_if *i, uint8_t index, const struct hd_node_port *port,
		    const struct net_device *dev)
{
	i->dev = *dev;
	i->side = port->side;
	i->vlan = port->vlan;
	i->index = index;
	for (uint32_t a = 0; a < port->n_addresses; a++)
		i->addrs[i->n_addrs++].prefix = port->addresses[a];
	i->addrs[i->n_addrs++].prefix = link_local(dev->mac);
	for (uint32_t a = 0; a < i->n_addrs; a++)
		i->addrs[a].broadcast = broadcast_of(&i->addrs[a].prefix);
}

/* Independent words from two: odd multiples of the golden ratio, folded. */
static uint64_t derive(const uint64_t secret[2], uint64_t index)
{
	unsigned __int128 p =
		(unsigned __int128)(secret[0] ^ index * UINT64_C(0x9e3779b97f4a7c15)) *
			(secret[1] | 1) +
		index * UINT64_C(0xbf58476d1ce4e5b9);

	return (uint64_t)p ^ (uint64_t)(p >> 64) ^ secret[1];
}

struct net *net_create(const struct net_config *c, const struct net_device *devices,
		       struct rte_mempool *pool, struct hd_worker_stats *stats, hd_ns now,
		       int socket)
{
	struct net *n = rte_zmalloc_socket("net", sizeof(*n), HD_CACHE_LINE, socket);

	if (n == NULL)
		return NULL;
	n->stats = stats;
	n->pool = pool;
	n->now = now;
	n->syns_left = UINT32_MAX;
	for (uint32_t k = 0; k < HD_ARRAY_SIZE(n->hash_key); k++)
		n->hash_key[k] = derive(c->secret, k + 1);
	n->id_state = derive(c->secret, 11);
	n->id_key = derive(c->secret, 12) | 1;
	n->n_ifs = c->node->n_ports;
	for (uint32_t p = 0; p < n->n_ifs; p++)
		init_if(&n->ifs[p], (uint8_t)p, &c->node->ports[p], &devices[p]);
	wheel_init(&n->wheel, now);
	if (net_neigh_init(n, socket) != 0) {
		rte_free(n);
		return NULL;
	}
	net_routes_build(n, c->node);
	net_own_build(n);
	net_announce_start(n);
	return n;
}

void net_destroy(struct net *n)
{
	if (n == NULL)
		return;
	for (uint32_t p = 0; p < n->n_ifs; p++) {
		for (uint32_t k = 0; k < n->ifs[p].n_tx; k++)
			rte_pktmbuf_free(n->ifs[p].tx[k]);
	}
	net_neigh_fini(n);
	rte_free(n);
}

void net_set_events(struct net *n, const struct net_events *ev)
{
	n->events = *ev;
}

void net_set_vips(struct net *n, const struct hd_ip *ips, uint32_t count)
{
	const struct hd_ip *old = n->vips;
	uint32_t old_count = n->n_vips;
	int same = count == old_count &&
		   (count == 0 || memcmp(ips, old, count * sizeof(*ips)) == 0);

	n->vips = ips;
	n->n_vips = count;
	if (same)
		return;
	net_leaving_update(n, old, old_count);
	net_own_build(n);
	net_announce_vips(n);
}

void net_set_elsewhere(struct net *n, const struct hd_ip *ips, uint32_t count)
{
	n->elsewhere = ips;
	n->n_elsewhere = count;
}

enum hd_side net_port_side(const struct net *n, uint32_t port)
{
	return n->ifs[port].side;
}

uint32_t net_flow_hash(const struct net *n, const struct flow_key *key)
{
	uint64_t ports = (uint64_t)key->local_port << 16 | key->remote_port;
	unsigned __int128 a = (unsigned __int128)(key->local.q[1] ^ n->hash_key[0]) *
			      (key->remote.q[1] ^ n->hash_key[1]);
	unsigned __int128 b =
		(unsigned __int128)(key->local.q[0] ^ ports ^ n->hash_key[2]) *
		(key->remote.q[0] ^ (uint64_t)a ^ (uint64_t)(a >> 64) ^ n->hash_key[3]);

	return (uint32_t)((uint64_t)b ^ (uint64_t)(b >> 64));
}

static inline void prefetch_frame(struct rte_mbuf *m)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

	rte_prefetch0(data);
	rte_prefetch0(data + HD_CACHE_LINE);
	__builtin_prefetch(pkt_facts(m), 1);
	__builtin_prefetch((uint8_t *)pkt_facts(m) + HD_CACHE_LINE, 1);
}

uint16_t net_rx(struct net *n, uint32_t port, struct rte_mbuf **out, uint16_t max, hd_ns now,
		int *received)
{
	struct net_if *i = &n->ifs[port];
	struct hd_port_stats *ps = &n->stats->ports[port];
	uint16_t got = i->dev.rx(i->dev.dev, out, max), kept = 0;
	uint64_t bytes = 0;

	n->now = now;
	*received = got;
	for (uint16_t k = 0; k < got; k++)
		rte_prefetch0(out[k]);
	for (uint16_t k = 0; k < got && k < RX_AHEAD; k++)
		prefetch_frame(out[k]);
	for (uint16_t k = 0; k < got; k++) {
		struct rte_mbuf *m = out[k];
		uint32_t verdict;

		if (k + RX_AHEAD < got)
			prefetch_frame(out[k + RX_AHEAD]);
		bytes += m->pkt_len;
		verdict = net_seg_fast(n, i, m);
		if (hd_unlikely(verdict == NET_TAKEN))
			verdict = net_eth_input(n, i, m);
		if (hd_likely(verdict == NET_PASS)) {
			out[kept++] = m;
		} else if (verdict < HD_COUNTER_MAX) {
			hd_count(n->stats, verdict);
			rte_pktmbuf_free(m);
		}
	}
	ps->rx_packets += got;
	ps->rx_bytes += bytes;
	return kept;
}

void net_allow_syns(struct net *n, uint32_t syns)
{
	n->syns_left = syns;
}

uint32_t net_syns_left(const struct net *n)
{
	return n->syns_left;
}

int net_tx_flush(struct net *n)
{
	int sent = 0;

	for (uint32_t p = 0; p < n->n_ifs; p++) {
		struct net_if *i = &n->ifs[p];

		if (i->n_tx != 0) {
			sent = 1;
			net_eth_flush(n, i);
		}
	}
	return sent;
}

void net_timers_run(struct net *n, hd_ns now)
{
	uint32_t budget = TIMERS_A_TURN;
	struct wheel_timer *t;

	n->now = now;
	if (hd_unlikely(n->neigh.n_lost != 0))
		net_neigh_report(n);
	while ((t = wheel_pop(&n->wheel, now, &budget)) != NULL) {
		if (t == &n->announce_timer)
			net_announce_run(n);
		else
			net_neigh_timer(n, hd_container_of(t, struct net_neigh, timer));
	}
}

hd_ns net_next_deadline(const struct net *n)
{
	return n->neigh.n_lost != 0 ? 0 : wheel_next_deadline(&n->wheel);
}
