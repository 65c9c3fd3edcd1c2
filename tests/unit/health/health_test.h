/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_HEALTH_TEST_H
#define TESTS_HEALTH_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <heddle/msg.h>
#include <heddle/snapshot.h>

#define MS HD_NS_PER_MS
#define S HD_NS_PER_S

/* Istio's defaults. */
#define RULE_DEFAULTS                                                      \
	.consecutive_5xx = 5, .max_ejection_percent = 10, .interval = 10 * S, \
	.base_ejection_time = 30 * S, .max_ejection_time = 300 * S

#endif
