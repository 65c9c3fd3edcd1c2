/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_steer.h"

#include <stdio.h>

#include <rte_malloc.h>
#include <rte_ring.h>

#include "core_siphash.h"

#define BURST 64
#define RING_FRAMES 2048

#define ETH_BYTES 14
#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IP6 0x86dd
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_ICMP6 58
#define EXT_HOP_BY_HOP 0
#define EXT_ROUTING 43
#define EXT_FRAGMENT 44
#define EXT_DESTINATION 60
#define MAX_EXTENSIONS 8

/* One worker's view. Writer of each ring: one side; reader: the other. */
struct steer_lane {
	struct worker_steer *steer;
	uint32_t worker;
	struct rte_ring *in;	/* owner -> this worker */
	struct rte_ring *out;	/* this worker -> owner */
	/* Of the owner alone: frames on their way in, and those that the device has not taken yet.
	 */
	uint32_t n_staged, n_unsent;
	struct rte_mbuf *staged[BURST], *unsent[BURST];
};

struct worker_steer {
	struct worker_steer_config c;
	struct steer_lane lanes[];
};

uint32_t worker_flows_owner(const struct worker_flows *f, const struct flow_key *key)
{
	uint8_t bytes[36];

	if (f->rss != NULL)
		return net_rss_queue(f->rss, key);
	memcpy(bytes, &key->local, 16);
	memcpy(bytes + 16, &key->remote, 16);
	memcpy(bytes + 32, &key->local_port, 2);
	memcpy(bytes + 34, &key->remote_port, 2);
	/* The upper half times n, shifted: the same share for each without a division. */
	return (uint32_t)((siphash_1_3(f->secret, bytes, sizeof(bytes)) >> 32) * f->n_workers >>
			  32);
}

/* What lies in one packet, within bounds. */
struct view {
	const uint8_t *p;
	uint32_t n;
};

static uint16_t be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Addresses and ports as the receiver of `v`'s packet sees them; quoted: as the sender does. 0: no
 * TCP header there. */
static int read_ip4_flow(struct view v, int quoted, struct flow_key *key)
{
	uint32_t header, v4;
	const uint8_t *tcp;

	if (v.n < 20 || v.p[0] >> 4 != 4 || v.p[9] != PROTO_TCP)
		return 0;
	header = (v.p[0] & 15u) * 4;
	if (header < 20 || v.n < header + 4 || (be16_at(v.p + 6) & 0x1fff) != 0)
		return 0;
	tcp = v.p + header;
	memcpy(&v4, v.p + (quoted ? 12 : 16), 4);
	key->local = hd_ip_from_v4(v4);
	memcpy(&v4, v.p + (quoted ? 16 : 12), 4);
	key->remote = hd_ip_from_v4(v4);
	key->local_port = be16_at(tcp + (quoted ? 0 : 2));
	key->remote_port = be16_at(tcp + (quoted ? 2 : 0));
	return 1;
}

static int is_extension(uint8_t type)
{
	return type == EXT_HOP_BY_HOP || type == EXT_ROUTING || type == EXT_FRAGMENT ||
	       type == EXT_DESTINATION;
}

/* The upper layer behind as many extension headers as net walks; n is 0 when it is not there. What
 * is wrong with them, net says: who gets it does not matter. */
static struct view ip6_upper(struct view v, uint8_t *protocol)
{
	uint32_t at = 40;

	if (v.n < at + 4 || v.p[0] >> 4 != 6)
		return (struct view){ 0 };
	*protocol = v.p[6];
	for (int i = 0; i < MAX_EXTENSIONS && is_extension(*protocol); i++) {
		uint8_t type = *protocol;

		if (v.n < at + 8)
			return (struct view){ 0 };
		/* Only the first fragment has the upper layer's header. */
		if (type == EXT_FRAGMENT && (be16_at(v.p + at + 2) & 0xfff8) != 0)
			return (struct view){ 0 };
		*protocol = v.p[at];
		at += type == EXT_FRAGMENT ? 8u : (v.p[at + 1] + 1u) * 8;
	}
	return v.n < at ? (struct view){ 0 } : (struct view){ v.p + at, v.n - at };
}

static int read_ip6_flow(struct view v, int quoted, struct flow_key *key)
{
	uint8_t protocol;
	struct view upper = ip6_upper(v, &protocol);
	const uint8_t *tcp = upper.p;

	if (upper.n < 4 || protocol != PROTO_TCP)
		return 0;
	memcpy(key->local.b, v.p + (quoted ? 8 : 24), 16);
	memcpy(key->remote.b, v.p + (quoted ? 24 : 8), 16);
	key->local_port = be16_at(tcp + (quoted ? 0 : 2));
	key->remote_port = be16_at(tcp + (quoted ? 2 : 0));
	return 1;
}

/* The packet that an ICMP error quotes; n is 0 when it is none. Types: RFC 792, RFC 4443. */
static struct view quoted_by_icmp4(struct view v)
{
	uint32_t header = v.n >= 20 ? (v.p[0] & 15u) * 4 : 0;

	if (header < 20 || v.p[9] != PROTO_ICMP || v.n < header + 8)
		return (struct view){ 0 };
	if (v.p[header] != 3 && v.p[header] != 11 && v.p[header] != 12)
		return (struct view){ 0 };
	return (struct view){ v.p + header + 8, v.n - header - 8 };
}

static struct view quoted_by_icmp6(struct view v)
{
	uint8_t protocol;
	struct view icmp = ip6_upper(v, &protocol);

	if (icmp.n < 8 || protocol != PROTO_ICMP6 || icmp.p[0] < 1 || icmp.p[0] > 4)
		return (struct view){ 0 };
	return (struct view){ icmp.p + 8, icmp.n - 8 };
}

/* Replies and gratuitous announcements (RFC 5227 3) change everybody's view; requests are the
 * owner's to answer. */
static int is_neighbor_news(struct view v, uint16_t ethertype)
{
	if (ethertype == ETHERTYPE_ARP)
		return v.n >= 28 && (be16_at(v.p + 6) == 2 || memcmp(v.p + 14, v.p + 24, 4) == 0);
	return ethertype == ETHERTYPE_IP6 && v.n >= 48 && v.p[6] == PROTO_ICMP6 && v.p[40] == 136;
}

uint32_t worker_steer_frame(const struct worker_flows *f, const struct rte_mbuf *m,
			    uint32_t owner)
{
	const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
	struct flow_key key;
	struct view v;
	uint16_t ethertype;
	int found = 0;

	if (m->data_len < ETH_BYTES)
		return owner;
	ethertype = be16_at(eth + 12);
	v = (struct view){ eth + ETH_BYTES, m->data_len - ETH_BYTES };
	if (ethertype == ETHERTYPE_IP4)
		found = read_ip4_flow(v, 0, &key) || read_ip4_flow(quoted_by_icmp4(v), 1, &key);
	else if (ethertype == ETHERTYPE_IP6)
		found = read_ip6_flow(v, 0, &key) || read_ip6_flow(quoted_by_icmp6(v), 1, &key);
	if (found)
		return worker_flows_owner(f, &key);
	return is_neighbor_news(v, ethertype) ? WORKER_STEER_ALL : owner;
}

static void count_full(const struct worker_steer *s, uint32_t n)
{
	struct hd_worker_stats *stats = s->c.stats[s->c.owner];

	if (stats != NULL)
		stats->counters[HD_WORKER_STEER_FULL] += n;
}

/* Takes all n frames; what does not fit is dropped, as a device would. */
static void hand_over(struct worker_steer *s, struct steer_lane *to)
{
	uint32_t n = to->n_staged, k;

	if (n == 0)
		return;
	k = rte_ring_sp_enqueue_burst(to->in, (void **)to->staged, n, NULL);
	if (hd_unlikely(k < n)) {
		rte_pktmbuf_free_bulk(to->staged + k, n - k);
		count_full(s, n - k);
	}
	to->n_staged = 0;
	s->c.kick(s->c.ctx, to->worker);
}

static void copy_to_all(struct worker_steer *s, const struct rte_mbuf *m)
{
	for (uint32_t i = 0; i < s->c.flows.n_workers; i++) {
		struct steer_lane *to = &s->lanes[i];
		struct rte_mbuf *copy;
		if (i == s->c.owner)
			continue;
		copy = rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX);
		if (copy != NULL)
			to->staged[to->n_staged++] = copy;
	}
}

/* Sends what the other workers gave; what the device does not take waits here, and the rest in the
 * ring. */
static void send_for(struct worker_steer *s, struct steer_lane *from)
{
	uint32_t n = from->n_unsent, fresh, sent;

	fresh = rte_ring_sc_dequeue_burst(from->out, (void **)(from->unsent + n), BURST - n, NULL);
	if (n + fresh == 0)
		return;
	n += net_device_prepare(&s->c.real, from->unsent + n, (uint16_t)fresh,
				s->c.stats[s->c.owner]);
	sent = s->c.real.tx(s->c.real.dev, from->unsent, (uint16_t)n);
	from->n_unsent = n - sent;
	memmove(from->unsent, from->unsent + sent, from->n_unsent * sizeof(from->unsent[0]));
}

int worker_steer_has_unsent(const struct worker_steer *s)
{
	for (uint32_t i = 0; i < s->c.flows.n_workers; i++) {
		if (s->lanes[i].n_unsent != 0 || !rte_ring_empty(s->lanes[i].out))
			return 1;
	}
	return 0;
}

static uint16_t owner_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	struct steer_lane *own = dev;
	struct worker_steer *s = own->steer;
	struct rte_mbuf *in[BURST];
	uint16_t got, kept = 0;

	for (uint32_t i = 0; i < s->c.flows.n_workers; i++)
		send_for(s, &s->lanes[i]);
	got = s->c.real.rx(s->c.real.dev, in, RTE_MIN(n, (uint16_t)BURST));
	for (uint16_t i = 0; i < got; i++) {
		uint32_t to = worker_steer_frame(&s->c.flows, in[i], s->c.owner);
		if (to == WORKER_STEER_ALL)
			copy_to_all(s, in[i]);
		if (to == WORKER_STEER_ALL || to == s->c.owner)
			pkts[kept++] = in[i];
		else
			s->lanes[to].staged[s->lanes[to].n_staged++] = in[i];
	}
	for (uint32_t i = 0; i < s->c.flows.n_workers; i++)
		hand_over(s, &s->lanes[i]);
	return kept;
}

static uint16_t owner_prepare(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct steer_lane *own = dev;

	return own->steer->c.real.prepare(own->steer->c.real.dev, pkts, n);
}

static uint16_t owner_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct steer_lane *own = dev;

	return own->steer->c.real.tx(own->steer->c.real.dev, pkts, n);
}

static uint16_t other_rx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct steer_lane *l = dev;

	return (uint16_t)rte_ring_sc_dequeue_burst(l->in, (void **)pkts, n, NULL);
}

static uint16_t other_tx(void *dev, struct rte_mbuf **pkts, uint16_t n)
{
	const struct steer_lane *l = dev;
	uint16_t taken = (uint16_t)rte_ring_sp_enqueue_burst(l->out, (void **)pkts, n, NULL);

	l->steer->c.kick(l->steer->c.ctx, l->steer->c.owner);
	return taken;
}

static struct rte_ring *make_ring(const char *name, uint32_t worker, char way, int socket)
{
	char text[RTE_RING_NAMESIZE];

	snprintf(text, sizeof(text), "%.16s%c%u", name, way, worker);
	return rte_ring_create(text, RING_FRAMES, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

struct worker_steer *worker_steer_create(const char *name, const struct worker_steer_config *c)
{
	size_t bytes = sizeof(struct worker_steer) + c->flows.n_workers * sizeof(struct steer_lane);
	struct worker_steer *s = rte_zmalloc_socket("steer", bytes, HD_CACHE_LINE, c->socket);

	if (s == NULL)
		return NULL;
	s->c = *c;
	for (uint32_t i = 0; i < c->flows.n_workers; i++) {
		struct steer_lane *l = &s->lanes[i];
		l->steer = s;
		l->worker = i;
		l->in = make_ring(name, i, 'i', c->socket);
		l->out = make_ring(name, i, 'o', c->socket);
		if (l->in == NULL || l->out == NULL) {
			worker_steer_destroy(s);
			return NULL;
		}
	}
	return s;
}

static void drain(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (r != NULL && rte_ring_sc_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void worker_steer_destroy(struct worker_steer *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->c.flows.n_workers; i++) {
		rte_pktmbuf_free_bulk(s->lanes[i].unsent, s->lanes[i].n_unsent);
		drain(s->lanes[i].in);
		drain(s->lanes[i].out);
	}
	rte_free(s);
}

void worker_steer_device(struct worker_steer *s, uint32_t worker, struct net_device *out)
{
	*out = s->c.real;
	out->dev = &s->lanes[worker];
	out->rx = worker == s->c.owner ? owner_rx : other_rx;
	out->tx = worker == s->c.owner ? owner_tx : other_tx;
	/* What the others send the owner prepares. */
	if (out->prepare != NULL)
		out->prepare = worker == s->c.owner ? owner_prepare : NULL;
}
