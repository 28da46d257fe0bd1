/* identity_keys.c - making key files, and what a deployment has to know of them.
 * Owns nothing that outlives a call. Any thread. Invariant: no private number leaves this file but
 * into a key file of mode 0600 that was not there before. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "error_internal.h"
#include "identity_key.h"

enum { KEYS_MAX = 64 };

/* ---- making a key ---- */

/* The PEM in a buffer of OpenSSL's that is wiped when it is freed. */
static BIO *make_pem(convex_key_algorithm algorithm)
{
    EVP_PKEY *key = algorithm == CONVEX_KEY_ES256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = key != NULL && bio != NULL &&
              PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
              BIO_write(bio, "", 1) == 1; /* the NUL */
    EVP_PKEY_free(key);
    if (ok)
        return bio;
    BIO_free(bio);
    return NULL;
}

static int write_whole(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

/* The name of a new file is durable only when its directory is. */
static int sync_directory_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *name = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
    int fd = name ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, r = -1, error;
    if (fd >= 0)
        r = fsync(fd);
    error = errno;
    if (fd >= 0)
        close(fd);
    free(name);
    errno = error;
    return r;
}

static convex_status write_new_file(const char *file, const char *pem, convex_error *reterr)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return cvx_fail(reterr, CONVEX_EINVAL, "%s is there already and is not overwritten", file);
    if (fd < 0)
        return cvx_fail(reterr, CONVEX_EINVAL, "cannot make %s: %s", file, strerror(errno));
    int r = write_whole(fd, pem, strlen(pem));
    int error = errno;
    if (close(fd) != 0 && r == 0) {
        r = -1;
        error = errno;
    }
    if (r == 0) {
        r = sync_directory_of(file);
        error = errno;
    }
    if (r == 0)
        return CONVEX_OK;
    unlink(file);
    return cvx_fail(reterr, CONVEX_EINVAL, "cannot write %s: %s", file, strerror(error));
}

convex_status convex_keys_generate(const char *file, convex_key_algorithm algorithm,
                                   char ret_kid[CONVEX_KID_SIZE], convex_error *reterr)
{
    char kid[CONVEX_KID_SIZE], *pem = NULL;
    if (file == NULL || file[0] == '\0')
        return cvx_fail(reterr, CONVEX_EINVAL, "no name for the key file");
    if (algorithm != CONVEX_KEY_ES256 && algorithm != CONVEX_KEY_RS256)
        return cvx_fail(reterr, CONVEX_EINVAL, "no such algorithm");
    BIO *bio = make_pem(algorithm);
    if (bio == NULL)
        return cvx_fail(reterr, CONVEX_ENOMEM, "cannot make a key");
    BIO_get_mem_data(bio, &pem);
    convex_status status = cvx_key_thumbprint(pem, NULL, kid, reterr);
    if (status == CONVEX_OK)
        status = write_new_file(file, pem, reterr);
    BIO_free(bio);
    if (status == CONVEX_OK && ret_kid != NULL)
        memcpy(ret_kid, kid, sizeof kid);
    return status;
}

/* ---- what the deployment knows ---- */

typedef struct one_key {
    char *pem, kid[CONVEX_KID_SIZE];
    const char *name; /* the kid given, or the one above */
    convex_key_algorithm algorithm;
} one_key;

static convex_status read_key(const convex_key_file *from, const convex_mem *mem, one_key *ret,
                              convex_error *reterr)
{
    struct stat stat;
    if (from->file == NULL || (from->kid != NULL && from->kid[0] == '\0'))
        return cvx_fail(reterr, CONVEX_EINVAL, "a key has no file, or an empty kid");
    convex_status status = cvx_key_read_file(from->file, mem, &ret->pem, &stat, reterr);
    if (status == CONVEX_OK)
        status = cvx_key_check(ret->pem, &ret->algorithm, reterr);
    if (status == CONVEX_OK && from->kid == NULL)
        status = cvx_key_thumbprint(ret->pem, mem, ret->kid, reterr);
    ret->name = from->kid != NULL ? from->kid : ret->kid;
    return status;
}

static const char *fault_of(const one_key *keys, size_t count, bool one_algorithm)
{
    const one_key *last = &keys[count - 1];
    for (size_t i = 0; i + 1 < count; i++) {
        if (strcmp(keys[i].name, last->name) == 0)
            return "is there twice, or shares its kid with another key";
        if (one_algorithm && keys[i].algorithm != last->algorithm)
            return "is of another algorithm than the first key; a provider has only one";
    }
    return NULL;
}

/* Adds the JWKS and gives the algorithm of the last key. */
static convex_status add_jwks(const convex_key_file *files, size_t count, bool one_algorithm,
                              cvx_text *ret, convex_key_algorithm *ret_algorithm,
                              convex_error *reterr)
{
    one_key keys[KEYS_MAX] = {0};
    convex_status status = CONVEX_OK;
    if (files == NULL || count == 0 || count > KEYS_MAX)
        return cvx_fail(reterr, CONVEX_EINVAL, "no keys, or more than %d", KEYS_MAX);
    cvx_text_add_str(ret, "{\"keys\":[");
    for (size_t i = 0; i < count && status == CONVEX_OK; i++) {
        status = read_key(&files[i], &ret->mem, &keys[i], reterr);
        const char *fault = status == CONVEX_OK ? fault_of(keys, i + 1, one_algorithm) : NULL;
        if (fault != NULL)
            status = cvx_fail(reterr, CONVEX_EINVAL, "%s %s", files[i].file, fault);
        if (i > 0)
            cvx_text_add_str(ret, ",");
        if (status == CONVEX_OK)
            status = cvx_key_add_jwk(keys[i].pem, keys[i].name, ret, reterr);
        *ret_algorithm = keys[i].algorithm;
    }
    cvx_text_add_str(ret, "]}");
    for (size_t i = 0; i < count; i++)
        cvx_free_secret(&ret->mem, keys[i].pem);
    return status;
}

/* Gives the text away, or ends it. */
static convex_status finish(cvx_text *text, convex_status status, char **ret, convex_error *reterr)
{
    if (status == CONVEX_OK && (status = cvx_text_take(text, ret, NULL)) != CONVEX_OK)
        status = cvx_fail(reterr, status, "%s", convex_status_text(status));
    cvx_text_done(text);
    return status;
}

convex_status convex_keys_jwks(const convex_key_file *keys, size_t count, const convex_mem *mem,
                               char **ret, convex_error *reterr)
{
    convex_key_algorithm algorithm;
    cvx_text text;
    if (ret == NULL)
        return cvx_fail(reterr, CONVEX_EINVAL, "no place for the keys");
    cvx_text_init(&text, mem);
    return finish(&text, add_jwks(keys, count, false, &text, &algorithm, reterr), ret, reterr);
}

static void add_string(cvx_text *text, const char *name, const char *value)
{
    cvx_text_add_str(text, "      ");
    cvx_text_add_str(text, name);
    cvx_text_add_str(text, ": ");
    cvx_text_add_json_string(text, value, strlen(value));
    cvx_text_add_str(text, ",\n");
}

static void add_data_uri(cvx_text *text, const cvx_text *jwks)
{
    static const char start[] = "      jwks: \"data:text/plain;charset=utf-8;base64,";
    cvx_text_add_str(text, start);
    char *room = cvx_text_room(text, CVX_BASE64_SIZE(jwks->len));
    if (room != NULL)
        text->len += cvx_base64_encode(jwks->data, jwks->len, room);
    cvx_text_add_str(text, "\",\n");
}

convex_status convex_keys_auth_config(const convex_key_file *keys, size_t count, const char *issuer,
                                      const char *audience, const convex_mem *mem, char **ret,
                                      convex_error *reterr)
{
    convex_key_algorithm algorithm = CONVEX_KEY_ES256;
    cvx_text jwks, text;
    if (ret == NULL || issuer == NULL || issuer[0] == '\0')
        return cvx_fail(reterr, CONVEX_EINVAL, "no issuer, or no place for the text");
    cvx_text_init(&jwks, mem);
    cvx_text_init(&text, mem);
    convex_status status = add_jwks(keys, count, true, &jwks, &algorithm, reterr);
    if (status == CONVEX_OK && jwks.status != CONVEX_OK)
        status = cvx_fail(reterr, jwks.status, "%s", convex_status_text(jwks.status));
    if (status == CONVEX_OK) {
        cvx_text_add_str(&text, "import type { AuthConfig } from \"convex/server\";\n\n"
                                "export default {\n"
                                "  providers: [\n"
                                "    {\n"
                                "      type: \"customJwt\",\n");
        add_string(&text, "issuer", issuer);
        if (audience != NULL)
            add_string(&text, "applicationID", audience);
        add_string(&text, "algorithm", cvx_key_algorithm(algorithm));
        add_data_uri(&text, &jwks);
        cvx_text_add_str(&text, "    },\n"
                                "  ],\n"
                                "} satisfies AuthConfig;\n");
    }
    cvx_text_done(&jwks);
    return finish(&text, status, ret, reterr);
}
