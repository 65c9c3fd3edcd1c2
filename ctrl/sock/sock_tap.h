/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that watch requests. */
#ifndef SOCK_TAP_H
#define SOCK_TAP_H

#include <heddle/msg.h>

/* A request that ended; whoever taps and whose pattern fits gets it. */
void sock_taps_see(const struct hd_access_record *record);

#endif
