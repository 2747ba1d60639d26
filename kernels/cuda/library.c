/* Where the libraries of NVIDIA are looked for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "kernels/cuda/library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The reason is that of the first try, or of a file that is there and cannot be loaded, which says more. */
struct search {
	const char *name;
	char *reason; /* [CUDA_LIBRARY_TRIED] */
};

static void *load(struct search *search, const char *path, bool found)
{
	/* The symbols are local: several versions of a library in one process do not mix. */
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL && (found || search->reason[0] == '\0')) {
		const char *reason = dlerror();
		snprintf(search->reason, CUDA_LIBRARY_TRIED, "%.*s", CUDA_LIBRARY_TRIED - 1,
		         reason == NULL ? path : reason);
	}
	return library;
}

/* In "FOLDER[/BELOW]", `length` characters of `folder`. */
static void *load_from(struct search *search, const char *folder, size_t length, const char *below)
{
	char path[PATH_MAX];
	int size = snprintf(path, sizeof path, "%.*s%s/%s", (int)length, folder, below, search->name);

	if (length == 0 || size >= (int)sizeof path || access(path, F_OK) != 0)
		return NULL;
	return load(search, path, true);
}

static void *load_from_list(struct search *search, const char *list)
{
	void *library = NULL;

	while (list != NULL && *list != '\0' && library == NULL) {
		size_t length = strcspn(list, ":");
		library = load_from(search, list, length, "");
		list += length + (list[length] == ':');
	}
	return library;
}

static void *load_below(struct search *search, const char *variable)
{
	const char *folder = getenv(variable);
	return folder == NULL ? NULL : load_from(search, folder, strlen(folder), "/lib64");
}

static void *search_for(struct search *search)
{
	void *library = load_from_list(search, getenv("CAPSHAPE_CUDA_LIBRARIES"));

	if (library == NULL)
		library = load(search, search->name, false);
	if (library == NULL)
		library = load_below(search, "CUDA_HOME");
	if (library == NULL)
		library = load_below(search, "CUDA_PATH");
	if (library == NULL)
		library = load_from_list(search, CAPSHAPE_CUDA_LIBRARY_FOLDER);
	return library;
}

void *cuda_library_open(const char *const *names, char tried[CUDA_LIBRARY_TRIED])
{
	struct search search = { .reason = tried };
	void *library = NULL;

	tried[0] = '\0';
	for (int i = 0; names[i] != NULL && library == NULL; i++) {
		search.name = names[i];
		library = search_for(&search);
	}
	return library;
}

const char *cuda_library_find(void *library, const struct cuda_symbol *symbols, size_t count, void *table)
{
	for (size_t i = 0; i < count; i++) {
		void *function = dlsym(library, symbols[i].name);
		if (function == NULL)
			return symbols[i].name;
		/* POSIX wants pointers to functions and to data to be of one size and form. */
		memcpy((char *)table + symbols[i].offset, &function, sizeof function);
	}
	return NULL;
}
