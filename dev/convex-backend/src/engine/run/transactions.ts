/* transactions.ts - a worker thread that runs queries and mutations, one at a time.
 *
 * Owns a reading connection to the database, so no read leaves the thread. What a mutation
 * wrote goes to the main thread, which commits it or asks for another run.
 */

import { setImmediate } from "node:timers";
import hostProcess from "node:process";
import type { JSONValue } from "../api.js";
import { Gate } from "../store/gate.js";
import { openReader } from "../store/database.js";
import { Reader, SnapshotError } from "../store/reader.js";
import { checkValue } from "../values/json.js";
import { failed, resolveFunction } from "./call.js";
import { LogLines } from "./console.js";
import type { Failure } from "./errors.js";
import { Execution, invokeExport } from "./execution.js";
import { Fatal, MissingTable, SyscallError } from "./failure.js";
import { freeze, installGlobals } from "./globals.js";
import { Host } from "./host.js";
import { ModuleLoader } from "./modules.js";
import type {
  FromWorker,
  RunTransaction,
  TransactionDone,
  WireOutcome,
  WorkerStart,
} from "./protocol.js";
import { Random } from "./random.js";
import { ASYNC, SYNC } from "./syscalls.js";
import { Transaction } from "./transaction.js";

const hostPerformance = globalThis.performance;

/** How the running call stands. */
type Running = {
  request: RunTransaction;
  execution: Execution;
  /** Work of other threads that the call may wait for. */
  outstanding: number;
  result: WireOutcome | null;
  /** Ends the call whatever the function does. */
  abort: MissingTable | Fatal | null;
  /** The scheduled function was cancelled or ran before. */
  jobGone: boolean;
};

export class TransactionWorker {
  readonly host: Host;
  private readonly reader: Reader;
  private readonly clock: Float64Array;
  private running: Running | null = null;
  /** Chance of modules while they are evaluated: each time the same. */
  private chance: Random | null = null;

  constructor(
    start: WorkerStart,
    private readonly send: (message: FromWorker) => void,
  ) {
    const gate = new Gate(start.gate);
    this.reader = gate.run(
      () => new Reader(openReader(start.databasePath), gate),
    );
    this.clock = new Float64Array(start.clock);
    this.host = new Host(start, false, () => (this.chance = null));
    this.install();
  }

  /** The call whose code runs; null while modules are being evaluated. */
  private get calling(): Execution | null {
    return this.host.importing ? null : (this.running?.execution ?? null);
  }

  private install(): void {
    installGlobals({
      logs: () => this.calling?.logs ?? null,
      environment: () => {
        this.calling?.dependOnEnvironment();
        return this.host.deployment.environment;
      },
    });
    freeze({
      now: () =>
        Math.floor(this.calling?.now ?? this.host.deployment.importTime),
      random: () =>
        this.calling?.random ??
        (this.chance ??= new Random(this.host.deployment.importSeed)),
      track: (work) => this.track(work),
    });
    Object.defineProperty(globalThis, "Convex", {
      value: Object.freeze({
        syscall: (op: string, args: string) => this.syscall(op, args),
        asyncSyscall: (op: string, args: string) => this.asyncSyscall(op, args),
        jsSyscall: (op: string) => {
          throw new Error(
            `Can't use ${op} in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`,
          );
        },
      }),
    });
    hostProcess.on("unhandledRejection", (reason) => this.unhandled(reason));
    hostProcess.on("uncaughtException", (error) => this.unhandled(error));
  }

  // ------------------------------------------------------------ a call

  run(request: RunTransaction): void {
    this.clock[0] = 0;
    try {
      this.reader.begin(request.ts, request.keptSince);
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      this.send({ type: "refused", id: request.id, message: error.message });
      return;
    }
    const random = new Random(request.seed);
    const transaction = new Transaction(
      this.reader,
      this.host.catalog,
      request.kind === "Mutation",
      request.now,
      random.fill,
    );
    const execution = new Execution(
      this.host,
      transaction,
      request.identity,
      request.requestId,
      request.caller,
      request.now,
      random,
      new LogLines(),
      request.job,
      request,
    );
    transaction.dependOn("modules");
    const running: Running = {
      request,
      execution,
      outstanding: 0,
      result: null,
      abort: null,
      jobGone: false,
    };
    this.running = running;
    this.perform(running).then(
      (result) => (running.result ??= result),
      (error: unknown) => this.reject(running, error),
    );
    setImmediate(() => this.settle(running));
  }

  private async perform(running: Running): Promise<WireOutcome> {
    const { request, execution } = running;
    if (request.bundle !== null) return await this.performBundle(running);
    const found = resolveFunction(
      this.host.functions,
      request.path,
      request.kind,
      request.identity,
      request.internal,
    );
    if ("message" in found)
      return failed(request.requestId, { message: found.message });
    const fault = this.host.validators.args(found.info, request.args);
    if (fault !== null) return failed(request.requestId, { message: fault });
    if (request.job !== null && !this.jobIsPending(execution, request.job)) {
      running.jobGone = true;
      return { success: true, text: "null" };
    }
    const text = await execution.invoke(found.info, request.args);
    const problem = this.host.validators.returns(
      found.info,
      JSON.parse(text) as JSONValue,
    );
    if (problem !== null)
      return failed(request.requestId, { message: problem });
    return { success: true, text };
  }

  /** Runs the default export of a one-off bundle, as `convex run --inline-query` sends it. */
  private async performBundle(running: Running): Promise<WireOutcome> {
    const { request } = running;
    const loader = new ModuleLoader(
      [
        ...this.host.deployment.modules,
        { path: request.path, source: request.bundle! },
      ],
      false,
    );
    const server = await this.track(import("convex/server"));
    loader.provide("_system/repl/wrappers.js", {
      query: server.queryGeneric,
      internalQuery: server.internalQueryGeneric,
    });
    const module = await this.track(loader.load(request.path));
    const text = await invokeExport(module["default"], "Query", request.args);
    return {
      success: true,
      text: checkValue(JSON.parse(text) as JSONValue).text,
    };
  }

  private reject(running: Running, error: unknown): void {
    if (error instanceof Fatal || error instanceof MissingTable)
      running.abort ??= error;
    running.result ??= failed(running.request.requestId, this.describe(error));
  }

  private describe(error: unknown): Failure {
    if (error instanceof SyscallError)
      return {
        message: `Uncaught Error: ${error.message}`,
        ...(error.data === undefined ? {} : { data: error.data }),
      };
    return this.host.errors.format(error);
  }

  private unhandled(reason: unknown): void {
    const running = this.running;
    if (running === null) return;
    if (running.result?.success !== false)
      running.result = failed(running.request.requestId, this.describe(reason));
  }

  /** Called when all microtasks have run: the call is over, waits for others, or hangs. */
  private settle(running: Running): void {
    if (this.running !== running) return;
    if (running.result === null && running.abort === null) {
      if (running.outstanding > 0) return;
      running.result = failed(running.request.requestId, {
        message: "Returned promise will never resolve",
      });
    }
    this.finish(running);
  }

  private async track<T>(work: Promise<T>): Promise<T> {
    const running = this.running;
    if (running === null) return await work;
    running.outstanding += 1;
    try {
      return await work;
    } finally {
      running.outstanding -= 1;
      setImmediate(() => this.settle(running));
    }
  }

  private finish(running: Running): void {
    const { request, execution, abort } = running;
    const { transaction } = execution;
    this.running = null;
    if (abort instanceof MissingTable) {
      this.reader.end();
      this.send({ type: "needsTable", id: request.id, table: abort.name });
      return;
    }
    const outcome = running.result!;
    if (outcome.success && request.job !== null && !running.jobGone)
      this.completeJob(execution);
    const done: TransactionDone = {
      type: "done",
      id: request.id,
      outcome,
      ts: transaction.ts,
      catalogVersion: this.host.catalog.version,
      reads: transaction.reads,
      writes: outcome.success ? transaction.writes() : [],
      journal: execution.nextJournal,
      logLines: execution.logs.lines,
      usedIdentity: execution.usedIdentity,
      stats: {
        documentsRead: transaction.documentsRead,
        documentsWritten: transaction.documentsWritten,
      },
    };
    if (!outcome.success) done.journal = null;
    this.reader.end();
    this.host.code.forgetGlobals();
    this.send(done);
  }

  private jobIsPending(execution: Execution, job: string): boolean {
    const table = this.host.catalog.table("_scheduled_functions")!;
    const text = execution.transaction.get(table, job);
    if (text === null) return false;
    const { state } = JSON.parse(text) as { state: { kind: string } };
    return state.kind === "pending";
  }

  /** A scheduled mutation and the record of its success are one commit. */
  private completeJob(execution: Execution): void {
    const table = this.host.catalog.table("_scheduled_functions")!;
    execution.transaction.merge(
      execution.job!,
      { state: { kind: "success" }, completedTime: execution.now },
      table,
    );
  }

  // ------------------------------------------------------------ syscalls

  private current(op: string): Running {
    const running = this.running;
    if (running === null || this.host.importing)
      throw new Error(
        `Can't use ${op.includes("Identity") ? "auth" : "database"} at import time`,
      );
    return running;
  }

  private syscall(op: string, args: string): string {
    const running = this.current(op);
    const handler = SYNC[op];
    if (handler === undefined) throw new Error(`Unknown operation ${op}`);
    return this.timed(() =>
      handler(
        running.execution,
        JSON.parse(args) as { [k: string]: JSONValue },
      ),
    );
  }

  private asyncSyscall(op: string, args: string): Promise<string> {
    try {
      const running = this.current(op);
      // The call has answered: what it left running goes no further.
      if (running.result !== null || running.abort !== null)
        return new Promise(() => undefined);
      const handler = ASYNC[op];
      if (handler === undefined)
        throw new SyscallError(
          "UnknownAsyncOperation",
          `Unknown async operation ${op}`,
        );
      const answer = this.timed(() =>
        handler(
          running.execution,
          JSON.parse(args) as { [k: string]: JSONValue },
        ),
      );
      if (typeof answer === "string") return Promise.resolve(answer);
      return answer.catch((error: unknown) => this.refuse(error));
    } catch (error) {
      return this.refuse(error);
    }
  }

  private refuse(error: unknown): Promise<string> {
    if (error instanceof MissingTable || error instanceof Fatal) {
      if (this.running !== null) this.running.abort ??= error;
      return new Promise(() => undefined);
    }
    const plain =
      error instanceof SyscallError && error.data !== undefined
        ? { message: error.message, data: error.data }
        : { message: (error as Error).message };
    return Promise.reject(plain as unknown as Error);
  }

  /** Time in here is not the function's own. */
  private timed<T>(work: () => T): T {
    const start = hostPerformance.now();
    try {
      return work();
    } finally {
      this.clock[0]! += hostPerformance.now() - start;
    }
  }
}
