/* state.ts - which pushed modules may remember something between calls.
 *
 * A module that only declares functions and constants can be evaluated once for all calls; one
 * with a counter or a cache at its top level cannot (run/scripts.ts). This looks for top-level
 * variables of the app's own code (the source map tells it from packages) that are assigned to
 * again, or hold something that is changed or is made to be. When in doubt it says yes: that
 * costs time and nothing else.
 */

import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import type { ModuleSource } from "../api.js";

export type StateReport = {
  /** Variables of the module itself. */
  hasState: boolean;
  /** It changes what another module exports. */
  changesOthers: boolean;
  /** It mentions the global object. */
  usesGlobal: boolean;
};

type Token = { text: string; isName: boolean; at: number; depth: number };

const PACKAGE = /(^|\/)node_modules\//;
const TOKEN =
  /\s+|\/\/[^\n]*|\/\*[^]*?\*\/|(?<string>"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')|(?<name>#?[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*)|\.?\d[\w.]*|(?<sign>>>>=|\*\*=|<<=|>>=|&&=|\|\|=|\?\?=|===|!==|\.\.\.|=>|==|!=|<=|>=|\+\+|--|[-+*/%&|^]=|&&|\|\||\?\?|\?\.(?!\d)|[^])/uy;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** After these a slash begins a regular expression. */
const BEFORE_REGEX =
  /^(?:[^\w$)\]}"'`]+|return|typeof|case|in|of|void|delete|await|yield)$/;
const ASSIGNMENT = /^(?:(?:>>>|\*\*|<<|>>|&&|\|\||\?\?|[-+*/%&|^])?=|\+\+|--)$/;
const CHANGING = new Set(
  "push pop shift unshift splice sort reverse fill copyWithin set add delete clear append".split(
    " ",
  ),
);
const READING = new Set(
  "get has size keys values entries forEach length".split(" "),
);

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  const add = (text: string, isName = false) =>
    tokens.push({ text, isName, at, depth });
  const template = (from: number): number => {
    for (let i = from; i < source.length; i++) {
      if (source[i] === "\\") i++;
      else if (source[i] === "`") return i + 1;
      else if (source[i] === "$" && source[i + 1] === "{") {
        templates.push(depth++);
        return i + 2;
      }
    }
    return source.length;
  };
  while (at < source.length) {
    const last = tokens[tokens.length - 1]?.text ?? ";";
    if (source[at] === "/" && BEFORE_REGEX.test(last)) {
      REGEX.lastIndex = at;
      const found =
        source[at + 1] === "/" || source[at + 1] === "*"
          ? null
          : REGEX.exec(source);
      if (found !== null) {
        add('""');
        at = REGEX.lastIndex;
        continue;
      }
    }
    TOKEN.lastIndex = at;
    const { string, name, sign } = TOKEN.exec(source)!.groups!;
    const next = TOKEN.lastIndex;
    if (sign === "`") {
      add('""');
      at = template(next);
      continue;
    }
    if (sign === "}" && templates[templates.length - 1] === depth - 1) {
      depth = templates.pop()!;
      at = template(next);
      continue;
    }
    if (sign !== undefined && ")]}".includes(sign)) depth--;
    if (name !== undefined) add(name, true);
    else if (string !== undefined) add('""');
    else if (sign !== undefined) add(sign);
    else if (/^[.\d]/.test(source.slice(at, next))) add("0");
    if (sign !== undefined && "([{".includes(sign)) depth++;
    at = next;
  }
  return tokens;
}

/** What an initialiser makes of a variable. */
type Kind = "plain" | "container" | "state" | "import";

export function stateOf(module: ModuleSource): StateReport {
  return new Examination(module).report();
}

class Examination {
  private readonly tokens: Token[];
  private readonly map: TraceMap | null;
  private readonly lines: number[] = [0];
  private readonly variables = new Map<string, Kind>();
  private readonly declared = new Set<number>();
  private readonly found: StateReport = {
    hasState: false,
    changesOthers: false,
    usesGlobal: false,
  };

  constructor({ source, sourceMap }: ModuleSource) {
    this.tokens = tokensOf(source);
    this.map = sourceMap === undefined ? null : new TraceMap(sourceMap);
    for (let i = source.indexOf("\n"); i >= 0; i = source.indexOf("\n", i + 1))
      this.lines.push(i + 1);
  }

  report(): StateReport {
    this.declarations();
    this.tokens.forEach((token, i) => {
      if (
        !token.isName ||
        ["as", ".", "?."].includes(this.text(i - 1)) // what others call it; a member
      )
        return;
      if (token.text === "globalThis" || token.text === "self")
        this.found.usesGlobal ||= this.identity(i) !== null;
      else this.use(i);
    });
    return this.found;
  }

  private text(i: number): string {
    return this.tokens[i]?.text ?? "";
  }

  /**
   * A variable, told from others by its name here and its name in the app's own source: either
   * alone may be that of another one in an inner scope, too. Null in packages.
   */
  private identity(i: number): string | null {
    const { at, text } = this.tokens[i]!;
    if (this.map === null) return text;
    let low = 0;
    let high = this.lines.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.lines[middle]! <= at) low = middle;
      else high = middle;
    }
    const found = originalPositionFor(this.map, {
      line: low + 1,
      column: at - this.lines[low]!,
    });
    if (found.source !== null && PACKAGE.test(found.source)) return null;
    return `${found.source ?? ""}:${found.name ?? text}:${text}`;
  }

  private declare(i: number, kind: Kind): void {
    this.declared.add(i);
    const identity = this.identity(i);
    if (identity === null) return;
    this.variables.set(identity, kind);
    if (kind === "state") this.found.hasState = true;
  }

  private declarations(): void {
    for (let i = 0; i < this.tokens.length; i++) {
      const { text, depth } = this.tokens[i]!;
      if (depth !== 0) continue;
      if (text === "import" && this.text(i + 1) !== "(") i = this.imports(i);
      else if (["var", "let", "const"].includes(text)) i = this.variableList(i);
      else if (text === "class") this.declare(i + 1, "plain");
    }
  }

  private imports(from: number): number {
    let i = from + 1;
    for (; i < this.tokens.length; i++) {
      const { text, isName } = this.tokens[i]!;
      if (text === ";" || text === '""') break;
      if (isName && text !== "as" && text !== "from") this.declare(i, "import");
    }
    return i;
  }

  /** One statement of declarations; gives its last token. */
  private variableList(from: number): number {
    let i = from + 1;
    let startsOne = true;
    for (; i < this.tokens.length; i++) {
      const { text, isName, depth } = this.tokens[i]!;
      if (depth === 0 && text === ";") break;
      if (startsOne && isName) this.declare(i, this.kindOf(i + 1));
      startsOne = depth === 0 && text === ",";
    }
    return i;
  }

  private kindOf(i: number): Kind {
    if (this.text(i) !== "=") return "plain";
    const [first, second] = [this.text(i + 1), this.text(i + 2)];
    if (first === "new")
      return /^(Map|Set|WeakMap|WeakSet|Array)$/.test(second)
        ? "container"
        : /^(Date|RegExp|Error|URL|TextEncoder|TextDecoder|Intl)$/.test(second)
          ? "plain"
          : "state";
    const isEmpty =
      (first === "[" && second === "]") || (first === "{" && second === "}");
    return isEmpty ? "container" : "plain";
  }

  private use(i: number): void {
    if (this.declared.has(i)) return;
    const identity = this.identity(i);
    const kind = identity === null ? undefined : this.variables.get(identity);
    if (kind === undefined) return;
    if (this.isChange(i, kind)) {
      if (kind === "import") this.found.changesOthers = true;
      else this.found.hasState = true;
    }
  }

  private isChange(from: number, kind: Kind): boolean {
    if (["++", "--", "delete"].includes(this.text(from - 1))) return true;
    let member: string | null = null;
    let i = from + 1;
    for (;;) {
      const text = this.text(i);
      if ((text === "." || text === "?.") && this.tokens[i + 1]?.isName) {
        member = this.text(i + 1);
        i += 2;
      } else if (text === "[") {
        const { depth } = this.tokens[i]!;
        while (
          i < this.tokens.length &&
          !(this.text(i) === "]" && this.tokens[i]!.depth === depth)
        )
          i++;
        i++;
        member = "[]";
      } else break;
    }
    const isKey = member === null && this.text(i) === ":";
    if (isKey) return false;
    if (ASSIGNMENT.test(this.text(i))) return true;
    if (this.text(i) === "(" && member !== null && CHANGING.has(member))
      return true;
    return kind === "container" && !READING.has(member ?? "");
  }
}
