/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_cc.h"

static const struct tcp_cc_ops *const algorithms[TCP_CC_ALGORITHMS] = {
	[TCP_CC_CUBIC] = &tcp_cc_cubic,
	[TCP_CC_NEWRENO] = &tcp_cc_newreno,
};

const struct tcp_cc_ops *tcp_cc_by_index(uint8_t algorithm)
{
	return algorithm < TCP_CC_ALGORITHMS ? algorithms[algorithm] : &tcp_cc_cubic;
}
