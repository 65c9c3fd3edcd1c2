/* SPDX-License-Identifier: Apache-2.0 */
/* ACKs that answer something odd are limited for each connection alone: a limit shared by all could
 * be seen from another connection (CVE-2016-5696). Windows and allowance differ from one to the
 * next by its secret timestamp offset. */
#include "tcp_stack.h"

#define WINDOW_SHIFT 10 /* about one second */
#define ALLOWANCE_MIN 6
#define ALLOWANCE_JITTER 7 /* a mask */

int tcp_challenge_allow(struct tcp *t, struct tcp_conn *c)
{
	uint8_t window = (uint8_t)((t->now_ms + c->ts_offset) >> WINDOW_SHIFT);
	uint32_t allowance = ALLOWANCE_MIN + (c->ts_offset >> 20 & ALLOWANCE_JITTER);

	if (c->challenge_window != window) {
		c->challenge_window = window;
		c->challenges = 0;
	}
	if (c->challenges >= allowance) {
		tcp_count(t, HD_TCP_CHALLENGE_LIMITED);
		return 0;
	}
	c->challenges++;
	return 1;
}
