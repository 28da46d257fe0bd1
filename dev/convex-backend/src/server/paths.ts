// paths.ts - names of functions: "dir/module:function".

const MODULE_PART = /^[A-Za-z0-9_.]{1,64}$/;
const FUNCTION_NAME = /^[A-Za-z_$][A-Za-z0-9_$]{0,63}$/;

/**
 * The canonical form of a function path ("dir/module:function", no ".js",
 * ":default" spelled out), or a string saying what is wrong with it.
 */
export function parseFunctionPath(
  path: string,
): { path: string } | { problem: string } {
  const colon = path.lastIndexOf(":");
  const modulePath = colon < 0 ? path : path.slice(0, colon);
  const name = colon < 0 ? "default" : path.slice(colon + 1);
  if (!FUNCTION_NAME.test(name)) {
    return { problem: `Invalid function name: ${JSON.stringify(name)}` };
  }
  const parts = modulePath.split("/");
  const last = (parts.pop() ?? "").replace(/\.js$/, "");
  parts.push(last);
  if (/\.(jsx?|tsx?|mjs|cjs)$/.test(last)) {
    return {
      problem: `Module path (${modulePath}) has an extension that isn't 'js'.`,
    };
  }
  for (const part of parts) {
    if (!MODULE_PART.test(part) || part === "." || part === "..") {
      return {
        problem:
          `Module path (${modulePath}) contains an invalid component. Each component ` +
          "can only contain alphanumeric characters, underscores, or periods.",
      };
    }
  }
  return { path: `${parts.join("/")}:${name}` };
}
