/* sync_wire.c - timestamps, paths and JSON text of the sync protocol.
 * Pure functions, any thread. Invariant: what is written here is accepted by the
 * official server, so one bad path or argument cannot end a session. */
#include "sync_wire.h"

#include <string.h>

#include "base64.h"
#include "error_internal.h"
#include "value_tree.h"

enum { KEEP_CAPACITY = 64 * 1024 };

void cvx_text_reset(cvx_text *text)
{
    if (text->capacity > KEEP_CAPACITY)
        cvx_text_done(text);
    text->len = 0;
    text->status = CONVEX_OK;
}

void cvx_text_add_u64(cvx_text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    cvx_text_add(text, digits + at, sizeof digits - at);
}

void cvx_ts_encode(uint64_t ts, char ret[CVX_TS_SIZE])
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(ts >> (8 * i));
    cvx_base64_encode(bytes, sizeof bytes, ret);
}

bool cvx_ts_decode(const char *text, size_t len, uint64_t *ret)
{
    uint8_t bytes[CVX_BASE64_DECODED(CVX_TS_SIZE)];
    size_t size = 0;
    uint64_t ts = 0;

    if (len != CVX_TS_SIZE || !cvx_base64_decode(text, len, bytes, &size) || size != 8)
        return false;
    for (int i = 0; i < 8; i++)
        ts |= (uint64_t)bytes[i] << (8 * i);
    if (ts >> 63)
        return false;
    *ret = ts;
    return true;
}

bool cvx_ts_read(const convex_value *value, uint64_t *ret)
{
    size_t len = 0;
    const char *text = convex_value_string(value, &len);
    return text && cvx_ts_decode(text, len, ret);
}

bool cvx_u32_read(const convex_value *value, uint32_t *ret)
{
    double number;
    if (!convex_value_float64(value, &number) || !(number >= 0 && number <= UINT32_MAX))
        return false;
    if ((double)(uint32_t)number != number)
        return false;
    *ret = (uint32_t)number;
    return true;
}

/* The server parses paths strictly and ends the session over a bad one: a module
 * of components of letters, digits, '_' and '.', none of them "." or "..", no
 * extension but ".js", and an identifier as function. */
static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool component_ok(const char *text, size_t len, bool last)
{
    const char *dot = NULL;
    bool word = false;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.')
            dot = text + i;
        else if (word_char(text[i]))
            word = true;
        else
            return false;
    }
    if (!word)
        return false;
    return !last || !dot || (len > 3 && memcmp(text + len - 3, ".js", 3) == 0);
}

static bool module_ok(const char *text, size_t len)
{
    while (len > 0) {
        const char *slash = memchr(text, '/', len);
        size_t part = slash ? (size_t)(slash - text) : len;
        if (!component_ok(text, part, slash == NULL))
            return false;
        if (!slash)
            return true;
        text += part + 1;
        len -= part + 1;
    }
    return false;
}

static bool function_ok(const char *text)
{
    if (!*text || (*text >= '0' && *text <= '9'))
        return false;
    while (word_char(*text) || *text == '$')
        text++;
    return !*text;
}

static convex_status put_path(cvx_text *text, const char *path, bool canonical,
                              convex_error *reterr)
{
    const char *colon = strrchr(path, ':');
    size_t module = colon ? (size_t)(colon - path) : strlen(path);

    if (!module_ok(path, module) || (colon && !function_ok(colon + 1)))
        return cvx_fail(reterr, CONVEX_EINVAL, "malformed function path \"%.200s\"", path);
    cvx_text_add_str(text, "\"udfPath\":\"");
    if (canonical) {
        if (module > 3 && memcmp(path + module - 3, ".js", 3) == 0)
            cvx_text_add(text, path, module - 3);
        else
            cvx_text_add(text, path, module);
        cvx_text_add_str(text, colon ? colon : ":default");
    } else {
        cvx_text_add_str(text, path);
    }
    cvx_text_add_str(text, "\"");
    return CONVEX_OK;
}

static convex_status put_args(cvx_text *text, const convex_value *args, convex_error *reterr)
{
    convex_status status;

    if (!args) {
        cvx_text_add_str(text, ",\"args\":[{}]");
        return CONVEX_OK;
    }
    if (convex_value_type(args) != CONVEX_OBJECT)
        return cvx_fail(reterr, CONVEX_EINVAL, "arguments must be an object, not %s",
                        convex_type_name(convex_value_type(args)));
    status = cvx_value_check(args, "args", reterr);
    if (status != CONVEX_OK)
        return status == CONVEX_ELIMIT ? CONVEX_EINVAL : status;
    cvx_text_add_str(text, ",\"args\":[");
    cvx_text_add_value(text, args, CONVEX_ENCODED_JSON);
    cvx_text_add_str(text, "]");
    return CONVEX_OK;
}

/* A path of component names, each an identifier. */
static bool component_path_ok(const char *path)
{
    const char *part = path;

    for (const char *c = path;; c++) {
        if (*c == '/' || !*c) {
            if (c == part || (*part >= '0' && *part <= '9'))
                return false;
            part = c + 1;
        } else if (!word_char(*c)) {
            return false;
        }
        if (!*c)
            return true;
    }
}

convex_status cvx_call_text(const convex_mem *mem, const char *path, const char *component,
                            const convex_value *args, bool canonical, char **ret, size_t *ret_len,
                            convex_error *reterr)
{
    cvx_text text;
    convex_status status;

    if (!path)
        return cvx_fail(reterr, CONVEX_EINVAL, "no function path given");
    if (component && *component && !component_path_ok(component))
        return cvx_fail(reterr, CONVEX_EINVAL, "malformed component path \"%.200s\"", component);
    cvx_text_init(&text, mem);
    status = put_path(&text, path, canonical, reterr);
    if (status == CONVEX_OK)
        status = put_args(&text, args, reterr);
    if (status == CONVEX_OK && component && *component) {
        cvx_text_add_str(&text, ",\"componentPath\":");
        cvx_text_add_json_string(&text, component, strlen(component));
    }
    if (status != CONVEX_OK) {
        cvx_text_done(&text);
        return status;
    }
    status = cvx_text_take(&text, ret, ret_len);
    if (status != CONVEX_OK)
        return cvx_fail(reterr, status, "out of memory");
    return CONVEX_OK;
}

void cvx_uuid_text(const uint8_t random[16], char ret[CVX_UUID_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;

    for (int i = 0; i < 16; i++) {
        uint8_t byte = random[i];
        if (i == 6)
            byte = (uint8_t)((byte & 0x0f) | 0x40); /* version 4 */
        if (i == 8)
            byte = (uint8_t)((byte & 0x3f) | 0x80); /* RFC 4122 */
        if (i == 4 || i == 6 || i == 8 || i == 10)
            ret[at++] = '-';
        ret[at++] = hex[byte >> 4];
        ret[at++] = hex[byte & 15];
    }
    ret[at] = '\0';
}
