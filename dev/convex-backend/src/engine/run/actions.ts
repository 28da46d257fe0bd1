/* actions.ts - a worker thread that runs actions and HTTP actions, one at a time.
 *
 * Owns nothing durable: whatever an action asks for is answered by the main thread. Which call
 * some code belongs to is known by AsyncLocalStorage.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { Buffer } from "node:buffer";
import hostProcess from "node:process";
import type { HttpRequestIn, JSONObject, JSONValue } from "../api.js";
import { failed, resolveFunction } from "./call.js";
import { LogLines } from "./console.js";
import { invokeExport } from "./execution.js";
import { installGlobals, moveDate, Timers } from "./globals.js";
import { Host } from "./host.js";
import type {
  FromWorker,
  Reply,
  RunAction,
  RunHttp,
  WireOutcome,
  WorkerStart,
} from "./protocol.js";

type ActionCall = {
  id: number;
  requestId: string;
  logs: LogLines;
  /** Of an HTTP action. */
  request: HttpRequestIn | null;
  response: Response | null;
  /** Syscalls not answered yet, by operation. */
  waiting: Map<number, string>;
  hasEnded: boolean;
};

type Answer = { value: JSONValue; bytes: Uint8Array | undefined };

type Router = {
  lookup(path: string, method: string): unknown;
  runRequest(request: string, path: string): Promise<string>;
};

const LEVEL_OF_DANGLING = "WARN";

export class ActionWorker {
  readonly host: Host;
  private readonly calls = new AsyncLocalStorage<ActionCall>();
  private readonly waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: unknown) => void }
  >();
  private readonly timers = new Timers();
  private clockOffset = 0;
  private nextCall = 1;

  constructor(
    start: WorkerStart,
    private readonly send: (
      message: FromWorker,
      transfer?: ArrayBuffer[],
    ) => void,
  ) {
    this.host = new Host(start, true);
    this.install();
  }

  private install(): void {
    installGlobals({
      logs: () => this.calls.getStore()?.logs ?? null,
      environment: () => this.host.deployment.environment,
    });
    this.timers.install();
    moveDate(() => this.clockOffset);
    Object.defineProperty(globalThis, "Convex", {
      value: Object.freeze({
        syscall: (op: string) => {
          throw new Error(`Can't use ${op} in actions.`);
        },
        asyncSyscall: (op: string, args: string) => this.asyncSyscall(op, args),
        jsSyscall: (op: string, args: Record<string, unknown>) =>
          this.jsSyscall(op, args),
      }),
    });
    // A promise that an action left alone must not end the thread and the other actions.
    hostProcess.on("unhandledRejection", (reason) => this.stray(reason));
    hostProcess.on("uncaughtException", (error) => this.stray(error));
  }

  private stray(reason: unknown): void {
    const { message } = this.host.errors.format(reason);
    this.calls.getStore()?.logs.add("ERROR", message);
  }

  // ------------------------------------------------------------ calls

  private newCall(
    id: number,
    requestId: string,
    request: HttpRequestIn | null,
  ): ActionCall {
    return {
      id,
      requestId,
      logs: new LogLines((line) => this.send({ type: "line", id, line })),
      request,
      response: null,
      waiting: new Map(),
      hasEnded: false,
    };
  }

  async run(message: RunAction): Promise<void> {
    this.clockOffset = message.clockOffset;
    const call = this.newCall(message.id, message.requestId, null);
    const outcome = await this.calls.run(call, () =>
      this.perform(call, message),
    );
    this.end(call, outcome, "action");
  }

  /** Nothing that the call left behind goes on. */
  private end(call: ActionCall, outcome: WireOutcome, what: string): void {
    this.warnDangling(call, what);
    call.hasEnded = true;
    this.timers.clear();
    this.host.code.forgetGlobals();
    const { id } = call;
    this.send({ type: "actionDone", id, outcome, logLines: call.logs.lines });
  }

  private async perform(
    call: ActionCall,
    message: RunAction,
  ): Promise<WireOutcome> {
    // Who may call it was decided by the main thread.
    const found = resolveFunction(this.host.functions, message.path, "Action", {
      kind: "system",
    });
    if ("message" in found)
      return failed(call.requestId, { message: found.message });
    const fault = this.host.validators.args(found.info, message.args);
    if (fault !== null) return failed(call.requestId, { message: fault });
    try {
      const modules = this.host.code.instance();
      const module = await modules.load(found.info.module);
      const text = await invokeExport(
        module[found.info.name],
        "Action",
        message.args,
        call.requestId,
      );
      const problem = this.host.validators.returns(
        found.info,
        JSON.parse(text) as JSONValue,
      );
      return problem === null
        ? { success: true, text }
        : failed(call.requestId, { message: problem });
    } catch (error) {
      return failed(call.requestId, this.host.errors.format(error));
    }
  }

  private warnDangling(call: ActionCall, what: string): void {
    if (call.waiting.size === 0) return;
    const names = [...call.waiting.values()].join(", ");
    const plural = call.waiting.size === 1 ? "" : "s";
    call.logs.add(
      LEVEL_OF_DANGLING,
      `${call.waiting.size} unawaited operation${plural}: [${names}]. Async operations should be awaited or they might not run. See https://docs.convex.dev/functions/${what}s#dangling-promises for more information.`,
    );
  }

  async runHttp(message: RunHttp): Promise<void> {
    this.clockOffset = message.clockOffset;
    const call = this.newCall(message.id, message.requestId, message.request);
    const outcome = await this.calls.run(call, () =>
      this.performHttp(call, message.request),
    );
    this.end(call, outcome, "http-action");
  }

  private async performHttp(
    call: ActionCall,
    request: HttpRequestIn,
  ): Promise<WireOutcome> {
    try {
      const modules = this.host.code.instance();
      const router = (await modules.load("http.js"))["default"] as Router;
      const { pathname } = new URL(request.url);
      const method = request.method === "HEAD" ? "GET" : request.method;
      if (router.lookup(pathname, method) === null) {
        this.send({
          type: "httpNoRoute",
          id: call.id,
          message: `No matching routes found`,
        });
        return { success: true, text: "null" };
      }
      const text = JSON.stringify({
        url: request.url,
        method,
        headerPairs: request.headers,
        streamId: request.body === undefined ? null : 0,
      });
      await router.runRequest(text, pathname);
      await this.stream(call);
      return { success: true, text: "null" };
    } catch (error) {
      return failed(call.requestId, this.host.errors.format(error));
    }
  }

  /** Sends the response that the function made, as it comes. */
  private async stream(call: ActionCall): Promise<void> {
    const response = call.response!;
    const headers = headerPairs(response.headers);
    this.send({
      type: "httpHead",
      id: call.id,
      status: response.status,
      headers,
    });
    const reader = response.body?.getReader();
    for (;;) {
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) return;
      const bytes = new Uint8Array(chunk.value);
      this.send({ type: "httpChunk", id: call.id, bytes }, [bytes.buffer]);
    }
  }

  // ------------------------------------------------------------ syscalls

  private ask(
    op: string,
    args: JSONValue,
    bytes?: Uint8Array,
  ): Promise<Answer> {
    const call = this.calls.getStore();
    if (call === undefined || this.host.importing)
      return Promise.reject(new Error(`Can't use ${op} at import time`));
    if (call.hasEnded) return new Promise(() => undefined);
    const id = this.nextCall++;
    call.waiting.set(id, op);
    const answer = new Promise<Answer>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
    });
    this.send({
      type: "syscall",
      id: call.id,
      call: id,
      op,
      args,
      ...(bytes === undefined ? {} : { bytes }),
    });
    return answer.finally(() => call.waiting.delete(id));
  }

  reply(message: Reply): void {
    const waiting = this.waiting.get(message.call);
    this.waiting.delete(message.call);
    if (message.ok)
      waiting?.resolve({ value: message.value ?? null, bytes: message.bytes });
    else
      waiting?.reject({
        message: message.message,
        ...(message.data === undefined ? {} : { data: message.data }),
      });
  }

  private async asyncSyscall(op: string, args: string): Promise<string> {
    const answer = await this.ask(op, JSON.parse(args) as JSONValue);
    return JSON.stringify(answer.value);
  }

  private jsSyscall(op: string, args: Record<string, unknown>): unknown {
    switch (op) {
      case "requestFromConvexJson":
        return this.makeRequest(args["convexJson"] as JSONObject);
      case "convexJsonFromResponse":
        return this.takeResponse(args["response"]);
      case "storage/storeBlob":
        return this.storeBlob(args);
      case "storage/getBlob":
        return this.getBlob(args);
      default:
        throw new Error(`Unknown operation ${op}`);
    }
  }

  private makeRequest(json: JSONObject): Request {
    const body = this.calls.getStore()!.request?.body;
    return new Request(json["url"] as string, {
      method: json["method"] as string,
      headers: json["headerPairs"] as [string, string][],
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    });
  }

  private takeResponse(response: unknown): JSONObject {
    if (!(response instanceof Response))
      throw new Error(
        "You must return a Response object from your HTTP action.",
      );
    this.calls.getStore()!.response = response;
    return {
      status: response.status,
      headerPairs: headerPairs(response.headers),
      streamId: null,
    };
  }

  private async storeBlob(args: Record<string, unknown>): Promise<string> {
    const { blob, options } = args as {
      blob: Blob;
      options?: { sha256?: string };
    };
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const answer = await this.rethrown(
      this.ask(
        "storage/storeBlob",
        {
          contentType: blob.type === "" ? null : blob.type,
          sha256: hexToBase64(options?.sha256),
        },
        bytes,
      ),
    );
    return answer.value as string;
  }

  private async getBlob(args: Record<string, unknown>): Promise<Blob | null> {
    const answer = await this.rethrown(
      this.ask("storage/getBlob", { storageId: args["storageId"] as string }),
    );
    if (answer.bytes === undefined) return null;
    const { contentType } = answer.value as { contentType: string | null };
    return new Blob([new Uint8Array(answer.bytes)], {
      type: contentType ?? "",
    });
  }

  private async rethrown(answer: Promise<Answer>): Promise<Answer> {
    try {
      return await answer;
    } catch (error) {
      throw new Error((error as { message: string }).message);
    }
  }
}

function headerPairs(headers: Headers): [string, string][] {
  const pairs: [string, string][] = [];
  // Repeated Set-Cookie headers come one by one.
  headers.forEach((value, name) => pairs.push([name, value]));
  return pairs;
}

function hexToBase64(hex: string | undefined): string | null {
  if (hex === undefined) return null;
  return /^[0-9a-f]{64}$/i.test(hex)
    ? Buffer.from(hex, "hex").toString("base64")
    : hex;
}
