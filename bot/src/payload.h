/* payload.h - from a unit of work of mirrors:claim to what Discord's message calls take.
 * Pure: no I/O, any thread. */
#ifndef BOT_PAYLOAD_H
#define BOT_PAYLOAD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "api.h"
#include "discord/error.h"
#include "discord/text.h"

/* The embeds as Discord's JSON array ("[]" for none).
 *   ret  owned, release with convex_text_free(ret, NULL)
 * Returns 0 or -ENOMEM. */
int payload_embeds(const api_work *work, char **ret);

/* The texts of the posts that this work becomes, in order: at least one, which may be "" when the
 * embeds or files stand alone. What an edit has emptied says so, as Discord takes no empty message.
 * Polls and stickers are told in words, a forwarded message says that it is one, and a post through
 * a webhook quotes what it replies to, since it cannot reply.
 * ret: release with discord_parts_done().
 *   notice  a line added at the end, or NULL
 * Returns 0, -ENOMEM, or -ENODATA when there is nothing at all to post. */
int payload_parts(const api_work *work, const char *notice, discord_parts *ret);

/* The nonce of the create of part `part`. Equal for each attempt of the same post, and of the same
 * edit; another one for every edit, as Discord answers "Unknown Message" to a nonce whose message
 * was deleted since. */
enum { PAYLOAD_NONCE_SIZE = 26 };
void payload_nonce(const api_work *work, size_t part, char ret[PAYLOAD_NONCE_SIZE]);

/* A name as Discord takes it for a webhook's message: 1 to 80 UTF-16 units, no "clyde", "discord",
 * "everyone" or "here", none of @ # : ` and no space at the ends or in a row. */
enum { PAYLOAD_NAME_SIZE = 324 };
void payload_name(const char *author, char ret[PAYLOAD_NAME_SIZE]);

/* Is `message`, as Discord lists it, what a create of this part would have made? `n_files` are the
 * files it would have had, `last` says whether it would have had the embeds. */
bool payload_matches(const api_work *work, const cJSON *message, const char *text, size_t n_files,
                     bool last);

/* What an edit keeps of the files of `message`, as Discord answered it: those that the source still
 * has. A file is told by its name and size, then by either, as Discord renames some.
 *   ret  the complete list for its `attachments`, owned, release with free(); NULL: all stay
 * Returns 0 or -ENOMEM. */
int payload_kept_files(const api_work *work, const cJSON *message, char **ret);

/* What a check posts, and takes back; one that nobody took back is nobody's post. */
extern const char payload_test_post[];
bool payload_is_test_post(const cJSON *message);

/* What to do about a failed call. */
typedef enum payload_verdict {
    PAYLOAD_RETRY,  /* later, after at least *ret_after_ms */
    PAYLOAD_DEAD,   /* this work can never succeed */
    PAYLOAD_GONE,   /* our post is not there any more */
    PAYLOAD_CLOSED, /* a person has to change something: later, as a retry, and say so */
    PAYLOAD_STOP    /* the token is refused: the program ends */
} payload_verdict;
payload_verdict payload_judge(const discord_error *error, long attempts, long long *ret_after_ms);

#endif
