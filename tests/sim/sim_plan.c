/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_plan.h"

/* Mostly small, sometimes large. */
static uint32_t some_size(struct sim_random *r)
{
	switch (sim_below(r, 8)) {
	case 0:
		return 0;
	case 1:
		return sim_below(r, 200000);
	case 2:
		return sim_below(r, 20000);
	default:
		return sim_below(r, 2000);
	}
}

static void make_request(struct sim_plan *p, struct sim_random *r)
{
	p->request_framing = SIM_EMPTY;
	switch (sim_below(r, 6)) {
	case 0:
	case 1:
		p->method = "POST";
		p->request_bytes = some_size(r);
		p->expect = p->request_bytes > 0 && sim_chance(r, 200);
		p->request_framing = sim_chance(r, 500) ? SIM_LENGTH : SIM_CHUNKED;
		return;
	case 2:
		p->method = sim_chance(r, 500) ? "HEAD" : "DELETE";
		return;
	default:
		p->method = "GET";
	}
}

static void make_answer(struct sim_plan *p, struct sim_random *r)
{
	static const uint16_t statuses[] = { 200, 200, 200, 200, 200, 201, 404, 500, 204, 304 };

	p->status = statuses[sim_below(r, HD_ARRAY_SIZE(statuses))];
	p->answer_framing = (enum sim_framing)sim_below(r, 2);
	if (sim_chance(r, 50))
		p->answer_framing = SIM_UNTIL_CLOSE;
	p->answer_bytes = some_size(r);
	if (p->status == 204 || p->status == 304 || p->method[0] == 'H') {
		p->answer_framing = SIM_EMPTY;
		p->answer_bytes = 0;
	}
	p->delay = sim_chance(r, 200) ? sim_below(r, 300) * HD_NS_PER_MS
				      : sim_below(r, 2000) * HD_NS_PER_US;
	p->interim = sim_chance(r, 50);
	p->close = p->answer_framing == SIM_UNTIL_CLOSE || sim_chance(r, 60);
	p->idle = sim_below(r, 50) * HD_NS_PER_MS;
}

static void make_fault(struct sim_plan *p, struct sim_random *r)
{
	p->fault = 1 + sim_below(r, SIM_N_FAULTS - 1);
	p->fault_at = sim_chance(r, 300) ? sim_below(r, 30) : sim_below(r, p->answer_bytes + 1);
	if (p->answer_framing == SIM_UNTIL_CLOSE && p->fault == SIM_CLOSE_AMID)
		p->fault = SIM_RESET_AMID; /* a close would be the end of a whole answer */
	if (p->answer_framing == SIM_EMPTY &&
	    (p->fault == SIM_RESET_AMID || p->fault == SIM_CLOSE_AMID))
		p->fault_at = sim_below(r, 20);
	if (p->fault >= SIM_SURPLUS) {
		p->close = 0;
		if (p->answer_framing == SIM_UNTIL_CLOSE)
			p->answer_framing = SIM_LENGTH;
	}
}

#define OFFSETS 200 /* the head of an answer and its body */

/* A backend resets or closes behind each byte of a small answer in turn, over many seeds. */
static void make_offset(struct sim_plan *p, uint64_t seed, uint32_t id)
{
	p->answer_bytes %= 40;
	p->request_bytes %= 100;
	p->delay = 0;
	p->fault_at = (uint32_t)((seed * 61 + id) % OFFSETS);
	p->fault = (seed / OFFSETS + id) % 2 ? SIM_RESET_AMID : SIM_CLOSE_AMID;
	if (p->answer_framing == SIM_UNTIL_CLOSE)
		p->fault = SIM_RESET_AMID;
}

void sim_plan_make(struct sim_plan *p, const struct sim_profile *profile, uint64_t seed,
		   uint32_t id)
{
	struct sim_random r = sim_random_of(seed, 1000 + id);

	*p = (struct sim_plan){ 0 };
	make_request(p, &r);
	make_answer(p, &r);
	if (profile->offsets)
		make_offset(p, seed, id);
	else if (sim_chance(&r, profile->faults))
		make_fault(p, &r);
}

void sim_body(uint64_t seed, uint32_t id, int side, uint64_t offset, uint8_t *out, uint32_t n)
{
	uint64_t key = sim_mix(seed ^ sim_mix((uint64_t)id * 2 + (uint64_t)side));

	for (uint32_t i = 0; i < n;) {
		uint64_t word = sim_mix(key + (offset + i) / 8);
		for (uint64_t at = (offset + i) % 8; at < 8 && i < n; at++)
			out[i++] = (uint8_t)(word >> (8 * at));
	}
}
