// backend.test.ts - the functions as deployed, called by the official client.

import { after } from "node:test";
import { attachments } from "./backend/attachments";
import { accounts } from "./backend/accounts";
import { billing } from "./backend/billing";
import { checks } from "./backend/checks";
import { convergence } from "./backend/convergence";
import { Deployment } from "./backend/deployment";
import { discordRoles } from "./backend/discordRoles";
import { functionSpec } from "./backend/functionSpec";
import { leases } from "./backend/leases";
import { operator } from "./backend/operator";
import { people } from "./backend/people";
import { readers } from "./backend/readers";
import { roles } from "./backend/roles";
import { walk } from "./backend/walk";

let deployment: Promise<Deployment> | undefined;
const start = () => (deployment ??= Deployment.start());
after(async () => {
  const started = await deployment?.catch(() => null); // said by the tests
  await started?.stop();
});

convergence(start);
leases(start);
roles(start);
walk(start);
accounts(start);
readers(start);
attachments(start);
billing(start);
discordRoles(start);
operator(start);
people(start);
checks(start);
functionSpec(start);
