/* tls.h - a certificate authority of the test's own, and a server's certificate for localhost, in a
 * folder that goes with it. */
#ifndef TLS_H
#define TLS_H

#include <openssl/ssl.h>

typedef struct tls_files {
    char dir[32];
    char ca[64];     /* for the client to trust */
    SSL_CTX *server; /* for peer_start_tls() */
} tls_files;

void tls_open(tls_files *ret);
void tls_close(tls_files *files);

#endif
