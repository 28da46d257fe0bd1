// download.test.ts - names and ranges of files that are sent, without a backend.

import assert from "node:assert/strict";
import { test } from "node:test";
import { disposition, headersOf, rangeOf } from "../convex/model/download";

test("a file's name is sent in both spellings, and can be nothing but a name", () => {
  const names: [string, string, string][] = [
    ["a.csv", "a.csv", "a.csv"],
    ["../../etc/passwd", "etcpasswd", "etcpasswd"],
    ["..\\x.bat", "x.bat", "x.bat"],
    [
      'a"; filename="b.exe',
      "a__ filename=_b.exe",
      "a%22%3B%20filename%3D%22b.exe",
    ],
    ["x\r\nset-cookie: a=b", "xset-cookie: a=b", "xset-cookie%3A%20a%3Db"],
    ["\u202egpj.exe", "gpj.exe", "gpj.exe"],
    ["(1)'s*.png", "(1)'s*.png", "%281%29%27s%2A.png"],
    ["a\ud800.png", "a.png", "a.png"],
    ["...", "file", "file"],
    ["", "file", "file"],
  ];
  for (const [name, ascii, encoded] of names)
    assert.equal(
      disposition("inline", name),
      `inline; filename="${ascii}"; filename*=UTF-8''${encoded}`,
    );
  assert.ok(disposition("inline", "x".repeat(9000)).length < 400);
});

test("only pictures that cannot act are shown, all else is a download", () => {
  const how = (contentType: string) =>
    headersOf({ contentType, sha256: "00", filename: "x" })[
      "content-disposition"
    ].split(";")[0];
  for (const type of ["png", "jpeg", "gif", "webp", "avif"])
    assert.equal(how(`image/${type}`), "inline");
  for (const type of ["image/svg+xml", "text/html", "application/pdf", ""])
    assert.equal(how(type), "attachment");
});

test("a range is one that there is, all of the file, or none", () => {
  const cases: [string | null, number, ReturnType<typeof rangeOf>][] = [
    [null, 10, null],
    ["bytes=0-", 10, { start: 0, end: 9 }],
    ["bytes=2-4", 10, { start: 2, end: 4 }],
    ["bytes=2-99", 10, { start: 2, end: 9 }],
    ["bytes=-3", 10, { start: 7, end: 9 }],
    ["bytes=-30", 10, { start: 0, end: 9 }],
    ["bytes=-0", 10, "none"],
    ["bytes=10-", 10, "none"],
    ["bytes=5-2", 10, "none"],
    ["bytes=0-", 0, "none"],
    ["bytes=0-1,3-4", 10, null],
    ["bytes=-", 10, null],
    ["lines=0-1", 10, null],
  ];
  for (const [header, size, wanted] of cases)
    assert.deepEqual(rangeOf(header, size), wanted, `${header} of ${size}`);
});
