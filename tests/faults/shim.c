/* Faults at the system calls of a process tree, for tests: loaded with LD_PRELOAD, told what to do through a shared file.

   Calls are counted that touch what lies below a folder. The counted call whose number comes up fails, is cut short, or
   ends the process, as the plan says; with `sticky`, all that follow fail too (a disk that stays full). In FAULTS_STATE
   stands the path of the file that holds the plan, so that programs which are started later are of the same tree. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, RENAME = 4, OPEN = 8, REMOVE = 16, MAKE = 32, CUT = 64, READ = 128 };
enum { NOTHING = 0, KILL = 1, FAIL = 2, TEAR = 3, SHORT = 4 };

struct plan {
    _Atomic int64_t count;   /* calls of the kinds, so far */
    int64_t target;          /* number of the call, from 1; 0: none */
    _Atomic int64_t hits;    /* calls that were made to fail */
    int64_t clock;           /* nanoseconds added to the clock of the day */
    _Atomic int64_t freed;   /* bytes that were given back to a full disk */
    int32_t kinds, action, error, sticky;
    int32_t list;            /* whether every counted call is listed in `log` */
    int32_t unused;
    char folder[512];
    char log[512];
};

static struct plan *plan;
static int log_file = -1;

void faults_open(const char *path) {
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return;
    void *found = mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (found == MAP_FAILED) return;
    plan = found;
    log_file = -1;
    if (plan->list) log_file = (int)syscall(SYS_openat, AT_FDCWD, plan->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_STATE");
    if (path && *path) faults_open(path);
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }
#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = (type (*)(__VA_ARGS__))next(#name)

static int below(const char *path) {
    size_t size = strlen(plan->folder);
    return size && strncmp(path, plan->folder, size) == 0 && (path[size] == '/' || path[size] == 0);
}

static int place(int at, const char *path, char *out, size_t room) {
    if (path && path[0] == '/') { snprintf(out, room, "%s", path); return 1; }
    char link[64];
    if (at == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd"); else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, out, room - 1);
    if (size < 0) return 0;
    out[size] = 0;
    if (path && *path) snprintf(out + size, room - size, "/%s", path);
    return 1;
}

static __thread int64_t wanted; /* bytes that the write at hand takes */

/* What a file that goes, or is cut to `left`, gives back to a full disk. */
static void frees(int at, const char *path, int64_t left) {
    struct stat now;
    int before = errno;
    char where[1024];
    if (!plan || !plan->sticky || plan->error != ENOSPC || !place(at, path, where, sizeof where) || !below(where)) { errno = before; return; }
    if (syscall(SYS_newfstatat, AT_FDCWD, where, &now, 0) == 0 && now.st_size > left && now.st_nlink < 2)
        atomic_fetch_add(&plan->freed, now.st_size - left);
    errno = before;
}

/* Whether a full disk has room for the write at hand, since something was given back. */
static int fits(void) {
    int64_t room = atomic_load(&plan->freed);
    while (room >= wanted)
        if (atomic_compare_exchange_weak(&plan->freed, &room, room - wanted)) return 1;
    return 0;
}

/* Whether the call is to be disturbed: NOTHING, FAIL (errno is set), TEAR or SHORT. KILL does not come back. */
static int disturbed(int kind, int at, const char *path) {
    if (!plan || !(plan->kinds & kind)) return NOTHING;
    int before = errno;
    char where[1024];
    if (!place(at, path, where, sizeof where) || !below(where)) { errno = before; return NOTHING; }
    int64_t number = atomic_fetch_add(&plan->count, 1) + 1;
    if (log_file >= 0) {
        char line[1100];
        int size = snprintf(line, sizeof line, "%lld %d %s\n", (long long)number, kind, where + strlen(plan->folder));
        syscall(SYS_write, log_file, line, size);
    }
    errno = before;
    if (!plan->target || number < plan->target || (number > plan->target && !plan->sticky)) return NOTHING;
    if (number == plan->target) atomic_store(&plan->freed, 0);
    else if (kind == WRITE && plan->error == ENOSPC && fits()) return NOTHING;
    atomic_fetch_add(&plan->hits, 1);
    if (plan->action == KILL) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }
    if (plan->action == TEAR || plan->action == SHORT) if (kind == WRITE) return plan->action;
    if (plan->action == TEAR) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }
    errno = plan->error;
    return FAIL;
}

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }

ssize_t write(int file, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    wanted = size;
    int how = disturbed(WRITE, file, NULL);
    if (how == FAIL) return -1;
    if (how == TEAR) { real(file, data, size / 2); die(); }
    if (how == SHORT && size > 1) return real(file, data, size / 2);
    return real(file, data, size);
}

#define PWRITE(name, offset)                                                                          \
    ssize_t name(int file, const void *data, size_t size, offset at) {                                \
        REAL(ssize_t, name, int, const void *, size_t, offset);                                       \
        wanted = size;                                                                                \
        int how = disturbed(WRITE, file, NULL);                                                       \
        if (how == FAIL) return -1;                                                                   \
        if (how == TEAR) { real(file, data, size / 2, at); die(); }                                   \
        if (how == SHORT && size > 1) return real(file, data, size / 2, at);                          \
        return real(file, data, size, at);                                                            \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    wanted = 0;
    for (int i = 0; i < count; i++) wanted += parts[i].iov_len;
    int how = disturbed(WRITE, file, NULL);
    if (how == FAIL) return -1;
    if (how == TEAR) { real(file, parts, count > 1 ? count / 2 : count); die(); }
    if (how == SHORT && count > 1) return real(file, parts, count / 2);
    return real(file, parts, count);
}

#define READS(name, offset)                                                                           \
    ssize_t name(int file, void *data, size_t size, offset at) {                                      \
        REAL(ssize_t, name, int, void *, size_t, offset);                                             \
        return disturbed(READ, file, NULL) == FAIL ? -1 : real(file, data, size, at);                 \
    }
READS(pread, off_t)
READS(pread64, off64_t)
ssize_t read(int file, void *data, size_t size) {
    REAL(ssize_t, read, int, void *, size_t);
    return disturbed(READ, file, NULL) == FAIL ? -1 : real(file, data, size);
}

#define ON_FILE(name, kind)                                                                           \
    int name(int file) {                                                                              \
        REAL(int, name, int);                                                                         \
        return disturbed(kind, file, NULL) ? -1 : real(file);                                         \
    }
ON_FILE(fsync, SYNC)
ON_FILE(fdatasync, SYNC)

#define CUTS(name, offset)                                                                            \
    int name(int file, offset size) {                                                                 \
        REAL(int, name, int, offset);                                                                 \
        if (disturbed(CUT, file, NULL)) return -1;                                                    \
        frees(file, NULL, size);                                                                      \
        return real(file, size);                                                                      \
    }
CUTS(ftruncate, off_t)
CUTS(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    return disturbed(RENAME, AT_FDCWD, to) ? -1 : real(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    REAL(int, renameat, int, const char *, int, const char *);
    return disturbed(RENAME, b, to) ? -1 : real(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(int, renameat2, int, const char *, int, const char *, unsigned);
    return disturbed(RENAME, b, to) ? -1 : real(a, from, b, to, flags);
}

#define ON_PATH(name, kind)                                                                           \
    int name(const char *path) {                                                                      \
        REAL(int, name, const char *);                                                                \
        if (disturbed(kind, AT_FDCWD, path)) return -1;                                               \
        frees(AT_FDCWD, path, 0);                                                                     \
        return real(path);                                                                            \
    }
ON_PATH(unlink, REMOVE)
ON_PATH(rmdir, REMOVE)
int unlinkat(int at, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    if (disturbed(REMOVE, at, path)) return -1;
    frees(at, path, 0);
    return real(at, path, flags);
}
int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    return disturbed(MAKE, AT_FDCWD, path) ? -1 : real(path, mode);
}
int mkdirat(int at, const char *path, mode_t mode) {
    REAL(int, mkdirat, int, const char *, mode_t);
    return disturbed(MAKE, at, path) ? -1 : real(at, path, mode);
}

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define OPENS(name)                                                                                   \
    int name(const char *path, int flags, ...) {                                                      \
        REAL(int, name, const char *, int, ...);                                                      \
        va_list rest;                                                                                 \
        va_start(rest, flags);                                                                        \
        mode_t mode = va_arg(rest, mode_t);                                                           \
        va_end(rest);                                                                                 \
        if (WRITES(flags) && disturbed(OPEN, AT_FDCWD, path)) return -1;                              \
        return real(path, flags, mode);                                                               \
    }
OPENS(open)
OPENS(open64)
#define OPENS_AT(name)                                                                                \
    int name(int at, const char *path, int flags, ...) {                                              \
        REAL(int, name, int, const char *, int, ...);                                                 \
        va_list rest;                                                                                 \
        va_start(rest, flags);                                                                        \
        mode_t mode = va_arg(rest, mode_t);                                                           \
        va_end(rest);                                                                                 \
        if (WRITES(flags) && disturbed(OPEN, at, path)) return -1;                                    \
        return real(at, path, flags, mode);                                                           \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int clock_gettime(clockid_t clock, struct timespec *out) {
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int done = real(clock, out);
    if (plan && plan->clock && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t all = (int64_t)out->tv_sec * 1000000000 + out->tv_nsec + plan->clock;
        out->tv_sec = all / 1000000000;
        out->tv_nsec = all % 1000000000;
    }
    return done;
}
