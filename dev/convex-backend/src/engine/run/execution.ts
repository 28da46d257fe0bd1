/* execution.ts - the state of the one query or mutation that this thread is running. */

import type { Caller, Identity, JSONObject, JSONValue } from "../api.js";
import type {
  Deployment,
  FunctionInfo,
  FunctionTable,
  UdfType,
} from "../functions.js";
import { type Address, addressPath } from "./address.js";
import { argumentList, resolveFunction } from "./call.js";
import type { CompiledCatalog } from "./catalog.js";
import type { LogLines } from "./console.js";
import { Fatal, SyscallError } from "./failure.js";
import type { Host } from "./host.js";
import type { Random } from "./random.js";
import type { QueryJson, QueryStream } from "./stream.js";
import type { Transaction } from "./transaction.js";

const MAX_DEPTH = 8;

/** The function being run: the call itself, or one that it called. */
type Frame = {
  kind: "Query" | "Mutation";
  path: string;
  journal: string | null;
  nextJournal: string | null;
  /** False for a snapshot query: it does not see the transaction's own writes. */
  seesWrites: boolean;
  depth: number;
  /** Nested calls run one after the other. */
  tail: Promise<unknown>;
};

export class Execution {
  readonly streams = new Map<number, QueryStream | QueryJson>();
  usedIdentity = false;
  private usedEnvironment = false;
  private nextStream = 0;
  private frame: Frame;

  constructor(
    readonly host: Host,
    readonly transaction: Transaction,
    readonly identity: Identity,
    readonly requestId: string,
    readonly caller: Caller | undefined,
    /** ms with fraction: the call's start. */
    readonly now: number,
    readonly random: Random,
    readonly logs: LogLines,
    /** Scheduled function being run, or null. */
    readonly job: string | null,
    start: { kind: "Query" | "Mutation"; path: string; journal: string | null },
  ) {
    this.frame = frame(start.kind, start.path, start.journal, true, 0);
  }

  get catalog(): CompiledCatalog {
    return this.host.catalog;
  }
  get functions(): FunctionTable {
    return this.host.functions;
  }
  get deployment(): Deployment {
    return this.host.deployment;
  }
  get kind(): "Query" | "Mutation" {
    return this.frame.kind;
  }
  get path(): string {
    return this.frame.path;
  }
  get journal(): string | null {
    return this.frame.journal;
  }
  get nextJournal(): string | null {
    return this.frame.nextJournal;
  }
  set nextJournal(journal: string | null) {
    this.frame.nextJournal = journal;
  }
  get seesWrites(): boolean {
    return this.frame.seesWrites;
  }

  mustWrite(): void {
    if (this.frame.kind === "Query")
      throw new SyscallError(
        "InvalidOperation",
        "Queries cannot write to the database, schedule functions or create upload URLs.",
      );
  }

  /** The result changes with the variables. */
  dependOnEnvironment(): void {
    if (this.usedEnvironment) return;
    this.usedEnvironment = true;
    this.transaction.dependOn("environment");
  }

  addStream(query: QueryJson): number {
    const id = this.nextStream++;
    this.streams.set(id, query);
    return id;
  }

  userIdentity(): JSONValue {
    this.usedIdentity = true;
    switch (this.identity.kind) {
      case "user":
        return this.identity.attributes;
      case "admin":
        return this.identity.actingAs ?? null;
      case "invalid":
        throw new SyscallError(this.identity.code, this.identity.message);
      default:
        return null;
    }
  }

  /** Runs a function, with modules of its own, in this transaction; gives its value's JSON text. */
  async invoke(info: FunctionInfo, args: JSONValue[]): Promise<string> {
    const module = await this.host.code.instance().load(info.module);
    return await invokeExport(module[info.name], info.udfType, args);
  }

  runNested(args: JSONObject): Promise<string> {
    const run = this.frame.tail.then(() => this.nested(args));
    this.frame.tail = run.catch(() => undefined);
    return run;
  }

  private async nested(args: JSONObject): Promise<string> {
    const udfType: UdfType =
      args["udfType"] === "mutation" ? "Mutation" : "Query";
    const parent = this.frame;
    if (udfType === "Mutation" && parent.kind === "Query")
      throw new SyscallError(
        "InvalidFunctionCall",
        "Cannot call a Mutation function from a Query function",
      );
    if (parent.depth >= MAX_DEPTH)
      throw new SyscallError(
        "MaximumCallDepthExceeded",
        "Cross component call depth limit exceeded. Do you have an infinite loop in your app?",
      );
    const path = addressPath(args as Address);
    const found = resolveFunction(this.functions, path, udfType, {
      kind: "system",
    });
    if ("message" in found)
      throw new SyscallError("FunctionNotFound", found.message);
    const list = argumentList(args["args"] ?? {});
    const fault = this.host.validators.args(found.info, list);
    if (fault !== null) throw new SyscallError("InvalidArgs", fault);
    const seesWrites = parent.seesWrites && args["udfType"] !== "snapshotQuery";
    const savepoint = this.transaction.savepoint();
    this.frame = frame(udfType, path, null, seesWrites, parent.depth + 1);
    try {
      const text = await this.invoke(found.info, list);
      const problem = this.host.validators.returns(
        found.info,
        JSON.parse(text) as JSONValue,
      );
      if (problem !== null)
        throw new SyscallError("InvalidReturnValue", problem);
      return text;
    } catch (error) {
      this.transaction.rollback(savepoint);
      if (error instanceof SyscallError || error instanceof Fatal) throw error;
      const failure = this.host.errors.format(error);
      throw new SyscallError("Error", failure.message, failure.data);
    } finally {
      this.frame = parent;
    }
  }
}

function frame(
  kind: "Query" | "Mutation",
  path: string,
  journal: string | null,
  seesWrites: boolean,
  depth: number,
): Frame {
  return {
    kind,
    path,
    journal,
    nextJournal: null,
    seesWrites,
    depth,
    tail: Promise.resolve(),
  };
}

type Invokable = {
  invokeQuery?: (args: string) => Promise<string>;
  invokeMutation?: (args: string) => Promise<string>;
  invokeAction?: (requestId: string, args: string) => Promise<string>;
};

/** Calls an export that `convex/server` made. */
export async function invokeExport(
  exported: unknown,
  udfType: UdfType,
  args: JSONValue[],
  requestId = "",
): Promise<string> {
  const target = exported as Invokable;
  const text = JSON.stringify(args);
  if (udfType === "Query") return await target.invokeQuery!(text);
  if (udfType === "Mutation") return await target.invokeMutation!(text);
  return await target.invokeAction!(requestId, text);
}
