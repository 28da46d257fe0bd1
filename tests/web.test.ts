// The dashboard in a real browser against the development backend. After each test
// every page it opened must have asked no other host for anything, and must have
// broken no policy and complained of nothing but what the test brought about.
import assert from "node:assert/strict";
import { after, afterEach, before, test as anyTest } from "node:test";
import { compareDashboardText } from "./web-words";
