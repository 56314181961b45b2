/* What it costs at least to have another thread do something and to be told: two wake-ups by condition variables. */
#include "baseline.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct baseline_pair {
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    pthread_t thread;
    uint64_t questions, answers;
    bool stop;
};

static void *answer(void *user) {
    baseline_pair *pair = user;
    pthread_mutex_lock(&pair->lock);
    for (;;) {
        while (pair->answers == pair->questions && !pair->stop) pthread_cond_wait(&pair->asked, &pair->lock);
        if (pair->stop) break;
        pair->answers++;
        pthread_cond_signal(&pair->answered);
    }
    pthread_mutex_unlock(&pair->lock);
    return NULL;
}

baseline_pair *baseline_pair_start(void) {
    baseline_pair *pair = calloc(1, sizeof *pair);
    if (!pair) return NULL;
    pthread_mutex_init(&pair->lock, NULL);
    pthread_cond_init(&pair->asked, NULL);
    pthread_cond_init(&pair->answered, NULL);
    if (pthread_create(&pair->thread, NULL, answer, pair) == 0) return pair;
    free(pair);
    return NULL;
}

void baseline_pair_round(baseline_pair *pair) {
    pthread_mutex_lock(&pair->lock);
    pair->questions++;
    pthread_cond_signal(&pair->asked);
    while (pair->answers != pair->questions) pthread_cond_wait(&pair->answered, &pair->lock);
    pthread_mutex_unlock(&pair->lock);
}

void baseline_pair_stop(baseline_pair *pair) {
    if (!pair) return;
    pthread_mutex_lock(&pair->lock);
    pair->stop = true;
    pthread_cond_signal(&pair->asked);
    pthread_mutex_unlock(&pair->lock);
    pthread_join(pair->thread, NULL);
    pthread_cond_destroy(&pair->answered);
    pthread_cond_destroy(&pair->asked);
    pthread_mutex_destroy(&pair->lock);
    free(pair);
}
