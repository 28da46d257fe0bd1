/* file_type_test.c - what files are by their content, and which are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_type.h"
#include "file_zip.h"

#define TEXT "text/plain; charset=utf-8"

/* "" as type: refused with `refusal`. */
typedef struct sample {
    const char *name, *bytes;
    size_t len;
    const char *type, *refusal;
} sample;
#define KEPT(name, bytes, type)                                                                    \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, type, ""                                                   \
    }
#define REFUSED(name, bytes, why)                                                                  \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, "", why                                                    \
    }

static void expect(const sample *s)
{
    file_type found;
    file_type_judge(s->bytes, s->len, s->name, &found);
    if (strcmp(found.content_type ? found.content_type : "", s->type) != 0 ||
        strcmp(found.refusal, s->refusal) != 0)
        fail_msg("%s: %s, \"%s\"", s->name, found.content_type ? found.content_type : "refused",
                 found.refusal);
}

#define RUNS "a page or a drawing that a browser could run (HTML, SVG, XML)"

static void a_type_is_known_by_content_whatever_the_name_says(void **state)
{
    static const sample samples[] = {
        KEPT("a.txt", "\x89PNG\r\n\x1a\n....", "image/png"),
        KEPT("a", "\xff\xd8\xff\xe0", "image/jpeg"),
        KEPT("a", "GIF89a", "image/gif"),
        KEPT("a", "RIFF\4\0\0\0WEBPVP8 ", "image/webp"),
        KEPT("a", "RIFF\4\0\0\0WAVEfmt ", "audio/wav"),
        REFUSED("a", "RIFF\4\0\0\0ACON....", "not of a type that is known to be safe"),
        KEPT("a",
             "\0\0\0\x1c"
             "ftypavif",
             "image/avif"),
        KEPT("a",
             "\0\0\0\x1c"
             "ftypmp42",
             "video/mp4"),
        REFUSED("a",
                "\0\0\0\x1c"
                "ftypzzzz",
                "not of a type that is known to be safe"),
        KEPT("a", "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
        REFUSED("a", "\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska",
                "not of a type that is known to be safe"),
        KEPT("a", "BM\x1a\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0", "image/bmp"),
        KEPT("a.exe.pdf", "%PDF-1.7", "application/pdf"),
        KEPT("a", "BMW long, entry 80", TEXT),
        KEPT("a.png", "ID,price\n1,2\n", TEXT),
        KEPT("a", "OggS\0\2", "audio/ogg"),
        REFUSED("chart.png", "MZ\x90\0", "a Windows program"),
        REFUSED("chart.png",
                "\x7f"
                "ELF\2\1",
                "a Linux program"),
        REFUSED("chart.png", "\xca\xfe\xba\xbe", "a Java or macOS program"),
        REFUSED("notes.txt", "#!/usr/bin/env node", "a script"),
        REFUSED("a.doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
                "an old Office document or an installer, which may carry programs"),
        REFUSED("a", "7z\xbc\xaf\x27\x1c", "an archive that is not looked into (7z)"),
        REFUSED("a", "\x1f\x8b\x08", "an archive that is not looked into (gzip)"),
        REFUSED("a", "", "an empty file"),
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        expect(&samples[i]);
}

static void text_is_text_from_end_to_end_and_no_page(void **state)
{
    static const sample samples[] = {
        KEPT("a.csv", "\xef\xbb\xbfprix;co\xc3\xbbt\r\n", TEXT),
        KEPT("a.json", "{\"a\": \"\xf0\x9f\x9a\x80\"}", TEXT),
        KEPT("a", "<@123> 5 < 6, 7 > 2\t\n", TEXT),
        KEPT("a", "<", TEXT),
        REFUSED("a", "\xc3(", "not of a type that is known to be safe"),
        REFUSED("a", "\xc0\xaf", "not of a type that is known to be safe"),
        REFUSED("a", "\xed\xa0\x80", "not of a type that is known to be safe"),
        REFUSED("a", "\xf4\x90\x80\x80", "not of a type that is known to be safe"),
        REFUSED("a", "cut \xe2\x82", "not of a type that is known to be safe"),
        REFUSED("a", "nul \0 nul", "not of a type that is known to be safe"),
        REFUSED("a", "bell \x07", "not of a type that is known to be safe"),
        REFUSED("a.txt", "<svg onload=x>", RUNS),
        REFUSED("a.txt", " \n\t<!-- --><p>", RUNS),
        REFUSED("a.txt", "\xef\xbb\xbf<?xml version='1.0'?>", RUNS),
        REFUSED("a.txt", "hello <ScRiPt>alert(1)", RUNS),
        REFUSED("a.txt", "hello\n<!DOCTYPE html>", RUNS),
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        expect(&samples[i]);
}

static void a_name_can_only_make_things_worse(void **state)
{
#define PROGRAM "named as a program or a script "
    static const sample samples[] = {
        REFUSED("run.bat", "echo", PROGRAM "(.bat)"),
        REFUSED("RUN.Bat. .", "echo", PROGRAM "(.bat)"),
        REFUSED("a.png.exe", "GIF89a", PROGRAM "(.exe)"),
        REFUSED("a.svg", "GIF89a", "named as a page or a drawing that a browser could run (.svg)"),
        REFUSED("a.html", "just words",
                "named as a page or a drawing that a browser could run "
                "(.html)"),
        KEPT("exe", "words", TEXT),
        KEPT("a.exe/words", "words", TEXT),
        KEPT("", "words", TEXT),
        KEPT("...", "words", TEXT),
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        expect(&samples[i]);
}

/* ---- archives ---- */

typedef struct archive {
    unsigned char data[1024];
    size_t size, list, entries;
    unsigned char central[512];
    size_t central_size;
} archive;

static void put(unsigned char *at, size_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static void add_entry(archive *a, const char *name, unsigned flags)
{
    size_t len = strlen(name);
    unsigned char *local = a->data + a->size, *entry = a->central + a->central_size;
    memset(local, 0, 30);
    memcpy(local, "PK\x03\x04", 4);
    put(local + 26, len, 2);
    memcpy(local + 30, name, len);
    memset(entry, 0, 46);
    memcpy(entry, "PK\x01\x02", 4);
    put(entry + 8, flags, 2);
    put(entry + 28, len, 2);
    put(entry + 42, a->size, 4);
    memcpy(entry + 46, name, len);
    a->size += 30 + len;
    a->central_size += 46 + len;
    a->entries++;
}

static void finish(archive *a, const char *comment)
{
    size_t len = strlen(comment);
    a->list = a->size;
    memcpy(a->data + a->size, a->central, a->central_size);
    unsigned char *end = a->data + a->size + a->central_size;
    memset(end, 0, 22);
    memcpy(end, "PK\x05\x06", 4);
    put(end + 8, a->entries, 2);
    put(end + 10, a->entries, 2);
    put(end + 12, a->central_size, 4);
    put(end + 16, a->list, 4);
    put(end + 20, len, 2);
    memcpy(end + 22, comment, len);
    a->size += a->central_size + 22 + len;
}

static void expect_archive(const char *const *names, unsigned flags, const char *type,
                           const char *refusal)
{
    archive a = {0};
    for (; *names; names++)
        add_entry(&a, *names, flags);
    finish(&a, "a comment, PK\x05\x06 in it");
    sample s = {"a.zip", (const char *)a.data, a.size, type, refusal};
    expect(&s);
}

static void an_archive_is_judged_by_all_that_is_in_it(void **state)
{
    static const char *const plain[] = {"plan/", "plan/btc.txt", "plan/chart.png", NULL};
    static const char *const program[] = {"readme.txt", "bin/Setup.EXE", NULL};
    static const char *const nested[] = {"readme.txt", "more.zip", NULL};
    static const char *const sheet[] = {"[Content_Types].xml", "xl/workbook.xml",
                                        "xl/printerSettings1.bin", NULL};
    static const char *const macros[] = {"[Content_Types].xml", "xl/vbaProject.bin", NULL};
    static const char *const none[] = {NULL};
    expect_archive(plain, 0, "application/zip", "");
    expect_archive(program, 0, "", "an archive that holds a program or a script (.exe)");
    expect_archive(nested, 0, "", "an archive within an archive, which is not looked into (.zip)");
    expect_archive(sheet, 0, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                   "");
    expect_archive(macros, 0, "", "a document with macros");
    expect_archive(plain, 1, "", "an archive with a password, which cannot be looked into");
    expect_archive(none, 0, "application/zip", "");
}

static void count_entry(const char *name, size_t size, void *user)
{
    ++*(size_t *)user;
}

static void an_archive_that_lies_or_is_cut_is_refused(void **state)
{
    archive a = {0};
    size_t seen = 0;
    add_entry(&a, "a.txt", 0);
    add_entry(&a, "b.txt", 0);
    finish(&a, "");
    assert_int_equal(file_zip_list(a.data, a.size, count_entry, &seen), FILE_ZIP_OK);
    assert_int_equal(seen, 2);
    for (size_t size = 0; size < a.size; size++)
        assert_int_equal(file_zip_list(a.data, size, count_entry, &seen), FILE_ZIP_BROKEN);
    a.data[30] = 'x'; /* the entry itself calls itself something else */
    assert_int_equal(file_zip_list(a.data, a.size, count_entry, &seen), FILE_ZIP_BROKEN);
    a.data[30] = 'a';
    put(a.data + a.size - 12, 1, 2); /* one entry less than there are */
    assert_int_equal(file_zip_list(a.data, a.size, count_entry, &seen), FILE_ZIP_BROKEN);
    put(a.data + a.size - 12, 0xffff, 2);
    assert_int_equal(file_zip_list(a.data, a.size, count_entry, &seen), FILE_ZIP_BROKEN);
    put(a.data + a.size - 12, 2, 2);
    put(a.data + a.size - 6, 0xfffffff0, 4);
    assert_int_equal(file_zip_list(a.data, a.size, count_entry, &seen), FILE_ZIP_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_is_known_by_content_whatever_the_name_says),
        cmocka_unit_test(text_is_text_from_end_to_end_and_no_page),
        cmocka_unit_test(a_name_can_only_make_things_worse),
        cmocka_unit_test(an_archive_is_judged_by_all_that_is_in_it),
        cmocka_unit_test(an_archive_that_lies_or_is_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
