/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders into texts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy_diag.h"
#include "policy_text.h"
#include "policy_yaml.h"

#define FOLDER_DEPTH 8

static int texts_read(struct policy_texts *t, const char *path, unsigned int depth,
		      struct policy_diags *diags);

void policy_texts_init(struct policy_texts *t)
{
	*t = (struct policy_texts){ 0 };
}

void policy_texts_fini(struct policy_texts *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		free(t->rows[i].name);
		free(t->rows[i].bytes);
	}
	free(t->rows);
	policy_texts_init(t);
}

static struct policy_text *texts_find(struct policy_texts *t, const char *name)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (strcmp(t->rows[i].name, name) == 0)
			return &t->rows[i];
	return NULL;
}

static int texts_reserve(struct policy_texts *t)
{
	uint32_t capacity = t->capacity == 0 ? 8 : t->capacity * 2;
	struct policy_text *rows;

	if (t->n < t->capacity)
		return 0;
	rows = realloc(t->rows, capacity * sizeof(*rows));
	if (rows == NULL)
		return -ENOMEM;
	t->rows = rows;
	t->capacity = capacity;
	return 0;
}

/* Takes the bytes; frees them when it fails. */
static int texts_take(struct policy_texts *t, const char *name, char *bytes, size_t n)
{
	struct policy_text *row = texts_find(t, name);
	char *copy;

	if (row != NULL) {
		free(row->bytes);
		row->bytes = bytes;
		row->n = n;
		return 0;
	}
	copy = texts_reserve(t) == 0 ? strdup(name) : NULL;
	if (copy == NULL) {
		free(bytes);
		return -ENOMEM;
	}
	t->rows[t->n++] = (struct policy_text){ copy, bytes, n };
	return 0;
}

int policy_texts_add(struct policy_texts *t, const char *name, const char *bytes, size_t n)
{
	char *copy = malloc(n + 1);

	if (copy == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(copy, bytes, n);
	copy[n] = '\0';
	return texts_take(t, name, copy, n);
}

static int file_error(struct policy_diags *d, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int file_error(struct policy_diags *d, const char *path, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	policy_diag_add(d, POLICY_ERROR, path, 1, 1, format, ap);
	va_end(ap);
	return -EINVAL;
}

/* What may be over by itself keeps its errno: it says nothing about the file. */
static int is_passing(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == EINTR ||
	       error == EAGAIN || error == EIO || error == ESTALE || error == ETIMEDOUT;
}

static int read_error(struct policy_diags *d, const char *path, const char *what, int error)
{
	file_error(d, path, "cannot be %s: %s", what, strerror(error));
	return is_passing(error) ? -error : -EINVAL;
}

/* Read to its end rather than to its size: a pipe has none, and a file may grow. */
static int stream_read(FILE *f, const char *path, char **out, size_t *n, struct policy_diags *diags)
{
	size_t capacity = 65536, used = 0, got;
	char *bytes = malloc(capacity);

	while (bytes != NULL) {
		got = fread(bytes + used, 1, capacity - used - 1, f);
		used += got;
		if (got == 0)
			break;
		if (used > POLICY_YAML_MAX_BYTES) {
			free(bytes);
			return file_error(diags, path, "larger than %zu MiB",
					  POLICY_YAML_MAX_BYTES >> 20);
		}
		if (capacity - used - 1 < capacity / 2) {
			char *more = realloc(bytes, capacity *= 2);

			if (more == NULL)
				free(bytes);
			bytes = more;
		}
	}
	if (bytes == NULL)
		return -ENOMEM;
	if (ferror(f)) {
		int why = errno;

		free(bytes);
		return read_error(diags, path, "read", why);
	}
	bytes[used] = '\0';
	*out = bytes;
	*n = used;
	return 0;
}

int policy_text_load(const char *path, char **bytes, size_t *n, struct policy_diags *diags)
{
	/* Opening a pipe would wait for a writer, and reading one for its bytes. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	FILE *f;
	int rc;

	if (fd < 0)
		return read_error(diags, path, "opened", errno);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return file_error(diags, path, "is no regular file");
	}
	f = fdopen(fd, "r");
	if (f == NULL) {
		close(fd);
		return -ENOMEM;
	}
	rc = stream_read(f, path, bytes, n, diags);
	fclose(f);
	return rc;
}

static int is_policy_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 ||
			       strcmp(dot, ".json") == 0);
}

static int is_policy(const struct dirent *e)
{
	if (e->d_name[0] == '.')
		return 0;
	return e->d_type == DT_DIR || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN ||
	       is_policy_name(e->d_name);
}

/* A file that is named like policy and is none must stop a load: what it should have denied would
 * pass. */
static int entry_read(struct policy_texts *t, const char *folder, const char *name,
		      unsigned int depth, struct policy_diags *diags)
{
	size_t n = strlen(folder);
	struct stat st;
	char path[4096];

	while (n > 1 && folder[n - 1] == '/')
		n--;
	if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)n, folder, name) >= sizeof(path))
		return file_error(diags, folder, "a path in it is too long");
	if (stat(path, &st) != 0) {
		int why = errno;

		if (lstat(path, &st) != 0)
			return 0; /* gone since the folder was read */
		return read_error(diags, path, "opened", why);
	}
	if (!S_ISDIR(st.st_mode) && !is_policy_name(name))
		return 0;
	return texts_read(t, path, depth + 1, diags);
}

static int folder_read(struct policy_texts *t, const char *path, unsigned int depth,
		       struct policy_diags *diags)
{
	struct dirent **entries = NULL;
	int n, rc = 0;

	if (depth > FOLDER_DEPTH)
		return file_error(diags, path, "folders go too deep");
	n = scandir(path, &entries, is_policy, alphasort);
	if (n < 0)
		return read_error(diags, path, "read", errno);
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = entry_read(t, path, entries[i]->d_name, depth, diags);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static int texts_read(struct policy_texts *t, const char *path, unsigned int depth,
		      struct policy_diags *diags)
{
	struct stat st;
	char *bytes;
	size_t n;
	int rc;

	if (stat(path, &st) != 0)
		return read_error(diags, path, "opened", errno);
	if (S_ISDIR(st.st_mode))
		return folder_read(t, path, depth, diags);
	rc = policy_text_load(path, &bytes, &n, diags);
	return rc != 0 ? rc : texts_take(t, path, bytes, n);
}

int policy_texts_read(struct policy_texts *t, const char *path, struct policy_diags *diags)
{
	return texts_read(t, path, 0, diags);
}
