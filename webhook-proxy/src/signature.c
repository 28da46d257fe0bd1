/* signature.c - HMAC-SHA256 with prepared keys.
 * Owns one OpenSSL context a key, never changed after it was made: each use duplicates it, so any
 * thread may use a key. Invariant: a value is decoded only if its length is exactly right. */
#include "signature.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct signature_key {
    EVP_MAC_CTX *prepared;
};

signature_key *signature_key_new(const char *secret, size_t size)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_END};
    signature_key *key = calloc(1, sizeof(*key));
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    if (key && mac)
        key->prepared = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    if (key && key->prepared &&
        EVP_MAC_init(key->prepared, (const unsigned char *)secret, size, parameters) == 1)
        return key;
    signature_key_free(key);
    return NULL;
}

void signature_key_free(signature_key *key)
{
    if (key)
        EVP_MAC_CTX_free(key->prepared);
    free(key);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool decode_hex(const char *value, unsigned char *ret)
{
    if (strlen(value) != 2 * SIGNATURE_BYTES)
        return false;
    for (int i = 0; i < SIGNATURE_BYTES; i++) {
        int high = hex_digit(value[2 * i]), low = hex_digit(value[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static int base64_digit(char c, bool url)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *found = c ? strchr(letters, c) : NULL;

    if (found)
        return (int)(found - letters);
    return c == (url ? '-' : '+') ? 62 : c == (url ? '_' : '/') ? 63 : -1;
}

/* 32 bytes are 43 digits; the last carries four bits, so its lower two must be zero. */
static bool decode_base64(const char *value, bool url, unsigned char *ret)
{
    size_t size = strlen(value);
    uint32_t bits = 0;
    int held = 0, n = 0;

    if (!(size == 44 && value[43] == '=') && !(url && size == 43))
        return false;
    for (int i = 0; i < 43; i++) {
        int digit = base64_digit(value[i], url);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret[n++] = (unsigned char)(bits >> held);
        }
    }
    return n == SIGNATURE_BYTES && (bits & 3) == 0;
}

bool signature_decode(const char *value, const char *prefix, signature_encoding encoding,
                      unsigned char ret[SIGNATURE_BYTES])
{
    size_t length = strlen(prefix);

    if (strncmp(value, prefix, length) != 0)
        return false;
    value += length;
    return encoding == SIGNATURE_HEX ? decode_hex(value, ret)
                                     : decode_base64(value, encoding == SIGNATURE_BASE64URL, ret);
}

bool signature_matches(const signature_key *key, const void *body, size_t size,
                       const unsigned char mac[SIGNATURE_BYTES])
{
    EVP_MAC_CTX *context = EVP_MAC_CTX_dup(key->prepared);
    unsigned char made[SIGNATURE_BYTES];
    size_t length = 0;
    bool same = false;

    if (context && EVP_MAC_update(context, body, size) == 1 &&
        EVP_MAC_final(context, made, &length, sizeof(made)) == 1 && length == sizeof(made))
        same = CRYPTO_memcmp(made, mac, sizeof(made)) == 0;
    EVP_MAC_CTX_free(context);
    return same;
}
