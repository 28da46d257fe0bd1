/* discord/attachment.h - addresses of attachments, which Discord signs and lets expire.
 *
 * Copy the bytes when a message is captured; an address kept for later is dead by then. */
#ifndef DISCORD_ATTACHMENT_H
#define DISCORD_ATTACHMENT_H

#include "discord/rest.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DISCORD_REFRESH_MAX 50

/* When a signed address expires, ms since 1970; -1 when it carries no `ex`. */
DISCORD_API int64_t discord_attachment_expires_ms(const char *url);

/* Asks for fresh signatures; calls as those of discord/rest.h.
 *   urls   borrowed, copied before return; 1..DISCORD_REFRESH_MAX
 * The result's json: {"refreshed_urls": [{"original": "...", "refreshed": "..." or null}]}; null:
 * there is no such file any more.
 * Discord does not document this call. When it fails with anything but a limit or the network,
 * fetch the message anew (discord_rest_get_message): its attachments carry fresh addresses. */
DISCORD_API discord_status discord_rest_refresh_urls(discord_rest *rest, const char *const *urls,
                                                     size_t n_urls, discord_done_fn *on_done,
                                                     void *user);

#ifdef __cplusplus
}
#endif
#endif
