/* answer.h - what one HTTP answer of Discord says. Pure, any thread. */
#ifndef DISCORD_SRC_ANSWER_H
#define DISCORD_SRC_ANSWER_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "buckets.h"
#include "discord/error.h"

void danswer_init(dbk_facts *facts);
/* One header line as it came, with or without CRLF. A status line starts anew. */
void danswer_header(dbk_facts *facts, const char *line, size_t size);
/* The body of `size` bytes; json NULL when it is none. */
void danswer_body(dbk_facts *facts, const cJSON *json, size_t size);
/* Fills *ret from status and body; DISCORD_OK for 2xx. */
void danswer_error(const dbk_facts *facts, const cJSON *json, discord_error *ret);

#endif
