/* sources.c - the SOURCES_FILE.
 * Owns the keys and texts of one set; immutable once loaded, so any thread may read it.
 * Invariant: a set that was handed out has a key for every secret and no two sources of one name.
 */
#include "sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "facts.h"
#include "json.h"
#include "timestamp.h"

enum {
    FILE_MAX_BYTES = 4 << 20,
    SECRET_MAX_BYTES = SIGNATURE_SECRET_MAX,
    NAME_MAX_BYTES = 64,
    API_TEXT_MAX = 200
};

struct sources {
    atomic_int references;
    source *list;
    size_t count;
};

/* What is being read, for messages: "$.sources[0].secrets[1]". */
typedef struct loader {
    json_document document;
    char path[200];
    char *reason;
    size_t reason_size;
    int result;
} loader;

__attribute__((format(printf, 3, 4))) static bool refuse(loader *l, const char *member,
                                                         const char *format, ...)
{
    va_list args;
    int n;

    if (l->result < 0)
        return false;
    l->result = -EINVAL;
    n = snprintf(l->reason, l->reason_size, "%s%s%s: ", l->path, *member ? "." : "", member);
    va_start(args, format);
    if (n >= 0 && (size_t)n < l->reason_size)
        vsnprintf(l->reason + n, l->reason_size - (size_t)n, format, args);
    va_end(args);
    return false;
}

static bool no_memory(loader *l)
{
    if (l->result == 0) {
        l->result = -ENOMEM;
        snprintf(l->reason, l->reason_size, "out of memory");
    }
    return false;
}

/* ---- members ---- */

/* A misspelt setting must not be taken for an absent one. */
static bool only_known(loader *l, const json_node *object, const char *const *names)
{
    if (object->type != JSON_OBJECT)
        return refuse(l, "", "expected an object");
    for (const json_node *m = json_first(&l->document, object); m; m = json_next(&l->document, m)) {
        bool known = false;

        for (int i = 0; names[i]; i++)
            known = known || (strlen(names[i]) == m->name_size &&
                              memcmp(names[i], m->name, m->name_size) == 0);
        if (!known)
            return refuse(l, "", "unknown member \"%.*s\"",
                          (int)(m->name_size < 60 ? m->name_size : 60), m->name);
    }
    return true;
}

/* A string member, copied; NULL in *ret if absent and not required. */
static bool read_text(loader *l, const json_node *object, const char *name, bool required,
                      char **ret)
{
    const json_node *node = json_member(&l->document, object, name);

    *ret = NULL;
    if (node == NULL)
        return !required || refuse(l, name, "is missing: expected a string");
    if (node->type != JSON_STRING || memchr(node->text, '\0', node->size))
        return refuse(l, name, "expected a string");
    *ret = strndup(node->text, node->size);
    return *ret || no_memory(l);
}

static bool is_name(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size <= NAME_MAX_BYTES &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") == size;
}

static bool read_name(loader *l, const json_node *object, const char *name, char **ret)
{
    return read_text(l, object, name, true, ret) &&
           (is_name(*ret) ||
            refuse(l, name, "expected 1 to %d of a-z, 0-9, '-' and '_'", NAME_MAX_BYTES));
}

static bool read_date(loader *l, const json_node *object, const char *name, int64_t absent,
                      int64_t *ret)
{
    const json_node *node = json_member(&l->document, object, name);

    *ret = absent;
    if (node == NULL || node->type == JSON_NULL)
        return true;
    return (node->type == JSON_STRING && timestamp_parse(node->text, node->size, ret)) ||
           refuse(l, name, "expected a date such as \"2026-01-31\" or \"2026-01-31T12:00:00Z\"");
}

/* ---- secrets ---- */

static int read_file(const char *path, size_t limit, char **ret, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r = fd < 0 ? -errno : 0;
    char *text = r == 0 ? malloc(limit + 1) : NULL;
    size_t size = 0;

    if (r == 0 && text == NULL)
        r = -ENOMEM;
    for (ssize_t n = 1; r == 0 && n > 0 && size <= limit; size += n > 0 ? (size_t)n : 0) {
        n = read(fd, text + size, limit + 1 - size);
        r = n < 0 ? -errno : 0;
    }
    if (r == 0 && size > limit)
        r = -EFBIG;
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        free(text);
        return r;
    }
    *ret = text;
    *ret_size = size;
    return 0;
}

static bool secret_from_file(loader *l, const char *member, const char *path, char **ret,
                             size_t *ret_size)
{
    int r = read_file(path, SECRET_MAX_BYTES, ret, ret_size);

    if (r < 0)
        return refuse(l, member, "cannot read \"%s\": %s", path, strerror(-r));
    while (*ret_size > 0 && ((*ret)[*ret_size - 1] == '\n' || (*ret)[*ret_size - 1] == '\r'))
        (*ret_size)--;
    (*ret)[*ret_size] = '\0';
    return *ret_size > 0 || refuse(l, member, "\"%s\" is empty", path);
}

static bool secret_from_variable(loader *l, const char *member, const char *name, char **ret,
                                 size_t *ret_size)
{
    const char *value = getenv(name);

    if (value == NULL || *value == '\0')
        return refuse(l, member, "the variable %s is not set, or empty", name);
    *ret = strdup(value);
    if (*ret == NULL)
        return no_memory(l);
    *ret_size = strlen(value);
    return true;
}

/* From one of two members: the name of a variable, or of a file. `ret` is wiped by the caller. */
static bool read_hidden(loader *l, const json_node *node, const char *variable_name,
                        const char *file_name, char **ret, size_t *ret_size)
{
    char *variable = NULL, *path = NULL;
    bool ok = read_text(l, node, variable_name, false, &variable) &&
              read_text(l, node, file_name, false, &path);

    if (ok && (variable == NULL) == (path == NULL))
        ok = refuse(l, "", "expected either %s or %s", variable_name, file_name);
    if (ok)
        ok = variable ? secret_from_variable(l, variable_name, variable, ret, ret_size)
                      : secret_from_file(l, file_name, path, ret, ret_size);
    if (ok)
        daemon_log_redact(*ret);
    free(variable);
    free(path);
    return ok;
}

static bool make_key(loader *l, const signature_scheme *scheme, const char *secret, size_t size,
                     signature_key **ret)
{
    bool misspelt = false;

    *ret = signature_key_new(scheme, secret, size, &misspelt);
    if (misspelt)
        return refuse(l, "", "the secret is not spelt as signature.spelling says");
    return *ret || no_memory(l);
}

static bool read_key(loader *l, const json_node *node, const signature_scheme *scheme,
                     signature_key **ret)
{
    char *secret = NULL;
    size_t size = 0;
    bool ok = read_hidden(l, node, "secret_env", "secret_file", &secret, &size) &&
              make_key(l, scheme, secret, size, ret);

    if (secret)
        explicit_bzero(secret, size);
    free(secret);
    return ok;
}

static bool read_secret(loader *l, const json_node *node, const signature_scheme *scheme,
                        source_secret *ret)
{
    static const char *const names[] = {"id",         "secret_env", "secret_file",
                                        "not_before", "not_after",  NULL};

    return only_known(l, node, names) && read_name(l, node, "id", &ret->id) &&
           read_date(l, node, "not_before", INT64_MIN, &ret->not_before) &&
           read_date(l, node, "not_after", INT64_MAX, &ret->not_after) &&
           (ret->not_before < ret->not_after ||
            refuse(l, "not_after", "is not after not_before")) &&
           read_key(l, node, scheme, &ret->key);
}

static bool same_id(const source *s, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(s->secrets[k].id, s->secrets[i].id) == 0)
            return true;
    return false;
}

static bool read_secrets(loader *l, const json_node *object, source *s)
{
    const json_node *list = json_member(&l->document, object, "secrets");
    size_t length = strlen(l->path);

    if (list == NULL || list->type != JSON_ARRAY || list->count == 0)
        return refuse(l, "secrets", "expected a list of at least one secret");
    s->secrets = calloc(list->count + 1, sizeof(*s->secrets)); /* an empty one ends it */
    if (s->secrets == NULL)
        return no_memory(l);
    for (const json_node *n = json_first(&l->document, list); n;
         n = json_next(&l->document, n), s->secret_count++) {
        snprintf(l->path + length, sizeof(l->path) - length, ".secrets[%zu]", s->secret_count);
        if (!read_secret(l, n, &s->scheme, &s->secrets[s->secret_count]))
            return false;
        if (same_id(s, s->secret_count))
            return refuse(l, "id", "is used twice");
    }
    l->path[length] = '\0';
    return true;
}

/* ---- sources ---- */

/* One of a few words; `names` ends with NULL. *ret stays what it is if the member is absent. */
static bool read_choice(loader *l, const json_node *object, const char *name,
                        const char *const *names, int *ret)
{
    const json_node *node = json_member(&l->document, object, name);
    char words[120] = "";

    if (node == NULL)
        return true;
    for (int i = 0; names[i]; i++) {
        if (json_is_string(node, names[i])) {
            *ret = i;
            return true;
        }
        snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s\"%s\"", i ? ", " : "",
                 names[i]);
    }
    return refuse(l, name, "expected one of %s", words);
}

static bool is_header(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size <= NAME_MAX_BYTES &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == size;
}

/* A text of the scheme; the copy lives with the source. */
static bool read_part(loader *l, const json_node *object, const char *name, bool header,
                      char **keep, const char **ret)
{
    if (!read_text(l, object, name, false, keep))
        return false;
    if (*keep == NULL)
        return true;
    if (header && !is_header(*keep))
        return refuse(l, name, "expected the name of a header");
    *ret = *keep;
    return true;
}

static bool read_choices(loader *l, const json_node *node, signature_scheme *ret)
{
    static const char *const forms[] = {"plain", "pairs", "list", NULL};
    static const char *const encodings[] = {"hex", "base64", "base64url", NULL};
    static const char *const hashes[] = {"sha256", "sha512", "sha1", NULL};
    static const char *const overs[] = {"body", "time.body", "id.time.body", NULL};
    static const char *const units[] = {"s", "ms", NULL};
    static const char *const spellings[] = {"as-is", "hex", "base64", "whsec", NULL};
    int form = (int)ret->form, encoding = (int)ret->encoding, hash = (int)ret->hash;
    int over = (int)ret->over, unit = ret->time_in_ms, spelling = (int)ret->spelling;
    bool ok = read_choice(l, node, "form", forms, &form) &&
              read_choice(l, node, "encoding", encodings, &encoding) &&
              read_choice(l, node, "hash", hashes, &hash) &&
              read_choice(l, node, "over", overs, &over) &&
              read_choice(l, node, "time_unit", units, &unit) &&
              read_choice(l, node, "spelling", spellings, &spelling);

    ret->form = (signature_form)form;
    ret->encoding = (signature_encoding)encoding;
    ret->hash = (signature_hash)hash;
    ret->over = (signature_signed)over;
    ret->time_in_ms = unit == 1;
    ret->spelling = (signature_spelling)spelling;
    return ok;
}

static bool read_tolerance(loader *l, const json_node *object, int64_t *ret)
{
    const json_node *node = json_member(&l->document, object, "tolerance_s");

    if (node == NULL)
        return true;
    return (fact_integer(node, ret) && *ret >= 1 && *ret <= 86400) ||
           refuse(l, "tolerance_s", "expected a whole number of seconds, 1 to 86400");
}

/* Settings that contradict each other would refuse every event, or check less than they say. */
static bool check_scheme(loader *l, const signature_scheme *scheme)
{
    if (scheme->form == SIGNATURE_PAIRS && scheme->over == SIGNATURE_BODY)
        return refuse(l, "over", "\"pairs\" carry a time, which must be signed");
    if (scheme->over != SIGNATURE_BODY && scheme->form != SIGNATURE_PAIRS &&
        !scheme->time_header[0])
        return refuse(l, "time_header", "is missing: a time is signed");
    if (scheme->over == SIGNATURE_ID_TIME_BODY && !scheme->id_header[0])
        return refuse(l, "id_header", "is missing: an id is signed");
    return true;
}

static bool read_signature(loader *l, const json_node *object, source *s)
{
    static const char *const names[] = {
        "header",      "prefix",    "form",      "encoding",    "hash",     "over", "separator",
        "time_header", "id_header", "time_unit", "tolerance_s", "spelling", NULL};
    const json_node *node = json_member(&l->document, object, "signature");
    size_t length = strlen(l->path);
    signature_scheme *scheme = &s->scheme;

    *scheme = s->provider->scheme;
    if (node == NULL)
        return true;
    snprintf(l->path + length, sizeof(l->path) - length, ".signature");
    if (!only_known(l, node, names) ||
        !read_part(l, node, "header", true, &s->texts[0], &scheme->header) ||
        !read_part(l, node, "prefix", false, &s->texts[1], &scheme->prefix) ||
        !read_part(l, node, "separator", false, &s->texts[2], &scheme->separator) ||
        !read_part(l, node, "time_header", true, &s->texts[3], &scheme->time_header) ||
        !read_part(l, node, "id_header", true, &s->texts[4], &scheme->id_header) ||
        !read_choices(l, node, scheme) || !read_tolerance(l, node, &scheme->tolerance_s) ||
        !check_scheme(l, scheme))
        return false;
    l->path[length] = '\0';
    return true;
}

static bool read_number(loader *l, const json_node *object, const char *name, int64_t most,
                        int64_t *ret)
{
    const json_node *node = json_member(&l->document, object, name);

    if (node == NULL)
        return true;
    return (fact_integer(node, ret) && *ret >= 1 && *ret <= most) ||
           refuse(l, name, "expected a whole number, 1 to %lld", (long long)most);
}

static bool read_limits(loader *l, const json_node *object, source *s)
{
    static const char *const names[] = {"body_bytes", "per_second", "burst", NULL};
    const json_node *node = json_member(&l->document, object, "limits");
    size_t length = strlen(l->path);

    if (node == NULL)
        return true;
    snprintf(l->path + length, sizeof(l->path) - length, ".limits");
    if (!only_known(l, node, names) ||
        !read_number(l, node, "body_bytes", INT64_C(16) << 20, &s->body_bytes) ||
        !read_number(l, node, "per_second", 1000000, &s->per_second) ||
        !read_number(l, node, "burst", 1000000, &s->burst))
        return false;
    if (s->burst && !s->per_second)
        return refuse(l, "burst", "means nothing without per_second");
    if (!s->burst)
        s->burst = s->per_second;
    l->path[length] = '\0';
    return true;
}

/* What goes into requests: nothing that could end a header, no more than their buffers take. */
static bool is_plain(const char *text, size_t limit)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return size > 0 && size <= limit;
}

static bool check_api(loader *l, const source *s)
{
    if (!is_plain(s->api_token, SECRET_MAX_BYTES))
        return refuse(l, "", "the token has characters that no token has, or is too long");
    if (s->api_store && !is_plain(s->api_store, API_TEXT_MAX))
        return refuse(l, "store", "expected at most %d letters without blanks", API_TEXT_MAX);
    if (!is_plain(s->api_url, API_TEXT_MAX) ||
        (strncmp(s->api_url, "https://", 8) != 0 && strncmp(s->api_url, "http://", 7) != 0))
        return refuse(l, "url", "expected an http or https address");
    return true;
}

static bool read_api(loader *l, const json_node *object, source *s)
{
    static const char *const names[] = {"token_env", "token_file", "store", "url", NULL};
    const json_node *node = json_member(&l->document, object, "api");
    size_t length = strlen(l->path), size = 0;

    if (node == NULL)
        return true;
    snprintf(l->path + length, sizeof(l->path) - length, ".api");
    if (s->provider->api == NULL)
        return refuse(l, "", "%s has no API that we know", s->provider->name);
    if (!only_known(l, node, names) ||
        !read_hidden(l, node, "token_env", "token_file", &s->api_token, &size) ||
        !read_text(l, node, "store", s->provider->api->store_header != NULL, &s->api_store) ||
        !read_text(l, node, "url", false, &s->api_url))
        return false;
    if (s->api_url == NULL)
        s->api_url = strdup(s->provider->api->url);
    if (s->api_url == NULL)
        return no_memory(l);
    if (!check_api(l, s))
        return false;
    l->path[length] = '\0';
    return true;
}

static bool read_source(loader *l, const json_node *node, source *s)
{
    static const char *const names[] = {"community", "source", "provider", "secrets",
                                        "signature", "limits", "api",      NULL};
    char *name = NULL;
    bool ok = only_known(l, node, names) && read_name(l, node, "community", &s->community) &&
              read_name(l, node, "source", &s->name) && read_text(l, node, "provider", true, &name);

    if (ok) {
        s->provider = provider_find(name);
        ok = s->provider || refuse(l, "provider", "expected one of: %s", provider_names());
    }
    free(name);
    return ok && read_signature(l, node, s) && read_secrets(l, node, s) &&
           read_limits(l, node, s) && read_api(l, node, s);
}

static bool read_all(loader *l, sources *set)
{
    static const char *const names[] = {"sources", NULL};
    const json_node *root = json_root(&l->document), *list;

    if (!only_known(l, root, names))
        return false;
    list = json_member(&l->document, root, "sources");
    if (list == NULL || list->type != JSON_ARRAY || list->count == 0)
        return refuse(l, "sources", "expected a list of at least one source");
    set->list = calloc(list->count, sizeof(*set->list));
    if (set->list == NULL)
        return no_memory(l);
    for (const json_node *n = json_first(&l->document, list); n; n = json_next(&l->document, n)) {
        source *s = &set->list[set->count++];

        snprintf(l->path, sizeof(l->path), "$.sources[%zu]", set->count - 1);
        if (!read_source(l, n, s))
            return false;
        if (sources_find(set, s->community, strlen(s->community), s->name, strlen(s->name)) != s)
            return refuse(l, "source", "community \"%s\" has a source \"%s\" already", s->community,
                          s->name);
    }
    return true;
}

int sources_load(const char *path, sources **ret, char *reason, size_t reason_size)
{
    loader l = {.path = "$", .reason = reason, .reason_size = reason_size};
    sources *set = calloc(1, sizeof(*set));
    json_error error = {0, ""};
    char *text = NULL;
    size_t size = 0;
    int r = set ? read_file(path, FILE_MAX_BYTES, &text, &size) : -ENOMEM;

    if (set)
        atomic_init(&set->references, 1);
    if (r < 0) {
        snprintf(reason, reason_size, "cannot read \"%s\": %s", path, strerror(-r));
    } else {
        r = json_parse(text, size, &l.document, &error);
        if (r < 0)
            snprintf(reason, reason_size, "\"%s\" is not JSON: %s at byte %zu", path, error.reason,
                     error.offset);
    }
    free(text);
    if (r == 0 && !read_all(&l, set))
        r = l.result;
    json_done(&l.document);
    if (r < 0)
        sources_unref(set);
    else
        *ret = set;
    return r;
}

sources *sources_ref(sources *set)
{
    atomic_fetch_add(&set->references, 1);
    return set;
}

void sources_unref(sources *set)
{
    if (set == NULL || atomic_fetch_sub(&set->references, 1) > 1)
        return;
    for (size_t i = 0; i < set->count; i++) {
        source *s = &set->list[i];

        /* Not by the count: the last may not have been read to its end. */
        for (size_t k = 0; s->secrets && s->secrets[k].id; k++) {
            free(s->secrets[k].id);
            signature_key_free(s->secrets[k].key);
        }
        free(s->secrets);
        if (s->api_token)
            explicit_bzero(s->api_token, strlen(s->api_token));
        free(s->api_token);
        free(s->api_store);
        free(s->api_url);
        free(s->community);
        free(s->name);
        for (size_t k = 0; k < sizeof(s->texts) / sizeof(*s->texts); k++)
            free(s->texts[k]);
    }
    free(set->list);
    free(set);
}

size_t sources_count(const sources *set)
{
    return set->count;
}

const source *sources_at(const sources *set, size_t i)
{
    return &set->list[i];
}

static bool equal(const char *text, const char *bytes, size_t size)
{
    return text && strlen(text) == size && memcmp(text, bytes, size) == 0;
}

const source *sources_find(const sources *set, const char *community, size_t community_size,
                           const char *name, size_t name_size)
{
    for (size_t i = 0; i < set->count; i++)
        if (equal(set->list[i].community, community, community_size) &&
            equal(set->list[i].name, name, name_size))
            return &set->list[i];
    return NULL;
}

const source_secret *source_verify(const source *from, const signature_claim *claim, int64_t now_ms)
{
    const source_secret *matched = NULL;
    signature_offer offer;

    if (!signature_read(&from->scheme, claim, now_ms, &offer))
        return NULL;
    for (size_t i = 0; i < from->secret_count; i++) {
        const source_secret *secret = &from->secrets[i];

        if (now_ms >= secret->not_before && now_ms < secret->not_after &&
            signature_matches(&from->scheme, secret->key, claim, &offer) && matched == NULL)
            matched = secret;
    }
    return matched;
}

/* Each event moves the time at which the allowance is whole again by 1/rate; it may lie as far
 * ahead as the burst takes. */
bool source_admits(const source *from, int64_t now_us)
{
    atomic_int_fast64_t *full_at = (atomic_int_fast64_t *)(uintptr_t)&from->full_at;
    int64_t step, ahead, at, next;

    if (from->per_second == 0)
        return true;
    step = 1000000 / from->per_second;
    ahead = step * from->burst;
    at = atomic_load(full_at);
    do {
        next = (at > now_us ? at : now_us) + step;
        if (next - now_us > ahead)
            return false;
    } while (!atomic_compare_exchange_weak(full_at, &at, next));
    return true;
}
