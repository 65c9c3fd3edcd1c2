/* SPDX-License-Identifier: Apache-2.0 */
#include "source_watch.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS                                                                                    \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |       \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define MAX_LINKS 8
#define MAX_DEPTH 8
/* Of a file that somebody writes they are remembered; what is written beside so many others counts
 * as whole. */
#define MAX_UNFINISHED 32

/* One watched folder, for its own sake (name empty) or for one name in it. Several rows may share a
 * descriptor. */
struct row {
	char *folder;
	char *name;
	int wd; /* -1: not there now */
};

struct rows {
	struct row *p;
	uint32_t n, capacity;
};

struct source_watch {
	int fd;
	struct rows rows;
	char *unfinished[MAX_UNFINISHED]; /* paths */
	uint32_t n_unfinished;
};

int source_watch_create(struct source_watch **out)
{
	struct source_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		free(w);
		return -errno;
	}
	*out = w;
	return 0;
}

static int rows_have(const struct rows *rows, int wd)
{
	for (uint32_t i = 0; i < rows->n; i++)
		if (rows->p[i].wd == wd)
			return 1;
	return 0;
}

/* What other rows watch as well is not ended: an event between two watches would be lost. */
static void rows_fini(struct source_watch *w, struct rows *rows, const struct rows *others)
{
	for (uint32_t i = 0; i < rows->n; i++) {
		/* Rows that share a descriptor: the second removal fails with EINVAL, which is
		 * right. */
		if (rows->p[i].wd >= 0 && !rows_have(others, rows->p[i].wd))
			inotify_rm_watch(w->fd, rows->p[i].wd);
		free(rows->p[i].folder);
		free(rows->p[i].name);
	}
	free(rows->p);
	*rows = (struct rows){ 0 };
}

void source_watch_forget(struct source_watch *w)
{
	while (w->n_unfinished > 0)
		free(w->unfinished[--w->n_unfinished]);
}

void source_watch_destroy(struct source_watch *w)
{
	const struct rows none = { 0 };

	if (w == NULL)
		return;
	rows_fini(w, &w->rows, &none);
	source_watch_forget(w);
	close(w->fd);
	free(w);
}

static int row_add(struct source_watch *w, const char *folder, const char *name)
{
	struct rows *rows = &w->rows;
	struct row *r;

	if (rows->n == rows->capacity) {
		uint32_t capacity = rows->capacity ? rows->capacity * 2 : 8;
		struct row *p = realloc(rows->p, capacity * sizeof(*p));

		if (p == NULL)
			return -ENOMEM;
		rows->p = p;
		rows->capacity = capacity;
	}
	r = &rows->p[rows->n];
	r->folder = strdup(folder);
	r->name = strdup(name);
	if (r->folder == NULL || r->name == NULL) {
		free(r->folder);
		free(r->name);
		return -ENOMEM;
	}
	r->wd = inotify_add_watch(w->fd, folder, EVENTS);
	rows->n++;
	return 0;
}

static int file_add(struct source_watch *w, const char *path)
{
	char folder[PATH_MAX], name[PATH_MAX];

	if (strlen(path) >= PATH_MAX)
		return 0;
	strcpy(folder, path);
	strcpy(name, path);
	return row_add(w, dirname(folder), basename(name));
}

/* Each link on the way to a file is a name that may be pointed elsewhere. */
static int links_add(struct source_watch *w, const char *path)
{
	char at[PATH_MAX], target[PATH_MAX], folder[PATH_MAX];
	int rc = 0;

	snprintf(at, sizeof(at), "%s", path);
	for (int i = 0; i < MAX_LINKS && rc == 0; i++) {
		ssize_t n = readlink(at, target, sizeof(target) - 1);
		if (n < 0)
			return 0;
		target[n] = '\0';
		if (target[0] != '/') {
			char joined[PATH_MAX];

			strcpy(folder, at);
			if ((size_t)snprintf(joined, sizeof(joined), "%s/%s", dirname(folder),
					     target) >= sizeof(joined))
				return 0;
			strcpy(target, joined);
		}
		strcpy(at, target);
		rc = file_add(w, at);
	}
	return rc;
}

static int is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* With the folders in it: policy is read from all of them. */
static int folder_add(struct source_watch *w, const char *path, unsigned int depth)
{
	int rc = row_add(w, path, "");
	DIR *d = rc == 0 && depth < MAX_DEPTH ? opendir(path) : NULL;
	struct dirent *e;
	char below[PATH_MAX];

	while (d != NULL && rc == 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || (size_t)snprintf(below, sizeof(below), "%s/%s", path,
							    e->d_name) >= sizeof(below))
			continue;
		if (is_folder(below))
			rc = folder_add(w, below, depth + 1);
	}
	if (d != NULL)
		closedir(d);
	return rc;
}

static int path_add(struct source_watch *w, const char *path)
{
	/* Also the name itself: a folder may be replaced as a whole, a file may come later. */
	int rc = file_add(w, path);

	if (rc == 0)
		rc = is_folder(path) ? folder_add(w, path, 0) : links_add(w, path);
	return rc;
}

int source_watch_set(struct source_watch *w, char *const *paths, uint32_t n)
{
	struct rows old = w->rows;
	int rc = 0;

	w->rows = (struct rows){ 0 };
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = path_add(w, paths[i]);
	rows_fini(w, &old, &w->rows);
	if (rc != 0)
		rows_fini(w, &w->rows, &old);
	return rc;
}

int source_watch_fd(const struct source_watch *w)
{
	return w->fd;
}

/* Hidden names are editors' and half-written files; `..data` is what Kubernetes swaps. */
static int name_counts(const char *name)
{
	return name[0] != '.' || strcmp(name, "..data") == 0;
}

static uint32_t unfinished_find(const struct source_watch *w, const char *path)
{
	uint32_t i = 0;

	while (i < w->n_unfinished && strcmp(w->unfinished[i], path) != 0)
		i++;
	return i;
}

/* A file is whole again when who wrote it closed it, or when its name leads elsewhere. */
static void unfinished_note(struct source_watch *w, const struct row *r,
			    const struct inotify_event *e)
{
	char path[PATH_MAX];
	uint32_t i;

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", r->folder,
			     r->folder[strlen(r->folder) - 1] == '/' ? "" : "/",
			     e->name) >= sizeof(path))
		return;
	i = unfinished_find(w, path);
	if (!(e->mask & IN_MODIFY)) {
		if (i == w->n_unfinished)
			return;
		free(w->unfinished[i]);
		w->unfinished[i] = w->unfinished[--w->n_unfinished];
	} else if (i == w->n_unfinished && i < MAX_UNFINISHED) {
		w->unfinished[i] = strdup(path);
		w->n_unfinished += w->unfinished[i] != NULL;
	}
}

static int row_counts(const struct row *r, const char *name)
{
	if (r->name[0] == '\0')
		return name_counts(name);
	return strcmp(r->name, name) == 0 || strcmp(name, "..data") == 0;
}

static int event_counts(struct source_watch *w, const struct inotify_event *e)
{
	const char *name = e->len > 0 ? e->name : "";
	int counts = 0;

	if (e->mask & IN_Q_OVERFLOW)
		return 1;
	for (uint32_t i = 0; i < w->rows.n; i++) {
		struct row *r = &w->rows.p[i];

		if (r->wd != e->wd)
			continue;
		if (e->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) {
			r->wd = -1;
			counts = 1;
		} else if (row_counts(r, name)) {
			if (name[0] != '\0')
				unfinished_note(w, r, e);
			/* What is being written is news when it is closed. */
			counts |= !(e->mask & IN_MODIFY);
		}
	}
	return counts;
}

const char *source_watch_unfinished(const struct source_watch *w)
{
	return w->n_unfinished > 0 ? w->unfinished[0] : NULL;
}

int source_watch_read(struct source_watch *w)
{
	_Alignas(struct inotify_event) char buf[8192];
	int changed = 0;
	ssize_t n;

	while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const void *)p;
			changed |= event_counts(w, e);
			p += sizeof(*e) + e->len;
		}
	}
	return changed;
}

int source_watch_retry(struct source_watch *w)
{
	int changed = 0;

	for (uint32_t i = 0; i < w->rows.n; i++) {
		struct row *r = &w->rows.p[i];

		if (r->wd >= 0)
			continue;
		r->wd = inotify_add_watch(w->fd, r->folder, EVENTS);
		changed |= r->wd >= 0;
	}
	return changed;
}
