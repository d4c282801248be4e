/* Ranks of Open MPI ask for a message again and again while they wait for it, and in between give up the core for an
 * instant (sched_yield). On hosts with cores of their own that disturbs nobody; on hosts that share a machine's cores
 * they take turns with the messages they wait for. So here they sleep for that instant. */
#include <time.h>

int sched_yield(void) {
    const struct timespec instant = {0, 50000};
    return nanosleep(&instant, 0);
}
