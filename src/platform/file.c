/* Files and folders.
 *
 * What lies in a folder that others can write to may have been put there by them, and what we load we run: hence the
 * questions about owners. Nobody else's hand is needed for trouble, though: several processes of one user share a
 * cache, so a file appears under its name only when it is whole, by rename, and readers hold on to the file that they
 * opened. */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "failpoint.h"
#include "platform.h"

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)

/* ---- Folders ---- */

static bool is_folder(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return false;
    if (S_ISDIR(info.st_mode)) return true;
    errno = ENOTDIR;
    return false;
}

bool rlx_folder_create(const char *path) {
    if (is_folder(path)) return true;
    if (rlx_failpoint(RLX_FAILPOINT_OPEN)) return false;
    char *copy = rlx_failpoint(RLX_FAILPOINT_ALLOC) ? NULL : strdup(path);
    if (!copy) return false;
    for (char *at = copy + 1; *at; at++) {
        if (*at != '/') continue;
        *at = '\0';
        (void)mkdir(copy, 0700); /* that it is there, or cannot be, shows below */
        *at = '/';
    }
    bool made = mkdir(copy, 0700) == 0 || errno == EEXIST;
    int error = errno;
    free(copy);
    errno = error;
    return made && is_folder(path);
}

rlx_folder_state rlx_folder_check(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return RLX_FOLDER_MISSING;
    if (!S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return RLX_FOLDER_MISSING;
    }
    if (info.st_uid != geteuid()) return RLX_FOLDER_FOREIGN;
    return info.st_mode & OTHERS_WRITE ? RLX_FOLDER_OPEN : RLX_FOLDER_PRIVATE;
}

bool rlx_folder_temporary(const char *parent, const char *prefix, char *path, size_t size) {
    if ((size_t)snprintf(path, size, "%s/%sXXXXXX", parent, prefix) >= size) {
        errno = ENAMETOOLONG;
        return false;
    }
    return !rlx_failpoint(RLX_FAILPOINT_OPEN) && mkdtemp(path) != NULL;
}

static void visit_and_close(DIR *folder, bool (*visit)(void *user, const char *name), void *user) {
    const struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (!visit(user, entry->d_name)) break;
    }
    closedir(folder);
}

void rlx_folder_each(const char *path, bool (*visit)(void *user, const char *name), void *user) {
    DIR *folder = rlx_failpoint(RLX_FAILPOINT_OPEN) ? NULL : opendir(path);
    if (folder) visit_and_close(folder, visit, user);
}

static bool remove_named(void *user, const char *name) {
    (void)unlinkat(*(const int *)user, name, 0);
    return true;
}

void rlx_folder_remove(const char *path) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0) return;
    DIR *names = fdopendir(folder);
    if (names) visit_and_close(names, remove_named, &folder); /* closes the descriptor, too */
    else close(folder);
    (void)rmdir(path);
}

typedef struct sweep {
    const char *path, *prefix;
    time_t before;
} sweep;

static bool sweep_named(void *user, const char *name) {
    const sweep *s = user;
    char path[4096];
    struct stat info;
    if (strncmp(name, s->prefix, strlen(s->prefix)) != 0) return true;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", s->path, name) >= sizeof path) return true;
    if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_mtime < s->before) rlx_folder_remove(path);
    return true;
}

void rlx_folder_sweep(const char *path, const char *prefix, uint64_t age_s) {
    sweep s = { path, prefix, time(NULL) - (time_t)age_s };
    rlx_folder_each(path, sweep_named, &s);
}

const char *rlx_temporary_folder(void) {
    const char *folder = rlx_environment("TMPDIR");
    return folder ? folder : "/tmp";
}

/* ---- Files ---- */

static uint64_t modified_ns(const struct stat *info) {
#if defined(__APPLE__)
    return (uint64_t)info->st_mtimespec.tv_sec * UINT64_C(1000000000) + (uint64_t)info->st_mtimespec.tv_nsec;
#else
    return (uint64_t)info->st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)info->st_mtim.tv_nsec;
#endif
}

bool rlx_file_open(const char *path, rlx_file *file) {
    struct stat info;
    /* Without blocking: a name that turns out to be a pipe would wait for a writer. */
    file->descriptor = rlx_failpoint(RLX_FAILPOINT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->descriptor < 0) return false;
    if (fstat(file->descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(file->descriptor);
        return false;
    }
    file->ours = info.st_uid == geteuid() && !(info.st_mode & OTHERS_WRITE);
    file->size = (uint64_t)info.st_size;
    file->modified_ns = modified_ns(&info);
    return true;
}

bool rlx_file_read(const rlx_file *file, void *data, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(file->descriptor, (char *)data + done, size - done, (off_t)done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        done += (size_t)count;
    }
    return true;
}

void rlx_file_close(rlx_file *file) { close(file->descriptor); }

bool rlx_file_look(const char *path, uint64_t *size, uint64_t *modified) {
    struct stat info;
    if (stat(path, &info) != 0) return false;
    *size = (uint64_t)info.st_size;
    *modified = modified_ns(&info);
    return true;
}

/* A full disk can show as late as in close. */
static bool write_and_close(int descriptor, const void *data, size_t size) {
    size_t done = 0;
    size_t most = rlx_failpoint(RLX_FAILPOINT_WRITE) ? size / 2 : size;
    while (done < most) {
        ssize_t count = write(descriptor, (const char *)data + done, most - done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        done += (size_t)count;
    }
    bool closed = close(descriptor) == 0;
    return closed && done == size;
}

bool rlx_file_create(const char *path, const void *data, size_t size) {
    if (rlx_failpoint(RLX_FAILPOINT_OPEN)) return false;
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) return false;
    bool written = write_and_close(descriptor, data, size);
    if (!written) rlx_file_remove(path);
    return written;
}

bool rlx_file_publish(const char *from, const char *to) {
    return !rlx_failpoint(RLX_FAILPOINT_RENAME) && rename(from, to) == 0;
}

void rlx_file_remove(const char *path) { (void)unlink(path); }

/* ---- A file that grows ---- */

static bool write_at(int descriptor, const void *data, size_t size, uint64_t offset) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = pwrite(descriptor, (const char *)data + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count == 0) errno = EIO;
        if (count <= 0) return false;
        done += (size_t)count;
    }
    return true;
}

/* A full disk takes what is in the middle of a file, but nothing more at its end. */
static bool append_at(int descriptor, const void *data, size_t size, uint64_t offset) {
    if (!rlx_failpoint(RLX_FAILPOINT_WRITE)) return write_at(descriptor, data, size, offset);
    int error = errno;
    (void)write_at(descriptor, data, size / 2, offset);
    errno = error;
    return false;
}

rlx_growing_state rlx_growing_open(const char *path, rlx_growing_file *file) {
    struct stat info;
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    rlx_growing_state state = RLX_GROWING_FAILED;
    int error;
    if (rlx_failpoint(RLX_FAILPOINT_OPEN)) return state;
    /* Not emptied yet: it may be somebody's who is still writing it. */
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (descriptor < 0) return errno == EISDIR || errno == ENXIO ? RLX_GROWING_SPECIAL : RLX_GROWING_FAILED;
    if (fstat(descriptor, &info) != 0) goto fail;
    state = RLX_GROWING_SPECIAL;
    if (!S_ISREG(info.st_mode)) goto fail;
    state = RLX_GROWING_TAKEN;
    /* A lock of this kind is not inherited by fork. File systems without locks exist: there everybody is trusted. */
    if (fcntl(descriptor, F_SETLK, &whole) != 0 && (errno == EAGAIN || errno == EACCES)) goto fail;
    state = RLX_GROWING_FAILED;
    if (ftruncate(descriptor, 0) != 0) goto fail;
    *file = (rlx_growing_file){ .descriptor = descriptor };
    return RLX_GROWING_OPENED;

fail:
    error = errno;
    close(descriptor);
    errno = error;
    return state;
}

bool rlx_growing_write(rlx_growing_file *file, const void *piece, size_t size, size_t end) {
    if (append_at(file->descriptor, piece, size, file->size)) {
        file->size += size - end;
        return true;
    }
    int error = errno;
    /* What stood here before had room here. */
    if (file->size == 0) (void)!ftruncate(file->descriptor, 0);
    else if (write_at(file->descriptor, (const char *)piece + size - end, end, file->size))
        (void)!ftruncate(file->descriptor, (off_t)(file->size + end));
    errno = error;
    return false;
}

bool rlx_growing_close(rlx_growing_file *file) { return close(file->descriptor) == 0; }
