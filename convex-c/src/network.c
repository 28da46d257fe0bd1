/* network.c - the way to the server: checks, copies and the options of libcurl.
 * Owns nothing. Any thread. Invariant: what is pinned or trusted by the caller only ever
 * narrows what is accepted; no option here widens it. */
#include "network_internal.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include "base64.h"
#include "mem.h"

enum { SHA256_SIZE = 32, SHA256_BASE64 = 44 };

/* ---- checks ---- */

/* Whether what follows the host is nothing, or ":" and a port. */
static bool is_port(const char *text, size_t len)
{
    unsigned long port = 0;

    if (len == 0)
        return true;
    if (text[0] != ':' || len < 2 || len > 6)
        return false;
    for (size_t i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned long)(text[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

static const char *fault_of_url(const char *url)
{
    static const char site[] = ".convex.site";
    const size_t site_len = sizeof site - 1;
    const char *host;
    size_t len, host_len;

    if (!url || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        return "url does not begin with http:// or https://";
    host = strchr(url, ':') + 3;
    len = strcspn(host, "/?#");
    if (len == 0)
        return "url names no host";
    host_len = host[0] == '[' ? strcspn(host, "]/?#") + 1 : strcspn(host, ":/?#");
    if (host_len == 0)
        return "url names no host";
    if (memchr(host, '@', len))
        return "url holds a user name; credentials go into auth";
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '?' || *c == '#')
            return "url has a query, a fragment, a space or a character that needs escaping";
    if (host_len > len || !is_port(host + host_len, len - host_len))
        return "url has no port from 1 to 65535 behind the host";
    if (host_len > site_len && strncasecmp(host + host_len - site_len, site, site_len) == 0)
        return "url is the address of HTTP actions (.convex.site); use the .convex.cloud one";
    return NULL;
}

static bool is_pin_list(const char *text)
{
    static const char prefix[] = "sha256//";
    unsigned char hash[CVX_BASE64_DECODED(SHA256_BASE64)];
    size_t len;

    for (;; text += SHA256_BASE64 + 1) {
        if (strncmp(text, prefix, sizeof prefix - 1) != 0)
            return false;
        text += sizeof prefix - 1;
        if (strcspn(text, ";") != SHA256_BASE64 ||
            !cvx_base64_decode(text, SHA256_BASE64, hash, &len) || len != SHA256_SIZE)
            return false;
        if (text[SHA256_BASE64] == '\0')
            return true;
    }
}

const char *cvx_network_fault(const convex_network *network, const char *url)
{
    const char *fault = fault_of_url(url);

    if (fault)
        return fault;
    if (network->client_key_file && !network->client_cert_file)
        return "network.client_key_file comes without client_cert_file";
    if (network->pinned_key && !is_pin_list(network->pinned_key))
        return "network.pinned_key is not of the form sha256//BASE64[;sha256//BASE64...]";
    if (network->pinned_key && strncasecmp(url, "https", 5) != 0)
        return "network.pinned_key needs an https:// url";
    if (!network->unix_socket)
        return NULL;
    if (!network->unix_socket[0] ||
        strlen(network->unix_socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return "network.unix_socket is no path of a socket: empty or too long";
    if (network->proxy && network->proxy[0])
        return "network.proxy and unix_socket exclude each other";
    return NULL;
}

/* ---- copies ---- */

static const size_t texts[] = {
    offsetof(convex_network, ca_file),
    offsetof(convex_network, pinned_key),
    offsetof(convex_network, client_cert_file),
    offsetof(convex_network, client_key_file),
    offsetof(convex_network, proxy),
    offsetof(convex_network, unix_socket),
};

enum { TEXTS = sizeof texts / sizeof texts[0] };

static const char *get(const convex_network *network, size_t i)
{
    const char *text;
    memcpy(&text, (const char *)network + texts[i], sizeof text);
    return text;
}

static void set(convex_network *network, size_t i, const char *text)
{
    memcpy((char *)network + texts[i], &text, sizeof text);
}

bool cvx_network_copy(const convex_network *network, const convex_mem *mem, convex_network *ret)
{
    *ret = (convex_network){0};
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = get(network, i);
        if (!text)
            continue;
        set(ret, i, cvx_strdup(mem, text));
        if (!get(ret, i)) {
            cvx_network_done(ret, mem);
            return false;
        }
    }
    return true;
}

void cvx_network_done(convex_network *network, const convex_mem *mem)
{
    for (size_t i = 0; i < TEXTS; i++)
        cvx_free(mem, (void *)(uintptr_t)get(network, i));
    *network = (convex_network){0};
}

/* ---- libcurl ---- */

/* libcurl would read a folder of CAs besides the file: more than ca_file allows, and with a folder
 * it reads the system's file anew for each connection, which takes 20 ms. */
static CURLcode apply_trust(const convex_network *network, CURL *easy)
{
    const char *bundle = curl_version_info(CURLVERSION_NOW)->cainfo;

    if (!network->ca_file)
        return bundle && access(bundle, R_OK) == 0 ? curl_easy_setopt(easy, CURLOPT_CAPATH, NULL)
                                                   : CURLE_OK;
    if (curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK)
        return CURLE_OUT_OF_MEMORY;
    return curl_easy_setopt(easy, CURLOPT_CAINFO, network->ca_file);
}

CURLcode cvx_network_apply(const convex_network *network, CURL *easy)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");

    if (code == CURLE_OK)
        code = apply_trust(network, easy);
    if (code == CURLE_OK && network->pinned_key)
        code = curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, network->pinned_key);
    if (code == CURLE_OK && network->client_cert_file) {
        const char *key = network->client_key_file;
        code = curl_easy_setopt(easy, CURLOPT_SSLCERT, network->client_cert_file);
        if (code == CURLE_OK)
            code = curl_easy_setopt(easy, CURLOPT_SSLKEY, key ? key : network->client_cert_file);
    }
    if (code == CURLE_OK && network->unix_socket) {
        code = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, network->unix_socket);
        if (code == CURLE_OK) /* else one of the environment would be asked for */
            code = curl_easy_setopt(easy, CURLOPT_PROXY, "");
    } else if (code == CURLE_OK && network->proxy) {
        code = curl_easy_setopt(easy, CURLOPT_PROXY, network->proxy);
        if (code == CURLE_OK) /* exceptions of the environment are for its own proxies */
            code = curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    }
    return code;
}

const char *cvx_network_words(CURLcode code, const char *words)
{
    if (strstr(words, "certificate required"))
        return "the server wants a client certificate (network.client_cert_file)";
    if (strstr(words, "alert handshake failure"))
        return "the server refused the TLS handshake; it may want a client certificate "
               "(network.client_cert_file)";
    if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
        return "the server's public key is none of network.pinned_key";
    return words[0] ? words : curl_easy_strerror(code);
}
