/* upsert.h - an event for signals:record, made of what Discord says of a message.
 *
 * Plain data, one thread at a time. What is set points into the payload, and into memory that
 * upsert_done() gives back. A key that the payload does not carry is not set: absent, null and
 * empty are three things. */
#ifndef COLLECTOR_UPSERT_H
#define COLLECTOR_UPSERT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "api.h"

enum { UPSERT_EPHEMERAL = 1 << 6, UPSERT_LOADING = 1 << 7, UPSERT_COMPONENTS_V2 = 1 << 15 };

typedef struct upsert {
    api_source_event event; /* zero but for its tag and ids */
    api_author author;
    api_message_kind kind;
    api_embed_list embeds;
    api_attachment_list attachments;
    api_sticker_list stickers;
    api_poll poll;
    double sent_at, edited_at, ends_at;
    char avatar_url[256];
    struct upsert_piece *memory;
    struct trade_readings *trades;
    bool failed; /* no memory */
} upsert;

void upsert_done(upsert *self);

/* member may be NULL. */
void upsert_set_author(upsert *self, const cJSON *author, const cJSON *member, bool is_bot);
void upsert_set_times(upsert *self, const cJSON *message);
/* Kind, text, embeds, files, stickers and poll; of a forward those of its snapshot.
 *   author_known  else its embeds are left out: a person's are only previews of links
 *   is_bot        its embeds are its own */
void upsert_set_body(upsert *self, const cJSON *message, bool author_known, bool is_bot);

/* A forward whose snapshot is not in the payload: its outer text is empty and says nothing. */
bool upsert_lacks_snapshot(const cJSON *message);

/* Small readers of Discord's JSON. NULL and 0 for what is not there. */
const cJSON *upsert_field(const cJSON *object, const char *name);
const char *upsert_text(const cJSON *object, const char *name);
double upsert_number(const cJSON *object, const char *name, double fallback);
unsigned upsert_flags(const cJSON *message);
bool upsert_is_id(const char *text); /* a snowflake */

#endif
