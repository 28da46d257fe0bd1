/* readable.c - whether we may read a channel's history.
 * Owns copies of Discord's answers. Invariant: what was not answered permits nothing. */
#include "readable.h"

#include <errno.h>

#include "discord/permissions.h"

#define VIEW_AND_READ ((UINT64_C(1) << 10) | (UINT64_C(1) << 16))

enum { CHANNEL, ROLES, MEMBER };

discord_status readable_ask(const readable *self, discord_rest *rest, const capture_place *place,
                            const char *own_id, discord_done_fn *on_done, void *user)
{
    switch (self->count) {
    case CHANNEL:
        return discord_rest_get_channel(rest, place->channel_id, on_done, user);
    case ROLES:
        return discord_rest_get_roles(rest, place->guild_id, on_done, user);
    default:
        return discord_rest_get_member(rest, place->guild_id, own_id, on_done, user);
    }
}

int readable_take(readable *self, const discord_result *answer)
{
    cJSON *copy = cJSON_Duplicate(answer->json, true);
    if (!copy && answer->json)
        return -ENOMEM;
    self->answers[self->count++] = copy;
    return 0;
}

bool readable_is(const readable *self, const capture_place *place, const char *own_id)
{
    discord_permission_facts facts = {.guild_id = place->guild_id,
                                      .user_id = own_id,
                                      .channel = self->answers[CHANNEL],
                                      .roles = self->answers[ROLES],
                                      .member = self->answers[MEMBER]};
    return self->count == READABLE_ASKS &&
           (discord_permissions_in(&facts) & VIEW_AND_READ) == VIEW_AND_READ;
}

void readable_done(readable *self)
{
    while (self->count > 0)
        cJSON_Delete(self->answers[--self->count]);
}
