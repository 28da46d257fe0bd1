/* files.c - upload and download. */
#include "convexc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static int stop_when_interrupted(uint64_t done, int64_t total, void *user)
{
    return interrupted();
}

/* What is wrong is the file, not the command line. */
static int fail_with_file(convex_status status, const convex_error *error)
{
    return status == CONVEX_EINVAL ? fail(EXIT_LOCAL, "%s", error->message)
                                   : fail_with(status, error);
}

static bool is_url(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

/* The URL that an operand is, or that the function it names returns; owned. */
static int find_url(convex_http *http, convex_http_kind kind, const char *operand,
                    const convex_value *args, char **ret)
{
    const settings quiet = {.quiet = true};
    convex_result *result = NULL;
    convex_error error;
    int r = EXIT_DONE;

    if (is_url(operand)) {
        *ret = strdup(operand);
        return *ret ? EXIT_DONE : fail(EXIT_LOCAL, "out of memory");
    }
    convex_status status = convex_http_call(http, kind, operand, args, NULL, &result, &error);
    if (status != CONVEX_OK)
        return fail_with(status, &error);
    const char *url = convex_value_string(convex_result_value(result), NULL);
    if (!convex_result_success(result))
        r = print_result(&quiet, result);
    else if (convex_value_type(convex_result_value(result)) == CONVEX_NULL)
        r = fail(EXIT_THREW, "%s returned null: there is no such file", operand);
    else if (!url || !is_url(url))
        r = fail(EXIT_SERVER, "%s did not return a URL", operand);
    else if (!(*ret = strdup(url)))
        r = fail(EXIT_LOCAL, "out of memory");
    convex_result_unref(result);
    return r;
}

/* ---- upload ---- */

static int print_uploaded(const convex_uploaded *file)
{
    printf("{\"storageId\":\"%s\",\"size\":%llu,\"sha256\":\"", file->storage_id,
           (unsigned long long)file->size);
    for (int i = 0; i < CONVEX_SHA256_SIZE; i++)
        printf("%02x", file->sha256[i]);
    puts("\"}");
    return fflush(stdout) == 0 ? EXIT_DONE
                               : fail(EXIT_LOCAL, "cannot write the result: %s", strerror(errno));
}

static int upload(const settings *s, convex_http *http, int fd)
{
    convex_upload what = {.content_type = s->type ? s->type : "application/octet-stream",
                          .use_fd = true,
                          .fd = fd,
                          .progress = stop_when_interrupted,
                          .timeout_ms = s->timeout_s * 1000};
    convex_uploaded file;
    convex_error error;
    char *url = NULL;
    int r = find_url(http, CONVEX_HTTP_MUTATION, s->operands[0], NULL, &url);

    if (r == EXIT_DONE) {
        what.url = url;
        catch_signals();
        convex_status status = convex_http_upload(http, &what, &file, &error);
        r = status == CONVEX_OK ? print_uploaded(&file) : fail_with_file(status, &error);
    }
    free(url);
    return r;
}

int run_upload(const settings *s)
{
    const char *path = s->operands[1];
    convex_http *http = NULL;
    credential who;
    int r = open_credential(s, &who);
    int fd = -1;

    if (r == EXIT_DONE)
        r = open_http(s, &who, &http);
    if (r == EXIT_DONE) {
        fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            r = fail(EXIT_LOCAL, "cannot read %s: %s", path, strerror(errno));
    }
    if (r == EXIT_DONE)
        r = upload(s, http, fd);
    if (fd > STDIN_FILENO)
        close(fd);
    convex_http_free(http);
    close_credential(&who);
    return r;
}

/* ---- download ---- */

static int open_output(const settings *s, int *ret_fd, uint64_t *ret_offset)
{
    off_t end = 0;

    *ret_fd = STDOUT_FILENO;
    if (s->resume && !s->output)
        return fail(EXIT_USAGE, "--resume goes with --output");
    if (!s->output)
        return EXIT_DONE;
    *ret_fd = open(s->output, O_WRONLY | O_CREAT | O_CLOEXEC | (s->resume ? 0 : O_TRUNC), 0666);
    if (*ret_fd >= 0 && s->resume)
        end = lseek(*ret_fd, 0, SEEK_END);
    if (*ret_fd < 0 || end < 0)
        return fail(EXIT_LOCAL, "cannot write %s: %s", s->output, strerror(errno));
    *ret_offset = (uint64_t)end;
    return EXIT_DONE;
}

static int download(const settings *s, convex_http *http, const convex_value *args)
{
    convex_download what = {
        .use_fd = true, .progress = stop_when_interrupted, .timeout_ms = s->timeout_s * 1000};
    convex_downloaded file;
    convex_error error;
    char *url = NULL;
    int r = find_url(http, CONVEX_HTTP_QUERY, s->operands[0], args, &url);

    what.fd = -1;
    if (r == EXIT_DONE)
        r = open_output(s, &what.fd, &what.offset);
    if (r == EXIT_DONE) {
        what.url = url;
        catch_signals();
        convex_status status = convex_http_download(http, &what, &file, &error);
        if (status != CONVEX_OK)
            r = fail_with_file(status, &error);
        else if (!file.verified)
            fprintf(stderr, "convexc: received without a checksum to check\n");
    }
    if (what.fd > STDOUT_FILENO && close(what.fd) != 0 && r == EXIT_DONE)
        r = fail(EXIT_LOCAL, "cannot write %s: %s", s->output, strerror(errno));
    free(url);
    return r;
}

int run_download(const settings *s)
{
    convex_value *args = NULL;
    convex_http *http = NULL;
    credential who;
    int r = open_credential(s, &who);

    if (r == EXIT_DONE)
        r = read_args(s, s->operands[1], &args);
    if (r == EXIT_DONE)
        r = open_http(s, &who, &http);
    if (r == EXIT_DONE)
        r = download(s, http, args);
    convex_http_free(http);
    convex_value_unref(args);
    close_credential(&who);
    return r;
}
