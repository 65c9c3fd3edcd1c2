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

#define EVENTS                                                                                   \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | \
	 IN_MOVE_SELF | IN_ONLYDIR)
#define MAX_LINKS 8
#define MAX_DEPTH 8

/* One watched folder, for its own sake (name empty) or for one name in it. Several rows may share a
 * descriptor. */
struct row {
	char *folder;
	char *name;
	int wd; /* -1: not there now */
};

struct source_watch {
	int fd;
	struct row *rows;
	uint32_t n, capacity;
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

static void rows_clear(struct source_watch *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		/* Rows that share a descriptor: the second removal fails with EINVAL, which is
		 * right. */
		if (w->rows[i].wd >= 0)
			inotify_rm_watch(w->fd, w->rows[i].wd);
		free(w->rows[i].folder);
		free(w->rows[i].name);
	}
	w->n = 0;
}

void source_watch_destroy(struct source_watch *w)
{
	if (w == NULL)
		return;
	rows_clear(w);
	free(w->rows);
	close(w->fd);
	free(w);
}

static int row_add(struct source_watch *w, const char *folder, const char *name)
{
	struct row *r;

	if (w->n == w->capacity) {
		uint32_t capacity = w->capacity ? w->capacity * 2 : 8;
		struct row *rows = realloc(w->rows, capacity * sizeof(*rows));
		if (rows == NULL)
			return -ENOMEM;
		w->rows = rows;
		w->capacity = capacity;
	}
	r = &w->rows[w->n];
	r->folder = strdup(folder);
	r->name = strdup(name);
	if (r->folder == NULL || r->name == NULL) {
		free(r->folder);
		free(r->name);
		return -ENOMEM;
	}
	r->wd = inotify_add_watch(w->fd, folder, EVENTS);
	w->n++;
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
	rows_clear(w);
	for (uint32_t i = 0; i < n; i++) {
		if (path_add(w, paths[i]) != 0) {
			rows_clear(w);
			return -ENOMEM;
		}
	}
	return 0;
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

static int event_counts(const struct source_watch *w, const struct inotify_event *e)
{
	const char *name = e->len > 0 ? e->name : "";
	int counts = 0;

	if (e->mask & IN_Q_OVERFLOW)
		return 1;
	for (uint32_t i = 0; i < w->n; i++) {
		struct row *r = &w->rows[i];

		if (r->wd != e->wd)
			continue;
		if (e->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) {
			r->wd = -1;
			counts = 1;
		} else if (r->name[0] == '\0'
				   ? name_counts(name)
				   : strcmp(r->name, name) == 0 || strcmp(name, "..data") == 0) {
			counts = 1;
		}
	}
	return counts;
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

	for (uint32_t i = 0; i < w->n; i++) {
		if (w->rows[i].wd >= 0)
			continue;
		w->rows[i].wd = inotify_add_watch(w->fd, w->rows[i].folder, EVENTS);
		changed |= w->rows[i].wd >= 0;
	}
	return changed;
}
