/* text.c - a growing text.
 * Owns its buffer until it is taken. One thread at a time. */
#include "text.h"

#include <string.h>

void cvx_text_init(cvx_text *t, const convex_mem *mem)
{
    *t = (cvx_text){.mem = cvx_mem(mem)};
}

void cvx_text_done(cvx_text *t)
{
    cvx_free(&t->mem, t->data);
    t->data = NULL;
    t->len = t->capacity = 0;
}

char *cvx_text_room(cvx_text *t, size_t len)
{
    if (t->status != CONVEX_OK)
        return NULL;
    if (t->capacity - t->len > len) /* one byte stays for the NUL */
        return t->data + t->len;
    if (len > SIZE_MAX / 4 || t->len > SIZE_MAX / 4) {
        t->status = CONVEX_ELIMIT;
        return NULL;
    }
    size_t capacity = t->capacity < 64 ? 128 : t->capacity * 2;
    if (capacity < t->len + len + 1)
        capacity = t->len + len + 1;
    char *data = cvx_realloc(&t->mem, t->data, capacity);
    if (data == NULL) {
        t->status = CONVEX_ENOMEM;
        return NULL;
    }
    t->data = data;
    t->capacity = capacity;
    return data + t->len;
}

void cvx_text_add(cvx_text *t, const char *data, size_t len)
{
    char *room = cvx_text_room(t, len);
    if (room == NULL || len == 0)
        return;
    memcpy(room, data, len);
    t->len += len;
}

void cvx_text_add_str(cvx_text *t, const char *text)
{
    cvx_text_add(t, text, strlen(text));
}

convex_status cvx_text_take(cvx_text *t, char **ret, size_t *ret_len)
{
    char *end = cvx_text_room(t, 0);
    if (end == NULL) {
        convex_status status = t->status;
        cvx_text_done(t);
        t->status = CONVEX_OK;
        return status;
    }
    *end = '\0';
    *ret = t->data;
    if (ret_len != NULL)
        *ret_len = t->len;
    t->data = NULL;
    t->len = t->capacity = 0;
    return CONVEX_OK;
}
