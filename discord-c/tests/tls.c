/* tls.c - a certificate authority of the test's own. What cannot be made ends the test. */
#include "tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *text)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, text);
    need(extension && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* `issuer` NULL: an authority, signed by itself. */
static X509 *certify(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *name)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -7200);
    X509_gmtime_adj(X509_getm_notAfter(cert), 7200);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
    extend(cert, issuer ? issuer : cert, NID_basic_constraints,
           issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (issuer)
        extend(cert, issuer, NID_subject_alt_name, "DNS:localhost");
    need(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

void tls_open(tls_files *ret)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    need(ca_key && key);
    X509 *ca = certify(ca_key, NULL, ca_key, "Test CA"), *cert = certify(key, ca, ca_key, "server");
    *ret =
        (tls_files){.dir = "/tmp/discord-tls-XXXXXX", .server = SSL_CTX_new(TLS_server_method())};
    need(mkdtemp(ret->dir) && ret->server);
    snprintf(ret->ca, sizeof ret->ca, "%s/ca.pem", ret->dir);
    FILE *file = fopen(ret->ca, "w");
    need(file && PEM_write_X509(file, ca) == 1 && fclose(file) == 0);
    need(SSL_CTX_use_certificate(ret->server, cert) == 1 &&
         SSL_CTX_use_PrivateKey(ret->server, key) == 1);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

void tls_close(tls_files *files)
{
    unlink(files->ca);
    rmdir(files->dir);
    SSL_CTX_free(files->server);
}
