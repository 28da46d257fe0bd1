/* permissions.c - what we may do in a channel, and what a person has to change.
 * Owns nothing; any thread. A thread has the permissions of its channel; who is timed out may only
 * view and read. */
#include "permissions.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "discord/permissions.h"
#include "role_rank.h"

#define BIT(n) (UINT64_C(1) << (n))

static const uint64_t VIEW_CHANNEL = BIT(10), READ_HISTORY = BIT(16), MANAGE_THREADS = BIT(34);

enum {
    TEXT = 0,
    ANNOUNCEMENT = 5,
    ANNOUNCEMENT_THREAD = 10,
    PUBLIC_THREAD = 11,
    PRIVATE_THREAD = 12
};

void findings_add(findings *self, const char *code, const char *instruction, const char *format,
                  ...)
{
    va_list args;
    if (self->count == FINDINGS_MAX)
        return;
    finding *f = &self->list[self->count++];
    snprintf(f->code, sizeof f->code, "%s", code);
    snprintf(f->instruction, sizeof f->instruction, "%s", instruction);
    va_start(args, format);
    vsnprintf(f->detail, sizeof f->detail, format, args);
    va_end(args);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

static double number_of(const cJSON *object, const char *name)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(number) ? number->valuedouble : -1;
}

static discord_permission_facts facts_of(const channel_facts *facts)
{
    return (discord_permission_facts){.guild_id = facts->guild_id,
                                      .user_id = facts->our_id,
                                      .channel = facts->parent ? facts->parent : facts->channel,
                                      .roles = facts->roles,
                                      .member = facts->member};
}

static uint64_t when_not_timed_out(const channel_facts *facts)
{
    discord_permission_facts ours = facts_of(facts);
    return discord_permissions_in(&ours);
}

uint64_t permissions_in(const channel_facts *facts)
{
    uint64_t bits = when_not_timed_out(facts);
    bool kept = bits == UINT64_MAX || !discord_is_timed_out(facts->member, facts->now_ms);
    return kept ? bits : bits & (VIEW_CHANNEL | READ_HISTORY);
}

bool is_thread(const cJSON *channel)
{
    double type = number_of(channel, "type");
    return type == ANNOUNCEMENT_THREAD || type == PUBLIC_THREAD || type == PRIVATE_THREAD;
}

typedef enum where { ANYWHERE, CHANNELS, THREADS, WEBHOOKS } where;

static const struct needed {
    uint64_t bit;
    where where;
    const char *name, *why;
} needs[] = {
    {BIT(10), ANYWHERE, "View Channel", "the bot does not see the channel"},
    {BIT(11), CHANNELS, "Send Messages", "nothing can be posted"},
    {BIT(38), THREADS, "Send Messages in Threads", "nothing can be posted in this thread"},
    {BIT(14), ANYWHERE, "Embed Links", "embeds of a signal are left out by Discord"},
    {BIT(15), ANYWHERE, "Attach Files", "charts and other files cannot be posted"},
    {BIT(16), ANYWHERE, "Read Message History",
     "replies fail, and a post of unknown outcome cannot be looked for"},
    {BIT(29), WEBHOOKS, "Manage Webhooks",
     "posts under the author's name need a webhook, which the bot makes itself"},
};

static bool applies(const struct needed *need, const channel_facts *facts)
{
    bool thread = is_thread(facts->channel);
    switch (need->where) {
    case CHANNELS:
        return !thread;
    case THREADS:
        return thread;
    case WEBHOOKS:
        return facts->webhook;
    default:
        return true;
    }
}

static void check_bits(const channel_facts *facts, findings *ret)
{
    uint64_t have = when_not_timed_out(facts);
    const char *name = text_of(facts->parent ? facts->parent : facts->channel, "name");
    char instruction[320];
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if ((have & needs[i].bit) || !applies(&needs[i], facts))
            continue;
        snprintf(instruction, sizeof instruction,
                 "In Discord open the settings of #%.80s, Permissions, and allow \"%s\" for the "
                 "bot's role.",
                 name, needs[i].name);
        findings_add(ret, "missing_permission", instruction, "The bot lacks \"%s\": %s.",
                     needs[i].name, needs[i].why);
        if (needs[i].bit == VIEW_CHANNEL) /* the others follow from it */
            return;
    }
}

static void check_thread(const channel_facts *facts, findings *ret)
{
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(facts->channel, "thread_metadata");
    bool locked = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "locked"));
    if (locked && !(when_not_timed_out(facts) & MANAGE_THREADS))
        findings_add(ret, "locked_thread",
                     "Unlock the thread, or allow \"Manage Threads\" for the bot's role.",
                     "The thread is locked.");
}

static bool check_place(const channel_facts *facts, findings *ret)
{
    double type = number_of(facts->channel, "type");
    if (strcmp(text_of(facts->channel, "guild_id"), facts->guild_id) != 0) {
        findings_add(ret, "other_guild",
                     "Choose a channel of the customers' guild, or correct the guild's id in the "
                     "community's settings.",
                     "The channel is not in the customers' guild %s.", facts->guild_id);
        return false;
    }
    if (type != TEXT && type != ANNOUNCEMENT && !is_thread(facts->channel)) {
        findings_add(ret, "not_a_text_channel",
                     "Choose a text channel, an announcement channel or a thread.",
                     "#%.80s is not a channel that messages can be posted in.",
                     text_of(facts->channel, "name"));
        return false;
    }
    return true;
}

static void check_roles(const channel_facts *facts, findings *ret)
{
    char text[200];
    const cJSON *ours = cJSON_GetObjectItemCaseSensitive(facts->member, "roles");
    for (size_t i = 0; i < facts->role_ids->count; i++) {
        convex_str_list one = {&facts->role_ids->items[i], 1};
        if (role_rank_check(facts->guild_id, facts->roles, ours, &one, text, sizeof text))
            continue;
        findings_add(ret, "role",
                     "In the server's settings, Roles: allow \"Manage Roles\" for the bot's role, "
                     "and drag it above the paid roles.",
                     "A paid role cannot be given: %s.", text);
    }
}

void permissions_check(const channel_facts *facts, findings *ret)
{
    if (!check_place(facts, ret))
        return;
    if (discord_is_timed_out(facts->member, facts->now_ms))
        findings_add(ret, "timed_out", "Remove the time-out from the bot's member entry.",
                     "The bot was given a time-out: it may read but not write.");
    check_bits(facts, ret);
    if (is_thread(facts->channel))
        check_thread(facts, ret);
    check_roles(facts, ret);
}
