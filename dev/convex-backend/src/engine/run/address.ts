/* address.ts - which function a syscall means. */

import { canonicalPath } from "../functions.js";
import { SyscallError, unsupported } from "./failure.js";
import { functionHandle, handlePath } from "./secrets.js";

export type Address = {
  name?: string;
  reference?: string;
  functionHandle?: string;
};

/** The canonical path. Throws SyscallError. */
export function addressPath(address: Address): string {
  if (typeof address.name === "string") return canonicalPath(address.name);
  if (typeof address.functionHandle === "string") {
    const path = handlePath(address.functionHandle);
    if (path === null)
      throw new SyscallError(
        "InvalidFunctionHandle",
        `Invalid function handle: ${address.functionHandle}`,
      );
    return path;
  }
  const reference = address.reference ?? "";
  if (reference.startsWith("_reference/function/"))
    return canonicalPath(reference.slice("_reference/function/".length));
  if (reference.startsWith("_reference/childComponent/"))
    throw new SyscallError("Unsupported", unsupported("components"));
  throw new SyscallError("InvalidReference", `Invalid reference ${reference}`);
}

export function addressHandle(address: Address): string {
  return address.functionHandle ?? functionHandle(addressPath(address));
}
