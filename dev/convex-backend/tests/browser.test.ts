/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// The official React client in a real Chromium: optimistic updates, paginated
// queries, Convex Auth.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { Held, Site } from "./browser/site.js";
import { App, authVariables } from "./official/app.js";

let site: Site;

before(async () => {
  site = await Site.start(["chat", "auth"]);
});
after(async () => {
  await site?.close();
});

/** Resolves when the texts of all `selector` are these. */
async function shows(page: Page, selector: string, texts: string[]) {
  try {
    await page.waitForFunction(
      ([selector, wanted]) =>
        JSON.stringify(
          [...document.querySelectorAll(selector!)].map((e) => e.textContent),
        ) === wanted,
      [selector, JSON.stringify(texts)] as const,
    );
  } catch {
    assert.deepEqual(await page.locator(selector).allTextContents(), texts);
  }
}

describe("a React page", { timeout: 600_000 }, () => {
  let app: App;
  let channelId: string;
  let page: Page;
  const held = new Held();

  const send = (body: string) =>
    app.mutation("messages:send", { channelId, author: "other", body });
  const write = async (body: string) => {
    await page.locator("form input").fill(body);
    await page.locator("form button").click();
  };

  before(async () => {
    app = await App.start("chat");
    channelId = await app.mutation("channels:create", { name: "page" });
    for (const body of ["1", "2", "3", "4", "5"]) await send(body);
    const parameters = { url: app.backend.url, channelId };
    page = await site.open("chat", parameters, (page) => held.route(page));
  });
  after(async () => {
    await app?.close();
  });

  test("shows the first page and loads more until the end", async () => {
    await shows(page, "#messages li", ["5", "4", "3"]);
    await page.locator("main[data-status=CanLoadMore]").waitFor();
    await page.locator("#more").click();
    await shows(page, "#messages li", ["5", "4", "3", "2", "1"]);
    await page.locator("#more").click();
    await page.locator("main[data-status=Exhausted]").waitFor();
  });

  test("grows at the top when others write, without losing a page", async () => {
    await send("6");
    await shows(page, "#messages li", ["6", "5", "4", "3", "2", "1"]);
  });

  test("shows what is sent before the server has answered, and then the real thing", async () => {
    held.hold();
    await write("7");
    await shows(page, "#messages .sending", ["7"]);
    await shows(page, "#messages .sent", ["6", "5", "4", "3", "2", "1"]);
    held.release();
    await shows(page, "#messages .sent", ["7", "6", "5", "4", "3", "2", "1"]);
    await shows(page, "#messages .sending", []);
  });

  test("takes back what the server refuses, and has the error's data", async () => {
    held.hold();
    await write("   ");
    await page.locator("#messages .sending").waitFor();
    held.release();
    await shows(page, "#messages .sending", []);
    await shows(page, "#problem", ["A message has 1 to 2000 characters"]);
  });

  test("sends nothing twice and loses nothing when the backend is killed amid it", async () => {
    held.hold();
    await write("8");
    await page.locator("#messages .sending").waitFor();
    await app.backend.stop("SIGKILL");
    held.release();
    await app.backend.start();
    await shows(page, "#messages .sent", "87654321".split(""));
    await page.locator("main[data-inflight='0']").waitFor();
  });

  test("searches as the reader types", async () => {
    await send("a red balloon");
    await page.locator("#search").pressSequentially("ball");
    await shows(page, "#found li", ["a red balloon"]);
  });
});

describe("Convex Auth in a page", { timeout: 600_000 }, () => {
  let app: App;
  let page: Page;
  const EMAIL = "page@example.test";

  const stored = (name: string) =>
    page.evaluate(
      (name) =>
        Object.entries(localStorage).find(([key]) => key.includes(name))?.[1] ??
        null,
      name,
    );
  const submit = async (flow: string, password: string) => {
    await page.locator("input[name=email]").fill(EMAIL);
    await page.locator("input[name=password]").fill(password);
    await page.locator(`button[value=${flow}]`).click();
  };
  const isSignedIn = () => shows(page, "h1", [EMAIL]);

  before(async () => {
    app = await App.start("auth", await authVariables());
    page = await site.open("auth", { url: app.backend.url });
  });
  after(async () => {
    await app?.close();
  });

  test("sign-up signs in, and queries run as the user", async () => {
    await submit("signUp", "a long password");
    await isSignedIn();
    await page.locator("#add").click();
    await shows(page, "li", ["a note"]);
  });

  test("a reload stays signed in, with renewed tokens", async () => {
    const [jwt, refresh] = [await stored("JWT"), await stored("RefreshToken")];
    await page.reload();
    await isSignedIn();
    await page.waitForFunction(
      (old) =>
        Object.entries(localStorage).some(
          ([key, value]) => key.includes("RefreshToken") && value !== old,
        ),
      refresh,
    );
    assert.ok(jwt);
    await shows(page, "li", ["a note"]);
  });

  test("a restart of the backend signs nobody out", async () => {
    await app.backend.stop("SIGKILL");
    await app.backend.start();
    await page.locator("#add").click();
    await shows(page, "li", ["a note", "a note"]);
  });

  test("sign-out forgets the tokens and shows the form", async () => {
    await page.locator("#out").click();
    await page.locator("form").waitFor();
    await page.waitForFunction(
      () => !Object.keys(localStorage).some((key) => /JWT|Refresh/.test(key)),
    );
    await page.reload();
    await page.locator("form").waitFor();
  });

  test("a wrong password is told, the right one signs in again", async () => {
    await submit("signIn", "a wrong password");
    await page.locator("#problem:not(:empty)").waitFor();
    await submit("signIn", "a long password");
    await isSignedIn();
    await shows(page, "li", ["a note", "a note"]);
  });

  test("the pages had nothing to complain of", () => {
    assert.deepEqual(site.problems, []);
  });
});
