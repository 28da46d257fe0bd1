/* tls_ca.h - a certificate authority of the test's own, in a folder that goes with it:
 * a server's certificate for localhost, an expired one, and a client's. */
#ifndef TLS_CA_H
#define TLS_CA_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support.h"

typedef struct tls_ca {
    char dir[32];
    EVP_PKEY *key;
    X509 *cert;
    char ca[64], server[64], expired[64], client[64], client_key[64]; /* files */
    char pin[64]; /* of the server's key: "sha256//..." */
} tls_ca;

static inline void tls_extend(X509 *cert, X509 *issuer, int nid, const char *text)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, text);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* `san` NULL: an authority, signed by itself when ca->cert is not there yet. */
static inline X509 *tls_certify(const tls_ca *ca, EVP_PKEY *key, const char *name, const char *san,
                                long seconds)
{
    static long serial = 1;
    X509 *cert = X509_new();
    X509 *issuer = ca->cert ? ca->cert : cert;
    X509_NAME *subject = X509_get_subject_name(cert);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), -7200);
    X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    tls_extend(cert, issuer, NID_basic_constraints, san ? "CA:FALSE" : "critical,CA:TRUE");
    if (san)
        tls_extend(cert, issuer, NID_subject_alt_name, san);
    assert_true(X509_sign(cert, ca->key, EVP_sha256()) > 0);
    return cert;
}

/* Writes certificate and key (each may be NULL) to a file of that name in the CA's folder. */
static inline void tls_write(const tls_ca *ca, const char *name, char ret[64], X509 *cert,
                             EVP_PKEY *key)
{
    snprintf(ret, 64, "%s/%s", ca->dir, name);
    FILE *file = fopen(ret, "w");
    assert_non_null(file);
    if (cert)
        assert_int_equal(PEM_write_X509(file, cert), 1);
    if (key)
        assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static inline void tls_pin(EVP_PKEY *key, char ret[64])
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    int len = i2d_PUBKEY(key, &der);
    assert_true(len > 0);
    assert_int_equal(EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
    memcpy(ret, "sha256//", 8);
    EVP_EncodeBlock((unsigned char *)ret + 8, digest, 32);
}

static inline void tls_ca_init(tls_ca *ca)
{
    EVP_PKEY *host = EVP_EC_gen("P-256"), *client = EVP_EC_gen("P-256");
    X509 *cert;

    *ca = (tls_ca){.dir = "/tmp/convex-tls-XXXXXX", .key = EVP_EC_gen("P-256")};
    assert_non_null(mkdtemp(ca->dir));
    assert_true(ca->key && host && client);
    ca->cert = tls_certify(ca, ca->key, "Test CA", NULL, 3600);
    tls_write(ca, "ca.pem", ca->ca, ca->cert, NULL);
    cert = tls_certify(ca, host, "localhost", "DNS:localhost", 3600);
    tls_write(ca, "server.pem", ca->server, cert, host);
    X509_free(cert);
    cert = tls_certify(ca, host, "localhost", "DNS:localhost", -3600);
    tls_write(ca, "expired.pem", ca->expired, cert, host);
    X509_free(cert);
    cert = tls_certify(ca, client, "client", "DNS:client", 3600);
    tls_write(ca, "client.pem", ca->client, cert, NULL);
    tls_write(ca, "client.key", ca->client_key, NULL, client);
    X509_free(cert);
    tls_pin(host, ca->pin);
    EVP_PKEY_free(host);
    EVP_PKEY_free(client);
}

static inline void tls_ca_done(tls_ca *ca)
{
    unlink(ca->ca);
    unlink(ca->server);
    unlink(ca->expired);
    unlink(ca->client);
    unlink(ca->client_key);
    assert_int_equal(rmdir(ca->dir), 0);
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

/* A server's side. `file` has certificate and key; `ask` demands a client's certificate. */
static inline SSL_CTX *tls_server(const tls_ca *ca, const char *file, bool ask, int max_version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    assert_non_null(context);
    assert_int_equal(SSL_CTX_use_certificate_file(context, file, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, max_version), 1);
    if (ask) {
        assert_int_equal(SSL_CTX_load_verify_locations(context, ca->ca, NULL), 1);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}

#endif
