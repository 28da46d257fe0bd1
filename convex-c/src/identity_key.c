/* identity_key.c - one private key: reading, checking, its name, its public half.
 * Owns nothing; every OpenSSL object lives within one call. Any thread. */
#include "identity_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "error_internal.h"

enum {
    PEM_MAX = 64 * 1024,
    RSA_BITS_MIN = 2048,
    NUMBER_MAX = 2048,   /* bytes of an RSA modulus; 16384 bits */
    MODE_REFUSED = 0027, /* anything to others, writing to the group */
    SHA256_SIZE = 32
};

/* ---- files ---- */

/* The number of bytes, at most `size`, or -1 with errno. */
static ssize_t read_whole(int fd, char *ret, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, ret + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static convex_status read_open_file(int fd, const char *path, const convex_mem *mem, char **ret,
                                    struct stat *ret_stat, convex_error *reterr)
{
    if (fstat(fd, ret_stat) != 0)
        return cvx_fail(reterr, CONVEX_EINVAL, "cannot read the key file %s: %s", path,
                        strerror(errno));
    if (ret_stat->st_mode & MODE_REFUSED)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "the key file %s is open to others (mode %04o): chmod 600 it", path,
                        (unsigned)ret_stat->st_mode & 07777);
    char *pem = cvx_alloc(mem, PEM_MAX + 1);
    if (pem == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    ssize_t len = read_whole(fd, pem, PEM_MAX + 1);
    const char *why = len < 0 ? strerror(errno) : len == 0 ? "it is empty" : "too large";
    pem[len >= 0 && len <= PEM_MAX ? len : PEM_MAX] = '\0';
    if (len <= 0 || len > PEM_MAX) {
        cvx_free_secret(mem, pem);
        return cvx_fail(reterr, CONVEX_EINVAL, "cannot read the key file %s: %s", path, why);
    }
    *ret = pem;
    return CONVEX_OK;
}

convex_status cvx_key_read_file(const char *path, const convex_mem *mem, char **ret,
                                struct stat *ret_stat, convex_error *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cvx_fail(reterr, CONVEX_EINVAL, "cannot open the key file %s: %s", path,
                        strerror(errno));
    convex_status status = read_open_file(fd, path, mem, ret, ret_stat, reterr);
    close(fd);
    return status;
}

bool cvx_key_file_changed(const char *path, const struct stat *before)
{
    struct stat now;
    if (stat(path, &now) != 0)
        return true;
    return now.st_dev != before->st_dev || now.st_ino != before->st_ino ||
           now.st_size != before->st_size || now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

/* ---- keys ---- */

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

convex_status cvx_key_check(const char *pem, convex_key_algorithm *ret, convex_error *reterr)
{
    EVP_PKEY *key = load(pem);
    if (key == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL,
                        "the key is no private key in PEM without a passphrase");
    convex_status status = CONVEX_OK;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && is_p256(key))
        *ret = CONVEX_KEY_ES256;
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
        *ret = CONVEX_KEY_RS256;
    else
        status = cvx_fail(reterr, CONVEX_EINVAL,
                          "the key is neither EC on P-256 nor RSA of at least 2048 bits");
    EVP_PKEY_free(key);
    return status;
}

const char *cvx_key_algorithm(convex_key_algorithm algorithm)
{
    return algorithm == CONVEX_KEY_ES256 ? "ES256" : "RS256";
}

/* Adds `"name":"<base64url>"`; coordinates keep their leading zeros, RSA numbers have none. */
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
    cvx_text_add_str(ret, "\"");
    cvx_text_add_str(ret, name);
    cvx_text_add_str(ret, "\":\"");
    cvx_text_add(ret, text, cvx_base64url_encode(bytes, (size_t)len, text));
    cvx_text_add_str(ret, "\"");
    return true;
}

/* The members RFC 7638 asks for, in its order. */
static convex_status add_members(const char *pem, cvx_text *ret, convex_error *reterr)
{
    EVP_PKEY *key = load(pem);
    if (key == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "cannot read the key again");
    bool ok;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        cvx_text_add_str(ret, "\"crv\":\"P-256\",\"kty\":\"EC\",");
        ok = add_number(key, OSSL_PKEY_PARAM_EC_PUB_X, "x", 32, ret);
        cvx_text_add_str(ret, ",");
        ok = ok && add_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", 32, ret);
    } else {
        ok = add_number(key, OSSL_PKEY_PARAM_RSA_E, "e", 0, ret);
        cvx_text_add_str(ret, ",\"kty\":\"RSA\",");
        ok = ok && add_number(key, OSSL_PKEY_PARAM_RSA_N, "n", 0, ret);
    }
    EVP_PKEY_free(key);
    return ok ? CONVEX_OK : cvx_fail(reterr, CONVEX_EINVAL, "the key has no public half");
}

convex_status cvx_key_thumbprint(const char *pem, const convex_mem *mem, char ret[CONVEX_KID_SIZE],
                                 convex_error *reterr)
{
    unsigned char digest[SHA256_SIZE];
    cvx_text text;
    cvx_text_init(&text, mem);
    cvx_text_add_str(&text, "{");
    convex_status status = add_members(pem, &text, reterr);
    cvx_text_add_str(&text, "}");
    if (status == CONVEX_OK && text.status != CONVEX_OK)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "out of memory");
    if (status == CONVEX_OK &&
        EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL) != 1)
        status = cvx_fail(reterr, CONVEX_ENOMEM, "cannot hash the key");
    cvx_text_done(&text);
    if (status == CONVEX_OK)
        ret[cvx_base64url_encode(digest, sizeof digest, ret)] = '\0';
    return status;
}

convex_status cvx_key_add_jwk(const char *pem, const char *kid, cvx_text *ret, convex_error *reterr)
{
    convex_key_algorithm algorithm = CONVEX_KEY_ES256;
    convex_status status = cvx_key_check(pem, &algorithm, reterr);
    if (status != CONVEX_OK)
        return status;
    cvx_text_add_str(ret, "{");
    status = add_members(pem, ret, reterr);
    cvx_text_add_str(ret, ",\"kid\":");
    cvx_text_add_json_string(ret, kid, strlen(kid));
    cvx_text_add_str(ret, ",\"alg\":\"");
    cvx_text_add_str(ret, cvx_key_algorithm(algorithm));
    cvx_text_add_str(ret, "\",\"use\":\"sig\"}");
    return status;
}
