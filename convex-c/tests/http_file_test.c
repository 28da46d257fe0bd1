/* http_file_test.c - uploads and downloads against a scripted peer. */
#include <fcntl.h>
#include <openssl/evp.h>

#include "tests/http_story.h"

static const char stored[] = "{\"storageId\":\"kg2dxbdyxw0020g30g2gc1r81589mbh3\"}";
static const peer_step always_stored[] = {{.kind = PEER_ANSWER, .status = 200, .body = stored},
                                          {0}};
/* Ten bytes with a NUL, and their checksum. */
static const char ten[] = "abc\0efghij";
enum { TEN = 10 };

static void sha256_of(const void *data, size_t len, uint8_t ret[CONVEX_SHA256_SIZE])
{
    assert_int_equal(EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL), 1);
}

static int file_of(const void *data, size_t len)
{
    char path[] = "/tmp/convex-c-file-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void url_of(const peer *p, char ret[128])
{
    snprintf(ret, 128, "http://127.0.0.1:%u/api/storage/upload?token=secret-token", p->port);
}

/* ---- upload ---- */

static convex_status upload_to(const peer_step *script, convex_upload what, convex_uploaded *ret,
                               peer *p, convex_error *error)
{
    char url[128];
    peer_start(p, script);
    url_of(p, url);
    if (what.url == NULL)
        what.url = url;
    convex_http *http = connect_to(p, "", NULL, (convex_http_options){0});
    convex_status status = convex_http_upload(http, &what, ret, error);
    convex_http_free(http);
    peer_stop(p);
    assert_null(strstr(error->message, "secret-token"));
    return status;
}

static const char *body_of(const peer *p, size_t i)
{
    return strstr(p->requests[i], "\r\n\r\n") + 4;
}

static const char *join_chunks(const char *body, char ret[64])
{
    size_t at = 0;
    for (char *end; *body != '0'; body += 2) {
        size_t len = strtoul(body, &end, 16);
        assert_true(len > 0 && len <= 64 - at);
        memcpy(ret + at, end + 2, len);
        at += len;
        body = end + 2 + len;
    }
    return ret;
}

static void assert_stored(convex_upload what, const char *const *lines)
{
    convex_uploaded done;
    convex_error error = {0};
    uint8_t sha256[CONVEX_SHA256_SIZE];
    peer p;
    convex_status status = upload_to(always_stored, what, &done, &p, &error);
    if (status != CONVEX_OK)
        fail_msg("%s", error.message);
    sha256_of(ten, TEN, sha256);
    assert_string_equal(done.storage_id, "kg2dxbdyxw0020g30g2gc1r81589mbh3");
    assert_int_equal(done.size, TEN);
    assert_memory_equal(done.sha256, sha256, sizeof sha256);
    assert_int_equal(p.request_count, 1);
    assert_memory_equal(p.requests[0], "POST /api/storage/upload?token=secret-token HTTP/1.1", 52);
    for (size_t i = 0; lines[i] != NULL; i++) {
        if (lines[i][0] != '!')
            assert_has(p.requests[0], lines[i]);
        else if (strcasestr(p.requests[0], lines[i] + 1) != NULL)
            fail_msg("%s in: %s", lines[i] + 1, p.requests[0]);
    }
    const char *body = body_of(&p, 0);
    char joined[64];
    if (strcasestr(p.requests[0], "chunked") != NULL)
        body = join_chunks(body, joined);
    assert_memory_equal(body, ten, TEN);
    peer_done(&p);
}

TEST(a_file_in_memory_is_sent_with_its_checksum)
{
    static const char *const lines[] = {
        "\r\nContent-Type: text/plain\r\n",
        "\r\nContent-Length: 10\r\n",
        "\r\nDigest: sha-256=6u+Hx2h58/+T0kkpYWSyP2Y2FcmmW5kS/mpsTOLLhcU=\r\n",
        "!Authorization",
        "!Expect",
        NULL};
    assert_stored((convex_upload){.data = ten, .size = TEN, .content_type = "text/plain"}, lines);
}

TEST(a_file_without_a_type_is_sent_without_one)
{
    static const char *const lines[] = {"!Content-Type", NULL};
    assert_stored((convex_upload){.data = ten, .size = TEN}, lines);
}

TEST(an_empty_file_is_a_file)
{
    convex_uploaded done;
    convex_error error = {0};
    peer p;
    assert_int_equal(upload_to(always_stored, (convex_upload){.size = 0}, &done, &p, &error),
                     CONVEX_OK);
    assert_int_equal(done.size, 0);
    assert_has(p.requests[0], "Content-Length: 0");
    assert_has(p.requests[0], "Digest: sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    peer_done(&p);
}

TEST(a_regular_file_is_sent_from_where_it_stands_with_its_checksum)
{
    static const char *const lines[] = {
        "\r\nContent-Length: 10\r\n",
        "\r\nDigest: sha-256=6u+Hx2h58/+T0kkpYWSyP2Y2FcmmW5kS/mpsTOLLhcU=\r\n", NULL};
    char longer[TEN + 6] = "head";
    memcpy(longer + 4, ten, TEN);
    int fd = file_of(longer, 4 + TEN + 2);
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    assert_stored((convex_upload){.use_fd = true, .fd = fd, .size = TEN}, lines);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 4 + TEN);
    assert_int_equal(ftruncate(fd, 4 + TEN), 0);
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    assert_stored((convex_upload){.use_fd = true, .fd = fd}, lines);
    close(fd);
}

TEST(a_pipe_is_sent_in_chunks_up_to_its_end)
{
    static const char *const lines[] = {"\r\nTransfer-Encoding: chunked\r\n", "!Content-Length",
                                        "!Digest", NULL};
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_int_equal(write(ends[1], ten, TEN), TEN);
    close(ends[1]);
    assert_stored((convex_upload){.use_fd = true, .fd = ends[0]}, lines);
    close(ends[0]);
}

/* A source that gives two bytes at a time, up to a point. */
typedef struct source {
    size_t at, end;
    bool fails;
    int64_t progress, total;
    bool stops;
} source;

static ptrdiff_t read_two(void *ret, size_t room, void *user)
{
    source *s = user;
    size_t n = s->end - s->at < 2 ? s->end - s->at : 2;
    if (n == 0 && s->fails)
        return -1;
    memcpy(ret, ten + s->at, n);
    s->at += n;
    return (ptrdiff_t)n;
}

static int note_progress(uint64_t done, int64_t total, void *user)
{
    source *s = user;
    s->progress = (int64_t)done;
    s->total = total;
    return s->stops;
}

TEST(a_stream_of_known_size_is_sent_with_its_length)
{
    static const char *const lines[] = {"\r\nContent-Length: 10\r\n", "!Digest", NULL};
    source s = {.end = TEN};
    assert_stored(
        (convex_upload){.read = read_two, .size = TEN, .progress = note_progress, .user = &s},
        lines);
    assert_int_equal(s.progress, TEN);
    assert_int_equal(s.total, TEN);
}

TEST(a_given_checksum_is_left_to_the_server_to_check)
{
    static const char *const lines[] = {"\r\nTransfer-Encoding: chunked\r\n",
                                        "\r\nDigest: sha-256=6u+Hx2h58/+", NULL};
    uint8_t sha256[CONVEX_SHA256_SIZE];
    source s = {.end = TEN};
    sha256_of(ten, TEN, sha256);
    assert_stored((convex_upload){.read = read_two, .sha256 = sha256, .user = &s}, lines);
}

static void assert_not_stored(const peer_step *script, convex_upload what, convex_status status,
                              const char *word, size_t requests)
{
    convex_uploaded done = {.size = 77};
    convex_error error = {0};
    peer p;
    assert_int_equal(upload_to(script, what, &done, &p, &error), status);
    assert_int_equal(error.status, status);
    if (strcasestr(error.message, word) == NULL && strcmp(error.code, word) != 0)
        fail_msg("no \"%s\" in %s: %s", word, error.code, error.message);
    assert_int_equal(done.size, 77);
    assert_true(p.request_count == requests);
    peer_done(&p);
}

static ptrdiff_t read_too_much(void *ret, size_t room, void *user)
{
    return (ptrdiff_t)room + 1;
}

TEST(a_source_that_fails_or_ends_early_stores_nothing)
{
    assert_not_stored(always_stored, (convex_upload){.read = read_too_much}, CONVEX_EINVAL, "room",
                      0);
    source s = {.end = 4, .fails = true};
    convex_upload what = {.read = read_two, .user = &s};
    assert_not_stored(always_stored, what, CONVEX_ECANCELED, "canceled", 0);
    s = (source){.end = 4};
    what.size = TEN;
    assert_not_stored(always_stored, what, CONVEX_EINVAL, "ended before", 0);
    s = (source){.end = TEN, .stops = true};
    what.progress = note_progress;
    assert_not_stored(always_stored, what, CONVEX_ECANCELED, "canceled", 0);
    int fd = file_of(ten, TEN);
    assert_not_stored(always_stored, (convex_upload){.use_fd = true, .fd = fd, .size = TEN + 1},
                      CONVEX_EINVAL, "ended before", 0);
    close(fd);
    assert_not_stored(always_stored, (convex_upload){.use_fd = true, .fd = -1}, CONVEX_EINVAL,
                      "cannot read the file", 0);
}

TEST(a_refused_upload_says_why)
{
    static const struct {
        int status;
        const char *body, *word;
        convex_status expected;
    } cases[] = {
        {401, "{\"code\":\"StorageTokenExpired\",\"message\":\"old\"}", "StorageTokenExpired",
         CONVEX_EAUTH},
        {400, "{\"code\":\"Sha256Mismatch\",\"message\":\"x\"}", "Sha256Mismatch", CONVEX_ESERVER},
        {502, "", "unknown", CONVEX_EUNKNOWN},
        {200, "{}", "storageId", CONVEX_EUNKNOWN},
        {200, "{\"storageId\":\"\"}", "storageId", CONVEX_EUNKNOWN},
        {200, "{\"storageId\":\"a\\u0000b\"}", "storageId", CONVEX_EUNKNOWN},
        {200, "", "JSON", CONVEX_EUNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        peer_step script[] = {
            {.kind = PEER_ANSWER, .status = cases[i].status, .body = cases[i].body}, {0}};
        assert_not_stored(script, (convex_upload){.data = ten, .size = TEN}, cases[i].expected,
                          cases[i].word, 1);
    }
}

TEST(an_upload_whose_answer_is_lost_is_sent_once_and_reported_unknown)
{
    static const peer_step dropped[] = {{.kind = PEER_DROP}, {0}};
    assert_not_stored(dropped, (convex_upload){.data = ten, .size = TEN}, CONVEX_EUNKNOWN,
                      "unknown", 1);
}

TEST(a_bad_upload_is_refused_before_anything_is_sent)
{
    char long_type[200];
    memset(long_type, 'x', sizeof long_type - 1);
    long_type[sizeof long_type - 1] = '\0';
    const struct {
        convex_upload what;
        const char *word;
    } cases[] = {
        {{.url = "ftp://host/"}, "url"},
        {{.url = "http://host/\r\nX: y"}, "url"},
        {{.size = 5}, "source"},
        {{.data = ten, .use_fd = true, .size = TEN}, "source"},
        {{.data = ten, .size = UINT64_MAX}, "size"},
        {{.read = read_two, .size = UINT64_MAX}, "size"},
        {{.content_type = "a\r\nX: y"}, "content_type"},
        {{.content_type = long_type}, "content_type"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_not_stored(always_stored, cases[i].what, CONVEX_EINVAL, cases[i].word, 0);
}

/* ---- download ---- */

typedef struct sink {
    char data[64];
    size_t len;
    bool fails;
} sink;

static int keep(const void *data, size_t len, void *user)
{
    sink *s = user;
    if (s->fails)
        return -1;
    assert_true(len <= sizeof s->data - s->len);
    memcpy(s->data + s->len, data, len);
    s->len += len;
    return 0;
}

static convex_status download_from(const peer_step *script, convex_download what,
                                   convex_downloaded *ret, peer *p, convex_error *error)
{
    char url[128];
    peer_start(p, script);
    url_of(p, url);
    what.url = url;
    convex_http *http = connect_to(p, "", NULL, (convex_http_options){0});
    convex_status status = convex_http_download(http, &what, ret, error);
    convex_http_free(http);
    peer_stop(p);
    return status;
}

/* Downloads into `s`, which must then hold the ten bytes from `offset` on. */
static void assert_received(const peer_step *script, convex_download what, bool verified,
                            size_t requests, const char *const *ranges)
{
    convex_downloaded done;
    convex_error error = {0};
    sink s = {.len = 0};
    peer p;
    what.write = keep;
    what.user = &s;
    convex_status status = download_from(script, what, &done, &p, &error);
    if (status != CONVEX_OK)
        fail_msg("%s", error.message);
    size_t offset = what.offset < TEN ? (size_t)what.offset : TEN;
    assert_int_equal(s.len, TEN - offset);
    assert_memory_equal(s.data, ten + offset, s.len);
    assert_int_equal(done.size, s.len);
    assert_null(done.data);
    assert_int_equal(done.verified, verified);
    assert_int_equal(p.request_count, requests);
    for (size_t i = 0; i < requests; i++) {
        if (ranges == NULL || ranges[i] == NULL)
            assert_null(strcasestr(p.requests[i], "Range:"));
        else
            assert_has(p.requests[i], ranges[i]);
    }
    peer_done(&p);
}

static const peer_step whole[] = {{.kind = PEER_ANSWER,
                                   .status = 200,
                                   .body = ten,
                                   .len = TEN,
                                   .header = "Content-Type: image/png\r\nDigest: sha-256="
                                             "6u+Hx2h58/+T0kkpYWSyP2Y2FcmmW5kS/mpsTOLLhcU="},
                                  {0}};

TEST(a_download_into_memory_is_whole_and_checked)
{
    convex_downloaded done;
    convex_error error = {0};
    uint8_t sha256[CONVEX_SHA256_SIZE];
    peer p;
    assert_int_equal(download_from(whole, (convex_download){0}, &done, &p, &error), CONVEX_OK);
    sha256_of(ten, TEN, sha256);
    assert_memory_equal(done.data, ten, TEN + 1);
    assert_int_equal(done.size, TEN);
    assert_string_equal(done.content_type, "image/png");
    assert_memory_equal(done.sha256, sha256, sizeof sha256);
    assert_true(done.verified);
    assert_has(p.requests[0], "GET /api/storage/upload?token=secret-token HTTP");
    assert_null(strcasestr(p.requests[0], "Content-Type"));
    convex_text_free(done.data, NULL);
    peer_done(&p);
}

TEST(a_download_into_a_descriptor_begins_where_it_stands)
{
    convex_downloaded done;
    convex_error error = {0};
    char back[TEN + 2];
    peer p;
    int fd = file_of("xx", 2);
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    assert_int_equal(
        download_from(whole, (convex_download){.use_fd = true, .fd = fd}, &done, &p, &error),
        CONVEX_OK);
    assert_int_equal(pread(fd, back, sizeof back, 0), TEN + 2);
    assert_memory_equal(back + 2, ten, TEN);
    close(fd);
    peer_done(&p);
}

TEST(a_part_is_asked_for_and_checked_by_its_length_alone)
{
    /* What Convex says of a part is what was asked, right or not. */
    static const peer_step part[] = {{.kind = PEER_ANSWER,
                                      .status = 206,
                                      .body = "efghij",
                                      .header = "Content-Range: bytes 4-99/10"},
                                     {0}};
    static const char *const ranges[] = {"\r\nRange: bytes=4-\r\n"};
    assert_received(part, (convex_download){.offset = 4}, false, 1, ranges);
}

TEST(a_server_that_ignores_the_range_is_skipped_through)
{
    static const char *const ranges[] = {"\r\nRange: bytes=4-\r\n"};
    assert_received(whole, (convex_download){.offset = 4}, false, 1, ranges);
}

TEST(a_part_that_begins_past_the_end_is_empty)
{
    static const peer_step answers[][2] = {
        {{.kind = PEER_ANSWER,
          .status = 206,
          .body = "",
          .header = "Content-Range: bytes 99-98/10"},
         {0}},
        {{.kind = PEER_ANSWER, .status = 416, .body = ""}, {0}},
        {{.kind = PEER_ANSWER, .status = 200, .body = ten, .len = TEN}, {0}},
    };
    static const char *const ranges[] = {"\r\nRange: bytes=99-\r\n"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_received(answers[i], (convex_download){.offset = 99}, false, 1, ranges);
}

static const peer_step cut = {
    .kind = PEER_RAW,
    .body = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nDigest: sha-256="
            "6u+Hx2h58/+T0kkpYWSyP2Y2FcmmW5kS/mpsTOLLhcU=\r\n\r\nabc\0e",
    .len = sizeof "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nDigest: sha-256=" + 44 + 4 + 5 - 1};

TEST(a_download_that_was_cut_goes_on_from_there)
{
    const peer_step script[] = {
        cut,
        {.kind = PEER_RAW, .body = "HTTP/1.1 206 X\r\nContent-Length: 5\r\n\r\nfgh"},
        {.kind = PEER_ANSWER, .status = 206, .body = "ij"},
        {0}};
    static const char *const ranges[] = {NULL, "\r\nRange: bytes=5-\r\n",
                                         "\r\nRange: bytes=8-\r\n"};
    assert_received(script, (convex_download){0}, true, 3, ranges);
}

TEST(a_download_that_was_cut_survives_a_server_without_ranges)
{
    const peer_step script[] = {cut, whole[0], {0}};
    static const char *const ranges[] = {NULL, "\r\nRange: bytes=5-\r\n"};
    assert_received(script, (convex_download){0}, true, 2, ranges);
}

static void assert_not_received(const peer_step *script, convex_download what, convex_status status,
                                const char *word, size_t requests)
{
    convex_downloaded done = {.size = 77};
    convex_error error = {0};
    peer p;
    assert_int_equal(download_from(script, what, &done, &p, &error), status);
    if (strcasestr(error.message, word) == NULL && strcmp(error.code, word) != 0)
        fail_msg("no \"%s\" in %s: %s", word, error.code, error.message);
    assert_int_equal(done.size, 77);
    assert_int_equal(p.request_count, requests);
    peer_done(&p);
}

TEST(a_download_goes_on_only_so_often)
{
    const peer_step script[] = {cut, {.kind = PEER_DROP}, {0}};
    assert_not_received(script, (convex_download){.resumes = 1}, CONVEX_ENETWORK, "", 2);
    assert_not_received(script + 1, (convex_download){0}, CONVEX_ENETWORK, "", 1);
}

TEST(a_download_with_a_wrong_checksum_or_length_fails)
{
    static const uint8_t other[CONVEX_SHA256_SIZE] = {1};
    static const peer_step wrong[] = {{.kind = PEER_ANSWER,
                                       .status = 200,
                                       .body = "abc",
                                       .header = "Digest: sha-256="
                                                 "6u+Hx2h58/+T0kkpYWSyP2Y2FcmmW5kS/mpsTOLLhcU="},
                                      {0}};
    assert_not_received(wrong, (convex_download){0}, CONVEX_EPROTOCOL, "checksum", 1);
    assert_not_received(whole, (convex_download){.sha256 = other}, CONVEX_EPROTOCOL, "checksum", 1);
    const peer_step shorter[] = {cut, {.kind = PEER_ANSWER, .status = 206, .body = "f"}, {0}};
    assert_not_received(shorter, (convex_download){0}, CONVEX_EPROTOCOL, "6 of 10", 2);
}

/* Trap 9: the storage id is not the name of the file in its URL. */
TEST(a_refused_download_says_why)
{
    static const peer_step gone[] = {
        {.kind = PEER_ANSWER, .status = 404, .body = "{\"code\":\"FileNotFound\"}"}, {0}};
    static const peer_step bad[] = {
        {.kind = PEER_ANSWER, .status = 400, .body = "{\"code\":\"InvalidStoragePath\"}"}, {0}};
    assert_not_received(gone, (convex_download){0}, CONVEX_ESERVER, "FileNotFound", 1);
    assert_not_received(bad, (convex_download){.offset = 3}, CONVEX_ESERVER, "InvalidStoragePath",
                        1);
}

TEST(a_download_that_cannot_be_kept_is_ended)
{
    sink s = {.fails = true};
    source stop = {.stops = true};
    assert_not_received(whole, (convex_download){.write = keep, .user = &s}, CONVEX_ECANCELED,
                        "canceled", 1);
    assert_not_received(whole, (convex_download){.max_bytes = TEN - 1}, CONVEX_ELIMIT, "max_bytes",
                        1);
    assert_not_received(whole, (convex_download){.use_fd = true, .fd = -1}, CONVEX_EINVAL,
                        "cannot write the file", 1);
    convex_downloaded done;
    convex_error error = {0};
    peer p;
    convex_download what = {.progress = note_progress, .user = &stop};
    assert_int_equal(download_from(whole, what, &done, &p, &error), CONVEX_ECANCELED);
    peer_done(&p);
}

/* ---- memory ---- */

static convex_http *connect_with(const peer *p, failing_mem *counter)
{
    convex_http *http = NULL;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", p->port);
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
    options.url = url;
    options.network.proxy = "";
    options.mem = failing(counter);
    return convex_http_new(&options, &http, NULL) == CONVEX_OK ? http : NULL;
}

TEST(when_any_allocation_fails_files_fail_cleanly)
{
    const peer_step *const scripts[] = {always_stored, whole};
    for (int i = 0; i < 2; i++) {
        peer p;
        char url[128];
        peer_start(&p, scripts[i]);
        url_of(&p, url);
        for (long n = 0, ok = 0; !ok; n++) {
            failing_mem counter = {.left = n};
            size_t sent = atomic_load(&p.seen);
            convex_http *http = connect_with(&p, &counter);
            convex_uploaded up;
            convex_downloaded down = {.data = NULL};
            const convex_upload upload = {.url = url, .data = ten, .size = TEN};
            const convex_download download = {.url = url};
            convex_status status = CONVEX_ENOMEM;
            if (http != NULL)
                status = i == 0 ? convex_http_upload(http, &upload, &up, NULL)
                                : convex_http_download(http, &download, &down, NULL);
            ok = status == CONVEX_OK;
            /* An upload that was sent may have been stored. */
            assert_true(ok ||
                        status == (i == 0 && p.seen > sent ? CONVEX_EUNKNOWN : CONVEX_ENOMEM));
            if (down.data != NULL) {
                convex_mem mem = failing(&counter);
                convex_text_free(down.data, &mem);
            }
            convex_http_free(http);
            assert_int_equal(counter.live, 0);
        }
        peer_stop(&p);
        peer_done(&p);
    }
}

static int count_bytes(const void *data, size_t len, void *user)
{
    *(size_t *)user += len;
    return 0;
}

TEST(a_large_file_passes_through_without_being_kept)
{
    size_t size = 1 << 20, received = 0;
    char *large = calloc(1, size);
    peer_step script[] = {{.kind = PEER_ANSWER, .status = 200, .body = large, .len = size}, {0}};
    failing_mem counter = {.left = -1};
    convex_downloaded done;
    char url[128];
    peer p;
    peer_start(&p, script);
    url_of(&p, url);
    convex_http *http = connect_with(&p, &counter);
    const convex_download what = {.url = url, .write = count_bytes, .user = &received};
    long before = counter.calls;
    assert_int_equal(convex_http_download(http, &what, &done, NULL), CONVEX_OK);
    assert_int_equal(received, size);
    assert_int_equal(counter.calls, before);
    convex_http_free(http);
    peer_stop(&p);
    peer_done(&p);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_in_memory_is_sent_with_its_checksum),
        cmocka_unit_test(a_file_without_a_type_is_sent_without_one),
        cmocka_unit_test(an_empty_file_is_a_file),
        cmocka_unit_test(a_regular_file_is_sent_from_where_it_stands_with_its_checksum),
        cmocka_unit_test(a_pipe_is_sent_in_chunks_up_to_its_end),
        cmocka_unit_test(a_stream_of_known_size_is_sent_with_its_length),
        cmocka_unit_test(a_given_checksum_is_left_to_the_server_to_check),
        cmocka_unit_test(a_source_that_fails_or_ends_early_stores_nothing),
        cmocka_unit_test(a_refused_upload_says_why),
        cmocka_unit_test(an_upload_whose_answer_is_lost_is_sent_once_and_reported_unknown),
        cmocka_unit_test(a_bad_upload_is_refused_before_anything_is_sent),
        cmocka_unit_test(a_download_into_memory_is_whole_and_checked),
        cmocka_unit_test(a_download_into_a_descriptor_begins_where_it_stands),
        cmocka_unit_test(a_part_is_asked_for_and_checked_by_its_length_alone),
        cmocka_unit_test(a_server_that_ignores_the_range_is_skipped_through),
        cmocka_unit_test(a_part_that_begins_past_the_end_is_empty),
        cmocka_unit_test(a_download_that_was_cut_goes_on_from_there),
        cmocka_unit_test(a_download_that_was_cut_survives_a_server_without_ranges),
        cmocka_unit_test(a_download_goes_on_only_so_often),
        cmocka_unit_test(a_download_with_a_wrong_checksum_or_length_fails),
        cmocka_unit_test(a_refused_download_says_why),
        cmocka_unit_test(a_download_that_cannot_be_kept_is_ended),
        cmocka_unit_test(when_any_allocation_fails_files_fail_cleanly),
        cmocka_unit_test(a_large_file_passes_through_without_being_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
