import assert from "node:assert/strict";
import { test } from "node:test";
import { csv } from "../src/ui/csv";

test("a table is a CSV file that keeps commas, quotes and lines", () => {
  assert.equal(
    csv(
      ["name", "said"],
      [
        ["Ana, K.", 'a "b"\nc'],
        ["", null],
      ],
    ),
    '\uFEFFname,said\r\n"Ana, K.","a ""b""\nc"\r\n,\r\n',
  );
});

test("what a spreadsheet would run stays text; numbers stay numbers", () => {
  assert.equal(
    csv(["x"], [["=1+1"], ["@now"], ["-5 %"], [-5], [true]]),
    "\uFEFFx\r\n'=1+1\r\n'@now\r\n'-5 %\r\n-5\r\ntrue\r\n",
  );
});
