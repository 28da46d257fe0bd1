/* curl_bench.c - what queries over HTTP cost by a bare loop of libcurl.
 *
 *     convex_curl_bench curl URL COUNT
 *
 * A program of its own, as the library loads libcurl only where it needs it. */
#include <curl/curl.h>
#include <stdio.h>

#include "bench.h"

static size_t keep(char *data, size_t size, size_t count, void *user)
{
    *(size_t *)user += size * count;
    return size * count;
}

static int job_curl(const char *url, const long *n)
{
    static const char body[] =
        "{\"path\":\"bench:query\",\"format\":\"convex_encoded_json\",\"args\":[{\"n\":1}]}";
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char address[256];
    size_t got = 0;
    bench b;

    snprintf(address, sizeof address, "%s/api/query", url);
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
    bench_init(&b, n[0]);
    while (b.seen < b.wanted) {
        double began = bench_now_us();
        if (curl_easy_perform(curl) != CURLE_OK)
            return 1;
        bench_note(&b, bench_now_us() - began);
    }
    bench_print(&b);
    bench_wait();
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return 0;
}

int main(int argc, char **argv)
{
    static const bench_job jobs[] = {{"curl", 1, job_curl}, {NULL, 0, NULL}};
    return bench_main(jobs, argc, argv);
}
