/* token.c - tokens and the keys they are made with. */
#include "convexc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- show ---- */

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* One part of a token: base64url of JSON. */
static convex_status read_part(const char *part, size_t len, convex_value **ret)
{
    char *json = malloc(len + 1);
    size_t size = 0;
    unsigned bits = 0, held = 0;
    convex_status status = json ? CONVEX_OK : CONVEX_ENOMEM;

    for (size_t i = 0; i < len && status == CONVEX_OK; i++) {
        int digit = digit_of(part[i]);
        if (digit < 0)
            status = CONVEX_EINVAL;
        bits = bits << 6 | ((unsigned)digit & 63);
        held += 6;
        if (held >= 8)
            json[size++] = (char)(bits >> (held -= 8));
    }
    if (status == CONVEX_OK)
        status = convex_value_parse(json, size, CONVEX_PLAIN_JSON, 0, NULL, ret, NULL);
    free(json);
    return status;
}

static int print_part(const char *name, const char *part, size_t len)
{
    char *text = NULL;
    convex_value *value = NULL;
    convex_status status = read_part(part, len, &value);

    if (status == CONVEX_OK)
        status = convex_value_print(value, CONVEX_PLAIN_JSON, NULL, &text, NULL);
    if (status == CONVEX_OK)
        printf("\"%s\":%s,", name, text);
    convex_text_free(text, NULL);
    convex_value_unref(value);
    if (status == CONVEX_EINVAL)
        return fail(EXIT_USAGE, "this is no JWT: its %s is no base64url of JSON", name);
    return status == CONVEX_OK ? EXIT_DONE : fail_with(status, NULL);
}

char *token_issuer(const char *token)
{
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    convex_value *claims = NULL;
    const char *issuer = NULL;

    if (second && read_part(first + 1, (size_t)(second - first - 1), &claims) == CONVEX_OK)
        issuer = convex_value_string(convex_value_field(claims, "iss"), NULL);
    char *copy = issuer ? strdup(issuer) : NULL;
    convex_value_unref(claims);
    return copy;
}

static int show(const char *token)
{
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    double issued = NAN, expires = NAN;

    if (!second || strchr(second + 1, '.') ||
        convex_jwt_times(token, &issued, &expires) != CONVEX_OK)
        return fail(EXIT_USAGE, "this is no JWT");
    putchar('{');
    int r = print_part("header", token, (size_t)(first - token));
    if (r == EXIT_DONE)
        r = print_part("claims", first + 1, (size_t)(second - first - 1));
    if (r != EXIT_DONE)
        return r;
    if (isnan(expires))
        puts("\"expiresInSeconds\":null}");
    else
        printf("\"expiresInSeconds\":%.0f}\n", expires - (double)time(NULL));
    return EXIT_DONE;
}

int run_token_show(const settings *s)
{
    settings from = *s;
    credential who;

    if (s->operand_count > 0)
        from.token_file = s->operands[0];
    int r = open_credential(&from, &who);
    if (r == EXIT_DONE && who.auth.kind != CONVEX_AUTH_USER_TOKEN)
        r = fail(EXIT_USAGE, "there is no token: name a file, or set CONVEX_AUTH_TOKEN");
    else if (r == EXIT_DONE)
        r = show(who.auth.token);
    close_credential(&who);
    return r;
}

/* ---- mint ---- */

int run_token_mint(const settings *s)
{
    convex_identity *identity = NULL;
    convex_error error;
    char *token = NULL;

    if (!s->key_file)
        return fail(EXIT_USAGE, "--key-file is missing");
    int r = make_identity(s, s->key_file, &identity);
    if (r == EXIT_DONE) {
        convex_status status = convex_identity_token(identity, 0, &token, &error);
        if (status == CONVEX_OK)
            puts(token);
        else
            r = fail_with(status, &error);
    }
    convex_text_free(token, NULL);
    convex_identity_free(identity);
    return r;
}

/* ---- keys ---- */

int run_keys_generate(const settings *s)
{
    char kid[CONVEX_KID_SIZE];
    convex_error error;
    bool rsa = s->algorithm && strcmp(s->algorithm, "RS256") == 0;

    if (s->algorithm && !rsa && strcmp(s->algorithm, "ES256") != 0)
        return fail(EXIT_USAGE, "no such algorithm: %s", s->algorithm);
    convex_status status = convex_keys_generate(
        s->operands[0], rsa ? CONVEX_KEY_RS256 : CONVEX_KEY_ES256, kid, &error);
    if (status != CONVEX_OK)
        return fail(EXIT_LOCAL, "%s", error.message);
    puts(kid);
    return EXIT_DONE;
}

static int print_keys(const settings *s, bool config)
{
    convex_key_file keys[OPERANDS_MAX] = {{.file = NULL}};
    size_t count = (size_t)s->operand_count;
    convex_error error;
    char *text = NULL;

    for (size_t i = 0; i < count; i++)
        keys[i].file = s->operands[i];
    convex_status status =
        config ? convex_keys_auth_config(keys, count, s->issuer, s->audience, NULL, &text, &error)
               : convex_keys_jwks(keys, count, NULL, &text, &error);
    if (status != CONVEX_OK)
        return fail_with(status, &error);
    printf("%s%s", text, config ? "" : "\n");
    convex_text_free(text, NULL);
    return EXIT_DONE;
}

int run_keys_jwks(const settings *s)
{
    return print_keys(s, false);
}

int run_keys_config(const settings *s)
{
    return s->issuer ? print_keys(s, true) : fail(EXIT_USAGE, "--issuer is missing");
}
