// leave.mjs - imported into every test process: at its end it goes at once.
//
// Node 20 can spin for ever while it closes what is open at its end, after children were killed
// in the middle of a write. By then everything is reported and flushed.

process.once("beforeExit", () => {
  // Behind all other listeners, which settle the exit code.
  process.once("exit", (code) => process.exit(code));
});
