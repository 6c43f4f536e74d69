/* Answers for the wall clock with STELLA_TEST_CLOCK; monotonic clocks are left alone. See clock.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t told(void) { return (time_t)strtoll(getenv("STELLA_TEST_CLOCK"), 0, 10); }

int clock_gettime(clockid_t clock, struct timespec *out) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return real(clock, out);
    out->tv_sec = told();
    out->tv_nsec = 0;
    return 0;
}

int gettimeofday(struct timeval *out, void *zone) {
    (void)zone;
    out->tv_sec = told();
    out->tv_usec = 0;
    return 0;
}

time_t time(time_t *out) {
    if (out) *out = told();
    return told();
}
