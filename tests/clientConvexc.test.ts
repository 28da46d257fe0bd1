// convexc, the command line, against the backend with an app that the official one deployed.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Backend, binary, ROOT, tempDir, until } from "./harness";

const ISSUER = "https://services.example";
let backend: Backend;
let dir: string;
let app: string;

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

type Variables = Record<string, string>;

function start(
  args: string[],
  variables: Variables = {},
  input?: string,
): { child: ChildProcess; ended: Promise<Outcome>; seen: Outcome } {
  const child = spawn(binary("convexc"), args, {
    cwd: dir,
    env: { PATH: process.env.PATH, CONVEX_URL: backend.url, ...variables },
  });
  const seen: Outcome = { code: null, out: "", err: "" };
  child.stdout.on("data", (data: Buffer) => (seen.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (seen.err += data.toString()));
  child.stdin.on("error", () => undefined); // it may end before it has read all
  child.stdin.end(input);
  const ended = new Promise<Outcome>((resolve) =>
    child.once("close", (code) => resolve({ ...seen, code })),
  );
  return { child, ended, seen };
}

const convexc = (args: string[], variables?: Variables, input?: string) =>
  start(args, variables, input).ended;

/** What it printed, when all went well. */
async function printed(
  args: string[],
  variables?: Variables,
  input?: string,
): Promise<string> {
  const { code, out, err } = await convexc(args, variables, input);
  assert.equal(code, 0, `convexc ${args.join(" ")}: ${err}`);
  return out;
}

before(async () => {
  backend = await Backend.start();
  dir = tempDir();
  app = join(dir, "app");
  cpSync(join(ROOT, "tests/app"), app, { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  await printed(["keys", "generate", "key.pem"]);
  writeFileSync(
    join(app, "convex/auth.config.ts"),
    await printed([
      ...["keys", "config", "key.pem"],
      ...["--issuer", ISSUER, "--audience", "app"],
    ]),
  );
  await backend.convex(app, ["deploy", "--yes"]);
});
after(async () => {
  await backend.close();
  rmSync(dir, { recursive: true, force: true });
});

const admin = (): Variables => ({
  CONVEX_SELF_HOSTED_ADMIN_KEY: backend.adminKey,
});

test("nothing that a function says steers the terminal", async () => {
  const { err } = await convexc(["query", "calls:paint"]);
  assert.match(err, /\?\[31mred/);
  assert.match(err, /\?\]0;title\? é/);
  assert.doesNotMatch(err, /[\u001b\u0007\u009b]/);
});

test("a query prints its value in either form, and its log lines apart", async () => {
  const args = '{"value":{"n":{"$integer":"KgAAAAAAAAA="},"x":[1.5,null]}}';
  const lossless = await convexc(["query", "calls:echo", args]);
  assert.deepEqual(lossless, {
    code: 0,
    out: '{"n":{"$integer":"KgAAAAAAAAA="},"x":[1.5,null]}\n',
    err: "[LOG] 'echo'\n",
  });
  const plain = await convexc([
    "query",
    "calls:echo",
    args,
    "-q",
    "--out",
    "plain",
  ]);
  assert.deepEqual(plain, {
    code: 0,
    out: '{"n":"42","x":[1.5,null]}\n',
    err: "",
  });
});

test("arguments come from the line, a file or standard input", async () => {
  writeFileSync(join(dir, "args.json"), '{"value":"from a file"}');
  assert.equal(
    await printed(["query", "calls:echo", "@args.json"]),
    '"from a file"\n',
  );
  assert.equal(
    await printed(["query", "calls:echo", "-"], {}, '{"value":"from a pipe"}'),
    '"from a pipe"\n',
  );
  assert.equal(await printed(["query", "calls:whoAmI"]), "null\n");
});

test("a function that throws is exit status 1, with its words and data", async () => {
  const plain = await convexc(["query", "calls:fail"]);
  assert.equal(plain.code, 1);
  assert.match(plain.err, /failed as asked/);
  assert.doesNotMatch(plain.err, /\n\n/);
  const data = await convexc(["query", "calls:fail", '{"data":{"code":"x"}}']);
  assert.equal(data.code, 1);
  assert.match(data.err, /error data: {"code":"x"}/);
  // Trap 3: null is data, too.
  const none = await convexc(["query", "calls:fail", '{"data":null}']);
  assert.match(none.err, /error data: null/);
  // Trap 13: what is wrong with a call comes with HTTP 200.
  const wrong = await convexc(["query", "calls:nothing"]);
  assert.equal(wrong.code, 1);
  // Trap 14: a number is no int64.
  assert.equal(
    (await convexc(["query", "calls:needsInt64", '{"n":1}'])).code,
    1,
  );
});

test("a mutation takes effect once, live and over HTTP", async () => {
  const args = '{"key":"mutation"}';
  assert.equal(await printed(["mutation", "calls:increment", args]), "1\n");
  assert.equal(
    await printed(["mutation", "calls:increment", args, "--http"]),
    "2\n",
  );
  assert.equal(
    await printed(["action", "calls:incrementByAction", args]),
    "3\n",
  );
  assert.equal(
    await printed(["function", "calls:increment", args], admin()),
    "4\n",
  );
});

test("the credential is the first that is there", async () => {
  const as = JSON.stringify({ issuer: "https://a.example", subject: "ada" });
  const key = [
    "--key-file",
    "key.pem",
    "--issuer",
    ISSUER,
    "--audience",
    "app",
  ];
  const who = ["query", "calls:whoAmI"];
  assert.equal(
    await printed([...who, ...key, "--subject", "worker"]),
    `{"issuer":"${ISSUER}","subject":"worker"}\n`,
  );
  const token = (await printed(["token", "mint", ...key])).trim();
  assert.equal(
    await printed(who, { CONVEX_AUTH_TOKEN: token, ...admin() }),
    `{"issuer":"${ISSUER}","subject":"convexc"}\n`,
  );
  assert.equal(
    await printed([...who, "--as", as], {
      CONVEX_AUTH_TOKEN: token,
      ...admin(),
    }),
    '{"issuer":"https://a.example","subject":"ada"}\n',
  );
  assert.equal(
    await printed([...who, "--anonymous"], { CONVEX_AUTH_TOKEN: "nonsense" }),
    "null\n",
  );
  writeFileSync(join(dir, "token.txt"), `${token}\n`);
  assert.match(await printed([...who, "--token-file", "token.txt"]), /convexc/);
  // the live connection signs in the same way
  assert.match(
    await printed(["subscribe", "calls:whoAmI", "-n", "1", ...key]),
    /"subject":"convexc"/,
  );
});

test("internal functions are for admins", async () => {
  assert.equal((await convexc(["query", "calls:hidden"])).code, 1);
  assert.equal(
    await printed(["function", "calls:hidden"], admin()),
    '"seen by admins only"\n',
  );
  assert.equal((await convexc(["function", "calls:hidden"])).code, 2);
});

test("a .env.local is read like Convex's tools read it", async () => {
  const file = join(dir, ".env.local");
  writeFileSync(
    file,
    `# here\nCONVEX_URL="${backend.url}" # there\nCONVEX_DEPLOY_KEY=${backend.adminKey}\r\n`,
  );
  const outcome = await convexc(["function", "calls:hidden"], {
    CONVEX_URL: "",
  });
  rmSync(file);
  assert.equal(outcome.code, 0, outcome.err);
  assert.equal(
    (await convexc(["query", "calls:whoAmI", "--env-file", "none"])).code,
    7,
  );
});

test("a refused credential is exit status 4, an unknown host 3", async () => {
  const refused = await convexc(["query", "calls:whoAmI"], {
    CONVEX_AUTH_TOKEN: "a.b.c",
  });
  assert.equal(refused.code, 4);
  assert.doesNotMatch(refused.err, /a\.b\.c/);
  const live = await convexc(["subscribe", "calls:whoAmI"], {
    CONVEX_AUTH_TOKEN: "a.b.c",
  });
  assert.equal(live.code, 4, live.err);
  const gone = ["--url", "http://127.0.0.1:9"];
  assert.equal((await convexc(["query", "calls:whoAmI", ...gone])).code, 3);
  assert.equal((await convexc(["subscribe", "calls:whoAmI", ...gone])).code, 3);
  assert.equal(
    (await convexc(["mutation", "calls:increment", ...gone])).code,
    3,
  );
});

test("a lost answer is exit status 6, an answer of another server 5", async () => {
  const dropping = createServer((socket) =>
    socket.once("data", () => socket.destroy()),
  );
  const other = createServer((socket) =>
    socket.once("data", () =>
      socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    ),
  );
  let callers = 0; // silent after the first: no further attempt fails
  const silent = createServer((socket) => {
    if (callers++ === 0) other.emit("connection", socket);
    else socket.resume().on("error", () => undefined);
  });
  const urls = await Promise.all(
    [dropping, other, silent].map(
      (server) =>
        new Promise<string>((resolve) =>
          server.listen(0, "127.0.0.1", () => {
            const { port } = server.address() as { port: number };
            resolve(`http://127.0.0.1:${port}`);
          }),
        ),
    ),
  );
  const [lost, nonsense] = await Promise.all(
    urls
      .slice(0, 2)
      .map((url) => convexc(["action", "calls:echoLater", "--url", url])),
  );
  const wait = ["--timeout", "3", "--url", urls[2]!];
  const never = await convexc(["mutation", "calls:increment", ...wait]);
  const refused = await convexc(["subscribe", "calls:echo", "--url", urls[1]!]);
  for (const server of [dropping, other, silent]) server.close();
  assert.equal(never.code, 3);
  assert.match(never.err, /timed out; no connection: .*refused/);
  assert.equal(refused.code, 3);
  assert.match(refused.err, /refused the WebSocket: HTTP 404/);
  assert.equal(lost!.code, 6, lost!.err);
  assert.equal(nonsense!.code, 5, nonsense!.err);
});

test("subscribe prints each result until it has printed enough", async () => {
  const args = '{"prefix":"sub/"}';
  const watch = start(["subscribe", "items:list", args, "-n", "2"]);
  await until("the first result", () => watch.seen.out.includes("\n"));
  await printed(["mutation", "items:set", '{"key":"sub/a","value":1}']);
  const { code, out } = await watch.ended;
  assert.equal(code, 0);
  assert.equal(out, '[]\n[{"key":"sub/a","value":1}]\n');
});

test("subscribe --diff prints what changed", async () => {
  const set = (key: string, value: unknown) =>
    printed(["mutation", "items:set", JSON.stringify({ key, value })]);
  const watch = start([
    "subscribe",
    "items:list",
    '{"prefix":"diff/"}',
    "-d",
    "-n",
    "4",
  ]);
  await until("the first result", () => watch.seen.out.includes("\n"));
  await set("diff/a", { x: 1, y: [1, 2] });
  await until("the second", () => watch.seen.out.split("\n").length > 2);
  await set("diff/a", { x: 2, y: [1, 2, 3] });
  await until("the third", () => watch.seen.out.split("\n").length > 4);
  await set("diff/a", null);
  const { code, out } = await watch.ended;
  assert.equal(code, 0);
  assert.deepEqual(out.split("\n"), [
    "[]",
    '+ [0]: {"key":"diff/a","value":{"x":1,"y":[1,2]}}',
    "~ [0].value.x: 1 -> 2",
    "+ [0].value.y[2]: 3",
    '- [0]: {"key":"diff/a","value":{"x":2,"y":[1,2,3]}}',
    "",
  ]);
});

test("a signal ends a subscription cleanly", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const watch = start(["subscribe", "calls:whoAmI"]);
    await until("a result", () => watch.seen.out.includes("\n"));
    watch.child.kill(signal);
    assert.deepEqual(await watch.ended, { code: 0, out: "null\n", err: "" });
  }
});

test("a subscription that nobody reads any more ends by itself", async () => {
  const watch = start(["subscribe", "calls:whoAmI"]);
  await until("a result", () => watch.seen.out.includes("\n"));
  watch.child.stdout!.destroy();
  const { code, err } = await watch.ended;
  assert.equal(code, 7);
  assert.match(err, /nobody reads it/);
  const shell = spawn(
    "/bin/sh",
    ["-c", 'exec "$0" subscribe calls:whoAmI >&-', binary("convexc")],
    {
      env: { CONVEX_URL: backend.url },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  assert.equal(await new Promise((done) => shell.once("close", done)), 7);
});

test("a signal ends a mutation that waits for a connection, 128 and its number", async () => {
  const deaf = createServer((socket) =>
    socket.on("error", () => undefined).resume(),
  );
  await new Promise<void>((done) => deaf.listen(0, "127.0.0.1", done));
  const { port } = deaf.address() as { port: number };
  const url = ["--url", `http://127.0.0.1:${port}`];
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const connected = new Promise((done) => deaf.once("connection", done));
    const call = start(["mutation", "calls:increment", ...url]);
    await connected;
    call.child.kill(signal);
    assert.equal((await call.ended).code, code);
  }
  deaf.close();
});

test("a failing query is a line of a subscription, not its end", async () => {
  const set = (value: unknown) =>
    printed([
      "mutation",
      "items:set",
      JSON.stringify({ key: "fail/bad", value }),
    ]);
  await set(1);
  const watch = start([
    "subscribe",
    "items:list",
    '{"prefix":"fail/"}',
    "-n",
    "2",
  ]);
  await until("the failure", () => watch.seen.out.includes("\n"));
  await set(null);
  const { code, out } = await watch.ended;
  const [first, second] = out.split("\n");
  assert.equal(code, 0);
  assert.deepEqual((JSON.parse(first!) as { errorData: unknown }).errorData, {
    code: "bad",
    prefix: "fail/",
  });
  assert.equal(second, "[]");
});

test("paginate prints all items of one state, or as many as asked", async () => {
  for (let i = 0; i < 7; i++)
    await printed([
      "mutation",
      "items:set",
      JSON.stringify({ key: `page/${i}`, value: i }),
    ]);
  const all = ["0", "1", "2", "3", "4", "5", "6"].map((i) => `"page/${i}"\n`);
  const args = ["paginate", "calls:page", '{"prefix":"page/"}'];
  assert.equal(await printed([...args, "--page-size", "3"]), all.join(""));
  assert.equal(await printed([...args]), all.join(""));
  assert.equal(
    await printed([...args, "--page-size", "2", "--limit", "5"]),
    all.slice(0, 5).join(""),
  );
  const watch = start([
    ...args,
    "--watch",
    "--diff",
    "-n",
    "3",
    "--page-size",
    "2",
  ]);
  await until("the first list", () => watch.seen.out.includes("\n"));
  const set = (key: string, value: unknown) =>
    printed(["mutation", "items:set", JSON.stringify({ key, value })]);
  await set("page/35", 1);
  await until("the second", () => watch.seen.out.split("\n").length > 2);
  await set("page/6", null);
  assert.deepEqual(await watch.ended, {
    code: 0,
    out: `[${all.join("").trimEnd().replaceAll("\n", ",")}]
+ [4]: "page/35"
- [7]: "page/6"
`,
    err: "",
  });
  const wrong = await convexc(["paginate", "calls:whoAmI"]);
  assert.equal(wrong.code, 1, wrong.err); // paginationOpts is no argument of it
});

test("a token is shown without a word of its signature", async () => {
  const token = await printed([
    ...["token", "mint", "--key-file", "key.pem", "--issuer", ISSUER],
    ...["--audience", "app", "--role", "ingest", "--lifetime", "60"],
  ]);
  const shown = await printed(["token", "show", "-"], {}, token);
  const { header, claims, expiresInSeconds } = JSON.parse(shown) as {
    header: Record<string, unknown>;
    claims: Record<string, unknown>;
    expiresInSeconds: number;
  };
  assert.equal(header.alg, "ES256");
  assert.equal(claims.iss, ISSUER);
  assert.equal(claims.role, "ingest");
  assert.ok(expiresInSeconds > 0 && expiresInSeconds <= 60);
  assert.equal((await convexc(["token", "show", "-"], {}, "no.token")).code, 2);
  assert.equal((await convexc(["token", "show", "-"], {}, "!.!.!")).code, 2);
  assert.equal((await convexc(["token", "show"])).code, 2);
});

test("keys are made once, and published without their private half", async () => {
  const again = await convexc(["keys", "generate", "key.pem"]);
  assert.equal(again.code, 7);
  assert.equal(statSync(join(dir, "key.pem")).mode & 0o777, 0o600);
  await printed(["keys", "generate", "rsa.pem", "--algorithm", "RS256"]);
  const { keys } = JSON.parse(
    await printed(["keys", "jwks", "key.pem", "rsa.pem"]),
  ) as { keys: Record<string, string>[] };
  assert.deepEqual(
    keys.map(({ alg }) => alg),
    ["ES256", "RS256"],
  );
  assert.ok(keys.every((key) => !("d" in key)));
});

test("status says of each thing whether it is as it should be", async () => {
  const healthy = await convexc(["status"], admin());
  assert.equal(healthy.code, 0, healthy.out);
  for (const what of [
    "url",
    "name",
    "server",
    "api",
    "clock",
    "live",
    "credential",
  ])
    assert.match(healthy.out, new RegExp(`^ok +${what} `, "m"));
  assert.doesNotMatch(healthy.out, /not ok/);
  const cases: [string[], Variables, number, RegExp][] = [
    [[], { CONVEX_URL: "" }, 2, /^not ok +url/m],
    [["--url", "http://127.0.0.1:9"], {}, 3, /^not ok +server/m],
    [["--url", "http://no-such-host.invalid"], {}, 3, /^not ok +name/m],
    [["--pin", "x"], {}, 2, /^not ok +url .*pinned_key/m],
    [[], { CONVEX_AUTH_TOKEN: "a.b.c" }, 4, /^not ok +token/m],
    [[], { CONVEX_SELF_HOSTED_ADMIN_KEY: "x|00" }, 4, /^not ok +credential/m],
  ];
  const garbage = createServer((socket) =>
    socket.on("error", () => undefined).end("SSH-2.0-x\r\n"),
  );
  const silent = createServer((socket) =>
    socket.on("error", () => undefined).once("data", () => socket.end()),
  );
  for (const server of [garbage, silent])
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const at = (server: typeof garbage) =>
    `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const tls = backend.url.replace("http", "https");
  cases.push(
    [["--url", at(garbage)], {}, 5, /no Convex deployment/],
    [["--url", at(silent)], {}, 3, /begin with https:/],
    [["--url", tls], {}, 3, /no TLS is spoken there/],
    [["--url", `${backend.url}0`], {}, 2, /^not ok +url .*port/m],
    [["--unix-socket", "/nowhere"], {}, 3, /listen at --unix-socket/],
    [["--proxy", "http://127.0.0.1:9"], {}, 3, /or give --proxy/],
  );
  for (const [args, variables, code, words] of cases) {
    const outcome = await convexc(["status", ...args], variables);
    assert.equal(outcome.code, code, outcome.out + outcome.err);
    assert.match(outcome.out, words);
  }
  garbage.close();
  silent.close();
  const stranger = await printed([
    ...["token", "mint", "--key-file", "key.pem", "--issuer", backend.url],
  ]);
  const outcome = await convexc(["status"], {
    CONVEX_AUTH_TOKEN: stranger.trim(),
  });
  assert.equal(outcome.code, 4);
  assert.match(outcome.out, /^not ok +credential/m);
  assert.match(outcome.out, /^not ok +issuer/m);
});

test("what waits in an outbox is shown, and stays", async () => {
  const file = join(dir, "outbox.db");
  const writer = spawn(binary("convex-example-outbox"), [
    ...["http://127.0.0.1:9", file, "items:set"],
  ]);
  let accepted = "";
  writer.stdout.on("data", (data: Buffer) => (accepted += data.toString()));
  writer.stdin.end(
    '{"key":"a","value":{"$integer":"AQAAAAAAAAA="}}\n{"key":"b"}\n',
  );
  await until("both to be accepted", () => accepted.split("\n").length > 2);
  const lines = (await printed(["outbox", "list", "outbox.db"])).trimEnd();
  const [first, second] = lines
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(first!.path, "items:set");
  assert.deepEqual(first!.args, {
    key: "a",
    value: { $integer: "AQAAAAAAAAA=" },
  });
  assert.equal(first!.sentAt, null);
  assert.ok(Math.abs(Number(first!.acceptedAt) - Date.now()) < 600_000);
  assert.ok(Number(second!.seq) > Number(first!.seq));
  assert.equal(
    await printed(["outbox", "list", "outbox.db", "--limit", "1"]),
    lines.split("\n")[0] + "\n",
  );
  const counts = JSON.parse(
    await printed(["outbox", "count", "outbox.db"]),
  ) as {
    entries: number;
    sent: number;
  };
  assert.equal(counts.entries, 2);
  assert.equal(counts.sent, 0);
  writer.kill("SIGKILL");
  assert.equal((await convexc(["outbox", "list", "none.db"])).code, 7);
  assert.equal((await convexc(["outbox", "list", "key.pem"])).code, 7);
});

test("every mistake on the line is exit status 2, with a word for it", async () => {
  const mistakes: [string[], RegExp][] = [
    [[], /USAGE/],
    [["nonsense"], /no command nonsense/],
    [["token"], /no command token/],
    [["token", "nonsense"], /no command token nonsense/],
    [["query"], /operand is missing: PATH/],
    [["query", "a:b", "{}", "c"], /one operand too many: c/],
    [["query", "a:b", "--nonsense"], /no such option: --nonsense/],
    [["query", "a:b", "--diff"], /no such option: --diff/],
    [["query", "a:b", "-x"], /no such option: -x/],
    [["query", "a:b", "--timeout"], /a value is missing after --timeout/],
    [["query", "a:b", "--timeout", "soon"], /no number.*--timeout/],
    [["query", "a:b", "--timeout=-1"], /no number.*--timeout/],
    [
      ["query", "a:b", "--timeout", "99999999999"],
      /too large, after --timeout/,
    ],
    [["query", "a:b", "--quiet=yes"], /value was given to --quiet/],
    [["query", "a:b", "--out", "xml"], /no form of JSON: xml/],
    [["query", "a:b", "{"], /the arguments cannot be read/],
    [["query", "a:b", "[]"], /args/],
    [["query", "a:b", '{"$x":1}', "--in", "plain"], /\$x/],
    [["query", ""], /path/],
    [["query", "a:b", "--url", "host"], /http:\/\//],
    [["query", "a:b", "--url", "https://x.convex.site"], /HTTP actions/],
    [["query", "a:b", "--admin"], /no admin key/],
    [["query", "a:b", "--as", "{}"], /no admin key/],
    [["query", "a:b", "--key-file", "key.pem"], /--issuer/],
    [["paginate", "a:b", "--diff"], /--watch/],
    [["token", "mint"], /--key-file/],
    [["keys", "config", "key.pem"], /--issuer/],
    [
      ["keys", "generate", "x.pem", "--algorithm", "HS256"],
      /no such algorithm/,
    ],
    [["completion", "tcsh"], /no completion for tcsh/],
    [["download", "http://127.0.0.1:9/x", "--resume"], /--output/],
  ];
  for (const [args, words] of mistakes) {
    const outcome = await convexc(args);
    assert.equal(outcome.code, 2, `convexc ${args.join(" ")}: ${outcome.err}`);
    assert.match(outcome.err, words);
    assert.equal(outcome.out, "");
  }
  assert.equal((await convexc(["query", "a:b"], { CONVEX_URL: "" })).code, 2);
  assert.ok(!existsSync(join(dir, "x.pem")));
});

test("a file that cannot be read or written is exit status 7", async () => {
  mkdirSync(join(dir, "folder"), { recursive: true });
  for (const args of [
    ["query", "a:b", "@nowhere.json"],
    ["query", "a:b", "@folder"],
    ["query", "a:b", "--token-file", "nowhere"],
    ["upload", "files:uploadUrl", "nowhere"],
    ["upload", "files:uploadUrl", "folder"],
    ["keys", "generate", "folder/none/key.pem"],
  ])
    assert.equal((await convexc(args)).code, 7, args.join(" "));
});

test("each command has its own short man page, and completion knows them all", async () => {
  const overview = await printed(["--help"]);
  const names = [...overview.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2,}/gm)].map(
    ([, name]) => name!,
  );
  assert.ok(names.length >= 15);
  const bash = await printed(["completion", "bash"]);
  const fish = await printed(["completion", "fish"]);
  for (const name of names) {
    const page = await printed([...name.split(" "), "--help"]);
    for (const part of [
      "NAME",
      "USAGE",
      "DESCRIPTION",
      "OPTIONS",
      "EXIT STATUS",
      "EXAMPLE",
    ])
      assert.match(page, new RegExp(`^${part}$`, "m"));
    assert.equal(await printed(["help", ...name.split(" ")]), page);
    for (const [, option] of page.matchAll(/--([a-z-]+)/g))
      if (page.includes(`      --${option} `))
        assert.ok(fish.includes(`-l ${option}`), option);
    assert.ok(bash.includes(name.split(" ")[0]!));
  }
  for (const line of ["keys --help", "help keys", "help", "-h"])
    assert.equal(await printed(line.split(" ")), overview);
  assert.match(await printed(["--version"]), /^convexc \d+\.\d+\.\d+\n$/);
});

test("bash completes commands, words and options", async () => {
  const script = join(dir, "completion.bash");
  writeFileSync(script, await printed(["completion", "bash"]));
  const complete = (words: string[]) =>
    new Promise<string>((resolve, reject) => {
      const child = spawn("bash", [
        "-c",
        `
        source ${script}
        COMP_WORDS=(convexc ${words.map((word) => `'${word}'`).join(" ")})
        COMP_CWORD=${words.length}
        _convexc
        printf '%s ' "\${COMPREPLY[@]}"`,
      ]);
      let out = "";
      child.stdout.on("data", (data: Buffer) => (out += data.toString()));
      child.once("error", reject);
      child.once("close", () => resolve(out.trim()));
    });
  assert.equal(await complete(["su"]), "subscribe");
  assert.equal(await complete(["keys", "ge"]), "generate");
  assert.equal(await complete(["subscribe", "a:b", "--di"]), "--diff");
  assert.equal(await complete(["token", "mint", "--iss"]), "--issuer");
  assert.equal(await complete(["outbox", "co"]), "count");
  assert.equal(await complete(["completion", "z"]), "zsh");
  assert.equal(await complete(["query", "a:b", "--di"]), "");
});
