/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdint.h>

#define BENCH_SERVICES_MOST 4000

enum bench_scenario { BENCH_HTTP1, BENCH_CONNECT, BENCH_BULK, BENCH_IDLE, BENCH_SYNFLOOD, BENCH_LOSS,
		      BENCH_MTLS, BENCH_HANDSHAKE, BENCH_STORM };

struct bench_options {
	enum bench_scenario scenario;
	uint32_t connections;
	uint32_t seconds, warm_up;
	uint32_t turns; /* on one core and virtual time; 0: real time */
	uint32_t size;	/* bytes of an answer's body */
	uint32_t rate;	/* requests a second, open loop; 0: closed loop */
	uint32_t syn_rate; /* synflood: SYNs a second; 0: as many as the wire takes */
	uint32_t services; /* with ten routes each, asked by turns; 0: one service, one route */
	uint32_t loss;	   /* of a million frames, each way on each wire */
	uint32_t storm;	   /* connections that make one handshake after the other beside the others */
	uint8_t json, offloads, access_log, one_core, outliers, stages;
	uint8_t tls;	   /* mutual, with callers and with backends */
	uint8_t resumed;   /* handshakes of callers resume a session */
};

const char *bench_scenario_name(enum bench_scenario s);
/* The program's own options, behind "--". 0; 1: help was printed; -1: wrong, with one line on
 * stderr. */
int bench_options_parse(struct bench_options *o, int argc, char **argv);
void bench_options_help(void);

#endif
