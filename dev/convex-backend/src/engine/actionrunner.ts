/* actionrunner.ts - the main thread's side of actions and HTTP actions.
 *
 * Owns the calls that run, each with a thread of its own. Actions are not transactional: each
 * query or mutation they call is a transaction of its own.
 */

import { PassThrough } from "node:stream";
import type { ActionThread, ActionThreads } from "./actionthreads.js";
import {
  type ActionResult,
  type Caller,
  EngineError,
  type HttpRequestIn,
  type HttpResponseOut,
  type Identity,
  type JSONObject,
  type JSONValue,
  type Outcome,
  type StoredFile,
} from "./api.js";
import type { Core } from "./core.js";
import type { Files } from "./files.js";
import { canonicalPath, storedPath } from "./functions.js";
import { type Address, addressHandle, addressPath } from "./run/address.js";
import { argumentList, failed, resolveFunction } from "./run/call.js";
import { SyscallError, unsupported } from "./run/failure.js";
import type {
  ActionSyscall,
  FromWorker,
  HttpHead,
  ToWorker,
  WireOutcome,
} from "./run/protocol.js";
import { fileUuid, uploadToken } from "./run/secrets.js";
import { checkDelay, checkStorageId } from "./run/syscalls.js";
import {
  type InternalCall,
  innerMessage,
  logEntry,
  parseOutcome,
  type Runner,
} from "./runner.js";
import { Buffer } from "node:buffer";

const ACTION_MS = 600_000;
const MAX_CALLS = 512;
const MOVED_MS = 100;

type Running = {
  call: InternalCall;
  /** Null until it has got one. */
  thread: ActionThread | null;
  identifier: string;
  udfType: "Action" | "HttpAction";
  began: number;
  done: (outcome: Outcome, logLines: string[]) => void;
  head: ((head: HttpHead) => void) | null;
  noRoute: ((message: string) => void) | null;
  body: PassThrough | null;
  timer: NodeJS.Timeout;
};

export class ActionRunner {
  private readonly running = new Map<number, Running>();
  private nextId = 1;

  constructor(
    private readonly core: Core,
    private readonly runner: Runner,
    private readonly files: Files,
    private readonly threads: ActionThreads,
  ) {}

  // ------------------------------------------------------------ calls

  private begin(
    call: InternalCall,
    identifier: string,
    udfType: Running["udfType"],
    done: Running["done"],
    message: (id: number) => ToWorker,
  ): Running {
    if (this.running.size >= MAX_CALLS)
      throw new EngineError(
        503,
        "WorkerOverloaded",
        "Too many actions are running",
      );
    const id = this.nextId++;
    const running: Running = {
      call,
      thread: null,
      identifier,
      udfType,
      began: performance.now(),
      done,
      head: null,
      noRoute: null,
      body: null,
      timer: setTimeout(() => this.timeout(id), ACTION_MS).unref(),
    };
    this.running.set(id, running);
    this.threads.take(call.source === "function", (thread) => {
      if (!this.running.has(id)) return this.threads.release(thread);
      running.thread = thread;
      thread.user = {
        receive: (answer) => this.receive(answer),
        died: () => this.died(id, running),
      };
      thread.send(message(id));
    });
    return running;
  }

  /** Differences that come of rounding and of adjusted clocks are none. */
  private clockOffset(): number {
    const offset = Math.round(this.core.clock() - Date.now());
    return Math.abs(offset) < MOVED_MS ? 0 : offset;
  }

  private died(id: number, running: Running): void {
    running.thread = null;
    this.finish(
      id,
      failed(running.call.requestId, {
        message:
          "The action was stopped: it kept its thread busy for too long, or ran out of memory (maximum memory usage: 512 MB)",
      }),
      [],
    );
  }

  private timeout(id: number): void {
    const each = this.running.get(id);
    if (each === undefined) return;
    each.thread?.end();
    this.finish(
      id,
      failed(each.call.requestId, {
        message: `Function execution timed out (maximum duration: ${ACTION_MS / 1000}s)`,
      }),
      [],
    );
  }

  private finish(id: number, outcome: Outcome, logLines: string[]): void {
    const each = this.running.get(id);
    if (each === undefined) return;
    this.running.delete(id);
    clearTimeout(each.timer);
    each.done(outcome, logLines);
    if (each.thread !== null) this.threads.release(each.thread);
    if (this.core.logListeners.size > 0)
      this.core.emit(
        logEntry(
          this.core,
          each.call,
          each.udfType,
          each.identifier,
          each.began,
          {
            outcome,
            // Each line went out as Progress when it was written.
            logLines: [],
            documentsRead: 0,
            documentsWritten: 0,
            cached: false,
            retries: 0,
          },
        ),
      );
  }

  async action(call: InternalCall): Promise<ActionResult> {
    const refuse = (message: string): ActionResult => ({
      outcome: failed(call.requestId, { message }),
      logLines: [],
    });
    if ((call.componentPath ?? "") !== "")
      return refuse(unsupported("components"));
    const found = resolveFunction(
      this.core.functions,
      call.path,
      "Action",
      call.identity,
      call.internal,
    );
    if ("message" in found) return refuse(found.message);
    const path = canonicalPath(call.path);
    return await new Promise((resolve) => {
      this.begin(
        call,
        path,
        "Action",
        (outcome, logLines) => resolve({ outcome, logLines }),
        (id) => ({
          type: "action",
          id,
          clockOffset: this.clockOffset(),
          path,
          args: argumentList(call.args),
          requestId: call.requestId,
        }),
      );
    });
  }

  async http(
    request: HttpRequestIn,
    identity: Identity,
    requestId: string,
    caller: Caller | undefined,
  ): Promise<HttpResponseOut> {
    if (this.core.deployment.analysis["http.js"] === undefined)
      return plain(
        404,
        "This Convex deployment does not have HTTP actions enabled.",
      );
    const call: InternalCall = {
      path: "http.js",
      args: null,
      identity,
      requestId,
      ...(caller === undefined ? {} : { caller }),
    };
    const identifier = `${request.method} ${new URL(request.url).pathname}`;
    return await new Promise((resolve) => {
      const running = this.begin(
        call,
        identifier,
        "HttpAction",
        (outcome) => {
          if (running.body !== null) {
            if (outcome.success) running.body.end();
            else running.body.destroy(new Error(outcome.errorMessage));
          } else if (!outcome.success) resolve(httpFailure(outcome));
          else resolve(plain(500, "HTTP action ended without a response"));
        },
        (id) => ({
          type: "http",
          id,
          clockOffset: this.clockOffset(),
          request,
          requestId,
        }),
      );
      running.head = (head) => {
        running.body = new PassThrough();
        // Whoever reads it sees the error; nobody may be reading any more.
        running.body.on("error", () => undefined);
        resolve({
          status: head.status,
          headers: head.headers,
          body: running.body,
        });
      };
      running.noRoute = (message) => resolve(plain(404, message));
    });
  }

  // ------------------------------------------------------------ messages

  private receive(message: FromWorker): void {
    if (!("id" in message)) return;
    const each = this.running.get(message.id);
    if (each === undefined) return;
    switch (message.type) {
      case "actionDone":
        this.finish(
          message.id,
          parseOutcome(message.outcome satisfies WireOutcome),
          message.logLines,
        );
        break;
      case "httpHead":
        each.head?.(message);
        break;
      case "httpChunk":
        each.body?.write(message.bytes);
        break;
      case "httpNoRoute":
        each.noRoute?.(message.message);
        break;
      case "line":
        this.progress(each, message.line);
        break;
      case "syscall":
        void this.answer(each, message);
        break;
    }
  }

  private progress(each: Running, line: string): void {
    if (this.core.logListeners.size === 0) return;
    const entry = logEntry(
      this.core,
      each.call,
      each.udfType,
      each.identifier,
      each.began,
      {
        outcome: { success: true, value: null },
        logLines: [line],
        documentsRead: 0,
        documentsWritten: 0,
        cached: false,
        retries: 0,
      },
    );
    this.core.emit({ ...entry, kind: "Progress" });
  }

  private async answer(each: Running, message: ActionSyscall): Promise<void> {
    let reply: ToWorker;
    try {
      const handler = HANDLERS[message.op];
      if (handler === undefined)
        throw new SyscallError(
          "UnknownAsyncOperation",
          `Unknown async operation ${message.op}`,
        );
      const context: Context = {
        core: this.core,
        runner: this.runner,
        files: this.files,
        actions: this,
        call: each.call,
        identifier: each.identifier,
        args: message.args as JSONObject,
        bytes: message.bytes,
      };
      const answer = await handler(context);
      reply =
        answer instanceof WithBytes
          ? {
              type: "reply",
              call: message.call,
              ok: true,
              value: answer.value,
              bytes: answer.bytes,
            }
          : { type: "reply", call: message.call, ok: true, value: answer };
    } catch (error) {
      reply = {
        type: "reply",
        call: message.call,
        ok: false,
        message: (error as Error).message,
      };
      if (error instanceof SyscallError && error.data !== undefined)
        reply.data = error.data;
    }
    each.thread?.send(reply);
  }
}

function plain(status: number, text: string): HttpResponseOut {
  const body = new PassThrough();
  body.end(text);
  return {
    status,
    headers: [["content-type", "text/plain; charset=utf-8"]],
    body,
  };
}

function httpFailure(outcome: Outcome & { success: false }): HttpResponseOut {
  const [headline = "", message = ""] = outcome.errorMessage.split("\n");
  const json: JSONObject = {
    code: `${headline}: ${message}`,
    trace: innerMessage(outcome.errorMessage),
  };
  if (outcome.errorData !== undefined) json["data"] = outcome.errorData;
  const body = new PassThrough();
  body.end(JSON.stringify(json));
  return { status: 500, headers: [["content-type", "application/json"]], body };
}

// ---------------------------------------------------------------- syscalls

type Context = {
  core: Core;
  runner: Runner;
  files: Files;
  actions: ActionRunner;
  call: InternalCall;
  identifier: string;
  args: JSONObject;
  bytes: Uint8Array | undefined;
};

class WithBytes {
  constructor(
    readonly value: JSONValue,
    readonly bytes: Uint8Array,
  ) {}
}

type Handler = (
  context: Context,
) => JSONValue | WithBytes | Promise<JSONValue | WithBytes>;

function childCall(context: Context): InternalCall {
  return {
    path: addressPath(context.args as Address),
    args: context.args["args"] ?? {},
    identity: context.call.identity,
    requestId: context.call.requestId,
    ...(context.call.caller === undefined
      ? {}
      : { caller: context.call.caller }),
    internal: true,
    source: "function",
  };
}

function valueOf(outcome: Outcome): JSONValue {
  if (outcome.success) return outcome.value;
  throw new SyscallError(
    "Error",
    innerMessage(outcome.errorMessage).trimEnd(),
    outcome.errorData,
  );
}

function schedule(context: Context): JSONValue {
  const { core, args } = context;
  const path = addressPath(args as Address);
  const info = core.functions.get(path);
  if (info === undefined || info.udfType === "Query")
    throw new SyscallError(
      "InvalidScheduledFunction",
      `Attempted to schedule function at nonexistent path: ${path}`,
    );
  const at = (args["ts"] as number) * 1000;
  const now = core.clock();
  checkDelay(at, now);
  const list = argumentList(args["args"] ?? {});
  return core.transact((transaction) =>
    transaction.insert("_scheduled_functions", {
      name: storedPath(path),
      args: list,
      scheduledTime: Math.max(at, now),
      state: { kind: "pending" },
    }),
  ).result;
}

function cancel(context: Context): JSONValue {
  const { core, args } = context;
  const table = core.table("_scheduled_functions")!;
  const id = args["id"] as string;
  core.transact((transaction) => {
    const text = transaction.get(table, id);
    if (text === null) return;
    const { state } = JSON.parse(text) as { state: { kind: string } };
    if (state.kind === "pending" || state.kind === "inProgress")
      transaction.merge(
        id,
        { state: { kind: "canceled" }, completedTime: core.clock() },
        table,
      );
  });
  return null;
}

function identityOf(context: Context): JSONValue {
  const { identity } = context.call;
  switch (identity.kind) {
    case "user":
      return identity.attributes;
    case "admin":
      return identity.actingAs ?? null;
    case "invalid":
      throw new SyscallError(identity.code, identity.message);
    default:
      return null;
  }
}

/** The file that the action names; null when there is none. */
function storedFile(context: Context, method: string): StoredFile | null {
  const id = context.args["storageId"] as string;
  const { number } = context.core.table("_storage")!;
  return checkStorageId(id, number, method) ? context.files.byId(id) : null;
}

const HANDLERS: Record<string, Handler> = {
  "1.0/actions/query": async (context) =>
    valueOf((await context.runner.query(childCall(context))).outcome),
  "1.0/actions/mutation": async (context) =>
    valueOf((await context.runner.mutation(childCall(context))).outcome),
  "1.0/actions/action": async (context) =>
    valueOf((await context.actions.action(childCall(context))).outcome),
  "1.0/actions/schedule": schedule,
  "1.0/actions/cancel_job": cancel,
  "1.0/actions/vectorSearch": () => {
    throw new SyscallError("Unsupported", unsupported("vector search"));
  },
  "1.0/getUserIdentity": identityOf,
  "1.0/createFunctionHandle": (context) =>
    addressHandle(context.args as Address),
  "1.0/getFunctionMetadata": (context) => ({
    name: context.identifier,
    componentPath: "",
  }),
  "1.0/getDeploymentMetadata": () => ({
    name: "development",
    region: null,
    class: "s16",
  }),
  "1.0/getRequestMetadata": (context) => ({
    ip: context.call.caller?.ip ?? null,
    userAgent: context.call.caller?.userAgent ?? null,
    requestId: context.call.requestId,
    scheduledFunctionId: null,
    authToken: null,
  }),
  "1.0/storageGetUrl": (context) => {
    const file = storedFile(context, "storage.getUrl");
    const { cloudOrigin, secret } = context.core.deployment;
    return file === null
      ? null
      : `${cloudOrigin}/api/storage/${fileUuid(secret, file.storageId)}`;
  },
  "1.0/storageGetMetadata": (context) => {
    const file = storedFile(context, "storage.getMetadata");
    return file === null
      ? null
      : {
          storageId: file.storageId,
          sha256: Buffer.from(file.sha256, "base64").toString("hex"),
          size: file.size,
          contentType: file.contentType,
        };
  },
  "1.0/storageGenerateUploadUrl": (context) => {
    const { cloudOrigin, secret } = context.core.deployment;
    return `${cloudOrigin}/api/storage/upload?token=${uploadToken(secret, context.core.clock())}`;
  },
  "1.0/storageDelete": (context) => {
    const file = storedFile(context, "storage.delete");
    if (file === null)
      throw new SyscallError(
        "StorageIdNotFound",
        `storage id ${context.args["storageId"] as string} not found`,
      );
    const table = context.core.table("_storage")!;
    context.core.transact((transaction) =>
      transaction.remove(file.storageId, table),
    );
    return null;
  },
  "storage/storeBlob": async (context) => {
    const sha256 = context.args["sha256"] as string | null;
    const file = await context.files.store({
      body: context.bytes!,
      contentType: context.args["contentType"] as string | null,
      ...(sha256 === null ? {} : { sha256 }),
    });
    return file.storageId;
  },
  "storage/getBlob": async (context) => {
    const file = storedFile(context, "storage.get");
    if (file === null) return null;
    const found = await context.files.bytes(file.storageId);
    return found === null
      ? null
      : new WithBytes({ contentType: found.contentType }, found.bytes);
  },
};
