/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_ports.h"

#include <heddle/log.h>

static const struct {
	enum hd_log_level level;
	const char *text;
} news[] = {
	[PORTS_UP] = { HD_LOG_NOTICE, "the link is up" },
	[PORTS_DOWN] = { HD_LOG_WARNING,
			 "the link is down: nothing comes or goes here until it is up" },
	[PORTS_GONE] = { HD_LOG_ERROR,
			 "the device is gone: restart heddle when it is back, this process cannot "
			 "open it again" },
};

static enum ports_state state_of(const struct hd_dp_port_info *info)
{
	if (info->gone)
		return PORTS_GONE;
	return info->link_up ? PORTS_UP : PORTS_DOWN;
}

void ports_look(struct ports_seen *seen, const struct hd_dp *dp)
{
	for (uint32_t i = 0; i < hd_dp_n_ports(dp); i++) {
		struct hd_dp_port_info info;
		enum ports_state now;

		hd_dp_port_info(dp, i, &info);
		now = state_of(&info);
		if (now == seen->state[i])
			continue;
		seen->state[i] = (uint8_t)now;
		hd_log(news[now].level, "port", "%s (%s): %s", info.name, info.device,
		       news[now].text);
	}
}
