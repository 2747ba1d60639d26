/* Files by which the ranks of a communicator tell each other something: there as a whole or not at all.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "nccl_state.h"

namespace
{

bool write_all(int file, const void *data, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t here = write(file, static_cast<const char *>(data) + done, bytes - done);
		if (here < 0 && errno != EINTR)
			return false;
		done += here < 0 ? 0 : (size_t)here;
	}
	return true;
}

/* The folder may have gone with others who gave up before this rank came. */
int create(const ncclComm &comm, const std::string &path)
{
	int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0 && errno == ENOENT && (mkdir(comm.folder.c_str(), 0700) == 0 || errno == EEXIST))
		file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return file;
}

/* Under a name that nobody looks for. */
bool write_aside(const ncclComm &comm, const std::string &aside, const void *begin, size_t begin_bytes,
                 const void *data, size_t bytes)
{
	int file = create(comm, aside);
	if (file < 0)
		return false;
	bool written = write_all(file, begin, begin_bytes) && write_all(file, data, bytes);
	return close(file) == 0 && written;
}

std::string aside_of(const ncclComm &comm, const std::string &name)
{
	return comm.path("new." + std::to_string(comm.rank) + "." + name);
}

std::vector<std::string> names_in(const std::string &folder)
{
	std::vector<std::string> names;
	DIR *entries = opendir(folder.c_str());
	if (entries == nullptr)
		return names;
	while (const struct dirent *entry = readdir(entries))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			names.push_back(entry->d_name);
	closedir(entries);
	return names;
}

} // namespace

std::string ncclComm::path(const std::string &name) const
{
	return folder + "/" + name;
}

bool nccl_file_write(const ncclComm &comm, const std::string &name, const void *begin, size_t begin_bytes,
                     const void *data, size_t bytes)
{
	std::string aside = aside_of(comm, name);
	return write_aside(comm, aside, begin, begin_bytes, data, bytes) &&
	       rename(aside.c_str(), comm.path(name).c_str()) == 0;
}

bool nccl_file_create(const ncclComm &comm, const std::string &name, const std::string &text)
{
	std::string aside = aside_of(comm, name);
	if (!write_aside(comm, aside, text.data(), text.size(), nullptr, 0))
		return false;
	bool created = link(aside.c_str(), comm.path(name).c_str()) == 0;
	unlink(aside.c_str());
	return created;
}

bool nccl_file_read(const ncclComm &comm, const std::string &name, std::string *text)
{
	int file = open(comm.path(name).c_str(), O_RDONLY | O_CLOEXEC);
	struct stat is;
	if (file < 0)
		return false;
	if (fstat(file, &is) == 0)
		text->resize((size_t)is.st_size);
	size_t done = 0;
	while (done < text->size()) {
		ssize_t here = read(file, &(*text)[done], text->size() - done);
		if (here == 0 || (here < 0 && errno != EINTR))
			break;
		done += here < 0 ? 0 : (size_t)here;
	}
	close(file);
	return done == text->size();
}

bool nccl_file_remove(const ncclComm &comm, const std::string &name)
{
	return unlink(comm.path(name).c_str()) == 0;
}

bool nccl_file_exists(const ncclComm &comm, const std::string &name)
{
	return access(comm.path(name).c_str(), F_OK) == 0;
}

/* Others may leave at the same time, and remove what this one looks at: who finds something new looks again. */
void nccl_folder_leave(const ncclComm &comm)
{
	nccl_file_write(comm, "left." + std::to_string(comm.rank), nullptr, 0, nullptr, 0);
	do {
		std::vector<std::string> names = names_in(comm.folder);
		for (const std::string &name : names)
			if (name.compare(0, 5, "rank.") == 0 &&
			    std::find(names.begin(), names.end(), "left." + name.substr(5)) == names.end())
				return;
		for (const std::string &name : names)
			nccl_file_remove(comm, name);
	} while (rmdir(comm.folder.c_str()) != 0 && errno == ENOTEMPTY);
}
