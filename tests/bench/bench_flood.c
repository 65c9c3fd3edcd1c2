/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_flood.h"

#include <rte_byteorder.h>

#include "bench_mesh.h"
#include "net_cksum.h"

#define SYNS_A_TURN 64
#define IP_AT 14
#define TCP_AT 34
#define TCP_BYTES 40

/* What Linux sends: MSS, SACK permitted, timestamp, window scale. */
static const uint8_t segment[TCP_BYTES] = {
	0, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0,  0, 0xa0, 0x02, 0xfa, 0xf0, 0, 0, 0, 0,
	2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
};

void bench_flood_init(struct bench_flood *f, uint32_t rate)
{
	static const uint8_t link[IP_AT] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x11, 8, 0 };
	static const uint8_t ip[20] = { 0x45, 0, 0, 20 + TCP_BYTES, 0, 0, 0x40, 0, 64, 6 };
	struct hd_ip vip;

	*f = (struct bench_flood){ .state = 1, .rate = rate };
	if (hd_ip_parse(BENCH_VIP, &vip) != 0)
		return;
	memcpy(f->frame, link, sizeof(link));
	memcpy(f->frame + IP_AT, ip, sizeof(ip));
	memcpy(f->frame + IP_AT + 16, &vip.w[3], 4);
	memcpy(f->frame + TCP_AT, segment, sizeof(segment));
}

/* Callers of the same subnet, so that they need no router: 10.1.2.0 to 10.1.255.255. */
static void next(void *ctx, uint8_t *frame)
{
	struct bench_flood *f = ctx;
	uint64_t r;
	uint32_t host;
	uint16_t sum;

	f->state = f->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	r = f->state ^ f->state >> 29;
	host = rte_cpu_to_be_32(UINT32_C(0x0a010200) + (uint32_t)(r >> 48) % 250 * 256 +
				(uint32_t)(r >> 40) % 256);
	memcpy(frame + IP_AT + 12, &host, 4);
	memcpy(frame + TCP_AT, &r, 2);
	memcpy(frame + TCP_AT + 4, (const uint8_t *)&r + 2, 4);
	sum = cksum_finish(cksum_add(0, frame + IP_AT, 20));
	memcpy(frame + IP_AT + 10, &sum, 2);
	sum = cksum_finish(cksum_add((uint64_t)htons(6) + htons(TCP_BYTES), frame + IP_AT + 12,
				     8 + TCP_BYTES));
	memcpy(frame + TCP_AT + 16, &sum, 2);
}

void bench_flood_turn(struct bench_flood *f, struct bench_wire *w, const struct bench_time *time)
{
	hd_ns now = bench_time_now(time);
	uint64_t due = SYNS_A_TURN;

	if (f->started == 0)
		f->started = now;
	if (f->rate != 0) {
		uint64_t all = (uint64_t)((double)f->rate * (double)(now - f->started) /
					  (double)HD_NS_PER_S);

		due = all > f->sent ? all - f->sent : 0;
		due = due < SYNS_A_TURN ? due : SYNS_A_TURN;
	}
	f->sent += bench_wire_host_put(w, f->frame, sizeof(f->frame), (uint32_t)due, next, f);
}
