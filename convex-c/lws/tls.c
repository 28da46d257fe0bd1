/* tls.c - TLS over buffers in memory.
 * Owns one SSL object and its two buffers. One thread. Invariant: the handshake is done only when
 * the certificate was verified for the host and the key is one of those pinned, if any are. */
#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cvx_tls {
    SSL *ssl;
    BIO *in, *out;          /* of ssl */
    const char *pinned_key; /* borrowed */
    const char *host;       /* borrowed */
};

/* The first cause that OpenSSL noted; forgets all. */
static const char *cause(void)
{
    const char *words = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return words ? words : "unknown cause";
}

static bool load_files(SSL_CTX *context, const convex_network *network, char *error, size_t size)
{
    const char *cert = network->client_cert_file;
    const char *key = network->client_key_file ? network->client_key_file : cert;

    if (network->ca_file ? SSL_CTX_load_verify_locations(context, network->ca_file, NULL) != 1
                         : SSL_CTX_set_default_verify_paths(context) != 1)
        snprintf(error, size, "CA file %s: %s", network->ca_file ? network->ca_file : "", cause());
    else if (cert && SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        snprintf(error, size, "client certificate %s: %s", cert, cause());
    else if (cert && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        snprintf(error, size, "client key %s: %s", key, cause());
    else
        return true;
    return false;
}

SSL_CTX *cvx_tls_context(const convex_network *network, char *error, size_t size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    ERR_clear_error();
    if (!context) {
        snprintf(error, size, "out of memory");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (load_files(context, network, error, size))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool literal =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

    if (literal)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 &&
           SSL_set_tlsext_host_name(ssl, (void *)(uintptr_t)host) == 1;
}

cvx_tls *cvx_tls_new(SSL_CTX *context, const char *host, const char *pinned_key)
{
    static const unsigned char http1[] = "\x08http/1.1";
    cvx_tls *tls = calloc(1, sizeof *tls);

    if (!tls)
        return NULL;
    *tls = (cvx_tls){.ssl = SSL_new(context),
                     .in = BIO_new(BIO_s_mem()),
                     .out = BIO_new(BIO_s_mem()),
                     .pinned_key = pinned_key,
                     .host = host};
    if (!tls->ssl || !tls->in || !tls->out || !expect_host(tls->ssl, host) ||
        SSL_set_alpn_protos(tls->ssl, http1, sizeof http1 - 1) != 0) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        SSL_free(tls->ssl);
        free(tls);
        return NULL;
    }
    BIO_set_mem_eof_return(tls->in, -1); /* empty is not the end */
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_connect_state(tls->ssl);
    return tls;
}

void cvx_tls_free(cvx_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl); /* and the buffers */
    free(tls);
}

bool cvx_tls_feed(cvx_tls *tls, const void *data, size_t len)
{
    size_t written = 0;
    return BIO_write_ex(tls->in, data, len, &written) == 1 && written == len;
}

size_t cvx_tls_take(cvx_tls *tls, void *ret, size_t capacity)
{
    size_t len = 0;
    return BIO_read_ex(tls->out, ret, capacity, &len) == 1 ? len : 0;
}

/* What a call of OpenSSL that did not succeed means. */
static cvx_tls_result judge(const cvx_tls *tls, int returned, char *error, size_t size)
{
    int why = SSL_get_error(tls->ssl, returned);
    long verdict = SSL_get_verify_result(tls->ssl);
    const char *words;

    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return CVX_TLS_AGAIN;
    if (why == SSL_ERROR_ZERO_RETURN)
        return CVX_TLS_END;
    words = cause();
    if (verdict != X509_V_OK)
        snprintf(error, size, "the certificate is not good for '%s': %s", tls->host,
                 X509_verify_cert_error_string(verdict));
    else if (strstr(words, "certificate required"))
        snprintf(error, size, "the server wants a client certificate (network.client_cert_file)");
    else if (strstr(words, "alert handshake failure"))
        snprintf(error, size,
                 "the server refused the TLS handshake; it may want a client certificate "
                 "(network.client_cert_file)");
    else
        snprintf(error, size, "TLS: %s", words);
    return CVX_TLS_FAILED;
}

static bool is_pinned(const cvx_tls *tls)
{
    static const char prefix[] = "sha256//";
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    char pin[sizeof prefix + 48] = "sha256//";
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);
    int len = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
    bool ok = len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1;

    if (ok)
        EVP_EncodeBlock((unsigned char *)pin + sizeof prefix - 1, digest, 32);
    OPENSSL_free(der);
    X509_free(cert);
    return ok && strstr(tls->pinned_key, pin) != NULL;
}

cvx_tls_result cvx_tls_handshake(cvx_tls *tls, char *error, size_t size)
{
    int returned;

    ERR_clear_error();
    returned = SSL_do_handshake(tls->ssl);
    if (returned != 1)
        return judge(tls, returned, error, size);
    if (!tls->pinned_key || is_pinned(tls))
        return CVX_TLS_OK;
    snprintf(error, size, "the server's public key is none of network.pinned_key");
    return CVX_TLS_FAILED;
}

cvx_tls_result cvx_tls_read(cvx_tls *tls, void *ret, size_t capacity, size_t *ret_len, char *error,
                            size_t size)
{
    int returned;

    ERR_clear_error();
    returned = SSL_read_ex(tls->ssl, ret, capacity, ret_len);
    return returned == 1 ? CVX_TLS_OK : judge(tls, returned, error, size);
}

cvx_tls_result cvx_tls_write(cvx_tls *tls, const void *data, size_t len, char *error, size_t size)
{
    size_t written;
    int returned;

    ERR_clear_error();
    returned = SSL_write_ex(tls->ssl, data, len, &written);
    return returned == 1 ? CVX_TLS_OK : judge(tls, returned, error, size);
}
