/* listen.c - prints what a bot sees and, with a channel id, says it once there.
 *
 *     DISCORD_TOKEN=... discord-listen [--state FILE] [CHANNEL_ID]
 *
 * Ends at Ctrl-C. With --state the session is resumed by the next run. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "discord/gateway.h"

typedef struct app {
    discord_gateway *gateway;
    const char *state_file;
} app;

static void on_event(const discord_event *event, void *user)
{
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(event->data, "content");

    printf("%llu %s %s\n", (unsigned long long)event->seq, event->name,
           cJSON_IsString(content) ? content->valuestring : "");
    fflush(stdout);
}

/* A new file in the place of the old one: a kill leaves one of the two whole. */
static int on_batch_end(void *user)
{
    app *self = user;
    discord_resume_state state;
    char fresh[4096];

    if (!self->state_file)
        return 0;
    snprintf(fresh, sizeof fresh, "%s.new", self->state_file);
    FILE *file = fopen(fresh, "w");
    if (!file)
        return -1;
    discord_gateway_resume_state(self->gateway, &state);
    fprintf(file, "%s %s %llu\n", state.session_id, state.resume_gateway_url,
            (unsigned long long)state.seq);
    return fclose(file) == 0 ? rename(fresh, self->state_file) : -1;
}

static void on_state(const discord_gateway_status *status, void *user)
{
    fprintf(stderr, "state %d: %s (code %d, again in %lld ms)\n", (int)status->state,
            status->reason, status->close_code, (long long)status->retry_in_ms);
    if (status->state == DISCORD_GATEWAY_FATAL)
        kill(getpid(), SIGTERM);
}

static int load(const char *name, discord_resume_state *ret)
{
    unsigned long long seq;
    FILE *file = name ? fopen(name, "r") : NULL;
    int ok = file &&
             fscanf(file, "%127s %255s %llu", ret->session_id, ret->resume_gateway_url, &seq) == 3;

    if (file)
        fclose(file);
    ret->seq = ok ? seq : 0;
    return ok;
}

static int post(discord_rest *rest, const char *channel)
{
    discord_message message = {.content = "hello from discord-c"};
    const discord_result *result = NULL;
    discord_wait *wait = discord_wait_new();
    discord_status status =
        wait ? discord_rest_create_message(rest, channel, &message, discord_wait_done, wait)
             : DISCORD_ENOMEM;

    if (status == DISCORD_OK) {
        result = discord_wait_result(wait);
        status = result->error.status;
    }
    fprintf(stderr, "post: %s %s\n", discord_status_text(status),
            result ? result->error.message : "");
    discord_result_unref(result);
    discord_wait_free(wait);
    return status == DISCORD_OK ? 0 : -1;
}

static discord_status open_both(app *self, const char *token, discord_rest **rest,
                                const discord_resume_state *state, discord_error *error)
{
    discord_rest_options ro = DISCORD_REST_OPTIONS_INIT;
    discord_gateway_options go = DISCORD_GATEWAY_OPTIONS_INIT;
    discord_status status;

    ro.token = go.token = token;
    if (getenv("DISCORD_API_URL"))
        ro.api_url = getenv("DISCORD_API_URL");
    status = discord_rest_new(&ro, rest, error);
    if (status != DISCORD_OK)
        return status;
    go.rest = *rest;
    go.intents = DISCORD_INTENT_GUILDS | DISCORD_INTENT_GUILD_MESSAGES;
    if (getenv("DISCORD_MESSAGE_CONTENT"))
        go.intents |= DISCORD_INTENT_MESSAGE_CONTENT;
    go.resume = state;
    go.on_event = on_event;
    go.on_batch_end = on_batch_end;
    go.on_state = on_state;
    go.user = self;
    status = discord_gateway_new(&go, &self->gateway, error);
    return status == DISCORD_OK ? discord_gateway_start(self->gateway) : status;
}

int main(int argc, char **argv)
{
    app self = {NULL, NULL};
    discord_rest *rest = NULL;
    discord_resume_state state = {{0}, {0}, 0};
    discord_error error = {DISCORD_OK, 0, 0, 0, 0, ""};
    const char *token = getenv("DISCORD_TOKEN");
    sigset_t signals;
    int signal_number;

    if (argc > 2 && strcmp(argv[1], "--state") == 0) {
        self.state_file = argv[2];
        argv += 2;
        argc -= 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int loaded = load(self.state_file, &state);
    discord_status status = open_both(&self, token, &rest, loaded ? &state : NULL, &error);
    if (status != DISCORD_OK)
        fprintf(stderr, "discord-listen: %s\n", error.message);
    else if (argc < 2 || post(rest, argv[1]) == 0)
        sigwait(&signals, &signal_number);
    discord_gateway_free(self.gateway);
    discord_rest_free(rest);
    return status == DISCORD_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
