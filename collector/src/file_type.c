/* file_type.c - what a file is by its content, and whether it is one that is kept.
 * Owns nothing; see file_type.h.
 * Invariants: whatever no table knows and is not text is refused; nothing but constants of this
 * file gets into a refusal. */
#include "file_type.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "file_zip.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(text)  text, sizeof(text) - 1

enum { MARKUP_LOOK = 64 << 10 };

typedef struct span {
    const unsigned char *data;
    size_t size;
} span;

static bool has(span file, size_t at, const char *bytes, size_t len)
{
    return at <= file.size && len <= file.size - at && memcmp(file.data + at, bytes, len) == 0;
}

/* ---- by the first bytes ---- */

typedef struct magic {
    size_t at;
    const char *bytes;
    size_t len;
    const char *type;    /* kept as this, or */
    const char *refused; /* refused as this */
} magic;

static const magic magics[] = {
    {0, BYTES("\x89PNG\r\n\x1a\n"), "image/png", NULL},
    {0, BYTES("\xff\xd8\xff"), "image/jpeg", NULL},
    {0, BYTES("GIF87a"), "image/gif", NULL},
    {0, BYTES("GIF89a"), "image/gif", NULL},
    {0, BYTES("%PDF-"), "application/pdf", NULL},
    {0, BYTES("OggS"), "audio/ogg", NULL},
    {0, BYTES("fLaC"), "audio/flac", NULL},
    {0, BYTES("ID3"), "audio/mpeg", NULL},
    {0, BYTES("\xff\xfb"), "audio/mpeg", NULL},
    {0, BYTES("\xff\xf3"), "audio/mpeg", NULL},
    {0, BYTES("MZ"), NULL, "a Windows program"},
    {0,
     BYTES("\x7f"
           "ELF"),
     NULL, "a Linux program"},
    {0, BYTES("\xfe\xed\xfa\xce"), NULL, "a macOS program"},
    {0, BYTES("\xfe\xed\xfa\xcf"), NULL, "a macOS program"},
    {0, BYTES("\xce\xfa\xed\xfe"), NULL, "a macOS program"},
    {0, BYTES("\xcf\xfa\xed\xfe"), NULL, "a macOS program"},
    {0, BYTES("\xca\xfe\xba\xbe"), NULL, "a Java or macOS program"},
    {0, BYTES("\0asm"), NULL, "a WebAssembly program"},
    {0, BYTES("dex\n"), NULL, "an Android program"},
    {0, BYTES("#!"), NULL, "a script"},
    {0, BYTES("L\0\0\0\x01\x14\x02\0"), NULL, "a Windows shortcut"},
    {0, BYTES("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), NULL,
     "an old Office document or an installer, which may carry programs"},
    {0, BYTES("{\\rtf"), NULL, "a rich text document, which may carry programs"},
    {0, BYTES("7z\xbc\xaf\x27\x1c"), NULL, "an archive that is not looked into (7z)"},
    {0, BYTES("Rar!\x1a\x07"), NULL, "an archive that is not looked into (rar)"},
    {0, BYTES("\x1f\x8b"), NULL, "an archive that is not looked into (gzip)"},
    {0, BYTES("BZh"), NULL, "an archive that is not looked into (bzip2)"},
    {0,
     BYTES("\xfd"
           "7zXZ"),
     NULL, "an archive that is not looked into (xz)"},
    {0, BYTES("\x28\xb5\x2f\xfd"), NULL, "an archive that is not looked into (zstd)"},
    {0, BYTES("MSCF"), NULL, "an archive that is not looked into (cab)"},
    {0, BYTES("!<arch>"), NULL, "an archive that is not looked into (ar)"},
    {257, BYTES("ustar"), NULL, "an archive that is not looked into (tar)"},
};

/* Boxes that hold one of several things, told apart further in. */
static const magic boxed[] = {
    {8, BYTES("WEBP"), "image/webp", NULL},
    {8, BYTES("WAVE"), "audio/wav", NULL},
};

static const magic brands[] = {
    {8, BYTES("avif"), "image/avif", NULL},      {8, BYTES("avis"), "image/avif", NULL},
    {8, BYTES("heic"), "image/heic", NULL},      {8, BYTES("heix"), "image/heic", NULL},
    {8, BYTES("mif1"), "image/heif", NULL},      {8, BYTES("isom"), "video/mp4", NULL},
    {8, BYTES("iso2"), "video/mp4", NULL},       {8, BYTES("iso4"), "video/mp4", NULL},
    {8, BYTES("iso5"), "video/mp4", NULL},       {8, BYTES("iso6"), "video/mp4", NULL},
    {8, BYTES("mp41"), "video/mp4", NULL},       {8, BYTES("mp42"), "video/mp4", NULL},
    {8, BYTES("avc1"), "video/mp4", NULL},       {8, BYTES("dash"), "video/mp4", NULL},
    {8, BYTES("M4V "), "video/mp4", NULL},       {8, BYTES("M4A "), "audio/mp4", NULL},
    {8, BYTES("3gp4"), "video/3gpp", NULL},      {8, BYTES("3gp5"), "video/3gpp", NULL},
    {8, BYTES("qt  "), "video/quicktime", NULL},
};

static const magic *find(span file, const magic *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (has(file, table[i].at, table[i].bytes, table[i].len))
            return &table[i];
    return NULL;
}

static const magic *find_magic(span file)
{
    if (has(file, 0, BYTES("RIFF")))
        return find(file, boxed, COUNT(boxed));
    if (has(file, 4, BYTES("ftyp")))
        return find(file, brands, COUNT(brands));
    return find(file, magics, COUNT(magics));
}

static bool is_webm(span file)
{
    if (!has(file, 0, BYTES("\x1a\x45\xdf\xa3")))
        return false;
    for (size_t at = 4; at < 64; at++)
        if (has(file, at, BYTES("\x42\x82\x84webm")))
            return true;
    return false;
}

/* "BM" alone begins many a text: the size that follows has to be right too. */
static bool is_bmp(span file)
{
    const unsigned char *d = file.data;
    return has(file, 0, BYTES("BM")) && file.size >= 26 &&
           (d[2] | (size_t)d[3] << 8 | (size_t)d[4] << 16 | (size_t)d[5] << 24) == file.size;
}

/* ---- by the name ---- */

static const char *const programs[] = {
    "exe",     "com",    "scr",     "pif",   "msi",         "msp",  "bat",  "cmd",  "ps1",  "psm1",
    "vbs",     "vbe",    "js",      "jse",   "mjs",         "wsf",  "wsh",  "hta",  "jar",  "class",
    "apk",     "app",    "dmg",     "pkg",   "deb",         "rpm",  "sh",   "bash", "zsh",  "lnk",
    "desktop", "url",    "reg",     "inf",   "cpl",         "dll",  "sys",  "so",   "ocx",  "scf",
    "iso",     "img",    "vhd",     "vhdx",  "docm",        "xlsm", "pptm", "xll",  "xlam", "dotm",
    "xltm",    "chm",    "hlp",     "py",    "pyw",         "pl",   "rb",   "php",  "swf",  "dex",
    "run",     "gadget", "command", "dylib", "application", "appx", "msix", "wasm",
};
static const char *const archives[] = {
    "zip", "7z", "rar", "gz", "tgz", "bz2", "xz", "zst", "tar", "cab", "ar", "lzh", "ace", "arj",
};
static const char *const markups[] = {
    "svg", "svgz", "html", "htm", "xhtml", "mht", "mhtml", "shtml", "xml", "xsl", "xslt",
};

/* What follows the last dot, without what Windows takes off a name's end. */
static span extension_of(span name)
{
    while (name.size > 0 && strchr(". ", name.data[name.size - 1]))
        name.size--;
    for (size_t at = name.size; at > 0 && name.data[at - 1] != '/'; at--)
        if (name.data[at - 1] == '.')
            return (span){name.data + at, name.size - at};
    return (span){name.data, 0};
}

static const char *find_extension(span name, const char *const *list, size_t count)
{
    span ext = extension_of(name);
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == ext.size &&
            strncasecmp(list[i], (const char *)ext.data, ext.size) == 0)
            return list[i];
    return NULL;
}

/* ---- text ---- */

/* The length of the character at the beginning, 0 if there is none that text has. */
static size_t character(const unsigned char *d, size_t size)
{
    if (d[0] < 0x80)
        return d[0] >= 0x20 ? d[0] != 0x7f : strchr("\t\n\f\r", d[0]) != NULL && d[0] != 0;
    size_t len = d[0] >= 0xf0 ? 4 : d[0] >= 0xe0 ? 3 : 2;
    uint32_t least = len == 4 ? 0x10000 : len == 3 ? 0x800 : 0x80;
    uint32_t code = d[0] & (0xffu >> (len + 1));
    if (d[0] < 0xc2 || d[0] > 0xf4 || size < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((d[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (d[i] & 0x3f);
    }
    return code >= least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? len : 0;
}

static bool is_text(span file)
{
    for (size_t at = 0, len; at < file.size; at += len) {
        len = character(file.data + at, file.size - at);
        if (len == 0)
            return false;
    }
    return true;
}

static bool begins_as_markup(span file)
{
    size_t at = has(file, 0, BYTES("\xef\xbb\xbf")) ? 3 : 0;
    while (at < file.size && strchr(" \t\r\n\f", file.data[at]))
        at++;
    unsigned next = at + 1 < file.size ? file.data[at + 1] | 0x20u : 0;
    return at < file.size && file.data[at] == '<' &&
           ((next >= 'a' && next <= 'z') || next == ('!' | 0x20) || next == '?');
}

static bool holds_markup(span file)
{
    static const char *const marks[] = {"<script", "<html", "<svg", "<iframe", "<!doctype"};
    size_t end = file.size < MARKUP_LOOK ? file.size : MARKUP_LOOK;
    for (size_t at = 0; at < end; at++)
        for (size_t i = 0; file.data[at] == '<' && i < COUNT(marks); i++)
            if (strlen(marks[i]) <= file.size - at &&
                strncasecmp(marks[i], (const char *)file.data + at, strlen(marks[i])) == 0)
                return true;
    return false;
}

/* ---- archives ---- */

typedef struct contents {
    const char *program, *archive; /* extensions found */
    bool macros, word, sheet, slides, types;
} contents;

static void on_entry(const char *name, size_t size, void *user)
{
    contents *in = user;
    span entry = {(const unsigned char *)name, size};
    if (size >= 14 && memcmp(name + size - 14, "vbaProject.bin", 14) == 0)
        in->macros = true;
    in->word = in->word || has(entry, 0, BYTES("word/"));
    in->sheet = in->sheet || has(entry, 0, BYTES("xl/"));
    in->slides = in->slides || has(entry, 0, BYTES("ppt/"));
    in->types = in->types || has(entry, 0, BYTES("[Content_Types].xml"));
    const char *program = find_extension(entry, programs, COUNT(programs));
    const char *archive = find_extension(entry, archives, COUNT(archives));
    in->program = program ? program : in->program;
    in->archive = archive ? archive : in->archive;
}

static const char *document_type(const contents *in)
{
    static const char prefix[] = "application/zip";
    if (!in->types)
        return prefix;
    return in->word    ? "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
           : in->sheet ? "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
           : in->slides
               ? "application/vnd.openxmlformats-officedocument.presentationml.presentation"
               : prefix;
}

static void refuse(file_type *ret, const char *what, const char *extension)
{
    ret->content_type = NULL;
    snprintf(ret->refusal, sizeof ret->refusal, extension ? "%s (.%s)" : "%s", what, extension);
}

static void judge_zip(span file, file_type *ret)
{
    contents in = {0};
    switch (file_zip_list(file.data, file.size, on_entry, &in)) {
    case FILE_ZIP_ENCRYPTED:
        return refuse(ret, "an archive with a password, which cannot be looked into", NULL);
    case FILE_ZIP_BROKEN:
        return refuse(ret, "an archive whose list of contents cannot be read", NULL);
    case FILE_ZIP_OK:
        break;
    }
    if (in.macros)
        return refuse(ret, "a document with macros", NULL);
    if (in.program)
        return refuse(ret, "an archive that holds a program or a script", in.program);
    if (in.archive)
        return refuse(ret, "an archive within an archive, which is not looked into", in.archive);
    ret->content_type = document_type(&in);
}

/* ---- together ---- */

static void judge_content(span file, file_type *ret)
{
    const magic *known = find_magic(file);
    if (file.size == 0)
        return refuse(ret, "an empty file", NULL);
    if (known && known->refused)
        return refuse(ret, known->refused, NULL);
    if (known)
        ret->content_type = known->type;
    else if (has(file, 0, BYTES("PK\x03\x04")) || has(file, 0, BYTES("PK\x05\x06")))
        judge_zip(file, ret);
    else if (is_webm(file))
        ret->content_type = "video/webm";
    else if (is_bmp(file))
        ret->content_type = "image/bmp";
    else if (!is_text(file))
        refuse(ret, "not of a type that is known to be safe", NULL);
    else if (begins_as_markup(file) || holds_markup(file))
        refuse(ret, "a page or a drawing that a browser could run (HTML, SVG, XML)", NULL);
    else
        ret->content_type = "text/plain; charset=utf-8";
}

void file_type_judge(const void *data, size_t size, const char *name, file_type *ret)
{
    span named = {(const unsigned char *)name, strlen(name)};
    const char *program = find_extension(named, programs, COUNT(programs));
    const char *markup = find_extension(named, markups, COUNT(markups));
    *ret = (file_type){NULL, ""};
    judge_content((span){data, size}, ret);
    if (ret->content_type && program)
        refuse(ret, "named as a program or a script", program);
    else if (ret->content_type && markup)
        refuse(ret, "named as a page or a drawing that a browser could run", markup);
}
