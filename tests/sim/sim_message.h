/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP of the simulated callers and backends: a writer and a checking reader, independent of
 * the http room. */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include "sim_plan.h"
#include "host_tls.h"

/* A message on its way out. */
struct sim_writer {
	uint64_t seed;
	uint32_t id;
	int side;
	enum sim_framing framing;
	uint32_t offset, bytes; /* of the body: written, all */
	uint32_t sent, cut_at;	/* of the message: sent, where it stops (UINT32_MAX: nowhere) */
	uint32_t n, at;		/* of what lies ready */
	uint8_t ended;
	uint8_t hold; /* the body waits for a 100 */
	uint8_t ready[4096];
};

void sim_writer_request(struct sim_writer *w, uint64_t seed, uint32_t id, const struct sim_plan *p,
			int close);
void sim_writer_answer(struct sim_writer *w, uint64_t seed, uint32_t id, const struct sim_plan *p);
/* Any bytes instead of a message. */
void sim_writer_raw(struct sim_writer *w, const char *text);
/* Sends what the connection takes. True: all is sent, or all up to cut_at. */
int sim_writer_pump(struct sim_writer *w, struct host_stream *c);

/* A message on its way in. */
struct sim_reader {
	uint64_t seed;
	int side; /* which bodies to expect: 0 requests, 1 answers */
	int state;
	int no_body; /* answers: the request was HEAD */
	uint32_t id; /* UINT32_MAX: not ours (a local reply) */
	uint16_t status;
	uint8_t close, chunked, until_close, interim;
	uint64_t left, offset; /* of the chunk or body; of the body */
	uint32_t head_n, line_n;
	char head[8192];
	char line[256];
	char text[128];	   /* of a local reply */
	const char *wrong; /* NULL: nothing yet */
};

enum sim_reading { SIM_READ_MORE, SIM_READ_HEAD, SIM_READ_DONE, SIM_READ_WRONG };

void sim_reader_start(struct sim_reader *r, uint64_t seed, int side, int no_body);
/* Something of the message was read. */
int sim_reader_has_begun(const struct sim_reader *r);
/* Consumes up to n bytes; stops after the head (SIM_READ_HEAD, once) and after the message. */
enum sim_reading sim_reader_feed(struct sim_reader *r, const uint8_t *p, uint32_t n,
				 uint32_t *used);
/* Reads from the connection until one of the above happens or `limit` bytes were taken. */
enum sim_reading sim_reader_pump(struct sim_reader *r, struct host_stream *c, uint32_t limit);
/* The connection ended: SIM_READ_DONE when that ends the message. */
enum sim_reading sim_reader_close(struct sim_reader *r);

#endif
