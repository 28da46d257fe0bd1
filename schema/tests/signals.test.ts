// signals.test.ts - what is made of signals, on a deployment of its own: there is a limit to
// the communities of one.

import { after } from "node:test";
import { Deployment } from "./backend/deployment";
import { feed } from "./backend/feed";
import { trades } from "./backend/trades";

let deployment: Promise<Deployment> | undefined;
const start = () => (deployment ??= Deployment.start());
after(async () => {
  const started = await deployment?.catch(() => null); // said by the tests
  await started?.stop();
});

feed(start);
trades(start);
