/* permissions.c - what we may do in a channel, and what a person has to change.
 * Owns nothing; any thread. Facts: Discord's "Permissions" page: base permissions are those of
 * @everyone and of our roles; Administrator is all of them; then come the channel's overwrites for
 * @everyone, for roles (all denials, then all permissions) and for us. A thread has those of its
 * channel. Who is timed out may only view and read. */
#include "permissions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "role_rank.h"

#define BIT(n) (UINT64_C(1) << (n))

static const uint64_t ADMINISTRATOR = BIT(3), VIEW_CHANNEL = BIT(10), READ_HISTORY = BIT(16),
                      MANAGE_THREADS = BIT(34);

enum {
    TEXT = 0,
    ANNOUNCEMENT = 5,
    ANNOUNCEMENT_THREAD = 10,
    PUBLIC_THREAD = 11,
    PRIVATE_THREAD = 12,
    ROLE_OVERWRITE = 0
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

/* A decimal string, as it does not fit a double. */
static uint64_t bits_of(const cJSON *object, const char *name)
{
    char *end;
    const char *text = text_of(object, name);
    errno = 0;
    unsigned long long bits = strtoull(text, &end, 10);
    return *text && !*end && errno == 0 ? bits : 0;
}

static const cJSON *by_id(const cJSON *list, const char *id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list) if (strcmp(text_of(item, "id"), id) == 0) return item;
    return NULL;
}

static bool holds(const cJSON *ids, const char *id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, ids) if (cJSON_IsString(item) &&
                                      strcmp(item->valuestring, id) == 0) return true;
    return false;
}

static const cJSON *our_roles(const channel_facts *facts)
{
    return cJSON_GetObjectItemCaseSensitive(facts->member, "roles");
}

static uint64_t base_permissions(const channel_facts *facts)
{
    uint64_t bits = bits_of(by_id(facts->roles, facts->guild_id), "permissions");
    const cJSON *id;
    cJSON_ArrayForEach(id, our_roles(facts)) if (cJSON_IsString(id)) bits |=
        bits_of(by_id(facts->roles, id->valuestring), "permissions");
    return bits;
}

static uint64_t overwritten(uint64_t bits, const cJSON *overwrite)
{
    return overwrite ? (bits & ~bits_of(overwrite, "deny")) | bits_of(overwrite, "allow") : bits;
}

static uint64_t with_overwrites(const channel_facts *facts, uint64_t bits)
{
    const cJSON *channel = facts->parent ? facts->parent : facts->channel;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(channel, "permission_overwrites");
    const cJSON *item;
    uint64_t deny = 0, allow = 0;
    bits = overwritten(bits, by_id(list, facts->guild_id));
    cJSON_ArrayForEach(item, list)
    {
        if (number_of(item, "type") != ROLE_OVERWRITE ||
            !holds(our_roles(facts), text_of(item, "id")))
            continue;
        deny |= bits_of(item, "deny");
        allow |= bits_of(item, "allow");
    }
    return overwritten((bits & ~deny) | allow, by_id(list, facts->our_id));
}

/* "2026-08-06T09:00:00.000000+00:00"; Discord always writes UTC. */
static bool is_timed_out(const channel_facts *facts)
{
    struct tm t = {0};
    const char *until = text_of(facts->member, "communication_disabled_until");
    if (!strptime(until, "%Y-%m-%dT%H:%M:%S", &t))
        return false;
    return (int64_t)timegm(&t) * 1000 > facts->now_ms;
}

static uint64_t when_not_timed_out(const channel_facts *facts)
{
    uint64_t bits = base_permissions(facts);
    if (bits & ADMINISTRATOR)
        return UINT64_MAX;
    bits = with_overwrites(facts, bits);
    return bits & VIEW_CHANNEL ? bits : 0;
}

uint64_t permissions_in(const channel_facts *facts)
{
    uint64_t bits = when_not_timed_out(facts);
    return bits != UINT64_MAX && is_timed_out(facts) ? bits & (VIEW_CHANNEL | READ_HISTORY) : bits;
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
    for (size_t i = 0; i < facts->role_ids->count; i++) {
        convex_str_list one = {&facts->role_ids->items[i], 1};
        if (role_rank_check(facts->guild_id, facts->roles, our_roles(facts), &one, text,
                            sizeof text))
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
    if (is_timed_out(facts))
        findings_add(ret, "timed_out", "Remove the time-out from the bot's member entry.",
                     "The bot was given a time-out: it may read but not write.");
    check_bits(facts, ret);
    if (is_thread(facts->channel))
        check_thread(facts, ret);
    check_roles(facts, ret);
}
