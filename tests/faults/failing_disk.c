/* A disk that fails: some calls on files below a folder return an error. Preloaded (LD_PRELOAD) by failing_disk.py.

   set_fault(calls, at, count, code): of the calls in the bit mask, counted from 0, number `at` and `count` - 1 after it
   fail with errno `code`; code 0 makes writes short instead. done() gives how many calls there were and resets it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, OPEN = 4, MOVE = 8, MAKE = 16, READ = 32 };

static char folder[PATH_MAX];
static volatile int mask, at, count, code, seen, failed;

void set_fault(const char *below, int calls, int first, int many, int error) {
    strncpy(folder, below, sizeof folder - 1);
    mask = calls, at = first, count = many, code = error, seen = failed = 0;
}

int calls_seen(void) { return seen; }
int calls_failed(void) { return failed; }

static int below(const char *path) { return path && folder[0] && !strncmp(path, folder, strlen(folder)); }

static int of_file(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}

static int fails(int kind) {
    if (!(mask & kind)) return 0;
    int number = __sync_fetch_and_add(&seen, 1);
    if (number < at || number >= at + count) return 0;
    __sync_fetch_and_add(&failed, 1);
    errno = code;
    return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t n) {
    REAL(write);
    if (mask & WRITE && n && of_file(fd) && fails(WRITE)) return code ? -1 : real(fd, data, (n + 1) / 2);
    return real(fd, data, n);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t where) {
    REAL(pwrite64);
    if (mask & WRITE && n && of_file(fd) && fails(WRITE)) return code ? -1 : real(fd, data, (n + 1) / 2, where);
    return real(fd, data, n, where);
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev);
    if (mask & WRITE && of_file(fd) && code && fails(WRITE)) return -1;
    return real(fd, parts, n);
}
ssize_t read(int fd, void *data, size_t n) {
    REAL(read);
    if (mask & READ && of_file(fd) && code && fails(READ)) return -1;
    return real(fd, data, n);
}
int fsync(int fd) {
    REAL(fsync);
    return mask & SYNC && of_file(fd) && fails(SYNC) ? -1 : real(fd);
}
int close(int fd) {
    REAL(close);
    struct stat about; /* of a file: one that NFS could not write says so here */
    if (mask & SYNC && !fstat(fd, &about) && S_ISREG(about.st_mode) && of_file(fd) && fails(SYNC)) { int kept = errno; real(fd); errno = kept; return -1; }
    return real(fd);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    return mask & MOVE && below(to) && fails(MOVE) ? -1 : real(from, to);
}
int link(const char *from, const char *to) {
    REAL(link);
    return mask & MOVE && below(to) && fails(MOVE) ? -1 : real(from, to);
}
int unlink(const char *path) {
    REAL(unlink);
    return mask & MOVE && below(path) && fails(MOVE) ? -1 : real(path);
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return mask & MAKE && below(path) && fails(MAKE) ? -1 : real(path, mode);
}
static int opens(const char *path, int flags) { return mask & OPEN && flags & O_CREAT && below(path) && fails(OPEN); }
int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest);
    return opens(path, flags) ? -1 : real(path, flags, mode);
}
int open(const char *path, int flags, ...) {
    REAL(open);
    va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest);
    return opens(path, flags) ? -1 : real(path, flags, mode);
}
