/* SPDX-License-Identifier: Apache-2.0 */
/* A fake file system that does not answer, for LD_PRELOAD: opening a file whose name begins with
 * "hang" never returns. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int open64(const char *path, int flags, ...);

static int is_ours(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strncmp(slash != NULL ? slash + 1 : path, "hang", 4) == 0;
}

static int open_or_hang(const char *path, int flags, mode_t mode)
{
	int (*next)(const char *path, int flags, ...) = dlsym(RTLD_NEXT, "open64");

	if (is_ours(path)) {
		dprintf(STDERR_FILENO, "fake_hang: %s does not answer\n", path);
		for (;;)
			pause();
	}
	return next(path, flags, mode);
}

/* Files are 64 bits wide here: open and open64 are one. */
int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & (O_CREAT | __O_TMPFILE))
		mode = va_arg(args, mode_t);
	va_end(args);
	return open_or_hang(path, flags, mode);
}
