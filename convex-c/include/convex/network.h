/* convex/network.h - how the server is reached; the same for the live client and HTTP calls.
 *
 * Every text is copied by the call that takes the struct. A struct of zeros means the
 * defaults: the system's CAs, the proxy of the environment, TCP. */
#ifndef CONVEX_NETWORK_H
#define CONVEX_NETWORK_H

#ifdef __cplusplus
extern "C" {
#endif

/* Refused with CONVEX_EINVAL when a client is made: a key without a certificate, a pin that is
 * not of the form below or comes with an http:// URL, a socket path too long for the system, a
 * proxy together with a Unix socket. Files are read when connecting; one that cannot be read, and
 * a peer that fails a check, is a connection that fails with words that say which. */
typedef struct convex_network {
    const char *ca_file;    /* PEM; these CAs are trusted and no others. NULL: the system's */
    const char *pinned_key; /* checked besides the certificate: the server's public key must be one
                               of "sha256//BASE64[;sha256//BASE64...]", SHA-256 of its DER form
                               (SubjectPublicKeyInfo). NULL: any */
    const char *client_cert_file; /* PEM, with its chain, for servers that ask; NULL: none */
    const char *client_key_file;  /* PEM, without passphrase; NULL: it is in client_cert_file */
    const char *proxy;            /* "http://host:port", "socks5h://host:port" or what else libcurl
                                     takes; NULL: from the environment as curl does; "": none */
    const char *unix_socket;      /* path of the server's Unix socket; host and port of the URL then
                                     serve as names only. NULL: TCP */
} convex_network;

#ifdef __cplusplus
}
#endif
#endif
