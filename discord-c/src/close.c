/* close.c - what a close code of the gateway means. No state, any thread. */
#include "session.h"

/* One row per documented code. Unknown codes are resumed: a refused resume costs one round
 * trip (op 9 corrects us), a needless identify costs events. */
static const struct close_row {
    int code;
    dgw_close_class class;
    const char *words;
} close_table[] = {
    {4000, DGW_RESUME_IT, "unknown error"},
    {4001, DGW_RESUME_IT, "unknown opcode"},
    {4002, DGW_RESUME_IT, "undecodable payload"},
    {4003, DGW_NEW_SESSION, "not authenticated"},
    {4004, DGW_FATAL, "Discord refused the token (authentication failed): check the bot token"},
    {4005, DGW_RESUME_IT, "already authenticated"},
    {4007, DGW_NEW_SESSION, "invalid sequence number"},
    {4008, DGW_RESUME_IT, "sent too fast"},
    {4009, DGW_NEW_SESSION, "session timed out"},
    {4010, DGW_FATAL, "invalid shard: check shard id and count"},
    {4011, DGW_FATAL, "sharding required: the bot is in too many guilds for one connection"},
    {4012, DGW_FATAL, "invalid gateway version: this build is too old for Discord"},
    {4013, DGW_FATAL, "invalid intents: the number of intents is wrong"},
    {4014, DGW_FATAL,
     "disallowed intents: switch the privileged intents (message content, server members) on "
     "for this bot in the developer portal"},
};

dgw_close_class dgw_classify_close(int code, const char **ret_words)
{
    for (size_t i = 0; i < sizeof close_table / sizeof *close_table; i++)
        if (close_table[i].code == code) {
            *ret_words = close_table[i].words;
            return close_table[i].class;
        }
    *ret_words = code ? "closed by the server" : "connection lost";
    return DGW_RESUME_IT;
}
