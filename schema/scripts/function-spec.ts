// function-spec.ts - writes function-spec.json and convex/_generated, after a change of a table,
// a function or its validators.
// Deploys to a development backend of its own, as the tests do.

import { writeFileSync } from "node:fs";
import { Deployment } from "../tests/backend/deployment";
import { settled, SPEC_FILE } from "../tests/backend/functionSpec";

const deployment = await Deployment.start();
try {
  await deployment.codegen();
  writeFileSync(SPEC_FILE, settled(await deployment.functionSpec()));
} finally {
  await deployment.stop();
}
