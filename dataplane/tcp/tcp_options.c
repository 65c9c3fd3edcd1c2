/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_options.h"

enum kind { KIND_EOL, KIND_NOP, KIND_MSS, KIND_SCALE, KIND_SACK_OK, KIND_SACK, KIND_TS = 8 };

static uint16_t load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
	return p + 4;
}

static void parse_sack(struct tcp_options *o, const uint8_t *p, uint32_t bytes)
{
	if (bytes % 8 != 0)
		return;
	for (o->n_sack = 0; bytes >= 8 && o->n_sack < TCP_OPTIONS_MAX_SACK; bytes -= 8, p += 8) {
		o->sack[o->n_sack].start = load32(p);
		o->sack[o->n_sack].end = load32(p + 4);
		o->n_sack++;
	}
}

/* The options that only a SYN may carry. */
static void parse_syn_option(struct tcp_options *o, uint8_t kind, const uint8_t *value,
			     uint32_t bytes)
{
	if (kind == KIND_MSS && bytes == 2) {
		o->mss = load16(value);
		o->present |= TCP_OPTION_MSS;
	} else if (kind == KIND_SCALE && bytes == 1) {
		o->scale = value[0];
		o->present |= TCP_OPTION_SCALE;
	} else if (kind == KIND_SACK_OK && bytes == 0) {
		o->present |= TCP_OPTION_SACK_OK;
	}
}

void tcp_options_parse(struct tcp_options *o, const uint8_t *p, uint32_t n, int is_syn)
{
	o->present = 0;
	o->n_sack = 0;
	while (n > 0 && p[0] != KIND_EOL) {
		if (p[0] == KIND_NOP) {
			p++;
			n--;
			continue;
		}
		if (n < 2 || p[1] < 2 || p[1] > n)
			return;
		if (p[0] == KIND_TS && p[1] == 10) {
			o->tsval = load32(p + 2);
			o->tsecr = load32(p + 6);
			o->present |= TCP_OPTION_TS;
		} else if (p[0] == KIND_SACK && !is_syn) {
			parse_sack(o, p + 2, p[1] - 2u);
		} else if (is_syn) {
			parse_syn_option(o, p[0], p + 2, p[1] - 2u);
		}
		n -= p[1];
		p += p[1];
	}
}

static uint32_t sack_that_fit(const struct tcp_options *o, uint32_t used)
{
	uint32_t fit = (TCP_OPTIONS_MAX_BYTES - used - 4) / 8;

	return o->n_sack < fit ? o->n_sack : fit;
}

uint32_t tcp_options_bytes(const struct tcp_options *o)
{
	uint32_t n = 0;

	n += o->present & TCP_OPTION_MSS ? 4 : 0;
	n += o->present & TCP_OPTION_SCALE ? 4 : 0;
	n += o->present & TCP_OPTION_TS ? TCP_OPTIONS_TS_BYTES : 0;
	/* SACK-permitted takes the place of the NOPs in front of a timestamp. */
	n += (o->present & (TCP_OPTION_SACK_OK | TCP_OPTION_TS)) == TCP_OPTION_SACK_OK ? 4 : 0;
	if (o->n_sack != 0)
		n += 4 + 8 * sack_that_fit(o, n);
	return n;
}

uint32_t tcp_options_emit(const struct tcp_options *o, uint8_t *out)
{
	uint8_t *p = out;

	if (o->present & TCP_OPTION_MSS)
		p = store32(p, (uint32_t)KIND_MSS << 24 | 4 << 16 | o->mss);
	if (o->present & TCP_OPTION_SACK_OK)
		p = store32(p, (uint32_t)KIND_SACK_OK << 24 | 2 << 16 |
				       (o->present & TCP_OPTION_TS ? KIND_TS << 8 | 10
								   : KIND_NOP << 8 | KIND_NOP));
	else if (o->present & TCP_OPTION_TS)
		p = store32(p, (uint32_t)KIND_NOP << 24 | KIND_NOP << 16 | KIND_TS << 8 | 10);
	if (o->present & TCP_OPTION_TS) {
		p = store32(p, o->tsval);
		p = store32(p, o->tsecr);
	}
	if (o->present & TCP_OPTION_SCALE)
		p = store32(p, (uint32_t)KIND_NOP << 24 | KIND_SCALE << 16 | 3 << 8 | o->scale);
	if (o->n_sack != 0) {
		uint32_t n = sack_that_fit(o, (uint32_t)(p - out));

		p = store32(p, (uint32_t)KIND_NOP << 24 | KIND_NOP << 16 | KIND_SACK << 8 |
				       (2 + 8 * n));
		for (uint32_t i = 0; i < n; i++) {
			p = store32(p, o->sack[i].start);
			p = store32(p, o->sack[i].end);
		}
	}
	return (uint32_t)(p - out);
}
