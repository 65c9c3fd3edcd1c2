/* SPDX-License-Identifier: Apache-2.0 */
/* EAL without root, hugepages or devices, under a file prefix of its own. */
#ifndef TESTS_EAL_SETUP_H
#define TESTS_EAL_SETUP_H

#include <rte_eal.h>

#include <heddle/base.h>

static int eal_setup(const char *prefix, const char *megabytes)
{
	char *argv[] = { "test", "--no-huge", "--no-pci", "-m", (char *)megabytes, "--no-shconf", "--no-telemetry",
			 "--file-prefix", (char *)prefix, "--log-level=error", "-l", "0" };

	return rte_eal_init(HD_ARRAY_SIZE(argv), argv) < 0 ? -1 : 0;
}

#endif
