/* identity_key.c - the private key of an identity: reading, checking, its public half.
 * Owns nothing; every OpenSSL object lives within one call. Any thread. */
#include "identity_key.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "error_internal.h"

enum {
    PEM_MAX = 64 * 1024,
    RSA_BITS_MIN = 2048,
    NUMBER_MAX = 2048 /* bytes of an RSA modulus; 16384 bits */
};

convex_status cvx_key_read_file(const char *path, const convex_mem *mem, char **ret,
                                convex_error *reterr)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "cannot open the key file %s: %s", path,
                        strerror(errno));
    char *pem = cvx_alloc(mem, PEM_MAX + 1);
    size_t len = pem == NULL ? 0 : fread(pem, 1, PEM_MAX + 1, file);
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    if (pem == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    pem[len <= PEM_MAX ? len : PEM_MAX] = '\0';
    if (failed != 0 || len > PEM_MAX || len == 0) {
        cvx_free_secret(mem, pem);
        return cvx_fail(reterr, CONVEX_EINVAL, "cannot read the key file %s: %s", path,
                        failed != 0 ? strerror(failed)
                        : len == 0  ? "it is empty"
                                    : "too large");
    }
    *ret = pem;
    return CONVEX_OK;
}

/* Without it OpenSSL would ask on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *user)
{
    (void)buf, (void)size, (void)writing, (void)user;
    return -1;
}

static EVP_PKEY *load(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    if (bio == NULL)
        return NULL;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return key;
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[64] = "";
    size_t len = 0;
    return EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

convex_status cvx_key_check(const char *pem, cvx_key_kind *ret, convex_error *reterr)
{
    EVP_PKEY *key = load(pem);
    if (key == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "the key is no private key in PEM without a passphrase");
    convex_status status = CONVEX_OK;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && is_p256(key))
        *ret = CVX_KEY_ES256;
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
        *ret = CVX_KEY_RS256;
    else
        status = cvx_fail(reterr, CONVEX_EINVAL,
                          "the key is neither EC on P-256 nor RSA of at least 2048 bits");
    EVP_PKEY_free(key);
    return status;
}

const char *cvx_key_algorithm(cvx_key_kind kind)
{
    return kind == CVX_KEY_ES256 ? "ES256" : "RS256";
}

/* Adds `,"name":"<base64url>"`; coordinates keep their leading zeros, RSA numbers have none. */
static bool add_number(const EVP_PKEY *key, const char *parameter, const char *name, int width,
                       cvx_text *ret)
{
    BIGNUM *number = NULL;
    uint8_t bytes[NUMBER_MAX];
    char text[CVX_BASE64_SIZE(NUMBER_MAX)];
    if (EVP_PKEY_get_bn_param(key, parameter, &number) != 1)
        return false;
    int len = width > 0 ? width : BN_num_bytes(number);
    bool fits = len <= NUMBER_MAX && BN_bn2binpad(number, bytes, len) == len;
    BN_free(number);
    if (!fits)
        return false;
    cvx_text_add_str(ret, ",\"");
    cvx_text_add_str(ret, name);
    cvx_text_add_str(ret, "\":\"");
    cvx_text_add(ret, text, cvx_base64url_encode(bytes, (size_t)len, text));
    cvx_text_add_str(ret, "\"");
    return true;
}

convex_status cvx_key_add_jwks(const char *pem, const char *kid, cvx_text *ret,
                               convex_error *reterr)
{
    EVP_PKEY *key = load(pem);
    if (key == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "cannot read the key again");
    bool ec = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC;
    cvx_text_add_str(ret, ec ? "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\""
                             : "{\"keys\":[{\"kty\":\"RSA\"");
    bool ok = ec ? add_number(key, OSSL_PKEY_PARAM_EC_PUB_X, "x", 32, ret) &&
                       add_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", 32, ret)
                 : add_number(key, OSSL_PKEY_PARAM_RSA_N, "n", 0, ret) &&
                       add_number(key, OSSL_PKEY_PARAM_RSA_E, "e", 0, ret);
    EVP_PKEY_free(key);
    if (!ok)
        return cvx_fail(reterr, CONVEX_EINVAL, "the key has no public half");
    cvx_text_add_str(ret, ",\"kid\":");
    cvx_text_add_json_string(ret, kid, strlen(kid));
    cvx_text_add_str(ret, ec ? ",\"alg\":\"ES256\"" : ",\"alg\":\"RS256\"");
    cvx_text_add_str(ret, ",\"use\":\"sig\"}]}");
    return CONVEX_OK;
}
