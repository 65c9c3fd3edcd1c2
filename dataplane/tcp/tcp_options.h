/* SPDX-License-Identifier: Apache-2.0 */
/* TCP options: a bounded parse of what the peer wrote, and what we write. Bytes in, bytes out. */
#ifndef TCP_OPTIONS_H
#define TCP_OPTIONS_H

#include <heddle/base.h>

#define TCP_OPTIONS_MAX_BYTES 40
#define TCP_OPTIONS_MAX_SACK 4
#define TCP_OPTIONS_TS_BYTES 12	 /* with the two NOPs that align it (RFC 7323 appendix A) */
#define TCP_OPTIONS_TS_WORD 0x0101080a /* the first four of them: NOP, NOP, timestamp, 10 */
#define TCP_OPTIONS_MAX_SCALE 14 /* RFC 7323 2.3 */

/* Which members are set. */
#define TCP_OPTION_MSS 0x01
#define TCP_OPTION_SCALE 0x02
#define TCP_OPTION_SACK_OK 0x04
#define TCP_OPTION_TS 0x08
#define TCP_OPTION_ECN                                                                      \
	0x10 /* no option: the SYN's flags asked for ECN (RFC 3168 6.1.1); never parsed nor \
		emitted */

struct tcp_sack_block {
	uint32_t start, end; /* [start, end) */
};

struct tcp_options {
	uint32_t tsval, tsecr;
	uint16_t mss;
	uint8_t scale; /* as written, may be above 14 */
	uint8_t present;
	uint8_t n_sack;
	struct tcp_sack_block sack[TCP_OPTIONS_MAX_SACK];
};

/* Reads n bytes of options. MSS, scale and SACK-permitted count on SYN only. An illegal length ends
 * the parse: what was read before stays (RFC 9293 MUST-7). */
void tcp_options_parse(struct tcp_options *o, const uint8_t *p, uint32_t n, int is_syn);

/* Writes what is present, padded with NOPs to words; returns the bytes (at most 40). As many SACK
 * blocks as fit. */
uint32_t tcp_options_emit(const struct tcp_options *o, uint8_t *out);

/* What emit would return. */
uint32_t tcp_options_bytes(const struct tcp_options *o);

#endif
