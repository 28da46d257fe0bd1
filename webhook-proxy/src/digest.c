/* digest.c - SHA-256, looked up in OpenSSL once: that takes longer than to hash an event. */
#include "digest.h"

#include <openssl/evp.h>
#include <pthread.h>

static EVP_MD *sha256; /* for the process's life */

static void look_up(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

bool digest_make(const digest_part *parts, size_t count, unsigned char ret[DIGEST_BYTES])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    EVP_MD_CTX *context;
    bool ok;

    pthread_once(&once, look_up);
    context = sha256 ? EVP_MD_CTX_new() : NULL;
    ok = context && EVP_DigestInit_ex2(context, sha256, NULL) == 1;
    for (size_t i = 0; ok && i < count; i++)
        ok = EVP_DigestUpdate(context, parts[i].bytes, parts[i].size) == 1;
    ok = ok && EVP_DigestFinal_ex(context, ret, NULL) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}
