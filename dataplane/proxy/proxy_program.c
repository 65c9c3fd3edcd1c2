/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_program.h"

#define BUDGET 200000 /* steps of one path: about half a millisecond */
#define KEPT (2 * (HD_PROGRAM_GROUPS + 1))
#define NOWHERE UINT16_MAX

struct thread {
	uint16_t pc;
	uint16_t kept[KEPT];
};

struct threads {
	uint32_t n;
	struct thread list[HD_PROGRAM_MOST];
};

struct search {
	const struct hd_step *steps;
	const char *path;
	uint32_t n, budget;
	uint16_t seen[HD_PROGRAM_MOST]; /* the position + 1 at which a step was entered last */
};

/* Follows what takes no byte; bounded by the steps, since each is entered once at a position. */
static void enter(struct search *s, struct threads *to, uint32_t pc, uint32_t at, uint16_t *kept)
{
	for (;;) {
		const struct hd_step *step = &s->steps[pc];
		uint16_t before;

		if (s->seen[pc] == at + 1 || s->budget == 0)
			return;
		s->seen[pc] = (uint16_t)(at + 1);
		s->budget--;
		switch ((enum hd_step_kind)step->kind) {
		case HD_STEP_JUMP:
			pc += (uint32_t)(int32_t)step->x;
			continue;
		case HD_STEP_SPLIT:
			enter(s, to, pc + (uint32_t)(int32_t)step->x, at, kept);
			pc += (uint32_t)(int32_t)step->y;
			continue;
		case HD_STEP_KEEP:
			before = kept[step->x];
			kept[step->x] = (uint16_t)at;
			enter(s, to, pc + 1, at, kept);
			kept[step->x] = before;
			return;
		case HD_STEP_BEGIN:
		case HD_STEP_END:
			if (at != (step->kind == HD_STEP_BEGIN ? 0 : s->n))
				return;
			pc++;
			continue;
		case HD_STEP_SET:
		case HD_STEP_MATCH:
			to->list[to->n].pc = (uint16_t)pc;
			memcpy(to->list[to->n++].kept, kept, sizeof(to->list[0].kept));
			return;
		}
	}
}

static int takes(const struct hd_step *step, uint8_t c)
{
	return (int)(step->set[c / 64] >> c % 64 & 1);
}

/* The first match from `from` on; kept says where. */
static int find(struct search *s, uint32_t from, uint16_t kept[KEPT])
{
	struct threads lists[2], *now = &lists[0], *next = &lists[1], *swap;
	uint16_t empty[KEPT];
	int found = 0;

	memset(s->seen, 0, sizeof(s->seen));
	memset(empty, 0xff, sizeof(empty));
	now->n = 0;
	for (uint32_t at = from;; at++) {
		if (!found)
			enter(s, now, 0, at, empty);
		if (now->n == 0 && (found || at >= s->n))
			return found;
		next->n = 0;
		for (uint32_t i = 0; i < now->n; i++) {
			struct thread *t = &now->list[i];
			const struct hd_step *step = &s->steps[t->pc];

			if (step->kind == HD_STEP_MATCH) { /* those behind are preferred less */
				memcpy(kept, t->kept, sizeof(t->kept));
				found = 1;
				break;
			}
			if (at < s->n && takes(step, (uint8_t)s->path[at]))
				enter(s, next, t->pc + 1u, at + 1, t->kept);
		}
		if (at >= s->n)
			return found;
		swap = now;
		now = next;
		next = swap;
	}
}

struct text {
	char *p;
	uint32_t n;
	int is_full;
};

static void put(struct text *t, const char *p, uint32_t n)
{
	if (n > PROXY_PROGRAM_PATH - t->n) {
		t->is_full = 1;
		return;
	}
	if (n > 0)
		memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void put_match(struct text *t, const struct hd_snapshot *s, const struct hd_program *g,
		      const char *path, const uint16_t kept[KEPT])
{
	for (uint32_t i = 0; i < g->pieces_count; i++) {
		const struct hd_piece *piece = &s->pieces[g->pieces_first + i];
		uint32_t group = piece->most;

		if (group == 0)
			put(t, piece->text.p, piece->text.n);
		else if (kept[2 * group - 1] != NOWHERE)
			put(t, path + kept[2 * group - 2],
			    (uint32_t)(kept[2 * group - 1] - kept[2 * group - 2]));
	}
}

int proxy_program_replace(const struct hd_snapshot *s, const struct hd_program *g, const char *path,
			  uint32_t n, char out[PROXY_PROGRAM_PATH], uint32_t *steps)
{
	struct search search = {
		.steps = s->steps + g->steps_first, .path = path, .n = n, .budget = BUDGET
	};
	struct text t = { .p = out };
	uint16_t kept[KEPT];
	uint32_t at = 0;
	int64_t last_end = -1;

	if (n > PROXY_PROGRAM_PATH)
		return -1;
	while (at <= n && find(&search, at, kept)) {
		put(&t, path + at, kept[0] - at);
		if (kept[0] == kept[1] && kept[0] == last_end) { /* no empty one behind another */
			put(&t, path + kept[0], kept[0] < n);
			at = kept[0] + 1u;
			continue;
		}
		put_match(&t, s, g, path, kept);
		at = kept[1];
		last_end = at;
		if (kept[0] == kept[1]) {
			put(&t, path + at, at < n);
			at++;
		}
	}
	if (at < n)
		put(&t, path + at, n - at);
	*steps += BUDGET - search.budget;
	return t.is_full || search.budget == 0 ? -1 : (int)t.n;
}
