/* result.c - the answer to a request, counted, and waiting for one.
 * Any thread; a wait has one waiter. */
#include "result.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

dresult *dresult_new(void)
{
    dresult *result = calloc(1, sizeof *result);

    if (result) {
        atomic_init(&result->refs, 1);
        result->public.body = "";
    }
    return result;
}

void dresult_clear(dresult *result)
{
    cJSON_Delete(result->json);
    result->json = NULL;
    result->public.json = NULL;
    result->public.body_size = 0;
    result->public.body = "";
}

bool dresult_append(dresult *result, const char *data, size_t size, size_t max)
{
    size_t have = result->public.body_size;

    if (size > max || have > max - size)
        return false;
    if (have + size + 1 > result->space) {
        size_t space = (have + size + 1) * 2;
        char *body = realloc(result->body, space);
        if (!body)
            return false;
        result->body = body;
        result->space = space;
    }
    memcpy(result->body + have, data, size);
    result->body[have + size] = '\0';
    result->public.body = result->body;
    result->public.body_size = have + size;
    return true;
}

const cJSON *dresult_parse(dresult *result)
{
    result->json = djson_parse(result->public.body, result->public.body_size);
    result->public.json = result->json;
    return result->json;
}

static dresult *writable(const discord_result *result)
{
    return (dresult *)(uintptr_t)result;
}

const discord_result *discord_result_ref(const discord_result *result)
{
    atomic_fetch_add_explicit(&writable(result)->refs, 1, memory_order_relaxed);
    return result;
}

void discord_result_unref(const discord_result *result)
{
    dresult *r = writable(result);

    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    cJSON_Delete(r->json);
    free(r->body);
    free(r);
}

struct discord_wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const discord_result *result;
};

discord_wait *discord_wait_new(void)
{
    discord_wait *wait = calloc(1, sizeof *wait);

    if (wait) {
        pthread_mutex_init(&wait->lock, NULL);
        pthread_cond_init(&wait->changed, NULL);
    }
    return wait;
}

void discord_wait_done(const discord_result *result, void *user)
{
    discord_wait *wait = user;

    pthread_mutex_lock(&wait->lock);
    wait->result = discord_result_ref(result);
    pthread_cond_signal(&wait->changed);
    pthread_mutex_unlock(&wait->lock);
}

const discord_result *discord_wait_result(discord_wait *wait)
{
    pthread_mutex_lock(&wait->lock);
    while (!wait->result)
        pthread_cond_wait(&wait->changed, &wait->lock);
    const discord_result *result = wait->result;
    wait->result = NULL;
    pthread_mutex_unlock(&wait->lock);
    return result;
}

void discord_wait_free(discord_wait *wait)
{
    if (!wait)
        return;
    discord_result_unref(wait->result);
    pthread_cond_destroy(&wait->changed);
    pthread_mutex_destroy(&wait->lock);
    free(wait);
}
