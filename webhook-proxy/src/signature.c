/* signature.c - HMAC with prepared keys.
 * Owns one OpenSSL context a key, which keeps the key between its uses. Invariant: a value is
 * decoded only if its length is exactly right. */
#include "signature.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct signature_key {
    EVP_MAC_CTX *context;
};

static size_t mac_size(signature_hash hash)
{
    static const size_t sizes[] = {
        [SIGNATURE_SHA256] = 32, [SIGNATURE_SHA512] = 64, [SIGNATURE_SHA1] = 20};

    return sizes[hash];
}

/* ---- text to bytes ---- */

static int hex_digit(char c)
{
    const unsigned digit = (unsigned)c - '0', letter = ((unsigned)c | 0x20) - 'a';

    return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

/* The number of bytes; 0: not hex, or more than `capacity`. */
static size_t decode_hex(const char *text, size_t size, unsigned char *ret, size_t capacity)
{
    if (size % 2 || size / 2 > capacity)
        return 0;
    for (size_t i = 0; i < size / 2; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return 0;
        ret[i] = (unsigned char)(high << 4 | low);
    }
    return size / 2;
}

static int base64_digit(char c, bool url)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *found = c ? strchr(letters, c) : NULL;

    if (found)
        return (int)(found - letters);
    return c == (url ? '-' : '+') ? 62 : c == (url ? '_' : '/') ? 63 : -1;
}

/* The same for base64; the bits that carry nothing must be zero, or one MAC had many spellings. */
static size_t decode_base64(const char *text, size_t size, bool url, unsigned char *ret,
                            size_t capacity)
{
    size_t digits = size, n = 0;
    uint32_t bits = 0;
    int held = 0;

    while (digits > 0 && size - digits < 2 && text[digits - 1] == '=')
        digits--;
    if (digits % 4 == 1 || (size % 4 && !(url && digits == size)) || digits * 6 / 8 > capacity)
        return 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = base64_digit(text[i], url);

        if (digit < 0)
            return 0;
        bits = (bits << 6 | (uint32_t)digit) & 0xffffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret[n++] = (unsigned char)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0 ? n : 0;
}

static size_t decode(signature_encoding encoding, const char *text, size_t size, unsigned char *ret,
                     size_t capacity)
{
    if (encoding == SIGNATURE_HEX)
        return decode_hex(text, size, ret, capacity);
    return decode_base64(text, size, encoding == SIGNATURE_BASE64URL, ret, capacity);
}

/* ---- keys ---- */

static signature_key *prepare(signature_hash hash, const unsigned char *bytes, size_t size)
{
    static const char *const names[] = {
        [SIGNATURE_SHA256] = "SHA256", [SIGNATURE_SHA512] = "SHA512", [SIGNATURE_SHA1] = "SHA1"};
    char digest[8] = "";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, strlen(names[hash])),
        OSSL_PARAM_END};
    signature_key *key = calloc(1, sizeof(*key));
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    memcpy(digest, names[hash], strlen(names[hash]) + 1);
    if (key && mac)
        key->context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    if (key && key->context && EVP_MAC_init(key->context, bytes, size, parameters) == 1)
        return key;
    signature_key_free(key);
    return NULL;
}

signature_key *signature_key_new(const signature_scheme *scheme, const char *secret, size_t size,
                                 bool *ret_misspelt)
{
    static const char standard[] = "whsec_";
    const size_t prefix = sizeof(standard) - 1;
    unsigned char bytes[SIGNATURE_SECRET_MAX];
    signature_key *key = NULL;
    size_t length = 0;

    *ret_misspelt = false;
    if (scheme->spelling == SIGNATURE_AS_IS)
        return prepare(scheme->hash, (const unsigned char *)secret, size);
    if (scheme->spelling == SIGNATURE_OF_HEX)
        length = decode_hex(secret, size, bytes, sizeof(bytes));
    else if (scheme->spelling == SIGNATURE_OF_BASE64)
        length = decode_base64(secret, size, false, bytes, sizeof(bytes));
    else if (size > prefix && memcmp(secret, standard, prefix) == 0)
        length = decode_base64(secret + prefix, size - prefix, false, bytes, sizeof(bytes));
    *ret_misspelt = length == 0;
    if (length > 0)
        key = prepare(scheme->hash, bytes, length);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return key;
}

void signature_key_free(signature_key *key)
{
    if (key)
        EVP_MAC_CTX_free(key->context);
    free(key);
}

/* ---- headers ---- */

/* Adds a MAC; one that is no MAC of this hash is passed over. False: too many. */
static bool offer(const signature_scheme *scheme, const char *text, size_t size,
                  signature_offer *ret)
{
    unsigned char bytes[SIGNATURE_BYTES_MAX];

    if (decode(scheme->encoding, text, size, bytes, sizeof(bytes)) != mac_size(scheme->hash))
        return true;
    if (ret->count == SIGNATURE_CANDIDATES)
        return false;
    memcpy(ret->macs[ret->count++], bytes, sizeof(bytes));
    return true;
}

static bool copy_time(const char *text, size_t size, signature_offer *ret)
{
    if (size == 0 || size >= sizeof(ret->time) || ret->time[0])
        return false;
    memcpy(ret->time, text, size);
    ret->time[size] = '\0';
    return true;
}

/* "t=1700000000,v1=MAC"; a second time is refused. */
static bool read_pairs(const signature_scheme *scheme, const char *value, signature_offer *ret)
{
    while (*value) {
        size_t size = strcspn(value, ",");

        if (size > 2 && strncmp(value, "t=", 2) == 0 && !copy_time(value + 2, size - 2, ret))
            return false;
        if (size > 3 && strncmp(value, "v1=", 3) == 0 && !offer(scheme, value + 3, size - 3, ret))
            return false;
        value += size + (value[size] == ',');
    }
    return true;
}

static bool read_list(const signature_scheme *scheme, const char *value, signature_offer *ret)
{
    while (*value) {
        size_t size = strcspn(value, " ");

        if (size > 3 && strncmp(value, "v1,", 3) == 0 && !offer(scheme, value + 3, size - 3, ret))
            return false;
        value += size + (value[size] == ' ');
    }
    return true;
}

static bool read_plain(const signature_scheme *scheme, const char *value, signature_offer *ret)
{
    size_t length = strlen(scheme->prefix);

    return strncmp(value, scheme->prefix, length) == 0 &&
           offer(scheme, value + length, strlen(value + length), ret);
}

/* Digits only, and near enough: no sign, no exponent, no blank. */
static bool is_timely(const signature_scheme *scheme, const char *text, int64_t now_ms)
{
    size_t size = strlen(text);
    int64_t at, off;

    if (size == 0 || size > 15 || strspn(text, "0123456789") != size)
        return false;
    at = strtoll(text, NULL, 10) * (scheme->time_in_ms ? 1 : 1000);
    off = at > now_ms ? at - now_ms : now_ms - at;
    return off <= scheme->tolerance_s * 1000;
}

bool signature_read(const signature_scheme *scheme, const signature_claim *claim, int64_t now_ms,
                    signature_offer *ret)
{
    static bool (*const readers[])(const signature_scheme *, const char *,
                                   signature_offer *) = {[SIGNATURE_PLAIN] = read_plain,
                                                         [SIGNATURE_PAIRS] = read_pairs,
                                                         [SIGNATURE_LIST] = read_list};

    ret->count = 0;
    ret->time[0] = '\0';
    ret->id = claim->id;
    if (claim->value == NULL || !readers[scheme->form](scheme, claim->value, ret) ||
        ret->count == 0)
        return false;
    if (scheme->form != SIGNATURE_PAIRS && scheme->time_header[0] &&
        (claim->time == NULL || !copy_time(claim->time, strlen(claim->time), ret)))
        return false;
    if (scheme->over == SIGNATURE_BODY)
        return true;
    if (scheme->over == SIGNATURE_ID_TIME_BODY && (claim->id == NULL || !*claim->id))
        return false;
    return is_timely(scheme, ret->time, now_ms);
}

/* ---- the comparison ---- */

static bool add(EVP_MAC_CTX *context, const void *bytes, size_t size)
{
    return EVP_MAC_update(context, bytes, size) == 1;
}

static bool make_mac(const signature_scheme *scheme, EVP_MAC_CTX *context,
                     const signature_claim *claim, const signature_offer *said,
                     unsigned char ret[SIGNATURE_BYTES_MAX])
{
    size_t separator = strlen(scheme->separator), size = 0;
    bool ok = EVP_MAC_init(context, NULL, 0, NULL) == 1; /* with the key that it has */

    if (ok && scheme->over == SIGNATURE_ID_TIME_BODY)
        ok = add(context, said->id, strlen(said->id)) && add(context, scheme->separator, separator);
    if (ok && scheme->over != SIGNATURE_BODY)
        ok = add(context, said->time, strlen(said->time)) &&
             add(context, scheme->separator, separator);
    return ok && add(context, claim->body, claim->size) &&
           EVP_MAC_final(context, ret, &size, SIGNATURE_BYTES_MAX) == 1 &&
           size == mac_size(scheme->hash);
}

bool signature_matches(const signature_scheme *scheme, signature_key *key,
                       const signature_claim *claim, const signature_offer *said)
{
    unsigned char made[SIGNATURE_BYTES_MAX];
    int same = 0;

    if (make_mac(scheme, key->context, claim, said, made))
        for (size_t i = 0; i < said->count; i++)
            same |= CRYPTO_memcmp(made, said->macs[i], mac_size(scheme->hash)) == 0;
    return same;
}
